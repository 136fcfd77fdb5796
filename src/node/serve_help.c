#include "node/node_call.h"
#include "node/node_handlers.h"

typedef struct help_text {
    const char *container;
    const char *lines; /* each with its end */
} help_text;

static const help_text texts[] = {
#include "node/node_help.inc"
};

/* The subcommand HELP of any container. */
void serve_help(node_call *c) {
    const char *lines = "";
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (slice_is_nocase(c->argv[0], texts[i].container)) {
            lines = texts[i].lines;
        }
    }
    size_t count = 0;
    for (const char *at = lines; *at; at++) {
        count += *at == '\n';
    }
    call_array(c, count);
    for (const char *at = lines; *at;) {
        char line[256];
        const char *end = strchr(at, '\n');
        slice_copy(line, sizeof line, slice_of(at, (size_t)(end - at)));
        call_status(c, line);
        at = end + 1;
    }
}
