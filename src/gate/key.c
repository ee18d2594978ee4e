/*-------------------------------------------------------------------------
 *
 * key.c
 *		What identifies a row whose charge is remembered.
 *
 * A row of a partitioned table keeps its primary key when it moves to another
 * partition, and a statement on the parent does not say in which partition a row is.
 * So a tree of tables has one identity, that of its topmost table whose gate
 * remembers.  It is found in the catalog without a lock on it: a session that writes
 * to a partition holds none either.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/pg_class.h"
#include "catalog/pg_index.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_trigger.h"
#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/json.h"
#include "utils/lsyscache.h"

#include "gate/gate.h"
#include "gate/key.h"

/* a longer one could be too long for an index */
#define MAX_KEY_BYTES	1000

/* ---- which table's? ---- */

/* Does a trigger of the table say that its gate of the feature remembers? */
static bool
remembers(Oid relid, const char *feature)
{
	Oid			function = quota_gate_function();
	Relation	triggers = table_open(TriggerRelationId, AccessShareLock);
	bool		found = false;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key, Anum_pg_trigger_tgrelid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(relid));
	scan = systable_beginscan(triggers, TriggerRelidNameIndexId, true, NULL, 1, &key);
	while (!found && (tuple = systable_getnext(scan)) != NULL)
	{
		Form_pg_trigger form = (Form_pg_trigger) GETSTRUCT(tuple);
		bool		isnull;
		bytea	   *packed;
		const char *args;
		const char *last;

		if (form->tgfoid != function || form->tgnargs != QUOTA_GATE_ARGUMENTS)
			continue;
		packed = DatumGetByteaPP(fastgetattr(tuple, Anum_pg_trigger_tgargs,
											 RelationGetDescr(triggers), &isnull));
		/* each argument ends with a byte of 0 */
		args = VARDATA_ANY(packed);
		last = args;
		for (int i = 1; i < form->tgnargs; i++)
			last += strlen(last) + 1;
		found = strcmp(args, feature) == 0 && strcmp(last, QUOTA_GATE_REMEMBER) == 0;
	}
	systable_endscan(scan);
	table_close(triggers, AccessShareLock);
	return found;
}

/* The parent by which a row of the table is known, the first of several; InvalidOid. */
static Oid
remembering_parent(Oid relid, const char *feature)
{
	Relation	inherits = table_open(InheritsRelationId, AccessShareLock);
	Oid			parent = InvalidOid;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key, Anum_pg_inherits_inhrelid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(relid));
	scan = systable_beginscan(inherits, InheritsRelidSeqnoIndexId, true, NULL, 1, &key);
	while (!OidIsValid(parent) && (tuple = systable_getnext(scan)) != NULL)
	{
		Oid			candidate = ((Form_pg_inherits) GETSTRUCT(tuple))->inhparent;

		if (remembers(candidate, feature))
			parent = candidate;
	}
	systable_endscan(scan);
	table_close(inherits, AccessShareLock);
	return parent;
}

Oid
quota_key_table(Oid relid, const char *feature)
{
	Oid			parent;

	while (OidIsValid(parent = remembering_parent(relid, feature)))
		relid = parent;
	return relid;
}

/* ---- which columns? ---- */

/* The columns of the table's primary key; returns how many, 0: none that counts. */
static int
primary_key(Oid relid, AttrNumber *attnums)
{
	Relation	indexes = table_open(IndexRelationId, AccessShareLock);
	int			ncolumns = 0;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key, Anum_pg_index_indrelid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(relid));
	scan = systable_beginscan(indexes, IndexIndrelidIndexId, true, NULL, 1, &key);
	while ((tuple = systable_getnext(scan)) != NULL)
	{
		Form_pg_index index = (Form_pg_index) GETSTRUCT(tuple);

		if (!index->indisprimary || !index->indimmediate || !index->indisvalid)
			continue;
		ncolumns = index->indnkeyatts;
		memcpy(attnums, index->indkey.values, ncolumns * sizeof(AttrNumber));
	}
	systable_endscan(scan);
	table_close(indexes, AccessShareLock);
	return ncolumns;
}

/* Whose text is the same in every session? */
static bool
is_plain(Oid type)
{
	return type == INT2OID || type == INT4OID || type == INT8OID || type == TEXTOID ||
		type == VARCHAROID || type == BPCHAROID || type == UUIDOID || type == BOOLOID ||
		type == NUMERICOID;
}

static void
add_column(QuotaKey *key, Relation rel, AttrNumber attnum)
{
	int			at = key->ncolumns++;
	Oid			type;
	Oid			output;
	bool		is_varlena;

	key->names[at] = get_attname(key->table, attnum, false);
	key->attnums[at] = key->table == RelationGetRelid(rel) ? attnum :
		get_attnum(RelationGetRelid(rel), key->names[at]);
	if (key->attnums[at] == InvalidAttrNumber)
		elog(ERROR, "quota: table \"%s\" has no column \"%s\"", RelationGetRelationName(rel), key->names[at]);
	type = TupleDescAttr(RelationGetDescr(rel), key->attnums[at] - 1)->atttypid;
	key->plain = key->plain && is_plain(type);
	getTypeOutputInfo(type, &output, &is_varlena);
	fmgr_info(output, &key->output[at]);
}

QuotaKey *
quota_key_of(Relation rel, const char *feature)
{
	QuotaKey   *key = (QuotaKey *) palloc0(sizeof(QuotaKey));
	AttrNumber	attnums[INDEX_MAX_KEYS];
	int			ncolumns;

	key->table = quota_key_table(RelationGetRelid(rel), feature);
	key->plain = true;
	ncolumns = primary_key(key->table, attnums);
	if (ncolumns == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("table \"%s\" has no primary key by which its rows can be remembered",
						get_rel_name(key->table)),
				 errdetail("One that is DEFERRABLE does not count: two rows may have it at a time."),
				 errhint("Without remember => true rows need none.")));
	for (int i = 0; i < ncolumns; i++)
		add_column(key, rel, attnums[i]);
	key->by_chance = get_rel_relkind(key->table) == RELKIND_RELATION &&
		(key->table != RelationGetRelid(rel) || rel->rd_rel->relhassubclass);
	return key;
}

/* ---- its text ---- */

static const char *
digest(const char *text)
{
	bytea	   *hash = DatumGetByteaPP(DirectFunctionCall1(sha256_bytea, CStringGetTextDatum(text)));
	StringInfoData hex;

	initStringInfo(&hex);
	for (int i = 0; i < (int) VARSIZE_ANY_EXHDR(hash); i++)
		appendStringInfo(&hex, "%02x", (unsigned char) VARDATA_ANY(hash)[i]);
	return hex.data;
}

const char *
quota_key_text(QuotaKey *key, const Datum *values)
{
	StringInfoData array;
	const char *text;

	if (key->ncolumns == 1)
		text = OutputFunctionCall(&key->output[0], values[0]);
	else
	{
		initStringInfo(&array);
		for (int i = 0; i < key->ncolumns; i++)
		{
			appendStringInfoString(&array, i == 0 ? "[" : ", ");
			escape_json(&array, OutputFunctionCall(&key->output[i], values[i]));
		}
		appendStringInfoChar(&array, ']');
		text = array.data;
	}
	return strlen(text) > MAX_KEY_BYTES ? digest(text) : text;
}
