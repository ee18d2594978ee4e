/*-------------------------------------------------------------------------
 *
 * row.h
 *		Single rows of our tables: find, insert, update, without SQL.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QUOTA_ROW_H
#define QUOTA_ROW_H

#include "access/skey.h"
#include "access/tableam.h"
#include "utils/relcache.h"
#include "utils/snapshot.h"

/* a copy of the first row that the keys find, or NULL; an invalid index: the first row */
extern HeapTuple quota_find_row(Relation rel, Oid index, int nkeys, ScanKeyData *keys,
								Snapshot snapshot);

/*
 * Rows to insert into one table and its indexes.  The caller vouches for CHECK and
 * partition constraints, and the table may have no triggers of its rows.
 */
typedef struct QuotaInserter QuotaInserter;

extern QuotaInserter *quota_insert_begin(Relation rel);
extern void quota_insert_row(QuotaInserter *inserter, const Datum *values, const bool *nulls);
extern void quota_insert_end(QuotaInserter *inserter);

/*
 * Inserts one row unless a unique index has its key already, as INSERT ... ON
 * CONFLICT DO NOTHING does, but at every isolation level alike: waits for a
 * transaction that is inserting the same key, and takes what it committed for
 * there, also when no snapshot of ours can see it.  True if it inserted.
 */
extern bool quota_insert_if_absent(Relation rel, const Datum *values, const bool *nulls);

/*
 * Replaces the row at "tid" by "tuple", waiting for a transaction that is
 * changing it, and sets tuple->t_self.  TM_Updated or TM_Deleted: the row has
 * changed, nothing is done.
 */
extern TM_Result quota_update_row(Relation rel, ItemPointer tid, HeapTuple tuple,
								  Snapshot snapshot);

/* deletes the row in the same way; false: it has changed, nothing is done */
extern bool quota_delete_row(Relation rel, ItemPointer tid);

/*
 * Locks the newest version of the row at *tid against change and returns a
 * copy of it, *tid set to its place; NULL when it has been deleted.
 */
extern HeapTuple quota_lock_row(Relation rel, ItemPointer tid, Snapshot snapshot);

#endif							/* QUOTA_ROW_H */
