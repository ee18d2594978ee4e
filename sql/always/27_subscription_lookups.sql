/* Plans, features, overrides and subscriptions looked up, and events recorded. */

CREATE OR REPLACE FUNCTION quota_internal._plan_version(plan text, OUT plan_id int, OUT version_id int, OUT version int, OUT retired boolean)
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    wanted text := quota_internal._require_name(_plan_version.plan, 'plan', 1024);
BEGIN
    SELECT p.id, v.id, v.version, p.retired_at IS NOT NULL
        INTO plan_id, version_id, version, retired
        FROM quota_internal.plan p JOIN quota_internal.plan_version v ON v.plan_id = p.id
        WHERE p.name = wanted COLLATE "C"
        ORDER BY v.version DESC LIMIT 1
        FOR KEY SHARE OF v;
    IF version_id IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'QT404',
            MESSAGE = format('plan "%s" does not exist', left(wanted, 128));
    END IF;
END
$$;
COMMENT ON FUNCTION quota_internal._plan_version(text) IS 'internal: a plan''s newest version, locked against being deleted; QT404 if there is no such plan';

CREATE OR REPLACE FUNCTION quota_internal._feature(feature text) RETURNS quota_internal.feature
    LANGUAGE plpgsql STABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    wanted    text := quota_internal._require_name(_feature.feature, 'feature', 63);
    found_row quota_internal.feature;
BEGIN
    SELECT f.* INTO found_row FROM quota_internal.feature f WHERE f.name = wanted COLLATE "C";
    IF found_row.id IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'QT404',
            MESSAGE = format('feature "%s" does not exist', wanted);
    END IF;
    RETURN found_row;
END
$$;
COMMENT ON FUNCTION quota_internal._feature(text) IS 'internal: a feature''s row; QT404 if there is none; locks nothing, for reports';

CREATE OR REPLACE FUNCTION quota_internal._lock_feature(feature text) RETURNS quota_internal.feature
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    wanted    text := quota_internal._require_name(_lock_feature.feature, 'feature', 63);
    found_row quota_internal.feature;
BEGIN
    SELECT f.* INTO found_row FROM quota_internal.feature f WHERE f.id = (quota_internal._feature(wanted)).id FOR KEY SHARE;
    -- NULLs if it was deleted while we waited: then this says so
    RETURN coalesce(found_row, quota_internal._feature(wanted));
END
$$;
COMMENT ON FUNCTION quota_internal._lock_feature(text) IS 'internal: a feature''s row, locked against being deleted; QT404 if there is none';

CREATE OR REPLACE FUNCTION quota_internal._override_entitlement(kind text, entitlement jsonb) RETURNS quota_internal.entitlement
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    given jsonb := quota_internal._require_size(_override_entitlement.entitlement, 65536, 'entitlement');
BEGIN
    IF jsonb_typeof(given) = 'null' THEN
        RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'override: must be an object',
            HINT = 'SQL NULL removes an override; a driver may have sent its null as JSON.';
    END IF;
    RETURN quota_internal._catalog_entitlement('override', _override_entitlement.kind, given);
END
$$;
COMMENT ON FUNCTION quota_internal._override_entitlement(text, jsonb) IS 'internal: the terms in an override''s JSON, and those of members; errors name the path, which begins with override; 22023 over 64 kB';

CREATE OR REPLACE FUNCTION quota_internal._no_retired(plan text, retired boolean) RETURNS void
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
COMMENT ON FUNCTION quota_internal._no_retired(text, boolean) IS 'internal: raises 22023 for a retired plan';

CREATE OR REPLACE FUNCTION quota_internal._resumed(subscription quota_internal.subscription, at timestamptz) RETURNS quota_internal.subscription
    LANGUAGE plpgsql IMMUTABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    live quota_internal.subscription := _resumed.subscription;
BEGIN
    IF live.paused_until <= _resumed.at THEN
        live.status := live.paused_from;
        live.paused_from := NULL;
        live.paused_until := NULL;
    END IF;
    RETURN live;
END
$$;
COMMENT ON FUNCTION quota_internal._resumed(quota_internal.subscription, timestamptz) IS
    'internal: a subscription as it is at a time: a pause whose date has come is over';

CREATE OR REPLACE FUNCTION quota_internal._current_subscription(subject text) RETURNS quota_internal.subscription
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    found_row quota_internal.subscription;
    at        timestamptz := quota_internal._now();
BEGIN
    LOOP
        PERFORM quota_internal._carry_out(_current_subscription.subject);
        SELECT s.* INTO found_row FROM quota_internal.subscription s
            WHERE s.subject = _current_subscription.subject COLLATE "C"
              AND (s.ends_at IS NULL OR s.ends_at > greatest(at, s.starts_at))
            ORDER BY s.starts_at LIMIT 1 FOR UPDATE;
        -- The row that was waited for may have ended while another took its
        -- place; only a fresh snapshot shows that one.
        EXIT WHEN FOUND OR NOT EXISTS (
            SELECT FROM quota_internal.subscription s
            WHERE s.subject = _current_subscription.subject COLLATE "C"
              AND (s.ends_at IS NULL OR s.ends_at > greatest(at, s.starts_at)));
    END LOOP;
    RETURN quota_internal._resumed(found_row, at);
END
$$;
COMMENT ON FUNCTION quota_internal._current_subscription(text) IS
    'internal: locks and returns a subject''s live subscription, else its next future one, else a row of NULLs; what was scheduled and has come into force is carried out before';

CREATE OR REPLACE FUNCTION quota_internal._require_subscription(subject text) RETURNS quota_internal.subscription
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    found_row quota_internal.subscription := quota_internal._current_subscription(_require_subscription.subject);
BEGIN
    IF found_row.id IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'QT404',
            MESSAGE = format('"%s" has no subscription', _require_subscription.subject);
    END IF;
    RETURN found_row;
END
$$;
COMMENT ON FUNCTION quota_internal._require_subscription(text) IS 'internal: like _current_subscription, but none is QT404';

/*
 * The end that a subscription has without a scheduled cancellation (and, once
 * its trial_ends_at is gone, without its trial): what was asked for, but not
 * into the next subscription, which may have been booked for the time after the
 * nearer end.
 */
CREATE OR REPLACE FUNCTION quota_internal._restored_end(subscription quota_internal.subscription) RETURNS timestamptz
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT least(coalesce((_restored_end.subscription).trial_ends_at, (_restored_end.subscription).asked_ends_at),
                 (SELECT min(s.starts_at) FROM quota_internal.subscription s
                  WHERE s.subject = (_restored_end.subscription).subject
                    AND s.starts_at > (_restored_end.subscription).starts_at
                    AND (s.ends_at IS NULL OR s.ends_at > s.starts_at)))
$$;
COMMENT ON FUNCTION quota_internal._restored_end(quota_internal.subscription) IS
    'internal: when a subscription ends once its trial or its scheduled cancellation is taken back';

CREATE OR REPLACE FUNCTION quota_internal._raise_overlap(subject text) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION USING ERRCODE = '23P01',
        MESSAGE = format('"%s" already has a subscription in this time', _raise_overlap.subject),
        HINT = 'Change its plan with quota.change_plan(), end it with quota.cancel(), or let the new one start when it ends.',
        SCHEMA = 'quota_internal', TABLE = 'subscription', CONSTRAINT = 'subscription_one_at_a_time';
END
$$;
COMMENT ON FUNCTION quota_internal._raise_overlap(text) IS 'internal: 23P01 in words that do not speak of an index';

CREATE OR REPLACE FUNCTION quota_internal._plan_words(version_id int, OUT plan text, OUT version int, OUT period text)
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT p.name, v.version, v.period FROM quota_internal.plan_version v JOIN quota_internal.plan p ON p.id = v.plan_id
    WHERE v.id = _plan_words.version_id
$$;
COMMENT ON FUNCTION quota_internal._plan_words(int) IS 'internal: the names of a plan version';

-- PL/pgSQL keeps its plans, here and below; a function in SQL is parsed and planned by every statement that calls it.
CREATE OR REPLACE FUNCTION quota_internal._record_event(type text, subject text, feature_id int, data jsonb) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    INSERT INTO quota_internal.event (at, type, subject, feature_id, data)
    VALUES (quota_internal._now(), _record_event.type, _record_event.subject, _record_event.feature_id, _record_event.data);
END
$$;
COMMENT ON FUNCTION quota_internal._record_event(text, text, int, jsonb) IS 'internal: one row of quota.events';

CREATE OR REPLACE FUNCTION quota_internal._require_product(terms quota_internal.terms_fields, quantity bigint) RETURNS void
    LANGUAGE plpgsql IMMUTABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF (SELECT max(u) FROM unnest(ARRAY[(terms).allowance, (terms).overage_limit, (terms).rollover_max]
                                  || ARRAY(SELECT c.ceiling FROM unnest((terms).caps) c)) u) > 9223372036854775807 / quantity THEN
        RAISE EXCEPTION USING ERRCODE = '22003', MESSAGE = 'quantity is too large',
            DETAIL = 'With it a limit that is times the quantity would go beyond 9223372036854775807.';
    END IF;
END
$$;
COMMENT ON FUNCTION quota_internal._require_product(quota_internal.terms_fields, bigint) IS
    'internal: raises 22003 where the units of terms times a quantity are more than a bigint holds';

CREATE OR REPLACE FUNCTION quota_internal._require_quantity(subject text, version_id int, quantity bigint) RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM quota_internal._require_product(t.terms, _require_quantity.quantity)
    FROM (SELECT e.terms, e.members FROM quota_internal.entitlement e WHERE e.plan_version_id = _require_quantity.version_id
          UNION ALL
          SELECT o.terms, o.members FROM quota_internal.subject_override o WHERE o.subject = _require_quantity.subject COLLATE "C") g,
        LATERAL (VALUES (g.terms), (g.members)) t(terms)
    WHERE (t.terms).times_quantity;
END
$$;
COMMENT ON FUNCTION quota_internal._require_quantity(text, int, bigint) IS
    'internal: raises 22003 where a quantity is too large for a plan version or the subject''s overrides';

CREATE OR REPLACE FUNCTION quota_internal._quantity_for(subject text, at timestamptz) RETURNS bigint
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT coalesce((SELECT s.quantity FROM quota_internal.subscription s
                     WHERE (s.subject = _quantity_for.subject OR starts_with(_quantity_for.subject, s.subject || '/'))
                       AND s.subject IN (SELECT array_to_string((string_to_array(_quantity_for.subject, '/'))[:n], '/') FROM generate_series(1, 8) n)
                       AND s.starts_at <= _quantity_for.at AND (s.ends_at IS NULL OR s.ends_at > _quantity_for.at)
                     ORDER BY length(s.subject) DESC LIMIT 1), 1)
$$;
COMMENT ON FUNCTION quota_internal._quantity_for(text, timestamptz) IS
    'internal: the quantity of the subscription that a subject''s accounts depend on, 1 without one';
