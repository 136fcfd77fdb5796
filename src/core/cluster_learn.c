/* Commands that the table does not know: a node is asked what they are (COMMAND INFO, once each) or
 * where their keys are (COMMAND GETKEYS). If it cannot say, the command goes to any node: a wrong
 * guess costs a redirect, no more. */
#include "core/cluster_state.h"

#include "core/reply.h"

/* The command's name, read back from its encoded form: *N, $len, name. */
static kw_slice name_of(const request *r) {
    const char *bytes = request_bytes(r);
    const char *end = bytes + r->len;
    const char *len_line = memchr(bytes, '$', r->len);
    const char *cr = len_line ? memchr(len_line, '\r', (size_t)(end - len_line)) : NULL;
    uint64_t len = 0;
    if (!cr || !slice_to_u64(slice_of(len_line + 1, (size_t)(cr - len_line - 1)), &len)) {
        return slice_of("", 0);
    }
    return slice_of(cr + 2, (size_t)len);
}

static size_t argc_of(const char *bytes, size_t len) {
    uint64_t argc = 0;
    const char *cr = memchr(bytes, '\r', len);
    return slice_to_u64(slice_of(bytes + 1, (size_t)(cr - bytes - 1)), &argc) ? (size_t)argc : 0;
}

kw_slice *request_arguments(const cluster *c, const char *bytes, size_t len, size_t *ret_argc) {
    size_t argc = argc_of(bytes, len);
    size_t read = 0;
    const char *why = NULL;
    kw_slice *argv = mem_calloc(c->mem, argc + 1, sizeof *argv);
    if (argv && resp_read_command(bytes, len, argv, argc, ret_argc, &read, &why) != RESP_DONE) {
        mem_free(c->mem, argv);
        return NULL;
    }
    return argv;
}

static request *question(cluster *c, link *l, const kw_slice *argv, size_t argc,
                         request_kind kind) {
    char *bytes = NULL;
    request *q = request_new(c, &l->chunk, (size_t)resp_command_size(argv, argc), kind, &bytes);
    if (q) {
        resp_command_encode(bytes, argv, argc);
        wheel_start(&c->wheel, &q->at.more->deadline, c->now_us + c->config.refresh_timeout_us);
    }
    return q;
}

static link *any_link(cluster *c, uint64_t avoid) {
    node *n = route_random_primary(c, avoid);
    return n ? link_for(c, n, SLOT_NONE) : NULL;
}

/* The request goes its way without keys being known. */
static void give_up_learning(cluster *c, request *r) {
    r->keys_known = true;
    route(c, r);
}

/* ------------------------------------------------------------ COMMAND INFO */

static bool ask_info(cluster *c, const request *r, uint64_t avoid) {
    link *l = any_link(c, avoid);
    kw_slice argv[] = {SLICE_LITERAL("COMMAND"), SLICE_LITERAL("INFO"), name_of(r)};
    request *q = l ? question(c, l, argv, 3, REQUEST_COMMAND_INFO) : NULL;
    if (!q) {
        return false;
    }
    c->learning_out = true;
    link_give_first(c, l, q);
    return true;
}

static bool ask_getkeys(cluster *c, request *r, uint64_t avoid) {
    link *l = any_link(c, avoid);
    size_t argc = 0;
    kw_slice *old = l ? request_arguments(c, request_bytes(r), r->len, &argc) : NULL;
    kw_slice *argv = old ? mem_calloc(c->mem, argc + 2, sizeof *argv) : NULL;
    request *q = NULL;
    if (argv) {
        argv[0] = SLICE_LITERAL("COMMAND");
        argv[1] = SLICE_LITERAL("GETKEYS");
        memcpy(argv + 2, old, argc * sizeof *argv);
        q = question(c, l, argv, argc + 2, REQUEST_GETKEYS);
    }
    mem_free(c->mem, argv);
    mem_free(c->mem, old);
    if (!q) {
        return false;
    }
    q->at.more->peer = r;
    r->at.more->peer = q;
    link_give_first(c, l, q);
    return true;
}

static void waits_to_learn(cluster *c, request *r) {
    request_waits(c, r, PLACE_LEARNING);
    list_push_back(&c->learning, &r->node);
}

/* The table or the book knows it by now: keys and flags are filled in. */
static void apply(cluster *c, request *r, const command_route *way) {
    r->slot = (int16_t)way->slot;
    r->only_reads = way->reads_only;
    r->reads_only = r->reads_only || way->reads_only;
    if (r->at.more->trace) {
        r->at.more->trace->slot = way->slot;
    }
    give_up_learning(c, r); /* nothing left to learn */
}

static void fail_crossslot(cluster *c, request *r, const command_route *way) {
    request_fail(c, r, KW_ERR_CROSSSLOT, NULL, "the keys are in different slots (%d and %d)",
                 way->slot, way->other_slot);
}

void learn_command(cluster *c, request *r) {
    if (!slotmap_loaded(&c->slots)) {
        route_wait_for_map(c, r);
        return;
    }
    size_t argc = 0;
    kw_slice *argv = request_arguments(c, request_bytes(r), r->len, &argc);
    command_route way = {.slot = SLOT_NONE};
    kw_status status = argv ? command_book_route(&c->book, argv, argc, &way) : KW_ERR_NOMEM;
    const char *why = status == KW_OK && way.info ? request_disturbs(&way, argv[0]) : NULL;
    mem_free(c->mem, argv);
    if (status == KW_OK && !why && way.info && way.blocks && !r->at.more->blocking &&
        !blocking_init(c, r, way.info->name, NULL, 0, true)) {
        status = KW_ERR_NOMEM;
    }
    if (why) {
        request_fail(c, r, KW_ERR_UNSUPPORTED, NULL, REQUEST_DISTURBS, way.info->name, why);
    } else if (status == KW_ERR_CROSSSLOT) {
        fail_crossslot(c, r, &way);
    } else if (status != KW_OK) {
        request_fail(c, r, status, NULL, "the command could not be read");
    } else if (way.info && way.info->flags & COMMAND_KEYS_UNKNOWN) {
        if (ask_getkeys(c, r, 0)) {
            waits_to_learn(c, r);
        } else {
            give_up_learning(c, r);
        }
    } else if (way.info) {
        apply(c, r, &way);
    } else if (c->learning_out || ask_info(c, r, 0)) {
        waits_to_learn(c, r);
    } else {
        give_up_learning(c, r);
    }
}

/* ----------------------------------------------------------------- answers */

static void on_getkeys(cluster *c, request *asked, const kw_reply *reply) {
    request *r = asked->at.more->peer;
    if (!r) {
        return; /* the command's deadline passed */
    }
    r->at.more->peer = NULL;
    asked->at.more->peer = NULL;
    request_unqueue(c, r);
    command_route way = {.slot = SLOT_NONE, .reads_only = r->only_reads};
    kw_status status = reply ? command_route_keys(reply, &way) : KW_OK;
    if (status == KW_ERR_CROSSSLOT) {
        fail_crossslot(c, r, &way);
        return;
    }
    apply(c, r, &way);
}

static void on_info(cluster *c, const request *asked, const kw_reply *reply) {
    size_t argc = 0;
    size_t len = 0;
    const char *why = NULL;
    kw_slice argv[3];
    c->learning_out = false;
    bool learned = reply && !kw_reply_is_error(reply) &&
                   resp_read_command(request_bytes(asked), asked->len, argv, 3, &argc, &len,
                                     &why) == RESP_DONE &&
                   command_book_learn(&c->book, argv[2], reply) == KW_OK;
    list queue;
    list_init(&queue);
    list_append_all(&queue, &c->learning);
    list *at;
    while ((at = list_pop_front(&queue))) {
        request *r = REQUEST_OF(at);
        if (r->at.more->peer) { /* asks for its own keys */
            list_push_back(&c->learning, &r->node);
            continue;
        }
        request_stops_waiting(c, r);
        if (learned) {
            learn_command(c, r);
        } else {
            give_up_learning(c, r);
        }
    }
}

void learn_on_answer(cluster *c, request *asked, const link_frame *frame) {
    if (c->closed) {
        return;
    }
    kw_reply *reply =
        frame ? reply_build(c->mem, frame->data, frame->len, frame->node_count) : NULL;
    if (asked->kind == REQUEST_GETKEYS) {
        on_getkeys(c, asked, reply);
    } else {
        on_info(c, asked, reply);
    }
    reply_free(reply);
}

/* Takes the question out of the way; its reply, if one comes, no longer matters. */
static void withdraw(cluster *c, request *asked) {
    if (asked->place == PLACE_PIPELINE && asked->on_wire) {
        asked->kind = REQUEST_IGNORED;
    } else {
        request_unqueue(c, asked);
        request_free(c, asked);
    }
}

void learn_on_timeout(cluster *c, request *asked) {
    uint64_t avoid = asked->at.more->link ? asked->at.more->link->node->uid : 0;
    request *r = asked->at.more->peer;
    bool getkeys = asked->kind == REQUEST_GETKEYS;
    if (r) {
        r->at.more->peer = NULL;
        asked->at.more->peer = NULL;
    }
    withdraw(c, asked);
    if (getkeys) {
        if (r && !ask_getkeys(c, r, avoid)) {
            request_unqueue(c, r);
            give_up_learning(c, r);
        }
        return;
    }
    c->learning_out = false;
    for (list *at = c->learning.next; at != &c->learning; at = at->next) {
        r = REQUEST_OF(at);
        if (!r->at.more->peer) {
            (void)ask_info(c, r, avoid); /* in need of memory: the commands' own deadlines remain */
            return;
        }
    }
}
