// SPDX-License-Identifier: GPL-2.0-only
/* The runtime directory: what others have planted there is neither used nor removed. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/store.h"
#include "lib/util.h"
#include "unit.h"
#include "vmm/runtime.h"
#include "vmm/vm.h"

#define STRANGER 65534

static void make_dir(const char *name)
{
	__free_ptr char *path = krr_strf("%s/%s", scratch, name);

	assert_int_equal(krr_mkdirs(path, 0700), 0);
}

static void make_file(const char *name, const char *text)
{
	close(scratch_file(name, text, strlen(text)));
}

static bool there(const char *name)
{
	__free_ptr char *path = krr_strf("%s/%s", scratch, name);

	return !access(path, F_OK);
}

/* What krr_vm_sweep() looks for, and what a stranger would give to have removed. */
static void make_vm(const char *dir)
{
	__free_ptr char *lock = krr_strf("%s/lock", dir), *json = krr_strf("%s/vm.json", dir);
	__free_ptr char *log = krr_strf("%s/qemu.log", dir);

	make_dir(dir);
	make_file(lock, "");
	make_file(log, "text");
	make_file(json, "{\"krr_vm\": 1, \"name\": \"x\", \"ram\": \"/etc/passwd\"}");
}

static uint32_t listed(void)
{
	char **names;
	int n;

	n = krr_runtime_list(&names);
	krr_store_list_free(names);
	return (uint32_t)n;
}

static void left_by_a_killed_owner(void **state)
{
	(void)state;
	make_vm("run/krr/dead");
	assert_int_equal(listed(), 1);
	krr_vm_sweep();
	assert_false(there("run/krr/dead"));
	assert_true(there("run/krr"));
	assert_int_equal(access("/etc/passwd", F_OK), 0);
}

/* A tree that happens to have a file "lock" in it, as /var/lib/dpkg has. */
static void not_a_vm(void **state)
{
	(void)state;
	make_dir("run/krr/dpkg/info");
	make_file("run/krr/dpkg/lock", "");
	make_file("run/krr/dpkg/status", "precious");
	krr_vm_sweep();
	assert_true(there("run/krr/dpkg/lock"));
	assert_true(there("run/krr/dpkg/status"));
}

/* Of a VM's directory, too, only krr's own files go. */
static void more_in_it(void **state)
{
	(void)state;
	make_vm("run/krr/more");
	make_dir("run/krr/more/ram/thesis");
	make_file("run/krr/more/notes", "precious");
	krr_vm_sweep();
	assert_false(there("run/krr/more/qemu.log"));
	assert_true(there("run/krr/more/notes"));
	assert_true(there("run/krr/more/ram/thesis"));
}

static void linked_directory(void **state)
{
	__free_ptr char *link = krr_strf("%s/run/krr", scratch);
	__free_ptr char *target = krr_strf("%s/docs", scratch);
	struct krr_vm vm;

	(void)state;
	make_dir("run");
	make_vm("docs/project");
	assert_int_equal(symlink(target, link), 0);
	assert_true(krr_runtime_open() < 0);
	assert_int_equal(listed(), 0);
	krr_vm_sweep();
	assert_true(there("docs/project/lock"));
	quiet_begin();
	assert_int_equal(krr_vm_open("project", &vm), -ENOENT);
	krr_vm_free(&vm);
	assert_int_equal(krr_vm_create("new", 64u << 20, &vm), -EACCES);
	krr_vm_destroy(&vm);
	quiet_end();
	assert_false(there("docs/new"));
}

static void linked_vm(void **state)
{
	__free_ptr char *link = krr_strf("%s/run/krr/vm", scratch);
	__free_ptr char *target = krr_strf("%s/elsewhere", scratch);

	(void)state;
	make_dir("run/krr");
	make_vm("elsewhere");
	assert_int_equal(symlink(target, link), 0);
	assert_null(krr_runtime_json("vm", "vm.json"));
	krr_vm_sweep();
	assert_true(there("elsewhere/vm.json"));
}

static void writable_by_others(void **state)
{
	__free_ptr char *base = krr_strf("%s/run/krr", scratch);

	(void)state;
	make_vm("run/krr/web");
	assert_int_equal(chmod(base, 0777), 0);
	quiet_begin();
	assert_int_equal(krr_runtime_open(), -EACCES);
	assert_int_equal(krr_runtime_make(), -EACCES);
	quiet_end();
	krr_vm_sweep();
	assert_true(there("run/krr/web/lock"));
}

/* Only root can give a directory away, so only root can see this. */
static void of_somebody_else(void **state)
{
	__free_ptr char *base = krr_strf("%s/run/krr", scratch);

	(void)state;
	if (geteuid())
		skip();
	make_vm("run/krr/web");
	assert_int_equal(chown(base, STRANGER, STRANGER), 0);
	quiet_begin();
	assert_int_equal(krr_runtime_open(), -EACCES);
	quiet_end();
	krr_vm_sweep();
	assert_true(there("run/krr/web/lock"));
}

/* su leaves it as it was. */
static void environment_of_somebody_else(void **state)
{
	__free_ptr char *run = krr_strf("%s/run", scratch), *path = NULL;

	(void)state;
	if (geteuid())
		skip();
	make_dir("run");
	assert_int_equal(chown(run, STRANGER, STRANGER), 0);
	path = krr_runtime_dir();
	assert_string_equal(path, "/run/krr");
}

static void life(void **state)
{
	struct krr_vm vm, second;

	(void)state;
	assert_int_equal(krr_vm_create("web", 64u << 20, &vm), 0);
	assert_true(there("run/krr/web/vm.json"));
	krr_vm_sweep();
	assert_true(there("run/krr/web/vm.json"));
	quiet_begin();
	assert_int_equal(krr_vm_create("web", 64u << 20, &second), -EBUSY);
	krr_vm_destroy(&second);
	quiet_end();
	assert_int_equal(listed(), 1);
	krr_vm_destroy(&vm);
	assert_false(there("run/krr/web"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)
	static const struct CMUnitTest tests[] = {
		TEST(left_by_a_killed_owner),
		TEST(not_a_vm),
		TEST(more_in_it),
		TEST(linked_directory),
		TEST(linked_vm),
		TEST(writable_by_others),
		TEST(of_somebody_else),
		TEST(environment_of_somebody_else),
		TEST(life),
	};

	return cmocka_run_group_tests_name("runtime", tests, NULL, NULL);
}
