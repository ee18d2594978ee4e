--
-- migrate: everybody to the newest version of a plan
--
SET client_min_messages = warning; DROP EXTENSION IF EXISTS quota CASCADE; CREATE EXTENSION quota CASCADE;
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/include/enforcement.psql'
\i :helpers
SET quota.clock = '2026-01-10 12:00:00+00';
SELECT count(*) FROM quota.apply_catalog('{
    "features": {"tokens": {"kind": "metered"}, "calls": {"kind": "metered"}, "docs": {"kind": "capacity"}},
    "plans": {"free": {"default": true, "entitlements": {"tokens": {"allowance": 10, "period": "month"}}},
              "pro": {"entitlements": {"tokens": {"allowance": 100, "period": "month", "notify": [80]}, "docs": {"allowance": 5}}},
              "team": {"entitlements": {"tokens": {"allowance": 1000, "period": "month"}}}}}');
CREATE VIEW pg_temp.subs AS
SELECT subject, plan, version AS v, status, paused_until, trial_ends_at, ends_at, next_plan, next_plan_at FROM quota.subscriptions ORDER BY subject, id;
CREATE VIEW pg_temp.happened AS
SELECT subject, type, data - 'subscription_id' AS data FROM quota.events ORDER BY subject, id;
-- another version of pro: what it gives of tokens
CREATE FUNCTION pg_temp.pro(tokens jsonb) RETURNS SETOF text LANGUAGE sql AS $$
SELECT change FROM quota.apply_catalog(jsonb_set(quota.export_catalog(), '{plans,pro,entitlements,tokens}', tokens)) WHERE change <> 'unchanged' $$;

SELECT quota.migrate('pro');		-- nobody is there
SELECT quota.subscribe(s, 'pro') > 0 FROM unnest('{cancelled,changes,gone,paused,plain,plain/below,prorated,resets,same,used}'::text[]) s;
SELECT quota.subscribe(s, 'pro', trial => '14 days') > 0 FROM unnest('{trial,confirmed,ctrial}'::text[]) s;
SELECT quota.subscribe('future', 'pro', starts_at => '2026-03-01') > 0, quota.subscribe('future', 'pro', starts_at => '2025-03-01', ends_at => '2025-04-01') > 0;
SELECT quota.subscribe('removed', 'pro', starts_at => '2026-03-01') > 0, quota.cancel('removed');
SELECT quota.subscribe('other', 'team') > 0;
SELECT quota.cancel(s) FROM unnest('{cancelled,ctrial}'::text[]) s;
SELECT quota.cancel('gone', 'now');
SELECT quota.change_plan('changes', 'team', 'period_end') > 0, quota.change_plan('resets', 'pro', 'period_end', 'reset') > 0,
       quota.change_plan('confirmed', 'pro', 'period_end') > 0;
SELECT quota.set_status('paused', 'paused', '2026-03-01');
SELECT quota.override('same', 'tokens', '{"allowance": 7, "period": "week"}');
SELECT remaining FROM quota.debit('used', 'tokens', 85);
SELECT remaining FROM quota.debit('same', 'tokens', 5);
SELECT id AS hold FROM quota.reserve('plain/below', 'tokens', 20) \gset
SELECT quota.debit('used', 'docs', 3) IS NULL;
-- a version in which windows, limits and features are others
SELECT pg_temp.pro('{"allowance": 80, "period": "month", "anchor": "subscription", "notify": [50]}');
SELECT quota.change_plan('prorated', 'team') > 0;
SELECT pg_temp.pro('{"allowance": 70, "period": "month", "notify": [50, 100]}');
SELECT quota.change_plan('prorated', 'pro', usage => 'prorate') > 0;
SELECT pg_temp.pro('{"allowance": 90, "period": "month", "anchor": "subscription", "notify": [50, 90]}');
SELECT * FROM pg_temp.subs;
SELECT allowance FROM quota.check('prorated', 'tokens');
DELETE FROM quota_internal.event;

-- in batches
SELECT quota.migrate('pro', 3), quota.migrate('pro', 1);
SELECT quota.migrate('pro', 100);
SELECT quota.migrate('pro');
SELECT quota.migrate('team'), quota.migrate('free');
SELECT * FROM pg_temp.subs;
SELECT * FROM pg_temp.happened;
SELECT s, c.allowance, c.used, c.remaining, c.resets_at, c.reason
FROM unnest('{used,same,plain,plain/below,prorated,paused}'::text[]) s, quota.check(s, 'tokens') c;
SELECT subject, version, period_start, period_end, used, reserved FROM quota.periods ORDER BY 1, 3;
SELECT charged, remaining FROM quota.settle(:hold, 15);
SELECT allowance, used FROM quota.check('used', 'docs');
SELECT * FROM quota.verify();

-- what was scheduled is as it was: to the version of its call, which is then an older one
SET quota.clock = '2026-02-10 12:00:00+00';
SELECT * FROM pg_temp.subs WHERE subject IN ('cancelled', 'changes', 'resets', 'confirmed', 'ctrial', 'trial');
SELECT quota.migrate('pro', 1), quota.migrate('pro', 1), quota.migrate('pro');
SELECT * FROM pg_temp.subs WHERE subject IN ('changes', 'resets', 'confirmed');
SELECT type, data FROM pg_temp.happened WHERE subject IN ('resets', 'confirmed');

-- a retired plan
SELECT pg_temp.pro('{"allowance": 60, "period": "month"}');
SELECT change FROM quota.apply_catalog(quota.export_catalog() #- '{plans,pro}') WHERE name = 'pro';
SELECT quota.migrate('pro');
SELECT DISTINCT plan, v FROM pg_temp.subs WHERE status <> 'ended' ORDER BY 1, 2;

-- what is refused
SELECT a, pg_temp.code('SELECT quota.migrate(' || a || ')') FROM unnest(ARRAY[
    $$'nix'$$, $$''$$, 'NULL', $$'pro', 0$$, $$'pro', -1$$, $$'pro', NULL$$, $$repeat('x', 2000)$$, $$E'pro\x01'$$]) a;
SELECT quota.migrate('pro', 2147483647);
SELECT * FROM quota.verify();
DROP EXTENSION quota CASCADE;
