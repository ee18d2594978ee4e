--
-- Paths: every account on a subject's path is charged, or none
--
SET client_min_messages = warning; DROP EXTENSION IF EXISTS quota CASCADE; CREATE EXTENSION quota CASCADE;
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/include/enforcement.psql'
\i :helpers
SET quota.clock = '2026-03-10 00:00:00+00';
SELECT count(*) FROM quota.apply_catalog('{
    "features": {"tokens": {"kind": "metered"}, "pages": {"kind": "metered"}},
    "plans": {"free": {"default": true, "entitlements": {"tokens": {"allowance": 10, "period": "month"}}},
              "team": {"entitlements": {"tokens": {"allowance": 100, "period": "month"}, "pages": {"allowance": 7, "period": "day"}}},
              "seat": {"entitlements": {"tokens": {"allowance": 50, "period": "week"}}},
              "empty": {"entitlements": {}}}}');

-- who has what of tokens now
CREATE VIEW pg_temp.used AS
SELECT subject, used, overdrawn, source_id AS subscription, period_start, period_end FROM pg_temp.window_use ORDER BY subject, source_id, period_start;

-- Nobody on the path has a subscription: the default plan counts for the first segment, and there only.
SELECT remaining, resets_at FROM quota.debit('solo/a/b', 'tokens', 4);
SELECT remaining, resets_at FROM quota.debit('solo/c', 'tokens', 3);
SELECT remaining, resets_at FROM quota.debit('solo', 'tokens', 2);
SELECT * FROM pg_temp.used;
SELECT detail FROM pg_temp.refusal('solo/a/b', 'tokens', 2);

-- Two levels: the team and alice's own limit. Both are charged.
SELECT quota.subscribe('acme', 'team'), quota.override('acme/alice', 'tokens', '{"allowance": 30, "period": "day"}');
SELECT remaining, resets_at FROM quota.debit('acme/alice', 'tokens', 20);
SELECT subject, account, amount, id = debit_id AS first FROM quota.ledger WHERE subject = 'acme/alice' ORDER BY id;
-- The level below is the one that binds: remaining, resets_at, allowance, used are alice's.
SELECT * FROM quota.check('acme/alice', 'tokens', 11);
SELECT detail FROM pg_temp.refusal('acme/alice', 'tokens', 11);
-- bob has no limit of his own; he uses the team's
SELECT remaining, resets_at FROM quota.debit('acme/bob', 'tokens', 75);
-- now the team's binds for alice too: 5 left there, 10 at her level
SELECT * FROM quota.check('acme/alice', 'tokens', 6);
SELECT detail FROM pg_temp.refusal('acme/alice', 'tokens', 6);
-- none of the refused calls has charged a level that had room
SELECT * FROM pg_temp.used WHERE subject LIKE 'acme%';
-- up_to: as much as every level has
SELECT * FROM quota.try_debit('acme/alice', 'tokens', 8, up_to => true);
SELECT * FROM pg_temp.used WHERE subject LIKE 'acme%';
-- the plan's name is that which the level depends on, also where an override replaces it
SELECT feature, plan, allowance, used, remaining FROM quota.status('acme/alice');

-- Ties: of levels with the same remaining the deepest is named.
SELECT quota.subscribe('tie', 'team'), quota.override('tie/x', 'tokens', '{"allowance": 100, "period": "year"}');
SELECT remaining, resets_at FROM quota.debit('tie/x', 'tokens', 90);
SELECT * FROM quota.check('tie/x', 'tokens', 11);
SELECT detail -> 'blocked_by' AS blocked_by, detail -> 'resets_at' AS resets_at FROM pg_temp.refusal('tie/x', 'tokens', 11);
-- an unlimited level does not bind, wherever it is
SELECT quota.override('tie/x', 'tokens', '{"allowance": null}');
SELECT * FROM quota.check('tie/x', 'tokens', 11);
SELECT quota.override('tie', 'tokens', '{"allowance": null, "period": "month"}');
SELECT * FROM quota.check('tie/x', 'tokens', 11);
SELECT remaining, resets_at FROM quota.debit('tie/x', 'tokens', 1000);

-- A subscription in the middle. No default plan above it, since the path has a subscription.
SELECT quota.subscribe('corp/eng', 'seat');
SELECT remaining, resets_at FROM quota.debit('corp/eng/ann', 'tokens', 5);
SELECT remaining, resets_at FROM quota.debit('corp', 'tokens', 4);
SELECT * FROM pg_temp.used WHERE subject LIKE 'corp%';
SELECT * FROM quota.check('corp/eng/ann', 'tokens');
-- a subscription above as well: both levels count, each with its own period
SELECT quota.subscribe('corp', 'team');
SELECT remaining, resets_at FROM quota.debit('corp/eng/ann', 'tokens', 30);
SELECT * FROM pg_temp.used WHERE subject LIKE 'corp%';
SELECT * FROM quota.check('corp/eng/ann', 'tokens', 16);
-- a feature that only the upper plan gives is taken from there, by everybody below
SELECT remaining, resets_at FROM quota.debit('corp/eng/ann', 'pages', 6);
SELECT detail FROM pg_temp.refusal('corp/eng/ann', 'pages', 2);

-- A level whose plan does not give the feature is no account: the others decide.
SELECT quota.subscribe('holding', 'team'), quota.subscribe('holding/a', 'empty');
SELECT remaining, resets_at FROM quota.debit('holding/a/b', 'tokens', 1);
-- and if no level gives it, nobody is entitled; the default plan does not come back
SELECT quota.subscribe('lone/a', 'empty');
SELECT state, detail FROM pg_temp.refusal('lone/a/b', 'tokens', 1);
SELECT remaining, resets_at FROM quota.debit('lone', 'tokens', 1);

-- An override without any subscription is an account beside the default plan's.
SELECT quota.override('solo2/a', 'tokens', '{"allowance": 4, "period": "month"}');
SELECT remaining, resets_at FROM quota.debit('solo2/a', 'tokens', 3);
SELECT * FROM pg_temp.used WHERE subject LIKE 'solo2%';
SELECT detail FROM pg_temp.refusal('solo2/a', 'tokens', 2);
-- on the first segment it takes the default plan's place
SELECT quota.override('solo3', 'tokens', '{"allowance": 40, "period": "month"}');
SELECT * FROM quota.check('solo3', 'tokens');
-- of a feature that no plan on the path gives, it is the only account
SELECT quota.override('solo4/a', 'pages', '{"allowance": 2, "period": "day"}');
SELECT remaining, resets_at FROM quota.debit('solo4/a/b', 'pages', 2);
SELECT detail FROM pg_temp.refusal('solo4/a/b', 'pages', 1);
SELECT state FROM pg_temp.refusal('solo4', 'pages', 1);

-- Three levels, three limits: whichever is used up is the one that is named.
SELECT quota.subscribe('three', 'team'), quota.override('three/mid', 'tokens', '{"allowance": 40, "period": "day"}'),
       quota.override('three/mid/low', 'tokens', '{"allowance": 20, "period": "hour"}');
SELECT detail ->> 'blocked_by' AS low FROM quota.debit('three/mid/low', 'tokens', 15), pg_temp.refusal('three/mid/low', 'tokens', 6);
SELECT detail ->> 'blocked_by' AS mid FROM quota.debit('three/mid/other', 'tokens', 22), pg_temp.refusal('three/mid/low', 'tokens', 4);
SELECT detail ->> 'blocked_by' AS top FROM quota.debit('three/far', 'tokens', 61), pg_temp.refusal('three/mid/low', 'tokens', 3);
SELECT remaining, resets_at FROM quota.debit('three/mid/low', 'tokens', 2);
SELECT * FROM pg_temp.used WHERE subject LIKE 'three%';

-- Eight levels, the most there may be, each with its own limit: 8 entries or none.
SELECT count(quota.override(p, 'tokens', format('{"allowance": %s, "period": "month"}', 90 - 10 * n)::jsonb))
FROM generate_series(1, 8) n, LATERAL (SELECT string_agg('s' || i, '/' ORDER BY i) FROM generate_series(1, n) i) x(p);
SELECT remaining, resets_at FROM quota.debit('s1/s2/s3/s4/s5/s6/s7/s8', 'tokens', 9);
SELECT account, amount, debit_id = (SELECT min(id) FROM quota.ledger WHERE account LIKE 's1%') AS one_debit FROM quota.ledger WHERE account LIKE 's1%' ORDER BY id;
SELECT detail ->> 'blocked_by' AS deepest FROM pg_temp.refusal('s1/s2/s3/s4/s5/s6/s7/s8', 'tokens', 2);
-- the middle is used up by somebody else
SELECT remaining FROM quota.debit('s1/s2/s3/s4/x', 'tokens', 41);
SELECT detail ->> 'blocked_by' AS middle FROM pg_temp.refusal('s1/s2/s3/s4/s5/s6/s7/s8', 'tokens', 1);
SELECT subject, used FROM pg_temp.used WHERE subject LIKE 's1%' ORDER BY length(subject);

-- Prefixes are whole segments: none of these is another's parent.
SELECT quota.subscribe('ab', 'team');
SELECT subject, (c).remaining FROM unnest('{ab,ab/c,abc,a,"ab c","ab-"}'::text[]) subject, quota.check(subject, 'tokens') c ORDER BY subject COLLATE "C";

SELECT * FROM quota.verify();
