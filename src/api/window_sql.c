/*-------------------------------------------------------------------------
 *
 * window_sql.c
 *		Periods, zones and windows for our own SQL functions.
 *
 * Internal: quota_internal._period, _rate_per, _timezone, _window and _window_now are
 * granted to nobody.  Administration in SQL (sql/always) asks the same C code as a debit
 * does, so that both always agree on where a window begins.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/detoast.h"
#include "access/htup_details.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/args.h"
#include "base/period.h"
#include "base/window.h"
#include "engine/engine.h"

PG_FUNCTION_INFO_V1(quota_sql_period);
PG_FUNCTION_INFO_V1(quota_sql_rate_per);
PG_FUNCTION_INFO_V1(quota_sql_timezone);
PG_FUNCTION_INFO_V1(quota_sql_window);
PG_FUNCTION_INFO_V1(quota_sql_window_now);

/* Whether a text has at most so many bytes, without unpacking it. */
static bool
fits(Datum text_datum, int max_bytes)
{
	return toast_raw_datum_size(text_datum) - VARHDRSZ <= (Size) max_bytes;
}

/* The text of a period in an argument that is not NULL. */
static char *
get_period_text(FunctionCallInfo fcinfo, int argno)
{
	if (!fits(PG_GETARG_DATUM(argno), QUOTA_PERIOD_MAX_BYTES))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("period is longer than %d bytes", QUOTA_PERIOD_MAX_BYTES)));
	return text_to_cstring(PG_GETARG_TEXT_PP(argno));
}

/* The period in an argument; NULL is lifetime. */
static void
get_period(FunctionCallInfo fcinfo, int argno, QuotaPeriod *period)
{
	memset(period, 0, sizeof(*period));
	if (!PG_ARGISNULL(argno))
		quota_period_parse(get_period_text(fcinfo, argno), period);
}

static pg_tz *
get_timezone(FunctionCallInfo fcinfo, int argno)
{
	quota_require(fcinfo, argno, "timezone");
	if (!fits(PG_GETARG_DATUM(argno), TZ_STRLEN_MAX))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("time zone name is longer than %d bytes", TZ_STRLEN_MAX)));
	return quota_timezone(text_to_cstring(PG_GETARG_TEXT_PP(argno)));
}

/* The row's type is looked up once in a statement: simulate() asks for a window of every entry. */
static Datum
make_row(FunctionCallInfo fcinfo, Datum *values, bool *nulls)
{
	FmgrInfo   *flinfo = fcinfo->flinfo;

	if (flinfo->fn_extra == NULL)
	{
		MemoryContext caller = MemoryContextSwitchTo(flinfo->fn_mcxt);
		TupleDesc	tupdesc;

		if (get_call_result_type(fcinfo, NULL, &tupdesc) != TYPEFUNC_COMPOSITE)
			elog(ERROR, "return type must be a row type");
		flinfo->fn_extra = BlessTupleDesc(tupdesc);
		MemoryContextSwitchTo(caller);
	}
	return HeapTupleGetDatum(heap_form_tuple((TupleDesc) flinfo->fn_extra, values, nulls));
}

/* quota_internal._period(period text) -> (months int, days int, us bigint) */
Datum
quota_sql_period(PG_FUNCTION_ARGS)
{
	QuotaPeriod period;
	Datum		values[3];
	bool		nulls[3] = {false, false, false};

	get_period(fcinfo, 0, &period);
	values[0] = Int32GetDatum(period.months);
	values[1] = Int32GetDatum(period.days);
	values[2] = Int64GetDatum(period.us);
	return make_row(fcinfo, values, nulls);
}

/* quota_internal._rate_per(per text) -> bigint */
Datum
quota_sql_rate_per(PG_FUNCTION_ARGS)
{
	quota_require(fcinfo, 0, "per");
	PG_RETURN_INT64(quota_rate_per_parse(get_period_text(fcinfo, 0)));
}

/* quota_internal._timezone(name text) -> text */
Datum
quota_sql_timezone(PG_FUNCTION_ARGS)
{
	pg_tz	   *zone = get_timezone(fcinfo, 0);

	PG_RETURN_TEXT_P(cstring_to_text(pg_get_timezone_name(zone)));
}

/*
 * Finds the anchor and whether times before it count as the anchor: "calendar"
 * goes on in both directions, and "subscription" is the same where there is no
 * subscription.
 */
static TimestampTz
get_anchor(FunctionCallInfo fcinfo, const QuotaPeriod *period, pg_tz *zone, bool *clamp)
{
	char	   *anchor;

	quota_require(fcinfo, 1, "anchor");
	anchor = text_to_cstring(PG_GETARG_TEXT_PP(1));

	*clamp = true;
	if (strcmp(anchor, "timestamp") == 0)
	{
		quota_require(fcinfo, 2, "anchor_at");
		return PG_GETARG_TIMESTAMPTZ(2);
	}
	if (strcmp(anchor, "subscription") == 0 && !PG_ARGISNULL(3))
		return PG_GETARG_TIMESTAMPTZ(3);
	if (strcmp(anchor, "calendar") != 0 && strcmp(anchor, "subscription") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("anchor is not known"),
				 errdetail("It is one of calendar, subscription, timestamp.")));
	*clamp = false;
	return quota_calendar_anchor(period, zone);
}

/*
 * quota_internal._window(period text, anchor text, anchor_at timestamptz,
 *				 starts_at timestamptz, timezone text, at timestamptz)
 *	  -> (window_start timestamptz, window_end timestamptz)
 *
 * A lifetime is that of the subscription, whatever the anchor.
 */
Datum
quota_sql_window(PG_FUNCTION_ARGS)
{
	QuotaPeriod period;
	QuotaWindow window;
	TimestampTz anchor;
	pg_tz	   *zone;
	bool		clamp;
	Datum		values[2];
	bool		nulls[2] = {false, false};

	get_period(fcinfo, 0, &period);
	zone = get_timezone(fcinfo, 4);
	anchor = get_anchor(fcinfo, &period, zone, &clamp);
	quota_require(fcinfo, 5, "at");

	if (quota_period_is_lifetime(&period))
		anchor = PG_ARGISNULL(3) ? DT_NOBEGIN : PG_GETARG_TIMESTAMPTZ(3);
	window = quota_window_at(anchor, &period, zone, PG_GETARG_TIMESTAMPTZ(5), clamp);

	values[0] = TimestampTzGetDatum(window.start);
	values[1] = TimestampTzGetDatum(window.end);
	return make_row(fcinfo, values, nulls);
}

/*
 * quota_internal._window_now(account text, feature_id int, source_id bigint, period_start timestamptz,
 *				 period_end timestamptz, entry_id bigint)
 *	  -> (begins timestamptz, ends timestamptz, generation int)
 *
 * Strict.  With the statement's snapshot, as is all else that it looks at.
 */
Datum
quota_sql_window_now(PG_FUNCTION_ARGS)
{
	text	   *account = PG_GETARG_TEXT_PP(0);
	QuotaWindowKey key = {{VARDATA_ANY(account), VARSIZE_ANY_EXHDR(account), PG_GETARG_INT32(1)},
	PG_GETARG_INT64(2), PG_GETARG_TIMESTAMPTZ(3), PG_GETARG_TIMESTAMPTZ(4)};
	int32		generation = quota_engine_locate(&key, PG_GETARG_INT64(5), GetActiveSnapshot());
	Datum		values[3];
	bool		nulls[3] = {false, false, false};

	values[0] = TimestampTzGetDatum(key.start);
	values[1] = TimestampTzGetDatum(key.end);
	values[2] = Int32GetDatum(generation);
	return make_row(fcinfo, values, nulls);
}
