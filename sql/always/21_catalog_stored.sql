/* Features, plans and their versions: each compared with what is stored, answered and stored. */

CREATE OR REPLACE FUNCTION quota_internal._catalog_apply_feature(name text, old quota_internal.feature, feature jsonb, dry_run boolean)
    RETURNS text
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    path CONSTANT text := quota_internal._catalog_path('features', name);
    new record;
BEGIN
    SELECT * INTO new FROM quota_internal._catalog_feature(path, feature);
    IF old.id IS NULL THEN
        IF NOT dry_run THEN
            INSERT INTO quota_internal.feature (name, kind, unit, title)
            VALUES (_catalog_apply_feature.name, new.kind, new.unit, new.title);
        END IF;
        RETURN 'added';
    END IF;

    IF (old.kind, old.unit, old.title) IS NOT DISTINCT FROM (new.kind, new.unit, new.title) THEN
        RETURN 'unchanged';
    END IF;
    IF old.kind <> new.kind THEN
        PERFORM quota_internal._catalog_require_unused(path || '.kind', old.id, true, true,
                                                       format('in use as %s, so it cannot change', old.kind));
    END IF;
    IF NOT dry_run THEN
        IF old.kind <> new.kind THEN
            PERFORM quota_internal._forget_versions(old.id);
            PERFORM quota_internal._forget_counts(old.id);
        END IF;
        UPDATE quota_internal.feature f SET kind = new.kind, unit = new.unit, title = new.title WHERE f.id = old.id;
    END IF;
    RETURN 'changed';
END
$$;
COMMENT ON FUNCTION quota_internal._catalog_apply_feature(text, quota_internal.feature, jsonb, boolean) IS
    'internal: compares a feature''s JSON with its row (all NULL: a new feature), stores it, and says added, changed or unchanged; another kind for a feature in use is 22023';

CREATE OR REPLACE FUNCTION quota_internal._catalog_apply_features(features jsonb, plans_stay boolean, actions_stay boolean, dry_run boolean)
    RETURNS TABLE (name text, change text)
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    given record;
BEGIN
    IF NOT dry_run AND EXISTS (SELECT FROM quota_internal.feature f
                               WHERE (features -> f.name ->> 'kind') IS DISTINCT FROM f.kind) THEN
        PERFORM quota_internal._lock_feature_use();
    END IF;

    FOR given IN
        SELECT coalesce(f.name, e.key) AS name, f AS old, f.id, e.value
        FROM quota_internal.feature f FULL JOIN jsonb_each(features) e ON e.key = f.name
        ORDER BY coalesce(f.name, e.key) COLLATE "C"
    LOOP
        name := given.name;
        IF given.value IS NULL THEN
            PERFORM quota_internal._catalog_require_unused(quota_internal._catalog_path('features', name), given.id, plans_stay, actions_stay,
                                                           'in use, so it cannot be left out');
            change := 'retired';
        ELSE
            change := quota_internal._catalog_apply_feature(name, given.old, given.value, dry_run);
        END IF;
        RETURN NEXT;
    END LOOP;
END
$$;
COMMENT ON FUNCTION quota_internal._catalog_apply_features(jsonb, boolean, boolean, boolean) IS
    'internal: stores the features that a catalog declares and answers with one row for each; features that are absent keep their rows until _catalog_drop_features()';

CREATE OR REPLACE FUNCTION quota_internal._catalog_drop_features(features jsonb)
    RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    absent record;
BEGIN
    FOR absent IN SELECT f.id FROM quota_internal.feature f WHERE NOT features ? f.name LOOP
        PERFORM quota_internal._forget_versions(absent.id);
        PERFORM quota_internal._forget_counts(absent.id);
        DELETE FROM quota_internal.feature f WHERE f.id = absent.id;
    END LOOP;
END
$$;
COMMENT ON FUNCTION quota_internal._catalog_drop_features(jsonb) IS
    'internal: deletes the features that are absent, which are not in use, with the rows that were about them; after the plans, whose newest versions named them';

CREATE OR REPLACE FUNCTION quota_internal._catalog_same_version(version_id int, given quota_internal.plan_version, terms quota_internal.entitlement[])
    RETURNS boolean
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    -- The parts of a period say all that it means, so its text is not compared.
    WITH stored AS (
        SELECT e.feature_id, quota_internal._terms_meaning(e.terms) AS meaning, quota_internal._terms_meaning(e.members) AS members
        FROM quota_internal.entitlement e WHERE e.plan_version_id = _catalog_same_version.version_id
    ), wanted AS (
        SELECT e.feature_id, quota_internal._terms_meaning(e.terms) AS meaning, quota_internal._terms_meaning(e.members) AS members FROM unnest(_catalog_same_version.terms) e
    )
    SELECT EXISTS (SELECT FROM quota_internal.plan_version v
                   WHERE v.id = _catalog_same_version.version_id
                     AND (v.period_months, v.period_days, v.period_us, v.grace_months, v.grace_days, v.grace_us)
                         = ((given).period_months, (given).period_days, (given).period_us,
                            (given).grace_months, (given).grace_days, (given).grace_us))
       AND NOT EXISTS ((TABLE stored EXCEPT TABLE wanted) UNION ALL (TABLE wanted EXCEPT TABLE stored))
$$;
COMMENT ON FUNCTION quota_internal._catalog_same_version(int, quota_internal.plan_version, quota_internal.entitlement[]) IS
    'internal: whether a stored version means the same as the given billing period, grace and terms; month and 1 month do, 30 days does not';

CREATE OR REPLACE FUNCTION quota_internal._catalog_store_version(plan_id int, given quota_internal.plan_version, terms quota_internal.entitlement[])
    RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    version_id int;
BEGIN
    INSERT INTO quota_internal.plan_version (plan_id, version, period, period_months, period_days, period_us, created_at,
                                             grace, grace_months, grace_days, grace_us)
    SELECT _catalog_store_version.plan_id, coalesce(max(v.version), 0) + 1,
           given.period, given.period_months, given.period_days, given.period_us, quota_internal._now(),
           given.grace, given.grace_months, given.grace_days, given.grace_us
    FROM quota_internal.plan_version v WHERE v.plan_id = _catalog_store_version.plan_id
    RETURNING id INTO version_id;

    INSERT INTO quota_internal.entitlement (plan_version_id, feature_id, terms, members)
    SELECT version_id, e.feature_id, e.terms, e.members
    FROM unnest(terms) e;
END
$$;
COMMENT ON FUNCTION quota_internal._catalog_store_version(int, quota_internal.plan_version, quota_internal.entitlement[]) IS
    'internal: stores a plan''s next version';

CREATE OR REPLACE FUNCTION quota_internal._catalog_store_plan(name text, given quota_internal.plan)
    RETURNS int
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    plan_id int;
BEGIN
    -- There is one default: the flag leaves its old place before it comes to the new one.
    IF given.is_default THEN
        UPDATE quota_internal.plan p SET is_default = false WHERE p.is_default AND p.name <> _catalog_store_plan.name;
    END IF;
    INSERT INTO quota_internal.plan AS p (name, title, metadata, is_default, external_ids, listed)
    VALUES (_catalog_store_plan.name, given.title, given.metadata, given.is_default, given.external_ids, given.listed)
    ON CONFLICT ON CONSTRAINT plan_name_key DO UPDATE
    SET title = excluded.title, metadata = excluded.metadata, is_default = excluded.is_default,
        external_ids = excluded.external_ids, listed = excluded.listed, retired_at = NULL
    RETURNING p.id INTO plan_id;
    RETURN plan_id;
END
$$;
COMMENT ON FUNCTION quota_internal._catalog_store_plan(text, quota_internal.plan) IS
    'internal: stores what belongs to a plan and not to a version, ends its retirement, and returns its id';

CREATE OR REPLACE FUNCTION quota_internal._catalog_apply_plan(name text, old quota_internal.plan, plan jsonb, kinds jsonb, dry_run boolean)
    RETURNS text
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    path CONSTANT text := quota_internal._catalog_path('plans', name);
    given quota_internal.plan;
    version quota_internal.plan_version;
    terms quota_internal.entitlement[];
    same_version boolean;
    change text := 'changed';
    plan_id int;
BEGIN
    given := quota_internal._catalog_plan(path, plan);
    version := quota_internal._catalog_version(path, plan);
    terms := quota_internal._catalog_terms(path || '.entitlements', coalesce(plan -> 'entitlements', '{}'), kinds);
    same_version := quota_internal._catalog_same_version(quota_internal._newest_version(old.id), version, terms);

    IF old.id IS NULL OR old.retired_at IS NOT NULL THEN
        change := 'added';
    ELSIF same_version AND (old.title, old.metadata, old.is_default, old.external_ids, old.listed)
                           IS NOT DISTINCT FROM (given.title, given.metadata, given.is_default, given.external_ids, given.listed) THEN
        change := 'unchanged';
    END IF;
    IF dry_run OR change = 'unchanged' THEN
        RETURN change;
    END IF;

    plan_id := quota_internal._catalog_store_plan(name, given);
    IF NOT same_version THEN
        PERFORM quota_internal._catalog_store_version(plan_id, version, terms);
    END IF;
    RETURN change;
END
$$;
COMMENT ON FUNCTION quota_internal._catalog_apply_plan(text, quota_internal.plan, jsonb, jsonb, boolean) IS
    'internal: compares a plan''s JSON with its row (all NULL: a new plan) and its newest version, stores what differs, and says added (also of one that was retired), changed or unchanged';

/*
 * Without a default plan, subjects without a subscription are entitled to nothing,
 * so it can only be removed explicitly.
 */
CREATE OR REPLACE FUNCTION quota_internal._catalog_require_default(present text, plans jsonb)
    RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    given jsonb := plans -> present;
    path text := quota_internal._catalog_path('plans', present);
    hint CONSTANT text := 'Mark another plan as the default, or say that there shall be none: null retires this one, "default": false keeps it.';
BEGIN
    IF present IS NULL OR given = 'null' OR given -> 'default' = 'false'
       OR EXISTS (SELECT FROM jsonb_each(plans) e WHERE e.value -> 'default' = 'true') THEN
        RETURN;
    ELSIF given IS NULL THEN
        PERFORM quota_internal._catalog_error(path, 'is the default plan, so it cannot be left out', hint);
    END IF;
    PERFORM quota_internal._catalog_error(path || '.default', 'missing, and this is the default plan', hint);
END
$$;
COMMENT ON FUNCTION quota_internal._catalog_require_default(text, jsonb) IS
    'internal: refuses (22023) plans that would leave no default plan where there is one now, unless they say so';

/*
 * Looks at all plans together: names, a second default, an external id that
 * would stand for two plans.
 */
CREATE OR REPLACE FUNCTION quota_internal._catalog_check_plans(plans jsonb)
    RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    given record;
    id text;
    default_plan text;
    owners jsonb := '{}';
BEGIN
    FOR given IN SELECT * FROM quota_internal._catalog_members('plans', plans, 1000) LOOP
        PERFORM quota_internal._catalog_identifier(given.path, given.key, 128);
        CONTINUE WHEN given.value = 'null';
        PERFORM quota_internal._catalog_plan(given.path, given.value);

        IF given.value -> 'default' = 'true' THEN
            IF default_plan IS NOT NULL THEN
                PERFORM quota_internal._catalog_error(given.path || '.default', format('plan %s is the default too', to_json(default_plan)),
                                                      'At most one plan is the default.');
            END IF;
            default_plan := given.key;
        END IF;

        FOR id IN SELECT e.value FROM jsonb_array_elements_text(coalesce(given.value -> 'external_ids', '[]')) e LOOP
            IF owners ? id THEN
                PERFORM quota_internal._catalog_error(given.path || '.external_ids', format('one of them belongs to plan %s too', owners -> id),
                                                      'An external id stands for one plan.');
            END IF;
            owners := owners || jsonb_build_object(id, given.key);
        END LOOP;
    END LOOP;
END
$$;
COMMENT ON FUNCTION quota_internal._catalog_check_plans(jsonb) IS
    'internal: refuses (22023, 22001) bad names of plans, a second default, and an external id of two plans';

CREATE OR REPLACE FUNCTION quota_internal._catalog_apply_plans(plans jsonb, kinds jsonb, dry_run boolean)
    RETURNS TABLE (name text, change text)
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    default_plan CONSTANT text := (SELECT p.name FROM quota_internal.plan p WHERE p.is_default);
    given record;
BEGIN
    PERFORM quota_internal._catalog_check_plans(plans);
    /*
     * Each row is compared as it was when the loop began, which matters for the
     * default flag: storing one plan may take it from another.
     */
    FOR given IN
        SELECT coalesce(p.name, e.key) AS name, p AS old, p.id, p.retired_at, nullif(e.value, 'null') AS value
        FROM quota_internal.plan p FULL JOIN jsonb_each(plans) e ON e.key = p.name
        ORDER BY coalesce(p.name, e.key) COLLATE "C"
    LOOP
        CONTINUE WHEN given.value IS NULL AND (given.id IS NULL OR given.retired_at IS NOT NULL);
        name := given.name;
        IF given.value IS NULL THEN
            change := 'retired';
            IF NOT dry_run THEN
                UPDATE quota_internal.plan p SET is_default = false, retired_at = quota_internal._now() WHERE p.id = given.id;
            END IF;
        ELSE
            change := quota_internal._catalog_apply_plan(name, given.old, given.value, kinds, dry_run);
        END IF;
        RETURN NEXT;
    END LOOP;
    PERFORM quota_internal._catalog_require_default(default_plan, plans);
END
$$;
COMMENT ON FUNCTION quota_internal._catalog_apply_plans(jsonb, jsonb, boolean) IS
    'internal: stores the plans of a catalog, retires those that are absent or null, and answers with one row for each; none for a plan that was retired before and stays absent';
