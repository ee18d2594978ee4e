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
	int64		total;

	if (ref->ceiling == PG_INT64_MAX)
		return PG_INT64_MAX;
	total = quota_add(ref->counts.used, ref->counts.overdrawn, "use");
	return total >= ref->ceiling ? 0 : ref->ceiling - total;
}
