/*
 * Subscriptions and plan changes; overrides (32_overrides) keep the same order of locks.
 *
 * A change of a subject's plan locks its subscription row first (with
 * quota_internal._current_subscription, which also carries out a scheduled change that
 * has come into force), then the override, then buckets, features in the order
 * of their names, the bucket that loses its use before the one that takes it
 * over.  At READ COMMITTED every statement here sees what was committed
 * while it waited; at REPEATABLE READ a lost race is a 40001.
 *
 * There are no foreign keys (pg_restore -j would load the tables of an extension
 * in any order), so what a row refers to is kept from being deleted by hand: only
 * apply_catalog() deletes, with the tables of subscriptions and overrides locked
 * against writers.  We take our own lock on those tables first, in that order,
 * after that of quota_internal.bucket, which apply_catalog() and forget() take before any
 * other; and look features and versions up under it; the row lock there makes an old
 * snapshot fail with 40001.
 *
 * All functions run in UTC, so that the times they put into events are the same
 * under any session's TimeZone.
 */

-- A change of plan takes effect

CREATE OR REPLACE FUNCTION quota_internal._set_version(live quota_internal.subscription, version_id int, usage text, at timestamptz, source_id bigint,
                                                       at_end boolean) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    who    CONSTANT text := (_set_version.live).subject;
    resets CONSTANT boolean := _set_version.usage = 'reset';
    team   text[];
    standings bigint[];
    before quota_internal.account_window[];
    before_of_team quota_internal.standing[];
BEGIN
    team := quota_internal._lock_members(ARRAY[who],
        quota_internal._member_features(ARRAY[(_set_version.live).plan_version_id, _set_version.version_id]), _set_version.at);
    IF resets THEN
        -- use goes on only for members that have a subscription of their own
        team := ARRAY(SELECT m FROM unnest(team) m JOIN quota_internal.subscription s ON s.subject = m COLLATE "C"
                      WHERE s.starts_at <= _set_version.at AND (s.ends_at IS NULL OR s.ends_at > _set_version.at));
    END IF;
    standings := quota_internal._lock_standings(who);
    IF NOT resets THEN
        before := quota_internal._windows_before(who, _set_version.at);
    END IF;
    before_of_team := quota_internal._standings_before(team, _set_version.at, as_members => true);
    UPDATE quota_internal.subscription s
        SET plan_version_id = _set_version.version_id,
            anchor_at = CASE WHEN resets THEN _set_version.at ELSE s.anchor_at END,
            source_id = CASE WHEN resets THEN _set_version.source_id ELSE s.source_id END
        WHERE s.id = (_set_version.live).id;
    IF NOT resets THEN
        PERFORM quota_internal._keep_use(who, before, _set_version.at, _set_version.usage, at_end => _set_version.at_end);
    END IF;
    PERFORM quota_internal._keep_all(before_of_team, _set_version.at);
    PERFORM quota_internal._tell_crossed(who, standings);
END
$$;
COMMENT ON FUNCTION quota_internal._set_version(quota_internal.subscription, int, text, timestamptz, bigint, boolean) IS
    'internal: gives a subscription, whose row is locked, another plan version as of a time (at_end: of a billing period); source_id is that of its buckets after a reset';

/*
 * The windows before are those without the change, even if the change is due and
 * every look-up therefore takes it as made: so it is removed from the row first.
 */
CREATE OR REPLACE FUNCTION quota_internal._make_change(live quota_internal.subscription, version_id int, usage text, at timestamptz, source_id bigint,
                                                       at_end boolean) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    UPDATE quota_internal.subscription s
        SET next_version_id = NULL, next_at = NULL, next_usage = NULL, next_source_id = NULL
        WHERE s.id = (_make_change.live).id AND s.next_at IS NOT NULL;
    PERFORM quota_internal._set_version(_make_change.live, _make_change.version_id, _make_change.usage, _make_change.at,
                                        _make_change.source_id, _make_change.at_end);
END
$$;
COMMENT ON FUNCTION quota_internal._make_change(quota_internal.subscription, int, text, timestamptz, bigint, boolean) IS
    'internal: _set_version() in place of a scheduled change';

CREATE OR REPLACE FUNCTION quota_internal._record_change(live quota_internal.subscription, version_id int, usage text, at timestamptz, resumes boolean) RETURNS void
    LANGUAGE sql
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT quota_internal._record_event('plan_changed', (_record_change.live).subject, NULL,
        jsonb_build_object('subscription_id', (_record_change.live).id, 'plan', n.plan, 'version', n.version,
                           'old_plan', o.plan, 'old_version', o.version, 'usage', _record_change.usage,
                           'effective_at', _record_change.at, 'cancellation_undone', _record_change.resumes))
    FROM quota_internal._plan_words((_record_change.live).plan_version_id) o, quota_internal._plan_words(_record_change.version_id) n
$$;
COMMENT ON FUNCTION quota_internal._record_change(quota_internal.subscription, int, text, timestamptz, boolean) IS
    'internal: the event of a changed plan, given the subscription as it was before';

CREATE OR REPLACE FUNCTION quota_internal._make_scheduled_change(live quota_internal.subscription, at timestamptz) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    due CONSTANT quota_internal.subscription := _make_scheduled_change.live;
BEGIN
    PERFORM quota_internal._make_change(due, due.next_version_id, due.next_usage, _make_scheduled_change.at, due.next_source_id, true);
    PERFORM quota_internal._record_change(due, due.next_version_id, due.next_usage, _make_scheduled_change.at, false);
END
$$;
COMMENT ON FUNCTION quota_internal._make_scheduled_change(quota_internal.subscription, timestamptz) IS
    'internal: carries out the change that a subscription, whose row is locked, has scheduled, as of a time';

CREATE OR REPLACE FUNCTION quota_internal._record_status(live quota_internal.subscription, was text) RETURNS void
    LANGUAGE sql
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT quota_internal._record_event('status_changed', (_record_status.live).subject, NULL,
        jsonb_build_object('subscription_id', (_record_status.live).id, 'plan', p.plan, 'version', p.version,
                           'status', (_record_status.live).status, 'old_status', _record_status.was,
                           'ends_at', (_record_status.live).ends_at, 'paused_until', (_record_status.live).paused_until))
    FROM quota_internal._plan_words((_record_status.live).plan_version_id) p
$$;
COMMENT ON FUNCTION quota_internal._record_status(quota_internal.subscription, text) IS
    'internal: the event of a changed status, given the subscription as it is now and the status before';

CREATE OR REPLACE FUNCTION quota_internal._end_trial(due quota_internal.subscription) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    live quota_internal.subscription;
BEGIN
    UPDATE quota_internal.subscription s
        SET status = CASE (_end_trial.due).status WHEN 'trialing' THEN 'active' ELSE (_end_trial.due).status END,
            paused_from = CASE (_end_trial.due).paused_from WHEN 'trialing' THEN 'active' ELSE (_end_trial.due).paused_from END,
            paused_until = (_end_trial.due).paused_until,
            trial_ends_at = NULL, asked_ends_at = NULL
        WHERE s.id = (_end_trial.due).id AND s.trial_ends_at IS NOT NULL
        RETURNING s.* INTO live;
    IF live.status <> (_end_trial.due).status THEN
        PERFORM quota_internal._record_status(live, (_end_trial.due).status);
    END IF;
END
$$;
COMMENT ON FUNCTION quota_internal._end_trial(quota_internal.subscription) IS
    'internal: a subscription whose change at the end of its trial is due goes on without one; a paused one stays paused';

/*
 * The first call after the time of a scheduled change carries it out: a charge,
 * administration, or maintain().  It acts as if it had been made at its time: no
 * charge of the subject has been made since then, as it would have carried out the
 * change first, so the windows of that time are those whose use moves.
 *
 * The row lock lets one session do it; the others find nothing due after it.  A
 * subscription that has ended meanwhile had the change too; one that ended
 * before has not.
 */
CREATE OR REPLACE FUNCTION quota_internal._carry_out(subject text) RETURNS int
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    SET TimeZone = 'UTC'
AS $$
DECLARE
    due     quota_internal.subscription;
    changes int := 0;
BEGIN
    FOR due IN
        SELECT s.* FROM quota_internal.subscription s
        WHERE s.subject = _carry_out.subject COLLATE "C" AND s.next_at <= quota_internal._now()
          AND (s.ends_at IS NULL OR s.next_at < s.ends_at)
        ORDER BY s.starts_at FOR UPDATE
    LOOP
        due := quota_internal._resumed(due, due.next_at);
        PERFORM quota_internal._end_trial(due);
        PERFORM quota_internal._make_scheduled_change(due, due.next_at);
        changes := changes + 1;
    END LOOP;
    RETURN changes;
END
$$;
COMMENT ON FUNCTION quota_internal._carry_out(text) IS
    'internal: carries out a subject''s scheduled change of plan that has come into force, with its event; returns how many; charges, administration and maintain() call it first';

-- The functions of the contract

CREATE OR REPLACE FUNCTION quota.subscribe(subject text, plan text, starts_at timestamptz DEFAULT NULL,
                                           ends_at timestamptz DEFAULT NULL, trial interval DEFAULT NULL,
                                           timezone text DEFAULT 'UTC', external_id text DEFAULT NULL,
                                           metadata jsonb DEFAULT NULL, quantity bigint DEFAULT 1) RETURNS bigint
    LANGUAGE quota_plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    SET TimeZone = 'UTC'
AS $$
DECLARE
    who       text := quota_internal._subject(subscribe.subject);
    wanted    text := quota_internal._require_name(subscribe.plan, 'plan', 1024);
    zone      text := quota_internal._timezone(subscribe.timezone);
    begins    timestamptz := coalesce(subscribe.starts_at, quota_internal._now());
    asked_end timestamptz := nullif(subscribe.ends_at, 'infinity');
    trial_end timestamptz;
    other_id  text := quota_internal._external_id(subscribe.external_id);
    extra     jsonb := quota_internal._metadata(subscribe.metadata);
    seats     bigint := quota_internal._positive(subscribe.quantity, 'quantity');
    newest    record;
    new_id    bigint;
BEGIN
    IF NOT isfinite(begins) THEN
        RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'starts_at must be finite';
    END IF;
    PERFORM quota_internal._require_time(begins, 'starts_at');
    IF asked_end <= begins THEN
        RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'ends_at must be after starts_at';
    END IF;
    PERFORM quota_internal._require_time(asked_end, 'ends_at');
    IF subscribe.trial IS NOT NULL THEN
        trial_end := least(quota_internal._trial_end(begins, subscribe.trial, zone), asked_end);
        PERFORM quota_internal._require_time(trial_end, 'the end of the trial');
        -- a local time that a change of the clock skips can be none at all
        IF trial_end <= begins THEN
            RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'trial must be greater than 0';
        END IF;
    END IF;
    LOCK TABLE quota_internal.bucket, quota_internal.subscription IN ROW EXCLUSIVE MODE;
    PERFORM quota_internal._carry_out(who);
    newest := quota_internal._plan_version(wanted);
    PERFORM quota_internal._no_retired(wanted, newest.retired);
    PERFORM quota_internal._require_quantity(who, newest.version_id, seats);

    -- ON CONFLICT, because two plain inserts at once would wait for each other
    new_id := nextval('quota_internal.subscription_id_seq');
    INSERT INTO quota_internal.subscription (id, source_id, anchor_at, subject, plan_version_id, status, starts_at, ends_at, timezone,
                                             trial_ends_at, asked_ends_at, external_id, metadata, quantity)
        VALUES (new_id, new_id, begins, who, newest.version_id, CASE WHEN trial_end IS NULL THEN 'active' ELSE 'trialing' END,
                begins, coalesce(trial_end, asked_end), zone,
                trial_end, CASE WHEN trial_end IS NOT NULL THEN asked_end END, other_id, extra, seats)
        ON CONFLICT ON CONSTRAINT subscription_one_at_a_time DO NOTHING
        RETURNING id INTO new_id;
    IF new_id IS NULL THEN
        PERFORM quota_internal._raise_overlap(who);
    END IF;
    PERFORM quota_internal._record_event('subscribed', who, NULL,
        jsonb_build_object('subscription_id', new_id, 'plan', wanted, 'version', newest.version,
                           'starts_at', begins, 'ends_at', coalesce(trial_end, asked_end), 'trial_ends_at', trial_end,
                           'quantity', seats));
    RETURN new_id;
END
$$;
COMMENT ON FUNCTION quota.subscribe(text, text, timestamptz, timestamptz, interval, text, text, jsonb, bigint) IS
    'gives a subject a plan (quantity: how many of it, such as seats) in its newest version from starts_at (NULL: now) until ends_at (NULL or infinity: open) and returns the subscription''s id; metered use starts at 0; with trial it ends when the trial does, unless set_status(''active'') or a change of plan for that end comes before; 23P01 while the subject has another, QT404 for an unknown plan, 22023 for a retired one';

CREATE OR REPLACE FUNCTION quota.cancel(subject text, effective text DEFAULT 'period_end') RETURNS timestamptz
    LANGUAGE quota_plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    SET TimeZone = 'UTC'
AS $$
DECLARE
    who      text := quota_internal._subject(cancel.subject);
    moment   text := quota_internal._require_word(cancel.effective, 'effective', '{now,period_end}');
    at       timestamptz := quota_internal._now();
    live     quota_internal.subscription;
    words    record;
    ends     timestamptz;
BEGIN
    LOCK TABLE quota_internal.bucket, quota_internal.subscription IN ROW EXCLUSIVE MODE;
    live := quota_internal._require_subscription(who);
    words := quota_internal._plan_words(live.plan_version_id);

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
                      (quota_internal._window(words.period, 'subscription', NULL, live.anchor_at, live.timezone, at)).window_end));
    END IF;

    UPDATE quota_internal.subscription s
        SET ends_at = ends,
            next_version_id = NULL, next_at = NULL, next_usage = NULL, next_source_id = NULL,
            cancelled_at = coalesce(s.cancelled_at, at),
            asked_ends_at = CASE WHEN s.trial_ends_at IS NULL AND s.cancelled_at IS NULL THEN s.ends_at
                                       ELSE s.asked_ends_at END
        WHERE s.id = live.id;
    IF live.starts_at > at THEN
        PERFORM quota_internal._record_event('subscription_removed', who, NULL,
            jsonb_build_object('subscription_id', live.id, 'plan', words.plan, 'version', words.version, 'starts_at', live.starts_at));
        RETURN at;
    END IF;
    PERFORM quota_internal._record_event('subscription_cancelled', who, NULL,
        jsonb_build_object('subscription_id', live.id, 'plan', words.plan, 'version', words.version,
                           'effective', moment, 'ends_at', ends));
    RETURN ends;
END
$$;
COMMENT ON FUNCTION quota.cancel(text, text) IS
    'ends a subject''s subscription now or with the present billing period (in a trial: with that; or its own end, if that is nearer) and returns when it ends; a subscription that has not started yet is removed; cancelling again changes nothing but for ''now''; a scheduled change of plan is dropped; QT404 if there is none';

CREATE OR REPLACE FUNCTION quota_internal._pause_end(status text, until timestamptz, at timestamptz) RETURNS timestamptz
    LANGUAGE plpgsql IMMUTABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF _pause_end.until IS NOT NULL AND _pause_end.status <> 'paused' THEN
        RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'until goes with the status paused alone';
    ELSIF _pause_end.until <= _pause_end.at THEN
        RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'until must be in the future';
    ELSIF isfinite(_pause_end.until) THEN
        PERFORM quota_internal._require_time(_pause_end.until, 'until');
    END IF;
    RETURN nullif(_pause_end.until, 'infinity');
END
$$;
COMMENT ON FUNCTION quota_internal._pause_end(text, timestamptz, timestamptz) IS
    'internal: until when set_status() pauses, NULL for ever; 22023 for a time that has come, or another status';

/*
 * A pause keeps the status before it, and since when that was past_due: both count
 * again when its date has come.
 */
CREATE OR REPLACE FUNCTION quota.set_status(subject text, status text, until timestamptz DEFAULT NULL) RETURNS void
    LANGUAGE quota_plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    SET TimeZone = 'UTC'
AS $$
DECLARE
    who   text := quota_internal._subject(set_status.subject);
    given text := quota_internal._require_word(set_status.status, 'status', '{active,past_due,paused}');
    ends  timestamptz := quota_internal._pause_end(given, set_status.until, quota_internal._now());
    live  quota_internal.subscription;
    was   text;
    ends_trial boolean;
BEGIN
    LOCK TABLE quota_internal.bucket, quota_internal.subscription IN ROW EXCLUSIVE MODE;
    live := quota_internal._require_subscription(who);
    was := live.status;
    IF was = given AND live.paused_until IS NOT DISTINCT FROM ends THEN
        RETURN;
    END IF;
    live.status := given;
    live.paused_until := ends;
    live.paused_from := CASE WHEN given = 'paused' THEN coalesce(live.paused_from, was) END;
    IF given <> 'paused' THEN
        live.past_due_since := CASE given WHEN 'past_due' THEN quota_internal._now() END;
    END IF;
    ends_trial := live.status = 'active' AND live.trial_ends_at IS NOT NULL;
    IF ends_trial THEN
        live.trial_ends_at := NULL;
        IF live.cancelled_at IS NULL THEN
            live.ends_at := quota_internal._restored_end(live);
            live.asked_ends_at := NULL;
        END IF;
    END IF;

    BEGIN
        UPDATE quota_internal.subscription s
            SET status = live.status, ends_at = live.ends_at,
                paused_from = live.paused_from, paused_until = live.paused_until, past_due_since = live.past_due_since,
                trial_ends_at = live.trial_ends_at, asked_ends_at = live.asked_ends_at
            WHERE s.id = live.id;
    EXCEPTION WHEN exclusion_violation THEN
        PERFORM quota_internal._raise_overlap(who);
    END;
    PERFORM quota_internal._record_status(live, was);
    IF ends_trial AND live.next_at IS NOT NULL THEN
        PERFORM quota_internal._make_scheduled_change(live, quota_internal._now());
    END IF;
END
$$;
COMMENT ON FUNCTION quota.set_status(text, text, timestamptz) IS
    'says whether a subscription is active, past_due or paused; paused refuses every use, until a date if one is given: from then on the status before the pause counts again; past_due refuses once the plan''s grace, counted from when it became past_due, is over (no grace: at once); active before a trial''s end ends the trial: a change scheduled for that end comes at once, and the subscription lasts as long as was asked for; QT404 if there is no subscription, 22023 for an until that is past or not of a pause';

/*
 * A scheduled change and a scheduled end replace each other.  Raises 23P01 where
 * the time after the end has been given to another subscription meanwhile.
 */
CREATE OR REPLACE FUNCTION quota_internal._drop_schedule(live quota_internal.subscription) RETURNS quota_internal.subscription
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    dropped quota_internal.subscription;
BEGIN
    UPDATE quota_internal.subscription s
        SET ends_at = CASE WHEN s.cancelled_at IS NOT NULL OR s.trial_ends_at IS NOT NULL THEN quota_internal._restored_end(_drop_schedule.live)
                           ELSE s.ends_at END,
            asked_ends_at = CASE WHEN s.cancelled_at IS NOT NULL AND s.trial_ends_at IS NULL THEN NULL ELSE s.asked_ends_at END,
            cancelled_at = NULL,
            next_version_id = NULL, next_at = NULL, next_usage = NULL, next_source_id = NULL
        WHERE s.id = (_drop_schedule.live).id
        RETURNING s.* INTO dropped;
    RETURN dropped;
EXCEPTION WHEN exclusion_violation THEN
    PERFORM quota_internal._raise_overlap((_drop_schedule.live).subject);
END
$$;
COMMENT ON FUNCTION quota_internal._drop_schedule(quota_internal.subscription) IS
    'internal: takes a scheduled cancellation or change of plan back, and returns the row';

/*
 * A trial ends its subscription unless something comes at its end: so a change
 * that is scheduled in a trial comes then, and gives the subscription the end that
 * was asked for.  _drop_schedule() takes that back.
 */
CREATE OR REPLACE FUNCTION quota_internal._end_after_trial(live quota_internal.subscription) RETURNS timestamptz
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    trial_end CONSTANT timestamptz := (_end_after_trial.live).trial_ends_at;
    longer    quota_internal.subscription := _end_after_trial.live;
    ends      timestamptz;
BEGIN
    longer.trial_ends_at := NULL;
    ends := quota_internal._restored_end(longer);
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
COMMENT ON FUNCTION quota_internal._end_after_trial(quota_internal.subscription) IS
    'internal: when a subscription ends that goes on after its trial; 22023 if the trial is all of it';

/*
 * The version is that of the call, so it is kept even if the plan gets a newer
 * one until then.
 */
CREATE OR REPLACE FUNCTION quota_internal._schedule_change(live quota_internal.subscription, version_id int, usage text) RETURNS void
    LANGUAGE sql
    SET search_path = pg_catalog, pg_temp
AS $$
    UPDATE quota_internal.subscription s
        SET next_version_id = _schedule_change.version_id, next_usage = _schedule_change.usage,
            next_source_id = CASE _schedule_change.usage WHEN 'reset' THEN nextval('quota_internal.subscription_id_seq') ELSE s.source_id END,
            next_at = coalesce(s.trial_ends_at,
                               (SELECT w.window_end
                                FROM quota_internal._plan_words(s.plan_version_id) p,
                                     quota_internal._window(p.period, 'subscription', NULL, s.anchor_at, s.timezone, quota_internal._now()) w)),
            ends_at = CASE WHEN s.trial_ends_at IS NULL THEN s.ends_at ELSE quota_internal._end_after_trial(_schedule_change.live) END
        WHERE s.id = (_schedule_change.live).id
$$;
COMMENT ON FUNCTION quota_internal._schedule_change(quota_internal.subscription, int, text) IS
    'internal: lets a plan version come into force when the present billing period ends, or the trial';

CREATE OR REPLACE FUNCTION quota.change_plan(subject text, plan text, effective text DEFAULT 'now', usage text DEFAULT 'keep') RETURNS bigint
    LANGUAGE quota_plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    SET TimeZone = 'UTC'
AS $$
DECLARE
    who       text := quota_internal._subject(change_plan.subject);
    wanted    text := quota_internal._require_name(change_plan.plan, 'plan', 1024);
    moment    text := quota_internal._require_word(change_plan.effective, 'effective', '{now,period_end}');
    mode      text := quota_internal._require_word(change_plan.usage, 'usage', '{keep,reset,prorate}');
    at        timestamptz := quota_internal._now();
    newest    record;
    words     record;
    live      quota_internal.subscription;
    is_live   boolean;
    confirms  boolean;
    resumes   boolean;
    same_plan boolean;
    same      boolean;
BEGIN
    LOCK TABLE quota_internal.bucket, quota_internal.subscription IN ROW EXCLUSIVE MODE;
    LOOP
        live := quota_internal._current_subscription(who);
        newest := quota_internal._plan_version(wanted);
        EXIT WHEN live.id IS NOT NULL;
        BEGIN
            RETURN quota.subscribe(who, wanted);
        EXCEPTION WHEN exclusion_violation THEN
            NULL;   -- somebody else subscribed it at this moment: change that one
        END;
    END LOOP;

    words := quota_internal._plan_words(live.plan_version_id);
    same_plan := newest.plan_id = (SELECT v.plan_id FROM quota_internal.plan_version v WHERE v.id = live.plan_version_id);
    IF NOT same_plan THEN
        PERFORM quota_internal._no_retired(wanted, newest.retired);
    END IF;
    PERFORM quota_internal._require_quantity(who, newest.version_id, live.quantity);
    is_live := live.starts_at <= at;
    resumes := live.cancelled_at IS NOT NULL;
    confirms := is_live AND moment = 'period_end' AND live.trial_ends_at IS NOT NULL;
    -- a reset to the same version begins again at 0; keep and prorate then change only the end of a trial
    same := newest.version_id = live.plan_version_id AND (mode <> 'reset' OR NOT is_live) AND NOT confirms;
    IF resumes OR live.next_at IS NOT NULL THEN
        live := quota_internal._drop_schedule(live);
    END IF;

    IF same OR (is_live AND moment = 'period_end') THEN
        IF NOT same THEN
            PERFORM quota_internal._schedule_change(live, newest.version_id, mode);
        END IF;
        IF resumes THEN
            PERFORM quota_internal._record_event('cancellation_undone', who, NULL,
                jsonb_build_object('subscription_id', live.id, 'plan', words.plan, 'version', words.version,
                                   'ends_at', (SELECT s.ends_at FROM quota_internal.subscription s WHERE s.id = live.id)));
        END IF;
        RETURN live.id;
    END IF;

    IF is_live THEN
        PERFORM quota_internal._make_change(live, newest.version_id, mode, at,
                                            CASE mode WHEN 'reset' THEN nextval('quota_internal.subscription_id_seq') ELSE live.source_id END, false);
    ELSE
        UPDATE quota_internal.subscription s SET plan_version_id = newest.version_id WHERE s.id = live.id;
    END IF;
    PERFORM quota_internal._record_change(live, newest.version_id, CASE WHEN is_live THEN mode END,
                                          greatest(at, live.starts_at), resumes);
    RETURN live.id;
END
$$;
COMMENT ON FUNCTION quota.change_plan(text, text, text, text) IS
    'moves a subject''s subscription to a plan''s newest version, now or when the billing period ends (in a trial: when that ends, whereupon the subscription goes on, also with the same plan), and returns the subscription''s id; usage keep: use goes on under the new limits, but begins at 0 in a period that follows a window without end, and at the end of a billing period in every window that differs; reset: metered use and periods start again; prorate: keep, with the present period''s limit shared between old and new by time; a scheduled cancellation or change is replaced; without a subscription subscribes now, and of one that has not started yet the plan is replaced; QT404 for an unknown plan, 22023 for a retired one';
