/* Bytes from a client to the reader that cuts them into commands: cut in pieces or whole, at one
 * address or moved, they are the same commands and the same refusal. The first byte says how they
 * are cut. */
#include "fuzz/fuzz.h"
#include "node/node_reader.h"

static const reader_limits LIMITS = {.bulk_bytes = 1 << 20};

/* What was read, as one number; *ret_result is how it ended. */
static uint64_t read_all(const uint8_t *data, size_t size, size_t step, reader_result *ret_result) {
    node_reader r;
    uint64_t hash = 14695981039346656037u;
    size_t begin = 0;
    size_t there = 0;
    char *bytes = NULL;
    reader_result result = READER_MORE;
    node_reader_init(&r, &mem_default);
    while (result == READER_COMMAND || (result == READER_MORE && there < size)) {
        if (result == READER_MORE) {
            size_t more = step < size - there ? step : size - there;
            char *moved = malloc(there - begin + more);
            fuzz_check(moved != NULL);
            if (there > begin) {
                memcpy(moved, bytes, there - begin);
            }
            memcpy(moved + (there - begin), data + there, more);
            free(bytes);
            bytes = moved;
            there += more;
        }
        size_t used = 0;
        result = node_reader_next(&r, &LIMITS, bytes, there - begin, &used);
        if (result != READER_COMMAND) {
            continue;
        }
        fuzz_check(used > 0 && used <= there - begin);
        for (size_t i = 0; i < r.argc; i++) {
            fuzz_check(r.argv[i].data >= bytes && r.argv[i].data + r.argv[i].len <= bytes + used);
            for (size_t j = 0; j < r.argv[i].len; j++) {
                hash = (hash ^ (uint8_t)r.argv[i].data[j]) * 1099511628211u;
            }
            hash = (hash ^ 0x1f) * 1099511628211u;
        }
        hash = (hash ^ r.argc) * 1099511628211u;
        memmove(bytes, bytes + used, there - begin - used);
        begin += used;
    }
    fuzz_check(result != READER_NO_MEMORY);
    fuzz_check(result != READER_REFUSED || strlen(r.error) < READER_ERROR_SIZE);
    node_reader_done(&r);
    free(bytes);
    *ret_result = result;
    return hash;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 2) {
        return 0;
    }
    reader_result whole;
    reader_result cut;
    size_t step = 1 + data[0] % 64;
    uint64_t hash = read_all(data + 1, size - 1, size, &whole);
    fuzz_check(read_all(data + 1, size - 1, step, &cut) == hash);
    fuzz_check(whole == cut);
    return 0;
}
