/*
 * What SQL writes into rows of quota_internal.bucket stands here, the rename of a
 * subject left out; forget() and the removal of a feature delete rows whatever is in
 * them.  The engine writes them too: src/store/bucket.c.
 */

/*
 * The caller has made its change already, so a debit that resolves anew finds
 * the new window.  A debit that has resolved the old one either holds the old
 * bucket's lock, and we take what it charged, or waits for ours, and then sees
 * the mark.  Hence the old row is created where there is none: for the lock.
 *
 * With follow, the old bucket may itself have been moved by somebody who
 * committed while we waited; the use is then at the end of that chain and comes
 * from there.  Without it a mark in the old bucket is one that means nothing any
 * more, because the account has come back to that window since.
 *
 * What rolled over stays with the use, and so does what has rolled on from it:
 * over all windows of a source what rolled in is what rolled out, before and
 * afterwards.  In the old window, if it was charged, rollover is fixed at 0, or the
 * units would roll over once more if the account came back to it.
 */
CREATE OR REPLACE FUNCTION quota_internal._take_over(subject text, feature_id int, source_id bigint,
                                                     old_start timestamptz, old_end timestamptz,
                                                     new_start timestamptz, new_end timestamptz,
                                                     follow boolean DEFAULT false) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    link       quota_internal.bucket;
    total      quota_internal.bucket;
    link_start timestamptz := _take_over.old_start;
    link_end   timestamptz := _take_over.old_end;
    operation  bigint;
BEGIN
    IF (_take_over.old_start, _take_over.old_end) = (_take_over.new_start, _take_over.new_end) THEN
        RETURN;
    END IF;
    IF NOT EXISTS (SELECT FROM quota_internal.bucket b
                   WHERE b.subject = _take_over.subject COLLATE "C" AND b.feature_id = _take_over.feature_id
                     AND b.source_id = _take_over.source_id
                     AND b.period_start = _take_over.old_start AND b.period_end = _take_over.old_end) THEN
        INSERT INTO quota_internal.bucket (subject, feature_id, source_id, period_start, period_end)
            VALUES (_take_over.subject, _take_over.feature_id, _take_over.source_id, _take_over.old_start, _take_over.old_end)
            ON CONFLICT ON CONSTRAINT bucket_pkey DO NOTHING;
    END IF;

    LOOP
        SELECT b.* INTO link FROM quota_internal.bucket b
            WHERE b.subject = _take_over.subject COLLATE "C" AND b.feature_id = _take_over.feature_id
              AND b.source_id = _take_over.source_id AND b.period_start = link_start AND b.period_end = link_end
            FOR UPDATE;
        EXIT WHEN NOT FOUND;
        operation := quota_internal._move_out(operation, link, _take_over.new_start, _take_over.new_end);
        total := quota_internal._add_use(total, link);
        -- each link that was passed points at the new bucket: no endless chain
        EXIT WHEN NOT _take_over.follow OR link.moved_start IS NULL
            OR (link.moved_start, link.moved_end) = (_take_over.new_start, _take_over.new_end);
        link_start := link.moved_start;
        link_end := link.moved_end;
    END LOOP;

    INSERT INTO quota_internal.bucket AS b (subject, feature_id, source_id, period_start, period_end, plan_version_id, allowance,
                                            used, overdrawn, granted, overage, reserved, rolled_in, rolled_out)
        VALUES (_take_over.subject, _take_over.feature_id, _take_over.source_id, _take_over.new_start, _take_over.new_end,
                total.plan_version_id, total.allowance,
                total.used, total.overdrawn, total.granted, total.overage, total.reserved, total.rolled_in, total.rolled_out)
        ON CONFLICT ON CONSTRAINT bucket_pkey DO NOTHING
        RETURNING b.* INTO link;
    IF NOT FOUND THEN
        SELECT b.* INTO link FROM quota_internal.bucket b
            WHERE b.subject = _take_over.subject COLLATE "C" AND b.feature_id = _take_over.feature_id
              AND b.source_id = _take_over.source_id
              AND b.period_start = _take_over.new_start AND b.period_end = _take_over.new_end
            FOR UPDATE;
        PERFORM quota_internal._move_in(link, total);
    END IF;
    PERFORM quota_internal._record_arrival(operation, link, total);
END
$$;
COMMENT ON FUNCTION quota_internal._take_over(text, int, bigint, timestamptz, timestamptz, timestamptz, timestamptz, boolean) IS
    'internal: moves the use of one window to another by ledger entries of kind transfer, and leaves a mark in the old one that sends debits to the new one';

CREATE OR REPLACE FUNCTION quota_internal._move_out(operation bigint, bucket quota_internal.bucket, new_start timestamptz, new_end timestamptz) RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    link quota_internal.bucket := _move_out.bucket;
    id   bigint := _move_out.operation;
    part record;
BEGIN
    UPDATE quota_internal.bucket b
        SET used = 0, overdrawn = 0, granted = NULL, overage = NULL, reserved = NULL, rolled_out = NULL, prorated = NULL,
            rolled_in = CASE WHEN b.rolled_in IS NOT NULL OR b.used > 0 OR b.overdrawn > 0
                                  OR b.granted IS NOT NULL OR b.overage IS NOT NULL THEN 0 END,
            earlier_start = CASE WHEN b.moved_id IS NULL THEN b.earlier_start ELSE array_append(b.earlier_start, b.moved_start) END,
            earlier_end = CASE WHEN b.moved_id IS NULL THEN b.earlier_end ELSE array_append(b.earlier_end, b.moved_end) END,
            earlier_id = CASE WHEN b.moved_id IS NULL THEN b.earlier_id ELSE array_append(b.earlier_id, b.moved_id) END,
            moved_start = _move_out.new_start, moved_end = _move_out.new_end, moved_id = nextval('quota_internal.ledger_id_seq')
        WHERE b.subject = link.subject AND b.feature_id = link.feature_id AND b.source_id = link.source_id
          AND b.period_start = link.period_start AND b.period_end = link.period_end;
    id := quota_internal._record_transfer(id, link, 'a', - link.used);
    IF link.granted IS NOT NULL THEN
        FOR part IN
            WITH g AS (SELECT t.grant_id, t.amount FROM quota_internal._taken_from_grants(link) t)
            SELECT g.grant_id, g.amount FROM g
            UNION ALL
            -- entries that retention has dropped do not say from which grant
            SELECT NULL, (link.granted - coalesce(sum(g.amount), 0))::bigint FROM g
            ORDER BY grant_id
        LOOP
            id := quota_internal._record_transfer(id, link, 'g', - part.amount, part.grant_id);
        END LOOP;
    END IF;
    IF link.overage IS NOT NULL OR link.overdrawn > 0 THEN
        id := quota_internal._record_transfer(id, link, 'v', - coalesce(link.overage, 0));
        id := quota_internal._record_transfer(id, link, 'o', - link.overdrawn);
    END IF;
    RETURN id;
END
$$;
COMMENT ON FUNCTION quota_internal._move_out(bigint, quota_internal.bucket, timestamptz, timestamptz) IS
    'internal: empties a bucket whose row is locked, with ledger entries and a mark; returns the id of the operation';

CREATE OR REPLACE FUNCTION quota_internal._move_in(bucket quota_internal.bucket, total quota_internal.bucket) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    link quota_internal.bucket := _move_in.bucket;
    sums quota_internal.bucket := quota_internal._add_use(_move_in.bucket, _move_in.total);
BEGIN
    IF link.moved_id IS NOT NULL THEN
        PERFORM quota_internal._end_mark(link.subject, link.feature_id, link.source_id, link.period_start, link.period_end);
    END IF;
    UPDATE quota_internal.bucket b
        SET used = sums.used, overdrawn = sums.overdrawn, granted = sums.granted, overage = sums.overage,
            reserved = sums.reserved, rolled_in = sums.rolled_in, rolled_out = sums.rolled_out, prorated = NULL
        WHERE b.subject = link.subject AND b.feature_id = link.feature_id AND b.source_id = link.source_id
          AND b.period_start = link.period_start AND b.period_end = link.period_end;
END
$$;
COMMENT ON FUNCTION quota_internal._move_in(quota_internal.bucket, quota_internal.bucket) IS
    'internal: adds to a bucket whose row is locked what was moved out of others; its mark becomes one of the earlier ones';

CREATE OR REPLACE FUNCTION quota_internal._end_mark(subject text, feature_id int, source_id bigint,
                                                    period_start timestamptz, period_end timestamptz) RETURNS void
    LANGUAGE sql
    SET search_path = pg_catalog, pg_temp
AS $$
    UPDATE quota_internal.bucket b
        SET earlier_start = array_append(b.earlier_start, b.moved_start),
            earlier_end = array_append(b.earlier_end, b.moved_end),
            earlier_id = array_append(b.earlier_id, b.moved_id),
            moved_start = NULL, moved_end = NULL, moved_id = NULL
        WHERE b.subject = _end_mark.subject COLLATE "C" AND b.feature_id = _end_mark.feature_id
          AND b.source_id = _end_mark.source_id
          AND b.period_start = _end_mark.period_start AND b.period_end = _end_mark.period_end
          AND b.moved_id IS NOT NULL
$$;
COMMENT ON FUNCTION quota_internal._end_mark(text, int, bigint, timestamptz, timestamptz) IS
    'internal: the account has come back to a window that another one took over: its mark becomes one of the earlier ones';

/*
 * The row is made where there is none: a share of the window has to be somewhere,
 * and a debit that is about to make it looks everything up anew when it finds it.
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
        INSERT INTO quota_internal.bucket (subject, feature_id, source_id, period_start, period_end)
            VALUES (_set_terms.subject, _set_terms.feature_id, _set_terms.source_id, _set_terms.period_start, _set_terms.period_end)
            ON CONFLICT ON CONSTRAINT bucket_pkey DO NOTHING;
    END IF;
    UPDATE quota_internal.bucket b
        SET plan_version_id = _set_terms.plan_version_id, allowance = _set_terms.allowance,
            prorated = CASE WHEN prorates
                            THEN nullif(quota_internal._prorated(coalesce(b.prorated, _set_terms.old_allowance), _set_terms.allowance,
                                                                 b.period_start, b.period_end, _set_terms.at),
                                        _set_terms.allowance) END
        WHERE b.subject = _set_terms.subject COLLATE "C" AND b.feature_id = _set_terms.feature_id
          AND b.source_id = _set_terms.source_id
          AND b.period_start = _set_terms.period_start AND b.period_end = _set_terms.period_end
          AND (prorates OR b.prorated IS NOT NULL OR (b.plan_version_id, b.allowance)
                                                     IS DISTINCT FROM (_set_terms.plan_version_id, _set_terms.allowance));
END
$$;
COMMENT ON FUNCTION quota_internal._set_terms(text, int, bigint, timestamptz, timestamptz, int, bigint, bigint, timestamptz) IS
    'internal: notes in a window''s bucket, if there is one, the plan and allowance that it goes on under; given the old allowance, shares the limit between old and new by time';

/*
 * What _set_terms() does where no use moves, for many subjects by one statement.
 */
CREATE OR REPLACE FUNCTION quota_internal._set_terms_of(steady quota_internal.standing[], at timestamptz, only_feature int) RETURNS void
    LANGUAGE sql
    SET search_path = pg_catalog, pg_temp
AS $$
    UPDATE quota_internal.bucket b
        SET plan_version_id = w.plan_version_id, allowance = w.allowance, prorated = NULL
        FROM unnest(_set_terms_of.steady) s, LATERAL quota_internal._windows(s.subject, _set_terms_of.at) w
        WHERE b.subject = s.subject COLLATE "C" AND b.feature_id = w.feature_id AND b.source_id = w.source_id
          AND b.period_start = w.period_start AND b.period_end = w.period_end
          AND (_set_terms_of.only_feature IS NULL OR w.feature_id = _set_terms_of.only_feature) AND (w.of_members OR NOT s.as_member)
          AND (b.prorated IS NOT NULL OR (b.plan_version_id, b.allowance) IS DISTINCT FROM (w.plan_version_id, w.allowance))
$$;
COMMENT ON FUNCTION quota_internal._set_terms_of(quota_internal.standing[], timestamptz, int) IS
    'internal: notes in the buckets of the present windows of subjects the plan and allowance that they go on under; a share of prorate ends';

/*
 * What rolls over later is reckoned with the terms that a bucket bears, those of
 * its last charge, and so is what a hold that is settled late finds in it.  Where
 * neither can come they say nothing that counts, and the buckets of everybody are
 * left alone.
 */
CREATE OR REPLACE FUNCTION quota_internal._set_default_terms(old_version int, new_version int, at timestamptz)
    RETURNS void
    LANGUAGE sql
    SET search_path = pg_catalog, pg_temp
AS $$
    UPDATE quota_internal.bucket b SET plan_version_id = _set_default_terms.new_version, allowance = (n.terms).allowance, prorated = NULL
    FROM quota_internal._default_windows(_set_default_terms.new_version, _set_default_terms.at) n
        JOIN quota_internal._default_windows(_set_default_terms.old_version, _set_default_terms.at) o USING (feature_id, level),
        LATERAL quota_internal._default_buckets(n.feature_id, n.window_start, n.window_end, n.level) d
    WHERE ((n.terms).rollover_max IS NOT NULL OR d.reserved IS NOT NULL) AND (n.terms).allowance IS DISTINCT FROM d.allowance
      AND b.subject = d.subject AND b.feature_id = d.feature_id AND b.source_id = 0
      AND b.period_start = d.period_start AND b.period_end = d.period_end
$$;
COMMENT ON FUNCTION quota_internal._set_default_terms(int, int, timestamptz) IS
    'internal: notes a new version''s terms in the present buckets of the default plan''s accounts, where they roll over or have open holds';

/*
 * The newest window of an account stays: what rolls over begins there.  So does a
 * window that a kept entry names, as the sums of the two must agree.
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
        SELECT b.ctid
        FROM quota_internal.bucket b
        WHERE b.period_end <= (SELECT edge.at FROM edge) AND b.reserved IS NULL
          AND EXISTS (SELECT FROM quota_internal.bucket n WHERE n.subject = b.subject AND n.feature_id = b.feature_id
                      AND n.source_id = b.source_id AND n.period_start >= b.period_end)
          AND NOT EXISTS (SELECT FROM named n WHERE n.account = b.subject AND n.feature_id = b.feature_id
                          AND n.source_id = b.source_id AND n.period_start = b.period_start AND n.period_end = b.period_end)
        FOR UPDATE SKIP LOCKED
    ), gone AS (
        DELETE FROM quota_internal.bucket b USING old WHERE b.ctid = old.ctid
        RETURNING b.subject, b.feature_id, b.source_id, b.period_start, b.period_end
    ), sums AS (
        DELETE FROM quota_internal.opening o USING gone g
        WHERE o.account = g.subject AND o.feature_id = g.feature_id AND o.source_id = g.source_id
          AND o.period_start = g.period_start AND o.period_end = g.period_end AND o.source <> 'g'
    )
    SELECT count(*) FROM gone
$$;
COMMENT ON FUNCTION quota_internal._drop_windows() IS 'internal: drops buckets of windows that ended before the oldest month';
