--
-- What is for sale: plans(), plans that are not listed, quote(), and titles
--
SET client_min_messages = warning;
\set SHOW_CONTEXT never
DROP EXTENSION IF EXISTS quota CASCADE;
CREATE EXTENSION quota CASCADE;
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/include/calls.psql'
\i :helpers
SET quota.clock = '2026-01-15 12:00+00';

SELECT count(*) FROM quota.plans();
SELECT name, change FROM quota.apply_catalog('{
    "features": {"tokens": {"kind": "metered", "unit": "token", "title": "LLM tokens"}, "docs": {"kind": "capacity", "title": "Größe \"x\""}, "calls": {"kind": "metered"},
                 "money": {"kind": "metered", "unit": "micro-dollar"}},
    "plans": {"free": {"default": true, "title": "Free", "entitlements": {"tokens": {"allowance": 1000, "period": "month"}, "docs": {"allowance": 5}}},
              "pro": {"title": "Pro", "metadata": {"price_cents": 900}, "period": "year", "entitlements": {"tokens": {"allowance": 5000, "period": "1 month"}}},
              "Zed": {"entitlements": {}}, "a/b": {"entitlements": {"docs": {"allowance": null}}},
              "acme-deal": {"listed": false, "entitlements": {"tokens": {"allowance": 9000, "period": "month"}}},
              "gone": {"entitlements": {"tokens": {"allowance": 7000}}}},
    "actions": {"embed": {"charges": {"tokens": {"per_unit": 0.1}}},
                "chat": {"requires": ["docs"], "charges": {"tokens": {"base": 0.5, "per_unit": {"input": 1, "output": 4}}, "money": {"per_unit": {"input": 2.5, "cached": 0.25}}, "calls": {"base": 1}}},
                "flat": {"charges": {"tokens": {"base": 500}, "calls": {"base": 0}}},
                "nothing": {}, "huge": {"charges": {"money": {"base": 9223372036854775807, "per_unit": 1}}},
                "old": {"charges": {"tokens": {"base": 1}}}}}');
SELECT name, change FROM quota.apply_catalog(quota.export_catalog() #- '{plans,gone}' #- '{actions,old}') WHERE change <> 'unchanged';

--
-- plans: the default first, then by name, byte for byte; without what is retired or not listed
--
SELECT * FROM quota.plans();
SELECT p.plan, p.entitlements = quota.export_catalog() #> ARRAY['plans', p.plan, 'entitlements'] AS as_exported FROM quota.plans() p;
SELECT plan, allowance FROM quota.offers('u', 'tokens', 4000);
-- listed goes round, is no change of version, and does not come back by retiring
SELECT quota.export_catalog() #> '{plans,acme-deal}' AS deal, quota.export_catalog() #> '{plans,pro}' ? 'listed' AS said_where_true;
SELECT count(*) FILTER (WHERE change <> 'unchanged') AS changes FROM quota.apply_catalog(quota.export_catalog());
SELECT quota.subscribe('deal', 'acme-deal') > 0 AS subscribed;
SELECT plan, remaining FROM quota.status('deal') WHERE feature = 'tokens';
SELECT name, change FROM quota.apply_catalog(jsonb_set(quota.export_catalog(), '{plans,acme-deal,listed}', 'true')) WHERE change <> 'unchanged';
SELECT plan FROM quota.offers('u', 'tokens', 4000);
SELECT name, change FROM quota.apply_catalog(jsonb_set(quota.export_catalog(), '{plans,pro,listed}', 'false')) WHERE change <> 'unchanged';
SELECT plan FROM quota.plans();
SELECT plan, version FROM quota.subscriptions;
SELECT name, max(version) FROM quota_internal.plan_version v JOIN quota_internal.plan p ON p.id = v.plan_id GROUP BY 1 ORDER BY 1;
-- a default plan that is not listed is no offer and applies all the same
SELECT name, change FROM quota.apply_catalog(jsonb_set(quota.export_catalog(), '{plans,free,listed}', 'false')) WHERE change <> 'unchanged';
SELECT plan, is_default FROM quota.plans();
SELECT remaining FROM quota.check('u', 'tokens');
SELECT pg_temp.try($$SELECT quota.apply_catalog(jsonb_set(quota.export_catalog(), '{plans,free,listed}', '"no"'))$$);
SELECT pg_temp.try($$SELECT quota.apply_catalog(jsonb_set(quota.export_catalog(), '{plans,free,listed}', 'null'))$$);

--
-- quote: what charge and charge_units would take, rows of 0 too
--
SELECT * FROM quota.quote('chat', '{"input": 1200, "output": 350, "cached": 0.4}');
SELECT * FROM quota.quote('chat', '{"output": 0}');
SELECT * FROM quota.quote('embed', '11');
SELECT * FROM quota.quote('embed', '0');
SELECT * FROM quota.quote('flat', '1');
SELECT count(*) FROM quota.quote('nothing', '3.5');
-- the same amounts as the charge itself, and nothing has been charged by asking
SELECT count(*) AS entries FROM quota.ledger;
BEGIN;
SELECT change FROM quota.apply_catalog(jsonb_set(jsonb_set(quota.export_catalog(), '{plans,free,entitlements,money}', '{"allowance": null}'), '{plans,free,entitlements,calls}', '{"allowance": null}')) WHERE change <> 'unchanged';
SELECT q.*, c.charged = q.amount AS as_charged
FROM quota.quote('chat', '{"input": 100, "output": 35, "cached": 0.4}') q JOIN quota.charge_units('u', 'chat', '{"input": 100, "output": 35, "cached": 0.4}') c USING (feature) ORDER BY 1;
SELECT q.*, c.charged = q.amount AS as_charged FROM quota.quote('embed', '7') q JOIN quota.charge('u', 'embed', 7) c USING (feature) ORDER BY 1;
ROLLBACK;
BEGIN READ ONLY;
SELECT amount FROM quota.quote('embed', '1');
COMMIT;
-- bad input
SELECT c.call, pg_temp.try('SELECT amount FROM quota.quote(' || c.call || ')')
FROM (VALUES ($$NULL, '1'$$), ($$'embed', NULL$$), ($$'nix', '1'$$), ($$'old', '1'$$), ($$'', '1'$$), ($$repeat('x', 129), '1'$$),
             ($$'embed', 'null'$$), ($$'embed', '"1"'$$), ($$'embed', 'true'$$), ($$'embed', '[1]'$$), ($$'embed', '[]'$$), ($$'embed', '-1'$$), ($$'embed', '-0.0000001'$$),
             ($$'embed', '{}'$$), ($$'embed', '{"input": 1}'$$), ($$'embed', '{"": 1}'$$), ($$'chat', '1'$$), ($$'chat', '{"nix": 1}'$$), ($$'chat', '{"input": null}'$$),
             ($$'chat', '{"input": "1"}'$$), ($$'chat', '{"input": -1}'$$), ($$'chat', '{"input": {"a": 1}}'$$), ($$'flat', '{"input": 1}'$$),
             ($$'huge', '1'$$), ($$'embed', '1e40'$$), ($$'chat', to_jsonb(repeat('x', 20000))$$), ($$'embed', (repeat('9', 20000))::jsonb$$)) c (call);

--
-- titles
--
SELECT feature, unit, title FROM quota.status('u');
SELECT f.key, f.value -> 'title' AS title FROM jsonb_each(quota.me('u') -> 'features') f ORDER BY 1;
SELECT name, change FROM quota.apply_catalog(jsonb_set(quota.export_catalog(), '{features,docs,title}', '"Documents"')) WHERE change <> 'unchanged';
SELECT title FROM quota.status('u') WHERE feature = 'docs';
SELECT * FROM quota.verify();
