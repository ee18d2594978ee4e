/*
 * The ledger itself: closed on every leaf, to everybody, in the form that the
 * library knows.
 */
CREATE OR REPLACE FUNCTION quota_internal._verify_ledger(OUT check_name text, OUT subject text, OUT feature_id int, OUT detail text)
    RETURNS SETOF record
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    WITH part AS (
        SELECT c.oid, c.relname, c.relacl, c.relowner, c.relkind
        FROM pg_class c
        WHERE c.oid IN (SELECT 'quota_internal.ledger_entry'::regclass UNION SELECT l.leaf FROM quota_internal._leaves() l)
    )
    SELECT 'ledger', NULL::text, NULL::int, format('quota_internal.%s has lost its trigger append_only, or it is disabled', p.relname)
    FROM part p
    WHERE NOT EXISTS (SELECT FROM pg_trigger t
                      WHERE t.tgrelid = p.oid AND t.tgfoid = 'quota_internal._append_only()'::regprocedure AND t.tgenabled IN ('O', 'A'))
    UNION ALL
    SELECT 'ledger', NULL, NULL,
           format('%s may %s quota_internal.%s', CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END, a.privilege_type, p.relname)
    FROM part p, aclexplode(p.relacl) a
    WHERE a.grantee <> p.relowner AND a.privilege_type IN ('INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'TRIGGER')
    UNION ALL
    SELECT 'ledger', NULL, NULL, format('quota_internal.%s has no index on debit_id', p.relname)
    FROM part p
    WHERE p.relkind = 'r' AND NOT EXISTS (
        SELECT FROM pg_index i JOIN pg_attribute t ON t.attrelid = p.oid AND t.attname = 'debit_id'
        WHERE i.indrelid = p.oid AND i.indisvalid AND i.indnatts = 1 AND i.indkey[0] = t.attnum)
    UNION ALL
    SELECT 'ledger', NULL, NULL, 'there is a catalog, but no row in quota_internal.posting: usage is not rolled up right after a restore'
    WHERE EXISTS (SELECT FROM quota_internal.feature) AND NOT EXISTS (SELECT FROM quota_internal.posting)
$$;
COMMENT ON FUNCTION quota_internal._verify_ledger() IS 'internal: nobody can change the ledger';

CREATE OR REPLACE FUNCTION quota_internal._verify_fence(OUT check_name text, OUT subject text, OUT feature_id int, OUT detail text)
    RETURNS SETOF record
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT 'fence', NULL::text, NULL::int,
           format('quota_internal.%s has lost its trigger invalidate, or it is not ENABLE ALWAYS: sessions keep the old catalog', t.name)
    FROM unnest('{feature,plan,plan_version,entitlement,action,action_require,action_charge,action_price,posting}'::text[]) t(name)
    WHERE NOT EXISTS (SELECT FROM pg_trigger g
                      WHERE g.tgrelid = format('quota_internal.%I', t.name)::regclass AND g.tgfoid = 'quota_internal._invalidate()'::regprocedure
                        AND g.tgenabled = 'A' AND g.tgtype = 29)      -- row trigger, after insert, update and delete
    UNION ALL
    SELECT 'fence', NULL, NULL,
           format('quota_internal.%s has lost its trigger tell_change, or it is not ENABLE ALWAYS: every charge reads it again', t.name)
    FROM unnest('{subscription,subject_override,credit_grant}'::text[]) t(name)
    WHERE NOT EXISTS (SELECT FROM pg_trigger g
                      WHERE g.tgrelid = format('quota_internal.%I', t.name)::regclass AND g.tgfoid = 'quota_internal._tell_change()'::regprocedure
                        AND g.tgenabled = 'A' AND g.tgtype = 29)
    UNION ALL
    SELECT 'fence', NULL, NULL, format('quota_internal.bucket has lost its trigger %s, or it is disabled: SQL could write a row with a lease', t.name)
    FROM unnest('{lease_stays,lease_goes}'::text[]) t(name)
    WHERE NOT EXISTS (SELECT FROM pg_trigger g
                      WHERE g.tgrelid = 'quota_internal.bucket'::regclass AND g.tgname = t.name
                        AND g.tgfoid = 'quota_internal._lease_stays()'::regprocedure AND g.tgenabled IN ('O', 'A'))
    UNION ALL
    SELECT 'fence', NULL, NULL, 'the event trigger quota_gates_follow is gone or disabled: new partitions get no gate'
    WHERE NOT EXISTS (SELECT FROM pg_event_trigger t WHERE t.evtfoid = 'quota_internal._gates_follow()'::regprocedure AND t.evtenabled IN ('O', 'A'))
    UNION ALL
    SELECT 'fence', NULL, NULL, format('%s has a trigger %I, which is none of ours', c.oid::regclass, g.tgname)
    FROM pg_class c JOIN pg_trigger g ON g.tgrelid = c.oid
    WHERE c.relnamespace = ANY ('{quota,quota_internal}'::regnamespace[]) AND NOT g.tgisinternal
      AND g.tgfoid NOT IN ('quota_internal._invalidate()'::regprocedure, 'quota_internal._append_only()'::regprocedure,
                           'quota_internal._lease_stays()'::regprocedure, 'quota_internal._tell_change()'::regprocedure)
    UNION ALL
    SELECT 'fence', NULL, NULL, format('%s has a rule or row security, which is none of ours', c.oid::regclass)
    FROM pg_class c
    WHERE c.relnamespace = ANY ('{quota,quota_internal}'::regnamespace[]) AND c.relkind IN ('r', 'p')
      AND (c.relrowsecurity OR EXISTS (SELECT FROM pg_rewrite r WHERE r.ev_class = c.oid))
    UNION ALL
    SELECT 'fence', NULL, NULL,
           format('%s may %s %s', CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END, a.privilege_type, o.what)
    FROM (SELECT format('schema %s', n.nspname) AS what, 'n' AS kind, n.nspowner AS owner, coalesce(n.nspacl, acldefault('n', n.nspowner)) AS acl
              FROM pg_namespace n WHERE n.nspname IN ('quota', 'quota_internal')
          UNION ALL
          SELECT format('%s.%s', p.pronamespace::regnamespace, p.proname), 'f', p.proowner, coalesce(p.proacl, acldefault('f', p.proowner))
              FROM pg_proc p WHERE p.pronamespace = ANY ('{quota,quota_internal}'::regnamespace[])
          UNION ALL
          SELECT c.oid::regclass::text, k.kind, c.relowner, coalesce(c.relacl, acldefault(k.kind::"char", c.relowner))
              FROM pg_class c, LATERAL (SELECT CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END) k(kind) WHERE c.relnamespace = ANY ('{quota,quota_internal}'::regnamespace[]) AND c.relkind IN ('r', 'p', 'v', 'S')
                -- of the ledger's parts the check "ledger" tells
                AND c.oid <> 'quota_internal.ledger_entry'::regclass AND c.oid NOT IN (SELECT l.leaf FROM quota_internal._leaves() l)) o,
        aclexplode(o.acl) a
    WHERE a.grantee <> o.owner
      AND (a.grantee = 0 OR (o.kind = 'n' AND a.privilege_type = 'CREATE')
           OR (o.kind IN ('r', 's') AND a.privilege_type IN ('INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'TRIGGER', 'REFERENCES')))
    UNION ALL
    SELECT 'fence', NULL, NULL, format('quota_internal.posting has a snapshot from the future (%s, now is %s): usage will leave out what is charged until then',
                                       p.snapshot, pg_current_snapshot())
    FROM quota_internal.posting p
    WHERE p.system_identifier = (SELECT c.system_identifier FROM pg_control_system() c)
      AND pg_snapshot_xmax(p.snapshot) > pg_snapshot_xmax(pg_current_snapshot())
    UNION ALL
    SELECT 'fence', NULL, NULL, format('quota_internal.posting says that months before %s have been dropped', p.dropped_before)
    FROM quota_internal.posting p WHERE p.dropped_before > quota_internal._now()
    UNION ALL
    SELECT 'fence', NULL, NULL, format('quota_internal.posting has told of event %s, the newest is %s', p.event_id, s.last_value)
    FROM quota_internal.posting p, quota_internal.event_id_seq s WHERE p.event_id > s.last_value
    UNION ALL
    SELECT 'fence', NULL, NULL, format('quota_internal.posting is of epoch %s, the ledger of %s', p.epoch, e.epoch)
    FROM quota_internal.posting p, (SELECT max(e.epoch) AS epoch FROM quota_internal.ledger_entry e) e
    WHERE e.epoch > p.epoch + (p.system_identifier <> (SELECT c.system_identifier FROM pg_control_system() c))::int
$$;
COMMENT ON FUNCTION quota_internal._verify_fence() IS 'internal: triggers, privileges and the state of the rollup are ours';

CREATE OR REPLACE FUNCTION quota_internal._gate_try(gated oid, arguments text[]) RETURNS void
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'quota_sql_gate_try';
COMMENT ON FUNCTION quota_internal._gate_try(oid, text[]) IS
    'internal: the errors that the next row would meet in a gate''s declaration and expressions';

CREATE OR REPLACE FUNCTION quota_internal._gate_fault(gated oid, arguments text[]) RETURNS text
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM quota_internal._gate_try(gated, arguments);
    RETURN NULL;
EXCEPTION WHEN OTHERS THEN
    RETURN SQLERRM;
END
$$;
COMMENT ON FUNCTION quota_internal._gate_fault(oid, text[]) IS
    'internal: what is wrong with a gate''s declaration or expressions, as after a column was renamed; NULL: nothing';

CREATE OR REPLACE FUNCTION quota_internal._verify_gates(OUT check_name text, OUT subject text, OUT feature_id int, OUT detail text)
    RETURNS SETOF record
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    WITH trigger AS (
        SELECT t.*, f.id AS feature_id, f.kind FROM quota_internal._gate_trigger() t LEFT JOIN quota_internal.feature f ON f.name = t.feature
    ), gate AS (
        SELECT t.target, t.feature, t.feature_id, bit_or(t.tgtype) AS events,
               coalesce(min(t.arguments[4]), CASE min(t.kind) WHEN 'capacity' THEN 'on_decrease' ELSE 'never' END) = 'on_decrease' AS gives_back,
               bool_or(t.arguments[6] IS NOT NULL) AS remembers,
               -- what somebody declared by hand may be meant as it is
               bool_or(t.name ~ '^quota_.*_(insert|update|delete|truncate)$') AS made_by_protect
        FROM trigger t GROUP BY 1, 2, 3
    )
    SELECT 'gate', NULL, t.feature_id, format('trigger %I of table %s is disabled: rows are not counted', t.name, t.target::regclass)
    FROM trigger t WHERE NOT t.enabled
    UNION ALL
    SELECT 'gate', NULL, NULL, format('trigger %I of table %s is for feature %s, which cannot be counted: its rows cannot change',
                                      t.name, t.target::regclass, coalesce(to_json(t.feature)::text, 'nothing'))
    FROM trigger t WHERE t.kind IS NULL OR t.kind NOT IN ('metered', 'capacity')
    UNION ALL
    SELECT 'gate', NULL, f.feature_id, format('the gate of table %s does not work, so its rows cannot change: %s', f.target::regclass, f.fault)
    FROM (SELECT DISTINCT t.target, t.feature_id, quota_internal._gate_fault(t.target, t.arguments) AS fault
          FROM trigger t WHERE t.kind IN ('metered', 'capacity')
            AND NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = t.target AND pg_is_other_temp_schema(c.relnamespace))) f
    WHERE f.fault IS NOT NULL
    UNION ALL
    -- the bits of pg_trigger.tgtype
    SELECT 'gate', NULL, g.feature_id, format('table %s has no trigger for %s: its gate is not whole', g.target::regclass, e.event)
    FROM gate g, (VALUES (4, 'INSERT', false), (16, 'UPDATE', false), (8, 'DELETE', true), (32, 'TRUNCATE', true)) e(bit, event, if_gives_back)
    WHERE g.made_by_protect AND g.events & e.bit = 0 AND (g.gives_back OR g.remembers OR NOT e.if_gives_back)
    UNION ALL
    SELECT 'gate', NULL, f.id, format('table %s inherits from %s, but not its gate: rows that are written to it directly are not counted',
                                      m.member::regclass, m.gated::regclass)
    FROM quota_internal.feature f, quota_internal._gate_member(f.name) m WHERE m.member <> m.gated
$$;
COMMENT ON FUNCTION quota_internal._verify_gates() IS 'internal: gates are whole and enabled';
