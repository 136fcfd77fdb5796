/* An endpoint's text: what is read can be written, and reads as the same again. */
#include "core/endpoint.h"
#include "fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    endpoint e;
    char *text = fuzz_copy(data, size);
    bool ok = endpoint_parse(slice_of(text, size), &e);
    free(text);
    if (!ok) {
        return 0;
    }
    endpoint again;
    char formatted[ENDPOINT_TEXT_BYTES];
    fuzz_check(e.port != 0);
    endpoint_format(&e, formatted);
    fuzz_check(endpoint_parse(slice_text(formatted), &again));
    fuzz_check(endpoint_equal(&e, &again));
    net_address address;
    if (endpoint_to_address(&e, &address)) {
        endpoint literal = {.port = e.port};
        net_address same;
        net_address_format(&address, literal.host, sizeof(literal.host));
        fuzz_check(endpoint_to_address(&literal, &same));
        fuzz_check(address.family == same.family && address.scope_id == same.scope_id);
        fuzz_check(memcmp(address.ip, same.ip, sizeof(same.ip)) == 0);
    }
    return 0;
}
