/*
 * Shared memory, where the library is preloaded; without it there is nothing.
 */
CREATE OR REPLACE FUNCTION quota_internal._write_refusals(remember boolean) RETURNS bigint
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'quota_sql_write_refusals';
COMMENT ON FUNCTION quota_internal._write_refusals(boolean) IS
    'internal: writes what was refused by raising, and counted in shared memory, into denials; how many refusals that were. remember: memory still knows for a minute that it has counted them';

CREATE OR REPLACE FUNCTION quota_internal._shared(OUT accounts bigint, OUT leases bigint, OUT takes_total bigint,
                                                  OUT draws_total bigint, OUT recalls_total bigint, OUT drains_total bigint,
                                                  OUT waits_total bigint, OUT orphans_total bigint, OUT full_total bigint)
    LANGUAGE c VOLATILE PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'quota_sql_shared';
COMMENT ON FUNCTION quota_internal._shared() IS
    'internal: of how many accounts shared memory has the rate, how many leases it has and what has happened to them, and how often it had no room';

CREATE OR REPLACE FUNCTION quota_internal._leases(OUT lease_id bigint, OUT taken bigint, OUT in_flight bigint, OUT available bigint,
                                                  OUT opened_at timestamptz, OUT drawn_at timestamptz) RETURNS SETOF record
    LANGUAGE c VOLATILE PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'quota_sql_leases';
COMMENT ON FUNCTION quota_internal._leases() IS
    'internal: what shared memory knows of leases';

/* A session that charges the account again opens another one if it has to. */
CREATE OR REPLACE FUNCTION quota_internal._close_idle_leases() RETURNS bigint
    LANGUAGE sql VOLATILE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT coalesce(quota_internal._end_leases(array_agg(b.lease_id ORDER BY f.name COLLATE "C", b.subject, b.period_start, b.period_end), wait => false), 0)
    FROM quota_internal.bucket b JOIN quota_internal.feature f ON f.id = b.feature_id
        LEFT JOIN quota_internal._leases() m ON m.lease_id = b.lease_id
    WHERE b.lease_id IS NOT NULL
      AND (b.period_end <= quota_internal._now() OR m.lease_id IS NULL
           OR m.in_flight = 0 AND m.drawn_at < clock_timestamp() - interval '10 seconds')
$$;
COMMENT ON FUNCTION quota_internal._close_idle_leases() IS
    'internal: ends the leases of windows that are over, those that shared memory does not know, and those that nobody has drawn for in ten seconds; but for leases from which somebody has just taken. Returns how many';
