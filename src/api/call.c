/*-------------------------------------------------------------------------
 *
 * call.c
 *		What the functions that charge have in common.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "tcop/utility.h"

#include "api/call.h"
#include "base/settings.h"
#include "store/ledger.h"

void
quota_prevent_if_not_writable(const char *function)
{
	PreventCommandDuringRecovery(function);
	PreventCommandIfReadOnly(function);
	PreventCommandIfParallelMode(function);
}

/* The results that the request's items have, or are going to have. */
static QuotaResults
results_of(const QuotaRequest *request, bool done)
{
	QuotaResults results;

	results.nrows = request->nitems;
	results.rows = (QuotaResult *) palloc(sizeof(QuotaResult) * Max(request->nitems, 1));
	for (int i = 0; i < request->nitems; i++)
	{
		const QuotaItem *item = &request->items[i];

		results.rows[i].feature = item->feature;
		results.rows[i].id = done ? item->id : item->reserved_id;
		results.rows[i].amount = done ? item->charged : item->amount;
	}
	return results;
}

static bool
same_results(const QuotaResults *a, const QuotaResults *b)
{
	if (a->nrows != b->nrows)
		return false;
	for (int i = 0; i < a->nrows; i++)
	{
		if (a->rows[i].id != b->rows[i].id || a->rows[i].amount != b->rows[i].amount)
			return false;
	}
	return true;
}

/* The answer that was given before, with what remains now. */
static void
repeat(QuotaRequest *request, const QuotaResults *results)
{
	request->nitems = results->nrows;
	request->items = (QuotaItem *) palloc0(sizeof(QuotaItem) * Max(results->nrows, 1));
	for (int i = 0; i < results->nrows; i++)
	{
		QuotaItem  *item = &request->items[i];

		item->feature = results->rows[i].feature;
		item->id = results->rows[i].id;
		item->charged = results->rows[i].amount;
		quota_charge_verdict(&request->subject, item->feature, &item->verdict);
	}
}

bool
quota_call_once(QuotaRequest *request, QuotaCall *call, void (*work) (QuotaRequest *request))
{
	QuotaResults expected;
	QuotaResults results;
	bool		charged = false;

	if (request->key == NULL)
	{
		work(request);
		return true;
	}
	call->subject = request->subject.text;
	call->key = request->key;
	for (int i = 0; i < request->nitems; i++)
		request->items[i].reserved_id = quota_ledger_next_id();
	expected = results_of(request, false);
	results = expected;
	if (!quota_key_claim(call, quota_now(), &results))
	{
		repeat(request, &results);
		return false;
	}
	work(request);
	for (int i = 0; i < request->nitems; i++)
		charged = charged || request->items[i].id != 0;
	results = results_of(request, true);
	if (!charged)
		quota_key_disclaim(call);
	else if (!same_results(&expected, &results))
		quota_key_set_results(call, &results);
	return true;
}
