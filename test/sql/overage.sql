--
-- Overage, and what is overdrawn beside grants
--
SET client_min_messages = warning; DROP EXTENSION IF EXISTS quota CASCADE; CREATE EXTENSION quota CASCADE;
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/include/enforcement.psql'
\i :helpers
SET quota.clock = '2026-01-10 00:00:00+00';
SELECT count(*) FROM quota.apply_catalog('{
    "features": {"tokens": {"kind": "metered"}},
    "plans": {"free": {"default": true, "entitlements": {"tokens": {"allowance": 100, "period": "month"}}},
              "pro": {"entitlements": {"tokens": {"allowance": 100, "period": "month", "overage": {"limit": 50}}}},
              "more": {"entitlements": {"tokens": {"allowance": 200, "period": "month"}}},
              "open": {"entitlements": {"tokens": {"allowance": 100, "period": "month", "overage": true}}}}}');
CREATE VIEW pg_temp.counts AS
SELECT subject, used, granted, overage, overdrawn FROM pg_temp.window_use ORDER BY subject, period_start;

-- With a limit: after the allowance and the grants
SELECT quota.subscribe('a', 'pro') IS NOT NULL AS s;
SELECT allowance, used, remaining FROM quota.check('a', 'tokens');
SELECT remaining FROM quota.credit('a', 'tokens', 10);
SELECT id AS d, remaining FROM quota.debit('a', 'tokens', 120) \gset
SELECT source, amount FROM quota.ledger WHERE debit_id = :d ORDER BY id;
SELECT allowance, used, remaining FROM quota.check('a', 'tokens');
SELECT allowed, overage, used, remaining FROM quota.status('a');
-- 41 would fit a new month, 151 would not
SELECT (pg_temp.refusal('a', 'tokens', 41)).*;
SELECT retry_after FROM quota.check('a', 'tokens', 150), quota.check('a', 'tokens', 151) AS x (a, r, al, u, re, rs, never, b);
SELECT x.retry_after FROM quota.check('a', 'tokens', 151) x;
-- what overage has sold, a later grant does not pay back
SELECT remaining FROM quota.credit('a', 'tokens', 30);
SELECT allowance, used, remaining FROM quota.check('a', 'tokens');
SELECT remaining FROM quota.debit('a', 'tokens', 35);
SELECT * FROM pg_temp.counts WHERE subject = 'a';
SELECT allowed, debited, remaining FROM quota.try_debit('a', 'tokens', 100, up_to => true);
SELECT allowed, reason, debited FROM quota.try_debit('a', 'tokens', 100, up_to => true);
SELECT * FROM pg_temp.counts WHERE subject = 'a';
-- back: the last first
SELECT refunded, remaining FROM quota.refund(:d, 15);
SELECT * FROM pg_temp.counts WHERE subject = 'a';
-- a limit lowered below what was sold does not eat grants or allowance
SELECT quota.change_plan('a', 'more') IS NOT NULL AS changed;
SELECT allowance, used, remaining, (SELECT overage FROM quota.status('a')) FROM quota.check('a', 'tokens');
SELECT * FROM quota.verify();

-- true: nothing binds
SELECT quota.subscribe('b', 'open') IS NOT NULL AS s;
SELECT remaining FROM quota.credit('b', 'tokens', 10);
SELECT allowance, used, remaining, resets_at FROM quota.check('b', 'tokens', 9223372036854775807);
SELECT id AS d, remaining FROM quota.debit('b', 'tokens', 1000) \gset
SELECT * FROM pg_temp.counts WHERE subject = 'b';
SELECT allowance, used, remaining FROM quota.check('b', 'tokens');
SELECT pg_temp.code('SELECT quota.debit(''b'', ''tokens'', 9223372036854775807)');
SELECT remaining FROM quota.debit('b', 'tokens', 9223372036854774807);
SELECT pg_temp.code('SELECT quota.debit(''b'', ''tokens'')');
SELECT * FROM quota.verify();
-- below a limited level the limited one binds
SELECT quota.subscribe('c', 'open') IS NOT NULL AS s, quota.override('c/x', 'tokens', '{"allowance": 5, "period": "month"}');
SELECT allowance, used, remaining FROM quota.check('c/x', 'tokens');

-- Observe: what has no room is overdrawn, after grants and overage
SELECT quota.subscribe('o', 'pro') IS NOT NULL AS s;
SELECT remaining FROM quota.credit('o', 'tokens', 10);
SET quota.enforcement = observe;
SELECT id AS d, remaining FROM quota.debit('o', 'tokens', 200) \gset
SELECT * FROM pg_temp.counts WHERE subject = 'o';
SELECT allowance, used, remaining FROM quota.check('o', 'tokens');
RESET quota.enforcement;
-- a later grant covers what is overdrawn first, unburned
SELECT remaining FROM quota.credit('o', 'tokens', 30);
SELECT remaining FROM quota.credit('o', 'tokens', 25, priority => 500);
SELECT allowance, used, remaining FROM quota.check('o', 'tokens');
SELECT remaining FROM quota.debit('o', 'tokens', 10);
SELECT e.grant_id, amount FROM quota_internal.ledger_entry e WHERE subject = 'o' AND source = 'g' ORDER BY id;
SELECT * FROM pg_temp.counts WHERE subject = 'o';
-- an upgrade covers it too, and then the grants are free again
SELECT quota.change_plan('o', 'more') IS NOT NULL AS changed;
SELECT allowance, used, remaining FROM quota.check('o', 'tokens');
SELECT remaining FROM quota.debit('o', 'tokens', 1);
SELECT * FROM pg_temp.counts WHERE subject = 'o';
-- refunds: overdrawn first
SELECT refunded, remaining FROM quota.refund(:d, 60);
SELECT * FROM pg_temp.counts WHERE subject = 'o';
-- it ends with the period
SET quota.clock = '2026-02-10 00:00:00+00';
SELECT allowance, used, remaining FROM quota.check('o', 'tokens');
SELECT * FROM quota.verify();

-- Overage covers a deficit before it sells: 20 too much of 50
SET quota.clock = '2026-01-10 00:00:00+00';
SELECT quota.subscribe('p', 'more') IS NOT NULL AS s;
SELECT remaining FROM quota.debit('p', 'tokens', 120);
SELECT quota.change_plan('p', 'pro') IS NOT NULL AS changed;
SELECT allowance, used, remaining FROM quota.check('p', 'tokens');
SELECT remaining FROM quota.debit('p', 'tokens', 30);
SELECT pg_temp.code('SELECT quota.debit(''p'', ''tokens'')');
SELECT * FROM pg_temp.counts WHERE subject = 'p';
SELECT * FROM quota.verify();
