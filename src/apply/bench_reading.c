/* bench_reading.c - how quickly files become rows in memory.
 *
 * Writes its own files to a folder of their own under TMPDIR, reads them often enough that they
 * come from the system's cache, and leaves nothing behind. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apply/bench.h"
#include "base/memory.h"
#include "base/random.h"

enum { FORMATS = 3, BLOCK_ROWS = 1024 };

static const struct {
    const char *format, *name;
    size_t rows, columns;
    int levels; /* 0: normal numbers */
} FILES[FORMATS] = {
    {"csv", "rows.csv", 50000, 8, 0},
    {"npy", "rows.npy", 200000, 8, 0},
    {"idx", "rows-idx2-ubyte", 8192, 784, 256},
};

typedef struct reading {
    const char *path;
    double *block; /* [BLOCK_ROWS, columns] */
    nicest_status status;
} reading;

/* Opens the file and reads every row. */
static void read_file(void *context)
{
    reading *r = context;
    nicest_data *data = NULL;
    nicest_status status = nicest_data_open(&data, r->path, NULL);
    size_t rows = nicest_data_rows(data);
    for (size_t first = 0; status == NICEST_OK && first < rows; first += BLOCK_ROWS) {
        size_t left = rows - first;
        status = nicest_data_read(data, first, left < BLOCK_ROWS ? left : BLOCK_ROWS, r->block);
    }
    nicest_data_free(data);
    if (status != NICEST_OK)
        r->status = status;
}

static nicest_status write_rows(size_t which, const char *path)
{
    size_t rows = FILES[which].rows, columns = FILES[which].columns;
    double *values = memory_new(rows * columns, sizeof *values);
    nicest_data *data = NULL;
    if (!values)
        return fail_memory();
    for (size_t i = 0; i < rows; i++)
        random_normal((random_stream){1, RANDOM_USER, (uint32_t)which}, i, values + i * columns,
                      columns);
    for (size_t i = 0; FILES[which].levels && i < rows * columns; i++)
        values[i] = fmin(floor(fabs(values[i]) * 64), FILES[which].levels - 1);
    nicest_status status = nicest_data_new(&data, values, rows, columns, NULL);
    if (status == NICEST_OK)
        status = nicest_data_save(data, path);
    nicest_data_free(data);
    memory_free(values);
    return status;
}

static nicest_status measure_file(size_t which, const char *path, double seconds,
                                  nicest_bench_figure *speed)
{
    struct stat about;
    reading r = {.path = path,
                 .block = memory_new(BLOCK_ROWS * FILES[which].columns, sizeof *r.block)};
    if (!r.block)
        return fail_memory();
    nicest_status status = write_rows(which, path);
    if (status == NICEST_OK && stat(path, &about) != 0)
        status = fail(NICEST_E_IO, "%s: cannot be read back", path);
    if (status == NICEST_OK) {
        *speed = bench_rate(bench_measure(read_file, &r, seconds), 1e-6 * (double)about.st_size);
        status = r.status;
    }
    (void)unlink(path); /* not there where writing failed */
    memory_free(r.block);
    return status;
}

static nicest_status measure_files(const char *folder, double seconds, nicest_bench_result *result)
{
    for (size_t i = 0; i < FORMATS; i++) {
        char *path = memory_format("%s/%s", folder, FILES[i].name);
        nicest_bench_figure speed = bench_nothing();
        nicest_status status =
            path ? measure_file(i, path, seconds / FORMATS, &speed) : fail_memory();
        memory_free(path);
        TRY(status);
        result->reading[i].format = FILES[i].format;
        result->reading[i].speed = speed;
    }
    return NICEST_OK;
}

nicest_status bench_reading(double seconds, nicest_bench_result *result)
{
    const char *place = getenv("TMPDIR");
    char *folder = memory_format("%s/nicest-bench-XXXXXX", place && *place ? place : "/tmp");
    if (!folder)
        return fail_memory();
    nicest_status status = NICEST_OK;
    if (!mkdtemp(folder))
        status = fail(NICEST_E_IO, "%s: no folder for the files to read can be made; set TMPDIR",
                      folder);
    if (status == NICEST_OK) {
        status = measure_files(folder, seconds, result);
        (void)rmdir(folder);
    }
    memory_free(folder);
    return status;
}
