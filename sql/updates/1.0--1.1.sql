/* Changes to state from 1.0 to 1.1. */

CREATE INDEX subscription_external_id ON quota_internal.subscription (external_id) WHERE external_id IS NOT NULL;

DROP FUNCTION quota_internal._close_row_types();

CREATE FUNCTION quota_internal._tell_change() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'quota_tell_change';
COMMENT ON FUNCTION quota_internal._tell_change() IS 'internal: tells shared memory, where there is any, that rows of a subject change, so that no session relies on what it remembers of it';
CREATE TRIGGER tell_change AFTER INSERT OR UPDATE OR DELETE ON quota_internal.subscription
    FOR EACH ROW EXECUTE FUNCTION quota_internal._tell_change();
CREATE TRIGGER tell_change AFTER INSERT OR UPDATE OR DELETE ON quota_internal.subject_override
    FOR EACH ROW EXECUTE FUNCTION quota_internal._tell_change();
CREATE TRIGGER tell_change AFTER INSERT OR UPDATE OR DELETE ON quota_internal.credit_grant
    FOR EACH ROW EXECUTE FUNCTION quota_internal._tell_change();
ALTER TABLE quota_internal.subscription ENABLE ALWAYS TRIGGER tell_change;
ALTER TABLE quota_internal.subject_override ENABLE ALWAYS TRIGGER tell_change;
ALTER TABLE quota_internal.credit_grant ENABLE ALWAYS TRIGGER tell_change;
