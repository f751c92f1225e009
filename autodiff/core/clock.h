/* What a run asks of the system beside its arena: the time, and aligned bytes for results. */
#ifndef AUTODIFF_CLOCK_H
#define AUTODIFF_CLOCK_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#if defined(_WIN32)

#include <malloc.h>
#include <windows.h>

static int64_t nanoseconds(void)
{
    LARGE_INTEGER now, rate;
    QueryPerformanceCounter(&now);
    QueryPerformanceFrequency(&rate);
    return (int64_t)((double)now.QuadPart * 1e9 / (double)rate.QuadPart);
}

static void *aligned_get(size_t nbytes) { return _aligned_malloc(nbytes, 64); }
static void aligned_free(void *data) { _aligned_free(data); }

#else

#include <time.h>

static int64_t nanoseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void *aligned_get(size_t nbytes)
{
    void *data;
    return posix_memalign(&data, 64, nbytes) == 0 ? data : NULL;
}

static void aligned_free(void *data) { free(data); }

#endif
#endif
