/*-------------------------------------------------------------------------
 *
 * tally.c
 *		Who pays how much for the rows of one statement.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "utils/builtins.h"

#include "base/errors.h"
#include "base/subject.h"
#include "gate/tally.h"

typedef struct Slot
{
	const char *subject;		/* the share's */
	QuotaShare *share;
	uint32		hash;
	char		status;
} Slot;

#define SH_PREFIX shares
#define SH_ELEMENT_TYPE Slot
#define SH_KEY_TYPE const char *
#define SH_KEY subject
#define SH_HASH_KEY(tb, key) hash_bytes((const unsigned char *) (key), (int) strlen(key))
#define SH_EQUAL(tb, a, b) (strcmp((a), (b)) == 0)
#define SH_STORE_HASH
#define SH_GET_HASH(tb, a) (a)->hash
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

struct QuotaTally
{
	shares_hash *shares;
	MemoryContext context;
};

QuotaTally *
quota_tally_create(void)
{
	QuotaTally *tally = (QuotaTally *) palloc(sizeof(QuotaTally));

	tally->context = CurrentMemoryContext;
	tally->shares = shares_create(CurrentMemoryContext, 64, NULL);
	return tally;
}

/*
 * The share of a subject that was met before; else NULL, and the subject in
 * "name", which has room for the longest one, if it is not too long.
 */
static QuotaShare *
find(const QuotaTally *tally, Datum subject, char *name)
{
	struct varlena *text = (struct varlena *) DatumGetPointer(subject);
	Slot	   *slot;
	Size		len;

	name[0] = '\0';
	/* what is longer than this is toasted or not valid */
	if (VARATT_IS_EXTENDED(text) && !VARATT_IS_SHORT(text))
		return NULL;
	len = VARSIZE_ANY_EXHDR(text);
	if (len > QUOTA_MAX_SUBJECT_BYTES)
		return NULL;
	memcpy(name, VARDATA_ANY(text), len);
	name[len] = '\0';
	slot = shares_lookup(tally->shares, name);
	return slot ? slot->share : NULL;
}

static QuotaShare *
add(QuotaTally *tally, const char *subject)
{
	QuotaShare *share = (QuotaShare *) MemoryContextAllocZero(tally->context, sizeof(QuotaShare));
	bool		found;

	share->subject = MemoryContextStrdup(tally->context, subject);
	shares_insert(tally->shares, share->subject, &found)->share = share;
	return share;
}

QuotaShare *
quota_tally_share(QuotaTally *tally, Datum subject)
{
	char		name[QUOTA_MAX_SUBJECT_BYTES + 1];
	QuotaShare *share = find(tally, subject, name);
	QuotaSubject parsed;

	if (share != NULL)
		return share;
	quota_subject_parse(subject, false, &parsed);
	return add(tally, parsed.text);
}

QuotaShare *
quota_tally_old_share(QuotaTally *tally, Datum subject, bool isnull)
{
	char		name[QUOTA_MAX_SUBJECT_BYTES + 1];
	QuotaShare *share;
	QuotaSubject parsed;

	if (isnull)
		return NULL;
	share = find(tally, subject, name);
	if (share != NULL)
		return share;
	return quota_subject_is_valid(subject, &parsed) ? add(tally, parsed.text) : NULL;
}

void
quota_share_take(QuotaShare *share, int64 amount)
{
	share->taken = quota_add(share->taken, amount, "amount");
}

void
quota_share_give(QuotaShare *share, int64 amount)
{
	share->given = quota_add(share->given, amount, "amount");
}

static int
compare_shares(const void *a, const void *b)
{
	return strcmp((*(QuotaShare *const *) a)->subject, (*(QuotaShare *const *) b)->subject);
}

QuotaShare **
quota_tally_sorted(const QuotaTally *tally, int *nshares)
{
	QuotaShare **sorted = (QuotaShare **)
		MemoryContextAllocHuge(CurrentMemoryContext,
							   sizeof(QuotaShare *) * Max(tally->shares->members, 1));
	shares_iterator iterator;
	Slot	   *slot;
	int			n = 0;

	shares_start_iterate(tally->shares, &iterator);
	while ((slot = shares_iterate(tally->shares, &iterator)) != NULL)
		sorted[n++] = slot->share;
	qsort(sorted, n, sizeof(QuotaShare *), compare_shares);
	*nshares = n;
	return sorted;
}
