/* cmd_verify.c - `nicest verify`: prints the proof that a model is a density, and its bounds. */
#include <math.h>

#include "common.h"

typedef struct verify_settings {
    shared_settings shared;
    const char *model, *data;
} verify_settings;

#define AT(field) offsetof(verify_settings, field)

/* clang-format off */
static const option VERIFY_OPTIONS[] = {
    {OPTION(ARGUMENT, "MODEL", NULL, model), .required = true, .help = "a model file"},
    {OPTION(ARGUMENT, "DATA", NULL, data), .help = "rows to verify on; without it, samples of the model"},
    {0},
};
/* clang-format on */

static void say_figure(const shared_settings *shared, const char *name, double figure, double bound)
{
    say(shared, "  %-42s %10.3g  %s %g", name, figure,
        figure <= bound ? "ok: at most" : "MISSED:", bound);
}

static int verify_run(void *settings)
{
    const verify_settings *s = settings;
    nicest_verification result;
    check_json_path(&s->shared);
    OWNED_MODEL nicest_model *model = open_model(s->model);
    OWNED_DATA nicest_data *data = s->data ? open_rows(&s->shared, model, s->data, THE_DATA) : NULL;
    progress bar = progress_start(&s->shared, "verifying", NULL);
    need(nicest_verify(model, data, s->shared.seed, s->shared.threads, progress_tick, &bar,
                       &result));
    progress_end(&bar);
    say_figure(&s->shared, "inverse(forward(x)) - x, relative", result.inverse_max, 1e-5);
    say_figure(&s->shared, "forward(inverse(h)) - h, in prior std", result.latent_max, 1e-4);
    say_figure(&s->shared, "log-determinant against a Jacobian", result.logdet_max_error, 1e-6);
    say_figure(&s->shared, "gradients against differences", result.gradient_max_error, 1e-6);
    if (isnan(result.integral))
        say(&s->shared, "  %-42s not measured: %s", "total mass", result.integral_reason);
    else
        say(&s->shared, "  %-42s %10.6f  %s 1 +- 0.01", "total mass", result.integral,
            fabs(result.integral - 1) <= 0.01 ? "ok:" : "MISSED:");
    if (!isnan(result.marginal_gap))
        say(&s->shared, "  %-42s %10.3g  mean of ten patterns, nats", "marginals against integrals",
            result.marginal_gap);
    if (!isnan(result.spread_max)) {
        const char *name = nicest_model_column_name(model, result.spread_column);
        say(&s->shared, "  %-42s %10.3g  of column %s", "deviation of samples and data, ratio",
            result.spread_max, name);
        if (result.spread_max > 1.25)
            say(&s->shared,
                "  warning: look at samples of column %s before you trust them: their standard "
                "deviation is not that of the data",
                name);
    }
    say(&s->shared,
        result.ok ? "the model is a density" : "the model is NOT a density within these bounds");
    save_and_print_json(
        &s->shared,
        json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:b, s:o, s:o}", "inverse_max",
                  json_figure(result.inverse_max), "latent_max", json_figure(result.latent_max),
                  "logdet_max_error", json_figure(result.logdet_max_error), "gradient_max_error",
                  json_figure(result.gradient_max_error), "integral", json_figure(result.integral),
                  "integral_reason",
                  isnan(result.integral) ? json_string(result.integral_reason) : json_null(), "ok",
                  result.ok, "marginal_gap", json_figure(result.marginal_gap), "spread_max",
                  json_figure(result.spread_max)));
    return result.ok ? STATUS_DONE : STATUS_FAILED;
}

const command VERIFY_COMMAND = {
    .name = "verify",
    .summary = "prove that the model is a density: inverse, log-determinant, total mass",
    .synopsis = "MODEL [DATA]",
    .description =
        "Measures, on rows of DATA or on samples, that the model is a density. The inverse must return the "
        "input, in both directions. Log-determinants and gradients must agree with numerical ones in "
        "double precision. The density of models of one or two columns must add up to one. The exit "
        "status is 1 if a bound is missed.\n\n"
        "Two more figures have no bound. For models that learnt from missing values: how far the density "
        "of what is seen is from the integral of the whole row's. With DATA: how much wider or narrower "
        "samples are than the data. -o FILE.json keeps the figures.",
    .examples = "  nicest verify parabola.safetensors\n  nicest verify wine.safetensors wine.csv\n",
    .tables = {VERIFY_OPTIONS, DATA_OPTIONS, OUTPUT_OPTIONS, COMMON_OPTIONS},
    .size = sizeof(verify_settings),
    .run = verify_run,
};
