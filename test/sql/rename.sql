--
-- quota.rename(): a subject and everything below it under another name
--
SET client_min_messages = warning; DROP EXTENSION IF EXISTS quota CASCADE; CREATE EXTENSION quota CASCADE;
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/include/enforcement.psql'
\i :helpers
\set helpers :abs_srcdir '/sql/include/tables_with.psql'
\i :helpers
-- All that anybody sees of a subject and the one above it.
CREATE FUNCTION pg_temp.shown(whom text) RETURNS TABLE (what text, answer text) LANGUAGE sql AS $$
    SELECT 'me', (quota.me($1) - 'subject')::text
    UNION ALL SELECT 'me below', (quota.me($1 || '/x') - 'subject')::text
    UNION ALL SELECT 'usage', string_agg(u::text, ' ' ORDER BY u.bucket) FROM quota.usage($1, 'tokens', '2026-01-01') u
    UNION ALL SELECT 'usage above', string_agg(u::text, ' ' ORDER BY u.bucket) FROM quota.usage('acme', 'tokens', '2026-01-01') u
    UNION ALL SELECT 'statement', string_agg(regexp_replace(s::text, $1 || '(?![a-z0-9-])', 'WHOM', 'g'), ' ' ORDER BY s.id) FROM quota.statement($1, 'tokens') s
    UNION ALL SELECT 'holds', string_agg(regexp_replace(h::text, $1 || '(?![a-z0-9-])', 'WHOM', 'g'), ' ' ORDER BY h.id) FROM quota.holds h
    UNION ALL SELECT 'denials', string_agg(regexp_replace(d::text, $1 || '(?![a-z0-9-])', 'WHOM', 'g'), ' ' ORDER BY d.subject, d.reason) FROM quota.denials d
    UNION ALL SELECT 'periods', string_agg(regexp_replace(p::text, $1 || '(?![a-z0-9-])', 'WHOM', 'g'), ' ' ORDER BY regexp_replace(p.subject, $1 || '(?![a-z0-9-])', 'WHOM', 'g') COLLATE "C", p.feature, p.period_start) FROM quota.periods p
    UNION ALL SELECT 'ledger', string_agg(regexp_replace(l::text, $1 || '(?![a-z0-9-])', 'WHOM', 'g'), ' ' ORDER BY l.id) FROM quota.ledger l
$$;
SET quota.clock = '2026-01-05 10:20:00+00';
SELECT count(*) FROM quota.apply_catalog('{
    "features": {"tokens": {"kind": "metered"}, "docs": {"kind": "capacity"}, "api": {"kind": "rate"}},
    "plans": {"free": {"default": true, "entitlements": {"tokens": {"allowance": 1000, "period": "month"}, "docs": {"allowance": 10}, "api": {"rate": {"limit": 5, "per": "1 minute"}}}},
              "team": {"entitlements": {"tokens": {"allowance": 100000, "period": "month", "caps": [{"limit": 50000, "per": "5 hours", "window": "first_use"}]}, "docs": {"allowance": 100},
                                        "api": {"rate": {"limit": 5, "per": "1 minute"}}}}}}');
SELECT sum(rows) > 0 AS done FROM quota.maintain();
SELECT quota.subscribe('acme', 'team', metadata => '{"vat": 1}'), quota.subscribe('acme/al', 'team'),
       quota.override('acme/al/x', 'tokens', '{"allowance": 500, "period": "day"}');
-- names that only begin alike
SELECT id FROM quota.debit('acme/al2', 'tokens', 1000, 'other', '{"who": "al2"}') \gset
SELECT id FROM quota.debit('acme/al-b', 'tokens', 2000) \gset
SELECT id FROM quota.debit('acme/al', 'tokens', 20, 'al', '{"who": "al"}') \gset al_
SELECT id FROM quota.debit('acme/al/x', 'tokens', 3, 'x', '{"who": "x"}') \gset x_
SELECT id FROM quota.debit('acme/al/x', 'docs', 2) \gset
SELECT refunded FROM quota.refund(:al_id, 5, 'back');
SELECT count(*) FROM quota.try_debit('acme/al/x', 'tokens', 1000);
SELECT allowed FROM quota.throttle('acme/al', 'api', 4);
SELECT id FROM quota.credit('acme/al', 'tokens', 500) \gset grant_
SELECT id FROM quota.reserve('acme/al/x', 'tokens', 7, '1 hour', 'hold', '{"who": "x"}') \gset hold_
SELECT secret FROM quota.create_api_key('acme/al/x', 'ci') \gset
SELECT quota_internal._roll_up() > 0;
SELECT id FROM quota.debit('acme/al/x', 'tokens', 50, 'late') \gset
INSERT INTO quota_internal.opening SELECT 'acme/al', f.id, 'a', 0, '2020-01-01', '2020-02-01', 0, 0 FROM quota_internal.feature f WHERE f.name = 'tokens';
-- rows of a gate that remembers
CREATE TABLE file (id int PRIMARY KEY, owner text, size int);
SELECT quota.protect('file', 'docs', 'r.owner', 'r.size', remember => true);
INSERT INTO file VALUES (1, 'acme/al', 3), (2, 'acme/al/x', 4), (3, 'acme/al2', 1);
SELECT * FROM quota.verify();
-- where the library is preloaded, rates are in memory
INSERT INTO quota_internal.rate_use SELECT 'acme/al', f.id, '2026-01-05' FROM quota_internal.feature f ON CONFLICT DO NOTHING;
SELECT * FROM pg_temp.tables_with('acme/al(/|[,)"]|$)');
CREATE TEMP TABLE before AS SELECT * FROM pg_temp.shown('acme/al');
SELECT count(answer) FROM before;

SELECT quota.rename('acme/al', 'acme/alice');
SELECT * FROM quota.verify();
-- Nothing has the old name but the event that says so; everything is as it was, of the levels above too.
SELECT * FROM pg_temp.tables_with('acme/al(/|[,)"]|$)');
SELECT b.what, b.answer, a.answer AS now FROM before b FULL JOIN pg_temp.shown('acme/alice') a USING (what) WHERE a.answer IS DISTINCT FROM b.answer;
SELECT type, subject, feature, CASE type WHEN 'subject_renamed' THEN data END AS data FROM quota.events WHERE type IN ('subject_renamed', 'credited', 'override_set') ORDER BY id;
SELECT subject, scopes FROM quota.authenticate(:'secret');
-- keys answer again under the new name; the hold, the debit and the grant go on
SELECT id = :al_id AS first_answer FROM quota.debit('acme/alice', 'tokens', 20, 'al', '{"who": "al"}');
SELECT refunded FROM quota.refund(:al_id, 5, 'back');
SELECT refunded FROM quota.refund(:x_id);
SELECT charged, overdrawn FROM quota.settle(:hold_id, 9);
SELECT allowed, remaining FROM quota.throttle('acme/alice', 'api', 2);
SELECT quota.revoke(:grant_id);
SELECT used, reserved FROM quota.status('acme/alice') WHERE feature = 'tokens';
-- the application updates its rows, which charges nothing
UPDATE file SET owner = 'acme/alice' || substr(owner, 8) WHERE owner = 'acme/al' OR owner LIKE 'acme/al/%';
SELECT subject, key, amount FROM quota.gate_charge ORDER BY key;
SELECT * FROM quota.recount('docs');
SELECT used FROM quota.check('acme/alice', 'docs');
SELECT quota_internal._roll_up() > 0;
SELECT * FROM quota.verify();
-- the old name is nobody's, and begins anew
SELECT used FROM quota.check('acme/al', 'docs');
SELECT quota.rename('acme/al', 'acme/alfred');
SELECT remaining FROM quota.debit('acme/al', 'tokens', 1);
-- and is in the way of going back
SELECT pg_temp.try($$SELECT quota.rename('acme/alice', 'acme/al')$$);
SELECT quota.forget('acme/al');
SELECT quota.rename('acme/alice', 'acme/al');
SELECT used FROM quota.check('acme/al', 'docs');
SELECT * FROM quota.verify();

-- Anything at all is somebody.
SELECT quota.subscribe('s/subscribed/deep', 'team', '2026-06-01') > 0 AS done, quota.override('s/overridden', 'docs', '{"allowance": 1}'),
       (quota.create_api_key('s/keyed', 'k')).id > 0 AS done, (quota.try_debit('s/denied', 'tokens', 100000)).reason;
SELECT whom, pg_temp.code(format('SELECT quota.rename(%L, %L)', 'acme', whom)) AS answer FROM unnest('{s,acme}'::text[]) whom;
SELECT whom, pg_temp.code(format('SELECT quota.rename(%L, %L)', 's/renamed', whom)) AS answer FROM unnest('{s/subscribed,s/overridden,s/keyed,s/denied,s/free}'::text[]) whom;
-- a first segment, with all its levels
SELECT quota.rename('acme', 'Äcme & "söhne"');
SELECT account, subject, sum(amount) FROM quota.ledger GROUP BY 1, 2 ORDER BY 1, 2;
SELECT * FROM quota.verify();
SELECT quota.rename('Äcme & "söhne"', 'acme');

-- Bad arguments change nothing.
SELECT pg_temp.try(format('SELECT quota.rename(%L, %L)', a, b)) AS refused FROM (VALUES
    (NULL, 'x'), ('x', NULL), ('', 'x'), ('x', ''), ('a//b', 'x'), ('acme/al', 'acme//al'), ('acme/al', E'acme/\x01'), ('acme/al', 'acme/al'), ('acme/al', 'al'), ('acme/al', 'acme/al/x'),
    ('acme/al', 'acme/al/x/y'), ('acme/al', 'other/al'), ('acme', 'acme/x'), ('acme/al/x', 'acme/b/x'), ('acme', repeat('x', 256)), ('acme', repeat('x', 252)), ('acme/al', 'ACME/al')) v(a, b);
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT quota.rename('acme/al', 'acme/b');
ROLLBACK;
BEGIN READ ONLY;
SELECT quota.rename('acme/al', 'acme/b');
ROLLBACK;
BEGIN;
SELECT quota.rename('acme/al', 'acme/b') > 0 AS renamed;
ROLLBACK;
SELECT used FROM quota.check('acme/al', 'docs');
-- the ledger is as closed as before
UPDATE quota_internal.ledger_entry SET subject = 'x';
SELECT * FROM quota.verify();
DROP TABLE file;
