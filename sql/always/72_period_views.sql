/*
 * What to invoice, and what is reserved.
 */

/*
 * What expired holds had taken is shown as given back, whether or not somebody
 * has done it.
 */
CREATE OR REPLACE VIEW quota.periods AS
SELECT b.subject, f.name AS feature, p.name AS plan, b.period_start, b.period_end,
       coalesce(b.prorated, b.allowance) + coalesce(b.rolled_in, 0) + n.granted AS allowance,
       n.used + coalesce(b.rolled_out, 0) + n.granted + n.overage + n.overdrawn AS used,
       n.overage, n.overdrawn,
       v.version, n.granted, coalesce(b.rolled_in, 0) AS rolled_in, coalesce(b.rolled_out, 0) AS rolled_out,
       greatest(coalesce(b.reserved, 0) - coalesce(x.amount, 0), 0) AS reserved,
       nullif(b.source_id, 0) AS source_id
FROM (SELECT coalesce(nullif(current_setting('quota.clock', true), '')::timestamptz, clock_timestamp()) AS at) c
    CROSS JOIN quota_internal.window_use b
    JOIN quota_internal.feature f ON f.id = b.feature_id AND f.kind = 'metered'
    LEFT JOIN quota_internal.plan_version v ON v.id = b.plan_version_id
    LEFT JOIN quota_internal.plan p ON p.id = v.plan_id
    CROSS JOIN LATERAL (
        -- CASE, as joining would add up for every window, also for the many without a hold
        SELECT CASE WHEN b.reserved IS NOT NULL
                         AND EXISTS (SELECT FROM quota_internal.hold_part t
                                     WHERE t.account = b.subject AND t.feature_id = b.feature_id AND t.expires_at <= c.at)
               THEN (SELECT ARRAY[sum(h.amount),
                                  sum(h.amount) FILTER (WHERE h.source = 'a'), sum(h.amount) FILTER (WHERE h.source = 'g'),
                                  sum(h.amount) FILTER (WHERE h.source = 'v'), sum(h.amount) FILTER (WHERE h.source = 'o')]::bigint[]
                     FROM quota_internal._held_use(b.subject, b.feature_id, b.source_id, b.period_start, b.period_end, c.at) h)
               END AS held
        OFFSET 0
    ) e
    CROSS JOIN LATERAL (
        SELECT e.held[1] AS amount, e.held[2] AS used, e.held[3] AS granted, e.held[4] AS overage, e.held[5] AS overdrawn
    ) x
    CROSS JOIN LATERAL (
        SELECT greatest(b.used - coalesce(x.used, 0), 0) AS used,
               greatest(coalesce(b.granted, 0) - coalesce(x.granted, 0), 0) AS granted,
               greatest(coalesce(b.overage, 0) - coalesce(x.overage, 0), 0) AS overage,
               greatest(b.overdrawn - coalesce(x.overdrawn, 0), 0) AS overdrawn
    ) n
WHERE n.used + n.granted + n.overage + n.overdrawn > 0
   OR b.rolled_in > 0 OR b.rolled_out > 0;

COMMENT ON VIEW quota.periods IS 'what to invoice: the use of every account in every period in which there was any; a period whose use another one took over, as after a change of plan, is shown once, as the new one';
COMMENT ON COLUMN quota.periods.subject IS 'the account: the prefix that the use is counted at';
COMMENT ON COLUMN quota.periods.feature IS 'what was used; metered features only';
COMMENT ON COLUMN quota.periods.plan IS 'the plan that the account depended on at its last charge, or got by a change of plan in which the period went on; NULL: none, as where only grants give the feature';
COMMENT ON COLUMN quota.periods.period_start IS 'when the period began; -infinity: a lifetime without subscription';
COMMENT ON COLUMN quota.periods.period_end IS 'when the period ends; infinity: a lifetime';
COMMENT ON COLUMN quota.periods.allowance IS 'that plan''s, what rolled over and what was taken from grants included; NULL: unlimited';
COMMENT ON COLUMN quota.periods.used IS 'everything: of the allowance, of grants, holds, overage, what is overdrawn, and what rolled over into the next period';
COMMENT ON COLUMN quota.periods.overage IS 'how much of it is overage, to be invoiced';
COMMENT ON COLUMN quota.periods.overdrawn IS 'how much of it went beyond all room';
COMMENT ON COLUMN quota.periods.version IS 'version of the plan';
COMMENT ON COLUMN quota.periods.granted IS 'how much of it was taken from grants';
COMMENT ON COLUMN quota.periods.rolled_in IS 'what rolled over from the period before; in allowance';
COMMENT ON COLUMN quota.periods.rolled_out IS 'what rolled over into the next period; in used, as nobody can spend it here any more';
COMMENT ON COLUMN quota.periods.reserved IS 'how much of it open holds have reserved';
COMMENT ON COLUMN quota.periods.source_id IS 'tells apart the periods of one account that begin alike, as after a new subscription; NULL: without subscription';

CREATE OR REPLACE VIEW quota.holds AS
SELECT h.id, h.subject, f.name AS feature, h.reserved, h.created_at, h.expires_at, h.metadata
FROM (SELECT coalesce(nullif(current_setting('quota.clock', true), '')::timestamptz, clock_timestamp()) AS at) c
    CROSS JOIN quota_internal.hold h
    LEFT JOIN quota_internal.feature f ON f.id = h.feature_id
WHERE NOT h.expiry_seen AND h.expires_at > c.at;

COMMENT ON VIEW quota.holds IS 'the holds that are open: neither settled nor released nor expired';
COMMENT ON COLUMN quota.holds.id IS 'what reserve() returned';
COMMENT ON COLUMN quota.holds.subject IS 'for whom it was reserved';
COMMENT ON COLUMN quota.holds.feature IS 'of what';
COMMENT ON COLUMN quota.holds.reserved IS 'how much; counts as used until the hold is closed or expires';
COMMENT ON COLUMN quota.holds.created_at IS 'when it was reserved';
COMMENT ON COLUMN quota.holds.expires_at IS 'when it stops to count, unless extend() comes before';
COMMENT ON COLUMN quota.holds.metadata IS 'what the caller noted; {}: nothing';
