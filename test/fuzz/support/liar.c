#include "fuzz/support/liar.h"

#include "core/resp.h"
#include "core/slot.h"
#include "fuzz/fuzz.h"

#define PART_SLOTS (SLOT_COUNT / LIAR_PARTS)

static void say(buffer *b, const char *text) {
    fuzz_check(buffer_append_text(b, text));
}

static void say_error(buffer *b, const char *format, int slot, const char *host, unsigned node) {
    char text[128];
    snprintf(text, sizeof text, format, slot, host, LIAR_PORT + node);
    fuzz_check(resp_write_error(b, text));
}

void liar_init(liar *l) {
    memset(l, 0, sizeof *l);
    l->now.epoch = 7;
    for (unsigned part = 0; part < LIAR_PARTS; part++) {
        l->now.owner[part] = (uint8_t)(part % 3);
        l->now.asks[part] = LIAR_NOBODY;
        for (unsigned i = 0; l->keys[part][0] == '\0'; i++) {
            char key[16];
            snprintf(key, sizeof key, "%u", i);
            if (slot_of_key(slice_text(key)) / PART_SLOTS == (int)part) {
                memcpy(l->keys[part], key, sizeof key);
            }
        }
    }
    l->before = l->now;
}

void liar_move(liar *l, unsigned part, unsigned node, bool by_asking) {
    l->before = l->now;
    if (by_asking) {
        l->now.asks[part] = node == l->now.owner[part] ? LIAR_NOBODY : (uint8_t)node;
        return;
    }
    l->now.owner[part] = (uint8_t)node;
    l->now.asks[part] = LIAR_NOBODY;
    l->now.epoch++;
}

void liar_heal(liar *l) {
    for (unsigned part = 0; part < LIAR_PARTS; part++) {
        l->now.asks[part] = LIAR_NOBODY;
        l->now.owner[part] =
            l->now.owner[part] == LIAR_NOBODY ? (uint8_t)(part % 2) : l->now.owner[part];
    }
    l->now.epoch += 5000; /* above all that was made up */
    l->before = l->now;
}

unsigned liar_number_of(kw_slice text) {
    unsigned number = 0;
    size_t start = text.len;
    while (start > 0 && text.data[start - 1] >= '0' && text.data[start - 1] <= '9') {
        start--;
    }
    for (size_t i = start; i < text.len && number < LIAR_COMMANDS; i++) {
        number = number * 10 + (unsigned)(text.data[i] - '0');
    }
    return start < text.len && number < LIAR_COMMANDS ? number : LIAR_COMMANDS;
}

void liar_doubt(liar *l, unsigned part) {
    l->named[part] = UINT8_MAX;
}

static void name(liar *l, unsigned part, unsigned node) {
    l->named[part] = (uint8_t)(l->named[part] | 1u << node);
}

void liar_forget_asks(liar *l) {
    memset(l->asked, 0, sizeof l->asked);
}

/* ------------------------------------------------------------- questions of the client */

static void say_node(buffer *b, unsigned node, uint8_t wish) {
    char port[16];
    snprintf(port, sizeof port, ":%u\r\n", LIAR_PORT + node);
    say(b, "*4\r\n");
    say(b, wish == 3   ? "$1\r\n?\r\n"
           : wish == 4 ? "$1\r\nn\r\n"
           : wish == 6 ? "_\r\n"
                       : "$9\r\n127.0.0.1\r\n");
    say(b, port);
    say(b, "$2\r\ni");
    fuzz_check(buffer_append(b, &"0123"[node], 1));
    say(b, "\r\n*0\r\n");
}

static void say_range(buffer *b, unsigned first, unsigned last) {
    char range[64];
    snprintf(range, sizeof range, ":%u\r\n:%u\r\n", first * PART_SLOTS,
             (last + 1) * PART_SLOTS - 1);
    say(b, range);
}

/* A slot without an owner is looked for anywhere; and a replica may have taken over from any node
 * that is lost. */
static void name_owners(liar *l, unsigned first, unsigned last, unsigned owner, unsigned replica) {
    for (unsigned part = first; part <= last; part++) {
        name(l, part, owner);
    }
    for (unsigned part = 0; part < LIAR_PARTS && replica != LIAR_NOBODY; part++) {
        liar_doubt(l, part);
    }
}

static void say_slots(liar *l, uint8_t wish, buffer *b) {
    const liar_truth *truth = wish == 1 ? &l->before : &l->now;
    size_t count = 0;
    buffer rows;
    if (wish == 5) {
        say(b, "-ERR This instance has cluster support disabled\r\n");
        return;
    }
    buffer_init(&rows, &mem_default, 0);
    for (unsigned part = 0; part < LIAR_PARTS; part++) {
        unsigned owner = wish == 8 ? 0 : truth->owner[part];
        if (owner == LIAR_NOBODY || (wish == 2 && part == 2)) {
            liar_doubt(l, part);
            continue;
        }
        unsigned replica = wish == 9 || wish == 10 ? (owner + 1) % LIAR_NODES : LIAR_NOBODY;
        unsigned first = wish == 7 && part > 0 ? part - 1 : part;
        name_owners(l, first, part, owner, replica);
        say(&rows, replica == LIAR_NOBODY ? "*3\r\n" : "*4\r\n");
        say_range(&rows, first, part);
        say_node(&rows, owner, part == 1 ? wish : 0);
        if (replica != LIAR_NOBODY) {
            say_node(&rows, replica, 0);
        }
        count++;
    }
    fuzz_check(resp_write_array(b, count));
    fuzz_check(buffer_append_slice(b, buffer_slice(&rows)));
    buffer_done(&rows);
}

static void say_info(const liar *l, uint8_t wish, buffer *b) {
    char text[64];
    uint64_t epoch = wish == 1 ? l->before.epoch : wish == 2 ? l->now.epoch + 1000 : l->now.epoch;
    snprintf(text, sizeof text, "cluster_state:ok\r\n%s:%llu\r\n",
             wish == 3 ? "nothing" : "cluster_current_epoch", (unsigned long long)epoch);
    fuzz_check(resp_write_bulk_text(b, text));
}

static void say_command(const kw_slice *argv, size_t argc, uint8_t wish, buffer *b) {
    if (argc > 2 && slice_is_nocase(argv[1], "GETKEYS")) {
        fuzz_check(resp_write_array(b, argc > 3 && wish != 1));
        fuzz_check(argc <= 3 || wish == 1 || resp_write_bulk(b, argv[3]));
        return;
    }
    say(b, wish == 1   ? "*1\r\n*-1\r\n"
           : wish == 2 ? "-ERR unknown subcommand\r\n"
           : wish == 3
               ? "*1\r\n*6\r\n$6\r\nnewcmd\r\n:-2\r\n*1\r\n+movablekeys\r\n:0\r\n:0\r\n:0\r\n"
               : "*1\r\n*6\r\n$6\r\nnewcmd\r\n:-2\r\n*1\r\n+write\r\n:1\r\n:1\r\n:1\r\n");
}

static void say_hello(uint8_t wish, buffer *b) {
    say(b, wish == 1   ? "-NOPROTO unsupported protocol version\r\n"
           : wish == 2 ? "-ERR unknown command\r\n"
           : wish == 3 ? "-NOAUTH Authentication required.\r\n"
           : wish == 4 ? "*2\r\n$5\r\nproto\r\n:2\r\n"
                       : "%1\r\n$5\r\nproto\r\n:3\r\n");
}

/* False: it is a command of the test. */
static bool answer_question(liar *l, const kw_slice *argv, size_t argc, uint8_t wish, bool *asking,
                            buffer *b) {
    bool is_cluster = slice_is_nocase(argv[0], "CLUSTER") && argc > 1;
    if (slice_is_nocase(argv[0], "HELLO")) {
        say_hello(wish, b);
    } else if (is_cluster && slice_is_nocase(argv[1], "SLOTS")) {
        say_slots(l, wish, b);
    } else if (is_cluster && slice_is_nocase(argv[1], "INFO")) {
        say_info(l, wish, b);
    } else if (slice_is_nocase(argv[0], "COMMAND")) {
        say_command(argv, argc, wish, b);
    } else if (slice_is_nocase(argv[0], "ASKING")) {
        *asking = true;
        say(b, "+OK\r\n");
    } else if (slice_is_nocase(argv[0], "CLIENT") || slice_is_nocase(argv[0], "AUTH") ||
               slice_is_nocase(argv[0], "READONLY") || slice_is_nocase(argv[0], "PING")) {
        say(b, wish == 1 ? "-ERR no\r\n" : "+OK\r\n");
    } else {
        return false;
    }
    return true;
}

/* ------------------------------------------------------------------ the test's commands */

static void execute(liar *l, const kw_slice *argv, unsigned number, buffer *b) {
    char text[16];
    bool list = slice_is_nocase(argv[0], "MGET") || slice_is_nocase(argv[0], "BLPOP");
    fuzz_check(l->spoiled || !l->writes[number] || l->executed[number] == 0);
    l->executed[number] = 1;
    snprintf(text, sizeof text, "v%u", number);
    if (list) {
        fuzz_check(resp_write_array(b, 2) && resp_write_bulk_text(b, text));
    }
    fuzz_check(resp_write_bulk_text(b, text));
}

/* Refusals that a wish asks for; false: no such wish. */
static bool refuse(liar *l, unsigned self, int slot, unsigned number, uint8_t wish, buffer *b) {
    char text[64];
    unsigned part = (unsigned)slot / PART_SLOTS;
    static const char *const refusals[] = {
        "TRYAGAIN Multiple keys request during rehashing of slot",
        "CLUSTERDOWN Hash slot not served",
        "CLUSTERDOWN The cluster is down",
        "LOADING Redis is loading the dataset in memory",
        "READONLY You can't write against a read only replica.",
        "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
    };
    if (wish >= 1 && wish <= 4) {
        name(l, part, wish - 1u);
        say_error(b, "MOVED %d %s:%u", slot, "127.0.0.1", wish - 1u);
    } else if (wish >= 5 && wish <= 8) {
        say_error(b, "ASK %d %s:%u", slot, "127.0.0.1", wish - 5u);
    } else if (wish >= 9 && wish <= 14) {
        fuzz_check(resp_write_error(b, refusals[wish - 9]));
    } else if (wish == 15 || wish == 16) {
        name(l, part, self == 0);
        say_error(b, "MOVED %d %s:%u", slot, wish == 15 ? "" : "n", self == 0);
    } else if (wish == 17) {
        say_error(b, "MOVED %d %s:%u", slot, "?", 0);
    } else if (wish == 18) {
        snprintf(text, sizeof text, "ERR no, %u", number);
        fuzz_check(resp_write_error(b, text));
    } else {
        return false;
    }
    return true;
}

/* As an honest node does. */
static void serve(liar *l, unsigned self, const kw_slice *argv, unsigned number, int slot,
                  bool asking, buffer *b) {
    if (slot == SLOT_NONE) {
        execute(l, argv, number, b);
        return;
    }
    unsigned part = (unsigned)slot / PART_SLOTS;
    unsigned owner = l->now.owner[part];
    if (asking && l->now.asks[part] == self) {
        execute(l, argv, number, b);
    } else if (owner == LIAR_NOBODY) {
        say(b, "-CLUSTERDOWN Hash slot not served\r\n");
    } else if (owner != self) {
        l->redirects++;
        name(l, part, owner);
        say_error(b, "MOVED %d %s:%u", slot, "127.0.0.1", owner);
    } else if (l->now.asks[part] != LIAR_NOBODY && number % 2 == 1) {
        l->redirects++;
        l->asked[number] = (uint8_t)(l->now.asks[part] + 1);
        say_error(b, "ASK %d %s:%u", slot, "127.0.0.1", l->now.asks[part]);
    } else {
        name(l, part, self);
        execute(l, argv, number, b);
    }
}

/* ASK was followed by ASKING, unless what else was said led there: it may have had to wait, and go
 * by the map then. */
static void check_asking(const liar *l, unsigned self, unsigned number, int slot, bool asked) {
    bool named = slot == SLOT_NONE || l->named[(unsigned)slot / PART_SLOTS] >> self & 1;
    fuzz_check(l->spoiled || l->asked[number] != self + 1 || asked || named);
}

liar_deed liar_answer(liar *l, unsigned self, const kw_slice *argv, size_t argc, uint8_t wish,
                      bool *asking, buffer *b) {
    bool asked = *asking;
    wish %= 32;
    if (wish == 19) {
        return LIAR_WAITS;
    }
    if (wish == 20) {
        return LIAR_HANGS_UP;
    }
    if (wish == 21) {
        say(b, ">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nx\r\n");
    }
    if (answer_question(l, argv, argc, wish, asking, b)) {
        return LIAR_ANSWERS;
    }
    *asking = false;
    unsigned number = argc > 1 ? liar_number_of(argv[1]) : LIAR_COMMANDS;
    fuzz_check(number < LIAR_COMMANDS); /* nobody else sends commands */
    bool keyless = slice_is_nocase(argv[0], "ECHO");
    int slot = keyless ? SLOT_NONE : slot_of_key(argv[1]);
    check_asking(l, self, number, slot, asked);
    l->asked[number] = 0;
    if (refuse(l, self, keyless ? 0 : slot, number, wish, b)) {
        return LIAR_ANSWERS;
    }
    if (wish == 22) {
        say(b, "|1\r\n+ttl\r\n:1\r\n");
    }
    serve(l, self, argv, number, slot, asked, b);
    if (wish == 24) { /* it was executed, and nobody will hear of it */
        buffer_clear(b, SIZE_MAX);
    }
    return wish == 23 || wish == 24 ? LIAR_HANGS_UP : LIAR_ANSWERS;
}
