/*-------------------------------------------------------------------------
 *
 * erase.c
 *		What quota.forget() takes out of the ledger, which is closed otherwise.
 *
 * In C, since only so nobody else can say that an UPDATE or a DELETE is meant:
 * the ledger is open while our own two statements run, and closed again however
 * they end.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"

#include "base/args.h"
#include "store/schema.h"
#include "store/sql.h"

PG_FUNCTION_INFO_V1(quota_sql_erase);

/* below a subject: from subject/ to before subject0, as '0' follows '/' */
#define BELOW(column) \
	"(" column " OPERATOR(pg_catalog.=) $1 OR (" \
	column " OPERATOR(pg_catalog.>) ($1 OPERATOR(pg_catalog.||) '/') AND " \
	column " OPERATOR(pg_catalog.<) ($1 OPERATOR(pg_catalog.||) '0')))"

/* quota_internal._erase(subject) -> the number of entries that are gone */
Datum
quota_sql_erase(PG_FUNCTION_ARGS)
{
	static QuotaStatement erase = {
		.text = "DELETE FROM quota_internal.ledger_entry WHERE " BELOW("subject") " AND " BELOW("account"),
		.nparams = 1,
		.types = {TEXTOID}
	};
	static QuotaStatement cut = {
		.text = "UPDATE quota_internal.ledger_entry SET subject = account, key = NULL, metadata = NULL, "
		"levels = quota_internal._levels_above(levels, quota_internal._level($1)) WHERE "
		BELOW("subject"),
		.nparams = 1,
		.types = {TEXTOID}
	};
	Datum		values[1];
	volatile uint64 gone = 0;	/* set within PG_TRY */
	QuotaIdentity caller;

	quota_require(fcinfo, 0, "subject");
	values[0] = PG_GETARG_DATUM(0);
	quota_sql_begin(&caller);
	quota_set_erasing(true);
	PG_TRY();
	{
		gone = quota_sql_execute(&erase, values, NULL);
		(void) quota_sql_execute(&cut, values, NULL);
	}
	PG_FINALLY();
	{
		quota_set_erasing(false);
	}
	PG_END_TRY();
	quota_sql_end(&caller);
	PG_RETURN_INT64((int64) gone);
}
