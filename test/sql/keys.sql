--
-- Keys: a repeated call is answered again and charges nothing
--
SET client_min_messages = warning; DROP EXTENSION IF EXISTS quota CASCADE; CREATE EXTENSION quota CASCADE;
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/include/enforcement.psql'
\i :helpers
SET quota.clock = '2026-01-10 00:00:00+00';
SELECT count(*) FROM quota.apply_catalog('{
    "features": {"tokens": {"kind": "metered"}, "other": {"kind": "metered"}, "docs": {"kind": "capacity"}, "mindmap": {"kind": "boolean"}},
    "plans": {"free": {"default": true, "entitlements": {"tokens": {"allowance": 100, "period": "month"}, "docs": {"allowance": 10},
                                                         "mindmap": {"value": true}}},
              "none": {"entitlements": {}}}}');

-- The first call charges, the others get its id; remaining and resets_at are the present ones.
SELECT * FROM quota.debit('ann', 'tokens', 10, 'k1', '{"a": 1, "b": [true, null]}');
SELECT * FROM quota.debit('ann', 'tokens', 10, 'k1', '{"a": 1, "b": [true, null]}');
SELECT * FROM quota.debit('ann', 'tokens', 30);
SELECT * FROM quota.debit('ann', 'tokens', 10, 'k1', '{"b": [true, null], "a": 1.0}');
SET quota.clock = '2026-02-10 00:00:00+00';
SELECT * FROM quota.debit('ann', 'tokens', 10, 'k1', '{"a": 1, "b": [true, null]}');
SET quota.clock = '2026-01-10 00:00:00+00';
SELECT used FROM quota.check('ann', 'tokens');
-- what the defaults say counts as said
SELECT id FROM quota.debit('ann', 'tokens', key => 'one');
SELECT id FROM quota.debit('ann', 'tokens', 1, 'one', NULL);

-- Another argument or function: a conflict that names it; nothing is charged.
SELECT pg_temp.try($$SELECT quota.debit('ann', 'other', 10, 'k1', '{"a": 1, "b": [true, null]}')$$);
SELECT pg_temp.code($$SELECT quota.debit('ann', 'tokens', 11, 'k1', '{"a": 1, "b": [true, null]}')$$);
SELECT pg_temp.code($$SELECT quota.debit('ann', 'tokens', 10, 'k1', '{"a": 2, "b": [true, null]}')$$);
SELECT pg_temp.code($$SELECT quota.debit('ann', 'tokens', 10, 'k1')$$);
SELECT pg_temp.code($$SELECT quota.debit('ann', 'tokens', 1, 'one', '{}')$$);
SELECT pg_temp.code($$SELECT quota.try_debit('ann', 'tokens', 10, 'k1', '{"a": 1, "b": [true, null]}')$$);
SELECT pg_temp.code($$SELECT quota.give_back('ann', 'tokens', 10, 'k1', '{"a": 1, "b": [true, null]}')$$);
SELECT pg_temp.code($$SELECT quota.refund(1, 10, 'k1')$$);
SELECT used FROM quota.check('ann', 'tokens');
-- Another subject's keys are others, also those of the levels above and below.
SELECT id > 2 AS new FROM quota.debit('bob', 'tokens', 11, 'k1');
SELECT id > 2 AS new FROM quota.debit('ann/x', 'tokens', 11, 'k1');

-- The arguments are checked first, the catalog and the status after the key.
SELECT pg_temp.code($$SELECT quota.debit('ann', 'tokens', 0, 'k1')$$);
SELECT pg_temp.code($$SELECT quota.debit('ann', 'no-such-feature', 10, 'k1', '{"a": 1, "b": [true, null]}')$$);
SELECT quota.subscribe('ann', 'none');
SELECT * FROM quota.debit('ann', 'tokens', 10, 'k1', '{"a": 1, "b": [true, null]}');
SELECT quota.change_plan('ann', 'free'), quota.set_status('ann', 'paused');
SELECT * FROM quota.debit('ann', 'tokens', 10, 'k1', '{"a": 1, "b": [true, null]}');
SELECT quota.cancel('ann', 'now');

-- What was refused or rolled back has burnt nothing.
SELECT pg_temp.code($$SELECT quota.debit('cy', 'tokens', 101, 'k')$$);
SELECT remaining FROM quota.debit('cy', 'tokens', 1, 'k');
SELECT allowed, reason FROM quota.try_debit('cy', 'tokens', 100, 't');
SELECT allowed, reason, debited FROM quota.try_debit('cy', 'tokens', 99, 't');
SELECT allowed, reason FROM quota.try_debit('cy', 'other', 1, 'n');
SELECT pg_temp.code($$SELECT quota.debit('cy', 'no-such-feature', 1, 'n')$$);
SELECT pg_temp.code($$SELECT quota.give_back('cy', 'docs', 1, 'n')$$);
SELECT remaining FROM quota.debit('cy', 'docs', 1, 'n');
BEGIN;
SELECT remaining FROM quota.debit('dan', 'tokens', 7, 'k');
ROLLBACK;
SELECT remaining FROM quota.debit('dan', 'tokens', 8, 'k');
BEGIN;
SAVEPOINT s;
SELECT remaining FROM quota.debit('dan', 'tokens', 7, 's');
ROLLBACK TO s;
SELECT remaining FROM quota.debit('dan', 'tokens', 9, 's');
SELECT pg_temp.code($$SELECT quota.debit('dan', 'tokens', 7, 's')$$);
COMMIT;
SELECT used FROM quota.check('dan', 'tokens');
-- a boolean assertion charges nothing, so it burns nothing
SELECT id FROM quota.debit('dan', 'mindmap', 1, 'm');
SELECT remaining FROM quota.debit('dan', 'tokens', 1, 'm');
-- nor does what observe lets pass without charging
SET quota.enforcement = observe;
SELECT id, remaining FROM quota.debit('dan', 'other', 1, 'o');
RESET quota.enforcement;
SELECT remaining FROM quota.debit('dan', 'tokens', 2, 'o');

-- try_debit answers again that it was allowed, and how much it took.
SELECT allowed, reason, debited, remaining, id = lag(id) OVER () AS same_id
FROM generate_series(1, 2) n, LATERAL quota.try_debit('eve', 'tokens', 300 + 0 * n, 'up', NULL, true);
SELECT allowed, reason, debited, remaining, retry_after, blocked_by FROM quota.try_debit('eve', 'tokens', 300, 'up', up_to => true);
SELECT pg_temp.code($$SELECT quota.try_debit('eve', 'tokens', 300, 'up')$$);
-- nothing there: nothing charged, no key
SELECT allowed, reason, debited, id FROM quota.try_debit('eve', 'tokens', 300, 'up2', up_to => true);
SELECT remaining FROM quota.debit('eve', 'docs', 1, 'up2');

-- give_back
SELECT remaining FROM quota.debit('fay', 'docs', 5);
SELECT remaining FROM quota.give_back('fay', 'docs', 2, 'g', '{"doc": 7}') \gset first_
SELECT id, remaining FROM quota.give_back('fay', 'docs', 2, 'g', '{"doc": 7}') \gset again_
SELECT :first_remaining AS first, :again_remaining AS again, kind, amount FROM quota.ledger WHERE id = :again_id;
SELECT pg_temp.code($$SELECT quota.give_back('fay', 'docs', 3, 'g', '{"doc": 7}')$$);
SELECT pg_temp.code($$SELECT quota.give_back('fay', 'tokens', 2, 'g', '{"doc": 7}')$$);
SELECT pg_temp.code($$SELECT quota.give_back('fay', 'docs', 2, 'g', '{"doc": 8}')$$);
SELECT pg_temp.code($$SELECT quota.debit('fay', 'docs', 2, 'g', '{"doc": 7}')$$);

-- refund: the key is one of the debit's subject
SELECT id FROM quota.debit('gus/a', 'tokens', 50, 'd') \gset d_
SELECT id FROM quota.debit('gus/a', 'tokens', 5) \gset e_
SELECT id, refunded, remaining FROM quota.refund(:d_id, 20, 'r') \gset first_
SELECT id, refunded, remaining FROM quota.refund(:d_id, 20, 'r') \gset again_
SELECT :first_id = :again_id AS same_id, :first_refunded AS refunded, :again_refunded AS again, :first_remaining AS remaining, :again_remaining AS again;
SELECT pg_temp.code(format('SELECT quota.refund(%s, 21, ''r'')', :d_id));
SELECT pg_temp.code(format('SELECT quota.refund(%s, NULL, ''r'')', :d_id));
SELECT pg_temp.code(format('SELECT quota.refund(%s, 5, ''r'')', :e_id));
SELECT pg_temp.code(format('SELECT quota.refund(%s, 5, ''d'')', :e_id));
SELECT pg_temp.code($$SELECT quota.debit('gus/a', 'tokens', 20, 'r')$$);
SELECT remaining FROM quota.debit('gus', 'tokens', 20, 'r');
-- "all that is left", repeated after more has happened: still the first answer
SELECT id, refunded, remaining FROM quota.refund(:d_id, key => 'rest') \gset first_
SELECT id, refunded, remaining FROM quota.refund(:d_id, key => 'rest') \gset again_
SELECT :first_id = :again_id AS same_id, :first_refunded AS refunded, :again_refunded AS again;
-- a refused refund burns nothing
SELECT pg_temp.code(format('SELECT quota.refund(%s, 6, ''f'')', :e_id));
SELECT refunded FROM quota.refund(:e_id, 5, 'f');

-- Keys are bytes, up to 255 of them.
SELECT pg_temp.code($$SELECT quota.debit('han', 'tokens', 1, '')$$);
SELECT pg_temp.try($$SELECT quota.debit('han', 'tokens', 1, repeat('k', 256))$$);
SELECT pg_temp.code($$SELECT quota.debit('han', 'tokens', 1, repeat('ä', 128))$$);
SELECT remaining FROM quota.debit('han', 'tokens', 1, repeat('k', 255));
SELECT remaining FROM quota.debit('han', 'tokens', 1, repeat('k', 255));
SELECT key, (quota.debit('han', 'tokens', 1, key)).remaining FROM unnest(ARRAY['a', 'A', 'ä', E'a\u0308', ' a', 'a ', E'a\nb', '%s', ''';--', 'null']) key;
SELECT used FROM quota.check('han', 'tokens');
-- twice in one statement: the second finds the first
SELECT count(DISTINCT id) AS debits FROM generate_series(1, 3) n, LATERAL quota.debit('han', 'tokens', 2 + 0 * n, 'batch');

-- What is kept: function, arguments, results; the ledger knows the key of each entry.
SELECT subject, key, function, arguments - 'id' AS arguments, results #- '{0,id}' AS results
FROM quota_internal.idempotency_key WHERE subject NOT IN ('han', 'dan') ORDER BY subject, key;
SELECT subject, account, kind, amount, key FROM quota.ledger WHERE subject LIKE 'gus%' OR subject = 'fay' ORDER BY id;
SELECT * FROM quota.verify();
