--
-- gates: expressions that can say something else of a row that has not changed
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
    "features": {"docs": {"kind": "capacity"}},
    "plans": {"free": {"default": true, "entitlements": {"docs": {"allowance": 99}}}}}');
CREATE TABLE org (id int PRIMARY KEY, name text);
CREATE TABLE project (id int PRIMARY KEY, org text);
CREATE VIEW owners AS SELECT p.id, o.name FROM project p JOIN org o ON o.id::text = p.org;
CREATE TABLE doc (id int PRIMARY KEY, project int, tenant text DEFAULT 'ann', n int DEFAULT 1, expires_at timestamptz, day date, tags text[]);
CREATE FUNCTION same(t text) RETURNS text LANGUAGE sql IMMUTABLE RETURN t;
CREATE FUNCTION reader(p int) RETURNS text LANGUAGE sql STABLE AS 'SELECT org FROM gates.project WHERE id = p';
CREATE FUNCTION dice() RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION "odd Name"(t text) RETURNS text LANGUAGE sql STABLE RETURN t;
CREATE SEQUENCE numbers;
SET client_min_messages = notice;

-- By themselves, as time goes by or by chance: refused.
SELECT e AS amount, pg_temp.run(format('SELECT quota.protect(''doc'', ''docs'', ''r.tenant'', %L)', e))
FROM unnest(ARRAY['CASE WHEN r.expires_at > now() THEN 1 ELSE 0 END', 'CASE WHEN r.expires_at > CURRENT_TIMESTAMP THEN 1 ELSE 0 END', 'CASE WHEN r.day = CURRENT_DATE THEN 1 ELSE 0 END',
                  'CASE WHEN r.day < localtimestamp(0) THEN 1 ELSE 0 END', 'extract(epoch FROM statement_timestamp())::int', 'extract(epoch FROM clock_timestamp())::int',
                  'extract(day FROM age(r.expires_at))::int', 'CASE WHEN r.expires_at > ''now'' THEN 1 ELSE 0 END', 'CASE WHEN r.day = ''Today''::date THEN 1 ELSE 0 END',
                  'CASE WHEN r.day = date E''tomorrow'' THEN 1 ELSE 0 END', '(SELECT CASE WHEN p.id > 0 AND now() > r.expires_at THEN 1 ELSE 0 END FROM project p)',
                  'floor(random() * 2)::int', 'dice()', 'nextval(''numbers'')', '(r.n + gates.dice() + dice())']) e;
SELECT pg_temp.run($$SELECT quota.protect('doc', 'docs', 'CASE WHEN r.expires_at > now() THEN r.tenant ELSE ''nobody'' END', '1')$$);
SELECT count(*) FROM quota.gates;

-- By what others do: a notice.
SELECT quota.protect('doc', 'docs', '(SELECT p.org FROM project p WHERE p.id = r.project)');
SELECT target, subject, drifts FROM quota.gates;
SET client_min_messages = warning;
CREATE TABLE tried (e text, why text);
CREATE FUNCTION pg_temp.why(e text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE why text;
BEGIN
    PERFORM quota.unprotect('gates.doc', 'docs');
    PERFORM quota.protect('gates.doc', 'docs', e);
    SELECT g.drifts INTO why FROM quota.gates g;
    RETURN coalesce(why, 'steady');
END $$;
SELECT e AS subject, pg_temp.why(e)
FROM unnest(ARRAY['(SELECT o.name FROM owners o WHERE o.id = r.project)', 'reader(r.project)', '"odd Name"(r.tenant)', 'current_user', 'current_setting(''app.tenant'', true)', 'r.tenant || current_database()',
                  'CASE WHEN EXISTS (SELECT FROM doc d WHERE d.id = r.id) THEN r.tenant ELSE reader(1) END',
                  'r.tenant', 'lower(r.tenant)', 'same(r.tenant)', 'concat(r.tenant, ''/'', r.n)', 'to_char(r.expires_at, ''YYYY-MM'')', 'r.expires_at::date', '(SELECT max(t) FROM unnest(r.tags) t)',
                  'CASE WHEN r.expires_at > ''2026-01-01'' THEN ''knowing'' ELSE ''now'' END', 'format(''%s'', r.tags)', 'r.day::timestamptz']) WITH ORDINALITY u(e, at) ORDER BY at;
-- one that does not work: verify() says so
SELECT pg_temp.why('reader(r.project)');
DROP FUNCTION reader;
SELECT subject, drifts FROM quota.gates;
SELECT check_name, detail FROM quota.verify();

-- What the session has set makes no other text of the same value.
SELECT quota.unprotect('doc', 'docs'), quota.protect('doc', 'docs', 'r.expires_at::date::text || '' '' || r.expires_at');
SET TimeZone = 'Asia/Tokyo';
SET DateStyle = 'German';
INSERT INTO doc (id, expires_at) VALUES (1, '2026-02-28 23:30:00+00');
:used
SET TimeZone = 'America/New_York';
SET DateStyle = 'SQL, MDY';
SHOW DateStyle;
UPDATE doc SET n = 2;
DELETE FROM doc;
:used
SHOW TimeZone;
:ok

SET client_min_messages = warning;
DROP SCHEMA gates CASCADE;
DROP EXTENSION quota CASCADE;
