--
-- Holds: room reserved for work whose cost is not yet known
--
SET client_min_messages = warning; DROP EXTENSION IF EXISTS quota CASCADE; CREATE EXTENSION quota CASCADE;
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/include/enforcement.psql'
\i :helpers
SET quota.clock = '2026-01-10 00:00:00+00';
SELECT count(*) FROM quota.apply_catalog('{
    "features": {"tokens": {"kind": "metered"}, "docs": {"kind": "capacity"}, "api": {"kind": "rate"}, "flag": {"kind": "boolean"}, "size": {"kind": "static"}},
    "plans": {"free": {"default": true, "entitlements": {"tokens": {"allowance": 100, "period": "month"}, "docs": {"allowance": 10},
                       "api": {"rate": {"limit": 10, "per": "1 minute"}}, "flag": {"value": true}, "size": {"value": 5}}},
              "pro": {"entitlements": {"tokens": {"allowance": 1000, "period": "month"}}},
              "sold": {"entitlements": {"tokens": {"allowance": 100, "period": "month", "overage": {"limit": 50}}}},
              "capped": {"entitlements": {"tokens": {"allowance": 1000, "period": "month", "caps": [{"limit": 100, "per": "5 hours", "window": "first_use"}, {"limit": 150, "per": "day"}]}}},
              "rated": {"entitlements": {"tokens": {"allowance": 1000, "period": "month", "rate": {"limit": 60, "per": "1 minute", "burst": 20}}}},
              "rolls": {"entitlements": {"tokens": {"allowance": 100, "period": "month", "rollover": {"max": 80}}}},
              "free_for_all": {"entitlements": {"tokens": {"allowance": null, "period": "month"}}},
              "none": {"entitlements": {}}}}');
CREATE VIEW pg_temp.entries AS
SELECT account, kind, source, amount, dense_rank() OVER (ORDER BY debit_id) AS operation, at::date AS on, period_start::date AS period FROM quota.ledger ORDER BY id;

--
-- reserve
--
SELECT * FROM quota.reserve('ann', 'tokens', 60);
SELECT allowed, used, remaining, resets_at FROM quota.check('ann', 'tokens', 41);
SELECT used, reserved, remaining FROM quota.status('ann') WHERE feature = 'tokens';
SELECT quota.me('ann') #> '{features,tokens,reserved}' AS reserved;
SELECT pg_temp.try($$SELECT quota.debit('ann', 'tokens', 41)$$);
SELECT pg_temp.try($$SELECT quota.reserve('ann', 'tokens', 41)$$);
-- as much as there is; of nothing there is no part
SELECT * FROM quota.reserve('ann', 'tokens', 500, '1 hour', up_to => true);
SELECT pg_temp.code($$SELECT quota.reserve('ann', 'tokens', 1, up_to => true)$$);
SELECT * FROM pg_temp.entries;
SELECT id, subject, reserved, ttl_us, created_at, expires_at, expiry_seen, metadata FROM quota_internal.hold ORDER BY id;
SELECT account, hold_id, expires_at FROM quota_internal.hold_part ORDER BY hold_id;
SELECT * FROM quota.verify();
-- what cannot be reserved
SELECT pg_temp.code($$SELECT quota.reserve('bad', 'tokens', NULL)$$), pg_temp.code($$SELECT quota.reserve('bad', 'tokens', 0)$$), pg_temp.code($$SELECT quota.reserve('bad', 'tokens', -1)$$);
SELECT pg_temp.code($$SELECT quota.reserve('bad', 'tokens', 1, NULL)$$), pg_temp.code($$SELECT quota.reserve('bad', 'tokens', 1, '0')$$), pg_temp.code($$SELECT quota.reserve('bad', 'tokens', 1, '-1 s')$$);
SELECT pg_temp.code($$SELECT quota.reserve('bad', 'tokens', 1, '30 days 1 us')$$), pg_temp.code($$SELECT quota.reserve('bad', 'tokens', 1, '1 month')$$), pg_temp.code($$SELECT quota.reserve('bad', 'tokens', 1, '2147483647 days')$$);
SELECT pg_temp.code($$SELECT quota.reserve('bad', 'tokens', 1, up_to => NULL)$$), pg_temp.code($$SELECT quota.reserve('bad', 'tokens', 1, metadata => '[]')$$);
SELECT pg_temp.code($$SELECT quota.reserve('bad', 'api', 1)$$);
SELECT pg_temp.code($$SELECT quota.reserve('bad', 'flag', 1)$$);
SELECT pg_temp.code($$SELECT quota.reserve('bad', 'size', 1)$$);
SELECT pg_temp.code($$SELECT quota.reserve('bad', 'nothing', 1)$$);
SELECT quota.subscribe('nothing', 'none') > 0 AS subscribed;
SELECT pg_temp.code($$SELECT quota.reserve('nothing', 'tokens', 1)$$);
SELECT pg_temp.code($$SELECT quota.reserve('bad', 'tokens', 9223372036854775807)$$), pg_temp.code($$SELECT quota.reserve('bad//x', 'tokens', 1)$$);
SELECT pg_temp.code($$SELECT quota.extend(NULL)$$), pg_temp.code($$SELECT quota.settle(NULL, 1)$$), pg_temp.code($$SELECT quota.settle(1, NULL)$$), pg_temp.code($$SELECT quota.release(NULL)$$);
SELECT pg_temp.code($$SELECT quota.extend(999)$$), pg_temp.code($$SELECT quota.settle(999, 1)$$), pg_temp.code($$SELECT quota.release(-1)$$);
SELECT pg_temp.code($$SELECT quota.extend(1, '0')$$), pg_temp.code($$SELECT quota.extend(1, '31 days')$$), pg_temp.code($$SELECT quota.extend(1, amount => 0)$$), pg_temp.code($$SELECT quota.extend(1, amount => -5)$$);
SELECT pg_temp.code($$SELECT quota.settle(1, -1)$$), pg_temp.code($$SELECT quota.settle(1, 1, '"x"')$$);
-- a debit is no hold
SELECT id FROM quota.debit('bad', 'tokens', 1) \gset d_
SELECT pg_temp.code(format('SELECT quota.settle(%s, 1)', :d_id)) ~ '^QT404' AS settle, pg_temp.code(format('SELECT quota.extend(%s)', :d_id)) ~ '^QT404' AS extend, pg_temp.code(format('SELECT quota.release(%s)', :d_id)) ~ '^QT404' AS release;
BEGIN READ ONLY;
SELECT pg_temp.code($$SELECT quota.reserve('ann', 'tokens', 1)$$);
SELECT pg_temp.code($$SELECT quota.extend(1)$$);
SELECT pg_temp.code($$SELECT quota.settle(1, 1)$$);
SELECT pg_temp.code($$SELECT quota.release(1)$$);
COMMIT;
SELECT * FROM quota.verify();

-- Keys: the first hold, its amount and its present expiry.
SELECT id, reserved, remaining, expires_at FROM quota.reserve('kim', 'tokens', 30, '10 minutes', 'k', '{"job": 1}') \gset k_
SELECT id = :k_id AS same, reserved, remaining, expires_at FROM quota.reserve('kim', 'tokens', 30, '10 minutes', 'k', '{"job": 1}');
SELECT pg_temp.code($$SELECT quota.reserve('kim', 'tokens', 31, '10 minutes', 'k', '{"job": 1}')$$);
SELECT pg_temp.code($$SELECT quota.reserve('kim', 'tokens', 30, '11 minutes', 'k', '{"job": 1}')$$);
SELECT pg_temp.code($$SELECT quota.reserve('kim', 'tokens', 30, '10 minutes', 'k', '{"job": 2}')$$);
SELECT pg_temp.code($$SELECT quota.reserve('kim', 'tokens', 30, '10 minutes', 'k', '{"job": 1}', true)$$);
SELECT pg_temp.code($$SELECT quota.reserve('kim', 'docs', 30, '10 minutes', 'k', '{"job": 1}')$$);
SELECT pg_temp.code($$SELECT quota.debit('kim', 'tokens', 30, 'k', '{"job": 1}')$$);
SELECT reserved, expires_at FROM quota.extend(:k_id, '20 minutes', 50);
SELECT id = :k_id AS same, reserved, remaining, expires_at FROM quota.reserve('kim', 'tokens', 30, '10 minutes', 'k', '{"job": 1}');
SELECT charged FROM quota.settle(:k_id, 5);
SELECT id = :k_id AS same, reserved, remaining, expires_at FROM quota.reserve('kim', 'tokens', 30, '10 minutes', 'k', '{"job": 1}');
-- what was clipped is remembered; what was refused burns no key
SELECT id, reserved FROM quota.reserve('kim', 'tokens', 200, key => 'clipped', up_to => true) \gset c_
SELECT id = :c_id AS same, reserved, remaining FROM quota.reserve('kim', 'tokens', 200, key => 'clipped', up_to => true);
SELECT pg_temp.code($$SELECT quota.reserve('kim', 'tokens', 10, key => 'refused')$$);
SELECT released, remaining FROM quota.release(:c_id);
SELECT reserved, remaining FROM quota.reserve('kim', 'tokens', 10, key => 'refused');
SELECT * FROM quota.verify();

--
-- extend
--
SELECT id, expires_at FROM quota.reserve('eve', 'tokens', 50, '10 minutes') \gset h_
SET quota.clock = '2026-01-10 00:09:00+00';
-- for the time that it had, from now
SELECT * FROM quota.extend(:h_id);
SELECT * FROM quota.extend(:h_id, '1 hour');
SELECT * FROM quota.extend(:h_id);
-- more, less, the same
SELECT * FROM quota.extend(:h_id, '10 minutes', 80);
SELECT * FROM quota.extend(:h_id, amount => 20);
SELECT * FROM quota.extend(:h_id, NULL, 20);
-- no room: nothing has changed, not even the time
SELECT pg_temp.code(format('SELECT quota.extend(%s, %L, 101)', :h_id, '2 hours'));
SELECT reserved, ttl_us, expires_at FROM quota_internal.hold WHERE id = :h_id;
SELECT amount, kind, source FROM pg_temp.entries WHERE account = 'eve';
SELECT charged, overdrawn, remaining FROM quota.settle(:h_id, 20);
SELECT pg_temp.code(format('SELECT quota.extend(%s)', :h_id));
SELECT * FROM quota.verify();

--
-- settle and release
--
-- less, equal, more, nothing; each once
SELECT id FROM quota.reserve('bob', 'tokens', 50, metadata => '{"question": 1}') \gset h_
SELECT id = :h_id AS same, charged, overdrawn, remaining FROM quota.settle(:h_id, 30, '{"answer": 1}');
SELECT pg_temp.code(format('SELECT quota.settle(%s, 31)', :h_id)), pg_temp.code(format('SELECT quota.release(%s)', :h_id));
-- the same again is answered again, and charges nothing; the metadata does not matter
SELECT id = :h_id AS same, charged, overdrawn, remaining FROM quota.settle(:h_id, 30, '{"answer": 7}');
SELECT id FROM quota.reserve('bob', 'tokens', 20) \gset h_
SELECT charged, overdrawn, remaining FROM quota.settle(:h_id, 20, '{"answer": 2}');
SELECT id FROM quota.reserve('bob', 'tokens', 20) \gset h_
SELECT charged, overdrawn, remaining FROM quota.settle(:h_id, 35, '{"answer": 3}');
SELECT id FROM quota.reserve('bob', 'tokens', 10) \gset h_
SELECT charged, overdrawn, remaining FROM quota.settle(:h_id, 0);
SELECT charged, overdrawn, remaining FROM quota.settle(:h_id, 0);
SELECT * FROM quota.release(:h_id);
SELECT pg_temp.code(format('SELECT quota.settle(%s, 1)', :h_id));
-- beyond the room: never refused
SELECT id FROM quota.reserve('bob', 'tokens', 10) \gset h_
SELECT charged, overdrawn, remaining FROM quota.settle(:h_id, 40);
SELECT charged, overdrawn, remaining FROM quota.settle(:h_id, 40);
SELECT used, remaining FROM quota.check('bob', 'tokens');
SELECT kind, source, amount, metadata FROM quota.ledger WHERE account = 'bob' ORDER BY id;
SELECT used, overdrawn, reserved FROM pg_temp.window_use WHERE subject = 'bob';
SELECT * FROM quota.verify();
-- release, once
SELECT id FROM quota.reserve('rex', 'tokens', 70) \gset h_
SELECT * FROM quota.release(:h_id);
SELECT * FROM quota.release(:h_id);
SELECT charged, overdrawn, remaining FROM quota.settle(:h_id, 0);
SELECT pg_temp.code(format('SELECT quota.settle(%s, 1)', :h_id)), pg_temp.code(format('SELECT quota.extend(%s)', :h_id));
SELECT kind, source, amount FROM pg_temp.entries WHERE account = 'rex';
-- number too large
SELECT id FROM quota.reserve('rex', 'tokens', 70) \gset h_
SELECT charged, overdrawn, remaining FROM quota.settle(:h_id, 9223372036854775807);
SELECT id FROM quota.reserve('big', 'tokens', 70) \gset h_
SELECT quota.debit('big', 'tokens', 1) IS NOT NULL AS debited;
SELECT pg_temp.code(format('SELECT quota.settle(%s, 9223372036854775807)', :h_id));
SELECT charged FROM quota.settle(:h_id, 9223372036854775806);
SELECT * FROM quota.verify();

--
-- Several levels: what is overdrawn is that of the level with the most
--
SELECT quota.subscribe('acme', 'pro') > 0 AS subscribed, quota.override('acme/al', 'tokens', '{"allowance": 80, "period": "day"}');
SELECT id, reserved, remaining FROM quota.reserve('acme/al', 'tokens', 60) \gset h_
SELECT subject, used, reserved FROM pg_temp.window_use WHERE subject LIKE 'acme%' ORDER BY 1;
SELECT pg_temp.try($$SELECT quota.reserve('acme/al', 'tokens', 21)$$);
SELECT reserved FROM quota.reserve('acme/al', 'tokens', 100, up_to => true);
SELECT * FROM quota.extend(:h_id, amount => 40);
SELECT charged, overdrawn, remaining FROM quota.settle(:h_id, 90);
SELECT subject, used, overdrawn, reserved FROM pg_temp.window_use WHERE subject LIKE 'acme%' ORDER BY 1;
SELECT * FROM quota.verify();
SELECT refunded, remaining FROM quota.refund(:h_id, 45);
SELECT * FROM pg_temp.entries WHERE account LIKE 'acme%';
SELECT * FROM quota.verify();

--
-- Allowance, grants, overage: taken in order, given back last first
--
SELECT quota.subscribe('meg', 'sold') > 0 AS subscribed;
SELECT id FROM quota.credit('meg', 'tokens', 30, '2026-03-01', priority => 2) \gset g2_
SELECT id FROM quota.credit('meg', 'tokens', 20, priority => 1) \gset g1_
SELECT id, reserved, remaining FROM quota.reserve('meg', 'tokens', 170) \gset h_
SELECT source, amount, e.grant_id = :g1_id AS first_grant FROM quota_internal.ledger_entry e WHERE account = 'meg' ORDER BY id;
SELECT allowance, used, remaining FROM quota.check('meg', 'tokens');
SELECT used, reserved, overage FROM quota.status('meg') WHERE feature = 'tokens';
SELECT * FROM quota.extend(:h_id, amount => 140);
SELECT used, granted, overage, reserved FROM pg_temp.window_use WHERE subject = 'meg';
SELECT grant_id = :g1_id AS first_grant, used FROM quota_internal.grant_use WHERE grant_id IN (:g1_id, :g2_id) ORDER BY 1 DESC;
SELECT * FROM quota.verify();
SELECT charged, overdrawn, remaining FROM quota.settle(:h_id, 210);
SELECT used, granted, overage, overdrawn, reserved FROM pg_temp.window_use WHERE subject = 'meg';
SELECT * FROM quota.verify();
SELECT refunded, remaining FROM quota.refund(:h_id, 65);
SELECT used, granted, overage, overdrawn FROM pg_temp.window_use WHERE subject = 'meg';
SELECT refunded, remaining FROM quota.refund(:h_id, 50);
SELECT used, granted, overage, overdrawn FROM pg_temp.window_use WHERE subject = 'meg';
SELECT pg_temp.try(format('SELECT quota.refund(%s, 96)', :h_id));
SELECT refunded, remaining FROM quota.refund(:h_id);
SELECT pg_temp.code(format('SELECT quota.refund(%s)', :h_id));
SELECT * FROM quota.verify();
-- grants alone
SELECT quota.subscribe('gus', 'none') > 0 AS subscribed, (quota.credit('gus', 'tokens', 30)).remaining;
SELECT id, reserved, remaining FROM quota.reserve('gus', 'tokens', 25) \gset h_
SELECT charged, overdrawn, remaining FROM quota.settle(:h_id, 40);
SELECT used, granted, overdrawn FROM pg_temp.window_use WHERE subject = 'gus';
SELECT * FROM quota.verify();
-- unlimited
SELECT quota.subscribe('una', 'free_for_all') > 0 AS subscribed;
SELECT id, reserved, remaining FROM quota.reserve('una', 'tokens', 25) \gset h_
SELECT charged, overdrawn, remaining FROM quota.settle(:h_id, 1000);
SELECT * FROM quota.verify();

--
-- Caps: what comes back restores a cap only while the charge lies in its window
--
SET quota.clock = '2026-01-10 20:00:00+00';
SELECT quota.subscribe('cal', 'capped') > 0 AS subscribed;
SELECT id, reserved, remaining FROM quota.reserve('cal', 'tokens', 500, '10 hours', up_to => true) \gset h_
SELECT * FROM quota.extend(:h_id, amount => 60);
SELECT remaining, resets_at FROM quota.check('cal', 'tokens');
SET quota.clock = '2026-01-11 02:00:00+00';
-- another day, and a window of 5 hours that has not opened
SELECT remaining, resets_at FROM quota.check('cal', 'tokens');
SELECT remaining FROM quota.debit('cal', 'tokens', 70);
SELECT charged, overdrawn, remaining FROM quota.settle(:h_id, 10);
SELECT used FROM quota.check('cal', 'tokens');
-- buckets give first, a cap counts the whole beyond its limit, and nothing is overdrawn for it
SELECT id, remaining FROM quota.reserve('cal', 'tokens', 30) \gset h_
SELECT charged, overdrawn, remaining FROM quota.settle(:h_id, 130);
SELECT period_us / 3600000000 AS hours, period_days AS days, opened_at, closes_at, used FROM quota_internal.cap_use WHERE subject = 'cal' ORDER BY opened_at, days;
SELECT refunded, remaining FROM quota.refund(:h_id, 100);
SELECT period_us / 3600000000 AS hours, period_days AS days, used FROM quota_internal.cap_use WHERE subject = 'cal' ORDER BY opened_at, days;
SELECT * FROM quota.verify();

--
-- Rate: reserve and a growing extend take it, what is settled is the true count (holds_rates.sql)
--
SELECT quota.subscribe('rae', 'rated') > 0 AS subscribed;
SELECT id, reserved, remaining FROM quota.reserve('rae', 'tokens', 30, up_to => true) \gset h_
SELECT pg_temp.try(format('SELECT quota.extend(%s, amount => 21)', :h_id));
SELECT reserved, remaining FROM quota.extend(:h_id, amount => 5);
SELECT pg_temp.code($$SELECT quota.debit('rae', 'tokens', 1)$$);
SELECT charged, overdrawn, remaining FROM quota.settle(:h_id, 100);
SET quota.clock = '2026-01-11 02:00:03+00';
SELECT reserved, remaining FROM quota.reserve('rae', 'tokens', 3);
SELECT * FROM quota.verify();

--
-- Capacity: one number
--
SELECT id, reserved, remaining FROM quota.reserve('cap/a', 'docs', 6) \gset h_
SELECT subject, used, reserved FROM pg_temp.window_use WHERE subject LIKE 'cap%' ORDER BY 1;
SELECT remaining FROM quota.debit('cap/b', 'docs', 3);
SELECT * FROM quota.extend(:h_id, amount => 7);
SELECT pg_temp.code(format('SELECT quota.extend(%s, amount => 8)', :h_id));
SELECT charged, overdrawn, remaining FROM quota.settle(:h_id, 4);
SELECT id, remaining FROM quota.reserve('cap/a', 'docs', 2) \gset x_
SELECT charged, overdrawn, remaining FROM quota.settle(:x_id, 6);
SELECT subject, used, reserved FROM pg_temp.window_use WHERE subject LIKE 'cap%' ORDER BY 1;
SELECT charged, overdrawn, remaining FROM quota.settle(:x_id, 6);
SELECT remaining FROM quota.give_back('cap/a', 'docs', 10);
SELECT charged, overdrawn, remaining FROM quota.settle(:x_id, 6);
SELECT * FROM pg_temp.entries WHERE account LIKE 'cap%';
SELECT * FROM quota.verify();
-- grants raise the ceiling
SELECT (quota.credit('cap', 'docs', 5)).remaining;
SELECT id, reserved, remaining FROM quota.reserve('cap/a', 'docs', 100, up_to => true) \gset h_
SET quota.clock = '2026-01-11 02:05:03+00';
SELECT used, remaining FROM quota.check('cap/a', 'docs');
SELECT charged, overdrawn, remaining FROM quota.settle(:h_id, 13);
SELECT * FROM quota.verify();
