\set subject random(:base + 1, :base + :subjects)
SELECT allowed, remaining FROM quota.check(:subject, 'tokens', 1);
