-- Our side: a plan for 100,000 customers, a smaller one for everybody else.
-- Amounts are such that nothing is ever refused.
-- psql variables: subjects
\set ON_ERROR_STOP on
CREATE EXTENSION quota CASCADE;

SELECT count(*) AS catalog FROM quota.apply_catalog('{
    "features": {"tokens": {"kind": "metered", "unit": "token"}},
    "plans": {
        "free": {"default": true,
                 "entitlements": {"tokens": {"allowance": 1000000000000000, "period": "month"}}},
        "pro": {"entitlements": {"tokens": {"allowance": 1000000000000000, "period": "month"}}}}}');

-- customers with a subscription, and the hot one
SELECT count(quota.subscribe(n::text, 'pro')) AS subscribed
    FROM generate_series(10000001, 10000000 + :subjects) n;
SELECT quota.subscribe('1', 'pro') AS hot;
-- paths: an organisation with ten members, both levels subscribed
SELECT count(quota.subscribe(n::text, 'pro')) AS organisations
    FROM generate_series(30000001, 30000000 + :subjects / 100) n;
SELECT count(quota.subscribe(n || '/' || m, 'pro')) AS members
    FROM generate_series(30000001, 30000000 + :subjects / 100) n, generate_series(1, 10) m;

-- every bucket there is, as the peer's counters are
SELECT count(d.id) AS warmed
    FROM generate_series(10000001, 10000000 + :subjects) n, quota.debit(n::text, 'tokens') d;
SELECT count(d.id) AS warmed_default_plan
    FROM generate_series(20000001, 20000000 + :subjects) n, quota.debit(n::text, 'tokens') d;
SELECT count(d.id) AS warmed_paths
    FROM generate_series(30000001, 30000000 + :subjects / 100) n, generate_series(1, 10) m,
         quota.debit(n || '/' || m, 'tokens') d;
SELECT id FROM quota.debit('1', 'tokens');
