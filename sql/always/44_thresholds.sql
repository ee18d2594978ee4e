/*
 * Events of thresholds (src/decide/notify.c): what an operation has crossed, by
 * what limits it compares with what.
 */

CREATE OR REPLACE FUNCTION quota_internal._record_threshold(subject text, feature_id int, threshold text, value bigint,
        allowance bigint, used bigint, period_start timestamptz, period_end timestamptz) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    SET TimeZone = 'UTC'
AS $$
BEGIN
    PERFORM quota_internal._record_event('threshold_reached', _record_threshold.subject, _record_threshold.feature_id,
        jsonb_build_object('allowance', _record_threshold.allowance, 'used', _record_threshold.used,
                           'period_start', _record_threshold.period_start, 'period_end', _record_threshold.period_end)
        || CASE _record_threshold.threshold
               WHEN 'percent' THEN jsonb_build_object('percent', _record_threshold.value)
               ELSE jsonb_build_object('remaining', _record_threshold.value) END);
END
$$;
COMMENT ON FUNCTION quota_internal._record_threshold(text, int, text, bigint, bigint, bigint, timestamptz, timestamptz) IS
    'internal: the event of a threshold that an operation has crossed';

CREATE OR REPLACE FUNCTION quota_internal._standings(subject text) RETURNS bigint[]
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'quota_sql_standings';
COMMENT ON FUNCTION quota_internal._standings(text) IS
    'internal: the limits and the use of all accounts that a subject has itself, for _tell_crossed()';

CREATE OR REPLACE FUNCTION quota_internal._tell_crossed(subject text, standings bigint[]) RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'quota_sql_tell_crossed';
COMMENT ON FUNCTION quota_internal._tell_crossed(text, bigint[]) IS
    'internal: the events of the thresholds that a subject''s own accounts have reached, but had not reached by the standings of before';

CREATE OR REPLACE FUNCTION quota_internal._has_thresholds(subject text, feature_id int) RETURNS boolean
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT EXISTS (SELECT FROM (SELECT e.terms, e.members FROM quota_internal.entitlement e WHERE e.feature_id = _has_thresholds.feature_id
                                UNION ALL
                                SELECT o.terms, o.members FROM quota_internal.subject_override o
                                WHERE o.feature_id = _has_thresholds.feature_id
                                  AND o.subject IN (_has_thresholds.subject, regexp_replace(_has_thresholds.subject, '/[^/]*$', ''))) g,
                       LATERAL (VALUES (g.terms), (g.members)) t(terms)
                   WHERE (t.terms).notify_percent <> '{}' OR (t.terms).notify_remaining <> '{}')
$$;
COMMENT ON FUNCTION quota_internal._has_thresholds(text, int) IS
    'internal: whether any plan, or an override of a subject or of the one above it, has thresholds for a feature';

/*
 * A charge in flight is decided by the old limits, and tells by them; so its use
 * is waited for, where that can matter, in the order of charges.
 */
CREATE OR REPLACE FUNCTION quota_internal._lock_standings(subject text) RETURNS bigint[]
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM quota_internal._close_leases(ARRAY[_lock_standings.subject]);
    PERFORM FROM quota_internal.window_use b JOIN quota_internal.feature f ON f.id = b.feature_id
        WHERE b.subject = _lock_standings.subject COLLATE "C" AND b.period_end > quota_internal._now()
          AND quota_internal._has_thresholds(b.subject, b.feature_id)
        ORDER BY f.name COLLATE "C", b.period_start, b.period_end
        FOR UPDATE OF b;
    RETURN quota_internal._standings(_lock_standings.subject);
END
$$;
COMMENT ON FUNCTION quota_internal._lock_standings(text) IS
    'internal: _standings(), the rows locked whose thresholds a change of limits can cross, and no account of the subject with a lease';

/*
 * The session that holds the grant's row writes the event: a charge must not wait
 * for maintain(), which may want the charge's bucket.
 */
CREATE OR REPLACE FUNCTION quota_internal._see_expired_grants(subject text, feature_id int, since timestamptz, OUT seen bigint, OUT lost bigint)
    LANGUAGE sql VOLATILE
    SET search_path = pg_catalog, pg_temp
    SET TimeZone = 'UTC'
AS $$
    WITH due AS (
        SELECT g.id FROM quota_internal.credit_grant g
        WHERE g.subject = _see_expired_grants.subject COLLATE "C" AND g.feature_id = _see_expired_grants.feature_id
          AND NOT g.expiry_seen AND g.expires_at <= quota_internal._now()
        FOR NO KEY UPDATE SKIP LOCKED
    ), expired AS (
        UPDATE quota_internal.credit_grant g SET expiry_seen = true FROM due d WHERE g.id = d.id
        RETURNING g.*
    ), told AS (
        SELECT e.expires_at, u.unused,
               quota_internal._record_event('grant_expired', e.subject, e.feature_id, jsonb_build_object(
                   'grant_id', e.id, 'source', e.source, 'amount', e.amount, 'expires_at', e.expires_at, 'unused', u.unused))
        FROM (SELECT * FROM expired WHERE revoked_at IS NULL      -- of that, revoke() has told
              ORDER BY id) e,
             LATERAL (SELECT e.amount - coalesce((SELECT g.used FROM quota_internal.grant_use g
                                                  WHERE g.grant_id = e.id AND g.period_end = e.expires_at), 0) AS unused) u
    )
    SELECT count(*), least(coalesce(sum(t.unused) FILTER (WHERE t.expires_at > _see_expired_grants.since), 0), 9223372036854775807)::bigint
    FROM told t
$$;
COMMENT ON FUNCTION quota_internal._see_expired_grants(text, int, timestamptz) IS
    'internal: writes the events of a subject''s grants that have expired, once; how many, and how much those that were valid after since had left';

CREATE OR REPLACE FUNCTION quota_internal._tell_expired(subject text, feature_id int) RETURNS bigint
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'quota_sql_tell_expired';
COMMENT ON FUNCTION quota_internal._tell_expired(text, int) IS
    'internal: _see_expired_grants(), with the events of thresholds that their expiry has crossed; how many grants';
