/*
 * By account, not by window: a hold whose window was taken over counts in the new
 * one, while its entries name the old one.
 */
CREATE OR REPLACE FUNCTION quota_internal._verify_holds(OUT check_name text, OUT subject text, OUT feature_id int, OUT detail text)
    RETURNS SETOF record
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    WITH part AS (
        SELECT p.account, p.feature_id, p.hold_id, p.expires_at,
               coalesce((SELECT sum(e.amount) FROM quota_internal.ledger_entry e
                         -- what was missing in a bucket came back all the same
                         WHERE e.debit_id = p.hold_id AND e.account = p.account AND e.kind <> 'm'), 0) AS stands_at
        FROM quota_internal.hold_part p
    ), reserved AS (
        SELECT l.hold_id, max(l.subject) AS subject, min(l.feature_id) AS feature_id, min(l.created_at) AS created_at,
               min(l.amount) AS least, max(l.amount) AS most, sum(l.amount) AS all_levels
        FROM (SELECT h.id AS hold_id, e.account, max(e.subject) AS subject, min(e.feature_id) AS feature_id,
                     sum(e.amount) AS amount, min(e.at) FILTER (WHERE e.id = h.id) AS created_at
              FROM quota_internal.hold h JOIN quota_internal.ledger_entry e ON e.debit_id = h.id
              WHERE e.kind IN ('h', 'l')
              GROUP BY 1, 2) l
        GROUP BY 1
    ), booked AS (
        SELECT p.account, p.feature_id, sum(p.stands_at) AS amount FROM part p GROUP BY 1, 2
    ), counted AS (
        SELECT b.subject AS account, b.feature_id, sum(b.reserved) AS amount
        FROM quota_internal.window_use b WHERE b.reserved IS NOT NULL GROUP BY 1, 2
    )
    SELECT 'reserved', account, feature_id,
           format('the buckets say %s reserved, the ledger entries of its holds add up to %s', coalesce(c.amount, 0), coalesce(l.amount, 0))
    FROM counted c FULL JOIN booked l USING (account, feature_id)
    WHERE coalesce(c.amount, 0) <> coalesce(l.amount, 0)
    UNION ALL
    SELECT 'hold', p.account, p.feature_id, format('hold %s is closed, or was never made, but counts here', p.hold_id)
    FROM part p
    WHERE NOT EXISTS (SELECT FROM quota_internal.hold h WHERE h.id = p.hold_id)
    UNION ALL
    SELECT 'hold', p.account, p.feature_id,
           format('hold %s expires at %s, but counts here until %s', h.id, h.expires_at, p.expires_at)
    FROM part p JOIN quota_internal.hold h ON h.id = p.hold_id
    WHERE h.expires_at <> p.expires_at
    UNION ALL
    -- a level that joined or left while the hold grew has only a part of it
    SELECT 'hold', h.subject, h.feature_id,
           CASE WHEN r.least = r.most THEN format('hold %s has reserved %s, its ledger entries add up to %s', h.id, h.reserved, r.most)
                ELSE format('hold %s has reserved %s, its ledger entries add up to %s to %s', h.id, h.reserved, r.least, r.most) END
    FROM quota_internal.hold h JOIN reserved r ON r.hold_id = h.id
    WHERE h.reserved < r.most OR h.reserved > r.all_levels OR (r.least = r.most AND h.reserved <> r.most)
    UNION ALL
    SELECT 'hold', h.subject, h.feature_id, format('hold %s is not that of its ledger entries, which are of "%s"', h.id, r.subject)
    FROM quota_internal.hold h JOIN reserved r ON r.hold_id = h.id
    WHERE (h.subject, h.feature_id) <> (r.subject, r.feature_id) OR h.created_at <> r.created_at
    UNION ALL
    SELECT 'hold', h.subject, h.feature_id, format('hold %s has no ledger entries', h.id)
    FROM quota_internal.hold h
    WHERE NOT EXISTS (SELECT FROM reserved r WHERE r.hold_id = h.id)
      AND h.created_at >= coalesce((SELECT p.dropped_before FROM quota_internal.posting p), '-infinity')
    UNION ALL
    SELECT 'hold', h.subject, h.feature_id, format('hold %s is open, but counts nowhere', h.id)
    FROM quota_internal.hold h
    -- by the time of day: the session that gave it back need not have waited for our transaction
    WHERE NOT h.expiry_seen AND h.expires_at > quota_internal._clock_now()
      AND NOT EXISTS (SELECT FROM quota_internal.hold_part p WHERE p.hold_id = h.id)
    UNION ALL
    SELECT 'hold', l.account, h.feature_id, format('hold %s is open, but does not count here', h.id)
    FROM quota_internal.hold h
        CROSS JOIN LATERAL (SELECT e.account FROM quota_internal.ledger_entry e
                            WHERE e.debit_id = h.id AND e.kind <> 'm' GROUP BY 1 HAVING sum(e.amount) > 0) l
    WHERE NOT h.expiry_seen AND h.expires_at > quota_internal._clock_now()
      AND EXISTS (SELECT FROM quota_internal.hold_part p WHERE p.hold_id = h.id)
      AND NOT EXISTS (SELECT FROM quota_internal.hold_part p WHERE p.hold_id = h.id AND p.account = l.account)
$$;
COMMENT ON FUNCTION quota_internal._verify_holds() IS 'internal: what buckets have reserved is what holds that count have taken';

/*
 * A cap counts what was charged in its window and not given back.  It may have
 * begun in the middle of its window, so it may say less than that, unless the
 * account's terms are known to be those since.  Which charges a window that opens
 * with the first use has counted is not known where the clock has gone back.
 * Windows that have closed decide nothing.
 */
CREATE OR REPLACE FUNCTION quota_internal._verify_caps(OUT check_name text, OUT subject text, OUT feature_id int, OUT detail text)
    RETURNS SETOF record
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    WITH changed AS (
        SELECT e.subject, max(e.at) AS at, max(e.xid) AS xid FROM quota_internal.event e
        WHERE e.type ~ '^(plan_|sub|status_|cancel|override_|caps_)' GROUP BY 1
    ), capped AS (
        -- caps that are known to have been there since the last change; of the default plan nobody knows since when it is
        SELECT o.subject, o.feature_id, NULL::bigint AS source_id, o.caps, greatest(o.set_at, o.at) AS at, o.xid
        FROM (SELECT o.subject, o.feature_id, (o.terms).caps, o.set_at, max(c.at) AS at, max(c.xid) AS xid
              FROM quota_internal.subject_override o,
                  LATERAL (SELECT array_to_string((string_to_array(o.subject, '/'))[:n], '/') COLLATE "C" AS prefix
                           FROM generate_series(1, quota_internal._level(o.subject) + 1) n) l
                  LEFT JOIN changed c ON c.subject = l.prefix
              WHERE (o.terms).caps <> '{}' GROUP BY o.subject, o.feature_id) o
        UNION ALL
        SELECT s.subject, t.feature_id, s.source_id, (t.terms).caps, greatest(v.created_at, s.starts_at, c.at), c.xid
        FROM quota_internal.subscription s JOIN quota_internal.entitlement t ON t.plan_version_id = s.plan_version_id JOIN quota_internal.plan_version v ON v.id = t.plan_version_id
            LEFT JOIN changed c ON c.subject = s.subject
        WHERE (t.terms).caps <> '{}' AND s.starts_at <= quota_internal._now() AND coalesce(s.ends_at > quota_internal._now(), true) AND coalesce(s.next_at > quota_internal._now(), true)
          AND NOT EXISTS (SELECT FROM quota_internal.subject_override o WHERE o.subject = s.subject AND o.feature_id = t.feature_id)
    ), term AS (
        -- a charge made meanwhile may not have seen the change: so some time later, and a later transaction of this cluster
        SELECT c.subject, c.feature_id, c.source_id, p.*, c.at + interval '10 minutes' AS since, coalesce(c.xid, '0') AS after,
               (SELECT p.epoch + (p.system_identifier <> (SELECT s.system_identifier FROM pg_control_system() s))::int FROM quota_internal.posting p) AS epoch
        FROM capped c, unnest(c.caps) p
    ), newest AS (
        SELECT t.subject, t.feature_id, e.source_id, t.period_months, t.period_days, t.period_us, t.first_use, max(e.at) AS at
        FROM term t
            JOIN quota_internal.ledger_entry e ON e.account = t.subject AND e.feature_id = t.feature_id AND coalesce(e.source_id = t.source_id, true)
        -- what was recorded late may lie in a window that was over
        WHERE e.kind IN ('d', 'h') AND e.occurred_at IS NULL AND NOT EXISTS (SELECT FROM quota_internal.credit_grant g WHERE g.id = e.grant_id AND g.beyond_caps) AND e.at >= t.since AND e.xid > t.after AND e.epoch = t.epoch AND e.at >= quota_internal._kept_since()
          AND e.at >= (SELECT min(f.since) FROM term f)     -- most months are older
        GROUP BY 1, 2, 3, 4, 5, 6, 7
    ), early AS (
        -- a time before the anchor counts as the anchor
        SELECT e.account, e.feature_id, min(e.at) AS at FROM quota_internal.ledger_entry e WHERE e.at < e.period_start GROUP BY 1, 2
    ), counted AS (
        SELECT c.subject, c.feature_id, c.opened_at, c.closes_at, c.used, l.charged AS most, l.known - l.came_back AS least
        FROM quota_internal.cap_use c
            LEFT JOIN term t ON t.subject = c.subject AND t.feature_id = c.feature_id AND coalesce(t.source_id = c.source_id, true)
                AND (t.period_months, t.period_days, t.period_us) = (c.period_months, c.period_days, c.period_us)
                AND t.first_use = (c.window_start = '-infinity')
            LEFT JOIN early y ON y.account = c.subject AND y.feature_id = c.feature_id,
            LATERAL (SELECT coalesce(sum(o.charged), 0) AS charged, coalesce(sum(o.known), 0) AS known,
                            coalesce(sum(o.came_back) FILTER (WHERE o.charged IS NOT NULL), 0) AS came_back
                     FROM (SELECT sum(e.amount) FILTER (WHERE e.amount > 0 AND i.lies_in) AS charged,
                                  -- what is older than its window was charged when its own had closed, and counts in a cap of its own time
                                  sum(e.amount) FILTER (WHERE e.kind IN ('d', 'h') AND i.lies_in AND coalesce(e.occurred_at, e.at) >= c.opened_at AND e.source_id = c.source_id
                                                          AND NOT t.first_use AND e.at >= t.since AND e.xid > t.after AND e.epoch = t.epoch) AS known,
                                  - sum(e.amount) FILTER (WHERE e.amount < 0 AND e.kind IN ('r', 's', 'l', 'x')) AS came_back
                           FROM quota_internal.ledger_entry e,
                               LATERAL (SELECT greatest(e.at, e.period_start) >= c.opened_at AND e.at < c.closes_at AS lies_in) i
                           WHERE (e.subject = c.subject OR (e.subject > c.subject || '/' AND e.subject < c.subject || '0'))
                             AND e.feature_id = c.feature_id AND e.account = c.subject AND e.kind NOT IN ('t', 'm')
                             AND NOT EXISTS (SELECT FROM quota_internal.credit_grant g WHERE g.id = e.grant_id AND g.beyond_caps)
                             -- a refund's transaction can be older than the debit's
                             AND (e.at >= least(c.opened_at, y.at) OR e.amount < 0)
                           GROUP BY e.debit_id) o) l
        -- what has closed counts no more; months that have been dropped are not in the ledger any more
        WHERE c.closes_at > quota_internal._now() AND c.opened_at >= coalesce((SELECT p.dropped_before FROM quota_internal.posting p), '-infinity')
    )
    SELECT 'cap', c.subject, c.feature_id,
           format('a cap says %s used from %s to %s, charged were %s', c.used, c.opened_at, c.closes_at, c.most)
    FROM counted c WHERE c.used > c.most
    UNION ALL
    SELECT 'cap', c.subject, c.feature_id,
           format('a cap says %s used from %s to %s, charged were at least %s', c.used, c.opened_at, c.closes_at, c.least)
    FROM counted c WHERE c.used < c.least
    UNION ALL
    SELECT 'cap', n.subject, n.feature_id, format('a cap has not counted what was charged at %s', n.at)
    FROM newest n
    WHERE NOT EXISTS (SELECT FROM quota_internal.cap_use c
                      WHERE c.subject = n.subject AND c.feature_id = n.feature_id AND c.source_id = n.source_id
                        AND (n.period_months, n.period_days, n.period_us) = (c.period_months, c.period_days, c.period_us)
                        AND n.first_use = (c.window_start = '-infinity')
                        AND (n.first_use OR (n.at >= c.opened_at AND n.at < c.closes_at)))
$$;
COMMENT ON FUNCTION quota_internal._verify_caps() IS 'internal: a cap has counted no more than was charged in its window, and no less where it is known to have been there';

/*
 * That the counts of a row with a lease are right, _verify_buckets() says by true use.
 */
CREATE OR REPLACE FUNCTION quota_internal._verify_leases(OUT check_name text, OUT subject text, OUT feature_id int, OUT detail text)
    RETURNS SETOF record
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    WITH open AS (
        SELECT b.subject, b.feature_id, b.source_id, b.period_start, b.period_end, b.lease_id, b.lease_since, coalesce(b.leases_overage, false) AS of_overage
        FROM quota_internal.bucket b WHERE b.lease_id IS NOT NULL
    ), entry AS (
        SELECT o.subject, o.feature_id, o.lease_id, e.id, e.amount,
               (e.account, e.feature_id, e.source_id, e.period_start, e.period_end)
               = (o.subject, o.feature_id, o.source_id, o.period_start, o.period_end)
               AND CASE WHEN o.of_overage THEN e.source = 'v' ELSE e.source IN ('a', 'c', 'C') END AND e.id > o.lease_since AS belongs
        FROM open o JOIN quota_internal.ledger_entry e ON e.lease_id = o.lease_id
    )
    SELECT 'lease', e.subject, e.feature_id, format('entry %s was not taken from what lease %s is of', e.id, e.lease_id)
    FROM entry e WHERE NOT e.belongs
    UNION ALL
    SELECT 'lease', min(e.subject), min(e.feature_id), format('more has come back to lease %s than was taken from it: %s', e.lease_id, -sum(e.amount))
    FROM entry e GROUP BY e.lease_id HAVING sum(e.amount) < 0
    UNION ALL
    SELECT 'lease', o.subject, o.feature_id, format('lease %s is that of %s windows', o.lease_id, count(*) OVER (PARTITION BY o.lease_id))
    FROM open o WHERE o.lease_id IN (SELECT p.lease_id FROM open p GROUP BY 1 HAVING count(*) > 1)
$$;
COMMENT ON FUNCTION quota_internal._verify_leases() IS 'internal: what was taken from an open lease is of its window, and no less than has come back';
