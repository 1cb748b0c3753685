// SPDX-License-Identifier: GPL-2.0-only
/* Interrupts and softirqs when they end, timers when they begin. */
#include "krr.bpf.h"
#include "start.bpf.h"

extern const void tick_nsec __ksym __weak;	/* unsigned long */
extern const void softirq_to_name __ksym __weak; /* const char *[] */

static __noinline struct krr_irq *end(enum krr_irq_event event, const volatile void *what, u32 nr)
{
	struct krr_irq *rec = krr_begin();
	struct krr_start start;

	if (!rec)
		return NULL;
	krr_ended(bpf_get_smp_processor_id(), what, &start);
	rec->event = event;
	rec->nr = nr;
	rec->latency = start.ns;
	return rec;
}

SEC("tp_btf/irq_handler_entry")
int BPF_PROG(irq_handler_begin, int irq, struct irqaction *action)
{
	krr_started(bpf_get_smp_processor_id(), action, 0);
	return 0;
}

SEC("tp_btf/irq_handler_exit")
int BPF_PROG(irq_handler, int irq, struct irqaction *action)
{
	struct krr_irq *rec = end(KRR_IRQ_HANDLER, action, irq);

	if (!rec)
		return 0;
	rec->function = (u64)action->handler;
	krr_text(rec->name, action->name);
	return krr_emit(KRR_SUBSYS_IRQ, rec);
}

SEC("tp_btf/softirq_entry")
int BPF_PROG(irq_softirq_begin, unsigned int nr)
{
	krr_started(bpf_get_smp_processor_id(), NULL, 0);
	return 0;
}

SEC("tp_btf/softirq_exit")
int BPF_PROG(irq_softirq, unsigned int nr)
{
	struct krr_irq *rec = end(KRR_IRQ_SOFTIRQ, NULL, nr);
	const char *const *names = (const char *const *)&softirq_to_name;
	const char *name = NULL;

	if (!rec)
		return 0;
	if (names && !bpf_probe_read_kernel(&name, sizeof(name), names + nr))
		krr_text(rec->name, name);
	return krr_emit(KRR_SUBSYS_IRQ, rec);
}

static __always_inline u64 since(s64 now, s64 due)
{
	return now > due ? now - due : 0;
}

SEC("tp_btf/timer_expire_entry")
int BPF_PROG(irq_timer, struct timer_list *timer)
{
	struct krr_irq *rec = krr_begin();
	u64 tick = 0;

	if (!rec)
		return 0;
	if (&tick_nsec)
		bpf_probe_read_kernel(&tick, sizeof(tick), &tick_nsec);
	rec->event = KRR_IRQ_TIMER;
	rec->function = (u64)timer->function;
	rec->late = since(bpf_jiffies64(), timer->expires) * tick;
	return krr_emit(KRR_SUBSYS_IRQ, rec);
}

SEC("tp_btf/hrtimer_expire_entry")
int BPF_PROG(irq_hrtimer, struct hrtimer *timer, s64 *at)
{
	struct krr_irq *rec = krr_begin();
	s64 now = 0;

	if (!rec)
		return 0;
	bpf_probe_read_kernel(&now, sizeof(now), at);
	rec->event = KRR_IRQ_HRTIMER;
	rec->function = (u64)timer->function;
	rec->late = since(now, timer->_softexpires);
	return krr_emit(KRR_SUBSYS_IRQ, rec);
}

char LICENSE[] SEC("license") = "GPL";
