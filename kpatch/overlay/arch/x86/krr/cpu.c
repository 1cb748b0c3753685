// SPDX-License-Identifier: GPL-2.0-only
/*
 * krr: what depends on the CPU's model.
 *
 * A replay may run on another CPU than the recording, usually on QEMU's TCG.  What the
 * kernel reads of its CPU comes from the log: CPUID, control registers, and registers
 * that user mode has set.  Features that the other CPU may lack are not used there:
 * process-context identifiers, INVPCID, protection keys.  Nothing in a replay needs
 * them, since no user mode runs.
 *
 * Functions named krr_c_*() run on the recorder's stack, by krr_call(): whatever the two
 * modes execute, the domain's registers and stack are the same after it.
 */
#include <linux/init.h>
#include <linux/krr.h>
#include <linux/printk.h>
#include <asm/apicdef.h>
#include <asm/asm.h>
#include <asm/cpufeature.h>
#include <asm/debugreg.h>
#include <asm/fpu/xcr.h>
#include <asm/invpcid.h>
#include <asm/msr-index.h>
#include <asm/processor-flags.h>
#include <asm/special_insns.h>
#include <asm/x86_init.h>

#include "krr.h"
#include "put.h"

/* No hooks here, so not the kernel's own functions. */
static __always_inline u64 raw_read_cr3(void)
{
	u64 v;

	asm volatile("movq %%cr3, %0" : "=r" (v) : : "memory");
	return v;
}

static __always_inline void raw_write_cr3(u64 v)
{
	asm volatile("movq %0, %%cr3" : : "r" (v) : "memory");
}

static __always_inline u64 raw_read_cr4(void)
{
	u64 v;

	asm volatile("movq %%cr4, %0" : "=r" (v) : : "memory");
	return v;
}

static __always_inline void raw_write_cr4(u64 v)
{
	asm volatile("movq %0, %%cr4" : : "r" (v) : "memory");
}

/* Log @v, or take from the log what it was. */
static __always_inline u64 log_reg(u64 site, u64 v)
{
	if (!krr_recording())
		return krr_take(KRR_EV_REG, site)->arg[0];
	krr_put1(KRR_EV_REG, site, v);
	return v;
}

#define ENABLED(nr)	(DR_GLOBAL_ENABLE << (nr) * DR_ENABLE_SIZE | \
			 DR_LOCAL_ENABLE << (nr) * DR_ENABLE_SIZE)
#define UNWATCH_USER(dr7, nr)	((u64)native_get_debugreg(nr) < TASK_SIZE_MAX ? \
				 (dr7) & ~(u64)ENABLED(nr) : (dr7))

/* krr_dr7() in the domain: without watchpoints on user memory */
noinstr unsigned long krr_domain_dr7(unsigned long dr7)
{
	dr7 = UNWATCH_USER(dr7, 0);
	dr7 = UNWATCH_USER(dr7, 1);
	dr7 = UNWATCH_USER(dr7, 2);
	return UNWATCH_USER(dr7, 3);
}

/*
 * krr_unwatch_user(), krr_watch_user() - this CPU has come into the domain, or leaves it
 *
 * The kernel's accesses to user memory trap at no watchpoint, since a replay has none of
 * them.
 */
noinstr void krr_unwatch_user(void)
{
	unsigned long dr7 = this_cpu_read(cpu_dr7);

	if (dr7)
		native_set_debugreg(7, krr_domain_dr7(dr7));
}

noinstr void krr_watch_user(void)
{
	unsigned long dr7 = this_cpu_read(cpu_dr7);

	if (dr7)
		native_set_debugreg(7, dr7);
}

/* native_cpuid(): pointers to EAX, EBX, ECX and EDX; the first and the third are inputs, too */
noinstr u64 krr_c_cpuid(unsigned long ax, unsigned long bx, unsigned long cx, unsigned long dx,
			unsigned long site)
{
	u32 a = *(u32 *)ax, b = 0, c = *(u32 *)cx, d = 0;
	u64 v;

	if (krr_recording())
		asm volatile("cpuid" : "+a" (a), "=b" (b), "+c" (c), "=d" (d));
	v = log_reg(site, a | (u64)b << 32);
	*(u32 *)ax = v;
	*(u32 *)bx = v >> 32;
	v = log_reg(site, c | (u64)d << 32);
	*(u32 *)cx = v;
	*(u32 *)dx = v >> 32;
	return 0;
}
EXPORT_SYMBOL_GPL(krr_c_cpuid);

/* native_write_cr3(): in replay there is one address space, without an identifier */
noinstr u64 krr_c_write_cr3(unsigned long v, unsigned long b, unsigned long c,
			    unsigned long d, unsigned long site)
{
	if (!krr_recording())
		v &= ~(X86_CR3_PCID_NOFLUSH | X86_CR3_PCID_MASK);
	raw_write_cr3(v);
	return 0;
}
EXPORT_SYMBOL_GPL(krr_c_write_cr3);

/* native_flush_tlb_local() */
noinstr u64 krr_c_reload_cr3(unsigned long a, unsigned long b, unsigned long c,
			     unsigned long d, unsigned long site)
{
	raw_write_cr3(raw_read_cr3());
	return 0;
}

/* native_write_cr4() */
noinstr u64 krr_c_write_cr4(unsigned long v, unsigned long b, unsigned long c,
			    unsigned long d, unsigned long site)
{
	if (!krr_recording())
		v &= ~KRR_CR4_NOT_IN_REPLAY;
	raw_write_cr4(v);
	return 0;
}

/* __invpcid(): replay forgets more than it has to */
noinstr u64 krr_c_invpcid(unsigned long pcid, unsigned long addr, unsigned long type,
			  unsigned long d, unsigned long site)
{
	struct { u64 d[2]; } desc = { { pcid, addr } };
	u64 cr4;

	if (krr_recording()) {
		asm volatile("invpcid %[desc], %[type]"
			     : : [desc] "m" (desc), [type] "r" (type) : "memory");
	} else if (type == INVPCID_TYPE_ALL_INCL_GLOBAL) {
		cr4 = raw_read_cr4();
		raw_write_cr4(cr4 ^ X86_CR4_PGE);
		raw_write_cr4(cr4);
	} else {
		raw_write_cr3(raw_read_cr3());
	}
	return 0;
}
EXPORT_SYMBOL_GPL(krr_c_invpcid);

/* rdpkru(): user mode writes the register as it likes */
noinstr u64 krr_c_rdpkru(unsigned long a, unsigned long b, unsigned long c, unsigned long d,
			 unsigned long site)
{
	u32 pkru = 0, edx;

	if (krr_recording())
		asm volatile("rdpkru" : "=a" (pkru), "=d" (edx) : "c" (0));
	return log_reg(site, pkru);
}
EXPORT_SYMBOL_GPL(krr_c_rdpkru);

/* wrpkru(): faults come from the log, so replay has no keys */
noinstr u64 krr_c_wrpkru(unsigned long pkru, unsigned long b, unsigned long c,
			 unsigned long d, unsigned long site)
{
	if (krr_recording())
		asm volatile("wrpkru" : : "a" ((u32)pkru), "c" (0), "d" (0) : "memory");
	return 0;
}
EXPORT_SYMBOL_GPL(krr_c_wrpkru);

/* --- model-specific registers ------------------------------------------------- */

/* What the kernel tells its APIC: no input, and a replay has nobody to tell. */
static __always_inline bool is_apic_msr(u32 msr)
{
	return msr == MSR_IA32_TSC_DEADLINE || (msr >= APIC_BASE_MSR && msr <= APIC_BASE_MSR + 0xff);
}

/* What a replay has to have as the kernel set it. */
static __always_inline bool is_needed_msr(u32 msr)
{
	return msr == MSR_EFER || (msr >= MSR_STAR && msr <= MSR_SYSCALL_MASK) ||
	       (msr >= MSR_IA32_SYSENTER_CS && msr <= MSR_IA32_SYSENTER_EIP);
}

/*
 * An access that faults does so outside the domain, on this stack: the replay's CPU may
 * have the register.  Return: 0 or -EIO.
 */
static noinstr int raw_read_msr(u32 msr, u64 *v)
{
	u32 lo = 0, hi = 0, mode = krr_nmi_enter();
	int err;

	asm volatile("1: rdmsr\n\txorl %k0, %k0\n2:\n\t"
		     _ASM_EXTABLE_TYPE_REG(1b, 2b, EX_TYPE_RDMSR_SAFE, %k0)
		     : "=r" (err), "+a" (lo), "+d" (hi) : "c" (msr));
	krr_nmi_exit(mode);
	*v = err ? 0 : lo | (u64)hi << 32;
	return err;
}

static noinstr int raw_write_msr(u32 msr, u64 v)
{
	u32 mode = krr_nmi_enter();
	int err;

	asm volatile("1: wrmsr\n\txorl %k0, %k0\n2:\n\t"
		     _ASM_EXTABLE_TYPE_REG(1b, 2b, EX_TYPE_WRMSR_SAFE, %k0)
		     : "=r" (err) : "c" (msr), "a" ((u32)v), "d" ((u32)(v >> 32)) : "memory");
	krr_nmi_exit(mode);
	return err;
}

static __always_inline u64 log_msr(u64 site, u64 v)
{
	return krr_c_value(KRR_EV_MSR, v, 0, 0, site);
}

/* native_read_msr(), native_read_msr_safe(): @err is a pointer to an int */
noinstr u64 krr_c_read_msr(unsigned long msr, unsigned long err, unsigned long c,
			   unsigned long d, unsigned long site)
{
	u64 v = 0;
	int failed = 0;

	if (krr_recording())
		failed = raw_read_msr(msr, &v);
	if (!krr_plain_msr(msr))
		failed = log_msr(site, failed);
	*(int *)err = failed;
	return log_msr(site, v);
}
EXPORT_SYMBOL_GPL(krr_c_read_msr);

/* native_write_msr(), native_write_msr_safe(); replay has only the registers that it needs */
noinstr u64 krr_c_write_msr(unsigned long msr, unsigned long v, unsigned long c,
			    unsigned long d, unsigned long site)
{
	int err = 0;

	if (is_apic_msr(msr)) {
		if (krr_recording())
			raw_write_msr(msr, v);
		return 0;
	}
	if (krr_recording())
		err = raw_write_msr(msr, v);
	err = log_msr(site, err);
	if (!krr_recording() && !err && is_needed_msr(msr))
		raw_write_msr(msr, v);
	return err;
}
EXPORT_SYMBOL_GPL(krr_c_write_msr);

/**
 * krr_warn_msr() - say that an access to a register that this CPU lacks was tried
 * @msr: its number
 * @write: or read
 *
 * Once; the access itself has done nothing, and a read got 0.
 */
void krr_warn_msr(u32 msr, bool write)
{
	if (pr_warn_once("unchecked MSR access error: %s 0x%x\n", write ? "WRMSR to" : "RDMSR from",
			 msr))
		dump_stack();
}
EXPORT_SYMBOL_GPL(krr_warn_msr);

/**
 * krr_settle_cpu() - make this CPU what a replay expects
 *
 * Where a replay begins.  CR4 is written again, since an emulator that has loaded the
 * state of another hypervisor's CPU derives from this what else it keeps (QEMU's TCG:
 * whether SMAP and AVX are on).  Address spaces lose their identifiers.
 */
noinstr void krr_settle_cpu(void)
{
	raw_write_cr4(raw_read_cr4() & ~KRR_CR4_NOT_IN_REPLAY);
	raw_write_cr3(raw_read_cr3() & ~X86_CR3_PCID_MASK);
}

/* xgetbv(): which components user mode has in use */
noinstr u64 krr_c_xgetbv(unsigned long index, unsigned long b, unsigned long c,
			 unsigned long d, unsigned long site)
{
	u32 lo = 0, hi = 0;

	if (krr_recording())
		asm volatile("xgetbv" : "=a" (lo), "=d" (hi) : "c" ((u32)index));
	return log_reg(site, lo | (u64)hi << 32);
}
EXPORT_SYMBOL_GPL(krr_c_xgetbv);

#ifdef CONFIG_X86_X2APIC
static bool __init in_vm(void)
{
	return boot_cpu_has(X86_FEATURE_HYPERVISOR);
}

/*
 * krr_allow_x2apic() - in a VM, x2APIC mode needs no remapping of interrupts
 *
 * The kernel learns this from its hypervisor, and krr hides which that is.  IDs of up to
 * 255 are reached by any device.
 */
void __init krr_allow_x2apic(void)
{
	x86_init.hyper.x2apic_available = in_vm;
}
#endif
