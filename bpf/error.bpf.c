// SPDX-License-Identifier: GPL-2.0-only
/* What the kernel complains about, up to its last words. */
#include "krr.bpf.h"

#define DEFAULT_LEVEL	4	/* MESSAGE_LOGLEVEL_DEFAULT */
#define LOWEST_LEVEL	4	/* that is logged: warning */
#define SOH		'\001'	/* KERN_SOH */
#define REGISTER_ARGS	48	/* bytes of integer arguments that are in registers */

/* Of the message that this CPU is formatting; no interrupt gets in between. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, u32);
} level SEC(".maps");

static __always_inline u32 *this_level(void)
{
	u32 zero = 0;

	return bpf_map_lookup_elem(&level, &zero);
}

/* the first variable argument */
static __always_inline const char *first_arg(const struct __va_list_tag *args)
{
	const void *at = args->overflow_arg_area;
	const char *text = NULL;

	if (args->gp_offset < REGISTER_ARGS)
		at = (const char *)args->reg_save_area + args->gp_offset;
	bpf_probe_read_kernel(&text, sizeof(text), at);
	return text;
}

/*
 * The level is an argument, or is in the text itself, to which a "%s" at its
 * beginning may lead.
 */
SEC("fentry/vprintk_store")
int BPF_PROG(error_printk_level, int facility, int argument, void *dev_info, const char *fmt,
	     const struct __va_list_tag *args)
{
	u32 *store = this_level();
	char start[3] = "";

	if (!store)
		return 0;
	bpf_probe_read_kernel_str(start, sizeof(start), fmt);
	if (start[0] == '%' && start[1] == 's')
		bpf_probe_read_kernel_str(start, sizeof(start), first_arg(args));
	if (argument >= 0)
		*store = argument;
	else if (start[0] != SOH)
		*store = DEFAULT_LEVEL;
	else if (start[1] >= '0' && start[1] <= '7')
		*store = start[1] - '0';
	return 0;	/* KERN_CONT: as before */
}

static __always_inline bool is_panic(const char *text)
{
	const char words[] = "Kernel panic - not syncing";

	for (u32 i = 0; i < sizeof(words) - 1; i++)
		if (text[i] != words[i])
			return false;
	return true;
}

/* panic() has variable arguments, but says so */
SEC("tp_btf/console")
int BPF_PROG(error_printk, const char *text, size_t len)
{
	struct krr_error *rec;
	u32 *now = this_level();

	if (!len || !now || *now > LOWEST_LEVEL)
		return 0;
	rec = krr_begin();
	if (!rec)
		return 0;
	if (len > sizeof(rec->text) - 1)
		len = sizeof(rec->text) - 1;
	bpf_probe_read_kernel(rec->text, len, text);
	rec->event = is_panic(rec->text) ? KRR_ERROR_PANIC : KRR_ERROR_PRINTK;
	rec->level = *now;
	return krr_emit(KRR_SUBSYS_ERROR, rec);
}

SEC("fentry/__warn")
int BPF_PROG(error_warn, const char *file, int line, void *caller)
{
	struct krr_error *rec = krr_begin();
	u64 args[] = { (u64)file, line };

	if (!rec)
		return 0;
	rec->event = KRR_ERROR_WARN;
	rec->addr = (u64)caller;
	if (file)
		bpf_snprintf(rec->text, sizeof(rec->text), "%s:%d", args, sizeof(args));
	return krr_emit(KRR_SUBSYS_ERROR, rec);
}

SEC("tp_btf/error_report_end")
int BPF_PROG(error_kasan, enum error_detector detector, unsigned long addr)
{
	struct krr_error *rec;

	if (detector == bpf_core_enum_value(enum error_detector, ERROR_DETECTOR_WARN))
		return 0;
	rec = krr_begin();
	if (!rec)
		return 0;
	rec->event = KRR_ERROR_KASAN;
	rec->addr = addr;
	if (detector == bpf_core_enum_value(enum error_detector, ERROR_DETECTOR_KASAN))
		__builtin_memcpy(rec->text, "kasan", sizeof("kasan"));
	else
		__builtin_memcpy(rec->text, "kfence", sizeof("kfence"));
	return krr_emit(KRR_SUBSYS_ERROR, rec);
}

SEC("tp_btf/rcu_stall_warning")
int BPF_PROG(error_rcu_stall, const char *rcu, const char *what)
{
	struct krr_error *rec = krr_begin();

	if (!rec)
		return 0;
	rec->event = KRR_ERROR_RCU_STALL;
	krr_text(rec->text, what);
	return krr_emit(KRR_SUBSYS_ERROR, rec);
}

SEC("tp_btf/sched_process_hang")
int BPF_PROG(error_hung_task, struct task_struct *p)
{
	struct krr_error *rec = krr_begin();
	u64 args[] = { (u64)p->comm, p->pid };

	if (!rec)
		return 0;
	rec->event = KRR_ERROR_HUNG_TASK;
	bpf_snprintf(rec->text, sizeof(rec->text), "%s:%d", args, sizeof(args));
	return krr_emit(KRR_SUBSYS_ERROR, rec);
}

static __always_inline int oops(const char *text, const struct pt_regs *regs)
{
	struct krr_error *rec = krr_begin();

	if (!rec)
		return 0;
	rec->event = KRR_ERROR_OOPS;
	rec->addr = regs->ip;
	krr_text(rec->text, text);
	return krr_emit(KRR_SUBSYS_ERROR, rec);
}

SEC("fentry/__die")
int BPF_PROG(error_oops, const char *text, struct pt_regs *regs)
{
	return oops(text, regs);
}

SEC("fentry/die_addr")
int BPF_PROG(error_oops_addr, const char *text, struct pt_regs *regs)
{
	return oops(text, regs);
}

char LICENSE[] SEC("license") = "GPL";
