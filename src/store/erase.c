/*-------------------------------------------------------------------------
 *
 * erase.c
 *		What quota.forget() and quota.rename() do to the ledger, which is closed
 *		otherwise.
 *
 * In C, since only so nobody else can say that an UPDATE or a DELETE is meant:
 * the ledger is open while our own statements run, and closed again however they
 * end.
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
PG_FUNCTION_INFO_V1(quota_sql_rename_entries);

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

/* a subject or account below $1, which is called $2 now; a name too long is 22001 */
#define CALLED(column) \
	"quota_internal._subject($2 OPERATOR(pg_catalog.||) " \
	"pg_catalog.substr(" column ", pg_catalog.length($1) OPERATOR(pg_catalog.+) 1))"

/*
 * quota_internal._rename_entries(subject, new_subject) -> the number of entries that
 * are rewritten.  An account is a prefix of its subject, so it is below $1 if it is as
 * long.
 */
Datum
quota_sql_rename_entries(PG_FUNCTION_ARGS)
{
	static QuotaStatement rename = {
		.text = "UPDATE quota_internal.ledger_entry SET subject = " CALLED("subject") ", "
		"account = CASE WHEN pg_catalog.length(account) OPERATOR(pg_catalog.>=) pg_catalog.length($1) "
		"THEN " CALLED("account") " ELSE account END WHERE " BELOW("subject"),
		.nparams = 2,
		.types = {TEXTOID, TEXTOID}
	};
	Datum		values[2];
	volatile uint64 rewritten = 0;	/* set within PG_TRY */
	QuotaIdentity caller;

	quota_require(fcinfo, 0, "subject");
	quota_require(fcinfo, 1, "new_subject");
	values[0] = PG_GETARG_DATUM(0);
	values[1] = PG_GETARG_DATUM(1);
	quota_sql_begin(&caller);
	quota_set_erasing(true);
	PG_TRY();
	{
		rewritten = quota_sql_execute(&rename, values, NULL);
	}
	PG_FINALLY();
	{
		quota_set_erasing(false);
	}
	PG_END_TRY();
	quota_sql_end(&caller);
	PG_RETURN_INT64((int64) rewritten);
}
