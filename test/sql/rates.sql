--
-- Rates: GCRA in exact numbers
--
SET client_min_messages = warning; DROP EXTENSION IF EXISTS quota CASCADE; CREATE EXTENSION quota CASCADE;
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/include/enforcement.psql'
\i :helpers
SET quota.clock = '2026-01-10 00:00:00+00';
SELECT count(*) FROM quota.apply_catalog('{
    "features": {"api": {"kind": "rate"}, "tokens": {"kind": "metered"}, "pages": {"kind": "metered"}, "on": {"kind": "boolean"}},
    "plans": {"free": {"default": true, "entitlements": {"api": {"rate": {"limit": 60, "per": "1 minute", "burst": 3}}, "on": {"value": true}}},
              "seven": {"entitlements": {"api": {"rate": {"limit": 7, "per": "1 second"}}}},
              "slow": {"entitlements": {"api": {"rate": {"limit": 1, "per": "1 hour"}}}},
              "fast": {"entitlements": {"api": {"rate": {"limit": 600, "per": "1 minute"}}}},
              "none": {"entitlements": {}},
              "both": {"entitlements": {"tokens": {"allowance": 20, "period": "day", "rate": {"limit": 10, "per": "1 minute", "burst": 5}},
                                        "pages": {"allowance": null, "rate": {"limit": 2, "per": "1 minute"}}}}}}');

-- Kind rate: burst 3, then one a second
SELECT * FROM quota.throttle('a', 'api');
SELECT * FROM quota.throttle('a', 'api', 2);
SELECT * FROM quota.throttle('a', 'api');
SELECT * FROM quota.throttle('a', 'api', 3);
-- more than the burst never fits
SELECT * FROM quota.throttle('a', 'api', 4);
SET quota.clock = '2026-01-10 00:00:00.999999+00';
SELECT * FROM quota.throttle('a', 'api');
SET quota.clock = '2026-01-10 00:00:01+00';
SELECT * FROM quota.throttle('a', 'api');
SELECT * FROM quota.check('a', 'api', 2);
SET quota.clock = '2026-01-10 00:00:02.5+00';
SELECT * FROM quota.check('a', 'api', 2);
SELECT feature, kind, plan, allowed, allowance, used, reserved, remaining, overage, value, period_start, resets_at FROM quota.status('a') WHERE feature = 'api';
SELECT jsonb_pretty(quota.me('a') #> '{features,api}');
SELECT quota.has('a', 'api'), quota.setting('a', 'api'), quota.has('b', 'api');
-- debit is a throttle that raises: no id, nothing stored but the rate
SELECT * FROM quota.debit('a', 'api');
SELECT (pg_temp.refusal('a', 'api', 2)).*;
SELECT (pg_temp.refusal('a', 'api', 4)).*;
SELECT * FROM quota.try_debit('a', 'api', 1);
SELECT * FROM quota.try_debit('a', 'api', 5, up_to => true);
SET quota.clock = '2026-01-10 00:00:05+00';
SELECT * FROM quota.try_debit('a', 'api', 5, up_to => true);
-- a call that charged nothing burns no key
SET quota.clock = '2026-01-10 00:01:00+00';
SELECT * FROM quota.debit('a', 'api', 1, 'k');
SELECT * FROM quota.debit('a', 'api', 2, 'k');
SELECT (SELECT count(*) FROM quota.ledger), (SELECT count(*) FROM pg_temp.window_use), (SELECT count(*) FROM quota.denials);
-- a refused one takes nothing; a rollback gives it back
SET quota.clock = '2026-01-10 00:02:00+00';
BEGIN; SELECT remaining FROM quota.debit('a', 'api', 3); ROLLBACK;
SELECT remaining FROM quota.check('a', 'api');
-- where it is not given; other kinds; bad arguments
SELECT quota.subscribe('n', 'none') IS NOT NULL AS s;
SELECT pg_temp.code('SELECT quota.throttle(''n'', ''api'')'), pg_temp.code('SELECT quota.throttle(''a'', ''nosuch'')');
SELECT pg_temp.code('SELECT quota.throttle(''a'', ''tokens'')'), pg_temp.code('SELECT quota.throttle(''a'', ''on'')');
SELECT pg_temp.code('SELECT quota.throttle(''a'', ''api'', 0)'), pg_temp.code('SELECT quota.throttle(''a'', ''api'', NULL)'), pg_temp.code('SELECT quota.throttle(NULL, ''api'')');
SELECT pg_temp.code('SELECT quota.reserve(''a'', ''api'', 1)'), pg_temp.code('SELECT quota.give_back(''a'', ''api'')'), pg_temp.code('SELECT quota.set_usage(''a'', ''api'', 0)');
SELECT pg_temp.code('SELECT quota.throttle(''a'', ''api'', 9223372036854775807)');
SELECT quota.subscribe('p', 'fast') IS NOT NULL AS s, quota.set_status('p', 'paused');
SELECT pg_temp.code('SELECT quota.throttle(''p'', ''api'')'), quota.has('p', 'api');
BEGIN READ ONLY; SELECT pg_temp.code('SELECT quota.throttle(''a'', ''api'')'); ROLLBACK;

-- 7 a second: 142857 1/7 microseconds each, and no rounding adds up
SET quota.clock = '2026-01-10 00:00:00+00';
SELECT quota.subscribe('s', 'seven') IS NOT NULL AS s;
SELECT * FROM quota.throttle('s', 'api', 7);
SELECT * FROM quota.throttle('s', 'api');
SET quota.clock = '2026-01-10 00:00:00.142857+00';
SELECT * FROM quota.throttle('s', 'api');
SET quota.clock = '2026-01-10 00:00:00.142858+00';
SELECT * FROM quota.throttle('s', 'api');
SELECT resets_at FROM quota.check('s', 'api');
-- asked once a second for as many as there are: in a thousand seconds exactly 7 + 7000
DO $$
DECLARE passed int := 7 + 1; at timestamptz := '2026-01-10 00:00:00+00'; n int;
BEGIN
    FOR n IN 1 .. 1000 LOOP
        PERFORM set_config('quota.clock', (at + n * interval '1 second')::text, false);
        passed := passed + (SELECT debited FROM quota.try_debit('s', 'api', 10, up_to => true));
    END LOOP;
    RAISE WARNING '% passed', passed;
END $$;

-- Another limit: what was used counts at the new one; a longer backlog than the new burst is forgotten
SELECT quota.subscribe('x', 'slow') IS NOT NULL AS s;
SET quota.clock = '2026-01-11 00:00:00+00';
SELECT * FROM quota.throttle('x', 'api');
SELECT * FROM quota.throttle('x', 'api');
SELECT quota.change_plan('x', 'fast') IS NOT NULL AS changed;
SELECT * FROM quota.throttle('x', 'api', 600);
SELECT * FROM quota.throttle('x', 'api', 3);
SET quota.clock = '2026-01-11 00:00:30+00';
SELECT remaining, resets_at FROM quota.check('x', 'api');
SELECT quota.change_plan('x', 'slow') IS NOT NULL AS changed;
SELECT * FROM quota.throttle('x', 'api');
SET quota.clock = '2026-01-11 00:01:00+00';
SELECT * FROM quota.throttle('x', 'api');
-- a clock that goes back reopens nothing
SET quota.clock = '2026-01-10 12:00:00+00';
SELECT allowed, remaining FROM quota.throttle('x', 'api');
-- the same limit in another time is another rate, too
SET quota.clock = '2026-01-11 00:00:00+00';
SELECT quota.override('t', 'api', '{"rate": {"limit": 10, "per": "24 hours"}}');
SELECT * FROM quota.throttle('t', 'api', 10);
SELECT * FROM quota.throttle('t', 'api');
SELECT quota.override('t', 'api', '{"rate": {"limit": 10, "per": "1 minute"}}');
SELECT * FROM quota.throttle('t', 'api', 10);
SELECT * FROM quota.throttle('t', 'api');
-- a smaller burst is none
SELECT quota.override('t', 'api', '{"rate": {"limit": 10, "per": "1 minute", "burst": 1}}');
SELECT * FROM quota.throttle('t', 'api');

-- Levels: all must let it through; the longest wait is reported
SET quota.clock = '2026-01-10 00:00:00+00';
SELECT quota.subscribe('l', 'seven') IS NOT NULL AS s, quota.override('l/x', 'api', '{"rate": {"limit": 2, "per": "1 minute"}}');
SELECT * FROM quota.throttle('l/x', 'api', 2);
SELECT * FROM quota.throttle('l', 'api', 5);
SELECT remaining, retry_after, blocked_by, allowance, resets_at FROM quota.check('l/x', 'api');
SELECT level, available FROM quota.explain('l/x', 'api') WHERE source = 'rate' ORDER BY 1;
SET quota.clock = '2026-01-10 00:01:00+00';
SELECT retry_after, blocked_by, reason FROM quota.check('l/x', 'api', 3);

-- Rate beside an allowance
SET quota.clock = '2026-01-10 00:00:00+00';
SELECT quota.subscribe('b', 'both') IS NOT NULL AS s;
SELECT remaining, resets_at FROM quota.debit('b', 'tokens', 4);
SELECT * FROM quota.check('b', 'tokens');
SELECT (pg_temp.refusal('b', 'tokens', 2)).*;
SELECT (pg_temp.refusal('b', 'tokens', 6)).*;
-- no room at all is said first
SELECT (pg_temp.refusal('b', 'tokens', 17)).*;
SELECT allowed, reason, debited, remaining FROM quota.try_debit('b', 'tokens', 9, up_to => true);
SELECT allowed, reason, debited, remaining, retry_after FROM quota.try_debit('b', 'tokens', 2, up_to => true);
-- a refund returns none, set_usage takes none; a settle does (holds_rates.sql)
SELECT refunded, remaining FROM quota.refund((SELECT max(debit_id) FROM quota.ledger));
SELECT pg_temp.code('SELECT quota.debit(''b'', ''tokens'')');
SELECT remaining FROM quota.set_usage('b', 'tokens', 10);
SET quota.clock = '2026-01-10 00:00:06+00';
SELECT id AS h, remaining FROM quota.reserve('b', 'tokens', 1) \gset
SELECT charged, overdrawn, remaining FROM quota.settle(:h, 5);
SELECT pg_temp.code('SELECT quota.debit(''b'', ''tokens'')');
-- an unlimited allowance has a rate too
SELECT remaining, resets_at FROM quota.debit('b', 'pages', 2);
SELECT (pg_temp.refusal('b', 'pages', 1)).*;
-- several features in one call: all or nothing
SET quota.clock = '2026-01-10 00:00:12+00';
SELECT pg_temp.code('SELECT count(*) FROM quota.debit_many(''b'', ''{"tokens": 1, "pages": 1}'')');
SELECT remaining FROM quota.check('b', 'tokens');
SET quota.clock = '2026-01-10 00:05:00+00';
SELECT feature, remaining FROM quota.debit_many('b', '{"tokens": 1, "pages": 1}');

-- Observe: charged all the same, at most the burst is remembered
SET quota.enforcement = observe;
SELECT * FROM quota.throttle('ob', 'api', 3);
SELECT * FROM quota.throttle('ob', 'api', 3);
SELECT * FROM quota.throttle('ob', 'api', 1000000);
SELECT allowed, reason, debited, remaining, retry_after, blocked_by FROM quota.try_debit('ob', 'api', 2);
SELECT * FROM quota.debit('ob', 'api', 2);
SELECT allowed, reason, remaining, retry_after FROM quota.check('ob', 'api');
SELECT subject, reason, times FROM quota.denials ORDER BY 1, 2;
RESET quota.enforcement;
SET quota.clock = '2026-01-10 00:05:01+00';
SELECT * FROM quota.throttle('ob', 'api');
SELECT * FROM quota.verify();
