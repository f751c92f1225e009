/* The pool of threads by itself: every part of every job runs exactly once, whatever happens around
 * it. Prints nothing and ends with 0 where that is so; the first argument names the check. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "threads.h"

enum { PARTS = 1000, JOBS = 3000, CALLERS = 4 };

static void expect(int holds, const char *what) {
    if (holds) return;
    fprintf(stderr, "%s\n", what);
    _exit(1);
}

typedef struct {
    int count[PARTS], depth, owns;                 /* owns: its job has the pool for sure */
    int slow;                                      /* microseconds that a part sleeps */
    pthread_t threads[PARTS];
} Tally;

static void tally(void *context, int64_t part) {
    Tally *t = context;
    if (t->slow) {                               /* and wakes everybody, as chance may */
        pthread_mutex_lock(&pool.mutex);
        for (int k = 0; k < MAX_THREADS; k++) pthread_cond_signal(&pool.workers[k].wake);
        pthread_mutex_unlock(&pool.mutex);
        usleep(t->slow);
    }
    t->count[part]++;
    t->threads[part] = pthread_self();
    if (t->depth > 0) {                          /* a job inside a part: in the same thread */
        Tally *inner = calloc(1, sizeof(Tally));
        inner->depth = t->depth - 1;
        inner->owns = t->owns;
        run_parallel(tally, inner, 5);
        for (int k = 0; k < 5; k++) {
            expect(inner->count[k] == 1, "a nested part did not run once");
            expect(!t->owns || pthread_equal(inner->threads[k], pthread_self()),
                   "a nested part went away");
        }
        free(inner);
    }
}

static int distinct(const Tally *t, int parts) {
    int found = 0;
    for (int k = 0; k < parts; k++) {
        int known = 0;
        for (int j = 0; j < k; j++) known |= pthread_equal(t->threads[j], t->threads[k]);
        found += !known;
    }
    return found;
}

static void jobs(int n, int depth) {
    Tally *t = malloc(sizeof(Tally));
    for (int job = 0; job < n; job++) {
        int parts = job % 7 == 0 ? PARTS : job % 11;
        memset(t, 0, sizeof(Tally));
        t->depth = depth;
        t->owns = depth > 0 && parts > 1;
        run_parallel(tally, t, parts);
        for (int k = 0; k < PARTS; k++)
            expect(t->count[k] == (k < parts), "a part did not run once");
    }
    free(t);
}

static void *caller(void *unused) {
    jobs(JOBS, 0);
    return NULL;
}

static void many_callers(void) {
    pthread_t threads[CALLERS];
    for (int k = 0; k < CALLERS; k++) pthread_create(&threads[k], NULL, caller, NULL);
    for (int k = 0; k < CALLERS; k++) pthread_join(threads[k], NULL);
}

static void sleepers(void) {                     /* long enough apart for workers to fall asleep */
    for (int k = 0; k < 100; k++) {
        usleep(200);
        jobs(8, 0);
    }
}

static void changing_limit(void) {
    for (int k = 0; k < 300; k++) {
        thread_limit = 1 + k % 5;
        jobs(20, 0);
    }
    expect(count_workers() == 4, "workers beyond the limit, or none");
}

static void slow_job(Tally *t, int limit) {
    thread_limit = limit;
    memset(t, 0, sizeof(Tally));
    t->slow = 500;
    run_parallel(tally, t, 20);
    for (int part = 0; part < 20; part++)
        expect(t->count[part] == 1, "the caller did not wait for a part");
    int threads = distinct(t, 20);
    expect(threads > 1, "nobody helped");
    expect(threads <= limit, "more threads than the limit");
}

static void slow(void) {              /* the caller sleeps as well; who slept before helps again */
    Tally *t = malloc(sizeof(Tally));
    for (int k = 0; k < 50; k++) {
        slow_job(t, 5);
        slow_job(t, 2);               /* the other three are awake and must not take part */
        usleep(200);
    }
    free(t);
}

static volatile int stop;
static void *caller_until_stopped(void *unused) {
    while (!stop) jobs(1, 0);
    return NULL;
}

static void forks(void) {                        /* while another thread owns the pool, mostly */
    pthread_t thread;
    pthread_create(&thread, NULL, caller_until_stopped, NULL);
    for (int k = 0; k < 30; k++) {
        pid_t child = fork();
        if (child == 0) {
            expect(count_workers() == 0, "the child believes in its parent's workers");
            jobs(50, 0);
            expect(count_workers() > 0, "the child has no workers");
            _exit(0);
        }
        int status;
        waitpid(child, &status, 0);
        expect(WIFEXITED(status) && WEXITSTATUS(status) == 0, "a child failed");
    }
    stop = 1;
    pthread_join(thread, NULL);
    jobs(50, 0);
}

static volatile int received;
static pthread_t main_thread;
static void on_signal(int number) {
    expect(pthread_equal(pthread_self(), main_thread), "a worker received a signal");
    received++;
}

static void signals(void) {            /* while the main thread does not take them, nobody does */
    sigset_t all, before;
    main_thread = pthread_self();
    signal(SIGUSR1, on_signal);
    sigfillset(&all);
    for (int k = 0; k < 20; k++) {
        jobs(5, 0);
        pthread_sigmask(SIG_BLOCK, &all, &before);
        kill(getpid(), SIGUSR1);
        usleep(1000);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
    }
    expect(received > 0, "no signal arrived");
}

int main(int n, char **argument) {
    alarm(60);
    expect(start_pool() == 0, "no pool");
    jobs(10, 0);
    expect(count_workers() == 0, "workers for one thread");
    thread_limit = 3;
    expect(n == 2, "which check?");
    if (!strcmp(argument[1], "jobs")) jobs(JOBS, 0);
    else if (!strcmp(argument[1], "nested")) jobs(300, 2);
    else if (!strcmp(argument[1], "callers")) many_callers();
    else if (!strcmp(argument[1], "sleepers")) sleepers();
    else if (!strcmp(argument[1], "slow")) slow();
    else if (!strcmp(argument[1], "limit")) changing_limit();
    else if (!strcmp(argument[1], "forks")) forks();
    else if (!strcmp(argument[1], "signals")) signals();
    else expect(0, "there is no such check");
    return 0;
}
