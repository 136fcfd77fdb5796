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

#define fuzz_check(condition) ((condition) ? (void)0 : fuzz_fail(__FILE__, __LINE__, #condition))

static inline void fuzz_fail(const char *file, int line, const char *what) {
    fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, what);
    abort();
}

/* For a check that looks at thousands of things: its own branches tell a fuzzer nothing. */
#define FUZZ_PLAIN __attribute__((no_sanitize("coverage", "address", "undefined")))

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
