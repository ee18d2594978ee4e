/*-------------------------------------------------------------------------
 *
 * charge.c
 *		Charging a path and giving back, ledger included.
 *
 * Order of a charge: the engine is opened first, then plans are looked up under
 * a fresh snapshot, then the engine takes, then the ledger is written.  When the
 * engine says that a window was superseded meanwhile (a plan change moved its
 * use), all of it is done again.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/snapmgr.h"

#include "base/settings.h"
#include "decide/charge.h"
#include "store/denial.h"
#include "store/ledger.h"

/* at most two entries (allowance, overdrawn) for each level */
#define MAX_ENTRIES		(2 * QUOTA_MAX_LEVELS)

void
quota_write_entries(const QuotaRequest *request, const QuotaAccounts *accounts,
					TimestampTz at, char kind, int sign, int64 *id)
{
	QuotaEntry	entries[MAX_ENTRIES];
	int			n = 0;
	bool		capacity = accounts->feature->kind == QUOTA_CAPACITY;

	if (*id == 0)
		*id = quota_ledger_next_id();
	for (int i = 0; i < accounts->nrefs; i++)
	{
		const QuotaBucketRef *ref = &accounts->refs[i];
		int64		parts[2] = {ref->change.used, ref->change.overdrawn};

		for (int part = 0; part < 2; part++)
		{
			QuotaEntry *e;

			if (parts[part] == 0)
				continue;
			e = &entries[n];
			e->id = n == 0 ? *id : quota_ledger_next_id();
			e->at = at;
			e->subject = request->subject.text;
			e->bucket = ref->key;
			e->kind = kind;
			e->source = part == 1 ? QUOTA_SOURCE_OVERDRAWN :
				capacity ? QUOTA_SOURCE_CAPACITY : QUOTA_SOURCE_ALLOWANCE;
			e->amount = sign * parts[part];
			e->debit_id = *id;
			e->key = request->key;
			e->metadata = request->metadata;
			n++;
		}
	}
	QuotaEnsure(n > 0);
	quota_ledger_append(entries, n);
	CommandCounterIncrement();
}

/* Refused: an error, or a record and an answer. */
static void
refuse(const QuotaRequest *request, const QuotaPath *path, const QuotaAccounts *accounts,
	   const QuotaVerdict *verdict)
{
	if (request->raise && !quota_observing())
		quota_raise_verdict(path, accounts, request->amount, verdict);
	quota_denial_record(request->subject.text, accounts->feature->id,
						quota_reason_name(verdict->reason), path->at);
	CommandCounterIncrement();
}

/*
 * Takes from the engine.  Returns QUOTA_OK or QUOTA_EXCEEDED as *reason says
 * what enforce would answer, however it came out.
 */
static QuotaTakeResult
take(const QuotaRequest *request, QuotaAccounts *accounts, int64 *taken, QuotaReason *reason)
{
	const QuotaEngine *engine = quota_engine();
	QuotaTakeMode mode = request->up_to ? QUOTA_TAKE_UP_TO : QUOTA_TAKE_ALL;
	QuotaTakeResult result;
	bool		had_room = false;

	*reason = QUOTA_OK;
	result = engine->take(accounts->refs, accounts->nrefs, request->amount, mode,
						  taken, &had_room);
	if (result != QUOTA_NO_ROOM)
		return result;
	*reason = QUOTA_EXCEEDED;
	if (!quota_observing())
		return result;

	/* room may have come back meanwhile: then it was no refusal after all */
	result = engine->take(accounts->refs, accounts->nrefs, request->amount,
						  QUOTA_TAKE_OVERDRAW, taken, &had_room);
	if (result == QUOTA_TAKEN && had_room)
		*reason = QUOTA_OK;
	return result;
}

/*
 * One attempt; false if it has to be repeated because a window was superseded.
 */
static bool
charge_once(const QuotaRequest *request, const QuotaPath *path, QuotaOutcome *outcome)
{
	const QuotaFeature *feature = quota_catalog_require_feature(path->catalog, request->feature);
	QuotaVerdict *verdict = &outcome->verdict;
	QuotaAccounts accounts;
	QuotaReason refused;
	QuotaReason room_reason;
	QuotaTakeResult result;

	if (feature->kind == QUOTA_STATIC)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("feature \"%s\" is static: there is nothing to charge", feature->name),
				 errhint("Read it with quota.setting().")));
	quota_accounts_of(path, feature, &accounts);

	/* what refuses whatever the room: not entitled, not active */
	quota_judge(path, &accounts, 0, verdict);
	refused = verdict->reason;
	if (refused == QUOTA_SUBSCRIPTION_INACTIVE && accounts.nrefs > 0)
	{
		quota_engine()->peek(accounts.refs, accounts.nrefs, path->snapshot);
		quota_judge(path, &accounts, request->amount, verdict);
	}
	if (refused != QUOTA_OK)
	{
		refuse(request, path, &accounts, verdict);
		if (!quota_observing())
			return true;
	}
	if (accounts.nrefs == 0)
		return true;			/* boolean, or observed without any account */

	result = take(request, &accounts, &outcome->amount, &room_reason);
	if (result == QUOTA_STALE)
		return false;
	if (result == QUOTA_TAKEN)
	{
		outcome->id = request->id;
		quota_write_entries(request, &accounts, path->at, QUOTA_ENTRY_DEBIT, 1, &outcome->id);
	}
	else
		outcome->amount = 0;
	quota_judge(path, &accounts, room_reason == QUOTA_OK ? 0 : request->amount, verdict);
	if (refused == QUOTA_OK && room_reason != QUOTA_OK)
		refuse(request, path, &accounts, verdict);
	verdict->reason = refused != QUOTA_OK ? refused : room_reason;
	return true;
}

void
quota_charge(const QuotaRequest *request, QuotaOutcome *outcome)
{
	const QuotaEngine *engine = quota_engine();
	bool		done;

	do
	{
		Snapshot	snapshot;
		QuotaPath	path;

		CHECK_FOR_INTERRUPTS();
		memset(outcome, 0, sizeof(*outcome));
		engine->open();
		snapshot = RegisterSnapshot(GetLatestSnapshot());
		quota_path_look_up(&path, &request->subject, quota_now(), snapshot);
		done = charge_once(request, &path, outcome);
		UnregisterSnapshot(snapshot);
		engine->close();
	} while (!done);
}

void
quota_charge_verdict(const QuotaSubject *subject, const char *feature, QuotaVerdict *verdict)
{
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	QuotaAccounts accounts;
	QuotaPath	path;

	quota_path_look_up(&path, subject, quota_now(), snapshot);
	quota_accounts_of(&path, quota_catalog_require_feature(path.catalog, feature), &accounts);
	quota_engine()->peek(accounts.refs, accounts.nrefs, snapshot);
	quota_judge(&path, &accounts, 0, verdict);
	UnregisterSnapshot(snapshot);
}
