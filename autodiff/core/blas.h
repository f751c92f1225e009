/* BLAS of another package: its functions, and OpenBLAS on one thread while a product of ours runs.
 *
 * OpenBLAS's own threads give other bits than one thread does, and collapse when another process
 * wants the cores, so products are split here. Its thread-local setter is global in builds on
 * POSIX threads (0.3.30: openblas_set_num_threads_local sets blas_cpu_number), hence the number is
 * set to 1 when the first product enters and put back when the last one leaves: a few nanoseconds,
 * seen by others only meanwhile. NumPy's wheels have an OpenBLAS of their own, which is left
 * alone, and so is a BLAS that is no OpenBLAS: set it to one thread by its own means. */
#ifndef AUTODIFF_BLAS_H
#define AUTODIFF_BLAS_H

#define BLAS_POINTERS(T, X)                                                                    \
    static void (*X##gemm)(char *, char *, int *, int *, int *, T *, T *, int *, T *, int *,   \
                           T *, T *, int *);                                                   \
    static void (*X##gemv)(char *, int *, int *, T *, T *, int *, T *, int *, T *, T *, int *);
BLAS_POINTERS(float, s)
BLAS_POINTERS(double, d)

#if defined(_WIN32)

static int control_blas_threads(const char *library) { (void)library; return 0; }
static void enter_blas(void) {}
static void leave_blas(void) {}
static int most_in_blas(void) { return 1; }

#else

#include <dlfcn.h>
#include <pthread.h>

static struct {
    pthread_mutex_t mutex;
    int (*get_threads)(void);
    void (*set_threads)(int);
    int inside;                       /* callers in a product now */
    int most;                         /* and the most there ever were */
    int users;                        /* the number to put back; 1: nothing to do */
} blas = {PTHREAD_MUTEX_INITIALIZER, 0, 0, 0, 1, 1};

static void enter_blas(void) {
    if (!blas.set_threads) return;
    pthread_mutex_lock(&blas.mutex);
    int now = blas.get_threads();
    if (now != 1) {
        blas.users = now;
        blas.set_threads(1);
    }
    if (++blas.inside > blas.most) blas.most = blas.inside;
    pthread_mutex_unlock(&blas.mutex);
}

static void leave_blas(void) {
    if (!blas.set_threads) return;
    pthread_mutex_lock(&blas.mutex);
    if (--blas.inside == 0 && blas.users != 1) {
        if (blas.get_threads() == 1) blas.set_threads(blas.users);   /* else somebody chose anew */
        blas.users = 1;
    }
    pthread_mutex_unlock(&blas.mutex);
}

static int most_in_blas(void) { return blas.most; }

static void lock_blas(void) { pthread_mutex_lock(&blas.mutex); }
static void unlock_blas(void) { pthread_mutex_unlock(&blas.mutex); }
static void renew_blas(void) {            /* in the child of a fork nobody is in a product */
    blas.inside = 0;
    unlock_blas();
}

/* Find OpenBLAS's number of threads among what the shared library `library` is linked with, by the
 * names of SciPy's wheels and of other builds. Nonzero where a fork could not be made safe. */
static int control_blas_threads(const char *library) {
    static const char *const names[][2] = {
        {"scipy_openblas_get_num_threads", "scipy_openblas_set_num_threads"},
        {"scipy_openblas_get_num_threads64_", "scipy_openblas_set_num_threads64_"},
        {"openblas_get_num_threads", "openblas_set_num_threads"},
        {"openblas_get_num_threads64_", "openblas_set_num_threads64_"}};
    void *handle = dlopen(library, RTLD_LAZY | RTLD_NOLOAD);
    if (!handle) return 0;
    for (int k = 0; k < 4 && !blas.set_threads; k++) {
        int (*get)(void) = (int (*)(void))dlsym(handle, names[k][0]);
        void (*set)(int) = (void (*)(int))dlsym(handle, names[k][1]);
        if (get && set) {
            blas.get_threads = get;
            blas.set_threads = set;
        }
    }
    return pthread_atfork(lock_blas, unlock_blas, renew_blas);
}

#endif
#endif
