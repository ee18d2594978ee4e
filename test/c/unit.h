/*-------------------------------------------------------------------------
 *
 * unit.h
 *		What the unit tests share: cases, and what is expected in them.
 *
 * A case goes on after a failure, so that one run shows all of them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QUOTA_UNIT_H
#define QUOTA_UNIT_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "pgtime.h"

typedef struct UnitCase
{
	const char *name;			/* what is true if it passes; NULL: the last */
	void		(*run) (void);
} UnitCase;

/* one list for each file */
extern const UnitCase gcra_cases[];
extern const UnitCase lease_entry_cases[];
extern const UnitCase period_cases[];
extern const UnitCase rollover_cases[];
extern const UnitCase room_cases[];
extern const UnitCase window_cases[];

extern void expect_int(const char *file, int line, const char *what, int64 got, int64 expected);
extern void expect_time(const char *file, int line, const char *what, TimestampTz got,
						const char *expected);
extern void expect_true(const char *file, int line, const char *what, bool got);

#define EXPECT_INT(got, expected)	expect_int(__FILE__, __LINE__, #got, (got), (expected))
/* a time as text, in UTC unless it says otherwise; infinity, -infinity */
#define EXPECT_TIME(got, expected)	expect_time(__FILE__, __LINE__, #got, (got), (expected))
#define EXPECT_TRUE(condition)		expect_true(__FILE__, __LINE__, #condition, (condition))

/* Only for what takes no resources: nothing is cleaned up. */
#define EXPECT_ERROR(expression, sqlstate) \
	do { \
		MemoryContext context_ = CurrentMemoryContext; \
		volatile int found_ = 0; \
		PG_TRY(); \
		{ \
			(void) (expression); \
		} \
		PG_CATCH(); \
		{ \
			MemoryContextSwitchTo(context_); \
			found_ = geterrcode(); \
			FlushErrorState(); \
		} \
		PG_END_TRY(); \
		expect_int(__FILE__, __LINE__, "error of " #expression, found_, (sqlstate)); \
	} while (0)

/* of a text such as 2026-01-31 10:00; UTC unless it says otherwise */
extern TimestampTz at(const char *text);

#endif							/* QUOTA_UNIT_H */
