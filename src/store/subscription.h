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

/* A row, whatever the time; texts are palloc'd. */
typedef struct QuotaSubscriptionRow
{
	int64		id;
	int64		source_id;
	int32		plan_version_id;
	int64		quantity;
	char	   *status;
	char	   *paused_from;	/* NULL: is not paused */
	TimestampTz paused_until;	/* DT_NOEND: none, as in the following */
	TimestampTz starts_at;
	TimestampTz anchor_at;
	TimestampTz ends_at;
	TimestampTz trial_ends_at;
	TimestampTz past_due_since;
	bool		cancelled;
	char	   *timezone;
	TimestampTz next_at;		/* a scheduled change of plan, and with it: */
	char	   *next_usage;
	int32		next_version_id;
	int64		next_source_id;
} QuotaSubscriptionRow;

/* What a row says at a time. */
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

/* the rows of exactly this level, max of them at most; how many */
extern int	quota_subscription_rows(const QuotaSubject *subject, int level, Snapshot snapshot,
									QuotaSubscriptionRow *rows, int max);

/* the one of such rows that is in force at "at", or NULL; palloc'd */
extern QuotaSubscription *quota_subscription_of(const QuotaSubscriptionRow *rows, int nrows,
												TimestampTz at);

/* has this level any override at all? */
extern bool quota_has_override(const QuotaSubject *subject, int level, Snapshot snapshot);

/* the override of exactly this level, or NULL; palloc'd */
extern QuotaTerms *quota_override_of(const QuotaSubject *subject, int level,
									 const QuotaFeature *feature, Snapshot snapshot);

#endif							/* QUOTA_SUBSCRIPTION_H */
