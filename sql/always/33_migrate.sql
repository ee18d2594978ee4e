/*
 * Everybody to the newest version of a plan, in batches; the locks are those of
 * 30_subscriptions.
 *
 * A batch takes those for which it need not wait: subscriptions whose row is free,
 * and of them the ones whose buckets are.  So a long transaction that has charged
 * one subject holds up nobody but that one.  The last ones are waited for, one in
 * a call.
 */

/*
 * In the order of ids, by the primary key: an index by version would cost every
 * change of plan more than this look at subscribers that have been moved already.
 */
CREATE OR REPLACE FUNCTION quota_internal._lock_subscribers(older int[], after_id bigint, at timestamptz, most bigint) RETURNS SETOF quota_internal.subscription
    LANGUAGE sql
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT s.* FROM quota_internal.subscription s
    WHERE s.id > _lock_subscribers.after_id AND s.plan_version_id = ANY (_lock_subscribers.older)
      AND (s.ends_at IS NULL OR s.ends_at > greatest(_lock_subscribers.at, s.starts_at))
    ORDER BY s.id
    LIMIT _lock_subscribers.most
    FOR UPDATE SKIP LOCKED
$$;
COMMENT ON FUNCTION quota_internal._lock_subscribers(int[], bigint, timestamptz, bigint) IS
    'internal: locks and returns the next subscriptions of plan versions, by id, that are not over and whose rows are free';

CREATE OR REPLACE FUNCTION quota_internal._lock_buckets_of(subjects text[], at timestamptz) RETURNS text[]
    LANGUAGE sql
    SET search_path = pg_catalog, pg_temp
AS $$
    WITH free AS MATERIALIZED (
        SELECT b.subject FROM quota_internal.window_use b
        WHERE b.subject = ANY (_lock_buckets_of.subjects) AND b.period_end > _lock_buckets_of.at
        FOR UPDATE SKIP LOCKED
    )
    SELECT coalesce(array_agg(a.subject), '{}')
    FROM (SELECT b.subject, count(*) AS n FROM quota_internal.window_use b
          WHERE b.subject = ANY (_lock_buckets_of.subjects) AND b.period_end > _lock_buckets_of.at GROUP BY b.subject) a
        LEFT JOIN (SELECT f.subject, count(*) AS n FROM free f GROUP BY f.subject) l ON l.subject = a.subject
    WHERE a.n > coalesce(l.n, 0)
$$;
COMMENT ON FUNCTION quota_internal._lock_buckets_of(text[], timestamptz) IS
    'internal: locks the buckets of subjects as far as they are free, and returns the subjects that have others';

CREATE OR REPLACE FUNCTION quota_internal._record_changes(changed quota_internal.subscription[], version_id int, at timestamptz) RETURNS void
    LANGUAGE sql
    SET search_path = pg_catalog, pg_temp
AS $$
    INSERT INTO quota_internal.event (at, type, subject, data)
    SELECT _record_changes.at, 'plan_changed', c.subject,
           jsonb_build_object('subscription_id', c.id, 'plan', n.plan, 'version', n.version, 'old_plan', n.plan, 'old_version', v.version,
                              'usage', CASE WHEN c.starts_at <= _record_changes.at THEN 'keep' END,
                              'effective_at', greatest(_record_changes.at, c.starts_at), 'cancellation_undone', false)
    FROM unnest(_record_changes.changed) c JOIN quota_internal.plan_version v ON v.id = c.plan_version_id,
        quota_internal._plan_words(_record_changes.version_id) n
    ORDER BY c.id
$$;
COMMENT ON FUNCTION quota_internal._record_changes(quota_internal.subscription[], int, timestamptz) IS
    'internal: _record_change() of many that get another version of their plan, given as they were before';

CREATE OR REPLACE FUNCTION quota_internal._migrate_locked(locked bigint[], version_id int, older int[], at timestamptz) RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    old    quota_internal.subscription[];
    owners text[];
    team   text[];
    before quota_internal.standing[];
BEGIN
    PERFORM quota_internal._carry_out(s.subject) FROM quota_internal.subscription s
        WHERE s.id = ANY (_migrate_locked.locked) AND s.next_at <= _migrate_locked.at;
    old := ARRAY(SELECT s FROM quota_internal.subscription s
                 WHERE s.id = ANY (_migrate_locked.locked) AND s.plan_version_id = ANY (_migrate_locked.older)
                   AND (s.ends_at IS NULL OR s.ends_at > _migrate_locked.at));
    owners := ARRAY(SELECT o.subject FROM unnest(old) o WHERE o.starts_at <= _migrate_locked.at);
    team := quota_internal._lock_members(owners, quota_internal._member_features(_migrate_locked.older || _migrate_locked.version_id), _migrate_locked.at);
    before := quota_internal._standings_before(owners, _migrate_locked.at)
              || quota_internal._standings_before(team, _migrate_locked.at, as_members => true);
    UPDATE quota_internal.subscription s SET plan_version_id = _migrate_locked.version_id FROM unnest(old) o WHERE s.id = o.id;
    PERFORM quota_internal._keep_all(before, _migrate_locked.at);
    PERFORM quota_internal._record_changes(old, _migrate_locked.version_id, _migrate_locked.at);
    RETURN cardinality(old);
END
$$;
COMMENT ON FUNCTION quota_internal._migrate_locked(bigint[], int, int[], timestamptz) IS
    'internal: moves those of the subscriptions, whose rows are locked, that are of older versions of the plan; returns how many';

CREATE OR REPLACE FUNCTION quota_internal._migrate_free(batch quota_internal.subscription[], version_id int, older int[], at timestamptz) RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    owners text[] := ARRAY(SELECT DISTINCT b.subject FROM unnest(_migrate_free.batch) b);
    busy   text[] := quota_internal._lock_buckets_of(
        owners || quota_internal._members_of(owners, quota_internal._member_features(_migrate_free.older || _migrate_free.version_id), _migrate_free.at),
        _migrate_free.at);
BEGIN
    RETURN quota_internal._migrate_locked(ARRAY(SELECT b.id FROM unnest(_migrate_free.batch) b
                                                WHERE NOT EXISTS (SELECT FROM unnest(busy) x WHERE x = b.subject OR starts_with(x, b.subject || '/'))),
                                          _migrate_free.version_id, _migrate_free.older, _migrate_free.at);
END
$$;
COMMENT ON FUNCTION quota_internal._migrate_free(quota_internal.subscription[], int, int[], timestamptz) IS
    'internal: moves those of the subscriptions, whose rows are locked, whose buckets are free; returns how many';

-- VOLATILE: each call sees what was committed before it.
CREATE OR REPLACE FUNCTION quota_internal._left_behind(older int[], at timestamptz) RETURNS bigint
    LANGUAGE sql VOLATILE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT s.id FROM quota_internal.subscription s
    WHERE s.plan_version_id = ANY (_left_behind.older) AND coalesce(s.ends_at, 'infinity') > greatest(_left_behind.at, s.starts_at)
    UNION ALL
    SELECT s.id FROM quota_internal.subscription s
    WHERE s.next_at <= _left_behind.at AND s.next_version_id = ANY (_left_behind.older) AND coalesce(s.ends_at, 'infinity') > _left_behind.at
    LIMIT 1
$$;
COMMENT ON FUNCTION quota_internal._left_behind(int[], timestamptz) IS
    'internal: one of the subscriptions that are of an older version of a plan, or are as soon as a change that is due is carried out; NULL for none';

CREATE OR REPLACE FUNCTION quota_internal._migrate_last(version_id int, older int[], at timestamptz) RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    last_id bigint;
    moved   bigint := 0;
BEGIN
    WHILE moved = 0 LOOP
        last_id := quota_internal._left_behind(_migrate_last.older, _migrate_last.at);
        EXIT WHEN last_id IS NULL;
        PERFORM FROM quota_internal.subscription s WHERE s.id = last_id FOR UPDATE;
        IF FOUND THEN
            moved := quota_internal._migrate_locked(ARRAY[last_id], _migrate_last.version_id, _migrate_last.older, _migrate_last.at);
        END IF;
    END LOOP;
    RETURN moved;
END
$$;
COMMENT ON FUNCTION quota_internal._migrate_last(int, int[], timestamptz) IS
    'internal: moves one subscription, for which it waits; returns how many: 0 if none is left';

/*
 * Changes to an older version that have come into force are carried out first.
 */
CREATE OR REPLACE FUNCTION quota_internal._migrate_batch(version_id int, older int[], at timestamptz, most bigint) RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    batch   quota_internal.subscription[];
    last_id bigint := 0;
    moved   bigint := 0;
BEGIN
    PERFORM quota_internal._carry_out(d.subject)
    FROM (SELECT s.subject FROM quota_internal.subscription s
          WHERE s.next_at <= _migrate_batch.at AND s.next_version_id = ANY (_migrate_batch.older)
            AND (s.ends_at IS NULL OR s.ends_at > _migrate_batch.at)
          ORDER BY s.id LIMIT _migrate_batch.most FOR UPDATE SKIP LOCKED) d;
    WHILE moved < _migrate_batch.most LOOP
        batch := ARRAY(SELECT s FROM quota_internal._lock_subscribers(_migrate_batch.older, last_id, _migrate_batch.at, _migrate_batch.most - moved) s);
        EXIT WHEN batch = '{}';
        last_id := (batch[cardinality(batch)]).id;
        moved := moved + quota_internal._migrate_free(batch, _migrate_batch.version_id, _migrate_batch.older, _migrate_batch.at);
    END LOOP;
    IF moved = 0 THEN
        RAISE no_data_found;
    END IF;
    RETURN moved;
EXCEPTION WHEN no_data_found THEN
    RETURN 0;       -- and what was locked for nothing is free: the caller is going to wait
END
$$;
COMMENT ON FUNCTION quota_internal._migrate_batch(int, int[], timestamptz, bigint) IS
    'internal: moves as many as it need not wait for; returns how many';

CREATE OR REPLACE FUNCTION quota.migrate(plan text, max_subjects int DEFAULT 1000) RETURNS bigint
    LANGUAGE quota_plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    SET TimeZone = 'UTC'
AS $$
DECLARE
    wanted text := quota_internal._require_name(migrate.plan, 'plan', 1024);
    most   bigint := quota_internal._positive(migrate.max_subjects, 'max_subjects');
    at     timestamptz := quota_internal._now();
    newest record;
    older  int[];
    moved  bigint;
BEGIN
    LOCK TABLE quota_internal.bucket, quota_internal.subscription IN ROW EXCLUSIVE MODE;
    newest := quota_internal._plan_version(wanted);
    older := ARRAY(SELECT v.id FROM quota_internal.plan_version v WHERE v.plan_id = newest.plan_id AND v.id <> newest.version_id);
    moved := quota_internal._migrate_batch(newest.version_id, older, at, most);
    IF moved = 0 THEN
        moved := quota_internal._migrate_last(newest.version_id, older, at);
    END IF;
    RETURN moved;
END
$$;
COMMENT ON FUNCTION quota.migrate(text, int) IS
    'moves up to max_subjects subscribers of older versions of a plan to its newest, also of a retired plan, also those that are paused, in a trial or have not started yet, as change_plan now keep would, but what is scheduled stays; call it, each time in a transaction of its own, until it returns 0; it waits for a subject that somebody else is working on only if no other is left; returns how many it moved; QT404 for an unknown plan, 22023 for a max_subjects of 0 or less';
