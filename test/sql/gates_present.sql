--
-- gates: rows that are there when a table gets one
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
    "features": {"docs": {"kind": "capacity"}, "tokens": {"kind": "metered"}, "calls": {"kind": "metered"}, "none": {"kind": "metered"}},
    "plans": {"free": {"default": true, "entitlements": {"docs": {"allowance": 5}, "tokens": {"allowance": 100, "period": "month"},
                                                         "calls": {"allowance": 100, "rate": {"limit": 2, "per": "1 minute"}}}},
              "team": {"entitlements": {"tokens": {"allowance": 60, "period": "month"}}}}}');
RESET client_min_messages;

-- What it has counted is told: nothing of an empty table.
CREATE TABLE doc (id int PRIMARY KEY, tenant text, n int DEFAULT 1, note text);
SELECT quota.protect('doc', 'docs', 'r.tenant', 'r.n');
SELECT quota.unprotect('doc', 'docs');
INSERT INTO doc SELECT i, 'ann', 2 FROM generate_series(1, 3) i;
INSERT INTO doc VALUES (4, 'bob', 1), (5, 'bob', 0);
SELECT id FROM quota.debit('bob', 'docs', 4);
SELECT quota.protect('doc', 'docs', 'r.tenant', 'r.n');
:used
SELECT quota.unprotect('doc', 'docs'), quota.protect('doc', 'docs', 'r.tenant', 'r.n');
:ok
-- rows that are nobody's, or of no amount, are told once, and stay as they are until they get a subject
ALTER TABLE doc DISABLE TRIGGER USER;
INSERT INTO doc VALUES (6, NULL, 1), (7, 'a//b', 1), (8, NULL, 0), (9, 'cy', NULL), (10, 'cy', -3);
ALTER TABLE doc ENABLE TRIGGER USER;
SELECT quota.unprotect('doc', 'docs'), quota.protect('doc', 'docs', 'r.tenant', 'r.n');
UPDATE doc SET note = 'x';
:used
UPDATE doc SET tenant = 'cy' WHERE id = 6;
UPDATE doc SET n = 2 WHERE id = 9;
:used
DELETE FROM doc WHERE id > 5;
:used
:ok
-- all of a tree are told together
CREATE TABLE part (tenant text, n int) PARTITION BY RANGE (n);
CREATE TABLE part_a PARTITION OF part FOR VALUES FROM (0) TO (10);
CREATE TABLE part_b PARTITION OF part FOR VALUES FROM (10) TO (20);
INSERT INTO part VALUES ('dan', 1), (NULL, 2), ('dan', 11), (NULL, 12);
SELECT quota.protect('part', 'docs', 'r.tenant');
CREATE TABLE part_c (tenant text, n int);
INSERT INTO part_c VALUES ('dan', 21), ('eve', 22);
ALTER TABLE part ATTACH PARTITION part_c FOR VALUES FROM (20) TO (30);
:used
DELETE FROM part WHERE tenant IS NULL;
:ok
DROP TABLE part;

-- Nobody asked for more than there is: no denial, whatever the room, and no rate is used up.
SELECT quota.protect('doc', 'tokens', 'r.tenant', 'r.n * 40'), quota.protect('doc', 'none', 'r.tenant', 'r.n'), quota.protect('doc', 'calls', 'r.tenant', 'r.n');
:used
SELECT allowed, reason FROM quota.check('ann', 'calls', 2);
SET quota.enforcement = observe;
SELECT quota.unprotect('doc', 'none'), quota.protect('doc', 'none', 'r.tenant', 'r.n');
SELECT quota.recount('docs', false);
RESET quota.enforcement;
SELECT * FROM quota.denials;
:ok
SELECT quota.unprotect('doc', 'none'), quota.unprotect('doc', 'calls'), quota.unprotect('doc', 'tokens'), quota.unprotect('doc', 'docs');
TRUNCATE doc;

-- Of a metered feature what was charged for the subject itself at any time counts, whatever the levels have.
SELECT quota.subscribe('acme', 'team'), quota.override('acme/alice', 'tokens', '{"allowance": 1000, "period": "month"}');
SELECT remaining FROM quota.debit('acme/carl', 'tokens', 30);
SELECT remaining FROM quota.debit('acme/alice', 'tokens', 5);
INSERT INTO doc VALUES (1, 'acme', 4), (2, 'acme/alice', 7), (3, 'acme/bob', 3), (4, 'acme/carl', 29);
SELECT quota.protect('doc', 'tokens', 'r.tenant', 'r.n');
:used
SELECT subject, account, amount FROM quota.ledger WHERE metadata ? 'counted' AND subject LIKE 'acme%' ORDER BY id;
-- declared anew, in another month, rolled up or not, nothing is charged anew
SELECT count(*) > 0 AS maintained FROM quota.maintain();
SET quota.clock = '2026-03-31 00:00:00+00';
UPDATE doc SET n = n + 1 WHERE id < 3;
SELECT quota.unprotect('doc', 'tokens'), quota.protect('doc', 'tokens', 'r.tenant', 'r.n');
-- refunds leave a gap; what an open hold has, or an expired one had, is not there yet
SELECT id FROM quota.debit('acme/bob', 'tokens', 10) \gset
SELECT refunded FROM quota.refund(:id, 9);
SELECT id AS hold FROM quota.reserve('acme/bob', 'tokens', 8) \gset
SELECT reserved FROM quota.reserve('acme/alice', 'tokens', 8, '1 minute');
SELECT quota.unprotect('doc', 'tokens');
UPDATE doc SET n = 7 WHERE id = 3;
UPDATE doc SET n = 10 WHERE id = 2;
SET quota.clock = '2026-03-31 00:02:00+00';
SELECT quota.protect('doc', 'tokens', 'r.tenant', 'r.n');
SELECT subject, account, amount FROM quota.ledger WHERE metadata ? 'counted' AND at > '2026-03-01' AND account = 'acme' ORDER BY id;
SELECT charged FROM quota.settle(:hold, 2);
SELECT quota.unprotect('doc', 'tokens');
UPDATE doc SET n = 10 WHERE id = 3;
SELECT quota.protect('doc', 'tokens', 'r.tenant', 'r.n');
SELECT * FROM quota.verify();
SET client_min_messages = warning;
DROP EXTENSION quota CASCADE;
DROP SCHEMA gates CASCADE;
