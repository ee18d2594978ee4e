--
-- The views periods, what to invoice, and holds
--
SET client_min_messages = warning; DROP EXTENSION IF EXISTS quota CASCADE; CREATE EXTENSION quota CASCADE;
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/include/enforcement.psql'
\i :helpers
SET quota.clock = '2026-01-05 00:00:00+00';
SELECT count(*) FROM quota.apply_catalog('{
    "features": {"tokens": {"kind": "metered"}, "docs": {"kind": "capacity"}},
    "plans": {"free": {"default": true, "entitlements": {"tokens": {"allowance": 100, "period": "month"}, "docs": {"allowance": 10}}},
              "big": {"entitlements": {"tokens": {"allowance": null, "period": "month"}}},
              "weekly": {"entitlements": {"tokens": {"allowance": 500, "period": "week"}}}}}');
SELECT * FROM quota.periods;
-- A row for each period that had any use; a capacity has none.
SELECT id FROM quota.debit('ann', 'tokens', 60) \gset
SELECT remaining FROM quota.debit('ann', 'docs', 3);
SELECT id FROM quota.debit('bob', 'tokens', 5) \gset bob_
SELECT refunded FROM quota.refund(:bob_id);
SELECT quota.subscribe('acme', 'big');
SELECT remaining FROM quota.debit('acme/al', 'tokens', 9999);
SET quota.clock = '2026-02-05 00:00:00+00';
SET quota.enforcement = observe;
SELECT remaining FROM quota.debit('ann', 'tokens', 130);
RESET quota.enforcement;
SELECT subject, feature, plan, period_start, period_end, allowance, used, overage, overdrawn FROM quota.periods ORDER BY subject, period_start;
-- A window that another one took over shows once, as the new one.
SELECT quota.change_plan('acme', 'weekly');
SELECT remaining FROM quota.debit('acme', 'tokens', 1);
SELECT quota.change_plan('acme', 'big');
SELECT quota.change_plan('acme', 'weekly');
SELECT subject, plan, version, period_start, period_end, allowance, used FROM quota.periods WHERE subject = 'acme' ORDER BY period_start;
-- What rolled over, grants, overage; an expired hold is not invoiced, even if nobody has given it back; by hand.
INSERT INTO quota_internal.bucket (subject, feature_id, plan_version_id, source_id, period_start, period_end, used, granted, overage, overdrawn, allowance, reserved, rolled_in, rolled_out, prorated)
    SELECT 'cat', f.id, v.plan_version_id, v.source_id, v.s::timestamptz, v.e::timestamptz, v.used, v.granted, v.overage, v.overdrawn, v.allowance, v.reserved, v.rolled_in, v.rolled_out, v.prorated
    FROM quota_internal.feature f, (VALUES
        (1, 0, '2026-01-01', '2026-02-01', 0, NULL::int, NULL::int, 0, 100, NULL::int, NULL::int, 40, NULL::int),
        (1, 0, '2026-02-01', '2026-03-01', 140, 30, 25, 3, 100, 60, 40, NULL, NULL),
        (NULL, 5, '-infinity', 'infinity', 0, 8, NULL, 0, 0, NULL, NULL, NULL, NULL),
        (1, 6, '2026-02-01', '2026-03-01', 1, NULL, NULL, 0, 100, NULL, NULL, NULL, 70)) v(plan_version_id, source_id, s, e, used, granted, overage, overdrawn, allowance, reserved, rolled_in, rolled_out, prorated)
    WHERE f.name = 'tokens';
INSERT INTO quota_internal.ledger_entry (id, at, subject, account, feature_id, kind, source, source_id, period_start, period_end, amount, debit_id)
    SELECT v.id, '2026-02-04', 'cat/x', 'cat', f.id, 'h', v.source::"char", 0, '2026-02-01', '2026-03-01', v.amount, v.hold
    FROM quota_internal.feature f, (VALUES (9001, 'a', 15, 9001), (9002, 'v', 20, 9001), (9003, 'a', 25, 9003)) v(id, source, amount, hold) WHERE f.name = 'tokens';
INSERT INTO quota_internal.hold (id, subject, feature_id, reserved, ttl_us, created_at, expires_at, expiry_seen, metadata)
    SELECT v.id, 'cat/x', f.id, v.reserved, 1, '2026-02-04', v.expires_at::timestamptz, v.seen, '{"job": 7}'
    FROM quota_internal.feature f, (VALUES (9001, 35, '2026-02-05 00:10', false), (9003, 25, '2026-02-05 01:00', false),
                                  (8000, 1, '2026-02-03', true)) v(id, reserved, expires_at, seen)
    WHERE f.name = 'tokens';
INSERT INTO quota_internal.hold_part SELECT 'cat', h.feature_id, h.id, h.expires_at FROM quota_internal.hold h WHERE NOT h.expiry_seen;
SELECT plan, period_start, allowance, used, overage, overdrawn, granted, rolled_in, rolled_out, reserved FROM quota.periods WHERE subject = 'cat' ORDER BY period_start, used;
SELECT * FROM quota.holds ORDER BY id;
SET quota.clock = '2026-02-05 00:10:00+00';
SELECT plan, period_start, allowance, used, overage, overdrawn, granted, reserved FROM quota.periods WHERE subject = 'cat' AND overdrawn > 0;
SELECT * FROM quota.holds ORDER BY id;
-- nor one whose use a change of plan has moved; one that was settled meanwhile stays
SET quota.clock = '2026-03-05 00:00:00+00';
SELECT quota.subscribe('dot', 'big') IS NOT NULL AS s;
SELECT remaining FROM quota.debit('dot', 'tokens', 7);
SELECT id FROM quota.reserve('dot', 'tokens', 40, '1 hour') \gset gone_
SELECT id FROM quota.reserve('dot', 'tokens', 30, '1 day') \gset open_
SELECT id FROM quota.reserve('dot', 'tokens', 20, '1 hour') \gset done_
SELECT quota.change_plan('dot', 'weekly') IS NOT NULL AS changed;
SELECT charged FROM quota.settle(:done_id, 15);
CREATE VIEW pg_temp.dot AS
SELECT plan, period_start, period_end, used, reserved FROM quota.periods WHERE subject = 'dot' ORDER BY period_start;
SELECT * FROM pg_temp.dot;
SET quota.clock = '2026-03-05 01:00:00+00';
SELECT * FROM pg_temp.dot;
SELECT used, reserved FROM quota.status('dot') WHERE feature = 'tokens';
SELECT quota.change_plan('dot', 'big') IS NOT NULL AS changed;
SELECT * FROM pg_temp.dot;
SELECT rows FROM quota.maintain() WHERE task = 'holds given back';
SELECT * FROM pg_temp.dot;
-- without a test clock, as a role of level admin
RESET quota.clock;
CREATE ROLE regress_quota_views;
SELECT quota.grant_access('regress_quota_views', 'admin');
SET ROLE regress_quota_views;
SELECT count(*) FROM quota.periods;
SELECT count(*) FROM quota.holds;
RESET ROLE;
SELECT quota.revoke_access('regress_quota_views');
DROP ROLE regress_quota_views;
