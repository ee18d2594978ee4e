/*
 * What shared memory has of accounts, for administrators.
 */
CREATE OR REPLACE VIEW quota.leases AS
SELECT b.subject, f.name AS feature, nullif(b.period_start, '-infinity') AS period_start, b.leased,
       m.taken, m.in_flight, m.available, m.opened_at, m.drawn_at
FROM quota_internal.bucket b
    JOIN quota_internal.feature f ON f.id = b.feature_id
    LEFT JOIN quota_internal._leases() m ON m.lease_id = b.lease_id
WHERE b.lease_id IS NOT NULL;

COMMENT ON VIEW quota.leases IS 'hot accounts that are charged in shared memory, where the library is preloaded: how much of their counters they lease';
COMMENT ON COLUMN quota.leases.subject IS 'the account: the prefix that the use is counted at';
COMMENT ON COLUMN quota.leases.feature IS 'what is used';
COMMENT ON COLUMN quota.leases.period_start IS 'when the window began; NULL: a capacity, or a lifetime';
COMMENT ON COLUMN quota.leases.leased IS 'how many units charges may take without the account''s row';
COMMENT ON COLUMN quota.leases.taken IS 'how many of them committed transactions have taken; NULL: memory does not know the lease (after a restart, or on a standby), and the next charge of the account, or maintain(), ends it';
COMMENT ON COLUMN quota.leases.in_flight IS 'how many of them open and prepared transactions have taken';
COMMENT ON COLUMN quota.leases.available IS 'how many of them can be taken now';
COMMENT ON COLUMN quota.leases.opened_at IS 'when the lease was opened; it lasts for some ten seconds';
COMMENT ON COLUMN quota.leases.drawn_at IS 'when units were added last';
