/*
 * Shared memory, where the library is preloaded; without it there is nothing.
 */
CREATE OR REPLACE FUNCTION quota_internal._write_refusals(remember boolean) RETURNS bigint
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'quota_sql_write_refusals';
COMMENT ON FUNCTION quota_internal._write_refusals(boolean) IS
    'internal: writes what was refused by raising, and counted in shared memory, into denials; how many refusals that were. remember: memory still knows for a minute that it has counted them';

CREATE OR REPLACE FUNCTION quota_internal._shared(OUT accounts bigint, OUT full_total bigint)
    LANGUAGE c VOLATILE PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'quota_sql_shared';
COMMENT ON FUNCTION quota_internal._shared() IS
    'internal: of how many accounts shared memory has the rate, and how often it had no room';
