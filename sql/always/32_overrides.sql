/* Overrides; the locks are those of 30_subscriptions. */

CREATE OR REPLACE FUNCTION quota_internal._concerns_members(feature_id int, before quota_internal.terms_fields, after quota_internal.terms_fields) RETURNS boolean
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT (_concerns_members.before).anchor IS NOT NULL OR (_concerns_members.after).anchor IS NOT NULL
        OR EXISTS (SELECT FROM quota_internal.entitlement e WHERE e.feature_id = _concerns_members.feature_id AND (e.members).anchor IS NOT NULL)
$$;
COMMENT ON FUNCTION quota_internal._concerns_members(int, quota_internal.terms_fields, quota_internal.terms_fields) IS
    'internal: whether an override, with what it gave and gives to members, or a plan in its place gives them something of a feature';

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
    who    text := quota_internal._subject(override.subject);
    at     timestamptz := quota_internal._now();
    what   quota_internal.feature;
    old    quota_internal.subject_override;
    given  quota_internal.entitlement;
    own    quota_internal.subscription;
    team   text[];
    standings bigint[];
    before quota_internal.account_window[];
    before_of_team quota_internal.standing[];
BEGIN
    LOCK TABLE quota_internal.bucket, quota_internal.subscription, quota_internal.subject_override IN ROW EXCLUSIVE MODE;
    what := quota_internal._lock_feature(override.feature);
    IF override.entitlement IS NOT NULL THEN
        given := quota_internal._override_entitlement(what.kind, override.entitlement);
    END IF;

    -- a session that changes the plan meanwhile waits, or is waited for, here
    own := quota_internal._current_subscription(who);
    -- by the subscription that is there, or is to come
    PERFORM quota_internal._require_product(t, coalesce(own.quantity, quota_internal._quantity_for(who, at)))
    FROM unnest(ARRAY[given.terms, given.members]) t WHERE t.times_quantity;
    LOOP
        SELECT o.* INTO old FROM quota_internal.subject_override o
            WHERE o.subject = who COLLATE "C" AND o.feature_id = what.id FOR UPDATE;
        IF old.subject IS NULL AND override.entitlement IS NULL THEN
            RETURN;
        END IF;
        standings := quota_internal._lock_standings(who);
        before := quota_internal._windows_before(who, at, what.id);
        team := quota_internal._lock_members(ARRAY[who], CASE WHEN quota_internal._concerns_members(what.id, old.members, given.members) THEN ARRAY[what.id] END,
                                             at, what.id);
        before_of_team := quota_internal._standings_before(team, at, what.id, as_members => true);
        IF old.subject IS NOT NULL THEN
            EXIT;
        END IF;
        INSERT INTO quota_internal.subject_override (subject, feature_id, terms, members, set_at)
            VALUES (who, what.id, given.terms, given.members, at)
            ON CONFLICT ON CONSTRAINT subject_override_pkey DO NOTHING;
        -- else somebody else has just set it: look again, at theirs
        EXIT WHEN FOUND;
    END LOOP;

    IF override.entitlement IS NULL THEN
        DELETE FROM quota_internal.subject_override o WHERE o.subject = who COLLATE "C" AND o.feature_id = what.id;
    ELSIF old.subject IS NOT NULL THEN
        IF (quota_internal._terms_meaning(old.terms), quota_internal._terms_meaning(old.members))
           IS NOT DISTINCT FROM (quota_internal._terms_meaning(given.terms), quota_internal._terms_meaning(given.members)) THEN
            RETURN;     -- also in other words
        END IF;
        UPDATE quota_internal.subject_override o
            SET terms = given.terms, members = given.members,
                set_at = CASE WHEN quota_internal._same_series(old.terms, given.terms) THEN o.set_at ELSE at END
            WHERE o.subject = who COLLATE "C" AND o.feature_id = what.id;
    END IF;
    PERFORM quota_internal._keep_use(who, before, at, 'keep', what.id);
    PERFORM quota_internal._keep_all(before_of_team, at, what.id);
    PERFORM quota_internal._tell_crossed(who, standings);
    IF override.entitlement IS NULL THEN
        PERFORM quota_internal._record_event('override_removed', who, what.id, '{}');
    ELSE
        PERFORM quota_internal._record_event('override_set', who, what.id, jsonb_build_object('entitlement', override.entitlement));
    END IF;
END
$$;
COMMENT ON FUNCTION quota.override(text, text, jsonb) IS
    'gives one subject an entitlement of its own, as JSON like in the catalog, in place of what its plan gives of the feature; SQL NULL removes it; use goes on as with change_plan keep; QT404 for an unknown feature, 22023 with the path for a bad entitlement';
