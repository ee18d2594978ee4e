/*-------------------------------------------------------------------------
 *
 * gate.h
 *		What a gate's triggers say.
 *
 * A gate is its triggers: their arguments are all that is stored of it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QUOTA_GATE_H
#define QUOTA_GATE_H

#include "executor/spi.h"
#include "store/catalog.h"
#include "utils/rel.h"
#include "utils/reltrigger.h"

#define QUOTA_MAX_EXPRESSION_BYTES	8192
#define QUOTA_GATE_ARGUMENTS		6
#define QUOTA_GATE_REMEMBER			"remember"	/* the last of them */

typedef struct QuotaGate
{
	Oid			trigger;		/* the key of those that are kept */
	MemoryContext context;		/* where its texts are; NULL: the caller's */
	const char *feature;
	const char *subject;		/* expression over the row, of any type */
	const char *amount;			/* expression over the row, of an integer type */
	const char *refund;			/* on_decrease, never, or NULL: by the feature's kind */
	bool		overdraw;		/* never refuse */
	bool		remember;		/* what each row was charged is kept */
	struct QuotaGateColumns *columns;	/* which columns its expressions are;
										 * NULL: not looked at yet */
	SPIPlanPtr	rows;			/* else how they are computed; NULL: not planned yet */
	const char *row_key;		/* the columns that "rows" reads as the key */
} QuotaGate;

/* the OID of quota.gate() */
extern Oid	quota_gate_function(void);

/* from the arguments of gate(); 22023 saying what they have to be */
extern void quota_gate_declare(int nargs, char *const *args, QuotaGate *gate);

/* that of a trigger, with its plan kept in this session */
extern QuotaGate *quota_gate_of(const Trigger *trigger);

/* its feature: metered or capacity, else 22023; QT404 */
extern const QuotaFeature *quota_gate_feature(const QuotaGate *gate);

/* does it give back what goes? */
extern bool quota_gate_gives_back(const QuotaGate *gate, const QuotaFeature *feature);

#endif							/* QUOTA_GATE_H */
