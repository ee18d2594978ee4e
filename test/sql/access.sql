--
-- Who may do what: levels, nothing for PUBLIC, nothing planted beforehand helps
--
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS quota CASCADE;
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/include/as_role.psql'
\i :helpers

-- rights on our objects that anybody but the owner has
CREATE VIEW pg_temp.rights AS
SELECT what, CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END AS grantee,
       string_agg(a.privilege_type || CASE WHEN a.is_grantable THEN '*' ELSE '' END, ',' ORDER BY a.privilege_type) AS rights
FROM (SELECT 'schema ' || n.nspname AS what, n.nspowner AS owner, coalesce(n.nspacl, acldefault('n', n.nspowner)) AS acl
          FROM pg_namespace n WHERE n.nspname IN ('quota', 'quota_internal')
      UNION ALL
      SELECT 'function ' || p.proname, p.proowner, coalesce(p.proacl, acldefault('f', p.proowner))
          FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname IN ('quota', 'quota_internal')
      UNION ALL
      SELECT 'relation ' || c.relname, c.relowner,
             coalesce(c.relacl, acldefault(CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", c.relowner))
          FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
          WHERE n.nspname IN ('quota', 'quota_internal') AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
      UNION ALL
      SELECT 'column ' || c.relname || '.' || t.attname, c.relowner, t.attacl
          FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute t ON t.attrelid = c.oid
          WHERE n.nspname IN ('quota', 'quota_internal')
      UNION ALL
      SELECT 'type ' || t.typname, t.typowner, coalesce(t.typacl, acldefault('T', t.typowner))
          FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace WHERE n.nspname IN ('quota', 'quota_internal')
          AND (t.typtype = 'r' OR EXISTS (SELECT FROM pg_class c WHERE c.oid = t.typrelid AND c.relkind = 'c'))
     ) o, aclexplode(o.acl) a
WHERE a.grantee <> o.owner
GROUP BY 1, 2;

-- what an aborted run may have left
DROP ROLE IF EXISTS regress_quota_nobody, regress_quota_reader, regress_quota_app, regress_quota_admin, regress_quota_planted,
    "regress_quota ""O'Hara"", %s";
CREATE ROLE regress_quota_nobody;
CREATE ROLE regress_quota_reader;
CREATE ROLE regress_quota_app;
CREATE ROLE regress_quota_admin;
CREATE ROLE regress_quota_planted;
CREATE ROLE "regress_quota ""O'Hara"", %s";

--
-- Default privileges planted before the installation leave nothing behind
--
CREATE EXTENSION IF NOT EXISTS pgcrypto;
ALTER DEFAULT PRIVILEGES GRANT ALL ON SCHEMAS TO regress_quota_planted WITH GRANT OPTION;
ALTER DEFAULT PRIVILEGES GRANT ALL ON FUNCTIONS TO regress_quota_planted WITH GRANT OPTION;
ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO regress_quota_planted WITH GRANT OPTION;
ALTER DEFAULT PRIVILEGES GRANT ALL ON SEQUENCES TO regress_quota_planted WITH GRANT OPTION;
ALTER DEFAULT PRIVILEGES GRANT ALL ON TYPES TO regress_quota_planted WITH GRANT OPTION;
ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO PUBLIC;
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
CREATE EXTENSION quota CASCADE;
SELECT * FROM pg_temp.rights ORDER BY 1, 2;
-- the same without PUBLIC's default, and when the rights come with each new function alone
DROP EXTENSION quota;
ALTER DEFAULT PRIVILEGES GRANT EXECUTE ON FUNCTIONS TO PUBLIC;
CREATE EXTENSION quota;
SELECT * FROM pg_temp.rights ORDER BY 1, 2;
ALTER DEFAULT PRIVILEGES REVOKE ALL ON SCHEMAS FROM regress_quota_planted;
ALTER DEFAULT PRIVILEGES REVOKE ALL ON FUNCTIONS FROM regress_quota_planted;
ALTER DEFAULT PRIVILEGES REVOKE ALL ON TABLES FROM regress_quota_planted;
ALTER DEFAULT PRIVILEGES REVOKE ALL ON SEQUENCES FROM regress_quota_planted;
ALTER DEFAULT PRIVILEGES REVOKE ALL ON TYPES FROM regress_quota_planted;
ALTER DEFAULT PRIVILEGES REVOKE ALL ON TABLES FROM PUBLIC;
SELECT count(*) FROM pg_default_acl;
DROP ROLE regress_quota_planted;

-- a schema that somebody else made is not adopted
DROP EXTENSION quota;
CREATE SCHEMA quota;
SELECT pg_temp.try('CREATE EXTENSION quota');
DROP SCHEMA quota;
CREATE EXTENSION quota;

--
-- Every object says what it is
--
SELECT p.oid::regprocedure AS function_without_comment FROM pg_proc p
WHERE p.pronamespace = ANY ('{quota,quota_internal}'::regnamespace[]) AND obj_description(p.oid, 'pg_proc') IS NULL ORDER BY 1;
SELECT c.oid::regclass AS relation_without_comment FROM pg_class c
WHERE c.relnamespace = ANY ('{quota,quota_internal}'::regnamespace[]) AND c.relkind IN ('r', 'p', 'v') AND obj_description(c.oid, 'pg_class') IS NULL ORDER BY 1;
SELECT c.oid::regclass, a.attname AS view_column_without_comment
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
WHERE c.relnamespace = ANY ('{quota,quota_internal}'::regnamespace[]) AND c.relkind = 'v' AND col_description(c.oid, a.attnum) IS NULL ORDER BY 1, 2;

--
-- Levels
--
SELECT quota.grant_access('regress_quota_reader', 'reader');
SELECT quota.grant_access('regress_quota_app', 'app');
SELECT quota.grant_access('regress_quota_admin', 'admin');

-- Each function is called by each role, with NULL for every argument; what is
-- not refused gets as far as complaining about that.  (A strict function is not
-- called at all with a constant NULL, but of those there is none but the type's.)
CREATE FUNCTION pg_temp.may(as_role text, function oid) RETURNS text LANGUAGE sql AS $$
    SELECT CASE left(pg_temp.try(format('SELECT %s.%I(%s)', p.pronamespace::regnamespace, p.proname,
                (SELECT string_agg('NULL::' || t.type::regtype, ', ' ORDER BY t.n)
                 FROM unnest(p.proargtypes) WITH ORDINALITY t(type, n))), as_role), 5)
           WHEN '42501' THEN '-' WHEN '42883' THEN 'missing' ELSE 'yes' END
    FROM pg_proc p WHERE p.oid = function
$$;
SELECT p.proname, pg_temp.may('regress_quota_nobody', p.oid) AS nobody, pg_temp.may('regress_quota_reader', p.oid) AS reader,
       pg_temp.may('regress_quota_app', p.oid) AS app, pg_temp.may('regress_quota_admin', p.oid) AS admin
FROM pg_proc p
WHERE p.pronamespace = ANY ('{quota,quota_internal}'::regnamespace[]) AND p.prorettype <> 'trigger'::regtype
  AND (p.proname !~ '^(_|subject_)' OR p.oid IN (SELECT f.oid FROM pg_proc f, aclexplode(f.proacl) a WHERE a.grantee <> f.proowner))
ORDER BY p.proname COLLATE "C";
-- no trigger function
SELECT p.oid::regprocedure FROM pg_proc p, aclexplode(p.proacl) a
WHERE p.pronamespace = ANY ('{quota,quota_internal}'::regnamespace[]) AND p.prorettype = 'trigger'::regtype AND a.grantee <> p.proowner;

CREATE FUNCTION pg_temp.may_read(as_role text, relation oid) RETURNS text LANGUAGE sql AS $$
    SELECT CASE left(pg_temp.try('SELECT count(*) FROM ' || relation::regclass, as_role), 5)
           WHEN '42501' THEN '-' WHEN 'ok' THEN 'yes' ELSE 'broken' END
$$;
SELECT c.relname, pg_temp.may_read('regress_quota_nobody', c.oid) AS nobody, pg_temp.may_read('regress_quota_reader', c.oid) AS reader,
       pg_temp.may_read('regress_quota_app', c.oid) AS app, pg_temp.may_read('regress_quota_admin', c.oid) AS admin
FROM pg_class c WHERE c.relnamespace = ANY ('{quota,quota_internal}'::regnamespace[]) AND c.relkind = 'v' ORDER BY c.relname COLLATE "C";

-- no right on a table or sequence, none but SELECT on a view, no grant option, no CREATE
SELECT * FROM pg_temp.rights r
WHERE r.what !~ '^function ' AND (r.rights <> 'SELECT' OR NOT EXISTS (
    SELECT FROM pg_class c WHERE c.relnamespace = ANY ('{quota,quota_internal}'::regnamespace[]) AND c.relkind = 'v' AND 'relation ' || c.relname = r.what))
ORDER BY 1, 2;

-- and tried
SELECT t.relname AS "as app", left(pg_temp.try(format(s.statement, t.oid::regclass), 'regress_quota_app'), 5) AS state, count(*)
FROM pg_class t, (VALUES
    ('SELECT FROM %s'), ('INSERT INTO %s DEFAULT VALUES'), ('DELETE FROM %s'), ('TRUNCATE %s'), ('LOCK TABLE %s'),
    ('CREATE TRIGGER t AFTER INSERT ON %s FOR EACH STATEMENT EXECUTE FUNCTION tsvector_update_trigger()'),
    ('CREATE RULE r AS ON INSERT TO %s DO ALSO NOTIFY n'), ('ALTER TABLE %s DISABLE TRIGGER ALL'), ('DROP TABLE %s'),
    ('CREATE INDEX ON %s ((1))')) AS s(statement)
WHERE t.relnamespace = ANY ('{quota,quota_internal}'::regnamespace[]) AND t.relkind IN ('r', 'p')
GROUP BY 1, 2 ORDER BY 1, 2;
SELECT t.relname AS "as admin", left(pg_temp.try(format(s.statement, t.oid::regclass), 'regress_quota_admin'), 5) AS state, count(*)
FROM pg_class t, (VALUES
    ('SELECT FROM %s'), ('INSERT INTO %s DEFAULT VALUES'), ('DELETE FROM %s'), ('TRUNCATE %s'),
    ('CREATE TRIGGER t AFTER INSERT ON %s FOR EACH STATEMENT EXECUTE FUNCTION tsvector_update_trigger()')) AS s(statement)
WHERE t.relnamespace = ANY ('{quota,quota_internal}'::regnamespace[]) AND t.relkind IN ('r', 'p')
GROUP BY 1, 2 ORDER BY 1, 2;
-- nobody builds on a type of ours, which an update or DROP TABLE of a month would stop at
SELECT count(*) > 0 AS maintained FROM quota.maintain();
SELECT count(*) > 1 AS has_months FROM pg_inherits WHERE inhparent = 'quota_internal.ledger_entry'::regclass;
SELECT t.oid::regtype AS type, has_type_privilege('regress_quota_admin', t.oid, 'USAGE')
FROM pg_type t WHERE t.typnamespace = ANY ('{quota,quota_internal}'::regnamespace[]) AND t.typcategory <> 'A' AND t.typtype <> 'm' AND has_type_privilege('regress_quota_app', t.oid, 'USAGE');
SELECT s.statement, pg_temp.try(s.statement, 'regress_quota_app') AS "as app"
FROM (VALUES
    ('UPDATE quota_internal.bucket SET used = 0'),
    ('UPDATE quota_internal.plan SET name = name'),
    ('SELECT nextval(''quota_internal.ledger_id_seq'')'),
    ('SELECT setval(''quota_internal.ledger_id_seq'', 1)'),
    ('CREATE TABLE quota.mine ()'),
    ('CREATE FUNCTION quota.debit() RETURNS int LANGUAGE sql AS ''SELECT 1'''),
    ('CREATE OR REPLACE FUNCTION quota_internal._now() RETURNS timestamptz LANGUAGE sql AS ''SELECT now()'''),
    ('SELECT quota_internal._now()'),
    ('SELECT quota_internal._take_over(''a'', 1, 0, now(), now(), now(), now())'),
    ('SELECT quota_internal.subject_range(''a'', ''b'')'),
    ('CREATE TABLE pg_temp.t (r quota_internal.subject_range)'),
    ('CREATE TABLE pg_temp.t (r quota_internal.subscription[])'),
    ('CREATE TABLE pg_temp.t (r quota.events)'),
    ('CREATE FUNCTION pg_temp.f() RETURNS trigger LANGUAGE c AS ''$libdir/quota'', ''quota_invalidate'''),
    ('ALTER EXTENSION quota DROP FUNCTION quota_internal._now()'),
    ('DROP EXTENSION quota'),
    ('SET quota.enforcement = observe'),
    ('SET quota.clock = ''2020-01-01''')) AS s(statement);
SELECT s.statement, pg_temp.try(s.statement, 'regress_quota_admin') AS "as admin"
FROM (VALUES
    ('SET quota.enforcement = observe'),
    ('SET quota.clock = ''2020-01-01'''),
    ('SELECT quota_internal._take_over(''a'', 1, 0, now(), now(), now(), now())'),
    ('UPDATE quota.subscriptions SET plan = plan'),
    ('DELETE FROM quota.events'),
    ('GRANT EXECUTE ON FUNCTION quota.subscribe TO regress_quota_nobody'),
    ('GRANT USAGE ON SCHEMA quota TO PUBLIC')) AS s(statement);
SELECT has_schema_privilege('regress_quota_nobody', 'quota', 'USAGE'), has_schema_privilege('public', 'quota', 'USAGE');

\c -
SET client_min_messages = warning;
-- what \c took with it
\i :helpers
CREATE FUNCTION pg_temp.level(of_role text) RETURNS text LANGUAGE sql AS $$
    SELECT concat_ws(' ', CASE WHEN has_schema_privilege(of_role, 'quota', 'USAGE') THEN 'schema' END,
        CASE WHEN has_function_privilege(of_role, 'quota.check(text, text, bigint)', 'EXECUTE') THEN 'check' END,
        CASE WHEN has_table_privilege(of_role, 'quota.events', 'SELECT') THEN 'events' END,
        CASE WHEN has_function_privilege(of_role, 'quota.debit(text, text, bigint, text, jsonb)', 'EXECUTE') THEN 'debit' END,
        CASE WHEN has_function_privilege(of_role, 'quota.cancel(text, text)', 'EXECUTE') THEN 'cancel' END,
        CASE WHEN has_table_privilege(of_role, 'quota.ledger', 'SELECT') THEN 'ledger' END)
$$;

-- a role has exactly the level that it was given last
SELECT level, quota.grant_access('regress_quota_nobody', level), pg_temp.level('regress_quota_nobody')
FROM unnest('{reader,reader,app,admin,admin,app,reader}'::text[]) level;
SELECT quota.revoke_access('regress_quota_nobody'), pg_temp.level('regress_quota_nobody');
SELECT quota.revoke_access('regress_quota_nobody'), pg_temp.level('regress_quota_nobody');
SELECT quota.grant_access('regress_quota "O''Hara", %s', 'app'), pg_temp.level('regress_quota "O''Hara", %s');

-- what a superuser gave by hand, column and grant options too, goes as well
GRANT ALL ON ALL TABLES IN SCHEMA quota TO regress_quota_nobody WITH GRANT OPTION;
GRANT SELECT (subject) ON quota_internal.bucket TO regress_quota_nobody;
GRANT ALL ON ALL FUNCTIONS IN SCHEMA quota TO regress_quota_nobody WITH GRANT OPTION;
GRANT ALL ON SCHEMA quota TO regress_quota_nobody;
GRANT USAGE ON TYPE quota_internal.subject_range TO regress_quota_nobody;
SET ROLE regress_quota_nobody;
GRANT EXECUTE ON FUNCTION quota.subscribe TO regress_quota_reader;
RESET ROLE;
SELECT quota.grant_access('regress_quota_nobody', 'reader'), pg_temp.level('regress_quota_nobody'),
       has_column_privilege('regress_quota_nobody', 'quota_internal.bucket', 'subject', 'SELECT') AS col,
       has_function_privilege('regress_quota_reader', 'quota.subscribe(text, text, timestamptz, timestamptz, interval, text, text, jsonb, bigint)', 'EXECUTE') AS passed_on;

-- administrators make administrators, and unmake them, whoever granted
SET ROLE regress_quota_admin;
SELECT quota.grant_access('regress_quota_nobody', 'admin');
SET ROLE regress_quota_nobody;
SELECT quota.revoke_access('regress_quota_admin');
RESET ROLE;
SELECT pg_temp.level('regress_quota_admin') AS admin, pg_temp.level('regress_quota_nobody') AS nobody;
SELECT quota.grant_access('regress_quota_admin', 'admin');
SELECT quota.revoke_access('regress_quota_nobody');

-- no level above reader and app grants levels
SELECT r AS role, left(pg_temp.try('SELECT quota.grant_access(''' || r || ''', ''admin'')', r), 5) AS state
FROM unnest('{regress_quota_nobody,regress_quota_reader,regress_quota_app}'::text[]) r;

SELECT s.statement, pg_temp.try(s.statement)
FROM (VALUES
    ('SELECT quota.grant_access(NULL, ''app'')'),
    ('SELECT quota.grant_access(''regress_quota_app'', NULL)'),
    ('SELECT quota.grant_access(''regress_quota_app'', ''owner'')'),
    ('SELECT quota.grant_access(''regress_quota_app'', ''App'')'),
    ('SELECT quota.grant_access(''regress_quota_app'', repeat(''x'', 10000000))'),
    ('SELECT quota.grant_access(''regress_quota_none'', ''app'')'),
    ('SELECT quota.grant_access('''', ''app'')'),
    ('SELECT quota.grant_access(''regress_quota_app, regress_quota_nobody'', ''app'')'),
    ('SELECT quota.grant_access(''current_user'', ''app'')'),
    ('SELECT quota.grant_access(''session_user'', ''app'')'),
    ('SELECT quota.grant_access(''public'', ''app'')'),
    ('SELECT quota.grant_access(''PUBLIC'', ''app'')'),
    ('SELECT quota.revoke_access(NULL)'),
    ('SELECT quota.revoke_access(''public'')'),
    ('SELECT quota.revoke_access(''regress_quota_none'')'),
    ('SELECT quota.revoke_access(repeat(''regress_quota_app'', 10))')) AS s(statement);
-- the owner cannot lock himself out
SELECT left(pg_temp.try(format('SELECT quota.revoke_access(%L)', current_user)), 5) AS revoke_owner,
       left(pg_temp.try(format('SELECT quota.grant_access(%L, ''reader'')', current_user)), 5) AS grant_owner;

--
-- A hostile search_path: everything that our code could find by mistake raises
--
CREATE SCHEMA regress_quota_evil;
DO $$
DECLARE
    f record;
BEGIN
    -- functions of one to three arguments that shadow the built-in ones
    FOR f IN
        SELECT p.proname, pg_get_function_identity_arguments(p.oid) AS args, format_type(p.prorettype, NULL) AS result
        FROM pg_proc p
        WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.prokind = 'f' AND NOT p.proretset
          AND p.provariadic = 0 AND p.proargmodes IS NULL
          AND NOT (SELECT bool_or(t.typtype = 'p') FROM unnest(p.proargtypes || p.prorettype) a JOIN pg_type t ON t.oid = a)
          AND p.proname IN ('now', 'left', 'lower', 'octet_length', 'length', 'isfinite', 'extract', 'date_part', 'make_interval',
                            'nextval', 'current_setting', 'set_config', 'jsonb_typeof', 'quote_ident', 'btrim', 'split_part',
                            'clock_timestamp', 'transaction_timestamp', 'timezone', 'has_function_privilege', 'strpos', 'substr',
                            'repeat', 'md5', 'floor', 'abs', 'to_char', 'pg_current_xact_id', 'array_to_string', 'string_to_array')
    LOOP
        EXECUTE format('CREATE FUNCTION regress_quota_evil.%I(%s) RETURNS %s LANGUAGE plpgsql AS $f$BEGIN RAISE EXCEPTION ''planted''; END$f$',
                       f.proname, f.args, f.result);
    END LOOP;
    -- the operators on the types that we use
    FOR f IN
        SELECT o.oprname, o.oprleft::regtype AS l, o.oprright::regtype AS r, o.oprresult::regtype AS result,
               row_number() OVER (ORDER BY o.oid) AS n
        FROM pg_operator o
        WHERE o.oprnamespace = 'pg_catalog'::regnamespace AND o.oprkind = 'b' AND o.oprname NOT IN ('=>')
          AND o.oprleft = ANY ('{text,name,oid,integer,bigint,numeric,boolean,timestamptz,interval,jsonb,"char"}'::regtype[])
          AND o.oprright = ANY ('{text,name,oid,integer,bigint,numeric,boolean,timestamptz,interval,jsonb,"char"}'::regtype[])
    LOOP
        EXECUTE format('CREATE FUNCTION regress_quota_evil.op%s(%s, %s) RETURNS %s LANGUAGE plpgsql AS $f$BEGIN RAISE EXCEPTION ''planted''; END$f$',
                       f.n, f.l, f.r, f.result);
        EXECUTE format('CREATE OPERATOR regress_quota_evil.%s (LEFTARG = %s, RIGHTARG = %s, FUNCTION = regress_quota_evil.op%s)',
                       f.oprname, f.l, f.r, f.n);
    END LOOP;
END
$$;
-- and tables by our names and the catalogs', where they come first by default
CREATE TEMP TABLE subscription (subject text);
CREATE TEMP TABLE plan (name text);
CREATE TEMP TABLE pg_proc (oid oid, proname text);
CREATE TEMP TABLE pg_roles (oid oid, rolname text);
SELECT count(*) > 100 AS planted FROM pg_catalog.pg_operator WHERE oprnamespace = 'regress_quota_evil'::regnamespace;

GRANT USAGE ON SCHEMA regress_quota_evil TO PUBLIC;
SET quota.clock = '2026-01-15 12:00+00';
SET search_path = pg_temp, regress_quota_evil, pg_catalog;
-- the trap is set
\set VERBOSITY sqlstate
SELECT now();
SELECT 'a'::text = 'a'::text;
SELECT 1::bigint + 1::bigint;
\set VERBOSITY default
SELECT * FROM quota.apply_catalog('{"features": {"tokens": {"kind": "metered", "unit": "token"}, "docs": {"kind": "capacity"},
        "mindmap": {"kind": "boolean"}, "max_mb": {"kind": "static"}},
    "plans": {"free": {"default": true, "entitlements": {"tokens": {"allowance": 10, "period": "month"}, "docs": {"allowance": 2}, "max_mb": {"value": 5}}},
              "pro": {"entitlements": {"tokens": {"allowance": 100, "period": "week", "anchor": "subscription"}, "docs": {"allowance": 20},
                                       "mindmap": {"value": true}, "max_mb": {"value": 50}}}}}');
SELECT pg_catalog.jsonb_typeof(quota.export_catalog());
SELECT quota.subscribe('acme', 'free', timezone => 'Europe/Berlin', trial => '14 days', metadata => '{"a": 1}');
SELECT * FROM quota.debit('acme/alice', 'tokens', 4, 'k1');
SELECT * FROM quota.debit('acme/alice', 'tokens', 4, 'k1');
SELECT allowed, reason, debited, remaining FROM quota.try_debit('acme', 'tokens', 100);
SELECT * FROM quota.debit('acme', 'docs');
SELECT quota.set_status('acme', 'active');
SELECT quota.change_plan('acme', 'pro');
SELECT quota.override('acme', 'tokens', '{"allowance": 50, "period": "day"}');
SELECT * FROM quota.check('acme', 'tokens', 5);
SELECT quota.has('acme', 'mindmap'), quota.setting('acme', 'max_mb');
SELECT feature, plan, allowed, used, remaining FROM quota.status('acme');
SELECT pg_catalog.jsonb_typeof(quota.me('acme'));
SELECT plan FROM quota.offers('acme', 'tokens', 1);
SELECT kind, amount, source FROM quota.statement('acme', 'tokens');
SELECT quota.override('acme', 'tokens', NULL);
SELECT refunded, remaining FROM quota.refund(1, 1);
SELECT remaining FROM quota.give_back('acme', 'docs');
SELECT quota.cancel('acme');
SELECT subject, plan, status, current_period_end FROM quota.subscriptions;
SELECT pg_catalog.count(*) FROM quota.ledger;
SELECT subject, feature, reason, times FROM quota.denials;
SELECT type FROM quota.events;
SELECT quota.grant_access('regress_quota_nobody', 'app');
SELECT quota.revoke_access('regress_quota_nobody');
-- for the roles too
SET ROLE regress_quota_app;
SELECT remaining FROM quota.debit('acme', 'tokens');
SELECT allowed FROM quota.check('acme', 'tokens');
SET ROLE regress_quota_admin;
SELECT quota.change_plan('acme', 'pro');
RESET ROLE;
RESET search_path;
RESET quota.clock;

-- installed under it, too
DROP EXTENSION quota;
SET search_path = pg_temp, regress_quota_evil, pg_catalog;
CREATE EXTENSION quota;
SET search_path = '';
DROP EXTENSION quota;
CREATE EXTENSION quota;
RESET search_path;

SET client_min_messages = error;
DROP SCHEMA regress_quota_evil CASCADE;
DROP TABLE pg_temp.subscription, pg_temp.plan, pg_temp.pg_proc, pg_temp.pg_roles;

-- a role without access can go
SELECT quota.grant_access('regress_quota_app', 'app'), quota.grant_access('regress_quota_admin', 'admin');
SELECT quota.revoke_access('regress_quota_app'), quota.revoke_access('regress_quota_admin');
DROP ROLE regress_quota_nobody, regress_quota_reader, regress_quota_app, regress_quota_admin, "regress_quota ""O'Hara"", %s";
