/* A stream of replies, read by the scanner and by a second reader (support/naive_resp.h): whole,
 * and cut as the first byte says, both see the same end, the same tree or the same need of more. */
#include "core/reply.h"
#include "fuzz/fuzz.h"
#include "fuzz/support/naive_resp.h"

#define BYTES_MAX 4096
#define PIECES_MAX 64 /* of one value */

static const resp_limits wide = {
    .value_bytes = 1 << 20,
    .bulk_bytes = 1 << 16,
    .elements = 1 << 12,
    .values = 1 << 12,
    .depth = 16,
};

/* Small enough to be met. */
static const resp_limits narrow = {
    .value_bytes = 200, .bulk_bytes = 40, .elements = 8, .values = 12, .depth = 3};

/* From memory that ends with the piece, a step more each time. */
static void scan_in_steps(const uint8_t *data, size_t size, size_t step,
                          const resp_limits *limits) {
    resp_scanner s;
    resp_progress progress = RESP_MORE;
    resp_scanner_init(&s, limits);
    for (size_t len = 0; progress == RESP_MORE && len < size;) {
        len = size - len > step ? len + step : size;
        char *piece = fuzz_copy(data, len);
        progress = resp_scan(&s, piece, len);
        naive_value naive = naive_read(piece, len, limits, NULL);
        fuzz_check(progress == naive.progress);
        fuzz_check(progress != RESP_DONE ||
                   (s.offset == naive.len && s.node_count == naive.values));
        fuzz_check(progress != RESP_BROKEN || s.error);
        free(piece);
    }
}

/* What a program can do with a reply. */
static void walk(const kw_reply *r) {
    size_t len;
    const char *bytes = kw_reply_string(r, &len);
    fuzz_check(!bytes || bytes[len] == '\0');
    (void)kw_reply_integer(r);
    (void)kw_reply_double(r);
    (void)kw_reply_get(r, "a");
    for (size_t i = 0; i < kw_reply_count(r); i++) {
        walk(kw_reply_at(r, i));
    }
}

static void check_tree(const char *data, size_t len, uint64_t values, const resp_limits *limits) {
    buffer built;
    buffer naive;
    buffer_init(&built, &mem_default, 0);
    buffer_init(&naive, &mem_default, 0);
    kw_reply *r = reply_build(&mem_default, data, len, values);
    fuzz_check(r != NULL);
    walk(r);
    naive_text_of(r, &built);
    (void)naive_read(data, len, limits, &naive); /* its verdict is known */
    fuzz_check(slice_equal(buffer_slice(&built), buffer_slice(&naive)));
    reply_free(r);
    buffer_done(&built);
    buffer_done(&naive);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0 || size > BYTES_MAX) {
        return 0;
    }
    const resp_limits *limits = data[0] & 128 ? &narrow : &wide;
    size_t step = 1 + data[0] % 16;
    data++;
    size--;
    resp_progress progress = RESP_DONE;
    while (progress == RESP_DONE && size > 0) {
        resp_scanner s;
        char *copy = fuzz_copy(data, size);
        resp_scanner_init(&s, limits);
        progress = resp_scan(&s, copy, size);
        naive_value naive = naive_read(copy, size, limits, NULL);
        fuzz_check(progress == naive.progress);
        size_t seen = progress == RESP_DONE ? naive.len : size;
        scan_in_steps(data, seen, seen / PIECES_MAX > step ? seen / PIECES_MAX : step, limits);
        if (progress == RESP_DONE) {
            fuzz_check(s.offset == naive.len && s.node_count == naive.values);
            fuzz_check(naive.len > 0 && naive.len <= size);
            check_tree(copy, naive.len, naive.values, limits);
            data += naive.len;
            size -= naive.len;
        }
        free(copy);
    }
    return 0;
}
