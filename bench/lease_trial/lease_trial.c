/*-------------------------------------------------------------------------
 *
 * lease_trial.c
 *		What the parts of a take from a lease cost, each alone.
 *
 * For bench/lease_trial/run and nothing else: it has no limits to keep, and leaves
 * savepoints and PREPARE TRANSACTION alone.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relscan.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "common/hashfn.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/lock.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "storage/spin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

PG_MODULE_MAGIC;

/* The parts, as bits of take()'s first argument. */
#define PART_LOCK	1			/* the lock of those who take, conditional, to the end */
#define PART_ENTRY	2			/* the entry in shared memory: busy, then taken */
#define PART_ROW	4			/* the bucket's row, by its key, under a fresh snapshot */

#define MAX_ENTRIES 4096
#define PARTITIONS	16
#define MAX_LEASES	8
/* pg_advisory_lock() and its kin use 1 and 2 */
#define LOCK_CLASS	3

typedef struct Entry
{
	uint64		key;
	slock_t		mutex;			/* of what follows */
	int64		taken;
	int64		busy;			/* taken by transactions that have not ended */
} Entry;

typedef struct Note
{
	Entry	   *entry;
	int64		amount;
} Note;

static HTAB *entries;
static LWLockPadded *locks;
static Note notes[MAX_LEASES];
static int	nnotes;

static shmem_request_hook_type prev_request;
static shmem_startup_hook_type prev_startup;

PGDLLEXPORT void _PG_init(void);

static void
request(void)
{
	if (prev_request)
		prev_request();
	RequestAddinShmemSpace(hash_estimate_size(MAX_ENTRIES, sizeof(Entry)));
	RequestNamedLWLockTranche("lease_trial", PARTITIONS);
}

static void
startup(void)
{
	HASHCTL		ctl = {.keysize = sizeof(uint64),.entrysize = sizeof(Entry),.num_partitions = PARTITIONS};

	if (prev_startup)
		prev_startup();
	locks = GetNamedLWLockTranche("lease_trial");
	entries = ShmemInitHash("lease_trial", MAX_ENTRIES, MAX_ENTRIES, &ctl,
							HASH_ELEM | HASH_BLOBS | HASH_PARTITION);
}

static void
at_end(XactEvent event, void *arg)
{
	if (event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT)
		return;
	for (int i = 0; i < nnotes; i++)
	{
		Entry	   *entry = notes[i].entry;

		SpinLockAcquire(&entry->mutex);
		entry->busy -= notes[i].amount;
		if (event == XACT_EVENT_COMMIT)
			entry->taken += notes[i].amount;
		SpinLockRelease(&entry->mutex);
	}
	nnotes = 0;
}

void
_PG_init(void)
{
	if (!process_shared_preload_libraries_in_progress)
		return;
	prev_request = shmem_request_hook;
	shmem_request_hook = request;
	prev_startup = shmem_startup_hook;
	shmem_startup_hook = startup;
	RegisterXactCallback(at_end, NULL);
}

static uint64
key_of(text *subject)
{
	return DatumGetUInt64(hash_any_extended((unsigned char *) VARDATA_ANY(subject),
											VARSIZE_ANY_EXHDR(subject), MyDatabaseId));
}

static void
lock_tag(LOCKTAG *tag, uint64 key)
{
	SET_LOCKTAG_ADVISORY(*tag, MyDatabaseId, (uint32) (key >> 32), (uint32) key, LOCK_CLASS);
}

/* Takers do not keep each other out, nor do drainers; the one keeps out the other. */
static bool
lock_to_take(uint64 key)
{
	LOCKTAG		tag;

	lock_tag(&tag, key);
	return LockAcquireExtended(&tag, RowExclusiveLock, false, true, false, NULL) != LOCKACQUIRE_NOT_AVAIL;
}

static void
take_from_entry(uint64 key, int64 amount)
{
	uint32		hash = get_hash_value(entries, &key);
	LWLock	   *lock = &locks[hash % PARTITIONS].lock;
	Entry	   *entry;
	bool		found = true;

	LWLockAcquire(lock, LW_SHARED);
	entry = hash_search_with_hash_value(entries, &key, hash, HASH_FIND, NULL);
	if (entry == NULL)
	{
		LWLockRelease(lock);
		LWLockAcquire(lock, LW_EXCLUSIVE);
		entry = hash_search_with_hash_value(entries, &key, hash, HASH_ENTER, &found);
		if (!found)
		{
			SpinLockInit(&entry->mutex);
			entry->taken = entry->busy = 0;
		}
	}
	SpinLockAcquire(&entry->mutex);
	entry->busy += amount;
	SpinLockRelease(&entry->mutex);
	LWLockRelease(lock);
	if (nnotes == MAX_LEASES)
		elog(ERROR, "lease_trial: too many leases");
	notes[nnotes].entry = entry;
	notes[nnotes++].amount = amount;
}

/* lease_id of the bucket, whose primary key is subject; 0: no row, or none in it */
static int64
read_row(text *subject)
{
	static Oid	table = InvalidOid;
	static Oid	pkey = InvalidOid;
	Relation	rel;
	Snapshot	snapshot;
	ScanKeyData scankey;
	SysScanDesc scan;
	HeapTuple	tuple;
	int64		lease_id = 0;

	if (!OidIsValid(table))
	{
		Oid			schema = get_namespace_oid("public", false);

		table = get_relname_relid("bucket", schema);
		pkey = get_relname_relid("bucket_pkey", schema);
	}
	rel = table_open(table, AccessShareLock);
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	ScanKeyInit(&scankey, 1, BTEqualStrategyNumber, F_TEXTEQ, PointerGetDatum(subject));
	scankey.sk_collation = rel->rd_att->attrs[0].attcollation;
	scan = systable_beginscan(rel, pkey, true, snapshot, 1, &scankey);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		bool		isnull;
		Datum		value = heap_getattr(tuple, RelationGetNumberOfAttributes(rel), RelationGetDescr(rel), &isnull);

		lease_id = isnull ? 0 : DatumGetInt64(value);
	}
	systable_endscan(scan);
	UnregisterSnapshot(snapshot);
	table_close(rel, NoLock);
	return lease_id;
}

PG_FUNCTION_INFO_V1(lease_trial_take);

/* take(parts int4, subject text, amount int8) returns int8 */
Datum
lease_trial_take(PG_FUNCTION_ARGS)
{
	int32		parts = PG_GETARG_INT32(0);
	text	   *subject = PG_GETARG_TEXT_PP(1);
	int64		lease_id = 1;

	if (parts & PART_LOCK && !lock_to_take(key_of(subject)))
		lease_id = 0;			/* somebody drains: by the row */
	if (parts & PART_ROW)
		lease_id = read_row(subject);
	if (parts & PART_ENTRY)
		take_from_entry(key_of(subject), PG_GETARG_INT64(2));
	PG_RETURN_INT64(lease_id);
}

PG_FUNCTION_INFO_V1(lease_trial_drain);

/* drain(subject text): waits for all that have taken, and lets go at the end */
Datum
lease_trial_drain(PG_FUNCTION_ARGS)
{
	LOCKTAG		tag;

	lock_tag(&tag, key_of(PG_GETARG_TEXT_PP(0)));
	(void) LockAcquire(&tag, ShareLock, false, false);
	PG_RETURN_VOID();
}
