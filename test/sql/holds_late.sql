--
-- Holds that are settled late, as a charge of now, and holds that are settled again.
--
SET client_min_messages = warning; DROP EXTENSION IF EXISTS quota CASCADE; CREATE EXTENSION quota CASCADE;
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/include/enforcement.psql'
\i :helpers
SET quota.clock = '2026-01-31 23:00:00+00';
SELECT count(*) FROM quota.apply_catalog('{
    "features": {"tokens": {"kind": "metered"}, "calls": {"kind": "metered"}, "docs": {"kind": "capacity"}},
    "plans": {"free": {"default": true, "entitlements": {"tokens": {"allowance": 100, "period": "month"}, "docs": {"allowance": 20}}},
              "sold": {"entitlements": {"tokens": {"allowance": 100, "period": "month", "overage": {"limit": 50}}}},
              "caller": {"entitlements": {"calls": {"allowance": 100, "period": "month"}}}}}');
CREATE VIEW pg_temp.entries AS
SELECT account, kind, source, amount, at::date AS on, period_start::date AS period, debit_id FROM quota.ledger ORDER BY id;

--
-- The period is over, the grant has ended: what was reserved there is free, the work is charged now
--
SELECT quota.subscribe('ann', 'sold') > 0 AS subscribed;
SELECT id FROM quota.reserve('ann', 'tokens', 130, '10 minutes') \gset ann_
SELECT id > 0 AS credited FROM quota.credit('bob', 'tokens', 50, '2026-01-31 23:30:00+00');
SELECT id FROM quota.reserve('bob', 'tokens', 130, '10 minutes') \gset bob_
SET quota.clock = '2026-02-10 00:00:00+00';
SELECT remaining FROM quota.debit('bob', 'tokens', 70);
SELECT charged, overdrawn, remaining FROM quota.settle(:ann_id, 160);
SELECT kind, source, amount, period FROM pg_temp.entries WHERE account = 'ann';
SELECT charged, overdrawn, remaining FROM quota.settle(:bob_id, 130);
SELECT kind, source, amount, period FROM pg_temp.entries WHERE account = 'bob' AND debit_id = :bob_id;
SELECT * FROM quota.verify();
-- in the present period it is in the order of any charge: what there is now
SELECT id > 0 AS credited FROM quota.credit('eve', 'tokens', 50);
SELECT id FROM quota.debit('eve', 'tokens', 100) \gset debit_
SELECT id FROM quota.reserve('eve', 'tokens', 30, '10 minutes') \gset h_
SELECT refunded FROM quota.refund(:debit_id);
SET quota.clock = '2026-02-10 02:00:00+00';
SELECT charged, overdrawn, remaining FROM quota.settle(:h_id, 40);
SELECT kind, source, amount FROM pg_temp.entries WHERE debit_id = :h_id;
SELECT * FROM quota.verify();

--
-- No account is left: all of it is overdrawn, in the hold's period
--
SELECT quota.subscribe('dan', 'caller') > 0 AS subscribed;
SELECT id FROM quota.reserve('dan', 'calls', 60, '10 minutes') \gset a_
SELECT id FROM quota.reserve('dan', 'calls', 40, '10 minutes') \gset b_
SELECT quota.cancel('dan', 'now') IS NOT NULL AS cancelled;
SELECT charged, overdrawn, remaining FROM quota.settle(:b_id, 45);
SET quota.clock = '2026-03-10 01:00:00+00';
SELECT charged, overdrawn, remaining FROM quota.settle(:a_id, 60);
SELECT charged, overdrawn, remaining FROM quota.settle(:a_id, 60);
SELECT kind, source, amount, period FROM pg_temp.entries WHERE account = 'dan';
SELECT used, overdrawn, allowance FROM pg_temp.window_use WHERE subject = 'dan';
SELECT * FROM quota.verify();
SET quota.clock = '2026-02-10 02:00:00+00';

--
-- A level that the hold met only when it grew is charged like the others
--
SELECT id FROM quota.reserve('fox/x', 'tokens', 10, '10 minutes') \gset h_
SELECT quota.override('fox/x', 'tokens', '{"allowance": 50, "period": "month"}');
SELECT reserved FROM quota.extend(:h_id, amount => 15);
SELECT charged, overdrawn FROM quota.settle(:h_id, 12);
SELECT subject, used, reserved FROM pg_temp.window_use WHERE subject LIKE 'fox%' ORDER BY 1;
SELECT refunded FROM quota.refund(:h_id);
SELECT subject, used, reserved FROM pg_temp.window_use WHERE subject LIKE 'fox%' ORDER BY 1;
SELECT * FROM quota.verify();

--
-- What a settle overdraws is reported, not what observe overdrew before
--
SET quota.enforcement = observe;
SELECT id FROM quota.reserve('gus', 'tokens', 130, '10 minutes') \gset h_
RESET quota.enforcement;
SELECT charged, overdrawn FROM quota.settle(:h_id, 135);
SELECT used, overdrawn FROM pg_temp.window_use WHERE subject = 'gus';
SELECT * FROM quota.verify();

--
-- Again: the first answer, whatever has come since; nothing is charged
--
-- what it overdrew is that of the level with the most
SELECT quota.override('hub/a', 'tokens', '{"allowance": 50, "period": "month"}');
SELECT id FROM quota.reserve('hub/a', 'tokens', 40) \gset h_
SELECT charged, overdrawn, remaining FROM quota.settle(:h_id, 110);
SELECT charged, overdrawn, remaining FROM quota.settle(:h_id, 110);
SELECT refunded FROM quota.refund(:h_id, 100);
SELECT charged, overdrawn, remaining FROM quota.settle(:h_id, 110);
SELECT pg_temp.code(format('SELECT quota.settle(%s, 10)', :h_id)), pg_temp.code(format('SELECT quota.settle(%s, 0)', :h_id)), pg_temp.code(format('SELECT quota.release(%s)', :h_id));
SELECT used, remaining FROM quota.check('hub', 'tokens');
-- of a hold that expired, late or never settled
SELECT id FROM quota.reserve('ivy', 'tokens', 40, '1 minute') \gset h_
SELECT id FROM quota.reserve('ivy', 'tokens', 10, '1 minute') \gset i_
SET quota.clock = '2026-02-10 03:00:00+00';
SELECT charged, overdrawn, remaining FROM quota.settle(:h_id, 130);
SELECT charged, overdrawn, remaining FROM quota.settle(:h_id, 130);
SELECT * FROM quota.release(:i_id);
SELECT * FROM quota.release(:i_id);
SELECT charged, overdrawn, remaining FROM quota.settle(:i_id, 0);
SELECT pg_temp.code(format('SELECT quota.settle(%s, 10)', :i_id));
-- its period is over, its plan another, its use has moved
SELECT quota.subscribe('jim', 'sold') > 0 AS subscribed;
SELECT id FROM quota.reserve('jim', 'tokens', 40) \gset h_
SELECT charged, overdrawn, remaining FROM quota.settle(:h_id, 155);
SELECT quota.change_plan('jim', 'caller') > 0 AS changed, quota.override('jim', 'tokens', '{"allowance": 1000, "period": "week"}');
SET quota.clock = '2026-05-10 03:00:00+00';
SELECT charged, overdrawn, remaining FROM quota.settle(:h_id, 155);
-- of a capacity
SELECT id FROM quota.reserve('kay/x', 'docs', 15) \gset h_
SELECT charged, overdrawn, remaining FROM quota.settle(:h_id, 23);
SELECT remaining FROM quota.give_back('kay/x', 'docs', 20);
SELECT charged, overdrawn, remaining FROM quota.settle(:h_id, 23);
-- in the transaction of the first, which is rolled back
SELECT id FROM quota.reserve('lea', 'tokens', 15) \gset h_
BEGIN;
SELECT charged, overdrawn, remaining FROM quota.settle(:h_id, 120);
SELECT charged, overdrawn, remaining FROM quota.settle(:h_id, 120);
ROLLBACK;
SELECT charged, overdrawn, remaining FROM quota.settle(:h_id, 7);
SELECT pg_temp.code(format('SELECT quota.settle(%s, 120)', :h_id));
-- one that only observe let through
SET quota.enforcement = observe;
SELECT * FROM quota.settle(NULL, 7);
SELECT charged, overdrawn FROM quota.settle(:h_id, 7);
RESET quota.enforcement;
SELECT * FROM quota.verify();

--
-- The hold's window goes on under the default plan's new version; the late settle is charged by that of now
--
SET quota.clock = '2026-06-10 00:00:00+00';
SELECT id FROM quota.reserve('ned', 'tokens', 90, '10 minutes') \gset h_
SELECT quota.export_catalog() AS catalog \gset
SELECT name, change FROM quota.apply_catalog(jsonb_set(:'catalog', '{plans,free,entitlements,tokens,allowance}', '40')) WHERE change <> 'unchanged';
SET quota.clock = '2026-07-10 00:00:00+00';
SELECT charged, overdrawn, remaining FROM quota.settle(:h_id, 90);
SELECT kind, source, amount, period FROM pg_temp.entries WHERE account = 'ned';
SELECT * FROM quota.verify();
