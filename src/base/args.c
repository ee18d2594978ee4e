/*-------------------------------------------------------------------------
 *
 * args.c
 *		Validation of the arguments that many functions share.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/detoast.h"
#include "access/relation.h"
#include "common/int.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "base/args.h"
#include "base/errors.h"

PG_FUNCTION_INFO_V1(quota_sql_require_size);

void
quota_require(FunctionCallInfo fcinfo, int arg, const char *name)
{
	if (PG_ARGISNULL(arg))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("%s must not be null", name)));
}

Relation
quota_arg_relation(FunctionCallInfo fcinfo, int arg, const char *name, LOCKMODE lock)
{
	Relation	rel;

	quota_require(fcinfo, arg, name);
	rel = try_relation_open(PG_GETARG_OID(arg), lock);
	if (rel == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("table with OID %u does not exist", PG_GETARG_OID(arg))));
	return rel;
}

static Size
raw_size(FunctionCallInfo fcinfo, int arg)
{
	return toast_raw_datum_size(PG_GETARG_DATUM(arg)) - VARHDRSZ;
}

bool
quota_arg_fits(FunctionCallInfo fcinfo, int arg, int max_bytes)
{
	return raw_size(fcinfo, arg) <= (Size) max_bytes;
}

char *
quota_arg_text(FunctionCallInfo fcinfo, int arg, const char *name, int max_bytes)
{
	quota_require(fcinfo, arg, name);
	if (raw_size(fcinfo, arg) > (Size) max_bytes)
		ereport(ERROR,
				(errcode(ERRCODE_STRING_DATA_RIGHT_TRUNCATION),
				 errmsg("%s is too long", name),
				 errdetail("It has %zu bytes, at most %d are allowed.",
						   raw_size(fcinfo, arg), max_bytes)));
	return TextDatumGetCString(PG_GETARG_DATUM(arg));
}

char *
quota_arg_feature(FunctionCallInfo fcinfo, int arg)
{
	quota_require(fcinfo, arg, "feature");
	if (raw_size(fcinfo, arg) > QUOTA_MAX_FEATURE_BYTES)
		ereport(ERROR,
				(errcode(ERRCODE_QUOTA_NOT_FOUND),
				 errmsg("feature does not exist"),
				 errdetail("Its name is longer than the %d bytes that a feature's name can have.",
						   QUOTA_MAX_FEATURE_BYTES)));
	return TextDatumGetCString(PG_GETARG_DATUM(arg));
}

int64
quota_arg_amount(FunctionCallInfo fcinfo, int arg, const char *name)
{
	int64		amount;

	quota_require(fcinfo, arg, name);
	amount = PG_GETARG_INT64(arg);
	if (amount <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must be greater than 0", name)));
	return amount;
}

char *
quota_arg_key(FunctionCallInfo fcinfo, int arg)
{
	Size		size;

	if (PG_ARGISNULL(arg))
		return NULL;
	size = raw_size(fcinfo, arg);
	if (size == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("key must not be empty"),
				 errhint("Pass null for a call without a key.")));
	if (size > QUOTA_MAX_KEY_BYTES)
		ereport(ERROR,
				(errcode(ERRCODE_STRING_DATA_RIGHT_TRUNCATION),
				 errmsg("key is too long"),
				 errdetail("It has %zu bytes, at most %d are allowed.",
						   size, QUOTA_MAX_KEY_BYTES)));
	return TextDatumGetCString(PG_GETARG_DATUM(arg));
}

Jsonb *
quota_arg_metadata(FunctionCallInfo fcinfo, int arg)
{
	Jsonb	   *metadata;

	if (PG_ARGISNULL(arg))
		return NULL;
	if (raw_size(fcinfo, arg) > QUOTA_MAX_METADATA_BYTES)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("metadata is too large"),
				 errdetail("It has %zu bytes, at most %d are allowed.",
						   raw_size(fcinfo, arg), QUOTA_MAX_METADATA_BYTES)));
	metadata = PG_GETARG_JSONB_P(arg);
	if (!JB_ROOT_IS_OBJECT(metadata))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("metadata must be a JSON object")));
	return metadata;
}

/* Months and days of an interval have no length of their own: a day is 24 hours. */
int64
quota_arg_ttl_us(FunctionCallInfo fcinfo, int arg)
{
	const Interval *ttl;
	int64		us;

	quota_require(fcinfo, arg, "ttl");
	ttl = PG_GETARG_INTERVAL_P(arg);
	if (ttl->month != 0 || ttl->day < -QUOTA_MAX_TTL_DAYS || ttl->day > QUOTA_MAX_TTL_DAYS ||
		pg_add_s64_overflow(ttl->day * USECS_PER_DAY, ttl->time, &us) ||
		us <= 0 || us > QUOTA_MAX_TTL_DAYS * USECS_PER_DAY)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("ttl must be greater than 0 and at most %d days", QUOTA_MAX_TTL_DAYS)));
	return us;
}

bool
quota_arg_bool(FunctionCallInfo fcinfo, int arg, const char *name)
{
	quota_require(fcinfo, arg, name);
	return PG_GETARG_BOOL(arg);
}

/*
 * quota_internal._require_size(value jsonb, max_bytes int, argument text) -> value: for
 * administration written in SQL, where no built-in function tells the size of
 * a jsonb without unpacking it.
 */
Datum
quota_sql_require_size(PG_FUNCTION_ARGS)
{
	Size		size = PG_ARGISNULL(0) ? 0 : raw_size(fcinfo, 0);
	int32		max_bytes = PG_GETARG_INT32(1);

	quota_require(fcinfo, 1, "max_bytes");
	quota_require(fcinfo, 2, "argument");
	if (size > (Size) max_bytes)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s is too large", text_to_cstring(PG_GETARG_TEXT_PP(2))),
				 errdetail("It has %zu bytes, at most %d are allowed.", size, max_bytes)));
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	PG_RETURN_DATUM(PG_GETARG_DATUM(0));
}
