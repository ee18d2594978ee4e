--
-- Holds that expire, are settled late, or outlive their period or plan
--
SET client_min_messages = warning; DROP EXTENSION IF EXISTS quota CASCADE; CREATE EXTENSION quota CASCADE;
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/include/enforcement.psql'
\i :helpers
SET quota.clock = '2026-01-10 00:00:00+00';
\set holds :abs_srcdir '/sql/include/holds.psql'
\i :holds
CREATE VIEW pg_temp.entries AS
SELECT account, kind, source, amount, dense_rank() OVER (ORDER BY debit_id) AS operation, at::date AS on, period_start::date AS period FROM quota.ledger ORDER BY id;

--
-- From expires_at on the room is free, with no job running
--
SELECT id, remaining FROM quota.reserve('ann', 'tokens', 90, '1 hour') \gset h_
SET quota.clock = '2026-01-10 00:59:59.999999+00';
SELECT used, remaining FROM quota.check('ann', 'tokens');
SELECT used, reserved FROM quota.status('ann') WHERE feature = 'tokens';
SET quota.clock = '2026-01-10 01:00:00+00';
SELECT allowed, used, remaining FROM quota.check('ann', 'tokens', 100);
SELECT used, reserved, remaining FROM quota.status('ann') WHERE feature = 'tokens';
SELECT quota.me('ann') #> '{features,tokens,used}' AS used, quota.me('ann') #> '{features,tokens,reserved}' AS reserved;
SELECT pg_temp.code(format('SELECT quota.extend(%s)', :h_id)), pg_temp.code(format('SELECT quota.extend(%s, %L)', :h_id, '1 day'));
SELECT pg_temp.code(format('SELECT quota.refund(%s)', :h_id));
SELECT * FROM quota.verify();
SELECT allowed, debited, remaining FROM quota.try_debit('ann', 'tokens', 70);
SELECT kind, source, amount FROM pg_temp.entries WHERE account = 'ann';
SELECT count(*) AS parts FROM quota_internal.hold_part;
SELECT * FROM quota.verify();
-- late: what there is, then overdrawn; once
SELECT charged, overdrawn, remaining FROM quota.settle(:h_id, 50);
SELECT pg_temp.code(format('SELECT quota.settle(%s, 50)', :h_id)), pg_temp.code(format('SELECT quota.release(%s)', :h_id));
SELECT kind, source, amount FROM pg_temp.entries WHERE account = 'ann';
SELECT * FROM quota.verify();
SELECT refunded, remaining FROM quota.refund(:h_id, 30);
SELECT refunded, remaining FROM quota.refund(:h_id);
SELECT * FROM quota.verify();
-- not reaped yet: the late settle does it
SELECT id FROM quota.reserve('bea', 'tokens', 90, '1 hour') \gset h_
SET quota.clock = '2026-01-10 03:00:00+00';
SELECT charged, overdrawn, remaining FROM quota.settle(:h_id, 40);
SELECT kind, source, amount FROM pg_temp.entries WHERE account = 'bea';
SELECT id FROM quota.reserve('bea', 'tokens', 20, '1 hour') \gset h_
SELECT id FROM quota.reserve('bea', 'tokens', 20, '1 hour') \gset i_
SET quota.clock = '2026-01-10 05:00:00+00';
SELECT charged, overdrawn, remaining FROM quota.settle(:h_id, 0);
SELECT * FROM quota.release(:i_id);
SELECT pg_temp.code(format('SELECT quota.release(%s)', :i_id)), pg_temp.code(format('SELECT quota.settle(%s, 1)', :i_id)), pg_temp.code(format('SELECT quota.extend(%s)', :h_id));
SELECT pg_temp.code(format('SELECT quota.refund(%s)', :h_id));
SELECT used, reserved FROM pg_temp.window_use WHERE subject = 'bea';
SELECT * FROM quota.verify();
-- debit, reserve and debit_many find the room, too
SELECT id FROM quota.reserve('cat', 'tokens', 100, '1 hour') \gset h_
SELECT id FROM quota.reserve('cat', 'docs', 10, '1 hour') \gset i_
SET quota.clock = '2026-01-10 06:00:00+00';
SELECT feature, remaining FROM quota.debit_many('cat', '{"tokens": 60, "docs": 6}');
SELECT reserved, remaining FROM quota.reserve('cat', 'tokens', 100, up_to => true);
SELECT charged, overdrawn, remaining FROM quota.settle(:i_id, 6);
SELECT * FROM quota.verify();
-- one level at a time: a sibling's debit gives back what is above
SELECT quota.subscribe('acme', 'pro') > 0 AS subscribed, quota.override('acme/al', 'tokens', '{"allowance": 80, "period": "month"}');
SELECT id, remaining FROM quota.reserve('acme/al', 'tokens', 60, '1 hour') \gset h_
SET quota.clock = '2026-01-10 08:00:00+00';
SELECT remaining FROM quota.debit('acme/bo', 'tokens', 1000);
SELECT subject, used, reserved FROM pg_temp.window_use WHERE subject LIKE 'acme%' ORDER BY 1;
SELECT * FROM quota.verify();
SELECT used, remaining FROM quota.check('acme/al', 'tokens');
-- charged at both levels, overdrawn at one
SELECT charged, overdrawn, remaining FROM quota.settle(:h_id, 70);
SELECT subject, used, overdrawn, reserved FROM pg_temp.window_use WHERE subject LIKE 'acme%' ORDER BY 1;
SELECT * FROM quota.verify();
SELECT refunded, remaining FROM quota.refund(:h_id);
SELECT * FROM quota.verify();

-- A clock that goes backwards reopens nothing: what was given back is charged anew, what was not is kept.
SELECT refunded FROM quota.refund((SELECT debit_id FROM quota.ledger WHERE subject = 'acme/bo' AND kind = 'debit'), 500);
SELECT id FROM quota.reserve('acme/al', 'tokens', 50, '1 hour') \gset h_
SELECT id FROM quota.reserve('acme/al', 'tokens', 10, '1 hour') \gset i_
SELECT id FROM quota.reserve('acme/al', 'tokens', 5, '1 hour') \gset j_
SET quota.clock = '2026-01-10 09:00:00+00';
SELECT remaining FROM quota.debit('acme/bo', 'tokens', 10);
SET quota.clock = '2026-01-10 08:59:00+00';
SELECT pg_temp.code(format('SELECT quota.extend(%s)', :h_id)), pg_temp.code(format('SELECT quota.extend(%s, amount => 60)', :h_id)), pg_temp.code(format('SELECT quota.extend(%s, amount => 10)', :h_id));
SELECT * FROM quota.verify();
SELECT charged, overdrawn, remaining FROM quota.settle(:h_id, 20);
SELECT subject, used, overdrawn, reserved FROM pg_temp.window_use WHERE subject LIKE 'acme%' ORDER BY 1;
SELECT * FROM quota.verify();
SELECT * FROM quota.release(:i_id);
SELECT charged, overdrawn, remaining FROM quota.settle(:j_id, 25);
SELECT subject, used, overdrawn, reserved FROM pg_temp.window_use WHERE subject LIKE 'acme%' ORDER BY 1;
SELECT * FROM quota.verify();

-- Grants and caps are free again as well.
SELECT quota.subscribe('dot', 'capped') > 0 AS subscribed, (quota.credit('dot', 'tokens', 40, '2026-01-20')).remaining;
SELECT remaining FROM quota.set_usage('dot', 'tokens', 990);
SET quota.clock = '2026-01-11 00:30:00+00';
SELECT id, remaining FROM quota.reserve('dot', 'tokens', 45, '1 hour') \gset h_
SELECT used, remaining FROM quota.check('dot', 'tokens');
SET quota.clock = '2026-01-11 02:00:00+00';
SELECT used, remaining FROM quota.check('dot', 'tokens');
SELECT remaining FROM quota.debit('dot', 'tokens', 3);
SELECT used, remaining FROM quota.check('dot', 'tokens');
SELECT used, granted, reserved FROM pg_temp.window_use WHERE subject = 'dot';
SELECT * FROM quota.verify();
-- the late charge counts in the cap of its day; so its refund restores that one
SELECT charged, overdrawn, remaining FROM quota.settle(:h_id, 45);
SELECT opened_at::date AS day, used FROM quota_internal.cap_use WHERE subject = 'dot' ORDER BY 1;
SELECT refunded, remaining FROM quota.refund(:h_id, 20);
SELECT opened_at::date AS day, used FROM quota_internal.cap_use WHERE subject = 'dot' ORDER BY 1;
SELECT * FROM quota.verify();

-- What a hold keeps from rolling over rolls over once it has expired, for those who look as for those who charge.
SELECT quota.subscribe('rob', 'rolls') > 0 AS subscribed;
SELECT remaining FROM quota.debit('rob', 'tokens', 30);
SELECT id, remaining FROM quota.reserve('rob', 'tokens', 50, '25 days') \gset h_
SET quota.clock = '2026-02-02 00:00:00+00';
SELECT allowance, used, remaining FROM quota.check('rob', 'tokens');
SET quota.clock = '2026-02-06 00:00:00+00';
SELECT allowance, used, remaining FROM quota.check('rob', 'tokens');
SELECT remaining FROM quota.debit('rob', 'tokens', 1);
SELECT * FROM quota.verify();
-- late: the window it was in has passed all on but what was used
SELECT charged, overdrawn, remaining FROM quota.settle(:h_id, 50);
SELECT period_start::date AS period, used, rolled_in, rolled_out, overdrawn FROM pg_temp.window_use WHERE subject = 'rob' ORDER BY 1;
SELECT * FROM quota.verify();

--
-- Across the end of a period
--
SET quota.clock = '2026-01-31 23:30:00+00';
-- whoever has a grant, be it one to come, has expired holds of all periods given back by its next charge
SELECT id > 0 AS credited FROM quota.credit('fay', 'tokens', 1, effective_at => '2030-01-01');
SELECT id FROM quota.reserve('fay', 'tokens', 60, '2 hours') \gset open_
SELECT id FROM quota.reserve('fay', 'tokens', 30, '10 minutes') \gset late_
SET quota.clock = '2026-02-01 00:30:00+00';
SELECT used, remaining FROM quota.check('fay', 'tokens');
SELECT used, reserved FROM quota.status('fay') WHERE feature = 'tokens';
-- open: what it had stays there, more is taken from now
SELECT * FROM quota.extend(:open_id, amount => 70);
SELECT charged, overdrawn, remaining FROM quota.settle(:open_id, 75);
SELECT period_start::date AS period, used, overdrawn, reserved FROM pg_temp.window_use WHERE subject = 'fay' ORDER BY 1;
SELECT * FROM quota.verify();
-- late: a charge of now
SELECT charged, overdrawn, remaining FROM quota.settle(:late_id, 50);
SELECT period_start::date AS period, used, overdrawn, allowance, reserved FROM pg_temp.window_use WHERE subject = 'fay' ORDER BY 1;
SELECT * FROM quota.verify();
SELECT * FROM pg_temp.entries WHERE account = 'fay';
-- refunds: February first, then January, which restores nothing now
SELECT refunded, remaining FROM quota.refund(:late_id, 30);
SELECT refunded, remaining FROM quota.refund(:late_id);
SELECT refunded, remaining FROM quota.refund(:open_id);
SELECT period_start::date AS period, used FROM pg_temp.window_use WHERE subject = 'fay' ORDER BY 1;
SELECT * FROM quota.verify();
-- less than it had, settled in the next period
SET quota.clock = '2026-02-28 23:30:00+00';
SELECT id FROM quota.reserve('guy', 'tokens', 60, '2 hours') \gset h_
SELECT id FROM quota.reserve('guy', 'tokens', 20, '2 hours') \gset i_
SELECT id FROM quota.reserve('guy', 'tokens', 20, '10 minutes') \gset j_
SET quota.clock = '2026-03-01 00:30:00+00';
SELECT charged, overdrawn, remaining FROM quota.settle(:h_id, 10);
SELECT released, remaining FROM quota.release(:i_id);
SELECT released, remaining FROM quota.release(:j_id);
SELECT period_start::date AS period, used, reserved FROM pg_temp.window_use WHERE subject = 'guy' ORDER BY 1;
SELECT * FROM quota.verify();
-- a late one that a cap counts: by the day of the charge, whichever window it comes from
SELECT quota.subscribe('hal', 'capped') > 0 AS subscribed;
SET quota.clock = '2026-03-31 23:30:00+00';
SELECT id FROM quota.reserve('hal', 'tokens', 40, '10 minutes') \gset h_
SET quota.clock = '2026-04-01 00:30:00+00';
SELECT charged, overdrawn, remaining FROM quota.settle(:h_id, 40);
SELECT opened_at::date AS day, used FROM quota_internal.cap_use WHERE subject = 'hal' ORDER BY 1;
SELECT period_start::date AS period, used FROM pg_temp.window_use WHERE subject = 'hal' ORDER BY 1;
SELECT refunded, remaining FROM quota.refund(:h_id);
SELECT opened_at::date AS day, used FROM quota_internal.cap_use WHERE subject = 'hal' ORDER BY 1;
SELECT * FROM quota.verify();

--
-- Plans that change meanwhile
--
-- a subscription begins: what was reserved stays where it was, more comes from the new window
SELECT id FROM quota.reserve('ike', 'tokens', 60, '2 hours') \gset h_
SELECT id FROM quota.reserve('ike', 'tokens', 40, '2 hours') \gset i_
SELECT quota.subscribe('ike', 'pro') > 0 AS subscribed;
SELECT used, reserved, remaining FROM quota.status('ike') WHERE feature = 'tokens';
SELECT charged, overdrawn, remaining FROM quota.settle(:h_id, 160);
SELECT source_id <> 0 AS subscribed, used, overdrawn, reserved FROM pg_temp.window_use WHERE subject = 'ike' ORDER BY 1;
-- another plan, same window
SELECT id FROM quota.reserve('ike', 'tokens', 600, '2 hours') \gset j_
SELECT quota.change_plan('ike', 'free') > 0 AS changed;
SELECT used, remaining FROM quota.check('ike', 'tokens');
SELECT charged, overdrawn, remaining FROM quota.settle(:j_id, 610);
SELECT * FROM quota.verify();
SELECT refunded, remaining FROM quota.refund(:j_id, 560);
SELECT refunded, remaining FROM quota.refund(:h_id, 100);
-- no account any more: the excess is overdrawn in the hold's period, whose terms stay
SELECT id FROM quota.reserve('ike', 'tokens', 20, '2 hours') \gset j_
SELECT quota.change_plan('ike', 'none') > 0 AS changed;
SELECT charged, overdrawn, remaining FROM quota.settle(:j_id, 30);
SELECT source_id <> 0 AS subscribed, used, overdrawn, allowance, reserved FROM pg_temp.window_use WHERE subject = 'ike' ORDER BY 1;
SELECT pg_temp.code(format('SELECT quota.extend(%s, amount => 50)', :i_id));
SELECT reserved, remaining FROM quota.extend(:i_id, amount => 30);
SELECT refunded, remaining FROM quota.refund(:j_id);
SELECT released, remaining FROM quota.release(:i_id);
SELECT source_id <> 0 AS subscribed, used, overdrawn, allowance, reserved FROM pg_temp.window_use WHERE subject = 'ike' ORDER BY 1;
SELECT * FROM quota.verify();
-- late, without an account
SELECT id FROM quota.reserve('jan', 'tokens', 60, '1 minute') \gset h_
SELECT quota.subscribe('jan', 'none') > 0 AS subscribed;
SET quota.clock = '2026-04-01 02:00:00+00';
SELECT charged, overdrawn, remaining FROM quota.settle(:h_id, 30);
SELECT used, overdrawn, allowance, reserved FROM pg_temp.window_use WHERE subject = 'jan';
SELECT * FROM quota.verify();
-- paused: a settle, a refund, a release go on; what would take more does not
SELECT quota.subscribe('leo', 'pro') > 0 AS subscribed;
SELECT id FROM quota.reserve('leo', 'tokens', 60) \gset h_
SELECT id FROM quota.reserve('leo', 'tokens', 60) \gset i_
SELECT quota.set_status('leo', 'paused');
SELECT pg_temp.code($$SELECT quota.reserve('leo', 'tokens', 1)$$), pg_temp.code(format('SELECT quota.extend(%s, amount => 61)', :h_id));
SELECT reserved FROM quota.extend(:h_id, amount => 50);
SELECT charged, overdrawn FROM quota.settle(:h_id, 70);
SELECT released FROM quota.release(:i_id);
SELECT refunded FROM quota.refund(:h_id, 10);
SELECT used, overdrawn, reserved FROM pg_temp.window_use WHERE subject = 'leo';
SELECT * FROM quota.verify();
-- a level that becomes an account while the hold is open takes part from then on
SELECT id FROM quota.reserve('moe/a', 'tokens', 30, '1 hour') \gset h_
SELECT quota.override('moe/a', 'tokens', '{"allowance": 50, "period": "month"}');
SELECT reserved, remaining FROM quota.extend(:h_id, amount => 40);
SELECT account, expires_at FROM quota_internal.hold_part WHERE account LIKE 'moe%' ORDER BY 1;
SELECT charged, overdrawn, remaining FROM quota.settle(:h_id, 45);
SELECT subject, used, reserved FROM pg_temp.window_use WHERE subject LIKE 'moe%' ORDER BY 1;
SELECT refunded FROM quota.refund(:h_id);
SELECT * FROM quota.verify();

--
-- An expired hold of a capacity: each level gives back its part when it is charged
--
SET quota.clock = '2026-12-01 00:00:00+00';
SELECT remaining FROM quota.debit('firm/bob', 'docs', 3);
SELECT reserved, remaining FROM quota.reserve('firm/al', 'docs', 5, '1 minute');
SET quota.clock = '2026-12-01 00:02:00+00';
SELECT used, reserved, remaining FROM quota.status('firm/al') WHERE feature = 'docs';
SELECT remaining FROM quota.debit('firm/zed', 'docs', 1);
SELECT account FROM quota_internal.hold_part WHERE account ~ '^firm' ORDER BY 1;
SELECT subject, used, reserved FROM pg_temp.window_use WHERE subject ~ '^firm' ORDER BY subject;
SELECT * FROM quota.verify();

--
-- A level that joined a hold while it grew, and is no account any more when the other part comes back: its own comes back later
--
SET quota.clock = '2026-12-03 00:00:00+00';
SELECT quota.subscribe('nest/al', 'pro') > 0 AS subscribed;
SELECT id FROM quota.reserve('nest/al', 'tokens', 5, '1 minute') \gset h_
SELECT quota.subscribe('nest', 'pro') > 0 AS subscribed;
SELECT reserved FROM quota.extend(:h_id, amount => 9);
SELECT quota.cancel('nest', 'now') AS ends;
SET quota.clock = '2026-12-03 00:02:00+00';
SELECT remaining FROM quota.debit('nest/al', 'tokens', 1);
SELECT account FROM quota_internal.hold_part WHERE account ~ '^nest';
SELECT subject, used, reserved FROM pg_temp.window_use WHERE subject ~ '^nest' ORDER BY subject;
SELECT * FROM quota.verify();
-- a level above cannot give back what is reserved below, so what a hold has is there when it shrinks
SELECT id FROM quota.reserve('den/al', 'docs', 5) \gset h_
SELECT pg_temp.code($$SELECT quota.give_back('den', 'docs', 1)$$);
SELECT reserved FROM quota.extend(:h_id, amount => 3);
SELECT account, kind, amount FROM quota.ledger WHERE debit_id = :h_id ORDER BY id;
SELECT released FROM quota.release(:h_id);
SELECT subject, used, reserved FROM pg_temp.window_use WHERE subject ~ '^den' ORDER BY subject;
SELECT * FROM quota.verify();
