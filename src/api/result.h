/*-------------------------------------------------------------------------
 *
 * result.h
 *		Result rows of our SQL functions.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QUOTA_RESULT_H
#define QUOTA_RESULT_H

#include "access/tupdesc.h"
#include "datatype/timestamp.h"
#include "fmgr.h"
#include "funcapi.h"

#include "decide/judge.h"

#define QUOTA_MAX_COLUMNS	16

/*
 * The columns of a function's result, as its named type in sql/once has them.
 * Declared static: it remembers which type that is.  The type's descriptor is
 * PostgreSQL's own, cached; get_call_result_type() in every call would cost more
 * than the function's own work.
 */
typedef struct QuotaShape
{
	int			ncolumns;
	Oid			types[QUOTA_MAX_COLUMNS];
	Oid			function;		/* whose result type is */
	Oid			type;
} QuotaShape;

/* One row under construction: columns are set from left to right. */
typedef struct QuotaResultRow
{
	int			n;
	Datum		values[QUOTA_MAX_COLUMNS];
	bool		nulls[QUOTA_MAX_COLUMNS];
} QuotaResultRow;

extern void quota_row_null(QuotaResultRow *row);
extern void quota_row_bool(QuotaResultRow *row, bool value);
extern void quota_row_int32(QuotaResultRow *row, int32 value);
extern void quota_row_int64(QuotaResultRow *row, int64 value);
extern void quota_row_int64_or_null(QuotaResultRow *row, bool notnull, int64 value);
extern void quota_row_text(QuotaResultRow *row, const char *value);	/* NULL: null */
extern void quota_row_time(QuotaResultRow *row, TimestampTz value);	/* infinite: null */
extern void quota_row_raw_time(QuotaResultRow *row, TimestampTz value);	/* infinite stays */
extern void quota_row_jsonb(QuotaResultRow *row, Jsonb *value);	/* NULL: null */
extern void quota_row_array(QuotaResultRow *row, Datum value);
extern void quota_row_interval(QuotaResultRow *row, int64 us);	/* < 0: null */

/* the datum of a finished row, which is of the called function's result type */
extern Datum quota_row_datum(FunctionCallInfo fcinfo, QuotaShape *shape, QuotaResultRow *row);

/* adds a finished row to a set-returning function's result */
extern void quota_row_put(ReturnSetInfo *rsinfo, QuotaResultRow *row);

#endif							/* QUOTA_RESULT_H */
