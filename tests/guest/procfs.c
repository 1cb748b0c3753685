// SPDX-License-Identifier: GPL-2.0-only
/*
 * procfs - files that the kernel makes up while they are read
 */
#include <dirent.h>
#include "test.h"

static long slurp(const char *path, int must)
{
	static char buf[65536];
	long total = 0;
	ssize_t n;
	int fd = open(path, O_RDONLY);

	if (fd < 0) {
		CHECK(!must);
		return 0;
	}
	while ((n = read(fd, buf, sizeof(buf))) > 0)
		total += n;
	close(fd);
	return total;
}

static int all_tasks(void)
{
	static const char *const files[] = { "stat", "status", "maps", "cmdline", "wchan", "stack" };
	DIR *d = opendir("/proc");
	struct dirent *e;
	char path[300];
	int n = 0;

	CHECK(d);
	while ((e = readdir(d))) {
		if (e->d_name[0] < '0' || e->d_name[0] > '9')
			continue;
		n++;
		for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
			snprintf(path, sizeof(path), "/proc/%s/%s", e->d_name, files[i]);
			slurp(path, 0);	/* the task may be gone */
		}
	}
	closedir(d);
	return n;
}

int main(int argc, char **argv)
{
	static const char *const files[] = {
		"/proc/stat", "/proc/meminfo", "/proc/vmstat", "/proc/interrupts", "/proc/uptime",
		"/proc/loadavg", "/proc/slabinfo", "/proc/self/smaps", "/proc/self/pagemap",
		"/proc/cpuinfo", "/proc/net/dev", "/proc/schedstat", "/proc/timer_list",
	};
	struct amount a = test_amount(argc, argv);
	int tasks = 0;

	while (test_more(&a)) {
		for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
			long n = strcmp(files[i], "/proc/self/pagemap") ? slurp(files[i], i < 6) : 0;

			CHECK(n > 0 || i >= 6);
		}
		tasks = all_tasks();
		CHECK(tasks > 2);
	}
	return test_ok(&a, "%d tasks", tasks);
}
