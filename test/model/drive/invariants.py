"""What must hold between operations."""

import json
import re
from collections import Counter

from oracle import times
from oracle.due import bring_about
from oracle.reserved import reserved_by_window
from oracle.thresholds import notice_expired
from oracle.world import NEWER

from . import tables

ROLLOVERS = """
SELECT b.subject, f.name, CASE WHEN isfinite(b.period_end) THEN b.period_start END, nullif(b.period_end, 'infinity'),
       sum(coalesce(rolled_in, 0)), sum(coalesce(rolled_out, 0))
FROM quota_internal.window_use b JOIN quota_internal.feature f ON f.id = b.feature_id
WHERE b.rolled_in <> 0 OR b.rolled_out <> 0
GROUP BY 1, 2, 3, 4"""
PERIODS = """
SELECT subject, feature, CASE WHEN isfinite(period_end) THEN period_start END, nullif(period_end, 'infinity'),
       used, overage, overdrawn, granted, rolled_in, rolled_out, reserved, allowance, plan, version
FROM quota.periods"""
WITHOUT_TERMS, WITH_TERMS = 7, 10  # columns after the key: the last are the plan's allowance, name, version
TIME = re.compile(r"\d{4,}-\d\d-\d\dT\d\d:\d\d:\d\d")
HOLDS = "SELECT id, subject, feature, reserved, created_at, expires_at, metadata FROM quota.holds"
NOTICED = """
SELECT quota_internal._begin_posting(), quota_internal._carry_out_due(), quota_internal._see_expired_holds(),
       quota_internal._reap_holds(10000), quota_internal._tell_all_expired(), quota_internal._roll_up()"""
EVENTS = "SELECT at, type, subject, feature, data FROM quota.events"
NOTICED_LATE = {"plan_changed", "status_changed", "threshold_reached", "grant_expired", "hold_expired"}  # by whom is nobody's business
IDS = {"subscription_id": "subscription", "grant_id": "grant", "hold_id": "operation"}
SUBSCRIPTIONS = """
SELECT subject, starts_at, plan, version, status, ends_at, trial_ends_at, next_plan, next_plan_at, timezone, quantity, paused_until
FROM quota.subscriptions WHERE status <> 'ended'"""
GATED = {"table", "counted", "recount"}  # keys of the metadata that gates write


def find(world, database, identities):
    """None, or (where, expected, got)."""
    bring_about(world)  # as at the beginning of a call
    found = _shown(world, database, identities)
    if found:
        return found
    database.sql(NOTICED)
    notice_expired(world)
    return _periods(world, database, WITH_TERMS) or _events(world, database, identities) or _books(world, database, identities)


def _books(world, database, identities):
    wrong = database.rows("SELECT check_name, subject, feature, detail FROM quota.verify()")
    if wrong:
        return "ledger and buckets", [], wrong[:5]
    return (
        _denials(world, database) or _ledger(world, database, identities) or _rollovers(world, database)
        or tables.find(world, database)
    )


def _denials(world, database):
    expected = {
        (day, subject, feature, reason, times, last_at)
        for (day, subject, feature, reason), (times, last_at) in world.denials.items()
    }
    got = set(database.rows(
        "SELECT day - date '1970-01-01', subject, feature, reason, times, last_at FROM quota.denials"
    ))
    if expected != got:
        return "denials", sorted(expected - got)[:5], sorted(got - expected)[:5]
    return None


def _rollovers(world, database):
    """What rolled over into each window and out of it."""
    expected = {}
    for (subject, feature, _, start, end), bucket in world.buckets.items():
        if bucket.rolled_in or bucket.rolled_out:
            start = end and start  # a lifetime may begin at an anchor
            into, out = expected.get((subject, feature, start, end), (0, 0))
            expected[subject, feature, start, end] = into + (bucket.rolled_in or 0), out + bucket.rolled_out
    return _differing("rollover", expected, {row[:4]: row[4:] for row in database.rows(ROLLOVERS)})


def _shown(world, database, identities):
    """What views show, whoever has noticed what has come."""
    return _periods(world, database, WITHOUT_TERMS) or _holds(world, database, identities) or _subscriptions(world, database)


def _periods(world, database, width):
    """What is invoiced for each window, so many columns of it: an expired hold is not."""
    expected, got, widths, reserved = {}, {}, {}, reserved_by_window(world)
    for window, bucket in world.buckets.items():
        if bucket.used or bucket.rolled_in:
            subject, feature, _, start, end = window
            rolled_in = bucket.rolled_in or 0
            allowance = None if bucket.limit is None else bucket.limit + rolled_in + bucket.grant
            row = (bucket.used, bucket.overage, bucket.overdrawn, bucket.grant, rolled_in, bucket.rolled_out,
                   reserved.get(window, 0), allowance, *_named(bucket.plan))
            key = subject, feature, end and start, end
            expected.setdefault(key, []).append(row)
            widths[key] = min(widths.get(key, width), WITHOUT_TERMS if bucket.plan is NEWER else width)
    for row in database.rows(PERIODS):
        got.setdefault(row[:4], []).append(row[4:])
    return _differing("periods", _cut(expected, widths), _cut(got, widths))


def _events(world, database, identities):
    """Who was told what, and when, but for what is told when it is noticed."""
    told = [(e.at, e.type, e.subject, e.feature, _with_their_ids(identities, e.data)) for e in world.events.values()]
    expected, got = (Counter(_event(*row) for row in rows if not _of_nothing(*row)) for rows in (told, database.rows(EVENTS)))
    if expected == got:
        return None
    return "events", sorted((expected - got).elements())[:3], sorted((got - expected).elements())[:3]


def _of_nothing(_at, type, _subject, _feature, data):
    """A member that has used nothing need not be known when the limits of its team change."""
    return type == "threshold_reached" and data["used"] == 0


def _event(at, type, subject, feature, data):
    return type, subject, feature or "", 0 if type in NOTICED_LATE else at, json.dumps(_with_instants(data), sort_keys=True)


def _with_their_ids(identities, data):
    return {key: identities.of_oracle.get((IDS[key], value)) if key in IDS else value for key, value in data.items()}


def _with_instants(value):
    """Times in JSON as instants; infinite ones are none."""
    if isinstance(value, dict):
        return {key: _with_instants(each) for key, each in value.items()}
    if value in ("infinity", "-infinity"):
        return None
    if isinstance(value, str) and TIME.match(value):
        return times.instant(value)
    return value


def _named(plan):
    return plan if isinstance(plan, tuple) else (None, None)


def _cut(periods, widths):
    """Rows by account and window, of which there are several after a new subscription."""
    return {key: sorted((row[: widths.get(key)] for row in rows), key=repr) for key, rows in periods.items()}


def _holds(world, database, identities):
    """Those that are open."""
    expected = {}
    for number, hold in world.holds.items():
        if hold.state == "open":
            operation = world.operations[number]
            expected[identities.of_oracle.get(("operation", number))] = (
                operation.subject, operation.feature, hold.reserved, hold.created_at, hold.expires_at, hold.metadata)
    return _differing("holds", expected, {row[0]: row[1:] for row in database.rows(HOLDS)})


def _subscriptions(world, database):
    """Those that have not ended."""
    expected = {}
    for sub in world.subscriptions.values():
        if sub.ends_at is not None and sub.ends_at <= max(world.now, sub.starts_at):
            continue
        coming = sub.next if sub.ends_at is None or sub.next is None or sub.next.at < sub.ends_at else None
        expected[sub.subject, sub.starts_at] = (
            sub.plan, sub.version, "scheduled" if sub.starts_at > world.now else sub.status, sub.ends_at,
            None if sub.activated else sub.trial_end, coming and coming.plan, coming and coming.at, sub.zone, sub.quantity,
            sub.paused_until,
        )
    return _differing("subscriptions", expected, {row[:2]: row[2:] for row in database.rows(SUBSCRIPTIONS)})


def _differing(where, expected, got):
    if expected == got:
        return None
    differ = [key for key in expected.keys() | got.keys() if expected.get(key) != got.get(key)][:3]
    return where, [(key, expected.get(key)) for key in differ], [(key, got.get(key)) for key in differ]


def _ledger(world, database, identities):
    """Every debit and its refunds, level by level and source by source; of a hold that
    is closed what it stands at, for when an expired one goes back is nobody's business.
    What gates charge has no id that was answered: it is added up."""
    holds = {identities.of_oracle.get(("operation", number)): hold.state for number, hold in world.holds.items()}
    corrections = {
        identities.of_oracle.get(("operation", number))
        for number, operation in world.operations.items() if operation.kind == "correction"
    } | {None}  # of gates
    expected = _sums(holds, corrections, (
        (None if GATED & set(e.metadata or ()) else identities.of_oracle.get(("operation", e.debit)), e.at, e.subject,
         e.account, e.feature, e.kind, e.source, e.amount)
        for e in world.ledger.values() if e.kind != "transfer"  # statements show them
    ))
    got = _sums(holds, corrections, database.rows("""
        SELECT CASE WHEN metadata ?| :gated THEN NULL ELSE debit_id END,
               at, subject, account, feature, kind, source, amount
        FROM quota.ledger WHERE kind <> 'transfer'""", gated=sorted(GATED)))
    if expected != got:
        missing = [(k, v) for k, v in expected.items() if got.get(k) != v]
        extra = [(k, v) for k, v in got.items() if expected.get(k) != v]
        return "ledger", missing[:3], extra[:3]
    return None


def _sums(holds, corrections, rows):
    """Units by debit, time, subject, account, feature, kind and source.  What stops at 0 in a bucket, while
    an expired hold counts there still, is booked under it or under what comes back: that is left out."""
    sums = {}
    for debit, at, subject, account, feature, kind, source, amount in rows:
        stops = kind == "correction" and debit not in corrections or kind == "give_back" and account != subject
        if holds and stops:
            continue
        if debit not in holds:
            key = debit, at, subject, account, feature, kind, source
        elif holds[debit] == "closed":
            key = debit, None, subject, account, feature, "hold", source
        else:
            continue
        sums[key] = sums.get(key, 0) + amount
    return {key: amount for key, amount in sums.items() if amount or key[1] is not None}
