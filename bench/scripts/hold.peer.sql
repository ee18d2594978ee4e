\set subject random(:base + 1, :base + :subjects)
SELECT id FROM quota.debit(:subject, 'tokens', 1) \gset
SELECT * FROM quota.debit(:subject, 'tokens', 1);
