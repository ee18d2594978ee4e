/*
 * What a monitoring system scrapes every few seconds.  So nothing here reads a table
 * that grows with use: sizes are those of the last ANALYZE, counters are sequences,
 * and what has to be counted is found by an index or, in a large table of
 * subscriptions, by a sample.  A condition on name leaves the other parts out.
 *
 * Only the owner sees what holds back VACUUM, and the entries that wait.
 */
CREATE OR REPLACE FUNCTION quota_internal._snapshots_held(OUT age_s numeric, OUT age_transactions bigint)
    LANGUAGE sql VOLATILE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT coalesce(max(extract(epoch FROM clock_timestamp() - h.since)), 0), coalesce(max(h.age), 0)
    FROM (SELECT a.xact_start AS since, greatest(age(a.backend_xmin), age(a.backend_xid)) AS age
          FROM pg_stat_activity a
          WHERE (a.backend_xmin IS NOT NULL OR a.backend_xid IS NOT NULL) AND a.pid <> pg_backend_pid()
            AND a.backend_type <> 'autovacuum worker' AND coalesce(a.datname, current_database()) = current_database()
          UNION ALL
          SELECT p.prepared, age(p.transaction) FROM pg_prepared_xacts p WHERE p.database = current_database()
          UNION ALL
          SELECT NULL, age(s.xmin) FROM pg_replication_slots s WHERE s.xmin IS NOT NULL) h
$$;
COMMENT ON FUNCTION quota_internal._snapshots_held() IS
    'internal: the age of the oldest snapshot or transaction, but for the caller''s, before which no dead row of ours can be removed; 0: there is none. Sessions, prepared transactions, replication slots (transactions only)';

CREATE OR REPLACE FUNCTION quota_internal._rollup_waiting(most int, OUT entries bigint, OUT oldest_at timestamptz)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    EXECUTE format('SELECT count(*), min(w.at) FROM (SELECT e.at FROM quota_internal.ledger_entry e WHERE %s LIMIT %s) w',
                   quota_internal._not_rolled_up(), _rollup_waiting.most)
        INTO entries, oldest_at;
END
$$;
COMMENT ON FUNCTION quota_internal._rollup_waiting(int) IS
    'internal: how many ledger entries have not been rolled up, at most so many, and the oldest of them';

CREATE OR REPLACE VIEW quota.metrics AS
SELECT 'quota_account_windows' AS name, '{}'::jsonb AS labels, greatest(c.reltuples, 0)::numeric AS value
FROM pg_class c WHERE c.oid = 'quota_internal.bucket'::regclass
UNION ALL
SELECT 'quota_subscriptions', jsonb_build_object('plan', p.name, 'status', s.status), round(sum(s.sampled) * 100 / s.percent)
FROM (SELECT CASE WHEN d.is_due THEN u.next_version_id ELSE u.plan_version_id END AS version_id,
             CASE WHEN u.starts_at > n.at THEN 'scheduled' WHEN u.ends_at <= n.at THEN 'ended'
                  WHEN d.is_due AND i.status = 'trialing' THEN 'active' ELSE i.status END AS status, n.percent, count(*) AS sampled
      FROM (SELECT coalesce(nullif(current_setting('quota.clock', true), '')::timestamptz, now()) AS at,
                   least(100, 1000000 / greatest(c.reltuples, 1))::numeric AS percent
            FROM pg_class c WHERE c.oid = 'quota_internal.subscription'::regclass OFFSET 0) n
          CROSS JOIN LATERAL (SELECT * FROM quota_internal.subscription TABLESAMPLE SYSTEM (n.percent) REPEATABLE (1)) u
          CROSS JOIN LATERAL (SELECT coalesce(u.next_at <= n.at AND (u.ends_at IS NULL OR u.next_at < u.ends_at), false) AS is_due) d
          CROSS JOIN LATERAL (SELECT CASE WHEN u.paused_until <= n.at THEN u.paused_from ELSE u.status END AS status) i
      WHERE u.ends_at IS NULL OR u.ends_at > u.starts_at
      GROUP BY 1, 2, 3) s
    JOIN quota_internal.plan_version v ON v.id = s.version_id JOIN quota_internal.plan p ON p.id = v.plan_id
GROUP BY p.name, s.status, s.percent
UNION ALL
SELECT 'quota_holds', jsonb_build_object('state', t.state), t.holds
FROM (SELECT count(*) FILTER (WHERE h.expires_at > n.at) AS open, count(*) FILTER (WHERE h.expires_at <= n.at) AS expired
      FROM quota_internal.hold h
          CROSS JOIN (SELECT coalesce(nullif(current_setting('quota.clock', true), '')::timestamptz, clock_timestamp()) AS at OFFSET 0) n
      WHERE NOT h.expiry_seen) c
    CROSS JOIN LATERAL (VALUES ('open', c.open), ('expired', c.expired)) t(state, holds)
UNION ALL
SELECT 'quota_ledger_entries', '{}', sum(greatest(c.reltuples, 0))::numeric
FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'quota_internal.ledger_entry'::regclass
UNION ALL
SELECT 'quota_ledger_entries_total', '{}', CASE WHEN q.is_called THEN q.last_value ELSE 0 END FROM quota_internal.ledger_id_seq q
UNION ALL
SELECT m.name, '{}', CASE m.name WHEN 'quota_rollup_waiting_entries' THEN w.entries
                                 ELSE coalesce(greatest(extract(epoch FROM m.at - w.oldest_at), 0), 0) END
FROM (SELECT t.name, coalesce(nullif(current_setting('quota.clock', true), '')::timestamptz, now()) AS at
      FROM (VALUES ('quota_rollup_waiting_entries'), ('quota_rollup_lag_seconds')) t(name)) m
    CROSS JOIN quota_internal._rollup_waiting(100000) w
UNION ALL
SELECT 'quota_events_total', '{}', CASE WHEN q.is_called THEN q.last_value ELSE 0 END FROM quota_internal.event_id_seq q
UNION ALL
SELECT 'quota_events_waiting', '{}', greatest(coalesce((SELECT max(e.id) FROM quota_internal.event e), 0)
                                              - coalesce((SELECT p.event_id FROM quota_internal.posting p), 0), 0)
UNION ALL
SELECT 'quota_denials_total', jsonb_build_object('feature', f.name, 'reason', d.reason), sum(d.times)
FROM quota_internal.denial d JOIN quota_internal.feature f ON f.id = d.feature_id
WHERE d.day = (SELECT (coalesce(nullif(current_setting('quota.clock', true), '')::timestamptz, now()) AT TIME ZONE 'UTC')::date)
GROUP BY f.name, d.reason
UNION ALL
SELECT 'quota_api_keys', jsonb_build_object('state', t.state), count(k.id)
FROM (VALUES ('valid', true), ('ended', false)) t(state, valid)
    LEFT JOIN (quota_internal.api_key k CROSS JOIN (SELECT coalesce(nullif(current_setting('quota.clock', true), '')::timestamptz, now()) AS at OFFSET 0) n)
        ON (k.revoked_at IS NULL AND coalesce(k.expires_at > n.at, true)) = t.valid
GROUP BY t.state
UNION ALL
SELECT 'quota_table_bytes', jsonb_build_object('table', c.relname),
       CASE c.relkind WHEN 'p' THEN (SELECT sum(pg_total_relation_size(i.inhrelid)) FROM pg_inherits i WHERE i.inhparent = c.oid)
                      ELSE pg_total_relation_size(c.oid) END
FROM pg_class c
WHERE c.relnamespace = 'quota_internal'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
UNION ALL
SELECT m.name, '{}', CASE m.name WHEN 'quota_oldest_snapshot_age_seconds' THEN h.age_s ELSE h.age_transactions END
FROM (VALUES ('quota_oldest_snapshot_age_seconds'), ('quota_oldest_snapshot_age_transactions')) m(name)
    CROSS JOIN quota_internal._snapshots_held() h
UNION ALL
SELECT 'quota_update_waiting', '{}', (e.extversion <> quota_internal._library_version())::int
FROM pg_extension e WHERE e.extname = 'quota'
UNION ALL
SELECT m.name, '{}', m.value
FROM quota_internal._shared() s
    CROSS JOIN LATERAL (VALUES ('quota_memory_accounts', s.accounts), ('quota_memory_leases', s.leases),
                               ('quota_memory_takes_total', s.takes_total), ('quota_memory_draws_total', s.draws_total),
                               ('quota_memory_recalls_total', s.recalls_total), ('quota_memory_drains_total', s.drains_total),
                               ('quota_memory_waits_total', s.waits_total), ('quota_memory_orphans_total', s.orphans_total),
                               ('quota_memory_full_total', s.full_total)) m(name, value);

COMMENT ON VIEW quota.metrics IS
'numbers for a monitoring system, in Prometheus''s naming; cheap enough for every few seconds.  Names that end in _total only grow, or begin again at 0; the others go up and down:
quota_account_windows: counters that are kept, one for each account and window that was charged; as of the last ANALYZE
quota_subscriptions{plan, status}: subscriptions; beyond 10,000 rows an estimate from a sample
quota_holds{state}: open, or expired and not seen by maintain() yet
quota_ledger_entries: entries that are kept; as of the last ANALYZE
quota_ledger_entries_total: entries ever written (their newest id; what was rolled back is in it)
quota_rollup_waiting_entries: entries that maintain() has not rolled up; 100,000 stands for more
quota_rollup_lag_seconds: the age of the oldest of them
quota_events_total: events ever written (their newest id)
quota_events_waiting: those since maintain() last told readers, by id
quota_denials_total{feature, reason}: refusals in quota.denials since midnight, UTC
quota_api_keys{state}: valid, or ended
quota_table_bytes{table}: each of our tables, its indexes and TOAST included; the ledger with its months
quota_oldest_snapshot_age_seconds: since when a transaction has kept VACUUM from our dead rows
quota_oldest_snapshot_age_transactions: the same by transactions begun since, replication slots included
quota_update_waiting: 1 from the loading of a newer library until ALTER EXTENSION quota UPDATE, else 0
quota_memory_accounts: accounts whose rate is in shared memory
quota_memory_leases: leases that accounts in memory have
quota_memory_takes_total: charges taken from a lease
quota_memory_draws_total: leases drawn from rows
quota_memory_recalls_total: leases called back
quota_memory_drains_total: accounts drained into rows
quota_memory_waits_total: charges that waited for a lease
quota_memory_orphans_total: leases found without an owner
quota_memory_full_total: times that memory had no room';
COMMENT ON COLUMN quota.metrics.name IS 'what it is, the unit last; see the comment of the view';
COMMENT ON COLUMN quota.metrics.labels IS 'a flat JSON object of texts; {}: none';
COMMENT ON COLUMN quota.metrics.value IS 'the number; those of memory are 0 where the library is not preloaded';
