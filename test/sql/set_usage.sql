--
-- set_usage: support's correction
--
SET client_min_messages = warning; DROP EXTENSION IF EXISTS quota CASCADE; CREATE EXTENSION quota CASCADE;
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/include/enforcement.psql'
\i :helpers
SET quota.clock = '2026-01-10 00:00:00+00';
SELECT count(*) FROM quota.apply_catalog('{
    "features": {"tokens": {"kind": "metered"}, "docs": {"kind": "capacity"}, "extra": {"kind": "metered"}, "on": {"kind": "boolean"}},
    "plans": {"free": {"default": true, "entitlements": {"docs": {"allowance": 5}, "tokens": {"allowance": 100, "period": "month", "overage": {"limit": 10}}}},
              "none": {"entitlements": {}}}}');
CREATE VIEW pg_temp.counts AS
SELECT subject, used, granted, overage, overdrawn, reserved FROM pg_temp.window_use ORDER BY subject, period_start;
CREATE VIEW pg_temp.entries AS
SELECT l.account, l.kind, l.source, e.grant_id, l.amount FROM quota.ledger l JOIN quota_internal.ledger_entry e USING (id) ORDER BY id;

-- Up: as settle takes; what has no room is overdrawn
SELECT id IS NOT NULL AS booked, remaining FROM quota.set_usage('a', 'tokens', 90);
SELECT id FROM quota.set_usage('a', 'tokens', 90);
SELECT remaining FROM quota.credit('a', 'tokens', 20, '2026-02-01');
SELECT remaining FROM quota.credit('a', 'tokens', 5, priority => 1);
SELECT remaining FROM quota.set_usage('a', 'tokens', 150, metadata => '{"ticket": 7}');
SELECT * FROM pg_temp.counts WHERE subject = 'a';
SELECT kind, source, grant_id, amount FROM pg_temp.entries;
SELECT metadata FROM quota.ledger WHERE subject = 'a' ORDER BY id DESC LIMIT 1;
-- Down in the reverse order: overdrawn, overage, grants from the last, allowance
SELECT remaining FROM quota.set_usage('a', 'tokens', 140);
SELECT * FROM pg_temp.counts WHERE subject = 'a';
SELECT remaining FROM quota.set_usage('a', 'tokens', 110);
SELECT remaining FROM quota.set_usage('a', 'tokens', 104);
SELECT grant_id, used FROM quota_internal.grant_use ORDER BY 1;
SELECT remaining FROM quota.set_usage('a', 'tokens', 0);
SELECT * FROM pg_temp.counts WHERE subject = 'a';
SELECT grant_id, used FROM quota_internal.grant_use ORDER BY 1;
SELECT * FROM quota.verify();

-- What comes back later stops at 0 in its bucket
SELECT id AS d FROM quota.debit('b', 'tokens', 60) \gset
SELECT remaining FROM quota.set_usage('b', 'tokens', 10);
SELECT refunded, remaining FROM quota.refund(:d);
SELECT * FROM pg_temp.counts WHERE subject = 'b';
SELECT kind, source, amount FROM pg_temp.entries WHERE account = 'b';
SELECT * FROM quota.verify();

-- Open holds are left out, wherever they took from
SELECT remaining FROM quota.debit('h', 'tokens', 95);
SELECT id AS h, remaining FROM quota.reserve('h', 'tokens', 12, '1 hour') \gset
SELECT * FROM pg_temp.counts WHERE subject = 'h';
SELECT id FROM quota.set_usage('h', 'tokens', 95);
SELECT remaining FROM quota.set_usage('h', 'tokens', 0);
SELECT * FROM pg_temp.counts WHERE subject = 'h';
SELECT remaining FROM quota.set_usage('h', 'tokens', 3);
SELECT used, remaining FROM quota.check('h', 'tokens');
SELECT released, remaining FROM quota.release(:h);
SELECT * FROM pg_temp.counts WHERE subject = 'h';
-- with a grant
SELECT remaining FROM quota.credit('h', 'tokens', 20);
SELECT remaining FROM quota.set_usage('h', 'tokens', 105);
SELECT id AS h, remaining FROM quota.reserve('h', 'tokens', 12, '1 hour') \gset
SELECT remaining FROM quota.set_usage('h', 'tokens', 1);
SELECT * FROM pg_temp.counts WHERE subject = 'h';
-- expired ones do not count
SET quota.clock = '2026-01-10 02:00:00+00';
SELECT used FROM quota.check('h', 'tokens');
SELECT remaining FROM quota.set_usage('h', 'tokens', 2);
SELECT * FROM pg_temp.counts WHERE subject = 'h';
SELECT * FROM quota.verify();

-- Recurring grants of several periods in one window: the last period first
SELECT remaining FROM quota.credit('r', 'tokens', 10, every => 'day') \gset
SELECT remaining FROM quota.debit('r', 'tokens', 106);
SET quota.clock = '2026-01-11 05:00:00+00';
SELECT remaining FROM quota.debit('r', 'tokens', 7);
SET quota.clock = '2026-01-12 05:00:00+00';
SELECT remaining FROM quota.debit('r', 'tokens', 3);
SELECT remaining FROM quota.set_usage('r', 'tokens', 112);
SELECT u.period_start, u.used FROM quota_internal.grant_use u JOIN quota_internal.credit_grant g ON g.id = u.grant_id WHERE g.subject = 'r' ORDER BY 1;
SELECT remaining FROM quota.debit('r', 'tokens', 2);
SELECT remaining FROM quota.set_usage('r', 'tokens', 104);
SELECT u.period_start, u.used FROM quota_internal.grant_use u JOIN quota_internal.credit_grant g ON g.id = u.grant_id WHERE g.subject = 'r' ORDER BY 1;
SELECT remaining FROM quota.set_usage('r', 'tokens', 0);
SELECT * FROM pg_temp.counts WHERE subject = 'r';
SELECT sum(used) FROM quota_internal.grant_use u JOIN quota_internal.credit_grant g ON g.id = u.grant_id WHERE g.subject = 'r';
SELECT * FROM quota.verify();

-- Only the account of its own
SELECT quota.override('p/x', 'tokens', '{"allowance": 30, "period": "day"}');
SELECT remaining FROM quota.debit('p/x', 'tokens', 10);
SELECT remaining FROM quota.set_usage('p/x', 'tokens', 4);
SELECT subject, used FROM pg_temp.window_use WHERE subject LIKE 'p%' ORDER BY 1;
SELECT remaining FROM quota.set_usage('p', 'tokens', 99);
SELECT remaining FROM quota.check('p/x', 'tokens');
SELECT pg_temp.try('SELECT quota.set_usage(''p/y'', ''tokens'', 1)');
SELECT pg_temp.code('SELECT quota.set_usage(''p'', ''extra'', 1)');
-- grants alone
SELECT remaining FROM quota.credit('ga', 'extra', 10);
SELECT remaining FROM quota.set_usage('ga', 'extra', 12);
SELECT * FROM pg_temp.counts WHERE subject = 'ga';
SELECT remaining FROM quota.set_usage('ga', 'extra', 3);
SELECT * FROM pg_temp.counts WHERE subject = 'ga';
-- the present period only
SET quota.clock = '2026-02-10 00:00:00+00';
SELECT remaining FROM quota.set_usage('b', 'tokens', 7);
SELECT * FROM pg_temp.counts WHERE subject = 'b';

-- Capacity
SELECT remaining FROM quota.debit('c/x', 'docs', 3);
SELECT remaining FROM quota.set_usage('c', 'docs', 8);
SELECT remaining FROM quota.set_usage('c', 'docs', 2);
SELECT pg_temp.code('SELECT quota.set_usage(''c/x'', ''docs'', 2)');
SELECT subject, used, overdrawn FROM pg_temp.window_use WHERE subject LIKE 'c%' ORDER BY 1;
SELECT remaining FROM quota.give_back('c/x', 'docs', 3);
SELECT subject, used, overdrawn FROM pg_temp.window_use WHERE subject LIKE 'c%' ORDER BY 1;
SELECT * FROM quota.verify();

-- Keys and arguments
SELECT id AS c FROM quota.set_usage('k', 'tokens', 10, 'k1') \gset
SELECT remaining FROM quota.debit('k', 'tokens', 5);
SELECT id = :c AS same, remaining FROM quota.set_usage('k', 'tokens', 10, 'k1');
SELECT pg_temp.code('SELECT quota.set_usage(''k'', ''tokens'', 11, ''k1'')');
-- no difference burns no key
SELECT id FROM quota.set_usage('k', 'tokens', 15, 'k2');
SELECT id IS NOT NULL AS booked, remaining FROM quota.set_usage('k', 'tokens', 9, 'k2');
SELECT pg_temp.code('SELECT quota.refund(' || :c || ')');
SELECT pg_temp.code(format('SELECT quota.set_usage(''k'', ''tokens'', %s)', v)) FROM unnest('{"NULL",-1,1.5,9223372036854775808}'::text[]) v;
SELECT pg_temp.code('SELECT quota.set_usage(''k'', ''on'', 1)'), pg_temp.code('SELECT quota.set_usage(''k'', ''nosuch'', 1)');
SELECT pg_temp.code('SELECT quota.set_usage(''k'', ''tokens'', 9223372036854775807)');
SELECT used, remaining FROM quota.check('k', 'tokens');
SELECT * FROM quota.verify();

-- What grants gave comes back to them before the allowance, also what another window has brought along
SET quota.clock = '2026-01-07 00:00:00+00';
SELECT remaining FROM quota.credit('m', 'tokens', 1, every => 'day', effective_at => '2026-01-01');
SELECT remaining FROM quota.debit('m', 'tokens', 101);
SET quota.clock = '2026-01-28 00:00:00+00';
SELECT count(*) FROM quota.apply_catalog('{"plans": {"free": {"default": true, "entitlements": {"docs": {"allowance": 5}, "tokens": {"allowance": 200, "period": "10 days"}}}, "none": {"entitlements": {}}}}');
SELECT * FROM pg_temp.counts WHERE subject = 'm';
SELECT remaining FROM quota.set_usage('m', 'tokens', 40);
SELECT * FROM pg_temp.counts WHERE subject = 'm';
SELECT period_start, used FROM quota_internal.grant_use u JOIN quota_internal.credit_grant g ON g.id = u.grant_id WHERE g.subject = 'm' ORDER BY 1;
SELECT * FROM quota.verify();
-- nor does a hold lose what it has of another period of the grant, when a transaction is older
SET quota.clock = '2026-02-08 00:00:00+00';
SELECT remaining FROM quota.credit('p', 'tokens', 2, every => 'day', effective_at => '2026-02-01');
SELECT remaining FROM quota.debit('p', 'tokens', 200);
SELECT reserved, remaining FROM quota.reserve('p', 'tokens', 2, '1 day');
SET quota.clock = '2026-02-07 00:00:00+00';
SELECT remaining FROM quota.debit('p', 'tokens', 2);
SELECT remaining FROM quota.set_usage('p', 'tokens', 201);
SELECT u.period_start, u.used FROM quota_internal.grant_use u JOIN quota_internal.credit_grant g ON g.id = u.grant_id WHERE g.subject = 'p' ORDER BY 1;
-- use that has moved to a shorter window, with what a later transaction took from a grant's next period
SET quota.clock = '2026-05-25 10:00+00';
SELECT quota.override('gem', 'tokens', '{"allowance": 3, "period": "month"}');
SELECT remaining FROM quota.credit('gem', 'tokens', 2, effective_at => '2026-04-25 09:00+00', every => 'month');
SELECT remaining FROM quota.debit('gem', 'tokens', 4);
SET quota.clock = '2026-05-23 10:00+00';
SELECT reserved FROM quota.reserve('gem', 'tokens', 2);
SELECT quota.override('gem', 'tokens', '{"allowance": 0, "period": "day"}');
SELECT remaining FROM quota.set_usage('gem', 'tokens', 2);
SELECT used, granted, reserved FROM pg_temp.window_use WHERE subject = 'gem' AND used > 0;
SELECT * FROM quota.verify();
