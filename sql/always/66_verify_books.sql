/*
 * What must hold at every commit, one function for each kind of thing.  All of
 * them see the snapshot of the one statement in verify().  Each answers with the
 * feature's id, and with words for a person.
 */
CREATE OR REPLACE FUNCTION quota_internal._verify_buckets(OUT check_name text, OUT subject text, OUT feature_id int, OUT detail text)
    RETURNS SETOF record
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    WITH booked AS (
        SELECT s.account AS subject, s.feature_id, s.source_id, s.period_start, s.period_end,
               coalesce(sum(s.amount) FILTER (WHERE s.source IN ('a', 'c', 'C')), 0) AS used,
               coalesce(sum(s.amount) FILTER (WHERE s.source = 'g'), 0) AS granted,
               coalesce(sum(s.amount) FILTER (WHERE s.source = 'v'), 0) AS overage,
               coalesce(sum(s.amount) FILTER (WHERE s.source = 'o'), 0) AS overdrawn
        FROM (
            SELECT e.account, e.feature_id, e.source_id, e.period_start, e.period_end, e.source, sum(e.amount) AS amount
            FROM quota_internal.ledger_entry e GROUP BY 1, 2, 3, 4, 5, 6
            UNION ALL
            SELECT o.account, o.feature_id, o.source_id, o.period_start, o.period_end, o.source, o.amount
            FROM quota_internal.opening o
            -- that of a grant outlives the window, for the grant's own sum
            WHERE o.source <> 'g' OR EXISTS (
                SELECT FROM quota_internal.bucket b WHERE b.subject = o.account AND b.feature_id = o.feature_id
                AND b.source_id = o.source_id AND b.period_start = o.period_start AND b.period_end = o.period_end)
        ) s
        GROUP BY 1, 2, 3, 4, 5
    )
    SELECT 'bucket', subject, feature_id,
           format('%s in the window from %s to %s (source %s): the bucket says %s, its ledger entries add up to %s',
                  c.counter, period_start, period_end, source_id, coalesce(c.counted, 0), coalesce(c.booked, 0))
    FROM quota_internal.window_use b FULL JOIN booked l USING (subject, feature_id, source_id, period_start, period_end),
        LATERAL (VALUES ('used', b.used, l.used), ('grant', b.granted, l.granted), ('overage', b.overage, l.overage),
                        ('overdrawn', b.overdrawn, l.overdrawn)) c(counter, counted, booked)
    WHERE (coalesce(b.used, 0), coalesce(b.granted, 0), coalesce(b.overage, 0), coalesce(b.overdrawn, 0))
          <> (coalesce(l.used, 0), coalesce(l.granted, 0), coalesce(l.overage, 0), coalesce(l.overdrawn, 0))
      AND coalesce(c.counted, 0) <> coalesce(c.booked, 0)
$$;
COMMENT ON FUNCTION quota_internal._verify_buckets() IS 'internal: every bucket is the sum of its ledger entries';

CREATE OR REPLACE FUNCTION quota_internal._verify_grants(OUT check_name text, OUT subject text, OUT feature_id int, OUT detail text)
    RETURNS SETOF record
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    WITH booked AS (
        SELECT s.grant_id, sum(s.amount) AS amount,
               min(s.account) AS first_account, max(s.account) AS last_account, min(s.feature_id) AS feature_id
        FROM (SELECT e.grant_id, e.account, e.feature_id, e.amount FROM quota_internal.ledger_entry e WHERE e.source = 'g'
              UNION ALL
              SELECT o.grant_id, o.account, o.feature_id, o.amount FROM quota_internal.opening o WHERE o.source = 'g') s
        GROUP BY 1
    ), counted AS (
        SELECT u.grant_id, sum(u.used) AS amount FROM quota_internal.grant_use u GROUP BY 1
    ), revoked AS (
        -- by how much its amount has fallen: the last event of one that is revoked is of what it had left, which stays its amount
        SELECT g.id AS grant_id, sum(e.revoked) FILTER (WHERE g.revoked_at IS NULL OR e.later IS NOT NULL) AS amount
        FROM (SELECT e.subject, c.grant_id, c.revoked, lead(e.id) OVER (PARTITION BY e.subject, c.grant_id ORDER BY e.id) AS later
              FROM quota_internal.event e,
                  LATERAL (SELECT (e.data ->> 'grant_id')::bigint AS grant_id, (e.data ->> 'revoked')::bigint AS revoked) c
              WHERE e.type = 'grant_revoked') e
            JOIN quota_internal.credit_grant g ON g.id = e.grant_id AND g.subject = e.subject
        GROUP BY 1
    )
    SELECT 'grant', g.subject, g.feature_id,
           format('grant %s: its periods say %s taken, its ledger entries add up to %s',
                  grant_id, coalesce(c.amount, 0), coalesce(l.amount, 0))
    FROM counted c FULL JOIN booked l USING (grant_id) LEFT JOIN quota_internal.credit_grant g ON g.id = grant_id
    WHERE coalesce(c.amount, 0) <> coalesce(l.amount, 0)
    UNION ALL
    SELECT 'grant', g.subject, g.feature_id,
           format('grant %s: more was taken in the period from %s than it gives, %s of %s', g.id, u.period_start, u.used, g.amount)
    FROM quota_internal.grant_use u JOIN quota_internal.credit_grant g ON g.id = u.grant_id
        LEFT JOIN revoked r ON r.grant_id = g.id
    -- periods that were over when a part was revoked had more
    WHERE u.used > g.amount + CASE WHEN g.period IS NULL THEN 0 ELSE coalesce(r.amount, 0) END
    UNION ALL
    SELECT 'grant', g.subject, g.feature_id,
           format('grant %s is%s marked as used up, and %s of %s are taken', g.id, CASE WHEN g.used_up THEN '' ELSE ' not' END,
                  coalesce(c.amount, 0), g.amount)
    FROM quota_internal.credit_grant g LEFT JOIN counted c ON c.grant_id = g.id
    WHERE CASE WHEN g.used_up THEN g.period IS NOT NULL OR coalesce(c.amount, 0) < g.amount
               ELSE g.period IS NULL AND c.amount = g.amount END
    UNION ALL
    SELECT 'grant', NULL, NULL, format('use of grant %s, which does not exist', u.grant_id)
    FROM quota_internal.grant_use u
    WHERE NOT EXISTS (SELECT FROM quota_internal.credit_grant g WHERE g.id = u.grant_id)
    UNION ALL
    SELECT 'grant', g.subject, g.feature_id,
           format('grant %s of "%s" was taken from for "%s"', g.id, g.subject, CASE g.subject WHEN b.first_account THEN b.last_account ELSE b.first_account END)
    FROM booked b JOIN quota_internal.credit_grant g ON g.id = b.grant_id
    WHERE (b.first_account, b.last_account, b.feature_id) IS DISTINCT FROM (g.subject, g.subject, g.feature_id)
    UNION ALL
    SELECT 'grant', g.subject, g.feature_id,
           format('use of grant %s in a period from %s to %s, which it does not have', g.id, u.period_start, u.period_end)
    FROM quota_internal.grant_use u JOIN quota_internal.credit_grant g ON g.id = u.grant_id
    WHERE u.period_start < g.effective_at OR u.period_end > g.expires_at
       OR (g.period IS NULL AND (u.period_start, u.period_end) <> (g.effective_at, g.expires_at))
    UNION ALL
    SELECT 'grant', e.subject, e.feature_id,
           CASE WHEN g.id IS NULL THEN format('grant %s of %s, credited at %s, is not there', c.grant_id, c.amount, e.at)
                ELSE format('grant %s gives %s from %s to %s, credited were %s from %s to %s', g.id, g.amount, g.effective_at, g.expires_at,
                            c.amount, c.effective_at, c.expires_at) END
    FROM quota_internal.event e
        JOIN quota_internal.feature f ON f.id = e.feature_id,
        LATERAL (SELECT (e.data ->> 'grant_id')::bigint AS grant_id, (e.data ->> 'amount')::bigint AS amount, e.data ->> 'every' AS every,
                        (e.data ->> 'effective_at')::timestamptz AS effective_at,
                        coalesce((e.data ->> 'expires_at')::timestamptz, 'infinity') AS expires_at) c
        LEFT JOIN quota_internal.credit_grant g ON g.id = c.grant_id
        LEFT JOIN revoked v ON v.grant_id = g.id
    WHERE e.type = 'credited'
      AND CASE WHEN g.id IS NOT NULL
               THEN (g.subject, g.feature_id, g.amount + coalesce(v.amount, 0), g.effective_at, g.expires_at, g.period)
                    IS DISTINCT FROM (e.subject, e.feature_id, c.amount, c.effective_at, c.expires_at, c.every)
               -- those that are over go when the feature becomes another kind
               ELSE c.expires_at > quota_internal._now()
                    AND NOT EXISTS (SELECT FROM quota_internal.event r WHERE r.type = 'grant_revoked' AND (r.data ->> 'grant_id')::bigint = c.grant_id) END
$$;
COMMENT ON FUNCTION quota_internal._verify_grants() IS 'internal: what was taken of a grant is the sum of its ledger entries, and no more than it gives';

/*
 * Every account on the path is charged the same, and never gets back more.  One
 * pass over the ledger, for all that can be said of an operation; of most, which have
 * a single entry, that entry says it.
 */
CREATE OR REPLACE FUNCTION quota_internal._verify_debits(OUT check_name text, OUT subject text, OUT feature_id int, OUT detail text)
    RETURNS SETOF record
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    WITH entry AS (
        SELECT e.debit_id, e.id, e.account, e.subject, e.feature_id, e.levels, e.kind, e.amount, e.epoch,
               count(*) OVER (PARTITION BY e.debit_id) AS entries,
               e.amount < 0 AND e.kind IN ('d', 'h', 'm') OR e.amount > 0 AND e.kind IN ('r', 'b', 'l', 'x')
               OR (e.source = 'g') < (e.grant_id IS NOT NULL) OR (e.source = 'g') > (e.grant_id IS NOT NULL OR e.kind = 't')
               OR e.period_start >= e.period_end OR e.levels NOT BETWEEN 1 AND 255
               OR NOT (e.subject = e.account OR starts_with(e.subject, e.account || '/')) AS malformed
        FROM quota_internal.ledger_entry e
    ), level AS MATERIALIZED (
        SELECT e.debit_id, e.account,
               min(e.feature_id) AS feature_id, max(e.feature_id) AS last_feature,
               min(e.levels) AS levels, max(e.levels) AS last_levels,
               min(e.subject) AS subject, max(e.subject) AS last_subject,
               sum(e.amount) FILTER (WHERE e.kind = 'd') AS charged,
               sum(e.amount) FILTER (WHERE e.kind NOT IN ('m', 't')) AS left_of_it,
               sum(e.amount) FILTER (WHERE e.kind = 't') AS moved,
               bool_or(e.kind IN ('d', 'h')) AS begins,
               bool_or(e.kind IN ('r', 's', 'l', 'x', 'm')) AS goes_on,
               count(*) FILTER (WHERE e.id = e.debit_id) AS firsts,
               min(e.id) AS id, min(e.epoch) AS epoch, bool_or(e.malformed) AS malformed
        FROM entry e
        WHERE e.entries > 1 OR e.kind NOT IN ('d', 'h', 'b', 'c') OR e.malformed
        GROUP BY 1, 2
    ), operation AS (
        SELECT l.debit_id, max(l.account) AS account, max(l.feature_id) AS feature_id,
               min(l.charged) AS charged, max(l.charged) AS most_charged,
               sum(l.moved) AS moved, sum(l.firsts) AS firsts, bool_or(l.begins) AS begins, bool_or(l.goes_on) AS goes_on, min(l.id) AS id, min(l.epoch) AS epoch,
               (min(l.feature_id), min(l.levels)) <> (max(l.last_feature), max(l.last_levels))
               -- forget() cuts it to different levels
               OR NOT quota_internal._is_below(max(l.last_subject), min(l.subject)) AS mixed
        FROM level l
        GROUP BY l.debit_id
    )
    -- of what began in a month that has been dropped, and of give-backs, nothing can be said
    SELECT 'debit', l.account, l.feature_id,
           format('of debit %s more was given back than taken, by %s', l.debit_id, - l.left_of_it)
    FROM level l
    WHERE l.begins AND l.left_of_it < 0
    UNION ALL
    SELECT 'debit', l.account, l.feature_id, format('operation %s has an entry that no operation writes', l.debit_id)
    FROM level l WHERE l.malformed
    UNION ALL
    SELECT 'debit', o.account, o.feature_id,
           format('debit %s took between %s and %s from the accounts on its path', o.debit_id, o.charged, o.most_charged)
    FROM operation o WHERE o.charged <> o.most_charged
    UNION ALL
    SELECT 'debit', o.account, o.feature_id, format('transfer %s took %s elsewhere than it brought', o.debit_id, - o.moved)
    FROM operation o WHERE o.moved <> 0
    UNION ALL
    SELECT 'debit', o.account, o.feature_id, format('the entries of operation %s are of different ones', o.debit_id)
    FROM operation o WHERE o.mixed
    UNION ALL
    SELECT 'debit', o.account, o.feature_id, format('id %s was used %s times', o.debit_id, o.firsts)
    FROM operation o WHERE o.firsts > 1
    UNION ALL
    SELECT 'debit', o.account, o.feature_id, format('what came back or was settled of debit %s names no debit', o.debit_id)
    FROM operation o
    WHERE o.goes_on AND NOT o.begins AND o.epoch >= 0    -- else it began in another database
      -- what began in a month that has been dropped
      AND o.debit_id > coalesce((SELECT min(e.id) FROM quota_internal.ledger_entry e, quota_internal.posting p
                                 WHERE e.at >= p.dropped_before + interval '1 day'), 0)
$$;
COMMENT ON FUNCTION quota_internal._verify_debits() IS 'internal: a debit took the same from each account on its path, gave back no more, and its id and what comes back of it are its own';

/*
 * That what was there when a window was marked has gone, _verify_buckets() says: a
 * window's entries add up to what its row without a mark counts, to 0 where it has none.
 */
CREATE OR REPLACE FUNCTION quota_internal._verify_marks(OUT check_name text, OUT subject text, OUT feature_id int, OUT detail text)
    RETURNS SETOF record
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    WITH marked AS (
        SELECT b.*, lead(b.moved_id) OVER w AS next_id
        FROM quota_internal.bucket b WHERE b.moved_id IS NOT NULL
        WINDOW w AS (PARTITION BY b.subject, b.feature_id, b.source_id, b.period_start, b.period_end ORDER BY b.generation)
    )
    SELECT 'mark', m.subject, m.feature_id,
           format('the window from %s to %s says that its use went to that from %s to %s, %s', m.period_start, m.period_end,
                  m.moved_start, m.moved_end, p.problem)
    FROM marked m,
        LATERAL (SELECT 'which is not there' AS problem
                 WHERE m.moved_end > coalesce((SELECT p.dropped_before FROM quota_internal.posting p), '-infinity')
                   AND NOT EXISTS (SELECT FROM quota_internal.bucket b WHERE b.subject = m.subject AND b.feature_id = m.feature_id
                                   AND b.source_id = m.source_id AND b.period_start = m.moved_start AND b.period_end = m.moved_end)
                 UNION ALL
                 SELECT 'but it still counts'
                 WHERE m.used > 0 OR m.overdrawn > 0 OR m.rolled_in > 0
                    OR num_nonnulls(m.granted, m.overage, m.reserved, m.rolled_out, m.prorated) > 0
                 UNION ALL
                 SELECT 'but not before another one'
                 WHERE m.next_id <= m.moved_id OR m.moved_id > (SELECT s.last_value FROM quota_internal.ledger_id_seq s)) p
    UNION ALL
    SELECT 'mark', b.subject, b.feature_id, format('the window from %s to %s has a mark younger than its use', b.period_start, b.period_end)
    FROM quota_internal.window_use u
        JOIN marked b ON b.subject = u.subject AND b.feature_id = u.feature_id AND b.source_id = u.source_id
            AND b.period_start = u.period_start AND b.period_end = u.period_end AND b.generation > u.generation
$$;
COMMENT ON FUNCTION quota_internal._verify_marks() IS 'internal: a window whose use went to another counts no more, and says where it is; all but the newest generation are such';
