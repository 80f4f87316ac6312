/* test_model_hostile.c - 10,000 damaged models: always a status, never a crash or a leak.
 *
 * Damage is of the kinds that readers fall over: bits, lengths, numbers, keys, cut and grown files.
 * A file that loads all the same must still be usable. The seed is fixed. */
#include "model_fixture.h"

enum { TRIALS = 10000, GROWTH = 4096 };

static uint64_t state_of_numbers = 0x243f6a8885a308d3u;

static size_t below(size_t bound)
{
    state_of_numbers ^= state_of_numbers << 13;
    state_of_numbers ^= state_of_numbers >> 7;
    state_of_numbers ^= state_of_numbers << 17;
    return bound ? (size_t)(state_of_numbers >> 11) % bound : 0;
}

/* Of the header as far as there is one; b->size > 16. */
static size_t header_length(const bytes *b)
{
    size_t length = (size_t)b->data[0] | (size_t)b->data[1] << 8;
    return length < 1 ? 1 : length > b->size - 8 ? b->size - 8 : length;
}

static void set_header_length(bytes *b, size_t length)
{
    for (int i = 0; i < 8; i++)
        b->data[i] = (unsigned char)((uint64_t)length >> 8 * i);
}

/* Puts `text` in place of `old` bytes at `at` of the header. */
static void splice(bytes *b, size_t at, size_t old, const char *text)
{
    size_t length = strlen(text), header = header_length(b);
    old = old < b->size - at ? old : b->size - at;
    memmove(b->data + at + length, b->data + at + old, b->size - at - old);
    memcpy(b->data + at, text, length);
    b->size += length - old;
    set_header_length(b, header + length > old ? header + length - old : 0);
}

/* A random place in the header where `pattern` stands; 0 where it does not. */
static size_t find(const bytes *b, const char *pattern)
{
    size_t length = strlen(pattern), end = 8 + header_length(b), start = 8 + below(end - 8),
           at = start;
    do {
        if (at + length <= end && !memcmp(b->data + at, pattern, length))
            return at;
        at = at + 1 < end ? at + 1 : 8;
    } while (at != start);
    return 0;
}

static void flip_bits(bytes *b)
{
    for (size_t i = 0, count = 1 + below(8); i < count; i++)
        b->data[below(b->size)] ^= (unsigned char)(1u << below(8));
}

static void flip_bits_of_header(bytes *b)
{
    for (size_t i = 0, count = 1 + below(3); i < count; i++)
        b->data[8 + below(header_length(b))] ^= (unsigned char)(1u << below(8));
}

static void cut(bytes *b)
{
    b->size = below(b->size + 1);
}

static void grow_tail(bytes *b)
{
    b->size += 1 + below(64);
}

static void change_length(bytes *b)
{
    static const size_t lengths[] = {0, 1, 7, 8, 99999999, 100000001, SIZE_MAX, SIZE_MAX - 7};
    set_header_length(b, below(2) ? lengths[below(8)] : below(2 * b->size));
}

/* A number in the header becomes another. */
static void change_number(bytes *b)
{
    static const char *const numbers[] = {"0",
                                          "1",
                                          "-1",
                                          "2",
                                          "5",
                                          "1048576",
                                          "4294967296",
                                          "9223372036854775807",
                                          "18446744073709551615",
                                          "1e3",
                                          "0.5",
                                          "4611686018427387904",
                                          "null",
                                          "[]"};
    size_t end = 8 + header_length(b), at = 8 + below(end - 8);
    while (at < end && (b->data[at] < '0' || b->data[at] > '9'))
        at++;
    size_t length = 0;
    while (at + length < end && b->data[at + length] >= '0' && b->data[at + length] <= '9')
        length++;
    if (length)
        splice(b, at, length, numbers[below(sizeof numbers / sizeof *numbers)]);
}

/* Two tensors exchange their positions. */
static void swap_offsets(bytes *b)
{
    const char *key = "\"data_offsets\":[";
    size_t first = find(b, key), second = find(b, key), length = strlen(key) + 6;
    if (!first || !second || first == second || first + length > b->size ||
        second + length > b->size)
        return;
    for (size_t i = 0; i < length; i++) {
        unsigned char held = b->data[first + i];
        b->data[first + i] = b->data[second + i];
        b->data[second + i] = held;
    }
}

static void add_text(bytes *b)
{
    static const char *const texts[] = {
        "\"entry.step\":{\"dtype\":\"F64\",\"shape\":[0],\"data_offsets\":[0,0]},",
        "\"extra.x\":{\"dtype\":\"F64\",\"shape\":[0],\"data_offsets\":[0,0]},",
        "\"layers.9.scale\":{\"dtype\":\"F32\",\"shape\":[0,4],\"data_offsets\":[0,0]},",
        "\"__metadata__\":{},",
        "\"a\":[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]],",
        "\\u0000",
        "\\ud800",
        "\xff",
        "\"",
        "{",
        "}",
        "[",
        ","};
    size_t at = below(2) ? find(b, ",\"") + 1 : 8 + below(header_length(b));
    splice(b, at, 0, texts[below(sizeof texts / sizeof *texts)]);
}

static void change_spec(bytes *b)
{
    static const char *const lines[] = {"permute reverse\\n",
                                        "permute random:18446744073709551615\\n",
                                        "coupling move=first hidden=65536x64\\n",
                                        "scale\\n",
                                        "logit margin=1e-300\\n",
                                        "standardise\\n",
                                        "prior normal\\n",
                                        "columns 1048576\\n",
                                        "#\\n",
                                        "\\n",
                                        "x",
                                        "coupling hidden=\\n"};
    size_t at = find(b, "\\n");
    for (size_t i = 0, count = 1 + below(20); at && i < count; i++)
        splice(b, at + 2, 0, lines[below(sizeof lines / sizeof *lines)]);
}

static void remove_some(bytes *b)
{
    size_t at = 8 + below(header_length(b)), most = b->size - at;
    splice(b, at, below(most < 40 ? most : 40), "");
}

static void (*const DAMAGES[])(bytes *) = {
    flip_bits,     flip_bits_of_header, cut,      grow_tail,   change_length, change_number,
    change_number, swap_offsets,        add_text, change_spec, remove_some};

/* What a file that loads is good for. */
static void use(nicest_model *model)
{
    size_t d = nicest_model_columns(model);
    nicest_workspace *w = work(model, 1, 1);
    double *row = memory_new(d, sizeof *row), logp;
    assert_status(nicest_sample(w, 1, 1, 0, 1, row), NICEST_OK);
    assert_status(nicest_log_prob(w, row, 1, &logp), NICEST_OK);
    assert_non_null(nicest_model_column_name(model, d - 1));
    memory_free(row);
    nicest_workspace_free(w);
}

static size_t attack(const char *path)
{
    bytes original = read_bytes(path);
    size_t survivors = 0;
    for (int trial = 0; trial < TRIALS / 2; trial++) {
        bytes b = {memory_new(original.size + GROWTH, 1), original.size};
        memcpy(b.data, original.data, original.size);
        for (size_t i = 0, count = 1 + below(2); i < count && b.size > 16; i++)
            DAMAGES[below(sizeof DAMAGES / sizeof *DAMAGES)](&b);
        assert_true(b.size <= original.size + GROWTH);
        /* a block of exactly its size: a sanitizer sees the first byte read behind it */
        unsigned char *exact = malloc(b.size ? b.size : 1);
        assert_non_null(exact);
        memcpy(exact, b.data, b.size);
        size_t live = memory_live();
        nicest_model *model = NULL;
        nicest_status status = model_load_bytes(&model, exact, b.size);
        assert_true((status == NICEST_OK) == (model != NULL));
        assert_true(status == NICEST_OK || status == NICEST_E_FORMAT ||
                    status == NICEST_E_UNSUPPORTED);
        assert_true(status == NICEST_OK || nicest_error()[0] != '\0');
        if (model) {
            survivors++;
            use(model);
        }
        nicest_model_free(model);
        assert_int_equal(memory_live(), live);
        free(exact);
        memory_free(b.data);
    }
    memory_free(original.data);
    return survivors;
}

static void damaged_models_get_a_status(void **state)
{
    (void)state;
    size_t survivors = attack(FIXTURE) + attack(FIXTURE_PICTURE);
    /* some damage hits a digit of a weight; most must be seen */
    print_message("%zu of %d damaged models load\n", survivors, TRIALS);
    assert_true(survivors > TRIALS / 200 && survivors < TRIALS / 4);
}

/* Every cut of a file is seen. */
static void every_truncation_is_refused(void **state)
{
    (void)state;
    bytes b = read_bytes(FIXTURE);
    for (size_t size = 0; size < b.size; size++) {
        nicest_model *model = NULL;
        assert_status(model_load_bytes(&model, b.data, size), NICEST_E_FORMAT);
    }
    memory_free(b.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(damaged_models_get_a_status),
        cmocka_unit_test(every_truncation_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
