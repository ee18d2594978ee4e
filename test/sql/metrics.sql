--
-- The view metrics: what a monitoring system scrapes
--
SET client_min_messages = warning; DROP EXTENSION IF EXISTS quota CASCADE; CREATE EXTENSION quota CASCADE;
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/include/enforcement.psql'
\i :helpers
CREATE VIEW pg_temp.shown AS
    SELECT name, labels, value FROM quota.metrics
    WHERE name NOT IN ('quota_table_bytes', 'quota_oldest_snapshot_age_seconds', 'quota_oldest_snapshot_age_transactions') AND name NOT LIKE 'quota\_memory%';
-- shared memory is the whole server's, if there is any
SELECT name FROM quota.metrics WHERE name LIKE 'quota\_memory%' AND value >= 0 ORDER BY name COLLATE "C";
-- Before there is anything.
SELECT * FROM pg_temp.shown ORDER BY name COLLATE "C", labels;
SELECT count(*) AS tables, min(value) >= 0 AS have_sizes FROM quota.metrics WHERE name = 'quota_table_bytes';
-- every row is named and labelled as Prometheus can take it, once, and explained
SELECT * FROM quota.metrics WHERE name !~ '^quota_[a-z_]+$' OR value IS NULL OR jsonb_typeof(labels) <> 'object'
    OR EXISTS (SELECT FROM jsonb_each(labels) l WHERE l.key !~ '^[a-z_]+$' OR jsonb_typeof(l.value) <> 'string');
SELECT name, labels FROM quota.metrics GROUP BY 1, 2 HAVING count(*) > 1;
SELECT DISTINCT m.name AS without_explanation FROM quota.metrics m WHERE obj_description('quota.metrics'::regclass) !~ ('\n' || m.name || '[{:]');

SET quota.clock = '2026-03-10 12:00:00+00';
SELECT count(*) FROM quota.apply_catalog('{
    "features": {"tokens": {"kind": "metered"}, "docs": {"kind": "capacity"}, "beta": {"kind": "boolean"}},
    "plans": {"free": {"default": true, "entitlements": {"tokens": {"allowance": 100, "period": "month"}, "docs": {"allowance": 9}}},
              "pro": {"entitlements": {"tokens": {"allowance": 1000, "period": "month"}}}}}');
SELECT count(*) > 0 AS done FROM quota.maintain();
SELECT quota.subscribe('a', 'pro'), quota.subscribe('b', 'pro', trial => '3 days'), quota.subscribe('c', 'free', '2026-04-01'), quota.subscribe('d', 'pro', '2026-01-01', '2026-02-01'),
       quota.subscribe('e', 'pro'), quota.subscribe('f', 'pro'), quota.subscribe('g', 'pro', trial => '3 days'), quota.set_status('e', 'past_due'), quota.set_status('f', 'paused', '2026-03-12');
SELECT quota.change_plan('g', 'free', 'period_end');
SELECT remaining FROM quota.debit('z', 'tokens', 7);
SELECT id AS short FROM quota.reserve('z', 'tokens', 5, '1 minute') \gset
SELECT id AS long FROM quota.reserve('z', 'tokens', 5, '1 day') \gset
SELECT reason FROM quota.try_debit('z', 'tokens', 1000);
SELECT reason FROM quota.try_debit('y', 'tokens', 1000);
SELECT reason FROM quota.try_debit('z', 'beta');
SELECT id AS key FROM quota.create_api_key('a', 'one') \gset
SELECT id > 0 AS made FROM quota.create_api_key('a', 'two', '2026-03-10 12:30+00');
SELECT id > 0 AS made FROM quota.create_api_key('a', 'three');
SELECT quota.revoke_api_key(:key);
ANALYZE quota_internal.bucket, quota_internal.ledger_entry;
SELECT * FROM pg_temp.shown WHERE value <> 0 ORDER BY name COLLATE "C", labels;
-- as time goes by: a hold and a key expire, a trial that is confirmed becomes active, another day's refusals begin at 0
SET quota.clock = '2026-03-13 12:00:00+00';
SELECT * FROM pg_temp.shown WHERE name ~ 'holds|subscriptions|denials|lag|api_keys' ORDER BY name COLLATE "C", labels;
SELECT count(*) > 0 AS done FROM quota.maintain();
SELECT * FROM pg_temp.shown WHERE name ~ 'holds|subscriptions|rollup|events_waiting' ORDER BY name COLLATE "C", labels;

-- Many subscriptions are counted by a sample.
INSERT INTO quota_internal.subscription (id, source_id, subject, plan_version_id, status, starts_at, anchor_at)
    SELECT n, n, 's' || n, v.id, 'active', '2026-01-01', '2026-01-01'
    FROM generate_series(1000, 5999) n, quota_internal.plan_version v JOIN quota_internal.plan p ON p.id = v.plan_id WHERE p.name = 'pro';
ANALYZE quota_internal.subscription;
SELECT value FROM quota.metrics WHERE name = 'quota_subscriptions' AND labels = '{"plan": "pro", "status": "active"}';
UPDATE pg_class SET reltuples = 20000 WHERE oid = 'quota_internal.subscription'::regclass;
SELECT value BETWEEN 3000 AND 7000 AS about, value <> 5001 AS estimated FROM quota.metrics WHERE name = 'quota_subscriptions' AND labels = '{"plan": "pro", "status": "active"}';

-- More entries than are counted.
SELECT entries FROM quota_internal._rollup_waiting(0);
SELECT remaining FROM quota.debit('a', 'tokens'), generate_series(1, 3);
SELECT entries, oldest_at FROM quota_internal._rollup_waiting(2);

-- A prepared transaction or a session with a snapshot would hold VACUUM back; ours does not count.
SELECT name, value FROM quota.metrics WHERE name ~ 'oldest' AND value < 0;

-- A reader sees the numbers, and no table; an application neither.
DROP ROLE IF EXISTS regress_quota_scraper;
CREATE ROLE regress_quota_scraper;
SELECT quota.grant_access('regress_quota_scraper', 'reader');
SET ROLE regress_quota_scraper;
SELECT count(DISTINCT name) FROM quota.metrics;
SELECT count(*) FROM quota_internal._rollup_waiting(1);
RESET ROLE;
SELECT quota.grant_access('regress_quota_scraper', 'app');
SET ROLE regress_quota_scraper;
SELECT count(*) FROM quota.metrics;
RESET ROLE;
SELECT quota.revoke_access('regress_quota_scraper');
DROP ROLE regress_quota_scraper;
