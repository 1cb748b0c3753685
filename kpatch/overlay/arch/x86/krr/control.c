// SPDX-License-Identifier: GPL-2.0-only
/*
 * krr: /dev/krr.
 *
 * It takes lines: "start [NAME]", "stop", "mark TEXT"; for the flight recorder
 * "flight KEEP_MS BUDGET_MIB [NAME]", "keep MS [WHY]", "drop"; "serialize".  Reading it
 * gives the state as key=value lines.
 */
#define pr_fmt(fmt) "krr: " fmt

#include <linux/fs.h>
#include <linux/init.h>
#include <linux/krr.h>
#include <linux/miscdevice.h>
#include <linux/mutex.h>
#include <linux/reboot.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "krr.h"

#define LINE_BYTES		160

static const char *const state_names[] = {
	[KRR_ST_IDLE] = "idle",
	[KRR_ST_PARKED_START] = "parked",
	[KRR_ST_RECORDING] = "recording",
	[KRR_ST_REPLAYING] = "replaying",
	[KRR_ST_PARKED_END] = "parked",
	[KRR_ST_DIVERGED] = "diverged",
	[KRR_ST_CUT] = "cut",
	[KRR_ST_LOST] = "lost",
	[KRR_ST_PARKED_EPOCH] = "parked",
	[KRR_ST_PREPARING] = "preparing",
};

static noinstr u64 krr_c_mark(unsigned long text, unsigned long len, unsigned long c,
			      unsigned long d, unsigned long site)
{
	return krr_c_bytes(KRR_EV_MARK, text, len, 0, site);
}

/* KEEP_MS BUDGET_MIB [NAME] */
static int fly(char *arg)
{
	char *keep = strsep(&arg, " "), *budget = strsep(&arg, " ");
	u32 keep_ms, budget_mib;

	if (!budget || kstrtou32(keep, 10, &keep_ms) || kstrtou32(budget, 10, &budget_mib))
		return -EINVAL;
	if (krr_g->mode != KRR_MODE_OFF)
		return -EBUSY;
	krr_hdr->keep_ms = keep_ms;
	krr_hdr->budget_mib = budget_mib;
	return krr_start_recording(arg ?: "", true);
}

/* MS [WHY] */
static int keep(char *arg)
{
	char *ms = strsep(&arg, " ");
	u64 n;

	if (!krr_on() || !krr_hdr->flight || kstrtou64(ms, 10, &n))
		return -EINVAL;
	krr_keep(n, arg ?: "");
	return 0;
}

static int run_line(char *line)
{
	char *arg = line;

	strsep(&arg, " ");
	arg = arg ?: "";
	if (!strcmp(line, "start"))
		return krr_start_recording(arg, false);
	if (!strcmp(line, "flight"))
		return fly(arg);
	if (!strcmp(line, "serialize"))
		return krr_start_serializing();
	if (!strcmp(line, "stop"))
		return krr_stop_recording(KRR_STOP_REQUEST);
	if (!strcmp(line, "drop"))
		return krr_hdr->flight ? krr_stop_recording(KRR_STOP_DROP) : -EINVAL;
	if (!strcmp(line, "keep"))
		return keep(arg);
	if (!strcmp(line, "mark")) {
		if (!krr_on())
			return -EINVAL;
		krr_call(krr_c_mark, arg, strlen(arg), 0, 0);
		return 0;
	}
	return -EINVAL;
}

static ssize_t krr_write(struct file *file, const char __user *buf, size_t len, loff_t *pos)
{
	char line[LINE_BYTES];
	int err;

	if (len >= sizeof(line))
		return -EINVAL;
	if (copy_from_user(line, buf, len))
		return -EFAULT;
	line[len] = 0;
	strim(line);
	if (mutex_lock_interruptible(&krr_control_mutex))
		return -EINTR;
	err = run_line(line);
	mutex_unlock(&krr_control_mutex);
	return err ?: len;
}

static ssize_t krr_read(struct file *file, char __user *buf, size_t len, loff_t *pos)
{
	/* only what is the same in replay */
	bool on = krr_on();
	char text[1400], flight[32] = "0";
	int n;

	if (on && krr_hdr->flight)
		scnprintf(flight, sizeof(flight), "%u %u", krr_hdr->keep_ms, krr_hdr->budget_mib);
	n = scnprintf(text, sizeof(text), "state=%s\nflight=%s\ncpus=%u\nring_bytes=%llu\n%s%s%s",
		      on ? state_names[KRR_ST_RECORDING] : state_names[KRR_ST_IDLE],
		      flight, krr_hdr->nr_cpus, krr_hdr->ring_bytes,
		      on ? "" : "message=", on ? "" : krr_hdr->message, on ? "" : "\n");
	return simple_read_from_buffer(buf, len, pos, text, n);
}

static const struct file_operations krr_fops = {
	.owner = THIS_MODULE,
	.read = krr_read,
	.write = krr_write,
	.llseek = default_llseek,
};

static struct miscdevice krr_dev = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "krr",
	.mode = 0600,
	.fops = &krr_fops,
};

static int on_reboot(struct notifier_block *nb, unsigned long action, void *data)
{
	if (krr_on())
		krr_stop_recording(KRR_STOP_REBOOT);
	return NOTIFY_DONE;
}

static struct notifier_block reboot_nb = {
	.notifier_call = on_reboot,
	.priority = INT_MAX,
};

static int __init krr_init(void)
{
	int err;

	err = krr_region_init();
	if (err)
		return err == -ENOENT ? 0 : err;
	err = krr_pages_init() ?: krr_supported_init();
	if (err)
		return err;
	register_reboot_notifier(&reboot_nb);
	err = misc_register(&krr_dev);
	if (err)
		return err;
	krr_region_show();
	return 0;
}
late_initcall(krr_init);
