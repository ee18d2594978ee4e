--
-- gates: what is refused, and whose rights the expressions have
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
    "features": {"docs": {"kind": "capacity"}, "tokens": {"kind": "metered"}, "api": {"kind": "rate"}, "on": {"kind": "boolean"}, "mb": {"kind": "static"}},
    "plans": {"free": {"default": true, "entitlements": {"docs": {"allowance": 9}, "tokens": {"allowance": 100, "period": "month"}}}}}');
CREATE TABLE doc (id int, tenant text, n int DEFAULT 1, price numeric, at timestamptz);

-- Arguments.
SELECT pg_temp.code($$SELECT quota.protect(NULL, 'docs', 'r.tenant')$$);
SELECT pg_temp.code($$SELECT quota.protect('doc', NULL, 'r.tenant')$$);
SELECT pg_temp.code($$SELECT quota.protect('doc', 'docs', NULL)$$);
SELECT pg_temp.code($$SELECT quota.protect('doc', 'docs', 'r.tenant', NULL)$$);
SELECT pg_temp.code($$SELECT quota.protect('doc', 'docs', 'r.tenant', '1', NULL, NULL)$$);
SELECT pg_temp.code($$SELECT quota.protect('doc', 'nothing', 'r.tenant')$$);
SELECT pg_temp.code($$SELECT quota.protect('doc', 'Not A Name', 'r.tenant')$$);
SELECT pg_temp.code($$SELECT quota.protect('doc', 'api', 'r.tenant')$$);
SELECT pg_temp.try($$SELECT quota.protect('doc', 'on', 'r.tenant')$$);
SELECT pg_temp.code($$SELECT quota.protect('doc', 'mb', 'r.tenant')$$);
SELECT pg_temp.try($$SELECT quota.protect('doc', 'docs', 'r.tenant', '1', 'sometimes')$$);
SELECT pg_temp.code($$SELECT quota.protect('doc', 'docs', 'r.tenant', '1', 'never', 'no')$$);
SELECT pg_temp.code($$SELECT quota.protect('doc', 'docs', 'r.tenant', '1', '')$$);
SELECT pg_temp.code($$SELECT quota.protect(0::regclass, 'docs', 'r.tenant')$$);
SELECT pg_temp.code($$SELECT quota.protect(4294967295::regclass, 'docs', 'r.tenant')$$);
SELECT pg_temp.code($$SELECT quota.protect('doc', 'docs', repeat('x', 8193))$$);
SELECT pg_temp.code($$SELECT quota.protect('doc', 'docs', 'r.tenant', repeat('1', 8193))$$);
SELECT pg_temp.code($$SELECT quota.protect('doc', 'docs', '''' || repeat('x', 255) || '''', repeat(' ', 8191) || '1')$$);
SELECT quota.unprotect('doc', 'docs');
SELECT pg_temp.code($$SELECT quota.unprotect('doc', 'docs')$$);
SELECT pg_temp.code($$SELECT quota.unprotect(NULL, 'docs')$$);
SELECT pg_temp.code($$SELECT quota.unprotect('doc', NULL)$$);
SELECT pg_temp.code($$SELECT quota.recount(NULL)$$);
SELECT pg_temp.code($$SELECT quota.recount('docs', NULL)$$);
SELECT pg_temp.code($$SELECT quota.recount('nothing')$$);
SELECT pg_temp.try($$SELECT quota.recount('tokens')$$);
SELECT pg_temp.try($$SELECT quota.recount('docs')$$);

-- Expressions: their errors come when the gate is declared.
SELECT pg_temp.code($$SELECT quota.protect('doc', 'docs', '')$$);
SELECT pg_temp.code($$SELECT quota.protect('doc', 'docs', 'r.nobody')$$);
SELECT pg_temp.code($$SELECT quota.protect('doc', 'docs', 'doc.tenant')$$);
SELECT pg_temp.code($$SELECT quota.protect('doc', 'docs', 'no_such_function(r.tenant)')$$);
SELECT pg_temp.code($$SELECT quota.protect('doc', 'docs', 'r.tenant', 'r.tenant')$$);
SELECT pg_temp.try($$SELECT quota.protect('doc', 'docs', 'r.tenant', 'r.price')$$);
SELECT pg_temp.code($$SELECT quota.protect('doc', 'docs', 'r.tenant', '1.0')$$);
SELECT pg_temp.code($$SELECT quota.protect('doc', 'docs', 'r.tenant', 'NULL')$$);
SELECT pg_temp.code($$SELECT quota.protect('doc', 'docs', 'r.tenant', '''1''')$$);
SELECT pg_temp.code($$SELECT quota.protect('doc', 'docs', 'max(r.tenant)')$$);
SELECT pg_temp.code($$SELECT quota.protect('doc', 'docs', 'r.tenant', 'row_number() OVER ()')$$);
SELECT pg_temp.code($$SELECT quota.protect('doc', 'docs', 'r.tenant', 'generate_series(1, 3)')$$);
SELECT pg_temp.code($$SELECT quota.protect('doc', 'docs', '(SELECT tenant FROM doc, generate_series(1, 2)) FROM doc')$$);
SELECT pg_temp.code($$SELECT quota.protect('doc', 'docs', 'r.tenant', '$1')$$);
-- nothing gets out of its parentheses
SELECT e AS expression, pg_temp.code(format('SELECT quota.protect(''doc'', ''docs'', %L)', e)), pg_temp.code(format('SELECT quota.protect(''doc'', ''docs'', ''r.tenant'', %L)', e))
FROM unnest(ARRAY['1), (2', '1), (2) FROM doc --', '1) FROM (SELECT 1) AS x (y', '1); DROP TABLE doc; SELECT (1', '1) UNION SELECT (2', '1) INTO x FROM (VALUES (1)) AS v (a', '1) ORDER BY (1',
                  '1) LIMIT (1', '1) AS x, (2', '1 /*', '1 */', '--', 'WITH d AS (DELETE FROM doc RETURNING 1) SELECT 1', '(WITH d AS (DELETE FROM doc RETURNING 1) SELECT 1)',
                  'SELECT 1; SELECT 2', ')', '1) FOR UPDATE OF r --', '1) WHERE (true', '1) GROUP BY (1', '*', '1) WINDOW w AS (']) e;
SELECT count(*) FROM doc;
SELECT * FROM quota.gates;

-- Targets.
CREATE VIEW v AS SELECT * FROM doc;
CREATE MATERIALIZED VIEW mv AS SELECT * FROM doc;
CREATE SEQUENCE s;
CREATE INDEX i ON doc (id);
CREATE TYPE composite AS (tenant text);
SELECT t AS target, pg_temp.try(format('SELECT quota.protect(%L, ''docs'', ''r.tenant'')', t))
FROM unnest(ARRAY['v', 'mv', 's', 'i', 'composite', 'pg_class', 'pg_catalog.pg_authid', 'information_schema.sql_features', 'quota_internal.bucket', 'quota.ledger', 'quota_internal.subscription']) t;
SELECT quota.protect('doc', 'docs', 'r.tenant', 'r.n');
SELECT pg_temp.try($$SELECT quota.protect('doc', 'docs', 'r.tenant')$$);
SELECT pg_temp.code($$SELECT quota.unprotect('doc', 'tokens')$$);

-- Rows: what a new one does not say is an error ...
SELECT pg_temp.run($$INSERT INTO doc VALUES (1, NULL)$$);
SELECT pg_temp.run($$INSERT INTO doc VALUES (1, 'ann', NULL)$$);
SELECT pg_temp.run($$INSERT INTO doc VALUES (1, 'ann', -1)$$);
SELECT pg_temp.run($$INSERT INTO doc VALUES (1, 'ann', 1), (2, NULL, 0)$$);
SELECT pg_temp.run($$INSERT INTO doc VALUES (1, '')$$);
SELECT pg_temp.run($$INSERT INTO doc VALUES (1, 'a//b')$$);
SELECT pg_temp.run($$INSERT INTO doc VALUES (1, E'a\nb')$$);
SELECT left(pg_temp.run($$INSERT INTO doc VALUES (1, repeat('x', 256))$$), 60);
SELECT left(pg_temp.run($$INSERT INTO doc VALUES (1, repeat('x', 1000000))$$), 60);
SELECT pg_temp.run($$INSERT INTO doc VALUES (1, 'a/b/c/d/e/f/g/h/i')$$);
INSERT INTO doc VALUES (1, 'ann', 2);
SELECT pg_temp.run($$UPDATE doc SET tenant = NULL$$);
SELECT pg_temp.run($$UPDATE doc SET n = -1$$);
:used
-- ... and where it is, CONTEXT says
\set VERBOSITY default
INSERT INTO doc VALUES (1, NULL);
ALTER TABLE doc RENAME tenant TO payer;
INSERT INTO doc VALUES (1, 'ann');
ALTER TABLE doc RENAME payer TO tenant;
:ok
-- sums that no bigint holds
DELETE FROM doc;
SELECT quota.unprotect('doc', 'docs'), quota.protect('doc', 'docs', 'r.tenant', 'r.n::bigint * 4611686018427387904');
SELECT count(*) FROM quota.apply_catalog(jsonb_set(quota.export_catalog(), '{plans,free,entitlements,docs,allowance}', 'null'));
SELECT pg_temp.run($$INSERT INTO doc VALUES (1, 'bob', 1), (2, 'bob', 1)$$);
SELECT pg_temp.run($$INSERT INTO doc VALUES (1, 'bob', 2)$$);
SELECT pg_temp.run($$INSERT INTO doc VALUES (1, 'bob', 1)$$);
DELETE FROM doc;
SELECT quota.unprotect('doc', 'docs'), quota.protect('doc', 'docs', 'r.tenant', 'r.n');
SELECT count(*) FROM quota.apply_catalog(jsonb_set(quota.export_catalog(), '{plans,free,entitlements,docs,allowance}', '9'));
:used
:ok
-- ... but an old row must never become undeletable, nor unchangeable as long as it does not grow
ALTER TABLE doc DISABLE TRIGGER USER;
INSERT INTO doc VALUES (1, NULL, 1), (2, 'a//b', 1), (3, NULL, -1), (4, 'ann', NULL), (5, 'ann', -5), (6, NULL, 0), (7, 'bob', 1);
ALTER TABLE doc ENABLE TRIGGER USER;
UPDATE doc SET at = now();
UPDATE doc SET tenant = 'c//d' WHERE id = 1;
UPDATE doc SET tenant = NULL WHERE id IN (1, 2);
UPDATE doc SET tenant = 'a//b' WHERE id = 2;
UPDATE doc SET n = -6 WHERE id = 4;
SELECT pg_temp.run($$UPDATE doc SET n = 2 WHERE id = 1$$);
SELECT pg_temp.run($$UPDATE doc SET n = 2 WHERE id = 2$$);
SELECT pg_temp.run($$UPDATE doc SET tenant = 'a//b' WHERE id = 7$$);
SELECT pg_temp.run($$UPDATE doc SET n = NULL WHERE id = 7$$);
SELECT pg_temp.run($$UPDATE doc SET n = -1 WHERE id = 7$$);
:used
UPDATE doc SET tenant = 'ann', n = 2 WHERE id = 1;
:used
UPDATE doc SET n = 0 WHERE id = 5;
DELETE FROM doc WHERE id > 1;
:used
DELETE FROM doc;
:used
:ok

-- Declared by hand: gate() says what it needs.
CREATE TABLE hand (id int, tenant text);
SELECT pg_temp.code('SELECT quota.gate()');
CREATE FUNCTION pg_temp.declared(declaration text, statement text DEFAULT 'INSERT INTO hand VALUES (1, ''ann'')') RETURNS text LANGUAGE plpgsql AS $$
DECLARE answer text;
BEGIN
    EXECUTE 'CREATE TRIGGER t ' || declaration;
    answer := pg_temp.run(statement);
    EXECUTE 'DROP TRIGGER t ON ' || CASE WHEN declaration LIKE '% ON v %' THEN 'v' ELSE 'hand' END;
    RETURN answer;
END $$;
SELECT pg_temp.declared('BEFORE INSERT ON hand FOR EACH ROW EXECUTE FUNCTION quota.gate(''docs'', ''r.tenant'')');
SELECT pg_temp.declared('BEFORE INSERT ON hand EXECUTE FUNCTION quota.gate(''docs'', ''r.tenant'')');
SELECT pg_temp.declared('AFTER INSERT ON hand EXECUTE FUNCTION quota.gate(''docs'', ''r.tenant'')');
SELECT pg_temp.declared('AFTER UPDATE ON hand REFERENCING NEW TABLE AS n FOR EACH STATEMENT EXECUTE FUNCTION quota.gate(''docs'', ''r.tenant'')', 'UPDATE hand SET id = 1');
SELECT pg_temp.declared('AFTER TRUNCATE ON hand EXECUTE FUNCTION quota.gate(''docs'', ''r.tenant'')', 'TRUNCATE hand');
SELECT pg_temp.declared('AFTER INSERT ON hand REFERENCING NEW TABLE AS n FOR EACH STATEMENT EXECUTE FUNCTION quota.gate()');
SELECT pg_temp.declared('AFTER INSERT ON hand REFERENCING NEW TABLE AS n FOR EACH STATEMENT EXECUTE FUNCTION quota.gate(''docs'')');
SELECT pg_temp.declared('AFTER INSERT ON hand REFERENCING NEW TABLE AS n FOR EACH STATEMENT EXECUTE FUNCTION quota.gate(''docs'', ''r.tenant'', ''1'', ''never'', ''refuse'', ''more'')');
SELECT pg_temp.declared('AFTER INSERT ON hand REFERENCING NEW TABLE AS n FOR EACH STATEMENT EXECUTE FUNCTION quota.gate(''docs'', ''r.tenant'', ''1'', ''maybe'')');
SELECT pg_temp.declared('AFTER INSERT ON hand REFERENCING NEW TABLE AS n FOR EACH STATEMENT EXECUTE FUNCTION quota.gate(''docs'', ''r.tenant'', ''1'', ''never'', '''')');
SELECT pg_temp.declared('AFTER INSERT ON hand REFERENCING NEW TABLE AS n FOR EACH STATEMENT EXECUTE FUNCTION quota.gate(''nothing'', ''r.tenant'')');
SELECT pg_temp.declared('AFTER INSERT ON hand REFERENCING NEW TABLE AS n FOR EACH STATEMENT EXECUTE FUNCTION quota.gate(''api'', ''r.tenant'')');
SELECT pg_temp.declared('AFTER INSERT ON hand REFERENCING NEW TABLE AS n FOR EACH STATEMENT EXECUTE FUNCTION quota.gate(''docs'', ''r.tenant), (1'')');
SELECT pg_temp.declared('INSTEAD OF INSERT ON v FOR EACH ROW EXECUTE FUNCTION quota.gate(''docs'', ''r.tenant'')', 'INSERT INTO v VALUES (1)');
-- verify() tells of one that cannot work
CREATE TRIGGER t AFTER INSERT ON hand REFERENCING NEW TABLE AS n FOR EACH STATEMENT EXECUTE FUNCTION quota.gate('api', 'r.tenant');
CREATE TRIGGER u AFTER INSERT ON hand FOR EACH ROW EXECUTE FUNCTION quota.gate();
SELECT * FROM quota.verify();
DROP TABLE hand;
:ok
DROP EXTENSION quota CASCADE;
DROP SCHEMA gates CASCADE;
