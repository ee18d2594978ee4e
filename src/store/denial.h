/*-------------------------------------------------------------------------
 *
 * denial.h
 *		Refusals that did not raise an error.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QUOTA_DENIAL_H
#define QUOTA_DENIAL_H

#include "datatype/timestamp.h"

/* adds one refusal of the UTC day of "at" */
extern void quota_denial_record(const char *subject, int32 feature_id, const char *reason,
								TimestampTz at);

#endif							/* QUOTA_DENIAL_H */
