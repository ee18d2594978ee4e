/*-------------------------------------------------------------------------
 *
 * account.c
 *		Which accounts a request meets on its subject's path.
 *
 * A level is an account of a feature if its subscription's plan or an override
 * gives the feature; without any subscription on the path the default plan
 * counts for the first segment.  An override replaces the plan wholly at its
 * level.  An account depends on the subscription of its level, else on the
 * nearest above: that one's status, time zone and start count, and its id is
 * part of the bucket's key, so that a new subscription starts at zero.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/parallel.h"
#include "access/xact.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/errors.h"
#include "base/settings.h"
#include "decide/account.h"

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

		sub = quota_subscription_at(subject->text, subject->prefix_len[i], path->at,
									path->snapshot);
		path->subscriptions[i] = sub;
		path->plans[i] = NULL;
		if (sub == NULL)
			continue;
		subscribed = true;
		path->plans[i] = quota_catalog_version(path->catalog, sub->plan_version_id);
		if (path->plans[i] == NULL)
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
	path->snapshot = snapshot;
	path->catalog = quota_catalog();
	if (look_up_subscriptions(path))
		return;
	path->catalog = quota_catalog_anew();
	if (!look_up_subscriptions(path))
		elog(ERROR, "quota: a subscription to an unknown plan version");
}

void
quota_path_look_up_state(QuotaPath *path, const QuotaSubject *subject)
{
	/* a parallel worker may take no snapshot of its own */
	bool		fresh = IsolationUsesXactSnapshot() && !IsInParallelMode();

	quota_path_look_up(path, subject, quota_now(),
					   RegisterSnapshot(fresh ? GetLatestSnapshot() : GetActiveSnapshot()));
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

QuotaWindow
quota_path_window(const QuotaPath *path, const QuotaTerms *terms, int level)
{
	int			nearest = subscription_level(path, level);
	const QuotaSubscription *sub = nearest >= 0 ? path->subscriptions[nearest] : NULL;
	TimestampTz anchor;
	pg_tz	   *zone;

	if (quota_period_is_lifetime(&terms->period))
	{
		QuotaWindow lifetime = {sub ? sub->starts_at : DT_NOBEGIN, DT_NOEND};

		return lifetime;
	}
	zone = quota_timezone(sub ? sub->timezone : "UTC");
	switch (terms->anchor)
	{
		case QUOTA_ANCHOR_SUBSCRIPTION:
			if (sub)
				return quota_window_at(sub->anchor_at, &terms->period, zone, path->at, true);
			/* an override has the moment it was set, the default plan has none */
			if (!TIMESTAMP_NOT_FINITE(terms->anchor_at))
				return quota_window_at(terms->anchor_at, &terms->period, zone, path->at, true);
			break;
		case QUOTA_ANCHOR_TIMESTAMP:
			return quota_window_at(terms->anchor_at, &terms->period, zone, path->at, true);
		case QUOTA_ANCHOR_CALENDAR:
			break;
	}
	anchor = quota_calendar_anchor(&terms->period, zone);
	return quota_window_at(anchor, &terms->period, zone, path->at, false);
}

/* The terms that a level has of a feature, or NULL. */
static const QuotaTerms *
terms_of(const QuotaPath *path, int level, const QuotaFeature *feature)
{
	const QuotaTerms *terms;

	terms = quota_override_of(path->subject->text, path->subject->prefix_len[level],
							  feature, path->snapshot);
	if (terms)
		return terms;
	return path->plans[level] ? path->plans[level]->terms[feature->ordinal] : NULL;
}

static QuotaBucketRef *
add_ref(QuotaAccounts *accounts, const QuotaPath *path, int level)
{
	QuotaBucketRef *ref = &accounts->refs[accounts->nrefs++];

	memset(ref, 0, sizeof(*ref));
	ref->key.prefix = path->subject->text;
	ref->key.prefix_len = path->subject->prefix_len[level];
	ref->key.feature_id = accounts->feature->id;
	/* for capacity: one number for ever */
	ref->key.source_id = 0;
	ref->key.start = DT_NOBEGIN;
	ref->key.end = DT_NOEND;
	ref->unlimited = true;
	ref->counts_only = (accounts->feature->kind == QUOTA_CAPACITY);
	return ref;
}

/*
 * Does the status of a level's subscription let work go on?  past_due does until
 * the plan's grace, counted in the subscription's zone, is over.
 */
static bool
is_active(const QuotaPath *path, int level)
{
	const QuotaSubscription *sub = path->subscriptions[level];
	const QuotaPlanVersion *plan = path->plans[level];
	QuotaWindow grace;

	if (strcmp(sub->status, "past_due") != 0)
		return strcmp(sub->status, "paused") != 0;
	if (!plan->has_grace)
		return false;
	grace = quota_window_at(sub->past_due_since, &plan->grace, quota_timezone(sub->timezone),
							sub->past_due_since, true);
	return path->at < grace.end;
}

static void
add_account(QuotaAccounts *accounts, const QuotaPath *path, int level,
			const QuotaTerms *terms, QuotaBucketRef *ref)
{
	QuotaAccount *account = &accounts->accounts[accounts->naccounts++];
	int			sub_level = subscription_level(path, level);
	int			named = plan_level(path, level);

	account->level = level;
	account->terms = terms;
	account->plan = named >= 0 ? path->plans[named] : NULL;
	account->active = sub_level < 0 || is_active(path, sub_level);
	account->window.start = DT_NOBEGIN;
	account->window.end = DT_NOEND;
	account->ref = ref;
	if (ref)
	{
		ref->unlimited = terms->unlimited;
		ref->ceiling = terms->allowance;
	}
	if (accounts->feature->kind == QUOTA_METERED)
	{
		account->window = quota_path_window(path, terms, level);
		ref->key.source_id = sub_level >= 0 ? path->subscriptions[sub_level]->source_id : 0;
		ref->key.start = account->window.start;
		ref->key.end = account->window.end;
	}
}

void
quota_accounts_of(const QuotaPath *path, const QuotaFeature *feature, QuotaBucketRef *refs,
				  QuotaAccounts *accounts)
{
	accounts->refs = refs;
	accounts->feature = feature;
	accounts->naccounts = 0;
	accounts->nrefs = 0;
	for (int level = 0; level < path->subject->nlevels; level++)
	{
		const QuotaTerms *terms = terms_of(path, level, feature);
		QuotaBucketRef *ref = NULL;

		if (feature->kind == QUOTA_CAPACITY || (terms && feature->kind == QUOTA_METERED))
			ref = add_ref(accounts, path, level);
		if (terms)
			add_account(accounts, path, level, terms, ref);
	}
}
