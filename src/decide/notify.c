/*-------------------------------------------------------------------------
 *
 * notify.c
 *		Events of thresholds that use has crossed.
 *
 * Whether a threshold was told before in its window is asked of the events
 * themselves, only at the moment of a crossing: nothing has to be kept for it in
 * the row that every charge updates.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "decide/notify.h"
#include "engine/room.h"
#include "store/sql.h"

/* An account's numbers around a charge. */
typedef struct Crossing
{
	int64		allowance;
	int64		used_before;
	int64		used_after;
} Crossing;

static void
record(const QuotaPath *path, const QuotaAccount *account, const char *threshold, int64 value,
	   const Crossing *crossing)
{
	static QuotaStatement insert = {
		.text = "SELECT quota._record_threshold($1, $2, $3, $4, $5, $6, $7, $8)",
		.nparams = 8,
		.types = {TEXTOID, INT4OID, TEXTOID, INT8OID, INT8OID, INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID}
	};
	Datum		values[8];
	QuotaIdentity caller;

	values[0] = PointerGetDatum(cstring_to_text_with_len(path->subject->text,
														 path->subject->prefix_len[account->level]));
	values[1] = Int32GetDatum(account->ref->key.feature_id);
	values[2] = CStringGetTextDatum(threshold);
	values[3] = Int64GetDatum(value);
	values[4] = Int64GetDatum(crossing->allowance);
	values[5] = Int64GetDatum(crossing->used_after);
	values[6] = TimestampTzGetDatum(account->window.start);
	values[7] = TimestampTzGetDatum(account->window.end);
	quota_sql_begin(&caller);
	(void) quota_sql_execute(&insert, values, NULL);
	quota_sql_end(&caller);
}

static int64
left(int64 allowance, int64 used)
{
	return allowance > used ? allowance - used : 0;
}

static void
notify_account(const QuotaPath *path, const QuotaAccount *account)
{
	const QuotaTerms *terms = account->terms;
	const QuotaBucketRef *ref = account->ref;
	Crossing	crossing;

	crossing.allowance = quota_shown_allowance(ref);
	crossing.used_after = quota_shown_use(ref);
	crossing.used_before = crossing.used_after - quota_total(&ref->change);
	for (int i = 0; i < terms->npercents; i++)
	{
		int128		line = (int128) terms->percents[i] * crossing.allowance;

		if ((int128) crossing.used_before * 100 < line && (int128) crossing.used_after * 100 >= line)
			record(path, account, "percent", terms->percents[i], &crossing);
	}
	for (int i = 0; i < terms->nremainders; i++)
	{
		if (left(crossing.allowance, crossing.used_before) > terms->remainders[i] &&
			left(crossing.allowance, crossing.used_after) <= terms->remainders[i])
			record(path, account, "remaining", terms->remainders[i], &crossing);
	}
}

void
quota_notify(const QuotaPath *path, const QuotaAccounts *accounts)
{
	for (int i = 0; i < accounts->naccounts; i++)
	{
		const QuotaAccount *account = &accounts->accounts[i];

		if (account->ref != NULL && account->terms != NULL && !account->ref->unlimited &&
			(account->terms->npercents > 0 || account->terms->nremainders > 0))
			notify_account(path, account);
	}
}
