--
-- Events of thresholds
--
SET client_min_messages = warning; DROP EXTENSION IF EXISTS quota CASCADE; CREATE EXTENSION quota CASCADE;
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/include/enforcement.psql'
\i :helpers
SET quota.clock = '2026-01-10 00:00:00+00';
SELECT count(*) FROM quota.apply_catalog('{
    "features": {"tokens": {"kind": "metered"}, "docs": {"kind": "capacity"}},
    "plans": {"free": {"default": true, "entitlements": {"tokens": {"allowance": 300, "period": "month", "notify": [50, 80, 100, {"remaining": 10}]},
                                                         "docs": {"allowance": 10, "notify": [90, {"remaining": 0}]}}},
              "prepaid": {"entitlements": {"tokens": {"allowance": 0, "notify": [{"remaining": 10}]}}},
              "big": {"entitlements": {"tokens": {"allowance": 1000, "period": "month", "notify": [80]}, "docs": {"allowance": 100, "notify": [90]}}},
              "small": {"entitlements": {"tokens": {"allowance": 200, "period": "month", "notify": [80, 90]}, "docs": {"allowance": 10, "notify": [90]}}},
              "over": {"entitlements": {"tokens": {"allowance": 100, "period": "month", "overage": true, "notify": [100]}}}}}');
CREATE VIEW pg_temp.told AS
SELECT subject, feature, data - 'period_start' - 'period_end' AS data, (data ->> 'period_start')::timestamptz AS period_start, data ->> 'period_end' AS period_end
FROM quota.events WHERE type = 'threshold_reached' ORDER BY id;

-- exactly at the line, by the charge that reaches it alone
SELECT remaining FROM quota.debit('a', 'tokens', 149);
SELECT count(*) FROM pg_temp.told;
SELECT remaining FROM quota.debit('a', 'tokens', 1);
SELECT * FROM pg_temp.told;
SELECT remaining FROM quota.debit('a', 'tokens', 1);
-- back below it and over it again: again
SELECT quota.set_usage('a', 'tokens', 100) IS NOT NULL AS set;
SELECT remaining FROM quota.debit('a', 'tokens', 60);
SELECT count(*) FROM pg_temp.told;
-- several at once
SELECT remaining FROM quota.debit('a', 'tokens', 140);
SELECT data FROM pg_temp.told OFFSET 2;
-- more allowance: percentages are of what is shown
SELECT remaining FROM quota.debit('g', 'tokens', 140);
SELECT remaining FROM quota.credit('g', 'tokens', 100);
SELECT remaining FROM quota.debit('g', 'tokens', 50);
SELECT count(*) FROM pg_temp.told WHERE subject = 'g';
SELECT remaining FROM quota.debit('g', 'tokens', 10);
SELECT data FROM pg_temp.told WHERE subject = 'g';
-- the next period tells anew
SET quota.clock = '2026-02-10 00:00:00+00';
SELECT remaining FROM quota.debit('a', 'tokens', 150);
SELECT subject, data, period_start, period_end FROM pg_temp.told WHERE period_start >= '2026-02-01';
-- a rollback tells nothing; a refusal neither
BEGIN; SELECT remaining FROM quota.debit('r', 'tokens', 300); ROLLBACK;
SELECT pg_temp.code('SELECT quota.debit(''r'', ''tokens'', 301)');
SELECT count(*) FROM pg_temp.told WHERE subject = 'r';
-- levels
SELECT quota.override('l/x', 'tokens', '{"allowance": 100, "period": "day", "notify": [50, {"remaining": 20}]}');
SELECT remaining FROM quota.debit('l/x', 'tokens', 80);
SELECT subject, data, period_end FROM pg_temp.told WHERE subject LIKE 'l%';
SELECT remaining FROM quota.debit('l', 'tokens', 200);
SELECT subject, data FROM pg_temp.told WHERE subject LIKE 'l%' OFFSET 2;
-- a hold is an estimate: neither it nor its growing, release or expiry tells; what a settle books does, once, the part that the hold had too
SELECT id AS h FROM quota.reserve('h', 'tokens', 300) \gset
SELECT released FROM quota.release(:h);
SELECT id AS h FROM quota.reserve('h', 'tokens', 100) \gset
SELECT reserved FROM quota.extend(:h, amount => 200);
SELECT id AS k FROM quota.reserve('h', 'tokens', 90, '1 hour') \gset
SELECT count(*) FROM pg_temp.told WHERE subject = 'h';
SELECT charged FROM quota.settle(:h, 149);
SELECT count(*) FROM pg_temp.told WHERE subject = 'h';
SELECT charged FROM quota.settle(:k, 1);
SELECT data FROM pg_temp.told WHERE subject = 'h';
SELECT id AS h FROM quota.reserve('h', 'tokens', 50) \gset
SELECT charged FROM quota.settle(:h, 160);
SELECT data FROM pg_temp.told WHERE subject = 'h' OFFSET 1;
-- of one that is settled late it is use of now
SELECT quota.set_usage('h', 'tokens', 0) IS NOT NULL AS set;
SELECT id AS h FROM quota.reserve('h', 'tokens', 1, '1 minute') \gset
SET quota.clock = '2026-02-11 00:00:00+00';
SELECT charged, overdrawn FROM quota.settle(:h, 240);
SELECT data FROM pg_temp.told WHERE subject = 'h' OFFSET 4;
-- a hold of a window that is over is no use of the present one
SELECT quota.override('w', 'tokens', '{"allowance": 100, "period": "day", "notify": [50]}');
SELECT id AS h FROM quota.reserve('w', 'tokens', 80, '2 days') \gset
SET quota.clock = '2026-02-12 00:00:00+00';
SELECT charged FROM quota.settle(:h, 120);
SELECT count(*) FROM pg_temp.told WHERE subject = 'w' AND period_start >= '2026-02-11';
-- set_usage: more, but not less, and holds left out
SET quota.clock = '2026-02-10 00:00:00+00';
SELECT id > 0 AS reserved FROM quota.reserve('s', 'tokens', 100) \gset
SELECT quota.set_usage('s', 'tokens', 149) IS NOT NULL AS set;
SELECT count(*) FROM pg_temp.told WHERE subject = 's';
SELECT quota.set_usage('s', 'tokens', 400) IS NOT NULL AS set, quota.set_usage('s', 'tokens', 240) IS NOT NULL AS less;
SELECT data FROM pg_temp.told WHERE subject = 's';
-- overage does not stop it; observe tells too
SELECT quota.subscribe('o', 'over') IS NOT NULL AS s;
SELECT remaining FROM quota.debit('o', 'tokens', 150);
SELECT data FROM pg_temp.told WHERE subject = 'o';
SET quota.enforcement = observe;
SELECT remaining FROM quota.debit('b', 'tokens', 1000);
RESET quota.enforcement;
SELECT data FROM pg_temp.told WHERE subject = 'b';
-- capacity: one window for ever
SELECT remaining FROM quota.debit('c', 'docs', 8);
SELECT remaining FROM quota.debit('c', 'docs', 2);
SELECT data, period_start, period_end FROM pg_temp.told WHERE subject = 'c';
SELECT remaining FROM quota.give_back('c', 'docs', 5);
SELECT remaining FROM quota.debit('c', 'docs', 5);
SELECT data FROM pg_temp.told WHERE subject = 'c' OFFSET 2;
-- a prepaid balance has no end either: each time it runs low
SELECT quota.subscribe('p', 'prepaid') IS NOT NULL AS s;
SELECT remaining FROM quota.credit('p', 'tokens', 100);
SELECT remaining FROM quota.debit('p', 'tokens', 95);
SELECT remaining FROM quota.credit('p', 'tokens', 100);
SELECT remaining FROM quota.debit('p', 'tokens', 99);
SELECT data, period_end FROM pg_temp.told WHERE subject = 'p';

-- Limits that fall: a plan, now or at its time; an override; a grant that is revoked.  What was reached before is not told.
SELECT quota.subscribe(x, 'big') IS NOT NULL AS s FROM unnest('{d1,d2,d3,d4}'::text[]) x;
SELECT (quota.debit(x, 'tokens', 170)).remaining, (quota.debit(x, 'docs', 9)).remaining FROM unnest('{d1,d2,d3}'::text[]) x;
SELECT id > 0 AS reserved FROM quota.reserve('d1', 'tokens', 500);
SELECT quota.change_plan('d1', 'small') IS NOT NULL AS changed, quota.change_plan('d1', 'small') IS NOT NULL AS again;
SELECT feature, data FROM pg_temp.told WHERE subject = 'd1';
SELECT quota.change_plan('d2', 'small', 'period_end') IS NOT NULL AS scheduled;
SELECT quota.override('d3', 'tokens', '{"allowance": 200, "period": "month", "notify": [80, 90]}'), quota.override('d3', 'docs', '{"allowance": 10, "notify": [90]}');
SELECT feature, data FROM pg_temp.told WHERE subject = 'd3';
SELECT quota.override('d3', 'tokens', '{"allowance": 180, "period": "month", "notify": [80, 90]}');
SELECT feature, data FROM pg_temp.told WHERE subject = 'd3' OFFSET 2;
SELECT quota.override('d3', 'tokens', NULL), quota.override('d3', 'docs', NULL);
SELECT count(*) FROM pg_temp.told WHERE subject = 'd3';
SELECT id AS g FROM quota.credit('d4', 'tokens', 100) \gset
SELECT remaining FROM quota.debit('d4', 'tokens', 820);
SELECT quota.revoke(:g), quota.revoke(:g) AS again;
SELECT data FROM pg_temp.told WHERE subject = 'd4';
-- at its time, when the first charge comes: of a capacity, and of the next month nothing
SET quota.clock = '2026-03-20 00:00:00+00';
SELECT remaining FROM quota.debit('d2', 'tokens', 1);
SELECT feature, data FROM pg_temp.told WHERE subject = 'd2';

-- A grant that expires, once: by the charge that comes first, where a threshold is reached, or by maintain()
SET quota.clock = '2026-03-21 00:00:00+00';
SELECT (quota.credit(x, 'tokens', 200, '2026-03-22')).remaining FROM unnest('{e1,e2,e3}'::text[]) x;
SELECT (quota.credit(x, 'docs', 10, '2026-03-22')).remaining FROM unnest('{e1,e2}'::text[]) x;
SELECT (quota.debit(x, 'tokens', 200)).remaining, (quota.debit(x, 'docs', 9)).remaining FROM unnest('{e1,e2}'::text[]) x;
SELECT (quota.debit('e3', 'tokens', 10)).remaining;
SELECT x, data FROM unnest('{e1,e2,e3}'::text[]) x, pg_temp.told t WHERE t.subject = x;
SET quota.clock = '2026-03-22 00:00:00+00';
SELECT remaining FROM quota.debit('e1', 'tokens', 1);
SELECT data FROM pg_temp.told WHERE subject = 'e1';
SELECT remaining FROM quota.debit('e3', 'tokens', 1);
SELECT rows FROM quota.maintain() WHERE task = 'grants expired';
SELECT rows FROM quota.maintain() WHERE task = 'grants expired';
SELECT subject, feature, data FROM pg_temp.told WHERE subject LIKE 'e_';
SELECT remaining FROM quota.debit('e2', 'tokens', 1);
SELECT subject, feature, count(*) FILTER (WHERE type = 'grant_expired') AS expired, count(*) FILTER (WHERE type = 'threshold_reached') AS reached
FROM quota.events WHERE subject LIKE 'e_' GROUP BY 1, 2 ORDER BY 1, 2;
-- one that ended in an earlier window took nothing from this one
SELECT (quota.credit('e4', 'tokens', 200, '2026-03-23')).remaining;
SET quota.clock = '2026-04-05 00:00:00+00';
SELECT remaining FROM quota.debit('e4', 'tokens', 160);
SELECT remaining FROM quota.debit('e4', 'tokens', 1);
SELECT data, period_start FROM pg_temp.told WHERE subject = 'e4';
-- above READ COMMITTED a charge leaves it to maintain()
SELECT (quota.credit('e5', 'tokens', 200, '2026-04-06')).remaining;
SELECT remaining FROM quota.debit('e5', 'tokens', 200);
SET quota.clock = '2026-04-06 00:00:00+00';
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT remaining FROM quota.debit('e5', 'tokens', 1);
COMMIT;
SELECT data FROM pg_temp.told WHERE subject = 'e5';
SELECT rows FROM quota.maintain() WHERE task = 'grants expired';
SELECT data FROM pg_temp.told WHERE subject = 'e5';
-- use that is recorded late is judged by the limits of now: 150 of 400, not of 300
SELECT remaining FROM quota.credit('late', 'tokens', 100);
SELECT remaining FROM quota.record('late', 'tokens', 150, quota_internal._now() - interval '1 hour');
SELECT data FROM pg_temp.told WHERE subject = 'late';
SELECT remaining FROM quota.record('late', 'tokens', 50, quota_internal._now() - interval '1 hour');
SELECT data FROM pg_temp.told WHERE subject = 'late';
SELECT * FROM quota.verify();

-- retention drops them like any other event
SET quota.clock = '2027-06-01 00:00:00+00';
SELECT rows > 40 AS many FROM quota.maintain() WHERE task = 'old events';
SELECT count(*) FROM pg_temp.told;
