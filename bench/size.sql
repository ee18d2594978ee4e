-- A database of so many accounts and entries, for the case size of bench/leases: each account
-- has the same number of entries, spread over six months.  verify() finds nothing.
-- psql variables: accounts, entries
\set ON_ERROR_STOP on
SET client_min_messages = warning;
SET synchronous_commit = off;
CREATE EXTENSION quota CASCADE;
SELECT quota.apply_catalog('{"features": {"tokens": {"kind": "metered"}},
    "plans": {"plain": {"entitlements": {"tokens": {"allowance": 1000000000000}}}}}');
SELECT quota.subscribe('hot', 'plain', starts_at => now() - interval '6 months') > 0 AS subscribed;

-- its values, so that no scan of the table's hash index is open while that grows: none of its buckets could be split
SELECT plan_version_id, starts_at FROM quota_internal.subscription WHERE subject = 'hot' \gset
CREATE TABLE account AS SELECT n, 's' || n AS subject, nextval('quota_internal.subscription_id_seq') AS id FROM generate_series(1, :accounts) n;
INSERT INTO quota_internal.subscription (id, source_id, subject, plan_version_id, status, starts_at, anchor_at)
    SELECT a.id, a.id, a.subject, :plan_version_id, 'active', :'starts_at', :'starts_at'
    FROM account a;
SELECT count(quota_internal._make_leaf(m)) AS leaves
    FROM generate_series(date_trunc('month', now() - interval '6 months'), now(), interval '1 month') m;
-- in the order of time, as applications write them
INSERT INTO quota_internal.ledger_entry (id, debit_id, at, subject, account, feature_id, kind, source, source_id, period_start, period_end, amount)
    SELECT e.id, e.id, now() - interval '6 months' * (:entries - i) / :entries, a.subject, a.subject,
           (SELECT id FROM quota_internal.feature), 'd', 'a', a.id, :'starts_at', 'infinity', 1
    FROM generate_series(1, :entries) i
        JOIN account a ON a.n = 1 + i * 7919::bigint % :accounts,
        LATERAL (SELECT nextval('quota_internal.ledger_id_seq') + 0 * i AS id) e
    ORDER BY i;
INSERT INTO quota_internal.bucket (subject, feature_id, source_id, period_start, period_end, plan_version_id, used, allowance)
    SELECT e.account, e.feature_id, e.source_id, e.period_start, e.period_end, :plan_version_id, count(*), 1000000000000
    FROM quota_internal.ledger_entry e GROUP BY 1, 2, 3, 4, 5;
DROP TABLE account;
VACUUM ANALYZE;
CHECKPOINT;
