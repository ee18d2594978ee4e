-- Takes paywall.sql and message.sql away again; the application's tables are then as they were.  Catalog,
-- subscriptions and ledger stay: DROP EXTENSION quota removes those.
--     psql -1 -f remove.sql
\set ON_ERROR_STOP on
SELECT quota.unprotect(g.target, g.feature) FROM quota.gates AS g;
DROP SCHEMA IF EXISTS paywall CASCADE;
