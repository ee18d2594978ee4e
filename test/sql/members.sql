--
-- members: what a team's plan gives to every subject one segment below
--
SET client_min_messages = warning; DROP EXTENSION IF EXISTS quota CASCADE; CREATE EXTENSION quota CASCADE;
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/include/enforcement.psql'
\i :helpers
SET quota.clock = '2026-01-15 12:00:00+00';
SELECT count(*) FROM quota.apply_catalog('{
    "features": {"tokens": {"kind": "metered"}, "calls": {"kind": "metered"}, "docs": {"kind": "capacity"}, "api": {"kind": "rate"}, "map": {"kind": "boolean"}, "mb": {"kind": "static"}},
    "plans": {"free": {"default": true, "entitlements": {"tokens": {"allowance": 20, "period": "month", "members": {"allowance": 5, "period": "month"}}}},
              "team": {"entitlements": {"tokens": {"allowance": 100, "period": "month",
                                                   "members": {"allowance": 10, "period": "month", "rollover": {"max": 4}, "notify": [80]}},
                                        "docs": {"allowance": 10, "members": {"allowance": 2}},
                                        "api": {"rate": {"limit": 10, "per": "1 minute"}, "members": {"rate": {"limit": 2, "per": "1 minute"}}},
                                        "map": {"value": true, "members": {"value": false}},
                                        "mb": {"value": 50, "members": {"value": 5}}}},
              "wide": {"entitlements": {"tokens": {"allowance": 1000, "period": "month",
                                                   "members": {"allowance": 30, "period": "month", "rollover": {"max": 20}, "notify": [50]}}}},
              "daily": {"entitlements": {"tokens": {"allowance": 1000, "period": "month", "members": {"allowance": 10, "period": "day"}}}},
              "solo": {"entitlements": {"calls": {"allowance": 7, "period": "month"}}},
              "duo": {"entitlements": {"calls": {"allowance": 70, "period": "month"}}},
              "own": {"entitlements": {"tokens": {"allowance": 50, "period": "month"}}}}}');
CREATE VIEW pg_temp.used AS
SELECT b.subject, b.feature, b.source_id = 0 AS by_default, b.period_start, b.period_end, b.used, b.overdrawn, b.allowance
FROM pg_temp.window_use b WHERE b.used > 0 OR b.overdrawn > 0
ORDER BY 1, 2, 3, 4;

--
-- every kind, known or not; one segment below and no further
--
SELECT quota.subscribe('acme', 'team') > 0 AS subscribed;
SELECT * FROM pg_temp.try($$SELECT remaining FROM quota.debit('acme/al', 'tokens', 9)$$);
SELECT * FROM pg_temp.try($$SELECT remaining FROM quota.debit('acme/al', 'tokens', 2)$$);
SELECT * FROM pg_temp.try($$SELECT remaining FROM quota.debit('acme/al/laptop', 'tokens', 1)$$);
SELECT s AS subject, c.allowed, c.allowance, c.used, c.remaining, c.resets_at, c.blocked_by
FROM unnest('{acme,acme/al,acme/bo,acme/al/laptop}'::text[]) s, quota.check(s, 'tokens') c;
SELECT * FROM pg_temp.try($$SELECT remaining FROM quota.debit('acme/al', 'docs', 3)$$);
SELECT remaining FROM quota.debit('acme/al', 'docs', 2);
SELECT remaining FROM quota.debit('acme/bo', 'docs', 2);
SELECT s AS subject, (quota.throttle(s, 'api', 2)).allowed FROM unnest('{acme/al,acme/bo,acme}'::text[]) s;
SELECT s AS subject, (quota.check(s, 'api')).remaining FROM unnest('{acme/al,acme/bo,acme}'::text[]) s;
SELECT s AS subject, quota.has(s, 'map'), quota.setting(s, 'mb') FROM unnest('{acme,acme/al,acme/al/laptop}'::text[]) s;
SELECT * FROM quota.explain('acme/al', 'tokens') WHERE source = 'plan';
-- one member's use stops nobody else
SELECT remaining FROM quota.debit('acme/bo', 'tokens', 10);

--
-- an override of its own comes before it, and a subscription of its own where that gives the feature
--
SELECT quota.override('acme/al', 'tokens', '{"allowance": 40, "period": "month"}');
SELECT allowance, used, remaining FROM quota.check('acme/al', 'tokens');
SELECT quota.override('acme/al', 'tokens', NULL);
SELECT allowance, used, remaining FROM quota.check('acme/al', 'tokens');
-- with another period nothing is kept
SELECT quota.override('acme/al', 'tokens', '{"allowance": 40, "period": "week"}');
SELECT allowance, used, remaining FROM quota.check('acme/al', 'tokens');
SELECT remaining FROM quota.debit('acme/al', 'tokens', 3);
SELECT quota.override('acme/al', 'tokens', NULL);
SELECT allowance, used, remaining FROM quota.check('acme/al', 'tokens');
SELECT quota.subscribe('acme/cy', 'solo') > 0 AS subscribed;
SELECT allowance, used, remaining FROM quota.check('acme/cy', 'tokens');
SELECT remaining FROM quota.debit('acme/cy', 'tokens', 4);
SELECT feature, allowance, used, remaining, fits FROM quota.preview('acme/cy', 'own');
SELECT quota.change_plan('acme/cy', 'own') > 0 AS changed;
SELECT allowance, used, remaining FROM quota.check('acme/cy', 'tokens');
SELECT quota.change_plan('acme/cy', 'solo') > 0 AS changed;
SELECT allowance, used, remaining FROM quota.check('acme/cy', 'tokens');
-- a change of the team's terms leaves alone what a member has by itself, such as a share of prorate
SELECT quota.change_plan('acme/cy', 'duo', usage => 'prorate') > 0 AS changed;
SELECT allowance, used, remaining FROM quota.check('acme/cy', 'calls');
SELECT quota.change_plan('acme', 'wide') > 0 AS changed;
SELECT quota.override('acme', 'tokens', '{"allowance": 500, "period": "month", "members": {"allowance": 9, "period": "month"}}');
SELECT quota.override('acme', 'tokens', NULL);
SELECT quota.change_plan('acme', 'daily') > 0 AS changed;
SELECT quota.change_plan('acme', 'team') > 0 AS changed;
SELECT allowance, used, remaining FROM quota.check('acme/cy', 'calls');
SELECT allowance, used, remaining FROM quota.check('acme/cy', 'tokens');
-- what the level above gives is its override's, if it has one
SELECT quota.override('acme', 'tokens', '{"allowance": 500, "period": "month"}');
SELECT allowance, used, remaining FROM quota.check('acme/bo', 'tokens');
SELECT quota.override('acme', 'tokens', '{"allowance": 500, "period": "month", "members": {"allowance": 12, "period": "month", "notify": [80]}}');
SELECT allowance, used, remaining FROM quota.check('acme/bo', 'tokens');
SELECT quota.override('acme', 'tokens', NULL);
SELECT * FROM quota.verify();

--
-- the default plan: for members of whom nobody on the path has a subscription
--
SELECT remaining FROM quota.debit('beta/x', 'tokens', 4);
SELECT * FROM pg_temp.try($$SELECT remaining FROM quota.debit('beta/x', 'tokens', 2)$$);
SELECT remaining FROM quota.debit('beta/y', 'tokens', 5);
SELECT quota.subscribe('beta/x', 'solo') > 0 AS subscribed;
SELECT allowed, reason FROM quota.check('beta/x', 'tokens');

--
-- another plan of the team: kept where period and anchor stay, else from 0; terms and thresholds are the new ones
--
SELECT quota.change_plan('acme', 'wide') > 0 AS changed;
SELECT * FROM pg_temp.used WHERE subject LIKE 'acme/%';
SELECT s AS subject, c.allowance, c.used, c.remaining FROM unnest('{acme/al,acme/bo,acme/cy,acme/new}'::text[]) s, quota.check(s, 'tokens') c;
SELECT quota.change_plan('acme', 'daily') > 0 AS changed;
SELECT s AS subject, c.allowance, c.used, c.remaining FROM unnest('{acme/al,acme/bo,acme/new}'::text[]) s, quota.check(s, 'tokens') c;
SELECT remaining FROM quota.debit('acme/al', 'tokens', 8);
SELECT quota.change_plan('acme', 'team') > 0 AS changed;
SELECT s AS subject, c.allowance, c.used, c.remaining FROM unnest('{acme/al,acme/bo,acme/new}'::text[]) s, quota.check(s, 'tokens') c;
SELECT type, subject, data ->> 'percent' AS percent, data ->> 'used' AS used, data ->> 'allowance' AS allowance
FROM quota.events WHERE type = 'threshold_reached' ORDER BY id;
-- a reset begins anew
SELECT quota.change_plan('acme', 'wide', usage => 'reset') > 0 AS changed;
SELECT allowance, used, remaining FROM quota.check('acme/al', 'tokens');
-- but not of a member with a subscription of its own: for it, as for an override, use goes on
SELECT quota.subscribe('delta', 'team') > 0 AS subscribed, quota.subscribe('delta/own', 'solo') > 0 AS member;
SELECT remaining FROM quota.debit('delta/own', 'tokens', 7);
SELECT quota.change_plan('delta', 'wide', usage => 'reset') > 0 AS changed;
SELECT * FROM pg_temp.used WHERE subject LIKE 'delta/%';
SELECT allowance, used, remaining FROM quota.check('delta/own', 'tokens');
-- what is left rolls over by the limit that was in force at the end
SELECT remaining FROM quota.debit('acme/al', 'tokens', 2);
SELECT quota.change_plan('acme', 'team') > 0 AS changed;
SET quota.clock = '2026-02-20 12:00:00+00';
SELECT allowance, used, remaining FROM quota.check('acme/al', 'tokens');
SELECT remaining FROM quota.debit('acme/al', 'tokens', 14);
SELECT allowance, used, remaining FROM quota.check('delta/own', 'tokens');
SELECT * FROM quota.verify();

--
-- a new version: of a plan by migrate, of the default plan at once
--
SELECT object, name, change FROM quota.apply_catalog(quota.export_catalog()
    #- '{plans,team,entitlements,tokens,members,notify}'
    || '{}') WHERE change <> 'unchanged';
SELECT count(*) FROM quota.apply_catalog(jsonb_set(jsonb_set(quota.export_catalog(),
    '{plans,team,entitlements,tokens,members}', '{"allowance": 16, "period": "month", "rollover": {"max": 9}, "notify": [80]}'),
    '{plans,free,entitlements,tokens,members}', '{"allowance": 7, "period": "month", "rollover": {"max": 9}}')) WHERE change <> 'unchanged';
SELECT allowance, used, remaining FROM quota.check('acme/al', 'tokens');
SELECT quota.migrate('team');
SELECT allowance, used, remaining FROM quota.check('acme/al', 'tokens');
SELECT type, subject, data ->> 'percent' AS percent, data ->> 'used' AS used, data ->> 'allowance' AS allowance
FROM quota.events WHERE type = 'threshold_reached' AND at > '2026-02-01' ORDER BY id;
SELECT allowance, used, remaining FROM quota.check('beta/y', 'tokens');
SELECT remaining FROM quota.debit('beta/y', 'tokens', 1);
SELECT count(*) FROM quota.apply_catalog(jsonb_set(quota.export_catalog(),
    '{plans,free,entitlements,tokens,members,allowance}', '9')) WHERE change <> 'unchanged';
SELECT subject, allowance FROM pg_temp.used WHERE subject = 'beta/y' AND period_start = '2026-02-01';
SET quota.clock = '2026-03-20 12:00:00+00';
SELECT allowance, used, remaining FROM quota.check('beta/y', 'tokens');
SELECT * FROM quota.verify();

--
-- another zone of the team: members' windows move with it
--
SELECT remaining FROM quota.debit('acme/al', 'tokens', 5);
SELECT quota.amend('acme', '{"timezone": "Asia/Tokyo"}') > 0 AS amended;
SELECT allowance, used, remaining, resets_at FROM quota.check('acme/al', 'tokens');
SELECT * FROM quota.verify();
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT * FROM pg_temp.try($$SELECT quota.amend('acme', '{"timezone": "UTC"}')$$);
ROLLBACK;

--
-- holds, refunds and grants
--
SELECT * FROM pg_temp.try($$SELECT remaining FROM quota.reserve('acme/bo', 'tokens', 30)$$);
SELECT id AS hold FROM quota.reserve('acme/bo', 'tokens', 12) \gset
SELECT quota.change_plan('acme', 'own') > 0 AS changed;
-- no account of its own is left: the excess over what was reserved is overdrawn there
SELECT charged, overdrawn FROM quota.settle(:hold, 20);
SELECT quota.change_plan('acme', 'team') > 0 AS changed;
SELECT allowance, used, remaining FROM quota.check('acme/bo', 'tokens');
SELECT remaining FROM quota.credit('acme/bo', 'tokens', 30);
SELECT remaining FROM quota.debit('acme/bo', 'tokens', 3);
SELECT * FROM quota.verify();

--
-- the catalog: said again, exported, and refused
--
SELECT object, name, change FROM quota.apply_catalog(quota.export_catalog()) WHERE change <> 'unchanged';
SELECT quota.export_catalog() #> '{plans,team,entitlements}';
SELECT quota.override('gamma', 'tokens', '{"allowance": 1, "members": {"allowance": 1, "period": "month", "caps": [{"limit": 1, "per": "1 day"}, {"limit": 2, "per": "2 days"}]}}');
-- the same in other words
SELECT quota.override('gamma', 'tokens', '{"members": {"allowance": 1, "period": "1 month", "caps": [{"limit": 2, "per": "2 days"}, {"limit": 1, "per": "day"}]}, "allowance": 1}');
SELECT quota.override('gamma', 'tokens', '{"allowance": 1, "members": {"allowance": 2, "period": "month"}}');
SELECT type, data FROM quota.events WHERE subject = 'gamma' ORDER BY id;
SELECT e.entitlement, pg_temp.try(format('SELECT quota.override(%L, %L, %L)', 'bad', e.feature, e.entitlement)) AS answer
FROM (VALUES
    ('tokens', '{"allowance": 1, "members": null}'),
    ('tokens', '{"allowance": 1, "members": 5}'),
    ('tokens', '{"allowance": 1, "members": {}}'),
    ('tokens', '{"allowance": 1, "members": {"allowance": -1}}'),
    ('tokens', '{"allowance": 1, "members": {"allowance": 1, "limit": 1}}'),
    ('tokens', '{"allowance": 1, "members": {"allowance": 1, "members": {"allowance": 1}}}'),
    ('tokens', '{"allowance": 1, "members": {"allowance": 1}, "times_quantity": true}'),
    ('tokens', '{"allowance": 1, "members": {"allowance": 1, "period": "30 seconds"}}'),
    ('docs', '{"allowance": 1, "members": {"allowance": 1, "period": "month"}}'),
    ('api', '{"rate": {"limit": 1, "per": "1 minute"}, "members": {"allowance": 1}}'),
    ('map', '{"value": true, "members": {"value": 1}}'),
    ('mb', '{"members": {"value": 1}}')) e(feature, entitlement);
SELECT count(*) FROM quota_internal.subject_override WHERE subject = 'bad';
-- seats, for each member: times the quantity of the subscription that the member depends on
SELECT quota.amend('acme', '{"quantity": 3}') > 0 AS amended;
SELECT quota.override('acme', 'calls', '{"allowance": 90, "period": "month", "members": {"allowance": 4, "period": "month", "times_quantity": true}}');
SELECT allowance FROM quota.check('acme/al', 'calls');
SELECT * FROM pg_temp.try($$SELECT quota.amend('acme', '{"quantity": 9223372036854775807}')$$);

--
-- a record, a simulation, a rename and the end
--
SELECT remaining FROM quota.record('acme/al', 'tokens', 2, at => '2026-03-02 12:00+00');
SELECT subject, used, allowance_now, allowance_then, blocked_now, blocked_then
FROM quota.simulate(jsonb_set(quota.export_catalog(), '{plans,team,entitlements,tokens,members,allowance}', '6'), '2026-03-01') WHERE subject LIKE 'acme%' AND feature = 'tokens';
-- a limit of members that goes stops nobody
SELECT subject, used, allowance_now, allowance_then, blocked_now, blocked_then
FROM quota.simulate(quota.export_catalog() #- '{plans,team,entitlements,tokens,members}', '2026-03-01') WHERE subject LIKE 'acme%' AND feature = 'tokens';
SELECT quota.rename('acme', 'acne') > 0 AS renamed;
SELECT allowance, used, remaining FROM quota.check('acne/al', 'tokens');
SELECT quota.cancel('acne', 'now') > '2026-01-01' AS cancelled;
SELECT allowance, used, remaining FROM quota.check('acne/al', 'tokens');
SELECT quota.forget('acne') > 0 AS forgotten;
SELECT * FROM quota.verify();
