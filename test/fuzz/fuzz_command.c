/* Commands as a server receives them: what is read whole reads the same when it is written, and no
 * part of it is enough. */
#include "core/resp.h"
#include "fuzz/fuzz.h"

#define ARGV_MAX 64

static void check_written(const kw_slice *argv, size_t argc) {
    kw_slice again[ARGV_MAX];
    size_t again_argc = 0;
    size_t len = 0;
    const char *error = NULL;
    size_t size = (size_t)resp_command_size(argv, argc);
    char *wire = malloc(size);
    fuzz_check(wire != NULL);
    fuzz_check(resp_command_encode(wire, argv, argc) == wire + size);
    fuzz_check(resp_read_command(wire, size, again, ARGV_MAX, &again_argc, &len, &error) ==
               RESP_DONE);
    fuzz_check(again_argc == argc && len == size);
    for (size_t i = 0; i < argc; i++) {
        fuzz_check(slice_equal(argv[i], again[i]));
    }
    free(wire);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    resp_progress progress = RESP_DONE;
    while (progress == RESP_DONE && size > 0) {
        kw_slice argv[ARGV_MAX];
        size_t argc = 0;
        size_t len = 0;
        const char *error = NULL;
        char *copy = fuzz_copy(data, size);
        progress = resp_read_command(copy, size, argv, ARGV_MAX, &argc, &len, &error);
        fuzz_check(progress != RESP_BROKEN || error);
        if (progress == RESP_DONE) {
            fuzz_check(len > 0 && len <= size && argc <= ARGV_MAX);
            check_written(argv, argc);
            char *part = fuzz_copy(data, len - 1);
            fuzz_check(resp_read_command(part, len - 1, argv, ARGV_MAX, &argc, &len, &error) ==
                       RESP_MORE);
            free(part);
            data += len;
            size -= len;
        }
        free(copy);
    }
    return 0;
}
