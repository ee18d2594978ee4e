--
-- quota.note_denial: a refusal that an error took along
--
SET client_min_messages = warning; DROP EXTENSION IF EXISTS quota CASCADE; CREATE EXTENSION quota CASCADE;
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/include/enforcement.psql'
\i :helpers
DROP ROLE IF EXISTS regress_quota_noter, regress_quota_looker;
CREATE ROLE regress_quota_noter;
CREATE ROLE regress_quota_looker;
SET quota.clock = '2026-03-10 12:00:00+00';
SELECT count(*) FROM quota.apply_catalog('{
    "features": {"tokens": {"kind": "metered"}, "docs": {"kind": "capacity"}, "mindmap": {"kind": "boolean"}, "calls": {"kind": "rate"}},
    "plans": {"free": {"default": true, "entitlements": {"tokens": {"allowance": 100, "period": "month"}, "docs": {"allowance": 2},
                                                         "calls": {"rate": {"limit": 1, "per": "1 minute"}}}},
              "Größer": {"entitlements": {"tokens": {"allowance": 1000}}}}}');

-- An error's own record goes with it.
SELECT state FROM pg_temp.refusal('ann', 'tokens', 101);
SELECT * FROM quota.denials;

-- Its DETAIL, as it came, brings the record back: of every reason.
CREATE FUNCTION pg_temp.noted(subject text, feature text, amount bigint, OUT state text) LANGUAGE plpgsql AS $$
DECLARE
    detail text;
BEGIN
    PERFORM quota.debit(subject, feature, amount);
    state := 'not refused';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, detail = PG_EXCEPTION_DETAIL;
    PERFORM quota.note_denial(detail::jsonb);
END $$;
SELECT quota.subscribe('bob', 'Größer') > 0 AS subscribed, quota.set_status('bob', 'past_due');
SELECT * FROM pg_temp.noted('ann', 'tokens', 101);
SELECT * FROM pg_temp.noted('ann/"x\y"', 'mindmap', 1);
SELECT * FROM pg_temp.noted('bob/é', 'tokens', 1);
SELECT allowed FROM quota.throttle('ann', 'calls');
SELECT * FROM pg_temp.noted('ann', 'calls', 1);
SELECT * FROM pg_temp.noted('ann', 'calls', 2);
SELECT * FROM pg_temp.noted('ann', 'docs', 3);
SELECT * FROM quota.denials ORDER BY subject, feature;
-- a count, not a row for each: so nobody fills the table by being refused
SELECT count(*) FROM generate_series(1, 50) i, LATERAL (SELECT quota.note_denial((SELECT detail FROM pg_temp.refusal('ann', 'docs', 3 + i)))) n;
SELECT allowed FROM quota.try_debit('ann', 'docs', 3);
SELECT subject, count(*) AS rows, sum(times) AS times FROM quota_internal.denial JOIN quota_internal.feature f ON f.id = feature_id WHERE f.name = 'docs' GROUP BY subject;
-- by day, in UTC, and the last time is the latest
SET quota.clock = '2026-03-10 09:00:00+00';
SELECT * FROM pg_temp.noted('ann', 'docs', 3);
SET quota.clock = '2026-03-11 00:00:00+00';
SELECT * FROM pg_temp.noted('ann', 'docs', 3);
SELECT * FROM quota.denials WHERE feature = 'docs' ORDER BY day;
-- also at REPEATABLE READ, and together with what is rolled back
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT * FROM pg_temp.noted('ann', 'docs', 3);
SAVEPOINT s;
SELECT * FROM pg_temp.noted('ann', 'docs', 3);
ROLLBACK TO s;
COMMIT;
SELECT times FROM quota.denials WHERE feature = 'docs' AND day = '2026-03-11';
-- what it names need not refuse any more
SELECT (quota.credit('ann', 'docs', 100)).remaining;
SELECT quota.note_denial(d.detail) FROM (SELECT detail FROM pg_temp.refusal('cleo', 'docs', 3)) d;
SELECT times FROM quota.denials WHERE subject = 'cleo';
SELECT * FROM quota.verify();

-- What does not look like a refusal is none.
CREATE TABLE pg_temp.told AS SELECT detail FROM pg_temp.refusal('ann/x', 'tokens', 7000);
SELECT detail FROM told;
CREATE FUNCTION pg_temp.with(key text, value jsonb) RETURNS text LANGUAGE sql AS $$
    SELECT pg_temp.code(format('SELECT quota.note_denial(%L)', (SELECT detail FROM told) || jsonb_build_object(key, value))) $$;
CREATE TABLE pg_temp.before AS SELECT sum(times) AS times FROM quota.denials;
SELECT pg_temp.try('SELECT quota.note_denial(NULL)');
SELECT pg_temp.try('SELECT quota.note_denial(''{}'')');
SELECT v, pg_temp.code(format('SELECT quota.note_denial(%L)', v)) FROM unnest('{null,7,[],"[\"code\"]","\"code\""}'::text[]) v;
SELECT key, pg_temp.code(format('SELECT quota.note_denial(%L)', detail - key)) AS without FROM told, jsonb_object_keys(detail) key ORDER BY key;
SELECT pg_temp.with('why', '1');
SELECT key, pg_temp.with(key, 'true') AS truth, pg_temp.with(key, '{"a": 1}') AS object FROM told, jsonb_object_keys(detail) key ORDER BY key;
SELECT key, pg_temp.with(key, 'null') AS nothing FROM told, jsonb_object_keys(detail) key
WHERE key NOT IN ('remaining', 'allowance', 'plan', 'blocked_by', 'resets_at', 'retry_after') ORDER BY key;
SELECT value, pg_temp.with('code', value) FROM unnest('{"\"\"","\"ok\"","\"quota_exceeded \"","\"QUOTA_EXCEEDED\"","\"hold_closed\"",7}'::jsonb[]) value;
SELECT value, pg_temp.with('subject', value) FROM unnest('{"\"\"","\"/\"","\"a//b\"","\"a\\u0001b\"","\"1/2/3/4/5/6/7/8/9\""}'::jsonb[]) value;
SELECT pg_temp.with('subject', to_jsonb(repeat('x', 256))), pg_temp.with('subject', to_jsonb(repeat('x', 5000)));
SELECT value, pg_temp.with('feature', value) FROM unnest('{"\"\"","\"nothing\"","\"Tokens\""}'::jsonb[]) value;
SELECT value, pg_temp.with('blocked_by', value) FROM unnest('{"\"\"","\"an\"","\"ann/\"","\"ann/y\"","\"ann/x/y\"","\"bob\""}'::jsonb[]) value;
SELECT value, pg_temp.with('requested', value) FROM unnest('{-1,1.5,9223372036854775808,1e30,"\"7\""}'::jsonb[]) value;
SELECT key, pg_temp.with(key, '-1') FROM unnest('{remaining,allowance,used,retry_after}'::text[]) key;
SELECT value, pg_temp.with('resets_at', value) FROM unnest('{"\"\"","\"now\"","\"2026-04-01\"","\"2026-04-01 00:00:00+00\"","\"2026-04-01T00:00:00+00:00; DROP\"",1}'::jsonb[]) value;
SELECT (SELECT times FROM pg_temp.before) = sum(times) AS nothing_was_written FROM quota.denials;
-- and what does is one
SELECT value, pg_temp.with('resets_at', value) = '' AS taken FROM unnest('{null,"\"2026-04-01T00:00:00.123456+05:30\""}'::jsonb[]) value;
SELECT value, pg_temp.with('blocked_by', value) = '' AS taken FROM unnest('{null,"\"ann\"","\"ann/x\""}'::jsonb[]) value;
SELECT pg_temp.with('requested', '9223372036854775807') = '' AS taken, pg_temp.with('remaining', 'null') = '' AS unlimited;

-- Rights: app may, a reader may not; nobody needs a right on a table.
SELECT quota.grant_access('regress_quota_noter', 'app'), quota.grant_access('regress_quota_looker', 'reader');
GRANT SELECT ON told TO regress_quota_noter, regress_quota_looker;
SET ROLE regress_quota_noter;
SELECT quota.note_denial(detail) FROM told;
RESET ROLE;
SET ROLE regress_quota_looker;
SELECT quota.note_denial(detail) FROM told;
RESET ROLE;
BEGIN READ ONLY;
SELECT quota.note_denial(detail) FROM told;
ROLLBACK;
SELECT quota.revoke_access('regress_quota_noter'), quota.revoke_access('regress_quota_looker');
DROP OWNED BY regress_quota_noter, regress_quota_looker;
DROP ROLE regress_quota_noter, regress_quota_looker;
