/*-------------------------------------------------------------------------
 *
 * leaf.h
 *		The ledger's leaves: which one a time belongs to, and how they are read.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QUOTA_LEAF_H
#define QUOTA_LEAF_H

#include "datatype/timestamp.h"
#include "utils/relcache.h"

/*
 * Opens and locks the leaf that entries of the time "at" belong to.  Locks no
 * parent.
 */
extern Relation quota_leaf_open(TimestampTz at, LOCKMODE lockmode);

/*
 * Opens and locks one leaf after the other, newest first: begin with *position
 * = 0; NULL after the last.  *debit_index is its index on debit_id.  The caller
 * closes it.
 */
extern Relation quota_leaf_next(int *position, LOCKMODE lockmode, Oid *debit_index);

#endif							/* QUOTA_LEAF_H */
