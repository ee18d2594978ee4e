/*
 * What only tidies.  Nothing that is decided or shown depends on it: expiry,
 * resets and rollover are computed, reports read what is not rolled up yet.
 */

-- The ledger's leaves

CREATE OR REPLACE FUNCTION quota_internal._leaves(OUT leaf regclass, OUT since timestamptz, OUT until timestamptz)
    RETURNS SETOF record
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    SET TimeZone = 'UTC'
AS $$
    SELECT i.inhrelid::regclass, b.bounds[1]::timestamptz, b.bounds[2]::timestamptz
    FROM pg_inherits i
        JOIN pg_class c ON c.oid = i.inhrelid
        LEFT JOIN LATERAL regexp_match(pg_get_expr(c.relpartbound, c.oid),
                                       $re$FROM \('?([^')]*)'?\) TO \('?([^')]*)'?\)$re$) b(bounds) ON true
    WHERE i.inhparent = 'quota_internal.ledger_entry'::regclass
$$;
COMMENT ON FUNCTION quota_internal._leaves() IS
    'internal: the leaves of the ledger and the times that they hold; NULL for the default leaf';

/*
 * A leaf belongs to the owner, like the parent, and is no member of the extension:
 * pg_dump takes it along as any table.
 */
CREATE OR REPLACE FUNCTION quota_internal._make_leaf(month timestamptz) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    SET TimeZone = 'UTC'
    SET default_tablespace = ''
AS $$
DECLARE
    name text := 'ledger_entry_' || to_char(_make_leaf.month, 'YYYY_MM');
    grantee text;
BEGIN
    EXECUTE format('CREATE TABLE quota_internal.%I (LIKE quota_internal.ledger_entry INCLUDING DEFAULTS INCLUDING STORAGE)', name);
    EXECUTE format('COMMENT ON TABLE quota_internal.%I IS %L', name,
                   'ledger entries of ' || to_char(_make_leaf.month, 'YYYY-MM') || ' (UTC), made by quota.maintain()');
    -- ALTER DEFAULT PRIVILEGES may have given rights to somebody
    FOR grantee IN
        SELECT DISTINCT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END
        FROM pg_class c, aclexplode(c.relacl) a
        WHERE c.oid = format('quota_internal.%I', name)::regclass AND a.grantee <> c.relowner
    LOOP
        EXECUTE format('REVOKE ALL ON quota_internal.%I FROM %s CASCADE', name, grantee);
    END LOOP;
    EXECUTE format('CREATE INDEX %I ON quota_internal.%I (debit_id)', name || '_debit', name);
    EXECUTE format('CREATE INDEX %I ON quota_internal.%I (subject, feature_id, at)', name || '_subject', name);
    EXECUTE format('CREATE INDEX %I ON quota_internal.%I USING brin (id, xid quota_internal.xid8_minmax_ops, at, period_end) WITH (pages_per_range = 16, autosummarize = on)',
                   name || '_brin', name);
    EXECUTE format('CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON quota_internal.%I '
                   'FOR EACH STATEMENT EXECUTE FUNCTION quota_internal._append_only()', name);
    EXECUTE format('ALTER TABLE quota_internal.ledger_entry ATTACH PARTITION quota_internal.%I FOR VALUES FROM (%L) TO (%L)', name,
                   _make_leaf.month, _make_leaf.month + interval '1 month');
END
$$;
COMMENT ON FUNCTION quota_internal._make_leaf(timestamptz) IS 'internal: makes the ledger''s leaf of the month that begins then';

/*
 * Waits for debits in the default leaf, but not long: less than deadlock_timeout,
 * so that nobody else's transaction has to die for it.
 */
CREATE OR REPLACE FUNCTION quota_internal._make_leaves_for(months timestamptz[]) RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    SET TimeZone = 'UTC'
    SET lock_timeout = '500ms'
AS $$
DECLARE
    month timestamptz;
    made bigint := 0;
BEGIN
    FOREACH month IN ARRAY _make_leaves_for.months LOOP
        CONTINUE WHEN EXISTS (SELECT FROM quota_internal._leaves() l WHERE l.since < month + interval '1 month' AND l.until > month)
            OR EXISTS (SELECT FROM quota_internal.ledger_entry_default e WHERE e.at >= month AND e.at < month + interval '1 month');
        BEGIN
            PERFORM quota_internal._make_leaf(month);
            made := made + 1;
        EXCEPTION
            -- a row of that month came in between, or the lock did not come
            WHEN lock_not_available OR check_violation THEN NULL;
        END;
    END LOOP;
    RETURN made;
END
$$;
COMMENT ON FUNCTION quota_internal._make_leaves_for(timestamptz[]) IS
    'internal: makes leaves for months, each given by its beginning, unless rows of it lie in the default leaf already';

CREATE OR REPLACE FUNCTION quota_internal._make_leaves() RETURNS bigint
    LANGUAGE sql VOLATILE
    SET search_path = pg_catalog, pg_temp
    SET TimeZone = 'UTC'
AS $$
    SELECT quota_internal._make_leaves_for(ARRAY(SELECT date_trunc('month', quota_internal._now()) + n * interval '1 month' FROM generate_series(0, 2) n))
$$;
COMMENT ON FUNCTION quota_internal._make_leaves() IS 'internal: makes leaves for this month and the next two';

-- Rollup

/*
 * Our own transaction goes on after this, so it counts as running, with all that
 * it has written: a snapshot leaves its own transaction out.
 */
CREATE OR REPLACE FUNCTION quota_internal._snapshot_without_us(seen pg_snapshot) RETURNS pg_snapshot
    LANGUAGE sql VOLATILE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT CASE WHEN NOT pg_visible_in_snapshot(pg_current_xact_id(), _snapshot_without_us.seen) THEN _snapshot_without_us.seen
                ELSE format('%s:%s:%s', min(x.xid::text::numeric), pg_snapshot_xmax(_snapshot_without_us.seen),
                            string_agg(x.xid::text, ',' ORDER BY x.xid::text::numeric))::pg_snapshot END
    FROM (SELECT pg_snapshot_xip(_snapshot_without_us.seen) UNION SELECT pg_current_xact_id()) x(xid)
$$;
COMMENT ON FUNCTION quota_internal._snapshot_without_us(pg_snapshot) IS
    'internal: the snapshot, our own transaction taken for one that is still running';

/*
 * The entries, and the snapshot that is stored, are those of one statement.  In
 * another cluster than the last time, the rest of the old epoch is added with its
 * old snapshot, and a new epoch begins: the one that store/ledger.c writes
 * already.
 */
CREATE OR REPLACE FUNCTION quota_internal._roll_up() RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    identifier bigint := (SELECT c.system_identifier FROM pg_control_system() c);
    this_epoch int := (SELECT p.epoch + (p.system_identifier <> identifier)::int FROM quota_internal.posting p);
    changed bigint;
BEGIN
    WITH rolled AS (
        INSERT INTO quota_internal.usage_hour AS h (subject, feature_id, hour, used, debits)
        SELECT u.subject, u.feature_id, u.hour, u.used, u.debits
        FROM quota_internal._usage_of(format('%s AND NOT (e.epoch = %s AND e.xid = %L::xid8)',
                                             quota_internal._not_rolled_up(), this_epoch, pg_current_xact_id())) u
        ORDER BY 1, 2, 3
        ON CONFLICT ON CONSTRAINT usage_hour_pkey
            DO UPDATE SET used = h.used + excluded.used, debits = h.debits + excluded.debits
        RETURNING 1
    ), posted AS (
        UPDATE quota_internal.posting p
            SET epoch = this_epoch, system_identifier = identifier, snapshot = quota_internal._snapshot_without_us(pg_current_snapshot())
    )
    SELECT count(*) INTO changed FROM rolled;
    RETURN changed;
END
$$;
COMMENT ON FUNCTION quota_internal._roll_up() IS
    'internal: adds to usage_hour what is visible and has not been added; returns how many of its rows that touched. The row of quota_internal.posting must be locked';

-- Retention

/*
 * Σ ledger = buckets must hold without the month, so its sums are kept.  A month
 * stays as long as something in it is not rolled up, or belongs to a hold that
 * still counts: its settlement looks there what it took.  A lease that it names is
 * ended: what was taken from it would be forgotten.
 */
CREATE OR REPLACE FUNCTION quota_internal._drop_leaf(leaf regclass, until timestamptz) RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    SET lock_timeout = '500ms'
AS $$
DECLARE
    needed boolean;
    entries bigint;
BEGIN
    EXECUTE format('LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE', leaf);
    EXECUTE format('SELECT quota_internal._end_leases(array_agg(b.lease_id ORDER BY b.lease_id)) FROM quota_internal.bucket b '
                   'WHERE b.lease_id IS NOT NULL AND EXISTS (SELECT FROM %s e WHERE e.id > b.lease_since AND e.lease_id = b.lease_id)', leaf);
    EXECUTE format('SELECT EXISTS (SELECT FROM %1$s e WHERE e.kind <> ''t'' AND %2$s) OR EXISTS ('
                   'SELECT FROM %1$s e JOIN quota_internal.hold_part p ON p.hold_id = e.debit_id)',
                   leaf, quota_internal._not_rolled_up()) INTO needed;
    IF needed THEN
        RETURN 0;
    END IF;
    EXECUTE format('INSERT INTO quota_internal.opening AS o (account, feature_id, source, source_id, period_start, period_end, grant_id, amount) '
                   'SELECT e.account, e.feature_id, e.source, e.source_id, e.period_start, e.period_end, coalesce(e.grant_id, 0), sum(e.amount) '
                   'FROM %s e GROUP BY 1, 2, 3, 4, 5, 6, 7 '
                   'ON CONFLICT ON CONSTRAINT opening_pkey DO UPDATE SET amount = o.amount + excluded.amount', leaf);
    EXECUTE format('SELECT count(*) FROM %s', leaf) INTO entries;
    EXECUTE format('DROP TABLE %s', leaf);
    UPDATE quota_internal.posting p SET dropped_before = greatest(p.dropped_before, _drop_leaf.until);
    RETURN entries;
EXCEPTION
    WHEN lock_not_available THEN
        RETURN 0;
END
$$;
COMMENT ON FUNCTION quota_internal._drop_leaf(regclass, timestamptz) IS
    'internal: adds a month''s sums to quota_internal.opening and drops it, if nothing needs it any more; returns how many entries that were';

-- When what retention keeps begins.
CREATE OR REPLACE FUNCTION quota_internal._kept_since() RETURNS timestamptz
    LANGUAGE c STABLE PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'quota_sql_kept_since';
COMMENT ON FUNCTION quota_internal._kept_since() IS 'internal: now less quota.retention';

/*
 * A transaction that keeps its first snapshot would not see what was committed
 * before the month was locked.
 */
CREATE OR REPLACE FUNCTION quota_internal._drop_leaves() RETURNS bigint
    LANGUAGE sql VOLATILE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT coalesce(sum(quota_internal._drop_leaf(l.leaf, l.until)), 0)::bigint
    FROM (SELECT * FROM quota_internal._leaves() ORDER BY until) l
    WHERE l.until <= quota_internal._kept_since() AND current_setting('transaction_isolation') IN ('read committed', 'read uncommitted')
$$;
COMMENT ON FUNCTION quota_internal._drop_leaves() IS 'internal: drops the months that lie wholly before what retention keeps';

CREATE OR REPLACE FUNCTION quota_internal._drop_keys() RETURNS bigint
    LANGUAGE sql VOLATILE
    SET search_path = pg_catalog, pg_temp
AS $$
    WITH gone AS (
        DELETE FROM quota_internal.idempotency_key k
        USING quota_internal.posting p
        WHERE k.at < p.dropped_before
          AND NOT EXISTS (SELECT FROM quota_internal.ledger_entry e
                          WHERE e.subject = k.subject AND e.at = k.at AND e.key = k.key)
        RETURNING 1
    )
    SELECT count(*) FROM gone
$$;
COMMENT ON FUNCTION quota_internal._drop_keys() IS 'internal: drops idempotency keys whose entries are gone';

CREATE OR REPLACE FUNCTION quota_internal._tidy(OUT task text, OUT rows bigint) RETURNS SETOF record
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    kept_since timestamptz := quota_internal._kept_since();
BEGIN
    DELETE FROM quota_internal.denial d WHERE d.day < (kept_since AT TIME ZONE 'UTC')::date;
    GET DIAGNOSTICS rows = ROW_COUNT;
    task := 'old denials';
    RETURN NEXT;

    DELETE FROM quota_internal.hold h
    WHERE h.expiry_seen AND h.expires_at < kept_since
      AND NOT EXISTS (SELECT FROM quota_internal.hold_part p WHERE p.hold_id = h.id);
    GET DIAGNOSTICS rows = ROW_COUNT;
    task := 'expired holds';
    RETURN NEXT;

    DELETE FROM quota_internal.cap_use c WHERE c.closes_at < kept_since;
    GET DIAGNOSTICS rows = ROW_COUNT;
    task := 'closed cap windows';
    RETURN NEXT;

    DELETE FROM quota_internal.event e WHERE e.at < kept_since;
    GET DIAGNOSTICS rows = ROW_COUNT;
    task := 'old events';
    RETURN NEXT;

    DELETE FROM quota_internal.api_key_use u
    WHERE u.key_id IN (SELECT o.key_id FROM quota_internal.api_key_use o
                       WHERE NOT EXISTS (SELECT FROM quota_internal.api_key k WHERE k.id = o.key_id)
                       FOR UPDATE SKIP LOCKED);
    GET DIAGNOSTICS rows = ROW_COUNT;
    task := 'uses of forgotten API keys';
    RETURN NEXT;

    task := 'rows of dropped gates';
    rows := quota_internal._gate_forget();
    RETURN NEXT;
END
$$;
COMMENT ON FUNCTION quota_internal._tidy() IS 'internal: deletes what is older than quota.retention and no entry of the ledger';

-- What has come to pass

CREATE OR REPLACE FUNCTION quota_internal._tell_all_expired() RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    account record;
    told bigint := 0;
BEGIN
    FOR account IN
        SELECT DISTINCT g.subject, g.feature_id FROM quota_internal.credit_grant g
        WHERE NOT g.expiry_seen AND g.expires_at <= quota_internal._now()
        ORDER BY g.subject, g.feature_id
    LOOP
        told := told + quota_internal._tell_expired(account.subject, account.feature_id);
    END LOOP;
    RETURN told;
END
$$;
COMMENT ON FUNCTION quota_internal._tell_all_expired() IS 'internal: writes the events of grants that have expired, once, and of thresholds that this has crossed';

CREATE OR REPLACE FUNCTION quota_internal._see_expired_holds() RETURNS bigint
    LANGUAGE sql VOLATILE
    SET search_path = pg_catalog, pg_temp
AS $$
    WITH expired AS (
        SELECT h.id FROM quota_internal.hold h
        WHERE NOT h.expiry_seen AND h.expires_at <= quota_internal._clock_now()
        FOR NO KEY UPDATE SKIP LOCKED      -- a session that settles it comes first
    ), seen AS (
        UPDATE quota_internal.hold h SET expiry_seen = true FROM expired e WHERE h.id = e.id
        RETURNING h.*
    ), told AS (
        SELECT quota_internal._record_event('hold_expired', s.subject, s.feature_id, jsonb_build_object(
                   'hold_id', s.id, 'reserved', s.reserved, 'created_at', s.created_at, 'expires_at', s.expires_at))
        FROM (SELECT * FROM seen ORDER BY id) s
    )
    SELECT count(*) FROM told
$$;
COMMENT ON FUNCTION quota_internal._see_expired_holds() IS 'internal: writes the event of holds that have expired, once';

-- One that cannot be carried out must not be in the way of all others.
CREATE OR REPLACE FUNCTION quota_internal._carry_out_due() RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    due text;
    done bigint := 0;
BEGIN
    FOR due IN
        SELECT DISTINCT s.subject FROM quota_internal.subscription s WHERE s.next_at <= quota_internal._now() ORDER BY 1
    LOOP
        BEGIN
            PERFORM quota_internal._carry_out(due);
            done := done + 1;
        EXCEPTION WHEN OTHERS THEN
            RAISE WARNING 'the scheduled change of plan of "%" could not be carried out: %', due, SQLERRM;
        END;
    END LOOP;
    RETURN done;
END
$$;
COMMENT ON FUNCTION quota_internal._carry_out_due() IS 'internal: carries out the changes of plan that are due';

CREATE OR REPLACE FUNCTION quota_internal._notify() RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    newest bigint := (SELECT max(e.id) FROM quota_internal.event e);
    told bigint := (SELECT p.event_id FROM quota_internal.posting p);
BEGIN
    IF newest IS NULL OR newest <= told THEN
        RETURN 0;
    END IF;
    UPDATE quota_internal.posting SET event_id = newest;
    PERFORM pg_notify('quota', newest::text);
    RETURN (SELECT count(*) FROM quota_internal.event e WHERE e.id > told);
END
$$;
COMMENT ON FUNCTION quota_internal._notify() IS 'internal: NOTIFY quota with the newest event''s id, if there is one that was not told of';

/*
 * The locks that others wait for, those of leaves, come last.
 */
CREATE OR REPLACE FUNCTION quota.maintain(OUT task text, OUT rows bigint) RETURNS SETOF record
    LANGUAGE quota_plpgsql SECURITY DEFINER ROWS 20
    SET search_path = pg_catalog, pg_temp
    SET TimeZone = 'UTC'
AS $$
DECLARE
    kept_since timestamptz;
    tidied timestamptz;
    dropped bigint;
BEGIN
    PERFORM quota_internal._now();      -- the library defines quota.retention
    PERFORM quota_internal._begin_posting();
    -- one at a time
    SELECT p.tidied_at INTO tidied FROM quota_internal.posting p FOR NO KEY UPDATE;
    -- before the rows that apply_catalog() and forget() may want
    LOCK TABLE quota_internal.bucket IN ROW EXCLUSIVE MODE;

    -- first: it waits for nobody who has taken from a lease and may want a row
    task := 'leases closed';             rows := quota_internal._close_idle_leases();  RETURN NEXT;
    task := 'plan changes carried out';  rows := quota_internal._carry_out_due();      RETURN NEXT;
    task := 'holds expired';             rows := quota_internal._see_expired_holds();  RETURN NEXT;
    task := 'holds given back';          rows := quota_internal._reap_holds(10000);    RETURN NEXT;
    -- after what locks accounts: a charge locks a grant's row with its account locked
    task := 'grants expired';            rows := quota_internal._tell_all_expired();   RETURN NEXT;
    task := 'refusals written';          rows := quota_internal._write_refusals(true);     RETURN NEXT;
    task := 'usage rolled up';           rows := quota_internal._roll_up();            RETURN NEXT;
    -- once a day
    IF tidied IS NULL OR date_trunc('day', tidied) <> date_trunc('day', quota_internal._now()) THEN
        UPDATE quota_internal.posting SET tidied_at = quota_internal._now();
        RETURN QUERY SELECT t.task, t.rows FROM quota_internal._tidy() t;
    END IF;
    task := 'ledger entries dropped';    rows := quota_internal._drop_leaves();        RETURN NEXT;
    IF rows > 0 THEN
        task := 'keys dropped';          rows := quota_internal._drop_keys();          RETURN NEXT;
        task := 'windows dropped';       rows := quota_internal._drop_windows();       RETURN NEXT;
    END IF;
    task := 'ledger months made';        rows := quota_internal._make_leaves();        RETURN NEXT;
    PERFORM quota_internal._close_types();
    task := 'events notified';           rows := quota_internal._notify();             RETURN NEXT;
END
$$;
COMMENT ON FUNCTION quota.maintain() IS
'Tidies, to be called every minute or so by a scheduler: carries out plan changes that are due, writes the events of expired grants and holds, gives back what expired holds had reserved, closes leases of windows that are over, writes refusals that shared memory has counted, rolls usage up, makes the ledger''s months ahead, drops what is older than quota.retention, and sends NOTIFY quota with the newest event''s id. One row for each task: how many rows it was about.
Nothing that is decided or shown depends on it. Waits for another maintain(), and up to half a second for the lock of a month; what it does not get is done the next time. Above READ COMMITTED no month is dropped.';
