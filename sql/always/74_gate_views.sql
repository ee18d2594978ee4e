/*
 * Gates, for administrators.
 */
CREATE OR REPLACE VIEW quota.gates AS
    SELECT t.tgrelid::regclass AS target, a.arguments[1] AS feature, a.arguments[2] AS subject,
           coalesce(a.arguments[3], '1') AS amount,
           coalesce(a.arguments[4], CASE f.kind WHEN 'capacity' THEN 'on_decrease' ELSE 'never' END) AS refund,
           coalesce(a.arguments[5], 'refuse') AS exceed,
           bool_and(t.tgenabled IN ('O', 'A')) AS enabled
    FROM pg_catalog.pg_trigger t
         CROSS JOIN LATERAL (SELECT quota._gate_arguments(t.tgargs) AS arguments) a
         LEFT JOIN quota.feature f ON f.name = a.arguments[1]
    WHERE t.tgfoid = 'quota.gate()'::regprocedure
    GROUP BY 1, 2, 3, 4, 5, 6;
COMMENT ON VIEW quota.gates IS 'the tables that charge by themselves, partitions and their parents each';
COMMENT ON COLUMN quota.gates.target IS 'the table';
COMMENT ON COLUMN quota.gates.feature IS 'what its rows are charged to';
COMMENT ON COLUMN quota.gates.subject IS 'the expression over r that says who pays';
COMMENT ON COLUMN quota.gates.amount IS 'the expression over r that says how much';
COMMENT ON COLUMN quota.gates.refund IS 'on_decrease: what rows no longer have is given back; never: growth alone is charged';
COMMENT ON COLUMN quota.gates.exceed IS 'refuse, or overdraw: never refused';
COMMENT ON COLUMN quota.gates.enabled IS 'false while one of its triggers is disabled';
