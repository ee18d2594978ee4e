/*
 * The ledger: append-only, one row for every bucket that an operation touched.
 * Partitioned by month of "at".  Neither index nor key on the parent, only on
 * leaves: the dump of an extension's partitioned table would not restore
 * otherwise.  The default leaf is the only one that is an extension member.
 */
CREATE SEQUENCE quota_internal.ledger_id_seq;

-- PostgreSQL has none for xid8; its minmax functions work for whatever is ordered.
CREATE OPERATOR FAMILY quota_internal.xid8_minmax_ops USING brin;
CREATE OPERATOR CLASS quota_internal.xid8_minmax_ops FOR TYPE xid8 USING brin FAMILY quota_internal.xid8_minmax_ops AS
    OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >,
    FUNCTION 1 brin_minmax_opcinfo(internal),
    FUNCTION 2 brin_minmax_add_value(internal, internal, internal, internal),
    FUNCTION 3 brin_minmax_consistent(internal, internal, internal),
    FUNCTION 4 brin_minmax_union(internal, internal, internal);
COMMENT ON OPERATOR FAMILY quota_internal.xid8_minmax_ops USING brin IS 'ranges of transaction numbers';
COMMENT ON OPERATOR CLASS quota_internal.xid8_minmax_ops USING brin IS 'ranges of transaction numbers, for BRIN indexes of the ledger';

CREATE TABLE quota_internal.ledger_entry (
    id           int8 NOT NULL,
    at           timestamptz NOT NULL,
    xid          xid8 NOT NULL DEFAULT pg_current_xact_id(),
    subject      text COLLATE "C" NOT NULL,
    account      text COLLATE "C" NOT NULL,
    feature_id   int4 NOT NULL,
    kind         "char" NOT NULL,
    source       "char" NOT NULL,
    epoch        int2 NOT NULL DEFAULT 0,
    levels       int2 NOT NULL DEFAULT 1,
    source_id    int8 NOT NULL,
    period_start timestamptz NOT NULL,
    period_end   timestamptz NOT NULL,
    amount       int8 NOT NULL,
    debit_id     int8 NOT NULL,
    grant_id     int8,
    key          text COLLATE "C",
    metadata     jsonb,
    occurred_at  timestamptz,
    lease_id     int8
) PARTITION BY RANGE (at);
COMMENT ON TABLE quota_internal.ledger_entry IS 'append-only ledger; read it through the view quota.ledger';
COMMENT ON COLUMN quota_internal.ledger_entry.id IS 'of the entry; an operation''s first entry bears the id that the operation returned';
COMMENT ON COLUMN quota_internal.ledger_entry.subject IS 'for whom the operation was called; account is the prefix of it that this entry charges';
COMMENT ON COLUMN quota_internal.ledger_entry.kind IS 'd debit, r refund, b give_back, c correction, m what came back but was missing in its bucket (read as a correction), t transfer to another window, h reserved by a hold, s settle, l release, x expiry of a hold';
COMMENT ON COLUMN quota_internal.ledger_entry.levels IS 'bit n: the operation that debit_id names charged the prefix of n + 1 segments when it began; reports take the entries of one of these accounts, whatever came to the path or left it later';
COMMENT ON COLUMN quota_internal.ledger_entry.source IS 'a allowance, g grant (grant_id says which), v overage, o overdrawn, c capacity, C capacity that a settle took beyond the room; with account, feature_id, source_id, period_start, period_end the bucket';
COMMENT ON COLUMN quota_internal.ledger_entry.amount IS '> 0 taken, < 0 given back';
COMMENT ON COLUMN quota_internal.ledger_entry.debit_id IS 'the debit that a refund gives back, the hold that is settled, released or expires; of any other operation its own id';
COMMENT ON COLUMN quota_internal.ledger_entry.xid IS 'the transaction that wrote it, in its epoch: usage is rolled up by what a snapshot sees';
COMMENT ON COLUMN quota_internal.ledger_entry.occurred_at IS 'when it happened, where that is not "at", when it was booked: use that record() reports late, and the expiry of a hold; says which period of a grant and which windows of caps';
COMMENT ON COLUMN quota_internal.ledger_entry.lease_id IS 'the lease that it was taken from or given back to: while the bucket bears that, its counts have the lease and not this entry; NULL = none';
COMMENT ON COLUMN quota_internal.ledger_entry.epoch IS 'counts up when the data has come to another cluster, where transaction numbers begin again';

CREATE TABLE quota_internal.ledger_entry_default PARTITION OF quota_internal.ledger_entry DEFAULT;
COMMENT ON TABLE quota_internal.ledger_entry_default IS 'ledger entries of months that have no leaf of their own';
CREATE INDEX ledger_entry_default_debit ON quota_internal.ledger_entry_default (debit_id);
CREATE INDEX ledger_entry_default_subject ON quota_internal.ledger_entry_default (subject, feature_id, at);
/*
 * Costs next to nothing per insert.  id tells a refund of an id that is no debit
 * from an unknown id; xid finds what has not been rolled up; at, whether a month
 * has rows here; period_end, what old windows are still named by.  While a range
 * that VACUUM has summarized is being filled, every insert adds to its summary, for
 * 120 bytes of WAL and a lock that all inserts want; so ranges are small.
 */
CREATE INDEX ledger_entry_default_brin ON quota_internal.ledger_entry_default
    USING brin (id, xid quota_internal.xid8_minmax_ops, at, period_end) WITH (pages_per_range = 16, autosummarize = on);

/*
 * Uniqueness cannot span time partitions, hence a table of its own.
 */
CREATE TABLE quota_internal.idempotency_key (
    subject   text COLLATE "C" NOT NULL,
    key       text COLLATE "C" NOT NULL,
    function  text NOT NULL,
    arguments jsonb NOT NULL,
    results   jsonb NOT NULL,
    at        timestamptz NOT NULL,
    PRIMARY KEY (subject, key)
);
COMMENT ON TABLE quota_internal.idempotency_key IS 'what a call with a key was asked and answered, so that a retry charges nothing';
COMMENT ON COLUMN quota_internal.idempotency_key.results IS 'array of {"feature", "id", "amount"}, one for each result row';

/*
 * No key: recording a refusal never waits for another session, so two that meet
 * write a row each; the view quota.denials adds up.
 */
CREATE TABLE quota_internal.denial (
    day        date NOT NULL,
    subject    text COLLATE "C" NOT NULL,
    feature_id int4 NOT NULL,
    reason     text NOT NULL,
    times      int8 NOT NULL,
    last_at    timestamptz NOT NULL
);
CREATE INDEX denial_day ON quota_internal.denial (day, subject);
CREATE INDEX denial_subject ON quota_internal.denial (subject);
COMMENT ON TABLE quota_internal.denial IS 'refusals that committed: those of try_debit, of observe and of note_denial; read the view quota.denials';

CREATE SEQUENCE quota_internal.event_id_seq;
CREATE TABLE quota_internal.event (
    id         int8 PRIMARY KEY DEFAULT nextval('quota_internal.event_id_seq'),
    xid        xid8 NOT NULL DEFAULT pg_current_xact_id(),
    at         timestamptz NOT NULL,
    type       text NOT NULL,
    subject    text COLLATE "C",
    feature_id int4,
    data       jsonb NOT NULL DEFAULT '{}',
    actor      text NOT NULL DEFAULT coalesce(nullif(current_setting('quota.actor', true), ''), session_user)
);
ALTER SEQUENCE quota_internal.event_id_seq OWNED BY quota_internal.event.id;
-- as readers read
CREATE INDEX event_order ON quota_internal.event (xid, id);
CREATE INDEX event_subject ON quota_internal.event (subject, id);
CREATE INDEX event_at ON quota_internal.event USING brin (at) WITH (pages_per_range = 16, autosummarize = on);
COMMENT ON TABLE quota_internal.event IS 'what happened to plans, in commit-safe order by (xid, id); read the view quota.events';
COMMENT ON COLUMN quota_internal.event.actor IS 'who acted: quota.actor, else the session''s user';
