/*
 * "quota" is what people call, "quota_internal" what stands behind it: our tables
 * and the functions that nobody calls by name, in which no level has USAGE.
 *
 * A plain CREATE SCHEMA: where somebody else has made a schema of that name before
 * us, the installation fails instead of adopting their schema with their rights.
 */
CREATE SCHEMA quota;
CREATE SCHEMA quota_internal;
COMMENT ON SCHEMA quota IS 'quota: plans, subscriptions, quotas and their ledger; one SQL call charges or refuses inside the caller''s transaction';

COMMENT ON SCHEMA quota_internal IS 'internal: the tables and helper functions of the extension quota; may change with any version';

-- Nobody but the owner until quota.grant_access().
REVOKE ALL ON SCHEMA quota, quota_internal FROM PUBLIC;
