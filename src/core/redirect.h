/* What a server's error reply means for the command that got it. Pure; owns nothing. */
#ifndef CORE_REDIRECT_H
#define CORE_REDIRECT_H

#include "core/endpoint.h"

typedef enum answer_kind {
    ANSWER_REPLY, /* not an error at all */
    ANSWER_ERROR, /* an error for the caller */
    ANSWER_MOVED,
    ANSWER_ASK,
    ANSWER_TRYAGAIN,
    ANSWER_CLUSTERDOWN, /* also CLUSTERDOWN Hash slot not served: see uncovered */
    ANSWER_LOADING,
    ANSWER_MASTERDOWN,
    ANSWER_READONLY,
    ANSWER_UNBLOCKED, /* a blocked command was given up since its node is a replica by now */
    ANSWER_BROKEN     /* a MOVED or ASK that makes no sense: slot, port or number out of range */
} answer_kind;

typedef struct answer {
    answer_kind kind;
    int slot;        /* MOVED, ASK */
    endpoint target; /* MOVED, ASK; the host is empty for "the node asked", and "?" means that the
                        server does not know it: kind is then CLUSTERDOWN, and uncovered set */
    bool uncovered;  /* CLUSTERDOWN: it is this slot that nobody serves */
} answer;

/* Classifies the first line of a reply, without its type byte and CRLF. `type` is that byte
 * ('-' or '!' for an error). */
void answer_read(char type, kw_slice text, answer *ret);

#endif
