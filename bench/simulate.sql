-- quota.simulate() over a month of 1,000,000 ledger entries of 20,000 accounts.
-- usage: psql -X -f bench/simulate.sql		in a database of its own; it creates the extension
\timing off
CREATE EXTENSION quota CASCADE;
SET quota.clock = '2026-01-01 00:00:00+00';
SELECT count(*) FROM quota.apply_catalog('{
    "features": {"tokens": {"kind": "metered"}, "pages": {"kind": "metered"}},
    "plans": {"free": {"default": true, "entitlements": {"tokens": {"allowance": 10000, "period": "month"}}},
              "pro": {"entitlements": {"tokens": {"allowance": 100000, "period": "month", "overage": true}, "pages": {"allowance": 5000, "period": "month"}}}}}');
SELECT count(quota.subscribe('s' || n, 'pro', '2026-01-01')) FROM generate_series(1, 5000) n;
SELECT quota.maintain();
-- what debits would have left in the ledger, which is all that simulate() reads; one in a hundred is a refund
INSERT INTO quota_internal.ledger_entry (id, at, xid, subject, account, feature_id, kind, source, epoch, levels, source_id, period_start, period_end, amount, debit_id)
SELECT nextval('quota_internal.ledger_id_seq'), timestamptz '2026-01-01 00:00+00' + n * interval '2.6 seconds', pg_current_xact_id(), s.subject, s.subject, f.id,
       CASE WHEN n % 100 = 0 THEN 'r' ELSE 'd' END::"char", 'a', 0, 1, coalesce(u.source_id, 0), '2026-01-01 00:00+00', '2026-02-01 00:00+00',
       CASE WHEN n % 100 = 0 THEN -5 ELSE n % 400 END, n
FROM generate_series(1, 1000000) n CROSS JOIN LATERAL (SELECT ('s' || (1 + n * 7919::bigint % 20000)) COLLATE "C" AS subject) s
    JOIN quota_internal.feature f ON f.name = CASE WHEN n % 4 = 0 THEN 'pages' ELSE 'tokens' END
    LEFT JOIN quota_internal.subscription u ON u.subject = s.subject;
VACUUM ANALYZE;
SET quota.clock = '2026-02-01 00:00:00+00';
\timing on
\echo other limits
SELECT count(*), count(*) FILTER (WHERE blocked_then), sum(overage_then)
FROM quota.simulate(jsonb_set(quota.export_catalog(), '{plans,free,entitlements,tokens,allowance}', '7000'), '2026-01-01 00:00+00');
\echo other windows for every account
SELECT count(*), count(*) FILTER (WHERE blocked_then), sum(overage_then)
FROM quota.simulate(jsonb_set(jsonb_set(quota.export_catalog(), '{plans,free,entitlements,tokens}', '{"allowance": 400, "period": "day"}'),
    '{plans,pro,entitlements,tokens}', '{"allowance": 400, "period": "day", "overage": true}'), '2026-01-01 00:00+00');
