\set subject random(:base + 1, :base + :subjects)
SELECT id FROM quota.reserve(:subject, 'tokens', 1) \gset
SELECT * FROM quota.settle(:id, 1);
