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
#include "store/scan.h"
#include "store/schema.h"
#include "store/tuple.h"

/* only while a catalog is loaded */
typedef struct ActionOfId
{
	int32		id;				/* hash key: first */
	QuotaAction *action;
} ActionOfId;

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
	((ActionOfId *) hash_search(catalog->actions_by_id, &id, HASH_ENTER, NULL))->action = action;
	action->nrequires = 0;
	action->requires = NULL;
	action->ncharges = 0;
	action->charges = NULL;
	pfree(name);
}

/* NULL: retired */
static QuotaAction *
action_of(QuotaCatalog *catalog, HeapTuple tuple, TupleDesc desc, int attnum)
{
	int32		id = DatumGetInt32(quota_attribute(tuple, desc, attnum));
	ActionOfId *found = (ActionOfId *) hash_search(catalog->actions_by_id, &id, HASH_FIND, NULL);

	return found ? found->action : NULL;
}

static const QuotaFeature *
feature_of(QuotaCatalog *catalog, HeapTuple tuple, TupleDesc desc, int attnum)
{
	const QuotaFeature *feature;

	feature = quota_catalog_feature_by_id(catalog,
										  DatumGetInt32(quota_attribute(tuple, desc, attnum)));
	if (feature == NULL)
		quota_raise_damaged("action", "It names a feature that does not exist.");
	return feature;
}

static void
load_require(QuotaCatalog *catalog, HeapTuple tuple, TupleDesc desc)
{
	QuotaAction *action = action_of(catalog, tuple, desc, Anum_action_require_action_id);

	if (action == NULL)
		return;
	action->requires = (const QuotaFeature **)
		quota_array_grow(action->requires, action->nrequires, sizeof(QuotaFeature *));
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
		quota_array_grow(action->charges, action->ncharges, sizeof(QuotaActionCharge));
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
		charge->prices = (QuotaPrice *) quota_array_grow(charge->prices, charge->nprices, sizeof(QuotaPrice));
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
	ctl.keysize = sizeof(int32);
	ctl.entrysize = sizeof(ActionOfId);
	catalog->actions_by_id = hash_create("quota actions by id", 64, &ctl,
										 HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	quota_catalog_read(catalog, QUOTA_ACTION, snapshot, load_action);
	quota_catalog_read(catalog, QUOTA_ACTION_REQUIRE, snapshot, load_require);
	quota_catalog_read(catalog, QUOTA_ACTION_CHARGE, snapshot, load_charge);
	quota_catalog_read(catalog, QUOTA_ACTION_PRICE, snapshot, load_price);
	hash_destroy(catalog->actions_by_id);
	catalog->actions_by_id = NULL;

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
