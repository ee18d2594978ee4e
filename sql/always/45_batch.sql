/*
 * Several features in one call, all or nothing.
 */
CREATE OR REPLACE FUNCTION quota.debit_many(subject text, amounts jsonb, key text = NULL, metadata jsonb = NULL)
    RETURNS SETOF quota.debit_many_result
    LANGUAGE c VOLATILE PARALLEL UNSAFE COST 200 ROWS 3
    AS 'MODULE_PATHNAME', 'quota_sql_debit_many';
COMMENT ON FUNCTION quota.debit_many(text, jsonb, text, jsonb) IS
'Charges several features at once, such as {"llm_tokens": 1200, "documents": 1}: all of them or none. At most 100; rows in order of feature.
Raises for the first feature in that order that is refused. Each feature has a debit id of its own, which refund() takes.
Errors: as quota.debit(); 22023, 22004, 22003 for the amounts, with their name.';

CREATE OR REPLACE FUNCTION quota.charge(subject text, action text, units numeric = 1, key text = NULL, metadata jsonb = NULL)
    RETURNS SETOF quota.charge_result
    LANGUAGE c VOLATILE PARALLEL UNSAFE COST 200 ROWS 3
    AS 'MODULE_PATHNAME', 'quota_sql_charge';
COMMENT ON FUNCTION quota.charge(text, text, numeric, text, jsonb) IS
'Charges what an action of the price book comes to, ceil(base + per_unit x units) of each feature it charges, all or nothing; what comes to 0 charges nothing (id NULL).
Errors: QT404 unknown action, QT403 a required feature is not given, 22023 units that are negative or not finite, or an action priced by dimensions (charge_units), and as quota.debit().';

CREATE OR REPLACE FUNCTION quota.charge_units(subject text, action text, units jsonb, key text = NULL, metadata jsonb = NULL)
    RETURNS SETOF quota.charge_result
    LANGUAGE c VOLATILE PARALLEL UNSAFE COST 200 ROWS 3
    AS 'MODULE_PATHNAME', 'quota_sql_charge_units';
COMMENT ON FUNCTION quota.charge_units(text, text, jsonb, text, jsonb) IS
'Like quota.charge() for an action that is priced by dimensions, such as {"input": 1200, "output": 350}; a dimension that is left out counts 0.
Errors: 22023 a dimension without price, or an action priced by one number (charge), 22004 a NULL, and as quota.charge().';
