/* Features, plans and their versions, as the catalog's JSON gives them. */

CREATE OR REPLACE FUNCTION quota_internal._catalog_feature(
        path text, feature jsonb, OUT kind text, OUT unit text, OUT title text)
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM quota_internal._catalog_object(path, 'feature', feature);
    kind := feature ->> 'kind';
    IF kind NOT IN ('metered', 'capacity', 'rate', 'boolean', 'static') THEN
        PERFORM quota_internal._catalog_error(path || '.kind', 'not a kind of feature',
                                              'A kind is metered, capacity, rate, boolean or static.');
    END IF;
    unit := quota_internal._catalog_text(path || '.unit', feature -> 'unit', 63);
    title := quota_internal._catalog_text(path || '.title', feature -> 'title', 255);
END
$$;
COMMENT ON FUNCTION quota_internal._catalog_feature(text, jsonb) IS
    'internal: a feature as its JSON gives it; 22023 or 22001 with the path';

CREATE OR REPLACE FUNCTION quota_internal._catalog_kinds(features jsonb)
    RETURNS jsonb
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    given record;
BEGIN
    IF features IS NULL THEN
        RETURN (SELECT coalesce(jsonb_object_agg(f.name, f.kind), '{}') FROM quota_internal.feature f);
    END IF;
    FOR given IN SELECT * FROM quota_internal._catalog_members('features', features, 1000) LOOP
        IF given.key !~ '^[a-z][a-z0-9_.:-]{0,62}$' THEN
            PERFORM quota_internal._catalog_error(
                given.path, 'not a name for a feature',
                'A name begins with a letter and has up to 63 characters of a-z, 0-9, "_", ".", ":", "-".');
        END IF;
        PERFORM quota_internal._catalog_feature(given.path, given.value);
    END LOOP;
    RETURN (SELECT coalesce(jsonb_object_agg(e.key, e.value -> 'kind'), '{}') FROM jsonb_each(features) e);
END
$$;
COMMENT ON FUNCTION quota_internal._catalog_kinds(jsonb) IS
    'internal: checks the features that a catalog declares (NULL: it leaves them as they are) and returns their kinds by name';

CREATE OR REPLACE FUNCTION quota_internal._catalog_external_ids(path text, ids jsonb)
    RETURNS text[]
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    given record;
    result text[] := '{}';
    id text;
BEGIN
    FOR given IN SELECT * FROM quota_internal._catalog_members(path, ids, 100) LOOP
        PERFORM quota_internal._catalog_require_type(given.path, given.value, '{string}');
        id := given.value #>> '{}';
        PERFORM quota_internal._catalog_identifier(given.path, id, 255);
        IF id = ANY (result) THEN
            PERFORM quota_internal._catalog_error(given.path, 'given twice');
        END IF;
        result := result || id;
    END LOOP;
    RETURN result;
END
$$;
COMMENT ON FUNCTION quota_internal._catalog_external_ids(text, jsonb) IS
    'internal: a JSON array of different external ids (22023, 22001); NULL gives none';

-- Of the row, what depends on the JSON is filled.
CREATE OR REPLACE FUNCTION quota_internal._catalog_plan(path text, plan jsonb)
    RETURNS quota_internal.plan
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    result quota_internal.plan;
BEGIN
    PERFORM quota_internal._catalog_object(path, 'plan', plan);
    result.title := quota_internal._catalog_text(path || '.title', plan -> 'title', 255);
    result.metadata := quota_internal._catalog_json(path || '.metadata', coalesce(plan -> 'metadata', '{}'));
    result.is_default := coalesce((plan -> 'default')::boolean, false);
    result.listed := coalesce((plan -> 'listed')::boolean, true);
    result.external_ids := quota_internal._catalog_external_ids(path || '.external_ids', coalesce(plan -> 'external_ids', '[]'));
    RETURN result;
END
$$;
COMMENT ON FUNCTION quota_internal._catalog_plan(text, jsonb) IS
    'internal: what a plan''s JSON says beside its version: title, metadata, is_default, listed, external_ids; 22023, 22001 with the path';

CREATE OR REPLACE FUNCTION quota_internal._catalog_version(path text, plan jsonb)
    RETURNS quota_internal.plan_version
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    result quota_internal.plan_version;
BEGIN
    SELECT p.period, p.months, p.days, p.us
    INTO result.period, result.period_months, result.period_days, result.period_us
    FROM quota_internal._catalog_period(path || '.period', coalesce(plan -> 'period', '"month"')) p;

    result.grace_months := 0;
    result.grace_days := 0;
    result.grace_us := 0;
    IF plan ? 'grace' THEN
        SELECT p.period, p.months, p.days, p.us
        INTO result.grace, result.grace_months, result.grace_days, result.grace_us
        FROM quota_internal._catalog_period(path || '.grace', plan -> 'grace') p;
    END IF;
    RETURN result;
END
$$;
COMMENT ON FUNCTION quota_internal._catalog_version(text, jsonb) IS
    'internal: what a plan''s JSON says for its version beside the entitlements: the billing period and the grace; 22023 with the path';

/*
 * In a dry run a feature that the same catalog brings has no row, and its id
 * here is 0: no stored version has that, so the version counts as new.
 */
CREATE OR REPLACE FUNCTION quota_internal._catalog_terms(path text, entitlements jsonb, kinds jsonb)
    RETURNS quota_internal.entitlement[]
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    given record;
    entry quota_internal.entitlement;
    result quota_internal.entitlement[] := '{}';
BEGIN
    FOR given IN
        SELECT e.value, kinds ->> e.key AS kind, quota_internal._catalog_path(path, e.key) AS path, coalesce(f.id, 0) AS feature_id
        FROM jsonb_each(entitlements) e LEFT JOIN quota_internal.feature f ON f.name = e.key
        ORDER BY e.key COLLATE "C"
    LOOP
        IF given.kind IS NULL THEN
            PERFORM quota_internal._catalog_error(given.path, 'no such feature', 'Declare it under "features".');
        END IF;
        entry := quota_internal._catalog_entitlement(given.path, given.kind, given.value);
        entry.feature_id := given.feature_id;
        result := result || entry;
    END LOOP;
    RETURN result;
END
$$;
COMMENT ON FUNCTION quota_internal._catalog_terms(text, jsonb, jsonb) IS
    'internal: the entitlements of a plan''s JSON as typed terms, for features of these kinds; errors as _catalog_entitlement()';
