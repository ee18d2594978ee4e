/*-------------------------------------------------------------------------
 *
 * context.c
 *		Errors whose CONTEXT says nothing of how we work inside.
 *
 * CONTEXT is put together while an error is reported, by a callback of every
 * function that is running.  What we call starts with an empty stack of callbacks,
 * so its errors have only its own lines; they are thrown again, without these, under
 * the stack of the caller.
 *
 * Public functions in PL/pgSQL and SQL are of languages of ours, whose handlers are
 * theirs called so.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/functions.h"
#include "fmgr.h"
#include "utils/lsyscache.h"

#include "base/context.h"

PG_FUNCTION_INFO_V1(quota_plpgsql_handler);
PG_FUNCTION_INFO_V1(quota_sql_handler);

/* Where the last line ends that names a gate, or NULL. */
static char *
end_of_gate(char *context)
{
	char	   *end = NULL;

	for (char *line = context; line != NULL;)
	{
		char	   *next = strchr(line, '\n');

		if (strncmp(line, QUOTA_GATE_CONTEXT, strlen(QUOTA_GATE_CONTEXT)) == 0)
			end = next ? next : line + strlen(line);
		line = next ? next + 1 : NULL;
	}
	return end;
}

static void
strip(ErrorData *error)
{
	char	   *end;

	if (error->context == NULL || ERRCODE_TO_CATEGORY(error->sqlerrcode) == ERRCODE_INTERNAL_ERROR)
		return;
	end = end_of_gate(error->context);
	if (end)
	{
		*end = '\0';
		return;
	}
	error->context = NULL;
	/* as errors of our C files are marked (Makefile): RAISE of our PL/pgSQL */
	if (error->filename && strcmp(error->filename, "pl_exec.c") == 0)
		error->filename = "quota:pl_exec.c";
}

void
quota_without_context(QuotaBody body, void *arg)
{
	ErrorContextCallback *callers = error_context_stack;
	MemoryContext memory = CurrentMemoryContext;

	error_context_stack = NULL;
	PG_TRY();
	{
		body(arg);
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(memory);
		error = CopyErrorData();
		FlushErrorState();
		strip(error);
		error_context_stack = callers;
		ThrowErrorData(error);
	}
	PG_END_TRY();
	error_context_stack = callers;
}

/* ---- the languages ---- */

typedef struct Call
{
	PGFunction	handler;
	FunctionCallInfo fcinfo;
	Datum		result;
} Call;

static void
call(void *arg)
{
	Call	   *this = (Call *) arg;

	this->result = this->handler(this->fcinfo);
}

static Datum
call_without_context(FunctionCallInfo fcinfo, PGFunction handler)
{
	Call		this = {.handler = handler, .fcinfo = fcinfo};

	if (get_func_rettype(fcinfo->flinfo->fn_oid) == LANGUAGE_HANDLEROID)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("a language's handler cannot be called")));
	quota_without_context(call, &this);
	return this.result;
}

/* quota_internal._plpgsql_handler(): of language quota_plpgsql */
Datum
quota_plpgsql_handler(PG_FUNCTION_ARGS)
{
	static PGFunction handler = NULL;

	if (handler == NULL)
		handler = (PGFunction) load_external_function("$libdir/plpgsql", "plpgsql_call_handler", true, NULL);
	return call_without_context(fcinfo, handler);
}

/* quota_internal._sql_handler(): of language quota_sql */
Datum
quota_sql_handler(PG_FUNCTION_ARGS)
{
	return call_without_context(fcinfo, fmgr_sql);
}
