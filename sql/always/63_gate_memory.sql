/*
 * What rows of gates that remember were charged.
 */
CREATE OR REPLACE FUNCTION quota_internal._gate_charges(gated oid, arguments text[], member oid, feature text,
                                                        OUT key text, OUT subject text, OUT amount bigint)
    RETURNS SETOF record
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE ROWS 10000 COST 100000
    AS 'MODULE_PATHNAME', 'quota_sql_gate_charges';
COMMENT ON FUNCTION quota_internal._gate_charges(oid, text[], oid, text) IS
    'internal: what each row of one table alone is worth, and to whom, by the expressions of a gate that remembers; subject NULL: nobody''s';

/*
 * What rows of gates that remember are worth now, beside what they were charged.
 * Rows that are nobody's, and those that are gone, are worth nothing.
 */
CREATE OR REPLACE FUNCTION quota_internal._gate_compare(feature text, OUT target oid, OUT key text, OUT gives_back boolean,
                                                        OUT old_subject text, OUT old_amount bigint, OUT subject text, OUT amount bigint)
    RETURNS SETOF record
    LANGUAGE sql VOLATILE ROWS 10000
    SET search_path = pg_catalog, pg_temp
AS $$
    WITH member AS MATERIALIZED (
        SELECT m.*, m.arguments[4] = 'on_decrease' OR f.kind = 'capacity' AS gives_back
        FROM quota_internal._gate_member(_gate_compare.feature) m JOIN quota_internal.feature f ON f.name = _gate_compare.feature
        WHERE m.remembered_by IS NOT NULL
    ), charge AS MATERIALIZED (
        SELECT m.remembered_by AS target, r.key, r.subject, r.amount
        FROM member m, quota_internal._gate_charges(m.gated, m.arguments, m.member, _gate_compare.feature) r WHERE r.subject IS NOT NULL
    ), remembered AS (
        SELECT c.target::oid AS target, c.key, c.subject, c.amount
        FROM quota_internal.gate_charge c JOIN quota_internal.feature f ON f.id = c.feature_id WHERE f.name = _gate_compare.feature
    )
    SELECT target, key, coalesce((SELECT bool_or(m.gives_back) FROM member m WHERE m.remembered_by = target), false),
           r.subject, r.amount, c.subject, c.amount
    FROM charge c FULL JOIN remembered r USING (target, key)
$$;
COMMENT ON FUNCTION quota_internal._gate_compare(text) IS
    'internal: row by row, what rows of gates that remember were charged, and what they are worth now, as the statement sees them';

/*
 * Remembers what rows are worth now.  In one statement, so that what it returns is
 * of the same look at the rows as what it writes.
 */
CREATE OR REPLACE FUNCTION quota_internal._gate_remember_anew(feature text, OUT target oid, OUT key text, OUT gives_back boolean,
                                                      OUT old_subject text, OUT old_amount bigint, OUT subject text, OUT amount bigint)
    RETURNS SETOF record
    LANGUAGE sql VOLATILE
    SET search_path = pg_catalog, pg_temp
AS $$
    WITH compared AS MATERIALIZED (
        SELECT c.*, f.id AS feature_id,
               -- without give-backs the most that a row was ever worth stays
               c.gives_back OR c.old_amount IS NULL OR c.amount > c.old_amount AS moves
        FROM quota_internal._gate_compare(_gate_remember_anew.feature) c, quota_internal.feature f WHERE f.name = _gate_remember_anew.feature
    ), gone AS (
        DELETE FROM quota_internal.gate_charge g USING compared c
        WHERE c.amount IS NULL AND g.target = c.target AND g.feature_id = c.feature_id AND g.key = c.key
    ), kept AS (
        INSERT INTO quota_internal.gate_charge AS g (target, feature_id, key, subject, amount)
        SELECT c.target, c.feature_id, c.key, c.subject, c.amount FROM compared c
        WHERE c.moves AND c.amount IS NOT NULL AND (c.old_subject, c.old_amount) IS DISTINCT FROM (c.subject, c.amount)
        ON CONFLICT ON CONSTRAINT gate_charge_pkey DO UPDATE SET subject = excluded.subject, amount = excluded.amount
    )
    SELECT c.target, c.key, c.gives_back, c.old_subject, c.old_amount, c.subject, c.amount FROM compared c
$$;
COMMENT ON FUNCTION quota_internal._gate_remember_anew(text) IS
    'internal: what _gate_compare() says, after which it is what is remembered';

/*
 * Of a metered feature.  What was charged to rows that are gone stays charged
 * unless their gate gives back, but then covers rows of which nothing is
 * remembered: they can be the same under another key.
 */
CREATE OR REPLACE FUNCTION quota_internal._gate_memory_difference(feature text, dry_run boolean,
                                                                  OUT subject text, OUT recorded bigint, OUT actual bigint)
    RETURNS SETOF record
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN QUERY EXECUTE format($query$
        WITH compared AS MATERIALIZED (
            SELECT * FROM quota_internal.%I($1)
        ), share AS (
            SELECT CASE WHEN c.gives_back OR c.subject IS NULL THEN c.old_subject ELSE c.subject END AS subject,
                   c.gives_back, c.old_amount AS recorded, 0 AS actual
            FROM compared c WHERE c.old_amount IS NOT NULL
            UNION ALL
            SELECT c.subject, c.gives_back, 0, CASE WHEN c.gives_back THEN c.amount ELSE greatest(c.amount, c.old_amount) END
            FROM compared c WHERE c.amount IS NOT NULL
        ), sums AS (
            SELECT s.subject, sum(s.recorded) AS recorded,
                   CASE WHEN s.gives_back THEN sum(s.actual) ELSE greatest(sum(s.actual), sum(s.recorded)) END AS actual
            FROM share s GROUP BY s.subject, s.gives_back
        )
        SELECT s.subject, sum(s.recorded)::bigint, sum(s.actual)::bigint
        FROM sums s GROUP BY 1 HAVING sum(s.recorded) <> sum(s.actual)$query$,
        CASE WHEN _gate_memory_difference.dry_run THEN '_gate_compare' ELSE '_gate_remember_anew' END)
    USING _gate_memory_difference.feature;
END
$$;
COMMENT ON FUNCTION quota_internal._gate_memory_difference(text, boolean) IS
    'internal: subjects whose rows were charged something else than they are worth now; unless dry_run, what they are worth is remembered';

CREATE OR REPLACE FUNCTION quota_internal._gate_uncharged(feature text, subjects text[], tables oid[]) RETURNS void
    LANGUAGE sql VOLATILE
    SET search_path = pg_catalog, pg_temp
AS $$
    UPDATE quota_internal.gate_charge c SET amount = 0
    FROM quota_internal.feature f
    WHERE f.name = _gate_uncharged.feature AND f.kind = 'metered' AND c.feature_id = f.id AND c.subject = ANY (_gate_uncharged.subjects) AND c.target = ANY (_gate_uncharged.tables)
      AND EXISTS (SELECT FROM quota_internal._gate_member(_gate_uncharged.feature) m
                  WHERE m.remembered_by = c.target AND m.arguments[4] = 'on_decrease')
$$;
COMMENT ON FUNCTION quota_internal._gate_uncharged(text, text[], oid[]) IS
    'internal: rows of subjects that were charged nothing, since they have nothing of the feature, give nothing back';

CREATE OR REPLACE FUNCTION quota_internal._gate_forget(OUT forgotten bigint) RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    DELETE FROM quota_internal.gate_charge c
    WHERE NOT EXISTS (SELECT FROM quota_internal._gate_trigger() t JOIN quota_internal.feature f ON f.name = t.feature
                      WHERE t.target = c.target AND f.id = c.feature_id AND t.arguments[6] IS NOT NULL);
    GET DIAGNOSTICS forgotten = ROW_COUNT;
END
$$;
COMMENT ON FUNCTION quota_internal._gate_forget() IS
    'internal: forgets the rows of tables that have been dropped, or whose gate was dropped by hand';

/*
 * Rows of a tree are remembered by the key of its topmost table.  When a table comes
 * into one or leaves it, what is remembered of its rows goes along.
 */
CREATE OR REPLACE FUNCTION quota_internal._gate_known_by(members oid[], feature text, was oid, becomes oid) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    LOCK TABLE quota_internal.bucket IN ROW EXCLUSIVE MODE;
    UPDATE quota_internal.gate_charge c SET target = becomes
    FROM quota_internal.feature f, unnest(members) m(member),
         quota_internal._gate_charges(m.member, ARRAY[_gate_known_by.feature, 'NULL', '0', 'on_decrease', 'refuse', 'remember'], m.member,
                                      _gate_known_by.feature) r
    WHERE f.name = _gate_known_by.feature AND c.feature_id = f.id AND c.target = was AND c.key = r.key;
END
$$;
COMMENT ON FUNCTION quota_internal._gate_known_by(oid[], text, oid, oid) IS
    'internal: what is remembered of the rows of these tables by one table''s key is remembered by another''s';

/*
 * What is counted by calls beside the gates is not remembered, so there may be more;
 * and less where give_back(), refund() or set_usage(), also below, have changed it,
 * which their entries say.
 */
CREATE OR REPLACE FUNCTION quota_internal._verify_gate_charges(OUT check_name text, OUT subject text, OUT feature_id int, OUT detail text)
    RETURNS SETOF record
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    WITH charge AS (
        SELECT c.* FROM quota_internal.gate_charge c JOIN quota_internal.feature f ON f.id = c.feature_id
        WHERE EXISTS (SELECT FROM quota_internal._gate_trigger() t
                      WHERE t.target = c.target AND t.feature = f.name AND t.arguments[6] IS NOT NULL
                        -- what is never given back is the most that was charged, maybe to several
                        AND coalesce(t.arguments[4], 'on_decrease') = 'on_decrease')
    )
    SELECT 'gate', c.subject, c.feature_id, format('rows of gates were charged %s, of which %s is counted', c.amount, coalesce(o.own, 0))
    FROM (SELECT c.feature_id, c.subject, sum(c.amount) AS amount FROM charge c GROUP BY 1, 2) c
        JOIN (SELECT f AS feature, f.id FROM quota_internal.feature f
              WHERE f.kind = 'capacity' AND EXISTS (SELECT FROM charge c WHERE c.feature_id = f.id)) f ON f.id = c.feature_id
        LEFT JOIN LATERAL (SELECT o.own FROM quota_internal._capacity_own(f.feature) o WHERE o.subject = c.subject COLLATE "C") o ON true
    WHERE c.amount > coalesce(o.own, 0)
      AND NOT EXISTS (SELECT FROM quota_internal.ledger_entry e
                      WHERE (e.subject = c.subject OR (e.subject > c.subject || '/' AND e.subject < c.subject || '0'))
                        AND e.feature_id = c.feature_id AND e.kind IN ('b', 'c', 'r')
                        AND NOT coalesce(e.metadata, '{}') ?| '{table,counted,recount}')
    UNION ALL
    SELECT 'gate', c.subject, c.feature_id, format('row %s of table %s is remembered with %s', c.key, c.target, c.amount)
    FROM charge c WHERE c.amount < 0
$$;
COMMENT ON FUNCTION quota_internal._verify_gate_charges() IS 'internal: what rows give back is counted';
