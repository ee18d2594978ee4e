--
-- times_quantity: limits for each seat
--
SET client_min_messages = warning; DROP EXTENSION IF EXISTS quota CASCADE; CREATE EXTENSION quota CASCADE;
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/include/enforcement.psql'
\i :helpers
SET quota.clock = '2026-01-16 12:00:00+00';
SELECT count(*) FROM quota.apply_catalog('{
    "features": {"tokens": {"kind": "metered"}, "docs": {"kind": "capacity"}, "free": {"kind": "metered"}},
    "plans": {"none": {"default": true, "entitlements": {"tokens": {"allowance": 7, "period": "month", "times_quantity": true}}},
              "team": {"entitlements": {
                  "tokens": {"allowance": 100, "period": "month", "overage": {"limit": 10}, "rollover": {"max": 20}, "notify": [50, {"remaining": 30}],
                             "caps": [{"limit": 40, "per": "day"}], "rate": {"limit": 1000, "per": "1 minute"}, "times_quantity": true},
                  "docs": {"allowance": 5, "times_quantity": true},
                  "free": {"allowance": null, "times_quantity": true}}},
              "flat": {"entitlements": {"tokens": {"allowance": 150, "period": "month", "times_quantity": false}, "docs": {"allowance": 5}}},
              "big": {"entitlements": {"tokens": {"allowance": 5000000000000000000, "period": "month", "times_quantity": true}}}}}');
-- round trip; false is the default and is left out
SELECT quota.export_catalog() #> '{plans,team,entitlements,tokens,times_quantity}' AS team, quota.export_catalog() #> '{plans,flat,entitlements,tokens}' AS flat;
SELECT DISTINCT change FROM quota.apply_catalog(quota.export_catalog());

SELECT quota.subscribe('acme', 'team', quantity => 3) > 0;
SELECT f, c.allowance, c.used, c.remaining FROM unnest('{docs,free,tokens}'::text[]) f, quota.check('acme/ann', f) c;
SELECT allowance, remaining FROM quota.check('nobody', 'tokens');		-- without a subscription 1
SELECT source, detail, available FROM quota.explain('acme', 'tokens') WHERE source IN ('allowance', 'overage', 'cap', 'rate');
SELECT remaining FROM quota.debit('acme', 'tokens', 120);		-- all that the cap has
SELECT remaining, resets_at FROM quota.check('acme', 'tokens');
SELECT remaining FROM quota.debit('acme', 'docs', 15);
SELECT reason FROM quota.try_debit('acme', 'docs', 1);
SELECT plan, allowance FROM quota.offers('acme', 'tokens', 1);
-- fewer and more seats: as change_plan keep, and it tells
SELECT quota.amend('acme', '{"quantity": 2}') > 0;
SELECT type, data - 'period_start' - 'period_end' AS data FROM quota.events WHERE type = 'threshold_reached' ORDER BY id;
SELECT f, c.allowance, c.used, c.remaining FROM unnest('{docs,free,tokens}'::text[]) f, quota.check('acme', f) c;
SELECT allowance, used FROM quota.periods;
SELECT quota.amend('acme', '{"quantity": 4}') > 0;
SELECT f, c.allowance, c.used, c.remaining FROM unnest('{docs,free,tokens}'::text[]) f, quota.check('acme', f) c;
-- rollover: no more than 20 for each
SET quota.clock = '2026-02-16 12:00:00+00';
SELECT allowance, used FROM quota.status('acme') WHERE feature = 'tokens';
-- change_plan keeps it, prorate compares the products: 400 for half of the month, then 150
SELECT quota.subscribe('pro', 'team', '2026-02-01', quantity => 4) > 0;
SET quota.clock = '2026-02-15 00:00:00+00';
SELECT quota.change_plan('pro', 'flat', usage => 'prorate') > 0;
SELECT allowance FROM quota.check('pro', 'tokens');
SELECT quota.change_plan('pro', 'team') > 0;
SELECT allowance FROM quota.check('pro', 'tokens');
-- scheduled, in force and not carried out
SELECT quota.change_plan('pro', 'flat', 'period_end', 'prorate') > 0;
SET quota.clock = '2026-03-01 00:00:00+00';
SELECT allowance FROM quota.check('pro', 'tokens');
-- an override, and one below that depends on the subscription
SELECT quota.override('pro', 'tokens', '{"allowance": 9, "period": "month", "times_quantity": true}');
SELECT quota.override('pro/ann', 'tokens', '{"allowance": 2, "period": "month", "times_quantity": true}');
SELECT s, c.allowance, c.remaining FROM unnest('{pro,pro/ann}'::text[]) s, quota.check(s, 'tokens') c;
SELECT remaining FROM quota.debit('pro/ann', 'tokens', 1);
SELECT quota.amend('pro', '{"quantity": 5}') > 0;
SELECT s, c.allowance, c.remaining FROM unnest('{pro,pro/ann}'::text[]) s, quota.check(s, 'tokens') c;
SELECT subject, allowance FROM quota.periods WHERE subject ~ '^pro' ORDER BY subject;

-- too large
SELECT q, pg_temp.try(q) FROM unnest(ARRAY[
    $$SELECT quota.subscribe('x', 'big', quantity => 2)$$, $$SELECT quota.change_plan('pro', 'big')$$,
    $$SELECT quota.change_plan('pro', 'big', 'period_end')$$, $$SELECT quota.amend('acme', '{"quantity": 9223372036854775807}')$$,
    $$SELECT quota.override('pro/ann', 'tokens', '{"allowance": 5000000000000000000, "times_quantity": true}')$$]) q;
-- so it is not offered, whatever feature that is about
SELECT string_agg(o.plan, ' ') FROM quota.offers('pro', 'tokens', 1) o;
SELECT pg_temp.code($$SELECT count(*) FROM quota.preview('pro', 'big')$$);
-- also by a subscription that is to come
SELECT quota.subscribe('later', 'flat', starts_at => '2026-03-01', quantity => 2) > 0;
SELECT pg_temp.code($$SELECT quota.override('later', 'docs', '{"allowance": 5000000000000000000, "times_quantity": true}')$$);
SELECT quota.subscribe('x', 'big') > 0;
SELECT pg_temp.code($$SELECT quota.amend('x', '{"quantity": 2}')$$);
-- what is no boolean
SELECT j, pg_temp.code(format('SELECT count(*) FROM quota.override(%L, %L, %L)', 'x', f, j)) FROM (VALUES
    ('tokens', '{"allowance": 1, "times_quantity": 1}'), ('tokens', '{"allowance": 1, "times_quantity": null}')) v(f, j);
SELECT * FROM quota.verify();
DROP EXTENSION quota CASCADE;
