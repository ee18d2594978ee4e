# The library preloaded: rates live in shared memory, where nobody waits for another's
# commit, and what is refused by raising is counted although its transaction aborts.

use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Server;
use Session;
use Test::More;

my $catalog = q{
	"features": {"api": {"kind": "rate"}, "slow": {"kind": "rate"}, "tokens": {"kind": "metered"}, "docs": {"kind": "capacity"}},
	"plans": {"free": {"default": true, "entitlements": {
		"api": {"rate": {"limit": 10, "per": "1 day", "burst": 10}},
		"slow": {"rate": {"limit": 1, "per": "1 day", "burst": 5000}},
		"tokens": {"allowance": 100, "rate": {"limit": 50, "per": "1 day", "burst": 50}}}},
		"fast": {"entitlements": {"api": {"rate": {"limit": 1000, "per": "1000 days"}}}}}};

my $node = server('main', $catalog, shared_preload_libraries => 'quota');
my $ann = session($node);
my $bob = session($node);

sub value { my ($sql) = @_; return $node->safe_psql('postgres', $sql) }
sub throttled { my ($s, $who, $n) = @_; return ask($s, "SELECT allowed, remaining FROM quota.throttle('$who', 'api', $n)") }
my $scripts = 0;
sub denials { return value(q{SELECT subject, feature, reason, times FROM quota.denials ORDER BY 1, 2, 3}) }
sub metric { my ($server, $name) = @_; return $server->safe_psql('postgres', "SELECT value FROM quota.metrics WHERE name = 'quota_memory_$name'") }

is(value('SHOW quota.max_accounts'), '65536', 'memory has room for so many accounts, by default');
cmp_ok(value(q{SELECT sum(allocated_size) / 65536 FROM pg_shmem_allocations WHERE name LIKE 'quota %'}), '<=', 182, 'of 182 bytes each');
like(ask($ann, 'SET quota.max_accounts = 5'), qr/55P02/, 'which only a restart changes');

# ---- rates -------------------------------------------------------------------------

is(throttled($ann, 'acme', 4), 't|6', 'a rate is taken');
ask($ann, 'BEGIN');
is(throttled($ann, 'acme', 4), 't|2', 'in a transaction that stays open');
is(throttled($bob, 'acme', 4), 'f|2', 'another session waits for nothing, and sees it');
is(ask($bob, q{SELECT remaining FROM quota.check('acme', 'api')}), '2', 'so does check');
ask($ann, 'ROLLBACK');
is(throttled($bob, 'acme', 4), 't|2', 'a rollback gives it back');

ask($ann, 'BEGIN');
is(throttled($ann, 'beta', 1), 't|9', 'a transaction takes');
ask($ann, 'SAVEPOINT s');
is(throttled($ann, 'beta', 2), 't|7', 'and takes after a savepoint');
ask($ann, 'SAVEPOINT t');
is(throttled($ann, 'beta', 3), 't|4', 'and after another');
ask($ann, 'RELEASE t');
ask($ann, 'ROLLBACK TO s');
is(throttled($bob, 'beta', 1), 't|8', 'what came after the first one is given back, what before stays');
ask($ann, 'COMMIT');
is(throttled($bob, 'beta', 1), 't|7', 'so after the commit');

ask($ann, q{BEGIN});
is(throttled($ann, 'gamma', 6), 't|4', 'taken by a transaction');
ask($ann, q{PREPARE TRANSACTION 'p'});
is(throttled($bob, 'gamma', 5), 'f|4', 'that is prepared: it stays taken');
ask($bob, q{ROLLBACK PREPARED 'p'});
is(throttled($bob, 'gamma', 5), 'f|4', 'also when it is rolled back then');

my $dying = session($node);
my $pid = ask($dying, 'SELECT pg_backend_pid()');
ask($dying, 'BEGIN');
is(throttled($dying, 'delta', 9), 't|1', 'taken by a session');
ask($bob, "SELECT pg_terminate_backend($pid, 60000)");
gone($dying);
is(throttled($bob, 'delta', 9), 't|1', 'that is terminated: given back');

# What is given back late: time may have brought it back already, or another plan begun afresh.
sub clock { my ($at) = @_; ask($_, "SET quota.clock = '2026-01-15 $at+00'") foreach $ann, $bob }
clock('00:00');
ask($ann, 'BEGIN');
is(throttled($ann, 'eta', 4), 't|6', 'taken by a transaction');
clock('04:48');
is(throttled($bob, 'eta', 7), 't|1', 'that is open so long that two units are there again');
ask($ann, 'ROLLBACK');
is(throttled($bob, 'eta', 4), 'f|3', 'a rollback gives back the other two');
clock('00:00');
ask($ann, 'BEGIN');
is(throttled($ann, 'theta', 1), 't|9', 'taken at a rate');
value(q{SELECT quota.subscribe('theta', 'fast', '2026-01-01')});
is(throttled($bob, 'theta', 999), 't|0', 'and then at another one');
ask($ann, 'ROLLBACK');
is(throttled($bob, 'theta', 1), 'f|0', 'whose use stays when the first is rolled back');
ask($_, 'RESET quota.clock') foreach $ann, $bob;

# 3,000 savepoints, each second one rolled back
ask($bob, q{DO $$ BEGIN
	FOR i IN 1 .. 3000 LOOP
		BEGIN
			PERFORM quota.throttle('epsilon', 'api', 3);
			IF i % 2 = 0 OR i > 5 THEN RAISE EXCEPTION 'no'; END IF;
		EXCEPTION WHEN raise_exception THEN
		END;
	END LOOP;
END $$});
is(throttled($bob, 'epsilon', 1), 't|0', 'savepoints: three of 3,000 are kept');

# ---- a rate beside an allowance ------------------------------------------------------

my $debit = q{SELECT allowed, reason FROM quota.try_debit('%s', 'tokens', %d)};
is(ask($bob, sprintf($debit, 'acme', 40)), 't|ok', 'an allowance with a rate');
is(ask($bob, sprintf($debit, 'acme', 11)), 'f|rate_limited', 'its rate refuses');
is(ask($bob, sprintf($debit, 'rich', 101)), 'f|quota_exceeded', 'no room');
is(ask($bob, q{SELECT remaining FROM quota.check('rich', 'tokens')}), '100', 'takes nothing');
is(ask($bob, sprintf($debit, 'rich', 50)), 't|ok', 'also nothing of the rate');
my $hold = ask($bob, q{SELECT id FROM quota.reserve('held', 'tokens', 50)});
is(ask($bob, sprintf($debit, 'held', 1)), 'f|rate_limited', 'a hold takes rate');
ask($bob, "SELECT quota.settle($hold, 20)");
is(ask($bob, sprintf($debit, 'held', 30)), 't|ok', 'and what it did not use comes back when it is settled');

$hold = ask($ann, q{SELECT id FROM quota.reserve('own', 'tokens', 50)});
ask($ann, 'BEGIN');
is(ask($ann, "SELECT charged FROM quota.settle($hold, 10)"), '10', 'a settle gives rate back');
is(ask($bob, sprintf($debit, 'own', 1)), 'f|rate_limited', 'which is not there for others before it commits');
is(ask($ann, sprintf($debit, 'own', 30)), 't|ok', 'but for its own transaction');
is(ask($ann, sprintf($debit, 'own', 11)), 'f|rate_limited', 'as much as that was');
ask($ann, 'SAVEPOINT s');
is(ask($ann, sprintf($debit, 'own', 10)), 't|ok', 'all of it');
ask($ann, 'ROLLBACK TO s');
ask($ann, 'COMMIT');
is(ask($bob, sprintf($debit, 'own', 11)), 'f|rate_limited', 'then others get what is left');
is(ask($bob, sprintf($debit, 'own', 10)), 't|ok', 'and no more');
is(value('SELECT count(*) FROM quota_internal.rate_use'), '0', 'no row says anything of a rate');

# 8 sessions, each 20 times 1 of a rate of 10: 10 are let through, whoever they are
$node->command_ok(
	[ 'pgbench', '-n', '-c', '8', '-j', '2', '-t', '20', '-f', write_script(q{SELECT quota.throttle('crowd', 'api')}), $node->connstr('postgres') ],
	'a crowd');
is(throttled($bob, 'crowd', 1), 'f|0', 'takes all of a rate');
is(value(q{SELECT sum(times) FROM quota.denials WHERE subject = 'crowd'}) // '', '', 'and throttle records nothing');

# Commits, rollbacks, savepoints, errors, all at once: what is taken is what was committed.
value('CREATE TABLE taken (n int)');
$node->command_ok(
	[ 'pgbench', '-n', '-c', '8', '-j', '2', '-t', '150', $node->connstr('postgres'), '-f', write_script(q{\set n random(1, 5)
\set how random(1, 5)
BEGIN;
INSERT INTO taken SELECT :n FROM quota.throttle('load', 'slow', :n) t WHERE t.allowed;
SAVEPOINT a;
INSERT INTO taken SELECT 2 FROM quota.throttle('load', 'slow', 2) t WHERE t.allowed;
SAVEPOINT b;
INSERT INTO taken SELECT :n FROM quota.throttle('load', 'slow', :n) t WHERE t.allowed;
\if :how = 1
	ROLLBACK TO a;
\elif :how = 2
	RELEASE b;
\elif :how = 3
	ROLLBACK TO b;
\endif
INSERT INTO taken SELECT 1 FROM quota.throttle('load', 'slow') t WHERE t.allowed;
\if :how = 4
	ROLLBACK;
\else
	COMMIT;
\endif
}) ], 'transactions of every kind');
is(value(q{SELECT c.remaining = 5000 - t.n FROM quota.check('load', 'slow') c, (SELECT sum(n) AS n FROM taken) t}), 't',
	'take what they have committed, no more and no less');

sub write_script
{
	my ($sql) = @_;
	my $file = "$PostgreSQL::Test::Utils::tmp_check/script" . ++$scripts . '.sql';
	append_to_file($file, "$sql;\n");
	return $file;
}

# ---- what is refused by raising ------------------------------------------------------

value('DELETE FROM quota_internal.denial');
my $refused = q{SELECT quota.debit('poor', 'tokens', 101)};
like(ask($ann, $refused), qr/QT402/, 'a refusal');
ask($ann, "BEGIN; DO \$\$ BEGIN PERFORM quota.debit('poor', 'tokens', 101); EXCEPTION WHEN OTHERS THEN END \$\$; COMMIT");
like(ask($ann, q{SELECT quota.debit('poor', 'docs')}), qr/QT403/, 'another one');
is(denials(), '', 'are in memory');
ask($ann, 'BEGIN');
is(ask($ann, q{SELECT rows FROM quota.maintain() WHERE task = 'refusals written'}), '3', 'until maintain() writes them');
ask($ann, 'ROLLBACK');
is(denials(), '', 'if it commits');
is(value(q{SELECT rows FROM quota.maintain() WHERE task = 'refusals written'}), '3', 'else the next one does');
my $written = "poor|docs|not_entitled|1\npoor|tokens|quota_exceeded|2";
is(denials(), $written, 'with how many there were');
is(value(q{SELECT rows FROM quota.maintain() WHERE task = 'refusals written'}), '0', 'once');

my $note = q{SELECT quota.note_denial('{"code": "%s", "subject": "%s", "feature": "tokens", "requested": 101, "remaining": 100,
	"allowance": 100, "used": 0, "plan": "free", "blocked_by": "%s", "resets_at": null, "retry_after": null}')};
ask($ann, sprintf($note, 'quota_exceeded', 'poor', 'poor'));
is(denials(), $written, 'an error handler that notes it counts it no second time');
ask($ann, sprintf($note, 'rate_limited', 'poor', 'poor'));
is(denials(), "$written\npoor|tokens|rate_limited|1", 'but one that memory has not counted');

ask($ann, q{SET quota.clock = '2026-01-15 23:59:59+00'});
like(ask($ann, q{SELECT quota.debit('late', 'tokens', 101)}), qr/QT402/, 'refused before midnight');
ask($ann, q{SET quota.clock = '2026-01-16 00:00:01+00'});
ask($ann, sprintf($note, 'quota_exceeded', 'late', 'late'));
ask($ann, 'RESET quota.clock');
value('SELECT count(*) FROM quota.maintain()');
is(value(q{SELECT day, times FROM quota.denials WHERE subject = 'late'}), '2026-01-15|1', 'and noted after it: once');
value(q{SELECT quota.forget('late')});

ask($ann, $refused);
value(q{SELECT quota.rename('poor', 'rich-now')});
is(denials(), "rich-now|docs|not_entitled|1\nrich-now|tokens|quota_exceeded|3\nrich-now|tokens|rate_limited|1",
	'a new name takes along what memory has of the old one');
like(ask($ann, q{SELECT quota.debit('rich-now', 'tokens', 101)}), qr/QT402/, 'a refusal under the new name');
value(q{SELECT quota.forget('rich-now')});
value('SELECT count(*) FROM quota.maintain()');
is(denials(), '', 'forget() leaves none in memory');

like(ask($ann, q{SELECT quota.debit('there', 'tokens', 101)}), qr/QT402/, 'a refusal here');
value('CREATE DATABASE other');
$node->safe_psql('other', "CREATE EXTENSION quota CASCADE; SELECT quota.apply_catalog('{$catalog}')");
is($node->safe_psql('other', q{SELECT allowed, remaining FROM quota.throttle('acme', 'api', 10)}), 't|0', 'another database has rates of its own');
is($node->safe_psql('other', q{SELECT rows FROM quota.maintain() WHERE task = 'refusals written'}), '0', 'and refusals');
is(value(q{SELECT rows FROM quota.maintain() WHERE task = 'refusals written'}), '1', 'so each writes its own');

like(ask($ann, q{SELECT quota.debit('still', 'tokens', 101)}), qr/QT402/, 'a refusal');
ask($ann, 'BEGIN; DROP EXTENSION quota CASCADE; CREATE EXTENSION quota');
is(ask($ann, q{SELECT rows FROM quota.maintain() WHERE task = 'refusals written'}), '0', 'is not one of an extension that is made again');
ask($ann, 'ROLLBACK');
is(value(q{SELECT rows FROM quota.maintain() WHERE task = 'refusals written'}), '1', 'and is still there if that is rolled back');

ask($_, 'RESET ALL') foreach $ann, $bob;
value('DROP EXTENSION quota CASCADE');
value("CREATE EXTENSION quota; SELECT quota.apply_catalog('{$catalog}')");
is(throttled($bob, 'acme', 10), 't|0', 'an extension that is made again begins with new rates');

# ---- the end of memory ---------------------------------------------------------------

is(value(q{SELECT allowed FROM quota.try_debit('acme', 'tokens', 50)}), 't', 'charged');
my $victim = session($node);
$pid = ask($victim, 'SELECT pg_backend_pid()');
kill_backend($node, $pid, $victim, $ann, $bob);
is(metric($node, 'accounts'), '0', 'after a crash memory begins afresh');
is(value(q{SELECT used FROM quota.check('acme', 'tokens')}), '50', 'what was charged stays');
is(value(q{SELECT allowed FROM quota.throttle('acme', 'api', 10)}), 't', 'and a rate begins with its burst');

# ---- a standby -----------------------------------------------------------------------

$node->backup('copy');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'copy', has_streaming => 1);
$standby->start;
$node->wait_for_catchup($standby);
is($standby->safe_psql('postgres', q{SELECT remaining FROM quota.check('acme', 'api')}), '10', 'a standby knows no rate of the primary');
my ($ret, $out, $err) = $standby->psql('postgres', q{SELECT quota.throttle('acme', 'api')}, extra_params => [ '-v', 'VERBOSITY=sqlstate' ]);
like($err, qr/25006/, 'and takes none');
$standby->promote;
is($standby->safe_psql('postgres', q{SELECT allowed, remaining FROM quota.throttle('acme', 'api', 4)}), 't|6', 'promoted, it does');
$standby->stop;

# ---- no room in memory ---------------------------------------------------------------

my $small = server('small', $catalog, shared_preload_libraries => 'quota', 'quota.max_accounts' => 1);
my $throttle = q{SELECT allowed, remaining FROM quota.throttle('%s', 'api', 4)};
is($small->safe_psql('postgres', sprintf($throttle, 'one')), 't|6', 'memory has room for one account');
is(metric($small, 'accounts') . '|' . metric($small, 'full_total'), '1|0', 'which it says');
is($small->safe_psql('postgres', sprintf($throttle, 'two')), 't|6', 'the next one');
is($small->safe_psql('postgres', sprintf($throttle, 'two')), 't|2', 'is kept in a row');
is($small->safe_psql('postgres', sprintf($throttle, 'two')), 'f|2', 'which limits as well');
is($small->safe_psql('postgres', sprintf($throttle, 'one')), 't|2', 'while the first is in memory');
is($small->safe_psql('postgres', 'SELECT subject FROM quota_internal.rate_use'), 'two', 'and has none');
cmp_ok(metric($small, 'full_total'), '>', 0, 'it says that it was full');
$small->safe_psql('postgres', q{SET quota.clock = '2099-01-01 00:00+00'; } . sprintf($throttle, 'three'));
is($small->safe_psql('postgres', sprintf($throttle, 'one')), 'f|2', 'a test clock in the future takes no place from others');
# eight places for refusals, and the ninth
$small->psql('postgres', "SELECT quota.debit('s$_', 'tokens', 101)") foreach 1 .. 9;
$small->safe_psql('postgres', sprintf($note, 'quota_exceeded', 's1', 's1'));
$small->safe_psql('postgres', sprintf($note, 'quota_exceeded', 's9', 's9'));
is($small->safe_psql('postgres', 'SELECT subject, times FROM quota.denials'), 's9|1', 'a refusal that memory had no room for can be noted');
$small->safe_psql('postgres', 'SELECT count(*) FROM quota.maintain()');
is($small->safe_psql('postgres', 'SELECT count(*), sum(times) FROM quota.denials'), '9|9', 'none is lost, none counts twice');
$small->stop;

# ---- not preloaded -------------------------------------------------------------------

my $plain = server('plain', $catalog);
like(($plain->psql('postgres', "LOAD 'quota'; SET quota.max_accounts = 5"))[2], qr/quota\.max_accounts/, 'without preload there is no such setting');
$plain->psql('postgres', q{SELECT quota.debit('poor', 'tokens', 101)});
is($plain->safe_psql('postgres', q{SELECT rows FROM quota.maintain() WHERE task = 'refusals written'}), '0', 'nothing counts what was refused by raising');
is($plain->safe_psql('postgres', q{SELECT sum(value) FROM quota.metrics WHERE name LIKE 'quota\_memory%'}), '0', 'and memory is all 0');
$plain->safe_psql('postgres', sprintf($throttle, 'one'));
is($plain->safe_psql('postgres', 'SELECT subject FROM quota_internal.rate_use'), 'one', 'a rate is a row');
$plain->stop;

done_testing();
