#include "core/topology.h"

#include "core/resp.h"
#include "unit/support/notation.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const endpoint asked = {.host = "10.0.0.9", .port = 7009};

/* Reads a reply that comes `step` bytes at a time, 0: at once, from memory that moves. */
static kw_status read_bytes(kw_slice wire, size_t step, const endpoint *from, const mem *m,
                            view **ret, const char **why) {
    resp_scanner scanner;
    resp_scanner_init(&scanner, &resp_limits_default);
    view_reader *r = view_reader_new(m, from);
    kw_status status = KW_ERR_NOMEM;
    for (size_t len = step; r && step > 0 && len < wire.len; len += step) {
        char *part = malloc(len);
        assert_non_null(part);
        memcpy(part, wire.data, len);
        assert_int_equal(resp_scan(&scanner, part, len), RESP_MORE);
        view_read_rows(r, part, (size_t)scanner.offset);
        free(part);
    }
    assert_int_equal(resp_scan(&scanner, wire.data, wire.len), RESP_DONE);
    assert_int_equal(scanner.offset, wire.len);
    if (r) {
        status = view_read_end(r, wire.data, wire.len, ret, why);
    }
    view_reader_free(r);
    return status;
}

static kw_status read_asking(const char *text, size_t step, const endpoint *from, view **ret,
                             const char **why) {
    buffer wire;
    buffer_init(&wire, &mem_default, 0);
    notation_write(text, &wire);
    kw_status status = read_bytes(buffer_slice(&wire), step, from, &mem_default, ret, why);
    buffer_done(&wire);
    return status;
}

/* However it is cut. */
static view *read_view(const char *text) {
    static const size_t steps[] = {0, 1, 7, 100};
    view *first = NULL;
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        view *v = NULL;
        const char *why = "";
        if (read_asking(text, steps[i], &asked, &v, &why) != KW_OK) {
            fail_msg("%s: %s", text, why);
        }
        if (!first) {
            first = v;
            continue;
        }
        assert_true(view_agrees(first, v));
        assert_int_equal(v->node_count, first->node_count);
        assert_int_equal(v->covered_count, first->covered_count);
        view_free(v);
    }
    return first;
}

static const view_node *owner_of(const view *v, int slot) {
    assert_true(v->owner[slot] < v->node_count);
    return &v->nodes[v->owner[slot]];
}

static void assert_owner(const view *v, int slot, const char *want) {
    char text[ENDPOINT_TEXT_BYTES];
    endpoint e = view_node_endpoint(owner_of(v, slot));
    assert_string_equal(endpoint_format(&e, text), want);
}

/* --------------------------------------------------------------- what is read */

static void resp2_view_is_read(void **state) {
    (void)state;
    view *v = read_view("[[0 5460 ['10.0.0.1' 7000 'aaa' ['hostname' 'one.example']]"
                        " ['10.0.0.4' 7003 'ddd' []]]"
                        " [5461 16383 ['10.0.0.2' 7001 'bbb' []] ['10.0.0.5' 7004 'eee' []]]]");
    assert_int_equal(v->node_count, 4);
    assert_int_equal(v->covered_count, SLOT_COUNT);
    assert_owner(v, 0, "10.0.0.1:7000");
    assert_owner(v, 5460, "10.0.0.1:7000");
    assert_owner(v, 5461, "10.0.0.2:7001");
    assert_owner(v, 16383, "10.0.0.2:7001");
    assert_string_equal(owner_of(v, 0)->id, "aaa");
    assert_int_equal(owner_of(v, 0)->slot_count, 5461);
    assert_int_equal(v->nodes[1].primary, v->owner[0]);
    assert_int_equal(v->nodes[1].slot_count, 0);
    assert_int_equal(v->nodes[v->owner[0]].primary, v->owner[0]);
    view_free(v);
}

static void resp3_view_is_read(void **state) {
    (void)state;
    view *v = read_view("[[0 16383 ['one.example' 7000 'aaa' {'ip' '10.0.0.1'}]"
                        " ['two.example' 7001 'bbb' {}]]]");
    assert_int_equal(v->node_count, 2);
    assert_owner(v, 100, "one.example:7000");
    view_free(v);
}

static void old_view_without_ids_is_read(void **state) {
    (void)state;
    view *v = read_view("[[0 100 ['10.0.0.1' 7000] ['10.0.0.2' 7001]]"
                        " [200 300 ['10.0.0.1' 7000] ['10.0.0.2' 7001]]]");
    assert_int_equal(v->node_count, 2);
    assert_string_equal(owner_of(v, 0)->id, "");
    assert_int_equal(v->owner[0], v->owner[300]);
    assert_int_equal(owner_of(v, 0)->slot_count, 202);
    assert_int_equal(v->covered_count, 202);
    assert_int_equal(v->owner[150], VIEW_NO_OWNER);
    view_free(v);
}

static void id_of_null_counts_as_none(void **state) {
    (void)state;
    view *v = read_view("[[0 1 ['10.0.0.1' 7000 ~]]]");
    assert_string_equal(owner_of(v, 0)->id, "");
    view_free(v);
}

static void no_host_means_the_node_asked(void **state) {
    (void)state;
    const char *hosts[] = {"''", "~", "_"};
    for (size_t i = 0; i < 3; i++) {
        char text[128];
        (void)snprintf(text, sizeof text, "[[0 10 [%s 7000 'a'] ['10.0.0.2' 7001 'b']]]", hosts[i]);
        view *v = read_view(text);
        assert_owner(v, 0, "10.0.0.9:7000");
        view_free(v);
    }
}

static void no_host_by_a_unix_socket_means_this_machine(void **state) {
    (void)state;
    endpoint socket = {.host = "/run/redis.sock", .port = 0};
    view *v = NULL;
    const char *why;
    assert_int_equal(read_asking("[[0 10 ['' 7000 'a']]]", 0, &socket, &v, &why), KW_OK);
    assert_owner(v, 0, "127.0.0.1:7000");
    view_free(v);
}

static void unknown_host_leaves_the_slots_uncovered(void **state) {
    (void)state;
    view *v = read_view("[[0 10 ['?' 7000 'a'] ['10.0.0.2' 7001 'b']]"
                        " [11 20 ['10.0.0.3' 7002 'c'] ['?' 7003 'd']]]");
    assert_int_equal(v->covered_count, 10);
    assert_int_equal(v->owner[5], VIEW_NO_OWNER);
    assert_owner(v, 11, "10.0.0.3:7002");
    assert_int_equal(v->node_count, 1);
    view_free(v);
}

static void hostname_in_metadata_is_not_connected_to(void **state) {
    (void)state;
    view *v = read_view("[[0 10 ['10.0.0.1' 7000 'a' ['hostname' 'elsewhere.example']]]]");
    assert_owner(v, 0, "10.0.0.1:7000");
    view_free(v);
}

static void ipv6_hosts_are_read(void **state) {
    (void)state;
    view *v = read_view("[[0 10 ['2001:db8::1' 7000 'a'] ['::1' 7001 'b']]]");
    assert_owner(v, 0, "[2001:db8::1]:7000");
    assert_string_equal(v->nodes[1].host, "::1");
    view_free(v);
}

static void node_in_many_ranges_is_one_node(void **state) {
    (void)state;
    view *v = read_view("[[0 0 ['h' 1 'a'] ['h' 2 'b']] [1 1 ['h' 3 'c'] ['h' 4 'd']]"
                        " [2 2 ['h' 1 'a'] ['h' 2 'b'] ['h' 2 'b']]]");
    assert_int_equal(v->node_count, 4);
    assert_int_equal(v->owner[0], v->owner[2]);
    assert_int_equal(v->nodes[v->owner[0]].slot_count, 2);
    view_free(v);
}

static void same_endpoint_with_two_ids_is_one_place_to_send_to(void **state) {
    (void)state;
    view *v = read_view("[[0 0 ['h' 1 'a']] [1 1 ['h' 1 'b']]]");
    assert_int_equal(v->node_count, 1);
    assert_int_equal(v->covered_count, 2);
    view_free(v);
}

static void node_in_both_roles_is_a_primary(void **state) {
    (void)state;
    const char *texts[] = {"[[0 0 ['h' 1 'a'] ['h' 2 'b']] [1 1 ['h' 2 'b']]]",
                           "[[1 1 ['h' 2 'b']] [0 0 ['h' 1 'a'] ['h' 2 'b']]]"};
    for (size_t i = 0; i < 2; i++) {
        view *v = read_view(texts[i]);
        assert_int_equal(v->node_count, 2);
        assert_int_equal(owner_of(v, 1)->primary, v->owner[1]);
        assert_int_equal(owner_of(v, 0)->primary, v->owner[0]);
        view_free(v);
    }
}

static void empty_view_covers_nothing(void **state) {
    (void)state;
    view *v = read_view("[]");
    assert_int_equal(v->covered_count, 0);
    assert_int_equal(v->node_count, 0);
    view_free(v);
}

static void attributes_are_passed_over(void **state) {
    (void)state;
    static const char wire[] =
        "|1\r\n+ttl\r\n*1\r\n:3\r\n*1\r\n|1\r\n+a\r\n|0\r\n+b\r\n*3\r\n:0\r\n"
        "|1\r\n:7\r\n:8\r\n:5\r\n*3\r\n$1\r\nh\r\n|0\r\n:1\r\n$1\r\na\r\n";
    for (size_t step = 0; step < 9; step++) {
        view *v = NULL;
        const char *why = "";
        assert_int_equal(
            read_bytes(slice_of(wire, sizeof wire - 1), step, &asked, &mem_default, &v, &why),
            KW_OK);
        assert_owner(v, 5, "h:1");
        assert_int_equal(v->covered_count, 6);
        view_free(v);
    }
}

/* More names than the reader remembers, each met again and again. */
static void nodes_are_told_apart_however_many(void **state) {
    (void)state;
    enum { NAMES = 6000, HOSTS = 900 };
    buffer wire;
    buffer_init(&wire, &mem_default, 0);
    assert_true(buffer_printf(&wire, "*%d\r\n", 2 * NAMES));
    for (int slot = 0; slot < 2 * NAMES; slot++) {
        int name = slot % NAMES;
        assert_true(buffer_printf(&wire, "*3\r\n:%d\r\n:%d\r\n*3\r\n+h%d\r\n:7000\r\n+id%d\r\n",
                                  slot, slot, name % HOSTS, name));
    }
    view *v = NULL;
    const char *why = "";
    assert_int_equal(read_bytes(buffer_slice(&wire), 0, &asked, &mem_default, &v, &why), KW_OK);
    assert_int_equal(v->node_count, HOSTS);
    for (int slot = 0; slot < 2 * NAMES; slot++) {
        char want[32];
        (void)snprintf(want, sizeof want, "h%d:7000", slot % NAMES % HOSTS);
        assert_owner(v, slot, want);
    }
    view_free(v);
    buffer_done(&wire);
}

static void rows_are_read_once_as_they_come(void **state) {
    (void)state;
    static const char part[] =
        "*2\r\n*3\r\n:0\r\n:5\r\n*2\r\n+h\r\n:1\r\n*3\r\n:6\r\n:9\r\n*2\r\n+h\r\n";
    view *v = NULL;
    const char *why = NULL;
    view_reader *r = view_reader_new(&mem_default, &asked);
    assert_non_null(r);
    for (size_t i = 0; i < 3; i++) {
        view_read_rows(r, part, sizeof part - 1);
    }
    char whole[sizeof part + 4];
    (void)snprintf(whole, sizeof whole, "%s:2\r\n", part);
    assert_int_equal(view_read_end(r, whole, sizeof whole - 1, &v, &why), KW_OK);
    assert_int_equal(v->covered_count, 10);
    assert_owner(v, 5, "h:1");
    assert_owner(v, 6, "h:2");
    view_reader_free(r);
    view_free(v);
}

/* ------------------------------------------------------------ what is refused */

static void nonsense_is_refused(void **state) {
    (void)state;
    static const char *const texts[] = {
        "7",
        "'slots'",
        "~",
        "{'a' 1}",
        "[7]",
        "[[]]",
        "[[0 5]]",
        "[['0' 5 ['h' 1 'a']]]",
        "[[0 ~ ['h' 1 'a']]]",
        "[[-1 5 ['h' 1 'a']]]",
        "[[0 16384 ['h' 1 'a']]]",
        "[[16384 16385 ['h' 1 'a']]]",
        "[[6 5 ['h' 1 'a']]]",
        "[[0 9223372036854775807 ['h' 1 'a']]]",
        "[[0 5 'h']]",
        "[[0 5 []]]",
        "[[0 5 ['h']]]",
        "[[0 5 [7 1 'a']]]",
        "[[0 5 ['h' '1' 'a']]]",
        "[[0 5 ['h' 0 'a']]]",
        "[[0 5 ['h' -1 'a']]]",
        "[[0 5 ['h' 65536 'a']]]",
        "[[0 5 ['h h' 1 'a']]]",
        "[[0 5 ['h' 1 7]]]",
        "[[0 5 ['h' 1 'a b']]]",
        "[[0 5 ['h' 1 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa']]]",
        "[[0 5 ['h' 1 'a']] [5 6 ['h' 2 'b']]]",
        "[[0 5 ['h' 1 'a']] [0 5 ['h' 1 'a']]]",
        "[[0 5 ['?' 1 'a']] [5 6 ['h' 2 'b']]]",
        "[[0 5 ['h' 1 'a'] ['h' 0 'b']]]",
        "[[0 5 ['h' 1 'a'] 7]]",
        "[[0 5 ['?' 1 'a'] ['h' 70000 'b']]]",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        for (size_t step = 0; step < 20; step++) {
            view *v = NULL;
            const char *why = NULL;
            kw_status status = read_asking(texts[i], step, &asked, &v, &why);
            if (status != KW_ERR_PROTOCOL) {
                fail_msg("%s: status %d", texts[i], (int)status);
            }
            assert_non_null(why);
            assert_null(v);
        }
    }
}

static void error_replies_have_their_status(void **state) {
    (void)state;
    static const struct {
        const char *text;
        kw_status status;
    } rows[] = {
        {"-ERR This instance has cluster support disabled", KW_ERR_NOT_CLUSTER},
        {"-ERR unknown command 'CLUSTER', with args beginning with: 'SLOTS'", KW_ERR_NOT_CLUSTER},
        {"-NOAUTH Authentication required.", KW_ERR_AUTH},
        {"-NOPERM this user has no permissions to run the 'cluster|slots' command", KW_ERR_AUTH},
        {"-LOADING Redis is loading the dataset in memory", KW_ERR_PROTOCOL},
        {"-ERR something else", KW_ERR_PROTOCOL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        view *v = NULL;
        const char *why = NULL;
        assert_int_equal(read_asking(rows[i].text, 0, &asked, &v, &why), rows[i].status);
        assert_non_null(why);
        assert_null(v);
    }
}

/* Writes `count` entries of one slot each, with `replicas` replicas, every node a new one. */
static char *many_nodes(unsigned count, unsigned replicas) {
    size_t size = 64 + (size_t)count * (replicas + 1) * 48;
    char *text = malloc(size);
    assert_non_null(text);
    size_t len = (size_t)snprintf(text, size, "[");
    unsigned node = 1;
    for (unsigned slot = 0; slot < count; slot++) {
        len += (size_t)snprintf(text + len, size - len, "[%u %u", slot, slot);
        for (unsigned i = 0; i <= replicas; i++, node++) {
            len += (size_t)snprintf(text + len, size - len, " ['h' %u 'n%u']", node, node);
        }
        len += (size_t)snprintf(text + len, size - len, "] ");
    }
    (void)snprintf(text + len, size - len, "]");
    return text;
}

static void caps_are_held(void **state) {
    (void)state;
    static const struct {
        unsigned count;
        unsigned replicas;
        kw_status status;
    } rows[] = {{LIMIT_NODES, 0, KW_OK},
                {LIMIT_NODES + 1, 0, KW_ERR_PROTOCOL},
                {1, LIMIT_REPLICAS, KW_OK},
                {1, LIMIT_REPLICAS + 1, KW_ERR_PROTOCOL}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char *text = many_nodes(rows[i].count, rows[i].replicas);
        view *v = NULL;
        const char *why = NULL;
        assert_int_equal(read_asking(text, 0, &asked, &v, &why), rows[i].status);
        view_free(v);
        free(text);
    }
}

static void more_ranges_than_slots_are_refused(void **state) {
    (void)state;
    static char text[2 * (LIMIT_SLOT_RANGES + 1) + 3];
    text[0] = '[';
    for (size_t i = 0; i <= LIMIT_SLOT_RANGES; i++) {
        memcpy(text + 1 + 2 * i, "1 ", 2);
    }
    text[sizeof text - 2] = ']';
    view *v = NULL;
    const char *why = NULL;
    assert_int_equal(read_asking(text, 0, &asked, &v, &why), KW_ERR_PROTOCOL);
    assert_string_equal(why, "too many slot ranges");
    assert_null(v);
}

/* ---------------------------------------------------------------- epoch, peers */

static void epoch_is_read_from_info(void **state) {
    (void)state;
    static const struct {
        const char *text;
        uint64_t epoch;
    } rows[] = {
        {"'cluster_state:ok\r\ncluster_current_epoch:42\r\ncluster_my_epoch:2\r\n'", 42},
        {"=cluster_state:ok\r\ncluster_current_epoch:18446744073709551615\r\n=", UINT64_MAX},
        {"'cluster_current_epoch:7'", 7},
        {"'cluster_state:ok\r\n'", 0},
        {"'cluster_current_epoch:x\r\n'", 0},
        {"'cluster_current_epoch:\r\n'", 0},
        {"'xcluster_current_epoch:5\r\n'", 0},
        {"''", 0},
        {"~", 0},
        {"7", 0},
        {"-ERR cluster_current_epoch:5", 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        view *v = read_view("[]");
        kw_reply *reply = notation_reply(rows[i].text);
        view_read_info(v, reply);
        assert_int_equal(v->current_epoch, rows[i].epoch);
        kw_reply_free(reply);
        view_free(v);
    }
}

static void views_agree_on_owners_and_endpoints(void **state) {
    (void)state;
    const char *base = "[[0 5 ['h' 1 'a'] ['h' 9 'r']] [6 9 ['h' 2 'b']]]";
    static const struct {
        const char *text;
        bool agrees;
    } rows[] = {
        {"[[0 5 ['h' 1 'a'] ['h' 9 'r']] [6 9 ['h' 2 'b']]]", true},
        {"[[6 9 ['h' 2 'b']] [3 5 ['h' 1 'a']] [0 2 ['h' 1 'a']]]", true},
        {"[[0 5 ['h' 1]] [6 9 ['h' 2]]]", true},
        {"[[0 5 ['H' 1 'a']] [6 9 ['h' 2 'b']]]", true},
        {"[[0 5 ['h' 1 'a']] [6 8 ['h' 2 'b']]]", false},
        {"[[0 5 ['h' 1 'a']] [6 10 ['h' 2 'b']]]", false},
        {"[[0 6 ['h' 1 'a']] [7 9 ['h' 2 'b']]]", false},
        {"[[0 5 ['h' 3 'a']] [6 9 ['h' 2 'b']]]", false},
        {"[[0 5 ['h' 1 'x']] [6 9 ['h' 2 'b']]]", false},
        {"[[0 5 ['h' 2 'b']] [6 9 ['h' 1 'a']]]", false},
        {"[]", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        view *a = read_view(base);
        view *b = read_view(rows[i].text);
        if (view_agrees(a, b) != rows[i].agrees || view_agrees(b, a) != rows[i].agrees) {
            fail_msg("%s", rows[i].text);
        }
        view_free(a);
        view_free(b);
    }
}

/* --------------------------------------------------------------------- memory */

typedef struct failing {
    int left;
    int live;
} failing;

static void *failing_alloc(void *arg, size_t size) {
    failing *f = arg;
    if (f->left-- <= 0) {
        return NULL;
    }
    f->live++;
    return malloc(size);
}

static void *failing_resize(void *arg, void *ptr, size_t size) {
    failing *f = arg;
    if (f->left-- <= 0) {
        return NULL;
    }
    f->live += ptr ? 0 : 1;
    return realloc(ptr, size);
}

static void failing_release(void *arg, void *ptr) {
    failing *f = arg;
    f->live -= ptr ? 1 : 0;
    free(ptr);
}

static void every_failed_allocation_is_reported(void **state) {
    (void)state;
    char *text = many_nodes(100, 1);
    buffer wire;
    buffer_init(&wire, &mem_default, 0);
    notation_write(text, &wire);
    bool done = false;
    int failures = 0;
    for (int allowed = 0; !done && allowed < 10000; allowed++) {
        failing f = {.left = allowed};
        mem m = {failing_alloc, failing_resize, failing_release, &f};
        view *v = NULL;
        const char *why = NULL;
        kw_status status =
            read_bytes(buffer_slice(&wire), allowed % 2 ? 500 : 0, &asked, &m, &v, &why);
        assert_true(status == KW_OK || status == KW_ERR_NOMEM);
        assert_true((status == KW_OK) == (v != NULL));
        failures += status == KW_ERR_NOMEM;
        done = status == KW_OK;
        view_free(v);
        assert_int_equal(f.live, 0);
    }
    assert_true(done);
    assert_true(failures > 2);
    buffer_done(&wire);
    free(text);
    view_free(NULL);
    view_reader_free(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(resp2_view_is_read),
        cmocka_unit_test(resp3_view_is_read),
        cmocka_unit_test(old_view_without_ids_is_read),
        cmocka_unit_test(id_of_null_counts_as_none),
        cmocka_unit_test(no_host_means_the_node_asked),
        cmocka_unit_test(no_host_by_a_unix_socket_means_this_machine),
        cmocka_unit_test(unknown_host_leaves_the_slots_uncovered),
        cmocka_unit_test(hostname_in_metadata_is_not_connected_to),
        cmocka_unit_test(ipv6_hosts_are_read),
        cmocka_unit_test(node_in_many_ranges_is_one_node),
        cmocka_unit_test(same_endpoint_with_two_ids_is_one_place_to_send_to),
        cmocka_unit_test(node_in_both_roles_is_a_primary),
        cmocka_unit_test(empty_view_covers_nothing),
        cmocka_unit_test(attributes_are_passed_over),
        cmocka_unit_test(nodes_are_told_apart_however_many),
        cmocka_unit_test(rows_are_read_once_as_they_come),
        cmocka_unit_test(nonsense_is_refused),
        cmocka_unit_test(error_replies_have_their_status),
        cmocka_unit_test(caps_are_held),
        cmocka_unit_test(more_ranges_than_slots_are_refused),
        cmocka_unit_test(epoch_is_read_from_info),
        cmocka_unit_test(views_agree_on_owners_and_endpoints),
        cmocka_unit_test(every_failed_allocation_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
