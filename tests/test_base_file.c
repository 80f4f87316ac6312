/* Files: what is written comes back, gzip in all its forms is read or refused, and an output
 * appears whole or not at all. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/memory.h"

static char folder[400];
static char path[600], other[600];

static const char *in_folder(char *buffer, const char *name)
{
    snprintf(buffer, 600, "%s/%s", folder, name);
    return buffer;
}

static int make_folder(void **state)
{
    (void)state;
    const char *place = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%s/nicest-test-XXXXXX", place != NULL ? place : "/tmp");
    return mkdtemp(folder) == NULL;
}

/* Removes the files and returns how many there were. */
static int empty_folder(void)
{
    int count = 0;
    DIR *open_folder = opendir(folder);
    for (struct dirent *entry; (entry = readdir(open_folder)) != NULL;) {
        char name[900];
        snprintf(name, sizeof name, "%s/%s", folder, entry->d_name);
        if (entry->d_name[0] == '.' && strlen(entry->d_name) <= 2)
            continue;
        count++;
        unlink(name);
    }
    closedir(open_folder);
    return count;
}

static int remove_folder(void **state)
{
    (void)state;
    empty_folder();
    return rmdir(folder);
}

static int clean(void **state)
{
    (void)state;
    empty_folder();
    return 0;
}

static void put(const char *where, const void *bytes, size_t size)
{
    FILE *file = fopen(where, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

/* One gzip member. */
static unsigned char *gzip(const void *bytes, size_t size, size_t *packed_size)
{
    z_stream stream;
    memset(&stream, 0, sizeof stream);
    assert_int_equal(deflateInit2(&stream, 9, Z_DEFLATED, 16 + MAX_WBITS, 9, Z_DEFAULT_STRATEGY),
                     Z_OK);
    size_t room = deflateBound(&stream, size) + 64;
    unsigned char *packed = malloc(room);
    stream.next_in = (unsigned char *)(uintptr_t)bytes;
    stream.avail_in = (unsigned)size;
    stream.next_out = packed;
    stream.avail_out = (unsigned)room;
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    *packed_size = room - stream.avail_out;
    deflateEnd(&stream);
    return packed;
}

/* Text that compresses, but not to nothing. */
static unsigned char *sample(size_t size)
{
    unsigned char *bytes = malloc(size + 1);
    uint32_t x = 1;
    for (size_t i = 0; i < size; i++) {
        x = x * 1664525 + 1013904223;
        bytes[i] = (unsigned char)("0123456789,.-\n"[(x >> 24) % 14]);
    }
    return bytes;
}

/* Reads all of a file by a reader, in pieces of `piece`. */
static nicest_status read_all(const char *where, size_t piece, unsigned char *out, size_t room,
                              size_t *size)
{
    file_reader *reader = NULL;
    nicest_status status = file_reader_open(&reader, where);
    if (status != NICEST_OK)
        return status;
    *size = 0;
    size_t got = 1;
    while (status == NICEST_OK && got > 0) {
        size_t want = room - *size < piece ? room - *size : piece;
        if (want == 0)
            break;
        status = file_reader_read(reader, out + *size, want, &got);
        if (status == NICEST_OK)
            *size += got;
    }
    file_reader_close(reader);
    return status;
}

/* Both ways of reading give `want`. */
static void assert_reads_as(const char *where, const unsigned char *want, size_t size)
{
    file_bytes bytes;
    assert_int_equal(file_load(&bytes, where, 0), NICEST_OK);
    assert_int_equal(bytes.size, size);
    assert_non_null(bytes.data);
    assert_memory_equal(bytes.data, want, size);
    file_release(&bytes);
    unsigned char *out = malloc(size + 10);
    static const size_t pieces[] = {1000000, 1000, 7};
    for (int i = 0; i < 3; i++) {
        size_t got = 0;
        assert_int_equal(read_all(where, pieces[i], out, size + 10, &got), NICEST_OK);
        assert_int_equal(got, size);
        assert_memory_equal(out, want, size);
    }
    free(out);
}

/* Both ways refuse, with a status, words that name the file, and untouched results. */
static void assert_refused(const char *where, nicest_status status)
{
    file_bytes bytes = {(const unsigned char *)"x", 12345, true};
    size_t live = memory_live();
    assert_int_equal(file_load(&bytes, where, 0), status);
    assert_int_equal(bytes.size, 12345);
    assert_non_null(strstr(nicest_error(), where));
    unsigned char *out = malloc(1 << 20);
    size_t got;
    assert_int_equal(read_all(where, 1000, out, 1 << 20, &got), status);
    assert_non_null(strstr(nicest_error(), where));
    free(out);
    assert_int_equal(memory_live(), live);
}

static void test_plain(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 2, 4095, 4096, 4097, 262144, 700001};
    in_folder(path, "plain");
    for (int i = 0; i < 8; i++) {
        unsigned char *bytes = sample(sizes[i]);
        put(path, bytes, sizes[i]);
        assert_reads_as(path, bytes, sizes[i]);
        free(bytes);
    }
}

/* What was loaded stays, whoever cuts or overwrites the file; from a size on it is mapped. */
static void test_files_that_change_while_they_are_read(void **state)
{
    (void)state;
    enum { SIZE = 700001 };
    unsigned char *want = sample(SIZE);
    file_bytes bytes;
    in_folder(path, "changing");
    put(path, want, SIZE);
    assert_int_equal(file_load(&bytes, path, 0), NICEST_OK);
    assert_int_equal(truncate(path, 10), 0);
    assert_int_equal(bytes.size, SIZE);
    assert_memory_equal(bytes.data, want, SIZE);
    file_release(&bytes);
    for (int larger = 0; larger < 2; larger++) {
        assert_int_equal(truncate(path, (off_t)FILE_MOST_COPIED + larger), 0);
        assert_int_equal(file_load(&bytes, path, 0), NICEST_OK);
        assert_int_equal(bytes.size, FILE_MOST_COPIED + larger);
        assert_int_equal(bytes.mapped, larger);
        assert_memory_equal(bytes.data, want, 10);
        file_release(&bytes);
    }
    free(want);
}

static void test_gzip_and_members(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 2, 100, 262143, 262144, 1000003};
    in_folder(path, "packed.gz");
    for (int i = 0; i < 7; i++) {
        unsigned char *bytes = sample(sizes[i] * 3);
        size_t packed_size;
        unsigned char *packed = gzip(bytes, sizes[i], &packed_size);
        put(path, packed, packed_size);
        assert_reads_as(path, bytes, sizes[i]);
        /* an empty member, this one, an empty one, and this one again */
        size_t empty_size, total = 0;
        unsigned char *empty = gzip("", 0, &empty_size);
        unsigned char *joined = malloc(2 * (packed_size + empty_size));
        for (int part = 0; part < 4; part++) {
            const unsigned char *from = part % 2 ? packed : empty;
            size_t size = part % 2 ? packed_size : empty_size;
            memcpy(joined + total, from, size);
            total += size;
        }
        put(path, joined, total);
        memcpy(bytes + sizes[i], bytes, sizes[i]);
        assert_reads_as(path, bytes, 2 * sizes[i]);
        free(joined);
        free(empty);
        free(packed);
        free(bytes);
    }
}

/* Cut anywhere, a gzipped file is refused, never read short. (Below two bytes it is not gzip.) */
static void test_truncation(void **state)
{
    (void)state;
    unsigned char *bytes = sample(5000);
    size_t packed_size, second_size;
    unsigned char *packed = gzip(bytes, 5000, &packed_size);
    unsigned char *second = gzip(bytes, 300, &second_size);
    in_folder(path, "cut.gz");
    for (size_t cut = 2; cut < packed_size; cut += cut < 30 || cut > packed_size - 30 ? 1 : 101) {
        put(path, packed, cut);
        assert_refused(path, NICEST_E_FORMAT);
    }
    packed = realloc(packed, packed_size + second_size);
    memcpy(packed + packed_size, second, second_size);
    for (size_t cut = 1; cut < second_size; cut += 11) {
        put(path, packed, packed_size + cut);
        assert_refused(path, NICEST_E_FORMAT);
    }
    free(second);
    free(packed);
    free(bytes);
}

static void test_damage(void **state)
{
    (void)state;
    unsigned char *bytes = sample(3000);
    size_t size;
    unsigned char *packed = gzip(bytes, 3000, &size);
    packed = realloc(packed, size + 3);
    in_folder(path, "damaged.gz");
    memcpy(packed + size, "abc", 3);
    put(path, packed, size + 3);
    assert_refused(path, NICEST_E_FORMAT);
    put(path, packed, size + 1);
    assert_refused(path, NICEST_E_FORMAT);
    for (size_t at = size - 8; at < size; at++) { /* checksum and length */
        packed[at] ^= 1;
        put(path, packed, size);
        assert_refused(path, NICEST_E_FORMAT);
        packed[at] ^= 1;
    }
    int refused = 0;
    for (size_t at = 10; at < size - 8; at += 13) {
        packed[at] ^= 0x10;
        put(path, packed, size);
        file_bytes out;
        if (file_load(&out, path, 0) != NICEST_OK)
            refused++;
        else
            file_release(&out);
        packed[at] ^= 0x10;
    }
    assert_true(refused > 50);
    free(packed);
    free(bytes);
}

/* gzip and zcat pass zero bytes behind the data by; anything else there is an error. */
static void test_padding(void **state)
{
    (void)state;
    size_t size;
    unsigned char *packed = gzip((unsigned char *)"a,b\n1,2\n", 8, &size);
    unsigned char *padded = calloc(1, size + 100000);
    memcpy(padded, packed, size);
    in_folder(path, "padded.gz");
    for (size_t zeros = 1; zeros <= 100000; zeros = zeros * 17 + 1) {
        file_bytes bytes;
        put(path, padded, size + zeros);
        assert_int_equal(file_load(&bytes, path, 0), NICEST_OK);
        assert_int_equal(bytes.size, 8);
        file_release(&bytes);
        padded[size + zeros] = 'x';
        put(path, padded, size + zeros + 1);
        assert_int_equal(file_load(&bytes, path, 0), NICEST_E_FORMAT);
        assert_non_null(strstr(nicest_error(), "follows the gzip data"));
        padded[size + zeros] = 0;
    }
    free(padded);
    free(packed);
}

static void test_bomb_and_limit(void **state)
{
    (void)state;
    unsigned char *zeros = calloc(1, 20000000);
    size_t size;
    unsigned char *packed = gzip(zeros, 20000000, &size);
    in_folder(path, "bomb.gz");
    put(path, packed, size);
    file_bytes bytes = {NULL, 77, false};
    size_t live = memory_live();
    assert_int_equal(file_load(&bytes, path, 19999999), NICEST_E_FORMAT);
    assert_non_null(strstr(nicest_error(), "19999999"));
    assert_int_equal(bytes.size, 77);
    assert_int_equal(memory_live(), live);
    assert_int_equal(file_load(&bytes, path, 20000000), NICEST_OK);
    assert_int_equal(bytes.size, 20000000);
    file_release(&bytes);
    assert_int_equal(file_load(&bytes, path, 0), NICEST_OK);
    file_release(&bytes);
    unsigned char piece[4096];
    for (uint64_t most = 19999999; most <= 20000000; most++) { /* read forward */
        file_reader *reader = NULL;
        size_t got = 1, all = 0;
        assert_int_equal(file_reader_open(&reader, path), NICEST_OK);
        file_reader_limit(reader, most);
        nicest_status status = NICEST_OK;
        while (status == NICEST_OK && got > 0) {
            status = file_reader_read(reader, piece, sizeof piece, &got);
            all += status == NICEST_OK ? got : 0;
        }
        assert_int_equal(status, most < 20000000 ? NICEST_E_FORMAT : NICEST_OK);
        assert_true(most < 20000000 ? all < 20000000 : all == 20000000);
        file_reader_close(reader);
    }
    packed[size - 1] = 0xff; /* a length that lies does not make us allocate it */
    put(path, packed, size);
    assert_int_equal(file_load(&bytes, path, 0), NICEST_E_FORMAT);
    free(packed);
    free(zeros);
}

static void test_memory_runs_out(void **state)
{
    (void)state;
    unsigned char *content = sample(400000);
    size_t size, live = memory_live();
    unsigned char *packed = gzip(content, 400000, &size);
    in_folder(path, "gz");
    put(path, packed, size);
    nicest_status status = NICEST_E_MEMORY;
    for (size_t call = 1; status != NICEST_OK; call++) {
        file_bytes bytes = {NULL, 0, false};
        memory_fail_at(call);
        status = file_load(&bytes, path, 0);
        memory_fail_at(0);
        assert_true(status == NICEST_OK || status == NICEST_E_MEMORY);
        file_release(&bytes);
        assert_int_equal(memory_live(), live);
    }
    unsigned char out[2000];
    status = NICEST_E_MEMORY;
    for (size_t call = 1; status != NICEST_OK; call++) {
        size_t got;
        memory_fail_at(call);
        status = read_all(path, 1000, out, sizeof out, &got);
        memory_fail_at(0);
        assert_true(status == NICEST_OK || status == NICEST_E_MEMORY);
        assert_int_equal(memory_live(), live);
    }
    put(path, "old", 3);
    status = NICEST_E_MEMORY;
    for (size_t call = 1; status != NICEST_OK; call++) {
        file_writer *writer = NULL;
        memory_fail_at(call);
        status = file_writer_open(&writer, path);
        if (status == NICEST_OK)
            status = file_writer_write(writer, "five", 4);
        if (writer != NULL) {
            nicest_status end = file_writer_commit(writer);
            assert_true(status == NICEST_OK || end != NICEST_OK);
            status = end;
        }
        memory_fail_at(0);
        assert_int_equal(memory_live(), live);
    }
    free(packed);
    free(content);
}

static void test_not_files(void **state)
{
    (void)state;
    assert_refused(folder, NICEST_E_IO);
    assert_refused(in_folder(path, "missing"), NICEST_E_IO);
    assert_true(file_is_directory(folder));
    assert_false(file_is_directory(path));
    assert_true(file_exists(folder));
    assert_false(file_exists(path));
    assert_int_equal(mkfifo(path, 0600), 0);
    file_bytes bytes;
    assert_int_equal(file_load(&bytes, path, 0), NICEST_E_IO); /* and does not wait */
}

static void assert_holds(const char *where, const char *text)
{
    assert_reads_as(where, (const unsigned char *)text, strlen(text));
}

static void test_write(void **state)
{
    (void)state;
    in_folder(path, "out");
    file_writer *writer = NULL;
    unsigned char *big = sample(1000000);
    assert_int_equal(file_writer_open(&writer, path), NICEST_OK);
    assert_false(file_exists(path)); /* not before commit */
    assert_int_equal(file_writer_write(writer, big, 100), NICEST_OK);
    assert_int_equal(file_writer_write(writer, big + 100, 262144), NICEST_OK);
    assert_int_equal(file_writer_write(writer, big + 262244, 262143), NICEST_OK);
    for (size_t at = 524387; at < 1000000; at += 1001) {
        size_t left = 1000000 - at;
        assert_int_equal(file_writer_write(writer, big + at, left < 1001 ? left : 1001), NICEST_OK);
    }
    assert_int_equal(file_writer_commit(writer), NICEST_OK);
    assert_reads_as(path, big, 1000000);
    struct stat info;
    mode_t mask = umask(0);
    umask(mask);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0666 & ~mask);
    assert_int_equal(empty_folder(), 1);
    free(big);
}

static void test_abandon_leaves_nothing(void **state)
{
    (void)state;
    file_writer *writer = NULL;
    in_folder(path, "new");
    assert_int_equal(file_writer_open(&writer, path), NICEST_OK);
    assert_int_equal(file_writer_write(writer, "half", 4), NICEST_OK);
    file_writer_abandon(writer);
    assert_int_equal(empty_folder(), 0);
    put(path, "old", 3);
    assert_int_equal(file_writer_open(&writer, path), NICEST_OK);
    assert_int_equal(file_writer_write(writer, "half", 4), NICEST_OK);
    file_writer_abandon(writer);
    assert_holds(path, "old");
    assert_int_equal(empty_folder(), 1);
    file_writer_abandon(NULL);
}

/* Two writers of one path do not meet; the last commit stands. */
static void test_two_writers(void **state)
{
    (void)state;
    file_writer *first = NULL, *second = NULL;
    in_folder(path, "both");
    assert_int_equal(file_writer_open(&first, path), NICEST_OK);
    assert_int_equal(file_writer_open(&second, path), NICEST_OK);
    file_writer_write(first, "first", 5);
    file_writer_write(second, "second", 6);
    assert_int_equal(file_writer_commit(second), NICEST_OK);
    assert_holds(path, "second");
    assert_int_equal(file_writer_commit(first), NICEST_OK);
    assert_holds(path, "first");
    assert_int_equal(empty_folder(), 1);
}

static void test_links_are_followed(void **state)
{
    (void)state;
    file_writer *writer = NULL;
    in_folder(path, "link");
    in_folder(other, "target");
    for (int exists = 0; exists < 2; exists++) {
        if (!exists)
            assert_int_equal(symlink("target", path), 0);
        assert_int_equal(file_writer_open(&writer, path), NICEST_OK);
        assert_int_equal(file_writer_write(writer, exists ? "turn 1" : "turn 0", 6), NICEST_OK);
        assert_int_equal(file_writer_commit(writer), NICEST_OK);
        assert_holds(other, exists ? "turn 1" : "turn 0");
        struct stat info;
        assert_int_equal(lstat(path, &info), 0);
        assert_true(S_ISLNK(info.st_mode));
    }
    unlink(path);
    assert_int_equal(symlink("link", path), 0); /* to itself */
    assert_int_equal(file_writer_open(&writer, path), NICEST_E_IO);
}

static void test_write_failures(void **state)
{
    (void)state;
    file_writer *writer = NULL;
    assert_int_equal(file_writer_open(&writer, folder), NICEST_E_IO);
    assert_int_equal(file_writer_open(&writer, in_folder(path, "no/such/folder")), NICEST_E_IO);
    assert_non_null(strstr(nicest_error(), path));
    assert_null(writer);
    put(in_folder(path, "read-only"), "old", 3);
    chmod(path, 0400);
    if (access(path, W_OK) != 0) /* root may always write */
        assert_int_equal(file_writer_open(&writer, path), NICEST_E_IO);
    assert_int_equal(empty_folder(), 1);
}

static void test_full_device(void **state)
{
    (void)state;
    if (!file_exists("/dev/full")) {
        print_message("no /dev/full here: skipped\n");
        skip();
    }
    file_writer *writer = NULL;
    assert_int_equal(file_writer_open(&writer, "/dev/full"), NICEST_OK);
    assert_int_equal(file_writer_write(writer, "x", 1), NICEST_OK); /* buffered */
    assert_int_equal(file_writer_commit(writer), NICEST_E_IO);
    assert_non_null(strstr(nicest_error(), "/dev/full: No space left"));
    unsigned char *big = sample(600000);
    assert_int_equal(file_writer_open(&writer, "/dev/full"), NICEST_OK);
    assert_int_equal(file_writer_write(writer, big, 600000), NICEST_E_IO);
    assert_int_equal(file_writer_write(writer, big, 1), NICEST_E_IO); /* and stays broken */
    assert_int_equal(file_writer_commit(writer), NICEST_E_IO);
    assert_int_equal(file_writer_open(&writer, "/dev/null"), NICEST_OK);
    assert_int_equal(file_writer_write(writer, big, 600000), NICEST_OK);
    assert_int_equal(file_writer_commit(writer), NICEST_OK);
    free(big);
}

/* Nobody reads: an error, not the end of the program, and no signal left behind. */
static void test_broken_pipe(void **state)
{
    (void)state;
    in_folder(path, "pipe");
    assert_int_equal(mkfifo(path, 0600), 0);
    int reader = open(path, O_RDONLY | O_NONBLOCK);
    file_writer *writer = NULL;
    assert_int_equal(file_writer_open(&writer, path), NICEST_OK);
    close(reader);
    assert_int_equal(file_writer_write(writer, "x", 1), NICEST_OK);
    assert_int_equal(file_writer_commit(writer), NICEST_E_IO);
    assert_non_null(strstr(nicest_error(), "pipe"));
    sigset_t pending;
    sigpending(&pending);
    assert_false(sigismember(&pending, SIGPIPE));
}

static void test_standard_streams(void **state)
{
    (void)state;
    in_folder(path, "stream");
    fflush(stdout);
    int kept_out = dup(1), kept_in = dup(0);
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    dup2(file, 1);
    file_writer *writer = NULL;
    nicest_status opened = file_writer_open(&writer, "-");
    nicest_status written = file_writer_write(writer, "a,b\n1,2\n", 8);
    nicest_status ended = file_writer_commit(writer);
    dup2(kept_out, 1);
    close(file);
    close(kept_out);
    assert_true(opened == NICEST_OK && written == NICEST_OK && ended == NICEST_OK);
    assert_holds(path, "a,b\n1,2\n");

    file = open(path, O_RDONLY);
    dup2(file, 0);
    close(file);
    unsigned char out[100];
    size_t got = 0;
    nicest_status status = read_all("-", 3, out, sizeof out, &got);
    dup2(kept_in, 0);
    close(kept_in);
    assert_int_equal(status, NICEST_OK);
    assert_int_equal(got, 8);
    assert_memory_equal(out, "a,b\n1,2\n", 8);
}

static void test_deflated_size_and_crc(void **state)
{
    (void)state;
    unsigned char *noise = malloc(100000), *zeros = calloc(1, 100000);
    uint64_t x = 1;
    for (size_t i = 0; i < 100000; i++) {
        x = x * 6364136223846793005u + 1442695040888963407u;
        noise[i] = (unsigned char)(x >> 56);
    }
    size_t flat = file_deflated_size(zeros, 100000), rough = file_deflated_size(noise, 100000);
    assert_true(flat > 0 && flat < 200);
    assert_true(rough > 99000 && rough < 101000);
    assert_true(file_deflated_size(zeros, 0) > 0 && file_deflated_size(NULL, 0) < 10);
    memory_fail_at(1);
    assert_int_equal(file_deflated_size(noise, 100), 0);
    memory_fail_at(0);
    assert_int_equal(file_crc32(0, "123456789", 9), 0xcbf43926u);
    assert_int_equal(file_crc32(0, NULL, 0), 0);
    assert_int_equal(file_crc32(file_crc32(0, "1234", 4), "56789", 5), 0xcbf43926u);
    free(noise);
    free(zeros);
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, NULL, clean)
    const struct CMUnitTest tests[] = {
        CASE(test_plain),
        CASE(test_files_that_change_while_they_are_read),
        CASE(test_gzip_and_members),
        CASE(test_truncation),
        CASE(test_damage),
        CASE(test_padding),
        CASE(test_bomb_and_limit),
        CASE(test_memory_runs_out),
        CASE(test_not_files),
        CASE(test_write),
        CASE(test_abandon_leaves_nothing),
        CASE(test_two_writers),
        CASE(test_links_are_followed),
        CASE(test_write_failures),
        CASE(test_full_device),
        CASE(test_broken_pipe),
        CASE(test_standard_streams),
        CASE(test_deflated_size_and_crc),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
