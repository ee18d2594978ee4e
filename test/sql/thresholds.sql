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
              "over": {"entitlements": {"tokens": {"allowance": 100, "period": "month", "overage": true, "notify": [100]}}}}}');
CREATE VIEW pg_temp.told AS
SELECT subject, feature, data - 'period_start' - 'period_end' AS data, (data ->> 'period_start')::timestamptz AS period_start, data ->> 'period_end' AS period_end
FROM quota.events WHERE type = 'threshold_reached' ORDER BY id;

-- exactly at the line, once
SELECT remaining FROM quota.debit('a', 'tokens', 149);
SELECT count(*) FROM pg_temp.told;
SELECT remaining FROM quota.debit('a', 'tokens', 1);
SELECT * FROM pg_temp.told;
SELECT remaining FROM quota.debit('a', 'tokens', 1);
-- back below and over it again: not again in this period
SELECT quota.set_usage('a', 'tokens', 100) IS NOT NULL AS set;
SELECT remaining FROM quota.debit('a', 'tokens', 60);
SELECT count(*) FROM pg_temp.told;
-- several at once
SELECT remaining FROM quota.debit('a', 'tokens', 140);
SELECT data FROM pg_temp.told OFFSET 1;
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
-- holds, settles, set_usage
SELECT id AS h FROM quota.reserve('h', 'tokens', 100) \gset
SELECT charged FROM quota.settle(:h, 160);
SELECT data FROM pg_temp.told WHERE subject = 'h';
SELECT quota.set_usage('h', 'tokens', 400) IS NOT NULL AS set;
SELECT data FROM pg_temp.told WHERE subject = 'h' OFFSET 1;
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
SELECT count(*) FROM pg_temp.told WHERE subject = 'c';

-- retention drops them with their window, so that none is told of twice
SET quota.clock = '2027-04-01 00:00:00+00';
SELECT rows FROM quota.maintain() WHERE task = 'old events';
SELECT count(*) FROM pg_temp.told WHERE period_start = '2026-02-01';
SET quota.clock = '2027-04-02 00:00:00+00';
SELECT rows FROM quota.maintain() WHERE task = 'old events';
SELECT subject, feature, period_start, period_end FROM pg_temp.told;
SELECT remaining FROM quota.give_back('c', 'docs', 5);
SELECT remaining FROM quota.debit('c', 'docs', 5);
SELECT count(*) FROM pg_temp.told WHERE subject = 'c';
