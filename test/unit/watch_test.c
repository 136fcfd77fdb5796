#include "core/watch.h"

#include "client/shared_mem.h"
#include "unit/support/failing_mem.h"
#include "unit/support/unit.h"

#include <stdio.h>
#include <stdlib.h>

/* ------------------------------------------------------------------- traces */

static void trace_shows_its_hops_in_order(void **state) {
    (void)state;
    kw_trace *trace = NULL;
    kw_hop hop;
    assert_int_equal(kw_trace_new(&trace), KW_OK);
    assert_int_equal(kw_trace_slot(trace), -1);
    assert_int_equal(kw_trace_hop_count(trace), 0);
    assert_false(kw_trace_hop_at(trace, 0, &hop));

    trace->slot = 866;
    trace->generation = 7;
    trace->total_us = 1234;
    trace->hop_count = 2;
    trace->hops[0] = (trace_hop){"10.0.0.1:7000", "map", "MOVED", 0, 100};
    trace->hops[1] = (trace_hop){"10.0.0.2:7000", "moved", NULL, 110, 0};
    assert_int_equal(kw_trace_slot(trace), 866);
    assert_int_equal(kw_trace_generation(trace), 7);
    assert_int_equal(kw_trace_total_us(trace), 1234);
    assert_int_equal(kw_trace_hop_count(trace), 2);
    assert_true(kw_trace_hop_at(trace, 0, &hop));
    assert_string_equal(hop.node, "10.0.0.1:7000");
    assert_string_equal(hop.reason, "map");
    assert_string_equal(hop.answer, "MOVED");
    assert_int_equal(hop.end_us, 100);
    assert_true(kw_trace_hop_at(trace, 1, &hop));
    assert_string_equal(hop.answer, ""); /* still out */
    assert_false(kw_trace_hop_at(trace, 2, &hop));
    kw_trace_free(trace);
}

static void trace_keeps_the_last_hops(void **state) {
    (void)state;
    kw_trace *trace = NULL;
    kw_hop hop;
    assert_int_equal(kw_trace_new(&trace), KW_OK);
    for (uint64_t i = 0; i < LIMIT_TRACE_HOPS + 3; i++) {
        trace->hops[i % LIMIT_TRACE_HOPS] = (trace_hop){.start_us = i};
        trace->hop_count++;
    }
    assert_int_equal(kw_trace_hop_count(trace), LIMIT_TRACE_HOPS);
    for (size_t i = 0; i < LIMIT_TRACE_HOPS; i++) {
        assert_true(kw_trace_hop_at(trace, i, &hop));
        assert_int_equal(hop.start_us, i + 3);
    }
    assert_false(kw_trace_hop_at(trace, LIMIT_TRACE_HOPS, &hop));
    kw_trace_free(trace);
}

/* ------------------------------------------------------------------- events */

static void event_is_read_by_its_accessors(void **state) {
    (void)state;
    const kw_event event = {KW_EVENT_SLOT_HEALED, 5, "a:1", "b:2", "slot 5 has an owner again"};
    assert_int_equal(kw_event_get_type(&event), KW_EVENT_SLOT_HEALED);
    assert_int_equal(kw_event_slot(&event), 5);
    assert_string_equal(kw_event_node(&event), "a:1");
    assert_string_equal(kw_event_target(&event), "b:2");
    assert_string_equal(kw_event_text(&event), "slot 5 has an owner again");
}

static void every_kind_of_event_has_a_name(void **state) {
    (void)state;
    for (int a = KW_EVENT_MAP_CHANGED; a < KW_EVENT_TYPE_COUNT; a++) {
        assert_string_not_equal(kw_event_type_name((kw_event_type)a), "unknown");
        for (int b = KW_EVENT_MAP_CHANGED; b < a; b++) {
            assert_string_not_equal(kw_event_type_name((kw_event_type)a),
                                    kw_event_type_name((kw_event_type)b));
        }
    }
    assert_string_equal(kw_event_type_name(KW_EVENT_SLOT_HEALED), "slot-healed");
    assert_string_equal(kw_event_type_name((kw_event_type)99), "unknown");
}

/* ---------------------------------------------------------------------- map */

static kw_map *make_map(const mem *m) {
    kw_map *map = mem_calloc(m, 1, sizeof *map);
    assert_non_null(map);
    map->mem = m;
    map->generation = 3;
    map->node_count = 2;
    map->nodes = mem_calloc(m, 2, sizeof *map->nodes);
    assert_non_null(map->nodes);
    map->nodes[0] = (map_node){"aaaa", "h:1", "up", -1, 16384};
    map->nodes[1] = (map_node){"bbbb", "h:2", NULL, 0, 0};
    map->owner[100] = -1;
    map->suspect[200 / 8] = 1u << 200 % 8;
    return map;
}

static void map_is_read_by_its_accessors(void **state) {
    (void)state;
    kw_map_node node;
    kw_map *map = make_map(shared_mem_new(&mem_default));
    assert_int_equal(kw_map_generation(map), 3);
    assert_int_equal(kw_map_node_count(map), 2);
    assert_true(kw_map_node_at(map, 0, &node));
    assert_true(node.primary);
    assert_int_equal(node.primary_index, -1);
    assert_int_equal(node.slot_count, 16384);
    assert_string_equal(node.id, "aaaa");
    assert_true(kw_map_node_at(map, 1, &node));
    assert_false(node.primary);
    assert_int_equal(node.primary_index, 0);
    assert_string_equal(node.state, "unknown");
    assert_string_equal(node.endpoint, "h:2");
    assert_false(kw_map_node_at(map, 2, &node));

    assert_int_equal(kw_map_owner(map, 0), 0);
    assert_int_equal(kw_map_owner(map, 100), -1);
    assert_int_equal(kw_map_owner(map, -1), -1);
    assert_int_equal(kw_map_owner(map, 16384), -1);
    assert_true(kw_map_is_suspect(map, 200));
    assert_false(kw_map_is_suspect(map, 201));
    assert_false(kw_map_is_suspect(map, 199));
    assert_false(kw_map_is_suspect(map, -1));
    assert_false(kw_map_is_suspect(map, 16384));
    kw_map_free(map);
    kw_map_free(NULL);
}

/* The handle's allocator lives as long as the last who holds it. */
static void snapshot_outlives_its_handle(void **state) {
    (void)state;
    failing_mem t;
    failing_mem_init(&t);
    const mem *m = shared_mem_new(&t.mem);
    kw_map *map = make_map(shared_mem_ref(m));
    shared_mem_unref(m); /* kw_close */
    assert_int_equal(t.live_count, 3);
    assert_int_equal(kw_map_generation(map), 3);
    kw_map_free(map);
    assert_int_equal(t.live_count, 0);
}

/* -------------------------------------------------------------------- stats */

static kw_stats *make_stats(const mem *m) {
    kw_stats *stats = mem_calloc(m, 1, sizeof *stats);
    assert_non_null(stats);
    stats->mem = m;
    stats->node_count = 2;
    stats->nodes = mem_calloc(m, 2, sizeof *stats->nodes);
    assert_non_null(stats->nodes);
    stats->counters[KW_COUNT_MOVED] = 5;
    stats->counters[KW_COUNT_SLOTS_KNOWN] = 16384;
    strcpy(stats->nodes[0].endpoint, "10.0.0.1:7000");
    strcpy(stats->nodes[1].endpoint, "odd\"\\\nname:1");
    stats->nodes[0].counters[KW_COUNT_MOVED] = 2;
    stats->nodes[1].counters[KW_COUNT_MOVED] = 3;
    for (uint64_t us = 1; us <= 1000; us++) {
        histogram_add(&stats->latency, us);
        histogram_add(&stats->nodes[us % 2].latency, us);
    }
    return stats;
}

static void every_counter_has_a_name_of_its_own(void **state) {
    (void)state;
    for (int a = 0; a < KW_COUNTER_COUNT; a++) {
        assert_non_null(kw_counter_name((kw_counter)a));
        for (int b = 0; b < a; b++) {
            assert_string_not_equal(kw_counter_name((kw_counter)a), kw_counter_name((kw_counter)b));
        }
    }
    assert_string_equal(kw_counter_name(KW_COUNT_MOVED), "moved");
    assert_null(kw_counter_name(KW_COUNTER_COUNT));
}

static void stats_are_read_by_their_accessors(void **state) {
    (void)state;
    kw_stats *stats = make_stats(shared_mem_new(&mem_default));
    assert_int_equal(kw_stats_total(stats, KW_COUNT_MOVED), 5);
    assert_int_equal(kw_stats_total(stats, KW_COUNTER_COUNT), 0);
    assert_int_equal(kw_stats_node_count(stats), 2);
    assert_string_equal(kw_stats_node_endpoint(stats, 0), "10.0.0.1:7000");
    assert_null(kw_stats_node_endpoint(stats, 2));
    assert_int_equal(kw_stats_node(stats, 1, KW_COUNT_MOVED), 3);
    assert_int_equal(kw_stats_node(stats, 2, KW_COUNT_MOVED), 0);
    assert_in_range(kw_stats_latency_us(stats, -1, 0.5), 485, 515);
    assert_in_range(kw_stats_latency_us(stats, 0, 0.99), 960, 1020);
    assert_int_equal(kw_stats_latency_us(stats, 2, 0.5), 0);
    kw_stats_free(stats);
    kw_stats_free(NULL);
}

static void prometheus_text_has_totals_nodes_and_histograms(void **state) {
    (void)state;
    kw_stats *stats = make_stats(shared_mem_new(&mem_default));
    const char *text = kw_stats_prometheus(stats);
    assert_non_null(text);
    const char *lines[] = {
        "# TYPE keyway_moved_total counter\nkeyway_moved_total 5\n",
        "# TYPE keyway_slots_known gauge\nkeyway_slots_known 16384\n",
        "\nkeyway_node_moved_total{node=\"10.0.0.1:7000\"} 2\n",
        "\nkeyway_node_moved_total{node=\"odd\\\"\\\\\\nname:1\"} 3\n",
        "# TYPE keyway_latency_seconds histogram\n",
        "\nkeyway_latency_seconds_bucket{le=\"0.001000\"} 1000\n",
        "\nkeyway_latency_seconds_bucket{le=\"+Inf\"} 1000\n",
        "\nkeyway_latency_seconds_sum 0.500500\n",
        "\nkeyway_latency_seconds_count 1000\n",
        "\nkeyway_node_latency_seconds_bucket{node=\"10.0.0.1:7000\",le=\"+Inf\"} 500\n",
        "\nkeyway_node_latency_seconds_count{node=\"10.0.0.1:7000\"} 500\n",
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        assert_non_null(strstr(text, lines[i]));
    }
    assert_null(strstr(text, "keyway_node_slots_known"));
    assert_ptr_equal(kw_stats_prometheus(stats), text); /* made once */
    kw_stats_free(stats);
}

/* Each line is a comment or `name{labels} value`; buckets never fall. */
static void prometheus_text_is_well_formed(void **state) {
    (void)state;
    kw_stats *stats = make_stats(shared_mem_new(&mem_default));
    const char *text = kw_stats_prometheus(stats);
    assert_non_null(text);
    kw_slice rest = slice_text(text);
    kw_slice line;
    long long last = 0;
    size_t count = 0;
    while (slice_split(&rest, '\n', &line)) {
        if (line.len == 0 || line.data[0] == '#') {
            continue;
        }
        count++;
        assert_true(slice_starts_with(line, "keyway_"));
        size_t at = line.len;
        while (at > 0 && line.data[at - 1] != ' ') {
            at--;
        }
        assert_true(at > 1 && at < line.len);
        char *end = NULL;
        double value = strtod(line.data + at, &end);
        assert_ptr_equal(end, line.data + line.len);
        assert_true(value >= 0);
        bool is_bucket = memmem(line.data, line.len, "_bucket{", 8) != NULL;
        assert_true(!is_bucket || (long long)value >= last);
        last = is_bucket && !memmem(line.data, line.len, "+Inf", 4) ? (long long)value : 0;
    }
    assert_true(count > 50);
    kw_stats_free(stats);
}

static void prometheus_text_fails_whole_when_memory_is_short(void **state) {
    (void)state;
    failing_mem t;
    failing_mem_init(&t);
    kw_stats *stats = make_stats(shared_mem_new(&t.mem));
    for (size_t budget = 0; !stats->prometheus; budget++) {
        assert_true(budget < 100);
        failing_mem_fail_after(&t, budget);
        const char *text = kw_stats_prometheus(stats);
        assert_true(!text || strstr(text, "\nkeyway_node_latency_seconds_count{node=\"odd"));
    }
    kw_stats_free(stats);
    assert_int_equal(t.live_count, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trace_shows_its_hops_in_order),
        cmocka_unit_test(trace_keeps_the_last_hops),
        cmocka_unit_test(event_is_read_by_its_accessors),
        cmocka_unit_test(every_kind_of_event_has_a_name),
        cmocka_unit_test(map_is_read_by_its_accessors),
        cmocka_unit_test(snapshot_outlives_its_handle),
        cmocka_unit_test(every_counter_has_a_name_of_its_own),
        cmocka_unit_test(stats_are_read_by_their_accessors),
        cmocka_unit_test(prometheus_text_has_totals_nodes_and_histograms),
        cmocka_unit_test(prometheus_text_is_well_formed),
        cmocka_unit_test(prometheus_text_fails_whole_when_memory_is_short),
    };
    return cmocka_run_group_tests_name("watch", tests, NULL, NULL);
}
