/* test_model_safetensors.c - the file format by itself: what it takes, and each thing it refuses.
 */
#include "model/safetensors.h"
#include "model_fixture.h"

enum { MOST = 1 << 16 };

/* A file of that header and `body` bytes 0, 1, 2, ... */
static bytes file_of(const char *header, size_t body)
{
    size_t length = strlen(header);
    bytes b = {memory_new(8 + length + body, 1), 8 + length + body};
    assert_non_null(b.data);
    b.data[0] = (unsigned char)length;
    b.data[1] = (unsigned char)(length >> 8);
    memcpy(b.data + 8, header, length);
    for (size_t i = 0; i < body; i++)
        b.data[8 + length + i] = (unsigned char)i;
    return b;
}

static void assert_refused(const char *header, size_t body, const char *words)
{
    safetensors *file = NULL;
    bytes b = file_of(header, body);
    assert_error(safetensors_open_bytes(&file, b.data, b.size), NICEST_E_FORMAT, words);
    assert_null(file);
    memory_free(b.data);
}

#define TENSOR(type, shape, offsets)                                                               \
    "{\"dtype\":\"" type "\",\"shape\":" shape ",\"data_offsets\":" offsets "}"
#define ONE(type, shape, offsets) "{\"a\":" TENSOR(type, shape, offsets) "}"

static void each_fault_has_its_sentence(void **state)
{
    (void)state;
    assert_refused("", 0, "header");
    assert_refused("[]", 0, "'{'");
    assert_refused(" {}", 0, "'{'");
    assert_refused("{", 0, "header");
    assert_refused("{} {}", 0, "header");
    assert_refused("{\"a\":1}", 0, "'a': expected dtype");
    assert_refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, "expected dtype");
    assert_refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4],\"x\":1}}", 4,
                   "nothing else");
    assert_refused(ONE("F16", "[1]", "[0,2]"), 2, "type");
    assert_refused("{\"a\":{\"dtype\":1,\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "type");
    assert_refused(ONE("F32", "[]", "[0,4]"), 4, "one or two sizes");
    assert_refused(ONE("F32", "[1,1,1]", "[0,4]"), 4, "one or two sizes");
    assert_refused(ONE("F32", "{\"x\":1}", "[0,4]"), 4, "one or two sizes");
    assert_refused(ONE("F32", "[-1]", "[0,4]"), 4, "whole numbers");
    assert_refused(ONE("F32", "[1.0]", "[0,4]"), 4, "whole numbers");
    assert_refused(ONE("F32", "[\"1\"]", "[0,4]"), 4, "whole numbers");
    assert_refused(ONE("F32", "[99999999999999999999]", "[0,4]"), 4, "header");
    assert_refused(ONE("F32", "[9223372036854775807,9223372036854775807]", "[0,4]"), 4, "agree");
    assert_refused(ONE("F32", "[4611686018427387905,4]", "[0,16]"), 16, "agree");
    assert_refused(ONE("F32", "[4611686018427387904]", "[0,0]"), 0, "agree");
    assert_refused(ONE("F32", "[2]", "[0,4]"), 4, "agree");
    assert_refused(ONE("F32", "[1]", "[4,0]"), 4, "begin and an end");
    assert_refused(ONE("F32", "[1]", "[0]"), 4, "begin and an end");
    assert_refused(ONE("F32", "[1]", "[0,4,8]"), 4, "begin and an end");
    assert_refused(ONE("F32", "[1]", "[-4,0]"), 4, "begin and an end");
    assert_refused(ONE("F32", "[1]", "[0,4]"), 3, "behind the end");
    assert_refused(ONE("F32", "[1]", "[0,4]"), 5, "1 bytes follow");
    assert_refused(ONE("F32", "[1]", "[4,8]"), 8, "gap");
    assert_refused("{}", 1, "1 bytes follow");
    assert_refused(
        "{\"a\":" TENSOR("U8", "[2]", "[0,2]") ",\"a\":" TENSOR("U8", "[2]", "[2,4]") "}", 4,
        "duplicate");
    assert_refused(
        "{\"a\":" TENSOR("U8", "[2]", "[0,2]") ",\"b\":" TENSOR("U8", "[2]", "[1,3]") "}", 3,
        "overlap");
    assert_refused(
        "{\"a\":" TENSOR("U8", "[2]", "[0,2]") ",\"b\":" TENSOR("U8", "[2]", "[0,2]") "}", 2,
        "overlap");
    assert_refused(
        "{\"a\":" TENSOR("U8", "[2]", "[0,2]") ",\"b\":" TENSOR("U8", "[2]", "[3,5]") "}", 5,
        "gap");
    assert_refused("{\"__metadata__\":[]}", 0, "__metadata__");
    assert_refused("{\"__metadata__\":{\"a\":1}}", 0, "'a' is not a text");
    assert_refused("{\"__metadata__\":{\"a\":\"\",\"a\":\"\"}}", 0, "duplicate");
    assert_refused("{\"__metadata__\":{\"a\":\"\\u0000\"}}", 0, "header");
    assert_refused("{\"__metadata__\":{\"a\":\"\xff\"}}", 0, "header");
}

static void lengths_are_checked(void **state)
{
    (void)state;
    safetensors *file = NULL;
    unsigned char short_file[16] = {0};
    for (size_t size = 0; size < 8; size++)
        assert_error(safetensors_open_bytes(&file, short_file, size), NICEST_E_FORMAT, "only");
    short_file[0] = 9;
    assert_error(safetensors_open_bytes(&file, short_file, 16), NICEST_E_FORMAT, "truncated");
    memset(short_file, 0xff, 8);
    assert_error(safetensors_open_bytes(&file, short_file, 16), NICEST_E_FORMAT, "100 MB");
    assert_null(file);
}

/* Deeper than any parser's stack: jansson has a limit. */
static void deep_nesting_is_refused(void **state)
{
    (void)state;
    char *header = memory_new(MOST, 1);
    strcpy(header, "{\"a\":");
    memset(header + 5, '[', 60000);
    assert_refused(header, 0, "header");
    memory_free(header);
}

static void order_and_alignment_are_free(void **state)
{
    (void)state;
    safetensors *file = NULL;
    bytes b = file_of(
        "{\"c\":" TENSOR("F64", "[1,1]", "[7,15]") ",\"a\":" TENSOR(
            "U8", "[3]",
            "[0,3]") ",\"e\":" TENSOR("F32", "[0]",
                                      "[3,3]") ",\"b\":" TENSOR("F32", "[1]",
                                                                "[3,7]") ",\"__metadata__\":{\"k\":"
                                                                         "\"v\"}}   ",
        15);
    assert_status(safetensors_open_bytes(&file, b.data, b.size), NICEST_OK);
    assert_int_equal(safetensors_count(file), 4);
    assert_int_equal(safetensors_size(file), b.size);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(safetensors_place(file, safetensors_get(file, i).name), i);
    assert_string_equal(safetensors_get(file, 0).name, "a");
    assert_string_equal(safetensors_get(file, 1).name, "e");
    safetensors_tensor c = safetensors_find(file, "c");
    assert_int_equal((uintptr_t)c.data % 8, 0);
    assert_int_equal(c.rank, 2);
    for (size_t i = 0; i < 8; i++)
        assert_int_equal(((const unsigned char *)c.data)[i], 7 + i);
    assert_null(safetensors_find(file, "d").data);
    assert_string_equal(safetensors_find_text(file, "k"), "v");
    assert_null(safetensors_find_text(file, "v"));
    assert_int_equal(safetensors_text_count(file), 1);
    safetensors_close(file);
    safetensors_close(NULL);
    memory_free(b.data);
}

static void what_is_written_is_read(void **state)
{
    (void)state;
    static const float weights[6] = {1, -2, 3.5f, 0, 5, 6};
    static const double numbers[2] = {1e300, -0.0};
    static const unsigned char small[3] = {1, 2, 255};
    static const int64_t whole[1] = {INT64_MIN};
    safetensors_tensor tensors[] = {{"m", SAFE_F32, 2, {2, 3}, weights},
                                    {"v", SAFE_F64, 1, {2, 0}, numbers},
                                    {"s\"\n/\xe2\x82\xac", SAFE_U8, 1, {3, 0}, small},
                                    {"w", SAFE_I64, 1, {1, 0}, whole}};
    safetensors_text texts[] = {{"", "\t\"\\ \x7f"}, {"b", ""}};
    char path[512];
    safetensors *file = NULL;
    temporary("st", path, sizeof path);
    assert_status(safetensors_write(path, tensors, 4, texts, 2), NICEST_OK);
    assert_status(safetensors_open(&file, path), NICEST_OK);
    for (size_t i = 0; i < 4; i++) {
        safetensors_tensor t = safetensors_find(file, tensors[i].name);
        assert_int_equal(t.type, tensors[i].type);
        assert_int_equal(t.rank, tensors[i].rank);
        assert_int_equal(t.shape[0], tensors[i].shape[0]);
        assert_int_equal(t.shape[1], tensors[i].shape[1]);
    }
    assert_memory_equal(safetensors_find(file, "m").data, weights, sizeof weights);
    assert_memory_equal(safetensors_find(file, "v").data, numbers, sizeof numbers);
    assert_memory_equal(safetensors_find(file, tensors[2].name).data, small, sizeof small);
    assert_memory_equal(safetensors_find(file, "w").data, whole, sizeof whole);
    assert_string_equal(safetensors_find_text(file, ""), texts[0].text);
    safetensors_close(file);
    bytes b = read_bytes(path);
    assert_int_equal(b.data[0] % 8, 0);
    memory_free(b.data);
    unlink(path);
}

static void what_cannot_be_written_is_refused(void **state)
{
    (void)state;
    char path[512];
    const float x[1] = {0};
    temporary("refused", path, sizeof path);
    safetensors_tensor twice[] = {{"a", SAFE_F32, 1, {1, 0}, x}, {"a", SAFE_F32, 1, {1, 0}, x}};
    safetensors_tensor large = {"a", SAFE_F64, 2, {SIZE_MAX / 2, 2}, x};
    safetensors_tensor bad = {"\x80", SAFE_F32, 1, {1, 0}, x};
    assert_error(safetensors_write(path, twice, 2, NULL, 0), NICEST_E_ARGUMENT, "twice");
    assert_error(safetensors_write(path, &large, 1, NULL, 0), NICEST_E_ARGUMENT, "shape");
    assert_error(safetensors_write(path, &bad, 1, NULL, 0), NICEST_E_ARGUMENT, "UTF-8");
    assert_error(safetensors_write(path, twice, 1, &(safetensors_text){"a", "\xfe"}, 1),
                 NICEST_E_ARGUMENT, "UTF-8");
    assert_int_not_equal(access(path, F_OK), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_fault_has_its_sentence),
        cmocka_unit_test(lengths_are_checked),
        cmocka_unit_test(deep_nesting_is_refused),
        cmocka_unit_test(order_and_alignment_are_free),
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(what_cannot_be_written_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
