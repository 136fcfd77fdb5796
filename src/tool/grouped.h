/* Large numbers, as tables and pictures show them. */
#ifndef TOOL_GROUPED_H
#define TOOL_GROUPED_H

#include <stdint.h>

enum { GROUPED_BYTES = 32 };

/* 1234567 as 1 234 567. */
const char *grouped(uint64_t n, char ret[GROUPED_BYTES]);

#endif
