/* Threads: each item once, thread numbers in range and never shared, nested calls, several callers
 * at once, and a child process that does not hang. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/parallel.h"

enum { ITEMS = 1000, MOST_THREADS = 9 };

typedef struct tally {
    atomic_int visits[ITEMS];
    atomic_int busy[MOST_THREADS + 1]; /* bodies that run under this number now */
    atomic_int wrong, total;
    int threads;
} tally;

static void visit(void *context, int thread, size_t item)
{
    tally *t = context;
    if (thread < 0 || thread >= (t->threads > 1 ? t->threads : 1) || item >= ITEMS) {
        atomic_fetch_add(&t->wrong, 1);
        return;
    }
    if (atomic_fetch_add(&t->busy[thread], 1) != 0)
        atomic_fetch_add(&t->wrong, 1);
    atomic_fetch_add(&t->visits[item], 1);
    atomic_fetch_add(&t->total, 1);
    atomic_fetch_sub(&t->busy[thread], 1);
}

static void check_tally(tally *t, size_t items)
{
    assert_int_equal(t->wrong, 0);
    assert_int_equal(t->total, items);
    for (size_t i = 0; i < items; i++)
        assert_int_equal(t->visits[i], 1);
}

static void test_each_item_once(void **state)
{
    (void)state;
    for (int threads = -1; threads <= MOST_THREADS; threads++) {
        for (size_t items = 0; items <= ITEMS; items = items * 3 + 1) {
            tally t = {.threads = threads};
            parallel_for(threads, items, visit, &t);
            check_tally(&t, items);
        }
    }
}

static void test_many_small_jobs(void **state)
{
    (void)state;
    static tally t;
    t.threads = 3;
    for (int i = 0; i < 5000; i++)
        parallel_for(3, 5, visit, &t);
    assert_int_equal(t.wrong, 0);
    assert_int_equal(t.total, 25000);
}

typedef struct nest {
    tally *inner;
    atomic_int migrated;
} nest;

typedef struct inner_call {
    pthread_t caller;
    nest *nest;
    tally *tally;
} inner_call;

static void visit_on_same_thread(void *context, int thread, size_t item)
{
    inner_call *call = context;
    if (!pthread_equal(call->caller, pthread_self()))
        atomic_fetch_add(&call->nest->migrated, 1);
    visit(call->tally, thread, item);
}

static void run_inner(void *context, int thread, size_t item)
{
    nest *n = context;
    (void)thread;
    inner_call call = {pthread_self(), n, &n->inner[item]};
    call.tally->threads = 4;
    parallel_for(4, ITEMS / 10, visit_on_same_thread, &call);
}

/* A nested call runs all its items on the thread that makes it, also inside a team of one. */
static void test_nested_is_inline(void **state)
{
    (void)state;
    static tally inner[8];
    for (int threads = 1; threads <= 4; threads += 3) {
        memset(inner, 0, sizeof inner);
        nest n = {inner, 0};
        parallel_for(threads, 8, run_inner, &n);
        assert_int_equal(n.migrated, 0);
        for (int i = 0; i < 8; i++)
            check_tally(&inner[i], ITEMS / 10);
    }
}

static void *caller(void *context)
{
    for (int i = 0; i < 200; i++) {
        tally t = {.threads = 4};
        parallel_for(4, 100, visit, &t);
        int bad = t.wrong != 0 || t.total != 100;
        for (int item = 0; item < 100; item++)
            bad |= t.visits[item] != 1;
        if (bad)
            atomic_fetch_add((atomic_int *)context, 1);
    }
    return NULL;
}

static void test_several_callers(void **state)
{
    (void)state;
    atomic_int bad = 0;
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, caller, &bad), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(bad, 0);
}

/* fork copies one thread only: the child must do the work alone instead of waiting for a team. */
static void test_child_process(void **state)
{
    (void)state;
    tally before = {.threads = 4};
    parallel_for(4, 100, visit, &before);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        alarm(20);
        tally t = {.threads = 4};
        parallel_for(4, 100, visit, &t);
        _exit(t.wrong == 0 && t.total == 100 ? 0 : 1);
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    tally after = {.threads = 4};
    parallel_for(4, 100, visit, &after);
    check_tally(&after, 100);
}

static void test_clock_and_processors(void **state)
{
    (void)state;
    double first = parallel_clock();
    usleep(20000);
    double passed = parallel_clock() - first;
    assert_true(passed >= 0.019 && passed < 30);
    assert_true(parallel_available() >= 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_item_once),   cmocka_unit_test(test_many_small_jobs),
        cmocka_unit_test(test_nested_is_inline), cmocka_unit_test(test_several_callers),
        cmocka_unit_test(test_child_process),    cmocka_unit_test(test_clock_and_processors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
