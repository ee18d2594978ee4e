/*
 * The one thing that takes entries out of the ledger.
 */
CREATE OR REPLACE FUNCTION quota_internal._erase(subject text) RETURNS bigint
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'quota_sql_erase';
COMMENT ON FUNCTION quota_internal._erase(text) IS
    'internal: deletes the ledger entries of accounts at the subject or below, and cuts those of accounts above down to what was charged there; returns how many are gone';

CREATE OR REPLACE FUNCTION quota_internal._is_below(subject text, top text) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN _is_below.subject COLLATE "C" = _is_below.top
        OR (_is_below.subject COLLATE "C" > _is_below.top || '/' AND _is_below.subject COLLATE "C" < _is_below.top || '0');
COMMENT ON FUNCTION quota_internal._is_below(text, text) IS
    'internal: is the first the second, or below it? "0" follows "/"';

/*
 * A hold that also counts above goes on there, as its entries do.
 */
CREATE OR REPLACE FUNCTION quota_internal._forget_holds(whom text) RETURNS void
    LANGUAGE sql VOLATILE
    SET search_path = pg_catalog, pg_temp
AS $$
    DELETE FROM quota_internal.hold_part p WHERE quota_internal._is_below(p.account, _forget_holds.whom);
    UPDATE quota_internal.hold h SET subject = u.account, metadata = '{}'
        FROM (SELECT p.hold_id, max(p.account) AS account FROM quota_internal.hold_part p GROUP BY 1) u
        WHERE quota_internal._is_below(h.subject, _forget_holds.whom) AND u.hold_id = h.id;
    DELETE FROM quota_internal.hold h WHERE quota_internal._is_below(h.subject, _forget_holds.whom);
$$;
COMMENT ON FUNCTION quota_internal._forget_holds(text) IS 'internal: erases the holds of a subject and below, or cuts them to the level above that they count at';

/*
 * What was rolled up and was charged above, too, stays in the use of the level
 * above.  Of months that have been dropped, nobody knows any more.
 */
CREATE OR REPLACE FUNCTION quota_internal._forget_usage(subject text) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    INSERT INTO quota_internal.usage_hour AS h (subject, feature_id, hour, used, debits)
        SELECT u.subject, u.feature_id, u.hour, u.used, u.debits
        FROM quota_internal._usage_of(format('quota_internal._is_below(e.subject, %L) AND NOT %s', _forget_usage.subject, quota_internal._not_rolled_up()),
                                      _forget_usage.subject) u
        ON CONFLICT ON CONSTRAINT usage_hour_pkey
            DO UPDATE SET used = h.used + excluded.used, debits = h.debits + excluded.debits;
    DELETE FROM quota_internal.usage_hour h WHERE quota_internal._is_below(h.subject, _forget_usage.subject);
END
$$;
COMMENT ON FUNCTION quota_internal._forget_usage(text) IS 'internal: erases the rollup of a subject and below, and adds to the level above what was charged there';

/*
 * A session that charges, refunds or administers a subject has the buckets' lock
 * before any row's, so none is at work, or waits for us with a row locked, while the
 * subject's books are taken apart.
 */
CREATE OR REPLACE FUNCTION quota_internal._hold_posting(function text) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF current_setting('transaction_isolation') IN ('repeatable read', 'serializable') THEN
        RAISE EXCEPTION USING ERRCODE = '0A000',
            MESSAGE = format('quota.%s() does not work at isolation level %s', _hold_posting.function, current_setting('transaction_isolation')),
            DETAIL = 'It would miss what was charged since the transaction''s first statement.',
            HINT = 'Call it at isolation level read committed.';
    END IF;
    PERFORM quota_internal._begin_posting();
    PERFORM FROM quota_internal.posting FOR NO KEY UPDATE;
END
$$;
COMMENT ON FUNCTION quota_internal._hold_posting(text) IS 'internal: keeps maintain() and others that hold it away, until the transaction ends; 0A000 above READ COMMITTED, for a function of that name';

CREATE OR REPLACE FUNCTION quota_internal._begin_erasing(function text) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM quota_internal._hold_posting(_begin_erasing.function);
    LOCK TABLE quota_internal.bucket IN EXCLUSIVE MODE;
    -- no name stays in shared memory
    PERFORM quota_internal._write_refusals(false);
END
$$;
COMMENT ON FUNCTION quota_internal._begin_erasing(text) IS 'internal: waits until nobody is at any books, and keeps it so; 0A000 above READ COMMITTED, for a function of that name';

CREATE OR REPLACE FUNCTION quota.forget(subject text) RETURNS bigint
    LANGUAGE quota_plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    whom text := quota_internal._subject(forget.subject);
    erased bigint;
BEGIN
    PERFORM quota_internal._begin_erasing('forget');
    PERFORM quota_internal._close_leases(ARRAY[whom], below => true);
    PERFORM quota_internal._forget_usage(whom);
    erased := quota_internal._erase(whom);
    PERFORM quota_internal._forget_holds(whom);
    DELETE FROM quota_internal.grant_use u USING quota_internal.credit_grant g
        WHERE g.id = u.grant_id AND quota_internal._is_below(g.subject, whom);
    DELETE FROM quota_internal.credit_grant t WHERE quota_internal._is_below(t.subject, whom);
    DELETE FROM quota_internal.opening t WHERE quota_internal._is_below(t.account, whom);
    DELETE FROM quota_internal.bucket t WHERE quota_internal._is_below(t.subject, whom);
    DELETE FROM quota_internal.cap_use t WHERE quota_internal._is_below(t.subject, whom);
    DELETE FROM quota_internal.rate_use t WHERE quota_internal._is_below(t.subject, whom);
    DELETE FROM quota_internal.idempotency_key t WHERE quota_internal._is_below(t.subject, whom);
    DELETE FROM quota_internal.gate_charge t WHERE quota_internal._is_below(t.subject, whom);
    DELETE FROM quota_internal.denial t WHERE quota_internal._is_below(t.subject, whom);
    DELETE FROM quota_internal.event t WHERE quota_internal._is_below(t.subject, whom);
    DELETE FROM quota_internal.subject_override t WHERE quota_internal._is_below(t.subject, whom);
    DELETE FROM quota_internal.subscription t WHERE quota_internal._is_below(t.subject, whom);
    -- a row of api_key_use, which says nothing alone, goes with maintain(): a request that has it locked may want the
    -- buckets next
    DELETE FROM quota_internal.api_key t WHERE quota_internal._is_below(t.subject, whom);
    RETURN erased;
END
$$;
COMMENT ON FUNCTION quota.forget(text) IS
'Erases a subject and everything below it: subscriptions, overrides, grants, holds, counters, what rows of gates were charged, keys, API keys, denials, events, usage and ledger entries. Returns how many ledger entries are gone.
Entries that were charged to levels above stay, with their amounts; their subject is cut to that level, key and metadata removed. An open hold that also counts above goes on there.
There is no way back. Waits for every open debit and holds back new ones until the transaction ends: set lock_timeout.
Errors: 22004, 22023, 22001 bad subject, 0A000 above READ COMMITTED.';
