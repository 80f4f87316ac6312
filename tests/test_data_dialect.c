/* test_data_dialect.c - how a text is written is told from its first lines: header rows of numbers,
 * comments, separators, decimal commas, line ends, holes; options override, and the choice is said.
 */
#include "data_files.h"

/* A text, what is read of it, and a word that the note must have ("": there is no note). */
typedef struct sample {
    const char *text;
    const char *names;
    size_t rows;
    double first, last; /* values of all columns */
    const char *note;
} sample;

static void assert_sample(const sample *s, const char *name, const nicest_data_options *options)
{
    char names[400] = "";
    nicest_data *data = open_with(put_text(name, s->text), options);
    size_t d = nicest_data_columns(data), n = nicest_data_rows(data);
    for (size_t j = 0; j < d; j++)
        snprintf(names + strlen(names), sizeof names - strlen(names), "%s%s", j ? "|" : "",
                 nicest_data_column_name(data, j));
    assert_string_equal(names, s->names);
    assert_int_equal(n, s->rows);
    double *values = all_values(data);
    assert_same(values[0], s->first);
    assert_same(values[n * d - 1], s->last);
    free(values);
    const char *note = nicest_data_note(data);
    if (*s->note == '\0')
        assert_null(note);
    else
        assert_non_null(strstr(note, s->note));
    nicest_data_free(data);
    nicest_reader *reader; /* which may learn of decimal commas later */
    assert_int_equal(nicest_reader_open(&reader, in_scratch(name), options), NICEST_OK);
    assert_int_equal(nicest_reader_columns(reader), d);
    if (*s->note != '\0' && strstr(s->note, "decimal") == NULL)
        assert_non_null(strstr(nicest_reader_note(reader), s->note));
    nicest_reader_close(reader);
}

static void assert_samples(const sample *samples, size_t count)
{
    for (size_t i = 0; i < count; i++)
        assert_sample(&samples[i], "s.csv", NULL);
}
#define ASSERT_SAMPLES(samples) assert_samples(samples, sizeof(samples) / sizeof *(samples))

static void test_headers_of_numbers(void **state)
{
    static const sample samples[] = {
        {"0,1,2\n-1.1,0.2,0.7\n0.5,-0.9,1.0\n", "0|1|2", 2, -1.1, 1.0, "header"},
        {"0,1\n-1.1,0.2\n0.5,-0.9\n", "0|1", 2, -1.1, -0.9, "header"},
        {"0,1,2,3,4,5\n3,1,4,1,5,9\n2,6,5,3,5,8\n", "0|1|2|3|4|5", 2, 3, 8, "header"},
        {"0,1,2\n7,9,8\n6,6,7\n9,9,9\n8,7,6\n", "0|1|2", 4, 7, 6, "header"},
        {"0,1\n4.5,north\n1,south\n3,north\n", "0|1", 3, 4.5, 0, "header"},
        {",0,1\n0,3.5,0.1\n1,2.25,0.2\n2,1.5,7\n", "x1|0|1", 3, 0, 7, "header"},
        {",0,1,2\n0,3,1,4\n1,1,5,9\n", "x1|0|1|2", 2, 0, 9, "header"},
        {",0\n0,3\n1,1\n", "x1|0", 2, 0, 1, "header"},
        {"2010,2015,2020\n0.5,1.5,2.5\n1.5,1.5,0.5\n1.5,0.5,1.5\n0.25,1.5,2.5\n",
         "2010|2015|2020", 4, 0.5, 2.5, "header"},
        {"\"7\",\"9\"\n1,2\n3,4\n", "7|9", 2, 1, 4, "header"},
        /* rows that count are rows */
        {"0,1,2\n3,4,5\n6,7,8\n", "x1|x2|x3", 3, 0, 8, ""},
        {"0,1\n1,0\n1,1\n0,0\n", "x1|x2", 4, 0, 0, ""},
        {"1,2,3\n1.5,2.5,3.5\n", "x1|x2|x3", 2, 1, 3.5, ""},
        {"0\n0.5\n1.0\n1.5\n", "x1", 4, 0, 1.5, ""},
        {"0,1,2\n", "x1|x2|x3", 1, 0, 2, ""},
        {"5,6\n1.5,2.5\n", "x1|x2", 2, 5, 2.5, ""}};
    (void)state;
    ASSERT_SAMPLES(samples);
}

static void test_comments(void **state)
{
    static const sample samples[] = {
        {"# made by hand\n# units: m\na,b\n1,2\n3,4\n", "a|b", 2, 1, 4, "# left out"},
        {"#x\na,b\n1,2\n#y\n3,4\n", "a|b", 2, 1, 4, "# left out"},
        {"1,2\n3,4\n# the end\n", "x1|x2", 2, 1, 4, ""},
        {"a\n1\n# between\n2\n", "a", 2, 1, 2, ""},
        {"# a,b,c\n1,2,3\n4,5,6\n", "a|b|c", 2, 1, 6, "names from the line that begins with #"},
        {"#a b\n1 2\n4 5\n", "a|b", 2, 1, 5, "names from the line"},
        {"# made by hand\n# a;b\n1,5;2\n4;5\n", "a|b", 2, 1.5, 5, "names from the line"},
        {"# a\n1\n2\n", "a", 2, 1, 2, "names from the line"},
        {"# rain, sun\n1\n2\n", "x1", 2, 1, 2, "# left out"},
        {"#,a,b\n1,2,3\n4,5,6\n", "#|a|b", 2, 1, 6, "names from the line"},
        {"% made by hand\n% again\na,b\n1,2\n%y\n3,4\n", "a|b", 2, 1, 4, "% left out"},
        {"% a,b\n1,2\n3,4\n", "a|b", 2, 1, 4, "names from the line that begins with %"},
        {"%,a\n1,2\n", "%|a", 1, 1, 2, "names from the line"},
        {"a\n5%\n%\n", "a", 2, 1, 0, ""}};
    const nicest_data_options percent = {.comment = "%"}, none = {.comment = "none"},
                              no_header = {.header = -1};
    (void)state;
    ASSERT_SAMPLES(samples);
    assert_sample(&(sample){"a,b\n%x,y\n1,2\n%\n", "a|b", 1, 1, 2, ""}, "s.csv", &percent);
    assert_sample(&(sample){"#a,b\n1,2\n", "#a|b", 1, 1, 2, ""}, "s.csv", &none);
    assert_sample(&(sample){"#a,b\n1,2\n", "x1|x2", 1, 1, 2, "left out"}, "s.csv", &no_header);
    assert_refused(put_text("a.csv", "#1\n#2\n"), NULL, NICEST_E_DATA, "every line is a comment");
}

static void test_separators(void **state)
{
    static const sample samples[] = {
        {"  2.1   -0.4  0.1\n 0.2 0.7 -1.0 \n", "x1|x2|x3", 2, 2.1, -1.0, "blanks"},
        {"a   b\n1.5 2\n  3  4\n", "a|b", 2, 1.5, 4, "blanks"},
        {"1 \t2\n3\t 4\n", "x1|x2", 2, 1, 4, "tabs"},
        {"1.0 2\n", "x1|x2", 1, 1, 2, "blanks"},
        {"a|b\n1|2\n3|4\n", "a|b", 2, 1, 4, "|"},
        {"sep=;\na;b\n1;2\n3;4\n", "a|b", 2, 1, 4, "columns separated by ;"},
        {"sep=,\n1,2\n3,4\n", "x1|x2", 2, 1, 4, ""},
        {"sep=\t\na\tb\n3\t4\n", "a|b", 1, 3, 4, "tabs"},
        {"first name\n1\n2\n", "first name", 2, 1, 2, ""},
        {"a b,c d\n1,2\n3,4\n", "a b|c d", 2, 1, 4, ""}};
    const nicest_data_options bar = {.separator = "!"}, space = {.separator = "space"},
                              tab = {.separator = "tab"};
    (void)state;
    ASSERT_SAMPLES(samples);
    assert_sample(&(sample){"1!2\n3!4\n", "x1|x2", 2, 1, 4, ""}, "s.csv", &bar);
    assert_sample(&(sample){"a  b\n3 4\n", "a|b", 1, 3, 4, ""}, "s.csv", &space);
    assert_sample(&(sample){"a,b\tc\n3\t4\n", "a,b|c", 1, 3, 4, ""}, "s.csv", &tab);
    const nicest_data_options bad[] = {{.separator = "::"}, {.decimal = ";"}, {.comment = "//"}};
    for (size_t i = 0; i < 3; i++)
        assert_refused(put_text("a.csv", "1,2\n"), &bad[i], NICEST_E_ARGUMENT, "expected");
}

static void test_decimal_commas(void **state)
{
    static const sample samples[] = {
        {"a;b\n-0,388;0,320\n1,5;2\n", "a|b", 2, -0.388, 2, "decimal commas"},
        {"1,5;2,25\n3;4\n", "x1|x2", 2, 1.5, 4, "decimal commas"},
        {"a\tb\n1\t2\n3,5\t4,25\n", "a|b", 2, 1, 4.25, "decimal commas"},
        {"a;b\n1.234,5;1\n12.345.678,25;-1,5e3\n", "a|b", 2, 1234.5, -1500, "decimal commas"},
        {"1,5 2,5\n3,5 4\n", "x1|x2", 2, 1.5, 4, "decimal commas"},
        {"x\n1,5\n2,5\n", "x", 2, 1.5, 2.5, "decimal commas"},
        {"a,b\n\"1,5\",\"2,25\"\n\"3\",\"4,5\"\n", "a|b", 2, 1.5, 4.5, "decimal commas"}};
    const nicest_data_options comma = {.decimal = ",", .separator = ";"}, point = {.decimal = "."};
    (void)state;
    ASSERT_SAMPLES(samples);
    assert_sample(&(sample){"1.234;2\n", "x1|x2", 1, 1234, 2, ""}, "s.csv", &comma);
    assert_sample(&(sample){"1.5,2\n", "x1|x2", 1, 1.5, 2, ""}, "s.csv", &point);
}

static void test_line_ends(void **state)
{
    static const sample samples[] = {{"a,b\r1,2\r3,4\r", "a|b", 2, 1, 4, "CR"},
                                     {"a,b\r1,2\r3,4", "a|b", 2, 1, 4, "CR"},
                                     {"1\r2\r\r3\r", "x1", 3, 1, 3, "CR"},
                                     {"a,b\r\r\n1,2\r\r\n3,4\r\r\n", "a|b", 2, 1, 4, "CR"},
                                     {"\"a\rb\",c\n1,2\n", "a\rb|c", 1, 1, 2, ""},
                                     {"a,b\r\n1,2\r\n", "a|b", 1, 1, 2, ""}};
    (void)state;
    ASSERT_SAMPLES(samples);
}

static void test_holes_in_the_second_row(void **state)
{
    const nicest_data_options third = {.drop = "3"}, first = {.drop = "1"};
    (void)state;
    assert_sample(&(sample){"5.1,3.5,north\n4.9,3.0,?\n4.7,3.2,south\n", "x1|x2", 3, 5.1, 3.2,
                            "no header"},
                  "s.data", &third);
    assert_sample(&(sample){"north,1\n,2\n?,3\nsouth,4\n", "x2", 4, 1, 4, "no header"}, "s.csv",
                  &first);
    assert_sample(&(sample){"5.1,3.5,north\n4.9,,\n", "x1|x2", 2, 5.1, NAN, "no header"}, "s.csv",
                  &third);
    assert_sample(&(sample){"a,1990\n?,1\n3,2\n", "1990", 2, 1, 2, "the first row is a header"},
                  "s.csv", &first);
}

static void test_missing_words(void **state)
{
    const nicest_data_options more = {.missing = "none of it,-999,*"};
    (void)state;
    assert_sample(&(sample){"a,b,c,d,e\nNone,1,1,1,1\n1,<NA>,1,1,1\n1,1,NaT,1,1\n1,1,1,.,1\n1,1,1,1,-\n",
                            "a|b|c|d|e", 5, NAN, NAN, ""},
                  "s.csv", NULL);
    assert_sample(&(sample){"a,b\n#DIV/0!,1\n2,#VALUE!\n#REF!,#NAME?\n#num!,5\n", "a|b", 4, NAN, 5, ""},
                  "s.csv", NULL);
    assert_sample(&(sample){"a,b\n-999.0,1\n*,2\nnone of it,-999\n", "a|b", 3, NAN, NAN, ""},
                  "s.csv", &more);
    assert_sample(&(sample){"a,b\n-99,1\n5,-999\n", "a|b", 2, -99, NAN, ""}, "s.csv", &more);
}

static void test_options_override(void **state)
{
    const nicest_data_options yes = {.header = 1}, no = {.header = -1};
    (void)state;
    assert_sample(&(sample){"5,6\n1,2\n", "5|6", 1, 1, 2, ""}, "s.csv", &yes);
    assert_sample(&(sample){"0,1,2\n0.5,0.5,0.5\n", "x1|x2|x3", 2, 0, 0.5, ""}, "s.csv", &no);
    assert_sample(&(sample){"nan,nan\n1,2\n", "x1|x2", 2, NAN, 2, ""}, "s.csv", &no);
}

static void test_names_in_any_case(void **state)
{
    static const char *const names[] = {"S.CSV", "s.Txt", "S.DATA", "s.TSV"};
    (void)state;
    for (size_t i = 0; i < 4; i++)
        assert_sample(&(sample){i == 3 ? "a\tb\n1\t2\n" : "a,b\n1,2\n", "a|b", 1, 1, 2, ""},
                      names[i], NULL);
}

/* A title is told from names, from one column of decimal commas and from short files. */
static void test_titles(void **state)
{
    static const sample samples[] = {{"x\n1,5\n2,5\n3,25\n4,5\n", "x", 4, 1.5, 4.5, "decimal commas"},
                                     {"x\n1\n2\n3\n4\n", "x", 4, 1, 4, ""},
                                     {"x y\n1\n2\n3\n4\n", "x y", 4, 1, 4, ""},
                                     {"x\n\"1,234\"\n\"2,345\"\n950\n\"1,000,000\"\n", "x", 4, 1234, 1e6, ""}};
    (void)state;
    ASSERT_SAMPLES(samples);
    assert_refused(put_text("a.csv", "Report of May\n\na,b\n1,2\n3,4\n5,6\n"), NULL, NICEST_E_DATA,
                   "a.csv:1: 'Report of May' stands alone above lines of 2 columns: if it is a title, tail "
                   "-n +3 FILE | nicest ... -");
    assert_refused(put_text("a.csv", "Sales\n1;2;3\n3;4;5\n5;6;7\n"), NULL, NICEST_E_DATA, "of 3 columns");
    assert_refused(put_text("a.tsv", "Sales\nx\ty\n3\t4\n5\t6\n"), NULL, NICEST_E_DATA, "of 2 columns");
}

static void test_no_text(void **state)
{
    enum { LINES = 400000 };
    char *text = calloc(LINES + 2, 4);
    (void)state;
    for (size_t i = 0; i < LINES; i++)
        memcpy(text + 4 * i, "1,2\n", 4);
    memcpy(text + (size_t)4 * LINES, "1,\0\n", 4);
    const char *path = put_file("z.csv", text, (size_t)4 * LINES + 4);
    free(text);
    assert_refused(path, NULL, NICEST_E_DATA, "z.csv: holds zero bytes behind line");
    assert_refused(put_file("z.csv", "a,b\n1,2\n\0\0\n", 11), NULL, NICEST_E_FORMAT, "zero bytes");
    assert_refused(put_file("m.csv", "\x40\1\0\0\0\0\0\0{\"a\":", 12), NULL, NICEST_E_FORMAT, "is a model");
}

static void test_no_memory_anywhere(void **state)
{
    const nicest_data_options options = {.missing = "x,-1"};
    (void)state;
    assert_survives_no_memory(put_text("m.csv", "# a;b\n#c\n\"1,5\";2\n-1;x\n3;4\n"), &options);
    assert_survives_no_memory(put_text("m.csv", "0,1,2\n1.5,2.5,3.5\n"), NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_headers_of_numbers),      cmocka_unit_test(test_comments),
        cmocka_unit_test(test_separators),              cmocka_unit_test(test_decimal_commas),
        cmocka_unit_test(test_line_ends),               cmocka_unit_test(test_holes_in_the_second_row),
        cmocka_unit_test(test_missing_words),           cmocka_unit_test(test_options_override),
        cmocka_unit_test(test_titles),                  cmocka_unit_test(test_no_text),
        cmocka_unit_test(test_names_in_any_case),       cmocka_unit_test(test_no_memory_anywhere)};
    return cmocka_run_group_tests(tests, make_scratch, remove_scratch);
}
