\set subject random(:base + 1, :base + :subjects)
\set key random(1, 9000000000000000000)
SELECT * FROM debit_by_hand_once(:subject, 'tokens', 1, :key);
