/*-------------------------------------------------------------------------
 *
 * drift.c
 *		Why a gate's expressions can say something else of the same row.
 *
 * What a row gives back is computed again when it goes.  If that is not what it
 * was charged, the count drifts.  The analysed tree says what can make it so:
 *
 *	- the clock, and volatile functions: no two looks agree;
 *	- tables that a query in the expression reads;
 *	- the session: current_user, current_setting();
 *	- a STABLE function of somebody's own, which may read any of these.
 *
 * Other STABLE functions of PostgreSQL's depend on settings that the expressions
 * do not see the session's values of (rows.c), so they count as steady.  An
 * IMMUTABLE function is believed.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "catalog/pg_class.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "nodes/nodeFuncs.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"

#include "gate/drift.h"

typedef struct Search
{
	const char *text;			/* of the query */
	const char *what;			/* subject or amount */
	StringInfoData by_itself;
	StringInfoData by_others;
} Search;

/* Each reason once. */
static void
note(const Search *search, StringInfo reasons, const char *reason)
{
	const char *clause = psprintf("%s %s", search->what, reason);

	if (strstr(reasons->data, clause) != NULL)
		return;
	appendStringInfo(reasons, "%s%s", reasons->len > 0 ? "; " : "", clause);
}

/* ---- functions ---- */

static bool
reads_clock(Oid function)
{
	return function == F_NOW || function == F_TRANSACTION_TIMESTAMP ||
		function == F_STATEMENT_TIMESTAMP || function == F_CLOCK_TIMESTAMP ||
		function == F_TIMEOFDAY ||
		/* the age as of today */
		function == F_AGE_TIMESTAMP || function == F_AGE_TIMESTAMPTZ;
}

/* Those without arguments can tell of nothing but their surroundings. */
static bool
reads_session(Oid function)
{
	return function == F_CURRENT_SETTING_TEXT || function == F_CURRENT_SETTING_TEXT_BOOL ||
		get_func_nargs(function) == 0;
}

static const char *
name_of_function(Oid function)
{
	const char *name = get_func_name(function);

	if (function < FirstNormalObjectId)
		return psprintf("%s()", name);
	return psprintf("%s()", quote_qualified_identifier(get_namespace_name(get_func_namespace(function)),
													   name));
}

/* for check_functions_in_node(): goes on, whatever it finds */
static bool
look_at_function(Oid function, void *context)
{
	Search	   *search = (Search *) context;
	char		kind = func_volatile(function);
	const char *name;

	if (kind == PROVOLATILE_IMMUTABLE)
		return false;
	name = name_of_function(function);
	if (reads_clock(function))
		note(search, &search->by_itself, psprintf("reads the clock: %s", name));
	else if (kind == PROVOLATILE_VOLATILE)
		note(search, &search->by_itself, psprintf("calls a volatile function: %s", name));
	else if (function >= FirstNormalObjectId)
		note(search, &search->by_others,
			 psprintf("calls a function that may read tables: %s", name));
	else if (reads_session(function))
		note(search, &search->by_others, psprintf("depends on the session: %s", name));
	return false;
}

/* ---- what is no function ---- */

static void
look_at_keyword(Search *search, const SQLValueFunction *value)
{
	switch (value->op)
	{
		case SVFOP_CURRENT_ROLE:
		case SVFOP_CURRENT_USER:
		case SVFOP_USER:
		case SVFOP_SESSION_USER:
		case SVFOP_CURRENT_CATALOG:
		case SVFOP_CURRENT_SCHEMA:
			note(search, &search->by_others, "depends on the session: who is connected");
			break;
		default:
			note(search, &search->by_itself, "reads the clock: the current date or time");
	}
}

/*
 * 'now' and 'today' are constants once the expression is analysed: the moment of the
 * analysis, which every session does for itself.  What was written is in the source.
 */
static void
look_at_constant(Search *search, const Const *constant)
{
	static const char *const words[] = {"now", "today", "tomorrow", "yesterday"};
	const char *at;
	char	   *written;

	if ((constant->consttype != TIMESTAMPTZOID && constant->consttype != TIMESTAMPOID &&
		 constant->consttype != DATEOID && constant->consttype != TIMEOID &&
		 constant->consttype != TIMETZOID) || constant->location < 0)
		return;
	at = search->text + constant->location;
	if (strcspn(at, "'") > 2)	/* E'...', U&'...' */
		return;
	at = strchr(at, '\'');
	if (at == NULL)
		return;
	written = pnstrdup(at + 1, strcspn(at + 1, "'"));
	for (char *c = written; *c != '\0'; c++)
		*c = (char) pg_ascii_tolower((unsigned char) *c);
	for (int i = 0; i < (int) lengthof(words); i++)
	{
		if (strstr(written, words[i]) != NULL)
			note(search, &search->by_itself, psprintf("reads the clock: '%s'", words[i]));
	}
}

static void
look_at_tables(Search *search, const Query *query)
{
	ListCell   *cell;

	foreach(cell, query->rtable)
	{
		const RangeTblEntry *entry = lfirst_node(RangeTblEntry, cell);

		/* of a view, only the releases before 16 leave an entry in its place */
		if (entry->rtekind == RTE_RELATION && get_rel_relkind(entry->relid) != RELKIND_VIEW)
			note(search, &search->by_others,
				 psprintf("reads table %s",
						  quote_qualified_identifier(get_namespace_name(get_rel_namespace(entry->relid)),
													 get_rel_name(entry->relid))));
	}
}

static bool
look(Node *node, void *context)
{
	Search	   *search = (Search *) context;

	if (node == NULL)
		return false;
	(void) check_functions_in_node(node, look_at_function, context);
	if (IsA(node, SQLValueFunction))
		look_at_keyword(search, (const SQLValueFunction *) node);
	else if (IsA(node, NextValueExpr))
		note(search, &search->by_itself, "calls a volatile function: nextval()");
	else if (IsA(node, Const))
		look_at_constant(search, (const Const *) node);
	else if (IsA(node, Query))
	{
		look_at_tables(search, (const Query *) node);
		return query_tree_walker((Query *) node, look, context, 0);
	}
	return expression_tree_walker(node, look, context);
}

QuotaDrift
quota_drift_of(const Query *query, const char *text)
{
	Search		search = {.text = text};
	QuotaDrift	drift;

	initStringInfo(&search.by_itself);
	initStringInfo(&search.by_others);
	search.what = "subject";
	(void) look((Node *) linitial_node(TargetEntry, query->targetList)->expr, &search);
	search.what = "amount";
	(void) look((Node *) lsecond_node(TargetEntry, query->targetList)->expr, &search);
	drift.by_itself = search.by_itself.len > 0 ? search.by_itself.data : NULL;
	drift.by_others = search.by_others.len > 0 ? search.by_others.data : NULL;
	return drift;
}
