/*-------------------------------------------------------------------------
 *
 * account.h
 *		Which accounts a request meets on its subject's path.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QUOTA_ACCOUNT_H
#define QUOTA_ACCOUNT_H

#include "base/subject.h"
#include "base/window.h"
#include "engine/engine.h"
#include "store/catalog.h"
#include "store/subscription.h"

/* What is known of a subject's path at one moment, for all features. */
typedef struct QuotaPath
{
	const QuotaSubject *subject;
	TimestampTz at;
	TimestampTz clock;			/* time of day: the same for all of a call */
	Snapshot	snapshot;
	bool		used_up_grants; /* shall accounts name those as well? */
	const QuotaCatalog *catalog;
	QuotaSubscription *subscriptions[QUOTA_MAX_LEVELS]; /* NULL: none */
	QuotaPlanVersion *plans[QUOTA_MAX_LEVELS];	/* the level's own: its
												 * subscription's, or the
												 * default plan */
} QuotaPath;

/* A level of the path that gives the feature, or has nothing but grants of it. */
typedef struct QuotaAccount
{
	int			level;
	const QuotaTerms *terms;	/* NULL: grants alone */
	const QuotaPlanVersion *plan;	/* what the account depends on, or NULL */
	bool		of_members;		/* terms are what the level above gives its members */
	bool		active;			/* else: */
	TimestampTz active_from;	/* when a pause ends; DT_NOEND: that is not known */
	QuotaMeter *meter;		/* metered, capacity, rate: into meters; else NULL */
} QuotaAccount;

typedef struct QuotaAccounts
{
	const QuotaFeature *feature;
	int			naccounts;		/* 0: not entitled */
	QuotaAccount accounts[QUOTA_MAX_LEVELS];	/* from the first segment down */
	int			nmeters;			/* buckets to charge; for capacity one of
								 * every level, account or not */
	QuotaMeter *meters;		/* the caller's */
} QuotaAccounts;

/* "snapshot" must outlive the path */
extern void quota_path_look_up(QuotaPath *path, const QuotaSubject *subject,
							   TimestampTz at, Snapshot snapshot);

/*
 * The snapshot for a report on the present state, not registered.  At READ
 * COMMITTED it is what the statement sees.  Above, what is committed now: that is
 * what a charge would be decided on, and a transaction that has charged would see
 * two versions of the row with its older snapshot.
 */
extern Snapshot quota_state_snapshot(void);

/* a path under that snapshot, until quota_path_release() */
extern void quota_path_look_up_state(QuotaPath *path, const QuotaSubject *subject);
extern void quota_path_release(QuotaPath *path);

/* the level whose plan quota.me() shows: the deepest that has one, or -1 */
extern int	quota_path_plan_level(const QuotaPath *path);

/* "meters" has room for one of each level; it stays the accounts' */
extern void quota_accounts_of(const QuotaPath *path, const QuotaFeature *feature,
							  QuotaMeter *meters, QuotaAccounts *accounts);

/* the account of exactly the path's subject, or NULL */
extern QuotaAccount *quota_own_account(const QuotaPath *path, QuotaAccounts *accounts);

/* the subscription that a level depends on: its own, else the nearest above, or NULL */
extern const QuotaSubscription *quota_path_subscription(const QuotaPath *path, int level);

/*
 * Terms that a level has, stored in a plan or override, as they count there: times
 * the subscription's quantity, if they are to be.
 */
extern const QuotaTerms *quota_path_terms(const QuotaPath *path, int level, const QuotaTerms *terms);

/* could a level's subscription have the plan: is nothing in it too large times its quantity? */
extern bool quota_path_quantity_fits(const QuotaPath *path, int level, const QuotaPlanVersion *plan);

/* have they the same period and anchor? */
extern bool quota_same_series(const QuotaTerms *a, const QuotaTerms *b);

/* are these the stored ones, multiplied or not? */
extern bool quota_terms_are(const QuotaTerms *terms, const QuotaTerms *stored);

/* has a scheduled change of plan come into force that nobody has carried out? */
extern bool quota_path_is_due(const QuotaPath *path);

#endif							/* QUOTA_ACCOUNT_H */
