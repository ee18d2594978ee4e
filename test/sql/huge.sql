--
-- Texts that are stored compressed are refused by their size, and nothing unpacks them
--
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS quota CASCADE;
CREATE EXTENSION quota CASCADE;
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/include/enforcement.psql'
SELECT count(*) FROM quota.apply_catalog('{
    "features": {"tokens": {"kind": "metered"}, "docs": {"kind": "capacity"}},
    "plans": {"pro": {"entitlements": {"tokens": {"allowance": 1000, "period": "month"}, "docs": {"allowance": 50}}}},
    "actions": {"chat": {"charges": {"tokens": {"per_unit": {"input": 1}}}}}}');
SELECT quota.subscribe('big', 'pro') > 0;
SELECT id AS grant FROM quota.credit('big', 'tokens', 1) \gset
CREATE TABLE regress_gated (owner text);
SELECT quota.protect('regress_gated', 'docs', 'r.owner');
CREATE TABLE regress_big (t text, j jsonb, a text[]);
ALTER TABLE regress_big ALTER t SET COMPRESSION pglz, ALTER j SET COMPRESSION pglz, ALTER a SET COMPRESSION pglz;
INSERT INTO regress_big VALUES (repeat('x', 100000000), jsonb_build_object('features', repeat('x', 100000000)), ARRAY[repeat('x', 100000000)]);

-- another backend, with a memory of its own
\c
\i :helpers
-- the most memory that this backend has had, in kB; nothing where there is no such file
CREATE FUNCTION pg_temp.peak() RETURNS int LANGUAGE sql AS $$
    SELECT coalesce(substring(pg_read_file('/proc/self/status', 0, 10000, true) FROM 'VmHWM:\s*(\d+)')::int, 0)
$$;
SELECT * FROM quota.check('big', 'tokens');
SELECT pg_temp.peak() AS before \gset
SELECT pg_column_size(t) < 2000000 AS t, pg_column_size(j) < 2000000 AS j, pg_column_size(a) < 2000000 AS a FROM regress_big;
\pset format unaligned
\pset tuples_only on
-- each in a statement of its own
SELECT format('SELECT %1$L AS call, pg_temp.code(%2$L)', c.args, 'SELECT quota.' || c.args || ' FROM regress_big')
FROM unnest(ARRAY[
    $$debit(t, 'tokens')$$, $$debit('big', t)$$, $$debit('big', 'tokens', key => t)$$, $$debit('big', 'tokens', metadata => j)$$,
    $$try_debit('big', t)$$, $$debit_many('big', j)$$, $$charge('big', t)$$, $$charge_units('big', 'chat', j)$$, $$quote(t, '1')$$, $$quote('chat', j)$$,
    $$refund(1, key => t)$$, $$give_back('big', t)$$, $$throttle('big', t)$$, $$reserve('big', t, 1)$$, $$reserve('big', 'tokens', 1, key => t)$$, $$settle(1, 1, j)$$,
    $$record('big', t, 1)$$, $$record('big', 'tokens', 1, key => t)$$, $$record('big', 'tokens', 1, metadata => j)$$, $$note_denial(j)$$, $$authenticate(t)$$,
    $$check('big', t)$$, $$has(t, 'tokens')$$, $$has('big', t)$$, $$setting('big', t)$$, $$status(t)$$, $$me(t)$$, $$explain('big', t)$$, $$offers('big', t)$$,
    $$preview('big', t)$$, $$preview('big', 'pro', t)$$, $$statement('big', t)$$,
    $$usage('big', t, '2026-01-01')$$, $$usage('big', 'tokens', '2026-01-01', step => t)$$, $$usage('big', 'tokens', '2026-01-01', timezone => t)$$,
    $$breakdown('big', t, '2026-01-01')$$, $$breakdown('big', 'tokens', '2026-01-01', by => t)$$, $$unit_hours('big', t, '2026-01-01')$$,
    $$subscribe(t, 'pro')$$, $$subscribe('u', t)$$, $$subscribe('u', 'pro', timezone => t)$$, $$subscribe('u', 'pro', external_id => t)$$, $$subscribe('u', 'pro', metadata => j)$$,
    $$change_plan(t, 'pro')$$, $$change_plan('big', t)$$, $$change_plan('u', t)$$, $$change_plan('big', 'pro', t)$$, $$change_plan('big', 'pro', 'now', t)$$,
    $$cancel(t)$$, $$cancel('big', t)$$, $$set_status(t, 'active')$$, $$set_status('big', t)$$, $$amend(t, '{}')$$, $$amend('big', j)$$, $$migrate(t)$$,
    $$rename(t, 'u')$$, $$rename('big', t)$$, $$forget(t)$$, $$clear_caps('big', t)$$, $$set_usage('big', t, 0)$$, $$set_usage('big', 'tokens', 1, key => t)$$,
    $$override(t, 'tokens', NULL)$$, $$override('u', t, NULL)$$, $$override('u', t, '{"allowance": 1}')$$, $$override('u', 'tokens', j)$$,
    $$credit('big', t, 1)$$, $$credit('big', 'tokens', 1, every => t)$$, $$credit('big', 'tokens', 1, source => t)$$, $$credit('big', 'tokens', 1, key => t)$$,
    $$credit('big', 'tokens', 1, metadata => j)$$, $$revoke($$ || :'grant' || $$, 1, t)$$,
    $$create_api_key(t, 'x')$$, $$create_api_key('big', t)$$, $$create_api_key('big', 'x', scopes => a)$$,
    $$protect('regress_big', t, 'r.t')$$, $$protect('regress_big', 'docs', t)$$, $$protect('regress_big', 'docs', 'r.t', t)$$, $$protect('regress_big', 'docs', 'r.t', refund => t)$$,
    $$protect('regress_big', 'docs', 'r.t', exceed => t)$$, $$unprotect('regress_gated', t)$$, $$recount(t)$$, $$recount(t, false)$$,
    $$grant_access(t, 'app')$$, $$grant_access(current_user, t)$$, $$revoke_access(t)$$,
    $$apply_catalog(j)$$, $$apply_catalog(j, true)$$, $$simulate(j, '2026-01-01')$$]) c(args) \gexec
\pset tuples_only off
\pset format aligned
SELECT pg_temp.peak() - :before < 50000 AS flat;
SELECT * FROM quota.verify();
DROP TABLE regress_big, regress_gated;
DROP VIEW pg_temp.window_use;
DROP EXTENSION quota CASCADE;
