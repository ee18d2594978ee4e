/*-------------------------------------------------------------------------
 *
 * gate_charge.h
 *		What rows of gates that remember were charged.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QUOTA_GATE_CHARGE_H
#define QUOTA_GATE_CHARGE_H

#include "utils/relcache.h"

/* The charges of one table's rows for one feature, open for a statement. */
typedef struct QuotaGateCharges QuotaGateCharges;

/* One row's.  A place of it is good until the charges are closed. */
typedef struct QuotaGateCharge
{
	const char *subject;
	int64		amount;
	struct HeapTupleData *tuple;	/* palloc'd, and subject with it */
} QuotaGateCharge;

/*
 * Lives in the current memory context.  Locks quota_internal.bucket first, as everything
 * that locks rows of ours, then the table, so that its rows stay where they are found.
 */
extern QuotaGateCharges *quota_gate_charges_open(Oid target, int32 feature_id);

/*
 * Finds the charge of a row, committed or our own, whatever the isolation level:
 * the session that has the application's row locked, or its key taken, has this one, too.
 */
extern bool quota_gate_charge_find(QuotaGateCharges *charges, const char *key, QuotaGateCharge *charge);

/* the key must not be there: 23505 */
extern void quota_gate_charge_insert(QuotaGateCharges *charges, const char *key,
									 const char *subject, int64 amount);

/* each of one that was found, once */
extern void quota_gate_charge_update(QuotaGateCharges *charges, const QuotaGateCharge *charge,
									 const char *subject, int64 amount);
extern void quota_gate_charge_delete(QuotaGateCharges *charges, const QuotaGateCharge *charge);

/* keeps the locks; what was written is seen by the next command */
extern void quota_gate_charges_close(QuotaGateCharges *charges);

#endif							/* QUOTA_GATE_CHARGE_H */
