/*
 * A plain CREATE SCHEMA: where somebody else has made a schema "quota" before
 * us, the installation fails instead of adopting their schema with their rights.
 */
CREATE SCHEMA quota;
COMMENT ON SCHEMA quota IS 'quota: plans, subscriptions, quotas and their ledger; one SQL call charges or refuses inside the caller''s transaction';

-- Nobody but the owner until quota.grant_access().
REVOKE ALL ON SCHEMA quota FROM PUBLIC;
