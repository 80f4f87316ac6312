/* test_apply_threads.c - eight threads score with one model while another is trained: all get the
 * figures that one thread alone gets. The thread sanitizer watches (preset tsan). */
#include <pthread.h>

#include "model_fixture.h"

enum { THREADS = 8, ROUNDS = 6, ROWS = 96, D = 5 };

typedef struct job {
    const nicest_model *model;
    const nicest_data *data;
    const double *rows, *expected;
    bool same, error_is_mine;
} job;

/* One thread: a workspace of its own, the whole data, a sample, an error that is its own. */
static void *use_model(void *context)
{
    job *j = context;
    double logp[ROWS];
    j->same = true;
    for (int round = 0; round < ROUNDS; round++) {
        nicest_workspace *w = NULL;
        if (nicest_workspace_new(&w, j->model, 16, 1 + round % 2) != NICEST_OK)
            return NULL;
        j->same = j->same && nicest_score(w, j->rows, ROWS, 3, logp) == NICEST_OK &&
                  !memcmp(logp, j->expected, sizeof logp);
        j->same = j->same &&
                  nicest_score_data(j->model, j->data, 3, 2, NULL, NULL, logp) == NICEST_OK &&
                  !memcmp(logp, j->expected, sizeof logp);
        nicest_workspace_free(w);
    }
    nicest_model_load((nicest_model *[]){NULL}, "no/such/file");
    j->error_is_mine = strstr(nicest_error(), "no/such/file") != NULL;
    return NULL;
}

static void *train_model(void *context)
{
    nicest_data *data = NULL;
    nicest_model **model = context;
    nicest_train_options o;
    nicest_train_defaults(&o);
    o.couplings = 2;
    o.hidden = "64";
    o.batch = 128;
    o.epochs = 2;
    o.threads = 2;
    if (nicest_data_open(&data, "toy:moons,n=600", NULL) == NICEST_OK)
        nicest_train(model, data, NULL, &o, NULL);
    nicest_data_free(data);
    return NULL;
}

static void a_model_is_shared(void **state)
{
    (void)state;
    static double rows[ROWS * D], expected[ROWS];
    pthread_t trainer, thread[THREADS];
    job jobs[THREADS];
    nicest_model *model = model_of_text(SPEC_SMALL, 5), *trained = NULL;
    nicest_data *data = NULL;
    quantise(model, 0, 1);
    for (size_t i = 0; i < ROWS * D; i++)
        rows[i] = (double)(i * 31 % 23);
    assert_status(nicest_data_new(&data, rows, ROWS, D, NULL), NICEST_OK);
    assert_status(nicest_score_data(model, data, 3, 1, NULL, NULL, expected), NICEST_OK);
    assert_int_equal(pthread_create(&trainer, NULL, train_model, &trained), 0);
    for (int i = 0; i < THREADS; i++) {
        jobs[i] = (job){model, data, rows, expected, false, false};
        assert_int_equal(pthread_create(&thread[i], NULL, use_model, &jobs[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(thread[i], NULL), 0);
        assert_true(jobs[i].same);
        assert_true(jobs[i].error_is_mine);
    }
    assert_int_equal(pthread_join(trainer, NULL), 0);
    assert_non_null(trained);
    nicest_model_free(trained);
    nicest_model_free(model);
    nicest_data_free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_model_is_shared)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
