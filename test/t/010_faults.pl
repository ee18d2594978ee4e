# Faults: what was acknowledged is there afterwards, and nothing else is.
# Killed backends, a server that stops at once, cancelled and terminated waits,
# prepared transactions over a restart, a standby and its promotion.

use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Session;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(allows_streaming => 1);
$node->append_conf('postgresql.conf', qq{
max_prepared_transactions = 10
restart_after_crash = on
deadlock_timeout = 100s
});
$node->start;

$node->safe_psql('postgres', 'CREATE EXTENSION quota CASCADE');
$node->safe_psql('postgres', q{SELECT quota.apply_catalog('{
	"features": {"tokens": {"kind": "metered"}, "docs": {"kind": "capacity"}, "mindmap": {"kind": "boolean"}, "max_mb": {"kind": "static"}},
	"plans": {"free": {"default": true, "entitlements": {"tokens": {"allowance": 100}, "docs": {"allowance": 1000000}, "max_mb": {"value": 5}}},
			  "pro": {"entitlements": {"tokens": {"allowance": 1000}, "docs": {"allowance": null}, "mindmap": {"value": true}}}}}')});

# ---- helpers -------------------------------------------------------------------

sub open_session { my $server = shift; return session($server, verbosity => 'sqlstate') }
sub value { my ($server, $sql) = @_; return $server->safe_psql('postgres', $sql) }
sub used { my ($server, $subject, $feature) = @_; return value($server, "SELECT used FROM quota.check('$subject', '$feature')") }

# One statement's error as SQLSTATE, else what it answers.
sub outcome
{
	my ($server, $sql) = @_;
	my ($ret, $out, $err) = $server->psql('postgres', $sql, extra_params => [ '-v', 'VERBOSITY=sqlstate' ]);
	return $err =~ /ERROR:\s+(\w{5})/ ? $1 : $out;
}

sub balanced
{
	my ($server, $when) = @_;
	my $rows = value($server, q{
		SELECT * FROM (SELECT subject, feature_id, source_id, period_start, period_end, used + overdrawn AS n FROM quota_internal.window_use) b
		FULL JOIN (SELECT account AS subject, feature_id, source_id, period_start, period_end, sum(amount) AS n
				   FROM quota_internal.ledger_entry GROUP BY 1, 2, 3, 4, 5) l USING (subject, feature_id, source_id, period_start, period_end)
		WHERE coalesce(b.n, 0) <> coalesce(l.n, 0)});
	is($rows, '', "$when: every bucket is the sum of its ledger entries");
	return;
}

sub wait_until_waiting
{
	my ($server, $pid) = @_;
	$server->poll_query_until('postgres', "SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = $pid")
	  or die "backend $pid does not wait";
	return;
}

# ---- a backend is killed ---------------------------------------------------------

my $first = value($node, q{SELECT id FROM quota.debit('ann', 'tokens', 10, 'acknowledged')});
my $victim = open_session($node);
ask($victim, 'BEGIN');
is(ask($victim, q{SELECT remaining FROM quota.debit('ann', 'tokens', 20, 'in flight')}), '70', 'killed: a debit that has not committed');
is(ask($victim, q{SELECT remaining FROM quota.debit('ann/x', 'docs', 3)}), '999997', 'killed: and one of a path');
my $pid = ask($victim, 'SELECT pg_backend_pid()');
kill_backend($node, $pid, $victim);

is(used($node, 'ann', 'tokens'), '10', 'killed: what was acknowledged is there, the rest is not');
is(value($node, q{SELECT count(*) FROM quota_internal.window_use WHERE subject LIKE 'ann%' AND used > 0}), '1', 'killed: at no level');
is(value($node, q{SELECT string_agg(key, ',') FROM quota_internal.idempotency_key}), 'acknowledged', 'killed: its key is not burnt');
is(value($node, q{SELECT id FROM quota.debit('ann', 'tokens', 10, 'acknowledged')}), $first, 'killed: the acknowledged one is answered again');
is(value($node, q{SELECT remaining FROM quota.debit('ann', 'tokens', 20, 'in flight')}), '70', 'killed: the other one is charged when it is repeated');
balanced($node, 'killed');

# ---- the server stops at once, while clients charge ----------------------------

# Each client sends debits with keys of its own, one after the other, and notes
# the ids that it was given.  Afterwards it repeats every one of them.
my $clients = 4;
my $calls = 20000;
my $dir = PostgreSQL::Test::Utils::tempdir();
my @running;
for my $c (1 .. $clients)
{
	append_to_file("$dir/calls$c.sql",
		join('', map { "SELECT $_, id FROM quota.debit('hot/c$c', 'docs', 1, 'call-$_');\n" } 1 .. $calls));
	push @running, IPC::Run::start([ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('postgres'), '-f', "$dir/calls$c.sql" ],
		'>', "$dir/out$c", '2>', "$dir/err$c");
}
$node->poll_query_until('postgres', q{SELECT used > 300 FROM quota.check('hot', 'docs')}) or die 'nobody charges';
$node->stop('immediate');
foreach my $client (@running) { eval { $client->finish } }
$node->start;

my ($acknowledged, $lost) = (0, 0);
my %last;
for my $c (1 .. $clients)
{
	my %ids = slurp_file("$dir/out$c") =~ /^(\d+)\|(\d+)$/mg;
	$last{$c} = scalar keys %ids;
	$acknowledged += $last{$c};
	my $list = join(',', values %ids) || '0';
	$lost += $last{$c} - value($node, "SELECT count(DISTINCT debit_id) FROM quota.ledger WHERE subject = 'hot/c$c' AND debit_id IN ($list)");
}
my $kept = value($node, q{SELECT used FROM quota.check('hot', 'docs')});
note "acknowledged $acknowledged, kept $kept";
cmp_ok($acknowledged, '>', 0, 'immediate stop: some calls were acknowledged');
is($lost, 0, 'immediate stop: each of them is in the ledger under the id that was answered');
cmp_ok($kept, '>=', $acknowledged, 'immediate stop: and counted');
cmp_ok($kept, '<=', $acknowledged + $clients, 'immediate stop: beside them at most the calls that were in flight');
is(value($node, q{SELECT count(*) FROM quota_internal.idempotency_key WHERE subject LIKE 'hot/%'}), $kept, 'immediate stop: as many keys as charges');
balanced($node, 'immediate stop');
# every client repeats its last call and does the next one: the one may have been charged, the other not
for my $c (1 .. $clients)
{
	value($node, "SELECT id FROM quota.debit('hot/c$c', 'docs', 1, 'call-$_')") for grep { $_ > 0 } $last{$c}, $last{$c} + 1;
}
is(used($node, 'hot', 'docs'), $acknowledged + $clients, 'immediate stop: repeated calls are charged once');

# ---- an open hold ------------------------------------------------------------------

# It is there after a crash, with its room, and can still grow; what had not committed is not.
my $hold = value($node, q{SELECT id FROM quota.reserve('hold/x', 'tokens', 60, '1 day', 'hold')});
my $closed = value($node, q{SELECT id FROM quota.reserve('hold/x', 'tokens', 10, '1 day')});
value($node, "SELECT charged FROM quota.settle($closed, 5)");
my $settler = open_session($node);
ask($settler, 'BEGIN');
is(ask($settler, "SELECT charged, remaining FROM quota.settle($hold, 1)"), '1|94', 'hold: a settle that has not committed');
$node->stop('immediate');
gone($settler);
$node->start;
is(value($node, q{SELECT used, reserved FROM quota.status('hold/x') WHERE feature = 'tokens'}), '65|60', 'hold: open after a crash');
is(value($node, q{SELECT id, reserved FROM quota.reserve('hold/x', 'tokens', 60, '1 day', 'hold')}), "$hold|60", 'hold: its key is known');
is(value($node, "SELECT charged FROM quota.settle($closed, 5)"), '5', 'hold: one that was settled answers the same again');
is(outcome($node, "SELECT charged FROM quota.settle($closed, 6)"), 'QT410', 'hold: and stays so');
is(outcome($node, q{SELECT quota.debit('hold', 'tokens', 36)}), 'QT402', 'hold: its room is taken');
is(value($node, "SELECT reserved FROM quota.extend($hold, amount => 80)"), '80', 'hold: it can grow');
is(value($node, "SELECT charged, overdrawn, remaining FROM quota.settle($hold, 20)"), '20|0|75', 'hold: and be settled');
balanced($node, 'hold');

# ---- waiting is ended ------------------------------------------------------------

my $holder = open_session($node);
ask($holder, 'BEGIN');
ask($holder, q{SELECT FROM quota.debit('wait', 'tokens', 40, 'held')});

is(outcome($node, q{SET lock_timeout = '100ms'; SELECT remaining FROM quota.debit('wait', 'tokens', 1)}), '55P03', 'lock_timeout ends the wait for an account');
is(outcome($node, q{SET statement_timeout = '100ms'; SELECT remaining FROM quota.debit('wait', 'tokens', 1)}), '57014', 'so does statement_timeout');
is(outcome($node, q{SET lock_timeout = '100ms'; SELECT remaining FROM quota.debit('wait', 'tokens', 40, 'held')}), '55P03', 'and the wait for a key');

my $waiter = open_session($node);
$pid = ask($waiter, 'SELECT pg_backend_pid()');
ask($waiter, 'BEGIN');
is(ask($waiter, q{SELECT remaining FROM quota.debit('other', 'tokens', 5)}), '95', 'a session that has charged one account');
ask($waiter, 'SAVEPOINT s');
say_to($waiter, q{SELECT remaining FROM quota.debit('wait', 'tokens', 1)});
wait_until_waiting($node, $pid);
value($node, "SELECT pg_cancel_backend($pid)");
like(answer($waiter), qr/57014/, 'and waits for another can be cancelled');
ask($waiter, 'ROLLBACK TO s');
is(ask($waiter, q{SELECT remaining FROM quota.debit('other', 'tokens', 5)}), '90', 'and goes on where it was');
say_to($waiter, q{SELECT remaining FROM quota.debit('wait', 'tokens', 1)});
wait_until_waiting($node, $pid);
value($node, "SELECT pg_terminate_backend($pid)");
like(gone($waiter), qr/57P01/, 'or terminated');
$node->poll_query_until('postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = $pid");
is(used($node, 'other', 'tokens'), '0', 'which gives back what it had charged');

my $late = open_session($node);
ask($late, 'BEGIN');
ask($late, q{SELECT FROM quota.debit('other', 'tokens', 7)});
ask($late, q{SET LOCAL statement_timeout = '50ms'});
like(ask($late, 'SELECT pg_sleep(60)'), qr/57014/, 'a timeout after the debit');
ask($late, 'COMMIT');
bye($late);
is(used($node, 'other', 'tokens'), '0', 'takes the debit back with its transaction');

is(ask($holder, 'ROLLBACK'), '', 'the holder rolls back');
bye($holder);
is(value($node, q{SELECT remaining FROM quota.debit('wait', 'tokens', 100, 'held')}), '0', 'and everything is free again');
balanced($node, 'waiting');

# ---- prepared transactions -------------------------------------------------------

my $refundable = value($node, q{SELECT id FROM quota.debit('two', 'tokens', 30)});
my $open = value($node, q{SELECT id FROM quota.reserve('five', 'tokens', 30, '1 day')});
value($node, q{CREATE TABLE file (tenant text); SELECT FROM quota.protect('file', 'docs', 'r.tenant')});
my %prepared = (
	charge => q{SELECT FROM quota.debit('one', 'tokens', 60, 'k1'); SELECT FROM quota.debit('one/x', 'docs', 2)},
	drop => q{SELECT FROM quota.debit('drop', 'tokens', 60, 'k2')},
	refund => "SELECT FROM quota.refund($refundable, 25, 'k3')",
	hold => q{SELECT FROM quota.reserve('four/x', 'tokens', 60, '1 day', 'k4')},
	settle => "SELECT FROM quota.settle($open, 45)",
	catalog => q{SELECT FROM quota.subscribe('three', 'pro')},
	rows => q{INSERT INTO file VALUES ('six'), ('six'), ('six'); DELETE FROM file WHERE ctid = '(0,1)'},);
foreach my $name (sort keys %prepared)
{
	value($node, "BEGIN; $prepared{$name}; PREPARE TRANSACTION '$name'");
}

sub prepared_are_pending
{
	my $when = shift;
	my $timeout = q{SET lock_timeout = '100ms'};
	is(value($node, q{SELECT count(*) FROM pg_prepared_xacts}), '7', "$when: seven prepared transactions");
	is(value($node, q{SELECT min(value) > 0 FROM quota.metrics WHERE name LIKE 'quota_oldest_snapshot_age%'}), 't', "$when: metrics tells that they hold VACUUM back");
	is(used($node, 'one', 'tokens'), '0', "$when: a prepared debit is not visible");
	is(outcome($node, "$timeout; SELECT remaining FROM quota.debit('one', 'tokens', 41)"), '55P03', "$when: but others wait for it");
	is(outcome($node, "$timeout; SELECT remaining FROM quota.debit('one', 'tokens', 60, 'k1')"), '55P03', "$when: and for its key");
	is(outcome($node, "$timeout; SELECT refunded FROM quota.refund($refundable)"), '55P03', "$when: a prepared refund keeps its debit from another");
	is(used($node, 'four', 'tokens'), '0', "$when: a prepared hold is not visible");
	is(outcome($node, "$timeout; SELECT remaining FROM quota.reserve('four', 'tokens', 41)"), '55P03', "$when: but others wait for its room");
	is(outcome($node, "$timeout; SELECT released FROM quota.release($open)"), '55P03', "$when: a prepared settle keeps its hold from a release");
	is(outcome($node, "$timeout; INSERT INTO file VALUES ('six') RETURNING 1"), '55P03', "$when: rows with a gate keep their subject's account");
	is(outcome($node, q{SELECT remaining FROM quota.debit('three', 'tokens', 101)}), 'QT402', "$when: a prepared subscription does not count yet");
	return;
}
prepared_are_pending('prepared');
$node->restart;
prepared_are_pending('restarted');
$node->stop('immediate');
$node->start;
prepared_are_pending('after a crash');

value($node, q{COMMIT PREPARED 'charge'});
value($node, q{COMMIT PREPARED 'refund'});
value($node, q{COMMIT PREPARED 'hold'});
value($node, q{COMMIT PREPARED 'settle'});
value($node, q{COMMIT PREPARED 'catalog'});
value($node, q{COMMIT PREPARED 'rows'});
value($node, q{ROLLBACK PREPARED 'drop'});
is(used($node, 'one', 'tokens') . ' ' . used($node, 'one', 'docs'), '60 2', 'COMMIT PREPARED charges');
is(outcome($node, q{SELECT remaining FROM quota.debit('one', 'tokens', 41)}), 'QT402', 'and counts against the limit');
is(value($node, 'SELECT count(*) FROM file') . ' ' . used($node, 'six', 'docs'), '2 2', 'as it charges what rows with a gate are worth');
is(value($node, q{SELECT remaining FROM quota.debit('one', 'tokens', 60, 'k1')}), '40', 'its key is known');
is(value($node, q{SELECT remaining FROM quota.debit('drop', 'tokens', 100, 'k2')}), '0', 'ROLLBACK PREPARED takes all of it back, key included');
is(value($node, "SELECT refunded FROM quota.refund($refundable)"), '5', 'a prepared refund is taken into account');
is(value($node, q{SELECT remaining FROM quota.debit('three', 'tokens', 101)}), '899', 'and so is a prepared subscription');
is(value($node, q{SELECT used, reserved, remaining FROM quota.status('four') WHERE feature = 'tokens'}), '60|60|40', 'a prepared hold takes its room');
my $prepared_hold = value($node, q{SELECT id FROM quota.reserve('four/x', 'tokens', 60, '1 day', 'k4')});
is(value($node, "SELECT charged, remaining FROM quota.settle($prepared_hold, 70)"), '70|30', 'and can be settled');
is(used($node, 'five', 'tokens') . ' ' . outcome($node, "SELECT quota.release($open)"), '45 QT410', 'a prepared settle has closed its hold');
balanced($node, 'prepared');

# ---- a standby -------------------------------------------------------------------

$node->backup('copy');
my $secret = value($node, q{SELECT secret FROM quota.create_api_key('ann', 'ci')});
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'copy', has_streaming => 1);
$standby->start;

value($node, q{SELECT FROM quota.debit('ann', 'tokens', 5)});
value($node, q{SELECT FROM quota.debit('ann/x', 'docs', 4)});
$node->wait_for_catchup($standby);
my $reader = open_session($standby);
is(ask($reader, 'SELECT pg_is_in_recovery()'), 't', 'standby: this is one');
is(ask($reader, q{SELECT allowed, used, remaining FROM quota.check('ann', 'tokens', 66)}), 'f|35|65', 'standby: check');
is(ask($reader, q{SELECT feature, allowed, used FROM quota.status('ann/x')}),
	"docs|t|4\nmax_mb|t|0\nmindmap|f|0\ntokens|t|35", 'standby: status');
is(ask($reader, q{SELECT quota.has('ann', 'mindmap'), quota.has('ann', 'tokens'), quota.setting('ann', 'max_mb')}), 'f|t|5', 'standby: has and setting');
is(ask($reader, q{SELECT quota.me('ann') #>> '{plan,name}', quota.me('ann') #> '{features,tokens,used}'}), 'free|35', 'standby: me');
is(ask($reader, q{SELECT plan FROM quota.offers('ann', 'tokens', 66)}), 'pro', 'standby: offers');
is(ask($reader, q{SELECT sum(amount) FROM quota.statement('ann', 'tokens')}), '35', 'standby: statement');
foreach my $call (q{debit('ann', 'tokens')}, q{debit('ann', 'mindmap')}, q{try_debit('ann', 'tokens')}, q{give_back('ann', 'docs')},
	"refund($first)", q{debit('ann', 'tokens', 10, 'acknowledged')})
{
	like(ask($reader, "SELECT quota.$call"), qr/25006/, "standby: $call is refused as read-only");
}
# an API key is looked at, and its use noted on the primary alone; no log has what was wrong
is(ask($reader, "SELECT * FROM quota.authenticate('$secret')"), 'ann|1|{}', 'standby: authenticate');
like(ask($reader, "SELECT * FROM quota.authenticate('${secret}0')"), qr/QT401/, 'standby: a wrong API key');
is(value($node, 'SELECT last_used_at FROM quota.api_keys'), '', 'standby: no use is noted');
value($node, "SELECT * FROM quota.authenticate('$secret')");
is(value($node, 'SELECT count(last_used_at) FROM quota.api_keys'), '1', 'primary: its use is noted');
like($node->psql('postgres', "DO \$\$ BEGIN PERFORM quota.authenticate('${secret}0'); END \$\$", on_error_die => 0), qr/^[13]$/, 'a wrong API key in a function');
like(slurp_file($_->logfile), qr/the API key is not valid/, 'a wrong API key is logged'), unlike(slurp_file($_->logfile), qr/^(?!.*LOG:  statement: ).*${secret}0/m, 'its text is not')
  foreach $node, $standby;
# a session that has read the catalog sees it change
value($node, q{SELECT FROM quota.subscribe('ann', 'pro')});
value($node, q{SELECT FROM quota.apply_catalog(jsonb_set(quota.export_catalog(), '{plans,free,entitlements,max_mb,value}', '6'))});
$node->wait_for_catchup($standby);
is(ask($reader, q{SELECT quota.has('ann', 'mindmap'), quota.setting('bob', 'max_mb')}), 't|6', 'standby: a changed plan and catalog arrive');

my $highest = value($node, 'SELECT max(id) FROM quota.ledger');
$node->stop('immediate');
$standby->promote;
is(ask($reader, q{SELECT remaining FROM quota.debit('ann', 'tokens', 100)}), '900', 'promoted: the same session charges');
is(ask($reader, "SELECT id > $highest FROM quota.debit('ann', 'tokens', 1)"), 't', 'promoted: under new ids');
is(ask($reader, q{SELECT id FROM quota.debit('ann', 'tokens', 10, 'acknowledged')}), $first, 'promoted: keys are known');
is(ask($reader, "SELECT refunded FROM quota.refund($first)"), '10', 'promoted: old debits can be refunded');
is(ask($reader, q{SELECT remaining FROM quota.give_back('ann/x', 'docs', 4)}), '', 'promoted: and capacity given back');
bye($reader);
balanced($standby, 'promoted');

$standby->stop;
done_testing();
