/* The pool of threads: runs the parts of one task, each once, and returns when all are done.
 *
 * The caller takes parts itself, from the same counter as the workers, so it never waits for a
 * worker that has not begun one: where another process has the cores, the caller does the work.
 * One job owns the pool; whoever comes meanwhile, from another thread or from inside a part, runs
 * its parts itself, one after the other. What a part computes must not depend on who runs it.
 *
 * `ticket` is (number of the job, parts not yet taken) in one word. A worker reads the job's
 * fields between a load of the ticket and a compare-and-swap that takes a part: the fields are
 * written only when no part is left, so a swap that succeeds proves that they belong together.
 *
 * Idle workers spin for SPIN_NS and then sleep. A child of fork has no workers and starts its own
 * when it needs them. Without POSIX threads everything runs in the caller. */
#ifndef AUTODIFF_THREADS_H
#define AUTODIFF_THREADS_H

#include <stdint.h>

#define MAX_THREADS 256

typedef void (*Task)(void *context, int64_t part);

static void one_by_one(Task task, void *context, int64_t n_parts) {
    for (int64_t part = 0; part < n_parts; part++) task(context, part);
}

#if defined(_WIN32)

static int thread_limit = 1;
static int start_pool(void) { return 0; }
static void run_parallel(Task task, void *context, int64_t n_parts) {
    one_by_one(task, context, n_parts);
}
static int count_workers(void) { return 0; }

#else

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>

enum { SPIN_NS = 20000, STACK_BYTES = 1 << 20, APART = 128 };

typedef struct {
    pthread_cond_t wake;
    atomic_int sleeps;
    uint32_t seen;                        /* the last job it has looked at */
    int index;
} Worker;

static struct {
    _Alignas(APART) _Atomic uint64_t ticket;
    _Alignas(APART) _Atomic int64_t unfinished;      /* parts of the job that are not done */
    _Alignas(APART) _Atomic(Task) task;
    _Atomic(void *) context;
    _Atomic int64_t n_parts;
    atomic_int helpers;                   /* workers below this index take part in the job */
    atomic_int owned;                     /* a job is running */
    atomic_int caller_sleeps;
    pthread_mutex_t mutex;                /* of everything that sleeps */
    pthread_cond_t done;
    int n_workers;                        /* changed by the owner of the pool only */
    Worker workers[MAX_THREADS];
} pool;

static atomic_int thread_limit = 1;       /* threads at work on one job, its caller among them */

static inline uint32_t job_of(uint64_t ticket) { return (uint32_t)(ticket >> 32); }
static inline uint32_t left_of(uint64_t ticket) { return (uint32_t)ticket; }

static inline void relax(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ __volatile__("yield");
#endif
}

static int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Take parts of the running job until none is left; index -1 is the caller. */
static void take_parts(int index) {
    uint64_t ticket = atomic_load(&pool.ticket);
    while (left_of(ticket)) {
        if (index >= atomic_load_explicit(&pool.helpers, memory_order_relaxed)) return;
        Task task = atomic_load_explicit(&pool.task, memory_order_relaxed);
        void *context = atomic_load_explicit(&pool.context, memory_order_relaxed);
        int64_t n_parts = atomic_load_explicit(&pool.n_parts, memory_order_relaxed);
        if (!atomic_compare_exchange_weak(&pool.ticket, &ticket, ticket - 1)) continue;
        task(context, n_parts - left_of(ticket));
        if (atomic_fetch_sub(&pool.unfinished, 1) == 1 && atomic_load(&pool.caller_sleeps)) {
            pthread_mutex_lock(&pool.mutex);
            pthread_cond_signal(&pool.done);
            pthread_mutex_unlock(&pool.mutex);
        }
        ticket = atomic_load(&pool.ticket);
    }
}

/* Wait for a job that this worker has not looked at. */
static void await_job(Worker *me) {
    int64_t until = now_ns() + SPIN_NS;
    do {
        for (int k = 0; k < 32; k++) {
            if (job_of(atomic_load_explicit(&pool.ticket, memory_order_relaxed)) != me->seen)
                goto found;
            relax();
        }
    } while (now_ns() < until);
    pthread_mutex_lock(&pool.mutex);
    atomic_store(&me->sleeps, 1);
    while (job_of(atomic_load(&pool.ticket)) == me->seen)
        pthread_cond_wait(&me->wake, &pool.mutex);
    atomic_store(&me->sleeps, 0);
    pthread_mutex_unlock(&pool.mutex);
found:
    me->seen = job_of(atomic_load(&pool.ticket));
}

static void *work(void *worker) {
    Worker *me = worker;
    for (;;) {
        await_job(me);
        take_parts(me->index);
    }
    return NULL;
}

/* Start workers until there are n, or the system refuses; returns how many there are. */
static int start_workers(int n) {
    while (pool.n_workers < n) {
        Worker *next = &pool.workers[pool.n_workers];
        pthread_t thread;
        pthread_attr_t attributes;
        sigset_t all, before;
        next->index = pool.n_workers;
        next->seen = job_of(atomic_load(&pool.ticket));
        atomic_store(&next->sleeps, 0);
        if (pthread_attr_init(&attributes)) break;
        pthread_attr_setstacksize(&attributes, STACK_BYTES);
        pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
        sigfillset(&all);                 /* signals are the business of the program's threads */
        pthread_sigmask(SIG_BLOCK, &all, &before);
        int refused = pthread_create(&thread, &attributes, work, next);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        pthread_attr_destroy(&attributes);
        if (refused) break;
        pool.n_workers++;
    }
    return pool.n_workers < n ? pool.n_workers : n;
}

static void await_parts(void) {
    int64_t until = now_ns() + SPIN_NS;
    while (atomic_load(&pool.unfinished)) {
        if (now_ns() < until) {
            relax();
            continue;
        }
        pthread_mutex_lock(&pool.mutex);
        atomic_store(&pool.caller_sleeps, 1);
        while (atomic_load(&pool.unfinished)) pthread_cond_wait(&pool.done, &pool.mutex);
        atomic_store(&pool.caller_sleeps, 0);
        pthread_mutex_unlock(&pool.mutex);
    }
}

/* Run task(context, part) once for each part from 0 to n_parts - 1, in any order, in any thread. */
static void run_parallel(Task task, void *context, int64_t n_parts) {
    int64_t helpers = (n_parts < thread_limit ? n_parts : thread_limit) - 1;
    int expected = 0;
    if (helpers < 1 || n_parts > UINT32_MAX
        || !atomic_compare_exchange_strong(&pool.owned, &expected, 1)) {
        one_by_one(task, context, n_parts);
        return;
    }
    helpers = start_workers((int)helpers);
    atomic_store_explicit(&pool.task, task, memory_order_relaxed);
    atomic_store_explicit(&pool.context, context, memory_order_relaxed);
    atomic_store_explicit(&pool.n_parts, n_parts, memory_order_relaxed);
    atomic_store_explicit(&pool.helpers, (int)helpers, memory_order_relaxed);
    atomic_store(&pool.unfinished, n_parts);
    uint64_t job = job_of(atomic_load(&pool.ticket)) + (uint64_t)1;
    atomic_store(&pool.ticket, job << 32 | (uint64_t)n_parts);
    for (int k = 0; k < helpers; k++)
        if (atomic_load(&pool.workers[k].sleeps)) {
            pthread_mutex_lock(&pool.mutex);
            pthread_cond_signal(&pool.workers[k].wake);
            pthread_mutex_unlock(&pool.mutex);
        }
    take_parts(-1);
    await_parts();
    atomic_store(&pool.owned, 0);
}

static int count_workers(void) { return pool.n_workers; }

/* A fresh pool: at the start, and in the child of a fork, where the workers and whoever owned the
 * pool are gone. */
static void renew_pool(void) {
    pthread_mutex_init(&pool.mutex, NULL);
    pthread_cond_init(&pool.done, NULL);
    for (int k = 0; k < MAX_THREADS; k++) pthread_cond_init(&pool.workers[k].wake, NULL);
    atomic_store(&pool.ticket, 0);
    atomic_store(&pool.unfinished, 0);
    atomic_store(&pool.caller_sleeps, 0);
    atomic_store(&pool.owned, 0);
    pool.n_workers = 0;
}

static void before_fork(void) { pthread_mutex_lock(&pool.mutex); }
static void in_parent(void) { pthread_mutex_unlock(&pool.mutex); }

/* Make the pool and have it survive forks; nonzero where the system has no memory for that. */
static int start_pool(void) {
    renew_pool();
    return pthread_atfork(before_fork, in_parent, renew_pool);
}

#endif
#endif
