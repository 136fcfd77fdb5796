/* The server side of fuzz_cluster: a few nodes that know the protocol and what the cluster is like,
 * and say so, or something else if a wish tells them to. A command of the test carries its number
 * at the end of its first argument, and so does its reply. */
#ifndef TEST_FUZZ_LIAR_H
#define TEST_FUZZ_LIAR_H

#include "base/buffer.h"
#include "base/slice.h"

#include <stdint.h>

enum {
    LIAR_NODES = 4, /* node n listens at 127.0.0.1, port 7000 + n; `n` is a name of node 1 */
    LIAR_PARTS = 8, /* of the slots, moved as one */
    LIAR_NOBODY = LIAR_NODES,
    LIAR_COMMANDS = 96,
    LIAR_PORT = 7000
};

typedef struct liar_truth {
    uint8_t owner[LIAR_PARTS];
    uint8_t asks[LIAR_PARTS]; /* keys are on their way there; LIAR_NOBODY: they are not */
    uint64_t epoch;
} liar_truth;

typedef struct liar {
    liar_truth now;
    liar_truth before;               /* what an old view says */
    uint8_t executed[LIAR_COMMANDS]; /* how often */
    bool writes[LIAR_COMMANDS];      /* ... and whether once only */
    uint8_t asked[LIAR_COMMANDS];    /* node that ASK named, plus 1, until it comes there */
    uint8_t named[LIAR_PARTS];       /* bits: nodes that the client may take for its owner */
    bool spoiled;                    /* the client hears what nobody said: it may do anything */
    unsigned redirects;              /* MOVED and ASK, said honestly */
    char keys[LIAR_PARTS][16];       /* one in each part */
} liar;

void liar_init(liar *l);
/* The part goes to a node, or the keys of it begin to, or to nobody. */
void liar_move(liar *l, unsigned part, unsigned node, bool by_asking);
/* All is well from now on: every part has an owner, and a newer epoch says so. */
void liar_heal(liar *l);

/* The client may take anybody for the owner of the part. */
void liar_doubt(liar *l, unsigned part);

/* Connections were lost: what ASK said may be tried again another way. */
void liar_forget_asks(liar *l);

typedef enum liar_deed {
    LIAR_ANSWERS,
    LIAR_WAITS,   /* it does not answer yet; the command is to be asked again */
    LIAR_HANGS_UP /* after what it wrote */
} liar_deed;

/* What node `self` says to a command. *asking: of the connection. A wish of 0 is honest. */
liar_deed liar_answer(liar *l, unsigned self, const kw_slice *argv, size_t argc, uint8_t wish,
                      bool *asking, buffer *reply);

/* The number at the end of the text; LIAR_COMMANDS: there is none. */
unsigned liar_number_of(kw_slice text);

#endif
