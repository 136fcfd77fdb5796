/* A lab's script: refused at a place within it, or played in the order of its times to its end,
 * with as many steps as it said. */
#include "fuzz/fuzz.h"
#include "tool/lab_script.h"

enum { BYTES_MAX = 4096, PLAYED_MAX = 100000 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    script_error error;
    script_step step;
    uint64_t count = 0;
    uint64_t last_us = 0;
    if (size > BYTES_MAX) {
        return 0;
    }
    lab_script *s = script_parse(slice_of((const char *)data, size), &error);
    if (!s) {
        fuzz_check(error.line >= 1 && error.line <= size + 1);
        fuzz_check(error.column >= 1 && error.column <= size + 1);
        fuzz_check(error.message[0] && memchr(error.message, '\0', sizeof error.message));
        return 0;
    }
    fuzz_check(script_step_count(s) <= SCRIPT_STEPS_MAX);
    while (count < PLAYED_MAX && script_next(s, &step)) {
        fuzz_check(step.at_us >= last_us && step.at_us <= script_end_us(s));
        fuzz_check(step.argc >= 2 && step.line >= 1);
        last_us = step.at_us;
        count++;
    }
    fuzz_check(count == PLAYED_MAX || count == script_step_count(s));
    script_free(s);
    return 0;
}
