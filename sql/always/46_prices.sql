/*
 * What is for sale: what an action would take, and the plans.
 */
CREATE OR REPLACE FUNCTION quota.quote(action text, units jsonb, OUT feature text, OUT amount bigint)
    RETURNS SETOF record
    LANGUAGE c STABLE PARALLEL SAFE COST 50 ROWS 3
    AS 'MODULE_PATHNAME', 'quota_sql_quote';
COMMENT ON FUNCTION quota.quote(text, jsonb) IS
'What quota.charge_units() would take for an action, ceil(base + sum of per_unit x units) of each feature, in order of feature, rows of 0 too; for an action of one price, what quota.charge() would take, units being a number. Charges nothing, and looks neither at a subject nor at what the action requires.
Errors: QT404 unknown action, 22023 units that are negative or that the action does not price, 22004, 22003 as quota.charge_units().';

CREATE OR REPLACE FUNCTION quota.plans(OUT plan text, OUT title text, OUT is_default boolean, OUT entitlements jsonb, OUT metadata jsonb)
    RETURNS SETOF record
    LANGUAGE quota_sql STABLE PARALLEL SAFE SECURITY DEFINER ROWS 5
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT p.name, p.title, p.is_default, quota_internal._export_plan(p) -> 'entitlements', p.metadata
    FROM quota_internal.plan p
    WHERE p.retired_at IS NULL AND p.listed
    ORDER BY p.is_default DESC, p.name
$$;
COMMENT ON FUNCTION quota.plans() IS
    'the plans in force in their newest versions, for a pricing page: the default plan first, then by name; entitlements as quota.export_catalog() has them. Without plans whose "listed" is false';
