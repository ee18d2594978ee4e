/*-------------------------------------------------------------------------
 *
 * window_key.h
 *		Whose use of what, and of which time.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QUOTA_WINDOW_KEY_H
#define QUOTA_WINDOW_KEY_H

#include "datatype/timestamp.h"

#include "base/subject.h"
#include "store/scan.h"

/* One prefix of a subject, and a feature. */
typedef struct QuotaAccountKey
{
	const char *prefix;			/* not NUL-terminated: mostly part of a subject */
	int			prefix_len;
	int32		feature_id;
} QuotaAccountKey;

/* A window of an account.  Each subscription has windows of its own. */
typedef struct QuotaWindowKey
{
	QuotaAccountKey account;
	int64		source_id;		/* the subscription; 0: default plan, capacity */
	TimestampTz start;
	TimestampTz end;
} QuotaWindowKey;

extern QuotaAccountKey quota_account_key(const QuotaSubject *subject, int level, int32 feature_id);

extern bool quota_same_account(const QuotaAccountKey *a, const QuotaAccountKey *b);
extern bool quota_same_window(const QuotaWindowKey *a, const QuotaWindowKey *b);

/*
 * A hash of the window; the same in every session and server.  "seed" makes it another
 * one: 0 where it does not matter.
 */
extern uint64 quota_window_hash(const QuotaWindowKey *window, uint64 seed);

/* the prefix as a text */
extern Datum quota_prefix_text(const QuotaAccountKey *account);

/* scans for the rows of the account, by these columns of the table */
extern void quota_scan_account(QuotaScan *scan, AttrNumber subject, AttrNumber feature_id,
							   const QuotaAccountKey *account);

#endif							/* QUOTA_WINDOW_KEY_H */
