/* test_data_words.c - columns of text: words and times become numbers and come back as they were. */
#include "data/moment.h"
#include "data_files.h"

/* The first `count` values of a column are these; the words are joined by '|'. */
static void assert_column(const nicest_data *data, size_t column, nicest_column_kind kind,
                          const char *words, const double *values)
{
    char joined[400] = "";
    size_t count, n = nicest_data_rows(data), d = nicest_data_columns(data);
    const char *const *list = nicest_data_column_words(data, column, &count);
    assert_int_equal(nicest_data_column_kind(data, column), kind);
    for (size_t i = 0; i < count; i++)
        snprintf(joined + strlen(joined), sizeof joined - strlen(joined), "%s%s", i ? "|" : "",
                 list[i]);
    assert_string_equal(joined, words);
    double *all = all_values(data);
    for (size_t i = 0; i < n; i++)
        assert_same(all[i * d + column], values[i]);
    free(all);
}

static void assert_text_file(const char *path, const char *expected)
{
    char *bytes;
    read_file(path, &bytes);
    assert_string_equal(bytes, expected);
    free(bytes);
}

/* Codes are places in the alphabet, whatever the order of rows. */
static void test_words_are_categories(void **state)
{
    const double a[] = {1, 0, NAN, 1, 2}, b[] = {1.5, 2, 3, NAN, 5}, c[] = {1, 0, 0, 1, NAN};
    nicest_data *data = open_plain(
        put_text("w.csv", "a,b,c\nred,1.5,true\nblue,2,False\n,3,False\nred,NA,true\nzinc,5,?\n"));
    (void)state;
    assert_column(data, 0, NICEST_CATEGORY, "blue|red|zinc", a);
    assert_column(data, 1, NICEST_NUMBER, "", b);
    assert_column(data, 2, NICEST_CATEGORY, "False|true", c);
    assert_int_equal(nicest_data_column_decimals(data, 1), 1);
    assert_int_equal(nicest_data_column_decimals(data, 0), -1);
    assert_null(nicest_data_column_format(data, 0));
    const char *path = in_scratch("w2.csv");
    assert_int_equal(nicest_data_save(data, path), NICEST_OK);
    assert_text_file(path, "a,b,c\nred,1.5,true\nblue,2,False\n,3,False\nred,nan,true\nzinc,5,\n");
    nicest_data_free(data);
    data = open_plain(put_text("w.csv", "a,b,c\nzinc,5,?\nred,NA,true\nblue,1,False\n"));
    const double turned[] = {2, 1, 0};
    assert_column(data, 0, NICEST_CATEGORY, "blue|red|zinc", turned);
    nicest_data *other; /* other values, the same words */
    double values[9] = {0};
    assert_int_equal(nicest_data_replace(&other, data, values), NICEST_OK);
    nicest_data_free(data);
    assert_column(other, 0, NICEST_CATEGORY, "blue|red|zinc", values);
    nicest_data_free(other);
}

/* Only words that some row has count; a part of a file has the words of that part. */
static void test_words_of_chosen_rows(void **state)
{
    const char *path = put_text("p.csv", "a,k\nx,1\ny,0\nz,1\n3,2\n4,2\n");
    const nicest_data_options where = {.where = "k=1", .drop = "k"}, two = {.where = "k=2"};
    const double xz[] = {0, 1}, yz[] = {0, 1}, numbers[] = {3, 4};
    char sliced[600];
    (void)state;
    nicest_data *data = open_with(path, &where);
    assert_column(data, 0, NICEST_CATEGORY, "x|z", xz);
    nicest_data_free(data);
    snprintf(sliced, sizeof sliced, "%s[1:3]", path);
    data = open_plain(sliced);
    assert_column(data, 0, NICEST_CATEGORY, "y|z", yz);
    nicest_data_free(data);
    data = open_with(put_text("q.csv", "a,k\n1,1\ny,0\nz,1\n3,2\n4,2\n"), &two);
    assert_column(data, 0, NICEST_NUMBER, "", numbers);
    nicest_data_free(data);
}

static void test_numbers_among_words(void **state)
{
    const double a[] = {0, 1, 2}, b[] = {1, 0, 2};
    nicest_data *data = open_plain(put_text("m.csv", "a,b\n1,x\n2.50,007\nx,y\n"));
    (void)state;
    assert_column(data, 0, NICEST_CATEGORY, "1|2.5|x", a);
    assert_column(data, 1, NICEST_CATEGORY, "007|x|y", b);
    nicest_data_free(data);
    char text[1000] = "a\n";
    for (int i = 0; i < 30; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%d.5\n", i);
    strcat(text, "oops\n");
    assert_refused(put_text("m.csv", text), NULL, NICEST_E_DATA,
                   "m.csv:32: column a: 'oops' is not a number, and 30 different numbers stand in "
                   "this column; if it is a missing value: --missing 'oops', else --drop 'a'");
    strcpy(text, "a\n");
    for (int i = 0; i < 30; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "2024-01-%02d\n", i % 31 + 1);
    strcat(text, "soon\n");
    assert_refused(put_text("t.csv", text), NULL, NICEST_E_DATA,
                   "t.csv:32: column a: 'soon' is not a time, and 30 different times stand in this column");
    strcpy(text, "a\n");
    for (int i = 0; i < 30; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%d.5\n", i);
    strcat(text, "oops\n");
    const nicest_data_options missing = {.missing = "oops"};
    data = open_with(put_text("m.csv", text), &missing);
    assert_int_equal(nicest_data_column_kind(data, 0), NICEST_NUMBER);
    assert_int_equal(nicest_data_rows(data), 31);
    nicest_data_free(data);
}

static void test_quoted_words(void **state)
{
    const double a[] = {2, 1, 0};
    const char *path = put_text("q.csv", "a,\"#b\"\n\"two\nlines\",1\n\"say \"\"x\"\", y\",2\n\" #c;\",3\n");
    nicest_data *data = open_plain(path);
    (void)state;
    assert_column(data, 0, NICEST_CATEGORY, "#c;|say \"x\", y|two\nlines", a);
    const char *again = in_scratch("q2.csv");
    assert_int_equal(nicest_data_save(data, again), NICEST_OK);
    nicest_data_free(data);
    data = open_plain(again);
    assert_column(data, 0, NICEST_CATEGORY, "#c;|say \"x\", y|two\nlines", a);
    assert_string_equal(nicest_data_column_name(data, 1), "#b");
    nicest_data_free(data);
}

/* Every kind of time, as a number and back. */
static void test_times(void **state)
{
    static const struct {
        const char *first, *second, *format;
        double difference;
    } times[] = {{"1970-01-02", "1970-03-01", "YYYY-MM-DD", 58},
                 {"2000-02-28", "2000-03-01", "YYYY-MM-DD", 2},
                 {"1899-12-31", "1900-03-01", "YYYY-MM-DD", 60},
                 {"10:00", "11:30", "hh:mm", 5400},
                 {"10:00:00", "09:59:59", "hh:mm:ss", -1},
                 {"00:00:00.25", "00:00:01.50", "hh:mm:ss.ff", 1.25},
                 {"2024-02-29T23:59:59Z", "2024-03-01T00:00:00Z", "YYYY-MM-DDThh:mm:ssZ", 1},
                 {"2024-01-01 00:00", "2024-01-02 12:00", "YYYY-MM-DD hh:mm", 129600},
                 {"2024-01-01T00:00:00.125+01:00", "2024-01-01T00:00:00.250+01:00",
                  "YYYY-MM-DDThh:mm:ss.fff+01:00", 0.125},
                 {"1969-12-31T23:00:00", "1970-01-01T01:00:00", "YYYY-MM-DDThh:mm:ss", 7200}};
    (void)state;
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        char text[300];
        snprintf(text, sizeof text, "t,n\n%s,1\n,2\n%s,3\n", times[i].first, times[i].second);
        nicest_data *data = open_plain(put_text("t.csv", text));
        assert_int_equal(nicest_data_column_kind(data, 0), NICEST_TIME);
        assert_string_equal(nicest_data_column_format(data, 0), times[i].format);
        double *values = all_values(data);
        assert_true(values[4] - values[0] == times[i].difference && isnan(values[2]));
        free(values);
        const char *path = in_scratch("t2.csv");
        assert_int_equal(nicest_data_save(data, path), NICEST_OK);
        assert_text_file(path, text);
        nicest_data_free(data);
    }
}

static void test_what_is_no_time(void **state)
{
    static const char *const words[] = {"2024-02-30",       "2024-13-01", "2024-1-1",   "24:00",
                                        "12:60",            "12:00:61",   "1:00",       "2024-01-01T",
                                        "2024-01-01T10:00x", "20-01-2024", "2024/01/01", "12:00:00."};
    moment_format format;
    double value;
    (void)state;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        assert_false(moment_read(words[i], strlen(words[i]), &value, &format));
    /* times that do not go together are words, with what stood before them */
    nicest_data *data = open_plain(put_text("t.csv", "t\n2024-01-01\n10:00\n5\n"));
    const double codes[] = {1, 0, 2};
    assert_column(data, 0, NICEST_CATEGORY, "10:00|2024-01-01|5", codes);
    nicest_data_free(data);
}

/* All days of four centuries, and back. */
static void test_calendar(void **state)
{
    moment_format format, again;
    char text[MOMENT_SIZE], spelt[MOMENT_SIZE];
    double value;
    (void)state;
    assert_true(moment_read("1970-01-01", 10, &value, &format) && value == 0);
    for (double day = -73049; day < 73049; day++) {
        size_t size = moment_write(day, &format, text);
        assert_true(size == 10 && moment_read(text, size, &value, &again) && value == day);
    }
    moment_write(INFINITY, &format, text);
    assert_string_equal(text, "nan");
    moment_format_write(&format, spelt);
    assert_true(moment_format_read(spelt, &again) && again.date && !again.time);
}

static void test_decimals(void **state)
{
    nicest_data *data =
        open_plain(put_text("d.csv", "a,b,c,d,e\n1,1.50,2e-3,1e5,\n2,3.1,4,3,\n"));
    const int decimals[] = {0, 2, 3, 0, -1};
    (void)state;
    for (size_t j = 0; j < 5; j++)
        assert_int_equal(nicest_data_column_decimals(data, j), decimals[j]);
    nicest_data_free(data);
    data = open_plain("toy:moons,n=3");
    assert_int_equal(nicest_data_column_decimals(data, 0), -1);
    nicest_data_free(data);
}

/* A million rows of as many words take seconds, not hours. */
static void test_many_words(void **state)
{
    enum { ROWS = 200000 };
    const char *path = in_scratch("many.csv");
    FILE *file = fopen(path, "wb");
    (void)state;
    fputs("word,label\n", file);
    for (size_t i = 0; i < ROWS; i++)
        fprintf(file, "w%zu,l%zu\n", i * 7919 % ROWS, i);
    fclose(file);
    const nicest_data_options options = {.label = "label"};
    nicest_data *data = open_with(path, &options);
    size_t count;
    nicest_data_column_words(data, 0, &count);
    assert_int_equal(count, ROWS);
    assert_string_equal(nicest_data_label_text(data, ROWS - 1), "l199999");
    nicest_data_free(data);
}

static void test_columns_side_by_side(void **state)
{
    nicest_data *data = open_plain(put_text("s.csv", "a,b,c\nx,1,2024-01-01\ny,2,2024-01-02\n"));
    const size_t columns[] = {2, 0}, beyond[] = {3};
    nicest_data *taken, *beside;
    (void)state;
    assert_int_equal(nicest_data_take(&taken, data, columns, 2), NICEST_OK);
    assert_int_equal(nicest_data_beside(&beside, taken, data), NICEST_OK);
    assert_int_equal(nicest_data_take(&taken, data, beyond, 1), NICEST_E_ARGUMENT);
    nicest_data_free(data);
    nicest_data_free(taken);
    const char *path = in_scratch("s2.csv");
    assert_int_equal(nicest_data_save(beside, path), NICEST_OK);
    nicest_data_free(beside);
    assert_text_file(path, "c,a,a,b,c\n2024-01-01,x,x,1,2024-01-01\n2024-01-02,y,y,2,2024-01-02\n");
}

/* The columns of one table in another: any order, others beside them, its own words. */
static void test_align(void **state)
{
    nicest_data *like = open_plain(put_text("l.csv", "w,2019,n,t\nb,1,2,2024-01-01\na,1,2,2024-01-01\n"));
    nicest_data *data = open_plain(put_text(
        "d.csv", "n,extra,t,w,x2019\n5,q,2024-01-02T12:00,a,7\n6,q,2024-01-03T00:00,zz,8\n7,q,,b,9\n"));
    nicest_data *out;
    const double expected[] = {0, 7, 5, 19724.5, 2, 8, 6, 19725, 1, 9, 7, NAN};
    (void)state;
    assert_int_equal(nicest_data_align(&out, like, data), NICEST_OK);
    assert_values(out, 3, 4, expected);
    assert_string_equal(nicest_data_column_name(out, 1), "2019");
    assert_non_null(strstr(nicest_data_note(out), "left out: extra"));
    nicest_data_free(out);
    nicest_data_free(data);
    static const struct {
        const char *text, *error;
    } wrong[] = {{"w,2019,n\na,1,2\n", "column 't' of the other data is not there"},
                 {"w,x2019,n,t\na,1,x,2024-01-01\n", "column 'n' holds words ('x', ...)"},
                 {"w,2019,n,t\na,1,1,5\n", "column 't' holds numbers"},
                 {"1,2,3\n", "the data has 3 columns, the other data 4"}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        data = open_plain(put_text("d.csv", wrong[i].text));
        assert_int_equal(nicest_data_align(&out, like, data), NICEST_E_MISMATCH);
        assert_non_null(strstr(nicest_error(), wrong[i].error));
        nicest_data_free(data);
    }
    nicest_data_free(like);
    like = open_plain(put_text("l.csv", "1,2.5\n3,4.5\n")); /* no names: by position */
    data = open_plain(put_text("d.csv", "b,a\n1,2\n"));
    const double two[] = {1, 2};
    assert_int_equal(nicest_data_align(&out, like, data), NICEST_OK);
    assert_values(out, 1, 2, two);
    nicest_data_free(out);
    nicest_data_free(data);
    data = open_plain(put_text("d.csv", "1,2,3.5\n"));
    assert_int_equal(nicest_data_align(&out, like, data), NICEST_E_MISMATCH);
    nicest_data_free(data);
    nicest_data_free(like);
}

static void test_facts(void **state)
{
    char text[4000] = "id,clock,day,note,kind,flag,x,none\n";
    static const char *const what[] = {"count", "whole numbers", "time",    "text",
                                       "words", "two values",    "numbers", "empty"};
    (void)state;
    for (int i = 0; i < 25; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%d,%d,2024-01-%02d,n%d,%s,%d,%g,\n",
                 1000 + i, i * i + 7, 1 + i * 7 % 25, i * 7, i % 5 ? "a" : "b", i % 2, i * 7 % 25 / 4.0);
    nicest_data *data = open_plain(put_text("f.csv", text));
    nicest_column_facts facts[8];
    assert_int_equal(nicest_data_facts(data, facts), NICEST_OK);
    for (size_t j = 0; j < 8; j++)
        assert_string_equal(facts[j].what, what[j]);
    for (size_t j = 0; j < 8; j++)
        assert_int_equal(facts[j].advice != NULL, j == 0 || j == 1 || j == 3 || j == 7);
    assert_null(strstr(facts[3].advice, "12.5"));
    char shown[32];
    nicest_data_value_text(data, 2, facts[2].most, shown, sizeof shown);
    assert_string_equal(shown, "2024-01-25");
    nicest_data_value_text(data, 4, facts[4].least, shown, sizeof shown);
    assert_string_equal(shown, "b");
    assert_true(facts[6].median == 3 && facts[7].missing == 25 && facts[5].levels == 2);
    nicest_data_free(data);
}

/* What training takes columns for is told before. */
static void test_what_training_takes(void **state)
{
    static const char *const taken[] = {"nothing",        "a category", "a category", "values",
                                        "a mass point, and values beside it", "a constant", "values"};
    char text[9000] = "id,word,stars,count,rain,one,x\n";
    (void)state;
    for (int i = 0; i < 120; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%d,%s,%d,%d,%g,7,%g\n", i,
                 i % 3 ? "dry" : "wet", i % 10, i % 11, i % 3 ? 0.0 : i / 4.0, i * 7 % 120 / 8.0);
    nicest_data *data = open_plain(put_text("f.csv", text));
    nicest_column_facts facts[7];
    assert_int_equal(nicest_data_facts(data, facts), NICEST_OK);
    for (size_t j = 0; j < 7; j++) {
        assert_string_equal(facts[j].taken, taken[j]);
        assert_true(j == 4 ? facts[j].point == 0 : isnan(facts[j].point));
    }
    nicest_data_free(data);
}

/* Text that was meant as numbers or dates says how these are read. */
static void test_text_of_numbers(void **state)
{
    static const char *const forms[] = {"%02d/05/2024", "%d kg", "(%d.50)", "%d'000", "0x%d", "$ %d"};
    (void)state;
    for (size_t k = 0; k < sizeof forms / sizeof *forms; k++) {
        char text[900] = "a\n";
        nicest_column_facts facts;
        for (int i = 1; i <= 25; i++)
            snprintf(text + strlen(text), sizeof text - strlen(text), forms[k], i), strcat(text, "\n");
        nicest_data *data = open_plain(put_text("f.csv", text));
        assert_int_equal(nicest_data_facts(data, &facts), NICEST_OK);
        assert_non_null(strstr(facts.advice, "12.5, 12.5% or $3"));
        nicest_data_free(data);
    }
}

/* What is written of a value is read again; nothing else is a value of the column. */
static void test_text_is_a_value(void **state)
{
    static const struct {
        const char *name, *text, *no;
        double value;
    } cells[] = {{"word", "b", "zebra", 1},    {"day", "1970-01-03", "3", 2},
                 {"price", "$1,250", "b", 1250}, {"price", "-3.5", "", -3.5},
                 {"at", "1970-01-01T00:01", "00:01", 60}, {"at", "1970-01-02", "b", 86400},
                 {"day", "1970-01-02T12:00", "12:00", 1.5}};
    nicest_data *data = open_plain(put_text(
        "v.csv", "word,day,price,at\na,2024-01-01,$3,2024-01-01T10:00\nb,2024-01-02,$4.50,2024-01-02T11:30\n"));
    char text[80];
    double value;
    (void)state;
    for (size_t i = 0; i < sizeof cells / sizeof *cells; i++) {
        size_t j = 0;
        while (strcmp(nicest_data_column_name(data, j), cells[i].name) != 0)
            j++;
        assert_int_equal(nicest_data_text_value(data, j, cells[i].text, &value), NICEST_OK);
        assert_true(value == cells[i].value);
        assert_int_equal(nicest_data_text_value(data, j, cells[i].no, &value), NICEST_E_ARGUMENT);
        nicest_data_value_text(data, j, value, text, sizeof text);
        assert_int_equal(nicest_data_text_value(data, j, text, &value), NICEST_OK);
        assert_true(value == cells[i].value || cells[i].value == 1.5);
    }
    nicest_data_free(data);
}

static void test_words_without_memory(void **state)
{
    const nicest_data_options options = {.label = "k"};
    (void)state;
    assert_survives_no_memory(
        put_text("m.csv", "a,b,k\nx,2024-01-01,1\n1,2024-01-02,u\ny,2024-01-02,v\n"), &options);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words_are_categories), cmocka_unit_test(test_words_of_chosen_rows),
        cmocka_unit_test(test_numbers_among_words),  cmocka_unit_test(test_quoted_words),
        cmocka_unit_test(test_times),                cmocka_unit_test(test_what_is_no_time),
        cmocka_unit_test(test_calendar),             cmocka_unit_test(test_decimals),
        cmocka_unit_test(test_many_words),           cmocka_unit_test(test_columns_side_by_side),
        cmocka_unit_test(test_facts),                cmocka_unit_test(test_what_training_takes),
        cmocka_unit_test(test_text_is_a_value),      cmocka_unit_test(test_text_of_numbers),
        cmocka_unit_test(test_align),                cmocka_unit_test(test_words_without_memory)};
    return cmocka_run_group_tests(tests, make_scratch, remove_scratch);
}
