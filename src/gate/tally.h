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

/* A subject that pays for a statement's rows, and how much. */
typedef struct QuotaPayer
{
	const char *subject;		/* valid, the tally's */
	int64		taken;
	int64		given;
	int64		nrows;			/* of those that have been there before */
	bool		unbooked;		/* it was applied, and nobody was charged */
} QuotaPayer;

/* lives in the current memory context */
extern QuotaTally *quota_tally_create(void);

/* an error when the subject is not valid; "subject" is a text datum; a payer stays where it is */
extern QuotaPayer *quota_tally_payer(QuotaTally *tally, Datum subject);

/* the same, but NULL when the subject is NULL or not valid */
extern QuotaPayer *quota_tally_old_payer(QuotaTally *tally, Datum subject, bool isnull);

/* 22003 when a sum leaves bigint */
extern void quota_payer_take(QuotaPayer *payer, int64 amount);
extern void quota_payer_give(QuotaPayer *payer, int64 amount);

/* all payers by subject, byte for byte; palloc'd */
extern QuotaPayer **quota_tally_sorted(const QuotaTally *tally, int *npayers);

#endif							/* QUOTA_TALLY_H */
