/*-------------------------------------------------------------------------
 *
 * subscription.h
 *		What is stored for one subject: subscription and overrides.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QUOTA_SUBSCRIPTION_H
#define QUOTA_SUBSCRIPTION_H

#include "utils/snapshot.h"

#include "store/catalog.h"

typedef struct QuotaSubscription
{
	int64		id;
	int32		plan_version_id;
	const char *status;			/* trialing, active, past_due, paused */
	bool		active;			/* does the status let work go on? */
	TimestampTz starts_at;
	TimestampTz ends_at;		/* DT_NOEND: open */
	TimestampTz trial_ends_at;	/* DT_NOEND: no trial */
	char	   *timezone;
} QuotaSubscription;

/* the subscription of exactly this prefix at "at", or NULL; palloc'd */
extern QuotaSubscription *quota_subscription_at(const char *prefix, int prefix_len,
												TimestampTz at, Snapshot snapshot);

/* the override of exactly this prefix, or NULL; palloc'd */
extern QuotaTerms *quota_override_of(const char *prefix, int prefix_len,
									 const QuotaFeature *feature, Snapshot snapshot);

#endif							/* QUOTA_SUBSCRIPTION_H */
