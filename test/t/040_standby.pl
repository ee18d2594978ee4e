# A standby answers every report as the primary does, and refuses whatever writes;
# so does a read-only transaction.  Among them what a change of plan would leave
# while a scheduled one has come due and nobody has carried it out: a standby never
# will, and shows the same numbers.

use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Session;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(allows_streaming => 1);
$node->start;

sub value { my ($sql) = @_; return $node->safe_psql('postgres', $sql) }
sub at { my ($s, $time) = @_; ask($s, "SET TimeZone = 'UTC'; SET quota.clock = '$time+00'"); return }

my $writer = session($node);
ask($writer, 'CREATE EXTENSION quota CASCADE');
at($writer, '2026-01-01 00:00');
ask($writer, q{SELECT FROM quota.apply_catalog('{
	"features": {"tokens": {"kind": "metered"}, "docs": {"kind": "capacity"}, "mindmap": {"kind": "boolean"}},
	"plans": {"free": {"default": true, "entitlements": {"tokens": {"allowance": 10, "period": "month"}, "docs": {"allowance": 3}}},
			  "small": {"period": "week", "entitlements": {"tokens": {"allowance": 31, "period": "month"}, "docs": {"allowance": 3}}},
			  "pro": {"period": "week", "entitlements": {"tokens": {"allowance": 310, "period": "month", "times_quantity": true}, "docs": {"allowance": 30}, "mindmap": {"value": true}}}},
	"actions": {"chat": {"charges": {"tokens": {"per_unit": {"input": 1, "output": 4}}}}}}')});
ask($writer, q{SELECT quota.subscribe('acme', 'pro'), quota.subscribe('beta', 'pro', quantity => 2)});
at($writer, '2026-01-02 06:00');
ask($writer, q{SELECT FROM quota.debit('acme/ann', 'tokens', 40, metadata => '{"action": "chat"}')});
my $debit = ask($writer, q{SELECT id FROM quota.debit('acme/bob', 'tokens', 20, metadata => '{"action": "embed"}')});
# a lease of 50, from which the 20 were taken: nobody on a standby knows of it
ask($writer, qq{SET session_replication_role = replica;
	UPDATE quota_internal.ledger_entry SET lease_id = $debit - 1 WHERE id = $debit;
	UPDATE quota_internal.bucket SET used = used + 30, leased = 50, lease_id = $debit - 1, lease_since = $debit - 1;
	RESET session_replication_role});
ask($writer, q{SELECT FROM quota.debit('acme', 'docs', 4)});
my $hold = ask($writer, q{SELECT id FROM quota.reserve('acme/ann', 'docs', 2, '12 hours')});
my $grant = ask($writer, q{SELECT id FROM quota.credit('beta', 'tokens', 5)});
ask($writer, q{SELECT FROM quota.debit('beta', 'tokens', 400)});
# in force on 8 January, carried out by the first charge after it
ask($writer, q{SELECT quota.change_plan('acme', 'small', 'period_end', 'prorate')});

$node->backup('copy');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'copy', has_streaming => 1);
$standby->start;
$node->wait_for_catchup($standby);
my $reader = session($standby);
is(ask($reader, 'SELECT pg_is_in_recovery()'), 't', 'this is a standby');
at($_, '2026-01-16 00:00') foreach $writer, $reader;

# ---- what is read ------------------------------------------------------------------

my @reads = (
	[ q{(SELECT plan, is_default, entitlements -> 'tokens' ->> 'allowance' FROM quota.plans()) p}, "free|t|10\npro|f|310\nsmall|f|31" ],
	[ q{quota.quote('chat', '{"input": 100, "output": 50}')}, 'tokens|300' ],
	[ q{quota.breakdown('acme', 'tokens', '2026-01-01')}, "ann|40|1\nbob|20|1" ],
	[ q{quota.breakdown('acme', 'tokens', '2026-01-01', by => 'metadata.action')}, "chat|40|1\nembed|20|1" ],
	# 4 documents for 330 hours, 2 more for the 12 hours of the hold
	[ q{quota.unit_hours('acme', 'docs', '2026-01-01')}, '1344' ],
	[ q{quota.usage('acme', 'tokens', '2026-01-01', step => 'month', timezone => 'Asia/Kathmandu')}, '2025-12-31 18:15:00+00|60|2' ],
	[ q{quota.usage('acme', 'tokens', '2026-01-01', step => 'month')}, '2026-01-01 00:00:00+00|60|2' ],
	# the old limit for the 7 of 31 days until the change: 70 + 24 of 31
	[ q{(SELECT feature, allowance, used, remaining FROM quota.status('acme') WHERE kind <> 'boolean') s}, "docs|3|4|0\ntokens|94|60|34" ],
	[ q{quota.preview('acme', 'small')}, "docs|capacity|3|4|0||f\nmindmap|boolean|0|0|0||t\ntokens|metered|94|60|34||t" ],
	# of 94, not of 310: 94 for 15 days, 310 for 16
	[ q{quota.preview('acme', 'pro', 'prorate')}, "docs|capacity|30|4|26||t\nmindmap|boolean||0||true|t\ntokens|metered|205|60|145||t" ],
	[ q{quota.preview('acme', 'free', 'reset')}, "docs|capacity|3|4|0||f\nmindmap|boolean|0|0|0||t\ntokens|metered|10|0|10||t" ],
	[ q{quota.preview('beta', 'small', 'prorate')}, "docs|capacity|3|0|3||t\nmindmap|boolean|0|0|0||f\ntokens|metered|321|400|0||f" ],
	[ q{quota.preview('nobody', 'pro')}, "docs|capacity|30|0|30||t\nmindmap|boolean||0||true|t\ntokens|metered|310|0|310||t" ],
	# for half of the tokens
	[ q{(SELECT feature, used, allowance_now, allowance_then, blocked_now, blocked_then, overage_then
	     FROM quota.simulate('{"plans": {"free": {"default": true, "entitlements": {}},
	                                     "pro": {"entitlements": {"tokens": {"allowance": 155, "period": "month", "times_quantity": true}}}}}', '2026-01-01')
	     WHERE subject = 'beta') s}, 'tokens|400|620|310|f|t|0' ],
	[ q{(SELECT name, labels, value FROM quota.metrics WHERE name LIKE '%subscription%' ORDER BY 1, 2::text) m},
	  qq{quota_subscriptions|{"plan": "pro", "status": "active"}|1\nquota_subscriptions|{"plan": "small", "status": "active"}|1} ],
	[ q{(SELECT plan, status, next_plan FROM quota.subscriptions ORDER BY subject) s}, "small|active|\npro|active|" ],
	[ q{(SELECT subject, used FROM quota.periods ORDER BY subject) p}, "acme|60\nbeta|400" ],
	[ q{quota.verify()}, '' ],
);
foreach my $read (@reads)
{
	my ($call, $expected) = @$read;
	my $sql = "SELECT * FROM $call";
	is(ask($reader, $sql), $expected, "standby: $call");
	is(ask($writer, "BEGIN READ ONLY; $sql; COMMIT"), $expected, "read-only: $call");
}

# ---- what is refused -----------------------------------------------------------------

foreach my $call (
	q{amend('acme', '{"quantity": 2}')}, q{migrate('pro')}, q{set_status('acme', 'paused', '2026-02-01')}, q{change_plan('acme', 'free')},
	q{cancel('acme')}, q{subscribe('new', 'pro')}, q{override('acme', 'tokens', '{"allowance": 1}')}, q{record('acme', 'tokens', 5, '2026-01-15')},
	q{clear_caps('acme', 'tokens')}, "revoke($grant, 1)", q{credit('acme', 'tokens', 5)}, q{set_usage('acme', 'tokens', 1)},
	q{rename('acme', 'emca')}, q{forget('acme')}, q{maintain()}, q{reserve('acme', 'tokens', 1)}, "settle($hold, 1)", "release($hold)",
	"extend($hold)", "refund($debit)", q{charge_units('beta', 'chat', '{"input": 1}')}, q{debit_many('beta', '{"tokens": 1}')},
	q{protect('pg_class', 'docs', 'r.relname')}, q{apply_catalog('{}')}, q{create_api_key('acme', 'ci')})
{
	like(ask($reader, "SELECT quota.$call"), qr/25006/, "standby: $call is refused");
	like(ask($writer, "BEGIN READ ONLY; SELECT quota.$call; ROLLBACK"), qr/25006/, "read-only: $call is refused");
}

# ---- and then it is carried out --------------------------------------------------------

my $foreseen = ask($reader, q{SELECT feature, allowance, used, remaining, value FROM quota.preview('acme', 'pro', 'prorate')});
is(ask($writer, q{SELECT remaining FROM quota.debit('acme/ann', 'tokens', 0 + 1)}), '33', 'a charge carries the change out');
is(ask($writer, q{SELECT feature, allowance, used - CASE feature WHEN 'tokens' THEN 1 ELSE 0 END FROM quota.preview('acme', 'pro', 'prorate')}),
	join("\n", map { join('|', (split /\|/)[0 .. 2]) } split /\n/, $foreseen), 'what preview said is the same after it');
ask($writer, q{SELECT quota.change_plan('acme', 'pro', 'now', 'prorate')});
is(ask($writer, q{SELECT feature, allowance, used FROM quota.status('acme')}), "docs|30|4\nmindmap||0\ntokens|205|61", 'and so is the change of plan');
is(ask($writer, q{SELECT * FROM quota.verify()}), '', 'verify');

bye($reader);
$standby->stop;		# it has a copy of the writer's pipe
bye($writer);
done_testing();
