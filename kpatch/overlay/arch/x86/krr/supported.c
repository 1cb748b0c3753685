// SPDX-License-Identifier: GPL-2.0-only
/*
 * krr: what cannot be recorded is refused by name, at the start or when it is met.
 */
#define pr_fmt(fmt) "krr: " fmt

#include <linux/bpf.h>
#include <linux/cpuhotplug.h>
#include <linux/fs.h>
#include <linux/init.h>
#include <linux/krr.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/workqueue.h>
#include <asm/processor.h>
#include <asm/smp.h>

#include "krr.h"

/**
 * krr_refuse() - say why something is not recorded, in the log and to the host
 *
 * Return: -EOPNOTSUPP.
 */
__printf(1, 2) int krr_refuse(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vscnprintf(krr_hdr->message, sizeof(krr_hdr->message), fmt, args);
	va_end(args);
	pr_err("can't be recorded: %s\n", krr_hdr->message);
	return -EOPNOTSUPP;
}

static bool is_virtio(const struct pci_dev *dev)
{
	return dev->driver && !strcmp(dev->driver->name, "virtio-pci");
}

/* Device memory is logged where virtio rings are read; other DMA would be missed. */
static int check_pci(void)
{
	struct pci_dev *dev = NULL;
	u16 command;

	for_each_pci_dev(dev) {
		if (!dev->driver || is_virtio(dev))
			continue;
		pci_read_config_word(dev, PCI_COMMAND, &command);
		if (!(command & PCI_COMMAND_MASTER))
			continue;
		krr_refuse("driver %s does DMA for device %s; only virtio devices can be recorded: unbind it",
		       dev->driver->name, pci_name(dev));
		pci_dev_put(dev);
		return -EOPNOTSUPP;
	}
	return 0;
}

/**
 * krr_bus_master() - a PCI device may do DMA from now on
 * @dev: device, its driver known
 *
 * The recording ends unless it is virtio's, or a bridge, which only passes on.
 */
void krr_bus_master(struct pci_dev *dev)
{
	static char what[80];

	if (!krr_on() || pci_is_bridge(dev) || is_virtio(dev))
		return;
	snprintf(what, sizeof(what), "driver %s does DMA for device %s",
		 dev->driver ? dev->driver->name : "(none)", pci_name(dev));
	krr_unsupported(what);
}

/* Programs read such a map by plain loads. */
static void find_mapped_bpf_map(struct mm_struct *mm, void *found)
{
	VMA_ITERATOR(vmi, mm, 0);
	struct vm_area_struct *vma;

	for_each_vma(vmi, vma)
		if (vma->vm_file && vma->vm_file->f_op == &bpf_map_fops &&
		    vma->vm_flags & VM_WRITE)
			*(bool *)found = true;
}

static int check_mappings(void)
{
	bool found = false;

	krr_each_mm(find_mapped_bpf_map, &found);
	if (found)
		return krr_refuse("a process has a BPF map mapped writable; programs would read what no hook sees");
	return 0;
}

static int check_cpu(void)
{
	if (num_online_cpus() > KRR_MAX_CPUS)
		return krr_refuse("%u CPUs are online, at most %u can be recorded",
			      num_online_cpus(), KRR_MAX_CPUS);
	if (boot_cpu_has(X86_FEATURE_AMX_TILE))
		return krr_refuse("the CPU has AMX, whose registers are saved where no hook looks: boot with clearcpuid=amx_tile");
	if (boot_cpu_has(X86_FEATURE_SERIALIZE))
		return krr_refuse("the kernel uses the instruction SERIALIZE, which no replay has: boot with clearcpuid=serialize");
	if (krr_pmu_active())
		return krr_refuse("hardware performance events are in use, which make NMIs: end perf, boot with nmi_watchdog=0");
	if (boot_cpu_has(X86_FEATURE_HYPERVISOR) && boot_cpu_has(X86_FEATURE_MWAIT) &&
	    boot_option_idle_override != IDLE_HALT)
		return krr_refuse("idle may use mwait: boot with idle=halt");
	return 0;
}

/*
 * Features that the guest is shown for user mode, and that no replay has.  Some ciphers
 * and checksums of the kernel would use them, too.
 */
static int check_ciphers(void)
{
	if (boot_cpu_has(X86_FEATURE_AVX512F) &&
	    (IS_ENABLED(CONFIG_RAID6_PQ) || IS_ENABLED(CONFIG_CRYPTO_CHACHA20_X86_64) ||
	     IS_ENABLED(CONFIG_CRYPTO_POLY1305_X86_64) || IS_ENABLED(CONFIG_CRYPTO_BLAKE2S_X86)))
		return krr_refuse("this kernel has ciphers or checksums in AVX-512, which no replay has: boot with clearcpuid=avx512f");
	if (boot_cpu_has(X86_FEATURE_SHA_NI) &&
	    (IS_ENABLED(CONFIG_CRYPTO_SHA1_SSSE3) || IS_ENABLED(CONFIG_CRYPTO_SHA256_SSSE3)))
		return krr_refuse("this kernel has hashes in SHA instructions, which no replay has: boot with clearcpuid=sha_ni");
	if (boot_cpu_has(X86_FEATURE_GFNI) && IS_ENABLED(CONFIG_CRYPTO_ARIA_AESNI_AVX_X86_64))
		return krr_refuse("this kernel has a cipher in GFNI, which no replay has: boot with clearcpuid=gfni");
	return 0;
}

/* krr_check_supported() - 0, or -EOPNOTSUPP and hdr.message says why */
int krr_check_supported(void)
{
	if (IS_ENABLED(CONFIG_KSM) || IS_ENABLED(CONFIG_ZSWAP) || IS_ENABLED(CONFIG_ZRAM) ||
	    IS_ENABLED(CONFIG_TRANSPARENT_HUGEPAGE))
		return krr_refuse("this kernel has KSM, zswap, zram or transparent huge pages in it");
	if (IS_ENABLED(CONFIG_TLS) || IS_ENABLED(CONFIG_CRYPTO_USER_API))
		return krr_refuse("this kernel has TLS or the crypto API for user mode in it, which read user pages");
	if (IS_ENABLED(CONFIG_TCP_MD5SIG))
		return krr_refuse("this kernel has TCP MD5 signatures in it, which read user pages");
	if (IS_ENABLED(CONFIG_KCOV))
		return krr_refuse("this kernel has KCOV in it, which reads an index that user mode may write");
	return check_cpu() ?: check_ciphers() ?: check_pci() ?: check_mappings();
}

/* CPUs do not come or go during a recording. */
static int refuse_hotplug(unsigned int cpu)
{
	return krr_on() ? -EBUSY : 0;
}

static const char *unsupported_what;

static void stop_unsupported(struct work_struct *work)
{
	mutex_lock(&krr_control_mutex);
	if (krr_on()) {
		krr_refuse("%s", unsupported_what);
		krr_stop_recording(KRR_STOP_UNSUPPORTED);
	}
	mutex_unlock(&krr_control_mutex);
}

static DECLARE_WORK(unsupported_work, stop_unsupported);

/**
 * krr_unsupported() - something happens that can't be recorded
 * @what: in words, a literal
 *
 * The recording ends soon, with reason KRR_STOP_UNSUPPORTED.  Any context.
 */
void krr_unsupported(const char *what)
{
	if (!krr_on())
		return;
	unsupported_what = what;
	schedule_work(&unsupported_work);
}
EXPORT_SYMBOL_GPL(krr_unsupported);

/* CPUs neither come nor go while krr_on(). */
int __init krr_supported_init(void)
{
	int err;

	err = cpuhp_setup_state_nocalls(CPUHP_BP_PREPARE_DYN, "krr:prepare", refuse_hotplug, NULL);
	if (err < 0)
		return err;
	err = cpuhp_setup_state_nocalls(CPUHP_AP_ONLINE_DYN, "krr:online", NULL, refuse_hotplug);
	return err < 0 ? err : 0;
}
