# Hot accounts with the library preloaded: many transactions charge one account, and none
# waits for another's commit.  What is in memory is in tables as well, whatever becomes of
# the server.

use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Server;
use Session;
use Test::More;

my $catalog = q{
	"features": {"tokens": {"kind": "metered"}, "docs": {"kind": "capacity"}, "extra": {"kind": "metered"}},
	"plans": {
		"free": {"default": true, "entitlements": {"tokens": {"allowance": 1000, "period": "month"}, "docs": {"allowance": 1000},
			"extra": {"allowance": 0, "overage": true}}},
		"told": {"entitlements": {"tokens": {"allowance": 1000, "notify": [50, 80]}}},
		"big": {"entitlements": {"docs": {"allowance": 5000}}}}};

my $node = server('main', $catalog, shared_preload_libraries => 'quota');
my ($ann, $bob, $cy) = map { session($node) } 1 .. 3;

sub value { my ($sql) = @_; return $node->safe_psql('postgres', $sql) }
sub debit { my ($s, $who, $n) = @_; return ask($s, "SELECT remaining FROM quota.debit('$who', 'tokens', $n)") }
sub used { my ($who, $feature) = @_; return value("SELECT used FROM quota.check('$who', '" . ($feature // 'tokens') . "')") }
sub metric { my ($name) = @_; return value("SELECT value FROM quota.metrics WHERE name = 'quota_memory_$name'") }
sub leases { my ($who) = @_; return value("SELECT count(*) FROM quota.leases WHERE subject = '$who'") }
sub books { is(value('SELECT * FROM quota.verify()'), '', 'the books are right'); return }

# An account with a lease of twice the amount.
sub lease
{
	my ($who, $n, $feature) = @_;
	value("SET quota.eager_leases = on; SELECT quota.debit('$who', '" . ($feature // 'tokens') . "', $n)");
	is(leases($who), '1', "$who has a lease");
	return;
}

sub waits
{
	my ($s, $pid) = @_;
	ok($node->poll_query_until('postgres', "SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = $pid"), 'it waits');
	return;
}

my %pid = map { $_ => ask($_, 'SELECT pg_backend_pid()') } $ann, $bob, $cy;

# ---- nobody waits ----------------------------------------------------------------------

lease('acme', 100);
ask($ann, 'BEGIN');
is(debit($ann, 'acme', 10), '890', 'a transaction charges');
ask($bob, 'BEGIN');
is(debit($bob, 'acme', 20), '870', 'another one does not wait for it, and counts what it may have taken');
is(used('acme'), '100', 'a reader sees what is committed');
is(ask($ann, q{SELECT used FROM quota.check('acme', 'tokens')}), '110', 'and what is its own');
ask($ann, q{DECLARE before CURSOR FOR SELECT used FROM quota.check('acme', 'tokens')});
debit($ann, 'acme', 5);
is(ask($ann, 'FETCH before'), '110', 'a cursor only what was before it');
ask($ann, 'ROLLBACK');
is(debit($bob, 'acme', 20), '860', 'what is rolled back is there again');
ask($bob, 'SAVEPOINT s');
is(debit($bob, 'acme', 50), '810', 'after a savepoint');
ask($bob, 'ROLLBACK TO s');
is(debit($bob, 'acme', 1), '859', 'so is what is rolled back to one');
ask($bob, 'COMMIT');
is(used('acme'), '141', 'the rest is charged');
cmp_ok(metric('takes_total'), '>=', 5, 'memory gave it');
books();

lease('own', 100);
ask($ann, q{BEGIN; SET LOCAL quota.leases = off});
debit($ann, 'own', 50);
ask($ann, 'SET LOCAL quota.leases = on');
is(debit($ann, 'own', 10), '840', 'what a transaction has written of the row counts when it takes from the lease');
ask($ann, 'COMMIT');
my $leases = metric('leases');
ask($ann, q{BEGIN; SET LOCAL quota.eager_leases = on});
debit($ann, 'undone', 10);
is(metric('leases'), $leases + 1, 'a lease that is not committed');
ask($ann, 'ROLLBACK');
is(metric('leases'), $leases, 'leaves nothing');

# ---- near the limit --------------------------------------------------------------------

lease('edge', 250);
ask($ann, 'BEGIN');
is(debit($ann, 'edge', 300), '450', 'a transaction has taken from the lease');
say_to($bob, q{SELECT allowed, remaining FROM quota.try_debit('edge', 'tokens', 451)});
waits($bob, $pid{$bob});
ask($ann, 'ROLLBACK');
is(answer($bob), 't|299', 'who asks for what that may give back waits for it');
is(leases('edge'), '0', 'and has ended the lease');
is(ask($bob, q{SELECT allowed, remaining FROM quota.try_debit('edge', 'tokens', 300)}), 'f|299', 'nothing is given twice');

lease('both', 250);
ask($ann, 'BEGIN');
debit($ann, 'both', 100);
ask($bob, 'BEGIN');
debit($bob, 'both', 100);
is(ask($ann, q{SELECT allowed, remaining FROM quota.try_debit('both', 'tokens', 551)}), 'f|550',
	'a transaction that has taken itself counts what others have in flight as taken');
is(ask($ann, q{SELECT allowed, remaining FROM quota.try_debit('both', 'tokens', 550)}), 't|0', 'and can have all else');
ask($_, 'COMMIT') foreach $ann, $bob;
is(used('both'), '1000', 'all of it');
books();

lease('upto', 400);
ask($ann, 'BEGIN');
debit($ann, 'upto', 100);
say_to($bob, q{SELECT debited FROM quota.try_debit('upto', 'tokens', 1000, up_to => true)});
waits($bob, $pid{$bob});
ask($ann, 'ROLLBACK');
is(answer($bob), '600', 'who asks for as much as there is waits for it, too');

value(q{SELECT quota.override('team', 'tokens', '{"allowance": 1000}'), quota.override('team/m', 'tokens', '{"allowance": 100}')});
lease('team', 100);
debit($ann, 'team/m', 10);
ask($ann, 'BEGIN');
my $member = ask($ann, q{SELECT id FROM quota.debit('team/m', 'tokens', 60)});
say_to($bob, q{SELECT debited FROM quota.try_debit('team/m', 'tokens', 50, up_to => true)});
waits($bob, $pid{$bob});
ask($ann, 'COMMIT');
is(answer($bob), '30', 'who finds less in the row than before');
is(used('team'), '200', 'takes no more from the lease');
ask($ann, "SELECT quota.refund($member, 20)");
ask($ann, 'BEGIN');
ask($ann, "SELECT quota.refund($member, 40)");
say_to($bob, q{SELECT debited FROM quota.try_debit('team/m', 'tokens', 50, up_to => true)});
waits($bob, $pid{$bob});
ask($ann, 'COMMIT');
is(answer($bob), '50', 'who finds more there');
is(used('team'), '190', 'takes all of that');
books();

# ---- giving back, holds ------------------------------------------------------------------

lease('back', 100);
my $debit = ask($ann, q{SELECT id FROM quota.debit('back', 'tokens', 30)});
ask($bob, 'BEGIN');
debit($bob, 'back', 5);
is(ask($ann, "SELECT refunded, remaining FROM quota.refund($debit)"), '30|900', 'a refund waits for nobody');
my $hold = ask($ann, q{SELECT id FROM quota.reserve('back', 'tokens', 40)});
is(value(q{SELECT used, reserved FROM quota.status('back') WHERE feature = 'tokens'}), '140|40', 'a hold is reserved in memory');
is(value(q{SELECT used, reserved FROM quota_internal.window_use WHERE subject = 'back'}), '140|40', 'tables say the same');
is(ask($ann, "SELECT charged, remaining FROM quota.settle($hold, 15)"), '15|885', 'and settled there');
ask($bob, 'COMMIT');
is(used('back'), '120', 'what it cost is charged');
is(leases('back'), '1', 'the lease goes on');
value(q{SET quota.clock = '2099-01-01'; SELECT count(*) FROM quota.maintain()});
is(leases('back'), '0', 'maintain ends it when its window is over');
lease('old', 10);
books();

# A refund with a key has its id from the beginning, and waits for the key's transaction.
$hold = ask($ann, q{SET quota.leases = off; SELECT id FROM quota.reserve('early', 'tokens', 10)});
ask($ann, 'RESET quota.leases');
ask($cy, q{BEGIN; SELECT quota.debit('early', 'extra', 1, key => 'k')});
say_to($ann, "SELECT refunded FROM quota.refund($hold, 20, key => 'k')");
waits($ann, $pid{$ann});
lease('early', 100);
ask($bob, "SELECT quota.settle($hold, 30)");
ask($cy, 'ROLLBACK');
is(answer($ann), '20', 'a refund whose id is older than the lease');
is(used('early'), '110', 'comes back');
books();

# So has a debit with a key; it is in the sum of the ledger by its row.
ask($cy, q{BEGIN; SELECT quota.debit('keyed', 'extra', 1, key => 'k')});
say_to($ann, q{SELECT remaining FROM quota.debit('keyed', 'tokens', 5, key => 'k')});
waits($ann, $pid{$ann});
lease('keyed', 100);
ask($cy, 'ROLLBACK');
is(answer($ann), '895', 'a debit whose id is older than the lease');
is(value(q{SELECT used FROM quota_internal.window_use WHERE subject = 'keyed'}), '105', 'is in the tables');
books();

# Support has said that less is used than was charged: so what can be refunded is more than that.
foreach my $first (qw(lease row))
{
	my $old = value("SELECT id FROM quota.debit('less$first', 'tokens', 30)");
	value("SELECT quota.set_usage('less$first', 'tokens', 0)");
	lease("less$first", 10);
	my $young = value("SELECT id FROM quota.debit('less$first', 'tokens', 20)");
	my ($one, $other) = $first eq 'lease' ? ($young, $old) : ($old, $young);
	ask($ann, 'BEGIN');
	ask($ann, "SELECT quota.refund($one)");
	say_to($bob, "SELECT remaining FROM quota.refund($other)");
	waits($bob, $pid{$bob}) if $first eq 'row';
	answer($bob) if $first eq 'lease';
	ask($ann, 'COMMIT');
	answer($bob) if $first eq 'row';
	is(used("less$first"), '0', "two refunds of more than is used, the first out of the $first");
	is(debit($ann, "less$first", 5), '995', 'leave an account that goes on');
}
books();

# ---- capacity, overage -------------------------------------------------------------------

lease('shelf', 100, 'docs');
ask($ann, 'BEGIN');
is(ask($ann, q{SELECT remaining FROM quota.debit('shelf', 'docs', 10)}), '890', 'a capacity can be leased');
is(ask($bob, q{SELECT remaining FROM quota.debit('shelf', 'docs', 10)}), '880', 'too');
ask($ann, 'COMMIT');
is(ask($bob, q{SELECT remaining FROM quota.give_back('shelf', 'docs', 120)}), '1000', 'all that was taken of it can be given back');
is(used('shelf', 'docs'), '0', 'nothing is held then');
lease('beyond', 10, 'extra');
ask($ann, q{BEGIN; SELECT quota.debit('beyond', 'extra', 7)});
ask($bob, q{SELECT quota.debit('beyond', 'extra', 5)});
ask($ann, 'COMMIT');
is(value(q{SELECT overage FROM quota.periods WHERE subject = 'beyond'}), '22', 'and overage, where nothing comes before it');
books();

# One that may not wait takes of a grant while others have taken: that goes back to the grant.
lease('kinds', 100);
ask($ann, 'BEGIN');
debit($ann, 'kinds', 50);
value(q{SELECT quota.credit('kinds', 'tokens', 70)});
ask($bob, 'BEGIN');
debit($bob, 'back', 1);
my $granted = ask($bob, q{SELECT id FROM quota.debit('kinds', 'tokens', 880)});
ask($_, 'COMMIT') foreach $ann, $bob;
is(value(q{SELECT used FROM quota_internal.grant_use}), '30', 'a charge has taken of a grant beside a lease');
is(ask($bob, "SELECT refunded FROM quota.refund($granted, 30)"), '30', 'it is given back');
is(value(q{SELECT used FROM quota_internal.grant_use}), '0', 'to the grant');
books();

# ---- thresholds --------------------------------------------------------------------------

value(q{SELECT quota.subscribe('told', 'told')});
lease('told', 200);
ask($ann, 'BEGIN');
debit($ann, 'told', 250);
say_to($bob, q{SELECT remaining FROM quota.debit('told', 'tokens', 100)});
waits($bob, $pid{$bob});
ask($ann, 'COMMIT');
is(answer($bob), '450', 'who could pass a threshold waits for those who have taken');
is(value(q{SELECT data ->> 'percent', data ->> 'used' FROM quota.events WHERE subject = 'told' AND type = 'threshold_reached'}), '50|550', 'and it is told of once');

sub told { my ($who) = @_; return value("SELECT string_agg((data ->> 'percent') || ' at ' || (data ->> 'used'), ', ' ORDER BY id) FROM quota.events WHERE subject = '$who' AND type = 'threshold_reached'") }
value(q{SELECT quota.subscribe(s, 'told') FROM unnest('{over,under,straddle}'::text[]) s});
lease('over', 200);
is(debit($ann, 'over', 350), '450', 'a lease of twice the amount would reach over a threshold');
is(told('over'), '50 at 550', 'and does not');
my $first = value(q{SELECT id FROM quota.debit('under', 'tokens', 510)});
lease('under', 20);
is(ask($ann, "SELECT refunded FROM quota.refund($first, 40)"), '40', 'a refund of what was charged before the lease goes below a threshold');
ask($ann, 'BEGIN');
debit($ann, 'under', 8);
say_to($bob, q{SELECT remaining FROM quota.debit('under', 'tokens', 8)});
waits($bob, $pid{$bob});
ask($ann, 'ROLLBACK');
is(answer($bob), '502', 'one that would pass it again with another waits for that');
is(debit($ann, 'under', 8), '494', 'one that passes it again');
is(told('under'), '50 at 510, 50 at 506', 'tells it again');
value(q{SELECT quota.reserve('straddle', 'tokens', 600)});
value(q{SET quota.eager_leases = on; SELECT quota.debit('straddle', 'tokens', 10)});
is(leases('straddle'), '0', 'there is no lease where a threshold lies between use with holds and without');
books();

# ---- limits that change by themselves -------------------------------------------------------

value(q{SELECT quota.subscribe('ends', 'big', ends_at => '2090-01-01')});
lease('ends', 100, 'docs');
is(value(q{SET quota.clock = '2091-01-01'; SELECT remaining FROM quota.debit('ends', 'docs', 1)}), '899', 'when a subscription has ended, the default plan counts');
is(leases('ends'), '0', 'and a lease from before has ended');
books();

# ---- administration ----------------------------------------------------------------------

lease('plan', 100);
ask($ann, 'BEGIN');
debit($ann, 'plan', 10);
say_to($bob, q{SELECT quota.override('plan', 'tokens', '{"allowance": 500}')});
waits($bob, $pid{$bob});
is(debit($cy, 'plan', 5), '885', 'while an administrator waits, charges go by the row');
ask($ann, 'COMMIT');
answer($bob);
is(value(q{SELECT used, remaining FROM quota.check('plan', 'tokens')}), '115|385', 'and then the new limit counts all of them');
lease('bored', 10);
ask($ann, q{BEGIN; SELECT quota.debit('bored', 'tokens', 3)});
is(ask($bob, q{SET statement_timeout = 300; SELECT quota.override('bored', 'tokens', '{"allowance": 500}')}) =~ /57014/ ? 'gives up' : 'goes on', 'gives up', 'an administrator may give up');
ask($bob, 'RESET statement_timeout');
is(debit($cy, 'bored', 3), '984', 'and charges go on');
say_to($bob, q{SELECT quota.override('bored', 'tokens', '{"allowance": 600}')});
waits($bob, $pid{$bob});
value("SELECT pg_terminate_backend($pid{$bob}, 60000)");
gone($bob);
$bob = session($node);
ask($ann, 'COMMIT');
is(used('bored'), '16', 'one that is terminated while it waits has changed nothing');
value(q{SELECT quota.forget('bored')});
is(leases('bored'), '0', 'who is forgotten leaves no lease');
books();

# ---- sessions that do not take part ------------------------------------------------------

lease('mixed', 100);
ask($ann, 'BEGIN');
debit($ann, 'mixed', 10);
ask($bob, 'SET quota.leases = off');
is(debit($bob, 'mixed', 10), '880', 'a session that goes by rows alone');
ask($cy, 'BEGIN ISOLATION LEVEL REPEATABLE READ');
is(debit($cy, 'mixed', 10), '870', 'one whose snapshot stays the same');
is(ask($cy, q{SELECT used FROM quota_internal.window_use WHERE subject = 'mixed'}), '120', 'sees its own charge');
ask($ann, 'COMMIT');
is(ask($cy, q{SELECT used FROM quota_internal.window_use WHERE subject = 'mixed'}), '120', 'and no later one');
ask($cy, 'COMMIT');
is(used('mixed'), '130', 'all count');
lease('apart', 100);
my $kept = ask($ann, q{SELECT id FROM quota.reserve('apart', 'tokens', 40)});
is(ask($bob, "SELECT charged FROM quota.settle($kept, 15)"), '15', 'it settles a hold that was taken from a lease');
is(value(q{SELECT used, reserved FROM quota.status('apart') WHERE feature = 'tokens'}), '115|0', 'of which nothing is reserved then');
ask($bob, 'RESET quota.leases');
books();

# ---- memory and tables of two times ------------------------------------------------------

# as after a restore of the tables alone
lease('restored', 100);
my $taken = value(q{SELECT id FROM quota.debit('restored', 'tokens', 30)});
value(q{SET session_replication_role = replica; UPDATE quota_internal.bucket SET used = used - leased + 30, leased = NULL, lease_id = NULL, lease_since = NULL
	WHERE subject = 'restored'});
is(value(q{SELECT remaining FROM quota.debit('restored', 'tokens', 10)}), '860', 'a row without the lease that memory knows is charged');
is(value("SELECT refunded FROM quota.refund($taken)"), '30', 'and gives back');
is(value(q{SELECT used FROM quota_internal.window_use WHERE subject = 'restored'}), '110', 'it is the row that counts');
books();

# ---- after ten seconds -------------------------------------------------------------------

is(value(q{SELECT count(pg_sleep(greatest(extract(epoch FROM opened_at + interval '10.1 s' - clock_timestamp()), 0))) FROM quota.leases WHERE subject = 'old'}), '1', 'a lease of ten seconds');
is(debit($ann, 'old', 1), '989', 'serves a charge');
is(leases('old'), '0', 'and ends');

# ---- prepared transactions ---------------------------------------------------------------

lease('prep', 100);
ask($ann, 'BEGIN');
debit($ann, 'prep', 30);
ask($ann, q{PREPARE TRANSACTION 'p'});
is(debit($bob, 'prep', 10), '860', 'a prepared transaction has taken');
is(used('prep'), '110', 'which is not committed');
like(ask($bob, q{SET statement_timeout = 300; SELECT quota.override('prep', 'tokens', '{"allowance": 500}')}), qr/57014/, 'an administrator waits for its end');
ask($bob, q{RESET statement_timeout; ROLLBACK PREPARED 'p'});
ask($bob, q{SELECT quota.override('prep', 'tokens', '{"allowance": 500}')});
is(value(q{SELECT used, remaining FROM quota.check('prep', 'tokens')}), '110|390', 'rolled back, it has taken nothing');
books();

# ---- a crash -----------------------------------------------------------------------------

lease('crash', 100);
debit($ann, 'crash', 20);
foreach my $who (qw(hold1 hold2 hold3))
{
	lease($who, 100);
	value("SELECT quota.reserve('$who', 'tokens', 5)");
}
lease('twice', 100);
ask($ann, 'BEGIN');
debit($ann, 'twice', 30);
ask($ann, q{PREPARE TRANSACTION 'q'});
ask($ann, 'BEGIN');
debit($ann, 'crash', 40);
kill_backend($node, $pid{$cy}, $ann, $bob, $cy);
($ann, $bob, $cy) = map { session($node) } 1 .. 3;
is(metric('leases'), '0', 'after a crash memory is empty');
is(used('crash'), '120', 'what was committed stays, what was not is gone');
is(value(q{SELECT taken FROM quota.leases WHERE subject = 'crash'}), '', 'memory does not know the lease');
is(debit($ann, 'crash', 1), '879', 'the next charge adds up what it had given');
is(leases('crash'), '0', 'and ends it');
debit($ann, 'hold1', 1);
is(value(q{SELECT quota_internal._close_leases('{hold2,hold3}')}), '2', 'administration ends two together');
is(value(q{SELECT string_agg(reserved::text, ' ') FROM quota_internal.window_use WHERE subject ~ '^hold[123]$'}), '5 5 5', 'their rows have the holds that were taken from leases');
is(value(q{SET quota.eager_leases = on; SELECT remaining FROM quota.debit('twice', 'tokens', 1)}), '699', 'beside a prepared transaction no lease is opened');
is(debit($ann, 'twice', 600), '99', 'and there is all that is not leased');
say_to($ann, q{SELECT allowed FROM quota.try_debit('twice', 'tokens', 150)});
ok($node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query ~ 'try_debit.*150'}), 'for more one waits');
ask($bob, q{ROLLBACK PREPARED 'q'});
is(answer($ann), 't', 'until it ends');
is(used('twice'), '851', 'nothing is lost');
books();

# ---- a standby ---------------------------------------------------------------------------

lease('moved', 100);
ask($ann, 'BEGIN');
debit($ann, 'moved', 30);
ask($ann, q{PREPARE TRANSACTION 'r'});
debit($ann, 'moved', 7);
$node->backup('copy');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'copy', has_streaming => 1);
$standby->start;
debit($ann, 'moved', 3);
$node->wait_for_catchup($standby);
is($standby->safe_psql('postgres', q{SELECT used FROM quota.check('moved', 'tokens')}), '110', 'a standby shows true use');
$standby->promote;
is($standby->safe_psql('postgres', q{SELECT remaining FROM quota.debit('moved', 'tokens', 1)}), '699', 'promoted, it charges beside the lease, of which a part is prepared');
$standby->safe_psql('postgres', q{COMMIT PREPARED 'r'});
is($standby->safe_psql('postgres', q{SELECT remaining FROM quota.debit('moved', 'tokens', 1)}), '858', 'and ends it with that');
is($standby->safe_psql('postgres', 'SELECT * FROM quota.verify()'), '', 'right there as well');
$standby->stop;
ask($ann, q{ROLLBACK PREPARED 'r'});

# ---- other databases, another extension ---------------------------------------------------

lease('copied', 100);
bye($_) foreach $ann, $bob, $cy;
$node->safe_psql('template1', 'CREATE DATABASE other TEMPLATE postgres');
is($node->safe_psql('other', q{SELECT remaining FROM quota.debit('copied', 'tokens', 1)}), '899', 'a copied database knows what the lease had given');
is($node->safe_psql('other', 'SELECT * FROM quota.verify()'), '', 'and is right');
is(leases('copied'), '1', 'the other one keeps its lease');
$node->safe_psql('postgres', 'DROP DATABASE other');
value('DROP EXTENSION quota CASCADE');
value("CREATE EXTENSION quota; SELECT quota.apply_catalog('{$catalog}')");
is(value(q{SELECT remaining FROM quota.debit('copied', 'tokens', 1)}), '999', 'an extension that is made again begins afresh');

# ---- under load ----------------------------------------------------------------------------

value(q{SELECT quota.override(s, 'tokens', '{"allowance": 20000}') FROM unnest('{load,load/m,load/n}'::text[]) s});
my $script = $node->basedir . '/load.sql';
append_to_file($script, q{
\set n random(1, 20)
\set m random(1, 9)
\set a random(1, 10)
BEGIN;
SELECT allowed FROM quota.try_debit('load', 'tokens', :n);
SAVEPOINT s;
SELECT allowed FROM quota.try_debit('load', 'tokens', :m, up_to => true);
\if :a > 7
ROLLBACK TO s;
\endif
\if :a = 3
ROLLBACK;
\else
COMMIT;
\endif
});
my $paths = $node->basedir . '/paths.sql';
append_to_file($paths, q{
\set n random(1, 20)
\set m random(0, 1)
SELECT allowed FROM quota.try_debit('load/' || (ARRAY['m', 'n'])[1 + :m], 'tokens', :n);
});
my $load = IPC::Run::start([ 'pgbench', '-n', '-c', '8', '-t', '400', '-f', $script, '-f', $paths, $node->connstr('postgres') ], '>', \my $out, '2>', \my $err);
my $wrong = '';
for (1 .. 5)
{
	$wrong .= value('SELECT * FROM quota.verify()');
	value("SELECT quota.override('load/n', 'tokens', '{\"allowance\": " . (19000 + $_) . "}')");
	value('SELECT count(*) FROM quota.maintain()');
}
$load->finish;
is($wrong, '', 'the books are right while eight clients charge and an administrator changes limits');
like($out, qr/number of transactions actually processed: 3200\/3200/, 'no charge failed') or diag($err);
is(value(q{SELECT used <= 20000 FROM quota.check('load', 'tokens')}), 't', 'nothing is overspent');
value(q{SELECT quota.try_debit('load', 'tokens', 20000, up_to => true)});
is(used('load'), '20000', 'and all can be had');
books();

# clients that give up all the time
value(q{SELECT quota.override('storm', 'tokens', '{"allowance": 1000000}')});
my $storm = $node->basedir . '/storm.sql';
append_to_file($storm, join '', map { "SET statement_timeout = " . (1 + $_ % 4) . "; BEGIN; SELECT quota.debit('storm', 'tokens', 1); SELECT pg_sleep(0.002); COMMIT;\n" } 1 .. 200);
my @storm = map { IPC::Run::start([ 'psql', '-XAtq', '-f', $storm, '-d', $node->connstr('postgres') ], '>', \my $nothing, '2>', \my $errors) } 1 .. 6;
$_->finish foreach @storm;
cmp_ok(used('storm'), '>', 0, 'clients that give up all the time');
is(used('storm'), value(q{SELECT coalesce(sum(amount), 0) FROM quota.ledger WHERE account = 'storm'}), 'have charged what they have charged');
books();

# ---- without memory --------------------------------------------------------------------------

lease('later', 100);
value(q{SELECT quota.debit('later', 'tokens', 20)});
$node->append_conf('postgresql.conf', "shared_preload_libraries = ''\n");
$node->restart;
is(used('later'), '120', 'a server that does not preload the library knows what a lease has given');
is(value(q{SELECT remaining FROM quota.debit('later', 'tokens', 1)}), '879', 'and ends it');
books();
$node->stop;

my $small = server('small', $catalog, shared_preload_libraries => 'quota', 'quota.max_accounts' => 4, 'quota.eager_leases' => 'on');
$small->safe_psql('postgres', q{SELECT quota.debit('s' || n % 20, 'tokens', 1) FROM generate_series(1, 100) n});
is($small->safe_psql('postgres', q{SELECT value FROM quota.metrics WHERE name = 'quota_memory_leases'}), '1', 'memory has room for one lease');
is($small->safe_psql('postgres', 'SELECT count(*) FROM quota.leases'), '1', 'and rows bear no other');
cmp_ok($small->safe_psql('postgres', q{SELECT value FROM quota.metrics WHERE name = 'quota_memory_full_total'}), '>', 0, 'which it says');
is($small->safe_psql('postgres', q{SELECT sum(used) FROM quota_internal.window_use}), '100', 'others are rows');
$small->append_conf('postgresql.conf', "max_locks_per_transaction = 10\nquota.max_accounts = 65536\n");
$small->restart;
$small->safe_psql('postgres', q{CREATE TABLE doc (tenant text); SELECT quota.protect('doc', 'docs', 'tenant'); INSERT INTO doc SELECT 't' || n FROM generate_series(1, 10000) n});
is($small->safe_psql('postgres', q{SELECT sum(used) FROM quota_internal.window_use WHERE subject LIKE 't%'}), '10000', 'a statement over many accounts does not fill the lock table');
$small->safe_psql('postgres', q{INSERT INTO doc SELECT 't' || n FROM generate_series(1, 10000) n});
is($small->safe_psql('postgres', q{SELECT sum(used) FROM quota_internal.window_use WHERE subject LIKE 't%'}), '20000', 'nor one over many leases');
is($small->safe_psql('postgres', 'SELECT * FROM quota.verify()'), '', 'the books are right');
$small->stop;

done_testing();
