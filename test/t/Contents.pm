# What a database has of quota, for the tests that take it elsewhere.
#
#   run_in($server, $db, $sql);     its rows; dies of an error
#   contents($server, $db);         every row of every table and sequence
#   rights($server, $db);           who may do what
package Contents;

use strict;
use warnings;
use Exporter 'import';

our @EXPORT = qw(run_in contents rights);

sub run_in
{
	my ($server, $db, $sql) = @_;
	return $server->safe_psql($db, $sql,
		extra_params => [ '-v', 'ON_ERROR_STOP=1' ]);
}

# Every row of every table and sequence of ours: relation => rows as text.
# log_cnt of a sequence, how many values were logged ahead, is left out.
sub contents
{
	my ($server, $db) = @_;
	my %rows = split /\t|\n/, run_in($server, $db, q{
		SELECT c.oid::regclass || E'\t' || replace(query_to_xml(format(
			CASE c.relkind WHEN 'S' THEN 'SELECT last_value, is_called FROM %s'
				ELSE 'SELECT t::text FROM %s t ORDER BY t::text COLLATE "C"' END, c.oid::regclass), true, true, '')::text, E'\n', ' ')
		FROM pg_class c WHERE c.relnamespace = ANY ('{quota,quota_internal}'::regnamespace[]) AND c.relkind IN ('r', 'S')}), -1;	# -1: the last may be empty
	return \%rows;
}

sub rights
{
	my ($server, $db) = @_;
	return run_in($server, $db, q{
		SELECT 'f ' || p.oid::regprocedure AS what, a.grantee::regrole, a.privilege_type, a.is_grantable
			FROM pg_proc p, aclexplode(p.proacl) a WHERE p.pronamespace = ANY ('{quota,quota_internal}'::regnamespace[])
		UNION ALL SELECT 'r ' || c.oid::regclass, a.grantee::regrole, a.privilege_type, a.is_grantable
			FROM pg_class c, aclexplode(c.relacl) a WHERE c.relnamespace = ANY ('{quota,quota_internal}'::regnamespace[])
		UNION ALL SELECT 's', a.grantee::regrole, a.privilege_type, a.is_grantable
			FROM pg_namespace n, aclexplode(n.nspacl) a WHERE n.nspname IN ('quota', 'quota_internal')
		ORDER BY 1, 2, 3});
}

1;
