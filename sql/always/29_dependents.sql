/*
 * A change of what a subscription says to all that depend on it (its zone, its
 * quantity) reaches the accounts below it too.
 */

/*
 * Whoever has used something under the subscription has a bucket of its source;
 * whoever has an override of its own can be about to.
 */
CREATE OR REPLACE FUNCTION quota_internal._dependents(live quota_internal.subscription, at timestamptz) RETURNS SETOF text
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT (_dependents.live).subject
    UNION
    SELECT b.subject FROM quota_internal.bucket b
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

CREATE OR REPLACE FUNCTION quota_internal._standing_of_dependents(live quota_internal.subscription, at timestamptz,
        OUT subject text, OUT standings bigint[], OUT windows jsonb) RETURNS SETOF record
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    FOR subject IN
        SELECT d FROM quota_internal._dependents(_standing_of_dependents.live, _standing_of_dependents.at) d ORDER BY d COLLATE "C"
    LOOP
        standings := quota_internal._lock_standings(subject);
        windows := to_jsonb(w) FROM quota_internal._windows_before(subject, _standing_of_dependents.at) w;
        RETURN NEXT;
    END LOOP;
END
$$;
COMMENT ON FUNCTION quota_internal._standing_of_dependents(quota_internal.subscription, timestamptz) IS
    'internal: what _keep_all() needs to know of the time before a change';

CREATE OR REPLACE FUNCTION quota_internal._steady(subjects text[], windows jsonb, at timestamptz) RETURNS boolean[]
    LANGUAGE sql VOLATILE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT array_agg((w.windows -> 'features', w.windows -> 'sources', w.windows -> 'starts', w.windows -> 'ends')
                     = (b.windows -> 'features', b.windows -> 'sources', b.windows -> 'starts', b.windows -> 'ends') ORDER BY b.n)
    FROM ROWS FROM (unnest(_steady.subjects), jsonb_array_elements(_steady.windows)) WITH ORDINALITY b(subject, windows, n),
        LATERAL (SELECT to_jsonb(w) AS windows FROM quota_internal._windows_before(b.subject, _steady.at) w) w
$$;
COMMENT ON FUNCTION quota_internal._steady(text[], jsonb, timestamptz) IS
    'internal: of each subject, whether all its windows are those that it had before: then no use moves';

/*
 * What _set_terms() does where no use moves, for many subjects by one statement.
 */
CREATE OR REPLACE FUNCTION quota_internal._set_terms_of(subjects text[], at timestamptz) RETURNS void
    LANGUAGE sql
    SET search_path = pg_catalog, pg_temp
AS $$
    UPDATE quota_internal.bucket b
        SET plan_version_id = w.plan_version_id, allowance = w.allowance, prorated = NULL
        FROM unnest(_set_terms_of.subjects) s(subject), LATERAL quota_internal._windows(s.subject, _set_terms_of.at) w
        WHERE b.subject = s.subject COLLATE "C" AND b.feature_id = w.feature_id AND b.source_id = w.source_id
          AND b.period_start = w.period_start AND b.period_end = w.period_end
          AND (b.prorated IS NOT NULL OR (b.plan_version_id, b.allowance) IS DISTINCT FROM (w.plan_version_id, w.allowance))
$$;
COMMENT ON FUNCTION quota_internal._set_terms_of(text[], timestamptz) IS
    'internal: notes in the buckets of the present windows of subjects the plan and allowance that they go on under; a share of prorate ends';

CREATE OR REPLACE FUNCTION quota_internal._keep_all(subjects text[], standings jsonb, windows jsonb, at timestamptz) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    steady CONSTANT boolean[] := quota_internal._steady(_keep_all.subjects, _keep_all.windows, _keep_all.at);
    before record;
BEGIN
    PERFORM quota_internal._set_terms_of(ARRAY(SELECT s.subject FROM unnest(_keep_all.subjects, steady) s(subject, steady) WHERE s.steady), _keep_all.at);
    FOR n IN 1 .. coalesce(cardinality(_keep_all.subjects), 0) LOOP
        CONTINUE WHEN steady[n];
        SELECT w.* INTO before
            FROM jsonb_to_record(_keep_all.windows -> n - 1)
                AS w(features int[], sources bigint[], starts timestamptz[], ends timestamptz[], marked boolean[],
                     allowances bigint[], series text[], overridden boolean[]);
        PERFORM quota_internal._keep_use(_keep_all.subjects[n], before, _keep_all.at, 'keep');
    END LOOP;
    PERFORM quota_internal._tell_crossed(t.subject, ARRAY(SELECT e.value::bigint FROM jsonb_array_elements_text(t.standings) WITH ORDINALITY e(value, place)
                                                          ORDER BY e.place))
    FROM ROWS FROM (unnest(_keep_all.subjects), jsonb_array_elements(_keep_all.standings)) WITH ORDINALITY t(subject, standings, n)
    ORDER BY t.n;
END
$$;
COMMENT ON FUNCTION quota_internal._keep_all(text[], jsonb, jsonb, timestamptz) IS
    'internal: after a change, for each of the subjects: as _keep_use() and _tell_crossed()';
