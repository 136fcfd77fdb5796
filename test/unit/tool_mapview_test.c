#include "tool/mapview.h"

#include "core/watch.h"
#include "unit/support/unit.h"

/* Two primaries with half of the slots each, a replica of the first, and a primary without slots.
 */
static map_node nodes[4];
static kw_map map;

static void node_at(int index, const char *name, const char *state, int primary) {
    map_node *node = &nodes[index];
    memset(node, 0, sizeof *node);
    snprintf(node->id, sizeof node->id, "id%d", index);
    snprintf(node->endpoint, sizeof node->endpoint, "%s", name);
    node->state = state;
    node->primary_index = primary;
}

static void count_slots(void) {
    for (int i = 0; i < 4; i++) {
        nodes[i].slot_count = 0;
    }
    for (int slot = 0; slot < KW_SLOT_COUNT; slot++) {
        if (map.owner[slot] >= 0) {
            nodes[map.owner[slot]].slot_count++;
        }
    }
}

static void even_halves(void) {
    memset(&map, 0, sizeof map);
    map.generation = 3;
    map.node_count = 4;
    map.nodes = nodes;
    node_at(0, "127.0.0.1:7002", "up", -1);
    node_at(1, "127.0.0.1:7001", "down", -1);
    node_at(2, "127.0.0.1:7004", "unknown", 1);
    node_at(3, "127.0.0.1:7003", "up", -1);
    for (int slot = 0; slot < KW_SLOT_COUNT; slot++) {
        map.owner[slot] = slot < KW_SLOT_COUNT / 2 ? 1 : 0;
    }
    count_slots();
}

static void primaries_are_numbered_by_their_longest_runs(void **state) {
    (void)state;
    node_order order;
    even_halves();
    map.owner[0] = 0; /* a slot that moved does not swap the colours */
    node_order_of(&order, &map);
    assert_int_equal(order.count, 3);
    assert_int_equal(order.primaries[0], 1);
    assert_int_equal(order.primaries[1], 0);
    assert_int_equal(order.primaries[2], 3);
    assert_int_equal(order.number[2], -1);
}

static void json_has_nodes_ranges_holes_and_suspects(void **state) {
    (void)state;
    out o;
    even_halves();
    map.owner[5] = -1;
    map.suspect[16383 / 8] = 1 << (16383 % 8);
    count_slots();
    out_init(&o, -1);
    mapview_json(&o, &map);
    assert_slice_is(
        out_slice(&o),
        "{\"generation\":3,\"covered\":16383,\"nodes\":["
        "{\"id\":\"id0\",\"endpoint\":\"127.0.0.1:7002\",\"role\":\"primary\",\"primary\":null,"
        "\"state\":\"up\",\"slots\":8192,\"ranges\":[[8192,16383]]},"
        "{\"id\":\"id1\",\"endpoint\":\"127.0.0.1:7001\",\"role\":\"primary\",\"primary\":null,"
        "\"state\":\"down\",\"slots\":8191,\"ranges\":[[0,4],[6,8191]]},"
        "{\"id\":\"id2\",\"endpoint\":\"127.0.0.1:7004\",\"role\":\"replica\","
        "\"primary\":\"127.0.0.1:7001\",\"state\":\"unknown\",\"slots\":0,\"ranges\":[]},"
        "{\"id\":\"id3\",\"endpoint\":\"127.0.0.1:7003\",\"role\":\"primary\",\"primary\":null,"
        "\"state\":\"up\",\"slots\":0,\"ranges\":[]}],"
        "\"holes\":[[5,5]],\"suspect\":[[16383,16383]]}\n");
    out_done(&o);
}

static void picture_shows_letters_table_and_trouble(void **state) {
    (void)state;
    const term plain = {.width = 80};
    out o;
    even_halves();
    map.owner[5] = -1;
    map.owner[6] = -1;
    map.suspect[16383 / 8] = 1 << (16383 % 8);
    count_slots();
    out_init(&o, -1);
    mapview_picture(&o, &plain, &map);
    out_char(&o, '\0');
    static const char *const parts[] = {
        "16382 of 16384 slots covered | 3 primaries, 1 replica | map generation 3\n",
        "\n     0  .AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n",
        "\n  8192  BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB\n",
        "\n 15360  BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB?\n",
        "\n A 127.0.0.1:7001  primary   8190  ##############  50.0 % down       0-4 7-8191\n",
        "\n  + 127.0.0.1:7004  replica                               not asked\n",
        "\n B 127.0.0.1:7002  primary   8192  ##############  50.0 % up         8192-16383\n",
        "\n C 127.0.0.1:7003  primary      0                   0.0 % up         \n",
        "\n2 slots without a node: 5-6\n",
        "\n1 slot in doubt (the newest view names no node; the last one is kept): 16383\n",
    };
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        if (!strstr(out_slice(&o).data, parts[i])) {
            print_error("no %sin\n%s", parts[i], out_slice(&o).data);
            fail();
        }
    }
    out_done(&o);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(primaries_are_numbered_by_their_longest_runs),
        cmocka_unit_test(json_has_nodes_ranges_holes_and_suspects),
        cmocka_unit_test(picture_shows_letters_table_and_trouble),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
