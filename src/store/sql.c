/*-------------------------------------------------------------------------
 *
 * sql.c
 *		SQL statements of our own, run as the owner of our tables.
 *
 * The switch of user is that of ri_triggers.c: cheaper than a SECURITY DEFINER
 * function.  (Sub)transaction abort undoes it, so no PG_TRY is needed.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"

#include "store/schema.h"
#include "store/sql.h"

static Oid	saved_user;
static int	saved_context;

void
quota_sql_begin(void)
{
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "quota: SPI_connect failed");
	GetUserIdAndSecContext(&saved_user, &saved_context);
	SetUserIdAndSecContext(quota_owner(), saved_context |
						   SECURITY_LOCAL_USERID_CHANGE | SECURITY_NOFORCE_RLS);
}

uint64
quota_sql_execute(QuotaStatement *statement, Datum *values, const char *nulls)
{
	int			result;

	if (statement->plan == NULL)
	{
		SPIPlanPtr	plan = SPI_prepare(statement->text, statement->nparams, statement->types);

		if (plan == NULL || SPI_keepplan(plan) != 0)
			elog(ERROR, "quota: could not prepare \"%s\"", statement->text);
		statement->plan = plan;
	}
	result = SPI_execute_plan(statement->plan, values, nulls, false, 0);
	if (result < 0)
		elog(ERROR, "quota: \"%s\" failed: %s", statement->text,
			 SPI_result_code_string(result));
	return SPI_processed;
}

void
quota_sql_end(void)
{
	SetUserIdAndSecContext(saved_user, saved_context);
	if (SPI_finish() != SPI_OK_FINISH)
		elog(ERROR, "quota: SPI_finish failed");
}
