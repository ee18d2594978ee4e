--
-- Rows that bear a lease, of which no memory knows: read and written like any others
--
SET client_min_messages = warning; DROP EXTENSION IF EXISTS quota CASCADE; CREATE EXTENSION quota CASCADE;
SET quota.leases = off;	-- rows are written by hand
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/include/enforcement.psql'
\i :helpers
\set leases :abs_srcdir '/sql/include/leases.psql'
\i :leases
SET quota.clock = '2026-01-10 00:00:00+00';
SELECT count(*) FROM quota.apply_catalog('{
    "features": {"tokens": {"kind": "metered"}, "words": {"kind": "metered"}, "docs": {"kind": "capacity"}, "idle": {"kind": "metered"}},
    "plans": {"free": {"default": true, "entitlements": {
                  "tokens": {"allowance": 100, "period": "month", "rollover": {"max": 60}},
                  "words": {"allowance": 0, "period": "month", "overage": {"limit": 50}},
                  "docs": {"allowance": 20}, "idle": {"allowance": 5, "period": "month"}}},
              "team": {"entitlements": {"tokens": {"allowance": 1000, "period": "month", "notify": [50],
                                                   "members": {"allowance": 100, "period": "month"}}, "docs": {"allowance": 50}}},
              "week": {"entitlements": {"tokens": {"allowance": 500, "period": "week"}, "docs": {"allowance": 5}}}}}');

--
-- What is shown is what has been taken
--
SELECT remaining FROM quota.debit('ann', 'tokens', 5);
SELECT pg_temp.lease('ann', 'tokens', 30, 'SELECT quota.debit(''ann'', ''tokens'', 4)', 'SELECT quota.debit(''ann'', ''tokens'', 3, ''k'', ''{"doc": 1}'')');
SELECT pg_temp.lease('ann', 'docs', 9, 'SELECT quota.debit(''ann'', ''docs'', 2)');
SELECT pg_temp.lease('ann', 'words', 25, 'SELECT quota.debit(''ann'', ''words'', 11)');
SELECT * FROM pg_temp.leases;
SELECT feature, used, overage FROM pg_temp.window_use ORDER BY 1;
SELECT feature, used, remaining FROM (VALUES ('tokens'), ('docs'), ('words')) f(feature), LATERAL quota.check('ann', f.feature) ORDER BY 1;
SELECT feature, used, remaining FROM quota.status('ann') ORDER BY 1;
SELECT f.key, f.value ->> 'used' AS used, f.value ->> 'overage' AS overage FROM jsonb_each(quota.me('ann') -> 'features') f ORDER BY 1;
SELECT feature, allowance, used, overage FROM quota.periods ORDER BY 1;
SELECT f.feature, b.name, b.used FROM (VALUES ('docs'), ('tokens'), ('words')) f(feature), LATERAL quota.breakdown('ann', f.feature, '2026-01-01') b ORDER BY 1, 2;
SELECT bucket::date, used FROM quota.usage('ann', 'tokens', '2026-01-10', '2026-01-11');
SELECT source, available, takes, verdict FROM quota.explain('ann', 'tokens', 90);
SELECT feature, used, remaining, fits FROM quota.preview('ann', 'week') ORDER BY 1;
SELECT amount, running FROM quota.statement('ann', 'tokens');
SELECT * FROM quota.verify();
-- the ledger is read for it by its index on ids, whatever the planner thinks of so small a table
CREATE FUNCTION pg_temp.scans(OUT seq bigint, OUT by_index bigint) LANGUAGE sql AS $$
    SELECT t.seq_scan, t.idx_scan FROM pg_stat_xact_all_tables t WHERE t.relid = 'quota_internal.ledger_entry_default'::regclass $$;
BEGIN;
SELECT seq, by_index FROM pg_temp.scans() \gset before_
SELECT used FROM quota.check('ann', 'tokens');
SELECT sum(used) FROM pg_temp.window_use;
SELECT seq - :before_seq AS seq, by_index - :before_by_index AS by_index FROM pg_temp.scans();
COMMIT;
-- one lease alone, or all at once
SELECT l.used, (SELECT sum(u.used) FROM pg_temp.window_use u) FROM pg_temp.leases t JOIN pg_temp.window_use l ON l.subject = t.subject AND l.feature = t.feature ORDER BY 1;
-- by parallel workers, too
BEGIN;
SET LOCAL parallel_setup_cost = 0; SET LOCAL parallel_tuple_cost = 0; SET LOCAL min_parallel_table_scan_size = 0; SET LOCAL max_parallel_workers_per_gather = 2;
CREATE FUNCTION pg_temp.is_parallel(query text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    plan json;
BEGIN
    EXECUTE 'EXPLAIN (FORMAT JSON) ' || query INTO plan;
    RETURN plan::text ~ 'Gather';
END $$;
SELECT pg_temp.is_parallel('SELECT sum(used) FROM quota_internal.window_use');
SELECT sum(used) FROM quota_internal.window_use;
COMMIT;
-- a role of level reader, too, by the view
CREATE ROLE regress_quota_reader;
SELECT quota.grant_access('regress_quota_reader', 'reader');
SET ROLE regress_quota_reader;
SELECT feature, used FROM quota.periods ORDER BY 1;
RESET ROLE;
-- nothing of all that has closed one
SELECT count(*) FROM pg_temp.leases;
-- SQL that forgets them is caught
SELECT pg_temp.code('UPDATE quota_internal.bucket SET reserved = NULL RETURNING used'), pg_temp.code('DELETE FROM quota_internal.bucket RETURNING used');
SELECT quota_internal._close_leases('{ann}', ARRAY(SELECT id FROM quota_internal.feature WHERE name IN ('docs', 'words')));
SELECT * FROM pg_temp.leases;
SELECT feature, used, overage FROM pg_temp.window_use ORDER BY 1;
SELECT quota_internal._close_leases(NULL), quota_internal._close_leases('{ann}', below => true);
SELECT feature, used, overage FROM pg_temp.window_use ORDER BY 1;
SELECT quota.forget('ann');
SELECT * FROM quota.verify();
REVOKE ALL ON SCHEMA quota FROM regress_quota_reader;
SELECT quota.revoke_access('regress_quota_reader');
DROP ROLE regress_quota_reader;

--
-- Whatever is done to such accounts, comes to the same as without leases
--

-- ann: 5 tokens, a hold of 10, then 4 and 3 by a lease; 3 docs, then 2; 2 words, then 11 as overage; of idle nothing is left.  acme and its member al.
CREATE FUNCTION pg_temp.history(leased boolean) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    account record;
    call text;
BEGIN
    PERFORM set_config('quota.clock', '2026-01-10 00:00:00+00', true);
    PERFORM quota.subscribe('acme', 'team');
    PERFORM set_config('test.old', (quota.debit('ann', 'tokens', 5)).id::text, true);
    PERFORM set_config('test.hold', (quota.reserve('ann', 'tokens', 10, '1 day')).id::text, true);
    PERFORM set_config('test.grant', (quota.credit('ann', 'tokens', 7)).id::text, true);
    PERFORM quota.debit('ann', 'docs', 3), quota.debit('ann', 'words', 2), quota.debit('acme/al', 'tokens', 50);
    FOR account IN
        SELECT * FROM (VALUES
            ('ann', 'tokens', 30, '{"SELECT set_config(''test.debit'', (quota.debit(''ann'', ''tokens'', 4)).id::text, true)",
                                    "SELECT quota.debit(''ann'', ''tokens'', 3, ''k'')"}'::text[]),
            ('ann', 'docs', 9, '{"SELECT quota.debit(''ann'', ''docs'', 2)"}'),
            ('ann', 'idle', 3, '{"SELECT quota.refund((quota.debit(''ann'', ''idle'', 2)).id)"}'),
            ('ann', 'words', 25, '{"SELECT quota.debit(''ann'', ''words'', 11)"}'),
            ('acme', 'tokens', 200, '{"SELECT quota.debit(''acme'', ''tokens'', 7)"}'),
            ('acme/al', 'tokens', 15, '{"SELECT quota.debit(''acme/al'', ''tokens'', 12)"}')) a(account, feature, more, calls)
    LOOP
        -- that of acme is closed by the charge of al
        IF leased THEN
            PERFORM pg_temp.lease(account.account, account.feature, account.more, VARIADIC account.calls);
        ELSE
            FOREACH call IN ARRAY account.calls LOOP
                EXECUTE call;
            END LOOP;
        END IF;
    END LOOP;
    IF leased THEN
        PERFORM pg_temp.lease('acme', 'tokens', 100, 'SELECT quota.debit(''acme'', ''tokens'', 1)');
    ELSE
        PERFORM quota.debit('acme', 'tokens', 1);
    END IF;
END $$;

-- What a call answers after that, and all that is true then, with or without leases.
CREATE FUNCTION pg_temp.outcome(leased boolean, call text, OUT answer text, OUT state jsonb, OUT still text, OUT wrong text) LANGUAGE plpgsql AS $$
BEGIN
    BEGIN
        PERFORM pg_temp.history(leased);
        answer := pg_temp.code(call);
        state := jsonb_build_object(
            'windows', (SELECT jsonb_agg(to_jsonb(u) - '{source_id,feature_id,plan_version_id}'::text[] ORDER BY u.subject, u.feature, u.period_start, u.period_end)
                        FROM pg_temp.window_use u),
            'ledger', (SELECT jsonb_agg(to_jsonb(l)) FROM (SELECT e.account, e.feature, e.kind, e.source, e.period_start, sum(e.amount) FROM quota.ledger e
                                                          GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5) l),
            'status', (SELECT jsonb_agg(to_jsonb(s) || jsonb_build_object('subject', w)) FROM unnest('{ann,acme,acme/al,eve}'::text[]) w, LATERAL quota.status(w) s),
            'periods', (SELECT jsonb_agg(to_jsonb(p) - 'source_id' ORDER BY p.subject, p.feature, p.period_start) FROM quota.periods p),
            'events', (SELECT jsonb_agg(jsonb_build_array(e.type, e.subject, e.feature, e.data - '{grant_id,hold_id,subscription_id}'::text[]) ORDER BY e.id) FROM quota.events e),
            'denials', (SELECT jsonb_agg(to_jsonb(d)) FROM quota.denials d));
        SELECT string_agg(l.subject || ' ' || l.feature, ', ') INTO still FROM pg_temp.leases l;
        SELECT string_agg(v::text, ' | ') INTO wrong FROM quota.verify() v;
        RAISE EXCEPTION USING ERRCODE = 'TW001';        -- all is undone
    EXCEPTION WHEN SQLSTATE 'TW001' THEN NULL;
    END;
END $$;

CREATE TEMP TABLE calls (n int GENERATED ALWAYS AS IDENTITY, call text);
INSERT INTO calls (call) VALUES
    ($$SELECT remaining FROM quota.debit('ann', 'tokens', 1)$$),
    ($$SELECT remaining FROM quota.debit('ann', 'tokens', 78)$$),
    ($$SELECT remaining FROM quota.debit('ann', 'tokens', 86)$$),
    ($$SELECT debited FROM quota.try_debit('ann', 'tokens', 1000, up_to => true)$$),
    ($$SELECT remaining FROM quota.try_debit('ann', 'tokens', 86)$$),
    ($$SELECT remaining FROM quota.debit('ann', 'tokens', 3, 'k')$$),
    ($$SELECT remaining FROM quota.debit('ann', 'words', 37)$$),
    ($$SELECT remaining FROM quota.debit('ann', 'words', 38)$$),
    ($$SELECT remaining FROM quota.debit('ann', 'docs', 15)$$),
    ($$SELECT remaining FROM quota.debit('ann', 'docs', 16)$$),
    ($$SELECT remaining FROM quota.give_back('ann', 'docs', 4)$$),
    ($$SELECT array_agg(r.remaining) FROM quota.debit_many('ann', '{"tokens": 9, "words": 1, "docs": 1}') r$$),
    ($$SELECT remaining FROM quota.debit('acme/al', 'tokens', 38)$$),
    ($$SELECT remaining FROM quota.debit('acme/al', 'tokens', 39)$$),
    ($$SELECT remaining FROM quota.debit('acme', 'tokens', 430)$$),
    ($$SELECT remaining FROM quota.refund(current_setting('test.debit')::bigint, 1)$$),
    ($$SELECT remaining FROM quota.refund(current_setting('test.debit')::bigint)$$),
    ($$SELECT remaining FROM quota.refund(current_setting('test.old')::bigint)$$),
    ($$SELECT remaining FROM quota.settle(current_setting('test.hold')::bigint, 6)$$),
    ($$SELECT charged FROM quota.settle(current_setting('test.hold')::bigint, 60)$$),
    ($$SELECT overdrawn FROM quota.settle(current_setting('test.hold')::bigint, 500)$$),
    ($$SELECT remaining FROM quota.release(current_setting('test.hold')::bigint)$$),
    ($$SELECT remaining FROM quota.extend(current_setting('test.hold')::bigint, amount => 40)$$),
    ($$SELECT remaining FROM quota.reserve('ann', 'tokens', 20)$$),
    ($$SELECT overdrawn FROM quota.record('ann', 'tokens', 90)$$),
    ($$SELECT remaining FROM quota.record('acme/al', 'tokens', 11, '2026-01-03')$$),
    ($$SELECT remaining FROM quota.set_usage('ann', 'tokens', 2)$$),
    ($$SELECT remaining FROM quota.set_usage('ann', 'docs', 40)$$),
    ($$SELECT quota.revoke(current_setting('test.grant')::bigint)$$),
    ($$SELECT quota.override('ann', 'tokens', '{"allowance": 13, "period": "month"}')$$),
    ($$SELECT quota.override('ann', 'tokens', '{"allowance": 300, "period": "day"}')$$),
    ($$SELECT quota.override('acme', 'tokens', '{"allowance": 100, "period": "week"}')$$),
    ($$SELECT quota.override('ann', 'words', '{"allowance": 20, "period": "month"}')$$),
    ($$SELECT count(*) FROM quota.subscribe('ann', 'team')$$),
    ($$SELECT count(*) FROM quota.change_plan('acme', 'week')$$),
    ($$SELECT count(*) FROM quota.change_plan('acme', 'week', usage => 'reset')$$),
    ($$SELECT count(*) FROM quota.change_plan('acme', 'free', usage => 'prorate')$$),
    ($$SELECT quota.cancel('acme', 'now')$$),
    ($$SELECT quota.set_status('acme', 'paused')$$),
    ($$SELECT count(*) FROM quota.amend('acme', '{"timezone": "Asia/Tokyo"}')$$),
    ($$SELECT count(*) FROM quota.amend('acme', '{"quantity": 3}')$$),
    ($$SELECT quota.rename('ann', 'eve')$$),
    ($$SELECT quota.rename('acme', 'emca')$$),
    ($$SELECT quota.rename('acme/al', 'acme/bo')$$),
    ($$SELECT quota.forget('ann')$$),
    ($$SELECT quota.forget('acme/al')$$),
    ($$SELECT quota.forget('acme')$$),
    ($$SELECT sum(rows) FROM quota.maintain() WHERE task ~ 'given'$$),
    -- a day later the hold has expired, and in the next month units roll over
    ($$SELECT (SELECT remaining FROM quota.debit('ann', 'tokens', 2)) FROM set_config('quota.clock', '2026-01-12', true)$$),
    ($$SELECT (SELECT sum(rows) FROM quota.maintain() WHERE task = 'holds given back') FROM set_config('quota.clock', '2026-01-12', true)$$),
    ($$SELECT (SELECT remaining FROM quota.check('ann', 'tokens')) FROM set_config('quota.clock', '2026-02-02', true)$$),
    ($$SELECT (SELECT remaining FROM quota.debit('ann', 'tokens', 2)) FROM set_config('quota.clock', '2026-02-02', true)$$),
    ($$SELECT (SELECT remaining FROM quota.debit('ann', 'tokens', 161)) FROM set_config('quota.clock', '2026-02-02', true)$$),
    ($$SELECT (SELECT remaining FROM quota.refund(current_setting('test.debit')::bigint)) FROM set_config('quota.clock', '2026-02-02', true)$$),
    ($$SELECT (SELECT sum(rows) FROM quota.maintain() WHERE task = 'leases closed') BETWEEN 0 AND 4 FROM set_config('quota.clock', '2026-02-02', true)$$),
    ($$SELECT sum(m.n) FROM (SELECT count(*) AS n FROM quota.apply_catalog(jsonb_set(quota.export_catalog(), '{plans,free,entitlements,tokens,allowance}', '40'))) m$$),
    ($$SELECT sum(m.n) FROM (SELECT count(*) AS n FROM quota.apply_catalog(jsonb_set(quota.export_catalog(), '{plans,free,entitlements,tokens,period}', '"week"'))) m$$),
    ($$SELECT quota.migrate('team') FROM quota.apply_catalog(jsonb_set(quota.export_catalog(), '{plans,team,entitlements,tokens,allowance}', '40')) LIMIT 1$$),
    ($$SELECT count(*) FROM quota.apply_catalog(quota.export_catalog() #- '{features,idle}' #- '{plans,free,entitlements,idle}')$$),
    ($$SELECT remaining FROM quota.debit('ann', 'idle', 5)$$),
    ($$SELECT (SELECT remaining FROM quota.debit('acme', 'tokens', 1)) FROM quota.change_plan('acme', 'week', 'period_end'), set_config('quota.clock', '2026-02-12', true)$$),
    ($$SELECT (SELECT remaining FROM quota.debit('acme/al', 'tokens', 1)) FROM quota.amend('acme', '{"quantity": 2}'), set_config('quota.clock', '2026-02-12', true)$$),
    ($$SELECT sum(used) FROM quota.usage('ann', 'tokens', '2026-01-01')$$),
    ($$SELECT quota.unit_hours('ann', 'docs', '2026-01-10', '2026-01-11')$$);
CREATE TEMP TABLE outcomes AS
SELECT c.*, l.answer, l.answer IS NOT DISTINCT FROM p.answer AND l.state = p.state AS same, l.still, coalesce(l.wrong, p.wrong) AS wrong,
       p.answer AS plain_answer, l.state, p.state AS plain_state
FROM calls c, LATERAL pg_temp.outcome(true, c.call) l, LATERAL pg_temp.outcome(false, c.call) p;
SELECT call, answer, still FROM outcomes ORDER BY n;
SELECT call, answer, plain_answer, wrong,
       (SELECT jsonb_object_agg(k, jsonb_build_array(state -> k, plain_state -> k)) FROM jsonb_object_keys(state) k WHERE state -> k IS DISTINCT FROM plain_state -> k) AS differs
FROM outcomes WHERE NOT same OR wrong IS NOT NULL ORDER BY n;

--
-- Months that a lease names are dropped after it has ended, and windows after theirs
--
DO $$ BEGIN PERFORM quota.maintain(); PERFORM pg_temp.lease('dan', 'docs', 10, 'SELECT quota.debit(''dan'', ''docs'', 3)'); PERFORM pg_temp.lease('dan', 'tokens', 10, 'SELECT quota.debit(''dan'', ''tokens'', 2)'); END $$;
SELECT * FROM pg_temp.leases;
SET quota.clock = '2027-05-10 00:00:00+00';
DO $$ BEGIN PERFORM quota.debit('dan', 'tokens', 1); PERFORM pg_temp.lease('dan', 'tokens', 10, 'SELECT quota.debit(''dan'', ''tokens'', 1)'); END $$;
SELECT * FROM pg_temp.leases;
SELECT task, rows FROM quota.maintain() WHERE task ~ 'leases|dropped';
SELECT * FROM pg_temp.leases;
SELECT feature, period_start::date, used FROM pg_temp.window_use ORDER BY 1, 2;
SELECT * FROM quota.verify();

--
-- What cannot be
--
CREATE FUNCTION pg_temp.damage(statement text) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
    BEGIN
        SET LOCAL session_replication_role = replica;
        EXECUTE statement;
        RETURN QUERY SELECT concat_ws(' | ', v.check_name, v.subject, v.feature, v.detail) FROM quota.verify() v;
        RAISE EXCEPTION USING ERRCODE = 'TW001';
    EXCEPTION WHEN SQLSTATE 'TW001' THEN NULL;
    END;
END $$;
SELECT pg_temp.lease('eve', 'docs', 10, 'SELECT quota.debit(''eve'', ''docs'', 3)'), pg_temp.lease('eve', 'tokens', 10, 'SELECT quota.debit(''eve'', ''tokens'', 3)');
SELECT pg_temp.damage('UPDATE quota_internal.ledger_entry SET lease_id = NULL WHERE account = ''eve''');
SELECT pg_temp.damage('UPDATE quota_internal.bucket SET leased = leased + 1 WHERE lease_id IS NOT NULL');
SELECT regexp_replace(pg_temp.damage('UPDATE quota_internal.ledger_entry SET lease_id = (SELECT min(lease_id) FROM quota_internal.bucket) WHERE account = ''eve'''), '\d+', 'N', 'g');
SELECT regexp_replace(pg_temp.damage('UPDATE quota_internal.ledger_entry SET amount = -2 WHERE account = ''eve'''), '(debit|operation|lease) \d+', '\1 N', 'g');
SELECT regexp_replace(pg_temp.damage('UPDATE quota_internal.bucket SET lease_id = (SELECT max(lease_id) FROM quota_internal.bucket) WHERE lease_id IS NOT NULL'), '(entry|lease) \d+', '\1 N', 'g');
SELECT regexp_replace(pg_temp.damage('UPDATE quota_internal.bucket SET lease_id = lease_id + 1000000 WHERE lease_id IS NOT NULL'), '\d+', 'N', 'g');
SELECT pg_temp.damage('ALTER TABLE quota_internal.bucket DISABLE TRIGGER lease_goes');
SELECT pg_temp.code('UPDATE quota_internal.bucket SET leased = NULL WHERE lease_id IS NOT NULL RETURNING used');
SELECT pg_temp.code('UPDATE quota_internal.bucket SET leases_overage = true WHERE lease_id IS NULL RETURNING used');
