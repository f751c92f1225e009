/* Pages of memory and the pool's mutex, from the system the library is built on.
 *
 * From PAGES_MAPPED bytes on, memory is mapped and unmapped by itself, so that what is given back
 * leaves the process at once; malloc may keep it. The mapping reserves what it promises (no
 * MAP_NORESERVE): memory that cannot be had is refused here, not by a signal in a kernel.
 */
#ifndef AUTODIFF_PAGES_H
#define AUTODIFF_PAGES_H

#include <stddef.h>
#include <stdint.h>
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
static void pages_discard(void *data, size_t nbytes) { (void)data; (void)nbytes; }
static void pages_drop(void *data, size_t nbytes) { (void)nbytes; _aligned_free(data); }

#else

#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

static pthread_mutex_t pool_mutex = PTHREAD_MUTEX_INITIALIZER;
static void pool_lock(void) { pthread_mutex_lock(&pool_mutex); }
static void pool_unlock(void) { pthread_mutex_unlock(&pool_mutex); }

/* A fork while another thread holds the mutex would leave it locked in the child for ever, so the
 * forking thread takes it first. Returns 0, or the error of pthread_atfork. */
static int pool_survives_fork(void)
{
    return pthread_atfork(pool_lock, pool_unlock, pool_unlock);
}

static void *pages_map(size_t nbytes)
{
    void *data = mmap(NULL, nbytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return data == MAP_FAILED ? NULL : data;
}

#ifdef MADV_HUGEPAGE
#define PAGE_HUGE ((size_t)1 << 21)

/* Large pages, as NumPy asks for: fewer faults when memory is new, fewer look-ups of addresses
 * after. They begin at multiples of their size, so the mapping does; no more bytes become resident.
 */
static void *pages_map_huge(size_t nbytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), whole = (nbytes + page - 1) & -page;
    char *mapped = pages_map(whole + PAGE_HUGE), *data;
    if (mapped == NULL) return pages_map(nbytes);
    data = mapped + (-(uintptr_t)mapped & (PAGE_HUGE - 1));
    if (data > mapped) munmap(mapped, data - mapped);
    munmap(data + whole, mapped + PAGE_HUGE - data);
    madvise(data, whole, MADV_HUGEPAGE);
    return data;
}
#endif

static void *pages_get(size_t nbytes)
{
    void *data;
    if (nbytes < PAGES_MAPPED)
        return posix_memalign(&data, PAGES_ALIGN, nbytes) == 0 ? data : NULL;
#ifdef MADV_HUGEPAGE
    if (nbytes >= 2 * PAGE_HUGE)
        return pages_map_huge(nbytes);
#endif
    return pages_map(nbytes);
}

/* Give the whole pages in these bytes back to the system; their addresses stay. */
static void pages_discard(void *data, size_t nbytes)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t first = ((uintptr_t)data + page - 1) & -page;
    uintptr_t end = ((uintptr_t)data + nbytes) & -page;
    if (first < end)
        madvise((void *)first, end - first, MADV_DONTNEED);
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
