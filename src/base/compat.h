/*-------------------------------------------------------------------------
 *
 * compat.h
 *		Every difference between PostgreSQL 15 and 18 that we meet.
 *
 * The only file that may name PG_VERSION_NUM (test/lint holds that).  Each
 * entry says which upstream change it bridges.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QUOTA_COMPAT_H
#define QUOTA_COMPAT_H

#include "access/genam.h"
#include "access/tableam.h"
#include "catalog/pg_class.h"
#include "executor/executor.h"
#include "storage/lock.h"
#include "storage/proc.h"
#include "utils/acl.h"
#include "utils/datetime.h"
#include "utils/guc.h"

#if PG_VERSION_NUM < 150000 || PG_VERSION_NUM >= 190000
#error "quota supports PostgreSQL 15 to 18"
#endif

/* 16 took VARDATA_ANY() and its like out of postgres.h (commit d952373a98) */
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

/*
 * 16 lets an update say "only summarizing indexes" (commit 19d8e2308b), so
 * table_tuple_update() and ExecInsertIndexTuples() changed shape.
 */
#if PG_VERSION_NUM >= 160000
typedef TU_UpdateIndexes QuotaUpdateIndexes;

static inline bool
quota_update_needs_indexes(QuotaUpdateIndexes which)
{
	return which != TU_None;
}

static inline void
quota_insert_index_tuples(ResultRelInfo *rri, TupleTableSlot *slot,
						  EState *estate, QuotaUpdateIndexes which)
{
	ExecInsertIndexTuples(rri, slot, estate, true, false, NULL, NIL,
						  which == TU_Summarizing);
}
#else
typedef bool QuotaUpdateIndexes;

static inline bool
quota_update_needs_indexes(QuotaUpdateIndexes which)
{
	return which;
}

static inline void
quota_insert_index_tuples(ResultRelInfo *rri, TupleTableSlot *slot,
						  EState *estate, QuotaUpdateIndexes which)
{
	ExecInsertIndexTuples(rri, slot, estate, true, false, NULL, NIL);
}
#endif

/* the index entries of a new row */
static inline void
quota_insert_index_tuples_of_new(ResultRelInfo *rri, TupleTableSlot *slot, EState *estate)
{
#if PG_VERSION_NUM >= 160000
	ExecInsertIndexTuples(rri, slot, estate, false, false, NULL, NIL, false);
#else
	ExecInsertIndexTuples(rri, slot, estate, false, false, NULL, NIL);
#endif
}

/*
 * Speculative insertion: 16 added onlySummarizing, 18 the tid of the row being
 * updated (commit 48ac7b0a5a), which an insertion does not have.
 */
static inline void
quota_insert_speculative_index_tuples(ResultRelInfo *rri, TupleTableSlot *slot,
									  EState *estate, bool *conflict)
{
#if PG_VERSION_NUM >= 160000
	ExecInsertIndexTuples(rri, slot, estate, false, true, conflict, NIL, false);
#else
	ExecInsertIndexTuples(rri, slot, estate, false, true, conflict, NIL);
#endif
}

static inline bool
quota_check_unique(ResultRelInfo *rri, TupleTableSlot *slot, EState *estate)
{
	ItemPointerData conflict;

#if PG_VERSION_NUM >= 180000
	ItemPointerData none;

	ItemPointerSetInvalid(&none);
	return ExecCheckIndexConstraints(rri, slot, estate, &conflict, &none, NIL);
#else
	return ExecCheckIndexConstraints(rri, slot, estate, &conflict, NIL);
#endif
}

/* 18 can count an index scan's searches (commit 0fbceae841) */
static inline IndexScanDesc
quota_index_beginscan(Relation rel, Relation index, Snapshot snapshot, int nkeys)
{
#if PG_VERSION_NUM >= 180000
	return index_beginscan(rel, index, snapshot, NULL, nkeys, 0);
#else
	return index_beginscan(rel, index, snapshot, nkeys, 0);
#endif
}

/* 16 frees a setting's extra with guc_free() (commit 407b50f2d4) */
#if PG_VERSION_NUM >= 160000
#define quota_guc_malloc(size)	guc_malloc(LOG, (size))
#define quota_guc_free(ptr)		guc_free(ptr)
#else
#define quota_guc_malloc(size)	malloc(size)
#define quota_guc_free(ptr)		free(ptr)
#endif

/* 16 reports what was wrong through one more argument (commit bcc704b524) */
#if PG_VERSION_NUM >= 160000
static inline int
quota_decode_datetime(char **field, int *ftype, int nf, int *dtype,
					  struct pg_tm *tm, fsec_t *fsec, int *tz)
{
	DateTimeErrorExtra extra;

	return DecodeDateTime(field, ftype, nf, dtype, tm, fsec, tz, &extra);
}
#else
#define quota_decode_datetime(field, ftype, nf, dtype, tm, fsec, tz) \
	DecodeDateTime((field), (ftype), (nf), (dtype), (tm), (fsec), (tz))
#endif

/* 16 has one function for all kinds of objects (commit c727f511bd) */
#if PG_VERSION_NUM >= 160000
#define quota_owns_relation(relid, user)	object_ownercheck(RelationRelationId, (relid), (user))
#else
#define quota_owns_relation(relid, user)	pg_class_ownercheck((relid), (user))
#endif

/* 17 has it in a struct of its own (commit ab355e3a88) */
static inline LocalTransactionId
quota_local_transaction(void)
{
#if PG_VERSION_NUM >= 170000
	return MyProc->vxid.lxid;
#else
	return MyProc->lxid;
#endif
}

/* 17 asks for "or a stronger one" in the same function (commit 16671ba6e7) */
static inline bool
quota_holds_lock(const LOCKTAG *tag, LOCKMODE mode)
{
#if PG_VERSION_NUM >= 170000
	return LockHeldByMe(tag, mode, false);
#else
	return LockHeldByMe(tag, mode);
#endif
}

/* At once, or not at all; 18 can log that it was not to be had (commit 6d376c3b0d). */
static inline LockAcquireResult
quota_lock_at_once(const LOCKTAG *tag, LOCKMODE mode)
{
#if PG_VERSION_NUM >= 180000
	return LockAcquireExtended(tag, mode, false, true, false, NULL, false);
#else
	return LockAcquireExtended(tag, mode, false, true, false, NULL);
#endif
}

/* 18 spells it as a prefix (commit 28d534e2ae) */
#if PG_VERSION_NUM < 180000
#define pg_noreturn		pg_attribute_noreturn()
#endif

#endif							/* QUOTA_COMPAT_H */
