--
-- API keys: create_api_key, authenticate, revoke_api_key, view api_keys
--
SET client_min_messages = warning; DROP EXTENSION IF EXISTS quota CASCADE; CREATE EXTENSION quota CASCADE;
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/include/enforcement.psql'
\i :helpers
SET quota.clock = '2026-03-10 12:00:00+00';

-- A secret has a prefix, the key's id and 32 random bytes.
SELECT id, secret ~ '^qk_1_[0-9a-f]{64}$' AS reads_so, secret FROM quota.create_api_key('acme/al', 'ci') \gset
SELECT :id AS id, :'reads_so' AS reads_so;
SELECT id AS other_id, secret AS other FROM quota.create_api_key('acme', 'ci', '2026-03-10 13:00+00', '{read,documents:write,"so, so"}') \gset
SELECT right(:'secret', 64) <> right(:'other', 64) AS another;
SELECT * FROM quota.authenticate(:'secret');
SELECT * FROM quota.authenticate(secret => :'other');
SELECT * FROM quota.api_keys ORDER BY id;
SELECT id AS odd FROM quota.create_api_key('é/"x''; --', 'für "dich"', 'infinity') \gset
SELECT id, subject, name, scopes, created_at, expires_at FROM quota.api_keys WHERE id = :odd;

-- The secret is in no table, nor in an event.
CREATE FUNCTION pg_temp.tables_with(pattern text) RETURNS SETOF name LANGUAGE plpgsql AS $$
DECLARE
    ours name; found boolean;
BEGIN
    FOR ours IN SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'quota_internal'::regnamespace AND c.relkind IN ('r', 'p') ORDER BY 1 LOOP
        EXECUTE format('SELECT EXISTS (SELECT FROM quota_internal.%I t WHERE t::text ~ $1)', ours) INTO found USING pattern;
        IF found THEN RETURN NEXT ours; END IF;
    END LOOP;
END $$;
SELECT * FROM pg_temp.tables_with(right(:'secret', 64));
SELECT * FROM pg_temp.tables_with(encode(sha256(:'secret'), 'hex'));

-- Whatever is wrong has one answer.
CREATE FUNCTION pg_temp.answer(secret text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    detail text; hint text;
BEGIN
    RETURN (SELECT a::text FROM quota.authenticate(secret) a);
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    RETURN concat_ws(' | ', SQLSTATE, SQLERRM, detail, hint);
END $$;
SELECT pg_temp.answer(v.secret) AS answer, count(*), string_agg(v.what, ', ' ORDER BY v.n) AS to_what
FROM (VALUES
    (1, 'empty', ''), (2, 'nonsense', 'nix'), (3, 'the prefix', 'qk_'), (4, 'no id', 'qk__' || repeat('0', 64)), (5, 'an id', 'qk_1'), (6, 'id 0', 'qk_0_' || repeat('0', 64)),
    (7, 'truncated', left(:'secret', -1)), (8, 'longer', :'secret' || '0'), (9, 'a blank', :'secret' || ' '), (10, 'another letter', overlay(:'secret' PLACING 'x' FROM 40)),
    (11, 'capitals', upper(:'secret')), (12, 'half capitals', 'qk_1_' || upper(right(:'secret', 64))), (13, 'a zero before', replace(:'secret', 'qk_1_', 'qk_01_')), (14, 'another id', replace(:'secret', 'qk_1_', 'qk_2_')),
    (15, 'an unknown id', replace(:'secret', 'qk_1_', 'qk_77_')), (16, 'a huge id', replace(:'secret', 'qk_1_', 'qk_9223372036854775807_')), (17, 'too large', replace(:'secret', 'qk_1_', 'qk_99999999999999999999999_')),
    (18, 'negative', replace(:'secret', 'qk_1_', 'qk_-1_')), (19, '1 MB', repeat('x', 1 << 20)), (20, '128 bytes', rpad(:'secret', 128, 'x')), (21, '129 bytes', rpad(:'secret', 129, 'x')),
    (22, 'a digest', encode(sha256(:'secret'), 'hex')), (23, 'quotes', 'qk_1_'' OR true --'), (24, 'control characters', E'\x01\n'), (25, 'letters beyond ASCII', 'qk_é_ß')) AS v(n, what, secret)
GROUP BY 1;
SELECT pg_temp.answer(NULL);
-- expired: from its end on
SET quota.clock = '2026-03-10 12:59:59.999999+00';
SELECT pg_temp.answer(:'other');
SET quota.clock = '2026-03-10 13:00:00+00';
SELECT pg_temp.answer(:'other');
-- revoked: once, and for good
SELECT quota.revoke_api_key(:id);
SELECT pg_temp.answer(:'secret');
SET quota.clock = '2026-03-10 14:00:00+00';
SELECT quota.revoke_api_key(:id);
SELECT id, revoked_at FROM quota.api_keys WHERE id = :id;
SELECT pg_temp.try('SELECT quota.revoke_api_key(' || v || ')') FROM unnest('{"NULL",0,-1,4711,9223372036854775807}'::text[]) v;
SELECT at, type, subject, feature, data FROM quota.events WHERE type LIKE 'api%' ORDER BY id;

-- Its use is noted once a minute.
SELECT secret, id FROM quota.create_api_key('bob', 'ci') \gset
SELECT last_used_at FROM quota.api_keys WHERE id = :id;
CREATE FUNCTION pg_temp.used(secret text, at text) RETURNS timestamptz LANGUAGE plpgsql AS $$
DECLARE
    whose bigint;
BEGIN
    PERFORM set_config('quota.clock', at, false);
    SELECT key_id INTO whose FROM quota.authenticate(secret);
    RETURN (SELECT last_used_at FROM quota.api_keys WHERE id = whose);
END $$;
SELECT pg_temp.used(:'secret', at) FROM unnest('{2026-03-11 00:00:00Z,2026-03-11 00:00:01Z,2026-03-11 00:00:59.999999Z,2026-03-11 00:01:00Z,2026-03-11 00:01:30Z,2026-03-10 00:00:00Z,2026-03-12 00:00:00Z}'::text[]) at;
-- twice in a statement, in a savepoint that is rolled back, and where nothing may be written
SELECT count(*) FROM generate_series(1, 3), quota.authenticate(:'secret');
SET quota.clock = '2026-03-13 00:00:00Z';
BEGIN;
SAVEPOINT s;
SELECT subject FROM quota.authenticate(:'secret');
ROLLBACK TO s;
SELECT last_used_at FROM quota.api_keys WHERE id = :id;
SELECT subject FROM quota.authenticate(:'secret');
SELECT last_used_at FROM quota.api_keys WHERE id = :id;
ROLLBACK;
BEGIN READ ONLY;
SELECT subject FROM quota.authenticate(:'secret');
SELECT pg_temp.code(format('SELECT quota.revoke_api_key(%s)', :id));
COMMIT;
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT subject FROM quota.authenticate(:'secret');
COMMIT;
SELECT last_used_at FROM quota.api_keys WHERE id = :id;

-- Bad arguments leave no key behind.
SELECT count(*) AS keys FROM quota_internal.api_key;
SELECT pg_temp.try('SELECT quota.create_api_key(' || v || ')') AS refused FROM unnest(ARRAY[
    $$NULL, 'x'$$, $$'', 'x'$$, $$'a//b', 'x'$$, $$E'a\x01', 'x'$$, $$repeat('a', 256), 'x'$$, $$'ann', NULL$$, $$'ann', ''$$, $$'ann', E'x\ny'$$, $$'ann', E'\x7f'$$,
    $$'ann', repeat('x', 256)$$, $$'ann', 'x', '2026-03-13'$$, $$'ann', 'x', '-infinity'$$, $$'ann', 'x', '10000-01-01'$$, $$'ann', 'x', 'nix'$$, $$'ann', 'x', scopes => NULL$$,
    $$'ann', 'x', scopes => '{NULL}'$$, $$'ann', 'x', scopes => '{a,""}'$$, $$'ann', 'x', scopes => E'{"a\nb"}'$$, $$'ann', 'x', scopes => '{{a,b},{c,d}}'$$,
    $$'ann', 'x', scopes => array_fill('s'::text, '{101}')$$, $$'ann', 'x', scopes => array_fill('s'::text, '{1000}')$$, $$'ann', 'x', scopes => ARRAY[repeat('s', 256)]$$,
    $$'ann', 'x', scopes => array_fill(repeat('s', 200), '{100}')$$, $$'ann', 'x', scopes => ARRAY[repeat('s', 10000000)]$$]) v;
SELECT count(*) AS keys FROM quota_internal.api_key;
SELECT id AS most FROM quota.create_api_key('ann', repeat('x', 255), scopes => array_fill('s'::text, '{100}')) \gset
SELECT id AS third FROM quota.create_api_key('ann', 'lower bound', scopes => '[3:4]={a,b}') \gset
SELECT length(name), cardinality(scopes) FROM quota.api_keys WHERE id IN (:most, :third) ORDER BY id;

-- forget() erases a subject's keys, and of their use nothing is left after maintain().
SELECT secret FROM quota.create_api_key('acme/al/x', 'below') \gset
SELECT secret AS next FROM quota.create_api_key('acme/al2', 'beside') \gset
SELECT quota.forget('acme/al');
SELECT subject, name FROM quota.api_keys WHERE subject LIKE 'acme%' ORDER BY id;
SELECT pg_temp.answer(:'secret');
SELECT subject FROM quota.authenticate(:'next');
SELECT task, rows FROM quota.maintain() WHERE task ~ 'API';
SELECT count(*) FROM quota_internal.api_key_use u WHERE NOT EXISTS (SELECT FROM quota_internal.api_key k WHERE k.id = u.key_id);
SELECT * FROM quota.verify();

-- A role of level app authenticates, without any right on a table, and makes no keys.
DROP ROLE IF EXISTS regress_quota_door;
CREATE ROLE regress_quota_door;
SELECT quota.grant_access('regress_quota_door', 'app');
SET ROLE regress_quota_door;
SELECT subject, scopes FROM quota.authenticate(:'next');
SELECT quota.create_api_key('ann', 'x');
SELECT * FROM quota.api_keys;
RESET ROLE;
SELECT quota.revoke_access('regress_quota_door');
DROP ROLE regress_quota_door;
