#include "integration/support/diff_run.h"

#include "integration/support/diff_value.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    LOT_MAX = 64,
    REPLY_TIMEOUT_MS = 4000,
    SETTLE_TIMEOUT_MS = 8000,
    OBSERVER = DIFF_NODES * (DIFF_LANES - 1), /* + node: a connection that only looks */
    QUEUE_MAX = 256
};

/* The commands that wait in a connection's MULTI, as text. */
typedef struct queue {
    size_t count;
    char *texts[QUEUE_MAX];
} queue;

struct diff_run {
    redis_cluster *cluster;
    diff_list *differences;
    const diff_tag *tags;
    kw_lab *labs[2]; /* by cluster-require-full-coverage */
    diff_side server;
    diff_side lab_sides[2];
    diff_side *lab; /* the one in use */
    int coverage;   /* of the cluster: 0 or 1, -1 when not known */
    buffer base[DIFF_NODES];
    bool is_replica[DIFF_NODES];
    queue queues[DIFF_CONNECTIONS];
    size_t count;
    buffer server_reply;
    buffer lab_reply;
};

/* -------------------------------------------------------------------------- what nodes show */

static int compare_lines(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* id, flags, primary and slots of a line of CLUSTER NODES. Epochs and times are left out. */
static void write_peer(buffer *b, char *line) {
    char *rest = NULL;
    int field = 0;
    for (char *word = strtok_r(line, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
        bool shown = field == 0 || field == 2 || field == 3 || field >= 8;
        assert_true(!shown || buffer_printf(b, "%s ", word));
        field++;
    }
    assert_true(buffer_append_text(b, "\n"));
}

/* What a node knows of the cluster, in a form that both sides can agree on. */
static void show_node(diff_side *s, int node, buffer *ret) {
    buffer reply;
    char *lines[4 * DIFF_NODES];
    size_t count = 0;
    buffer_init(&reply, &mem_default, 0);
    buffer_clear(ret, SIZE_MAX);
    diff_ask(s, OBSERVER + node, "CLUSTER NODES", &reply);
    assert_true(buffer_append(&reply, "", 1));
    char *rest = NULL;
    char *text = strchr(reply.data + reply.begin, '\n') + 1; /* behind the length */
    for (char *line = strtok_r(text, "\r\n", &rest); line; line = strtok_r(NULL, "\r\n", &rest)) {
        assert_true(count < sizeof lines / sizeof *lines);
        lines[count++] = line;
    }
    qsort(lines, count, sizeof *lines, compare_lines);
    for (size_t i = 0; i < count; i++) {
        write_peer(ret, lines[i]);
    }
    diff_ask(s, OBSERVER + node, "CLUSTER INFO", &reply);
    assert_true(buffer_append(&reply, "", 1));
    bool ok = strstr(reply.data + reply.begin, "cluster_state:ok") != NULL;
    assert_true(buffer_append_text(ret, ok ? "ok" : "fail"));
    buffer_done(&reply);
}

/* Waits until the server's node shows the same as the other text; false if it never does. */
static bool wait_for_view(diff_run *r, int node, const buffer *wanted, buffer *ret_shown) {
    uint64_t end_us = now_us() + SETTLE_TIMEOUT_MS * 1000ull;
    for (;;) {
        show_node(&r->server, node, ret_shown);
        if (slice_equal(buffer_slice(wanted), buffer_slice(ret_shown))) {
            return true;
        }
        if (now_us() > end_us) {
            return false;
        }
        sleep_ms(2);
    }
}

static void note_role(diff_run *r, int node, const buffer *shown) {
    char mark[32];
    kw_slice text = buffer_slice(shown);
    snprintf(mark, sizeof mark, "@ID%d myself,slave", node);
    r->is_replica[node] = memmem(text.data, text.len, mark, strlen(mark)) != NULL;
}

/* Waits until both sides' nodes show the same; false: *ret says which do not. */
static bool settle(diff_run *r, diff_mismatch *ret) {
    buffer *shown = &ret->server;
    buffer *wanted = &ret->lab;
    for (int node = 0; node < DIFF_NODES; node++) {
        show_node(r->lab, node, wanted);
        if (!wait_for_view(r, node, wanted, shown)) {
            return false;
        }
        note_role(r, node, shown);
    }
    return true;
}

/* ------------------------------------------------------------------------------ replication */

static unsigned long long offset_of(diff_run *r, int node, const char *field) {
    diff_ask(&r->server, OBSERVER + node, "INFO replication", &r->server_reply);
    assert_true(buffer_append(&r->server_reply, "", 1));
    const char *at = strstr(r->server_reply.data + r->server_reply.begin, field);
    return at ? strtoull(at + strlen(field), NULL, 10) : 0;
}

/* A real replica is a moment behind: waits until it is not. */
static void wait_for_replica(diff_run *r, int replica) {
    int primary = replica % DIFF_PRIMARIES; /* of the same shard, whichever of the two leads it */
    primary = r->is_replica[primary] ? primary + DIFF_PRIMARIES : primary;
    unsigned long long wanted = offset_of(r, primary, "master_repl_offset:");
    uint64_t end_us = now_us() + SETTLE_TIMEOUT_MS * 1000ull;
    while (offset_of(r, replica, "slave_repl_offset:") < wanted) {
        if (now_us() > end_us) {
            fail_msg("node %d does not follow its primary", replica);
        }
    }
}

/* ---------------------------------------------------------------------- the common beginning */

static bool owns(const buffer *shown, int node, int slot) {
    char text[16384];
    char mark[16];
    slice_copy(text, sizeof text, buffer_slice(shown));
    snprintf(mark, sizeof mark, "@ID%d ", node);
    char *line = strstr(text, mark);
    char *rest = NULL;
    if (!line) {
        return false;
    }
    line[strcspn(line, "\n")] = '\0';
    for (char *word = strtok_r(line, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
        int first;
        int last;
        int count = sscanf(word, "%d-%d", &first, &last);
        last = count == 1 ? first : last;
        if (count >= 1 && slot >= first && slot <= last) {
            return true;
        }
    }
    return false;
}

static void tell(diff_run *r, int node, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* An error may be the answer: what counts is what the nodes show in the end. */
static void tell(diff_run *r, int node, const char *format, ...) {
    char words[256];
    va_list args;
    va_start(args, format);
    vsnprintf(words, sizeof words, format, args);
    va_end(args);
    diff_ask(&r->server, OBSERVER + node, words, &r->server_reply);
}

/* Gives a slot back to its first owner, who tells all others at once. */
static void restore_slot(diff_run *r, const diff_tag *tag) {
    bool right = true;
    int current = tag->owner;
    buffer shown;
    buffer_init(&shown, &mem_default, 0);
    for (int node = 0; node < DIFF_NODES; node++) {
        tell(r, node, "CLUSTER SETSLOT %d STABLE", tag->slot);
        show_node(&r->server, node, &shown);
        right = right && owns(&shown, tag->owner, tag->slot);
        current = owns(&shown, node, tag->slot) ? node : current;
    }
    if (!right) {
        tell(r, current, "CLUSTER DELSLOTS %d", tag->slot);
        for (int node = 0; node < DIFF_NODES; node++) {
            tell(r, node, "CLUSTER DELSLOTS %d", tag->slot);
        }
        tell(r, tag->owner, "CLUSTER SETSLOT %d IMPORTING @ID%d", tag->slot,
             (tag->owner + 1) % DIFF_PRIMARIES);
        tell(r, tag->owner, "CLUSTER SETSLOT %d NODE @ID%d", tag->slot, tag->owner);
    }
    buffer_done(&shown);
}

static bool server_is_at_base(diff_run *r) {
    bool same = true;
    buffer shown;
    buffer_init(&shown, &mem_default, 0);
    for (int node = 0; same && node < DIFF_NODES; node++) {
        show_node(&r->server, node, &shown);
        same = slice_equal(buffer_slice(&shown), buffer_slice(&r->base[node]));
        note_role(r, node, &shown);
    }
    buffer_done(&shown);
    return same;
}

static void restore_server(diff_run *r) {
    uint64_t end_us = now_us() + SETTLE_TIMEOUT_MS * 1000ull;
    for (int round = 0; !server_is_at_base(r); round++) {
        for (int node = 0; node < DIFF_PRIMARIES; node++) {
            if (r->is_replica[node] && round % 500 == 0) {
                tell(r, node, "CLUSTER FAILOVER");
            }
        }
        for (int i = 0; i < DIFF_TAGS && round % 500 == 0; i++) {
            restore_slot(r, &r->tags[i]);
        }
        if (now_us() > end_us) {
            fail_msg("the cluster does not come back to its first state");
        }
        sleep_ms(2);
    }
}

static void restore_lab(diff_run *r, kw_lab *lab) {
    for (int node = 0; node < DIFF_PRIMARIES; node++) {
        kw_lab_node state;
        assert_true(kw_lab_node_at(lab, node, &state));
        assert_true(state.primary || kw_lab_promote(lab, node) == KW_OK);
    }
    for (int i = 0; i < DIFF_TAGS; i++) {
        const diff_tag *tag = &r->tags[i];
        assert_int_equal(kw_lab_assign(lab, tag->slot, tag->slot, tag->owner), KW_OK);
    }
}

static void forget_queue(queue *q) {
    while (q->count > 0) {
        free(q->texts[--q->count]);
    }
}

static void begin(diff_run *r, bool full_coverage) {
    r->lab = &r->lab_sides[full_coverage];
    for (int i = 0; i < OBSERVER; i++) {
        diff_close(&r->server, i);
        diff_close(r->lab, i);
        forget_queue(&r->queues[i]);
    }
    for (int node = 0; node < DIFF_NODES && r->coverage != full_coverage; node++) {
        tell(r, node, "CONFIG SET cluster-require-full-coverage %s", full_coverage ? "yes" : "no");
    }
    r->coverage = full_coverage;
    restore_server(r);
    restore_lab(r, r->labs[full_coverage]);
    for (int node = 0; node < DIFF_PRIMARIES; node++) {
        diff_ask(&r->server, OBSERVER + node, "FLUSHALL", &r->server_reply);
        diff_ask(r->lab, OBSERVER + node, "FLUSHALL", &r->lab_reply);
    }
}

/* ---------------------------------------------------------------------------------- steps */

static bool is_word(const diff_step *s, size_t index, const char *word) {
    return index < s->argc && slice_is_nocase(s->argv[index], word);
}

/* True if the nodes may see the cluster otherwise after it. */
static bool changes_cluster(const diff_step *s) {
    static const char *const words[] = {"setslot",  "addslots",  "addslotsrange", "delslots",
                                        "failover", "bumpepoch", "delslotsrange"};
    for (size_t i = 0; is_word(s, 0, "cluster") && i < sizeof words / sizeof *words; i++) {
        if (is_word(s, 1, words[i])) {
            return true;
        }
    }
    return false;
}

static bool ends_lot(const diff_step *s) {
    return changes_cluster(s) || is_word(s, 0, "quit");
}

static void describe(buffer *b, kw_slice reply) {
    buffer_clear(b, SIZE_MAX);
    diff_write_reply(b, reply);
}

static void text_of_command(const diff_step *s, buffer *ret) {
    buffer_init(ret, &mem_default, 0);
    diff_write_command(ret, s->argv, s->argc);
    assert_true(buffer_append(ret, "", 1));
}

/* One reply among those of an EXEC. */
static kw_slice part_of(kw_slice reply, const diff_value *values, size_t count, size_t at) {
    size_t next = at + values[at].size;
    const char *end = next < count ? values[next].begin : reply.data + reply.len;
    return slice_of(values[at].begin, (size_t)(end - values[at].begin));
}

/* The replies of EXEC, each compared as that of its own command. */
static bool equal_exec(diff_run *r, const queue *q, kw_slice server, kw_slice lab) {
    diff_value *a;
    diff_value *b;
    size_t a_count = diff_values(server, &a);
    size_t b_count = diff_values(lab, &b);
    bool equal = a_count > 0 && b_count > 0 && a[0].type == '*' && b[0].type == '*' &&
                 slice_equal(a[0].text, b[0].text);
    size_t i = 1;
    size_t k = 1;
    for (size_t n = 0; equal && n < q->count && i < a_count && k < b_count; n++) {
        equal = diff_list_equal(r->differences, q->texts[n], part_of(server, a, a_count, i),
                                part_of(lab, b, b_count, k));
        i += a[i].size;
        k += b[k].size;
    }
    equal = equal && i == a_count && k == b_count;
    free(a);
    free(b);
    return equal;
}

static void note_queue(queue *q, const diff_step *s, kw_slice reply, const char *text) {
    if (slice_is(reply, "+QUEUED\r\n")) {
        assert_true(q->count < QUEUE_MAX);
        q->texts[q->count++] = strdup(text);
    } else if (is_word(s, 0, "exec") || is_word(s, 0, "discard") || is_word(s, 0, "reset")) {
        forget_queue(q);
    }
}

/* Takes one step's replies off both connections; false if they differ. */
static bool compare_step(diff_run *r, const diff_step *s, diff_mismatch *ret) {
    bool server_answers =
        diff_receive(&r->server, s->connection, REPLY_TIMEOUT_MS, &r->server_reply);
    bool lab_answers = diff_receive(r->lab, s->connection, REPLY_TIMEOUT_MS, &r->lab_reply);
    kw_slice server = buffer_slice(&r->server_reply);
    kw_slice lab = buffer_slice(&r->lab_reply);
    queue *q = &r->queues[s->connection];
    buffer text;
    text_of_command(s, &text);
    r->count++;
    bool equal = server_answers == lab_answers &&
                 (diff_list_equal(r->differences, text.data + text.begin, server, lab) ||
                  (is_word(s, 0, "exec") && equal_exec(r, q, server, lab)));
    if (!equal) {
        describe(&ret->server, server_answers ? server : SLICE_LITERAL("+(nothing)\r\n"));
        describe(&ret->lab, lab_answers ? lab : SLICE_LITERAL("+(nothing)\r\n"));
    }
    note_queue(q, s, server, text.data + text.begin);
    buffer_done(&text);
    if (is_word(s, 0, "quit")) {
        diff_close(&r->server, s->connection);
        diff_close(r->lab, s->connection);
        forget_queue(q);
    }
    return equal;
}

/* Runs a lot of steps, all on one connection; false if one differs. */
static bool run_lot(diff_run *r, const diff_plan *plan, const size_t *lot, size_t count,
                    diff_mismatch *ret) {
    int connection = plan->steps[lot[0]].connection;
    if (r->is_replica[connection % DIFF_NODES]) {
        wait_for_replica(r, connection % DIFF_NODES);
    }
    for (size_t i = 0; i < count; i++) {
        const diff_step *s = &plan->steps[lot[i]];
        diff_send(&r->server, connection, s->argv, s->argc);
        diff_send(r->lab, connection, s->argv, s->argc);
    }
    for (size_t i = 0; i < count; i++) {
        ret->step = lot[i];
        if (!compare_step(r, &plan->steps[lot[i]], ret)) {
            return false;
        }
    }
    return !changes_cluster(&plan->steps[lot[count - 1]]) || settle(r, ret);
}

bool diff_run_plan(diff_run *r, const diff_plan *plan, const bool *left_out, bool full_coverage,
                   diff_mismatch *ret) {
    size_t lot[LOT_MAX];
    size_t count = 0;
    begin(r, full_coverage);
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
        lot[count++] = i;
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
    r->coverage = -1;
    diff_side_of_cluster(&r->server, cluster);
    for (int i = 0; i < 2; i++) {
        r->labs[i] = diff_lab_start(cluster, i == 1);
        diff_side_of_lab(&r->lab_sides[i], r->labs[i]);
    }
    buffer_init(&r->server_reply, &mem_default, 0);
    buffer_init(&r->lab_reply, &mem_default, 0);
    for (int node = 0; node < DIFF_NODES; node++) {
        buffer_init(&r->base[node], &mem_default, 0);
        show_node(&r->lab_sides[1], node, &r->base[node]);
        note_role(r, node, &r->base[node]);
    }
    return r;
}

void diff_run_free(diff_run *r) {
    if (!r) {
        return;
    }
    for (int i = 0; i < 2; i++) {
        diff_side_done(&r->lab_sides[i]);
        kw_lab_stop(r->labs[i]);
    }
    diff_side_done(&r->server);
    for (int i = 0; i < DIFF_CONNECTIONS; i++) {
        forget_queue(&r->queues[i]);
    }
    for (int node = 0; node < DIFF_NODES; node++) {
        buffer_done(&r->base[node]);
    }
    buffer_done(&r->server_reply);
    buffer_done(&r->lab_reply);
    free(r);
}

size_t diff_run_count(const diff_run *r) {
    return r->count;
}
