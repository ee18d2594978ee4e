\set QUIET on
\pset footer off
SET client_min_messages = warning;
\set VERBOSITY terse

\echo
\echo A catalog for every shard
SELECT fleet.apply_catalog('{
  "features": {"pages": {"kind": "metered"}},
  "plans": {"free": {"default": true, "entitlements": {"pages": {"allowance": 100, "period": "month"}}},
            "pro": {"entitlements": {"pages": {"allowance": 10000, "period": "month"}}}}}') AS catalog;

\echo Tenants that are not listed lie by hash; the router looks like a database with quota in it
SELECT t AS tenant, fleet.route(t) AS shard FROM unnest('{acme,bolt,dora,ezra}'::text[]) t;
SELECT quota.subscribe('acme', 'pro') AS subscription;
SELECT id AS debit, remaining FROM quota.debit('acme/alice', 'pages', 48, key => 'upload-1') \gset acme_
SELECT * FROM quota.debit('acme/alice', 'pages', 48, key => 'upload-1');
SELECT id AS hold, reserved FROM quota.reserve('acme/alice', 'pages', 20) \gset acme_
SELECT * FROM quota.debit('dora', 'pages', 5);
\echo A refusal comes through: dora has 100 pages, and asks for 500
SELECT * FROM quota.debit('dora', 'pages', 500);

\echo Shard 1 is down: its tenants get an error, the others go on
\! eval "set -- $SERVERS"; "$1" stop "$2" shard1
SELECT * FROM quota.debit('acme/alice', 'pages', 3, key => 'upload-2');
SELECT * FROM quota.debit('dora', 'pages', 5);
\! eval "set -- $SERVERS"; "$1" start "$2" shard1
\echo It is back: the same key again, charged once
SELECT remaining FROM quota.debit('acme/alice', 'pages', 3, key => 'upload-2');
SELECT remaining FROM quota.debit('acme/alice', 'pages', 3, key => 'upload-2');

\echo A shard is added: nobody moves
\! eval "$FLEET '$SHARD2'" >/dev/null
SELECT t AS tenant, fleet.route(t) AS shard FROM unnest('{acme,bolt,dora,ezra}'::text[]) t;
SELECT * FROM fleet.differences();

\echo acme moves there, with its key, its open hold and its debit
SELECT fleet.move('acme', 2) AS moved, fleet.route('acme') AS shard;
SELECT * FROM quota.debit('acme/alice', 'pages', 48, key => 'upload-1');
SELECT * FROM quota.settle(:acme_hold, 12);
SELECT * FROM quota.refund(:acme_debit, 8);
SELECT id, at::date, subject, kind, amount, running FROM quota.statement('acme', 'pages');

\echo The shard that it left refuses a call that still goes there
SELECT * FROM fleet_call.debit(1, 'acme', 'pages', 1, NULL, NULL);

\echo A report over all
SELECT * FROM fleet.everywhere('SELECT fleet.self(), p.feature, sum(p.used)::bigint, count(*) FROM quota.periods p GROUP BY 2')
    AS (shard int, feature text, used bigint, accounts bigint) ORDER BY shard;
SELECT count(*) AS "what verify() found" FROM fleet.everywhere('SELECT detail FROM quota.verify()') AS (detail text);
