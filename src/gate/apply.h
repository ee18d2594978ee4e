/*-------------------------------------------------------------------------
 *
 * apply.h
 *		Charging what a tally says.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QUOTA_APPLY_H
#define QUOTA_APPLY_H

#include "base/subject.h"
#include "gate/gate.h"
#include "gate/tally.h"

/*
 * Gives back, then charges, subject by subject in order; a subject that has both
 * pays the difference.  QT402, QT403, QT429 unless the gate overdraws.  The
 * entries' metadata name the table.  Tells which payers were not booked.
 */
extern void quota_gate_apply(const QuotaGate *gate, const QuotaFeature *feature, Relation rel,
							 const QuotaTally *tally);

/*
 * One subject's difference between what is there and what is counted: > 0 is
 * charged, never refused; < 0 given back as far as it is there.  Returns what was
 * booked: nothing where a metered feature is not entitled.  No denial is
 * recorded, for nobody has asked for more than there is.
 */
extern int64 quota_gate_adjust(const QuotaSubject *subject, const QuotaFeature *feature,
							  int64 difference, Jsonb *metadata);

#endif							/* QUOTA_APPLY_H */
