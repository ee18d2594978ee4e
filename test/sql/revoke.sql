--
-- quota.revoke() of a part, and with a key
--
SET client_min_messages = warning; DROP EXTENSION IF EXISTS quota CASCADE; CREATE EXTENSION quota CASCADE;
\set SHOW_CONTEXT never
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/include/calls.psql'
\i :helpers
SET quota.clock = '2026-01-10 00:00+00';
SELECT count(*) FROM quota.apply_catalog('{
    "features": {"tokens": {"kind": "metered"}, "docs": {"kind": "capacity"}},
    "plans": {"free": {"default": true, "entitlements": {"tokens": {"allowance": 100, "period": "month", "notify": [100, {"remaining": 5}]}, "docs": {"allowance": 5}}}}}');
CREATE VIEW pg_temp.grants AS
SELECT g.id, g.subject, g.amount, g.used_up, g.revoked_at IS NOT NULL AS revoked, (SELECT sum(u.used) FROM quota_internal.grant_use u WHERE u.grant_id = g.id) AS used
FROM quota_internal.credit_grant g ORDER BY g.id;

-- a part of what is left; no more than that; it goes on with the rest
SELECT id AS grant FROM quota.credit('ann', 'tokens', 40) \gset
SELECT id AS debit, remaining FROM quota.debit('ann', 'tokens', 110) \gset
SELECT quota.revoke(:grant, 10);
SELECT allowance, used, remaining FROM quota.check('ann', 'tokens');
SELECT * FROM pg_temp.grants;
SELECT quota.revoke(:grant, 1000) AS what_was_left, quota.revoke(:grant, 1) AS nothing_left;
SELECT * FROM pg_temp.grants;
SELECT quota.me('ann') -> 'grants' AS still_shown;
-- with 0 left it stays valid: what comes back is there again
SELECT refunded, remaining FROM quota.refund(:debit, 10);
SELECT * FROM pg_temp.grants;
SELECT quota.revoke(:grant, 4), quota.revoke(:grant), quota.revoke(:grant), quota.revoke(:grant, 1);
SELECT * FROM pg_temp.grants;
SELECT remaining FROM quota.check('ann', 'tokens');
SELECT type, data FROM quota.events ORDER BY id;
SELECT * FROM quota.verify();
-- nothing taken, all of it by amount: valid, and empty
SELECT id AS grant FROM quota.credit('bob', 'tokens', 5) \gset
SELECT quota.revoke(:grant, 5);
SELECT * FROM pg_temp.grants WHERE subject = 'bob';
SELECT remaining FROM quota.debit('bob', 'tokens', 100);
SELECT pg_temp.try($$SELECT quota.debit('bob', 'tokens', 1)$$);
-- of a recurring one every period to come; to come itself; of a capacity
SELECT id AS grant FROM quota.credit('cy', 'tokens', 10, every => 'month') \gset
SELECT remaining FROM quota.debit('cy', 'tokens', 108);
SELECT quota.revoke(:grant, 100);
SET quota.clock = '2026-02-10 00:00+00';
SELECT remaining FROM quota.check('cy', 'tokens');
SELECT remaining FROM quota.debit('cy', 'tokens', 107);
SELECT quota.revoke(:grant, 3), quota.me('cy') #> '{grants,0,amount}' AS amount;
SELECT * FROM quota.verify();
SELECT id AS grant FROM quota.credit('di', 'tokens', 10, effective_at => '2026-03-01') \gset
SELECT quota.revoke(:grant, 4);
SET quota.clock = '2026-03-01 00:00+00';
SELECT remaining FROM quota.check('di', 'tokens');
SELECT id AS grant FROM quota.credit('ed', 'docs', 10) \gset
SELECT remaining FROM quota.debit('ed', 'docs', 12);
SELECT quota.revoke(:grant, 6);
SELECT allowance, used, remaining FROM quota.check('ed', 'docs');
-- what open holds have is taken, what expired ones have is not
SELECT id AS grant FROM quota.credit('fy', 'tokens', 10) \gset
SELECT remaining FROM quota.reserve('fy', 'tokens', 104, '1 hour');
SELECT quota.revoke(:grant, 8);
SET quota.clock = '2026-03-01 02:00+00';
SELECT quota.revoke(:grant, 8);
SELECT amount, used FROM pg_temp.grants WHERE subject = 'fy';
-- a limit that falls tells of thresholds
SELECT id AS grant FROM quota.credit('gus', 'tokens', 20) \gset
SELECT remaining FROM quota.debit('gus', 'tokens', 110);
SELECT quota.revoke(:grant, 6);
SELECT data ->> 'percent' AS percent, data ->> 'remaining' AS remaining, data ->> 'allowance' AS allowance FROM quota.events WHERE subject = 'gus' AND type = 'threshold_reached' ORDER BY id;
SELECT * FROM quota.verify();

-- keys belong to the grant's subject; the first answer again, also when nothing is left; what took nothing burns none
SELECT id AS grant FROM quota.credit('key', 'tokens', 10) \gset
SELECT quota.revoke(:grant, 4, 'k'), quota.revoke(:grant, 4, 'k');
SELECT pg_temp.try(format($$SELECT quota.revoke(%s, 5, 'k')$$, :grant)), pg_temp.try(format($$SELECT quota.revoke(%s, key => 'k')$$, :grant)), pg_temp.try($$SELECT quota.debit('key', 'tokens', 4, 'k')$$);
SELECT quota.revoke(:grant, key => 'all'), quota.revoke(:grant, key => 'all'), quota.revoke(:grant, 4, 'k');
SELECT quota.revoke(:grant, 1, 'free'), (SELECT remaining FROM quota.debit('key', 'tokens', 1, 'free'));
SELECT * FROM quota.verify();
-- bad input
SELECT c.call, pg_temp.try('SELECT quota.revoke(' || c.call || ')')
FROM (VALUES ($$NULL$$), ($$0$$), ($$987654, 1$$), ($$1, 0$$), ($$1, -1$$), ($$1, 1, ''$$), ($$1, 1, repeat('k', 256)$$), ($$1, 9223372036854775807$$), ($$1, NULL, NULL$$)) c (call);
BEGIN; SET TRANSACTION READ ONLY; SELECT quota.revoke(1); ROLLBACK;
