/* SPDX-License-Identifier: GPL-2.0-or-later */
/* To be preloaded: the process that LIVE_MEMORY_OF names by its program's name writes to the file LIVE_MEMORY, time and
 * again, how many bytes it has allocated and not freed. Without sanitizers, glibc.malloc.tcache_count=0 makes that
 * exact. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAUSE_USEC 2000

static void *report(void *shared) {
        size_t (*sanitizer)(void);
        _Atomic uint64_t *count = shared;

        *(void **) &sanitizer = dlsym(RTLD_DEFAULT, "__sanitizer_get_current_allocated_bytes");
        for (;;) {
                atomic_store(count, sanitizer ? sanitizer() : mallinfo2().uordblks);
                (void) usleep(PAUSE_USEC);
        }
        return NULL;
}

__attribute__((constructor)) static void start(void) {
        const char *program = getenv("LIVE_MEMORY_OF"), *file = getenv("LIVE_MEMORY");
        pthread_t thread;
        sigset_t all, mask;

        if (!program || !file || strcmp(program, program_invocation_short_name) != 0)
                return;
        int fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        if (fd < 0 || ftruncate(fd, sizeof(uint64_t)) < 0)
                abort();
        void *count = mmap(NULL, sizeof(uint64_t), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        (void) close(fd);
        /* The process's signals are for its own thread. */
        (void) sigfillset(&all);
        (void) pthread_sigmask(SIG_SETMASK, &all, &mask);
        if (count == MAP_FAILED || pthread_create(&thread, NULL, report, count) != 0)
                abort();
        (void) pthread_sigmask(SIG_SETMASK, &mask, NULL);
}
