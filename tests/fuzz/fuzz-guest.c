// SPDX-License-Identifier: GPL-2.0-only
/*
 * What krrd in the guest reads from the host and from clients: frames and their
 * payloads, through to policies.  The first byte says whether checksums of headers are
 * made right, then a word has the bytes that come at once.
 */
#include "krrd/guest.c"		/* its handle() is what is tried */

#include <jansson.h>

#include "bpf/records.h"
#include "fuzz.h"
#include "lib/schema.h"
#include "no-bpf.h"

const unsigned int fuzz_rounds = 4000;

static unsigned int requests, answers;	/* a request has one answer */
static int result;			/* of the last one */

/* In the place of port.c and of what takes root. */
void ports_catch_signals(void) { }
int port_open(const char *path, const char *name) { (void)path, (void)name; return -1; }
bool port_gone(const struct port *port) { (void)port; return false; }
int port_listen(const char *path, const char *group) { (void)path, (void)group; return -1; }
int port_accept(int listener, const char *group) { (void)listener, (void)group; return -1; }
void port_refuse(int fd, int err, const char *why) { (void)fd, (void)err, (void)why; }
void port_close(struct port *port) { (void)port; }
void port_read(struct port *port, port_handler *take, void *ctx)
{
	(void)port, (void)take, (void)ctx;
}
void part_stay_with_parent(void) { }
void notify_ready(const char *status) { (void)status; }
int pins_enter(const char *dir, uid_t uid, gid_t gid) { (void)dir, (void)uid, (void)gid; return 0; }
int privilege_drop(const struct identity *id) { (void)id; return 0; }
struct identity privilege_identity(const char *user)
{
	(void)user;
	return (struct identity){ 0, 0 };
}

void port_hello(const struct port *port, const uint8_t *payload, uint32_t len, bool krr)
{
	(void)port, (void)payload, (void)len, (void)krr;
	answers++;
}

void port_reply(const struct port *port, int err, const char *text)
{
	must(port && err <= 0 && err > -4096 && text);
	must(strlen(text) < 1 << 20);
	result = err;
	answers++;
}

static void check_clauses(const struct krr_rule *rule, const struct krr_schema *s)
{
	const struct krr_clause *c;

	must(rule->nr_clauses && rule->nr_clauses <= KRR_MAX_CLAUSES);
	for (c = rule->clause; c < rule->clause + rule->nr_clauses; c++) {
		must(c->nr >= 1 && c->nr <= KRR_MAX_VALUES && c->op <= KRR_HAS_PREFIX);
		must(c->size && c->off + c->size <= s->size && c->len <= KRR_VALUE_BYTES);
	}
	must(memchr(rule->name, 0, sizeof(rule->name)));
}

/* What the programs would be given. */
static void check_policies(void)
{
	const struct krr_policy *p;
	const struct krr_schema *s;
	size_t i, j;

	must(no_bpf.nr && no_bpf.nr < KRR_NR_SUBSYS);
	for (i = 0; i < no_bpf.nr; i++) {
		p = &no_bpf.policy[i];
		s = krr_schema_by_name(no_bpf.subsys[i]);
		must(s && s->id != KRR_SUBSYS_MARK);
		must(p->nr_filters <= KRR_MAX_FILTERS && p->nr_triggers <= KRR_MAX_TRIGGERS);
		for (j = 0; j < p->nr_filters; j++)
			check_clauses(&p->filter[j], s);
		for (j = 0; j < p->nr_triggers; j++)
			check_clauses(&p->trigger[j], s);
	}
}

static void check_status(void)
{
	__free_ptr char *text = policy_status();
	json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, NULL);

	must(root && json_is_string(json_object_get(root, "options")));
	json_decref(root);
}

/* A policy that was refused leaves the one there was. */
static void request(struct guest *g, uint32_t type, uint8_t *payload, uint32_t len)
{
	__free_ptr char *before = policy_status();
	unsigned int started = no_bpf.started;

	requests++;
	handle(g, &g->port[HOST], type, payload, len);
	must(answers == requests);
	must(no_bpf.running <= 1 && no_bpf.started <= started + 1);
	if (no_bpf.started != started)
		check_policies();
	if (type == KRR_FR_ENABLE && result) {
		__free_ptr char *after = policy_status();

		must(!strcmp(before, after));
	}
	check_status();
}

/* As krrd of another version would find it. */
static void restart(void)
{
	char *why = NULL;

	policy_disable();
	must(!policy_adopt(&why) && !why);
	must(no_bpf.running == 1);
}

static void fix_checksums(uint8_t *p, size_t len)
{
	struct krr_frame f;

	for (; len >= sizeof(f); p++, len--) {
		memcpy(&f, p, sizeof(f));
		if (f.magic != KRR_FRAME_MAGIC)
			continue;
		f.crc = krr_crc32(0, &f, offsetof(struct krr_frame, crc));
		memcpy(p, &f, sizeof(f));
	}
}

static void serve_bytes(struct guest *g, const uint8_t *p, size_t len, size_t step)
{
	struct krr_framer *in = &g->port[HOST].in;
	uint8_t *where, *payload;
	uint32_t type, size;
	size_t n;

	while (len) {
		n = krr_framer_room(in, &where);
		must(n);
		n = n < len ? n : len;
		n = n < step ? n : step;
		memcpy(where, p, n);
		in->have += n;
		p += n;
		len -= n;
		while (krr_framer_next(in, &type, &payload, &size))
			request(g, type, payload, size);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct input in = { data, data + len };
	uint64_t how = take(&in, 1), step = take(&in, 2);
	struct guest *g = calloc(1, sizeof(*g));
	size_t n = (size_t)(in.end - in.p);
	uint8_t *copy = malloc(n ? n : 1);

	must(copy && g);
	memcpy(copy, in.p, n);
	if (how & 1)
		fix_checksums(copy, n);
	requests = answers = 0;
	serve_bytes(g, copy, n, step ? step : 1);
	if (no_bpf.running)
		restart();
	policy_disable();
	must(!no_bpf.running);
	free(no_bpf.words);
	no_bpf = (struct no_bpf){ 0 };
	free(copy);
	free(g);
	return 0;
}

/* Words with '|' between them. */
static void seed_words(struct output *out, const char *text)
{
	__free_ptr char *words = krr_strf("%s", text);
	char *p;

	for (p = words; (p = strchr(p, '|')); p++)
		*p = '\0';
	seed_frame(out, KRR_FR_ENABLE, words, (uint32_t)strlen(text) + 1);
}

static void begin(struct output *out, unsigned int step)
{
	out->n = 0;
	give(out, 1, 1);
	give(out, step, 2);
}

void fuzz_seeds(void)
{
	static const char *const enable[] = {
		"--subsys|all",
		"--subsys|net,block,fs|--comm|nginx|--comm|redis|--port|443|--port=80",
		"--subsys|net|--when|net.drop && net.dport in (80, 443)|--then|mark:a|--rate|5",
		"--subsys|block,fs|--when|block.latency > 10ms && block.op == write|--when|fs.open",
		"--subsys|syscall|--when|syscall.nr == openat && syscall.ret == ENOENT|--rate|0",
		"--subsys|net|--cgroup|/|--when|net.comm ~= ng",
		"--subsys|nte", "--when", "--subsys|net|--when|net.drop_raeson == 1",
	};
	static struct output out;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(enable); i++) {
		begin(&out, i & 1 ? 4096 : 7);
		seed_frame(&out, KRR_FR_HELLO, "12345678", 8);
		seed_words(&out, enable[i]);
		seed_frame(&out, KRR_FR_POLICY, "", 0);
		seed_words(&out, enable[(i + 1) % ARRAY_SIZE(enable)]);
		seed_from(&out);
	}
	begin(&out, 100);
	seed_frame(&out, KRR_FR_START, "name", 5);
	seed_frame(&out, KRR_FR_MARK, "a\nb", 4);
	seed_frame(&out, KRR_FR_STATUS, "", 0);
	seed_frame(&out, KRR_FR_STOP, "", 0);
	seed_frame(&out, KRR_FR_ENDED, "", 0);
	seed_frame(&out, KRR_FR_SUBSYS, "", 0);
	seed_frame(&out, KRR_FR_EXEC, "\0ls", 4);
	seed_frame(&out, KRR_FR_DISABLE, "", 0);
	seed_frame(&out, 99, "", 0);
	seed_from(&out);
}
