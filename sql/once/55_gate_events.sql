/*
 * New partitions get the gates of their parents.  The event trigger fires at every
 * CREATE TABLE and ALTER TABLE (CREATE SCHEMA may contain one), and looks only at
 * those that put a table into an inheritance tree.
 */
CREATE FUNCTION quota_internal._gates_follow() RETURNS event_trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'quota_sql_gates_follow';
COMMENT ON FUNCTION quota_internal._gates_follow() IS
    'internal: gives a table that becomes a partition, or inherits, the gates of its parent';

CREATE EVENT TRIGGER quota_gates_follow ON ddl_command_end
    WHEN TAG IN ('CREATE TABLE', 'CREATE FOREIGN TABLE', 'CREATE SCHEMA', 'ALTER TABLE', 'ALTER FOREIGN TABLE')
    EXECUTE FUNCTION quota_internal._gates_follow();
COMMENT ON EVENT TRIGGER quota_gates_follow IS 'gives new partitions the quota gates of their parents';
