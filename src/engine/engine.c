/*-------------------------------------------------------------------------
 *
 * engine.c
 *		Which engine serves.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "engine/engine.h"
#include "engine/row.h"

const QuotaEngine *
quota_engine(void)
{
	return &quota_row_engine;
}
