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
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "api/result.h"

static void
add(QuotaRow *row, Datum value, bool isnull)
{
	QuotaEnsure(row->n < QUOTA_MAX_COLUMNS);
	row->values[row->n] = value;
	row->nulls[row->n] = isnull;
	row->n++;
}

void
quota_row_null(QuotaRow *row)
{
	add(row, (Datum) 0, true);
}

void
quota_row_bool(QuotaRow *row, bool value)
{
	add(row, BoolGetDatum(value), false);
}

void
quota_row_int32(QuotaRow *row, int32 value)
{
	add(row, Int32GetDatum(value), false);
}

void
quota_row_int64(QuotaRow *row, int64 value)
{
	add(row, Int64GetDatum(value), false);
}

void
quota_row_int64_or_null(QuotaRow *row, bool notnull, int64 value)
{
	add(row, notnull ? Int64GetDatum(value) : (Datum) 0, !notnull);
}

void
quota_row_text(QuotaRow *row, const char *value)
{
	add(row, value ? CStringGetTextDatum(value) : (Datum) 0, value == NULL);
}

void
quota_row_time(QuotaRow *row, TimestampTz value)
{
	add(row, TimestampTzGetDatum(value), TIMESTAMP_NOT_FINITE(value));
}

void
quota_row_raw_time(QuotaRow *row, TimestampTz value)
{
	add(row, TimestampTzGetDatum(value), false);
}

void
quota_row_jsonb(QuotaRow *row, Jsonb *value)
{
	add(row, PointerGetDatum(value), value == NULL);
}

void
quota_row_interval(QuotaRow *row, int64 us)
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

static TupleDesc
make_desc(const QuotaShape *shape)
{
	MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);
	TupleDesc	desc = CreateTemplateTupleDesc(shape->ncolumns);

	for (int i = 0; i < shape->ncolumns; i++)
		TupleDescInitEntry(desc, (AttrNumber) (i + 1), shape->names[i], shape->types[i], -1, 0);
	desc = BlessTupleDesc(desc);
	MemoryContextSwitchTo(old);
	return desc;
}

Datum
quota_row_datum(QuotaShape *shape, QuotaRow *row)
{
	QuotaEnsure(row->n == shape->ncolumns);
	if (shape->desc == NULL)
		shape->desc = make_desc(shape);
	return HeapTupleGetDatum(heap_form_tuple(shape->desc, row->values, row->nulls));
}

void
quota_row_put(ReturnSetInfo *rsinfo, QuotaRow *row)
{
	QuotaEnsure(row->n == rsinfo->setDesc->natts);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, row->values, row->nulls);
}
