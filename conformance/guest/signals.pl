# A Perl program with handlers for CHLD, HUP and ALRM. They are Perl's own, and run in Perl's own thread.
use strict;
use warnings;

my ($children, $hangups, $alarms) = (0, 0, 0);
$SIG{CHLD} = sub { $children++ };
$SIG{HUP} = sub { $hangups++ };
$SIG{ALRM} = sub { $alarms++; alarm 1 };
alarm 1;
my $self = $$;
my $until = time + 2;
for (my $i = 0; time < $until || $i < 50; $i++) {
	system("true");
	my $pid = fork;
	if (!$pid) {
		kill "HUP", $self;
		exec "true";
	}
	waitpid $pid, 0;
}
alarm 0;
die "children $children, hangups $hangups, alarms $alarms" if $children < 50 || $hangups < 40 || $alarms < 1;
print "ok\n";
