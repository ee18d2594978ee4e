--
-- quota.record(): use that has already happened, in the window of its time, never refused
--
SET client_min_messages = warning; DROP EXTENSION IF EXISTS quota CASCADE; CREATE EXTENSION quota CASCADE;
\set SHOW_CONTEXT never
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/include/calls.psql'
\i :helpers
SET quota.clock = '2026-01-10 12:00+00';
SELECT count(*) FROM quota.apply_catalog('{
    "features": {"tokens": {"kind": "metered"}, "sold": {"kind": "metered"}, "rolls": {"kind": "metered"}, "capped": {"kind": "metered"}, "none": {"kind": "metered"},
                 "docs": {"kind": "capacity"}, "api": {"kind": "rate"}, "on": {"kind": "boolean"}, "size": {"kind": "static"}},
    "plans": {"free": {"default": true, "entitlements": {"tokens": {"allowance": 100, "period": "month", "notify": [50], "rate": {"limit": 10, "per": "1 hour"}},
                  "rolls": {"allowance": 10, "period": "month", "rollover": {"max": 5}},
                  "docs": {"allowance": 5}, "api": {"rate": {"limit": 1, "per": "1 hour"}}, "on": {"value": true}, "size": {"value": 1}}},
              "pro": {"entitlements": {"tokens": {"allowance": 1000, "period": "month"}, "sold": {"allowance": 50, "period": "month", "overage": {"limit": 20}}}},
              "week": {"entitlements": {"tokens": {"allowance": 40, "period": "week"}}},
              "capped": {"entitlements": {"capped": {"allowance": 1000, "period": "month",
                  "caps": [{"limit": 100, "per": "day"}, {"limit": 300, "per": "week"}, {"limit": 60, "per": "5 hours", "window": "first_use"}]}}}}}');
CREATE VIEW pg_temp.booked AS
SELECT l.subject, l.account, l.feature, l.kind, l.source, l.amount, l.at::date AS at, l.occurred_at, l.period_start::date AS period, l.key, l.metadata FROM quota.ledger l ORDER BY l.id;
CREATE VIEW pg_temp.caps AS
SELECT subject, window_start, opened_at, closes_at, used FROM quota_internal.cap_use ORDER BY 1, period_months, period_days, period_us, window_start;

-- now: as a debit, but never refused: room, then overdrawn; no rate, no status
SELECT * FROM quota.record('ann', 'tokens', 30, metadata => '{"batch": 7}');
SELECT * FROM quota.record('ann', 'tokens', 90);
SELECT used, remaining FROM quota.check('ann', 'tokens');
SELECT allowed, reason FROM quota.try_debit('other', 'tokens', 11);
SELECT remaining FROM quota.debit('other', 'tokens', 10);
SELECT quota.subscribe('paused', 'pro') > 0 AS subscribed, quota.set_status('paused', 'paused');
SELECT * FROM quota.record('paused', 'tokens', 5);
SELECT feature, reason, times FROM quota.denials;
SELECT type, subject, data ->> 'used' AS used FROM quota.events WHERE type = 'threshold_reached';
SELECT * FROM pg_temp.booked;

-- at an earlier time: the window of that time, by the plan of that time, with grants that were valid then
SELECT id AS grant FROM quota.credit('bob', 'tokens', 20, expires_at => '2026-01-20') \gset
SELECT id AS young FROM quota.credit('bob', 'tokens', 20, effective_at => '2026-02-01') \gset
SET quota.clock = '2026-02-10 12:00+00';
SELECT * FROM quota.record('bob', 'tokens', 150, '2026-01-15');
SELECT * FROM quota.record('bob', 'tokens', 7, '2026-01-25');
SELECT * FROM quota.record('bob', 'tokens', 2, '2026-02-10 11:00');
SELECT subject, period_start, allowance, used, granted, overdrawn FROM quota.periods WHERE subject = 'bob' ORDER BY 2;
SELECT * FROM pg_temp.booked WHERE subject = 'bob';
-- no threshold of a window that is over, but of the present one
SELECT * FROM quota.record('bob', 'tokens', 60, '2026-02-01');
SELECT type, data ->> 'used' AS used, data ->> 'period_start' AS period FROM quota.events WHERE subject = 'bob' AND type = 'threshold_reached';
-- usage, breakdown and statement show it when it was booked
SELECT bucket, used, debits FROM quota.usage('bob', 'tokens', '2026-01-01', step => 'month');
SELECT name, used, entries FROM quota.breakdown('bob', 'tokens', '2026-02-01');
SELECT at, amount, source, running FROM quota.statement('bob', 'tokens', max_rows => 2);
-- a refund goes back where it was taken, into the period of a grant that is over, too
SELECT refunded, remaining FROM quota.refund((SELECT min(id) FROM quota.ledger WHERE subject = 'bob'), 145);
SELECT subject, period_start, used, granted, overdrawn FROM quota.periods WHERE subject = 'bob' ORDER BY 2;
SELECT grant_id = :grant AS old_grant, used FROM quota_internal.grant_use;
SELECT * FROM quota.verify();

-- the subscription of that time, in its present version; before it the default plan; after it again
SELECT quota.subscribe('sub', 'pro', '2026-02-01', '2026-02-05') > 0 AS subscribed;
SELECT name, change FROM quota.apply_catalog(jsonb_set(quota.export_catalog(), '{plans,pro,entitlements,tokens,allowance}', '500')) WHERE change <> 'unchanged';
SELECT id IS NOT NULL AS booked, overdrawn, remaining FROM quota.record('sub', 'tokens', 600, '2026-02-03');
SELECT id IS NOT NULL AS booked, overdrawn, remaining FROM quota.record('sub', 'tokens', 110, '2026-01-31 23:59:59.999999');
SELECT id IS NOT NULL AS booked, overdrawn, remaining FROM quota.record('sub', 'tokens', 10, '2026-02-05');
SELECT period_start, period_end, plan, allowance, used, overdrawn FROM quota.periods WHERE subject = 'sub' ORDER BY period_start, plan;
-- overage is sold first; an override counts as it is now
SELECT quota.subscribe('over', 'pro', '2026-01-01') > 0 AS subscribed;
SELECT overdrawn FROM quota.record('over', 'sold', 75, '2026-01-31');
SELECT used, overage, overdrawn FROM quota.periods WHERE subject = 'over';
SELECT quota.override('over', 'sold', '{"allowance": 100, "period": "month"}');
SELECT overdrawn FROM quota.record('over', 'sold', 30, '2026-01-31');
SELECT used, overage, overdrawn FROM quota.periods WHERE subject = 'over';
-- a path: every account of that time, the most that any level overdrew
SELECT quota.override('acme/al', 'tokens', '{"allowance": 10, "period": "month"}');
SELECT overdrawn, remaining FROM quota.record('acme/al', 'tokens', 25, '2026-01-05');
SELECT subject, used, overdrawn FROM quota.periods WHERE subject LIKE 'acme%' ORDER BY 1;
-- a reset has begun anew since: a time before counts as its anchor
SELECT quota.subscribe('reset', 'pro', '2026-01-01') > 0 AS subscribed, quota.change_plan('reset', 'pro', usage => 'reset') > 0 AS reset;
SELECT remaining FROM quota.record('reset', 'tokens', 10, '2026-01-15');
SELECT remaining FROM quota.record('reset', 'tokens', 5, '2026-02-03');
SELECT period_start, used FROM quota.periods WHERE subject = 'reset';
-- a window whose use another one took over
SELECT quota.subscribe('moved', 'pro', '2026-02-02') > 0 AS subscribed;
SELECT remaining FROM quota.record('moved', 'tokens', 10);
SELECT quota.change_plan('moved', 'week') > 0 AS changed;
SELECT overdrawn, remaining FROM quota.record('moved', 'tokens', 35);
SELECT overdrawn, remaining FROM quota.record('moved', 'tokens', 3, '2026-02-10 11:59');
SELECT period_start, plan, used, overdrawn FROM quota.periods WHERE subject = 'moved' ORDER BY 1, 2;
SELECT * FROM quota.verify();

-- what has rolled over is closed: the present window takes it; one that nobody has closed takes its own
SELECT remaining FROM quota.record('roll', 'rolls', 4, '2026-01-05');
SELECT remaining FROM quota.record('roll', 'rolls', 3, '2026-01-06');
SELECT remaining FROM quota.debit('roll', 'rolls', 1);
SELECT remaining FROM quota.record('roll', 'rolls', 2, '2026-01-07');
SELECT period_start, allowance, used, rolled_in, rolled_out FROM quota.periods WHERE subject = 'roll' ORDER BY 1;
SET quota.clock = '2026-03-10 12:00+00';
SELECT remaining FROM quota.record('roll', 'rolls', 1, '2026-01-08');
SELECT period_start, allowance, used, rolled_in, rolled_out FROM quota.periods WHERE subject = 'roll' ORDER BY 1;
SELECT * FROM quota.verify();

-- caps count it if their present window contains its time
SELECT quota.subscribe('cap', 'capped', '2026-01-01') > 0 AS subscribed;
SET quota.clock = '2026-03-11 12:00+00';
SELECT id FROM quota.debit('cap', 'capped', 10) \gset first_
SELECT id FROM quota.record('cap', 'capped', 70, '2026-03-11 12:00+00') \gset now_
SELECT remaining FROM quota.check('cap', 'capped');
SET quota.clock = '2026-03-11 13:00+00';
SELECT id FROM quota.record('cap', 'capped', 5, '2026-03-11 12:30+00') \gset in_all_
SELECT id FROM quota.record('cap', 'capped', 6, '2026-03-11 11:59+00') \gset before_first_use_
SELECT id FROM quota.record('cap', 'capped', 7, '2026-03-10 13:00+00') \gset in_week_
SELECT id FROM quota.record('cap', 'capped', 8, '2026-03-01 13:00+00') \gset in_none_
SELECT * FROM pg_temp.caps;
-- each gives back what it counted
SELECT refunded FROM unnest(ARRAY[:in_none_id, :in_week_id, :before_first_use_id, :in_all_id, :now_id]) AS id, quota.refund(id);
SELECT * FROM pg_temp.caps;
SELECT refunded FROM quota.refund(:first_id);
SELECT used FROM pg_temp.caps;
-- none is open: use of before opens none, use of now does
SET quota.clock = '2026-03-11 20:00+00';
SELECT id IS NOT NULL AS booked FROM quota.record('cap', 'capped', 5, '2026-03-11 19:00+00');
SELECT opened_at, used FROM pg_temp.caps;
SELECT id IS NOT NULL AS booked FROM quota.record('cap', 'capped', 5);
SELECT opened_at, used FROM pg_temp.caps;
SET quota.clock = '2026-03-11 20:30+00';
SELECT * FROM quota.verify();

-- a recurring grant gives, and gets back, in the period of the use
SELECT id AS grant FROM quota.credit('monthly', 'none', 10, effective_at => '2026-01-11', every => 'month') \gset
SELECT overdrawn, remaining FROM quota.record('monthly', 'none', 4, '2026-01-15');
SELECT overdrawn, remaining FROM quota.record('monthly', 'none', 9, '2026-02-15');
SELECT overdrawn, remaining FROM quota.record('monthly', 'none', 8, '2026-01-16');
SELECT period_start::date, used FROM quota_internal.grant_use WHERE grant_id = :grant ORDER BY 1;
SELECT refunded FROM quota.refund((SELECT min(id) FROM quota.ledger WHERE subject = 'monthly'));
SELECT period_start::date, used FROM quota_internal.grant_use WHERE grant_id = :grant ORDER BY 1;
SELECT pg_temp.try($$SELECT quota.record('monthly', 'none', 1, '2026-01-10')$$);
SELECT * FROM quota.verify();

-- keys: the first answer, also what was overdrawn; another argument is a conflict
SELECT overdrawn, remaining FROM quota.record('key', 'tokens', 130, '2026-02-20', 'k', '{"a": 1}');
SELECT overdrawn, remaining FROM quota.record('key', 'tokens', 130, '2026-02-20', 'k', '{"a": 1}');
SELECT overdrawn, remaining FROM quota.record('key', 'tokens', 130, '2026-02-20 01:00+01', 'k', '{"a": 1}');
SELECT pg_temp.try($$SELECT quota.record('key', 'tokens', 130, NULL, 'k', '{"a": 1}')$$), pg_temp.try($$SELECT quota.record('key', 'tokens', 131, '2026-02-20', 'k', '{"a": 1}')$$);
SELECT pg_temp.try($$SELECT quota.debit('key', 'tokens', 130, 'k', '{"a": 1}')$$);
SELECT count(*), sum(amount) FROM quota.ledger WHERE subject = 'key';

-- observe: the same, but not entitled is an answer, and recorded
SET quota.enforcement = observe;
SELECT * FROM quota.record('nobody', 'none', 5, '2026-03-01');
SELECT overdrawn, remaining FROM quota.record('watched', 'tokens', 105);
RESET quota.enforcement;
SELECT subject, feature, reason, times FROM quota.denials WHERE subject IN ('nobody', 'watched');

-- bad input
SELECT c.call, pg_temp.try('SELECT id FROM quota.record(' || c.call || ')')
FROM (VALUES ($$'a', 'none', 1$$), ($$'a', 'nix', 1$$), ($$'a', 'docs', 1$$), ($$'a', 'api', 1$$), ($$'a', 'on', 1$$), ($$'a', 'size', 1$$), ($$'a', 'tokens', 0$$), ($$'a', 'tokens', -1$$), ($$'a', 'tokens', NULL$$),
             ($$NULL, 'tokens', 1$$), ($$'a', NULL, 1$$), ($$'/', 'tokens', 1$$), ($$'a', 'tokens', 1, '2026-03-11 20:30:00.000001+00'$$), ($$'a', 'tokens', 1, 'infinity'$$), ($$'a', 'tokens', 1, '-infinity'$$),
             ($$'a', 'tokens', 1, '2025-02-11 20:29:59.999999+00'$$), ($$'a', 'tokens', 1, key => ''$$), ($$'a', 'tokens', 1, key => repeat('k', 256)$$), ($$'a', 'tokens', 1, metadata => '[]'$$),
             ($$'a', 'tokens', 9223372036854775807$$), ($$'a', 'tokens', 9223372036854775807, '2026-03-11 20:30'$$)) c (call);
SELECT count(*) FROM quota.record('a', 'tokens', 1, '2025-02-11 20:30+00');
BEGIN; SET TRANSACTION READ ONLY; SELECT quota.record('a', 'tokens', 1); ROLLBACK;
-- a transaction that is older than the anchor: as a debit, it counts in the caps of its own time
SELECT quota.subscribe('elder', 'capped') > 0;
SET quota.clock = '2026-03-12 09:00+00';
SELECT quota.change_plan('elder', 'capped', usage => 'reset') > 0;
SET quota.clock = '2026-03-11 20:30+00';
SELECT remaining FROM quota.record('elder', 'capped', 1);
SELECT remaining FROM quota.debit('elder', 'capped', 2);
SELECT * FROM pg_temp.caps WHERE subject = 'elder';
-- a rollback takes it back
BEGIN; SELECT overdrawn FROM quota.record('back', 'tokens', 500, '2026-01-01'); ROLLBACK;
SELECT count(*) FROM quota.ledger WHERE subject = 'back';
SELECT * FROM quota.verify();
