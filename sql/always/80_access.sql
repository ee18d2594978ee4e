/*
 * Which role may call what.  The extension creates no roles: grant_access() grants a
 * level to a role that is there.
 *
 * SECURITY DEFINER, so that the owner is the grantor of everything: the caller,
 * of level admin, has nothing to grant with, and what one administrator granted
 * another can take away.  Nothing is ever granted with grant option.
 */

-- The one list.  A name that does not exist (yet) grants nothing.
CREATE OR REPLACE FUNCTION quota_internal._access_object(OUT kind text, OUT name text, OUT levels text[]) RETURNS SETOF record
    LANGUAGE sql IMMUTABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT v.kind, v.name, v.levels::text[] FROM (VALUES
        -- state
        ('function', 'check',           '{reader,app,admin}'),
        ('function', 'has',             '{reader,app,admin}'),
        ('function', 'setting',         '{reader,app,admin}'),
        ('function', 'status',          '{reader,app,admin}'),
        ('function', 'me',              '{reader,app,admin}'),
        ('function', 'explain',         '{reader,app,admin}'),
        ('function', 'offers',          '{reader,app,admin}'),
        ('function', 'plans',           '{reader,app,admin}'),
        ('function', 'preview',         '{reader,app,admin}'),
        ('function', 'usage',           '{reader,app,admin}'),
        ('function', 'breakdown',       '{reader,app,admin}'),
        ('function', 'unit_hours',      '{reader,app,admin}'),
        ('function', 'statement',       '{reader,app,admin}'),
        ('view',     'events',          '{reader,admin}'),
        ('view',     'metrics',         '{reader,admin}'),
        -- enforcement
        ('function', 'debit',           '{app,admin}'),
        ('function', 'try_debit',       '{app,admin}'),
        ('function', 'debit_many',      '{app,admin}'),
        ('function', 'charge',          '{app,admin}'),
        ('function', 'charge_units',    '{app,admin}'),
        ('function', 'refund',          '{app,admin}'),
        ('function', 'give_back',       '{app,admin}'),
        ('function', 'throttle',        '{app,admin}'),
        ('function', 'reserve',         '{app,admin}'),
        ('function', 'extend',          '{app,admin}'),
        ('function', 'settle',          '{app,admin}'),
        ('function', 'release',         '{app,admin}'),
        ('function', 'record',          '{app,admin}'),
        ('function', 'quote',           '{app,admin}'),
        ('function', 'note_denial',     '{app,admin}'),
        ('function', 'authenticate',    '{app,admin}'),
        -- administration; gate is in no level
        ('function', 'apply_catalog',   '{admin}'),
        ('function', 'export_catalog',  '{admin}'),
        ('function', 'subscribe',       '{admin}'),
        ('function', 'change_plan',     '{admin}'),
        ('function', 'cancel',          '{admin}'),
        ('function', 'set_status',      '{admin}'),
        ('function', 'amend',           '{admin}'),
        ('function', 'migrate',         '{admin}'),
        ('function', 'override',        '{admin}'),
        ('function', 'credit',          '{admin}'),
        ('function', 'revoke',          '{admin}'),
        ('function', 'set_usage',       '{admin}'),
        ('function', 'clear_caps',      '{admin}'),
        ('function', 'protect',         '{admin}'),
        ('function', 'unprotect',       '{admin}'),
        ('function', 'recount',         '{admin}'),
        ('function', 'grant_access',    '{admin}'),
        ('function', 'revoke_access',   '{admin}'),
        ('function', 'create_api_key',  '{admin}'),
        ('function', 'revoke_api_key',  '{admin}'),
        ('function', 'maintain',        '{admin}'),
        ('function', 'verify',          '{admin}'),
        ('function', 'simulate',        '{admin}'),
        ('function', 'forget',          '{admin}'),
        ('function', 'rename',          '{admin}'),
        ('function', 'export_subject',  '{admin}'),
        ('function', 'import_subject',  '{admin}'),
        ('view',     'ledger',          '{admin}'),
        ('view',     'subscriptions',   '{reader,admin}'),
        -- Views call these with their reader's rights.  They take no argument or
        -- read nothing, but for _held_use(), _lease_use() and _lease_reserved(), which say what periods
        -- says; no other function with an underscore is ever granted.
        ('function', '_entry_kind',     '{admin}'),
        ('function', '_entry_source',   '{admin}'),
        ('function', '_now',            '{reader,admin}'),
        ('function', '_window',         '{reader,admin}'),
        ('function', '_gates_for_view', '{admin}'),
        ('function', '_held_use',       '{reader,admin}'),
        ('function', '_lease_use',      '{reader,admin}'),
        ('function', '_lease_reserved', '{reader,admin}'),
        ('function', '_rollup_waiting', '{reader,admin}'),
        ('function', '_shared',         '{reader,admin}'),
        ('function', '_leases',         '{admin}'),
        ('function', '_snapshots_held', '{reader,admin}'),
        ('function', '_library_version', '{reader,admin}'),
        ('view',     'periods',         '{reader,admin}'),
        ('view',     'holds',           '{reader,admin}'),
        ('view',     'gates',           '{admin}'),
        ('view',     'leases',          '{admin}'),
        ('view',     'gate_charge',     '{admin}'),
        ('view',     'denials',         '{reader,admin}'),
        ('view',     'api_keys',        '{admin}')
    ) AS v(kind, name, levels)
$$;
COMMENT ON FUNCTION quota_internal._access_object() IS 'internal: the levels that each function and view belongs to';

/*
 * %I would print the role named public like PUBLIC, the pseudo-role; there can
 * be no such role, so what is in pg_roles is safe to print.
 */
CREATE OR REPLACE FUNCTION quota_internal._require_grantee(grantee text) RETURNS text
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    role_oid oid;
BEGIN
    IF _require_grantee.grantee IS NULL THEN
        PERFORM quota_internal._require(false, 'grantee');
    ELSIF octet_length(_require_grantee.grantee) >= 64 THEN
        RAISE EXCEPTION USING ERRCODE = '42704', MESSAGE = 'role does not exist',
            DETAIL = 'Its name is longer than the 63 bytes that the name of a role can have.';
    ELSE
        IF lower(_require_grantee.grantee) = 'public' THEN
            RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'access is given to roles, never to PUBLIC';
        END IF;
        SELECT r.oid INTO role_oid FROM pg_roles r WHERE r.rolname = _require_grantee.grantee;
    END IF;
    IF role_oid IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = '42704',
            MESSAGE = format('role "%s" does not exist', _require_grantee.grantee);
    END IF;
    IF role_oid IN (SELECT n.nspowner FROM pg_namespace n WHERE n.nspname IN ('quota', 'quota_internal')
                    UNION ALL
                    SELECT p.proowner FROM pg_proc p WHERE p.pronamespace = ANY ('{quota,quota_internal}'::regnamespace[])) THEN
        RAISE EXCEPTION USING ERRCODE = '22023',
            MESSAGE = format('role "%s" owns the extension', _require_grantee.grantee),
            DETAIL = 'It has every right already, and cannot do without.';
    END IF;
    RETURN _require_grantee.grantee;
END
$$;
COMMENT ON FUNCTION quota_internal._require_grantee(text) IS 'internal: the argument; 42704 unless it is a role, 22023 for PUBLIC and for our owner';

CREATE OR REPLACE FUNCTION quota_internal._strip_access(grantee text) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    ours_type regtype;
BEGIN
    -- One at a time: two at once would update the same catalog rows and fail.
    LOCK TABLE quota_internal.event IN SHARE UPDATE EXCLUSIVE MODE;
    EXECUTE format('REVOKE ALL ON SCHEMA quota, quota_internal FROM %I CASCADE', _strip_access.grantee);
    EXECUTE format('REVOKE ALL ON ALL ROUTINES IN SCHEMA quota, quota_internal FROM %I CASCADE', _strip_access.grantee);
    EXECUTE format('REVOKE ALL ON ALL TABLES IN SCHEMA quota, quota_internal FROM %I CASCADE', _strip_access.grantee);
    EXECUTE format('REVOKE ALL ON ALL SEQUENCES IN SCHEMA quota, quota_internal FROM %I CASCADE', _strip_access.grantee);
    FOR ours_type IN
        SELECT t.oid FROM pg_type t, aclexplode(t.typacl) a
        WHERE t.typnamespace = ANY ('{quota,quota_internal}'::regnamespace[]) AND a.grantee = (SELECT r.oid FROM pg_roles r WHERE r.rolname = _strip_access.grantee)
          AND (t.typtype <> 'm' OR current_setting('server_version_num')::int < 170000)
    LOOP
        EXECUTE format('REVOKE ALL ON TYPE %s FROM %I CASCADE', ours_type, _strip_access.grantee);
    END LOOP;
END
$$;
COMMENT ON FUNCTION quota_internal._strip_access(text) IS 'internal: takes every right in schema quota from a role';

/*
 * A role with USAGE of the schema could have columns of our tables' and views' row
 * types, at which an update or the drop of a month of the ledger would stop.  Not by
 * 90_privileges: pg_dump knows no initial privileges of these types, and would warn,
 * nor does it keep this REVOKE, so maintain() does it, too.  After pg_upgrade it is
 * the same with the functions that a range type comes with.
 */
CREATE OR REPLACE FUNCTION quota_internal._close_types() RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    row_type regtype;
    constructor regprocedure;
BEGIN
    FOR constructor IN
        SELECT p.oid FROM pg_proc p JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid
            AND d.refclassid = 'pg_type'::regclass AND d.deptype = 'i', aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
        WHERE p.pronamespace = ANY ('{quota,quota_internal}'::regnamespace[]) AND a.grantee = 0
    LOOP
        LOCK TABLE quota_internal.event IN SHARE UPDATE EXCLUSIVE MODE;
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', constructor);
    END LOOP;
    FOR row_type IN
        SELECT t.oid FROM pg_type t, aclexplode(coalesce(t.typacl, acldefault('T', t.typowner))) a
        WHERE t.typnamespace = ANY ('{quota,quota_internal}'::regnamespace[]) AND t.typrelid <> 0 AND a.grantee = 0
    LOOP
        LOCK TABLE quota_internal.event IN SHARE UPDATE EXCLUSIVE MODE;      -- as grants do
        EXECUTE format('REVOKE ALL ON TYPE %s FROM PUBLIC', row_type);
    END LOOP;
END
$$;
COMMENT ON FUNCTION quota_internal._close_types() IS 'internal: takes from PUBLIC the row types of our tables and views, and the functions of our range types';

CREATE OR REPLACE FUNCTION quota.grant_access(grantee text, level text) RETURNS void
    LANGUAGE quota_plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    -- by expressions: see the small checks of arguments in 26_arguments
    wanted text := quota_internal._require_word(grant_access.level, 'level', '{app,reader,admin}');
    role   text := quota_internal._require_grantee(grant_access.grantee);
    object record;
BEGIN
    PERFORM quota_internal._strip_access(role);
    PERFORM quota_internal._close_types();
    EXECUTE format('GRANT USAGE ON SCHEMA quota TO %I', role);
    FOR object IN
        SELECT 'EXECUTE ON FUNCTION ' || p.oid::regprocedure AS what
        FROM quota_internal._access_object() o
            JOIN pg_proc p ON p.pronamespace = ANY ('{quota,quota_internal}'::regnamespace[]) AND p.proname = o.name
        WHERE o.kind = 'function' AND wanted = ANY (o.levels)
        UNION ALL
        SELECT 'SELECT ON ' || c.oid::regclass
        FROM quota_internal._access_object() o
            JOIN pg_class c ON c.relnamespace = 'quota'::regnamespace AND c.relname = o.name AND c.relkind = 'v'
        WHERE o.kind = 'view' AND wanted = ANY (o.levels)
        ORDER BY 1
    LOOP
        EXECUTE format('GRANT %s TO %I', object.what, role);
    END LOOP;
END
$$;
COMMENT ON FUNCTION quota.grant_access(text, text) IS
    'gives a role exactly one level: reader (look at state; the views denials, events, holds, metrics, periods and subscriptions), app (look and spend) or admin (everything, and the views); any other level it had is taken away; after an update of the extension call it again for what is new';

CREATE OR REPLACE FUNCTION quota.revoke_access(grantee text) RETURNS void
    LANGUAGE quota_plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    role text := quota_internal._require_grantee(revoke_access.grantee);
BEGIN
    PERFORM quota_internal._strip_access(role);
END
$$;
COMMENT ON FUNCTION quota.revoke_access(text) IS
    'takes from a role everything that it has in schema quota; what it has as a member of another role stays';
