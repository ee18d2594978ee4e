/*-------------------------------------------------------------------------
 *
 * offers.c
 *		quota.offers(): which plans would allow what was refused.
 *
 * Each plan is put in the place of the present one in a copy of the path, as
 * change_plan(..., 'now', 'keep') would do it, and judged with the use of the
 * present window.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"

#include "api/result.h"
#include "base/args.h"
#include "decide/what_if.h"

PG_FUNCTION_INFO_V1(quota_sql_offers);

typedef struct Offer
{
	const QuotaPlanVersion *plan;
	const QuotaTerms *terms;
} Offer;

/* by allowance, unlimited last, then by name */
static int
compare_offers(const void *a, const void *b)
{
	const Offer *left = (const Offer *) a;
	const Offer *right = (const Offer *) b;

	if (left->terms->unlimited != right->terms->unlimited)
		return left->terms->unlimited ? 1 : -1;
	if (!left->terms->unlimited && left->terms->allowance != right->terms->allowance)
		return left->terms->allowance > right->terms->allowance ? 1 : -1;
	return strcmp(left->plan->plan, right->plan->plan);
}

/*
 * Would the path with another plan at "level" allow it?  "now" are the accounts
 * as they are.  Under a subscription the present window's use is kept; without
 * one a new subscription begins, and its metered use at zero.
 */
static bool
would_allow(const QuotaPath *path, QuotaAccounts *now, int level, int64 amount)
{
	QuotaMeter	meters[QUOTA_MAX_LEVELS];
	QuotaAccounts then;
	QuotaAccount *before = quota_account_at(now, level);
	QuotaAccount *after;
	QuotaVerdict verdict;

	quota_accounts_of(path, now->feature, meters, &then);
	quota_engine_peek(then.meters, then.nmeters, path->snapshot);
	after = quota_account_at(&then, level);
	if (now->feature->kind == QUOTA_METERED)
	{
		/* accounts below the new subscription depend on it, too */
		for (int i = 0; path->subscriptions[level] == NULL && i < then.naccounts; i++)
		{
			if (then.accounts[i].level >= level && then.accounts[i].meter != NULL)
				quota_begin_at_zero(then.accounts[i].meter);
		}
		if (path->subscriptions[level] != NULL && after != NULL && after->meter != NULL)
			quota_go_on(after, before);
	}
	quota_judge(path, &then, amount, &verdict);
	return verdict.reason == QUOTA_OK;
}

static int
find_offers(QuotaPath *path, const QuotaFeature *feature, int64 amount, Offer *offers)
{
	int			level = Max(quota_path_plan_level(path), 0);
	QuotaPlanVersion *present = path->plans[level];
	QuotaMeter	meters[QUOTA_MAX_LEVELS];
	QuotaAccounts now;
	int			n = 0;

	quota_accounts_of(path, feature, meters, &now);
	quota_engine_peek(now.meters, now.nmeters, path->snapshot);
	for (int i = 0; i < path->catalog->nnewest; i++)
	{
		QuotaPlanVersion *plan = path->catalog->newest[i];

		if (!plan->listed || plan->terms[feature->ordinal] == NULL ||
			(present != NULL && strcmp(plan->plan, present->plan) == 0) ||
			!quota_path_quantity_fits(path, level, plan))
			continue;
		path->plans[level] = plan;
		if (would_allow(path, &now, level, amount))
		{
			offers[n].plan = plan;
			offers[n].terms = quota_path_terms(path, level, plan->terms[feature->ordinal]);
			n++;
		}
	}
	path->plans[level] = present;
	return n;
}

Datum
quota_sql_offers(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	char	   *name = quota_arg_feature(fcinfo, 1);
	int64		amount = quota_arg_amount(fcinfo, 2, "amount");
	const QuotaFeature *feature;
	QuotaSubject subject;
	QuotaPath	path;
	Offer	   *offers;
	int			n;

	quota_subject_parse(PG_GETARG_DATUM(0), PG_ARGISNULL(0), &subject);
	InitMaterializedSRF(fcinfo, 0);
	quota_path_look_up_state(&path, &subject);
	feature = quota_catalog_require_feature(path.catalog, name);
	if (feature->kind == QUOTA_STATIC)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("feature \"%s\" is static: there is no amount to offer", name)));
	offers = (Offer *) palloc(sizeof(Offer) * Max(path.catalog->nnewest, 1));
	n = find_offers(&path, feature, amount, offers);
	qsort(offers, n, sizeof(Offer), compare_offers);
	for (int i = 0; i < n; i++)
	{
		QuotaResultRow	row = {0};
		bool		counted = feature->kind == QUOTA_METERED || feature->kind == QUOTA_CAPACITY;

		quota_row_text(&row, offers[i].plan->plan);
		quota_row_text(&row, offers[i].plan->title);
		quota_row_int64_or_null(&row, counted && !offers[i].terms->unlimited,
								offers[i].terms->allowance);
		quota_row_jsonb(&row, offers[i].plan->metadata);
		quota_row_put(rsinfo, &row);
	}
	quota_path_release(&path);
	return (Datum) 0;
}
