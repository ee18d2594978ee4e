/*-------------------------------------------------------------------------
 *
 * transaction.h
 *		What is left to do in shared memory when a transaction ends.
 *
 * This is the library's only user of transaction callbacks.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QUOTA_TRANSACTION_H
#define QUOTA_TRANSACTION_H

typedef enum QuotaEnd
{
	QUOTA_COMMITTED,
	QUOTA_ABORTED,				/* or rolled back to a savepoint */
	QUOTA_PREPARED				/* what becomes of it, nobody will be told */
} QuotaEnd;

/* Does what is left to do.  Must neither throw nor allocate. */
typedef void (*QuotaAtEnd) (void *what, QuotaEnd end);

/* once, when the library is loaded */
extern void quota_transaction_init(void);

/*
 * Notes that at_end(what) is to be called when the transaction ends, or when the
 * current subtransaction aborts; what was noted later comes first.  "what" is copied,
 * and the copy returned.  Call before doing what this is to undo: it can run out of
 * memory.
 */
extern void *quota_at_end(QuotaAtEnd at_end, const void *what, Size size);

/*
 * What was noted last, to be changed in place, if that was of the same kind and in
 * the same subtransaction; else NULL.
 */
extern void *quota_noted_last(QuotaAtEnd at_end);

#endif							/* QUOTA_TRANSACTION_H */
