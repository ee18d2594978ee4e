--
-- Caps: further windows beside the period
--
SET client_min_messages = warning; DROP EXTENSION IF EXISTS quota CASCADE; CREATE EXTENSION quota CASCADE;
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/include/enforcement.psql'
\i :helpers
SET quota.clock = '2026-01-10 10:00:00+00';
SELECT count(*) FROM quota.apply_catalog('{
    "features": {"tokens": {"kind": "metered"}},
    "plans": {"day": {"entitlements": {"tokens": {"allowance": 100, "period": "month", "caps": [{"limit": 30, "per": "day"}]}}},
              "five": {"entitlements": {"tokens": {"allowance": 100, "period": "month", "caps": [{"limit": 30, "per": "5 hours", "window": "first_use"}]}}},
              "both": {"entitlements": {"tokens": {"allowance": 100, "period": "month", "overage": {"limit": 20},
                       "caps": [{"limit": 60, "per": "week"}, {"limit": 30, "per": "5 hours", "window": "first_use"}, {"limit": 40, "per": "day"}]}}},
              "open": {"entitlements": {"tokens": {"allowance": null, "caps": [{"limit": 30, "per": "day"}]}}},
              "tie": {"entitlements": {"tokens": {"allowance": 30, "period": "month", "caps": [{"limit": 30, "per": "day"}, {"limit": 30, "per": "5 hours", "window": "first_use"}]}}},
              "year": {"entitlements": {"tokens": {"allowance": 30, "period": "day", "caps": [{"limit": 30, "per": "year"}]}}}}}');
CREATE VIEW pg_temp.caps AS
SELECT subject, window_start, opened_at, closes_at, used FROM quota_internal.cap_use ORDER BY 1, period_months, period_days, period_us, window_start;

-- Fixed, in the entitlement's anchor
SELECT quota.subscribe('a', 'day') IS NOT NULL AS s;
SELECT * FROM quota.check('a', 'tokens');
SELECT id AS d, remaining, resets_at FROM quota.debit('a', 'tokens', 25) \gset
SELECT :remaining AS remaining, :'resets_at' AS resets_at;
SELECT (pg_temp.refusal('a', 'tokens', 6)).*;
SELECT retry_after FROM quota.check('a', 'tokens', 31);
SELECT allowed, debited, remaining, reason FROM quota.try_debit('a', 'tokens', 50, up_to => true);
SELECT allowed, debited, reason, retry_after FROM quota.try_debit('a', 'tokens', 50, up_to => true);
-- grants do not extend it
SELECT remaining FROM quota.credit('a', 'tokens', 1000);
-- the next day; what yesterday's refund gives back restores the month, not today's cap
SET quota.clock = '2026-01-11 00:00:00+00';
SELECT remaining, resets_at FROM quota.debit('a', 'tokens', 10);
SELECT refunded, remaining FROM quota.refund(:d, 20);
SELECT remaining, used, allowance FROM quota.check('a', 'tokens');
SELECT id AS d FROM quota.debit('a', 'tokens', 15) \gset
SELECT refunded, remaining FROM quota.refund(:d, 15);
SELECT * FROM pg_temp.caps;
-- when the month has less left than the cap, the month binds
SELECT quota.revoke(1);
SELECT remaining FROM quota.set_usage('a', 'tokens', 95);
SELECT remaining, resets_at FROM quota.check('a', 'tokens');
SELECT retry_after FROM quota.check('a', 'tokens', 6);
SELECT * FROM quota.verify();

-- First use: opens with the first charge after the last one closed
SET quota.clock = '2026-01-10 10:00:00+00';
SELECT quota.subscribe('f', 'five') IS NOT NULL AS s;
SELECT remaining, resets_at, used FROM quota.check('f', 'tokens');
SELECT retry_after, reason FROM quota.check('f', 'tokens', 31);
SELECT pg_temp.code('SELECT quota.debit(''f'', ''tokens'', 31)');
SELECT * FROM pg_temp.caps WHERE subject = 'f';
SELECT id AS d, remaining, resets_at FROM quota.debit('f', 'tokens', 20) \gset
SET quota.clock = '2026-01-10 12:30:00+00';
SELECT id AS d2, remaining, resets_at FROM quota.debit('f', 'tokens', 10) \gset
SELECT (pg_temp.refusal('f', 'tokens', 1)).*;
SET quota.clock = '2026-01-10 14:59:59.999999+00';
SELECT allowed FROM quota.check('f', 'tokens');
SET quota.clock = '2026-01-10 15:00:00+00';
SELECT allowed, remaining, resets_at FROM quota.check('f', 'tokens');
SELECT * FROM pg_temp.caps WHERE subject = 'f';
-- a refund now restores no window: that one is over
SELECT refunded, remaining FROM quota.refund(:d2);
SET quota.clock = '2026-01-10 16:00:00+00';
SELECT id AS d3, remaining, resets_at FROM quota.debit('f', 'tokens', 5) \gset
SELECT refunded, remaining FROM quota.refund(:d, 5);
SELECT refunded, remaining FROM quota.refund(:d3, 2);
SELECT * FROM pg_temp.caps WHERE subject = 'f';
-- set_usage down leaves caps alone and opens none; up counts in them
SET quota.clock = '2026-01-10 22:00:00+00';
SELECT remaining FROM quota.set_usage('f', 'tokens', 3);
SELECT * FROM pg_temp.caps WHERE subject = 'f';
SELECT remaining FROM quota.set_usage('f', 'tokens', 50);
SELECT * FROM pg_temp.caps WHERE subject = 'f';
SELECT (pg_temp.refusal('f', 'tokens', 1)).*;
SELECT used, overdrawn FROM pg_temp.window_use WHERE subject = 'f';
-- a transaction that is older than the window counts in it
SET quota.clock = '2026-01-11 10:00:00+00';
SELECT remaining FROM quota.debit('f', 'tokens', 4);
SET quota.clock = '2026-01-11 09:00:00+00';
SELECT id AS d, remaining, resets_at FROM quota.debit('f', 'tokens', 6) \gset
SELECT :remaining AS remaining, :'resets_at' AS resets_at;
SELECT * FROM pg_temp.caps WHERE subject = 'f';
SELECT refunded, remaining FROM quota.refund(:d);
SELECT * FROM pg_temp.caps WHERE subject = 'f';
SELECT * FROM quota.verify();

-- Several, and overage
SET quota.clock = '2026-01-10 10:00:00+00';
SELECT quota.subscribe('b', 'both') IS NOT NULL AS s;
SELECT remaining FROM quota.debit('b', 'tokens', 30);
SELECT remaining, resets_at FROM quota.check('b', 'tokens');
SET quota.clock = '2026-01-10 15:30:00+00';
SELECT remaining, resets_at FROM quota.debit('b', 'tokens', 5);
SELECT remaining, resets_at FROM quota.debit('b', 'tokens', 5);
-- Sunday: the week ends when the day does, and leaves less
SET quota.clock = '2026-01-11 01:00:00+00';
SELECT remaining, resets_at FROM quota.check('b', 'tokens');
SELECT remaining, resets_at FROM quota.debit('b', 'tokens', 19);
SELECT * FROM pg_temp.caps WHERE subject = 'b';
SET quota.clock = '2026-01-12 00:00:00+00';
SELECT remaining FROM quota.debit('b', 'tokens', 30);
-- 89 of 100 used: 11 and 20 overage are left, the week's cap has 30, the first use's 0
SELECT allowance, used, remaining, resets_at FROM quota.check('b', 'tokens');
SET quota.clock = '2026-01-12 06:00:00+00';
SELECT remaining, resets_at FROM quota.check('b', 'tokens');
SELECT remaining FROM quota.debit('b', 'tokens', 10);
-- the week has 20, the month 21
SET quota.clock = '2026-01-13 06:00:00+00';
SELECT remaining, resets_at FROM quota.check('b', 'tokens');
SELECT remaining, resets_at FROM quota.debit('b', 'tokens', 20);
SET quota.clock = '2026-01-19 06:00:00+00';
SELECT allowance, used, remaining, resets_at FROM quota.check('b', 'tokens');
SELECT remaining, resets_at FROM quota.debit('b', 'tokens', 1);
SELECT (pg_temp.refusal('b', 'tokens', 1)).*;
SELECT used, overage FROM pg_temp.window_use WHERE subject = 'b';
SELECT * FROM quota.verify();

-- Ties: the later end; an unlimited account with a cap
SET quota.clock = '2026-01-10 10:00:00+00';
SELECT quota.subscribe('t', 'tie') IS NOT NULL AS s, quota.subscribe('y', 'year') IS NOT NULL, quota.subscribe('u', 'open') IS NOT NULL;
SELECT remaining, resets_at FROM quota.check('t', 'tokens');
SELECT remaining, resets_at FROM quota.check('y', 'tokens');
SELECT remaining, resets_at FROM quota.debit('y', 'tokens', 30);
SELECT (pg_temp.refusal('y', 'tokens', 1)).*;
SELECT * FROM quota.check('u', 'tokens');
SELECT remaining, resets_at FROM quota.debit('u', 'tokens', 30);
SELECT (pg_temp.refusal('u', 'tokens', 1)).*;
-- levels: the deeper of equals; the one with a cap that leaves less
SELECT quota.override('t/x', 'tokens', '{"allowance": 30, "period": "day"}');
SELECT remaining, resets_at FROM quota.check('t/x', 'tokens');
SELECT remaining FROM quota.debit('t', 'tokens', 10);
SELECT remaining, resets_at FROM quota.check('t/x', 'tokens');
SELECT blocked_by FROM quota.check('t/x', 'tokens', 21);
-- observe: a cap makes nothing overdrawn, it counts the whole
SELECT quota.subscribe('o', 'day') IS NOT NULL AS s;
SET quota.enforcement = observe;
SELECT allowed, reason, debited, remaining FROM quota.try_debit('o', 'tokens', 50);
RESET quota.enforcement;
SELECT used, overdrawn FROM pg_temp.window_use WHERE subject = 'o';
SELECT * FROM pg_temp.caps WHERE subject = 'o';
SELECT allowance, used, remaining, resets_at FROM quota.check('o', 'tokens');
-- holds count in caps, and what expires or is released comes back
SELECT quota.subscribe('h', 'five') IS NOT NULL AS s;
SELECT id AS h, remaining FROM quota.reserve('h', 'tokens', 25, '1 hour') \gset
SELECT remaining FROM quota.check('h', 'tokens');
SET quota.clock = '2026-01-10 11:00:00+00';
SELECT remaining, resets_at FROM quota.check('h', 'tokens');
SELECT remaining, resets_at FROM quota.debit('h', 'tokens', 1);
SELECT id AS h FROM quota.reserve('h', 'tokens', 20) \gset
SELECT released, remaining FROM quota.release(:h);
SELECT * FROM quota.verify();

-- A cap that comes with a change of plan counts from 0; what comes back restores it by where its charge lies, also of what
-- was charged in its window before it was there
SET quota.clock = '2026-01-20 10:00:00+00';
SELECT count(*) FROM quota.apply_catalog(jsonb_set(quota.export_catalog(), '{plans,flat}', '{"entitlements": {"tokens": {"allowance": 100, "period": "month"}}}'));
SELECT quota.subscribe('n', 'flat') IS NOT NULL AS s;
SELECT id AS d FROM quota.debit('n', 'tokens', 20) \gset
SELECT quota.change_plan('n', 'day') IS NOT NULL AS c;
SET quota.clock = '2026-01-20 11:00:00+00';
SELECT remaining FROM quota.debit('n', 'tokens', 25, 'k');
SELECT refunded, remaining FROM quota.refund(:d);
SELECT * FROM pg_temp.caps WHERE subject = 'n';
SELECT * FROM quota.verify();
