/* test_model_json.c - JSON is read whole and right or not at all: what jansson takes at most, and
 * a process whose memory ends anywhere near that. */
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "model/json.h"
#include "model_fixture.h"

enum { LONG = 200000, BESIDE = 32 };

#ifdef __has_feature /* Clang's way to say it */
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { SANITIZED = 1 }; /* these need terabytes of addresses */
#else
enum { SANITIZED = 0 };
#endif

/* ------------------------------------------------------------------ jansson's appetite */

static size_t live, most;

static void *take(size_t size)
{
    size_t *cells = malloc(size + 16);
    if (!cells)
        return NULL;
    *cells = size + BESIDE;
    live += *cells;
    most = live > most ? live : most;
    return cells + 2;
}

static void give(void *cells)
{
    if (!cells)
        return;
    live -= ((size_t *)cells)[-2];
    free((size_t *)cells - 2);
}

/* begin, then as many units as fit, then end; `count` is printed into units that have a %. */
static char *repeat(const char *begin, const char *unit, const char *end)
{
    char *text = malloc(LONG + 100), *at = text + sprintf(text, "%s", begin);
    assert_non_null(text);
    for (int i = 0; at < text + LONG; i++)
        at += sprintf(at, unit, i); /* NOLINT: ours */
    sprintf(at, "%s", end);
    return text;
}

static void measure(char *text)
{
    json_t *value = NULL;
    size_t size = strlen(text);
    live = most = 0;
    assert_status(json_read(&value, text, size), NICEST_OK);
    json_decref(value);
    assert_int_equal(live, 0);
    if (most > 128 * size + (1 << 16))
        fail_msg("%.20s...: %.1f bytes for each byte", text, (double)most / (double)size);
    free(text);
}

static void jansson_takes_no_more_than_is_asked_for(void **state)
{
    (void)state;
    static const char *const units[] = {"{},",   "[],",   "\"\",",      "1,",
                                        "0.5,",  "[[]],", "{\"\":{}},", "{\"\":0},",
                                        "null,", "[{}],", "[0],",       "{\"a\":{},\"b\":[]},"};
    json_set_alloc_funcs(take, give);
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        measure(repeat("[", units[i], "0]"));
    measure(repeat("{", "\"%x\":0,", "\"\":0}"));
    measure(repeat("{", "\"%x\":{},", "\"\":0}"));
    measure(repeat("\"", "x", "\""));
    measure(repeat("\"", "\\u00e4", "\""));
    measure(repeat("0.", "1", ""));
    for (size_t depth = 1; depth <= 2000; depth += 199) { /* jansson's limit is 2048 */
        char *text = calloc(1, 6 * depth + 2);
        assert_non_null(text);
        for (size_t i = 0; i < depth; i++)
            memcpy(text + 4 * i, "{\"\":", 4);
        text[4 * depth] = '0';
        memset(text + 4 * depth + 1, '}', depth);
        measure(text);
    }
    json_set_alloc_funcs(malloc, free);
}

/* ------------------------------------------------------------------ a process with little memory
 */

static size_t address_space(void)
{
    size_t pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file) {
        if (fscanf(file, "%zu", &pages) != 1)
            pages = 0;
        fclose(file);
    }
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

/* Whether a process can be told to take no more: an emulator of user programs ignores it. */
static bool is_bounded(void)
{
    int ended = 0;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct rlimit limit = {0}, now = {0};
        limit.rlim_cur = limit.rlim_max = address_space() + (1 << 20);
        setrlimit(RLIMIT_AS, &limit);
        getrlimit(RLIMIT_AS, &now);
        _exit(now.rlim_cur == limit.rlim_cur ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &ended, 0), child);
    return WIFEXITED(ended) && WEXITSTATUS(ended) == 0;
}

/* In a process of its own that may take `room` bytes more: 0 read and right, 1 no memory. */
static int read_with(const char *text, const json_t *expected, size_t room)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct rlimit limit = {0};
        json_t *value = NULL;
        limit.rlim_cur = limit.rlim_max = address_space() + room;
        setrlimit(RLIMIT_AS, &limit);
        nicest_status status = json_read(&value, text, strlen(text));
        _exit(status == NICEST_OK         ? (json_equal(value, expected) ? 0 : 9)
              : status == NICEST_E_MEMORY ? 1
                                          : 8);
    }
    int ended = 0;
    assert_int_equal(waitpid(child, &ended, 0), child);
    assert_true(WIFEXITED(ended)); /* no signal: jansson did not run out on its way */
    return WEXITSTATUS(ended);
}

static void no_memory_is_no_wrong_text(void **state)
{
    (void)state;
    if (SANITIZED || address_space() == 0 || !is_bounded())
        skip();
    char *text = repeat("\"", "a text that is long", "\""); /* jansson does not see that one fail */
    json_t *expected = NULL;
    size_t seen[2] = {0};
    assert_status(json_read(&expected, text, strlen(text)), NICEST_OK);
    for (size_t room = 0; room <= 128 * (LONG + 100) + (8 << 20);
         room += room < 1 << 20 ? 1 << 14 : 1 << 20) {
        int ended = read_with(text, expected, room);
        assert_in_range(ended, 0, 1);
        seen[ended]++;
    }
    assert_true(seen[0] > 0 && seen[1] > 0);
    json_decref(expected);
    free(text);
}

/* ------------------------------------------------------------------ words */

static void what_is_no_json_is_said(void **state)
{
    (void)state;
    json_t *value = NULL;
    assert_error(json_read(&value, "{\"a\":1,\"a\":2}", 13), NICEST_E_FORMAT, "duplicate");
    assert_error(json_read(&value, "[1,", 3), NICEST_E_FORMAT, "byte 3");
    assert_error(json_read(&value, "", 0), NICEST_E_FORMAT, "byte 0");
    assert_status(json_read(&value, "[", SIZE_MAX / 2), NICEST_E_MEMORY);
    memory_fail_at(1);
    assert_status(json_read(&value, "[]", 2), NICEST_E_MEMORY);
    memory_fail_at(0);
    assert_null(value);
    assert_status(json_read(&value, "3", 1), NICEST_OK);
    assert_int_equal(json_integer_value(value), 3);
    json_decref(value);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_memory_is_no_wrong_text), /* first: a free heap is memory, too */
        cmocka_unit_test(jansson_takes_no_more_than_is_asked_for),
        cmocka_unit_test(what_is_no_json_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
