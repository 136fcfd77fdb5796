#include "integration/support/diff_run.h"

#include "integration/support/diff_value.h"
#include "integration/support/diff_view.h"
#include "node/node_command.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    LOT_MAX = 64,
    REPLY_TIMEOUT_MS = 4000,
    SETTLE_TIMEOUT_MS = 8000,
    BEGIN_TIMEOUT_MS = 30000,
    QUEUE_MAX = 256,
    ANSWERED_MAX = 512,
    TAKE_AGAIN_ROUNDS = 100
};

/* What a connection is known to be in the middle of. */
typedef struct lane {
    size_t queued_count; /* commands that wait in MULTI, as text */
    char *queued[QUEUE_MAX];
    bool waits;       /* for the reply of a command that blocks: of this step */
    size_t wait_step; /* ... whose text is the only one queued */
} lane;

/* How the commands of one name were answered. */
typedef struct answer_count {
    const node_command *command;
    size_t total, errors, queued;
} answer_count;

struct diff_run {
    redis_cluster *cluster;
    diff_list *differences;
    const diff_tag *tags;
    kw_lab *lab;
    diff_side sides[2];
    buffer base[DIFF_NODES]; /* the views at the beginning */
    size_t base_clients[2][DIFF_NODES];
    bool is_replica[DIFF_NODES];
    bool published[DIFF_NODES]; /* since the last fence */
    size_t waiting[DIFF_NODES]; /* connections that wait */
    lane lanes[DIFF_CONNECTIONS];
    size_t count;
    answer_count answers[ANSWERED_MAX];
    buffer replies[2];
};

enum { SERVER, LAB };

/* ------------------------------------------------------------------------------- agreement */

static void note_role(diff_run *r, int node, const buffer *view) {
    r->is_replica[node] = diff_view_is_replica(view, node);
}

/* Waits until both sides' nodes show the same; false: *ret has what they show. A slot that was
 * taken from a real node may come back to it by a message that was under way: then it is taken
 * again. */
static bool settle(diff_run *r, const diff_step *step, diff_mismatch *ret) {
    uint64_t end_us = now_us() + SETTLE_TIMEOUT_MS * 1000ull;
    bool takes = step->argc == 3 && slice_is_nocase(step->argv[1], "delslots");
    for (int node = 0; node < DIFF_NODES; node++) {
        int rounds = 0;
        for (bool same = false; !same;) {
            if (takes && ++rounds % TAKE_AGAIN_ROUNDS == 0) {
                diff_tell(&r->sides[SERVER], node, "CLUSTER DELSLOTS %.*s", (int)step->argv[2].len,
                          step->argv[2].data);
            }
            diff_view_read(&r->sides[LAB], node, &ret->lab);
            diff_view_read(&r->sides[SERVER], node, &ret->server);
            same = slice_equal(buffer_slice(&ret->lab), buffer_slice(&ret->server));
            if (!same && now_us() > end_us) {
                return false;
            }
            if (!same) {
                sleep_ms(2);
            }
        }
        note_role(r, node, &ret->server);
    }
    return true;
}

/* A real replica is a moment behind: waits until it is not. */
static void wait_for_replica(diff_run *r, int replica) {
    diff_side *s = &r->sides[SERVER];
    int primary = replica % DIFF_PRIMARIES; /* of the same shard, whichever of the two leads it */
    primary = r->is_replica[primary] ? primary + DIFF_PRIMARIES : primary;
    unsigned long long wanted = diff_info(s, primary, "replication", "master_repl_offset:");
    uint64_t end_us = now_us() + BEGIN_TIMEOUT_MS * 1000ull;
    while (diff_info(s, replica, "replication", "slave_repl_offset:") < wanted) {
        if (now_us() > end_us) {
            fail_msg("node %d does not follow its primary", replica);
        }
    }
}

static void wait_for_messages(diff_run *r) {
    for (int node = 0; node < DIFF_NODES; node++) {
        if (r->published[node]) {
            r->published[node] = false;
            diff_fence(&r->sides[SERVER], node);
            diff_fence(&r->sides[LAB], node);
        }
    }
}

/* ---------------------------------------------------------------------- the common beginning */

/* Gives a slot back to its first owner, who tells all others at once. */
static void restore_slot(diff_run *r, int slot, int owner) {
    diff_side *s = &r->sides[SERVER];
    bool right = true;
    int current = owner;
    buffer view;
    buffer_init(&view, &mem_default, 0);
    for (int node = 0; node < DIFF_NODES; node++) {
        diff_tell(s, node, "CLUSTER SETSLOT %d STABLE", slot);
        diff_view_read(s, node, &view);
        right = right && diff_view_owns(&view, owner, slot);
        current = diff_view_owns(&view, node, slot) ? node : current;
    }
    if (!right) {
        diff_tell(s, current, "CLUSTER DELSLOTS %d", slot);
        for (int node = 0; node < DIFF_NODES; node++) {
            diff_tell(s, node, "CLUSTER DELSLOTS %d", slot);
        }
        diff_tell(s, owner, "CLUSTER SETSLOT %d IMPORTING @ID%d", slot,
                  (owner + 1) % DIFF_PRIMARIES);
        diff_tell(s, owner, "CLUSTER SETSLOT %d NODE @ID%d", slot, owner);
    }
    buffer_done(&view);
}

static bool server_is_at_base(diff_run *r) {
    bool same = true;
    buffer view;
    buffer_init(&view, &mem_default, 0);
    for (int node = 0; node < DIFF_NODES; node++) {
        diff_view_read(&r->sides[SERVER], node, &view);
        same = same && slice_equal(buffer_slice(&view), buffer_slice(&r->base[node]));
        note_role(r, node, &view);
    }
    buffer_done(&view);
    return same;
}

static void restore_server(diff_run *r) {
    uint64_t end_us = now_us() + BEGIN_TIMEOUT_MS * 1000ull;
    for (int round = 0; !server_is_at_base(r); round++) {
        for (int node = 0; node < DIFF_PRIMARIES; node++) {
            if (r->is_replica[node] && round % 500 == 0) {
                diff_tell(&r->sides[SERVER], node, "CLUSTER FAILOVER");
            }
        }
        for (int i = 0; i < DIFF_TAGS && round % 500 == 0; i++) {
            restore_slot(r, r->tags[i].slot, r->tags[i].owner);
            restore_slot(r, r->tags[i].slot + 1, r->tags[i].owner);
        }
        if (now_us() > end_us) {
            fail_msg("the cluster does not come back to its first state");
        }
        sleep_ms(2);
    }
}

static void restore_lab(diff_run *r) {
    for (int node = 0; node < DIFF_PRIMARIES; node++) {
        kw_lab_node state;
        assert_true(kw_lab_node_at(r->lab, node, &state));
        assert_true(state.primary || kw_lab_promote(r->lab, node) == KW_OK);
    }
    for (int i = 0; i < DIFF_TAGS; i++) {
        const diff_tag *tag = &r->tags[i];
        assert_int_equal(kw_lab_assign(r->lab, tag->slot, tag->slot + 1, tag->owner), KW_OK);
    }
}

static void forget_queue(lane *l) {
    while (l->queued_count > 0) {
        free(l->queued[--l->queued_count]);
    }
}

/* A connection that was closed is of effect until its node has noticed. */
static void close_connections(diff_run *r) {
    uint64_t end_us = now_us() + BEGIN_TIMEOUT_MS * 1000ull;
    for (int i = 0; i < DIFF_FENCE; i++) {
        diff_close(&r->sides[SERVER], i);
        diff_close(&r->sides[LAB], i);
        forget_queue(&r->lanes[i]);
        r->lanes[i].waits = false;
    }
    for (int node = 0; node < DIFF_NODES; node++) {
        r->waiting[node] = 0;
        for (int side = 0; side < 2; side++) {
            while (diff_client_count(&r->sides[side], node) > r->base_clients[side][node]) {
                if (now_us() > end_us) {
                    fail_msg("%s: node %d keeps connections", r->sides[side].name, node);
                }
            }
        }
    }
}

static void begin(diff_run *r) {
    close_connections(r);
    wait_for_messages(r);
    for (int side = 0; side < 2; side++) {
        for (int node = 0; node < DIFF_NODES; node++) {
            diff_tell(&r->sides[side], node, "ACL DELUSER guest");
            diff_tell(&r->sides[side], node, "CONFIG SET requirepass ");
            diff_tell(&r->sides[side], node,
                      "CONFIG SET cluster-require-full-coverage yes cluster-allow-reads-when-down "
                      "no cluster-allow-pubsubshard-when-down yes timeout 0 "
                      "min-replicas-to-write 0 min-replicas-max-lag 10");
        }
    }
    restore_server(r);
    restore_lab(r);
    for (int node = 0; node < DIFF_PRIMARIES; node++) {
        diff_tell(&r->sides[SERVER], node, "FLUSHALL");
        diff_tell(&r->sides[LAB], node, "FLUSHALL");
    }
}

/* -------------------------------------------------------------------------------- one step */

static bool is_word(const diff_step *s, size_t index, const char *word) {
    return index < s->argc && slice_is_nocase(s->argv[index], word);
}

/* True if the nodes may see the cluster otherwise after it. */
static bool changes_cluster(const diff_step *s) {
    static const char *const words[] = {"setslot",  "addslots",  "addslotsrange", "delslots",
                                        "failover", "bumpepoch", "delslotsrange", "forget"};
    for (size_t i = 0; is_word(s, 0, "cluster") && i < sizeof words / sizeof *words; i++) {
        if (is_word(s, 1, words[i])) {
            return true;
        }
    }
    return false;
}

static bool ends_lot(const diff_step *s) {
    return changes_cluster(s) || is_word(s, 0, "quit") ||
           diff_kind_of(s->connection) != DIFF_LANE_PLAIN;
}

static void describe(buffer *b, kw_slice reply) {
    buffer_clear(b, SIZE_MAX);
    diff_write_reply(b, reply.len > 0 ? reply : SLICE_LITERAL("+(nothing)\r\n"));
}

static char *text_of_command(const diff_step *s) {
    buffer text;
    buffer_init(&text, &mem_default, 0);
    diff_write_command(&text, s->argv, s->argc);
    char *copy = strndup(text.data + text.begin, buffer_len(&text));
    assert_non_null(copy);
    buffer_done(&text);
    return copy;
}

/* One reply among those of an EXEC. */
static kw_slice part_of(kw_slice reply, const diff_value *values, size_t count, size_t at) {
    size_t next = at + values[at].size;
    const char *end = next < count ? values[next].begin : reply.data + reply.len;
    return slice_of(values[at].begin, (size_t)(end - values[at].begin));
}

/* The replies of EXEC, each compared as that of its own command. */
static bool equal_exec(diff_run *r, const lane *l, kw_slice server, kw_slice lab) {
    diff_value *a;
    diff_value *b;
    size_t a_count = diff_values(server, &a);
    size_t b_count = diff_values(lab, &b);
    bool equal = a_count > 0 && b_count > 0 && a[0].type == '*' && b[0].type == '*' &&
                 slice_equal(a[0].text, b[0].text);
    size_t i = 1;
    size_t k = 1;
    for (size_t n = 0; equal && n < l->queued_count && i < a_count && k < b_count; n++) {
        equal = diff_list_equal(r->differences, l->queued[n], part_of(server, a, a_count, i),
                                part_of(lab, b, b_count, k));
        i += a[i].size;
        k += b[k].size;
    }
    equal = equal && i == a_count && k == b_count;
    free(a);
    free(b);
    return equal;
}

static void note_answer(diff_run *r, const diff_step *s, kw_slice reply) {
    const node_command *container;
    const node_command *command = node_command_find(s->argv, s->argc, &container);
    for (size_t i = 0; command && i < ANSWERED_MAX; i++) {
        answer_count *a = &r->answers[i];
        if (!a->command || a->command == command) {
            a->command = command;
            a->errors += reply.len > 0 && reply.data[0] == '-';
            a->queued += slice_is(reply, "+QUEUED\r\n");
            a->total++;
            return;
        }
    }
}

static void note_queue(lane *l, const diff_step *s, kw_slice reply, const char *text) {
    if (slice_is(reply, "+QUEUED\r\n")) {
        assert_true(l->queued_count < QUEUE_MAX);
        l->queued[l->queued_count++] = strdup(text);
    } else if (is_word(s, 0, "exec") || is_word(s, 0, "discard") || is_word(s, 0, "reset")) {
        forget_queue(l);
    }
}

/* How many bytes at the beginning are messages, before a reply. */
static size_t message_bytes(kw_slice answers) {
    diff_value *values;
    size_t count = diff_values(answers, &values);
    size_t at = 0;
    while (at < count && values[at].type == '>') {
        at += values[at].size;
    }
    size_t bytes = at < count ? (size_t)(values[at].begin - answers.data) : 0;
    free(values);
    return bytes;
}

/* Messages that are the same on both sides are not what a listed difference is about. */
static void skip_messages(kw_slice *server, kw_slice *lab) {
    size_t bytes = message_bytes(*server);
    if (lab->len >= bytes && memcmp(server->data, lab->data, bytes) == 0) {
        *server = slice_of(server->data + bytes, server->len - bytes);
        *lab = slice_of(lab->data + bytes, lab->len - bytes);
    }
}

/* Compares what the sides have answered to a step. */
static bool compare(diff_run *r, const diff_step *s, diff_mismatch *ret) {
    lane *l = &r->lanes[s->connection];
    kw_slice server = buffer_slice(&r->replies[SERVER]);
    kw_slice lab = buffer_slice(&r->replies[LAB]);
    char *text = text_of_command(s);
    if (diff_kind_of(s->connection) != DIFF_LANE_SUBSCRIBER) {
        skip_messages(&server, &lab);
    }
    bool equal = server.len > 0 && (diff_list_equal(r->differences, text, server, lab) ||
                                    (is_word(s, 0, "exec") && equal_exec(r, l, server, lab)));
    if (!equal) {
        describe(&ret->server, server);
        describe(&ret->lab, lab);
    }
    note_queue(l, s, server, text);
    note_answer(r, s, server);
    free(text);
    return equal;
}

/* Takes one reply and the messages before it; what came is in *ret, also if it is not all. */
static void take_reply(diff_side *s, int connection, buffer *ret) {
    buffer value;
    buffer_init(&value, &mem_default, 0);
    buffer_clear(ret, SIZE_MAX);
    bool message = true;
    while (message && diff_receive(s, connection, REPLY_TIMEOUT_MS, &value)) {
        message = value.data[value.begin] == '>';
        assert_true(buffer_append_slice(ret, buffer_slice(&value)));
    }
    buffer_done(&value);
}

/* Takes all that comes up to the answer to a PING, and the rest of that. */
static void take_all(diff_side *s, int connection, const char *sentinel, buffer *ret) {
    buffer value;
    buffer_init(&value, &mem_default, 0);
    buffer_clear(ret, SIZE_MAX);
    bool found = false;
    while (!found && diff_receive(s, connection, REPLY_TIMEOUT_MS, &value)) {
        kw_slice bytes = buffer_slice(&value);
        found = memmem(bytes.data, bytes.len, sentinel, strlen(sentinel)) != NULL;
        assert_true(buffer_append_slice(ret, bytes));
    }
    buffer_done(&value);
}

static void close_lane(diff_run *r, int connection) {
    diff_close(&r->sides[SERVER], connection);
    diff_close(&r->sides[LAB], connection);
    forget_queue(&r->lanes[connection]);
}

/* --------------------------------------------------------------------- commands that may wait */

static bool has_reply(diff_side *s, int connection) {
    struct pollfd ready = {.fd = s->connections[connection].fd, .events = POLLIN};
    return buffer_len(&s->connections[connection].in) > 0 || poll(&ready, 1, 0) > 0;
}

static size_t server_waits(diff_run *r, int node) {
    return diff_info(&r->sides[SERVER], node, "clients", "blocked_clients:");
}

/* A round trip to the lab's node: what it had to do before is done. */
static void touch_lab(diff_run *r, int node) {
    diff_tell(&r->sides[LAB], node, "PING");
}

/* Sees how a command goes that may wait; false if only one side does. */
static bool run_waiting_step(diff_run *r, size_t step, const diff_step *s, diff_mismatch *ret) {
    int node = s->connection % DIFF_NODES;
    lane *l = &r->lanes[s->connection];
    uint64_t end_us = now_us() + REPLY_TIMEOUT_MS * 1000ull;
    bool answered = false;
    while (!answered && server_waits(r, node) <= r->waiting[node] && now_us() < end_us) {
        answered = has_reply(&r->sides[SERVER], s->connection);
    }
    touch_lab(r, node);
    if (answered || has_reply(&r->sides[LAB], s->connection)) {
        take_reply(&r->sides[SERVER], s->connection, &r->replies[SERVER]);
        take_reply(&r->sides[LAB], s->connection, &r->replies[LAB]);
        return compare(r, s, ret);
    }
    l->waits = true;
    l->wait_step = step;
    r->waiting[node]++;
    return true;
}

/* True if those that the server has released are those that the lab has. */
static bool same_released(diff_run *r, int node) {
    size_t released = 0;
    size_t waiting = server_waits(r, node);
    touch_lab(r, node);
    for (int i = node; i < DIFF_FENCE; i += DIFF_NODES) {
        if (r->lanes[i].waits) {
            bool by_server = has_reply(&r->sides[SERVER], i);
            released += by_server;
            if (by_server != has_reply(&r->sides[LAB], i)) {
                return false;
            }
        }
    }
    return waiting + released == r->waiting[node];
}

/* Takes the replies of those that wait no longer; false if one differs. */
static bool reap(diff_run *r, int node, const diff_plan *plan, diff_mismatch *ret) {
    uint64_t end_us = now_us() + REPLY_TIMEOUT_MS * 1000ull;
    while (!same_released(r, node) && now_us() < end_us) {
        sleep_ms(1);
    }
    for (int i = node; i < DIFF_FENCE; i += DIFF_NODES) {
        lane *l = &r->lanes[i];
        if (!l->waits || (!has_reply(&r->sides[SERVER], i) && !has_reply(&r->sides[LAB], i))) {
            continue;
        }
        l->waits = false;
        r->waiting[node]--;
        take_reply(&r->sides[SERVER], i, &r->replies[SERVER]);
        take_reply(&r->sides[LAB], i, &r->replies[LAB]);
        if (!compare(r, &plan->steps[l->wait_step], ret)) {
            return false;
        }
    }
    return true;
}

/* -------------------------------------------------------------------------------- the plan */

static bool run_subscriber_step(diff_run *r, const diff_step *s, diff_mismatch *ret) {
    char sentinel[32];
    snprintf(sentinel, sizeof sentinel, "so-far-%zux", r->count);
    const kw_slice ping[] = {SLICE_LITERAL("PING"), slice_text(sentinel)};
    for (int side = 0; side < 2; side++) {
        if (!is_word(s, 0, "quit")) {
            diff_send(&r->sides[side], s->connection, ping, 2);
        }
    }
    for (int side = 0; side < 2; side++) {
        take_all(&r->sides[side], s->connection, sentinel, &r->replies[side]);
    }
    return compare(r, s, ret);
}

static bool finish_step(diff_run *r, size_t step, const diff_step *s, diff_mismatch *ret) {
    bool equal;
    r->count++;
    ret->step = step;
    switch (diff_kind_of(s->connection)) {
    case DIFF_LANE_SUBSCRIBER:
        equal = run_subscriber_step(r, s, ret);
        break;
    case DIFF_LANE_BLOCKER:
        equal = run_waiting_step(r, step, s, ret);
        break;
    default:
        take_reply(&r->sides[SERVER], s->connection, &r->replies[SERVER]);
        take_reply(&r->sides[LAB], s->connection, &r->replies[LAB]);
        equal = compare(r, s, ret);
        break;
    }
    if (is_word(s, 0, "quit")) {
        close_lane(r, s->connection);
    }
    return equal;
}

static bool publishes(const diff_step *s) {
    return is_word(s, 0, "publish") || is_word(s, 0, "spublish") || is_word(s, 0, "exec");
}

static void prepare(diff_run *r, int connection) {
    if (r->is_replica[connection % DIFF_NODES]) {
        wait_for_replica(r, connection % DIFF_NODES);
    }
    if (diff_kind_of(connection) == DIFF_LANE_SUBSCRIBER) {
        wait_for_messages(r);
    }
}

/* Runs a lot of steps, all on one connection; false if one differs. */
static bool run_lot(diff_run *r, const diff_plan *plan, const size_t *lot, size_t count,
                    diff_mismatch *ret) {
    int connection = plan->steps[lot[0]].connection;
    if (r->lanes[connection].waits) {
        return true; /* it reads no commands */
    }
    prepare(r, connection);
    for (size_t i = 0; i < count; i++) {
        const diff_step *s = &plan->steps[lot[i]];
        diff_send(&r->sides[SERVER], connection, s->argv, s->argc);
        diff_send(&r->sides[LAB], connection, s->argv, s->argc);
        r->published[connection % DIFF_NODES] |= publishes(s);
    }
    for (size_t i = 0; i < count; i++) {
        if (!finish_step(r, lot[i], &plan->steps[lot[i]], ret)) {
            return false;
        }
    }
    if (changes_cluster(&plan->steps[lot[count - 1]]) &&
        !settle(r, &plan->steps[lot[count - 1]], ret)) {
        return false;
    }
    for (int node = 0; node < DIFF_NODES; node++) {
        if (r->waiting[node] > 0 && !reap(r, node, plan, ret)) {
            return false;
        }
    }
    return true;
}

bool diff_run_plan(diff_run *r, const diff_plan *plan, const bool *left_out, diff_mismatch *ret) {
    size_t lot[LOT_MAX];
    size_t count = 0;
    begin(r);
    buffer_init(&ret->server, &mem_default, 0);
    buffer_init(&ret->lab, &mem_default, 0);
    for (size_t i = 0; i <= plan->count; i++) {
        bool last = i == plan->count;
        if (!last && left_out && left_out[i]) {
            continue;
        }
        const diff_step *s = last ? NULL : &plan->steps[i];
        bool full = count > 0 &&
                    (last || count == LOT_MAX || plan->steps[lot[0]].connection != s->connection ||
                     ends_lot(&plan->steps[lot[count - 1]]));
        if (full && !run_lot(r, plan, lot, count, ret)) {
            return false;
        }
        count = full ? 0 : count;
        if (!last) {
            lot[count++] = i;
        }
    }
    diff_mismatch_done(ret);
    return true;
}

void diff_mismatch_done(diff_mismatch *m) {
    buffer_done(&m->server);
    buffer_done(&m->lab);
}

/* --------------------------------------------------------------------------- construction */

diff_run *diff_run_new(redis_cluster *cluster, diff_list *differences,
                       const diff_tag tags[DIFF_TAGS]) {
    diff_run *r = calloc(1, sizeof *r);
    assert_non_null(r);
    r->cluster = cluster;
    r->differences = differences;
    r->tags = tags;
    r->lab = diff_lab_start(cluster, true);
    diff_side_of_cluster(&r->sides[SERVER], cluster);
    diff_side_of_lab(&r->sides[LAB], r->lab);
    for (int side = 0; side < 2; side++) {
        buffer_init(&r->replies[side], &mem_default, 0);
        diff_fence_open(&r->sides[side]);
    }
    for (int node = 0; node < DIFF_NODES; node++) {
        buffer_init(&r->base[node], &mem_default, 0);
        diff_view_read(&r->sides[LAB], node, &r->base[node]);
        note_role(r, node, &r->base[node]);
        for (int side = 0; side < 2; side++) {
            r->base_clients[side][node] = diff_client_count(&r->sides[side], node);
        }
    }
    return r;
}

void diff_run_free(diff_run *r) {
    if (!r) {
        return;
    }
    for (int i = 0; i < DIFF_CONNECTIONS; i++) {
        forget_queue(&r->lanes[i]);
    }
    for (int side = 0; side < 2; side++) {
        diff_side_done(&r->sides[side]);
        buffer_done(&r->replies[side]);
    }
    for (int node = 0; node < DIFF_NODES; node++) {
        buffer_done(&r->base[node]);
    }
    kw_lab_stop(r->lab);
    free(r);
}

size_t diff_run_count(const diff_run *r) {
    return r->count;
}

void diff_run_report(const diff_run *r) {
    size_t total = 0;
    size_t errors = 0;
    size_t queued = 0;
    printf("commands that were never answered but with an error:");
    for (size_t i = 0; i < ANSWERED_MAX && r->answers[i].command; i++) {
        const answer_count *a = &r->answers[i];
        total += a->total;
        errors += a->errors;
        queued += a->queued;
        if (a->errors + a->queued == a->total) {
            printf(" %s (%zu)", a->command->name, a->total);
        }
    }
    printf("\n%zu commands: %zu errors, %zu queued\n", total, errors, queued);
}
