/*
 * A change of what a subscription says to all that depend on it (its zone, its
 * quantity) reaches the accounts below it too.
 */

/*
 * A subject that has used something under the subscription has a bucket of its
 * source; a subject with an override of its own can be about to.
 */
CREATE OR REPLACE FUNCTION quota_internal._dependents(live quota_internal.subscription, at timestamptz) RETURNS SETOF text
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT (_dependents.live).subject
    UNION
    SELECT b.subject FROM quota_internal.window_use b
    WHERE b.subject > (_dependents.live).subject || '/' COLLATE "C" AND b.subject < (_dependents.live).subject || '0' COLLATE "C"
      AND b.source_id = (_dependents.live).source_id AND b.period_end > _dependents.at
    UNION
    SELECT o.subject FROM quota_internal.subject_override o
    WHERE o.subject > (_dependents.live).subject || '/' COLLATE "C" AND o.subject < (_dependents.live).subject || '0' COLLATE "C"
      AND NOT EXISTS (SELECT FROM quota_internal.subscription s
                      WHERE s.subject > (_dependents.live).subject || '/' COLLATE "C" AND s.subject <= o.subject
                        AND (s.subject = o.subject OR starts_with(o.subject, s.subject || '/'))
                        AND s.starts_at <= _dependents.at AND (s.ends_at IS NULL OR s.ends_at > _dependents.at))
$$;
COMMENT ON FUNCTION quota_internal._dependents(quota_internal.subscription, timestamptz) IS
    'internal: the subject of a subscription, and those below it that have an account which depends on it';

CREATE OR REPLACE FUNCTION quota_internal._member_features(version_ids int[]) RETURNS int[]
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT array_agg(DISTINCT e.feature_id) FROM quota_internal.entitlement e
    WHERE e.plan_version_id = ANY (_member_features.version_ids) AND (e.members).anchor IS NOT NULL
$$;
COMMENT ON FUNCTION quota_internal._member_features(int[]) IS
    'internal: the features of which plan versions give something to members, NULL for none';

CREATE OR REPLACE FUNCTION quota_internal._gives_members(subject text) RETURNS boolean
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT EXISTS (SELECT FROM quota_internal.subscription s JOIN quota_internal.entitlement e ON e.plan_version_id IN (s.plan_version_id, s.next_version_id)
                   WHERE s.subject = _gives_members.subject COLLATE "C" AND (e.members).anchor IS NOT NULL)
        OR EXISTS (SELECT FROM quota_internal.subject_override o
                   WHERE (o.subject = _gives_members.subject COLLATE "C"
                          OR o.subject > _gives_members.subject || '/' COLLATE "C" AND o.subject < _gives_members.subject || '0' COLLATE "C")
                     AND (o.members).anchor IS NOT NULL)
$$;
COMMENT ON FUNCTION quota_internal._gives_members(text) IS
    'internal: whether a subject''s plan, or an override of it or below it, gives something to members';

/*
 * A member that has used nothing has nothing that could go on.
 */
CREATE OR REPLACE FUNCTION quota_internal._members_of(owners text[], feature_ids int[], at timestamptz) RETURNS text[]
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF feature_ids IS NULL THEN
        RETURN '{}';
    END IF;
    RETURN ARRAY(
        SELECT b.subject
        FROM unnest(owners) o(subject)
            JOIN quota_internal.window_use b ON b.subject > o.subject || '/' COLLATE "C" AND b.subject < o.subject || '0' COLLATE "C"
                AND strpos(substr(b.subject, length(o.subject) + 2), '/') = 0
        WHERE b.feature_id = ANY (feature_ids) AND b.period_end > _members_of.at
          AND NOT EXISTS (SELECT FROM quota_internal.subject_override v WHERE v.subject = b.subject AND v.feature_id = b.feature_id)
        EXCEPT
        -- a member that is also an owner is handled as an owner
        SELECT o.subject FROM unnest(owners) o(subject));
END
$$;
COMMENT ON FUNCTION quota_internal._members_of(text[], int[], timestamptz) IS
    'internal: the subjects one segment below others that have used one of the features (NULL: none) in a window that is not over, and have no override of it';

/*
 * In the order of charges, so that no charge of several can stand in the way.
 */
CREATE OR REPLACE FUNCTION quota_internal._lock_windows(subjects text[], at timestamptz, only_feature int DEFAULT NULL) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM quota_internal._close_leases(subjects, CASE WHEN only_feature IS NOT NULL THEN ARRAY[only_feature] END);
    PERFORM FROM quota_internal.window_use b JOIN quota_internal.feature f ON f.id = b.feature_id
        WHERE b.subject = ANY (_lock_windows.subjects) AND b.period_end > _lock_windows.at
          AND (_lock_windows.only_feature IS NULL OR b.feature_id = _lock_windows.only_feature)
          AND (f.kind = 'metered' OR quota_internal._has_thresholds(b.subject, b.feature_id))
        ORDER BY f.name COLLATE "C", b.subject COLLATE "C", b.period_start, b.period_end
        FOR UPDATE OF b;
END
$$;
COMMENT ON FUNCTION quota_internal._lock_windows(text[], timestamptz, int) IS
    'internal: locks the buckets of subjects, of all features or one, whose use can move or whose thresholds a change of limits can cross; none of their accounts has a lease then';

/*
 * Every charge of a member is one of its owner, too.  So a member whose first
 * charge is in flight is seen once the owners' windows are locked.
 */
CREATE OR REPLACE FUNCTION quota_internal._lock_members(owners text[], feature_ids int[], at timestamptz, only_feature int DEFAULT NULL) RETURNS text[]
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF feature_ids IS NOT NULL THEN
        PERFORM quota_internal._lock_windows(owners || quota_internal._members_of(owners, feature_ids, at), at, only_feature);
    END IF;
    RETURN quota_internal._members_of(owners, feature_ids, at);
END
$$;
COMMENT ON FUNCTION quota_internal._lock_members(text[], int[], timestamptz, int) IS
    'internal: _members_of(), with the buckets locked of owners and members, of all features or one';

CREATE OR REPLACE FUNCTION quota_internal._standings_before(subjects text[], at timestamptz, only_feature int DEFAULT NULL, as_members boolean DEFAULT false)
    RETURNS quota_internal.standing[]
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM quota_internal._lock_windows(subjects, at, only_feature);
    RETURN ARRAY(SELECT ROW(s.subject, as_members, quota_internal._standings(s.subject),
                            quota_internal._windows_before(s.subject, at, only_feature))::quota_internal.standing
                 FROM unnest(subjects) WITH ORDINALITY s(subject, n) ORDER BY s.n);
END
$$;
COMMENT ON FUNCTION quota_internal._standings_before(text[], timestamptz, int, boolean) IS
    'internal: what _keep_all() needs to know of subjects before a change; their buckets are locked';

/*
 * For many subjects by one statement: a function for one subject would have
 * _windows_before() planned for each.
 */
CREATE OR REPLACE FUNCTION quota_internal._steady(before quota_internal.standing[], at timestamptz, only_feature int) RETURNS boolean[]
    LANGUAGE sql VOLATILE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT array_agg(NOT EXISTS (SELECT FROM unnest(b.windows) x FULL JOIN unnest(a.windows) y USING (feature_id, source_id)
                                 WHERE (x.period_start, x.period_end) IS DISTINCT FROM (y.period_start, y.period_end)) ORDER BY b.n)
    FROM unnest(_steady.before) WITH ORDINALITY b(subject, as_member, limits, windows, n),
        LATERAL (SELECT quota_internal._windows_before(b.subject, _steady.at, only_feature) AS windows) a
$$;
COMMENT ON FUNCTION quota_internal._steady(quota_internal.standing[], timestamptz, int) IS
    'internal: of each subject, whether all its windows are those that it had before: then no use moves; NULL for no subjects';

CREATE OR REPLACE FUNCTION quota_internal._keep_all(before quota_internal.standing[], at timestamptz, only_feature int DEFAULT NULL) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    steady CONSTANT boolean[] := quota_internal._steady(before, at, only_feature);
    moved  quota_internal.standing;
BEGIN
    PERFORM quota_internal._set_terms_of(ARRAY(SELECT before[n] FROM generate_subscripts(before, 1) n WHERE steady[n]), at, only_feature);
    FOR n IN 1 .. cardinality(before) LOOP
        CONTINUE WHEN steady[n];
        moved := before[n];
        PERFORM quota_internal._keep_use(moved.subject, moved.windows, at, 'keep', only_feature, as_member => moved.as_member);
    END LOOP;
    PERFORM quota_internal._tell_crossed(b.subject, b.limits) FROM unnest(before) b;
END
$$;
COMMENT ON FUNCTION quota_internal._keep_all(quota_internal.standing[], timestamptz, int) IS
    'internal: after a change (of one feature, or of all), for each of the subjects: as _keep_use() and _tell_crossed()';
