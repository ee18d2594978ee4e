/*-------------------------------------------------------------------------
 *
 * sql.c
 *		SQL statements of our own, run as the owner of our tables.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/context.h"
#include "store/schema.h"
#include "store/sql.h"

void
quota_sql_begin(QuotaIdentity *caller)
{
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "quota: SPI_connect failed");
	quota_become(quota_owner(), 0, caller);
}

typedef struct Execution
{
	QuotaStatement *statement;
	Datum	   *values;
	const char *nulls;
	Snapshot	snapshot;		/* to read by; NULL: what is there now, and to write */
} Execution;

static void
execute(void *arg)
{
	const Execution *execution = (const Execution *) arg;
	QuotaStatement *statement = execution->statement;
	int			result;

	if (statement->plan == NULL)
	{
		SPIPlanPtr	plan = SPI_prepare(statement->text, statement->nparams, statement->types);

		if (plan == NULL || SPI_keepplan(plan) != 0)
			elog(ERROR, "quota: could not prepare \"%s\"", statement->text);
		statement->plan = plan;
	}
	if (execution->snapshot)
		result = SPI_execute_snapshot(statement->plan, execution->values, execution->nulls,
									  execution->snapshot, InvalidSnapshot, true, false, 0);
	else
		result = SPI_execute_plan(statement->plan, execution->values, execution->nulls, false, 0);
	if (result < 0)
		elog(ERROR, "quota: \"%s\" failed: %s", statement->text,
			 SPI_result_code_string(result));
}

uint64
quota_sql_execute(QuotaStatement *statement, Datum *values, const char *nulls)
{
	Execution	execution = {statement, values, nulls, NULL};

	quota_without_context(execute, &execution);
	return SPI_processed;
}

uint64
quota_sql_read(QuotaStatement *statement, Datum *values, const char *nulls, Snapshot snapshot)
{
	Execution	execution = {statement, values, nulls, snapshot};

	quota_without_context(execute, &execution);
	return SPI_processed;
}

static void
command(void *arg)
{
	const char *text = (const char *) arg;
	int			result = SPI_execute(text, false, 0);

	if (result != SPI_OK_UTILITY)
		elog(ERROR, "quota: \"%s\" failed: %s", text, SPI_result_code_string(result));
}

void
quota_sql_command(char *text)
{
	quota_without_context(command, text);
}

void
quota_sql_end(const QuotaIdentity *caller)
{
	quota_become_again(caller);
	if (SPI_finish() != SPI_OK_FINISH)
		elog(ERROR, "quota: SPI_finish failed");
}
