--
-- quota.forget(): a subject and everything below it is erased
--
SET client_min_messages = warning; DROP EXTENSION IF EXISTS quota CASCADE; CREATE EXTENSION quota CASCADE;
SET quota.leases = off;	-- rows are written by hand
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/include/enforcement.psql'
\i :helpers
\set helpers :abs_srcdir '/sql/include/tables_with.psql'
\i :helpers
SET quota.clock = '2026-01-05 10:20:00+00';
SELECT count(*) FROM quota.apply_catalog('{
    "features": {"tokens": {"kind": "metered"}, "docs": {"kind": "capacity"}},
    "plans": {"free": {"default": true, "entitlements": {"tokens": {"allowance": 1000, "period": "month"}, "docs": {"allowance": 10}}},
              "team": {"entitlements": {"tokens": {"allowance": 100000, "period": "month"}, "docs": {"allowance": 100}}}}}');
SELECT sum(rows) > 0 AS done FROM quota.maintain();
SELECT quota.subscribe('acme', 'team', metadata => '{"vat": 1}'), quota.subscribe('acme/al', 'team'),
       quota.override('acme/al/x', 'tokens', '{"allowance": 500, "period": "day"}');
-- names that only begin alike
SELECT id FROM quota.debit('acme/al2', 'tokens', 1000, 'other', '{"who": "al2"}') \gset
SELECT id FROM quota.debit('acme/al-b', 'tokens', 2000) \gset
SELECT id FROM quota.debit('acme/al', 'tokens', 20, 'al', '{"who": "al"}') \gset al_
SELECT id FROM quota.debit('acme/al/x', 'tokens', 3, 'x', '{"who": "x"}') \gset x_
SELECT id FROM quota.debit('acme/al/x', 'docs', 2) \gset
SELECT id FROM quota.debit('acme', 'tokens', 400, 'top', '{"who": "acme"}') \gset
SELECT refunded FROM quota.refund(:al_id, 5, 'back');
SELECT count(*) FROM quota.try_debit('acme/al/x', 'tokens', 1000);
-- rolled up by now, and not
SELECT quota_internal._roll_up() > 0;
SELECT id FROM quota.debit('acme/al/x', 'tokens', 50, 'late') \gset
-- by hand: a grant of theirs, counters, a hold that counts at all three levels
INSERT INTO quota_internal.credit_grant (id, subject, feature_id, amount, effective_at, created_at, source)
    SELECT v.id, v.subject, f.id, 100, '2026-01-01', '2026-01-01', 'top-up' FROM quota_internal.feature f, (VALUES (1, 'acme/al'), (2, 'acme')) v(id, subject) WHERE f.name = 'docs';
INSERT INTO quota_internal.cap_use SELECT s, f.id, 0, 0, 1, 0, '2026-01-05', '2026-01-05', '2026-01-06', 1 FROM quota_internal.feature f, unnest('{acme,acme/al}'::text[]) s WHERE f.name = 'tokens';
INSERT INTO quota_internal.rate_use SELECT s, f.id, '2026-01-05' FROM quota_internal.feature f, unnest('{acme,acme/al/x}'::text[]) s WHERE f.name = 'tokens';
SELECT id FROM quota.debit('acme/al/x', 'tokens', 7, NULL, '{"who": "x"}') \gset hold_
SET session_replication_role = replica;
UPDATE quota_internal.ledger_entry SET kind = 'h' WHERE debit_id = :hold_id;
RESET session_replication_role;
UPDATE quota_internal.bucket b SET reserved = 7 FROM quota_internal.ledger_entry e WHERE e.debit_id = :hold_id AND b.subject = e.account AND b.feature_id = e.feature_id AND b.period_start = e.period_start AND b.source_id = e.source_id;
INSERT INTO quota_internal.hold (id, subject, feature_id, reserved, ttl_us, created_at, expires_at, metadata)
    SELECT :hold_id, 'acme/al/x', f.id, 7, 1, quota_internal._now(), '2026-01-05 11:00', '{"who": "x"}' FROM quota_internal.feature f WHERE f.name = 'tokens';
INSERT INTO quota_internal.hold_part SELECT e.account, e.feature_id, e.debit_id, '2026-01-05 11:00' FROM quota_internal.ledger_entry e WHERE e.debit_id = :hold_id;
SELECT setval('quota_internal.credit_grant_id_seq', 2) AS ids_go_on;
SELECT * FROM quota.verify();
SELECT used, debits FROM quota.usage('acme', 'tokens', '2026-01-01');
SELECT used, debits FROM quota.usage('acme/al', 'tokens', '2026-01-01');

SELECT * FROM pg_temp.tables_with('acme/al(/|[,)"]|$)|"who": "(al|x)"');
-- Nothing is there of somebody unknown.
SELECT quota.forget('nobody/at/all');
SELECT count(*) FROM quota.ledger;

SELECT quota.forget('acme/al');
SELECT * FROM quota.verify();
-- Of theirs nothing is left in any table; what was charged above is, without a name.
SELECT * FROM pg_temp.tables_with('acme/al(/|[,)"]|$)|"who": "(al|x)"');
SELECT account, subject, feature, kind, amount, key, metadata FROM quota.ledger ORDER BY id;
SELECT id, subject, reserved, metadata FROM quota.holds;
SELECT used, reserved FROM pg_temp.window_use WHERE subject = 'acme' ORDER BY 1;
SELECT used FROM quota.check('acme', 'tokens');
-- the use of the level above is what it was, that of theirs is gone
SELECT used, debits FROM quota.usage('acme', 'tokens', '2026-01-01');
SELECT * FROM quota.usage('acme/al', 'tokens', '2026-01-01');
SELECT * FROM quota.statement('acme/al', 'tokens');
SELECT subject, amount, running FROM quota.statement('acme', 'tokens');
SELECT quota_internal._roll_up() > 0;
SELECT used, debits FROM quota.usage('acme', 'tokens', '2026-01-01');
-- a refund still goes to the level above; a key may be used anew
SELECT refunded FROM quota.refund(:x_id);
SELECT remaining FROM quota.debit('acme/al', 'tokens', 1, 'al', '{"who": "al"}');
SELECT * FROM quota.verify();

-- The ledger is as closed as before, after an error too.
SELECT pg_temp.code(s) FROM unnest(ARRAY['UPDATE quota_internal.ledger_entry SET amount = 1', 'DELETE FROM quota_internal.ledger_entry',
    'TRUNCATE quota_internal.ledger_entry', 'DELETE FROM quota_internal.ledger_entry_default', 'DELETE FROM quota_internal.ledger_entry_2026_01']) s;
BEGIN;
CREATE FUNCTION pg_temp.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'not this one'; END $$;
CREATE TRIGGER refuse BEFORE DELETE ON quota_internal.ledger_entry_2026_01 FOR EACH ROW EXECUTE FUNCTION pg_temp.refuse();
SELECT pg_temp.code($$SELECT quota.forget('acme')$$);
SELECT pg_temp.code($$DELETE FROM quota_internal.ledger_entry$$);
ROLLBACK;

-- The whole customer, as a role of level admin does it.
CREATE ROLE regress_quota_forget;
SELECT quota.grant_access('regress_quota_forget', 'admin');
SET ROLE regress_quota_forget;
SELECT quota.forget('acme');
SELECT pg_temp.code(s) FROM unnest(ARRAY['DELETE FROM quota_internal.ledger_entry', $$SELECT quota_internal._erase('acme')$$]) s;
RESET ROLE;
SELECT quota.revoke_access('regress_quota_forget');
DROP ROLE regress_quota_forget;
SELECT * FROM pg_temp.tables_with('acme');
SELECT * FROM quota.verify();
SELECT used FROM quota.check('acme', 'tokens');

-- Bad arguments, and a transaction that keeps its first snapshot.
SELECT a, pg_temp.code(format('SELECT quota.forget(%s)', a)) FROM unnest(ARRAY['NULL', $$''$$, $$'a//b'$$]) a;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT quota.forget('acme');
ROLLBACK;
