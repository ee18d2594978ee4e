\set organisation random(:base + 1, :base + :subjects)
\set member random(1, 10)
SELECT * FROM debit_by_hand(:organisation::text, 'tokens', 1) a, debit_by_hand(:organisation::text || '/' || :member, 'tokens', 1) b;
