/*
 * An exact range of one subject, so that a built-in GiST operator class can keep
 * the subscriptions of one subject from overlapping, at any isolation level and
 * without btree_gist.
 */
CREATE TYPE quota_internal.subject_range AS RANGE (subtype = text, collation = "C");
COMMENT ON TYPE quota_internal.subject_range IS 'internal: lets an exclusion constraint compare subjects for equality';

CREATE SEQUENCE quota_internal.subscription_id_seq;
CREATE TABLE quota_internal.subscription (
    id                  int8 PRIMARY KEY DEFAULT nextval('quota_internal.subscription_id_seq'),
    subject             text COLLATE "C" NOT NULL,
    plan_version_id     int4 NOT NULL,
    status              text NOT NULL CHECK (status IN ('trialing', 'active', 'past_due', 'paused')),
    starts_at           timestamptz NOT NULL CHECK (isfinite(starts_at)),
    ends_at             timestamptz CHECK (isfinite(ends_at)),
    timezone            text NOT NULL DEFAULT 'UTC',
    trial_ends_at       timestamptz,
    asked_ends_at       timestamptz,
    cancelled_at        timestamptz,
    external_id         text,
    metadata            jsonb NOT NULL DEFAULT '{}',
    anchor_at           timestamptz NOT NULL CHECK (isfinite(anchor_at)),
    source_id           int8 NOT NULL,
    past_due_since      timestamptz,
    next_version_id     int4,
    next_at             timestamptz,
    next_usage          text CHECK (next_usage IN ('keep', 'reset', 'prorate')),
    next_source_id      int8,
    quantity            int8 NOT NULL DEFAULT 1 CHECK (quantity > 0),
    paused_from         text CHECK (paused_from IN ('trialing', 'active', 'past_due')),
    paused_until        timestamptz CHECK (isfinite(paused_until)),
    CHECK ((status = 'paused') = (paused_from IS NOT NULL)),
    CHECK (status = 'paused' OR paused_until IS NULL),
    CHECK (('past_due' IN (status, coalesce(paused_from, status))) = (past_due_since IS NOT NULL)),
    CHECK ((next_version_id IS NULL) = (next_at IS NULL) AND (next_version_id IS NULL) = (next_usage IS NULL)
           AND (next_version_id IS NULL) = (next_source_id IS NULL)),
    CHECK (ends_at >= starts_at),
    -- By the hash first: GiST cannot say how far apart two texts are, so pages of them alone come
    -- to overlap, and every insert costs more the more there are.
    CONSTRAINT subscription_one_at_a_time
        EXCLUDE USING gist (int8range(hashtext(subject), hashtext(subject), '[]') WITH &&,
                            quota_internal.subject_range(subject, subject, '[]') WITH &&,
                            tstzrange(starts_at, ends_at) WITH &&)
);
ALTER SEQUENCE quota_internal.subscription_id_seq OWNED BY quota_internal.subscription.id;
CREATE INDEX subscription_subject ON quota_internal.subscription (subject, starts_at);
-- For the look-up of every call: 12 thousand instructions by it, 18 by the B-tree.
CREATE INDEX subscription_subject_hash ON quota_internal.subscription USING hash (subject);
-- Every minute maintain() asks which changes are due.
CREATE INDEX subscription_next ON quota_internal.subscription (next_at) WHERE next_at IS NOT NULL;
-- A payment provider's callback knows the subscription by its own id.
CREATE INDEX subscription_external_id ON quota_internal.subscription (external_id) WHERE external_id IS NOT NULL;
COMMENT ON TABLE quota_internal.subscription IS 'a subject''s plan over [starts_at, ends_at); ended rows are history';
COMMENT ON COLUMN quota_internal.subscription.ends_at IS 'NULL = open; a trial and a scheduled cancellation end it here too';
COMMENT ON COLUMN quota_internal.subscription.asked_ends_at IS 'the end that was asked for, while a trial or a scheduled cancellation puts a nearer one into ends_at';
COMMENT ON COLUMN quota_internal.subscription.anchor_at IS 'from where billing periods and windows with the anchor "subscription" count: starts_at, or the last change of plan with usage "reset"';
COMMENT ON COLUMN quota_internal.subscription.source_id IS 'of its buckets; a change of plan with usage "reset" draws another, so that use begins at 0';
COMMENT ON COLUMN quota_internal.subscription.past_due_since IS 'since when it is past_due; the plan''s grace counts from here';
COMMENT ON COLUMN quota_internal.subscription.quantity IS 'how many of the plan, such as seats';
COMMENT ON COLUMN quota_internal.subscription.paused_from IS 'the status before the pause, which counts again from paused_until on; nobody has to write that';
COMMENT ON COLUMN quota_internal.subscription.paused_until IS 'when a pause ends by itself; NULL = set_status() ends it';
COMMENT ON COLUMN quota_internal.subscription.next_version_id IS 'the plan version that a scheduled change brings at next_at, with next_usage; its buckets then have next_source_id';

/*
 * Where use is counted.  A metered account has one row for each window that was
 * ever charged; a capacity account has one row (source_id 0, period_start
 * -infinity) that survives periods and plans.  A row appears with the window's
 * first charge.  Where a change of plan has moved its use to another window, it bears
 * a mark for good; what the account is charged when it comes back is in a row of the
 * next generation.  The engine locks and updates rows in the caller's transaction,
 * so most updates shall be HOT: no index but the key, and free room on each page.
 * Counts that are mostly 0 are stored as NULL then: rows stay short.
 */
CREATE SEQUENCE quota_internal.lease_id_seq;

CREATE TABLE quota_internal.bucket (
    subject          text COLLATE "C" NOT NULL,
    feature_id       int4 NOT NULL,
    plan_version_id  int4,
    generation       int4 NOT NULL DEFAULT 0 CHECK (generation >= 0),   -- not last of the key: it would be padded there
    source_id        int8 NOT NULL,
    period_start     timestamptz NOT NULL,
    period_end       timestamptz NOT NULL,
    used             int8 NOT NULL DEFAULT 0 CHECK (used >= 0),
    overdrawn        int8 NOT NULL DEFAULT 0 CHECK (overdrawn >= 0),
    allowance        int8 CHECK (allowance >= 0),
    granted          int8 CHECK (granted > 0),
    overage          int8 CHECK (overage > 0),
    reserved         int8 CHECK (reserved > 0 OR lease_id IS NOT NULL),
    rolled_in        int8 CHECK (rolled_in >= 0),
    rolled_out       int8 CHECK (rolled_out > 0),
    prorated         int8 CHECK (prorated >= 0),
    moved_start      timestamptz,
    moved_end        timestamptz,
    moved_id         int8,
    leased           int8 CHECK (leased >= 0),
    lease_id         int8,
    lease_since      int8,
    leases_overage   bool CHECK (leases_overage),
    PRIMARY KEY (subject, feature_id, source_id, period_start, period_end, generation),
    CHECK ((moved_start IS NULL) = (moved_end IS NULL) AND (moved_start IS NULL) = (moved_id IS NULL)),
    CHECK ((leased IS NULL) = (lease_id IS NULL) AND (lease_since IS NULL) = (lease_id IS NULL) AND (lease_id IS NOT NULL OR leases_overage IS NULL)),
    CHECK (lease_id IS NULL OR moved_id IS NULL)
) WITH (fillfactor = 70);
-- What to invoice is asked by the end of the period.  Rows come as time goes by, so this is small, and an update stays HOT.
CREATE INDEX bucket_period_end ON quota_internal.bucket USING brin (period_end) WITH (pages_per_range = 16, autosummarize = on);
-- Open leases; a lease is opened and closed about once in ten seconds, what is drawn meanwhile stays HOT.
CREATE INDEX bucket_lease ON quota_internal.bucket (lease_id) WHERE lease_id IS NOT NULL;
COMMENT ON TABLE quota_internal.bucket IS 'the use of one account in one window; sums of ledger_entry, kept in the same transaction';
COMMENT ON COLUMN quota_internal.bucket.plan_version_id IS 'the plan that the account depended on at the last charge; NULL = none, or capacity';
COMMENT ON COLUMN quota_internal.bucket.source_id IS 'source_id of the subscription that the account depends on, 0 = none (default plan) or capacity';
COMMENT ON COLUMN quota_internal.bucket.used IS 'units taken from the allowance, what rolled over included (capacity: held)';
COMMENT ON COLUMN quota_internal.bucket.overdrawn IS 'units taken beyond all room; count as used, end with the period';
COMMENT ON COLUMN quota_internal.bucket.allowance IS 'the allowance at the last charge, without what rolled over; NULL = unlimited, or capacity';
COMMENT ON COLUMN quota_internal.bucket.granted IS 'units that this window took from grants; NULL = 0';
COMMENT ON COLUMN quota_internal.bucket.overage IS 'units taken as overage, to be invoiced; NULL = 0';
COMMENT ON COLUMN quota_internal.bucket.reserved IS 'how much of the counts belongs to open holds; NULL = 0; with a lease a part of that, which the lease''s entry in memory completes, and which can be negative';
COMMENT ON COLUMN quota_internal.bucket.rolled_in IS 'units that rolled over into this window, fixed by its first charge or when some roll out of it; NULL = not fixed';
COMMENT ON COLUMN quota_internal.bucket.rolled_out IS 'units that rolled over out of this window, and count as used here; NULL = 0';
COMMENT ON COLUMN quota_internal.bucket.prorated IS 'the allowance of this window after a change of plan with usage "prorate"; NULL = the plan''s';
COMMENT ON COLUMN quota_internal.bucket.generation IS 'counts how often the account has come back to the window after its use was moved away; all but the newest bear a mark';
COMMENT ON COLUMN quota_internal.bucket.moved_start IS 'with moved_end and moved_id the mark: the window of the same source that took this one''s use over; such a row counts nothing any more and stays as it is';
COMMENT ON COLUMN quota_internal.bucket.moved_id IS 'a ledger id of the moment it was taken over: entries with a smaller one, but not below the mark before, are of this generation and went along';
COMMENT ON COLUMN quota_internal.bucket.leased IS 'how much of "used" (with leases_overage: of "overage") is leased: of that, what ledger entries with this lease_id add up to has been taken; NULL = no lease';
COMMENT ON COLUMN quota_internal.bucket.lease_id IS 'which lease; NULL = none';
COMMENT ON COLUMN quota_internal.bucket.lease_since IS 'the last id of the ledger when it was opened: its entries have larger ones';
COMMENT ON COLUMN quota_internal.bucket.leases_overage IS 'the lease is of overage; NULL = of the allowance, or of a capacity';
COMMENT ON COLUMN quota_internal.bucket.period_end IS 'part of the key: a month and a year can begin at the same moment';

/*
 * What caps have counted: everything that an account was charged in a cap's
 * window, wherever it was taken from.  A fixed cap has a row for each window, one
 * that opens with the first use a single row that moves along.
 */
-- What a change of a subject's terms needs to know of the time before it (28_window_moves, 29_dependents).
CREATE TYPE quota_internal.account_window AS (
    feature_id      int4,
    source_id       int8,
    period_start    timestamptz,
    period_end      timestamptz,
    plan_version_id int4,
    allowance       int8,
    series          text,
    overridden      bool,
    of_members      bool,
    generation      int4
);
COMMENT ON TYPE quota_internal.account_window IS 'internal: a metered account''s window at a time, as _windows() has it';
COMMENT ON COLUMN quota_internal.account_window.generation IS 'of the row in which it counts, or that its next charge makes';

CREATE TYPE quota_internal.standing AS (
    subject    text,
    as_member  bool,
    limits     int8[],
    windows    quota_internal.account_window[]
);
COMMENT ON TYPE quota_internal.standing IS 'internal: a subject before a change: its windows, and limits and use as _standings() has them';
COMMENT ON COLUMN quota_internal.standing.as_member IS 'the change is one of its team''s: of its accounts it concerns those alone which it has as a member';

CREATE TABLE quota_internal.cap_use (
    subject       text COLLATE "C" NOT NULL,
    feature_id    int4 NOT NULL,
    source_id     int8 NOT NULL,
    period_months int4 NOT NULL,
    period_days   int4 NOT NULL,
    period_us     int8 NOT NULL,
    window_start  timestamptz NOT NULL,
    opened_at     timestamptz NOT NULL,
    closes_at     timestamptz NOT NULL,
    used          int8 NOT NULL DEFAULT 0 CHECK (used >= 0),
    cleared_id    int8 NOT NULL DEFAULT 0,
    PRIMARY KEY (subject, feature_id, source_id, period_months, period_days, period_us, window_start)
) WITH (fillfactor = 70);
-- For what comes back to the windows that a charge lies in: those that are over are passed by.
CREATE INDEX cap_use_closing ON quota_internal.cap_use (subject, feature_id, source_id, closes_at);
COMMENT ON TABLE quota_internal.cap_use IS 'what one cap of one account has counted in one window';
COMMENT ON COLUMN quota_internal.cap_use.window_start IS 'fixed: when the window began; first_use: -infinity, as the row is used for one window after the other';
COMMENT ON COLUMN quota_internal.cap_use.cleared_id IS 'a ledger id of the moment when clear_caps() set it to 0: what was charged before restores it no more; 0 = never';
COMMENT ON COLUMN quota_internal.cap_use.opened_at IS 'with closes_at: the window that "used" counts in, [opened_at, closes_at)';

/*
 * Credits on top of a plan.
 */
CREATE SEQUENCE quota_internal.credit_grant_id_seq;
CREATE TABLE quota_internal.credit_grant (
    id            int8 PRIMARY KEY DEFAULT nextval('quota_internal.credit_grant_id_seq'),
    subject       text COLLATE "C" NOT NULL,
    feature_id    int4 NOT NULL,
    amount        int8 NOT NULL CHECK (amount >= 0),
    priority      int4 NOT NULL DEFAULT 100,
    effective_at  timestamptz NOT NULL CHECK (isfinite(effective_at)),
    expires_at    timestamptz NOT NULL DEFAULT 'infinity',
    period        text,
    period_months int4 NOT NULL DEFAULT 0,
    period_days   int4 NOT NULL DEFAULT 0,
    period_us     int8 NOT NULL DEFAULT 0,
    timezone      text NOT NULL DEFAULT 'UTC',
    created_at    timestamptz NOT NULL,
    revoked_at    timestamptz,
    expiry_seen   bool NOT NULL DEFAULT false,
    source        text NOT NULL,
    metadata      jsonb NOT NULL DEFAULT '{}',
    used_up       bool NOT NULL DEFAULT false,
    beyond_caps   bool NOT NULL DEFAULT false,
    CHECK (expires_at > effective_at)
);
ALTER SEQUENCE quota_internal.credit_grant_id_seq OWNED BY quota_internal.credit_grant.id;
CREATE INDEX credit_grant_subject ON quota_internal.credit_grant (subject, feature_id, expires_at);
-- For a call that looks for what has expired since.
CREATE INDEX credit_grant_unseen ON quota_internal.credit_grant (subject, feature_id, expires_at) WHERE NOT expiry_seen;
-- Every minute maintain() asks which have expired.
CREATE INDEX credit_grant_expiry ON quota_internal.credit_grant (expires_at) WHERE NOT expiry_seen;
-- For every charge: a customer that tops up daily has a thousand old grants and one to take from.
CREATE INDEX credit_grant_open ON quota_internal.credit_grant (subject, feature_id, expires_at) WHERE NOT used_up AND revoked_at IS NULL;
COMMENT ON TABLE quota_internal.credit_grant IS 'a grant: credits of one subject prefix, valid in [effective_at, expires_at) until revoked';
COMMENT ON COLUMN quota_internal.credit_grant.period IS 'the amount comes again in each period counted from effective_at, and what is left lapses; NULL = once';
COMMENT ON COLUMN quota_internal.credit_grant.timezone IS 'in which the periods'' months and days are counted';
COMMENT ON COLUMN quota_internal.credit_grant.expiry_seen IS 'the event of its expiry has been written';
COMMENT ON COLUMN quota_internal.credit_grant.beyond_caps IS 'caps neither count nor stop what is taken of it';
COMMENT ON COLUMN quota_internal.credit_grant.used_up IS 'nothing is left of it, so charges need not look at it; written with its row of grant_use; of one with periods, never';

CREATE TABLE quota_internal.grant_use (
    grant_id     int8 NOT NULL,
    period_start timestamptz NOT NULL,
    period_end   timestamptz NOT NULL,
    used         int8 NOT NULL DEFAULT 0 CHECK (used >= 0),
    PRIMARY KEY (grant_id, period_start)
) WITH (fillfactor = 70);
COMMENT ON TABLE quota_internal.grant_use IS 'what was taken from a grant in one of its periods (of one without periods: in its validity)';

/*
 * The level of a leaky bucket (GCRA): tat is its theoretical arrival time.
 */
CREATE TABLE quota_internal.rate_use (
    subject    text COLLATE "C" NOT NULL,
    feature_id int4 NOT NULL,
    tat        timestamptz NOT NULL,
    fraction   int8 NOT NULL DEFAULT 0 CHECK (fraction >= 0),
    divisor    int8 NOT NULL DEFAULT 1 CHECK (divisor > 0 AND fraction < divisor),
    per_us     int8 NOT NULL DEFAULT 0 CHECK (per_us >= 0),
    PRIMARY KEY (subject, feature_id)
) WITH (fillfactor = 50);
COMMENT ON TABLE quota_internal.rate_use IS 'how far ahead of time an account''s rate has been used (GCRA''s theoretical arrival time)';
COMMENT ON COLUMN quota_internal.rate_use.fraction IS 'added to tat: fraction / divisor of a microsecond, so that no rounding adds up';
COMMENT ON COLUMN quota_internal.rate_use.per_us IS 'with divisor, the rate that it was last used at: divisor units per this time; 0 = not used yet';

/*
 * Room that is reserved.  What a hold took from which bucket is in the ledger,
 * under the hold's id; hold_part finds the holds of an account that have expired.
 * Closing a hold deletes it: the table stays as small as what is being worked on.
 */
CREATE TABLE quota_internal.hold (
    id          int8 PRIMARY KEY,
    subject     text COLLATE "C" NOT NULL,
    feature_id  int4 NOT NULL,
    reserved    int8 NOT NULL CHECK (reserved >= 0),
    ttl_us      int8 NOT NULL CHECK (ttl_us > 0),
    created_at  timestamptz NOT NULL,
    expires_at  timestamptz NOT NULL,
    expiry_seen bool NOT NULL DEFAULT false,
    metadata    jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX hold_open ON quota_internal.hold (subject, feature_id) WHERE NOT expiry_seen;
COMMENT ON TABLE quota_internal.hold IS 'a hold that is neither settled nor released; its id is that of its debit in the ledger';
COMMENT ON COLUMN quota_internal.hold.ttl_us IS 'microseconds that extend() renews it for';
COMMENT ON COLUMN quota_internal.hold.expiry_seen IS 'it has expired and its event is written; a settle may still come';

CREATE TABLE quota_internal.hold_part (
    account    text COLLATE "C" NOT NULL,
    feature_id int4 NOT NULL,
    hold_id    int8 NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (account, feature_id, expires_at, hold_id)
);
COMMENT ON TABLE quota_internal.hold_part IS 'the accounts that a hold counts in; a row goes when what was reserved there is settled, released, or given back after its expiry';
