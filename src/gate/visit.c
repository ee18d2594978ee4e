/*-------------------------------------------------------------------------
 *
 * visit.c
 *		What old and new rows add to a tally.
 *
 * A new row that does not say who pays how much is an error.  An old one must
 * never become undeletable: it gives nothing back, with a WARNING, and
 * quota.recount() repairs the count.  Nor must it become unchangeable: an UPDATE
 * may leave it as bad as it was (trigger.c).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "gate/visit.h"

void
quota_visit_begin(QuotaVisit *visit, const QuotaGate *gate, Relation rel)
{
	visit->gate = gate;
	visit->rel = rel;
	visit->tally = quota_tally_create();
	visit->nlost = 0;
}

void
quota_visit_end(const QuotaVisit *visit, const char *done, const char *hint)
{
	if (visit->nlost == 0)
		return;
	ereport(WARNING,
			(errmsg("rows of table \"%s\" have no valid subject: nothing of feature \"%s\" is %s for them",
					RelationGetRelationName(visit->rel), visit->gate->feature, done),
			 errdetail("Rows: " INT64_FORMAT "; subject: %s.", visit->nlost, visit->gate->subject),
			 errhint("%s", hint)));
}

bool
quota_has_amount(const QuotaRowValue *row)
{
	return !row->no_amount && row->amount >= 0;
}

int64
quota_new_amount(const QuotaVisit *visit, const QuotaRowValue *row)
{
	if (row->no_amount)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("amount of feature \"%s\" is null for a row of table \"%s\": %s",
						visit->gate->feature, RelationGetRelationName(visit->rel),
						visit->gate->amount),
				 errhint("Protect the table with coalesce(%s, 0).", visit->gate->amount)));
	if (row->amount < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("amount of feature \"%s\" is negative for a row of table \"%s\": %s",
						visit->gate->feature, RelationGetRelationName(visit->rel),
						visit->gate->amount),
				 errdetail("It is " INT64_FORMAT ".", row->amount)));
	return row->amount;
}

QuotaPayer *
quota_new_payer(const QuotaVisit *visit, const QuotaRowValue *row)
{
	if (row->no_subject)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("subject of feature \"%s\" is null for a row of table \"%s\": %s",
						visit->gate->feature, RelationGetRelationName(visit->rel),
						visit->gate->subject),
				 errhint("Protect the table with coalesce() to choose who pays.")));
	return quota_tally_payer(visit->tally, row->subject);
}

void
quota_visit_lost(QuotaVisit *visit, int64 amount)
{
	if (amount > 0)
		visit->nlost++;
}

void
quota_visit_new(const QuotaRowValue *row, void *state)
{
	QuotaVisit *visit = (QuotaVisit *) state;
	int64		amount = quota_new_amount(visit, row);

	quota_payer_take(quota_new_payer(visit, row), amount);
}

void
quota_visit_old(const QuotaRowValue *row, void *state)
{
	QuotaVisit *visit = (QuotaVisit *) state;
	QuotaPayer *payer = quota_tally_old_payer(visit->tally, row->subject, row->no_subject);

	if (payer == NULL)
		quota_visit_lost(visit, row->amount);
	else if (row->amount > 0)
		quota_payer_give(payer, row->amount);
}

void
quota_visit_present(const QuotaRowValue *row, void *state)
{
	QuotaVisit *visit = (QuotaVisit *) state;
	QuotaPayer *payer = quota_tally_old_payer(visit->tally, row->subject, row->no_subject);

	if (payer == NULL)
	{
		quota_visit_lost(visit, row->amount);
		return;
	}
	payer->nrows++;
	if (row->amount > 0)
		quota_payer_take(payer, row->amount);
}
