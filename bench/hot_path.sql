-- Accounts with little and with much behind them; names as in hot_path.py.
\set ON_ERROR_STOP on
CREATE EXTENSION quota CASCADE;
SELECT count(*) FROM quota.apply_catalog('{
    "features": {"tokens": {"kind": "metered"}},
    "plans": {"grants": {"entitlements": {"tokens": {"allowance": 0, "period": "month"}}},
              "big": {"entitlements": {"tokens": {"allowance": 1000000000000, "period": "month"}}},
              "days": {"entitlements": {"tokens": {"allowance": 1000000000, "period": "day", "rollover": {"max": 5},
                                                   "caps": [{"limit": 1000000000, "per": "5 hours"}]}}}}}');
SELECT quota.subscribe(s, 'grants') FROM unnest(ARRAY['grants-few', 'grants-used', 'grants-years', 'grants-left']) s;
SELECT quota.subscribe(s, 'big') FROM unnest(ARRAY['holds-one', 'holds-many', 'overrides-none', 'overrides-one', 'subscriptions-new']) s;
SELECT quota.subscribe(s, 'days', '2016-01-01 00:00+00') FROM unnest(ARRAY['windows-new', 'windows-old']) s;

-- grants
SELECT count(quota.credit('grants-used', 'tokens', 10)) FROM generate_series(1, 997);
SELECT id FROM quota.debit('grants-used', 'tokens', 9970);
INSERT INTO quota_internal.credit_grant (subject, feature_id, amount, effective_at, created_at, source)
    SELECT 'grants-years', f.id, 10, now() - interval '1 day', now(), 'top-up' FROM quota_internal.feature f, generate_series(1, 8897) WHERE f.name = 'tokens';
SELECT id FROM quota.debit('grants-years', 'tokens', 88970);
SELECT count(quota.credit('grants-left', 'tokens', 1000000000)) FROM generate_series(1, 1000);
SELECT count(quota.credit(s, 'tokens', 1000000000)) FROM unnest(ARRAY['grants-few', 'grants-used', 'grants-years']) s, generate_series(1, 3);

-- holds
SELECT id FROM quota.reserve('holds-one', 'tokens', 1, '30 days');
DO $$ BEGIN FOR i IN 1..50000 LOOP PERFORM quota.reserve('holds-many', 'tokens', 1, '30 days'); COMMIT; END LOOP; END $$;

-- windows of ten years
DO $$
BEGIN
    FOR i IN 1..17520 LOOP
        PERFORM set_config('quota.clock', (now() - i * interval '5 hours')::text, false);
        PERFORM quota.debit('windows-old', 'tokens', 1);
        COMMIT;
    END LOOP;
    PERFORM set_config('quota.clock', '', false);
END $$;

-- subscriptions that are over
SELECT count(quota.subscribe('subscriptions-old', 'big', '2020-01-01 00:00+00'::timestamptz + i * interval '1 day',
                             '2020-01-01 00:00+00'::timestamptz + (i + 1) * interval '1 day')) FROM generate_series(1, 1000) i;
SELECT quota.subscribe('subscriptions-old', 'big');

-- overrides
SELECT quota.override('overrides-one', 'tokens', '{"allowance": 1000000000000, "period": "month"}');
INSERT INTO quota_internal.subject_override
    SELECT (o).* FROM (SELECT jsonb_populate_record(o, jsonb_build_object('subject', 'subject-' || i)) AS o
                       FROM quota_internal.subject_override o, generate_series(1, 100000) i) x;
VACUUM ANALYZE;
