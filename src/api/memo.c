/*-------------------------------------------------------------------------
 *
 * memo.c
 *		What has() and setting() answered, for as long as they would again.
 *
 * In a row security policy they are called for every row, mostly about the same
 * few subjects.  The session remembers the answers of one moment, and forgets
 * them as soon as it is called in another.  A moment is all that an answer
 * depends on beside the question:
 *
 * - which transactions the snapshot sees: its contents, since addresses are used
 *   again;
 * - what of its own transaction it sees: the command counter, and the
 *   subtransaction, for a rollback to a savepoint hides rows without moving the
 *   counter.  A subtransaction's id is never used again in its transaction, nor
 *   the transaction's local id in the session;
 * - the catalog, which is read under a snapshot of its own, and TRUNCATE, which
 *   no snapshot hides: both send relcache invalidations;
 * - the time: the transaction's start, or the test clock.
 *
 * Remembered once for the session and not once for each call site, as fn_extra
 * would: a partitioned table has a copy of its policies for every partition.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "common/hashfn.h"
#include "storage/lock.h"
#include "storage/proc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "api/memo.h"
#include "base/settings.h"
#include "store/schema.h"

/* more than that, and all is forgotten */
#define MOST_BYTES		((Size) 1024 * 1024)

typedef struct Moment
{
	uint64		generation;
	TimestampTz at;
	LocalTransactionId transaction;
	SubTransactionId subtransaction;
	SnapshotData seen;			/* the arrays are our own copies */
} Moment;

typedef struct Question
{
	const char *subject;
	const char *feature;
	int			subject_len;
	int			feature_len;
} Question;

typedef struct Entry
{
	Question	question;
	QuotaAnswer answer;
	uint32		hash;
	char		status;
} Entry;

static inline uint32
hash_question(Question question)
{
	return hash_combine(hash_bytes((const unsigned char *) question.subject, question.subject_len),
						hash_bytes((const unsigned char *) question.feature, question.feature_len));
}

static inline bool
same_question(Question a, Question b)
{
	return a.subject_len == b.subject_len && a.feature_len == b.feature_len &&
		memcmp(a.subject, b.subject, a.subject_len) == 0 &&
		memcmp(a.feature, b.feature, a.feature_len) == 0;
}

#define SH_PREFIX entries
#define SH_ELEMENT_TYPE Entry
#define SH_KEY_TYPE Question
#define SH_KEY question
#define SH_HASH_KEY(tb, key) hash_question(key)
#define SH_EQUAL(tb, a, b) same_question((a), (b))
#define SH_STORE_HASH
#define SH_GET_HASH(tb, a) (a)->hash
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

static MemoryContext context = NULL;	/* everything below lives here */
static entries_hash *entries = NULL;	/* NULL: nothing is remembered */
static Moment moment;					/* of the entries */

static void
forget(void)
{
	entries = NULL;
	MemoryContextReset(context);
}

static bool
same_xids(const TransactionId *a, uint32 na, const TransactionId *b, uint32 nb)
{
	return na == nb && (na == 0 || memcmp(a, b, sizeof(TransactionId) * na) == 0);
}

/* Do two MVCC snapshots see the same, within one subtransaction? */
static bool
see_the_same(const SnapshotData *a, const SnapshotData *b)
{
	return a->xmin == b->xmin && a->xmax == b->xmax && a->curcid == b->curcid &&
		a->suboverflowed == b->suboverflowed && a->takenDuringRecovery == b->takenDuringRecovery &&
		same_xids(a->xip, a->xcnt, b->xip, b->xcnt) &&
		same_xids(a->subxip, a->subxcnt, b->subxip, b->subxcnt);
}

/* None of the terms ever falls, so the sum stays only if all do. */
static uint64
present_generation(void)
{
	uint64		catalog = quota_catalog_generation();	/* accepts invalidations: first */

	return catalog + quota_relation_generation(QUOTA_SUBSCRIPTION) +
		quota_relation_generation(QUOTA_SUBJECT_OVERRIDE) +
		quota_relation_generation(QUOTA_CREDIT_GRANT);
}

static Moment
present_moment(Snapshot snapshot)
{
	Moment		now;
	VirtualTransactionId vxid;

	now.generation = present_generation();
	now.at = quota_now();
	GET_VXID_FROM_PGPROC(vxid, *MyProc);
	now.transaction = vxid.localTransactionId;
	now.subtransaction = GetCurrentSubTransactionId();
	now.seen = *snapshot;
	/* nobody reads them then, and a copied snapshot has none */
	if (now.seen.suboverflowed && !now.seen.takenDuringRecovery)
		now.seen.subxcnt = 0;
	return now;
}

static bool
is_same_moment(const Moment *a, const Moment *b)
{
	return a->generation == b->generation && a->at == b->at &&
		a->transaction == b->transaction && a->subtransaction == b->subtransaction &&
		see_the_same(&a->seen, &b->seen);
}

static TransactionId *
copy_xids(const TransactionId *xids, uint32 n)
{
	Size		size = sizeof(TransactionId) * n;

	return n == 0 ? NULL : (TransactionId *) memcpy(MemoryContextAlloc(context, size), xids, size);
}

static void
begin_moment(const Moment *now)
{
	if (context == NULL)
		context = AllocSetContextCreate(TopMemoryContext, "quota memo", ALLOCSET_DEFAULT_SIZES);
	forget();
	moment = *now;
	moment.seen.xip = copy_xids(now->seen.xip, now->seen.xcnt);
	moment.seen.subxip = copy_xids(now->seen.subxip, now->seen.subxcnt);
	entries = entries_create(context, 8, NULL);
}

static Question
question_of(const text *subject, const text *feature)
{
	Question	question = {
		.subject = VARDATA_ANY(subject), .feature = VARDATA_ANY(feature),
		.subject_len = (int) VARSIZE_ANY_EXHDR(subject), .feature_len = (int) VARSIZE_ANY_EXHDR(feature)
	};

	return question;
}

static Jsonb *
copy_of(const Jsonb *value)
{
	return (Jsonb *) memcpy(palloc(VARSIZE(value)), value, VARSIZE(value));
}

const QuotaAnswer *
quota_memo_find(Snapshot snapshot, const text *subject, const text *feature)
{
	Moment		now = present_moment(snapshot);
	Entry	   *entry;

	if (entries == NULL || !is_same_moment(&now, &moment))
	{
		begin_moment(&now);
		return NULL;
	}
	entry = entries_lookup(entries, question_of(subject, feature));
	return entry ? &entry->answer : NULL;
}

/*
 * What changed while the answer was looked up is newer than the moment that it
 * is kept for, so the next call comes in another one.
 */
void
quota_memo_add(const text *subject, const text *feature, const QuotaAnswer *answer)
{
	Question	question = question_of(subject, feature);
	QuotaAnswer kept = *answer;
	MemoryContext old;
	bool		found;

	if (MemoryContextMemAllocated(context, true) > MOST_BYTES)
	{
		forget();
		return;
	}
	old = MemoryContextSwitchTo(context);
	question.subject = pnstrdup(question.subject, question.subject_len);
	question.feature = pnstrdup(question.feature, question.feature_len);
	if (kept.value)
		kept.value = copy_of(kept.value);
	entries_insert(entries, question, &found)->answer = kept;
	MemoryContextSwitchTo(old);
}
