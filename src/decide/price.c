/*-------------------------------------------------------------------------
 *
 * price.c
 *		Charging an action by the price book.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "fmgr.h"
#include "utils/fmgrprotos.h"
#include "utils/snapmgr.h"

#include "base/errors.h"
#include "base/settings.h"
#include "decide/price.h"
#include "store/action.h"

/* The units that were given of a dimension, or NULL. */
static const QuotaUnits *
units_of(const QuotaActionCall *call, const char *dimension)
{
	for (int i = 0; i < call->nunits; i++)
	{
		if (strcmp(call->units[i].dimension, dimension) == 0)
			return &call->units[i];
	}
	return NULL;
}

static bool
action_prices(const QuotaAction *action, const char *dimension)
{
	for (int i = 0; i < action->ncharges; i++)
	{
		for (int j = 0; j < action->charges[i].nprices; j++)
		{
			if (strcmp(action->charges[i].prices[j].dimension, dimension) == 0)
				return true;
		}
	}
	return false;
}

/*
 * Units that have no price are a mistake that would give work away; the units
 * of quota.charge() alone are allowed to have none (their default is 1).
 */
static void
check_units(const QuotaAction *action, const QuotaActionCall *call)
{
	bool		plain = call->nunits == 1 && call->units[0].dimension[0] == '\0';

	for (int i = 0; i < action->ncharges; i++)
	{
		for (int j = 0; j < action->charges[i].nprices; j++)
		{
			if ((action->charges[i].prices[j].dimension[0] == '\0') != plain)
				ereport(ERROR,
						(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						 plain ?
						 errmsg("action \"%s\" is priced by dimensions", action->name) :
						 errmsg("action \"%s\" is priced by one number of units", action->name),
						 plain ? errhint("It is charged by quota.charge_units().") :
						 errhint("It is charged by quota.charge().")));
		}
	}
	for (int i = 0; !plain && i < call->nunits; i++)
	{
		if (!action_prices(action, call->units[i].dimension))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("action \"%s\" has no price for \"%s\"",
							action->name, quota_clip(call->units[i].dimension))));
	}
}

/* ceil(base + sum of per_unit x units); 22003 */
static int64
amount_of(const QuotaActionCharge *charge, const QuotaActionCall *call)
{
	Datum		sum = NumericGetDatum(charge->base);

	for (int i = 0; i < charge->nprices; i++)
	{
		const QuotaUnits *units = units_of(call, charge->prices[i].dimension);

		if (units)
			sum = DirectFunctionCall2(numeric_add, sum,
									  DirectFunctionCall2(numeric_mul,
														  NumericGetDatum(charge->prices[i].per_unit),
														  NumericGetDatum(units->units)));
	}
	sum = DirectFunctionCall1(numeric_ceil, sum);
	if (DatumGetBool(DirectFunctionCall2(numeric_gt, sum,
										 NumericGetDatum(int64_to_numeric(PG_INT64_MAX)))))
		quota_raise_out_of_range(psprintf("charge for feature \"%s\"", charge->feature->name));
	return DatumGetInt64(DirectFunctionCall1(numeric_int8, sum));
}

/* QT403 unless every required feature is given; observed: a record. */
static void
check_requires(const QuotaPath *path, const QuotaAction *action)
{
	for (int i = 0; i < action->nrequires; i++)
	{
		QuotaView	view;

		/* with what is used, which a refusal's DETAIL says */
		quota_view(path, action->requires[i], 0, &view);
		if (view.verdict.reason == QUOTA_OK)
			continue;
		quota_refuse(path, &view.accounts, 1, &view.verdict);
	}
}

/* What the action comes to, by feature. */
static QuotaItem *
items_of(const QuotaAction *action, const QuotaActionCall *call, int *nitems)
{
	QuotaItem  *items = (QuotaItem *) palloc0(sizeof(QuotaItem) * Max(action->ncharges, 1));

	for (int i = 0; i < action->ncharges; i++)
	{
		items[i].feature = pstrdup(action->charges[i].feature->name);
		items[i].amount = amount_of(&action->charges[i], call);
	}
	*nitems = action->ncharges;
	return items;
}

QuotaItem *
quota_quote_action(const QuotaCatalog *catalog, const QuotaActionCall *call, int *nitems)
{
	const QuotaAction *action = quota_action_require(catalog, call->name);

	check_units(action, call);
	return items_of(action, call, nitems);
}

/* The same for a subject, who must have what the action requires. */
static QuotaItem *
price(const QuotaRequest *request, const QuotaPath *path, int *nitems)
{
	const QuotaAction *action = quota_action_require(path->catalog, request->action->name);

	check_units(action, request->action);
	check_requires(path, action);
	return items_of(action, request->action, nitems);
}

void
quota_charge_action(QuotaRequest *request)
{
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	QuotaRequest paid = *request;
	QuotaItem  *items;
	QuotaPath	path;
	int			nitems;

	quota_path_look_up(&path, &request->subject, quota_now(), snapshot);
	items = price(request, &path, &nitems);
	UnregisterSnapshot(snapshot);

	/* only what costs something is charged */
	paid.items = (QuotaItem *) palloc(sizeof(QuotaItem) * Max(nitems, 1));
	paid.nitems = 0;
	for (int i = 0; i < nitems; i++)
	{
		if (items[i].amount > 0)
			paid.items[paid.nitems++] = items[i];
	}
	if (paid.nitems > 0)
		quota_charge(&paid);
	for (int i = 0, next = 0; i < nitems; i++)
	{
		if (items[i].amount > 0)
			items[i] = paid.items[next++];
		else
			quota_charge_verdict(&request->subject, items[i].feature, &items[i].verdict);
	}
	request->items = items;
	request->nitems = nitems;
}
