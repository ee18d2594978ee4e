-- The relay's own tables, made by `quota-relay init`, again and again without harm.  Their owner is the role
-- that ran it; the role that relays needs SELECT, INSERT, UPDATE and DELETE here, and level reader of quota.
CREATE SCHEMA IF NOT EXISTS quota_relay;
COMMENT ON SCHEMA quota_relay IS 'what quota-relay has sent, and what it could not send';

CREATE TABLE IF NOT EXISTS quota_relay.destination (
    name            text PRIMARY KEY,
    kind            text NOT NULL,
    xid             xid8 NOT NULL,
    event_id        bigint NOT NULL DEFAULT 0,
    newest_id       bigint NOT NULL DEFAULT 0,
    system          bigint NOT NULL,
    from_id         bigint NOT NULL DEFAULT 0,
    sent            bigint NOT NULL DEFAULT 0,
    passed_over     bigint NOT NULL DEFAULT 0,
    died            bigint NOT NULL DEFAULT 0,
    attempts        int NOT NULL DEFAULT 0,
    failing_since   timestamptz,
    retry_at        timestamptz,
    error           text,
    seen_at         timestamptz NOT NULL DEFAULT now(),
    created_at      timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE quota_relay.destination IS 'where events go, a row for each section of the configuration, and how far each has come';
COMMENT ON COLUMN quota_relay.destination.xid IS 'with event_id: the last event that is done with, in the order of (xid, id)';
COMMENT ON COLUMN quota_relay.destination.newest_id IS 'the greatest id of an event that is done with';
COMMENT ON COLUMN quota_relay.destination.system IS 'the cluster whose transactions xid counts (pg_control_system)';
COMMENT ON COLUMN quota_relay.destination.from_id IS 'events up to this id came with a restored dump, and are done with or in dead_letter';
COMMENT ON COLUMN quota_relay.destination.sent IS 'events that were sent';
COMMENT ON COLUMN quota_relay.destination.passed_over IS 'events of types that nobody wants here';
COMMENT ON COLUMN quota_relay.destination.died IS 'events that became dead letters';
COMMENT ON COLUMN quota_relay.destination.attempts IS 'how often the next event has failed; 0: it has not';
COMMENT ON COLUMN quota_relay.destination.failing_since IS 'when the next event first failed';
COMMENT ON COLUMN quota_relay.destination.retry_at IS 'when it is tried again';
COMMENT ON COLUMN quota_relay.destination.error IS 'why it failed the last time';
COMMENT ON COLUMN quota_relay.destination.seen_at IS 'when a relay last wrote this row; at least every half minute while one runs';

CREATE TABLE IF NOT EXISTS quota_relay.dead_letter (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    destination     text NOT NULL,
    event_id        bigint NOT NULL,
    message_id      text NOT NULL,
    type            text NOT NULL,
    subject         text,
    feature         text,
    payload         jsonb NOT NULL,
    attempts        int NOT NULL,
    failing_since   timestamptz,
    died_at         timestamptz NOT NULL DEFAULT now(),
    error           text NOT NULL,
    resend_at       timestamptz,
    resent_at       timestamptz
);
CREATE INDEX IF NOT EXISTS dead_letter_waits ON quota_relay.dead_letter (destination, id) WHERE resend_at IS NOT NULL AND resent_at IS NULL;
CREATE INDEX IF NOT EXISTS dead_letter_lies ON quota_relay.dead_letter (destination) WHERE resent_at IS NULL;
COMMENT ON TABLE quota_relay.dead_letter IS 'events that a destination would not take.  Set resend_at to have one sent again, once; delete what nobody wants';
COMMENT ON COLUMN quota_relay.dead_letter.message_id IS 'the id under which it was sent, and is sent again';
COMMENT ON COLUMN quota_relay.dead_letter.payload IS 'the body of the message: type, timestamp, data';
COMMENT ON COLUMN quota_relay.dead_letter.error IS 'why it failed the last time';
COMMENT ON COLUMN quota_relay.dead_letter.resend_at IS 'somebody wants it to be sent again; NULL again when that failed';
COMMENT ON COLUMN quota_relay.dead_letter.resent_at IS 'when that succeeded';

CREATE OR REPLACE VIEW quota_relay.metrics AS
SELECT m.name, jsonb_build_object('destination', d.name) AS labels, m.value
FROM quota_relay.destination d
    LEFT JOIN LATERAL (SELECT e.at FROM quota.events e
                       WHERE (e.xid, e.id) > (d.xid, d.event_id) AND e.id > d.from_id ORDER BY e.xid, e.id LIMIT 1) next ON true
    CROSS JOIN LATERAL (SELECT count(*) AS events
                        FROM (SELECT FROM quota.events e
                              WHERE (e.xid, e.id) > (d.xid, d.event_id) AND e.id > d.from_id LIMIT 10000) w) waiting
    CROSS JOIN LATERAL (SELECT count(*) AS letters FROM quota_relay.dead_letter l
                        WHERE l.destination = d.name AND l.resent_at IS NULL) dead
    CROSS JOIN LATERAL (VALUES
        ('quota_relay_sent_total', d.sent::numeric),
        ('quota_relay_passed_over_total', d.passed_over),
        ('quota_relay_died_total', d.died),
        ('quota_relay_dead_letters', dead.letters),
        ('quota_relay_waiting_events', waiting.events),
        ('quota_relay_lag_seconds', greatest(coalesce(extract(epoch FROM clock_timestamp() - next.at), 0), 0)),
        ('quota_relay_attempts', d.attempts),
        ('quota_relay_seen_seconds', greatest(extract(epoch FROM clock_timestamp() - d.seen_at), 0))) m(name, value);
COMMENT ON VIEW quota_relay.metrics IS
'numbers for a monitoring system, as quota.metrics has them; each with the label destination:
quota_relay_sent_total: events that were sent
quota_relay_passed_over_total: events of types that nobody wants there
quota_relay_died_total: events that became dead letters
quota_relay_dead_letters: dead letters that were not sent again
quota_relay_waiting_events: events that wait; 10,000 stands for more
quota_relay_lag_seconds: the age of the oldest of them
quota_relay_attempts: how often it has failed
quota_relay_seen_seconds: since when no relay has been seen';
