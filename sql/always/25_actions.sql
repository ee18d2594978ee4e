/*
 * The catalog's actions: the price book of quota.charge() and charge_units().
 *
 * An action's JSON is validated and brought into one normal form (features of
 * "requires" in order, prices without trailing zeros, nothing that is default),
 * which _export_action() writes from the rows too.  So two actions are the same
 * if and only if their normal forms are, whatever way their numbers are written.
 *
 * A retired action keeps its row and loses its prices: it names no feature.
 */

-- ---------------------------------------------------------------------------
-- Actions as the catalog gives them
-- ---------------------------------------------------------------------------

/*
 * The bounds are far beyond any price, and near enough that what export_catalog()
 * writes stays readable.
 */
CREATE OR REPLACE FUNCTION quota_internal._catalog_price(path text, value jsonb)
    RETURNS numeric
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    price numeric;
BEGIN
    PERFORM quota_internal._catalog_require_type(path, value, '{number}');
    price := trim_scale(quota_internal._catalog_number(path, value));
    IF scale(price) > 50 THEN
        PERFORM quota_internal._catalog_error(path, 'has more than 50 digits after the point');
    END IF;
    RETURN price;
END
$$;
COMMENT ON FUNCTION quota_internal._catalog_price(text, jsonb) IS
    'internal: a JSON number as an exact price from 0 on, without trailing zeros; 22023, 22003 with the path';

CREATE OR REPLACE FUNCTION quota_internal._catalog_per_unit(path text, value jsonb)
    RETURNS jsonb
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    given record;
    result jsonb := '{}';
BEGIN
    IF jsonb_typeof(value) <> 'object' THEN
        RETURN to_jsonb(quota_internal._catalog_price(path, value));
    END IF;
    IF value = '{}' THEN
        PERFORM quota_internal._catalog_error(path, 'must not be empty', 'Give a price, or one for each dimension.');
    END IF;
    FOR given IN SELECT * FROM quota_internal._catalog_members(path, value, 100) LOOP
        PERFORM quota_internal._catalog_identifier(given.path, given.key, 63);
        result := result || jsonb_build_object(given.key, quota_internal._catalog_price(given.path, given.value));
    END LOOP;
    RETURN result;
END
$$;
COMMENT ON FUNCTION quota_internal._catalog_per_unit(text, jsonb) IS
    'internal: a price per unit in normal form: a number, or an object of dimension to number; 22023, 22003, 22001 with the path';

CREATE OR REPLACE FUNCTION quota_internal._catalog_charge(path text, kind text, charge jsonb)
    RETURNS jsonb
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    base numeric := 0;
BEGIN
    IF kind IS NULL THEN
        PERFORM quota_internal._catalog_error(path, 'no such feature', 'Declare it under "features".');
    ELSIF kind NOT IN ('metered', 'capacity') THEN
        PERFORM quota_internal._catalog_error(path, format('a %s feature cannot be charged', kind),
                                              'An action charges metered and capacity features; others can stand in "requires".');
    END IF;
    PERFORM quota_internal._catalog_object(path, 'charge', charge);
    IF charge = '{}' THEN
        PERFORM quota_internal._catalog_error(path, 'charges nothing', 'Give "base", "per_unit" or both.');
    END IF;

    IF charge ? 'base' THEN
        base := quota_internal._catalog_price(path || '.base', charge -> 'base');
    END IF;
    IF NOT charge ? 'per_unit' THEN
        RETURN jsonb_build_object('base', base);
    END IF;
    RETURN CASE WHEN base = 0 THEN '{}' ELSE jsonb_build_object('base', base) END
           || jsonb_build_object('per_unit', quota_internal._catalog_per_unit(path || '.per_unit', charge -> 'per_unit'));
END
$$;
COMMENT ON FUNCTION quota_internal._catalog_charge(text, text, jsonb) IS
    'internal: what an action charges of a feature of a kind (NULL: not declared), in normal form; 22023, 22003, 22001 with the path';

/*
 * charge() takes one number and charge_units() numbers by dimension, so an
 * action with prices of both sorts could not be called; and one call has at
 * most 100 dimensions.
 */
CREATE OR REPLACE FUNCTION quota_internal._catalog_check_dimensions(path text, charges jsonb)
    RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    sorts bigint;
    dimensions bigint;
BEGIN
    SELECT count(DISTINCT jsonb_typeof(c.value -> 'per_unit')) INTO sorts FROM jsonb_each(charges) c;
    IF sorts > 1 THEN
        PERFORM quota_internal._catalog_error(path, 'some have one price per unit and some have prices by dimension',
                                              'quota.charge() takes one number of units, quota.charge_units() a number for each dimension; write two actions.');
    END IF;
    SELECT count(DISTINCT d.name) INTO dimensions
    FROM jsonb_each(charges) c CROSS JOIN LATERAL jsonb_object_keys(c.value -> 'per_unit') d (name)
    WHERE jsonb_typeof(c.value -> 'per_unit') = 'object';
    IF dimensions > 100 THEN
        PERFORM quota_internal._catalog_error(path, format('have %s dimensions, at most 100 are allowed', dimensions));
    END IF;
END
$$;
COMMENT ON FUNCTION quota_internal._catalog_check_dimensions(text, jsonb) IS
    'internal: refuses (22023) charges, in normal form, that no single call could pay';

CREATE OR REPLACE FUNCTION quota_internal._catalog_charges(path text, charges jsonb, kinds jsonb)
    RETURNS jsonb
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    given record;
    result jsonb := '{}';
BEGIN
    FOR given IN SELECT * FROM quota_internal._catalog_members(path, charges, 100) LOOP
        result := result || jsonb_build_object(given.key, quota_internal._catalog_charge(given.path, kinds ->> given.key, given.value));
    END LOOP;
    PERFORM quota_internal._catalog_check_dimensions(path, result);
    RETURN result;
END
$$;
COMMENT ON FUNCTION quota_internal._catalog_charges(text, jsonb, jsonb) IS
    'internal: the charges of an action, for features of these kinds, in normal form; errors as _catalog_charge()';

/*
 * A feature of any kind can be required: what is asked is what quota.has()
 * answers, entitled and active, whatever the room.
 */
CREATE OR REPLACE FUNCTION quota_internal._catalog_requires(path text, requires jsonb, kinds jsonb)
    RETURNS jsonb
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    given record;
    result text[] := '{}';
BEGIN
    FOR given IN SELECT m.path, m.value, m.value #>> '{}' AS name FROM quota_internal._catalog_members(path, requires, 100) m LOOP
        PERFORM quota_internal._catalog_require_type(given.path, given.value, '{string}');
        IF NOT kinds ? given.name THEN
            PERFORM quota_internal._catalog_error(given.path, 'no such feature', 'Declare it under "features".');
        ELSIF given.name = ANY (result) THEN
            PERFORM quota_internal._catalog_error(given.path, 'given twice');
        END IF;
        result := result || given.name;
    END LOOP;
    RETURN to_jsonb(ARRAY(SELECT r.name FROM unnest(result) r (name) ORDER BY r.name COLLATE "C"));
END
$$;
COMMENT ON FUNCTION quota_internal._catalog_requires(text, jsonb, jsonb) IS
    'internal: the features that an action requires, all declared and different, in order; 22023 with the path';

CREATE OR REPLACE FUNCTION quota_internal._catalog_action(path text, action jsonb, kinds jsonb)
    RETURNS jsonb
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    requires jsonb;
    charges jsonb;
BEGIN
    PERFORM quota_internal._catalog_object(path, 'action', action);
    requires := quota_internal._catalog_requires(path || '.requires', coalesce(action -> 'requires', '[]'), kinds);
    charges := quota_internal._catalog_charges(path || '.charges', coalesce(action -> 'charges', '{}'), kinds);
    RETURN CASE WHEN requires = '[]' THEN '{}' ELSE jsonb_build_object('requires', requires) END
           || CASE WHEN charges = '{}' THEN '{}' ELSE jsonb_build_object('charges', charges) END;
END
$$;
COMMENT ON FUNCTION quota_internal._catalog_action(text, jsonb, jsonb) IS
    'internal: an action''s JSON in normal form, with features of these kinds; 22023, 22003, 22001 with the path';

-- ---------------------------------------------------------------------------
-- Compared and stored
-- ---------------------------------------------------------------------------

CREATE OR REPLACE FUNCTION quota_internal._export_charge(charge quota_internal.action_charge)
    RETURNS jsonb
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT CASE WHEN (charge).base = 0 AND count(p) > 0 THEN '{}' ELSE jsonb_build_object('base', (charge).base) END
           || CASE WHEN count(p) = 0 THEN '{}'
                   -- the dimension without a name is alone
                   WHEN min(p.dimension) = '' THEN jsonb_build_object('per_unit', min(p.per_unit))
                   ELSE jsonb_build_object('per_unit', jsonb_object_agg(p.dimension, p.per_unit)) END
    FROM quota_internal.action_price p
    WHERE p.action_id = (charge).action_id AND p.feature_id = (charge).feature_id
$$;
COMMENT ON FUNCTION quota_internal._export_charge(quota_internal.action_charge) IS
    'internal: the JSON of what an action charges of one feature, in the normal form of _catalog_charge()';

CREATE OR REPLACE FUNCTION quota_internal._export_action(action_id int)
    RETURNS jsonb
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT jsonb_strip_nulls(jsonb_build_object(
        'requires', (SELECT jsonb_agg(f.name ORDER BY f.name)
                     FROM quota_internal.action_require r JOIN quota_internal.feature f ON f.id = r.feature_id
                     WHERE r.action_id = _export_action.action_id),
        'charges', (SELECT jsonb_object_agg(f.name, quota_internal._export_charge(c))
                    FROM quota_internal.action_charge c JOIN quota_internal.feature f ON f.id = c.feature_id
                    WHERE c.action_id = _export_action.action_id)))
$$;
COMMENT ON FUNCTION quota_internal._export_action(int) IS
    'internal: the JSON of an action, in the normal form of _catalog_action()';

CREATE OR REPLACE FUNCTION quota_internal._forget_prices(action_id int)
    RETURNS void
    LANGUAGE sql
    SET search_path = pg_catalog, pg_temp
AS $$
    DELETE FROM quota_internal.action_require r WHERE r.action_id = _forget_prices.action_id;
    DELETE FROM quota_internal.action_price p WHERE p.action_id = _forget_prices.action_id;
    DELETE FROM quota_internal.action_charge c WHERE c.action_id = _forget_prices.action_id;
$$;
COMMENT ON FUNCTION quota_internal._forget_prices(int) IS
    'internal: deletes what an action requires and charges';

CREATE OR REPLACE FUNCTION quota_internal._catalog_store_action(name text, given jsonb)
    RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    stored_id int;
BEGIN
    INSERT INTO quota_internal.action AS a (name) VALUES (_catalog_store_action.name)
    ON CONFLICT ON CONSTRAINT action_name_key DO UPDATE SET retired_at = NULL
    RETURNING a.id INTO stored_id;
    PERFORM quota_internal._forget_prices(stored_id);

    INSERT INTO quota_internal.action_require (action_id, feature_id)
    SELECT stored_id, f.id
    FROM jsonb_array_elements_text(given -> 'requires') r (name) JOIN quota_internal.feature f ON f.name = r.name;

    INSERT INTO quota_internal.action_charge (action_id, feature_id, base)
    SELECT stored_id, f.id, coalesce((c.value -> 'base')::numeric, 0)
    FROM jsonb_each(given -> 'charges') c JOIN quota_internal.feature f ON f.name = c.key;

    INSERT INTO quota_internal.action_price (action_id, feature_id, dimension, per_unit)
    SELECT stored_id, f.id, d.key, d.value::numeric
    FROM jsonb_each(given -> 'charges') c JOIN quota_internal.feature f ON f.name = c.key
         CROSS JOIN LATERAL jsonb_each(CASE jsonb_typeof(c.value -> 'per_unit')
                                           WHEN 'object' THEN c.value -> 'per_unit'
                                           WHEN 'number' THEN jsonb_build_object('', c.value -> 'per_unit') END) d;
END
$$;
COMMENT ON FUNCTION quota_internal._catalog_store_action(text, jsonb) IS
    'internal: stores an action that is in normal form in the place of what it was before, and ends its retirement';

CREATE OR REPLACE FUNCTION quota_internal._catalog_apply_action(name text, old quota_internal.action, action jsonb, kinds jsonb, dry_run boolean)
    RETURNS text
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    path CONSTANT text := quota_internal._catalog_path('actions', name);
    given jsonb;
    change text := 'changed';
BEGIN
    PERFORM quota_internal._catalog_identifier(path, name, 128);
    given := quota_internal._catalog_action(path, action, kinds);
    IF old.id IS NULL OR old.retired_at IS NOT NULL THEN
        change := 'added';
    ELSIF given = quota_internal._export_action(old.id) THEN
        change := 'unchanged';
    END IF;
    IF NOT dry_run AND change <> 'unchanged' THEN
        PERFORM quota_internal._catalog_store_action(name, given);
    END IF;
    RETURN change;
END
$$;
COMMENT ON FUNCTION quota_internal._catalog_apply_action(text, quota_internal.action, jsonb, jsonb, boolean) IS
    'internal: compares an action''s JSON with its rows (all NULL: a new action), stores it, and says added (also of one that was retired), changed or unchanged';

CREATE OR REPLACE FUNCTION quota_internal._catalog_apply_actions(actions jsonb, kinds jsonb, dry_run boolean)
    RETURNS TABLE (name text, change text)
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    given record;
BEGIN
    FOR given IN
        SELECT coalesce(a.name, e.key) AS name, a AS old, a.id, a.retired_at, e.value
        FROM quota_internal.action a FULL JOIN quota_internal._catalog_members('actions', actions, 1000) e ON e.key = a.name
        ORDER BY coalesce(a.name, e.key) COLLATE "C"
    LOOP
        CONTINUE WHEN given.value IS NULL AND given.retired_at IS NOT NULL;
        name := given.name;
        IF given.value IS NULL THEN
            change := 'retired';
            IF NOT dry_run THEN
                UPDATE quota_internal.action a SET retired_at = quota_internal._now() WHERE a.id = given.id;
                PERFORM quota_internal._forget_prices(given.id);
            END IF;
        ELSE
            change := quota_internal._catalog_apply_action(name, given.old, given.value, kinds, dry_run);
        END IF;
        RETURN NEXT;
    END LOOP;
END
$$;
COMMENT ON FUNCTION quota_internal._catalog_apply_actions(jsonb, jsonb, boolean) IS
    'internal: stores the actions of a catalog, retires those that are absent, and answers with one row for each; none for an action that was retired before and stays absent';
