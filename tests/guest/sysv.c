// SPDX-License-Identifier: GPL-2.0-only
/*
 * sysv - System V shared memory, semaphores and messages, and a POSIX queue
 */
#include <mqueue.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include "test.h"

struct note { long type; char text[32]; };

static void child(int sem, int msg, volatile int *shared)
{
	struct note n = { .type = 2, .text = "from the child" };
	struct sembuf take = { 0, -1, 0 };

	CHECK(!semop(sem, &take, 1));
	CHECK(*shared == 1);
	*shared = 2;
	CHECK(!msgsnd(msg, &n, sizeof(n.text), 0));
	_exit(0);
}

static void sysv_round(int shm, int sem, int msg)
{
	volatile int *shared = shmat(shm, NULL, 0);
	struct sembuf give = { 0, 1, 0 };
	struct note n;
	pid_t pid;

	CHECK(shared != (void *)-1);
	*shared = 0;
	pid = fork();
	CHECK(pid >= 0);
	if (!pid)
		child(sem, msg, shared);
	*shared = 1;
	CHECK(!semop(sem, &give, 1));
	CHECK(msgrcv(msg, &n, sizeof(n.text), 2, 0) == sizeof(n.text));
	CHECK(*shared == 2 && !strcmp(n.text, "from the child"));
	test_wait(pid, 0);
	CHECK(!shmdt((void *)shared));
}

static int posix_queue(void)
{
	struct mq_attr attr = { .mq_maxmsg = 4, .mq_msgsize = 16 };
	char buf[16], name[32];
	mqd_t q;

	snprintf(name, sizeof(name), "/krr-test-%d", getpid());
	q = mq_open(name, O_CREAT | O_RDWR, 0600, &attr);
	if (q == (mqd_t)-1)
		return 0;
	CHECK(!mq_send(q, "low", 4, 1) && !mq_send(q, "high", 5, 9));
	CHECK(mq_receive(q, buf, 16, NULL) == 5 && !strcmp(buf, "high"));
	CHECK(!mq_close(q) && !mq_unlink(name));
	return 1;
}

int main(int argc, char **argv)
{
	struct amount a = test_amount(argc, argv);
	int shm = shmget(IPC_PRIVATE, PAGE, IPC_CREAT | 0600), queues = 0;
	int sem = semget(IPC_PRIVATE, 1, IPC_CREAT | 0600);
	int msg = msgget(IPC_PRIVATE, IPC_CREAT | 0600);

	CHECK(shm >= 0 && sem >= 0 && msg >= 0);
	while (test_more(&a)) {
		sysv_round(shm, sem, msg);
		queues += posix_queue();
	}
	CHECK(!shmctl(shm, IPC_RMID, NULL) && !semctl(sem, 0, IPC_RMID) && !msgctl(msg, IPC_RMID, NULL));
	return test_ok(&a, "%d queues", queues);
}
