/*
 * Grants and corrections.  credit() and set_usage() are C, since they have keys
 * and decide with the same look-up as a charge.
 */
CREATE OR REPLACE FUNCTION quota.credit(subject text, feature text, amount bigint, expires_at timestamptz = NULL,
        effective_at timestamptz = NULL, every text = NULL, priority int = 100, source text = 'top-up',
        key text = NULL, metadata jsonb = NULL, beyond_caps boolean = false) RETURNS quota.credit_result
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'quota_sql_credit';
COMMENT ON FUNCTION quota.credit(text, text, bigint, timestamptz, timestamptz, text, int, text, text, jsonb, boolean) IS
'Gives a subject a grant: amount units on top of its plan, valid from effective_at (NULL: now) until expires_at (NULL: for ever). With every (''month'', ''7 days'', ...) the amount comes again in each period counted from effective_at, and what is left lapses.
Grants are taken from by priority (lower first), then the nearer expiry. With beyond_caps caps neither count nor stop what is taken of it. remaining is what one debit could take now.
Errors: QT404 unknown feature; 22023 on boolean, static and rate features, on a capacity beyond caps, bad times, or where another prefix of the path is entitled and this one is not; 22003 when the sum would overflow; QT409.';

CREATE OR REPLACE FUNCTION quota.set_usage(subject text, feature text, used bigint, key text = NULL, metadata jsonb = NULL) RETURNS quota.set_usage_result
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'quota_sql_set_usage';
COMMENT ON FUNCTION quota.set_usage(text, text, bigint, text, jsonb) IS
'Support''s correction: the use of the subject''s own account in the present period, open holds left out, becomes used. The difference is a ledger entry of kind correction; id NULL when there is none.
Errors: QT403 no account of its own, QT404 unknown feature, 22004, 22023, QT409.';

CREATE OR REPLACE FUNCTION quota_internal._credit(subject text, feature_id int, amount bigint, effective_at timestamptz,
        expires_at timestamptz, every text, timezone text, priority int, source text, metadata jsonb,
        plan_allowance bigint, beyond_caps boolean) RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    SET TimeZone = 'UTC'
AS $$
DECLARE
    at     timestamptz := quota_internal._now();
    period record;
    new_id bigint;
BEGIN
    PERFORM quota_internal._require_time(_credit.effective_at, 'effective_at');
    IF isfinite(_credit.expires_at) THEN
        PERFORM quota_internal._require_time(_credit.expires_at, 'expires_at');
    END IF;
    -- in this order, as apply_catalog() may be removing the feature
    LOCK TABLE quota_internal.credit_grant IN ROW EXCLUSIVE MODE;
    PERFORM FROM quota_internal.feature f WHERE f.id = _credit.feature_id FOR KEY SHARE;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'QT404', MESSAGE = 'the feature has just been removed';
    END IF;
    IF _credit.amount::numeric + _credit.plan_allowance
       + (SELECT coalesce(sum(g.amount), 0) FROM quota_internal.credit_grant g
          WHERE g.subject = _credit.subject COLLATE "C" AND g.feature_id = _credit.feature_id
            AND g.expires_at > at AND g.revoked_at IS NULL) > 9223372036854775807 THEN
        RAISE EXCEPTION USING ERRCODE = '22003', MESSAGE = 'the sum of grants is out of range';
    END IF;
    SELECT p.* INTO period FROM quota_internal._period(_credit.every) p;
    INSERT INTO quota_internal.credit_grant (subject, feature_id, amount, priority, effective_at, expires_at,
                                             period, period_months, period_days, period_us, timezone, created_at, source, metadata, beyond_caps)
        VALUES (_credit.subject, _credit.feature_id, _credit.amount, _credit.priority, _credit.effective_at, _credit.expires_at,
                _credit.every, period.months, period.days, period.us,
                _credit.timezone, at, _credit.source, coalesce(_credit.metadata, '{}'), _credit.beyond_caps)
        RETURNING id INTO new_id;
    PERFORM quota_internal._record_event('credited', _credit.subject, _credit.feature_id,
        jsonb_build_object('grant_id', new_id, 'amount', _credit.amount, 'effective_at', _credit.effective_at,
                           'expires_at', nullif(_credit.expires_at, 'infinity'), 'every', _credit.every,
                           'priority', _credit.priority, 'source', _credit.source, 'beyond_caps', _credit.beyond_caps));
    RETURN new_id;
END
$$;
COMMENT ON FUNCTION quota_internal._credit(text, int, bigint, timestamptz, timestamptz, text, text, int, text, jsonb, bigint, boolean) IS
    'internal: the row and the event of a grant';

/*
 * For the view quota.periods, too: a view calls functions with its reader's rights.
 */
CREATE OR REPLACE FUNCTION quota_internal._held_use(account text, feature_id int, source_id bigint,
        period_start timestamptz, period_end timestamptz, expired_by timestamptz = 'infinity',
        OUT source "char", OUT grant_id bigint, OUT amount bigint)
    RETURNS SETOF record
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT e.source, e.grant_id, sum(e.amount)::bigint
    FROM quota_internal.hold_part p JOIN quota_internal.ledger_entry e ON e.debit_id = p.hold_id
    WHERE p.account = _held_use.account COLLATE "C" AND p.feature_id = _held_use.feature_id
      AND p.expires_at <= _held_use.expired_by
      AND e.account = _held_use.account COLLATE "C" AND e.feature_id = _held_use.feature_id
      AND e.source_id = _held_use.source_id AND e.kind <> 'm'
      AND EXISTS (SELECT FROM quota_internal._window_now(e.account, e.feature_id, e.source_id, e.period_start, e.period_end, e.id) w
                  WHERE w.begins = _held_use.period_start AND w.ends = _held_use.period_end)
    GROUP BY e.source, e.grant_id
    HAVING sum(e.amount) > 0
$$;
COMMENT ON FUNCTION quota_internal._held_use(text, int, bigint, timestamptz, timestamptz, timestamptz) IS
    'internal: how much of a window''s use holds have, all that are open or those that have expired by a time, by where it was taken from; use that moved counts in the window where it is now';

CREATE OR REPLACE FUNCTION quota_internal._grants_taken(account text, feature_id int, source_id bigint,
        period_start timestamptz, period_end timestamptz, OUT grant_id bigint, OUT at timestamptz, OUT amount bigint)
    RETURNS SETOF record
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    WITH held AS (
        SELECT h.grant_id, h.amount
        FROM quota_internal._held_use(_grants_taken.account, _grants_taken.feature_id, _grants_taken.source_id,
                                      _grants_taken.period_start, _grants_taken.period_end) h
        WHERE h.source = 'g'),
    taken AS (
        -- what came with a transfer was taken at some time before, or by a transaction with a later time
        SELECT e.grant_id, CASE WHEN bool_or(e.kind = 't') THEN '-infinity' ELSE min(e.at) END AS since,
               CASE WHEN bool_or(e.kind = 't') THEN 'infinity' ELSE _grants_taken.period_end END AS until, sum(e.amount) - coalesce(min(h.amount), 0) AS amount
        FROM quota_internal.ledger_entry e LEFT JOIN held h ON h.grant_id = e.grant_id
        WHERE (e.subject = _grants_taken.account COLLATE "C"
               OR (e.subject > _grants_taken.account || '/' COLLATE "C" AND e.subject < _grants_taken.account || '0' COLLATE "C"))
          AND e.feature_id = _grants_taken.feature_id AND e.account = _grants_taken.account
          AND e.source = 'g' AND e.source_id = _grants_taken.source_id
          AND e.period_start = _grants_taken.period_start AND e.period_end = _grants_taken.period_end
        GROUP BY e.grant_id),
    reserved AS (
        SELECT e.grant_id, min(e.at) AS at, sum(e.amount) AS amount
        FROM quota_internal.hold_part p JOIN quota_internal.ledger_entry e ON e.debit_id = p.hold_id
        WHERE p.account = _grants_taken.account COLLATE "C" AND p.feature_id = _grants_taken.feature_id
          AND e.account = _grants_taken.account COLLATE "C" AND e.feature_id = _grants_taken.feature_id AND e.source = 'g' AND e.kind <> 'm'
        GROUP BY e.debit_id, e.grant_id),
    uses AS (
        SELECT u.grant_id, u.period_start, u.period_end,
               u.used - coalesce((SELECT sum(r.amount) FROM reserved r
                                  WHERE r.grant_id = u.grant_id AND r.at >= u.period_start AND r.at < u.period_end), 0) AS used
        FROM taken t JOIN quota_internal.grant_use u ON u.grant_id = t.grant_id
        WHERE u.period_start < t.until AND u.period_end > least(_grants_taken.period_start, t.since)),
    -- of a recurring grant the latest period first: only its first can be another window's as well
    periods AS (
        SELECT u.grant_id, u.period_start, g.priority, u.period_end, g.created_at, t.amount, u.used,
               coalesce(sum(u.used) OVER (PARTITION BY u.grant_id ORDER BY u.period_start DESC
                                          ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS later
        FROM taken t JOIN quota_internal.credit_grant g ON g.id = t.grant_id JOIN uses u ON u.grant_id = t.grant_id
        WHERE u.used > 0)
    SELECT p.grant_id, p.period_start, least(p.amount - p.later, p.used)::bigint
    FROM periods p
    WHERE p.amount > p.later
    ORDER BY p.priority DESC, p.period_end DESC, p.created_at DESC, p.grant_id DESC
$$;
COMMENT ON FUNCTION quota_internal._grants_taken(text, int, bigint, timestamptz, timestamptz) IS
    'internal: which grants, in which of their periods, a window has taken from, and how much, open holds left out; the last in their order first';

/*
 * A part takes it from the amount, so of a recurring grant from each period to come.
 */
CREATE OR REPLACE FUNCTION quota_internal._revoke(grant_id bigint, amount bigint, key_of text) RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    SET TimeZone = 'UTC'
AS $$
DECLARE
    at     timestamptz := quota_internal._now();
    given  quota_internal.credit_grant;
    period record;
    taken  bigint;
    rest   bigint;
    revoked bigint;
    standings bigint[];
BEGIN
    -- before the grant: forget() deletes it with all buckets locked
    LOCK TABLE quota_internal.bucket IN ROW EXCLUSIVE MODE;
    SELECT g.* INTO given FROM quota_internal.credit_grant g WHERE g.id = _revoke.grant_id;
    IF given.id IS NULL OR given.revoked_at IS NOT NULL OR given.expires_at <= at THEN
        RETURN 0;
    ELSIF given.subject <> _revoke.key_of COLLATE "C" THEN
        RAISE EXCEPTION USING ERRCODE = '40001', MESSAGE = format('the subject of grant %s has another name since', given.id), HINT = 'Try again.';
    END IF;
    -- One that is still to come can have been taken from all the same, by transactions with a later time: its
    -- present period is the first one then.
    PERFORM quota_internal._expire_holds(given.subject, given.feature_id);
    standings := quota_internal._lock_standings(given.subject);
    SELECT w.window_start, least(w.window_end, given.expires_at) AS window_end INTO period
        FROM quota_internal._window(given.period, 'timestamp', given.effective_at, NULL, given.timezone, at) w;
    IF given.period IS NULL THEN
        period.window_start := given.effective_at;
        period.window_end := given.expires_at;
    END IF;
    -- a charge that is taking from it has this row locked, or sees it revoked
    INSERT INTO quota_internal.grant_use (grant_id, period_start, period_end)
        VALUES (given.id, period.window_start, period.window_end)
        ON CONFLICT ON CONSTRAINT grant_use_pkey DO NOTHING;
    SELECT u.used INTO taken FROM quota_internal.grant_use u
        WHERE u.grant_id = given.id AND u.period_start = period.window_start FOR UPDATE;
    -- in this order, as a charge marks a grant that it has used up
    SELECT g.* INTO given FROM quota_internal.credit_grant g WHERE g.id = given.id AND g.revoked_at IS NULL FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RETURN 0;
    END IF;
    rest := greatest(given.amount - taken, 0);
    revoked := least(_revoke.amount, rest);
    IF revoked = 0 AND _revoke.amount IS NOT NULL THEN
        RETURN 0;
    ELSIF _revoke.amount IS NULL THEN
        UPDATE quota_internal.credit_grant g SET revoked_at = at WHERE g.id = given.id;
    ELSE
        UPDATE quota_internal.credit_grant g
        SET amount = g.amount - revoked, used_up = g.period IS NULL AND g.amount - revoked <= taken
        WHERE g.id = given.id;
    END IF;
    PERFORM quota_internal._tell_crossed(given.subject, standings);
    PERFORM quota_internal._record_event('grant_revoked', given.subject, given.feature_id,
        jsonb_build_object('grant_id', given.id, 'revoked', revoked, 'left', rest - revoked));
    RETURN revoked;
END
$$;
COMMENT ON FUNCTION quota_internal._revoke(bigint, bigint, text) IS
    'internal: revoke(), its arguments checked; 0 of one that has ended; 40001 if its subject is no longer the one for which a key has been claimed (NULL: none has)';

CREATE OR REPLACE FUNCTION quota.revoke(grant_id bigint, amount bigint = NULL, key text = NULL) RETURNS bigint
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'quota_sql_revoke';
COMMENT ON FUNCTION quota.revoke(bigint, bigint, text) IS
'Takes back what is left of a grant and ends it, of a recurring one all periods (left is then the present period''s); with an amount no more than that of what is left, by which the grant''s amount falls, and it goes on. Returns how much it took back; what was taken stays taken. One that has ended already: 0.
Errors: QT404 unknown grant, 22004, 22023 an amount of 0 or less, 22001, QT409, 25006.';
