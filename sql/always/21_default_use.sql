/* What a new version of the default plan does to use. */

CREATE OR REPLACE FUNCTION quota_internal._default_version()
    RETURNS int
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT quota_internal._newest_version(p.id) FROM quota_internal.plan p WHERE p.is_default
$$;
COMMENT ON FUNCTION quota_internal._default_version() IS
    'internal: the id of the version that subjects without a subscription have, NULL if no plan is the default';

/*
 * All accounts of the default plan have the same window of a feature: their
 * zone is UTC, and the anchor "subscription" counts as calendar.  Members', too.
 */
CREATE OR REPLACE FUNCTION quota_internal._default_windows(version_id int, at timestamptz)
    RETURNS TABLE (feature_id int, level int, terms quota_internal.terms, window_start timestamptz, window_end timestamptz)
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT e.feature_id, t.level, t.terms, w.window_start, w.window_end
    FROM quota_internal.entitlement e JOIN quota_internal.feature f ON f.id = e.feature_id AND f.kind = 'metered'
         CROSS JOIN LATERAL (VALUES (0, e.terms), (1, e.members)) t(level, terms)
         CROSS JOIN LATERAL quota_internal._window((t.terms).period, (t.terms).anchor, (t.terms).anchor_at, NULL, 'UTC', _default_windows.at) w
    WHERE e.plan_version_id = _default_windows.version_id AND (t.terms).anchor IS NOT NULL
$$;
COMMENT ON FUNCTION quota_internal._default_windows(int, timestamptz) IS
    'internal: the windows that a version has at a time for all who have it as the default plan (level 0), and for members (level 1), with the terms';

/*
 * The buckets that count for the default plan are those of single segments, and
 * of two for members, that depend on no subscription and have no override.  Subjects
 * with a subscription now are no exception: what the default plan charged before
 * must still be there when it ends.
 */
CREATE OR REPLACE FUNCTION quota_internal._default_buckets(feature_id int, window_start timestamptz, window_end timestamptz, level int DEFAULT 0)
    RETURNS SETOF quota_internal.bucket
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT b.* FROM quota_internal.bucket b
    WHERE b.feature_id = _default_buckets.feature_id AND b.source_id = 0
      AND b.period_start = _default_buckets.window_start AND b.period_end = _default_buckets.window_end
      AND quota_internal._level(b.subject) = _default_buckets.level
      AND NOT EXISTS (SELECT FROM quota_internal.bucket n WHERE n.subject = b.subject AND n.feature_id = b.feature_id AND n.source_id = 0
                      AND n.period_start = b.period_start AND n.period_end = b.period_end AND n.generation > b.generation)
      AND NOT EXISTS (SELECT FROM quota_internal.subject_override o
                      WHERE o.subject IN (b.subject, split_part(b.subject, '/', 1)) AND o.feature_id = b.feature_id)
$$;
COMMENT ON FUNCTION quota_internal._default_buckets(int, timestamptz, timestamptz, int) IS
    'internal: the buckets of the default plan''s accounts in one window, the newest generation of each';

/*
 * Of a feature that the default plan did not give just before (no old window) there
 * is nothing to keep, but a bucket of the window may still say that its use was
 * moved, by a change of an earlier version.  That use comes back.
 */
CREATE OR REPLACE FUNCTION quota_internal._keep_default_window(
        feature_id int, old_start timestamptz, old_end timestamptz, new_start timestamptz, new_end timestamptz)
    RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM quota_internal._go_on(u.subject, feature_id, 0, u.begins, u.ends, u.generation, new_start, new_end, false)
    FROM (SELECT b.subject, b.period_start AS begins, b.period_end AS ends, b.generation
          FROM quota_internal._default_buckets(feature_id, old_start, old_end) b WHERE b.moved_id IS NULL
          UNION ALL
          SELECT b.subject, w.*
          FROM quota_internal._default_buckets(feature_id, new_start, new_end) b,
              quota_internal._window_now(b.subject, b.feature_id, 0, b.period_start, b.period_end, b.moved_id - 1) w
          WHERE old_start IS NULL AND b.moved_id IS NOT NULL
          ORDER BY subject) u;
END
$$;
COMMENT ON FUNCTION quota_internal._keep_default_window(int, timestamptz, timestamptz, timestamptz, timestamptz) IS
    'internal: moves what all accounts of the default plan used of a feature from one window to another';

-- Acts as change_plan keep for all who have the default plan.
CREATE OR REPLACE FUNCTION quota_internal._keep_default_use(old_version int, new_version int)
    RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    at CONSTANT timestamptz := quota_internal._now();
    move record;
    locked boolean := false;
BEGIN
    FOR move IN
        SELECT n.feature_id, o.window_start AS old_start, o.window_end AS old_end, n.window_start, n.window_end
        FROM quota_internal._default_windows(new_version, at) n
             LEFT JOIN quota_internal._default_windows(old_version, at) o ON o.feature_id = n.feature_id AND o.level = 0
        WHERE n.level = 0 AND (o.window_start, o.window_end) IS DISTINCT FROM (n.window_start, n.window_end)
        ORDER BY n.feature_id
    LOOP
        -- Nobody charges a feature that the default plan gives only from now on.
        IF NOT locked AND move.old_start IS NOT NULL THEN
            PERFORM quota_internal._lock_buckets('this catalog cannot be applied', 'It gives the default plan another period or anchor');
            locked := true;
        END IF;
        PERFORM quota_internal._keep_default_window(move.feature_id, move.old_start, move.old_end, move.window_start, move.window_end);
    END LOOP;
    PERFORM quota_internal._set_default_terms(_keep_default_use.old_version, _keep_default_use.new_version, at);
END
$$;
COMMENT ON FUNCTION quota_internal._keep_default_use(int, int) IS
    'internal: where the default plan''s present window of a metered feature is another in the new version, that window takes over what was used in the old one; locks the buckets then (0A000 above read committed)';
