# What a session remembers of a prefix (src/decide/given.c): it charges by what is committed all
# the same, whoever changes it and however that ends.

use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Server;
use Session;
use Test::More;

my $catalog = q{
	"features": {"tokens": {"kind": "metered"}, "docs": {"kind": "capacity"}},
	"plans": {"small": {"entitlements": {"tokens": {"allowance": 1000}}},
	          "large": {"entitlements": {"tokens": {"allowance": 100000}}},
	          "other": {"default": true, "entitlements": {"tokens": {"allowance": 50}}}}};

my $node = server('main', $catalog, shared_preload_libraries => 'quota', max_prepared_transactions => 0);
my $ann = session($node);
my $bob = session($node);

sub value { my ($sql) = @_; return $node->safe_psql('postgres', $sql) }
sub allowance { my ($s, $who) = @_; return ask($s, "SELECT allowance FROM quota.check('$who', 'tokens')") }

# How often a debit of a session looks for subscriptions, overrides and grants in their tables.
sub numscans
{
	my ($s) = @_;
	return ask($s, q{SELECT sum(pg_stat_get_xact_numscans(i.indexrelid)) FROM pg_index i
		WHERE i.indrelid IN ('quota_internal.subscription'::regclass, 'quota_internal.subject_override'::regclass,
		                     'quota_internal.credit_grant'::regclass)});
}
sub scans
{
	my ($s, $who) = @_;
	ask($s, 'BEGIN');
	my $before = numscans($s);
	ask($s, "SELECT quota.debit('$who', 'tokens')");
	my $after = numscans($s);
	ask($s, 'COMMIT');
	return $after - $before;
}
sub remembered
{
	my ($s, $who) = @_;
	scans($s, $who) foreach 1 .. 2;
	return scans($s, $who);
}

value(q{SELECT quota.subscribe('acme', 'small'), quota.subscribe('beta', 'small'), quota.subscribe('gamma', 'small')});
value(q{SELECT quota.override('zeta', 'tokens', '{"allowance": 7}'), quota.credit('zeta', 'tokens', 3)});

cmp_ok(scans($ann, 'acme'), '>', 0, 'what is asked for the first time is looked up');
is(remembered($ann, 'acme'), '0', 'what is asked again and again is not');
is(remembered($ann, 'nobody'), '0', 'that there is no subscription is remembered as well');
cmp_ok(remembered($ann, 'zeta'), '>', 0, 'an override and a grant are read');
is(remembered($ann, 'acme/alice'), '0', 'so each level of a path');

# ---- changes -----------------------------------------------------------------------

is(allowance($ann, 'acme'), '1000', 'the plan');
ask($bob, q{SELECT quota.change_plan('acme', 'large')});
is(allowance($ann, 'acme'), '100000', 'another session has changed it');
is(remembered($ann, 'acme'), '0', 'and is remembered');

ask($bob, 'BEGIN');
ask($bob, q{SELECT quota.change_plan('acme', 'small')});
is(allowance($ann, 'acme'), '100000', 'a change that is not committed');
cmp_ok(remembered($ann, 'beta'), '==', 0, 'others are remembered meanwhile');
is(allowance($bob, 'acme'), '1000', 'who has made it sees it');
ask($bob, 'ROLLBACK');
is(allowance($bob, 'acme'), '100000', 'a change that is rolled back');
is(remembered($ann, 'acme'), '0', 'and the old one is remembered again');
is(allowance($ann, 'acme'), '100000', 'as it was');
ask($bob, 'BEGIN');
ask($bob, q{SELECT quota.change_plan('acme', 'small')});
is(allowance($ann, 'acme'), '100000', 'a change that is asked for again and again before it is committed') foreach 1 .. 3;
ask($bob, 'COMMIT');
is(allowance($ann, 'acme'), '1000', 'counts when it is');
ask($bob, q{SELECT quota.change_plan('acme', 'large')});

ask($ann, 'BEGIN');
ask($ann, 'SAVEPOINT s');
ask($ann, q{SELECT quota.change_plan('acme', 'small')});
is(allowance($ann, 'acme'), '1000', 'one of its own, after a savepoint');
ask($ann, 'ROLLBACK TO s');
is(allowance($ann, 'acme'), '100000', 'which is rolled back');
ask($ann, q{SELECT quota.change_plan('acme', 'small')});
ask($ann, 'COMMIT');
is(allowance($ann, 'acme'), '1000', 'and made again');
is(remembered($ann, 'acme'), '0', 'remembered');

ask($bob, q{SELECT quota.override('acme', 'tokens', '{"allowance": 2000}')});
is(allowance($ann, 'acme'), '2000', 'an override counts at once');
ask($bob, q{SELECT quota.override('acme', 'tokens', NULL)});
is(allowance($ann, 'acme'), '1000', 'and its removal');
is(remembered($ann, 'acme'), '0', 'that there is none is remembered');

is(remembered($ann, 'nobody'), '0', 'a subject on the default plan');
like(ask($ann, q{SELECT quota.debit('nobody', 'tokens', 80)}), qr/QT402/, 'has no room');
ask($bob, q{SELECT quota.credit('nobody', 'tokens', 100)});
unlike(ask($ann, q{SELECT quota.debit('nobody', 'tokens', 80)}), qr/QT402/, 'a grant counts at once');

is(remembered($ann, 'delta'), '0', 'a subject that is not there');
ask($bob, q{SELECT quota.subscribe('delta', 'large')});
is(allowance($ann, 'delta'), '100000', 'and subscribes');
is(remembered($ann, 'delta'), '0', 'is remembered');
ask($bob, q{SELECT quota.rename('delta', 'epsilon')});
is(allowance($ann, 'delta') . ' ' . allowance($ann, 'epsilon'), '50 100000', 'a subject that is renamed');
remembered($ann, 'epsilon');
ask($bob, q{SELECT quota.forget('epsilon')});
is(allowance($ann, 'epsilon'), '50', 'and forgotten');

# Changed when one of the tables has been read, and the next one has not.
value(q{SELECT quota.subscribe('half', 'small'), quota.subscribe('whole', 'large')});
is(allowance($ann, 'half'), '1000', 'a subject that is asked for');
ask($bob, q{BEGIN; REINDEX INDEX quota_internal.subject_override_pkey});
say_to($ann, q{SELECT allowance FROM quota.check('half', 'tokens')});
ok($node->poll_query_until('postgres', q{SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock'}), 'and again, while its overrides cannot be read');
value(q{UPDATE quota_internal.subscription SET plan_version_id = (SELECT plan_version_id FROM quota_internal.subscription WHERE subject = 'whole') WHERE subject = 'half'});
ask($bob, 'ROLLBACK');
is(answer($ann), '1000', 'has the plan of the beginning');
is(allowance($ann, 'half'), '100000', 'and the new one afterwards');

# More rows than are remembered.
value(qq{SELECT quota.subscribe('many', 'large', '$_-01-01', '$_-12-01')}) foreach 2090 .. 2095;
foreach my $year ((2090 .. 2095) x 2)
{
	ask($ann, "SET quota.clock = '$year-06-01'");
	is(allowance($ann, 'many'), '100000', "of many subscriptions that of $year counts");
}
ask($ann, 'RESET quota.clock');

# ---- times and snapshots -----------------------------------------------------------

is(remembered($ann, 'gamma'), '0', 'a subscription that ends');
ask($bob, q{SELECT quota.cancel('gamma')});
remembered($ann, 'gamma');
is(allowance($ann, 'gamma'), '1000', 'has not ended yet');
ask($ann, q{SET quota.clock = '2100-01-01'});
is(allowance($ann, 'gamma'), '50', 'and has when its time has come, without a change of its row');
ask($ann, q{RESET quota.clock});

ask($ann, 'BEGIN');
ask($ann, q{DECLARE c CURSOR FOR SELECT allowance FROM generate_series(1, 2) n, quota.check(CASE n WHEN 1 THEN 'beta' ELSE 'acme' END, 'tokens')});
is(ask($ann, 'FETCH c'), '1000', 'a cursor keeps its snapshot');
ask($bob, q{SELECT quota.change_plan('acme', 'large')});
is(allowance($ann, 'acme'), '100000', 'a statement after the change sees it');
is(allowance($ann, 'acme'), '100000', 'and remembers it');
is(ask($ann, 'FETCH c'), '1000', 'the cursor shows what its snapshot does');
ask($ann, 'COMMIT');

# one that has not charged: a change of its plan writes nothing else that the other reads
value(q{SELECT quota.subscribe('pure', 'large')});
is(allowance($ann, 'pure'), '100000', 'a plan is remembered') foreach 1 .. 3;
value('CREATE TABLE large_document (id int)');
ask($ann, 'BEGIN ISOLATION LEVEL SERIALIZABLE');
ask($bob, 'BEGIN ISOLATION LEVEL SERIALIZABLE');
is(allowance($ann, 'pure'), '100000', 'SERIALIZABLE: one session has a document because the plan is large');
ask($ann, 'INSERT INTO large_document VALUES (1)');
is(ask($bob, 'SELECT count(*) FROM large_document'), '0', 'another makes it small because there is none');
ask($bob, q{SELECT quota.change_plan('pure', 'small')});
ask($ann, 'COMMIT');
like(ask($bob, 'COMMIT'), qr/could not serialize/, 'and they do not both commit');
is(allowance($ann, 'pure'), '100000', 'the plan is as it was');

# ---- faults ------------------------------------------------------------------------

ask($bob, 'BEGIN');
ask($bob, q{SELECT quota.change_plan('acme', 'small')});
my $pid = value(q{SELECT pid FROM pg_stat_activity WHERE state = 'idle in transaction'});
value("SELECT pg_terminate_backend($pid, 60000)");
gone($bob);
is(remembered($ann, 'acme'), '0', 'a session that was ended in the middle of a change is counted no more');
is(allowance($ann, 'acme'), '100000', 'nothing has changed');
$bob = session($node);

ask($bob, q{ALTER TABLE quota_internal.subscription DISABLE TRIGGER tell_change});
cmp_ok(remembered($ann, 'acme'), '>', 0, 'without the trigger nothing is remembered');
like(value('SELECT detail FROM quota.verify()'), qr/subscription has lost its trigger tell_change/, 'which verify finds');
ask($bob, q{ALTER TABLE quota_internal.subscription ENABLE ALWAYS TRIGGER tell_change});
is(remembered($ann, 'acme'), '0', 'with it, it is again');

# ---- under load, every answer from memory compared with the tables (quota.eager_leases) ----

value(q{SELECT quota.subscribe('t' || n, 'large') FROM generate_series(1, 4) n});
sub script { my ($name, @lines) = @_; my $file = "$PostgreSQL::Test::Utils::tmp_check/$name.sql"; append_to_file($file, join("\n", @lines) . "\n"); return $file }
my $charge = script('charge', '\set n random(1, 4)', "SELECT * FROM quota.try_debit('t' || :n, 'tokens', 1);");
my $look = script('look', '\set n random(1, 4)', "SELECT * FROM quota.check('t' || :n, 'tokens', 1);");
my $change = script('change', '\set n random(1, 4)', '\set how random(1, 4)',
	'BEGIN;',
	'\if :how = 1', "SELECT quota.change_plan('t' || :n, 'small');",
	'\elif :how = 2', "SELECT quota.change_plan('t' || :n, 'large');",
	'\elif :how = 3', "SELECT quota.override('t' || :n, 'tokens', '{\"allowance\": 5000}');",
	'\else', "SELECT quota.override('t' || :n, 'tokens', NULL);", '\endif',
	'\set end random(1, 3)', '\if :end = 1', 'ROLLBACK;', '\else', 'COMMIT;', '\endif');
$node->command_ok(
	[ 'env', 'PGOPTIONS=-c quota.eager_leases=on', 'pgbench', '-n', '-c', '8', '-j', '2', '-T', '5', '-f', "$charge\@6", '-f', "$look\@4", '-f', "$change\@1",
		'postgres' ],
	'eight sessions charge, look and change plans and overrides');
is(value('SELECT count(*) FROM quota.verify()'), '0', 'and the books are right');

# ---- where nobody would tell -------------------------------------------------------

$node->backup('copy');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'copy', has_streaming => 1);
$standby->start;
my $reader = session($standby);
my $was = allowance($reader, 'beta');
is(allowance($reader, 'beta'), $was, 'a standby') foreach 1 .. 2;
ask($bob, q{SELECT quota.change_plan('beta', 'large')});
$node->wait_for_catchup($standby);
is(allowance($reader, 'beta'), '100000', 'shows a change that has come there');
bye($reader);
$standby->stop;

$node->append_conf('postgresql.conf', 'max_prepared_transactions = 5');
$node->restart;
$ann = session($node);
cmp_ok(remembered($ann, 'acme'), '>', 0, 'where transactions can be prepared, nothing is remembered');
bye($ann);
$node->append_conf('postgresql.conf', "max_prepared_transactions = 0\nshared_preload_libraries = ''");
$node->restart;
$ann = session($node);
cmp_ok(remembered($ann, 'acme'), '>', 0, 'nor without preloading');
bye($ann);

done_testing();
