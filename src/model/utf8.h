/* utf8.h - text that may go into a JSON string.
 *
 * Column names come from anybody's files; what is stored in a model must be UTF-8. Owns the test
 * and the repair, and nothing else. */
#pragma once

#include <stdbool.h>

bool utf8_valid(const char *text);
/* A copy in which each byte that is not UTF-8 became '?'; NULL when memory runs out. */
char *utf8_repaired(const char *text);
