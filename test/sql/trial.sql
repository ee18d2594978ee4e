--
-- A change of plan for the end of a trial: the subscription goes on, early or late
--
SET client_min_messages = warning; DROP EXTENSION IF EXISTS quota CASCADE; CREATE EXTENSION quota CASCADE;
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/include/enforcement.psql'
\i :helpers
SET quota.clock = '2026-01-10 12:00:00+00';
SELECT count(*) FROM quota.apply_catalog('{
    "features": {"tokens": {"kind": "metered"}},
    "plans": {"free": {"default": true, "entitlements": {"tokens": {"allowance": 10, "period": "month"}}},
              "basic": {"entitlements": {"tokens": {"allowance": 100, "period": "month"}}},
              "pro": {"entitlements": {"tokens": {"allowance": 1000, "period": "month", "anchor": "subscription"}}}}}');
CREATE VIEW pg_temp.subs AS
SELECT subject, plan, version AS v, status, trial_ends_at, ends_at, current_period_start AS since, next_plan, next_plan_at FROM quota.subscriptions;
CREATE VIEW pg_temp.happened AS
SELECT subject, at, type, data - 'subscription_id' AS data FROM quota.events WHERE type <> 'subscribed' ORDER BY id;

-- another plan, the same one, the same one from its end on, and nothing; of a longer trial than the billing period too
SELECT quota.subscribe(s, 'basic', trial => '14 days', ends_at => e) > 0, quota.change_plan(s, p, 'period_end', u) > 0
FROM (VALUES ('other', 'pro', 'keep', NULL::timestamptz), ('same', 'basic', 'keep', '2027-01-01'), ('anew', 'basic', 'reset', NULL)) v(s, p, u, e);
SELECT quota.subscribe('none', 'basic', trial => '14 days') > 0;
SELECT quota.subscribe('long', 'basic', trial => '2 months') > 0, quota.change_plan('long', 'basic', 'period_end') > 0;
SELECT * FROM pg_temp.subs ORDER BY subject;
SELECT quota.me('same') -> 'plan' #- '{metadata}' AS me;
SELECT count(*) FROM pg_temp.happened;
SELECT remaining FROM quota.debit('other', 'tokens', 70);
SELECT remaining FROM quota.debit('anew', 'tokens', 70);
-- the moment it ends, for whoever looks; nobody has carried it out
SET quota.clock = '2026-01-24 11:59:59.999999+00';
SELECT subject, plan, status, trial_ends_at FROM pg_temp.subs WHERE subject IN ('other', 'none') ORDER BY subject;
SET quota.clock = '2026-01-24 12:00:00+00';
SELECT * FROM pg_temp.subs ORDER BY subject;
SELECT quota.me('same') -> 'plan' #- '{metadata}' AS me;
SELECT allowance, used, remaining FROM quota.check('other', 'tokens');
SELECT allowance, used, remaining FROM quota.check('anew', 'tokens');
-- the first charge, or maintain(), carries it out
SELECT remaining FROM quota.debit('same', 'tokens', 1);
SELECT rows FROM quota.maintain() WHERE task = 'plan changes carried out';
SELECT * FROM pg_temp.subs ORDER BY subject;
SELECT * FROM pg_temp.happened;

-- early: the payment comes before the end; a paused trial stays paused at its end
SELECT quota.subscribe(s, 'basic', trial => '14 days') > 0, quota.change_plan(s, 'pro', 'period_end', u) > 0
FROM (VALUES ('early', 'keep'), ('reset', 'reset'), ('paused', 'keep')) v(s, u);
SELECT quota.set_status('paused', 'paused');
SET quota.clock = '2026-01-30 00:00:00+00';
SELECT quota.set_status('early', 'active'), quota.set_status('reset', 'active');
SELECT * FROM pg_temp.subs WHERE subject IN ('early', 'reset', 'paused') ORDER BY subject;
SELECT * FROM pg_temp.happened WHERE subject IN ('early', 'reset');
SET quota.clock = '2026-02-08 00:00:00+00';
SELECT * FROM pg_temp.subs WHERE subject = 'paused';
SELECT quota.set_status('paused', 'active');
SELECT * FROM pg_temp.subs WHERE subject = 'paused';
SELECT * FROM pg_temp.happened WHERE subject = 'paused';

-- what replaces it: a cancel (at the trial's end, also where the billing period ends before), a change now, another change for the end
SELECT quota.subscribe(s, 'basic', trial => '2 months') > 0, quota.change_plan(s, 'pro', 'period_end') > 0 FROM unnest('{c1,c2,c3,c4}'::text[]) s;
SELECT quota.cancel('c1'), quota.cancel('c1');
SELECT quota.change_plan('c2', 'pro') > 0, quota.change_plan('c3', 'basic', 'period_end') > 0, quota.cancel('c4', 'now');
SELECT * FROM pg_temp.subs WHERE subject ~ '^c[0-9]' ORDER BY subject;
-- a cancelled one is undone by it, and goes on
SELECT quota.change_plan('c1', 'basic', 'period_end') > 0;
SELECT * FROM pg_temp.subs WHERE subject = 'c1';
SELECT type, data FROM pg_temp.happened WHERE subject = 'c1';
-- the time after a confirmed trial is taken; without that it is free, and then the trial cannot go on
SELECT pg_temp.code($$SELECT quota.subscribe('c1', 'pro', '2026-05-01') > 0$$);
SELECT quota.subscribe('c5', 'basic', trial => '14 days') > 0, quota.subscribe('c5', 'pro', '2026-02-22') > 0;
SELECT pg_temp.code($$SELECT quota.change_plan('c5', 'basic', 'period_end')$$);
SELECT quota.subscribe('c6', 'basic', trial => '14 days', ends_at => '2026-02-10') > 0;
SELECT pg_temp.code($$SELECT quota.change_plan('c6', 'basic', 'period_end')$$);
-- one to come: its plan is replaced, its trial stays what it is
SELECT quota.subscribe('c7', 'basic', '2026-03-01', trial => '14 days') > 0, quota.change_plan('c7', 'pro', 'period_end') > 0;
SELECT * FROM pg_temp.subs WHERE subject = 'c7';
SELECT * FROM quota.verify();
