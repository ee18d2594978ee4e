--
-- quota.usage() in a time zone: local steps, from the rollup, the ledger, or both
--
SET client_min_messages = warning; DROP EXTENSION IF EXISTS quota CASCADE; CREATE EXTENSION quota CASCADE;
\set SHOW_CONTEXT never
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/include/calls.psql'
\i :helpers
SET quota.clock = '2025-10-01 00:00+00';
SELECT count(*) FROM quota.apply_catalog('{
    "features": {"tokens": {"kind": "metered"}},
    "plans": {"free": {"default": true, "entitlements": {"tokens": {"allowance": null}}}}}');

-- months of their own, which can be dropped
SELECT sum(rows) > 0 AS made FROM quota.maintain() WHERE task = 'ledger months made';
-- one unit of every quarter of an hour for some days: a, and below it b, have the days when the clock
-- is put back (Berlin 2025-10-26 01:00 UTC), c those when Lord Howe's goes forward by half an hour (2025-10-04 15:30 UTC)
CREATE PROCEDURE pg_temp.charge_all(subject text, since timestamptz, until timestamptz) LANGUAGE plpgsql AS $$
DECLARE
    t timestamptz;
BEGIN
    FOR t IN SELECT generate_series(since, until, '15 minutes') LOOP
        PERFORM set_config('quota.clock', t::text, false);
        PERFORM quota.debit(subject, 'tokens', 1);
    END LOOP;
END $$;
CALL pg_temp.charge_all('c', '2025-10-04 13:00+00', '2025-10-04 17:45+00');
CALL pg_temp.charge_all('a', '2025-10-25 20:00+00', '2025-10-27 00:45+00');
SET quota.clock = '2025-10-26 22:45+00';
SELECT id FROM quota.debit('a/b', 'tokens', 100) \gset
SET quota.clock = '2025-10-26 23:15+00';
SELECT refunded FROM quota.refund(:id, 40);
SET quota.clock = '2025-10-28 12:10+00';

-- what entries say by themselves
CREATE FUNCTION pg_temp.by_hand(subject text, since timestamptz, until timestamptz, step text, zone text)
RETURNS TABLE (bucket timestamptz, used bigint, debits bigint) LANGUAGE sql AS $$
    SELECT date_trunc(step, l.at, zone), sum(l.amount)::bigint, count(*) FILTER (WHERE l.kind = 'debit')
    FROM quota.ledger l
    WHERE (l.subject = $1 OR l.subject LIKE $1 || '/%') AND l.at >= since AND l.at < until
    GROUP BY 1 ORDER BY 1
$$;
CREATE FUNCTION pg_temp.compare(rolled_up text) RETURNS TABLE (step text, questions bigint, differ bigint, buckets bigint, used bigint) LANGUAGE sql AS $$
    SELECT q.step, count(*), count(*) FILTER (WHERE u.answer IS DISTINCT FROM h.answer), sum(cardinality(u.answer)), sum(u.used)
    FROM (SELECT * FROM unnest('{a,c}'::text[]) s (subject), unnest('{hour,day,week,month}'::text[]) st (step),
              unnest('{UTC,Europe/Berlin,America/St_Johns,Asia/Kolkata,Asia/Kathmandu,Australia/Lord_Howe,Pacific/Apia}'::text[]) z (zone),
              (VALUES ('2025-10-01 00:00+00'::timestamptz, '2025-11-01 00:00+00'::timestamptz), ('2025-10-26 00:07+00', '2025-10-26 23:22:30+00'),
                      ('2025-10-04 15:15+00', '2025-10-04 15:45+00')) t (since, until)) q,
        LATERAL (SELECT array_agg(x ORDER BY x.bucket) AS answer, sum(x.used) AS used FROM quota.usage(q.subject, 'tokens', q.since, q.until, q.step, q.zone) x) u,
        LATERAL (SELECT array_agg(x ORDER BY x.bucket) AS answer FROM pg_temp.by_hand(q.subject, q.since, q.until, q.step, q.zone) x) h
    GROUP BY q.step ORDER BY q.step
$$;
SELECT * FROM pg_temp.compare('nothing');
SELECT sum(rows) > 0 AS rolled_up FROM quota.maintain() WHERE task = 'usage rolled up';
SELECT * FROM pg_temp.compare('all');
-- some rolled up, some not
CALL pg_temp.charge_all('a', '2025-10-26 22:00+00', '2025-10-26 23:45+00');
SET quota.clock = '2025-10-28 12:10+00';
SELECT * FROM pg_temp.compare('some');

-- the answers themselves: a day of 25 hours, the last step ends at until, or now
SELECT * FROM quota.usage('a', 'tokens', '2025-10-25 22:00+00', '2025-10-26 23:00+00', timezone => 'Europe/Berlin');
SELECT * FROM quota.usage('a', 'tokens', '2025-10-25 23:30+00', '2025-10-26 22:46+00', 'day', 'Europe/Berlin');
SELECT * FROM quota.usage('a', 'tokens', '2025-10-26 00:00+00', '2025-10-26 03:00+00', 'hour', 'Europe/Berlin');
SELECT * FROM quota.usage('c', 'tokens', '2025-10-04 14:00+00', '2025-10-04 17:00+00', 'hour', 'Australia/Lord_Howe');
SELECT * FROM quota.usage('a', 'tokens', '2025-10-26', timezone => 'Asia/Kolkata');
-- a session's zone has no say, any spelling of the zone's name will do
SET TimeZone = 'Asia/Tokyo';
SELECT bucket AT TIME ZONE 'UTC' AS bucket, used FROM quota.usage('a', 'tokens', '2025-10-26 00:00+00', '2025-10-27 00:00+00', timezone => 'europe/BERLIN');
SET TimeZone = 'UTC';
SELECT used FROM quota.usage('a', 'tokens', '2025-10-26 00:00+00', '2025-10-26 00:00+00');
SELECT sum(used) FROM quota.usage('a', 'tokens', '-infinity', 'infinity', 'month', 'Asia/Kolkata');

-- a month that has been dropped is known by the hour: each counts where it begins
BEGIN;
DO $$ BEGIN PERFORM set_config('quota.clock', '2026-12-20 12:00+00', true); END $$;
SELECT sum(rows) > 0 AS dropped FROM quota.maintain() WHERE task = 'ledger entries dropped';
SELECT * FROM quota.usage('a', 'tokens', '2025-10-25 00:00+00', '2025-10-28 00:00+00', timezone => 'Asia/Kolkata');
ROLLBACK;

-- bad input
SELECT c.call, pg_temp.try('SELECT sum(used) FROM quota.usage(' || c.call || ')')
FROM (VALUES ($$'a', 'tokens', '2026-02-01', '2026-01-01'$$), ($$'a', 'tokens', 'infinity', '2026-01-01'$$), ($$'a', 'tokens', NULL$$),
             ($$'a', 'tokens', '2026-01-01', timezone => NULL$$), ($$'a', 'tokens', '2026-01-01', timezone => ''$$), ($$'a', 'tokens', '2026-01-01', timezone => 'Mars/Olympus'$$),
             ($$'a', 'tokens', '2026-01-01', timezone => '+05:30'$$), ($$'a', 'tokens', '2026-01-01', timezone => E'UTC\n'$$), ($$'a', 'tokens', '2026-01-01', timezone => repeat('x', 1000000)$$),
             ($$'a', 'tokens', '2026-01-01', step => 'year'$$), ($$'a', 'tokens', '2026-01-01', step => NULL$$), ($$'a', 'nix', '2026-01-01'$$),
             ($$'a//b', 'tokens', '2026-01-01'$$), ($$NULL, 'tokens', '2026-01-01'$$), ($$'a', NULL, '2026-01-01'$$)) c (call);
SELECT * FROM quota.verify();
