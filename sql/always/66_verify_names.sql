CREATE OR REPLACE FUNCTION quota_internal._verify_keys(OUT check_name text, OUT subject text, OUT feature_id int, OUT detail text)
    RETURNS SETOF record
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    WITH answered AS (
        SELECT k.subject, k.key, k.function, k.at, r.id, r.amount, r.feature
        FROM quota_internal.idempotency_key k,
            LATERAL jsonb_array_elements(CASE jsonb_typeof(k.results) WHEN 'array' THEN k.results ELSE '[]' END) j(value),
            LATERAL (SELECT CASE jsonb_typeof(j.value -> 'id') WHEN 'number' THEN (j.value -> 'id')::bigint END AS id,
                            CASE jsonb_typeof(j.value -> 'amount') WHEN 'number' THEN (j.value -> 'amount')::bigint END AS amount,
                            j.value ->> 'feature' AS feature) r
        WHERE r.id <> 0     -- what charged nothing
    ), booked AS (
        SELECT l.subject, l.key, l.feature_id, min(l.id) AS id, max(abs(l.amount)) AS amount
        FROM (SELECT e.subject, e.key, e.feature_id, e.account, min(e.id) AS id, sum(e.amount) FILTER (WHERE e.kind <> 'm') AS amount
              FROM quota_internal.ledger_entry e WHERE e.key IS NOT NULL GROUP BY 1, 2, 3, 4) l
        GROUP BY 1, 2, 3
    )
    SELECT 'key', a.subject, NULL::int, format('key "%s" of %s names %s, which is not in the ledger', a.key, a.function, a.id)
    FROM answered a
    WHERE a.function NOT IN ('credit', 'revoke') AND a.at >= coalesce((SELECT p.dropped_before FROM quota_internal.posting p), '-infinity')
      AND NOT EXISTS (SELECT FROM booked b WHERE b.subject = a.subject AND b.key = a.key AND b.id = a.id)
    UNION ALL
    SELECT 'key', b.subject, b.feature_id,
           CASE WHEN a.id IS NULL THEN format('key "%s" is in the ledger, but would not answer %s', b.key, b.id)
                ELSE format('key "%s" of %s answers %s of %s, the ledger says %s', b.key, a.function, a.amount, a.feature, b.amount) END
    FROM booked b
        LEFT JOIN answered a ON a.subject = b.subject AND a.key = b.key AND a.id = b.id
        LEFT JOIN quota_internal.feature f ON f.id = b.feature_id
    -- set_usage answers what the use has become
    WHERE a.id IS NULL OR (a.amount <> b.amount AND a.function <> 'set_usage') OR a.feature <> f.name
    UNION ALL
    SELECT 'key', a.subject, g.feature_id, format('key "%s" of %s names grant %s, which is another''s', a.key, a.function, a.id)
    FROM answered a JOIN quota_internal.credit_grant g ON g.id = a.id
    WHERE a.function = 'credit' AND g.subject <> a.subject
$$;
COMMENT ON FUNCTION quota_internal._verify_keys() IS 'internal: what an idempotency key answers is in the ledger, and what the ledger has under a key is answered';

CREATE OR REPLACE FUNCTION quota_internal._verify_usage(OUT check_name text, OUT subject text, OUT feature_id int, OUT detail text)
    RETURNS SETOF record
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT 'usage', subject, feature_id,
           format('the rollup of the hour from %s says %s in %s debits, the ledger %s in %s',
                  hour, coalesce(h.used, 0), coalesce(h.debits, 0), coalesce(u.used, 0), coalesce(u.debits, 0))
    FROM quota_internal.usage_hour h
        FULL JOIN (SELECT * FROM quota_internal._usage_of('NOT ' || quota_internal._not_rolled_up())) u USING (subject, feature_id, hour)
    WHERE (coalesce(h.used, 0), coalesce(h.debits, 0)) <> (coalesce(u.used, 0), coalesce(u.debits, 0))
      AND hour >= coalesce((SELECT p.dropped_before FROM quota_internal.posting p), '-infinity')
$$;
COMMENT ON FUNCTION quota_internal._verify_usage() IS 'internal: the rollup is what the ledger says, as far as it has come';

-- There are no foreign keys, so that a restore may load tables in any order.
CREATE OR REPLACE FUNCTION quota_internal._verify_references(OUT check_name text, OUT subject text, OUT feature_id int, OUT detail text)
    RETURNS SETOF record
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT DISTINCT 'reference', r.subject, r.feature_id, format('a row of quota_internal.%s names feature %s, which does not exist', r.tab, r.feature_id)
    FROM (
        SELECT 'entitlement' AS tab, NULL AS subject, t.feature_id FROM quota_internal.entitlement t
        UNION ALL SELECT 'subject_override', t.subject, t.feature_id FROM quota_internal.subject_override t
        UNION ALL SELECT 'bucket', t.subject, t.feature_id FROM quota_internal.bucket t
        WHERE t.used <> 0 OR t.overdrawn <> 0 OR t.granted IS NOT NULL OR t.overage IS NOT NULL
        UNION ALL SELECT 'credit_grant', t.subject, t.feature_id FROM quota_internal.credit_grant t
        UNION ALL SELECT 'hold', t.subject, t.feature_id FROM quota_internal.hold t
        UNION ALL SELECT 'action_charge', NULL, t.feature_id FROM quota_internal.action_charge t
        UNION ALL SELECT 'action_require', NULL, t.feature_id FROM quota_internal.action_require t
    ) r
    WHERE NOT EXISTS (SELECT FROM quota_internal.feature f WHERE f.id = r.feature_id)
    UNION ALL
    SELECT 'reference', s.subject, NULL, format('subscription %s names plan version %s, which does not exist', s.id, v.id)
    FROM quota_internal.subscription s, LATERAL (VALUES (s.plan_version_id), (s.next_version_id)) v(id)
    WHERE v.id IS NOT NULL AND NOT EXISTS (SELECT FROM quota_internal.plan_version p WHERE p.id = v.id)
    UNION ALL
    SELECT 'reference', NULL, NULL, format('an entitlement names plan version %s, which does not exist', t.plan_version_id)
    FROM quota_internal.entitlement t
    WHERE NOT EXISTS (SELECT FROM quota_internal.plan_version v WHERE v.id = t.plan_version_id)
    UNION ALL
    SELECT 'reference', NULL, NULL, format('plan version %s names plan %s, which does not exist', v.id, v.plan_id)
    FROM quota_internal.plan_version v
    WHERE NOT EXISTS (SELECT FROM quota_internal.plan p WHERE p.id = v.plan_id)
    UNION ALL
    SELECT 'reference', NULL, NULL, format('plan %s has no version', p.name)
    FROM quota_internal.plan p
    WHERE NOT EXISTS (SELECT FROM quota_internal.plan_version v WHERE v.plan_id = p.id)
$$;
COMMENT ON FUNCTION quota_internal._verify_references() IS 'internal: what a row names is there';

CREATE OR REPLACE FUNCTION quota_internal._verify_unique(OUT check_name text, OUT subject text, OUT feature_id int, OUT detail text)
    RETURNS SETOF record
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT 'unique', s.subject, NULL::int, format('subscription %s begins at %s, before the one of %s ends', s.id, s.starts_at, s.earlier_start)
    FROM (SELECT s.id, s.subject, s.starts_at, lag(s.starts_at) OVER w AS earlier_start, lag(coalesce(s.ends_at, 'infinity')) OVER w AS taken_until
          FROM quota_internal.subscription s WHERE s.ends_at IS DISTINCT FROM s.starts_at      -- else it never was
          WINDOW w AS (PARTITION BY s.subject ORDER BY s.starts_at, s.id)) s
    WHERE s.starts_at < s.taken_until
    UNION ALL
    SELECT 'unique', NULL, NULL, format('%s plans are the default', count(*)) FROM quota_internal.plan p WHERE p.is_default HAVING count(*) > 1
    UNION ALL
    SELECT 'unique', b.subject, b.feature_id, format('the window from %s to %s (source %s) has %s buckets', b.period_start, b.period_end, b.source_id, count(*))
    FROM quota_internal.window_use b GROUP BY b.subject, b.feature_id, b.source_id, b.period_start, b.period_end HAVING count(*) > 1
    UNION ALL
    SELECT 'unique', c.subject, c.feature_id, format('a cap has %s counts from %s', count(*), c.window_start)
    FROM quota_internal.cap_use c GROUP BY c.subject, c.feature_id, c.source_id, c.period_months, c.period_days, c.period_us, c.window_start HAVING count(*) > 1
    UNION ALL
    SELECT 'unique', k.subject, NULL, format('key "%s" is there %s times', k.key, count(*))
    FROM quota_internal.idempotency_key k GROUP BY k.subject, k.key HAVING count(*) > 1
    UNION ALL
    -- what keeps it so: primary keys and unique constraints, and the indexes that say where a row is
    SELECT 'unique', NULL, NULL, format('quota_internal.%s has lost its %s, or it is not valid', t.name, t.what)
    FROM (VALUES ('feature', 'feature_pkey'), ('feature', 'feature_name_key'), ('plan', 'plan_pkey'), ('plan', 'plan_name_key'),
                 ('plan', 'plan_one_default'), ('plan_version', 'plan_version_pkey'), ('plan_version', 'plan_version_plan_id_version_key'),
                 ('entitlement', 'entitlement_pkey'), ('subject_override', 'subject_override_pkey'), ('action', 'action_pkey'),
                 ('action', 'action_name_key'), ('action_require', 'action_require_pkey'), ('action_charge', 'action_charge_pkey'),
                 ('action_price', 'action_price_pkey'), ('subscription', 'subscription_pkey'), ('subscription', 'subscription_one_at_a_time'),
                 ('bucket', 'bucket_pkey'), ('cap_use', 'cap_use_pkey'), ('credit_grant', 'credit_grant_pkey'), ('grant_use', 'grant_use_pkey'),
                 ('rate_use', 'rate_use_pkey'), ('hold', 'hold_pkey'), ('hold_part', 'hold_part_pkey'), ('idempotency_key', 'idempotency_key_pkey'),
                 ('usage_hour', 'usage_hour_pkey'), ('gate_charge', 'gate_charge_pkey'), ('opening', 'opening_pkey'), ('posting', 'posting_pkey'), ('event', 'event_pkey')) t(name, what)
    WHERE NOT EXISTS (SELECT FROM pg_class c JOIN pg_index i ON i.indexrelid = c.oid
                      WHERE c.relnamespace = ANY ('{quota,quota_internal}'::regnamespace[]) AND c.relname = t.what AND i.indisvalid
                        AND i.indrelid = format('%s.%I', c.relnamespace::regnamespace, t.name)::regclass AND (i.indisunique OR i.indisexclusion))
    UNION ALL
    SELECT 'unique', NULL, NULL, format('quota_internal.%s has come to %s, but %s was used: ids will be used twice', s.name, s.last_value, s.largest)
    FROM (SELECT 'ledger_id_seq' AS name, s.last_value, greatest((SELECT max(e.id) FROM quota_internal.ledger_entry e),
                                                                 (SELECT max(e.debit_id) FROM quota_internal.ledger_entry e),
                                                                 (SELECT max(b.lease_since) FROM quota_internal.bucket b)) AS largest FROM quota_internal.ledger_id_seq s
          UNION ALL SELECT 'lease_id_seq', s.last_value, (SELECT max(b.lease_id) FROM quota_internal.bucket b) FROM quota_internal.lease_id_seq s
          UNION ALL SELECT 'credit_grant_id_seq', s.last_value, (SELECT max(t.id) FROM quota_internal.credit_grant t) FROM quota_internal.credit_grant_id_seq s
          UNION ALL SELECT 'subscription_id_seq', s.last_value, greatest((SELECT max(t.id) FROM quota_internal.subscription t),
                                                                         (SELECT max(t.source_id) FROM quota_internal.subscription t)) FROM quota_internal.subscription_id_seq s
          UNION ALL SELECT 'event_id_seq', s.last_value, (SELECT max(t.id) FROM quota_internal.event t) FROM quota_internal.event_id_seq s
          UNION ALL SELECT 'feature_id_seq', s.last_value, (SELECT max(t.id) FROM quota_internal.feature t) FROM quota_internal.feature_id_seq s
          UNION ALL SELECT 'plan_id_seq', s.last_value, (SELECT max(t.id) FROM quota_internal.plan t) FROM quota_internal.plan_id_seq s
          UNION ALL SELECT 'plan_version_id_seq', s.last_value, (SELECT max(t.id) FROM quota_internal.plan_version t) FROM quota_internal.plan_version_id_seq s
          UNION ALL SELECT 'action_id_seq', s.last_value, (SELECT max(t.id) FROM quota_internal.action t) FROM quota_internal.action_id_seq s) s
    WHERE s.largest > s.last_value
$$;
COMMENT ON FUNCTION quota_internal._verify_unique() IS 'internal: what must be there once is, and no id will be used again';
