/* consumer.c - a user's program in C: links an installed nicest and uses its public interface
 * alone. Has a function `fail` of its own, as a user's program may. */
#include <math.h>
#include <nicest.h>
#include <stdio.h>
#include <string.h>

int fail(const char *what);

int fail(const char *what)
{
    fprintf(stderr, "consumer: %s: %s\n", what, nicest_error());
    return 1;
}

int main(void)
{
    const double rows[4] = {0, 0, 3, -2};
    double logp[2];
    if (strcmp(nicest_version(), EXPECTED_VERSION) != 0)
        return fail(nicest_version());
    if (nicest_toy_log_density("parabola", rows, 2, logp) != NICEST_OK)
        return fail("nicest_toy_log_density");
    /* At the origin both normals are at their peak: log 1/(2 pi * 4 * 1). */
    if (fabs(logp[0] + log(8 * 3.14159265358979323846)) > 1e-12 || !(logp[1] < logp[0]))
        return fail("density of the parabola");
    if (nicest_toy_log_density("no such toy", rows, 2, logp) != NICEST_E_ARGUMENT ||
        !*nicest_error())
        return fail("an unknown toy is an error with a sentence");
    nicest_train_options options;
    nicest_train_defaults(&options);
    puts(nicest_build());
    return 0;
}
