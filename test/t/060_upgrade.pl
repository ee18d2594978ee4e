# From version 1.0 of the extension to this one: with data, grants, gates and live leases,
# while others charge; and library and objects of different versions.  test/upgrade has the
# script of 1.0 as it was.

use strict;
use warnings;
use Contents;
use File::Basename;
use IO::Uncompress::Gunzip;
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Server;
use Session;
use Test::More;

my $old = '1.0';
my $here = dirname(__FILE__);
my $dumps = PostgreSQL::Test::Utils::tempdir();
my $catalog = q{
	"features": {"tokens": {"kind": "metered"}, "docs": {"kind": "capacity"}, "pages": {"kind": "capacity"}, "mindmap": {"kind": "boolean"}, "api": {"kind": "rate"}},
	"plans": {
		"free": {"default": true, "entitlements": {"tokens": {"allowance": 1000, "period": "month", "notify": [80]},
			"docs": {"allowance": 1000}, "pages": {"allowance": 1000}, "mindmap": {"value": true}, "api": {"rate": {"limit": 60, "per": "1 minute"}}}},
		"pro": {"entitlements": {"docs": {"allowance": 1000}, "pages": {"allowance": 1000}, "mindmap": {"value": true}, "tokens": {"allowance": 5000, "period": "month", "anchor": "subscription", "rollover": {"max": 100}, "overage": true,
			"caps": [{"limit": 3000, "per": "5 hours", "window": "first_use"}], "members": {"allowance": 100, "period": "day"}}}}}};

# One of this version, whose library is preloaded: its databases have what they are given.
my $node = server('main', $catalog, shared_preload_libraries => 'quota');
my $current = $node->safe_psql('postgres', 'SHOW quota.library_version');
my $extension = $node->config_data('--sharedir') . '/extension';
my @scripts;

sub script
{
	my ($versions, $text) = @_;
	push @scripts, "$extension/quota--$versions.sql";
	append_to_file($scripts[-1], $text);
	return;
}
END { unlink @scripts }

my $script_of_old;
IO::Uncompress::Gunzip::gunzip("$here/../upgrade/quota--$old.sql.gz", \$script_of_old) or die 'no script of the old version';
script($old, $script_of_old);

sub version_in { my ($db) = @_; return run_in($node, $db, q{SELECT extversion FROM pg_extension WHERE extname = 'quota'}) }
sub update { my ($db) = @_; return run_in($node, $db, 'ALTER EXTENSION quota UPDATE') }
sub given { my ($db) = @_; return join "\n", grep { /shop_/ } split /\n/, rights($node, $db) }
sub books { my ($db, $name) = @_; is(run_in($node, $db, 'SELECT * FROM quota.verify()'), '', "$name: the books are right"); return }

# All that PostgreSQL knows of our objects, with their privileges, but for OIDs and the like.
sub objects
{
	my ($db) = @_;
	my $file = "$dumps/$db.objects";
	command_ok([ 'pg_dump', '--binary-upgrade', '--schema-only', '-f', $file, '-d', $node->connstr($db) ], "$db: all objects");
	my $text = slurp_file($file);
	$text =~ s/^SELECT pg_catalog\.binary_upgrade_(set_(next|missing)|create_empty_extension).*\n//mg;
	$text =~ s/^\\(un)?restrict .*\n//mg;
	$text =~ s/^(WHERE oid = |SET relfrozenxid = ).*//mg;
	return $text . run_in($node, $db, q{
		SELECT c.config::regclass, c.condition FROM pg_extension e, unnest(e.extconfig, e.extcondition) c(config, condition)
		WHERE e.extname = 'quota' ORDER BY c.config::regclass::text});
}

my $levels = q{SELECT quota.grant_access('shop_app', 'app'), quota.grant_access('shop_reader', 'reader'), quota.grant_access('shop_admin', 'admin')};

# ---- a database of 1.0, and this library -------------------------------------------------

$node->safe_psql('postgres', "CREATE DATABASE $_") foreach qw(shop calls updated installed);
$node->safe_psql('postgres', "CREATE ROLE $_") foreach qw(shop_app shop_reader shop_admin);
run_in($node, 'shop', qq{
	CREATE EXTENSION quota VERSION '$old' CASCADE;
	$levels;
	SELECT quota.apply_catalog('{$catalog}');
	SELECT quota.maintain();} . q{
	SELECT quota.subscribe('acme', 'pro', external_id => 'sub_1'), quota.subscribe('later', 'pro', '2999-01-01');
	SELECT quota.override('bob', 'tokens', '{"allowance": 50, "period": "day"}');
	SELECT quota.debit('acme/ann', 'tokens', 30, key => 'order-1'), quota.debit('acme', 'tokens', 60);
	SELECT quota.refund(min(debit_id), 5) FROM quota.ledger WHERE key = 'order-1';
	SELECT quota.credit('acme', 'tokens', 500), quota.credit('carl', 'tokens', 50, every => 'month');
	SELECT quota.reserve('acme', 'tokens', 100), quota.try_debit('bob', 'tokens', 1000), quota.throttle('carl', 'api', 3);
	-- an application that depends on us
	CREATE TABLE kept AS SELECT secret FROM quota.create_api_key('acme', 'ci');
	CREATE TABLE doc (id serial PRIMARY KEY, tenant text, pages int);
	SELECT quota.protect('doc', 'docs', 'r.tenant'), quota.protect('doc', 'pages', 'r.tenant', 'r.pages', remember => true);
	INSERT INTO doc (tenant, pages) SELECT 'acme', n FROM generate_series(1, 5) n;
	CREATE VIEW bill AS SELECT subject, sum(amount) FROM quota.ledger GROUP BY subject;
	CREATE VIEW rows AS SELECT * FROM quota.periods;
	CREATE TABLE map (subject text);
	INSERT INTO map VALUES ('acme'), ('bob');
	ALTER TABLE map ENABLE ROW LEVEL SECURITY;
	CREATE POLICY entitled ON map USING (quota.has(subject, 'mindmap'));
	GRANT SELECT ON map TO shop_app;
	CREATE FUNCTION pay(n int) RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT remaining FROM quota.debit('bob', 'tokens', n); END});
books('shop', 'objects of 1.0');

my ($ret, $out, $err) = $node->psql('calls', qq{
	\\set ON_ERROR_STOP on
	CREATE EXTENSION quota VERSION '$old' CASCADE;
	\\i $here/../sql/include/every_call.psql
	} . q{
	SET client_min_messages = notice;
	DO $$
	DECLARE
		call record;
		made int := 0;
	BEGIN
		FOR call IN SELECT e.* FROM every_call e WHERE e.good IS NOT NULL
			AND EXISTS (SELECT FROM pg_proc p WHERE p.pronamespace = 'quota'::regnamespace AND p.proname = e.name) LOOP
			BEGIN
				EXECUTE call.good;
				made := made + 1;
				RAISE EXCEPTION USING ERRCODE = 'QTXXX';
			EXCEPTION WHEN OTHERS THEN
				IF SQLSTATE <> 'QTXXX' THEN
					RAISE WARNING '%: %', call.name, SQLERRM;
				END IF;
			END;
		END LOOP;
		RAISE NOTICE '% calls', made;
	END $$});
is($ret, 0, 'the calls of 1.0 can be made') or diag($err);
unlike($err, qr/WARNING/, 'every function of 1.0 works with this library') or diag($err);
like($err, qr/NOTICE:  [5-9]\d calls/, 'and there are many of them');

# ---- rolled back, given up, given way ------------------------------------------------------

my $before = contents($node, 'shop');
my $rights = given('shop');

# A dump says CREATE EXTENSION without a version, so its rows come into this one's tables.
sub restored
{
	my ($db) = @_;
	command_ok([ 'pg_dump', '-Fc', '-f', "$dumps/$db", '-d', $node->connstr('shop') ], "$db: dumped");
	$node->safe_psql('postgres', "CREATE DATABASE $db");
	command_ok([ 'pg_restore', '--exit-on-error', '-d', $node->connstr($db), "$dumps/$db" ], "$db: restored");
	is(version_in($db), $node->safe_psql('postgres', q{SELECT default_version FROM pg_available_extensions WHERE name = 'quota'}), "$db: has this version");
	is_deeply(contents($node, $db), contents($node, 'shop'), "$db: every row");
	is(given($db), given('shop'), "$db: the rights");
	is(run_in($node, $db, q{SELECT remaining FROM quota.debit('bob', 'tokens', 1)}), run_in($node, 'shop', q{SELECT remaining - 1 FROM quota.check('bob', 'tokens')}), "$db: goes on");
	is(run_in($node, $db, qq{INSERT INTO doc (tenant, pages) VALUES ('$db', 6); SELECT used FROM quota.check('$db', 'pages')}), '6', "$db: its gates count");
	books($db, $db);
	return;
}
restored('from_old');

my $objects_of_old = objects('shop');
run_in($node, 'shop', q{BEGIN; ALTER EXTENSION quota UPDATE; SELECT quota.check('bob', 'tokens'); ROLLBACK});
is(version_in('shop'), $old, 'an update that is rolled back');
ok(objects('shop') eq $objects_of_old, 'leaves every object as it was');
is_deeply(contents($node, 'shop'), $before, 'and every row');

my ($admin, $web, $other) = map { session($node, database => 'shop') } 1 .. 3;
my $pid = ask($admin, 'SELECT pg_backend_pid()');
ask($web, q{BEGIN; SELECT quota.subscribe('busy', 'pro')});
like(ask($admin, q{SET lock_timeout = '100ms'; ALTER EXTENSION quota UPDATE}), qr/55P03/, 'beside a transaction that has subscribed, an update gives up in time');
ask($admin, 'RESET lock_timeout');
is(version_in('shop'), $old, 'with nothing changed');
say_to($admin, 'BEGIN; ALTER EXTENSION quota UPDATE');
ok($node->poll_query_until('shop', "SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = $pid"), 'or waits');
is(ask($other, q{SELECT remaining FROM quota.debit('bob', 'tokens', 1)}), '49', 'while it waits, others charge');
ask($web, 'COMMIT');
is(answer($admin), '', 'and goes on when the other has ended');
is(ask($other, q{SELECT remaining FROM quota.debit('bob', 'tokens', 1)}), '48', 'while it has not committed, others charge');
is(ask($other, q{SELECT used FROM quota.check('bob', 'tokens')}), '2', 'and look');
like(ask($other, q{SET lock_timeout = '100ms'; SELECT quota.subscribe('soon', 'pro')}), qr/55P03/, 'who subscribes has to wait');
like(ask($other, 'SELECT count(*) FROM quota.ledger'), qr/55P03/, 'and who reads a view');
ask($other, 'RESET lock_timeout');
ask($admin, 'ROLLBACK');
is(version_in('shop'), $old, 'after that, too, all is as it was');
books('shop', 'after updates that came to nothing');

# ---- with leases, under load -----------------------------------------------------------------

# Ann has taken from a lease and not committed; eight clients charge an account by its lease,
# and others by their rows, with holds; somebody subscribes.
run_in($node, 'shop', q{SELECT quota.override(s, 'tokens', '{"allowance": 1000000}') FROM unnest('{hot,cold,team}'::text[]) s;
	SET quota.eager_leases = on; SELECT quota.debit('acct', 'tokens', 100), quota.debit('hot', 'tokens', 1)});
ask($web, 'BEGIN');
is(ask($web, q{SELECT remaining FROM quota.debit('acct', 'tokens', 10)}), '890', 'a transaction has taken from a lease');
is(run_in($node, 'shop', q{SELECT count(*) FROM quota.leases WHERE subject = 'acct'}), '1', 'which is live');
my $used = run_in($node, 'shop', q{SELECT sum(used) FROM quota_internal.window_use});
$before = contents($node, 'shop');

my $load = "$dumps/load.sql";
append_to_file($load, q{
\set n random(1, 20)
\set m :m + 1
SELECT allowed FROM quota.try_debit('hot', 'tokens', :n);
SELECT id AS hold FROM quota.reserve('cold', 'tokens', :n) \gset
BEGIN;
SELECT charged FROM quota.settle(:hold, :n);
SELECT remaining FROM quota.debit('hot', 'tokens', 1);
COMMIT;
SELECT quota.subscribe('new' || :client_id || '-' || :m, 'pro', external_id => 'sub-' || :client_id || '-' || :m);
SELECT remaining FROM quota.debit('new' || :client_id || '-' || :m || '/ann', 'tokens', 1);
});
my $clients = IPC::Run::start([ 'pgbench', '-n', '-c', '4', '-T', '600', '-D', 'm=0', '-f', $load, $node->connstr('shop') ], '>', \my $said, '2>', \my $errors);
ok($node->poll_query_until('shop', q{SELECT used > 100 FROM quota.check('hot', 'tokens')}), 'clients charge');
my $patient = 0;
until (version_in('shop') eq $current)
{
	$patient++;
	$node->psql('shop', q{SET lock_timeout = '1s'; ALTER EXTENSION quota UPDATE});
	last if $patient > 100;
}
is(version_in('shop'), $current, 'an update under load');
is(run_in($node, 'shop', q{SELECT count(*) FROM quota.leases WHERE subject = 'acct'}), '1', 'ends no lease');
is(ask($web, q{SELECT remaining FROM quota.debit('acct', 'tokens', 10)}), '880', 'a transaction that was open goes on taking');
is(ask($web, 'COMMIT'), '', 'and commits');
my $hot = run_in($node, 'shop', q{SELECT used FROM quota.check('hot', 'tokens')});
ok($node->poll_query_until('shop', "SELECT used > $hot + 100 FROM quota.check('hot', 'tokens')"), 'clients that were connected go on charging');
my $seen = run_in($node, 'shop', q{SELECT count(*) FROM quota.verify()});
is($seen, '0', 'with the right books');
$clients->signal('TERM');
eval { $clients->finish };
$node->poll_query_until('shop', q{SELECT count(*) = 0 FROM pg_stat_activity WHERE query ~ 'hot|cold|new' AND pid <> pg_backend_pid()});
unlike($errors, qr/ERROR/, 'and have met no error') or diag($errors);
is(run_in($node, 'shop', q{SELECT used FROM quota.check('acct', 'tokens')}), '120', 'what was taken from the lease before and after is charged');
is(run_in($node, 'shop', q{SELECT w.used = l.amount FROM (SELECT sum(used) FROM quota_internal.window_use WHERE subject IN ('hot', 'acct')) w(used),
	(SELECT sum(amount) FROM quota.ledger WHERE account IN ('hot', 'acct') AND kind <> 'transfer') l(amount)}), 't', 'ledger and windows have the same sums');
books('shop', 'updated under load');

# ---- afterwards ---------------------------------------------------------------------------

my $now = contents($node, 'shop');
# nothing of what the load has nothing to do with has changed
is($now->{$_}, $before->{$_}, "$_ is as before")
  foreach grep { !/event|subscription|bucket|hold|ledger|lease|cap_use|rate_use|grant_use|usage|denial/ } sort keys %$before;
is_deeply([ sort keys %$now ], [ sort keys %$before ], 'all tables are there');
is(run_in($node, 'shop', q{SELECT count(*) FROM quota.ledger WHERE key = 'order-1'}), '2', 'old entries too');
is(given('shop'), $rights, 'what grant_access gave is there, and nothing else');
is(run_in($node, 'shop', q{SET ROLE shop_app; SELECT remaining FROM quota.debit('bob', 'tokens', 1)}), '47', 'an application charges');
is(run_in($node, 'shop', q{SELECT remaining FROM quota.debit('acme/ann', 'tokens', 30, key => 'order-1')}), '75', 'a retry is answered as it was');
is(run_in($node, 'shop', q{SELECT r.refunded FROM (SELECT min(debit_id) FROM quota.ledger WHERE key = 'order-1') d(id), quota.refund(d.id) r}), '25', 'an old debit can be refunded');
is(run_in($node, 'shop', q{SELECT charged FROM quota.holds h, quota.settle(h.id, 40) WHERE h.subject = 'acme'}), '40', 'an old hold settled');
is(run_in($node, 'shop', q{INSERT INTO doc (tenant, pages) VALUES ('acme', 6); DELETE FROM doc WHERE pages = 1; SELECT used FROM quota.status('acme') WHERE feature IN ('docs', 'pages') ORDER BY feature}), "5\n20", 'old gates charge and give back');
is(run_in($node, 'shop', q{SELECT count(*) > 0 FROM bill; SELECT count(*) > 0 FROM rows; SELECT pay(1)}), "t\nt\n46", q{an application's views and functions go on});
is(run_in($node, 'shop', q{SET ROLE shop_app; SELECT count(*) FROM map}), '2', 'and its policies');
is(run_in($node, 'shop', q{SELECT a.subject FROM kept k, quota.authenticate(k.secret) a}), 'acme', 'and its API keys');
run_in($node, 'shop', $levels);
is(run_in($node, 'shop', q{CREATE TABLE part (LIKE doc) PARTITION BY LIST (tenant); SELECT quota.protect('part', 'docs', 'r.tenant'); CREATE TABLE part_x PARTITION OF part FOR VALUES IN ('x');
	INSERT INTO part VALUES (1, 'x', 1); SELECT used FROM quota.check('x', 'docs')}) =~ s/^\w+\n//r, '1', 'new partitions are gated');
like(run_in($node, 'shop', q{SET enable_seqscan = off; EXPLAIN SELECT subject FROM quota.subscriptions WHERE external_id = 'sub_1'}), qr/subscription_external_id/, 'a subscription is found by its external id');
books('shop', 'used after the update');
bye($_) foreach $admin, $web, $other;
$rights = given('shop');
restored('from_updated');

# ---- the same as a fresh one ---------------------------------------------------------------

foreach my $db (qw(updated installed))
{
	run_in($node, $db, q{CREATE EXTENSION pgcrypto;
		ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO shop_reader; ALTER DEFAULT PRIVILEGES GRANT ALL ON FUNCTIONS TO shop_reader;
		ALTER DEFAULT PRIVILEGES GRANT ALL ON SEQUENCES TO shop_reader; ALTER DEFAULT PRIVILEGES GRANT ALL ON TYPES TO shop_reader});
}
run_in($node, 'updated', "CREATE EXTENSION quota VERSION '$old'; SELECT quota.grant_access('shop_app', 'app'); SELECT quota.maintain()");
my %leaves = map { $_ => 1 } split /\n/, run_in($node, 'updated', q{SELECT leaf FROM quota_internal._leaves() WHERE leaf <> 'quota_internal.ledger_entry_default'::regclass});
update('updated');
is(scalar(keys %leaves), 3, 'months of the ledger are no members, and in the way of nothing');
run_in($node, 'updated', qq{SELECT quota.revoke_access('shop_app'); DROP TABLE $_}) foreach sort keys %leaves;
run_in($node, 'installed', "CREATE EXTENSION quota; $levels");
is($rights, given('installed'), 'grant_access, called again, has given what is new, and nothing else');
run_in($node, 'installed', "SELECT quota.revoke_access(r) FROM unnest('{shop_app,shop_reader,shop_admin}'::text[]) r");
my ($updated, $installed) = map { objects($_) } qw(updated installed);
ok($updated eq $installed, 'an updated database has the objects of a fresh one') or diag(differences($updated, $installed));
is(rights($node, 'updated'), rights($node, 'installed'), 'with the same rights');

sub differences
{
	my ($one, $two) = @_;
	append_to_file("$dumps/one", $one);
	append_to_file("$dumps/two", $two);
	my ($diff) = run_command([ 'diff', '-u', "$dumps/one", "$dumps/two" ]);
	return substr($diff, 0, 4000);
}

# ---- what does not fit ----------------------------------------------------------------------

# The scripts of later versions: one as it is made, whose first act looks at the library,
# and what such a one has done in a session with a newer library.
my ($first_act) = slurp_file("$extension/quota--$old--$current.sql") =~ m{^(.*?)/\* from sql/updates/$old--}s;
script("$current--99.1", $first_act);
script("$current--99.2", 'ALTER TABLE quota_internal.feature SET (fillfactor = 90);');
script("99.2--$current", 'ALTER TABLE quota_internal.feature RESET (fillfactor);');
script("$current--99.3", 'DROP VIEW quota.periods;');
# An update without a step, to a version that the library takes for an old one.
script("$current--1.00", slurp_file("$extension/quota--$old--$current.sql") =~ s{/\* from sql/updates/$old--.*?(?=/\* from sql/always/)}{}sr);
script('0.9', $script_of_old);

sub refusal
{
	my ($db, $sql) = @_;
	my ($status, $rows, $message) = $node->psql($db, $sql, extra_params => [ '-v', 'VERBOSITY=verbose' ]);
	return join ' ', $message =~ /^.*?(?:ERROR|FATAL):  (.*?)$|HINT:  (.*?)$/mg;
}
my $again = 'restart the server|connect again';
like(refusal('shop', 'ALTER EXTENSION quota UPDATE TO \'99.1\''), qr/55000: this session has loaded the library of quota \Q$current\E, and the script is of version 99\.1.*Restart the server/s, 'a script wants its own library');
like(refusal('shop', 'SET ROLE shop_admin; ALTER EXTENSION quota UPDATE TO \'99.2\''), qr/42501: must be owner of extension quota/, 'and a superuser');
like(refusal('shop', 'ALTER EXTENSION quota UPDATE TO \'99.3\''), qr/2BP01: cannot drop view quota\.periods.*DROP \.\.\. CASCADE/s, 'what depends on something that goes is in the way');
is(version_in('shop'), $current, 'each of them changes nothing');

my $open = session($node, database => 'shop');
is(ask($open, q{SELECT remaining FROM quota.debit('dora', 'tokens', 1)}), '999', 'a session has loaded the library');
run_in($node, 'shop', 'ALTER EXTENSION quota UPDATE TO \'99.2\'');
like(ask($open, q{SELECT remaining FROM quota.debit('dora', 'tokens', 1)}), qr/55000: the library of quota \Q$current\E does not work with version 99\.2 of the extension.*Connect again/s, 'which does not work with objects of a later version');
like(refusal('shop', $_), qr/55000: .*99\.2.*Connect again/s, "$_")
  foreach q{SELECT quota.check('dora', 'tokens')}, q{SELECT quota.me('dora')}, q{INSERT INTO doc (tenant, pages) VALUES ('dora', 1)}, q{SELECT quota.credit('dora', 'tokens', 1)};
run_in($node, 'shop', "ALTER EXTENSION quota UPDATE TO '$current'");
is(ask($open, q{SELECT remaining FROM quota.debit('dora', 'tokens', 1)}), '998', 'once they are its own again, it works');
bye($open);

$node->safe_psql('postgres', 'CREATE DATABASE ancient');
run_in($node, 'ancient', q{CREATE EXTENSION quota VERSION '0.9' CASCADE});
like(refusal('ancient', q{SELECT quota.debit('dora', 'tokens', 1)}), qr/55000: the library of quota \Q$current\E does not work with version 0\.9.*Run ALTER EXTENSION quota UPDATE/, 'nor with too old ones');
like(refusal('ancient', 'SET quota.library_version = \'99.1\''), qr/55P02: /, 'what it says of itself cannot be set');

# ---- pg_upgrade ------------------------------------------------------------------------------

# Between two clusters of one release of PostgreSQL.
$node->safe_psql('postgres', "DROP DATABASE $_") foreach qw(calls installed ancient from_old from_updated);
$before = contents($node, 'shop');
$node->stop;
my $next = PostgreSQL::Test::Cluster->new('next');
$next->init;
$next->append_conf('postgresql.conf', "shared_preload_libraries = 'quota'\n");
chdir $dumps;		# where it writes
my $bin = $node->config_data('--bindir');
command_ok([ 'pg_upgrade', '--no-sync', '-d', $node->data_dir, '-D', $next->data_dir, '-b', $bin, '-B', $bin, '-s', $node->host, '-p', $node->port, '-P', $next->port ], 'pg_upgrade');
$next->start;
$node = $next;
is_deeply(contents($node, 'shop'), $before, 'every row came along');
is(given('shop'), $rights, 'and the rights');
is(run_in($node, 'shop', q{SELECT remaining FROM quota.debit('bob', 'tokens', 1)}), '45', 'and goes on');
is(run_in($node, 'shop', q{INSERT INTO doc (tenant, pages) VALUES ('carl', 6); SELECT used FROM quota.check('carl', 'pages')}), '6', 'with gates that count');
is(run_in($node, 'shop', q{SELECT count(*) > 0 FROM quota.maintain(); SELECT max(epoch) FROM quota_internal.posting}), "t\n1", 'in a new epoch of transaction numbers');
books('shop', 'pg_upgrade');
run_in($node, 'shop', "ALTER EXTENSION quota UPDATE TO '1.00'");
is(given('shop'), $rights, 'the next update touches no rights');
is(run_in($node, 'shop', q{SELECT value FROM quota.metrics WHERE name = 'quota_update_waiting'}), '1', 'a metric tells that the library is newer');
restored('from_upgraded');

done_testing();
