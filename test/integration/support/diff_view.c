#include "integration/support/diff_view.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FENCE_TIMEOUT_MS = 20000 };

static void ask_text(diff_side *s, int node, const char *words, buffer *ret) {
    diff_ask(s, DIFF_OBSERVER + node, words, ret);
    assert_true(buffer_append(ret, "", 1)); /* as a C string */
}

void diff_tell(diff_side *s, int node, const char *format, ...) {
    char words[256];
    buffer reply;
    va_list args;
    va_start(args, format);
    vsnprintf(words, sizeof words, format, args);
    va_end(args);
    buffer_init(&reply, &mem_default, 0);
    diff_ask(s, DIFF_OBSERVER + node, words, &reply);
    buffer_done(&reply);
}

/* -------------------------------------------------------------------------------- the view */

static int compare_lines(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* id, flags, primary and slots of a line of CLUSTER NODES. */
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

void diff_view_read(diff_side *s, int node, buffer *ret) {
    buffer reply;
    char *lines[4 * DIFF_NODES];
    size_t count = 0;
    buffer_init(&reply, &mem_default, 0);
    buffer_clear(ret, SIZE_MAX);
    ask_text(s, node, "CLUSTER NODES", &reply);
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
    ask_text(s, node, "CLUSTER INFO", &reply);
    bool ok = strstr(reply.data + reply.begin, "cluster_state:ok") != NULL;
    assert_true(buffer_append_text(ret, ok ? "ok" : "fail"));
    buffer_done(&reply);
}

bool diff_view_is_replica(const buffer *view, int node) {
    char mark[32];
    kw_slice text = buffer_slice(view);
    snprintf(mark, sizeof mark, "@ID%d myself,slave", node);
    return memmem(text.data, text.len, mark, strlen(mark)) != NULL;
}

bool diff_view_owns(const buffer *view, int node, int slot) {
    char text[16384];
    char mark[16];
    slice_copy(text, sizeof text, buffer_slice(view));
    snprintf(mark, sizeof mark, "@ID%d ", node);
    char *line = strstr(text, mark);
    char *rest = NULL;
    if (!line) {
        return false;
    }
    line[strcspn(line, "\n")] = '\0';
    for (char *word = strtok_r(line, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
        char *end;
        long first = strtol(word, &end, 10);
        long last = *end == '-' ? strtol(end + 1, &end, 10) : first;
        if (end != word && *end == '\0' && slot >= first && slot <= last) {
            return true;
        }
    }
    return false;
}

/* ------------------------------------------------------------------------------------ INFO */

unsigned long long diff_info(diff_side *s, int node, const char *section, const char *field) {
    char words[64];
    buffer reply;
    snprintf(words, sizeof words, "INFO %s", section);
    buffer_init(&reply, &mem_default, 0);
    ask_text(s, node, words, &reply);
    const char *at = strstr(reply.data + reply.begin, field);
    unsigned long long number = at ? strtoull(at + strlen(field), NULL, 10) : 0;
    buffer_done(&reply);
    return number;
}

size_t diff_client_count(diff_side *s, int node) {
    size_t count = 0;
    buffer reply;
    buffer_init(&reply, &mem_default, 0);
    ask_text(s, node, "CLIENT LIST", &reply);
    char *rest = NULL;
    char *text = reply.data + reply.begin;
    for (char *line = strtok_r(text, "\r\n", &rest); line; line = strtok_r(NULL, "\r\n", &rest)) {
        count += strncmp(line, "id=", 3) == 0 && !strstr(line, "cmd=restore");
    }
    buffer_done(&reply);
    return count;
}

/* ------------------------------------------------------------------------------------ fence */

void diff_fence_open(diff_side *s) {
    buffer reply;
    buffer_init(&reply, &mem_default, 0);
    for (int node = 0; node < DIFF_NODES; node++) {
        diff_ask(s, DIFF_FENCE + node, "SUBSCRIBE " DIFF_FENCE_CHANNEL, &reply);
    }
    buffer_done(&reply);
}

/* What one node tells another on the cluster's bus comes in its order. */
void diff_fence(diff_side *s, int node) {
    buffer message;
    buffer_init(&message, &mem_default, 0);
    diff_tell(s, node, "PUBLISH " DIFF_FENCE_CHANNEL " x");
    for (int at = 0; at < DIFF_NODES; at++) {
        if (!diff_receive(s, DIFF_FENCE + at, FENCE_TIMEOUT_MS, &message)) {
            fail_msg("%s: a message of node %d does not come to node %d", s->name, node, at);
        }
    }
    buffer_done(&message);
}
