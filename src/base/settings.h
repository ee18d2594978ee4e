/*-------------------------------------------------------------------------
 *
 * settings.h
 *		The quota.* settings and the clock that one of them replaces.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QUOTA_SETTINGS_H
#define QUOTA_SETTINGS_H

#include "datatype/timestamp.h"

#define QUOTA_MAX_ACTOR_BYTES	255

/* quota.enforcement */
typedef enum QuotaEnforcement
{
	QUOTA_ENFORCE,
	QUOTA_OBSERVE				/* charge and record, refuse nothing */
} QuotaEnforcement;

extern void quota_define_settings(void);

extern bool quota_observing(void);
extern const char *quota_enforcement_name(void);

/* quota.leases: does the session take from leases?  And for tests: whenever it can? */
extern bool quota_leases_on(void);
extern bool quota_leases_eager(void);

/* of how many accounts shared memory keeps the state; while and after being preloaded */
extern int	quota_max_accounts(void);

/* the transaction's start, or the test clock quota.clock */
extern TimestampTz quota_now(void);

/* now less quota.retention */
extern TimestampTz quota_kept_since(void);

/* the time of day, for holds' expiry and rates; or the test clock */
extern TimestampTz quota_clock_now(void);

#endif							/* QUOTA_SETTINGS_H */
