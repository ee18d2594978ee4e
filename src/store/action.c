/*-------------------------------------------------------------------------
 *
 * action.c
 *		The price book: what an action requires and costs.
 *
 * Prices are exact numerics and stay so until a call's amount is rounded up,
 * once, at its end.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/errors.h"
#include "store/action.h"
#include "store/schema.h"
#include "store/tuple.h"

static void
load_action(QuotaCatalog *catalog, HeapTuple tuple, TupleDesc desc)
{
	char	   *name;
	QuotaAction *action;
	int32		id;

	if (!heap_attisnull(tuple, Anum_action_retired_at, desc))
		return;
	name = quota_text_attribute(tuple, desc, Anum_action_name);
	id = DatumGetInt32(quota_attribute(tuple, desc, Anum_action_id));
	action = (QuotaAction *) hash_search(catalog->actions, name, HASH_ENTER, NULL);
	action->id = id;
	action->nrequires = 0;
	action->requires = NULL;
	action->ncharges = 0;
	action->charges = NULL;
	pfree(name);
}

/* An array with room for one element more; CurrentMemoryContext is the catalog's. */
static void *
grown(void *array, int n, Size size)
{
	return array == NULL ? palloc(size) : repalloc(array, size * (n + 1));
}

/* NULL: retired */
static QuotaAction *
action_of(QuotaCatalog *catalog, HeapTuple tuple, TupleDesc desc, int attnum)
{
	int32		id = DatumGetInt32(quota_attribute(tuple, desc, attnum));
	QuotaAction *found = NULL;
	QuotaAction *action;
	HASH_SEQ_STATUS scan;

	hash_seq_init(&scan, catalog->actions);
	while ((action = (QuotaAction *) hash_seq_search(&scan)) != NULL)
	{
		if (action->id == id)
			found = action;
	}
	return found;
}

static const QuotaFeature *
feature_of(QuotaCatalog *catalog, HeapTuple tuple, TupleDesc desc, int attnum)
{
	const QuotaFeature *feature;

	feature = quota_catalog_feature_by_id(catalog,
										  DatumGetInt32(quota_attribute(tuple, desc, attnum)));
	if (feature == NULL)
		elog(ERROR, "quota: an action names an unknown feature");
	return feature;
}

static void
load_require(QuotaCatalog *catalog, HeapTuple tuple, TupleDesc desc)
{
	QuotaAction *action = action_of(catalog, tuple, desc, Anum_action_require_action_id);

	if (action == NULL)
		return;
	action->requires = (const QuotaFeature **)
		grown(action->requires, action->nrequires, sizeof(QuotaFeature *));
	action->requires[action->nrequires++] =
		feature_of(catalog, tuple, desc, Anum_action_require_feature_id);
}

static void
load_charge(QuotaCatalog *catalog, HeapTuple tuple, TupleDesc desc)
{
	QuotaAction *action = action_of(catalog, tuple, desc, Anum_action_charge_action_id);
	QuotaActionCharge *charge;

	if (action == NULL)
		return;
	action->charges = (QuotaActionCharge *)
		grown(action->charges, action->ncharges, sizeof(QuotaActionCharge));
	charge = &action->charges[action->ncharges++];
	charge->feature = feature_of(catalog, tuple, desc, Anum_action_charge_feature_id);
	charge->base = DatumGetNumericCopy(quota_attribute(tuple, desc, Anum_action_charge_base));
	charge->nprices = 0;
	charge->prices = NULL;
}

static void
load_price(QuotaCatalog *catalog, HeapTuple tuple, TupleDesc desc)
{
	QuotaAction *action = action_of(catalog, tuple, desc, Anum_action_price_action_id);
	int32		feature_id = DatumGetInt32(quota_attribute(tuple, desc, Anum_action_price_feature_id));

	for (int i = 0; action != NULL && i < action->ncharges; i++)
	{
		QuotaActionCharge *charge = &action->charges[i];
		QuotaPrice *price;

		if (charge->feature->id != feature_id)
			continue;
		charge->prices = (QuotaPrice *) grown(charge->prices, charge->nprices, sizeof(QuotaPrice));
		price = &charge->prices[charge->nprices++];
		price->dimension = quota_text_attribute(tuple, desc, Anum_action_price_dimension);
		price->per_unit = DatumGetNumericCopy(quota_attribute(tuple, desc, Anum_action_price_per_unit));
	}
}

static int
compare_requires(const void *a, const void *b)
{
	return strcmp((*(const QuotaFeature *const *) a)->name, (*(const QuotaFeature *const *) b)->name);
}

static int
compare_charges(const void *a, const void *b)
{
	return strcmp(((const QuotaActionCharge *) a)->feature->name,
				  ((const QuotaActionCharge *) b)->feature->name);
}

void
quota_actions_load(QuotaCatalog *catalog, Snapshot snapshot)
{
	HASHCTL		ctl = {0};
	HASH_SEQ_STATUS scan;
	QuotaAction *action;

	ctl.keysize = QUOTA_MAX_ACTION_BYTES + 1;
	ctl.entrysize = sizeof(QuotaAction);
	ctl.hcxt = catalog->context;
	catalog->actions = hash_create("quota actions", 64, &ctl,
								   HASH_ELEM | HASH_STRINGS | HASH_CONTEXT);
	quota_catalog_read(catalog, QUOTA_ACTION, snapshot, load_action);
	quota_catalog_read(catalog, QUOTA_ACTION_REQUIRE, snapshot, load_require);
	quota_catalog_read(catalog, QUOTA_ACTION_CHARGE, snapshot, load_charge);
	quota_catalog_read(catalog, QUOTA_ACTION_PRICE, snapshot, load_price);

	hash_seq_init(&scan, catalog->actions);
	while ((action = (QuotaAction *) hash_seq_search(&scan)) != NULL)
	{
		if (action->nrequires > 0)
			qsort(action->requires, action->nrequires, sizeof(QuotaFeature *), compare_requires);
		if (action->ncharges > 0)
			qsort(action->charges, action->ncharges, sizeof(QuotaActionCharge), compare_charges);
	}
}

const QuotaAction *
quota_action_require(const QuotaCatalog *catalog, const char *name)
{
	const QuotaAction *action = NULL;

	if (strlen(name) <= QUOTA_MAX_ACTION_BYTES)
		action = (const QuotaAction *) hash_search(catalog->actions, name, HASH_FIND, NULL);
	if (action == NULL)
		quota_raise_not_found("action", name);
	return action;
}
