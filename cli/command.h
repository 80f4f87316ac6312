/* command.h - what a command is, and what all commands share.
 *
 * A command is data: a name, words about it, tables of options, and two functions. Parsing,
 * checking, help, man pages and completion are made from the tables (options.c, manual.c). How a
 * command ends in failure is in end.c, so every error is printed there, once. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "nicest.h"

#if defined(__GNUC__)
#define PRINTF_LIKE(format_at, first) __attribute__((format(printf, format_at, first)))
#else
#define PRINTF_LIKE(format_at, first)
#endif

enum { STATUS_DONE = 0, STATUS_FAILED = 1, STATUS_USAGE = 2, STATUS_INTERRUPTED = 130 };

typedef enum option_type {
    OPTION_ARGUMENT, /* a word without dashes: const char * */
    OPTION_FLAG,     /* bool; --no-NAME takes it back */
    OPTION_TEXT,     /* const char * */
    OPTION_CHOICE,   /* const char *, one of `choices` */
    OPTION_INTEGER,  /* int */
    OPTION_COUNT,    /* size_t; 1e5 is a count too */
    OPTION_SEED,     /* uint64_t */
    OPTION_REAL,     /* double */
    OPTION_SECONDS,  /* double; 90, 90s, 10m, 1h */
    OPTION_EVERY,    /* every_setting; 2 (epochs), 500steps, 30s, 10m, 1h */
    OPTION_SIZE      /* size_setting; HxW or HxWxC */
} option_type;

typedef struct every_setting {
    size_t steps;
    double epochs, seconds;
} every_setting;

typedef struct size_setting {
    unsigned height, width, channels; /* 0: not said */
} size_setting;

/* One option. A table of them ends with name == NULL. */
typedef struct option {
    const char *group; /* heading in the help; NULL: that of the option before */
    const char *name;  /* without dashes; of an argument as it is printed, "DATA" */
    char letter;       /* 0: none */
    option_type type;
    const char *argument;               /* "N", "FILE"; NULL for flags and arguments */
    size_t offset;                      /* of the value in the settings */
    double low, high;                   /* range of numbers; low == high: any */
    bool above;                         /* low itself is too low */
    bool required;                      /* of arguments */
    bool written;                       /* the value is a file that this command makes */
    const char *choices;                /* "adam|rmsprop|sgd" */
    const char *const *(*values)(void); /* texts that a shell may complete; others are allowed */
    const char *bare;  /* the value where none is attached with =, which is then optional */
    const char *unset; /* said as default where the value is 0, NaN, NULL or below `low` */
    const char *help;
} option;

/* Every command's settings begin with these. */
typedef struct shared_settings {
    uint64_t seed;
    int threads;
    const char *precision;
    bool json, quiet, verbose;
    const char *output; /* -o; NULL: standard output */
    /* how DATA is read */
    const char *columns, *drop, *label, *where, *weights;
    size_setting image;
    const char *header, *separator, *decimal, *comment, *missing;
    /* of pictures that are written */
    double scale;
    const char *theme;
} shared_settings;

/* How an option in a table begins; AT(field) is the place of a field in the command's settings. */
#define OPTION(its_type, its_name, its_argument, field)                                            \
    .name = its_name, .type = OPTION_##its_type, .argument = its_argument, .offset = AT(field)

extern const option COMMON_OPTIONS[];  /* for every command, */
enum { COMMON_WORDS = 3 };             /* and from this one on for those that only say something */
extern const option OUTPUT_OPTIONS[];  /* for commands that write: -o */
extern const option DATA_OPTIONS[];    /* for commands that read DATA */
extern const option PICTURE_OPTIONS[]; /* for commands that draw */

typedef struct command {
    const char *name, *summary;
    const char *synopsis;             /* behind "nicest NAME" */
    const char *description;          /* paragraphs, divided by an empty line */
    const char *examples;             /* lines */
    const option *tables[6];          /* its own first; ended by NULL */
    size_t size;                      /* of its settings */
    void (*defaults)(void *settings); /* beyond zeros and the shared defaults; may be NULL */
    int (*run)(void *settings);       /* the exit status */
} command;

enum { SETTINGS_BYTES = 2048 }; /* room for the settings of any command */

extern const command TRAIN_COMMAND, SCORE_COMMAND, SAMPLE_COMMAND, INPAINT_COMMAND, IMPUTE_COMMAND,
    OUTLIERS_COMMAND, CORRUPT_COMMAND, VERIFY_COMMAND, DENSITY_COMMAND, INFO_COMMAND,
    CONVERT_COMMAND, REPORT_COMMAND, BENCH_COMMAND, HELP_COMMAND, VERSION_COMMAND;

/* All commands in the order of the help, ended by NULL (cmd_help.c). */
extern const command *const COMMANDS[];
const command *command_find(const char *name); /* or NULL */
void print_overview(FILE *out);

/* --- ends and interruptions (end.c) --- */

/* Prints "nicest: ..." on standard error and ends the program. */
_Noreturn void refuse(int status, const char *format, ...) PRINTF_LIKE(2, 3);
/* The end after a write to standard output has just failed: quiet when nobody reads on. */
_Noreturn void refuse_stdout(void);
/* Goes on when `status` is NICEST_OK; otherwise prints the library's sentence and ends the program:
 * 2 for a wrong argument, 130 when interrupted, 1 for everything else. A progress bar is wiped. */
void need(nicest_status status);
/* Zeroed memory for count things of `size` bytes; ends the program when there is none. */
void *block_new(size_t count, size_t size);
void *block_grow(void *block, size_t count, size_t size); /* new bytes are not zeroed */
void block_free(void *block);

/* Local pointers that are released where their scope ends: docs/decisions/0010. */
void release_block(void *pointer);
#define DEFINE_RELEASE(name, type, release)                                                        \
    static inline void name(type **pointer)                                                        \
    {                                                                                              \
        release(*pointer);                                                                         \
    }
DEFINE_RELEASE(release_data, nicest_data, nicest_data_free)
DEFINE_RELEASE(release_model, nicest_model, nicest_model_free)
DEFINE_RELEASE(release_workspace, nicest_workspace, nicest_workspace_free)
#define OWNED_BLOCK     __attribute__((cleanup(release_block)))
#define OWNED_DATA      __attribute__((cleanup(release_data)))
#define OWNED_MODEL     __attribute__((cleanup(release_model)))
#define OWNED_WORKSPACE __attribute__((cleanup(release_workspace)))

/* Before all else: what Ctrl-C, a hang-up, a closed pipe and a file that was cut short do. */
void handle_signals(void);
/* Between polite_begin and polite_end the first Ctrl-C (or SIGTERM) only makes interrupted() true,
 * so that work can end well; outside, and the second time, it ends the program at once with 130. */
void polite_begin(void);
void polite_end(void);
bool interrupted(void);
/* Ends the program with 130 when it was interrupted. */
void stop_if_interrupted(void);
