/*-------------------------------------------------------------------------
 *
 * heap.h
 *		Single rows of our tables: insert, lock, update, delete, without SQL.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QUOTA_HEAP_H
#define QUOTA_HEAP_H

#include "access/htup.h"
#include "utils/relcache.h"
#include "utils/snapshot.h"

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
 * A row is carried from where it was found to where it is locked or written as the
 * tuple that was found, whose t_self says where it stood.  That place is another
 * row's after VACUUM FULL, so the table's lock (ROW EXCLUSIVE) must be held from
 * the one to the other.
 */

/*
 * Locks the newest version of the row against change; *tuple is then a copy of it.
 * False when the row has gone, or has another primary key by now.
 */
extern bool quota_lock_row(Relation rel, HeapTuple *tuple, Snapshot snapshot);

/*
 * The same without waiting: false as well when another transaction has it locked, or
 * has changed it since the snapshot.  The tuple stays the one that was found.
 */
extern bool quota_lock_row_if_free(Relation rel, HeapTuple tuple, Snapshot snapshot);

/*
 * Writes some columns of the row, waiting for a transaction that is changing it;
 * *tuple is then the new version.  False: the row has changed since it was found or
 * locked, and nothing is done.
 */
extern bool quota_update_row(Relation rel, HeapTuple *tuple, int ncolumns, const int *columns,
							 const Datum *values, const bool *nulls, Snapshot snapshot);

/* the same of a row that is locked, no column NULL: it cannot have changed */
extern void quota_update_locked_row(Relation rel, HeapTuple *tuple, int ncolumns,
									const int *columns, const Datum *values);

/* deletes the row as quota_update_row() writes it */
extern bool quota_delete_row(Relation rel, HeapTuple tuple);

#endif							/* QUOTA_HEAP_H */
