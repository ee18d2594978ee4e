\set subject random(:base + 1, :base + :subjects)
SELECT * FROM quota.check(:subject, 'tokens', 1);
