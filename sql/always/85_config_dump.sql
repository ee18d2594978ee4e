/*
 * Every table and every sequence, or a dump would lose balances.  One command
 * for each: the function updates the same pg_extension row.  The ledger's months
 * are no members of the extension: a dump has them as any table.
 */
DO $$
DECLARE
    ours regclass;
BEGIN
    FOR ours IN SELECT c.oid FROM pg_class c
                WHERE c.relnamespace = 'quota_internal'::regnamespace AND c.relkind IN ('r', 'S')
                    AND EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
                ORDER BY c.relname
    LOOP
        PERFORM pg_extension_config_dump(ours, CASE ours WHEN 'quota_internal.gate_charge'::regclass THEN
            -- the names of tables that are no more, or of one session only, would not be found
            'WHERE EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid = target AND c.relpersistence <> ''t'')' ELSE '' END);
    END LOOP;
END
$$;
