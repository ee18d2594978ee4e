/*-------------------------------------------------------------------------
 *
 * booking.c
 *		Ledger entries of what comes back.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"

#include "engine/booking.h"

int64
quota_give_and_book(QuotaGiving *givings, int ngivings, const QuotaEntry *like)
{
	QuotaEntry *entries = (QuotaEntry *) palloc(sizeof(QuotaEntry) * 2 * Max(ngivings, 1));
	int64	   *asked = (int64 *) palloc(sizeof(int64) * Max(ngivings, 1));
	int			n = 0;

	if (ngivings == 0)
		return 0;
	for (int i = 0; i < ngivings; i++)
	{
		asked[i] = givings[i].part.amount;
		givings[i].early_id = like->id;
	}
	quota_engine_give(givings, ngivings, like->debit_id);
	for (int i = 0; i < ngivings; i++)
	{
		const QuotaPart *part = &givings[i].part;
		QuotaEntry	e = *like;

		/* the part of a settled hold that stays: nothing but the fact */
		if (asked[i] == 0 && (n > 0 || i < ngivings - 1))
			continue;
		e.bucket = part->key;
		e.source = part->source;
		e.grant_id = part->grant_id;
		e.lease_id = givings[i].lease_id;
		e.amount = -asked[i];
		e.id = n == 0 && like->id != 0 ? like->id : quota_ledger_next_id();
		entries[n++] = e;
		if (part->amount == asked[i])
			continue;
		e.kind = QUOTA_ENTRY_MISSING;
		e.lease_id = 0;
		e.amount = asked[i] - part->amount;
		e.id = quota_ledger_next_id();
		entries[n++] = e;
	}
	quota_ledger_append(entries, n);
	CommandCounterIncrement();
	return entries[0].id;
}

int64
quota_book_given(const QuotaGiving *givings, int ngivings, const QuotaEntry *like)
{
	QuotaEntry *entries = (QuotaEntry *) palloc(sizeof(QuotaEntry) * Max(ngivings, 1));
	int			n = 0;

	for (int i = 0; i < ngivings; i++)
	{
		const QuotaPart *part = &givings[i].part;
		QuotaEntry	e = *like;

		if (part->amount == 0)
			continue;
		e.bucket = part->key;
		e.source = part->source;
		e.grant_id = part->grant_id;
		e.lease_id = givings[i].lease_id;
		e.amount = -part->amount;
		e.id = n == 0 && like->id != 0 ? like->id : quota_ledger_next_id();
		e.debit_id = n == 0 ? e.id : entries[0].id;
		entries[n++] = e;
	}
	if (n == 0)
		return 0;
	quota_ledger_append(entries, n);
	return entries[0].id;
}
