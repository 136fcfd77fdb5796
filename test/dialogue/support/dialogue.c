#include "dialogue/support/dialogue.h"

#include "base/buffer.h"
#include "core/reply.h"
#include "core/resp.h"
#include "dialogue/support/nodes.h"

#include <stdlib.h>

#define PIECE_OUT_BYTES 3
#define PIECE_IN_BYTES 5
#define SLICES_MAX 8
#define ROUNDS_MAX 10000 /* of a settling that never ends */

/* The public names belong to the client's layer, which is not under test here. */
static const char *name_of_status(kw_status status) {
    static const char *const names[] = {
        "OK",        "NOMEM",      "INVALID", "UNSUPPORTED", "CROSSSLOT",  "LIMIT",
        "TIMEOUT",   "CONNECTION", "RESOLVE", "TLS",         "AUTH",       "PROTOCOL",
        "REDIRECTS", "UNCOVERED",  "CLOSED",  "FORKED",      "NOT_CLUSTER"};
    return (size_t)status < COUNT_OF(names) ? names[status] : "?";
}

static const char *name_of_outcome(kw_outcome outcome) {
    static const char *const names[] = {"NOT_SENT", "REJECTED", "NO_EFFECT", "MAYBE_EXECUTED"};
    return (size_t)outcome < COUNT_OF(names) ? names[outcome] : "?";
}

/* ------------------------------------------------------------------- bytes */

static void take_output(dialogue *d, uint32_t index) {
    conversation *v = &d->links[index];
    dialogue_node *node = &d->nodes[v->node];
    while (v->writing && node->write_room > 0) {
        kw_slice slices[SLICES_MAX];
        size_t count = cluster_link_output(d->c, index, slices, d->mode == PIECES ? 1 : SLICES_MAX);
        size_t taken = 0;
        for (size_t i = 0; i < count && node->write_room > 0; i++) {
            size_t len = slices[i].len;
            len = d->mode == PIECES && len > PIECE_OUT_BYTES ? PIECE_OUT_BYTES : len;
            len = len > node->write_room ? (size_t)node->write_room : len;
            v->bytes = realloc(v->bytes, v->byte_count + len);
            memcpy(v->bytes + v->byte_count, slices[i].data, len);
            v->byte_count += len;
            taken += len;
            node->write_room -= node->write_room == UINT64_MAX ? 0 : len;
        }
        if (count == 0) {
            v->writing = false;
        } else {
            cluster_link_written(d->c, index, taken, d->now_us);
        }
    }
}

/* The brain may close the link while it reads. */
static void give_input(dialogue *d, uint32_t index, const char *bytes, size_t len) {
    while (len > 0) {
        size_t room = 0;
        char *at = cluster_link_input(d->c, index, &room);
        if (!at) {
            return;
        }
        size_t piece = d->mode == BYTEWISE ? 1 : d->mode == PIECES ? PIECE_IN_BYTES : len;
        piece = piece > len ? len : piece;
        piece = piece > room ? room : piece;
        memcpy(at, bytes, piece);
        cluster_link_received(d->c, index, piece, d->now_us);
        bytes += piece;
        len -= piece;
    }
}

static bool give_answers(dialogue *d, uint32_t index) {
    conversation *v = &d->links[index];
    bool any = false;
    const dialogue_node *node = &d->nodes[v->node];
    while (v->first && v->first->state == ANSWERED && !node->frozen &&
           !(node->mute && strcmp(v->first->text, "CLUSTER SLOTS") == 0)) {
        heard *h = v->first;
        v->first = h->next;
        give_input(d, index, h->answer, h->answer_len);
        free(h->text);
        free(h->answer);
        free(h);
        any = true;
    }
    return any;
}

/* ----------------------------------------------------------------- effects */

static int node_at(const dialogue *d, const net_address *address) {
    char host[64];
    char text[80];
    net_address_format(address, host, sizeof host);
    snprintf(text, sizeof text, strchr(host, ':') ? "[%s]:%d" : "%s:%d", host, address->port);
    for (int n = 1; n <= DIALOGUE_NODES; n++) {
        if (strcmp(d->nodes[n].address, text) == 0) {
            return n;
        }
    }
    if (d->stranger == 0) {
        fail_msg("a connection to %s, where nobody is", text);
    }
    return d->stranger;
}

static void open_link(dialogue *d, const cluster_effect *e) {
    assert_true(e->link < DIALOGUE_LINKS);
    conversation *v = &d->links[e->link];
    assert_int_equal(v->node, 0);
    int n = node_at(d, &e->address);
    d->nodes[n].opens++;
    v->node = n;
    if (d->nodes[n].refuses) {
        conversation_clear(v);
        cluster_link_lost(d->c, e->link, KW_ERR_CONNECTION, "Connection refused", d->now_us);
    } else if (!d->nodes[n].unreachable) {
        v->connected = true;
        cluster_link_connected(d->c, e->link, d->now_us);
    }
}

static void resolve(dialogue *d, const cluster_effect *e) {
    net_address addresses[LIMIT_ADDRESSES];
    size_t count = 0;
    const char *text = "";
    for (size_t i = 0; i < DIALOGUE_NAMES && d->names[i].name; i++) {
        if (strcmp(d->names[i].name, e->name.host) == 0) {
            text = d->names[i].addresses;
            d->names[i].asked++;
        }
    }
    if (!text) {
        return;
    }
    char copy[256];
    snprintf(copy, sizeof copy, "%s", text);
    char *rest = NULL;
    for (char *word = strtok_r(copy, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
        endpoint host = {.port = e->name.port};
        snprintf(host.host, sizeof host.host, "%s", word);
        assert_true(endpoint_to_address(&host, &addresses[count++]));
    }
    cluster_resolved(d->c, e->id, addresses, count, count ? KW_OK : KW_ERR_RESOLVE,
                     count ? "" : "no such host", d->now_us);
}

static bool do_effect(dialogue *d) {
    cluster_effect e;
    if (!cluster_next_effect(d->c, &e)) {
        return false;
    }
    switch (e.kind) {
    case EFFECT_OPEN:
        open_link(d, &e);
        break;
    case EFFECT_CLOSE:
        conversation_clear(&d->links[e.link]);
        break;
    case EFFECT_WRITE:
        d->links[e.link].writing = d->links[e.link].connected;
        break;
    case EFFECT_RESOLVE:
        resolve(d, &e);
        break;
    case EFFECT_CANCEL:
        break;
    }
    return true;
}

/* -------------------------------------------------------------- completions */

static void write_text(buffer *out, const kw_reply *r) {
    kw_slice s = slice_text(kw_reply_string(r, NULL) ? kw_reply_string(r, NULL) : "");
    bool fits = true;
    switch (kw_reply_type(r)) {
    case KW_TYPE_STATUS:
        fits = buffer_printf(out, "+%s", s.data);
        break;
    case KW_TYPE_ERROR:
        fits = buffer_printf(out, "-%s", s.data);
        break;
    case KW_TYPE_INTEGER:
        fits = buffer_printf(out, ":%lld", (long long)kw_reply_integer(r));
        break;
    case KW_TYPE_NULL:
        fits = buffer_append_text(out, "(nil)");
        break;
    case KW_TYPE_ARRAY:
        fits = buffer_append_text(out, "[");
        for (size_t i = 0; i < kw_reply_count(r); i++) {
            fits = fits && (i == 0 || buffer_append_text(out, " "));
            write_text(out, kw_reply_at(r, i));
        }
        fits = fits && buffer_append_text(out, "]");
        break;
    default:
        fits = buffer_append_slice(out, s);
        break;
    }
    assert_true(fits);
}

/* The caller's memory is used for something else. */
static void spoil_words(dialogue_call *k) {
    if (k->words) { /* else none were kept */
        memset(k->words, '!', k->words_len);
    }
}

static void take_completions(dialogue *d) {
    cluster_completion done;
    while (cluster_next_completion(d->c, &done)) {
        size_t index = (size_t)(uintptr_t)done.user;
        assert_true(index < d->call_count);
        dialogue_call *k = &d->calls[index];
        assert_false(k->done); /* exactly once */
        k->done = true;
        k->err = done.err;
        spoil_words(k);
        if (done.reply) {
            buffer out;
            buffer_init(&out, &mem_default, 0);
            write_text(&out, done.reply);
            k->text = mem_strndup(&mem_default, buffer_slice(&out).data, buffer_len(&out));
            buffer_done(&out);
            reply_free(done.reply);
        }
    }
}

static void take_events(dialogue *d) {
    const kw_event *e;
    while ((e = cluster_next_event(d->c))) {
        d->events[e->type]++;
        snprintf(d->last_event, sizeof d->last_event, "%s", e->text);
    }
}

void settle(dialogue *d) {
    for (int round = 0; round < ROUNDS_MAX; round++) {
        bool more = false;
        while (do_effect(d)) {
            more = true;
        }
        for (uint32_t i = 0; i < DIALOGUE_LINKS; i++) {
            conversation *v = &d->links[i];
            if (v->connected) {
                take_output(d, i);
                nodes_hear(d, v);
                more = give_answers(d, i) || more;
            }
        }
        take_completions(d);
        take_events(d);
        if (cluster_deadline_us(d->c) <= d->now_us) {
            cluster_tick(d->c, d->now_us);
            more = true;
        }
        if (!more) {
            size_t open = 0;
            for (size_t i = 0; i < d->call_count; i++) {
                open += !d->calls[i].done;
            }
            assert_int_equal(cluster_pending(d->c), open);
            assert_true(open == 0 || cluster_deadline_us(d->c) != UINT64_MAX);
            return;
        }
    }
    fail_msg("the brain never comes to rest");
}

void advance_ms(dialogue *d, uint64_t ms) {
    uint64_t until_us = d->now_us + ms * 1000;
    settle(d);
    while (cluster_deadline_us(d->c) <= until_us) {
        uint64_t at_us = cluster_deadline_us(d->c);
        d->now_us = at_us > d->now_us ? at_us : d->now_us;
        cluster_tick(d->c, d->now_us);
        assert_true(cluster_deadline_us(d->c) > d->now_us);
        settle(d);
    }
    d->now_us = until_us;
}

unsigned ms_until(dialogue *d, kw_event_type type, unsigned ms_max) {
    unsigned before = d->events[type];
    settle(d);
    for (unsigned ms = 0; ms <= ms_max; ms++) {
        if (d->events[type] != before) {
            return ms;
        }
        advance_ms(d, 1);
    }
    fail_msg("nothing has happened for %u ms", ms_max);
    return 0;
}

unsigned all_asks(const dialogue *d) {
    unsigned count = 0;
    for (int n = 1; n <= DIALOGUE_NODES; n++) {
        count += d->nodes[n].asks;
    }
    return count;
}

void meet_all(dialogue *d) {
    ok(d, answered_call(d, 1, "GET b", "v"), "v");
    ok(d, answered_call(d, 2, "GET k", "v"), "v");
    ok(d, answered_call(d, 3, "GET foo", "v"), "v");
}

/* ------------------------------------------------------------------ the client */

void start_cold(dialogue *d) {
    kw_error err;
    size_t count = 0;
    while (count < DIALOGUE_SEEDS && d->seeds[count].port) {
        count++;
    }
    d->config.seeds = d->seeds;
    d->config.seed_count = count;
    assert_int_equal(cluster_new(&d->mem.mem, &d->config, d->seed, d->now_us, &d->c, &err), KW_OK);
    cluster_watch_events(d->c, true);
    settle(d);
}

void start(dialogue *d) {
    start_cold(d);
    cluster_refresh(d->c, d->now_us);
    settle(d);
    assert_int_equal(cluster_refresh_accepted_count(d->c), 1);
}

static size_t split(char *text, kw_slice *argv, size_t max) {
    size_t argc = 0;
    char *rest = NULL;
    for (char *word = strtok_r(text, " ", &rest); word && argc < max;
         word = strtok_r(NULL, " ", &rest)) {
        argv[argc++] = slice_text(word);
    }
    return argc;
}

/* `text` is cut into words, which are the command. */
static kw_status submit(dialogue *d, const cluster_submit_options *options, char *text,
                        kw_error *err) {
    kw_slice argv[64];
    size_t argc = split(text, argv, COUNT_OF(argv));
    return cluster_submit(d->c, argv, argc, options, d->now_us, err);
}

int call_with(dialogue *d, const cluster_submit_options *options, const char *text) {
    cluster_submit_options with = *options;
    kw_error err;
    size_t index = d->call_count++;
    d->calls = realloc(d->calls, d->call_count * sizeof *d->calls);
    d->calls[index] = (dialogue_call){.done = false};
    with.user = (void *)(uintptr_t)index;
    dialogue_call *k = &d->calls[index];
    k->words_len = strlen(text);
    k->words = mem_strndup(&mem_default, text, k->words_len);
    kw_status status = submit(d, &with, k->words, &err);
    if (status != KW_OK || !options->lends) {
        spoil_words(k);
    }
    if (status != KW_OK) {
        if (!d->lenient) {
            fail_msg("%s was refused: %s", text, err.message);
        }
        assert_int_equal(err.status, status);
        k->done = true;
        k->err = err;
    }
    settle(d);
    return (int)index;
}

int call(dialogue *d, const char *text) {
    return call_with(d, &(cluster_submit_options){.slot = SLOT_NONE}, text);
}

int answered_call(dialogue *d, int node, const char *text, const char *answer) {
    int index = call(d, text);
    expect(d, node, text);
    reply(d, node, answer);
    return index;
}

void refused(dialogue *d, const char *text, kw_status status, const char *message) {
    kw_error err;
    char *words = mem_strndup(&mem_default, text, strlen(text));
    kw_status got = submit(d, &(cluster_submit_options){.slot = SLOT_NONE}, words, &err);
    free(words);
    assert_int_equal(got, status);
    assert_int_equal(err.status, status);
    assert_int_equal(err.outcome, KW_NOT_SENT);
    if (!strstr(err.message, message)) {
        fail_msg("'%s' lacks '%s'", err.message, message);
    }
}

void ok(dialogue *d, int index, const char *text) {
    dialogue_call *k = &d->calls[index];
    if (!k->done) {
        fail_msg("call %d is still open", index);
    }
    if (!k->text) {
        fail_msg("call %d failed: %s: %s (%s)", index, name_of_status(k->err.status),
                 k->err.message, name_of_outcome(k->err.outcome));
    }
    assert_string_equal(k->text, text);
    k->checked = true;
}

void failed(dialogue *d, int index, kw_status status, kw_outcome outcome, const char *message) {
    dialogue_call *k = &d->calls[index];
    if (!k->done) {
        fail_msg("call %d is still open", index);
    }
    if (k->text) {
        fail_msg("call %d has a reply: %s", index, k->text);
    }
    assert_string_equal(name_of_status(k->err.status), name_of_status(status));
    assert_string_equal(name_of_outcome(k->err.outcome), name_of_outcome(outcome));
    if (!strstr(k->err.message, message)) {
        fail_msg("'%s' lacks '%s'", k->err.message, message);
    }
    k->checked = true;
}

void is_open(dialogue *d, int index) {
    const dialogue_call *k = &d->calls[index];
    if (k->done) {
        fail_msg("call %d has ended: %s", index, k->text ? k->text : k->err.message);
    }
}

uint64_t count_of(dialogue *d, kw_counter counter) {
    kw_stats *stats = NULL;
    assert_int_equal(cluster_stats_snapshot(d->c, &stats), KW_OK);
    uint64_t value = stats->counters[counter];
    mem_free(stats->mem, stats->nodes);
    mem_free(stats->mem, stats);
    return value;
}

uint64_t node_count_of(dialogue *d, int node, kw_counter counter) {
    kw_stats *stats = NULL;
    uint64_t value = 0;
    assert_int_equal(cluster_stats_snapshot(d->c, &stats), KW_OK);
    for (size_t i = 0; i < stats->node_count; i++) {
        if (strcmp(stats->nodes[i].endpoint, d->nodes[node].address) == 0) {
            value = stats->nodes[i].counters[counter];
        }
    }
    mem_free(stats->mem, stats->nodes);
    mem_free(stats->mem, stats);
    return value;
}

static kw_map *snapshot(dialogue *d) {
    kw_map *map = NULL;
    assert_int_equal(cluster_map_snapshot(d->c, &map), KW_OK);
    return map;
}

static void snapshot_free(kw_map *map) {
    const mem *m = map->mem;
    mem_free(m, map->nodes);
    mem_free(m, map);
}

const char *state_of(dialogue *d, int node) {
    const char *state = "";
    kw_map *map = snapshot(d);
    for (size_t i = 0; i < map->node_count; i++) {
        if (strcmp(map->nodes[i].id, d->nodes[node].id) == 0) {
            state = map->nodes[i].state;
        }
    }
    snapshot_free(map);
    return state;
}

int owner_of(dialogue *d, int slot) {
    int owner = 0;
    kw_map *map = snapshot(d);
    for (int n = 1; n <= DIALOGUE_NODES && map->owner[slot] >= 0; n++) {
        if (strcmp(map->nodes[map->owner[slot]].endpoint, d->nodes[n].address) == 0) {
            owner = n;
        }
    }
    snapshot_free(map);
    return owner;
}

bool is_suspect(dialogue *d, int slot) {
    kw_map *map = snapshot(d);
    bool suspect = (map->suspect[slot / 8] >> (slot % 8)) & 1;
    snapshot_free(map);
    return suspect;
}

/* ----------------------------------------------------------------- the cluster */

void name(dialogue *d, const char *host, const char *addresses) {
    size_t i = 0;
    while (d->names[i].name && strcmp(d->names[i].name, host) != 0) {
        i++;
        assert_true(i < DIALOGUE_NAMES);
    }
    d->names[i].name = host;
    d->names[i].addresses = addresses;
}

void seeds(dialogue *d, const char *text) {
    memset(d->seeds, 0, sizeof d->seeds);
    kw_slice rest = slice_text(text);
    kw_slice part;
    for (size_t i = 0; slice_split(&rest, ',', &part); i++) {
        assert_true(i < DIALOGUE_SEEDS && endpoint_parse(part, &d->seeds[i]));
    }
}

void expect(dialogue *d, int node, const char *text) {
    settle(d);
    heard *h = nodes_find(d, node, HEARD);
    if (!h) {
        fail_msg("node %d has heard nothing; expected: %s", node, text);
        return;
    }
    assert_string_equal(h->text, text);
    h->state = EXPECTED;
}

const char *hear_next(dialogue *d, int node) {
    settle(d);
    heard *h = nodes_find(d, node, HEARD);
    assert_non_null(h);
    h->state = EXPECTED;
    return h->text;
}

int expect_somewhere(dialogue *d, const char *text) {
    settle(d);
    for (int n = 1; n <= DIALOGUE_NODES; n++) {
        heard *h = nodes_find(d, n, HEARD);
        if (h && strcmp(h->text, text) == 0) {
            h->state = EXPECTED;
            return n;
        }
    }
    fail_msg("no node has heard: %s", text);
    return 0;
}

bool hears(dialogue *d, int node) {
    settle(d);
    return nodes_find(d, node, HEARD) != NULL;
}

void expect_nothing(dialogue *d) {
    settle(d);
    for (int n = 1; n <= DIALOGUE_NODES; n++) {
        const heard *h = nodes_find(d, n, HEARD);
        if (h) {
            fail_msg("node %d has heard: %s", n, h->text);
        }
    }
}

static heard *next_expected(dialogue *d, int node) {
    heard *h = nodes_find(d, node, EXPECTED);
    if (!h) {
        fail_msg("node %d owes no reply", node);
    }
    return h;
}

void reply(dialogue *d, int node, const char *text) {
    nodes_answer(d, next_expected(d, node), node, text);
    settle(d);
}

static heard *find_expected(const dialogue *d, int node, const char *text, int *ret_link) {
    for (int i = 0; i < DIALOGUE_LINKS; i++) {
        heard *h = d->links[i].node == node ? d->links[i].first : NULL;
        for (; h; h = h->next) {
            if (h->state == EXPECTED && strcmp(h->text, text) == 0) {
                *ret_link = i;
                return h;
            }
        }
    }
    fail_msg("node %d owes no reply to: %s", node, text);
    return NULL;
}

void reply_to(dialogue *d, int node, const char *text, const char *answer) {
    int link = 0;
    nodes_answer(d, find_expected(d, node, text, &link), node, answer);
    settle(d);
}

int link_with(const dialogue *d, int node, const char *text) {
    int link = -1;
    (void)find_expected(d, node, text, &link);
    return link;
}

bool owes(dialogue *d, int node) {
    return nodes_find(d, node, EXPECTED) != NULL;
}

void reply_if_owed(dialogue *d, int node, const char *text) {
    if (owes(d, node)) {
        reply(d, node, text);
    }
}

void reply_bytes(dialogue *d, int node, const char *bytes, size_t len) {
    heard *h = next_expected(d, node);
    h->answer = malloc(len);
    memcpy(h->answer, bytes, len);
    h->answer_len = len;
    h->state = ANSWERED;
    settle(d);
}

void blurt(dialogue *d, int node, const char *bytes) {
    for (uint32_t i = 0; i < DIALOGUE_LINKS; i++) {
        if (d->links[i].node == node && d->links[i].connected) {
            give_input(d, i, bytes, strlen(bytes));
            settle(d);
            return;
        }
    }
    fail_msg("node %d has no connection", node);
}

static void break_link(dialogue *d, uint32_t index) {
    conversation_clear(&d->links[index]);
    cluster_link_lost(d->c, index, KW_ERR_CONNECTION, "Connection reset by peer", d->now_us);
}

void hang_up(dialogue *d, int node) {
    for (uint32_t i = 0; i < DIALOGUE_LINKS; i++) {
        if (d->links[i].node == node) {
            break_link(d, i);
        }
    }
    settle(d);
}

void hang_up_on(dialogue *d, int node, const char *text) {
    break_link(d, (uint32_t)link_with(d, node, text));
    settle(d);
}

unsigned links_to(const dialogue *d, int node) {
    unsigned count = 0;
    for (uint32_t i = 0; i < DIALOGUE_LINKS; i++) {
        count += d->links[i].node == node && d->links[i].connected;
    }
    return count;
}

/* --------------------------------------------------------------------- running */

void dialogue_init(dialogue *d, dialogue_mode mode) {
    memset(d, 0, sizeof *d);
    d->mode = mode;
    d->seed = 1;
    d->now_us = 1000000000;
    failing_mem_init(&d->mem);
    cluster_config_init(&d->config);
    nodes_init(d);
    seeds(d, "127.0.0.1:7001");
}

static void check_calls(dialogue *d) {
    for (size_t i = 0; i < d->call_count; i++) {
        dialogue_call *k = &d->calls[i];
        assert_true(k->done); /* the shutdown has ended the rest */
        if (!k->checked && !d->lenient && k->err.status != KW_ERR_CLOSED) {
            fail_msg("nobody looked at call %zu: %s", i, k->text ? k->text : k->err.message);
        }
        free(k->text);
        free(k->words);
    }
    free(d->calls);
}

void dialogue_done(dialogue *d) {
    if (!d->lenient) {
        expect_nothing(d);
    }
    cluster_shutdown(d->c, KW_ERR_CLOSED, d->now_us);
    settle(d);
    assert_int_equal(cluster_pending(d->c), 0);
    cluster_free(d->c);
    check_calls(d);
    for (size_t i = 0; i < DIALOGUE_LINKS; i++) {
        assert_false(d->links[i].connected);
        conversation_clear(&d->links[i]);
    }
    assert_int_equal(d->mem.live_count, 0);
}

void dialogue_run(void **state) {
    static dialogue *current; /* of a dialogue that fails, memory stays: it is no leak */
    const dialogue_case *k = *state;
    dialogue *d = malloc(sizeof *d);
    dialogue_init(d, k->mode);
    d->before = current;
    current = d;
    k->run(d);
    dialogue_done(d);
    current = d->before;
    free(d);
}
