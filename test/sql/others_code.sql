--
-- Others' code: what a table's owner makes a gate's expression do, when others write
-- rows, and when others count them
--
SET client_min_messages = error; DROP EXTENSION IF EXISTS quota CASCADE; CREATE EXTENSION quota CASCADE;
\getenv abs_srcdir PG_ABS_SRCDIR
\set session :abs_srcdir '/sql/include/session.psql'
\i :session
SELECT count(*) FROM quota.apply_catalog('{
    "features": {"docs": {"kind": "capacity"}, "tokens": {"kind": "metered"}},
    "plans": {"free": {"default": true, "entitlements": {"docs": {"allowance": 100, "notify": [1]}, "tokens": {"allowance": null}}}}}');
CREATE ROLE code_owner;			-- whose code it is, with level admin
SELECT quota.grant_access('code_owner', 'admin');
CREATE SCHEMA code AUTHORIZATION code_owner;
SET ROLE code_owner;
CREATE TABLE code.doc (tenant text, kind int);
CREATE TABLE code.part (tenant text, kind int);
CREATE TABLE code.new (tenant text, kind int);
-- what the owner would have others run
CREATE FUNCTION code.lower(text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'planted code runs as %', current_user; END $$;

CREATE TABLE code.trick (what text PRIMARY KEY, command text);
INSERT INTO code.trick VALUES
    ('set', 'SET search_path = code, pg_catalog'),
    ('set local', 'SET LOCAL search_path = code, pg_catalog'),
    ('set_config', $$SELECT set_config('search_path', 'code, pg_catalog', false)$$),
    ('set_config local', $$SELECT set_config('search_path', 'code, pg_catalog', true)$$),
    ('set others', 'SET DateStyle = german; SET TimeZone = ''Asia/Tokyo''; SET statement_timeout = 1; SET default_transaction_read_only = on'),
    ('reset all', 'RESET ALL'),
    ('set role', 'SET ROLE NONE'),
    ('set role local', 'SET LOCAL ROLE NONE'),
    ('set session', 'SET SESSION AUTHORIZATION DEFAULT'),
    ('set_config role', $$SELECT set_config('role', 'none', false)$$),
    ('discard', 'DISCARD ALL'),
    ('cursor', 'DECLARE code_c CURSOR WITH HOLD FOR SELECT 1'),
    ('prepare', 'PREPARE code_p AS SELECT 1'),
    ('temporary', 'CREATE TEMP TABLE lower AS SELECT 1'),
    ('listen', 'LISTEN code'),
    ('transaction', 'SET TRANSACTION READ ONLY'),
    ('commit', 'COMMIT'),
    ('raise', $$DO 'BEGIN RAISE EXCEPTION ''raised''; END'$$),
    ('loop', $$DO 'BEGIN LOOP NULL; END LOOP; END'$$),
    ('debit', $$SELECT quota.debit('ann', 'tokens')$$),
    ('recount', $$SELECT quota.recount('docs')$$),
    ('unprotect', $$SELECT quota.unprotect('code.doc', 'docs')$$),
    ('protect', $$SELECT quota.protect('code.doc', 'tokens', 'r.tenant')$$),
    ('truncate', 'TRUNCATE code.doc'),
    ('drop', 'DROP TABLE code.doc');
CREATE TABLE code.now (what text);
CREATE FUNCTION code.play() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    command text;
BEGIN
    FOR command IN SELECT t.command FROM code.trick t JOIN code.now n USING (what) LOOP
        EXECUTE command;
    END LOOP;
END $$;
-- says that it is none of those that a gate refuses
CREATE FUNCTION code.payer(tenant text) RETURNS text STABLE LANGUAGE plpgsql AS $$ BEGIN PERFORM code.play(); RETURN tenant; END $$;
-- run when the expression is planned
CREATE FUNCTION code.planned() RETURNS text IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN PERFORM code.play(); RETURN ''; END $$;
CREATE TABLE code.parent (tenant text, kind int) PARTITION BY RANGE (kind);
SELECT quota.protect(t, 'docs', 'payer(r.tenant) || planned()') FROM unnest('{code.doc,code.parent}'::regclass[]) t;
-- a trigger of the owner's that is no gate of ours
CREATE TABLE code.plain (tenant text);
CREATE FUNCTION code.plain() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM code.play(); RETURN NULL; END $$;
CREATE TRIGGER plain AFTER INSERT ON code.plain FOR EACH ROW EXECUTE FUNCTION code.plain();
RESET ROLE;
INSERT INTO code.doc VALUES ('ann', 1), ('bob', 2);
INSERT INTO code.part VALUES ('ann', 1), ('bob', 2);
INSERT INTO code.new VALUES ('ann', 1), ('bob', 2);

CREATE TEMP TABLE result (what text, which text, statement text, result text, differs text);
CREATE FUNCTION pg_temp.run(what text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    tried record;
    found record;
BEGIN
    INSERT INTO code.now VALUES (what);
    FOR tried IN SELECT * FROM (VALUES
            ('plain', 'plain trigger', 'INSERT INTO code.plain VALUES (1)'),
            ('writes', 'insert', $x$INSERT INTO code.doc VALUES ('ann', 3)$x$),
            ('writes', 'update', $x$UPDATE code.doc SET tenant = 'cid'$x$),
            ('writes', 'delete', 'DELETE FROM code.doc'),
            ('writes', 'truncate', 'TRUNCATE code.doc'),
            ('writes', 'merge', 'MERGE INTO code.doc d USING code.new n ON d.kind = n.kind WHEN MATCHED THEN UPDATE SET tenant = n.tenant || 1'),
            ('counts', 'protect', $x$SELECT quota.protect('code.new', 'docs', 'payer(r.tenant) || planned()')$x$),
            ('counts', 'attach', 'ALTER TABLE code.parent ATTACH PARTITION code.part FOR VALUES FROM (0) TO (10)'),
            ('counts', 'recount', $x$SELECT quota.recount('docs')$x$),
            ('counts', 'repair', $x$SELECT quota.recount('docs', false)$x$),
            ('counts', 'verify', $x$SELECT quota.verify()$x$)) t(which, name, statement) LOOP
        found := pg_temp.after(tried.statement);
        INSERT INTO result VALUES (what, tried.which, tried.name, left(found.result, 5), found.differs);
    END LOOP;
    DELETE FROM code.now;
END $$;
SELECT pg_temp.run('nothing');
SELECT * FROM pg_temp.result WHERE differs IS NOT NULL OR result <> 'ok';
TRUNCATE pg_temp.result;
SELECT count(pg_temp.run(what)::text) FROM (SELECT what FROM code.trick WHERE what <> 'loop' ORDER BY what) t;

-- What a plain trigger leaves behind,
SELECT what, differs FROM pg_temp.result WHERE which = 'plain' AND differs IS NOT NULL ORDER BY 1;
-- what gates do: no setting,
SELECT what, statement, differs FROM pg_temp.result WHERE which = 'writes' AND differs IS NOT NULL ORDER BY 1, 2;
-- and what is left to a session that counts rows: nothing.
SELECT what, statement, differs FROM pg_temp.result WHERE which = 'counts' AND differs IS NOT NULL ORDER BY 1, 2;
-- how it went
SELECT what, which, result, string_agg(statement, ', ' ORDER BY statement) AS statements FROM pg_temp.result WHERE which <> 'plain' GROUP BY 1, 2, 3 ORDER BY 1, 2, 3;

-- Without a transaction around them
INSERT INTO code.now VALUES ('set_config');
INSERT INTO code.doc VALUES ('ann', 3);
SELECT count(*) FROM quota.verify();
SELECT count(*) FROM quota.recount('docs');
SELECT quota.protect('code.new', 'docs', 'payer(r.tenant) || planned()');
ALTER TABLE code.parent ATTACH PARTITION code.part FOR VALUES FROM (0) TO (10);
SHOW search_path;
SELECT lower('NOT PLANTED'), current_user;
-- Code that does not end is ended.
\set SHOW_CONTEXT never
UPDATE code.now SET what = 'loop';
SET statement_timeout = '100ms';
INSERT INTO code.doc VALUES ('ann', 3);
SELECT count(*) FROM quota.verify();
SELECT count(*) FROM quota.recount('docs');
SELECT quota.unprotect('code.new', 'docs');
SELECT quota.protect('code.new', 'docs', 'payer(r.tenant) || planned()');
RESET statement_timeout;
SELECT current_user;
DELETE FROM code.now;
SELECT * FROM quota.verify();

DROP EXTENSION quota CASCADE;
DROP SCHEMA code CASCADE;
DROP ROLE code_owner;
