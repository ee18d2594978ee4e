--
-- quota.breakdown(): use by child, or by a key of metadata
--
SET client_min_messages = warning; DROP EXTENSION IF EXISTS quota CASCADE; CREATE EXTENSION quota CASCADE;
\set SHOW_CONTEXT never
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/include/calls.psql'
\i :helpers
SET quota.clock = '2026-01-10 12:00+00';
SELECT count(*) FROM quota.apply_catalog('{
    "features": {"tokens": {"kind": "metered"}, "docs": {"kind": "capacity"}, "on": {"kind": "boolean"}},
    "plans": {"free": {"default": true, "entitlements": {"tokens": {"allowance": 10000, "period": "month"}, "docs": {"allowance": 100}}},
              "team": {"entitlements": {"tokens": {"allowance": 5000, "period": "month"}}}}}');
SELECT quota.subscribe('acme/eng', 'team') > 0 AS two_accounts;
SELECT * FROM quota.breakdown('acme', 'tokens', '2026-01-01');

-- each debit once, though acme/eng/... is charged to one account and others to another; names of a depth
SELECT id FROM quota.debit('acme/eng/al', 'tokens', 300, metadata => '{"action": "chat", "n": 1}') \gset al_
SELECT id FROM quota.debit('acme/eng/bo', 'tokens', 200, metadata => '{"action": "embed", "tags": ["x"]}') \gset bo_
SELECT count(*) FROM generate_series(1, 3), quota.debit('acme/eng', 'tokens', 10, metadata => '{"action": "chat"}');
SELECT id FROM quota.debit('acme/ops', 'tokens', 70, metadata => '{"action": null}') \gset ops_
SELECT id FROM quota.debit('acme', 'tokens', 5) \gset own_
SELECT id FROM quota.debit('acmeX', 'tokens', 9000) \gset other_
SELECT id FROM quota.reserve('acme/ops', 'tokens', 50, metadata => '{"action": "chat"}') \gset hold_
SELECT * FROM quota.breakdown('acme', 'tokens', '2026-01-01');
SELECT * FROM quota.breakdown('acme/eng', 'tokens', '2026-01-01');
SELECT * FROM quota.breakdown('acme/eng/al', 'tokens', '2026-01-01');
SELECT * FROM quota.breakdown('acme', 'tokens', '2026-01-01', by => 'metadata.action');
SELECT * FROM quota.breakdown('acme', 'tokens', '2026-01-01', by => 'metadata.n');
SELECT * FROM quota.breakdown('acme', 'tokens', '2026-01-01', by => 'metadata.tags');
SELECT * FROM quota.breakdown('acme', 'tokens', '2026-01-01', by => 'metadata.no''such."key"%s');
SELECT * FROM quota.breakdown('acme', 'tokens', '2026-01-01', max_rows => 1);
-- it sums up to usage
SELECT (SELECT sum(used) FROM quota.breakdown('acme', 'tokens', '2026-01-01')) = (SELECT sum(used) FROM quota.usage('acme', 'tokens', '2026-01-01')) AS same;

-- what comes back counts in its debit's group and at its time, whenever it was, whatever was noted with it
SET quota.clock = '2026-01-20 12:00+00';
SELECT refunded FROM quota.refund(:al_id, 120);
SELECT charged FROM quota.settle(:hold_id, 20, metadata => '{"action": "settled"}');
SELECT id FROM quota.debit('acme/eng/al', 'tokens', 7, metadata => '{"action": "chat"}') \gset late_
SELECT * FROM quota.breakdown('acme', 'tokens', '2026-01-01', by => 'metadata.action');
SELECT * FROM quota.breakdown('acme', 'tokens', '2026-01-01', '2026-01-15', by => 'metadata.action');
SELECT * FROM quota.breakdown('acme', 'tokens', '2026-01-15', by => 'metadata.action');
SELECT * FROM quota.breakdown('acme', 'tokens', '2026-01-10 12:00:00.000001', '2026-01-20 12:00');
SELECT refunded FROM quota.refund(:late_id);
SELECT * FROM quota.breakdown('acme', 'tokens', '2026-01-15');
-- a transaction that gives back can be older than the one that charged
SET quota.clock = '2026-01-21 00:00:10+00';
SELECT id FROM quota.debit('acme/ops', 'tokens', 30) \gset young_
SET quota.clock = '2026-01-20 23:59:50+00';
SELECT refunded FROM quota.refund(:young_id, 10);
SET quota.clock = '2026-01-21 12:00+00';
SELECT * FROM quota.breakdown('acme', 'tokens', '2026-01-21');
-- a hold that expires, a correction, a give-back
SELECT id FROM quota.reserve('acme/ops', 'tokens', 40, ttl => '1 minute') \gset gone_
SET quota.clock = '2026-01-22 12:00+00';
SELECT count(*) > 0 AS maintained FROM quota.maintain();
SELECT id IS NOT NULL AS corrected FROM quota.set_usage('acme/eng', 'tokens', 500);
SELECT remaining FROM quota.debit('acme/al', 'docs', 5, metadata => '{"action": "upload"}');
SELECT remaining FROM quota.give_back('acme/al', 'docs', 2, metadata => '{"action": "delete"}');
SELECT * FROM quota.breakdown('acme', 'tokens', '2026-01-21');
SELECT * FROM quota.breakdown('acme', 'docs', '2026-01-21');
SELECT * FROM quota.breakdown('acme', 'docs', '2026-01-21', by => 'metadata.action');
-- ties by name; the end is open, and now is included
SELECT count(*) FROM unnest('{zz,a,B,ä}'::text[]) n, quota.debit('tie/' || n, 'tokens', 1);
SELECT * FROM quota.breakdown('tie', 'tokens', '2026-01-22 12:00');
SELECT * FROM quota.breakdown('tie', 'tokens', '2026-01-22', '2026-01-22 12:00');
-- use that moves to another window is no use
SELECT quota.change_plan('acme/eng', 'team', usage => 'reset') > 0 AS reset;
SELECT (SELECT sum(used) FROM quota.breakdown('acme', 'tokens', '2026-01-01')) = (SELECT sum(used) FROM quota.usage('acme', 'tokens', '2026-01-01')) AS same;
-- after forget the rest keeps its amounts
SELECT quota.forget('acme/ops') IS NOT NULL AS forgotten;
SELECT * FROM quota.breakdown('acme', 'tokens', '2026-01-01');

-- bad input
SELECT c.call, pg_temp.try('SELECT sum(used) FROM quota.breakdown(' || c.call || ')')
FROM (VALUES ($$'acme', 'tokens', '2026-02-01', '2026-01-01'$$), ($$'acme', 'tokens', NULL$$), ($$'acme', 'nix', '2026-01-01'$$), ($$'a//b', 'tokens', '2026-01-01'$$), ($$NULL, 'tokens', '2026-01-01'$$),
             ($$'acme', 'tokens', '2026-01-01', by => NULL$$), ($$'acme', 'tokens', '2026-01-01', by => ''$$), ($$'acme', 'tokens', '2026-01-01', by => 'day'$$), ($$'acme', 'tokens', '2026-01-01', by => 'Child'$$),
             ($$'acme', 'tokens', '2026-01-01', by => 'metadata'$$), ($$'acme', 'tokens', '2026-01-01', by => 'metadata.'$$), ($$'acme', 'tokens', '2026-01-01', by => 'metadata.' || repeat('x', 10000)$$),
             ($$'acme', 'tokens', '2026-01-01', max_rows => 0$$), ($$'acme', 'tokens', '2026-01-01', max_rows => -1$$), ($$'acme', 'tokens', '2026-01-01', max_rows => NULL$$),
             ($$'acme', 'on', '2026-01-01'$$), ($$'acme', 'tokens', 'infinity'$$), ($$'acme', 'tokens', '-infinity', 'infinity'$$)) c (call);
SELECT * FROM quota.verify();
