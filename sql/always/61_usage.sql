/*
 * Usage over time.  maintain() adds up the ledger by hour and remembers the
 * snapshot that it saw, as PgQ does; usage() adds what that snapshot did not see.
 */

/*
 * Transaction numbers of another cluster are older than all of this one, whatever
 * they say: those that the last snapshot there did not see are still to come, and
 * so is everything that was written here.
 */
CREATE OR REPLACE FUNCTION quota_internal._not_rolled_up() RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT coalesce((
        SELECT CASE WHEN p.system_identifier = (pg_control_system()).system_identifier THEN c.unseen
                    ELSE format('(%s OR e.epoch > %s)', c.unseen, p.epoch) END
        FROM quota_internal.posting p,
             format('(e.epoch = %s AND e.xid >= %L::xid8 AND NOT pg_visible_in_snapshot(e.xid, %L::pg_snapshot))',
                    p.epoch, pg_snapshot_xmin(p.snapshot), p.snapshot) c(unseen)), 'true')
$$;
COMMENT ON FUNCTION quota_internal._not_rolled_up() IS
    'internal: the condition, as SQL, that a ledger entry e has not been added to usage_hour';

/*
 * Transfers are no use, and neither is what was missing when it came back: the
 * refund or settlement itself counts whole.
 */
CREATE OR REPLACE FUNCTION quota_internal._usage_of(condition text, cut text = NULL,
        OUT subject text, OUT feature_id int, OUT hour timestamptz, OUT used numeric, OUT debits bigint)
    RETURNS SETOF record
    LANGUAGE plpgsql STABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    whose text := 'e.subject';
    levels text := 'e.levels';
    wanted text := 'true';
BEGIN
    IF _usage_of.cut IS NOT NULL THEN
        whose := 'e.account';
        levels := format('quota_internal._levels_above(e.levels, %s)', quota_internal._level(_usage_of.cut));
        wanted := format('NOT (e.account = %1$L OR (e.account > %1$L || ''/'' AND e.account < %1$L || ''0''))', _usage_of.cut);
    END IF;
    RETURN QUERY EXECUTE format($query$
        SELECT j.subject, j.feature_id, j.hour, coalesce(sum(j.amount) FILTER (WHERE j.counts), 0),
               count(*) FILTER (WHERE j.is_debit)
        FROM (
            SELECT %s AS subject, e.feature_id, date_trunc('hour', e.at, 'UTC') AS hour, e.amount,
                   quota_internal._is_reported(e.account, %s) AS counts,
                   e.id = e.debit_id AND e.kind IN ('d', 'h') AS is_debit
            FROM quota_internal.ledger_entry e
            WHERE e.kind NOT IN ('t', 'm') AND %s AND %s
        ) j
        WHERE j.counts OR j.is_debit
        GROUP BY 1, 2, 3
        $query$, whose, levels, _usage_of.condition, wanted);
END
$$;
COMMENT ON FUNCTION quota_internal._usage_of(text, text) IS
    'internal: use and debits by exact subject, feature and hour, of the ledger entries e that meet a condition; with cut, as it is once that subject has been erased';

CREATE OR REPLACE FUNCTION quota.usage(subject text, feature text, since timestamptz, until timestamptz = NULL,
        step text = 'day', OUT bucket timestamptz, OUT used bigint, OUT debits bigint)
    RETURNS SETOF record
    LANGUAGE quota_plpgsql STABLE PARALLEL SAFE SECURITY DEFINER ROWS 100
    SET search_path = pg_catalog, pg_temp
    SET TimeZone = 'UTC'
AS $$
DECLARE
    whose text := quota_internal._subject(usage.subject);
    whose_feature int := (quota_internal._feature(usage.feature)).id;
    wanted text := quota_internal._require_word(usage.step, 'step', '{hour,day,week,month}');
    past timestamptz := usage.until;
    dropped timestamptz := (SELECT p.dropped_before FROM quota_internal.posting p);
    -- whole hours come from the rollup: [first_hour, last_hour)
    first_hour timestamptz;
    last_hour timestamptz;
    entries text;
BEGIN
    PERFORM quota_internal._require(usage.since IS NOT NULL, 'since');
    -- now() included, for what this very transaction has charged
    past := coalesce(past, quota_internal._now() + interval '1 microsecond');
    first_hour := date_trunc('hour', usage.since);
    IF first_hour < usage.since AND (dropped IS NULL OR usage.since >= dropped) THEN
        first_hour := first_hour + interval '1 hour';
    END IF;
    last_hour := date_trunc('hour', past);
    IF last_hour < past AND last_hour < dropped THEN
        last_hour := last_hour + interval '1 hour';
    END IF;
    -- the rest, and what is not rolled up, from the ledger
    entries := format('(e.subject = %1$L OR (e.subject > %1$L || ''/'' AND e.subject < %1$L || ''0'')) AND e.feature_id = %2$s '
                      'AND e.at >= %3$L AND e.at < %4$L', whose, whose_feature, usage.since, past);
    RETURN QUERY
        SELECT date_trunc(wanted, u.hour), least(greatest(sum(u.used), -9223372036854775808), 9223372036854775807)::bigint,
               sum(u.debits)::bigint
        FROM (
            SELECT h.hour, h.used, h.debits
            FROM quota_internal.usage_hour h
            WHERE (h.subject = whose OR (h.subject > whose || '/' AND h.subject < whose || '0'))
              AND h.feature_id = whose_feature AND h.hour >= first_hour AND h.hour < last_hour
            UNION ALL
            SELECT t.hour, t.used, t.debits
            FROM quota_internal._usage_of(format('%s AND e.at >= %L AND e.at < %L AND %s',
                                                 entries, first_hour, last_hour, quota_internal._not_rolled_up())) t
            UNION ALL
            SELECT t.hour, t.used, t.debits
            FROM quota_internal._usage_of(format('%s AND NOT (e.at >= %L AND e.at < %L)', entries, first_hour, last_hour)) t
        ) u
        GROUP BY 1
        ORDER BY 1;
END
$$;
COMMENT ON FUNCTION quota.usage(text, text, timestamptz, timestamptz, text) IS
'What the subject and everything below it used of a feature in [since, until) (NULL: until now), by hour, day, week (from Monday) or month, in UTC. Each debit counts once, whatever accounts it was charged to; only steps in which something was booked.
used: taken less given back, where each was booked; corrections by set_usage included. debits: the number of debits and holds.
Errors: QT404 unknown feature, 22004, 22023, 22001 bad arguments.';
