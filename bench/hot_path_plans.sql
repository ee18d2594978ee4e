-- A thousand plans of ten versions each, three features in each of them.
\set ON_ERROR_STOP on
INSERT INTO quota.feature SELECT (f).* FROM (SELECT jsonb_populate_record(f, jsonb_build_object('id', 100 + i, 'name', 'more' || i)) AS f
                                             FROM quota.feature f, generate_series(1, 2) i WHERE f.name = 'tokens') x;
INSERT INTO quota.plan SELECT (p).* FROM (SELECT jsonb_populate_record(p, jsonb_build_object('id', 100 + i, 'name', 'plan' || i)) AS p
                                          FROM quota.plan p, generate_series(1, 1000) i WHERE p.name = 'big') x;
INSERT INTO quota.plan_version SELECT (v).* FROM (SELECT jsonb_populate_record(v, jsonb_build_object('id', 1000 + 10 * i + j, 'plan_id', 100 + i, 'version', 10 - j)) AS v
                                                  FROM quota.plan p JOIN quota.plan_version v ON v.plan_id = p.id, generate_series(1, 1000) i, generate_series(0, 9) j
                                                  WHERE p.name = 'big') x;
INSERT INTO quota.entitlement SELECT (e).* FROM (SELECT jsonb_populate_record(e, jsonb_build_object('plan_version_id', v.id, 'feature_id', f.id)) AS e
                                                 FROM quota.entitlement e JOIN quota.plan_version b ON b.id = e.plan_version_id JOIN quota.plan p ON p.id = b.plan_id,
                                                      quota.plan_version v, quota.feature f WHERE p.name = 'big' AND v.id >= 1000) x;
VACUUM ANALYZE quota.plan, quota.plan_version, quota.entitlement;
