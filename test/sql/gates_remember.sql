--
-- gates that remember: a row gives back what it was charged, to whom it was charged
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
    "features": {"docs": {"kind": "capacity"}, "seats": {"kind": "capacity"}, "tokens": {"kind": "metered"}, "words": {"kind": "metered"}},
    "plans": {"free": {"default": true, "entitlements": {"docs": {"allowance": 10}, "seats": {"allowance": 3}, "tokens": {"allowance": 100, "period": "month"}}}}}');
-- What is remembered, in one line.
CREATE VIEW pg_temp.remembered AS
SELECT coalesce(string_agg(format('%s %s %s: %s %s', c.target, f.name, c.key, c.subject, c.amount), ', ' ORDER BY c.target::text COLLATE "C", f.name COLLATE "C", c.key), 'nothing') AS remembered
FROM quota_internal.gate_charge c JOIN quota_internal.feature f ON f.id = c.feature_id JOIN pg_class t ON t.oid = c.target;
\set remembered 'SELECT remembered FROM pg_temp.remembered;'

-- The parent changes hands: the rows were charged to the old owner, and give back there.
CREATE TABLE project (id int PRIMARY KEY, org text);
CREATE TABLE doc (id int PRIMARY KEY, project int REFERENCES project, n int DEFAULT 1);
INSERT INTO project VALUES (1, 'a'), (2, 'b');
SELECT quota.protect('doc', 'docs', '(SELECT p.org FROM project p WHERE p.id = r.project)', 'r.n', remember => true);
SELECT target, feature, refund, remember, drifts FROM quota.gates;
INSERT INTO doc SELECT i, 1 FROM generate_series(1, 8) i;
INSERT INTO doc VALUES (9, 2);
UPDATE project SET org = 'b' WHERE id = 1;
:used
DELETE FROM doc WHERE id <= 4;
:used
-- an UPDATE of a row, whatever it sets, moves its charge to what the expressions say now
UPDATE doc SET id = id WHERE id = 5;
:used
UPDATE doc SET n = 3 WHERE id IN (6, 9);
:used
:remembered
-- nothing that changes, nothing that is written
SELECT xmin AS row_xmin FROM quota_internal.gate_charge WHERE key = '9' \gset
UPDATE doc SET project = 2 WHERE id = 9;
SELECT xmin = :row_xmin AS untouched FROM quota_internal.gate_charge WHERE key = '9';
-- room is there again: what b has now
SELECT pg_temp.run($$INSERT INTO doc SELECT i, 1 FROM generate_series(20, 23) i$$);
INSERT INTO doc SELECT i, 1 FROM generate_series(20, 22) i;
:used
:ok

-- The parent goes first.
ALTER TABLE doc DROP CONSTRAINT doc_project_fkey;
DELETE FROM project;
UPDATE doc SET n = 0 WHERE id = 22;
:remembered
UPDATE doc SET n = 1 WHERE id = 22;
SELECT pg_temp.run('INSERT INTO doc VALUES (99, 1)');
SELECT pg_temp.run('UPDATE doc SET n = NULL WHERE id = 22');
DELETE FROM doc WHERE id IN (7, 8, 20, 21);
:used
INSERT INTO project VALUES (1, 'c'), (2, 'b');
-- keys that change, one to what another had
UPDATE doc SET id = CASE id WHEN 5 THEN 105 WHEN 9 THEN 5 ELSE id + 100 END;
:remembered
UPDATE doc SET id = 205 WHERE id = 105;
UPDATE doc SET id = 105 WHERE id = 5;
:used
:remembered
-- TRUNCATE, and the rollback of it
BEGIN;
TRUNCATE doc;
:used
:remembered
ROLLBACK;
:used
TRUNCATE doc;
:used
:remembered
:ok

-- Upserts and MERGE; what is not stored is not remembered.
INSERT INTO doc VALUES (1, 1, 2), (2, 2, 2);
INSERT INTO doc VALUES (1, 2, 3), (3, 2, 1) ON CONFLICT (id) DO NOTHING;
:remembered
INSERT INTO doc VALUES (1, 2, 3), (4, 1, 1) ON CONFLICT (id) DO UPDATE SET project = excluded.project, n = excluded.n;
:remembered
MERGE INTO doc d USING (VALUES (1, 5), (2, 0), (7, 1)) v(id, n) ON d.id = v.id
    WHEN MATCHED AND v.n = 0 THEN DELETE WHEN MATCHED THEN UPDATE SET n = v.n WHEN NOT MATCHED THEN INSERT VALUES (v.id, 2, v.n);
:remembered
WITH gone AS (DELETE FROM doc WHERE id = 7 RETURNING *), moved AS (UPDATE doc SET id = 70 WHERE id = 1) INSERT INTO doc SELECT id + 1, project, n FROM gone;
:remembered
COPY doc FROM STDIN;
50	1	1
51	2	1
\.
:used
BEGIN;
SAVEPOINT s;
INSERT INTO doc VALUES (60, 1);
UPDATE doc SET n = 2 WHERE id = 50;
DELETE FROM doc WHERE id = 51;
ROLLBACK TO s;
DELETE FROM doc WHERE id = 50;
COMMIT;
:used
:remembered
:ok
-- a cascade
ALTER TABLE doc ADD FOREIGN KEY (project) REFERENCES project ON DELETE CASCADE ON UPDATE CASCADE;
UPDATE project SET id = 10 WHERE id = 1;
UPDATE project SET org = 'x';
DELETE FROM project WHERE id = 2;
:used
:remembered

-- Rows that came while the triggers did not fire have been charged nothing.
SET session_replication_role = replica;
INSERT INTO doc VALUES (80, 10), (81, 10), (82, 10);
RESET session_replication_role;
SET client_min_messages = warning;
DELETE FROM doc WHERE id = 80;
UPDATE doc SET n = 2 WHERE id = 81;
:used
-- and what went so gives back when another has its key
SET session_replication_role = replica;
DELETE FROM doc WHERE id = 81;
RESET session_replication_role;
INSERT INTO doc VALUES (81, 10, 1);
:used
:remembered
SELECT * FROM quota.recount('docs');
SELECT * FROM quota.recount('docs', false);
:used
:remembered
:ok

-- unprotect forgets, and gives nothing back; what is there is remembered again.
SELECT quota.unprotect('doc', 'docs');
:remembered
:used
SELECT quota.protect('doc', 'docs', '(SELECT p.org FROM project p WHERE p.id = r.project)', 'r.n', remember => true);
:remembered
DELETE FROM doc;
:used
DROP TABLE doc;

-- An amount that reads the clock.
CREATE TABLE invitation (org text, mail text, expires_at timestamptz, PRIMARY KEY (org, mail));
SELECT pg_temp.code($$SELECT quota.protect('invitation', 'seats', 'r.org', 'CASE WHEN r.expires_at > now() THEN 1 ELSE 0 END')$$);
SELECT quota.protect('invitation', 'seats', 'r.org', 'CASE WHEN r.expires_at > now() THEN 1 ELSE 0 END', remember => true);
INSERT INTO invitation VALUES ('acme', 'a@x', now() + interval '1 day'), ('acme', 'b"@x', now() + interval '1 day'), ('acme', 'c', now() - interval '1 day');
:remembered
:used
-- as if the day were over; with the trigger disabled, for an UPDATE would see it
ALTER TABLE invitation DISABLE TRIGGER USER;
UPDATE invitation SET expires_at = now() - interval '1 second' WHERE mail <> 'c';
ALTER TABLE invitation ENABLE TRIGGER USER;
:used
UPDATE invitation SET mail = mail WHERE expires_at < now() AND mail = 'a@x';
:used
DELETE FROM invitation WHERE mail = 'b"@x';
:used
DELETE FROM invitation;
:remembered
:ok
DROP TABLE invitation;

-- never: the most that was ever charged.
CREATE TABLE chunk (id uuid PRIMARY KEY, org text, n int);
SELECT quota.protect('chunk', 'tokens', 'r.org', 'r.n', remember => true);
INSERT INTO chunk VALUES ('00000000-0000-0000-0000-000000000001', 'a', 10);
UPDATE chunk SET n = 30;
UPDATE chunk SET n = 5;
UPDATE chunk SET n = 20, org = 'b';
:used
:remembered
UPDATE chunk SET n = 31;
:used
:remembered
DELETE FROM chunk;
:used
:remembered
INSERT INTO chunk VALUES ('00000000-0000-0000-0000-000000000001', 'a', 1);
:used
:ok
-- on_decrease of a metered feature; who is not entitled is charged nothing, and gives nothing back
SELECT quota.unprotect('chunk', 'tokens'), quota.protect('chunk', 'words', 'r.org', 'r.n', 'on_decrease', 'overdraw', true);
:used
:remembered
INSERT INTO chunk VALUES ('00000000-0000-0000-0000-000000000002', 'd', 3);
:remembered
SELECT quota.override('d', 'words', '{"allowance": 5, "period": "month"}');
INSERT INTO chunk VALUES ('00000000-0000-0000-0000-000000000003', 'd', 4);
:remembered
DELETE FROM chunk WHERE n = 3;
:used
UPDATE chunk SET n = 2 WHERE n = 4;
:used
:remembered
-- rows that are counted when nothing gives the feature any more are charged nothing; those that were stay
SELECT quota.override('d', 'words', NULL);
CREATE TABLE later (id int PRIMARY KEY, org text);
INSERT INTO later VALUES (1, 'd');
SELECT quota.protect('later', 'words', 'r.org', '9', 'on_decrease', 'overdraw', true);
:remembered
DROP TABLE later;
DROP TABLE chunk;
:ok

-- Keys.
CREATE TABLE loose (id int, org text);
SELECT pg_temp.try($$SELECT quota.protect('loose', 'docs', 'r.org', remember => true)$$);
ALTER TABLE loose ADD UNIQUE (id), ALTER id SET NOT NULL;
SELECT pg_temp.code($$SELECT quota.protect('loose', 'docs', 'r.org', remember => true)$$);
ALTER TABLE loose ADD PRIMARY KEY (id) DEFERRABLE;
SELECT pg_temp.code($$SELECT quota.protect('loose', 'docs', 'r.org', remember => true)$$);
SELECT pg_temp.code($$SELECT quota.protect('loose', 'docs', 'r.org', remember => NULL)$$);
DROP TABLE loose;
CREATE TYPE color AS ENUM ('red', 'dark green');
CREATE TABLE keyed (at timestamptz, c color, day date, b bytea, "odd ""column" float8, org text, PRIMARY KEY ("odd ""column", at, c, day, b));
SELECT quota.protect('keyed', 'docs', 'r.org', remember => true);
SET TimeZone = 'Asia/Tokyo'; SET DateStyle = 'SQL, DMY'; SET bytea_output = 'escape'; SET extra_float_digits = -10;
INSERT INTO keyed VALUES ('2026-02-28 23:30:00+00', 'dark green', '2026-03-01', '\x00ff', 1.0/3, 'a');
:remembered
RESET TimeZone; RESET DateStyle; RESET bytea_output; RESET extra_float_digits;
UPDATE keyed SET org = 'b';
:used
ALTER TABLE keyed RENAME "odd ""column" TO plain;
ALTER TABLE keyed RENAME TO renamed;
ALTER TABLE renamed RENAME CONSTRAINT keyed_pkey TO other;
UPDATE renamed SET org = 'c';
:remembered
DELETE FROM renamed;
:used
-- another key, another type of it: recount remembers anew
INSERT INTO renamed VALUES ('2026-02-28', 'red', '2026-03-01', '', 0, 'a'), ('2026-02-28', 'red', '2026-03-02', '', 0, 'a');
ALTER TABLE renamed DROP CONSTRAINT other, ADD PRIMARY KEY (day);
SELECT * FROM quota.recount('docs');
SELECT * FROM quota.recount('docs', false);
:remembered
ALTER TABLE renamed DROP CONSTRAINT renamed_pkey;
SELECT pg_temp.run($$DELETE FROM renamed$$);
ALTER TABLE renamed ADD PRIMARY KEY (day);
DELETE FROM renamed;
:used
DROP TABLE renamed;
CREATE TABLE long (id text PRIMARY KEY, org text);
SELECT quota.protect('long', 'docs', 'r.org', remember => true);
INSERT INTO long VALUES (repeat('x', 1000), 'a'), (repeat('x', 1001), 'a'), (repeat('x', 100000), 'a');
SELECT length(key), count(*) FROM quota_internal.gate_charge WHERE target = 'long'::regclass GROUP BY 1 ORDER BY 1;
DELETE FROM long WHERE length(id) > 1000;
:used
DELETE FROM long;
:used
DROP TABLE long;
:ok

-- verify() looks whether what rows give back is there; calls may have taken it away.
CREATE TABLE seen (id int PRIMARY KEY, org text);
SELECT quota.protect('seen', 'docs', 'r.org', remember => true);
INSERT INTO seen VALUES (1, 'v'), (2, 'v'), (3, 'w');
UPDATE quota_internal.gate_charge SET amount = 2 WHERE key = '1';
SELECT check_name, subject, feature, detail FROM quota.verify();
UPDATE quota_internal.gate_charge SET amount = 1 WHERE key = '1';
SELECT remaining FROM quota.give_back('v', 'docs');
SELECT remaining FROM quota.set_usage('w', 'docs', 0);
SELECT * FROM quota.verify();
SELECT * FROM quota.recount('docs', false);
DROP TABLE seen;

-- By hand: row by row, deferred.
CREATE TABLE hand (id int PRIMARY KEY, org text, n int);
CREATE CONSTRAINT TRIGGER docs AFTER INSERT OR UPDATE OR DELETE ON hand DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    EXECUTE FUNCTION quota.gate('docs', 'r.org', 'r.n', 'on_decrease', 'refuse', 'remember');
SELECT target, remember FROM quota.gates;
BEGIN;
INSERT INTO hand VALUES (1, 'a', 1), (2, 'a', 2);
UPDATE hand SET id = id + 10, n = n + 1;
UPDATE hand SET org = 'b' WHERE id = 11;
DELETE FROM hand WHERE id = 12;
INSERT INTO hand VALUES (1, 'c', 1);
:remembered
COMMIT;
:remembered
:used
DELETE FROM hand;
:used
CREATE TRIGGER more AFTER DELETE ON hand FOR EACH ROW EXECUTE FUNCTION quota.gate('docs', 'r.org', 'r.n', 'on_decrease', 'refuse', 'forget');
INSERT INTO hand VALUES (1, 'a', 1);
SELECT pg_temp.run('DELETE FROM hand');
DROP TABLE hand;
:ok

DROP SCHEMA gates CASCADE;
DROP EXTENSION quota CASCADE;
