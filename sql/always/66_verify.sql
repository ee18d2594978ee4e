/*
 * Two windows in a row of one account: what left the first came into the second.
 * Buckets do not say from where a rollover came, so this looks where it cannot have
 * come from elsewhere or gone elsewhere: no other window overlaps with the two, and
 * no change of plan moved use out of them or into them.
 *
 * A window that was made for its lock, or charged while nothing rolled over, has not
 * fixed what rolled into it: it says nothing, but for the newest.
 *
 * Not seen: what went wrong where idle windows without a bucket lie between, or
 * periods of several lengths meet.
 */
CREATE OR REPLACE FUNCTION quota_internal._verify_rollover(OUT check_name text, OUT subject text, OUT feature_id int, OUT detail text)
    RETURNS SETOF record
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    WITH moved_into AS (
        SELECT b.subject, b.feature_id, b.source_id, b.moved_start AS period_start, b.moved_end AS period_end
        FROM quota_internal.bucket b WHERE b.moved_id IS NOT NULL
    ), bucket AS (
        SELECT b.subject, b.feature_id, b.source_id, b.period_start, b.period_end,
               b.rolled_in, coalesce(b.rolled_out, 0) AS rolled_out, count(*) OVER later > 0 AS has_later,
               coalesce(max(b.period_end) OVER earlier <= b.period_start, true)
               AND coalesce(min(b.period_start) OVER later >= b.period_end, true)
               AND b.moved_id IS NULL
               AND NOT EXISTS (SELECT FROM moved_into m
                               WHERE m.subject = b.subject AND m.feature_id = b.feature_id AND m.source_id = b.source_id
                                 AND m.period_start = b.period_start AND m.period_end = b.period_end) AS is_plain
        FROM quota_internal.bucket b
        -- of an account without any there is nothing to tell
        WHERE (b.subject, b.feature_id, b.source_id)
              IN (SELECT r.subject, r.feature_id, r.source_id FROM quota_internal.bucket r WHERE r.rolled_in IS NOT NULL)
        WINDOW earlier AS (PARTITION BY b.subject, b.feature_id, b.source_id ORDER BY b.period_start, b.period_end
                           ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING),
               later AS (PARTITION BY b.subject, b.feature_id, b.source_id ORDER BY b.period_start DESC, b.period_end DESC
                         ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
    )
    SELECT 'rollover', a.subject, a.feature_id,
           format('%s rolled over out of the window from %s to %s, %s into the next one',
                  a.rolled_out, a.period_start, a.period_end, coalesce(b.rolled_in, 0))
    FROM bucket a
        JOIN bucket b ON b.subject = a.subject AND b.feature_id = a.feature_id AND b.source_id = a.source_id
            AND b.period_start = a.period_end
    WHERE a.is_plain AND b.is_plain AND a.rolled_out <> coalesce(b.rolled_in, 0)
      AND a.rolled_in IS NOT NULL AND (b.rolled_in IS NOT NULL OR NOT b.has_later)
      -- older ones may have been dropped, one without the other
      AND b.period_end > coalesce((SELECT p.dropped_before FROM quota_internal.posting p), '-infinity')
$$;
COMMENT ON FUNCTION quota_internal._verify_rollover() IS 'internal: what rolled over out of a window has come into the next one, where this can be told';

CREATE OR REPLACE FUNCTION quota.verify(OUT check_name text, OUT subject text, OUT feature text, OUT detail text)
    RETURNS SETOF record
    LANGUAGE quota_sql STABLE SECURITY DEFINER ROWS 1
    SET search_path = pg_catalog, pg_temp
    SET TimeZone = 'UTC'
    SET DateStyle = 'ISO'
    SET jit = off       -- so many expressions take longer to compile than to compute
    SET enable_hashagg = off        -- nobody knows how many accounts the ledger has: sorting does not mind
AS $$
    SELECT v.check_name, v.subject, coalesce(f.name, v.feature_id::text) AS feature, v.detail
    FROM (
        SELECT * FROM quota_internal._verify_buckets()
        UNION ALL SELECT * FROM quota_internal._verify_grants()
        UNION ALL SELECT * FROM quota_internal._verify_holds()
        UNION ALL SELECT * FROM quota_internal._verify_rollover()
        UNION ALL SELECT * FROM quota_internal._verify_leases()
        UNION ALL SELECT * FROM quota_internal._verify_caps()
        UNION ALL SELECT * FROM quota_internal._verify_debits()
        UNION ALL SELECT * FROM quota_internal._verify_marks()
        UNION ALL SELECT * FROM quota_internal._verify_keys()
        UNION ALL SELECT * FROM quota_internal._verify_usage()
        UNION ALL SELECT * FROM quota_internal._verify_references()
        UNION ALL SELECT * FROM quota_internal._verify_unique()
        UNION ALL SELECT * FROM quota_internal._verify_ledger()
        UNION ALL SELECT * FROM quota_internal._verify_fence()
        UNION ALL SELECT * FROM quota_internal._verify_gates()
        UNION ALL SELECT * FROM quota_internal._verify_gate_charges()
    ) v
        LEFT JOIN quota_internal.feature f ON f.id = v.feature_id
    ORDER BY v.check_name COLLATE "C", v.subject COLLATE "C" NULLS FIRST, v.feature_id NULLS FIRST, v.detail COLLATE "C"
$$;
COMMENT ON FUNCTION quota.verify() IS
'Checks the books; no rows: every invariant holds. Reads the whole ledger, and blocks nobody. check_name says what does not hold:
bucket: a bucket is the sum of its ledger entries, those of dropped months included; grant: so is what was taken of a grant, which is no more than it gives, and it is as it was credited
reserved, hold: what buckets have reserved is what open holds took, and holds are what their entries say; rollover: what left a window has come into the next one; mark: where a window''s mark says that its use went, it went; lease: what was taken from a lease is of its window
cap: a cap has counted no more than was charged in its window, and no less where it is known to have been there; debit: a debit took the same at every level and gave back no more, and no id stands for two
key: what an idempotency key answers is in the ledger, and the other way round; usage: the rollup is what the ledger says; reference: what a row names is there; unique: what must be there once is, and no id comes again
ledger: nobody can change it; fence: our triggers and privileges, and how far maintain() has come, are as they must be; gate: the triggers of a protected table are there, enabled, their expressions work, and what they remember is counted (quota.recount() compares the counts with the rows)';
