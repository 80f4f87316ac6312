/* cmd_verify.c - `nicest verify`: prints the proof that a model is a density, against its bounds.
 */
#include <math.h>

#include "common.h"

typedef struct verify_settings {
    shared_settings shared;
    const char *model, *data;
} verify_settings;

#define AT(field) offsetof(verify_settings, field)

/* clang-format off */
static const option VERIFY_OPTIONS[] = {
    {.name = "MODEL", .type = OPTION_ARGUMENT, .offset = AT(model), .required = true,
     .help = "a model file"},
    {.name = "DATA", .type = OPTION_ARGUMENT, .offset = AT(data),
     .help = "rows to verify on; without them the model's own samples"},
    {0},
};
/* clang-format on */

static void say_figure(const shared_settings *shared, const char *name, double figure, double bound)
{
    say(shared, "  %-42s %10.3g  %s %g", name, figure,
        figure <= bound ? "ok: at most" : "MISSED:", bound);
}

static void say_verification(const shared_settings *shared, const nicest_verification *v)
{
    say_figure(shared, "inverse(forward(x)) - x, relative", v->inverse_max, 1e-5);
    say_figure(shared, "forward(inverse(h)) - h, in prior std", v->latent_max, 1e-4);
    say_figure(shared, "log-determinant against a Jacobian", v->logdet_max_error, 1e-6);
    say_figure(shared, "gradients against differences", v->gradient_max_error, 1e-6);
    if (isnan(v->integral))
        say(shared, "  %-42s not measured: %s", "total mass", v->integral_reason);
    else
        say(shared, "  %-42s %10.6f  %s 1 +- 0.01", "total mass", v->integral,
            fabs(v->integral - 1) <= 0.01 ? "ok:" : "MISSED:");
    say(shared,
        v->ok ? "the model is a density" : "the model is NOT a density within these bounds");
}

static json_t *verification_json(const nicest_verification *v)
{
    return json_pack(
        "{s:o, s:o, s:o, s:o, s:o, s:o, s:b}", "inverse_max", json_figure(v->inverse_max),
        "latent_max", json_figure(v->latent_max), "logdet_max_error",
        json_figure(v->logdet_max_error), "gradient_max_error", json_figure(v->gradient_max_error),
        "integral", json_figure(v->integral), "integral_reason",
        isnan(v->integral) ? json_string(v->integral_reason) : json_null(), "ok", v->ok);
}

static int verify_run(void *settings)
{
    const verify_settings *s = settings;
    nicest_verification result;
    check_json_path(&s->shared);
    nicest_model *model = open_model(s->model);
    nicest_data *data = s->data ? open_data_for(&s->shared, model, s->data) : NULL;
    need(nicest_verify(model, data, s->shared.seed, s->shared.threads, &result));
    say_verification(&s->shared, &result);
    save_and_print_json(&s->shared, verification_json(&result));
    nicest_data_free(data);
    nicest_model_free(model);
    return result.ok ? STATUS_DONE : STATUS_FAILED;
}

const command VERIFY_COMMAND = {
    .name = "verify",
    .summary = "prove that the model is a density: inverse, log-determinant, total mass",
    .synopsis = "MODEL [DATA]",
    .description =
        "Measures, on continuous rows, how well the inverse returns the input, in both "
        "directions; compares log-determinants and gradients with numerical ones in double "
        "precision; and adds up the density of 1-D and 2-D models. The exit status is 1 when a "
        "bound is missed. -o FILE.json keeps the figures.",
    .examples = "  nicest verify parabola.safetensors\n  nicest verify wine.safetensors wine.csv\n",
    .tables = {VERIFY_OPTIONS, DATA_OPTIONS, OUTPUT_OPTIONS, COMMON_OPTIONS},
    .size = sizeof(verify_settings),
    .run = verify_run,
};
