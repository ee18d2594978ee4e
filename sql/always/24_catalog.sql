/*
 * The catalog.  apply_catalog() turns its JSON into the typed rows of
 * sql/once/20_catalog_tables.sql, so that nothing is parsed when a debit is
 * decided; export_catalog() writes the rows as JSON again.
 *
 * Its values are validated in 20_catalog_values; features, plans and their versions
 * are read in 21_catalog_given and compared and stored in 21_catalog_stored, with
 * what stands in the way of removing a feature in 21_catalog_use; what a new version
 * of the default plan does to use is 21_default_use.  Entitlements are in
 * 22_entitlements; actions, the third of the catalog's parts, in 25_actions.
 *
 * dry_run goes through the same code and leaves out the writes and the locks,
 * so its answer is that of a real run, and it works in a read-only transaction.
 *
 * Locks, in this order: quota_internal.plan SHARE ROW EXCLUSIVE lets one apply_catalog()
 * run at a time and leaves reads, debits and subscriptions alone.  Where use
 * must not change meanwhile, writers of quota_internal.bucket wait for our commit, and
 * where a feature goes, or changes its kind, also those of quota_internal.subscription,
 * quota_internal.subject_override and quota_internal.credit_grant.
 *
 * Functions whose name begins with an underscore are granted to nobody.
 */

CREATE OR REPLACE FUNCTION quota_internal._catalog_check_arguments(catalog jsonb, dry_run boolean)
    RETURNS jsonb
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    given jsonb := quota_internal._require_size(catalog, 4194304, 'catalog');
BEGIN
    IF given IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = '22004', MESSAGE = 'catalog must not be null';
    END IF;
    IF dry_run IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = '22004', MESSAGE = 'dry_run must not be null';
    END IF;
    PERFORM quota_internal._catalog_require_type('catalog', given, '{object}');
    RETURN given;
END
$$;
COMMENT ON FUNCTION quota_internal._catalog_check_arguments(jsonb, boolean) IS
    'internal: the catalog; refuses a NULL argument of apply_catalog() (22004) and a catalog that is too large or no object (22023)';

CREATE OR REPLACE FUNCTION quota.apply_catalog(catalog jsonb, dry_run boolean = false)
    RETURNS TABLE (object text, name text, change text)
    LANGUAGE quota_plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    -- the size is looked at before anything is unpacked, which a statement would do
    given CONSTANT jsonb := quota_internal._catalog_check_arguments(catalog, dry_run);
    features jsonb := given -> 'features';
    plans jsonb := given -> 'plans';
    actions jsonb := given -> 'actions';
    kinds jsonb;
    old_default int;
BEGIN
    IF NOT dry_run THEN
        LOCK TABLE quota_internal.plan IN SHARE ROW EXCLUSIVE MODE;
        PERFORM quota_internal._begin_posting();
    END IF;
    PERFORM quota_internal._catalog_object('', 'catalog', given);
    kinds := quota_internal._catalog_kinds(features);
    old_default := quota_internal._default_version();

    IF features IS NOT NULL THEN
        RETURN QUERY SELECT 'feature', f.name, f.change
                     FROM quota_internal._catalog_apply_features(features, plans IS NULL, actions IS NULL, dry_run) f;
    END IF;
    IF plans IS NOT NULL THEN
        RETURN QUERY SELECT 'plan', p.name, p.change FROM quota_internal._catalog_apply_plans(plans, kinds, dry_run) p;
    END IF;
    IF actions IS NOT NULL THEN
        RETURN QUERY SELECT 'action', a.name, a.change FROM quota_internal._catalog_apply_actions(actions, kinds, dry_run) a;
    END IF;

    IF NOT dry_run THEN
        PERFORM quota_internal._keep_default_use(old_default, quota_internal._default_version());
        IF features IS NOT NULL THEN
            PERFORM quota_internal._catalog_drop_features(features);
        END IF;
    END IF;
END
$$;
COMMENT ON FUNCTION quota.apply_catalog(jsonb, boolean) IS
$$makes the catalog be what the JSON says, all or nothing, and answers with what that changes: features, then plans, then actions, by name. dry_run answers the same and changes nothing.
The JSON is complete: a plan that is absent or null is retired (subscribers keep it), so is an action that is absent (it can no longer be charged), and a feature that is absent is removed. The default plan does not go by being left out: another one is marked, it is null, or it says "default": false. A missing top-level key leaves that part as it is, without rows. Changed entitlements, another period or another grace make a new version of a plan; subscribers keep theirs, the default plan always applies in its newest, and its use goes on in the new version's window. A plan or an action that comes back is reported as added.
A time as anchor is written in ISO 8601 with its offset or Z. What an action requires, of any kind, must be given as quota.has() says; it charges metered and capacity features. All its prices per unit are plain numbers, for quota.charge(), or all are by dimension, for quota.charge_units(); they are exact, with up to 50 digits after the point.
Beside its allowance, an entitlement of a metered feature has rollover {"max"}, which needs a period; overage true or {"limit"}; caps [{"limit", "per", "window": fixed or first_use}], at most 16, each with a period and window of its own; rate {"limit", "per", "burst"}; notify [percent or {"remaining"}], at most 16. rollover, overage and notify need a limited allowance. One of a capacity feature has notify, one of a rate feature nothing but rate. A plan's grace is how long past_due still lets work go on.
A catalog has at most 4 MB as jsonb, 1000 features, 1000 plans and 1000 actions, an action 100 each of features that it requires, features that it charges, and dimensions.
Errors, each naming the JSON path: 22023 wrong value, type, unknown key, a feature in use removed or given another kind, or a default plan that is lost; 22003 a number out of range; 22001 a text too long. 22004 for NULL. 0A000 where use has to move or a feature goes, in a transaction above read committed.$$;

CREATE OR REPLACE FUNCTION quota_internal._export_plan(plan quota_internal.plan)
    RETURNS jsonb
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT CASE WHEN (plan).is_default THEN '{"default": true}' ELSE '{}'::jsonb END
           || CASE WHEN (plan).listed THEN '{}' ELSE '{"listed": false}'::jsonb END
           || CASE WHEN (plan).title IS NULL THEN '{}' ELSE jsonb_build_object('title', (plan).title) END
           || CASE WHEN (plan).metadata = '{}' THEN '{}' ELSE jsonb_build_object('metadata', (plan).metadata) END
           || CASE WHEN (plan).external_ids = '{}' THEN '{}' ELSE jsonb_build_object('external_ids', (plan).external_ids) END
           || CASE WHEN (v.period_months, v.period_days, v.period_us) = (1, 0, 0) THEN '{}' ELSE jsonb_build_object('period', v.period) END
           || CASE WHEN v.grace IS NULL THEN '{}' ELSE jsonb_build_object('grace', v.grace) END
           || jsonb_build_object('entitlements',
                (SELECT coalesce(jsonb_object_agg(f.name, quota_internal._export_entitlement(f.kind, e)), '{}')
                 FROM quota_internal.entitlement e JOIN quota_internal.feature f ON f.id = e.feature_id
                 WHERE e.plan_version_id = v.id))
    FROM quota_internal.plan_version v WHERE v.id = quota_internal._newest_version((plan).id)
$$;
COMMENT ON FUNCTION quota_internal._export_plan(quota_internal.plan) IS
    'internal: the JSON of a plan in its newest version, without what is default';

CREATE OR REPLACE FUNCTION quota.export_catalog()
    RETURNS jsonb
    LANGUAGE quota_sql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT jsonb_build_object(
        'features', (SELECT coalesce(jsonb_object_agg(f.name, jsonb_strip_nulls(jsonb_build_object(
                                'kind', f.kind, 'unit', f.unit, 'title', f.title))), '{}')
                     FROM quota_internal.feature f),
        'plans', (SELECT coalesce(jsonb_object_agg(p.name, quota_internal._export_plan(p)), '{}')
                  FROM quota_internal.plan p WHERE p.retired_at IS NULL),
        'actions', (SELECT coalesce(jsonb_object_agg(a.name, quota_internal._export_action(a.id)), '{}')
                    FROM quota_internal.action a WHERE a.retired_at IS NULL))
$$;
COMMENT ON FUNCTION quota.export_catalog() IS
    'the catalog as the JSON that apply_catalog() takes: every feature, every action that is not retired, and every plan that is not, in its newest version, without what is default. Applied again it changes nothing';
