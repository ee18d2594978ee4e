/*
 * rename(): what forget() would erase goes on under another name.
 */
CREATE OR REPLACE FUNCTION quota_internal._rename_entries(subject text, new_subject text) RETURNS bigint
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'quota_sql_rename_entries';
COMMENT ON FUNCTION quota_internal._rename_entries(text, text) IS
    'internal: rewrites the ledger entries of a subject and below for another name; returns how many';

CREATE OR REPLACE FUNCTION quota_internal._renamed(subject text, whom text, called text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN quota_internal._subject(_renamed.called || substr(_renamed.subject, length(_renamed.whom) + 1));
COMMENT ON FUNCTION quota_internal._renamed(text, text, text) IS
    'internal: a subject at or below one that is called otherwise now; 22001 where that is too long';

-- What forget() erases, table by table.
CREATE OR REPLACE FUNCTION quota_internal._is_somebody(whom text) RETURNS boolean
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    -- The planner expects a first row at once, and reads all to find none: only a bitmap makes use of both halves
    -- of _is_below().
    SET enable_seqscan = off
    SET enable_indexscan = off
    SET enable_indexonlyscan = off
AS $$
    SELECT EXISTS (SELECT FROM quota_internal.bucket t WHERE quota_internal._is_below(t.subject, _is_somebody.whom))
        OR EXISTS (SELECT FROM quota_internal.subscription t WHERE quota_internal._is_below(t.subject, _is_somebody.whom))
        OR EXISTS (SELECT FROM quota_internal.subject_override t WHERE quota_internal._is_below(t.subject, _is_somebody.whom))
        OR EXISTS (SELECT FROM quota_internal.credit_grant t WHERE quota_internal._is_below(t.subject, _is_somebody.whom))
        OR EXISTS (SELECT FROM quota_internal.ledger_entry t WHERE quota_internal._is_below(t.subject, _is_somebody.whom))
        OR EXISTS (SELECT FROM quota_internal.hold t WHERE quota_internal._is_below(t.subject, _is_somebody.whom))
        OR EXISTS (SELECT FROM quota_internal.hold_part t WHERE quota_internal._is_below(t.account, _is_somebody.whom))
        OR EXISTS (SELECT FROM quota_internal.opening t WHERE quota_internal._is_below(t.account, _is_somebody.whom))
        OR EXISTS (SELECT FROM quota_internal.cap_use t WHERE quota_internal._is_below(t.subject, _is_somebody.whom))
        OR EXISTS (SELECT FROM quota_internal.rate_use t WHERE quota_internal._is_below(t.subject, _is_somebody.whom))
        OR EXISTS (SELECT FROM quota_internal.usage_hour t WHERE quota_internal._is_below(t.subject, _is_somebody.whom))
        OR EXISTS (SELECT FROM quota_internal.idempotency_key t WHERE quota_internal._is_below(t.subject, _is_somebody.whom))
        OR EXISTS (SELECT FROM quota_internal.denial t WHERE quota_internal._is_below(t.subject, _is_somebody.whom))
        OR EXISTS (SELECT FROM quota_internal.event t WHERE quota_internal._is_below(t.subject, _is_somebody.whom))
        OR EXISTS (SELECT FROM quota_internal.api_key t WHERE quota_internal._is_below(t.subject, _is_somebody.whom))
        OR EXISTS (SELECT FROM quota_internal.gate_charge t WHERE quota_internal._is_below(t.subject, _is_somebody.whom))
$$;
COMMENT ON FUNCTION quota_internal._is_somebody(text) IS 'internal: is there anything of a subject or below?';

/*
 * The new name, which must differ in the last segment alone: another parent would
 * be another account above, to which the history does not belong.
 */
CREATE OR REPLACE FUNCTION quota_internal._new_name(whom text, new_subject text) RETURNS text
    LANGUAGE plpgsql IMMUTABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    called text;
    parent text := regexp_replace(_new_name.whom, '[^/]+$', '');
BEGIN
    IF _new_name.new_subject IS NULL THEN
        PERFORM quota_internal._require(false, 'new_subject');
    END IF;
    called := quota_internal._subject(_new_name.new_subject);
    IF called = _new_name.whom COLLATE "C" THEN
        RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'new_subject is the subject''s present name';
    ELSIF regexp_replace(called, '[^/]+$', '') <> parent COLLATE "C" THEN
        RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'new_subject differs in more than the last segment',
            HINT = CASE parent WHEN '' THEN 'The new name of a first segment is one segment.'
                               ELSE format('It begins with "%s" and has one segment more.', parent) END;
    END IF;
    RETURN called;
END
$$;
COMMENT ON FUNCTION quota_internal._new_name(text, text) IS 'internal: the new name of a subject; 22004, 22001, 22023';

CREATE OR REPLACE FUNCTION quota.rename(subject text, new_subject text) RETURNS bigint
    LANGUAGE quota_plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    whom text := quota_internal._subject(rename.subject);
    called text := quota_internal._new_name(whom, rename.new_subject);
    rewritten bigint;
BEGIN
    PERFORM quota_internal._begin_erasing('rename');
    IF quota_internal._is_somebody(called) THEN
        RAISE EXCEPTION USING ERRCODE = '23505', MESSAGE = format('"%s" is somebody already', called),
            DETAIL = 'There are subscriptions, counters, ledger entries, events or other rows of that subject, or below it.',
            HINT = 'Two histories cannot be put together; quota.forget() erases one.';
    ELSIF NOT quota_internal._is_somebody(whom) THEN
        RETURN 0;
    END IF;

    rewritten := quota_internal._rename_entries(whom, called);
    UPDATE quota_internal.hold t SET subject = quota_internal._renamed(t.subject, whom, called) WHERE quota_internal._is_below(t.subject, whom);
    UPDATE quota_internal.hold_part t SET account = quota_internal._renamed(t.account, whom, called) WHERE quota_internal._is_below(t.account, whom);
    UPDATE quota_internal.credit_grant t SET subject = quota_internal._renamed(t.subject, whom, called) WHERE quota_internal._is_below(t.subject, whom);
    UPDATE quota_internal.opening t SET account = quota_internal._renamed(t.account, whom, called) WHERE quota_internal._is_below(t.account, whom);
    UPDATE quota_internal.bucket t SET subject = quota_internal._renamed(t.subject, whom, called) WHERE quota_internal._is_below(t.subject, whom);
    UPDATE quota_internal.cap_use t SET subject = quota_internal._renamed(t.subject, whom, called) WHERE quota_internal._is_below(t.subject, whom);
    UPDATE quota_internal.rate_use t SET subject = quota_internal._renamed(t.subject, whom, called) WHERE quota_internal._is_below(t.subject, whom);
    UPDATE quota_internal.usage_hour t SET subject = quota_internal._renamed(t.subject, whom, called) WHERE quota_internal._is_below(t.subject, whom);
    UPDATE quota_internal.idempotency_key t SET subject = quota_internal._renamed(t.subject, whom, called) WHERE quota_internal._is_below(t.subject, whom);
    UPDATE quota_internal.gate_charge t SET subject = quota_internal._renamed(t.subject, whom, called) WHERE quota_internal._is_below(t.subject, whom);
    UPDATE quota_internal.denial t SET subject = quota_internal._renamed(t.subject, whom, called) WHERE quota_internal._is_below(t.subject, whom);
    UPDATE quota_internal.event t SET subject = quota_internal._renamed(t.subject, whom, called) WHERE quota_internal._is_below(t.subject, whom);
    UPDATE quota_internal.subject_override t SET subject = quota_internal._renamed(t.subject, whom, called) WHERE quota_internal._is_below(t.subject, whom);
    UPDATE quota_internal.subscription t SET subject = quota_internal._renamed(t.subject, whom, called) WHERE quota_internal._is_below(t.subject, whom);
    UPDATE quota_internal.api_key t SET subject = quota_internal._renamed(t.subject, whom, called) WHERE quota_internal._is_below(t.subject, whom);
    PERFORM quota_internal._record_event('subject_renamed', called, NULL, jsonb_build_object('subject', whom, 'new_subject', called));
    RETURN rewritten;
END
$$;
COMMENT ON FUNCTION quota.rename(text, text) IS
'Gives a subject, and everything below it, another last segment: subscriptions, overrides, grants, holds, counters, keys, API keys, denials, events, usage, what rows of gates were charged, and the ledger, whose xid stays. Returns how many ledger entries that were.
Rows under a gate are the application''s to update afterwards: that charges nothing where the gate remembers; else do it with the gate''s triggers disabled, then call quota.recount().
Waits for every open debit and holds back new ones until the transaction ends: set lock_timeout. Whoever goes on with the old name begins anew.
Errors: 22023 more than the last segment differs, or nothing; 23505 there is somebody of the new name, or below it; 22004, 22001 also where a path below gets too long; 0A000 above READ COMMITTED.';
