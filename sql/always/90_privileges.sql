/*
 * Nothing for anybody but the owner, until grant_access().
 *
 * What is new here gets rid of PUBLIC's rights, and of those that ALTER DEFAULT
 * PRIVILEGES has just given to named roles.  What an earlier run of this file
 * has seen bears the grants of grant_access() by now and is not touched, not
 * even by a REVOKE that changes nothing: in an extension script that would
 * write the grants into pg_init_privs, and pg_dump would leave them out.
 *
 * So pg_init_privs decides.  An object without a row there is new, and the
 * first REVOKE gives it one; and the roles that the row names have their rights
 * from the moment of the installation and not from grant_access().
 */
DO $$
DECLARE
    ours record;
    role text;
BEGIN
    FOR ours IN
        SELECT o.* FROM (
            SELECT 'pg_namespace'::regclass AS class, n.oid, format('SCHEMA %I', n.nspname) AS what, n.nspowner AS owner
                FROM pg_namespace n WHERE n.nspname IN ('quota', 'quota_internal')
            UNION ALL
            SELECT 'pg_proc'::regclass, p.oid, 'ROUTINE ' || p.oid::regprocedure, p.proowner
                FROM pg_proc p WHERE p.pronamespace = ANY ('{quota,quota_internal}'::regnamespace[])
            UNION ALL
            SELECT 'pg_class'::regclass, c.oid,
                   CASE c.relkind WHEN 'S' THEN 'SEQUENCE ' ELSE 'TABLE ' END || c.oid::regclass, c.relowner
                FROM pg_class c WHERE c.relnamespace = ANY ('{quota,quota_internal}'::regnamespace[]) AND c.relkind IN ('r', 'p', 'v', 'S')
                    -- the ledger's months are no members of the extension; maintain() has seen to them
                    AND EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
            UNION ALL
            SELECT 'pg_type'::regclass, t.oid, 'TYPE ' || t.oid::regtype, t.typowner
                FROM pg_type t WHERE t.typnamespace = ANY ('{quota,quota_internal}'::regnamespace[])
                    -- of tables and views, too: a column of their rows would be in an update's way
                    AND (t.typtype IN ('r', 'd') OR EXISTS (SELECT FROM pg_class c WHERE c.oid = t.typrelid AND c.relkind = 'c'))
        ) o
        ORDER BY 1, 2
    LOOP
        IF NOT EXISTS (SELECT FROM pg_init_privs i
                       WHERE i.classoid = ours.class AND i.objoid = ours.oid AND i.objsubid = 0) THEN
            EXECUTE format('REVOKE ALL ON %s FROM PUBLIC CASCADE', ours.what);
        END IF;
        FOR role IN
            SELECT DISTINCT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END
            FROM pg_init_privs i, aclexplode(i.initprivs) a
            WHERE i.classoid = ours.class AND i.objoid = ours.oid AND i.objsubid = 0 AND a.grantee <> ours.owner
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
