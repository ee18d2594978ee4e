/*-------------------------------------------------------------------------
 *
 * call.h
 *		What the functions that charge have in common.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QUOTA_CALL_H
#define QUOTA_CALL_H

#include "fmgr.h"

#include "decide/charge.h"
#include "store/idempotency.h"

/* 25006 where nothing can be written; an error in a parallel worker */
extern void quota_prevent_if_not_writable(const char *function);

/*
 * Lets "work" charge the request under the key of "call": true when it did.
 * False when the call was answered before: the items are then those of the
 * answer, their verdicts the present ones.  The request's items may be made by
 * "work"; where they are known before, so is the result that the key is claimed
 * with.
 */
extern bool quota_call_once(QuotaRequest *request, QuotaCall *call,
							void (*work) (QuotaRequest *request));

#endif							/* QUOTA_CALL_H */
