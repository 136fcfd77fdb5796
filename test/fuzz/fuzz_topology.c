/* One node's view of the cluster: whatever CLUSTER SLOTS and CLUSTER INFO answer, a view that is
 * accepted has every slot owned by a primary that is there, and agrees with itself. */
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
        fuzz_check(v->nodes[i].endpoint.port != 0 && v->nodes[i].endpoint.host[0] != '\0');
        owned += v->nodes[i].slot_count;
    }
    fuzz_check(owned == covered);
    fuzz_check(view_agrees(v, v));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    resp_scanner scanner;
    if (size == 0 || size > 8192) {
        return 0;
    }
    char *copy = fuzz_copy(data, size);
    resp_scanner_init(&scanner, &limits);
    if (resp_scan(&scanner, copy, size) == RESP_DONE) {
        const endpoint asked = {.host = "10.0.0.1", .port = 7000};
        const char *why = NULL;
        kw_reply *reply =
            reply_build(&mem_default, copy, (size_t)scanner.offset, scanner.node_count);
        view *v = view_new(&mem_default);
        fuzz_check(reply && v);
        kw_status status = view_read_slots(v, reply, &asked, &why);
        if (status == KW_OK) {
            check_view(v);
        } else {
            fuzz_check(why != NULL);
        }
        view_read_info(v, reply);
        view_free(v);
        reply_free(reply);
    }
    free(copy);
    return 0;
}
