--
-- CONTEXT of errors: what the caller wrote, and nothing of how we work inside
--
SET client_min_messages = warning; DROP EXTENSION IF EXISTS quota CASCADE; CREATE EXTENSION quota CASCADE;
\getenv abs_srcdir PG_ABS_SRCDIR
\set calls :abs_srcdir '/sql/include/every_call.psql'
\i :calls
-- The lines of CONTEXT that an error has beside those of this function.
CREATE FUNCTION pg_temp.context(statement text, OUT state text, OUT context text) LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE statement;
    state := 'ok';
EXCEPTION WHEN OTHERS OR query_canceled THEN
    GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, context = PG_EXCEPTION_CONTEXT;
    context := nullif(regexp_replace(context, '(SQL statement [^\n]*\n)?PL/pgSQL function pg_temp[^\n]*$', ''), '');
END $$;
SELECT * FROM pg_temp.without_call;
-- what fails, and what is called with NULL for every argument
SELECT c.name, e.* FROM every_call c, LATERAL pg_temp.context(c.bad) e WHERE e.context IS NOT NULL OR e.state = 'ok' ORDER BY 1;
SELECT p.proname, e.*
FROM pg_proc p, LATERAL (SELECT string_agg('NULL::' || t.type::regtype, ', ' ORDER BY t.n) AS args
                         FROM unnest(p.proargtypes) WITH ORDINALITY t(type, n)) a,
     LATERAL pg_temp.context(format('SELECT * FROM quota.%I(%s)', p.proname, a.args)) e
WHERE p.pronamespace = 'quota'::regnamespace AND p.proname !~ '^_' AND p.proname NOT LIKE 'subject\_%range' AND e.context IS NOT NULL ORDER BY 1;
-- of errors from deep within
SELECT s.statement, e.*
FROM (VALUES ($$SELECT quota.apply_catalog('{"plans": {"free": {"default": true, "entitlements": {"tokens": {"allowance": -1}}}}}')$$),
             ($$SELECT quota.apply_catalog('{"plans": {"pro": {"period": "1 second"}}}')$$),
             ($$SELECT quota.apply_catalog('{"actions": {"chat": {"charges": {"tokens": {"per_unit": {"in": -1}}}}}}')$$),
             ($$SELECT quota.override('ann', 'tokens', '{"allowance": 1, "caps": [{"limit": 0}]}')$$),
             ($$SELECT quota.credit('a//b', 'tokens', 1)$$),
             ($$SELECT quota.credit('ann', 'tokens', 9223372036854775807) FROM generate_series(1, 2)$$),
             ($$SELECT quota.subscribe('sub', 'pro')$$),
             ($$SELECT quota.protect('pay.doc', 'docs', 'r.nix')$$),
             ($$SELECT quota.protect('pg_class', 'docs', '1')$$)) s(statement), LATERAL pg_temp.context(s.statement) e;
-- the gate stays
CREATE FUNCTION pay.refuse(text) RETURNS text STABLE LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'refused'; END $$;
SELECT s.statement, e.*
FROM (VALUES ($$SELECT quota.protect('pay.doc', 'docs', 'refuse(r.tenant)')$$), ($$INSERT INTO pay.gated VALUES (NULL)$$)) s(statement), LATERAL pg_temp.context(s.statement) e;
-- the caller's own functions, too
CREATE FUNCTION pay.mine() RETURNS void LANGUAGE plpgsql AS $$ BEGIN PERFORM quota.subscribe('ann', 'nix'); END $$;
SELECT pay.mine();
-- every public function is of a language that keeps its lines to itself
SELECT p.oid::regprocedure AS shows_its_lines FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
WHERE p.pronamespace = 'quota'::regnamespace AND p.proname !~ '^_' AND l.lanname IN ('sql', 'plpgsql');
SET ROLE pay_admin;
CREATE FUNCTION pg_temp.other() RETURNS int LANGUAGE quota_plpgsql AS 'BEGIN RETURN 1; END';
RESET ROLE;
-- nor does what C leaves to SQL tell, as where a key's row has to wait
CREATE FUNCTION pay.late() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION USING ERRCODE = '55P03', MESSAGE = 'canceling statement due to lock timeout'; END $$;
CREATE TRIGGER late BEFORE INSERT ON quota_internal.idempotency_key FOR EACH ROW EXECUTE FUNCTION pay.late();
SET ROLE pay_app;
SELECT id FROM quota.debit('ann', 'tokens', 1, 'key');
RESET ROLE;

DROP EXTENSION quota CASCADE;
DROP SCHEMA pay CASCADE;
DROP OWNED BY pay_admin, pay_app, pay_reader, pay_owner, pay_nobody;
DROP ROLE pay_admin, pay_app, pay_reader, pay_owner, pay_nobody;
