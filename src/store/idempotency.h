/*-------------------------------------------------------------------------
 *
 * idempotency.h
 *		Keys under which a repeated call charges only once.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QUOTA_IDEMPOTENCY_H
#define QUOTA_IDEMPOTENCY_H

#include "datatype/timestamp.h"
#include "utils/jsonb.h"

/* What a call was asked, in the order in which a difference is reported. */
typedef struct QuotaArgument
{
	const char *name;
	JsonbValue	value;
} QuotaArgument;

extern QuotaArgument quota_argument_text(const char *name, const char *value);
extern QuotaArgument quota_argument_int64(const char *name, int64 value);
extern QuotaArgument quota_argument_bool(const char *name, bool value);
extern QuotaArgument quota_argument_jsonb(const char *name, Jsonb *value);	/* or NULL */

/* One row of what a call answered. */
typedef struct QuotaResult
{
	const char *feature;
	int64		id;				/* 0: the row charged nothing */
	int64		amount;
} QuotaResult;

typedef struct QuotaCall
{
	const char *subject;
	const char *key;
	const char *function;
	const QuotaArgument *arguments;
	int			narguments;
} QuotaCall;

/* Result rows, in order of feature. */
typedef struct QuotaResults
{
	QuotaResult *rows;
	int			nrows;
} QuotaResults;

/*
 * Claims the call's key with the results that it is about to have, as far as
 * they are known; true when it is ours.  False when it was used before: *results
 * is what was answered then.  Waits for a concurrent transaction that has
 * claimed it.  QT409 when the key belongs to a call with other arguments.
 */
extern bool quota_key_claim(const QuotaCall *call, TimestampTz at, QuotaResults *results);

/* the results of a call whose key this transaction has claimed, once they are known */
extern void quota_key_set_results(const QuotaCall *call, const QuotaResults *results);

/* nothing was charged: the key is free again */
extern void quota_key_disclaim(const QuotaCall *call);

#endif							/* QUOTA_IDEMPOTENCY_H */
