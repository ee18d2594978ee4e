/*
 * The catalog.  apply_catalog() turns its JSON into the typed rows of
 * sql/once/20_catalog_tables.sql, so that nothing is parsed when a debit is
 * decided; export_catalog() writes the rows as JSON again.
 *
 * The internal functions come in four groups: complaints and paths; one
 * validator for each kind of JSON value, which returns it typed; the parts
 * (features, plans, their versions), each of which compares, answers and
 * stores; and what a new version of the default plan does to use.  Entitlements
 * are in 22_entitlements.sql; actions, the third of the catalog's parts, in
 * 25_actions.sql.
 *
 * dry_run goes through the same code and leaves out the writes and the locks,
 * so its answer is that of a real run, and it works in a read-only transaction.
 *
 * Locks, in this order: quota.plan SHARE ROW EXCLUSIVE lets one apply_catalog()
 * run at a time and leaves reads, debits and subscriptions alone.  Where use
 * must not change meanwhile, writers of quota.bucket wait for our commit, and
 * where a feature goes, or changes its kind, also those of quota.subscription,
 * quota.subject_override and quota.credit_grant.
 *
 * Functions whose name begins with an underscore are granted to nobody.
 */

-- ---------------------------------------------------------------------------
-- Complaints
-- ---------------------------------------------------------------------------

CREATE OR REPLACE FUNCTION quota._catalog_error(path text, problem text, hint text = NULL, code text = '22023')
    RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    -- RAISE takes no NULL for an option.
    IF hint IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = code, MESSAGE = format('%s: %s', path, problem);
    END IF;
    RAISE EXCEPTION USING ERRCODE = code, MESSAGE = format('%s: %s', path, problem), HINT = hint;
END
$$;
COMMENT ON FUNCTION quota._catalog_error(text, text, text, text) IS
    'internal: raises an error (22023 unless said) whose message begins with the JSON path of what is wrong';

CREATE OR REPLACE FUNCTION quota._catalog_path(path text, key text)
    RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT CASE WHEN _catalog_path.path = '' THEN '' ELSE _catalog_path.path || '.' END
        || CASE WHEN _catalog_path.key ~ '^[A-Za-z0-9_:-]{1,128}$' THEN _catalog_path.key
                WHEN length(_catalog_path.key) <= 128 THEN to_json(_catalog_path.key)::text
                ELSE to_json(left(_catalog_path.key, 32) || '...')::text END;
END;
COMMENT ON FUNCTION quota._catalog_path(text, text) IS
    'internal: the JSON path of a member of the object at a path (empty: the catalog itself); unusual names are quoted, long ones cut';

-- ---------------------------------------------------------------------------
-- One validator for each kind of JSON value
-- ---------------------------------------------------------------------------

/*
 * THE list of what may stand where.  A key is read in the function that returns
 * its part.
 */
CREATE OR REPLACE FUNCTION quota._catalog_keys(OUT place text, OUT key text, OUT types text[], OUT required boolean)
    RETURNS SETOF record
    LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 40
BEGIN ATOMIC
    VALUES ('catalog',    'features',     '{object}'::text[], false),
           ('catalog',    'plans',        '{object}',         false),
           ('catalog',    'actions',      '{object}',         false),
           ('feature',    'kind',         '{string}',         true),
           ('feature',    'unit',         '{string}',         false),
           ('feature',    'title',        '{string}',         false),
           ('plan',       'default',      '{boolean}',        false),
           ('plan',       'title',        '{string}',         false),
           ('plan',       'metadata',     '{object}',         false),
           ('plan',       'external_ids', '{array}',          false),
           ('plan',       'period',       '{string}',         false),
           ('plan',       'grace',        '{string}',         false),
           ('plan',       'entitlements', '{object}',         false),
           -- entitlements: the place is the kind of the feature
           ('metered',    'allowance',    '{number,"null"}',  true),
           ('metered',    'period',       '{string}',         false),
           ('metered',    'anchor',       '{string}',         false),
           ('metered',    'rollover',     '{object}',         false),
           ('metered',    'overage',      '{boolean,object}', false),
           ('metered',    'caps',         '{array}',          false),
           ('metered',    'rate',         '{object}',         false),
           ('metered',    'notify',       '{array}',          false),
           ('capacity',   'allowance',    '{number,"null"}',  true),
           ('capacity',   'notify',       '{array}',          false),
           ('rate',       'rate',         '{object}',         true),
           ('boolean',    'value',        '{boolean}',        true),
           ('static',     'value',        '{object,array,string,number,boolean,"null"}', true),
           -- what stands in entitlements
           ('rollover',   'max',          '{number}',         true),
           ('overage',    'limit',        '{number}',         true),
           ('cap',        'limit',        '{number}',         true),
           ('cap',        'per',          '{string}',         true),
           ('cap',        'window',       '{string}',         false),
           ('rate limit', 'limit',        '{number}',         true),
           ('rate limit', 'per',          '{string}',         true),
           ('rate limit', 'burst',        '{number}',         false),
           ('threshold',  'remaining',    '{number}',         true),
           ('action',     'requires',     '{array}',          false),
           ('action',     'charges',      '{object}',         false),
           ('charge',     'base',         '{number}',         false),
           ('charge',     'per_unit',     '{number,object}',  false);
END;
COMMENT ON FUNCTION quota._catalog_keys() IS
    'internal: every key that the catalog''s JSON may have, by place (an entitlement''s place is the kind of its feature), with its JSON types';

CREATE OR REPLACE FUNCTION quota._catalog_require_type(path text, value jsonb, types text[])
    RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    words CONSTANT jsonb := '{"object": "an object", "array": "an array", "string": "a string",
                              "number": "a number", "boolean": "true or false", "null": "null"}';
BEGIN
    IF jsonb_typeof(value) <> ALL (types) THEN
        PERFORM quota._catalog_error(path, 'must be '
            || (SELECT string_agg(words ->> t.type, ' or ' ORDER BY t.n)
                FROM unnest(types) WITH ORDINALITY t (type, n)));
    END IF;
END
$$;
COMMENT ON FUNCTION quota._catalog_require_type(text, jsonb, text[]) IS
    'internal: refuses (22023) a JSON value that is of none of the types';

CREATE OR REPLACE FUNCTION quota._catalog_unknown_key(path text, place text, key text)
    RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    kinds CONSTANT text[] := '{metered,capacity,rate,boolean,static}';
    problem text := 'unknown key';
    hint text;
BEGIN
    IF place = ANY (kinds) AND EXISTS (SELECT FROM quota._catalog_keys() k
                                       WHERE k.key = _catalog_unknown_key.key AND k.place = ANY (kinds)) THEN
        problem := format('not allowed on a %s feature', place);
    END IF;
    SELECT format('Known here: %s.', string_agg(k.key, ', ')) INTO hint
    FROM quota._catalog_keys() k WHERE k.place = _catalog_unknown_key.place;
    PERFORM quota._catalog_error(path, problem, hint);
END
$$;
COMMENT ON FUNCTION quota._catalog_unknown_key(text, text, text) IS
    'internal: raises 22023 for a key that may not stand in this place, and says which may';

CREATE OR REPLACE FUNCTION quota._catalog_object(path text, place text, value jsonb)
    RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    given record;
    absent text;
BEGIN
    PERFORM quota._catalog_require_type(path, value, '{object}');

    FOR given IN
        SELECT e.key, e.value, k.types, quota._catalog_path(path, e.key) AS path
        FROM jsonb_each(value) e
             LEFT JOIN quota._catalog_keys() k ON k.place = _catalog_object.place AND k.key = e.key
        ORDER BY e.key COLLATE "C"
    LOOP
        IF given.types IS NULL THEN
            PERFORM quota._catalog_unknown_key(given.path, place, given.key);
        END IF;
        PERFORM quota._catalog_require_type(given.path, given.value, given.types);
    END LOOP;

    SELECT k.key INTO absent FROM quota._catalog_keys() k
    WHERE k.place = _catalog_object.place AND k.required AND NOT value ? k.key;
    IF FOUND THEN
        PERFORM quota._catalog_error(
            quota._catalog_path(path, absent), 'missing',
            CASE WHEN absent = 'allowance' THEN 'Write null for an unlimited allowance.'
                 WHEN place = 'overage' THEN 'Write true instead of the object for overage without limit.' END);
    END IF;
END
$$;
COMMENT ON FUNCTION quota._catalog_object(text, text, jsonb) IS
    'internal: checks the keys of an object, and the JSON types of their values, against _catalog_keys(); 22023';

CREATE OR REPLACE FUNCTION quota._catalog_members(place text, whole jsonb, allowed int)
    RETURNS TABLE (path text, key text, value jsonb)
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    counted CONSTANT bigint := CASE jsonb_typeof(whole) WHEN 'array' THEN jsonb_array_length(whole)
                                    ELSE (SELECT count(*) FROM jsonb_object_keys(whole)) END;
BEGIN
    IF counted > allowed THEN
        PERFORM quota._catalog_error(place, format('has %s members, at most %s are allowed', counted, allowed));
    ELSIF jsonb_typeof(whole) = 'array' THEN
        RETURN QUERY SELECT format('%s[%s]', place, e.n - 1), NULL, e.value
                     FROM jsonb_array_elements(whole) WITH ORDINALITY e (value, n) ORDER BY e.n;
    ELSE
        RETURN QUERY SELECT quota._catalog_path(place, e.key), e.key, e.value
                     FROM jsonb_each(whole) e ORDER BY e.key COLLATE "C";
    END IF;
END
$$;
COMMENT ON FUNCTION quota._catalog_members(text, jsonb, int) IS
    'internal: what is in an object, by key, or in an array, each with its path; refuses (22023) too many; NULL has none';

CREATE OR REPLACE FUNCTION quota._catalog_text(path text, value jsonb, max_bytes int)
    RETURNS text
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    result CONSTANT text := value #>> '{}';
BEGIN
    IF octet_length(result) > max_bytes THEN
        PERFORM quota._catalog_error(path, format('longer than %s bytes', max_bytes), code => '22001');
    END IF;
    RETURN result;
END
$$;
COMMENT ON FUNCTION quota._catalog_text(text, jsonb, int) IS
    'internal: the text of a JSON string of limited length (22001); NULL for no value';

CREATE OR REPLACE FUNCTION quota._catalog_identifier(path text, name text, max_bytes int)
    RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM quota._catalog_text(path, to_jsonb(name), max_bytes);
    IF name = '' THEN
        PERFORM quota._catalog_error(path, 'must not be empty');
    END IF;
    IF name ~ '[\u0001-\u001f\u007f]' THEN
        PERFORM quota._catalog_error(path, 'must not have control characters');
    END IF;
END
$$;
COMMENT ON FUNCTION quota._catalog_identifier(text, text, int) IS
    'internal: refuses what is empty or has control characters (22023) or is too long (22001); for names of plans, actions and dimensions, and external ids';

CREATE OR REPLACE FUNCTION quota._catalog_json(path text, value jsonb)
    RETURNS jsonb
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF octet_length(value::text) > 8192 THEN
        PERFORM quota._catalog_error(path, 'larger than 8192 bytes');
    END IF;
    RETURN value;
END
$$;
COMMENT ON FUNCTION quota._catalog_json(text, jsonb) IS
    'internal: a JSON value of limited size (22023); NULL for no value';

CREATE OR REPLACE FUNCTION quota._catalog_number(path text, value jsonb, lowest bigint = 0, advice text = NULL)
    RETURNS numeric
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    result CONSTANT numeric := value::numeric;
BEGIN
    IF result < lowest THEN
        PERFORM quota._catalog_error(path, CASE lowest WHEN 0 THEN 'must not be negative' ELSE format('must be at least %s', lowest) END);
    ELSIF result > 9223372036854775807 THEN
        PERFORM quota._catalog_error(path, 'out of range', concat_ws('; ', 'The most is 9223372036854775807', advice) || '.', '22003');
    END IF;
    RETURN result;
END
$$;
COMMENT ON FUNCTION quota._catalog_number(text, jsonb, bigint, text) IS
    'internal: a JSON number from a least one (22023) to the greatest bigint (22003, with advice); NULL for no value';

CREATE OR REPLACE FUNCTION quota._catalog_whole(path text, value jsonb, lowest bigint = 0, advice text = NULL)
    RETURNS bigint
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    amount CONSTANT numeric := quota._catalog_number(path, value, lowest, advice);
BEGIN
    IF amount <> trunc(amount) THEN
        PERFORM quota._catalog_error(path, 'must be an integer', 'Choose a unit small enough to count in whole numbers.');
    END IF;
    RETURN amount::bigint;
END
$$;
COMMENT ON FUNCTION quota._catalog_whole(text, jsonb, bigint, text) IS
    'internal: a JSON number as bigint; 22023, 22003 as _catalog_number(), and 22023 for a fraction';

CREATE OR REPLACE FUNCTION quota._catalog_amount(path text, value jsonb)
    RETURNS bigint
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF jsonb_typeof(value) = 'null' THEN
        RETURN NULL;
    END IF;
    RETURN quota._catalog_whole(path, value, advice => 'null says unlimited');
END
$$;
COMMENT ON FUNCTION quota._catalog_amount(text, jsonb) IS
    'internal: a JSON number as bigint from 0 on (22023, 22003), JSON null (unlimited) as NULL';

CREATE OR REPLACE FUNCTION quota._catalog_period(
        path text, value jsonb, OUT period text, OUT months int, OUT days int, OUT us bigint)
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    problem text;
    advice text;
BEGIN
    period := value #>> '{}';
    SELECT p.months, p.days, p.us INTO months, days, us FROM quota._period(period) p;
EXCEPTION WHEN data_exception THEN
    GET STACKED DIAGNOSTICS problem = MESSAGE_TEXT, advice = PG_EXCEPTION_HINT;
    PERFORM quota._catalog_error(path, problem, nullif(advice, ''));
END
$$;
COMMENT ON FUNCTION quota._catalog_period(text, jsonb) IS
    'internal: a JSON string as a period, with its parts; 22023 with the path if it is none';

-- ---------------------------------------------------------------------------
-- Features and plans as the catalog gives them
-- ---------------------------------------------------------------------------

CREATE OR REPLACE FUNCTION quota._catalog_feature(
        path text, feature jsonb, OUT kind text, OUT unit text, OUT title text)
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM quota._catalog_object(path, 'feature', feature);
    kind := feature ->> 'kind';
    IF kind NOT IN ('metered', 'capacity', 'rate', 'boolean', 'static') THEN
        PERFORM quota._catalog_error(path || '.kind', 'not a kind of feature',
                                     'A kind is metered, capacity, rate, boolean or static.');
    END IF;
    unit := quota._catalog_text(path || '.unit', feature -> 'unit', 63);
    title := quota._catalog_text(path || '.title', feature -> 'title', 255);
END
$$;
COMMENT ON FUNCTION quota._catalog_feature(text, jsonb) IS
    'internal: a feature as its JSON gives it; 22023 or 22001 with the path';

CREATE OR REPLACE FUNCTION quota._catalog_kinds(features jsonb)
    RETURNS jsonb
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    given record;
BEGIN
    IF features IS NULL THEN
        RETURN (SELECT coalesce(jsonb_object_agg(f.name, f.kind), '{}') FROM quota.feature f);
    END IF;
    FOR given IN SELECT * FROM quota._catalog_members('features', features, 1000) LOOP
        IF given.key !~ '^[a-z][a-z0-9_.:-]{0,62}$' THEN
            PERFORM quota._catalog_error(
                given.path, 'not a name for a feature',
                'A name begins with a letter and has up to 63 characters of a-z, 0-9, "_", ".", ":", "-".');
        END IF;
        PERFORM quota._catalog_feature(given.path, given.value);
    END LOOP;
    RETURN (SELECT coalesce(jsonb_object_agg(e.key, e.value -> 'kind'), '{}') FROM jsonb_each(features) e);
END
$$;
COMMENT ON FUNCTION quota._catalog_kinds(jsonb) IS
    'internal: checks the features that a catalog declares (NULL: it leaves them as they are) and returns their kinds by name';

CREATE OR REPLACE FUNCTION quota._catalog_external_ids(path text, ids jsonb)
    RETURNS text[]
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    given record;
    result text[] := '{}';
    id text;
BEGIN
    FOR given IN SELECT * FROM quota._catalog_members(path, ids, 100) LOOP
        PERFORM quota._catalog_require_type(given.path, given.value, '{string}');
        id := given.value #>> '{}';
        PERFORM quota._catalog_identifier(given.path, id, 255);
        IF id = ANY (result) THEN
            PERFORM quota._catalog_error(given.path, 'given twice');
        END IF;
        result := result || id;
    END LOOP;
    RETURN result;
END
$$;
COMMENT ON FUNCTION quota._catalog_external_ids(text, jsonb) IS
    'internal: a JSON array of different external ids (22023, 22001); NULL gives none';

-- Of the row, what depends on the JSON is filled.
CREATE OR REPLACE FUNCTION quota._catalog_plan(path text, plan jsonb)
    RETURNS quota.plan
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    result quota.plan;
BEGIN
    PERFORM quota._catalog_object(path, 'plan', plan);
    result.title := quota._catalog_text(path || '.title', plan -> 'title', 255);
    result.metadata := quota._catalog_json(path || '.metadata', coalesce(plan -> 'metadata', '{}'));
    result.is_default := coalesce((plan -> 'default')::boolean, false);
    result.external_ids := quota._catalog_external_ids(path || '.external_ids', coalesce(plan -> 'external_ids', '[]'));
    RETURN result;
END
$$;
COMMENT ON FUNCTION quota._catalog_plan(text, jsonb) IS
    'internal: what a plan''s JSON says beside its version: title, metadata, is_default, external_ids; 22023, 22001 with the path';

CREATE OR REPLACE FUNCTION quota._catalog_version(path text, plan jsonb)
    RETURNS quota.plan_version
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    result quota.plan_version;
BEGIN
    SELECT p.period, p.months, p.days, p.us
    INTO result.period, result.period_months, result.period_days, result.period_us
    FROM quota._catalog_period(path || '.period', coalesce(plan -> 'period', '"month"')) p;

    result.grace_months := 0;
    result.grace_days := 0;
    result.grace_us := 0;
    IF plan ? 'grace' THEN
        SELECT p.period, p.months, p.days, p.us
        INTO result.grace, result.grace_months, result.grace_days, result.grace_us
        FROM quota._catalog_period(path || '.grace', plan -> 'grace') p;
    END IF;
    RETURN result;
END
$$;
COMMENT ON FUNCTION quota._catalog_version(text, jsonb) IS
    'internal: what a plan''s JSON says for its version beside the entitlements: the billing period and the grace; 22023 with the path';

/*
 * In a dry run a feature that the same catalog brings has no row, and its id
 * here is 0: no stored version has that, so the version counts as new.
 */
CREATE OR REPLACE FUNCTION quota._catalog_terms(path text, entitlements jsonb, kinds jsonb)
    RETURNS quota.entitlement[]
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    given record;
    terms quota.entitlement;
    result quota.entitlement[] := '{}';
BEGIN
    FOR given IN
        SELECT e.value, kinds ->> e.key AS kind, quota._catalog_path(path, e.key) AS path, coalesce(f.id, 0) AS feature_id
        FROM jsonb_each(entitlements) e LEFT JOIN quota.feature f ON f.name = e.key
        ORDER BY e.key COLLATE "C"
    LOOP
        IF given.kind IS NULL THEN
            PERFORM quota._catalog_error(given.path, 'no such feature', 'Declare it under "features".');
        END IF;
        terms := quota._catalog_entitlement(given.path, given.kind, given.value);
        terms.feature_id := given.feature_id;
        result := result || terms;
    END LOOP;
    RETURN result;
END
$$;
COMMENT ON FUNCTION quota._catalog_terms(text, jsonb, jsonb) IS
    'internal: the entitlements of a plan''s JSON as typed terms, for features of these kinds; errors as _catalog_entitlement()';

-- ---------------------------------------------------------------------------
-- What is in use
-- ---------------------------------------------------------------------------

CREATE OR REPLACE FUNCTION quota._newest_version(plan_id int)
    RETURNS int
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT v.id FROM quota.plan_version v
    WHERE v.plan_id = _newest_version.plan_id ORDER BY v.version DESC LIMIT 1
$$;
COMMENT ON FUNCTION quota._newest_version(int) IS
    'internal: the id of a plan''s newest version, NULL if it has none';

/*
 * Use must not change between a look at it and the commit of what was decided
 * on it.  Where the transaction's snapshot is older than the lock, the look
 * itself would miss what was committed in between.
 */
CREATE OR REPLACE FUNCTION quota._lock_buckets()
    RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF current_setting('transaction_isolation') IN ('repeatable read', 'serializable') THEN
        RAISE EXCEPTION USING ERRCODE = '0A000',
            MESSAGE = format('this catalog cannot be applied at isolation level %s',
                             current_setting('transaction_isolation')),
            DETAIL = 'It removes a feature, changes its kind, or gives the default plan another period or anchor, so what is used meanwhile has to be seen.',
            HINT = 'Apply it at isolation level read committed.';
    END IF;
    LOCK TABLE quota.bucket IN EXCLUSIVE MODE;
END
$$;
COMMENT ON FUNCTION quota._lock_buckets() IS
    'internal: makes whoever charges wait until the transaction ends; 0A000 in a transaction that keeps its first snapshot';

CREATE OR REPLACE FUNCTION quota._lock_feature_use()
    RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    -- buckets first: whoever has one locked may be about to carry out a change of plan
    PERFORM quota._lock_buckets();
    LOCK TABLE quota.subscription, quota.subject_override, quota.credit_grant IN SHARE ROW EXCLUSIVE MODE;
END
$$;
COMMENT ON FUNCTION quota._lock_feature_use() IS
    'internal: lets no feature come into use until the transaction ends; errors as _lock_buckets()';

/*
 * A version is kept while somebody has or had it, will have it, or can get it.
 * The newest versions of the plans, and the actions, count only if the catalog
 * leaves them alone: otherwise they are about to be replaced by what the catalog
 * says.  A grant that is over counts while anything taken from it is booked;
 * what caps and rates have counted is no use, as it goes away by itself.
 */
CREATE OR REPLACE FUNCTION quota._feature_use(feature_id int, plans_stay boolean, actions_stay boolean)
    RETURNS text
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT u.use FROM (
        (SELECT 1, format('Version %s of plan %s, which subscriptions have, had or will have, names it.', v.version, to_json(p.name))
         FROM quota.entitlement e JOIN quota.plan_version v ON v.id = e.plan_version_id
              JOIN quota.plan p ON p.id = v.plan_id
         WHERE e.feature_id = _feature_use.feature_id
           AND EXISTS (SELECT FROM quota.subscription s WHERE v.id IN (s.plan_version_id, s.next_version_id))
         ORDER BY p.name, v.version LIMIT 1)
        UNION ALL
        (SELECT 2, format('Plan %s names it.', to_json(p.name))
         FROM quota.plan p JOIN quota.entitlement e ON e.plan_version_id = quota._newest_version(p.id)
         WHERE _feature_use.plans_stay AND p.retired_at IS NULL AND e.feature_id = _feature_use.feature_id
         ORDER BY p.name LIMIT 1)
        UNION ALL
        (SELECT 3, format('Action %s names it.', to_json(a.name))
         FROM quota.action a
         WHERE _feature_use.actions_stay
           AND a.id IN (SELECT c.action_id FROM quota.action_charge c WHERE c.feature_id = _feature_use.feature_id
                        UNION ALL
                        SELECT r.action_id FROM quota.action_require r WHERE r.feature_id = _feature_use.feature_id)
         ORDER BY a.name LIMIT 1)
        UNION ALL
        (SELECT 4, 'An override names it.'
         FROM quota.subject_override o WHERE o.feature_id = _feature_use.feature_id LIMIT 1)
        UNION ALL
        (SELECT 5, 'A grant names it.'
         FROM quota.credit_grant g
         WHERE g.feature_id = _feature_use.feature_id
           AND (g.revoked_at IS NULL AND g.expires_at > quota._now()
                OR EXISTS (SELECT FROM quota.grant_use u WHERE u.grant_id = g.id AND u.used <> 0)) LIMIT 1)
        UNION ALL
        (SELECT 6, 'An open hold names it.'
         FROM quota.hold h
         WHERE h.feature_id = _feature_use.feature_id AND h.expires_at > quota._now() LIMIT 1)
        UNION ALL
        (SELECT 7, 'Use of it is counted.'
         FROM quota.bucket b
         WHERE b.feature_id = _feature_use.feature_id
           AND (b.used <> 0 OR b.granted <> 0 OR b.overage <> 0 OR b.overdrawn <> 0) LIMIT 1)
        UNION ALL
        (SELECT 8, format('The gate of table %s names it.', t.target::regclass)
         FROM quota.feature f JOIN quota._gate_trigger() t ON t.feature = f.name
         WHERE f.id = _feature_use.feature_id ORDER BY t.target LIMIT 1)
    ) u (rank, use) ORDER BY u.rank LIMIT 1
$$;
COMMENT ON FUNCTION quota._feature_use(int, boolean, boolean) IS
    'internal: a sentence that says why a feature is in use, NULL if it is not; plans_stay, actions_stay: the newest versions of the plans, and the actions, count too';

CREATE OR REPLACE FUNCTION quota._catalog_require_unused(
        path text, feature_id int, plans_stay boolean, actions_stay boolean, problem text)
    RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    use CONSTANT text := quota._feature_use(feature_id, plans_stay, actions_stay);
BEGIN
    IF use IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = '22023',
            MESSAGE = format('%s: %s', path, problem),
            DETAIL = use,
            HINT = 'Leave it declared as it is; plans and actions need not name it.';
    END IF;
END
$$;
COMMENT ON FUNCTION quota._catalog_require_unused(text, int, boolean, boolean, text) IS
    'internal: refuses (22023) what cannot be done to a feature that is in use';

/*
 * The versions that name a feature which is not in use: nobody has them and
 * nobody can get them any more.
 */
CREATE OR REPLACE FUNCTION quota._forget_versions(feature_id int)
    RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    versions CONSTANT int[] := ARRAY(SELECT e.plan_version_id FROM quota.entitlement e
                                     WHERE e.feature_id = _forget_versions.feature_id);
BEGIN
    DELETE FROM quota.entitlement e WHERE e.plan_version_id = ANY (versions);
    DELETE FROM quota.plan_version v WHERE v.id = ANY (versions);
    DELETE FROM quota.plan p
    WHERE p.retired_at IS NOT NULL AND NOT EXISTS (SELECT FROM quota.plan_version v WHERE v.plan_id = p.id);
END
$$;
COMMENT ON FUNCTION quota._forget_versions(int) IS
    'internal: deletes the versions that name a feature which is not in use, and retired plans that have no version then';

CREATE OR REPLACE FUNCTION quota._forget_counts(feature_id int)
    RETURNS void
    LANGUAGE sql
    SET search_path = pg_catalog, pg_temp
AS $$
    DELETE FROM quota.hold_part p WHERE p.feature_id = _forget_counts.feature_id;
    DELETE FROM quota.hold h WHERE h.feature_id = _forget_counts.feature_id;
    DELETE FROM quota.grant_use u USING quota.credit_grant g
    WHERE g.id = u.grant_id AND g.feature_id = _forget_counts.feature_id;
    DELETE FROM quota.credit_grant g WHERE g.feature_id = _forget_counts.feature_id;
    DELETE FROM quota.rate_use r WHERE r.feature_id = _forget_counts.feature_id;
    DELETE FROM quota.cap_use c WHERE c.feature_id = _forget_counts.feature_id;
    DELETE FROM quota.bucket b WHERE b.feature_id = _forget_counts.feature_id;
$$;
COMMENT ON FUNCTION quota._forget_counts(int) IS
    'internal: deletes the counters, and the grants and holds that are over, of a feature which is not in use';

-- ---------------------------------------------------------------------------
-- The parts of the catalog, compared and stored
-- ---------------------------------------------------------------------------

CREATE OR REPLACE FUNCTION quota._catalog_apply_feature(name text, old quota.feature, feature jsonb, dry_run boolean)
    RETURNS text
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    path CONSTANT text := quota._catalog_path('features', name);
    new record;
BEGIN
    SELECT * INTO new FROM quota._catalog_feature(path, feature);
    IF old.id IS NULL THEN
        IF NOT dry_run THEN
            INSERT INTO quota.feature (name, kind, unit, title)
            VALUES (_catalog_apply_feature.name, new.kind, new.unit, new.title);
        END IF;
        RETURN 'added';
    END IF;

    IF (old.kind, old.unit, old.title) IS NOT DISTINCT FROM (new.kind, new.unit, new.title) THEN
        RETURN 'unchanged';
    END IF;
    IF old.kind <> new.kind THEN
        PERFORM quota._catalog_require_unused(path || '.kind', old.id, true, true,
                                              format('in use as %s, so it cannot change', old.kind));
    END IF;
    IF NOT dry_run THEN
        IF old.kind <> new.kind THEN
            PERFORM quota._forget_versions(old.id);
            PERFORM quota._forget_counts(old.id);
        END IF;
        UPDATE quota.feature f SET kind = new.kind, unit = new.unit, title = new.title WHERE f.id = old.id;
    END IF;
    RETURN 'changed';
END
$$;
COMMENT ON FUNCTION quota._catalog_apply_feature(text, quota.feature, jsonb, boolean) IS
    'internal: compares a feature''s JSON with its row (all NULL: a new feature), stores it, and says added, changed or unchanged; another kind for a feature in use is 22023';

CREATE OR REPLACE FUNCTION quota._catalog_apply_features(features jsonb, plans_stay boolean, actions_stay boolean, dry_run boolean)
    RETURNS TABLE (name text, change text)
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    given record;
BEGIN
    IF NOT dry_run AND EXISTS (SELECT FROM quota.feature f
                               WHERE (features -> f.name ->> 'kind') IS DISTINCT FROM f.kind) THEN
        PERFORM quota._lock_feature_use();
    END IF;

    FOR given IN
        SELECT coalesce(f.name, e.key) AS name, f AS old, f.id, e.value
        FROM quota.feature f FULL JOIN jsonb_each(features) e ON e.key = f.name
        ORDER BY coalesce(f.name, e.key) COLLATE "C"
    LOOP
        name := given.name;
        IF given.value IS NULL THEN
            PERFORM quota._catalog_require_unused(quota._catalog_path('features', name), given.id, plans_stay, actions_stay,
                                                  'in use, so it cannot be left out');
            change := 'retired';
        ELSE
            change := quota._catalog_apply_feature(name, given.old, given.value, dry_run);
        END IF;
        RETURN NEXT;
    END LOOP;
END
$$;
COMMENT ON FUNCTION quota._catalog_apply_features(jsonb, boolean, boolean, boolean) IS
    'internal: stores the features that a catalog declares and answers with one row for each; features that are absent keep their rows until _catalog_drop_features()';

CREATE OR REPLACE FUNCTION quota._catalog_drop_features(features jsonb)
    RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    absent record;
BEGIN
    FOR absent IN SELECT f.id FROM quota.feature f WHERE NOT features ? f.name LOOP
        PERFORM quota._forget_versions(absent.id);
        PERFORM quota._forget_counts(absent.id);
        DELETE FROM quota.feature f WHERE f.id = absent.id;
    END LOOP;
END
$$;
COMMENT ON FUNCTION quota._catalog_drop_features(jsonb) IS
    'internal: deletes the features that are absent, which are not in use, with the rows that were about them; after the plans, whose newest versions named them';

CREATE OR REPLACE FUNCTION quota._catalog_same_version(version_id int, given quota.plan_version, terms quota.entitlement[])
    RETURNS boolean
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    -- The parts of a period say all that it means, so its text is not compared.
    WITH stored AS (
        SELECT quota._terms_meaning(e) AS meaning
        FROM quota.entitlement e WHERE e.plan_version_id = _catalog_same_version.version_id
    ), wanted AS (
        SELECT quota._terms_meaning(e) AS meaning FROM unnest(_catalog_same_version.terms) e
    )
    SELECT EXISTS (SELECT FROM quota.plan_version v
                   WHERE v.id = _catalog_same_version.version_id
                     AND (v.period_months, v.period_days, v.period_us, v.grace_months, v.grace_days, v.grace_us)
                         = ((given).period_months, (given).period_days, (given).period_us,
                            (given).grace_months, (given).grace_days, (given).grace_us))
       AND NOT EXISTS ((TABLE stored EXCEPT TABLE wanted) UNION ALL (TABLE wanted EXCEPT TABLE stored))
$$;
COMMENT ON FUNCTION quota._catalog_same_version(int, quota.plan_version, quota.entitlement[]) IS
    'internal: whether a stored version means the same as the given billing period, grace and terms; month and 1 month do, 30 days does not';

CREATE OR REPLACE FUNCTION quota._catalog_store_version(plan_id int, given quota.plan_version, terms quota.entitlement[])
    RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    version_id int;
BEGIN
    INSERT INTO quota.plan_version (plan_id, version, period, period_months, period_days, period_us, created_at,
                                    grace, grace_months, grace_days, grace_us)
    SELECT _catalog_store_version.plan_id, coalesce(max(v.version), 0) + 1,
           given.period, given.period_months, given.period_days, given.period_us, quota._now(),
           given.grace, given.grace_months, given.grace_days, given.grace_us
    FROM quota.plan_version v WHERE v.plan_id = _catalog_store_version.plan_id
    RETURNING id INTO version_id;

    INSERT INTO quota.entitlement (plan_version_id, feature_id, allowance,
                                   period, period_months, period_days, period_us, anchor, anchor_at, value,
                                   rollover_max, overage, overage_limit, caps,
                                   rate_limit, rate_per, rate_per_us, rate_burst, notify_percent, notify_remaining)
    SELECT version_id, e.feature_id, e.allowance,
           e.period, e.period_months, e.period_days, e.period_us, e.anchor, e.anchor_at, e.value,
           e.rollover_max, e.overage, e.overage_limit, e.caps,
           e.rate_limit, e.rate_per, e.rate_per_us, e.rate_burst, e.notify_percent, e.notify_remaining
    FROM unnest(terms) e;
END
$$;
COMMENT ON FUNCTION quota._catalog_store_version(int, quota.plan_version, quota.entitlement[]) IS
    'internal: stores a plan''s next version';

CREATE OR REPLACE FUNCTION quota._catalog_store_plan(name text, given quota.plan)
    RETURNS int
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    plan_id int;
BEGIN
    -- There is one default: the flag leaves its old place before it comes to the new one.
    IF given.is_default THEN
        UPDATE quota.plan p SET is_default = false WHERE p.is_default AND p.name <> _catalog_store_plan.name;
    END IF;
    INSERT INTO quota.plan AS p (name, title, metadata, is_default, external_ids)
    VALUES (_catalog_store_plan.name, given.title, given.metadata, given.is_default, given.external_ids)
    ON CONFLICT ON CONSTRAINT plan_name_key DO UPDATE
    SET title = excluded.title, metadata = excluded.metadata, is_default = excluded.is_default,
        external_ids = excluded.external_ids, retired_at = NULL
    RETURNING p.id INTO plan_id;
    RETURN plan_id;
END
$$;
COMMENT ON FUNCTION quota._catalog_store_plan(text, quota.plan) IS
    'internal: stores what belongs to a plan and not to a version, ends its retirement, and returns its id';

CREATE OR REPLACE FUNCTION quota._catalog_apply_plan(name text, old quota.plan, plan jsonb, kinds jsonb, dry_run boolean)
    RETURNS text
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    path CONSTANT text := quota._catalog_path('plans', name);
    given quota.plan;
    version quota.plan_version;
    terms quota.entitlement[];
    same_version boolean;
    change text := 'changed';
    plan_id int;
BEGIN
    given := quota._catalog_plan(path, plan);
    version := quota._catalog_version(path, plan);
    terms := quota._catalog_terms(path || '.entitlements', coalesce(plan -> 'entitlements', '{}'), kinds);
    same_version := quota._catalog_same_version(quota._newest_version(old.id), version, terms);

    IF old.id IS NULL OR old.retired_at IS NOT NULL THEN
        change := 'added';
    ELSIF same_version AND (old.title, old.metadata, old.is_default, old.external_ids)
                           IS NOT DISTINCT FROM (given.title, given.metadata, given.is_default, given.external_ids) THEN
        change := 'unchanged';
    END IF;
    IF dry_run OR change = 'unchanged' THEN
        RETURN change;
    END IF;

    plan_id := quota._catalog_store_plan(name, given);
    IF NOT same_version THEN
        PERFORM quota._catalog_store_version(plan_id, version, terms);
    END IF;
    RETURN change;
END
$$;
COMMENT ON FUNCTION quota._catalog_apply_plan(text, quota.plan, jsonb, jsonb, boolean) IS
    'internal: compares a plan''s JSON with its row (all NULL: a new plan) and its newest version, stores what differs, and says added (also of one that was retired), changed or unchanged';

/*
 * Without a default plan nobody who has no subscription is entitled to anything, so
 * it does not go without a word.
 */
CREATE OR REPLACE FUNCTION quota._catalog_require_default(present text, plans jsonb)
    RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    given jsonb := plans -> present;
    path text := quota._catalog_path('plans', present);
    hint CONSTANT text := 'Mark another plan as the default, or say that there shall be none: null retires this one, "default": false keeps it.';
BEGIN
    IF present IS NULL OR given = 'null' OR given -> 'default' = 'false'
       OR EXISTS (SELECT FROM jsonb_each(plans) e WHERE e.value -> 'default' = 'true') THEN
        RETURN;
    ELSIF given IS NULL THEN
        PERFORM quota._catalog_error(path, 'is the default plan, so it cannot be left out', hint);
    END IF;
    PERFORM quota._catalog_error(path || '.default', 'missing, and this is the default plan', hint);
END
$$;
COMMENT ON FUNCTION quota._catalog_require_default(text, jsonb) IS
    'internal: refuses (22023) plans that would leave no default plan where there is one now, unless they say so';

/*
 * Looks at all plans together: names, a second default, an external id that
 * would stand for two plans.
 */
CREATE OR REPLACE FUNCTION quota._catalog_check_plans(plans jsonb)
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
    FOR given IN SELECT * FROM quota._catalog_members('plans', plans, 1000) LOOP
        PERFORM quota._catalog_identifier(given.path, given.key, 128);
        CONTINUE WHEN given.value = 'null';
        PERFORM quota._catalog_plan(given.path, given.value);

        IF given.value -> 'default' = 'true' THEN
            IF default_plan IS NOT NULL THEN
                PERFORM quota._catalog_error(given.path || '.default', format('plan %s is the default too', to_json(default_plan)),
                                             'At most one plan is the default.');
            END IF;
            default_plan := given.key;
        END IF;

        FOR id IN SELECT e.value FROM jsonb_array_elements_text(coalesce(given.value -> 'external_ids', '[]')) e LOOP
            IF owners ? id THEN
                PERFORM quota._catalog_error(given.path || '.external_ids', format('one of them belongs to plan %s too', owners -> id),
                                             'An external id stands for one plan.');
            END IF;
            owners := owners || jsonb_build_object(id, given.key);
        END LOOP;
    END LOOP;
END
$$;
COMMENT ON FUNCTION quota._catalog_check_plans(jsonb) IS
    'internal: refuses (22023, 22001) bad names of plans, a second default, and an external id of two plans';

CREATE OR REPLACE FUNCTION quota._catalog_apply_plans(plans jsonb, kinds jsonb, dry_run boolean)
    RETURNS TABLE (name text, change text)
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    default_plan CONSTANT text := (SELECT p.name FROM quota.plan p WHERE p.is_default);
    given record;
BEGIN
    PERFORM quota._catalog_check_plans(plans);
    /*
     * Each row is compared as it was when the loop began, which matters for the
     * default flag: storing one plan may take it from another.
     */
    FOR given IN
        SELECT coalesce(p.name, e.key) AS name, p AS old, p.id, p.retired_at, nullif(e.value, 'null') AS value
        FROM quota.plan p FULL JOIN jsonb_each(plans) e ON e.key = p.name
        ORDER BY coalesce(p.name, e.key) COLLATE "C"
    LOOP
        CONTINUE WHEN given.value IS NULL AND (given.id IS NULL OR given.retired_at IS NOT NULL);
        name := given.name;
        IF given.value IS NULL THEN
            change := 'retired';
            IF NOT dry_run THEN
                UPDATE quota.plan p SET is_default = false, retired_at = quota._now() WHERE p.id = given.id;
            END IF;
        ELSE
            change := quota._catalog_apply_plan(name, given.old, given.value, kinds, dry_run);
        END IF;
        RETURN NEXT;
    END LOOP;
    PERFORM quota._catalog_require_default(default_plan, plans);
END
$$;
COMMENT ON FUNCTION quota._catalog_apply_plans(jsonb, jsonb, boolean) IS
    'internal: stores the plans of a catalog, retires those that are absent or null, and answers with one row for each; none for a plan that was retired before and stays absent';

-- ---------------------------------------------------------------------------
-- What a new version of the default plan does to use
-- ---------------------------------------------------------------------------

CREATE OR REPLACE FUNCTION quota._default_version()
    RETURNS int
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT quota._newest_version(p.id) FROM quota.plan p WHERE p.is_default
$$;
COMMENT ON FUNCTION quota._default_version() IS
    'internal: the id of the version that subjects without a subscription have, NULL if no plan is the default';

/*
 * All accounts of the default plan have the same window of a feature: their
 * zone is UTC, and the anchor "subscription" counts as calendar.
 */
CREATE OR REPLACE FUNCTION quota._default_windows(version_id int, at timestamptz)
    RETURNS TABLE (feature_id int, window_start timestamptz, window_end timestamptz)
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT e.feature_id, w.window_start, w.window_end
    FROM quota.entitlement e JOIN quota.feature f ON f.id = e.feature_id AND f.kind = 'metered'
         CROSS JOIN LATERAL quota._window(e.period, e.anchor, e.anchor_at, NULL, 'UTC', _default_windows.at) w
    WHERE e.plan_version_id = _default_windows.version_id
$$;
COMMENT ON FUNCTION quota._default_windows(int, timestamptz) IS
    'internal: the windows that a version has at a time for all who have it as the default plan';

/*
 * The buckets that count for the default plan are those of single segments
 * that depend on no subscription and have no override.  Whoever has a
 * subscription now is no exception: what the default plan charged before must
 * still be there when it ends.
 */
CREATE OR REPLACE FUNCTION quota._default_buckets(feature_id int, window_start timestamptz, window_end timestamptz)
    RETURNS SETOF quota.bucket
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT b.* FROM quota.bucket b
    WHERE b.feature_id = _default_buckets.feature_id AND b.source_id = 0
      AND b.period_start = _default_buckets.window_start AND b.period_end = _default_buckets.window_end
      AND strpos(b.subject, '/') = 0
      AND NOT EXISTS (SELECT FROM quota.subject_override o
                      WHERE o.subject = b.subject AND o.feature_id = b.feature_id)
$$;
COMMENT ON FUNCTION quota._default_buckets(int, timestamptz, timestamptz) IS
    'internal: the buckets of the default plan''s accounts in one window';

/*
 * Moves the use of everybody's old window to the new one.  A subject without
 * bucket in the old window may have one in the new window that an earlier
 * change moved away from; its mark is ended, or debits would follow it.
 */
CREATE OR REPLACE FUNCTION quota._keep_moved_window(
        feature_id int, old_start timestamptz, old_end timestamptz, new_start timestamptz, new_end timestamptz)
    RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM quota._go_on(s.subject, feature_id, 0, old_start, old_end, new_start, new_end, false)
    FROM (SELECT b.subject FROM quota._default_buckets(feature_id, old_start, old_end) b
          UNION
          SELECT b.subject FROM quota._default_buckets(feature_id, new_start, new_end) b WHERE b.moved_start IS NOT NULL
          ORDER BY subject) s;
END
$$;
COMMENT ON FUNCTION quota._keep_moved_window(int, timestamptz, timestamptz, timestamptz, timestamptz) IS
    'internal: moves what all accounts of the default plan used of a feature from one window to another';

/*
 * Of a feature that the default plan did not give just before there is nothing
 * to keep, but a bucket of the window may still say that its use was moved, by
 * a change of an earlier version.  That use comes back.
 */
CREATE OR REPLACE FUNCTION quota._keep_same_window(feature_id int, window_start timestamptz, window_end timestamptz)
    RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM quota._go_on(b.subject, b.feature_id, 0, w.begins, w.ends, b.period_start, b.period_end, false)
    FROM (SELECT d.* FROM quota._default_buckets(feature_id, window_start, window_end) d
          WHERE d.moved_start IS NOT NULL ORDER BY d.subject) b,
         quota._window_now(b.subject, b.feature_id, 0, b.period_start, b.period_end, b.moved_id - 1) w;
END
$$;
COMMENT ON FUNCTION quota._keep_same_window(int, timestamptz, timestamptz) IS
    'internal: makes the buckets of all accounts of the default plan in a window count again';

/*
 * What rolls over later is reckoned with the terms that a bucket bears, those of
 * its last charge, and so is what a hold that is settled late finds in it.  Where
 * neither can come they say nothing that counts, and the buckets of everybody are
 * left alone.
 */
CREATE OR REPLACE FUNCTION quota._set_default_terms(old_version int, new_version int, at timestamptz)
    RETURNS void
    LANGUAGE sql
    SET search_path = pg_catalog, pg_temp
AS $$
    UPDATE quota.bucket b SET plan_version_id = n.plan_version_id, allowance = n.allowance, prorated = NULL
    FROM quota._default_windows(_set_default_terms.new_version, _set_default_terms.at) w
        JOIN quota.entitlement n ON n.plan_version_id = _set_default_terms.new_version AND n.feature_id = w.feature_id
        JOIN quota.entitlement o ON o.plan_version_id = _set_default_terms.old_version AND o.feature_id = w.feature_id,
        LATERAL quota._default_buckets(w.feature_id, w.window_start, w.window_end) d
    WHERE (n.rollover_max IS NOT NULL OR d.reserved IS NOT NULL) AND n.allowance IS DISTINCT FROM d.allowance
      AND b.subject = d.subject AND b.feature_id = d.feature_id AND b.source_id = 0
      AND b.period_start = d.period_start AND b.period_end = d.period_end
$$;
COMMENT ON FUNCTION quota._set_default_terms(int, int, timestamptz) IS
    'internal: notes a new version''s terms in the present buckets of the default plan''s accounts, where they roll over or have open holds';

-- Acts as change_plan keep for all who have the default plan.
CREATE OR REPLACE FUNCTION quota._keep_default_use(old_version int, new_version int)
    RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    at CONSTANT timestamptz := quota._now();
    move record;
    locked boolean := false;
BEGIN
    FOR move IN
        SELECT n.feature_id, o.window_start AS old_start, o.window_end AS old_end, n.window_start, n.window_end
        FROM quota._default_windows(new_version, at) n
             LEFT JOIN quota._default_windows(old_version, at) o ON o.feature_id = n.feature_id
        WHERE (o.window_start, o.window_end) IS DISTINCT FROM (n.window_start, n.window_end)
        ORDER BY n.feature_id
    LOOP
        -- Nobody charges a feature that the default plan gives only from now on.
        IF NOT locked AND move.old_start IS NOT NULL THEN
            PERFORM quota._lock_buckets();
            locked := true;
        END IF;
        IF move.old_start IS NOT NULL THEN
            PERFORM quota._keep_moved_window(move.feature_id, move.old_start, move.old_end,
                                             move.window_start, move.window_end);
        ELSE
            PERFORM quota._keep_same_window(move.feature_id, move.window_start, move.window_end);
        END IF;
    END LOOP;
    PERFORM quota._set_default_terms(_keep_default_use.old_version, _keep_default_use.new_version, at);
END
$$;
COMMENT ON FUNCTION quota._keep_default_use(int, int) IS
    'internal: where the default plan''s present window of a metered feature is another in the new version, that window takes over what was used in the old one; locks the buckets then (0A000 above read committed)';

-- ---------------------------------------------------------------------------
-- For administrators
-- ---------------------------------------------------------------------------

CREATE OR REPLACE FUNCTION quota._catalog_check_arguments(catalog jsonb, dry_run boolean)
    RETURNS jsonb
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    given jsonb := quota._require_size(catalog, 4194304, 'catalog');
BEGIN
    IF given IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = '22004', MESSAGE = 'catalog must not be null';
    END IF;
    IF dry_run IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = '22004', MESSAGE = 'dry_run must not be null';
    END IF;
    PERFORM quota._catalog_require_type('catalog', given, '{object}');
    RETURN given;
END
$$;
COMMENT ON FUNCTION quota._catalog_check_arguments(jsonb, boolean) IS
    'internal: the catalog; refuses a NULL argument of apply_catalog() (22004) and a catalog that is too large or no object (22023)';

CREATE OR REPLACE FUNCTION quota.apply_catalog(catalog jsonb, dry_run boolean = false)
    RETURNS TABLE (object text, name text, change text)
    LANGUAGE quota_plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    -- the size is looked at before anything is unpacked, which a statement would do
    given CONSTANT jsonb := quota._catalog_check_arguments(catalog, dry_run);
    features jsonb := given -> 'features';
    plans jsonb := given -> 'plans';
    actions jsonb := given -> 'actions';
    kinds jsonb;
    old_default int;
BEGIN
    IF NOT dry_run THEN
        LOCK TABLE quota.plan IN SHARE ROW EXCLUSIVE MODE;
        PERFORM quota._begin_posting();
    END IF;
    PERFORM quota._catalog_object('', 'catalog', given);
    kinds := quota._catalog_kinds(features);
    old_default := quota._default_version();

    IF features IS NOT NULL THEN
        RETURN QUERY SELECT 'feature', f.name, f.change
                     FROM quota._catalog_apply_features(features, plans IS NULL, actions IS NULL, dry_run) f;
    END IF;
    IF plans IS NOT NULL THEN
        RETURN QUERY SELECT 'plan', p.name, p.change FROM quota._catalog_apply_plans(plans, kinds, dry_run) p;
    END IF;
    IF actions IS NOT NULL THEN
        RETURN QUERY SELECT 'action', a.name, a.change FROM quota._catalog_apply_actions(actions, kinds, dry_run) a;
    END IF;

    IF NOT dry_run THEN
        PERFORM quota._keep_default_use(old_default, quota._default_version());
        IF features IS NOT NULL THEN
            PERFORM quota._catalog_drop_features(features);
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

CREATE OR REPLACE FUNCTION quota._export_plan(plan quota.plan)
    RETURNS jsonb
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT CASE WHEN (plan).is_default THEN '{"default": true}' ELSE '{}'::jsonb END
           || CASE WHEN (plan).title IS NULL THEN '{}' ELSE jsonb_build_object('title', (plan).title) END
           || CASE WHEN (plan).metadata = '{}' THEN '{}' ELSE jsonb_build_object('metadata', (plan).metadata) END
           || CASE WHEN (plan).external_ids = '{}' THEN '{}' ELSE jsonb_build_object('external_ids', (plan).external_ids) END
           || CASE WHEN (v.period_months, v.period_days, v.period_us) = (1, 0, 0) THEN '{}' ELSE jsonb_build_object('period', v.period) END
           || CASE WHEN v.grace IS NULL THEN '{}' ELSE jsonb_build_object('grace', v.grace) END
           || jsonb_build_object('entitlements',
                (SELECT coalesce(jsonb_object_agg(f.name, quota._export_entitlement(f.kind, e)), '{}')
                 FROM quota.entitlement e JOIN quota.feature f ON f.id = e.feature_id
                 WHERE e.plan_version_id = v.id))
    FROM quota.plan_version v WHERE v.id = quota._newest_version((plan).id)
$$;
COMMENT ON FUNCTION quota._export_plan(quota.plan) IS
    'internal: the JSON of a plan in its newest version, without what is default';

CREATE OR REPLACE FUNCTION quota.export_catalog()
    RETURNS jsonb
    LANGUAGE quota_sql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT jsonb_build_object(
        'features', (SELECT coalesce(jsonb_object_agg(f.name, jsonb_strip_nulls(jsonb_build_object(
                                'kind', f.kind, 'unit', f.unit, 'title', f.title))), '{}')
                     FROM quota.feature f),
        'plans', (SELECT coalesce(jsonb_object_agg(p.name, quota._export_plan(p)), '{}')
                  FROM quota.plan p WHERE p.retired_at IS NULL),
        'actions', (SELECT coalesce(jsonb_object_agg(a.name, quota._export_action(a.id)), '{}')
                    FROM quota.action a WHERE a.retired_at IS NULL))
$$;
COMMENT ON FUNCTION quota.export_catalog() IS
    'the catalog as the JSON that apply_catalog() takes: every feature, every action that is not retired, and every plan that is not, in its newest version, without what is default. Applied again it changes nothing';
