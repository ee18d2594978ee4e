# Between a commit that can be seen and the callback by which shared memory hears of it: a
# session is held there (late.c), and others charge, look and wait; or it is killed there.
# Until its COMMIT returns, what it has taken may be shown or not; it is never given again.

use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Server;
use Session;
use Test::More;

my $catalog = q{
	"features": {"tokens": {"kind": "metered"}, "docs": {"kind": "capacity"}},
	"plans": {"plain": {"default": true, "entitlements": {"tokens": {"allowance": 40}, "docs": {"allowance": 40}}},
	          "large": {"entitlements": {"tokens": {"allowance": 4000}}}}};

my $node = server('main', $catalog, shared_preload_libraries => 'quota');
my $module = "$PostgreSQL::Test::Utils::tmp_check/late.so";
my $source = __FILE__ =~ s/053_late\.pl$/late.c/r;
# the headers are where PostgreSQL was installed, not where this cluster's copy of it is
my ($config) = map { $_ // 'pg_config' } $ENV{PG_CONFIG};
my ($flags, $headers) = map { chomp(my $said = qx($config $_)); $said } qw(--cppflags --includedir-server);
system_or_bail('cc', split(' ', $flags), '-O2', '-Wall', '-Werror', '-fPIC', '-shared', "-I$headers", '-o', $module, $source);
my $file = "$PostgreSQL::Test::Utils::tmp_check/late.wait";

# ---- sessions, some of them late ----------------------------------------------------

my ($ann, $bob, $pid);

sub sessions
{
	($ann, $bob) = map { session($node) } 1 .. 2;
	$pid = ask($ann, 'SELECT pg_backend_pid()');
	# ours first, so that theirs runs first
	ask($ann, q{SELECT quota.has('nobody', 'tokens')});
	ask($ann, "LOAD '$module'");
	ask($ann, "SET late.file = '$file'");
	return;
}

# Sends a statement, and returns when the session is held at the event.
sub held
{
	my ($event, $sql) = @_;
	ask($ann, "SET late.at = '$event'");
	append_to_file($file, '');
	say_to($ann, $sql);
	my $patience = 10 * $PostgreSQL::Test::Utils::timeout_default;
	select(undef, undef, undef, 0.1) until -e "$file.reached" || $patience-- == 0;
	ok(-e "$file.reached", "held at its $event");
	return;
}

sub let_go
{
	unlink $file, "$file.reached";
	return answer($ann);
}

sub value { my ($sql) = @_; return $node->safe_psql('postgres', $sql) }
sub debit { my ($s, $who, $n) = @_; return ask($s, "SELECT remaining FROM quota.debit('$who', 'tokens', $n)") }
sub used { my ($who) = @_; return value("SELECT used FROM quota.check('$who', 'tokens')") }
sub books { is(value('SELECT * FROM quota.verify()'), '', 'the books are right'); return }

# An account with 10 of 40 used and 20 leased.
sub lease
{
	my ($who) = @_;
	value("SET quota.eager_leases = on; SELECT quota.debit('$who', 'tokens', 10)");
	is(value("SELECT available FROM quota.leases WHERE subject = '$who'"), '20', "$who has a lease");
	return;
}

# Sends a statement of the other session, which has to wait.
sub waits
{
	my ($sql) = @_;
	say_to($bob, $sql);
	ok($node->poll_query_until('postgres', q{SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock'}), "waits: $sql");
	return;
}

sessions();

# ---- what has been taken ------------------------------------------------------------

lease('taken');
held('commit', q{SELECT remaining FROM quota.debit('taken', 'tokens', 5)});
is(used('taken'), '10', 'a take is shown when its COMMIT returns');
is(debit($bob, 'taken', 10), '15', 'another takes from what is left, and does not wait');
waits(q{SELECT remaining FROM quota.debit('taken', 'tokens', 15)});
is(let_go(), '25', 'the first goes on');
is(answer($bob), '0', 'and the other gets the last units');
like(debit($bob, 'taken', 1), qr/QT402/, 'no more');
books();

lease('undone');
ask($ann, 'BEGIN');
debit($ann, 'undone', 5);
held('abort', 'ROLLBACK');
is(used('undone'), '10', 'a take that has been rolled back is not shown');
waits(q{SELECT remaining FROM quota.debit('undone', 'tokens', 30)});
let_go();
is(answer($bob), '0', 'all that is left can be taken');
books();

lease('partly');
ask($ann, 'BEGIN');
debit($ann, 'partly', 2);
ask($ann, 'SAVEPOINT s');
debit($ann, 'partly', 3);
held('subabort', 'ROLLBACK TO s');
is(debit($bob, 'partly', 15), '10', 'beside a savepoint that is being rolled back, what is left can be taken');
let_go();
is(ask($ann, 'COMMIT'), '', 'what came before it is committed');
is(used('partly'), '27', 'and stays');
is(debit($bob, 'partly', 13), '0', 'the rest is there');
books();

# ---- what is given back --------------------------------------------------------------

lease('given');
my $id = ask($bob, q{SELECT id FROM quota.debit('given', 'tokens', 20)});
held('commit', "SELECT refunded FROM quota.refund($id, 8)");
is(used('given'), '30', 'so is a refund');
say_to($bob, q{SELECT remaining FROM quota.debit('given', 'tokens', 18)});
is(let_go(), '8', 'the refund ends');
is(answer($bob), '0', 'nobody is refused what it gives back');
books();

lease('held');
my $hold = ask($bob, q{SELECT id FROM quota.reserve('held', 'tokens', 10)});
held('commit', "SELECT charged FROM quota.settle($hold, 4)");
is(used('held'), '20', 'and a settled hold');
say_to($bob, q{SELECT remaining FROM quota.debit('held', 'tokens', 26)});
is(let_go(), '4', 'it ends');
is(answer($bob), '0', 'and what it gave back is there');
books();

# ---- the row --------------------------------------------------------------------------

ask($ann, 'SET quota.eager_leases = on');
held('commit', q{SELECT remaining FROM quota.debit('drawn', 'tokens', 10)});
is(used('drawn'), '10', 'a draw that can be seen');
is(debit($bob, 'drawn', 3), '27', 'another has the row, and reads over what memory says');
is(debit($bob, 'drawn', 3), '24', 'again');
let_go();
is(debit($bob, 'drawn', 24), '0', 'the late callback brings nothing twice');
like(debit($bob, 'drawn', 1), qr/QT402/, 'no more than there is');
books();

ask($ann, 'BEGIN');
is(debit($ann, 'erased', 10), '30', 'a draw');
held('abort', 'ROLLBACK');
is(debit($bob, 'erased', 5), '35', 'a draw that has been rolled back');
let_go();
is(debit($bob, 'erased', 35), '0', 'leases nothing');
books();
lease('redrawn');
is(debit($bob, 'redrawn', 15), '15', 'most of a lease is taken');
ask($ann, 'BEGIN');
is(debit($ann, 'redrawn', 1), '14', 'more is drawn');
held('abort', 'ROLLBACK');
ask($bob, 'BEGIN');
debit($bob, 'other', 1);
like(debit($bob, 'redrawn', 16), qr/QT402/, 'which has been rolled back, and nobody can take it back');
ask($bob, 'ROLLBACK');
let_go();
is(debit($bob, 'redrawn', 15), '0', 'the rest is there');
books();

lease('twice');
is(debit($bob, 'twice', 15), '15', 'most of a lease is taken');
ask($ann, 'BEGIN');
is(debit($ann, 'twice', 1), '14', 'more is drawn');
ask($ann, 'SET LOCAL quota.leases = off');
is(debit($ann, 'twice', 1), '13', 'and its row written again');
waits(q{SELECT remaining FROM quota.debit('twice', 'tokens', 7)});
ask($ann, 'ROLLBACK');
is(answer($bob), '8', 'nobody has taken of a draw before it was committed');
books();
ask($ann, 'RESET quota.eager_leases');

lease('changed');
held('commit', q{SELECT quota.override('changed', 'tokens', '{"allowance": 30}') IS NOT NULL});
is(value(q{SELECT remaining FROM quota.check('changed', 'tokens')}), '20', 'an override that can be seen counts');
is(debit($bob, 'changed', 15), '5', 'for charges as well');
like(debit($bob, 'changed', 6), qr/QT402/, 'which it stops');
let_go();
is(debit($bob, 'changed', 5), '0', 'and goes on to');
books();

# ---- prepared --------------------------------------------------------------------------

lease('prepared');
ask($ann, 'BEGIN');
debit($ann, 'prepared', 5);
held('prepare', q{PREPARE TRANSACTION 'p'});
is(used('prepared'), '10', 'what is being prepared is not shown');
is(debit($bob, 'prepared', 15), '10', 'the rest of the lease can be taken');
let_go();
ask($bob, q{COMMIT PREPARED 'p'});
is(used('prepared'), '30', 'and is, once it is committed');
is(debit($bob, 'prepared', 10), '0', 'with what is left beside it');
books();

# ---- killed there -----------------------------------------------------------------------

foreach my $event (qw(commit abort subabort prepare))
{
	my %ends = (commit => 'COMMIT', abort => 'ROLLBACK', subabort => 'ROLLBACK TO s', prepare => q{PREPARE TRANSACTION 'k'});
	my $who = "killed_at_$event";
	lease($who);
	ask($ann, "SET late.at = '$event'");	# a savepoint that is rolled back would take it along
	ask($ann, 'BEGIN');
	ask($ann, 'SAVEPOINT s');
	debit($ann, $who, 5);
	held($event, $ends{$event});
	kill_backend($node, $pid, $ann, $bob);
	unlink $file, "$file.reached";
	sessions();
	ask($bob, q{COMMIT PREPARED 'k'}) if $event eq 'prepare';
	my $kept = $event =~ /commit|prepare/ ? 5 : 0;
	is(used($who), 10 + $kept, "killed at its $event: what it charged is " . ($kept ? 'there' : 'not there'));
	is(debit($bob, $who, 30 - $kept), '0', 'all of the rest can be taken');
	like(debit($bob, $who, 1), qr/QT402/, 'and no more');
	books();
}

# ---- what sessions remember -----------------------------------------------------------------

bye($_) foreach $ann, $bob;
$node->append_conf('postgresql.conf', 'max_prepared_transactions = 0');
$node->restart;
sessions();
value(q{SELECT quota.subscribe('moved', 'plain'), quota.subscribe('kept', 'plain')});
sub allowance { my ($s, $who) = @_; return ask($s, "SELECT allowance FROM quota.check('$who', 'tokens')") }
foreach my $who (qw(moved kept))
{
	is(allowance($bob, $who), '40', "$who is remembered") foreach 1 .. 3;
}
held('commit', q{SELECT quota.change_plan('moved', 'large')});
is(allowance($bob, 'moved'), '4000', 'a change of plan that can be seen counts at once');
is(debit($bob, 'moved', 1), '3999', 'for charges as well');
let_go();
is(allowance($bob, 'moved'), '4000', 'and still') foreach 1 .. 3;
ask($ann, 'BEGIN');
ask($ann, q{SELECT quota.change_plan('kept', 'large')});
held('abort', 'ROLLBACK');
is(allowance($bob, 'kept'), '40', 'one that was rolled back does not');
let_go();
is(allowance($bob, 'kept'), '40', 'nor later') foreach 1 .. 3;
books();
bye($_) foreach $ann, $bob;

done_testing();
