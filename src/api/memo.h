/*-------------------------------------------------------------------------
 *
 * memo.h
 *		What has() and setting() answered, for as long as they would again.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QUOTA_MEMO_H
#define QUOTA_MEMO_H

#include "utils/jsonb.h"
#include "utils/snapshot.h"

/* Both answers to one question. */
typedef struct QuotaAnswer
{
	bool		given;			/* has() */
	Jsonb	   *value;			/* setting(); or NULL */
} QuotaAnswer;

/*
 * The answer that looking up under "snapshot" would give, if it is known: the
 * memo's, until its next use.  Ask before looking up, add after.
 */
extern const QuotaAnswer *quota_memo_find(Snapshot snapshot, const text *subject,
										  const text *feature);
extern void quota_memo_add(const text *subject, const text *feature, const QuotaAnswer *answer);

#endif							/* QUOTA_MEMO_H */
