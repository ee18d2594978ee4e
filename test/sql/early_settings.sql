--
-- What an unprivileged session sets before the library is loaded is discarded when it is;
-- where the library is preloaded it cannot be set at all (the second expected file).
--
SET client_min_messages = warning; DROP EXTENSION IF EXISTS quota CASCADE; CREATE EXTENSION quota CASCADE;
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/include/enforcement.psql'
\i :helpers
SELECT count(*) FROM quota.apply_catalog('{"features": {"tokens": {"kind": "metered"}},
    "plans": {"free": {"default": true, "entitlements": {"tokens": {"allowance": 100, "period": "month"}}}}}');
CREATE ROLE regress_quota_early;
SELECT quota.grant_access('regress_quota_early', 'app');
\c -
SET client_min_messages = error;
SET SESSION AUTHORIZATION regress_quota_early;
\set VERBOSITY sqlstate
SET quota.enforcement = 'observe';
SET quota.clock = '2200-01-01';
SELECT quota.debit('app', 'tokens', 101);
\set VERBOSITY default
SHOW quota.enforcement;
SHOW quota.clock;
SELECT quota.me('app') ->> 'enforcement' AS enforcement, (quota.me('app') #>> '{plan,current_period_end}')::timestamptz < '2200-01-01' AS real_time;
SET quota.enforcement = 'observe';
SELECT remaining FROM quota.debit('app', 'tokens', 100);
RESET SESSION AUTHORIZATION;
SELECT quota_internal._now() = now() AS clock_untouched;
-- an actor may be anybody's to set, but is looked at all the same
\c -
SET client_min_messages = warning;
SELECT set_config('quota.actor', E'a\nb', false);
SELECT quota.subscribe('g', 'free') > 0 AS subscribed;
SELECT subject, actor = session_user AS by_session_user FROM quota.events ORDER BY id DESC LIMIT 1;
SELECT quota.revoke_access('regress_quota_early');
DROP ROLE regress_quota_early;
