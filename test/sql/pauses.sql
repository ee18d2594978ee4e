--
-- Pauses with a date, and the quantity of a subscription
--
SET client_min_messages = warning; DROP EXTENSION IF EXISTS quota CASCADE; CREATE EXTENSION quota CASCADE;
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/include/enforcement.psql'
\i :helpers
SET quota.clock = '2026-01-10 12:00:00+00';
SELECT count(*) FROM quota.apply_catalog('{
    "features": {"tokens": {"kind": "metered"}, "docs": {"kind": "capacity"}, "api": {"kind": "rate"}, "mindmap": {"kind": "boolean"}},
    "plans": {"free": {"default": true, "entitlements": {"tokens": {"allowance": 10, "period": "month"}}},
              "pro": {"grace": "7 days", "entitlements": {"tokens": {"allowance": 100, "period": "month"}, "docs": {"allowance": 5},
                      "api": {"rate": {"limit": 60, "per": "1 minute"}}, "mindmap": {"value": true}}},
              "team": {"entitlements": {"tokens": {"allowance": 1000, "period": "month"}}}}}');
CREATE VIEW pg_temp.subs AS
SELECT subject, plan, status, quantity AS q, paused_until, trial_ends_at, ends_at FROM quota.subscriptions ORDER BY subject, id;
CREATE VIEW pg_temp.happened AS
SELECT subject, at, data - 'subscription_id' - 'plan' - 'version' AS data FROM quota.events WHERE type = 'status_changed' ORDER BY id;

-- quantity
SELECT quota.subscribe('seats', 'pro', quantity => 25) > 0, quota.subscribe('one', 'pro') > 0;
SELECT * FROM pg_temp.subs;
SELECT s, quota.me(s) #> '{plan,quantity}' AS quantity, quota.me(s) #> '{plan,paused_until}' AS paused_until FROM unnest('{seats,seats/ann,one,nobody}'::text[]) s;
SELECT quota.change_plan('seats', 'team') > 0, quota.change_plan('seats', 'pro', 'period_end') > 0;
SELECT data -> 'quantity' AS quantity FROM quota.events WHERE type = 'subscribed' ORDER BY id;
SET quota.clock = '2026-02-10 12:00:00+00';
SELECT * FROM pg_temp.subs WHERE subject = 'seats';
SELECT q, pg_temp.code(format('SELECT quota.subscribe(%L, %L, quantity => %s)', 'bad', 'pro', coalesce(q, 'NULL')))
FROM unnest('{0,-1,-9223372036854775808,null,1.5,9223372036854775808}'::text[]) q;
SELECT quota.subscribe('most', 'pro', quantity => 9223372036854775807) > 0;

-- a pause with a date: no job ends it
SELECT remaining FROM quota.debit('one', 'docs', 2);
SELECT quota.set_status('one', 'paused', '2026-02-20 08:00+01');
SELECT * FROM pg_temp.subs WHERE subject = 'one';
SELECT quota.me('one') #>> '{plan,paused_until}' AS paused_until, quota.me('one') #> '{plan,status}' AS status,
       quota.me('one') #> '{features,tokens,retry_after}' AS retry_after;
SELECT f, c.allowed, c.reason, c.remaining, c.retry_after, c.blocked_by
FROM unnest('{api,docs,mindmap,tokens}'::text[]) f, quota.check('one/ann', f) c;
SELECT state, detail FROM pg_temp.refusal('one', 'tokens', 1);
SELECT reason, retry_after FROM quota.try_debit('one', 'tokens', 1);
SELECT pg_temp.try($$SELECT quota.throttle('one', 'api')$$);
SELECT quota.has('one', 'mindmap'), quota.setting('one', 'mindmap');
-- what cannot pass afterwards either waits for the same date: the pause is the first reason
SELECT retry_after FROM quota.check('one', 'tokens', 1000);
SET quota.clock = '2026-02-20 06:59:59.999999+00';
SELECT reason, retry_after FROM quota.check('one', 'tokens');
SET quota.clock = '2026-02-20 07:00:00+00';
SELECT reason, retry_after, remaining FROM quota.check('one', 'tokens');
SELECT quota.has('one', 'mindmap'), quota.setting('one', 'mindmap');
SELECT * FROM pg_temp.subs WHERE subject = 'one';
SELECT quota.me('one') #> '{plan,paused_until}' AS paused_until, quota.me('one') #> '{plan,status}' AS status;
SELECT remaining FROM quota.debit('one', 'tokens', 1);
-- a time before is judged as then
SET quota.clock = '2026-02-20 06:00:00+00';
SELECT reason FROM quota.check('one', 'tokens');
SET quota.clock = '2026-02-21 00:00:00+00';

-- paused again replaces the date, also by none; what comes back is the status before the first pause
SELECT quota.set_status('one', 'paused', '2026-03-01');
SELECT quota.set_status('one', 'paused', '2026-02-25'), quota.set_status('one', 'paused', '2026-02-25');
SELECT quota.set_status('one', 'paused');
SET quota.clock = '2026-02-26 00:00:00+00';
SELECT * FROM pg_temp.subs WHERE subject = 'one';
SELECT reason, retry_after FROM quota.check('one', 'tokens');
SELECT quota.set_status('one', 'paused', 'infinity'), quota.set_status('one', 'paused', '2026-03-02');
SELECT * FROM pg_temp.subs WHERE subject = 'one';
-- any other status ends it
SELECT quota.set_status('one', 'active');
SELECT * FROM pg_temp.subs WHERE subject = 'one';
SELECT * FROM pg_temp.happened;

-- past_due before: its grace has run on
SELECT quota.set_status('one', 'past_due');
SELECT quota.set_status('one', 'paused', '2026-03-03');
SELECT retry_after FROM quota.check('one', 'tokens');
SET quota.clock = '2026-03-04 00:00:00+00';
SELECT * FROM pg_temp.subs WHERE subject = 'one';
SELECT reason FROM quota.check('one', 'tokens');
SET quota.clock = '2026-03-05 00:00:00+00';
SELECT reason FROM quota.check('one', 'tokens');
-- waiting for the end of this pause does not help
SELECT quota.set_status('one', 'paused', '2026-04-01');
SELECT reason, retry_after FROM quota.check('one', 'tokens');
SELECT quota.set_status('one', 'active');
SELECT reason FROM quota.check('one', 'tokens');

-- a trial goes on; it may also end in the pause
SELECT quota.subscribe(s, 'pro', trial => '14 days') > 0, quota.change_plan(s, p, 'period_end') > 0
FROM (VALUES ('t1', 'pro'), ('t2', 'team')) v(s, p);
SELECT quota.subscribe('t3', 'pro', trial => '14 days') > 0;
SELECT quota.set_status('t1', 'paused', '2026-03-10'), quota.set_status('t2', 'paused', '2026-03-25'), quota.set_status('t3', 'paused', '2026-03-25');
SET quota.clock = '2026-03-11 00:00:00+00';
SELECT * FROM pg_temp.subs WHERE subject ~ '^t\d';
SET quota.clock = '2026-03-20 00:00:00+00';
SELECT * FROM pg_temp.subs WHERE subject ~ '^t\d';
SELECT s, c.reason, c.retry_after FROM unnest('{t1,t2,t3}'::text[]) s, quota.check(s, 'tokens') c;
-- carried out in the pause or after it, it is the same
BEGIN;
SELECT task, rows FROM quota.maintain() WHERE task = 'plan changes carried out';
SELECT * FROM pg_temp.subs WHERE subject ~ '^t\d';
SET LOCAL quota.clock = '2026-03-25 00:00:00+00';
SELECT * FROM pg_temp.subs WHERE subject ~ '^t\d';
ROLLBACK;
SET quota.clock = '2026-03-26 00:00:00+00';
SELECT * FROM pg_temp.subs WHERE subject ~ '^t\d';
SELECT remaining FROM quota.debit('t1', 'tokens', 1);
SELECT remaining FROM quota.debit('t2', 'tokens', 1);
SELECT * FROM pg_temp.subs WHERE subject ~ '^t\d';
-- an early end of the trial out of a pause that is over
SELECT quota.subscribe('t4', 'pro', trial => '14 days', ends_at => '2027-01-01') > 0;
SELECT quota.set_status('t4', 'paused', '2026-03-27');
SET quota.clock = '2026-03-28 00:00:00+00';
SELECT quota.set_status('t4', 'active');
SELECT * FROM pg_temp.subs WHERE subject = 't4';
SELECT * FROM pg_temp.happened WHERE subject ~ '^t\d';

-- one that has not started yet, and one above
SELECT quota.subscribe('later', 'pro', starts_at => '2026-04-10') > 0;
SELECT quota.set_status('later', 'paused', '2026-04-12');
SELECT quota.subscribe('t4/x', 'pro') > 0;
SELECT quota.set_status('t4', 'paused', '2026-04-12'), quota.set_status('t4/x', 'paused', '2026-04-20');
SELECT reason, blocked_by, retry_after FROM quota.check('t4/x', 'tokens');
SET quota.clock = '2026-04-12 00:00:00+00';
SELECT reason, blocked_by, retry_after FROM quota.check('t4/x', 'tokens');
SELECT * FROM pg_temp.subs WHERE subject = 'later';
SELECT source, detail, verdict FROM quota.explain('t4/x', 'tokens') WHERE source IN ('plan', 'decision');

-- what is refused
SELECT a, pg_temp.code('SELECT quota.set_status(' || a || ')') FROM unnest(ARRAY[
    $$'t4', 'active', '2026-05-01'$$, $$'t4', 'past_due', 'infinity'$$, $$'t4', 'paused', '2026-04-12'$$, $$'t4', 'paused', '-infinity'$$,
    $$'t4', 'paused', '10000-01-01'$$, $$'t4', 'paused', 'nix'$$, $$'t4', 'trialing', '2026-05-01'$$, $$'t4', NULL, '2026-05-01'$$,
    $$'nobody', 'paused', '2026-05-01'$$, $$'', 'paused', '2026-05-01'$$, $$NULL, 'paused', '2026-05-01'$$]) a;
SELECT * FROM quota.verify();
DROP EXTENSION quota CASCADE;
