#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-only
# layers.t - who may include whom: format header, records <- library <- vmm <- programs
use strict;
use warnings;
use Cwd qw(abs_path);
use File::Basename qw(dirname);
use File::Find;

chdir(dirname(abs_path($0)) . "/..") or die "chdir: $!";

# each layer: where it is, and which local includes it may have (by folder)
my @layers = (
	{ name => "format header", dir => "kpatch/overlay/include/uapi", may => [] },
	{ name => "records",  dir => "bpf",		 may => ["bpf"] },
	{ name => "library",  dir => "userspace/lib",	 may => ["lib", "bpf"] },
	{ name => "vmm",      dir => "vmm",		 may => ["lib", "bpf", "vmm"] },
	{ name => "krrctl",   dir => "userspace/krrctl", may => ["lib", "bpf", "vmm", "krrctl"] },
	{ name => "krrd",     dir => "userspace/krrd",	 may => ["lib", "bpf", "vmm", "krrd"] },
);

sub sources {
	my @found;

	find(sub { push @found, $File::Find::name if /\.[ch]$/ }, $_[0]) if -d $_[0];
	return sort @found;
}

# the layer of an include: its first folder, or the file's own if it has none
sub layer_of {
	my ($inc, $own) = @_;

	return $own if $inc !~ m{/};
	$inc =~ s{^(\.\./)*(userspace/)?}{};
	return (split m{/}, $inc)[0];
}

sub violations {
	my ($layer) = @_;
	my %may = map { $_ => 1 } @{$layer->{may}};
	my $own = (split m{/}, $layer->{dir})[-1];
	my @bad;

	foreach my $file (sources($layer->{dir})) {
		open(my $in, "<", $file) or die "$file: $!";
		while (my $line = <$in>) {
			next if $line !~ /^\s*#\s*include\s*"([^"]+)"/;
			my $of = layer_of($1, $own);
			push @bad, "$file:$.: includes \"$1\" of $of" if !$may{$of};
		}
	}
	return @bad;
}

print "1.." . (@layers + 2) . "\n";
my ($n, $failed) = (0, 0);
sub point {
	my ($name, @bad) = @_;

	$n++;
	$failed++ if @bad;
	print((@bad ? "not ok" : "ok") . " $n - $name\n", map { "# $_\n" } @bad);
}

foreach my $layer (@layers) {
	my @files = sources($layer->{dir});
	my @none = @files ? () : ("$layer->{dir}: no sources found");

	point("$layer->{name} includes downwards only", @none, violations($layer));
}

# the format header has to stand alone: nothing but <linux/types.h>
my @alone;
open(my $hdr, "<", "kpatch/overlay/include/uapi/linux/krr.h") or die "krr.h: $!";
while (<$hdr>) {
	push @alone, "krr.h:$.: $_" if /^\s*#\s*include/ && !/<linux\/types\.h>/;
}
point("the format header stands alone", @alone);

# only programs end the process; abort() is for what can't go on, as without memory
my @exits;
foreach my $file (sources("userspace/lib"), sources("vmm")) {
	open(my $in, "<", $file) or die "$file: $!";
	while (<$in>) {
		push @exits, "$file:$.: $_" if /(?<![\w.>])(exit|errx?|verrx?)\s*\(/ && !m{^\s*(\*|//)};
	}
}
point("only programs exit", @exits);
exit($failed ? 1 : 0);
