/*-------------------------------------------------------------------------
 *
 * place_key.h
 *		What accounts are known by in shared memory.
 *
 * 128 bits of a hash whose seeds are drawn when the server starts, so that nobody can
 * look for two that collide.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QUOTA_PLACE_KEY_H
#define QUOTA_PLACE_KEY_H

#include "shared/places.h"
#include "store/window_key.h"

typedef struct QuotaPlaceKey
{
	uint64		bits[2];		/* the first is never 0: that is a place that is free */
} QuotaPlaceKey;

extern Size quota_place_keys_size(void);
extern void quota_place_keys_start(void);

/*
 * Of an account, and of one of its windows.  The table's OID is part of it: an extension
 * that is made again begins afresh.
 */
extern QuotaPlaceKey quota_place_of_account(const QuotaAccountKey *account, Oid table);
extern QuotaPlaceKey quota_place_of_window(const QuotaWindowKey *window, Oid table);

static inline bool
quota_same_place(const QuotaPlaceKey *a, const QuotaPlaceKey *b)
{
	return a->bits[0] == b->bits[0] && a->bits[1] == b->bits[1];
}

/* The key's place in its set; NULL: there is none.  Every place of the table begins with its key. */
extern void *quota_place_find(QuotaSet *set, const QuotaPlaceKey *key);

#endif							/* QUOTA_PLACE_KEY_H */
