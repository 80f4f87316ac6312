/* replay_main.c - an ordinary main for a fuzz target, for compilers without libFuzzer.
 *
 *     fuzz_X [--mutate N] FILE|FOLDER ...
 *
 * Gives the target every file as it is, and N changed copies of each: cut short, or with a few
 * bytes replaced, always the same ones. Each input is a block of exactly its size, so that an
 * address sanitizer sees the first byte read behind it. A failure is a crash or an assertion of the
 * target. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static size_t replayed;

static void die(const char *what, const char *path)
{
    fprintf(stderr, "replay: %s: %s\n", path, what);
    exit(2);
}

static void *block(size_t size)
{
    void *bytes = malloc(size ? size : 1);
    if (!bytes)
        die("no memory", "");
    return bytes;
}

/* xorshift64: the same changes on every machine. */
static uint64_t next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static void give(const uint8_t *bytes, size_t size)
{
    uint8_t *copy = block(size);
    if (size)
        memcpy(copy, bytes, size);
    LLVMFuzzerTestOneInput(copy, size);
    free(copy);
    replayed++;
}

/* Bytes that readers stumble over come up as often as all others together. */
static uint8_t awkward(uint64_t *state)
{
    static const char favourites[] = "0919-+.,eE\"'\n\r\t {}[]:;#\\nNaNinf\0\xff\x7f\x80";
    uint64_t pick = next(state);
    return pick & 1 ? (uint8_t)favourites[(pick >> 1) % sizeof favourites] : (uint8_t)(pick >> 8);
}

static void give_changed(const uint8_t *bytes, size_t size, uint64_t number)
{
    uint64_t state = 0x9e3779b97f4a7c15u * (number + 1) + size;
    size_t kept = number % 3 == 0 ? (size_t)(next(&state) % (size + 1)) : size;
    uint8_t *copy = block(size);
    memcpy(copy, bytes, size);
    for (uint64_t i = 0; kept && number % 3 && i <= number % 5; i++)
        copy[next(&state) % kept] = awkward(&state);
    give(copy, kept);
    free(copy);
}

static void replay_file(const char *path, long changes)
{
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END) != 0)
        die("cannot be opened", path);
    long end = ftell(file);
    if (end < 0 || fseek(file, 0, SEEK_SET) != 0)
        die("cannot be measured", path);
    size_t size = (size_t)end;
    uint8_t *bytes = block(size);
    if (fread(bytes, 1, size, file) != size)
        die("cannot be read", path);
    fclose(file);
    give(bytes, size);
    for (long i = 0; size && i < changes; i++)
        give_changed(bytes, size, (uint64_t)i);
    free(bytes);
}

static void replay(const char *path, long changes)
{
    struct stat facts;
    if (stat(path, &facts) != 0)
        die("not found", path);
    if (!S_ISDIR(facts.st_mode)) {
        replay_file(path, changes);
        return;
    }
    DIR *folder = opendir(path);
    if (!folder)
        die("cannot be opened", path);
    for (struct dirent *entry; (entry = readdir(folder));) {
        if (entry->d_name[0] == '.')
            continue;
        char inner[4096];
        int length = snprintf(inner, sizeof inner, "%s/%s", path, entry->d_name);
        if (length < 0 || (size_t)length >= sizeof inner)
            die("path too long", path);
        replay(inner, changes);
    }
    closedir(folder);
}

int main(int argc, char **argv)
{
    long changes = 0;
    int first = 1;
    if (argc > 2 && strcmp(argv[1], "--mutate") == 0) {
        changes = strtol(argv[2], NULL, 10);
        first = 3;
    }
    for (int i = first; i < argc; i++)
        replay(argv[i], changes);
    printf("replay: %zu inputs\n", replayed);
    return replayed ? 0 : 2;
}
