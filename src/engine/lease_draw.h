/*-------------------------------------------------------------------------
 *
 * lease_draw.h
 *		Whether a row leases more than it does, and how much.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QUOTA_LEASE_DRAW_H
#define QUOTA_LEASE_DRAW_H

#include "engine/engine.h"
#include "shared/leases.h"

/* can the account's use be leased at all? */
extern bool quota_can_lease(const QuotaMeter *meter);

/* the limits that its lease is drawn under */
extern QuotaLeaseTerms quota_lease_terms(const QuotaMeter *meter);

/* did all that was decided on come from the count that is leased, or would be? */
extern bool quota_lease_is_source(const QuotaMeter *meter, bool overage);

/* would overage be leased, rather than allowance or capacity? */
extern bool quota_leases_overage(const QuotaMeter *meter);

/* what the row, locked or seen, has left of that count beside what it leases */
extern int64 quota_lease_source_left(const QuotaMeter *meter, const QuotaBucketState *row);

/*
 * The row is locked and about to be written as *row: lets it lease more, if there is room
 * enough for that, and memory.
 */
extern void quota_lease_draw(const QuotaMeter *meter, QuotaBucketState *row);

#endif							/* QUOTA_LEASE_DRAW_H */
