/*
 * simulate(): what was charged in a time, beside what the present catalog and
 * another one allow.
 *
 * Compared are sums: for each account and window what was used at the end, and the
 * most that was used in between.  Nothing is decided entry by entry, so what one
 * refusal would have changed for the next is left out; so are rollover, caps and
 * rates.  The ledger is added up once; in order it is read only where something came
 * back, or another catalog has other windows.
 */

-- As apply_catalog() would have it: subscribers of a plan that the catalog lacks keep its terms.
CREATE OR REPLACE FUNCTION quota_internal._simulated_terms(catalog jsonb, OUT plan text, OUT is_default boolean, OUT feature_id int, OUT terms quota_internal.terms, OUT members quota_internal.terms)
    RETURNS SETOF record
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    plans jsonb := _simulated_terms.catalog -> 'plans';
    kinds jsonb := quota_internal._catalog_kinds(_simulated_terms.catalog -> 'features');
    marked text := (SELECT p.key FROM jsonb_each(plans) p WHERE p.value @> '{"default": true}');
    given record;
BEGIN
    FOR given IN
        SELECT p.name, p.is_default AS was_default, plans -> p.name AS value, quota_internal._newest_version(p.id) AS version_id FROM quota_internal.plan p
        UNION ALL
        SELECT e.key, false, e.value, NULL FROM jsonb_each(plans) e WHERE NOT EXISTS (SELECT FROM quota_internal.plan p WHERE p.name = e.key)
    LOOP
        is_default := coalesce(given.name = marked, given.was_default AND given.value IS DISTINCT FROM 'null'
                                                    AND NOT coalesce(given.value @> '{"default": false}', false));
        plan := given.name;
        IF given.value IS NULL OR given.value = 'null' THEN
            RETURN QUERY SELECT _simulated_terms.plan, _simulated_terms.is_default, e.feature_id, e.terms, e.members
                         FROM quota_internal.entitlement e WHERE e.plan_version_id = given.version_id;
        ELSE
            RETURN QUERY SELECT _simulated_terms.plan, _simulated_terms.is_default, t.feature_id, t.terms, t.members
                         FROM unnest(quota_internal._catalog_terms('plans', given.value -> 'entitlements', kinds)) t;
        END IF;
    END LOOP;
END
$$;
COMMENT ON FUNCTION quota_internal._simulated_terms(jsonb) IS
    'internal: what each plan would give under a catalog that apply_catalog() accepts';

-- Without SET, so that they are inlined.
CREATE OR REPLACE FUNCTION quota_internal._allowance_of(terms quota_internal.terms_fields, quantity bigint) RETURNS numeric
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN (terms).anchor IS NULL THEN 0
                ELSE coalesce((terms).allowance * CASE WHEN (terms).times_quantity THEN quantity ELSE 1 END::numeric, 'infinity') END;
COMMENT ON FUNCTION quota_internal._allowance_of(quota_internal.terms_fields, bigint) IS
    'internal: an allowance as a number: 0 where nothing is given, infinity without limit';

CREATE OR REPLACE FUNCTION quota_internal._overage_of(terms quota_internal.terms_fields, quantity bigint) RETURNS numeric
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN (terms).overage
                THEN coalesce((terms).overage_limit * CASE WHEN (terms).times_quantity THEN quantity ELSE 1 END::numeric, 'infinity')
                ELSE 0 END;
COMMENT ON FUNCTION quota_internal._overage_of(quota_internal.terms_fields, bigint) IS
    'internal: a limit of overage as a number: 0 where there is none, infinity without limit';

/*
 * The plan of an account is the one that it had last in that time: of its own prefix,
 * or for a first segment without one the default plan.  An override comes before it,
 * under either catalog.
 */
CREATE OR REPLACE FUNCTION quota_internal._simulated_limits(catalog jsonb, accounts text[], feature_ids int[], since timestamptz, until timestamptz)
    RETURNS TABLE (account text, feature_id int, allowance_now numeric, overage_now numeric, allowance_then numeric, overage_then numeric,
                   moves boolean, period text, anchor text, anchor_at timestamptz, starts_at timestamptz, timezone text)
    LANGUAGE sql STABLE ROWS 100000
    SET search_path = pg_catalog, pg_temp
    SET enable_nestloop = off       -- nobody knows how many accounts an array has
AS $$
    WITH asked AS MATERIALIZED (
        SELECT a.account COLLATE "C" AS account, a.feature_id, quota_internal._level(a.account) AS level,
               nullif(regexp_replace(a.account, '/[^/]*$', ''), a.account) COLLATE "C" AS team
        FROM unnest(_simulated_limits.accounts, _simulated_limits.feature_ids) a(account, feature_id)
    ), subscribed AS MATERIALIZED (
        SELECT DISTINCT ON (s.subject) s.subject, s.plan_version_id, p.name AS plan, s.anchor_at, s.timezone, s.quantity
        FROM quota_internal.subscription s
            JOIN quota_internal.plan_version v ON v.id = s.plan_version_id JOIN quota_internal.plan p ON p.id = v.plan_id
        WHERE s.starts_at < _simulated_limits.until
          AND (s.ends_at IS NULL OR (s.ends_at > s.starts_at AND s.ends_at > _simulated_limits.since))
        ORDER BY s.subject, s.starts_at DESC
    ), above AS MATERIALIZED (
        SELECT DISTINCT ON (a.account) a.account, s.anchor_at, s.timezone, s.quantity
        FROM (SELECT DISTINCT d.account, d.level FROM asked d WHERE d.level > 0) a CROSS JOIN generate_series(1, a.level) n
            JOIN subscribed s ON s.subject = array_to_string((string_to_array(a.account, '/'))[:n], '/')
        ORDER BY a.account, n DESC
    ), given AS MATERIALIZED (
        SELECT a.account, a.feature_id, s.plan, a.level = 0 AND s.subject IS NULL AS by_default,
               CASE WHEN a.level = 0 AND s.subject IS NULL THEN d.version_id ELSE s.plan_version_id END AS version_id,
               coalesce(s.anchor_at, u.anchor_at) AS starts_at, coalesce(s.timezone, u.timezone, 'UTC') AS timezone,
               coalesce(s.quantity, u.quantity, 1) AS quantity,
               a.team, t.plan AS team_plan, a.level = 1 AND s.subject IS NULL AND t.subject IS NULL AS team_by_default,
               CASE WHEN a.level = 1 AND s.subject IS NULL AND t.subject IS NULL THEN d.version_id ELSE t.plan_version_id END AS team_version_id
        FROM asked a CROSS JOIN (SELECT quota_internal._default_version() AS version_id) d
            LEFT JOIN subscribed s ON s.subject = a.account
            LEFT JOIN subscribed t ON t.subject = a.team
            LEFT JOIN above u ON u.account = a.account
    ), known AS MATERIALIZED (
        SELECT * FROM quota_internal._simulated_terms(_simulated_limits.catalog)
    ), limited AS MATERIALIZED (
        -- an override, the account's own plan, or what the override or plan above gives to members
        SELECT g.*, coalesce(p.feature_id, f.feature_id) IS NOT NULL AS above_now, coalesce(p.feature_id, m.feature_id) IS NOT NULL AS above_then,
               coalesce(o.terms, e.terms, CASE WHEN p.feature_id IS NULL THEN f.members ELSE p.members END) AS terms_now,
               coalesce(o.terms, k.terms, CASE WHEN p.feature_id IS NULL THEN m.members ELSE p.members END) AS terms_then
        FROM given g
            LEFT JOIN quota_internal.subject_override o ON o.subject = g.account AND o.feature_id = g.feature_id
            LEFT JOIN quota_internal.entitlement e ON e.feature_id = g.feature_id AND e.plan_version_id = g.version_id
            LEFT JOIN known k ON k.feature_id = g.feature_id
                AND k.plan = CASE WHEN g.by_default THEN (SELECT d.plan FROM known d WHERE d.is_default LIMIT 1) ELSE g.plan END
            LEFT JOIN quota_internal.subject_override p ON p.subject = g.team AND p.feature_id = g.feature_id
            LEFT JOIN quota_internal.entitlement f ON f.feature_id = g.feature_id AND f.plan_version_id = g.team_version_id
            LEFT JOIN known m ON m.feature_id = g.feature_id
                AND m.plan = CASE WHEN g.team_by_default THEN (SELECT d.plan FROM known d WHERE d.is_default LIMIT 1) ELSE g.team_plan END
    )
    SELECT l.account, l.feature_id,
           -- without a limit of its own, that of the team is all there is
           CASE WHEN (l.terms_now).anchor IS NULL AND l.above_now THEN 'infinity' ELSE quota_internal._allowance_of(l.terms_now, l.quantity) END,
           quota_internal._overage_of(l.terms_now, l.quantity),
           CASE WHEN (l.terms_then).anchor IS NULL AND l.above_then THEN 'infinity' ELSE quota_internal._allowance_of(l.terms_then, l.quantity) END,
           quota_internal._overage_of(l.terms_then, l.quantity),
           (l.terms_then).anchor IS NOT NULL AND NOT quota_internal._same_series(l.terms_now, l.terms_then),
           (l.terms_then).period, (l.terms_then).anchor, (l.terms_then).anchor_at, l.starts_at, l.timezone
    FROM limited l
$$;
COMMENT ON FUNCTION quota_internal._simulated_limits(jsonb, text[], int[], timestamptz, timestamptz) IS
    'internal: what limits each account now, and would under a catalog; whether its windows would be others, and then which';

CREATE OR REPLACE FUNCTION quota.simulate(catalog jsonb, since timestamptz, until timestamptz = NULL)
    RETURNS TABLE (subject text, feature text, used bigint, allowance_now bigint, allowance_then bigint,
                   blocked_now boolean, blocked_then boolean, overage_then bigint)
    LANGUAGE quota_plpgsql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    SET TimeZone = 'UTC'
    SET jit = off
    SET enable_nestloop = off
AS $$
DECLARE
    given CONSTANT jsonb := quota_internal._catalog_check_arguments(simulate.catalog, true);
    ends timestamptz := coalesce(simulate.until, quota_internal._now() + interval '1 microsecond');
BEGIN
    PERFORM quota_internal._require(simulate.since IS NOT NULL, 'since');
    IF ends <= simulate.since THEN
        RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'until is not after since';
    END IF;
    -- for its errors
    PERFORM count(*) FROM quota.apply_catalog(given, true);
    RETURN QUERY
    WITH sums AS MATERIALIZED (
        SELECT e.account, e.feature_id, e.period_start, sum(e.amount) AS used, bool_or(e.amount < 0) AS came_back
        FROM quota_internal.ledger_entry e JOIN quota_internal.feature f ON f.id = e.feature_id AND f.kind = 'metered'
        WHERE e.at >= simulate.since AND e.at < ends AND e.kind <> 't'
        GROUP BY 1, 2, 3
    ), limits AS MATERIALIZED (
        SELECT l.*
        FROM (SELECT array_agg(d.account) AS accounts, array_agg(d.feature_id) AS feature_ids
              FROM (SELECT DISTINCT s.account, s.feature_id FROM sums s) d) a,
            quota_internal._simulated_limits(given, a.accounts, a.feature_ids, simulate.since, ends) l
    ), ordered AS (
        -- where the most that was used is not what was used at the end
        SELECT r.account, r.feature_id, r.period_start, max(r.running) AS peak
        FROM (SELECT e.account, e.feature_id, e.period_start,
                     sum(e.amount) OVER (PARTITION BY e.account, e.feature_id, e.period_start ORDER BY e.at, e.id) AS running
              FROM sums s JOIN quota_internal.ledger_entry e USING (account, feature_id, period_start)
              WHERE s.came_back AND e.at >= simulate.since AND e.at < ends AND e.kind <> 't') r
        GROUP BY 1, 2, 3
    ), moved AS (
        SELECT r.account, r.feature_id, sum(r.amount) AS used, max(r.running) AS peak
        FROM (SELECT e.account, e.feature_id, e.window_start, e.amount,
                     sum(e.amount) OVER (PARTITION BY e.account, e.feature_id, e.window_start ORDER BY e.at, e.id) AS running
              FROM (SELECT e.account, e.feature_id, e.at, e.id, e.amount,
                           (quota_internal._window(l.period, l.anchor, l.anchor_at, l.starts_at, l.timezone, e.at)).window_start
                    FROM limits l JOIN quota_internal.ledger_entry e USING (account, feature_id)
                    WHERE l.moves AND e.at >= simulate.since AND e.at < ends AND e.kind <> 't') e) r
        GROUP BY r.account, r.feature_id, r.window_start
    ), windows AS (
        SELECT s.account, s.feature_id, t.is_then, s.used, greatest(coalesce(o.peak, s.used), 0) AS peak
        FROM sums s LEFT JOIN ordered o USING (account, feature_id, period_start)
            JOIN limits l USING (account, feature_id) CROSS JOIN (VALUES (false), (true)) t(is_then)
        WHERE NOT (t.is_then AND l.moves)
        UNION ALL
        SELECT m.account, m.feature_id, true, m.used, greatest(m.peak, 0) FROM moved m
    ), totals AS (
        SELECT w.account, w.feature_id, w.is_then, sum(w.used) AS used, sum(b.allowance) AS allowance,
               sum(greatest(w.peak - b.allowance, 0)) AS peak_beyond, sum(least(greatest(w.peak - b.allowance, 0), b.overage)) AS peak_sold,
               sum(greatest(w.used - b.allowance, 0)) AS beyond, sum(least(greatest(w.used - b.allowance, 0), b.overage)) AS sold
        FROM windows w JOIN limits l USING (account, feature_id),
            LATERAL (SELECT CASE WHEN w.is_then THEN l.allowance_then ELSE l.allowance_now END AS allowance,
                            CASE WHEN w.is_then THEN l.overage_then ELSE l.overage_now END AS overage) b
        GROUP BY 1, 2, 3
    ), grants AS (
        -- what grants could give in that time, of a recurring one a period's amount
        SELECT g.subject AS account, g.feature_id, sum(greatest(g.amount - coalesce(u.used - coalesce(t.taken, 0), 0), 0)) AS room
        FROM quota_internal.credit_grant g
            LEFT JOIN (SELECT e.grant_id, sum(e.amount) AS taken FROM quota_internal.ledger_entry e
                       WHERE e.grant_id IS NOT NULL AND e.at >= simulate.since AND e.at < ends AND e.kind <> 't' GROUP BY 1) t ON t.grant_id = g.id
            LEFT JOIN (SELECT u.grant_id, sum(u.used) AS used FROM quota_internal.grant_use u GROUP BY 1) u ON u.grant_id = g.id AND g.period IS NULL
        WHERE g.effective_at < ends AND g.expires_at > simulate.since AND (g.revoked_at IS NULL OR g.revoked_at > simulate.since)
        GROUP BY 1, 2
    )
    SELECT n.account, f.name, least(n.used, 9223372036854775807)::bigint,
           CASE WHEN n.allowance < 'infinity' THEN least(n.allowance, 9223372036854775807)::bigint END,
           CASE WHEN t.allowance < 'infinity' THEN least(t.allowance, 9223372036854775807)::bigint END,
           n.peak_beyond - coalesce(g.room, 0) > n.peak_sold, t.peak_beyond - coalesce(g.room, 0) > t.peak_sold,
           greatest(least(t.beyond - coalesce(g.room, 0), t.sold, 9223372036854775807), 0)::bigint
    FROM totals n JOIN totals t USING (account, feature_id)
        JOIN quota_internal.feature f ON f.id = n.feature_id
        LEFT JOIN grants g ON g.account = n.account AND g.feature_id = n.feature_id
    WHERE NOT n.is_then AND t.is_then
    ORDER BY 1, 2;
END
$$;
COMMENT ON FUNCTION quota.simulate(jsonb, timestamptz, timestamptz) IS
'What was charged in [since, until) (NULL: until now), under another catalog: one row for each account and metered feature that the ledger has entries of then.
used: taken less given back. allowance_now, allowance_then: of all windows with entries, under the present catalog and the given one; NULL: unlimited, also where only the level above gives the feature; 0: not given. blocked: at some moment more was used than allowance, grants and overage have room for. overage_then: what would be sold.
By the plan that the account had last in that time; overrides stay; grants as they are. Each window begins with what was charged since, so since should be the beginning of a period. Rollover, caps and rates are left out. Writes nothing.
Errors: those of apply_catalog(), 22004, 22023 until not after since.';
