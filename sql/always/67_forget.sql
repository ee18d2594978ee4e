/*
 * The one thing that takes entries out of the ledger.
 */
CREATE OR REPLACE FUNCTION quota._erase(subject text) RETURNS bigint
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'quota_sql_erase';
COMMENT ON FUNCTION quota._erase(text) IS
    'internal: deletes the ledger entries of accounts at the subject or below, and cuts those of accounts above down to what was charged there; returns how many are gone';

CREATE OR REPLACE FUNCTION quota._is_below(subject text, top text) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN _is_below.subject COLLATE "C" = _is_below.top
        OR (_is_below.subject COLLATE "C" > _is_below.top || '/' AND _is_below.subject COLLATE "C" < _is_below.top || '0');
COMMENT ON FUNCTION quota._is_below(text, text) IS
    'internal: is the first the second, or below it? "0" follows "/"';

/*
 * A hold that also counts above goes on there, as its entries do.
 */
CREATE OR REPLACE FUNCTION quota._forget_holds(whom text) RETURNS void
    LANGUAGE sql VOLATILE
    SET search_path = pg_catalog, pg_temp
AS $$
    DELETE FROM quota.hold_part p WHERE quota._is_below(p.account, _forget_holds.whom);
    UPDATE quota.hold h SET subject = u.account, metadata = '{}'
        FROM (SELECT p.hold_id, max(p.account) AS account FROM quota.hold_part p GROUP BY 1) u
        WHERE quota._is_below(h.subject, _forget_holds.whom) AND u.hold_id = h.id;
    DELETE FROM quota.hold h WHERE quota._is_below(h.subject, _forget_holds.whom);
$$;
COMMENT ON FUNCTION quota._forget_holds(text) IS 'internal: erases the holds of a subject and below, or cuts them to the level above that they count at';

/*
 * What was rolled up and was charged above, too, stays in the use of the level
 * above.  Of months that have been dropped, nobody knows any more.
 */
CREATE OR REPLACE FUNCTION quota._forget_usage(subject text) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    INSERT INTO quota.usage_hour AS h (subject, feature_id, hour, used, debits)
        SELECT u.subject, u.feature_id, u.hour, u.used, u.debits
        FROM quota._usage_of(format('quota._is_below(e.subject, %L) AND NOT %s', _forget_usage.subject, quota._not_rolled_up()),
                             _forget_usage.subject) u
        ON CONFLICT ON CONSTRAINT usage_hour_pkey
            DO UPDATE SET used = h.used + excluded.used, debits = h.debits + excluded.debits;
    DELETE FROM quota.usage_hour h WHERE quota._is_below(h.subject, _forget_usage.subject);
END
$$;
COMMENT ON FUNCTION quota._forget_usage(text) IS 'internal: erases the rollup of a subject and below, and adds to the level above what was charged there';

/*
 * Whoever charges, refunds or administers a subject has the buckets' lock before
 * any row's, so nobody is at it, or waits for us with a row locked, while its books
 * are taken apart.
 */
CREATE OR REPLACE FUNCTION quota.forget(subject text) RETURNS bigint
    LANGUAGE quota_plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    whom text := quota._subject(forget.subject);
    erased bigint;
BEGIN
    IF current_setting('transaction_isolation') IN ('repeatable read', 'serializable') THEN
        RAISE EXCEPTION USING ERRCODE = '0A000',
            MESSAGE = format('quota.forget() does not work at isolation level %s', current_setting('transaction_isolation')),
            DETAIL = 'It would miss what was charged since the transaction''s first statement.',
            HINT = 'Call it at isolation level read committed.';
    END IF;
    PERFORM quota._begin_posting();
    PERFORM FROM quota.posting FOR NO KEY UPDATE;      -- no maintain() meanwhile
    LOCK TABLE quota.bucket IN EXCLUSIVE MODE;

    PERFORM quota._forget_usage(whom);
    erased := quota._erase(whom);
    PERFORM quota._forget_holds(whom);
    DELETE FROM quota.grant_use u USING quota.credit_grant g
        WHERE g.id = u.grant_id AND quota._is_below(g.subject, whom);
    DELETE FROM quota.credit_grant t WHERE quota._is_below(t.subject, whom);
    DELETE FROM quota.opening t WHERE quota._is_below(t.account, whom);
    DELETE FROM quota.bucket t WHERE quota._is_below(t.subject, whom);
    DELETE FROM quota.cap_use t WHERE quota._is_below(t.subject, whom);
    DELETE FROM quota.rate_use t WHERE quota._is_below(t.subject, whom);
    DELETE FROM quota.idempotency_key t WHERE quota._is_below(t.subject, whom);
    DELETE FROM quota.gate_charge t WHERE quota._is_below(t.subject, whom);
    DELETE FROM quota.denial t WHERE quota._is_below(t.subject, whom);
    DELETE FROM quota.event t WHERE quota._is_below(t.subject, whom);
    DELETE FROM quota.subject_override t WHERE quota._is_below(t.subject, whom);
    DELETE FROM quota.subscription t WHERE quota._is_below(t.subject, whom);
    IF to_regclass('quota.api_key') IS NOT NULL THEN
        EXECUTE 'DELETE FROM quota.api_key t WHERE quota._is_below(t.subject, $1)' USING whom;
    END IF;
    RETURN erased;
END
$$;
COMMENT ON FUNCTION quota.forget(text) IS
'Erases a subject and everything below it: subscriptions, overrides, grants, holds, counters, what rows of gates were charged, keys, denials, events, usage and ledger entries. Returns how many ledger entries are gone.
Entries that were charged to levels above stay, with their amounts; their subject is cut to that level, key and metadata removed. An open hold that also counts above goes on there.
There is no way back. Waits for every open debit and holds back new ones until the transaction ends: set lock_timeout.
Errors: 22004, 22023, 22001 bad subject, 0A000 above READ COMMITTED.';
