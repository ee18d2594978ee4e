/*
 * What must hold at every commit, one function for each kind of thing.  All of
 * them see the snapshot of the one statement in verify().  Each answers with the
 * feature's id, and with words for a person.
 */
CREATE OR REPLACE FUNCTION quota._verify_buckets(OUT check_name text, OUT subject text, OUT feature_id int, OUT detail text)
    RETURNS SETOF record
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    WITH booked AS (
        SELECT s.account, s.feature_id, s.source_id, s.period_start, s.period_end,
               CASE WHEN s.source IN ('a', 'c') THEN 'used' ELSE quota._entry_source(s.source) END AS counter,
               sum(s.amount) AS amount
        FROM (
            SELECT e.account, e.feature_id, e.source_id, e.period_start, e.period_end, e.source, sum(e.amount) AS amount
            FROM quota.ledger_entry e GROUP BY 1, 2, 3, 4, 5, 6
            UNION ALL
            SELECT o.account, o.feature_id, o.source_id, o.period_start, o.period_end, o.source, o.amount
            FROM quota.opening o
            -- that of a grant outlives the window, for the grant's own sum
            WHERE o.source <> 'g' OR EXISTS (
                SELECT FROM quota.bucket b WHERE b.subject = o.account AND b.feature_id = o.feature_id
                AND b.source_id = o.source_id AND b.period_start = o.period_start AND b.period_end = o.period_end)
        ) s
        GROUP BY 1, 2, 3, 4, 5, 6
    ), counted AS (
        SELECT b.subject AS account, b.feature_id, b.source_id, b.period_start, b.period_end, c.counter, c.amount
        FROM quota.bucket b,
            LATERAL (VALUES ('used', b.used), ('grant', b.granted), ('overage', b.overage), ('overdrawn', b.overdrawn)) c(counter, amount)
        WHERE c.amount <> 0
    )
    SELECT 'bucket', account, feature_id,
           format('%s in the window from %s to %s (source %s): the bucket says %s, its ledger entries add up to %s',
                  counter, period_start, period_end, source_id, coalesce(c.amount, 0), coalesce(l.amount, 0))
    FROM counted c FULL JOIN booked l USING (account, feature_id, source_id, period_start, period_end, counter)
    WHERE coalesce(c.amount, 0) <> coalesce(l.amount, 0)
$$;
COMMENT ON FUNCTION quota._verify_buckets() IS 'internal: every bucket is the sum of its ledger entries';

CREATE OR REPLACE FUNCTION quota._verify_grants(OUT check_name text, OUT subject text, OUT feature_id int, OUT detail text)
    RETURNS SETOF record
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    WITH booked AS (
        SELECT s.grant_id, sum(s.amount) AS amount
        FROM (SELECT e.grant_id, e.amount FROM quota.ledger_entry e WHERE e.source = 'g'
              UNION ALL
              SELECT o.grant_id, o.amount FROM quota.opening o WHERE o.source = 'g') s
        GROUP BY 1
    ), counted AS (
        SELECT u.grant_id, sum(u.used) AS amount FROM quota.grant_use u GROUP BY 1
    )
    SELECT 'grant', g.subject, g.feature_id,
           format('grant %s: its periods say %s taken, its ledger entries add up to %s',
                  grant_id, coalesce(c.amount, 0), coalesce(l.amount, 0))
    FROM counted c FULL JOIN booked l USING (grant_id) LEFT JOIN quota.credit_grant g ON g.id = grant_id
    WHERE coalesce(c.amount, 0) <> coalesce(l.amount, 0)
    UNION ALL
    SELECT 'grant', g.subject, g.feature_id,
           format('grant %s: more was taken in the period from %s than it gives, %s of %s', g.id, u.period_start, u.used, g.amount)
    FROM quota.grant_use u JOIN quota.credit_grant g ON g.id = u.grant_id
    WHERE u.used > g.amount
    UNION ALL
    SELECT 'grant', NULL, NULL, format('use of grant %s, which does not exist', u.grant_id)
    FROM quota.grant_use u
    WHERE NOT EXISTS (SELECT FROM quota.credit_grant g WHERE g.id = u.grant_id)
$$;
COMMENT ON FUNCTION quota._verify_grants() IS 'internal: what was taken of a grant is the sum of its ledger entries, and no more than it gives';

/*
 * By account, not by window: a hold whose window was taken over counts in the new
 * one, while its entries name the old one.
 */
CREATE OR REPLACE FUNCTION quota._verify_holds(OUT check_name text, OUT subject text, OUT feature_id int, OUT detail text)
    RETURNS SETOF record
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    WITH part AS (
        SELECT p.account, p.feature_id, p.hold_id, p.expires_at,
               coalesce((SELECT sum(e.amount) FROM quota.ledger_entry e
                         -- what was missing in a bucket came back all the same
                         WHERE e.debit_id = p.hold_id AND e.account = p.account AND e.kind <> 'm'), 0) AS stands_at
        FROM quota.hold_part p
    ), booked AS (
        SELECT p.account, p.feature_id, sum(p.stands_at) AS amount FROM part p GROUP BY 1, 2
    ), counted AS (
        SELECT b.subject AS account, b.feature_id, sum(b.reserved) AS amount
        FROM quota.bucket b WHERE b.reserved IS NOT NULL GROUP BY 1, 2
    )
    SELECT 'reserved', account, feature_id,
           format('the buckets say %s reserved, the ledger entries of its holds add up to %s', coalesce(c.amount, 0), coalesce(l.amount, 0))
    FROM counted c FULL JOIN booked l USING (account, feature_id)
    WHERE coalesce(c.amount, 0) <> coalesce(l.amount, 0)
    UNION ALL
    SELECT 'hold', p.account, p.feature_id, format('hold %s is closed, or was never made, but counts here', p.hold_id)
    FROM part p
    WHERE NOT EXISTS (SELECT FROM quota.hold h WHERE h.id = p.hold_id)
    UNION ALL
    SELECT 'hold', p.account, p.feature_id,
           format('hold %s expires at %s, but counts here until %s', h.id, h.expires_at, p.expires_at)
    FROM part p JOIN quota.hold h ON h.id = p.hold_id
    WHERE h.expires_at <> p.expires_at
    UNION ALL
    SELECT 'hold', p.account, p.feature_id,
           format('hold %s has reserved %s, its ledger entries here add up to %s', h.id, h.reserved, p.stands_at)
    FROM part p JOIN quota.hold h ON h.id = p.hold_id
    -- a level that joined or left while the hold grew has only a part of it; once it expires, levels go one by one
    WHERE (p.stands_at > h.reserved
           OR (p.stands_at < h.reserved AND h.expires_at > quota._clock_now()
               AND (SELECT count(*) FROM part q WHERE q.hold_id = h.id) = 1))
    UNION ALL
    SELECT 'hold', h.subject, h.feature_id, format('hold %s is open, but counts nowhere', h.id)
    FROM quota.hold h
    -- by the time of day: whoever gave it back need not have waited for our transaction
    WHERE NOT h.expiry_seen AND h.expires_at > quota._clock_now()
      AND NOT EXISTS (SELECT FROM quota.hold_part p WHERE p.hold_id = h.id)
$$;
COMMENT ON FUNCTION quota._verify_holds() IS 'internal: what buckets have reserved is what holds that count have taken';

/*
 * Two windows in a row of one account: what left the first came into the second.
 * Buckets do not say from where a rollover came, so this looks where it cannot have
 * come from elsewhere or gone elsewhere: no other window overlaps with the two, and
 * no change of plan moved use out of them or into them.
 *
 * A later window counts as idle what nobody has used when it is charged first.  An
 * older transaction that charges there all the same finds nothing rolled in, and
 * only what the later window cannot have got.  So two windows may differ: what left
 * the first went into a later one than the second; or the first has kept back less
 * than came into the second, which was itself idle and passed it on.
 *
 * Not seen: what went wrong where idle windows without a bucket lie between, or
 * periods of several lengths meet.
 */
CREATE OR REPLACE FUNCTION quota._verify_rollover(OUT check_name text, OUT subject text, OUT feature_id int, OUT detail text)
    RETURNS SETOF record
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    WITH moved_into AS (
        SELECT b.subject, b.feature_id, b.source_id, m.period_start, m.period_end
        FROM quota.bucket b,
            LATERAL (SELECT b.moved_start, b.moved_end
                     UNION ALL SELECT * FROM unnest(b.earlier_start, b.earlier_end)) m(period_start, period_end)
        WHERE b.moved_id IS NOT NULL OR b.earlier_id IS NOT NULL
    ), bucket AS (
        SELECT b.subject, b.feature_id, b.source_id, b.period_start, b.period_end,
               coalesce(b.rolled_in, 0) AS rolled_in, coalesce(b.rolled_out, 0) AS rolled_out,
               coalesce(max(b.rolled_in) OVER later, 0) AS later_in,
               coalesce(bool_or(b.moved_id IS NOT NULL) OVER later, false) AS later_moved,
               coalesce(max(b.period_end) OVER earlier <= b.period_start, true)
               AND coalesce(min(b.period_start) OVER later >= b.period_end, true)
               AND b.moved_id IS NULL AND b.earlier_id IS NULL
               AND NOT EXISTS (SELECT FROM moved_into m
                               WHERE m.subject = b.subject AND m.feature_id = b.feature_id AND m.source_id = b.source_id
                                 AND m.period_start = b.period_start AND m.period_end = b.period_end) AS is_plain
        FROM quota.bucket b
        WINDOW earlier AS (PARTITION BY b.subject, b.feature_id, b.source_id ORDER BY b.period_start, b.period_end
                           ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING),
               later AS (PARTITION BY b.subject, b.feature_id, b.source_id ORDER BY b.period_start DESC, b.period_end DESC
                         ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
    )
    SELECT 'rollover', a.subject, a.feature_id,
           format('%s rolled over out of the window from %s to %s, %s into the next one',
                  a.rolled_out, a.period_start, a.period_end, b.rolled_in)
    FROM bucket a
        JOIN bucket b ON b.subject = a.subject AND b.feature_id = a.feature_id AND b.source_id = a.source_id
            AND b.period_start = a.period_end
    WHERE a.is_plain AND b.is_plain AND a.rolled_out <> b.rolled_in
      AND NOT (b.rolled_in = 0 AND (b.later_in >= a.rolled_out OR b.later_moved))
      AND NOT (a.rolled_in = 0 AND a.rolled_out < b.rolled_in AND b.rolled_out > 0)
      -- older ones may have been dropped, one without the other
      AND b.period_end > coalesce((SELECT p.dropped_before FROM quota.posting p), '-infinity')
$$;
COMMENT ON FUNCTION quota._verify_rollover() IS 'internal: what rolled over out of a window has come into the next one, where this can be told';

/*
 * A cap counts what was charged in its window and not given back.  It may have
 * begun in the middle of its window, so it may say less, never more.
 */
CREATE OR REPLACE FUNCTION quota._verify_caps(OUT check_name text, OUT subject text, OUT feature_id int, OUT detail text)
    RETURNS SETOF record
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT 'cap', c.subject, c.feature_id,
           format('a cap says %s used from %s to %s, charged were %s', c.used, c.opened_at, c.closes_at, l.amount)
    FROM quota.cap_use c,
        LATERAL (SELECT coalesce(sum(e.amount), 0) AS amount
                 FROM quota.ledger_entry e
                 WHERE (e.subject = c.subject OR (e.subject > c.subject || '/' AND e.subject < c.subject || '0'))
                   AND e.feature_id = c.feature_id AND e.account = c.subject AND e.kind <> 't' AND e.amount > 0
                   -- a time before the anchor counts as the anchor
                   AND greatest(e.at, e.period_start) >= c.opened_at AND e.at < c.closes_at) l
    WHERE c.used > l.amount
      -- months that have been dropped are not in the ledger any more
      AND c.opened_at >= coalesce((SELECT p.dropped_before FROM quota.posting p), '-infinity')
$$;
COMMENT ON FUNCTION quota._verify_caps() IS 'internal: a cap has counted no more than was charged in its window';

/*
 * Every account on the path is charged the same, and never gets back more.
 */
CREATE OR REPLACE FUNCTION quota._verify_debits(OUT check_name text, OUT subject text, OUT feature_id int, OUT detail text)
    RETURNS SETOF record
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    WITH level AS (
        SELECT e.debit_id, e.account, min(e.feature_id) AS feature_id,
               sum(e.amount) FILTER (WHERE e.kind = 'd') AS charged,
               sum(e.amount) FILTER (WHERE e.kind NOT IN ('c', 'm', 't')) AS left_of_it
        FROM quota.ledger_entry e
        GROUP BY 1, 2
        -- of what began in a month that has been dropped, and of give-backs, nothing can be said
        HAVING bool_or(e.kind IN ('d', 'h'))
    )
    SELECT 'debit', l.account, l.feature_id,
           format('of debit %s more was given back than taken, by %s', l.debit_id, - l.left_of_it)
    FROM level l
    WHERE l.left_of_it < 0
    UNION ALL
    SELECT 'debit', max(l.account), max(l.feature_id),
           format('debit %s took between %s and %s from the accounts on its path', l.debit_id, min(l.charged), max(l.charged))
    FROM level l
    GROUP BY l.debit_id
    HAVING min(l.charged) <> max(l.charged)
$$;
COMMENT ON FUNCTION quota._verify_debits() IS 'internal: a debit took the same from each account on its path, and gave back no more';

CREATE OR REPLACE FUNCTION quota._verify_keys(OUT check_name text, OUT subject text, OUT feature_id int, OUT detail text)
    RETURNS SETOF record
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT 'key', k.subject, NULL::int, format('key "%s" of %s names %s, which is not in the ledger', k.key, k.function, r.value -> 'id')
    FROM quota.idempotency_key k,
        LATERAL jsonb_array_elements(CASE jsonb_typeof(k.results) WHEN 'array' THEN k.results ELSE '[]' END) r(value)
    WHERE k.function <> 'credit' AND jsonb_typeof(r.value -> 'id') = 'number'
      AND (r.value -> 'id')::bigint <> 0  -- what charged nothing
      AND NOT EXISTS (SELECT FROM quota.ledger_entry e WHERE e.id = (r.value -> 'id')::bigint)
      AND k.at >= coalesce((SELECT p.dropped_before FROM quota.posting p), '-infinity')
$$;
COMMENT ON FUNCTION quota._verify_keys() IS 'internal: what an idempotency key answers is in the ledger';

CREATE OR REPLACE FUNCTION quota._verify_usage(OUT check_name text, OUT subject text, OUT feature_id int, OUT detail text)
    RETURNS SETOF record
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT 'usage', subject, feature_id,
           format('the rollup of the hour from %s says %s in %s debits, the ledger %s in %s',
                  hour, coalesce(h.used, 0), coalesce(h.debits, 0), coalesce(u.used, 0), coalesce(u.debits, 0))
    FROM quota.usage_hour h
        FULL JOIN (SELECT * FROM quota._usage_of('NOT ' || quota._not_rolled_up())) u USING (subject, feature_id, hour)
    WHERE (coalesce(h.used, 0), coalesce(h.debits, 0)) <> (coalesce(u.used, 0), coalesce(u.debits, 0))
      AND hour >= coalesce((SELECT p.dropped_before FROM quota.posting p), '-infinity')
$$;
COMMENT ON FUNCTION quota._verify_usage() IS 'internal: the rollup is what the ledger says, as far as it has come';

-- There are no foreign keys, so that a restore may load tables in any order.
CREATE OR REPLACE FUNCTION quota._verify_references(OUT check_name text, OUT subject text, OUT feature_id int, OUT detail text)
    RETURNS SETOF record
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT 'reference', r.subject, r.feature_id, format('a row of quota.%s names feature %s, which does not exist', r.tab, r.feature_id)
    FROM (
        SELECT 'entitlement' AS tab, NULL AS subject, t.feature_id FROM quota.entitlement t
        UNION SELECT 'subject_override', t.subject, t.feature_id FROM quota.subject_override t
        UNION SELECT 'bucket', t.subject, t.feature_id FROM quota.bucket t
        WHERE t.used <> 0 OR t.overdrawn <> 0 OR t.granted IS NOT NULL OR t.overage IS NOT NULL
        UNION SELECT 'credit_grant', t.subject, t.feature_id FROM quota.credit_grant t
        UNION SELECT 'hold', t.subject, t.feature_id FROM quota.hold t
        UNION SELECT 'action_charge', NULL, t.feature_id FROM quota.action_charge t
        UNION SELECT 'action_require', NULL, t.feature_id FROM quota.action_require t
    ) r
    WHERE NOT EXISTS (SELECT FROM quota.feature f WHERE f.id = r.feature_id)
    UNION ALL
    SELECT 'reference', s.subject, NULL, format('subscription %s names plan version %s, which does not exist', s.id, v.id)
    FROM quota.subscription s, LATERAL (VALUES (s.plan_version_id), (s.next_version_id)) v(id)
    WHERE v.id IS NOT NULL AND NOT EXISTS (SELECT FROM quota.plan_version p WHERE p.id = v.id)
    UNION ALL
    SELECT 'reference', NULL, NULL, format('plan version %s names plan %s, which does not exist', v.id, v.plan_id)
    FROM quota.plan_version v
    WHERE NOT EXISTS (SELECT FROM quota.plan p WHERE p.id = v.plan_id)
    UNION ALL
    SELECT 'reference', NULL, NULL, format('plan %s has no version', p.name)
    FROM quota.plan p
    WHERE NOT EXISTS (SELECT FROM quota.plan_version v WHERE v.plan_id = p.id)
$$;
COMMENT ON FUNCTION quota._verify_references() IS 'internal: what a row names is there';

/*
 * The ledger itself: closed on every leaf, to everybody, in the form that the
 * library knows.
 */
CREATE OR REPLACE FUNCTION quota._verify_ledger(OUT check_name text, OUT subject text, OUT feature_id int, OUT detail text)
    RETURNS SETOF record
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    WITH part AS (
        SELECT c.oid, c.relname, c.relacl, c.relowner, c.relkind
        FROM pg_class c
        WHERE c.oid IN (SELECT 'quota.ledger_entry'::regclass UNION SELECT l.leaf FROM quota._leaves() l)
    )
    SELECT 'ledger', NULL::text, NULL::int, format('quota.%s has lost its trigger append_only, or it is disabled', p.relname)
    FROM part p
    WHERE NOT EXISTS (SELECT FROM pg_trigger t
                      WHERE t.tgrelid = p.oid AND t.tgfoid = 'quota._append_only()'::regprocedure AND t.tgenabled IN ('O', 'A'))
    UNION ALL
    SELECT 'ledger', NULL, NULL,
           format('%s may %s quota.%s', CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END, a.privilege_type, p.relname)
    FROM part p, aclexplode(p.relacl) a
    WHERE a.grantee <> p.relowner AND a.privilege_type IN ('INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'TRIGGER')
    UNION ALL
    SELECT 'ledger', NULL, NULL, format('quota.%s has no index on debit_id', p.relname)
    FROM part p
    WHERE p.relkind = 'r' AND NOT EXISTS (
        SELECT FROM pg_index i JOIN pg_attribute t ON t.attrelid = p.oid AND t.attname = 'debit_id'
        WHERE i.indrelid = p.oid AND i.indisvalid AND i.indnatts = 1 AND i.indkey[0] = t.attnum)
    UNION ALL
    SELECT 'ledger', NULL, NULL, 'there is a catalog, but no row in quota.posting: usage is not rolled up right after a restore'
    WHERE EXISTS (SELECT FROM quota.feature) AND NOT EXISTS (SELECT FROM quota.posting)
$$;
COMMENT ON FUNCTION quota._verify_ledger() IS 'internal: nobody can change the ledger';

CREATE OR REPLACE FUNCTION quota._gate_try(gated oid, arguments text[]) RETURNS void
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'quota_sql_gate_try';
COMMENT ON FUNCTION quota._gate_try(oid, text[]) IS
    'internal: the errors that the next row would meet in a gate''s declaration and expressions';

CREATE OR REPLACE FUNCTION quota._gate_fault(gated oid, arguments text[]) RETURNS text
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM quota._gate_try(gated, arguments);
    RETURN NULL;
EXCEPTION WHEN OTHERS THEN
    RETURN SQLERRM;
END
$$;
COMMENT ON FUNCTION quota._gate_fault(oid, text[]) IS
    'internal: what is wrong with a gate''s declaration or expressions, as after a column was renamed; NULL: nothing';

CREATE OR REPLACE FUNCTION quota._verify_gates(OUT check_name text, OUT subject text, OUT feature_id int, OUT detail text)
    RETURNS SETOF record
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    WITH trigger AS (
        SELECT t.*, f.id AS feature_id, f.kind FROM quota._gate_trigger() t LEFT JOIN quota.feature f ON f.name = t.feature
    ), gate AS (
        SELECT t.target, t.feature, t.feature_id, bit_or(t.tgtype) AS events,
               coalesce(min(t.arguments[4]), CASE min(t.kind) WHEN 'capacity' THEN 'on_decrease' ELSE 'never' END) = 'on_decrease' AS gives_back,
               -- what somebody declared by hand may be meant as it is
               bool_or(t.name ~ '^quota_.*_(insert|update|delete|truncate)$') AS made_by_protect
        FROM trigger t GROUP BY 1, 2, 3
    )
    SELECT 'gate', NULL, t.feature_id, format('trigger %I of table %s is disabled: rows are not counted', t.name, t.target::regclass)
    FROM trigger t WHERE NOT t.enabled
    UNION ALL
    SELECT 'gate', NULL, NULL, format('trigger %I of table %s is for feature %s, which cannot be counted: its rows cannot change',
                                      t.name, t.target::regclass, coalesce(to_json(t.feature)::text, 'nothing'))
    FROM trigger t WHERE t.kind IS NULL OR t.kind NOT IN ('metered', 'capacity')
    UNION ALL
    SELECT 'gate', NULL, f.feature_id, format('the gate of table %s does not work, so its rows cannot change: %s', f.target::regclass, f.fault)
    FROM (SELECT DISTINCT t.target, t.feature_id, quota._gate_fault(t.target, t.arguments) AS fault
          FROM trigger t WHERE t.kind IN ('metered', 'capacity')
            AND NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = t.target AND pg_is_other_temp_schema(c.relnamespace))) f
    WHERE f.fault IS NOT NULL
    UNION ALL
    -- the bits of pg_trigger.tgtype
    SELECT 'gate', NULL, g.feature_id, format('table %s has no trigger for %s: its gate is not whole', g.target::regclass, e.event)
    FROM gate g, (VALUES (4, 'INSERT', false), (16, 'UPDATE', false), (8, 'DELETE', true), (32, 'TRUNCATE', true)) e(bit, event, if_gives_back)
    WHERE g.made_by_protect AND g.events & e.bit = 0 AND (g.gives_back OR NOT e.if_gives_back)
    UNION ALL
    SELECT 'gate', NULL, f.id, format('table %s inherits from %s, but not its gate: rows that are written to it directly are not counted',
                                      m.member::regclass, m.gated::regclass)
    FROM quota.feature f, quota._gate_member(f.name) m WHERE m.member <> m.gated
$$;
COMMENT ON FUNCTION quota._verify_gates() IS 'internal: gates are whole and enabled';

CREATE OR REPLACE FUNCTION quota.verify(OUT check_name text, OUT subject text, OUT feature text, OUT detail text)
    RETURNS SETOF record
    LANGUAGE sql STABLE SECURITY DEFINER ROWS 1
    SET search_path = pg_catalog, pg_temp
    SET TimeZone = 'UTC'
    SET DateStyle = 'ISO'
AS $$
    SELECT v.check_name, v.subject, coalesce(f.name, v.feature_id::text) AS feature, v.detail
    FROM (
        SELECT * FROM quota._verify_buckets()
        UNION ALL SELECT * FROM quota._verify_grants()
        UNION ALL SELECT * FROM quota._verify_holds()
        UNION ALL SELECT * FROM quota._verify_rollover()
        UNION ALL SELECT * FROM quota._verify_caps()
        UNION ALL SELECT * FROM quota._verify_debits()
        UNION ALL SELECT * FROM quota._verify_keys()
        UNION ALL SELECT * FROM quota._verify_usage()
        UNION ALL SELECT * FROM quota._verify_references()
        UNION ALL SELECT * FROM quota._verify_ledger()
        UNION ALL SELECT * FROM quota._verify_gates()
    ) v
        LEFT JOIN quota.feature f ON f.id = v.feature_id
    ORDER BY v.check_name COLLATE "C", v.subject COLLATE "C" NULLS FIRST, v.feature_id NULLS FIRST, v.detail COLLATE "C"
$$;
COMMENT ON FUNCTION quota.verify() IS
'Checks the books; no rows: every invariant holds. Reads the whole ledger, and blocks nobody. check_name says what does not hold:
bucket: a bucket is the sum of its ledger entries, those of dropped months included; grant: so is what was taken of a grant, and it is no more than the grant gives
reserved, hold: what buckets have reserved is what open holds took; rollover: what left a window has come into the next one
cap: a cap has counted no more than was charged in its window; debit: a debit took the same at every level and gave back no more
key: what an idempotency key answers is in the ledger; usage: the rollup is what the ledger says; reference: what a row names is there; ledger: nobody can change it; gate: the triggers of a protected table are there, enabled, and their expressions work (quota.recount() compares the counts with the rows)';
