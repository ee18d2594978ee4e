/*-------------------------------------------------------------------------
 *
 * unit.c
 *		Runs all cases.
 *
 *-------------------------------------------------------------------------
 */
#include "unit.h"

#include "fmgr.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

PG_MODULE_MAGIC;

PG_FUNCTION_INFO_V1(quota_unit);
extern PGDLLEXPORT Datum quota_unit(PG_FUNCTION_ARGS);

static const struct
{
	const char *name;
	const UnitCase *cases;
}			files[] =
{
	{"gcra", gcra_cases},
	{"lease_entry", lease_entry_cases},
	{"period", period_cases},
	{"rollover", rollover_cases},
	{"room", room_cases},
	{"window", window_cases},
};

/* what has failed in the case that is running */
static StringInfoData failures;

static void
fail(const char *file, int line, const char *what, const char *got, const char *expected)
{
	const char *slash = strrchr(file, '/');

	appendStringInfo(&failures, "\n# %s:%d: %s is %s, expected %s",
					 slash ? slash + 1 : file, line, what, got, expected);
}

void
expect_int(const char *file, int line, const char *what, int64 got, int64 expected)
{
	if (got != expected)
		fail(file, line, what, psprintf(INT64_FORMAT, got), psprintf(INT64_FORMAT, expected));
}

void
expect_time(const char *file, int line, const char *what, TimestampTz got, const char *expected)
{
	if (got != at(expected))
		fail(file, line, what, timestamptz_to_str(got), expected);
}

void
expect_true(const char *file, int line, const char *what, bool got)
{
	if (!got)
		fail(file, line, what, "false", "true");
}

TimestampTz
at(const char *text)
{
	return DatumGetTimestampTz(DirectFunctionCall3(timestamptz_in, CStringGetDatum(text),
												   ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));
}

/* An error that nobody expects is a failure; see EXPECT_ERROR for why it may be caught. */
static void
run(const UnitCase *unit)
{
	MemoryContext context = CurrentMemoryContext;

	initStringInfo(&failures);
	PG_TRY();
	{
		unit->run();
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		appendStringInfo(&failures, "\n# %s", error->message);
	}
	PG_END_TRY();
}

/*
 * quota_unit() -> setof text: a line for each case, as TAP has them.  The session's
 * time zone must be UTC.
 */
Datum
quota_unit(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	for (size_t i = 0; i < lengthof(files); i++)
	{
		for (const UnitCase *unit = files[i].cases; unit->name != NULL; unit++)
		{
			Datum		value;
			bool		isnull = false;

			run(unit);
			value = CStringGetTextDatum(psprintf("%s %s: %s%s", failures.len > 0 ? "not ok" : "ok",
												 files[i].name, unit->name, failures.data));
			tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, &value, &isnull);
		}
	}
	return (Datum) 0;
}
