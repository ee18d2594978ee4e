\set subject random(:base + 1, :base + :subjects)
SELECT * FROM usage_counter WHERE subject = :subject AND feature = 'tokens' AND period_start = :month;
