--
-- Periods: what moves when the clock does, and what stays
--
SET client_min_messages = warning; DROP EXTENSION IF EXISTS quota CASCADE; CREATE EXTENSION quota CASCADE;
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/include/enforcement.psql'
\i :helpers
SET quota.clock = '2026-01-31 10:00:00+00';
SELECT count(*) FROM quota.apply_catalog('{
    "features": {"tokens": {"kind": "metered"}, "hours": {"kind": "metered"}, "once": {"kind": "metered"}},
    "plans": {"free": {"default": true, "entitlements": {"tokens": {"allowance": 10, "period": "month"}, "once": {"allowance": 3}}},
              "pro": {"entitlements": {"tokens": {"allowance": 100, "period": "month", "anchor": "subscription"},
                                       "hours": {"allowance": 5, "period": "5 hours", "anchor": "subscription"},
                                       "once": {"allowance": 20}}},
              "daily": {"entitlements": {"tokens": {"allowance": 8, "period": "day"}, "once": {"allowance": 2}}},
              "week": {"entitlements": {"tokens": {"allowance": 50, "period": "week", "anchor": "calendar"}}}}}');
\ir include/rows.psql
CREATE VIEW pg_temp.used AS
SELECT subject, feature, used, overdrawn, source_id AS subscription, period_start, period_end, moved_start
FROM pg_temp.window_rows ORDER BY subject, 2, source_id, period_start, generation;

-- Calendar months in UTC: used up in January, all there at the first instant of February.
SELECT remaining, resets_at FROM quota.debit('ann', 'tokens', 10);
SET quota.clock = '2026-01-31 23:59:59.999999+00';
SELECT allowed, used, remaining, resets_at FROM quota.check('ann', 'tokens');
SET quota.clock = '2026-02-01 00:00:00+00';
SELECT allowed, used, remaining, resets_at FROM quota.check('ann', 'tokens');
SELECT remaining, resets_at FROM quota.debit('ann', 'tokens', 4);
-- The clock goes back: January is as it was, and nothing is open again.
SET quota.clock = '2026-01-31 23:59:59.999999+00';
SELECT state FROM pg_temp.refusal('ann', 'tokens', 1);
SET quota.clock = '2026-02-28 23:00:00+00';
SELECT remaining, resets_at FROM quota.debit('ann', 'tokens', 6);
-- years later, without anything having run in between
SET quota.clock = '2031-07-04 00:00:00+00';
SELECT remaining, resets_at FROM quota.debit('ann', 'tokens', 1);
-- before the epoch of PostgreSQL, too
SET quota.clock = '1999-12-31 23:00:00+00';
SELECT remaining, resets_at FROM quota.debit('ann', 'tokens', 2);
SELECT * FROM pg_temp.used;

-- A lifetime has no end, whatever the clock says.
SELECT remaining, resets_at FROM quota.debit('ann', 'once', 3);
SET quota.clock = '2050-01-01 00:00:00+00';
SELECT allowed, used, remaining, resets_at FROM quota.check('ann', 'once');

-- Anchored at a subscription that began on the 31st: always counted from the original date.
SET quota.clock = '2026-01-31 10:00:00+00';
SELECT quota.subscribe('bob', 'pro');
SELECT clock, (quota.try_debit('bob', 'tokens', 1)).resets_at AS resets_at
FROM unnest('{2026-01-31 10:00:00+00,2026-02-28 09:59:59+00,2026-02-28 10:00:00+00,2026-03-31 09:59:59+00,2026-03-31 10:00:00+00,2026-04-30 10:00:00+00,2028-02-29 10:00:00+00}'::text[]) clock,
     set_config('quota.clock', clock, false) s WHERE s IS NOT NULL;
SELECT period_start, period_end, used FROM pg_temp.used WHERE subject = 'bob';
-- hours are elapsed time from the anchor
SET quota.clock = '2026-02-01 01:00:00+00';
SELECT remaining, resets_at FROM quota.debit('bob', 'hours', 5);
SELECT detail -> 'resets_at' AS resets_at, detail -> 'retry_after' AS retry_after FROM pg_temp.refusal('bob', 'hours', 5);
SET quota.clock = '2026-02-01 06:00:00+00';
SELECT remaining, resets_at FROM quota.debit('bob', 'hours', 5);

-- Days of a zone with summer time: 23 and 25 hours long.
SET quota.clock = '2026-03-28 22:30:00+00';
SELECT quota.subscribe('berlin', 'daily', timezone => 'Europe/Berlin');
SELECT clock, (quota.try_debit('berlin', 'tokens', 1)).remaining FROM unnest('{2026-03-28 22:59:59+00,2026-03-28 23:00:00+00,2026-03-29 21:59:59+00,2026-03-29 22:00:00+00}'::text[]) clock,
     set_config('quota.clock', clock, false) s WHERE s IS NOT NULL;
SELECT period_start, period_end, period_end - period_start AS length, used FROM pg_temp.used WHERE subject = 'berlin';

-- A timestamp as anchor. Before it, the first window counts.
SET quota.clock = '2026-03-01 00:00:00+00';
SELECT quota.override('cy', 'tokens', '{"allowance": 5, "period": "10 days", "anchor": "2026-03-15T12:00:00Z"}');
SELECT remaining, resets_at FROM quota.debit('cy', 'tokens', 2);
SET quota.clock = '2026-03-26 00:00:00+00';
SELECT remaining, resets_at FROM quota.debit('cy', 'tokens', 2);
SELECT * FROM pg_temp.used WHERE subject = 'cy';

-- An override anchored at "subscription" where there is none: the moment it was set.
SET quota.clock = '2026-05-05 05:05:05+00';
SELECT quota.override('dan', 'tokens', '{"allowance": 5, "period": "day", "anchor": "subscription"}');
SET quota.clock = '2026-05-07 12:00:00+00';
SELECT remaining, resets_at FROM quota.debit('dan', 'tokens', 4);
-- a raised limit moves nothing
SELECT quota.override('dan', 'tokens', '{"allowance": 6, "period": "day", "anchor": "subscription"}');
SELECT remaining, resets_at FROM quota.debit('dan', 'tokens', 1);
-- under a subscription it is that one's beginning, or that of the nearest above
SET quota.clock = '2026-05-08 08:00:00+00';
SELECT quota.subscribe('dan', 'pro');
SELECT resets_at FROM quota.check('dan', 'tokens');
SELECT quota.override('dan/low', 'tokens', '{"allowance": 3, "period": "day", "anchor": "subscription"}');
SELECT remaining, resets_at FROM quota.check('dan/low', 'tokens');

-- Subscribing starts metered use at 0, and the default plan's window keeps what it was charged: cancelling renews nothing.
SET quota.clock = '2026-06-10 00:00:00+00';
SELECT remaining, resets_at FROM quota.debit('eve', 'tokens', 9);
SELECT quota.subscribe('eve', 'pro');
SELECT remaining, resets_at FROM quota.debit('eve', 'tokens', 60);
SELECT quota.cancel('eve', 'now');
SELECT used, remaining, resets_at FROM quota.check('eve', 'tokens');
-- a second subscription in the same month is another one, and starts at 0 again
SELECT quota.subscribe('eve', 'pro');
SELECT used, remaining, resets_at FROM quota.check('eve', 'tokens');
-- one that starts in the future: the default plan until then
SELECT quota.subscribe('fay', 'pro', starts_at => '2026-06-20');
SELECT remaining, resets_at FROM quota.debit('fay', 'tokens', 10);
SET quota.clock = '2026-06-20 00:00:00+00';
SELECT remaining, resets_at FROM quota.debit('fay', 'tokens', 10);
-- one that ends: the default plan from then on
SELECT quota.subscribe('gus', 'pro', ends_at => '2026-06-21');
SELECT remaining, resets_at FROM quota.debit('gus', 'tokens', 30);
SET quota.clock = '2026-06-21 00:00:00+00';
SELECT remaining, resets_at FROM quota.debit('gus', 'tokens', 3);
SELECT * FROM pg_temp.used WHERE subject IN ('eve', 'fay', 'gus');

-- Another plan, use kept. The same window goes on where period and anchor are the same...
SET quota.clock = '2026-08-12 15:00:00+00';
SELECT quota.subscribe('kay', 'week');
SELECT remaining, resets_at FROM quota.debit('kay', 'tokens', 30);
-- ... otherwise the new entitlement's present window takes the use over: nothing is renewed by changing.
SELECT quota.change_plan('kay', 'daily');
SELECT * FROM quota.check('kay', 'tokens');
SELECT state, detail FROM pg_temp.refusal('kay', 'tokens', 1);
SELECT quota.change_plan('kay', 'week');
SELECT * FROM quota.check('kay', 'tokens');
SELECT remaining, resets_at FROM quota.debit('kay', 'tokens', 5);
SELECT quota.change_plan('kay', 'daily');
-- the next day is new
SET quota.clock = '2026-08-13 00:00:00+00';
SELECT remaining, resets_at FROM quota.debit('kay', 'tokens', 1);
SELECT * FROM pg_temp.used WHERE subject = 'kay';
SELECT kind, source, amount, period_start, debit_id = id AS first FROM quota.ledger WHERE account = 'kay' ORDER BY id;
-- a lifetime under a subscription stays the same over plans: 2 of 2 used, then 2 of 20
SELECT remaining, resets_at FROM quota.debit('kay', 'once', 2);
SELECT quota.change_plan('kay', 'pro');
SELECT used, remaining, resets_at FROM quota.check('kay', 'once');

-- A limit below what is used: allowed, nothing undone, no more taken.
SELECT quota.subscribe('low', 'pro');
SELECT remaining, resets_at FROM quota.debit('low', 'tokens', 80);
SELECT quota.override('low', 'tokens', '{"allowance": 50, "period": "month", "anchor": "subscription"}');
SELECT * FROM quota.check('low', 'tokens');
SELECT state, detail FROM pg_temp.refusal('low', 'tokens', 1);
SELECT quota.override('low', 'tokens', NULL);
SELECT * FROM quota.check('low', 'tokens');

-- A changed plan is a new version: subscribers keep theirs until moved, the default plan is the newest for everybody.
SELECT remaining, resets_at FROM quota.debit('mia', 'tokens', 7);
SELECT object, name, change FROM quota.apply_catalog(jsonb_set(jsonb_set(quota.export_catalog(),
    '{plans,free,entitlements,tokens}', '{"allowance": 12, "period": "year"}'), '{plans,pro,entitlements,tokens,allowance}', '200')) WHERE change <> 'unchanged';
SELECT allowance, used, remaining, resets_at FROM quota.check('mia', 'tokens');
SELECT allowance, used, remaining, resets_at FROM quota.check('low', 'tokens');
SELECT quota.change_plan('low', 'pro');
SELECT allowance, used, remaining, resets_at FROM quota.check('low', 'tokens');
SELECT state FROM pg_temp.refusal('mia', 'tokens', 6);
SELECT remaining, resets_at FROM quota.debit('mia', 'tokens', 5);
SELECT * FROM pg_temp.used WHERE subject = 'mia';

-- The far ends of the calendar.
SELECT clock, pg_temp.code('SELECT resets_at FROM quota.debit(''end'', ''once'')') FROM unnest('{4713-01-01 00:00:00+00 BC,294276-12-31 00:00:00+00}'::text[]) clock,
     set_config('quota.clock', clock, false) s WHERE s IS NOT NULL;
SELECT clock, pg_temp.code('SELECT resets_at FROM quota.debit(''end'', ''tokens'')') FROM unnest('{4713-01-01 00:00:00+00 BC,294276-12-31 00:00:00+00}'::text[]) clock,
     set_config('quota.clock', clock, false) s WHERE s IS NOT NULL;
SET quota.clock = 'infinity';
SET quota.clock = 'yesterday or so';

SELECT * FROM quota.verify();
