-- Called by bench/rls: :rows rows, each case :rounds times.  Subjects have a
-- subscription each; none has an override.
CREATE EXTENSION quota CASCADE;
SELECT count(*) FROM quota.apply_catalog('{"features": {"mindmap": {"kind": "boolean"}},
    "plans": {"pro": {"entitlements": {"mindmap": {"value": true}}}}}') \g /dev/null
SELECT count(quota.subscribe('tenant-' || i, 'pro')) FROM generate_series(0, :rows - 1) i \g /dev/null
CREATE TABLE doc (id int PRIMARY KEY, one text, thousand text, own text);
INSERT INTO doc SELECT i, 'tenant-0', 'tenant-' || i % 1000, 'tenant-' || i FROM generate_series(0, :rows - 1) i;
GRANT SELECT ON doc TO quota_bench_rls;
SELECT quota.grant_access('quota_bench_rls', 'app') \g /dev/null
VACUUM (FREEZE, ANALYZE);
CREATE TABLE policy (place int, what text, condition text);
INSERT INTO policy VALUES
    (0, 'no policy', NULL),
    (1, 'one subject in every row', $$quota.has(one, 'mindmap')$$),
    (2, '1,000 subjects by turns', $$quota.has(thousand, 'mindmap')$$),
    (3, 'another subject in every row', $$quota.has(own, 'mindmap')$$),
    (4, 'asked once for the statement', $$(SELECT quota.has(current_setting('app.tenant'), 'mindmap'))$$);
CREATE TABLE measured (place int, ms numeric);
SET app.tenant = 'tenant-0';
SET jit = off;
SET max_parallel_workers_per_gather = 0;
CREATE PROCEDURE measure(rows int, rounds int) LANGUAGE plpgsql AS $$
DECLARE
    p policy; plan jsonb;
BEGIN
    FOR p IN SELECT q.* FROM generate_series(1, rounds) round, policy q ORDER BY round, q.place LOOP
        DROP POLICY IF EXISTS entitled ON doc;
        EXECUTE format('ALTER TABLE doc %s ROW LEVEL SECURITY', CASE WHEN p.condition IS NULL THEN 'DISABLE' ELSE 'ENABLE' END);
        IF p.condition IS NOT NULL THEN
            EXECUTE 'CREATE POLICY entitled ON doc USING (' || p.condition || ')';
        END IF;
        SET LOCAL ROLE quota_bench_rls;
        EXECUTE 'EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) SELECT count(id) FROM doc' INTO plan;
        IF (jsonb_path_query_first(plan, '$.**."Plans"[*] ? (@."Node Type" == "Seq Scan")."Actual Rows"') #>> '{}')::numeric <> rows THEN
            RAISE EXCEPTION 'not every row was seen: %', plan;
        END IF;
        RESET ROLE;
        INSERT INTO measured VALUES (p.place, (plan -> 0 ->> 'Execution Time')::numeric);
    END LOOP;
END $$;
CALL measure(:rows, :rounds);
\pset format aligned
\pset footer off
\pset tuples_only off
SELECT p.what, coalesce(p.condition, '') AS policy, round(m.least, 1) AS "least ms", round(m.ms, 1) AS median,
       round((m.least - first_value(m.least) OVER (ORDER BY p.place)) * 1000000 / :rows) AS "ns per row, by the least"
FROM policy p JOIN (SELECT place, percentile_cont(0.5) WITHIN GROUP (ORDER BY ms)::numeric AS ms, min(ms) AS least
                    FROM measured GROUP BY place) m USING (place)
ORDER BY p.place;
