/* file.c - bytes in and bytes out.
 *
 * Owns zlib, mmap, fsync and rename. Readers inflate gzip of any number of members and check each
 * one's checksum and length (zlib does it when asked for the gzip format). Writers build the file
 * beside its place and move it there at the end. Does not know what the bytes mean. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* O_TMPFILE */
#endif
#include "base/file.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "base/memory.h"
#include "base/status.h"

enum {
    BUFFER_SIZE = 1 << 18,
    GZIP_WINDOW = 16 + MAX_WBITS, /* zlib: expect a gzip header and check its trailer */
    GZIP_MOST_RATIO = 1100,       /* deflate cannot exceed 1032 */
    MOST_LINKS = 40
};

static const unsigned char NO_BYTES[1];

/* ---------------------------------------------------------------- zlib and system helpers */

static void *zlib_take(void *unused, unsigned count, unsigned size)
{
    (void)unused;
    return memory_new(count, size);
}

static void zlib_give(void *unused, void *block)
{
    (void)unused;
    memory_free(block);
}

static z_stream new_stream(void)
{
    z_stream stream;
    memset(&stream, 0, sizeof stream);
    stream.zalloc = zlib_take;
    stream.zfree = zlib_give;
    return stream;
}

/* zlib counts in unsigned int. */
static unsigned chunk(size_t size)
{
    return size < (1u << 30) ? (unsigned)size : 1u << 30;
}

static bool is_gzip(const unsigned char *data, size_t size)
{
    return size >= 2 && data[0] == 0x1f && data[1] == 0x8b;
}

static nicest_status fail_errno(const char *path)
{
    return fail(NICEST_E_IO, "%s: %s", path, strerror(errno));
}

static nicest_status fail_truncated(const char *path)
{
    return fail(NICEST_E_FORMAT, "%s: gzip data ends too early: the file is truncated", path);
}

static ssize_t read_again(int descriptor, void *buffer, size_t size)
{
    ssize_t got;
    do
        got = read(descriptor, buffer, size);
    while (got < 0 && errno == EINTR);
    return got;
}

/* ---------------------------------------------------------------- a whole file */

static void drop_descriptor(int *descriptor)
{
    if (*descriptor >= 0)
        close(*descriptor);
}

DEFINE_DROP(drop_reader, file_reader, file_reader_close)

/* Through the reader below, which stops at the limit. One byte more than that is room enough to see
 * the end. */
static nicest_status inflate_all(file_bytes *bytes, const file_bytes *stored, size_t limit,
                                 const char *path)
{
    OWNED_BY(drop_reader) file_reader *reader = NULL;
    OWNED unsigned char *block = NULL;
    size_t packed = stored->size, used = 0, got = 1, capacity = 0;
    size_t most = packed < SIZE_MAX / GZIP_MOST_RATIO ? packed * GZIP_MOST_RATIO : SIZE_MAX / 2;
    limit = limit > 0 ? limit : FILE_MOST_INFLATED;
    limit = limit < most ? limit : most;
    TRY(file_reader_open(&reader, path));
    file_reader_limit(reader, limit);
    while (got > 0) {
        if (used == capacity) {
            capacity = capacity > 0 ? 2 * capacity : 4 * packed + 64;
            capacity = capacity < limit ? capacity : limit + 1;
            unsigned char *moved = memory_resize(block, capacity, 1);
            TRY(check_memory(moved));
            block = moved;
        }
        TRY(file_reader_read(reader, block + used, capacity - used, &got));
        used += got;
    }
    unsigned char *fitted = used > 0 && capacity - used > 64 ? memory_resize(block, used, 1) : NULL;
    block = fitted != NULL ? fitted : block;
    *bytes = (file_bytes){used > 0 ? memory_take(&block) : NO_BYTES, used, false};
    return NICEST_OK;
}

/* A small file as a copy, which nobody can change or cut any more; it is shorter than `size` where
 * somebody cut it meanwhile. A large one as a map. */
static nicest_status load_stored(file_bytes *bytes, int descriptor, size_t size, const char *path)
{
    if (size > FILE_MOST_COPIED) {
        void *map = mmap(NULL, size, PROT_READ, MAP_PRIVATE, descriptor, 0);
        if (map == MAP_FAILED)
            return fail_errno(path);
        *bytes = (file_bytes){map, size, true};
        return NICEST_OK;
    }
    OWNED_NEW(unsigned char *, block, size);
    size_t used = 0;
    ssize_t got = 1;
    while (used < size && got > 0) {
        got = read_again(descriptor, block + used, size - used);
        used += got > 0 ? (size_t)got : 0;
    }
    if (got < 0)
        return fail_errno(path);
    *bytes = (file_bytes){used > 0 ? memory_take(&block) : NO_BYTES, used, false};
    return NICEST_OK;
}

/* O_NONBLOCK: a FIFO must not make us wait. */
nicest_status file_load(file_bytes *bytes, const char *path, size_t limit)
{
    OWNED_BY(drop_descriptor) int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    OWNED_BY(file_release) file_bytes stored = {0};
    struct stat info;
    if (descriptor < 0 || fstat(descriptor, &info) != 0)
        return fail_errno(path);
    if (S_ISDIR(info.st_mode))
        return fail(NICEST_E_IO, "%s: is a folder, not a file", path);
    if (!S_ISREG(info.st_mode))
        return fail(NICEST_E_IO, "%s: is not a regular file", path);
    if ((uintmax_t)info.st_size > SIZE_MAX)
        return fail(NICEST_E_IO, "%s: too large for this machine", path);
    TRY(load_stored(&stored, descriptor, (size_t)info.st_size, path));
    if (is_gzip(stored.data, stored.size))
        return inflate_all(bytes, &stored, limit, path);
    *bytes = stored;
    stored = (file_bytes){0};
    return NICEST_OK;
}

void file_release(file_bytes *bytes)
{
    if (bytes->mapped)
        munmap((void *)(uintptr_t)bytes->data, bytes->size);
    else if (bytes->data != NO_BYTES)
        memory_free((void *)(uintptr_t)bytes->data);
    *bytes = (file_bytes){NULL, 0, false};
}

/* ---------------------------------------------------------------- reading forward */

struct file_reader {
    int descriptor; /* 0 for "-" */
    char *path;
    bool gzip, in_member, ended; /* ended: no more bytes will come from the file */
    uint64_t inflated, most;     /* bytes given so far, and how many may be */
    z_stream stream;             /* next_in and avail_in are the bytes in `buffer` not used yet */
    unsigned char buffer[BUFFER_SIZE];
};

/* Reads more of the file behind the bytes that are waiting; at the end sets `ended`. */
static nicest_status reader_refill(file_reader *reader)
{
    z_stream *stream = &reader->stream;
    memmove(reader->buffer, stream->next_in, stream->avail_in);
    stream->next_in = reader->buffer;
    unsigned char *free_space = reader->buffer + stream->avail_in;
    ssize_t got = read_again(reader->descriptor, free_space, BUFFER_SIZE - stream->avail_in);
    if (got < 0)
        return fail_errno(reader->path);
    reader->ended = got == 0;
    stream->avail_in += (unsigned)got;
    return NICEST_OK;
}

/* Waits until two bytes are there or the end; then says whether they are gzip's. */
static nicest_status look_for_gzip(file_reader *reader, bool *found)
{
    while (reader->stream.avail_in < 2 && !reader->ended)
        TRY(reader_refill(reader));
    *found = is_gzip(reader->stream.next_in, reader->stream.avail_in);
    return NICEST_OK;
}

nicest_status file_reader_open(file_reader **reader, const char *path)
{
    OWNED_BY(drop_reader) file_reader *made = memory_new(1, sizeof *made);
    TRY(check_memory(made));
    made->path = memory_text(strcmp(path, "-") == 0 ? "standard input" : path);
    TRY(check_memory(made->path));
    if (strcmp(path, "-") != 0)
        made->descriptor = open(path, O_RDONLY | O_CLOEXEC);
    struct stat info;
    if (made->descriptor < 0 || fstat(made->descriptor, &info) != 0)
        return fail_errno(made->path);
    if (S_ISDIR(info.st_mode))
        return fail(NICEST_E_IO, "%s: is a folder, not a file", made->path);
    made->stream = new_stream();
    made->stream.next_in = made->buffer;
    bool gzip;
    TRY(look_for_gzip(made, &gzip));
    if (gzip && inflateInit2(&made->stream, GZIP_WINDOW) != Z_OK)
        return fail_memory();
    made->gzip = made->in_member = gzip;
    made->most = UINT64_MAX;
    *reader = memory_take(&made);
    return NICEST_OK;
}

/* Between two members: begins the next one, or finds the clean end of the file. Zero bytes behind
 * the last member are padding (of tapes, and of sectors): gzip passes them by. */
static nicest_status next_member(file_reader *reader, bool *clean_end)
{
    z_stream *stream = &reader->stream;
    bool gzip, padded = false;
    TRY(look_for_gzip(reader, &gzip));
    for (;;) {
        for (; stream->avail_in > 0 && *stream->next_in == 0; padded = true) {
            stream->next_in++;
            stream->avail_in--;
        }
        if (!padded || stream->avail_in > 0 || reader->ended)
            break;
        TRY(reader_refill(reader));
    }
    *clean_end = stream->avail_in == 0;
    if (*clean_end)
        return NICEST_OK;
    if (padded || !gzip)
        return !padded && stream->avail_in < 2
                   ? fail_truncated(reader->path)
                   : fail(NICEST_E_FORMAT, "%s: something that is not gzip follows the gzip data",
                          reader->path);
    if (inflateReset(stream) != Z_OK)
        return fail_memory();
    reader->in_member = true;
    return NICEST_OK;
}

static nicest_status read_gzip(file_reader *reader, void *buffer, size_t size, size_t *got)
{
    z_stream *stream = &reader->stream;
    unsigned room = chunk(size);
    stream->next_out = buffer;
    stream->avail_out = room;
    while (stream->avail_out == room) {
        if (!reader->in_member) {
            bool clean_end;
            TRY(next_member(reader, &clean_end));
            if (clean_end)
                break;
        }
        if (stream->avail_in == 0 && !reader->ended)
            TRY(reader_refill(reader));
        int code = inflate(stream, Z_NO_FLUSH);
        if (code == Z_STREAM_END)
            reader->in_member = false;
        else if (code == Z_MEM_ERROR)
            return fail_memory();
        else if (code != Z_OK && code != Z_BUF_ERROR)
            return fail(NICEST_E_FORMAT, "%s: damaged gzip data (%s)", reader->path,
                        stream->msg != NULL ? stream->msg : "wrong header");
        else if (stream->avail_in == 0 && reader->ended && stream->avail_out == room)
            return fail_truncated(reader->path);
    }
    *got = room - stream->avail_out;
    reader->inflated += *got;
    if (reader->inflated > reader->most)
        return fail(NICEST_E_FORMAT, "%s: inflates to more than %llu bytes", reader->path,
                    (unsigned long long)reader->most);
    return NICEST_OK;
}

nicest_status file_reader_read(file_reader *reader, void *buffer, size_t size, size_t *got)
{
    assert(buffer != NULL || size == 0);
    z_stream *stream = &reader->stream;
    size_t count = 0;
    if (size > 0 && reader->gzip) {
        TRY(read_gzip(reader, buffer, size, &count));
    } else if (size > 0) {
        if (stream->avail_in == 0 && !reader->ended)
            TRY(reader_refill(reader));
        count = stream->avail_in < size ? stream->avail_in : size;
        memcpy(buffer, stream->next_in, count);
        stream->next_in += count;
        stream->avail_in -= (unsigned)count;
    }
    *got = count;
    return NICEST_OK;
}

void file_reader_limit(file_reader *reader, uint64_t most)
{
    reader->most = most;
}

bool file_reader_would_wait(const file_reader *reader)
{
    struct pollfd one = {.fd = reader->descriptor, .events = POLLIN};
    return reader->stream.avail_in == 0 && !reader->ended && poll(&one, 1, 0) == 0;
}

void file_reader_close(file_reader *reader)
{
    if (reader == NULL)
        return;
    if (reader->gzip)
        inflateEnd(&reader->stream);
    if (reader->descriptor > 0)
        close(reader->descriptor);
    memory_free(reader->path);
    memory_free(reader);
}

/* ---------------------------------------------------------------- writing */

struct file_writer {
    int descriptor;
    char *path;           /* as the user says it, for messages */
    char *target;         /* the place itself, links followed; NULL when written in place */
    char *temporary;      /* beside the target; NULL when written in place or nameless */
    bool nameless;        /* a file in the target's folder that gets its name when it is whole */
    nicest_status broken; /* the first failure; it makes commit fail */
    bool gzip;            /* `stream` deflates what comes */
    z_stream stream;
    size_t waiting;
    unsigned char buffer[BUFFER_SIZE];
};

/* A number that no other writer of this process has; the name also carries the process. */
static atomic_uint temporary_count;

static bool sigpipe_pending(void)
{
    sigset_t pending;
    sigemptyset(&pending);
    sigpending(&pending);
    return sigismember(&pending, SIGPIPE) == 1;
}

/* write() whose broken pipe is only an error: the signal is held back and taken away again. A
 * library may not change what the program does with signals. */
static ssize_t write_quietly(int descriptor, const void *bytes, size_t size)
{
    sigset_t pipe_only, before;
    sigemptyset(&pipe_only);
    sigaddset(&pipe_only, SIGPIPE);
    bool was_pending = sigpipe_pending();
    pthread_sigmask(SIG_BLOCK, &pipe_only, &before);
    ssize_t done = write(descriptor, bytes, size);
    int error = errno;
    if (done < 0 && error == EPIPE && !was_pending && sigpipe_pending()) {
        int taken;
        sigwait(&pipe_only, &taken);
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = error;
    return done;
}

static nicest_status writer_put(file_writer *writer, const unsigned char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t done = write_quietly(writer->descriptor, bytes, size);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return fail_errno(writer->path);
        bytes += done;
        size -= (size_t)done;
    }
    return NICEST_OK;
}

static nicest_status writer_flush(file_writer *writer)
{
    size_t waiting = writer->waiting;
    writer->waiting = 0;
    return writer_put(writer, writer->buffer, waiting);
}

/* Length of the folder part of a path with its slash; 0 where there is none. */
static size_t folder_length(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? 0 : (size_t)(slash - path) + 1;
}

/* A descriptor of the folder of a path, or of a nameless file in it; -1 where there is none. */
static int open_folder(const char *path, int flags)
{
    char *folder = memory_format("%.*s.", (int)folder_length(path), path);
    int descriptor = folder != NULL ? open(folder, flags | O_CLOEXEC, 0666) : -1;
    memory_free(folder);
    return descriptor;
}

/* The path with links in its last part followed, relative to where each lies, whether or not
 * anything is there. */
static nicest_status follow_links(char **target, const char *path)
{
    OWNED char *here = memory_text(path);
    struct stat info;
    for (int i = 0; here != NULL && lstat(here, &info) == 0 && S_ISLNK(info.st_mode); i++) {
        char text[PATH_MAX];
        ssize_t length = readlink(here, text, sizeof text - 1);
        if (i == MOST_LINKS)
            return fail(NICEST_E_IO, "%s: too many symbolic links", path);
        if (length < 0)
            return fail_errno(path);
        int folder = text[0] == '/' ? 0 : (int)folder_length(here);
        char *next = memory_format("%.*s%.*s", folder, here, (int)length, text);
        memory_free(here);
        here = next;
    }
    *target = memory_take(&here);
    return check_memory(*target);
}

/* Gives a temporary file its name: a new one that open() makes, or a link to the file without a
 * name that is open already. */
static nicest_status name_temporary(file_writer *writer)
{
    int folder = (int)folder_length(writer->target), error = EEXIST;
    char handle[40];
    snprintf(handle, sizeof handle, "/proc/self/fd/%d", writer->descriptor);
    while (error == EEXIST) {
        unsigned number = atomic_fetch_add(&temporary_count, 1);
        OWNED char *name =
            memory_format("%.*s.nicest-%ld-%u.tmp", folder, writer->target, (long)getpid(), number);
        TRY(check_memory(name));
        bool named;
        if (writer->nameless) {
            named = linkat(AT_FDCWD, handle, AT_FDCWD, name, AT_SYMLINK_FOLLOW) == 0;
        } else {
            writer->descriptor = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
            named = writer->descriptor >= 0;
        }
        error = named ? 0 : errno;
        if (named)
            writer->temporary = memory_take(&name);
    }
    writer->nameless = false;
    errno = error;
    return error == 0 ? NICEST_OK : fail_errno(writer->path);
}

static nicest_status writer_begin(file_writer *writer, const char *path)
{
    bool standard = strcmp(path, "-") == 0;
    writer->path = memory_text(standard ? "standard output" : path);
    TRY(check_memory(writer->path));
    if (standard) {
        writer->descriptor = STDOUT_FILENO;
        return NICEST_OK;
    }
    struct stat info;
    bool exists = stat(path, &info) == 0;
    if (exists && S_ISDIR(info.st_mode))
        return fail(NICEST_E_IO, "%s: is a folder, not a file", path);
    if (exists && !S_ISREG(info.st_mode)) {
        writer->descriptor = open(path, O_WRONLY | O_CLOEXEC);
        return writer->descriptor < 0 ? fail_errno(path) : NICEST_OK;
    }
    if (exists && access(path, W_OK) != 0) /* rename would not ask */
        return fail_errno(path);
    TRY(follow_links(&writer->target, path));
#ifdef O_TMPFILE
    /* No name until it is whole: a process that is killed leaves nothing behind. */
    if (access("/proc/self/fd", X_OK) == 0) /* the name will come through it */
        writer->descriptor = open_folder(writer->target, O_TMPFILE | O_WRONLY);
#endif
    writer->nameless = writer->descriptor >= 0;
    return writer->nameless ? NICEST_OK : name_temporary(writer);
}

nicest_status file_writer_open(file_writer **writer, const char *path)
{
    OWNED_BY(file_writer_drop) file_writer *made = memory_new(1, sizeof *made);
    TRY(check_memory(made));
    made->descriptor = -1;
    TRY(writer_begin(made, path));
    *writer = memory_take(&made);
    return NICEST_OK;
}

nicest_status file_writer_gzip(file_writer *writer)
{
    assert(!writer->gzip && writer->waiting == 0);
    writer->stream = new_stream();
    writer->gzip =
        deflateInit2(&writer->stream, 6, Z_DEFLATED, GZIP_WINDOW, 8, Z_DEFAULT_STRATEGY) == Z_OK;
    return check_memory(writer->gzip);
}

/* Deflates into what waits to be written; with Z_FINISH also all that zlib holds back. */
static nicest_status writer_deflate(file_writer *writer, const void *bytes, size_t size, int flush)
{
    z_stream *stream = &writer->stream;
    int code = Z_OK;
    stream->next_in = (unsigned char *)(uintptr_t)bytes;
    while (size > 0 || (flush == Z_FINISH && code != Z_STREAM_END)) {
        unsigned given = chunk(size);
        stream->avail_in = given;
        stream->next_out = writer->buffer + writer->waiting;
        stream->avail_out = (unsigned)(BUFFER_SIZE - writer->waiting);
        code = deflate(stream, flush);
        size -= given - stream->avail_in;
        writer->waiting = BUFFER_SIZE - stream->avail_out;
        if (stream->avail_out == 0)
            TRY(writer_flush(writer));
    }
    return NICEST_OK;
}

static nicest_status fail_broken(const file_writer *writer)
{
    return fail(writer->broken, "%s: could not be written", writer->path);
}

nicest_status file_writer_write(file_writer *writer, const void *bytes, size_t size)
{
    assert(writer != NULL && (bytes != NULL || size == 0));
    if (writer->broken != NICEST_OK)
        return fail_broken(writer);
    if (writer->gzip)
        return writer->broken = writer_deflate(writer, bytes, size, Z_NO_FLUSH);
    if (size > BUFFER_SIZE - writer->waiting)
        writer->broken = writer_flush(writer);
    if (writer->broken == NICEST_OK && size >= BUFFER_SIZE) {
        writer->broken = writer_put(writer, bytes, size);
    } else if (writer->broken == NICEST_OK && size > 0) {
        memcpy(writer->buffer + writer->waiting, bytes, size);
        writer->waiting += size;
    }
    return writer->broken;
}

nicest_status file_writer_begin_again(file_writer *writer, const void *bytes, size_t size)
{
    assert(!writer->gzip);
    if (writer->broken != NICEST_OK)
        return fail_broken(writer);
    writer->broken = writer_flush(writer);
    if (writer->broken == NICEST_OK && lseek(writer->descriptor, 0, SEEK_SET) != 0)
        writer->broken = fail_errno(writer->path);
    if (writer->broken == NICEST_OK)
        writer->broken = writer_put(writer, bytes, size);
    return writer->broken;
}

static nicest_status writer_finish(file_writer *writer)
{
    if (writer->broken != NICEST_OK)
        return fail_broken(writer);
    if (writer->gzip)
        TRY(writer_deflate(writer, NULL, 0, Z_FINISH));
    TRY(writer_flush(writer));
    if (writer->target != NULL && fsync(writer->descriptor) != 0)
        return fail_errno(writer->path);
    if (writer->nameless)
        TRY(name_temporary(writer));
    int closing = writer->descriptor;
    writer->descriptor = -1;
    if (closing != STDOUT_FILENO && close(closing) != 0 && errno != EINTR)
        return fail_errno(writer->path); /* late write errors come out here */
    if (writer->temporary == NULL)
        return NICEST_OK;
    if (rename(writer->temporary, writer->target) != 0)
        return fail_errno(writer->path);
    /* Makes the new name itself safe against a crash. Not every file system can: best effort. */
    int descriptor = open_folder(writer->target, O_RDONLY);
    if (descriptor >= 0) {
        (void)fsync(descriptor);
        close(descriptor);
    }
    memory_free(writer->temporary);
    writer->temporary = NULL; /* it is the file now: abandon must not remove it */
    return NICEST_OK;
}

nicest_status file_writer_commit(file_writer *writer)
{
    nicest_status status = writer_finish(writer);
    file_writer_abandon(writer);
    return status;
}

void file_writer_abandon(file_writer *writer)
{
    if (writer == NULL)
        return;
    if (writer->descriptor >= 0 && writer->descriptor != STDOUT_FILENO)
        close(writer->descriptor);
    if (writer->temporary != NULL)
        unlink(writer->temporary);
    if (writer->gzip)
        deflateEnd(&writer->stream);
    memory_free(writer->temporary);
    memory_free(writer->target);
    memory_free(writer->path);
    memory_free(writer);
}

/* ---------------------------------------------------------------- small questions */

size_t file_deflated_size(const void *bytes, size_t size)
{
    unsigned char sink[4096];
    z_stream stream = new_stream();
    if (deflateInit2(&stream, 9, Z_DEFLATED, -MAX_WBITS, 9, Z_DEFAULT_STRATEGY) != Z_OK)
        return 0;
    size_t total = 0, left = size;
    stream.next_in = (unsigned char *)(uintptr_t)bytes;
    int code = Z_OK;
    while (code == Z_OK) {
        unsigned in = chunk(left);
        stream.avail_in = in;
        stream.next_out = sink;
        stream.avail_out = sizeof sink;
        code = deflate(&stream, in == left ? Z_FINISH : Z_NO_FLUSH);
        left -= in - stream.avail_in;
        total += sizeof sink - stream.avail_out;
    }
    deflateEnd(&stream);
    return code == Z_STREAM_END ? total : 0;
}

uint32_t file_crc32(uint32_t before, const void *bytes, size_t size)
{
    return (uint32_t)crc32_z(before, bytes, size);
}

bool file_is_directory(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

bool file_exists(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0;
}

bool file_has_ending(const char *path, const char *ending)
{
    size_t length = strlen(path), size = strlen(ending);
    return length >= size && strcasecmp(path + length - size, ending) == 0;
}
