\set subject random(:base + 1, :base + :subjects)
\set key random(1, 9000000000000000000)
SELECT * FROM quota.debit(:subject, 'tokens', 1, :key);
