/*-------------------------------------------------------------------------
 *
 * tally.h
 *		Who pays how much for the rows of one statement.
 *
 * Memory grows with the number of subjects in a statement, not with its rows.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QUOTA_TALLY_H
#define QUOTA_TALLY_H

typedef struct QuotaTally QuotaTally;

/* One subject's share. */
typedef struct QuotaShare
{
	const char *subject;		/* valid, the tally's */
	int64		taken;
	int64		given;
	int64		nrows;			/* of those that have been there before */
	bool		unbooked;		/* it was applied, and nobody was charged */
} QuotaShare;

/* lives in the current memory context */
extern QuotaTally *quota_tally_create(void);

/* an error when the subject is not valid; "subject" is a text datum; a share stays where it is */
extern QuotaShare *quota_tally_share(QuotaTally *tally, Datum subject);

/* the same, but NULL when the subject is NULL or not valid */
extern QuotaShare *quota_tally_old_share(QuotaTally *tally, Datum subject, bool isnull);

/* 22003 when a sum leaves bigint */
extern void quota_share_take(QuotaShare *share, int64 amount);
extern void quota_share_give(QuotaShare *share, int64 amount);

/* all shares by subject, byte for byte; palloc'd */
extern QuotaShare **quota_tally_sorted(const QuotaTally *tally, int *nshares);

#endif							/* QUOTA_TALLY_H */
