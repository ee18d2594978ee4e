/* Whether a feature is in use, and what goes with one that is not. */

CREATE OR REPLACE FUNCTION quota_internal._newest_version(plan_id int)
    RETURNS int
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT v.id FROM quota_internal.plan_version v
    WHERE v.plan_id = _newest_version.plan_id ORDER BY v.version DESC LIMIT 1
$$;
COMMENT ON FUNCTION quota_internal._newest_version(int) IS
    'internal: the id of a plan''s newest version, NULL if it has none';

/*
 * Use must not change between a look at it and the commit of what was decided
 * on it.  Where the transaction's snapshot is older than the lock, the look
 * itself would miss what was committed in between.
 */
CREATE OR REPLACE FUNCTION quota_internal._lock_buckets(problem text, reason text)
    RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF current_setting('transaction_isolation') IN ('repeatable read', 'serializable') THEN
        RAISE EXCEPTION USING ERRCODE = '0A000',
            MESSAGE = format('%s at isolation level %s', problem, current_setting('transaction_isolation')),
            DETAIL = format('%s, so what is used meanwhile has to be seen.', reason),
            HINT = 'Do it at isolation level read committed.';
    END IF;
    LOCK TABLE quota_internal.bucket IN EXCLUSIVE MODE;
END
$$;
COMMENT ON FUNCTION quota_internal._lock_buckets(text, text) IS
    'internal: makes every charge wait until the transaction ends; 0A000 in a transaction that keeps its first snapshot';

CREATE OR REPLACE FUNCTION quota_internal._lock_feature_use()
    RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    -- buckets first: a session that has one locked may be about to carry out a change of plan
    PERFORM quota_internal._lock_buckets('this catalog cannot be applied', 'It removes a feature or changes its kind');
    LOCK TABLE quota_internal.subscription, quota_internal.subject_override, quota_internal.credit_grant IN SHARE ROW EXCLUSIVE MODE;
END
$$;
COMMENT ON FUNCTION quota_internal._lock_feature_use() IS
    'internal: lets no feature come into use until the transaction ends; errors as _lock_buckets()';

/*
 * A version is kept while somebody has or had it, will have it, or can get it.
 * The newest versions of the plans, and the actions, count only if the catalog
 * leaves them alone: otherwise they are about to be replaced by what the catalog
 * says.  A grant that is over counts while anything taken from it is booked;
 * what caps and rates have counted is no use, as it goes away by itself.
 */
CREATE OR REPLACE FUNCTION quota_internal._feature_use(feature_id int, plans_stay boolean, actions_stay boolean)
    RETURNS text
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT u.use FROM (
        (SELECT 1, format('Version %s of plan %s, which subscriptions have, had or will have, names it.', v.version, to_json(p.name))
         FROM quota_internal.entitlement e JOIN quota_internal.plan_version v ON v.id = e.plan_version_id
              JOIN quota_internal.plan p ON p.id = v.plan_id
         WHERE e.feature_id = _feature_use.feature_id
           AND EXISTS (SELECT FROM quota_internal.subscription s WHERE v.id IN (s.plan_version_id, s.next_version_id))
         ORDER BY p.name, v.version LIMIT 1)
        UNION ALL
        (SELECT 2, format('Plan %s names it.', to_json(p.name))
         FROM quota_internal.plan p JOIN quota_internal.entitlement e ON e.plan_version_id = quota_internal._newest_version(p.id)
         WHERE _feature_use.plans_stay AND p.retired_at IS NULL AND e.feature_id = _feature_use.feature_id
         ORDER BY p.name LIMIT 1)
        UNION ALL
        (SELECT 3, format('Action %s names it.', to_json(a.name))
         FROM quota_internal.action a
         WHERE _feature_use.actions_stay
           AND a.id IN (SELECT c.action_id FROM quota_internal.action_charge c WHERE c.feature_id = _feature_use.feature_id
                        UNION ALL
                        SELECT r.action_id FROM quota_internal.action_require r WHERE r.feature_id = _feature_use.feature_id)
         ORDER BY a.name LIMIT 1)
        UNION ALL
        (SELECT 4, 'An override names it.'
         FROM quota_internal.subject_override o WHERE o.feature_id = _feature_use.feature_id LIMIT 1)
        UNION ALL
        (SELECT 5, 'A grant names it.'
         FROM quota_internal.credit_grant g
         WHERE g.feature_id = _feature_use.feature_id
           AND (g.revoked_at IS NULL AND g.expires_at > quota_internal._now()
                OR EXISTS (SELECT FROM quota_internal.grant_use u WHERE u.grant_id = g.id AND u.used <> 0)) LIMIT 1)
        UNION ALL
        (SELECT 6, 'An open hold names it.'
         FROM quota_internal.hold h
         WHERE h.feature_id = _feature_use.feature_id AND h.expires_at > quota_internal._now() LIMIT 1)
        UNION ALL
        (SELECT 7, 'Use of it is counted.'
         FROM quota_internal.window_use b
         WHERE b.feature_id = _feature_use.feature_id
           AND (b.used <> 0 OR b.granted <> 0 OR b.overage <> 0 OR b.overdrawn <> 0) LIMIT 1)
        UNION ALL
        (SELECT 8, format('The gate of table %s names it.', t.target::regclass)
         FROM quota_internal.feature f JOIN quota_internal._gate_trigger() t ON t.feature = f.name
         WHERE f.id = _feature_use.feature_id ORDER BY t.target LIMIT 1)
    ) u (rank, use) ORDER BY u.rank LIMIT 1
$$;
COMMENT ON FUNCTION quota_internal._feature_use(int, boolean, boolean) IS
    'internal: a sentence that says why a feature is in use, NULL if it is not; plans_stay, actions_stay: the newest versions of the plans, and the actions, count too';

CREATE OR REPLACE FUNCTION quota_internal._catalog_require_unused(
        path text, feature_id int, plans_stay boolean, actions_stay boolean, problem text)
    RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    use CONSTANT text := quota_internal._feature_use(feature_id, plans_stay, actions_stay);
BEGIN
    IF use IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = '22023',
            MESSAGE = format('%s: %s', path, problem),
            DETAIL = use,
            HINT = 'Leave it declared as it is; plans and actions need not name it.';
    END IF;
END
$$;
COMMENT ON FUNCTION quota_internal._catalog_require_unused(text, int, boolean, boolean, text) IS
    'internal: refuses (22023) what cannot be done to a feature that is in use';

/*
 * The versions that name a feature which is not in use: nobody has them and
 * nobody can get them any more.
 */
CREATE OR REPLACE FUNCTION quota_internal._forget_versions(feature_id int)
    RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    versions CONSTANT int[] := ARRAY(SELECT e.plan_version_id FROM quota_internal.entitlement e
                                     WHERE e.feature_id = _forget_versions.feature_id);
BEGIN
    DELETE FROM quota_internal.entitlement e WHERE e.plan_version_id = ANY (versions);
    DELETE FROM quota_internal.plan_version v WHERE v.id = ANY (versions);
    DELETE FROM quota_internal.plan p
    WHERE p.retired_at IS NOT NULL AND NOT EXISTS (SELECT FROM quota_internal.plan_version v WHERE v.plan_id = p.id);
END
$$;
COMMENT ON FUNCTION quota_internal._forget_versions(int) IS
    'internal: deletes the versions that name a feature which is not in use, and retired plans that have no version then';

CREATE OR REPLACE FUNCTION quota_internal._forget_counts(feature_id int)
    RETURNS void
    LANGUAGE sql
    SET search_path = pg_catalog, pg_temp
AS $$
    DELETE FROM quota_internal.hold_part p WHERE p.feature_id = _forget_counts.feature_id;
    DELETE FROM quota_internal.hold h WHERE h.feature_id = _forget_counts.feature_id;
    DELETE FROM quota_internal.grant_use u USING quota_internal.credit_grant g
    WHERE g.id = u.grant_id AND g.feature_id = _forget_counts.feature_id;
    DELETE FROM quota_internal.credit_grant g WHERE g.feature_id = _forget_counts.feature_id;
    DELETE FROM quota_internal.rate_use r WHERE r.feature_id = _forget_counts.feature_id;
    DELETE FROM quota_internal.cap_use c WHERE c.feature_id = _forget_counts.feature_id;
    SELECT quota_internal._close_leases(NULL, ARRAY[_forget_counts.feature_id]);
    DELETE FROM quota_internal.bucket b WHERE b.feature_id = _forget_counts.feature_id;
$$;
COMMENT ON FUNCTION quota_internal._forget_counts(int) IS
    'internal: deletes the counters, and the grants and holds that are over, of a feature which is not in use';
