--
-- What a settled hold gives back by refund
--
SET client_min_messages = warning; DROP EXTENSION IF EXISTS quota CASCADE; CREATE EXTENSION quota CASCADE;
SET quota.leases = off;	-- rows are written by hand
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/include/enforcement.psql'
\i :helpers
SET quota.clock = '2026-04-01 02:00:00+00';
\set holds :abs_srcdir '/sql/include/holds.psql'
\i :holds

SELECT id FROM quota.reserve('ned', 'tokens', 60) \gset h_
SELECT pg_temp.try(format('SELECT quota.refund(%s)', :h_id));
SELECT charged FROM quota.settle(:h_id, 40);
SELECT id, refunded, remaining FROM quota.refund(:h_id, 15) \gset r_
SELECT pg_temp.code(format('SELECT quota.refund(%s, 26)', :h_id)) ~ '^22023' AS too_much, pg_temp.code(format('SELECT quota.refund(%s)', :r_id)) ~ '^22023' AS of_a_refund;
SELECT refunded, remaining FROM quota.refund(:h_id, 25, 'k');
SELECT refunded, remaining FROM quota.refund(:h_id, 25, 'k');
SELECT pg_temp.code(format('SELECT quota.refund(%s)', :h_id));
SELECT id FROM quota.reserve('ned', 'tokens', 60) \gset h_
SELECT released FROM quota.release(:h_id);
SELECT pg_temp.code(format('SELECT quota.refund(%s)', :h_id));
SELECT * FROM quota.verify();
-- A refund with a key draws its id before it waits: that can be less than the id of what it gives back.
SELECT id FROM quota.reserve('ned', 'tokens', 10) \gset h_
SELECT nextval('quota_internal.ledger_id_seq') AS id \gset r_
SELECT charged FROM quota.settle(:h_id, 20);
INSERT INTO quota_internal.ledger_entry (id, at, subject, account, feature_id, kind, source, source_id, period_start, period_end, amount, debit_id)
    SELECT :r_id, at, subject, account, feature_id, 'r', source, source_id, period_start, period_end, -15, debit_id FROM quota_internal.ledger_entry WHERE id = :h_id;
UPDATE quota_internal.bucket SET used = used - 15 WHERE subject = 'ned';
SELECT pg_temp.code(format('SELECT quota.refund(%s, 6)', :h_id));
SELECT refunded, remaining FROM quota.refund(:h_id);
SELECT * FROM quota.verify();
DROP EXTENSION quota CASCADE;
