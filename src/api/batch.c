/*-------------------------------------------------------------------------
 *
 * batch.c
 *		quota.debit_many(), quota.charge(), quota.charge_units(): several
 *		features in one call, all or nothing; and quota.quote().
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/detoast.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"

#include "api/call.h"
#include "api/result.h"
#include "base/args.h"
#include "base/errors.h"
#include "decide/price.h"
#include "store/action.h"

PG_FUNCTION_INFO_V1(quota_sql_debit_many);
PG_FUNCTION_INFO_V1(quota_sql_charge);
PG_FUNCTION_INFO_V1(quota_sql_charge_units);
PG_FUNCTION_INFO_V1(quota_sql_quote);

#define MAX_FEATURES		100
/* 100 names of 63 bytes with large numbers fit */
#define MAX_NUMBERS_BYTES	16384

/* One number of a JSON object argument. */
typedef struct NamedNumber
{
	char	   *name;
	Numeric		number;
} NamedNumber;

static int
compare_names(const void *a, const void *b)
{
	return strcmp(((const NamedNumber *) a)->name, ((const NamedNumber *) b)->name);
}

static void
raise_member(const char *argument, const char *name, int code, const char *problem)
{
	ereport(ERROR,
			(errcode(code),
			 errmsg("%s.%s %s", argument, quota_clip(name), problem)));
}

/*
 * A jsonb argument that is an object of numbers, in order of name, byte for
 * byte.  22004, 22023.
 */
static NamedNumber *
numbers_from_arg(FunctionCallInfo fcinfo, int arg, const char *argument, int *n)
{
	JsonbIterator *it;
	JsonbIteratorToken token;
	JsonbValue	v;
	Jsonb	   *object;
	NamedNumber *numbers;

	quota_require(fcinfo, arg, argument);
	if (toast_raw_datum_size(PG_GETARG_DATUM(arg)) - VARHDRSZ > MAX_NUMBERS_BYTES)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s is too large", argument)));
	object = PG_GETARG_JSONB_P(arg);
	if (!JB_ROOT_IS_OBJECT(object) || JB_ROOT_COUNT(object) == 0 ||
		JB_ROOT_COUNT(object) > MAX_FEATURES)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must be a JSON object with 1 to %d members", argument, MAX_FEATURES)));
	numbers = (NamedNumber *) palloc(sizeof(NamedNumber) * JB_ROOT_COUNT(object));
	*n = 0;
	it = JsonbIteratorInit(&object->root);
	while ((token = JsonbIteratorNext(&it, &v, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			numbers[*n].name = pnstrdup(v.val.string.val, v.val.string.len);
		else if (token == WJB_VALUE)
		{
			if (v.type == jbvNull)
				raise_member(argument, numbers[*n].name, ERRCODE_NULL_VALUE_NOT_ALLOWED,
							 "must not be null");
			if (v.type != jbvNumeric)
				raise_member(argument, numbers[*n].name, ERRCODE_INVALID_PARAMETER_VALUE,
							 "must be a number");
			numbers[(*n)++].number = v.val.numeric;
		}
	}
	qsort(numbers, *n, sizeof(NamedNumber), compare_names);
	return numbers;
}

static bool
is_less(Numeric a, Numeric b)
{
	return DatumGetBool(DirectFunctionCall2(numeric_lt, NumericGetDatum(a), NumericGetDatum(b)));
}

static bool
is_negative(Numeric number)
{
	return is_less(number, int64_to_numeric(0));
}

/* A whole amount above 0; 22023, 22003. */
static int64
amount_from_number(const NamedNumber *named)
{
	Datum		number = NumericGetDatum(named->number);

	if (!is_less(int64_to_numeric(0), named->number))
		raise_member("amounts", named->name, ERRCODE_INVALID_PARAMETER_VALUE,
					 "must be greater than 0");
	if (!DatumGetBool(DirectFunctionCall2(numeric_eq, number,
										  DirectFunctionCall1(numeric_ceil, number))))
		raise_member("amounts", named->name, ERRCODE_INVALID_PARAMETER_VALUE,
					 "must be a whole number");
	if (is_less(int64_to_numeric(PG_INT64_MAX), named->number))
		raise_member("amounts", named->name, ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE,
					 "is out of range");
	return DatumGetInt64(DirectFunctionCall1(numeric_int8, number));
}

Datum
quota_sql_debit_many(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	QuotaRequest request = {.on_refusal = QUOTA_RAISE};
	QuotaArgument arguments[2];
	QuotaCall	call = {.function = "debit_many", .arguments = arguments, .narguments = 2};
	NamedNumber *numbers;

	InitMaterializedSRF(fcinfo, 0);
	quota_subject_parse(PG_GETARG_DATUM(0), PG_ARGISNULL(0), &request.subject);
	numbers = numbers_from_arg(fcinfo, 1, "amounts", &request.nitems);
	request.items = (QuotaItem *) palloc0(sizeof(QuotaItem) * request.nitems);
	for (int i = 0; i < request.nitems; i++)
	{
		request.items[i].feature = numbers[i].name;
		request.items[i].amount = amount_from_number(&numbers[i]);
	}
	request.key = quota_arg_key(fcinfo, 2);
	request.metadata = quota_arg_metadata(fcinfo, 3);
	arguments[0] = quota_argument_jsonb("amounts", PG_GETARG_JSONB_P(1));
	arguments[1] = quota_argument_jsonb("metadata", request.metadata);
	quota_prevent_if_not_writable("quota.debit_many()");
	quota_call_once(&request, &call, quota_charge);

	for (int i = 0; i < request.nitems; i++)
	{
		const QuotaItem *item = &request.items[i];
		QuotaResultRow	row = {0};

		quota_row_text(&row, item->feature);
		quota_row_int64_or_null(&row, item->id != 0, item->id);
		quota_row_int64_or_null(&row, item->verdict.limited, item->verdict.remaining);
		quota_row_time(&row, item->verdict.resets_at);
		quota_row_put(rsinfo, &row);
	}
	return (Datum) 0;
}

/* 22004 when NULL, QT404 when too long for an action's name */
static char *
arg_action(FunctionCallInfo fcinfo, int arg)
{
	quota_require(fcinfo, arg, "action");
	if (toast_raw_datum_size(PG_GETARG_DATUM(arg)) - VARHDRSZ > QUOTA_MAX_ACTION_BYTES)
		ereport(ERROR,
				(errcode(ERRCODE_QUOTA_NOT_FOUND),
				 errmsg("action does not exist"),
				 errdetail("Its name is longer than an action's name can be.")));
	return TextDatumGetCString(PG_GETARG_DATUM(arg));
}

/* subject, action, units, key, metadata: the second and third have been read */
static void
charge_action(FunctionCallInfo fcinfo, const char *function, QuotaActionCall *action,
			  QuotaArgument units)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	QuotaRequest request = {.on_refusal = QUOTA_RAISE,.action = action};
	QuotaArgument arguments[3];
	QuotaCall	call = {.function = function, .arguments = arguments, .narguments = 3};

	InitMaterializedSRF(fcinfo, 0);
	quota_subject_parse(PG_GETARG_DATUM(0), PG_ARGISNULL(0), &request.subject);
	request.key = quota_arg_key(fcinfo, 3);
	request.metadata = quota_arg_metadata(fcinfo, 4);
	arguments[0] = quota_argument_text("action", action->name);
	arguments[1] = units;
	arguments[2] = quota_argument_jsonb("metadata", request.metadata);
	quota_prevent_if_not_writable(psprintf("quota.%s()", function));
	quota_call_once(&request, &call, quota_charge_action);

	for (int i = 0; i < request.nitems; i++)
	{
		const QuotaItem *item = &request.items[i];
		QuotaResultRow	row = {0};

		quota_row_text(&row, item->feature);
		quota_row_int64_or_null(&row, item->id != 0, item->id);
		quota_row_int64(&row, item->charged);
		quota_row_int64_or_null(&row, item->verdict.limited, item->verdict.remaining);
		quota_row_time(&row, item->verdict.resets_at);
		quota_row_put(rsinfo, &row);
	}
}

Datum
quota_sql_charge(PG_FUNCTION_ARGS)
{
	QuotaUnits	units = {"", NULL};
	QuotaActionCall action = {NULL, 1, &units};
	QuotaArgument argument = {"units", {.type = jbvNumeric}};

	action.name = arg_action(fcinfo, 1);
	quota_require(fcinfo, 2, "units");
	units.units = PG_GETARG_NUMERIC(2);
	if (numeric_is_nan(units.units) || numeric_is_inf(units.units) || is_negative(units.units))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("units must be a finite number of at least 0")));
	argument.value.val.numeric = units.units;
	charge_action(fcinfo, "charge", &action, argument);
	return (Datum) 0;
}

/* Units by dimension; 22004, 22023. */
static void
units_from_arg(FunctionCallInfo fcinfo, int arg, QuotaActionCall *action)
{
	NamedNumber *numbers = numbers_from_arg(fcinfo, arg, "units", &action->nunits);

	action->units = (QuotaUnits *) palloc(sizeof(QuotaUnits) * action->nunits);
	for (int i = 0; i < action->nunits; i++)
	{
		/* the dimension without a name is charge()'s */
		if (numbers[i].name[0] == '\0')
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("units must name each dimension")));
		if (is_negative(numbers[i].number))
			raise_member("units", numbers[i].name, ERRCODE_INVALID_PARAMETER_VALUE,
						 "must not be negative");
		action->units[i].dimension = numbers[i].name;
		action->units[i].units = numbers[i].number;
	}
}

Datum
quota_sql_charge_units(PG_FUNCTION_ARGS)
{
	QuotaActionCall action = {NULL, 0, NULL};

	action.name = arg_action(fcinfo, 1);
	units_from_arg(fcinfo, 2, &action);
	charge_action(fcinfo, "charge_units", &action,
				  quota_argument_jsonb("units", PG_GETARG_JSONB_P(2)));
	return (Datum) 0;
}

/* A jsonb argument that is a number: the units of an action of one price. */
static bool
number_from_arg(FunctionCallInfo fcinfo, int arg, QuotaActionCall *action)
{
	JsonbValue	number;

	if (!quota_arg_fits(fcinfo, arg, MAX_NUMBERS_BYTES) ||
		!JsonbExtractScalar(&PG_GETARG_JSONB_P(arg)->root, &number) || number.type != jbvNumeric)
		return false;
	if (is_negative(number.val.numeric))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("units must not be negative")));
	action->nunits = 1;
	action->units = (QuotaUnits *) palloc(sizeof(QuotaUnits));
	action->units[0].dimension = pstrdup("");
	action->units[0].units = number.val.numeric;
	return true;
}

Datum
quota_sql_quote(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	QuotaActionCall action = {NULL, 0, NULL};
	QuotaItem  *items;
	int			nitems;

	InitMaterializedSRF(fcinfo, 0);
	action.name = arg_action(fcinfo, 0);
	quota_require(fcinfo, 1, "units");
	if (!number_from_arg(fcinfo, 1, &action))
		units_from_arg(fcinfo, 1, &action);
	items = quota_quote_action(quota_catalog(), &action, &nitems);
	for (int i = 0; i < nitems; i++)
	{
		QuotaResultRow	row = {0};

		quota_row_text(&row, items[i].feature);
		quota_row_int64(&row, items[i].amount);
		quota_row_put(rsinfo, &row);
	}
	return (Datum) 0;
}
