// SPDX-License-Identifier: GPL-2.0-only
/* Who is refused what, who becomes whom, and modules. */
#include "krr.bpf.h"

#define CAP_OPT_NOAUDIT	2	/* who asks can do without */

SEC("fexit/cap_capable")
int BPF_PROG(security_cap_denied, const struct cred *cred, struct user_namespace *ns, int cap,
	     unsigned int opts, int ret)
{
	struct krr_security *rec;

	if (!ret || opts & CAP_OPT_NOAUDIT)
		return 0;
	rec = krr_begin();
	if (!rec)
		return 0;
	rec->event = KRR_SECURITY_CAP_DENIED;
	rec->cap = cap;
	rec->uid = rec->new_uid = cred->uid.val;
	rec->euid = rec->new_euid = cred->euid.val;
	rec->err = ret;
	return krr_emit(KRR_SUBSYS_SECURITY, rec);
}

SEC("fentry/commit_creds")
int BPF_PROG(security_creds, struct cred *new)
{
	const struct cred *old = bpf_get_current_task_btf()->real_cred;
	struct krr_security *rec = krr_begin();

	if (!rec)
		return 0;
	rec->event = KRR_SECURITY_CREDS;
	rec->uid = old->uid.val;
	rec->euid = old->euid.val;
	rec->new_uid = new->uid.val;
	rec->new_euid = new->euid.val;
	return krr_emit(KRR_SUBSYS_SECURITY, rec);
}

SEC("tp_btf/module_load")
int BPF_PROG(security_module, struct module *module)
{
	struct krr_security *rec = krr_begin();

	if (!rec)
		return 0;
	rec->event = KRR_SECURITY_MODULE;
	krr_text(rec->name, module->name);
	return krr_emit(KRR_SUBSYS_SECURITY, rec);
}

static __always_inline struct krr_security *denied(int ret)
{
	const struct cred *cred = bpf_get_current_task_btf()->cred;
	struct krr_security *rec = krr_begin();

	if (!rec)
		return NULL;
	rec->event = KRR_SECURITY_DENIED;
	rec->uid = rec->new_uid = cred->uid.val;
	rec->euid = rec->new_euid = cred->euid.val;
	rec->err = ret;
	return rec;
}

/* HOOK() - what the security modules may refuse, with its arguments */
#define HOOK(hook, args...)						\
SEC("fexit/security_" #hook)						\
int BPF_PROG(security_##hook, args, int ret)				\
{									\
	struct krr_security *rec = ret < 0 ? denied(ret) : NULL;	\
									\
	if (!rec)							\
		return 0;						\
	__builtin_memcpy(rec->name, #hook, sizeof(#hook));		\
	return krr_emit(KRR_SUBSYS_SECURITY, rec);			\
}

HOOK(file_open, void *file)
HOOK(bprm_check, void *bprm)
HOOK(inode_permission, void *inode, int mask)
HOOK(ptrace_access_check, void *child, unsigned int mode)
HOOK(task_kill, void *p, void *info, int sig, void *cred)
HOOK(sb_mount, void *dev, void *path, void *type, unsigned long flags, void *data)
HOOK(bpf, int cmd, void *attr, unsigned int size)
HOOK(perf_event_open, void *attr, int type)
HOOK(locked_down, int what)
HOOK(kernel_module_request, void *name)
HOOK(socket_create, int family, int type, int protocol, int kern)
HOOK(socket_bind, void *sock, void *address, int len)
HOOK(socket_connect, void *sock, void *address, int len)

char LICENSE[] SEC("license") = "GPL";
