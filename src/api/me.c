/*-------------------------------------------------------------------------
 *
 * me.c
 *		quota.me(): plan and quota state as one JSON object, for a frontend.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

#include "base/errors.h"
#include "base/settings.h"
#include "decide/judge.h"

PG_FUNCTION_INFO_V1(quota_sql_me);

static void
put_text(StringInfo buf, const char *name, const char *value)
{
	appendStringInfo(buf, "\"%s\": ", name);
	if (value)
		escape_json(buf, value);
	else
		appendStringInfoString(buf, "null");
}

static void
put_int64(StringInfo buf, const char *name, bool notnull, int64 value)
{
	if (notnull)
		appendStringInfo(buf, ", \"%s\": " INT64_FORMAT, name, value);
	else
		appendStringInfo(buf, ", \"%s\": null", name);
}

static void
put_time(StringInfo buf, const char *name, TimestampTz at)
{
	appendStringInfo(buf, ", \"%s\": ", name);
	quota_json_time(buf, at);
}

static void
put_jsonb(StringInfo buf, const char *name, Jsonb *value)
{
	appendStringInfo(buf, ", \"%s\": ", name);
	if (value)
		(void) JsonbToCString(buf, &value->root, VARSIZE_ANY_EXHDR(value));
	else
		appendStringInfoString(buf, "null");
}

/*
 * When the subscription is going to end, as far as somebody decided that: the
 * end of a trial is told by trial_ends_at.
 */
static TimestampTz
cancel_at(const QuotaSubscription *sub)
{
	if (strcmp(sub->status, "trialing") == 0 && !sub->cancelled && sub->ends_at == sub->trial_ends_at)
		return DT_NOEND;
	return sub->ends_at;
}

static void
put_plan(StringInfo buf, const QuotaPath *path)
{
	int			level = quota_path_plan_level(path);
	const QuotaPlanVersion *plan;
	const QuotaSubscription *sub;
	QuotaWindow billing;
	pg_tz	   *zone;

	if (level < 0)
	{
		appendStringInfoString(buf, "null");
		return;
	}
	plan = path->plans[level];
	sub = path->subscriptions[level];
	zone = quota_timezone(sub ? sub->timezone : "UTC");
	billing = quota_window_at(sub ? sub->anchor_at : quota_calendar_anchor(&plan->period, zone),
							  &plan->period, zone, path->at, sub != NULL);
	appendStringInfoChar(buf, '{');
	put_text(buf, "name", plan->plan);
	put_int64(buf, "version", true, plan->version);
	appendStringInfoString(buf, ", ");
	put_text(buf, "title", plan->title);
	appendStringInfoString(buf, ", ");
	put_text(buf, "status", sub ? sub->status : "active");
	put_time(buf, "trial_ends_at", sub ? sub->trial_ends_at : DT_NOEND);
	put_time(buf, "current_period_start", billing.start);
	put_time(buf, "current_period_end", billing.end);
	put_time(buf, "cancel_at", sub ? cancel_at(sub) : DT_NOEND);
	put_time(buf, "paused_until", sub ? sub->paused_until : DT_NOEND);
	put_int64(buf, "quantity", true, sub ? sub->quantity : 1);
	put_jsonb(buf, "metadata", plan->metadata);
	appendStringInfoChar(buf, '}');
}

static void
put_feature(StringInfo buf, const QuotaPath *path, const QuotaFeature *feature)
{
	const QuotaVerdict *v;
	QuotaView	view;

	quota_view(path, feature, 1, &view);
	v = &view.verdict;

	escape_json(buf, feature->name);
	appendStringInfoString(buf, ": {");
	put_text(buf, "kind", quota_kind_name(feature->kind));
	appendStringInfoString(buf, ", ");
	put_text(buf, "title", feature->title);
	appendStringInfo(buf, ", \"allowed\": %s", v->reason == QUOTA_OK ? "true" : "false");
	put_int64(buf, "allowance", !v->allowance_unlimited, v->allowance);
	put_int64(buf, "used", true, v->used);
	put_int64(buf, "reserved", true, v->reserved);
	put_int64(buf, "remaining", v->limited, v->remaining);
	put_int64(buf, "overage", true, v->overage);
	appendStringInfoString(buf, ", ");
	put_text(buf, "unit", feature->unit);
	put_jsonb(buf, "value", quota_value_of(&view.accounts));
	put_time(buf, "period_start", v->period_start);
	put_time(buf, "resets_at", v->resets_at);
	put_int64(buf, "retry_after", v->retry_after_us >= 0, quota_retry_after_s(v));
	appendStringInfoChar(buf, '}');
}

/* A grant, and what has been taken of it in the period that is shown. */
static void
put_grant(StringInfo buf, const char *feature, const QuotaAccountGrant *given)
{
	const QuotaGrant *grant = &given->grant;

	appendStringInfo(buf, "{\"id\": " INT64_FORMAT ", ", grant->id);
	put_text(buf, "feature", feature);
	put_int64(buf, "amount", true, grant->amount);
	put_int64(buf, "used", true, given->used);
	put_int64(buf, "priority", true, grant->priority);
	appendStringInfoString(buf, ", ");
	put_text(buf, "source", grant->source);
	put_time(buf, "effective_at", grant->period.start);
	put_time(buf, "expires_at", grant->period.end);
	appendStringInfo(buf, ", \"beyond_caps\": %s}", grant->beyond_caps ? "true" : "false");
}

static int
compare_account_grants(const void *a, const void *b)
{
	return quota_compare_grants(&((const QuotaAccountGrant *) a)->grant,
								&((const QuotaAccountGrant *) b)->grant);
}

/* Adds the grants of one prefix to the n that are there; returns how many there are then. */
static int
add_grants(const QuotaPath *path, int level, const QuotaFeature *feature,
		   QuotaAccountGrant **found, int n)
{
	QuotaMeter	account = {.limits.unlimited = true};
	QuotaGrant *grants;
	int			here;

	account.key.account = quota_account_key(path->subject, level, feature->id);
	account.key.start = DT_NOBEGIN;
	account.key.end = DT_NOEND;
	account.at = path->at;
	account.clock = path->clock;
	here = quota_grants_of(&account.key.account, path->at, QUOTA_GRANTS_TO_COME, path->snapshot,
						   &grants);
	if (here == 0)
		return n;
	*found = *found ? (QuotaAccountGrant *) repalloc(*found, sizeof(QuotaAccountGrant) * (n + here)) :
		(QuotaAccountGrant *) palloc(sizeof(QuotaAccountGrant) * here);
	account.balance.ngrants = here;
	account.balance.grants = *found + n;
	memset(account.balance.grants, 0, sizeof(QuotaAccountGrant) * here);
	for (int i = 0; i < here; i++)
		account.balance.grants[i].grant = grants[i];
	/* of capacity nothing is taken */
	if (feature->kind == QUOTA_METERED)
		quota_engine_peek(&account, 1, path->snapshot);
	return n + here;
}

/* Those of every prefix of the path, valid or to come. */
static void
put_grants(StringInfo buf, const QuotaPath *path)
{
	const char *separator = "";

	for (int i = 0; i < path->catalog->nfeatures; i++)
	{
		const QuotaFeature *feature = &path->catalog->features[i];
		QuotaAccountGrant *found = NULL;
		int			n = 0;

		if (feature->kind != QUOTA_METERED && feature->kind != QUOTA_CAPACITY)
			continue;
		for (int level = 0; level < path->subject->nlevels; level++)
			n = add_grants(path, level, feature, &found, n);
		if (n > 1)
			qsort(found, n, sizeof(QuotaAccountGrant), compare_account_grants);
		for (int j = 0; j < n; j++)
		{
			appendStringInfoString(buf, separator);
			put_grant(buf, feature->name, &found[j]);
			separator = ", ";
		}
	}
}

Datum
quota_sql_me(PG_FUNCTION_ARGS)
{
	StringInfoData buf;
	QuotaSubject subject;
	QuotaPath	path;

	quota_subject_parse(PG_GETARG_DATUM(0), PG_ARGISNULL(0), &subject);
	quota_path_look_up_state(&path, &subject);

	initStringInfo(&buf);
	appendStringInfoChar(&buf, '{');
	put_text(&buf, "subject", subject.text);
	appendStringInfoString(&buf, ", \"plan\": ");
	put_plan(&buf, &path);
	appendStringInfoString(&buf, ", \"features\": {");
	for (int i = 0; i < path.catalog->nfeatures; i++)
	{
		if (i > 0)
			appendStringInfoString(&buf, ", ");
		put_feature(&buf, &path, &path.catalog->features[i]);
	}
	appendStringInfoString(&buf, "}, \"grants\": [");
	put_grants(&buf, &path);
	appendStringInfoString(&buf, "], ");
	put_text(&buf, "enforcement", quota_enforcement_name());
	appendStringInfoChar(&buf, '}');
	quota_path_release(&path);
	return DirectFunctionCall1(jsonb_in, CStringGetDatum(buf.data));
}
