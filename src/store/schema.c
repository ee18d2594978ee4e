/*-------------------------------------------------------------------------
 *
 * schema.c
 *		OIDs of our relations, and the extension's one relcache callback.
 *
 * The callback may run at any moment in which PostgreSQL accepts invalidations,
 * so it reads no catalog and frees nothing: it compares OIDs and notes what is
 * stale.  The signal itself is sent by the row triggers of sql/once: it is
 * transactional, and reaches the own session at the next command.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "store/schema.h"
#include "store/version.h"

PG_FUNCTION_INFO_V1(quota_invalidate);
PG_FUNCTION_INFO_V1(quota_append_only);
PG_FUNCTION_INFO_V1(quota_sql_announce);

#define MAX_COLUMNS		23

/*
 * What we read and write by attribute number must look as we think: somebody may
 * have altered it, or the library may be newer than the tables.
 */
static const struct
{
	const char *name;
	char		relkind;
	int			ncolumns;		/* tables; 0: not looked at */
	Oid			types[MAX_COLUMNS]; /* InvalidOid: a type of ours */
}			relations[QUOTA_NRELATIONS] = {
	[QUOTA_FEATURE] = {"feature", RELKIND_RELATION, 5,
	{INT4OID, TEXTOID, TEXTOID, TEXTOID, TEXTOID}},
	[QUOTA_PLAN] = {"plan", RELKIND_RELATION, 8,
	{INT4OID, TEXTOID, TEXTOID, JSONBOID, BOOLOID, TEXTARRAYOID, TIMESTAMPTZOID, BOOLOID}},
	[QUOTA_PLAN_VERSION] = {"plan_version", RELKIND_RELATION, 12,
		{INT4OID, INT4OID, INT4OID, TEXTOID, INT4OID, INT4OID, INT8OID, TIMESTAMPTZOID,
	TEXTOID, INT4OID, INT4OID, INT8OID}},
	[QUOTA_ENTITLEMENT] = {"entitlement", RELKIND_RELATION, 4,
	{INT4OID, INT4OID, InvalidOid, InvalidOid}},
	[QUOTA_TERMS_FIELDS] = {"terms_fields", RELKIND_COMPOSITE_TYPE, Natts_terms,
		{INT8OID, TEXTOID, INT4OID, INT4OID, INT8OID, TEXTOID, TIMESTAMPTZOID, JSONBOID,
			INT8OID, BOOLOID, INT8OID, InvalidOid, INT8OID, TEXTOID, INT8OID, INT8OID,
	INT4ARRAYOID, INT8ARRAYOID, BOOLOID}},
	[QUOTA_ACTION] = {"action", RELKIND_RELATION, 3,
	{INT4OID, TEXTOID, TIMESTAMPTZOID}},
	[QUOTA_ACTION_REQUIRE] = {"action_require", RELKIND_RELATION, 2,
	{INT4OID, INT4OID}},
	[QUOTA_ACTION_CHARGE] = {"action_charge", RELKIND_RELATION, 3,
	{INT4OID, INT4OID, NUMERICOID}},
	[QUOTA_ACTION_PRICE] = {"action_price", RELKIND_RELATION, 4,
	{INT4OID, INT4OID, TEXTOID, NUMERICOID}},
	[QUOTA_SUBJECT_OVERRIDE] = {"subject_override", RELKIND_RELATION, 5,
	{TEXTOID, INT4OID, InvalidOid, InvalidOid, TIMESTAMPTZOID}},
	[QUOTA_SUBJECT_OVERRIDE_PKEY] = {"subject_override_pkey", RELKIND_INDEX},
	[QUOTA_SUBSCRIPTION] = {"subscription", RELKIND_RELATION, Natts_subscription,
		{INT8OID, TEXTOID, INT4OID, TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID, TEXTOID, TIMESTAMPTZOID,
			TIMESTAMPTZOID, TIMESTAMPTZOID, TEXTOID, JSONBOID, TIMESTAMPTZOID, INT8OID, TIMESTAMPTZOID,
	INT4OID, TIMESTAMPTZOID, TEXTOID, INT8OID, INT8OID, TEXTOID, TIMESTAMPTZOID}},
	[QUOTA_SUBSCRIPTION_SUBJECT_HASH] = {"subscription_subject_hash", RELKIND_INDEX},
	[QUOTA_BUCKET] = {"bucket", RELKIND_RELATION, Natts_bucket,
		{TEXTOID, INT4OID, INT4OID, INT4OID, INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID, INT8OID,
			INT8OID, INT8OID, INT8OID, INT8OID, INT8OID, INT8OID, INT8OID, INT8OID,
	TIMESTAMPTZOID, TIMESTAMPTZOID, INT8OID, INT8OID, INT8OID, INT8OID, BOOLOID}},
	[QUOTA_BUCKET_PKEY] = {"bucket_pkey", RELKIND_INDEX},
	[QUOTA_BUCKET_LEASE] = {"bucket_lease", RELKIND_INDEX},
	[QUOTA_LEASE_ID_SEQ] = {"lease_id_seq", RELKIND_SEQUENCE},
	[QUOTA_CAP_USE] = {"cap_use", RELKIND_RELATION, Natts_cap_use,
		{TEXTOID, INT4OID, INT8OID, INT4OID, INT4OID, INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID,
	TIMESTAMPTZOID, INT8OID, INT8OID}},
	[QUOTA_CAP_USE_PKEY] = {"cap_use_pkey", RELKIND_INDEX},
	[QUOTA_CAP_USE_CLOSING] = {"cap_use_closing", RELKIND_INDEX},
	[QUOTA_CREDIT_GRANT] = {"credit_grant", RELKIND_RELATION, Natts_credit_grant,
		{INT8OID, TEXTOID, INT4OID, INT8OID, INT4OID, TIMESTAMPTZOID, TIMESTAMPTZOID, TEXTOID,
			INT4OID, INT4OID, INT8OID, TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID, BOOLOID, TEXTOID,
	JSONBOID, BOOLOID, BOOLOID}},
	[QUOTA_CREDIT_GRANT_PKEY] = {"credit_grant_pkey", RELKIND_INDEX},
	[QUOTA_CREDIT_GRANT_SUBJECT] = {"credit_grant_subject", RELKIND_INDEX},
	[QUOTA_CREDIT_GRANT_OPEN] = {"credit_grant_open", RELKIND_INDEX},
	[QUOTA_GRANT_USE] = {"grant_use", RELKIND_RELATION, Natts_grant_use,
	{INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID, INT8OID}},
	[QUOTA_GRANT_USE_PKEY] = {"grant_use_pkey", RELKIND_INDEX},
	[QUOTA_RATE_USE] = {"rate_use", RELKIND_RELATION, Natts_rate_use,
	{TEXTOID, INT4OID, TIMESTAMPTZOID, INT8OID, INT8OID, INT8OID}},
	[QUOTA_RATE_USE_PKEY] = {"rate_use_pkey", RELKIND_INDEX},
	[QUOTA_HOLD] = {"hold", RELKIND_RELATION, Natts_hold,
		{INT8OID, TEXTOID, INT4OID, INT8OID, INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID, BOOLOID,
	JSONBOID}},
	[QUOTA_HOLD_PKEY] = {"hold_pkey", RELKIND_INDEX},
	[QUOTA_HOLD_PART] = {"hold_part", RELKIND_RELATION, Natts_hold_part,
	{TEXTOID, INT4OID, INT8OID, TIMESTAMPTZOID}},
	[QUOTA_HOLD_PART_PKEY] = {"hold_part_pkey", RELKIND_INDEX},
	[QUOTA_LEDGER] = {"ledger_entry", RELKIND_PARTITIONED_TABLE},
	[QUOTA_LEDGER_DEFAULT] = {"ledger_entry_default", RELKIND_RELATION, Natts_ledger,
		{INT8OID, TIMESTAMPTZOID, XID8OID, TEXTOID, TEXTOID, INT4OID, CHAROID, CHAROID, INT2OID,
			INT2OID, INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID, INT8OID, INT8OID, INT8OID, TEXTOID,
	JSONBOID, TIMESTAMPTZOID, INT8OID}},
	[QUOTA_LEDGER_ID_SEQ] = {"ledger_id_seq", RELKIND_SEQUENCE},
	[QUOTA_POSTING] = {"posting", RELKIND_RELATION, Natts_posting,
	{BOOLOID, INT2OID, INT8OID, PG_SNAPSHOTOID, TIMESTAMPTZOID, TIMESTAMPTZOID, INT8OID}},
	[QUOTA_DENIAL] = {"denial", RELKIND_RELATION, Natts_denial,
	{DATEOID, TEXTOID, INT4OID, TEXTOID, INT8OID, TIMESTAMPTZOID}},
	[QUOTA_DENIAL_DAY] = {"denial_day", RELKIND_INDEX},
	[QUOTA_GATE_CHARGE] = {"gate_charge", RELKIND_RELATION, Natts_gate_charge,
	{REGCLASSOID, INT4OID, INT8OID, TEXTOID, TEXTOID}},
	[QUOTA_GATE_CHARGE_PKEY] = {"gate_charge_pkey", RELKIND_INDEX},
	[QUOTA_API_KEY] = {"api_key", RELKIND_RELATION, Natts_api_key,
	{INT8OID, TEXTOID, TEXTOID, TEXTARRAYOID, BYTEAOID, TIMESTAMPTZOID, TIMESTAMPTZOID, TIMESTAMPTZOID}},
	[QUOTA_API_KEY_PKEY] = {"api_key_pkey", RELKIND_INDEX},
	[QUOTA_API_KEY_USE] = {"api_key_use", RELKIND_RELATION, Natts_api_key_use,
	{INT8OID, TIMESTAMPTZOID}},
	[QUOTA_API_KEY_USE_PKEY] = {"api_key_use_pkey", RELKIND_INDEX},
};

static Oid	relation_oids[QUOTA_NRELATIONS];
static uint64 generations[QUOTA_NRELATIONS];
static Oid	owner = InvalidOid;
static uint64 version_generation = 1;
static uint64 version_fits_generation = 0;	/* at which the installed version was looked at */
static uint64 catalog_generation = 1;
static uint64 looked_up_generation = 0; /* at which all OIDs of the catalog were known */

static void
relcache_callback(Datum arg, Oid relid)
{
	for (int i = 0; i < QUOTA_NRELATIONS; i++)
	{
		/* InvalidOid: everything may have changed */
		if (OidIsValid(relid) && relation_oids[i] != relid)
			continue;
		/* DROP EXTENSION says so in no other way: look the OID up again */
		relation_oids[i] = InvalidOid;
		generations[i]++;
		owner = InvalidOid;
		version_generation++;
		if (i <= QUOTA_LAST_CATALOG_RELATION)
			catalog_generation++;
	}
}

static void
register_callback(void)
{
	static bool registered = false;

	if (registered)
		return;
	CacheRegisterRelcacheCallback(relcache_callback, (Datum) 0);
	registered = true;
}

/* Does the relation look as this library expects? */
static bool
looks_right(QuotaRelation which, Oid relid)
{
	Relation	rel = relation_open(relid, AccessShareLock);
	TupleDesc	desc = RelationGetDescr(rel);
	bool		right = rel->rd_rel->relkind == relations[which].relkind;

	if (relations[which].ncolumns > 0)
	{
		right = right && desc->natts == relations[which].ncolumns;
		for (int i = 0; right && i < desc->natts; i++)
			right = !OidIsValid(relations[which].types[i]) ||
				TupleDescAttr(desc, i)->atttypid == relations[which].types[i];
	}
	relation_close(rel, AccessShareLock);
	return right;
}

Oid
quota_relid(QuotaRelation which)
{
	register_callback();
	if (!OidIsValid(relation_oids[which]))
	{
		Oid			relid;

		while (version_fits_generation != version_generation)
		{
			uint64		before = version_generation;

			quota_require_version();
			version_fits_generation = before;
		}
		relid = get_relname_relid(relations[which].name, get_namespace_oid("quota_internal", false));
		if (!OidIsValid(relid) || !looks_right(which, relid))
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_TABLE),
					 errmsg("relation quota_internal.%s does not exist as it should", relations[which].name),
					 errhint("The extension quota is damaged, or its library is of another version.")));
		relation_oids[which] = relid;
	}
	return relation_oids[which];
}

bool
quota_tells_changes(QuotaRelation which)
{
	Relation	rel = relation_open(quota_relid(which), AccessShareLock);
	const TriggerDesc *triggers = rel->trigdesc;
	bool		tells = false;

	for (int i = 0; triggers != NULL && i < triggers->numtriggers; i++)
		tells = tells || (strcmp(triggers->triggers[i].tgname, "tell_change") == 0 &&
						  triggers->triggers[i].tgenabled == TRIGGER_FIRES_ALWAYS);
	relation_close(rel, AccessShareLock);
	return tells;
}

uint64
quota_relation_generation(QuotaRelation which)
{
	return generations[which];
}

uint64
quota_catalog_generation(void)
{
	/* Locks held since earlier statements would not do it for us. */
	AcceptInvalidationMessages();

	/*
	 * The callback knows a relation only by an OID looked up before; so look
	 * up those of the catalog before anybody relies on it.
	 */
	while (looked_up_generation != catalog_generation)
	{
		uint64		before = catalog_generation;

		for (int i = 0; i <= QUOTA_LAST_CATALOG_RELATION; i++)
			(void) quota_relid((QuotaRelation) i);
		looked_up_generation = before;
	}
	return catalog_generation;
}

void
quota_catalog_outdated(void)
{
	catalog_generation++;
}

Oid
quota_owner(void)
{
	if (!OidIsValid(owner))
	{
		HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(quota_relid(QUOTA_BUCKET)));

		if (!HeapTupleIsValid(tuple))
			elog(ERROR, "cache lookup failed for relation %u", quota_relid(QUOTA_BUCKET));
		owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
		ReleaseSysCache(tuple);
	}
	return owner;
}

/*
 * quota_internal._announce(): the end of every script.  An invalidation of each
 * relation makes every session look at it again, and at the version.
 */
Datum
quota_sql_announce(PG_FUNCTION_ARGS)
{
	quota_require_version();
	for (int i = 0; i < QUOTA_NRELATIONS; i++)
		CacheInvalidateRelcacheByRelid(quota_relid((QuotaRelation) i));
	PG_RETURN_VOID();
}

/* Row trigger on the tables of the catalog: the other sessions shall read again. */
Datum
quota_invalidate(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("quota_internal._invalidate() can only be called as a trigger")));
	CacheInvalidateRelcache(trigdata->tg_relation);
	return PointerGetDatum(NULL);
}

/*
 * Is it our own statement that erases, of quota_ledger_erase()?  No other runs
 * while this is set: not a setting, which a caller could set, too.
 */
static bool erasing = false;

void
quota_set_erasing(bool on)
{
	erasing = on;
}

/* Statement trigger on the ledger. */
Datum
quota_append_only(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("quota_internal._append_only() can only be called as a trigger")));
	if (erasing && !TRIGGER_FIRED_BY_TRUNCATE(trigdata->tg_event))
		return PointerGetDatum(NULL);
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("table \"%s\" is append-only",
					RelationGetRelationName(trigdata->tg_relation)),
			 errhint("A correction is a new entry, such as quota.refund() writes.")));
	return PointerGetDatum(NULL);	/* keep compiler quiet */
}
