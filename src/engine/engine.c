/*-------------------------------------------------------------------------
 *
 * engine.c
 *		Which engine serves, and arithmetic that all engines share.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/errors.h"
#include "engine/engine.h"
#include "engine/row.h"

const QuotaEngine *
quota_engine(void)
{
	return &quota_row_engine;
}

int64
quota_room(const QuotaBucketRef *ref)
{
	int64		total = quota_add(ref->counts.used, ref->counts.overdrawn, "use");
	int64		ceiling = ref->unlimited ? PG_INT64_MAX : ref->ceiling;

	return total >= ceiling ? 0 : ceiling - total;
}
