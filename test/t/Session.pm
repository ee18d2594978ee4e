# A psql session that stays open, for what one session does while others wait.
# Statements are sent one by one; every wait ends by the time limit of
# PostgreSQL::Test.  Used by the tests beside it.
#
#   my $s = session($server);       in database postgres or database => ..., errors with their SQLSTATE and message
#   say_to($s, $sql);               sends it, and does not wait
#   answer($s);                     rows, then errors, of all that was sent since the last answer
#   ask($s, $sql);                  both
#   gone($s);                       the same of a session whose server end is gone
#   bye($s);                        ends it
package Session;

use strict;
use warnings;
use Exporter 'import';
use IPC::Run ();
use PostgreSQL::Test::Utils;

our @EXPORT = qw(session say_to answer ask gone kill_backend bye);

my $patience = $PostgreSQL::Test::Utils::timeout_default;
my $marks = 0;

sub session
{
	my ($server, %options) = @_;
	my $verbosity = $options{verbosity} // 'verbose';
	my %s = (in => '', out => '', err => '');
	$s{timer} = IPC::Run::timeout($patience);
	$s{handle} = IPC::Run::start(
		[ 'psql', '-XAtq', '-v', "VERBOSITY=$verbosity", '-d', $server->connstr($options{database} // 'postgres'), '-f', '-' ],
		'<', \$s{in}, '>', \$s{out}, '2>', \$s{err}, $s{timer});
	return \%s;
}

sub say_to
{
	my ($s, $sql) = @_;
	$s->{timer}->start($patience);
	$s->{in} .= "$sql;\n";
	$s->{handle}->pump_nb;
	return;
}

# A mark in both streams says that everything before it has been answered.
sub answer
{
	my $s = shift;
	my $mark = 'mark ' . ++$marks;
	$s->{timer}->start($patience);
	$s->{in} .= "\\echo $mark\n\\warn $mark\n";
	$s->{handle}->pump until $s->{out} =~ /^\Q$mark\E\n/m && $s->{err} =~ /^\Q$mark\E\n/m;
	my $text = ($s->{out} . $s->{err}) =~ s/^mark \d+\n//mgr;
	$s->{out} = $s->{err} = '';
	chomp $text;
	return $text;
}

sub ask
{
	my ($s, $sql) = @_;
	say_to($s, $sql);
	return answer($s);
}

sub gone
{
	my $s = shift;
	$s->{timer}->start($patience);
	eval { $s->{handle}->finish };
	return $s->{out} . $s->{err};
}

# Kills a backend, which ends these sessions, and waits until the server has come back:
# a connection made at once may come before it has noticed.
sub kill_backend
{
	my ($node, $pid, @sessions) = @_;
	my $offset = -s $node->logfile;
	kill 'KILL', $pid;
	gone($_) foreach @sessions;
	$node->wait_for_log(qr/database system is ready to accept connections/, $offset);
	return;
}

sub bye
{
	my $s = shift;
	$s->{handle}->finish;
	return;
}

1;
