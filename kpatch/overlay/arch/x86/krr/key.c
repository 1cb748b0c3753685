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

static void write_site(struct jump_entry *e, bool on)
{
	u8 *site = (u8 *)jump_entry_code(e);
	int size = arch_jump_entry_size(e);

	if (on)
		text_poke_kgdb(site, text_gen_insn(size == 2 ? JMP8_INSN_OPCODE : JMP32_INSN_OPCODE,
						   site, (void *)jump_entry_target(e)), size);
	else
		text_poke_kgdb(site, x86_nops[size], size);
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
		write_all_sites(f->on);
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
