/* Large pages, where the system has them (POSIX). */
#ifndef AUTODIFF_HUGE_H
#define AUTODIFF_HUGE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>

#define PAGES_HUGE ((size_t)1 << 22)

/* Ask for pages of 2 MiB where whole ones fit, as NumPy does for its large arrays: fewer faults when
 * memory is new, fewer look-ups of addresses after. No more bytes become resident. */
static void pages_huge(void *data, size_t nbytes)
{
#ifdef MADV_HUGEPAGE
    uintptr_t first = ((uintptr_t)data + 4095) & ~(uintptr_t)4095;
    uintptr_t last = ((uintptr_t)data + nbytes) & ~(uintptr_t)4095;
    if (nbytes >= PAGES_HUGE)
        madvise((void *)first, last - first, MADV_HUGEPAGE);
#else
    (void)data;
    (void)nbytes;
#endif
}

#endif
