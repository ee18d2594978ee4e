# Gates in dumps and in logical replication: rows that are copied are charged where
# they were made, and not once more; afterwards the gates are there and charge.

use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

$ENV{PGOPTIONS} = '-c quota.clock=2026-03-15T12:00:00Z';

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(allows_streaming => 'logical');
$node->start;
my $dumps = PostgreSQL::Test::Utils::tempdir();

sub run_in
{
	my ($server, $db, $sql) = @_;
	return $server->safe_psql($db, $sql,
		extra_params => [ '-v', 'ON_ERROR_STOP=1' ]);
}

# How a statement is refused.
sub refusal
{
	my ($server, $db, $sql) = @_;
	my ($ret, $out, $err) = $server->psql($db, $sql, extra_params => [ '-v', 'VERBOSITY=sqlstate' ]);
	return $err =~ /ERROR:\s+(\w{5})/ ? $1 : "not refused: $out $err";
}

my $uses = q{SELECT string_agg(b.subject || ' ' || f.name || ' ' || b.used + b.overdrawn, ', ' ORDER BY f.name, b.subject)
	FROM quota_internal.window_use b JOIN quota_internal.feature f ON f.id = b.feature_id WHERE b.used + b.overdrawn <> 0};
my $gates = q{SELECT string_agg(concat_ws(' ', g.target, g.feature, g.subject, g.amount, g.refund, g.exceed, g.enabled), ', ' ORDER BY g.target::text, g.feature)
	FROM quota.gates g};
my $triggers = q{SELECT count(*) FROM pg_trigger WHERE tgfoid = 'quota.gate'::regproc};
my $wrong = q{SELECT check_name, detail FROM quota.verify() UNION ALL SELECT 'recount', r::text FROM quota.recount('docs') r};

run_in($node, 'postgres', q{CREATE DATABASE shop});
my $schema = q{
	CREATE TABLE doc (id int PRIMARY KEY, tenant text NOT NULL, size int NOT NULL DEFAULT 1);
	CREATE TABLE part (id int, tenant text) PARTITION BY RANGE (id);
	CREATE TABLE part_a PARTITION OF part FOR VALUES FROM (0) TO (10);
	CREATE TABLE part_b (tenant text, id int);
	CREATE TABLE base (tenant text);
	CREATE TABLE child () INHERITS (base);};
my $catalog = q{
	SELECT count(*) FROM quota.apply_catalog('{
		"features": {"docs": {"kind": "capacity"}, "bytes": {"kind": "metered"}},
		"plans": {"free": {"default": true, "entitlements": {"docs": {"allowance": 9}, "bytes": {"allowance": 100, "period": "month"}}}}}');};
my $protect = q{
	SELECT quota.protect('doc', 'docs', 'r.tenant'), quota.protect('doc', 'bytes', 'r.tenant || ''''', 'r.size', 'never', 'overdraw'),
		quota.protect('part', 'docs', 'r.tenant'), quota.protect('base', 'docs', 'r.tenant');
	ALTER TABLE part ATTACH PARTITION part_b FOR VALUES FROM (10) TO (20);};
run_in($node, 'shop', "CREATE EXTENSION quota CASCADE; $schema $catalog $protect" . q{
	INSERT INTO doc VALUES (1, 'ann', 60), (2, 'ann', 60), (3, 'bob', 1);
	INSERT INTO part VALUES (1, 'ann'), (11, 'ann'), (2, 'bob');
	INSERT INTO base VALUES ('ann');
	INSERT INTO child VALUES ('ann')});
my $used = run_in($node, 'shop', $uses);
my $gates_before = run_in($node, 'shop', $gates);
my $entries = run_in($node, 'shop', 'SELECT count(*) FROM quota.ledger');
is($used, 'ann bytes 120, bob bytes 1, ann docs 6, bob docs 2', 'what the rows are worth is counted');
is(run_in($node, 'shop', $wrong), '', 'and right');

# ---- dump and restore --------------------------------------------------------

my $connstr = $node->connstr('shop');
command_ok([ 'pg_dump', '-Fc', '-f', "$dumps/shop.custom", '-d', $connstr ], 'pg_dump -Fc');
command_ok([ 'pg_dump', '-f', "$dumps/shop.sql", '-d', $connstr ], 'pg_dump as SQL');
command_ok([ 'pg_dump', '-Fd', '-j', '2', '-f', "$dumps/shop.dir", '-d', $connstr ], 'pg_dump -Fd');
command_ok([ 'pg_dump', '-Fc', '-a', '-n', 'public', '-f', "$dumps/data.custom", '-d', $connstr ], 'pg_dump --data-only');

my %restores = (
	custom => [ 'pg_restore', '--exit-on-error', "$dumps/shop.custom" ],
	parallel => [ 'pg_restore', '--exit-on-error', '-j', '4', "$dumps/shop.dir" ],
	plain => [ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', "$dumps/shop.sql" ]);
foreach my $name (sort keys %restores)
{
	my $db = "shop_$name";
	run_in($node, 'postgres', "CREATE DATABASE $db");
	command_ok([ @{ $restores{$name} }, '-d', $node->connstr($db) ], "$name: restored");
	is(run_in($node, $db, 'SELECT count(*) FROM quota.ledger'), $entries, "$name: restoring charged nothing");
	is(run_in($node, $db, $uses), $used, "$name: what is used came along");
	is(run_in($node, $db, $gates), $gates_before, "$name: the gates are there");
	is(run_in($node, $db, $triggers), run_in($node, 'shop', $triggers), "$name: each trigger once");
	is(run_in($node, $db, $wrong), '', "$name: every invariant holds, counts are what rows are worth");
	run_in($node, $db, q{INSERT INTO part VALUES (12, 'ann'); INSERT INTO part_b VALUES ('ann', 13); DELETE FROM doc WHERE id = 1;
		CREATE TABLE part_c PARTITION OF part FOR VALUES FROM (20) TO (30); INSERT INTO part_c VALUES (21, 'bob')});
	is(run_in($node, $db, $uses), 'ann bytes 120, bob bytes 1, ann docs 7, bob docs 3', "$name: they charge, a new partition too");
	is(refusal($node, $db, q{INSERT INTO child SELECT 'ann' FROM generate_series(1, 3)}), 'QT402', "$name: and refuse");
	is(run_in($node, $db, $wrong), '', "$name: every invariant still holds");
}

# Rows alone, into tables whose gates are there: with --disable-triggers they
# are not charged, without they are.
foreach my $option ('--disable-triggers', '--no-owner')
{
	my $db = $option eq '--no-owner' ? 'rows_charged' : 'rows_alone';
	run_in($node, 'postgres', "CREATE DATABASE $db");
	run_in($node, $db, "CREATE EXTENSION quota CASCADE; $schema $catalog $protect");
	command_ok([ 'pg_restore', '--exit-on-error', $option, '-d', $node->connstr($db), "$dumps/data.custom" ], "$db: restored");
	is(run_in($node, $db, 'SELECT count(*) FROM (SELECT tenant FROM doc UNION ALL SELECT tenant FROM part UNION ALL SELECT tenant FROM base) t'), '8', "$db: all rows are there");
	is(run_in($node, $db, $uses), $option eq '--no-owner' ? $used : '', "$db: $option");
	is(run_in($node, $db, q{SELECT count(*) FROM quota.gates WHERE enabled}), run_in($node, 'shop', q{SELECT count(*) FROM quota.gates}), "$db: gates are enabled again");
	run_in($node, $db, q{SELECT quota.recount('docs', false)});
	is(run_in($node, $db, $wrong), '', "$db: recount() repairs");
	is(run_in($node, $db, q{SELECT used FROM quota.check('ann', 'docs')}), '6', "$db: to what rows are worth");
}

# ---- logical replication -------------------------------------------------------

# The subscriber has gates, too; what comes by replication has been charged.
my $subscriber = PostgreSQL::Test::Cluster->new('subscriber');
$subscriber->init;
$subscriber->start;
run_in($subscriber, 'postgres', "CREATE EXTENSION quota CASCADE; $schema $catalog $protect");
run_in($node, 'shop', 'CREATE PUBLICATION all_rows FOR TABLE doc, part, base, child; ALTER TABLE part REPLICA IDENTITY FULL;
	ALTER TABLE part_a REPLICA IDENTITY FULL; ALTER TABLE part_b REPLICA IDENTITY FULL');
run_in($subscriber, 'postgres', "CREATE SUBSCRIPTION s CONNECTION '" . $node->connstr . " dbname=shop' PUBLICATION all_rows");
$subscriber->wait_for_subscription_sync($node, 's', 'postgres');
is(run_in($subscriber, 'postgres', 'SELECT count(*) FROM doc'), '3', 'the first copy of the rows has come');
run_in($node, 'shop', q{INSERT INTO doc VALUES (4, 'ann'); UPDATE doc SET tenant = 'bob', size = 2 WHERE id = 3; DELETE FROM doc WHERE id = 2;
	UPDATE part SET id = id + 10 WHERE id = 1; TRUNCATE child});
$node->wait_for_catchup('s');
is(run_in($subscriber, 'postgres', 'SELECT count(*), sum(size) FROM doc'), '3|63', 'so have the changes');
is(run_in($subscriber, 'postgres', 'SELECT count(*) FROM quota.ledger'), '0', 'the subscriber charged nothing');
is(refusal($subscriber, 'postgres', q{INSERT INTO base SELECT 'zoe' FROM generate_series(1, 10)}), 'QT402', 'its own gates work');
run_in($subscriber, 'postgres', q{DROP SUBSCRIPTION s; SELECT quota.recount('docs', false)});
is(run_in($subscriber, 'postgres', q{SELECT string_agg(subject || ' ' || used, ', ' ORDER BY subject) FROM quota_internal.window_use WHERE used <> 0}),
	run_in($node, 'shop', q{SELECT string_agg(subject || ' ' || used, ', ' ORDER BY subject) FROM quota_internal.window_use b WHERE used <> 0
		AND feature_id = (SELECT id FROM quota_internal.feature WHERE name = 'docs')}), 'promoted, recount() counts what is here as there');
is(run_in($subscriber, 'postgres', $wrong), '', 'every invariant holds there');

$subscriber->stop;
$node->stop;
done_testing();
