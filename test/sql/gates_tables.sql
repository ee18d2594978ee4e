--
-- gates: partitions, inheritance, and other tables than plain ones
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
    "plans": {"free": {"default": true, "entitlements": {"docs": {"allowance": 10}, "words": {"allowance": 100, "period": "month"}}}}}');

-- A partitioned table: whichever table a statement names, its rows are counted once.
CREATE TABLE doc (tenant text, id int, n int DEFAULT 1, words int DEFAULT 0) PARTITION BY RANGE (id);
CREATE TABLE doc_a PARTITION OF doc FOR VALUES FROM (0) TO (100);
CREATE TABLE doc_b PARTITION OF doc FOR VALUES FROM (100) TO (300) PARTITION BY RANGE (id);
CREATE TABLE doc_b1 (dropped int, n int DEFAULT 1, id int, words int DEFAULT 0, tenant text);		-- other order of columns
ALTER TABLE doc_b1 DROP dropped;
ALTER TABLE doc_b ATTACH PARTITION doc_b1 FOR VALUES FROM (100) TO (200);
INSERT INTO doc VALUES ('ann', 1), ('bob', 101);
SELECT quota.protect('doc', 'docs', 'r.tenant', 'r.n');
SELECT quota.protect('doc', 'words', 'r.tenant', 'r.words');
SELECT target, feature, enabled FROM quota.gates ORDER BY feature, target;
:used
INSERT INTO doc VALUES ('ann', 2, 1, 0), ('ann', 102, 1, 5);
INSERT INTO doc_a VALUES ('ann', 3);
INSERT INTO doc_b VALUES ('ann', 103);
INSERT INTO doc_b1 (id, tenant) VALUES (104, 'ann');
COPY doc FROM stdin;
bob	4	1	0
bob	105	1	0
\.
:used
:ok
-- moves between partitions, by the parent and by the one in the middle
CREATE TABLE doc_b2 PARTITION OF doc_b FOR VALUES FROM (200) TO (300);
SELECT target FROM quota.gates WHERE target = 'doc_b2'::regclass;
UPDATE doc SET id = id + 100 WHERE id IN (1, 101);
UPDATE doc SET id = id + 100, tenant = 'bob' WHERE id IN (2, 102);
:used
UPDATE doc_b SET id = id + 100, words = words + 1 WHERE id IN (103, 104);
UPDATE doc SET words = 7, id = id - 100 WHERE id = 203;
:used
SELECT tableoid::regclass, count(*), sum(n) FROM doc GROUP BY 1 ORDER BY 1;
:ok
-- a move whose row a trigger of the other partition drops, or changes
CREATE FUNCTION drop_row() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.n = 0 THEN RETURN NULL; END IF;
    NEW.n := 2;
    RETURN NEW;
END $$;
CREATE TRIGGER drop_row BEFORE INSERT ON doc_b2 FOR EACH ROW EXECUTE FUNCTION drop_row();
INSERT INTO doc VALUES ('cy', 10), ('cy', 11);
UPDATE doc SET id = id + 200, n = CASE id WHEN 10 THEN 0 ELSE 1 END WHERE id IN (10, 11);
:used
:ok
DROP TRIGGER drop_row ON doc_b2;
DELETE FROM doc WHERE id = 211;
DELETE FROM doc_b1 WHERE tenant = 'ann';
:used
TRUNCATE doc_b2;
:used
TRUNCATE doc;
:used
:ok
-- later partitions: made, attached with rows, with partitions of their own; detached they keep the gate
CREATE TABLE doc_c PARTITION OF doc FOR VALUES FROM (300) TO (400);
INSERT INTO doc_c VALUES ('ann', 300);
CREATE TABLE doc_d (LIKE doc) PARTITION BY LIST (tenant);
CREATE TABLE doc_d1 PARTITION OF doc_d FOR VALUES IN ('ann');
CREATE TABLE doc_d2 PARTITION OF doc_d DEFAULT;
INSERT INTO doc_d VALUES ('ann', 400, 2, 30), ('bob', 401, 3, 90);
:used
ALTER TABLE doc ATTACH PARTITION doc_d FOR VALUES FROM (400) TO (500);
:used
INSERT INTO doc VALUES ('ann', 402, 1, 1);
INSERT INTO doc_d VALUES ('ann', 403, 1, 1);
INSERT INTO doc_d1 VALUES ('ann', 404, 1, 1);
CREATE TABLE doc_e PARTITION OF doc DEFAULT;
INSERT INTO doc VALUES ('ann', 5000, 1);
:used
:ok
ALTER TABLE doc DETACH PARTITION doc_d;
INSERT INTO doc_d VALUES ('bob', 405, 1, 0);
DELETE FROM doc_d WHERE tenant = 'ann';
:used
:ok
-- attached once more, it has its gate already, and is not counted again
ALTER TABLE doc ATTACH PARTITION doc_d FOR VALUES FROM (400) TO (500);
:used
-- within one transaction, and undone
BEGIN;
CREATE TABLE doc_f PARTITION OF doc FOR VALUES FROM (600) TO (700);
INSERT INTO doc VALUES ('ann', 600, 1);
DROP TABLE doc_f;				-- gives nothing back
:used
ROLLBACK;
:used
-- CREATE SCHEMA with its tables; a temporary table of the same name is not taken for the partition
CREATE TEMP TABLE doc_g (tenant text, id int, n int, words int);
CREATE TABLE doc_g PARTITION OF doc FOR VALUES FROM (700) TO (800);
CREATE SCHEMA gates_too CREATE TABLE doc_h PARTITION OF gates.doc FOR VALUES FROM (800) TO (900) CREATE TABLE unrelated (id int);
SELECT target FROM quota.gates WHERE feature = 'docs' ORDER BY target::text COLLATE "C";
INSERT INTO gates_too.doc_h VALUES ('ann', 800, 1);
:used
:ok
-- unprotect() takes all of them
SELECT quota.unprotect('doc', 'docs');
SELECT count(*) FROM quota.gates WHERE feature = 'docs';
SELECT quota.protect('doc', 'docs', 'r.tenant', 'r.n');
SELECT quota.unprotect('doc_b', 'docs');
SELECT * FROM quota.verify();
SELECT pg_temp.try($$SELECT quota.protect('doc', 'docs', 'r.tenant', 'r.n')$$);
SELECT quota.protect('doc_b', 'docs', 'r.tenant', 'r.n');
:ok
TRUNCATE doc;
DROP TABLE doc, gates_too.unrelated, pg_temp.doc_g;
DROP SCHEMA gates_too;

-- Plain inheritance.
CREATE TABLE base (tenant text, n int DEFAULT 1);
CREATE TABLE child (more text) INHERITS (base);
SELECT quota.protect('base', 'docs', 'r.tenant', 'r.n');
CREATE TABLE grandchild () INHERITS (child);
CREATE TABLE foundling (id int, n int DEFAULT 1, tenant text);
INSERT INTO foundling VALUES (1, 2, 'cy');
ALTER TABLE foundling INHERIT base;
:used
INSERT INTO base VALUES ('ann'); INSERT INTO child VALUES ('ann'); INSERT INTO grandchild VALUES ('ann'); INSERT INTO foundling VALUES (1, 1, 'ann');
:used
UPDATE base SET n = 2;
UPDATE ONLY base SET n = 3;
:used
TRUNCATE ONLY base;
DELETE FROM ONLY child;
:used
:ok
ALTER TABLE foundling NO INHERIT base;
DELETE FROM base;
:used
:ok
-- two parents with a gate of one feature: the child has one
CREATE TABLE base2 (tenant text, n int DEFAULT 1);
SELECT quota.protect('base2', 'docs', 'r.tenant', 'r.n');
CREATE TABLE heir () INHERITS (base, base2);
INSERT INTO heir VALUES ('ann', 4);
:used
:ok
TRUNCATE base, base2, foundling;
DROP TABLE base, base2, foundling CASCADE;

-- Temporary and unlogged tables.
CREATE TEMP TABLE scratch (tenant text) ON COMMIT DELETE ROWS;
CREATE UNLOGGED TABLE fast (tenant text);
SELECT quota.protect('scratch', 'words', 'r.tenant'), quota.protect('fast', 'docs', 'r.tenant');
INSERT INTO scratch VALUES ('tem'), ('tem');
INSERT INTO fast VALUES ('unl');
SELECT pg_temp.run($$INSERT INTO scratch SELECT 'tem' FROM generate_series(1, 101)$$);
:used
ALTER TABLE fast SET LOGGED;
INSERT INTO fast VALUES ('unl');
-- rewritten, clustered, vacuumed: nobody's rows change
ALTER TABLE fast ADD id int GENERATED ALWAYS AS IDENTITY, ALTER tenant TYPE varchar(30);
VACUUM FULL fast;
:used
:ok
DROP TABLE scratch;
-- in a temporary table names are looked up in pg_catalog alone, and what a temporary function would be is none
CREATE TABLE kb (id int, tenant text);
CREATE TEMP TABLE scratch (kb int);
SELECT pg_temp.code($$SELECT quota.protect('scratch', 'docs', '(SELECT k.tenant FROM kb k WHERE k.id = r.kb)')$$);
SELECT quota.protect('scratch', 'docs', '(SELECT k.tenant FROM gates.kb k WHERE k.id = r.kb)');
INSERT INTO kb VALUES (1, 'tem');
INSERT INTO scratch VALUES (1);
:used
DELETE FROM scratch;
:ok
DROP TABLE scratch, kb;

-- Views charge through what they store in.
CREATE VIEW v AS SELECT tenant, id FROM fast WHERE tenant <> 'nobody' WITH CHECK OPTION;
INSERT INTO v (tenant) VALUES ('vic');
UPDATE v SET tenant = 'val' WHERE tenant = 'vic';
DELETE FROM v WHERE tenant = 'unl';
:used
CREATE RULE r AS ON INSERT TO v DO INSTEAD INSERT INTO fast (tenant) VALUES (NEW.tenant), (NEW.tenant);
INSERT INTO v VALUES ('vic');
:used
:ok
DROP VIEW v;

-- What becomes of the table.
ALTER TABLE fast RENAME TO quick;
CREATE SCHEMA gates_too;
ALTER TABLE quick SET SCHEMA gates_too;
INSERT INTO gates_too.quick VALUES ('ann');
ALTER TABLE gates_too.quick SET SCHEMA gates;
ALTER TABLE quick ADD more int, DROP id;
INSERT INTO quick VALUES ('ann', 2);
SELECT target, enabled FROM quota.gates ORDER BY target::text COLLATE "C";
:used
-- a renamed column: rows cannot come until the gate is declared anew
ALTER TABLE quick RENAME tenant TO payer;
SELECT pg_temp.run($$INSERT INTO quick VALUES ('ann')$$);
SELECT pg_temp.run($$DELETE FROM quick$$);
SELECT quota.unprotect('quick', 'docs'), quota.protect('quick', 'docs', 'r.payer');
INSERT INTO quick VALUES ('ann');
ALTER TABLE quick DROP payer;
SELECT pg_temp.run($$INSERT INTO quick VALUES (1)$$);
ALTER TABLE quick ADD payer text DEFAULT 'ann';
INSERT INTO quick VALUES (1);
:used
SELECT count(*) FROM quick;
SELECT * FROM quota.recount('docs', false);
:ok
-- disabled triggers: nothing is counted, and verify() tells
ALTER TABLE quick DISABLE TRIGGER quota_docs_insert;
INSERT INTO quick VALUES (1);
SELECT target, enabled FROM quota.gates ORDER BY target::text COLLATE "C";
SELECT * FROM quota.verify();
ALTER TABLE quick ENABLE TRIGGER quota_docs_insert;
SELECT quota.recount('docs', false);
DROP TRIGGER quota_docs_delete ON quick;
SELECT * FROM quota.verify();
SELECT quota.unprotect('quick', 'docs'), quota.protect('quick', 'docs', 'r.payer');
-- a replica's changes were charged where they were made
SET session_replication_role = replica;
INSERT INTO quick VALUES (1);
RESET session_replication_role;
:used
DELETE FROM quick;
SELECT * FROM quota.recount('docs', false);
:ok
DROP TABLE quick;
SELECT * FROM quota.gates;

-- Foreign tables have no transition tables.
CREATE EXTENSION file_fdw;
CREATE SERVER files FOREIGN DATA WRAPPER file_fdw;
CREATE TABLE doc (tenant text, id int) PARTITION BY RANGE (id);
CREATE FOREIGN TABLE outside (tenant text, id int) SERVER files OPTIONS (filename '/dev/null');
SELECT pg_temp.try($$SELECT quota.protect('outside', 'docs', 'r.tenant')$$);
CREATE FOREIGN TABLE doc_a PARTITION OF doc FOR VALUES FROM (0) TO (9) SERVER files OPTIONS (filename '/dev/null');
SELECT pg_temp.code($$SELECT quota.protect('doc', 'docs', 'r.tenant')$$);
DROP FOREIGN TABLE doc_a;
SELECT quota.protect('doc', 'docs', 'r.tenant');
SELECT pg_temp.run($$ALTER TABLE doc ATTACH PARTITION outside FOR VALUES FROM (0) TO (9)$$);
SELECT pg_temp.run($$CREATE FOREIGN TABLE doc_a PARTITION OF doc FOR VALUES FROM (0) TO (9) SERVER files OPTIONS (filename '/dev/null')$$);
:ok
DROP EXTENSION file_fdw CASCADE;
DROP EXTENSION quota CASCADE;
DROP SCHEMA gates, gates_too CASCADE;
