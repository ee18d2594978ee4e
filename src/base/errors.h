/*-------------------------------------------------------------------------
 *
 * errors.h
 *		One constructor for each condition of our own SQLSTATE class.
 *
 * The three digits of a QT code are the HTTP status that fits it.  Refusals are
 * raised by base/verdict.h.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QUOTA_ERRORS_H
#define QUOTA_ERRORS_H

#include "datatype/timestamp.h"
#include "lib/stringinfo.h"

#include "base/compat.h"

#define ERRCODE_QUOTA_UNAUTHENTICATED	MAKE_SQLSTATE('Q','T','4','0','1')
#define ERRCODE_QUOTA_EXCEEDED		MAKE_SQLSTATE('Q','T','4','0','2')
#define ERRCODE_QUOTA_NOT_ENTITLED	MAKE_SQLSTATE('Q','T','4','0','3')
#define ERRCODE_QUOTA_NOT_FOUND		MAKE_SQLSTATE('Q','T','4','0','4')
#define ERRCODE_QUOTA_CONFLICT		MAKE_SQLSTATE('Q','T','4','0','9')
#define ERRCODE_QUOTA_HOLD_CLOSED	MAKE_SQLSTATE('Q','T','4','1','0')
#define ERRCODE_QUOTA_RATE_LIMITED	MAKE_SQLSTATE('Q','T','4','2','9')

/*
 * A name as it may stand in a message: cut, between characters, so that no
 * caller's text makes a message long.
 */
extern const char *quota_clip(const char *name);

/* QT404; "kind" is what was looked for: feature, plan, debit */
pg_noreturn extern void quota_raise_not_found(const char *kind, const char *name);

/* QT401: one answer for every API key that is none, or is one no more */
pg_noreturn extern void quota_raise_unauthenticated(void);

/* QT409: the key was used before with another "argument" */
pg_noreturn extern void quota_raise_key_conflict(const char *key, const char *argument);

/* XX001: rows of our tables that do not fit together, as no function of ours leaves them */
pg_noreturn extern void quota_raise_damaged(const char *table, const char *detail);

/* 22003 */
pg_noreturn extern void quota_raise_out_of_range(const char *what);

/* a + b, or 22003 naming "what" */
extern int64 quota_add(int64 a, int64 b, const char *what);

/* JSON pieces that other modules write too; infinite times become null */
extern void quota_json_time(StringInfo buf, TimestampTz at);

/*
 * Assert in a debug build, an error in a release: for amounts, where going on
 * with a wrong one would cost somebody money.
 */
#define QuotaEnsure(condition) \
	do { \
		bool		ensured_ = (condition); \
		Assert(ensured_); \
		if (unlikely(!ensured_)) \
			elog(ERROR, "quota: \"%s\" does not hold", #condition); \
	} while (0)

#endif							/* QUOTA_ERRORS_H */
