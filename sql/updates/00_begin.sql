/*
 * For 90_privileges: what was there before.
 */
DO $$
BEGIN
    PERFORM set_config('quota_update.members', string_agg(d.classid || ' ' || d.objid, ','), true)
    FROM pg_extension e JOIN pg_depend d ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid AND d.deptype = 'e'
    WHERE e.extname = 'quota';
END
$$;
