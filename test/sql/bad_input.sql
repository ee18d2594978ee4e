--
-- Bad input to the calls of enforcement and state: refused before anything is
-- read, with a short message that names the argument, and nothing left behind
--
SET client_min_messages = warning; DROP EXTENSION IF EXISTS quota CASCADE; CREATE EXTENSION quota CASCADE;
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/include/enforcement.psql'
\i :helpers
SET quota.clock = '2026-01-10 00:00:00+00';
SELECT count(*) FROM quota.apply_catalog('{
    "features": {"tokens": {"kind": "metered"}, "calls": {"kind": "metered"}, "docs": {"kind": "capacity"}, "mindmap": {"kind": "boolean"}},
    "plans": {"free": {"default": true, "entitlements": {"tokens": {"allowance": 100, "period": "month"}, "calls": {"allowance": null, "period": "day"},
                                                         "docs": {"allowance": 10}, "mindmap": {"value": true}}},
              "big": {"entitlements": {"docs": {"allowance": null}, "calls": {"allowance": 9223372036854775807}}}}}');
-- something to refund and to give back, so that only the arguments can be at fault
SELECT id FROM quota.debit('ann', 'docs', 5) \gset docs_
SELECT id FROM quota.debit('ann', 'tokens', 5) \gset tokens_

--
-- Amounts
--
SELECT c, pg_temp.code('SELECT quota.' || c) FROM unnest(ARRAY[
    $$debit('ann', 'tokens', NULL)$$, $$debit('ann', 'tokens', 0)$$, $$debit('ann', 'tokens', -1)$$, $$debit('ann', 'tokens', -9223372036854775808)$$,
    $$try_debit('ann', 'tokens', NULL)$$, $$try_debit('ann', 'tokens', 0)$$, $$try_debit('ann', 'tokens', -5, up_to => true)$$, $$try_debit('ann', 'tokens', 1, up_to => NULL)$$,
    $$give_back('ann', 'docs', NULL)$$, $$give_back('ann', 'docs', 0)$$, $$give_back('ann', 'docs', -1)$$,
    format('refund(%s, 0)', :docs_id), format('refund(%s, -1)', :docs_id), 'refund(NULL, 1)',
    $$check('ann', 'tokens', NULL)$$, $$check('ann', 'tokens', 0)$$, $$check('ann', 'tokens', -1)$$,
    $$offers('ann', 'tokens', NULL)$$, $$offers('ann', 'tokens', 0)$$,
    $$debit('ann', 'mindmap', 0)$$]) c;
-- 2^63-1 against a limit of 100: no room, no wrap
SELECT detail FROM pg_temp.refusal('ann', 'tokens', 9223372036854775807);
SELECT allowed, reason, remaining FROM quota.check('ann', 'tokens', 9223372036854775807);
SELECT allowed, debited, remaining FROM quota.try_debit('max', 'tokens', 9223372036854775807);
SELECT pg_temp.code('SELECT quota.debit(''ann'', ''tokens'', 9223372036854775808)');
-- no silent rounding: fractions do not resolve, and text is no number
SELECT c, pg_temp.code('SELECT quota.debit(''ann'', ''tokens'', ' || c || ')') FROM unnest(ARRAY[
    '1.5', '1::numeric', '1e3', '1::float8', $$'1.5'$$, $$'NaN'$$, $$'Infinity'$$, $$''$$, 'true', $$'2 '$$]) c;
-- counters of an unlimited plan overflow: 22003, and what was counted stays
SELECT remaining FROM quota.debit('max', 'calls', 9223372036854775806);
SELECT pg_temp.code($$SELECT quota.debit('max', 'calls', 2)$$);
SELECT pg_temp.code($$SELECT quota.try_debit('max', 'calls', 9223372036854775807)$$);
SELECT pg_temp.code($$SELECT quota.debit('max', 'calls', 9223372036854775807)$$);
-- up_to takes what can still be counted
SELECT allowed, reason, debited, remaining FROM quota.try_debit('max', 'calls', 2, up_to => true);
SELECT pg_temp.code($$SELECT quota.debit('max', 'calls', 1)$$);
SELECT used, allowance, remaining FROM quota.check('max', 'calls');
-- the largest limit is a limit, not "unlimited"
SELECT quota.subscribe('lim', 'big');
SELECT allowance, remaining FROM quota.check('lim', 'calls');
SELECT remaining FROM quota.debit('lim', 'calls', 9223372036854775806);
SELECT remaining FROM quota.debit('lim', 'calls', 1);
SELECT state FROM pg_temp.refusal('lim', 'calls', 1);
SELECT state FROM pg_temp.refusal('lim', 'calls', 9223372036854775807);
-- at an upper level, by several below
SELECT quota.subscribe('cap', 'big');
SELECT remaining FROM quota.debit('cap/a', 'docs', 9223372036854775807);
SELECT pg_temp.code($$SELECT quota.debit('cap/b', 'docs', 1)$$);
SELECT subject, used FROM pg_temp.window_use WHERE subject LIKE 'cap%' ORDER BY 1;
SELECT remaining FROM quota.give_back('cap/a', 'docs', 9223372036854775807);
-- observe sums up as carefully
SET quota.enforcement = observe;
SELECT remaining FROM quota.debit('obs', 'tokens', 9223372036854775807);
SELECT pg_temp.code($$SELECT quota.debit('obs', 'tokens', 1)$$);
RESET quota.enforcement;
SELECT used, remaining FROM quota.check('obs', 'tokens');
SELECT refunded, remaining FROM quota.refund((SELECT max(debit_id) FROM quota.ledger WHERE source = 'overdrawn'));

--
-- Subjects: every function has the same rules
--
CREATE TABLE regress_bad (what text, subject text);
INSERT INTO regress_bad VALUES ('null', NULL), ('empty', ''), ('slash', '/'), ('a//b', 'a//b'), ('/a', '/a'), ('a/', 'a/'),
    ('9 segments', '1/2/3/4/5/6/7/8/9'), ('newline', E'a\nb'), ('tab', E'a/\t'), ('U+0001', E'\u0001'), ('U+001F', E'x\u001f'), ('DEL', E'a\u007f'),
    ('256 bytes', repeat('a', 256)), ('256 bytes in 128 characters', repeat('ä', 128)),
    ('300 bytes, and empty segments', repeat('/', 300)), ('20 MB', repeat('x', 20000000));
SELECT what, pg_column_size(subject) < 500000 AS compressed, pg_temp.code(format('SELECT quota.debit(subject, ''tokens'') FROM regress_bad WHERE what = %L', what))
FROM regress_bad;
-- the same answer from all of them; has() and setting() alone say false and NULL for NULL
CREATE TABLE regress_calls (call text);
INSERT INTO regress_calls VALUES ('debit(subject, ''docs'')'), ('try_debit(subject, ''docs'')'), ('give_back(subject, ''docs'')'), ('check(subject, ''docs'')'),
    ('status(subject)'), ('me(subject)'), ('offers(subject, ''docs'')'), ('statement(subject, ''docs'')'), ('has(subject, ''docs'')'), ('setting(subject, ''docs'')');
SELECT what, code, CASE WHEN count(*) = 10 THEN 'all' ELSE string_agg(call, ', ' ORDER BY call) END AS calls
FROM regress_bad, regress_calls, LATERAL pg_temp.code(format('SELECT quota.%s FROM regress_bad WHERE what = %L', call, what)) code
GROUP BY what, code ORDER BY what COLLATE "C", code COLLATE "C";
DROP TABLE regress_calls;
-- the longest ones, 8 segments, are fine
SELECT remaining FROM quota.debit(repeat('a', 255), 'tokens');
SELECT remaining FROM quota.debit(repeat('ä', 127) || 'x', 'tokens');
SELECT remaining FROM quota.debit('1/2/3/4/5/6/7/8', 'tokens');
-- compared byte for byte: no folding, no normalisation, no trimming (U+0080 and above are characters)
SELECT subject, (quota.try_debit(subject, 'tokens', 100)).allowed FROM unnest(ARRAY['Zoe', 'zoe', 'zoé', E'zoe\u0301', ' zoe', 'zoe ', E'z\u00a0e', E'z\u0085e', 'z e', '.', '..', '*', E'\\', '"', '''', '-']) subject;

--
-- Names are data: nothing in them is run or formatted
--
SELECT subject, d.remaining FROM unnest(ARRAY['''; DROP TABLE quota_internal.bucket; --', '%s%n%d', '%I', '$1', E'\\', 'a"b', '{"a": 1}', '<b>&amp;</b>', 'x/%s/"y"', '日本語/🙂', ' ']) subject,
     LATERAL quota.debit(subject, 'docs', 10, subject, jsonb_build_object(subject, subject)) d;
SELECT state, detail ->> 'subject' AS subject, detail ->> 'blocked_by' AS blocked_by
FROM unnest(ARRAY['''; DROP TABLE quota_internal.bucket; --', '%s%n%d', '%I', '$1', E'\\', 'a"b', '{"a": 1}', 'x/%s/"y"', '日本語/🙂']) subject, LATERAL pg_temp.refusal(subject, 'docs', 1);
SELECT subject, quota.me(subject) ->> 'subject' = subject AS me, (SELECT count(*) FROM quota.statement(subject, 'docs')) AS entries
FROM unnest(ARRAY['''; DROP TABLE quota_internal.bucket; --', '%s%n%d', 'a"b', E'\\', 'x/%s/"y"']) subject;
SELECT pg_temp.try($$SELECT quota.debit('%s "q" \', 'tokens', 101)$$);

--
-- Features
--
SELECT left(feature, 30) AS feature, length(feature), pg_temp.code(format('SELECT quota.debit(''ann'', %L)', feature))
FROM unnest(ARRAY['', ' ', 'Tokens', 'tokens ', 'tokens; drop', '%s', '%n', E'a\nb', '../x', 'ä', repeat('x', 63), repeat('x', 64), repeat('ä', 32), repeat('x', 5000)]) feature;
SELECT c, pg_temp.code('SELECT quota.' || c) FROM unnest(ARRAY[$$debit('ann', NULL)$$, $$try_debit('ann', NULL)$$, $$give_back('ann', NULL)$$, $$check('ann', NULL)$$, $$offers('ann', NULL)$$]) c;
-- 20 MB, compressed
SELECT f, pg_temp.code(format('SELECT quota.%s(''ann'', subject) FROM regress_bad WHERE what = ''20 MB''', f)) FROM unnest('{debit,check,has,setting,offers,statement,give_back}'::text[]) f;

--
-- Keys and metadata
--
SELECT pg_temp.code($$SELECT quota.debit('ann', 'docs', 1, '')$$), pg_temp.code($$SELECT quota.debit('ann', 'docs', 1, repeat('k', 256))$$),
       pg_temp.code(format('SELECT quota.refund(%s, 1, '''')', :docs_id)), pg_temp.code(format('SELECT quota.refund(%s, 1, repeat(''k'', 256))', :docs_id));
SELECT pg_temp.code($$SELECT quota.debit('ann', 'docs', 1, subject) FROM regress_bad WHERE what = '20 MB'$$);
SELECT m, pg_temp.code(format('SELECT quota.debit(''ann'', ''docs'', 1, NULL, %L)', m)) FROM unnest(ARRAY['[]', '[{}]', '1', '"text"', 'null', 'true', '{"a"', '']) m;
SELECT pg_temp.try($$SELECT quota.debit('ann', 'docs', 1, NULL, jsonb_build_object('a', repeat('x', 8192)))$$);
SELECT f, pg_temp.code(format('SELECT quota.%s(''ann'', ''docs'', metadata => ''[]'')', f)), pg_temp.code(format('SELECT quota.%s(''ann'', ''docs'', metadata => jsonb_build_object(1, repeat(''x'', 9000)))', f))
FROM unnest('{debit,try_debit,give_back}'::text[]) f;
-- 8 kB is by what is stored, whatever it was compressed to
CREATE TABLE regress_json (j jsonb);
INSERT INTO regress_json VALUES (jsonb_build_object('a', repeat('x', 20000000)));
SELECT pg_column_size(j) < 500000 AS compressed, pg_temp.code($$SELECT quota.debit('ann', 'docs', 1, NULL, j) FROM regress_json$$) FROM regress_json;
DROP TABLE regress_json;
SELECT remaining FROM quota.debit('ann', 'docs', 1, NULL, jsonb_build_object('a', repeat('x', 8150)));
SELECT remaining FROM quota.debit('ann', 'docs', 1, NULL, '{}');

--
-- Refunds and give_backs of what is not there
--
SELECT c, pg_temp.code('SELECT quota.' || c) FROM unnest(ARRAY['refund(0)', 'refund(-1)', 'refund(9223372036854775807)', 'refund(1000000)',
    format('refund(%s, 6)', :docs_id), format('refund(%s, 9223372036854775807)', :docs_id),
    $$give_back('ann', 'docs', 8)$$, $$give_back('ann', 'docs', 9223372036854775807)$$, $$give_back('ann', 'tokens')$$, $$give_back('ann', 'mindmap')$$,
    $$give_back('ann/child', 'docs')$$, $$give_back('nobody', 'docs')$$]) c;

-- Nothing of all that is anywhere.
SELECT subject, feature, kind, amount, key FROM quota.ledger WHERE subject = 'ann' ORDER BY id;
SELECT count(*) AS keys FROM quota_internal.idempotency_key WHERE subject = 'ann';
SELECT subject, feature, reason, times FROM quota.denials ORDER BY 1, 2, 3;
DROP TABLE regress_bad;
SELECT * FROM quota.verify();
