/* One node's view of the cluster: whatever CLUSTER SLOTS and CLUSTER INFO answer, a view that is
 * accepted has every slot owned by the primary that its row names, and is the same however the
 * reply is cut. */
#include "core/reply.h"
#include "core/resp.h"
#include "core/topology.h"
#include "fuzz/fuzz.h"

static const resp_limits limits = {
    .value_bytes = 1 << 16,
    .bulk_bytes = 1 << 12,
    .elements = 1 << 10,
    .values = 1 << 12,
    .depth = 8,
};

static void check_view(const view *v) {
    uint32_t covered = 0;
    for (int slot = 0; slot < SLOT_COUNT; slot++) {
        uint16_t owner = v->owner[slot];
        if (owner != VIEW_NO_OWNER) {
            fuzz_check(owner < v->node_count && v->nodes[owner].primary == owner);
            covered++;
        }
    }
    fuzz_check(covered == v->covered_count);
    uint32_t owned = 0;
    for (uint16_t i = 0; i < v->node_count; i++) {
        fuzz_check(v->nodes[i].primary < v->node_count);
        fuzz_check(v->nodes[i].port != 0 && v->nodes[i].host[0] != '\0');
        owned += v->nodes[i].slot_count;
    }
    fuzz_check(owned == covered);
    fuzz_check(view_agrees(v, v));
}

static const endpoint asked = {.host = "10.0.0.1", .port = 7000};

/* The reply comes so many bytes at a time, each time in memory that ends with it. */
static kw_status read_in_steps(const char *data, size_t len, size_t step, view **ret,
                               const char **why) {
    resp_scanner scanner;
    resp_scanner_init(&scanner, &limits);
    view_reader *r = view_reader_new(&mem_default, &asked);
    fuzz_check(r != NULL);
    for (size_t come = step; come < len; come += step) {
        char *part = fuzz_copy((const uint8_t *)data, come);
        fuzz_check(resp_scan(&scanner, part, come) == RESP_MORE);
        view_read_rows(r, part, (size_t)scanner.offset);
        free(part);
    }
    kw_status status = view_read_end(r, data, len, ret, why);
    view_reader_free(r);
    return status;
}

/* The host and the port that a row names its primary by. */
static void check_row(const view *v, const kw_reply *row) {
    const kw_reply *primary = kw_reply_at(row, 2);
    kw_slice host = reply_slice(kw_reply_at(primary, 0));
    int64_t last = kw_reply_integer(kw_reply_at(row, 1));
    for (int64_t slot = kw_reply_integer(kw_reply_at(row, 0)); slot <= last; slot++) {
        uint16_t owner = v->owner[slot];
        fuzz_check((owner == VIEW_NO_OWNER) == slice_is(host, "?"));
        if (owner != VIEW_NO_OWNER) {
            const view_node *n = &v->nodes[owner];
            fuzz_check(slice_is(host.len > 0 ? host : slice_text(asked.host), n->host));
            fuzz_check(kw_reply_integer(kw_reply_at(primary, 1)) == n->port);
        }
    }
}

static void check_reply(const char *data, size_t len, uint64_t node_count, size_t step) {
    const char *why = NULL;
    const char *cut_why = NULL;
    view *v = NULL;
    view *cut = NULL;
    kw_reply *reply = reply_build(&mem_default, data, len, node_count);
    fuzz_check(reply != NULL);
    kw_status status = read_in_steps(data, len, len, &v, &why);
    fuzz_check(read_in_steps(data, len, step, &cut, &cut_why) == status);
    if (status == KW_OK) {
        check_view(v);
        fuzz_check(cut->node_count == v->node_count && view_agrees(v, cut));
        for (size_t i = 0; i < kw_reply_count(reply); i++) {
            check_row(v, kw_reply_at(reply, i));
        }
        view_read_info(v, reply);
    } else {
        fuzz_check(!v && !cut && why && strcmp(why, cut_why) == 0);
    }
    view_free(v);
    view_free(cut);
    reply_free(reply);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    resp_scanner scanner;
    if (size == 0 || size > 8192) {
        return 0;
    }
    char *copy = fuzz_copy(data, size);
    resp_scanner_init(&scanner, &limits);
    if (resp_scan(&scanner, copy, size) == RESP_DONE) {
        size_t step = 1 + size % 97;
        check_reply(copy, (size_t)scanner.offset, scanner.node_count,
                    step > size / 64 ? step : size / 64);
    }
    free(copy);
    return 0;
}
