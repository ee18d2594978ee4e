\set subject random(:base + 1, :base + :subjects)
SELECT * FROM quota.debit(:subject, 'tokens', 1);
