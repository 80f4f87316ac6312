/* parallel.c - threads: OpenMP, or a small pool of pthreads in the portable build.
 *
 * Owns omp.h and pthread.h. Both kinds share the same skeleton: a team takes items from one atomic
 * counter until none is left. Inside a body everything runs single-threaded: nested calls run
 * inline, and OpenMP's own thread count is held at one, because oneDNN reads it. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* sched_getaffinity */
#endif
#include "base/parallel.h"

#include <limits.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <time.h>
#include <unistd.h>

/* True while this thread runs bodies; so a nested call knows that it is one. */
static _Thread_local bool inside;

/* The process in which a team was first made, 0 before. The threads of a team do not survive
 * fork, and waiting for them in a child would never end: a child runs inline instead. */
static atomic_long team_process;

typedef struct team_job {
    parallel_body body;
    void *context;
    size_t items;
    int threads;
    bool each; /* item t belongs to thread t */
    atomic_size_t next;
} team_job;

int parallel_available(void)
{
#ifdef __linux__
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0)
        return CPU_COUNT(&set);
#endif
    long count = sysconf(_SC_NPROCESSORS_ONLN);
    return count > 0 && count < INT_MAX ? (int)count : 1;
}

double parallel_clock(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static bool team_usable(void)
{
    long process = (long)getpid(), owner = 0;
    if (atomic_compare_exchange_strong(&team_process, &owner, process))
        return true;
    return owner == process;
}

/* The share of one of `team` threads; every item runs once whatever the size of the team. */
static void work(team_job *job, int thread, int team)
{
    bool outer = inside;
    inside = true;
    if (job->each) {
        for (int t = thread; t < job->threads; t += team)
            job->body(job->context, t, (size_t)t);
    } else {
        size_t item;
        while ((item = atomic_fetch_add(&job->next, 1)) < job->items)
            job->body(job->context, thread, item);
    }
    inside = outer;
}

#ifndef NICEST_PORTABLE

#include <omp.h>

static bool nested(void)
{
    return inside || omp_in_parallel();
}

static void run_inline(team_job *job)
{
    int before = omp_get_max_threads();
    omp_set_num_threads(1);
    work(job, 0, 1);
    omp_set_num_threads(before);
}

static void run_team(team_job *job)
{
#pragma omp parallel num_threads(job->threads)
    {
        omp_set_num_threads(1); /* of this thread's implicit task only: the caller's stands */
        work(job, omp_get_thread_num(), omp_get_num_threads());
    }
}

#else

#include <pthread.h>
#include <signal.h>

enum { MOST_WORKERS = 1023, SPINS = 2000 };

/* One persistent pool. Its workers sleep between jobs, after a short spin that catches the next job
 * of a training step. `owner` is held by the one caller whose job the pool runs. */
static struct {
    pthread_mutex_t owner, lock;
    pthread_cond_t wake, done;
    atomic_ulong generation; /* changes under `lock`, is read without it while spinning */
    int workers, running;    /* started so far; still busy with the present job */
    int team;                /* threads of the present job, the caller included */
    team_job *job;
} pool = {
    .owner = PTHREAD_MUTEX_INITIALIZER,
    .lock = PTHREAD_MUTEX_INITIALIZER,
    .wake = PTHREAD_COND_INITIALIZER,
    .done = PTHREAD_COND_INITIALIZER,
};

static bool nested(void)
{
    return inside;
}

static void run_inline(team_job *job)
{
    work(job, 0, 1);
}

static void wait_for_job(unsigned long seen)
{
    for (int i = 0; i < SPINS; i++) {
        if (atomic_load_explicit(&pool.generation, memory_order_relaxed) != seen)
            break;
#if defined(__x86_64__) || defined(__i386__)
        __builtin_ia32_pause();
#endif
    }
    pthread_mutex_lock(&pool.lock);
    while (atomic_load(&pool.generation) == seen)
        pthread_cond_wait(&pool.wake, &pool.lock);
}

/* A worker's life. `seat` is its thread number, from 1; a job smaller than that passes it by. A job
 * waits for every worker, so none can miss a generation. */
static void *worker_main(void *seat_as_pointer)
{
    int seat = (int)(size_t)seat_as_pointer;
    unsigned long seen = 0;
    for (;;) {
        wait_for_job(seen);
        seen = atomic_load(&pool.generation);
        team_job *job = pool.job;
        int team = pool.team;
        pthread_mutex_unlock(&pool.lock);
        if (seat < team)
            work(job, seat, team);
        pthread_mutex_lock(&pool.lock);
        if (--pool.running == 0)
            pthread_cond_signal(&pool.done);
        pthread_mutex_unlock(&pool.lock);
    }
    return NULL;
}

/* Starts workers until a team of `team` can be seated or the system refuses; called by the owner
 * between jobs. Signals stay with the threads of the program. */
static void hire(int team)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (pool.workers < team - 1 && pool.workers < MOST_WORKERS) {
        pthread_t thread;
        void *seat = (void *)(size_t)(pool.workers + 1);
        if (pthread_create(&thread, NULL, worker_main, seat) != 0)
            break;
        pthread_detach(thread);
        pool.workers++;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void run_team(team_job *job)
{
    if (pthread_mutex_trylock(&pool.owner) != 0) { /* another caller has the pool */
        run_inline(job);
        return;
    }
    pthread_mutex_lock(&pool.lock);
    hire(job->threads);
    pool.team = job->threads <= pool.workers ? job->threads : pool.workers + 1;
    pool.job = job;
    pool.running = pool.workers;
    atomic_fetch_add(&pool.generation, 1);
    pthread_cond_broadcast(&pool.wake);
    int team = pool.team;
    pthread_mutex_unlock(&pool.lock);

    work(job, 0, team);

    pthread_mutex_lock(&pool.lock);
    while (pool.running > 0)
        pthread_cond_wait(&pool.done, &pool.lock);
    pthread_mutex_unlock(&pool.lock);
    pthread_mutex_unlock(&pool.owner);
}

#endif

static void run(team_job *job)
{
    if (job->threads <= 1 || job->items <= 1 || nested() || !team_usable())
        run_inline(job);
    else
        run_team(job);
}

void parallel_for(int threads, size_t items, parallel_body body, void *context)
{
    if (items < (size_t)(threads > 0 ? threads : 0))
        threads = (int)items;
    team_job job = {body, context, items, threads, false, 0};
    run(&job);
}

void parallel_each(int threads, parallel_body body, void *context)
{
    if (threads < 1)
        threads = 1;
    team_job job = {body, context, (size_t)threads, threads, true, 0};
    run(&job);
}
