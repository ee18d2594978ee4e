--
-- Grants: credit(), revoke(), their order, validity, periods; me()
--
SET client_min_messages = warning; DROP EXTENSION IF EXISTS quota CASCADE; CREATE EXTENSION quota CASCADE;
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/include/enforcement.psql'
\i :helpers
SET quota.clock = '2026-01-10 00:00:00+00';
SELECT count(*) FROM quota.apply_catalog('{
    "features": {"tokens": {"kind": "metered"}, "docs": {"kind": "capacity"}, "extra": {"kind": "metered"}, "rooms": {"kind": "capacity"},
                 "on": {"kind": "boolean"}, "size": {"kind": "static"}, "api": {"kind": "rate"}},
    "plans": {"free": {"default": true, "entitlements": {"tokens": {"allowance": 100, "period": "month"}, "docs": {"allowance": 2},
                       "on": {"value": true}, "size": {"value": 1}, "api": {"rate": {"limit": 5, "per": "1 minute"}}}},
              "pro": {"entitlements": {"tokens": {"allowance": 1000, "period": "month", "anchor": "subscription"}, "docs": {"allowance": 20}}},
              "all": {"entitlements": {"tokens": {"allowance": null}, "docs": {"allowance": null}}},
              "none": {"entitlements": {}}}}');
CREATE VIEW pg_temp.entries AS
SELECT l.account, l.kind, l.source, e.grant_id, l.amount FROM quota.ledger l JOIN quota_internal.ledger_entry e USING (id) ORDER BY id;
CREATE VIEW pg_temp.uses AS
SELECT g.subject, u.grant_id, period_start, period_end, used FROM quota_internal.grant_use u JOIN quota_internal.credit_grant g ON g.id = u.grant_id ORDER BY 2, 3;

--
-- The order: allowance, then grants by priority, expiry (never last), creation, id
--
SELECT quota.credit('ord', 'tokens', 10, source => 'A never');                                                    -- 1
SELECT quota.credit('ord', 'tokens', 10, '2026-03-01', source => 'B march');                                      -- 2
SELECT quota.credit('ord', 'tokens', 10, '2026-02-01', source => 'C february');                                   -- 3
SELECT quota.credit('ord', 'tokens', 10, '2026-02-01', source => 'D february, younger id');                       -- 4
SELECT quota.credit('ord', 'tokens', 10, priority => 5, source => 'E first');                                     -- 5
SELECT quota.credit('ord', 'tokens', 10, '2026-02-01', priority => 200, source => 'F last');                      -- 6
SET quota.clock = '2026-01-09 00:00:00+00';
SELECT quota.credit('ord', 'tokens', 10, '2026-02-01', source => 'G february, created before');                   -- 7
SET quota.clock = '2026-01-10 00:00:00+00';
SELECT allowance, used, remaining, resets_at FROM quota.check('ord', 'tokens');
SELECT remaining FROM quota.debit('ord', 'tokens', 155);
SELECT source, grant_id, amount FROM pg_temp.entries WHERE account = 'ord';
SELECT allowance, used, remaining FROM quota.check('ord', 'tokens');
SELECT pg_temp.code('SELECT quota.debit(''ord'', ''tokens'', 16)');
SELECT remaining FROM quota.debit('ord', 'tokens', 15);
SELECT (pg_temp.refusal('ord', 'tokens', 1)).*;
SELECT e ->> 'id' AS id, e ->> 'used' AS used, e ->> 'source' AS source, e ->> 'priority' AS priority, e ->> 'expires_at' AS expires_at
FROM jsonb_array_elements(quota.me('ord') -> 'grants') e;
-- a refund gives back last first
SELECT max(debit_id) AS last, min(debit_id) AS first FROM quota.ledger WHERE subject = 'ord' \gset
SELECT refunded, remaining FROM quota.refund(:last, 12);
SELECT refunded, remaining FROM quota.refund(:first, 60);
SELECT grant_id, used FROM pg_temp.uses;
SELECT kind, source, grant_id, amount FROM pg_temp.entries WHERE account = 'ord' AND kind = 'refund';
-- refunds done, the order begins anew where there is room
SELECT remaining FROM quota.debit('ord', 'tokens', 5);
SELECT source, grant_id, amount FROM pg_temp.entries WHERE account = 'ord' ORDER BY 1, 2 LIMIT 1;
SELECT used, granted FROM pg_temp.window_use WHERE subject = 'ord';
-- expired with no job: February's are over, the new month's allowance is there
SET quota.clock = '2026-02-01 00:00:00+00';
SELECT allowance, used, remaining, resets_at FROM quota.check('ord', 'tokens');
SELECT jsonb_agg(e -> 'id') FROM jsonb_array_elements(quota.me('ord') -> 'grants') e;
-- a refund that meets an expired grant is booked there and restores nothing now
SELECT refunded, remaining FROM quota.refund(:first, 10);
SELECT grant_id, used FROM pg_temp.uses WHERE grant_id IN (3, 4, 6, 7);
SELECT remaining FROM quota.check('ord', 'tokens');
SELECT * FROM quota.verify();

--
-- Validity: from effective_at, until expires_at, both exact
--
SET quota.clock = '2026-01-10 00:00:00+00';
SELECT remaining FROM quota.credit('val', 'tokens', 50, '2026-01-20', '2026-01-15');
SELECT id, amount, used, effective_at, expires_at, priority, source FROM jsonb_to_recordset(quota.me('val') -> 'grants') AS (id int, amount int, used int, effective_at text, expires_at text, priority int, source text);
SELECT remaining FROM quota.debit('val', 'tokens', 100);
SELECT pg_temp.code('SELECT quota.debit(''val'', ''tokens'')');
SET quota.clock = '2026-01-14 23:59:59.999999+00';
SELECT remaining FROM quota.check('val', 'tokens');
SET quota.clock = '2026-01-15 00:00:00+00';
SELECT allowance, used, remaining FROM quota.check('val', 'tokens');
SELECT remaining FROM quota.debit('val', 'tokens', 20);
SET quota.clock = '2026-01-19 23:59:59.999999+00';
SELECT allowance, used, remaining FROM quota.check('val', 'tokens');
SET quota.clock = '2026-01-20 00:00:00+00';
SELECT allowance, used, remaining, allowed, reason FROM quota.check('val', 'tokens');
SELECT quota.me('val') -> 'grants';
SET quota.clock = '2026-02-20 00:00:00+00';
SELECT allowance, used, remaining FROM quota.check('val', 'tokens');
SELECT * FROM quota.verify();

--
-- Recurring, in the subscription's zone, months from the 31st, over a change of summer time, with a final expiry
--
SET quota.clock = '2026-01-10 00:00:00+00';
SELECT quota.subscribe('rec', 'pro', starts_at => '2026-01-10 00:00+00', timezone => 'Europe/Berlin') IS NOT NULL AS subscribed;
SELECT remaining FROM quota.set_usage('rec', 'tokens', 1000);
SELECT id AS g, remaining FROM quota.credit('rec', 'tokens', 30, '2026-05-10 00:00+02', '2026-01-31 00:00+01', 'month', source => 'add-on') \gset
SELECT :remaining AS remaining, timezone, period FROM quota_internal.credit_grant WHERE id = :g;
SELECT e ->> 'effective_at' AS from, e ->> 'expires_at' AS to, e ->> 'used' AS used FROM jsonb_array_elements(quota.me('rec') -> 'grants') e;
SET quota.clock = '2026-01-31 00:00+01';
SELECT remaining FROM quota.debit('rec', 'tokens', 10);
SELECT e ->> 'effective_at' AS from, e ->> 'expires_at' AS to, e ->> 'used' AS used FROM jsonb_array_elements(quota.me('rec') -> 'grants') e;
SET quota.clock = '2026-02-09 00:00+00';
SELECT remaining, allowance, used FROM quota.check('rec', 'tokens');
SET quota.clock = '2026-02-27 23:59+01';
SELECT remaining, allowance, used FROM quota.check('rec', 'tokens');
-- what is left lapses, the amount comes anew
SET quota.clock = '2026-02-28 00:00+01';
SELECT remaining, allowance, used FROM quota.check('rec', 'tokens');
SELECT remaining FROM quota.debit('rec', 'tokens', 1025);
SET quota.clock = '2026-04-15 00:00+00';
SELECT remaining FROM quota.debit('rec', 'tokens', 1007);
-- the last period is cut at the end
SET quota.clock = '2026-05-05 00:00+00';
SELECT remaining FROM quota.debit('rec', 'tokens', 4);
SELECT period_start, period_end, used FROM pg_temp.uses WHERE grant_id = :g;
SET quota.clock = '2026-05-10 00:00+02';
SELECT remaining FROM quota.check('rec', 'tokens');
SELECT quota.me('rec') -> 'grants';
-- a refund of a charge in an earlier period goes back there
SELECT debit_id AS d FROM quota.ledger WHERE subject = 'rec' AND at = '2026-02-28 00:00+01' LIMIT 1 \gset
SELECT refunded FROM quota.refund(:d, 15);
SELECT period_start, used FROM pg_temp.uses WHERE grant_id = :g;
SELECT * FROM quota.verify();
-- every hour for a year: O(1)
SET quota.clock = '2026-01-10 00:00+00';
SELECT id AS g FROM quota.credit('hourly', 'extra', 3, every => '1 hour') \gset
SET quota.clock = '2027-06-10 10:30+00';
SELECT remaining FROM quota.debit('hourly', 'extra', 2);
SELECT period_start, period_end, used FROM pg_temp.uses WHERE grant_id = :g;

--
-- revoke
--
SET quota.clock = '2026-01-10 00:00:00+00';
SELECT id AS g FROM quota.credit('rev', 'tokens', 40) \gset
SELECT id AS d, remaining FROM quota.debit('rev', 'tokens', 115) \gset
SELECT quota.revoke(:g), quota.revoke(:g);
SELECT allowance, used, remaining FROM quota.check('rev', 'tokens');
SELECT quota.me('rev') -> 'grants';
SELECT refunded, remaining FROM quota.refund(:d, 20);
SELECT allowance, used, remaining FROM quota.check('rev', 'tokens');
-- to come; expired; recurring: all of its periods; what an open hold has is taken
SELECT id AS g FROM quota.credit('rev', 'tokens', 7, effective_at => '2026-01-12') \gset
SELECT quota.revoke(:g);
SET quota.clock = '2026-01-12 00:00:00+00';
SELECT remaining FROM quota.check('rev', 'tokens');
SELECT id AS g FROM quota.credit('rev', 'tokens', 7, every => 'day') \gset
SELECT remaining FROM quota.reserve('rev', 'tokens', 8, '1 hour');
SELECT quota.revoke(:g);
SET quota.clock = '2026-01-13 00:00:00+00';
SELECT remaining FROM quota.check('rev', 'tokens');
SELECT id AS g FROM quota.credit('rev', 'tokens', 7, '2026-01-14', every => 'day') \gset
SELECT remaining FROM quota.reserve('rev', 'tokens', 8, '1 hour');
SET quota.clock = '2026-01-13 02:00:00+00';
SELECT quota.revoke(:g) AS expired_hold_left_out;
SET quota.clock = '2026-01-15 00:00:00+00';
SELECT quota.revoke(:g) AS has_ended;
SELECT pg_temp.try('SELECT quota.revoke(987654)'), pg_temp.code('SELECT quota.revoke(NULL)');
SELECT type, subject, data FROM quota.events WHERE subject = 'rev' ORDER BY id LIMIT 2;
SELECT * FROM quota.verify();

--
-- Grants alone make an account where no level has one
--
SET quota.clock = '2026-01-10 00:00:00+00';
SELECT * FROM quota.credit('alone', 'extra', 10, '2026-01-20');
SELECT * FROM quota.check('alone', 'extra');
SELECT feature, kind, plan, allowed, allowance, used, remaining, period_start, resets_at FROM quota.status('alone') WHERE feature = 'extra';
SELECT quota.has('alone', 'extra'), quota.has('alone/x', 'extra'), quota.has('other', 'extra');
SELECT remaining, resets_at FROM quota.debit('alone/x', 'extra', 10);
-- used up or not: an account, so quota_exceeded and no retry
SELECT (pg_temp.refusal('alone/x', 'extra', 1)).*;
SELECT quota.has('alone', 'extra');
SET quota.clock = '2026-01-20 00:00:00+00';
SELECT (pg_temp.refusal('alone', 'extra', 1)).*;
-- two levels with grants are both charged
SET quota.clock = '2026-01-10 00:00:00+00';
SELECT remaining FROM quota.credit('two', 'extra', 10);
SELECT remaining FROM quota.credit('two/x', 'extra', 3);
SELECT remaining FROM quota.debit('two/x', 'extra', 3);
SELECT blocked_by, remaining, allowance, used FROM quota.check('two/x', 'extra');
SELECT remaining FROM quota.check('two', 'extra');
SELECT e ->> 'id' AS id, e ->> 'amount' AS amount, e ->> 'used' AS used FROM jsonb_array_elements(quota.me('two/x') -> 'grants') e;
-- a paused subscription without the feature refuses the grant-only account
SELECT quota.subscribe('two', 'none') IS NOT NULL AS subscribed, quota.set_status('two', 'paused');
SELECT reason, blocked_by, remaining FROM quota.check('two', 'extra');
SELECT quota.set_status('two', 'active');
SELECT reason, remaining FROM quota.check('two', 'extra');
-- capacity: grants raise the ceiling and are not burned
SELECT remaining FROM quota.credit('alone', 'rooms', 2, '2026-01-20');
SELECT id AS d, remaining, resets_at FROM quota.debit('alone', 'rooms', 2) \gset
SELECT (pg_temp.refusal('alone', 'rooms', 1)).*;
SELECT quota.me('alone') #> '{grants,1}';
SET quota.clock = '2026-01-20 00:00:00+00';
SELECT reason, allowance, used, remaining FROM quota.check('alone', 'rooms');
SELECT remaining FROM quota.credit('alone', 'rooms', 3);
SELECT allowance, used, remaining FROM quota.check('alone', 'rooms');
SELECT remaining FROM quota.give_back('alone', 'rooms', 2);
SELECT count(*) FROM pg_temp.uses WHERE subject = 'alone';
-- beside a plan; used above the ceiling when it expires
SELECT remaining FROM quota.credit('cap', 'docs', 5, '2026-01-25');
SELECT remaining FROM quota.debit('cap', 'docs', 6);
SET quota.clock = '2026-01-25 00:00:00+00';
SELECT allowance, used, remaining, allowed, retry_after FROM quota.check('cap', 'docs');
SELECT id AS g FROM quota.credit('cap', 'docs', 10) \gset
SELECT quota.revoke(:g) AS not_burned;
SELECT * FROM quota.verify();

--
-- Whom to credit; dormant grants; unlimited plans
--
SET quota.clock = '2026-01-10 00:00:00+00';
SELECT quota.subscribe('acme', 'pro') IS NOT NULL AS subscribed;
SELECT pg_temp.try('SELECT quota.credit(''acme/bo'', ''tokens'', 5)');
SELECT pg_temp.code('SELECT quota.credit(''acme/bo'', ''docs'', 5)');
SELECT remaining FROM quota.credit('acme/bo', 'extra', 5);
SELECT quota.override('acme/bo', 'tokens', '{"allowance": 10, "period": "day"}');
SELECT remaining FROM quota.credit('acme/bo', 'tokens', 5);
SELECT remaining FROM quota.debit('acme/bo', 'tokens', 12);
SELECT e ->> 'feature' AS feature, e ->> 'used' AS used FROM jsonb_array_elements(quota.me('acme/bo') -> 'grants') e;
-- the override goes: the grant sleeps, its validity running on
SELECT quota.override('acme/bo', 'tokens', NULL);
SELECT remaining, allowance FROM quota.check('acme/bo', 'tokens');
SELECT remaining FROM quota.debit('acme/bo', 'tokens', 1);
SELECT grant_id, source, amount FROM pg_temp.entries WHERE account = 'acme/bo';
SELECT quota.override('acme/bo', 'tokens', '{"allowance": 10, "period": "day"}');
SELECT allowance, used, remaining FROM quota.check('acme/bo', 'tokens');
-- unlimited: grants lie unused
SELECT quota.subscribe('big', 'all') IS NOT NULL AS subscribed;
SELECT remaining FROM quota.credit('big', 'tokens', 5);
SELECT remaining FROM quota.debit('big', 'tokens', 500);
SELECT remaining FROM quota.credit('big', 'docs', 5);
SELECT allowance, used, remaining FROM quota.check('big', 'docs');
SELECT source, amount FROM pg_temp.entries WHERE account = 'big';
-- a change of plan leaves grants alone; a deficit of a lowered limit is covered without burning
SELECT quota.subscribe('low', 'pro') IS NOT NULL AS subscribed;
SELECT remaining FROM quota.debit('low', 'tokens', 300);
SELECT remaining FROM quota.credit('low', 'tokens', 250);
SELECT quota.override('low', 'tokens', '{"allowance": 100, "period": "month", "anchor": "subscription"}');
SELECT allowance, used, remaining FROM quota.check('low', 'tokens');
SELECT remaining FROM quota.debit('low', 'tokens', 50);
SELECT pg_temp.code('SELECT quota.debit(''low'', ''tokens'', 1)');
SELECT used, granted FROM pg_temp.window_use WHERE subject = 'low';
-- when the holds above have expired, as they did before the clock went back
SET quota.clock = '2026-01-25 00:00:00+00';
SELECT * FROM quota.verify();

--
-- Refused arguments
--
SET quota.clock = '2026-01-10 00:00:00+00';
SELECT pg_temp.code(format('SELECT quota.credit(''bad'', %L, 5)', f)) FROM unnest('{on,size,api,unknown}'::text[]) f;
SELECT pg_temp.code(format('SELECT quota.credit(''bad'', ''tokens'', %s)', a)) FROM unnest('{0,-1,"NULL",1.5}'::text[]) a;
SELECT pg_temp.code(format('SELECT quota.credit(''bad'', ''tokens'', 5, %s)', a)) FROM unnest(ARRAY[
    '''2026-01-10''', '''2025-01-01''', '''-infinity''', '''2026-01-20'', ''2026-01-20''', '''2026-01-20'', ''2026-01-21''', 'NULL, ''infinity''',
    'NULL, ''-infinity''', 'NULL, ''20000-01-01''', '''20000-01-01''', 'every => ''nonsense''', 'every => ''''', 'every => ''10 seconds''', 'every => ''-1 month''',
    'every => ''1 mon -1 day''', 'every => repeat(''x'', 1000000)', 'priority => NULL', 'source => NULL', 'source => ''''', 'source => repeat(''x'', 129)', 'source => E''a\x01''',
    'key => ''''', 'key => repeat(''k'', 256)', 'metadata => ''[]''']) a;
SELECT pg_temp.code('SELECT quota.credit(NULL, ''tokens'', 5)'), pg_temp.code('SELECT quota.credit(''a//b'', ''tokens'', 5)'), pg_temp.code('SELECT quota.credit(''a'', NULL, 5)');
SELECT pg_temp.code('SELECT quota.credit(''bad'', ''tokens'', 9223372036854775807)');
SELECT remaining FROM quota.credit('max', 'tokens', 9223372036854775707);
SELECT pg_temp.code('SELECT quota.credit(''max'', ''tokens'', 1)');
SELECT remaining FROM quota.debit('max', 'tokens', 9223372036854775807);
SELECT pg_temp.code('SELECT quota.debit(''max'', ''tokens'', 1)');
SELECT remaining FROM quota.credit('max', 'rooms', 9223372036854775807);
SELECT pg_temp.code('SELECT quota.credit(''max'', ''rooms'', 1)');
SELECT count(*) FROM quota_internal.credit_grant WHERE subject IN ('bad', 'a');

--
-- Keys
--
SELECT id AS g FROM quota.credit('key', 'tokens', 10, key => 'k1') \gset
SELECT id = :g AS same, remaining FROM quota.credit('key', 'tokens', 10, key => 'k1');
SELECT pg_temp.code('SELECT quota.credit(''key'', ''tokens'', 11, key => ''k1'')');
SELECT pg_temp.code('SELECT quota.credit(''key'', ''tokens'', 10, ''2027-01-01'', key => ''k1'')');
SELECT pg_temp.code('SELECT quota.credit(''key'', ''tokens'', 10, every => ''month'', key => ''k1'')');
SELECT pg_temp.code('SELECT quota.credit(''key'', ''tokens'', 10, priority => 1, key => ''k1'')');
SELECT pg_temp.code('SELECT quota.debit(''key'', ''tokens'', 10, ''k1'')');
SELECT id <> :g AS other FROM quota.credit('key2', 'tokens', 10, key => 'k1');
SELECT count(*) FROM quota_internal.credit_grant WHERE subject = 'key';
SELECT type, subject, feature, data - 'grant_id' AS data FROM quota.events WHERE subject = 'key';
-- rolled back to a savepoint: nothing is left, and the key is free
BEGIN; SAVEPOINT s;
SELECT remaining FROM quota.credit('key', 'tokens', 10, key => 'k2');
ROLLBACK TO s;
SELECT remaining FROM quota.credit('key', 'tokens', 20, key => 'k2');
COMMIT;
-- read-only
BEGIN READ ONLY;
SELECT pg_temp.code('SELECT quota.credit(''key'', ''tokens'', 10)');
ROLLBACK;
-- revoked by a transaction that is older than the grant, after one that is not has taken from it
SELECT id AS g FROM quota.credit('late', 'extra', 7, every => 'day') \gset
SELECT remaining FROM quota.debit('late', 'extra', 3);
SET quota.clock = '2026-01-01 00:00:00+00';
SELECT quota.revoke(:g);
SET quota.clock = '2026-01-25 00:00:00+00';
SELECT * FROM quota.verify();
