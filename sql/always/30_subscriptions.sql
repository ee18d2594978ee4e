/*
 * Subscriptions, plan changes and overrides.
 *
 * Who changes the plan of a subject locks its subscription row first (with
 * quota._current_subscription, which also carries out a scheduled change that
 * has come into force), then the override, then buckets, features in the order
 * of their names, the bucket that loses its use before the one that takes it
 * over.  At READ COMMITTED every statement here sees what was committed
 * while it waited; at REPEATABLE READ a lost race is a 40001.
 *
 * There are no foreign keys (pg_restore -j would load the tables of an extension
 * in any order), so what a row refers to is kept from being deleted by hand: only
 * apply_catalog() deletes, with the tables of subscriptions and overrides locked
 * against writers.  We take our own lock on those tables first, in that order,
 * after that of quota.bucket, which apply_catalog() and forget() take before any
 * other; and look features and versions up under it; the row lock there makes an old
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

/*
 * Small checks of arguments.
 *
 * A text can be a gigabyte that is stored compressed, and whoever unpacks it has
 * lost.  octet_length() does not.  A statement does, when it is planned with the
 * text as a parameter, and PERFORM is a statement; an expression (of IF, :=,
 * RAISE, the default of a variable) does not.  So the size of an argument is
 * looked at by expressions, before any statement has it, and the checks return
 * what they have checked.  (An expression that has raised an error runs as a
 * statement until its transaction ends.)
 */

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

CREATE OR REPLACE FUNCTION quota._require_word(word text, argument text, allowed text[]) RETURNS text
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF _require_word.word IS NULL THEN
        PERFORM quota._require(false, _require_word.argument);
    ELSIF octet_length(_require_word.word) > 32 OR _require_word.word <> ALL (_require_word.allowed) THEN
        RAISE EXCEPTION USING ERRCODE = '22023',
            MESSAGE = format('%s is not known', _require_word.argument),
            DETAIL = format('It is one of %s.', array_to_string(_require_word.allowed, ', '));
    END IF;
    RETURN _require_word.word;
END
$$;
COMMENT ON FUNCTION quota._require_word(text, text, text[]) IS 'internal: the argument, if it is one of the words; 22004 or 22023 if not';

CREATE OR REPLACE FUNCTION quota._require_name(name text, argument text, most int) RETURNS text
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF _require_name.name IS NULL THEN
        PERFORM quota._require(false, _require_name.argument);
    ELSIF octet_length(_require_name.name) > _require_name.most THEN
        RAISE EXCEPTION USING ERRCODE = 'QT404',
            MESSAGE = format('%s does not exist', _require_name.argument),
            DETAIL = format('Its name is longer than the %s bytes that the name of a %s can have.',
                            _require_name.most, _require_name.argument);
    END IF;
    RETURN _require_name.name;
END
$$;
COMMENT ON FUNCTION quota._require_name(text, text, int) IS 'internal: the argument; 22004 for NULL, QT404 for more bytes than such a name can have';

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
    ELSIF _external_id.external_id ~ '[\u0001-\u001f\u007f]' THEN
        RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'external_id has a control character';
    END IF;
    RETURN _external_id.external_id;
END
$$;
COMMENT ON FUNCTION quota._external_id(text) IS 'internal: another system''s id, 1 to 255 bytes without control characters, or NULL; 22001, 22023';

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
DECLARE
    wanted text := quota._require_name(_plan_version.plan, 'plan', 1024);
BEGIN
    SELECT p.id, v.id, v.version, p.retired_at IS NOT NULL
        INTO plan_id, version_id, version, retired
        FROM quota.plan p JOIN quota.plan_version v ON v.plan_id = p.id
        WHERE p.name = wanted COLLATE "C"
        ORDER BY v.version DESC LIMIT 1
        FOR KEY SHARE OF v;
    IF version_id IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'QT404',
            MESSAGE = format('plan "%s" does not exist', left(wanted, 128));
    END IF;
END
$$;
COMMENT ON FUNCTION quota._plan_version(text) IS 'internal: a plan''s newest version, locked against being deleted; QT404 if there is no such plan';

CREATE OR REPLACE FUNCTION quota._feature(feature text) RETURNS quota.feature
    LANGUAGE plpgsql STABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    wanted    text := quota._require_name(_feature.feature, 'feature', 63);
    found_row quota.feature;
BEGIN
    SELECT f.* INTO found_row FROM quota.feature f WHERE f.name = wanted COLLATE "C";
    IF found_row.id IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'QT404',
            MESSAGE = format('feature "%s" does not exist', wanted);
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
    wanted    text := quota._require_name(_lock_feature.feature, 'feature', 63);
    found_row quota.feature;
BEGIN
    SELECT f.* INTO found_row FROM quota.feature f WHERE f.id = (quota._feature(wanted)).id FOR KEY SHARE;
    -- NULLs if it was deleted while we waited: then this says so
    RETURN coalesce(found_row, quota._feature(wanted));
END
$$;
COMMENT ON FUNCTION quota._lock_feature(text) IS 'internal: a feature''s row, locked against being deleted; QT404 if there is none';

CREATE OR REPLACE FUNCTION quota._override_terms(kind text, entitlement jsonb) RETURNS quota.entitlement
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    given jsonb := quota._require_size(_override_terms.entitlement, 65536, 'entitlement');
BEGIN
    IF jsonb_typeof(given) = 'null' THEN
        RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'override: must be an object',
            HINT = 'SQL NULL removes an override; a driver may have sent its null as JSON.';
    END IF;
    RETURN quota._catalog_entitlement('override', _override_terms.kind, given);
END
$$;
COMMENT ON FUNCTION quota._override_terms(text, jsonb) IS 'internal: the terms in an override''s JSON; errors name the path, which begins with override; 22023 over 64 kB';

CREATE OR REPLACE FUNCTION quota._override_meaning(override quota.subject_override) RETURNS quota.entitlement
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    SET TimeZone = 'UTC'
AS $$
DECLARE
    terms quota.entitlement := jsonb_populate_record(NULL::quota.entitlement, to_jsonb(_override_meaning.override));
BEGIN
    terms.feature_id := NULL;
    terms.value := (_override_meaning.override).value;      -- a JSON null is no SQL NULL
    RETURN quota._terms_meaning(terms);
END
$$;
COMMENT ON FUNCTION quota._override_meaning(quota.subject_override) IS 'internal: the terms of an override as _terms_meaning() gives those of an entitlement';

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
        PERFORM quota._carry_out(_current_subscription.subject);
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
    'internal: locks and returns a subject''s live subscription, else its next future one, else a row of NULLs; what was scheduled and has come into force is carried out before';

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
 *
 * What rolled over stays with the use, and so does what has rolled on from it:
 * over all windows of a source what rolled in is what rolled out, before and
 * afterwards.  In the old window, if it was charged, rollover is fixed at 0, or the
 * units would roll over once more if the account came back to it.
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
    total      quota.bucket;
    link_start timestamptz := _take_over.old_start;
    link_end   timestamptz := _take_over.old_end;
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
        operation := quota._move_out(operation, link, _take_over.new_start, _take_over.new_end);
        total := quota._add_use(total, link);
        -- each link that was passed points at the new bucket: no endless chain
        EXIT WHEN NOT _take_over.follow OR link.moved_start IS NULL
            OR (link.moved_start, link.moved_end) = (_take_over.new_start, _take_over.new_end);
        link_start := link.moved_start;
        link_end := link.moved_end;
    END LOOP;

    INSERT INTO quota.bucket (subject, feature_id, source_id, period_start, period_end, plan_version_id, allowance)
        VALUES (_take_over.subject, _take_over.feature_id, _take_over.source_id, _take_over.new_start, _take_over.new_end,
                total.plan_version_id, total.allowance)
        ON CONFLICT ON CONSTRAINT bucket_pkey DO NOTHING;
    SELECT b.* INTO link FROM quota.bucket b
        WHERE b.subject = _take_over.subject COLLATE "C" AND b.feature_id = _take_over.feature_id
          AND b.source_id = _take_over.source_id
          AND b.period_start = _take_over.new_start AND b.period_end = _take_over.new_end
        FOR UPDATE;
    PERFORM quota._move_in(operation, link, total);
END
$$;
COMMENT ON FUNCTION quota._take_over(text, int, bigint, timestamptz, timestamptz, timestamptz, timestamptz, boolean) IS
    'internal: moves the use of one window to another by ledger entries of kind transfer, and leaves a mark in the old one that sends debits to the new one';

CREATE OR REPLACE FUNCTION quota._add_use(a quota.bucket, b quota.bucket) RETURNS quota.bucket
    LANGUAGE plpgsql IMMUTABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    total quota.bucket := _add_use.a;
BEGIN
    IF total.subject IS NULL THEN
        RETURN _add_use.b;
    END IF;
    total.used := total.used + (_add_use.b).used;
    total.overdrawn := total.overdrawn + (_add_use.b).overdrawn;
    total.granted := nullif(coalesce(total.granted, 0) + coalesce((_add_use.b).granted, 0), 0);
    total.overage := nullif(coalesce(total.overage, 0) + coalesce((_add_use.b).overage, 0), 0);
    total.reserved := nullif(coalesce(total.reserved, 0) + coalesce((_add_use.b).reserved, 0), 0);
    total.rolled_out := nullif(coalesce(total.rolled_out, 0) + coalesce((_add_use.b).rolled_out, 0), 0);
    -- NULL is not 0 here: not fixed yet
    total.rolled_in := coalesce(total.rolled_in + (_add_use.b).rolled_in, total.rolled_in, (_add_use.b).rolled_in);
    RETURN total;
END
$$;
COMMENT ON FUNCTION quota._add_use(quota.bucket, quota.bucket) IS 'internal: a bucket with what another one counts added';

CREATE OR REPLACE FUNCTION quota._move_out(operation bigint, bucket quota.bucket, new_start timestamptz, new_end timestamptz) RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    link quota.bucket := _move_out.bucket;
    id   bigint := _move_out.operation;
    part record;
BEGIN
    UPDATE quota.bucket b
        SET used = 0, overdrawn = 0, granted = NULL, overage = NULL, reserved = NULL, rolled_out = NULL, prorated = NULL,
            rolled_in = CASE WHEN b.rolled_in IS NOT NULL OR b.used > 0 OR b.overdrawn > 0
                                  OR b.granted IS NOT NULL OR b.overage IS NOT NULL THEN 0 END,
            earlier_start = CASE WHEN b.moved_id IS NULL THEN b.earlier_start ELSE array_append(b.earlier_start, b.moved_start) END,
            earlier_end = CASE WHEN b.moved_id IS NULL THEN b.earlier_end ELSE array_append(b.earlier_end, b.moved_end) END,
            earlier_id = CASE WHEN b.moved_id IS NULL THEN b.earlier_id ELSE array_append(b.earlier_id, b.moved_id) END,
            moved_start = _move_out.new_start, moved_end = _move_out.new_end, moved_id = nextval('quota.ledger_id_seq')
        WHERE b.subject = link.subject AND b.feature_id = link.feature_id AND b.source_id = link.source_id
          AND b.period_start = link.period_start AND b.period_end = link.period_end;
    id := quota._record_transfer(id, link, 'a', - link.used);
    IF link.granted IS NOT NULL THEN
        FOR part IN
            WITH g AS (SELECT t.grant_id, t.amount FROM quota._taken_from_grants(link) t)
            SELECT g.grant_id, g.amount FROM g
            UNION ALL
            -- entries that retention has dropped do not say from which grant
            SELECT NULL, (link.granted - coalesce(sum(g.amount), 0))::bigint FROM g
            ORDER BY grant_id
        LOOP
            id := quota._record_transfer(id, link, 'g', - part.amount, part.grant_id);
        END LOOP;
    END IF;
    id := quota._record_transfer(id, link, 'v', - coalesce(link.overage, 0));
    RETURN quota._record_transfer(id, link, 'o', - link.overdrawn);
END
$$;
COMMENT ON FUNCTION quota._move_out(bigint, quota.bucket, timestamptz, timestamptz) IS
    'internal: empties a bucket whose row is locked, with ledger entries and a mark; returns the id of the operation';

/*
 * Whoever was charged, the account itself or somebody below it, the entry's
 * subject begins with the account: so the index on the subject serves.
 */
CREATE OR REPLACE FUNCTION quota._taken_from_grants(bucket quota.bucket) RETURNS TABLE (grant_id bigint, amount bigint)
    LANGUAGE sql
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT e.grant_id, sum(e.amount)::bigint
    FROM quota.ledger_entry e
    WHERE (e.subject = (_taken_from_grants.bucket).subject
           OR (e.subject >= (_taken_from_grants.bucket).subject || '/' AND e.subject < (_taken_from_grants.bucket).subject || '0'))
      AND e.feature_id = (_taken_from_grants.bucket).feature_id
      AND e.account = (_taken_from_grants.bucket).subject AND e.source_id = (_taken_from_grants.bucket).source_id
      AND e.period_start = (_taken_from_grants.bucket).period_start AND e.period_end = (_taken_from_grants.bucket).period_end
      AND e.source = 'g' AND e.grant_id IS NOT NULL
    GROUP BY e.grant_id
$$;
COMMENT ON FUNCTION quota._taken_from_grants(quota.bucket) IS 'internal: what a bucket has taken from each grant, by the ledger';

CREATE OR REPLACE FUNCTION quota._end_mark(subject text, feature_id int, source_id bigint,
                                           period_start timestamptz, period_end timestamptz) RETURNS void
    LANGUAGE sql
    SET search_path = pg_catalog, pg_temp
AS $$
    UPDATE quota.bucket b
        SET earlier_start = array_append(b.earlier_start, b.moved_start),
            earlier_end = array_append(b.earlier_end, b.moved_end),
            earlier_id = array_append(b.earlier_id, b.moved_id),
            moved_start = NULL, moved_end = NULL, moved_id = NULL
        WHERE b.subject = _end_mark.subject COLLATE "C" AND b.feature_id = _end_mark.feature_id
          AND b.source_id = _end_mark.source_id
          AND b.period_start = _end_mark.period_start AND b.period_end = _end_mark.period_end
          AND b.moved_id IS NOT NULL
$$;
COMMENT ON FUNCTION quota._end_mark(text, int, bigint, timestamptz, timestamptz) IS
    'internal: the account has come back to a window that another one took over: its mark becomes one of the earlier ones';

CREATE OR REPLACE FUNCTION quota._move_in(operation bigint, bucket quota.bucket, total quota.bucket) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    link quota.bucket := _move_in.bucket;
    sums quota.bucket := quota._add_use(_move_in.bucket, _move_in.total);
    id   bigint := _move_in.operation;
    part record;
BEGIN
    PERFORM quota._end_mark(link.subject, link.feature_id, link.source_id, link.period_start, link.period_end);
    UPDATE quota.bucket b
        SET used = sums.used, overdrawn = sums.overdrawn, granted = sums.granted, overage = sums.overage,
            reserved = sums.reserved, rolled_in = sums.rolled_in, rolled_out = sums.rolled_out, prorated = NULL
        WHERE b.subject = link.subject AND b.feature_id = link.feature_id AND b.source_id = link.source_id
          AND b.period_start = link.period_start AND b.period_end = link.period_end;
    id := quota._record_transfer(id, link, 'a', (_move_in.total).used);
    FOR part IN
        SELECT e.grant_id, - sum(e.amount)::bigint AS amount FROM quota.ledger_entry e
        WHERE e.debit_id = _move_in.operation AND e.kind = 't' AND e.source = 'g'
        GROUP BY e.grant_id ORDER BY e.grant_id
    LOOP
        id := quota._record_transfer(id, link, 'g', part.amount, part.grant_id);
    END LOOP;
    id := quota._record_transfer(id, link, 'v', coalesce((_move_in.total).overage, 0));
    PERFORM quota._record_transfer(id, link, 'o', (_move_in.total).overdrawn);
END
$$;
COMMENT ON FUNCTION quota._move_in(bigint, quota.bucket, quota.bucket) IS
    'internal: adds to a bucket whose row is locked what an operation has moved out of others; its mark becomes one of the earlier ones';

CREATE OR REPLACE FUNCTION quota._record_transfer(operation bigint, bucket quota.bucket, source "char", amount bigint,
                                                  grant_id bigint DEFAULT NULL) RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    entry bigint;
BEGIN
    IF _record_transfer.amount <> 0 THEN
        entry := nextval('quota.ledger_id_seq');
        INSERT INTO quota.ledger_entry (id, at, subject, account, feature_id, kind, source, levels, source_id, period_start, period_end,
                                        amount, debit_id, grant_id)
            VALUES (entry, quota._now(), (_record_transfer.bucket).subject, (_record_transfer.bucket).subject,
                    (_record_transfer.bucket).feature_id, 't', _record_transfer.source, 1 << quota._level((_record_transfer.bucket).subject),
                    (_record_transfer.bucket).source_id,
                    (_record_transfer.bucket).period_start, (_record_transfer.bucket).period_end, _record_transfer.amount,
                    coalesce(_record_transfer.operation, entry), _record_transfer.grant_id);
    END IF;
    RETURN coalesce(_record_transfer.operation, entry);
END
$$;
COMMENT ON FUNCTION quota._record_transfer(bigint, quota.bucket, "char", bigint, bigint) IS
    'internal: one ledger entry of a transfer; returns the id of the operation, which the first entry gives';

/*
 * The windows of a subject at a time as parallel arrays, to be kept over a
 * change; marked says whether the bucket there bears a mark already, which then
 * is an old one.
 */
CREATE OR REPLACE FUNCTION quota._windows_before(subject text, at timestamptz, only_feature int DEFAULT NULL,
                                                 OUT features int[], OUT sources bigint[],
                                                 OUT starts timestamptz[], OUT ends timestamptz[], OUT marked boolean[],
                                                 OUT allowances bigint[], OUT series text[], OUT overridden boolean[])
    LANGUAGE sql VOLATILE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT array_agg(w.feature_id), array_agg(w.source_id), array_agg(w.period_start), array_agg(w.period_end),
           array_agg(b.moved_start IS NOT NULL), array_agg(w.allowance), array_agg(w.series), array_agg(w.overridden)
    FROM quota._windows(_windows_before.subject, _windows_before.at) w
        LEFT JOIN quota.bucket b ON b.subject = _windows_before.subject COLLATE "C" AND b.feature_id = w.feature_id
            AND b.source_id = w.source_id AND b.period_start = w.period_start AND b.period_end = w.period_end
    WHERE _windows_before.only_feature IS NULL OR w.feature_id = _windows_before.only_feature
$$;
COMMENT ON FUNCTION quota._windows_before(text, timestamptz, int) IS
    'internal: what _keep_use needs to know of the time before a change, of all features or one';

/*
 * A lifetime is no period, so what was used over years is not a month's: a
 * period that follows a window without end begins at 0.  So does every window
 * that differs where a billing period ends.  What the new window was charged
 * itself, when the account was there before, stays.
 */
CREATE OR REPLACE FUNCTION quota._go_on(subject text, feature_id int, source_id bigint,
                                        old_start timestamptz, old_end timestamptz,
                                        new_start timestamptz, new_end timestamptz,
                                        at_end boolean, follow boolean DEFAULT false) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF (_go_on.old_start, _go_on.old_end) = (_go_on.new_start, _go_on.new_end) THEN
        RETURN;
    ELSIF _go_on.at_end OR (_go_on.old_end = 'infinity' AND _go_on.new_end <> 'infinity') THEN
        PERFORM quota._end_mark(_go_on.subject, _go_on.feature_id, _go_on.source_id, _go_on.new_start, _go_on.new_end);
    ELSE
        PERFORM quota._take_over(_go_on.subject, _go_on.feature_id, _go_on.source_id, _go_on.old_start, _go_on.old_end,
                                 _go_on.new_start, _go_on.new_end, _go_on.follow);
    END IF;
END
$$;
COMMENT ON FUNCTION quota._go_on(text, int, bigint, timestamptz, timestamptz, timestamptz, timestamptz, boolean, boolean) IS
    'internal: what use does where an account gets another window: it moves there, or stays, and the new window begins at 0';

/*
 * Only where the source is the same: whoever subscribes or cancels meanwhile
 * begins at 0, by the rule for subscribing.
 *
 * A feature that was not given before takes nothing over, with one exception: if
 * its window is one that was moved away from, as when a plan without the feature
 * came in between, that use comes back.
 */
CREATE OR REPLACE FUNCTION quota._keep_use(subject text, before record, at timestamptz, usage text,
                                           only_feature int DEFAULT NULL, at_end boolean DEFAULT false) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    moved record;
BEGIN
    FOR moved IN
        SELECT a.*, b.feature_id IS NULL AS is_new, b.period_start AS old_start, b.period_end AS old_end,
               NOT b.marked AS follow, k.moved_start, k.moved_id, b.allowance AS old_allowance,
               a.series = b.series AND NOT a.overridden AND NOT b.overridden AS same_series
        FROM quota._windows(_keep_use.subject, _keep_use.at) a
            JOIN quota.feature f ON f.id = a.feature_id
            LEFT JOIN unnest(before.features, before.sources, before.starts, before.ends, before.marked,
                             before.allowances, before.series, before.overridden)
                AS b(feature_id, source_id, period_start, period_end, marked, allowance, series, overridden)
                ON b.feature_id = a.feature_id AND b.source_id = a.source_id
            LEFT JOIN quota.bucket k ON k.subject = _keep_use.subject COLLATE "C" AND k.feature_id = a.feature_id
                AND k.source_id = a.source_id AND k.period_start = a.period_start AND k.period_end = a.period_end
        WHERE _keep_use.only_feature IS NULL OR a.feature_id = _keep_use.only_feature
        ORDER BY f.name
    LOOP
        IF NOT moved.is_new THEN
            PERFORM quota._go_on(_keep_use.subject, moved.feature_id, moved.source_id, moved.old_start, moved.old_end,
                                 moved.period_start, moved.period_end, _keep_use.at_end, moved.follow);
        ELSIF moved.moved_start IS NOT NULL THEN
            PERFORM quota._go_on(_keep_use.subject, moved.feature_id, moved.source_id, w.begins, w.ends,
                                 moved.period_start, moved.period_end, _keep_use.at_end)
            FROM quota._window_now(_keep_use.subject, moved.feature_id, moved.source_id,
                                   moved.period_start, moved.period_end, moved.moved_id - 1) w;
        END IF;
        PERFORM quota._set_terms(_keep_use.subject, moved.feature_id, moved.source_id, moved.period_start, moved.period_end,
                                 moved.plan_version_id, moved.allowance,
                                 CASE WHEN _keep_use.usage = 'prorate' AND moved.same_series THEN moved.old_allowance END,
                                 _keep_use.at);
    END LOOP;
END
$$;
COMMENT ON FUNCTION quota._keep_use(text, record, timestamptz, text, int, boolean) IS
    'internal: after a change at a time (at_end: of a billing period), lets use go on in the windows of that time where they are others than before, and notes the new terms there; with usage prorate shares the limit of a window that goes on';

/*
 * The row is made where there is none: a share of the window has to be somewhere,
 * and a debit that is about to make it looks everything up anew when it finds it.
 */
CREATE OR REPLACE FUNCTION quota._set_terms(subject text, feature_id int, source_id bigint,
                                            period_start timestamptz, period_end timestamptz,
                                            plan_version_id int, allowance bigint, old_allowance bigint, at timestamptz) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    prorates CONSTANT boolean := _set_terms.old_allowance IS NOT NULL AND _set_terms.allowance IS NOT NULL;
BEGIN
    IF prorates THEN
        INSERT INTO quota.bucket (subject, feature_id, source_id, period_start, period_end)
            VALUES (_set_terms.subject, _set_terms.feature_id, _set_terms.source_id, _set_terms.period_start, _set_terms.period_end)
            ON CONFLICT ON CONSTRAINT bucket_pkey DO NOTHING;
    END IF;
    UPDATE quota.bucket b
        SET plan_version_id = _set_terms.plan_version_id, allowance = _set_terms.allowance,
            prorated = CASE WHEN prorates
                            THEN nullif(quota._prorated(coalesce(b.prorated, _set_terms.old_allowance), _set_terms.allowance,
                                                        b.period_start, b.period_end, _set_terms.at),
                                        _set_terms.allowance) END
        WHERE b.subject = _set_terms.subject COLLATE "C" AND b.feature_id = _set_terms.feature_id
          AND b.source_id = _set_terms.source_id
          AND b.period_start = _set_terms.period_start AND b.period_end = _set_terms.period_end
          AND (prorates OR b.prorated IS NOT NULL OR (b.plan_version_id, b.allowance)
                                                     IS DISTINCT FROM (_set_terms.plan_version_id, _set_terms.allowance));
END
$$;
COMMENT ON FUNCTION quota._set_terms(text, int, bigint, timestamptz, timestamptz, int, bigint, bigint, timestamptz) IS
    'internal: notes in a window''s bucket, if there is one, the plan and allowance that it goes on under; given the old allowance, shares the limit between old and new by time';

-- Exact: microseconds, and div(), which does not round.
CREATE OR REPLACE FUNCTION quota._prorated(old bigint, new bigint, period_start timestamptz, period_end timestamptz, at timestamptz) RETURNS bigint
    LANGUAGE sql IMMUTABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT div(_prorated.old * e.elapsed + _prorated.new * (e.length - e.elapsed), e.length)::bigint
    FROM (SELECT trunc(1000000 * extract(epoch FROM greatest(_prorated.at, _prorated.period_start) - _prorated.period_start)) AS elapsed,
                 trunc(1000000 * extract(epoch FROM _prorated.period_end - _prorated.period_start)) AS length) e
$$;
COMMENT ON FUNCTION quota._prorated(bigint, bigint, timestamptz, timestamptz, timestamptz) IS
    'internal: floor((old x elapsed + new x left) / length) of a window';

-- A change of plan takes effect

/*
 * The windows before are those without the change, also of one that is due and
 * whom every look-up therefore takes as made: it goes from the row first.
 */
CREATE OR REPLACE FUNCTION quota._make_change(live quota.subscription, version_id int, usage text, at timestamptz, source_id bigint,
                                              at_end boolean) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    who    CONSTANT text := (_make_change.live).subject;
    resets CONSTANT boolean := _make_change.usage = 'reset';
    standings bigint[];
    before record;
BEGIN
    UPDATE quota.subscription s
        SET next_version_id = NULL, next_at = NULL, next_usage = NULL, next_source_id = NULL
        WHERE s.id = (_make_change.live).id AND s.next_at IS NOT NULL;
    standings := quota._lock_standings(who);
    IF NOT resets THEN
        before := quota._windows_before(who, _make_change.at);
    END IF;
    UPDATE quota.subscription s
        SET plan_version_id = _make_change.version_id,
            anchor_at = CASE WHEN resets THEN _make_change.at ELSE s.anchor_at END,
            source_id = CASE WHEN resets THEN _make_change.source_id ELSE s.source_id END
        WHERE s.id = (_make_change.live).id;
    IF NOT resets THEN
        PERFORM quota._keep_use(who, before, _make_change.at, _make_change.usage, at_end => _make_change.at_end);
    END IF;
    PERFORM quota._tell_crossed(who, standings);
END
$$;
COMMENT ON FUNCTION quota._make_change(quota.subscription, int, text, timestamptz, bigint, boolean) IS
    'internal: gives a subscription, whose row is locked, another plan version as of a time (at_end: of a billing period); source_id is that of its buckets after a reset';

CREATE OR REPLACE FUNCTION quota._record_change(live quota.subscription, version_id int, usage text, at timestamptz, resumes boolean) RETURNS void
    LANGUAGE sql
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT quota._record_event('plan_changed', (_record_change.live).subject, NULL,
        jsonb_build_object('subscription_id', (_record_change.live).id, 'plan', n.plan, 'version', n.version,
                           'old_plan', o.plan, 'old_version', o.version, 'usage', _record_change.usage,
                           'effective_at', _record_change.at, 'cancellation_undone', _record_change.resumes))
    FROM quota._plan_words((_record_change.live).plan_version_id) o, quota._plan_words(_record_change.version_id) n
$$;
COMMENT ON FUNCTION quota._record_change(quota.subscription, int, text, timestamptz, boolean) IS
    'internal: the event of a changed plan, given the subscription as it was before';

CREATE OR REPLACE FUNCTION quota._make_scheduled_change(live quota.subscription, at timestamptz) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    due CONSTANT quota.subscription := _make_scheduled_change.live;
BEGIN
    PERFORM quota._make_change(due, due.next_version_id, due.next_usage, _make_scheduled_change.at, due.next_source_id, true);
    PERFORM quota._record_change(due, due.next_version_id, due.next_usage, _make_scheduled_change.at, false);
END
$$;
COMMENT ON FUNCTION quota._make_scheduled_change(quota.subscription, timestamptz) IS
    'internal: carries out the change that a subscription, whose row is locked, has scheduled, as of a time';

CREATE OR REPLACE FUNCTION quota._record_status(live quota.subscription, was text) RETURNS void
    LANGUAGE sql
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT quota._record_event('status_changed', (_record_status.live).subject, NULL,
        jsonb_build_object('subscription_id', (_record_status.live).id, 'plan', p.plan, 'version', p.version,
                           'status', (_record_status.live).status, 'old_status', _record_status.was,
                           'ends_at', (_record_status.live).ends_at))
    FROM quota._plan_words((_record_status.live).plan_version_id) p
$$;
COMMENT ON FUNCTION quota._record_status(quota.subscription, text) IS
    'internal: the event of a changed status, given the subscription as it is now and the status before';

CREATE OR REPLACE FUNCTION quota._end_trial(due quota.subscription) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    live quota.subscription;
BEGIN
    UPDATE quota.subscription s
        SET status = CASE s.status WHEN 'trialing' THEN 'active' ELSE s.status END, trial_ends_at = NULL, asked_ends_at = NULL
        WHERE s.id = (_end_trial.due).id AND s.trial_ends_at IS NOT NULL
        RETURNING s.* INTO live;
    IF live.status <> (_end_trial.due).status THEN
        PERFORM quota._record_status(live, (_end_trial.due).status);
    END IF;
END
$$;
COMMENT ON FUNCTION quota._end_trial(quota.subscription) IS
    'internal: a subscription whose change at the end of its trial is due goes on without one; a paused one stays paused';

/*
 * Whoever comes first after the time of a scheduled change carries it out: a
 * charge, administration, or maintain().  It acts as if it had been made at its
 * time: nobody has charged the subject since then, for a charge carries it out
 * first, so the windows of that time are those whose use moves.
 *
 * The row lock lets one session do it; the others find nothing due after it.  A
 * subscription that has ended meanwhile had the change too; one that ended
 * before has not.
 */
CREATE OR REPLACE FUNCTION quota._carry_out(subject text) RETURNS int
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    SET TimeZone = 'UTC'
AS $$
DECLARE
    due     quota.subscription;
    changes int := 0;
BEGIN
    FOR due IN
        SELECT s.* FROM quota.subscription s
        WHERE s.subject = _carry_out.subject COLLATE "C" AND s.next_at <= quota._now()
          AND (s.ends_at IS NULL OR s.next_at < s.ends_at)
        ORDER BY s.starts_at FOR UPDATE
    LOOP
        PERFORM quota._end_trial(due);
        PERFORM quota._make_scheduled_change(due, due.next_at);
        changes := changes + 1;
    END LOOP;
    RETURN changes;
END
$$;
COMMENT ON FUNCTION quota._carry_out(text) IS
    'internal: carries out a subject''s scheduled change of plan that has come into force, with its event; returns how many; charges, administration and maintain() call it first';

-- The functions of the contract

CREATE OR REPLACE FUNCTION quota.subscribe(subject text, plan text, starts_at timestamptz DEFAULT NULL,
                                           ends_at timestamptz DEFAULT NULL, trial interval DEFAULT NULL,
                                           timezone text DEFAULT 'UTC', external_id text DEFAULT NULL,
                                           metadata jsonb DEFAULT NULL) RETURNS bigint
    LANGUAGE quota_plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    SET TimeZone = 'UTC'
AS $$
DECLARE
    who       text := quota._subject(subscribe.subject);
    wanted    text := quota._require_name(subscribe.plan, 'plan', 1024);
    zone      text := quota._timezone(subscribe.timezone);
    begins    timestamptz := coalesce(subscribe.starts_at, quota._now());
    asked_end timestamptz := nullif(subscribe.ends_at, 'infinity');
    trial_end timestamptz;
    other_id  text := quota._external_id(subscribe.external_id);
    extra     jsonb := quota._metadata(subscribe.metadata);
    newest    record;
    new_id    bigint;
BEGIN
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
    LOCK TABLE quota.bucket, quota.subscription IN ROW EXCLUSIVE MODE;
    PERFORM quota._carry_out(who);
    newest := quota._plan_version(wanted);
    PERFORM quota._no_retired(wanted, newest.retired);

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
        jsonb_build_object('subscription_id', new_id, 'plan', wanted, 'version', newest.version,
                           'starts_at', begins, 'ends_at', coalesce(trial_end, asked_end), 'trial_ends_at', trial_end));
    RETURN new_id;
END
$$;
COMMENT ON FUNCTION quota.subscribe(text, text, timestamptz, timestamptz, interval, text, text, jsonb) IS
    'gives a subject a plan in its newest version from starts_at (NULL: now) until ends_at (NULL or infinity: open) and returns the subscription''s id; metered use starts at 0; with trial it ends when the trial does, unless set_status(''active'') or a change of plan for that end comes before; 23P01 while the subject has another, QT404 for an unknown plan, 22023 for a retired one';

CREATE OR REPLACE FUNCTION quota.cancel(subject text, effective text DEFAULT 'period_end') RETURNS timestamptz
    LANGUAGE quota_plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    SET TimeZone = 'UTC'
AS $$
DECLARE
    who      text := quota._subject(cancel.subject);
    moment   text := quota._require_word(cancel.effective, 'effective', '{now,period_end}');
    at       timestamptz := quota._now();
    live     quota.subscription;
    words    record;
    ends     timestamptz;
BEGIN
    LOCK TABLE quota.bucket, quota.subscription IN ROW EXCLUSIVE MODE;
    live := quota._require_subscription(who);
    words := quota._plan_words(live.plan_version_id);

    IF live.starts_at > at THEN
        -- It stays as a row that lasted for no time: a transaction with a later
        -- clock may have charged it, and its buckets must not lose their source.
        ends := live.starts_at;
    ELSIF moment = 'now' THEN
        ends := at;
    ELSIF live.cancelled_at IS NOT NULL THEN
        RETURN live.ends_at;
    ELSE
        ends := least(live.ends_at, coalesce(live.trial_ends_at,
                      (quota._window(words.period, 'subscription', NULL, live.anchor_at, live.timezone, at)).window_end));
    END IF;

    UPDATE quota.subscription s
        SET ends_at = ends,
            next_version_id = NULL, next_at = NULL, next_usage = NULL, next_source_id = NULL,
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
                           'effective', moment, 'ends_at', ends));
    RETURN ends;
END
$$;
COMMENT ON FUNCTION quota.cancel(text, text) IS
    'ends a subject''s subscription now or with the present billing period (in a trial: with that; or its own end, if that is nearer) and returns when it ends; a subscription that has not started yet is removed; cancelling again changes nothing but for ''now''; a scheduled change of plan is dropped; QT404 if there is none';

CREATE OR REPLACE FUNCTION quota.set_status(subject text, status text) RETURNS void
    LANGUAGE quota_plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    SET TimeZone = 'UTC'
AS $$
DECLARE
    who   text := quota._subject(set_status.subject);
    given text := quota._require_word(set_status.status, 'status', '{active,past_due,paused}');
    live  quota.subscription;
    was   text;
    ends_trial boolean;
BEGIN
    LOCK TABLE quota.bucket, quota.subscription IN ROW EXCLUSIVE MODE;
    live := quota._require_subscription(who);
    was := live.status;
    IF was = given THEN
        RETURN;
    END IF;
    live.status := given;
    ends_trial := live.status = 'active' AND live.trial_ends_at IS NOT NULL;
    IF ends_trial THEN
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
    PERFORM quota._record_status(live, was);
    IF ends_trial AND live.next_at IS NOT NULL THEN
        PERFORM quota._make_scheduled_change(live, quota._now());
    END IF;
END
$$;
COMMENT ON FUNCTION quota.set_status(text, text) IS
    'says whether a subscription is active, past_due or paused; paused refuses every use, past_due does once the plan''s grace, counted from when it became past_due, is over (no grace: at once); active before a trial''s end ends the trial: a change scheduled for that end comes at once, and the subscription lasts as long as was asked for; QT404 if there is no subscription';

/*
 * A scheduled change and a scheduled end replace each other.  Raises 23P01 where
 * the time after the end has been given to another subscription meanwhile.
 */
CREATE OR REPLACE FUNCTION quota._drop_schedule(live quota.subscription) RETURNS quota.subscription
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    dropped quota.subscription;
BEGIN
    UPDATE quota.subscription s
        SET ends_at = CASE WHEN s.cancelled_at IS NOT NULL OR s.trial_ends_at IS NOT NULL THEN quota._restored_end(_drop_schedule.live)
                           ELSE s.ends_at END,
            asked_ends_at = CASE WHEN s.cancelled_at IS NOT NULL AND s.trial_ends_at IS NULL THEN NULL ELSE s.asked_ends_at END,
            cancelled_at = NULL,
            next_version_id = NULL, next_at = NULL, next_usage = NULL, next_source_id = NULL
        WHERE s.id = (_drop_schedule.live).id
        RETURNING s.* INTO dropped;
    RETURN dropped;
EXCEPTION WHEN exclusion_violation THEN
    PERFORM quota._raise_overlap((_drop_schedule.live).subject);
END
$$;
COMMENT ON FUNCTION quota._drop_schedule(quota.subscription) IS
    'internal: takes a scheduled cancellation or change of plan back, and returns the row';

/*
 * A trial ends its subscription unless something comes at its end: so a change
 * that is scheduled in a trial comes then, and gives the subscription the end that
 * was asked for.  _drop_schedule() takes that back.
 */
CREATE OR REPLACE FUNCTION quota._end_after_trial(live quota.subscription) RETURNS timestamptz
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    trial_end CONSTANT timestamptz := (_end_after_trial.live).trial_ends_at;
    longer    quota.subscription := _end_after_trial.live;
    ends      timestamptz;
BEGIN
    longer.trial_ends_at := NULL;
    ends := quota._restored_end(longer);
    IF ends <= trial_end THEN
        RAISE EXCEPTION USING ERRCODE = '22023',
            MESSAGE = format('the subscription of "%s" ends with its trial', longer.subject),
            DETAIL = CASE WHEN longer.asked_ends_at <= trial_end THEN 'It was to end then.'
                          ELSE 'Another one begins then.' END,
            HINT = 'Change its plan now.';
    END IF;
    RETURN ends;
END
$$;
COMMENT ON FUNCTION quota._end_after_trial(quota.subscription) IS
    'internal: when a subscription ends that goes on after its trial; 22023 if the trial is all of it';

/*
 * The version is that of the call, so it is kept even if the plan gets a newer
 * one until then.
 */
CREATE OR REPLACE FUNCTION quota._schedule_change(live quota.subscription, version_id int, usage text) RETURNS void
    LANGUAGE sql
    SET search_path = pg_catalog, pg_temp
AS $$
    UPDATE quota.subscription s
        SET next_version_id = _schedule_change.version_id, next_usage = _schedule_change.usage,
            next_source_id = CASE _schedule_change.usage WHEN 'reset' THEN nextval('quota.subscription_id_seq') ELSE s.source_id END,
            next_at = coalesce(s.trial_ends_at,
                               (SELECT w.window_end
                                FROM quota._plan_words(s.plan_version_id) p,
                                     quota._window(p.period, 'subscription', NULL, s.anchor_at, s.timezone, quota._now()) w)),
            ends_at = CASE WHEN s.trial_ends_at IS NULL THEN s.ends_at ELSE quota._end_after_trial(_schedule_change.live) END
        WHERE s.id = (_schedule_change.live).id
$$;
COMMENT ON FUNCTION quota._schedule_change(quota.subscription, int, text) IS
    'internal: lets a plan version come into force when the present billing period ends, or the trial';

CREATE OR REPLACE FUNCTION quota.change_plan(subject text, plan text, effective text DEFAULT 'now', usage text DEFAULT 'keep') RETURNS bigint
    LANGUAGE quota_plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    SET TimeZone = 'UTC'
AS $$
DECLARE
    who       text := quota._subject(change_plan.subject);
    wanted    text := quota._require_name(change_plan.plan, 'plan', 1024);
    moment    text := quota._require_word(change_plan.effective, 'effective', '{now,period_end}');
    mode      text := quota._require_word(change_plan.usage, 'usage', '{keep,reset,prorate}');
    at        timestamptz := quota._now();
    newest    record;
    words     record;
    live      quota.subscription;
    is_live   boolean;
    confirms  boolean;
    resumes   boolean;
    same_plan boolean;
    same      boolean;
BEGIN
    LOCK TABLE quota.bucket, quota.subscription IN ROW EXCLUSIVE MODE;
    LOOP
        live := quota._current_subscription(who);
        newest := quota._plan_version(wanted);
        EXIT WHEN live.id IS NOT NULL;
        BEGIN
            RETURN quota.subscribe(who, wanted);
        EXCEPTION WHEN exclusion_violation THEN
            NULL;   -- somebody else subscribed it at this moment: change that one
        END;
    END LOOP;

    words := quota._plan_words(live.plan_version_id);
    same_plan := newest.plan_id = (SELECT v.plan_id FROM quota.plan_version v WHERE v.id = live.plan_version_id);
    IF NOT same_plan THEN
        PERFORM quota._no_retired(wanted, newest.retired);
    END IF;
    is_live := live.starts_at <= at;
    resumes := live.cancelled_at IS NOT NULL;
    confirms := is_live AND moment = 'period_end' AND live.trial_ends_at IS NOT NULL;
    -- a reset to the same version begins anew, keep and prorate change nothing then but the end of a trial
    same := newest.version_id = live.plan_version_id AND (mode <> 'reset' OR NOT is_live) AND NOT confirms;
    IF resumes OR live.next_at IS NOT NULL THEN
        live := quota._drop_schedule(live);
    END IF;

    IF same OR (is_live AND moment = 'period_end') THEN
        IF NOT same THEN
            PERFORM quota._schedule_change(live, newest.version_id, mode);
        END IF;
        IF resumes THEN
            PERFORM quota._record_event('cancellation_undone', who, NULL,
                jsonb_build_object('subscription_id', live.id, 'plan', words.plan, 'version', words.version,
                                   'ends_at', (SELECT s.ends_at FROM quota.subscription s WHERE s.id = live.id)));
        END IF;
        RETURN live.id;
    END IF;

    IF is_live THEN
        PERFORM quota._make_change(live, newest.version_id, mode, at,
                                   CASE mode WHEN 'reset' THEN nextval('quota.subscription_id_seq') ELSE live.source_id END, false);
    ELSE
        UPDATE quota.subscription s SET plan_version_id = newest.version_id WHERE s.id = live.id;
    END IF;
    PERFORM quota._record_change(live, newest.version_id, CASE WHEN is_live THEN mode END,
                                 greatest(at, live.starts_at), resumes);
    RETURN live.id;
END
$$;
COMMENT ON FUNCTION quota.change_plan(text, text, text, text) IS
    'moves a subject''s subscription to a plan''s newest version, now or when the billing period ends (in a trial: when that ends, whereupon the subscription goes on, also with the same plan), and returns the subscription''s id; usage keep: use goes on under the new limits, but begins at 0 in a period that follows a window without end, and at the end of a billing period in every window that differs; reset: metered use and periods begin anew; prorate: keep, with the present period''s limit shared between old and new by time; a scheduled cancellation or change is replaced; without a subscription subscribes now, and of one that has not started yet the plan is replaced; QT404 for an unknown plan, 22023 for a retired one';

/*
 * The account's window may begin elsewhere afterwards, so this acts as
 * change_plan keep.  The moment at which an override was set, the anchor
 * "subscription" of a subject without one, stays while period and anchor do:
 * a raised allowance does not move the window.
 */
CREATE OR REPLACE FUNCTION quota.override(subject text, feature text, entitlement jsonb) RETURNS void
    LANGUAGE quota_plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    SET TimeZone = 'UTC'
AS $$
DECLARE
    who    text := quota._subject(override.subject);
    at     timestamptz := quota._now();
    what   quota.feature;
    old    quota.subject_override;
    terms  quota.entitlement;
    standings bigint[];
    before record;
BEGIN
    LOCK TABLE quota.bucket, quota.subscription, quota.subject_override IN ROW EXCLUSIVE MODE;
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
        standings := quota._lock_standings(who);
        before := quota._windows_before(who, at, what.id);
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
        IF quota._override_meaning(old) IS NOT DISTINCT FROM quota._terms_meaning(terms) THEN
            RETURN;     -- also in other words
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
    PERFORM quota._keep_use(who, before, at, 'keep', what.id);
    PERFORM quota._tell_crossed(who, standings);
    IF override.entitlement IS NULL THEN
        PERFORM quota._record_event('override_removed', who, what.id, '{}');
    ELSE
        PERFORM quota._record_event('override_set', who, what.id, jsonb_build_object('entitlement', override.entitlement));
    END IF;
END
$$;
COMMENT ON FUNCTION quota.override(text, text, jsonb) IS
    'gives one subject an entitlement of its own, as JSON like in the catalog, in place of what its plan gives of the feature; SQL NULL removes it; use goes on as with change_plan keep; QT404 for an unknown feature, 22023 with the path for a bad entitlement';
