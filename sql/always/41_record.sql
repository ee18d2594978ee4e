/*
 * Use that has already happened.
 */
CREATE OR REPLACE FUNCTION quota.record(subject text, feature text, amount bigint, at timestamptz = NULL, key text = NULL, metadata jsonb = NULL)
    RETURNS quota.record_result
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'quota_sql_record';
COMMENT ON FUNCTION quota.record(text, text, bigint, timestamptz, text, jsonb) IS
'Charges use that has already happened, now or at an earlier time: never refused for lack of room, rate or status. It is booked in the window of that time (in the present one, where something has rolled over since), by the subscription of that time on its present terms: allowance, grants that were valid, overage; the rest is overdrawn. Caps count it if their present window contains that time; rates do not.
Errors: QT403 nothing gave the feature then; QT404 unknown feature; 22023 a time in the future or before what quota.retention keeps, or a feature that is not metered; 22004, 22001, 22003, QT409, 25006.';
