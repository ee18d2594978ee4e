--
-- amend: what is no change of plan
--
SET client_min_messages = warning; DROP EXTENSION IF EXISTS quota CASCADE; CREATE EXTENSION quota CASCADE;
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/include/enforcement.psql'
\i :helpers
SET quota.clock = '2026-01-10 12:00:00+00';
SELECT count(*) FROM quota.apply_catalog('{
    "features": {"tokens": {"kind": "metered"}, "calls": {"kind": "metered"}, "docs": {"kind": "capacity"}},
    "plans": {"free": {"default": true, "entitlements": {"tokens": {"allowance": 10, "period": "month"}}},
              "pro": {"entitlements": {"tokens": {"allowance": 100, "period": "month"}, "calls": {"allowance": 20, "period": "day", "notify": [50]}, "docs": {"allowance": 5}}},
              "team": {"entitlements": {"tokens": {"allowance": 1000, "period": "month"}}}}}');
CREATE VIEW pg_temp.subs AS
SELECT subject, plan, status, trial_ends_at, ends_at, cancelled_at, next_plan, next_plan_at FROM quota.subscriptions ORDER BY subject, id;
CREATE VIEW pg_temp.happened AS
SELECT subject, type, data - 'subscription_id' - 'plan' - 'version' AS data FROM quota.events WHERE type NOT IN ('subscribed', 'plan_changed') ORDER BY id;

--
-- what the application keeps there, and the quantity
--
SELECT quota.subscribe('acme', 'pro', external_id => 'sub_1', metadata => '{"crm": 1, "tags": ["a"]}', quantity => 3) AS id \gset
SELECT quota.amend('acme', '{"external_id": "sub_2", "metadata": {"crm": 2}, "quantity": 5}') = :id;
SELECT external_id, metadata, quantity FROM quota.subscriptions;
-- the same, and nothing at all: no event
SELECT quota.amend('acme', '{"external_id": "sub_2", "metadata": {"crm": 2}, "quantity": 5.0, "timezone": "utc", "ends_at": "infinity"}') = :id, quota.amend('acme', '{}') = :id;
SELECT quota.amend('acme', '{"external_id": null, "metadata": null, "quantity": null, "timezone": null, "trial_ends_at": null, "ends_at": null}') = :id;
SELECT external_id, metadata, quantity, timezone FROM quota.subscriptions;
SELECT * FROM pg_temp.happened;

--
-- the end: that was asked for, in place of a scheduled one
--
SELECT quota.amend('acme', '{"ends_at": "2026-06-01"}') = :id;
SELECT * FROM pg_temp.subs;
SELECT quota.cancel('acme');
SELECT quota.amend('acme', '{"ends_at": "2026-07-01T02:00:00+02:00"}') = :id;
SELECT * FROM pg_temp.subs;
SELECT quota.cancel('acme');
SELECT quota.change_plan('acme', 'pro') = :id;		-- comes back to the end that was asked for
SELECT * FROM pg_temp.subs;
SELECT quota.subscribe('acme', 'team', '2026-07-01', '2026-08-01') > 0;
SELECT e, pg_temp.try(format('SELECT quota.amend(%L, %L) = %s', 'acme', jsonb_build_object('ends_at', e), :id))
FROM unnest('{2026-07-01 00:00:00.000001+00,2026-07-15,2026-09-01,null,infinity}'::text[]) e;
SELECT quota.amend('acme', '{"ends_at": "2026-06-30"}') = :id;
SELECT * FROM pg_temp.subs;
-- a scheduled change stays
SELECT quota.change_plan('acme', 'team', 'period_end') = :id, quota.amend('acme', '{"ends_at": "2026-06-29", "external_id": "x"}') = :id;
SELECT * FROM pg_temp.subs;
SELECT * FROM pg_temp.happened WHERE subject = 'acme';

--
-- a trial
--
SELECT quota.subscribe(s, 'pro', trial => '14 days', ends_at => '2026-12-01') > 0 FROM unnest('{cancelled,confirmed,longer,nearer,none,short}'::text[]) s;
SELECT quota.change_plan('confirmed', 'team', 'period_end') > 0;
SELECT quota.cancel('cancelled');
SELECT quota.amend(s, '{"trial_ends_at": "2026-02-20 12:00+00"}') > 0 FROM unnest('{cancelled,confirmed,longer}'::text[]) s;
SELECT quota.amend('nearer', '{"ends_at": "2026-01-20"}') > 0;		-- no longer than the subscription
SELECT quota.amend('short', '{"trial_ends_at": "2026-01-10 12:00:01+00", "ends_at": "2026-11-01"}') > 0;
SELECT quota.amend('none', '{"trial_ends_at": null}') > 0;
SELECT * FROM pg_temp.subs WHERE subject <> 'acme';
SELECT quota.amend('cancelled', '{"ends_at": "2026-10-01"}') > 0, quota.amend('confirmed', '{"ends_at": null}') > 0;
SELECT pg_temp.try($$SELECT quota.amend('longer', '{"trial_ends_at": "2027-01-01"}') > 0$$);	-- as subscribe(): no longer than all
SELECT * FROM pg_temp.subs WHERE subject <> 'acme';
-- the end of a trial that is confirmed is no end
SELECT pg_temp.try($$SELECT quota.amend('confirmed', '{"ends_at": "2026-02-20 12:00+00"}')$$);
SELECT quota.subscribe('confirmed', 'pro', starts_at => '2026-05-01');	-- none while it is open
SELECT quota.amend('confirmed', '{"ends_at": "2026-05-01"}') > 0, quota.subscribe('confirmed', 'pro', starts_at => '2026-05-01') > 0;
SELECT pg_temp.code(format('SELECT quota.amend(%L, %L) > 0', 'confirmed', c))
FROM unnest(ARRAY['{"trial_ends_at": "2026-05-02"}', '{"trial_ends_at": "2026-05-01"}', '{"ends_at": "2026-05-02"}', '{"ends_at": null}']) c;
SET quota.clock = '2026-02-20 12:00:00+00';
SELECT * FROM pg_temp.subs WHERE subject = 'confirmed';
SELECT quota.amend('confirmed', '{"external_id": "y"}') > 0;		-- carries the change out before
SELECT * FROM pg_temp.subs WHERE subject = 'confirmed';
SELECT * FROM pg_temp.happened WHERE subject = 'confirmed';
-- the early end of one with a change: the change comes at once; paused, it is no longer
SET quota.clock = '2026-03-01 12:00:00+00';
SELECT quota.subscribe(s, 'pro', trial => '14 days') > 0, quota.change_plan(s, 'team', 'period_end') > 0 FROM unnest('{e1,e2}'::text[]) s;
SELECT quota.set_status('e2', 'paused', '2026-03-05');
SELECT quota.amend(s, '{"trial_ends_at": null, "ends_at": "2026-05-01", "quantity": 2}') > 0 FROM unnest('{e1,e2}'::text[]) s;
SELECT * FROM pg_temp.subs WHERE subject ~ '^e\d';
SELECT * FROM pg_temp.happened WHERE subject ~ '^e\d';

--
-- one that has not started yet
--
SELECT quota.subscribe('later', 'pro', starts_at => '2026-04-01', trial => '7 days') > 0;
SELECT quota.amend('later', '{"trial_ends_at": "2026-04-03", "timezone": "Europe/Berlin", "quantity": 9}') > 0;
SELECT * FROM pg_temp.subs WHERE subject = 'later';
SELECT pg_temp.code($$SELECT quota.amend('later', '{"trial_ends_at": "2026-03-20"}')$$), pg_temp.code($$SELECT quota.amend('later', '{"ends_at": "2026-04-01"}')$$);

--
-- another zone: use goes on in the windows that it gives, also of accounts below
--
SET quota.clock = '2026-03-31 20:00:00+00';
SELECT quota.subscribe('z', 'pro', starts_at => '2026-01-15') > 0;
SELECT quota.override('z/ann', 'tokens', '{"allowance": 40, "period": "month"}');
SELECT quota.subscribe('z/own', 'pro') > 0;
SELECT remaining, resets_at FROM quota.debit('z/ann', 'tokens', 30);
SELECT remaining, resets_at FROM quota.debit('z/own', 'tokens', 5);
SELECT remaining, resets_at FROM quota.debit('z', 'calls', 8);
SELECT id AS hold, remaining FROM quota.reserve('z/ann', 'tokens', 4) \gset
SELECT quota.amend('z', '{"timezone": "Asia/Tokyo"}') > 0;		-- already in April there
SELECT s, c.allowance, c.used, c.remaining, c.resets_at FROM unnest('{z,z/ann,z/own}'::text[]) s, quota.check(s, 'tokens') c;
SELECT subject, feature, period_start, period_end, used, reserved FROM quota.periods WHERE subject ~ '^z' ORDER BY 1, 2, 3;
SELECT charged, overdrawn, remaining FROM quota.settle(:hold, 3);
SELECT remaining, resets_at FROM quota.debit('z', 'calls', 1);
SELECT quota.amend('z', '{"timezone": null}') > 0;		-- and back
SELECT s, c.used, c.remaining, c.resets_at FROM unnest('{z,z/ann,z/own}'::text[]) s, quota.check(s, 'tokens') c;
SELECT subject, feature, period_start, used FROM quota.periods WHERE subject ~ '^z' ORDER BY 1, 2, 3;
-- a share of prorate ends, as with keep
SELECT quota.change_plan('z', 'team', usage => 'prorate') > 0;
SELECT allowance FROM quota.check('z', 'tokens');
SELECT quota.amend('z', '{"quantity": 2}') > 0;
SELECT allowance FROM quota.check('z', 'tokens');
SELECT * FROM quota.verify();

--
-- what is refused
--
SELECT c, pg_temp.code(format('SELECT quota.amend(%L, %L)', 'z', c))
FROM unnest(ARRAY[
    NULL, 'null', '[]', '"ends_at"', '5', '{"ends_at": 5}', '{"end_at": "2027-01-01"}', '{"": 1}', '{"status": "active"}', '{"plan": "team"}',
    '{"ends_at": "2026-03-31 20:00:00+00"}', '{"ends_at": "1999-01-01"}', '{"ends_at": "-infinity"}', '{"ends_at": "tomorrow"}', '{"ends_at": ""}',
    '{"ends_at": "2026-02-30"}', '{"ends_at": "10000-01-01"}', '{"ends_at": "2027-01-01 BC"}', '{"trial_ends_at": "2027-01-01"}', '{"trial_ends_at": true}',
    '{"timezone": "Mars/Olympus"}', '{"timezone": ""}', '{"timezone": 1}', '{"external_id": ""}', '{"external_id": "a\nb"}', '{"external_id": 7}',
    '{"metadata": []}', '{"metadata": "x"}', '{"quantity": 0}', '{"quantity": -1}', '{"quantity": 1.5}', '{"quantity": "3"}',
    '{"quantity": 9223372036854775808}', '{"quantity": 1e400}']) c;
SELECT pg_temp.code(format('SELECT quota.amend(%L, %L)', 'z', jsonb_build_object('external_id', repeat('x', 256)))) AS long_id,
       pg_temp.code(format('SELECT quota.amend(%L, %L)', 'z', jsonb_build_object('metadata', jsonb_build_object('a', repeat('x', 9000))))) AS large_metadata,
       pg_temp.code(format('SELECT quota.amend(%L, %L)', 'z', jsonb_build_object('nix', repeat('x', 70000)))) AS large;
SELECT s, pg_temp.code(format('SELECT quota.amend(%L, %L)', s, '{"quantity": 2}')) FROM unnest(ARRAY['nobody', 'z/ann', '', 'a//b', NULL]) s;
-- all or nothing
SELECT pg_temp.code($$SELECT quota.amend('z', '{"external_id": "new", "quantity": 0}')$$), external_id FROM quota.subscriptions WHERE subject = 'z';
-- ended: not there to be amended
SELECT quota.cancel('z', 'now');
SELECT pg_temp.code($$SELECT quota.amend('z', '{"ends_at": null}')$$);
SELECT * FROM quota.verify();
DROP EXTENSION quota CASCADE;
