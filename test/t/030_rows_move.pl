# Tables are emptied or indexed again while calls wait, and written again while
# they run: a call is right, waits, or ends with an error that says what is wrong;
# it never books on another account's row.  (VACUUM FULL and CLUSTER at each wait
# are in the isolation test rows_move.)

use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Session;
use Test::More;
use Time::HiRes qw(sleep time);

my $patience = $PostgreSQL::Test::Utils::timeout_default;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', qq{
fsync = off
autovacuum = off
deadlock_timeout = 100ms
});
$node->start;

# ---- helpers -------------------------------------------------------------------

sub value { my $sql = shift; return $node->safe_psql('postgres', $sql) }

# An answer, or of one with an error that alone, as "SQLSTATE: message".
sub told { my $text = shift; return $text =~ /ERROR:\s+(\w{5}: .*)/ ? $1 : $text }

# ---- what stands there ---------------------------------------------------------

my $clock = q{SET quota.clock = '2026-01-15 12:00+00'};

value('CREATE EXTENSION quota CASCADE');
value(qq{$clock; SELECT FROM quota.apply_catalog('{"features": {"tokens": {"kind": "metered"}},
	"plans": {"team": {"entitlements": {"tokens": {"allowance": 50, "period": "month", "rollover": {"max": 5},
		"caps": [{"limit": 1000000000, "per": "day"}], "rate": {"limit": 1000000000, "per": "1 minute"}}}}}}')});
value(qq{$clock; SELECT quota.subscribe(s, 'team', '2025-12-01 00:00+00'), quota.credit(s, 'tokens', 1000000000)
	FROM unnest(ARRAY['acme/al', 'y', 'beta']) s});
value("$clock; SELECT quota.debit(s, 'tokens', 60, 'first') FROM unnest(ARRAY['acme/al', 'y', 'beta']) s");
my $hold = value("$clock; SELECT id FROM quota.reserve('acme/al', 'tokens', 5, '1 day')");

# what other accounts have, by table
my $others = q{
	SELECT 'bucket', r::text FROM quota_internal.bucket r WHERE subject <> 'acme/al' UNION ALL
	SELECT 'cap_use', r::text FROM quota_internal.cap_use r WHERE subject <> 'acme/al' UNION ALL
	SELECT 'rate_use', r::text FROM quota_internal.rate_use r WHERE subject <> 'acme/al' UNION ALL
	SELECT 'grant_use', r::text FROM quota_internal.grant_use r WHERE grant_id <> 1 ORDER BY 1, 2};

my @tables = split /\n/, value(q{
	SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
	WHERE n.nspname = 'quota_internal' AND c.relkind = 'r' ORDER BY 1});

# ---- each wait -------------------------------------------------------------------

my %rows = (
	bucket => q{SELECT FROM quota_internal.bucket WHERE subject = 'acme/al' FOR UPDATE},
	grant => q{SELECT FROM quota_internal.grant_use WHERE grant_id = 1 FOR UPDATE},
	cap => q{SELECT FROM quota_internal.cap_use WHERE subject = 'acme/al' FOR UPDATE},
	rate => q{SELECT FROM quota_internal.rate_use WHERE subject = 'acme/al' FOR UPDATE},
	hold => q{SELECT FROM quota_internal.hold FOR UPDATE},
	part => q{SELECT FROM quota_internal.hold_part FOR UPDATE},
	entry => q{SELECT FROM quota_internal.ledger_entry WHERE id = 1 FOR UPDATE},
	key => q{INSERT INTO quota_internal.idempotency_key VALUES ('acme/al', 'key', 'debit', '{}', '[]', now())},
	subscription => q{SELECT FROM quota_internal.subscription WHERE subject = 'acme/al' FOR UPDATE});
my @waits = (
	[ 'bucket', q{SELECT remaining FROM quota.debit('acme/al', 'tokens', 30)} ],
	[ 'grant', q{SELECT remaining FROM quota.debit('acme/al', 'tokens', 30)} ],
	[ 'cap', q{SELECT remaining FROM quota.debit('acme/al', 'tokens', 30)} ],
	[ 'rate', q{SELECT remaining FROM quota.debit('acme/al', 'tokens', 30)} ],
	[ 'key', q{SELECT remaining FROM quota.debit('acme/al', 'tokens', 30, 'key')} ],
	[ 'entry', 'SELECT refunded FROM quota.refund(1)' ],
	[ 'hold', "SELECT charged FROM quota.settle($hold, 9)" ],
	[ 'part', "SELECT charged FROM quota.settle($hold, 9)" ],
	[ 'subscription', q{SELECT quota.cancel('acme/al', 'now')} ]);

my ($holder, $caller, $dba) = (session($node), session($node), session($node));
my $pid = ask($caller, 'SELECT pg_backend_pid()');
ask($caller, $clock);
ask($dba, "$clock; SET lock_timeout = '50ms'; CREATE SCHEMA kept");
ask($dba, "CREATE TABLE kept.$_ AS TABLE quota_internal.$_") for @tables;
my $before = ask($dba, $others);
my %seen;

# Lets the call wait, does something, and lets the call go on; what came of both.
sub meanwhile
{
	my ($row, $call, $statement) = @_;
	ask($holder, 'BEGIN');
	ask($holder, $rows{$row});
	ask($caller, 'BEGIN');
	say_to($caller, $call);
	my $until = time + $patience;
	until (ask($dba, "SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = $pid") eq 't')
	{
		die "$call does not wait for its $row" if time > $until;
		sleep 0.01;
	}
	my $did = told(ask($dba, $statement));
	ask($holder, 'ROLLBACK');
	my $answered = told(answer($caller));
	my $found = ask($caller, 'SELECT check_name, detail FROM quota.verify()');
	ask($caller, 'ROLLBACK');
	return ($did, $answered, $found);
}

foreach my $wait (@waits)
{
	my ($row, $call) = @$wait;
	my @bad;
	foreach my $table (@tables)
	{
		my ($did, $answered, $found) = meanwhile($row, $call, "REINDEX TABLE quota_internal.$table");
		push @bad, "REINDEX $table: $did, $answered, $found" if $answered =~ /^\w{5}:/ || $found ne '' || $did !~ /^(55P03.*)?$/;

		($did, $answered) = meanwhile($row, $call, "TRUNCATE quota_internal.$table");
		my $next = told(ask($dba, "BEGIN; SELECT remaining FROM quota.debit('beta', 'tokens', 1)"));
		ask($dba, 'ROLLBACK');
		my $emptied = $did eq '';
		ask($dba, "INSERT INTO quota_internal.$table SELECT * FROM kept.$table") if $emptied;
		push @bad, "TRUNCATE $table: $answered" if $answered =~ /^XX000/;
		push @bad, "TRUNCATE $table: the next call says $next" if $next =~ /^XX000/;
		push @bad, "TRUNCATE $table: another account has changed" if ask($dba, $others) ne $before;
		$seen{!$emptied ? 'waits' : $answered =~ /^(\w{5}):/ ? $1 : 'right'}++;
	}
	is(join("\n", @bad), '', "$call, waiting for its $row");
}
note join ', ', map { "$_: $seen{$_}" } sort keys %seen;
$_->{handle}->finish for $holder, $caller, $dba;

# ---- under load --------------------------------------------------------------------

# Each client charges an account of its own and all of them one above, holds and
# gives back, while every table is written and indexed again.
my $clients = 4;
my $dir = PostgreSQL::Test::Utils::tempdir();
value(q{SELECT quota.subscribe(s, 'team'), quota.credit(s, 'tokens', 1000000000)
	FROM unnest(ARRAY['top', 'top/0', 'top/1', 'top/2', 'top/3']) s});
append_to_file("$dir/load.sql", q{
SELECT id AS debit FROM quota.debit('top/' || :client_id, 'tokens', 3) \gset
SELECT id AS hold FROM quota.reserve('top/' || :client_id, 'tokens', 5, '1 minute') \gset
SELECT charged FROM quota.settle(:hold, 4);
SELECT refunded FROM quota.refund(:debit, 2);
SELECT remaining FROM quota.check('top/' || :client_id, 'tokens');
SELECT remaining FROM quota.debit('y', 'tokens', 1);
});
my ($out, $err) = ('', '');
my $load = IPC::Run::start([ 'pgbench', '-n', '-c', $clients, '-j', $clients, '-T', 20, '--max-tries=100', '-f', "$dir/load.sql", $node->connstr('postgres') ],
	'>', \$out, '2>', \$err, IPC::Run::timeout($patience));
my $rounds = 0;
my $maintained = '';
my $until = time + 20;
while (time < $until)
{
	foreach my $table (@tables)
	{
		my ($ret, $stdout, $stderr) = $node->psql('postgres', "VACUUM FULL quota_internal.$table; REINDEX TABLE quota_internal.$table;");
		$maintained .= $stderr;
	}
	$rounds++;
}
$load->finish;
my ($done) = $out =~ /actually processed: (\d+)/;
my ($failed) = $out =~ /failed transactions: (\d+)/;
note "$done transactions while every table was written again $rounds times";
is($failed, 0, 'under load: no transaction failed');
is($err =~ /^(.*ERROR.*)$/m ? $1 : '', '', 'under load: no error');
is($maintained, '', 'under load: nor of what was done to the tables');
cmp_ok($rounds, '>', 0, 'under load: every table was written again');
is(value(q{SELECT sum(amount) FROM quota_internal.ledger_entry WHERE account = 'top'}), 5 * $done, 'under load: all of it is charged');
is(value('SELECT * FROM quota.verify()'), '', 'under load: every account has its own');

done_testing();
