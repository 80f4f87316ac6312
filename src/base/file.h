/* file.h - bytes in and bytes out; owns zlib, mmap, fsync and rename.
 *
 * Readers see plain bytes whether a file was gzipped or not. Outputs appear whole or not at all. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/memory.h"
#include "base/status.h"

/* A whole file in memory: a copy when it is plain and small, mapped when it is larger, inflated
 * when it is gzipped. Whoever cuts a mapped file short ends this process by SIGBUS. */
enum { FILE_MOST_COPIED = 64 << 20 };
#define FILE_MOST_INFLATED ((uint64_t)16 << 30)
typedef struct file_bytes {
    const unsigned char *data;
    size_t size;
    bool mapped; /* how file_release gives it back */
} file_bytes;

/* Opens a regular file read-only. gzip (by its magic) is inflated to at most `limit` bytes (0: the
 * default of 16 GiB, and never more than 1100 times the compressed size); zero bytes may
 * follow; other garbage and truncation are errors. `bytes` is untouched on failure. Release with
 * file_release. */
nicest_status file_load(file_bytes *bytes, const char *path, size_t limit);
void file_release(file_bytes *bytes);

/* A forward reader of plain or gzipped bytes; "-" is standard input. */
typedef struct file_reader file_reader;
nicest_status file_reader_open(file_reader **reader, const char *path);
/* Up to `size` bytes into `buffer`; *got == 0 at the end. */
nicest_status file_reader_read(file_reader *reader, void *buffer, size_t size, size_t *got);
/* Nothing is there yet, and a read would wait for whoever writes: a pipe that is empty and open. */
bool file_reader_would_wait(const file_reader *reader);
/* gzip that inflates to more bytes than that is refused from then on; there is no limit yet. */
void file_reader_limit(file_reader *reader, uint64_t most);
/* NULL is accepted. */
void file_reader_close(file_reader *reader);

/* A file that appears under `path` only at file_writer_commit: written to a temporary name beside
 * it, synced, renamed (mode 0666 & ~umask; a symbolic link is followed; "-" is standard output;
 * a path that is not a regular file, such as /dev/null or a FIFO, is written in place). */
typedef struct file_writer file_writer;
nicest_status file_writer_open(file_writer **writer, const char *path);
/* Before the first byte: what is written is gzipped, the same bytes at any time of day. */
nicest_status file_writer_gzip(file_writer *writer);
nicest_status file_writer_write(file_writer *writer, const void *bytes, size_t size);
/* Other bytes at the start of a regular file that is not gzipped, as many as were written there. */
nicest_status file_writer_begin_again(file_writer *writer, const void *bytes, size_t size);
/* Ends the writer in every case, and fails when an earlier write did; on failure the old file
 * stands and the temporary one is gone. */
nicest_status file_writer_commit(file_writer *writer);
/* Ends the writer and leaves no trace; NULL is accepted. */
void file_writer_abandon(file_writer *writer);
DEFINE_DROP(file_writer_drop, file_writer, file_writer_abandon)

/* Raw deflate of a block: its compressed length in bytes at level 9 (a complexity measure), or 0
 * when memory runs out. */
size_t file_deflated_size(const void *bytes, size_t size);
/* Of bytes that follow those whose CRC is `before` (0 for none). */
uint32_t file_crc32(uint32_t before, const void *bytes, size_t size);
bool file_is_directory(const char *path);
bool file_exists(const char *path);
/* Does the name end so, in any case? X.CSV ends with ".csv". */
bool file_has_ending(const char *path, const char *ending);
