--
-- One account: what a debit takes, what it answers, and how it is refused
--
SET client_min_messages = warning; DROP EXTENSION IF EXISTS quota CASCADE; CREATE EXTENSION quota CASCADE;
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/include/enforcement.psql'
\i :helpers
SET quota.clock = '2026-01-15 12:00:00+00';
SELECT count(*) FROM quota.apply_catalog('{
    "features": {"tokens": {"kind": "metered", "unit": "token"}, "trial_runs": {"kind": "metered"}, "calls": {"kind": "metered"},
                 "exports": {"kind": "metered"}, "mindmap": {"kind": "boolean"}, "watermark": {"kind": "boolean"}, "max_mb": {"kind": "static"}},
    "plans": {"free": {"default": true, "entitlements": {"tokens": {"allowance": 100, "period": "month"}, "trial_runs": {"allowance": 3},
                                                         "exports": {"allowance": 0, "period": "day"},
                                                         "watermark": {"value": true}, "mindmap": {"value": false}, "max_mb": {"value": 5}}},
              "pro": {"entitlements": {"tokens": {"allowance": null, "period": "month", "anchor": "subscription"},
                                       "calls": {"allowance": 9000000000000000000, "period": "year"}, "mindmap": {"value": true}}}}}');

-- Nobody registers "ann": her first request finds the default plan.
SELECT * FROM quota.debit('ann', 'tokens', 60);
-- amount is 1 unless said; arguments by name; whatever integer type
SELECT * FROM quota.debit('ann', 'tokens');
SELECT * FROM quota.debit(amount => 4::smallint, feature => 'tokens', subject => 'ann', metadata => '{"why": "test"}');
SELECT * FROM quota.debit('ann', 'tokens', 30::int);
-- the last units go, and then nothing
SELECT * FROM quota.debit('ann', 'tokens', 5);
SELECT pg_temp.try($$SELECT quota.debit('ann', 'tokens')$$);

-- A refusal names exactly these keys, in this order.
SELECT state, jsonb_pretty(detail) FROM pg_temp.refusal('ann', 'tokens', 7);
SELECT count(*) AS keys, bool_and(k IN ('code', 'subject', 'feature', 'requested', 'remaining', 'allowance', 'used', 'plan', 'blocked_by',
                                        'resets_at', 'retry_after')) AS known
FROM pg_temp.refusal('ann', 'tokens', 7), jsonb_object_keys(detail) k;
-- It says more than the SQLSTATE only where waiting helps: 100 fit a fresh month, 101 never will.
SELECT amount, (pg_temp.refusal('ann', 'tokens', amount)).detail -> 'retry_after' AS retry_after FROM unnest('{1,100,101}'::bigint[]) amount;
-- whole seconds, rounded up
SET quota.clock = '2026-01-31 23:59:58.000001+00';
SELECT detail -> 'retry_after' AS retry_after FROM pg_temp.refusal('ann', 'tokens', 1);
SET quota.clock = '2026-01-31 23:59:59.999999+00';
SELECT detail -> 'retry_after' AS retry_after FROM pg_temp.refusal('ann', 'tokens', 1);
SET quota.clock = '2026-01-15 12:00:00+00';
-- times carry the session's offset, so they mean the same to everybody
SET TimeZone = 'Asia/Kolkata';
SELECT detail -> 'resets_at' AS resets_at FROM pg_temp.refusal('ann', 'tokens', 1);
SET TimeZone = 'UTC';

-- The lifetime of a subject without subscription has no end: waiting does not help.
SELECT * FROM quota.debit('ann', 'trial_runs', 3);
SELECT * FROM pg_temp.refusal('ann', 'trial_runs', 1);
-- An allowance of 0 is an account without room: exceeded, not "not entitled".
SELECT * FROM pg_temp.refusal('ann', 'exports', 1);

-- Not entitled: the plan does not have it. Nothing is known but what was asked.
SELECT pg_temp.try($$SELECT quota.debit('ann', 'calls', 2)$$);
-- Unknown features are an error of the program, not of the customer.
SELECT pg_temp.try($$SELECT quota.debit('ann', 'nothing')$$);

-- try_debit answers where debit raises.
SELECT * FROM quota.try_debit('bob', 'tokens', 95);
SELECT * FROM quota.try_debit('bob', 'tokens', 6);
SELECT * FROM quota.try_debit('bob', 'tokens', 106);
SELECT * FROM quota.try_debit('bob', 'calls', 6);
SELECT * FROM quota.try_debit('bob', 'mindmap');
SELECT * FROM quota.try_debit('bob', 'watermark');
-- up_to takes what there is; of nothing there is nothing to take
SELECT * FROM quota.try_debit('bob', 'tokens', 6, up_to => true);
SELECT * FROM quota.try_debit('bob', 'tokens', 6, up_to => true);
SELECT * FROM quota.try_debit('eve', 'tokens', 6, up_to => true);
SELECT * FROM quota.try_debit('eve', 'tokens', 9223372036854775807, up_to => true);
SELECT pg_temp.try($$SELECT quota.try_debit('bob', 'nothing')$$);

-- Unlimited: everything fits, remaining is NULL, and it is counted all the same.
SELECT quota.subscribe('cy', 'pro');
SELECT * FROM quota.debit('cy', 'tokens', 5000000000);
SELECT * FROM quota.try_debit('cy', 'tokens', 5000000000, up_to => true);
SELECT * FROM quota.check('cy', 'tokens', 9223372036854775807);
-- amounts beyond 32 bits, and beyond what a double could count
SELECT * FROM quota.debit('cy', 'calls', 8999999999999999999);
SELECT * FROM quota.debit('cy', 'calls', 1);
SELECT detail FROM pg_temp.refusal('cy', 'calls', 1);

-- boolean: an assertion, charges and stores nothing
SELECT * FROM quota.debit('cy', 'mindmap');
SELECT * FROM quota.debit('cy', 'mindmap', 1000, 'key');
SELECT pg_temp.try($$SELECT quota.debit('ann', 'mindmap')$$);
SELECT * FROM quota.debit('ann', 'watermark');
-- static: nothing to charge
SELECT pg_temp.try($$SELECT quota.debit('ann', 'max_mb')$$);
SELECT pg_temp.try($$SELECT quota.try_debit('ann', 'max_mb')$$);

-- How it is called decides how often: (f()).* is one call for each column, a CTE that nobody reads is none.
SELECT (quota.debit('dan', 'tokens')).*;
WITH unread AS (SELECT * FROM quota.debit('dan', 'tokens')) SELECT 1 AS one;
WITH read AS (SELECT * FROM quota.debit('dan', 'tokens')) SELECT remaining FROM read;
SELECT used FROM quota.check('dan', 'tokens');
-- one call for each row; they see each other
SELECT n, remaining FROM generate_series(1, 3) n, quota.debit('dan', 'tokens', n);
-- and from any language
DO $$ BEGIN PERFORM quota.debit('dan', 'tokens', 10); PERFORM quota.debit('dan', 'tokens', 10); END $$;
SELECT used FROM quota.check('dan', 'tokens');
-- what does not depend on the row is called once for all rows
SELECT n, remaining FROM generate_series(1, 3) n, quota.debit('dan', 'tokens', 10);
-- a statement fails as a whole: the third debit is one too many, so none counts
SELECT n, remaining FROM generate_series(21, 23) n, quota.debit('dan', 'tokens', n);
SELECT used FROM quota.check('dan', 'tokens');

-- The ledger has one entry for each charge, and none for anything refused, asserted or asked.
SELECT id, at, subject, account, feature, kind, source, amount, debit_id = id AS is_first, key, metadata, period_start
FROM quota.ledger ORDER BY ledger.id;
-- refusals that did not raise are on record (those that raised rolled theirs back)
SELECT * FROM quota.denials ORDER BY subject, feature;
SELECT count(*) AS keys FROM quota_internal.idempotency_key;
SELECT * FROM quota.verify();
