/*
 * The catalog's JSON: complaints, which begin with its path, and one validator for
 * each kind of value, which returns it typed.
 */

CREATE OR REPLACE FUNCTION quota_internal._catalog_error(path text, problem text, hint text = NULL, code text = '22023')
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
COMMENT ON FUNCTION quota_internal._catalog_error(text, text, text, text) IS
    'internal: raises an error (22023 unless said) whose message begins with the JSON path of what is wrong';

CREATE OR REPLACE FUNCTION quota_internal._catalog_path(path text, key text)
    RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT CASE WHEN _catalog_path.path = '' THEN '' ELSE _catalog_path.path || '.' END
        || CASE WHEN _catalog_path.key ~ '^[A-Za-z0-9_:-]{1,128}$' THEN _catalog_path.key
                WHEN length(_catalog_path.key) <= 128 THEN to_json(_catalog_path.key)::text
                ELSE to_json(left(_catalog_path.key, 32) || '...')::text END;
END;
COMMENT ON FUNCTION quota_internal._catalog_path(text, text) IS
    'internal: the JSON path of a member of the object at a path (empty: the catalog itself); unusual names are quoted, long ones cut';

/*
 * THE list of what may stand where.  A key is read in the function that returns
 * its part.
 */
CREATE OR REPLACE FUNCTION quota_internal._catalog_keys(OUT place text, OUT key text, OUT types text[], OUT required boolean)
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
           ('plan',       'listed',       '{boolean}',        false),
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
           ('metered',    'times_quantity', '{boolean}',      false),
           ('metered',    'members',      '{object}',         false),
           ('capacity',   'allowance',    '{number,"null"}',  true),
           ('capacity',   'notify',       '{array}',          false),
           ('capacity',   'times_quantity', '{boolean}',      false),
           ('capacity',   'members',      '{object}',         false),
           ('rate',       'rate',         '{object}',         true),
           ('rate',       'members',      '{object}',         false),
           ('boolean',    'value',        '{boolean}',        true),
           ('boolean',    'members',      '{object}',         false),
           ('static',     'value',        '{object,array,string,number,boolean,"null"}', true),
           ('static',     'members',      '{object}',         false),
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
           ('charge',     'per_unit',     '{number,object}',  false),
           -- not of the catalog: what amend() takes
           ('subscription', 'trial_ends_at', '{string,"null"}', false),
           ('subscription', 'ends_at',       '{string,"null"}', false),
           ('subscription', 'timezone',      '{string,"null"}', false),
           ('subscription', 'external_id',   '{string,"null"}', false),
           ('subscription', 'metadata',      '{object,"null"}', false),
           ('subscription', 'quantity',      '{number,"null"}', false);
END;
COMMENT ON FUNCTION quota_internal._catalog_keys() IS
    'internal: every key that the catalog''s JSON may have, by place (an entitlement''s place is the kind of its feature), with its JSON types';

CREATE OR REPLACE FUNCTION quota_internal._catalog_require_type(path text, value jsonb, types text[])
    RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    words CONSTANT jsonb := '{"object": "an object", "array": "an array", "string": "a string",
                              "number": "a number", "boolean": "true or false", "null": "null"}';
BEGIN
    IF jsonb_typeof(value) <> ALL (types) THEN
        PERFORM quota_internal._catalog_error(path, 'must be '
            || (SELECT string_agg(words ->> t.type, ' or ' ORDER BY t.n)
                FROM unnest(types) WITH ORDINALITY t (type, n)));
    END IF;
END
$$;
COMMENT ON FUNCTION quota_internal._catalog_require_type(text, jsonb, text[]) IS
    'internal: refuses (22023) a JSON value that is of none of the types';

CREATE OR REPLACE FUNCTION quota_internal._catalog_unknown_key(path text, place text, key text)
    RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    kinds CONSTANT text[] := '{metered,capacity,rate,boolean,static}';
    problem text := 'unknown key';
    hint text;
BEGIN
    IF place = ANY (kinds) AND EXISTS (SELECT FROM quota_internal._catalog_keys() k
                                       WHERE k.key = _catalog_unknown_key.key AND k.place = ANY (kinds)) THEN
        problem := format('not allowed on a %s feature', place);
    END IF;
    SELECT format('Known here: %s.', string_agg(k.key, ', ')) INTO hint
    FROM quota_internal._catalog_keys() k WHERE k.place = _catalog_unknown_key.place;
    PERFORM quota_internal._catalog_error(path, problem, hint);
END
$$;
COMMENT ON FUNCTION quota_internal._catalog_unknown_key(text, text, text) IS
    'internal: raises 22023 for a key that may not stand in this place, and says which may';

CREATE OR REPLACE FUNCTION quota_internal._catalog_object(path text, place text, value jsonb)
    RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    given record;
    absent text;
BEGIN
    PERFORM quota_internal._catalog_require_type(path, value, '{object}');

    FOR given IN
        SELECT e.key, e.value, k.types, quota_internal._catalog_path(path, e.key) AS path
        FROM jsonb_each(value) e
             LEFT JOIN quota_internal._catalog_keys() k ON k.place = _catalog_object.place AND k.key = e.key
        ORDER BY e.key COLLATE "C"
    LOOP
        IF given.types IS NULL THEN
            PERFORM quota_internal._catalog_unknown_key(given.path, place, given.key);
        END IF;
        PERFORM quota_internal._catalog_require_type(given.path, given.value, given.types);
    END LOOP;

    SELECT k.key INTO absent FROM quota_internal._catalog_keys() k
    WHERE k.place = _catalog_object.place AND k.required AND NOT value ? k.key;
    IF FOUND THEN
        PERFORM quota_internal._catalog_error(
            quota_internal._catalog_path(path, absent), 'missing',
            CASE WHEN absent = 'allowance' THEN 'Write null for an unlimited allowance.'
                 WHEN place = 'overage' THEN 'Write true instead of the object for overage without limit.' END);
    END IF;
END
$$;
COMMENT ON FUNCTION quota_internal._catalog_object(text, text, jsonb) IS
    'internal: checks the keys of an object, and the JSON types of their values, against _catalog_keys(); 22023';

CREATE OR REPLACE FUNCTION quota_internal._catalog_members(place text, whole jsonb, allowed int)
    RETURNS TABLE (path text, key text, value jsonb)
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    counted CONSTANT bigint := CASE jsonb_typeof(whole) WHEN 'array' THEN jsonb_array_length(whole)
                                    ELSE (SELECT count(*) FROM jsonb_object_keys(whole)) END;
BEGIN
    IF counted > allowed THEN
        PERFORM quota_internal._catalog_error(place, format('has %s members, at most %s are allowed', counted, allowed));
    ELSIF jsonb_typeof(whole) = 'array' THEN
        RETURN QUERY SELECT format('%s[%s]', place, e.n - 1), NULL, e.value
                     FROM jsonb_array_elements(whole) WITH ORDINALITY e (value, n) ORDER BY e.n;
    ELSE
        RETURN QUERY SELECT quota_internal._catalog_path(place, e.key), e.key, e.value
                     FROM jsonb_each(whole) e ORDER BY e.key COLLATE "C";
    END IF;
END
$$;
COMMENT ON FUNCTION quota_internal._catalog_members(text, jsonb, int) IS
    'internal: what is in an object, by key, or in an array, each with its path; refuses (22023) too many; NULL has none';

CREATE OR REPLACE FUNCTION quota_internal._catalog_text(path text, value jsonb, max_bytes int)
    RETURNS text
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    result CONSTANT text := value #>> '{}';
BEGIN
    IF octet_length(result) > max_bytes THEN
        PERFORM quota_internal._catalog_error(path, format('longer than %s bytes', max_bytes), code => '22001');
    END IF;
    RETURN result;
END
$$;
COMMENT ON FUNCTION quota_internal._catalog_text(text, jsonb, int) IS
    'internal: the text of a JSON string of limited length (22001); NULL for no value';

CREATE OR REPLACE FUNCTION quota_internal._catalog_identifier(path text, name text, max_bytes int)
    RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM quota_internal._catalog_text(path, to_jsonb(name), max_bytes);
    IF name = '' THEN
        PERFORM quota_internal._catalog_error(path, 'must not be empty');
    END IF;
    IF name ~ '[\u0001-\u001f\u007f]' THEN
        PERFORM quota_internal._catalog_error(path, 'must not have control characters');
    END IF;
END
$$;
COMMENT ON FUNCTION quota_internal._catalog_identifier(text, text, int) IS
    'internal: refuses what is empty or has control characters (22023) or is too long (22001); for names of plans, actions and dimensions, and external ids';

CREATE OR REPLACE FUNCTION quota_internal._catalog_json(path text, value jsonb)
    RETURNS jsonb
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF octet_length(value::text) > 8192 THEN
        PERFORM quota_internal._catalog_error(path, 'larger than 8192 bytes');
    END IF;
    RETURN value;
END
$$;
COMMENT ON FUNCTION quota_internal._catalog_json(text, jsonb) IS
    'internal: a JSON value of limited size (22023); NULL for no value';

CREATE OR REPLACE FUNCTION quota_internal._catalog_number(path text, value jsonb, lowest bigint = 0, advice text = NULL)
    RETURNS numeric
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    result CONSTANT numeric := value::numeric;
BEGIN
    IF result < lowest THEN
        PERFORM quota_internal._catalog_error(path, CASE lowest WHEN 0 THEN 'must not be negative' ELSE format('must be at least %s', lowest) END);
    ELSIF result > 9223372036854775807 THEN
        PERFORM quota_internal._catalog_error(path, 'out of range', concat_ws('; ', 'The most is 9223372036854775807', advice) || '.', '22003');
    END IF;
    RETURN result;
END
$$;
COMMENT ON FUNCTION quota_internal._catalog_number(text, jsonb, bigint, text) IS
    'internal: a JSON number from a least one (22023) to the greatest bigint (22003, with advice); NULL for no value';

CREATE OR REPLACE FUNCTION quota_internal._catalog_whole(path text, value jsonb, lowest bigint = 0, advice text = NULL)
    RETURNS bigint
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    amount CONSTANT numeric := quota_internal._catalog_number(path, value, lowest, advice);
BEGIN
    IF amount <> trunc(amount) THEN
        PERFORM quota_internal._catalog_error(path, 'must be an integer', 'Choose a unit small enough to count in whole numbers.');
    END IF;
    RETURN amount::bigint;
END
$$;
COMMENT ON FUNCTION quota_internal._catalog_whole(text, jsonb, bigint, text) IS
    'internal: a JSON number as bigint; 22023, 22003 as _catalog_number(), and 22023 for a fraction';

CREATE OR REPLACE FUNCTION quota_internal._catalog_amount(path text, value jsonb)
    RETURNS bigint
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF jsonb_typeof(value) = 'null' THEN
        RETURN NULL;
    END IF;
    RETURN quota_internal._catalog_whole(path, value, advice => 'null says unlimited');
END
$$;
COMMENT ON FUNCTION quota_internal._catalog_amount(text, jsonb) IS
    'internal: a JSON number as bigint from 0 on (22023, 22003), JSON null (unlimited) as NULL';

CREATE OR REPLACE FUNCTION quota_internal._catalog_period(
        path text, value jsonb, OUT period text, OUT months int, OUT days int, OUT us bigint)
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    problem text;
    advice text;
BEGIN
    period := value #>> '{}';
    SELECT p.months, p.days, p.us INTO months, days, us FROM quota_internal._period(period) p;
EXCEPTION WHEN data_exception THEN
    GET STACKED DIAGNOSTICS problem = MESSAGE_TEXT, advice = PG_EXCEPTION_HINT;
    PERFORM quota_internal._catalog_error(path, problem, nullif(advice, ''));
END
$$;
COMMENT ON FUNCTION quota_internal._catalog_period(text, jsonb) IS
    'internal: a JSON string as a period, with its parts; 22023 with the path if it is none';
