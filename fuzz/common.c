/* common.c - see fuzz.h. */
#include "fuzz.h"

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_FILES = 8, PATH = 512 };

static struct {
    char path[PATH];
    const char *ending;
    int descriptor;
} files[MOST_FILES];

void fuzz_broken(const char *file, int line, const char *what)
{
    fprintf(stderr, "%s:%d: %s does not hold (%s)\n", file, line, what, nicest_error());
    abort();
}

static void remove_files(void)
{
    for (size_t i = 0; i < MOST_FILES && files[i].ending; i++)
        unlink(files[i].path);
}

static size_t place_of(const char *ending)
{
    size_t i = 0;
    while (i < MOST_FILES && files[i].ending && strcmp(files[i].ending, ending) != 0)
        i++;
    NEED(i < MOST_FILES);
    if (files[i].ending)
        return i;
    if (i == 0)
        atexit(remove_files);
    const char *folder = getenv("TMPDIR");
    snprintf(files[i].path, PATH, "%s/nicest-fuzz-%ld%s", folder ? folder : "/tmp", (long)getpid(),
             ending);
    files[i].descriptor = open(files[i].path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    NEED(files[i].descriptor >= 0);
    files[i].ending = ending;
    return i;
}

const char *fuzz_path(const char *ending)
{
    return files[place_of(ending)].path;
}

const char *fuzz_file(const char *ending, const void *bytes, size_t size)
{
    size_t i = place_of(ending);
    NEED(ftruncate(files[i].descriptor, 0) == 0);
    NEED(pwrite(files[i].descriptor, bytes, size, 0) == (ssize_t)size);
    return files[i].path;
}

unsigned fuzz_pick(const uint8_t *bytes, size_t size, unsigned choices)
{
    unsigned sum = 2166136261u;
    for (size_t i = 0; i < size; i++)
        sum = (sum ^ bytes[i]) * 16777619u;
    return (sum >> 7) % choices;
}

char *fuzz_text(const uint8_t *bytes, size_t size)
{
    char *text = memory_new(size + 1, 1);
    NEED(text);
    if (size)
        memcpy(text, bytes, size);
    return text;
}

static void read_all(const nicest_data *data)
{
    unsigned side[3];
    size_t n = nicest_data_rows(data), d = nicest_data_columns(data);
    NEED(n > 0 && d > 0 && nicest_data_kind(data) && nicest_data_type(data));
    nicest_data_image(data, &side[0], &side[1], &side[2]);
    NEED(side[0] == 0 || (size_t)side[0] * side[1] * side[2] == d);
    for (size_t j = 0; j < d; j++)
        NEED(nicest_data_column_name(data, j));
    double *row = memory_new(d, sizeof *row), sum = 0;
    NEED(row);
    const double *labels = nicest_data_labels(data);
    for (size_t i = 0; i < n; i++) {
        NEED(nicest_data_read(data, i, 1, row) == NICEST_OK);
        sum += row[d - 1] + (labels ? labels[i] : 0);
    }
    memory_free(row);
    NEED(isnan(sum) || sum <= INFINITY); /* so that nothing is optimised away */
}

void fuzz_data(const char *text, const nicest_data_options *options, size_t size, size_t factor)
{
    nicest_data *data = NULL;
    size_t live = memory_live();
    memory_peak_restart();
    size_t before = memory_peak();
    nicest_status status = nicest_data_open(&data, text, options);
    NEED((status == NICEST_OK) == (data != NULL));
    NEED(status == NICEST_OK || status == NICEST_E_FORMAT || status == NICEST_E_DATA ||
         status == NICEST_E_ARGUMENT || status == NICEST_E_IO || status == NICEST_E_UNSUPPORTED);
    NEED(status == NICEST_OK || nicest_error()[0]);
    NEED(memory_peak() - before <= FUZZ_BASE + factor * size);
    if (data)
        read_all(data);
    nicest_data_free(data);
    NEED(memory_live() == live);
}
