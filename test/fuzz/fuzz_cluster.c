/* The brain against peers that say anything at any time: connections come and go, servers answer
 * well or badly or not at all, time passes. Each input is a script of steps, three bytes each. Held
 * to this: every command completes exactly once and not after its deadline, and while one is open
 * something is due. */
#include "core/cluster.h"
#include "core/limits.h"
#include "core/reply.h"
#include "fuzz/fuzz.h"

enum {
    LINKS_TRACKED = 64,
    SUBMITS_MAX = 64,
    TIMEOUT_US = 1000 * 1000,
    TICK_US = 10 * 1000, /* how late a deadline may be noticed */
    STEPS_AFTER = 20000,
    OUTPUT_BYTES = 8192
};

typedef enum link_phase { CLOSED, OPENING, CONNECTED } link_phase;

typedef struct world {
    cluster *brain;
    uint64_t now_us;
    uint64_t last_submit_us;
    unsigned submitted;
    unsigned completed;
    struct {
        uint32_t index;
        link_phase phase;
        bool lost_count; /* bytes were taken in part: what a command is cannot be told any more */
    } links[LINKS_TRACKED];
    size_t link_count;
    uint64_t name_id; /* the last name asked for; 0: none */
} world;

typedef struct script {
    const uint8_t *data;
    size_t size;
} script;

static uint8_t next(script *s) {
    if (s->size == 0) {
        return 0;
    }
    s->size--;
    return *s->data++;
}

static const char *const replies[] = {
    "+OK\r\n",
    "$-1\r\n",
    ":1\r\n",
    "$5\r\nhello\r\n",
    "%1\r\n$5\r\nproto\r\n:3\r\n",
    "-ERR unknown command\r\n",
    "-NOAUTH Authentication required.\r\n",
    "-MOVED 3999 127.0.0.1:7001\r\n",
    "-MOVED 3999 127.0.0.1:7000\r\n",
    "-MOVED 12182 :7002\r\n",
    "-MOVED 12182 node.example:7002\r\n",
    "-MOVED 99999 127.0.0.1:7002\r\n",
    "-ASK 3999 127.0.0.1:7002\r\n",
    "-TRYAGAIN Multiple keys request during rehashing of slot\r\n",
    "-CLUSTERDOWN Hash slot not served\r\n",
    "-LOADING Redis is loading the dataset in memory\r\n",
    "-READONLY You can't write against a read only replica.\r\n",
    "$66\r\ncluster_state:ok\r\ncluster_size:3\r\ncluster_current_epoch:00000007\r\n\r\n",
    "*1\r\n*3\r\n:0\r\n:16383\r\n*4\r\n$9\r\n127.0.0.1\r\n:7000\r\n$2\r\nid\r\n*0\r\n",
    ("*2\r\n*3\r\n:0\r\n:8000\r\n*4\r\n$9\r\n127.0.0.1\r\n:7001\r\n$2\r\nia\r\n*0\r\n"
     "*3\r\n:8001\r\n:16000\r\n*4\r\n$1\r\nn\r\n:7002\r\n$2\r\nib\r\n*0\r\n"),
    "*0\r\n",
    ">2\r\n$10\r\ninvalidate\r\n*0\r\n",
};
enum { REPLIES = sizeof replies / sizeof replies[0] };

/* ------------------------------------------------------------------ around the brain */

static void track(world *w, uint32_t index, link_phase phase) {
    for (size_t i = 0; i < w->link_count; i++) {
        if (w->links[i].index == index) {
            w->links[i].phase = phase;
            w->links[i].lost_count = false;
            return;
        }
    }
    if (w->link_count < LINKS_TRACKED) { /* others are never answered: they time out */
        w->links[w->link_count].index = index;
        w->links[w->link_count].phase = phase;
        w->link_count++;
    }
}

static void fetch(world *w) {
    cluster_effect effect;
    cluster_completion done;
    while (cluster_next_effect(w->brain, &effect)) {
        if (effect.kind == EFFECT_OPEN) {
            track(w, effect.link, OPENING);
        } else if (effect.kind == EFFECT_CLOSE) {
            track(w, effect.link, CLOSED);
        } else if (effect.kind == EFFECT_RESOLVE) {
            w->name_id = effect.id;
        } else if (effect.kind == EFFECT_CANCEL && effect.id == w->name_id) {
            w->name_id = 0;
        }
    }
    while (cluster_next_completion(w->brain, &done)) {
        bool *answered = done.user;
        fuzz_check(!*answered);
        *answered = true;
        w->completed++;
        if (done.reply) {
            reply_free(done.reply);
        } else {
            fuzz_check(done.err.status != KW_OK);
            fuzz_check(memchr(done.err.message, '\0', sizeof done.err.message) != NULL);
        }
    }
    fuzz_check(cluster_pending(w->brain) == w->submitted - w->completed);
}

static void pass_time(world *w, uint64_t us) {
    w->now_us += us;
    cluster_tick(w->brain, w->now_us);
}

/* ---------------------------------------------------------------------------- steps */

static void submit(world *w, uint8_t choice, bool *answered) {
    static const char *const commands[][4] = {
        {"GET", "b"}, {"SET", "b", "1"},        {"GET", "foo"},      {"INCR", "foo"},
        {"PING"},     {"MGET", "{b}1", "{b}2"}, {"NEWCOMMAND", "b"}, {"BLPOP", "b", "0"},
        {"DBSIZE"},
    };
    kw_slice argv[4];
    size_t argc = 0;
    kw_error err;
    const char *const *words = commands[choice % (sizeof commands / sizeof commands[0])];
    while (argc < 4 && words[argc]) {
        argv[argc] = slice_text(words[argc]);
        argc++;
    }
    const cluster_submit_options options = {
        .slot = choice & 64 ? choice : -1, .idempotent = choice & 128, .user = answered};
    *answered = false;
    if (cluster_submit(w->brain, argv, argc, &options, w->now_us, &err) == KW_OK) {
        w->submitted++;
        w->last_submit_us = w->now_us;
    } else {
        fuzz_check(err.outcome == KW_NOT_SENT);
    }
}

static void receive(world *w, uint32_t index, const char *bytes, size_t len) {
    while (len > 0) {
        size_t room = 0;
        char *place = cluster_link_input(w->brain, index, &room);
        fuzz_check(place && room > 0);
        size_t part = len < room ? len : room;
        memcpy(place, bytes, part);
        cluster_link_received(w->brain, index, part, w->now_us);
        bytes += part;
        len -= part;
        fetch(w);
        for (size_t i = 0; i < w->link_count; i++) {
            if (w->links[i].index == index && w->links[i].phase != CONNECTED) {
                return; /* the brain closed it over these bytes */
            }
        }
    }
}

/* The bytes to write, copied into `dst`; their number. */
static size_t output_of(world *w, uint32_t index, char *dst, size_t size) {
    kw_slice slices[8];
    size_t len = 0;
    size_t count = cluster_link_output(w->brain, index, slices, 8);
    fuzz_check(count <= 8);
    for (size_t i = 0; i < count && slices[i].len <= size - len; i++) {
        fuzz_check(slices[i].len > 0);
        memcpy(dst + len, slices[i].data, slices[i].len);
        len += slices[i].len;
    }
    return len;
}

static void write_half(world *w, size_t at) {
    char bytes[OUTPUT_BYTES];
    size_t len = output_of(w, w->links[at].index, bytes, sizeof bytes) / 2;
    if (len > 0) {
        w->links[at].lost_count = true;
        cluster_link_written(w->brain, w->links[at].index, len, w->now_us);
    }
}

/* What a good server says to the brain's own questions; `wish` to a user's command. */
static const char *answer_to(const char *command, size_t len, uint8_t wish) {
    static const struct {
        const char *word;
        const char *reply;
    } usual[] = {
        {"HELLO", "%1\r\n$5\r\nproto\r\n:3\r\n"},
        {"CLIENT", "+OK\r\n"},
        {"PING", "+PONG\r\n"},
        {"ASKING", "+OK\r\n"},
        {"SLOTS",
         "*1\r\n*3\r\n:0\r\n:16383\r\n*4\r\n$9\r\n127.0.0.1\r\n:7000\r\n$2\r\nid\r\n*0\r\n"},
        {"INFO", "$26\r\ncluster_current_epoch:07\r\n\r\n"},
    };
    for (size_t i = 0; wish % 32 != 31 && i < sizeof usual / sizeof usual[0]; i++) {
        if (memmem(command, len, usual[i].word, strlen(usual[i].word))) {
            return usual[i].reply;
        }
    }
    return replies[wish % REPLIES];
}

/* The length of the whole command that `bytes` begin with; 0: there is none. */
static size_t command_len(const char *bytes, size_t len) {
    const char *next = len > 1 ? memmem(bytes + 1, len - 1, "\r\n*", 3) : NULL;
    return next ? (size_t)(next - bytes) + 2 : len;
}

/* Takes all that is to be written on a link, and answers each command. */
static void serve(world *w, size_t at, uint8_t wish) {
    uint32_t index = w->links[at].index;
    for (int round = 0; round < 4 && w->links[at].phase == CONNECTED; round++) {
        char bytes[OUTPUT_BYTES];
        size_t len = output_of(w, index, bytes, sizeof bytes);
        if (len == 0) {
            return;
        }
        cluster_link_written(w->brain, index, len, w->now_us);
        fetch(w);
        for (size_t done = 0; done < len && !w->links[at].lost_count; wish = (uint8_t)(wish + 7)) {
            size_t size = command_len(bytes + done, len - done);
            const char *reply = answer_to(bytes + done, size, wish);
            if (w->links[at].phase == CONNECTED) {
                receive(w, index, reply, strlen(reply));
            }
            done += size;
        }
    }
}

static void resolve(world *w, uint8_t choice) {
    const net_address address = {.family = NET_IPV4, .ip = {127, 0, 0, 1}};
    if (w->name_id != 0) {
        uint64_t id = w->name_id;
        w->name_id = 0;
        cluster_resolved(w->brain, id, &address, choice & 1, choice & 1 ? KW_OK : KW_ERR_RESOLVE,
                         "no such name", w->now_us);
    }
}

/* One step with a link: it connects, is lost, or bytes are written or come. */
static void link_step(world *w, script *s, uint8_t kind, size_t at, uint8_t wish) {
    uint32_t index = w->links[at].index;
    link_phase phase = w->links[at].phase;
    if (kind == 0 && phase != CLOSED) {
        w->links[at].phase = CLOSED;
        cluster_link_lost(w->brain, index, KW_ERR_CONNECTION, "connection reset", w->now_us);
    } else if (phase == OPENING) {
        w->links[at].phase = CONNECTED;
        cluster_link_connected(w->brain, index, w->now_us);
    } else if (kind == 1 && phase == CONNECTED) {
        write_half(w, at);
    } else if (kind == 2 && phase == CONNECTED) {
        receive(w, index, replies[wish % REPLIES], strlen(replies[wish % REPLIES]));
    } else if (kind == 3 && phase == CONNECTED) {
        size_t len = wish % 64 < s->size ? wish % 64 : s->size;
        receive(w, index, (const char *)s->data, len);
        s->data += len;
        s->size -= len;
    } else if (phase == CONNECTED) {
        serve(w, at, wish);
    }
}

static void step(world *w, script *s, bool *answered) {
    static const uint32_t waits_us[] = {1, 1000, 50 * 1000, 300 * 1000};
    uint8_t kind = next(s) % 16;
    uint8_t choice = next(s);
    uint8_t wish = next(s);
    if (kind < 3) {
        if (w->submitted < SUBMITS_MAX) {
            submit(w, choice, &answered[w->submitted]);
        }
    } else if (kind < 5) {
        pass_time(w, waits_us[choice % 4]);
    } else if (kind == 5) {
        resolve(w, choice);
    } else if (kind == 6) {
        cluster_forget_slots(w->brain, choice * 64, choice * 64 + 63, w->now_us);
    } else if (kind == 7) {
        cluster_refresh(w->brain, w->now_us);
    } else if (w->link_count > 0) {
        link_step(w, s, (uint8_t)(kind - 8), choice % w->link_count, wish);
    }
    fetch(w);
}

/* Nobody answers any more: what is open ends by its deadline. */
static void run_out(world *w) {
    for (int i = 0; w->submitted > w->completed; i++) {
        uint64_t due_us = cluster_deadline_us(w->brain);
        fuzz_check(i < STEPS_AFTER && due_us != UINT64_MAX);
        fuzz_check(w->now_us <= w->last_submit_us + TIMEOUT_US + TICK_US);
        pass_time(w, due_us > w->now_us ? due_us - w->now_us : 0);
        fetch(w);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const endpoint seeds[] = {{.host = "127.0.0.1", .port = 7000}, {.host = "n", .port = 7001}};
    bool answered[SUBMITS_MAX] = {false};
    world w = {.now_us = 1000 * 1000};
    script s = {data, size};
    cluster_config config;
    if (size > 4096) {
        return 0;
    }
    cluster_config_init(&config);
    config.seeds = seeds;
    config.seed_count = 2;
    config.timeout_us = TIMEOUT_US;
    config.resp = next(&s) & 1 ? 3 : 2;
    config.uncovered = next(&s) & 1 ? UNCOVERED_FAIL : UNCOVERED_WAIT;
    fuzz_check(cluster_new(&mem_default, &config, 1, w.now_us, &w.brain, NULL) == KW_OK);
    cluster_watch_events(w.brain, true);
    while (s.size > 0) {
        step(&w, &s, answered);
        while (cluster_next_event(w.brain)) {
        }
    }
    run_out(&w);
    cluster_shutdown(w.brain, KW_ERR_CLOSED, w.now_us);
    fetch(&w);
    cluster_free(w.brain);
    return 0;
}
