/*-------------------------------------------------------------------------
 *
 * apply.c
 *		Charging what a tally says.
 *
 * Give-backs come first, so that what moves from one subject of a path to another
 * finds its own room.  Within either kind subjects are in byte order, so two
 * statements that only take, or only give, cannot deadlock; two that move rows
 * to and fro can (40P01), as two updates of the rows' owners would.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "api/call.h"
#include "decide/credit.h"
#include "decide/give.h"
#include "gate/apply.h"

static Jsonb *
table_as_metadata(Relation rel)
{
	JsonbParseState *state = NULL;
	JsonbValue	name;

	(void) pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	name.type = jbvString;
	name.val.string.val = pstrdup("table");
	name.val.string.len = 5;
	(void) pushJsonbValue(&state, WJB_KEY, &name);
	name.val.string.val = psprintf("%s.%s", get_namespace_name(RelationGetNamespace(rel)),
								   RelationGetRelationName(rel));
	name.val.string.len = (int) strlen(name.val.string.val);
	(void) pushJsonbValue(&state, WJB_VALUE, &name);
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

/* Charges the difference as the one item of a request, or gives it back. */
static void
apply_one(QuotaRequest *request, const QuotaFeature *feature, int64 difference)
{
	QuotaItem  *item = request->items;

	item->feature = feature->name;
	if (difference > 0)
	{
		item->amount = difference;
		quota_charge(request);
		return;
	}
	item->amount = -difference;
	request->up_to = true;
	if (feature->kind == QUOTA_CAPACITY)
		quota_give_back(request);
	else
		quota_lower_usage(request);
}

int64
quota_gate_adjust(const QuotaSubject *subject, const QuotaFeature *feature, int64 difference,
				  Jsonb *metadata)
{
	QuotaItem	item = {0};
	QuotaRequest request = {
		.subject = *subject, .items = &item, .nitems = 1, .metadata = metadata,
		.on_refusal = QUOTA_OVERDRAW_SILENTLY
	};

	apply_one(&request, feature, difference);
	return difference > 0 ? item.charged : -item.charged;
}

/* Applies the differences of one sign. */
static void
apply_payers(const QuotaGate *gate, const QuotaFeature *feature, QuotaPayer **payers,
			 int npayers, bool giving, Jsonb *metadata)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "quota gate subject",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);

	for (int i = 0; i < npayers; i++)
	{
		int64		difference = payers[i]->taken - payers[i]->given;
		QuotaItem	item = {0};
		QuotaRequest request = {
			.items = &item, .nitems = 1, .metadata = metadata,
			.on_refusal = gate->overdraw ? QUOTA_OVERDRAW : QUOTA_RAISE
		};

		if (giving ? difference >= 0 : difference <= 0)
			continue;
		CHECK_FOR_INTERRUPTS();
		quota_subject_parse(CStringGetTextDatum(payers[i]->subject), false, &request.subject);
		apply_one(&request, feature, difference);
		payers[i]->unbooked = difference > 0 && item.charged == 0;
		MemoryContextReset(context);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}

void
quota_gate_apply(const QuotaGate *gate, const QuotaFeature *feature, Relation rel,
				 const QuotaTally *tally)
{
	int			npayers;
	QuotaPayer **payers = quota_tally_sorted(tally, &npayers);
	Jsonb	   *metadata;

	if (npayers == 0)
		return;
	quota_prevent_if_not_writable("quota.gate()");
	metadata = table_as_metadata(rel);
	if (quota_gate_gives_back(gate, feature))
		apply_payers(gate, feature, payers, npayers, true, metadata);
	apply_payers(gate, feature, payers, npayers, false, metadata);
}
