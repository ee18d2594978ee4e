/*
 * Tables that charge by themselves.  A gate is its triggers: all that is known of
 * it is read from pg_trigger.
 */
CREATE OR REPLACE FUNCTION quota.gate() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'quota_sql_gate';
COMMENT ON FUNCTION quota.gate() IS
'A trigger that charges a metered or capacity feature by what a table finally stores; quota.protect() creates what it needs.
By hand: CREATE TRIGGER ... AFTER INSERT ON t REFERENCING NEW TABLE AS n FOR EACH STATEMENT EXECUTE FUNCTION quota.gate(''feature'', ''subject expression'' [, ''amount expression'' [, ''on_decrease'' or ''never'' [, ''refuse'' or ''overdraw'' [, ''remember'']]]]), likewise AFTER UPDATE with OLD TABLE and NEW TABLE, AFTER DELETE with OLD TABLE, BEFORE TRUNCATE; or FOR EACH ROW, which charges row by row.
The expressions are over table alias r and run as the table''s owner, so EXECUTE on this function, which no level includes, is as good as being the owner of every table on which one has TRIGGER.
Errors: QT402, QT403, QT429 refused; 39P01 fired at a wrong time; 22023 bad arguments, amount below 0 or of no integer type; 22004 subject or amount of a new row NULL; QT404 unknown feature.';

CREATE OR REPLACE FUNCTION quota.protect(target regclass, feature text, subject text, amount text = '1',
                                         refund text = NULL, exceed text = 'refuse', remember boolean = false) RETURNS name
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'quota_sql_protect';
COMMENT ON FUNCTION quota.protect(regclass, text, text, text, text, text, boolean) IS
'Lets the use of a metered or capacity feature follow the rows of a table: from then on every INSERT, UPDATE, DELETE, COPY, MERGE, TRUNCATE and cascade charges, or is stopped, in its own transaction. Returns what the names of the triggers begin with.
subject and amount: SQL expressions over table alias r, of any type and of an integer type; names are looked up in pg_catalog and in the table''s schema. They run as the table''s owner.
refund: on_decrease (NULL means it for a capacity) gives back what rows no longer have; never (NULL means it for a metered feature) charges growth alone. exceed: refuse, or overdraw (never refused, the excess is overdrawn).
remember: what each row was charged, and to whom, is kept by its primary key and given back as it was, whatever the expressions say by then; an UPDATE of the row, whatever it sets, moves its charge to what they say now.
Tables that inherit from the target, its partitions among them, get the gate, too. The rows that are there are counted, never refused: a capacity becomes what the subjects'' rows are worth, of a metered feature what was ever charged for the subject falls short of them is charged. A NOTICE tells, a WARNING if rows are nobody''s. Locks the tables (SHARE ROW EXCLUSIVE).
Errors: 42501 not the owner; 42809 a view, a foreign table, a table of quota''s or the system''s; 42710 it has a gate of that feature; QT404 unknown feature; 22023 no primary key to remember by, or without remember an expression that reads the clock or calls a volatile function; 22023, 22004, 22001 bad arguments; errors of the expressions; 0A000 rows to count above read committed.';

CREATE OR REPLACE FUNCTION quota.unprotect(target regclass, feature text) RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'quota_sql_unprotect';
COMMENT ON FUNCTION quota.unprotect(regclass, text) IS
'Takes a gate off a table and off those that inherit from it. What its rows were charged stays as it is.
Errors: 42501 not the owner; 42704 no gate of that feature; 22004.';

-- ---------------------------------------------------------------------------
-- What pg_trigger says
-- ---------------------------------------------------------------------------

CREATE OR REPLACE FUNCTION quota_internal._gate_arguments(tgargs bytea) RETURNS text[]
    LANGUAGE c IMMUTABLE PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'quota_sql_gate_arguments';
COMMENT ON FUNCTION quota_internal._gate_arguments(bytea) IS 'internal: the arguments of a trigger';

CREATE OR REPLACE FUNCTION quota_internal._gate_trigger(OUT target oid, OUT feature text, OUT arguments text[], OUT name name,
                                                        OUT tgtype int, OUT enabled boolean)
    RETURNS SETOF record
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT t.tgrelid, a.arguments[1], a.arguments, t.tgname, t.tgtype, t.tgenabled IN ('O', 'A')
    FROM pg_trigger t, LATERAL (SELECT quota_internal._gate_arguments(t.tgargs) AS arguments) a
    WHERE t.tgfoid = 'quota.gate()'::regprocedure
$$;
COMMENT ON FUNCTION quota_internal._gate_trigger() IS 'internal: every trigger that is part of a gate';

CREATE OR REPLACE FUNCTION quota_internal._gate_key_table(gated oid, feature text) RETURNS oid
    LANGUAGE c STABLE STRICT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'quota_sql_gate_key_table';
COMMENT ON FUNCTION quota_internal._gate_key_table(oid, text) IS
    'internal: the table by whose primary key rows of a gate that remembers are known';

/*
 * Each table whose rows belong to a gate of the feature, with the gate whose
 * expressions count them: its own, else one that it inherits from.  Other
 * sessions' temporary tables are left out: nobody else can read them.
 */
CREATE OR REPLACE FUNCTION quota_internal._gate_member(feature text, OUT member oid, OUT gated oid, OUT arguments text[],
                                                       OUT remembered_by oid)
    RETURNS SETOF record
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    WITH RECURSIVE gate AS (
        SELECT DISTINCT ON (t.target) t.target, t.arguments
        FROM quota_internal._gate_trigger() t WHERE t.feature = _gate_member.feature
          AND NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = t.target AND pg_is_other_temp_schema(c.relnamespace))
        ORDER BY t.target, t.name
    ), tree (member, gated, arguments) AS (
        SELECT g.target, g.target, g.arguments FROM gate g
        UNION
        SELECT i.inhrelid, t.gated, t.arguments
        FROM tree t JOIN pg_inherits i ON i.inhparent = t.member
        WHERE i.inhrelid NOT IN (SELECT g.target FROM gate g)
    )
    SELECT m.member, m.gated, m.arguments,
           CASE WHEN m.arguments[6] IS NOT NULL THEN quota_internal._gate_key_table(m.gated, _gate_member.feature) END
    FROM (SELECT DISTINCT ON (t.member) t.member, t.gated, t.arguments FROM tree t ORDER BY t.member, t.gated) m
$$;
COMMENT ON FUNCTION quota_internal._gate_member(text) IS
    'internal: the tables whose rows belong to a gate of the feature, the table and arguments of that gate, and the table by whose key their rows are remembered, or NULL';
