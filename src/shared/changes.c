/*-------------------------------------------------------------------------
 *
 * changes.c
 *		Who changes what is stored for a subject: subscription, overrides, grants.
 *
 * Each of a thousand slots, which prefixes share by their hash, says how many transactions
 * are changing one of its prefixes, and how many have ended.  A transaction is counted before its commit can be seen, and
 * no longer once it can: so whoever finds the same number before a snapshot and after
 * another, and nobody at it, knows that both show the same.  test/model/given checks it.
 *
 * Of a prepared transaction nobody is told when it ends, and after a crash not even that
 * there is one.  So where transactions can be prepared, which few servers let them, there
 * is no state.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/twophase.h"
#include "access/xlog.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/shmem.h"

#include "shared/changes.h"
#include "shared/transaction.h"

#define NSLOTS			1024

/* in a slot: those under way above, those that have ended below */
#define UNDER_WAY		(UINT64CONST(1) << 40)
#define ENDED			UINT64CONST(1)

static pg_atomic_uint64 *slots = NULL;	/* NULL: the library is not preloaded */

Size
quota_changes_size(void)
{
	return NSLOTS * sizeof(pg_atomic_uint64);
}

void
quota_changes_start(void)
{
	bool		found;

	slots = (pg_atomic_uint64 *) ShmemInitStruct("quota changes", quota_changes_size(), &found);
	for (int i = 0; i < NSLOTS && !found; i++)
		pg_atomic_init_u64(&slots[i], ENDED);
}

uint64
quota_changes_hash(const char *prefix, int len)
{
	return hash_bytes_extended((const unsigned char *) prefix, len, MyDatabaseId);
}

uint64
quota_changes_state(uint64 hash)
{
	uint64		state;

	if (slots == NULL || max_prepared_xacts > 0 || RecoveryInProgress())
		return 0;
	state = pg_atomic_read_u64(&slots[hash % NSLOTS]);
	return state < UNDER_WAY ? state : 0;
}

/* ---- what a transaction changes ---- */

typedef struct Changes
{
	uint64		slots[NSLOTS / 64]; /* a bit for each */
} Changes;

static void
end_changes(void *what, QuotaEnd end)
{
	const Changes *changes = (const Changes *) what;

	for (int i = 0; i < NSLOTS; i++)
	{
		if (changes->slots[i / 64] & (UINT64CONST(1) << (i % 64)))
			pg_atomic_fetch_add_u64(&slots[i], ENDED - UNDER_WAY);
	}
}

void
quota_changes_tell(uint64 hash)
{
	int			slot = hash % NSLOTS;
	uint64		bit = UINT64CONST(1) << (slot % 64);
	Changes		none = {0};
	Changes    *changes;

	if (slots == NULL)
		return;
	changes = (Changes *) quota_noted_last(end_changes);
	if (changes == NULL)
		changes = (Changes *) quota_at_end(end_changes, &none, sizeof(none));
	if (changes->slots[slot / 64] & bit)
		return;
	changes->slots[slot / 64] |= bit;
	pg_atomic_fetch_add_u64(&slots[slot], UNDER_WAY);
}
