--
-- has and setting in row security policies and WHERE, and that their memo tells
-- nothing that looking up would not
--
SET client_min_messages = warning; DROP EXTENSION IF EXISTS quota CASCADE; CREATE EXTENSION quota CASCADE;
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/include/enforcement.psql'
\i :helpers
SET quota.clock = '2026-04-15 12:00:00+00';
SELECT count(*) FROM quota.apply_catalog('{
    "features": {"mindmap": {"kind": "boolean"}, "max_mb": {"kind": "static"}, "tokens": {"kind": "metered"}},
    "plans": {"free": {"default": true, "entitlements": {"max_mb": {"value": 5}}},
              "pro": {"entitlements": {"mindmap": {"value": true}, "max_mb": {"value": {"mb": 50}}}}}}');
SELECT quota.subscribe('acme', 'pro'), quota.subscribe('zeta', 'pro');

-- A policy hides the rows of who lacks the feature.
CREATE ROLE regress_quota_rls;
SELECT quota.grant_access('regress_quota_rls', 'app');
CREATE TABLE map (id int, tenant text, mb int);
INSERT INTO map SELECT i, (ARRAY['acme', 'acme/ann', 'bob', 'zeta', NULL])[1 + i % 5], i FROM generate_series(1, 20) i;
ALTER TABLE map ENABLE ROW LEVEL SECURITY;
CREATE POLICY entitled ON map USING (quota.has(tenant, 'mindmap'));
GRANT SELECT, INSERT, UPDATE, DELETE ON map TO regress_quota_rls;
SET ROLE regress_quota_rls;
SELECT tenant, count(*) FROM map GROUP BY tenant ORDER BY tenant;
INSERT INTO map VALUES (21, 'acme', 1);
INSERT INTO map VALUES (22, 'bob', 1);
UPDATE map SET tenant = 'bob' WHERE id = 21;
WITH gone AS (DELETE FROM map RETURNING tenant) SELECT tenant, count(*) FROM gone GROUP BY tenant ORDER BY tenant;
RESET ROLE;
SELECT tenant, count(*) FROM map GROUP BY tenant ORDER BY tenant;
-- the plan ends: so does the view of the rows
INSERT INTO map SELECT i, 'acme', i FROM generate_series(1, 3) i;
SET ROLE regress_quota_rls;
SELECT count(*) FROM map;
RESET ROLE;
SELECT quota.set_status('acme', 'paused');
SET ROLE regress_quota_rls;
SELECT count(*) FROM map;
RESET ROLE;
SELECT quota.set_status('acme', 'active');
-- a value for each row
SELECT tenant, mb, quota.setting(tenant, 'max_mb') FROM (VALUES ('acme', 3), ('bob', 4), ('acme', 5), ('zeta', 1), (NULL, 2), ('bob', 6)) v (tenant, mb)
WHERE mb <= CASE WHEN quota.has(tenant, 'mindmap') THEN (quota.setting(tenant, 'max_mb') ->> 'mb')::int ELSE quota.setting(tenant, 'max_mb')::int END
ORDER BY mb;
-- errors are not remembered, and a name that is the beginning of another is another
SELECT n, pg_temp.code(format('SELECT quota.has(%L, %L)', s, f)) FROM (VALUES (1, 'acme', 'mindmap'), (2, 'acme', 'nothing'), (3, 'acme', 'nothing'), (4, 'acme/', 'mindmap'),
    (5, 'acm', 'mindmap'), (6, 'acmem', 'indmap'), (7, 'acme', 'mindmap')) v (n, s, f);

-- Every query below asks the same again after something has changed. A change of the session's own transaction counts from the next statement on.
CREATE FUNCTION pg_temp.now_is() RETURNS text LANGUAGE sql VOLATILE AS $$ SELECT quota.has('bob', 'mindmap') || ' ' || quota.setting('bob', 'max_mb') $$;
BEGIN;
SELECT quota.has('bob', 'mindmap'), quota.setting('bob', 'max_mb');
SELECT quota.subscribe('bob', 'pro');
SELECT quota.has('bob', 'mindmap'), quota.setting('bob', 'max_mb');
SAVEPOINT s;
SELECT quota.set_status('bob', 'paused');
SELECT quota.has('bob', 'mindmap'), quota.setting('bob', 'max_mb');
ROLLBACK TO s;
SELECT quota.has('bob', 'mindmap'), quota.setting('bob', 'max_mb');
SELECT quota.set_status('bob', 'paused');
SELECT quota.has('bob', 'mindmap'), quota.setting('bob', 'max_mb');
RELEASE s;
SELECT quota.has('bob', 'mindmap'), quota.setting('bob', 'max_mb');
ROLLBACK;
SELECT quota.has('bob', 'mindmap'), quota.setting('bob', 'max_mb');

-- an override, a grant, the catalog, the clock
BEGIN;
SELECT quota.has('bob', 'mindmap'), quota.has('bob', 'tokens');
SELECT quota.override('bob', 'mindmap', '{"value": true}');
SELECT quota.has('bob', 'mindmap'), quota.has('bob', 'tokens');
SELECT remaining FROM quota.credit('bob', 'tokens', 10, expires_at => '2026-04-16 00:00:00+00');
SELECT quota.has('bob', 'mindmap'), quota.has('bob', 'tokens');
SET LOCAL quota.clock = '2026-04-16 00:00:00+00';
SELECT quota.has('bob', 'mindmap'), quota.has('bob', 'tokens');
SELECT quota.override('bob', 'mindmap', NULL);
SELECT quota.has('bob', 'mindmap'), quota.has('bob', 'tokens');
SELECT count(*) FROM quota.apply_catalog(jsonb_set(quota.export_catalog(), '{plans,free,entitlements,mindmap}', '{"value": true}'));
SELECT quota.has('bob', 'mindmap'), quota.setting('bob', 'mindmap');
ROLLBACK;
SELECT quota.has('bob', 'mindmap'), quota.has('bob', 'tokens'), quota.setting('bob', 'mindmap');
-- the clock alone, within one transaction
SELECT quota.subscribe('tim', 'pro', starts_at => '2026-04-15 13:00:00+00');
BEGIN;
SELECT quota.has('tim', 'mindmap');
SET LOCAL quota.clock = '2026-04-15 13:00:00+00';
SELECT quota.has('tim', 'mindmap');
ROLLBACK;

-- PL/pgSQL keeps its expressions for the whole transaction.
DO $$
DECLARE
    seen text = '';
BEGIN
    FOR i IN 1..4 LOOP
        seen := seen || quota.has('eve', 'mindmap') || ' ';
        IF i % 2 = 1 THEN
            PERFORM quota.override('eve', 'mindmap', '{"value": true}');
        ELSE
            PERFORM quota.override('eve', 'mindmap', NULL);
        END IF;
        seen := seen || quota.has('eve', 'mindmap') || ', ';
        -- what is rolled back counts no longer, though the command counter stays
        BEGIN
            PERFORM quota.override('eve', 'mindmap', jsonb_build_object('value', i % 2 = 0));
            seen := seen || quota.has('eve', 'mindmap') || ' ';
            RAISE EXCEPTION SQLSTATE 'XX999';
        EXCEPTION WHEN SQLSTATE 'XX999' THEN
            seen := seen || quota.has('eve', 'mindmap') || ' ';
        END;
        seen := seen || quota.has('eve', 'mindmap') || '; ';
    END LOOP;
    RAISE WARNING '%', seen;
END $$;
-- and a procedure's over several
CREATE PROCEDURE pg_temp.over_commits() LANGUAGE plpgsql AS $$
DECLARE
    seen text = '';
BEGIN
    FOR i IN 1..4 LOOP
        seen := seen || quota.has('pat', 'mindmap') || ' ';
        PERFORM quota.override('pat', 'mindmap', '{"value": true}');
        seen := seen || quota.has('pat', 'mindmap') || '; ';
        IF i = 3 THEN COMMIT; ELSE ROLLBACK; END IF;
    END LOOP;
    RAISE WARNING '%', seen;
END $$;
CALL pg_temp.over_commits();

-- Within a statement: what the statement sees, whatever its rows change; a volatile function sees its own changes.
CREATE FUNCTION pg_temp.flip(value boolean) RETURNS text LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM quota.override('kim', 'mindmap', jsonb_build_object('value', value));
    RETURN quota.has('kim', 'mindmap');
END $$;
SELECT i, quota.has('kim', 'mindmap') AS before, pg_temp.flip(i % 2 = 1) AS inside, quota.has('kim', 'mindmap') AS after FROM generate_series(1, 4) i;
SELECT quota.has('kim', 'mindmap');

-- Above READ COMMITTED its own changes count, too.
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT pg_temp.now_is();
SELECT quota.change_plan('bob', 'pro') > 0 AS changed;
SELECT pg_temp.now_is();
ROLLBACK;
SELECT pg_temp.now_is();

-- More answers than are kept: all are right, the first time and the second.
BEGIN;
SELECT count(quota.override('s' || i, 'max_mb', jsonb_build_object('value', repeat('x', 10) || i))) FROM generate_series(1, 2000) i;
SELECT round, count(*), count(*) FILTER (WHERE quota.setting('s' || i, 'max_mb') #>> '{}' = repeat('x', 10) || i) AS "right",
       count(*) FILTER (WHERE quota.has('s' || i || '/' || repeat('y', 200), 'max_mb')) AS given
FROM generate_series(1, 2) round, generate_series(1, 5000) i GROUP BY round ORDER BY round;
ROLLBACK;

DROP TABLE map;
SELECT quota.revoke_access('regress_quota_rls');
DROP ROLE regress_quota_rls;
