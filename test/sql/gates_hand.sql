--
-- gates declared by hand: CREATE TRIGGER ... EXECUTE FUNCTION quota.gate()
--
SET client_min_messages = warning; DROP EXTENSION IF EXISTS quota CASCADE; CREATE EXTENSION quota CASCADE;
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/include/enforcement.psql'
\i :helpers
\set gates :abs_srcdir '/sql/include/gates.psql'
\i :gates
SET quota.clock = '2026-01-31 00:00:00+00';
CREATE SCHEMA gates;
SET search_path = gates;
SELECT count(*) FROM quota.apply_catalog('{
    "features": {"docs": {"kind": "capacity"}, "words": {"kind": "metered"}},
    "plans": {"free": {"default": true, "entitlements": {"docs": {"allowance": 4}, "words": {"allowance": 20, "period": "month"}}}}}');
CREATE TABLE doc (id int PRIMARY KEY, tenant text, n int DEFAULT 1, public boolean DEFAULT true);

-- For each row: one entry a row, in the same transaction.
CREATE TRIGGER docs AFTER INSERT OR UPDATE OR DELETE ON doc FOR EACH ROW EXECUTE FUNCTION quota.gate('docs', 'r.tenant', 'r.n');
SELECT * FROM quota.gates;
INSERT INTO doc VALUES (1, 'ann'), (2, 'ann'), (3, 'bob');
:used
SELECT subject, amount FROM quota.ledger ORDER BY id;
SELECT pg_temp.run($$INSERT INTO doc VALUES (4, 'ann', 2), (5, 'ann', 1)$$);
UPDATE doc SET n = 2 WHERE id = 1;
UPDATE doc SET tenant = 'bob' WHERE id = 2;
:used
-- row by row, an exchange finds no room where a statement's sum would have
UPDATE doc SET n = 4, tenant = 'ann' WHERE id = 1;
:used
SELECT pg_temp.run($$UPDATE doc SET tenant = CASE tenant WHEN 'ann' THEN 'bob' ELSE 'ann' END$$);
INSERT INTO doc VALUES (1, 'cy') ON CONFLICT (id) DO UPDATE SET n = 1;
DELETE FROM doc WHERE id = 3;
:used
SELECT * FROM quota.recount('docs');
-- TRUNCATE fires no row triggers
TRUNCATE doc;
:used
SELECT * FROM quota.recount('docs', false);
CREATE TRIGGER truncated BEFORE TRUNCATE ON doc EXECUTE FUNCTION quota.gate('docs', 'r.tenant', 'r.n');
INSERT INTO doc VALUES (1, 'ann');
TRUNCATE doc;
:used
:ok
-- it is none that protect() would make a second of, and unprotect() takes it off
SELECT pg_temp.code($$SELECT quota.protect('doc', 'docs', 'r.tenant')$$);
SELECT quota.unprotect('doc', 'docs');
SELECT * FROM quota.gates;

-- At the end of the transaction: only what is left then is charged.
CREATE CONSTRAINT TRIGGER later AFTER INSERT OR UPDATE OR DELETE ON doc DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION quota.gate('docs', 'r.tenant', 'r.n');
BEGIN;
INSERT INTO doc VALUES (1, 'ann', 2), (2, 'bob', 4);
:used
UPDATE doc SET tenant = 'bob', n = 3 WHERE id = 1;
DELETE FROM doc WHERE id = 2;
SET CONSTRAINTS later IMMEDIATE;
COMMIT;
BEGIN;
INSERT INTO doc VALUES (1, 'ann', 2), (3, 'cy', 1);
UPDATE doc SET tenant = 'bob', n = 3 WHERE id = 1;
COMMIT;
:used
BEGIN;
INSERT INTO doc VALUES (2, 'bob', 2);
COMMIT;
SELECT count(*) FROM doc;
:used
BEGIN;
SAVEPOINT s;
INSERT INTO doc VALUES (2, 'bob', 1);
ROLLBACK TO s;
INSERT INTO doc VALUES (2, 'bob', 1);
COMMIT;
:used
:ok
DROP TRIGGER later ON doc;

-- WHEN: rows that it leaves out are not charged.
DELETE FROM doc;
SELECT count(*) FROM quota.set_usage('bob', 'docs', 0), (SELECT quota.set_usage('cy', 'docs', 0)) s;
CREATE TRIGGER come AFTER INSERT ON doc FOR EACH ROW WHEN (NEW.public) EXECUTE FUNCTION quota.gate('docs', 'r.tenant');
CREATE TRIGGER go AFTER DELETE ON doc FOR EACH ROW WHEN (OLD.public) EXECUTE FUNCTION quota.gate('docs', 'r.tenant');
INSERT INTO doc VALUES (1, 'ann', 1, true), (2, 'ann', 1, false), (3, 'ann', 1, true);
:used
DELETE FROM doc WHERE id < 3;
:used
DELETE FROM doc;
DROP TRIGGER come ON doc;
DROP TRIGGER go ON doc;
:used

-- Other arguments take effect in sessions that have fired the trigger before.
CREATE TRIGGER t AFTER INSERT ON doc REFERENCING NEW TABLE AS n FOR EACH STATEMENT EXECUTE FUNCTION quota.gate('docs', 'r.tenant');
INSERT INTO doc VALUES (1, 'ann', 3);
:used
CREATE OR REPLACE TRIGGER t AFTER INSERT ON doc REFERENCING NEW TABLE AS n FOR EACH STATEMENT EXECUTE FUNCTION quota.gate('docs', 'r.tenant', 'r.n');
INSERT INTO doc VALUES (2, 'ann', 3);
:used
CREATE OR REPLACE TRIGGER t AFTER INSERT ON doc REFERENCING NEW TABLE AS n FOR EACH STATEMENT EXECUTE FUNCTION quota.gate('words', 'r.tenant || ''/x''', 'r.n');
INSERT INTO doc VALUES (3, 'ann', 3);
:used
CREATE OR REPLACE TRIGGER t AFTER INSERT ON doc REFERENCING NEW TABLE AS n FOR EACH STATEMENT EXECUTE FUNCTION quota.gate('words', 'r.nobody', 'r.n');
SELECT pg_temp.run($$INSERT INTO doc VALUES (4, 'ann', 3)$$);
CREATE OR REPLACE TRIGGER t AFTER INSERT ON doc REFERENCING NEW TABLE AS n FOR EACH STATEMENT EXECUTE FUNCTION quota.gate('words', 'r.tenant', 'r.n', 'never', 'overdraw');
INSERT INTO doc VALUES (4, 'ann', 30);
:used
-- two gates of one feature on a table both charge
CREATE TRIGGER u AFTER INSERT ON doc FOR EACH ROW EXECUTE FUNCTION quota.gate('words', '''both''');
INSERT INTO doc VALUES (5, 'ann', 1);
:used
SELECT * FROM quota.verify();
DROP TABLE doc;

-- On a partitioned table PostgreSQL gives partitions its row triggers; a move is a row that goes and one that comes.
SELECT count(*) FROM quota.set_usage('ann', 'docs', 0);
CREATE TABLE doc (id int, tenant text) PARTITION BY RANGE (id);
CREATE TABLE doc_a PARTITION OF doc FOR VALUES FROM (0) TO (10);
CREATE TRIGGER t AFTER INSERT OR UPDATE OR DELETE ON doc FOR EACH ROW EXECUTE FUNCTION quota.gate('docs', 'r.tenant');
CREATE TABLE doc_b PARTITION OF doc FOR VALUES FROM (10) TO (20);
SELECT target, enabled FROM quota.gates ORDER BY target::text COLLATE "C";
INSERT INTO doc VALUES (1, 'ann'), (11, 'ann');
INSERT INTO doc_b VALUES (12, 'ann'), (13, 'ann');
:used
UPDATE doc SET id = id + 10 WHERE id = 1;
:used
:ok
UPDATE doc SET id = 2, tenant = 'bob' WHERE tenant = 'ann' AND id = 12;
:used
DELETE FROM doc;
:used
:ok
-- A statement trigger by hand is handed down by the event trigger like protect()'s own.
DROP TRIGGER t ON doc;
CREATE TRIGGER t AFTER INSERT ON doc REFERENCING NEW TABLE AS n FOR EACH STATEMENT EXECUTE FUNCTION quota.gate('docs', 'r.tenant');
SELECT * FROM quota.verify();
CREATE TABLE doc_c PARTITION OF doc FOR VALUES FROM (20) TO (30);
SELECT tgrelid::regclass, tgname FROM pg_trigger WHERE tgfoid = 'quota.gate'::regproc ORDER BY 1, 2;
INSERT INTO doc VALUES (21, 'ann');
INSERT INTO doc_c VALUES (22, 'ann');
:used
:ok
-- so is whatever the parent has, and no more: other arguments, a TRUNCATE beside row triggers
SELECT quota.unprotect('doc', 'docs');
CREATE TRIGGER come AFTER INSERT ON doc REFERENCING NEW TABLE AS n FOR EACH STATEMENT EXECUTE FUNCTION quota.gate('docs', 'r.tenant', '1', 'never', 'overdraw');
CREATE TRIGGER go AFTER DELETE ON doc REFERENCING OLD TABLE AS o FOR EACH STATEMENT EXECUTE FUNCTION quota.gate('docs', 'r.tenant', '2', 'on_decrease');
CREATE TRIGGER shared AFTER INSERT ON doc REFERENCING NEW TABLE AS n FOR EACH STATEMENT EXECUTE FUNCTION quota.gate('docs', '''both''');
CREATE TRIGGER every AFTER INSERT OR UPDATE OR DELETE ON doc FOR EACH ROW EXECUTE FUNCTION quota.gate('words', 'r.tenant', '1', 'on_decrease');
CREATE TRIGGER truncated BEFORE TRUNCATE ON doc EXECUTE FUNCTION quota.gate('words', 'r.tenant', '1', 'on_decrease');
CREATE TABLE doc_d PARTITION OF doc FOR VALUES FROM (30) TO (40);
SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE tgrelid = 'doc_d'::regclass ORDER BY 1;
INSERT INTO doc_d VALUES (31, 'cy'), (32, 'dan');
INSERT INTO doc VALUES (33, 'dan');
TRUNCATE doc_d;
:used
-- detached and attached once more it has what it had
ALTER TABLE doc DETACH PARTITION doc_d;
ALTER TABLE doc ATTACH PARTITION doc_d FOR VALUES FROM (30) TO (40);
SELECT count(*) FROM pg_trigger WHERE tgrelid = 'doc_d'::regclass;
SELECT quota.unprotect('doc', 'words');
SELECT count(*) FROM pg_trigger WHERE tgrelid = 'doc_d'::regclass;
-- a trigger of that name that is something else is in the way
CREATE TABLE doc_e (id int, tenant text);
CREATE TRIGGER go BEFORE UPDATE ON doc_e EXECUTE FUNCTION suppress_redundant_updates_trigger();
SELECT pg_temp.run('ALTER TABLE doc ATTACH PARTITION doc_e FOR VALUES FROM (40) TO (50)');
SELECT quota.unprotect('doc', 'docs');
SELECT count(*) FROM quota.gates;
-- of a feature that is not there: partitions come, rows do not
CREATE TRIGGER t AFTER INSERT ON doc REFERENCING NEW TABLE AS n FOR EACH STATEMENT EXECUTE FUNCTION quota.gate('later', 'r.tenant');
CREATE TABLE doc_f PARTITION OF doc FOR VALUES FROM (50) TO (60);
INSERT INTO doc_e VALUES (41, 'ann');
SELECT pg_temp.run('ALTER TABLE doc ATTACH PARTITION doc_e FOR VALUES FROM (40) TO (50)'), pg_temp.run($$INSERT INTO doc VALUES (51, 'ann')$$);
SELECT count(*) FROM quota.apply_catalog(jsonb_set(quota.export_catalog(), '{features,later}', '{"kind": "capacity"}'));
ALTER TABLE doc ATTACH PARTITION doc_e FOR VALUES FROM (40) TO (50);
SELECT used FROM pg_temp.uses;

DROP EXTENSION quota CASCADE;
DROP SCHEMA gates CASCADE;
