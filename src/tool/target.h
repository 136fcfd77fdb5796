/* The cluster that a command talks to: the one of -u or KEYWAY_URL, or else an embedded one that is
 * started for it. Owns the handle and the embedded cluster. */
#ifndef TOOL_TARGET_H
#define TOOL_TARGET_H

#include "tool/tool.h"

#include <keyway/lab.h>

typedef struct target {
    kw_client *client;
    kw_lab *lab; /* NULL: a real cluster */
    const char *url;
    int resp;
} target;

/* Opens the handle; nothing is sent yet. url: of -u, or NULL; it must outlive the target. resp: 2
 * or 3, 0 = as the URL says. On failure it has complained, and the target is empty. */
exit_status target_open(target *t, const char *url, int resp);

/* Closes the handle, which ends all that it has under way, and opens it again. */
exit_status target_reopen(target *t);

/* Closes what is open. */
void target_close(target *t);

#endif
