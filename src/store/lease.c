/*-------------------------------------------------------------------------
 *
 * lease.c
 *		What has been taken from leases, by the ledger.
 *
 * A lease's entries are younger than it: the BRIN index on id leads to the pages that
 * can have them, in whatever month.  Months before it cost a look at their indexes.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "commands/sequence.h"
#include "utils/guc.h"

#include "base/errors.h"
#include "store/lease.h"
#include "store/schema.h"
#include "store/sql.h"

static void
switch_off(const char *setting)
{
	(void) set_config_option(setting, "off", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
}

/*
 * The planner, which does not know how young the lease is, would read whole months; and
 * compile what is done in less time.
 */
static uint64
read_by_index(QuotaStatement *statement, Datum *values, Snapshot snapshot)
{
	int			nest_level = NewGUCNestLevel();
	uint64		nrows;

	switch_off("enable_seqscan");
	switch_off("jit");
	nrows = quota_sql_read(statement, values, NULL, snapshot);
	AtEOXact_GUC(true, nest_level);
	return nrows;
}

static int64
int8_of(uint64 row, int column)
{
	bool		isnull;

	return DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, &isnull));
}

void
quota_lease_next(int64 *lease_id, int64 *since)
{
	static QuotaStatement last = {
		.text = "SELECT last_value OPERATOR(pg_catalog.-) CASE WHEN is_called THEN 0 ELSE 1 END FROM quota_internal.ledger_id_seq"
	};
	QuotaIdentity caller;

	*lease_id = nextval_internal(quota_relid(QUOTA_LEASE_ID_SEQ), false);
	quota_sql_begin(&caller);
	QuotaEnsure(quota_sql_execute(&last, NULL, NULL) == 1);
	*since = int8_of(0, 1);
	quota_sql_end(&caller);
}

int64
quota_ledger_of_lease(int64 lease_id, int64 since, Snapshot snapshot)
{
	static QuotaStatement sum = {
		.text = "SELECT CAST(coalesce(pg_catalog.sum(amount), 0) AS pg_catalog.int8)"
		" FROM quota_internal.ledger_entry"
		" WHERE id OPERATOR(pg_catalog.>) $2 AND lease_id OPERATOR(pg_catalog.=) $1",
		.nparams = 2,
		.types = {INT8OID, INT8OID}
	};
	Datum		values[2] = {Int64GetDatum(lease_id), Int64GetDatum(since)};
	int64		amount;
	QuotaIdentity caller;

	quota_sql_begin(&caller);
	QuotaEnsure(read_by_index(&sum, values, snapshot) == 1);
	amount = int8_of(0, 1);
	quota_sql_end(&caller);
	return amount;
}

int
quota_ledger_of_leases(Snapshot snapshot, QuotaLeaseUse **uses)
{
	static QuotaStatement sums = {
		.text = "SELECT lease_id, CAST(pg_catalog.sum(amount) AS pg_catalog.int8)"
		" FROM quota_internal.ledger_entry"
		" WHERE id OPERATOR(pg_catalog.>) (SELECT pg_catalog.min(lease_since) FROM quota_internal.bucket WHERE lease_id IS NOT NULL)"
		" AND lease_id IS NOT NULL GROUP BY lease_id ORDER BY lease_id"
	};
	MemoryContext context = CurrentMemoryContext;
	int			n;
	QuotaIdentity caller;

	quota_sql_begin(&caller);
	n = (int) read_by_index(&sums, NULL, snapshot);
	*uses = (QuotaLeaseUse *) MemoryContextAlloc(context, sizeof(QuotaLeaseUse) * Max(n, 1));
	for (int i = 0; i < n; i++)
	{
		(*uses)[i].lease_id = int8_of(i, 1);
		(*uses)[i].amount = int8_of(i, 2);
	}
	quota_sql_end(&caller);
	return n;
}

static int
compare_uses(const void *a, const void *b)
{
	int64		left = ((const QuotaLeaseUse *) a)->lease_id;
	int64		right = ((const QuotaLeaseUse *) b)->lease_id;

	return (left > right) - (left < right);
}

int64
quota_lease_taken(const QuotaLeaseUse *uses, int n, int64 lease_id)
{
	QuotaLeaseUse key = {.lease_id = lease_id};
	const QuotaLeaseUse *found = (const QuotaLeaseUse *) bsearch(&key, uses, n, sizeof(key), compare_uses);

	return found ? found->amount : 0;
}

void
quota_lease_settle(QuotaBucketState *state, int64 taken)
{
	int64	   *count = quota_lease_count_of(state);

	/* negative where the row has given back what was taken from the lease */
	*count = quota_add(*count - state->leased, taken, "use");
	state->lease_id = state->lease_since = 0;
	state->leased = 0;
	state->leases_overage = false;
}

void
quota_lease_settle_by(QuotaBucketState *state, Snapshot snapshot)
{
	quota_lease_settle(state, quota_ledger_of_lease(state->lease_id, state->lease_since, snapshot));
}
