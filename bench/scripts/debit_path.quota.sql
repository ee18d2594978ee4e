\set organisation random(:base + 1, :base + :subjects)
\set member random(1, 10)
SELECT * FROM quota.debit(:organisation::text || '/' || :member, 'tokens', 1);
