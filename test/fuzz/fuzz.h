/* What every fuzz target shares. A finding is an abort: asserts are off in release builds. */
#ifndef TEST_FUZZ_FUZZ_H
#define TEST_FUZZ_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define fuzz_check(condition) fuzz_hold((condition), __FILE__, __LINE__, #condition)

static inline void fuzz_hold(bool holds, const char *file, int line, const char *what) {
    if (!holds) {
        fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, what);
        abort();
    }
}

/* A copy of just this size: reading beyond it is found. Free it. */
static inline char *fuzz_copy(const uint8_t *data, size_t size) {
    char *copy = malloc(size > 0 ? size : 1);
    fuzz_check(copy != NULL);
    if (size > 0) {
        memcpy(copy, data, size);
    }
    return copy;
}

#endif
