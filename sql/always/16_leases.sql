/*
 * Leases: part of a bucket's count from which transactions take without its row
 * (docs/leases.md).  What was taken is in the ledger.
 */

/*
 * For the view window_use, and those that read it: a view calls functions with its
 * reader's rights.
 */
CREATE OR REPLACE FUNCTION quota_internal._lease_use(lease_id bigint, since bigint) RETURNS bigint
    LANGUAGE c STABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'quota_sql_lease_use';
COMMENT ON FUNCTION quota_internal._lease_use(bigint, bigint) IS 'internal: how much has been taken from a lease, by the ledger; its entries have ids larger than since';

CREATE OR REPLACE FUNCTION quota_internal._lease_reserved(subject text, feature_id int, source_id bigint,
                                                          period_start timestamptz, period_end timestamptz) RETURNS bigint
    LANGUAGE c STABLE STRICT PARALLEL SAFE COST 10000
    AS 'MODULE_PATHNAME', 'quota_sql_lease_reserved';
COMMENT ON FUNCTION quota_internal._lease_reserved(text, int, bigint, timestamptz, timestamptz) IS
    'internal: how much of a window''s use open holds have, by the ledger: of a row that bears a lease, as a hold that takes from the lease does not write the row';

CREATE OR REPLACE FUNCTION quota_internal._end_leases(lease_ids bigint[], wait boolean DEFAULT true) RETURNS bigint
    LANGUAGE c VOLATILE STRICT
    AS 'MODULE_PATHNAME', 'quota_sql_end_leases';
COMMENT ON FUNCTION quota_internal._end_leases(bigint[], boolean) IS
    'internal: locks the rows that bear these leases, in this order, and ends the leases: the counts become true use; waits for those who have taken from them, or leaves those leases; returns how many were ended; 40001 above READ COMMITTED if a row has changed';

/*
 * Before SQL writes or deletes rows of windows, in the order of charges.  The rows stay
 * locked, so no lease is opened there again; on another row one can be.
 */
CREATE OR REPLACE FUNCTION quota_internal._close_leases(subjects text[], feature_ids int[] DEFAULT NULL, below boolean DEFAULT false) RETURNS bigint
    LANGUAGE sql VOLATILE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT coalesce(quota_internal._end_leases(array_agg(b.lease_id ORDER BY f.name COLLATE "C", b.subject, b.period_start, b.period_end)), 0)
    FROM quota_internal.bucket b JOIN quota_internal.feature f ON f.id = b.feature_id
    WHERE b.lease_id IS NOT NULL
      AND (_close_leases.feature_ids IS NULL OR b.feature_id = ANY (_close_leases.feature_ids))
      AND (_close_leases.subjects IS NULL OR b.subject = ANY (_close_leases.subjects)
           OR _close_leases.below AND EXISTS (SELECT FROM unnest(_close_leases.subjects) s
                                              WHERE b.subject > s || '/' COLLATE "C" AND b.subject < s || '0' COLLATE "C"))
$$;
COMMENT ON FUNCTION quota_internal._close_leases(text[], int[], boolean) IS
    'internal: ends the leases of accounts of these subjects (NULL: of all), or of those below them, too; of all features or some; returns how many there were';
