/* A stream of replies: scanned whole and cut as the first byte says, with the same outcome; what
 * is whole is built, walked and freed. */
#include "core/reply.h"
#include "core/resp.h"
#include "fuzz/fuzz.h"

static const resp_limits limits = {
    .value_bytes = 1 << 20,
    .bulk_bytes = 1 << 16,
    .elements = 1 << 12,
    .values = 1 << 12,
    .depth = 16,
};

/* From memory that ends with the piece, a step more each time. */
static resp_progress scan_in_steps(resp_scanner *s, const uint8_t *data, size_t size, size_t step) {
    resp_progress progress = RESP_MORE;
    resp_scanner_init(s, &limits);
    for (size_t len = 0; progress == RESP_MORE && len < size;) {
        len = size - len > step ? len + step : size;
        char *piece = fuzz_copy(data, len);
        progress = resp_scan(s, piece, len);
        free(piece);
    }
    return progress;
}

static void walk(const kw_reply *r) {
    size_t len;
    const char *bytes = kw_reply_string(r, &len);
    fuzz_check(!bytes || bytes[len] == '\0');
    (void)kw_reply_integer(r);
    (void)kw_reply_double(r);
    (void)kw_reply_get(r, "a");
    if (kw_reply_attributes(r)) {
        walk(kw_reply_attributes(r));
    }
    for (size_t i = 0; i < kw_reply_count(r); i++) {
        if (kw_reply_key(r, i)) {
            walk(kw_reply_key(r, i));
        }
        walk(kw_reply_at(r, i));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0 || size > 4096) {
        return 0;
    }
    size_t step = 1 + data[0] % 16;
    data++;
    size--;
    resp_progress progress = RESP_DONE;
    while (progress == RESP_DONE && size > 0) {
        resp_scanner whole;
        resp_scanner cut;
        char *copy = fuzz_copy(data, size);
        resp_scanner_init(&whole, &limits);
        progress = resp_scan(&whole, copy, size);
        fuzz_check(scan_in_steps(&cut, data, size, step) == progress);
        if (progress == RESP_BROKEN) {
            fuzz_check(whole.error && cut.error && whole.over_limit == cut.over_limit);
        }
        if (progress == RESP_DONE) {
            fuzz_check(whole.offset == cut.offset && whole.node_count == cut.node_count);
            size_t len = (size_t)whole.offset;
            fuzz_check(len > 0 && len <= size);
            kw_reply *r = reply_build(&mem_default, copy, len, whole.node_count);
            fuzz_check(r != NULL);
            walk(r);
            reply_free(r);
            data += len;
            size -= len;
        }
        free(copy);
    }
    return 0;
}
