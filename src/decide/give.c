/*-------------------------------------------------------------------------
 *
 * give.c
 *		Giving back: capacity that ceased to exist, and refunds.
 *
 * A refund reads from the ledger what the debit took from each bucket and what
 * earlier refunds gave back, so nothing but the ledger has to remember it.  A
 * lock on the debit lets one refund of it at a time do that.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"

#include "base/errors.h"
#include "base/settings.h"
#include "decide/give.h"
#include "engine/booking.h"
#include "store/hold.h"

static int
compare_accounts(const void *a, const void *b)
{
	return ((const QuotaPart *) a)->key.account.prefix_len -
		((const QuotaPart *) b)->key.account.prefix_len;
}

/* Puts parts of one account together; those of the same account keep their order. */
static void
order_by_account(QuotaPart *parts, int nparts)
{
	for (int i = 1; i < nparts; i++)
	{
		QuotaPart	part = parts[i];
		int			j = i;

		for (; j > 0 && compare_accounts(&parts[j - 1], &part) > 0; j--)
			parts[j] = parts[j - 1];
		parts[j] = part;
	}
}

/*
 * An id that was used again, as after a sequence was set back, names the debits of
 * several subjects: what one of them took must not come back to another.
 */
static void
require_one_debit(const QuotaDebit *debit)
{
	int			firsts = 0;

	for (int i = 0; i < debit->nentries; i++)
		firsts += debit->entries[i].id == debit->id;
	if (firsts > 1)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("id " INT64_FORMAT " stands for several debits", debit->id),
				 errhint("quota.verify() tells more: the sequence quota_internal.ledger_id_seq was set back.")));
}

bool
quota_debit_read(int64 id, Snapshot snapshot, QuotaDebit *debit)
{
	memset(debit, 0, sizeof(*debit));
	debit->id = id;
	debit->nentries = quota_ledger_of_debit(id, snapshot, &debit->entries);
	if (debit->nentries == 0)
		return false;
	require_one_debit(debit);
	debit->kind = debit->entries[0].kind;
	if (debit->kind != QUOTA_ENTRY_DEBIT && debit->kind != QUOTA_ENTRY_HOLD)
		return false;
	debit->feature = quota_catalog_feature_by_id(quota_catalog(),
												 debit->entries[0].bucket.account.feature_id);
	quota_subject_parse(CStringGetTextDatum(debit->entries[0].subject), false, &debit->subject);
	debit->nparts = quota_parts_of(debit->entries, debit->nentries, NULL, &debit->parts);
	order_by_account(debit->parts, debit->nparts);
	return true;
}

void
quota_debit_require_feature(const QuotaDebit *debit)
{
	if (debit->feature == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_QUOTA_NOT_FOUND),
				 errmsg("the feature of debit " INT64_FORMAT " does not exist any more", debit->id)));
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

void
quota_refund_look_up(int64 debit_id, QuotaDebitOwner *owner)
{
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	QuotaDebit	debit;

	if (!quota_debit_read(debit_id, snapshot, &debit))
		raise_no_debit(debit_id);
	UnregisterSnapshot(snapshot);
	owner->subject = debit.subject.text;
	/* a key that was used answers nevertheless */
	owner->feature = debit.feature ? debit.feature->name : "";
}

int64
quota_debit_left(const QuotaDebit *debit)
{
	int64		left = 0;
	int64		here = 0;

	for (int i = 0; i < debit->nparts; i++)
	{
		bool		last = i == debit->nparts - 1 ||
			compare_accounts(&debit->parts[i], &debit->parts[i + 1]) != 0;

		here = quota_add(here, debit->parts[i].amount, "amount");
		if (!last)
			continue;
		/* a hold can have grown by an account that was not there before */
		QuotaEnsure(left == 0 || here == left || debit->kind == QUOTA_ENTRY_HOLD);
		left = Max(left, here);
		here = 0;
	}
	return left;
}

int64
quota_debit_overdrew(const QuotaDebit *debit, char kind)
{
	int64		most = 0;

	for (int level = 0; level < debit->subject.nlevels; level++)
	{
		int64		here = 0;

		for (int i = 0; i < debit->nentries; i++)
		{
			const QuotaEntry *e = &debit->entries[i];

			if (e->kind == kind && e->amount > 0 &&
				e->bucket.account.prefix_len == debit->subject.prefix_len[level] &&
				(e->source == QUOTA_SOURCE_OVERDRAWN || e->source == QUOTA_SOURCE_CAPACITY_BEYOND))
				here += e->amount;
		}
		most = Max(most, here);
	}
	return most;
}

int
quota_plan_giving(const QuotaDebit *debit, QuotaGiveRule what, int64 amount,
				  QuotaUnreserve unreserve, QuotaGiving **givings)
{
	int			n = 0;
	int			end;

	*givings = (QuotaGiving *) palloc0(sizeof(QuotaGiving) * Max(debit->nparts, 1));
	for (int start = 0; start < debit->nparts; start = end)
	{
		int64		total = debit->parts[start].amount;
		int64		left;

		for (end = start + 1; end < debit->nparts; end++)
		{
			if (compare_accounts(&debit->parts[start], &debit->parts[end]) != 0)
				break;
			total = quota_add(total, debit->parts[end].amount, "amount");
		}
		left = what == QUOTA_GIVE_BEYOND ? Max(total - amount, 0) : amount;
		for (int i = end - 1; i >= start; i--)
		{
			QuotaGiving *giving = &(*givings)[n++];
			int64		all = debit->parts[i].amount;

			giving->part = debit->parts[i];
			giving->part.amount = Min(all, left);
			giving->unreserve = unreserve == QUOTA_UNRESERVE_ALL ? all :
				unreserve == QUOTA_UNRESERVE_GIVEN ? giving->part.amount : 0;
			left -= giving->part.amount;
		}
	}
	return n;
}

static int64
checked_amount(int64 debit_id, int64 amount, int64 left)
{
	if (left == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("nothing is left to refund of debit " INT64_FORMAT, debit_id),
				 errhint("A call that may be repeated needs a key: with the same key it answers again.")));
	if (amount > left)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("refund is larger than what is left of debit " INT64_FORMAT, debit_id),
				 errdetail("Asked for " INT64_FORMAT ", left are " INT64_FORMAT ".",
						   amount, left)));
	return amount == 0 ? left : amount;
}

/* What came into being is given back when it ceases to exist. */
static void
require_metered(const QuotaDebit *debit)
{
	if (debit->feature->kind == QUOTA_METERED)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("debit " INT64_FORMAT " is of the capacity \"%s\", which is not refunded",
					debit->id, debit->feature->name),
			 errhint("Give it back with quota.give_back() when it ceases to exist.")));
}

/* A hold can be refunded once it is settled. */
static void
require_settled(const QuotaDebit *debit, Snapshot snapshot)
{
	QuotaHold	hold;

	if (debit->kind != QUOTA_ENTRY_HOLD || !quota_hold_find(debit->id, snapshot, &hold))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("hold " INT64_FORMAT " is not settled", debit->id),
			 errhint("Give it back with quota.release(), or settle it first.")));
}

/* The key has been claimed for the subject that the debit had; while we waited, it may have been renamed. */
static void
require_same_subject(const QuotaRequest *request, const QuotaDebit *debit)
{
	if (request->key == NULL || strcmp(request->subject.text, debit->subject.text) == 0)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
			 errmsg("the subject of debit " INT64_FORMAT " has another name since", debit->id),
			 errhint("Try again.")));
}

void
quota_refund(QuotaRequest *request)
{
	int64		debit_id = request->debit_id;
	QuotaItem  *item = &request->items[0];
	QuotaGiving *givings;
	int			ngivings;
	QuotaEntry	like = {0};
	Snapshot	snapshot;
	QuotaDebit	debit;

	quota_engine_enter();
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	quota_ledger_lock_debit(debit_id, snapshot);
	UnregisterSnapshot(snapshot);
	/* what another refund committed while we waited counts */
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	if (!quota_debit_read(debit_id, snapshot, &debit))
		raise_no_debit(debit_id);
	quota_debit_require_feature(&debit);
	require_settled(&debit, snapshot);
	require_metered(&debit);
	require_same_subject(request, &debit);
	UnregisterSnapshot(snapshot);

	item->charged = checked_amount(debit_id, item->amount, quota_debit_left(&debit));
	ngivings = quota_plan_giving(&debit, QUOTA_GIVE_AMOUNT, item->charged, QUOTA_UNRESERVE_NOTHING,
								 &givings);
	like.id = item->reserved_id;
	like.at = quota_now();
	like.subject = debit.subject.text;
	like.kind = QUOTA_ENTRY_REFUND;
	like.debit_id = debit_id;
	like.levels = debit.entries[0].levels;
	like.key = request->key;
	item->id = quota_give_and_book(givings, ngivings, &like);
	quota_charge_verdict(&debit.subject, debit.feature->name, &item->verdict);
}

/* What ceases to exist at every level. */
static QuotaGiving *
capacity_givings(const QuotaAccounts *accounts, int64 amount, TimestampTz at)
{
	QuotaGiving *givings = (QuotaGiving *) palloc0(sizeof(QuotaGiving) * accounts->nmeters);

	for (int i = 0; i < accounts->nmeters; i++)
	{
		givings[i].part.key = accounts->meters[i].key;
		givings[i].part.source = QUOTA_SOURCE_CAPACITY;
		givings[i].part.at = at;
		givings[i].part.amount = amount;
	}
	return givings;
}

void
quota_give_back(QuotaRequest *request)
{
	QuotaItem  *item = &request->items[0];
	QuotaMeter	meters[QUOTA_MAX_LEVELS];
	const QuotaFeature *feature;
	QuotaAccounts accounts;
	QuotaGiving *givings;
	QuotaEntry	template;
	QuotaPath	path;
	Snapshot	snapshot;
	int64		held;

	Assert(request->nitems == 1);
	quota_engine_enter();
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	quota_path_look_up(&path, &request->subject, quota_now(), snapshot);
	feature = quota_catalog_require_feature(path.catalog, item->feature);
	if (feature->kind != QUOTA_CAPACITY)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("feature \"%s\" is not a capacity", feature->name),
				 errhint("What a metered debit took comes back with quota.refund().")));
	quota_accounts_of(&path, feature, meters, &accounts);
	/* what an expired hold reserved is not there to give back */
	for (int i = 0; i < accounts.nmeters; i++)
		(void) quota_engine_expire(&accounts.meters[i].key.account);
	givings = capacity_givings(&accounts, item->amount, path.at);
	/* a capacity bucket never moves */
	quota_engine_give(givings, accounts.nmeters, 0);
	held = givings[accounts.nmeters - 1].part.amount;
	if (held < item->amount && !request->up_to)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"%s\" does not hold that much of feature \"%s\"",
						request->subject.text, feature->name),
				 errdetail("Asked to give back " INT64_FORMAT ", in use without open holds are " INT64_FORMAT ".",
						   item->amount, held)));
	template = quota_entry_template(request, item, path.at, QUOTA_ENTRY_GIVE_BACK);
	item->id = quota_book_given(givings, accounts.nmeters, &template);
	item->charged = held;
	UnregisterSnapshot(snapshot);
	CommandCounterIncrement();
	quota_charge_verdict(&request->subject, feature->name, &item->verdict);
}
