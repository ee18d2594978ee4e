-- A thousand plans of ten versions each, three features in each of them.
\set ON_ERROR_STOP on
INSERT INTO quota_internal.feature SELECT (f).* FROM (SELECT jsonb_populate_record(f, jsonb_build_object('id', 100 + i, 'name', 'more' || i)) AS f
                                             FROM quota_internal.feature f, generate_series(1, 2) i WHERE f.name = 'tokens') x;
INSERT INTO quota_internal.plan SELECT (p).* FROM (SELECT jsonb_populate_record(p, jsonb_build_object('id', 100 + i, 'name', 'plan' || i)) AS p
                                          FROM quota_internal.plan p, generate_series(1, 1000) i WHERE p.name = 'big') x;
INSERT INTO quota_internal.plan_version SELECT (v).* FROM (SELECT jsonb_populate_record(v, jsonb_build_object('id', 1000 + 10 * i + j, 'plan_id', 100 + i, 'version', 10 - j)) AS v
                                                  FROM quota_internal.plan p JOIN quota_internal.plan_version v ON v.plan_id = p.id, generate_series(1, 1000) i, generate_series(0, 9) j
                                                  WHERE p.name = 'big') x;
INSERT INTO quota_internal.entitlement SELECT (e).* FROM (SELECT jsonb_populate_record(e, jsonb_build_object('plan_version_id', v.id, 'feature_id', f.id)) AS e
                                                 FROM quota_internal.entitlement e JOIN quota_internal.plan_version b ON b.id = e.plan_version_id JOIN quota_internal.plan p ON p.id = b.plan_id,
                                                      quota_internal.plan_version v, quota_internal.feature f WHERE p.name = 'big' AND v.id >= 1000) x;
VACUUM ANALYZE quota_internal.plan, quota_internal.plan_version, quota_internal.entitlement;
