--
-- gates: tables that charge by themselves
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
    "features": {"docs": {"kind": "capacity"}, "bytes": {"kind": "capacity"}, "tokens": {"kind": "metered"}},
    "plans": {"free": {"default": true, "entitlements": {"docs": {"allowance": 3}, "bytes": {"allowance": 100},
                                                         "tokens": {"allowance": 1000, "period": "month"}}}}}');
CREATE TABLE kb (id int PRIMARY KEY, tenant text NOT NULL);
CREATE TABLE doc (id int PRIMARY KEY, tenant text, kb int REFERENCES kb ON DELETE CASCADE ON UPDATE CASCADE, size bigint NOT NULL DEFAULT 10, words int NOT NULL DEFAULT 7);

-- What it makes: four triggers where rows give back, two where only growth is charged.
SELECT quota.protect('doc', 'docs', 'r.tenant');
SELECT quota.protect('doc', 'bytes', 'r.tenant', 'r.size', 'on_decrease', 'refuse');
SELECT quota.protect(target => 'doc'::regclass, feature => 'tokens', subject => '(SELECT k.tenant FROM kb k WHERE k.id = r.kb)', amount => 'r.words', exceed => 'overdraw');
SELECT tgname, pg_get_triggerdef(oid) FROM pg_trigger WHERE tgrelid = 'doc'::regclass AND NOT tgisinternal ORDER BY 1;
SELECT * FROM quota.gates ORDER BY feature;

-- Rows that come take, rows that go give back, by tenant; one entry for each subject of a statement.
INSERT INTO kb VALUES (1, 'ann'), (2, 'bob');
INSERT INTO doc SELECT i, 'ann', 1 FROM generate_series(1, 3) i;
:used
SELECT subject, feature, kind, amount, metadata FROM quota.ledger ORDER BY id;
-- the fourth is refused; nothing of its statement stays
SELECT pg_temp.run($$INSERT INTO doc VALUES (10, 'bob', 2), (4, 'ann', 1)$$);
:used
UPDATE doc SET size = 50 WHERE id = 1;
SELECT pg_temp.run($$UPDATE doc SET size = 51 WHERE id = 2$$);
UPDATE doc SET size = 0 WHERE id = 3;
:used
-- a new owner
UPDATE doc SET tenant = 'bob' WHERE id = 1;
:used
DELETE FROM doc WHERE id IN (1, 2);
:used
-- metered is not given back, and of an update growth is charged to the new owner; a move alone charges nobody
UPDATE doc SET words = 10, kb = 2 WHERE id = 3;
UPDATE doc SET kb = 1 WHERE id = 3;
UPDATE doc SET words = 1 WHERE id = 3;
:used
:ok
-- what touches no row, or nothing of a row's worth, leaves no entry
SELECT count(*) AS entries FROM quota.ledger \gset
UPDATE doc SET id = 30 WHERE id = 3;
UPDATE doc SET size = 1 WHERE false;
DELETE FROM doc WHERE false;
INSERT INTO doc SELECT FROM generate_series(1, 0);
SELECT count(*) - :entries AS new_entries FROM quota.ledger;
TRUNCATE doc;
:used
:ok

-- Entitlement and status hold for gates, too.
SELECT quota.subscribe('paused', 'free'), quota.set_status('paused', 'paused');
INSERT INTO kb VALUES (3, 'paused');
SELECT pg_temp.run($$INSERT INTO doc VALUES (1, 'paused', 3)$$);
SELECT quota.set_status('paused', 'active');
INSERT INTO doc VALUES (1, 'paused', 3);
SELECT quota.set_status('paused', 'paused');
DELETE FROM doc;			-- giving back needs neither
:used
:ok
SELECT quota.unprotect('doc', 'bytes'), quota.unprotect('doc', 'docs'), quota.unprotect('doc', 'tokens');
SELECT * FROM quota.gates;
INSERT INTO doc VALUES (1, 'ann', 1);
:used
TRUNCATE doc;

-- Rows that are there are counted, never refused: a capacity becomes what they are worth ...
SELECT id FROM quota.debit('ann', 'docs', 1);
SELECT id FROM quota.debit('cy', 'docs', 2);
INSERT INTO doc SELECT i, 'ann', 1, 10, 300 FROM generate_series(1, 5) i;
INSERT INTO doc SELECT i, 'bob', 2, 10, 300 FROM generate_series(6, 7) i;
SELECT quota.protect('doc', 'docs', 'r.tenant');
:used
SELECT subject, kind, source, amount, metadata FROM quota.ledger WHERE metadata ? 'counted' ORDER BY id;
-- cy has no row here, but has what calls counted
SELECT * FROM quota.recount('docs');
SELECT remaining FROM quota.give_back('cy', 'docs', 2);
:ok
-- ... of a metered feature, what the present use falls short of them is charged
SELECT id FROM quota.debit('ann', 'tokens', 900);
SELECT quota.protect('doc', 'tokens', 'r.tenant', 'r.words');
:used
SELECT quota.unprotect('doc', 'tokens');
SELECT quota.protect('doc', 'tokens', 'r.tenant', 'r.words');
:used
SELECT quota.unprotect('doc', 'tokens'), quota.unprotect('doc', 'docs');
TRUNCATE doc;
SELECT remaining, (SELECT remaining FROM quota.set_usage('bob', 'docs', 0)) FROM quota.set_usage('ann', 'docs', 0);

-- Subjects of any type, expressions over several tables, functions and columns of the table's schema.
CREATE DOMAIN count AS int CHECK (value >= 0);
CREATE TABLE item (id int, owner uuid, n count, data jsonb, at timestamptz DEFAULT '2026-01-01Z', PRIMARY KEY (id));
CREATE FUNCTION payer(i item) RETURNS text LANGUAGE sql STABLE AS 'SELECT CASE WHEN (i).data ? ''team'' THEN (i).data ->> ''team'' || ''/'' || (i).owner ELSE (i).owner::text END';
SELECT quota.protect('item', 'docs', 'r.payer', 'r.n');
SELECT quota.protect('item', 'bytes', 'r.owner', 'pg_column_size(r.data) - pg_column_size(r.data) + CASE WHEN r.data ? ''big'' THEN 5::smallint ELSE 1::smallint END');
INSERT INTO item VALUES (1, '00000000-0000-0000-0000-000000000001', 2, '{"team": "t"}'), (2, '00000000-0000-0000-0000-000000000002', 1, '{"big": 1}');
:used
UPDATE item SET data = '{"team": "t", "big": 1}';
:used
:ok
-- comments, quotes, backslashes and percent signs in expressions are what they are in SQL
TRUNCATE item;
SELECT quota.unprotect('item', 'docs'), quota.unprotect('item', 'bytes');
INSERT INTO item VALUES (1, '00000000-0000-0000-0000-000000000001', 2, '{}');
SELECT quota.protect('item', 'docs', E'''it''''s \\ %s $1 '' || r.id -- the end', '/* two */ 2 -- of them');
SELECT subject, amount FROM quota.gates;
:used
INSERT INTO item VALUES (3, '00000000-0000-0000-0000-000000000003', 0);
:used
:ok
DROP TABLE item CASCADE;		-- takes its gate along, and gives nothing back
SELECT * FROM quota.gates;
SELECT * FROM quota.verify();
SELECT pg_temp.try($$SELECT quota.recount('docs')$$);

-- The longest feature's triggers still have names of their own.
SELECT count(*) FROM quota.apply_catalog(jsonb_build_object(
    'features', jsonb_build_object(repeat('a', 62) || 'x', '{"kind": "capacity"}'::jsonb, repeat('a', 62) || 'y', '{"kind": "capacity"}'::jsonb,
                                   'docs', '{"kind": "capacity"}'::jsonb, 'bytes', '{"kind": "capacity"}'::jsonb, 'tokens', '{"kind": "metered"}'::jsonb),
    'plans', jsonb_build_object('free', jsonb_build_object('default', true, 'entitlements', jsonb_build_object(
        repeat('a', 62) || 'x', '{"allowance": 2}'::jsonb, repeat('a', 62) || 'y', '{"allowance": 3}'::jsonb)))));
CREATE TABLE "Odd ""table""" ("the owner" text);
SELECT left(quota.protect('"Odd ""table"""', repeat('a', 62) || 'x', 'r."the owner"'), 45) AS names;
SELECT left(quota.protect('"Odd ""table"""', repeat('a', 62) || 'y', 'r."the owner"'), 45) AS names;
SELECT count(*), pg_catalog.count(DISTINCT tgname), max(length(tgname)) FROM pg_trigger WHERE tgrelid = '"Odd ""table"""'::regclass;
INSERT INTO "Odd ""table""" VALUES ('ann'), ('ann');
SELECT left(pg_temp.run($$INSERT INTO "Odd ""table""" VALUES ('ann')$$), 40);
SELECT target, right(feature, 3) AS feature FROM quota.gates ORDER BY 2;
:ok
SELECT quota.unprotect('"Odd ""table"""', repeat('a', 62) || 'x');
SELECT target, right(feature, 3) AS feature FROM quota.gates ORDER BY 2;

-- A feature that a gate names stays, and stays of its kind, though nothing was used of it.
SELECT object, name, change FROM quota.apply_catalog(jsonb_set(quota.export_catalog(), '{features,unused}', '{"kind": "capacity"}')) WHERE change <> 'unchanged';
SELECT quota.protect('"Odd ""table"""', 'unused', 'r."the owner"', '0');
SELECT pg_temp.try($$SELECT count(*) FROM quota.apply_catalog(quota.export_catalog() #- '{features,unused}')$$);
SELECT pg_temp.try($$SELECT count(*) FROM quota.apply_catalog(jsonb_set(quota.export_catalog(), '{features,unused,kind}', '"boolean"'))$$);
SELECT quota.unprotect('"Odd ""table"""', 'unused');
SELECT object, name, change FROM quota.apply_catalog(quota.export_catalog() #- '{features,unused}') WHERE change <> 'unchanged';
TRUNCATE "Odd ""table""";
SELECT count(*) FROM quota.verify();

-- The extension does not go while a gate needs it; with CASCADE gates go, tables stay.
SELECT split_part(pg_temp.run('DROP EXTENSION quota'), E'\n', 1) AS refused;
DROP EXTENSION quota CASCADE;
INSERT INTO "Odd ""table""" VALUES ('ann'), ('ann'), ('ann'), ('ann');
SELECT count(*) FROM "Odd ""table""";
DROP SCHEMA gates CASCADE;
