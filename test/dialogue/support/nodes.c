#include "dialogue/support/nodes.h"

#include "base/buffer.h"
#include "core/resp.h"

#include <stdlib.h>

void nodes_init(dialogue *d) {
    for (int n = 1; n <= DIALOGUE_NODES; n++) {
        dialogue_node *node = &d->nodes[n];
        snprintf(node->address, sizeof node->address, "127.0.0.1:%d", 7000 + n);
        snprintf(node->id, sizeof node->id, "id%d", n);
        node->write_room = UINT64_MAX;
    }
    view(d, THREE_NODES, 3);
}

void view(dialogue *d, const char *text, uint64_t epoch) {
    d->view = text;
    d->epoch = epoch;
}

void node_view(dialogue *d, int node, const char *text, uint64_t epoch) {
    d->nodes[node].view = text;
    d->nodes[node].epoch = epoch;
}

/* ------------------------------------------------------------------- views */

static void write_view_node(dialogue *d, buffer *out, int n) {
    const dialogue_node *node = &d->nodes[n];
    endpoint e;
    kw_slice text = slice_text(node->announced ? node->announced : node->address);
    assert_true(endpoint_parse(text, &e));
    assert_true(resp_write_array(out, 3));
    assert_true(resp_write_bulk_text(out, e.host));
    assert_true(resp_write_integer(out, e.port));
    assert_true(resp_write_bulk_text(out, node->id));
}

static void write_view_entry(dialogue *d, buffer *out, const char *entry) {
    int first = 0;
    int last = 0;
    int used = 0;
    assert_int_equal(sscanf(entry, " %d-%d%n", &first, &last, &used), 2);
    int nodes[8];
    size_t count = 0;
    const char *at = entry + used;
    while (sscanf(at, " %d%n", &nodes[count], &used) == 1) {
        at += used;
        count++;
    }
    assert_true(resp_write_array(out, 2 + count));
    assert_true(resp_write_integer(out, first));
    assert_true(resp_write_integer(out, last));
    for (size_t i = 0; i < count; i++) {
        write_view_node(d, out, nodes[i]);
    }
}

static void write_view(dialogue *d, buffer *out, const char *text) {
    if (text[0] == '*') {
        assert_true(buffer_append_text(out, text));
        return;
    }
    char copy[512];
    char *entries[32];
    size_t count = 0;
    snprintf(copy, sizeof copy, "%s", text);
    char *rest = NULL;
    for (char *e = strtok_r(copy, ",", &rest); e; e = strtok_r(NULL, ",", &rest)) {
        entries[count++] = e;
    }
    assert_true(resp_write_array(out, count));
    for (size_t i = 0; i < count; i++) {
        write_view_entry(d, out, entries[i]);
    }
}

static void write_info(buffer *out, uint64_t epoch) {
    char text[128];
    snprintf(text, sizeof text, "cluster_state:ok\r\ncluster_current_epoch:%llu\r\n",
             (unsigned long long)epoch);
    assert_true(resp_write_bulk_text(out, text));
}

/* ----------------------------------------------------------------- answers */

static void write_answer(dialogue *d, buffer *out, int n, const char *text) {
    const dialogue_node *node = &d->nodes[n];
    if (strcmp(text, "(view)") == 0) {
        write_view(d, out, node->view ? node->view : d->view);
    } else if (strcmp(text, "(info)") == 0) {
        write_info(out, node->view ? node->epoch : d->epoch);
    } else if (strcmp(text, "(hello)") == 0) {
        assert_true(buffer_append_text(out, "%1\r\n$5\r\nproto\r\n:3\r\n"));
    } else if (strcmp(text, "(nil)") == 0) {
        assert_true(buffer_append_text(out, "_\r\n"));
    } else if (text[0] == '*' || text[0] == '%') {
        assert_true(buffer_append_text(out, text));
    } else if (text[0] == '+' || text[0] == '-' || text[0] == ':') {
        assert_true(buffer_printf(out, "%s\r\n", text));
    } else {
        assert_true(resp_write_bulk_text(out, text));
    }
}

void nodes_answer(dialogue *d, heard *h, int node, const char *text) {
    buffer out;
    buffer_init(&out, &mem_default, 0);
    write_answer(d, &out, node, text);
    h->answer_len = buffer_len(&out);
    h->answer = malloc(h->answer_len);
    memcpy(h->answer, buffer_slice(&out).data, h->answer_len);
    h->state = ANSWERED;
    buffer_done(&out);
}

static bool begins(const char *text, const char *prefix) {
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

static const char *model_answer(dialogue *d, int n, const char *text) {
    dialogue_node *node = &d->nodes[n];
    if (strcmp(text, "CLUSTER SLOTS") == 0) {
        node->asks++;
        node->asked_us = d->now_us;
    }
    if (node->manual) {
        return NULL;
    }
    if (begins(text, "HELLO")) {
        return node->hello ? node->hello : "(hello)";
    }
    if (begins(text, "CLIENT SET")) {
        return "+OK";
    }
    if (strcmp(text, "PING") == 0) {
        return "+PONG";
    }
    if (strcmp(text, "CLUSTER SLOTS") == 0) {
        return "(view)";
    }
    if (strcmp(text, "CLUSTER INFO") == 0) {
        return "(info)";
    }
    return d->answer ? d->answer(n, text) : NULL;
}

/* ----------------------------------------------------------------- hearing */

static char *join(const kw_slice *argv, size_t argc) {
    size_t len = 1;
    for (size_t i = 0; i < argc; i++) {
        len += argv[i].len + 1;
    }
    char *text = malloc(len);
    char *at = text;
    for (size_t i = 0; i < argc; i++) {
        if (i > 0) {
            *at++ = ' ';
        }
        memcpy(at, argv[i].data, argv[i].len);
        at += argv[i].len;
    }
    *at = '\0';
    return text;
}

static void add_heard(dialogue *d, conversation *v, char *text) {
    heard *h = calloc(1, sizeof *h);
    h->text = text;
    heard **end = &v->first;
    while (*end) {
        end = &(*end)->next;
    }
    *end = h;
    const char *answer = model_answer(d, v->node, text);
    if (answer) {
        nodes_answer(d, h, v->node, answer);
    }
}

void nodes_hear(dialogue *d, conversation *v) {
    kw_slice argv[64];
    size_t argc = 0;
    size_t len = 0;
    size_t used = 0;
    const char *why = NULL;
    resp_progress progress = RESP_DONE;
    while (used < v->byte_count) {
        progress =
            resp_read_command(v->bytes + used, v->byte_count - used, argv, 64, &argc, &len, &why);
        assert_int_not_equal(progress, RESP_BROKEN);
        if (progress == RESP_MORE) {
            break;
        }
        add_heard(d, v, join(argv, argc));
        used += len;
    }
    if (used > 0) {
        memmove(v->bytes, v->bytes + used, v->byte_count - used);
        v->byte_count -= used;
    }
}

heard *nodes_find(dialogue *d, int node, heard_state state) {
    for (size_t i = 0; i < DIALOGUE_LINKS; i++) {
        if (d->links[i].node != node || !d->links[i].connected) {
            continue;
        }
        for (heard *h = d->links[i].first; h; h = h->next) {
            if (h->state == state) {
                return h;
            }
        }
    }
    return NULL;
}

static void heard_free(heard *h) {
    free(h->text);
    free(h->answer);
    free(h);
}

void conversation_clear(conversation *v) {
    while (v->first) {
        heard *h = v->first;
        v->first = h->next;
        heard_free(h);
    }
    free(v->bytes);
    memset(v, 0, sizeof *v);
}
