--
-- What is left of a feature that has been removed
--
SET client_min_messages = warning; DROP EXTENSION IF EXISTS quota CASCADE; CREATE EXTENSION quota CASCADE;
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/include/enforcement.psql'
\i :helpers
SET quota.clock = '2026-01-05 10:00:00+00';
SELECT count(*) FROM quota.apply_catalog('{
    "features": {"tokens": {"kind": "metered"}, "docs": {"kind": "capacity"}, "pages": {"kind": "metered"}},
    "plans": {"free": {"default": true, "entitlements": {"pages": {"allowance": 10},
        "tokens": {"allowance": 100, "period": "month", "caps": [{"limit": 60, "per": "1 day"}]}, "docs": {"allowance": 10}}}}}');
SELECT id FROM quota.debit('ann', 'tokens', 20, 'k1') \gset refunded_
SELECT refunded FROM quota.refund(:refunded_id, 20, 'k2');
SELECT id FROM quota.debit('ann', 'tokens', 9) \gset corrected_
SELECT remaining FROM quota.set_usage('ann', 'tokens', 0);
SELECT id FROM quota.debit('ann/x', 'docs', 3) \gset docs_
SELECT remaining FROM quota.give_back('ann/x', 'docs', 3);
SELECT id FROM quota.reserve('ann', 'tokens', 5) \gset released_
SELECT released FROM quota.release(:released_id);
SELECT id FROM quota.reserve('ann', 'tokens', 5, '1 minute', 'k3') \gset expired_
SELECT id FROM quota.credit('ann', 'tokens', 50, '2026-01-06') \gset grant_
SELECT sum(rows) > 0 AS maintained FROM quota.maintain();
SET quota.clock = '2026-01-07 10:00:00+00';
-- a hold that nobody has given back is use
SELECT pg_temp.code($$SELECT quota.apply_catalog('{"features": {"pages": {"kind": "metered"}}, "plans": {"free": {"default": true, "entitlements": {"pages": {"allowance": 10}}}}}')$$);
SELECT remaining FROM quota.debit('ann', 'pages', 1);
SELECT sum(rows) > 0 AS maintained FROM quota.maintain();
SELECT object, name, change FROM quota.apply_catalog('{"features": {"pages": {"kind": "metered"}}, "plans": {"free": {"default": true, "entitlements": {"pages": {"allowance": 10}}}}}');
SELECT * FROM quota.verify();

-- Whatever is asked of it is not found, or closed; nothing is damaged
SELECT pg_temp.code(format('SELECT quota.refund(%s)', :refunded_id));
SELECT pg_temp.code(format('SELECT quota.refund(%s, 1, %L)', :corrected_id, 'k4'));
SELECT pg_temp.code(format('SELECT quota.refund(%s)', :docs_id));
SELECT pg_temp.code(format('SELECT quota.refund(%s)', :released_id));
SELECT pg_temp.code(format('SELECT quota.refund(%s)', :expired_id));
SELECT pg_temp.code(format('SELECT quota.settle(%s, 1)', :expired_id));
SELECT pg_temp.code(format('SELECT quota.release(%s)', :expired_id));
SELECT pg_temp.code(format('SELECT quota.extend(%s)', :expired_id));
SELECT pg_temp.code(format('SELECT quota.revoke(%s)', :grant_id));
SELECT pg_temp.code(q) FROM unnest(ARRAY[
    'SELECT quota.debit(''ann'', ''tokens'')', 'SELECT quota.reserve(''ann'', ''tokens'', 1)', 'SELECT quota.give_back(''ann/x'', ''docs'')',
    'SELECT quota.set_usage(''ann'', ''tokens'', 1)', 'SELECT quota.credit(''ann'', ''tokens'', 1)', 'SELECT quota.override(''ann'', ''tokens'', NULL)',
    'SELECT quota.check(''ann'', ''tokens'')', 'SELECT quota.statement(''ann'', ''tokens'')', 'SELECT quota.usage(''ann'', ''tokens'', ''2026-01-01'')',
    'SELECT quota.recount(''docs'')']) q;
-- what a key remembers is answered
SELECT id = :refunded_id AS same, remaining FROM quota.debit('ann', 'tokens', 20, 'k1');
SELECT refunded, remaining FROM quota.refund(:refunded_id, 20, 'k2');
SELECT id = :expired_id AS same, reserved, remaining FROM quota.reserve('ann', 'tokens', 5, '1 minute', 'k3');
-- the same name once more is another feature
SELECT count(*) FROM quota.apply_catalog('{"features": {"pages": {"kind": "metered"}, "tokens": {"kind": "capacity"}},
    "plans": {"free": {"default": true, "entitlements": {"pages": {"allowance": 10}, "tokens": {"allowance": 5}}}}}');
SELECT remaining FROM quota.debit('ann', 'tokens', 2);
SELECT pg_temp.code(format('SELECT quota.refund(%s)', :corrected_id));

-- Views and reports
SELECT feature, kind, sum(amount) FROM quota.ledger GROUP BY 1, 2 ORDER BY 1 NULLS FIRST, 2;
SELECT count(*) FROM quota.holds;
SELECT subject, feature, used FROM quota.periods;
SELECT count(*) > 0 AS events FROM quota.events;
SELECT count(*) > 0 AS metrics FROM quota.me('ann');
SELECT sum(rows) > 0 AS maintained FROM quota.maintain();
SELECT * FROM quota.verify();
SET quota.clock = '2027-04-07 10:00:00+00';
SELECT sum(rows) > 0 AS maintained FROM quota.maintain();
SELECT * FROM quota.verify();
SELECT quota.forget('ann') > 0 AS forgotten;
SELECT * FROM quota.verify();
