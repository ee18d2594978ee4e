--
-- Bad catalogs: each is refused with the path of what is wrong, and nothing of
-- it is applied
--
SET client_min_messages = warning;
\set SHOW_CONTEXT never
DROP EXTENSION IF EXISTS quota CASCADE;
CREATE EXTENSION quota CASCADE;

-- SQLSTATE, message and hint that a catalog gets, which a dry run gives too
CREATE FUNCTION pg_temp.answer(catalog jsonb) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    given text[] := '{}';
    message text;
    hint text;
BEGIN
    FOREACH hint IN ARRAY '{true,false}'::text[] LOOP
        BEGIN
            PERFORM quota.apply_catalog(catalog, hint::boolean);
            given := given || 'accepted'::text;
        EXCEPTION WHEN OTHERS THEN
            GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, hint = PG_EXCEPTION_HINT;
            given := given || concat_ws(' ', SQLSTATE, message, '(' || nullif(hint, '') || ')');
        END;
    END LOOP;
    RETURN CASE WHEN given[1] = given[2] THEN given[1] ELSE 'dry run: ' || given[1] || ', real: ' || given[2] END;
END
$$;

CREATE TEMP TABLE base AS SELECT '{
    "features": {"tokens": {"kind": "metered"}, "docs": {"kind": "capacity"}, "api": {"kind": "rate"},
                 "mindmap": {"kind": "boolean"}, "max_mb": {"kind": "static"},
                 "pages": {"kind": "metered"}, "ocr": {"kind": "boolean"}},
    "plans": {"free": {"default": true, "external_ids": ["price_1"],
                       "entitlements": {"tokens": {"allowance": 10, "period": "month"}, "docs": {"allowance": 2}}},
              "pro": {"title": "Pro", "metadata": {"a": 1}, "external_ids": ["price_2"],
                      "entitlements": {"tokens": {"allowance": 100, "period": "month"}, "docs": {"allowance": null},
                                       "mindmap": {"value": true}, "max_mb": {"value": {"pdf": 5}}}}},
    "actions": {"scan": {"requires": ["ocr"], "charges": {"pages": {"base": 1, "per_unit": {"sheets": 2}}}}}}'::jsonb AS catalog;
SELECT count(*) FROM base, quota.apply_catalog(catalog);
CREATE TEMP TABLE before AS
SELECT quota.export_catalog() AS catalog,
       (SELECT array_agg(f ORDER BY f.id)::text FROM quota_internal.feature f) AS features,
       (SELECT array_agg(p ORDER BY p.id)::text FROM quota_internal.plan p) AS plans,
       (SELECT array_agg(v ORDER BY v.id)::text FROM quota_internal.plan_version v) AS versions,
       (SELECT array_agg(e ORDER BY e.plan_version_id, e.feature_id)::text FROM quota_internal.entitlement e) AS entitlements,
       (SELECT array_agg(a ORDER BY a.id)::text FROM quota_internal.action a) AS actions,
       (SELECT array_agg(p ORDER BY p.action_id)::text FROM quota_internal.action_price p) AS prices;

-- One value of the good catalog replaced or added.
CREATE FUNCTION pg_temp.at(path text[], value jsonb) RETURNS text LANGUAGE sql AS $$
    SELECT pg_temp.answer(jsonb_set(b.catalog, path, value)) FROM base b
$$;

\pset format unaligned
\pset tuples_only on

\echo the whole
SELECT pg_temp.answer(NULL);
SELECT quota.apply_catalog('{}', NULL);
SELECT c, pg_temp.answer(c::jsonb) FROM unnest(ARRAY['[]', 'null', '1', '"features"', '[{"features": {}}]']) c;
SELECT pg_temp.answer(jsonb_build_object('features', repeat('x', 4200000)));
SELECT pg_temp.answer(('[' || repeat('1,', 400000) || '1]')::jsonb);

\echo top level
SELECT path, value, pg_temp.at(path, value) FROM (VALUES
    ('{plnas}'::text[], '{}'::jsonb),
    ('{Features}', '{}'),
    ('{features}', '[]'), ('{features}', 'null'), ('{plans}', '"free"'), ('{plans}', 'null'), ('{actions}', '[]'),
    ('{actions}', 'null')) c (path, value);

\echo features
SELECT path, value, pg_temp.at(path, value) FROM (VALUES
    ('{features,x}'::text[], 'null'::jsonb), ('{features,x}', '"metered"'), ('{features,x}', '[]'), ('{features,x}', '{}'),
    ('{features,x}', '{"kind": "credits"}'), ('{features,x}', '{"kind": "Metered"}'), ('{features,x}', '{"kind": null}'), ('{features,x}', '{"kind": 1}'),
    ('{features,x}', '{"kind": "metered", "units": "token"}'), ('{features,x}', '{"kind": "metered", "unit": 1}'),
    ('{features,x}', '{"kind": "metered", "title": null}'),
    ('{features,X}', '{"kind": "metered"}'), ('{features,1x}', '{"kind": "metered"}'), ('{features,"a b"}', '{"kind": "metered"}'),
    ('{features,""}', '{"kind": "metered"}'), ('{features,a/b}', '{"kind": "metered"}'), ('{features,é}', '{"kind": "metered"}'),
    ('{features,"x; drop table t"}', '{"kind": "metered"}'), ('{features,"%s"}', '{"kind": "metered"}')) c (path, value);
SELECT pg_temp.at(ARRAY['features', E'x\n'], '{"kind": "metered"}');
SELECT pg_temp.at(ARRAY['features', repeat('x', 64)], '{"kind": "metered"}');
SELECT pg_temp.at(ARRAY['features', repeat('x', 100000)], '{"kind": "metered"}');
SELECT pg_temp.at('{features,x}', jsonb_build_object('kind', 'metered', 'unit', repeat('x', 64)));
SELECT pg_temp.at('{features,x}', jsonb_build_object('kind', 'metered', 'title', repeat('é', 128)));
SELECT pg_temp.answer(jsonb_build_object('features', jsonb_object_agg('f' || i, '{"kind": "metered"}'::jsonb))) FROM generate_series(1, 1001) i;

\echo plans
SELECT path, value, pg_temp.at(path, value) FROM (VALUES
    ('{plans,x}'::text[], 'null'::jsonb), ('{plans,x}', '[]'),
    ('{plans,x}', '{"price": 5}'), ('{plans,x}', '{"title": 5}'), ('{plans,x}', '{"default": "true"}'), ('{plans,x}', '{"default": 1}'),
    ('{plans,x}', '{"default": true}'), ('{plans,a}', '{"default": true}'),
    ('{plans,x}', '{"metadata": []}'), ('{plans,x}', '{"metadata": null}'), ('{plans,x}', '{"entitlements": []}'),
    ('{plans,x}', '{"external_ids": "price_9"}'), ('{plans,x}', '{"external_ids": [1]}'), ('{plans,x}', '{"external_ids": ["a", ""]}'),
    ('{plans,x}', '{"external_ids": ["a", "b", "a"]}'), ('{plans,x}', '{"external_ids": ["a", "price_2"]}'),
    ('{plans,x}', '{"external_ids": ["a\tb"]}'),
    ('{plans,x}', '{"period": 1}'), ('{plans,x}', '{"period": null}'), ('{plans,x}', '{"period": "fortnight"}'),
    ('{plans,x}', '{"period": "1 mon -1 day"}'), ('{plans,x}', '{"period": "30 seconds"}'), ('{plans,x}', '{"period": "0"}'),
    ('{plans,x}', '{"period": ""}'), ('{plans,x}', '{"period": "infinity"}'), ('{plans,x}', '{"period": "20000 years"}'),
    ('{plans,x}', '{"grace": 7}'), ('{plans,x}', '{"grace": "7 weekdays"}'),
    ('{plans,""}', '{}'), ('{plans,"my.plan"}', '{"price": 1}'), ('{plans,my plan}', '{"price": 1}')) c (path, value);
SELECT pg_temp.at(ARRAY['plans', E'a\tb'], '{}');
SELECT pg_temp.at(ARRAY['plans', repeat('é', 65)], '{}');
SELECT pg_temp.at(ARRAY['plans', repeat('x', 100000)], '{}');
SELECT pg_temp.at('{plans,x}', jsonb_build_object(repeat('y', 100000), 1));
SELECT pg_temp.at('{plans,x}', jsonb_build_object('title', repeat('x', 256)));
SELECT pg_temp.at('{plans,x}', jsonb_build_object('period', repeat('1', 256)));
SELECT pg_temp.at('{plans,x}', jsonb_build_object('metadata', jsonb_build_object('a', repeat('x', 8192))));
SELECT pg_temp.at('{plans,x}', jsonb_build_object('external_ids', ARRAY[repeat('x', 256)]));
SELECT pg_temp.at('{plans,x}', jsonb_build_object('external_ids', array_agg(i::text))) FROM generate_series(1, 101) i;
SELECT pg_temp.answer(jsonb_build_object('plans', jsonb_object_agg('p' || i, '{}'::jsonb))) FROM generate_series(1, 1001) i;

\echo entitlements
SELECT feature, entitlement, pg_temp.at(ARRAY['plans', 'pro', 'entitlements', feature], entitlement) FROM (VALUES
    ('nosuch', '{"allowance": 1}'::jsonb), ('Bad Name', '{"allowance": 1}'),
    ('tokens', 'null'), ('tokens', '[]'), ('tokens', '100'), ('tokens', '{}'), ('docs', '{}'), ('docs', 'null'),
    ('mindmap', '{}'), ('max_mb', '{}'), ('api', '{}'),
    ('tokens', '{"allowance": 1, "colour": "red"}'), ('tokens', '{"Allowance": 1}'),
    ('tokens', '{"allowance": -1}'), ('docs', '{"allowance": -1}'), ('tokens', '{"allowance": -1e30}'),
    ('tokens', '{"allowance": 1.5}'), ('tokens', '{"allowance": 0.0001}'),
    ('tokens', '{"allowance": 1e30}'), ('tokens', '{"allowance": 9223372036854775808}'),
    ('tokens', '{"allowance": "10"}'), ('tokens', '{"allowance": true}'), ('tokens', '{"allowance": [1]}'), ('tokens', '{"allowance": {}}'),
    ('tokens', '{"allowance": 1, "value": 1}'), ('docs', '{"allowance": 1, "value": 1}'),
    ('mindmap', '{"allowance": 1}'), ('mindmap', '{"value": true, "allowance": null}'), ('max_mb', '{"value": 1, "allowance": 1}'),
    ('mindmap', '{"value": 1}'), ('mindmap', '{"value": "true"}'), ('mindmap', '{"value": null}'), ('mindmap', '{"value": true, "period": "month"}'),
    ('docs', '{"allowance": 1, "period": "month"}'), ('docs', '{"allowance": 1, "anchor": "calendar"}'),
    ('docs', '{"allowance": 1, "rollover": {"max": 1}}'), ('docs', '{"allowance": 1, "overage": true}'), ('docs', '{"allowance": 1, "caps": []}'),
    ('api', '{"allowance": 1}'), ('api', '{"rate": 5}'), ('api', '{"rate": {"limit": 60, "per": "1 minute"}, "period": "day"}')) c (feature, entitlement);
SELECT pg_temp.at('{plans,pro,entitlements,tokens}', '{"allowance": 1e10000}');
SELECT pg_temp.at('{plans,pro,entitlements,tokens}', '{"allowance": 1e-10000}');
SELECT pg_temp.at('{plans,pro,entitlements,max_mb}', jsonb_build_object('value', repeat('x', 8192)));

\echo periods
SELECT p, pg_temp.at('{plans,pro,entitlements,tokens}', jsonb_build_object('allowance', 1, 'period', p))
FROM unnest(ARRAY['"0"', '"0 days"', '"59 seconds"', '"1 mon -1 day"', '"-1 month"', '"1 month ago"', '"Month"', '"months"', '""', '"5"',
                  '"99999999999 years"', '"infinity"', 'null', '30', '{"days": 1}']::jsonb[]) p;

\echo anchors
SELECT a, pg_temp.at('{plans,pro,entitlements,tokens}', jsonb_build_object('allowance', 1, 'period', 'month', 'anchor', a))
FROM unnest(ARRAY['"monday"', '"Calendar"', '""', '"timestamp"', '"infinity"', '"-infinity"', '"now"', '"tomorrow"', '"epoch"',
                  '"2026-01-31"', '"2026-01-31 00:00:00"', '"2026-01-31T00:00:00"', '"31.01.2026 00:00:00Z"', '"01/02/2026 00:00Z"',
                  '"2026-02-30T00:00:00Z"', '"2026-13-01T00:00:00Z"', '"2026-01-31T25:00:00Z"', '"2026-01-31T00:00:00+99:00"',
                  '"2026-01-31T00:00:00 Europe/Berlin"', '"2026-01-31T00:00:00CET"', '"0000-01-01T00:00:00Z"', '"294277-01-01T00:00:00Z"',
                  '"9999-12-31T23:59:59-01:00"', '"0001-01-01T00:00:00+01:00"', 'null', '1769817600', '{}']::jsonb[]) a;

\echo actions
SELECT value, pg_temp.at('{actions,x}', value) FROM unnest(ARRAY[
    'null', '[]', '"tokens"', '{"charge": {}}', '{"requires": "mindmap"}', '{"requires": {"mindmap": true}}', '{"requires": null}',
    '{"requires": [1]}', '{"requires": [null]}', '{"requires": ["mindmap", "nope"]}', '{"requires": ["Mindmap"]}', '{"requires": [""]}',
    '{"requires": ["mindmap", "tokens", "mindmap"]}',
    '{"charges": []}', '{"charges": null}', '{"charges": "tokens"}', '{"charges": {"nope": {"base": 1}}}', '{"charges": {"Tokens": {"base": 1}}}',
    '{"charges": {"mindmap": {"base": 1}}}', '{"charges": {"max_mb": {"base": 1}}}', '{"charges": {"api": {"base": 1}}}',
    '{"charges": {"tokens": null}}', '{"charges": {"tokens": 1}}', '{"charges": {"tokens": []}}', '{"charges": {"tokens": {}}}',
    '{"charges": {"tokens": {"price": 1}}}', '{"charges": {"tokens": {"base": 1, "unit": 1}}}',
    '{"charges": {"tokens": {"base": null}}}', '{"charges": {"tokens": {"base": "1"}}}', '{"charges": {"tokens": {"base": "NaN"}}}',
    '{"charges": {"tokens": {"base": true}}}', '{"charges": {"tokens": {"base": {"input": 1}}}}',
    '{"charges": {"tokens": {"base": -1}}}', '{"charges": {"tokens": {"base": -0.000001}}}',
    '{"charges": {"tokens": {"base": 9223372036854775808}}}',
    '{"charges": {"tokens": {"base": 9223372036854775807.5}}}', '{"charges": {"tokens": {"base": 1e-51}}}',
    '{"charges": {"tokens": {"per_unit": null}}}', '{"charges": {"tokens": {"per_unit": "0.1"}}}', '{"charges": {"tokens": {"per_unit": [1]}}}',
    '{"charges": {"tokens": {"per_unit": -0.1}}}', '{"charges": {"tokens": {"per_unit": 1e19}}}', '{"charges": {"tokens": {"per_unit": {}}}}',
    '{"charges": {"tokens": {"per_unit": {"input": -1}}}}', '{"charges": {"tokens": {"per_unit": {"input": "1"}}}}',
    '{"charges": {"tokens": {"per_unit": {"input": null}}}}', '{"charges": {"tokens": {"per_unit": {"input": {"a": 1}}}}}',
    '{"charges": {"tokens": {"per_unit": {"input": "Infinity"}}}}', '{"charges": {"tokens": {"per_unit": {"input": 1e19}}}}',
    '{"charges": {"tokens": {"per_unit": {"": 1}}}}', '{"charges": {"tokens": {"per_unit": {"in\tput": 1}}}}',
    '{"charges": {"tokens": {"per_unit": {"in.put %s": -1}}}}',
    '{"charges": {"docs": {"per_unit": 1}, "tokens": {"per_unit": {"input": 1}}}}']::jsonb[]) value;
SELECT pg_temp.at('{actions,x}', value) FROM unnest('{"{\"charges\": {\"tokens\": {\"base\": 1e400}}}","{\"charges\": {\"tokens\": {\"base\": -1e400}}}"}'::jsonb[]) value;
-- these are fine
SELECT value, a.change FROM base, unnest(ARRAY['{}', '{"requires": [], "charges": {}}', '{"charges": {"docs": {"base": 0}, "tokens": {"per_unit": {"input": 1e-50}}}}',
    '{"requires": ["tokens", "docs", "api", "mindmap", "max_mb"], "charges": {"tokens": {"base": 9223372036854775807, "per_unit": 0}}}']::jsonb[]) value,
    quota.apply_catalog(jsonb_set(catalog, '{actions,x}', value), true) a WHERE a.name = 'x';
SELECT name, pg_temp.at(ARRAY['actions', name], '{"price": 1}') FROM unnest(ARRAY['', 'a b', 'GPT/4o', 'é', '%s', E'a\nb', E'a\x7f']) name;
SELECT pg_temp.at(ARRAY['actions', repeat('é', 65)], '{}');
SELECT pg_temp.at(ARRAY['actions', repeat('x', 100000)], '{}');
SELECT pg_temp.at('{actions,x}', jsonb_build_object('charges', jsonb_build_object('tokens',
    jsonb_build_object('per_unit', jsonb_build_object(repeat('x', 64), 1)))));
SELECT pg_temp.at('{actions,x}', jsonb_build_object('charges', jsonb_build_object('tokens', jsonb_build_object('per_unit', jsonb_object_agg('d' || i, 1)))))
FROM generate_series(1, 101) i;
SELECT pg_temp.at('{actions,x}', jsonb_build_object('charges', jsonb_build_object(
    'tokens', jsonb_build_object('per_unit', jsonb_object_agg('a' || i, 1)), 'docs', jsonb_build_object('per_unit', jsonb_object_agg('b' || i, 1)))))
FROM generate_series(1, 51) i;
SELECT pg_temp.at('{actions,x}', jsonb_build_object('requires', jsonb_agg('f' || i))) FROM generate_series(1, 101) i;
SELECT pg_temp.at('{actions,x}', jsonb_build_object('charges', jsonb_object_agg('f' || i, '{"base": 1}'::jsonb))) FROM generate_series(1, 101) i;
SELECT pg_temp.answer(jsonb_build_object('actions', jsonb_object_agg('a' || i, '{}'::jsonb))) FROM generate_series(1, 1001) i;

\echo features in use
-- named by a plan that stays as it is
SELECT pg_temp.answer(jsonb_build_object('features', catalog -> 'features' #- '{tokens}')) FROM base;
SELECT pg_temp.answer(jsonb_build_object('features', jsonb_set(catalog -> 'features', '{mindmap,kind}', '"static"'))) FROM base;
-- named by an action that stays as it is; the kind of one that it charges cannot change even if the catalog drops the action
SELECT f, pg_temp.answer(catalog #- ARRAY['features', f] #- '{actions}'), pg_temp.answer(jsonb_set(catalog, ARRAY['features', f, 'kind'], '"static"') #- '{actions}'),
       pg_temp.answer(jsonb_set(catalog, ARRAY['features', f, 'kind'], '"capacity"') #- '{actions,scan}') FROM base, unnest('{pages,ocr}'::text[]) f;
SELECT count(*) FROM base, quota.apply_catalog(catalog #- '{features,pages}' #- '{actions}');
-- named by an action in the same catalog
SELECT f, pg_temp.answer(catalog #- ARRAY['features', f]) FROM base, unnest('{pages,ocr}'::text[]) f;
-- named by a plan in the same catalog
SELECT pg_temp.answer(catalog #- '{features,tokens}') FROM base;
SELECT pg_temp.at('{features,docs,kind}', '"metered"');
SELECT pg_temp.at('{features,max_mb,kind}', '"boolean"');

\echo nothing was applied
SELECT quota.export_catalog() = b.catalog,
       (SELECT array_agg(f ORDER BY f.id)::text FROM quota_internal.feature f) = b.features,
       (SELECT array_agg(p ORDER BY p.id)::text FROM quota_internal.plan p) = b.plans,
       (SELECT array_agg(v ORDER BY v.id)::text FROM quota_internal.plan_version v) = b.versions,
       (SELECT array_agg(e ORDER BY e.plan_version_id, e.feature_id)::text FROM quota_internal.entitlement e) = b.entitlements,
       (SELECT array_agg(a ORDER BY a.id)::text FROM quota_internal.action a) = b.actions,
       (SELECT array_agg(p ORDER BY p.action_id)::text FROM quota_internal.action_price p) = b.prices
FROM before b;

\echo features in use by subscriptions, overrides, buckets
CREATE TEMP TABLE slim AS SELECT jsonb_set(catalog, '{plans,pro,entitlements}', '{}') #- '{plans,free,entitlements,tokens}' AS catalog FROM base;
SELECT quota.subscribe('acme', 'pro') > 0;
SELECT change FROM quota.apply_catalog((SELECT catalog FROM slim)) WHERE name = 'pro';
SELECT f, pg_temp.answer(catalog #- ARRAY['features', f]), pg_temp.answer(jsonb_set(catalog, ARRAY['features', f, 'kind'], '"rate"'))
FROM slim, unnest('{tokens,mindmap,max_mb}'::text[]) f;
SELECT quota.change_plan('acme', 'pro') > 0;
SELECT quota.override('acme/alice', 'mindmap', '{"value": true}');
SELECT pg_temp.answer(catalog #- '{features,mindmap}'), pg_temp.answer(jsonb_set(catalog, '{features,mindmap,kind}', '"rate"')) FROM slim;
SELECT quota.override('acme/alice', 'mindmap', NULL);
SELECT id > 0 FROM quota.debit('solo', 'docs', 2);
SELECT pg_temp.answer(catalog #- '{features,docs}' #- '{plans,free,entitlements,docs}') FROM slim;
SELECT id > 0 FROM quota.give_back('solo', 'docs', 1);
SELECT pg_temp.answer(catalog #- '{features,docs}' #- '{plans,free,entitlements,docs}') FROM slim;
-- DETAIL says why
SELECT count(*) FROM slim, quota.apply_catalog(catalog #- '{features,docs}' #- '{plans,free,entitlements,docs}');
SELECT id > 0 FROM quota.give_back('solo', 'docs', 1);
-- nobody uses it any more
SELECT name, change FROM slim, quota.apply_catalog(catalog #- '{features,docs}' #- '{plans,free,entitlements,docs}') WHERE change <> 'unchanged';

\echo buckets are looked at only where later charges are seen
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT count(*) FROM slim, quota.apply_catalog(catalog #- '{features,docs}' #- '{features,api}' #- '{plans,free,entitlements,docs}');
ROLLBACK;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT name, change FROM slim, quota.apply_catalog(jsonb_set(catalog #- '{features,docs}' #- '{plans,free,entitlements,docs}', '{plans,free,title}', '"Free"')) WHERE change <> 'unchanged';
ROLLBACK;
