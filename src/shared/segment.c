/*-------------------------------------------------------------------------
 *
 * segment.c
 *		The library's part of the server's shared memory.
 *
 * There is one only where the library is in shared_preload_libraries.  Without it
 * everything is in tables, and the rest of this folder does nothing.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"

#include "shared/changes.h"
#include "shared/leases.h"
#include "shared/place_key.h"
#include "shared/rates.h"
#include "shared/refusals.h"
#include "shared/segment.h"
#include "shared/transaction.h"

static shmem_request_hook_type next_request = NULL;
static shmem_startup_hook_type next_startup = NULL;

static void
request(void)
{
	if (next_request)
		next_request();
	RequestAddinShmemSpace(quota_place_keys_size());
	RequestAddinShmemSpace(quota_rates_size());
	RequestAddinShmemSpace(quota_refusals_size());
	RequestAddinShmemSpace(quota_leases_size());
	RequestAddinShmemSpace(quota_changes_size());
}

static void
startup(void)
{
	if (next_startup)
		next_startup();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	quota_place_keys_start();
	quota_rates_start();
	quota_refusals_start();
	quota_leases_start();
	quota_changes_start();
	LWLockRelease(AddinShmemInitLock);
}

void
quota_segment_init(void)
{
	quota_transaction_init();
	if (!process_shared_preload_libraries_in_progress)
		return;
	next_request = shmem_request_hook;
	shmem_request_hook = request;
	next_startup = shmem_startup_hook;
	shmem_startup_hook = startup;
}
