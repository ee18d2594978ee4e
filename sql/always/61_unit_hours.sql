/*
 * How much of a capacity was held for how long: what GB-months are invoiced by.
 */

/*
 * What is held at the end is known: the bucket has it.  What it was at the beginning
 * follows from the changes since, and each change counts for the time that was left.
 * A hold that has expired is left out from then on, whether its expiry has been booked
 * (occurred_at says when it was) or not.
 */
CREATE OR REPLACE FUNCTION quota_internal._unit_hours(whose text, whose_feature int, since timestamptz, until timestamptz)
    RETURNS numeric
    LANGUAGE plpgsql STABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    unit_seconds numeric;
BEGIN
    EXECUTE $query$
        WITH expired AS MATERIALIZED (
            SELECT p.expires_at AS at, -coalesce(sum(e.amount), 0) AS amount
            FROM quota_internal.hold_part p JOIN quota_internal.ledger_entry e ON e.debit_id = p.hold_id AND e.account = p.account
            WHERE p.account = $1 AND p.feature_id = $2 AND p.expires_at < $4
            GROUP BY p.hold_id, p.expires_at
        ), change AS MATERIALIZED (
            SELECT coalesce(e.occurred_at, e.at) AS at, e.amount::numeric AS amount
            FROM quota_internal.ledger_entry e
            WHERE (e.subject = $1 OR (e.subject > $1 || '/' AND e.subject < $1 || '0')) AND e.feature_id = $2
              AND e.account = $1 AND e.at >= $3 AND coalesce(e.occurred_at, e.at) >= $3
            UNION ALL
            SELECT x.at, x.amount FROM expired x WHERE x.at >= $3
        ), total AS (
            SELECT coalesce((SELECT sum(b.used) FROM quota_internal.window_use b WHERE b.subject = $1 AND b.feature_id = $2), 0)
                   + coalesce((SELECT sum(x.amount) FROM expired x), 0)
                   - coalesce((SELECT sum(c.amount) FROM change c), 0) AS at_first
        )
        SELECT t.at_first * extract(epoch FROM $4 - $3)
               + coalesce((SELECT sum(c.amount * extract(epoch FROM $4 - c.at)) FROM change c WHERE c.at < $4), 0)
        FROM total t
        $query$
        INTO unit_seconds USING whose, whose_feature, since, until;
    -- a microsecond of one unit is 2.8e-10 hours
    RETURN trim_scale(round(unit_seconds * 1.000000000000 / 3600, 12));
END
$$;
COMMENT ON FUNCTION quota_internal._unit_hours(text, int, timestamptz, timestamptz) IS
    'internal: unit_hours(), its arguments checked';

CREATE OR REPLACE FUNCTION quota.unit_hours(subject text, feature text, since timestamptz, until timestamptz = NULL)
    RETURNS numeric
    LANGUAGE quota_plpgsql STABLE PARALLEL SAFE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    whose text := quota_internal._subject(unit_hours.subject);
    wanted quota_internal.feature := quota_internal._feature(unit_hours.feature);
    now CONSTANT timestamptz := quota_internal._now();
    past timestamptz := quota_internal._report_end(unit_hours.since, coalesce(unit_hours.until, greatest(now, unit_hours.since)));
BEGIN
    IF wanted.kind <> 'capacity' THEN
        RAISE EXCEPTION USING ERRCODE = '22023',
            MESSAGE = format('feature "%s" is of kind %s: only a capacity is held for a time', unit_hours.feature, wanted.kind);
    END IF;
    IF unit_hours.since < quota_internal._kept_since()
       OR unit_hours.since < (SELECT p.dropped_before FROM quota_internal.posting p) THEN
        RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'since is before what quota.retention keeps';
    END IF;
    -- nobody knows what will be held
    IF unit_hours.since >= least(past, now) THEN
        RETURN 0;
    END IF;
    RETURN quota_internal._unit_hours(whose, wanted.id, unit_hours.since, least(past, now));
END
$$;
COMMENT ON FUNCTION quota.unit_hours(text, text, timestamptz, timestamptz) IS
'How much of a capacity the subject and everything below it held in [since, until) (NULL, or later than now: until now): the sum of use x hours, exact to the microsecond, such as GB-hours to invoice. A hold counts until it is settled or released, or expires.
Errors: QT404 unknown feature; 22023 another kind, since after until, or before what quota.retention keeps; 22004, 22001 bad arguments.';
