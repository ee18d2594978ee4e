# A dump carries everything that a balance depends on, and what comes back goes
# on where it was: catalog, subscriptions, overrides, buckets, ledger, keys,
# denials, events, sequences, and the rights that grant_access() gave.

use strict;
use warnings;
use Contents;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# One moment for the whole test, so that no window ends in the middle of it.
$ENV{PGOPTIONS} = '-c quota.clock=2026-03-15T12:00:00Z';

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->start;
my $dumps = PostgreSQL::Test::Utils::tempdir();

# ---- a database with something of everything ------------------------------

$node->safe_psql('postgres', q{
	CREATE DATABASE shop;
	CREATE ROLE shop_app;
	CREATE ROLE shop_reader;
	CREATE ROLE shop_admin});
run_in($node, 'shop', q{
	CREATE EXTENSION quota CASCADE;
	SELECT quota.grant_access('shop_app', 'app'), quota.grant_access('shop_reader', 'reader'),
		quota.grant_access('shop_admin', 'admin');
	SELECT quota.maintain();
	SELECT quota.apply_catalog('{
		"features": {"tokens": {"kind": "metered", "unit": "token", "title": "Tokens"}, "docs": {"kind": "capacity"},
					 "mindmap": {"kind": "boolean"}, "max_mb": {"kind": "static"}},
		"plans": {"free": {"default": true, "entitlements": {"tokens": {"allowance": 10, "period": "month"}, "docs": {"allowance": 2}}},
				  "pro": {"period": "year", "external_ids": ["price_1"], "metadata": {"cents": 900},
						  "entitlements": {"tokens": {"allowance": 1000, "period": "month", "anchor": "subscription"},
										   "docs": {"allowance": 20, "members": {"allowance": 5}}, "mindmap": {"value": true}, "max_mb": {"value": {"a": [1, null]}}}},
				  "old": {"entitlements": {}}}}');
	SELECT quota.subscribe('past', 'pro', '2020-01-01', '2021-01-01');
	SELECT quota.subscribe('acme', 'old');
	SELECT quota.apply_catalog(quota.export_catalog() #- '{plans,old}');
	SELECT quota.change_plan('acme', 'pro');
	SELECT quota.subscribe('beta', 'pro', timezone => 'Europe/Berlin', external_id => 'sub_9', metadata => '{"x": 1}', trial => '14 days');
	SELECT quota.subscribe('later', 'pro', '2999-01-01');
	SELECT quota.override('acme/alice', 'tokens', '{"allowance": 50, "period": "day", "anchor": "2020-01-01T00:00:00Z"}');
	SELECT quota.override('beta', 'max_mb', '{"value": null}');
	SELECT quota.debit('acme/alice', 'tokens', 30, 'order-1', '{"why": "upload"}');
	SELECT quota.debit('acme/alice', 'docs', 3);
	SELECT quota.debit('nobody', 'tokens', 4);
	SELECT quota.refund(1, 5, 'refund-1');
	SELECT quota.give_back('acme/alice', 'docs', 1);
	SELECT quota.try_debit('nobody', 'tokens', 100);
	SET quota.enforcement = observe;
	SELECT quota.debit('nobody', 'tokens', 100);
	RESET quota.enforcement;
	SELECT quota.override('nobody', 'tokens', '{"allowance": 500, "period": "year", "members": {"allowance": 7, "period": "day",
		"caps": [{"limit": 6, "per": "hour"}], "notify": [50]}}');
	SELECT quota.cancel('acme');
	-- its digest and its use are in the dump, its secret in a table of the application's
	CREATE TABLE public.kept AS SELECT secret FROM quota.create_api_key('acme/alice', 'ci', scopes => '{read}');
	SELECT a.* FROM public.kept k, quota.authenticate(k.secret) a;
	-- rolled up, but for one debit; and one in a month that has no leaf
	SELECT quota.maintain();
	SELECT quota.debit('tail', 'tokens', 1);
	SET quota.clock = '2026-12-01T12:00:00Z';
	SELECT quota.debit('tail', 'tokens', 2);
	RESET quota.clock;
	-- an account with a lease of 6, of which 2 have been taken
	SELECT quota.debit('leased', 'tokens', 1), quota.debit('leased', 'tokens', 2);
	SET session_replication_role = replica;
	UPDATE quota_internal.ledger_entry e SET lease_id = nextval('quota_internal.lease_id_seq') WHERE e.account = 'leased' AND e.amount = 2;
	UPDATE quota_internal.bucket SET used = used + 4, leased = 6, lease_id = currval('quota_internal.lease_id_seq'), lease_since = (SELECT min(id) FROM quota.ledger l WHERE l.account = 'leased') WHERE subject = 'leased';
	RESET session_replication_role;
	-- an application's rows, and a view of theirs on ours
	CREATE TABLE public.documents (id int PRIMARY KEY, debit_id bigint);
	INSERT INTO public.documents VALUES (1, 1);
	CREATE VIEW public.bill AS SELECT subject, sum(amount) FROM quota.ledger GROUP BY subject});

my $before = contents($node, 'shop');
my $rights_before = rights($node, 'shop');
like($before->{"quota_internal.$_"}, qr/<t>/, "something is in $_")
  foreach qw(api_key api_key_use bucket denial entitlement event feature idempotency_key ledger_entry_default ledger_entry_2026_03 posting usage_hour plan plan_version subject_override subscription);
like($rights_before, qr/shop_admin/, 'and rights were given');

# ---- dumps -------------------------------------------------------------------

my $connstr = $node->connstr('shop');
command_checks_all([ 'pg_dump', '-Fc', '-f', "$dumps/shop.custom", '-d', $connstr ],
	0, [qr/^$/], [qr/^$/], 'pg_dump -Fc warns of nothing');
command_checks_all([ 'pg_dump', '-f', "$dumps/shop.sql", '-d', $connstr ],
	0, [qr/^$/], [qr/^$/], 'pg_dump as SQL warns of nothing');
command_ok([ 'pg_dump', '-Fd', '-j', '2', '-f', "$dumps/shop.dir", '-d', $connstr ], 'pg_dump -Fd -j');

my $other = PostgreSQL::Test::Cluster->new('other');
$other->init;
$other->start;
$other->safe_psql('postgres', 'CREATE ROLE shop_app; CREATE ROLE shop_reader; CREATE ROLE shop_admin');

my %restores = (
	custom => [ $node, [ 'pg_restore', '--exit-on-error', "$dumps/shop.custom" ] ],
	transaction => [ $node, [ 'pg_restore', '--single-transaction', "$dumps/shop.custom" ] ],
	directory => [ $node, [ 'pg_restore', '--exit-on-error', '-j', '2', "$dumps/shop.dir" ] ],
	plain => [ $node, [ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', "$dumps/shop.sql" ] ],
	elsewhere => [ $other, [ 'pg_restore', '--exit-on-error', "$dumps/shop.custom" ] ],);

foreach my $name (sort keys %restores)
{
	my ($server, $command) = @{ $restores{$name} };
	my $db = "shop_$name";
	$server->safe_psql('postgres', "CREATE DATABASE $db");
	my @command = (@$command, '-d', $server->connstr($db));
	command_ok(\@command, "$name: restored without an error");
	is_deeply(contents($server, $db), $before, "$name: every row and every sequence is there");
	is(rights($server, $db), $rights_before, "$name: so are the rights");
}

# ---- what was restored goes on ---------------------------------------------

foreach my $place ([ $node, 'shop_custom' ], [ $node, 'shop_plain' ], [ $other, 'shop_elsewhere' ])
{
	my ($server, $db) = @$place;
	my $newest = run_in($server, $db, 'SELECT max(id) FROM quota.ledger');

	is(run_in($server, $db, q{SELECT string_agg(leaf::text, ' ' ORDER BY leaf::text) FROM quota_internal._leaves()}),
		'quota_internal.ledger_entry_2026_03 quota_internal.ledger_entry_2026_04 quota_internal.ledger_entry_2026_05 quota_internal.ledger_entry_default', "$db: the ledger's months are attached");
	is(run_in($server, $db, q{SELECT * FROM quota.verify()}), '', "$db: every invariant holds");
	is(run_in($server, $db, q{SELECT sum(used), sum(debits) FROM quota.usage('tail', 'tokens', '2026-01-01', '2027-01-01')}), '3|2', "$db: what was not rolled up counts");
	is(run_in($server, $db, q{SELECT quota.maintain(); SELECT sum(used), sum(debits) FROM quota.usage('tail', 'tokens', '2026-01-01', '2027-01-01'); SELECT * FROM quota.verify()}) =~ s/^\(.*\n//mgr,
		'3|2', "$db: once, also after it was rolled up here");
	is(run_in($server, $db, q{SELECT quota.debit('tail', 'tokens', 4); SELECT max(epoch) FROM quota_internal.ledger_entry}) =~ s/^\(.*\n//mgr,
		$server == $other ? '1' : '0', "$db: another cluster begins a new epoch");
	is(run_in($server, $db, q{SELECT count(*) FROM quota.maintain(); SELECT sum(used) FROM quota.usage('tail', 'tokens', '2026-01-01', '2027-01-01'); SELECT * FROM quota.verify()}) =~ s/^\d+\n//r,
		'7', "$db: and is rolled up");
	is(run_in($server, $db, q{SELECT used FROM quota.check('acme/alice', 'docs')}), '2', "$db: capacity as it was");
	is(run_in($server, $db, q{SET ROLE shop_app; SELECT id, remaining FROM quota.debit('acme/alice', 'tokens', 30, 'order-1', '{"why": "upload"}')}),
		'1|25', "$db: a retried key is answered with the first id and charges nothing");
	is(run_in($server, $db, q{SET ROLE shop_app; SELECT id > } . $newest . q{, remaining FROM quota.debit('acme/alice', 'tokens', 20)}),
		't|5', "$db: the next debit takes a new id and the balance that was left");
	my ($ret, $out, $err) = $server->psql($db, q{SET ROLE shop_app; SELECT quota.debit('acme/alice', 'tokens', 6)}, extra_params => [ '-v', 'VERBOSITY=sqlstate' ]);
	like($err, qr/QT402/, "$db: and the limit still holds");
	is(run_in($server, $db, q{SELECT refunded FROM quota.refund(1)}), '25', "$db: a debit from before the dump can be refunded");
	is(run_in($server, $db, q{SELECT allowance, used FROM quota.check('nobody', 'tokens')}), '500|104', "$db: use moved by an override, overdrawn included");
	is(run_in($server, $db, q{SELECT allowance, remaining FROM quota.check('nobody/x', 'tokens') UNION ALL SELECT allowance, remaining FROM quota.check('acme/bob', 'docs')}),
		"7|6\n5|5", "$db: what members have, by an override and by a plan");
	is(run_in($server, $db, q{SELECT used FROM quota_internal.bucket WHERE moved_start IS NOT NULL}), '0', "$db: the mark in the old window came along");
	is(run_in($server, $db, q{SELECT used FROM quota.check('leased', 'tokens'); SELECT remaining FROM quota.debit('leased', 'tokens', 7)}) =~ s/\n/ /r,
		'3 0', "$db: of a lease that is lost counts what was taken");
	is(run_in($server, $db, q{SELECT plan, status, current_period_end = starts_at + interval '1 year', ends_at = current_period_end FROM quota.subscriptions WHERE subject = 'acme'}),
		'pro|active|t|t', "$db: subscription, and its cancellation");
	is(run_in($server, $db, q{SELECT times FROM quota.denials WHERE subject = 'nobody'}), '2', "$db: denials");
	like(run_in($server, $db, q{SELECT quota.subscribe('new', 'pro')}), qr/^5$/, "$db: the next subscription takes a new id");
	is(run_in($server, $db, q{SELECT a.subject, a.scopes FROM public.kept k, quota.authenticate(k.secret) a}), 'acme/alice|{read}', "$db: an API key goes on");
	is(run_in($server, $db, q{SELECT id FROM quota.create_api_key('x', 'y')}), '2', "$db: the next one takes a new id");
	is(run_in($server, $db, q{SELECT count(*) FROM quota.apply_catalog(quota.export_catalog()) WHERE change <> 'unchanged'}), '0', "$db: the catalog is the same");
	is(run_in($server, $db, q{SELECT count(*) FROM quota.apply_catalog(jsonb_set(quota.export_catalog(), '{plans,new}', '{"entitlements": {}}')) WHERE change = 'added'}), '1', "$db: and can be changed");
	($ret, $out, $err) = $server->psql($db, q{DELETE FROM quota_internal.ledger_entry_2026_03});
	like($err, qr/append-only/, "$db: a month of the ledger is as closed as before");
	($ret, $out, $err) = $server->psql($db, q{UPDATE quota_internal.ledger_entry_default SET amount = 0});
	like($err, qr/append-only/, "$db: the ledger is as closed as before");
	($ret, $out, $err) = $server->psql($db, q{SET ROLE shop_app; SELECT quota.subscribe('x', 'pro')});
	like($err, qr/permission denied/, "$db: the application is still no administrator");
}

# ---- the data alone ----------------------------------------------------------

# Into a database with the extension: the ledger's months are not there.  As
# docs/operations.md says, they can be made of the dump, or not be needed.
foreach my $db (qw(data_alone data_months data_root data_schema))
{
	$node->safe_psql('postgres', "CREATE DATABASE $db");
	run_in($node, $db, 'CREATE EXTENSION quota CASCADE; CREATE TABLE public.documents (id int PRIMARY KEY, debit_id bigint); CREATE TABLE public.kept (secret text)')
	  unless $db eq 'data_schema';
}
command_fails_like([ 'pg_restore', '--data-only', '-d', $node->connstr('data_alone'), "$dumps/shop.custom" ],
	qr/relation "quota_internal\.ledger_entry_2026_03" does not exist/, 'data alone: an error for the months that are not there');
like(run_in($node, 'data_alone', q{SELECT string_agg(DISTINCT check_name, ' ') FROM quota.verify()}), qr/bucket/, 'data alone: verify tells what is missing');

my ($list) = run_command([ 'pg_restore', '-l', "$dumps/shop.custom" ]);
append_to_file("$dumps/months", join('', map { "$_\n" } grep { / (TABLE|TABLE ATTACH|INDEX|TRIGGER) quota_internal ledger_entry_[0-9]/ } split(/\n/, $list)));
command_ok([ 'pg_restore', '--exit-on-error', @$_, '-d', $node->connstr('data_months'), "$dumps/shop.custom" ], "months first: pg_restore @$_")
  foreach [ '-L', "$dumps/months", '--section=pre-data' ], ['--data-only'], [ '-L', "$dumps/months", '--section=post-data' ];

command_ok([ 'pg_dump', '-Fc', '--load-via-partition-root', '-f', "$dumps/root.custom", '-d', $connstr ], 'pg_dump --load-via-partition-root');
command_ok([ 'pg_restore', '--exit-on-error', '--data-only', '-d', $node->connstr('data_root'), "$dumps/root.custom" ], 'via the root: data alone restored');

command_ok([ 'pg_restore', '--exit-on-error', $_, '-d', $node->connstr('data_schema'), "$dumps/shop.custom" ], "in two steps: pg_restore $_")
  foreach qw(--schema-only --data-only);

is_deeply(contents($node, $_), $before, "$_: every row and every sequence is there") foreach qw(data_months data_schema);
foreach my $db (qw(data_months data_root data_schema))
{
	is(run_in($node, $db, 'SELECT * FROM quota.verify()'), '', "$db: every invariant holds");
	is(run_in($node, $db, q{SELECT refunded FROM quota.refund(1)}), '25', "$db: a debit from before the dump can be refunded");
	is(run_in($node, $db, q{SELECT count(*) > 0 FROM quota.maintain()}) . run_in($node, $db, 'SELECT * FROM quota.verify()'), 't', "$db: and goes on");
}

# A dump of what was restored is the same dump.
command_ok([ 'pg_dump', '-f', "$dumps/again.sql", '-d', $node->connstr('shop_transaction') ], 'dumped again');
my ($first, $again) = map { my $text = slurp_file("$dumps/$_.sql"); $text =~ s/^\\(un)?restrict .*$//mg; $text } qw(shop again);
is($again, $first, 'a dump of the restored database is the same dump');

$node->stop;
$other->stop;
done_testing();
