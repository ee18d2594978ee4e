--
-- quota.enforcement = observe: a trial run of the paywall. Charges, records, refuses nothing.
--
SET client_min_messages = warning; DROP EXTENSION IF EXISTS quota CASCADE; CREATE EXTENSION quota CASCADE;
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/include/enforcement.psql'
\i :helpers
SET quota.clock = '2026-01-10 00:00:00+00';
SELECT count(*) FROM quota.apply_catalog('{
    "features": {"tokens": {"kind": "metered"}, "other": {"kind": "metered"}, "docs": {"kind": "capacity"}, "seats": {"kind": "capacity"},
                 "mindmap": {"kind": "boolean"}, "max_mb": {"kind": "static"}},
    "plans": {"free": {"default": true, "entitlements": {"tokens": {"allowance": 100, "period": "month"}, "docs": {"allowance": 2}}},
              "pro": {"entitlements": {"tokens": {"allowance": 1000, "period": "month"}, "docs": {"allowance": 20}, "other": {"allowance": 5, "period": "day"}}}}}');
CREATE VIEW pg_temp.used AS
SELECT subject, feature, used, overdrawn, source_id AS subscription, period_start FROM pg_temp.window_use ORDER BY 1, 2, 5, 6;
SET quota.enforcement = observe;

-- With room it is what it always is.
SELECT * FROM quota.debit('ann', 'tokens', 70);
SELECT * FROM quota.try_debit('ann', 'tokens', 20);
-- What exceeds the room is overdrawn; the answer says what enforce would have said.
SELECT * FROM quota.debit('ann', 'tokens', 25);
SELECT * FROM quota.try_debit('ann', 'tokens', 5);
SELECT * FROM quota.try_debit('ann', 'tokens', 101);
SELECT account, source, amount, debit_id = id AS first FROM quota.ledger ORDER BY id;
-- up_to takes what was asked: enforce would clip the second, so that is no refusal
SELECT * FROM quota.try_debit('ann', 'tokens', 5, up_to => true);
SELECT * FROM quota.try_debit('una', 'tokens', 105, up_to => true);
-- reads answer as in enforce; overdrawn counts as used
SELECT * FROM quota.check('ann', 'tokens');
SELECT quota.me('ann') -> 'enforcement' AS enforcement, quota.me('ann') #> '{features,tokens}' AS tokens;
-- the next period is new
SET quota.clock = '2026-02-01 00:00:00+00';
SELECT * FROM quota.check('ann', 'tokens');
SET quota.clock = '2026-01-10 00:00:00+00';

-- Not entitled: nothing is charged, id is NULL, a denial is recorded.
SELECT * FROM quota.debit('ann', 'other', 7);
SELECT * FROM quota.try_debit('ann', 'other', 7);
SELECT * FROM quota.debit('ann', 'mindmap');
SELECT * FROM quota.try_debit('ann', 'mindmap');
-- a refund of that NULL does nothing
SELECT * FROM quota.refund(NULL);
SELECT * FROM quota.refund(NULL, 5, 'key');
-- but capacity is counted also where nobody is entitled to it
SELECT * FROM quota.debit('ann/x', 'seats', 3);
SELECT * FROM quota.try_debit('ann', 'seats', 2);
SELECT remaining FROM quota.give_back('ann', 'seats', 1);
-- and beyond the limit
SELECT * FROM quota.debit('ann/x', 'docs', 5);
SELECT * FROM pg_temp.used WHERE feature IN ('docs', 'seats');

-- An inactive subscription refuses nothing either; what it has room for is not overdrawn.
SELECT quota.subscribe('bob', 'pro'), quota.set_status('bob', 'past_due');
SELECT * FROM quota.debit('bob', 'tokens', 300);
SELECT * FROM quota.try_debit('bob', 'tokens', 800);
SELECT * FROM quota.try_debit('bob', 'docs', 1);
SELECT has FROM quota.has('bob', 'tokens');

-- A path: each level takes what it has room for, the rest of it is overdrawn there.
SELECT quota.subscribe('acme', 'pro'), quota.override('acme/al', 'tokens', '{"allowance": 10, "period": "day"}');
SELECT * FROM quota.debit('acme/al', 'tokens', 30);
SELECT account, source, amount FROM quota.ledger WHERE subject = 'acme/al' ORDER BY id;
-- a refund takes the overdrawn first, at each level for itself
SELECT refunded, remaining FROM quota.refund((SELECT max(debit_id) FROM quota.ledger WHERE subject = 'acme/al'), 22);
SELECT * FROM pg_temp.used WHERE subject LIKE 'acme%';

-- The rest still raises.
SELECT pg_temp.code($$SELECT quota.debit('ann', 'nothing')$$);
SELECT pg_temp.code($$SELECT quota.debit('ann', 'tokens', 0)$$);
SELECT pg_temp.code($$SELECT quota.debit('ann', 'max_mb')$$);
SELECT pg_temp.code($$SELECT quota.debit('', 'tokens')$$);
SELECT pg_temp.code($$SELECT quota.refund(99999)$$);
SELECT pg_temp.code($$SELECT quota.give_back('nobody', 'docs')$$);
SELECT pg_temp.code($$SELECT quota.debit('ann', 'tokens', 9223372036854775807)$$);
SELECT remaining FROM quota.debit('ann', 'tokens', 1, 'k');
SELECT pg_temp.code($$SELECT quota.debit('ann', 'tokens', 2, 'k')$$);

-- Keys: the first answer, without a second charge or a second denial.
SELECT id FROM quota.debit('key', 'tokens', 150, 'k') \gset first_
SELECT id FROM quota.debit('key', 'tokens', 150, 'k') \gset again_
SELECT :first_id = :again_id AS same_id, used + overdrawn AS used FROM pg_temp.used WHERE subject = 'key';

-- Who blocks is who would have refused, not who is fullest afterwards.
SELECT quota.override('two', 'tokens', '{"allowance": 10, "period": "month"}'), quota.override('two/x', 'tokens', '{"allowance": 10, "period": "month"}');
SELECT remaining FROM quota.debit('two', 'tokens', 1);
SELECT allowed, reason, debited, remaining, blocked_by FROM quota.try_debit('two/x', 'tokens', 10);

-- up_to beside a rate: all of it, too.
SELECT quota.override('pia', 'tokens', '{"allowance": 10, "rate": {"limit": 4, "per": "1 hour"}}');
SELECT allowed, reason, debited, remaining FROM quota.try_debit('pia', 'tokens', 30, up_to => true);
SELECT allowed, reason, debited, remaining FROM quota.try_debit('pia', 'tokens', 30, up_to => true);
-- the same where the subscription is inactive
SELECT quota.subscribe('pip', 'pro') IS NOT NULL AS s, quota.override('pip', 'tokens', '{"allowance": 10, "rate": {"limit": 4, "per": "1 hour"}}'), quota.set_status('pip', 'paused');
SELECT allowed, reason, debited, blocked_by FROM quota.try_debit('pip', 'tokens', 3, up_to => true);
SELECT allowed, reason, debited, blocked_by FROM quota.try_debit('pip', 'tokens', 30, up_to => true);
SELECT * FROM pg_temp.used WHERE subject IN ('pia', 'pip');
-- what is reserved up to what there is, too
SELECT reserved, remaining FROM quota.reserve('rea', 'tokens', 130, up_to => true);
SELECT pg_temp.code($$SELECT quota.try_debit('una', 'tokens', 9223372036854775807, up_to => true)$$);

-- Every refusal is on record.
SELECT * FROM quota.denials ORDER BY subject, feature, reason;

-- Enforced again: what was overdrawn must fit before anything more is taken.
RESET quota.enforcement;
SELECT detail FROM pg_temp.refusal('ann', 'tokens', 1);
SELECT detail FROM pg_temp.refusal('ann', 'docs', 1);
SELECT quota.override('ann', 'tokens', '{"allowance": 250, "period": "month"}');
SELECT * FROM quota.check('ann', 'tokens');
SELECT * FROM quota.debit('ann', 'tokens', 2);
SELECT remaining FROM quota.give_back('ann/x', 'docs', 4);
SELECT pg_temp.code('SELECT quota.refund(NULL)');
-- who is no superuser cannot turn it off
CREATE ROLE regress_quota_observer;
SET ROLE regress_quota_observer;
SET quota.enforcement = observe;
SET quota.clock = '2027-01-01';
RESET ROLE;
DROP ROLE regress_quota_observer;
SET quota.enforcement = lenient;
SELECT * FROM quota.verify();
