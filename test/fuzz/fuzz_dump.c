/* Payloads of RESTORE, with the checksum that belongs to them: what is read can be written, and is
 * then read as the same. */
#include "fuzz/fuzz.h"
#include "node/node_dump.h"

#define VALUE_BYTES_MAX (1024 * 1024)

static void check_round_trip(kw_slice value) {
    buffer payload;
    buffer again;
    buffer_init(&payload, &mem_default, 0);
    buffer_init(&again, &mem_default, 0);
    fuzz_check(dump_write(&payload, value));
    fuzz_check(dump_read(buffer_slice(&payload), &again) == DUMP_OK);
    fuzz_check(slice_equal(buffer_slice(&again), value));
    buffer_done(&payload);
    buffer_done(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char version[2] = {10, 0};
    buffer payload;
    buffer value;
    buffer_init(&payload, &mem_default, 0);
    buffer_init(&value, &mem_default, VALUE_BYTES_MAX);
    fuzz_check(buffer_append(&payload, data, size));
    fuzz_check(buffer_append(&payload, version, sizeof version));
    uint64_t crc = dump_crc64(0, buffer_slice(&payload));
    fuzz_check(buffer_append(&payload, &crc, sizeof crc)); /* little-endian, as fuzzers run on */
    char *exact = fuzz_copy((const uint8_t *)buffer_slice(&payload).data, buffer_len(&payload));
    dump_result result = dump_read(slice_of(exact, buffer_len(&payload)), &value);
    fuzz_check(result != DUMP_WRONG_CHECKSUM);
    if (result == DUMP_OK) {
        check_round_trip(buffer_slice(&value));
    }
    free(exact);
    buffer_done(&payload);
    buffer_done(&value);
    return 0;
}
