/*-------------------------------------------------------------------------
 *
 * part.c
 *		What a debit or hold stands at, by its ledger entries.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/errors.h"
#include "store/part.h"

/* Does the entry speak of the part's bucket, whatever window it has moved to? */
static bool
same_source(const QuotaPart *part, const QuotaEntry *e)
{
	return part->source == e->source && part->grant_id == e->grant_id &&
		quota_same_account(&part->key.account, &e->bucket.account);
}

/* Returns how much there was not to take it off. */
static int64
take_off(QuotaPart *parts, int nparts, const QuotaEntry *e)
{
	int64		left = -e->amount;

	for (int i = nparts - 1; i >= 0 && left > 0; i--)
	{
		int64		here;

		if (!same_source(&parts[i], e))
			continue;
		here = Min(left, parts[i].amount);
		parts[i].amount -= here;
		left -= here;
	}
	return left;
}

/*
 * What was missing in a bucket when it came back was given back all the same.
 *
 * A refund with a key has drawn its id before it waited, so what it gives back
 * can have been charged by an entry with a larger one.
 */
int
quota_parts_of(const QuotaEntry *entries, int nentries, const QuotaAccountKey *account,
			   QuotaPart **parts)
{
	int			n = 0;
	int			kept = 0;
	QuotaEntry *early = (QuotaEntry *) palloc(sizeof(QuotaEntry) * Max(nentries, 1));
	int			nearly = 0;

	*parts = (QuotaPart *) palloc(sizeof(QuotaPart) * Max(nentries, 1));
	for (int i = 0; i < nentries; i++)
	{
		const QuotaEntry *e = &entries[i];

		if (e->kind == QUOTA_ENTRY_MISSING ||
			(account != NULL && !quota_same_account(account, &e->bucket.account)))
			continue;
		if (e->amount < 0)
		{
			int64		left = take_off(*parts, n, e);

			if (left == 0)
				continue;
			early[nearly] = *e;
			early[nearly++].amount = -left;
		}
		else
		{
			QuotaPart  *part = &(*parts)[n++];

			part->key = e->bucket;
			part->source = e->source;
			part->grant_id = e->grant_id;
			part->at = e->occurred_at;
			part->entry_id = e->id;
			part->amount = e->amount;
		}
	}
	for (int i = 0; i < nearly; i++)
		QuotaEnsure(take_off(*parts, n, &early[i]) == 0);
	for (int i = 0; i < n; i++)
	{
		if ((*parts)[i].amount > 0)
			(*parts)[kept++] = (*parts)[i];
	}
	return kept;
}

int64 *
quota_count_of(QuotaCounts *counts, char source)
{
	switch (source)
	{
		case QUOTA_SOURCE_GRANT:
			return &counts->granted;
		case QUOTA_SOURCE_OVERAGE:
			return &counts->overage;
		case QUOTA_SOURCE_OVERDRAWN:
			return &counts->overdrawn;
		default:
			return &counts->used;	/* allowance, capacity */
	}
}
