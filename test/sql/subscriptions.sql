--
-- Subscriptions, plan changes, overrides
--
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS quota CASCADE;
CREATE EXTENSION quota CASCADE;
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/include/enforcement.psql'
\i :helpers
SET quota.clock = '2026-01-15 12:00+00';

SELECT count(*) FROM quota.apply_catalog('{
    "features": {"tokens": {"kind": "metered"}, "calls": {"kind": "metered"}, "docs": {"kind": "capacity"},
                 "mindmap": {"kind": "boolean"}, "max_mb": {"kind": "static"}, "api": {"kind": "rate"}},
    "plans": {
        "free": {"default": true, "entitlements": {"tokens": {"allowance": 10, "period": "month"}, "docs": {"allowance": 3}}},
        "pro": {"entitlements": {"tokens": {"allowance": 100, "period": "month"}, "calls": {"allowance": 50, "period": "day"},
                                 "docs": {"allowance": 30}, "mindmap": {"value": true}, "max_mb": {"value": 50}}},
        "team": {"entitlements": {"tokens": {"allowance": 1000, "period": "month"}, "docs": {"allowance": null}}},
        "weekly": {"period": "week", "entitlements": {"tokens": {"allowance": 40, "period": "week"}, "calls": {"allowance": 5, "period": "day"}}},
        "anchored": {"entitlements": {"tokens": {"allowance": 100, "period": "month", "anchor": "subscription"}}},
        "bare": {"entitlements": {}},
        "gone": {"entitlements": {"tokens": {"allowance": 5}}}}}');
-- "gone" is retired by being absent
SELECT p.name, p.change FROM quota.apply_catalog(quota.export_catalog() #- '{plans,gone}') p WHERE p.change <> 'unchanged';

CREATE VIEW pg_temp.subs AS
SELECT subject, plan, version AS v, status, starts_at, ends_at, current_period_start, current_period_end FROM quota.subscriptions;

--
-- subscribe
--
SELECT quota.subscribe('acme', 'pro', external_id => 'sub_1', metadata => '{"seats": 3}');
SELECT * FROM quota.subscriptions;
SELECT pg_temp.code('SELECT quota.subscribe(''acme'', ''team'')');
-- says it in words, and an ORM still finds the constraint
DO $$
DECLARE
    hint text; con text; tab text;
BEGIN
    PERFORM quota.subscribe('acme', 'team', starts_at => '2026-05-01');
EXCEPTION WHEN exclusion_violation THEN
    GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT, con = CONSTRAINT_NAME, tab = TABLE_NAME;
    RAISE WARNING '% | % | % | %', SQLERRM, hint, tab, con;
END
$$;

-- a sequence that does not overlap is one subscription at a time
SELECT quota.subscribe('seq', 'pro', '2026-02-01', '2026-03-01') > 0, quota.subscribe('seq', 'team', '2026-03-01', 'infinity') > 0,
       quota.subscribe('seq', 'free', '2025-01-01', '2026-01-10') > 0;
SELECT pg_temp.code($$SELECT quota.subscribe('seq', 'pro', '2026-01-09', '2026-01-12')$$) AS overlaps_the_past,
       pg_temp.code($$SELECT quota.subscribe('seq', 'pro')$$) AS open_end_overlaps_the_future,
       pg_temp.code($$SELECT quota.subscribe('seq', 'pro', ends_at => '2026-02-01') > 0$$) AS fits;
SELECT * FROM pg_temp.subs WHERE subject = 'seq' ORDER BY starts_at;
-- subjects are compared byte for byte, and a prefix is another subject
SELECT pg_temp.code($$SELECT quota.subscribe('Acme', 'pro') > 0$$), pg_temp.code($$SELECT quota.subscribe('acme/alice', 'pro') > 0$$);

-- what is refused
SELECT s.args, pg_temp.code('SELECT quota.subscribe(' || s.args || ')')
FROM (VALUES
    ($$NULL, 'pro'$$), ($$'', 'pro'$$), ($$'a//b', 'pro'$$), ($$'/a', 'pro'$$), ($$repeat('x', 256), 'pro'$$),
    ($$'u', NULL$$), ($$'u', ''$$), ($$'u', 'nope'$$), ($$'u', 'Pro'$$), ($$'u', repeat('x', 10000000)$$), ($$'u', 'gone'$$),
    ($$'u', 'pro', starts_at => 'infinity'$$), ($$'u', 'pro', starts_at => '-infinity'$$), ($$'u', 'pro', starts_at => '294276-12-31'$$),
    ($$'u', 'pro', starts_at => '0044-03-15 BC'$$), ($$'u', 'pro', ends_at => '294276-12-31'$$),
    ($$'u', 'pro', ends_at => '-infinity'$$), ($$'u', 'pro', ends_at => '2026-01-15 12:00+00'$$), ($$'u', 'pro', ends_at => '2026-01-01'$$),
    ($$'u', 'pro', '2026-02-01', '2026-02-01'$$), ($$'u', 'pro', '2026-02-02', '2026-02-01'$$),
    ($$'u', 'pro', trial => '0'$$), ($$'u', 'pro', trial => '-1 day'$$), ($$'u', 'pro', trial => '1 mon -1 day'$$),
    ($$'u', 'pro', trial => '-1 day 48 hours'$$), ($$'u', 'pro', trial => '11 years'$$), ($$'u', 'pro', trial => '178000000 years'$$),
    ($$'u', 'pro', '9999-12-01', trial => '3 months'$$),
    ($$'u', 'pro', timezone => NULL$$), ($$'u', 'pro', timezone => ''$$), ($$'u', 'pro', timezone => 'Mars/Olympus'$$),
    ($$'u', 'pro', timezone => 'EST5EDT,M3.2.0,M11.1.0'$$),
    ($$'u', 'pro', external_id => ''$$), ($$'u', 'pro', external_id => repeat('x', 256)$$), ($$'u', 'pro', external_id => E'a\nb'$$), ($$'u', 'pro', external_id => E'a\x7f'$$),
    ($$'u', 'pro', metadata => '[]'$$), ($$'u', 'pro', metadata => '1'$$), ($$'u', 'pro', metadata => 'null'$$),
    ($$'u', 'pro', metadata => jsonb_build_object('a', repeat('x', 9000))$$)) AS s(args);
SELECT count(*) FROM quota.subscriptions WHERE subject = 'u';
-- quotes and formats are data
SELECT quota.subscribe($$o'hara"; DROP TABLE %s %I$$, 'pro', external_id => '%s', metadata => jsonb_build_object('a', repeat('x', 8000))) > 0,
       pg_temp.code($$SELECT quota.subscribe('o''hara"; DROP TABLE %s %I', '%s')$$);

--
-- Before and after: the default plan, then the subscription, each with its own use
--
SELECT remaining FROM quota.debit('corp', 'tokens', 6);
SELECT remaining FROM quota.debit('corp', 'docs', 2);
SELECT quota.subscribe('corp', 'pro', '2026-01-15 13:00+00') > 0 AS future;
SELECT remaining AS still_the_default_plan FROM quota.check('corp', 'tokens');
SET quota.clock = '2026-01-15 13:00+00';
SELECT c.feature, k.allowance, k.used FROM unnest('{tokens,docs,mindmap}'::text[]) c(feature), quota.check('corp', c.feature) k;
SELECT remaining FROM quota.debit('corp', 'tokens', 30);
SELECT quota.cancel('corp', 'now');
SELECT c.feature, k.allowance, k.used FROM unnest('{tokens,docs,mindmap}'::text[]) c(feature), quota.check('corp', c.feature) k;
-- a plan that does not give a feature does not make it unlimited
SELECT quota.subscribe('corp', 'bare') > 0;
SELECT pg_temp.code($$SELECT quota.debit('corp', 'tokens')$$), pg_temp.code($$SELECT quota.debit('corp', 'docs')$$);
SET quota.clock = '2026-01-15 12:00+00';

--
-- Trials
--
SELECT quota.subscribe('t1', 'pro', trial => '14 days') > 0, quota.subscribe('t2', 'pro', trial => '14 days', ends_at => '2026-06-01') > 0,
       quota.subscribe('t3', 'pro', trial => '14 days', ends_at => '2026-01-20') > 0,
       quota.subscribe('t4', 'pro', '2026-01-31 09:00+01', trial => '1 month 2 hours', timezone => 'Europe/Berlin') > 0;
SELECT subject, status, ends_at, trial_ends_at FROM quota.subscriptions WHERE subject LIKE 't_' ORDER BY subject;
-- in time: what was asked for
SELECT quota.set_status('t1', 'active'), quota.set_status('t2', 'active');
-- past due and back is in time too
SELECT quota.subscribe('t5', 'pro', trial => '14 days', ends_at => '2026-06-01') > 0;
SELECT quota.set_status('t5', 'past_due');
SELECT subject, status, ends_at, trial_ends_at FROM quota.subscriptions WHERE subject = 't5';
SELECT quota.set_status('t5', 'active');
-- booked for the time after the trial: the two do not overlap
SELECT quota.subscribe('t6', 'pro', trial => '14 days') > 0, quota.subscribe('t6', 'team', '2026-02-01') > 0;
SELECT quota.set_status('t6', 'active');
SELECT subject, plan, status, starts_at, ends_at, trial_ends_at FROM quota.subscriptions WHERE subject ~ '^t[1256]$' ORDER BY subject, starts_at;
-- too late: the trial has ended with the subscription
SET quota.clock = '2026-01-20 00:00+00';
SELECT pg_temp.code($$SELECT quota.set_status('t3', 'active')$$), pg_temp.code($$SELECT quota.cancel('t3')$$);
SELECT subject, status, ends_at FROM quota.subscriptions WHERE subject = 't3';
SET quota.clock = '2026-01-15 12:00+00';

--
-- set_status
--
SELECT quota.set_status('acme', 'paused');
SELECT allowed, reason, remaining, blocked_by FROM quota.check('acme', 'tokens');
SELECT pg_temp.code($$SELECT quota.debit('acme', 'tokens')$$), quota.has('acme', 'mindmap'), quota.setting('acme', 'max_mb');
SELECT quota.set_status('acme', 'past_due');
SELECT allowed, reason FROM quota.check('acme', 'tokens');
SELECT quota.set_status('acme', 'active'), quota.set_status('acme', 'active');
SELECT allowed, reason FROM quota.check('acme', 'tokens');
SELECT s.args, pg_temp.code('SELECT quota.set_status(' || s.args || ')')
FROM (VALUES ($$'acme', NULL$$), ($$'acme', 'trialing'$$), ($$'acme', 'ended'$$), ($$'acme', 'Active'$$), ($$'acme', repeat('x', 10000000)$$),
             ($$NULL, 'active'$$), ($$'nobody', 'active'$$), ($$'acme/bob', 'active'$$)) AS s(args);

--
-- cancel
--
-- at the end of the billing period, counted from the start in the subscription's zone
SELECT quota.subscribe('c1', 'pro', '2025-10-31 00:00+01', timezone => 'Europe/Berlin') > 0, quota.subscribe('c2', 'weekly') > 0,
       quota.subscribe('c3', 'pro', ends_at => '2026-01-18') > 0, quota.subscribe('c4', 'pro', trial => '3 days') > 0;
SELECT current_period_start, current_period_end FROM quota.subscriptions WHERE subject = 'c1';
SELECT quota.cancel('c1'), quota.cancel('c2'), quota.cancel('c3'), quota.cancel('c4');
-- again: the same
SELECT quota.cancel('c1'), quota.cancel('c2', 'period_end');
SELECT subject, status, ends_at, cancelled_at FROM quota.subscriptions WHERE subject LIKE 'c_' ORDER BY subject;
-- until then it counts
SET quota.clock = '2026-01-30 22:59:59.999999+00';
SELECT allowance FROM quota.check('c1', 'tokens');
SET quota.clock = '2026-01-30 23:00+00';
SELECT allowance FROM quota.check('c1', 'tokens');
SELECT pg_temp.code($$SELECT quota.cancel('c1')$$), pg_temp.code($$SELECT quota.set_status('c1', 'active')$$);
SELECT subject, status, current_period_start FROM quota.subscriptions WHERE subject = 'c1';
SET quota.clock = '2026-01-15 12:00+00';
-- now, although it was scheduled; then there is none
SELECT quota.cancel('c1', 'now');
SELECT pg_temp.code($$SELECT quota.cancel('c1')$$), pg_temp.code($$SELECT quota.cancel('nobody')$$);
-- and a new one can begin at that moment
SELECT quota.subscribe('c1', 'team') > 0;
-- the same plan undoes it: open again, the asked end, the trial's end
SELECT quota.change_plan('c2', 'weekly') > 0, quota.change_plan('c3', 'pro') > 0, quota.change_plan('c4', 'pro') > 0;
SELECT subject, status, ends_at, cancelled_at FROM quota.subscriptions WHERE subject IN ('c2', 'c3', 'c4') ORDER BY subject;
-- another plan does so too
SELECT quota.cancel('c2'), quota.change_plan('c2', 'pro') > 0;
SELECT plan, ends_at, cancelled_at FROM quota.subscriptions WHERE subject = 'c2';
-- a payment made in the trial does not undo a cancellation
SELECT quota.cancel('c4'), quota.set_status('c4', 'active');
SELECT status, ends_at, trial_ends_at FROM quota.subscriptions WHERE subject = 'c4';
SELECT quota.change_plan('c4', 'pro') > 0;
SELECT status, ends_at, trial_ends_at FROM quota.subscriptions WHERE subject = 'c4';
-- undone where the next one is booked already
SELECT quota.cancel('c4'), quota.subscribe('c4', 'team', '2026-02-15 12:00+00') > 0, quota.change_plan('c4', 'pro') > 0;
SELECT plan, status, starts_at, ends_at FROM quota.subscriptions WHERE subject = 'c4' ORDER BY starts_at;
-- one that has not started is removed; it never was
SELECT quota.subscribe('c5', 'pro', '2026-03-01') > 0;
SELECT quota.cancel('c5');
SELECT count(*) FROM quota.subscriptions WHERE subject = 'c5';
SELECT quota.subscribe('c5', 'pro', '2026-03-01') > 0;
SELECT s.args, pg_temp.code('SELECT quota.cancel(' || s.args || ')')
FROM (VALUES ($$NULL$$), ($$'c5', NULL$$), ($$'c5', 'later'$$), ($$'c5', ''$$)) AS s(args);

--
-- change_plan
--
-- without a subscription: subscribes now, whatever the rest says
SELECT quota.change_plan('p1', 'pro', 'period_end', 'prorate') > 0;
SELECT subject, plan, status, starts_at, ends_at FROM quota.subscriptions WHERE subject = 'p1';
-- a future one: its plan is replaced
SELECT quota.subscribe('p2', 'pro', '2026-03-01', trial => '7 days') = quota.change_plan('p2', 'team', 'now', 'reset') AS same_id;
SELECT plan, status, starts_at, ends_at FROM quota.subscriptions WHERE subject = 'p2';
-- the same window goes on under the new limit, up and down
SELECT remaining FROM quota.debit('p1', 'tokens', 70);
SELECT remaining FROM quota.debit('p1', 'calls', 9);
SELECT remaining FROM quota.debit('p1', 'docs', 5);
SELECT quota.change_plan('p1', 'team') = id AS same_id FROM quota.subscriptions WHERE subject = 'p1';
SELECT allowance, used, remaining FROM quota.check('p1', 'tokens');
SELECT quota.change_plan('p1', 'pro') > 0;
SELECT allowance, used, remaining FROM quota.check('p1', 'tokens');
SELECT allowance, used, remaining FROM quota.check('p1', 'docs');
-- a lower limit than what is used: nothing is undone, nothing more is given
SELECT quota.change_plan('p1', 'weekly') > 0;
SELECT allowance, used, remaining, resets_at FROM quota.check('p1', 'tokens');
SELECT allowance, used, remaining, resets_at FROM quota.check('p1', 'calls');
SELECT pg_temp.code($$SELECT quota.debit('p1', 'tokens')$$);
-- the use was moved, as what it was, and the ledger says so
SELECT feature, kind, source, amount, period_start, debit_id = min(id) OVER (PARTITION BY at, kind, debit_id) AS one_operation
FROM quota.ledger WHERE subject = 'p1' ORDER BY id;
-- the next week begins with nothing used, and after a change back so does the month
SET quota.clock = '2026-01-19 00:00+00';
SELECT allowance, used, remaining FROM quota.check('p1', 'tokens');
SELECT remaining FROM quota.debit('p1', 'tokens', 8);
SELECT quota.change_plan('p1', 'anchored') > 0;
SELECT allowance, used, remaining, resets_at FROM quota.check('p1', 'tokens');
-- a plan without the feature in between renews nothing
SELECT quota.change_plan('p1', 'weekly') > 0, quota.change_plan('p1', 'bare') > 0, quota.change_plan('p1', 'anchored') > 0;
SELECT allowance, used, remaining, resets_at FROM quota.check('p1', 'tokens');
SET quota.clock = '2026-01-15 12:00+00';
-- a version of its own, until it is moved
SELECT count(*) FROM quota.apply_catalog(jsonb_set(quota.export_catalog(), '{plans,team,entitlements,tokens,allowance}', '2000'));
SELECT quota.subscribe('p3', 'team') > 0;
SELECT count(*) FROM quota.apply_catalog(jsonb_set(quota.export_catalog(), '{plans,team,entitlements,tokens,allowance}', '3000'));
SELECT allowance FROM quota.check('p3', 'tokens');
SELECT quota.change_plan('p3', 'team') > 0;
SELECT allowance FROM quota.check('p3', 'tokens');
SELECT version FROM quota.subscriptions WHERE subject = 'p3';
-- a retired plan: who has it keeps it, and may undo a cancellation; nobody else gets it
SELECT count(*) FROM quota.apply_catalog(quota.export_catalog() #- '{plans,team}');
SELECT quota.cancel('p3'), pg_temp.code($$SELECT quota.change_plan('p3', 'team') > 0$$) AS keeps,
       pg_temp.code($$SELECT quota.change_plan('p1', 'team')$$) AS live, pg_temp.code($$SELECT quota.change_plan('c5', 'team')$$) AS future,
       pg_temp.code($$SELECT quota.change_plan('p9', 'team')$$) AS none;
SELECT s.args, pg_temp.code('SELECT quota.change_plan(' || s.args || ')')
FROM (VALUES ($$NULL, 'pro'$$), ($$'p1', NULL$$), ($$'p1', 'nope'$$), ($$'p1', 'pro', NULL$$), ($$'p1', 'pro', 'now', NULL$$),
             ($$'p1', 'pro', 'tomorrow'$$), ($$'p1', 'pro', 'now', 'forget'$$), ($$'p9', 'pro', 'now', 'forget'$$),
             ($$'p1', 'pro', repeat('x', 10000000)$$), ($$'p1', 'pro', 'now', repeat('x', 10000000)$$)) AS s(args);

--
-- override
--
SELECT remaining FROM quota.debit('o1', 'tokens', 4);
SELECT quota.override('o1', 'tokens', '{"allowance": 50, "period": "month"}');
SELECT allowance, used, remaining, resets_at FROM quota.check('o1', 'tokens');
-- another window takes the use over, there and back
SELECT quota.override('o1', 'tokens', '{"allowance": 50, "period": "day", "anchor": "subscription"}');
SELECT allowance, used, remaining, resets_at FROM quota.check('o1', 'tokens');
-- a raised allowance does not move the window
SET quota.clock = '2026-01-15 18:00+00';
SELECT quota.override('o1', 'tokens', '{"allowance": 60, "period": "1 day", "anchor": "subscription"}');
SELECT allowance, used, remaining, resets_at FROM quota.check('o1', 'tokens');
SELECT quota.override('o1', 'tokens', '{"allowance": 60, "period": "2 days", "anchor": "subscription"}');
SELECT allowance, used, remaining, resets_at FROM quota.check('o1', 'tokens');
SELECT quota.override('o1', 'tokens', NULL), quota.override('o1', 'tokens', NULL);
SELECT allowance, used, remaining, resets_at FROM quota.check('o1', 'tokens');
SET quota.clock = '2026-01-15 12:00+00';
-- it replaces the plan's at its level alone, wholly
SELECT quota.override('acme/bob', 'tokens', '{"allowance": 2, "period": "hour"}');
SELECT remaining FROM quota.debit('acme/bob', 'tokens', 2);
SELECT allowed, blocked_by FROM quota.check('acme/bob', 'tokens');
SELECT remaining FROM quota.check('acme', 'tokens');
-- the same in other words changes nothing and tells nothing; another value does
SELECT quota.override('o3', 'tokens', '{"allowance": 9, "period": "month", "caps": [{"limit": 3, "per": "day"}, {"limit": 2, "per": "hour"}],
                                        "rate": {"limit": 5, "per": "1 minute"}, "notify": [50, 80]}');
SELECT quota.override('o3', 'tokens', '{"rate": {"per": "60 seconds", "limit": 5, "burst": 5}, "period": "1 month", "anchor": "calendar", "notify": [80, 50],
                                        "caps": [{"per": "60 minutes", "limit": 2}, {"per": "1 day", "limit": 3, "window": "fixed"}], "allowance": 9.0}');
SELECT quota.override('o3', 'max_mb', '{"value": null}'), quota.override('o3', 'max_mb', '{"value": null}'), quota.override('o3', 'max_mb', '{"value": 0}');
SELECT quota.override('o3', 'tokens', '{"allowance": 9, "period": "30 days", "anchor": "2026-01-02T03:04:05.678901Z"}'),
       quota.override('o3', 'tokens', '{"allowance": 9, "period": "30 days", "anchor": "2026-01-02T04:04:05.678901+01:00"}');
SELECT type, feature, data FROM quota.events WHERE subject = 'o3' ORDER BY id;
-- features of other kinds
SELECT quota.override('acme', 'mindmap', '{"value": false}'), quota.override('acme', 'max_mb', '{"value": {"a": [1]}}'), quota.override('acme', 'docs', '{"allowance": null}');
SELECT quota.has('acme', 'mindmap'), quota.setting('acme', 'max_mb'), (SELECT remaining FROM quota.check('acme', 'docs'));
SELECT quota.override('acme', 'mindmap', NULL), quota.override('acme', 'max_mb', NULL), quota.override('acme', 'docs', NULL);
SELECT quota.has('acme', 'mindmap'), quota.setting('acme', 'max_mb'), (SELECT remaining FROM quota.check('acme', 'docs'));
SELECT s.args, pg_temp.code('SELECT quota.override(' || s.args || ')')
FROM (VALUES ($$NULL, 'tokens', NULL$$), ($$'o2', NULL, NULL$$), ($$'o2', 'nope', NULL$$), ($$'o2', repeat('x', 10000000), NULL$$),
             ($$'o2', 'tokens', 'null'$$), ($$'o2', 'tokens', '[]'$$), ($$'o2', 'tokens', '{}'$$), ($$'o2', 'tokens', '{"allowance": -1}'$$),
             ($$'o2', 'tokens', '{"allowance": 1.5}'$$), ($$'o2', 'tokens', '{"allowance": 1, "period": "1 second"}'$$),
             ($$'o2', 'tokens', '{"allowance": 1, "anchor": "tomorrow"}'$$), ($$'o2', 'tokens', '{"allowance": 1, "colour": 1}'$$),
             ($$'o2', 'tokens', '{"allowance": null, "overage": true}'$$), ($$'o2', 'docs', '{"allowance": 1, "period": "month"}'$$),
             ($$'o2', 'mindmap', '{"value": 1}'$$), ($$'o2', 'mindmap', '{"allowance": 1}'$$), ($$'o2', 'api', '{"rate": {"limit": 0, "per": "1 minute"}}'$$)) AS s(args);
SELECT count(*) FROM quota_internal.subject_override WHERE subject = 'o2';

--
-- Events: one for each change, none for what changes nothing
--
SELECT type, subject, feature, data - 'subscription_id' AS data FROM quota.events WHERE subject IN ('acme', 'c2', 'c5', 't1', 'o1', 'p1') ORDER BY subject, id;
SELECT count(*) FROM quota.events WHERE at <> quota_internal._now() AND subject IN ('acme', 'c2', 'c5');
-- a change that is rolled back has none
BEGIN;
SELECT quota.subscribe('e1', 'pro') > 0;
ROLLBACK;
SELECT count(*) FROM quota.events WHERE subject = 'e1';

--
-- The session's settings change nothing
--
SET TimeZone = 'Australia/Lord_Howe';
SET DateStyle = 'SQL, DMY';
SET IntervalStyle = 'sql_standard';
SELECT quota.subscribe('z1', 'pro', '2026-03-28 02:30+00', trial => '1 mon 1 day 01:30', timezone => 'europe/BERLIN', metadata => '{"a": 1}') > 0;
SELECT quota.override('z1', 'tokens', '{"allowance": 1, "period": "1 month 2 days", "anchor": "2026-02-03T04:05:06Z"}');
SELECT data - 'subscription_id' AS data FROM quota.events WHERE subject = 'z1' ORDER BY id;
SET TimeZone = 'UTC';
SET DateStyle = 'ISO, YMD';
RESET IntervalStyle;
SELECT timezone, ends_at, trial_ends_at FROM quota.subscriptions WHERE subject = 'z1';

--
-- Read only: 25006
--
BEGIN READ ONLY;
SELECT pg_temp.code($$SELECT quota.subscribe('r1', 'pro')$$), pg_temp.code($$SELECT quota.cancel('acme')$$),
       pg_temp.code($$SELECT quota.change_plan('acme', 'weekly')$$), pg_temp.code($$SELECT quota.set_status('acme', 'paused')$$),
       pg_temp.code($$SELECT quota.override('acme', 'tokens', NULL)$$);
SELECT count(*) > 0 FROM quota.subscriptions;
COMMIT;

--
-- After all this the ledger adds up to the buckets
--
SELECT coalesce(b.subject, l.account) AS account, l.total, b.used + b.overdrawn AS bucket
FROM pg_temp.window_use b FULL JOIN (
    SELECT e.account, e.feature_id, e.source_id, e.period_start, e.period_end, sum(e.amount) AS total
    FROM quota_internal.ledger_entry e GROUP BY 1, 2, 3, 4, 5) l
    ON (b.subject, b.feature_id, b.source_id, b.period_start, b.period_end)
       = (l.account, l.feature_id, l.source_id, l.period_start, l.period_end)
WHERE coalesce(l.total, 0) IS DISTINCT FROM coalesce(b.used + b.overdrawn, 0);
SELECT count(*) > 0 AS transfers, sum(amount) FROM quota.ledger WHERE kind = 'transfer';
