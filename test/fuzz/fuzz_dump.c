/* Payloads of RESTORE, with the checksum that belongs to them: what is read can be written, and
 * what was written is read and then written the same again. */
#include "fuzz/fuzz.h"
#include "node/node_dump.h"

#define VALUE_BYTES_MAX (1024 * 1024)

static void check_round_trip(const dump_value *value) {
    buffer first;
    buffer second;
    buffer storage;
    dump_value again;
    buffer_init(&first, &mem_default, 0);
    buffer_init(&second, &mem_default, 0);
    buffer_init(&storage, &mem_default, 0);
    fuzz_check(dump_write(&first, value));
    fuzz_check(dump_read(buffer_slice(&first), &mem_default, 1, &storage, &again) == DUMP_OK);
    fuzz_check(again.kind == value->kind);
    fuzz_check(dump_write(&second, &again));
    fuzz_check(slice_equal(buffer_slice(&first), buffer_slice(&second)));
    if (again.kind) {
        again.kind->free(&mem_default, again.object);
    } else {
        fuzz_check(slice_equal(again.string, value->string));
    }
    buffer_done(&first);
    buffer_done(&second);
    buffer_done(&storage);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char version[2] = {10, 0};
    buffer payload;
    buffer storage;
    dump_value value;
    buffer_init(&payload, &mem_default, 0);
    buffer_init(&storage, &mem_default, VALUE_BYTES_MAX);
    fuzz_check(buffer_append(&payload, data, size));
    fuzz_check(buffer_append(&payload, version, sizeof version));
    uint64_t crc = dump_crc64(0, buffer_slice(&payload));
    fuzz_check(buffer_append(&payload, &crc, sizeof crc)); /* little-endian, as fuzzers run on */
    size_t len = buffer_len(&payload);
    char *exact = fuzz_copy((const uint8_t *)buffer_slice(&payload).data, len);
    dump_result result = dump_read(slice_of(exact, len), &mem_default, 1, &storage, &value);
    fuzz_check(result != DUMP_WRONG_CHECKSUM);
    if (result == DUMP_OK) {
        check_round_trip(&value);
        if (value.kind) {
            value.kind->free(&mem_default, value.object);
        }
    }
    free(exact);
    buffer_done(&payload);
    buffer_done(&storage);
    return 0;
}
