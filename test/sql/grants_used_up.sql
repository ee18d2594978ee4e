--
-- Grants of which nothing is left: charges do not read them, until units come back
--
SET client_min_messages = warning; DROP EXTENSION IF EXISTS quota CASCADE; CREATE EXTENSION quota CASCADE;
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/include/enforcement.psql'
\i :helpers
SELECT count(*) FROM quota.apply_catalog('{
    "features": {"tokens": {"kind": "metered"}, "alone": {"kind": "metered"}, "seats": {"kind": "capacity"}},
    "plans": {"free": {"default": true, "entitlements": {"tokens": {"allowance": 10, "period": "month"}, "seats": {"allowance": 1}}}}}');
SET quota.clock = '2026-01-15 12:00+00';
CREATE VIEW pg_temp.marks AS
    SELECT g.subject, g.id, g.amount, coalesce((SELECT sum(u.used) FROM quota_internal.grant_use u WHERE u.grant_id = g.id), 0) AS used, g.used_up
    FROM quota_internal.credit_grant g;

-- a charge that takes the last units marks the grant, and numbers stay as they were
SELECT id FROM quota.credit('ann', 'tokens', 5, priority => 1);
SELECT id FROM quota.credit('ann', 'tokens', 7, priority => 2);
SELECT id AS debit, remaining FROM quota.debit('ann', 'tokens', 15) \gset
SELECT :remaining AS remaining;
SELECT * FROM pg_temp.marks WHERE subject = 'ann' ORDER BY id;
SELECT allowed, allowance, used, remaining FROM quota.check('ann', 'tokens');
SELECT g ->> 'id' AS id, g ->> 'amount' AS amount, g ->> 'used' AS used FROM jsonb_array_elements(quota.me('ann') -> 'grants') g;
SELECT source, detail, available, takes FROM quota.explain('ann', 'tokens') WHERE source IN ('allowance', 'grant');
SELECT remaining FROM quota.debit('ann', 'tokens', 7);
SELECT * FROM pg_temp.marks WHERE subject = 'ann' ORDER BY id;
SELECT reason, remaining FROM quota.try_debit('ann', 'tokens', 1);

-- what comes back can be taken again: by a refund, by a correction, by a rollback
SELECT refunded, remaining FROM quota.refund(:debit, 3);
SELECT * FROM pg_temp.marks WHERE subject = 'ann' ORDER BY id;
SELECT remaining FROM quota.debit('ann', 'tokens', 3);
SELECT remaining FROM quota.set_usage('ann', 'tokens', 11);
SELECT * FROM pg_temp.marks WHERE subject = 'ann' ORDER BY id;
BEGIN;
SELECT remaining FROM quota.debit('ann', 'tokens', 2);
SAVEPOINT s;
SELECT remaining FROM quota.debit('ann', 'tokens', 9);
SELECT used_up FROM pg_temp.marks WHERE subject = 'ann' ORDER BY id;
ROLLBACK TO s;
SELECT remaining FROM quota.debit('ann', 'tokens', 9);
ROLLBACK;
SELECT * FROM pg_temp.marks WHERE subject = 'ann' ORDER BY id;
SELECT allowance, used, remaining FROM quota.check('ann', 'tokens');

-- one that is used up is an account all the same where there is no other, until it ends
SELECT id FROM quota.credit('bob', 'alone', 5, '2026-02-01 00:00+00');
SELECT remaining FROM quota.debit('bob', 'alone', 5);
SELECT reason, allowance, used, remaining FROM quota.check('bob', 'alone');
SELECT reason FROM quota.try_debit('bob', 'alone');
SET quota.clock = '2026-02-01 00:00+00';
SELECT reason FROM quota.check('bob', 'alone');
SET quota.clock = '2026-01-15 12:00+00';

-- a hold that used it up expires: readers and the next charge find its units, also in another month
SELECT id FROM quota.credit('cat', 'tokens', 5);
SELECT id AS hold FROM quota.reserve('cat', 'tokens', 15, '1 hour') \gset
SELECT used, used_up FROM pg_temp.marks WHERE subject = 'cat';
SELECT allowed, used, remaining FROM quota.check('cat', 'tokens');
SET quota.clock = '2026-01-15 13:00+00';
SELECT allowed, used, remaining FROM quota.check('cat', 'tokens');
SELECT source, available FROM quota.explain('cat', 'tokens') WHERE source = 'grant';
SET quota.clock = '2026-02-15 12:00+00';
SELECT allowed, used, remaining FROM quota.check('cat', 'tokens', 15);
SELECT g ->> 'used' AS used FROM jsonb_array_elements(quota.me('cat') -> 'grants') g;
SELECT remaining FROM quota.debit('cat', 'tokens', 12);
SELECT used, used_up FROM pg_temp.marks WHERE subject = 'cat';
SELECT remaining FROM quota.debit('cat', 'tokens', 3);
SELECT used, used_up FROM pg_temp.marks WHERE subject = 'cat';
SET quota.clock = '2026-01-15 12:00+00';

-- two whose order is by priority, the first used up by a hold that expires
SELECT id FROM quota.credit('dan', 'tokens', 5, priority => 1);
SELECT id FROM quota.credit('dan', 'tokens', 5, priority => 2);
SELECT remaining FROM quota.debit('dan', 'tokens', 10);
SELECT id FROM quota.reserve('dan', 'tokens', 5, '1 hour');
SET quota.clock = '2026-01-15 13:00+00';
SELECT source, detail, available, takes FROM quota.explain('dan', 'tokens', 7) WHERE source = 'grant';
SELECT remaining FROM quota.debit('dan', 'tokens', 7);
SELECT id, used, used_up FROM pg_temp.marks WHERE subject = 'dan' ORDER BY id;
SET quota.clock = '2026-01-15 12:00+00';

-- settled with less, with more
SELECT id FROM quota.credit('eve', 'tokens', 5);
SELECT id AS hold FROM quota.reserve('eve', 'tokens', 15) \gset
SELECT charged, remaining FROM quota.settle(:hold, 12);
SELECT used, used_up FROM pg_temp.marks WHERE subject = 'eve';
SELECT id AS hold FROM quota.reserve('eve', 'tokens', 1) \gset
SELECT charged, overdrawn, remaining FROM quota.settle(:hold, 8);
SELECT used, used_up FROM pg_temp.marks WHERE subject = 'eve';

-- one with periods is never marked: the next one begins with all of it
SELECT id FROM quota.credit('fay', 'tokens', 5, every => 'month');
SELECT remaining FROM quota.debit('fay', 'tokens', 15);
SELECT used, used_up FROM pg_temp.marks WHERE subject = 'fay';
SET quota.clock = '2026-02-16 12:00+00';
SELECT remaining FROM quota.debit('fay', 'tokens', 1);
SET quota.clock = '2026-01-15 12:00+00';

-- revoked when used up, and what comes back then
SELECT id AS grant FROM quota.credit('gus', 'tokens', 5) \gset
SELECT id AS debit FROM quota.debit('gus', 'tokens', 15) \gset
SELECT quota.revoke(:grant);
SELECT quota.revoke(:grant);
SELECT refunded, remaining FROM quota.refund(:debit);
SELECT used, used_up FROM pg_temp.marks WHERE subject = 'gus';

-- of a capacity nothing is used up
SELECT id FROM quota.credit('hal', 'seats', 2);
SELECT remaining FROM quota.debit('hal', 'seats', 3);
SELECT used, used_up FROM pg_temp.marks WHERE subject = 'hal';

SET quota.clock = '2026-03-01 00:00+00';
SELECT * FROM quota.verify();
UPDATE quota_internal.credit_grant SET used_up = NOT used_up WHERE subject IN ('cat', 'ann') AND amount = 5;
SELECT subject, detail FROM quota.verify();
