--
-- gates that remember: partitions and tables that inherit
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
    "plans": {"free": {"default": true, "entitlements": {"docs": {"allowance": 20}, "words": {"allowance": 100, "period": "month"}}}}}');
CREATE VIEW pg_temp.remembered AS
SELECT coalesce(string_agg(format('%s %s: %s %s', c.target, c.key, c.subject, c.amount), ', ' ORDER BY c.target::text COLLATE "C", c.key), 'nothing') AS remembered
FROM quota_internal.gate_charge c JOIN pg_class t ON t.oid = c.target;
\set remembered 'SELECT remembered FROM pg_temp.remembered;'
CREATE TABLE org (id int PRIMARY KEY, name text);
INSERT INTO org VALUES (1, 'a'), (2, 'b');

-- A partitioned table: known by its own key, wherever a row is, whatever a statement names.
CREATE TABLE part (org int, id int, n int DEFAULT 1, PRIMARY KEY (id, n)) PARTITION BY RANGE (id);
CREATE TABLE part_a PARTITION OF part FOR VALUES FROM (0) TO (10);
CREATE TABLE part_b (n int, gone int, id int NOT NULL, org int);
ALTER TABLE part_b DROP gone;
ALTER TABLE part_b ALTER n SET NOT NULL;
ALTER TABLE part ATTACH PARTITION part_b FOR VALUES FROM (10) TO (20);
INSERT INTO part VALUES (1, 1);
SELECT quota.protect('part', 'docs', '(SELECT o.name FROM org o WHERE o.id = r.org)', 'r.n', remember => true);
:remembered
INSERT INTO part VALUES (1, 2), (2, 11);
INSERT INTO part_a VALUES (1, 3);
INSERT INTO part_b (org, id, n) VALUES (1, 12, 2);
:remembered
UPDATE org SET name = 'z' WHERE id = 1;
-- a move, and back, and direct ones
UPDATE part SET id = id + 10 WHERE id = 2;
:used
UPDATE part SET id = 4 WHERE id = 12 AND n = 1;
DELETE FROM part_a WHERE id = 4;
UPDATE part_b SET id = 13 WHERE id = 12;
:used
:remembered
COPY part FROM STDIN;
2	5	1
2	15	1
\.
:remembered
TRUNCATE part_a;
:used
:remembered
:ok
-- a partition that comes and goes takes what is remembered of its rows along
ALTER TABLE part DETACH PARTITION part_b;
:remembered
UPDATE part_b SET org = 2 WHERE id = 13;
:used
DELETE FROM part_b WHERE id = 11;
:used
ALTER TABLE part ATTACH PARTITION part_b FOR VALUES FROM (10) TO (20);
:remembered
DELETE FROM part WHERE id = 13;
:used
:ok
-- and one that comes with rows has them remembered
CREATE TABLE part_c (LIKE part INCLUDING ALL);
INSERT INTO part_c VALUES (2, 21, 3);
ALTER TABLE part ATTACH PARTITION part_c FOR VALUES FROM (20) TO (30);
:remembered
CREATE TABLE part_d PARTITION OF part FOR VALUES FROM (30) TO (40) PARTITION BY RANGE (n);
CREATE TABLE part_d1 PARTITION OF part_d FOR VALUES FROM (0) TO (10);
INSERT INTO part_d VALUES (2, 31, 1);
INSERT INTO part_d1 VALUES (2, 32, 1);
UPDATE part SET id = 33 WHERE id = 31;
:remembered
ALTER TABLE part DETACH PARTITION part_d;
:remembered
DELETE FROM part_d1;
:used
DROP TABLE part_d;
-- what a BEFORE trigger of the other partition drops is gone
CREATE FUNCTION drop_row() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER dropped BEFORE INSERT ON part_a FOR EACH ROW EXECUTE FUNCTION drop_row();
UPDATE part SET id = 1 WHERE id = 15;
:used
:remembered
:ok
-- DROP gives nothing back; a row by the same key does, then, as recount
DROP TRIGGER dropped ON part_a;
INSERT INTO part VALUES (2, 22, 1);
DROP TABLE part_c;
:used
:remembered
CREATE TABLE part_c PARTITION OF part FOR VALUES FROM (20) TO (30);
INSERT INTO part VALUES (2, 21, 3);
:used
SELECT * FROM quota.recount('docs', false);
:remembered
:ok
-- TRUNCATE before DROP gives back
TRUNCATE part_c;
DROP TABLE part_c;
:used
:remembered
-- unprotect of a partition alone: its rows stay known by the tree
INSERT INTO part VALUES (1, 7), (2, 17);
SELECT quota.unprotect('part_a', 'docs');
:remembered
SELECT quota.unprotect('part', 'docs');
:remembered
DROP TABLE part;
SELECT * FROM quota.set_usage('z', 'docs', 0);
SELECT * FROM quota.set_usage('b', 'docs', 0);

-- One that inherits the old way: keys must be unique over all.
CREATE TABLE base (id int PRIMARY KEY, org text, n int DEFAULT 1);
CREATE TABLE child (extra text) INHERITS (base);
INSERT INTO child VALUES (1, 'a');
SELECT quota.protect('base', 'docs', 'r.org', 'r.n', remember => true);
INSERT INTO base VALUES (2, 'a');
INSERT INTO child VALUES (3, 'b');
:remembered
UPDATE base SET n = 2;
DELETE FROM base WHERE id = 1;
UPDATE child SET id = 30;
:used
:remembered
SELECT pg_temp.run($$INSERT INTO child VALUES (2, 'b')$$);
SELECT pg_temp.run($$UPDATE base SET id = 2 WHERE id = 30$$);
-- one that came unseen must not make both undeletable
ALTER TABLE child DISABLE TRIGGER USER;
INSERT INTO child VALUES (2, 'b');
ALTER TABLE child ENABLE TRIGGER USER;
UPDATE base SET n = n;
DELETE FROM base WHERE id = 2;
:used
:remembered
:ok
SELECT pg_temp.run('ALTER TABLE child NO INHERIT base');
ALTER TABLE child ADD PRIMARY KEY (id);
ALTER TABLE child NO INHERIT base;
:remembered
INSERT INTO base VALUES (2, 'a');
DELETE FROM child;
:used
INSERT INTO child VALUES (5, 'b');
ALTER TABLE child INHERIT base;
:remembered
INSERT INTO child VALUES (4, 'b');
:remembered
TRUNCATE base;
:remembered
:used
:ok

-- A dropped table's rows are forgotten, by and by, and those of a gate that was dropped by hand.
INSERT INTO base VALUES (1, 'a');
DROP TABLE base CASCADE;
CREATE TEMP TABLE short (id int PRIMARY KEY, org text);
SELECT quota.protect('short', 'docs', 'r.org', remember => true);
INSERT INTO short VALUES (1, 'a');
SELECT count(*) FROM quota_internal.gate_charge;
SELECT rows FROM quota.maintain() WHERE task = 'rows of dropped gates';
:remembered
DROP TRIGGER quota_docs_insert ON short;
SELECT detail FROM quota.verify();
DROP TRIGGER quota_docs_update ON short; DROP TRIGGER quota_docs_delete ON short; DROP TRIGGER quota_docs_truncate ON short;
SET quota.clock = '2026-02-01 00:00:00+00';
SELECT rows FROM quota.maintain() WHERE task = 'rows of dropped gates';
:remembered

DROP SCHEMA gates CASCADE;
DROP EXTENSION quota CASCADE;
