/*
 * An exact range of one subject, so that a built-in GiST operator class can keep
 * the subscriptions of one subject from overlapping, at any isolation level and
 * without btree_gist.
 */
CREATE TYPE quota.subject_range AS RANGE (subtype = text, collation = "C");
COMMENT ON TYPE quota.subject_range IS 'internal: lets an exclusion constraint compare subjects for equality';

CREATE SEQUENCE quota.subscription_id_seq;
CREATE TABLE quota.subscription (
    id                  int8 PRIMARY KEY DEFAULT nextval('quota.subscription_id_seq'),
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
    CHECK (ends_at >= starts_at),
    CONSTRAINT subscription_one_at_a_time
        EXCLUDE USING gist (quota.subject_range(subject, subject, '[]') WITH &&,
                            tstzrange(starts_at, ends_at) WITH &&)
);
ALTER SEQUENCE quota.subscription_id_seq OWNED BY quota.subscription.id;
CREATE INDEX subscription_subject ON quota.subscription (subject, starts_at);
COMMENT ON TABLE quota.subscription IS 'a subject''s plan over [starts_at, ends_at); ended rows are history';
COMMENT ON COLUMN quota.subscription.ends_at IS 'NULL = open; a trial and a scheduled cancellation end it here too';
COMMENT ON COLUMN quota.subscription.asked_ends_at IS 'the end that was asked for, while a trial or a scheduled cancellation puts a nearer one into ends_at';

/*
 * Where use is counted.  A metered account has one row for each window that was
 * ever charged; a capacity account has one row (source_id 0, period_start
 * -infinity) that survives periods and plans.  A row appears with the window's
 * first charge.  The row engine locks and updates it in the caller's transaction,
 * so most updates shall be HOT: no index but the key, and free room on each page.
 */
CREATE TABLE quota.bucket (
    subject          text COLLATE "C" NOT NULL,
    feature_id       int4 NOT NULL,
    source_id        int8 NOT NULL,
    period_start     timestamptz NOT NULL,
    period_end       timestamptz NOT NULL,
    used             int8 NOT NULL DEFAULT 0 CHECK (used >= 0),
    overdrawn        int8 NOT NULL DEFAULT 0 CHECK (overdrawn >= 0),
    moved_start      timestamptz,
    moved_end        timestamptz,
    moved_id         int8,
    PRIMARY KEY (subject, feature_id, source_id, period_start, period_end),
    CHECK ((moved_start IS NULL) = (moved_end IS NULL) AND (moved_start IS NULL) = (moved_id IS NULL))
) WITH (fillfactor = 70);
COMMENT ON TABLE quota.bucket IS 'the use of one account in one window; sums of ledger_entry, kept in the same transaction';
COMMENT ON COLUMN quota.bucket.source_id IS 'the subscription that the account depends on, 0 = none (default plan) or capacity';
COMMENT ON COLUMN quota.bucket.used IS 'units taken from the allowance (capacity: held)';
COMMENT ON COLUMN quota.bucket.overdrawn IS 'units taken beyond all room; count as used, end with the period';
COMMENT ON COLUMN quota.bucket.moved_start IS 'with moved_end: the window of the same source that took this one''s use over; charges must go there';
COMMENT ON COLUMN quota.bucket.moved_id IS 'a ledger id of the moment it was taken over: the use of debits with a smaller one went along';
COMMENT ON COLUMN quota.bucket.period_end IS 'part of the key: a month and a year can begin at the same moment';
