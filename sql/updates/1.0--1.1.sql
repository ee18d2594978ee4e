/* Changes to state from 1.0 to 1.1. */

CREATE INDEX subscription_external_id ON quota_internal.subscription (external_id) WHERE external_id IS NOT NULL;

DROP FUNCTION quota_internal._close_row_types();
