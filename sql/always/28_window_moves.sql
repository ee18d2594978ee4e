/* Use goes on in another window. */

/*
 * The caller has made its change already, so a debit that looks up again finds the
 * new window.  What rolled over stays with the use, and so does what has rolled on from
 * it: over all windows of a source what rolled in is what rolled out, before and
 * afterwards.
 */
CREATE OR REPLACE FUNCTION quota_internal._take_over(subject text, feature_id int, source_id bigint,
                                                     old_start timestamptz, old_end timestamptz, old_generation int,
                                                     new_start timestamptz, new_end timestamptz) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    old_row quota_internal.bucket := quota_internal._lock_use(_take_over.subject, _take_over.feature_id, _take_over.source_id,
                                                              _take_over.old_start, _take_over.old_end, _take_over.old_generation);
    new_row quota_internal.bucket;
BEGIN
    -- another change of plan may have moved it there
    IF (old_row.period_start, old_row.period_end) <> (_take_over.new_start, _take_over.new_end) THEN
        new_row := quota_internal._lock_window(_take_over.subject, _take_over.feature_id, _take_over.source_id,
                                               _take_over.new_start, _take_over.new_end);
        PERFORM quota_internal._mark_moved(old_row, _take_over.new_start, _take_over.new_end);
        PERFORM quota_internal._add_use(new_row, old_row);
        PERFORM quota_internal._record_move(old_row, new_row);
    END IF;
END
$$;
COMMENT ON FUNCTION quota_internal._take_over(text, int, bigint, timestamptz, timestamptz, int, timestamptz, timestamptz) IS
    'internal: moves the use of one generation of a window, or of where it has gone since, to another window by ledger entries of kind transfer, and leaves a mark that sends debits there';

/*
 * Whether the account itself or a subject below it was charged, the entry's
 * subject begins with the account, so the index on the subject serves.
 */
CREATE OR REPLACE FUNCTION quota_internal._taken_from_grants(bucket quota_internal.bucket) RETURNS TABLE (grant_id bigint, amount bigint)
    LANGUAGE sql
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT e.grant_id, sum(e.amount)::bigint
    FROM quota_internal.ledger_entry e
    WHERE (e.subject = (_taken_from_grants.bucket).subject
           OR (e.subject >= (_taken_from_grants.bucket).subject || '/' AND e.subject < (_taken_from_grants.bucket).subject || '0'))
      AND e.feature_id = (_taken_from_grants.bucket).feature_id
      AND e.account = (_taken_from_grants.bucket).subject AND e.source_id = (_taken_from_grants.bucket).source_id
      AND e.period_start = (_taken_from_grants.bucket).period_start AND e.period_end = (_taken_from_grants.bucket).period_end
      AND e.source = 'g' AND e.grant_id IS NOT NULL
    GROUP BY e.grant_id
$$;
COMMENT ON FUNCTION quota_internal._taken_from_grants(quota_internal.bucket) IS 'internal: what a bucket has taken from each grant, by the ledger';

CREATE OR REPLACE FUNCTION quota_internal._record_transfer(operation bigint, bucket quota_internal.bucket, source "char", amount bigint,
                                                           grant_id bigint DEFAULT NULL) RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    entry bigint;
BEGIN
    IF _record_transfer.amount <> 0 THEN
        entry := nextval('quota_internal.ledger_id_seq');
        INSERT INTO quota_internal.ledger_entry (id, at, subject, account, feature_id, kind, source, levels, source_id, period_start, period_end,
                                                 amount, debit_id, grant_id)
            VALUES (entry, quota_internal._now(), (_record_transfer.bucket).subject, (_record_transfer.bucket).subject,
                    (_record_transfer.bucket).feature_id, 't', _record_transfer.source, 1 << quota_internal._level((_record_transfer.bucket).subject),
                    (_record_transfer.bucket).source_id,
                    (_record_transfer.bucket).period_start, (_record_transfer.bucket).period_end, _record_transfer.amount,
                    coalesce(_record_transfer.operation, entry), _record_transfer.grant_id);
    END IF;
    RETURN coalesce(_record_transfer.operation, entry);
END
$$;
COMMENT ON FUNCTION quota_internal._record_transfer(bigint, quota_internal.bucket, "char", bigint, bigint) IS
    'internal: one ledger entry of a transfer; returns the id of the operation, which the first entry gives';

CREATE OR REPLACE FUNCTION quota_internal._record_move(old_row quota_internal.bucket, new_row quota_internal.bucket) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    operation bigint;
    ids       bigint[] := '{}';
    amounts   bigint[];
    sign      int;
BEGIN
    IF old_row.granted IS NOT NULL THEN
        SELECT array_agg(t.grant_id ORDER BY t.grant_id), array_agg(t.amount ORDER BY t.grant_id) INTO ids, amounts
            FROM quota_internal._taken_from_grants(old_row) t;
        -- entries that retention has dropped do not say from which grant
        ids := array_append(ids, NULL);
        amounts := array_append(amounts, old_row.granted - coalesce((SELECT sum(u) FROM unnest(amounts) u), 0)::bigint);
    END IF;
    FOREACH sign IN ARRAY '{-1,1}'::int[] LOOP
        operation := quota_internal._record_transfer(operation, CASE sign WHEN 1 THEN new_row ELSE old_row END, 'a', sign * old_row.used);
        FOR n IN 1 .. cardinality(ids) LOOP
            operation := quota_internal._record_transfer(operation, CASE sign WHEN 1 THEN new_row ELSE old_row END, 'g', sign * amounts[n], ids[n]);
        END LOOP;
        IF old_row.overage IS NOT NULL OR old_row.overdrawn > 0 THEN
            operation := quota_internal._record_transfer(operation, CASE sign WHEN 1 THEN new_row ELSE old_row END, 'v', sign * coalesce(old_row.overage, 0));
            operation := quota_internal._record_transfer(operation, CASE sign WHEN 1 THEN new_row ELSE old_row END, 'o', sign * old_row.overdrawn);
        END IF;
    END LOOP;
END
$$;
COMMENT ON FUNCTION quota_internal._record_move(quota_internal.bucket, quota_internal.bucket) IS
    'internal: the ledger entries of what has moved from one row, as it was before, to another, each part as what it was';

CREATE OR REPLACE FUNCTION quota_internal._windows_before(subject text, at timestamptz, only_feature int DEFAULT NULL)
    RETURNS quota_internal.account_window[]
    LANGUAGE sql VOLATILE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT array_agg(ROW(w.*, coalesce(b.generation, 0))::quota_internal.account_window)
    FROM quota_internal._windows(_windows_before.subject, _windows_before.at) w,
        LATERAL (SELECT max(b.generation + (b.moved_id IS NOT NULL)::int) AS generation FROM quota_internal.bucket b
                 WHERE b.subject = _windows_before.subject COLLATE "C" AND b.feature_id = w.feature_id
                   AND b.source_id = w.source_id AND b.period_start = w.period_start AND b.period_end = w.period_end) b
    WHERE _windows_before.only_feature IS NULL OR w.feature_id = _windows_before.only_feature
$$;
COMMENT ON FUNCTION quota_internal._windows_before(text, timestamptz, int) IS
    'internal: the windows of a subject at a time, of all features or one, to be kept over a change for _keep_use()';

/*
 * A lifetime is no period, so what was used over years is not a month's: a
 * period that follows a window without end begins at 0.  So does every window
 * that differs where a billing period ends.  What the new window was charged
 * itself, when the account was there before, stays.
 */
CREATE OR REPLACE FUNCTION quota_internal._go_on(subject text, feature_id int, source_id bigint,
                                                 old_start timestamptz, old_end timestamptz, old_generation int,
                                                 new_start timestamptz, new_end timestamptz, at_end boolean) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF (_go_on.old_start, _go_on.old_end) = (_go_on.new_start, _go_on.new_end) THEN
        RETURN;
    ELSIF _go_on.at_end OR (_go_on.old_end = 'infinity' AND _go_on.new_end <> 'infinity') THEN
        -- what has left this window does not come back with the feature any more: see _keep_use()
        PERFORM quota_internal._lock_window(_go_on.subject, _go_on.feature_id, _go_on.source_id, _go_on.new_start, _go_on.new_end)
        WHERE EXISTS (SELECT FROM quota_internal.bucket b
                      WHERE b.subject = _go_on.subject COLLATE "C" AND b.feature_id = _go_on.feature_id AND b.source_id = _go_on.source_id
                        AND b.period_start = _go_on.new_start AND b.period_end = _go_on.new_end AND b.moved_id IS NOT NULL);
    ELSE
        PERFORM quota_internal._take_over(_go_on.subject, _go_on.feature_id, _go_on.source_id, _go_on.old_start, _go_on.old_end,
                                          _go_on.old_generation, _go_on.new_start, _go_on.new_end);
    END IF;
END
$$;
COMMENT ON FUNCTION quota_internal._go_on(text, int, bigint, timestamptz, timestamptz, int, timestamptz, timestamptz, boolean) IS
    'internal: what use does where an account gets another window: it moves there, or stays, and the new window begins at 0';

/*
 * Only where the source is the same: a subject that subscribes or cancels meanwhile
 * begins at 0, by the rule for subscribing.
 *
 * A feature that was not given before takes nothing over, with one exception: if
 * its window is one that was moved away from, as when a plan without the feature
 * came in between, that use comes back.
 *
 * What a team gives its members goes on where period and anchor stay, and begins
 * at 0 where they do not: so nothing has to be known of members that come later.
 */
CREATE OR REPLACE FUNCTION quota_internal._keep_use(subject text, before quota_internal.account_window[], at timestamptz, usage text,
                                                    only_feature int DEFAULT NULL, at_end boolean DEFAULT false,
                                                    as_member boolean DEFAULT false) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    moved record;
BEGIN
    FOR moved IN
        SELECT a.*, b.feature_id IS NULL AS is_new, b.period_start AS old_start, b.period_end AS old_end,
               b.generation AS old_generation, k.moved_id, b.allowance AS old_allowance,
               a.series = b.series AND NOT a.overridden AND NOT b.overridden AS same_series,
               (a.of_members OR coalesce(b.of_members, false)) AND (b.feature_id IS NULL OR a.series IS DISTINCT FROM b.series) AS begins
        FROM quota_internal._windows(_keep_use.subject, _keep_use.at) a
            JOIN quota_internal.feature f ON f.id = a.feature_id
            LEFT JOIN unnest(before) b ON b.feature_id = a.feature_id AND b.source_id = a.source_id
            -- the mark of the newest generation
            LEFT JOIN LATERAL (SELECT max(k.moved_id) AS moved_id FROM quota_internal.bucket k
                               WHERE k.subject = _keep_use.subject COLLATE "C" AND k.feature_id = a.feature_id
                                 AND k.source_id = a.source_id AND k.period_start = a.period_start AND k.period_end = a.period_end
                               HAVING count(k.moved_id) = count(*)) k ON true
        WHERE (_keep_use.only_feature IS NULL OR a.feature_id = _keep_use.only_feature) AND (a.of_members OR NOT as_member)
        ORDER BY f.name
    LOOP
        IF NOT moved.is_new THEN
            PERFORM quota_internal._go_on(_keep_use.subject, moved.feature_id, moved.source_id, moved.old_start, moved.old_end, moved.old_generation,
                                          moved.period_start, moved.period_end, _keep_use.at_end OR moved.begins);
        ELSIF moved.moved_id IS NOT NULL THEN
            PERFORM quota_internal._go_on(_keep_use.subject, moved.feature_id, moved.source_id, w.begins, w.ends, w.generation,
                                          moved.period_start, moved.period_end, _keep_use.at_end OR moved.begins)
            FROM quota_internal._window_now(_keep_use.subject, moved.feature_id, moved.source_id,
                                            moved.period_start, moved.period_end, moved.moved_id - 1) w;
        END IF;
        PERFORM quota_internal._set_terms(_keep_use.subject, moved.feature_id, moved.source_id, moved.period_start, moved.period_end,
                                          moved.plan_version_id, moved.allowance,
                                          CASE WHEN _keep_use.usage = 'prorate' AND moved.same_series THEN moved.old_allowance END,
                                          _keep_use.at);
    END LOOP;
END
$$;
COMMENT ON FUNCTION quota_internal._keep_use(text, quota_internal.account_window[], timestamptz, text, int, boolean, boolean) IS
    'internal: after a change at a time (at_end: of a billing period), lets use go on in the windows of that time where they are others than before, and notes the new terms there; with usage prorate shares the limit of a window that goes on; as_member: only of what its team gives it';

-- Exact: microseconds, and div(), which does not round.
CREATE OR REPLACE FUNCTION quota_internal._prorated(old bigint, new bigint, period_start timestamptz, period_end timestamptz, at timestamptz) RETURNS bigint
    LANGUAGE sql IMMUTABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT div(_prorated.old * e.elapsed + _prorated.new * (e.length - e.elapsed), e.length)::bigint
    FROM (SELECT trunc(1000000 * extract(epoch FROM greatest(_prorated.at, _prorated.period_start) - _prorated.period_start)) AS elapsed,
                 trunc(1000000 * extract(epoch FROM _prorated.period_end - _prorated.period_start)) AS length) e
$$;
COMMENT ON FUNCTION quota_internal._prorated(bigint, bigint, timestamptz, timestamptz, timestamptz) IS
    'internal: floor((old x elapsed + new x left) / length) of a window';
