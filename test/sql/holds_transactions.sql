--
-- Holds within a transaction, its savepoints and a statement
--
SET client_min_messages = warning; DROP EXTENSION IF EXISTS quota CASCADE; CREATE EXTENSION quota CASCADE;
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/include/enforcement.psql'
\i :helpers
SET quota.clock = '2026-04-01 02:00:00+00';
\set holds :abs_srcdir '/sql/include/holds.psql'
\i :holds

BEGIN;
SELECT id FROM quota.reserve('sam', 'tokens', 50) \gset h_
SAVEPOINT a;
SELECT reserved, remaining FROM quota.extend(:h_id, amount => 70);
SAVEPOINT b;
SELECT charged, remaining FROM quota.settle(:h_id, 10);
ROLLBACK TO b;
SELECT released, remaining FROM quota.release(:h_id);
ROLLBACK TO a;
SELECT charged, remaining FROM quota.settle(:h_id, 40);
SELECT refunded, remaining FROM quota.refund(:h_id, 5);
COMMIT;
SELECT used FROM quota.check('sam', 'tokens');
SELECT * FROM quota.verify();
BEGIN;
SELECT id FROM quota.reserve('sam', 'tokens', 50) \gset h_
ROLLBACK;
SELECT pg_temp.code(format('SELECT quota.settle(%s, 1)', :h_id)) ~ '^QT404' AS never_was;
-- an expired one that is given back in a transaction that rolls back
SELECT id FROM quota.reserve('sam', 'tokens', 60, '1 minute') \gset h_
SET quota.clock = '2026-04-01 03:00:00+00';
BEGIN;
SELECT remaining FROM quota.debit('sam', 'tokens', 60);
ROLLBACK;
SELECT count(*) AS parts FROM quota_internal.hold_part WHERE account = 'sam';
SELECT charged, overdrawn, remaining FROM quota.settle(:h_id, 60);
SELECT * FROM quota.verify();
-- in one statement
SELECT s.charged, s.remaining FROM quota.reserve('tom', 'tokens', 30) r, quota.extend(r.id, amount => 50) e, quota.settle(r.id, 60) s;
SELECT * FROM quota.verify();
DROP EXTENSION quota CASCADE;
