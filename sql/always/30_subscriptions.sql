/*
 * Subscriptions, plan changes and overrides.
 *
 * Who changes the plan of a subject locks its subscription row first (with
 * quota._current_subscription), then the override, then buckets, features in
 * the order of their names, the bucket that loses its use before the one that
 * takes it over.  At READ COMMITTED every statement here sees what was committed
 * while it waited; at REPEATABLE READ a lost race is a 40001.
 *
 * There are no foreign keys (pg_restore -j would load the tables of an extension
 * in any order), so what a row refers to is kept from being deleted by hand: only
 * apply_catalog() deletes, with the tables of subscriptions and overrides locked
 * against writers.  We take our own lock on those tables first, in that order,
 * and look features and versions up under it; the row lock there makes an old
 * snapshot fail with 40001.
 *
 * All functions run in UTC, so that the times they put into events are the same
 * under any session's TimeZone.
 */

-- What CREATE TYPE quota.subject_range brought with it

COMMENT ON FUNCTION quota.subject_range(text, text) IS 'internal: makes a range of subjects';
COMMENT ON FUNCTION quota.subject_range(text, text, text) IS 'internal: makes a range of subjects with the bounds [), [] and so on';
COMMENT ON FUNCTION quota.subject_multirange() IS 'internal: not used';
COMMENT ON FUNCTION quota.subject_multirange(quota.subject_range) IS 'internal: not used';
COMMENT ON FUNCTION quota.subject_multirange(VARIADIC quota.subject_range[]) IS 'internal: not used';

-- Small checks of arguments

CREATE OR REPLACE FUNCTION quota._require(given boolean, argument text) RETURNS void
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT _require.given THEN
        RAISE EXCEPTION USING ERRCODE = '22004',
            MESSAGE = format('%s must not be null', _require.argument);
    END IF;
END
$$;
COMMENT ON FUNCTION quota._require(boolean, text) IS 'internal: raises 22004 naming the argument when it was not given';

CREATE OR REPLACE FUNCTION quota._require_word(word text, argument text, allowed text[]) RETURNS void
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM quota._require(_require_word.word IS NOT NULL, _require_word.argument);
    -- octet_length() unpacks nothing, so a long text is refused by its size
    IF octet_length(_require_word.word) > 32 OR _require_word.word <> ALL (_require_word.allowed) THEN
        RAISE EXCEPTION USING ERRCODE = '22023',
            MESSAGE = format('%s is not known', _require_word.argument),
            DETAIL = format('It is one of %s.', array_to_string(_require_word.allowed, ', '));
    END IF;
END
$$;
COMMENT ON FUNCTION quota._require_word(text, text, text[]) IS 'internal: raises 22004 or 22023 unless the argument is one of the words';

-- The same limit as quota_arg_metadata() in src/base/args.c.
CREATE OR REPLACE FUNCTION quota._metadata(metadata jsonb) RETURNS jsonb
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF _metadata.metadata IS NULL THEN
        RETURN '{}';
    END IF;
    -- The stored size may be that of a compressed value: the second look is at
    -- a copy that is not, and the first keeps that copy small.
    IF pg_column_size(_metadata.metadata) <= 8196 THEN
        IF jsonb_typeof(_metadata.metadata) <> 'object' THEN
            RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'metadata must be a JSON object';
        END IF;
        IF pg_column_size(_metadata.metadata || '{}') <= 8196 THEN
            RETURN _metadata.metadata;
        END IF;
    END IF;
    RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'metadata is too large',
        DETAIL = 'At most 8192 bytes are allowed.';
END
$$;
COMMENT ON FUNCTION quota._metadata(jsonb) IS 'internal: a subscription''s metadata, an object of at most 8 kB, {} for NULL; 22023 otherwise';

CREATE OR REPLACE FUNCTION quota._external_id(external_id text) RETURNS text
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF octet_length(_external_id.external_id) > 255 THEN
        RAISE EXCEPTION USING ERRCODE = '22001', MESSAGE = 'external_id is too long',
            DETAIL = format('It has %s bytes, at most 255 are allowed.', octet_length(_external_id.external_id));
    ELSIF _external_id.external_id = '' THEN
        RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'external_id must not be empty',
            HINT = 'Pass null for none.';
    END IF;
    RETURN _external_id.external_id;
END
$$;
COMMENT ON FUNCTION quota._external_id(text) IS 'internal: another system''s id, 1 to 255 bytes or NULL';

/*
 * Times beyond the year 9999 are as good as infinite to an application, and
 * drivers cannot read them.
 */
CREATE OR REPLACE FUNCTION quota._require_time(at timestamptz, argument text) RETURNS void
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF _require_time.at < '0001-01-01 00:00:00+00' OR _require_time.at >= '10000-01-01 00:00:00+00' THEN
        RAISE EXCEPTION USING ERRCODE = '22008',
            MESSAGE = format('%s is out of range', _require_time.argument),
            DETAIL = 'It must lie in the years 1 to 9999.';
    END IF;
END
$$;
COMMENT ON FUNCTION quota._require_time(timestamptz, text) IS 'internal: raises 22008 for a time outside the years 1 to 9999';

CREATE OR REPLACE FUNCTION quota._trial_end(starts_at timestamptz, trial interval, timezone text) RETURNS timestamptz
    LANGUAGE plpgsql STABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    days_part interval;
    time_part interval;
    ends      timestamptz := _trial_end.starts_at;
BEGIN
    IF NOT isfinite(_trial_end.trial) OR _trial_end.trial > '10 years' THEN
        RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'trial must not be longer than 10 years';
    END IF;
    days_part := make_interval(months => (extract(year FROM _trial_end.trial) * 12
                                          + extract(month FROM _trial_end.trial))::int,
                               days => extract(day FROM _trial_end.trial)::int);
    time_part := _trial_end.trial - days_part;
    -- also refuses signs that are mixed, like '1 mon -1 day'
    IF _trial_end.trial <= '0'
       OR extract(year FROM days_part) < 0 OR extract(month FROM days_part) < 0 OR extract(day FROM days_part) < 0
       OR time_part < '0' THEN
        RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'trial must be greater than 0';
    END IF;
    -- months and days in local time, hours as elapsed time, like a period
    IF days_part > '0' THEN
        ends := (ends AT TIME ZONE _trial_end.timezone + days_part) AT TIME ZONE _trial_end.timezone;
    END IF;
    RETURN ends + time_part;
END
$$;
COMMENT ON FUNCTION quota._trial_end(timestamptz, interval, text) IS 'internal: when a trial ends; 22023 if it is not longer than 0 or over 10 years';

-- Look-ups

CREATE OR REPLACE FUNCTION quota._plan_version(plan text, OUT plan_id int, OUT version_id int, OUT version int, OUT retired boolean)
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM quota._require(_plan_version.plan IS NOT NULL, 'plan');
    IF octet_length(_plan_version.plan) <= 1024 THEN
        SELECT p.id, v.id, v.version, p.retired_at IS NOT NULL
            INTO plan_id, version_id, version, retired
            FROM quota.plan p JOIN quota.plan_version v ON v.plan_id = p.id
            WHERE p.name = _plan_version.plan COLLATE "C"
            ORDER BY v.version DESC LIMIT 1
            FOR KEY SHARE OF v;
    END IF;
    IF version_id IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'QT404',
            MESSAGE = format('plan "%s" does not exist', left(_plan_version.plan, 128));
    END IF;
END
$$;
COMMENT ON FUNCTION quota._plan_version(text) IS 'internal: a plan''s newest version, locked against being deleted; QT404 if there is no such plan';

CREATE OR REPLACE FUNCTION quota._feature(feature text) RETURNS quota.feature
    LANGUAGE plpgsql STABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    found_row quota.feature;
BEGIN
    PERFORM quota._require(_feature.feature IS NOT NULL, 'feature');
    IF octet_length(_feature.feature) <= 63 THEN
        SELECT f.* INTO found_row FROM quota.feature f WHERE f.name = _feature.feature COLLATE "C";
    END IF;
    IF found_row.id IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'QT404',
            MESSAGE = format('feature "%s" does not exist', left(_feature.feature, 128));
    END IF;
    RETURN found_row;
END
$$;
COMMENT ON FUNCTION quota._feature(text) IS 'internal: a feature''s row; QT404 if there is none; locks nothing, for reports';

CREATE OR REPLACE FUNCTION quota._lock_feature(feature text) RETURNS quota.feature
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    found_row quota.feature;
BEGIN
    SELECT f.* INTO found_row FROM quota.feature f
        WHERE f.id = (quota._feature(_lock_feature.feature)).id FOR KEY SHARE;
    -- NULLs if it was deleted while we waited: then this says so
    RETURN coalesce(found_row, quota._feature(_lock_feature.feature));
END
$$;
COMMENT ON FUNCTION quota._lock_feature(text) IS 'internal: a feature''s row, locked against being deleted; QT404 if there is none';

CREATE OR REPLACE FUNCTION quota._override_terms(kind text, entitlement jsonb) RETURNS quota.entitlement
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM quota._require_size(_override_terms.entitlement, 65536, 'entitlement');
    IF jsonb_typeof(_override_terms.entitlement) = 'null' THEN
        RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'override: must be an object',
            HINT = 'SQL NULL removes an override; a driver may have sent its null as JSON.';
    END IF;
    RETURN quota._catalog_entitlement('override', _override_terms.kind, _override_terms.entitlement);
END
$$;
COMMENT ON FUNCTION quota._override_terms(text, jsonb) IS 'internal: the terms in an override''s JSON; errors name the path, which begins with override; 22023 over 64 kB';

CREATE OR REPLACE FUNCTION quota._no_retired(plan text, retired boolean) RETURNS void
    LANGUAGE plpgsql IMMUTABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF _no_retired.retired THEN
        RAISE EXCEPTION USING ERRCODE = '22023',
            MESSAGE = format('plan "%s" is retired', _no_retired.plan),
            HINT = 'Its subscribers keep it, but nobody new can get it. Put it back into the catalog to offer it again.';
    END IF;
END
$$;
COMMENT ON FUNCTION quota._no_retired(text, boolean) IS 'internal: raises 22023 for a retired plan';

CREATE OR REPLACE FUNCTION quota._current_subscription(subject text) RETURNS quota.subscription
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    found_row quota.subscription;
    at        timestamptz := quota._now();
BEGIN
    LOOP
        SELECT s.* INTO found_row FROM quota.subscription s
            WHERE s.subject = _current_subscription.subject COLLATE "C"
              AND (s.ends_at IS NULL OR s.ends_at > greatest(at, s.starts_at))
            ORDER BY s.starts_at LIMIT 1 FOR UPDATE;
        -- The row that was waited for may have ended while another took its
        -- place; only a fresh snapshot shows that one.
        EXIT WHEN FOUND OR NOT EXISTS (
            SELECT FROM quota.subscription s
            WHERE s.subject = _current_subscription.subject COLLATE "C"
              AND (s.ends_at IS NULL OR s.ends_at > greatest(at, s.starts_at)));
    END LOOP;
    RETURN found_row;
END
$$;
COMMENT ON FUNCTION quota._current_subscription(text) IS
    'internal: locks and returns a subject''s live subscription, else its next future one, else a row of NULLs';

CREATE OR REPLACE FUNCTION quota._require_subscription(subject text) RETURNS quota.subscription
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    found_row quota.subscription := quota._current_subscription(_require_subscription.subject);
BEGIN
    IF found_row.id IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'QT404',
            MESSAGE = format('"%s" has no subscription', _require_subscription.subject);
    END IF;
    RETURN found_row;
END
$$;
COMMENT ON FUNCTION quota._require_subscription(text) IS 'internal: like _current_subscription, but none is QT404';

/*
 * The end that a subscription has without a scheduled cancellation (and, once
 * its trial_ends_at is gone, without its trial): what was asked for, but not
 * into the next subscription, which may have been booked for the time after the
 * nearer end.
 */
CREATE OR REPLACE FUNCTION quota._restored_end(subscription quota.subscription) RETURNS timestamptz
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT least(coalesce((_restored_end.subscription).trial_ends_at, (_restored_end.subscription).asked_ends_at),
                 (SELECT min(s.starts_at) FROM quota.subscription s
                  WHERE s.subject = (_restored_end.subscription).subject
                    AND s.starts_at > (_restored_end.subscription).starts_at
                    AND (s.ends_at IS NULL OR s.ends_at > s.starts_at)))
$$;
COMMENT ON FUNCTION quota._restored_end(quota.subscription) IS
    'internal: when a subscription ends once its trial or its scheduled cancellation is taken back';

CREATE OR REPLACE FUNCTION quota._raise_overlap(subject text) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION USING ERRCODE = '23P01',
        MESSAGE = format('"%s" already has a subscription in this time', _raise_overlap.subject),
        HINT = 'Change its plan with quota.change_plan(), end it with quota.cancel(), or let the new one start when it ends.',
        SCHEMA = 'quota', TABLE = 'subscription', CONSTRAINT = 'subscription_one_at_a_time';
END
$$;
COMMENT ON FUNCTION quota._raise_overlap(text) IS 'internal: 23P01 in words that do not speak of an index';

CREATE OR REPLACE FUNCTION quota._plan_words(version_id int, OUT plan text, OUT version int, OUT period text)
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT p.name, v.version, v.period FROM quota.plan_version v JOIN quota.plan p ON p.id = v.plan_id
    WHERE v.id = _plan_words.version_id
$$;
COMMENT ON FUNCTION quota._plan_words(int) IS 'internal: the names of a plan version';

CREATE OR REPLACE FUNCTION quota._record_event(type text, subject text, feature_id int, data jsonb) RETURNS void
    LANGUAGE sql
    SET search_path = pg_catalog, pg_temp
AS $$
    INSERT INTO quota.event (at, type, subject, feature_id, data)
    VALUES (quota._now(), _record_event.type, _record_event.subject, _record_event.feature_id, _record_event.data)
$$;
COMMENT ON FUNCTION quota._record_event(text, text, int, jsonb) IS 'internal: one row of quota.events';

-- Use goes on in another window

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
 */
CREATE OR REPLACE FUNCTION quota._take_over(subject text, feature_id int, source_id bigint,
                                            old_start timestamptz, old_end timestamptz,
                                            new_start timestamptz, new_end timestamptz,
                                            follow boolean DEFAULT false) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    link       quota.bucket;
    link_start timestamptz := _take_over.old_start;
    link_end   timestamptz := _take_over.old_end;
    sum_used   bigint := 0;
    sum_over   bigint := 0;
    operation  bigint;
BEGIN
    IF (_take_over.old_start, _take_over.old_end) = (_take_over.new_start, _take_over.new_end) THEN
        RETURN;
    END IF;
    INSERT INTO quota.bucket (subject, feature_id, source_id, period_start, period_end)
        VALUES (_take_over.subject, _take_over.feature_id, _take_over.source_id, _take_over.old_start, _take_over.old_end)
        ON CONFLICT ON CONSTRAINT bucket_pkey DO NOTHING;

    LOOP
        SELECT b.* INTO link FROM quota.bucket b
            WHERE b.subject = _take_over.subject COLLATE "C" AND b.feature_id = _take_over.feature_id
              AND b.source_id = _take_over.source_id AND b.period_start = link_start AND b.period_end = link_end
            FOR UPDATE;
        EXIT WHEN NOT FOUND;
        UPDATE quota.bucket b
            SET used = 0, overdrawn = 0, moved_start = _take_over.new_start, moved_end = _take_over.new_end,
                moved_id = nextval('quota.ledger_id_seq')
            WHERE b.subject = _take_over.subject COLLATE "C" AND b.feature_id = _take_over.feature_id
              AND b.source_id = _take_over.source_id AND b.period_start = link_start AND b.period_end = link_end;
        operation := quota._record_transfer(operation, link, 'a', - link.used);
        operation := quota._record_transfer(operation, link, 'o', - link.overdrawn);
        sum_used := sum_used + link.used;
        sum_over := sum_over + link.overdrawn;
        -- each link that was passed points at the new bucket: no endless chain
        EXIT WHEN NOT _take_over.follow OR link.moved_start IS NULL
            OR (link.moved_start, link.moved_end) = (_take_over.new_start, _take_over.new_end);
        link_start := link.moved_start;
        link_end := link.moved_end;
    END LOOP;

    INSERT INTO quota.bucket (subject, feature_id, source_id, period_start, period_end)
        VALUES (_take_over.subject, _take_over.feature_id, _take_over.source_id, _take_over.new_start, _take_over.new_end)
        ON CONFLICT ON CONSTRAINT bucket_pkey DO NOTHING;
    UPDATE quota.bucket b
        SET used = b.used + sum_used, overdrawn = b.overdrawn + sum_over,
            moved_start = NULL, moved_end = NULL, moved_id = NULL
        WHERE b.subject = _take_over.subject COLLATE "C" AND b.feature_id = _take_over.feature_id
          AND b.source_id = _take_over.source_id
          AND b.period_start = _take_over.new_start AND b.period_end = _take_over.new_end
        RETURNING b.* INTO link;
    operation := quota._record_transfer(operation, link, 'a', sum_used);
    operation := quota._record_transfer(operation, link, 'o', sum_over);
END
$$;
COMMENT ON FUNCTION quota._take_over(text, int, bigint, timestamptz, timestamptz, timestamptz, timestamptz, boolean) IS
    'internal: moves the use of one window to another by ledger entries of kind transfer, and leaves a mark in the old one that sends debits to the new one';

CREATE OR REPLACE FUNCTION quota._record_transfer(operation bigint, bucket quota.bucket, source "char", amount bigint) RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    entry bigint;
BEGIN
    IF _record_transfer.amount <> 0 THEN
        entry := nextval('quota.ledger_id_seq');
        INSERT INTO quota.ledger_entry (id, at, subject, account, feature_id, kind, source, source_id, period_start, period_end, amount, debit_id)
            VALUES (entry, quota._now(), _record_transfer.bucket.subject, _record_transfer.bucket.subject,
                    _record_transfer.bucket.feature_id, 't', _record_transfer.source, _record_transfer.bucket.source_id,
                    _record_transfer.bucket.period_start, _record_transfer.bucket.period_end, _record_transfer.amount,
                    coalesce(_record_transfer.operation, entry));
    END IF;
    RETURN coalesce(_record_transfer.operation, entry);
END
$$;
COMMENT ON FUNCTION quota._record_transfer(bigint, quota.bucket, "char", bigint) IS
    'internal: one ledger entry of a transfer; returns the id of the operation, which the first entry gives';

/*
 * The windows of a subject as parallel arrays, to be kept over a change; marked
 * says whether the bucket there bears a mark already, which then is an old one.
 */
CREATE OR REPLACE FUNCTION quota._windows_before(subject text, OUT features int[], OUT sources bigint[],
                                                 OUT starts timestamptz[], OUT ends timestamptz[], OUT marked boolean[])
    LANGUAGE sql VOLATILE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT array_agg(w.feature_id), array_agg(w.source_id), array_agg(w.period_start), array_agg(w.period_end),
           array_agg(b.moved_start IS NOT NULL)
    FROM quota._windows(_windows_before.subject) w
        LEFT JOIN quota.bucket b ON b.subject = _windows_before.subject COLLATE "C" AND b.feature_id = w.feature_id
            AND b.source_id = w.source_id AND b.period_start = w.period_start AND b.period_end = w.period_end
$$;
COMMENT ON FUNCTION quota._windows_before(text) IS 'internal: what _keep_use needs to know of the time before a change';

/*
 * Only where the source is the same: whoever subscribes or cancels meanwhile
 * begins at 0, by the rule for subscribing.
 *
 * A feature that was not given before takes nothing over, with one exception: if
 * its window is one that was moved away from, as when a plan without the feature
 * came in between, that use comes back.
 */
CREATE OR REPLACE FUNCTION quota._keep_use(subject text, before record) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    moved record;
BEGIN
    FOR moved IN
        SELECT f.name, a.feature_id, a.source_id, a.period_start, a.period_end,
               b.feature_id IS NULL AS is_new, b.period_start AS old_start, b.period_end AS old_end, NOT b.marked AS follow,
               k.moved_start, k.moved_end
        FROM quota._windows(_keep_use.subject) a
            JOIN quota.feature f ON f.id = a.feature_id
            LEFT JOIN unnest(before.features, before.sources, before.starts, before.ends, before.marked)
                AS b(feature_id, source_id, period_start, period_end, marked)
                ON b.feature_id = a.feature_id AND b.source_id = a.source_id
            LEFT JOIN quota.bucket k ON k.subject = _keep_use.subject COLLATE "C" AND k.feature_id = a.feature_id
                AND k.source_id = a.source_id AND k.period_start = a.period_start AND k.period_end = a.period_end
        ORDER BY f.name
    LOOP
        IF moved.is_new THEN
            IF moved.moved_start IS NOT NULL THEN
                PERFORM quota._take_over(_keep_use.subject, moved.feature_id, moved.source_id,
                                         moved.moved_start, moved.moved_end,
                                         moved.period_start, moved.period_end, true);
            END IF;
        ELSE
            PERFORM quota._take_over(_keep_use.subject, moved.feature_id, moved.source_id,
                                     moved.old_start, moved.old_end,
                                     moved.period_start, moved.period_end, moved.follow);
        END IF;
    END LOOP;
END
$$;
COMMENT ON FUNCTION quota._keep_use(text, record) IS
    'internal: after a change, moves use to the present windows where they are others than before';

-- The functions of the contract

CREATE OR REPLACE FUNCTION quota.subscribe(subject text, plan text, starts_at timestamptz DEFAULT NULL,
                                           ends_at timestamptz DEFAULT NULL, trial interval DEFAULT NULL,
                                           timezone text DEFAULT 'UTC', external_id text DEFAULT NULL,
                                           metadata jsonb DEFAULT NULL) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    SET TimeZone = 'UTC'
AS $$
DECLARE
    who       text := quota._subject(subscribe.subject);
    zone      text;
    begins    timestamptz := coalesce(subscribe.starts_at, quota._now());
    asked_end timestamptz := nullif(subscribe.ends_at, 'infinity');
    trial_end timestamptz;
    other_id  text := quota._external_id(subscribe.external_id);
    extra     jsonb := quota._metadata(subscribe.metadata);
    newest    record;
    new_id    bigint;
BEGIN
    PERFORM quota._require(subscribe.plan IS NOT NULL, 'plan');
    PERFORM quota._require(subscribe.timezone IS NOT NULL, 'timezone');
    zone := quota._timezone(subscribe.timezone);
    IF NOT isfinite(begins) THEN
        RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'starts_at must be finite';
    END IF;
    PERFORM quota._require_time(begins, 'starts_at');
    IF asked_end <= begins THEN
        RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'ends_at must be after starts_at';
    END IF;
    PERFORM quota._require_time(asked_end, 'ends_at');
    IF subscribe.trial IS NOT NULL THEN
        trial_end := least(quota._trial_end(begins, subscribe.trial, zone), asked_end);
        PERFORM quota._require_time(trial_end, 'the end of the trial');
        -- a local time that a change of the clock skips can be none at all
        IF trial_end <= begins THEN
            RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'trial must be greater than 0';
        END IF;
    END IF;
    LOCK TABLE quota.subscription IN ROW EXCLUSIVE MODE;
    newest := quota._plan_version(subscribe.plan);
    PERFORM quota._no_retired(subscribe.plan, newest.retired);

    -- ON CONFLICT, because two plain inserts at once would wait for each other
    new_id := nextval('quota.subscription_id_seq');
    INSERT INTO quota.subscription (id, source_id, anchor_at, subject, plan_version_id, status, starts_at, ends_at, timezone,
                                    trial_ends_at, asked_ends_at, external_id, metadata)
        VALUES (new_id, new_id, begins, who, newest.version_id, CASE WHEN trial_end IS NULL THEN 'active' ELSE 'trialing' END,
                begins, coalesce(trial_end, asked_end), zone,
                trial_end, CASE WHEN trial_end IS NOT NULL THEN asked_end END, other_id, extra)
        ON CONFLICT ON CONSTRAINT subscription_one_at_a_time DO NOTHING
        RETURNING id INTO new_id;
    IF new_id IS NULL THEN
        PERFORM quota._raise_overlap(who);
    END IF;
    PERFORM quota._record_event('subscribed', who, NULL,
        jsonb_build_object('subscription_id', new_id, 'plan', subscribe.plan, 'version', newest.version,
                           'starts_at', begins, 'ends_at', coalesce(trial_end, asked_end), 'trial_ends_at', trial_end));
    RETURN new_id;
END
$$;
COMMENT ON FUNCTION quota.subscribe(text, text, timestamptz, timestamptz, interval, text, text, jsonb) IS
    'gives a subject a plan in its newest version from starts_at (NULL: now) until ends_at (NULL or infinity: open) and returns the subscription''s id; metered use starts at 0; with trial it ends when the trial does, unless set_status(''active'') comes before; 23P01 while the subject has another, QT404 for an unknown plan, 22023 for a retired one';

CREATE OR REPLACE FUNCTION quota.cancel(subject text, effective text DEFAULT 'period_end') RETURNS timestamptz
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    SET TimeZone = 'UTC'
AS $$
DECLARE
    who      text := quota._subject(cancel.subject);
    at       timestamptz := quota._now();
    live     quota.subscription;
    words    record;
    ends     timestamptz;
BEGIN
    PERFORM quota._require_word(cancel.effective, 'effective', '{now,period_end}');
    live := quota._require_subscription(who);
    words := quota._plan_words(live.plan_version_id);

    IF live.starts_at > at THEN
        -- It stays as a row that lasted for no time: a transaction with a later
        -- clock may have charged it, and its buckets must not lose their source.
        ends := live.starts_at;
    ELSIF cancel.effective = 'now' THEN
        ends := at;
    ELSIF live.cancelled_at IS NOT NULL THEN
        RETURN live.ends_at;
    ELSE
        ends := least(live.ends_at, (quota._window(words.period, 'subscription', NULL, live.anchor_at, live.timezone, at)).window_end);
    END IF;

    UPDATE quota.subscription s
        SET ends_at = ends,
            cancelled_at = coalesce(s.cancelled_at, at),
            asked_ends_at = CASE WHEN s.trial_ends_at IS NULL AND s.cancelled_at IS NULL THEN s.ends_at
                                       ELSE s.asked_ends_at END
        WHERE s.id = live.id;
    IF live.starts_at > at THEN
        PERFORM quota._record_event('subscription_removed', who, NULL,
            jsonb_build_object('subscription_id', live.id, 'plan', words.plan, 'version', words.version, 'starts_at', live.starts_at));
        RETURN at;
    END IF;
    PERFORM quota._record_event('subscription_cancelled', who, NULL,
        jsonb_build_object('subscription_id', live.id, 'plan', words.plan, 'version', words.version,
                           'effective', cancel.effective, 'ends_at', ends));
    RETURN ends;
END
$$;
COMMENT ON FUNCTION quota.cancel(text, text) IS
    'ends a subject''s subscription now or with the present billing period (or trial, or its own end, if that is nearer) and returns when it ends; a subscription that has not started yet is removed; cancelling again changes nothing but for ''now''; QT404 if there is none';

CREATE OR REPLACE FUNCTION quota.set_status(subject text, status text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    SET TimeZone = 'UTC'
AS $$
DECLARE
    who   text := quota._subject(set_status.subject);
    live  quota.subscription;
    words record;
    was   text;
BEGIN
    PERFORM quota._require_word(set_status.status, 'status', '{active,past_due,paused}');
    live := quota._require_subscription(who);
    was := live.status;
    IF was = set_status.status THEN
        RETURN;
    END IF;
    live.status := set_status.status;
    IF live.status = 'active' AND live.trial_ends_at IS NOT NULL THEN
        live.trial_ends_at := NULL;
        IF live.cancelled_at IS NULL THEN
            live.ends_at := quota._restored_end(live);
            live.asked_ends_at := NULL;
        END IF;
    END IF;

    BEGIN
        UPDATE quota.subscription s
            SET status = live.status, ends_at = live.ends_at,
                past_due_since = CASE live.status WHEN 'past_due' THEN quota._now() END,
                trial_ends_at = live.trial_ends_at, asked_ends_at = live.asked_ends_at
            WHERE s.id = live.id;
    EXCEPTION WHEN exclusion_violation THEN
        PERFORM quota._raise_overlap(who);
    END;
    words := quota._plan_words(live.plan_version_id);
    PERFORM quota._record_event('status_changed', who, NULL,
        jsonb_build_object('subscription_id', live.id, 'plan', words.plan, 'version', words.version,
                           'status', live.status, 'old_status', was, 'ends_at', live.ends_at));
END
$$;
COMMENT ON FUNCTION quota.set_status(text, text) IS
    'says whether a subscription is active, past_due or paused; the latter two refuse every use; active before a trial''s end makes it last as long as was asked for; QT404 if there is no subscription';

CREATE OR REPLACE FUNCTION quota.change_plan(subject text, plan text, effective text DEFAULT 'now', usage text DEFAULT 'keep') RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    SET TimeZone = 'UTC'
AS $$
DECLARE
    who       text := quota._subject(change_plan.subject);
    at        timestamptz := quota._now();
    newest    record;
    words     record;
    live      quota.subscription;
    before    record;
    is_live   boolean;
    resumes   boolean;
    same_plan boolean;
BEGIN
    PERFORM quota._require(change_plan.plan IS NOT NULL, 'plan');
    PERFORM quota._require_word(change_plan.effective, 'effective', '{now,period_end}');
    PERFORM quota._require_word(change_plan.usage, 'usage', '{keep,reset,prorate}');

    LOCK TABLE quota.subscription IN ROW EXCLUSIVE MODE;
    LOOP
        live := quota._current_subscription(who);
        newest := quota._plan_version(change_plan.plan);
        EXIT WHEN live.id IS NOT NULL;
        BEGIN
            RETURN quota.subscribe(who, change_plan.plan);
        EXCEPTION WHEN exclusion_violation THEN
            NULL;   -- somebody else subscribed it at this moment: change that one
        END;
    END LOOP;

    same_plan := newest.plan_id = (SELECT v.plan_id FROM quota.plan_version v WHERE v.id = live.plan_version_id);
    IF NOT same_plan THEN
        PERFORM quota._no_retired(change_plan.plan, newest.retired);
    END IF;
    is_live := live.starts_at <= at;
    IF is_live AND (change_plan.effective <> 'now' OR change_plan.usage <> 'keep') THEN
        RAISE EXCEPTION USING ERRCODE = '0A000',
            MESSAGE = format('change_plan with %s is not supported yet',
                             CASE WHEN change_plan.effective <> 'now' THEN format('effective "%s"', change_plan.effective)
                                  ELSE format('usage "%s"', change_plan.usage) END),
            HINT = 'Use effective "now" with usage "keep".';
    END IF;
    resumes := live.cancelled_at IS NOT NULL;
    IF newest.version_id = live.plan_version_id AND NOT resumes THEN
        RETURN live.id;
    END IF;

    words := quota._plan_words(live.plan_version_id);
    IF is_live THEN
        before := quota._windows_before(who);
    END IF;
    BEGIN
        UPDATE quota.subscription s
            SET plan_version_id = newest.version_id,
                ends_at = CASE WHEN resumes THEN quota._restored_end(live) ELSE s.ends_at END,
                asked_ends_at = CASE WHEN resumes AND s.trial_ends_at IS NULL THEN NULL ELSE s.asked_ends_at END,
                cancelled_at = NULL
            WHERE s.id = live.id;
    EXCEPTION WHEN exclusion_violation THEN
        PERFORM quota._raise_overlap(who);
    END;
    IF is_live THEN
        PERFORM quota._keep_use(who, before);
    END IF;
    PERFORM quota._record_event(
        CASE WHEN newest.version_id = live.plan_version_id THEN 'cancellation_undone' ELSE 'plan_changed' END, who, NULL,
        jsonb_build_object('subscription_id', live.id, 'plan', change_plan.plan, 'version', newest.version,
                           'old_plan', words.plan, 'old_version', words.version, 'cancellation_undone', resumes));
    RETURN live.id;
END
$$;
COMMENT ON FUNCTION quota.change_plan(text, text, text, text) IS
    'moves a subject''s subscription to a plan''s newest version and returns the subscription''s id; use goes on under the new limits (keep), a scheduled cancellation is undone; without a subscription subscribes now, and of one that has not started yet the plan is replaced';

/*
 * The account's window may begin elsewhere afterwards, so this acts as
 * change_plan keep.  The moment at which an override was set, the anchor
 * "subscription" of a subject without one, stays while period and anchor do:
 * a raised allowance does not move the window.
 */
CREATE OR REPLACE FUNCTION quota.override(subject text, feature text, entitlement jsonb) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    SET TimeZone = 'UTC'
AS $$
DECLARE
    who    text := quota._subject(override.subject);
    at     timestamptz := quota._now();
    what   quota.feature;
    old    quota.subject_override;
    terms  quota.entitlement;
    before record;
BEGIN
    LOCK TABLE quota.subscription, quota.subject_override IN ROW EXCLUSIVE MODE;
    what := quota._lock_feature(override.feature);
    IF override.entitlement IS NOT NULL THEN
        terms := quota._override_terms(what.kind, override.entitlement);
    END IF;

    -- whoever changes the plan meanwhile waits, or is waited for, here
    PERFORM quota._current_subscription(who);
    LOOP
        SELECT o.* INTO old FROM quota.subject_override o
            WHERE o.subject = who COLLATE "C" AND o.feature_id = what.id FOR UPDATE;
        IF old.subject IS NULL AND override.entitlement IS NULL THEN
            RETURN;
        END IF;
        before := quota._windows_before(who);
        IF old.subject IS NOT NULL THEN
            EXIT;
        END IF;
        INSERT INTO quota.subject_override (subject, feature_id, allowance, period, period_months, period_days, period_us,
                                            anchor, anchor_at, value, rollover_max, overage, overage_limit, caps,
                                            rate_limit, rate_per, rate_per_us, rate_burst,
                                            notify_percent, notify_remaining, set_at)
            VALUES (who, what.id, terms.allowance, terms.period, terms.period_months, terms.period_days, terms.period_us,
                    terms.anchor, terms.anchor_at, terms.value, terms.rollover_max, terms.overage, terms.overage_limit, terms.caps,
                    terms.rate_limit, terms.rate_per, terms.rate_per_us, terms.rate_burst,
                    terms.notify_percent, terms.notify_remaining, at)
            ON CONFLICT ON CONSTRAINT subject_override_pkey DO NOTHING;
        -- else somebody else has just set it: look again, at theirs
        EXIT WHEN FOUND;
    END LOOP;

    IF override.entitlement IS NULL THEN
        DELETE FROM quota.subject_override o WHERE o.subject = who COLLATE "C" AND o.feature_id = what.id;
    ELSIF old.subject IS NOT NULL THEN
        IF (old.allowance, old.period, old.anchor, old.anchor_at, old.value, old.rollover_max, old.overage, old.overage_limit,
            old.caps, old.rate_limit, old.rate_per, old.rate_burst, old.notify_percent, old.notify_remaining)
           IS NOT DISTINCT FROM
           (terms.allowance, terms.period, terms.anchor, terms.anchor_at, terms.value, terms.rollover_max, terms.overage, terms.overage_limit,
            terms.caps, terms.rate_limit, terms.rate_per, terms.rate_burst, terms.notify_percent, terms.notify_remaining) THEN
            RETURN;
        END IF;
        UPDATE quota.subject_override o
            SET allowance = terms.allowance, period = terms.period, period_months = terms.period_months,
                period_days = terms.period_days, period_us = terms.period_us,
                anchor = terms.anchor, anchor_at = terms.anchor_at, value = terms.value,
                rollover_max = terms.rollover_max, overage = terms.overage, overage_limit = terms.overage_limit, caps = terms.caps,
                rate_limit = terms.rate_limit, rate_per = terms.rate_per, rate_per_us = terms.rate_per_us, rate_burst = terms.rate_burst,
                notify_percent = terms.notify_percent, notify_remaining = terms.notify_remaining,
                set_at = CASE WHEN (o.period_months, o.period_days, o.period_us, o.anchor, o.anchor_at)
                                   IS NOT DISTINCT FROM (terms.period_months, terms.period_days, terms.period_us,
                                                         terms.anchor, terms.anchor_at)
                              THEN o.set_at ELSE at END
            WHERE o.subject = who COLLATE "C" AND o.feature_id = what.id;
    END IF;
    PERFORM quota._keep_use(who, before);
    IF override.entitlement IS NULL THEN
        PERFORM quota._record_event('override_removed', who, what.id, '{}');
    ELSE
        PERFORM quota._record_event('override_set', who, what.id, jsonb_build_object('entitlement', override.entitlement));
    END IF;
END
$$;
COMMENT ON FUNCTION quota.override(text, text, jsonb) IS
    'gives one subject an entitlement of its own, as JSON like in the catalog, in place of what its plan gives of the feature; SQL NULL removes it; use goes on as with change_plan keep; QT404 for an unknown feature, 22023 with the path for a bad entitlement';
