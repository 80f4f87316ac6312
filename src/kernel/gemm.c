/* gemm.c - checks a shape and chooses who multiplies it.
 *
 * Owns the plan. Which backend serves a shape is decided by n and k, the layer, and never by m: a
 * row must not get other bits because other rows came with it. */
#include "kernel/gemm.h"

#include <stdint.h>

#include "base/memory.h"
#include "base/status.h"
#include "kernel/gemm_backend.h"

struct gemm {
    gemm_shape shape;
#ifdef GEMM_WITH_ONEDNN
    gemm_onednn *onednn; /* NULL: portable */
#endif
};

/* Fills in a dense leading dimension, and says whether the matrix can exist at all. */
static bool complete(size_t *stride, size_t rows, size_t columns)
{
    if (*stride == 0)
        *stride = columns;
    return *stride >= columns && *stride <= (size_t)PTRDIFF_MAX / sizeof(real) / rows;
}

static nicest_status check(gemm_shape *s)
{
    if (s->m == 0 || s->n == 0 || s->k == 0)
        return fail(NICEST_E_ARGUMENT, "matrix product of size %zu x %zu x %zu", s->m, s->n, s->k);
    bool good = complete(&s->lda, s->transpose_a ? s->k : s->m, s->transpose_a ? s->m : s->k);
    good = complete(&s->ldb, s->transpose_b ? s->n : s->k, s->transpose_b ? s->k : s->n) && good;
    good = complete(&s->ldc, s->m, s->n) && good;
    if (!good)
        return fail(NICEST_E_ARGUMENT, "matrix product of %zu x %zu x %zu does not fit its strides",
                    s->m, s->n, s->k);
    if (s->bf16 && !gemm_has_bf16())
        return fail(NICEST_E_UNSUPPORTED, "this processor or build has no bf16 arithmetic");
    return NICEST_OK;
}

#ifdef GEMM_WITH_ONEDNN

/* A shape that oneDNN does not know goes to the portable code, unless it asks for bf16. */
static nicest_status choose(gemm *plan)
{
    if (!plan->shape.bf16 && gemm_portable_preferred(&plan->shape))
        return NICEST_OK;
    nicest_status status = gemm_onednn_new(&plan->onednn, &plan->shape);
    return status == NICEST_E_UNSUPPORTED && !plan->shape.bf16 ? NICEST_OK : status;
}

bool gemm_has_bf16(void)
{
    return gemm_onednn_has_bf16();
}

size_t gemm_longest_tile(void)
{
    return gemm_onednn_longest_tile();
}

const char *gemm_backend(void)
{
    return gemm_onednn_name();
}

void gemm_free(gemm *plan)
{
    if (plan == NULL)
        return;
    gemm_onednn_free(plan->onednn);
    memory_free(plan);
}

size_t gemm_scratch_size(const gemm *plan)
{
    return plan->onednn != NULL ? gemm_onednn_scratch_size(plan->onednn)
                                : gemm_portable_scratch_size(&plan->shape);
}

void gemm_run(gemm *plan, const real *a, const real *b, const real *bias, real *c, void *scratch)
{
    if (plan->onednn != NULL)
        gemm_onednn_run(plan->onednn, a, b, bias, c, scratch);
    else
        gemm_portable_run(&plan->shape, a, b, bias, c, scratch);
}

#else

static nicest_status choose(gemm *plan)
{
    (void)plan;
    return NICEST_OK;
}

bool gemm_has_bf16(void)
{
    return false;
}

size_t gemm_longest_tile(void)
{
    return 128;
}

const char *gemm_backend(void)
{
    return "portable";
}

void gemm_free(gemm *plan)
{
    memory_free(plan);
}

size_t gemm_scratch_size(const gemm *plan)
{
    return gemm_portable_scratch_size(&plan->shape);
}

void gemm_run(gemm *plan, const real *a, const real *b, const real *bias, real *c, void *scratch)
{
    gemm_portable_run(&plan->shape, a, b, bias, c, scratch);
}

#endif

nicest_status gemm_new(gemm **plan, const gemm_shape *shape)
{
    gemm_shape checked = *shape;
    TRY(check(&checked));
    gemm *made = memory_new(1, sizeof *made);
    if (made == NULL)
        return fail_memory();
    made->shape = checked;
    nicest_status status = choose(made);
    if (status != NICEST_OK) {
        gemm_free(made);
        return status;
    }
    *plan = made;
    return NICEST_OK;
}

const gemm_shape *gemm_get_shape(const gemm *plan)
{
    return &plan->shape;
}
