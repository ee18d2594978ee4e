/*
 * Reports over the ledger, in SQL.  Every parameter is qualified with its
 * function's name: unqualified, the column of the same name would win.
 */

/*
 * No SET clause, so that the planner can inline it; a parsed body needs no
 * search_path.
 */
CREATE OR REPLACE FUNCTION quota._entries(subject text, feature_id int4)
    RETURNS SETOF quota.ledger_entry
    LANGUAGE sql STABLE PARALLEL SAFE ROWS 1000
BEGIN ATOMIC
    SELECT e.*
    FROM quota.ledger_entry e
    WHERE (e.subject = _entries.subject
           OR (e.subject > _entries.subject || '/' AND e.subject < _entries.subject || '0'))
      AND e.feature_id = _entries.feature_id
      AND quota._is_reported(e.account, e.levels, quota._level(_entries.subject));
END;
COMMENT ON FUNCTION quota._entries(text, int4) IS
    'internal: the ledger entries of everything charged for the subject or below, each operation once';

CREATE OR REPLACE FUNCTION quota.statement(subject text, feature text,
        since timestamptz = NULL, until timestamptz = NULL, max_rows int = 100,
        OUT id bigint, OUT at timestamptz, OUT subject text, OUT kind text, OUT amount bigint,
        OUT source text, OUT running bigint, OUT metadata jsonb)
    RETURNS SETOF record
    LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER ROWS 100
    SET search_path = pg_catalog, pg_temp
AS $$
    WITH wanted AS MATERIALIZED (
        SELECT quota._subject($1) AS subject, (quota._feature($2)).id AS feature_id,
               quota._positive($5, 'max_rows') AS max_rows
    ), picked AS MATERIALIZED (
        SELECT e.*
        FROM wanted w, quota._entries(w.subject, w.feature_id) e
        WHERE e.at >= coalesce($3, '-infinity') AND e.at < coalesce($4, 'infinity')
        ORDER BY e.at DESC, e.id DESC
        LIMIT (SELECT w.max_rows FROM wanted w)
    ), windows AS MATERIALIZED (
        SELECT DISTINCT p.account, p.source_id, p.period_start, p.period_end FROM picked p
    ), opened AS (
        -- months that have been dropped; of an account above, nobody knows whose share it was
        SELECT n.account, n.source_id, n.period_start, n.period_end, sum(o.amount) AS amount
        FROM wanted w, windows n
            JOIN quota.opening o ON o.account = n.account AND o.source_id = n.source_id
                AND o.period_start = n.period_start AND o.period_end = n.period_end
        WHERE o.feature_id = w.feature_id AND length(n.account) >= length(w.subject)
        GROUP BY 1, 2, 3, 4
    ), summed AS (
        SELECT e.id, coalesce(o.amount, 0)
                   + sum(e.amount) OVER (PARTITION BY e.account, e.source_id, e.period_start, e.period_end ORDER BY e.at, e.id) AS running
        FROM wanted w, quota._entries(w.subject, w.feature_id) e
            JOIN windows n USING (account, source_id, period_start, period_end)
            LEFT JOIN opened o USING (account, source_id, period_start, period_end)
    )
    SELECT p.id, p.at, p.subject, quota._entry_kind(p.kind), p.amount, quota._entry_source(p.source),
           -- siblings can have used more together than a bigint holds
           least(greatest(s.running, -9223372036854775808), 9223372036854775807)::bigint, p.metadata
    FROM picked p JOIN summed s ON s.id = p.id
    ORDER BY p.at, p.id
$$;
COMMENT ON FUNCTION quota.statement(text, text, timestamptz, timestamptz, int) IS
'What was charged for the subject or anything below it in [since, until), newest last, at most the newest max_rows entries.
amount > 0 was taken, < 0 given back; running is the sum since the start of the period of the subject''s account, else of the nearest above.
Errors: QT404 unknown feature, 22004, 22023, 22001 bad arguments.';
