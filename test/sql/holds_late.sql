--
-- Holds that are settled late: their own buckets give what they still have.  Expired holds of a capacity above their subject.
--
SET client_min_messages = warning; DROP EXTENSION IF EXISTS quota CASCADE; CREATE EXTENSION quota CASCADE;
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/include/enforcement.psql'
\i :helpers
SET quota.clock = '2026-01-31 23:00:00+00';
SELECT count(*) FROM quota.apply_catalog('{
    "features": {"tokens": {"kind": "metered"}, "calls": {"kind": "metered"}, "docs": {"kind": "capacity"}},
    "plans": {"free": {"default": true, "entitlements": {"tokens": {"allowance": 100, "period": "month"}, "docs": {"allowance": 100}}},
              "sold": {"entitlements": {"tokens": {"allowance": 100, "period": "month", "overage": {"limit": 50}}}},
              "caller": {"entitlements": {"calls": {"allowance": 100, "period": "month"}}}}}');
CREATE VIEW pg_temp.entries AS
SELECT account, kind, source, amount, at::date AS on, period_start::date AS period, debit_id FROM quota.ledger ORDER BY id;

--
-- The period is over: its overage, its grants
--
SELECT quota.subscribe('ann', 'sold') > 0 AS subscribed;
SELECT id FROM quota.reserve('ann', 'tokens', 130, '10 minutes') \gset ann_
SELECT id > 0 AS credited FROM quota.credit('bob', 'tokens', 50, '2026-01-31 23:30:00+00');
SELECT id FROM quota.reserve('bob', 'tokens', 130, '10 minutes') \gset bob_
-- a grant that is revoked has nothing left
SELECT id FROM quota.credit('cat', 'tokens', 50) \gset grant_
SELECT id FROM quota.reserve('cat', 'tokens', 130, '10 minutes') \gset cat_
SELECT quota.revoke(:grant_id);
SET quota.clock = '2026-02-10 00:00:00+00';
SELECT charged, overdrawn, remaining FROM quota.settle(:ann_id, 150);
SELECT kind, source, amount, period FROM pg_temp.entries WHERE account = 'ann';
SELECT charged, overdrawn, remaining FROM quota.settle(:bob_id, 140);
SELECT kind, source, amount, period FROM pg_temp.entries WHERE account = 'bob';
SELECT charged, overdrawn, remaining FROM quota.settle(:cat_id, 130);
SELECT kind, source, amount, period FROM pg_temp.entries WHERE account = 'cat';
SELECT * FROM quota.verify();

--
-- No account is left: the hold's bucket has room all the same; what is beyond is overdrawn there
--
SELECT quota.subscribe('dan', 'caller') > 0 AS subscribed;
SELECT id FROM quota.reserve('dan', 'calls', 60, '10 minutes') \gset a_
SELECT id FROM quota.reserve('dan', 'calls', 40, '10 minutes') \gset b_
SELECT quota.cancel('dan', 'now') IS NOT NULL AS cancelled;
SET quota.clock = '2026-02-10 01:00:00+00';
SELECT charged, overdrawn, remaining FROM quota.settle(:a_id, 60);
SELECT charged, overdrawn, remaining FROM quota.settle(:b_id, 70);
SELECT kind, source, amount, period FROM pg_temp.entries WHERE account = 'dan';
SELECT * FROM quota.verify();

--
-- In the present period, too, it is the bucket that the hold had: a grant, though the allowance has room again
--
SELECT id > 0 AS credited FROM quota.credit('eve', 'tokens', 50);
SELECT id FROM quota.debit('eve', 'tokens', 100) \gset debit_
SELECT id FROM quota.reserve('eve', 'tokens', 30, '10 minutes') \gset h_
SELECT refunded FROM quota.refund(:debit_id);
SET quota.clock = '2026-02-10 02:00:00+00';
SELECT charged, overdrawn, remaining FROM quota.settle(:h_id, 40);
SELECT kind, source, amount FROM pg_temp.entries WHERE debit_id = :h_id;
SELECT * FROM quota.verify();

-- a recurring grant in the period that the hold took from, though it is in another one now
SELECT id FROM quota.credit('gil', 'calls', 10, every => 'day') \gset grant_
SELECT id FROM quota.reserve('gil', 'calls', 4, '10 minutes') \gset h_
SET quota.clock = '2026-02-11 03:00:00+00';
SELECT remaining FROM quota.debit('gil', 'calls', 8);
SELECT charged, overdrawn, remaining FROM quota.settle(:h_id, 7);
SELECT kind, source, amount FROM pg_temp.entries WHERE debit_id = :h_id;
SELECT period_start, used FROM quota.grant_use WHERE grant_id = :grant_id ORDER BY 1;
SELECT * FROM quota.verify();
SET quota.clock = '2026-02-10 02:00:00+00';

--
-- A level that the hold met only when it grew is charged like the others
--
SELECT id FROM quota.reserve('fox/x', 'tokens', 10, '10 minutes') \gset h_
SELECT quota.override('fox/x', 'tokens', '{"allowance": 50, "period": "month"}');
SELECT reserved FROM quota.extend(:h_id, amount => 15);
SELECT charged, overdrawn FROM quota.settle(:h_id, 12);
SELECT subject, used, reserved FROM quota.bucket WHERE subject LIKE 'fox%' ORDER BY 1;
SELECT refunded FROM quota.refund(:h_id);
SELECT subject, used, reserved FROM quota.bucket WHERE subject LIKE 'fox%' ORDER BY 1;
SELECT * FROM quota.verify();

--
-- What a settle overdraws is reported, not what observe overdrew before
--
SET quota.enforcement = observe;
SELECT id FROM quota.reserve('gus', 'tokens', 130, '10 minutes') \gset h_
RESET quota.enforcement;
SELECT charged, overdrawn FROM quota.settle(:h_id, 135);
SELECT used, overdrawn FROM quota.bucket WHERE subject = 'gus';
SELECT * FROM quota.verify();

--
-- Capacity: above their subject expired holds free what it still has of them, for reads as for debits
--
SELECT id FROM quota.debit('hub/a', 'docs', 50) \gset debit_
SELECT id FROM quota.reserve('hub/b', 'docs', 20, '10 minutes') \gset a_
SELECT id FROM quota.reserve('hub/b', 'docs', 20, '11 minutes') \gset b_
SELECT id FROM quota.reserve('hub/b/c', 'docs', 4, '9 minutes') \gset c_
-- of 44, 14 stay: the first to expire frees 4 of them, the next one 10, the last one nothing
SELECT id > 0 AS given_back FROM quota.give_back('hub/b', 'docs', 30);
SELECT subject, used, reserved FROM quota.bucket WHERE subject LIKE 'hub%' ORDER BY 1;
SET quota.clock = '2026-02-10 03:00:00+00';
SELECT used, remaining FROM quota.check('hub', 'docs');
SELECT used, reserved FROM quota.status('hub') WHERE feature = 'docs';
SELECT used FROM quota.check('hub/b', 'docs');
BEGIN;
SELECT remaining FROM quota.debit('hub', 'docs', 1);
SELECT subject, used, reserved FROM quota.bucket WHERE subject LIKE 'hub%' ORDER BY 1;
SELECT * FROM quota.verify();
ROLLBACK;
-- begun below, it is the same above
SELECT quota.override('hub/b', 'docs', '{"allowance": 50}');
SELECT used, remaining FROM quota.check('hub/b', 'docs');
SELECT id FROM quota.set_usage('hub/b', 'docs', 3) \gset s_
SELECT subject, used, reserved FROM quota.bucket WHERE subject LIKE 'hub%' ORDER BY 1;
SELECT used, remaining FROM quota.check('hub', 'docs');
SELECT * FROM quota.verify();
-- one that grew has several parts at each level
SELECT id FROM quota.debit('ivy/a', 'docs', 50) \gset debit_
SELECT id FROM quota.reserve('ivy/b', 'docs', 5) \gset h_
SELECT reserved FROM quota.extend(:h_id, amount => 8);
SELECT id > 0 AS given_back FROM quota.give_back('ivy/b', 'docs', 2);
SELECT released FROM quota.release(:h_id);
SELECT subject, used, reserved FROM quota.bucket WHERE subject LIKE 'ivy%' ORDER BY 1;
SELECT * FROM quota.verify();

--
-- The hold's window goes on under the default plan's new version: it gives by those terms
--
SET quota.clock = '2026-03-10 00:00:00+00';
SELECT id FROM quota.reserve('ned', 'tokens', 90, '10 minutes') \gset h_
SELECT quota.export_catalog() AS catalog \gset
SELECT name, change FROM quota.apply_catalog(jsonb_set(:'catalog', '{plans,free,entitlements,tokens,allowance}', '40')) WHERE change <> 'unchanged';
SET quota.clock = '2026-04-10 00:00:00+00';
SELECT charged, overdrawn, remaining FROM quota.settle(:h_id, 90);
SELECT kind, source, amount, period FROM pg_temp.entries WHERE account = 'ned';
SELECT * FROM quota.verify();
