--
-- quota.maintain(): what only tidies
--
SET client_min_messages = warning; DROP EXTENSION IF EXISTS quota CASCADE; CREATE EXTENSION quota CASCADE;
SET quota.leases = off;	-- what is idle is a lease's own matter
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/include/enforcement.psql'
\i :helpers
-- Nothing to do, not even a catalog.
SET quota.clock = '2026-01-31 23:00:00+00';
SELECT * FROM quota.maintain();
SELECT leaf, since, until FROM quota_internal._leaves() ORDER BY since NULLS FIRST;
SELECT * FROM quota.maintain() WHERE rows > 0;
SELECT count(*) FROM quota.apply_catalog('{
    "features": {"tokens": {"kind": "metered"}, "docs": {"kind": "capacity"}},
    "plans": {"free": {"default": true, "entitlements": {"tokens": {"allowance": 1000, "period": "month"}, "docs": {"allowance": 10}}},
              "life": {"entitlements": {"tokens": {"allowance": 5000}}}}}');

-- A debit writes to the leaf of its month, or to the default leaf.
SELECT id FROM quota.debit('ann', 'tokens', 1) \gset jan_
SET quota.clock = '2026-02-01 00:00:00+00';
SELECT id FROM quota.debit('ann', 'tokens', 2) \gset feb_
SET quota.clock = '2026-03-31 23:59:59.999999+00';
SELECT id FROM quota.debit('ann', 'tokens', 4) \gset mar_
SET quota.clock = '2026-04-01 00:00:00+00';
SELECT id FROM quota.debit('ann', 'tokens', 8) \gset apr_
SET quota.clock = '2025-12-31 23:59:59+00';
SELECT id FROM quota.debit('ann', 'tokens', 16) \gset dec_
SELECT e.tableoid::regclass, e.at, e.amount FROM quota_internal.ledger_entry e ORDER BY e.at;
-- A month that has rows in the default leaf gets no leaf of its own; the following ones do.
SET quota.clock = '2026-04-20 00:00:00+00';
SELECT rows FROM quota.maintain() WHERE task = 'ledger months made';
SELECT leaf FROM quota_internal._leaves() ORDER BY since NULLS FIRST;
-- this session finds the new leaf
SET quota.clock = '2026-05-20 00:00:00+00';
SELECT remaining FROM quota.debit('ann', 'tokens', 32, 'may', '{"a": 1}');
SELECT e.tableoid::regclass, e.amount FROM quota_internal.ledger_entry e WHERE e.key = 'may';
-- A refund finds its debit in any leaf, and is written to that of its own month.
SELECT refunded FROM quota.refund(:jan_id);
SELECT refunded FROM quota.refund(:mar_id, 3);
SELECT refunded FROM quota.refund(:apr_id, 3, 'again');
SELECT refunded FROM quota.refund(:apr_id, 3, 'again');
SELECT refunded FROM quota.refund(:dec_id);
SELECT pg_temp.code('SELECT quota.refund(' || :dec_id || ')');
SELECT e.tableoid::regclass, e.at, e.kind, e.amount FROM quota_internal.ledger_entry e WHERE e.kind = 'r' ORDER BY e.id;
SELECT * FROM quota.verify();
-- what changes plans writes there, too
SELECT quota.override('ann', 'tokens', '{"allowance": 5000, "period": "year"}');
SELECT e.tableoid::regclass, e.kind, e.amount FROM quota_internal.ledger_entry e WHERE e.kind = 't' ORDER BY e.id;
SELECT quota.override('ann', 'tokens', NULL);
SELECT * FROM quota.verify();

-- A leaf is as closed as the ledger: to everybody's UPDATE and DELETE, and to the
-- rights that ALTER DEFAULT PRIVILEGES hands out.
SELECT pg_temp.code(s) FROM unnest(ARRAY['UPDATE quota_internal.ledger_entry_2026_05 SET amount = 1', 'DELETE FROM quota_internal.ledger_entry_2026_05',
    'TRUNCATE quota_internal.ledger_entry_2026_05', 'DELETE FROM quota_internal.ledger_entry', 'TRUNCATE quota_internal.ledger_entry']) s;
CREATE ROLE regress_quota_leaf;
ALTER DEFAULT PRIVILEGES IN SCHEMA quota_internal GRANT ALL ON TABLES TO regress_quota_leaf;
ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO PUBLIC;
SET quota.clock = '2026-06-01 00:00:00+00';
SELECT rows FROM quota.maintain() WHERE task = 'ledger months made';
SELECT c.relname, a.grantee::regrole FROM pg_class c, aclexplode(c.relacl) a WHERE c.oid IN (SELECT leaf FROM quota_internal._leaves()) AND a.grantee <> c.relowner;
ALTER DEFAULT PRIVILEGES IN SCHEMA quota_internal REVOKE ALL ON TABLES FROM regress_quota_leaf;
ALTER DEFAULT PRIVILEGES REVOKE ALL ON TABLES FROM PUBLIC;
-- with the indexes that the default leaf has
SELECT regexp_replace(pg_get_indexdef(i.indexrelid), '2026_08|default', 'LEAF', 'g') AS definition, count(*)
FROM pg_index i WHERE i.indrelid IN ('quota_internal.ledger_entry_2026_08'::regclass, 'quota_internal.ledger_entry_default'::regclass) GROUP BY 1 ORDER BY 1;
-- but for the default leaf no members of the extension: they are dumped like the application's tables
SELECT l.leaf FROM quota_internal._leaves() l JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = l.leaf AND d.deptype = 'e';

-- A role of level admin may call it.
SELECT quota.grant_access('regress_quota_leaf', 'admin');
SET quota.clock = '2026-07-01 00:00:00+00';
SET ROLE regress_quota_leaf;
SELECT * FROM quota.maintain();
SELECT * FROM quota.verify();
RESET ROLE;
SELECT quota.revoke_access('regress_quota_leaf');
DROP ROLE regress_quota_leaf;

-- Expired grants and holds are told of, once.
INSERT INTO quota_internal.credit_grant (id, subject, feature_id, amount, effective_at, expires_at, created_at, revoked_at, source)
SELECT v.id, 'ann', f.id, 100, '2026-06-01', v.expires_at::timestamptz, '2026-06-01', v.revoked_at::timestamptz, 'top-up'
FROM quota_internal.feature f, (VALUES (1, '2026-07-01', NULL), (2, '2026-07-01 00:00:01', NULL), (3, 'infinity', NULL), (4, '2026-06-20', '2026-06-10')) v(id, expires_at, revoked_at)
WHERE f.name = 'tokens';
INSERT INTO quota_internal.hold (id, subject, feature_id, reserved, ttl_us, created_at, expires_at, expiry_seen, metadata)
SELECT v.id, 'ann', f.id, 5, 60000000, '2026-06-01', v.expires_at::timestamptz, v.seen, '{"job": 1}'
FROM quota_internal.feature f, (VALUES (-1, '2026-06-30', false), (-2, '2026-07-01 00:00', false), (-3, '2026-07-01 00:00:01', false), (-4, '2026-06-30', true),
                              (-5, '2025-01-01', true), (-6, '2025-01-01', true)) v(id, expires_at, seen)
WHERE f.name = 'tokens';
SELECT count(*) FROM quota.holds;
SELECT * FROM quota.holds;
SELECT * FROM quota.maintain() WHERE rows > 0;
SELECT type, subject, feature, data FROM quota.events WHERE type LIKE '%expired' ORDER BY id;
SELECT * FROM quota.maintain() WHERE rows > 0;
SELECT id, expiry_seen FROM quota_internal.hold ORDER BY id DESC;
DELETE FROM quota_internal.hold; DELETE FROM quota_internal.credit_grant;

-- Retention: months that are wholly older go; their sums stay.
SHOW quota.retention;
SELECT quota.subscribe('life', 'life');
SELECT id FROM quota.debit('life/x', 'tokens', 500) \gset life_
SELECT remaining FROM quota.debit('ann', 'docs', 3);
SELECT remaining FROM quota.debit('ann/b', 'docs', 2);
SELECT remaining FROM quota.debit('ann', 'tokens', 70, 'july');
SET quota.clock = '2026-08-15 00:00:00+00';
SELECT remaining FROM quota.give_back('ann', 'docs', 1);
SELECT remaining FROM quota.debit('ann', 'tokens', 700, 'august');
SELECT count(*) FROM quota.try_debit('ann', 'tokens', 700);
SELECT type, at FROM quota.events ORDER BY id;
SELECT used, debits FROM quota.usage('ann', 'tokens', '2026-01-01', step => 'month');
-- a day before, nothing; then January to July
SET quota.clock = '2027-02-27 23:59:00+00';
SELECT task, rows FROM quota.maintain() WHERE task ~ 'dropped|^old|expired holds|closed';
-- events go when they are older, by a microsecond
SET quota.clock = '2027-06-20 00:00:00+00';
SELECT rows FROM quota_internal._tidy() WHERE task = 'old events';
SET quota.clock = '2027-06-20 00:00:00.000001+00';
SELECT rows FROM quota_internal._tidy() WHERE task = 'old events';
SET quota.clock = '2027-09-15 00:00:00+00';
SELECT id FROM quota.debit('life/x', 'tokens', 100) \gset
SELECT remaining FROM quota.debit('ann', 'tokens', 1);
SELECT task, rows FROM quota.maintain() WHERE task ~ 'dropped|^old|expired holds|closed';
SELECT type, at FROM quota.events ORDER BY id;
SELECT leaf, since FROM quota_internal._leaves() ORDER BY since NULLS FIRST;
SELECT o.account, f.name, o.source, o.period_start, o.period_end, o.amount FROM quota_internal.opening o JOIN quota_internal.feature f ON f.id = o.feature_id ORDER BY 1, 2, 4;
SELECT b.subject, b.period_start, b.used FROM pg_temp.window_use b WHERE b.feature = 'tokens' ORDER BY 1, 2;
SELECT * FROM quota.verify();
-- what is left of it: keys as long as their entries, sums, the use of long ago
SELECT k.key FROM quota_internal.idempotency_key k ORDER BY 1;
SELECT pg_temp.code('SELECT quota.refund(' || :life_id || ')');
SELECT used FROM quota.check('ann', 'docs');
SELECT subject, kind, amount, running FROM quota.statement('life', 'tokens');
SELECT subject, kind, amount, running FROM quota.statement('life/x', 'tokens');
SELECT subject, kind, amount, running FROM quota.statement('ann', 'docs');
SELECT bucket, used, debits FROM quota.usage('ann', 'tokens', '2026-01-01', step => 'month');
SELECT * FROM quota.usage('ann', 'tokens', '2026-07-01 00:30', step => 'month');
SELECT remaining FROM quota.give_back('ann', 'docs', 3);
SELECT * FROM quota.verify();
-- A month stays while a hold that counts has entries in it, and where transactions keep their first snapshot.
SET quota.clock = '2027-10-01 00:00:00+00';
INSERT INTO quota_internal.hold_part SELECT 'ann', e.feature_id, e.debit_id, 'infinity' FROM quota_internal.ledger_entry e WHERE e.key = 'august';
SELECT rows FROM quota.maintain() WHERE task = 'ledger entries dropped';
DELETE FROM quota_internal.hold_part;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT rows FROM quota.maintain() WHERE task = 'ledger entries dropped';
COMMIT;
SELECT task, rows FROM quota.maintain() WHERE task ~ 'dropped|^old|expired holds|closed';
SELECT k.key FROM quota_internal.idempotency_key k ORDER BY 1;
SELECT * FROM quota.denials;
SELECT * FROM quota.verify();

-- Everything goes with the extension.
DROP VIEW pg_temp.window_use;
DROP EXTENSION quota;
SELECT relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname IN ('quota', 'quota_internal');
