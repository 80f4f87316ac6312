/* fuzz_checkpoint.c - bytes as the checkpoint of a small run. The run takes for its identity what
 * the file says, so that damage reaches what lies behind that check. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "model/safetensors.h"
#include "train/checkpoint.h"

static const char SPEC[] = "nicest 1\ncolumns 2\ncoupling move=second hidden=3\nscale\n"
                           "prior normal\n";

typedef struct run {
    flow *flow;
    train_state state;
} run;

static void open_run(run *r)
{
    static const optimizer_settings settings = {NICEST_ADAM, 0.9, 0.999, 1e-8, 0, 0.99};
    *r = (run){0};
    NEED(flow_new(&r->flow, SPEC, 0) == NICEST_OK);
    size_t n = r->flow->tensors.trainable;
    NEED(optimizer_open(&r->state.optimizer, &settings, r->flow->theta, n) == NICEST_OK);
    r->state.best = memory_new(n, sizeof(float));
    NEED(r->state.best);
}

static void close_run(run *r)
{
    optimizer_close(&r->state.optimizer);
    memory_free(r->state.best);
    flow_free(r->flow);
}

/* The file's word for whose run it is; NULL where it has none. */
static char *identity_of(const uint8_t *bytes, size_t size)
{
    safetensors *file = NULL;
    if (safetensors_open_bytes(&file, bytes, size) != NICEST_OK)
        return NULL;
    char *identity = memory_text(safetensors_find_text(file, "nicest.identity"));
    safetensors_close(file);
    return identity;
}

static void check_state(const run *r)
{
    const train_state *s = &r->state;
    for (size_t i = 0; i < r->flow->tensors.trainable; i++)
        NEED(isfinite(r->flow->theta[i]) && isfinite(s->best[i]));
    NEED(s->points <= CURVE_POINTS);
    NEED(isfinite(s->seconds) && s->seconds >= 0 && isfinite(s->rate_factor));
}

/* What was read is written, and that gives itself back. */
static void write_again(run *r, const char *identity)
{
    const char *path = fuzz_path("-again");
    run other;
    open_run(&other);
    NEED(checkpoint_write(path, r->flow, &r->state, identity, "", "") == NICEST_OK);
    NEED(checkpoint_read(path, other.flow, &other.state, identity) == NICEST_OK);
    NEED(other.state.step == r->state.step && other.state.points == r->state.points);
    NEED(!memcmp(other.flow->theta, r->flow->theta, r->flow->tensors.trainable * sizeof(float)));
    close_run(&other);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    size_t live = memory_live();
    char *identity = identity_of(bytes, size);
    run r;
    open_run(&r);
    const char *path = fuzz_file("-checkpoint", bytes, size);
    nicest_status status =
        checkpoint_read(path, r.flow, &r.state, identity ? identity : "{\"seed\":1}");
    NEED(status == NICEST_OK || status == NICEST_E_FORMAT || status == NICEST_E_MISMATCH ||
         status == NICEST_E_UNSUPPORTED);
    if (status == NICEST_OK) {
        check_state(&r);
        write_again(&r, identity);
    } else {
        NEED(r.state.step == 0 && r.state.points == 0); /* untouched */
    }
    close_run(&r);
    memory_free(identity);
    NEED(memory_live() == live);
    return 0;
}
