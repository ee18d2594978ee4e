/*
 * What follows was made for the library of this version, of which a session keeps
 * the one that it loaded first.
 */
LOAD 'MODULE_PATHNAME';
DO $$
DECLARE
    library text := coalesce(current_setting('quota.library_version', true), '1.0');     -- 1.0 does not say
    wanted  text := (SELECT e.extversion FROM pg_extension e WHERE e.extname = 'quota');
BEGIN
    IF string_to_array(library, '.')::int[] < string_to_array(wanted, '.')::int[] THEN
        RAISE EXCEPTION USING ERRCODE = '55000',
            MESSAGE = format('this session has loaded the library of quota %s, and the update is to %s', library, wanted),
            HINT = 'Restart the server if shared_preload_libraries has quota; else connect again.';
    END IF;
    -- for 90_privileges: what was there before
    PERFORM set_config('quota_update.members', string_agg(d.classid || ' ' || d.objid, ','), true)
    FROM pg_extension e JOIN pg_depend d ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid AND d.deptype = 'e'
    WHERE e.extname = 'quota';
END
$$;
