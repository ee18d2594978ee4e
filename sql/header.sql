/* quota: the paywall inside the database.  Assembled from sql/MANIFEST; see sql/README.md. */
\echo Use "CREATE EXTENSION quota CASCADE" or "ALTER EXTENSION quota UPDATE" to load this file. \quit

/*
 * The control file names pg_catalog as our schema, so while this script runs
 * search_path is pg_catalog alone and nothing planted elsewhere can be found.
 */
