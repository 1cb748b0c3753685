// SPDX-License-Identifier: GPL-2.0-only
/* krrctl replay, krrctl verify */
#include <getopt.h>
#include <string.h>

#include "krrctl/krrctl.h"
#include "lib/util.h"
#include "vmm/options.h"

#define COMMON_USAGE							\
	"  --accel A      auto, kvm or tcg (auto: kvm if it can replay this recording)\n" \
	"  --timeout S    give up after S seconds without progress (30, or 600 for what was\n" \
	"                 recorded under KVM and is replayed under TCG; 0: never)\n" \
	"  --poison       user memory holds a pattern: a read of it that the recorder missed\n" \
	"                 diverges\n"					\
	"  --json         result as JSON\n"				\
	"  --quiet        no progress\n"

static const char replay_usage[] =
	"usage: krrctl replay [OPTIONS] RECORDING\n"
	"\n"
	"  --verify       compare memory and console at the end, as krrctl verify does\n"
	"  --until P      only up to position P, e.g. 'net.reset#3'; see krrctl gdb --help\n"
	"  --console      print what the replayed kernel printed on its console\n"
	COMMON_USAGE;

static const char verify_usage[] =
	"usage: krrctl verify [OPTIONS] RECORDING\n"
	"\n"
	"Replays and compares guest memory, and what the guest printed on its console,\n"
	"with the end of the recording.\n"
	"\n"
	COMMON_USAGE;

static const struct option options[] = {
	{ "verify", no_argument, NULL, 'v' },
	{ "until", required_argument, NULL, 'u' },
	{ "console", no_argument, NULL, 'c' },
	{ "accel", required_argument, NULL, 'a' },
	{ "timeout", required_argument, NULL, 't' },
	{ "poison", no_argument, NULL, 'p' },
	{ "json", no_argument, NULL, 'j' },
	{ "quiet", no_argument, NULL, 'q' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

static int run(int argc, char **argv, const char *usage, struct replay_options *o)
{
	uint64_t seconds;
	int opt;

	while ((opt = getopt_long(argc, argv, "h", options, NULL)) >= 0) {
		switch (opt) {
		case 'v':
			o->verify = true;
			break;
		case 'u':
			o->until = optarg;
			break;
		case 'c':
			o->console = true;
			break;
		case 'a':
			o->accel = optarg;
			break;
		case 't':
			if (krr_parse_u64(optarg, &seconds) || seconds > 1000000)
				return usage_error(usage);
			o->timeout_s = (unsigned int)seconds;
			break;
		case 'p':
			o->poison = true;
			break;
		case 'j':
			o->json = true;
			break;
		case 'q':
			krr_quiet = true;
			break;
		case 'h':
			return usage_help(usage);
		default:
			return usage_error(usage);
		}
	}
	if (krr_accel_check(o->accel))
		return KRR_EXIT_USAGE;
	if (optind + 1 != argc || !krr_name_ok(argv[optind]) || (o->until && o->verify))
		return usage_error(usage);
	return replay_run(argv[optind], o);
}

int cmd_replay(int argc, char **argv)
{
	struct replay_options o = { .accel = "auto", .timeout_s = REPLAY_TIMEOUT_AUTO };

	return run(argc, argv, replay_usage, &o);
}

int cmd_verify(int argc, char **argv)
{
	struct replay_options o = {
		.accel = "auto", .timeout_s = REPLAY_TIMEOUT_AUTO, .verify = true,
	};

	return run(argc, argv, verify_usage, &o);
}
