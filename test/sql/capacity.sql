--
-- capacity: what is held while something exists
--
SET client_min_messages = warning; DROP EXTENSION IF EXISTS quota CASCADE; CREATE EXTENSION quota CASCADE;
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/include/enforcement.psql'
\i :helpers
SET quota.clock = '2026-01-31 00:00:00+00';
SELECT count(*) FROM quota.apply_catalog('{
    "features": {"docs": {"kind": "capacity", "unit": "document"}, "seats": {"kind": "capacity"}, "tokens": {"kind": "metered"}},
    "plans": {"free": {"default": true, "entitlements": {"docs": {"allowance": 3}, "tokens": {"allowance": 10}}},
              "pro": {"entitlements": {"docs": {"allowance": 10}, "seats": {"allowance": 2}}},
              "big": {"entitlements": {"docs": {"allowance": null}}},
              "none": {"entitlements": {}}}}');
CREATE VIEW pg_temp.held AS
SELECT subject, used, overdrawn, source_id, period_start FROM pg_temp.window_use WHERE feature = 'docs' ORDER BY subject;

-- Taken until the limit; there is no period, so no resets_at and no use in waiting.
SELECT * FROM quota.debit('ann', 'docs', 2);
SELECT * FROM quota.debit('ann', 'docs');
SELECT state, detail FROM pg_temp.refusal('ann', 'docs', 1);
SELECT * FROM quota.check('ann', 'docs');
-- given back, taken again
SELECT * FROM quota.give_back('ann', 'docs');
SELECT * FROM quota.debit('ann', 'docs');
SELECT * FROM quota.give_back('ann', 'docs', 3, metadata => '{"why": "account emptied"}');
-- A year later it is what it was: nothing resets.
SELECT * FROM quota.debit('ann', 'docs', 2);
SET quota.clock = '2027-01-31 00:00:00+00';
SELECT used, remaining FROM quota.check('ann', 'docs');
SET quota.clock = '2026-01-31 00:00:00+00';

-- Never more than is held, and only a capacity can be given back.
SELECT pg_temp.try($$SELECT quota.give_back('ann', 'docs', 3)$$);
SELECT pg_temp.try($$SELECT quota.give_back('nobody', 'docs')$$);
SELECT pg_temp.try($$SELECT quota.give_back('ann', 'tokens')$$);
SELECT pg_temp.try($$SELECT quota.give_back('ann', 'nothing')$$);
SELECT * FROM pg_temp.held;

-- It is counted at every prefix of the path, account or not.
SELECT * FROM quota.debit('acme/eng/bob', 'docs');
SELECT * FROM quota.debit('acme/eng/cy', 'docs');
SELECT * FROM quota.debit('acme/ops', 'docs');
SELECT * FROM pg_temp.held WHERE subject LIKE 'acme%';
SELECT account, amount FROM quota.ledger WHERE subject = 'acme/eng/bob' ORDER BY id;
-- so a limit that comes later finds the true number
SELECT quota.override('acme/eng', 'docs', '{"allowance": 2}');
SELECT allowed, allowance, used, remaining, blocked_by FROM quota.check('acme/eng/dan', 'docs');
-- as does a subscription: nothing starts at 0
SELECT quota.subscribe('acme', 'pro'), quota.subscribe('acme/eng/bob', 'pro');
SELECT * FROM quota.check('acme', 'docs');
SELECT * FROM quota.check('acme/eng/bob', 'docs');
-- left are 7 of 10 at acme, 0 of 2 at acme/eng, 9 of 10 at bob: the least binds
SELECT detail ->> 'blocked_by' AS blocked_by FROM pg_temp.refusal('acme/eng/bob', 'docs', 1);
SELECT quota.override('acme/eng', 'docs', NULL);
SELECT * FROM quota.debit('acme/eng/bob', 'docs', 6);

-- Plans come and go, what is held stays: lower than what is held undoes nothing, but takes nothing more.
SELECT quota.change_plan('acme', 'pro'), quota.override('acme', 'docs', '{"allowance": 4}');
SELECT * FROM quota.check('acme', 'docs');
SELECT state, detail FROM pg_temp.refusal('acme/eng/bob', 'docs', 1);
SELECT * FROM quota.give_back('acme/eng/bob', 'docs', 5);
SELECT * FROM quota.check('acme/eng/bob', 'docs', 1);
SELECT * FROM quota.give_back('acme/eng/bob', 'docs', 1);
SELECT * FROM quota.debit('acme/eng/bob', 'docs', 1);
SELECT quota.cancel('acme', 'now');
SELECT quota.override('acme', 'docs', NULL);
SELECT * FROM quota.check('acme', 'docs');

-- Giving back asks for no entitlement and no status: what ceased to exist did so.
SELECT quota.subscribe('pay', 'pro');
SELECT * FROM quota.debit('pay/er', 'docs', 5);
SELECT quota.set_status('pay', 'paused');
SELECT pg_temp.try($$SELECT quota.debit('pay/er', 'docs')$$);
SELECT * FROM quota.give_back('pay/er', 'docs');
SELECT quota.set_status('pay', 'active'), quota.change_plan('pay', 'none');
SELECT pg_temp.try($$SELECT quota.debit('pay/er', 'docs')$$);
SELECT * FROM quota.give_back('pay/er', 'docs');
SELECT * FROM pg_temp.held WHERE subject LIKE 'pay%';

-- Giving back at another level than it was taken: each level stops at 0.
SELECT * FROM quota.debit('split/a', 'docs', 2);
SELECT * FROM quota.give_back('split', 'docs', 1);
SELECT * FROM quota.give_back('split/a', 'docs', 2);
SELECT * FROM pg_temp.held WHERE subject LIKE 'split%';
SELECT account, kind, amount FROM quota.ledger WHERE account LIKE 'split%' ORDER BY id;

-- Unlimited is counted as well.
SELECT quota.subscribe('vast', 'big');
SELECT * FROM quota.debit('vast', 'docs', 1000000);
SELECT quota.change_plan('vast', 'pro');
SELECT * FROM quota.check('vast', 'docs');

-- An allowance that a later override raises and a grant can come to more than a number holds: no more than that.
SELECT remaining FROM quota.credit('most', 'docs', 9223372036854775000);
SELECT quota.override('most', 'docs', '{"allowance": 9223372036854775807}');
SELECT allowance, remaining FROM quota.check('most', 'docs');
SELECT remaining FROM quota.debit('most', 'docs', 9223372036854775807);
SELECT remaining FROM quota.give_back('most', 'docs', 7);

-- up_to
SELECT quota.subscribe('fit', 'pro');
SELECT * FROM quota.try_debit('fit/a', 'docs', 12, up_to => true);
SELECT * FROM quota.try_debit('fit/a', 'docs', 12, up_to => true);
SELECT * FROM pg_temp.held WHERE subject LIKE 'fit%';

-- What open holds have reserved is not there to give back, at no level; their release brings it.
SELECT * FROM quota.debit('ref/a', 'docs', 2);
SELECT id FROM quota.reserve('ref/a', 'docs', 1) \gset h_
SELECT pg_temp.try($$SELECT quota.give_back('ref/a', 'docs', 3)$$);
SELECT pg_temp.try($$SELECT quota.give_back('ref', 'docs', 3)$$);
SELECT remaining FROM quota.give_back('ref', 'docs', 2);
SELECT remaining FROM quota.give_back('ref/a', 'docs', 2);
SELECT subject, used, reserved FROM pg_temp.window_use WHERE subject LIKE 'ref%' ORDER BY 1;
SELECT account, kind, amount FROM quota.ledger WHERE account LIKE 'ref%' ORDER BY id;
SELECT released, remaining FROM quota.release(:h_id);
SELECT * FROM pg_temp.held WHERE subject LIKE 'ref%';
-- what an expired one had is no use
SELECT reserved FROM quota.reserve('ref/a', 'docs', 2, '1 minute');
SET quota.clock = '2026-01-31 00:02:00+00';
SELECT pg_temp.try($$SELECT quota.give_back('ref/a', 'docs', 1)$$);
SELECT * FROM quota.verify();

SELECT feature, allowed, allowance, used, remaining, period_start, resets_at FROM quota.status('pay');
SELECT * FROM quota.verify();
