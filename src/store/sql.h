/*-------------------------------------------------------------------------
 *
 * sql.h
 *		SQL statements of our own, run as the owner of our tables.
 *
 * For what is rare or what SQL does better (ON CONFLICT); the hot path uses
 * row.h.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QUOTA_SQL_H
#define QUOTA_SQL_H

#include "executor/spi.h"

#include "base/identity.h"

#define QUOTA_MAX_PARAMETERS	12

/*
 * One statement, planned at its first use and kept; declare it static.  Names
 * in it must be qualified, operators too: it runs under the caller's
 * search_path.
 */
typedef struct QuotaStatement
{
	const char *text;
	int			nparams;
	Oid			types[QUOTA_MAX_PARAMETERS];
	SPIPlanPtr	plan;
} QuotaStatement;

/* *caller is the identity that quota_sql_end() gives back to the session */
extern void quota_sql_begin(QuotaIdentity *caller);

/* nulls: 'n' or ' ' for each, or NULL; returns the number of rows */
extern uint64 quota_sql_execute(QuotaStatement *statement, Datum *values, const char *nulls);
/* the same of a query, as a snapshot sees its tables */
extern uint64 quota_sql_read(QuotaStatement *statement, Datum *values, const char *nulls, Snapshot snapshot);
/* a utility command; names in it must be qualified */
extern void quota_sql_command(char *text);
extern void quota_sql_end(const QuotaIdentity *caller);

#endif							/* QUOTA_SQL_H */
