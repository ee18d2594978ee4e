--
-- charge and charge_units: what an action of the price book comes to
--
SET client_min_messages = warning;
\set SHOW_CONTEXT never
DROP EXTENSION IF EXISTS quota CASCADE;
CREATE EXTENSION quota CASCADE;
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/include/calls.psql'
\i :helpers
SET quota.clock = '2026-01-15 12:00+00';

-- the rows of a call in short: feature, charged (with a minus where there is no id), what remains
CREATE FUNCTION pg_temp.pay(call text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    RETURN pg_temp.try(format('SELECT string_agg(concat_ws('' '', c.feature, CASE WHEN c.id IS NULL THEN ''no id'' END, c.charged, coalesce(c.remaining::text, ''-'')), ''; '' ORDER BY c.n)
                               FROM quota.%s WITH ORDINALITY c (feature, id, charged, remaining, resets_at, n)', call));
END
$$;
CREATE FUNCTION pg_temp.charge(subject text, action text, units numeric, key text = NULL, metadata jsonb = NULL) RETURNS text LANGUAGE sql
    AS $$SELECT pg_temp.pay(format('charge(%L, %L, %L, %L, %L)', subject, action, units, key, metadata))$$;
CREATE FUNCTION pg_temp.charge_units(subject text, action text, units jsonb, key text = NULL, metadata jsonb = NULL) RETURNS text LANGUAGE sql
    AS $$SELECT pg_temp.pay(format('charge_units(%L, %L, %L, %L, %L)', subject, action, units, key, metadata))$$;

SELECT count(*) FROM quota.apply_catalog('{
    "features": {"tokens": {"kind": "metered"}, "calls": {"kind": "metered"}, "docs": {"kind": "capacity"}, "money": {"kind": "metered", "unit": "micro-dollar"},
                 "a.b": {"kind": "metered"}, "a_b": {"kind": "metered"}, "ab": {"kind": "metered"},
                 "mindmap": {"kind": "boolean"}, "off": {"kind": "boolean"}, "max_mb": {"kind": "static"}, "nobody": {"kind": "metered"}},
    "plans": {"free": {"default": true, "entitlements": {
                  "tokens": {"allowance": 1000, "period": "month"}, "calls": {"allowance": 10, "period": "day"}, "docs": {"allowance": 5},
                  "a.b": {"allowance": 9}, "a_b": {"allowance": 9}, "ab": {"allowance": 9}, "money": {"allowance": null},
                  "mindmap": {"value": true}, "off": {"value": false}, "max_mb": {"value": 5}}},
              "bare": {"entitlements": {"tokens": {"allowance": 1000}}}},
    "actions": {"mindmap.generate": {"requires": ["mindmap"], "charges": {"tokens": {"base": 500}}},
                "chat": {"charges": {"tokens": {"per_unit": {"input": 1, "output": 4}}}},
                "embed": {"charges": {"tokens": {"per_unit": 0.1}}},
                "parse": {"charges": {"docs": {"base": 1}, "tokens": {"base": 2.5, "per_unit": 0.25}, "calls": {"per_unit": 0}, "money": {"per_unit": 0.0000001}}},
                "openai/GPT-4o": {"charges": {"tokens": {"base": 1, "per_unit": {"input": 0.5, "output": 2}}, "money": {"per_unit": {"input": 2.5, "output": 10, "cached": 0}}, "calls": {"base": 1}}},
                "order": {"charges": {"ab": {"base": 1}, "a_b": {"base": 2}, "a.b": {"base": 3}}},
                "enterprise": {"requires": ["mindmap", "off", "nobody"], "charges": {"tokens": {"base": 1}}},
                "needs.any": {"requires": ["docs", "max_mb", "tokens"], "charges": {"calls": {"base": 1}}},
                "gate": {"requires": ["mindmap"]}, "needs.tokens": {"requires": ["tokens"], "charges": {"calls": {"base": 1}}},
                "nothing": {}, "zero": {"charges": {"tokens": {"base": 0}, "nobody": {"per_unit": 0}}},
                "unsold": {"charges": {"docs": {"base": 1}, "nobody": {"base": 1}}},
                "huge": {"charges": {"money": {"base": 9223372036854775807, "per_unit": 1}}},
                "exact": {"charges": {"money": {"per_unit": 0.33333333333333333333333333333333333333333333333333}}},
                "gone": {"charges": {"tokens": {"base": 1}}}}}');
SELECT name, change FROM quota.apply_catalog(quota.export_catalog() #- '{actions,gone}') WHERE change <> 'unchanged';

--
-- prices
--
SELECT feature, id IS NOT NULL AS has_id, charged, remaining, resets_at FROM quota.charge('u', 'parse', 10);
SELECT feature, id IS NOT NULL AS has_id, charged, remaining, resets_at FROM quota.charge_units('u', 'openai/GPT-4o', '{"input": 1, "output": 3}');
SELECT feature, amount, metadata FROM quota.ledger ORDER BY id;
SELECT * FROM pg_temp.use;
-- one unit unless said; a base is charged once a call, and units that have no price cost nothing
SELECT pg_temp.pay($$charge('b', 'embed')$$), pg_temp.charge('b', 'mindmap.generate', 7), pg_temp.charge('b', 'order', 0);
-- rounded up once a call, in exact numerics: 0.1 x 3 = 0.3, 0.1 x 10 = 1, not a bit more
SELECT u, pg_temp.charge('c', 'embed', u) FROM unnest('{0,0.0,1e-100,0.1,3,9.9,10,10.0000000000000000000000000000000000000001,11,30,100}'::numeric[]) u;
SELECT pg_temp.charge('c', 'exact', u) FROM unnest('{3,3.00000000000000000000000000000000000000000000000003,3.0000000000000000000000000000000000000000000000001,300000000000000000}'::numeric[]) u;
SELECT pg_temp.charge_units('c', 'chat', u) FROM unnest(ARRAY['{"input": 10, "output": 5}', '{"output": 5}', '{"input": 0.5, "output": 0.125}', '{"input": 0, "output": 0}', '{"input": 0}', '{"output": 1.0}']::jsonb[]) u;
-- rows in order of feature, byte for byte
SELECT pg_temp.charge('c', 'order', 1);
-- large numbers: up to 2^63-1, and no further
SELECT pg_temp.charge('d', 'huge', 0);
SELECT u, pg_temp.charge('e', 'huge', u) FROM unnest('{1,0.1,9223372036854775807,1e30}'::numeric[]) u;
SELECT pg_temp.charge('e', 'parse', 1e30), pg_temp.charge('e', 'embed', 92233720368547758070), pg_temp.charge('e', 'embed', 92233720368547758071);
SELECT pg_temp.try($$SELECT quota.charge('e', 'embed', ('1' || repeat('0', 100000))::numeric)$$), pg_temp.charge_units('e', 'chat', '{"input": 1e1000}');
-- what is added to use may overflow too
SELECT pg_temp.charge('d', 'huge', 0), pg_temp.charge_units('d', 'openai/GPT-4o', '{"input": 1}'), pg_temp.charge_units('d', 'openai/GPT-4o', '{"cached": 1}');
-- at every level of the path, all or none
SELECT quota.override('p/q', 'docs', '{"allowance": 1}');
SELECT pg_temp.charge('p/q', 'parse', 1), pg_temp.charge('p/q', 'parse', 1), pg_temp.charge('p/r', 'parse', 3990);
SELECT * FROM pg_temp.use WHERE subject ~ '^p';

--
-- what comes to 0
--
SELECT pg_temp.charge('z', 'zero', 1), pg_temp.charge('z', 'nothing', 1), pg_temp.charge('z', 'gate', 1), pg_temp.charge('z', 'embed', 0), pg_temp.charge('z', 'parse', 0);
-- it charges nothing and burns no key
SELECT pg_temp.charge('z', 'zero', 1, 'z1'), pg_temp.charge('z', 'nothing', 1, 'z1'), pg_temp.charge('z', 'gate', 1, 'z1'), pg_temp.charge('z', 'embed', 0, 'z1'), pg_temp.charge('z', 'embed', 1, 'z1');
SELECT pg_temp.charge_units('z', 'chat', '{"input": 0}', 'z2');
SELECT subject, key, function, arguments FROM quota_internal.idempotency_key;
SELECT * FROM pg_temp.use WHERE subject = 'z';
-- where a row is 0 and another is not, the key keeps both
SELECT pg_temp.charge('z', 'parse', 0, 'z3'), pg_temp.charge('z', 'parse', 0, 'z3');

--
-- requires
--
SELECT pg_temp.charge('u', 'mindmap.generate', 1);
SELECT quota.subscribe('r', 'bare') > 0;
SELECT pg_temp.charge('r', 'mindmap.generate', 1), pg_temp.charge('r', 'gate', 1), pg_temp.charge('r', 'embed', 1);
-- the first in order that is not given; before any amount
SELECT pg_temp.charge('u', 'enterprise', 1);
SELECT pg_temp.charge('r', 'enterprise', 1);
-- of any kind: entitled and active, as has() answers, whatever the room
SELECT pg_temp.charge('n', 'needs.any', 1), pg_temp.charge('r', 'needs.any', 1);
SELECT quota.override('r', 'docs', '{"allowance": 0}'), quota.override('r', 'max_mb', '{"value": null}'), quota.override('r', 'calls', '{"allowance": 1}'), quota.override('r/s', 'mindmap', '{"value": true}');
SELECT pg_temp.charge('r', 'needs.any', 1), pg_temp.charge('r/s', 'mindmap.generate', 1), pg_temp.charge('r/t', 'mindmap.generate', 1);
SELECT quota.set_status('r', 'paused');
SELECT pg_temp.charge('r/s', 'mindmap.generate', 1), pg_temp.charge('r/s', 'needs.any', 1), pg_temp.charge('r/s', 'needs.tokens', 1), pg_temp.charge('r/s', 'embed', 1);
SELECT quota.set_status('r', 'active');
-- a charge of what is not given
SELECT pg_temp.charge('n', 'unsold', 1);
SELECT * FROM pg_temp.use WHERE subject IN ('n', 'r', 'r/s', 'r/t');

--
-- what is refused
--
SELECT pg_temp.charge('u', a, 1) FROM unnest(ARRAY['gone', 'nope', '', 'Chat', 'chat ', repeat('x', 128), repeat('é', 100)]) a;
SELECT pg_temp.try($$SELECT quota.charge('u', repeat('x', 10000000))$$);
SELECT pg_temp.charge_units('u', 'gone', '{"input": 1}');
-- one number where dimensions are priced, and the other way round
SELECT pg_temp.charge('u', 'chat', 1), pg_temp.charge_units('u', 'embed', '{"input": 1}'), pg_temp.charge_units('u', 'parse', '{"input": 1}');
-- dimensions without a price, also where nothing has one
SELECT pg_temp.charge_units('u', 'chat', u) FROM unnest(ARRAY['{"inptu": 1}', '{"input": 1, "cached": 1}', '{"Input": 1}', '{"input": 1, "x": 0}']::jsonb[]) u;
SELECT pg_temp.charge_units('u', 'order', '{"input": 1}'), pg_temp.charge_units('u', 'nothing', '{"input": 1}');
SELECT u, pg_temp.charge_units('u', 'chat', u) FROM unnest(ARRAY['{}', '[]', '5', 'null', '[{"input": 1}]', '{"input": null}', '{"input": "1"}', '{"input": true}', '{"input": {"a": 1}}', '{"input": [1]}',
    '{"input": -1}', '{"input": 1, "output": -0.5}', '{"": 1}']::jsonb[]) u;
SELECT u, pg_temp.charge('u', 'embed', u) FROM unnest('{-1,-0.0001,NaN,Infinity,-Infinity}'::numeric[]) u;
SELECT pg_temp.try(s) FROM unnest(ARRAY[
    $$SELECT quota.charge(NULL, 'embed')$$, $$SELECT quota.charge('u', NULL)$$, $$SELECT quota.charge('u', 'embed', NULL)$$, $$SELECT quota.charge('a//b', 'embed')$$,
    $$SELECT quota.charge('u', 'embed', 1, '')$$, $$SELECT quota.charge('u', 'embed', 1, repeat('k', 256))$$, $$SELECT quota.charge('u', 'embed', 1, NULL, '1')$$,
    $$SELECT quota.charge_units(NULL, 'chat', '{"input": 1}')$$, $$SELECT quota.charge_units('u', NULL, '{"input": 1}')$$, $$SELECT quota.charge_units('u', 'chat', NULL)$$,
    $$SELECT quota.charge_units('u', 'chat', jsonb_build_object('input', repeat('x', 100000000)))$$]) s;
SELECT pg_temp.charge_units('u', 'chat', jsonb_object_agg('d' || i, 1)) FROM generate_series(1, 101) i;
SELECT pg_temp.charge_units('u', 'chat', jsonb_build_object('x' || repeat('é', 100), 1)), pg_temp.charge_units('u', 'chat', jsonb_build_object('x' || repeat('é', 100), -1));
-- no room for one of several: nothing charged; the first refused in order
SELECT pg_temp.charge('full', 'parse', 3990), pg_temp.charge('full', 'parse', 1);
SELECT id > 0 FROM quota.debit('full', 'docs', 4);
SELECT pg_temp.charge('full', 'parse', 1);
SELECT * FROM pg_temp.use WHERE subject = 'full';
BEGIN READ ONLY;
SELECT quota.charge('u', 'embed');
ROLLBACK;
BEGIN READ ONLY;
SELECT quota.charge_units('u', 'chat', '{"input": 1}');
ROLLBACK;

--
-- keys
--
CREATE TEMP TABLE first AS SELECT * FROM quota.charge_units('k', 'openai/GPT-4o', '{"cached": 2, "input": 0.5}', 'k1', '{"job": 7}');
SELECT feature, id IS NOT NULL AS has_id, charged, remaining FROM first;
CREATE TEMP TABLE second AS SELECT * FROM quota.charge('k', 'parse', 1, 'k2');
SELECT feature, id IS NOT NULL AS has_id, charged, remaining FROM second;
-- every row again, zero rows included, with what remains now
SELECT c.feature, c.id IS NOT DISTINCT FROM f.id AS same, c.charged, c.remaining, c.resets_at
FROM quota.charge_units('k', 'openai/GPT-4o', '{"input": 0.50, "cached": 2.0}', 'k1', '{"job": 7}') WITH ORDINALITY c (feature, id, charged, remaining, resets_at, n)
     JOIN first f USING (feature) ORDER BY c.n;
SELECT c.feature, c.id IS NOT DISTINCT FROM f.id AS same, c.charged, c.remaining
FROM quota.charge('k', 'parse', 1.00, 'k2') WITH ORDINALITY c (feature, id, charged, remaining, resets_at, n) JOIN second f USING (feature) ORDER BY c.n;
SELECT function, arguments, jsonb_agg(r - 'id') FROM quota_internal.idempotency_key, jsonb_array_elements(results) r WHERE subject = 'k' GROUP BY 1, 2 ORDER BY 1;
-- what differs is named
SELECT pg_temp.charge_units('k', 'openai/GPT-4o', '{"cached": 2, "input": 0.6}', 'k1', '{"job": 7}'), pg_temp.charge_units('k', 'chat', '{"cached": 2, "input": 0.5}', 'k1', '{"job": 7}'),
       pg_temp.charge_units('k', 'openai/GPT-4o', '{"cached": 2, "input": 0.5}', 'k1', '{"job": 8}'), pg_temp.charge_units('k', 'openai/GPT-4o', '{"cached": 2, "input": 0.5}', 'k1'),
       pg_temp.charge('k', 'openai/GPT-4o', 1, 'k1', '{"job": 7}');
SELECT pg_temp.charge('k', 'parse', 2, 'k2'), pg_temp.charge('k', 'embed', 1, 'k2'), pg_temp.charge('k', 'parse', 1, 'k2', '{}'), pg_temp.try($$SELECT quota.debit_many('k', '{"tokens": 3}', 'k2')$$);
-- a retry is answered before the catalog is asked: another price, a retired action, a plan that no longer gives it
SELECT name, change FROM quota.apply_catalog(jsonb_set(quota.export_catalog() #- '{actions,openai/GPT-4o}' #- '{plans,free,entitlements,docs}', '{actions,parse,charges,tokens,base}', '100')) WHERE change <> 'unchanged';
SELECT pg_temp.charge('k', 'parse', 1, 'k2'), pg_temp.charge_units('k', 'openai/GPT-4o', '{"input": 0.5, "cached": 2}', 'k1', '{"job": 7}'), pg_temp.charge_units('k', 'openai/GPT-4o', '{"input": 1}'), pg_temp.charge('k', 'parse', 1);
SELECT change, count(*) FROM quota.apply_catalog(jsonb_set(quota.export_catalog(), '{plans,free,entitlements,docs}', '{"allowance": 5}')) GROUP BY 1 ORDER BY 1;
SELECT pg_temp.charge('k', 'parse', 1);
-- each row's id is a debit's
SELECT r.refunded, r.remaining FROM first f, quota.refund(f.id, 1) r WHERE f.feature = 'money';
SELECT pg_temp.try(format('SELECT (refunded, remaining) FROM quota.refund(%s)', coalesce(id::text, 'NULL'))) FROM second ORDER BY feature;
SELECT * FROM pg_temp.use WHERE subject = 'k';

--
-- observe: a required feature that is not given is a denial, and the rest is charged
--
SET quota.enforcement = observe;
SELECT pg_temp.charge('o', 'enterprise', 1), pg_temp.charge('o', 'unsold', 1), pg_temp.charge('o', 'embed', 20000), pg_temp.charge('o', 'parse', 0.1);
SELECT feature, reason, times FROM quota.denials WHERE subject = 'o' ORDER BY feature;
SELECT * FROM pg_temp.use WHERE subject = 'o';
SELECT pg_temp.charge('o', 'enterprise', 1, 'o1'), pg_temp.charge('o', 'enterprise', 1, 'o1');
SELECT feature, times FROM quota.denials WHERE subject = 'o' ORDER BY feature;
SELECT pg_temp.charge('o', 'gone', 1), pg_temp.charge('o', 'chat', 1), pg_temp.charge('o', 'embed', -1), pg_temp.charge('o', 'huge', 1);
RESET quota.enforcement;

--
-- all of it adds up, in both directions
--
WITH ledger AS (SELECT e.account, e.feature_id, e.source_id, e.period_start, e.period_end,
                       coalesce(sum(e.amount) FILTER (WHERE e.source <> 'o'), 0) AS used, coalesce(sum(e.amount) FILTER (WHERE e.source = 'o'), 0) AS overdrawn
                FROM quota_internal.ledger_entry e GROUP BY 1, 2, 3, 4, 5)
SELECT count(*) AS buckets, count(*) FILTER (WHERE (b.used, b.overdrawn) IS DISTINCT FROM (l.used, l.overdrawn) AND NOT (l.account IS NULL AND b.used = 0 AND b.overdrawn = 0)) AS wrong
FROM pg_temp.window_use b FULL JOIN ledger l ON (l.account, l.feature_id, l.source_id, l.period_start, l.period_end) = (b.subject, b.feature_id, b.source_id, b.period_start, b.period_end);
