/*-------------------------------------------------------------------------
 *
 * lease_give.h
 *		Giving back to a lease what was taken from it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QUOTA_LEASE_GIVE_H
#define QUOTA_LEASE_GIVE_H

#include "engine/engine.h"

/*
 * False: it goes back to the row.  "id" is the debit's; what was charged before the lease
 * began is not the lease's.
 */
extern bool quota_lease_give_part(Relation buckets, QuotaGiving *giving, int64 id);

#endif							/* QUOTA_LEASE_GIVE_H */
