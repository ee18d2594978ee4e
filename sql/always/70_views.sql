/*
 * What administrators read.  Tables are read with the owner's rights, functions
 * are called with the reader's: those used here are in quota_internal._access_object()
 * beside the view (80_access.sql).
 */
CREATE OR REPLACE VIEW quota.ledger AS
SELECT e.id, e.xid, e.at, e.subject, e.account, f.name AS feature,
       quota_internal._entry_kind(e.kind) AS kind, quota_internal._entry_source(e.source) AS source,
       e.amount, e.debit_id, e.key, e.metadata,
       nullif(e.source_id, 0) AS subscription_id, e.period_start, e.period_end,
       coalesce(e.occurred_at, e.at) AS occurred_at
FROM quota_internal.ledger_entry e LEFT JOIN quota_internal.feature f ON f.id = e.feature_id;

COMMENT ON VIEW quota.ledger IS 'the append-only ledger: one row for every bucket that an operation charged or gave back to';
COMMENT ON COLUMN quota.ledger.id IS 'of the entry; a call returns the id of its first one';
COMMENT ON COLUMN quota.ledger.xid IS 'the transaction that made it: to export incrementally and miss nothing, read those from the last xmin up to pg_snapshot_xmin(pg_current_snapshot())';
COMMENT ON COLUMN quota.ledger.at IS 'the time of the transaction that made the entry';
COMMENT ON COLUMN quota.ledger.subject IS 'for whom the call was made';
COMMENT ON COLUMN quota.ledger.account IS 'the prefix of the subject that this entry charges';
COMMENT ON COLUMN quota.ledger.feature IS 'what was charged';
COMMENT ON COLUMN quota.ledger.kind IS 'debit, refund, give_back, correction, transfer (use that moved to another window, as when a plan changes); of holds hold, settle, release, or expiry (what an expired one had came back)';
COMMENT ON COLUMN quota.ledger.source IS 'where it was taken from: allowance, grant, overage (beyond both, to be invoiced), overdrawn (beyond all room), or capacity';
COMMENT ON COLUMN quota.ledger.amount IS 'above 0 taken, below 0 given back';
COMMENT ON COLUMN quota.ledger.debit_id IS 'the debit that a refund belongs to; of other operations their own first id';
COMMENT ON COLUMN quota.ledger.key IS 'the idempotency key of the call';
COMMENT ON COLUMN quota.ledger.metadata IS 'what the caller noted';
COMMENT ON COLUMN quota.ledger.subscription_id IS 'the subscription whose window was charged (since a change of plan with usage reset, a number drawn for it); NULL: none, or capacity';
COMMENT ON COLUMN quota.ledger.period_start IS 'when the window that was charged began; -infinity for capacity and a lifetime without subscription';
COMMENT ON COLUMN quota.ledger.period_end IS 'when the window that was charged ends; infinity for capacity and a lifetime';
COMMENT ON COLUMN quota.ledger.occurred_at IS 'when it happened: of use that was recorded late, and of a hold that expired, before "at"';

/*
 * A subscription that was removed before it started, or cancelled at the very
 * moment of its start, lasted for no time: its row stays for what refers to it,
 * but nobody had it.  A scheduled change is in force from its time on, even if
 * nobody has carried it out yet.
 */
CREATE OR REPLACE VIEW quota.subscriptions AS
SELECT s.id, s.subject, p.name AS plan, v.version,
       CASE WHEN s.starts_at > n.at THEN 'scheduled' WHEN s.ends_at <= n.at THEN 'ended'
            WHEN c.is_due AND i.status = 'trialing' THEN 'active' ELSE i.status END AS status,
       s.starts_at, s.ends_at,
       w.window_start AS current_period_start, w.window_end AS current_period_end,
       next_plan.name AS next_plan, s.timezone, s.quantity, CASE WHEN i.status = 'paused' AND (s.ends_at IS NULL OR s.ends_at > n.at) THEN s.paused_until END AS paused_until,
       s.external_id, s.metadata,
       CASE WHEN c.is_due THEN NULL ELSE s.trial_ends_at END AS trial_ends_at,
       s.cancelled_at, CASE WHEN next_plan.name IS NOT NULL THEN s.next_at END AS next_plan_at
FROM (SELECT quota_internal._now() AS at) n
    CROSS JOIN quota_internal.subscription s
    CROSS JOIN LATERAL (SELECT s.next_at <= n.at AND (s.ends_at IS NULL OR s.next_at < s.ends_at) AS is_due) c
    CROSS JOIN LATERAL (SELECT CASE WHEN s.paused_until <= n.at THEN s.paused_from ELSE s.status END AS status) i
    JOIN quota_internal.plan_version v ON v.id = CASE WHEN c.is_due THEN s.next_version_id ELSE s.plan_version_id END
    JOIN quota_internal.plan p ON p.id = v.plan_id
    LEFT JOIN quota_internal.plan_version next_version ON next_version.id = s.next_version_id AND s.next_at > n.at
        AND (s.ends_at IS NULL OR s.ends_at > greatest(n.at, s.next_at))
    LEFT JOIN quota_internal.plan next_plan ON next_plan.id = next_version.plan_id
    LEFT JOIN LATERAL quota_internal._window(v.period, 'subscription', NULL,
                                             CASE WHEN c.is_due AND s.next_usage = 'reset' THEN s.next_at ELSE s.anchor_at END,
                                             s.timezone, n.at) w
        ON s.starts_at <= n.at AND (s.ends_at IS NULL OR s.ends_at > n.at)
WHERE s.ends_at IS NULL OR s.ends_at > s.starts_at;

COMMENT ON VIEW quota.subscriptions IS 'every subscription: past, present and to come';
COMMENT ON COLUMN quota.subscriptions.id IS 'what subscribe() and change_plan() returned';
COMMENT ON COLUMN quota.subscriptions.subject IS 'who has the plan';
COMMENT ON COLUMN quota.subscriptions.plan IS 'name of the plan; earlier ones are in quota.events';
COMMENT ON COLUMN quota.subscriptions.version IS 'version of the plan, which the subscriber keeps until moved';
COMMENT ON COLUMN quota.subscriptions.status IS 'what counts now: trialing, active, past_due or paused; scheduled before it starts, ended after it ended';
COMMENT ON COLUMN quota.subscriptions.starts_at IS 'since when; billing periods count from here, or from the last change of plan with usage reset';
COMMENT ON COLUMN quota.subscriptions.ends_at IS 'until when; NULL = open; a trial''s end, or that of a scheduled cancellation, is here too';
COMMENT ON COLUMN quota.subscriptions.current_period_start IS 'start of the present billing period; NULL while scheduled and once ended';
COMMENT ON COLUMN quota.subscriptions.current_period_end IS 'end of the present billing period, even if the subscription ends before';
COMMENT ON COLUMN quota.subscriptions.next_plan IS 'the plan that a scheduled change brings at next_plan_at; NULL: none is scheduled';
COMMENT ON COLUMN quota.subscriptions.timezone IS 'the zone in which months and days are counted';
COMMENT ON COLUMN quota.subscriptions.quantity IS 'how many of the plan, such as seats';
COMMENT ON COLUMN quota.subscriptions.paused_until IS 'when the pause ends by itself; NULL: it does not, or there is none';
COMMENT ON COLUMN quota.subscriptions.external_id IS 'the id that another system, such as a payment provider, has for it';
COMMENT ON COLUMN quota.subscriptions.metadata IS 'whatever subscribe() was given';
COMMENT ON COLUMN quota.subscriptions.trial_ends_at IS 'when the trial ends; NULL: no trial, or it is over';
COMMENT ON COLUMN quota.subscriptions.cancelled_at IS 'when cancel() was called; NULL: not cancelled';
COMMENT ON COLUMN quota.subscriptions.next_plan_at IS 'when next_plan comes into force: the end of the billing period, or of the trial';

CREATE OR REPLACE VIEW quota.denials AS
SELECT d.day, d.subject, f.name AS feature, d.reason, sum(d.times)::bigint AS times, max(d.last_at) AS last_at
FROM quota_internal.denial d LEFT JOIN quota_internal.feature f ON f.id = d.feature_id
GROUP BY d.day, d.subject, f.name, d.reason;

COMMENT ON VIEW quota.denials IS 'who hit the wall: refusals that try_debit() and observe recorded, and those that an error handler noted; an error rolls its own record back, so what debit() raised is here only if note_denial() was told of it';
COMMENT ON COLUMN quota.denials.day IS 'in UTC';
COMMENT ON COLUMN quota.denials.subject IS 'who was refused';
COMMENT ON COLUMN quota.denials.feature IS 'what was refused';
COMMENT ON COLUMN quota.denials.reason IS 'quota_exceeded, subscription_inactive, not_entitled or rate_limited';
COMMENT ON COLUMN quota.denials.times IS 'how often on that day';
COMMENT ON COLUMN quota.denials.last_at IS 'the last time';

CREATE OR REPLACE VIEW quota.events AS
SELECT e.id, e.xid, e.at, e.type, e.subject, f.name AS feature, e.actor, e.data
FROM quota_internal.event e LEFT JOIN quota_internal.feature f ON f.id = e.feature_id;

COMMENT ON VIEW quota.events IS
'what happened to plans, written in the same transaction as the change.  To miss nothing, read those with xid < pg_snapshot_xmin(pg_current_snapshot()) in the order of (xid, id) and remember the last (xid, id).
Types, and what is in data:
subscribed: subscription_id, plan, version, starts_at, ends_at, trial_ends_at, quantity
plan_changed: subscription_id, plan, version, old_plan, old_version, usage (NULL: it had not started yet), effective_at, cancellation_undone; a scheduled change has it when the first charge or administrator comes after effective_at
cancellation_undone: subscription_id, plan, version, ends_at; a scheduled cancellation was undone and the plan is the same (so far)
subscription_cancelled: subscription_id, plan, version, effective, ends_at
subscription_removed: subscription_id, plan, version, starts_at (one that had not started yet)
subscription_amended: before, after: what has changed of trial_ends_at, ends_at, timezone, external_id, metadata, quantity
status_changed: subscription_id, plan, version, status, old_status, ends_at, paused_until (from then on the status is old_status again, without another event)
override_set: entitlement
override_removed: nothing
grant_expired: grant_id, source, amount, expires_at, unused
hold_expired: hold_id, reserved, created_at, expires_at
credited: grant_id, amount, effective_at, expires_at, every, priority, source, beyond_caps
grant_revoked: grant_id, revoked, left (of the present period; a grant that was not revoked as a whole goes on)
caps_cleared: cleared (how many caps had counted something)
subject_renamed: subject, new_subject; earlier events have the new name as well
api_key_created: key_id, name, scopes, expires_at
api_key_revoked: key_id, name
threshold_reached: percent or remaining, allowance, used (open holds left out), period_start, period_end; each time that an operation reaches it, having been below';
COMMENT ON COLUMN quota.events.id IS 'within a transaction in order; not over all of them';
COMMENT ON COLUMN quota.events.xid IS 'the transaction that wrote it';
COMMENT ON COLUMN quota.events.at IS 'the time of that transaction';
COMMENT ON COLUMN quota.events.type IS 'what happened, see the comment of the view';
COMMENT ON COLUMN quota.events.subject IS 'to whom';
COMMENT ON COLUMN quota.events.feature IS 'of which feature, where it is about one';
COMMENT ON COLUMN quota.events.actor IS 'who did it, as the session said: quota.actor, else its user; of what time did, such as an expiry, whose call came upon it';
COMMENT ON COLUMN quota.events.data IS 'the facts; times in UTC';
