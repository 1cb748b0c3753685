// SPDX-License-Identifier: GPL-2.0-only
/*
 * krr: the static key of all hooks.
 *
 * The sites of krr_key are flipped by plain writes while all other CPUs stand
 * still, not by static_branch_enable(), which puts an INT3 into each, and stops
 * all CPUs three times for every 256 of them.
 *
 * text_poke_kgdb() is text_poke() for a machine that stands still; the mutex that
 * the latter wants to see held is held by the task that waits for flip_key().
 */
#include <linux/cpu.h>
#include <linux/export.h>
#include <linux/jump_label.h>
#include <linux/krr.h>
#include <linux/memory.h>
#include <linux/module.h>
#include <linux/stop_machine.h>
#include <asm/nops.h>
#include <asm/sync_core.h>
#include <asm/text-patching.h>

#include "../../../kernel/module/internal.h"

#include "krr.h"

struct static_key_false krr_key = STATIC_KEY_FALSE_INIT;
EXPORT_SYMBOL_GPL(krr_key);

struct flip {
	bool on;
	u32 arrived, done;
};

static u32 flipper;			/* CPU + 1 that writes the sites, or 0 */

/**
 * krr_hold_nmi() - the first thing of an NMI: wait until the sites are whole
 *
 * Other CPUs than the one that writes wait.  That one sees each site before or after its
 * one store, and the handler takes both for the same: krr_mode is off.
 */
noinstr void krr_hold_nmi(void)
{
	u32 self = raw_smp_processor_id() + 1, writer = smp_load_acquire(&flipper);

	if (likely(!writer) || writer == self)
		return;
	while (smp_load_acquire(&flipper))
		krr_pause();
	sync_core();
}

/**
 * krr_text_changed() - text was written, by the CPU that has the RR lock if there is one
 */
void krr_text_changed(void)
{
	if (krr_on())
		krr_g->text++;
}

/* Eight bytes of the page around @site, or across pages if it is. */
static u8 *word_around(u8 *site, int size)
{
	u8 *last = (u8 *)PAGE_ALIGN((unsigned long)site + 1) - sizeof(u64);

	return site > last && site + size <= last + sizeof(u64) ? last : site;
}

/* In one store, which no NMI of this CPU divides: see text_poke_memcpy(). */
static void write_site(struct jump_entry *e, bool on)
{
	u8 *site = (u8 *)jump_entry_code(e), *at;
	int size = arch_jump_entry_size(e);
	const void *insn = x86_nops[size];
	u64 word;

	if (on)
		insn = text_gen_insn(size == 2 ? JMP8_INSN_OPCODE : JMP32_INSN_OPCODE, site,
				     (void *)jump_entry_target(e));
	at = word_around(site, size);
	memcpy(&word, at, sizeof(word));
	memcpy((u8 *)&word + (site - at), insn, size);
	text_poke_kgdb(at, &word, sizeof(word));
}

static void write_sites(struct jump_entry *e, unsigned int n, bool on)
{
	for (; n--; e++)
		if (jump_entry_key(e) == &krr_key.key && !jump_entry_is_init(e))
			write_site(e, on);
}

static void write_all_sites(bool on)
{
	struct module *mod;

	write_sites(__start___jump_table, __stop___jump_table - __start___jump_table, on);
	list_for_each_entry(mod, &modules, list)
		if (mod->state != MODULE_STATE_UNFORMED)
			write_sites(mod->jump_entries, mod->num_jump_entries, on);
	atomic_set(&krr_key.key.enabled, on);
}

static int flip_key(void *arg)
{
	struct flip *f = arg;

	asm volatile("lock incl %0" : "+m" (f->arrived));
	if (smp_processor_id() == cpumask_first(cpu_online_mask)) {
		while (READ_ONCE(f->arrived) < num_online_cpus())
			krr_pause();
		smp_store_release(&flipper, smp_processor_id() + 1);
		write_all_sites(f->on);
		smp_store_release(&flipper, 0);
		smp_store_release(&f->done, 1);
	}
	while (!smp_load_acquire(&f->done))
		krr_pause();
	sync_core();
	return 0;
}

/**
 * krr_arm() - all hooks look at krr_mode from now on, or no longer
 * @on: which
 *
 * Return: 0; -EOPNOTSUPP while a module comes or goes.
 */
int krr_arm(bool on)
{
	struct flip f = { .on = on };
	struct module *mod;
	int err = 0;

	mutex_lock(&module_mutex);
	list_for_each_entry(mod, &modules, list)
		if (on && mod->state != MODULE_STATE_LIVE)
			err = krr_refuse("module %s is being loaded or removed: try again", mod->name);
	if (!err) {
		cpus_read_lock();
		mutex_lock(&text_mutex);
		stop_machine_cpuslocked(flip_key, &f, cpu_online_mask);
		mutex_unlock(&text_mutex);
		cpus_read_unlock();
	}
	mutex_unlock(&module_mutex);
	return err;
}
