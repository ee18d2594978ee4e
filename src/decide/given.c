/*-------------------------------------------------------------------------
 *
 * given.c
 *		What is stored for a level of a path, by the tables or from memory.
 *
 * Most accounts have a subscription that nobody changes for weeks, no override and no
 * grant; to look that up costs as much as to charge.  So a session remembers what it
 * reads of a prefix, with the state of its changes from before it read.  While that is
 * the state, a snapshot shows what it remembers: one that was taken after that of the
 * reading, as all of a later transaction's are.
 *
 * What a session meets only once, it does not read twice for the sake of remembering.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "base/compat.h"
#include "base/errors.h"
#include "base/settings.h"
#include "decide/given.h"
#include "shared/changes.h"
#include "store/grant.h"
#include "store/schema.h"

#define NPLACES		256			/* a later prefix takes the place of an earlier one */
#define MOST_ROWS	4			/* of subscriptions; what has had more is not remembered */

typedef struct Given
{
	uint64		hash;			/* of the prefix that was asked for last */
	LocalTransactionId asked_by;	/* who asked first, or has read: */
	uint64		state;			/* of its changes; 0: it has not been read */
	uint64		generation;		/* of the tables */
	MemoryContext memory;
	char	   *prefix;
	int			nrows;
	QuotaSubscriptionRow *rows;
	bool		has_override;
	bool		has_grant;
} Given;

static Given *places = NULL;

/* Whatever else than changes of rows can outdate what was read. */
static uint64
generation(void)
{
	return quota_relation_generation(QUOTA_SUBSCRIPTION) +
		quota_relation_generation(QUOTA_SUBJECT_OVERRIDE) +
		quota_relation_generation(QUOTA_CREDIT_GRANT);
}

static void
read_given(Given *given, uint64 state, const QuotaSubject *subject, int level)
{
	uint64		before = generation();
	MemoryContext caller;
	Snapshot	snapshot;

	given->state = 0;
	if (!quota_tells_changes(QUOTA_SUBSCRIPTION) || !quota_tells_changes(QUOTA_SUBJECT_OVERRIDE) ||
		!quota_tells_changes(QUOTA_CREDIT_GRANT))
		return;
	if (given->memory == NULL)
		given->memory = AllocSetContextCreate(TopMemoryContext, "quota given", ALLOCSET_SMALL_SIZES);
	MemoryContextReset(given->memory);
	caller = MemoryContextSwitchTo(given->memory);
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	given->prefix = quota_subject_prefix(subject, level);
	given->rows = (QuotaSubscriptionRow *) palloc0(sizeof(QuotaSubscriptionRow) * (MOST_ROWS + 1));
	given->nrows = quota_subscription_rows(subject, level, snapshot, given->rows, MOST_ROWS + 1);
	given->has_override = quota_has_override(subject, level, snapshot);
	given->has_grant = quota_subject_has_grant(subject, level, snapshot);
	UnregisterSnapshot(snapshot);
	MemoryContextSwitchTo(caller);
	given->generation = before;
	given->state = state;
}

static bool
is_of(const Given *given, const QuotaSubject *subject, int level)
{
	return given->state != 0 && strlen(given->prefix) == (size_t) subject->prefix_len[level] &&
		memcmp(given->prefix, subject->text, subject->prefix_len[level]) == 0;
}

/* What the session remembers of a level and is true now, or NULL. */
static const Given *
remembered(const QuotaSubject *subject, int level)
{
	uint64		hash = quota_changes_hash(subject->text, subject->prefix_len[level]);
	uint64		state = quota_changes_state(hash);
	LocalTransactionId self = quota_local_transaction();
	Given	   *given;

	/*
	 * A parallel worker takes no snapshot of its own.  A row that is not read has no
	 * predicate lock, without which SERIALIZABLE would miss a conflict.
	 */
	if (state == 0 || IsInParallelMode() || IsolationIsSerializable())
		return NULL;
	if (places == NULL)
		places = (Given *) MemoryContextAllocZero(TopMemoryContext, sizeof(Given) * NPLACES);
	given = &places[hash / NPLACES % NPLACES];
	if (given->hash != hash)
	{
		given->hash = hash;
		given->state = 0;
		given->asked_by = self;
	}
	if (given->asked_by == self)
		return NULL;
	if (is_of(given, subject, level) && given->state == state && given->generation == generation())
		return given;
	given->asked_by = self;
	read_given(given, state, subject, level);
	return NULL;
}

/* ---- by the tables or from memory ---- */

/* A test's setting (quota.eager_leases) has every answer from memory compared. */
static void
compare(const QuotaSubscription *one, const QuotaSubscription *other)
{
	QuotaEnsure((one == NULL) == (other == NULL));
	QuotaEnsure(one == NULL ||
				(one->id == other->id && one->source_id == other->source_id &&
				 one->plan_version_id == other->plan_version_id && one->quantity == other->quantity &&
				 strcmp(one->status, other->status) == 0 && strcmp(one->timezone, other->timezone) == 0 &&
				 one->paused_until == other->paused_until && one->ends_at == other->ends_at &&
				 one->anchor_at == other->anchor_at && one->trial_ends_at == other->trial_ends_at &&
				 one->past_due_since == other->past_due_since && one->cancelled == other->cancelled &&
				 one->starts_at == other->starts_at && (one->paused_from == NULL) == (other->paused_from == NULL) &&
				 one->due == other->due && one->due_at == other->due_at && one->due_from == other->due_from &&
				 one->due_resets == other->due_resets && one->due_prorates == other->due_prorates));
}

QuotaSubscription *
quota_given_subscription(const QuotaSubject *subject, int level, TimestampTz at, Snapshot snapshot)
{
	const Given *given = remembered(subject, level);
	QuotaSubscription *found;

	if (given == NULL || given->nrows > MOST_ROWS)
		return quota_subscription_at(subject, level, at, snapshot);
	found = quota_subscription_of(given->rows, given->nrows, at);
	if (quota_leases_eager())
		compare(found, quota_subscription_at(subject, level, at, snapshot));
	return found;
}

QuotaTerms *
quota_given_override(const QuotaSubject *subject, int level, const QuotaFeature *feature,
					 Snapshot snapshot)
{
	const Given *given = remembered(subject, level);

	if (given == NULL || given->has_override || quota_leases_eager())
	{
		QuotaTerms *terms = quota_override_of(subject, level, feature, snapshot);

		QuotaEnsure(given == NULL || given->has_override || terms == NULL);
		return terms;
	}
	return NULL;
}

bool
quota_given_grants(const QuotaSubject *subject, int level, Snapshot snapshot)
{
	const Given *given = remembered(subject, level);

	if (given == NULL)
		return quota_grants_exist();
	QuotaEnsure(given->has_grant || !quota_leases_eager() ||
				!quota_subject_has_grant(subject, level, snapshot));
	return given->has_grant;
}
