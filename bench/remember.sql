-- What a gate that remembers costs: the CPU time of one backend for statements of many
-- rows, on a table without a gate, with one, and with one that remembers.  CPU time, so
-- that what else the machine does matters little.  In an empty database, as superuser:
--     psql -X -q -v rows=1000000 -f bench/remember.sql
\set ON_ERROR_STOP on
SET client_min_messages = warning;
CREATE EXTENSION quota CASCADE;
SELECT count(*) AS changes FROM quota.apply_catalog('{"features": {"bytes": {"kind": "capacity"}},
    "plans": {"free": {"default": true, "entitlements": {"bytes": {"allowance": null}}}}}');
CREATE TABLE document_plain (id bigserial PRIMARY KEY, tenant_id text NOT NULL, size bigint NOT NULL,
                             created_at timestamptz NOT NULL DEFAULT now(), title text NOT NULL);
CREATE INDEX ON document_plain (tenant_id, created_at);
CREATE INDEX ON document_plain (title);
CREATE TABLE document_gated (LIKE document_plain INCLUDING ALL);
CREATE TABLE document_remembered (LIKE document_plain INCLUDING ALL);
SELECT quota.protect('document_gated', 'bytes', 'r.tenant_id', 'r.size');
SELECT quota.protect('document_remembered', 'bytes', 'r.tenant_id', 'r.size', remember => true);
CREATE TEMP TABLE source AS
    SELECT (10000001 + g % 1000)::text AS tenant_id, 1 + g % 5000 AS size, md5(g::text) || ' a title' AS title
    FROM generate_series(1, :rows) g;

-- user and system time, of which /proc counts hundredths of a second
CREATE FUNCTION pg_temp.cpu() RETURNS numeric LANGUAGE sql VOLATILE AS $$
    SELECT (s[12]::numeric + s[13]::numeric) / 100
    FROM (SELECT regexp_split_to_array(regexp_replace(pg_read_file('/proc/' || pg_backend_pid() || '/stat'), '^.*\) ', ''), ' ') AS s) x
$$;
CREATE PROCEDURE pg_temp.measure(what text, statement text) LANGUAGE plpgsql AS $$
DECLARE
    target text;
    began numeric;
    line text := format('%-12s', what);
BEGIN
    FOREACH target IN ARRAY '{document_plain,document_gated,document_remembered}'::text[] LOOP
        began := pg_temp.cpu();
        EXECUTE format(statement, target);
        line := line || format('  %s %s s', target, round(pg_temp.cpu() - began, 2));
        COMMIT;
    END LOOP;
    RAISE WARNING '%', line;
END $$;
CALL pg_temp.measure('insert', 'INSERT INTO %s (tenant_id, size, title) SELECT tenant_id, size, title FROM source');
CALL pg_temp.measure('update title', 'UPDATE %s SET title = title || ''x''');
CALL pg_temp.measure('update size', 'UPDATE %s SET size = size + 1');
CALL pg_temp.measure('delete', 'DELETE FROM %s');
SELECT pg_size_pretty(pg_table_size('quota_internal.gate_charge')) AS heap, pg_size_pretty(pg_indexes_size('quota_internal.gate_charge')) AS index;
