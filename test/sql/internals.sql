--
-- Every C function, called by a superuser with NULL, 0 and nonsense: whatever it
-- answers, no crash, and no error that says that it is ours (XX000)
--
SET client_min_messages = error; DROP EXTENSION IF EXISTS quota CASCADE; CREATE EXTENSION quota CASCADE;
SET TimeZone = 'UTC';
SELECT count(*) FROM quota.apply_catalog('{
    "features": {"tokens": {"kind": "metered"}, "docs": {"kind": "capacity"}, "api": {"kind": "rate"}, "on": {"kind": "boolean"}, "size": {"kind": "static"}},
    "plans": {"free": {"default": true, "entitlements": {"tokens": {"allowance": 100, "period": "month"}, "docs": {"allowance": 10},
                                                         "api": {"rate": {"limit": 9, "per": "1 minute"}}, "on": {"value": true}, "size": {"value": 5}}}},
    "actions": {"chat": {"charges": {"tokens": {"per_unit": {"in": 1}}}}}}');
SELECT id > 0 AS charged FROM quota.debit('ann', 'tokens');
CREATE TABLE internals_table (tenant text);

-- What an argument of a type can be.
CREATE TEMP TABLE value (type regtype, value text);
INSERT INTO value VALUES
    ('text', 'ann'), ('text', ''), ('text', 'a//b'), ('text', 'tokens'), ('text', 'docs'), ('text', 'api'), ('text', 'on'), ('text', 'size'), ('text', 'nix'),
    ('text', 'chat'), ('text', 'month'), ('text', '-1'), ('text', E'\x01'), ('text', repeat('x', 10000)), ('boolean', 't'), ('boolean', 'f'),
    ('smallint', '1'), ('smallint', '0'), ('smallint', '-1'), ('smallint', '32767'), ('integer', '1'), ('integer', '0'), ('integer', '-1'), ('integer', '2147483647'),
    ('bigint', '1'), ('bigint', '0'), ('bigint', '-1'), ('bigint', '9223372036854775807'), ('bigint', '-9223372036854775808'),
    ('numeric', '1'), ('numeric', '0'), ('numeric', '-1'), ('numeric', 'NaN'), ('numeric', 'Infinity'), ('numeric', '1e300'),
    ('jsonb', '{}'), ('jsonb', '[]'), ('jsonb', 'null'), ('jsonb', '1'), ('jsonb', '"x"'), ('jsonb', '{"tokens": 1}'), ('jsonb', '{"in": -1}'),
    ('interval', '1 hour'), ('interval', '0'), ('interval', '-1 day'), ('interval', '1000000 years'),
    ('timestamptz', '2026-01-10'), ('timestamptz', 'infinity'), ('timestamptz', '-infinity'), ('timestamptz', '4714-11-24 00:00:00+00 BC'), ('timestamptz', '294276-12-31'),
    ('oid', '0'), ('oid', '1'), ('oid', '4294967295'), ('regclass', 'internals_table'), ('regclass', '0'), ('regclass', 'pg_class'), ('regclass', 'pg_class_oid_index'),
    ('text[]', '{docs,r.tenant}'), ('text[]', '{}'), ('text[]', '{NULL}'), ('text[]', '{docs}'), ('text[]', '{docs,NULL}'), ('text[]', '{{docs},{x}}'), ('text[]', '{docs,r.nix,x,y,z,a,b}'),
    ('bigint[]', '{1,1,10,9223372036854775807}'), ('bigint[]', '{}'), ('bigint[]', '{NULL,1,1,1}'), ('bigint[]', '{1}'), ('bigint[]', '{{1,1},{-9223372036854775808,-1}}'),
    ('bytea', ''), ('bytea', '\x00'), ('bytea', '\x61'), ('bytea', '\x6100');
INSERT INTO value SELECT 'oid', 'internals_table'::regclass::oid::text;

CREATE FUNCTION pg_temp.call(function regprocedure, args text[]) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    BEGIN
        EXECUTE format('SELECT count(x.*) FROM %s(%s) x', split_part(function::text, '(', 1),
                       (SELECT string_agg(format('%L::%s', a.value, t.type::regtype), ', ' ORDER BY a.n)
                        FROM unnest(args) WITH ORDINALITY a(value, n)
                            JOIN pg_proc p ON p.oid = function, LATERAL unnest(p.proargtypes) WITH ORDINALITY t(type, m) WHERE t.m = a.n));
        RAISE EXCEPTION 'taken back';
    EXCEPTION WHEN OTHERS THEN
        RETURN CASE WHEN SQLERRM = 'taken back' THEN 'ok' ELSE SQLSTATE || ' ' || SQLERRM END;
    END;
END $$;
CREATE TEMP TABLE answer (function regprocedure, args text[], answer text);
-- each argument each value in turn, the others NULL, and all the first that their type has
DO $$
DECLARE
    f record;
    n int;
    v record;
    usual text[];
    args text[];
BEGIN
    FOR f IN SELECT p.oid::regprocedure AS name, p.proargtypes AS types, p.pronargs AS nargs
             FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
             WHERE p.pronamespace IN (SELECT oid FROM pg_namespace WHERE nspname LIKE 'quota%') AND l.lanname = 'c' ORDER BY p.proname
    LOOP
        usual := ARRAY(SELECT CASE t.type::regtype WHEN 'text'::regtype THEN CASE t.m WHEN 1 THEN 'ann' WHEN 2 THEN 'tokens' ELSE 'month' END
                                                   ELSE (SELECT value FROM value x WHERE x.type = t.type LIMIT 1) END
                       FROM unnest(f.types) WITH ORDINALITY t(type, m) ORDER BY t.m);
        INSERT INTO answer VALUES (f.name, usual, pg_temp.call(f.name, usual));
        args := array_fill(NULL::text, ARRAY[f.nargs::int]);
        INSERT INTO answer VALUES (f.name, args, pg_temp.call(f.name, args));
        FOR n IN 1 .. f.nargs LOOP
            FOR v IN SELECT value FROM value x WHERE x.type = f.types[n - 1] UNION ALL SELECT NULL LOOP
                args := usual;
                args[n] := v.value;
                INSERT INTO answer VALUES (f.name, args, pg_temp.call(f.name, args));
                args := array_fill(NULL::text, ARRAY[f.nargs::int]);
                args[n] := v.value;
                INSERT INTO answer VALUES (f.name, args, pg_temp.call(f.name, args));
            END LOOP;
        END LOOP;
    END LOOP;
END $$;
SELECT * FROM pg_temp.answer WHERE answer LIKE 'XX%' ORDER BY function::text, args;
SELECT count(DISTINCT function) > 40 AS many, count(*) FILTER (WHERE answer = 'ok') > 100 AS some_answer FROM pg_temp.answer;
-- types whose values nobody thought of here
SELECT DISTINCT t.type::regtype FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang, unnest(p.proargtypes) t(type)
WHERE p.pronamespace = 'quota_internal'::regnamespace AND l.lanname = 'c' AND t.type NOT IN (SELECT type FROM value);
SELECT * FROM quota.verify();

DROP EXTENSION quota CASCADE;
DROP TABLE internals_table;
