#include "tool/tool.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void complain(const char *format, ...) {
    char line[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    fprintf(stderr, "keyway: %s\n", line);
}

void give_up(const char *why) {
    complain("%s", why);
    exit(STATUS_NO_REPLY);
}

static const char *advice(const kw_error *err) {
    switch (err->status) {
    case KW_ERR_CONNECTION:
        return err->outcome == KW_MAYBE_EXECUTED
                   ? "look whether it took effect before you repeat it"
               : strstr(err->message, "closed by the peer")
                   ? "is a node running there? One that speaks TLS needs rediss:// in the URL"
                   : "is a node running there? -u URL names another";
    case KW_ERR_TIMEOUT:
        return err->outcome == KW_MAYBE_EXECUTED
                   ? "look whether it took effect before you repeat it"
               : err->outcome == KW_NOT_SENT
                   ? "is the cluster up? -u URL names another, --timeout MS waits longer"
               : err->outcome == KW_REJECTED
                   ? "`keyway map` shows what is served, --timeout MS waits longer"
                   : "--timeout MS waits longer";
    case KW_ERR_RESOLVE:
        return "check the host name in the URL";
    case KW_ERR_TLS:
        return "check the URL's scheme and its tls options";
    case KW_ERR_AUTH:
        return "give user and password in the URL: redis://user:password@host:port";
    case KW_ERR_NOT_CLUSTER:
        return "start the server with `cluster-enabled yes`, or name another with -u URL";
    case KW_ERR_PROTOCOL:
        return "is that the port of a Redis or Valkey node?";
    default:
        return NULL;
    }
}

void complain_error(const char *where, const kw_error *err) {
    const char *hint = advice(err);
    bool names_node = !err->node[0] || strstr(err->message, err->node);
    size_t len = strlen(err->message);
    len -= hint && len > 0 && err->message[len - 1] == '.'; /* a server's sentence goes on */
    complain("%s%s%s (%s): %s%s%.*s%s%s", where ? where : "", where ? ": " : "",
             kw_status_name(err->status), kw_outcome_name(err->outcome),
             names_node ? "" : err->node, names_node ? "" : ": ", (int)len, err->message,
             hint ? "; " : "", hint ? hint : "");
}
