/*-------------------------------------------------------------------------
 *
 * column.c
 *		Expressions that are a column of the row, or a constant.
 *
 * Most are: r.tenant_id, size, 1.  A column is read without a query, and
 * without becoming the table's owner, since no code of anybody's runs.  Whatever
 * else, or a column that is not there, is left to the query, and so are types
 * whose cast to text is not what their output is.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "nodes/value.h"
#include "parser/parser.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "gate/column.h"

/* The only value of "SELECT <text>", or NULL. */
static const Node *
parse_value(const char *text)
{
	List	   *parsed = raw_parser(psprintf("SELECT (\n%s\n)", text), RAW_PARSE_DEFAULT);
	const SelectStmt *select;

	if (list_length(parsed) != 1)
		return NULL;
	select = (const SelectStmt *) linitial_node(RawStmt, parsed)->stmt;
	if (!IsA(select, SelectStmt) || list_length(select->targetList) != 1)
		return NULL;
	return linitial_node(ResTarget, select->targetList)->val;
}

/*
 * The column's name of r.column, or of column: nothing else is in the query that could
 * have one; or NULL.
 */
static const char *
column_of(const Node *value)
{
	const ColumnRef *ref = (const ColumnRef *) value;

	if (value == NULL || !IsA(value, ColumnRef) || !IsA(llast(ref->fields), String))
		return NULL;
	if (list_length(ref->fields) == 2 &&
		(!IsA(linitial(ref->fields), String) || strcmp(strVal(linitial(ref->fields)), "r") != 0))
		return NULL;
	return list_length(ref->fields) <= 2 ? strVal(llast(ref->fields)) : NULL;
}

static bool
is_integer(const Node *value, int64 *constant)
{
	const A_Const *number = (const A_Const *) value;

	if (value == NULL || !IsA(value, A_Const) || number->isnull || !IsA(&number->val, Integer))
		return false;
	*constant = number->val.ival.ival;
	return true;
}

QuotaGateColumns *
quota_gate_columns(const char *subject, const char *amount)
{
	QuotaGateColumns *columns = (QuotaGateColumns *) palloc0(sizeof(QuotaGateColumns));
	const Node *value = parse_value(amount);

	columns->subject = column_of(parse_value(subject));
	columns->amount = column_of(value);
	columns->simple = columns->subject != NULL &&
		(columns->amount != NULL || is_integer(value, &columns->constant));
	return columns;
}

/* ---- reading ---- */

/* 0: there is none */
static AttrNumber
find_column(TupleDesc desc, const char *name, Oid *type)
{
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, i);

		if (attribute->attisdropped || strcmp(NameStr(attribute->attname), name) != 0)
			continue;
		*type = attribute->atttypid;
		return attribute->attnum;
	}
	return 0;
}

static bool
is_text(Oid type)
{
	return type == TEXTOID || type == VARCHAROID;
}

static Datum
as_text(Datum value, Oid type)
{
	PGFunction	output;

	if (is_text(type))
		return value;
	output = type == UUIDOID ? uuid_out : type == INT8OID ? int8out :
		type == INT4OID ? int4out : int2out;
	return CStringGetTextDatum(DatumGetCString(DirectFunctionCall1(output, value)));
}

static int64
as_int64(Datum value, Oid type)
{
	return type == INT8OID ? DatumGetInt64(value) :
		type == INT4OID ? DatumGetInt32(value) : DatumGetInt16(value);
}

static bool
is_integer_type(Oid type)
{
	return type == INT8OID || type == INT4OID || type == INT2OID;
}

/* What is read of each row. */
typedef struct Reader
{
	AttrNumber	subject;		/* 0: none */
	AttrNumber	amount;			/* 0: the constant */
	Oid			subject_type;
	Oid			amount_type;
	int64		constant;
	QuotaKey   *key;			/* or NULL */
} Reader;

static const char *
key_of(QuotaKey *key, TupleTableSlot *slot)
{
	Datum		values[INDEX_MAX_KEYS];
	bool		isnull;

	for (int i = 0; i < key->ncolumns; i++)
	{
		values[i] = slot_getattr(slot, key->attnums[i], &isnull);
		if (isnull)
			elog(ERROR, "quota: a column of a primary key is null");
	}
	return quota_key_text(key, values);
}

static void
read_row(const Reader *reader, TupleTableSlot *slot, QuotaRowValue *row)
{
	Datum		value;

	memset(row, 0, sizeof(*row));
	row->no_subject = true;
	row->amount = reader->constant;
	if (reader->subject != 0)
	{
		value = slot_getattr(slot, reader->subject, &row->no_subject);
		row->subject = row->no_subject ? (Datum) 0 : as_text(value, reader->subject_type);
	}
	if (reader->amount != 0)
	{
		value = slot_getattr(slot, reader->amount, &row->no_amount);
		row->amount = row->no_amount ? 0 : as_int64(value, reader->amount_type);
	}
	if (reader->key)
		row->key = key_of(reader->key, slot);
}

static void
read_rows(const Reader *reader, Relation rel, Tuplestorestate *rows, QuotaRowVisitor visitor, void *state)
{
	TupleTableSlot *slot = MakeSingleTupleTableSlot(RelationGetDescr(rel), &TTSOpsMinimalTuple);
	MemoryContext row_context = AllocSetContextCreate(CurrentMemoryContext, "quota gate row",
													  ALLOCSET_SMALL_SIZES);

	/* others read the same rows, each by a pointer of its own */
	tuplestore_select_read_pointer(rows, tuplestore_alloc_read_pointer(rows, EXEC_FLAG_REWIND));
	tuplestore_rescan(rows);
	/* rows on disk are read into the current context, and freed with the next one */
	while (tuplestore_gettupleslot(rows, true, false, slot))
	{
		QuotaRowValue row;
		MemoryContext caller = MemoryContextSwitchTo(row_context);

		CHECK_FOR_INTERRUPTS();
		read_row(reader, slot, &row);
		visitor(&row, state);
		MemoryContextSwitchTo(caller);
		MemoryContextReset(row_context);
	}
	MemoryContextDelete(row_context);
	ExecDropSingleTupleTableSlot(slot);
}

bool
quota_columns_visit(const QuotaGateColumns *columns, Relation rel, Tuplestorestate *rows,
					QuotaKey *key, QuotaRowVisitor visitor, void *state)
{
	TupleDesc	desc = RelationGetDescr(rel);
	Reader		reader = {.constant = columns->constant, .amount_type = INT8OID, .key = key};

	if (!columns->simple || (key && !key->plain))
		return false;
	reader.subject = find_column(desc, columns->subject, &reader.subject_type);
	if (columns->amount)
		reader.amount = find_column(desc, columns->amount, &reader.amount_type);
	if (reader.subject == 0 || (columns->amount && reader.amount == 0) ||
		!is_integer_type(reader.amount_type) ||
		!(is_text(reader.subject_type) || reader.subject_type == UUIDOID ||
		  is_integer_type(reader.subject_type)))
		return false;
	read_rows(&reader, rel, rows, visitor, state);
	return true;
}

void
quota_keys_visit(QuotaKey *key, Relation rel, Tuplestorestate *rows, QuotaRowVisitor visitor,
				 void *state)
{
	Reader		reader = {.key = key};

	read_rows(&reader, rel, rows, visitor, state);
}
