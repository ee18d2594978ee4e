--
-- quota.export_subject(), quota.import_subject(): a subject that goes to another database
--
SET client_min_messages = warning; DROP EXTENSION IF EXISTS quota CASCADE; CREATE EXTENSION quota CASCADE;
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/include/enforcement.psql'
\i :helpers
\set helpers :abs_srcdir '/sql/include/tables_with.psql'
\i :helpers
\set helpers :abs_srcdir '/sql/include/leases.psql'
\i :helpers
SET TimeZone = 'UTC';
-- leases are opened by hand here
SET quota.leases = off;
-- All that anybody sees of a subject.
CREATE FUNCTION pg_temp.shown(whom text) RETURNS TABLE (what text, answer text) LANGUAGE sql AS $$
    SELECT 'me', quota.me($1)::text
    UNION ALL SELECT 'me below', quota.me($1 || '/al')::text
    UNION ALL SELECT 'usage', string_agg(u::text, ' ' ORDER BY u.bucket) FROM quota.usage($1, 'tokens', '2025-12-01') u
    UNION ALL SELECT 'statement', string_agg(s::text, ' ' ORDER BY s.id) FROM quota.statement($1, 'tokens', '2025-12-01') s
    UNION ALL SELECT 'breakdown', string_agg(b::text, ' ' ORDER BY b.name) FROM quota.breakdown($1, 'tokens', '2025-12-01') b
    UNION ALL SELECT 'unit_hours', quota.unit_hours($1, 'docs', '2026-01-01')::text
    UNION ALL SELECT 'subscriptions', string_agg(s::text, ' ' ORDER BY s.id) FROM quota.subscriptions s
    UNION ALL SELECT 'holds', string_agg(h::text, ' ' ORDER BY h.id) FROM quota.holds h
    UNION ALL SELECT 'denials', string_agg(d::text, ' ' ORDER BY d.subject, d.reason) FROM quota.denials d
    UNION ALL SELECT 'periods', string_agg(p::text, ' ' ORDER BY p.subject, p.feature, p.period_start) FROM quota.periods p
    UNION ALL SELECT 'events', string_agg((to_jsonb(e) - 'xid')::text, ' ' ORDER BY e.id) FROM quota.events e
    UNION ALL SELECT 'API keys', string_agg(k::text, ' ' ORDER BY k.id) FROM quota.api_keys k
    UNION ALL SELECT 'ledger', string_agg((to_jsonb(l) - 'xid')::text, ' ' ORDER BY l.id) FROM quota.ledger l
$$;
SET quota.clock = '2025-12-20 10:00:00+00';
\set team '{"allowance": 1000, "period": "month", "anchor": "subscription", "notify": [50], "overage": true, "rollover": {"max": 10}, "caps": [{"limit": 600, "per": "5 hours", "window": "first_use"}, {"limit": 900, "per": "day"}]}'
SELECT count(*) FROM quota.apply_catalog(format('{
    "features": {"tokens": {"kind": "metered"}, "docs": {"kind": "capacity"}, "api": {"kind": "rate"}, "gone": {"kind": "metered"}},
    "plans": {"free": {"default": true, "entitlements": {"tokens": {"allowance": 100, "period": "month"}, "gone": {"allowance": 5}, "docs": {"allowance": 10}}},
              "team": {"grace": "3 days", "entitlements": {"tokens": %s, "docs": {"allowance": 100, "members": {"allowance": 20}}, "api": {"rate": {"limit": 5, "per": "1 minute"}}}}}}', :'team')::jsonb);
CREATE TABLE file (id int PRIMARY KEY, owner text, size int);
SELECT quota.protect('file', 'docs', 'r.owner', 'r.size', remember => true);

-- December on the default plan
SELECT id FROM quota.debit('acme', 'tokens', 30, 'december', '{"n": null}') \gset december_
SELECT id FROM quota.debit('acme', 'gone', 1) \gset gone_
SELECT quota_internal._roll_up() > 0 AS rolled_up;
SET quota.clock = '2026-01-05 10:20:00+00';
SELECT refunded FROM quota.refund(:gone_id);
SELECT count(*) > 0 AS removed FROM quota.apply_catalog((quota.export_catalog() #- '{features,gone}') #- '{plans,free,entitlements,gone}');
-- January: a plan of which there is a newer version, and one that is scheduled
SELECT quota.subscribe('acme', 'team', metadata => '{"vat": 1}', quantity => 2) AS subscription \gset
SELECT count(*) > 0 AS changed FROM quota.apply_catalog(jsonb_set(quota.export_catalog(), '{plans,team,entitlements,tokens,allowance}', '2000'));
SELECT quota.change_plan('acme', 'free', 'period_end') = :subscription AS scheduled;
SELECT count(*) FROM quota.override('acme/al', 'tokens', '{"allowance": 400, "period": "day"}');
SELECT id FROM quota.debit('acme/al', 'tokens', 90, 'al', '{"who": "al"}') \gset al_
SELECT refunded FROM quota.refund(:al_id, 5, 'back');
SELECT id FROM quota.reserve('acme/al', 'tokens', 200, '1 hour', 'hold', '{"who": "al"}') \gset hold_
SELECT id FROM quota.credit('acme', 'tokens', 500, every => 'month', beyond_caps => true) \gset grant_
SELECT id FROM quota.credit('acme/al', 'tokens', 10) \gset top_up_
SELECT remaining FROM quota.debit('acme/al', 'tokens', 124);
SELECT id, secret FROM quota.create_api_key('acme/al', 'ci', scopes => '{read}') \gset key_
SELECT subject FROM quota.authenticate(:'key_secret');
SELECT allowed FROM quota.try_debit('acme/al', 'tokens', 1000);
INSERT INTO file VALUES (1, 'acme', 3), (2, 'acme/al', 4);
-- an account with a lease, below one
SELECT pg_temp.lease('acme', 'tokens', 10, $$SELECT * FROM quota.debit('acme', 'tokens', 2)$$);
SELECT subject, leased FROM pg_temp.leases;
-- names that only begin alike
SELECT id FROM quota.debit('acme2', 'tokens', 1) \gset other_
SELECT id FROM quota.debit('acme-b', 'tokens', 1) \gset other_
INSERT INTO quota_internal.rate_use SELECT 'acme', f.id, '2026-01-05 10:20:05', 1, 5, 60000000 FROM quota_internal.feature f WHERE f.name = 'api' ON CONFLICT DO NOTHING;
INSERT INTO quota_internal.opening SELECT 'acme', f.id, 'a', 0, '2020-01-01', '2020-02-01', 0, 0 FROM quota_internal.feature f WHERE f.name = 'tokens';
SELECT * FROM quota.verify();
SELECT * FROM pg_temp.tables_with('acme(/|[,)"]|$)');

CREATE TEMP TABLE before AS SELECT * FROM pg_temp.shown('acme');
SELECT current_setting('DateStyle') AS style \gset
SET DateStyle = 'SQL, DMY'; SET TimeZone = 'Asia/Kathmandu';
CREATE TEMP TABLE travel AS SELECT quota.export_subject('acme') AS document;
SET DateStyle = :'style'; SET TimeZone = 'UTC';
-- It changes nothing, but ends leases.
SELECT * FROM pg_temp.leases;
SELECT s.what FROM pg_temp.shown('acme') s JOIN before b USING (what) WHERE s.answer IS DISTINCT FROM b.answer;
SELECT quota.import_subject(document) FROM travel;
SELECT quota.forget('acme');
SELECT * FROM quota.verify();
-- rows under a gate go without giving back, and come back without being charged
ALTER TABLE file DISABLE TRIGGER USER;
DELETE FROM file;
ALTER TABLE file ENABLE TRIGGER USER;
SELECT quota.import_subject(document) FROM travel;
SELECT used FROM quota.check('acme', 'docs');
INSERT INTO file VALUES (1, 'acme', 3), (2, 'acme/al', 4);
SELECT used FROM quota.check('acme', 'docs');
SELECT * FROM quota.verify();
-- All is as it was; but the ledger has no entry of the feature that was removed.
SELECT s.what FROM pg_temp.shown('acme') s JOIN before b USING (what) WHERE s.answer IS DISTINCT FROM b.answer;
SELECT count(*) FROM quota.ledger WHERE feature IS NULL;
SELECT * FROM pg_temp.tables_with('acme(/|[,)"]|$)');
-- Exported again, it is the same.
CREATE FUNCTION pg_temp.sorted(document jsonb) RETURNS TABLE (relation text, rows jsonb) LANGUAGE sql AS $$
    SELECT r.key, (SELECT jsonb_agg(v.value - 'xid' - 'epoch' - 'lease_id' ORDER BY v.value - 'xid' - 'epoch' - 'lease_id') FROM jsonb_array_elements(r.value) v)
    FROM jsonb_each($1 -> 'rows') r WHERE r.key <> 'ledger_entry'
$$;
-- but for features and versions of plans that have been removed
CREATE FUNCTION pg_temp.kept(document jsonb) RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_build_object('rows', jsonb_object_agg(r.key, (SELECT coalesce(jsonb_agg(v.value || CASE WHEN v.value ? 'plan_version_id' AND NOT $1 -> 'plan_versions' ? (v.value ->> 'plan_version_id')
                                                                                                           THEN '{"plan_version_id": null}' ELSE '{}'::jsonb END), '[]')
                                                               FROM jsonb_array_elements(r.value) v
                                                               WHERE NOT v.value ? 'feature_id' OR r.key = 'event' OR $1 -> 'features' ? (v.value ->> 'feature_id'))))
    FROM jsonb_each($1 -> 'rows') r WHERE r.key <> 'ledger_entry'
$$;
SELECT relation FROM travel, pg_temp.sorted(pg_temp.kept(document)) t JOIN pg_temp.sorted(quota.export_subject('acme')) a USING (relation)
    WHERE t.rows IS DISTINCT FROM a.rows ORDER BY 1;

-- It goes on: keys, refunds, holds, API keys, grants, rows of gates.
SELECT id = :al_id AS first_answer FROM quota.debit('acme/al', 'tokens', 90, 'al', '{"who": "al"}');
SELECT id = :december_id AS first_answer FROM quota.debit('acme', 'tokens', 30, 'december', '{"n": null}');
SELECT refunded FROM quota.refund(:al_id, 10);
SELECT refunded FROM quota.refund(:december_id);
SELECT charged, overdrawn FROM quota.settle(:hold_id, 150);
SELECT subject, key_id = :key_id AS same_key, scopes FROM quota.authenticate(:'key_secret');
SELECT quota.revoke(:grant_id, 100);
UPDATE file SET size = size + 1;
DELETE FROM file WHERE id = 1;
SELECT used FROM quota.check('acme', 'docs');
SELECT id > :hold_id AS younger FROM quota.debit('acme/al', 'tokens', 5);
SELECT count(*) FROM quota.clear_caps('acme', 'tokens');
SET quota.clock = '2026-02-05 10:30:00+00';
SELECT quota.me('acme') #>> '{plan,name}' AS plan;
SELECT count(*) > 0 AS tidied FROM quota.maintain();
SELECT * FROM quota.verify();
SELECT quota.forget('acme') > 0 AS erased;
SELECT * FROM quota.verify();

-- Somebody of whom there is nothing
SELECT quota.import_subject(quota.export_subject('nobody'));
SELECT * FROM quota.verify();

-- Bad input
SELECT quota.export_subject(NULL);
SELECT quota.export_subject('');
SELECT quota.export_subject('acme/al');
SELECT quota.import_subject(NULL);
SELECT quota.import_subject('[]');
SELECT quota.import_subject('{}');
SELECT quota.import_subject('{"subject": "x"}');
CREATE FUNCTION pg_temp.try(path text[], value jsonb) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    said text; detail text; hint text;
BEGIN
    PERFORM quota.import_subject(jsonb_set(document, path, value)) FROM travel;
    RETURN 'imported';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS said = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    RETURN concat_ws(E'\n', SQLSTATE || ': ' || said, nullif(detail, ''), nullif(hint, ''));
END
$$;
\pset format unaligned
\pset tuples_only on
SELECT pg_temp.try('{subject}', '"acme/al"');
SELECT pg_temp.try('{subject}', '"acme2"');
SELECT pg_temp.try('{subject}', '"newcomer"');
SELECT pg_temp.try('{features}', '{"1": null}');
SELECT pg_temp.try('{features}', '{"1": {"name": null}}');
SELECT pg_temp.try('{features}', '{"x": {"name": "tokens", "kind": "metered"}}');
SELECT pg_temp.try('{plan_versions}', '{"1": 7}');
SELECT pg_temp.try('{plan_versions}', '{"1": {"plan": "free", "version": 1.5}}');
SELECT pg_temp.try('{rows}', '{}');
SELECT pg_temp.try('{rows,bucket}', '[7]');
SELECT pg_temp.try('{rows,bucket}', '7');
SELECT pg_temp.try('{rows,ledger_entry}', '[7]');
SELECT pg_temp.try('{rows,ledger_entry}', '7');
SELECT pg_temp.try('{rows,ledger_entry}', '["7"]');
SELECT pg_temp.try('{rows,ledger_entry}', (SELECT jsonb_agg(e::text) FROM quota_internal.ledger_entry e WHERE e.subject = 'acme2')) FROM travel;
CREATE FUNCTION pg_temp.try_entry(changed jsonb) RETURNS text LANGUAGE sql AS $$
    SELECT pg_temp.try('{rows,ledger_entry,0}', to_jsonb(jsonb_populate_record((document #>> '{rows,ledger_entry,0}')::quota_internal.ledger_entry, changed)::text)) FROM travel
$$;
SELECT pg_temp.try_entry('{"account": "acme2"}');
SELECT pg_temp.try_entry('{"at": null}');
SELECT pg_temp.try_entry('{"at": "infinity"}');
SELECT replace(pg_temp.try_entry(jsonb_build_object('debit_id', :other_id)), :'other_id', 'N');
SELECT pg_temp.try_entry('{"id": 9223372036854775807}');
SELECT pg_temp.try_entry('{"debit_id": 9223372036854775807}');
SELECT pg_temp.try('{rows,subscription,0,source_id}', '9223372036854775807');
SELECT pg_temp.try('{dropped_before}', '"infinity"');
SELECT pg_temp.try('{rows,bucket,0,used}', '"x"');
SELECT pg_temp.try('{rows,bucket,0,used}', '-1');
SELECT pg_temp.try('{rows,api_key,0,subject}', '"acme2"');
SELECT pg_temp.try('{rows,grant_use}', '[{"grant_id": 0, "period_start": "2026-01-01", "period_end": "2026-02-01", "used": 1}]');
SELECT pg_temp.try('{rows,gate_charge,0,target}', '"public.nix"');
SELECT regexp_replace(pg_temp.try('{database,version}', '"0.9"'), 'this is .*', 'this is another.');
SELECT pg_temp.try('{database,system}', '1');
SELECT pg_temp.try('{database}', document -> 'database' || '{"system": 1, "step": 64, "rest": 1}') FROM travel;
SELECT replace(pg_temp.try(ARRAY['features', f.id::text, 'name'], '"nix"'), f.id::text, 'N') FROM quota_internal.feature f WHERE f.name = 'tokens';
SELECT replace(pg_temp.try(ARRAY['features', f.id::text, 'kind'], '"rate"'), f.id::text, 'N') FROM quota_internal.feature f WHERE f.name = 'tokens';
SELECT pg_temp.try(ARRAY['plan_versions', v.id::text, 'version'], '9') FROM quota_internal.plan_version v JOIN quota_internal.plan p ON p.id = v.plan_id WHERE p.name = 'team' AND v.version = 1;
SELECT pg_temp.try(ARRAY['plan_versions', v.id::text, 'version'], '2') FROM quota_internal.plan_version v JOIN quota_internal.plan p ON p.id = v.plan_id WHERE p.name = 'team' AND v.version = 1;
SELECT quota_internal._is_somebody('acme');
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT pg_temp.try('{subject}', '"acme"');
ROLLBACK;
-- and as it was
SELECT pg_temp.try('{subject}', '"acme"');
ALTER SEQUENCE quota_internal.event_id_seq INCREMENT 64;
\set VERBOSITY terse
SELECT quota.export_subject('acme2');
DROP TABLE file;
