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
	const char *subject;		/* the payer's */
	QuotaPayer *payer;
	uint32		hash;
	char		status;
} Slot;

#define SH_PREFIX payers
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
	payers_hash *payers;
	MemoryContext context;
};

QuotaTally *
quota_tally_create(void)
{
	QuotaTally *tally = (QuotaTally *) palloc(sizeof(QuotaTally));

	tally->context = CurrentMemoryContext;
	tally->payers = payers_create(CurrentMemoryContext, 64, NULL);
	return tally;
}

/*
 * The subject, if it was met before; else NULL, and the subject in
 * "name", which has room for the longest one, if it is not too long.
 */
static QuotaPayer *
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
	slot = payers_lookup(tally->payers, name);
	return slot ? slot->payer : NULL;
}

static QuotaPayer *
add(QuotaTally *tally, const char *subject)
{
	QuotaPayer *payer = (QuotaPayer *) MemoryContextAllocZero(tally->context, sizeof(QuotaPayer));
	bool		found;

	payer->subject = MemoryContextStrdup(tally->context, subject);
	payers_insert(tally->payers, payer->subject, &found)->payer = payer;
	return payer;
}

QuotaPayer *
quota_tally_payer(QuotaTally *tally, Datum subject)
{
	char		name[QUOTA_MAX_SUBJECT_BYTES + 1];
	QuotaPayer *payer = find(tally, subject, name);
	QuotaSubject parsed;

	if (payer != NULL)
		return payer;
	quota_subject_parse(subject, false, &parsed);
	return add(tally, parsed.text);
}

QuotaPayer *
quota_tally_old_payer(QuotaTally *tally, Datum subject, bool isnull)
{
	char		name[QUOTA_MAX_SUBJECT_BYTES + 1];
	QuotaPayer *payer;
	QuotaSubject parsed;

	if (isnull)
		return NULL;
	payer = find(tally, subject, name);
	if (payer != NULL)
		return payer;
	return quota_subject_is_valid(subject, &parsed) ? add(tally, parsed.text) : NULL;
}

void
quota_payer_take(QuotaPayer *payer, int64 amount)
{
	payer->taken = quota_add(payer->taken, amount, "amount");
}

void
quota_payer_give(QuotaPayer *payer, int64 amount)
{
	payer->given = quota_add(payer->given, amount, "amount");
}

static int
compare_payers(const void *a, const void *b)
{
	return strcmp((*(QuotaPayer *const *) a)->subject, (*(QuotaPayer *const *) b)->subject);
}

QuotaPayer **
quota_tally_sorted(const QuotaTally *tally, int *npayers)
{
	QuotaPayer **sorted = (QuotaPayer **)
		MemoryContextAllocHuge(CurrentMemoryContext,
							   sizeof(QuotaPayer *) * Max(tally->payers->members, 1));
	payers_iterator iterator;
	Slot	   *slot;
	int			n = 0;

	payers_start_iterate(tally->payers, &iterator);
	while ((slot = payers_iterate(tally->payers, &iterator)) != NULL)
		sorted[n++] = slot->payer;
	qsort(sorted, n, sizeof(QuotaPayer *), compare_payers);
	*npayers = n;
	return sorted;
}
