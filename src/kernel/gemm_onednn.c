/* gemm_onednn.c - matrix products by oneDNN's matmul primitive, C API of version 2.6 and of 3.x.
 *
 * Owns the oneDNN headers, the one engine of the process, and bf16. A plan keeps its memory
 * objects; running it only points them at the operands. Everything is made and run single-threaded:
 * oneDNN splits work by the number of OpenMP threads, and the bits of some shapes change with it.
 */
#include "kernel/gemm_backend.h"

#ifdef GEMM_WITH_ONEDNN

#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include <oneapi/dnnl/dnnl.h>

#include "base/clones.h"
#include "base/memory.h"
#include "base/parallel.h"
#include "base/status.h"

/* The two versions differ in what a memory descriptor is: a struct, or a pointer to one. */
#if DNNL_VERSION_MAJOR >= 3
typedef dnnl_memory_desc_t descriptor;
#define DESCRIPTOR_OF(d) (d)
typedef const_dnnl_memory_desc_t borrowed_descriptor;
#else
typedef dnnl_memory_desc_t descriptor;
#define DESCRIPTOR_OF(d) (&(d))
typedef const dnnl_memory_desc_t *borrowed_descriptor;
#endif

enum { ARG_A, ARG_B, ARG_C, ARG_BIAS, ARG_SCRATCH, ARG_COUNT };

struct gemm_onednn {
    gemm_shape shape;
    dnnl_primitive_t primitive;
    dnnl_stream_t stream;
    dnnl_memory_t memory[ARG_COUNT]; /* the bias is NULL where there is none */
    dnnl_exec_arg_t arguments[ARG_COUNT];
    int argument_count;
    size_t pad_size;       /* oneDNN's own scratch, rounded up */
    size_t a_size, b_size; /* bf16 copies behind it, rounded up; 0 in float */
};

static nicest_status fail_onednn(dnnl_status_t status, const char *what)
{
    if (status == dnnl_out_of_memory)
        return fail_memory();
    return fail(NICEST_E_UNSUPPORTED, "oneDNN cannot %s (status %d)", what, (int)status);
}

#define TRY_DNNL(call, what)                                                                       \
    do {                                                                                           \
        dnnl_status_t dnnl_result = (call);                                                        \
        if (dnnl_result != dnnl_success)                                                           \
            return fail_onednn(dnnl_result, what);                                                 \
    } while (0)

/* Made at the first plan and kept until the process ends: plans of any thread refer to it. */
static nicest_status shared_engine(dnnl_engine_t *engine)
{
    static _Atomic(dnnl_engine_t) shared;
    dnnl_engine_t found = atomic_load(&shared);
    if (found == NULL) {
        dnnl_engine_t made;
        TRY_DNNL(dnnl_engine_create(&made, dnnl_cpu, 0), "start");
        if (atomic_compare_exchange_strong(&shared, &found, made))
            found = made;
        else
            dnnl_engine_destroy(made); /* another thread was faster */
    }
    *engine = found;
    return NICEST_OK;
}

bool gemm_onednn_has_bf16(void)
{
    const int wanted = dnnl_cpu_isa_avx512_core_bf16;
    return ((int)dnnl_get_effective_cpu_isa() & wanted) == wanted;
}

size_t gemm_onednn_longest_tile(void)
{
    const int wanted = dnnl_cpu_isa_avx512_core;
    return ((int)dnnl_get_effective_cpu_isa() & wanted) == wanted ? 128 : 64;
}

const char *gemm_onednn_name(void)
{
    static _Thread_local char name[32];
    const dnnl_version_t *version = dnnl_version();
    snprintf(name, sizeof name, "oneDNN %d.%d.%d", version->major, version->minor, version->patch);
    return name;
}

/* ---------------------------------------------------------------- making a plan */

static size_t padded(size_t size)
{
    return (size + 63) / 64 * 64;
}

static dnnl_status_t describe(descriptor *d, size_t rows, size_t columns, size_t row_step,
                              size_t column_step, bool bf16)
{
    const dnnl_dims_t sizes = {(dnnl_dim_t)rows, (dnnl_dim_t)columns};
    const dnnl_dims_t steps = {(dnnl_dim_t)row_step, (dnnl_dim_t)column_step};
    dnnl_data_type_t type = bf16 ? dnnl_bf16 : dnnl_f32;
#if DNNL_VERSION_MAJOR >= 3
    return dnnl_memory_desc_create_with_strides(d, 2, sizes, type, steps);
#else
    return dnnl_memory_desc_init_by_strides(d, 2, sizes, type, steps);
#endif
}

/* Descriptors of the operands in the order of ARG_*. The bf16 copies are dense. */
static dnnl_status_t describe_all(const gemm_shape *s, descriptor d[ARG_SCRATCH])
{
    size_t lda = !s->bf16 ? s->lda : s->transpose_a ? s->m : s->k;
    size_t ldb = !s->bf16 ? s->ldb : s->transpose_b ? s->k : s->n;
    dnnl_status_t status = describe(&d[ARG_A], s->m, s->k, s->transpose_a ? 1 : lda,
                                    s->transpose_a ? lda : 1, s->bf16);
    if (status == dnnl_success)
        status = describe(&d[ARG_B], s->k, s->n, s->transpose_b ? 1 : ldb, s->transpose_b ? ldb : 1,
                          s->bf16);
    if (status == dnnl_success)
        status = describe(&d[ARG_C], s->m, s->n, s->ldc, 1, false);
    if (status == dnnl_success)
        status = describe(&d[ARG_BIAS], 1, s->n, s->n, 1, false);
    return status;
}

/* First C is added, then ReLU. */
static dnnl_status_t append_post_ops(dnnl_post_ops_t ops, const gemm_shape *s)
{
    dnnl_status_t status = dnnl_success;
#if DNNL_VERSION_MAJOR >= 3
    if (s->accumulate)
        status = dnnl_post_ops_append_sum(ops, 1, 0, dnnl_data_type_undef);
    if (s->relu && status == dnnl_success)
        status = dnnl_post_ops_append_eltwise(ops, dnnl_eltwise_relu, 0, 0);
#else
    if (s->accumulate)
        status = dnnl_post_ops_append_sum(ops, 1);
    if (s->relu && status == dnnl_success)
        status = dnnl_post_ops_append_eltwise(ops, 1, dnnl_eltwise_relu, 0, 0);
#endif
    return status;
}

static dnnl_status_t set_attributes(dnnl_primitive_attr_t attributes, const gemm_shape *s)
{
    dnnl_post_ops_t ops = NULL;
    dnnl_status_t status =
        dnnl_primitive_attr_set_scratchpad_mode(attributes, dnnl_scratchpad_mode_user);
    if (status == dnnl_success)
        status = dnnl_post_ops_create(&ops);
    if (status == dnnl_success)
        status = append_post_ops(ops, s);
    if (status == dnnl_success)
        status = dnnl_primitive_attr_set_post_ops(attributes, ops);
    if (ops != NULL)
        dnnl_post_ops_destroy(ops);
    return status;
}

static dnnl_status_t new_matmul(dnnl_primitive_desc_t *made, dnnl_engine_t engine,
                                const gemm_shape *s, descriptor d[ARG_SCRATCH])
{
    dnnl_primitive_attr_t attributes = NULL;
    dnnl_status_t status = dnnl_primitive_attr_create(&attributes);
    if (status == dnnl_success)
        status = set_attributes(attributes, s);
    borrowed_descriptor bias = s->bias ? DESCRIPTOR_OF(d[ARG_BIAS]) : NULL;
#if DNNL_VERSION_MAJOR >= 3
    if (status == dnnl_success)
        status = dnnl_matmul_primitive_desc_create(made, engine, d[ARG_A], d[ARG_B], bias, d[ARG_C],
                                                   attributes);
#else
    dnnl_matmul_desc_t operation;
    if (status == dnnl_success)
        status = dnnl_matmul_desc_init(&operation, &d[ARG_A], &d[ARG_B], bias, &d[ARG_C]);
    if (status == dnnl_success)
        status = dnnl_primitive_desc_create(made, &operation, attributes, engine, NULL);
#endif
    if (attributes != NULL)
        dnnl_primitive_attr_destroy(attributes);
    return status;
}

static dnnl_status_t add_argument(gemm_onednn *plan, int which, int name, borrowed_descriptor d,
                                  dnnl_engine_t engine)
{
    dnnl_status_t status = dnnl_memory_create(&plan->memory[which], d, engine, DNNL_MEMORY_NONE);
    if (status == dnnl_success)
        plan->arguments[plan->argument_count++] = (dnnl_exec_arg_t){name, plan->memory[which]};
    return status;
}

static dnnl_status_t add_arguments(gemm_onednn *plan, dnnl_engine_t engine,
                                   dnnl_primitive_desc_t matmul, descriptor d[ARG_SCRATCH])
{
    borrowed_descriptor pad = dnnl_primitive_desc_query_md(matmul, dnnl_query_scratchpad_md, 0);
    plan->pad_size = padded(pad == NULL ? 0 : dnnl_memory_desc_get_size(pad));
    dnnl_status_t status = add_argument(plan, ARG_A, DNNL_ARG_SRC, DESCRIPTOR_OF(d[ARG_A]), engine);
    if (status == dnnl_success)
        status = add_argument(plan, ARG_B, DNNL_ARG_WEIGHTS, DESCRIPTOR_OF(d[ARG_B]), engine);
    if (status == dnnl_success)
        status = add_argument(plan, ARG_C, DNNL_ARG_DST, DESCRIPTOR_OF(d[ARG_C]), engine);
    if (status == dnnl_success && plan->shape.bias)
        status = add_argument(plan, ARG_BIAS, DNNL_ARG_BIAS, DESCRIPTOR_OF(d[ARG_BIAS]), engine);
    if (status == dnnl_success && plan->pad_size > 0)
        status = add_argument(plan, ARG_SCRATCH, DNNL_ARG_SCRATCHPAD, pad, engine);
    return status;
}

static nicest_status build(gemm_onednn *plan)
{
    dnnl_engine_t engine = NULL;
    TRY(shared_engine(&engine));
    descriptor d[ARG_SCRATCH];
    memset(d, 0, sizeof d);
    dnnl_primitive_desc_t matmul = NULL;
    dnnl_status_t status = describe_all(&plan->shape, d);
    if (status == dnnl_success)
        status = new_matmul(&matmul, engine, &plan->shape, d);
    if (status == dnnl_success)
        status = dnnl_primitive_create(&plan->primitive, matmul);
    if (status == dnnl_success)
        status = add_arguments(plan, engine, matmul, d);
    if (status == dnnl_success)
        status = dnnl_stream_create(&plan->stream, engine, dnnl_stream_default_flags);
    if (matmul != NULL)
        dnnl_primitive_desc_destroy(matmul);
#if DNNL_VERSION_MAJOR >= 3
    for (int i = 0; i < ARG_SCRATCH; i++) {
        if (d[i] != NULL)
            dnnl_memory_desc_destroy(d[i]);
    }
#endif
    TRY_DNNL(status, "multiply this shape");
    return NICEST_OK;
}

typedef struct build_call {
    gemm_onednn *plan;
    nicest_status status;
} build_call;

static void build_alone(void *context, int thread, size_t item)
{
    build_call *call = context;
    (void)thread;
    (void)item;
    call->status = build(call->plan);
}

nicest_status gemm_onednn_new(gemm_onednn **plan, const gemm_shape *shape)
{
    gemm_onednn *made = memory_new(1, sizeof *made);
    if (made == NULL)
        return fail_memory();
    made->shape = *shape;
    if (shape->bf16) {
        made->a_size = padded(shape->m * shape->k * sizeof(uint16_t));
        made->b_size = padded(shape->k * shape->n * sizeof(uint16_t));
    }
    build_call call = {made, NICEST_OK};
    parallel_for(1, 1, build_alone, &call);
    if (call.status != NICEST_OK) {
        gemm_onednn_free(made);
        return call.status;
    }
    *plan = made;
    return NICEST_OK;
}

void gemm_onednn_free(gemm_onednn *plan)
{
    if (plan == NULL)
        return;
    for (int i = 0; i < ARG_COUNT; i++) {
        if (plan->memory[i] != NULL)
            dnnl_memory_destroy(plan->memory[i]);
    }
    if (plan->stream != NULL)
        dnnl_stream_destroy(plan->stream);
    if (plan->primitive != NULL)
        dnnl_primitive_destroy(plan->primitive);
    memory_free(plan);
}

size_t gemm_onednn_scratch_size(const gemm_onednn *plan)
{
    return plan->pad_size + plan->a_size + plan->b_size;
}

/* ---------------------------------------------------------------- running it */

VECTOR_CLONES
static void round_row(uint16_t *out, const float *in, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, &in[i], sizeof bits);
        uint32_t rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
        bool nan = (bits & 0x7fffffff) > 0x7f800000;
        out[i] = (uint16_t)(nan ? bits >> 16 | 0x40 : rounded);
    }
}

void gemm_round_bf16(uint16_t *out, const float *in, size_t rows, size_t columns, size_t stride)
{
    for (size_t row = 0; row < rows; row++)
        round_row(out + row * columns, in + row * stride, columns);
}

static void round_operands(const gemm_onednn *plan, const float *a, const float *b, uint16_t *a_out,
                           uint16_t *b_out)
{
    const gemm_shape *s = &plan->shape;
    size_t a_rows = s->transpose_a ? s->k : s->m, b_rows = s->transpose_b ? s->n : s->k;
    gemm_round_bf16(a_out, a, a_rows, s->m * s->k / a_rows, s->lda);
    gemm_round_bf16(b_out, b, b_rows, s->n * s->k / b_rows, s->ldb);
}

/* oneDNN asks for pointers to mutable memory, and writes only to C and the scratch. */
static bool point_at(dnnl_memory_t memory, const void *data)
{
    return memory == NULL ||
           dnnl_memory_set_data_handle(memory, (void *)(uintptr_t)data) == dnnl_success;
}

static void fill_with_nan(const gemm_shape *s, float *c)
{
    for (size_t row = 0; row < s->m; row++) {
        for (size_t j = 0; j < s->n; j++)
            c[row * s->ldc + j] = NAN;
    }
}

typedef struct run_call {
    gemm_onednn *plan;
    float *c;
} run_call;

static void run_alone(void *context, int thread, size_t item)
{
    run_call *call = context;
    gemm_onednn *plan = call->plan;
    (void)thread;
    (void)item;
    dnnl_status_t status = dnnl_primitive_execute(plan->primitive, plan->stream,
                                                  plan->argument_count, plan->arguments);
    if (status != dnnl_success)
        fill_with_nan(&plan->shape, call->c);
}

void gemm_onednn_run(gemm_onednn *plan, const float *a, const float *b, const float *bias, float *c,
                     void *scratch)
{
    unsigned char *pad = scratch;
    const void *a_data = a, *b_data = b;
    if (plan->shape.bf16) {
        unsigned char *a_copy = pad + plan->pad_size, *b_copy = a_copy + plan->a_size;
        round_operands(plan, a, b, (uint16_t *)(void *)a_copy, (uint16_t *)(void *)b_copy);
        a_data = a_copy;
        b_data = b_copy;
    }
    bool ready = point_at(plan->memory[ARG_A], a_data) && point_at(plan->memory[ARG_B], b_data) &&
                 point_at(plan->memory[ARG_C], c) && point_at(plan->memory[ARG_BIAS], bias) &&
                 point_at(plan->memory[ARG_SCRATCH], pad);
    if (!ready) {
        fill_with_nan(&plan->shape, c);
        return;
    }
    run_call call = {plan, c};
    parallel_for(1, 1, run_alone, &call);
}

#endif
