/* end.c - how the program ends: errors, exit status, signals, and memory that is not there.
 *
 * A pipe that its reader closes early (`nicest score ... | head`) ends the program with 1. */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"

/* ------------------------------------------------------------------ signals */

static volatile sig_atomic_t asked_to_stop, polite;

static void on_signal(int number)
{
    (void)number;
    if (!polite || asked_to_stop)
        _exit(STATUS_INTERRUPTED);
    asked_to_stop = 1;
}

/* The library maps large files: whoever cuts one short takes its pages away. Outputs appear whole
 * or not at all, so there is nothing to tidy. */
static void on_lost_page(int number)
{
    static const char words[] =
        "nicest: a file was cut short by another program, or its disk failed, while it was read\n";
    (void)!write(STDERR_FILENO, words, sizeof words - 1);
    (void)number;
    _exit(STATUS_FAILED);
}

void handle_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    struct sigaction before; /* nohup ignores it, and shall */
    if (!sigaction(SIGHUP, NULL, &before) && before.sa_handler != SIG_IGN)
        sigaction(SIGHUP, &action, NULL);
    action.sa_handler = on_lost_page;
    sigaction(SIGBUS, &action, NULL);
    action.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &action, NULL);
}

/* They nest: writing a file inside polite work does not end the politeness. */
void polite_begin(void)
{
    polite = polite + 1;
}

void polite_end(void)
{
    polite = polite - 1;
}

bool interrupted(void)
{
    return asked_to_stop;
}

void stop_if_interrupted(void)
{
    if (asked_to_stop)
        exit(STATUS_INTERRUPTED);
}

/* ------------------------------------------------------------------ errors */

/* A progress bar may stand on the line. */
static void wipe_line(void)
{
    if (isatty(STDERR_FILENO))
        fputs("\r\033[K", stderr);
}

_Noreturn void refuse(int status, const char *format, ...)
{
    va_list arguments;
    wipe_line();
    fputs("nicest: ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(status);
}

_Noreturn void refuse_stdout(void)
{
    if (errno == EPIPE)
        exit(STATUS_FAILED);
    refuse(STATUS_FAILED, "standard output: %s", strerror(errno));
}

void need(nicest_status status)
{
    if (status == NICEST_OK)
        return;
    if (status == NICEST_E_INTERRUPTED) {
        wipe_line();
        exit(STATUS_INTERRUPTED);
    }
    if (status == NICEST_E_IO && (strstr(nicest_error(), strerror(EPIPE)) != NULL))
        exit(STATUS_FAILED);
    refuse(status == NICEST_E_ARGUMENT ? STATUS_USAGE : STATUS_FAILED, "%s",
           *nicest_error() ? nicest_error() : nicest_status_name(status));
}

/* ------------------------------------------------------------------ memory */

void *block_grow(void *block, size_t count, size_t size)
{
    if (size && count > (size_t)-1 / 2 / size)
        refuse(STATUS_FAILED, "out of memory");
    size_t bytes = count * size;
    void *grown = realloc(block, bytes > 0 ? bytes : 1);
    if (!grown)
        refuse(STATUS_FAILED, "out of memory (%zu bytes wanted)", bytes);
    return grown;
}

void *block_new(size_t count, size_t size)
{
    void *block = block_grow(NULL, count, size);
    return memset(block, 0, count * size);
}

void block_free(void *block)
{
    free(block);
}

void release_block(void *pointer)
{
    free(*(void **)pointer);
}
