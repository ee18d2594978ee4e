--
-- change_plan: now or when the billing period ends; keep, reset, prorate
--
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS quota CASCADE;
CREATE EXTENSION quota CASCADE;
SET quota.leases = off;	-- rows are written by hand
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/include/enforcement.psql'
\i :helpers
SET quota.clock = '2026-01-10 00:00+00';

SELECT count(*) FROM quota.apply_catalog('{
    "features": {"tokens": {"kind": "metered"}, "calls": {"kind": "metered"}, "docs": {"kind": "capacity"}, "mindmap": {"kind": "boolean"}, "extra": {"kind": "metered"}},
    "plans": {
        "free": {"default": true, "entitlements": {"tokens": {"allowance": 10, "period": "month"}, "docs": {"allowance": 3}}},
        "basic": {"entitlements": {"tokens": {"allowance": 100, "period": "month"}, "calls": {"allowance": 50, "period": "day"}, "docs": {"allowance": 5}}},
        "pro": {"entitlements": {"tokens": {"allowance": 1000, "period": "1 month"}, "calls": {"allowance": null, "period": "day"}, "docs": {"allowance": 50}, "mindmap": {"value": true}}},
        "weekly": {"period": "week", "entitlements": {"tokens": {"allowance": 40, "period": "week"}}},
        "anchored": {"entitlements": {"tokens": {"allowance": 200, "period": "month", "anchor": "subscription"}}},
        "anchored2": {"entitlements": {"tokens": {"allowance": 400, "period": "month", "anchor": "subscription"}}},
        "life": {"entitlements": {"tokens": {"allowance": 500}}},
        "life2": {"entitlements": {"tokens": {"allowance": 900}}},
        "huge": {"entitlements": {"tokens": {"allowance": 9223372036854775807, "period": "month"}}},
        "odd": {"entitlements": {"extra": {"allowance": 1, "period": "day"}}},
        "bare": {"entitlements": {}}}}');

CREATE VIEW pg_temp.subs AS
SELECT s.subject, s.plan, s.version AS v, s.status, s.ends_at, s.current_period_start AS since, s.current_period_end AS until, s.next_plan, s.next_plan_at, s.cancelled_at
FROM quota.subscriptions s;
\ir include/rows.psql
CREATE VIEW pg_temp.use AS
SELECT b.subject, b.feature, s.id IS NOT NULL AS present, b.period_start, b.period_end,
       CASE WHEN b.moved_start IS NULL AND s.id IS NOT NULL THEN b.plan END AS plan,
       CASE WHEN b.moved_start IS NULL AND s.id IS NOT NULL THEN b.allowance END AS allowance, b.prorated, b.used, b.granted AS g, b.overage AS v, b.overdrawn AS o, b.reserved AS r, b.rolled_in AS r_in, b.rolled_out AS r_out,
       b.moved_start AS moved_to
FROM pg_temp.window_rows b LEFT JOIN quota_internal.subscription s ON s.source_id = b.source_id
ORDER BY b.subject, b.feature, b.source_id, b.period_start, b.period_end, b.generation;
CREATE VIEW pg_temp.happened AS
SELECT e.id, e.subject, e.at, e.type, e.data - 'subscription_id' AS data FROM quota.events e WHERE e.type <> 'subscribed' ORDER BY e.id;

--
-- now, keep: the row notes the new terms; what is repeated changes nothing
--
SELECT quota.subscribe('k1', 'basic') > 0, (quota.debit('k1', 'tokens', 30)).remaining, (quota.debit('k1', 'docs', 2)).remaining;
SELECT quota.change_plan('k1', 'pro') > 0, quota.change_plan('k1', 'pro') > 0;
SELECT feature, period_start, plan, allowance, prorated, used FROM pg_temp.use WHERE subject = 'k1';
SELECT at, type, data FROM pg_temp.happened WHERE subject = 'k1';

--
-- now, reset: periods and metered use begin anew, the old rows stay, capacity goes on
--
SELECT quota.subscribe('r1', 'anchored', '2025-12-31') > 0, (quota.debit('r1', 'tokens', 150)).remaining;
SELECT quota.override('r1', 'docs', '{"allowance": 4}'), (quota.debit('r1', 'docs', 3)).remaining;
SELECT quota.override('r1/ann', 'tokens', '{"allowance": 30, "period": "week", "anchor": "subscription"}'), (quota.debit('r1/ann', 'tokens', 20)).remaining;
SET quota.clock = '2026-01-15 09:30+00';
SELECT quota.change_plan('r1', 'anchored2', 'now', 'reset') > 0;
SELECT plan, status, since, until FROM pg_temp.subs WHERE subject = 'r1';
SELECT allowance, used, remaining, resets_at FROM quota.check('r1', 'tokens');
SELECT allowance, used, remaining FROM quota.check('r1', 'docs');
-- an override below counts from there as well
SELECT allowance, used, remaining, resets_at FROM quota.check('r1/ann', 'tokens');
SELECT (quota.debit('r1', 'tokens', 7)).remaining;
SELECT subject, feature, present, period_start, period_end, used, moved_to FROM pg_temp.use WHERE subject IN ('r1', 'r1/ann');
-- the same plan too, each time it is asked
SET quota.clock = '2026-01-15 09:40+00';
SELECT quota.change_plan('r1', 'anchored2', 'now', 'reset') > 0;
SELECT used FROM quota.check('r1', 'tokens');
SELECT at, type, data FROM pg_temp.happened WHERE subject = 'r1' AND type LIKE 'plan%';
-- a lifetime begins anew
SELECT quota.subscribe('r2', 'life') > 0, (quota.debit('r2', 'tokens', 400)).remaining;
SELECT quota.change_plan('r2', 'life2', 'now', 'reset') > 0;
SELECT remaining FROM quota.check('r2', 'tokens');
-- a trial goes on
SELECT quota.subscribe('r3', 'basic', trial => '20 days') > 0, quota.change_plan('r3', 'pro', 'now', 'reset') > 0;
SELECT plan, status, ends_at, since FROM pg_temp.subs WHERE subject = 'r3';

--
-- now, prorate: half of January is over at noon on the 16th
--
SET quota.clock = '2026-01-16 12:00+00';
SELECT quota.subscribe('p1', 'basic', '2026-01-01') > 0, (quota.debit('p1', 'tokens', 30)).remaining, (quota.debit('p1', 'calls', 9)).remaining;
SELECT quota.change_plan('p1', 'pro', 'now', 'prorate') > 0;
-- calls: no limit on one side
SELECT feature, plan, allowance, prorated, used FROM pg_temp.use WHERE subject = 'p1';
-- again: nothing
SET quota.clock = '2026-01-20 00:00+00';
SELECT quota.change_plan('p1', 'pro', 'now', 'prorate') > 0, quota.change_plan('p1', 'pro', 'now', 'keep') > 0;
SELECT feature, plan, allowance, prorated, used FROM pg_temp.use WHERE subject = 'p1' AND feature = 'tokens';
-- another time: from what it had.  (550 x 23.25 + 100 x 7.75) / 31
SET quota.clock = '2026-01-24 06:00+00';
SELECT quota.change_plan('p1', 'basic', 'now', 'prorate') > 0;
SELECT feature, plan, allowance, prorated, used FROM pg_temp.use WHERE subject = 'p1';
-- keep: the new plan's limit
SELECT quota.change_plan('p1', 'pro') > 0;
SELECT feature, plan, allowance, prorated, used FROM pg_temp.use WHERE subject = 'p1' AND feature = 'tokens';
-- an override of another feature leaves a share alone; of this one it ends it
SELECT quota.change_plan('p1', 'basic', 'now', 'prorate') > 0, quota.override('p1', 'calls', '{"allowance": 1, "period": "day"}');
SELECT feature, period_start, plan, allowance, prorated FROM pg_temp.use WHERE subject = 'p1';
SELECT quota.override('p1', 'tokens', '{"allowance": 70, "period": "month"}');
SELECT feature, plan, allowance, prorated FROM pg_temp.use WHERE subject = 'p1' AND feature = 'tokens';
-- overridden: as keep
SELECT quota.change_plan('p1', 'pro', 'now', 'prorate') > 0;
SELECT feature, plan, allowance, prorated FROM pg_temp.use WHERE subject = 'p1' AND feature = 'tokens';
-- nothing charged yet: the share needs a row all the same
SELECT quota.subscribe('p2', 'basic') > 0, quota.change_plan('p2', 'pro', 'now', 'prorate') > 0;
SELECT feature, period_start, plan, allowance, prorated, used FROM pg_temp.use WHERE subject = 'p2';
-- as keep: another anchor, a feature that is new, a lifetime
SELECT quota.change_plan('p2', 'anchored', 'now', 'prorate') > 0;
SELECT feature, period_start, plan, allowance, prorated, moved_to FROM pg_temp.use WHERE subject = 'p2';
SELECT quota.subscribe('p3', 'bare') > 0, quota.change_plan('p3', 'pro', 'now', 'prorate') > 0, quota.subscribe('p4', 'life') > 0,
       (quota.debit('p4', 'tokens', 5)).remaining, quota.change_plan('p4', 'life2', 'now', 'prorate') > 0;
SELECT subject, feature, plan, allowance, prorated, used FROM pg_temp.use WHERE subject IN ('p3', 'p4');
-- the anchor "subscription", in the subscription's zone over a change of the clock: 31 days less an hour
SET quota.clock = '2026-03-15 00:00+01';
SELECT quota.subscribe('p5', 'anchored', timezone => 'Europe/Berlin') > 0;
SET quota.clock = '2026-03-25 00:00+01';
SELECT quota.change_plan('p5', 'anchored2', 'now', 'prorate') > 0;
SELECT period_start, period_end, prorated, div(200 * 240 + 400 * 503, 743) AS expected FROM pg_temp.use WHERE subject = 'p5';
-- exact, with numbers that no float holds: down by one in the last microsecond, up to all of it in the first
SET quota.clock = '2026-01-31 23:59:59.999999+00';
SELECT quota.subscribe('p6', 'huge', '2026-01-01') > 0, quota.change_plan('p6', 'basic', 'now', 'prorate') > 0;
SELECT prorated, div(9223372036854775807::numeric * 2678399999999 + 100, 2678400000000) AS expected FROM pg_temp.use WHERE subject = 'p6';
SET quota.clock = '2026-02-01 00:00+00';
SELECT quota.change_plan('p6', 'huge', 'now', 'prorate') > 0;
SELECT period_start, allowance, prorated FROM pg_temp.use WHERE subject = 'p6';

--
-- Every part of the use moves as what it was
--
SET quota.clock = '2026-01-15 12:00+00';
SELECT quota.subscribe('m1', 'basic') > 0;
SELECT (quota.debit('m1/ann', 'tokens', 30)).remaining;
SELECT (quota.debit('m1', 'tokens', 5)).remaining;
-- what charges leave behind: two grants, one charged from below; overage, overdrawing, a hold, rollover
INSERT INTO quota_internal.credit_grant (id, subject, feature_id, amount, effective_at, created_at, source)
    SELECT n, 'm1', f.id, 100, quota_internal._now(), quota_internal._now(), 'test' FROM quota_internal.feature f, generate_series(1, 3) n WHERE f.name = 'tokens';
INSERT INTO quota_internal.ledger_entry (id, at, subject, account, feature_id, kind, source, source_id, period_start, period_end, amount, debit_id, grant_id)
    SELECT nextval('quota_internal.ledger_id_seq'), quota_internal._now(), x.subject, 'm1', b.feature_id, x.kind, x.source, b.source_id, b.period_start, b.period_end, x.amount, 1, x.grant_id
    FROM pg_temp.window_use b, (VALUES ('m1', 'd'::"char", 'g'::"char", 11, 1), ('m1/ann', 'd', 'g', 7, 2), ('m1/ann', 'r', 'g', -3, 2),
                                 ('m1/ann', 'd', 'g', 6, 3), ('m1/ann', 'r', 'g', -6, 3), ('m1', 'h', 'v', 20, NULL), ('m1', 's', 'o', 9, NULL)) x(subject, kind, source, amount, grant_id)
    WHERE b.subject = 'm1';
UPDATE quota_internal.bucket SET granted = 15, overage = 20, overdrawn = 9, reserved = 12, rolled_in = 40, rolled_out = 2, prorated = 77 WHERE subject = 'm1';
SELECT quota.change_plan('m1', 'weekly', usage => 'prorate') > 0;
SELECT period_start, period_end, plan, allowance, prorated, used, g, v, o, r, r_in, r_out, moved_to FROM pg_temp.use WHERE subject = 'm1';
SELECT kind, source, amount, e.grant_id, e.period_start, e.debit_id = min(e.id) OVER (PARTITION BY e.kind, e.at, e.account) AS one_operation
FROM quota_internal.ledger_entry e WHERE e.kind = 't' AND e.account = 'm1' ORDER BY e.id;
-- there and back: the week is empty, nothing rolls over twice
SELECT quota.change_plan('m1', 'basic') > 0;
SELECT period_start, period_end, plan, allowance, used, g, v, o, r, r_in, r_out, moved_to FROM pg_temp.use WHERE subject = 'm1';
-- a plan without the feature in between: it comes back from where it went
SELECT quota.change_plan('m1', 'weekly') > 0, quota.change_plan('m1', 'bare') > 0, quota.change_plan('m1', 'pro') > 0;
SELECT period_start, period_end, plan, allowance, used, g, v, o, r, r_in, r_out, moved_to FROM pg_temp.use WHERE subject = 'm1';
SELECT sum(amount) FROM quota_internal.ledger_entry WHERE kind = 't' AND account = 'm1';
-- entries that retention dropped: what they do not explain moves without saying from which grant
UPDATE quota_internal.bucket SET granted = 18 WHERE subject = 'm1' AND granted IS NOT NULL;
SELECT quota.change_plan('m1', 'weekly') > 0;
SELECT source, grant_id, amount FROM quota_internal.ledger_entry WHERE kind = 't' AND account = 'm1' AND source = 'g' ORDER BY id DESC LIMIT 6;
UPDATE quota_internal.bucket SET granted = 15 WHERE subject = 'm1' AND granted IS NOT NULL;
INSERT INTO quota_internal.ledger_entry SELECT nextval('quota_internal.ledger_id_seq'), e.at, e.xid, e.subject, e.account, e.feature_id, 'c', e.source, e.epoch, e.levels, e.source_id, e.period_start, e.period_end, -e.amount, e.debit_id
    FROM quota_internal.ledger_entry e WHERE e.kind = 't' AND e.account = 'm1' AND e.source = 'g' AND e.grant_id IS NULL;
-- what no bigint holds is an error, and nothing has moved
SELECT quota.subscribe('m2', 'basic') > 0, (quota.debit('m2', 'tokens', 30)).remaining, quota.change_plan('m2', 'weekly') > 0;
BEGIN; UPDATE quota_internal.bucket SET used = 9223372036854775807, moved_start = NULL, moved_end = NULL, moved_id = NULL WHERE subject = 'm2' AND moved_start IS NOT NULL;
SELECT pg_temp.code($$SELECT quota.change_plan('m2', 'basic')$$); ROLLBACK;

--
-- When the billing period ends
--
SET quota.clock = '2026-01-20 12:00+00';
SELECT quota.subscribe('s1', 'pro') > 0, (quota.debit('s1', 'tokens', 70)).remaining, (quota.debit('s1', 'docs', 4)).remaining;
SELECT quota.change_plan('s1', 'weekly', 'period_end') > 0;
SELECT plan, status, ends_at, until, next_plan, next_plan_at FROM pg_temp.subs WHERE subject = 's1';
SELECT allowance, used FROM quota.check('s1', 'tokens');
-- nothing has changed so far, so nothing is told
SELECT count(*) FROM pg_temp.happened WHERE subject = 's1';
-- it has the version of the call
SELECT count(*) FROM quota.apply_catalog(jsonb_set(quota.export_catalog(), '{plans,weekly,entitlements,tokens,allowance}', '44'));
-- and a feature that only such a version names is in use
SELECT quota.subscribe('s7', 'pro') > 0, quota.change_plan('s7', 'odd', 'period_end') > 0;
SELECT pg_temp.code($$SELECT count(*) FROM quota.apply_catalog(quota.export_catalog() #- '{plans,odd,entitlements,extra}' #- '{features,extra}')$$);
SELECT quota.cancel('s7', 'now');
SELECT pg_temp.code($$SELECT count(*) FROM quota.apply_catalog(quota.export_catalog() #- '{plans,odd,entitlements,extra}' #- '{features,extra}')$$);
-- up to its last moment
SET quota.clock = '2026-02-20 11:59:59.999999+00';
SELECT quota.me('s1') #>> '{plan,name}' AS me, quota_internal._carry_out('s1') AS carried_out;
SELECT (quota.debit('s1', 'tokens', 25)).remaining;
-- from then on, for whoever looks, although nobody has carried it out
SET quota.clock = '2026-02-27 00:00+00';
SELECT plan, v, status, ends_at, since, until, next_plan, next_plan_at FROM pg_temp.subs WHERE subject = 's1';
SELECT (quota.me('s1') -> 'plan') - 'metadata'::text AS plan;
SELECT count(*) FROM pg_temp.happened WHERE subject = 's1';
-- a window that differs begins at 0: February keeps what it was charged
SELECT quota_internal._carry_out('s1'), quota_internal._carry_out('s1');
SELECT plan, v, status, since, until, next_plan FROM pg_temp.subs WHERE subject = 's1';
SELECT feature, period_start, period_end, plan, allowance, used, moved_to FROM pg_temp.use WHERE subject = 's1' AND period_end > '2026-02-01';
SELECT allowance, used, remaining, resets_at FROM quota.check('s1', 'tokens');
SELECT at, type, data FROM pg_temp.happened WHERE subject = 's1';

-- whoever administers it comes after the change
SET quota.clock = '2026-01-20 12:00+00';
SELECT quota.subscribe(s, 'pro') > 0, (quota.debit(s, 'tokens', 70)).remaining, quota.change_plan(s, 'anchored', 'period_end', u) > 0
FROM (VALUES ('a1', 'reset'), ('a2', 'keep'), ('a3', 'keep'), ('a4', 'prorate'), ('a5', 'reset'), ('a6', 'keep')) v(s, u);
SET quota.clock = '2026-02-25 00:00+00';
SELECT quota.set_status('a1', 'past_due'), quota.override('a2', 'calls', '{"allowance": 1, "period": "day"}'), quota.cancel('a3', 'now'),
       quota.change_plan('a4', 'anchored2', 'now', 'prorate') > 0, quota.change_plan('a5', 'anchored') > 0,
       pg_temp.code($$SELECT quota.subscribe('a6', 'pro', '2026-01-01', '2026-01-02') > 0$$);
SELECT subject, plan, status, since, ends_at FROM pg_temp.subs WHERE subject ~ '^a[1-6]$' ORDER BY subject, ends_at;
SELECT subject, at, type, data FROM pg_temp.happened WHERE subject ~ '^a[1-6]$' ORDER BY subject, id;
SELECT subject, period_start, period_end, plan, allowance, prorated, used, moved_to FROM pg_temp.use WHERE subject ~ '^a[1-6]$' AND period_end > '2026-02-01';

-- prorate at its time: 17 of 28 days of February are left on the 12th
SET quota.clock = '2026-01-12 00:00+00';
SELECT quota.subscribe('s2', 'basic') > 0, quota.change_plan('s2', 'pro', 'period_end', 'prorate') > 0;
SET quota.clock = '2026-02-11 00:00+00';
SELECT (quota.debit('s2', 'tokens', 60)).remaining;
SET quota.clock = '2026-02-20 00:00+00';
SELECT quota_internal._carry_out('s2');
SELECT period_start, plan, allowance, prorated, div(100 * 11 + 1000 * 17, 28) AS expected, used FROM pg_temp.use WHERE subject = 's2';
-- reset at its time: periods count from there, whenever it is carried out
SET quota.clock = '2026-01-31 10:00+00';
SELECT quota.subscribe('s3', 'weekly') > 0, (quota.debit('s3', 'tokens', 9)).remaining, quota.change_plan('s3', 'anchored', 'period_end', 'reset') > 0;
SET quota.clock = '2026-02-18 00:00+00';
SELECT plan, since, until, next_plan FROM pg_temp.subs WHERE subject = 's3';
SELECT allowance, used, resets_at FROM quota.check('s3', 'tokens');
SELECT quota_internal._carry_out('s3');
SELECT plan, since, until, next_plan FROM pg_temp.subs WHERE subject = 's3';
SELECT allowance, used, resets_at FROM quota.check('s3', 'tokens');
-- one that has ended meanwhile had it too; one that ended before has not
SET quota.clock = '2026-01-20 12:00+00';
SELECT quota.subscribe('s4', 'pro', ends_at => '2026-03-01') > 0, quota.change_plan('s4', 'basic', 'period_end') > 0,
       quota.subscribe('s5', 'pro', ends_at => '2026-02-01') > 0, quota.change_plan('s5', 'basic', 'period_end') > 0,
       quota.subscribe('s6', 'pro', ends_at => '2026-02-20 12:00+00') > 0, quota.change_plan('s6', 'basic', 'period_end') > 0;
SELECT subject, plan, next_plan, next_plan_at FROM pg_temp.subs WHERE subject IN ('s4', 's5', 's6') ORDER BY subject;
SET quota.clock = '2026-04-01 00:00+00';
SELECT subject, plan, status, next_plan, next_plan_at FROM pg_temp.subs WHERE subject IN ('s4', 's5', 's6') ORDER BY subject;
SELECT s, quota_internal._carry_out(s) FROM unnest('{s4,s5,s6}'::text[]) s;
SELECT subject, plan, status, next_plan, next_plan_at FROM pg_temp.subs WHERE subject IN ('s4', 's5', 's6') ORDER BY subject;
SELECT subject, at, type, data ->> 'effective_at' AS effective_at FROM pg_temp.happened WHERE subject IN ('s4', 's5', 's6');

--
-- What replaces what is scheduled
--
SET quota.clock = '2026-01-20 12:00+00';
SELECT quota.subscribe('x1', 'pro', ends_at => '2027-01-01') > 0;
-- a later change
SELECT quota.change_plan('x1', 'basic', 'period_end') > 0, quota.change_plan('x1', 'weekly', 'period_end', 'reset') > 0;
SELECT plan, ends_at, next_plan, cancelled_at FROM pg_temp.subs WHERE subject = 'x1';
-- a cancel, and it again
SELECT quota.cancel('x1'), quota.cancel('x1');
SELECT plan, ends_at, next_plan, cancelled_at FROM pg_temp.subs WHERE subject = 'x1';
-- a change takes the scheduled end back
SELECT quota.change_plan('x1', 'basic', 'period_end') > 0;
SELECT plan, ends_at, next_plan, cancelled_at FROM pg_temp.subs WHERE subject = 'x1';
-- a change now
SELECT quota.change_plan('x1', 'anchored') > 0;
SELECT plan, ends_at, next_plan, cancelled_at FROM pg_temp.subs WHERE subject = 'x1';
-- the same plan: it stays
SELECT quota.change_plan('x1', 'basic', 'period_end') > 0, quota.change_plan('x1', 'anchored') > 0;
SELECT plan, ends_at, next_plan, cancelled_at FROM pg_temp.subs WHERE subject = 'x1';
SELECT quota.change_plan('x1', 'basic', 'period_end') > 0, quota.change_plan('x1', 'anchored', 'period_end') > 0;
SELECT plan, ends_at, next_plan, cancelled_at FROM pg_temp.subs WHERE subject = 'x1';
SELECT quota.cancel('x1'), quota.change_plan('x1', 'anchored', 'period_end') > 0;
SELECT plan, ends_at, next_plan, cancelled_at FROM pg_temp.subs WHERE subject = 'x1';
-- the end of the period begins it anew if that is asked
SELECT quota.change_plan('x1', 'anchored', 'period_end', 'reset') > 0;
SELECT plan, next_plan, next_plan_at FROM pg_temp.subs WHERE subject = 'x1';
-- a newer version of the same plan can be scheduled
SELECT count(*) FROM quota.apply_catalog(jsonb_set(quota.export_catalog(), '{plans,anchored,entitlements,tokens,allowance}', '222'));
SELECT quota.change_plan('x1', 'anchored', 'period_end') > 0;
SELECT plan, v, next_plan, next_plan_at FROM pg_temp.subs WHERE subject = 'x1';
SELECT type, data FROM pg_temp.happened WHERE subject = 'x1';
-- status changes leave it alone; but the end of a trial, early or late, is what it waits for
SELECT quota.set_status('x1', 'past_due'), quota.set_status('x1', 'active');
SELECT plan, v, status, next_plan FROM pg_temp.subs WHERE subject = 'x1';
SELECT quota.subscribe('x2', 'pro', trial => '14 days') > 0, quota.change_plan('x2', 'basic', 'period_end') > 0;
SELECT plan, status, ends_at, next_plan, next_plan_at FROM pg_temp.subs WHERE subject = 'x2';
SELECT quota.set_status('x2', 'active');
SELECT plan, status, ends_at, next_plan, next_plan_at FROM pg_temp.subs WHERE subject = 'x2';
-- cancel now
SELECT quota.cancel('x2', 'now');
SELECT plan, status, next_plan FROM pg_temp.subs WHERE subject = 'x2';
-- none, and one to come: at once, whatever is said
SELECT quota.change_plan('x3', 'pro', 'period_end', 'reset') > 0, quota.subscribe('x4', 'pro', '2026-03-01') = quota.change_plan('x4', 'basic', 'period_end', 'prorate') AS same_id;
SELECT subject, plan, status, next_plan FROM pg_temp.subs WHERE subject IN ('x3', 'x4') ORDER BY subject;
SELECT at, type, data FROM pg_temp.happened WHERE subject IN ('x3', 'x4');
-- a retired plan cannot be scheduled, but comes if it was before
SELECT quota.change_plan('x3', 'life2', 'period_end') > 0;
SELECT count(*) FROM quota.apply_catalog(quota.export_catalog() #- '{plans,life2}');
SELECT pg_temp.code($$SELECT quota.change_plan('x1', 'life2', 'period_end')$$);
SET quota.clock = '2026-03-20 12:00+00';
SELECT plan, next_plan FROM pg_temp.subs WHERE subject = 'x3';
SELECT quota_internal._carry_out('x3'), quota_internal._carry_out('nobody');
SELECT plan, next_plan FROM pg_temp.subs WHERE subject = 'x3';
-- where the time after the end was given away, the end stays
SET quota.clock = '2026-01-20 12:00+00';
SELECT quota.subscribe('x5', 'pro') > 0, quota.cancel('x5'), quota.subscribe('x5', 'basic', '2026-02-20 12:00+00') > 0, quota.change_plan('x5', 'weekly', 'period_end') > 0;
SELECT plan, status, ends_at, next_plan FROM pg_temp.subs WHERE subject = 'x5' ORDER BY ends_at;

--
-- past_due: since when, and the plan's grace
--
UPDATE quota_internal.plan_version v SET grace = '7 days', grace_days = 7 FROM quota_internal.plan p WHERE p.id = v.plan_id AND p.name = 'pro';
SELECT quota.subscribe('g1', 'pro') > 0, quota.set_status('g1', 'past_due');
SET quota.clock = '2026-01-25 12:00+00';
SELECT quota.set_status('g1', 'past_due');
SELECT past_due_since FROM quota_internal.subscription WHERE subject = 'g1';
SET quota.clock = '2026-01-27 11:59:59.999999+00';
SELECT quota.has('g1', 'mindmap');
SET quota.clock = '2026-01-27 12:00+00';
SELECT quota.has('g1', 'mindmap'), pg_temp.code($$SELECT quota.debit('g1', 'tokens')$$);
SELECT quota.set_status('g1', 'paused');
SELECT past_due_since FROM quota_internal.subscription WHERE subject = 'g1';
SELECT quota.set_status('g1', 'past_due');
SELECT quota.has('g1', 'mindmap');
-- a plan without grace ends it
SELECT quota.change_plan('g1', 'basic') > 0;
SELECT reason FROM quota.check('g1', 'tokens');
SELECT quota.set_status('g1', 'active');
SELECT reason FROM quota.check('g1', 'tokens');

--
-- The session's settings change nothing: what is scheduled, and what is told
--
SET TimeZone = 'Australia/Lord_Howe';
SET DateStyle = 'SQL, DMY';
SELECT quota.subscribe('z1', 'basic', '2026-01-31 00:00+01', timezone => 'Europe/Berlin') > 0, quota.subscribe('z2', 'basic', '2025-12-31 00:00+01', timezone => 'Europe/Berlin') > 0;
SELECT quota.change_plan('z2', 'pro', 'period_end', 'prorate') > 0;
SET quota.clock = '2026-03-02 00:00+00';
SELECT quota_internal._carry_out('z2');
SET TimeZone = 'UTC';
SET DateStyle = 'ISO, YMD';
SELECT at, data FROM pg_temp.happened WHERE subject = 'z2';
-- 30 of the window's 31 days in Berlin are over then
SELECT period_start, prorated FROM pg_temp.use WHERE subject = 'z2';
-- in the period after that, of another
SELECT quota.change_plan('z1', 'pro', 'now', 'prorate') > 0;
SELECT plan, status FROM pg_temp.subs WHERE subject = 'z1';

--
-- After all this the ledger adds up to the buckets, in every part, and what rolled in is what rolled out
--
SELECT coalesce(b.subject, l.account) AS account, b.part, b.units, l.units AS ledger
FROM (SELECT b.subject, b.feature_id, b.source_id, b.period_start, b.period_end, p.part, p.units
      FROM pg_temp.window_use b, LATERAL (VALUES ('a', b.used), ('g', b.granted), ('v', b.overage), ('o', b.overdrawn)) p(part, units)
      WHERE p.units > 0 AND EXISTS (SELECT FROM quota_internal.feature f WHERE f.id = b.feature_id AND f.kind = 'metered')) b
    FULL JOIN (SELECT e.account, e.feature_id, e.source_id, e.period_start, e.period_end, e.source::text AS part, sum(e.amount) AS units
               FROM quota_internal.ledger_entry e WHERE e.source <> 'c' GROUP BY 1, 2, 3, 4, 5, 6 HAVING sum(e.amount) <> 0) l
    ON (b.subject, b.feature_id, b.source_id, b.period_start, b.period_end, b.part) = (l.account, l.feature_id, l.source_id, l.period_start, l.period_end, l.part)
WHERE b.units IS DISTINCT FROM l.units;
SELECT count(*) > 0 AS transfers, sum(amount) FROM quota_internal.ledger_entry WHERE kind = 't';
SELECT sum(rolled_in), sum(rolled_out), sum(reserved) FROM pg_temp.window_use;
SELECT count(*) FROM pg_temp.window_rows WHERE moved_start IS NOT NULL AND (used, overdrawn, coalesce(granted, overage, reserved, rolled_out, prorated, 0)) <> (0, 0, 0);
