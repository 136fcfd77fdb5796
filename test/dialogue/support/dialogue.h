/* A scripted cluster for the brain: what its nodes are asked, and what they answer, in a few lines
 * each, on a virtual clock and without sockets.
 *
 * Nodes are numbers: node n listens at 127.0.0.1:700n, and has the id `idn`. The handshake, PING,
 * CLUSTER SLOTS and CLUSTER INFO are answered at once from a small model of the cluster; all other
 * commands wait to be expected and replied to. Each dialogue is run in several modes of giving and
 * taking bytes, and ends with a shutdown that must leave nothing open and nothing allocated. */
#ifndef TEST_DIALOGUE_SUPPORT_DIALOGUE_H
#define TEST_DIALOGUE_SUPPORT_DIALOGUE_H

#include "core/cluster.h"
#include "core/watch.h"
#include "unit/support/failing_mem.h"
#include "unit/support/unit.h"

#define DIALOGUE_NODES 24
#define DIALOGUE_LINKS 256
#define DIALOGUE_NAMES 8
#define DIALOGUE_SEEDS 8

/* The usual view: 3 primaries, `b` lives on node 1, `k` and `c` on node 2, `foo` on node 3. */
#define THREE_NODES "0-5460 1, 5461-10922 2, 10923-16383 3"
#define THREE_NODES_WITH_REPLICAS "0-5460 1 4, 5461-10922 2 5, 10923-16383 3 6"

typedef enum dialogue_mode {
    WHOLE,    /* bytes come and go in one piece */
    BYTEWISE, /* replies come byte by byte */
    PIECES    /* both in small pieces */
} dialogue_mode;

typedef struct dialogue_node {
    char address[64];      /* where it listens: "127.0.0.1:7001" */
    const char *announced; /* in views; NULL: its address */
    char id[16];
    bool refuses;        /* connections: "connection refused" */
    bool unreachable;    /* opening a connection takes for ever */
    bool frozen;         /* takes bytes, answers nothing */
    bool mute;           /* does not say what its view is */
    bool manual;         /* the handshake and questions about the cluster, too, wait for expect() */
    const char *hello;   /* what HELLO is answered; NULL: as a server of today */
    const char *view;    /* its own; NULL: everybody's */
    uint64_t epoch;      /* of its own view */
    uint64_t write_room; /* bytes that its socket takes until it is full */
    unsigned opens;      /* connections asked for */
    unsigned asks;       /* how often its view was asked for */
    uint64_t asked_us;   /* ... and when last */
} dialogue_node;

typedef struct heard heard;

typedef struct conversation {
    int node; /* 0: not open */
    bool connected;
    bool writing; /* the brain said that there are bytes */
    char *bytes;  /* not yet a whole command */
    size_t byte_count;
    heard *first; /* commands in order */
} conversation;

typedef struct dialogue_call {
    bool done;
    bool checked;
    char *text;  /* the reply */
    char *words; /* the caller's own, spoilt when they may be: at once, or, lent, when it is done */
    size_t words_len;
    kw_error err;
} dialogue_call;

typedef struct dialogue {
    struct dialogue *before; /* one that failed */
    dialogue_mode mode;
    failing_mem mem;
    cluster_config config;
    endpoint seeds[DIALOGUE_SEEDS];
    uint64_t seed;
    cluster *c;
    uint64_t now_us;
    dialogue_node nodes[DIALOGUE_NODES + 1]; /* from 1 */
    const char *view;
    uint64_t epoch;
    struct {
        const char *name;
        const char *addresses; /* separated by spaces; "": there are none; NULL: no answer */
        unsigned asked;
    } names[DIALOGUE_NAMES];
    conversation links[DIALOGUE_LINKS];
    dialogue_call *calls;
    size_t call_count;
    unsigned events[KW_EVENT_TYPE_COUNT];
    char last_event[256];
    bool lenient; /* completions need not be looked at */
    int stranger; /* node that stands for those who are nobody else; 0: there are none */
    const char *(*answer)(int node, const char *text); /* NULL: user commands wait for expect() */
} dialogue;

/* ------------------------------------------------------------------ the client */

/* Settings may be changed before either of these. With its map loaded: */
void start(dialogue *d);
/* Without: */
void start_cold(dialogue *d);

/* Submits a command given as words; returns its number. */
int call(dialogue *d, const char *text);
int call_with(dialogue *d, const cluster_submit_options *options, const char *text);
/* ... which the node hears and answers. */
int answered_call(dialogue *d, int node, const char *text, const char *answer);
/* It is refused at once. */
void refused(dialogue *d, const char *text, kw_status status, const char *message);

/* The call has ended with this reply: a string, +status, :number, -error, (nil), [array] */
void ok(dialogue *d, int call, const char *reply);
/* ... or without; the message contains the text. */
void failed(dialogue *d, int call, kw_status status, kw_outcome outcome, const char *message);
/* It has not ended. */
void is_open(dialogue *d, int call);

uint64_t count_of(dialogue *d, kw_counter counter);
uint64_t node_count_of(dialogue *d, int node, kw_counter counter);
/* The state that the map shows for a node; "" if it is not in the map. */
const char *state_of(dialogue *d, int node);
/* The node that owns the slot in the client's map; 0: nobody. */
int owner_of(dialogue *d, int slot);
bool is_suspect(dialogue *d, int slot);

/* ----------------------------------------------------------------- the cluster */

/* "0-100 1 4, 101-200 2": slots, primary and replicas; what all nodes say from now on. */
void view(dialogue *d, const char *text, uint64_t epoch);
/* What this one says. */
void node_view(dialogue *d, int node, const char *text, uint64_t epoch);
void name(dialogue *d, const char *host, const char *addresses);
/* "host:port,host:port" */
void seeds(dialogue *d, const char *text);

/* The next command that came to the node and was not yet expected is this one. */
void expect(dialogue *d, int node, const char *text);
/* ... whatever it is; returns its text. */
const char *hear_next(dialogue *d, int node);
/* ... at whichever node; returns it. */
int expect_somewhere(dialogue *d, const char *text);
/* Such a command is there. */
bool hears(dialogue *d, int node);
/* Nobody has heard a command that was not expected. */
void expect_nothing(dialogue *d);
/* Answers the oldest command that was expected and not answered: +, - and : as they are, what
 * begins with * or % as the bytes that it is, else a bulk string; "(nil)" is null; "(view)" and
 * "(info)" what the model says. */
void reply(dialogue *d, int node, const char *text);
/* ... just this one of them. */
void reply_to(dialogue *d, int node, const char *text, const char *answer);
/* It has a command that was expected and not answered. */
bool owes(dialogue *d, int node);
void reply_if_owed(dialogue *d, int node, const char *text);
/* ... with these bytes. */
void reply_bytes(dialogue *d, int node, const char *bytes, size_t len);
/* Bytes that nobody asked for. */
void blurt(dialogue *d, int node, const char *bytes);
/* All its connections break. */
void hang_up(dialogue *d, int node);
/* Just the connection over which the expected command came. */
void hang_up_on(dialogue *d, int node, const char *text);
/* The number of that connection. */
int link_with(const dialogue *d, int node, const char *text);
/* Connections to it that are open. */
unsigned links_to(const dialogue *d, int node);
/* Lets everything happen that needs no time. */
void settle(dialogue *d);
/* Time passes. */
void advance_ms(dialogue *d, uint64_t ms);
/* ... until the next such event; the milliseconds that it took. Fails after ms_max. */
unsigned ms_until(dialogue *d, kw_event_type type, unsigned ms_max);
/* How often any node was asked for its view. */
unsigned all_asks(const dialogue *d);
/* Opens a connection to each of the three usual nodes. */
void meet_all(dialogue *d);

/* --------------------------------------------------------------------- running */

typedef void dialogue_fn(dialogue *d);
typedef struct dialogue_case {
    dialogue_fn *run;
    dialogue_mode mode;
} dialogue_case;

void dialogue_run(void **state);

#define DIALOGUE_IN(f, m)                                                                          \
    {                                                                                              \
#f "/" #m, dialogue_run, NULL, NULL, &(dialogue_case) {                                    \
            f, m                                                                                   \
        }                                                                                          \
    }
#define DIALOGUE(f) DIALOGUE_IN(f, WHOLE), DIALOGUE_IN(f, BYTEWISE), DIALOGUE_IN(f, PIECES)

/* For tests that make their own. */
void dialogue_init(dialogue *d, dialogue_mode mode);
void dialogue_done(dialogue *d);

#endif
