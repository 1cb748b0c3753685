// SPDX-License-Identifier: GPL-2.0-only
/* Who runs where, and what becomes of processes. */
#include "krr.bpf.h"
#include "start.bpf.h"

#define TASK_DEAD	0x80	/* its id may become that of another one */

static __always_inline struct krr_sched *begin(enum krr_sched_event event,
					       const struct task_struct *other)
{
	struct krr_sched *rec = krr_begin();

	if (!rec)
		return NULL;
	rec->event = event;
	rec->prio = other->prio;
	rec->other_tid = other->pid;
	krr_text(rec->other_comm, other->comm);
	return rec;
}

SEC("tp_btf/sched_switch")
int BPF_PROG(sched_switch, bool preempt, struct task_struct *prev, struct task_struct *next,
	     unsigned int prev_state)
{
	struct krr_sched *rec;
	struct krr_start slept;

	if (prev_state && !(prev_state & TASK_DEAD) && !preempt)
		krr_started(prev->pid, NULL, 0);
	krr_ended(next->pid, NULL, &slept);
	rec = begin(KRR_SCHED_SWITCH, next);
	if (!rec)
		return 0;
	rec->from_cpu = rec->to_cpu = bpf_get_smp_processor_id();
	rec->prev_state = preempt ? 0 : prev_state;
	rec->blocked = slept.ns;
	return krr_emit(KRR_SUBSYS_SCHED, rec);
}

/* Of a process of another CPU, that CPU says it: who runs then is not who woke. */
SEC("tp_btf/sched_wakeup")
int BPF_PROG(sched_wakeup, struct task_struct *p)
{
	struct krr_sched *rec = begin(KRR_SCHED_WAKEUP, p);

	if (!rec)
		return 0;
	rec->from_cpu = bpf_get_smp_processor_id();
	rec->to_cpu = p->thread_info.cpu;
	return krr_emit(KRR_SUBSYS_SCHED, rec);
}

SEC("tp_btf/sched_migrate_task")
int BPF_PROG(sched_migrate, struct task_struct *p, int to)
{
	struct krr_sched *rec = begin(KRR_SCHED_MIGRATE, p);

	if (!rec)
		return 0;
	rec->from_cpu = p->thread_info.cpu;
	rec->to_cpu = to;
	return krr_emit(KRR_SUBSYS_SCHED, rec);
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(sched_fork, struct task_struct *parent, struct task_struct *child)
{
	struct krr_sched *rec = begin(KRR_SCHED_FORK, child);

	if (!rec)
		return 0;
	rec->from_cpu = rec->to_cpu = bpf_get_smp_processor_id();
	return krr_emit(KRR_SUBSYS_SCHED, rec);
}

/* other_tid is who called execve(), if that was not the thread that goes on */
SEC("tp_btf/sched_process_exec")
int BPF_PROG(sched_exec, struct task_struct *p, pid_t old, struct linux_binprm *bprm)
{
	struct krr_sched *rec = begin(KRR_SCHED_EXEC, p);

	if (!rec)
		return 0;
	rec->other_tid = old;
	rec->from_cpu = rec->to_cpu = bpf_get_smp_processor_id();
	krr_text(rec->path, bprm->filename);
	return krr_emit(KRR_SUBSYS_SCHED, rec);
}

/* as shells say it */
static __always_inline int exit_code(int status)
{
	int sig = status & 0x7f;

	return sig ? 128 + sig : status >> 8 & 0xff;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(sched_exit, struct task_struct *p)
{
	struct krr_sched *rec = krr_begin();

	if (!rec)
		return 0;
	rec->event = KRR_SCHED_EXIT;
	rec->prio = p->prio;
	rec->from_cpu = rec->to_cpu = bpf_get_smp_processor_id();
	rec->exit_code = exit_code(p->exit_code);
	return krr_emit(KRR_SUBSYS_SCHED, rec);
}

char LICENSE[] SEC("license") = "GPL";
