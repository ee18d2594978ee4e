--
-- Tables that somebody altered by hand: an error, never a crash or a free ride
--
SET client_min_messages = warning; DROP EXTENSION IF EXISTS quota CASCADE; CREATE EXTENSION quota CASCADE;
SET quota.clock = '2026-01-10 00:00+00';
SELECT count(*) FROM quota.apply_catalog('{
    "features": {"tokens": {"kind": "metered"}},
    "plans": {"free": {"default": true, "entitlements": {"tokens": {"allowance": 100, "period": "month"}}}}}');
SELECT remaining FROM quota.debit('ann', 'tokens', 1, 'key');

-- more columns than the library knows, in a table that it writes and in one that it reads
BEGIN; ALTER TABLE quota_internal.bucket ADD COLUMN n1 int, ADD COLUMN n2 jsonb, ADD COLUMN n3 text;
SELECT * FROM quota.debit('ann', 'tokens'); ROLLBACK;
BEGIN; ALTER TABLE quota_internal.ledger_entry ADD COLUMN n1 int, ADD COLUMN n2 jsonb, ADD COLUMN n3 text;
SELECT * FROM quota.debit('ann', 'tokens', metadata => '{"a": 1}'); ROLLBACK;
BEGIN; ALTER TABLE quota_internal.plan ADD COLUMN n1 int; SELECT * FROM quota.check('ann', 'tokens'); ROLLBACK;
-- other types, missing columns: no limit may be read as "unlimited"
BEGIN; ALTER EXTENSION quota DROP VIEW quota.periods; ALTER EXTENSION quota DROP VIEW quota_internal.window_use;
DROP VIEW quota.periods, quota_internal.window_use;
ALTER TABLE quota_internal.bucket ALTER COLUMN used TYPE numeric; SELECT * FROM quota.check('ann', 'tokens'); ROLLBACK;
BEGIN; ALTER EXTENSION quota DROP VIEW quota.periods; ALTER EXTENSION quota DROP VIEW quota_internal.window_use;
DROP VIEW quota.periods, quota_internal.window_use;
ALTER TABLE quota_internal.bucket DROP COLUMN overdrawn CASCADE; SELECT * FROM quota.debit('ann', 'tokens'); ROLLBACK;
BEGIN; ALTER TYPE quota_internal.terms_fields DROP ATTRIBUTE rate_limit CASCADE; SELECT * FROM quota.debit('ann', 'tokens'); ROLLBACK;
-- another kind of relation under the name
BEGIN; ALTER TABLE quota_internal.bucket RENAME TO other; CREATE VIEW quota_internal.bucket AS SELECT * FROM quota_internal.other;
SELECT * FROM quota.debit('ann', 'tokens'); ROLLBACK;
-- a result type with a column more
BEGIN; ALTER TYPE quota.check_result ADD ATTRIBUTE n1 int; SELECT * FROM quota.check('ann', 'tokens'); ROLLBACK;
BEGIN; ALTER TYPE quota.debit_result ALTER ATTRIBUTE remaining TYPE text; SELECT quota.debit('ann', 'tokens'); ROLLBACK;
-- a key's row with nonsense in it
BEGIN; UPDATE quota_internal.idempotency_key SET results = '[{"feature": 1, "id": "x", "amount": null}]';
SELECT * FROM quota.debit('ann', 'tokens', 1, 'key'); ROLLBACK;
BEGIN; UPDATE quota_internal.idempotency_key SET results = '{}'; SELECT * FROM quota.debit('ann', 'tokens', 1, 'key'); ROLLBACK;
BEGIN; UPDATE quota_internal.idempotency_key SET arguments = '[]'; SELECT * FROM quota.debit('ann', 'tokens', 1, 'key'); ROLLBACK;
-- and with everything back in its place it goes on
SELECT remaining FROM quota.debit('ann', 'tokens');

-- A result is a record with names, also where no FROM clause gives it any
SELECT to_jsonb(quota.debit('ann', 'tokens')) - 'id', to_jsonb(quota.try_debit('ann', 'tokens', 1000));
SELECT to_jsonb(quota.check('ann', 'tokens', 1));
DO $$
DECLARE answer record;
BEGIN
    answer := quota.check('ann', 'tokens');
    RAISE INFO 'remaining %', answer.remaining;
END $$;

-- A test clock that cannot be read leaves the one before
SET quota.clock = '2026-01-01 00:00 Nope/Zone';
SET quota.clock = '2026-02-30 00:00+00';
SET TimeZone = 'Asia/Tokyo'; SET quota.clock = '2026-01-31 20:00';
SELECT quota_internal._now(), current_setting('quota.clock');
SELECT set_config('quota.clock', current_setting('quota.clock'), false) FROM set_config('TimeZone', 'UTC', false);
SELECT quota_internal._now();
