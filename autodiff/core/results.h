/* The block of one run's results: memory whose tail can be given back when the run is over.
 *
 * A block that is all results comes from malloc, which has warm pages for the next run once the
 * results are gone. One that is to be cut is mapped by itself, so that the pages behind the results
 * leave the process.
 */
#ifndef AUTODIFF_RESULTS_H
#define AUTODIFF_RESULTS_H

#include <stddef.h>
#include <stdlib.h>

#define RESULTS_ALIGN ((size_t)64)

typedef struct {
    char *data;
    size_t mapped;      /* bytes that are mapped; 0: data is malloc's */
} Results;

#if defined(_WIN32)

#include <malloc.h>
#include <windows.h>

static size_t results_page(void)
{
    SYSTEM_INFO info;
    GetSystemInfo(&info);
    return info.dwPageSize;
}
static char *results_malloc(size_t nbytes) { return _aligned_malloc(nbytes, RESULTS_ALIGN); }
static void results_free(char *data) { _aligned_free(data); }
static char *results_map(size_t nbytes)
{
    return VirtualAlloc(NULL, nbytes, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
}
static void results_unmap_tail(char *tail, size_t nbytes)
{
    VirtualFree(tail, nbytes, MEM_DECOMMIT);
}
static void results_unmap(char *data, size_t nbytes)
{
    (void)nbytes;
    VirtualFree(data, 0, MEM_RELEASE);
}

#else

#include <sys/mman.h>
#include <unistd.h>

#include "huge.h"

static size_t results_page(void) { return (size_t)sysconf(_SC_PAGESIZE); }
static char *results_malloc(size_t nbytes)
{
    void *data;
    if (posix_memalign(&data, RESULTS_ALIGN, nbytes) != 0) return NULL;
    pages_huge(data, nbytes);
    return (char *)data;
}
static void results_free(char *data) { free(data); }
static char *results_map(size_t nbytes)
{
    void *data = mmap(NULL, nbytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (data == MAP_FAILED) return NULL;
    pages_huge(data, nbytes);
    return (char *)data;
}
static void results_unmap_tail(char *tail, size_t nbytes) { munmap(tail, nbytes); }
static void results_unmap(char *data, size_t nbytes) { munmap(data, nbytes); }

#endif

/* Return how many of the first bytes stay when all pages behind `kept` go. */
static size_t results_stays(size_t kept)
{
    size_t page = results_page();
    return (kept + page - 1) / page * page;
}

/* Get nbytes, of which results_cut will keep the first `kept`; 0, or -1 where there is no memory. */
static int results_get(Results *results, size_t nbytes, size_t kept)
{
    results->mapped = results_stays(kept) < nbytes ? nbytes : 0;
    results->data = results->mapped ? results_map(nbytes) : results_malloc(nbytes);
    return results->data == NULL ? -1 : 0;
}

static void results_cut(Results *results, size_t kept)
{
    size_t stays = results_stays(kept);
    if (results->mapped <= stays)
        return;
    results_unmap_tail(results->data + stays, results->mapped - stays);
    results->mapped = stays;
}

static void results_drop(Results *results)
{
    if (results->data == NULL)
        return;
    if (results->mapped)
        results_unmap(results->data, results->mapped);
    else
        results_free(results->data);
    results->data = NULL;
}

#endif
