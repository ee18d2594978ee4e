/*
 * Holds: room reserved for work whose cost is not yet known.  C, as all of
 * enforcement; see src/decide/hold.c.
 */
CREATE OR REPLACE FUNCTION quota.reserve(subject text, feature text, amount bigint, ttl interval = '5 minutes',
        key text = NULL, metadata jsonb = NULL, up_to boolean = false) RETURNS quota.reserve_result
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'quota_sql_reserve';
COMMENT ON FUNCTION quota.reserve(text, text, bigint, interval, text, jsonb, boolean) IS
'Reserves amount units of a feature for work whose cost is not yet known; they count as used until quota.settle(), quota.release() or expires_at.
up_to reserves what there is, if that is less (nothing at all is refused). remaining is NULL where nothing limits. id is the hold''s, and its debit''s.
ttl is more than 0 and at most 30 days; a key makes a retry return the first hold.
Errors: as quota.debit(); 22023 for a bad ttl, and on boolean, static and rate features.';

CREATE OR REPLACE FUNCTION quota.extend(id bigint, ttl interval = NULL, amount bigint = NULL) RETURNS quota.extend_result
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'quota_sql_extend';
COMMENT ON FUNCTION quota.extend(bigint, interval, bigint) IS
'Renews a hold for ttl from now (NULL: the time that it was last given); amount, if not NULL, becomes its new total: it grows as a debit would, or shrinks, which gives of a rate back, too.
Errors: QT404 unknown hold, QT410 settled, released or expired; where it grows as quota.debit(); 22023 bad ttl or amount.';

CREATE OR REPLACE FUNCTION quota.settle(id bigint, amount bigint, metadata jsonb = NULL) RETURNS quota.settle_result
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'quota_sql_settle';
COMMENT ON FUNCTION quota.settle(bigint, bigint, jsonb) IS
'The work that a hold was for is done and cost amount units (0: nothing). Never refused for lack of room: what was reserved too much comes back; what was too little is taken from what there is, and beyond that overdrawn (the largest over the levels is returned).
After the hold has expired it still charges, once, as a charge of now. A rate has the true count from then on, in debt if need be. The id can be refunded.
Repeated with the same amount it answers again and charges nothing; quota.release() is a settle with 0.
Errors: QT404 unknown hold, QT410 closed before with another amount; 22004, 22023 bad amount.';

CREATE OR REPLACE FUNCTION quota.release(id bigint) RETURNS quota.release_result
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'quota_sql_release';
COMMENT ON FUNCTION quota.release(bigint) IS
'The work that a hold was for is not done: all of it comes back, to rates, too. After its expiry this closes it and returns 0, as when it is repeated.
Errors: QT404 unknown hold, QT410 settled before with more than 0.';

CREATE OR REPLACE FUNCTION quota.throttle(subject text, feature text, cost bigint = 1) RETURNS quota.throttle_result
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'quota_sql_throttle';
COMMENT ON FUNCTION quota.throttle(text, text, bigint) IS
'May a call of this cost pass the rate of a feature of kind rate? If so, it is taken; remaining is what passes now, retry_after when this call would (NULL: it is more than ever passes at once). A rate that is used up is an answer, no error.
Errors: QT403 not entitled, QT402 subscription not active, QT404 unknown feature, 22023 on another kind.';

CREATE OR REPLACE FUNCTION quota_internal._expire_holds(subject text, feature_id int) RETURNS int
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'quota_sql_expire_holds';
COMMENT ON FUNCTION quota_internal._expire_holds(text, int) IS
    'internal: gives back what expired holds still have in the account of exactly this prefix; how many there were';

CREATE OR REPLACE FUNCTION quota_internal._reap_holds(max int) RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    account record;
    n       bigint := 0;
BEGIN
    FOR account IN
        SELECT p.account, p.feature_id FROM quota_internal.hold_part p JOIN quota_internal.feature f ON f.id = p.feature_id
        WHERE p.expires_at <= quota_internal._clock_now()
        -- the order of charges
        GROUP BY p.account, p.feature_id, f.name ORDER BY f.name COLLATE "C", p.account COLLATE "C" LIMIT _reap_holds.max
    LOOP
        n := n + quota_internal._expire_holds(account.account, account.feature_id);
    END LOOP;
    RETURN n;
END
$$;
COMMENT ON FUNCTION quota_internal._reap_holds(int) IS 'internal: gives back what expired holds still have, of at most max accounts; how many there were, one counted in each of its accounts';
