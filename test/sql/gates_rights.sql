--
-- gates: who may declare them, and whose rights the expressions have
--
SET client_min_messages = warning; DROP EXTENSION IF EXISTS quota CASCADE; CREATE EXTENSION quota CASCADE;
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/include/enforcement.psql'
\i :helpers
\set gates :abs_srcdir '/sql/include/gates.psql'
\i :gates
GRANT SELECT ON pg_temp.uses TO PUBLIC;
SET quota.clock = '2026-01-31 00:00:00+00';
SELECT count(*) FROM quota.apply_catalog('{
    "features": {"docs": {"kind": "capacity"}, "tokens": {"kind": "metered"}},
    "plans": {"free": {"default": true, "entitlements": {"docs": {"allowance": 5}, "tokens": {"allowance": 100, "period": "month"}}}}}');
CREATE ROLE gates_owner;
CREATE ROLE gates_admin;
CREATE ROLE gates_app;			-- has INSERT on tables, and nothing of quota
CREATE ROLE gates_other;
SELECT quota.grant_access('gates_admin', 'admin'), quota.grant_access('gates_other', 'app');
GRANT gates_owner TO gates_admin;
CREATE SCHEMA gates AUTHORIZATION gates_owner;
GRANT USAGE ON SCHEMA gates TO gates_app, gates_other;
SET ROLE gates_owner;
CREATE TABLE gates.kb (id int PRIMARY KEY, tenant text);
CREATE TABLE gates.doc (id int, kb int, tenant text);
INSERT INTO gates.kb VALUES (1, 'ann'), (2, 'bob');
GRANT INSERT, SELECT, DELETE, TRIGGER, TRUNCATE ON gates.doc TO gates_app, gates_other;

-- To own the table is not enough, nor is it to be an administrator.
SELECT pg_temp.code($$SELECT quota.protect('gates.doc', 'docs', 'r.tenant')$$);
RESET ROLE; SET ROLE gates_other;
SELECT pg_temp.code($$SELECT quota.protect('gates.doc', 'docs', 'r.tenant')$$);
SELECT pg_temp.code($$SELECT quota.unprotect('gates.doc', 'docs')$$);
SELECT pg_temp.code($$SELECT quota.recount('docs')$$);
SELECT pg_temp.run($$CREATE TRIGGER t AFTER INSERT ON gates.doc FOR EACH ROW EXECUTE FUNCTION quota.gate('docs', 'r.tenant')$$);
SELECT pg_temp.code($$SELECT * FROM quota.gates$$);
RESET ROLE;
CREATE TABLE gates.not_theirs (tenant text);
SET ROLE gates_admin;
SELECT pg_temp.code($$SELECT quota.protect('gates.not_theirs', 'docs', 'r.tenant')$$);
SELECT pg_temp.code($$SELECT quota.unprotect('gates.not_theirs', 'docs')$$);
SELECT pg_temp.run($$CREATE TRIGGER t AFTER INSERT ON gates.doc FOR EACH ROW EXECUTE FUNCTION quota.gate('docs', 'r.tenant')$$);
SELECT p AS internal, has_function_privilege(p.oid, 'EXECUTE') FROM (SELECT oid::regprocedure AS p, oid FROM pg_proc WHERE pronamespace = ANY ('{quota,quota_internal}'::regnamespace[]) AND proname ~ '^_?gate') p ORDER BY 1;
-- both together do
SELECT quota.protect('gates.doc', 'docs', '(SELECT k.tenant FROM kb k WHERE k.id = r.kb)');
SELECT target, feature, enabled FROM quota.gates;

-- Who writes rows needs no right on quota, nor on what the expressions read.
RESET ROLE; SET ROLE gates_app;
SELECT has_schema_privilege('quota', 'USAGE'), has_table_privilege('gates.kb', 'SELECT');
INSERT INTO gates.doc VALUES (1, 1), (2, 1), (3, 2);
DELETE FROM gates.doc WHERE id = 1;
SELECT pg_temp.run($$INSERT INTO gates.doc SELECT i, 1 FROM generate_series(10, 14) i$$);
TRUNCATE gates.doc;
INSERT INTO gates.doc VALUES (1, 1);
RESET ROLE;
:used
SET ROLE gates_app;
-- and cannot make itself a gate
SELECT pg_temp.run($$CREATE TRIGGER t AFTER INSERT ON gates.doc FOR EACH ROW EXECUTE FUNCTION quota.gate('docs', 'r.tenant')$$);
SELECT pg_temp.code($$SELECT quota.gate()$$);
RESET ROLE;
:ok

-- Expressions run as the owner: for a superuser's INSERT, too.
CREATE TABLE gates.secret (s text);
SET ROLE gates_admin;
SELECT quota.unprotect('gates.doc', 'docs');
SELECT quota.protect('gates.doc', 'docs', 'current_user');
RESET ROLE;
INSERT INTO gates.doc VALUES (2);
:used
TRUNCATE gates.doc;
SELECT * FROM quota.recount('docs', false);
SET ROLE gates_admin;
SELECT quota.unprotect('gates.doc', 'docs');
SELECT pg_temp.code($$SELECT quota.protect('gates.doc', 'docs', '(SELECT s FROM secret)')$$);
RESET ROLE;
-- also when a superuser declares them
SELECT pg_temp.code($$SELECT quota.protect('gates.doc', 'docs', '(SELECT s FROM secret)')$$);
SELECT pg_temp.code($$SELECT quota.protect('gates.doc', 'docs', 'rolpassword::text || ''x'' FROM pg_authid')$$);
SELECT pg_temp.code($$SELECT quota.protect('gates.doc', 'docs', '(SELECT rolpassword FROM pg_authid LIMIT 1)')$$);

-- What the owner plants gets no rights of others: not of who inserts, not of who counts.
SET ROLE gates_owner;
CREATE TABLE gates.log (who name, session name, note text);
CREATE FUNCTION gates.inside(t text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO gates.log VALUES (current_user, session_user, current_setting('search_path'));
    RETURN t;
END $$;
RESET ROLE;
TRUNCATE gates.doc;
-- declared so that protect() takes it, whatever it calls
CREATE FUNCTION gates.payer(t text) RETURNS text LANGUAGE plpgsql STABLE AS $$ BEGIN RETURN gates.inside(t); END $$;
SELECT quota.protect('gates.doc', 'docs', 'payer(r.tenant)');
INSERT INTO gates.doc VALUES (1, 1, 'ann');
DELETE FROM gates.doc;
INSERT INTO gates.doc VALUES (1, 1, 'ann');
SELECT DISTINCT who, note FROM gates.log;
SET ROLE gates_owner;
CREATE OR REPLACE FUNCTION gates.inside(t text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    SET ROLE NONE;
    RETURN t;
END $$;
RESET ROLE;
SELECT pg_temp.run($$INSERT INTO gates.doc VALUES (1, 1, 'ann')$$);
SELECT pg_temp.code($$SELECT quota.recount('docs')$$);
-- a trigger that waits for the commit would run as who commits
SET ROLE gates_owner;
CREATE FUNCTION gates.later() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE WARNING 'as %', current_user; RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER later AFTER INSERT ON gates.log DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION gates.later();
CREATE OR REPLACE FUNCTION gates.inside(t text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO gates.log VALUES (current_user, session_user, 'later');
    RETURN t;
END $$;
RESET ROLE;
SELECT pg_temp.code($$SELECT quota.recount('docs')$$);
SELECT quota.unprotect('gates.doc', 'docs');
SELECT pg_temp.code($$SELECT quota.protect('gates.doc', 'docs', 'payer(r.tenant)')$$);

-- A hostile search_path of the caller finds nothing.
SET ROLE gates_owner;
DROP TABLE gates.log CASCADE;
DROP FUNCTION gates.payer, gates.inside;
RESET ROLE;
CREATE SCHEMA gates_hostile AUTHORIZATION gates_other;
SET ROLE gates_other;
CREATE TABLE gates_hostile.kb AS SELECT 1 AS id, 'victim' AS tenant;
GRANT ALL ON gates_hostile.kb TO PUBLIC;
CREATE FUNCTION gates_hostile.lower(text) RETURNS text LANGUAGE sql AS 'SELECT ''victim''::text';
CREATE FUNCTION gates_hostile.int4eq(int, int) RETURNS boolean LANGUAGE sql AS 'SELECT false';
CREATE OPERATOR gates_hostile.= (FUNCTION = gates_hostile.int4eq, LEFTARG = int, RIGHTARG = int);
CREATE FUNCTION gates_hostile.cat(text, text) RETURNS text LANGUAGE sql AS 'SELECT ''victim''::text';
CREATE OPERATOR gates_hostile.|| (FUNCTION = gates_hostile.cat, LEFTARG = text, RIGHTARG = text);
RESET ROLE;
TRUNCATE gates.doc;
CREATE TEMP TABLE kb AS SELECT 1 AS id, 'victim' AS tenant;
GRANT ALL ON kb TO PUBLIC;
GRANT USAGE ON SCHEMA gates_hostile TO PUBLIC;
SET search_path = gates_hostile, pg_temp, pg_catalog, gates;
SELECT quota.protect('gates.doc', 'docs', 'lower((SELECT k.tenant FROM kb k WHERE k.id = r.kb)) || ''''');
INSERT INTO gates.doc VALUES (1, 1), (2, 2);
UPDATE gates.doc SET kb = 1;
SET ROLE gates_app;
INSERT INTO gates.doc VALUES (3, 2);
RESET ROLE;
SELECT quota.unprotect('gates.doc', 'docs');
SELECT quota.protect('gates.doc', 'docs', 'lower((SELECT k.tenant FROM kb k WHERE k.id = r.kb)) || ''''');
SELECT count(*) FROM quota.recount('docs');
SELECT count(*) FROM quota.verify();
TABLE pg_temp.uses;
RESET search_path;
DROP TABLE pg_temp.kb;
DROP SCHEMA gates_hostile CASCADE;
TRUNCATE gates.doc;
SELECT quota.unprotect('gates.doc', 'docs');
TABLE pg_temp.uses;

-- Row security does not hide rows from the owner's expressions.
SET ROLE gates_owner;
ALTER TABLE gates.doc ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY p ON gates.doc USING (tenant = current_user) WITH CHECK (true);
RESET ROLE;
SELECT quota.protect('gates.doc', 'docs', 'r.tenant');
SET ROLE gates_app;
INSERT INTO gates.doc VALUES (1, 1, 'ann'), (2, 1, 'gates_app');
DELETE FROM gates.doc;
RESET ROLE;
:used
:ok
SELECT quota.unprotect('gates.doc', 'docs');
SELECT quota.protect('gates.doc', 'docs', 'r.tenant');
TRUNCATE gates.doc;
:used
:ok

-- A new owner's rights take the place of the old one's.
ALTER TABLE gates.doc DISABLE ROW LEVEL SECURITY;
SELECT quota.unprotect('gates.doc', 'docs');
SELECT quota.protect('gates.doc', 'docs', 'r.tenant || coalesce((SELECT min(k.id) FROM kb k)::text, '''')');
INSERT INTO gates.doc VALUES (1, 1, 'ann');
GRANT CREATE ON SCHEMA gates TO gates_other;
ALTER TABLE gates.doc OWNER TO gates_other;
SELECT pg_temp.run($$INSERT INTO gates.doc VALUES (1, 1, 'ann')$$);
GRANT SELECT ON gates.kb TO gates_other;
INSERT INTO gates.doc VALUES (1, 1, 'ann');
:used
:ok
TRUNCATE gates.doc;
DROP TABLE gates.doc;

-- Whoever makes partitions and children needs no right on quota either.
SET ROLE gates_owner;
SELECT has_schema_privilege('quota', 'USAGE');
CREATE TABLE gates.part (id int, tenant text) PARTITION BY RANGE (id);
CREATE TABLE gates.part1 PARTITION OF gates.part FOR VALUES FROM (0) TO (10);
RESET ROLE;
SELECT quota.protect('gates.part', 'docs', 'r.tenant');
SET ROLE gates_owner;
CREATE TABLE gates.part2 PARTITION OF gates.part FOR VALUES FROM (10) TO (20);
CREATE TABLE gates.part3 (tenant text, id int);
INSERT INTO gates.part3 VALUES ('bob', 25);
ALTER TABLE gates.part ATTACH PARTITION gates.part3 FOR VALUES FROM (20) TO (30);
INSERT INTO gates.part VALUES (1, 'ann'), (11, 'ann'), (21, 'ann');
INSERT INTO gates.part2 VALUES (12, 'ann');
RESET ROLE;
:used
SELECT target FROM quota.gates ORDER BY 1;
:ok
-- A partition of another owner: the parent's gate is not handed down, its expressions would have that owner's rights.
ALTER TABLE gates.not_theirs ADD id int;
ALTER TABLE gates.part ATTACH PARTITION gates.not_theirs FOR VALUES FROM (30) TO (40);
INSERT INTO gates.part VALUES (31, 'bob');
SELECT * FROM quota.verify();
SELECT * FROM quota.recount('docs');
TRUNCATE gates.part2;
SELECT * FROM quota.recount('docs');
-- IF NOT EXISTS of a table that somebody else has
SET ROLE gates_owner;
CREATE TABLE IF NOT EXISTS gates.not_theirs () INHERITS (gates.kb);
RESET ROLE;
SELECT target FROM quota.gates ORDER BY 1;
SELECT quota.unprotect('gates.part', 'docs');

DROP EXTENSION quota CASCADE;
DROP SCHEMA gates CASCADE;
DROP ROLE gates_owner, gates_admin, gates_app, gates_other;
