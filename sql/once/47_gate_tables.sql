/*
 * What rows of gates that remember were charged.  C reads and writes it row by
 * row (store/gate_charge.c), so it has no CHECK, and no index but its key.
 *
 * The table is a regclass: an OID, which a rename does not change, and which a
 * dump writes as the name that it has at that moment.
 */
CREATE TABLE quota_internal.gate_charge (
    target     regclass NOT NULL,
    feature_id int4 NOT NULL,
    amount     int8 NOT NULL,
    key        text COLLATE "C" NOT NULL,
    subject    text COLLATE "C" NOT NULL,
    PRIMARY KEY (target, feature_id, key)
);
COMMENT ON TABLE quota_internal.gate_charge IS 'what each row of a gate that remembers was charged, and to whom';
COMMENT ON COLUMN quota_internal.gate_charge.target IS 'the table; of an inheritance tree the topmost whose gate remembers';
COMMENT ON COLUMN quota_internal.gate_charge.amount IS 'what it gives back; with refund never the most that it was ever worth';
COMMENT ON COLUMN quota_internal.gate_charge.key IS 'its primary key as text; of several columns a JSON array, beyond 1000 bytes its SHA-256';
