/* watch.h - training as it goes: curves, and the density or samples of the model so far, in the
 * terminal or as a page that loads itself again. */
#pragma once

#include "picture.h"

typedef struct watch watch;

/* The path that means standard error, which must be a terminal. */
#define WATCH_TERMINAL "/dev/tty"

/* Ends the program with 2 where there is nothing to draw on: WATCH_TERMINAL or FILE.html. */
void watch_check(const shared_settings *shared, const char *path);
/* NULL where path is NULL; data are the rows that are learnt, of which some are read. */
watch *watch_open(const shared_settings *shared, const char *path, const nicest_data *data);
/* The run stands here. Draws when it is time to; `trainer` is asked for its model then. NULL:
 * stacks are tried, one after the other, each with a curve of its own. said: a line was written on
 * the terminal since the last call. */
void watch_show(watch *w, nicest_trainer *trainer, const nicest_progress *now, bool said,
                bool ended);
void watch_close(watch *w);
