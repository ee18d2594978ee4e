/* quota: the paywall inside the database.  Assembled from sql/MANIFEST; see sql/README.md. */
\echo Use "CREATE EXTENSION quota CASCADE" or "ALTER EXTENSION quota UPDATE" to load this file. \quit

/*
 * The control file names pg_catalog as our schema, so while this script runs
 * search_path is pg_catalog alone and nothing planted elsewhere can be found.
 */

-- The library must be of this version or a later one; a session keeps the one that it loaded first.
LOAD 'MODULE_PATHNAME';
DO $$
DECLARE
    library text := coalesce(current_setting('quota.library_version', true), '1.0');     -- 1.0 does not say
    wanted  text := (SELECT e.extversion FROM pg_extension e WHERE e.extname = 'quota');
BEGIN
    IF string_to_array(library, '.')::int[] < string_to_array(wanted, '.')::int[] THEN
        RAISE EXCEPTION USING ERRCODE = '55000',
            MESSAGE = format('this session has loaded the library of quota %s, and the script is of version %s', library, wanted),
            HINT = 'Restart the server if shared_preload_libraries has quota; else connect again.';
    END IF;
END
$$;
