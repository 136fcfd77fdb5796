/* The first line of a reply: whatever is taken for a redirect names a slot and a port in range. */
#include "core/redirect.h"
#include "core/slot.h"
#include "fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) {
        return 0;
    }
    answer a;
    char *text = fuzz_copy(data + 1, size - 1);
    answer_read((char)data[0], slice_of(text, size - 1), &a);
    free(text);
    fuzz_check(memchr(a.target.host, '\0', sizeof(a.target.host)) != NULL);
    if (a.kind == ANSWER_MOVED || a.kind == ANSWER_ASK) {
        fuzz_check(a.slot >= 0 && a.slot < SLOT_COUNT && a.target.port != 0);
    } else {
        fuzz_check(a.target.port == 0);
    }
    fuzz_check(!a.uncovered || a.kind == ANSWER_CLUSTERDOWN);
    if (a.kind == ANSWER_REPLY) {
        fuzz_check(data[0] != '-' && data[0] != '!');
    }
    return 0;
}
