-- What quota.migrate() takes: 20,000 subscribers of an older version, all with use, moved to
-- one whose windows are the same and then to one whose windows are others, in batches of
-- 1,000.  Seconds, and CPU time of the backend, so that what else the machine does matters
-- little.  In an empty database, as superuser:
--     psql -X -q -v subscribers=20000 -f bench/migrate.sql
\set ON_ERROR_STOP on
\pset format unaligned
\pset tuples_only on
SET client_min_messages = warning;
CREATE EXTENSION quota CASCADE;
CREATE FUNCTION pg_temp.pro(tokens jsonb) RETURNS bigint LANGUAGE sql AS $$
    SELECT count(*) FROM quota.apply_catalog(jsonb_build_object(
        'features', '{"tokens": {"kind": "metered"}, "documents": {"kind": "capacity"}, "api": {"kind": "rate"}}'::jsonb,
        'plans', jsonb_build_object('free', '{"default": true, "entitlements": {"tokens": {"allowance": 10, "period": "month"}}}'::jsonb,
                                    'pro', jsonb_build_object('entitlements', jsonb_build_object('tokens', tokens, 'documents', '{"allowance": 5}'::jsonb)))))
$$;
-- user and system time, of which /proc counts hundredths of a second
CREATE FUNCTION pg_temp.cpu() RETURNS numeric LANGUAGE sql VOLATILE AS $$
    SELECT (s[12]::numeric + s[13]::numeric) / 100
    FROM (SELECT regexp_split_to_array(regexp_replace(pg_read_file('/proc/' || pg_backend_pid() || '/stat'), '^.*\) ', ''), ' ') AS s) x
$$;
CREATE PROCEDURE pg_temp.measure(what text) LANGUAGE plpgsql AS $$
DECLARE
    began CONSTANT timestamptz := clock_timestamp();
    cpu   CONSTANT numeric := pg_temp.cpu();
    total bigint := 0;
    moved bigint;
BEGIN
    LOOP
        moved := quota.migrate('pro');
        COMMIT;
        EXIT WHEN moved = 0;
        total := total + moved;
    END LOOP;
    RAISE WARNING '%: % subscribers, % s, of them % s of CPU', what, total,
        round(extract(epoch FROM clock_timestamp() - began), 1), round(pg_temp.cpu() - cpu, 1);
END $$;
SELECT pg_temp.pro('{"allowance": 1000, "period": "month", "notify": [80]}');
SELECT count(quota.subscribe('s' || i, 'pro')) FROM generate_series(1, :subscribers) i;
SELECT count(quota.debit('s' || i, 'tokens', 50)) FROM generate_series(1, :subscribers) i;
SELECT pg_temp.pro('{"allowance": 900, "period": "month", "notify": [80]}');
CALL pg_temp.measure('the same windows');
SELECT pg_temp.pro('{"allowance": 800, "period": "week", "notify": [80]}');
CALL pg_temp.measure('other windows');
SELECT count(*) AS not_right FROM quota.verify();
