/*
 * What SQL writes into rows of quota_internal.bucket stands here, the rename of a
 * subject left out; forget() and the removal of a feature delete rows whatever is in
 * them.  The engine writes them too: src/store/bucket.c.
 */

/*
 * A row that bears a lease is written after that has ended.  Leases of the subjects of a
 * change are ended before their rows are locked (_lock_windows(), _lock_standings()); one
 * that has been opened since on a row that was none of those, here.
 */

/*
 * Two that make a generation at once want the same key, and so does a charge that
 * makes it (src/engine/row_prepare.c): one waits for the other.
 */
CREATE OR REPLACE FUNCTION quota_internal._lock_generation(subject text, feature_id int, source_id bigint,
                                                           period_start timestamptz, period_end timestamptz, generation int) RETURNS quota_internal.bucket
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    locked quota_internal.bucket;
BEGIN
    LOOP
        SELECT b.* INTO locked FROM quota_internal.bucket b
            WHERE b.subject = _lock_generation.subject COLLATE "C" AND b.feature_id = _lock_generation.feature_id
              AND b.source_id = _lock_generation.source_id
              AND b.period_start = _lock_generation.period_start AND b.period_end = _lock_generation.period_end
              AND b.generation = _lock_generation.generation
            FOR UPDATE;
        IF locked.lease_id IS NOT NULL THEN
            PERFORM quota_internal._end_leases(ARRAY[locked.lease_id]);
            CONTINUE;
        END IF;
        EXIT WHEN FOUND;
        -- rollover that an earlier generation has fixed stays fixed
        INSERT INTO quota_internal.bucket AS made (subject, feature_id, source_id, period_start, period_end, generation, rolled_in)
            SELECT _lock_generation.subject, _lock_generation.feature_id, _lock_generation.source_id,
                   _lock_generation.period_start, _lock_generation.period_end, _lock_generation.generation, max(b.rolled_in)
            FROM quota_internal.bucket b
            WHERE b.subject = _lock_generation.subject COLLATE "C" AND b.feature_id = _lock_generation.feature_id
              AND b.source_id = _lock_generation.source_id
              AND b.period_start = _lock_generation.period_start AND b.period_end = _lock_generation.period_end
            ON CONFLICT ON CONSTRAINT bucket_pkey DO NOTHING
            RETURNING made.* INTO locked;
        EXIT WHEN FOUND;
    END LOOP;
    RETURN locked;
END
$$;
COMMENT ON FUNCTION quota_internal._lock_generation(text, int, bigint, timestamptz, timestamptz, int) IS
    'internal: the row of one generation of a window, locked; made where there is none';

CREATE OR REPLACE FUNCTION quota_internal._lock_window(subject text, feature_id int, source_id bigint,
                                                       period_start timestamptz, period_end timestamptz) RETURNS quota_internal.bucket
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    locked quota_internal.bucket;
BEGIN
    LOOP
        SELECT l.* INTO locked
        FROM (SELECT coalesce(max(b.generation + (b.moved_id IS NOT NULL)::int), 0) AS generation FROM quota_internal.bucket b
              WHERE b.subject = _lock_window.subject COLLATE "C" AND b.feature_id = _lock_window.feature_id
                AND b.source_id = _lock_window.source_id
                AND b.period_start = _lock_window.period_start AND b.period_end = _lock_window.period_end) newest,
            quota_internal._lock_generation(_lock_window.subject, _lock_window.feature_id, _lock_window.source_id,
                                            _lock_window.period_start, _lock_window.period_end, newest.generation) l;
        -- somebody may have moved its use away while we waited
        EXIT WHEN locked.moved_id IS NULL;
    END LOOP;
    RETURN locked;
END
$$;
COMMENT ON FUNCTION quota_internal._lock_window(text, int, bigint, timestamptz, timestamptz) IS
    'internal: the row in which a window counts, locked; made where there is none, as the next generation if use was moved away before';

/*
 * A debit that has looked up the window either holds its row's lock, and we get what
 * it charged, or waits for ours, and then sees the mark that comes.  Hence the row is
 * made where there is none: for the lock.  A session that committed while we waited
 * can have marked the row: then the use is where that mark leads.
 */
CREATE OR REPLACE FUNCTION quota_internal._lock_use(subject text, feature_id int, source_id bigint,
                                                    period_start timestamptz, period_end timestamptz, generation int) RETURNS quota_internal.bucket
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    locked quota_internal.bucket := quota_internal._lock_generation(_lock_use.subject, _lock_use.feature_id, _lock_use.source_id,
                                                                    _lock_use.period_start, _lock_use.period_end, _lock_use.generation);
BEGIN
    WHILE locked.moved_id IS NOT NULL LOOP
        SELECT l.* INTO locked
        FROM quota_internal._window_now(locked.subject, locked.feature_id, locked.source_id,
                                        locked.period_start, locked.period_end, locked.moved_id - 1) w,
            quota_internal._lock_generation(locked.subject, locked.feature_id, locked.source_id, w.begins, w.ends, w.generation) l;
    END LOOP;
    RETURN locked;
END
$$;
COMMENT ON FUNCTION quota_internal._lock_use(text, int, bigint, timestamptz, timestamptz, int) IS
    'internal: the row that has the use of one generation of a window, locked: that row itself, made where there is none, or where its mark leads';

/*
 * In the old row, if it was charged, rollover is fixed at 0, or the units that go
 * along would roll over once more when the account comes back to the window.
 */
CREATE OR REPLACE FUNCTION quota_internal._mark_moved(bucket quota_internal.bucket, new_start timestamptz, new_end timestamptz) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    UPDATE quota_internal.bucket b
        SET used = 0, overdrawn = 0, granted = NULL, overage = NULL, reserved = NULL, rolled_out = NULL, prorated = NULL,
            rolled_in = CASE WHEN b.rolled_in IS NOT NULL OR b.used > 0 OR b.overdrawn > 0
                                  OR b.granted IS NOT NULL OR b.overage IS NOT NULL THEN 0 END,
            moved_start = _mark_moved.new_start, moved_end = _mark_moved.new_end, moved_id = nextval('quota_internal.ledger_id_seq')
        WHERE b.subject = (_mark_moved.bucket).subject AND b.feature_id = (_mark_moved.bucket).feature_id
          AND b.source_id = (_mark_moved.bucket).source_id
          AND b.period_start = (_mark_moved.bucket).period_start AND b.period_end = (_mark_moved.bucket).period_end
          AND b.generation = (_mark_moved.bucket).generation;
END
$$;
COMMENT ON FUNCTION quota_internal._mark_moved(quota_internal.bucket, timestamptz, timestamptz) IS
    'internal: empties a row that is locked, and marks it with the window that takes its use over';

-- A row that was made for this has no terms yet.
CREATE OR REPLACE FUNCTION quota_internal._add_use(bucket quota_internal.bucket, moved quota_internal.bucket) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    UPDATE quota_internal.bucket b
        SET used = b.used + (_add_use.moved).used, overdrawn = b.overdrawn + (_add_use.moved).overdrawn,
            granted = nullif(coalesce(b.granted, 0) + coalesce((_add_use.moved).granted, 0), 0),
            overage = nullif(coalesce(b.overage, 0) + coalesce((_add_use.moved).overage, 0), 0),
            reserved = nullif(coalesce(b.reserved, 0) + coalesce((_add_use.moved).reserved, 0), 0),
            -- NULL is not 0 here: not fixed yet
            rolled_in = coalesce(b.rolled_in + (_add_use.moved).rolled_in, b.rolled_in, (_add_use.moved).rolled_in),
            rolled_out = nullif(coalesce(b.rolled_out, 0) + coalesce((_add_use.moved).rolled_out, 0), 0),
            prorated = NULL,
            plan_version_id = coalesce(b.plan_version_id, (_add_use.moved).plan_version_id),
            allowance = CASE WHEN b.plan_version_id IS NULL THEN (_add_use.moved).allowance ELSE b.allowance END
        WHERE b.subject = (_add_use.bucket).subject AND b.feature_id = (_add_use.bucket).feature_id
          AND b.source_id = (_add_use.bucket).source_id
          AND b.period_start = (_add_use.bucket).period_start AND b.period_end = (_add_use.bucket).period_end
          AND b.generation = (_add_use.bucket).generation;
END
$$;
COMMENT ON FUNCTION quota_internal._add_use(quota_internal.bucket, quota_internal.bucket) IS
    'internal: adds to a row that is locked what another one, as it was, counted';

/*
 * The row is made where there is none: a share of the window has to be somewhere,
 * and a debit that is about to make it looks everything up again when it finds it.
 */
CREATE OR REPLACE FUNCTION quota_internal._set_terms(subject text, feature_id int, source_id bigint,
                                                     period_start timestamptz, period_end timestamptz,
                                                     plan_version_id int, allowance bigint, old_allowance bigint, at timestamptz) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    prorates CONSTANT boolean := _set_terms.old_allowance IS NOT NULL AND _set_terms.allowance IS NOT NULL;
BEGIN
    IF prorates THEN
        PERFORM quota_internal._lock_window(_set_terms.subject, _set_terms.feature_id, _set_terms.source_id,
                                            _set_terms.period_start, _set_terms.period_end);
    END IF;
    LOOP
        UPDATE quota_internal.bucket b
            SET plan_version_id = _set_terms.plan_version_id, allowance = _set_terms.allowance,
                prorated = CASE WHEN prorates
                                THEN nullif(quota_internal._prorated(coalesce(b.prorated, _set_terms.old_allowance), _set_terms.allowance,
                                                                     b.period_start, b.period_end, _set_terms.at),
                                            _set_terms.allowance) END
            WHERE b.subject = _set_terms.subject COLLATE "C" AND b.feature_id = _set_terms.feature_id
              AND b.source_id = _set_terms.source_id
              AND b.period_start = _set_terms.period_start AND b.period_end = _set_terms.period_end AND b.moved_id IS NULL
              AND b.lease_id IS NULL
              AND (prorates OR b.prorated IS NOT NULL OR (b.plan_version_id, b.allowance)
                                                         IS DISTINCT FROM (_set_terms.plan_version_id, _set_terms.allowance));
        EXIT WHEN FOUND OR quota_internal._close_leases(ARRAY[_set_terms.subject], ARRAY[_set_terms.feature_id]) = 0;
    END LOOP;
END
$$;
COMMENT ON FUNCTION quota_internal._set_terms(text, int, bigint, timestamptz, timestamptz, int, bigint, bigint, timestamptz) IS
    'internal: notes in a window''s bucket, if there is one, the plan and allowance that it goes on under; given the old allowance, shares the limit between old and new by time';

/*
 * What _set_terms() does where no use moves, for many subjects by one statement.
 */
CREATE OR REPLACE FUNCTION quota_internal._set_terms_of(steady quota_internal.standing[], at timestamptz, only_feature int) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    LOOP
        UPDATE quota_internal.bucket b
            SET plan_version_id = w.plan_version_id, allowance = w.allowance, prorated = NULL
            FROM unnest(_set_terms_of.steady) s, LATERAL quota_internal._windows(s.subject, _set_terms_of.at) w
            WHERE b.subject = s.subject COLLATE "C" AND b.feature_id = w.feature_id AND b.source_id = w.source_id
              AND b.period_start = w.period_start AND b.period_end = w.period_end AND b.moved_id IS NULL AND b.lease_id IS NULL
              AND (_set_terms_of.only_feature IS NULL OR w.feature_id = _set_terms_of.only_feature) AND (w.of_members OR NOT s.as_member)
              AND (b.prorated IS NOT NULL OR (b.plan_version_id, b.allowance) IS DISTINCT FROM (w.plan_version_id, w.allowance));
        EXIT WHEN quota_internal._close_leases(ARRAY(SELECT s.subject FROM unnest(_set_terms_of.steady) s),
                                                     CASE WHEN only_feature IS NOT NULL THEN ARRAY[only_feature] END) = 0;
    END LOOP;
END
$$;
COMMENT ON FUNCTION quota_internal._set_terms_of(quota_internal.standing[], timestamptz, int) IS
    'internal: notes in the buckets of the present windows of subjects the plan and allowance that they go on under; a share of prorate ends';

/*
 * What rolls over later is reckoned with the terms that a bucket bears, those of
 * its last charge, and so is what a hold that is settled late finds in it.  Where
 * neither can come they say nothing that counts, and the buckets of everybody are
 * left alone.
 */
CREATE OR REPLACE FUNCTION quota_internal._default_terms_due(old_version int, new_version int, at timestamptz)
    RETURNS TABLE (bucket quota_internal.bucket, allowance bigint)
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT d, (n.terms).allowance
    FROM quota_internal._default_windows(_default_terms_due.new_version, _default_terms_due.at) n
        JOIN quota_internal._default_windows(_default_terms_due.old_version, _default_terms_due.at) o USING (feature_id, level),
        LATERAL quota_internal._default_buckets(n.feature_id, n.window_start, n.window_end, n.level) d
    WHERE ((n.terms).rollover_max IS NOT NULL OR d.reserved IS NOT NULL) AND (n.terms).allowance IS DISTINCT FROM d.allowance
      AND d.moved_id IS NULL
$$;
COMMENT ON FUNCTION quota_internal._default_terms_due(int, int, timestamptz) IS
    'internal: the present buckets of the default plan''s accounts that a new version''s allowance has to be noted in';

CREATE OR REPLACE FUNCTION quota_internal._set_default_terms(old_version int, new_version int, at timestamptz)
    RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    LOOP
        UPDATE quota_internal.bucket b SET plan_version_id = new_version, allowance = d.allowance, prorated = NULL
        FROM quota_internal._default_terms_due(old_version, new_version, at) d
        WHERE b.subject = (d.bucket).subject AND b.feature_id = (d.bucket).feature_id AND b.source_id = 0
          AND b.period_start = (d.bucket).period_start AND b.period_end = (d.bucket).period_end
          AND b.generation = (d.bucket).generation AND b.lease_id IS NULL;
        EXIT WHEN quota_internal._close_leases(ARRAY(
            SELECT (d.bucket).subject FROM quota_internal._default_terms_due(old_version, new_version, at) d)) = 0;
    END LOOP;
END
$$;
COMMENT ON FUNCTION quota_internal._set_default_terms(int, int, timestamptz) IS
    'internal: notes a new version''s terms in the present buckets of the default plan''s accounts, where they roll over or have open holds';

/*
 * The newest window of an account stays: what rolls over begins there.  So does a
 * window that a kept entry names, as the sums of the two must agree.  A window goes
 * with all its generations; the newest is the one that somebody may have locked.
 */
CREATE OR REPLACE FUNCTION quota_internal._drop_windows() RETURNS bigint
    LANGUAGE sql VOLATILE
    SET search_path = pg_catalog, pg_temp
AS $$
    WITH edge AS (
        SELECT p.dropped_before AS at FROM quota_internal.posting p
    ), named AS MATERIALIZED (
        SELECT DISTINCT e.account, e.feature_id, e.source_id, e.period_start, e.period_end
        FROM quota_internal.ledger_entry e
        WHERE e.period_end <= (SELECT edge.at FROM edge)
    ), old AS (
        SELECT b.subject, b.feature_id, b.source_id, b.period_start, b.period_end
        FROM quota_internal.bucket b
        WHERE b.period_end <= (SELECT edge.at FROM edge) AND b.reserved IS NULL AND b.lease_id IS NULL
          AND NOT EXISTS (SELECT FROM quota_internal.bucket n WHERE n.subject = b.subject AND n.feature_id = b.feature_id AND n.source_id = b.source_id
                          AND n.period_start = b.period_start AND n.period_end = b.period_end AND n.generation > b.generation)
          AND EXISTS (SELECT FROM quota_internal.bucket n WHERE n.subject = b.subject AND n.feature_id = b.feature_id
                      AND n.source_id = b.source_id AND n.period_start >= b.period_end)
          AND NOT EXISTS (SELECT FROM named n WHERE n.account = b.subject AND n.feature_id = b.feature_id
                          AND n.source_id = b.source_id AND n.period_start = b.period_start AND n.period_end = b.period_end)
        FOR UPDATE SKIP LOCKED
    ), gone AS (
        DELETE FROM quota_internal.bucket b USING old g
        WHERE b.subject = g.subject AND b.feature_id = g.feature_id AND b.source_id = g.source_id
          AND b.period_start = g.period_start AND b.period_end = g.period_end
    ), sums AS (
        DELETE FROM quota_internal.opening o USING old g
        WHERE o.account = g.subject AND o.feature_id = g.feature_id AND o.source_id = g.source_id
          AND o.period_start = g.period_start AND o.period_end = g.period_end AND o.source <> 'g'
    )
    SELECT count(*) FROM old
$$;
COMMENT ON FUNCTION quota_internal._drop_windows() IS 'internal: drops buckets of windows that ended before the oldest month';
