--
-- Use that moves between windows, and what follows it
--
SET TimeZone = 'UTC';
SET DateStyle = 'ISO';
SET client_min_messages = warning; DROP EXTENSION IF EXISTS quota CASCADE; CREATE EXTENSION quota CASCADE;
SET quota.leases = off;	-- rows are written by hand
SET quota.clock = '2026-02-10 12:00:00+00';
SELECT count(*) FROM quota.apply_catalog('{
    "features": {"tokens": {"kind": "metered"}},
    "plans": {"year":  {"entitlements": {"tokens": {"allowance": 100, "period": "year"}}},
              "month": {"entitlements": {"tokens": {"allowance": 10, "period": "month"}}},
              "week":  {"entitlements": {"tokens": {"allowance": 10, "period": "week"}}},
              "capped": {"entitlements": {"tokens": {"allowance": 1000, "caps": [{"limit": 50, "per": "day"}]}}},
              "life":  {"entitlements": {"tokens": {"allowance": 100}}},
              "rolls": {"entitlements": {"tokens": {"allowance": 10, "period": "month", "rollover": {"max": 20}}}},
              "none": {"entitlements": {}}}}');
CREATE VIEW pg_temp.windows AS
SELECT subject, period_start::date AS "from", period_end::date AS "to", used, rolled_in, rolled_out, moved_id IS NOT NULL AS moved,
       generation
FROM quota_internal.bucket ORDER BY subject, period_start, period_end, source_id, generation;

-- A year's use goes to February; in March the year takes March's: what left it stays where it went
SELECT quota.subscribe('a', 'year') IS NOT NULL AS s;
SELECT id AS first FROM quota.debit('a', 'tokens', 7) \gset
SELECT quota.change_plan('a', 'month') IS NOT NULL AS c;
SET quota.clock = '2026-03-10 12:00:00+00';
SELECT id AS second FROM quota.debit('a', 'tokens', 4) \gset
SELECT quota.change_plan('a', 'year') IS NOT NULL AS c;
SELECT * FROM pg_temp.windows WHERE subject = 'a';
SELECT refunded, remaining FROM quota.refund(:first, 5);
SELECT refunded, remaining FROM quota.refund(:second, 1);
SELECT * FROM pg_temp.windows WHERE subject = 'a';
-- and once more away: each goes its own way
SELECT id AS third FROM quota.debit('a', 'tokens', 2) \gset
SELECT quota.change_plan('a', 'week') IS NOT NULL AS c;
SELECT * FROM pg_temp.windows WHERE subject = 'a';
SELECT refunded, remaining FROM quota.refund(:first);
SELECT refunded, remaining FROM quota.refund(:second);
SELECT refunded, remaining FROM quota.refund(:third);
SELECT * FROM pg_temp.windows WHERE subject = 'a';
-- a hold that left the window is not what the window holds
SELECT quota.subscribe('h', 'year') IS NOT NULL AS s;
SELECT id AS hold FROM quota.reserve('h', 'tokens', 6, '30 days') \gset
SELECT quota.change_plan('h', 'month') IS NOT NULL AS c;
SET quota.clock = '2026-04-02 12:00:00+00';
SELECT remaining FROM quota.debit('h', 'tokens', 3);
SELECT quota.change_plan('h', 'year') IS NOT NULL AS c;
SELECT remaining FROM quota.set_usage('h', 'tokens', 0);
SELECT released, remaining FROM quota.release(:hold);
SELECT * FROM pg_temp.windows WHERE subject = 'h';

-- There and back in one transaction, and back to a savepoint: each generation counts what it was charged
SELECT quota.subscribe('s', 'year') IS NOT NULL AS s;
SELECT id AS first FROM quota.debit('s', 'tokens', 5) \gset
BEGIN;
SELECT quota.change_plan('s', 'month') IS NOT NULL AS c;
SAVEPOINT there;
SELECT quota.change_plan('s', 'year') IS NOT NULL AS c;
SELECT remaining FROM quota.debit('s', 'tokens', 1);
SELECT * FROM pg_temp.windows WHERE subject = 's';
ROLLBACK TO there;
SELECT id AS second FROM quota.debit('s', 'tokens', 2) \gset
SELECT quota.change_plan('s', 'year') IS NOT NULL AS c, quota.change_plan('s', 'month') IS NOT NULL AS c, quota.change_plan('s', 'year') IS NOT NULL AS c;
SELECT id AS third FROM quota.debit('s', 'tokens', 3) \gset
COMMIT;
SELECT * FROM pg_temp.windows WHERE subject = 's';
SELECT refunded, remaining FROM quota.refund(:first, 4);
SELECT refunded, remaining FROM quota.refund(:second, 1);
SELECT refunded, remaining FROM quota.refund(:third);

-- A cap counted the whole charge: it gets back all of a refund, whatever the bucket still has
SELECT quota.subscribe('c', 'capped') IS NOT NULL AS s;
SELECT id AS d FROM quota.debit('c', 'tokens', 49) \gset
SELECT remaining FROM quota.set_usage('c', 'tokens', 1);
SELECT refunded, remaining FROM quota.refund(:d, 2);
SELECT refunded, remaining FROM quota.refund(:d, 10);

-- A row that a change of plan has made is no charge: the months before it were idle
SET quota.clock = '2026-01-15 12:00:00+00';
SELECT quota.subscribe('i', 'life') IS NOT NULL AS s;
SET quota.clock = '2026-04-10 12:00:00+00';
SELECT quota.change_plan('i', 'rolls') IS NOT NULL AS c;
-- nor is it for an older transaction
SET quota.clock = '2026-02-10 12:00:00+00';
SELECT allowance, used, remaining FROM quota.check('i', 'tokens');
SET quota.clock = '2026-05-10 12:00:00+00';
SELECT remaining FROM quota.debit('i', 'tokens', 1);
SELECT * FROM pg_temp.windows WHERE subject = 'i';
-- a month that the later one has counted as idle is closed
SET quota.clock = '2026-02-10 12:00:00+00';
SELECT allowance, used, remaining FROM quota.check('i', 'tokens');
SET quota.clock = '2026-04-30 12:00:00+00';
SELECT allowance, used, remaining FROM quota.check('i', 'tokens');

-- What would roll over under the present plan is nothing that another plan takes along
SET quota.clock = '2026-05-10 12:00:00+00';
SELECT quota.subscribe('o', 'rolls', starts_at => '2026-01-01 00:00:00+00') IS NOT NULL AS s;
SELECT allowance FROM quota.check('o', 'tokens');
SELECT plan FROM quota.offers('o', 'tokens', 11);
SELECT id AS d FROM quota.debit('o', 'tokens', 1) \gset
SELECT plan FROM quota.offers('o', 'tokens', 11);

-- A trial that was cancelled says so
SELECT quota.subscribe('t', 'life', trial => '14 days') IS NOT NULL AS s;
SELECT quota.me('t') -> 'plan' -> 'cancel_at' AS cancel_at;
SELECT quota.cancel('t');
SELECT quota.me('t') -> 'plan' -> 'cancel_at' AS cancel_at;

-- The default plan's new terms hold for what rolls over, in a window that goes on as in one that moved
SELECT count(*) FROM quota.apply_catalog('{"plans": {"free": {"default": true, "entitlements": {"tokens": {"allowance": 100, "period": "month", "rollover": {"max": 50}}}}}}');
SELECT remaining FROM quota.debit('f', 'tokens', 1);
SELECT count(*) FROM quota.apply_catalog('{"plans": {"free": {"default": true, "entitlements": {"tokens": {"allowance": 5, "period": "month", "rollover": {"max": 50}}}}}}');
SET quota.clock = '2026-06-10 12:00:00+00';
SELECT allowance FROM quota.check('f', 'tokens');
SELECT remaining FROM quota.debit('f', 'tokens', 2);
SELECT count(*) FROM quota.apply_catalog('{"plans": {"free": {"default": true, "entitlements": {"tokens": {"allowance": 3, "period": "quarter", "rollover": {"max": 50}}}}}}');
SET quota.clock = '2026-07-10 12:00:00+00';
SELECT allowance FROM quota.check('f', 'tokens');

-- More can have come back to a grant in a window than was taken from it there: what a correction gave back, a refund gives
-- back again as long as the grant has use. Such a window moves like any other
SET quota.clock = '2026-08-10 12:00:00+00';
SELECT quota.override('w', 'tokens', '{"allowance": 3, "period": "month"}');
SELECT id AS first FROM quota.credit('w', 'tokens', 10, expires_at => '2026-09-15', priority => 1) \gset
SELECT id AS second FROM quota.credit('w', 'tokens', 10, priority => 2) \gset
SELECT remaining FROM quota.debit('w', 'tokens', 6);
SET quota.clock = '2026-09-10 12:00:00+00';
SELECT id AS d FROM quota.debit('w', 'tokens', 5) \gset
SELECT remaining FROM quota.set_usage('w', 'tokens', 0);
SET quota.clock = '2026-09-20 12:00:00+00';
SELECT remaining FROM quota.debit('w', 'tokens', 5);
SELECT refunded, remaining FROM quota.refund(:d);
SELECT remaining FROM quota.debit('w', 'tokens', 4);
SELECT grant_id = :first AS first, sum(amount) FROM quota_internal.ledger_entry WHERE account = 'w' AND source = 'g' AND period_start = '2026-09-01' GROUP BY 1 ORDER BY 1;
SELECT quota.override('w', 'tokens', '{"allowance": 80}');
SELECT allowance, used, remaining FROM quota.check('w', 'tokens');

-- An account comes back by itself: it begins at 0, and what left the window before stays where it went
SET quota.clock = '2026-10-10 12:00:00+00';
SELECT quota.override('f', 'tokens', '{"allowance": 9, "period": "month"}');
SELECT id AS first FROM quota.debit('f', 'tokens', 4) \gset
SELECT quota.override('f', 'tokens', '{"allowance": 9, "period": "week"}');
SELECT quota.subscribe('f', 'free') IS NOT NULL AS s;
SELECT quota.override('f', 'tokens', '{"allowance": 9, "period": "month"}');
SELECT quota.cancel('f', 'now') IS NOT NULL AS cancelled;
SELECT allowance, used, remaining FROM quota.check('f', 'tokens');
SELECT id AS second FROM quota.debit('f', 'tokens', 2) \gset
SELECT refunded, remaining FROM quota.refund(:first, 1);
SELECT refunded, remaining FROM quota.refund(:second, 1);
SELECT * FROM pg_temp.windows WHERE subject = 'f' AND "from" >= '2026-10-01';

SELECT * FROM quota.verify();
DROP EXTENSION quota CASCADE;
