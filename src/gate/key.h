/*-------------------------------------------------------------------------
 *
 * key.h
 *		What identifies a row whose charge is remembered.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QUOTA_KEY_H
#define QUOTA_KEY_H

#include "fmgr.h"
#include "pg_config_manual.h"
#include "utils/rel.h"

typedef struct QuotaKey
{
	Oid			table;			/* whose primary key it is: quota_internal.gate_charge.target */
	bool		by_chance;		/* it inherits the old way, and nothing keeps keys unique over it */
	bool		plain;			/* no code but PostgreSQL's own makes text of it, no setting matters */
	int			ncolumns;
	AttrNumber	attnums[INDEX_MAX_KEYS];	/* in the table of the rows */
	const char *names[INDEX_MAX_KEYS];
	FmgrInfo	output[INDEX_MAX_KEYS];
} QuotaKey;

/*
 * The table by whose primary key rows of "relid" are remembered: the topmost that it
 * inherits from, by tables whose gates of the feature remember; itself if none.
 */
extern Oid	quota_key_table(Oid relid, const char *feature);

/*
 * How rows of "rel" are identified, in the current memory context; 22023 without a
 * primary key, or with one that may be violated until the transaction ends.
 */
extern QuotaKey *quota_key_of(Relation rel, const char *feature);

/*
 * The text of a key whose values are these, palloc'd.  Unless it is plain, it is
 * made by the table owner's code: as the owner, with settings pinned (rows.c).
 */
extern const char *quota_key_text(QuotaKey *key, const Datum *values);

#endif							/* QUOTA_KEY_H */
