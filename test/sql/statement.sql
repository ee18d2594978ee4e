--
-- quota.statement(): what was charged, and how it adds up
--
SET client_min_messages = warning; DROP EXTENSION IF EXISTS quota CASCADE; CREATE EXTENSION quota CASCADE;
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/include/enforcement.psql'
\i :helpers
SET quota.clock = '2026-01-05 00:00:00+00';
SELECT count(*) FROM quota.apply_catalog('{
    "features": {"tokens": {"kind": "metered"}, "docs": {"kind": "capacity"}},
    "plans": {"free": {"default": true, "entitlements": {"tokens": {"allowance": 100, "period": "month"}, "docs": {"allowance": 10}}},
              "team": {"entitlements": {"tokens": {"allowance": 1000, "period": "month"}}},
              "weekly": {"entitlements": {"tokens": {"allowance": 500, "period": "week"}}}}}');

-- Nothing yet.
SELECT * FROM quota.statement('ann', 'tokens');

-- running starts anew with the period, whatever the rows shown.
SELECT id FROM quota.debit('ann', 'tokens', 60, metadata => '{"doc": 1}') \gset first_
SET quota.clock = '2026-01-20 00:00:00+00';
SELECT remaining FROM quota.debit('ann', 'tokens', 30);
SELECT remaining FROM quota.refund(:first_id, 15);
SET quota.clock = '2026-02-01 00:00:00+00';
SELECT remaining FROM quota.debit('ann', 'tokens', 7, 'k', '{"doc": 2}');
-- booked in the period that is over: its running goes on
SELECT remaining FROM quota.refund(:first_id, 5);
SELECT remaining FROM quota.debit('ann', 'tokens', 1);
SELECT * FROM quota.statement('ann', 'tokens');
-- [since, until)
SELECT at, amount, running FROM quota.statement('ann', 'tokens', '2026-01-20', '2026-02-01');
SELECT at, amount, running FROM quota.statement('ann', 'tokens', until => '2026-01-20');
SELECT at, amount, running FROM quota.statement('ann', 'tokens', since => '2026-02-01');
SELECT count(*) FROM quota.statement('ann', 'tokens', '-infinity', 'infinity');
SELECT count(*) FROM quota.statement('ann', 'tokens', '2026-02-01', '2026-01-01');
-- the newest rows, still oldest first, and their running counts what is not shown
SELECT at, kind, amount, running FROM quota.statement('ann', 'tokens', max_rows => 3);
-- another feature is another account
SELECT count(*) FROM quota.statement('ann', 'docs');

-- Everything for the subject or below, each call once, though it has entries at several levels.
SELECT quota.subscribe('acme', 'team'), quota.override('acme/al', 'tokens', '{"allowance": 50, "period": "day"}');
SELECT remaining FROM quota.debit('acme/al', 'tokens', 20) \gset
SELECT remaining FROM quota.debit('acme/bo', 'tokens', 300) \gset
SET quota.clock = '2026-02-02 00:00:00+00';
SELECT remaining FROM quota.debit('acme/al/x', 'tokens', 3) \gset
SELECT remaining FROM quota.debit('acme', 'tokens', 4) \gset
SELECT at, subject, kind, amount, source, running FROM quota.statement('acme', 'tokens');
-- al has a daily account of his own: his running is that one's
SELECT at, subject, kind, amount, source, running FROM quota.statement('acme/al', 'tokens');
-- bo has none: what he took from the account above
SELECT at, subject, kind, amount, source, running FROM quota.statement('acme/bo', 'tokens');
SELECT at, subject, amount, running FROM quota.statement('acme/al/x', 'tokens');
-- where only levels below have accounts, theirs
SELECT quota.subscribe('corp/eng', 'team');
SELECT remaining FROM quota.debit('corp/eng/zoe', 'tokens', 11) \gset
SELECT remaining FROM quota.debit('corp/eng', 'tokens', 12) \gset
SELECT subject, amount, running FROM quota.statement('corp', 'tokens');
-- names that only begin alike are others
SELECT remaining FROM quota.debit('acme2', 'tokens', 1) \gset
SELECT remaining FROM quota.debit('acme-x/y', 'tokens', 1) \gset
SELECT DISTINCT subject FROM quota.statement('acme', 'tokens') ORDER BY 1;

-- What is overdrawn, and use that another plan's window took over.
SET quota.enforcement = observe;
SELECT remaining FROM quota.debit('acme/bo', 'tokens', 700) \gset
RESET quota.enforcement;
SELECT subject, kind, amount, source, running FROM quota.statement('acme', 'tokens', max_rows => 3);
SELECT quota.change_plan('acme', 'weekly');
SELECT subject, kind, amount, source, running FROM quota.statement('acme', 'tokens', max_rows => 6);
-- the last running of the present window is what is used
SELECT used FROM quota.check('acme', 'tokens');

-- capacity: one window for ever
SELECT remaining FROM quota.debit('cap/a', 'docs', 5) \gset
SET quota.clock = '2027-02-02 00:00:00+00';
SELECT remaining FROM quota.give_back('cap/a', 'docs', 2) \gset
SELECT remaining FROM quota.debit('cap/b', 'docs', 4) \gset
SELECT at, subject, kind, amount, source, running FROM quota.statement('cap', 'docs');
SELECT at, subject, kind, amount, source, running FROM quota.statement('cap/a', 'docs');

-- Bad arguments.
SELECT a, pg_temp.code(format('SELECT count(*) FROM quota.statement(%s)', a)) FROM unnest(ARRAY[
    $$NULL, 'tokens'$$, $$'ann', NULL$$, $$'ann', 'nothing'$$, $$'a//b', 'tokens'$$, $$'', 'tokens'$$,
    $$'ann', 'tokens', max_rows => 0$$, $$'ann', 'tokens', max_rows => -1$$, $$'ann', 'tokens', max_rows => NULL$$, $$'ann', 'tokens', max_rows => 2147483647$$]) a;
SELECT * FROM quota.verify();
