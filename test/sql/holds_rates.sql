--
-- Rates beside holds: the estimate takes of the rate, the true count is what it costs
--
SET client_min_messages = warning; DROP EXTENSION IF EXISTS quota CASCADE; CREATE EXTENSION quota CASCADE;
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/include/enforcement.psql'
\i :helpers
SET quota.clock = '2026-01-10 00:00:00+00';
SELECT count(*) FROM quota.apply_catalog('{
    "features": {"tokens": {"kind": "metered"}},
    "plans": {"free": {"default": true, "entitlements": {"tokens": {"allowance": 1000000, "period": "month", "rate": {"limit": 60, "per": "1 minute", "burst": 1000}}}},
              "slow": {"entitlements": {"tokens": {"allowance": 1000000, "period": "month", "rate": {"limit": 7, "per": "3 seconds", "burst": 50}}}},
              "none": {"entitlements": {}}}}');
-- what the rate gives now: with more it waits
CREATE FUNCTION pg_temp.rate(subject text, OUT gives bigint, OUT full_in interval)
BEGIN ATOMIC
    SELECT (SELECT max(n) FROM generate_series(0, 1000) n WHERE n = 0 OR (quota.check(rate.subject, 'tokens', n)).allowed),
           (quota.check(rate.subject, 'tokens', 1000)).retry_after;
END;

-- An estimate of 900 for 10 true tokens: the rest is there again at once.
SELECT id FROM quota.reserve('ann', 'tokens', 900) \gset h_
SELECT * FROM pg_temp.rate('ann');
SELECT charged FROM quota.settle(:h_id, 10);
SELECT * FROM pg_temp.rate('ann');
SELECT charged FROM quota.settle(:h_id, 10);
SELECT * FROM pg_temp.rate('ann');
-- An estimate of 1 for 2,500: in debt, which time pays.
SELECT id FROM quota.reserve('ann', 'tokens', 1) \gset h_
SELECT charged FROM quota.settle(:h_id, 2500);
SELECT allowed, reason, remaining, retry_after, blocked_by FROM quota.check('ann', 'tokens', 1);
SELECT quota.me('ann') #> '{features,tokens,retry_after}' AS retry_after;
SELECT available, verdict FROM quota.explain('ann', 'tokens', 1) WHERE source = 'rate';
SELECT pg_temp.try($$SELECT quota.reserve('ann', 'tokens', 1)$$);
SELECT allowed, reason, debited, retry_after FROM quota.try_debit('ann', 'tokens', 5, up_to => true);
SET quota.clock = '2026-01-10 00:25:10+00';
SELECT allowed, reason, retry_after FROM quota.check('ann', 'tokens', 1);
SET quota.clock = '2026-01-10 00:25:11+00';
SELECT allowed, reason, debited FROM quota.try_debit('ann', 'tokens', 5, up_to => true);

-- Released: all of it; never beyond the full burst, though some has come back with time.
SELECT id FROM quota.reserve('bob', 'tokens', 900) \gset h_
SET quota.clock = '2026-01-10 00:27:11+00';
SELECT * FROM pg_temp.rate('bob');
SELECT released FROM quota.release(:h_id);
SELECT * FROM pg_temp.rate('bob');
SELECT remaining > 0 AS debited FROM quota.debit('bob', 'tokens', 1000);
SELECT * FROM pg_temp.rate('bob');
SELECT released FROM quota.release(:h_id);
SELECT * FROM pg_temp.rate('bob');

-- Growing takes, and can be refused; shrinking gives back.
SELECT id FROM quota.reserve('cid', 'tokens', 100) \gset h_
SELECT reserved FROM quota.extend(:h_id, amount => 600);
SELECT * FROM pg_temp.rate('cid');
SELECT pg_temp.code(format('SELECT quota.extend(%s, amount => 1001)', :h_id));
SELECT reserved FROM quota.extend(:h_id, amount => 250);
SELECT * FROM pg_temp.rate('cid');
SELECT reserved FROM quota.extend(:h_id);
SELECT * FROM pg_temp.rate('cid');
SELECT charged FROM quota.settle(:h_id, 300);
SELECT * FROM pg_temp.rate('cid');
-- a refund gives none back
SELECT refunded FROM quota.refund(:h_id, 200);
SELECT * FROM pg_temp.rate('cid');

-- An expired hold keeps what it took, until a late settle or release says what it was.
SELECT id FROM quota.reserve('dan', 'tokens', 900, '1 minute') \gset h_
SELECT id FROM quota.reserve('dan', 'tokens', 100, '1 minute') \gset i_
SET quota.clock = '2026-01-10 00:28:51+00';
SELECT used FROM quota.check('dan', 'tokens');
SELECT remaining FROM quota.debit('dan', 'tokens', 1);
SELECT * FROM pg_temp.rate('dan');
SELECT charged FROM quota.settle(:h_id, 10);
SELECT * FROM pg_temp.rate('dan');
SELECT charged FROM quota.settle(:h_id, 10);
SELECT released FROM quota.release(:i_id);
SELECT * FROM pg_temp.rate('dan');

-- Every level that the hold counts in and that has a rate now; a fraction of a microsecond is not lost.
SELECT quota.subscribe('team', 'slow') > 0 AS subscribed, quota.override('team/x', 'tokens', '{"allowance": 500, "rate": {"limit": 1, "per": "1 second", "burst": 100}}');
SELECT id FROM quota.reserve('team/x', 'tokens', 50) \gset h_
SELECT s AS subject, c.remaining, c.retry_after FROM unnest('{team,team/x}'::text[]) s, quota.check(s, 'tokens', 50) c;
SELECT charged FROM quota.settle(:h_id, 12);
SELECT s AS subject, c.remaining, c.retry_after FROM unnest('{team,team/x}'::text[]) s, quota.check(s, 'tokens', 50) c;
SELECT id FROM quota.reserve('team/y', 'tokens', 10) \gset h_
SELECT quota.override('team/y', 'tokens', '{"allowance": 500, "rate": {"limit": 1, "per": "1 second", "burst": 100}}');
SELECT charged FROM quota.settle(:h_id, 20);
SELECT s AS subject, c.remaining, c.retry_after FROM unnest('{team,team/x}'::text[]) s, quota.check(s, 'tokens', 50) c;
SELECT id FROM quota.reserve('team/x', 'tokens', 10) \gset h_
SELECT quota.change_plan('team', 'none') > 0 AS changed;
SELECT charged FROM quota.settle(:h_id, 0);
SELECT s AS subject, c.remaining, c.retry_after FROM unnest('{team,team/x}'::text[]) s, quota.check(s, 'tokens', 50) c;

-- A settle that is far too large is not refused for the rate's sake.
SELECT quota.override('fay', 'tokens', '{"allowance": null, "rate": {"limit": 1, "per": "1 day"}}');
SELECT id FROM quota.reserve('fay', 'tokens', 1) \gset h_
SELECT charged FROM quota.settle(:h_id, 9223372036854775807);
SELECT reason, retry_after > '200000 years' AS long FROM quota.check('fay', 'tokens', 1);

-- What comes back comes with the commit.
SELECT id FROM quota.reserve('gil', 'tokens', 1000) \gset h_
BEGIN;
SELECT released FROM quota.release(:h_id);
SELECT * FROM pg_temp.rate('gil');
ROLLBACK;
SELECT * FROM pg_temp.rate('gil');

-- Observe takes no more of a rate than its burst; the true count goes off it.
SET quota.enforcement = observe;
SELECT id FROM quota.reserve('hal', 'tokens', 1500) \gset h_
SELECT * FROM pg_temp.rate('hal');
SELECT charged FROM quota.settle(:h_id, 1300);
SELECT * FROM pg_temp.rate('hal');
RESET quota.enforcement;
SELECT * FROM quota.verify();
