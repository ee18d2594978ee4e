--
-- Who the session is after a call: the one it was before, whatever the call did
--
SET client_min_messages = warning; DROP EXTENSION IF EXISTS quota CASCADE; CREATE EXTENSION quota CASCADE;
\getenv abs_srcdir PG_ABS_SRCDIR
\set calls :abs_srcdir '/sql/include/every_call.psql'
\i :calls
\set session :abs_srcdir '/sql/include/session.psql'
\i :session
-- what a statement gives if it is refused
CREATE FUNCTION pg_temp.code(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE statement;
    RETURN 'done';
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE || ' ' || SQLERRM;
END $$;
\set who_am_i 'SELECT current_user, session_user, left(pg_temp.code(\'CREATE ROLE pay_planted SUPERUSER\'), 5) AS code;'

-- Every function, succeeding and failing, as each kind of role.
CREATE TEMP TABLE result (role text, name text, which text, result text, differs text);
CREATE FUNCTION pg_temp.call_all(role text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    call record;
    found record;
BEGIN
    FOR call IN SELECT name, 'good' AS which, good AS statement FROM every_call UNION ALL SELECT name, 'bad', bad FROM every_call LOOP
        CONTINUE WHEN call.statement IS NULL;
        PERFORM set_config('role', role, false);
        found := pg_temp.after(call.statement);
        RESET ROLE;
        INSERT INTO result VALUES (role, call.name, call.which, found.result, found.differs);
    END LOOP;
END $$;
SELECT * FROM pg_temp.without_call;
SET search_path = pg_catalog, public;
SELECT pg_temp.call_all(r) FROM unnest('{none,pay_app,pay_reader,pay_admin,pay_owner,pay_nobody}'::text[]) r;
RESET search_path;
SELECT * FROM pg_temp.result WHERE differs IS NOT NULL;
-- what should succeed does, for a superuser and an administrator who owns the tables; what should fail, fails
SELECT * FROM pg_temp.result WHERE role IN ('none', 'pay_admin') AND (result = 'ok') <> (which = 'good') ORDER BY 1, 2;
SELECT role, count(*) FILTER (WHERE result = 'ok') > 0 AS may_call, count(*) FILTER (WHERE result LIKE '42501%') > 0 AS may_not FROM pg_temp.result GROUP BY 1 ORDER BY 1;
SELECT * FROM pg_temp.result WHERE result LIKE 'XX%';

-- An administrator protects a table whose rows cross a threshold,
SET ROLE pay_admin;
SELECT quota.protect('pay.doc', 'docs', 'r.tenant');
:who_am_i
SELECT quota.unprotect('pay.doc', 'docs');
:who_am_i
RESET ROLE;
SELECT type, subject FROM quota.events WHERE subject = 'ann';
-- or meet a change of plan that is due,
SELECT quota.subscribe('ann', 'pro') > 0 AS subscribed, quota.change_plan('ann', 'free', 'period_end') > 0 AS changed;
SET quota.clock = '2026-03-10 00:00:00+00';
SET ROLE pay_admin;
SELECT quota.protect('pay.doc', 'docs', 'r.tenant');
:who_am_i
RESET ROLE;
SELECT plan FROM quota.subscriptions WHERE subject = 'ann' AND status = 'active';
-- and an owner without any right on quota attaches a partition.
SET ROLE pay_owner;
CREATE TABLE pay.part (tenant text, id int) PARTITION BY RANGE (id);
RESET ROLE;
SELECT quota.protect('pay.part', 'docs', 'r.tenant');
SET ROLE pay_owner;
CREATE TABLE pay.part1 (tenant text, id int);
INSERT INTO pay.part1 SELECT 'bob', 1 FROM generate_series(1, 9);
ALTER TABLE pay.part ATTACH PARTITION pay.part1 FOR VALUES FROM (0) TO (10);
:who_am_i
RESET ROLE;
SELECT DISTINCT subject FROM quota.events WHERE type = 'threshold_reached' AND subject IN ('ann', 'bob');

DROP EXTENSION quota CASCADE;
DROP SCHEMA pay CASCADE;
DROP OWNED BY pay_admin, pay_app, pay_reader, pay_owner, pay_nobody;
DROP ROLE pay_admin, pay_app, pay_reader, pay_owner, pay_nobody;
