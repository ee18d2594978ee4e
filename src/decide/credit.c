/*-------------------------------------------------------------------------
 *
 * credit.c
 *		Grants are given, and use is corrected.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/errors.h"
#include "base/settings.h"
#include "decide/attempt.h"
#include "decide/credit.h"
#include "decide/notify.h"
#include "engine/booking.h"
#include "store/sql.h"

static const QuotaFeature *
require_countable(const QuotaPath *path, const char *name)
{
	const QuotaFeature *feature = quota_catalog_require_feature(path->catalog, name);

	if (feature->kind != QUOTA_METERED && feature->kind != QUOTA_CAPACITY)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("feature \"%s\" is of kind %s: nothing is counted",
						feature->name, quota_kind_name(feature->kind))));
	return feature;
}

/* ---- credit ---- */

/* Would a grant to this prefix be of any use? */
static void
require_use_for_grant(QuotaAccounts *accounts, const QuotaPath *path)
{
	if (accounts->naccounts == 0 || accounts->accounts[0].terms == NULL ||
		quota_own_account(path, accounts) != NULL)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("\"%s\" has no entitlement to feature \"%s\" of its own",
					path->subject->text, accounts->feature->name),
			 errhint("Credit \"%s\", whose plan gives the feature, or give this subject an override.",
					 quota_subject_prefix(path->subject, accounts->accounts[0].level))));
}

static int64
insert_grant(const QuotaRequest *request, const QuotaPath *path, const QuotaFeature *feature,
			 int64 plan_allowance)
{
	static QuotaStatement insert = {
		.text = "SELECT quota_internal._credit($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
		.nparams = 12,
		.types = {
			TEXTOID, INT4OID, INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID, TEXTOID, TEXTOID, INT4OID,
			TEXTOID, JSONBOID, INT8OID, BOOLOID
		}
	};
	const QuotaCredit *credit = (const QuotaCredit *) request->extra;
	const QuotaSubscription *sub = quota_path_subscription(path, path->subject->nlevels - 1);
	char		nulls[] = "            ";
	Datum		values[12];
	int64		id;
	bool		isnull;
	QuotaIdentity caller;

	values[0] = CStringGetTextDatum(request->subject.text);
	values[1] = Int32GetDatum(feature->id);
	values[2] = Int64GetDatum(request->items[0].amount);
	values[3] = TimestampTzGetDatum(credit->effective_at);
	values[4] = TimestampTzGetDatum(credit->expires_at);
	values[5] = credit->every ? CStringGetTextDatum(credit->every) : (Datum) 0;
	nulls[5] = credit->every ? ' ' : 'n';
	values[6] = CStringGetTextDatum(sub ? sub->timezone : "UTC");
	values[7] = Int32GetDatum(credit->priority);
	values[8] = CStringGetTextDatum(credit->source);
	values[9] = PointerGetDatum(request->metadata);
	nulls[9] = request->metadata ? ' ' : 'n';
	values[10] = Int64GetDatum(plan_allowance);
	values[11] = BoolGetDatum(credit->beyond_caps);
	quota_sql_begin(&caller);
	(void) quota_sql_execute(&insert, values, nulls);
	id = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	quota_sql_end(&caller);
	return id;
}

void
quota_credit(QuotaRequest *request)
{
	QuotaItem  *item = &request->items[0];
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	QuotaMeter	meters[QUOTA_MAX_LEVELS];
	const QuotaFeature *feature;
	const QuotaAccount *own;
	QuotaAccounts accounts;
	QuotaPath	path;

	quota_path_look_up(&path, &request->subject, quota_now(), snapshot);
	feature = require_countable(&path, item->feature);
	if (feature->kind == QUOTA_CAPACITY && ((const QuotaCredit *) request->extra)->beyond_caps)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("feature \"%s\" is a capacity, which has no caps to go beyond", feature->name)));
	quota_accounts_of(&path, feature, meters, &accounts);
	require_use_for_grant(&accounts, &path);
	own = quota_own_account(&path, &accounts);
	item->id = insert_grant(request, &path, feature,
							own && own->terms && !own->terms->unlimited ? own->terms->allowance : 0);
	item->charged = item->amount;
	UnregisterSnapshot(snapshot);
	CommandCounterIncrement();
	quota_charge_verdict(&request->subject, feature->name, &item->verdict);
}

/* ---- revoke ---- */

void
quota_grant_look_up(int64 grant_id, QuotaSubject *subject, const char **feature)
{
	static QuotaStatement select = {
		.text = "SELECT g.subject, f.name FROM quota_internal.credit_grant g"
		" JOIN quota_internal.feature f ON f.id OPERATOR(pg_catalog.=) g.feature_id"
		" WHERE g.id OPERATOR(pg_catalog.=) $1",
		.nparams = 1,
		.types = {INT8OID}
	};
	MemoryContext context = CurrentMemoryContext;
	Datum		values[1] = {Int64GetDatum(grant_id)};
	char	   *whose;
	QuotaIdentity caller;

	quota_sql_begin(&caller);
	if (quota_sql_execute(&select, values, NULL) == 0)
		quota_raise_not_found("grant", psprintf(INT64_FORMAT, grant_id));
	whose = MemoryContextStrdup(context, SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1));
	*feature = MemoryContextStrdup(context, SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2));
	quota_sql_end(&caller);
	quota_subject_parse(CStringGetTextDatum(whose), false, subject);
}

void
quota_revoke(QuotaRequest *request)
{
	static QuotaStatement call = {
		.text = "SELECT quota_internal._revoke($1, $2, $3)",
		.nparams = 3,
		.types = {INT8OID, INT8OID, TEXTOID}
	};
	QuotaItem  *item = &request->items[0];
	char		nulls[] = "   ";
	Datum		values[3];
	bool		isnull;
	QuotaIdentity caller;

	values[0] = Int64GetDatum(request->debit_id);
	values[1] = Int64GetDatum(item->amount);
	nulls[1] = item->amount == 0 ? 'n' : ' ';
	/* the key has been claimed for the subject that the grant had */
	values[2] = request->key ? CStringGetTextDatum(request->subject.text) : (Datum) 0;
	nulls[2] = request->key ? ' ' : 'n';
	quota_sql_begin(&caller);
	(void) quota_sql_execute(&call, values, nulls);
	item->charged = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1,
												&isnull));
	quota_sql_end(&caller);
	item->id = item->charged > 0 ? request->debit_id : 0;
}

/* ---- set_usage ---- */

static void
window_values(const QuotaWindowKey *window, Datum *values)
{
	values[0] = quota_prefix_text(&window->account);
	values[1] = Int32GetDatum(window->account.feature_id);
	values[2] = Int64GetDatum(window->source_id);
	values[3] = TimestampTzGetDatum(window->start);
	values[4] = TimestampTzGetDatum(window->end);
}

/* The grants that a window has taken from, the last in rule order first, with how much. */
static int
grants_taken(const QuotaWindowKey *window, QuotaPart **parts)
{
	static QuotaStatement select = {
		.text = "SELECT t.grant_id, t.at, t.amount FROM quota_internal._grants_taken($1, $2, $3, $4, $5) t",
		.nparams = 5,
		.types = {TEXTOID, INT4OID, INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID}
	};
	MemoryContext context = CurrentMemoryContext;
	Datum		values[5];
	int			n;
	QuotaIdentity caller;

	window_values(window, values);
	quota_sql_begin(&caller);
	n = (int) quota_sql_execute(&select, values, NULL);
	*parts = (QuotaPart *) MemoryContextAllocZero(context, sizeof(QuotaPart) * Max(n, 1));
	for (int i = 0; i < n; i++)
	{
		HeapTuple	tuple = SPI_tuptable->vals[i];
		TupleDesc	desc = SPI_tuptable->tupdesc;
		QuotaPart  *part = &(*parts)[i];
		bool		isnull;

		part->key = *window;
		part->source = QUOTA_SOURCE_GRANT;
		part->grant_id = DatumGetInt64(SPI_getbinval(tuple, desc, 1, &isnull));
		part->at = DatumGetTimestampTz(SPI_getbinval(tuple, desc, 2, &isnull));
		part->amount = DatumGetInt64(SPI_getbinval(tuple, desc, 3, &isnull));
	}
	quota_sql_end(&caller);
	return n;
}

/* Takes what open holds have off the counts of a window. */
static void
leave_out_held(const QuotaWindowKey *window, QuotaCounts *counts)
{
	static QuotaStatement select = {
		.text = "SELECT h.source, h.amount FROM quota_internal._held_use($1, $2, $3, $4, $5) h",
		.nparams = 5,
		.types = {TEXTOID, INT4OID, INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID}
	};
	Datum		values[5];
	int			n;
	QuotaIdentity caller;

	window_values(window, values);
	quota_sql_begin(&caller);
	n = (int) quota_sql_execute(&select, values, NULL);
	for (int i = 0; i < n; i++)
	{
		HeapTuple	tuple = SPI_tuptable->vals[i];
		TupleDesc	desc = SPI_tuptable->tupdesc;
		bool		isnull;
		char		source = DatumGetChar(SPI_getbinval(tuple, desc, 1, &isnull));
		int64	   *count = quota_count_of(counts, source);

		*count -= Min(*count, DatumGetInt64(SPI_getbinval(tuple, desc, 2, &isnull)));
	}
	quota_sql_end(&caller);
}

static void
plan_part(QuotaGiving *givings, int *n, QuotaPart part, int64 *left)
{
	part.amount = Min(part.amount, *left);
	if (part.amount <= 0)
		return;
	*left -= part.amount;
	memset(&givings[*n], 0, sizeof(QuotaGiving));
	givings[*n].part = part;
	givings[*n].leaves_caps = true;
	(*n)++;
}

/* Overdrawn first, then overage, grants, allowance; but not what open holds have. */
static int
plan_correction(const QuotaMeter *meter, int64 amount, QuotaGiving **givings)
{
	static const char plain[] = {QUOTA_SOURCE_OVERDRAWN, QUOTA_SOURCE_OVERAGE};
	QuotaCounts counts = meter->balance.bucket.counts;
	QuotaPart  *granted;
	int			ngranted = counts.granted > 0 ? grants_taken(&meter->key, &granted) : 0;
	QuotaPart	part = {.key = meter->key,.at = meter->at};
	int64		left = amount;
	int			n = 0;

	if (meter->balance.bucket.reserved > 0)
		leave_out_held(&meter->key, &counts);
	*givings = (QuotaGiving *) palloc(sizeof(QuotaGiving) * (ngranted + 3));
	for (int i = 0; i < (int) lengthof(plain); i++)
	{
		part.source = plain[i];
		part.amount = *quota_count_of(&counts, plain[i]);
		plan_part(*givings, &n, part, &left);
	}
	for (int i = 0; i < ngranted; i++)
		plan_part(*givings, &n, granted[i], &left);
	part.source = meter->limits.counts_only ? QUOTA_SOURCE_CAPACITY : QUOTA_SOURCE_ALLOWANCE;
	part.amount = counts.used;
	plan_part(*givings, &n, part, &left);
	return n;
}

/* What set_usage() speaks of: open holds left out. */
static int64
present_use(const QuotaMeter *meter)
{
	return quota_total(&meter->balance.bucket.counts) - meter->balance.bucket.reserved;
}

/*
 * The account is locked and meter's numbers are those of the row: take the
 * difference, or give it back.  False if a hold has expired since.
 */
static bool
correct(const QuotaPath *path, QuotaAccounts *accounts, QuotaRequest *request)
{
	QuotaItem  *item = &request->items[0];
	QuotaMeter *meter = &accounts->meters[0];
	QuotaEntry	template = quota_entry_template(request, item, path->at, QUOTA_ENTRY_CORRECTION);
	int64		present = present_use(meter);

	if (item->amount > present)
	{
		QuotaTakeResult result;
		Snapshot	snapshot;

		meter->amount = item->amount - present;
		CommandCounterIncrement();
		snapshot = RegisterSnapshot(GetLatestSnapshot());
		result = quota_engine_take(meter, 1, QUOTA_TAKE_OVERDRAW, snapshot);
		UnregisterSnapshot(snapshot);
		if (result != QUOTA_TAKEN)
			return false;
		item->id = quota_write_entries(accounts, &template);
		quota_notify(path, accounts);
	}
	else if (item->amount < present)
	{
		QuotaGiving *givings;
		int			n;

		CommandCounterIncrement();
		n = plan_correction(meter, present - item->amount, &givings);
		if (n > 0)
		{
			quota_engine_give(givings, n, PG_INT64_MAX);
			item->id = quota_book_given(givings, n, &template);
		}
	}
	return true;
}

/* One attempt; false if it has to be repeated. */
static bool
set_usage_once(const QuotaPath *path, void *arg)
{
	QuotaRequest *request = (QuotaRequest *) arg;
	QuotaMeter	meters[QUOTA_MAX_LEVELS];
	const QuotaFeature *feature = require_countable(path, request->items[0].feature);
	QuotaAccounts accounts;
	QuotaAccount *own;
	QuotaMeter	meter;

	quota_accounts_of(path, feature, meters, &accounts);
	own = quota_require_own_account(path, &accounts, request->items[0].amount);
	/* this account alone; what it was charged before is no matter of its rate */
	meter = *own->meter;
	meter.limits.rate = NULL;
	accounts.accounts[0] = *own;
	accounts.accounts[0].meter = &meter;
	accounts.naccounts = 1;
	accounts.meters = &meter;
	accounts.nmeters = 1;
	/* no difference leaves no trace */
	quota_engine_peek(&meter, 1, path->snapshot);
	if (present_use(&meter) == request->items[0].amount)
		return true;
	return quota_engine_lock(&meter, 1, path->snapshot) && correct(path, &accounts, request);
}

void
quota_set_usage(QuotaRequest *request)
{
	QuotaItem  *item = &request->items[0];

	quota_attempt(&request->subject, true, set_usage_once, request);
	item->charged = item->amount;
	quota_charge_verdict(&request->subject, item->feature, &item->verdict);
}

/* ---- lower ---- */

/* One attempt; false if it has to be repeated. */
static bool
lower_once(const QuotaPath *path, void *arg)
{
	QuotaRequest *request = (QuotaRequest *) arg;
	QuotaItem  *item = &request->items[0];
	QuotaEntry	template = quota_entry_template(request, item, path->at, QUOTA_ENTRY_CORRECTION);
	QuotaMeter	meters[QUOTA_MAX_LEVELS];
	QuotaGiving *givings = NULL;
	QuotaAccounts accounts;
	int			n = 0;

	quota_accounts_of(path, require_countable(path, item->feature), meters, &accounts);
	if (accounts.nmeters == 0)
		return true;
	/* a window without use stays as it is: locking it would fix what rolls over */
	quota_engine_peek(meters, accounts.nmeters, path->snapshot);
	for (int i = 0; i < accounts.nmeters; i++)
	{
		/* a correction is no matter of a rate */
		meters[i].limits.rate = NULL;
		if (present_use(&meters[i]) > 0 && !quota_engine_lock(&meters[i], 1, path->snapshot))
			return false;
	}
	CommandCounterIncrement();
	for (int i = 0; i < accounts.nmeters; i++)
	{
		QuotaGiving *here;
		int			nhere = plan_correction(&meters[i], Min(item->amount, present_use(&meters[i])), &here);

		if (nhere == 0)
			continue;
		givings = (QuotaGiving *)
			(givings ? repalloc(givings, sizeof(QuotaGiving) * (n + nhere)) :
			 palloc(sizeof(QuotaGiving) * nhere));
		memcpy(givings + n, here, sizeof(QuotaGiving) * nhere);
		n += nhere;
	}
	if (n == 0)
		return true;
	quota_engine_give(givings, n, PG_INT64_MAX);
	item->id = quota_book_given(givings, n, &template);
	return true;
}

void
quota_lower_usage(QuotaRequest *request)
{
	quota_attempt(&request->subject, true, lower_once, request);
}

/* ---- clear_caps ---- */

/* What is asked for, and what came of it. */
typedef struct Clearing
{
	const char *feature;
	int			ncleared;
} Clearing;

/* One attempt; false if it has to be repeated. */
static bool
clear_once(const QuotaPath *path, void *arg)
{
	Clearing   *clearing = (Clearing *) arg;
	const QuotaFeature *feature = quota_catalog_require_feature(path->catalog, clearing->feature);
	QuotaMeter	meters[QUOTA_MAX_LEVELS];
	QuotaAccounts accounts;
	const QuotaAccount *own;

	if (feature->kind != QUOTA_METERED)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("feature \"%s\" is of kind %s: it has no caps",
						feature->name, quota_kind_name(feature->kind))));
	quota_accounts_of(path, feature, meters, &accounts);
	own = quota_require_own_account(path, &accounts, 0);
	return quota_engine_clear_caps(own->meter, path->at, path->snapshot, &clearing->ncleared);
}

int
quota_clear_caps(const QuotaSubject *subject, const char *feature)
{
	Clearing	clearing = {.feature = feature};

	quota_attempt(subject, true, clear_once, &clearing);
	return clearing.ncleared;
}
