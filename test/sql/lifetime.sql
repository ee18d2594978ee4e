--
-- A lifetime is no period: what was used over years is not a month's
--
SET client_min_messages = warning; DROP EXTENSION IF EXISTS quota CASCADE; CREATE EXTENSION quota CASCADE;
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/include/enforcement.psql'
\i :helpers
SET quota.clock = '2026-05-05 00:00:00+00';
SELECT count(*) FROM quota.apply_catalog('{
    "features": {"tokens": {"kind": "metered"}},
    "plans": {"free": {"default": true, "entitlements": {"tokens": {"allowance": 1000}}},
              "life": {"entitlements": {"tokens": {"allowance": 1000}}},
              "month": {"entitlements": {"tokens": {"allowance": 500, "period": "month"}}},
              "none": {"entitlements": {}}}}');
CREATE VIEW pg_temp.use AS
SELECT subject, period_start, period_end, allowance, used, reserved FROM quota.periods ORDER BY subject, period_end, period_start;

-- 990 used since May: a plan, an override, a new version of the default plan, each by the month
SELECT quota.subscribe('plan', 'life') > 0, quota.subscribe('over', 'life') > 0, quota.subscribe('back', 'month') > 0;
SELECT (quota.debit(s, 'tokens', 990)).remaining FROM unnest('{plan,over,user}'::text[]) s;
SELECT id AS hold FROM quota.reserve('plan', 'tokens', 10, '30 days') \gset
SET quota.clock = '2026-07-05 00:00:00+00';
SELECT id AS hold FROM quota.reserve('over', 'tokens', 10, '30 days') \gset
SELECT plan FROM quota.offers('over', 'tokens', 500);
SELECT quota.change_plan('plan', 'month') > 0, quota.override('over', 'tokens', '{"allowance": 500, "period": "month"}');
SELECT count(*) FROM quota.apply_catalog(jsonb_set(quota.export_catalog(), '{plans,free,entitlements,tokens}', '{"allowance": 500, "period": "month"}'));
SELECT s, c.allowance, c.used, c.remaining, c.resets_at FROM unnest('{plan,over,user}'::text[]) s, quota.check(s, 'tokens', 500) c;
SELECT (quota.debit(s, 'tokens', 1)).remaining FROM unnest('{plan,over,user}'::text[]) s;
-- nothing of it is July's; the hold stays in its window
SELECT * FROM pg_temp.use;
SELECT charged, overdrawn FROM quota.settle(:hold, 4);
SELECT * FROM pg_temp.use WHERE subject = 'over';
-- the other way use goes on: July becomes part of the lifetime; and July again begins at 0
SELECT quota.override('over', 'tokens', NULL), quota.change_plan('plan', 'life') > 0;
SELECT * FROM pg_temp.use WHERE subject IN ('over', 'plan');
SELECT quota.override('over', 'tokens', '{"allowance": 500, "period": "month"}'), quota.change_plan('plan', 'none') > 0, quota.change_plan('plan', 'month') > 0;
SELECT s, c.used, c.remaining FROM unnest('{plan,over}'::text[]) s, quota.check(s, 'tokens') c;
SELECT (quota.debit(s, 'tokens', 7)).remaining FROM unnest('{plan,over}'::text[]) s;
SELECT * FROM pg_temp.use WHERE subject IN ('over', 'plan');
-- what a month took before its use went into the lifetime comes back there, what it took since comes back to it
SELECT id AS first FROM quota.debit('back', 'tokens', 40) \gset
SELECT quota.change_plan('back', 'life') > 0, quota.change_plan('back', 'month') > 0;
SELECT id AS second FROM quota.debit('back', 'tokens', 30) \gset
SELECT refunded, remaining FROM quota.refund(:first, 5);
SELECT refunded, remaining FROM quota.refund(:second, 6);
SELECT * FROM pg_temp.use WHERE subject = 'back';
SELECT * FROM quota.verify();
