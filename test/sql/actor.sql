--
-- quota.actor: who did it, in the events of administration, charges and maintenance
--
SET client_min_messages = warning;
\set SHOW_CONTEXT never
DROP EXTENSION IF EXISTS quota CASCADE;
CREATE EXTENSION quota CASCADE;
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/include/as_role.psql'
\i :helpers
SET quota.clock = '2026-01-15 12:00+00';
DROP ROLE IF EXISTS regress_quota_app;
DROP ROLE IF EXISTS regress_quota_desk;
CREATE ROLE regress_quota_app;
CREATE ROLE regress_quota_desk;
SELECT quota.grant_access('regress_quota_app', 'app'), quota.grant_access('regress_quota_desk', 'admin');
SELECT count(*) FROM quota.apply_catalog('{
    "features": {"tokens": {"kind": "metered"}},
    "plans": {"free": {"default": true, "entitlements": {"tokens": {"allowance": 100, "period": "month", "notify": [50, 80]}}},
              "pro": {"entitlements": {"tokens": {"allowance": 1000, "period": "month"}}}}}');

-- without it the session's user, whoever the statement runs as
SELECT quota.subscribe('a', 'pro') > 0 AS subscribed;
SET ROLE regress_quota_desk;
SELECT quota.credit('b', 'tokens', 5, expires_at => '2026-01-15 13:00+00') IS NOT NULL AS credited;
RESET ROLE;
SELECT type, subject, actor = session_user AS by_session_user FROM quota.events ORDER BY id;
SET SESSION AUTHORIZATION regress_quota_desk;
SELECT quota.set_status('a', 'paused');
RESET SESSION AUTHORIZATION;
SELECT type, actor FROM quota.events ORDER BY id DESC LIMIT 1;

-- with it that, by administration in SQL, and in C by a charge that crosses a threshold
SET ROLE regress_quota_desk;
SET quota.actor = 'Zoë <zoe@desk.example>';
SELECT quota.set_status('a', 'active');
SELECT quota.override('c', 'tokens', '{"allowance": 10, "period": "day", "notify": [50]}');
SET ROLE regress_quota_app;
SET quota.actor = 'customer 17';
SELECT remaining FROM quota.debit('b', 'tokens', 60);
SELECT remaining FROM quota.debit('c', 'tokens', 6);
SELECT id AS hold FROM quota.reserve('b', 'tokens', 1) \gset
RESET ROLE;
-- one transaction, two persons
BEGIN;
SET LOCAL quota.actor = 'first';
SELECT quota.cancel('a', 'now');
SET LOCAL quota.actor = 'second';
SELECT quota.subscribe('d', 'pro') > 0 AS subscribed;
COMMIT;
-- what time did bears the name of whose call came upon it
SET quota.clock = '2026-01-15 14:00+00';
SET quota.actor = 'night shift';
SELECT count(*) > 0 AS maintained FROM quota.maintain();
RESET quota.actor;
SELECT type, subject, actor FROM quota.events WHERE actor <> session_user ORDER BY id;

-- bad input: too long, control characters, what is no text; nothing is written under it
SELECT pg_temp.try($$SET quota.actor = 'a$$ || chr(10) || $$b'$$), pg_temp.try($$SET quota.actor = 'a$$ || chr(127) || $$b'$$);
SELECT pg_temp.try(format('SET quota.actor = %L', repeat('ä', 127))), pg_temp.try(format('SET quota.actor = %L', repeat('ä', 128)));
SELECT length(current_setting('quota.actor'));
SELECT quota.cancel('d', 'now') IS NOT NULL AS cancelled;
SELECT octet_length(actor) FROM quota.events ORDER BY id DESC LIMIT 1;
-- quotes and percent signs are plain text; empty is the session's user again
SELECT set_config('quota.actor', $$'; DROP TABLE x; -- %s %I$$, false);
SELECT quota.subscribe('e', 'pro') > 0 AS subscribed;
SET quota.actor = '';
SELECT quota.subscribe('f', 'pro') > 0 AS subscribed;
SELECT subject, CASE WHEN actor = session_user THEN 'session_user' ELSE actor END AS actor FROM quota.events ORDER BY id DESC LIMIT 2;
-- given before the library is loaded it is looked at when that comes (a bad one: early_settings)
\c -
SET client_min_messages = warning;
SET quota.actor = 'early';
SELECT quota.subscribe('h', 'pro') > 0 AS subscribed;
SELECT subject, actor FROM quota.events ORDER BY id DESC LIMIT 1;
SELECT * FROM quota.verify();
DROP EXTENSION quota;
DROP ROLE regress_quota_app, regress_quota_desk;
