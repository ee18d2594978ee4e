/* What of a subscription is no change of plan; the locks are those of 30_subscriptions. */

/*
 * Dates without an offset are in UTC: the function that calls this runs there.
 * No words such as "tomorrow", which would mean something else in a log.
 */
CREATE OR REPLACE FUNCTION quota_internal._amended_time(changes jsonb, key text, after timestamptz) RETURNS timestamptz
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    path  CONSTANT text := 'changes.' || _amended_time.key;
    given CONSTANT text := _amended_time.changes ->> _amended_time.key;
    result timestamptz;
BEGIN
    IF given IS NULL OR given = 'infinity' THEN
        RETURN NULL;
    ELSIF given ~ '^[0-9]{4,6}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]{1,6})?)?( ?(Z|[+-][0-9]{2}(:?[0-9]{2})?))?)?$' THEN
        BEGIN
            result := given::timestamptz;
        EXCEPTION WHEN data_exception THEN
            NULL;               -- such as 30 February; refused below
        END;
    END IF;
    IF result IS NULL THEN
        PERFORM quota_internal._catalog_error(path, 'is not a time', 'Write it as "2026-01-31T00:00:00Z" or "2026-01-31 00:00:00+01:00".');
    END IF;
    PERFORM quota_internal._require_time(result, path);
    IF result <= _amended_time.after THEN
        PERFORM quota_internal._catalog_error(path, format('must be after %s', _amended_time.after), 'quota.cancel() ends a subscription now.');
    END IF;
    RETURN result;
END
$$;
COMMENT ON FUNCTION quota_internal._amended_time(jsonb, text, timestamptz) IS
    'internal: a time in the changes of amend(), NULL for null or infinity; 22023 if it is none, or not after a moment';

CREATE OR REPLACE FUNCTION quota_internal._amended_ends(live quota_internal.subscription, changes jsonb, after timestamptz) RETURNS quota_internal.subscription
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    amended quota_internal.subscription := _amended_ends.live;
    says_end CONSTANT boolean := _amended_ends.changes ? 'ends_at';
    asked    CONSTANT timestamptz := CASE WHEN says_end THEN quota_internal._amended_time(_amended_ends.changes, 'ends_at', _amended_ends.after)
                                          ELSE amended.asked_ends_at END;
BEGIN
    IF says_end THEN
        amended.cancelled_at := NULL;
    END IF;
    IF amended.trial_ends_at IS NULL THEN
        IF _amended_ends.changes ->> 'trial_ends_at' IS NOT NULL THEN
            PERFORM quota_internal._catalog_error('changes.trial_ends_at', 'the subscription is in no trial');
        ELSIF says_end THEN
            amended.ends_at := asked;
            amended.asked_ends_at := NULL;
        END IF;
        RETURN amended;
    END IF;

    -- in a trial: as subscribe() does, it ends no later than the subscription was to
    amended.asked_ends_at := asked;
    amended.trial_ends_at := least(coalesce(quota_internal._amended_time(_amended_ends.changes, 'trial_ends_at', _amended_ends.after),
                                            amended.trial_ends_at), asked);
    amended.ends_at := amended.trial_ends_at;
    IF amended.next_at IS NOT NULL THEN
        -- a change that is scheduled in a trial comes at its end
        IF EXISTS (SELECT FROM quota_internal.subscription s
                   WHERE s.subject = amended.subject AND s.starts_at > amended.starts_at AND s.starts_at < amended.trial_ends_at
                     AND (s.ends_at IS NULL OR s.ends_at > s.starts_at)) THEN
            PERFORM quota_internal._raise_overlap(amended.subject);
        END IF;
        amended.next_at := amended.trial_ends_at;
        amended.ends_at := quota_internal._end_after_trial(amended);
        IF says_end THEN
            amended.ends_at := asked;
        END IF;
    END IF;
    RETURN amended;
END
$$;
COMMENT ON FUNCTION quota_internal._amended_ends(quota_internal.subscription, jsonb, timestamptz) IS
    'internal: a subscription with the ends of trial and subscription that the changes of amend() say; 22023 if they are not after a moment, or there is no trial';

CREATE OR REPLACE FUNCTION quota_internal._amended(live quota_internal.subscription, changes jsonb, at timestamptz) RETURNS quota_internal.subscription
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    given   CONSTANT jsonb := _amended.changes;
    amended quota_internal.subscription := _amended.live;
BEGIN
    IF given ?| '{trial_ends_at,ends_at}' THEN
        amended := quota_internal._amended_ends(amended, given, greatest(_amended.at, amended.starts_at));
    END IF;
    IF given ? 'timezone' THEN
        amended.timezone := quota_internal._timezone(coalesce(given ->> 'timezone', 'UTC'));
    END IF;
    IF given ? 'external_id' THEN
        amended.external_id := quota_internal._external_id(given ->> 'external_id');
    END IF;
    IF given ? 'metadata' THEN
        amended.metadata := quota_internal._metadata(nullif(given -> 'metadata', 'null'));
    END IF;
    IF given ? 'quantity' THEN
        amended.quantity := coalesce(quota_internal._catalog_whole('changes.quantity', nullif(given -> 'quantity', 'null'), 1), 1);
    END IF;
    RETURN amended;
END
$$;
COMMENT ON FUNCTION quota_internal._amended(quota_internal.subscription, jsonb, timestamptz) IS
    'internal: a subscription with the changes of amend(), null clearing; 22023, 22001, 22003, 22008 for bad ones';

CREATE OR REPLACE FUNCTION quota_internal._amendable(subscription quota_internal.subscription) RETURNS jsonb
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT jsonb_build_object('trial_ends_at', s.trial_ends_at,
                              'ends_at', CASE WHEN s.trial_ends_at IS NULL THEN s.ends_at ELSE s.asked_ends_at END,
                              'timezone', s.timezone, 'external_id', s.external_id, 'metadata', s.metadata, 'quantity', s.quantity)
    FROM (SELECT (_amendable.subscription).*) s
$$;
COMMENT ON FUNCTION quota_internal._amendable(quota_internal.subscription) IS
    'internal: what amend() can change, as it names it; in a trial, ends_at is the end after it';

CREATE OR REPLACE FUNCTION quota_internal._record_amendment(old quota_internal.subscription, new quota_internal.subscription) RETURNS void
    LANGUAGE sql
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT quota_internal._record_event('subscription_amended', (_record_amendment.new).subject, NULL,
        jsonb_build_object('before', jsonb_object_agg(b.key, b.value), 'after', jsonb_object_agg(a.key, a.value)))
    FROM jsonb_each(quota_internal._amendable(_record_amendment.old)) b
        JOIN jsonb_each(quota_internal._amendable(_record_amendment.new)) a ON a.key = b.key AND a.value <> b.value
    HAVING count(*) > 0
$$;
COMMENT ON FUNCTION quota_internal._record_amendment(quota_internal.subscription, quota_internal.subscription) IS
    'internal: the event of what has changed, if anything has';

CREATE OR REPLACE FUNCTION quota_internal._store_amendment(amended quota_internal.subscription) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    UPDATE quota_internal.subscription s
        SET trial_ends_at = (_store_amendment.amended).trial_ends_at, ends_at = (_store_amendment.amended).ends_at,
            asked_ends_at = (_store_amendment.amended).asked_ends_at, cancelled_at = (_store_amendment.amended).cancelled_at,
            next_at = (_store_amendment.amended).next_at, timezone = (_store_amendment.amended).timezone,
            external_id = (_store_amendment.amended).external_id, metadata = (_store_amendment.amended).metadata,
            quantity = (_store_amendment.amended).quantity
        WHERE s.id = (_store_amendment.amended).id;
EXCEPTION WHEN exclusion_violation THEN
    PERFORM quota_internal._raise_overlap((_store_amendment.amended).subject);
END
$$;
COMMENT ON FUNCTION quota_internal._store_amendment(quota_internal.subscription) IS
    'internal: writes what amend() has changed; 23P01 where another subscription is in the way';

/*
 * What is scheduled keeps its moment, also where another zone ends the billing
 * period at another one: people have been told of it.
 */
CREATE OR REPLACE FUNCTION quota.amend(subject text, changes jsonb) RETURNS bigint
    LANGUAGE quota_plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    SET TimeZone = 'UTC'
AS $$
DECLARE
    who     text := quota_internal._subject(amend.subject);
    given   jsonb := quota_internal._require_size(amend.changes, 65536, 'changes');
    at      timestamptz := quota_internal._now();
    old     quota_internal.subscription;
    live    quota_internal.subscription;
    amended quota_internal.subscription;
    before  quota_internal.standing[];
BEGIN
    PERFORM quota_internal._require(given IS NOT NULL, 'changes');
    PERFORM quota_internal._catalog_object('changes', 'subscription', given);
    IF given ? 'timezone' AND quota_internal._gives_members(who) THEN
        PERFORM quota_internal._lock_buckets('this time zone cannot be changed', 'Members whom nobody has seen yet get other windows');
    END IF;
    LOCK TABLE quota_internal.bucket, quota_internal.subscription IN ROW EXCLUSIVE MODE;
    old := quota_internal._require_subscription(who);
    live := old;
    IF given -> 'trial_ends_at' = 'null' AND old.trial_ends_at IS NOT NULL THEN
        PERFORM quota.set_status(who, 'active');
        live := quota_internal._require_subscription(who);
    END IF;
    amended := quota_internal._amended(live, given, at);
    PERFORM quota_internal._require_quantity(who, v, amended.quantity) FROM unnest(ARRAY[live.plan_version_id, live.next_version_id]) v;
    IF (amended.timezone, amended.quantity) = (live.timezone, live.quantity) OR live.starts_at > at THEN
        PERFORM quota_internal._store_amendment(amended);
    ELSE
        -- a member whose first charge is waited for here is seen only afterwards
        IF quota_internal._gives_members(who) THEN
            PERFORM quota_internal._lock_windows(ARRAY(SELECT quota_internal._dependents(live, at)), at);
        END IF;
        before := quota_internal._standings_before(ARRAY(SELECT quota_internal._dependents(live, at)), at);
        PERFORM quota_internal._store_amendment(amended);
        PERFORM quota_internal._keep_all(before, at);
    END IF;
    PERFORM quota_internal._record_amendment(old, amended);
    RETURN live.id;
END
$$;
COMMENT ON FUNCTION quota.amend(text, jsonb) IS
    'changes what is no change of plan of a subject''s present or next subscription: an object with trial_ends_at, ends_at (in a trial the end after it), timezone, external_id, metadata, quantity; null clears: zone UTC, quantity 1, open end, no trial (as set_status active); use goes on as with change_plan keep; returns the subscription''s id; QT404 if there is none, 23P01 where another one is in the way, 22023 for an unknown key, an end that is past, a trial where there is none';
