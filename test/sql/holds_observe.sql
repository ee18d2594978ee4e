--
-- Holds that observe lets through
--
SET client_min_messages = warning; DROP EXTENSION IF EXISTS quota CASCADE; CREATE EXTENSION quota CASCADE;
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/include/enforcement.psql'
\i :helpers
SET quota.clock = '2026-04-01 02:00:00+00';
\set holds :abs_srcdir '/sql/include/holds.psql'
\i :holds

SET quota.enforcement = observe;
SELECT quota.subscribe('obs', 'none') > 0 AS subscribed;
SELECT * FROM quota.reserve('obs', 'tokens', 5);
SELECT * FROM quota.extend(NULL, '1 hour', 7);
SELECT * FROM quota.settle(NULL, 7);
SELECT * FROM quota.release(NULL);
SELECT * FROM quota.refund(NULL);
SELECT pg_temp.code('SELECT quota.settle(999999, 1)');
SELECT id, reserved, remaining FROM quota.reserve('pam', 'tokens', 130, '1 hour') \gset h_
SELECT reserved, remaining FROM quota.extend(:h_id, amount => 140);
SELECT charged, overdrawn, remaining FROM quota.settle(:h_id, 120);
SELECT used, overdrawn, reserved FROM pg_temp.window_use WHERE subject = 'pam';
SELECT subject, reason, times FROM quota.denials WHERE subject IN ('obs', 'pam') ORDER BY 1;
-- of capacity all is counted
SELECT id IS NOT NULL AS has_id, reserved, remaining FROM quota.reserve('obs', 'docs', 3);
SELECT subject, used, reserved FROM pg_temp.window_use WHERE subject = 'obs';
RESET quota.enforcement;
SELECT pg_temp.code('SELECT quota.settle(NULL, 1)');
SELECT * FROM quota.verify();
DROP EXTENSION quota CASCADE;
