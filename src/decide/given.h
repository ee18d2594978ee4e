/*-------------------------------------------------------------------------
 *
 * given.h
 *		What is stored for a level of a path, by the tables or from memory.
 *
 * A session remembers what it has met twice, where shared memory tells it of every change
 * (shared/changes.h); the answer is the snapshot's either way.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QUOTA_GIVEN_H
#define QUOTA_GIVEN_H

#include "store/subscription.h"

/* the subscription of exactly this level at "at", or NULL; palloc'd */
extern QuotaSubscription *quota_given_subscription(const QuotaSubject *subject, int level,
												   TimestampTz at, Snapshot snapshot);

/* the override of exactly this level, or NULL; palloc'd */
extern QuotaTerms *quota_given_override(const QuotaSubject *subject, int level,
										const QuotaFeature *feature, Snapshot snapshot);

/* False if this level has no grant whatever; true if it may have one. */
extern bool quota_given_grants(const QuotaSubject *subject, int level, Snapshot snapshot);

#endif							/* QUOTA_GIVEN_H */
