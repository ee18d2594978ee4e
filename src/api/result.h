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
 * The columns of a function's result, as sql/always declares them.  Declared
 * static: the descriptor is made once for each backend, which is much cheaper
 * than asking get_call_result_type() in every call.
 */
typedef struct QuotaShape
{
	int			ncolumns;
	Oid			types[QUOTA_MAX_COLUMNS];
	const char *names[QUOTA_MAX_COLUMNS];
	TupleDesc	desc;
} QuotaShape;

/* One row under construction: columns are set from left to right. */
typedef struct QuotaRow
{
	int			n;
	Datum		values[QUOTA_MAX_COLUMNS];
	bool		nulls[QUOTA_MAX_COLUMNS];
} QuotaRow;

extern void quota_row_null(QuotaRow *row);
extern void quota_row_bool(QuotaRow *row, bool value);
extern void quota_row_int32(QuotaRow *row, int32 value);
extern void quota_row_int64(QuotaRow *row, int64 value);
extern void quota_row_int64_or_null(QuotaRow *row, bool notnull, int64 value);
extern void quota_row_text(QuotaRow *row, const char *value);	/* NULL: null */
extern void quota_row_time(QuotaRow *row, TimestampTz value);	/* infinite: null */
extern void quota_row_raw_time(QuotaRow *row, TimestampTz value);	/* infinite stays */
extern void quota_row_jsonb(QuotaRow *row, Jsonb *value);	/* NULL: null */
extern void quota_row_interval(QuotaRow *row, int64 us);	/* < 0: null */

/* the datum of a finished row */
extern Datum quota_row_datum(QuotaShape *shape, QuotaRow *row);

/* adds a finished row to a set-returning function's result */
extern void quota_row_put(ReturnSetInfo *rsinfo, QuotaRow *row);

#endif							/* QUOTA_RESULT_H */
