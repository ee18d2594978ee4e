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

#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "commands/trigger.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "store/schema.h"

PG_FUNCTION_INFO_V1(quota_invalidate);
PG_FUNCTION_INFO_V1(quota_append_only);

static const char *const relation_names[QUOTA_NRELATIONS] = {
	[QUOTA_FEATURE] = "feature",
	[QUOTA_PLAN] = "plan",
	[QUOTA_PLAN_VERSION] = "plan_version",
	[QUOTA_ENTITLEMENT] = "entitlement",
	[QUOTA_ACTION] = "action",
	[QUOTA_ACTION_REQUIRE] = "action_require",
	[QUOTA_ACTION_CHARGE] = "action_charge",
	[QUOTA_ACTION_PRICE] = "action_price",
	[QUOTA_SUBJECT_OVERRIDE] = "subject_override",
	[QUOTA_SUBJECT_OVERRIDE_PKEY] = "subject_override_pkey",
	[QUOTA_SUBSCRIPTION] = "subscription",
	[QUOTA_SUBSCRIPTION_SUBJECT] = "subscription_subject",
	[QUOTA_BUCKET] = "bucket",
	[QUOTA_BUCKET_PKEY] = "bucket_pkey",
	[QUOTA_LEDGER] = "ledger_entry",
	[QUOTA_LEDGER_DEFAULT] = "ledger_entry_default",
	[QUOTA_LEDGER_DEFAULT_DEBIT] = "ledger_entry_default_debit",
	[QUOTA_LEDGER_ID_SEQ] = "ledger_id_seq",
	[QUOTA_DENIAL] = "denial",
};

static Oid	relation_oids[QUOTA_NRELATIONS];
static Oid	owner = InvalidOid;
static uint64 catalog_generation = 1;

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
		owner = InvalidOid;
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

Oid
quota_relid(QuotaRelation which)
{
	register_callback();
	if (!OidIsValid(relation_oids[which]))
	{
		Oid			relid = get_relname_relid(relation_names[which],
											  get_namespace_oid("quota", false));

		if (!OidIsValid(relid))
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_TABLE),
					 errmsg("relation quota.%s does not exist", relation_names[which]),
					 errhint("The extension quota is damaged, or its library is of another version.")));
		relation_oids[which] = relid;
	}
	return relation_oids[which];
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
	for (int i = 0; i <= QUOTA_LAST_CATALOG_RELATION; i++)
		(void) quota_relid((QuotaRelation) i);
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

/* Row trigger on the tables of the catalog: the other sessions shall read anew. */
Datum
quota_invalidate(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("quota._invalidate() can only be called as a trigger")));
	CacheInvalidateRelcache(trigdata->tg_relation);
	return PointerGetDatum(NULL);
}

/* Statement trigger on the ledger. */
Datum
quota_append_only(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("quota._append_only() can only be called as a trigger")));
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("table \"%s\" is append-only",
					RelationGetRelationName(trigdata->tg_relation)),
			 errhint("A correction is a new entry, such as quota.refund() writes.")));
	return PointerGetDatum(NULL);	/* keep compiler quiet */
}
