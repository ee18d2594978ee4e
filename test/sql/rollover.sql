--
-- Rollover
--
SET client_min_messages = warning; DROP EXTENSION IF EXISTS quota CASCADE; CREATE EXTENSION quota CASCADE;
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/include/enforcement.psql'
\i :helpers
SET quota.clock = '2026-01-31 12:00:00+00';
SELECT count(*) FROM quota.apply_catalog('{
    "features": {"tokens": {"kind": "metered"}, "ticks": {"kind": "metered"}},
    "plans": {"free": {"default": true, "entitlements": {"tokens": {"allowance": 100, "period": "month", "rollover": {"max": 150}}}},
              "pro": {"entitlements": {"tokens": {"allowance": 100, "period": "month", "anchor": "subscription", "rollover": {"max": 50}},
                                       "ticks": {"allowance": 1, "period": "hour", "rollover": {"max": 1000000}}}},
              "wide": {"entitlements": {"tokens": {"allowance": 100, "period": "month", "anchor": "subscription", "rollover": {"max": 1000}}}},
              "over": {"entitlements": {"tokens": {"allowance": 100, "period": "month", "anchor": "subscription", "rollover": {"max": 50}, "overage": {"limit": 40}}}},
              "day": {"entitlements": {"tokens": {"allowance": 10, "period": "day", "rollover": {"max": 500}}}},
              "plain": {"entitlements": {"tokens": {"allowance": 100, "period": "month", "anchor": "subscription"}}}}}');
CREATE VIEW pg_temp.windows AS
SELECT subject, period_start, period_end, used, overage, overdrawn, rolled_in, rolled_out FROM pg_temp.window_use ORDER BY subject, period_start;

-- At most max; from the 31st
SELECT quota.subscribe('a', 'pro') IS NOT NULL AS s;
SELECT id AS d, remaining, resets_at FROM quota.debit('a', 'tokens', 70) \gset
SELECT :remaining AS remaining, :'resets_at' AS resets_at;
SET quota.clock = '2026-02-28 12:00:00+00';
SELECT allowance, used, remaining, resets_at FROM quota.check('a', 'tokens');
-- until the first charge fixes it, give-backs there raise it (to the max), reading fixes nothing
SELECT refunded, remaining FROM quota.refund(:d, 10);
SELECT allowance, used, remaining FROM quota.check('a', 'tokens');
SELECT refunded, remaining FROM quota.refund(:d, 20);
SELECT allowance, used, remaining FROM quota.check('a', 'tokens');
SELECT remaining FROM quota.debit('a', 'tokens', 1);
SELECT * FROM pg_temp.windows WHERE subject = 'a';
-- fixed: a later give-back is booked there and changes nothing now
SELECT refunded, remaining FROM quota.refund(:d, 40);
-- the past period is closed: an older transaction is charged in the present one
SET quota.clock = '2026-02-27 12:00:00+00';
SELECT allowance, used, remaining, resets_at FROM quota.check('a', 'tokens');
SELECT period_start, resets_at FROM quota.status('a') WHERE feature = 'tokens';
BEGIN;
SELECT remaining, resets_at FROM quota.debit('a', 'tokens', 50);
SELECT id FROM quota.reserve('a', 'tokens', 20) \gset h_
SELECT charged, overdrawn, remaining FROM quota.settle(:h_id, 80);
SELECT * FROM pg_temp.windows WHERE subject = 'a';
ROLLBACK;
SET quota.clock = '2026-03-01 12:00:00+00';
SELECT allowance, used, remaining FROM quota.check('a', 'tokens');
-- earlier rollover included: 149 are left of the second, at most 50 go on
SET quota.clock = '2026-03-31 12:00:00+00';
SELECT allowance, used, remaining, resets_at FROM quota.check('a', 'tokens');
SELECT remaining FROM quota.debit('a', 'tokens', 145);
-- 5 are left
SET quota.clock = '2026-04-30 12:00:00+00';
SELECT remaining FROM quota.debit('a', 'tokens', 1);
SELECT * FROM pg_temp.windows WHERE subject = 'a';
SELECT * FROM quota.verify();

-- Idle periods, from starts_at, in closed form
SET quota.clock = '2026-01-31 12:00:00+00';
SELECT quota.subscribe('i', 'wide') IS NOT NULL AS s;
SELECT quota.subscribe('j', 'pro') IS NOT NULL AS s;
SET quota.clock = '2026-02-28 12:00:00+00';
SELECT allowance, remaining FROM quota.check('i', 'tokens');
SET quota.clock = '2026-05-31 12:00:00+00';
SELECT allowance, remaining, resets_at FROM quota.check('i', 'tokens');
SELECT remaining FROM quota.debit('i', 'tokens', 450);
SELECT * FROM pg_temp.windows WHERE subject = 'i';
-- older ones are charged there, whether they were idle just before
SET quota.clock = '2026-05-31 11:59:59+00';
SELECT allowance, used, remaining, resets_at FROM quota.check('i', 'tokens');
SELECT pg_temp.code('SELECT quota.debit(''i'', ''tokens'')');
-- or before that
SET quota.clock = '2026-03-15 12:00:00+00';
SELECT allowance, used, remaining, resets_at FROM quota.check('i', 'tokens');
SELECT pg_temp.code('SELECT quota.debit(''i'', ''tokens'')');
SET quota.clock = '2030-01-31 12:00:00+00';
SELECT allowance, remaining FROM quota.check('i', 'tokens');
SELECT remaining FROM quota.debit('i', 'tokens', 1);
SELECT * FROM pg_temp.windows WHERE subject = 'i';
-- an account that was never charged
SET quota.clock = '2026-03-31 12:00:00+00';
SELECT remaining FROM quota.debit('j', 'tokens', 150);
SET quota.clock = '2026-03-31 11:00:00+00';
SELECT allowance, used, remaining FROM quota.check('j', 'tokens');
-- a year of hours
SET quota.clock = '2027-01-31 12:30:00+00';
SELECT allowance, remaining, resets_at FROM quota.check('j', 'ticks');
SELECT remaining FROM quota.debit('j', 'ticks', 8761);
SELECT count(*) FROM pg_temp.window_use WHERE subject = 'j' AND feature = 'ticks';
SELECT * FROM quota.verify();

-- Days over a change of summer time: 29 March has 23 hours, and is one day
SET quota.clock = '2026-03-27 12:00:00+01';
SELECT quota.subscribe('d', 'day', timezone => 'Europe/Berlin') IS NOT NULL AS s;
SELECT remaining FROM quota.debit('d', 'tokens', 4);
SET quota.clock = '2026-03-30 00:00:00+02';
SELECT allowance, remaining, resets_at FROM quota.check('d', 'tokens');
SELECT remaining FROM quota.debit('d', 'tokens', 1);
SELECT * FROM pg_temp.windows WHERE subject = 'd';

-- Without a subscription from the account's first charge
SET quota.clock = '2026-06-15 00:00:00+00';
SELECT allowance, remaining FROM quota.check('w', 'tokens');
SELECT remaining FROM quota.debit('w', 'tokens', 30);
SET quota.clock = '2026-08-15 00:00:00+00';
SELECT allowance, remaining FROM quota.check('w', 'tokens');
-- an older transaction before the first charge finds its window closed, too
SET quota.clock = '2026-04-15 00:00:00+00';
SELECT allowance, used, remaining FROM quota.check('w', 'tokens');
SELECT remaining FROM quota.debit('w', 'tokens', 50);
SELECT * FROM quota.verify();

-- Overage and overdrawn in the period before; the rest after them
SET quota.clock = '2026-01-31 12:00:00+00';
SELECT quota.subscribe('o', 'over') IS NOT NULL AS s;
SELECT remaining FROM quota.debit('o', 'tokens', 120);
SET quota.clock = '2026-02-28 12:00:00+00';
SELECT allowance, used, remaining FROM quota.check('o', 'tokens');
SELECT remaining FROM quota.set_usage('o', 'tokens', 60);
SET quota.clock = '2026-03-31 12:00:00+00';
SELECT allowance, used, remaining FROM quota.check('o', 'tokens');
-- a grant is no part of it
SELECT remaining FROM quota.credit('o', 'tokens', 500, '2026-04-15');
SET quota.clock = '2026-04-30 12:00:00+00';
SELECT allowance, used, remaining FROM quota.check('o', 'tokens');
-- set_usage without a difference fixes nothing
SELECT id FROM quota.set_usage('o', 'tokens', 0);
SELECT count(*) FROM pg_temp.windows WHERE subject = 'o' AND period_start = '2026-04-30 12:00:00+00';

-- An expired hold of the period before is no use of it, read or charged
SET quota.clock = '2026-01-31 12:00:00+00';
SELECT quota.subscribe('h', 'pro') IS NOT NULL AS s;
SELECT remaining FROM quota.reserve('h', 'tokens', 90, '1 hour');
SET quota.clock = '2026-02-28 13:00:00+00';
SELECT allowance, used, remaining FROM quota.check('h', 'tokens');
SELECT remaining FROM quota.debit('h', 'tokens', 1);
SELECT * FROM pg_temp.windows WHERE subject = 'h';
-- one that is open is
SELECT id AS h FROM quota.reserve('h', 'tokens', 139, '30 days') \gset
SET quota.clock = '2026-03-29 13:00:00+00';
SELECT remaining FROM quota.extend(:h, '10 days');
SET quota.clock = '2026-03-31 13:00:00+00';
SELECT allowance, used, remaining FROM quota.check('h', 'tokens');
SELECT released, remaining FROM quota.release(:h);
SELECT remaining FROM quota.debit('h', 'tokens', 1);
SELECT * FROM quota.verify();

-- The terms at the first charge count; what is fixed stays
SET quota.clock = '2026-01-31 12:00:00+00';
SELECT quota.subscribe('t', 'plain') IS NOT NULL AS s;
SELECT remaining FROM quota.debit('t', 'tokens', 20);
SET quota.clock = '2026-02-28 12:00:00+00';
SELECT quota.change_plan('t', 'pro') IS NOT NULL AS changed;
SELECT allowance, remaining FROM quota.check('t', 'tokens');
SELECT remaining FROM quota.debit('t', 'tokens', 1);
SELECT quota.change_plan('t', 'plain') IS NOT NULL AS changed;
SELECT allowance, used, remaining FROM quota.check('t', 'tokens');
SET quota.clock = '2026-03-31 12:00:00+00';
SELECT allowance, used, remaining FROM quota.check('t', 'tokens');
-- a row that a change of plan made before the first charge fixes nothing
SET quota.clock = '2026-01-31 12:00:00+00';
SELECT quota.subscribe('m', 'day') IS NOT NULL AS s, quota.change_plan('m', 'pro', 'period_end') IS NOT NULL AS changed;
SET quota.clock = '2026-03-31 12:00:00+00';
SELECT allowance, used, remaining FROM quota.check('m', 'tokens');
SELECT pg_temp.code('SELECT quota.debit(''m'', ''tokens'', 151)');
SELECT remaining FROM quota.debit('m', 'tokens', 120);
SELECT used, rolled_in FROM pg_temp.window_use WHERE subject = 'm' AND used > 0;
SELECT * FROM quota.verify();
-- what has left a window stays fixed, even where it was charged under terms without rollover and all of that came back
SET quota.clock = '2026-01-31 12:00:00+00';
SELECT quota.subscribe('l', 'plain') IS NOT NULL AS s;
SELECT id AS d FROM quota.debit('l', 'tokens', 20) \gset
SET quota.clock = '2026-02-28 12:00:00+00';
SELECT quota.change_plan('l', 'pro') IS NOT NULL AS changed;
SELECT remaining FROM quota.debit('l', 'tokens', 150);
SELECT refunded FROM quota.refund(:d);
SELECT quota.override('l', 'tokens', '{"allowance": 100, "period": "month", "anchor": "subscription", "rollover": {"max": 10}}');
SET quota.clock = '2026-01-31 13:00:00+00';
SELECT allowance, used, remaining FROM quota.check('l', 'tokens');
SELECT * FROM pg_temp.windows WHERE subject = 'l';
-- without rollover no window is closed
SELECT quota.override('l', 'tokens', '{"allowance": 100, "period": "month", "anchor": "subscription"}');
SELECT allowance, used, remaining FROM quota.check('l', 'tokens');
SELECT remaining FROM quota.debit('l', 'tokens', 50);
SELECT * FROM pg_temp.windows WHERE subject = 'l';
SELECT * FROM quota.verify();
-- older transactions in windows that were idle when a later one was charged; a refund is booked in a closed one
SET quota.clock = '2026-01-31 12:00:00+00';
SELECT quota.subscribe('v', 'pro') IS NOT NULL AS s;
SELECT id, remaining FROM quota.debit('v', 'tokens', 60) \gset v_
SET quota.clock = '2026-05-31 12:00:00+00';
SELECT remaining FROM quota.debit('v', 'tokens', 1);
SET quota.clock = '2026-03-01 12:00:00+00';
SELECT remaining FROM quota.debit('v', 'tokens', 1);
SET quota.clock = '2026-04-01 12:00:00+00';
SELECT remaining FROM quota.debit('v', 'tokens', 1);
SELECT refunded, remaining FROM quota.refund(:v_id, 15);
SELECT * FROM pg_temp.windows WHERE subject = 'v';
SET quota.clock = '2026-04-15 12:00:00+00';
SELECT remaining FROM quota.set_usage('i', 'tokens', 5);
SELECT * FROM pg_temp.windows WHERE subject = 'i';
-- the books of all of them
SELECT * FROM quota.verify();
