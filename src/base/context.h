/*-------------------------------------------------------------------------
 *
 * context.h
 *		Errors whose CONTEXT says nothing of how we work inside.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QUOTA_CONTEXT_H
#define QUOTA_CONTEXT_H

/* what the line of CONTEXT that names a gate begins with */
#define QUOTA_GATE_CONTEXT	"quota gate of table "

typedef void (*QuotaBody) (void *arg);

/*
 * Calls body(arg).  Of an error's CONTEXT its caller's lines remain, and those of
 * a gate's expressions, which somebody else wrote; not the statements and functions
 * of ours that the error has come through.  An internal error (class XX) keeps all.
 */
extern void quota_without_context(QuotaBody body, void *arg);

#endif							/* QUOTA_CONTEXT_H */
