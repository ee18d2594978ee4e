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

-- What forget() erases, table by table, the ledger left out; in the order in which rename() goes through it.
CREATE OR REPLACE FUNCTION quota_internal._named(OUT relation name, OUT attribute name) RETURNS SETOF record
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    VALUES ('hold'::name, 'subject'::name), ('hold_part', 'account'), ('credit_grant', 'subject'), ('opening', 'account'), ('bucket', 'subject'),
           ('cap_use', 'subject'), ('rate_use', 'subject'), ('usage_hour', 'subject'), ('idempotency_key', 'subject'), ('gate_charge', 'subject'),
           ('denial', 'subject'), ('event', 'subject'), ('subject_override', 'subject'), ('subscription', 'subject'), ('api_key', 'subject');
END;
COMMENT ON FUNCTION quota_internal._named() IS 'internal: the tables beside the ledger whose rows are somebody''s, and the column that says whose';

CREATE OR REPLACE FUNCTION quota_internal._is_somebody(whom text) RETURNS boolean
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    -- The planner expects a first row at once, and reads all to find none: only a bitmap makes use of both halves
    -- of _is_below().
    SET enable_seqscan = off
    SET enable_indexscan = off
    SET enable_indexonlyscan = off
AS $$
DECLARE
    place record;
    is_there boolean;
BEGIN
    FOR place IN SELECT 'ledger_entry' AS relation, 'subject' AS attribute UNION ALL SELECT n.relation, n.attribute FROM quota_internal._named() n LOOP
        EXECUTE format('SELECT EXISTS (SELECT FROM quota_internal.%I t WHERE quota_internal._is_below(t.%I, $1))', place.relation, place.attribute)
            INTO is_there USING _is_somebody.whom;
        IF is_there THEN
            RETURN true;
        END IF;
    END LOOP;
    RETURN false;
END
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
    place record;
BEGIN
    PERFORM quota_internal._begin_erasing('rename');
    IF quota_internal._is_somebody(called) THEN
        RAISE EXCEPTION USING ERRCODE = '23505', MESSAGE = format('"%s" is somebody already', called),
            DETAIL = 'There are subscriptions, counters, ledger entries, events or other rows of that subject, or below it.',
            HINT = 'Two histories cannot be put together; quota.forget() erases one.';
    ELSIF NOT quota_internal._is_somebody(whom) THEN
        RETURN 0;
    END IF;

    PERFORM quota_internal._close_leases(ARRAY[whom], below => true);
    rewritten := quota_internal._rename_entries(whom, called);
    FOR place IN SELECT n.relation, n.attribute FROM quota_internal._named() n LOOP
        EXECUTE format('UPDATE quota_internal.%1$I t SET %2$I = quota_internal._renamed(t.%2$I, $1, $2) WHERE quota_internal._is_below(t.%2$I, $1)',
                       place.relation, place.attribute) USING whom, called;
    END LOOP;
    PERFORM quota_internal._record_event('subject_renamed', called, NULL, jsonb_build_object('subject', whom, 'new_subject', called));
    RETURN rewritten;
END
$$;
COMMENT ON FUNCTION quota.rename(text, text) IS
'Gives a subject, and everything below it, another last segment: subscriptions, overrides, grants, holds, counters, keys, API keys, denials, events, usage, what rows of gates were charged, and the ledger, whose xid stays. Returns how many ledger entries that were.
Rows under a gate are the application''s to update afterwards: that charges nothing where the gate remembers; else do it with the gate''s triggers disabled, then call quota.recount().
Waits for every open debit and holds back new ones until the transaction ends: set lock_timeout. A call that goes on with the old name begins at 0.
Errors: 22023 more than the last segment differs, or nothing; 23505 there is somebody of the new name, or below it; 22004, 22001 also where a path below gets too long; 0A000 above READ COMMITTED.';
