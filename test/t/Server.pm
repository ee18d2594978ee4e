# A server with the extension and a catalog, for the tests about shared memory.
#
#   my $node = server($name, $catalog, %settings);	$catalog: JSON without the outer braces
package Server;

use strict;
use warnings;
use Exporter 'import';
use PostgreSQL::Test::Cluster;

our @EXPORT = qw(server);

sub server
{
	my ($name, $catalog, %settings) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);
	$node->init(allows_streaming => 1);
	$node->append_conf('postgresql.conf', "max_prepared_transactions = 10\nrestart_after_crash = on\n");
	$node->append_conf('postgresql.conf', "$_ = '$settings{$_}'\n") foreach sort keys %settings;
	$node->start;
	$node->safe_psql('postgres', "CREATE EXTENSION quota CASCADE; SELECT quota.apply_catalog('{$catalog}')");
	return $node;
}

1;
