/*-------------------------------------------------------------------------
 *
 * denial.c
 *		Refusals that did not raise an error.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/timestamp.h"

#include "store/denial.h"
#include "store/row.h"
#include "store/schema.h"

/* The UTC day, rounded down: an int64 division rounds towards zero. */
static DateADT
utc_day(TimestampTz at)
{
	return (DateADT) ((at - (at % USECS_PER_DAY + USECS_PER_DAY) % USECS_PER_DAY) / USECS_PER_DAY);
}

void
quota_denial_record(const char *subject, int32 feature_id, const char *reason, TimestampTz at)
{
	Relation	rel = table_open(quota_relid(QUOTA_DENIAL), RowExclusiveLock);
	QuotaInserter *inserter = quota_insert_begin(rel);
	Datum		values[Natts_denial];
	bool		nulls[Natts_denial] = {false};

	values[Anum_denial_day - 1] = DateADTGetDatum(utc_day(at));
	values[Anum_denial_subject - 1] = CStringGetTextDatum(subject);
	values[Anum_denial_feature_id - 1] = Int32GetDatum(feature_id);
	values[Anum_denial_reason - 1] = CStringGetTextDatum(reason);
	values[Anum_denial_times - 1] = Int64GetDatum(1);
	values[Anum_denial_last_at - 1] = TimestampTzGetDatum(at);
	quota_insert_row(inserter, values, nulls);
	quota_insert_end(inserter);
	table_close(rel, NoLock);
}
