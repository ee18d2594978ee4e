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
#include "utils/typcache.h"

#include "base/errors.h"
#include "store/action.h"
#include "store/catalog.h"
#include "store/scan.h"
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

/* Which of the words a text column has, which a CHECK constraint keeps to them. */
static int
word_index(const char *const *words, int nwords, Datum word)
{
	text	   *given = DatumGetTextPP(word);

	for (int i = 0; i < nwords; i++)
	{
		if (strlen(words[i]) == VARSIZE_ANY_EXHDR(given) &&
			memcmp(words[i], VARDATA_ANY(given), VARSIZE_ANY_EXHDR(given)) == 0)
			return i;
	}
	elog(ERROR, "quota: unexpected word \"%s\" in the catalog", TextDatumGetCString(word));
	return -1;					/* keep compiler quiet */
}

const char *
quota_kind_name(QuotaKind kind)
{
	return kind_names[kind];
}

/* the elements of an array, which has no null in it */
static int
elements(Datum value, Datum **elements)
{
	ArrayType  *array = DatumGetArrayTypeP(value);
	int16		typlen;
	bool		typbyval;
	char		typalign;
	int			n;

	*elements = NULL;
	if (ARR_NDIM(array) == 0)
		return 0;
	get_typlenbyvalalign(ARR_ELEMTYPE(array), &typlen, &typbyval, &typalign);
	deconstruct_array(array, ARR_ELEMTYPE(array), typlen, typbyval, typalign, elements, NULL, &n);
	return n;
}

/* Takes a value of a composite type apart. */
static void
deform_row(Datum row, Datum *values, bool *nulls, int nfields)
{
	HeapTupleHeader header = DatumGetHeapTupleHeader(row);
	HeapTupleData tuple = {.t_len = HeapTupleHeaderGetDatumLength(header),.t_data = header};
	TupleDesc	desc = lookup_rowtype_tupdesc(HeapTupleHeaderGetTypeId(header),
											  HeapTupleHeaderGetTypMod(header));

	if (desc->natts != nfields)
		elog(ERROR, "quota: unexpected number of fields of a row: %d", desc->natts);
	heap_deform_tuple(&tuple, desc, values, nulls);
	ReleaseTupleDesc(desc);
}

static void
read_caps(Datum caps, QuotaTerms *terms)
{
	Datum	   *rows;

	terms->ncaps = elements(caps, &rows);
	if (terms->ncaps > 0)
		terms->caps = (QuotaCap *) palloc0(sizeof(QuotaCap) * terms->ncaps);
	for (int i = 0; i < terms->ncaps; i++)
	{
		QuotaCap   *cap = &terms->caps[i];
		Datum		values[Natts_cap];
		bool		nulls[Natts_cap];

		deform_row(rows[i], values, nulls, Natts_cap);
		if (memchr(nulls, true, sizeof(nulls)) != NULL)
			elog(ERROR, "quota: unexpected null in a cap");
		cap->ceiling = DatumGetInt64(values[Anum_cap_ceiling - 1]);
		cap->period.months = DatumGetInt32(values[Anum_cap_period_months - 1]);
		cap->period.days = DatumGetInt32(values[Anum_cap_period_days - 1]);
		cap->period.us = DatumGetInt64(values[Anum_cap_period_us - 1]);
		cap->first_use = DatumGetBool(values[Anum_cap_first_use - 1]);
	}
}

static void
read_notify(Datum percents, Datum remainders, QuotaTerms *terms)
{
	Datum	   *values;

	terms->npercents = elements(percents, &values);
	if (terms->npercents > 0)
		terms->percents = (int32 *) palloc(sizeof(int32) * terms->npercents);
	for (int i = 0; i < terms->npercents; i++)
		terms->percents[i] = DatumGetInt32(values[i]);
	terms->nremainders = elements(remainders, &values);
	if (terms->nremainders > 0)
		terms->remainders = (int64 *) palloc(sizeof(int64) * terms->nremainders);
	for (int i = 0; i < terms->nremainders; i++)
		terms->remainders[i] = DatumGetInt64(values[i]);
}

static void
read_value(Datum value, QuotaKind kind, QuotaTerms *terms)
{
	JsonbValue	scalar;

	terms->value = DatumGetJsonbPCopy(value);
	if (kind == QUOTA_BOOLEAN)
		terms->on = JsonbExtractScalar(&terms->value->root, &scalar) &&
			scalar.type == jbvBool && scalar.val.boolean;
}

/* "none" where it is NULL */
static int64
int64_or(const Datum *values, const bool *nulls, int attnum, int64 none)
{
	return nulls[attnum - 1] ? none : DatumGetInt64(values[attnum - 1]);
}

static QuotaTerms *
read_terms(Datum row, QuotaKind kind)
{
	QuotaTerms *terms = (QuotaTerms *) palloc0(sizeof(QuotaTerms));
	Datum		values[Natts_terms];
	bool		nulls[Natts_terms];

	deform_row(row, values, nulls, Natts_terms);
	terms->unlimited = nulls[Anum_terms_allowance - 1];
	terms->allowance = int64_or(values, nulls, Anum_terms_allowance, 0);
	terms->period.months = DatumGetInt32(values[Anum_terms_period_months - 1]);
	terms->period.days = DatumGetInt32(values[Anum_terms_period_days - 1]);
	terms->period.us = DatumGetInt64(values[Anum_terms_period_us - 1]);
	terms->anchor = (QuotaAnchor)
		word_index(anchor_names, lengthof(anchor_names), values[Anum_terms_anchor - 1]);
	terms->anchor_at = int64_or(values, nulls, Anum_terms_anchor_at, DT_NOBEGIN);
	if (!nulls[Anum_terms_value - 1])
		read_value(values[Anum_terms_value - 1], kind, terms);
	terms->rolls_over = !nulls[Anum_terms_rollover_max - 1];
	terms->rollover_max = int64_or(values, nulls, Anum_terms_rollover_max, 0);
	terms->overage = DatumGetBool(values[Anum_terms_overage - 1]);
	terms->overage_limit = int64_or(values, nulls, Anum_terms_overage_limit, PG_INT64_MAX);
	read_caps(values[Anum_terms_caps - 1], terms);
	terms->rate.limit = int64_or(values, nulls, Anum_terms_rate_limit, 0);
	terms->rate.per_us = int64_or(values, nulls, Anum_terms_rate_per_us, 0);
	terms->rate.burst = int64_or(values, nulls, Anum_terms_rate_burst, 0);
	terms->times_quantity = DatumGetBool(values[Anum_terms_times_quantity - 1]);
	read_notify(values[Anum_terms_notify_percent - 1], values[Anum_terms_notify_remaining - 1],
				terms);
	return terms;
}

QuotaTerms *
quota_terms_from_tuple(HeapTuple tuple, TupleDesc desc, int terms_attnum, int members_attnum,
					   QuotaKind kind)
{
	QuotaTerms *terms = read_terms(quota_attribute(tuple, desc, terms_attnum), kind);
	bool		isnull;
	Datum		members = heap_getattr(tuple, members_attnum, desc, &isnull);

	if (!isnull)
		terms->members = read_terms(members, kind);
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

	catalog->features = (QuotaFeature *)
		quota_array_grow(catalog->features, catalog->nfeatures, sizeof(QuotaFeature));
	feature = &catalog->features[catalog->nfeatures++];
	feature->id = DatumGetInt32(quota_attribute(tuple, desc, Anum_feature_id));
	feature->name = TextDatumGetCString(quota_attribute(tuple, desc, Anum_feature_name));
	feature->kind = (QuotaKind)
		word_index(kind_names, lengthof(kind_names), quota_attribute(tuple, desc, Anum_feature_kind));
	feature->unit = quota_text_attribute(tuple, desc, Anum_feature_unit);
	feature->title = quota_text_attribute(tuple, desc, Anum_feature_title);
}

static int
compare_features(const void *a, const void *b)
{
	return strcmp(((const QuotaFeature *) a)->name, ((const QuotaFeature *) b)->name);
}

static int
compare_ids(const void *a, const void *b)
{
	int32		left = (*(const QuotaFeature *const *) a)->id;
	int32		right = (*(const QuotaFeature *const *) b)->id;

	return (left > right) - (left < right);
}

static void
sort_features(QuotaCatalog *catalog)
{
	int			n = catalog->nfeatures;

	catalog->features_by_id = (const QuotaFeature **) palloc(sizeof(QuotaFeature *) * Max(n, 1));
	if (n > 1)
		qsort(catalog->features, n, sizeof(QuotaFeature), compare_features);
	for (int i = 0; i < n; i++)
	{
		catalog->features[i].ordinal = i;
		catalog->features_by_id[i] = &catalog->features[i];
	}
	if (n > 1)
		qsort(catalog->features_by_id, n, sizeof(QuotaFeature *), compare_ids);
}

static int
compare_versions(const void *a, const void *b)
{
	return strcmp((*(QuotaPlanVersion *const *) a)->plan, (*(QuotaPlanVersion *const *) b)->plan);
}

/* What all versions of a plan have; only while a catalog is loaded. */
typedef struct PlanRow
{
	int32		id;				/* hash key: first */
	char	   *name;
	char	   *title;			/* or NULL */
	Jsonb	   *metadata;
	bool		retired;
	bool		is_default;
	bool		listed;
	QuotaPlanVersion *newest;
} PlanRow;

static void
load_plan(QuotaCatalog *catalog, HeapTuple tuple, TupleDesc desc)
{
	int32		id = DatumGetInt32(quota_attribute(tuple, desc, Anum_plan_id));
	PlanRow    *plan = (PlanRow *) hash_search(catalog->plans, &id, HASH_ENTER, NULL);

	plan->name = quota_text_attribute(tuple, desc, Anum_plan_name);
	plan->title = quota_text_attribute(tuple, desc, Anum_plan_title);
	plan->metadata = DatumGetJsonbPCopy(quota_attribute(tuple, desc, Anum_plan_metadata));
	plan->retired = !heap_attisnull(tuple, Anum_plan_retired_at, desc);
	plan->is_default = DatumGetBool(quota_attribute(tuple, desc, Anum_plan_is_default));
	plan->listed = DatumGetBool(quota_attribute(tuple, desc, Anum_plan_listed));
	plan->newest = NULL;
}

static void
load_version(QuotaCatalog *catalog, HeapTuple tuple, TupleDesc desc)
{
	int32		id = DatumGetInt32(quota_attribute(tuple, desc, Anum_plan_version_id));
	int32		plan_id = DatumGetInt32(quota_attribute(tuple, desc, Anum_plan_version_plan_id));
	PlanRow    *plan = (PlanRow *) hash_search(catalog->plans, &plan_id, HASH_FIND, NULL);
	QuotaPlanVersion *version;

	if (plan == NULL)
		quota_raise_damaged("plan", "A version is of a plan that does not exist.");
	version = (QuotaPlanVersion *) hash_search(catalog->versions, &id, HASH_ENTER, NULL);
	memset(version, 0, sizeof(*version));
	version->id = id;
	version->version = DatumGetInt32(quota_attribute(tuple, desc, Anum_plan_version_version));
	version->plan = plan->name;
	version->title = plan->title;
	version->metadata = plan->metadata;
	version->retired = plan->retired;
	version->listed = plan->listed;
	version->period.months = DatumGetInt32(quota_attribute(tuple, desc, Anum_plan_version_period_months));
	version->period.days = DatumGetInt32(quota_attribute(tuple, desc, Anum_plan_version_period_days));
	version->period.us = DatumGetInt64(quota_attribute(tuple, desc, Anum_plan_version_period_us));
	version->has_grace = !heap_attisnull(tuple, Anum_plan_version_grace, desc);
	version->grace.months = DatumGetInt32(quota_attribute(tuple, desc, Anum_plan_version_grace_months));
	version->grace.days = DatumGetInt32(quota_attribute(tuple, desc, Anum_plan_version_grace_days));
	version->grace.us = DatumGetInt64(quota_attribute(tuple, desc, Anum_plan_version_grace_us));
	version->terms = (QuotaTerms **)
		palloc0(sizeof(QuotaTerms *) * Max(catalog->nfeatures, 1));
	if (plan->newest == NULL || version->version > plan->newest->version)
		plan->newest = version;
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
		quota_raise_damaged("entitlement", "It names a version of a plan, or a feature, that does not exist.");
	version->terms[feature->ordinal] =
		quota_terms_from_tuple(tuple, desc, Anum_entitlement_terms, Anum_entitlement_members,
							   feature->kind);
}

/* The newest version of each plan, once all are known; plans are forgotten then. */
static void
pick_newest(QuotaCatalog *catalog)
{
	HASH_SEQ_STATUS scan;
	PlanRow    *plan;

	catalog->newest = (QuotaPlanVersion **)
		palloc(sizeof(QuotaPlanVersion *) * Max(hash_get_num_entries(catalog->plans), 1));
	hash_seq_init(&scan, catalog->plans);
	while ((plan = (PlanRow *) hash_seq_search(&scan)) != NULL)
	{
		if (plan->newest == NULL)
			continue;
		plan->newest->newest = true;
		if (!plan->retired)
			catalog->newest[catalog->nnewest++] = plan->newest;
		if (plan->is_default)
			catalog->default_version = plan->newest;
	}
	hash_destroy(catalog->plans);
	catalog->plans = NULL;
	qsort(catalog->newest, catalog->nnewest, sizeof(QuotaPlanVersion *), compare_versions);
}

static HTAB *
table_by_id(const QuotaCatalog *catalog, const char *name, Size entry_size)
{
	HASHCTL		ctl = {0};

	ctl.keysize = sizeof(int32);
	ctl.entrysize = entry_size;
	ctl.hcxt = catalog->context;
	return hash_create(name, 64, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

/* Fills an empty catalog; CurrentMemoryContext is the catalog's. */
static void
load(QuotaCatalog *catalog)
{
	Snapshot	snapshot;

	catalog->plans = table_by_id(catalog, "quota plans", sizeof(PlanRow));
	catalog->versions = table_by_id(catalog, "quota plan versions", sizeof(QuotaPlanVersion));

	/*
	 * A fresh snapshot whatever the isolation level, or a transaction at
	 * REPEATABLE READ would fill the cache with what was; and one for all
	 * tables.  The catalog snapshot is fresh for any table without syscache
	 * and, unlike GetLatestSnapshot(), may be had in a parallel worker.
	 */
	snapshot = RegisterSnapshot(GetCatalogSnapshot(quota_relid(QUOTA_FEATURE)));
	quota_catalog_read(catalog, QUOTA_FEATURE, snapshot, load_feature);
	sort_features(catalog);
	quota_catalog_read(catalog, QUOTA_PLAN, snapshot, load_plan);
	quota_catalog_read(catalog, QUOTA_PLAN_VERSION, snapshot, load_version);
	pick_newest(catalog);
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
quota_catalog_again(void)
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
	QuotaFeature key = {.id = id};
	const QuotaFeature *sought = &key;
	const QuotaFeature **found;

	if (catalog->nfeatures == 0)
		return NULL;
	found = (const QuotaFeature **) bsearch(&sought, catalog->features_by_id, catalog->nfeatures,
											sizeof(QuotaFeature *), compare_ids);
	return found ? *found : NULL;
}

QuotaPlanVersion *
quota_catalog_version(const QuotaCatalog *catalog, int32 id)
{
	return (QuotaPlanVersion *) hash_search(catalog->versions, &id, HASH_FIND, NULL);
}
