--
-- quota.verify(): every kind of damage is found, and nothing else
--
SET client_min_messages = warning; DROP EXTENSION IF EXISTS quota CASCADE; CREATE EXTENSION quota CASCADE;
SET quota.leases = off;	-- rows are written by hand
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/include/enforcement.psql'
\i :helpers
SET quota.clock = '2026-01-05 10:20:00+00';
SELECT * FROM quota.verify();
SELECT count(*) FROM quota.apply_catalog('{
    "features": {"tokens": {"kind": "metered"}, "docs": {"kind": "capacity"}},
    "plans": {"free": {"default": true, "entitlements": {"tokens": {"allowance": 1000, "period": "month"}, "docs": {"allowance": 10}}},
              "team": {"entitlements": {"tokens": {"allowance": 100000, "period": "month"}}},
              "weekly": {"entitlements": {"tokens": {"allowance": 50000, "period": "week"}}}}}');
SELECT quota.subscribe('acme', 'team'), quota.override('acme/al', 'tokens', '{"allowance": 500, "period": "day"}');
SELECT id FROM quota.debit('acme/al', 'tokens', 20, 'k1') \gset al_
SELECT remaining FROM quota.refund(:al_id, 5, 'k2');
SELECT remaining FROM quota.debit('ann', 'docs', 5);
SELECT remaining FROM quota.give_back('ann', 'docs', 2, 'k3');
SELECT remaining FROM quota.give_back('ann', 'docs', 3);
SET quota.enforcement = observe;
SELECT remaining FROM quota.debit('ann', 'tokens', 1500);
RESET quota.enforcement;
SELECT quota.change_plan('acme', 'weekly');
-- a grant, overage, an open hold, a cap and a rollover, by hand
INSERT INTO quota_internal.credit_grant (id, subject, feature_id, amount, effective_at, created_at, source)
    SELECT 7, 'bob', f.id, 100, '2026-01-01', '2026-01-01', 'top-up' FROM quota_internal.feature f WHERE f.name = 'tokens';
INSERT INTO quota_internal.grant_use VALUES (7, '2026-01-01', 'infinity', 30);
INSERT INTO quota_internal.bucket (subject, feature_id, source_id, period_start, period_end, used, granted, overage, reserved, rolled_in, rolled_out)
    SELECT 'bob', f.id, 0, v.s::timestamptz, v.e::timestamptz, v.used, v.granted, v.overage, v.reserved, v.rolled_in, v.rolled_out FROM quota_internal.feature f,
        (VALUES ('2025-12-01', '2026-01-01', 0, NULL::int, NULL::int, NULL::int, 0, 40),
                ('2026-01-01', '2026-02-01', 60, 30, 9, 50, 40, NULL)) v(s, e, used, granted, overage, reserved, rolled_in, rolled_out)
    WHERE f.name = 'tokens';
INSERT INTO quota_internal.ledger_entry (id, at, subject, account, feature_id, kind, source, source_id, period_start, period_end, amount, debit_id, grant_id)
    SELECT v.id, '2026-01-05 10:00', 'bob/x', 'bob', f.id, v.kind::"char", v.source::"char", 0, '2026-01-01', '2026-02-01', v.amount, v.debit_id, v.grant_id
    FROM quota_internal.feature f, (VALUES (9001, 'd', 'a', 10, 9001, NULL), (9002, 'd', 'g', 30, 9001, 7), (9003, 'd', 'v', 9, 9001, NULL),
                                  (9004, 'h', 'a', 50, 9004, NULL)) v(id, kind, source, amount, debit_id, grant_id)
    WHERE f.name = 'tokens';
INSERT INTO quota_internal.hold (id, subject, feature_id, reserved, ttl_us, created_at, expires_at)
    SELECT 9004, 'bob/x', f.id, 50, 1, '2026-01-05 10:00', '2026-01-05 11:00' FROM quota_internal.feature f WHERE f.name = 'tokens';
INSERT INTO quota_internal.hold_part SELECT 'bob', f.id, 9004, '2026-01-05 11:00' FROM quota_internal.feature f WHERE f.name = 'tokens';
INSERT INTO quota_internal.cap_use (subject, feature_id, source_id, period_months, period_days, period_us, window_start, opened_at, closes_at, used)
    SELECT 'bob', f.id, 0, 0, 1, 0, '2026-01-05', '2026-01-05', '2026-01-06', 99 FROM quota_internal.feature f WHERE f.name = 'tokens';
SELECT setval('quota_internal.ledger_id_seq', 2000000) > 0 AND setval('quota_internal.credit_grant_id_seq', 100) > 0 AS ids_go_on;
SELECT sum(rows) > 0 AS done FROM quota.maintain();
SELECT * FROM quota.verify();

-- Each damage, and what is said about it. Of the ledger's triggers nothing is said while they are off.
CREATE FUNCTION pg_temp.damage(what text) RETURNS TABLE (said text) LANGUAGE plpgsql AS $$
BEGIN
    SET LOCAL session_replication_role = replica;
    EXECUTE what;
    SET LOCAL session_replication_role = origin;
    said := '-- ' || what;
    RETURN NEXT;
    RETURN QUERY SELECT concat_ws(' | ', v.check_name, v.subject, v.feature, v.detail) FROM quota.verify() v;
    RAISE EXCEPTION 'take it back';
EXCEPTION WHEN raise_exception THEN
    NULL;
END $$;
\pset format unaligned
\pset tuples_only on
-- buckets
SELECT pg_temp.damage('UPDATE quota_internal.bucket SET used = used + 1 WHERE subject = ''acme/al''');
SELECT pg_temp.damage('UPDATE quota_internal.bucket SET overdrawn = overdrawn + 1 WHERE subject = ''ann'' AND used > 0');
SELECT pg_temp.damage('UPDATE quota_internal.bucket SET overage = NULL WHERE subject = ''bob''');
SELECT pg_temp.damage('UPDATE quota_internal.bucket SET granted = 31 WHERE subject = ''bob'' AND used > 0');
SELECT pg_temp.damage('DELETE FROM quota_internal.bucket WHERE subject = ''acme/al''');
SELECT pg_temp.damage('UPDATE quota_internal.bucket SET period_end = ''2026-02-02'' WHERE subject = ''ann'' AND overdrawn > 0');
SELECT pg_temp.damage('INSERT INTO quota_internal.opening SELECT b.subject, b.feature_id, ''a'', 0, b.period_start, b.period_end, 0, 3 FROM quota_internal.bucket b WHERE b.overdrawn > 0');
-- the ledger
SELECT pg_temp.damage('DELETE FROM quota_internal.ledger_entry WHERE id = ' || :al_id);
SELECT pg_temp.damage('DELETE FROM quota_internal.ledger_entry WHERE kind = ''b''');
SELECT pg_temp.damage('UPDATE quota_internal.ledger_entry SET amount = amount * 10 WHERE kind = ''r'' AND account = ''acme/al''');
SELECT pg_temp.damage('INSERT INTO quota_internal.ledger_entry SELECT id + 1000000, at, ''1000000000000'', subject, account, feature_id, kind, source, epoch, levels, source_id, period_start, period_end, amount, debit_id FROM quota_internal.ledger_entry WHERE id = ' || :al_id);
SELECT pg_temp.damage('UPDATE quota_internal.ledger_entry SET subject = ''zoe'' WHERE id = 9001');
-- grants
SELECT pg_temp.damage('UPDATE quota_internal.grant_use SET used = 29');
SELECT pg_temp.damage('DELETE FROM quota_internal.credit_grant');
SELECT pg_temp.damage('UPDATE quota_internal.credit_grant SET amount = 20');
SELECT pg_temp.damage('UPDATE quota_internal.ledger_entry SET grant_id = 8 WHERE grant_id = 7');
-- holds
SELECT pg_temp.damage('UPDATE quota_internal.bucket SET reserved = 49 WHERE reserved = 50');
SELECT pg_temp.damage('DELETE FROM quota_internal.hold_part');
SELECT pg_temp.damage('DELETE FROM quota_internal.hold');
SELECT pg_temp.damage('UPDATE quota_internal.hold SET reserved = 51');
SELECT pg_temp.damage('UPDATE quota_internal.hold SET expires_at = ''2026-01-05 11:01''');
-- rollover, caps
SELECT pg_temp.damage('UPDATE quota_internal.bucket SET rolled_out = NULL WHERE rolled_out = 40');
SELECT pg_temp.damage('UPDATE quota_internal.bucket SET rolled_in = 41 WHERE rolled_in = 40');
SELECT pg_temp.damage('UPDATE quota_internal.bucket SET rolled_in = NULL WHERE rolled_in = 40');
SELECT pg_temp.damage('UPDATE quota_internal.cap_use SET used = 100');
-- keys, rollup
SELECT pg_temp.damage('UPDATE quota_internal.idempotency_key SET results = ''[{"feature": "docs", "id": 123456, "amount": 2}]'' WHERE key = ''k3''');
SELECT pg_temp.damage('UPDATE quota_internal.usage_hour SET used = used + 1 WHERE subject = ''acme/al''');
SELECT pg_temp.damage('UPDATE quota_internal.usage_hour SET debits = 0 WHERE subject = ''bob/x''');
SELECT pg_temp.damage('DELETE FROM quota_internal.usage_hour WHERE subject = ''ann''');
SELECT pg_temp.damage('UPDATE quota_internal.posting SET snapshot = ''1:1:''');
SELECT pg_temp.damage('DELETE FROM quota_internal.posting; DELETE FROM quota_internal.usage_hour');
-- what names what
SELECT pg_temp.damage('DELETE FROM quota_internal.feature WHERE name = ''docs''');
SELECT pg_temp.damage('DELETE FROM quota_internal.plan_version v USING quota_internal.plan p WHERE p.id = v.plan_id AND p.name = ''weekly''');
SELECT pg_temp.damage('DELETE FROM quota_internal.plan WHERE name = ''team''');
-- the ledger's doors
SELECT pg_temp.damage('ALTER TABLE quota_internal.ledger_entry_default DISABLE TRIGGER append_only');
SELECT pg_temp.damage('DROP TRIGGER append_only ON quota_internal.ledger_entry_2026_02');
SELECT pg_temp.damage('GRANT INSERT ON quota_internal.ledger_entry_2026_02 TO PUBLIC');
SELECT pg_temp.damage('DROP INDEX quota_internal.ledger_entry_2026_02_debit');
\pset tuples_only off
\pset format aligned
-- a hold that has expired and was given back since this transaction began
BEGIN;
RESET quota.clock;
INSERT INTO quota_internal.hold (id, subject, feature_id, reserved, ttl_us, created_at, expires_at)
    SELECT 9005, 'bob', f.id, 50, 1, now(), clock_timestamp() FROM quota_internal.feature f WHERE f.name = 'tokens';
SELECT * FROM quota.verify();
ROLLBACK;
-- and with everything back in its place
SELECT * FROM quota.verify();
