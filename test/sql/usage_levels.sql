--
-- Whose entries stand for an operation: those of the deepest account that it began
-- with, whatever came to its path or left it later
--
SET client_min_messages = warning; DROP EXTENSION IF EXISTS quota CASCADE; CREATE EXTENSION quota CASCADE;
SET quota.clock = '2026-01-31 23:30:00+00';
SELECT count(*) FROM quota.apply_catalog('{
    "features": {"tokens": {"kind": "metered"}, "docs": {"kind": "capacity"}},
    "plans": {"free": {"default": true, "entitlements": {"tokens": {"allowance": 1000}, "docs": {"allowance": 10}}}}}');
SELECT quota.maintain() IS NULL AS maintained LIMIT 1;
-- What three subjects see of it, by use, by statement, and rolled up now or never: always the same.
CREATE FUNCTION pg_temp.seen(OUT used text, OUT statement text) LANGUAGE plpgsql AS $$
DECLARE
    before text[];
BEGIN
    FOR n IN 1..2 LOOP
        SELECT array_agg((SELECT sum(u.used) FROM quota.usage(s.name, 'tokens', '2026-01-01') u) ORDER BY s.at),
               array_agg((SELECT sum(t.amount) FROM quota.statement(s.name, 'tokens') t) ORDER BY s.at)
            INTO used, statement FROM unnest('{acme,acme/u1,acme/u1/x}'::text[]) WITH ORDINALITY s(name, at);
        IF n = 1 THEN
            before := ARRAY[used, statement];
            PERFORM quota_internal._roll_up();
        END IF;
    END LOOP;
    IF before <> ARRAY[used, statement] THEN
        RAISE EXCEPTION 'rolled up it says %, % instead of %', used, statement, before;
    END IF;
    IF EXISTS (SELECT FROM quota.verify()) THEN
        RAISE EXCEPTION 'verify says: %', (SELECT string_agg(v::text, '; ') FROM quota.verify() v);
    END IF;
END $$;

-- A level comes while a hold is open: reserve, roll-up, override, extend, settle
SELECT id FROM quota.reserve('acme/u1', 'tokens', 22, '2 days') \gset
SELECT * FROM pg_temp.seen();
SELECT quota.override('acme/u1', 'tokens', '{"allowance": 500}');
SELECT * FROM pg_temp.seen();
SET quota.clock = '2026-02-01 00:10:00+00';
SELECT reserved FROM quota.extend(:id, amount => 56);
SELECT * FROM pg_temp.seen();
SELECT charged FROM quota.settle(:id, 56);
SELECT * FROM pg_temp.seen();
SELECT refunded FROM quota.refund(:id, 6);
SELECT * FROM pg_temp.seen();

-- One leaves: reserve at both, override gone, extend, settle
SELECT id FROM quota.reserve('acme/u1', 'tokens', 10) \gset
SELECT * FROM pg_temp.seen();
SELECT quota.override('acme/u1', 'tokens', NULL);
SELECT reserved FROM quota.extend(:id, amount => 14);
SELECT * FROM pg_temp.seen();
SELECT charged FROM quota.settle(:id, 15);
SELECT * FROM pg_temp.seen();
SELECT refunded FROM quota.refund(:id);
SELECT * FROM pg_temp.seen();

-- Both, below a subject that is asked for, and a hold that expires; a release
SELECT id FROM quota.reserve('acme/u1/x', 'tokens', 7, '1 minute') \gset
SELECT quota.override('acme/u1/x', 'tokens', '{"allowance": 500}');
SELECT reserved FROM quota.extend(:id, amount => 9);
SELECT * FROM pg_temp.seen();
SET quota.clock = '2026-02-01 00:20:00+00';
SELECT count(*) > 0 AS maintained FROM quota.maintain();
SELECT * FROM pg_temp.seen();
SELECT charged FROM quota.settle(:id, 5);
SELECT * FROM pg_temp.seen();
SELECT id FROM quota.reserve('acme/u1/x', 'tokens', 3) \gset
SELECT quota.override('acme/u1/x', 'tokens', NULL), quota.override('acme', 'tokens', '{"allowance": 900}');
SELECT * FROM pg_temp.seen();
SELECT released FROM quota.release(:id);
SELECT * FROM pg_temp.seen();

-- Support's correction counts, what of a refund was missing does not
SELECT id FROM quota.debit('acme/u1', 'tokens', 30) \gset
SELECT remaining FROM quota.set_usage('acme', 'tokens', 5);
SELECT * FROM pg_temp.seen();
SELECT refunded FROM quota.refund(:id);
SELECT kind, source, amount FROM quota.ledger ORDER BY id DESC LIMIT 2;
SELECT * FROM pg_temp.seen();

-- An operation goes on when the month that it began in is gone
SELECT count(*) > 0 AS maintained FROM quota.maintain();
SET quota.clock = '2027-03-02 00:00:00+00';
SELECT rows FROM quota.maintain() WHERE task = 'ledger entries dropped';
SELECT used, debits FROM quota.usage('acme/u1', 'tokens', '2026-01-01', step => 'month');
SELECT used, debits FROM quota.usage('acme/u1', 'tokens', '2026-02-01 00:15', step => 'month');
SELECT * FROM quota.verify();

-- What is forgotten below stays in the use above; of a hold that goes on too
SELECT quota.override('acme/u1', 'tokens', '{"allowance": 500}');
SELECT id FROM quota.reserve('acme/u1', 'tokens', 40) \gset
SELECT * FROM pg_temp.seen();
SELECT quota.forget('acme/u1');
SELECT * FROM pg_temp.seen();
SELECT charged FROM quota.settle(:id, 41);
SELECT * FROM pg_temp.seen();

-- A transaction that began before the hold may extend it
SELECT id FROM quota.reserve('acme/u2', 'tokens', 3) \gset
SET quota.clock = '2027-03-01 23:59:00+00';
SELECT reserved FROM quota.extend(:id, amount => 4);
SELECT * FROM pg_temp.seen();
SET quota.clock = '2027-03-02 00:00:00+00';
SELECT charged FROM quota.settle(:id, 4);

-- Of a capacity, each subject sees its own
SELECT id FROM quota.debit('acme/u1', 'docs', 5) \gset
SELECT remaining FROM quota.give_back('acme', 'docs', 0 + 1);
SELECT sum(used) FROM quota.usage('acme', 'docs', '2026-01-01');
SELECT sum(used) FROM quota.usage('acme/u1', 'docs', '2026-01-01');
SELECT sum(amount) FROM quota.statement('acme', 'docs');
SELECT sum(amount) FROM quota.statement('acme/u1', 'docs');
SELECT * FROM quota.verify();
