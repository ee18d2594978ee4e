/*-------------------------------------------------------------------------
 *
 * denial.h
 *		Rows of quota_internal.denial: how often somebody was refused on a day.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QUOTA_DENIAL_H
#define QUOTA_DENIAL_H

#include "utils/date.h"

/* the UTC day that a refusal is counted on */
extern DateADT quota_denial_day(TimestampTz at);

/* adds so many refusals on the day of "at"; waits for nobody */
extern void quota_denial_record(const char *subject, int32 feature_id, const char *reason,
								TimestampTz at, int64 times);

#endif							/* QUOTA_DENIAL_H */
