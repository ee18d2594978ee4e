"""What must hold between operations."""

BOOKS = """
SELECT subject, feature_id, source_id, period_start, sum(used), sum(overdrawn)
FROM (SELECT subject, feature_id, source_id, period_start, used, overdrawn FROM quota.bucket
      UNION ALL
      SELECT account, feature_id, source_id, period_start,
             CASE WHEN source = 'o' THEN 0 ELSE -amount END, CASE WHEN source = 'o' THEN -amount ELSE 0 END
      FROM quota.ledger_entry) books
GROUP BY 1, 2, 3, 4 HAVING sum(used) <> 0 OR sum(overdrawn) <> 0"""
HAS_VERIFY = "SELECT to_regprocedure('quota.verify()') IS NOT NULL"


def find(world, database, identities):
    """None, or (where, expected, got)."""
    if database.rows(HAS_VERIFY)[0][0]:
        wrong = database.rows("SELECT check_name, subject, feature, detail FROM quota.verify()")
    else:
        wrong = [tuple(map(str, row)) for row in database.rows(BOOKS)]
    if wrong:
        return "ledger and buckets", [], wrong[:5]
    return _denials(world, database) or _ledger(world, database, identities)


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


def _ledger(world, database, identities):
    """Every debit and its refunds, level by level and source by source."""
    expected = {}
    for entry in world.ledger.values():
        if entry.kind == "transfer":  # statements show them
            continue
        theirs = identities.of_oracle.get(("operation", entry.debit))
        key = theirs, entry.at, entry.subject, entry.account, entry.feature, entry.kind, entry.source
        expected[key] = expected.get(key, 0) + entry.amount
    got = {}
    rows = database.rows("""
        SELECT debit_id, at, subject, account, feature, kind, source, amount
        FROM quota.ledger WHERE kind <> 'transfer'""")
    for *key, amount in rows:
        got[tuple(key)] = got.get(tuple(key), 0) + amount
    if expected != got:
        missing = [(k, v) for k, v in expected.items() if got.get(k) != v]
        extra = [(k, v) for k, v in got.items() if expected.get(k) != v]
        return "ledger", missing[:3], extra[:3]
    return None
