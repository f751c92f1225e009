/* Pages of memory and the pool's mutex, from the system the library is built on.
 *
 * From PAGES_MAPPED bytes on, memory is mapped and unmapped by itself, so that what is given back
 * leaves the process at once; malloc may keep it. The mapping reserves what it promises (no
 * MAP_NORESERVE): memory that cannot be had is refused here, not by a signal in a kernel.
 */
#ifndef AUTODIFF_PAGES_H
#define AUTODIFF_PAGES_H

#include <stddef.h>
#include <stdlib.h>

#define PAGES_MAPPED ((size_t)1 << 20)
#define PAGES_ALIGN ((size_t)64)

#if defined(_WIN32)

#include <malloc.h>
#include <windows.h>

static SRWLOCK pool_mutex = SRWLOCK_INIT;
static void pool_lock(void) { AcquireSRWLockExclusive(&pool_mutex); }
static void pool_unlock(void) { ReleaseSRWLockExclusive(&pool_mutex); }
static int pool_survives_fork(void) { return 0; }
static void *pages_get(size_t nbytes) { return _aligned_malloc(nbytes, PAGES_ALIGN); }
static void pages_drop(void *data, size_t nbytes) { (void)nbytes; _aligned_free(data); }

#else

#include <pthread.h>
#include <sys/mman.h>

#include "huge.h"

static pthread_mutex_t pool_mutex = PTHREAD_MUTEX_INITIALIZER;
static void pool_lock(void) { pthread_mutex_lock(&pool_mutex); }
static void pool_unlock(void) { pthread_mutex_unlock(&pool_mutex); }

/* A fork while another thread holds the mutex would leave it locked in the child for ever, so the
 * forking thread takes it first. Returns 0, or the error of pthread_atfork. */
static int pool_survives_fork(void)
{
    return pthread_atfork(pool_lock, pool_unlock, pool_unlock);
}

static void *pages_get(size_t nbytes)
{
    void *data;
    if (nbytes < PAGES_MAPPED)
        return posix_memalign(&data, PAGES_ALIGN, nbytes) == 0 ? data : NULL;
    data = mmap(NULL, nbytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (data == MAP_FAILED) return NULL;
    pages_huge(data, nbytes);
    return data;
}

static void pages_drop(void *data, size_t nbytes)
{
    if (nbytes < PAGES_MAPPED)
        free(data);
    else
        munmap(data, nbytes);
}

#endif
#endif
