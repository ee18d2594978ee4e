/*
 * Nothing for anybody but the owner, until grant_access().
 *
 * What this script has created gets rid of PUBLIC's rights, and of those that ALTER
 * DEFAULT PRIVILEGES has just given to named roles.  What was there before bears the
 * grants of grant_access() by now and is not touched, not even by a REVOKE that
 * changes nothing: in an extension script that would write the grants into
 * pg_init_privs, and pg_dump would leave them out.
 *
 * updates/00_begin has noted what that is.  pg_init_privs does not tell: after
 * pg_upgrade, tables and views have no row there.
 */
DO $$
DECLARE
    before CONSTANT text[] := coalesce(string_to_array(current_setting('quota_update.members', true), ','), '{}');
    ours record;
    role text;
BEGIN
    FOR ours IN
        SELECT o.* FROM (
            SELECT 'pg_namespace'::regclass AS class, n.oid, format('SCHEMA %I', n.nspname) AS what, n.nspowner AS owner, n.nspacl AS acl
                FROM pg_namespace n WHERE n.nspname IN ('quota', 'quota_internal')
            UNION ALL
            SELECT 'pg_proc'::regclass, p.oid, 'ROUTINE ' || p.oid::regprocedure, p.proowner, p.proacl
                FROM pg_proc p WHERE p.pronamespace = ANY ('{quota,quota_internal}'::regnamespace[])
            UNION ALL
            SELECT 'pg_class'::regclass, c.oid,
                   CASE c.relkind WHEN 'S' THEN 'SEQUENCE ' ELSE 'TABLE ' END || c.oid::regclass, c.relowner, c.relacl
                FROM pg_class c WHERE c.relnamespace = ANY ('{quota,quota_internal}'::regnamespace[]) AND c.relkind IN ('r', 'p', 'v', 'S')
                    -- the ledger's months are no members of the extension; maintain() has seen to them
                    AND EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
            UNION ALL
            SELECT 'pg_type'::regclass, t.oid, 'TYPE ' || t.oid::regtype, t.typowner, t.typacl
                FROM pg_type t WHERE t.typnamespace = ANY ('{quota,quota_internal}'::regnamespace[])
                    -- of tables and views, too: a column of their rows would be in an update's way
                    AND (t.typtype IN ('r', 'd') OR EXISTS (SELECT FROM pg_class c WHERE c.oid = t.typrelid AND c.relkind = 'c'))
        ) o
        ORDER BY 1, 2
    LOOP
        CONTINUE WHEN ours.class::oid || ' ' || ours.oid = ANY (before);
        EXECUTE format('REVOKE ALL ON %s FROM PUBLIC CASCADE', ours.what);
        FOR role IN
            SELECT DISTINCT a.grantee::regrole::text FROM aclexplode(ours.acl) a WHERE a.grantee NOT IN (0, ours.owner)
        LOOP
            EXECUTE format('REVOKE ALL ON %s FROM %s CASCADE', ours.what, role);
        END LOOP;
    END LOOP;

    /*
     * A multirange lets anybody use it, as pg_dump does not know of its rights
     * and would warn; only named roles are in the way of DROP ROLE.  From 17 on
     * it has no rights of its own.
     */
    FOR ours IN
        SELECT t.oid::regtype AS what, a.grantee::regrole AS role
        FROM pg_type t, aclexplode(t.typacl) a
        WHERE t.typnamespace = ANY ('{quota,quota_internal}'::regnamespace[]) AND t.typtype = 'm' AND a.grantee NOT IN (0, t.typowner)
          AND current_setting('server_version_num')::int < 170000
    LOOP
        EXECUTE format('REVOKE ALL ON TYPE %s FROM %s CASCADE', ours.what, ours.role);
    END LOOP;
END
$$;
