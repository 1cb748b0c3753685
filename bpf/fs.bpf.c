// SPDX-License-Identifier: GPL-2.0-only
/*
 * Regular files.  What begins is noted if it is about one; what ends is logged if it
 * was noted.  A path that could not be opened may have been anything.
 */
#include "krr.bpf.h"
#include "start.bpf.h"

#define S_IFMT		0170000
#define S_IFREG		0100000
#define MAX_ERRNO	4095

static __always_inline bool is_regular(const struct inode *inode)
{
	return (inode->i_mode & S_IFMT) == S_IFREG;
}

static __always_inline void begin_file(const struct file *file)
{
	const struct inode *inode = file->f_inode;

	if (is_regular(inode))
		krr_started(krr_this_thread(), file, inode->i_ino);
}

static __always_inline void begin_dentry(const struct dentry *dentry)
{
	const struct inode *inode = dentry->d_inode;

	if (inode && is_regular(inode))
		krr_started(krr_this_thread(), dentry, inode->i_ino);
}

/* A record of what began with @what; NULL if nothing did that is of interest. */
static __noinline struct krr_fs *end(enum krr_fs_event event, const volatile void *what, s64 ret)
{
	struct krr_start start;
	struct krr_fs *rec;

	if (!krr_ended(krr_this_thread(), what, &start))
		return NULL;
	rec = krr_begin();
	if (!rec)
		return NULL;
	rec->event = event;
	rec->inode = start.note;
	rec->ret = ret;
	rec->latency = start.ns;
	return rec;
}

static __always_inline void put_dentry(struct krr_fs *rec, const struct dentry *dentry)
{
	const struct super_block *sb = dentry->d_sb;

	rec->dev = sb->s_dev;
	krr_text(rec->fs, sb->s_type->name);
	krr_text(rec->name, dentry->d_name.name);
}

static __always_inline int end_file(enum krr_fs_event event, const struct file *file, u64 len,
				    s64 ret)
{
	struct krr_fs *rec = end(event, file, ret);

	if (!rec)
		return 0;
	rec->len = len;
	put_dentry(rec, file->f_path.dentry);
	return krr_emit(KRR_SUBSYS_FS, rec);
}

SEC("fentry/do_filp_open")
int BPF_PROG(fs_open_begin, int dfd, struct filename *path)
{
	krr_started(krr_this_thread(), path, 0);
	return 0;
}

/* The last part of a path that leads nowhere, as far as it fits. */
static __noinline void put_last_part(struct krr_fs *rec, const char *path)
{
	char text[2 * KRR_TEXT_LEN] = "";
	u32 from = 0;

	bpf_probe_read_kernel_str(text, sizeof(text), path);
	for (u32 i = 0; i < sizeof(text) - 1; i++) {
		if (!text[i])
			break;
		if (text[i] == '/' && text[i + 1])
			from = i + 1;
	}
	bpf_probe_read_kernel_str(rec->name, sizeof(rec->name), path + from);
}

SEC("fexit/do_filp_open")
int BPF_PROG(fs_open, int dfd, struct filename *path, const struct open_flags *op,
	     struct file *file)
{
	bool failed = (unsigned long)file >= (unsigned long)-MAX_ERRNO;
	struct krr_fs *rec = end(KRR_FS_OPEN, path, 0);

	if (!rec)
		return 0;
	if (failed) {
		rec->ret = (long)file;
		put_last_part(rec, path->name);
		return krr_emit(KRR_SUBSYS_FS, rec);
	}
	if (!is_regular(file->f_inode)) {
		krr_drop(rec);
		return 0;
	}
	rec->inode = file->f_inode->i_ino;
	put_dentry(rec, file->f_path.dentry);
	return krr_emit(KRR_SUBSYS_FS, rec);
}

SEC("fentry/vfs_read")
int BPF_PROG(fs_read_begin, struct file *file)
{
	begin_file(file);
	return 0;
}

SEC("fexit/vfs_read")
int BPF_PROG(fs_read, struct file *file, char *buf, size_t count, loff_t *pos, ssize_t ret)
{
	return end_file(KRR_FS_READ, file, count, ret);
}

SEC("fentry/vfs_write")
int BPF_PROG(fs_write_begin, struct file *file)
{
	begin_file(file);
	return 0;
}

SEC("fexit/vfs_write")
int BPF_PROG(fs_write, struct file *file, const char *buf, size_t count, loff_t *pos, ssize_t ret)
{
	return end_file(KRR_FS_WRITE, file, count, ret);
}

SEC("fentry/vfs_fsync_range")
int BPF_PROG(fs_sync_begin, struct file *file)
{
	begin_file(file);
	return 0;
}

SEC("fexit/vfs_fsync_range")
int BPF_PROG(fs_sync, struct file *file, loff_t from, loff_t to, int datasync, int ret)
{
	return end_file(KRR_FS_SYNC, file, 0, ret);
}

SEC("fentry/vfs_unlink")
int BPF_PROG(fs_unlink_begin, struct user_namespace *ns, struct inode *dir, struct dentry *dentry)
{
	begin_dentry(dentry);
	return 0;
}

SEC("fexit/vfs_unlink")
int BPF_PROG(fs_unlink, struct user_namespace *ns, struct inode *dir, struct dentry *dentry,
	     struct inode **delegated, int ret)
{
	struct krr_fs *rec = end(KRR_FS_UNLINK, dentry, ret);

	if (!rec)
		return 0;
	put_dentry(rec, dentry);
	return krr_emit(KRR_SUBSYS_FS, rec);
}

SEC("fentry/vfs_rename")
int BPF_PROG(fs_rename_begin, struct renamedata *rd)
{
	begin_dentry(rd->old_dentry);
	return 0;
}

/* by its new name, which is that of the dentry that it replaces */
SEC("fexit/vfs_rename")
int BPF_PROG(fs_rename, struct renamedata *rd, int ret)
{
	struct krr_fs *rec = end(KRR_FS_RENAME, rd->old_dentry, ret);

	if (!rec)
		return 0;
	put_dentry(rec, rd->new_dentry);
	return krr_emit(KRR_SUBSYS_FS, rec);
}

char LICENSE[] SEC("license") = "GPL";
