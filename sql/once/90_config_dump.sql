/*
 * Every table and every sequence, or a dump would lose balances.  One command
 * for each: the function updates the same pg_extension row.
 */
DO $$
DECLARE
    ours regclass;
BEGIN
    FOR ours IN SELECT c.oid FROM pg_class c
                WHERE c.relnamespace = 'quota'::regnamespace AND c.relkind IN ('r', 'S') ORDER BY c.relname
    LOOP
        PERFORM pg_extension_config_dump(ours, '');
    END LOOP;
END
$$;
