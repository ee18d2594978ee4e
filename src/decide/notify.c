/*-------------------------------------------------------------------------
 *
 * notify.c
 *		Events of thresholds that use has crossed.
 *
 * A threshold is told by the operation that crosses it: not reached before it,
 * reached after it.  So nothing has to be kept for it in the row that every charge
 * updates, and two charges that cross it together are told apart by the lock of
 * that row.  What open holds have is an estimate, and left out.
 *
 * A grant that expires is no operation, but it lowers the limit.  Whoever sees it
 * first, a charge or maintain(), marks it as seen and tells what it crossed; a
 * charge looks only where a threshold is reached.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/errors.h"
#include "base/settings.h"
#include "decide/notify.h"
#include "engine/room.h"
#include "store/sql.h"

/* What thresholds look at. */
typedef struct Standing
{
	bool		limited;		/* else no threshold is reached */
	int128		allowance;
	int64		used;
} Standing;

static Standing
standing_of(const QuotaMeter *meter)
{
	Standing	standing = {.limited = !meter->limits.unlimited};
	int64		used = quota_shown_use(meter);

	standing.allowance = quota_shown_allowance(meter);
	standing.used = used - Min(used, meter->balance.bucket.reserved);
	return standing;
}

static bool
has_thresholds(const QuotaAccount *account)
{
	return account->meter != NULL && account->terms != NULL &&
		(account->terms->npercents > 0 || account->terms->nremainders > 0);
}

static bool
percent_reached(const Standing *standing, int percent)
{
	return standing->limited && (int128) standing->used * 100 >= percent * standing->allowance;
}

static bool
remainder_reached(const Standing *standing, int64 remainder)
{
	return standing->limited && standing->allowance - standing->used <= remainder;
}

static bool
any_reached(const QuotaTerms *terms, const Standing *standing)
{
	for (int i = 0; i < terms->npercents; i++)
	{
		if (percent_reached(standing, terms->percents[i]))
			return true;
	}
	for (int i = 0; i < terms->nremainders; i++)
	{
		if (remainder_reached(standing, terms->remainders[i]))
			return true;
	}
	return false;
}

static Datum
prefix_datum(const QuotaPath *path, int level)
{
	return PointerGetDatum(cstring_to_text_with_len(path->subject->text,
													path->subject->prefix_len[level]));
}

static void
record(const QuotaPath *path, const QuotaAccount *account, const char *threshold, int64 value,
	   const Standing *standing)
{
	static QuotaStatement insert = {
		.text = "SELECT quota_internal._record_threshold($1, $2, $3, $4, $5, $6, $7, $8)",
		.nparams = 8,
		.types = {TEXTOID, INT4OID, TEXTOID, INT8OID, INT8OID, INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID}
	};
	Datum		values[8];
	QuotaIdentity caller;

	values[0] = prefix_datum(path, account->level);
	values[1] = Int32GetDatum(account->meter->key.account.feature_id);
	values[2] = CStringGetTextDatum(threshold);
	values[3] = Int64GetDatum(value);
	values[4] = Int64GetDatum((int64) standing->allowance);
	values[5] = Int64GetDatum(standing->used);
	values[6] = TimestampTzGetDatum(account->meter->key.start);
	values[7] = TimestampTzGetDatum(account->meter->key.end);
	quota_sql_begin(&caller);
	(void) quota_sql_execute(&insert, values, NULL);
	quota_sql_end(&caller);
}

static void
tell_crossed(const QuotaPath *path, const QuotaAccount *account, const Standing *before,
			 const Standing *after)
{
	const QuotaTerms *terms = account->terms;

	for (int i = 0; i < terms->npercents; i++)
	{
		if (percent_reached(after, terms->percents[i]) &&
			!percent_reached(before, terms->percents[i]))
			record(path, account, "percent", terms->percents[i], after);
	}
	for (int i = 0; i < terms->nremainders; i++)
	{
		if (remainder_reached(after, terms->remainders[i]) &&
			!remainder_reached(before, terms->remainders[i]))
			record(path, account, "remaining", terms->remainders[i], after);
	}
}

/* ---- charges ---- */

static bool
has_unseen_expiry(const Datum *values)
{
	static QuotaStatement select = {
		.text = "SELECT FROM quota_internal.credit_grant g"
		" WHERE g.subject OPERATOR(pg_catalog.=) $1 AND g.feature_id OPERATOR(pg_catalog.=) $2"
		" AND g.expires_at OPERATOR(pg_catalog.<=) $3 AND NOT g.expiry_seen LIMIT 1",
		.nparams = 3,
		.types = {TEXTOID, INT4OID, TIMESTAMPTZOID}
	};
	Datum		given[3];

	given[0] = values[0];
	given[1] = values[1];
	given[2] = TimestampTzGetDatum(quota_now());
	return quota_sql_execute(&select, given, NULL) > 0;
}

/*
 * Marks the account's grants that have expired as seen; how many, and in *lost what
 * that took from the limit of the present window.
 */
static int64
see_expired_grants(const QuotaPath *path, int level, int32 feature_id, TimestampTz since,
				   int64 *lost)
{
	static QuotaStatement see = {
		.text = "SELECT e.seen, e.lost FROM quota_internal._see_expired_grants($1, $2, $3) e",
		.nparams = 3,
		.types = {TEXTOID, INT4OID, TIMESTAMPTZOID}
	};
	Datum		values[3];
	QuotaIdentity caller;
	int64		seen = 0;
	bool		isnull;

	*lost = 0;
	values[0] = prefix_datum(path, level);
	values[1] = Int32GetDatum(feature_id);
	values[2] = TimestampTzGetDatum(since);
	quota_sql_begin(&caller);
	if (has_unseen_expiry(values))
	{
		(void) quota_sql_execute(&see, values, NULL);
		seen = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
		*lost = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2, &isnull));
	}
	quota_sql_end(&caller);
	return seen;
}

/* "charged" is how much of the use is the operation's. */
static void
notify_account(const QuotaPath *path, const QuotaAccount *account, int64 charged)
{
	Standing	after = standing_of(account->meter);
	Standing	before = after;
	int64		lost = 0;

	if (!any_reached(account->terms, &after))
		return;
	before.used -= Min(before.used, charged);
	/* what an old snapshot cannot mark is left to maintain() */
	if (!IsolationUsesXactSnapshot())
		(void) see_expired_grants(path, account->level, account->meter->key.account.feature_id,
								  account->meter->key.start, &lost);
	before.allowance += lost;
	tell_crossed(path, account, &before, &after);
}

void
quota_notify(const QuotaPath *path, const QuotaAccounts *accounts)
{
	for (int i = 0; i < accounts->naccounts; i++)
	{
		const QuotaAccount *account = &accounts->accounts[i];

		if (has_thresholds(account))
			notify_account(path, account, quota_total(&account->meter->outcome.change));
	}
}

/* What a debit has in the account's present window, by what the ledger says. */
static int64
charged_in(const QuotaDebit *debit, const QuotaPath *path, const QuotaAccount *account)
{
	const QuotaWindowKey *window = &account->meter->key;
	int64		charged = 0;

	for (int i = 0; i < debit->nparts; i++)
	{
		QuotaWindowKey key = debit->parts[i].key;

		if (key.account.prefix_len != window->account.prefix_len)
			continue;
		(void) quota_engine_locate(&key, Max(debit->id, debit->parts[i].entry_id), path->snapshot);
		if (quota_same_window(&key, window))
			charged = quota_add(charged, debit->parts[i].amount, "use");
	}
	return charged;
}

void
quota_notify_settled(const QuotaDebit *debit)
{
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	QuotaMeter	meters[QUOTA_MAX_LEVELS];
	QuotaDebit	settled = {0};
	QuotaAccounts accounts;
	QuotaPath	path;

	quota_path_look_up(&path, &debit->subject, quota_now(), snapshot);
	quota_accounts_of(&path, debit->feature, meters, &accounts);
	for (int i = 0; i < accounts.naccounts; i++)
	{
		QuotaAccount *account = &accounts.accounts[i];

		if (!has_thresholds(account))
			continue;
		if (settled.id == 0 && !quota_debit_read(debit->id, snapshot, &settled))
			break;
		quota_engine_peek(account->meter, 1, snapshot);
		notify_account(&path, account, charged_in(&settled, &path, account));
	}
	UnregisterSnapshot(snapshot);
}

/* ---- administration ---- */

/* The subject's own account of a feature that is counted, with its numbers of now; or NULL. */
static QuotaAccount *
own_account(const QuotaPath *path, const QuotaFeature *feature, QuotaMeter *meters,
			QuotaAccounts *accounts)
{
	QuotaAccount *own;

	if (feature->kind != QUOTA_METERED && feature->kind != QUOTA_CAPACITY)
		return NULL;
	quota_accounts_of(path, feature, meters, accounts);
	own = quota_own_account(path, accounts);
	if (own == NULL || own->terms == NULL)
		return NULL;
	quota_engine_peek(own->meter, 1, path->snapshot);
	return own;
}

/* Four numbers of each account: feature, is it limited, allowance, use. */
#define STANDING_COLUMNS	4

ArrayType *
quota_standings(const QuotaSubject *subject)
{
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	QuotaPath	path;
	Datum	   *numbers;
	int			n = 0;

	quota_path_look_up(&path, subject, quota_now(), snapshot);
	numbers = (Datum *) palloc(sizeof(Datum) * STANDING_COLUMNS * Max(path.catalog->nfeatures, 1));
	for (int i = 0; i < path.catalog->nfeatures; i++)
	{
		QuotaMeter	meters[QUOTA_MAX_LEVELS];
		QuotaAccounts accounts;
		QuotaAccount *own = own_account(&path, &path.catalog->features[i], meters, &accounts);
		Standing	standing;

		if (own == NULL)
			continue;
		standing = standing_of(own->meter);
		numbers[n++] = Int64GetDatum(own->meter->key.account.feature_id);
		numbers[n++] = Int64GetDatum(standing.limited);
		numbers[n++] = Int64GetDatum((int64) standing.allowance);
		numbers[n++] = Int64GetDatum(standing.used);
	}
	UnregisterSnapshot(snapshot);
	return construct_array(numbers, n, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE);
}

/* Of a feature that was not given before, no threshold was reached. */
static Standing
standing_before(const int64 *numbers, int n, int32 feature_id)
{
	Standing	standing = {0};

	for (int i = 0; i + STANDING_COLUMNS <= n; i += STANDING_COLUMNS)
	{
		if (numbers[i] != feature_id)
			continue;
		standing.limited = numbers[i + 1] != 0;
		standing.allowance = numbers[i + 2];
		standing.used = numbers[i + 3];
	}
	return standing;
}

void
quota_notify_changed(const QuotaSubject *subject, ArrayType *standings)
{
	const int64 *numbers = (const int64 *) ARR_DATA_PTR(standings);
	int			n = ArrayGetNItems(ARR_NDIM(standings), ARR_DIMS(standings));
	Snapshot	snapshot;
	QuotaPath	path;

	if (ARR_HASNULL(standings) || n % STANDING_COLUMNS != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("standings are not what quota_internal._standings() returned")));
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	quota_path_look_up(&path, subject, quota_now(), snapshot);
	for (int i = 0; i < path.catalog->nfeatures; i++)
	{
		QuotaMeter	meters[QUOTA_MAX_LEVELS];
		QuotaAccounts accounts;
		QuotaAccount *own = own_account(&path, &path.catalog->features[i], meters, &accounts);
		Standing	before;
		Standing	after;

		if (own == NULL || !has_thresholds(own))
			continue;
		before = standing_before(numbers, n, own->meter->key.account.feature_id);
		after = standing_of(own->meter);
		tell_crossed(&path, own, &before, &after);
	}
	UnregisterSnapshot(snapshot);
}

int64
quota_notify_expired(const QuotaSubject *subject, int32 feature_id)
{
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	const QuotaFeature *feature;
	QuotaMeter	meters[QUOTA_MAX_LEVELS];
	QuotaAccounts accounts;
	QuotaAccount *own = NULL;
	QuotaPath	path;
	int64		seen;
	int64		lost;

	quota_path_look_up(&path, subject, quota_now(), snapshot);
	feature = quota_catalog_feature_by_id(path.catalog, feature_id);
	if (feature != NULL)
		own = own_account(&path, feature, meters, &accounts);
	seen = see_expired_grants(&path, subject->nlevels - 1, feature_id,
							  own ? own->meter->key.start : DT_NOBEGIN, &lost);
	if (own != NULL && has_thresholds(own) && lost > 0)
	{
		Standing	after = standing_of(own->meter);
		Standing	before = after;

		before.allowance += lost;
		tell_crossed(&path, own, &before, &after);
	}
	UnregisterSnapshot(snapshot);
	return seen;
}
