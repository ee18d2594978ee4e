--
-- Where a call happens: read-only, plans that do not run, savepoints, cursors,
-- parallel queries, hostile search paths
--
SET client_min_messages = warning; DROP EXTENSION IF EXISTS quota CASCADE; CREATE EXTENSION quota CASCADE;
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/include/enforcement.psql'
\i :helpers
SET quota.clock = '2026-01-10 00:00:00+00';
SELECT count(*) FROM quota.apply_catalog('{
    "features": {"tokens": {"kind": "metered"}, "docs": {"kind": "capacity"}, "mindmap": {"kind": "boolean"}, "max_mb": {"kind": "static"}},
    "plans": {"free": {"default": true, "entitlements": {"tokens": {"allowance": 100, "period": "month"}, "docs": {"allowance": 10},
                                                         "mindmap": {"value": true}, "max_mb": {"value": 5}}},
              "big": {"entitlements": {"tokens": {"allowance": null, "period": "month"}}}}}');

-- A read-only transaction charges nothing and says so; reading works.
SELECT id FROM quota.debit('ann', 'tokens', 10) \gset d_
BEGIN READ ONLY;
SELECT remaining FROM quota.check('ann', 'tokens');
SELECT quota.has('ann', 'tokens'), quota.setting('ann', 'max_mb'), quota.me('ann') #> '{features,tokens,used}' AS used,
       (SELECT count(*) FROM quota.status('ann')) AS features, (SELECT count(*) FROM quota.offers('ann', 'tokens')) AS offers,
       (SELECT sum(amount) FROM quota.statement('ann', 'tokens')) AS charged;
SELECT c, pg_temp.code('SELECT quota.' || c) FROM unnest(ARRAY[$$debit('ann', 'tokens')$$, $$try_debit('ann', 'tokens')$$, $$debit('ann', 'mindmap')$$,
    $$give_back('ann', 'docs')$$, format('refund(%s)', :d_id), $$debit('ann', 'tokens', 1, 'key')$$]) c;
-- the arguments are looked at before that
SELECT pg_temp.code($$SELECT quota.debit('ann', 'tokens', 0)$$);
COMMIT;

-- What is not executed is not charged.
EXPLAIN (COSTS OFF) SELECT * FROM quota.debit('ann', 'tokens', 20);
PREPARE charge(text, text, bigint) AS SELECT remaining FROM quota.debit($1, $2, $3);
SELECT * FROM quota.debit('ann', 'tokens', 20) LIMIT 0;
SELECT remaining FROM quota.debit('ann', 'tokens', 20) WHERE false;
SELECT CASE WHEN false THEN quota.debit('ann', 'tokens', 20) END AS not_taken;
BEGIN;
DECLARE c CURSOR FOR SELECT n FROM generate_series(1, 3) n, LATERAL quota.debit('ann', 'tokens', 20 + 0 * n);
CLOSE c;
COMMIT;
SELECT used FROM quota.check('ann', 'tokens');
-- what is, is: by EXECUTE, by EXPLAIN ANALYZE, row by row by a cursor
EXECUTE charge('ann', 'tokens', 1);
DO $$ BEGIN EXECUTE 'EXPLAIN ANALYZE SELECT quota.debit(''ann'', ''tokens'', 2)'; END $$;
SELECT used FROM quota.check('ann', 'tokens');
BEGIN;
DECLARE c CURSOR FOR SELECT n, remaining FROM generate_series(1, 9) n, LATERAL quota.debit('ann', 'tokens', n);
FETCH 2 FROM c;
CLOSE c;
COMMIT;
SELECT used FROM quota.check('ann', 'tokens');
-- a cursor WITH HOLD runs to its end when its transaction commits
DECLARE c CURSOR WITH HOLD FOR SELECT n FROM generate_series(1, 2) n, LATERAL quota.debit('ann', 'tokens', 5 + 0 * n);
CLOSE c;
SELECT used FROM quota.check('ann', 'tokens');

-- Savepoints: what is rolled back was never charged; what is released, was.
BEGIN;
SELECT remaining FROM quota.debit('sam', 'tokens', 1);
SAVEPOINT a;
SELECT remaining FROM quota.debit('sam', 'tokens', 10);
SAVEPOINT b;
SELECT remaining FROM quota.debit('sam', 'tokens', 20);
RELEASE b;
SELECT used FROM quota.check('sam', 'tokens');
ROLLBACK TO a;
SELECT used FROM quota.check('sam', 'tokens');
SELECT remaining FROM quota.debit('sam', 'tokens', 99);
SAVEPOINT c;
SELECT remaining FROM quota.debit('sam', 'tokens', 1);
ROLLBACK TO c;
SELECT remaining, used FROM quota.check('sam', 'tokens');
-- a refusal in the middle of a transaction is the caller's to catch
\set VERBOSITY sqlstate
SELECT remaining FROM quota.debit('sam', 'docs', 11);
\set VERBOSITY default
ROLLBACK TO c;
SELECT remaining FROM quota.debit('sam', 'docs', 2);
COMMIT;
SELECT feature, used FROM quota.status('sam') WHERE used > 0;
-- the first charge of a new window, rolled back, leaves no bucket and no ledger row that counts
BEGIN; SELECT remaining FROM quota.debit('gone', 'tokens', 5); ROLLBACK;
SELECT used FROM quota.check('gone', 'tokens');
SELECT count(*) FROM quota.ledger WHERE subject = 'gone';
-- in a block with an exception handler
DO $$
BEGIN
    PERFORM quota.debit('sam', 'docs', 3);
    BEGIN
        PERFORM quota.debit('sam', 'docs', 4);
        PERFORM quota.debit('sam', 'docs', 5);
    EXCEPTION WHEN SQLSTATE 'QT402' THEN
        PERFORM quota.debit('sam', 'docs', 1);
    END;
END $$;
SELECT used FROM quota.check('sam', 'docs');

-- One bucket changed so often in one transaction that its page is full: still right.
SELECT min(remaining) FROM generate_series(1, 99) n, LATERAL quota.debit('often', 'tokens', 1 + 0 * n);
SELECT quota.subscribe('often', 'big');
SELECT count(*) FROM generate_series(1, 1000) n, LATERAL quota.debit('often', 'tokens', 1 + 0 * n);
SELECT subject, used FROM pg_temp.window_use WHERE subject = 'often' ORDER BY used;

-- 20,000 subtransactions, every second one rolled back: right, and memory is bounded.
BEGIN;
DO $$
BEGIN
    FOR i IN 1 .. 20000 LOOP
        BEGIN
            PERFORM quota.debit('many' || i % 2000, 'docs', 1 + i % 2);
            IF i % 2 = 0 THEN
                RAISE EXCEPTION USING ERRCODE = 'XX999', MESSAGE = 'changed my mind';
            END IF;
        EXCEPTION WHEN SQLSTATE 'XX999' OR SQLSTATE 'QT402' THEN
            NULL;
        END;
    END LOOP;
END $$;
SELECT sum(total_bytes) < 150000000 AS memory_is_bounded FROM pg_backend_memory_contexts;
COMMIT;
SELECT count(*) AS subjects, min(used), max(used), sum(used) FROM pg_temp.window_use WHERE subject LIKE 'many%';

-- In somebody's trigger, by whoever inserts.
CREATE TABLE regress_upload (who text, pages int);
CREATE FUNCTION regress_charge() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM quota.debit(NEW.who, 'tokens', NEW.pages);
    RETURN NEW;
END $$;
CREATE TRIGGER charge BEFORE INSERT ON regress_upload FOR EACH ROW EXECUTE FUNCTION regress_charge();
INSERT INTO regress_upload VALUES ('tri', 40), ('tri', 50);
\set VERBOSITY sqlstate
INSERT INTO regress_upload VALUES ('tri', 5), ('tri', 6);
\set VERBOSITY default
SELECT count(*), (SELECT used FROM quota.check('tri', 'tokens')) AS used FROM regress_upload;
DROP TABLE regress_upload;

-- Parallel queries: reading may run in workers and sees the same; charging never does.
SELECT proname, proparallel AS parallel, provolatile AS volatile, proisstrict AS strict FROM pg_proc
WHERE pronamespace = 'quota'::regnamespace AND proname IN ('debit', 'try_debit', 'refund', 'give_back', 'check', 'has', 'setting', 'status', 'me', 'offers', 'statement') ORDER BY 2, 1;
CREATE TABLE regress_many AS SELECT 'u' || n AS who FROM generate_series(1, 20000) n;
ANALYZE regress_many;
SELECT count(quota.debit(who, 'tokens', 30)) FROM regress_many WHERE who LIKE 'u1__';
SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0; SET max_parallel_workers_per_gather = 2;
EXPLAIN (COSTS OFF) SELECT count(*) FROM regress_many WHERE quota.has(who, 'tokens');
SET parallel_leader_participation = off;
SELECT count(*) FILTER (WHERE quota.has(who, 'tokens')) AS has, sum((quota.check(who, 'tokens')).used) AS used, count(quota.setting(who, 'max_mb')) AS settings,
       sum((quota.me(who) #>> '{features,tokens,used}')::int) AS me
FROM regress_many WHERE who LIKE 'u1%';
-- also what this transaction has charged and not committed
BEGIN;
SELECT remaining FROM quota.debit('u2', 'tokens', 7);
SELECT sum((quota.check(who, 'tokens')).used) AS used FROM regress_many;
ROLLBACK;
-- with a debit in it the query has no Gather
EXPLAIN (COSTS OFF) SELECT count(quota.debit(who, 'tokens')) FROM regress_many;
-- as the planner is forced (the setting's name changed with PostgreSQL 16)
SELECT count(set_config(name, 'on', false)) FROM pg_settings WHERE name IN ('force_parallel_mode', 'debug_parallel_query');
SELECT remaining FROM quota.debit('forced', 'tokens', 30);
SELECT used, resets_at FROM quota.check('forced', 'tokens');
SELECT feature, used, allowed FROM quota.status('forced');
SELECT plan FROM quota.offers('forced', 'tokens');
SELECT amount FROM quota.statement('forced', 'tokens');
SELECT pg_temp.code($$SELECT quota.check('forced', 'nothing')$$);
-- also if somebody's function that debits is declared parallel safe by mistake: an error, not a charge in a worker
CREATE FUNCTION regress_mistake(who text) RETURNS bigint LANGUAGE sql PARALLEL SAFE AS $$ SELECT remaining FROM quota.debit(who, 'tokens', 1 + (who = '')::int) $$;
\set VERBOSITY sqlstate
SELECT regress_mistake('forced');
\set VERBOSITY default
DROP FUNCTION regress_mistake(text);
SELECT used FROM quota.check('forced', 'tokens');
SELECT count(set_config(name, 'off', false)) FROM pg_settings WHERE name IN ('force_parallel_mode', 'debug_parallel_query');
RESET parallel_setup_cost; RESET parallel_tuple_cost; RESET min_parallel_table_scan_size; RESET max_parallel_workers_per_gather; RESET parallel_leader_participation;
DROP TABLE regress_many;

-- Names planted where a careless function would find them: operators, functions, tables, types.
CREATE SCHEMA regress_hostile;
CREATE FUNCTION regress_hostile.trap(text, text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'trapped: text'; END $$;
CREATE FUNCTION regress_hostile.trap(bigint, bigint) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'trapped: bigint'; END $$;
CREATE FUNCTION regress_hostile.trap(timestamptz, timestamptz) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'trapped: timestamptz'; END $$;
CREATE OPERATOR regress_hostile.= (LEFTARG = text, RIGHTARG = text, FUNCTION = regress_hostile.trap);
CREATE OPERATOR regress_hostile.= (LEFTARG = bigint, RIGHTARG = bigint, FUNCTION = regress_hostile.trap);
CREATE OPERATOR regress_hostile.>= (LEFTARG = timestamptz, RIGHTARG = timestamptz, FUNCTION = regress_hostile.trap);
CREATE OPERATOR regress_hostile.< (LEFTARG = timestamptz, RIGHTARG = timestamptz, FUNCTION = regress_hostile.trap);
CREATE OPERATOR regress_hostile.|| (LEFTARG = text, RIGHTARG = text, FUNCTION = regress_hostile.trap);
CREATE FUNCTION regress_hostile.now() RETURNS timestamptz LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'trapped: now'; END $$;
CREATE FUNCTION regress_hostile.length(text) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'trapped: length'; END $$;
CREATE FUNCTION regress_hostile.nextval(regclass) RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'trapped: nextval'; END $$;
CREATE FUNCTION regress_hostile.octet_length(text) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'trapped: octet_length'; END $$;
CREATE TABLE regress_hostile.bucket (LIKE quota_internal.bucket);
CREATE TABLE regress_hostile.feature (LIKE quota_internal.feature);
CREATE TABLE regress_hostile.idempotency_key (LIKE quota_internal.idempotency_key);
CREATE TABLE regress_hostile.ledger_entry (LIKE quota_internal.ledger_entry);
CREATE DOMAIN regress_hostile.text AS pg_catalog.text CHECK (false);
CREATE DOMAIN regress_hostile.int8 AS pg_catalog.int8 CHECK (false);
-- a session of its own, so that no plan was made before
\c -
SET client_min_messages = warning;
SET TimeZone = 'UTC';
SET DateStyle = 'ISO, YMD';
SET search_path = regress_hostile, pg_catalog, public;
SET quota.clock = '2026-01-10 00:00:00+00';
SELECT remaining FROM quota.debit('hos', 'tokens', 5, 'k', '{"a": 1}');
SELECT remaining FROM quota.debit('hos', 'tokens', 5, 'k', '{"a": 1}');
SELECT remaining FROM quota.try_debit('hos/x', 'docs', 3);
SELECT remaining FROM quota.give_back('hos/x', 'docs', 1);
SELECT id FROM quota.debit('hos', 'tokens', 5) \gset d_
SELECT refunded, remaining FROM quota.refund(:d_id, 2, 'r');
\set VERBOSITY sqlstate
SELECT quota.refund(:d_id + 1000000);
SELECT quota.debit('hos', 'tokens', 1, 'k');
\set VERBOSITY default
SELECT used FROM quota.check('hos', 'tokens');
SELECT quota.has('hos', 'tokens'), quota.setting('hos', 'max_mb');
SELECT feature, used FROM quota.status('hos/x');
SELECT quota.me('hos') #> '{features,tokens,used}' AS used;
SELECT plan FROM quota.offers('hos', 'tokens');
SELECT amount, running FROM quota.statement('hos', 'tokens');
SELECT quota.subscribe('hos', 'big');
SELECT remaining FROM quota.debit('hos', 'tokens', 1);
SELECT (SELECT pg_catalog.count(*) FROM bucket) AS planted_buckets, (SELECT pg_catalog.count(*) FROM idempotency_key) AS planted_keys;
RESET search_path;
DROP SCHEMA regress_hostile CASCADE;

-- Without a test clock the time is the transaction's start.
RESET quota.clock;
BEGIN;
SELECT quota_internal._now() = now() AS start_of_transaction FROM pg_sleep(0.01);
SELECT remaining FROM quota.debit('now', 'tokens', 1);
SELECT bool_and(at = now()) AS entries_have_it FROM quota.ledger WHERE subject = 'now';
COMMIT;
\i :helpers
SELECT * FROM quota.verify();
