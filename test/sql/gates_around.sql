--
-- gates among what else is about a table: triggers, constraints, cursors, names
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
    "features": {"docs": {"kind": "capacity"}, "bytes": {"kind": "capacity"}, "chars": {"kind": "metered"}},
    "plans": {"free": {"default": true, "entitlements": {"docs": {"allowance": 5}, "bytes": {"allowance": 1000}, "chars": {"allowance": 1000, "period": "month"}}}}}');

-- A trigger sets the size, leaves rows out, or writes more; a column that is generated, one that was dropped.
CREATE TABLE doc (dropped int, id int PRIMARY KEY, tenant text, body text, size bigint, chars int GENERATED ALWAYS AS (length(body)) STORED);
ALTER TABLE doc DROP dropped;
CREATE FUNCTION measure() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.body = 'none' THEN RETURN NULL; END IF;
    NEW.size := 10 * length(NEW.body);
    RETURN NEW;
END $$;
CREATE TRIGGER measure BEFORE INSERT OR UPDATE ON doc FOR EACH ROW EXECUTE FUNCTION measure();
SELECT quota.protect('doc', 'docs', 'r.tenant'), quota.protect('doc', 'bytes', 'r.tenant', 'r.size'), quota.protect('doc', 'chars', 'r.tenant', 'r.chars + 0');
INSERT INTO doc (id, tenant, body, size) VALUES (1, 'ann', 'abc', 1), (2, 'ann', 'none', 1), (3, 'bob', '', 1);
:used
UPDATE doc SET size = 1, body = CASE id WHEN 1 THEN 'abcdef' ELSE 'none' END;
:used
:ok
CREATE FUNCTION copy_row() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.id < 100 THEN INSERT INTO doc (id, tenant, body) VALUES (NEW.id + 100, NEW.tenant, NEW.body); END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER a_copy AFTER INSERT ON doc FOR EACH ROW EXECUTE FUNCTION copy_row();
INSERT INTO doc (id, tenant, body) VALUES (4, 'cy', 'a'), (5, 'cy', 'b');
:used
SELECT left(pg_temp.run($$INSERT INTO doc (id, tenant, body) VALUES (6, 'cy', 'c')$$), 45);
:ok
DROP TRIGGER a_copy ON doc;
CREATE TRIGGER z_copy AFTER INSERT ON doc FOR EACH ROW EXECUTE FUNCTION copy_row();
INSERT INTO doc (id, tenant, body) VALUES (7, 'dan', 'a'), (8, 'dan', 'b');
:used
:ok
DROP TRIGGER z_copy ON doc;

-- Several tables with gates in one statement; a statement that takes rows of one subject to and fro.
CREATE TABLE note (id int PRIMARY KEY, tenant text, doc int REFERENCES doc DEFERRABLE INITIALLY DEFERRED);
SELECT quota.protect('note', 'docs', 'r.tenant');
DELETE FROM doc WHERE tenant IN ('bob', 'cy');
WITH gone AS (DELETE FROM doc WHERE id IN (7, 107) RETURNING *),
     kept AS (INSERT INTO note SELECT id, 'bob' FROM gone RETURNING *),
     moved AS (UPDATE doc SET tenant = 'bob' WHERE id IN (8, 108) RETURNING *)
SELECT (SELECT count(*) FROM gone), (SELECT count(*) FROM kept), (SELECT count(*) FROM moved);
:used
INSERT INTO doc (id, tenant, body) VALUES (8, 'ann', 'abc'), (9, 'ann', 'ab'), (1, 'bob', 'abcd'), (108, 'bob', '') ON CONFLICT (id) DO UPDATE SET tenant = excluded.tenant, body = excluded.body;
:used
:ok

-- What is found at the commit takes back everything.
BEGIN;
INSERT INTO note VALUES (1, 'ann', 99);
:used
COMMIT;
:used
:ok

-- Cursors.
BEGIN;
DECLARE c CURSOR FOR SELECT FROM doc ORDER BY id FOR UPDATE;
FETCH c;
UPDATE doc SET tenant = 'eve' WHERE CURRENT OF c;
FETCH c;
DELETE FROM doc WHERE CURRENT OF c;
COMMIT;
:used
:ok

-- An error that is caught leaves the rows before it.
DO $$
BEGIN
    FOR i IN 20..29 LOOP
        BEGIN
            INSERT INTO doc (id, tenant, body) VALUES (i, 'loop', 'x');
        EXCEPTION WHEN SQLSTATE 'QT402' THEN
            RAISE WARNING 'refused at %', i;
            EXIT;
        END;
    END LOOP;
END $$;
:used
:ok
TRUNCATE doc, note;

-- Foreign keys that change a row's owner, or a tree within the table.
CREATE TABLE team (name text PRIMARY KEY);
CREATE TABLE member (team text DEFAULT 'none' REFERENCES team ON DELETE SET DEFAULT ON UPDATE CASCADE);
SELECT quota.protect('member', 'docs', 'r.team');
INSERT INTO team VALUES ('none'), ('x'), ('y');
INSERT INTO member VALUES ('x'), ('x'), ('x'), ('y'), ('y'), ('y');
UPDATE team SET name = 'z' WHERE name = 'x';
:used
DELETE FROM team WHERE name = 'z';
:used
SELECT left(pg_temp.run($$DELETE FROM team WHERE name = 'y'$$), 46);
:used
:ok
TRUNCATE member;
CREATE TABLE folder (id int PRIMARY KEY, parent int REFERENCES folder ON DELETE CASCADE, tenant text);
SELECT quota.protect('folder', 'docs', 'coalesce(r.tenant, (SELECT f.tenant FROM folder f WHERE f.id = r.parent))');
INSERT INTO folder VALUES (1, NULL, 'ann'), (2, 1, NULL), (3, 2, 'bob'), (4, 3, NULL);
:used
DELETE FROM folder WHERE id = 1;
:used
:ok

-- Views with triggers of their own; COPY into one, and COPY FREEZE.
CREATE VIEW v AS SELECT id, tenant FROM note;
CREATE FUNCTION through() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO gates.note VALUES (NEW.id, NEW.tenant); RETURN NEW; END $$;
CREATE TRIGGER through INSTEAD OF INSERT ON v FOR EACH ROW EXECUTE FUNCTION through();
COPY v FROM stdin;
1	ann
2	ann
\.
:used
BEGIN;
TRUNCATE note;
COPY note FROM stdin WITH (FREEZE);
3	bob	\N
\.
COMMIT;
:used
:ok

-- Columns that are called what we call things; a column r, of a composite type.
CREATE TYPE payer AS (tenant text);
CREATE TABLE new_rows (r payer, old_rows int, new_rows text, "quota: the rows of this event" text);
SELECT quota.protect('new_rows', 'docs', '(r.r).tenant'), quota.protect('new_rows', 'bytes', 'r.new_rows', 'r.old_rows'),
       quota.protect('new_rows', 'chars', 'r."quota: the rows of this event"', 'octet_length(r."quota: the rows of this event")');
INSERT INTO new_rows VALUES (ROW ('ann'), 2, 'cy', 'dan');
:used
UPDATE new_rows SET old_rows = 3;
DELETE FROM new_rows;
:used
:ok
-- system columns are not in the rows that a statement's triggers see
SELECT quota.unprotect('new_rows', 'docs');
SELECT pg_temp.code($$SELECT quota.protect('new_rows', 'docs', 'r.tableoid::text')$$);
DROP TABLE new_rows;

-- The longest subject, and one that is too long, wherever the row keeps it.
CREATE TABLE long (tenant text);
SELECT quota.protect('long', 'docs', 'r.tenant'), quota.protect('long', 'bytes', 'r.tenant || ''''');
INSERT INTO long VALUES (repeat('x', 255)), (repeat('x', 255));
SELECT pg_temp.code($$INSERT INTO long VALUES (repeat('x', 256)) RETURNING 1$$), pg_temp.code($$UPDATE long SET tenant = repeat('x', 1000000) RETURNING 1$$);
ALTER TABLE long DISABLE TRIGGER USER;
INSERT INTO long VALUES (repeat('y', 1000000)), (repeat('é', 128));
ALTER TABLE long ENABLE TRIGGER USER;
UPDATE long SET tenant = tenant;
DELETE FROM long;
:used
:ok

DROP EXTENSION quota CASCADE;
DROP SCHEMA gates CASCADE;
