/*
 * Enforcement.  No function here is STRICT: a NULL must not silently do nothing.
 */
CREATE OR REPLACE FUNCTION quota.debit(subject text, feature text, amount bigint = 1,
        key text = NULL, metadata jsonb = NULL)
    RETURNS quota.debit_result
    LANGUAGE c VOLATILE PARALLEL UNSAFE COST 100
    AS 'MODULE_PATHNAME', 'quota_sql_debit';
COMMENT ON FUNCTION quota.debit(text, text, bigint, text, jsonb) IS
'Charges amount units of a feature to every account on the subject''s path, or raises and charges nothing.
id is the debit''s in quota.ledger (NULL: nothing was charged); remaining is what one debit could still take (NULL: unlimited).
A key makes a retry return the first result. A boolean feature is asserted, not charged.
Call it as SELECT * FROM quota.debit(...): (quota.debit(...)).* would charge once per column.
Errors: QT402 no room or subscription inactive, QT403 not entitled, QT404 unknown feature, QT409 key used with other arguments, 22023, 22004, 22001, 22003 bad arguments, 25006 read-only.';

CREATE OR REPLACE FUNCTION quota.try_debit(subject text, feature text, amount bigint = 1,
        key text = NULL, metadata jsonb = NULL, up_to boolean = false)
    RETURNS quota.try_debit_result
    LANGUAGE c VOLATILE PARALLEL UNSAFE COST 100
    AS 'MODULE_PATHNAME', 'quota_sql_try_debit';
COMMENT ON FUNCTION quota.try_debit(text, text, bigint, text, jsonb, boolean) IS
'Like quota.debit(), but answers a refusal instead of raising it, and records it in quota.denials.
reason: ok, quota_exceeded, subscription_inactive, not_entitled. up_to takes what there is (debited may be less than amount).
blocked_by is the level of the path that refused; retry_after is NULL where waiting does not help.
Errors: QT404 unknown feature, QT409 key used with other arguments, 22023, 22004, 22001, 22003 bad arguments, 25006 read-only.';

CREATE OR REPLACE FUNCTION quota.refund(id bigint, amount bigint = NULL, key text = NULL)
    RETURNS quota.refund_result
    LANGUAGE c VOLATILE PARALLEL UNSAFE COST 100
    AS 'MODULE_PATHNAME', 'quota_sql_refund';
COMMENT ON FUNCTION quota.refund(bigint, bigint, text) IS
'Gives back amount units of a debit (NULL: all that is left of it) into the buckets they came from, last first; never more than was charged, also when concurrent. What meets an ended period is booked there.
Returns the refund''s own id. Errors: QT404 unknown debit, 22023 more than is left, a capacity (quota.give_back()), a hold that is not settled, or the id of something else than a debit, QT409, 22004, 25006.';

CREATE OR REPLACE FUNCTION quota.give_back(subject text, feature text, amount bigint = 1,
        key text = NULL, metadata jsonb = NULL)
    RETURNS quota.give_back_result
    LANGUAGE c VOLATILE PARALLEL UNSAFE COST 100
    AS 'MODULE_PATHNAME', 'quota_sql_give_back';
COMMENT ON FUNCTION quota.give_back(text, text, bigint, text, jsonb) IS
'Gives back amount units of a capacity feature, because what held them ceased to exist, whether or not the subject is still entitled. What open holds have reserved is not there to give back.
Errors: 22023 more than the subject has in use without open holds, or a feature of another kind, QT404, QT409, 22004, 25006.';

CREATE OR REPLACE FUNCTION quota.note_denial(detail jsonb) RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE COST 100
    AS 'MODULE_PATHNAME', 'quota_sql_note_denial';
COMMENT ON FUNCTION quota.note_denial(jsonb) IS
'Records a refusal that an error took along in quota.denials: the DETAIL of a QT402, QT403 or QT429, as it came. For error handlers, in a transaction of their own after the rollback.
Errors: 22023 a key is missing or too many, or its value is not what a refusal says; QT404 unknown feature, 22004, 22001, 25006.';
