/* test_flow_spec.c - the text of a flow: what is read is written again, and mistakes have a line.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "flow/flow.h"

#define HEAD "nicest 1\ncolumns 4\n"

static void canonical_text_is_a_fixed_point(void **state)
{
    static const char *const texts[] = {
        HEAD "prior normal",
        HEAD "scale\nprior logistic\n",
        "# a comment\n\n  nicest   1 # version\r\ncolumns\t784\nstandardise\nlogit margin=0.05\n"
        "permute odd-even\npermute reverse\npermute random:18446744073709551615\n"
        "coupling hidden=1000x5 move=second\ncoupling move=first hidden=none activation=tanh\n"
        "coupling rule=additive activation=silu hidden=256,128 move=first\nscale\nprior logistic",
        HEAD "logit\nlogit margin=1e-9\nlogit margin=0.123456789\nprior normal\n",
        HEAD "coupling move=first hidden=007x2,7,12x1,9\nprior normal\n",
        HEAD "convolution hidden=08x1 keep=rows:0 size=2x2\nprior normal\n",
    };
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        flow_spec once = {0}, twice = {0};
        assert_int_equal(spec_parse(&once, texts[i]), NICEST_OK);
        assert_int_equal(spec_parse(&twice, once.text), NICEST_OK);
        assert_string_equal(twice.text, once.text);
        assert_int_equal(twice.count, once.count);
        spec_close(&once);
        spec_close(&twice);
    }
}

static void canonical_text_says_everything(void **state)
{
    flow_spec spec = {0};
    (void)state;
    assert_int_equal(spec_parse(&spec, HEAD "coupling move=first hidden=8,8,8,4 # x\nprior normal"),
                     NICEST_OK);
    assert_string_equal(spec.text, HEAD "coupling move=first hidden=8x3,4 activation=relu "
                                        "rule=additive\nprior normal\n");
    assert_int_equal(spec.prior, PRIOR_NORMAL);
    spec_close(&spec);
}

/* The longest conditioner that can be asked for survives its canonical text. */
static void widths_are_never_cut(void **state)
{
    char text[600] = HEAD "coupling move=first hidden=";
    flow *f = NULL, *again = NULL;
    (void)state;
    for (int i = 0; i < 64; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%d", i ? "," : "", 100 + i);
    strcat(text, " activation=tanh rule=additive\nprior normal\n");
    assert_int_equal(flow_new(&f, text, 0), NICEST_OK);
    assert_int_equal(flow_new(&again, f->spec.text, 0), NICEST_OK);
    assert_int_equal(again->tensors.trainable, f->tensors.trainable);
    assert_int_equal(f->tensors.count, 2 * 65);
    flow_free(f);
    flow_free(again);
}

static void mistakes_are_named_with_their_line(void **state)
{
    static const struct {
        const char *text, *words;
    } cases[] = {
        {"", "without a 'prior'"},
        {"# only a comment\n", "without a 'prior'"},
        {"nicest 2\n", "spec line 1: expected 'nicest 1'"},
        {HEAD "permute random:18446744073709551616\nprior normal\n", "SEED from 0 to 2^64 - 1"},
        {HEAD "coupling move=first move=second hidden=3\nprior normal\n",
         "expected 'coupling move="},
        {HEAD "coupling move=first hidden=3 hidden=3\nprior normal\n", "expected 'coupling move="},
        {"\n\ncolumns 3\n", "spec line 3: expected 'nicest 1'"},
        {"nicest 1\ncolumns 0\nprior normal", "neither columns nor categories"},
        {"nicest 1\ncolumns 0\ncontext 3\nscale\ncategories classes=2 hidden=4\nprior normal",
         "stand before the other layers"},
        {"nicest 1\ncolumns 0\ncontext 4\ncategories classes=2x2 hidden=4\nprior normal",
         "context is too small"},
        {"nicest 1\ncolumns 0\ncontext 3\ncategories classes=0 hidden=4\nprior normal",
         "expected 'categories classes"},
        {"nicest 1\ncolumns -1\n", "spec line 2: expected 'columns N'"},
        {"nicest 1\ncolumns 3x\n", "spec line 2: expected 'columns N'"},
        {"nicest 1\ncolumns 1048577\n", "spec line 2: expected 'columns N'"},
        {"nicest 1\ncolumns 99999999999999999999999\n", "spec line 2: expected 'columns N'"},
        {"nicest 1\nscale\n", "spec line 2: expected 'columns N'"},
        {HEAD "scales\nprior normal", "spec line 3: 'scales' is no layer"},
        {HEAD "scale 2\nprior normal", "spec line 3: 'scale' takes no options"},
        {HEAD "standardise x\nprior normal", "spec line 3: 'standardise' takes no options"},
        {HEAD "permute\nprior normal", "spec line 3: expected 'permute"},
        {HEAD "permute random:\nprior normal", "spec line 3: expected 'permute"},
        {HEAD "permute random:-1\nprior normal", "spec line 3: expected 'permute"},
        {HEAD "permute random:5x\nprior normal", "spec line 3: expected 'permute"},
        {HEAD "\n\ncoupling hidden=5\nprior normal", "spec line 5: expected 'coupling"},
        {HEAD "coupling move=third hidden=5\nprior normal", "spec line 3: expected 'coupling"},
        {HEAD "coupling move=first\nprior normal", "spec line 3: hidden="},
        {HEAD "coupling move=first hidden=\nprior normal", "spec line 3: hidden="},
        {HEAD "coupling move=first hidden=0\nprior normal", "spec line 3: hidden="},
        {HEAD "coupling move=first hidden=5x\nprior normal", "spec line 3: hidden="},
        {HEAD "coupling move=first hidden=5,,5\nprior normal", "spec line 3: hidden="},
        {HEAD "coupling move=first hidden=5x65\nprior normal", "spec line 3: hidden="},
        {HEAD "coupling move=first hidden=5x40,6x25\nprior normal", "spec line 3: hidden="},
        {HEAD "coupling move=first hidden=65537\nprior normal", "spec line 3: hidden="},
        {HEAD "coupling move=first hidden=5 colour=red\nprior normal", "spec line 3: expected"},
        {HEAD "coupling move=first hidden=5 rule=cubic\nprior normal", "spec line 3: the rule"},
        {HEAD "coupling move=first hidden=5 rule=affine bound=0\nprior normal", "bound=B"},
        {HEAD "coupling move=first hidden=5 bound=2\nprior normal", "spec line 3: expected"},
        {HEAD "coupling move=first hidden=5x2 blocks=2\nprior normal", "hidden= is one width"},
        {HEAD "coupling move=first hidden=5 dropout=1\nprior normal", "dropout=P"},
        {HEAD "context 0\nprior normal", "spec line 3: expected 'context N'"},
        {HEAD "context 2\ncontext 2\nprior normal", "spec line 4: 'context' and"},
        {HEAD "masked x\nprior normal", "spec line 3: expected 'context N'"},
        {HEAD "scale\nmasked\nprior normal", "spec line 4: 'context' and"},
        {HEAD "masked\ncoupling move=first hidden=none\nprior normal", "has a hidden layer"},
        {HEAD "coupling move=first hidden=5 activation=none\nprior normal", "spec line 3: the act"},
        {"nicest 1\ncolumns 1\ncoupling move=first hidden=5\nprior normal", "at least 2 columns"},
        {HEAD "convolution size=2x2 hidden=3x1\nprior normal", "expected 'convolution size="},
        {HEAD "convolution keep=rows:1 hidden=3x1\nprior normal", "expected 'convolution size="},
        {HEAD "convolution size=2x2 keep=rows hidden=3x1\nprior normal", "expected 'convolution"},
        {HEAD "convolution size=2x2 keep=row:1 hidden=3x1\nprior normal", "expected 'convolution"},
        {HEAD "convolution size=2x2 keep=rows:2 hidden=3x1\nprior normal", "expected 'convolution"},
        {HEAD "convolution size=2x2 keep=rows:1 hidden=3\nprior normal", "expected 'convolution"},
        {HEAD "convolution size=2x2 keep=rows:1 hidden=3x17\nprior normal", "expected 'convol"},
        {HEAD "convolution size=2x2 cell=1 keep=rows:1 hidden=3x1\nprior normal", "expected 'con"},
        {HEAD "convolution size=2x3 keep=rows:1 hidden=3x1\nprior normal", "number of columns"},
        {HEAD "convolution size=1x4 keep=rows:1 hidden=3x1\nprior normal", "no multiples of cell"},
        {HEAD "convolution size=2x2 keep=blocks:1 hidden=3x1\nprior normal", "cell= is 3 at least"},
        {HEAD "masked\nconvolution size=2x2 keep=rows:1 hidden=3x1\nprior normal", "nor masks"},
        {HEAD "context 1\nconvolution size=2x2 keep=rows:1 hidden=3x1\nprior normal", "a context"},
        {HEAD "logit margin=0\nprior normal", "spec line 3: expected 'logit"},
        {HEAD "logit margin=0.5\nprior normal", "spec line 3: expected 'logit"},
        {HEAD "logit margin=nan\nprior normal", "spec line 3: expected 'logit"},
        {HEAD "logit margin=\nprior normal", "spec line 3: expected 'logit"},
        {HEAD "prior\n", "spec line 3: expected 'prior"},
        {HEAD "prior uniform\n", "spec line 3: expected 'prior"},
        {HEAD "prior normal\nscale\n", "spec line 4: 'prior' ends a spec"},
        {HEAD "prior mixture:2\nscale\n", "spec line 4: 'prior' ends a spec"},
        {HEAD "prior mixture:2 x\n", "spec line 3: expected 'prior"},
        {HEAD "a b c d e f g h i j k l m n o p q\n", "more than 16 words"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        flow_spec spec = {.columns = 12345};
        size_t live = memory_live();
        nicest_status status = spec_parse(&spec, cases[i].text);
        if (status != NICEST_E_FORMAT || !strstr(nicest_error(), cases[i].words))
            print_error("case %zu: status %d, '%s'\n", i, (int)status, nicest_error());
        assert_int_equal(status, NICEST_E_FORMAT);
        assert_non_null(strstr(nicest_error(), cases[i].words));
        assert_int_equal(spec.columns, 12345); /* untouched */
        assert_int_equal(memory_live(), live);
    }
}

static void long_lines_and_tall_stacks_are_refused(void **state)
{
    char line[2000] = HEAD;
    flow_spec spec = {0};
    (void)state;
    memset(line + strlen(line), 'x', 700);
    assert_int_equal(spec_parse(&spec, line), NICEST_E_FORMAT);
    assert_non_null(strstr(nicest_error(), "spec line 3"));
    char *tall = memory_new(10000, 1);
    strcpy(tall, HEAD);
    for (int i = 0; i < 1025; i++)
        strcat(tall, "scale\n");
    assert_int_equal(spec_parse(&spec, tall), NICEST_E_FORMAT);
    assert_non_null(strstr(nicest_error(), "spec line 1027: more than 1024 layers"));
    memory_free(tall);
}

static void a_flow_larger_than_allowed_is_refused_before_it_is_made(void **state)
{
    flow *f = NULL;
    (void)state;
    const char *text = "nicest 1\ncolumns 1048576\ncoupling move=first hidden=65536x64\n"
                       "coupling move=second hidden=65536x64\nprior normal\n";
    assert_int_equal(flow_new(&f, text, 1 << 20), NICEST_E_FORMAT);
    assert_null(f);
    assert_int_equal(flow_new(&f, HEAD "scale\nprior normal\n", 3), NICEST_E_FORMAT);
    assert_int_equal(flow_new(&f, HEAD "scale\nprior normal\n", 4), NICEST_OK);
    flow_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(canonical_text_is_a_fixed_point),
        cmocka_unit_test(canonical_text_says_everything),
        cmocka_unit_test(widths_are_never_cut),
        cmocka_unit_test(mistakes_are_named_with_their_line),
        cmocka_unit_test(long_lines_and_tall_stacks_are_refused),
        cmocka_unit_test(a_flow_larger_than_allowed_is_refused_before_it_is_made),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
