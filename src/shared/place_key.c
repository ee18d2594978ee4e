/*-------------------------------------------------------------------------
 *
 * place_key.c
 *		What accounts are known by in shared memory.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "miscadmin.h"
#include "storage/shmem.h"

#include "shared/place_key.h"

typedef struct Seeds
{
	uint64		seeds[2];
} Seeds;

static Seeds *shared = NULL;

Size
quota_place_keys_size(void)
{
	return MAXALIGN(sizeof(Seeds));
}

void
quota_place_keys_start(void)
{
	bool		found;

	shared = (Seeds *) ShmemInitStruct("quota place keys", sizeof(Seeds), &found);
	if (!found && !pg_strong_random(shared->seeds, sizeof(shared->seeds)))
		elog(ERROR, "quota: no random numbers");
}

QuotaPlaceKey
quota_place_of_window(const QuotaWindowKey *window, Oid table)
{
	Oid			where[2] = {MyDatabaseId, table};
	QuotaPlaceKey key;

	for (int i = 0; i < 2; i++)
		key.bits[i] = quota_window_hash(window,
										hash_bytes_extended((const unsigned char *) where, sizeof(where),
															shared->seeds[i]));
	key.bits[0] |= 1;
	return key;
}

QuotaPlaceKey
quota_place_of_account(const QuotaAccountKey *account, Oid table)
{
	QuotaWindowKey all = {.account = *account};

	return quota_place_of_window(&all, table);
}

void *
quota_place_find(QuotaSet *set, const QuotaPlaceKey *key)
{
	for (int i = 0; i < quota_set_nways(set); i++)
	{
		void	   *place = quota_set_place(set, i);

		if (quota_same_place((const QuotaPlaceKey *) place, key))
			return place;
	}
	return NULL;
}
