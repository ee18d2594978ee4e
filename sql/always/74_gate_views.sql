/*
 * Gates, for administrators.
 */
CREATE OR REPLACE FUNCTION quota_internal._gate_drifts(gated oid, arguments text[]) RETURNS text
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'quota_sql_gate_drifts';
COMMENT ON FUNCTION quota_internal._gate_drifts(oid, text[]) IS
    'internal: why a gate''s expressions can say something else of a row that has not changed; NULL: they cannot';

CREATE OR REPLACE FUNCTION quota_internal._gate_drifts_if_whole(gated oid, arguments text[]) RETURNS text
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN quota_internal._gate_drifts(gated, arguments);
EXCEPTION WHEN OTHERS THEN
    RETURN NULL;        -- verify() says what is wrong with it
END
$$;
COMMENT ON FUNCTION quota_internal._gate_drifts_if_whole(oid, text[]) IS
    'internal: the same, NULL also where the expressions do not work';

/*
 * As a function, because its reader has no right to have anybody's expressions
 * analysed but those that are in a trigger.
 */
CREATE OR REPLACE FUNCTION quota_internal._gates_for_view(OUT target oid, OUT feature text, OUT subject text, OUT amount text, OUT refund text,
                                            OUT exceed text, OUT remember boolean, OUT enabled boolean, OUT drifts text)
    RETURNS SETOF record
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT g.target, g.feature, g.arguments[2], coalesce(g.arguments[3], '1'),
           coalesce(g.arguments[4], CASE f.kind WHEN 'capacity' THEN 'on_decrease' ELSE 'never' END),
           coalesce(g.arguments[5], 'refuse'), g.arguments[6] IS NOT NULL, g.enabled,
           CASE WHEN g.arguments[6] IS NULL THEN quota_internal._gate_drifts_if_whole(g.target, g.arguments) END
    FROM (SELECT t.target, t.feature, t.arguments, bool_and(t.enabled) AS enabled
          FROM quota_internal._gate_trigger() t GROUP BY 1, 2, 3) g
        LEFT JOIN quota_internal.feature f ON f.name = g.feature
$$;
COMMENT ON FUNCTION quota_internal._gates_for_view() IS 'internal: the view gates';

CREATE OR REPLACE VIEW quota.gates AS
    SELECT g.target::regclass AS target, g.feature, g.subject, g.amount, g.refund, g.exceed, g.remember, g.enabled, g.drifts
    FROM quota_internal._gates_for_view() g;
COMMENT ON VIEW quota.gates IS 'the tables that charge by themselves, partitions and their parents each';
COMMENT ON COLUMN quota.gates.target IS 'the table';
COMMENT ON COLUMN quota.gates.feature IS 'what its rows are charged to';
COMMENT ON COLUMN quota.gates.subject IS 'the expression over r that says who pays';
COMMENT ON COLUMN quota.gates.amount IS 'the expression over r that says how much';
COMMENT ON COLUMN quota.gates.refund IS 'on_decrease: what rows no longer have is given back; never: growth alone is charged';
COMMENT ON COLUMN quota.gates.exceed IS 'refuse, or overdraw: never refused';
COMMENT ON COLUMN quota.gates.remember IS 'what each row was charged is kept, and given back as it was';
COMMENT ON COLUMN quota.gates.enabled IS 'false while one of its triggers is disabled';
COMMENT ON COLUMN quota.gates.drifts IS 'why what a row gives back need not be what it was charged: the clock, another table, the session; NULL: it is, or is remembered';

CREATE OR REPLACE VIEW quota.gate_charge AS
    SELECT c.target, f.name AS feature, c.key, c.subject, c.amount
    FROM quota_internal.gate_charge c JOIN quota_internal.feature f ON f.id = c.feature_id;
COMMENT ON VIEW quota.gate_charge IS 'what each row of a gate that remembers was charged, and to whom';
COMMENT ON COLUMN quota.gate_charge.target IS 'the table; of an inheritance tree the topmost whose gate remembers';
COMMENT ON COLUMN quota.gate_charge.feature IS 'what the row was charged to';
COMMENT ON COLUMN quota.gate_charge.key IS 'its primary key as text; of several columns a JSON array, beyond 1000 bytes its SHA-256';
COMMENT ON COLUMN quota.gate_charge.subject IS 'who was charged';
COMMENT ON COLUMN quota.gate_charge.amount IS 'what it gives back; with refund never the most that it was ever worth';
