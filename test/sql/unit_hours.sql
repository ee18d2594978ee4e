--
-- quota.unit_hours(): how much of a capacity was held for how long
--
SET client_min_messages = warning; DROP EXTENSION IF EXISTS quota CASCADE; CREATE EXTENSION quota CASCADE;
\set SHOW_CONTEXT never
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/include/calls.psql'
\i :helpers
SET quota.clock = '2026-01-01 00:00+00';
SELECT count(*) FROM quota.apply_catalog('{
    "features": {"gb": {"kind": "capacity"}, "tokens": {"kind": "metered"}, "api": {"kind": "rate"}, "on": {"kind": "boolean"}, "size": {"kind": "static"}},
    "plans": {"free": {"default": true, "entitlements": {"gb": {"allowance": 1000}, "tokens": {"allowance": 10}}}}}');
SELECT sum(rows) > 0 AS months_made FROM quota.maintain() WHERE task = 'ledger months made';
SELECT quota.unit_hours('a', 'gb', '2026-01-01'), quota.unit_hours('a', 'gb', '2025-12-01');

-- what is there, and what is below; to the microsecond
SELECT remaining FROM quota.debit('a/x', 'gb', 10);
SET quota.clock = '2026-01-01 01:00+00';
SELECT remaining FROM quota.debit('a', 'gb', 5);
SET quota.clock = '2026-01-01 03:00+00';
SELECT remaining FROM quota.give_back('a/x', 'gb', 4);
SET quota.clock = '2026-01-01 04:00:00.000001+00';
SELECT quota.unit_hours('a', 'gb', '2026-01-01') AS all, 10 * 1 + 15 * 2 + 11 * 1 + round(11 * 0.000001 / 3600, 12) AS by_hand;
SELECT quota.unit_hours('a/x', 'gb', '2026-01-01'), quota.unit_hours('a/y', 'gb', '2026-01-01'), quota.unit_hours('aa', 'gb', '2026-01-01');
-- parts of that time add up; before and after there is nothing; the future is not known
SELECT quota.unit_hours('a', 'gb', '2026-01-01', '2026-01-01 00:30') AS half, quota.unit_hours('a', 'gb', '2026-01-01 00:30', '2026-01-01 03:20') AS rest,
       quota.unit_hours('a', 'gb', '2025-12-01', '2026-01-01') AS before, quota.unit_hours('a', 'gb', '2026-01-01 02:00', '2026-01-01 02:00') AS none,
       quota.unit_hours('a', 'gb', '2026-01-01 03:00', '2026-02-01') AS until_now, quota.unit_hours('a', 'gb', '2026-02-01') AS to_come, quota.unit_hours('a', 'gb', '2026-02-01', '2026-03-01') AS to_come_too;
SELECT quota.unit_hours('a', 'gb', '2026-01-01 02:59:59.999999', '2026-01-01 03:00:00.000001') * 3600000000 AS microseconds;

-- a hold until it is closed or expires, whoever notices and when
SELECT id FROM quota.reserve('h/1', 'gb', 6, ttl => '1 hour') \gset expires_
SELECT id FROM quota.reserve('h/2', 'gb', 100, ttl => '10 hours') \gset settled_
SELECT id FROM quota.reserve('h/3', 'gb', 1000 - 106, ttl => '30 minutes') \gset late_
SET quota.clock = '2026-01-01 06:00:00.000001+00';
SELECT quota.unit_hours('h/1', 'gb', '2026-01-01') AS not_noticed, quota.unit_hours('h', 'gb', '2026-01-01') AS above, 6 + 2 * 100 + (1000 - 106) / 2.0 AS by_hand;
SELECT charged FROM quota.settle(:settled_id, 40);
-- a late settle: nothing between the expiry and now
SELECT charged FROM quota.settle(:late_id, 10);
SET quota.clock = '2026-01-01 07:00:00.000001+00';
SELECT quota.unit_hours('h/2', 'gb', '2026-01-01') AS settled, quota.unit_hours('h/3', 'gb', '2026-01-01') AS late,
       quota.unit_hours('h/3', 'gb', '2026-01-01 05:00', '2026-01-01 06:00') AS between, quota.unit_hours('h/1', 'gb', '2026-01-01 05:30') AS after_expiry;
SELECT count(*) > 0 AS maintained FROM quota.maintain();
SELECT quota.unit_hours('h/1', 'gb', '2026-01-01') AS noticed, quota.unit_hours('h', 'gb', '2026-01-01') AS above, 6 + 200 + 447 + 50 AS by_hand;
SELECT subject, kind, amount, at, occurred_at FROM quota.ledger WHERE kind = 'expiry' AND subject <> account ORDER BY id;
-- one that is extended counts on; in a transaction that rolls back nothing happened
SELECT id FROM quota.reserve('e', 'gb', 8, ttl => '1 hour') \gset
SET quota.clock = '2026-01-01 07:30:00.000001+00';
SELECT expires_at FROM quota.extend(:id, ttl => '2 hours');
SET quota.clock = '2026-01-01 12:00+00';
SELECT quota.unit_hours('e', 'gb', '2026-01-01') = 8 * 2.5 AS extended;
BEGIN;
SELECT remaining FROM quota.debit('e', 'gb', 100);
SELECT quota.unit_hours('e', 'gb', '2026-01-01') = 8 * 2.5 AS same_moment;
ROLLBACK;

-- a correction, and what a gate would give back: whatever the ledger has
SELECT id IS NOT NULL AS corrected FROM quota.set_usage('a', 'gb', 3);
SET quota.clock = '2026-01-01 14:00+00';
SELECT quota.unit_hours('a', 'gb', '2026-01-01 12:00');
-- what is below and has been forgotten was held all the same; a subject that is gone holds nothing
SELECT quota.unit_hours('h', 'gb', '2026-01-01') AS before_forget;
SELECT quota.forget('h/2') > 0 AS forgotten;
SELECT quota.unit_hours('h', 'gb', '2026-01-01') AS above, quota.unit_hours('h/2', 'gb', '2026-01-01') AS itself;
-- 10^18 bytes for a year are a number
SELECT quota.override('big', 'gb', '{"allowance": null}');
SELECT remaining FROM quota.debit('big', 'gb', 1000000000000000000);
SET quota.clock = '2027-01-01 14:00+00';
SELECT quota.unit_hours('big', 'gb', '2026-01-01') = 1000000000000000000::numeric * 365 * 24 AS a_year;
-- months that have been dropped are before retention; what was held since is known
SET quota.clock = '2027-06-15 00:00+00';
SELECT sum(rows) > 0 AS dropped FROM quota.maintain() WHERE task = 'ledger entries dropped';
SELECT quota.unit_hours('a', 'gb', '2027-06-14 00:00+00') AS a_day;

-- bad input
SELECT c.call, pg_temp.try('SELECT quota.unit_hours(' || c.call || ')')
FROM (VALUES ($$'a', 'tokens', '2027-06-01'$$), ($$'a', 'api', '2027-06-01'$$), ($$'a', 'on', '2027-06-01'$$), ($$'a', 'size', '2027-06-01'$$), ($$'a', 'nix', '2027-06-01'$$),
             ($$'a', 'gb', '2026-01-01'$$), ($$'a', 'gb', '-infinity'$$), ($$'a', 'gb', '2027-06-02', '2027-06-01'$$), ($$'a', 'gb', NULL$$), ($$NULL, 'gb', '2027-06-01'$$), ($$'a', NULL, '2027-06-01'$$),
             ($$'/', 'gb', '2027-06-01'$$), ($$'a', 'gb', 'infinity'$$), ($$'a', 'gb', '2027-06-15', 'infinity'$$)) c (call);
SELECT * FROM quota.verify();
