\set subject random(:base + 1, :base + :subjects)
SELECT * FROM debit_by_hand(:subject, 'tokens', 1);
