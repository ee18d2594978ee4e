--
-- recount: a capacity against the rows of its gates
--
SET client_min_messages = warning; DROP EXTENSION IF EXISTS quota CASCADE; CREATE EXTENSION quota CASCADE;
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/include/enforcement.psql'
\i :helpers
\set gates :abs_srcdir '/sql/include/gates.psql'
\i :gates
SET quota.clock = '2026-01-31 00:00:00+00';
CREATE SCHEMA gates;
SET search_path = gates;
SELECT count(*) FROM quota.apply_catalog('{
    "features": {"docs": {"kind": "capacity"}, "seats": {"kind": "capacity"}, "api": {"kind": "rate"}},
    "plans": {"free": {"default": true, "entitlements": {"docs": {"allowance": 5}, "seats": {"allowance": 2}}}}}');
CREATE TABLE doc (id int, tenant text, n int DEFAULT 1);
CREATE TABLE note (id int, owner text);
SELECT quota.protect('doc', 'docs', 'r.tenant', 'r.n'), quota.protect('note', 'docs', 'r.owner'), quota.protect('note', 'seats', 'r.owner');

-- No difference, no row, no entry.
INSERT INTO doc VALUES (1, 'acme/alice'), (2, 'acme/alice'), (3, 'acme');
INSERT INTO note VALUES (1, 'acme/alice'), (2, 'bob');
SELECT * FROM quota.recount('docs');
SELECT count(*) AS entries FROM quota.ledger \gset
SELECT * FROM quota.recount('docs', false);
SELECT count(*) - :entries AS new_entries FROM quota.ledger;

-- What drifted, in both directions, over several tables, in a tree of subjects.
ALTER TABLE doc DISABLE TRIGGER USER;
INSERT INTO doc VALUES (4, 'acme/alice', 7), (5, 'acme/eng/carl', 2), (6, 'dan', 1);
DELETE FROM doc WHERE id = 3;
ALTER TABLE doc ENABLE TRIGGER USER;
ALTER TABLE note DISABLE TRIGGER USER;
DELETE FROM note WHERE id = 2;
ALTER TABLE note ENABLE TRIGGER USER;
:used
SELECT * FROM quota.recount('docs');
SELECT * FROM quota.recount('docs', dry_run => true);
:used
-- repaired, over the limit if rows are; the entries say why
SELECT * FROM quota.recount('docs', dry_run => false);
:used
SELECT subject, kind, amount, metadata FROM quota.ledger WHERE metadata ? 'recount' AND account = subject ORDER BY id;
SELECT * FROM quota.recount('docs');
SELECT * FROM quota.recount('seats');
SELECT * FROM quota.recount('api');
SELECT allowed, remaining FROM quota.check('acme/alice', 'docs');
SELECT * FROM quota.recount('seats', false);
:ok
-- rolled back, it has repaired nothing
BEGIN;
ALTER TABLE doc DISABLE TRIGGER USER;
DELETE FROM doc WHERE id = 6;
SELECT * FROM quota.recount('docs', false);
ROLLBACK;
:used
:ok

-- Open holds have no rows yet, and stay.
SELECT id AS hold FROM quota.reserve('dan', 'docs', 2) \gset
:used
:ok
ALTER TABLE doc DISABLE TRIGGER USER;
INSERT INTO doc VALUES (7, 'dan', 1);
ALTER TABLE doc ENABLE TRIGGER USER;
SELECT * FROM quota.recount('docs');
SELECT * FROM quota.recount('docs', false);
:used
SELECT released FROM quota.release(:hold);
:used
:ok
SELECT id AS hold FROM quota.reserve('dan', 'docs', 2) \gset
SELECT charged FROM quota.settle(:hold, 1);
-- settled by a call: it has no row, and goes
SELECT * FROM quota.recount('docs', false);
:used
:ok

-- What an expired hold has is left out, though nobody has given it back yet.
SELECT remaining FROM quota.debit('fay', 'docs', 3);
SELECT reserved FROM quota.reserve('fay/al', 'docs', 2, '1 minute');
SELECT id AS hold FROM quota.reserve('gus', 'docs', 2, '1 minute') \gset
SET quota.clock = '2026-01-31 00:02:00+00';
SELECT * FROM quota.recount('docs');
SELECT * FROM quota.recount('docs', false);
SELECT released FROM quota.release(:hold);
:used
:ok

-- What calls took goes, too; a subject that is no longer anybody's is not in the way.
SELECT remaining FROM quota.debit('eve', 'docs', 3);
SELECT quota.forget('dan') > 0 AS forgotten;
SELECT * FROM quota.recount('docs', false);
:used
:ok
-- observe repairs all the same, and a subscription that is paused
SELECT quota.subscribe('bob', 'free'), quota.set_status('bob', 'paused');
ALTER TABLE doc DISABLE TRIGGER USER;
INSERT INTO doc VALUES (8, 'bob', 9);
ALTER TABLE doc ENABLE TRIGGER USER;
SET quota.enforcement = observe;
SELECT * FROM quota.recount('docs', false);
RESET quota.enforcement;
:used
SELECT quota.set_status('bob', 'active');
:ok

-- Above read committed it can look, and not repair.
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT * FROM quota.recount('docs');
SELECT pg_temp.try($$SELECT quota.recount('docs', false)$$);
SELECT pg_temp.code($$SELECT quota.protect('note', 'docs', 'r.owner')$$);
ROLLBACK;
CREATE TABLE full_table AS SELECT 'eve' AS tenant;
CREATE TABLE empty_table (tenant text);
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT pg_temp.try($$SELECT quota.protect('full_table', 'docs', 'r.tenant')$$);
SELECT quota.protect('empty_table', 'docs', 'r.tenant');
COMMIT;
SELECT target FROM quota.gates WHERE feature = 'docs' ORDER BY target::text;
:ok
-- a read-only transaction
ALTER TABLE note DISABLE TRIGGER USER;
INSERT INTO note VALUES (3, 'eve');
ALTER TABLE note ENABLE TRIGGER USER;
BEGIN READ ONLY;
SELECT * FROM quota.recount('docs');
SELECT pg_temp.code($$SELECT quota.recount('docs', false)$$);
SELECT pg_temp.code($$SELECT quota.protect('full_table', 'docs', 'r.tenant')$$);
SELECT pg_temp.code($$SELECT quota.unprotect('empty_table', 'docs')$$);
ROLLBACK;
SELECT * FROM quota.recount('docs', false);
SELECT * FROM quota.recount('seats', false);
:ok

-- Rows that name nobody are told, and are nobody's.
ALTER TABLE doc DISABLE TRIGGER USER;
INSERT INTO doc VALUES (9, NULL, 2), (10, 'a//b', 1), (11, 'eve', NULL), (12, 'eve', -3);
ALTER TABLE doc ENABLE TRIGGER USER;
SELECT * FROM quota.recount('docs');
TRUNCATE doc, note, empty_table;
:used
:ok
-- an expression that fails is an error with its table
ALTER TABLE doc RENAME n TO size;
SELECT pg_temp.code($$SELECT quota.recount('docs')$$);
SELECT check_name, feature, detail FROM quota.verify();
DROP TABLE doc;
DROP TABLE note, empty_table, full_table;
SELECT pg_temp.code($$SELECT quota.recount('docs')$$);
SELECT * FROM quota.verify();
DROP EXTENSION quota CASCADE;
DROP SCHEMA gates CASCADE;
