--
-- State: check, has, setting, status, me and offers, for every kind of feature
--
SET client_min_messages = warning; DROP EXTENSION IF EXISTS quota CASCADE; CREATE EXTENSION quota CASCADE;
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/include/enforcement.psql'
\i :helpers
SET quota.clock = '2026-04-15 12:00:00+00';
SELECT count(*) FROM quota.apply_catalog('{
    "features": {"tokens": {"kind": "metered", "unit": "token", "title": "Tokens"}, "docs": {"kind": "capacity", "unit": "document"},
                 "mindmap": {"kind": "boolean"}, "max_mb": {"kind": "static", "unit": "MB"}, "models": {"kind": "static"}},
    "plans": {"free": {"default": true, "title": "Free", "metadata": {"cents": 0},
                       "entitlements": {"tokens": {"allowance": 10, "period": "month"}, "docs": {"allowance": 2},
                                        "mindmap": {"value": false}, "max_mb": {"value": 5}}},
              "pro": {"title": "Pro", "period": "year", "metadata": {"cents": 900, "tags": ["best"]},
                      "entitlements": {"tokens": {"allowance": 1000, "period": "month", "anchor": "subscription"}, "docs": {"allowance": 50},
                                       "mindmap": {"value": true}, "max_mb": {"value": 50}, "models": {"value": ["a", {"b": null}]}}},
              "max": {"title": "Max", "entitlements": {"tokens": {"allowance": null, "period": "month"}, "docs": {"allowance": null}, "mindmap": {"value": true}}},
              "tiny": {"entitlements": {"tokens": {"allowance": 12, "period": "month"}}},
              "odd": {"entitlements": {"max_mb": {"value": null}}}}}');

-- A subject that nobody has heard of: the default plan's.
SELECT * FROM quota.status('ann');
SELECT jsonb_pretty(quota.me('ann'));
-- metered
SELECT quota.subscribe('odo', 'odd');
SELECT * FROM quota.check('ann', 'tokens');
SELECT * FROM quota.check('ann', 'tokens', 10);
SELECT * FROM quota.check('ann', 'tokens', 11);
SELECT remaining FROM quota.debit('ann', 'tokens', 9);
SELECT * FROM quota.check('ann', 'tokens', 2);
-- check charges nothing, leaves nothing
SELECT (SELECT count(*) FROM quota.ledger) AS entries, (SELECT count(*) FROM quota.denials) AS denials, (SELECT count(*) FROM pg_temp.window_use) AS buckets;
-- capacity
SELECT * FROM quota.check('ann', 'docs', 3);
-- boolean: off is not entitled
SELECT * FROM quota.check('ann', 'mindmap');
SELECT quota.subscribe('pia', 'pro');
SELECT * FROM quota.check('pia', 'mindmap', 1000);
-- not in the plan
SELECT * FROM quota.check('odo', 'tokens');

-- static: no amount to check
SELECT pg_temp.try($$SELECT quota.check('ann', 'max_mb')$$);
SELECT pg_temp.try($$SELECT quota.offers('ann', 'max_mb')$$);

-- has: entitled and active, whatever the kind and the room
SELECT feature, quota.has('ann', feature) AS ann, quota.has('pia', feature) AS pia FROM unnest('{tokens,docs,mindmap,max_mb,models}'::text[]) feature;
SELECT remaining FROM quota.debit('ann', 'tokens');
SELECT quota.has('ann', 'tokens') AS used_up_is_entitled;
-- setting: static and boolean only
SELECT feature, quota.setting('ann', feature) AS ann, quota.setting('pia', feature) AS pia FROM unnest('{tokens,docs,mindmap,max_mb,models}'::text[]) feature;
-- a static feature whose value is JSON null is given nevertheless: that is not SQL NULL
SELECT quota.has('odo', 'max_mb'), quota.setting('odo', 'max_mb') IS NULL AS is_null, quota.setting('odo', 'max_mb');
-- NULL arguments: for policies, so false and NULL, not an error
SELECT quota.has(NULL, 'tokens'), quota.has('ann', NULL), quota.setting(NULL, 'max_mb'), quota.setting('ann', NULL);
-- an unknown feature is a mistake of the program everywhere
SELECT f, pg_temp.code(format('SELECT quota.%s(''ann'', ''nothing'')', f)) FROM unnest('{check,has,setting,offers}'::text[]) f;

-- boolean and static: the deepest level that defines it wins.
SELECT quota.override('pia/low', 'max_mb', '{"value": 7}'), quota.override('pia/low', 'mindmap', '{"value": false}');
SELECT s, quota.setting(s, 'max_mb') AS max_mb, quota.has(s, 'max_mb') AS has, quota.setting(s, 'mindmap') AS mindmap, quota.has(s, 'mindmap') AS has
FROM unnest('{pia,pia/x,pia/low,pia/low/x}'::text[]) s;
SELECT pg_temp.code($$SELECT quota.debit('pia/low/x', 'mindmap')$$);
SELECT feature, allowed, value FROM quota.status('pia/low/x') WHERE kind IN ('boolean', 'static');
SELECT quota.override('ann', 'mindmap', '{"value": true}');
SELECT quota.has('ann', 'mindmap'), quota.has('ann/x', 'mindmap'), quota.setting('ann', 'mindmap');

-- Everything used: every column of status, every key of me.
SELECT remaining FROM quota.debit('pia/x', 'tokens', 1000);
SELECT remaining FROM quota.debit('pia/x', 'docs', 3);
SELECT * FROM quota.status('pia');
SELECT jsonb_pretty(quota.me('pia/x'));
-- the keys are those of the contract
SELECT array_agg(k ORDER BY k) FROM jsonb_object_keys(quota.me('pia')) k;
SELECT array_agg(k ORDER BY k) FROM jsonb_object_keys(quota.me('pia') -> 'plan') k;
SELECT DISTINCT array_agg(k ORDER BY k) FROM jsonb_each(quota.me('pia') -> 'features') f, jsonb_object_keys(f.value) k GROUP BY f.key;
-- the plan is that of the deepest subscribed prefix
SELECT quota.subscribe('pia/x', 'tiny');
SELECT s, quota.me(s) #>> '{plan,name}' AS plan, quota.me(s) #> '{features,tokens,remaining}' AS remaining FROM unnest('{pia,pia/x,pia/x/y,pia/z}'::text[]) s;
-- times in the session's zone, with offset
SET TimeZone = 'Europe/Berlin';
SELECT quota.me('pia') #>> '{plan,current_period_end}' AS current_period_end, quota.me('pia') #>> '{features,tokens,resets_at}' AS resets_at;
SET TimeZone = 'UTC';

-- Inactive: refused for every kind.
SELECT quota.subscribe('pam', 'pro');
SELECT remaining FROM quota.debit('pam', 'tokens', 600);
SELECT quota.set_status('pam', 'past_due');
SELECT * FROM quota.check('pam', 'tokens');
SELECT * FROM quota.check('pam', 'mindmap');
SELECT * FROM quota.check('pam', 'tokens', 2000);
SELECT feature, quota.has('pam', feature), quota.setting('pam', feature) FROM unnest('{tokens,docs,mindmap,max_mb,models}'::text[]) feature;
SELECT * FROM quota.status('pam');
SELECT quota.me('pam') #>> '{plan,status}' AS status, quota.me('pam') #> '{features,tokens}' AS tokens;
SELECT (pg_temp.refusal('pam/x', 'mindmap', 1)).*;
-- one inactive account refuses the path, wherever it is
SELECT quota.set_status('pia', 'paused');
SELECT allowed, reason, remaining, blocked_by FROM quota.check('pia/x', 'tokens');
SELECT quota.set_status('pia', 'active'), quota.set_status('pia/x', 'paused');
SELECT allowed, reason, remaining, blocked_by FROM quota.check('pia/x/y', 'tokens');
SELECT allowed, reason, remaining, blocked_by FROM quota.check('pia', 'tokens');
-- but a level that is no account of the feature refuses nothing ("tiny" has no docs)
SELECT allowed, reason, remaining, blocked_by FROM quota.check('pia/x', 'docs');
SELECT quota.set_status('pia/x', 'active'), quota.set_status('pam', 'active');

-- me, over the life of a subscription: trial, cancelled, future
SELECT quota.subscribe('tri', 'pro', trial => '14 days', timezone => 'America/New_York');
SELECT quota.me('tri') -> 'plan' AS plan;
SELECT quota.set_status('tri', 'active');
SELECT quota.cancel('tri');
SELECT quota.me('tri') -> 'plan' AS plan;
SELECT quota.subscribe('fut', 'pro', starts_at => '2026-05-01');
SELECT quota.me('fut') -> 'plan' AS plan;

-- offers: what would allow it. By allowance, unlimited last; never the present plan.
SELECT * FROM quota.offers('ann', 'tokens');
SELECT * FROM quota.offers('ann', 'tokens', 13);
SELECT * FROM quota.offers('ann', 'tokens', 1001);
SELECT * FROM quota.offers('ann', 'docs', 3);
SELECT * FROM quota.offers('ann', 'mindmap');
SELECT * FROM quota.offers('eve', 'mindmap');
-- under a subscription the use is kept, so "tiny" and "free" do not help pam, who used 600
SELECT plan FROM quota.offers('pam', 'tokens');
SELECT plan FROM quota.offers('pam', 'tokens', 500);
-- what is above on the path counts on: pia has used all there is, whatever pia/x had
SELECT plan FROM quota.offers('pia/x', 'tokens', 13);
SELECT * FROM quota.debit('ann', 'docs', 2);
SELECT plan, allowance FROM quota.offers('ann', 'docs', 49);
-- an override stays over plans, so no plan helps
SELECT quota.override('uli', 'tokens', '{"allowance": 0}');
SELECT * FROM quota.offers('uli', 'tokens');
-- a retired plan is not offered
SELECT object, name, change FROM quota.apply_catalog(quota.export_catalog() #- '{plans,tiny}') WHERE change <> 'unchanged';
SELECT plan FROM quota.offers('ann', 'tokens');
SELECT remaining FROM quota.check('pia/x', 'tokens');

-- They see their own transaction's charges, and a savepoint's rollback.
BEGIN;
SELECT remaining FROM quota.debit('own', 'tokens', 4);
SAVEPOINT s;
SELECT remaining FROM quota.debit('own', 'tokens', 4);
SELECT used FROM quota.check('own', 'tokens');
ROLLBACK TO s;
SELECT used FROM quota.check('own', 'tokens');
COMMIT;
-- STABLE: one statement sees one state
SELECT c.used AS before, d.remaining, (quota.check('own', 'tokens')).used AS same
FROM quota.check('own', 'tokens') c, LATERAL quota.debit('own', 'tokens', 1 + 0 * c.used) d;

-- In a policy and a WHERE.
CREATE TABLE regress_rows (tenant text, n int);
INSERT INTO regress_rows SELECT t, n FROM unnest(ARRAY['pia', 'ann', 'eve', NULL]) t, generate_series(1, 2) n;
SELECT * FROM regress_rows WHERE quota.has(tenant, 'mindmap') ORDER BY 1, 2;
SELECT tenant, quota.setting(tenant, 'max_mb') FROM regress_rows WHERE n = 1 ORDER BY 1;
DROP TABLE regress_rows;

-- No default plan: nobody has anything.
SELECT count(*) FROM quota.apply_catalog(jsonb_set(quota.export_catalog(), '{plans,free,default}', 'false'));
SELECT feature, plan, allowed, allowance, used, remaining, value FROM quota.status('ann');
SELECT quota.me('ann/x') -> 'plan' AS plan;
SELECT plan FROM quota.offers('ann', 'tokens');
SELECT * FROM quota.verify();
-- An empty catalog.
DROP EXTENSION quota CASCADE; CREATE EXTENSION quota;
SELECT * FROM quota.status('ann');
SELECT quota.me('ann');
SELECT pg_temp.code($$SELECT quota.check('ann', 'tokens')$$);
