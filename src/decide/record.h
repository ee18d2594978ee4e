/*-------------------------------------------------------------------------
 *
 * record.h
 *		Use that has already happened.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QUOTA_RECORD_H
#define QUOTA_RECORD_H

#include "decide/charge.h"

/* When it happened; QuotaRequest.extra points to it. */
typedef struct QuotaRecord
{
	TimestampTz at;				/* at most quota_now() */
} QuotaRecord;

/*
 * Charges the request's one item to the accounts that its subject had at that time,
 * never refusing it for lack of room, rate or status.  QT404, 22023 unless metered,
 * QT403 where nothing gave the feature (observed: a denial, and id 0).
 */
extern void quota_record(QuotaRequest *request);

/* what such a charge had no room for, at the level with the most */
extern int64 quota_recorded_overdrawn(int64 id);

#endif							/* QUOTA_RECORD_H */
