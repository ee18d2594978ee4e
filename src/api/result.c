/*-------------------------------------------------------------------------
 *
 * result.c
 *		Result rows of our SQL functions.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

#include "api/result.h"
#include "base/errors.h"

static void
add(QuotaResultRow *row, Datum value, bool isnull)
{
	QuotaEnsure(row->n < QUOTA_MAX_COLUMNS);
	row->values[row->n] = value;
	row->nulls[row->n] = isnull;
	row->n++;
}

void
quota_row_null(QuotaResultRow *row)
{
	add(row, (Datum) 0, true);
}

void
quota_row_bool(QuotaResultRow *row, bool value)
{
	add(row, BoolGetDatum(value), false);
}

void
quota_row_int32(QuotaResultRow *row, int32 value)
{
	add(row, Int32GetDatum(value), false);
}

void
quota_row_int64(QuotaResultRow *row, int64 value)
{
	add(row, Int64GetDatum(value), false);
}

void
quota_row_int64_or_null(QuotaResultRow *row, bool notnull, int64 value)
{
	add(row, notnull ? Int64GetDatum(value) : (Datum) 0, !notnull);
}

void
quota_row_text(QuotaResultRow *row, const char *value)
{
	add(row, value ? CStringGetTextDatum(value) : (Datum) 0, value == NULL);
}

void
quota_row_time(QuotaResultRow *row, TimestampTz value)
{
	add(row, TimestampTzGetDatum(value), TIMESTAMP_NOT_FINITE(value));
}

void
quota_row_raw_time(QuotaResultRow *row, TimestampTz value)
{
	add(row, TimestampTzGetDatum(value), false);
}

void
quota_row_jsonb(QuotaResultRow *row, Jsonb *value)
{
	add(row, PointerGetDatum(value), value == NULL);
}

void
quota_row_array(QuotaResultRow *row, Datum value)
{
	add(row, value, false);
}

void
quota_row_interval(QuotaResultRow *row, int64 us)
{
	Interval   *interval;

	if (us < 0)
	{
		quota_row_null(row);
		return;
	}
	interval = (Interval *) palloc0(sizeof(Interval));
	interval->time = us;
	add(row, IntervalPGetDatum(interval), false);
}

/*
 * The result type as it is now, pinned; somebody may have altered it, or the
 * library may be newer.
 */
static TupleDesc
result_desc(FunctionCallInfo fcinfo, QuotaShape *shape)
{
	Oid			function = fcinfo->flinfo->fn_oid;
	TupleDesc	desc;
	bool		right;

	/* a function keeps its type; an extension that is created again has other functions */
	if (shape->function != function)
	{
		shape->type = get_func_rettype(function);
		shape->function = function;
	}
	desc = lookup_rowtype_tupdesc(shape->type, -1);
	right = desc->natts == shape->ncolumns;
	for (int i = 0; right && i < desc->natts; i++)
		right = TupleDescAttr(desc, i)->atttypid == shape->types[i];
	if (!right)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("type %s does not look as it should", format_type_be(shape->type)),
				 errhint("The extension quota is damaged, or its library is of another version.")));
	return desc;
}

Datum
quota_row_datum(FunctionCallInfo fcinfo, QuotaShape *shape, QuotaResultRow *row)
{
	TupleDesc	desc;
	HeapTuple	tuple;

	QuotaEnsure(row->n == shape->ncolumns);
	desc = result_desc(fcinfo, shape);
	tuple = heap_form_tuple(desc, row->values, row->nulls);
	ReleaseTupleDesc(desc);
	return HeapTupleGetDatum(tuple);
}

void
quota_row_put(ReturnSetInfo *rsinfo, QuotaResultRow *row)
{
	QuotaEnsure(row->n == rsinfo->setDesc->natts);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, row->values, row->nulls);
}
