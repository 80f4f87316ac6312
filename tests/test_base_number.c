/* test_base_number.c - decimals are read as strtod reads them and written so that they come back.
 */
#include "data_files.h"

#include "base/number.h"
#include "decimal_comma.h"

static int places;

static void assert_reads(const char *text)
{
    double expected = strtod(text, NULL), value = -7;
    const char *end = number_scan(text, &value, &places);
    if (end != text + strlen(text) || memcmp(&expected, &value, sizeof value) != 0)
        fail_msg("%s: read %.17g, expected %.17g", text, value, expected);
}

static void test_known_numbers(void **state)
{
    static const char *const TEXTS[] = {
        "0",
        "-0",
        "1",
        "+1",
        "007",
        ".5",
        "5.",
        "-.25",
        "1e5",
        "1E-5",
        "1e+05",
        "123456789012345678",
        "9007199254740993",
        "9007199254740992",
        "9007199254740991",
        "-9007199254740993.0",
        "9007199254740993.00000000000000000001",
        "18446744073709551615",
        "18446744073709551616",
        "9999999999999999999",
        "0.1",
        "0.3",
        "1e22",
        "1e23",
        "8.41e21",
        "2.2250738585072011e-308",
        "2.2250738585072014e-308",
        "4.9e-324",
        "2.4703282292062327e-324",
        "2.4703282292062328e-324",
        "1.7976931348623157e308",
        "1.7976931348623159e308",
        "1e400",
        "1e-400",
        "0e999999999999",
        "1e999999999999",
        "1e-999999999999",
        "0.000000000000000000000000000000000001",
        "100000000000000000000000000000000000000000000",
        "6.02214076e23",
        "1.00000000000000011102230246251565",
        "0.500000000000000166533453693773481063544750213623046875",
        "7.3177701707893310e+15",
        "123456789.123456789e-27",
        "5e-20",
        "1.8446744073709551616e19",
        "00000000000000000000001.5",
        "0.00000000000000000000015",
        "179769313486231580793728971405303415079934132710037826936173"};
    (void)state;
    for (size_t i = 0; i < sizeof TEXTS / sizeof *TEXTS; i++)
        assert_reads(TEXTS[i]);
}

static void test_random_doubles(void **state)
{
    uint64_t seed = 11;
    (void)state;
    for (int i = 0; i < 200000; i++) {
        char text[64];
        uint64_t bits = random_bits(&seed);
        double value;
        memcpy(&value, &bits, sizeof value);
        if (i % 2) /* as data is: near 1 */
            value = ldexp(random_unit(&seed) - 0.5, (int)(random_bits(&seed) % 60) - 30);
        if (!isfinite(value))
            continue;
        snprintf(text, sizeof text, "%.*g", 1 + (int)(random_bits(&seed) % 20), value);
        assert_reads(text);
    }
}

/* Halfway between two doubles, a little above, a little below. */
static void test_random_halves(void **state)
{
    uint64_t seed = 12;
    (void)state;
    for (int i = 0; i < 50000; i++) {
        char text[800];
        double low = ldexp(1 + random_unit(&seed), (int)(random_bits(&seed) % 120) - 40);
        double high = nextafter(low, INFINITY), half = (high - low) / 2;
        int whole = (int)log2(low);
        if (whole >= 52 && whole < 62) { /* both are whole: write the exact middle */
            snprintf(text, sizeof text, "%llu", (unsigned long long)low + (unsigned long long)half);
            assert_reads(text);
        }
        snprintf(text, sizeof text, "%.*f", 15 + (int)(random_bits(&seed) % 8), low);
        assert_reads(text);
    }
}

static void test_random_digits(void **state)
{
    uint64_t seed = 13;
    (void)state;
    for (int i = 0; i < 200000; i++) {
        char text[64];
        size_t digits = 1 + random_bits(&seed) % 22, used = 0,
               point = random_bits(&seed) % (digits + 1);
        for (size_t j = 0; j < digits; j++) {
            if (j == point)
                text[used++] = '.';
            text[used++] = (char)('0' + random_bits(&seed) % 10);
        }
        snprintf(text + used, 8, "e%d", (int)(random_bits(&seed) % 70) - 35);
        assert_reads(text);
    }
}

static void test_what_is_no_number(void **state)
{
    static const char *const TEXTS[] = {"",    "-",  "+",  ".", "e5", "abc",
                                        "--1", "-e", " 1", ",", "nan"};
    (void)state;
    double value = 3;
    for (size_t i = 0; i < sizeof TEXTS / sizeof *TEXTS; i++) {
        assert_null(number_scan(TEXTS[i], &value, &places));
        assert_true(value == 3);
    }
    assert_false(number_read("0x10", 4, &value));
    assert_false(number_read("1e", 2, &value));
    assert_false(number_read("1 2", 3, &value));
    assert_false(number_read("infinit", 7, &value));
    assert_true(number_read("-Infinity", 9, &value) && value < 0 && isinf(value));
    assert_true(number_read("inf", 3, &value) && value > 0 && isinf(value));
    assert_string_equal(number_scan("1e+,", &value, &places), "e+,");
}

static void assert_writes(double value)
{
    char text[NUMBER_SIZE];
    double back = 1;
    size_t size = number_write(value, text);
    assert_int_equal(size, strlen(text));
    assert_true(number_read(text, size, &back));
    if (memcmp(&value, &back, sizeof back) != 0)
        fail_msg("%.17g was written as %s", value, text);
    for (int digits = 1; digits < 17; digits++) { /* no shorter one does it */
        char other[64];
        snprintf(other, sizeof other, "%.*g", digits, value);
        size_t mine = 0;
        if (strtod(other, NULL) != value)
            continue;
        const char *p = text;
        for (p += strspn(p, "-0."); *p && *p != 'e'; p++)
            mine += *p != '.';
        if (strchr(text, 'e') == NULL && strchr(text, '.') == NULL)
            break; /* whole numbers keep their zeros */
        assert_true((int)mine <= (digits > 15 ? digits : 15));
        break;
    }
}

static void test_writing(void **state)
{
    static const struct {
        double value;
        const char *text;
    } KNOWN[] = {{0, "0"},
                 {1, "1"},
                 {-1, "-1"},
                 {255, "255"},
                 {0.1, "0.1"},
                 {-0.25, "-0.25"},
                 {1e6, "1000000"},
                 {123.456, "123.456"},
                 {0.00123, "0.00123"},
                 {1e300, "1e+300"},
                 {0.1 + 0.2, "0.30000000000000004"},
                 {1.5e-10, "1.5e-10"},
                 {-0.0, "-0"},
                 {1e14, "100000000000000"}};
    char text[NUMBER_SIZE];
    uint64_t seed = 14;
    (void)state;
    for (size_t i = 0; i < sizeof KNOWN / sizeof *KNOWN; i++) {
        number_write(KNOWN[i].value, text);
        assert_string_equal(text, KNOWN[i].text);
    }
    assert_int_equal(number_write(NAN, text), 3);
    assert_string_equal(text, "nan");
    number_write(-INFINITY, text);
    assert_string_equal(text, "-inf");
    for (int i = 0; i < 100000; i++) {
        uint64_t bits = random_bits(&seed);
        double value, scale = pow(10, (double)(random_bits(&seed) % 12));
        memcpy(&value, &bits, sizeof value);
        if (isfinite(value))
            assert_writes(value);
        assert_writes(rint(random_unit(&seed) * scale) /
                      pow(10, (double)(random_bits(&seed) % 10)));
        assert_writes(random_unit(&seed) - 0.5);
    }
}

/* A decimal comma elsewhere in the program changes nothing. */
static void test_locale(void **state)
{
    double value;
    char text[NUMBER_SIZE];
    (void)state;
    if (!decimal_comma())
        skip();
    number_scan("1.2345678901234567890123e-30", &value, &places);
    number_write(0.1 + 0.2, text);
    setlocale(LC_ALL, "C");
    assert_true(value == 1.2345678901234567890123e-30);
    assert_string_equal(text, "0.30000000000000004");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_known_numbers),
                                       cmocka_unit_test(test_random_doubles),
                                       cmocka_unit_test(test_random_halves),
                                       cmocka_unit_test(test_random_digits),
                                       cmocka_unit_test(test_what_is_no_number),
                                       cmocka_unit_test(test_writing),
                                       cmocka_unit_test(test_locale)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
