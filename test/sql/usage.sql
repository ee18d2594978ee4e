--
-- quota.usage(): what was used over time, rolled up or not
--
SET client_min_messages = warning; DROP EXTENSION IF EXISTS quota CASCADE; CREATE EXTENSION quota CASCADE;
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/include/enforcement.psql'
\i :helpers
SET quota.clock = '2026-01-05 10:20:00+00';
SELECT count(*) FROM quota.apply_catalog('{
    "features": {"tokens": {"kind": "metered"}, "docs": {"kind": "capacity"}, "flag": {"kind": "boolean"}},
    "plans": {"free": {"default": true, "entitlements": {"tokens": {"allowance": 10000, "period": "month"}, "docs": {"allowance": 10}}},
              "team": {"entitlements": {"tokens": {"allowance": 100000, "period": "month"}}},
              "weekly": {"entitlements": {"tokens": {"allowance": 50000, "period": "week"}}}}}');
-- How often the rollup has come by must make no difference: every question is
-- asked before and after.
CREATE FUNCTION pg_temp.same(question text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    before text[]; after text[];
BEGIN
    EXECUTE format('SELECT array_agg(u::text) FROM %s u', question) INTO before;
    PERFORM quota_internal._roll_up();
    EXECUTE format('SELECT array_agg(u::text) FROM %s u', question) INTO after;
    IF before IS DISTINCT FROM after THEN RETURN NEXT format('differs: %s, %s', before, after); END IF;
    RETURN QUERY SELECT unnest(before);
END $$;

-- Nothing yet.
SELECT * FROM quota.usage('ann', 'tokens', '2026-01-01');
-- Debits and refunds count where they happen; a refund is no debit.
SELECT id FROM quota.debit('ann', 'tokens', 60) \gset first_
SELECT remaining FROM quota.debit('ann', 'tokens', 30);
SELECT pg_temp.same($$quota.usage('ann', 'tokens', '2026-01-01')$$);
SET quota.clock = '2026-01-06 23:59:59.999999+00';
SELECT remaining FROM quota.refund(:first_id, 15);
SET quota.clock = '2026-02-02 00:00:00+00';
SELECT remaining FROM quota.debit('ann', 'tokens', 7);
SELECT remaining FROM quota.refund(:first_id, 45);
SELECT pg_temp.same($$quota.usage('ann', 'tokens', '2026-01-01')$$);
SELECT * FROM quota.usage('ann', 'tokens', '2026-01-01', step => 'hour');
SELECT * FROM quota.usage('ann', 'tokens', '2026-01-01', step => 'week');
SELECT * FROM quota.usage('ann', 'tokens', '2026-01-01', step => 'month');
SELECT * FROM quota.usage('ann', 'docs', '2026-01-01');
-- what the transaction itself has charged is there; until is open
BEGIN;
SELECT remaining FROM quota.debit('ann', 'tokens', 1);
SELECT * FROM quota.usage('ann', 'tokens', '2026-02-01');
ROLLBACK;
SELECT * FROM quota.usage('ann', 'tokens', '2026-01-01', '2026-02-02');
-- [since, until) to the microsecond, within an hour too
SELECT * FROM quota.usage('ann', 'tokens', '2026-01-05 10:20', '2026-01-05 10:20:01');
SELECT * FROM quota.usage('ann', 'tokens', '2026-01-05 10:20:00.000001', '2026-01-06 23:59:59.999999');
SELECT * FROM quota.usage('ann', 'tokens', '2026-01-05 10:20:00.000001', '2026-01-07');
SELECT * FROM quota.usage('ann', 'tokens', '-infinity', 'infinity', 'month');
SELECT * FROM quota.usage('ann', 'tokens', '2026-02-01', '2026-02-01');

-- Everything for the subject or below, each debit once, though it has entries at several levels.
SELECT quota.subscribe('acme', 'team'), quota.override('acme/al', 'tokens', '{"allowance": 50, "period": "day"}');
SELECT id FROM quota.debit('acme/al', 'tokens', 20) \gset al_
SELECT remaining FROM quota.debit('acme/bo', 'tokens', 300) \gset
SELECT remaining FROM quota.debit('acme/al/x', 'tokens', 3) \gset
SELECT remaining FROM quota.debit('acme', 'tokens', 4) \gset
SELECT remaining FROM quota.debit('acme2', 'tokens', 1000) \gset
SELECT remaining FROM quota.debit('acme-x/y', 'tokens', 2000) \gset
SELECT pg_temp.same($$quota.usage('acme', 'tokens', '2026-02-01')$$);
SELECT pg_temp.same($$quota.usage('acme/al', 'tokens', '2026-02-01')$$);
SELECT pg_temp.same($$quota.usage('acme/bo', 'tokens', '2026-02-01')$$);
SELECT pg_temp.same($$quota.usage('acme/nobody', 'tokens', '2026-02-01')$$);
-- refunded after the debit was rolled up
SELECT refunded FROM quota.refund(:al_id, 5);
SELECT pg_temp.same($$quota.usage('acme', 'tokens', '2026-02-01')$$);
SELECT pg_temp.same($$quota.usage('acme/al', 'tokens', '2026-02-01')$$);
-- use that moves to another window is not used again
SELECT quota.change_plan('acme', 'weekly');
SELECT pg_temp.same($$quota.usage('acme', 'tokens', '2026-02-01')$$);

-- A capacity: what came and went; counted at every prefix, whoever has a plan.
SELECT remaining FROM quota.debit('cap/a', 'docs', 5) \gset
SELECT remaining FROM quota.debit('cap/b', 'docs', 4) \gset
SELECT remaining FROM quota.give_back('cap/a', 'docs', 2) \gset
SELECT remaining FROM quota.give_back('cap/a', 'docs', 3) \gset
SELECT pg_temp.same($$quota.usage('cap', 'docs', '2026-02-01')$$);
SELECT pg_temp.same($$quota.usage('cap/a', 'docs', '2026-02-01')$$);

-- A hold counts when it is made, what it takes or gives back afterwards where that
-- happens, even if one level gives back before the other; by hand.
INSERT INTO quota_internal.ledger_entry (id, at, subject, account, feature_id, kind, source, levels, source_id, period_start, period_end, amount, debit_id)
SELECT v.id, v.at::timestamptz, 'hold/a', v.account, f.id, v.kind::"char", 'a', 3, 0, '2026-02-01', '2026-03-01', v.amount, 1000000
FROM quota_internal.feature f, (VALUES
    (1000000, '2026-02-03 00:10', 'hold', 'h', 100), (1000001, '2026-02-03 00:10', 'hold/a', 'h', 100),
    (1000002, '2026-02-03 01:10', 'hold', 'h', 20), (1000003, '2026-02-03 01:10', 'hold/a', 'h', 20)) v(id, at, account, kind, amount)
WHERE f.name = 'tokens';
SELECT pg_temp.same($$quota.usage('hold', 'tokens', '2026-02-03', 'infinity', 'hour')$$);
INSERT INTO quota_internal.ledger_entry (id, at, subject, account, feature_id, kind, source, levels, source_id, period_start, period_end, amount, debit_id)
SELECT 1000004, '2026-02-03 02:00', 'hold/a', 'hold', f.id, 'x', 'a', 3, 0, '2026-02-01', '2026-03-01', -120, 1000000
FROM quota_internal.feature f WHERE f.name = 'tokens';
SELECT pg_temp.same($$quota.usage('hold', 'tokens', '2026-02-03', 'infinity', 'hour')$$);
INSERT INTO quota_internal.ledger_entry (id, at, subject, account, feature_id, kind, source, levels, source_id, period_start, period_end, amount, debit_id)
SELECT 1000005, '2026-02-03 03:00', 'hold/a', 'hold/a', f.id, 'x', 'a', 3, 0, '2026-02-01', '2026-03-01', -120, 1000000
FROM quota_internal.feature f WHERE f.name = 'tokens';
-- a correction counts, what was missing when it came back does not
INSERT INTO quota_internal.ledger_entry (id, at, subject, account, feature_id, kind, source, levels, source_id, period_start, period_end, amount, debit_id)
SELECT v.id, '2026-02-03 04:00', 'hold/a', 'hold/a', f.id, v.kind::"char", 'a', 3, 0, '2026-02-01', '2026-03-01', v.amount, v.debit_id
FROM quota_internal.feature f, (VALUES (1000006, 'c', 7, 1000006), (1000007, 'm', 11, 1000000)) v(id, kind, amount, debit_id) WHERE f.name = 'tokens';
SELECT pg_temp.same($$quota.usage('hold', 'tokens', '2026-02-03', 'infinity', 'hour')$$);

-- The rollup once more adds nothing, and what the rolling transaction writes before and after it is not lost.
SELECT quota_internal._roll_up();
BEGIN;
SELECT remaining FROM quota.debit('own', 'tokens', 1);
SELECT quota_internal._roll_up();
SELECT remaining FROM quota.debit('own', 'tokens', 10);
SELECT used, debits FROM quota.usage('own', 'tokens', '2026-02-01');
COMMIT;
SELECT used, debits FROM quota.usage('own', 'tokens', '2026-02-01');
SELECT quota_internal._roll_up();
SELECT used, debits FROM quota.usage('own', 'tokens', '2026-02-01');
SELECT quota_internal._roll_up();

-- In another cluster transaction numbers mean something else. What the last posting
-- there did not see is still to come, whatever its number; here a new epoch begins.
SELECT remaining FROM quota.debit('far', 'tokens', 1);
SELECT remaining FROM quota.debit('far', 'tokens', 2);
SET session_replication_role = replica;
-- as if the other cluster's numbers were far ahead, and the second of the two debits rolled up
UPDATE quota_internal.ledger_entry e SET xid = (CASE e.amount WHEN 1 THEN '4000000000000' ELSE '3999999999999' END)::xid8 WHERE e.subject = 'far';
UPDATE quota_internal.posting SET system_identifier = 1, snapshot = '4000000000000:4000000000000:';
RESET session_replication_role;
INSERT INTO quota_internal.usage_hour SELECT 'far', f.id, '2026-02-02', 2, 1 FROM quota_internal.feature f WHERE f.name = 'tokens';
-- a session that knew the epoch learns it anew
UPDATE quota_internal.posting SET tidied_at = NULL;
SELECT used, debits FROM quota.usage('far', 'tokens', '2026-02-01');
SELECT remaining FROM quota.debit('far', 'tokens', 4);
SELECT e.epoch, e.amount FROM quota_internal.ledger_entry e WHERE e.subject = 'far' ORDER BY e.id;
SELECT used, debits FROM quota.usage('far', 'tokens', '2026-02-01');
SELECT quota_internal._roll_up() > 0;
SELECT p.epoch, p.system_identifier = (pg_control_system()).system_identifier AS here, pg_snapshot_xmax(p.snapshot)::text::numeric < 4000000000000 AS ours FROM quota_internal.posting p;
SELECT used, debits FROM quota.usage('far', 'tokens', '2026-02-01');
SELECT remaining FROM quota.debit('far', 'tokens', 8);
SELECT pg_temp.same($$quota.usage('far', 'tokens', '2026-02-01')$$);
SELECT max(e.epoch) FROM quota_internal.ledger_entry e;
SELECT check_name, subject, detail FROM quota.verify() WHERE check_name = 'usage';

-- Bad arguments.
SELECT a, pg_temp.code(format('SELECT count(*) FROM quota.usage(%s)', a)) FROM unnest(ARRAY[
    $$NULL, 'tokens', '2026-01-01'$$, $$'ann', NULL, '2026-01-01'$$, $$'ann', 'tokens', NULL$$, $$'ann', 'nothing', '2026-01-01'$$,
    $$'a//b', 'tokens', '2026-01-01'$$, $$'ann', 'tokens', '2026-01-01', step => NULL$$, $$'ann', 'tokens', '2026-01-01', step => 'year'$$,
    $$'ann', 'flag', '2026-01-01'$$]) a;
-- the session's zone has no say
SET TimeZone = 'Asia/Kolkata';
SELECT bucket AT TIME ZONE 'UTC', used FROM quota.usage('ann', 'tokens', '2026-01-01 00:00+00', step => 'day');
