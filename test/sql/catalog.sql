--
-- apply_catalog and export_catalog: from nothing through versions, retirement
-- and a moving default plan
--
SET client_min_messages = warning;
\set SHOW_CONTEXT never
DROP EXTENSION IF EXISTS quota CASCADE;
CREATE EXTENSION quota CASCADE;
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/include/catalog.psql'
\i :helpers
SET quota.clock = '2026-01-15 12:00+00';

CREATE VIEW pg_temp.versions AS
SELECT p.name, v.version AS v, v.period AS billing, p.is_default AS def, p.retired_at IS NOT NULL AS retired,
       (SELECT string_agg(concat_ws(' ', f.name, coalesce((e.terms).value::text, coalesce((e.terms).allowance::text, 'unlimited')),
                                    'per ' || (e.terms).period, nullif((e.terms).anchor, 'calendar'), (e.terms).anchor_at), ', ' ORDER BY f.name)
        FROM quota_internal.entitlement e JOIN quota_internal.feature f ON f.id = e.feature_id WHERE e.plan_version_id = v.id) AS gives
FROM quota_internal.plan p LEFT JOIN quota_internal.plan_version v ON v.plan_id = p.id
ORDER BY p.name, v.version;
\ir include/rows.psql
CREATE VIEW pg_temp.buckets AS
SELECT b.subject, b.feature, b.source_id AS source, b.period_start, b.period_end, b.used, b.overdrawn AS over, b.moved_start
FROM pg_temp.window_rows b
ORDER BY b.subject, b.feature, b.source_id, b.period_start, b.period_end, b.generation;

--
-- from nothing
--
SELECT quota.export_catalog();
SELECT * FROM quota.apply_catalog('{}');
SELECT * FROM quota.apply_catalog('{"features": {}, "plans": {}, "actions": {}}');
CREATE TEMP TABLE start AS SELECT '{
    "features": {"tokens": {"kind": "metered", "unit": "token", "title": "Tokens"}, "calls": {"kind": "metered"},
                 "docs": {"kind": "capacity"}, "api": {"kind": "rate"}, "mindmap": {"kind": "boolean"}, "max_mb": {"kind": "static"},
                 "a.b:c-d_9": {"kind": "metered"}},
    "plans": {"free": {"default": true, "title": "Free", "metadata": {"price_cents": 0, "nothing": null},
                       "entitlements": {"tokens": {"allowance": 10, "period": "month", "anchor": "calendar"}, "docs": {"allowance": 3},
                                        "mindmap": {"value": false}, "max_mb": {"value": null}}},
              "pro": {"period": "year", "external_ids": ["price_123", "prod_9"],
                      "entitlements": {"tokens": {"allowance": 9223372036854775807, "period": "2 weeks", "anchor": "subscription"},
                                       "calls": {"allowance": 0, "period": "day", "anchor": "2026-01-31T00:00:00+01:00"},
                                       "docs": {"allowance": null}, "mindmap": {"value": true}, "max_mb": {"value": {"pdf": [5, null]}},
                                       "a.b:c-d_9": {"allowance": 100}}},
              "Größe 2/«x»; drop table": {}}}'::jsonb AS catalog;
SELECT * FROM quota.apply_catalog((SELECT catalog FROM start), dry_run => true);
-- a dry run changes nothing, not even a sequence
SELECT quota.export_catalog(), (SELECT is_called FROM quota_internal.feature_id_seq), (SELECT is_called FROM quota_internal.plan_id_seq);
SELECT * FROM quota.apply_catalog((SELECT catalog FROM start));
SELECT * FROM quota.apply_catalog((SELECT catalog FROM start));
SELECT * FROM pg_temp.versions;
SELECT jsonb_pretty(quota.export_catalog());
SELECT pg_temp.apply(quota.export_catalog());

-- the same under any settings of the session, also what is read back
SET TimeZone = 'America/New_York';
SET DateStyle = 'German, DMY';
SET IntervalStyle = 'sql_standard';
CREATE TEMP TABLE exported AS SELECT quota.export_catalog() AS catalog;
SELECT pg_temp.apply(catalog) FROM start;
RESET IntervalStyle;
SET TimeZone = 'UTC';
SET DateStyle = 'ISO, YMD';
SELECT quota.export_catalog() = catalog FROM exported;
SELECT pg_temp.apply(catalog) FROM exported;

-- in a read-only transaction only a dry run
BEGIN READ ONLY;
SELECT change FROM quota.apply_catalog((SELECT jsonb_set(catalog, '{plans,pro,period}', '"day"') FROM start), true) WHERE name = 'pro';
SELECT change FROM quota.apply_catalog((SELECT jsonb_set(catalog, '{plans,pro,period}', '"day"') FROM start)) WHERE name = 'pro';
ROLLBACK;
-- all or nothing: taken back with its transaction
BEGIN;
SELECT pg_temp.apply('{"features": {}, "plans": {"free": null}}');
SELECT quota.export_catalog();
ROLLBACK;
SELECT pg_temp.apply(catalog) FROM start;

--
-- what makes a version
--
SELECT pg_temp.set('{plans,pro,title}', '"Pro"');
SELECT pg_temp.set('{plans,pro,metadata}', '{"price_cents": 1900}');
SELECT pg_temp.set('{plans,pro,external_ids}', '["prod_9"]');
SELECT pg_temp.set('{features,tokens,title}', '"LLM tokens"');
SELECT pg_temp.remove('{features,tokens,unit}');
SELECT * FROM pg_temp.versions WHERE name = 'pro';
-- the same in other words is none
SELECT pg_temp.set('{plans,pro,period}', '"12 months"'), pg_temp.set('{plans,pro,entitlements,tokens,period}', '"14 days"'),
       pg_temp.set('{plans,pro,entitlements,calls,anchor}', '"2026-01-30 23:00:00.000Z"'),
       pg_temp.set('{plans,pro,entitlements,a.b:c-d_9,allowance}', '1e2'),
       pg_temp.set('{plans,pro,metadata}', '{"price_cents": 1900.0}');
SELECT * FROM pg_temp.versions WHERE name = 'pro';
SELECT pg_temp.set('{plans,pro,period}', '"month"');
SELECT pg_temp.set('{plans,pro,period}', '"30 days"');
SELECT pg_temp.set('{plans,pro,entitlements,docs,allowance}', '100');
SELECT pg_temp.set('{plans,pro,entitlements,max_mb,value}', '50');
SELECT pg_temp.set('{plans,pro,entitlements,calls,anchor}', '"2026-01-30T22:59:59.999999+00"');
SELECT pg_temp.remove('{plans,pro,entitlements,mindmap}');
-- back to what version 1 gave is a version too, and other changes come along
SELECT pg_temp.apply(jsonb_set(catalog, '{plans,pro,title}', '"Professional"')) FROM start;
SELECT * FROM pg_temp.versions WHERE name = 'pro';
SELECT quota.export_catalog() #> '{plans,pro,entitlements,calls}';

-- a subscriber keeps the version until moved
SELECT quota.subscribe('acme', 'pro') AS acme \gset
SELECT pg_temp.set('{plans,pro,entitlements,docs,allowance}', '7');
SELECT version, (quota.check('acme', 'docs')).allowance FROM quota.subscriptions WHERE subject = 'acme';
SELECT quota.change_plan('acme', 'pro') = :acme;
SELECT version, (quota.check('acme', 'docs')).allowance FROM quota.subscriptions WHERE subject = 'acme';

--
-- parts that are missing stay as they are
--
SELECT pg_temp.apply('{"features": {"extra": {"kind": "boolean"}}}' || jsonb_build_object('plans', quota.export_catalog() -> 'plans')
                     #- '{features}') AS plans_only;
SELECT pg_temp.apply(jsonb_build_object('features', quota.export_catalog() -> 'features' || '{"extra": {"kind": "boolean"}}')) AS features_only;
SELECT pg_temp.apply(jsonb_build_object('plans', jsonb_set(quota.export_catalog() -> 'plans', '{free,entitlements,extra}', '{"value": true}'))) AS plans_only;
SELECT * FROM quota.apply_catalog('{"actions": {}}');

--
-- retired, and back again
--
SELECT pg_temp.remove('{plans,pro}');
SELECT name, def, retired, max(v) FROM pg_temp.versions GROUP BY 1, 2, 3 ORDER BY 1;
SELECT retired_at FROM quota_internal.plan WHERE name = 'pro';
SELECT plan, version, (quota.check('acme', 'docs')).allowance FROM quota.subscriptions WHERE subject = 'acme';
SELECT quota.subscribe('other', 'pro');
SELECT quota.export_catalog() -> 'plans' ? 'pro';
SELECT pg_temp.apply(quota.export_catalog());
-- the same terms: no new version
SELECT pg_temp.set('{plans,pro}', catalog #> '{plans,pro}') FROM (SELECT jsonb_set(catalog, '{plans,pro,entitlements,docs,allowance}', '7') FROM start) s (catalog);
SELECT retired, max(v) FROM pg_temp.versions WHERE name = 'pro' GROUP BY 1;
SELECT pg_temp.remove('{plans,pro}');
-- other terms
SELECT pg_temp.set('{plans,pro}', '{"entitlements": {"docs": {"allowance": 8}}}');
SELECT retired, max(v) FROM pg_temp.versions WHERE name = 'pro' GROUP BY 1;
-- a default plan that is retired is no default any more, also when it comes back
CREATE TEMP TABLE kept AS SELECT quota.export_catalog() AS catalog;
SELECT (quota.check('nobody', 'docs')).allowance;
SELECT pg_temp.remove('{plans,free}');
SELECT pg_temp.set('{plans,free}', 'null');
SELECT (quota.check('nobody', 'docs')).reason;
SELECT pg_temp.apply(catalog #- '{plans,free,default}') FROM kept;
SELECT (quota.check('nobody', 'docs')).reason;
SELECT pg_temp.set('{plans,free,default}', 'true');
SELECT (quota.check('nobody', 'docs')).allowance;
-- the flag moves to a plan before and to one after its own in the order
SELECT pg_temp.apply(jsonb_set(catalog #- '{plans,free,default}', '{plans,Größe 2/«x»; drop table,default}', 'true')) FROM kept;
SELECT pg_temp.apply(jsonb_set(catalog #- '{plans,free,default}', '{plans,pro,default}', 'true')) FROM kept;
SELECT pg_temp.apply(catalog) FROM kept;
SELECT name FROM quota_internal.plan WHERE is_default;

--
-- features that go, or change their kind
--
SELECT pg_temp.remove('{features,api}');
SELECT pg_temp.set('{features,api}', '{"kind": "rate", "title": "API"}');
SELECT pg_temp.set('{features,api,kind}', '"static"');
SELECT pg_temp.remove('{features,api}');
-- out of the plans and the features at once: nobody has the version that names it, so it goes too
SELECT max(v) FROM pg_temp.versions WHERE name = 'free';
SELECT pg_temp.apply(quota.export_catalog() #- '{plans,free,entitlements,extra}' #- '{features,extra}');
SELECT v, gives FROM pg_temp.versions WHERE name = 'free';
-- so does a retired plan that nobody ever had
SELECT pg_temp.apply(jsonb_set(jsonb_set(quota.export_catalog(), '{features,extra}', '{"kind": "boolean"}'),
                               '{plans,extra}', '{"entitlements": {"extra": {"value": true}}}'));
SELECT pg_temp.apply(quota.export_catalog() #- '{plans,extra}');
SELECT count(*) FROM quota_internal.plan WHERE name = 'extra';
SELECT pg_temp.remove('{features,extra}');
SELECT count(*) FROM quota_internal.plan WHERE name = 'extra';
-- another kind for one that no plan gives any more
SELECT pg_temp.apply(jsonb_set(jsonb_set(quota.export_catalog(), '{features,extra}', '{"kind": "metered"}'),
                               '{plans,extra}', '{"entitlements": {"extra": {"allowance": 5}}}'));
SELECT pg_temp.remove('{plans,extra,entitlements,extra}');
SELECT pg_temp.apply(jsonb_set(jsonb_set(quota.export_catalog(), '{features,extra,kind}', '"capacity"'),
                               '{plans,extra,entitlements,extra}', '{"allowance": 5}'));
SELECT * FROM pg_temp.versions WHERE name = 'extra';
-- use that was given back is none
SELECT pg_temp.set('{plans,free,entitlements,extra}', '{"allowance": 5}');
SELECT id > 0 FROM quota.debit('gone', 'extra', 5);
SELECT id > 0 FROM quota.give_back('gone', 'extra', 5);
SELECT pg_temp.apply(quota.export_catalog() #- '{plans,free,entitlements,extra}' #- '{plans,extra}' #- '{features,extra}');
SELECT count(*) FROM pg_temp.window_use WHERE subject = 'gone';

--
-- a new version of the default plan: use goes on in the new window
--
SELECT pg_temp.apply('{"features": {"tokens": {"kind": "metered"}, "calls": {"kind": "metered"}, "docs": {"kind": "capacity"},
                                    "mindmap": {"kind": "boolean"}, "max_mb": {"kind": "static"}, "a.b:c-d_9": {"kind": "metered"}},
                       "plans": {"pro": {"entitlements": {"tokens": {"allowance": 100, "period": "month"}}},
                                 "free": {"default": true, "entitlements": {"tokens": {"allowance": 20, "period": "month"},
                                                                            "calls": {"allowance": 5}, "docs": {"allowance": 3}}}}}');
SELECT id > 0 FROM quota.debit('solo', 'tokens', 4);
SELECT id > 0 FROM quota.debit('solo', 'calls', 2);
SELECT id > 0 FROM quota.debit('solo', 'docs', 1);
-- deeper levels have no account; two with an override, one of them on this feature; one with a subscription later
SELECT id > 0 FROM quota.debit('team/alice', 'tokens', 5);
SELECT quota.override('vip', 'tokens', '{"allowance": 50, "period": "month"}');
SELECT quota.override('team/alice', 'tokens', '{"allowance": 6, "period": "month"}');
SELECT id > 0 FROM quota.debit('vip', 'tokens', 7);
SELECT id > 0 FROM quota.debit('team/alice', 'tokens', 1);
SELECT id > 0 FROM quota.debit('buyer', 'tokens', 8);
SELECT quota.subscribe('buyer', 'pro') AS buyer \gset
SELECT id > 0 FROM quota.debit('buyer', 'tokens', 30);
CREATE VIEW pg_temp.shown AS
SELECT subject, feature, CASE source WHEN 0 THEN 'default' ELSE 'subscription' END AS source, period_start, period_end, used, moved_start FROM pg_temp.buckets
WHERE feature <> 'docs';
SELECT * FROM pg_temp.shown;
-- another limit moves nothing
SELECT pg_temp.set('{plans,free,entitlements,tokens,allowance}', '21');
SELECT count(*) FROM quota.ledger WHERE kind = 'transfer';
-- another period does
SELECT pg_temp.set('{plans,free,entitlements,tokens,period}', '"day"');
SELECT * FROM pg_temp.shown;
SELECT account, feature, kind, source, amount FROM quota.ledger WHERE kind = 'transfer' ORDER BY id;
SELECT s, used, remaining, resets_at FROM unnest('{solo,team,team/alice,vip,buyer,nobody}'::text[]) s, quota.check(s, 'tokens');
-- who cancels finds the default plan's use again: subscribing has renewed nothing
BEGIN;
SELECT quota.cancel('buyer', 'now');
SELECT used, remaining, resets_at FROM quota.check('buyer', 'tokens');
ROLLBACK;
SELECT id > 0 FROM quota.debit('solo', 'tokens', 3);
-- back on the next day: that day's use goes along, and the marks of the day before end
SET quota.clock = '2026-01-16 09:00+00';
SELECT id > 0 FROM quota.debit('team', 'tokens', 1);
SELECT pg_temp.set('{plans,free,entitlements,tokens,period}', '"1 month"');
SELECT * FROM pg_temp.shown WHERE feature = 'tokens' AND subject IN ('solo', 'team');
SELECT s, used, resets_at FROM unnest('{solo,team}'::text[]) s, quota.check(s, 'tokens');
SELECT id > 0 FROM quota.debit('solo', 'tokens', 2);
-- a lifetime becomes a period, and a period begins where the old one did
SELECT pg_temp.apply(jsonb_set(jsonb_set(quota.export_catalog(), '{plans,free,entitlements,calls}', '{"allowance": 5, "period": "hour"}'),
                               '{plans,free,entitlements,tokens,period}', '"year"'));
SELECT * FROM pg_temp.shown WHERE subject = 'solo';
SELECT f, used, resets_at FROM unnest('{calls,tokens}'::text[]) f, quota.check('solo', f);
-- without the feature for a while: what was moved comes back with the window
SELECT pg_temp.set('{plans,free,entitlements,tokens,period}', '"day"');
SELECT pg_temp.remove('{plans,free,entitlements,tokens}');
SELECT reason FROM quota.check('solo', 'tokens');
SELECT pg_temp.set('{plans,free,entitlements,tokens}', '{"allowance": 20, "period": "month"}');
SELECT used, resets_at FROM quota.check('solo', 'tokens');
SELECT * FROM pg_temp.shown WHERE subject = 'solo' AND feature = 'tokens';
-- another plan becomes the default; the zone is UTC and an anchor "subscription" counts as calendar
SELECT pg_temp.apply(jsonb_set(jsonb_set(quota.export_catalog() #- '{plans,free,default}', '{plans,pro,default}', 'true'),
                               '{plans,pro,entitlements,tokens}', '{"allowance": 100, "period": "week", "anchor": "subscription"}'));
SELECT used, remaining, resets_at FROM quota.check('solo', 'tokens');
SELECT pg_temp.set('{plans,pro,entitlements,tokens,anchor}', '"2026-01-16T00:00:00+05:00"');
SELECT used, remaining, resets_at FROM quota.check('solo', 'tokens');

--
-- actions
--
CREATE VIEW pg_temp.prices AS
SELECT a.name, a.retired_at,
       (SELECT string_agg(f.name, ', ' ORDER BY f.name) FROM quota_internal.action_require r JOIN quota_internal.feature f ON f.id = r.feature_id WHERE r.action_id = a.id) AS requires,
       (SELECT string_agg(f.name || ' ' || c.base, ', ' ORDER BY f.name) FROM quota_internal.action_charge c JOIN quota_internal.feature f ON f.id = c.feature_id WHERE c.action_id = a.id) AS charges,
       (SELECT string_agg(concat_ws(' ', f.name, nullif(p.dimension, ''), p.per_unit), ', ' ORDER BY f.name, p.dimension)
        FROM quota_internal.action_price p JOIN quota_internal.feature f ON f.id = p.feature_id WHERE p.action_id = a.id) AS prices
FROM quota_internal.action a ORDER BY a.name;
CREATE TEMP TABLE book AS SELECT '{
    "mindmap.generate": {"requires": ["mindmap"], "charges": {"tokens": {"base": 500}}},
    "chat": {"charges": {"tokens": {"per_unit": {"output": 4.0, "input": 1}}}},
    "Größe 2/«x»; drop table": {"requires": ["tokens", "a.b:c-d_9", "docs", "mindmap", "max_mb"]},
    "embed": {"charges": {"tokens": {"per_unit": 0.10}, "docs": {"base": 1.50, "per_unit": 0}, "calls": {"base": 0}}},
    "free": {}}'::jsonb AS actions;
SELECT * FROM quota.apply_catalog((SELECT jsonb_build_object('actions', actions) FROM book), true);
SELECT quota.export_catalog() -> 'actions', (SELECT is_called FROM quota_internal.action_id_seq);
SELECT pg_temp.apply(jsonb_build_object('actions', actions)) FROM book;
SELECT pg_temp.apply(jsonb_build_object('actions', actions)) FROM book;
SELECT * FROM pg_temp.prices;
SELECT jsonb_pretty(quota.export_catalog() -> 'actions');
SELECT pg_temp.apply(quota.export_catalog());
-- the last rows of the answer
SELECT object, name, change FROM quota.apply_catalog(quota.export_catalog()) WITH ORDINALITY ORDER BY ordinality DESC LIMIT 6;
-- the same in other words, numbers by value
SELECT pg_temp.set('{actions,chat,charges,tokens,per_unit,output}', '4'), pg_temp.set('{actions,chat,charges,tokens,per_unit,output}', '0.4e1'),
       pg_temp.set('{actions,chat,charges,tokens,base}', '0.00'), pg_temp.set('{actions,embed,charges,tokens,per_unit}', '1e-1'),
       pg_temp.set('{actions,chat,requires}', '[]'), pg_temp.set('{actions,free,charges}', '{}'),
       pg_temp.set('{actions,Größe 2/«x»; drop table,requires}', '["mindmap", "docs", "tokens", "max_mb", "a.b:c-d_9"]');
-- what differs
SELECT pg_temp.set('{actions,chat,charges,tokens,per_unit,output}', '4.00000000000000000000000000000000000000000000000001');
SELECT pg_temp.remove('{actions,chat,charges,tokens,per_unit,input}');
SELECT pg_temp.set('{actions,chat,charges,tokens,per_unit,cached}', '0');
SELECT pg_temp.remove('{actions,embed,charges,docs,per_unit}');
SELECT pg_temp.remove('{actions,embed,charges,calls}');
SELECT pg_temp.set('{actions,free,requires}', '["mindmap"]');
SELECT pg_temp.remove('{actions,mindmap.generate,requires}');
SELECT * FROM pg_temp.prices;
-- one number of units becomes dimensions
SELECT pg_temp.set('{actions,embed,charges,tokens,per_unit}', '{"pages": 9223372036854775807}');
SELECT quota.export_catalog() #> '{actions,embed}';
-- retired, which is told once, and back again
SELECT pg_temp.remove('{actions,chat}');
SELECT * FROM quota.apply_catalog('{"actions": {"free": {}}}');
SELECT name, retired_at, requires, charges, prices FROM pg_temp.prices WHERE name IN ('chat', 'embed');
SELECT quota.export_catalog() -> 'actions';
SELECT pg_temp.apply(jsonb_build_object('actions', actions)) FROM book;
SELECT * FROM pg_temp.prices WHERE name IN ('chat', 'embed');
SELECT pg_temp.apply('{"actions": {}}');
-- a feature that an action stays with, and one that goes from both at once
SELECT pg_temp.apply(jsonb_set(jsonb_set(quota.export_catalog(), '{features,pages}', '{"kind": "metered"}'),
                               '{actions,scan}', '{"charges": {"pages": {"base": 1}}}'));
SELECT pg_temp.apply(quota.export_catalog() #- '{actions,scan}' #- '{features,pages}');
SELECT pg_temp.apply(jsonb_set(jsonb_set(quota.export_catalog(), '{features,pages}', '{"kind": "boolean"}'),
                               '{actions,scan}', '{"requires": ["pages"]}'));
SELECT pg_temp.set('{actions,scan}', '{}');
SELECT pg_temp.set('{features,pages,kind}', '"metered"');
SELECT pg_temp.apply(jsonb_build_object('actions', '{"scan": {"charges": {"pages": {"per_unit": 1}}}}'::jsonb));
SELECT pg_temp.apply(quota.export_catalog() #- '{actions}');

-- all of it adds up
SELECT b.subject, b.feature_id, b.used, b.overdrawn FROM pg_temp.window_use b
WHERE b.used + b.overdrawn <> (SELECT coalesce(sum(e.amount), 0) FROM quota_internal.ledger_entry e
                               WHERE (e.account, e.feature_id, e.source_id, e.period_start, e.period_end) = (b.subject, b.feature_id, b.source_id, b.period_start, b.period_end));
