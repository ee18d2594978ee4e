--
-- gates: every way in which rows come, change and go
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
    "features": {"docs": {"kind": "capacity"}, "tokens": {"kind": "metered"}, "pages": {"kind": "metered"}, "none": {"kind": "metered"}, "nil": {"kind": "capacity"}},
    "plans": {"free": {"default": true, "entitlements": {"docs": {"allowance": 5}, "tokens": {"allowance": 100, "period": "month"},
                                                         "pages": {"allowance": 10, "period": "month", "overage": {"limit": 5}}}},
              "team": {"entitlements": {"docs": {"allowance": 4}}}}}');
CREATE TABLE doc (id int PRIMARY KEY, tenant text, size int NOT NULL DEFAULT 1);
SELECT quota.protect('doc', 'docs', 'r.tenant', 'r.size');

-- ON CONFLICT: what is stored counts.
INSERT INTO doc VALUES (1, 'ann'), (2, 'ann'), (3, 'bob');
INSERT INTO doc VALUES (1, 'ann'), (2, 'cy'), (4, 'ann') ON CONFLICT DO NOTHING;
:used
INSERT INTO doc VALUES (1, 'bob', 2), (2, 'ann', 2), (5, 'cy', 1) ON CONFLICT (id) DO UPDATE SET tenant = excluded.tenant, size = excluded.size;
:used
INSERT INTO doc VALUES (1, 'bob', 2), (6, 'bob', 2) ON CONFLICT (id) DO UPDATE SET size = 0 WHERE doc.id <> 1;
:used
SELECT pg_temp.run($$INSERT INTO doc VALUES (3, 'bob', 2) ON CONFLICT (id) DO UPDATE SET size = 2$$);
:used
:ok

-- MERGE: each event decides alone.
MERGE INTO doc USING (VALUES (1, 'ann', 1), (3, 'bob', 1), (7, 'cy', 3), (8, 'dan', 4)) AS n (id, tenant, size) ON doc.id = n.id
    WHEN MATCHED AND n.id = 3 THEN DELETE
    WHEN MATCHED THEN UPDATE SET tenant = n.tenant, size = n.size
    WHEN NOT MATCHED AND n.id = 7 THEN INSERT VALUES (n.id, n.tenant, n.size)
    WHEN NOT MATCHED THEN DO NOTHING;
:used
-- a full account: its row goes, another comes; give-backs are first
DELETE FROM doc;
INSERT INTO doc SELECT i, 'ann' FROM generate_series(1, 5) i;
MERGE INTO doc USING (VALUES (1), (6)) AS n (id) ON doc.id = n.id
    WHEN MATCHED THEN DELETE
    WHEN NOT MATCHED THEN INSERT VALUES (n.id, 'ann');
:used
SELECT pg_temp.run($$MERGE INTO doc USING (VALUES (7)) AS n (id) ON doc.id = n.id WHEN NOT MATCHED THEN INSERT VALUES (n.id, 'ann')$$);
:ok
TRUNCATE doc;

-- COPY, also one that fails half-way.
COPY doc FROM stdin;
1	ann	2
2	bob	1
3	ann	3
\.
:used
COPY doc FROM stdin;
4	bob	1
5	bob	x
\.
COPY doc FROM stdin;
4	bob	1
1	bob	1
\.
COPY doc FROM stdin;
4	bob	1
5	ann	1
\.
COPY doc (id, tenant) FROM stdin WHERE id <> 5;
4	bob
5	ann
\.
:used
:ok

-- Many subjects in one statement, a mixed update, RETURNING, WITH.
INSERT INTO doc SELECT 1000 + i, 'tenant' || i % 300, 1 FROM generate_series(1, 900) i;
SELECT count(*), min(used), max(used) FROM pg_temp.window_use WHERE subject LIKE 'tenant%';
SELECT count(*) FROM quota.ledger WHERE subject LIKE 'tenant%';
UPDATE doc SET tenant = 'tenant' || (id + 1) % 300 WHERE id > 1000;		-- to and fro: nobody has more
SELECT count(*), min(used), max(used) FROM pg_temp.window_use WHERE subject LIKE 'tenant%';
SET work_mem = '64kB';			-- rows that do not fit into memory
ALTER TABLE doc DISABLE TRIGGER USER;
INSERT INTO doc SELECT 10000 + i, 'tenant' || i % 300, 0 FROM generate_series(1, 20000) i;
ALTER TABLE doc ENABLE TRIGGER USER;
UPDATE doc SET size = CASE WHEN id <= 10600 THEN 1 ELSE 0 END WHERE id > 10000;
SELECT count(*), min(used), max(used) FROM pg_temp.window_use WHERE subject LIKE 'tenant%';
SELECT quota.unprotect('doc', 'docs'), quota.protect('doc', 'docs', 'r.tenant || ''''', 'r.size + 0');
UPDATE doc SET size = CASE WHEN id > 29400 THEN 1 ELSE 0 END, tenant = lower(tenant) WHERE id > 10000;
SELECT count(*), min(used), max(used) FROM pg_temp.window_use WHERE subject LIKE 'tenant%';
RESET work_mem;
:ok
WITH gone AS (DELETE FROM doc WHERE id > 1000 RETURNING id)
INSERT INTO doc SELECT max(id) + 1, 'ann', 0 FROM gone RETURNING tenant;
:used
WITH moved AS (UPDATE doc SET tenant = 'bob' WHERE id = 1 RETURNING *), more AS (INSERT INTO doc VALUES (9, 'cy', 5) RETURNING *)
SELECT tenant FROM moved UNION ALL SELECT tenant FROM more;
:used
:ok
TRUNCATE doc;
:used

-- Savepoints and rolled back transactions.
BEGIN;
INSERT INTO doc VALUES (1, 'ann');
SAVEPOINT a;
INSERT INTO doc VALUES (2, 'ann');
SAVEPOINT b;
DELETE FROM doc;
:used
ROLLBACK TO b;
:used
ROLLBACK TO a;
:used
COMMIT;
:used
BEGIN; TRUNCATE doc; INSERT INTO doc SELECT i, 'ann' FROM generate_series(1, 5) i; ROLLBACK;
:used
:ok
-- Queries that run nothing charge nothing.
EXPLAIN (COSTS OFF) INSERT INTO doc VALUES (2, 'ann');
PREPARE insertion AS INSERT INTO doc VALUES ($1, 'ann');
:used
EXECUTE insertion (2);
EXECUTE insertion (3);
:used
:ok

-- Cascades, and parents that went first.
TRUNCATE doc;
CREATE TABLE kb (id int PRIMARY KEY, tenant text NOT NULL);
CREATE TABLE file (id int PRIMARY KEY, kb int REFERENCES kb ON DELETE CASCADE ON UPDATE CASCADE);
CREATE TABLE page (file int REFERENCES file ON DELETE CASCADE, n int);
SELECT quota.protect('file', 'docs', '(SELECT k.tenant FROM kb k WHERE k.id = r.kb)');
SELECT quota.protect('page', 'pages', '(SELECT k.tenant FROM kb k JOIN file f ON f.kb = k.id WHERE f.id = r.file)', 'r.n', 'on_decrease');
INSERT INTO kb VALUES (1, 'ann'), (2, 'bob'), (3, 'cy');
INSERT INTO file VALUES (1, 1), (2, 1), (3, 2);
INSERT INTO page VALUES (1, 3), (1, 3), (2, 1), (3, 2);
:used
UPDATE kb SET id = 10 WHERE id = 1;
:used
DELETE FROM kb WHERE id = 10;
:used
DO $$ BEGIN DELETE FROM kb WHERE id = 2; END $$;
:used
:ok
-- parent and child in one statement
INSERT INTO kb VALUES (1, 'ann');
WITH p AS (INSERT INTO kb VALUES (4, 'dan') RETURNING id) INSERT INTO file SELECT 4, id FROM p;
:used
-- several tables, CASCADE
INSERT INTO file VALUES (1, 1);
INSERT INTO page VALUES (1, 2), (4, 2);
:used
SELECT pg_temp.run('TRUNCATE file');
TRUNCATE kb, file, page;
:used
INSERT INTO kb VALUES (1, 'ann');
INSERT INTO file VALUES (1, 1);
INSERT INTO page VALUES (1, 2);
TRUNCATE kb CASCADE;
:used
:ok
-- without a foreign key the parent may go first: the row goes all the same, and recount() repairs
INSERT INTO kb VALUES (1, 'ann');
ALTER TABLE file DROP CONSTRAINT file_kb_fkey;
INSERT INTO file VALUES (1, 1), (2, 1);
DELETE FROM kb;
DELETE FROM file WHERE id = 1;
:used
SELECT * FROM quota.recount('docs');
SELECT * FROM quota.recount('docs', false);
:used
:ok
-- a parent that is changed elsewhere: its rows' use stays where it was charged, until recount()
DELETE FROM file;
INSERT INTO kb VALUES (1, 'ann');
INSERT INTO file VALUES (1, 1), (2, 1);
UPDATE kb SET tenant = 'bob';
:used
DELETE FROM file WHERE id = 2;
:used
SELECT * FROM quota.recount('docs', false);
:used
DROP TABLE page, file, kb;
SELECT * FROM quota.recount('docs', false);

-- What is used in a tree of subjects.
SELECT quota.subscribe('acme', 'team'), quota.override('acme/alice', 'docs', '{"allowance": 3}');
INSERT INTO doc VALUES (1, 'acme/alice', 3), (2, 'acme/bob', 1);
SELECT pg_temp.run($$INSERT INTO doc VALUES (3, 'acme/bob', 1)$$);
-- a move finds its own room, though acme is full
UPDATE doc SET tenant = 'acme/bob' WHERE id = 1;
:used
SELECT pg_temp.run($$UPDATE doc SET tenant = 'acme/alice', size = size + 1$$);
UPDATE doc SET tenant = CASE WHEN tenant = 'acme/bob' THEN 'acme' ELSE tenant END, size = 2;
:used
:ok
DELETE FROM doc;
:used

-- Observe: nothing is refused, and denials tell.
SET quota.enforcement = observe;
INSERT INTO doc SELECT i, 'ann' FROM generate_series(1, 7) i;
RESET quota.enforcement;
:used
SELECT subject, feature, reason, times FROM quota.denials;
SELECT pg_temp.code($$INSERT INTO doc VALUES (8, 'ann') RETURNING id$$);
DELETE FROM doc WHERE id < 4;
INSERT INTO doc VALUES (8, 'ann');
:used
:ok
DROP TABLE doc;
SELECT remaining FROM quota.set_usage('ann', 'docs', 0);

-- Refund and exceed, both kinds.
CREATE TABLE work (id int, tenant text, n int, extra int GENERATED ALWAYS AS (n * 2) STORED);
SELECT quota.protect('work', 'tokens', 'r.tenant', 'r.n', 'on_decrease', 'refuse');
SELECT quota.protect('work', 'pages', 'r.tenant', 'r.n / 10', 'on_decrease', 'overdraw');
SELECT quota.protect('work', 'docs', 'r.tenant', 'CASE WHEN r.extra > 100 THEN 1 ELSE 0 END', 'never', 'overdraw');
SELECT id AS grant FROM quota.credit('ann', 'pages', 4) \gset
INSERT INTO work VALUES (1, 'ann', 100);
:used
SELECT pg_temp.code($$INSERT INTO work VALUES (2, 'ann', 10) RETURNING id$$);
-- pages: allowance 10, a grant of 4, overage of 5, the rest overdrawn
SELECT quota.override('ann', 'tokens', '{"allowance": null}');
INSERT INTO work VALUES (2, 'ann', 120);
:used
SELECT subject, used, overage, overdrawn, allowance FROM quota.periods WHERE feature = 'pages';
-- what goes is given back from the end: overdrawn, overage, grant, allowance
UPDATE work SET n = 100 WHERE id = 2;
:used
UPDATE work SET n = 50 WHERE id = 2;
:used
UPDATE work SET n = 20 WHERE id = 2;
:used
UPDATE work SET tenant = 'bob' WHERE id = 2;
:used
DELETE FROM work WHERE id = 1;
:used
SELECT quota.revoke(:grant);
TRUNCATE work;
-- docs never come back
:used
SELECT * FROM quota.verify();
-- not entitled: overdraw charges nothing and records it; a capacity is counted all the same
SELECT quota.protect('work', 'none', 'r.tenant', 'r.n', exceed => 'overdraw');
SELECT quota.protect('work', 'nil', 'r.tenant', exceed => 'overdraw');
INSERT INTO work VALUES (1, 'cy', 5);
:used
SELECT subject, feature, reason, times FROM quota.denials WHERE subject = 'cy';
SELECT quota.unprotect('work', 'none'), quota.protect('work', 'none', 'r.tenant', 'r.n');
SELECT pg_temp.run($$INSERT INTO work VALUES (2, 'cy', 5)$$);
SELECT quota.unprotect('work', 'none'), quota.unprotect('work', 'docs'), quota.unprotect('work', 'nil');
-- a give-back when the period is over restores nothing there, and has nothing here
SET quota.clock = '2026-02-01 00:00:00+00';
DELETE FROM work;
:used
-- what rolls over is fixed by the first charge, and that is none: an older transaction gives back what rolls over, too
SELECT quota.override('dan', 'pages', '{"allowance": 10, "period": "month", "rollover": {"max": 8}}');
INSERT INTO work VALUES (3, 'dan', 30), (4, 'dan', 40);
SET quota.clock = '2026-03-01 00:00:00+00';
DELETE FROM work WHERE id = 3;
SELECT allowance, used FROM quota.check('dan', 'pages');
SET quota.clock = '2026-02-28 00:00:00+00';
DELETE FROM work WHERE id = 4;
SET quota.clock = '2026-03-01 00:00:00+00';
SELECT allowance, used FROM quota.check('dan', 'pages');
SELECT * FROM quota.verify();
DROP EXTENSION quota CASCADE;
DROP SCHEMA gates CASCADE;
