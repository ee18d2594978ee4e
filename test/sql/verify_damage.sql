--
-- quota.verify() against damage: each planted alone in a database with history of
-- every kind, and which check notices it
--
SET client_min_messages = warning; DROP EXTENSION IF EXISTS quota CASCADE; CREATE EXTENSION quota CASCADE;
SET quota.leases = off;	-- rows are written by hand
SET TimeZone = 'UTC'; SET DateStyle = 'ISO, YMD';
CREATE FUNCTION pg_temp.apply(free jsonb DEFAULT '{}') RETURNS bigint LANGUAGE sql AS $$
    SELECT count(*) FROM quota.apply_catalog(jsonb_build_object('features', '{"tokens": {"kind": "metered"}, "docs": {"kind": "capacity"}}'::jsonb, 'plans', jsonb_build_object(
        'free', jsonb_build_object('default', true, 'entitlements', '{"tokens": {"allowance": 1000, "period": "month"}, "docs": {"allowance": 10}}'::jsonb || free),
        'team', '{"entitlements": {"tokens": {"allowance": 10000, "period": "month", "anchor": "subscription", "rollover": {"max": 500}, "overage": true,
                                              "caps": [{"limit": 5000, "per": "1 day"}, {"limit": 3000, "per": "5 hours", "window": "first_use"}]}}}'::jsonb,
        'weekly', '{"entitlements": {"tokens": {"allowance": 50000, "period": "week"}}}'::jsonb)))
$$;

-- A year ago: months that retention has dropped
SET quota.clock = '2025-01-10 10:00:00+00';
SELECT pg_temp.apply();
SELECT count(*) > 0 AS maintained FROM quota.maintain();
SELECT quota.subscribe('acme', 'team'), quota.subscribe('beta', 'team');
SELECT remaining FROM quota.debit('acme/al', 'tokens', 100, 'old') \gset
SELECT id FROM quota.debit('beta', 'tokens', 50) \gset
SELECT remaining FROM quota.debit('ann', 'docs', 4) \gset
SELECT count(*) > 0 AS maintained FROM quota.maintain();
SET quota.clock = '2026-03-20 10:00:00+00';
SELECT sum(rows) > 0 AS dropped FROM quota.maintain() WHERE task = 'ledger entries dropped';
-- Then what rolls over, a moved window, grants, members with limits of their own
SET quota.clock = '2026-04-05 10:00:00+00';
SELECT remaining FROM quota.debit('acme/al', 'tokens', 2900) \gset
SET quota.clock = '2026-04-12 10:00:00+00';
SELECT remaining FROM quota.debit('acme/al', 'tokens', 20) \gset
SELECT quota.subscribe('gamma', 'team');
SELECT remaining FROM quota.debit('gamma', 'tokens', 70) \gset
-- a subscription that never was, within one that a transaction with an earlier time made
SELECT quota.subscribe('delta', 'team') > 0 AS subscribed, quota.cancel('delta', 'now') = quota_internal._now() AS at_once;
SET quota.clock = '2026-04-11 10:00:00+00';
SELECT quota.subscribe('delta', 'team') > 0 AS subscribed;
SET quota.clock = '2026-04-13 10:00:00+00';
SELECT quota.change_plan('gamma', 'weekly') > 0 AS changed;
SELECT remaining FROM quota.debit('gamma', 'tokens', 5) \gset
SELECT id FROM quota.credit('bob', 'tokens', 300, '2026-12-01', key => 'topup') \gset grant_
SELECT id FROM quota.credit('bob', 'tokens', 200, '2026-12-01') \gset unused_
SELECT id FROM quota.credit('acme', 'tokens', 40, every => 'month') \gset addon_
SELECT quota.revoke((quota.credit('bob', 'tokens', 7)).id) AS revoked;
SELECT quota.override('acme/al', 'tokens', '{"allowance": 5000, "period": "month"}');
SELECT remaining FROM quota.debit('bob', 'tokens', 1100) \gset
SELECT refunded FROM quota.refund((quota.debit('bob', 'tokens', 60)).id, 10, 'back');
SELECT remaining FROM quota.set_usage('beta', 'tokens', 45) \gset
-- holds: settled, released, expired and given back, expired and left, settled late, open, grown by a level that joined
SELECT overdrawn FROM quota.settle((quota.reserve('acme/al', 'tokens', 30)).id, 25);
SELECT released FROM quota.release((quota.reserve('acme/bo', 'tokens', 30)).id);
SELECT id FROM quota.reserve('acme/al', 'tokens', 8, '1 minute') \gset late_
SELECT id FROM quota.reserve('bob', 'tokens', 6, '1 minute') \gset left_
SELECT id FROM quota.reserve('acme/al', 'tokens', 50, '2 days') \gset open_
SELECT id FROM quota.reserve('acme/cy', 'tokens', 5, '2 days') \gset grown_
SELECT quota.override('acme/cy', 'tokens', '{"allowance": 500}');
SELECT reserved FROM quota.extend(:grown_id, amount => 12);
SET quota.clock = '2026-04-13 12:00:00+00';
SELECT charged FROM quota.settle(:late_id, 9);
SELECT count(*) > 0 AS maintained FROM quota.maintain();
SELECT id FROM quota.reserve('bob', 'tokens', 6, '1 minute') \gset left_
SET quota.clock = '2026-04-13 12:30:00+00';
-- keys of several kinds, caps that have counted, overage by observing, capacity
SELECT id FROM quota.debit('acme/al', 'tokens', 400, 'k1') \gset al_
SELECT id FROM quota.debit('beta', 'tokens', 300, 'k2') \gset beta_
SELECT refunded FROM quota.refund(:beta_id, 100, 'k3');
SELECT count(*) FROM quota.debit_many('ann', '{"tokens": 10, "docs": 2}', 'k4');
SELECT remaining FROM quota.give_back('ann', 'docs', 3, 'k5') \gset
SELECT id > 0 AS reserved FROM quota.reserve('ann', 'tokens', 3, '1 day', 'k6');
SET quota.enforcement = observe; SELECT remaining FROM quota.debit('ann', 'tokens', 1500) \gset
RESET quota.enforcement;
SELECT pg_temp.apply('{"tokens": {"allowance": 1200, "period": "month"}}');
CREATE TABLE public.doc (id int, owner text);
SELECT quota.protect('public.doc', 'docs', 'r.owner');
INSERT INTO public.doc VALUES (1, 'ann'), (2, 'dora');
SELECT count(*) > 0 AS maintained FROM quota.maintain();
SELECT remaining FROM quota.debit('beta', 'tokens', 1) \gset
SELECT * FROM quota.verify();

CREATE FUNCTION pg_temp.feature() RETURNS int LANGUAGE sql AS $$ SELECT id FROM quota_internal.feature WHERE name = 'tokens' $$;
CREATE TEMP TABLE noticed (n serial, damage text, checks text);
CREATE PROCEDURE pg_temp.damage(name text, what text) LANGUAGE plpgsql AS $$
DECLARE
    checks text; changed text := '';
BEGIN
    BEGIN
        SET LOCAL session_replication_role = replica;
        EXECUTE what;
        SET LOCAL session_replication_role = origin;
        SELECT string_agg(DISTINCT v.check_name, ' ' ORDER BY v.check_name) INTO checks FROM quota.verify() v;
        RAISE EXCEPTION 'take it back';
    EXCEPTION WHEN raise_exception THEN
        INSERT INTO noticed (damage, checks) VALUES (name, checks);
    END;
END $$;
-- counts
CALL pg_temp.damage('use of a bucket lowered', $$UPDATE quota_internal.bucket SET used = used - 1 WHERE subject = 'acme/al' AND used > 300$$);
CALL pg_temp.damage('what a bucket had of grants lost', $$UPDATE quota_internal.bucket SET granted = NULL WHERE subject = 'bob'$$);
CALL pg_temp.damage('overdrawn forgiven', $$UPDATE quota_internal.bucket SET overdrawn = 0 WHERE overdrawn > 0$$);
CALL pg_temp.damage('bucket deleted', $$DELETE FROM quota_internal.bucket WHERE subject = 'acme/al'$$);
CALL pg_temp.damage('bucket moved to another window', $$UPDATE quota_internal.bucket SET period_end = period_end + interval '1 day' WHERE subject = 'ann' AND overdrawn > 0$$);
CALL pg_temp.damage('bucket given to another subject', $$UPDATE quota_internal.bucket SET subject = 'zoe' WHERE subject = 'beta' AND used > 0$$);
CALL pg_temp.damage('sums of dropped months lowered', $$UPDATE quota_internal.opening SET amount = amount - 1 WHERE account = 'ann'$$);
CALL pg_temp.damage('two buckets of one key', $$ALTER TABLE quota_internal.bucket DROP CONSTRAINT bucket_pkey; INSERT INTO quota_internal.bucket (subject, feature_id, source_id, period_start, period_end)
    SELECT subject, feature_id, source_id, period_start, period_end FROM quota_internal.bucket WHERE subject = 'acme/al'$$);
CALL pg_temp.damage('reserved lowered', $$UPDATE quota_internal.bucket SET reserved = reserved - 1 WHERE reserved > 10 AND subject = 'acme'$$);
CALL pg_temp.damage('rolled over more than was left', $$UPDATE quota_internal.bucket SET rolled_in = rolled_in + 100 WHERE subject = 'acme' AND rolled_in > 0$$);
CALL pg_temp.damage('a mark forged on a live window', $$UPDATE quota_internal.bucket b SET (moved_start, moved_end, moved_id) =
    (SELECT n.period_start, n.period_end, nextval('quota_internal.ledger_id_seq') FROM quota_internal.bucket n WHERE n.subject = b.subject AND n.period_start < b.period_start LIMIT 1)
    WHERE b.subject = 'acme' AND b.reserved > 0$$);
CALL pg_temp.damage('a mark to a window that is not there', $$UPDATE quota_internal.bucket SET moved_end = moved_end + interval '1 day' WHERE moved_id IS NOT NULL$$);
CALL pg_temp.damage('use in a window that was moved away', $$UPDATE quota_internal.bucket SET overage = 1 WHERE moved_id IS NOT NULL$$);
CALL pg_temp.damage('a generation too many', $$INSERT INTO quota_internal.bucket (subject, feature_id, source_id, period_start, period_end, generation)
    SELECT subject, feature_id, source_id, period_start, period_end, 1 FROM quota_internal.bucket WHERE subject = 'acme/al'$$);
-- the ledger
CALL pg_temp.damage('entry deleted', format('DELETE FROM quota_internal.ledger_entry WHERE id = %s', :al_id));
CALL pg_temp.damage('entry with another amount', format('UPDATE quota_internal.ledger_entry SET amount = amount - 1 WHERE debit_id = %s AND account = ''acme''', :al_id));
CALL pg_temp.damage('a debit deleted at every level', format('DELETE FROM quota_internal.ledger_entry WHERE debit_id = %s', :al_id));
CALL pg_temp.damage('entry booked twice', format('INSERT INTO quota_internal.ledger_entry SELECT * FROM quota_internal.ledger_entry WHERE debit_id = %s', :al_id));
CALL pg_temp.damage('entry of another subject', format('UPDATE quota_internal.ledger_entry SET subject = ''zoe'' WHERE debit_id = %s', :al_id));
CALL pg_temp.damage('entry of another account', format('UPDATE quota_internal.ledger_entry SET account = ''acme'' WHERE debit_id = %s', :al_id));
CALL pg_temp.damage('refund of another''s debit', format('UPDATE quota_internal.ledger_entry SET debit_id = %s WHERE debit_id = %s AND kind = ''r''', :al_id, :beta_id));
CALL pg_temp.damage('refund of no debit', format('UPDATE quota_internal.ledger_entry SET debit_id = 5000000 WHERE debit_id = %s AND kind = ''r''', :beta_id));
CALL pg_temp.damage('an id that two debits have', format('UPDATE quota_internal.ledger_entry SET id = %1$s, debit_id = %1$s WHERE debit_id = %2$s AND kind = ''d''', :al_id, :beta_id));
CALL pg_temp.damage('ledger ids set back', $$SELECT setval('quota_internal.ledger_id_seq', 1)$$);
SELECT setval('quota_internal.ledger_id_seq', max(id) + 10) > 0 AS ids_go_on FROM quota_internal.ledger_entry;
CALL pg_temp.damage('entry with other levels', format('UPDATE quota_internal.ledger_entry SET levels = 1 WHERE id = %s', :al_id));
CALL pg_temp.damage('entry in another month', format('UPDATE quota_internal.ledger_entry SET at = at + interval ''1 month'' WHERE debit_id = %s', :al_id));
-- grants
CALL pg_temp.damage('grant lowered', format('UPDATE quota_internal.credit_grant SET amount = 299 WHERE id = %s', :grant_id));
CALL pg_temp.damage('grant raised', format('UPDATE quota_internal.credit_grant SET amount = 3000 WHERE id = %s', :unused_id));
CALL pg_temp.damage('grant deleted before it was used', format('DELETE FROM quota_internal.credit_grant WHERE id = %s', :unused_id));
CALL pg_temp.damage('grant and its use deleted', format('DELETE FROM quota_internal.credit_grant WHERE id = %1$s; DELETE FROM quota_internal.grant_use WHERE grant_id = %1$s', :grant_id));
CALL pg_temp.damage('grant valid for longer', format('UPDATE quota_internal.credit_grant SET expires_at = ''infinity'' WHERE id = %s', :unused_id));
CALL pg_temp.damage('grant of another subject', format('UPDATE quota_internal.credit_grant SET subject = ''zoe'' WHERE id = %s', :grant_id));
CALL pg_temp.damage('revoked grant valid again', $$UPDATE quota_internal.credit_grant SET revoked_at = NULL$$);
CALL pg_temp.damage('use of a grant lowered', $$UPDATE quota_internal.grant_use SET used = used - 1 WHERE used > 0$$);
-- holds
CALL pg_temp.damage('hold has more than it took', format('UPDATE quota_internal.hold SET reserved = reserved + 1 WHERE id = %s', :open_id));
CALL pg_temp.damage('hold has less than it took', format('UPDATE quota_internal.hold SET reserved = 1 WHERE id = %s', :grown_id));
CALL pg_temp.damage('hold that expires later', format('UPDATE quota_internal.hold SET expires_at = expires_at + interval ''1 year'' WHERE id = %s', :open_id));
CALL pg_temp.damage('hold that counts no more at one level', format('DELETE FROM quota_internal.hold_part WHERE hold_id = %s AND account = ''acme/al''', :open_id));
CALL pg_temp.damage('hold deleted', format('DELETE FROM quota_internal.hold WHERE id = %s', :open_id));
CALL pg_temp.damage('hold of another subject', format('UPDATE quota_internal.hold SET subject = ''zoe'' WHERE id = %s', :open_id));
-- caps
CALL pg_temp.damage('cap raised beyond all that was charged', $$UPDATE quota_internal.cap_use SET used = used + 1000 WHERE subject = 'beta' AND used > 0$$);
CALL pg_temp.damage('cap lowered', $$UPDATE quota_internal.cap_use SET used = 0 WHERE subject = 'beta'$$);
CALL pg_temp.damage('cap deleted', $$DELETE FROM quota_internal.cap_use WHERE subject = 'beta'$$);
CALL pg_temp.damage('cap shifted', $$UPDATE quota_internal.cap_use SET opened_at = opened_at + interval '1 day', closes_at = closes_at + interval '1 day', window_start = window_start + interval '1 day' WHERE subject = 'beta'$$);
-- keys
CALL pg_temp.damage('key of no debit', $$UPDATE quota_internal.idempotency_key SET results = '[{"feature": "tokens", "id": 123456, "amount": 300}]' WHERE key = 'k2'$$);
CALL pg_temp.damage('key of another''s debit', format($$UPDATE quota_internal.idempotency_key SET results = '[{"feature": "tokens", "id": %s, "amount": 400}]' WHERE key = 'k2'$$, :al_id));
CALL pg_temp.damage('key that answers nothing', $$UPDATE quota_internal.idempotency_key SET results = '[]' WHERE key = 'k2'$$);
CALL pg_temp.damage('key that answers another amount', $$UPDATE quota_internal.idempotency_key SET results = jsonb_set(results, '{0,amount}', '1') WHERE key = 'k3'$$);
CALL pg_temp.damage('key of another subject', $$UPDATE quota_internal.idempotency_key SET subject = 'zoe' WHERE key = 'k4'$$);
CALL pg_temp.damage('key deleted', $$DELETE FROM quota_internal.idempotency_key WHERE key = 'k5'$$);
-- subscriptions, plans, rollup
CALL pg_temp.damage('overlapping subscriptions', $$ALTER TABLE quota_internal.subscription DROP CONSTRAINT subscription_one_at_a_time; INSERT INTO quota_internal.subscription (subject, plan_version_id, status, starts_at, anchor_at, source_id)
    SELECT subject, plan_version_id, status, starts_at + interval '1 day', anchor_at, source_id FROM quota_internal.subscription WHERE subject = 'beta'$$);
CALL pg_temp.damage('two default plans', $$DROP INDEX quota_internal.plan_one_default; UPDATE quota_internal.plan SET is_default = true$$);
CALL pg_temp.damage('feature deleted', $$DELETE FROM quota_internal.feature WHERE name = 'docs'$$);
CALL pg_temp.damage('plan version deleted', $$DELETE FROM quota_internal.plan_version v USING quota_internal.plan p WHERE p.id = v.plan_id AND p.name = 'weekly'$$);
CALL pg_temp.damage('rollup changed', $$UPDATE quota_internal.usage_hour SET used = used + 1 WHERE subject = 'acme/al'$$);
CALL pg_temp.damage('a posting snapshot from the future', $$UPDATE quota_internal.posting SET snapshot = '99999999:99999999:'$$);
-- what keeps all this
CALL pg_temp.damage('ledger open on a leaf', $$ALTER TABLE quota_internal.ledger_entry_default DISABLE TRIGGER append_only$$);
CALL pg_temp.damage('sessions keep the old catalog', $$ALTER TABLE quota_internal.entitlement DISABLE TRIGGER invalidate$$);
CALL pg_temp.damage('new partitions get no gate', $$ALTER EVENT TRIGGER quota_gates_follow DISABLE$$);
CALL pg_temp.damage('gate without a trigger', $$DROP TRIGGER quota_docs_delete ON public.doc$$);
CALL pg_temp.damage('a function for PUBLIC', $$GRANT EXECUTE ON FUNCTION quota.set_usage TO PUBLIC$$);
CALL pg_temp.damage('a table for somebody', $$GRANT UPDATE ON quota_internal.bucket TO pg_monitor$$);
-- what cannot be seen
CALL pg_temp.damage('rate used', $$INSERT INTO quota_internal.rate_use SELECT 'beta', pg_temp.feature(), '2030-01-01'$$);
CALL pg_temp.damage('event deleted', $$DELETE FROM quota_internal.event WHERE type = 'plan_changed'$$);
CALL pg_temp.damage('denials deleted', $$DELETE FROM quota_internal.denial$$);
CALL pg_temp.damage('allowance of a plan changed', $$UPDATE quota_internal.entitlement SET terms.allowance = (terms).allowance * 2$$);
CALL pg_temp.damage('subscription that ends later', $$UPDATE quota_internal.subscription SET ends_at = '2030-01-01' WHERE subject = 'beta'$$);
CALL pg_temp.damage('debit with other metadata', format($$UPDATE quota_internal.ledger_entry SET metadata = '{}' WHERE debit_id = %s$$, :al_id));
SELECT n, damage, checks FROM noticed ORDER BY n;
SELECT count(checks) AS noticed, count(*) AS planted FROM noticed;
-- An id that two tenants' debits have is refused by name, never given back twice
BEGIN;
SET LOCAL session_replication_role = replica;
UPDATE quota_internal.ledger_entry SET id = :al_id, debit_id = :al_id WHERE debit_id = :beta_id AND kind = 'd';
SET LOCAL session_replication_role = origin;
SELECT quota.refund(:al_id);
ROLLBACK;
SELECT * FROM quota.verify();
DROP TABLE public.doc;
