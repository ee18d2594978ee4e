/*-------------------------------------------------------------------------
 *
 * attempt.c
 *		Charging the accounts of a path, attempt by attempt.
 *
 * The engine locks first, so that no window moves between the look-up and the
 * charge; then the path is looked up under a fresh snapshot.  A scheduled change of
 * plan that has come into force is carried out, and is all that the attempt does:
 * it moves windows, which the next look-up must see.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"

#include "base/settings.h"
#include "decide/attempt.h"
#include "engine/engine.h"
#include "store/sql.h"

/* Carries scheduled changes of plan out that have come into force on the path. */
static void
carry_out_due(const QuotaPath *path)
{
	static QuotaStatement carry_out = {
		.text = "SELECT quota_internal._carry_out($1)",
		.nparams = 1,
		.types = {TEXTOID}
	};
	int64		carried_out = 0;
	QuotaIdentity caller;

	quota_sql_begin(&caller);
	for (int i = 0; i < path->subject->nlevels; i++)
	{
		Datum		prefix;
		bool		isnull;

		if (path->subscriptions[i] == NULL || !path->subscriptions[i]->due)
			continue;
		prefix = PointerGetDatum(cstring_to_text_with_len(path->subject->text,
														  path->subject->prefix_len[i]));
		(void) quota_sql_execute(&carry_out, &prefix, NULL);
		carried_out += DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1,
												   &isnull));
	}
	quota_sql_end(&caller);
	CommandCounterIncrement();
	/* an older snapshot cannot see the row that somebody else has changed */
	if (carried_out == 0 && IsolationUsesXactSnapshot())
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("could not serialize access due to a concurrent change of plan")));
}

static bool
attempt_once(const QuotaSubject *subject, bool counts, QuotaAttempt *attempt, void *arg)
{
	Snapshot	snapshot;
	QuotaPath	path;
	bool		done = false;

	CHECK_FOR_INTERRUPTS();
	if (counts)
		quota_engine_enter();
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	quota_path_look_up(&path, subject, quota_now(), snapshot);
	if (quota_path_is_due(&path))
		carry_out_due(&path);
	else
		done = attempt(&path, arg);
	UnregisterSnapshot(snapshot);
	if (done)
		CommandCounterIncrement();
	return done;
}

void
quota_attempt(const QuotaSubject *subject, bool counts, QuotaAttempt *attempt, void *arg)
{
	while (!attempt_once(subject, counts, attempt, arg))
		counts = true;
}
