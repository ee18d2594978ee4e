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
	int64		id;
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

/*
 * Claims the call's key with the result that it is about to have; true when it
 * is ours.  False when it was used before: *result is what was answered then.
 * Waits for a concurrent transaction that has claimed it.  QT409 when the key
 * belongs to a call with other arguments.
 */
extern bool quota_key_claim(const QuotaCall *call, TimestampTz at, QuotaResult *result);

/* the result of a call whose key this transaction has claimed, once it is known */
extern void quota_key_set_result(const QuotaCall *call, const QuotaResult *result);

/* nothing was charged: the key is free again */
extern void quota_key_disclaim(const QuotaCall *call);

#endif							/* QUOTA_IDEMPOTENCY_H */
