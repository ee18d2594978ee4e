/*-------------------------------------------------------------------------
 *
 * api_key.c
 *		API keys, by their id, and when they were last used.
 *
 * Neither waits for a row: keys are read as they are committed, and the row of
 * their use is only touched when nobody else has it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "storage/lmgr.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/errors.h"
#include "store/api_key.h"
#include "store/heap.h"
#include "store/scan.h"
#include "store/schema.h"
#include "store/tuple.h"

#define NOTED_EVERY_US		USECS_PER_MINUTE

static void
from_tuple(HeapTuple tuple, TupleDesc desc, QuotaApiKey *key)
{
	bytea	   *digest = DatumGetByteaPP(quota_attribute(tuple, desc, Anum_api_key_digest));
	bool		never;
	bool		valid;
	Datum		expires_at = heap_getattr(tuple, Anum_api_key_expires_at, desc, &never);

	if (VARSIZE_ANY_EXHDR(digest) != QUOTA_DIGEST_BYTES)
		quota_raise_damaged("api_key", "A digest has another length than SHA-256 has.");
	memcpy(key->digest, VARDATA_ANY(digest), QUOTA_DIGEST_BYTES);
	key->subject = TextDatumGetCString(quota_attribute(tuple, desc, Anum_api_key_subject));
	key->scopes = PointerGetDatum(PG_DETOAST_DATUM_COPY(quota_attribute(tuple, desc, Anum_api_key_scopes)));
	key->expires_at = never ? DT_NOEND : DatumGetTimestampTz(expires_at);
	(void) heap_getattr(tuple, Anum_api_key_revoked_at, desc, &valid);
	key->revoked = !valid;
}

bool
quota_api_key_find(int64 id, QuotaApiKey *key)
{
	Relation	rel = table_open(quota_relid(QUOTA_API_KEY), AccessShareLock);
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	HeapTuple	tuple;
	QuotaScan	scan;

	quota_scan_init(&scan, rel);
	quota_scan_int8(&scan, Anum_api_key_id, id);
	tuple = quota_scan_one(&scan, quota_relid(QUOTA_API_KEY_PKEY), snapshot);
	UnregisterSnapshot(snapshot);
	if (HeapTupleIsValid(tuple))
		from_tuple(tuple, RelationGetDescr(rel), key);
	table_close(rel, AccessShareLock);
	return HeapTupleIsValid(tuple);
}

/* Is the last use that is noted so long ago that it is worth a row version? */
static bool
is_old(HeapTuple tuple, TupleDesc desc, TimestampTz at)
{
	bool		never;
	Datum		last = heap_getattr(tuple, Anum_api_key_use_last_used_at, desc, &never);

	return never || at >= DatumGetTimestampTz(last) + NOTED_EVERY_US;
}

static void
note_in(Relation rel, int64 id, TimestampTz at)
{
	static const int columns[] = {Anum_api_key_use_last_used_at};
	Datum		values[] = {TimestampTzGetDatum(at)};
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	HeapTuple	tuple;
	QuotaScan	scan;

	quota_scan_init(&scan, rel);
	quota_scan_int8(&scan, Anum_api_key_use_key_id, id);
	tuple = quota_scan_one(&scan, quota_relid(QUOTA_API_KEY_USE_PKEY), snapshot);
	if (HeapTupleIsValid(tuple) && is_old(tuple, RelationGetDescr(rel), at) &&
		quota_lock_row_if_free(rel, tuple, snapshot))
		quota_update_locked_row(rel, &tuple, lengthof(columns), columns, values);
	UnregisterSnapshot(snapshot);
}

void
quota_api_key_note_use(int64 id, TimestampTz at)
{
	Oid			relid = quota_relid(QUOTA_API_KEY_USE);
	Relation	rel;

	if (!ConditionalLockRelationOid(relid, RowExclusiveLock))
		return;
	rel = table_open(relid, NoLock);
	note_in(rel, id, at);
	table_close(rel, NoLock);
}
