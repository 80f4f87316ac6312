/* parallel.c - threads: a small pool of pthreads that takes items from one atomic counter.
 *
 * Owns pthread.h. Not OpenMP's team: its barriers wait actively for every thread, and on a machine
 * that others use too a training step then waits for threads that are not running (a toy step took
 * 50 ms instead of 13 at a load of 8 on 2 cores). Inside a body everything runs single-threaded:
 * nested calls run inline; without threads (NICEST_THREADS=OFF) all do. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* sched_getaffinity */
#endif
#include "base/parallel.h"

#include <assert.h>
#include <limits.h>
#ifndef NICEST_NO_THREADS
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#endif
#include <stdatomic.h>
#include <stdbool.h>
#include <time.h>
#include <unistd.h>

/* True while this thread runs bodies; so a nested call knows that it is one. */
static _Thread_local bool inside;

typedef struct team_job {
    parallel_body body;
    void *context;
    size_t items;
    int threads;
    atomic_size_t next;
} team_job;

int parallel_available(void)
{
#ifdef NICEST_NO_THREADS
    return 1;
#elif defined(__linux__)
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0)
        return CPU_COUNT(&set);
#endif
#ifndef NICEST_NO_THREADS
    long count = sysconf(_SC_NPROCESSORS_ONLN);
    return count > 0 && count < INT_MAX ? (int)count : 1;
#endif
}

double parallel_clock(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* The share of one thread: items until none is left. It does not matter how many others came. */
static void work(team_job *job, int thread)
{
    size_t item;
    bool outer = inside;
    inside = true;
    while ((item = atomic_fetch_add(&job->next, 1)) < job->items)
        job->body(job->context, thread, item);
    inside = outer;
}

#ifndef NICEST_NO_THREADS
/* The process in which a team was first made, 0 before. The threads of a team do not survive
 * fork, and waiting for them in a child would never end: a child runs inline instead. */
static atomic_long team_process;

static bool team_usable(void)
{
    long process = (long)getpid(), owner = 0;
    if (atomic_compare_exchange_strong(&team_process, &owner, process))
        return true;
    return owner == process;
}

enum { MOST_WORKERS = 1023, SPINS = 4000 };

/* One persistent pool. Workers sleep between jobs, after a short spin that catches the next job of
 * a training step. A job is over when its items are done and nobody is at work on it: a worker that
 * the system did not wake in time is not waited for, so a busy machine costs a share, not a stall.
 * `owner` is held by the one caller whose job the pool runs. */
static struct {
    pthread_mutex_t owner, lock;
    pthread_cond_t wake, done;
    atomic_ulong generation; /* changes under `lock`, is read without it while spinning */
    atomic_int active;       /* workers inside the present job; changes under `lock` */
    int workers, sleepers;   /* started so far; waiting for `wake` */
    int team;                /* seats of the present job, the caller included */
    team_job *job;           /* NULL between jobs */
} pool = {
    .owner = PTHREAD_MUTEX_INITIALIZER,
    .lock = PTHREAD_MUTEX_INITIALIZER,
    .wake = PTHREAD_COND_INITIALIZER,
    .done = PTHREAD_COND_INITIALIZER,
};

static void pause_briefly(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#endif
}

/* A worker's life. `seat` is its thread number, from 1; a job with fewer seats passes it by, and so
 * does one that ended before it came. */
static void *worker_main(void *seat_as_pointer)
{
    int seat = (int)(size_t)seat_as_pointer;
    unsigned long seen = 0;
    for (;;) {
        /* For a new job a worker spins a little, and then sleeps. */
        for (int i = 0; i < SPINS; i++) {
            if (atomic_load_explicit(&pool.generation, memory_order_relaxed) != seen)
                break;
            pause_briefly();
        }
        pthread_mutex_lock(&pool.lock);
        pool.sleepers++;
        while (atomic_load(&pool.generation) == seen)
            pthread_cond_wait(&pool.wake, &pool.lock);
        pool.sleepers--;
        seen = atomic_load(&pool.generation);
        team_job *job = seat < pool.team ? pool.job : NULL;
        if (job != NULL)
            atomic_fetch_add(&pool.active, 1);
        pthread_mutex_unlock(&pool.lock);
        if (job == NULL)
            continue;
        work(job, seat);
        pthread_mutex_lock(&pool.lock);
        if (atomic_fetch_sub(&pool.active, 1) == 1)
            pthread_cond_signal(&pool.done);
        pthread_mutex_unlock(&pool.lock);
    }
    return NULL;
}

static void begin_job(team_job *job)
{
    pthread_mutex_lock(&pool.lock);
    if (pool.workers < job->threads - 1) {
        /* More workers, until the team can be seated or the system refuses. Signals stay with the
         * threads of the program. */
        sigset_t all, before;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        while (pool.workers < job->threads - 1 && pool.workers < MOST_WORKERS) {
            pthread_t thread;
            void *seat = (void *)(size_t)(pool.workers + 1);
            if (pthread_create(&thread, NULL, worker_main, seat) != 0)
                break;
            pthread_detach(thread);
            pool.workers++;
        }
        pthread_sigmask(SIG_SETMASK, &before, NULL);
    }
    pool.team = job->threads;
    pool.job = job;
    atomic_fetch_add(&pool.generation, 1);
    if (pool.sleepers > 0)
        pthread_cond_broadcast(&pool.wake);
    pthread_mutex_unlock(&pool.lock);
}

/* Closes the job to those who did not come, and waits for those who did. */
static void end_job(void)
{
    pthread_mutex_lock(&pool.lock);
    pool.job = NULL;
    pthread_mutex_unlock(&pool.lock);
    for (int i = 0; i < SPINS && atomic_load(&pool.active) > 0; i++)
        pause_briefly();
    pthread_mutex_lock(&pool.lock);
    while (atomic_load(&pool.active) > 0)
        pthread_cond_wait(&pool.done, &pool.lock);
    pthread_mutex_unlock(&pool.lock);
}

static void run_items(team_job *job)
{
    bool alone = job->threads <= 1 || job->items <= 1 || inside || !team_usable();
    if (alone || pthread_mutex_trylock(&pool.owner) != 0) { /* or another caller has the pool */
        work(job, 0);
        return;
    }
    begin_job(job);
    work(job, 0);
    end_job();
    pthread_mutex_unlock(&pool.owner);
}

#else
static void run_items(team_job *job)
{
    work(job, 0);
}
#endif

void parallel_for(int threads, size_t items, parallel_body body, void *context)
{
    assert(body != NULL);
    if (items < (size_t)(threads > 0 ? threads : 0))
        threads = (int)items;
    team_job job = {body, context, items, threads, 0};
    run_items(&job);
}
