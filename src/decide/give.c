/*-------------------------------------------------------------------------
 *
 * give.c
 *		Giving back: capacity that ceased to exist, and refunds.
 *
 * A refund reads from the ledger what the debit took from each bucket and what
 * earlier refunds gave back, so nothing but the ledger has to remember it.  A
 * lock on the debit lets one refund of it at a time do that.
 *
 * A bucket can have less than a refund brings (its use was given back by other
 * means): it stops at 0.  The refund is then booked whole, so that it cannot be
 * had twice, and a correction entry makes the ledger's sum what the bucket says.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"

#include "base/settings.h"
#include "decide/give.h"
#include "store/ledger.h"

/* What one debit took from, and gave back to, one account's bucket. */
typedef struct Part
{
	QuotaBucketRef ref;
	int64		taken[2];		/* [0] allowance or capacity, [1] overdrawn */
	int64		returned[2];
	int64		giving[2];
	char		source[2];
} Part;

typedef struct Debit
{
	QuotaSubject subject;
	int32		feature_id;
	int			nparts;
	Part		parts[QUOTA_MAX_LEVELS];	/* in path order */
} Debit;

static Part *
part_of(Debit *debit, const QuotaEntry *e)
{
	Part	   *part;

	for (int i = 0; i < debit->nparts; i++)
	{
		part = &debit->parts[i];
		if (part->ref.key.prefix_len == e->bucket.prefix_len)
			return part;
	}
	QuotaEnsure(debit->nparts < QUOTA_MAX_LEVELS);
	part = &debit->parts[debit->nparts++];
	memset(part, 0, sizeof(*part));
	part->ref.key = e->bucket;
	part->ref.counts_only = (e->source == QUOTA_SOURCE_CAPACITY);
	part->source[1] = QUOTA_SOURCE_OVERDRAWN;
	part->source[0] = QUOTA_SOURCE_ALLOWANCE;
	return part;
}

/* Reads a debit from the ledger; false when there is none with this id. */
static bool
read_debit(int64 debit_id, Snapshot snapshot, Debit *debit)
{
	QuotaEntry *entries;
	int			n = quota_ledger_of_debit(debit_id, snapshot, &entries);

	memset(debit, 0, sizeof(*debit));
	if (n == 0 || entries[0].kind != QUOTA_ENTRY_DEBIT)
		return false;
	debit->feature_id = entries[0].bucket.feature_id;
	quota_subject_parse(CStringGetTextDatum(entries[0].subject), false, &debit->subject);
	for (int i = 0; i < n; i++)
	{
		const QuotaEntry *e = &entries[i];
		int			which = e->source == QUOTA_SOURCE_OVERDRAWN ? 1 : 0;
		Part	   *part;

		if (e->kind != QUOTA_ENTRY_DEBIT && e->kind != QUOTA_ENTRY_REFUND)
			continue;
		part = part_of(debit, e);
		part->source[which] = e->source;
		if (e->kind == QUOTA_ENTRY_DEBIT)
			part->taken[which] = quota_add(part->taken[which], e->amount, "amount");
		else
			part->returned[which] = quota_add(part->returned[which], -e->amount, "amount");
	}
	return true;
}

static void
raise_no_debit(int64 id)
{
	if (quota_ledger_has_entry(id))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("entry " INT64_FORMAT " is not a debit", id),
				 errhint("Only the id that a debit returned can be refunded.")));
	quota_raise_not_found("debit", psprintf(INT64_FORMAT, id));
}

static const QuotaFeature *
feature_of(const Debit *debit)
{
	const QuotaFeature *feature;

	feature = quota_catalog_feature_by_id(quota_catalog(), debit->feature_id);
	if (feature == NULL)
		elog(ERROR, "quota: a debit of an unknown feature");
	return feature;
}

void
quota_refund_look_up(int64 debit_id, QuotaDebitOwner *owner)
{
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	Debit		debit;

	if (!read_debit(debit_id, snapshot, &debit))
		raise_no_debit(debit_id);
	UnregisterSnapshot(snapshot);
	owner->subject = debit.subject.text;
	owner->feature = feature_of(&debit)->name;
}

/* What is left of a debit; the same at every level. */
static int64
left_of(const Debit *debit)
{
	int64		left = 0;

	for (int i = 0; i < debit->nparts; i++)
	{
		const Part *part = &debit->parts[i];
		int64		here = part->taken[0] - part->returned[0] +
			part->taken[1] - part->returned[1];

		QuotaEnsure(here >= 0 && (i == 0 || here == left));
		left = here;
	}
	return left;
}

static int64
checked_amount(int64 amount, int64 left)
{
	if (left == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("debit is fully refunded")));
	if (amount > left)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("refund is larger than what is left of the debit"),
				 errdetail("Asked for " INT64_FORMAT ", left are " INT64_FORMAT ".",
						   amount, left)));
	return amount == 0 ? left : amount;
}

/* Splits the refund over the parts' buckets, last taken first. */
static void
plan_refund(Debit *debit, int64 amount)
{
	for (int i = 0; i < debit->nparts; i++)
	{
		Part	   *part = &debit->parts[i];

		part->giving[1] = Min(amount, part->taken[1] - part->returned[1]);
		part->giving[0] = amount - part->giving[1];
		QuotaEnsure(part->giving[0] <= part->taken[0] - part->returned[0]);
		part->ref.change.used = part->giving[0];
		part->ref.change.overdrawn = part->giving[1];
	}
}

/* The entries of a refund whose buckets have been given back to. */
static void
write_refund(const Debit *debit, const QuotaBucketRef *refs, const QuotaEntry *template)
{
	QuotaEntry	entries[4 * QUOTA_MAX_LEVELS];
	int			n = 0;

	for (int i = 0; i < debit->nparts; i++)
	{
		const Part *part = &debit->parts[i];
		int64		came_back[2] = {refs[i].change.used, refs[i].change.overdrawn};

		for (int which = 1; which >= 0; which--)
		{
			QuotaEntry	e = *template;

			if (part->giving[which] == 0)
				continue;
			e.bucket = refs[i].key;
			e.source = part->source[which];
			e.kind = QUOTA_ENTRY_REFUND;
			e.amount = -part->giving[which];
			e.id = n == 0 ? template->id : quota_ledger_next_id();
			entries[n++] = e;
			if (came_back[which] == part->giving[which])
				continue;
			e.kind = QUOTA_ENTRY_CORRECTION;
			e.amount = part->giving[which] - came_back[which];
			e.id = quota_ledger_next_id();
			entries[n++] = e;
		}
	}
	QuotaEnsure(n > 0);
	quota_ledger_append(entries, n);
	CommandCounterIncrement();
}

void
quota_refund(QuotaRequest *request)
{
	int64		debit_id = request->debit_id;
	QuotaItem  *item = &request->items[0];
	const QuotaEngine *engine = quota_engine();
	QuotaBucketRef refs[QUOTA_MAX_LEVELS];
	QuotaEntry	template = {0};
	Snapshot	snapshot;
	Debit		debit;

	snapshot = RegisterSnapshot(GetLatestSnapshot());
	quota_ledger_lock_debit(debit_id, snapshot);
	UnregisterSnapshot(snapshot);
	/* what another refund committed while we waited counts */
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	if (!read_debit(debit_id, snapshot, &debit))
		raise_no_debit(debit_id);
	UnregisterSnapshot(snapshot);

	item->charged = checked_amount(item->amount, left_of(&debit));
	plan_refund(&debit, item->charged);
	for (int i = 0; i < debit.nparts; i++)
		refs[i] = debit.parts[i].ref;
	engine->open();
	engine->give(refs, debit.nparts, debit_id);
	engine->close();

	template.id = item->reserved_id ? item->reserved_id : quota_ledger_next_id();
	template.at = quota_now();
	template.subject = debit.subject.text;
	template.debit_id = debit_id;
	template.key = request->key;
	write_refund(&debit, refs, &template);
	item->id = template.id;
	quota_charge_verdict(&debit.subject, feature_of(&debit)->name, &item->verdict);
}

void
quota_give_back(QuotaRequest *request)
{
	const QuotaEngine *engine = quota_engine();
	QuotaItem  *item = &request->items[0];
	QuotaBucketRef refs[QUOTA_MAX_LEVELS];
	const QuotaFeature *feature;
	QuotaAccounts accounts;
	QuotaPath	path;
	Snapshot	snapshot;

	Assert(request->nitems == 1);
	engine->open();
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	quota_path_look_up(&path, &request->subject, quota_now(), snapshot);
	feature = quota_catalog_require_feature(path.catalog, item->feature);
	if (feature->kind != QUOTA_CAPACITY)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("feature \"%s\" is not a capacity", feature->name),
				 errhint("What a metered debit took comes back with quota.refund().")));
	quota_accounts_of(&path, feature, refs, &accounts);
	for (int i = 0; i < accounts.nrefs; i++)
		accounts.refs[i].change.used = item->amount;
	/* a capacity bucket never moves */
	engine->give(accounts.refs, accounts.nrefs, 0);
	if (accounts.refs[accounts.nrefs - 1].change.used < item->amount)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"%s\" does not hold that much of feature \"%s\"",
						request->subject.text, feature->name),
				 errdetail("Asked to give back " INT64_FORMAT ", held are " INT64_FORMAT ".",
						   item->amount, accounts.refs[accounts.nrefs - 1].change.used)));
	quota_write_entries(request, item, &accounts, path.at, QUOTA_ENTRY_GIVE_BACK, -1);
	item->charged = item->amount;
	quota_judge(&path, &accounts, 0, &item->verdict);
	UnregisterSnapshot(snapshot);
	engine->close();
	CommandCounterIncrement();
}
