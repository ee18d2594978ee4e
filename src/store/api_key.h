/*-------------------------------------------------------------------------
 *
 * api_key.h
 *		API keys, by their id, and when they were last used.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QUOTA_API_KEY_H
#define QUOTA_API_KEY_H

#include "datatype/timestamp.h"

#define QUOTA_DIGEST_BYTES	32

typedef struct QuotaApiKey
{
	char	   *subject;
	uint8		digest[QUOTA_DIGEST_BYTES]; /* SHA-256 of its secret */
	Datum		scopes;			/* text[] */
	TimestampTz expires_at;		/* DT_NOEND: never */
	bool		revoked;
} QuotaApiKey;

/* the key as it is committed now; false when there is none of that id */
extern bool quota_api_key_find(int64 id, QuotaApiKey *key);

/*
 * Notes that it was used at a time, unless it was used in the minute before.  Waits for
 * nobody: where something is in the way, nothing is noted.
 */
extern void quota_api_key_note_use(int64 id, TimestampTz at);

#endif							/* QUOTA_API_KEY_H */
