/*
 * Library and objects may be of different versions: src/store/version.c.
 */
CREATE OR REPLACE FUNCTION quota_internal._library_version() RETURNS text
    LANGUAGE c STABLE PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'quota_sql_library_version';
COMMENT ON FUNCTION quota_internal._library_version() IS 'internal: the version of the library that this session has loaded';

CREATE OR REPLACE FUNCTION quota_internal._announce() RETURNS void
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'quota_sql_announce';
COMMENT ON FUNCTION quota_internal._announce() IS
    'internal: looks at all tables as the library will, and has every session look at the installed version before its next call; 55000 if the library cannot work with it';
