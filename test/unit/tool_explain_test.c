#include "tool/explain.h"

#include "core/watch.h"
#include "unit/support/unit.h"

static kw_trace trace;

static void hop(const char *node, const char *reason, const char *answer, uint64_t start_us,
                uint64_t end_us) {
    trace_hop *h = &trace.hops[trace.hop_count++];
    memset(h, 0, sizeof *h);
    snprintf(h->node, sizeof h->node, "%s", node);
    h->reason = reason;
    h->answer = answer;
    h->start_us = start_us;
    h->end_us = end_us;
    trace.total_us = end_us;
}

static void empty_trace(int slot) {
    memset(&trace, 0, sizeof trace);
    trace.slot = slot;
    trace.generation = 4;
}

static void table_has_a_line_for_each_hop(void **state) {
    (void)state;
    const term plain = {.width = 80};
    out o;
    empty_trace(866);
    hop("h:1", "map", "MOVED", 0, 400);
    hop("host:22", "moved", "reply", 600, 1200);
    out_init(&o, -1);
    explain_table(&o, &plain, &trace);
    assert_slice_is(out_slice(&o),
                    "slot 866 | map generation 4 | 2 hops | 1200 us\n"
                    "  #  node     reason  answer  at us     us\n"
                    "  1  h:1      map     MOVED       0    400  =========...............\n"
                    "  2  host:22  moved   reply     600    600  ............============\n");
    out_done(&o);
}

static void line_tells_redirects_and_counts_those_alike(void **state) {
    (void)state;
    const term plain = {.width = 80};
    out o;
    empty_trace(5);
    hop("h:1", "map", "CLUSTERDOWN", 0, 100);
    hop("h:1", "retry", "CLUSTERDOWN", 200, 300);
    hop("h:1", "retry", "MOVED", 400, 500);
    hop("h:2", "moved", "reply", 600, 1500);
    out_init(&o, -1);
    explain_line(&o, &plain, &trace);
    empty_trace(-1);
    hop("h:3", "map", "error", 0, 250);
    explain_line(&o, &plain, &trace);
    empty_trace(7);
    hop("h:4", "map", "lost", 0, 1000);
    explain_line(&o, &plain, &trace);
    assert_slice_is(out_slice(&o), "slot 5 -> h:1 CLUSTERDOWN x2 -> h:1 MOVED -> h:2  1.50 ms\n"
                                   "no key -> h:3  0.25 ms\n"
                                   "slot 7 -> h:4 lost  1.00 ms\n");
    out_done(&o);
}

static void json_has_every_hop(void **state) {
    (void)state;
    out o;
    empty_trace(-1);
    hop("h:1", "map", NULL, 1, 2);
    out_init(&o, -1);
    explain_json(&o, &trace);
    assert_slice_is(out_slice(&o),
                    "{\"slot\":null,\"generation\":4,\"total_us\":2,\"hops\":[{\"node\":\"h:1\","
                    "\"reason\":\"map\",\"answer\":\"-\",\"start_us\":1,\"end_us\":2}]}");
    out_done(&o);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table_has_a_line_for_each_hop),
        cmocka_unit_test(line_tells_redirects_and_counts_those_alike),
        cmocka_unit_test(json_has_every_hop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
