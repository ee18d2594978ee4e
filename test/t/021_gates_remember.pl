# What gates remember in dumps: it comes back with the rows, which are known by
# their tables' names until then and by their keys after, and is given back there.

use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

$ENV{PGOPTIONS} = '-c quota.clock=2026-03-15T12:00:00Z';

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->start;
my $dumps = PostgreSQL::Test::Utils::tempdir();

sub run_in
{
	my ($server, $db, $sql) = @_;
	return $server->safe_psql($db, $sql,
		extra_params => [ '-v', 'ON_ERROR_STOP=1' ]);
}

my $remembered = q{SET search_path = public;
	SELECT c.target, f.name, c.key, c.subject, c.amount FROM quota_internal.gate_charge c JOIN quota_internal.feature f ON f.id = c.feature_id
	WHERE EXISTS (SELECT FROM pg_class k WHERE k.oid = c.target AND k.relpersistence <> 't') ORDER BY c.target::text, f.name, c.key};
my $used = q{SELECT b.subject, f.name, b.used FROM quota_internal.window_use b JOIN quota_internal.feature f ON f.id = b.feature_id WHERE b.used <> 0 ORDER BY 2, 1};
my $wrong = q{SELECT check_name, detail FROM quota.verify()};

run_in($node, 'postgres', 'CREATE DATABASE shop');
run_in($node, 'shop', q{
	CREATE EXTENSION quota CASCADE;
	SELECT count(*) FROM quota.apply_catalog('{
		"features": {"docs": {"kind": "capacity"}, "words": {"kind": "metered"}},
		"plans": {"free": {"default": true, "entitlements": {"docs": {"allowance": 50}, "words": {"allowance": 100, "period": "month"}}}}}');
	CREATE SCHEMA "Other one";
	CREATE TABLE project (id int PRIMARY KEY, org text);
	CREATE TABLE doc (id int PRIMARY KEY, project int, n int DEFAULT 1);
	CREATE TABLE part (at timestamptz, id int, project int, PRIMARY KEY (at, id)) PARTITION BY RANGE (at);
	CREATE TABLE part_a PARTITION OF part FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
	CREATE TABLE part_b PARTITION OF part FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
	CREATE TABLE dropped (id int PRIMARY KEY);
	SELECT quota.protect(t, 'docs', '(SELECT p.org FROM public.project p WHERE p.id = r.project)', remember => true) FROM unnest('{doc,part}'::regclass[]) t;
	SELECT quota.protect('doc', 'words', '(SELECT p.org FROM public.project p WHERE p.id = r.project)', 'r.n', 'on_decrease', remember => true);
	SELECT quota.protect('dropped', 'docs', $$'ann'$$, remember => true);
	INSERT INTO project VALUES (1, 'ann'), (2, 'bob');
	INSERT INTO doc VALUES (1, 1, 5), (2, 1, 6), (3, 2, 7);
	INSERT INTO part VALUES ('2026-01-05', 1, 1), ('2026-02-05', 1, 1);
	INSERT INTO dropped VALUES (1);
	DROP TABLE dropped;
	-- they have drifted from what the expressions say, and bear other names
	UPDATE project SET org = 'cid' WHERE id = 1;
	ALTER TABLE doc RENAME TO "odd Doc";
	ALTER TABLE "odd Doc" SET SCHEMA "Other one"});
is(run_in($node, 'shop', 'SELECT count(*) FROM quota_internal.gate_charge'), '9', 'rows are remembered, of a dropped table, too');

my $before = run_in($node, 'shop', $remembered);
my $used_before = run_in($node, 'shop', $used);
my $connstr = $node->connstr('shop');
command_checks_all([ 'pg_dump', '-Fc', '-f', "$dumps/shop.custom", '-d', $connstr ], 0, [qr/^$/], [qr/^$/], 'pg_dump -Fc warns of nothing');
command_ok([ 'pg_dump', '-f', "$dumps/shop.sql", '-d', $connstr ], 'pg_dump as SQL');
command_ok([ 'pg_dump', '-Fd', '-j', '2', '-f', "$dumps/shop.dir", '-d', $connstr ], 'pg_dump -Fd');

my %restores = (
	custom => [ 'pg_restore', '--exit-on-error', "$dumps/shop.custom" ],
	parallel => [ 'pg_restore', '--exit-on-error', '-j', '4', "$dumps/shop.dir" ],
	plain => [ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', "$dumps/shop.sql" ]);
foreach my $name (sort keys %restores)
{
	my $db = "shop_$name";
	# OIDs are others there
	run_in($node, 'postgres', "CREATE DATABASE $db");
	command_ok([ @{ $restores{$name} }, '-d', $node->connstr($db) ], "$name: restored");
	is(run_in($node, $db, $remembered), $before, "$name: what is remembered came along, and nothing of other tables");
	isnt(run_in($node, $db, q{SELECT '"Other one"."odd Doc"'::regclass::oid}), run_in($node, 'shop', q{SELECT '"Other one"."odd Doc"'::regclass::oid}), "$name: by other OIDs");
	is(run_in($node, $db, $used), $used_before, "$name: what is used came along");
	is(run_in($node, $db, $wrong), '', "$name: every invariant holds");
	run_in($node, $db, q{DELETE FROM "Other one"."odd Doc" WHERE id = 1; UPDATE "Other one"."odd Doc" SET id = 20 WHERE id = 2;
		UPDATE part SET at = '2026-02-06' WHERE at = '2026-01-05'; TRUNCATE part_a});
	is(run_in($node, $db, q{SELECT string_agg(concat_ws(' ', b.subject, f.name, b.used), ', ' ORDER BY f.name, b.subject)
		FROM quota_internal.window_use b JOIN quota_internal.feature f ON f.id = b.feature_id WHERE b.used <> 0 AND b.subject IN ('ann', 'bob', 'cid')}),
		'ann docs 2, bob docs 1, cid docs 2, bob words 7, cid words 6', "$name: and is given back, and moved");
	is(run_in($node, $db, q{SELECT count(*) FROM quota.recount('words')}), '0', "$name: recount of what is remembered");
	is(run_in($node, $db, $wrong), '', "$name: every invariant still holds");
}

$node->stop;
done_testing();
