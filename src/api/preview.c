/*-------------------------------------------------------------------------
 *
 * preview.c
 *		quota.preview(): what a change of plan now would leave of each feature.
 *
 * Nothing is written.  The subject's subscription is replaced in a copy of the
 * path by one whose change is due at this moment, which every look-up takes as
 * made; what a change at the end of a billing period does differently, letting
 * use begin at 0 where the window differs, is put right as offers() does it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"

#include "api/result.h"
#include "base/args.h"
#include "base/errors.h"
#include "decide/judge.h"
#include "decide/what_if.h"
#include "engine/room.h"

PG_FUNCTION_INFO_V1(quota_sql_preview);

/* of buckets that nobody has charged */
#define NEW_SOURCE (-1)

#define MAX_PLAN_BYTES 1024

typedef enum Usage
{
	KEEP,
	RESET,
	PRORATE
} Usage;

static const char *const usages[] = {"keep", "reset", "prorate"};

static Usage
get_usage(FunctionCallInfo fcinfo, int argno)
{
	quota_require(fcinfo, argno, "usage");
	if (quota_arg_fits(fcinfo, argno, 32))
	{
		char	   *given = text_to_cstring(PG_GETARG_TEXT_PP(argno));

		for (int i = 0; i < (int) lengthof(usages); i++)
		{
			if (strcmp(given, usages[i]) == 0)
				return (Usage) i;
		}
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("usage is not known"),
			 errdetail("It is one of keep, reset, prorate.")));
}

/* The newest version of a plan, also of a retired one; QT404 if there is none. */
static QuotaPlanVersion *
require_newest(FunctionCallInfo fcinfo, int argno, const QuotaCatalog *catalog)
{
	HASH_SEQ_STATUS scan;
	QuotaPlanVersion *version;
	char	   *name;

	if (!quota_arg_fits(fcinfo, argno, MAX_PLAN_BYTES))
		ereport(ERROR,
				(errcode(ERRCODE_QUOTA_NOT_FOUND), errmsg("plan does not exist")));
	name = text_to_cstring(PG_GETARG_TEXT_PP(argno));
	hash_seq_init(&scan, catalog->versions);
	while ((version = (QuotaPlanVersion *) hash_seq_search(&scan)) != NULL)
	{
		if (version->newest && strcmp(version->plan, name) == 0)
		{
			hash_seq_term(&scan);
			return version;
		}
	}
	quota_raise_not_found("plan", name);
}

static void
require_offered(const QuotaPath *path, const QuotaPlanVersion *plan, int level)
{
	bool		has_it = path->subscriptions[level] != NULL &&
		strcmp(path->plans[level]->plan, plan->plan) == 0;

	if (plan->retired && !has_it)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("plan \"%s\" is retired", plan->plan),
				 errhint("Its subscribers keep it, but nobody new can get it.")));
	if (!quota_path_quantity_fits(path, level, plan))
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("quantity is too large"),
				 errdetail("With it a limit that is times the quantity would go beyond " INT64_FORMAT ".",
						   PG_INT64_MAX)));
}

/* Who has no subscription gets one. */
static QuotaSubscription *
subscribe(QuotaPath *path, int level)
{
	QuotaSubscription *sub = (QuotaSubscription *) palloc0(sizeof(QuotaSubscription));

	sub->source_id = NEW_SOURCE;
	sub->status = "active";
	sub->starts_at = sub->anchor_at = path->at;
	sub->ends_at = sub->trial_ends_at = sub->past_due_since = sub->paused_until = DT_NOEND;
	sub->timezone = "UTC";
	sub->quantity = 1;
	/* the default plan is for paths without any */
	if (path->subscriptions[0] == NULL)
		path->plans[0] = NULL;
	path->subscriptions[level] = sub;
	return sub;
}

static void
change_plan(QuotaPath *path, int level, QuotaPlanVersion *plan, Usage usage)
{
	QuotaSubscription *sub = path->subscriptions[level];

	if (sub == NULL)
		sub = subscribe(path, level);
	else if (sub->plan_version_id != plan->id || usage == RESET)
	{
		sub = (QuotaSubscription *) memcpy(palloc(sizeof(QuotaSubscription)), sub,
										   sizeof(QuotaSubscription));
		sub->due = true;
		sub->due_at = path->at;
		sub->due_from = sub->plan_version_id;
		sub->due_resets = (usage == RESET);
		sub->due_prorates = (usage == PRORATE);
		if (usage == RESET)
		{
			sub->source_id = NEW_SOURCE;
			sub->anchor_at = path->at;
		}
		path->subscriptions[level] = sub;
	}
	sub->plan_version_id = plan->id;
	path->plans[level] = plan;
}

/* Of a capacity, levels count that are no accounts: what they have is not the subject's. */
static bool
is_used(const QuotaAccounts *accounts)
{
	for (int i = 0; i < accounts->naccounts; i++)
	{
		if (quota_shown_use(accounts->accounts[i].meter) > 0)
			return true;
	}
	return false;
}

/* Is the use of every account within its allowance and overage? */
static bool
holds_use(const QuotaAccounts *accounts)
{
	for (int i = 0; i < accounts->naccounts; i++)
	{
		const QuotaMeter *meter = accounts->accounts[i].meter;

		if (!meter->limits.unlimited &&
			(int128) quota_shown_use(meter) > (int128) quota_shown_allowance(meter) + meter->limits.overage_limit)
			return false;
	}
	return true;
}

static bool
still_fits(const QuotaAccounts *now, const QuotaAccounts *then)
{
	if (now->feature->kind != QUOTA_METERED && now->feature->kind != QUOTA_CAPACITY)
		return quota_is_entitled(then) || !quota_is_entitled(now);
	return then->naccounts > 0 ? holds_use(then) : now->naccounts == 0 || !is_used(now);
}

/* A change that is due comes first, unless it is this one, or use begins at 0. */
static void
link_due(const QuotaAccount *before, QuotaAccount *after, bool is_another)
{
	if (is_another && before != NULL && after != NULL && after->meter != NULL &&
		after->meter->key.source_id == before->meter->key.source_id)
		after->meter->due.first = before->meter;
}

static void
put_feature(ReturnSetInfo *rsinfo, const QuotaPath *now_path, const QuotaPath *path,
			const QuotaFeature *feature)
{
	int			level = path->subject->nlevels - 1;
	const QuotaSubscription *sub = path->subscriptions[level];
	QuotaMeter	now_meters[QUOTA_MAX_LEVELS];
	QuotaMeter	meters[QUOTA_MAX_LEVELS];
	QuotaAccounts now;
	QuotaAccounts then;
	QuotaAccount *before;
	QuotaAccount *after;
	QuotaVerdict v;
	QuotaResultRow	row = {0};

	quota_accounts_of(now_path, feature, now_meters, &now);
	quota_engine_peek(now.meters, now.nmeters, now_path->snapshot);
	quota_accounts_of(path, feature, meters, &then);
	before = quota_account_at(&now, level);
	after = quota_account_at(&then, level);
	link_due(before, after, sub != now_path->subscriptions[level]);
	quota_engine_peek(then.meters, then.nmeters, path->snapshot);
	if (feature->kind == QUOTA_METERED && after != NULL && sub->source_id != NEW_SOURCE &&
		(before == NULL ||
		 (!quota_is_ahead(before) && (before->meter->key.start != after->meter->key.start ||
									  before->meter->key.end != after->meter->key.end))))
		quota_go_on(after, before);
	quota_judge(path, &then, 1, &v);
	quota_row_text(&row, feature->name);
	quota_row_text(&row, quota_kind_name(feature->kind));
	quota_row_int64_or_null(&row, !v.allowance_unlimited, v.allowance);
	quota_row_int64(&row, v.used);
	quota_row_int64_or_null(&row, v.limited, v.remaining);
	quota_row_jsonb(&row, quota_value_of(&then));
	quota_row_bool(&row, still_fits(&now, &then));
	quota_row_put(rsinfo, &row);
}

Datum
quota_sql_preview(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	QuotaPlanVersion *plan;
	QuotaSubject subject;
	QuotaPath	now;
	QuotaPath	path;
	Usage		usage;

	quota_subject_parse(PG_GETARG_DATUM(0), PG_ARGISNULL(0), &subject);
	quota_require(fcinfo, 1, "plan");
	usage = get_usage(fcinfo, 2);
	InitMaterializedSRF(fcinfo, 0);
	quota_path_look_up_state(&now, &subject);
	plan = require_newest(fcinfo, 1, now.catalog);
	require_offered(&now, plan, subject.nlevels - 1);
	path = now;
	change_plan(&path, subject.nlevels - 1, plan, usage);
	for (int i = 0; i < now.catalog->nfeatures; i++)
		put_feature(rsinfo, &now, &path, &now.catalog->features[i]);
	quota_path_release(&now);
	return (Datum) 0;
}
