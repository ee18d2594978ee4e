--
-- quota.clear_caps(): caps count from 0, and what was charged before restores them no more
--
SET client_min_messages = warning; DROP EXTENSION IF EXISTS quota CASCADE; CREATE EXTENSION quota CASCADE;
\set SHOW_CONTEXT never
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/include/calls.psql'
\i :helpers
SET quota.clock = '2026-01-10 10:00+00';
SELECT count(*) FROM quota.apply_catalog('{
    "features": {"tokens": {"kind": "metered"}, "bare": {"kind": "metered"}, "docs": {"kind": "capacity"}, "on": {"kind": "boolean"}, "nix": {"kind": "metered"}},
    "plans": {"pro": {"entitlements": {"bare": {"allowance": 5}, "docs": {"allowance": 5}, "on": {"value": true}, "tokens": {"allowance": 1000, "period": "month",
                  "caps": [{"limit": 100, "per": "day"}, {"limit": 300, "per": "week"}, {"limit": 60, "per": "5 hours", "window": "first_use"}]}}},
              "free": {"default": true, "entitlements": {}}}}');
CREATE VIEW pg_temp.caps AS
SELECT subject, window_start, opened_at, closes_at, used FROM quota_internal.cap_use ORDER BY 1, period_months, period_days, period_us, window_start;
SELECT quota.subscribe('a', 'pro') > 0 AS subscribed;

-- nothing has been counted
SELECT quota.clear_caps('a', 'tokens'), quota.clear_caps('a', 'bare');
SELECT count(*) FROM quota.events WHERE type = 'caps_cleared';
-- all three had counted; the allowance stays as it is
SELECT id FROM quota.debit('a', 'tokens', 60) \gset before_
SELECT remaining FROM quota.check('a', 'tokens');
SET quota.actor = 'support';
SELECT quota.clear_caps('a', 'tokens');
RESET quota.actor;
SELECT subject, feature, actor, data FROM quota.events WHERE type = 'caps_cleared';
SELECT used, remaining FROM quota.check('a', 'tokens');
SELECT quota.clear_caps('a', 'tokens') AS again;
SELECT count(*) FROM quota.events WHERE type = 'caps_cleared';
-- the first use opens its window anew
SET quota.clock = '2026-01-10 11:00+00';
SELECT id FROM quota.debit('a', 'tokens', 40) \gset after_
SELECT * FROM pg_temp.caps;
-- what was charged before restores nothing, what came after does
SELECT refunded, remaining FROM quota.refund(:before_id);
SELECT used FROM pg_temp.caps;
SELECT refunded, remaining FROM quota.refund(:after_id, 10);
SELECT used FROM pg_temp.caps;
SELECT * FROM quota.verify();

-- holds: reserved before, settled, released or expired after; one that has grown after gives that back
SELECT id FROM quota.reserve('a', 'tokens', 10, '1 hour') \gset settle_
SELECT id FROM quota.reserve('a', 'tokens', 5, '1 hour') \gset release_
SELECT id FROM quota.reserve('a', 'tokens', 5, '10 minutes') \gset expire_
SELECT id FROM quota.reserve('a', 'tokens', 6, '1 hour') \gset grow_
SELECT quota.clear_caps('a', 'tokens');
SELECT used FROM pg_temp.caps;
SELECT reserved FROM quota.extend(:grow_id, amount => 20);
SELECT used FROM pg_temp.caps;
SELECT charged FROM quota.settle(:settle_id, 3);
SELECT released FROM quota.release(:release_id);
SELECT used FROM pg_temp.caps;
SELECT charged FROM quota.settle(:grow_id, 8);
SELECT used FROM pg_temp.caps;
-- also to those who only look, before somebody has given it back
SET quota.clock = '2026-01-10 11:30+00';
SELECT used, remaining FROM quota.check('a', 'tokens');
SELECT remaining FROM quota.debit('a', 'tokens', 1);
SELECT used FROM pg_temp.caps;
SELECT * FROM quota.verify();
-- next windows begin as ever
SET quota.clock = '2026-01-12 11:30+00';
SELECT remaining FROM quota.debit('a', 'tokens', 1);
SELECT * FROM pg_temp.caps WHERE closes_at > '2026-01-12 11:30+00';
SELECT * FROM quota.verify();
-- the subject's own account alone; a rollback takes it back
SELECT quota.override('a/own', 'tokens', '{"allowance": 50, "period": "month", "caps": [{"limit": 20, "per": "day"}]}');
SELECT remaining FROM quota.debit('a/own', 'tokens', 20);
BEGIN; SELECT quota.clear_caps('a/own', 'tokens'); ROLLBACK;
SELECT remaining FROM quota.check('a/own', 'tokens');
SELECT quota.clear_caps('a/own', 'tokens');
SELECT remaining FROM quota.check('a/own', 'tokens');
SELECT subject, used FROM pg_temp.caps WHERE opened_at >= '2026-01-12';
-- an account of grants alone has none
SELECT id IS NOT NULL AS credited FROM quota.credit('g', 'nix', 5);
SELECT quota.clear_caps('g', 'nix');

-- bad input
SELECT c.call, pg_temp.try('SELECT quota.clear_caps(' || c.call || ')')
FROM (VALUES ($$'b', 'tokens'$$), ($$'a/b', 'tokens'$$), ($$'a', 'nix'$$), ($$'a', 'docs'$$), ($$'a', 'on'$$), ($$'a', 'no such'$$), ($$NULL, 'tokens'$$), ($$'a', NULL$$), ($$'a//b', 'tokens'$$)) c (call);
BEGIN; SET TRANSACTION READ ONLY; SELECT quota.clear_caps('a', 'tokens'); ROLLBACK;
SELECT * FROM quota.verify();
