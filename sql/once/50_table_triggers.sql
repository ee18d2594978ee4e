/*
 * Our tables bear two kinds of triggers and no others, since a restore fires
 * them: one only sends a relcache invalidation, one only refuses.
 */
CREATE FUNCTION quota._invalidate() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'quota_invalidate';
COMMENT ON FUNCTION quota._invalidate() IS 'internal: tells every session to read the catalog anew at its next statement';

CREATE FUNCTION quota._append_only() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'quota_append_only';
COMMENT ON FUNCTION quota._append_only() IS 'internal: refuses UPDATE, DELETE and TRUNCATE of the ledger (55000)';

/*
 * Row triggers and ALWAYS, because logical replication, by which a catalog can
 * travel, fires no others.  TRUNCATE invalidates by itself.
 */
CREATE TRIGGER invalidate AFTER INSERT OR UPDATE OR DELETE ON quota.feature
    FOR EACH ROW EXECUTE FUNCTION quota._invalidate();
CREATE TRIGGER invalidate AFTER INSERT OR UPDATE OR DELETE ON quota.plan
    FOR EACH ROW EXECUTE FUNCTION quota._invalidate();
CREATE TRIGGER invalidate AFTER INSERT OR UPDATE OR DELETE ON quota.plan_version
    FOR EACH ROW EXECUTE FUNCTION quota._invalidate();
CREATE TRIGGER invalidate AFTER INSERT OR UPDATE OR DELETE ON quota.entitlement
    FOR EACH ROW EXECUTE FUNCTION quota._invalidate();
CREATE TRIGGER invalidate AFTER INSERT OR UPDATE OR DELETE ON quota.action
    FOR EACH ROW EXECUTE FUNCTION quota._invalidate();
CREATE TRIGGER invalidate AFTER INSERT OR UPDATE OR DELETE ON quota.action_require
    FOR EACH ROW EXECUTE FUNCTION quota._invalidate();
CREATE TRIGGER invalidate AFTER INSERT OR UPDATE OR DELETE ON quota.action_charge
    FOR EACH ROW EXECUTE FUNCTION quota._invalidate();
CREATE TRIGGER invalidate AFTER INSERT OR UPDATE OR DELETE ON quota.action_price
    FOR EACH ROW EXECUTE FUNCTION quota._invalidate();
-- Of posting, every backend keeps the epoch.
CREATE TRIGGER invalidate AFTER INSERT OR UPDATE OR DELETE ON quota.posting
    FOR EACH ROW EXECUTE FUNCTION quota._invalidate();
ALTER TABLE quota.posting ENABLE ALWAYS TRIGGER invalidate;
ALTER TABLE quota.feature ENABLE ALWAYS TRIGGER invalidate;
ALTER TABLE quota.plan ENABLE ALWAYS TRIGGER invalidate;
ALTER TABLE quota.plan_version ENABLE ALWAYS TRIGGER invalidate;
ALTER TABLE quota.entitlement ENABLE ALWAYS TRIGGER invalidate;
ALTER TABLE quota.action ENABLE ALWAYS TRIGGER invalidate;
ALTER TABLE quota.action_require ENABLE ALWAYS TRIGGER invalidate;
ALTER TABLE quota.action_charge ENABLE ALWAYS TRIGGER invalidate;
ALTER TABLE quota.action_price ENABLE ALWAYS TRIGGER invalidate;

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON quota.ledger_entry
    FOR EACH STATEMENT EXECUTE FUNCTION quota._append_only();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON quota.ledger_entry_default
    FOR EACH STATEMENT EXECUTE FUNCTION quota._append_only();
