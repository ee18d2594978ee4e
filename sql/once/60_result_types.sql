/*
 * The rows that the functions of every request return.  Named types, because an
 * executor that meets OUT parameters makes a row type out of them at each call,
 * which was a tenth of quota.check(); that of a named type is cached.  The C side
 * fills them by position (shapes in src/api).
 */
CREATE TYPE quota.debit_result AS (
    id        bigint,
    remaining bigint,
    resets_at timestamptz
);
COMMENT ON TYPE quota.debit_result IS 'a row of quota.debit()';
COMMENT ON COLUMN quota.debit_result.id IS 'the debit''s in quota.ledger; NULL: nothing was charged';
COMMENT ON COLUMN quota.debit_result.remaining IS 'what one debit could still take; NULL: unlimited';
COMMENT ON COLUMN quota.debit_result.resets_at IS 'the end of the window; NULL: it has none';

CREATE TYPE quota.try_debit_result AS (
    allowed     boolean,
    reason      text,
    id          bigint,
    debited     bigint,
    remaining   bigint,
    resets_at   timestamptz,
    retry_after interval,
    blocked_by  text
);
COMMENT ON TYPE quota.try_debit_result IS 'a row of quota.try_debit()';
COMMENT ON COLUMN quota.try_debit_result.allowed IS 'true: charged (in observe mode also what enforce would have refused)';
COMMENT ON COLUMN quota.try_debit_result.reason IS 'ok, quota_exceeded, subscription_inactive, not_entitled, rate_limited';
COMMENT ON COLUMN quota.try_debit_result.id IS 'the debit''s in quota.ledger; NULL: nothing was charged';
COMMENT ON COLUMN quota.try_debit_result.debited IS 'the units that were charged';
COMMENT ON COLUMN quota.try_debit_result.remaining IS 'what one debit could still take; NULL: unlimited';
COMMENT ON COLUMN quota.try_debit_result.resets_at IS 'the end of the window; NULL: it has none';
COMMENT ON COLUMN quota.try_debit_result.retry_after IS 'how long to wait; NULL: waiting does not help';
COMMENT ON COLUMN quota.try_debit_result.blocked_by IS 'the level of the path that refused';

CREATE TYPE quota.debit_many_result AS (
    feature   text,
    id        bigint,
    remaining bigint,
    resets_at timestamptz
);
COMMENT ON TYPE quota.debit_many_result IS 'a row of quota.debit_many()';
COMMENT ON COLUMN quota.debit_many_result.feature IS 'what was charged';
COMMENT ON COLUMN quota.debit_many_result.id IS 'the debit''s in quota.ledger; NULL: nothing was charged';
COMMENT ON COLUMN quota.debit_many_result.remaining IS 'what one debit could still take; NULL: unlimited';
COMMENT ON COLUMN quota.debit_many_result.resets_at IS 'the end of the window; NULL: it has none';

CREATE TYPE quota.charge_result AS (
    feature   text,
    id        bigint,
    charged   bigint,
    remaining bigint,
    resets_at timestamptz
);
COMMENT ON TYPE quota.charge_result IS 'a row of quota.charge() and quota.charge_units()';
COMMENT ON COLUMN quota.charge_result.feature IS 'what was charged';
COMMENT ON COLUMN quota.charge_result.id IS 'the debit''s in quota.ledger; NULL: nothing was charged';
COMMENT ON COLUMN quota.charge_result.charged IS 'what the action came to, in units of the feature';
COMMENT ON COLUMN quota.charge_result.remaining IS 'what one debit could still take; NULL: unlimited';
COMMENT ON COLUMN quota.charge_result.resets_at IS 'the end of the window; NULL: it has none';

CREATE TYPE quota.refund_result AS (
    id        bigint,
    refunded  bigint,
    remaining bigint
);
COMMENT ON TYPE quota.refund_result IS 'a row of quota.refund()';
COMMENT ON COLUMN quota.refund_result.id IS 'the refund''s own in quota.ledger';
COMMENT ON COLUMN quota.refund_result.refunded IS 'the units that were given back';
COMMENT ON COLUMN quota.refund_result.remaining IS 'what one debit could take now; NULL: unlimited';

CREATE TYPE quota.give_back_result AS (
    id        bigint,
    remaining bigint
);
COMMENT ON TYPE quota.give_back_result IS 'a row of quota.give_back()';
COMMENT ON COLUMN quota.give_back_result.id IS 'the operation''s in quota.ledger';
COMMENT ON COLUMN quota.give_back_result.remaining IS 'what one debit could take now; NULL: unlimited';

CREATE TYPE quota.check_result AS (
    allowed     boolean,
    reason      text,
    allowance   bigint,
    used        bigint,
    remaining   bigint,
    resets_at   timestamptz,
    retry_after interval,
    blocked_by  text
);
COMMENT ON TYPE quota.check_result IS 'a row of quota.check()';
COMMENT ON COLUMN quota.check_result.allowed IS 'would a debit be allowed now?';
COMMENT ON COLUMN quota.check_result.reason IS 'ok, quota_exceeded, subscription_inactive, not_entitled, rate_limited';
COMMENT ON COLUMN quota.check_result.allowance IS 'of the level with the least remaining, as the columns up to resets_at; NULL: unlimited';
COMMENT ON COLUMN quota.check_result.used IS 'units used of it in its window (capacity: held)';
COMMENT ON COLUMN quota.check_result.remaining IS 'what one debit could take now; NULL: unlimited';
COMMENT ON COLUMN quota.check_result.resets_at IS 'the end of the window; NULL: it has none';
COMMENT ON COLUMN quota.check_result.retry_after IS 'how long to wait; NULL: allowed, or waiting does not help';
COMMENT ON COLUMN quota.check_result.blocked_by IS 'the level of the path that refuses';

CREATE TYPE quota.reserve_result AS (
    id         bigint,
    reserved   bigint,
    remaining  bigint,
    expires_at timestamptz
);
COMMENT ON TYPE quota.reserve_result IS 'a row of quota.reserve()';
COMMENT ON COLUMN quota.reserve_result.id IS 'the hold''s, and its debit''s in quota.ledger; NULL: nothing was reserved';
COMMENT ON COLUMN quota.reserve_result.reserved IS 'the units that were reserved';
COMMENT ON COLUMN quota.reserve_result.remaining IS 'what one debit could still take; NULL: unlimited';
COMMENT ON COLUMN quota.reserve_result.expires_at IS 'from when on it no longer counts';

CREATE TYPE quota.extend_result AS (
    reserved   bigint,
    remaining  bigint,
    expires_at timestamptz
);
COMMENT ON TYPE quota.extend_result IS 'a row of quota.extend()';
COMMENT ON COLUMN quota.extend_result.reserved IS 'the hold''s new total';
COMMENT ON COLUMN quota.extend_result.remaining IS 'what one debit could still take; NULL: unlimited';
COMMENT ON COLUMN quota.extend_result.expires_at IS 'from when on it no longer counts';

CREATE TYPE quota.settle_result AS (
    id        bigint,
    charged   bigint,
    overdrawn bigint,
    remaining bigint
);
COMMENT ON TYPE quota.settle_result IS 'a row of quota.settle()';
COMMENT ON COLUMN quota.settle_result.id IS 'the hold''s, by which it can be refunded';
COMMENT ON COLUMN quota.settle_result.charged IS 'what the work cost';
COMMENT ON COLUMN quota.settle_result.overdrawn IS 'how much of it there was no room for, at the level with the most';
COMMENT ON COLUMN quota.settle_result.remaining IS 'what one debit could still take; NULL: unlimited';

CREATE TYPE quota.release_result AS (
    released  bigint,
    remaining bigint
);
COMMENT ON TYPE quota.release_result IS 'a row of quota.release()';
COMMENT ON COLUMN quota.release_result.released IS 'what came back; 0 after the hold''s expiry';
COMMENT ON COLUMN quota.release_result.remaining IS 'what one debit could still take; NULL: unlimited';

CREATE TYPE quota.throttle_result AS (
    allowed     boolean,
    remaining   bigint,
    retry_after interval
);
COMMENT ON TYPE quota.throttle_result IS 'a row of quota.throttle()';
COMMENT ON COLUMN quota.throttle_result.allowed IS 'true: it passed, and was taken';
COMMENT ON COLUMN quota.throttle_result.remaining IS 'what would pass at once now';
COMMENT ON COLUMN quota.throttle_result.retry_after IS 'how long until it would pass; NULL: it passed, or never will';

CREATE TYPE quota.credit_result AS (
    id        bigint,
    remaining bigint
);
COMMENT ON TYPE quota.credit_result IS 'a row of quota.credit()';
COMMENT ON COLUMN quota.credit_result.id IS 'the grant''s, for quota.revoke()';
COMMENT ON COLUMN quota.credit_result.remaining IS 'what one debit could take now; NULL: unlimited';

CREATE TYPE quota.set_usage_result AS (
    id        bigint,
    remaining bigint
);
COMMENT ON TYPE quota.set_usage_result IS 'a row of quota.set_usage()';
COMMENT ON COLUMN quota.set_usage_result.id IS 'the correction''s in quota.ledger; NULL: there was no difference';
COMMENT ON COLUMN quota.set_usage_result.remaining IS 'what one debit could take now; NULL: unlimited';

CREATE TYPE quota.authenticate_result AS (
    subject text,
    key_id  bigint,
    scopes  text[]
);
COMMENT ON TYPE quota.authenticate_result IS 'a row of quota.authenticate()';
COMMENT ON COLUMN quota.authenticate_result.subject IS 'for whom the key acts';
COMMENT ON COLUMN quota.authenticate_result.key_id IS 'the key''s in quota.api_keys';
COMMENT ON COLUMN quota.authenticate_result.scopes IS 'what it may do, as create_api_key() was told';

CREATE TYPE quota.record_result AS (
    id        bigint,
    overdrawn bigint,
    remaining bigint
);
COMMENT ON TYPE quota.record_result IS 'a row of quota.record()';
COMMENT ON COLUMN quota.record_result.id IS 'of the debit, for quota.refund(); NULL in observe mode where nothing gave the feature';
COMMENT ON COLUMN quota.record_result.overdrawn IS 'how much of it had no room, at the level with the most';
COMMENT ON COLUMN quota.record_result.remaining IS 'what one debit could take now; NULL: unlimited';
