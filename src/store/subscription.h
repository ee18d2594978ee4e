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

#include "base/subject.h"
#include "store/catalog.h"

typedef struct QuotaSubscription
{
	int64		id;
	int64		source_id;		/* of its buckets */
	int32		plan_version_id;
	const char *status;			/* what counts now: trialing, active, past_due,
								 * paused */
	const char *paused_from;	/* paused: the status before */
	TimestampTz paused_until;	/* paused: when that counts again; DT_NOEND:
								 * not by itself */
	TimestampTz starts_at;
	TimestampTz ends_at;		/* DT_NOEND: open */
	TimestampTz anchor_at;		/* billing periods, and windows with the
								 * anchor "subscription", count from here */
	TimestampTz trial_ends_at;	/* DT_NOEND: no trial */
	bool		cancelled;		/* somebody has cancelled it */
	TimestampTz past_due_since; /* DT_NOEND: is not */
	char	   *timezone;
	int64		quantity;
	bool		due;			/* a scheduled change of plan has come into
								 * force (plan, source and anchor are what it
								 * brings) but has not been carried out: */
	TimestampTz due_at;
	int32		due_from;		/* plan version before it */
	bool		due_resets;		/* usage: else keep, */
	bool		due_prorates;	/* or prorate */
} QuotaSubscription;

/* the subscription of exactly this level at "at", or NULL; palloc'd */
extern QuotaSubscription *quota_subscription_at(const QuotaSubject *subject, int level,
												TimestampTz at, Snapshot snapshot);

/* the override of exactly this level, or NULL; palloc'd */
extern QuotaTerms *quota_override_of(const QuotaSubject *subject, int level,
									 const QuotaFeature *feature, Snapshot snapshot);

#endif							/* QUOTA_SUBSCRIPTION_H */
