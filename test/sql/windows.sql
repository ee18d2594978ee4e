-- Periods, zones and windows: pure arithmetic, no plan, no subscription.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS quota CASCADE;
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/include/enforcement.psql'
\i :helpers

-- The windows of a subscription one after the other, in local time, and how
-- long each lasts.
CREATE FUNCTION pg_temp.walk(period text, starts_at timestamptz, zone text, first timestamptz, n int)
RETURNS TABLE (local_start timestamp, utc_start timestamptz, lasts interval) LANGUAGE sql AS $$
    WITH RECURSIVE w AS (
        SELECT 1 AS i, x.window_start, x.window_end
          FROM quota_internal._window($1, 'subscription', NULL, $2, $3, $4) x
        UNION ALL
        SELECT w.i + 1, x.window_start, x.window_end
          FROM w, quota_internal._window($1, 'subscription', NULL, $2, $3, w.window_end) x
         WHERE w.i < $5)
    SELECT window_start AT TIME ZONE $3, window_start, window_end - window_start FROM w ORDER BY i;
$$;

--
-- Periods
--
SELECT t AS period, p.* FROM unnest(ARRAY[
    'hour', 'day', 'week', 'month', 'quarter', 'year',
    '1 minute', '5 hours', '24 hours', '1 day', '30 days', '1 month', '1 mon', '12 months', '1 year',
    '2 weeks', '1 mon 1 day 02:00', '1.5 hours', '90 seconds', '60', '1-2', '1 2:00', '+1 day',
    'PT5H', 'P1M', 'P1Y2M3DT4H5M6S', 'P0001-02-03T04:05:06', '@ 3 days', '  7 DAYS  ',
    '0.5 months', '10000 years']) WITH ORDINALITY u(t, i), quota_internal._period(t) p ORDER BY i;
SELECT * FROM quota_internal._period(NULL);

-- "=" says they are equal; as periods they are not.
SELECT interval '1 month' = interval '30 days' AS equal_intervals,
       quota_internal._period('1 month') = quota_internal._period('30 days') AS equal_periods;

SELECT t AS period, pg_temp.code(format('SELECT quota_internal._period(%L)', t)) AS answer FROM unnest(ARRAY[
    '0', '0 seconds', '0 days', '59 seconds', '00:00:59.999999', 'PT59S', '0.00001 month',
    '-1 day', '1 mon -1 day', '1 day -1 hour', '-1 day 3 days', '1 hour ago', '-1 hour ago', 'P-1M', '- 1 day',
    '', ' ', 'x', 'Month', ' month', 'months', 'weekly', 'fortnight', '1 fortnight', '1 quarter', '1 day 1 day',
    '1.5.5 hours', '1e', 'NaN days', 'infinity', '+infinity', 'epoch', 'now', '2026-01-01', 'P', 'P1X',
    'day; drop table x', '%s %n',
    '10001 years', '4000000 days', '90000000000 seconds 10000 years', '200000000 years', '3000000000 days',
    '9223372036854775807 hours', '1e300 hours', '99999999999999999999 minutes'
    ]) WITH ORDINALITY u(t, i) ORDER BY i;
-- With a way out.
\set SHOW_CONTEXT never
SELECT quota_internal._period('fortnight');
SELECT quota_internal._timezone('Mars/Olympus');
SELECT pg_temp.code('SELECT quota_internal._period(repeat(''1 day '', 100))') AS long,
       pg_temp.code('SELECT quota_internal._period(repeat('' '', 10000000))') AS huge;

--
-- Zones
--
SELECT t AS zone, pg_temp.code(format('SELECT quota_internal._timezone(%L)', t)) AS answer FROM unnest(ARRAY[
    'UTC', 'utc', 'europe/berlin', 'Asia/Kathmandu', 'Etc/GMT+5', 'EST5EDT', 'GMT0',
    '', ' ', 'Mars/Olympus', 'Europe', 'Europe/', '/Europe/Berlin', '../etc/passwd', 'Europe/../Europe/Berlin',
    'CEST', 'UTC+2', 'utc+2', '+02:00', '<+03>-3', 'Europe/Berlin1', 'right/Europe/Berlin',
    '%s', 'x''; drop', NULL]) WITH ORDINALITY u(t, i) ORDER BY i;
SELECT pg_temp.code('SELECT quota_internal._timezone(repeat(''x'', 256))') AS long,
       pg_temp.code('SELECT quota_internal._timezone(repeat(''x'', 10000000))') AS huge;
-- Every zone of PostgreSQL, and nothing else.
SELECT count(*) FILTER (WHERE quota_internal._timezone(name) <> name) AS renamed FROM pg_timezone_names;

--
-- Arguments
--
SELECT q AS arguments, pg_temp.code(format('SELECT quota_internal._window(%s)', q)) AS answer FROM unnest(ARRAY[
    $$'month', 'calendar', NULL, NULL, 'UTC', '2026-11-24'$$,
    $$'month', 'subscription', NULL, '2026-01-31', 'UTC', '2026-11-24'$$,
    $$'month', 'subscription', NULL, NULL, 'UTC', '2026-11-24'$$,
    $$'month', 'timestamp', '2020-01-15', '2026-01-31', 'UTC', '2026-11-24'$$,
    $$NULL, 'calendar', NULL, '2026-01-31', 'UTC', '2026-11-24'$$,
    $$NULL, 'timestamp', '2020-01-15', '2026-01-31', 'UTC', '2026-11-24'$$,
    $$NULL, 'subscription', NULL, NULL, 'UTC', '2026-11-24'$$,
    $$'0 days', 'calendar', NULL, NULL, 'UTC', '2026-11-24'$$,
    $$'month', 'calendar', NULL, NULL, 'Mars/Olympus', '2026-11-24'$$,
    $$'month', 'calendar', NULL, NULL, NULL, '2026-11-24'$$,
    $$'month', 'calendar', NULL, NULL, 'UTC', NULL$$,
    $$'month', NULL, NULL, NULL, 'UTC', '2026-11-24'$$,
    $$'month', '', NULL, NULL, 'UTC', '2026-11-24'$$,
    $$'month', 'lunar', NULL, NULL, 'UTC', '2026-11-24'$$,
    $$'month', 'timestamp', NULL, '2026-01-31', 'UTC', '2026-11-24'$$,
    $$'month', 'timestamp', 'infinity', NULL, 'UTC', '2026-11-24'$$,
    $$'month', 'subscription', NULL, '-infinity', 'UTC', '2026-11-24'$$,
    $$'month', 'calendar', NULL, NULL, 'UTC', 'infinity'$$,
    $$'month', 'calendar', NULL, NULL, 'UTC', '-infinity'$$
    ]) WITH ORDINALITY u(q, i) ORDER BY i;

-- The edges of PostgreSQL's time.
SELECT q AS arguments, pg_temp.code(format('SELECT quota_internal._window(%s)', q)) AS answer FROM unnest(ARRAY[
    $$'month', 'calendar', NULL, NULL, 'UTC', '294276-11-30 23:59:59.999999'$$,
    $$'month', 'calendar', NULL, NULL, 'UTC', '294276-12-31 23:59:59.999999'$$,
    $$'month', 'calendar', NULL, NULL, 'Asia/Tokyo', '294276-12-31 14:00'$$,
    $$'month', 'calendar', NULL, NULL, 'Asia/Tokyo', '294276-12-31 15:00'$$,
    $$'hour', 'calendar', NULL, NULL, 'UTC', '294276-12-31 22:59:59.999999'$$,
    $$'hour', 'calendar', NULL, NULL, 'UTC', '294276-12-31 23:00'$$,
    $$'day', 'subscription', NULL, '294276-12-30', 'UTC', '294276-12-30'$$,
    $$'day', 'subscription', NULL, '294276-12-31', 'UTC', '2026-11-24'$$,
    $$'10000 years', 'calendar', NULL, NULL, 'UTC', '2026-11-24'$$,
    $$'10000 years', 'calendar', NULL, NULL, 'UTC', '1999-11-24'$$,
    $$'10000 years', 'subscription', NULL, '290000-01-01', 'UTC', '2026-11-24'$$,
    $$'10000 years', 'timestamp', '0001-01-01 BC', NULL, 'UTC', '2026-11-24'$$,
    $$'month', 'calendar', NULL, NULL, 'UTC', '4713-01-02 BC'$$,
    $$'week', 'calendar', NULL, NULL, 'UTC', '4714-11-24 BC'$$,
    $$'hour', 'calendar', NULL, NULL, 'UTC', '4714-11-24 00:30 BC'$$,
    $$'1 minute', 'timestamp', '4714-11-24 BC', NULL, 'UTC', '294276-12-31'$$
    ]) WITH ORDINALITY u(q, i) ORDER BY i;

--
-- Anchors at the end of a month: always from the original day.
--
SELECT * FROM pg_temp.walk('month', '2026-01-31 12:00', 'UTC', '2026-01-31 12:00', 14);
SELECT * FROM pg_temp.walk('month', '2026-01-30', 'UTC', '2026-01-30', 4);
SELECT * FROM pg_temp.walk('month', '2024-01-29', 'UTC', '2024-01-29', 3);
SELECT * FROM pg_temp.walk('month', '2023-01-29', 'UTC', '2023-01-29', 3);
SELECT * FROM pg_temp.walk('quarter', '2025-11-30', 'UTC', '2025-11-30', 4);
SELECT * FROM pg_temp.walk('year', '2024-02-29', 'UTC', '2024-02-29', 6);
SELECT * FROM pg_temp.walk('year', '2096-02-29', 'UTC', '2096-02-29', 9);
SELECT * FROM pg_temp.walk('1 mon 1 day', '2026-01-31', 'UTC', '2026-01-31', 4);
-- The last day of the month in the zone, not in UTC.
SELECT * FROM pg_temp.walk('month', '2026-01-30 23:00+00', 'Europe/Berlin', '2026-01-30 23:00+00', 4);

-- A time before the anchor counts as the anchor; the calendar has no beginning.
SELECT * FROM quota_internal._window('month', 'subscription', NULL, '2026-05-31', 'UTC', '2026-02-10');
SELECT * FROM quota_internal._window('month', 'timestamp', '2026-05-31', NULL, 'UTC', '2026-02-10');
SELECT * FROM quota_internal._window('month', 'calendar', NULL, NULL, 'UTC', '1969-02-10');

--
-- The calendar
--
SELECT period, zone, window_start AT TIME ZONE zone AS local_start, window_end AT TIME ZONE zone AS local_end,
       to_char(window_start AT TIME ZONE zone, 'Dy') AS weekday
  FROM unnest(ARRAY['hour', 'day', 'week', 'month', 'quarter', 'year', '2 weeks', '2 months', '18 months',
                    '5 hours', '10 days', '1 mon 1 day']) WITH ORDINALITY p(period, i),
       unnest(ARRAY['UTC', 'Europe/Berlin', 'Asia/Kathmandu']) z(zone),
       quota_internal._window(period, 'calendar', NULL, NULL, zone, '2026-11-24 11:30:00+00')
 ORDER BY i, zone COLLATE "C";
-- Sunday evening in New York is Monday in UTC.
SELECT zone, window_start AT TIME ZONE zone AS local_start
  FROM unnest(ARRAY['America/New_York', 'UTC']) zone,
       quota_internal._window('week', 'calendar', NULL, NULL, zone, '2026-11-23 03:00+00');

--
-- Daylight saving
--
-- Berlin, 02:30 is missing on 29 March 2026 and double on 25 October.
SELECT * FROM pg_temp.walk('day', '2026-03-27 02:30+01', 'Europe/Berlin', '2026-03-27 02:30+01', 4);
SELECT * FROM pg_temp.walk('day', '2026-10-23 02:30+02', 'Europe/Berlin', '2026-10-23 02:30+02', 4);
-- The same as AT TIME ZONE reads them.
SELECT timestamp '2026-03-29 02:30' AT TIME ZONE 'Europe/Berlin' AS missing,
       timestamp '2026-10-25 02:30' AT TIME ZONE 'Europe/Berlin' AS double;
-- An anchor at either of the two 02:30 is itself the first boundary.
SELECT * FROM pg_temp.walk('day', '2026-10-25 02:30+02', 'Europe/Berlin', '2026-10-25 02:30+02', 2);
SELECT * FROM pg_temp.walk('day', '2026-10-25 02:30+01', 'Europe/Berlin', '2026-10-25 02:30+01', 2);
-- A day is what the clock says, 24 hours are 24 hours.
SELECT * FROM pg_temp.walk('1 day', '2026-03-28 12:00+01', 'Europe/Berlin', '2026-03-28 12:00+01', 3);
SELECT * FROM pg_temp.walk('24 hours', '2026-03-28 12:00+01', 'Europe/Berlin', '2026-03-28 12:00+01', 3);
-- Hours go through the double hour one by one.
SELECT * FROM pg_temp.walk('hour', '2026-10-25 01:00+02', 'Europe/Berlin', '2026-10-25 01:00+02', 4);
-- Lord Howe turns its clock by half an hour.
SELECT * FROM pg_temp.walk('day', '2026-04-03 01:45+11', 'Australia/Lord_Howe', '2026-04-03 01:45+11', 4);
SELECT * FROM pg_temp.walk('day', '2026-10-02 02:15+10:30', 'Australia/Lord_Howe', '2026-10-02 02:15+10:30', 4);
-- Midnight itself is missing: the day begins when the clock does.
SELECT * FROM pg_temp.walk('day', '2018-11-03 00:00-03', 'America/Sao_Paulo', '2018-11-03 00:00-03', 3);
-- Apia had no 30 December 2011.
SELECT * FROM pg_temp.walk('day', '2011-12-28 00:00-10', 'Pacific/Apia', '2011-12-28 00:00-10', 4);
SELECT * FROM pg_temp.walk('day', '2011-12-28 18:00-10', 'Pacific/Apia', '2011-12-28 18:00-10', 4);
SELECT * FROM pg_temp.walk('month', '2011-10-30 12:00-10', 'Pacific/Apia', '2011-10-30 12:00-10', 4);
-- Months and days on the clock, then the hours as elapsed time.
SELECT * FROM pg_temp.walk('1 mon 12:00', '2026-01-29 02:30+01', 'Europe/Berlin', '2026-01-29 02:30+01', 5);

--
-- Properties
--
CREATE TEMP TABLE zone AS SELECT * FROM unnest(ARRAY[
    'UTC', 'Europe/Berlin', 'Europe/Dublin', 'America/New_York', 'America/St_Johns', 'America/Sao_Paulo',
    'America/Havana', 'Australia/Lord_Howe', 'Pacific/Apia', 'Pacific/Kwajalein', 'Pacific/Kiritimati',
    'Asia/Kathmandu', 'Asia/Manila', 'Asia/Gaza', 'Africa/Casablanca', 'Antarctica/Troll']) AS zone;
CREATE TEMP TABLE period AS SELECT * FROM unnest(ARRAY[
    '1 minute', 'hour', '5 hours', '24 hours', '25 hours', 'day', '2 days', 'week', '30 days', 'month', 'quarter', 'year',
    '7 years', '1 day 00:01', '1 mon 1 day', '1 mon 30 days 23:59', '5 mons 17 days 03:00']) AS period;
CREATE TEMP TABLE anchor AS SELECT * FROM (VALUES
    ('calendar', NULL::timestamptz), ('subscription', '1899-12-31 23:59:59.999999+00'), ('subscription', '1996-02-29 02:30+00'),
    ('timestamp', '2011-12-30 09:00+00'), ('timestamp', '2015-10-25 00:30+00')) AS a(anchor, anchor_at);
SELECT setseed(0.42);
CREATE TEMP TABLE moment AS
    SELECT timestamptz '1890-01-01' + (random() * 147 * 365.25 * 86400)::numeric(12) * interval '1 second' + (random() * 1000000)::int * interval '1 microsecond' AS at
      FROM generate_series(1, 25)
    UNION ALL
    SELECT timestamptz '2011-12-29 10:00+00' + i * interval '7 hours' FROM generate_series(0, 9) i
    UNION ALL
    SELECT timestamptz '2026-10-24 22:30+00' + i * interval '20 minutes' FROM generate_series(0, 9) i;

CREATE TEMP TABLE answer AS
    SELECT zone, period, anchor, anchor_at, at, window_start, window_end
      FROM zone, period, anchor, moment, quota_internal._window(period, anchor, anchor_at, anchor_at, zone, at);
SELECT count(*) FROM answer;
-- The window contains the time, or begins at the anchor that stands for it; none is empty.
SELECT zone, period, anchor, anchor_at, at, window_start, window_end FROM answer
 WHERE NOT (window_start < window_end
            AND coalesce(greatest(at, anchor_at), at) >= window_start
            AND coalesce(greatest(at, anchor_at), at) < window_end);
-- The window after it begins where this one ends, and the one before ends where this one begins;
-- the first and the last instant of the window give the same window.
SELECT a.zone, a.period, a.anchor, a.anchor_at, a.at, a.window_start, a.window_end
  FROM answer a,
       quota_internal._window(period, anchor, anchor_at, anchor_at, zone, a.window_start) first,
       quota_internal._window(period, anchor, anchor_at, anchor_at, zone, a.window_end - interval '1 microsecond') last,
       quota_internal._window(period, anchor, anchor_at, anchor_at, zone, a.window_start - interval '1 microsecond') before,
       quota_internal._window(period, anchor, anchor_at, anchor_at, zone, a.window_end) after
 WHERE NOT ((a.window_start, a.window_end) = (first.window_start, first.window_end)
            AND (a.window_start, a.window_end) = (last.window_start, last.window_end)
            AND after.window_start = a.window_end
            AND CASE WHEN a.anchor_at = a.window_start THEN before.window_end = a.window_end
                     ELSE before.window_end = a.window_start END);

-- An oracle: AT TIME ZONE and interval arithmetic of PostgreSQL itself.
CREATE TEMP TABLE oracle AS
    SELECT zone, period, anchor, anchor_at, n,
           ((a AT TIME ZONE zone + n * clock) AT TIME ZONE zone) + n * elapsed AS boundary
      FROM zone,
           (VALUES ('hour', interval '0', interval '1 hour'), ('5 hours', '0', '5 hours'), ('day', '1 day', '0'),
                   ('10 days', '10 days', '0'), ('2 weeks', '14 days', '0'), ('month', '1 month', '0'),
                   ('quarter', '3 months', '0'), ('year', '1 year', '0'), ('1 mon 1 day', '1 mon 1 day', '0'),
                   ('1 mon 12:00', '1 mon', '12:00'), ('1 day 01:30', '1 day', '01:30')) p(period, clock, elapsed),
           (VALUES ('calendar', NULL::timestamp), ('subscription', '2011-10-31 23:30'), ('timestamp', '1993-07-31 12:00'),
                   ('timestamp', '2026-02-27 02:15')) l(anchor, local),
           LATERAL (SELECT coalesce(local, CASE WHEN period ~ 'mon|quarter|year' THEN '2000-01-01' ELSE '2000-01-03' END::timestamp)
                           AT TIME ZONE zone AS a, local AT TIME ZONE zone AS anchor_at) x,
           generate_series(CASE WHEN anchor = 'calendar' THEN -70 ELSE 0 END, 70) n;
SELECT count(*) FROM oracle;
SELECT o.zone, o.period, o.anchor, o.n, o.boundary, o.next, w.window_start, w.window_end
  FROM (SELECT *, lead(boundary) OVER (PARTITION BY zone, period, anchor, anchor_at ORDER BY n) AS next FROM oracle) o,
       quota_internal._window(period, anchor, anchor_at, anchor_at, zone, boundary) w
 WHERE w.window_start <> o.boundary OR (w.window_end <> o.next AND o.next <> o.boundary)
 ORDER BY 1, 2, 3, 4 LIMIT 10;
-- Empty windows were among them.
SELECT zone, period, count(*) FROM
       (SELECT zone, period, boundary = lead(boundary) OVER (PARTITION BY zone, period, anchor, anchor_at ORDER BY n) AS is_empty FROM oracle) o
 WHERE is_empty GROUP BY 1, 2 ORDER BY zone COLLATE "C", period COLLATE "C";

--
-- No setting of the session changes an answer.
--
CREATE FUNCTION pg_temp.fingerprint() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    of_windows text;
    of_periods text;
BEGIN
    SELECT md5(string_agg(format('%s %s', extract(epoch FROM w.window_start), extract(epoch FROM w.window_end)), ','
                          ORDER BY zone COLLATE "C", period COLLATE "C", anchor COLLATE "C", extract(epoch FROM anchor_at), at))
      INTO of_windows
      FROM zone, period, anchor, (SELECT at FROM moment ORDER BY at LIMIT 4 OFFSET 20) m,
           quota_internal._window(period, anchor, anchor_at, anchor_at, zone, at) w;
    SELECT string_agg(pg_temp.code(format('SELECT quota_internal._period(%L)', t)), ',' ORDER BY t COLLATE "C")
      INTO of_periods
      FROM (SELECT concat_ws(' ', a, b, c) AS t
              FROM unnest(ARRAY['1 mon', '-1 day', '+3 days', '1-2', '-1-2', 'P1M', '5', '', '1 hour']) a,
                   unnest(ARRAY['2 days', '-2 days', '3', '+3', '-3', '', '4:05']) b,
                   unnest(ARRAY['4:05', '-4:05', '6 hours', 'ago', '']) c) u;
    RETURN of_windows || md5(of_periods);
END $$;
CREATE TEMP TABLE fingerprint (session_zone text, date_style text, interval_style text, fingerprint text);
DO $$
DECLARE
    session_zone text;
    date_style text;
    interval_style text;
BEGIN
    FOR session_zone, date_style IN VALUES ('UTC', 'ISO, DMY'), ('Pacific/Apia', 'SQL, MDY'), ('America/New_York', 'German, DMY') LOOP
        FOREACH interval_style IN ARRAY ARRAY['postgres', 'postgres_verbose', 'sql_standard', 'iso_8601'] LOOP
            PERFORM set_config('TimeZone', session_zone, true), set_config('DateStyle', date_style, true),
                    set_config('IntervalStyle', interval_style, true);
            INSERT INTO fingerprint VALUES (session_zone, date_style, interval_style, pg_temp.fingerprint());
        END LOOP;
    END LOOP;
END $$;
SELECT count(*) AS sessions, count(DISTINCT fingerprint) AS fingerprints FROM fingerprint;

--
-- However long it was idle, the window is found at once.
--
SET statement_timeout = '10s';
SELECT * FROM quota_internal._window('hour', 'subscription', NULL, '2025-11-24 11:12:13.456789', 'Europe/Berlin', '2026-11-24 11:30');
SELECT * FROM quota_internal._window('hour', 'subscription', NULL, '1026-11-24 11:12:13.456789', 'Europe/Berlin', '2026-11-24 11:30');
SELECT * FROM quota_internal._window('1 minute', 'subscription', NULL, '2000-02-29 11:12:13', 'Europe/Berlin', '290000-11-24 11:30');
SELECT * FROM quota_internal._window('day', 'subscription', NULL, '2000-02-29 11:12:13', 'America/New_York', '290000-11-24 11:30');
SELECT * FROM quota_internal._window('month', 'subscription', NULL, '2000-01-31 11:12:13', 'America/New_York', '290000-03-01 11:30');
RESET statement_timeout;

-- Internal: documented, but only for ourselves.
SELECT p.proname, p.provolatile, p.proparallel, p.proisstrict, d.description IS NOT NULL AS has_comment
  FROM pg_proc p LEFT JOIN pg_description d ON d.objoid = p.oid AND d.classoid = 'pg_proc'::regclass
 WHERE p.pronamespace = ANY ('{quota,quota_internal}'::regnamespace[]) AND p.proname IN ('_period', '_timezone', '_window') ORDER BY p.proname COLLATE "C";
