/* A command as a line of words; one with odd bytes is in quotes, with \xNN, \r, \n, \" and \\. */
#ifndef TEST_UNIT_SUPPORT_WORDS_H
#define TEST_UNIT_SUPPORT_WORDS_H

#include "base/slice.h"

/* Cuts a line into words, which point into bytes: at least as many as the line has. */
size_t words_read(const char *line, kw_slice *argv, size_t argv_max, char *bytes);

#endif
