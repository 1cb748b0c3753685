#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-only
# docs.t - docs/format.md says what the headers define; krrctl(1) has all verbs
use strict;
use warnings;
use Cwd qw(abs_path);
use File::Basename qw(dirname);
use Test::More tests => 4;

chdir(dirname(abs_path($0)) . "/..") or die "chdir: $!";

sub slurp {
	open(my $in, "<", $_[0]) or die "$_[0]: $!";
	local $/;
	return <$in>;
}

my $format = slurp("docs/format.md");
my $krr = slurp("kpatch/overlay/include/uapi/linux/krr.h");
my $log = slurp("userspace/lib/log.h");

sub point {
	my ($name, @bad) = @_;

	ok(!@bad, $name) or diag(join("\n", @bad));
}

# a number of the page, which follows what $re matches
sub says {
	my ($re, $value) = @_;

	return "docs/format.md: nothing like $re" if $format !~ /$re\s*(\d+)/;
	return $1 == $value ? () : "docs/format.md: $re is $1, and $value in the header";
}

my ($events) = $krr =~ /#define KRR_FORMAT_VERSION\s+(\d+)/ or die "no KRR_FORMAT_VERSION";
my ($file) = $log =~ /#define KRR_LOG_VERSION\s+(\d+)/ or die "no KRR_LOG_VERSION";
point("the version of the events",
      says(qr/\| `version` \| guest, boot \|/, $events),
      says(qr/\| format of the events \|/, $events),
      says(qr/\| `format` \| number \|/, $events));
point("the version of log.krr", says(qr/## log\.krr\n.*?\| 8 \| 4 \| version \|/s, $file));

my %shape = (0 => 0, V => 0x40, VV => 0x80, B => 0xc0);
my @rows;
while ($krr =~ /X\((\w+),\s*\w+,\s*KRR_SHAPE_(\w+),\s*(\d+),/g) {
	push @rows, sprintf("| 0x%02x | %s |", $shape{$2} | $3, $1);
}
point("a row for each kind of event", @rows < 20 ? "only " . @rows . " kinds in krr.h" : (),
      map { "docs/format.md: no row $_" } grep { index($format, $_) < 0 } @rows);

my $man = slurp("userspace/man/krrctl.1");
my @verbs = map { slurp("userspace/krrctl/$_") =~ /^\t\{ "([a-z]+)",\s+cmd_/mg } qw(verbs-host.c verbs.h);
point("krrctl(1) has all verbs", @verbs < 19 ? "only: @verbs" : (),
      map { "krrctl.1: nothing of $_" } grep { $man !~ /^\.It Cm $_\b/m } @verbs);
