/*-------------------------------------------------------------------------
 *
 * denial.h
 *		Rows of quota_internal.denial: how often somebody was refused on a day.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QUOTA_DENIAL_H
#define QUOTA_DENIAL_H

#include "datatype/timestamp.h"

/* adds one refusal on the UTC day of "at"; waits for nobody */
extern void quota_denial_record(const char *subject, int32 feature_id, const char *reason,
								TimestampTz at);

#endif							/* QUOTA_DENIAL_H */
