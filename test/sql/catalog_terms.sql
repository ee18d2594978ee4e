--
-- What an entitlement can say beside its allowance, and a plan's grace: kept as
-- typed rows, exported, compared, refused with the path
--
SET client_min_messages = warning;
\set SHOW_CONTEXT never
DROP EXTENSION IF EXISTS quota CASCADE;
CREATE EXTENSION quota CASCADE;
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/include/catalog.psql'
\i :helpers
SET quota.clock = '2026-01-15 12:00+00';

CREATE VIEW pg_temp.terms AS
SELECT p.name AS plan, v.version AS v, f.name AS feature, t.rollover_max AS rollover, t.overage, t.overage_limit AS "limit",
       t.caps::text AS caps, t.rate_limit AS rate, t.rate_per AS per, t.rate_per_us AS us, t.rate_burst AS burst,
       t.notify_percent AS percent, t.notify_remaining AS remaining
FROM quota_internal.entitlement e CROSS JOIN LATERAL (SELECT (e.terms).*) t JOIN quota_internal.feature f ON f.id = e.feature_id
     JOIN quota_internal.plan_version v ON v.id = e.plan_version_id JOIN quota_internal.plan p ON p.id = v.plan_id
ORDER BY p.name, v.version, f.name;
CREATE VIEW pg_temp.graces AS
SELECT p.name, v.version AS v, v.grace, v.grace_months AS months, v.grace_days AS days, v.grace_us AS us
FROM quota_internal.plan_version v JOIN quota_internal.plan p ON p.id = v.plan_id ORDER BY p.name, v.version;
-- SQLSTATE, message, detail and hint
CREATE FUNCTION pg_temp.try(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    detail text;
    hint text;
BEGIN
    EXECUTE statement;
    RETURN 'accepted';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    RETURN concat_ws(' ', SQLSTATE, SQLERRM, '[' || nullif(detail, '') || ']', '(' || nullif(hint, '') || ')');
END
$$;

--
-- kept and given back
--
CREATE TEMP TABLE start AS SELECT '{
    "features": {"tokens": {"kind": "metered"}, "calls": {"kind": "metered"}, "docs": {"kind": "capacity"}, "api": {"kind": "rate"},
                 "mindmap": {"kind": "boolean"}, "max_mb": {"kind": "static"}},
    "plans": {"free": {"default": true,
                       "entitlements": {"tokens": {"allowance": 10000, "period": "month", "anchor": "calendar", "notify": [80, 100, {"remaining": 500}]},
                                        "docs": {"allowance": 10, "notify": [{"remaining": 1}, 90]},
                                        "api": {"rate": {"limit": 60, "per": "1 minute", "burst": 20}}, "max_mb": {"value": 5}}},
              "pro": {"period": "month", "grace": "7 days",
                      "entitlements": {"tokens": {"allowance": 1000000, "period": "month", "anchor": "subscription", "rollover": {"max": 200000},
                                                  "overage": {"limit": 500000},
                                                  "caps": [{"limit": 100000, "per": "5 hours", "window": "first_use"}, {"limit": 300000, "per": "week"}],
                                                  "rate": {"limit": 40000, "per": "1 minute"}, "notify": [80, 100]},
                                       "docs": {"allowance": null}, "mindmap": {"value": true}, "api": {"rate": {"limit": 5, "per": "1 second", "burst": 5}}}},
              "payg": {"grace": "1 month 2 days 03:00",
                       "entitlements": {"tokens": {"allowance": 0, "overage": true},
                                        "calls": {"allowance": null, "caps": [{"limit": 0, "per": "hour", "window": "fixed"}], "rate": {"limit": 1, "per": "week"}}}}},
    "actions": {}}'::jsonb AS catalog;
SELECT pg_temp.apply(catalog) FROM start;
SELECT pg_temp.apply(catalog) FROM start;
SELECT * FROM pg_temp.terms;
SELECT * FROM pg_temp.graces;
-- without what is default: a window fixed, a burst that is the limit
SELECT plan, feature, e - 'allowance' - 'period' - 'anchor' AS entitlement
FROM jsonb_each(quota.export_catalog() -> 'plans') p (plan, value), jsonb_each(value -> 'entitlements') e (feature, e) ORDER BY 1, 2;
SELECT plan, value -> 'grace' AS grace FROM jsonb_each(quota.export_catalog() -> 'plans') p (plan, value) ORDER BY 1;
SELECT pg_temp.apply(quota.export_catalog());
-- from nothing again, it is the same catalog
CREATE TEMP TABLE exported AS SELECT quota.export_catalog() AS catalog;
SELECT pg_temp.apply('{"features": {}, "plans": {"free": null}}');
SELECT count(*) FROM exported, quota.apply_catalog(catalog) WHERE change = 'added';
SELECT quota.export_catalog() = exported.catalog, pg_temp.apply(start.catalog) FROM exported, start;
-- the C side reads them
SELECT f, (quota.check('nobody', f)).reason, quota.has('nobody', f) FROM unnest('{tokens,docs}'::text[]) f;
-- the extremes
SELECT pg_temp.set('{plans,max}', '{"grace": "10000 years", "entitlements": {"tokens": {"allowance": 9223372036854775807, "period": "1 minute",
    "rollover": {"max": 9223372036854775807}, "overage": {"limit": 9223372036854775807},
    "caps": [{"limit": 9223372036854775807, "per": "1 minute"}, {"limit": 1e3, "per": "10000 years"}],
    "rate": {"limit": 9223372036854775807, "per": "3652425 days", "burst": 9223372036854775807},
    "notify": [1, 100, {"remaining": 0}, {"remaining": 9223372036854775807}]},
    "calls": {"allowance": 5, "period": "day", "rollover": {"max": 0}, "overage": {"limit": 0}, "notify": []}}}');
SELECT * FROM pg_temp.terms WHERE plan = 'max';
SELECT pg_temp.apply(quota.export_catalog()), pg_temp.remove('{plans,max}');

--
-- what makes a version
--
CREATE FUNCTION pg_temp.pro(key text, value jsonb) RETURNS text LANGUAGE plpgsql AS
    'BEGIN RETURN pg_temp.set(format(''{plans,pro,entitlements,tokens,%s}'', key), value); END';
-- the same in other words is none
SELECT pg_temp.pro('rate', '{"limit": 40000, "per": "60 seconds"}'), pg_temp.pro('rate', '{"limit": 4e4, "per": "1 minute", "burst": 40000}'),
       pg_temp.pro('caps', '[{"limit": 300000, "per": "7 days", "window": "fixed"}, {"limit": 100000, "per": "300 minutes", "window": "first_use"}]'),
       pg_temp.pro('notify', '[100, 80]'), pg_temp.set('{plans,pro,grace}', '"1 week"'),
       pg_temp.set('{plans,payg,entitlements,calls,overage}', 'false'), pg_temp.set('{plans,payg,entitlements,calls,notify}', '[]'),
       pg_temp.set('{plans,payg,entitlements,tokens,caps}', '[]');
SELECT plan, max(v) FROM pg_temp.terms GROUP BY plan ORDER BY plan;
-- what differs
SELECT pg_temp.set('{plans,pro,grace}', '"168 hours"'), pg_temp.remove('{plans,pro,grace}'), pg_temp.set('{plans,pro,grace}', '"30 days"'),
       pg_temp.set('{plans,pro,grace}', '"1 month"');
SELECT v, grace, months, days, us FROM pg_temp.graces WHERE name = 'pro' ORDER BY v;
SELECT pg_temp.pro('rollover', '{"max": 200001}');
SELECT pg_temp.remove('{plans,pro,entitlements,tokens,rollover}');
SELECT pg_temp.pro('overage', '{"limit": 0}');
SELECT pg_temp.pro('overage', 'true');
SELECT pg_temp.remove('{plans,pro,entitlements,tokens,overage}');
SELECT pg_temp.pro('caps,0,limit', '1');
SELECT pg_temp.pro('caps,0,window', '"fixed"');
SELECT pg_temp.pro('caps,1,per', '"168 hours"');
SELECT pg_temp.remove('{plans,pro,entitlements,tokens,caps,0}');
SELECT pg_temp.pro('rate,limit', '40001');
SELECT pg_temp.pro('rate,burst', '1');
SELECT pg_temp.pro('rate,per', '"hour"');
SELECT pg_temp.remove('{plans,pro,entitlements,tokens,rate}');
SELECT pg_temp.pro('notify', '[80]');
SELECT pg_temp.pro('notify', '[{"remaining": 80}]');
SELECT v, rollover, overage, "limit", caps, rate, us, burst, percent, remaining FROM pg_temp.terms WHERE plan = 'pro' AND feature = 'tokens';
-- title, metadata and the like are none; subscribers keep their version
SELECT quota.subscribe('acme', 'pro') > 0;
SELECT pg_temp.set('{plans,pro,title}', '"Pro"'), pg_temp.set('{plans,pro,grace}', '"3 days"');
SELECT s.version, g.grace FROM quota.subscriptions s JOIN pg_temp.graces g ON g.name = s.plan AND g.v = s.version;

--
-- the default plan's use goes on beside terms of all kinds
--
SELECT id > 0 FROM quota.debit('solo', 'tokens', 4);
SELECT pg_temp.set('{plans,free,entitlements,tokens}', '{"allowance": 20, "period": "day", "rollover": {"max": 5}, "overage": true,
    "caps": [{"limit": 15, "per": "hour"}], "rate": {"limit": 10, "per": "1 minute"}, "notify": [50]}');
SELECT used, resets_at FROM quota.check('solo', 'tokens');

--
-- the session's settings change nothing
--
SET IntervalStyle = 'sql_standard';
SET DateStyle = 'German, DMY';
SET TimeZone = 'America/New_York';
SELECT pg_temp.apply(quota.export_catalog());
SELECT quota.export_catalog() #> '{plans,payg}';
RESET IntervalStyle;
SET TimeZone = 'UTC';
SET DateStyle = 'ISO, YMD';

--
-- overrides
--
CREATE VIEW pg_temp.overrides AS
SELECT o.subject, f.name AS feature, t.allowance, t.period, t.rollover_max AS rollover, t.overage, t.overage_limit AS "limit", t.caps::text AS caps,
       t.rate_limit AS rate, t.rate_per AS per, t.rate_per_us AS us, t.rate_burst AS burst, t.notify_percent AS percent, t.notify_remaining AS remaining, o.set_at
FROM quota_internal.subject_override o CROSS JOIN LATERAL (SELECT (o.terms).*) t JOIN quota_internal.feature f ON f.id = o.feature_id ORDER BY o.subject, f.name;
SELECT quota.override('vip', 'tokens', catalog #> '{plans,pro,entitlements,tokens}') FROM start;
SELECT quota.override('vip', 'api', '{"rate": {"limit": 3, "per": "10 seconds"}}');
SELECT quota.override('vip', 'docs', '{"allowance": 3, "notify": [100]}');
SELECT * FROM pg_temp.overrides;
SELECT allowance FROM quota.check('vip', 'tokens');
-- again it is no change; each key is one, and none moves what "subscription" counts from
SET quota.clock = '2026-01-16 12:00+00';
SELECT quota.override('vip', 'tokens', catalog #> '{plans,pro,entitlements,tokens}') FROM start;
SELECT key, quota.override('vip', 'tokens', jsonb_set(catalog #> '{plans,pro,entitlements,tokens}', key::text[], value)) IS NOT NULL AS done
FROM start, (VALUES ('{rollover,max}', '1'::jsonb), ('{overage}', 'true'), ('{overage}', '{"limit": 1}'), ('{overage}', 'false'), ('{caps,1,limit}', '1'), ('{rate,limit}', '1'),
             ('{rate,per}', '"60 seconds"'), ('{rate,burst}', '2'), ('{notify,0}', '1'), ('{notify,0}', '{"remaining": 1}')) AS c (key, value);
SELECT count(*) FROM quota.events WHERE subject = 'vip' AND feature = 'tokens';
SELECT * FROM pg_temp.overrides WHERE feature = 'tokens';
-- what goes is gone
SELECT quota.override('vip', 'tokens', '{"allowance": 1}');
SELECT * FROM pg_temp.overrides WHERE feature = 'tokens';
SELECT quota.override('vip', f, NULL) FROM unnest('{tokens,api,docs}'::text[]) f;
SELECT count(*) FROM pg_temp.overrides;

--
-- what is refused: the same words in a plan, by a dry run and a real one, and in an override
--
CREATE TEMP TABLE before AS
SELECT quota.export_catalog() AS catalog, (SELECT array_agg(v ORDER BY v.id)::text FROM quota_internal.plan_version v) AS versions;
CREATE FUNCTION pg_temp.refused(feature text, entitlement jsonb) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    catalog jsonb := jsonb_set(b.catalog, ARRAY['plans', 'pro', 'entitlements', feature], entitlement) FROM start b;
    said text := pg_temp.try(format('SELECT quota.apply_catalog(%L)', catalog));
    dry_run text := pg_temp.try(format('SELECT quota.apply_catalog(%L, true)', catalog));
    override text := pg_temp.try(format('SELECT quota.override(''bad'', %L, %L)', feature, entitlement));
BEGIN
    IF (dry_run, replace(override, 'override', 'plans.pro.entitlements.' || feature)) IS DISTINCT FROM (said, said) THEN
        RETURN format('DIFFERENT: %s; dry run: %s; override: %s', said, dry_run, override);
    END IF;
    RETURN replace(said, 'plans.pro.entitlements.', '');
END
$$;
\pset format unaligned
\pset tuples_only on

\echo keys of a metered feature
SELECT key, value, pg_temp.refused('tokens', jsonb_build_object('allowance', 100, 'period', 'month', key, value)) FROM (VALUES
    ('rollover', 'null'::jsonb), ('rollover', 'true'), ('rollover', '5'), ('rollover', '[]'), ('rollover', '{}'), ('rollover', '{"limit": 5}'),
    ('rollover', '{"max": 5, "min": 1}'), ('rollover', '{"max": null}'), ('rollover', '{"max": "5"}'), ('rollover', '{"max": -1}'),
    ('rollover', '{"max": 1.5}'), ('rollover', '{"max": 9223372036854775808}'), ('rollover', '{"max": 1e30}'),
    ('overage', 'null'), ('overage', '"true"'), ('overage', '5'), ('overage', '[5]'), ('overage', '{}'), ('overage', '{"max": 5}'),
    ('overage', '{"limit": null}'), ('overage', '{"limit": true}'), ('overage', '{"limit": -1}'), ('overage', '{"limit": 0.5}'),
    ('overage', '{"limit": 1e19}'), ('overage', '{"limit": 5, "price": 1}'),
    ('caps', 'null'), ('caps', '{}'), ('caps', '{"limit": 1, "per": "hour"}'), ('caps', '[null]'), ('caps', '[5]'), ('caps', '[[]]'), ('caps', '[{}]'),
    ('caps', '[{"limit": 5}]'), ('caps', '[{"per": "hour"}]'), ('caps', '[{"limit": 5, "period": "hour"}]'), ('caps', '[{"limit": null, "per": "hour"}]'),
    ('caps', '[{"limit": "5", "per": "hour"}]'), ('caps', '[{"limit": -5, "per": "hour"}]'), ('caps', '[{"limit": 5.5, "per": "hour"}]'),
    ('caps', '[{"limit": 1e19, "per": "hour"}]'), ('caps', '[{"limit": 5, "per": null}]'), ('caps', '[{"limit": 5, "per": 5}]'),
    ('caps', '[{"limit": 5, "per": "59 seconds"}]'), ('caps', '[{"limit": 5, "per": "0"}]'), ('caps', '[{"limit": 5, "per": "1 mon -1 day"}]'),
    ('caps', '[{"limit": 5, "per": "fortnight"}]'), ('caps', '[{"limit": 5, "per": ""}]'), ('caps', '[{"limit": 5, "per": "infinity"}]'),
    ('caps', '[{"limit": 5, "per": "hour", "window": null}]'), ('caps', '[{"limit": 5, "per": "hour", "window": "sliding"}]'),
    ('caps', '[{"limit": 5, "per": "hour", "window": "First_use"}]'), ('caps', '[{"limit": 5, "per": "hour", "anchor": "calendar"}]'),
    ('caps', '[{"limit": 5, "per": "hour"}, {"limit": 9, "per": "day"}, {"limit": 6, "per": "60 minutes", "window": "fixed"}]'),
    ('caps', '[{"limit": 5, "per": "day", "window": "first_use"}, {"limit": 5, "per": "1 day", "window": "first_use"}]'),
    ('rate', 'null'), ('rate', '60'), ('rate', '"60/min"'), ('rate', '[]'), ('rate', '{}'), ('rate', '{"limit": 60}'), ('rate', '{"per": "hour"}'),
    ('rate', '{"limit": 60, "per": "hour", "window": "fixed"}'), ('rate', '{"limit": null, "per": "hour"}'), ('rate', '{"limit": "60", "per": "hour"}'),
    ('rate', '{"limit": 0, "per": "hour"}'), ('rate', '{"limit": -1, "per": "hour"}'), ('rate', '{"limit": 1.5, "per": "hour"}'),
    ('rate', '{"limit": 0.5, "per": "hour"}'), ('rate', '{"limit": 1e19, "per": "hour"}'), ('rate', '{"limit": 60, "per": "hour", "burst": null}'),
    ('rate', '{"limit": 60, "per": "hour", "burst": 0}'), ('rate', '{"limit": 60, "per": "hour", "burst": -1}'),
    ('rate', '{"limit": 60, "per": "hour", "burst": 2.5}'), ('rate', '{"limit": 60, "per": "hour", "burst": 1e19}'),
    ('rate', '{"limit": 60, "per": "hour", "burst": true}'), ('rate', '{"limit": 60, "per": "hour", "burst": "20"}'),
    ('rate', '{"limit": 1, "per": "10000 years"}'), ('rate', '{"limit": 1, "per": "hour", "burst": 87658201}'), ('rate', '{"limit": 1, "per": "3000000 days", "burst": 2}'),
    ('notify', 'null'), ('notify', '80'), ('notify', '{}'), ('notify', '{"remaining": 5}'), ('notify', '[null]'), ('notify', '["80"]'), ('notify', '["80%"]'),
    ('notify', '[true]'), ('notify', '[[80]]'), ('notify', '[80, 101]'), ('notify', '[0]'), ('notify', '[-1]'), ('notify', '[0.8]'), ('notify', '[99.5]'),
    ('notify', '[1e30]'), ('notify', '[80, 100, 80.0]'), ('notify', '[{}]'), ('notify', '[{"percent": 80}]'), ('notify', '[{"remaining": null}]'),
    ('notify', '[{"remaining": "5"}]'), ('notify', '[50, {"remaining": -1}]'), ('notify', '[{"remaining": 0.5}]'), ('notify', '[{"remaining": 1e19}]'),
    ('notify', '[{"remaining": 5, "used": 5}]'), ('notify', '[{"remaining": 5}, 5, {"remaining": 5}]'),
    ('grace', '"7 days"'), ('burst', '5'), ('default', 'true')) c (key, value);
SELECT pg_temp.refused('tokens', jsonb_build_object('allowance', 100, 'caps',
    (SELECT jsonb_agg(jsonb_build_object('limit', 5, 'per', i || ' hours')) FROM generate_series(1, 17) i)));
SELECT pg_temp.refused('tokens', jsonb_build_object('allowance', 100, 'notify', (SELECT jsonb_agg(i) FROM generate_series(1, 17) i)));

\echo what a rate is per
SELECT p, pg_temp.refused('api', jsonb_build_object('rate', jsonb_build_object('limit', 60, 'per', p)))
FROM unnest(ARRAY['"0"', '"0 seconds"', '"999 ms"', '"0.5 seconds"', '"-1 second"', '"1 hour ago"', '"1 day -1 hour"', '"month"', '"quarter"', '"year"', '"1 month"',
                  '"1 year 1 day"', '"Hour"', '"minute"', '"second"', '""', '" "', '"x"', '"infinity"', '"20000000 days"', 'null', '60', '{"hours": 1}', 'true']::jsonb[]) p;
SELECT pg_temp.refused('api', jsonb_build_object('rate', jsonb_build_object('limit', 60, 'per', repeat('1', 256))));
SELECT p, quota_internal._rate_per(p) FROM unnest('{1 second,1.5 seconds,999999.999999 seconds,hour,day,week,1 day,7 days,00:01,PT90S,1 day 02:03:04,0.5 month,3652425 days}'::text[]) p;
SELECT quota_internal._rate_per(NULL);
SELECT pg_temp.try($$SELECT quota_internal._rate_per(repeat(' ', 100000000))$$);

\echo which kind has which key, and which need each other
SELECT feature, entitlement, pg_temp.refused(feature, entitlement) FROM (VALUES
    ('docs', '{"allowance": 1, "rollover": {"max": 1}}'::jsonb), ('docs', '{"allowance": 1, "overage": true}'), ('docs', '{"allowance": 1, "caps": []}'),
    ('docs', '{"allowance": 1, "period": "month"}'), ('docs', '{"allowance": 1, "rate": {"limit": 60, "per": "1 minute"}}'),
    ('docs', '{"allowance": 1, "notify": [101]}'), ('docs', '{"notify": [100]}'), ('docs', '{"allowance": null, "notify": [80]}'),
    ('docs', '{"allowance": null, "notify": [{"remaining": 1}]}'),
    ('mindmap', '{"value": true, "rate": {"limit": 60, "per": "1 minute"}}'), ('mindmap', '{"value": true, "notify": []}'),
    ('max_mb', '{"value": 1, "rate": {"limit": 60, "per": "1 minute"}}'), ('max_mb', '{"value": 1, "caps": []}'),
    ('api', '{}'), ('api', '{"rate": null}'), ('api', '{"rate": 5}'), ('api', '{"limit": 60, "per": "1 minute"}'), ('api', '{"allowance": 1}'),
    ('api', '{"allowance": 1, "rate": {"limit": 60, "per": "1 minute"}}'), ('api', '{"rate": {"limit": 60, "per": "1 minute"}, "period": "day"}'),
    ('api', '{"rate": {"limit": 60, "per": "1 minute"}, "notify": [80]}'), ('api', '{"rate": {"limit": 60, "per": "1 minute"}, "caps": []}'),
    ('api', '{"value": true}'),
    ('tokens', '{"rate": {"limit": 60, "per": "1 minute"}}'), ('tokens', '{"allowance": 1, "rollover": {"max": 1}}'),
    ('tokens', '{"allowance": null, "rollover": {"max": 1}}'), ('tokens', '{"allowance": null, "period": "month", "rollover": {"max": 1}}'),
    ('tokens', '{"allowance": null, "overage": true}'), ('tokens', '{"allowance": null, "overage": {"limit": 5}}'),
    ('tokens', '{"allowance": null, "notify": [80]}'), ('tokens', '{"allowance": null, "notify": [{"remaining": 1}]}'),
    -- what the JSON's shape says comes first
    ('tokens', '{"allowance": null, "overage": true, "caps": 5}')) c (feature, entitlement);

\echo grace
SELECT g, pg_temp.try(format('SELECT quota.apply_catalog(%L)', jsonb_set(catalog, '{plans,pro,grace}', g))) FROM start, unnest(ARRAY[
    'null', '7', 'true', '{}', '""', '"0"', '"0 days"', '"59 seconds"', '"-7 days"', '"7 days ago"', '"1 mon -1 day"', '"a week"', '"infinity"', '"20000 years"']::jsonb[]) g;

\echo unusual names are quoted in the path
SELECT pg_temp.try(format('SELECT quota.apply_catalog(%L)', jsonb_set(catalog, '{plans,"my plan"}', '{"entitlements": {"tokens": {"allowance": 1, "caps": [{"limit": -1, "per": "hour"}]}}}'))) FROM start;

\echo nothing was applied
SELECT quota.export_catalog() = b.catalog, (SELECT array_agg(v ORDER BY v.id)::text FROM quota_internal.plan_version v) = b.versions,
       (SELECT count(*) FROM quota_internal.subject_override WHERE subject = 'bad'), (SELECT count(*) FROM quota_internal.event WHERE subject = 'bad') FROM before b;

\echo sizes are looked at before anything is unpacked
CREATE TEMP TABLE huge (value jsonb);
INSERT INTO huge SELECT jsonb_build_object('features', repeat('x', 100000000));
SELECT pg_column_size(value) < 2000000 FROM huge;
SELECT pg_temp.try($$SELECT quota.apply_catalog((SELECT value FROM huge))$$);
SELECT pg_temp.try($$SELECT quota.apply_catalog((SELECT value FROM huge), true)$$);
SELECT pg_temp.try($$SELECT quota.override('bad', 'tokens', (SELECT value FROM huge))$$);
SELECT n, pg_temp.try(format($$SELECT quota.override('bad', 'max_mb', jsonb_build_object('value', repeat('x', %s)))$$, n))
FROM unnest('{8190,8191,65500,65536}'::int[]) n;
SELECT n, pg_temp.try(format($$SELECT quota.apply_catalog(jsonb_build_object('features', repeat('x', %s)))$$, n)) FROM unnest('{4194000,4194304}'::int[]) n;
SELECT quota.override('bad', 'max_mb', NULL);

\echo features in use
SET quota.clock = '2026-01-16 12:00+00';
SELECT quota.cancel('acme', 'now') IS NOT NULL;
SELECT pg_temp.set('{features}', quota.export_catalog() -> 'features' || '{"spare": {"kind": "metered"}, "gone": {"kind": "capacity"}}');
-- whether the feature "spare" could go, or become a capacity
CREATE FUNCTION pg_temp.spare() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    removed text := pg_temp.try($q$SELECT quota.apply_catalog(quota.export_catalog() #- '{features,spare}', true)$q$);
    changed text := pg_temp.try($q$SELECT quota.apply_catalog(jsonb_set(quota.export_catalog(), '{features,spare,kind}', '"capacity"'), true)$q$);
BEGIN
    RETURN removed || CASE WHEN (removed = 'accepted') <> (changed = 'accepted') THEN ' DIFFERENT: ' || changed ELSE '' END;
END
$$;
SELECT id AS spare FROM quota_internal.feature WHERE name = 'spare' \gset
SELECT pg_temp.spare();
-- a bucket that is not 0
INSERT INTO quota_internal.bucket (subject, feature_id, source_id, period_start, period_end) VALUES ('a', :spare, 0, '2026-01-01', '2026-02-01');
SELECT pg_temp.spare();
UPDATE quota_internal.bucket SET rolled_in = 5, allowance = 10, prorated = 7 WHERE feature_id = :spare;
SELECT pg_temp.spare();
UPDATE quota_internal.bucket SET granted = 1 WHERE feature_id = :spare;
SELECT pg_temp.spare();
UPDATE quota_internal.bucket SET granted = NULL, overage = 1 WHERE feature_id = :spare;
SELECT pg_temp.spare();
UPDATE quota_internal.bucket SET overage = NULL, overdrawn = 1 WHERE feature_id = :spare;
SELECT pg_temp.spare();
UPDATE quota_internal.bucket SET overdrawn = 0, used = 1 WHERE feature_id = :spare;
SELECT pg_temp.spare();
UPDATE quota_internal.bucket SET used = 0 WHERE feature_id = :spare;
-- a grant, until it is over and nothing taken from it is booked
INSERT INTO quota_internal.credit_grant (subject, feature_id, amount, effective_at, expires_at, created_at, source)
VALUES ('a', :spare, 5, '2026-01-10', '2026-01-20', '2026-01-10', 'top-up') RETURNING id AS grant_id \gset
SELECT pg_temp.spare();
SET quota.clock = '2026-01-05 12:00+00';
SELECT pg_temp.spare();
SET quota.clock = '2026-01-20 00:00+00';
SELECT pg_temp.spare();
INSERT INTO quota_internal.grant_use (grant_id, period_start, period_end, used) VALUES (:grant_id, '2026-01-10', '2026-01-20', 1);
SELECT pg_temp.spare();
UPDATE quota_internal.grant_use SET used = 0;
SELECT pg_temp.spare();
SET quota.clock = '2026-01-16 12:00+00';
UPDATE quota_internal.credit_grant SET revoked_at = '2026-01-16';
SELECT pg_temp.spare();
-- a hold while it is open
INSERT INTO quota_internal.hold (id, subject, feature_id, reserved, ttl_us, created_at, expires_at)
VALUES (1, 'a', :spare, 5, 1, '2026-01-16 12:00+00', '2026-01-16 12:05+00');
INSERT INTO quota_internal.hold_part (account, feature_id, hold_id, expires_at) VALUES ('a', :spare, 1, '2026-01-16 12:05+00');
SELECT pg_temp.spare();
SET quota.clock = '2026-01-16 12:05+00';
SELECT pg_temp.spare();
SET quota.clock = '2026-01-16 12:00+00';
UPDATE quota_internal.hold SET expires_at = '2026-01-16 12:00+00';
SELECT pg_temp.spare();
-- what caps and rates have counted is no use
INSERT INTO quota_internal.cap_use (subject, feature_id, source_id, period_months, period_days, period_us, window_start, opened_at, closes_at, used)
VALUES ('a', :spare, 0, 0, 1, 0, '2026-01-16', '2026-01-16', '2026-01-17', 5);
INSERT INTO quota_internal.rate_use (subject, feature_id, tat) VALUES ('a', :spare, '2026-01-16 12:01+00');
SELECT pg_temp.spare();
-- a version that a subscription will have
SELECT pg_temp.set('{plans,payg,entitlements,spare}', '{"allowance": 1, "caps": [{"limit": 1, "per": "hour"}]}');
SELECT quota.subscribe('later', 'pro') > 0;
UPDATE quota_internal.subscription s SET next_version_id = quota_internal._newest_version(p.id), next_at = '2026-02-16', next_usage = 'keep', next_source_id = s.source_id
FROM quota_internal.plan p WHERE s.subject = 'later' AND p.name = 'payg';
SELECT pg_temp.remove('{plans,payg,entitlements,spare}');
SELECT pg_temp.spare();
UPDATE quota_internal.subscription SET next_version_id = NULL, next_at = NULL, next_usage = NULL, next_source_id = NULL WHERE subject = 'later';
SELECT pg_temp.spare();
-- it goes with all that was about it
SELECT pg_temp.remove('{features,spare}');
SELECT (SELECT count(*) FROM pg_temp.window_use WHERE feature_id = :spare), (SELECT count(*) FROM quota_internal.credit_grant), (SELECT count(*) FROM quota_internal.grant_use),
       (SELECT count(*) FROM quota_internal.hold), (SELECT count(*) FROM quota_internal.hold_part), (SELECT count(*) FROM quota_internal.cap_use), (SELECT count(*) FROM quota_internal.rate_use),
       (SELECT count(*) FROM quota_internal.entitlement WHERE feature_id = :spare);
-- and so does a change of kind
SELECT id AS gone FROM quota_internal.feature WHERE name = 'gone' \gset
INSERT INTO quota_internal.credit_grant (subject, feature_id, amount, effective_at, expires_at, created_at, source)
VALUES ('a', :gone, 5, '2026-01-01', '2026-01-02', '2026-01-01', 'top-up');
SELECT pg_temp.set('{features,gone,kind}', '"rate"');
SELECT (SELECT count(*) FROM quota_internal.credit_grant), (SELECT id = :gone FROM quota_internal.feature WHERE name = 'gone');
