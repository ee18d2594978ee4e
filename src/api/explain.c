/*-------------------------------------------------------------------------
 *
 * explain.c
 *		quota.explain(): why a debit would be allowed or refused, step by step.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "utils/jsonb.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "api/result.h"
#include "base/args.h"
#include "base/errors.h"
#include "decide/judge.h"

PG_FUNCTION_INFO_V1(quota_sql_explain);

/* What is being explained, and how far. */
typedef struct Explanation
{
	ReturnSetInfo *rsinfo;
	const QuotaPath *path;
	const QuotaAccounts *accounts;
	int64		amount;
	int			nsteps;
} Explanation;

/* One step; available and takes are left out where "counts" is false. */
static void
put_step(Explanation *e, const char *level, const char *source, const char *detail,
		 bool limited, int64 available, bool counts, int64 takes, const char *verdict)
{
	QuotaResultRow	row = {0};

	quota_row_int32(&row, ++e->nsteps);
	quota_row_text(&row, level);
	quota_row_text(&row, source);
	quota_row_text(&row, detail);
	quota_row_int64_or_null(&row, counts && limited, available);
	quota_row_int64_or_null(&row, counts, takes);
	quota_row_text(&row, verdict);
	quota_row_put(e->rsinfo, &row);
}

/* A time in UTC, as the other reports write it. */
static const char *
time_text(TimestampTz at)
{
	StringInfoData buf;

	if (TIMESTAMP_NOT_FINITE(at))
		return "ever";
	initStringInfo(&buf);
	quota_json_time(&buf, at);
	/* without the quotes */
	buf.data[buf.len - 1] = '\0';
	return buf.data + 1;
}

static void
explain_plan(Explanation *e, const QuotaAccount *account, const char *level)
{
	const QuotaSubscription *sub = quota_path_subscription(e->path, account->level);
	const char *detail;

	if (account->terms == NULL)
		detail = "grants alone";
	else if (account->plan == NULL)
		detail = "override without a plan";
	else
		detail = psprintf("plan %s, version %d, %s", account->plan->plan, account->plan->version,
						  sub ? sub->status : "by default");
	if (account->of_members)
		detail = psprintf("%s; what the level above gives its members", detail);
	put_step(e, level, "plan", detail, false, 0, false, 0,
			 account->active ? "ok" : quota_reason_name(QUOTA_SUBSCRIPTION_INACTIVE));
}

static void
explain_allowance(Explanation *e, const QuotaAccount *account, const char *level)
{
	const QuotaMeter *meter = account->meter;
	StringInfoData detail;

	initStringInfo(&detail);
	if (meter->limits.unlimited)
		appendStringInfoString(&detail, "unlimited");
	else
		appendStringInfo(&detail, INT64_FORMAT " of " INT64_FORMAT " used",
						 quota_shown_use(meter), quota_shown_allowance(meter));
	if (meter->balance.bucket.is_prorated)
		appendStringInfo(&detail, ", prorated to " INT64_FORMAT, meter->balance.bucket.prorated);
	if (meter->balance.bucket.rolled_in > 0)
		appendStringInfo(&detail, ", " INT64_FORMAT " rolled over", meter->balance.bucket.rolled_in);
	if (meter->balance.bucket.reserved > 0)
		appendStringInfo(&detail, ", " INT64_FORMAT " reserved", meter->balance.bucket.reserved);
	if (meter->balance.bucket.counts.overdrawn > 0)
		appendStringInfo(&detail, ", " INT64_FORMAT " overdrawn", meter->balance.bucket.counts.overdrawn);
	if (!TIMESTAMP_NOT_FINITE(meter->key.end))
		appendStringInfo(&detail, ", until %s", time_text(meter->key.end));
	put_step(e, level, meter->limits.counts_only ? "capacity" : "allowance", detail.data, !meter->limits.unlimited,
			 quota_allowance_left(meter), true, meter->outcome.change.used, "ok");
}

static void
explain_grants(Explanation *e, const QuotaMeter *meter, const char *level)
{
	for (int i = 0; i < meter->balance.ngrants; i++)
	{
		const QuotaAccountGrant *grant = &meter->balance.grants[i];
		TimestampTz end = grant->grant.period.end;

		put_step(e, level, "grant",
				 psprintf("grant " INT64_FORMAT " (%s), priority %d, %s%s", grant->grant.id,
						  grant->grant.source, grant->grant.priority,
						  TIMESTAMP_NOT_FINITE(end) ? "never ends" : psprintf("until %s", time_text(end)),
						  grant->grant.beyond_caps ? ", beyond caps" : ""),
				 true, Max(grant->grant.amount - grant->used, 0), true, grant->change, "ok");
	}
}

static void
explain_caps(Explanation *e, const QuotaMeter *meter, const char *level)
{
	for (int i = 0; i < meter->balance.ncaps; i++)
	{
		const QuotaAccountCap *cap = &meter->balance.caps[i];
		int64		room = quota_cap_room(cap);
		bool		first_use = TIMESTAMP_IS_NOBEGIN(cap->key.window_start);

		put_step(e, level, "cap",
				 psprintf(INT64_FORMAT " of " INT64_FORMAT " used, %s",
						  cap->used, cap->ceiling,
						  first_use && !cap->opened ? "opens with the first use" :
						  psprintf("until %s", time_text(cap->window.end))),
				 true, room, true, meter->outcome.capped,
				 room >= meter->outcome.capped ? "ok" : quota_reason_name(QUOTA_EXCEEDED));
	}
}

static void
explain_rate(Explanation *e, const QuotaMeter *meter, const char *level)
{
	int64		available;

	if (meter->limits.rate == NULL)
		return;
	available = quota_rate_room(meter);
	put_step(e, level, "rate",
			 psprintf(INT64_FORMAT " per " INT64_FORMAT " ms, at most " INT64_FORMAT " at once",
					  meter->limits.rate->limit, meter->limits.rate->per_us / 1000, meter->limits.rate->burst),
			 true, available, true, e->amount,
			 available >= e->amount ? "ok" : quota_reason_name(QUOTA_RATE_LIMITED));
}

static void
explain_account(Explanation *e, const QuotaAccount *account)
{
	const char *level = quota_subject_prefix(e->path->subject, account->level);
	QuotaMeter *meter = account->meter;

	explain_plan(e, account, level);
	if (meter == NULL)
		return;
	if (!meter->limits.rate_only)
	{
		/* where it would come from */
		quota_split(meter, meter->limits.counts_only ? Min(e->amount, quota_allowance_left(meter)) : e->amount);
		explain_allowance(e, account, level);
		explain_grants(e, meter, level);
		if (meter->limits.overage_limit > 0)
			put_step(e, level, "overage",
					 psprintf(INT64_FORMAT " taken", meter->balance.bucket.counts.overage),
					 meter->limits.overage_limit != PG_INT64_MAX,
					 Max(meter->limits.overage_limit - meter->balance.bucket.counts.overage, 0), true,
					 meter->outcome.change.overage, "ok");
		explain_caps(e, meter, level);
	}
	explain_rate(e, meter, level);
}

static const char *
value_text(const QuotaAccounts *accounts)
{
	const QuotaAccount *account = quota_value_account(accounts);

	if (account == NULL || account->terms == NULL || account->terms->value == NULL)
		return "";
	return psprintf(", value %s", JsonbToCString(NULL, &account->terms->value->root,
												 VARSIZE_ANY_EXHDR(account->terms->value)));
}

static void
explain_decision(Explanation *e, const QuotaVerdict *verdict)
{
	StringInfoData detail;

	initStringInfo(&detail);
	if (e->accounts->naccounts == 0)
		appendStringInfoString(&detail, "no level of the path has it");
	else
		appendStringInfo(&detail, "%d level%s of the path ha%s it%s", e->accounts->naccounts,
						 e->accounts->naccounts == 1 ? "" : "s",
						 e->accounts->naccounts == 1 ? "s" : "ve", value_text(e->accounts));
	if (verdict->retry_after_us >= 0)
		appendStringInfo(&detail, "; it would pass in " INT64_FORMAT " s",
						 quota_retry_after_s(verdict));
	put_step(e, verdict->blocked_by, "decision", detail.data, verdict->limited,
			 verdict->remaining, true, verdict->reason == QUOTA_OK ? e->amount : 0,
			 quota_reason_name(verdict->reason));
}

Datum
quota_sql_explain(PG_FUNCTION_ARGS)
{
	Explanation e = {.rsinfo = (ReturnSetInfo *) fcinfo->resultinfo};
	char	   *name = quota_arg_feature(fcinfo, 1);
	QuotaView	view;
	QuotaSubject subject;
	QuotaPath	path;

	e.amount = quota_arg_amount(fcinfo, 2, "amount");
	quota_subject_parse(PG_GETARG_DATUM(0), PG_ARGISNULL(0), &subject);
	InitMaterializedSRF(fcinfo, 0);
	quota_path_look_up_state(&path, &subject);
	path.used_up_grants = true;
	quota_view(&path, quota_catalog_require_feature(path.catalog, name), e.amount, &view);
	e.path = &path;
	e.accounts = &view.accounts;
	for (int i = 0; i < view.accounts.naccounts; i++)
		explain_account(&e, &view.accounts.accounts[i]);
	explain_decision(&e, &view.verdict);
	quota_path_release(&path);
	return (Datum) 0;
}
