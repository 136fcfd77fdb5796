#include "node/node_stats.h"

#include "node/node_command.h"

bool node_stats_init(node_stats *s, const mem *m) {
    memset(s, 0, sizeof *s);
    s->mem = m;
    s->commands = mem_calloc(m, node_command_total(), sizeof *s->commands);
    return s->commands != NULL;
}

void node_stats_done(node_stats *s) {
    mem_free(s->mem, s->commands);
    s->commands = NULL;
}

void node_stats_clear(node_stats *s) {
    memset(s->commands, 0, node_command_total() * sizeof *s->commands);
    s->error_count = 0;
    s->error_replies = 0;
    s->key_hits = 0;
    s->key_misses = 0;
}

command_stats *node_stats_of(const node_stats *s, const node_command *command) {
    return &s->commands[node_command_number(command)];
}

void node_stats_error(node_stats *s, const char *text) {
    size_t len = strcspn(text, " ");
    s->error_replies++;
    for (size_t i = 0; i < s->error_count; i++) {
        if (slice_is(slice_of(text, len), s->errors[i].code)) {
            s->errors[i].count++;
            return;
        }
    }
    if (s->error_count < STATS_ERRORS_MAX && len < STATS_CODE_SIZE) {
        error_stats *e = &s->errors[s->error_count++];
        slice_copy(e->code, sizeof e->code, slice_of(text, len));
        e->count = 1;
    }
}
