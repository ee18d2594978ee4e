/*-------------------------------------------------------------------------
 *
 * idempotency.c
 *		Keys under which a repeated call charges only once.
 *
 * A key is claimed before anything else is held, because claiming can mean
 * waiting for another transaction.  The row is written with the result that the
 * call expects to have, so that the usual call writes it once.  A refusal that
 * raises takes the row back by itself; a refusal that returns must disclaim.
 *
 * At REPEATABLE READ a key that was committed after the transaction's snapshot
 * gives 40001, as ON CONFLICT does with any such row.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

#include "base/errors.h"
#include "store/idempotency.h"
#include "store/sql.h"

static JsonbValue
string_value(const char *text)
{
	JsonbValue	v;

	v.type = jbvString;
	v.val.string.val = pstrdup(text);
	v.val.string.len = (int) strlen(text);
	return v;
}

static JsonbValue
int64_value(int64 n)
{
	JsonbValue	v;

	v.type = jbvNumeric;
	v.val.numeric = int64_to_numeric(n);
	return v;
}

QuotaArgument
quota_argument_text(const char *name, const char *value)
{
	QuotaArgument a = {name, string_value(value)};

	return a;
}

QuotaArgument
quota_argument_int64(const char *name, int64 value)
{
	QuotaArgument a = {name, int64_value(value)};

	return a;
}

QuotaArgument
quota_argument_bool(const char *name, bool value)
{
	QuotaArgument a = {name, {.type = jbvBool, .val.boolean = value}};

	return a;
}

QuotaArgument
quota_argument_jsonb(const char *name, Jsonb *value)
{
	QuotaArgument a = {name, {.type = jbvNull}};

	if (value)
	{
		a.value.type = jbvBinary;
		a.value.val.binary.data = &value->root;
		a.value.val.binary.len = (int) VARSIZE_ANY_EXHDR(value);
	}
	return a;
}

static void
push_pair(JsonbParseState **state, const char *name, JsonbValue *value)
{
	JsonbValue	key = string_value(name);

	pushJsonbValue(state, WJB_KEY, &key);
	pushJsonbValue(state, WJB_VALUE, value);
}

static Jsonb *
arguments_to_jsonb(const QuotaCall *call)
{
	JsonbParseState *state = NULL;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	for (int i = 0; i < call->narguments; i++)
	{
		JsonbValue	value = call->arguments[i].value;

		push_pair(&state, call->arguments[i].name, &value);
	}
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

static Jsonb *
results_to_jsonb(const QuotaResults *results)
{
	JsonbParseState *state = NULL;

	pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
	for (int i = 0; i < results->nrows; i++)
	{
		JsonbValue	feature = string_value(results->rows[i].feature);
		JsonbValue	id = int64_value(results->rows[i].id);
		JsonbValue	amount = int64_value(results->rows[i].amount);

		pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
		push_pair(&state, "feature", &feature);
		push_pair(&state, "id", &id);
		push_pair(&state, "amount", &amount);
		pushJsonbValue(&state, WJB_END_OBJECT, NULL);
	}
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_ARRAY, NULL));
}

static void
raise_damaged(const char *name)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("a row of quota_internal.idempotency_key is damaged"),
			 errdetail("\"%s\" is missing or of another type.", name)));
}

/* A field of a stored call.  Somebody may have written there by hand: XX001. */
static JsonbValue *
field(JsonbContainer *object, const char *name)
{
	JsonbValue	key = string_value(name);
	JsonbValue *value = NULL;

	if (JsonContainerIsObject(object))
		value = findJsonbValueFromContainer(object, JB_FOBJECT, &key);
	if (value == NULL)
		raise_damaged(name);
	return value;
}

static int64
int64_field(JsonbContainer *object, const char *name)
{
	JsonbValue *value = field(object, name);

	if (value->type != jbvNumeric)
		raise_damaged(name);
	return DatumGetInt64(DirectFunctionCall1(numeric_int8, NumericGetDatum(value->val.numeric)));
}

/* What the stored call was answered; the memory is the caller's. */
static void
results_from_jsonb(Jsonb *stored, QuotaResults *results)
{
	if (!JB_ROOT_IS_ARRAY(stored))
		raise_damaged("results");
	results->nrows = JB_ROOT_COUNT(stored);
	results->rows = (QuotaResult *) palloc(sizeof(QuotaResult) * Max(results->nrows, 1));
	for (int i = 0; i < results->nrows; i++)
	{
		JsonbValue *row = getIthJsonbValueFromContainer(&stored->root, i);
		JsonbValue *feature;

		if (row == NULL || row->type != jbvBinary)
			raise_damaged("results");
		feature = field(row->val.binary.data, "feature");
		if (feature->type != jbvString)
			raise_damaged("feature");
		results->rows[i].feature = pnstrdup(feature->val.string.val, feature->val.string.len);
		results->rows[i].id = int64_field(row->val.binary.data, "id");
		results->rows[i].amount = int64_field(row->val.binary.data, "amount");
	}
}

static bool
same_value(JsonbValue *a, JsonbValue *b)
{
	return compareJsonbContainers(&JsonbValueToJsonb(a)->root,
								  &JsonbValueToJsonb(b)->root) == 0;
}

static void
raise_if_different(const QuotaCall *call, const char *function, Jsonb *arguments)
{
	if (strcmp(function, call->function) != 0)
		quota_raise_key_conflict(call->key, "function");
	for (int i = 0; i < call->narguments; i++)
	{
		JsonbValue	value = call->arguments[i].value;

		if (!same_value(&value, field(&arguments->root, call->arguments[i].name)))
			quota_raise_key_conflict(call->key, call->arguments[i].name);
	}
}

/* Reads the key's row into *results; false when it has vanished meanwhile. */
static bool
look_up(const QuotaCall *call, QuotaResults *results, MemoryContext context)
{
	static QuotaStatement select = {
		.text = "SELECT function, arguments, results FROM quota_internal.idempotency_key"
		" WHERE subject OPERATOR(pg_catalog.=) $1 AND key OPERATOR(pg_catalog.=) $2",
		.nparams = 2,
		.types = {TEXTOID, TEXTOID}
	};
	Datum		values[2] = {CStringGetTextDatum(call->subject), CStringGetTextDatum(call->key)};
	TupleDesc	desc;
	HeapTuple	row;
	MemoryContext old;
	bool		isnull;

	if (quota_sql_execute(&select, values, NULL) == 0)
		return false;
	desc = SPI_tuptable->tupdesc;
	row = SPI_tuptable->vals[0];
	raise_if_different(call, SPI_getvalue(row, desc, 1),
					   DatumGetJsonbP(SPI_getbinval(row, desc, 2, &isnull)));
	old = MemoryContextSwitchTo(context);
	results_from_jsonb(DatumGetJsonbP(SPI_getbinval(row, desc, 3, &isnull)), results);
	MemoryContextSwitchTo(old);
	return true;
}

bool
quota_key_claim(const QuotaCall *call, TimestampTz at, QuotaResults *results)
{
	static QuotaStatement insert = {
		.text = "INSERT INTO quota_internal.idempotency_key (subject, key, function, arguments, results, at)"
		" VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
		.nparams = 6,
		.types = {TEXTOID, TEXTOID, TEXTOID, JSONBOID, JSONBOID, TIMESTAMPTZOID}
	};
	MemoryContext context = CurrentMemoryContext;
	Datum		values[6] = {
		CStringGetTextDatum(call->subject), CStringGetTextDatum(call->key),
		CStringGetTextDatum(call->function),
		JsonbPGetDatum(arguments_to_jsonb(call)),
		JsonbPGetDatum(results_to_jsonb(results)),
		TimestampTzGetDatum(at)
	};
	bool		claimed;
	bool		found = false;
	QuotaIdentity caller;

	quota_sql_begin(&caller);
	do
	{
		CHECK_FOR_INTERRUPTS();
		claimed = quota_sql_execute(&insert, values, NULL) == 1;
		if (!claimed)
			found = look_up(call, results, context);
	} while (!claimed && !found);
	quota_sql_end(&caller);
	return claimed;
}

void
quota_key_set_results(const QuotaCall *call, const QuotaResults *results)
{
	static QuotaStatement update = {
		.text = "UPDATE quota_internal.idempotency_key SET results = $3"
		" WHERE subject OPERATOR(pg_catalog.=) $1 AND key OPERATOR(pg_catalog.=) $2",
		.nparams = 3,
		.types = {TEXTOID, TEXTOID, JSONBOID}
	};
	Datum		values[3] = {
		CStringGetTextDatum(call->subject), CStringGetTextDatum(call->key),
		JsonbPGetDatum(results_to_jsonb(results))
	};
	QuotaIdentity caller;

	quota_sql_begin(&caller);
	QuotaEnsure(quota_sql_execute(&update, values, NULL) == 1);
	quota_sql_end(&caller);
}

void
quota_key_disclaim(const QuotaCall *call)
{
	static QuotaStatement delete = {
		.text = "DELETE FROM quota_internal.idempotency_key"
		" WHERE subject OPERATOR(pg_catalog.=) $1 AND key OPERATOR(pg_catalog.=) $2",
		.nparams = 2,
		.types = {TEXTOID, TEXTOID}
	};
	Datum		values[2] = {CStringGetTextDatum(call->subject), CStringGetTextDatum(call->key)};
	QuotaIdentity caller;

	quota_sql_begin(&caller);
	QuotaEnsure(quota_sql_execute(&delete, values, NULL) == 1);
	quota_sql_end(&caller);
}
