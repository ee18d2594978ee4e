/*
 * Our tables bear two kinds of triggers and no others, since a restore fires
 * them: some only tell other sessions, the others only refuse.
 */
CREATE FUNCTION quota_internal._invalidate() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'quota_invalidate';
COMMENT ON FUNCTION quota_internal._invalidate() IS 'internal: tells every session to read the catalog again at its next statement';

CREATE FUNCTION quota_internal._append_only() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'quota_append_only';
COMMENT ON FUNCTION quota_internal._append_only() IS 'internal: refuses UPDATE, DELETE and TRUNCATE of the ledger (55000)';

CREATE FUNCTION quota_internal._lease_stays() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'quota_lease_stays';
COMMENT ON FUNCTION quota_internal._lease_stays() IS 'internal: catches SQL of ours that writes a row with a lease (XX000)';

CREATE FUNCTION quota_internal._tell_change() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'quota_tell_change';
COMMENT ON FUNCTION quota_internal._tell_change() IS 'internal: tells shared memory, where there is any, that rows of a subject change, so that no session relies on what it remembers of it';

/*
 * Row triggers and ALWAYS, because logical replication, by which a catalog can
 * travel, fires no others.  TRUNCATE invalidates by itself.
 */
CREATE TRIGGER invalidate AFTER INSERT OR UPDATE OR DELETE ON quota_internal.feature
    FOR EACH ROW EXECUTE FUNCTION quota_internal._invalidate();
CREATE TRIGGER invalidate AFTER INSERT OR UPDATE OR DELETE ON quota_internal.plan
    FOR EACH ROW EXECUTE FUNCTION quota_internal._invalidate();
CREATE TRIGGER invalidate AFTER INSERT OR UPDATE OR DELETE ON quota_internal.plan_version
    FOR EACH ROW EXECUTE FUNCTION quota_internal._invalidate();
CREATE TRIGGER invalidate AFTER INSERT OR UPDATE OR DELETE ON quota_internal.entitlement
    FOR EACH ROW EXECUTE FUNCTION quota_internal._invalidate();
CREATE TRIGGER invalidate AFTER INSERT OR UPDATE OR DELETE ON quota_internal.action
    FOR EACH ROW EXECUTE FUNCTION quota_internal._invalidate();
CREATE TRIGGER invalidate AFTER INSERT OR UPDATE OR DELETE ON quota_internal.action_require
    FOR EACH ROW EXECUTE FUNCTION quota_internal._invalidate();
CREATE TRIGGER invalidate AFTER INSERT OR UPDATE OR DELETE ON quota_internal.action_charge
    FOR EACH ROW EXECUTE FUNCTION quota_internal._invalidate();
CREATE TRIGGER invalidate AFTER INSERT OR UPDATE OR DELETE ON quota_internal.action_price
    FOR EACH ROW EXECUTE FUNCTION quota_internal._invalidate();
-- Of posting, every backend keeps the epoch.
CREATE TRIGGER invalidate AFTER INSERT OR UPDATE OR DELETE ON quota_internal.posting
    FOR EACH ROW EXECUTE FUNCTION quota_internal._invalidate();
ALTER TABLE quota_internal.posting ENABLE ALWAYS TRIGGER invalidate;
ALTER TABLE quota_internal.feature ENABLE ALWAYS TRIGGER invalidate;
ALTER TABLE quota_internal.plan ENABLE ALWAYS TRIGGER invalidate;
ALTER TABLE quota_internal.plan_version ENABLE ALWAYS TRIGGER invalidate;
ALTER TABLE quota_internal.entitlement ENABLE ALWAYS TRIGGER invalidate;
ALTER TABLE quota_internal.action ENABLE ALWAYS TRIGGER invalidate;
ALTER TABLE quota_internal.action_require ENABLE ALWAYS TRIGGER invalidate;
ALTER TABLE quota_internal.action_charge ENABLE ALWAYS TRIGGER invalidate;
ALTER TABLE quota_internal.action_price ENABLE ALWAYS TRIGGER invalidate;

-- What a level of a path is given: sessions remember it (src/decide/given.c).
CREATE TRIGGER tell_change AFTER INSERT OR UPDATE OR DELETE ON quota_internal.subscription
    FOR EACH ROW EXECUTE FUNCTION quota_internal._tell_change();
CREATE TRIGGER tell_change AFTER INSERT OR UPDATE OR DELETE ON quota_internal.subject_override
    FOR EACH ROW EXECUTE FUNCTION quota_internal._tell_change();
CREATE TRIGGER tell_change AFTER INSERT OR UPDATE OR DELETE ON quota_internal.credit_grant
    FOR EACH ROW EXECUTE FUNCTION quota_internal._tell_change();
ALTER TABLE quota_internal.subscription ENABLE ALWAYS TRIGGER tell_change;
ALTER TABLE quota_internal.subject_override ENABLE ALWAYS TRIGGER tell_change;
ALTER TABLE quota_internal.credit_grant ENABLE ALWAYS TRIGGER tell_change;

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON quota_internal.ledger_entry
    FOR EACH STATEMENT EXECUTE FUNCTION quota_internal._append_only();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON quota_internal.ledger_entry_default
    FOR EACH STATEMENT EXECUTE FUNCTION quota_internal._append_only();

-- Not ALWAYS: a subscriber's rows are what the publisher says.
CREATE TRIGGER lease_stays BEFORE UPDATE ON quota_internal.bucket
    FOR EACH ROW WHEN (OLD.lease_id IS NOT NULL AND NEW.lease_id IS NOT NULL)
    EXECUTE FUNCTION quota_internal._lease_stays();
CREATE TRIGGER lease_goes BEFORE DELETE ON quota_internal.bucket
    FOR EACH ROW WHEN (OLD.lease_id IS NOT NULL)
    EXECUTE FUNCTION quota_internal._lease_stays();
