/*-------------------------------------------------------------------------
 *
 * lease_lock.c
 *		The heavyweight lock of a lease.
 *
 * An advisory lock of a class that SQL cannot name: pg_advisory_lock() makes 1 and 2.
 * A prepared transaction keeps it when the server starts again, so its name is the same
 * in every server: nothing of it comes from shared memory.  Two windows whose hashes
 * collide wait for each other's takers, and that is all.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"

#include "base/compat.h"
#include "shared/lease_lock.h"

#define LEASE_CLASS		3
#define TAKES			RowExclusiveLock
#define DRAINS			ShareLock

/* A session that takes from very many could fill the server's lock table. */
#define MOST_SHARED		8

/* how many the transaction has shared, which is: */
static int	nshared = 0;
static LocalTransactionId shared_by = InvalidLocalTransactionId;

static void
set_tag(LOCKTAG *tag, const QuotaWindowKey *window)
{
	uint64		hash = quota_window_hash(window, 0);

	SET_LOCKTAG_ADVISORY(*tag, MyDatabaseId, (uint32) (hash >> 32), (uint32) hash, LEASE_CLASS);
}

/* A lock that the transaction has already is no further one. */
bool
quota_lease_share(const QuotaWindowKey *window)
{
	LOCKTAG		tag;
	LockAcquireResult got;

	set_tag(&tag, window);
	if (shared_by != quota_local_transaction())
	{
		shared_by = quota_local_transaction();
		nshared = 0;
	}
	if (nshared >= MOST_SHARED && !quota_holds_lock(&tag, TAKES))
		return false;
	got = quota_lock_at_once(&tag, TAKES);
	if (got == LOCKACQUIRE_OK)
		nshared++;
	return got == LOCKACQUIRE_OK || got == LOCKACQUIRE_ALREADY_HELD ||
		got == LOCKACQUIRE_ALREADY_CLEAR;
}

void
quota_lease_unshare(const QuotaWindowKey *window)
{
	LOCKTAG		tag;

	set_tag(&tag, window);
	(void) LockRelease(&tag, TAKES, false);
	if (!quota_holds_lock(&tag, TAKES))
		nshared--;
}

void
quota_lease_drain(const QuotaWindowKey *window)
{
	LOCKTAG		tag;

	set_tag(&tag, window);
	(void) LockAcquire(&tag, DRAINS, false, false);
}

void
quota_lease_end_drain(const QuotaWindowKey *window)
{
	LOCKTAG		tag;

	set_tag(&tag, window);
	(void) LockRelease(&tag, DRAINS, false);
}

/* Drainers hold a mode that does not conflict with this one. */
bool
quota_lease_has_takers(const QuotaWindowKey *window)
{
	LOCKTAG		tag;
	int			n;
	VirtualTransactionId *others;

	set_tag(&tag, window);
	others = GetLockConflicts(&tag, DRAINS, &n);
	pfree(others);
	return n > 0;
}
