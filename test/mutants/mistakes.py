"""Mistakes that the code can be made to have, each with the cheapest test that notices it.

Those of a lease's arithmetic are in test/c/mutants.  A test is SUITE:WHICH as test/run takes
it; eager:WHICH is regress:WHICH where every charge opens a lease.
"""

from typing import NamedTuple


class Mistake(NamedTuple):
    what: str
    file: str
    old: str
    new: str
    test: str


TAKE, DRAW, GIVE = "src/engine/lease_take.c", "src/engine/lease_draw.c", "src/engine/lease_give.c"
ROW, END, ORPHAN = "src/engine/lease_row.c", "src/engine/lease_end.c", "src/engine/lease_orphan.c"
ROW_TAKE, ROW_GIVE, PREPARE = "src/engine/row_take.c", "src/engine/row_give.c", "src/engine/row_prepare.c"
MEMORY, LOCK, CHANGES = "src/shared/leases.c", "src/shared/lease_lock.c", "src/shared/changes.c"
GIVEN, LEDGER = "src/decide/given.c", "src/store/lease.c"

LEASES, REMEMBERED, LATE = "tap:051_leases", "tap:052_given", "tap:053_late"

MISTAKES = [
    # ---- taking ----
    Mistake("takes without the lock of the lease", TAKE,
            "&rows->draws) || !quota_lease_share(&meter->key))", "&rows->draws))", LEASES),
    Mistake("lets the lock go before the end", TAKE,
            "\trows->lease = entry.lease;", "\tquota_lease_unshare(&meter->key);\n\trows->lease = entry.lease;", LEASES),
    Mistake("does not look whether the row bears the lease", TAKE,
            "if (row.tuple == NULL || row.state.lease_id != lease)", "if (row.tuple == NULL)", LEASES),
    Mistake("takes with an id from before the lease", TAKE,
            "if (entry->closing || (meter->early_id != 0 && meter->early_id <= entry->row.lease_since))",
            "if (entry->closing)", LEASES),
    Mistake("takes under other terms", TAKE,
            "quota_same_lease_terms(&terms, &rows->lease_terms) &&", "quota_same_lease_terms(&terms, &terms) &&", LEASES),
    Mistake("takes before what has expired is given back", TAKE,
            "return !rows->expired && meter->amount > 0 &&", "return meter->amount > 0 &&", "eager:holds_expiry"),
    Mistake("does not return what a call has not come to use", ROW_TAKE,
            "\tif (result != QUOTA_TAKEN)\n\t\tquota_leases_return(meters, rows, nmeters);\n\treturn result;", "\treturn result;", LEASES),
    Mistake("keeps more than it charges", ROW_TAKE,
            "\tquota_leases_trim(meters, rows, nmeters);\n", "", LEASES),
    Mistake("takes from a lease where less was found than is asked for", ROW_TAKE,
            "if (fits && meters[0].amount == asked)", "if (fits)", LEASES),
    Mistake("forgets what the transaction has written of the row", TAKE,
            "written ? written : &entry.row", "written && entry.lease == 0 ? written : &entry.row", LEASES),
    Mistake("retires never", MEMORY,
            "\tif (!is_old(seen, now))\n\t\treturn false;\n", "\tif (is_old(seen, now) || !is_old(seen, now))\n\t\treturn false;\n", LEASES),
    Mistake("retires always", MEMORY,
            "return now - Max(entry->opened_at, entry->retires_until) > LASTS_US;", "return now > 0;", LEASES),
    Mistake("locks any number of leases", LOCK,
            "if (nshared >= MOST_SHARED && !quota_holds_lock(&tag, TAKES))", "if (nshared < 0)", LEASES),

    # ---- drawing ----
    Mistake("draws where memory is full", DRAW,
            "else if (!quota_leases_open(&key, &entry))", "else if (!quota_leases_open(&key, &entry) && entry.lease == 0)", LEASES),
    Mistake("draws over a threshold", DRAW,
            "\tif (entry->ceiling < PG_INT64_MAX)\n", "\tif (entry->ceiling < 0)\n", LEASES),
    Mistake("holds count as use for the threshold below", DRAW,
            "row->rolled_out - (row->reserved + entry->held + entry->holding);", "row->rolled_out;", LEASES),
    Mistake("knows no threshold below", DRAW,
            "\t\t\tentry->may_give = Min(entry->may_give, (int64) Min(least - line, FAR));", "\t\t\tcontinue;", LEASES),
    Mistake("draws for a lease that memory does not know", DRAW,
            "if ((row->lease_id != 0 && !found) ||", "if (", LEASES),
    Mistake("leases a window with caps", DRAW,
            "!meter->limits.overdraw_only && meter->balance.ncaps == 0 &&", "!meter->limits.overdraw_only &&", "eager:caps"),
    Mistake("an undone draw stays in memory", MEMORY,
            "if (write->opens && entry->writer == write->writer)", "if (write->opens && entry->writer == 0)", LEASES),

    # ---- the row ----
    Mistake("writes a row and does not tell memory", ROW,
            "\t\tquota_leases_write(&key, lease, state);\n", "\t\t(void) key;\n", LEASES),
    Mistake("reads nothing over", MEMORY,
            "if (found && !is_mine(here->writer) && !quota_lease_read_over(here, row))",
            "if (found && !is_mine(here->writer) && here->lease != row->lease_id)", LATE),
    Mistake("reads its own writes over", MEMORY,
            "if (found && !is_mine(here->writer) && !", "if (found && (!is_mine(here->writer) || true) && !", LATE),
    Mistake("drains nothing", ROW,
            "\t\trows[i].drained = true;\n\t\tdrain(&meters[i].key);\n", "\t\tcontinue;\n", LEASES),
    Mistake("one that has taken waits for others", ROW,
            "!quota_leases_shared_any() && !quota_bucket_locked_any()", "!quota_bucket_locked_any()", LEASES),
    Mistake("waits with a row from before", ROW,
            "!quota_leases_shared_any() && !quota_bucket_locked_any()", "!quota_leases_shared_any()", LEASES),
    Mistake("closes over what is in flight", MEMORY,
            "closes = entry != NULL && quota_lease_is_quiet(entry, &own);", "closes = entry != NULL;", LEASES),
    Mistake("goes on with a lease under other terms", ROW,
            "return !quota_same_lease_terms(&entry->terms, &terms) || entry->may_give < 0 ||",
            "return !quota_same_lease_terms(&terms, &terms) || entry->may_give < 0 ||", LEASES),
    Mistake("refuses beside what may come back", ROW_TAKE,
            "if (rows[i].by_lease || rows[i].leased)\n", "if (rows[i].by_lease)\n", LEASES),
    Mistake("forgets what it has in flight itself", MEMORY,
            "\t\tsum.taken += noted->share.taken;\n", "", LEASES),
    Mistake("shows what others have in flight", ROW,
            "return quota_lease_closed(&entry, &row->state, &own);", "return quota_lease_seen(&entry, &row->state, &own);", LEASES),
    Mistake("shows memory to a cursor from before", ROW,
            "snapshot->curcid >= GetCurrentCommandId(false) && find_entry", "find_entry", LEASES),
    Mistake("rolls over what a lease has not used", PREPARE,
            "lock_unmoved(buckets, before, snapshot) && !quota_lease_end(buckets, before, true);", "lock_unmoved(buckets, before, snapshot);", "eager:rollover"),

    # ---- giving back ----
    Mistake("gives to a lease of another count", GIVE,
            " || !is_leased(part, &entry))", " || (!is_leased(part, &entry) && false))", LEASES),
    Mistake("gives with an id from before the lease", GIVE,
            "(giving->early_id != 0 && giving->early_id <= entry.row.lease_since) || ", "", LEASES),
    Mistake("gives without the lock of the lease", GIVE,
            " || !quota_lease_share(&part->key))", ")", LATE),
    Mistake("the row gives below a threshold", ROW,
            "return !quota_leases_spare(&key, entry.lease, spared) && recall(", "return quota_leases_spare(&key, entry.lease, 0) && false && recall(", LEASES),
    Mistake("a settle beside a lease is bounded by the row", ROW_GIVE,
            "state.reserved -= state.lease_id != 0 ? giving->unreserve : Min(state.reserved, giving->unreserve);",
            "state.reserved -= Min(state.reserved, giving->unreserve);", LEASES),

    # ---- its end, administration ----
    Mistake("PREPARE is an abort", MEMORY,
            "\t\tquota_lease_prepare(entry, &noted->share);", "\t\tquota_lease_abort(entry, &noted->share);", LEASES),
    Mistake("administration drains nothing before it locks", END,
            "if (rows[i].tuple != NULL && wait)\n\t\t\tquota_lease_drain(&rows[i].key);", "(void) wait;", LEASES),
    Mistake("administration ends no lease", END,
            "\tnended = end_all(buckets, locked, nlocked, wait);", "\tnended = end_all(buckets, locked, 0 * nlocked, wait);", "regress:leases_rows"),
    Mistake("administration writes what its snapshot has not seen", END,
            "if (IsolationUsesXactSnapshot() && !ItemPointerEquals", "if (IsolationUsesXactSnapshot() && seen == NULL && !ItemPointerEquals", "isolation:lease_orphan"),
    Mistake("administration keeps what an orphan's row says of holds", END,
            "\t\tstate.reserved = quota_reserved_in(&rows[i]->key, buckets, snapshot);\n", "", LEASES),

    # ---- orphans ----
    Mistake("an orphan counts as unused", LEDGER,
            "quota_add(*count - state->leased, taken, \"use\")", "quota_add(*count - state->leased, 0 * taken, \"use\")", "isolation:lease_orphan"),
    Mistake("an orphan counts as used", LEDGER,
            "quota_add(*count - state->leased, taken, \"use\")", "quota_add(*count, 0 * taken, \"use\")", "isolation:lease_orphan"),
    Mistake("an orphan keeps what its row says of holds", ORPHAN,
            "\tstate.reserved = quota_reserved_in(&row->key, buckets, snapshot);\n", "", LEASES),
    Mistake("an orphan is summed by a scan of whole months", LEDGER,
            "\tswitch_off(\"enable_seqscan\");\n", "", "regress:leases_rows"),
    Mistake("a lease begins after its first entries", LEDGER,
            "CASE WHEN is_called THEN 0 ELSE 1 END FROM", "CASE WHEN is_called THEN -100 ELSE 1 END FROM", LATE),

    # ---- what sessions remember ----
    Mistake("the state is read after the snapshot", GIVEN,
            "\tgiven->state = state;\n", "\tgiven->state = state ? quota_changes_state(given->hash) : 0;\n", REMEMBERED),
    Mistake("remembers for a snapshot from before", GIVEN,
            "\tif (given->asked_by == self)\n\t\treturn NULL;\n", "", REMEMBERED),
    Mistake("remembers where nobody tells", GIVEN,
            "\tif (!quota_tells_changes(QUOTA_SUBSCRIPTION) || !quota_tells_changes(QUOTA_SUBJECT_OVERRIDE) ||\n"
            "\t\t!quota_tells_changes(QUOTA_CREDIT_GRANT))\n\t\treturn;\n", "", REMEMBERED),
    Mistake("remembers of other tables", GIVEN,
            " && given->generation == generation())", ")", REMEMBERED),
    Mistake("remembers under SERIALIZABLE", GIVEN,
            " || IsInParallelMode() || IsolationIsSerializable())", " || IsInParallelMode())", REMEMBERED),
    Mistake("remembers whatever has changed", GIVEN,
            "is_of(given, subject, level) && given->state == state &&", "is_of(given, subject, level) &&", REMEMBERED),
    Mistake("remembers the first of many rows", GIVEN,
            "if (given == NULL || given->nrows > MOST_ROWS)", "if (given == NULL)", REMEMBERED),
    Mistake("remembers where transactions can be prepared", CHANGES,
            "slots == NULL || max_prepared_xacts > 0 || RecoveryInProgress()", "slots == NULL || RecoveryInProgress()", REMEMBERED),
    Mistake("remembers on a standby", CHANGES,
            "slots == NULL || max_prepared_xacts > 0 || RecoveryInProgress()", "slots == NULL || max_prepared_xacts > 0", REMEMBERED),
    Mistake("remembers while somebody is at it", CHANGES,
            "return state < UNDER_WAY ? state : 0;", "return state % UNDER_WAY;", LATE),
    Mistake("a change counts as ended before it is", CHANGES,
            "return state < UNDER_WAY ? state : 0;", "return state % UNDER_WAY + state / UNDER_WAY;", REMEMBERED),
    Mistake("a change that has ended is not counted", CHANGES,
            "ENDED - UNDER_WAY);", "0 - UNDER_WAY);", REMEMBERED),
    Mistake("a change that is rolled back never ends", CHANGES,
            "\tfor (int i = 0; i < NSLOTS; i++)\n\t{\n\t\tif (changes->slots", "\tfor (int i = 0; i < NSLOTS && end != QUOTA_ABORTED; i++)\n\t{\n\t\tif (changes->slots", REMEMBERED),
    Mistake("a change is told twice", CHANGES,
            "\tif (changes->slots[slot / 64] & bit)\n\t\treturn;\n", "", REMEMBERED),
]
