/*
 * Reports over the ledger, in SQL.  Every parameter is qualified with its
 * function's name: unqualified, the column of the same name would win.
 */

/*
 * The ledger's index is by exact subject and time, so what is below a subject comes
 * in no order of time: the newest are looked for in the last day, then in the last
 * month, and only then in all that is kept.  EXECUTE plans for the very times, and
 * so looks at no other month.
 */
CREATE OR REPLACE FUNCTION quota_internal._newest_entries(subject text, feature_id int, since timestamptz, until timestamptz, max_rows int,
        OUT first_at timestamptz, OUT first_period timestamptz)
    RETURNS record
    LANGUAGE plpgsql STABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    past timestamptz := least(_newest_entries.until, quota_internal._now());
    tried timestamptz;
    found bigint;
BEGIN
    FOREACH tried IN ARRAY ARRAY[past - interval '1 day', past - interval '32 days', '-infinity'] LOOP
        tried := greatest(tried, _newest_entries.since);
        EXECUTE $query$
            SELECT count(*), min(n.at), min(n.period_start)
            FROM (SELECT e.at, e.period_start
                  FROM quota_internal.ledger_entry e
                  WHERE (e.subject = $1 OR (e.subject > $1 || '/' AND e.subject < $1 || '0')) AND e.feature_id = $2
                    AND e.at >= $3 AND e.at < $4 AND quota_internal._is_reported(e.account, e.levels, quota_internal._level($1))
                  ORDER BY e.at DESC, e.id DESC
                  LIMIT $5) n
            $query$ INTO found, first_at, first_period
            USING _newest_entries.subject, _newest_entries.feature_id, tried, _newest_entries.until, _newest_entries.max_rows;
        EXIT WHEN found = _newest_entries.max_rows OR tried = _newest_entries.since;
    END LOOP;
END
$$;
COMMENT ON FUNCTION quota_internal._newest_entries(text, int, timestamptz, timestamptz, int) IS
    'internal: of the newest ledger entries of a subject and below in [since, until), each operation once: when the first of them was made, and when the earliest of their windows began';

/*
 * Of each operation the entries of one account are shown.  running is what was
 * charged in the window before the first entry shown, and what is shown.  Entries
 * of a window are no older than its start, but for those of a transaction that is:
 * what it charges once the window has begun is booked there.  A day is taken for
 * the longest transaction.
 */
CREATE OR REPLACE FUNCTION quota_internal._statement(whose text, whose_feature int, since timestamptz, until timestamptz, max_rows int,
        OUT id bigint, OUT at timestamptz, OUT subject text, OUT kind text, OUT amount bigint,
        OUT source text, OUT running bigint, OUT metadata jsonb)
    RETURNS SETOF record
    LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 100
    SET search_path = pg_catalog, pg_temp
    SET plan_cache_mode = auto
AS $$
DECLARE
    newest record;
BEGIN
    SELECT * INTO newest FROM quota_internal._newest_entries(whose, whose_feature, since, until, max_rows);
    RETURN QUERY EXECUTE $query$
        WITH shown AS MATERIALIZED (
            SELECT e.*
            FROM quota_internal.ledger_entry e
            WHERE (e.subject = $1 OR (e.subject > $1 || '/' AND e.subject < $1 || '0')) AND e.feature_id = $2
              AND e.at >= $3 AND e.at < $4 AND quota_internal._is_reported(e.account, e.levels, quota_internal._level($1))
            ORDER BY e.at DESC, e.id DESC
            LIMIT $5
        ), before AS MATERIALIZED (
            -- what is newer than the oldest that is shown is shown
            SELECT e.account, e.source_id, e.period_start, e.period_end, sum(e.amount) AS amount
            FROM quota_internal.ledger_entry e
            WHERE (e.subject = $1 OR (e.subject > $1 || '/' AND e.subject < $1 || '0')) AND e.feature_id = $2
              AND e.at >= $6 AND e.at <= $3 AND (e.at < $3 OR e.id < (SELECT min(s.id) FROM shown s WHERE s.at = $3))
              AND quota_internal._is_reported(e.account, e.levels, quota_internal._level($1))
            GROUP BY 1, 2, 3, 4
        ), dropped AS MATERIALIZED (
            SELECT account, source_id, period_start, period_end, sum(o.amount) AS amount
            FROM (SELECT DISTINCT s.account, s.source_id, s.period_start, s.period_end FROM shown s) w
                JOIN quota_internal.opening o USING (account, source_id, period_start, period_end)
            -- of an account above, nobody knows whose share it was
            WHERE o.feature_id = $2 AND length(w.account) >= length($1)
            GROUP BY 1, 2, 3, 4
        )
        SELECT s.id, s.at, s.subject, quota_internal._entry_kind(s.kind), s.amount, quota_internal._entry_source(s.source),
               -- siblings can have used more together than a bigint holds
               least(greatest(coalesce(b.amount, 0) + coalesce(d.amount, 0)
                              + sum(s.amount) OVER (PARTITION BY account, source_id, period_start, period_end ORDER BY s.at, s.id),
                              -9223372036854775808), 9223372036854775807)::bigint, s.metadata
        FROM shown s
            LEFT JOIN before b USING (account, source_id, period_start, period_end)
            LEFT JOIN dropped d USING (account, source_id, period_start, period_end)
        ORDER BY s.at, s.id
        $query$
        USING whose, whose_feature, newest.first_at, until, max_rows, newest.first_period - interval '1 day';
END
$$;
COMMENT ON FUNCTION quota_internal._statement(text, int, timestamptz, timestamptz, int) IS
    'internal: statement(), its arguments checked';

CREATE OR REPLACE FUNCTION quota.statement(subject text, feature text,
        since timestamptz = NULL, until timestamptz = NULL, max_rows int = 100,
        OUT id bigint, OUT at timestamptz, OUT subject text, OUT kind text, OUT amount bigint,
        OUT source text, OUT running bigint, OUT metadata jsonb)
    RETURNS SETOF record
    LANGUAGE quota_sql STABLE PARALLEL SAFE SECURITY DEFINER ROWS 100
    SET search_path = pg_catalog, pg_temp
    SET plan_cache_mode = force_generic_plan    -- 18 plans for each value, which unpacks it
AS $$
    SELECT s.*
    FROM quota_internal._statement(quota_internal._subject($1), (quota_internal._feature($2)).id, coalesce($3, '-infinity'), coalesce($4, 'infinity'),
                                   quota_internal._positive($5, 'max_rows')::int) s
$$;
COMMENT ON FUNCTION quota.statement(text, text, timestamptz, timestamptz, int) IS
'What was charged for the subject or anything below it in [since, until), newest last, at most the newest max_rows entries.
amount > 0 was taken, < 0 given back; running is the sum since the start of the period of the subject''s account, else of the nearest above.
Errors: QT404 unknown feature, 22004, 22023, 22001 bad arguments.';
