--
-- Reads answer as the charge that comes next: a change of plan that is due and a hold that has expired, though nobody has noticed.
--
SET client_min_messages = warning; DROP EXTENSION IF EXISTS quota CASCADE; CREATE EXTENSION quota CASCADE;
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/include/enforcement.psql'
\i :helpers
SET quota.clock = '2026-01-31 00:00:00+00';
SELECT count(*) FROM quota.apply_catalog('{
    "features": {"tokens": {"kind": "metered"}},
    "plans": {"free": {"entitlements": {"tokens": {"allowance": 10}}},
              "week": {"entitlements": {"tokens": {"allowance": 20, "period": "week"}}},
              "days": {"entitlements": {"tokens": {"allowance": 100, "period": "3 days"}}},
              "year": {"entitlements": {"tokens": {"allowance": 365, "period": "year", "overage": {"limit": 100}}}},
              "years": {"entitlements": {"tokens": {"allowance": 730, "period": "year"}}},
              "rolls": {"entitlements": {"tokens": {"allowance": 50, "period": "36 hours", "rollover": {"max": 5}}}},
              "over": {"entitlements": {"tokens": {"allowance": 730, "period": "year", "rollover": {"max": 600}}}},
              "none": {"entitlements": {}}}}');
CREATE VIEW pg_temp.state AS
SELECT s.subject, t.allowance, t.used, t.reserved, t.overage, t.remaining, t.period_start, c.allowed
FROM (SELECT DISTINCT subject FROM quota.subscriptions) s, quota.status(s.subject) t, quota.check(s.subject, 'tokens', 15) c
ORDER BY s.subject COLLATE "C";

--
-- A change of plan that is due
--
-- into another window, which begins at 0, with holds that stay in the old one; an override that stays; the same window, its limit shared or not; a reset
SELECT quota.subscribe('ann', 'days') > 0 AND quota.subscribe('bob', 'days') > 0 AND quota.subscribe('cat', 'days') > 0
       AND quota.subscribe('dan', 'year') > 0 AND quota.subscribe('eve', 'year') > 0 AND quota.subscribe('fay', 'days') > 0 AS subscribed;
SELECT quota.override('cat', 'tokens', '{"allowance": 40, "period": "month"}');
SELECT quota.change_plan('ann', 'week', 'period_end') > 0 AND quota.change_plan('bob', 'week', 'period_end') > 0
       AND quota.change_plan('cat', 'week', 'period_end', 'prorate') > 0 AND quota.change_plan('dan', 'years', 'period_end', 'prorate') > 0
       AND quota.change_plan('eve', 'years', 'period_end') > 0 AND quota.change_plan('fay', 'week', 'period_end', 'reset') > 0 AS changed;
SELECT current_period_end FROM quota.subscriptions WHERE subject = 'ann';
SET quota.clock = '2026-02-27 23:59:00+00';
SELECT remaining FROM quota.debit('ann', 'tokens', 12);
SELECT id > 0 AS reserved FROM quota.reserve('bob', 'tokens', 7, '1 hour');
SELECT id > 0 AS reserved FROM quota.reserve('bob', 'tokens', 5, '5 minutes');
SELECT remaining FROM quota.debit('cat', 'tokens', 30);
SELECT remaining FROM quota.debit('dan', 'tokens', 400);
SELECT remaining FROM quota.debit('eve', 'tokens', 400);
SELECT remaining FROM quota.debit('fay', 'tokens', 12);
SET quota.clock = '2026-02-28 00:10:00+00';
SELECT * FROM pg_temp.state;
SELECT rows FROM quota.maintain() WHERE task = 'plan changes carried out';
SELECT * FROM pg_temp.state;
SELECT * FROM quota.verify();

--
-- A change of plan that is due, in a later window than the one it is about: what rolls over from there
--
-- another window, which begins at 0, with a hold that expires in the old one; the same window under another limit, shared by time or not; a reset
SET quota.clock = '2026-01-31 00:00:00+00';
SELECT quota.subscribe('rae', 'days') > 0 AND quota.subscribe('ron', 'days') > 0 AND quota.subscribe('roy', 'year') > 0
       AND quota.subscribe('ruth', 'year') > 0 AND quota.subscribe('rex', 'days') > 0 AS subscribed;
SELECT quota.change_plan('rae', 'rolls', 'period_end') > 0 AND quota.change_plan('ron', 'rolls', 'period_end') > 0
       AND quota.change_plan('roy', 'over', 'period_end', 'prorate') > 0 AND quota.change_plan('ruth', 'over', 'period_end') > 0
       AND quota.change_plan('rex', 'rolls', 'period_end', 'reset') > 0 AS changed;
SET quota.clock = '2026-02-27 23:59:00+00';
SELECT remaining FROM quota.debit('rae', 'tokens', 48);
SELECT id > 0 AS reserved FROM quota.reserve('ron', 'tokens', 48, '5 minutes');
SELECT remaining FROM quota.debit('ron', 'tokens', 49);
SELECT remaining FROM quota.debit('roy', 'tokens', 300);
SELECT remaining FROM quota.debit('ruth', 'tokens', 300);
SELECT remaining FROM quota.debit('rex', 'tokens', 90);
CREATE VIEW pg_temp.rolls AS
SELECT s.subject, t.allowance, t.used, t.remaining, t.period_start FROM quota.subscriptions s, quota.status(s.subject) t
WHERE s.subject LIKE 'r%' ORDER BY s.subject COLLATE "C";
-- what idle windows roll over comes to one that begins at 0, but not after a reset
SET quota.clock = '2026-02-28 00:10:00+00';
SELECT * FROM pg_temp.rolls WHERE subject NOT IN ('roy', 'ruth');
SET quota.clock = '2026-02-28 13:00:00+00';
SELECT * FROM pg_temp.rolls WHERE subject NOT IN ('roy', 'ruth');
SET quota.clock = '2027-02-01 00:00:00+00';
SELECT * FROM pg_temp.rolls WHERE subject IN ('roy', 'ruth');
SELECT rows FROM quota.maintain() WHERE task = 'plan changes carried out';
SELECT * FROM pg_temp.rolls WHERE subject IN ('roy', 'ruth');
SET quota.clock = '2026-02-28 13:00:00+00';
SELECT * FROM pg_temp.rolls WHERE subject NOT IN ('roy', 'ruth');
SET quota.clock = '2026-02-28 00:10:00+00';
SELECT * FROM pg_temp.rolls WHERE subject NOT IN ('roy', 'ruth');
SELECT * FROM quota.verify();

--
-- An expired hold in a window that took its use over: the next charge fixes what rolls over
--
SELECT quota.subscribe('hal', 'days', '2026-01-31 00:00:00+00') > 0 AS subscribed;
SELECT id FROM quota.reserve('hal', 'tokens', 10, '1 minute') \gset hal_
SELECT quota.change_plan('hal', 'rolls') > 0 AS changed;
SELECT allowance, used, remaining FROM quota.check('hal', 'tokens');
SET quota.clock = '2026-02-28 00:20:00+00';
SELECT allowance, used, remaining FROM quota.check('hal', 'tokens');
SELECT remaining FROM quota.debit('hal', 'tokens', 1);
SELECT allowance, used, remaining FROM quota.check('hal', 'tokens');

--
-- Offers: an account of grants alone is not taken over
--
SELECT quota.subscribe('ida', 'none') > 0 AS subscribed;
SELECT remaining FROM quota.credit('ida', 'tokens', 30);
SELECT remaining FROM quota.debit('ida', 'tokens', 30);
SELECT remaining FROM quota.set_usage('ida', 'tokens', 35);
SELECT plan FROM quota.offers('ida', 'tokens', 20);
SELECT quota.change_plan('ida', 'week') > 0 AS changed;
SELECT remaining FROM quota.debit('ida', 'tokens', 20);
SELECT * FROM quota.verify();
