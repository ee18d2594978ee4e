/*-------------------------------------------------------------------------
 *
 * account.c
 *		Which accounts a request meets on its subject's path.
 *
 * A level is an account of a feature if its subscription's plan or an override
 * gives the feature; without any subscription on the path the default plan
 * counts for the first segment.  An override replaces the plan wholly at its
 * level.  Where neither gives the feature, what the level above gives its members
 * counts as if it were an override.  An account depends on the subscription of its level, else on the
 * nearest above: that one's status, time zone and start count, and its id is
 * part of the bucket's key, so that a new subscription starts at zero.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/parallel.h"
#include "access/xact.h"
#include "common/int.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/errors.h"
#include "base/settings.h"
#include "decide/account.h"
#include "decide/given.h"

/*
 * The subscriptions of the path and their plans; false if one has a plan version
 * that the catalog does not know.
 */
static bool
look_up_subscriptions(QuotaPath *path)
{
	const QuotaSubject *subject = path->subject;
	bool		subscribed = false;

	for (int i = 0; i < subject->nlevels; i++)
	{
		QuotaSubscription *sub;

		sub = quota_given_subscription(subject, i, path->at, path->snapshot);
		path->subscriptions[i] = sub;
		path->plans[i] = NULL;
		if (sub == NULL)
			continue;
		subscribed = true;
		path->plans[i] = quota_catalog_version(path->catalog, sub->plan_version_id);
		if (path->plans[i] == NULL ||
			(sub->due && quota_catalog_version(path->catalog, sub->due_from) == NULL))
			return false;
	}
	if (!subscribed)
		path->plans[0] = path->catalog->default_version;
	return true;
}

void
quota_path_look_up(QuotaPath *path, const QuotaSubject *subject, TimestampTz at,
				   Snapshot snapshot)
{
	path->subject = subject;
	path->at = at;
	path->clock = quota_clock_now();
	path->snapshot = snapshot;
	path->used_up_grants = false;
	path->catalog = quota_catalog();
	if (look_up_subscriptions(path))
		return;
	path->catalog = quota_catalog_again();
	if (!look_up_subscriptions(path))
		quota_raise_damaged("subscription", "It is to a version of a plan that does not exist.");
}

Snapshot
quota_state_snapshot(void)
{
	/* a parallel worker may take no snapshot of its own */
	bool		fresh = IsolationUsesXactSnapshot() && !IsInParallelMode();

	return fresh ? GetLatestSnapshot() : GetActiveSnapshot();
}

void
quota_path_look_up_state(QuotaPath *path, const QuotaSubject *subject)
{
	quota_path_look_up(path, subject, quota_now(), RegisterSnapshot(quota_state_snapshot()));
}

void
quota_path_release(QuotaPath *path)
{
	UnregisterSnapshot(path->snapshot);
	path->snapshot = InvalidSnapshot;
}

int
quota_path_plan_level(const QuotaPath *path)
{
	for (int i = path->subject->nlevels - 1; i >= 0; i--)
	{
		if (path->plans[i] != NULL)
			return i;
	}
	return -1;
}

/* The nearest level at or above that has a subscription (or plan), or -1. */
static int
subscription_level(const QuotaPath *path, int level)
{
	while (level >= 0 && path->subscriptions[level] == NULL)
		level--;
	return level;
}

static int
plan_level(const QuotaPath *path, int level)
{
	while (level >= 0 && path->plans[level] == NULL)
		level--;
	return level;
}

const QuotaSubscription *
quota_path_subscription(const QuotaPath *path, int level)
{
	int			nearest = subscription_level(path, level);

	return nearest >= 0 ? path->subscriptions[nearest] : NULL;
}

bool
quota_path_is_due(const QuotaPath *path)
{
	for (int i = 0; i < path->subject->nlevels; i++)
	{
		if (path->subscriptions[i] != NULL && path->subscriptions[i]->due)
			return true;
	}
	return false;
}

/*
 * The series of windows that a period has under a level's terms: the anchor's
 * kind is the terms', the zone the subscription's.
 */
static QuotaSeries
series_of(const QuotaPath *path, const QuotaTerms *terms, const QuotaPeriod *period, int level)
{
	const QuotaSubscription *sub = quota_path_subscription(path, level);
	QuotaSeries series = {.period = *period,.clamp_to_anchor = true};

	series.zone = quota_timezone(sub ? sub->timezone : "UTC");
	switch (terms->anchor)
	{
		case QUOTA_ANCHOR_SUBSCRIPTION:
			/* an override has the moment it was set, the default plan has none */
			series.anchor = sub ? sub->anchor_at : terms->anchor_at;
			if (!TIMESTAMP_NOT_FINITE(series.anchor))
				return series;
			break;
		case QUOTA_ANCHOR_TIMESTAMP:
			series.anchor = terms->anchor_at;
			return series;
		case QUOTA_ANCHOR_CALENDAR:
			break;
	}
	series.anchor = quota_calendar_anchor(period, series.zone);
	series.clamp_to_anchor = false;
	return series;
}

/* Setting them checks that they fit; a later override of somebody below may not. */
static int64
times(int64 units, int64 quantity)
{
	int64		product;

	return pg_mul_s64_overflow(units, quantity, &product) ? PG_INT64_MAX : product;
}

const QuotaTerms *
quota_path_terms(const QuotaPath *path, int level, const QuotaTerms *terms)
{
	const QuotaSubscription *sub = quota_path_subscription(path, level);
	QuotaTerms *all;

	if (terms == NULL || !terms->times_quantity || sub == NULL || sub->quantity == 1)
		return terms;
	all = (QuotaTerms *) palloc(sizeof(QuotaTerms));
	*all = *terms;
	all->each = terms;
	all->allowance = times(terms->allowance, sub->quantity);
	all->rollover_max = times(terms->rollover_max, sub->quantity);
	all->overage_limit = times(terms->overage_limit, sub->quantity);
	all->caps = (QuotaCap *) palloc(sizeof(QuotaCap) * Max(terms->ncaps, 1));
	for (int i = 0; i < terms->ncaps; i++)
	{
		all->caps[i] = terms->caps[i];
		all->caps[i].ceiling = times(terms->caps[i].ceiling, sub->quantity);
	}
	return all;
}

static bool
fits_times(const QuotaTerms *terms, int64 quantity)
{
	int64		most = PG_INT64_MAX / quantity;

	if (!terms->times_quantity)
		return true;
	for (int i = 0; i < terms->ncaps; i++)
	{
		if (terms->caps[i].ceiling > most)
			return false;
	}
	return terms->allowance <= most && terms->rollover_max <= most &&
		(terms->overage_limit <= most || terms->overage_limit == PG_INT64_MAX);
}

bool
quota_path_quantity_fits(const QuotaPath *path, int level, const QuotaPlanVersion *plan)
{
	const QuotaSubscription *sub = path->subscriptions[level];

	for (int i = 0; sub != NULL && i < path->catalog->nfeatures; i++)
	{
		const QuotaTerms *terms = plan->terms[i];

		if (terms == NULL)
			continue;
		if (!fits_times(terms, sub->quantity) ||
			(terms->members != NULL && !fits_times(terms->members, sub->quantity)))
			return false;
	}
	return true;
}

bool
quota_terms_are(const QuotaTerms *terms, const QuotaTerms *stored)
{
	return terms == stored || (terms->each != NULL && terms->each == stored);
}

/* The terms that an override or the plan of a level gives it of a feature, or NULL. */
static const QuotaTerms *
given_terms(const QuotaPath *path, int level, const QuotaFeature *feature)
{
	const QuotaTerms *override = quota_given_override(path->subject, level, feature, path->snapshot);

	if (override != NULL || path->plans[level] == NULL)
		return override;
	return path->plans[level]->terms[feature->ordinal];
}

/* A bucket of one level; for capacity one number for ever. */
static QuotaMeter *
add_meter(QuotaAccounts *accounts, const QuotaPath *path, int level)
{
	QuotaMeter *meter = &accounts->meters[accounts->nmeters++];

	memset(meter, 0, sizeof(*meter));
	meter->key.account = quota_account_key(path->subject, level, accounts->feature->id);
	meter->key.source_id = 0;
	meter->key.start = DT_NOBEGIN;
	meter->key.end = DT_NOEND;
	meter->at = path->at;
	meter->clock = path->clock;
	meter->balance.rate = QUOTA_GCRA_UNUSED;
	meter->limits.unlimited = true;
	meter->limits.counts_only = (accounts->feature->kind == QUOTA_CAPACITY);
	meter->limits.rate_only = (accounts->feature->kind == QUOTA_RATE);
	return meter;
}

/*
 * Does a status of a level's subscription let work go on?  past_due does until
 * the plan's grace, counted in the subscription's zone, is over.
 */
static bool
status_lets(const QuotaPath *path, int level, const char *status, TimestampTz at)
{
	const QuotaSubscription *sub = path->subscriptions[level];
	const QuotaPlanVersion *plan = path->plans[level];
	QuotaWindow grace;

	if (strcmp(status, "past_due") != 0)
		return strcmp(status, "paused") != 0;
	if (!plan->has_grace)
		return false;
	grace = quota_window_at(sub->past_due_since, &plan->grace, quota_timezone(sub->timezone),
							sub->past_due_since, true);
	return at < grace.end;
}

static void
set_activity(const QuotaPath *path, int level, QuotaAccount *account)
{
	int			nearest = subscription_level(path, level);
	const QuotaSubscription *sub = nearest >= 0 ? path->subscriptions[nearest] : NULL;

	account->active = sub == NULL || status_lets(path, nearest, sub->status, path->at);
	account->active_from = DT_NOEND;
	if (!account->active && !TIMESTAMP_IS_NOEND(sub->paused_until) &&
		status_lets(path, nearest, sub->paused_from, sub->paused_until))
		account->active_from = sub->paused_until;
}

static int
compare_caps(const void *a, const void *b)
{
	const QuotaCapKey *left = &((const QuotaAccountCap *) a)->key;
	const QuotaCapKey *right = &((const QuotaAccountCap *) b)->key;

	if (left->period.months != right->period.months)
		return left->period.months < right->period.months ? -1 : 1;
	if (left->period.days != right->period.days)
		return left->period.days < right->period.days ? -1 : 1;
	if (left->period.us != right->period.us)
		return left->period.us < right->period.us ? -1 : 1;
	return (left->window_start > right->window_start) - (left->window_start < right->window_start);
}

static void
add_caps(const QuotaPath *path, const QuotaTerms *terms, int level, QuotaMeter *meter)
{
	if (terms->ncaps == 0)
		return;
	meter->balance.ncaps = terms->ncaps;
	meter->balance.caps = (QuotaAccountCap *) palloc0(sizeof(QuotaAccountCap) * terms->ncaps);
	for (int i = 0; i < terms->ncaps; i++)
	{
		const QuotaCap *cap = &terms->caps[i];
		QuotaAccountCap *here = &meter->balance.caps[i];
		QuotaSeries series = series_of(path, terms, &cap->period, level);

		if (cap->first_use)
		{
			series.anchor = path->at;
			series.clamp_to_anchor = true;
		}
		here->window = quota_series_window(&series, path->at);
		here->ceiling = cap->ceiling;
		here->key.period = cap->period;
		here->key.window_start = cap->first_use ? DT_NOBEGIN : here->window.start;
	}
	qsort(meter->balance.caps, meter->balance.ncaps, sizeof(QuotaAccountCap), compare_caps);
}

/* Capacity has room for what grants bring; metered use takes from them. */
static void
add_grants(const QuotaPath *path, int level, QuotaKind kind, QuotaMeter *meter)
{
	QuotaGrant *grants;
	int			n;

	if (!quota_given_grants(path->subject, level, path->snapshot))
		return;
	meter->has_grants = true;
	n = quota_grants_of(&meter->key.account, path->at,
						path->used_up_grants ? QUOTA_GRANTS_VALID : QUOTA_GRANTS_OPEN,
						path->snapshot, &grants);
	if (n == 0 || (kind == QUOTA_CAPACITY && meter->limits.unlimited))
		return;
	if (kind == QUOTA_METERED)
	{
		meter->balance.ngrants = n;
		meter->balance.grants = (QuotaAccountGrant *) palloc0(sizeof(QuotaAccountGrant) * n);
	}
	for (int i = 0; i < n; i++)
	{
		if (kind == QUOTA_METERED)
			meter->balance.grants[i].grant = grants[i];
		else
		{
			/* what a later override gives can take the sum past what a number holds */
			meter->limits.allowance += Min(grants[i].amount, PG_INT64_MAX - meter->limits.allowance);
		}
	}
}

static QuotaWindow
window_of(const QuotaPath *path, const QuotaTerms *terms, int level, TimestampTz at)
{
	const QuotaSubscription *sub = quota_path_subscription(path, level);
	QuotaWindow lifetime = {sub ? sub->anchor_at : DT_NOBEGIN, DT_NOEND, 0};
	QuotaSeries series;

	if (quota_period_is_lifetime(&terms->period))
		return lifetime;
	series = series_of(path, terms, &terms->period, level);
	return quota_series_window(&series, at);
}

bool
quota_same_series(const QuotaTerms *a, const QuotaTerms *b)
{
	return a->period.months == b->period.months && a->period.days == b->period.days &&
		a->period.us == b->period.us && a->anchor == b->anchor && a->anchor_at == b->anchor_at;
}

/*
 * What a change of the level's plan does that is due.  An override's windows and
 * limit stay as they are; a reset has brought another source.
 */
static void
set_due(const QuotaPath *path, int level, const QuotaTerms *terms, int ordinal, QuotaDue *due)
{
	const QuotaSubscription *sub = path->subscriptions[level];
	const QuotaTerms *before;

	if (sub == NULL || !sub->due || sub->due_resets ||
		!quota_terms_are(terms, path->plans[level]->terms[ordinal]))
		return;
	before = quota_path_terms(path, level,
							  quota_catalog_version(path->catalog, sub->due_from)->terms[ordinal]);
	due->is_due = true;
	due->at = sub->due_at;
	due->window = window_of(path, terms, level, sub->due_at);
	if (before == NULL || !sub->due_prorates)
		return;
	due->prorates = !quota_period_is_lifetime(&terms->period) && quota_same_series(before, terms) &&
		!before->unlimited && !terms->unlimited;
	due->old_allowance = before->allowance;
}

/* What limits a metered account, and its window. */
static void
set_terms(const QuotaPath *path, int level, QuotaAccount *account)
{
	const QuotaTerms *terms = account->terms;
	const QuotaSubscription *sub = quota_path_subscription(path, level);
	QuotaWindow window = window_of(path, terms, level, path->at);
	QuotaMeter *meter = account->meter;

	meter->key.source_id = sub ? sub->source_id : 0;
	if (!quota_period_is_lifetime(&terms->period))
	{
		meter->limits.rolls_over = terms->rolls_over && !terms->unlimited;
		meter->limits.rollover_max = terms->rollover_max;
		meter->limits.series = series_of(path, terms, &terms->period, level);
		meter->limits.idle_since = sub ? sub->anchor_at : DT_NOBEGIN;
	}
	meter->key.start = window.start;
	meter->key.end = window.end;
	meter->limits.overage_limit = terms->overage ? terms->overage_limit : 0;
	add_caps(path, terms, level, meter);
}

/* terms NULL: grants alone, with allowance 0 and one lifetime period */
static QuotaAccount *
add_account(QuotaAccounts *accounts, const QuotaPath *path, int level,
			const QuotaTerms *terms, QuotaMeter *meter)
{
	QuotaAccount *account = &accounts->accounts[accounts->naccounts++];
	QuotaKind	kind = accounts->feature->kind;
	int			named = terms ? plan_level(path, level) : -1;

	account->level = level;
	account->terms = terms;
	account->of_members = false;
	account->plan = named >= 0 ? path->plans[named] : NULL;
	set_activity(path, level, account);
	account->meter = meter;
	if (meter == NULL)
		return account;
	meter->limits.unlimited = terms != NULL && terms->unlimited;
	meter->limits.allowance = terms ? terms->allowance : 0;
	meter->limits.plan_version_id = account->plan ? account->plan->id : 0;
	if (terms && terms->rate.limit > 0)
		meter->limits.rate = &terms->rate;
	if (terms)
		meter->limits.lines = (QuotaLines) {terms->npercents, terms->percents,
			terms->nremainders, terms->remainders};
	if (terms && kind == QUOTA_METERED)
	{
		set_terms(path, level, account);
		set_due(path, level, terms, accounts->feature->ordinal, &meter->due);
	}
	if (kind != QUOTA_RATE)
		add_grants(path, level, kind, meter);
	return account;
}

static bool
has_buckets(QuotaKind kind)
{
	return kind == QUOTA_METERED || kind == QUOTA_CAPACITY || kind == QUOTA_RATE;
}

/* No level is an account by its terms: each with a valid grant is one. */
static void
add_grant_accounts(const QuotaPath *path, QuotaAccounts *accounts)
{
	QuotaKind	kind = accounts->feature->kind;

	if (kind != QUOTA_METERED && kind != QUOTA_CAPACITY)
		return;
	for (int level = 0; level < path->subject->nlevels; level++)
	{
		QuotaAccountKey account = quota_account_key(path->subject, level, accounts->feature->id);

		if (!quota_given_grants(path->subject, level, path->snapshot) ||
			!quota_has_grant(&account, path->at, path->snapshot))
			continue;
		/* capacity has a bucket at every level already */
		add_account(accounts, path, level, NULL,
					kind == QUOTA_CAPACITY ? &accounts->meters[level] : add_meter(accounts, path, level));
	}
}

void
quota_accounts_of(const QuotaPath *path, const QuotaFeature *feature, QuotaMeter *meters,
				  QuotaAccounts *accounts)
{
	const QuotaTerms *above = NULL;

	accounts->meters = meters;
	accounts->feature = feature;
	accounts->naccounts = 0;
	accounts->nmeters = 0;
	for (int level = 0; level < path->subject->nlevels; level++)
	{
		const QuotaTerms *given = given_terms(path, level, feature);
		bool		of_members = given == NULL && above != NULL && above->members != NULL;
		const QuotaTerms *terms = quota_path_terms(path, level, of_members ? above->members : given);
		QuotaMeter *meter = NULL;

		above = given;
		if (feature->kind == QUOTA_CAPACITY || (terms && has_buckets(feature->kind)))
			meter = add_meter(accounts, path, level);
		if (terms)
			add_account(accounts, path, level, terms, meter)->of_members = of_members;
	}
	if (accounts->naccounts == 0)
		add_grant_accounts(path, accounts);
}

QuotaAccount *
quota_own_account(const QuotaPath *path, QuotaAccounts *accounts)
{
	QuotaAccount *deepest;

	if (accounts->naccounts == 0)
		return NULL;
	deepest = &accounts->accounts[accounts->naccounts - 1];
	return deepest->level == path->subject->nlevels - 1 ? deepest : NULL;
}
