/*-------------------------------------------------------------------------
 *
 * grant.c
 *		Grants: credits of one subject prefix, and what was taken of them.
 *
 * A grant's row says what was given.  What was taken is in a row of grant_use for
 * each of its periods, which appears with the first unit that is taken.  Revoking a
 * grant locks that row first, so a session that has locked it and then sees the grant
 * not revoked may take from it.
 *
 * A grant that is used up is marked, so that charges do not read it: a customer who tops
 * up daily soon has a thousand of them.  The mark is written together with the row of
 * grant_use, with that row locked, so it is true in every snapshot.  A grant with
 * periods is never marked, since its next period begins without a write.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "miscadmin.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/errors.h"
#include "store/grant.h"
#include "store/heap.h"
#include "store/scan.h"
#include "store/schema.h"
#include "store/tuple.h"

/*
 * The period that "at" lies in, of a grant to come the first one; false if the
 * grant is not valid then.
 */
static bool
present_period(const Datum *values, TimestampTz at, QuotaWindow *period)
{
	TimestampTz start = DatumGetTimestampTz(values[Anum_credit_grant_effective_at - 1]);
	TimestampTz end = DatumGetTimestampTz(values[Anum_credit_grant_expires_at - 1]);
	bool		valid = at >= start && at < end;
	QuotaPeriod length;

	period->start = start;
	period->end = end;
	length.months = DatumGetInt32(values[Anum_credit_grant_period_months - 1]);
	length.days = DatumGetInt32(values[Anum_credit_grant_period_days - 1]);
	length.us = DatumGetInt64(values[Anum_credit_grant_period_us - 1]);
	if (at >= end || quota_period_is_lifetime(&length))
		return valid;
	*period = quota_window_at(start, &length,
							  quota_timezone(TextDatumGetCString(values[Anum_credit_grant_timezone - 1])),
							  at, true);
	period->end = Min(period->end, end);
	return valid;
}

/* Sets *grant; is it valid at "at"? */
static bool
from_tuple(HeapTuple tuple, TupleDesc desc, TimestampTz at, QuotaGrant *grant)
{
	Datum		values[Natts_credit_grant];
	bool		nulls[Natts_credit_grant];

	heap_deform_tuple(tuple, desc, values, nulls);
	memset(grant, 0, sizeof(*grant));
	grant->id = DatumGetInt64(values[Anum_credit_grant_id - 1]);
	grant->amount = DatumGetInt64(values[Anum_credit_grant_amount - 1]);
	grant->priority = DatumGetInt32(values[Anum_credit_grant_priority - 1]);
	grant->created_at = DatumGetTimestampTz(values[Anum_credit_grant_created_at - 1]);
	grant->source = TextDatumGetCString(values[Anum_credit_grant_source - 1]);
	grant->recurs = !nulls[Anum_credit_grant_period - 1];
	grant->beyond_caps = DatumGetBool(values[Anum_credit_grant_beyond_caps - 1]);
	grant->revoked = !nulls[Anum_credit_grant_revoked_at - 1];
	return present_period(values, at, &grant->period) && !grant->revoked;
}

int
quota_compare_grants(const void *a, const void *b)
{
	const QuotaGrant *left = (const QuotaGrant *) a;
	const QuotaGrant *right = (const QuotaGrant *) b;

	if (left->priority != right->priority)
		return left->priority < right->priority ? -1 : 1;
	/* DT_NOEND is the greatest */
	if (left->period.end != right->period.end)
		return left->period.end < right->period.end ? -1 : 1;
	if (left->created_at != right->created_at)
		return left->created_at < right->created_at ? -1 : 1;
	return (left->id > right->id) - (left->id < right->id);
}

bool
quota_grants_exist(void)
{
	Relation	rel = table_open(quota_relid(QUOTA_CREDIT_GRANT), AccessShareLock);
	bool		exist = !quota_scan_is_vain(rel);

	table_close(rel, AccessShareLock);
	return exist;
}

bool
quota_subject_has_grant(const QuotaSubject *subject, int level, Snapshot snapshot)
{
	Relation	rel = table_open(quota_relid(QUOTA_CREDIT_GRANT), AccessShareLock);
	QuotaScan	scan;
	bool		has;

	quota_scan_init(&scan, rel);
	quota_scan_text(&scan, Anum_credit_grant_subject, subject->text, subject->prefix_len[level]);
	has = quota_scan_one(&scan, quota_relid(QUOTA_CREDIT_GRANT_SUBJECT), snapshot) != NULL;
	table_close(rel, AccessShareLock);
	return has;
}

/* With max = 1 only whether there is one; unordered. */
static int
read_grants(const QuotaAccountKey *account, TimestampTz at,
			QuotaGrantsWanted wanted, Snapshot snapshot, int max, QuotaGrant **grants)
{
	Relation	rel = table_open(quota_relid(QUOTA_CREDIT_GRANT), AccessShareLock);
	QuotaRelation index = wanted == QUOTA_GRANTS_OPEN ? QUOTA_CREDIT_GRANT_OPEN :
		QUOTA_CREDIT_GRANT_SUBJECT;
	QuotaScan	scan;
	HeapTuple	tuple;
	int			n = 0;

	*grants = NULL;
	quota_scan_init(&scan, rel);
	quota_scan_account(&scan, Anum_credit_grant_subject, Anum_credit_grant_feature_id, account);
	quota_scan_time(&scan, Anum_credit_grant_expires_at, BTGreaterStrategyNumber, at);
	quota_scan_begin(&scan, quota_relid(index), snapshot);
	while (n < max && (tuple = quota_scan_next(&scan)) != NULL)
	{
		QuotaGrant *grant;

		*grants = (QuotaGrant *) quota_array_grow(*grants, n, sizeof(QuotaGrant));
		grant = &(*grants)[n];
		if (from_tuple(tuple, RelationGetDescr(rel), at, grant) ||
			(wanted == QUOTA_GRANTS_TO_COME && !grant->revoked))
			n++;
	}
	quota_scan_end(&scan);
	table_close(rel, AccessShareLock);
	return n;
}

int
quota_grants_of(const QuotaAccountKey *account, TimestampTz at,
				QuotaGrantsWanted wanted, Snapshot snapshot, QuotaGrant **grants)
{
	int			n = read_grants(account, at, wanted, snapshot,
								PG_INT32_MAX, grants);

	if (n > 1)
		qsort(*grants, n, sizeof(QuotaGrant), quota_compare_grants);
	return n;
}

bool
quota_has_grant(const QuotaAccountKey *account, TimestampTz at,
				Snapshot snapshot)
{
	QuotaGrant *grants;

	return read_grants(account, at, QUOTA_GRANTS_VALID, snapshot, 1, &grants) > 0;
}

static HeapTuple
find_by_id(Relation rel, int64 id, Snapshot snapshot)
{
	QuotaScan	scan;

	quota_scan_init(&scan, rel);
	quota_scan_int8(&scan, Anum_credit_grant_id, id);
	return quota_scan_one(&scan, quota_relid(QUOTA_CREDIT_GRANT_PKEY), snapshot);
}

bool
quota_grant_by_id(int64 id, TimestampTz at, Snapshot snapshot, QuotaGrant *grant)
{
	Relation	rel = table_open(quota_relid(QUOTA_CREDIT_GRANT), AccessShareLock);
	HeapTuple	tuple = find_by_id(rel, id, snapshot);

	if (tuple)
		(void) from_tuple(tuple, RelationGetDescr(rel), at, grant);
	table_close(rel, AccessShareLock);
	return tuple != NULL;
}

bool
quota_grant_has_fallen(const QuotaGrant *grant, Snapshot snapshot)
{
	Relation	rel = table_open(quota_relid(QUOTA_CREDIT_GRANT), AccessShareLock);
	HeapTuple	tuple = find_by_id(rel, grant->id, snapshot);
	bool		fallen;

	fallen = tuple == NULL ||
		!heap_attisnull(tuple, Anum_credit_grant_revoked_at, RelationGetDescr(rel)) ||
		DatumGetInt64(quota_attribute(tuple, RelationGetDescr(rel), Anum_credit_grant_amount)) != grant->amount;
	table_close(rel, AccessShareLock);
	return fallen;
}

Relation
quota_grant_use_open(LOCKMODE lockmode)
{
	return table_open(quota_relid(QUOTA_GRANT_USE), lockmode);
}

static void
take_tuple(Relation rel, HeapTuple tuple, QuotaGrantUse *use)
{
	use->tuple = tuple;
	use->used = DatumGetInt64(quota_attribute(tuple, RelationGetDescr(rel), Anum_grant_use_used));
}

void
quota_grant_use_find(Relation rel, int64 id, TimestampTz period_start, Snapshot snapshot,
					 QuotaGrantUse *use)
{
	QuotaScan	scan;
	HeapTuple	tuple;

	memset(use, 0, sizeof(*use));
	quota_scan_init(&scan, rel);
	quota_scan_int8(&scan, Anum_grant_use_grant_id, id);
	quota_scan_time(&scan, Anum_grant_use_period_start, BTEqualStrategyNumber, period_start);
	tuple = quota_scan_one(&scan, quota_relid(QUOTA_GRANT_USE_PKEY), snapshot);
	if (tuple)
		take_tuple(rel, tuple, use);
}

bool
quota_grant_use_create(Relation rel, int64 id, const QuotaWindow *period)
{
	Datum		values[Natts_grant_use];
	bool		nulls[Natts_grant_use] = {false};

	values[Anum_grant_use_grant_id - 1] = Int64GetDatum(id);
	values[Anum_grant_use_period_start - 1] = TimestampTzGetDatum(period->start);
	values[Anum_grant_use_period_end - 1] = TimestampTzGetDatum(period->end);
	values[Anum_grant_use_used - 1] = Int64GetDatum(0);
	return quota_insert_if_absent(rel, values, nulls);
}

bool
quota_grant_use_lock(Relation rel, QuotaGrantUse *use, Snapshot snapshot)
{
	if (!quota_lock_row(rel, &use->tuple, snapshot))
		return false;
	take_tuple(rel, use->tuple, use);
	return true;
}

/* Nobody else marks it meanwhile: the row of its use is locked. */
static void
mark_used_up(int64 id, bool used_up)
{
	static const int column = Anum_credit_grant_used_up;
	Relation	rel = table_open(quota_relid(QUOTA_CREDIT_GRANT), RowExclusiveLock);
	Datum		value = BoolGetDatum(used_up);
	bool		isnull = false;
	bool		marked = false;

	while (!marked)
	{
		Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
		HeapTuple	tuple = find_by_id(rel, id, snapshot);

		CHECK_FOR_INTERRUPTS();
		/* false when maintain() has written of its expiry in between */
		marked = tuple == NULL ||
			quota_update_row(rel, &tuple, 1, &column, &value, &isnull, InvalidSnapshot);
		UnregisterSnapshot(snapshot);
	}
	table_close(rel, NoLock);
}

void
quota_grant_use_update(Relation rel, QuotaGrantUse *use, const QuotaGrant *grant, int64 used)
{
	static const int column = Anum_grant_use_used;
	Datum		value = Int64GetDatum(used);
	bool		was_used_up = use->used >= grant->amount;
	bool		used_up = used >= grant->amount;

	QuotaEnsure(used >= 0);
	quota_update_locked_row(rel, &use->tuple, 1, &column, &value);
	use->used = used;
	if (used_up != was_used_up && !grant->recurs)
		mark_used_up(grant->id, used_up);
}
