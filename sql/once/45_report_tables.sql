/*
 * What maintain() makes of the ledger: sums by hour, for usage(), and sums of the
 * months that it has dropped, for verify().
 */
CREATE TABLE quota_internal.usage_hour (
    subject    text COLLATE "C" NOT NULL,
    feature_id int4 NOT NULL,
    hour       timestamptz NOT NULL,
    used       numeric NOT NULL,
    debits     int8 NOT NULL,
    PRIMARY KEY (subject, feature_id, hour)
);
COMMENT ON TABLE quota_internal.usage_hour IS 'what was charged for exactly this subject in one hour (UTC), as far as it is rolled up';
COMMENT ON COLUMN quota_internal.usage_hour.used IS 'taken less given back, each operation once; numeric: no account''s limit binds here';
COMMENT ON COLUMN quota_internal.usage_hour.debits IS 'number of debits and holds';

/*
 * How far the rollup has come: every entry that this snapshot sees has been added
 * to usage_hour, and no other.  The row comes with the first catalog, not with
 * the installation: a restore would find it taken.
 */
CREATE TABLE quota_internal.posting (
    one               bool PRIMARY KEY DEFAULT true CHECK (one),
    epoch             int2 NOT NULL,
    system_identifier int8 NOT NULL,
    snapshot          pg_snapshot NOT NULL,
    dropped_before    timestamptz,
    tidied_at         timestamptz,
    event_id          int8 NOT NULL DEFAULT 0
);
COMMENT ON TABLE quota_internal.posting IS 'one row: how far maintain() has come';
COMMENT ON COLUMN quota_internal.posting.epoch IS 'of the transaction numbers in snapshot: they mean something in one cluster only';
COMMENT ON COLUMN quota_internal.posting.system_identifier IS 'the cluster that the snapshot was taken in';
COMMENT ON COLUMN quota_internal.posting.snapshot IS 'the entries of this epoch that it sees are rolled up, and all of earlier epochs';
COMMENT ON COLUMN quota_internal.posting.dropped_before IS 'months of the ledger before have been dropped; NULL = none';
COMMENT ON COLUMN quota_internal.posting.tidied_at IS 'when old denials, holds and windows were looked for the last time';
COMMENT ON COLUMN quota_internal.posting.event_id IS 'the newest event that NOTIFY has told of';

CREATE TABLE quota_internal.opening (
    account      text COLLATE "C" NOT NULL,
    feature_id   int4 NOT NULL,
    source       "char" NOT NULL,
    source_id    int8 NOT NULL,
    period_start timestamptz NOT NULL,
    period_end   timestamptz NOT NULL,
    grant_id     int8 NOT NULL DEFAULT 0,
    amount       numeric NOT NULL,
    PRIMARY KEY (account, feature_id, source_id, period_start, period_end, source, grant_id)
);
COMMENT ON TABLE quota_internal.opening IS 'sums of the ledger entries in months that have been dropped, by bucket';
COMMENT ON COLUMN quota_internal.opening.grant_id IS '0 = not from a grant';
