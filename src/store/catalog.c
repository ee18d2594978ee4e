/*-------------------------------------------------------------------------
 *
 * catalog.c
 *		The catalog (features, plans, entitlements) in backend-local memory.
 *
 * It is read whole into a memory context of its own, under one snapshot, when
 * a call finds that there is none or that an invalidation of one of its tables
 * has come in (schema.c counts them).  A QuotaCatalog never changes once built.
 *
 * An invalidation can arrive in the middle of a call that uses it.  So callers
 * pin it: the pin is a reset callback on the caller's memory context, which
 * runs on success and on error alike; the last pin of a superseded catalog frees
 * it.
 *
 * The generation is read before the tables and compared after, so a change that
 * commits while we read makes us read again instead of being lost.
 *
 * Overrides are not cached here, since there may be one for every customer.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/errors.h"
#include "store/action.h"
#include "store/catalog.h"
#include "store/schema.h"
#include "store/tuple.h"

/* the newest catalog that this backend has built, itself not counted as a pin */
static QuotaCatalog *current = NULL;

static const char *const kind_names[] = {
	[QUOTA_METERED] = "metered",
	[QUOTA_CAPACITY] = "capacity",
	[QUOTA_RATE] = "rate",
	[QUOTA_BOOLEAN] = "boolean",
	[QUOTA_STATIC] = "static",
};

static const char *const anchor_names[] = {
	[QUOTA_ANCHOR_CALENDAR] = "calendar",
	[QUOTA_ANCHOR_SUBSCRIPTION] = "subscription",
	[QUOTA_ANCHOR_TIMESTAMP] = "timestamp",
};

static int
word_index(const char *const *words, int nwords, const char *word)
{
	for (int i = 0; i < nwords; i++)
	{
		if (strcmp(words[i], word) == 0)
			return i;
	}
	elog(ERROR, "quota: unexpected word \"%s\" in the catalog", word);
	return -1;					/* keep compiler quiet */
}

const char *
quota_kind_name(QuotaKind kind)
{
	return kind_names[kind];
}

/* the elements of an array column, which is NOT NULL and has no null in it */
static int
elements(HeapTuple tuple, TupleDesc desc, int attnum, Datum **values)
{
	ArrayType  *array = DatumGetArrayTypeP(quota_attribute(tuple, desc, attnum));
	int16		typlen;
	bool		typbyval;
	char		typalign;
	int			n;

	get_typlenbyvalalign(ARR_ELEMTYPE(array), &typlen, &typbyval, &typalign);
	deconstruct_array(array, ARR_ELEMTYPE(array), typlen, typbyval, typalign, values, NULL, &n);
	return n;
}

static Datum
cap_attribute(HeapTupleHeader cap, int attnum)
{
	bool		isnull;
	Datum		value = GetAttributeByNum(cap, (AttrNumber) attnum, &isnull);

	if (isnull)
		elog(ERROR, "quota: unexpected null in attribute %d of a cap", attnum);
	return value;
}

static void
read_caps(HeapTuple tuple, TupleDesc desc, QuotaTerms *terms)
{
	Datum	   *values;

	terms->ncaps = elements(tuple, desc, Anum_terms_caps, &values);
	terms->caps = (QuotaCap *) palloc0(sizeof(QuotaCap) * Max(terms->ncaps, 1));
	for (int i = 0; i < terms->ncaps; i++)
	{
		HeapTupleHeader cap = DatumGetHeapTupleHeader(values[i]);

		terms->caps[i].ceiling = DatumGetInt64(cap_attribute(cap, Anum_cap_ceiling));
		terms->caps[i].period.months = DatumGetInt32(cap_attribute(cap, Anum_cap_period_months));
		terms->caps[i].period.days = DatumGetInt32(cap_attribute(cap, Anum_cap_period_days));
		terms->caps[i].period.us = DatumGetInt64(cap_attribute(cap, Anum_cap_period_us));
		terms->caps[i].first_use = DatumGetBool(cap_attribute(cap, Anum_cap_first_use));
	}
}

static void
read_notify(HeapTuple tuple, TupleDesc desc, QuotaTerms *terms)
{
	Datum	   *values;

	terms->npercents = elements(tuple, desc, Anum_terms_notify_percent, &values);
	terms->percents = (int32 *) palloc(sizeof(int32) * Max(terms->npercents, 1));
	for (int i = 0; i < terms->npercents; i++)
		terms->percents[i] = DatumGetInt32(values[i]);
	terms->nremainders = elements(tuple, desc, Anum_terms_notify_remaining, &values);
	terms->remainders = (int64 *) palloc(sizeof(int64) * Max(terms->nremainders, 1));
	for (int i = 0; i < terms->nremainders; i++)
		terms->remainders[i] = DatumGetInt64(values[i]);
}

static void
read_value(HeapTuple tuple, TupleDesc desc, QuotaKind kind, QuotaTerms *terms)
{
	bool		isnull;
	Datum		value = heap_getattr(tuple, Anum_terms_value, desc, &isnull);
	JsonbValue	scalar;

	if (isnull)
		return;
	terms->value = DatumGetJsonbPCopy(value);
	if (kind == QUOTA_BOOLEAN)
		terms->on = JsonbExtractScalar(&terms->value->root, &scalar) &&
			scalar.type == jbvBool && scalar.val.boolean;
}

/* an int8 attribute; "none" where it is NULL */
static int64
int64_attribute(HeapTuple tuple, TupleDesc desc, int attnum, int64 none)
{
	bool		isnull;
	Datum		value = heap_getattr(tuple, attnum, desc, &isnull);

	return isnull ? none : DatumGetInt64(value);
}

QuotaTerms *
quota_terms_from_tuple(HeapTuple tuple, TupleDesc desc, QuotaKind kind)
{
	QuotaTerms *terms = (QuotaTerms *) palloc0(sizeof(QuotaTerms));
	Datum		value;
	bool		isnull;

	terms->unlimited = heap_attisnull(tuple, Anum_terms_allowance, desc);
	terms->allowance = int64_attribute(tuple, desc, Anum_terms_allowance, 0);
	terms->period.months = DatumGetInt32(quota_attribute(tuple, desc, Anum_terms_period_months));
	terms->period.days = DatumGetInt32(quota_attribute(tuple, desc, Anum_terms_period_days));
	terms->period.us = DatumGetInt64(quota_attribute(tuple, desc, Anum_terms_period_us));
	terms->anchor = (QuotaAnchor)
		word_index(anchor_names, lengthof(anchor_names),
				   TextDatumGetCString(quota_attribute(tuple, desc, Anum_terms_anchor)));
	value = heap_getattr(tuple, Anum_terms_anchor_at, desc, &isnull);
	terms->anchor_at = isnull ? DT_NOBEGIN : DatumGetTimestampTz(value);
	read_value(tuple, desc, kind, terms);
	terms->rolls_over = !heap_attisnull(tuple, Anum_terms_rollover_max, desc);
	terms->rollover_max = int64_attribute(tuple, desc, Anum_terms_rollover_max, 0);
	terms->overage = DatumGetBool(quota_attribute(tuple, desc, Anum_terms_overage));
	terms->overage_limit = int64_attribute(tuple, desc, Anum_terms_overage_limit, PG_INT64_MAX);
	read_caps(tuple, desc, terms);
	terms->rate.limit = int64_attribute(tuple, desc, Anum_terms_rate_limit, 0);
	terms->rate.per_us = int64_attribute(tuple, desc, Anum_terms_rate_per_us, 0);
	terms->rate.burst = int64_attribute(tuple, desc, Anum_terms_rate_burst, 0);
	read_notify(tuple, desc, terms);
	return terms;
}

void
quota_catalog_read(QuotaCatalog *catalog, QuotaRelation which, Snapshot snapshot,
				   QuotaLoadTuple load)
{
	Relation	rel = table_open(quota_relid(which), AccessShareLock);
	SysScanDesc scan = systable_beginscan(rel, InvalidOid, false, snapshot, 0, NULL);
	HeapTuple	tuple;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
		load(catalog, tuple, RelationGetDescr(rel));
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
}

static void
load_feature(QuotaCatalog *catalog, HeapTuple tuple, TupleDesc desc)
{
	QuotaFeature *feature;
	int			n = catalog->nfeatures++;

	if (catalog->features == NULL)
		catalog->features = (QuotaFeature *) palloc(sizeof(QuotaFeature));
	else
		catalog->features = (QuotaFeature *)
			repalloc(catalog->features, sizeof(QuotaFeature) * (n + 1));
	feature = &catalog->features[n];
	feature->id = DatumGetInt32(quota_attribute(tuple, desc, Anum_feature_id));
	feature->name = TextDatumGetCString(quota_attribute(tuple, desc, Anum_feature_name));
	feature->kind = (QuotaKind)
		word_index(kind_names, lengthof(kind_names),
				   TextDatumGetCString(quota_attribute(tuple, desc, Anum_feature_kind)));
	feature->unit = quota_text_attribute(tuple, desc, Anum_feature_unit);
}

static int
compare_features(const void *a, const void *b)
{
	return strcmp(((const QuotaFeature *) a)->name, ((const QuotaFeature *) b)->name);
}

static int
compare_versions(const void *a, const void *b)
{
	return strcmp((*(QuotaPlanVersion *const *) a)->plan, (*(QuotaPlanVersion *const *) b)->plan);
}

static void
load_version(QuotaCatalog *catalog, HeapTuple tuple, TupleDesc desc)
{
	int32		id = DatumGetInt32(quota_attribute(tuple, desc, Anum_plan_version_id));
	QuotaPlanVersion *version;

	version = (QuotaPlanVersion *) hash_search(catalog->versions, &id, HASH_ENTER, NULL);
	memset(version, 0, sizeof(*version));
	version->id = id;
	version->version = DatumGetInt32(quota_attribute(tuple, desc, Anum_plan_version_version));
	version->period.months = DatumGetInt32(quota_attribute(tuple, desc, Anum_plan_version_period_months));
	version->period.days = DatumGetInt32(quota_attribute(tuple, desc, Anum_plan_version_period_days));
	version->period.us = DatumGetInt64(quota_attribute(tuple, desc, Anum_plan_version_period_us));
	version->has_grace = !heap_attisnull(tuple, Anum_plan_version_grace, desc);
	version->grace.months = DatumGetInt32(quota_attribute(tuple, desc, Anum_plan_version_grace_months));
	version->grace.days = DatumGetInt32(quota_attribute(tuple, desc, Anum_plan_version_grace_days));
	version->grace.us = DatumGetInt64(quota_attribute(tuple, desc, Anum_plan_version_grace_us));
	version->terms = (QuotaTerms **)
		palloc0(sizeof(QuotaTerms *) * Max(catalog->nfeatures, 1));
	catalog->nversions++;
}

static void
load_entitlement(QuotaCatalog *catalog, HeapTuple tuple, TupleDesc desc)
{
	QuotaPlanVersion *version;
	const QuotaFeature *feature;

	version = quota_catalog_version(catalog,
									DatumGetInt32(quota_attribute(tuple, desc, Anum_entitlement_plan_version_id)));
	feature = quota_catalog_feature_by_id(catalog,
										  DatumGetInt32(quota_attribute(tuple, desc, Anum_entitlement_feature_id)));
	if (version == NULL || feature == NULL)
		elog(ERROR, "quota: an entitlement of an unknown plan version or feature");
	version->terms[feature->ordinal] = quota_terms_from_tuple(tuple, desc, feature->kind);
}

/*
 * Gives the versions what their plan's row says and picks each plan's newest.
 * Which version belongs to which plan is read from plan_version again: there
 * are few of them, and QuotaPlanVersion need not carry a plan's id for that.
 */
static void
load_plans(QuotaCatalog *catalog, Snapshot snapshot)
{
	Relation	plans = table_open(quota_relid(QUOTA_PLAN), AccessShareLock);
	Relation	versions = table_open(quota_relid(QUOTA_PLAN_VERSION), AccessShareLock);
	SysScanDesc plan_scan = systable_beginscan(plans, InvalidOid, false, snapshot, 0, NULL);
	HeapTuple	plan_tuple;

	catalog->newest = (QuotaPlanVersion **)
		palloc(sizeof(QuotaPlanVersion *) * Max(catalog->nversions, 1));
	while (HeapTupleIsValid(plan_tuple = systable_getnext(plan_scan)))
	{
		TupleDesc	desc = RelationGetDescr(plans);
		char	   *name = TextDatumGetCString(quota_attribute(plan_tuple, desc, Anum_plan_name));
		char	   *title = quota_text_attribute(plan_tuple, desc, Anum_plan_title);
		Jsonb	   *metadata = DatumGetJsonbPCopy(quota_attribute(plan_tuple, desc, Anum_plan_metadata));
		bool		retired = !heap_attisnull(plan_tuple, Anum_plan_retired_at, desc);
		QuotaPlanVersion *newest = NULL;
		ScanKeyData key;
		SysScanDesc scan;
		HeapTuple	tuple;

		ScanKeyInit(&key, Anum_plan_version_plan_id, BTEqualStrategyNumber, F_INT4EQ,
					quota_attribute(plan_tuple, desc, Anum_plan_id));
		scan = systable_beginscan(versions, InvalidOid, false, snapshot, 1, &key);
		while (HeapTupleIsValid(tuple = systable_getnext(scan)))
		{
			QuotaPlanVersion *version;

			version = quota_catalog_version(catalog,
											DatumGetInt32(quota_attribute(tuple, RelationGetDescr(versions),
																	Anum_plan_version_id)));
			QuotaEnsure(version != NULL);
			version->plan = name;
			version->title = title;
			version->metadata = metadata;
			version->retired = retired;
			if (newest == NULL || version->version > newest->version)
				newest = version;
		}
		systable_endscan(scan);
		if (newest == NULL)
			continue;
		newest->newest = true;
		if (!retired)
			catalog->newest[catalog->nnewest++] = newest;
		if (DatumGetBool(quota_attribute(plan_tuple, desc, Anum_plan_is_default)))
			catalog->default_version = newest;
	}
	systable_endscan(plan_scan);
	table_close(versions, AccessShareLock);
	table_close(plans, AccessShareLock);
	qsort(catalog->newest, catalog->nnewest, sizeof(QuotaPlanVersion *), compare_versions);
}

/* Fills an empty catalog; CurrentMemoryContext is the catalog's. */
static void
load(QuotaCatalog *catalog)
{
	HASHCTL		ctl = {0};
	Snapshot	snapshot;

	ctl.keysize = sizeof(int32);
	ctl.entrysize = sizeof(QuotaPlanVersion);
	ctl.hcxt = catalog->context;
	catalog->versions = hash_create("quota plan versions", 64, &ctl,
									HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);

	/*
	 * A fresh snapshot whatever the isolation level, or a transaction at
	 * REPEATABLE READ would fill the cache with what was; and one for all
	 * tables.  The catalog snapshot is fresh for any table without syscache
	 * and, unlike GetLatestSnapshot(), may be had in a parallel worker.
	 */
	snapshot = RegisterSnapshot(GetCatalogSnapshot(quota_relid(QUOTA_FEATURE)));
	quota_catalog_read(catalog, QUOTA_FEATURE, snapshot, load_feature);
	if (catalog->nfeatures > 0)
		qsort(catalog->features, catalog->nfeatures, sizeof(QuotaFeature), compare_features);
	for (int i = 0; i < catalog->nfeatures; i++)
		catalog->features[i].ordinal = i;
	quota_catalog_read(catalog, QUOTA_PLAN_VERSION, snapshot, load_version);
	load_plans(catalog, snapshot);
	quota_catalog_read(catalog, QUOTA_ENTITLEMENT, snapshot, load_entitlement);

	quota_actions_load(catalog, snapshot);
	UnregisterSnapshot(snapshot);
}

static void
free_catalog(QuotaCatalog *catalog)
{
	Assert(catalog->pins == 0);
	MemoryContextDelete(catalog->context);
}

static QuotaCatalog *
build(uint64 generation)
{
	MemoryContext context;
	MemoryContext old;
	QuotaCatalog *catalog;

	/* Under CurrentMemoryContext until it is whole, so that an error frees it. */
	context = AllocSetContextCreate(CurrentMemoryContext, "quota catalog",
									ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);
	catalog = (QuotaCatalog *) palloc0(sizeof(QuotaCatalog));
	catalog->context = context;
	catalog->generation = generation;
	load(catalog);
	MemoryContextSwitchTo(old);
	MemoryContextSetParent(context, CacheMemoryContext);
	return catalog;
}

static void
unpin(void *arg)
{
	QuotaCatalog *catalog = (QuotaCatalog *) arg;

	Assert(catalog->pins > 0);
	if (--catalog->pins == 0 && catalog != current)
		free_catalog(catalog);
}

static void
pin(QuotaCatalog *catalog)
{
	MemoryContextCallback *callback;

	callback = (MemoryContextCallback *) palloc0(sizeof(MemoryContextCallback));
	callback->func = unpin;
	callback->arg = catalog;
	catalog->pins++;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, callback);
}

QuotaCatalog *
quota_catalog(void)
{
	uint64		generation = quota_catalog_generation();

	while (current == NULL || current->generation != generation)
	{
		QuotaCatalog *built = build(generation);
		QuotaCatalog *superseded = current;

		current = built;
		if (superseded != NULL && superseded->pins == 0)
			free_catalog(superseded);
		generation = quota_catalog_generation();
		CHECK_FOR_INTERRUPTS();
	}
	pin(current);
	return current;
}

QuotaCatalog *
quota_catalog_anew(void)
{
	quota_catalog_outdated();
	return quota_catalog();
}

const QuotaFeature *
quota_catalog_feature(const QuotaCatalog *catalog, const char *name)
{
	QuotaFeature key;

	if (catalog->nfeatures == 0)
		return NULL;
	key.name = unconstify(char *, name);
	return (const QuotaFeature *)
		bsearch(&key, catalog->features, catalog->nfeatures, sizeof(QuotaFeature),
				compare_features);
}

const QuotaFeature *
quota_catalog_require_feature(const QuotaCatalog *catalog, const char *name)
{
	const QuotaFeature *feature = quota_catalog_feature(catalog, name);

	if (feature == NULL)
		quota_raise_not_found("feature", name);
	return feature;
}

const QuotaFeature *
quota_catalog_feature_by_id(const QuotaCatalog *catalog, int32 id)
{
	for (int i = 0; i < catalog->nfeatures; i++)
	{
		if (catalog->features[i].id == id)
			return &catalog->features[i];
	}
	return NULL;
}

QuotaPlanVersion *
quota_catalog_version(const QuotaCatalog *catalog, int32 id)
{
	return (QuotaPlanVersion *) hash_search(catalog->versions, &id, HASH_FIND, NULL);
}
