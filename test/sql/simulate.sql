--
-- simulate(): last month again under another catalog
--
SET client_min_messages = warning; DROP EXTENSION IF EXISTS quota CASCADE; CREATE EXTENSION quota CASCADE;
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/include/enforcement.psql'
\i :helpers
SET quota.clock = '2026-01-01 00:00:00+00';
SELECT count(*) FROM quota.apply_catalog('{
    "features": {"tokens": {"kind": "metered"}, "pages": {"kind": "metered"}, "seats": {"kind": "capacity"}},
    "plans": {"free": {"default": true, "entitlements": {"tokens": {"allowance": 100, "period": "month"}, "seats": {"allowance": 3}}},
              "pro": {"entitlements": {"tokens": {"allowance": 1000, "period": "month"}, "pages": {"allowance": null}}},
              "each": {"entitlements": {"tokens": {"allowance": 100, "period": "month", "overage": {"limit": 50}, "times_quantity": true}}}}}');
SELECT count(quota.subscribe(s, 'pro', '2026-01-01')) FROM unnest('{anna,bert,carl/team,dora}'::text[]) s;
SELECT quota.subscribe('emil', 'each', '2026-01-01', quantity => 3) > 0 AS s;
SELECT quota.override('bert', 'tokens', '{"allowance": 5000, "period": "month"}');
SELECT quota.credit('dora', 'tokens', 300) IS NOT NULL AS s;
-- free ones, of the default plan; use at the ends and in the middle of the month
SET quota.clock = '2026-01-05 12:00:00+00';
SELECT count(quota.debit('fred', 'tokens', 80)), count(quota.debit('gina', 'tokens', 20));
SELECT id AS d FROM quota.debit('hugo', 'tokens', 90) \gset
SELECT refunded FROM quota.refund(:d, 70);
SELECT count(quota.debit('anna', 'tokens', 300)), count(quota.debit('anna', 'pages', 7)), count(quota.debit('bert', 'tokens', 4000)),
       count(quota.debit('carl/team', 'tokens', 600)), count(quota.debit('dora', 'tokens', 900)), count(quota.debit('emil', 'tokens', 320)),
       count(quota.debit('fred', 'seats', 2));
SET quota.clock = '2026-01-25 12:00:00+00';
SELECT count(quota.debit('anna', 'tokens', 400)), count(quota.debit('hugo', 'tokens', 30)), count(quota.debit('fred', 'tokens', 15));
SET quota.clock = '2026-02-01 00:00:00+00';
SELECT count(quota.debit('fred', 'tokens', 99));

CREATE FUNCTION pg_temp.written() RETURNS text LANGUAGE sql AS $$
    SELECT concat_ws(' ', pg_current_xact_id_if_assigned(), (SELECT last_value FROM quota_internal.ledger_id_seq),
                     (SELECT last_value FROM quota_internal.feature_id_seq), (SELECT last_value FROM quota_internal.plan_version_id_seq)) $$;
SELECT pg_temp.written() AS before \gset

-- the same catalog: nobody would have been stopped who was not
SELECT * FROM quota.simulate(quota.export_catalog(), '2026-01-01 00:00+00', '2026-02-01 00:00+00');
-- less for free ones, who were at most at 90 and at 95; overage for pro; nothing else
SELECT * FROM quota.simulate(jsonb_set(jsonb_set(quota.export_catalog(), '{plans,free,entitlements,tokens,allowance}', '85'),
                                       '{plans,pro,entitlements,tokens}', '{"allowance": 500, "period": "month", "overage": {"limit": 150}}'),
                             '2026-01-01 00:00+00', '2026-02-01 00:00+00');
-- another window: 85 a week are too little for hugo, who had 90 at once, and enough for fred; 400 on one day are too much for anna
SELECT * FROM quota.simulate(jsonb_set(jsonb_set(quota.export_catalog(), '{plans,free,entitlements,tokens}', '{"allowance": 85, "period": "week"}'),
                                       '{plans,pro,entitlements,tokens}', '{"allowance": 350, "period": "day"}'),
                             '2026-01-01 00:00+00', '2026-02-01 00:00+00') WHERE subject IN ('hugo', 'anna', 'fred', 'gina');
-- a feature that is given no more, a plan that is left out, which its subscribers keep, and another default plan
SELECT * FROM quota.simulate(quota.export_catalog() #- '{plans,pro,entitlements,pages}', '2026-01-01 00:00+00', '2026-02-01 00:00+00') WHERE subject = 'anna';
SELECT * FROM quota.simulate(quota.export_catalog() #- '{plans,pro}', '2026-01-01 00:00+00', '2026-02-01 00:00+00') WHERE subject = 'anna';
SELECT * FROM quota.simulate(jsonb_set(quota.export_catalog() #- '{plans,free,default}', '{plans,each,default}', 'true'),
                             '2026-01-01 00:00+00', '2026-02-01 00:00+00') WHERE subject IN ('fred', 'gina');
-- times the quantity
SELECT * FROM quota.simulate(jsonb_set(quota.export_catalog(), '{plans,each,entitlements,tokens,allowance}', '95'), '2026-01-01 00:00+00') WHERE subject = 'emil';
-- until now; nothing in a time without entries; a catalog without plans is the present one
SELECT subject, used FROM quota.simulate('{}', '2026-01-26 00:00+00');
SELECT * FROM quota.simulate('{}', '2020-01-01', '2021-01-01');
SELECT count(*) FROM quota.simulate('{}', '2026-01-01 00:00+00');
SELECT pg_temp.written() = :'before' AS nothing_written;
BEGIN READ ONLY; SELECT count(*) FROM quota.simulate(quota.export_catalog(), '2026-01-01 00:00+00'); COMMIT;

SELECT c, pg_temp.code('SELECT quota.simulate(' || c || ')') FROM unnest(ARRAY[$$NULL, now()$$, $$'{}', NULL$$, $$'[]', now()$$, $$'{"plan": {}}', '2020-01-01'$$,
    $$'{}', '2026-01-02', '2026-01-01'$$, $$'{}', '2026-01-02', '2026-01-02'$$, $$'{}', 'infinity'$$, $$'{"features": {}}', '2026-01-01'$$,
    $$'{"plans": {"free": {"entitlements": {"tokens": {"allowance": -1}}}}}', '2026-01-01'$$, $$'{"plans": {}}', '2026-01-01'$$]) c;
-- What is beyond the type is its end: one subject does not cost the others the report.
SELECT quota.record('ivy', 'tokens', 9223372036854775807, at) IS NOT NULL FROM unnest('{2026-01-10, 2026-02-01}'::timestamptz[]) at;
SELECT * FROM quota.simulate(jsonb_set(quota.export_catalog(), '{plans,free,entitlements,tokens,overage}', 'true'), '2026-01-01 00:00+00') WHERE subject = 'ivy';
SELECT * FROM quota.verify();
DROP EXTENSION quota CASCADE;
