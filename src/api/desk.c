/*-------------------------------------------------------------------------
 *
 * desk.c
 *		quota.revoke(), and what quota.clear_caps() calls: what support takes back.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/builtins.h"

#include "api/call.h"
#include "base/args.h"
#include "base/errors.h"
#include "decide/clear.h"
#include "store/sql.h"

PG_FUNCTION_INFO_V1(quota_sql_revoke);
PG_FUNCTION_INFO_V1(quota_sql_clear_caps);

/* Whose grant of what it is: its key belongs to the subject.  QT404. */
static void
look_grant_up(int64 grant_id, QuotaSubject *subject, const char **feature)
{
	static QuotaStatement select = {
		.text = "SELECT g.subject, f.name FROM quota_internal.credit_grant g"
		" JOIN quota_internal.feature f ON f.id OPERATOR(pg_catalog.=) g.feature_id"
		" WHERE g.id OPERATOR(pg_catalog.=) $1",
		.nparams = 1,
		.types = {INT8OID}
	};
	MemoryContext context = CurrentMemoryContext;
	Datum		values[1] = {Int64GetDatum(grant_id)};
	char	   *whose;
	QuotaIdentity caller;

	quota_sql_begin(&caller);
	if (quota_sql_execute(&select, values, NULL) == 0)
		quota_raise_not_found("grant", psprintf(INT64_FORMAT, grant_id));
	whose = MemoryContextStrdup(context, SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1));
	*feature = MemoryContextStrdup(context, SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2));
	quota_sql_end(&caller);
	quota_subject_parse(CStringGetTextDatum(whose), false, subject);
}

/* Of the grant that request->debit_id names, the item's amount; 0: all of it. */
static void
revoke_grant(QuotaRequest *request)
{
	static QuotaStatement call = {
		.text = "SELECT quota_internal._revoke($1, $2)",
		.nparams = 2,
		.types = {INT8OID, INT8OID}
	};
	QuotaItem  *item = &request->items[0];
	Datum		values[2] = {Int64GetDatum(request->debit_id), Int64GetDatum(item->amount)};
	bool		isnull;
	QuotaIdentity caller;

	quota_sql_begin(&caller);
	(void) quota_sql_execute(&call, values, item->amount == 0 ? " n" : NULL);
	item->charged = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1,
												&isnull));
	quota_sql_end(&caller);
	item->id = item->charged > 0 ? request->debit_id : 0;
}

Datum
quota_sql_revoke(PG_FUNCTION_ARGS)
{
	QuotaItem	first = {0};
	QuotaRequest request = {.items = &first,.nitems = 1};
	QuotaArgument arguments[2];
	QuotaCall	call = {.function = "revoke", .arguments = arguments, .narguments = 2};

	quota_require(fcinfo, 0, "grant_id");
	first.amount = PG_ARGISNULL(1) ? 0 : quota_arg_amount(fcinfo, 1, "amount");
	request.key = quota_arg_key(fcinfo, 2);
	request.debit_id = PG_GETARG_INT64(0);
	quota_prevent_if_not_writable("quota.revoke()");
	look_grant_up(request.debit_id, &request.subject, &first.feature);
	arguments[0] = quota_argument_int64("grant_id", request.debit_id);
	arguments[1] = PG_ARGISNULL(1) ? quota_argument_jsonb("amount", NULL) :
		quota_argument_int64("amount", first.amount);
	quota_call_once(&request, &call, revoke_grant);
	PG_RETURN_INT64(request.items[0].charged);
}

/* quota_internal._clear_caps(subject text, feature text) -> int4 */
Datum
quota_sql_clear_caps(PG_FUNCTION_ARGS)
{
	QuotaSubject subject;
	char	   *feature = quota_arg_feature(fcinfo, 1);

	quota_subject_parse(PG_GETARG_DATUM(0), PG_ARGISNULL(0), &subject);
	quota_prevent_if_not_writable("quota.clear_caps()");
	PG_RETURN_INT32(quota_clear_caps(&subject, feature));
}
