/*-------------------------------------------------------------------------
 *
 * row.h
 *		The row engine: buckets are rows, locked by the caller's transaction.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QUOTA_ENGINE_ROW_H
#define QUOTA_ENGINE_ROW_H

#include "engine/engine.h"

extern const QuotaEngine quota_row_engine;

#endif							/* QUOTA_ENGINE_ROW_H */
