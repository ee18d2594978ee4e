/*-------------------------------------------------------------------------
 *
 * transaction.c
 *		What is left to do in shared memory when a transaction ends.
 *
 * A list in the transaction's own memory, the newest first.  Those of a
 * subtransaction stand together at its head, since whatever came after them has
 * ended: so the end of a subtransaction looks at nothing but its own.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/memutils.h"

#include "shared/transaction.h"

typedef struct Noted
{
	struct Noted *before;
	SubTransactionId subxid;
	QuotaAtEnd	at_end;
	char		what[FLEXIBLE_ARRAY_MEMBER];
} Noted;

static Noted *newest = NULL;

void *
quota_at_end(QuotaAtEnd at_end, const void *what, Size size)
{
	Noted	   *noted;

	/* "what" lies where any type may */
	StaticAssertStmt(offsetof(Noted, what) % MAXIMUM_ALIGNOF == 0, "what is not aligned");
	noted = (Noted *) MemoryContextAlloc(TopTransactionContext, offsetof(Noted, what) + size);
	noted->before = newest;
	noted->subxid = GetCurrentSubTransactionId();
	noted->at_end = at_end;
	memcpy(noted->what, what, size);
	newest = noted;
	return noted->what;
}

void *
quota_noted_last(QuotaAtEnd at_end)
{
	return newest != NULL && newest->at_end == at_end &&
		newest->subxid == GetCurrentSubTransactionId() ? newest->what : NULL;
}

/* All of the transaction, or of one subtransaction. */
static void
end(QuotaEnd how, SubTransactionId subxid)
{
	while (newest != NULL && (subxid == InvalidSubTransactionId || newest->subxid == subxid))
	{
		Noted	   *noted = newest;

		newest = noted->before;
		noted->at_end(noted->what, how);
	}
}

static void
transaction_ends(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_COMMIT:
		case XACT_EVENT_PARALLEL_COMMIT:
			end(QUOTA_COMMITTED, InvalidSubTransactionId);
			break;
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PARALLEL_ABORT:
			end(QUOTA_ABORTED, InvalidSubTransactionId);
			break;
		case XACT_EVENT_PREPARE:
			end(QUOTA_PREPARED, InvalidSubTransactionId);
			break;
		case XACT_EVENT_PRE_COMMIT:
		case XACT_EVENT_PARALLEL_PRE_COMMIT:
		case XACT_EVENT_PRE_PREPARE:
			break;
	}
}

static void
subtransaction_ends(SubXactEvent event, SubTransactionId mine, SubTransactionId parent, void *arg)
{
	if (event == SUBXACT_EVENT_ABORT_SUB)
		end(QUOTA_ABORTED, mine);
	else if (event == SUBXACT_EVENT_COMMIT_SUB)
	{
		for (Noted *noted = newest; noted != NULL && noted->subxid == mine; noted = noted->before)
			noted->subxid = parent;
	}
}

void
quota_transaction_init(void)
{
	RegisterXactCallback(transaction_ends, NULL);
	RegisterSubXactCallback(subtransaction_ends, NULL);
}
