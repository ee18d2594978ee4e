--
-- debit_many: several features in one call, all of them or none
--
SET client_min_messages = warning;
\set SHOW_CONTEXT never
DROP EXTENSION IF EXISTS quota CASCADE;
CREATE EXTENSION quota CASCADE;
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/include/calls.psql'
\i :helpers
SET quota.clock = '2026-01-15 12:00+00';

-- the rows of a call with amounts in short: feature, was it charged, what remains
CREATE FUNCTION pg_temp.many(subject text, amounts jsonb, key text = NULL, metadata jsonb = NULL) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    RETURN pg_temp.try(format('SELECT string_agg(concat_ws('' '', m.feature, m.id IS NOT NULL, coalesce(m.remaining::text, ''-'')), ''; '' ORDER BY m.n)
                               FROM quota.debit_many(%L, %L, %L, %L) WITH ORDINALITY m (feature, id, remaining, resets_at, n)',
                              subject, amounts, key, metadata));
END
$$;

SELECT count(*) FROM quota.apply_catalog('{
    "features": {"tokens": {"kind": "metered"}, "Z": {"kind": "metered"}, "calls": {"kind": "metered"}, "docs": {"kind": "capacity"},
                 "a.b": {"kind": "metered"}, "a_b": {"kind": "metered"}, "ab": {"kind": "metered"}, "unlimited": {"kind": "metered"},
                 "mindmap": {"kind": "boolean"}, "off": {"kind": "boolean"}, "max_mb": {"kind": "static"}, "nobody": {"kind": "metered"}},
    "plans": {"free": {"default": true, "entitlements": {
        "tokens": {"allowance": 100, "period": "month"}, "calls": {"allowance": 10, "period": "day"}, "docs": {"allowance": 5},
        "a.b": {"allowance": 9}, "a_b": {"allowance": 9}, "ab": {"allowance": 9}, "unlimited": {"allowance": null},
        "mindmap": {"value": true}, "off": {"value": false}, "max_mb": {"value": 5}}}}}'::jsonb #- '{features,Z}');

--
-- rows in order of feature, byte for byte, each with an id of its own
--
SELECT feature, id IS NOT NULL AS charged, remaining, resets_at FROM quota.debit_many('u', '{"tokens": 30, "docs": 1, "calls": 2, "unlimited": 9223372036854775807}');
SELECT feature, remaining FROM quota.debit_many('u', '{"ab": 1, "a_b": 2, "a.b": 3}');
SELECT * FROM pg_temp.use;
SELECT count(DISTINCT id), count(DISTINCT debit_id), bool_and(id = debit_id), min(kind), max(kind) FROM quota.ledger WHERE subject = 'u';
-- one feature; whole numbers, however they are written
SELECT pg_temp.many('u', '{"tokens": 1}'), pg_temp.many('u', '{"tokens": 1.0}'), pg_temp.many('u', '{"tokens": 1e1, "docs": 10e-1}');
-- the last of two members with the same name is what jsonb keeps
SELECT pg_temp.many('u', '{"tokens": 5, "tokens": 1}');
-- metadata is on every entry
SELECT pg_temp.many('u', '{"tokens": 1, "docs": 1}', metadata => '{"doc": 7}');
SELECT feature, metadata FROM quota.ledger WHERE metadata IS NOT NULL ORDER BY feature;
-- a boolean feature is asserted: no id, nothing charged
SELECT pg_temp.many('u', '{"mindmap": 1, "tokens": 1}'), pg_temp.many('u', '{"mindmap": 1}'), pg_temp.many('u', '{"mindmap": 1, "off": 1, "tokens": 1}');
SELECT * FROM pg_temp.use;

--
-- all or nothing
--
-- over all features: the first, a middle one, the last is refused
SELECT pg_temp.many('v', a) FROM unnest(ARRAY['{"calls": 11, "docs": 1, "tokens": 1}', '{"calls": 1, "docs": 6, "tokens": 1}',
                                              '{"calls": 1, "docs": 1, "tokens": 101}']::jsonb[]) a;
-- the first refused in order is reported, whatever its reason and wherever it stands in the JSON
SELECT pg_temp.many('v', a) FROM unnest(ARRAY['{"tokens": 101, "docs": 6}', '{"docs": 6, "nobody": 1}', '{"nobody": 1, "tokens": 101}',
                                              '{"tokens": 101, "off": 1}', '{"calls": 1, "docs": 6, "off": 1}', '{"a.b": 10, "a_b": 10, "ab": 10}']::jsonb[]) a;
-- what is no refusal comes first: unknown and static features
SELECT pg_temp.many('v', a) FROM unnest(ARRAY['{"docs": 6, "nope": 1}', '{"docs": 6, "max_mb": 1}', '{"docs": 6, "Docs": 1}']::jsonb[]) a;
-- 2^63-1 does not wrap
SELECT pg_temp.many('v', '{"tokens": 9223372036854775807, "docs": 1}'), pg_temp.many('u', '{"docs": 1, "unlimited": 1}');
SELECT count(*) FROM pg_temp.use WHERE subject = 'v' AND used <> 0;
SELECT count(*) FROM quota.ledger WHERE subject = 'v';
-- over all levels of the path: the last feature's upper level is full
SELECT quota.override('w/x', 'tokens', '{"allowance": 50, "period": "month"}'), quota.override('w/x', 'docs', '{"allowance": 2}');
SELECT pg_temp.many('w/x', '{"docs": 2, "tokens": 40}');
SELECT pg_temp.many('w/y', '{"docs": 3, "tokens": 60}');
SELECT pg_temp.many('w/x', '{"calls": 1, "tokens": 1}'), pg_temp.many('w/x', '{"calls": 1, "docs": 1}'), pg_temp.many('w', '{"calls": 1, "docs": 1}');
SELECT * FROM pg_temp.use WHERE subject ~ '^w';
SELECT account, feature, amount FROM quota.ledger WHERE subject ~ '^w' ORDER BY id;
-- an inactive subscription refuses every feature
BEGIN;
SELECT quota.subscribe('v', 'free') > 0, quota.set_status('v', 'paused');
SELECT pg_temp.many('v', '{"docs": 1, "tokens": 1}');
ROLLBACK;
-- taken back with its transaction or savepoint
BEGIN;
SELECT pg_temp.many('v', '{"docs": 1, "tokens": 1}');
SAVEPOINT s;
SELECT pg_temp.many('v', '{"docs": 2, "tokens": 2}');
ROLLBACK TO s;
SELECT pg_temp.many('v', '{"docs": 1, "calls": 1}');
SELECT * FROM pg_temp.use WHERE subject = 'v';
ROLLBACK;
SELECT count(*) FROM pg_temp.use WHERE subject = 'v' AND used <> 0;

--
-- bad amounts
--
SELECT a, pg_temp.many('v', a::jsonb) FROM unnest(ARRAY['{}', '[]', '[{"tokens": 1}]', '1', '"tokens"', 'null', 'true',
    '{"tokens": null}', '{"docs": 1, "tokens": null}', '{"docs": {"n": 1}}', '{"tokens": [1]}', '{"tokens": {}}', '{"tokens": "1"}', '{"tokens": true}',
    '{"tokens": 0}', '{"tokens": -1}', '{"docs": 1, "tokens": -9223372036854775808}', '{"tokens": 1.5}', '{"tokens": 0.1}', '{"tokens": -0.5}', '{"docs": 1, "tokens": 1e-20}',
    '{"tokens": 9223372036854775808}', '{"tokens": 1e100}', '{"tokens": -1e100}', '{"": 1}', '{"a\"; %s": 0}']) a;
SELECT pg_temp.try(s) FROM unnest(ARRAY[
    $$SELECT quota.debit_many(NULL, '{"tokens": 1}')$$, $$SELECT quota.debit_many('v', NULL)$$, $$SELECT quota.debit_many('v//x', '{"tokens": 1}')$$,
    $$SELECT quota.debit_many('v', '{"tokens": 1}', '')$$, $$SELECT quota.debit_many('v', '{"tokens": 1}', repeat('k', 256))$$,
    $$SELECT quota.debit_many('v', '{"tokens": 1}', 'k', '[]')$$, $$SELECT quota.debit_many('v', '{"tokens": 1}', 'k', jsonb_build_object('a', repeat('x', 8200)))$$,
    $$SELECT quota.debit_many('v', jsonb_build_object('tokens', repeat('x', 100000000)))$$]) s;
-- 100 features of the longest names are read, 101 are not
SELECT pg_temp.many('v', jsonb_object_agg(rpad('f' || i, 63, 'x'), 9223372036854775807)) FROM generate_series(1, 100) i;
SELECT pg_temp.many('v', jsonb_object_agg('f' || i, 1)) FROM generate_series(1, 101) i;
-- a long name is cut at a whole character
SELECT pg_temp.many('v', jsonb_build_object('x' || repeat('é', 100), 1)), pg_temp.many('v', jsonb_build_object('x' || repeat('é', 100), 0));
-- nothing of it was charged
SELECT count(*) FROM pg_temp.use WHERE subject = 'v' AND used <> 0;
BEGIN READ ONLY;
SELECT quota.debit_many('v', '{"tokens": 1}');
ROLLBACK;

--
-- keys
--
SET quota.clock = '2026-01-16 12:00+00';
CREATE TEMP TABLE first AS SELECT * FROM quota.debit_many('k', '{"tokens": 10, "docs": 1, "mindmap": 1}', 'k1', '{"a": 1}');
SELECT feature, id IS NOT NULL AS charged, remaining FROM first;
SELECT id > 0 FROM quota.debit('k', 'tokens', 5);
-- every row again, ids and all, with what remains now; the order and the writing of the JSON do not matter
SELECT m.feature, m.id IS NOT DISTINCT FROM f.id AS same, m.remaining, m.resets_at
FROM quota.debit_many('k', '{"mindmap": 1.0, "docs": 1, "tokens": 1e1}', 'k1', '{"a": 1.0}') WITH ORDINALITY m (feature, id, remaining, resets_at, n)
     JOIN first f USING (feature) ORDER BY m.n;
SELECT * FROM pg_temp.use WHERE subject = 'k';
SELECT function, arguments, jsonb_agg(r - 'id') FROM quota_internal.idempotency_key, jsonb_array_elements(results) r WHERE subject = 'k' GROUP BY 1, 2;
-- other arguments are named
SELECT pg_temp.many('k', '{"tokens": 11, "docs": 1, "mindmap": 1}', 'k1', '{"a": 1}'), pg_temp.many('k', '{"tokens": 10}', 'k1', '{"a": 1}'),
       pg_temp.many('k', '{"tokens": 10, "docs": 1, "mindmap": 1}', 'k1'), pg_temp.many('k', '{"tokens": 10, "docs": 1, "mindmap": 1}', 'k1', '{}');
SELECT pg_temp.try($$SELECT quota.debit('k', 'tokens', 10, 'k1')$$), pg_temp.try(format('SELECT quota.refund(%s, NULL, ''k1'')', id)) FROM first WHERE feature = 'docs';
-- looked up before catalog and room
BEGIN;
SELECT pg_temp.many('k', '{"tokens": 85, "docs": 4}') AS all_that_is_left, pg_temp.many('k', '{"tokens": 10, "docs": 1, "mindmap": 1}') AS refused,
       pg_temp.many('k', '{"tokens": 10, "docs": 1, "mindmap": 1}', 'k1', '{"a": 1}') AS replay, pg_temp.many('k', '{"tokens": 10, "nope": 1}', 'k1') AS conflict;
ROLLBACK;
-- another subject is independent; what was refused burned no key, neither did what charged nothing
SELECT pg_temp.many('k/l', '{"docs": 1}', 'k1'), pg_temp.many('k2', '{"docs": 6, "tokens": 1}', 'k1'), pg_temp.many('k2', '{"docs": 5, "tokens": 1}', 'k1');
SELECT pg_temp.many('k2', '{"mindmap": 1}', 'k3'), pg_temp.many('k2', '{"tokens": 2}', 'k3');

--
-- refund of one feature's debit
--
SELECT r.refunded, r.remaining FROM first f, quota.refund(f.id, 4) r WHERE f.feature = 'tokens';
SELECT pg_temp.try(format('SELECT quota.refund(%s)', id)) FROM first WHERE feature = 'docs';
SELECT pg_temp.try(format('SELECT quota.refund(%s, 7)', id)) FROM first WHERE feature = 'tokens';
SELECT * FROM pg_temp.use WHERE subject = 'k';
-- the key still answers the first amounts
SELECT m.feature, m.id IS NOT DISTINCT FROM f.id AS same, m.remaining
FROM quota.debit_many('k', '{"tokens": 10, "docs": 1, "mindmap": 1}', 'k1', '{"a": 1}') WITH ORDINALITY m (feature, id, remaining, resets_at, n)
     JOIN first f USING (feature) ORDER BY m.n;

--
-- observe: what there is no room for is overdrawn, what is not given charges nothing
--
SET quota.enforcement = observe;
SELECT feature, id IS NOT NULL AS charged, remaining, resets_at FROM quota.debit_many('o', '{"tokens": 150, "docs": 2, "nobody": 1, "off": 1, "calls": 10}', 'o1');
SELECT * FROM pg_temp.use WHERE subject = 'o';
SELECT feature, reason, times FROM quota.denials WHERE subject = 'o' ORDER BY feature;
SELECT feature, id IS NOT NULL AS charged FROM quota.debit_many('o', '{"tokens": 150, "docs": 2, "nobody": 1, "off": 1, "calls": 10}', 'o1');
SELECT pg_temp.many('o', '{"nobody": 1, "off": 1}', 'o2');
SELECT pg_temp.many('o', '{"tokens": 1, "nope": 1}'), pg_temp.many('o', '{"tokens": 1, "max_mb": 1}'), pg_temp.many('o', '{"tokens": 0}'), pg_temp.many('o', '{"tokens": 1}', 'o1');
SELECT feature, source, amount FROM quota.ledger WHERE subject = 'o' ORDER BY feature, source;
SELECT key FROM quota_internal.idempotency_key WHERE subject = 'o';
SELECT sum(times) FROM quota.denials WHERE subject = 'o';
RESET quota.enforcement;

--
-- all of it adds up, in both directions
--
WITH ledger AS (SELECT e.account, e.feature_id, e.source_id, e.period_start, e.period_end,
                       coalesce(sum(e.amount) FILTER (WHERE e.source <> 'o'), 0) AS used, coalesce(sum(e.amount) FILTER (WHERE e.source = 'o'), 0) AS overdrawn
                FROM quota_internal.ledger_entry e GROUP BY 1, 2, 3, 4, 5)
SELECT count(*) AS buckets, count(*) FILTER (WHERE (b.used, b.overdrawn) IS DISTINCT FROM (l.used, l.overdrawn) AND NOT (l.account IS NULL AND b.used = 0 AND b.overdrawn = 0)) AS wrong
FROM pg_temp.window_use b FULL JOIN ledger l ON (l.account, l.feature_id, l.source_id, l.period_start, l.period_end) = (b.subject, b.feature_id, b.source_id, b.period_start, b.period_end);
