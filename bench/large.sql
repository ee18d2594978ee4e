-- A large installation, written into our tables in minutes and such that
-- quota.verify() finds nothing: accounts and ledger entries as many as the psql
-- variables say, over thirteen months up to a fixed moment, at which quota.clock
-- stands.  Everything follows from running numbers, so it is the same every time.
--
-- Among a million small customers are a few that reports have to cope with:
--   heavy         60,000 debits of its own in this month
--   team/m0..99   60,000 debits in this month, charged to team
--   both/m0..9    60,000 debits in this month, charged to both and to the member
--   big/m0..999   300,000 debits over thirteen months, charged to big
--   big/few       13 debits, charged to big
--   few           13 debits
-- psql variables: accounts, entries
\set ON_ERROR_STOP on
SELECT format('ALTER DATABASE %I SET quota.clock = %L', current_database(), '2026-06-21 12:00:00+00') \gexec
SET quota.clock = '2026-06-21 12:00:00+00';
SET synchronous_commit = off;
SET jit = off;
CREATE EXTENSION quota CASCADE;

SELECT count(*) AS catalog FROM quota.apply_catalog('{
    "features": {"tokens": {"kind": "metered"}, "docs": {"kind": "capacity"}, "beta": {"kind": "boolean"},
                 "colour": {"kind": "static"}, "api": {"kind": "rate"}},
    "plans": {
        "free": {"default": true,
                 "entitlements": {"tokens": {"allowance": 1000000000000, "period": "month"}, "docs": {"allowance": 1000000000000},
                                  "api": {"rate": {"limit": 60, "per": "1 minute"}}}},
        "pro": {"entitlements": {"tokens": {"allowance": 1000000000000, "period": "month"}, "docs": {"allowance": 1000000000000},
                                 "beta": {"value": true}, "colour": {"value": "blue"}}}}}');

CREATE SCHEMA large;
CREATE FUNCTION large.random(seed bigint, below bigint) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN (hashint8extended(seed, 17) & 4611686018427387903) % below;
CREATE TABLE large.setting AS
    SELECT :accounts::bigint AS accounts, :entries::bigint AS entries, timestamptz '2025-06-01 00:00+00' AS since,
           quota_internal._now() AS now, (SELECT f.id FROM quota_internal.feature f WHERE f.name = 'tokens') AS tokens,
           (SELECT f.id FROM quota_internal.feature f WHERE f.name = 'docs') AS docs,
           (SELECT v.id FROM quota_internal.plan_version v JOIN quota_internal.plan p ON p.id = v.plan_id WHERE p.name = 'free') AS free,
           (SELECT v.id FROM quota_internal.plan_version v JOIN quota_internal.plan p ON p.id = v.plan_id WHERE p.name = 'pro') AS pro;

-- Who has a plan: a tenth of the customers, organisations, and those of the head.
INSERT INTO quota_internal.subscription (id, source_id, subject, plan_version_id, status, starts_at, anchor_at)
    SELECT s.id, s.id, s.subject, t.pro, 'active', t.since, t.since
    FROM large.setting t,
        LATERAL (SELECT nextval('quota_internal.subscription_id_seq') AS id, n.subject FROM (SELECT 's' || n FROM generate_series(0, t.accounts / 2 - 1, 10) n
                 UNION ALL SELECT 'o' || n FROM generate_series(0, t.accounts / 50 - 1) n
                 UNION ALL SELECT unnest(ARRAY['heavy', 'team', 'both', 'big', 'few'])) n(subject)) s;
SELECT count(quota.override('both/m' || n, 'tokens', '{"allowance": 1000000000000, "period": "month"}')) AS overrides
    FROM generate_series(0, 9) n;
SELECT count(quota.override('s' || n, 'docs', '{"allowance": 1000000000000}')) AS more_overrides
    FROM large.setting t, generate_series(0, t.accounts / 200 - 1) n;

-- Grants: used ones of every twentieth customer, and expired ones.
INSERT INTO quota_internal.credit_grant (subject, feature_id, amount, effective_at, created_at, source)
    SELECT 's' || n, t.tokens, 1000000000, t.since, t.since, 'top-up'
    FROM large.setting t, generate_series(1, t.accounts / 2 - 1, 20) n;
CREATE TABLE large.granted AS SELECT g.subject, g.id FROM quota_internal.credit_grant g;
INSERT INTO quota_internal.credit_grant (subject, feature_id, amount, effective_at, expires_at, created_at, source, expiry_seen)
    SELECT 's' || n, t.tokens, 1000, t.since, t.since + interval '1 month', t.since, 'welcome', true
    FROM large.setting t, generate_series(2, t.accounts / 2 - 1, 3) n;

-- What was done, by day.
CREATE FUNCTION large.operations(day int, OUT at timestamptz, OUT subject text, OUT above text, OUT is_docs bool) RETURNS SETOF record
    LANGUAGE sql STABLE AS $$
    WITH t AS (
        SELECT t.*, t.since + $1 * interval '1 day' AS today, (t.now::date - t.since::date) AS days FROM large.setting t
    ), many AS (
        -- two levels make two entries
        SELECT n, t.today + interval '1 day' * ((n::numeric - t.small * $1) / t.small) AS at, large.random(n, t.accounts) AS who, t.accounts
        FROM (SELECT t.*, (t.entries - t.entries / 9) / t.days AS small FROM t) t,
            generate_series(t.small * $1, t.small * ($1 + 1) - 1) n
    ), few AS (
        SELECT t.today + interval '1 day' * n / k.a_day AS at, k.above, k.members, $1 * k.a_day + n AS n
        FROM t, (VALUES ('heavy', 0, 12, true), ('team', 100, 12, true), ('both', 10, 12, true), ('big', 1000, 60, false)) v(above, members, a_thousandth, this_month),
            LATERAL (SELECT v.above, v.members, (t.entries / 1000 * v.a_thousandth / CASE WHEN v.this_month THEN 20 ELSE t.days END)::int AS a_day
                     WHERE NOT v.this_month OR t.today >= date_trunc('month', t.now, 'UTC')) k,
            generate_series(0, k.a_day - 1) n
    )
    SELECT m.at, CASE WHEN m.who >= m.accounts / 2 AND m.who < m.accounts / 10 * 7
                      THEN 'o' || m.who % (m.accounts / 50) || '/m' || m.who % 7 ELSE 's' || m.who END,
           CASE WHEN m.who >= m.accounts / 2 AND m.who < m.accounts / 10 * 7 THEN 'o' || m.who % (m.accounts / 50) END,
           m.who >= m.accounts / 10 * 7
    FROM many m
    UNION ALL
    SELECT s.at, CASE WHEN s.members = 0 THEN s.above ELSE s.above || '/m' || s.n % s.members END,
           CASE WHEN s.members > 0 THEN s.above END, false
    FROM few s
    UNION ALL
    SELECT t.today + interval '12 hours', f.subject, f.above, false
    FROM t, (VALUES ('few', NULL), ('big/few', 'big')) f(subject, above)
    WHERE t.today >= t.now - interval '13 days 12 hours'
$$;

SELECT count(quota_internal._make_leaf(m)) AS leaves
    FROM large.setting t, generate_series(t.since, t.now, interval '1 month') m;

-- Holds: a fifth is open, the others expired, were given back and never closed.
CREATE FUNCTION large.hold(day int) RETURNS void LANGUAGE sql AS $$
    WITH hold AS MATERIALIZED (
        SELECT nextval('quota_internal.ledger_id_seq') AS id, h.*
        FROM (SELECT 's' || n AS subject, n % 5 = 0 AS is_open,
                     t.now - CASE WHEN n % 5 = 0 THEN interval '10 minutes' ELSE interval '1 day' * (1 + n % 20) END AS at
              FROM large.setting t, generate_series(0, t.accounts / 10 - 1) n) h, large.setting t
        WHERE h.at::date = t.since::date + $1
    )
    INSERT INTO quota_internal.ledger_entry (id, at, subject, account, feature_id, kind, source, source_id, period_start, period_end, amount, debit_id)
    SELECT CASE WHEN k.kind = 'h' THEN h.id ELSE nextval('quota_internal.ledger_id_seq') END, k.at, h.subject, h.subject, t.tokens,
           k.kind, 'a', coalesce(s.source_id, 0), date_trunc('month', h.at, 'UTC'), date_trunc('month', h.at, 'UTC') + interval '1 month',
           k.amount, h.id
    FROM large.setting t, hold h
        LEFT JOIN quota_internal.subscription s ON s.subject = h.subject,
        LATERAL (VALUES ('h', h.at, 50), ('x', h.at + interval '1 hour', -50)) k(kind, at, amount)
    WHERE k.kind = 'h' OR NOT h.is_open
$$;

-- A transaction for each day, as the index of transactions shall have something to tell apart.
CREATE FUNCTION large.enter(day int) RETURNS void LANGUAGE sql AS $$
    WITH op AS MATERIALIZED (
        SELECT nextval('quota_internal.ledger_id_seq') AS id, o.*
        FROM (SELECT * FROM large.operations(day) ORDER BY at) o
    ), level AS (
        SELECT o.id AS debit_id, o.id, o.at, o.subject, coalesce(o.above, o.subject) AS account, o.is_docs FROM op o
        UNION ALL
        SELECT o.id, nextval('quota_internal.ledger_id_seq'), o.at, o.subject, o.subject, false FROM op o WHERE o.above = 'both'
    ), entry AS (
        INSERT INTO quota_internal.ledger_entry (id, at, subject, account, feature_id, kind, source, levels, source_id, period_start, period_end,
                                        amount, debit_id, grant_id, key, metadata)
        SELECT l.id, l.at, l.subject, l.account, CASE WHEN l.is_docs THEN t.docs ELSE t.tokens END, 'd',
               CASE WHEN l.is_docs THEN 'c' WHEN g.id IS NOT NULL THEN 'g' ELSE 'a' END,
               CASE WHEN l.subject LIKE 'both/%' THEN 3 ELSE 1 END,
               CASE WHEN l.is_docs THEN 0 ELSE coalesce(s.source_id, 0) END,
               CASE WHEN l.is_docs THEN '-infinity' ELSE date_trunc('month', l.at, 'UTC') END,
               CASE WHEN l.is_docs THEN 'infinity' ELSE date_trunc('month', l.at, 'UTC') + interval '1 month' END,
               1 + l.debit_id % 100, l.debit_id, g.id, CASE WHEN l.debit_id % 10 = 0 THEN 'k' || l.debit_id END,
               CASE WHEN l.debit_id % 4 = 0 THEN jsonb_build_object('action', 'a' || l.debit_id % 5) END
        FROM large.setting t, level l
            LEFT JOIN quota_internal.subscription s ON s.subject = split_part(l.account, '/', 1)
            LEFT JOIN large.granted g ON NOT l.is_docs AND g.subject = l.account
        ORDER BY l.id
        RETURNING *
    ), told AS (
        INSERT INTO quota_internal.event (at, type, subject, feature_id, data)
        SELECT e.at, 'threshold_reached', e.account, e.feature_id, jsonb_build_object('percent', 80, 'period_end', e.period_end)
        FROM entry e WHERE e.debit_id % 5 = 0
    )
    INSERT INTO quota_internal.denial (day, subject, feature_id, reason, times, last_at)
    SELECT e.at::date, e.subject, e.feature_id, 'quota_exceeded', 1, e.at
    FROM entry e WHERE e.debit_id % 5 = 1
$$;
ANALYZE;
SET TimeZone = 'UTC';
DO $$
DECLARE
    day int;
BEGIN
    FOR day IN SELECT generate_series(0, t.now::date - t.since::date - 1) FROM large.setting t LOOP
        PERFORM large.enter(day);
        PERFORM large.hold(day + 1);
        COMMIT;
    END LOOP;
END
$$;

-- The holds themselves.
INSERT INTO quota_internal.hold (id, subject, feature_id, reserved, ttl_us, created_at, expires_at, expiry_seen)
    SELECT e.id, e.subject, e.feature_id, e.amount, 3600000000, e.at, e.at + interval '1 hour', e.at + interval '1 hour' <= t.now
    FROM large.setting t, quota_internal.ledger_entry e WHERE e.kind = 'h';
INSERT INTO quota_internal.hold_part (account, feature_id, hold_id, expires_at)
    SELECT h.subject, h.feature_id, h.id, h.expires_at FROM quota_internal.hold h WHERE NOT h.expiry_seen;

-- Counters are the sums.
INSERT INTO quota_internal.bucket (subject, feature_id, source_id, period_start, period_end, plan_version_id, used, granted, allowance, reserved)
    SELECT e.account, e.feature_id, e.source_id, e.period_start, e.period_end,
           CASE WHEN e.feature_id = t.docs THEN NULL WHEN e.source_id = 0 THEN t.free ELSE t.pro END,
           coalesce(sum(e.amount) FILTER (WHERE e.source <> 'g'), 0), sum(e.amount) FILTER (WHERE e.source = 'g'),
           CASE WHEN e.feature_id = t.tokens THEN 1000000000000 END,
           nullif(coalesce(sum(e.amount) FILTER (WHERE e.kind IN ('h', 'x')), 0), 0)
    FROM large.setting t, quota_internal.ledger_entry e
    GROUP BY e.account, e.feature_id, e.source_id, e.period_start, e.period_end, t.docs, t.tokens, t.free, t.pro
    ORDER BY e.period_start;
INSERT INTO quota_internal.grant_use (grant_id, period_start, period_end, used)
    SELECT g.id, g.effective_at, g.expires_at, sum(e.amount)
    FROM quota_internal.ledger_entry e JOIN quota_internal.credit_grant g ON g.id = e.grant_id GROUP BY g.id;
INSERT INTO quota_internal.cap_use (subject, feature_id, source_id, period_months, period_days, period_us, window_start, opened_at, closes_at, used)
    SELECT b.subject, b.feature_id, b.source_id, 1, 0, 0, b.period_start, b.period_start, b.period_end, 1
    FROM large.setting t, quota_internal.bucket b
    WHERE b.period_end > t.now AND b.feature_id = t.tokens AND b.used > coalesce(b.reserved, 0) + 50 AND b.subject LIKE 's%0';
INSERT INTO quota_internal.idempotency_key (subject, key, function, arguments, results, at)
    SELECT e.subject, e.key, 'debit', jsonb_build_object('feature', f.name, 'amount', e.amount),
           jsonb_build_array(jsonb_build_object('feature', f.name, 'id', e.id, 'amount', e.amount)), e.at
    FROM quota_internal.ledger_entry e JOIN quota_internal.feature f ON f.id = e.feature_id
    WHERE e.key IS NOT NULL AND e.id = e.debit_id;
ANALYZE;
SELECT * FROM quota.maintain();
-- as far as somebody has exported the ledger
CREATE TABLE large.exported AS
    SELECT e.xid FROM quota_internal.ledger_entry e WHERE e.at >= '2026-06-20' ORDER BY e.at LIMIT 1;
