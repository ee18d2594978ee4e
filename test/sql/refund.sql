--
-- Refunds: back into the buckets it came from, never more than was charged
--
SET client_min_messages = warning; DROP EXTENSION IF EXISTS quota CASCADE; CREATE EXTENSION quota CASCADE;
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/include/enforcement.psql'
\i :helpers
SET quota.clock = '2026-01-10 00:00:00+00';
SELECT count(*) FROM quota.apply_catalog('{
    "features": {"tokens": {"kind": "metered"}, "docs": {"kind": "capacity"}, "once": {"kind": "metered"}},
    "plans": {"free": {"default": true, "entitlements": {"tokens": {"allowance": 100, "period": "month"}, "docs": {"allowance": 10}}},
              "pro": {"entitlements": {"tokens": {"allowance": 1000, "period": "month", "anchor": "subscription"}, "once": {"allowance": 5}}},
              "daily": {"entitlements": {"tokens": {"allowance": 500, "period": "day"}}},
              "none": {"entitlements": {}}}}');
CREATE VIEW pg_temp.entries AS
SELECT account, kind, source, amount, dense_rank() OVER (ORDER BY debit_id) AS operation, at::date AS on, period_start::date AS period FROM quota.ledger ORDER BY id;

-- In parts, and then the rest.
SELECT * FROM quota.debit('ann', 'tokens', 50);
SELECT * FROM quota.refund(1, 20);
SELECT * FROM quota.refund(1, 10);
SELECT pg_temp.try('SELECT quota.refund(1, 21)');
SELECT * FROM quota.refund(1);
SELECT pg_temp.try('SELECT quota.refund(1)');
SELECT pg_temp.code('SELECT quota.refund(1, 1)');
SELECT * FROM pg_temp.entries;

-- Bad ids and amounts. The id of a refund, a give_back, or of an entry that is not its operation's first, is no debit's.
SELECT pg_temp.try('SELECT quota.refund(2)');
SELECT pg_temp.try('SELECT quota.refund(999)');
SELECT pg_temp.code('SELECT quota.refund(NULL)'), pg_temp.code('SELECT quota.refund(-1)'), pg_temp.code('SELECT quota.refund(9223372036854775807)');
SELECT pg_temp.code('SELECT quota.refund(1, 0)'), pg_temp.code('SELECT quota.refund(1, -5)');
SELECT id FROM quota.debit('bad/x', 'docs', 2) \gset d_
SELECT id FROM quota.give_back('bad/x', 'docs', 1) \gset g_
SELECT pg_temp.code(format('SELECT quota.refund(%s)', :d_id + 1)), pg_temp.code(format('SELECT quota.refund(%s)', :g_id));
SELECT pg_temp.code(format('SELECT quota.refund(%s, 9223372036854775807)', :d_id));

-- Every level of the path gets it back.
SELECT quota.subscribe('acme', 'pro'), quota.override('acme/al', 'tokens', '{"allowance": 80, "period": "day"}');
SELECT id, remaining FROM quota.debit('acme/al', 'tokens', 60) \gset d_
SELECT refunded, remaining FROM quota.refund(:d_id, 45);
SELECT * FROM pg_temp.entries WHERE account LIKE 'acme%';
SELECT subject, used FROM pg_temp.window_use WHERE subject LIKE 'acme%' ORDER BY 1;

-- Last taken, first given back: what was overdrawn before what had room.
SELECT remaining FROM quota.debit('over', 'tokens', 90);
SET quota.enforcement = observe;
SELECT id FROM quota.debit('over', 'tokens', 30) \gset d_
RESET quota.enforcement;
SELECT refunded, remaining FROM quota.refund(:d_id, 15);
SELECT refunded, remaining FROM quota.refund(:d_id, 7);
SELECT refunded, remaining FROM quota.refund(:d_id);
SELECT * FROM pg_temp.entries WHERE account = 'over';

-- A debit whose period is over is booked there, and restores nothing now.
SELECT id FROM quota.debit('cy', 'tokens', 100) \gset d_
SET quota.clock = '2026-02-10 00:00:00+00';
SELECT remaining FROM quota.debit('cy', 'tokens', 70);
SELECT refunded, remaining FROM quota.refund(:d_id, 40);
SELECT period_start, used FROM pg_temp.window_use WHERE subject = 'cy' ORDER BY 1;
SELECT * FROM pg_temp.entries WHERE account = 'cy';
-- seen from there it did
SET quota.clock = '2026-01-31 00:00:00+00';
SELECT used, remaining FROM quota.check('cy', 'tokens');

-- Use that moved to another window on a change of plan: refunded there.
SET quota.clock = '2026-01-10 00:00:00+00';
SELECT quota.subscribe('dan', 'pro');
SET quota.clock = '2026-01-12 15:00:00+00';
SELECT id FROM quota.debit('dan', 'tokens', 400) \gset d_
SELECT quota.change_plan('dan', 'daily');
SELECT used, remaining FROM quota.check('dan', 'tokens');
SELECT refunded, remaining FROM quota.refund(:d_id, 150);
SELECT quota.change_plan('dan', 'pro');
SELECT refunded, remaining FROM quota.refund(:d_id, 150);
SELECT * FROM pg_temp.entries WHERE account = 'dan';
SELECT period_start, used FROM pg_temp.window_use WHERE subject = 'dan' ORDER BY 1;
-- the plan does not have the feature any more: booked, restores nothing that one could take
SELECT quota.change_plan('dan', 'none');
SELECT refunded, remaining FROM quota.refund(:d_id);
-- nor when the subscription is over, or paused
SELECT quota.subscribe('eve', 'pro');
SELECT id FROM quota.debit('eve', 'tokens', 400) \gset d_
SELECT quota.set_status('eve', 'paused');
SELECT refunded, remaining FROM quota.refund(:d_id, 100);
SELECT quota.cancel('eve', 'now');
SELECT refunded, remaining FROM quota.refund(:d_id, 100);
SELECT subject, source_id, used FROM pg_temp.window_use WHERE subject = 'eve';
-- an account on the path that came after the debit is not touched
SELECT id FROM quota.debit('fay/a', 'tokens', 30) \gset d_
SELECT quota.override('fay/a', 'tokens', '{"allowance": 10, "period": "month"}');
SELECT remaining FROM quota.debit('fay/a', 'tokens', 10);
SELECT refunded, remaining FROM quota.refund(:d_id);
SELECT subject, used FROM pg_temp.window_use WHERE subject LIKE 'fay%' ORDER BY 1;

-- A capacity is given back, not refunded; a key is not burned by the attempt.
SELECT id FROM quota.debit('gus/a', 'docs', 4) \gset d_
SELECT pg_temp.try(format('SELECT quota.refund(%s)', :d_id)), pg_temp.code(format('SELECT quota.refund(%s, 5, ''k'')', :d_id));
SELECT id FROM quota.reserve('gus/a', 'docs', 2) \gset h_
SELECT pg_temp.try(format('SELECT quota.refund(%s)', :h_id));
SELECT charged FROM quota.settle(:h_id, 1);
SELECT pg_temp.code(format('SELECT quota.refund(%s, 1)', :h_id));
SELECT remaining FROM quota.give_back('gus/a', 'docs', 5, 'k');
SELECT subject, used FROM pg_temp.window_use WHERE subject LIKE 'gus%' ORDER BY 1;

-- In the debit's own transaction, and back again.
BEGIN;
SELECT id FROM quota.debit('han', 'tokens', 9) \gset d_
SAVEPOINT s;
SELECT refunded, remaining FROM quota.refund(:d_id, 4);
ROLLBACK TO s;
SELECT refunded, remaining FROM quota.refund(:d_id, 3);
COMMIT;
SELECT used FROM quota.check('han', 'tokens');
SELECT pg_temp.code(format('SELECT quota.refund(%s, 7)', :d_id));
-- a rolled back debit was never there
BEGIN;
SELECT id FROM quota.debit('han', 'tokens', 9) \gset d_
ROLLBACK;
SELECT pg_temp.code(format('SELECT quota.refund(%s)', :d_id)) ~ '^QT404' AS not_found;

-- Nothing of a refusal is in the ledger, and every bucket is its entries' sum.
SELECT bool_and(amount <> 0) AS all_count FROM quota_internal.ledger_entry;
SELECT * FROM quota.verify();
