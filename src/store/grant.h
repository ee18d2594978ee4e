/*-------------------------------------------------------------------------
 *
 * grant.h
 *		Grants: credits of one subject prefix, and what was taken of them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QUOTA_GRANT_H
#define QUOTA_GRANT_H

#include "access/htup.h"
#include "storage/lockdefs.h"
#include "utils/relcache.h"
#include "utils/snapshot.h"

#include "base/subject.h"
#include "base/window.h"
#include "store/window_key.h"

/* A grant in one of its periods; one that comes once has a single period. */
typedef struct QuotaGrant
{
	int64		id;
	int64		amount;
	int32		priority;
	TimestampTz created_at;
	QuotaWindow period;			/* cut at the grant's end */
	const char *source;
	bool		recurs;
	bool		revoked;
	bool		beyond_caps;	/* caps neither count nor stop it */
} QuotaGrant;

/* A version of a row of quota_internal.grant_use. */
typedef struct QuotaGrantUse
{
	HeapTuple	tuple;			/* NULL: there is none */
	int64		used;
} QuotaGrantUse;

/* Does the database have any grant?  Most have none. */
extern bool quota_grants_exist(void);

/* Has this level any, of whatever feature and time, used up or revoked? */
extern bool quota_subject_has_grant(const QuotaSubject *subject, int level, Snapshot snapshot);

/* Which grants: each includes those before it. */
typedef enum QuotaGrantsWanted
{
	QUOTA_GRANTS_OPEN,			/* valid, but none that is known to be used up */
	QUOTA_GRANTS_VALID,			/* used up or not */
	QUOTA_GRANTS_TO_COME		/* those to come, in their first period */
} QuotaGrantsWanted;

/*
 * Those of exactly this prefix at "at", in the order in which they are taken from;
 * palloc'd.  Returns how many there are.
 */
extern int	quota_grants_of(const QuotaAccountKey *account, TimestampTz at,
							QuotaGrantsWanted wanted, Snapshot snapshot, QuotaGrant **grants);

/* that order, for qsort() */
extern int	quota_compare_grants(const void *a, const void *b);

/* is any grant of the prefix valid? */
extern bool quota_has_grant(const QuotaAccountKey *account, TimestampTz at,
							Snapshot snapshot);

/* the grant in the period that "at" lies in; false when it has gone */
extern bool quota_grant_by_id(int64 id, TimestampTz at, Snapshot snapshot, QuotaGrant *grant);

/* has it been revoked since it was read, or a part of it? */
extern bool quota_grant_has_fallen(const QuotaGrant *grant, Snapshot snapshot);

extern Relation quota_grant_use_open(LOCKMODE lockmode);
extern void quota_grant_use_find(Relation rel, int64 id, TimestampTz period_start,
								 Snapshot snapshot, QuotaGrantUse *use);

/* true if we have created it */
extern bool quota_grant_use_create(Relation rel, int64 id, const QuotaWindow *period);

/* locks the newest version; false when it has gone */
extern bool quota_grant_use_lock(Relation rel, QuotaGrantUse *use, Snapshot snapshot);

/* of a row that is locked; the grant is marked as used up, or no longer so */
extern void quota_grant_use_update(Relation rel, QuotaGrantUse *use, const QuotaGrant *grant,
								   int64 used);

#endif							/* QUOTA_GRANT_H */
