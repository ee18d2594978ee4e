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
              "own": {"entitlements": {"tokens": {"allowance": 1000, "period": "month", "anchor": "subscription"}}},
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

-- However few are shown, of whatever time, running is what adds up in the window from its start.
SET quota.clock = '2027-02-10 00:00:00+00';
SELECT count(d.id) FROM generate_series(1, 30) n, quota.debit('acme/al/' || n % 3, 'tokens', 1) d;
SET quota.clock = '2027-02-10 12:00:00+00';
SELECT count(d.id) FROM generate_series(1, 30) n, quota.debit('ann', 'tokens', 1) d;
-- a transaction from before the period, which is its all the same
SET quota.clock = '2027-02-15 00:00:00+00';
SELECT quota.subscribe('late', 'own') > 0 AS subscribed;
SET quota.clock = '2027-03-01 00:00:00+00';
SELECT quota.change_plan('late', 'own', usage => 'reset') > 0 AS reset;
SET quota.clock = '2027-02-28 23:30:00+00';
SELECT remaining FROM quota.debit('late/b', 'tokens', 40);
SET quota.clock = '2027-03-02 00:00:00+00';
SELECT remaining FROM quota.debit('late/b', 'tokens', 2);
SELECT at, amount, running FROM quota.statement('late/b', 'tokens', max_rows => 1);
CREATE FUNCTION pg_temp.by_hand(whose text, of text, since timestamptz, until timestamptz, max_rows int) RETURNS TABLE (id bigint, running numeric) LANGUAGE sql AS $$
    SELECT h.id, h.running FROM (
        SELECT e.id, e.at, sum(e.amount) OVER (PARTITION BY e.account, e.source_id, e.period_start, e.period_end ORDER BY e.at, e.id) AS running
        FROM quota_internal.ledger_entry e JOIN quota_internal.feature f ON f.id = e.feature_id
        WHERE (e.subject = whose OR e.subject LIKE whose || '/%') AND f.name = of AND quota_internal._is_reported(e.account, e.levels, quota_internal._level(whose))) h
    WHERE h.at >= coalesce(since, '-infinity') AND h.at < coalesce(until, 'infinity')
    ORDER BY h.at DESC, h.id DESC LIMIT max_rows
$$;
SELECT sum(b.entries) AS entries, sum(m.missing) AS missing, sum(m.wrong) AS wrong
FROM unnest(ARRAY['ann', 'acme', 'acme/al', 'acme/al/1', 'acme/bo', 'corp', 'corp/eng', 'cap', 'cap/a', 'late', 'late/b', 'nobody']) whose,
    unnest(ARRAY['tokens', 'docs']) f,
    (VALUES (NULL::timestamptz, NULL::timestamptz), ('2026-01-20', '2027-02-10 00:00:00.000001'), ('2027-02-10', NULL), (NULL, '2026-02-02 00:00:00.000001')) t(since, until),
    unnest(ARRAY[1, 2, 5, 29, 31, 1000]) n,
    LATERAL (SELECT count(*) AS entries FROM pg_temp.by_hand(whose, f, since, until, n)) b,
    LATERAL (SELECT count(*) FILTER (WHERE s.id IS NULL OR h.id IS NULL) AS missing, count(*) FILTER (WHERE s.running <> h.running) AS wrong
             FROM pg_temp.by_hand(whose, f, since, until, n) h FULL JOIN quota.statement(whose, f, since, until, n) s ON s.id = h.id) m;

-- Bad arguments.
SELECT a, pg_temp.code(format('SELECT count(*) FROM quota.statement(%s)', a)) FROM unnest(ARRAY[
    $$NULL, 'tokens'$$, $$'ann', NULL$$, $$'ann', 'nothing'$$, $$'a//b', 'tokens'$$, $$'', 'tokens'$$,
    $$'ann', 'tokens', max_rows => 0$$, $$'ann', 'tokens', max_rows => -1$$, $$'ann', 'tokens', max_rows => NULL$$, $$'ann', 'tokens', max_rows => 2147483647$$]) a;
SELECT * FROM quota.verify();
