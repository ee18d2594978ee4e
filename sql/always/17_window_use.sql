/*
 * The windows that count: what reads the use of a window in SQL reads it here, and
 * locks its row by this view.  A window has one row without a mark at most, its newest
 * generation; those with a mark count nothing.  Of a row that bears a lease it shows true
 * use, for which it looks into the ledger; of any other what the row says.
 */
CREATE OR REPLACE VIEW quota_internal.window_use AS
SELECT b.subject, b.feature_id, b.plan_version_id, b.source_id, b.period_start, b.period_end, b.generation,
       CASE WHEN b.lease_id IS NULL OR b.leases_overage THEN b.used
            ELSE b.used - b.leased + quota_internal._lease_use(b.lease_id, b.lease_since) END AS used,
       b.overdrawn, b.allowance, b.granted,
       CASE WHEN b.leases_overage THEN nullif(b.overage - b.leased + quota_internal._lease_use(b.lease_id, b.lease_since), 0)
            ELSE b.overage END AS overage,
       CASE WHEN b.lease_id IS NULL THEN b.reserved
            ELSE nullif(quota_internal._lease_reserved(b.subject, b.feature_id, b.source_id, b.period_start, b.period_end), 0) END AS reserved,
       b.rolled_in, b.rolled_out, b.prorated
FROM quota_internal.bucket b
WHERE b.moved_id IS NULL;
COMMENT ON VIEW quota_internal.window_use IS 'internal: the use of one account in one window, a row for each window';

DO $$
DECLARE
    c record;
BEGIN
    FOR c IN SELECT v.attname, coalesce(col_description(t.attrelid, t.attnum), 'part of the key') AS comment
             FROM pg_attribute v JOIN pg_attribute t ON t.attrelid = 'quota_internal.bucket'::regclass AND t.attname = v.attname
             WHERE v.attrelid = 'quota_internal.window_use'::regclass LOOP
        EXECUTE format('COMMENT ON COLUMN quota_internal.window_use.%I IS %L', c.attname, c.comment);
    END LOOP;
END
$$;
