--
-- Grants beyond caps: caps neither count nor stop them
--
SET client_min_messages = warning; DROP EXTENSION IF EXISTS quota CASCADE; CREATE EXTENSION quota CASCADE;
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/include/enforcement.psql'
\i :helpers
SET quota.clock = '2026-01-10 10:00:00+00';
SELECT count(*) FROM quota.apply_catalog('{
    "features": {"tokens": {"kind": "metered"}, "seats": {"kind": "capacity"}},
    "plans": {"day": {"entitlements": {"tokens": {"allowance": 100, "period": "month", "overage": {"limit": 50}, "caps": [{"limit": 30, "per": "day"}]},
                                       "seats": {"allowance": 3}}},
              "five": {"entitlements": {"tokens": {"allowance": 100, "period": "month", "caps": [{"limit": 30, "per": "5 hours", "window": "first_use"}]}}},
              "open": {"entitlements": {"tokens": {"allowance": null, "caps": [{"limit": 30, "per": "day"}]}}}}}');
CREATE VIEW pg_temp.caps AS SELECT subject, used FROM quota_internal.cap_use WHERE used > 0 ORDER BY 1;
CREATE VIEW pg_temp.entries AS SELECT subject, kind, source, amount FROM quota.ledger ORDER BY id;

-- min(allowance + ordinary grants + overage, the cap) and what grants beyond have
SELECT count(quota.subscribe(s, 'day')) FROM unnest('{a,b,c,d,e,g}'::text[]) s;
SELECT remaining FROM quota.credit('a', 'tokens', 10, source => 'ordinary');
SELECT remaining FROM quota.credit('a', 'tokens', 40, source => 'bought', beyond_caps => true);
SELECT allowance, used, remaining, resets_at FROM quota.check('a', 'tokens');
SELECT allowed, reason, remaining FROM quota.check('a', 'tokens', 71);
-- the cap stops the allowance, not the grant
SELECT remaining, resets_at FROM quota.debit('a', 'tokens', 35);
SELECT * FROM pg_temp.caps;
SELECT remaining FROM quota.debit('a', 'tokens', 35);
SELECT (pg_temp.refusal('a', 'tokens', 1)).*;
SELECT source, sum(amount) FROM quota.ledger GROUP BY 1 ORDER BY 1;
-- the next day the cap is new, the grant is not
SET quota.clock = '2026-01-11 10:00:00+00';
SELECT remaining FROM quota.check('a', 'tokens');
SELECT g ->> 'source' AS source, g ->> 'used' AS used, g ->> 'beyond_caps' AS beyond FROM jsonb_array_elements(quota.me('a') -> 'grants') g;

-- in rule 2's order: a grant beyond caps that comes first burns first, an ordinary one counts
SELECT remaining FROM quota.set_usage('b', 'tokens', 95);
SELECT remaining FROM quota.credit('b', 'tokens', 10, priority => 1);
SELECT remaining FROM quota.credit('b', 'tokens', 10, priority => 2, beyond_caps => true);
SELECT remaining FROM quota.credit('b', 'tokens', 10, priority => 3);
SELECT step, source, detail, available, takes, verdict FROM quota.explain('b', 'tokens', 20) WHERE source <> 'plan';
SET quota.clock = '2026-01-12 10:00:00+00';
SELECT remaining FROM quota.check('b', 'tokens');
SELECT step, source, detail, available, takes, verdict FROM quota.explain('b', 'tokens', 28) WHERE source <> 'plan';
SELECT id AS d FROM quota.debit('b', 'tokens', 28) \gset
SELECT source, amount FROM quota.ledger WHERE id >= :d ORDER BY id;
SELECT * FROM pg_temp.caps WHERE subject = 'b';
-- what comes back restores the cap only by what it counted: the last 3 are the second ordinary grant's, then 10 beyond
SELECT refunded, remaining FROM quota.refund(:d, 3);
SELECT * FROM pg_temp.caps WHERE subject = 'b';
SELECT refunded, remaining FROM quota.refund(:d, 10);
SELECT * FROM pg_temp.caps WHERE subject = 'b';
SELECT refunded, remaining FROM quota.refund(:d);
SELECT * FROM pg_temp.caps WHERE subject = 'b';

-- up_to takes what there is of both
SELECT remaining FROM quota.credit('c', 'tokens', 40, beyond_caps => true);
SELECT allowed, debited, remaining FROM quota.try_debit('c', 'tokens', 500, up_to => true);

-- a hold: settled with less, and beyond all of it; a settle does that pass, then takes what is missing whatever the caps say
SELECT remaining FROM quota.credit('d', 'tokens', 20, beyond_caps => true);
SELECT id AS h, remaining FROM quota.reserve('d', 'tokens', 45) \gset
SELECT :remaining AS remaining;
SELECT charged, overdrawn, remaining FROM quota.settle(:h, 70);
SELECT source, sum(amount) FROM quota.ledger WHERE subject = 'd' GROUP BY 1 ORDER BY 1;
SELECT * FROM pg_temp.caps WHERE subject = 'd';
SELECT * FROM quota.verify();
-- an expired one: its part beyond caps lowers no cap, for a reader as for the next charge
SELECT remaining FROM quota.credit('e', 'tokens', 20, beyond_caps => true);
SELECT remaining FROM quota.reserve('e', 'tokens', 45, '1 minute');
SET quota.clock = '2026-01-12 10:01:00+00';
SELECT remaining FROM quota.check('e', 'tokens');
SELECT remaining FROM quota.debit('e', 'tokens', 50);
SELECT * FROM pg_temp.caps WHERE subject = 'e';

-- what is first used beyond opens no cap
SELECT quota.subscribe('f', 'five') > 0 AS s;
SELECT remaining FROM quota.set_usage('f', 'tokens', 100);
DELETE FROM quota_internal.cap_use WHERE subject = 'f';
SELECT remaining FROM quota.credit('f', 'tokens', 20, beyond_caps => true);
SELECT remaining, resets_at FROM quota.debit('f', 'tokens', 20);
SELECT count(*) FROM quota_internal.cap_use WHERE subject = 'f' AND closes_at > opened_at;

-- a deficit is covered by grants in their order, beyond caps or not
SELECT remaining FROM quota.credit('g', 'tokens', 30, beyond_caps => true);
SELECT overdrawn FROM quota.set_usage('g', 'tokens', 0), quota.reserve('g', 'tokens', 10) h, quota.settle(h.id, 200);
SELECT remaining, used, allowance FROM quota.check('g', 'tokens');
SET quota.clock = '2026-01-13 10:00:00+00';
SELECT remaining, used, allowance FROM quota.check('g', 'tokens');
SELECT remaining FROM quota.credit('g', 'tokens', 45, beyond_caps => true);

-- unlimited but for the cap
SELECT quota.subscribe('u', 'open') > 0 AS s;
SELECT remaining FROM quota.credit('u', 'tokens', 20, beyond_caps => true);
SELECT remaining FROM quota.debit('u', 'tokens', 45);
SELECT source, amount FROM quota.ledger WHERE subject = 'u' ORDER BY id;

-- of each period; bad ones
SELECT remaining FROM quota.credit('u', 'tokens', 5, every => 'day', beyond_caps => true, key => 'k');
SELECT remaining FROM quota.credit('u', 'tokens', 5, every => 'day', beyond_caps => true, key => 'k');
SELECT pg_temp.code($$SELECT quota.credit('u', 'tokens', 5, every => 'day', key => 'k')$$);
SELECT pg_temp.code($$SELECT quota.credit('a', 'seats', 5, beyond_caps => true)$$);
SELECT pg_temp.code($$SELECT quota.credit('a', 'tokens', 5, beyond_caps => NULL)$$);
SELECT data - 'grant_id' AS data FROM quota.events WHERE type = 'credited' AND subject = 'u' ORDER BY id LIMIT 1;
SELECT * FROM quota.verify();
DROP EXTENSION quota CASCADE;
