#include "tool/traffic.h"

#include "base/mem.h"
#include "base/slice.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { KEY_BYTES = 32, VALUE_BYTES = 64, BURST_MS = 50, HOT_PERCENT = 4 };

typedef enum kind { KIND_GET, KIND_SET, KIND_MGET, KIND_EXISTS } kind;

struct traffic_request {
    traffic *traffic;
    traffic_request *next; /* in the list of the unused */
    uint64_t submitted_us;
    uint32_t key;
    uint32_t version;  /* of a SET */
    uint32_t least[2]; /* what a read must at least answer: the key's version, MGET: both keys' */
    kind kind;
    bool timed; /* counts for the response times */
};

uint64_t clock_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* ------------------------------------------------------------ keys, values */

static size_t key_name(const traffic *t, uint32_t key, char *ret) {
    return (size_t)snprintf(ret, KEY_BYTES, "{item:%u}:%c", t->tags[key / 2], key % 2 ? 'b' : 'a');
}

static size_t value_text(const traffic *t, uint32_t key, uint32_t version, char *ret) {
    size_t len = key_name(t, key, ret);
    return len + (size_t)snprintf(ret + len, VALUE_BYTES - len, "#%u", version);
}

/* A tag for each slot: the least number whose tag falls there. */
static void find_tags(traffic *t) {
    int missing = KW_SLOT_COUNT;
    for (uint32_t number = 1; missing > 0; number++) {
        char tag[KEY_BYTES];
        int len = snprintf(tag, sizeof tag, "item:%u", number);
        int slot = kw_key_slot(tag, (size_t)len);
        if (t->tags[slot] == 0) {
            t->tags[slot] = number;
            missing--;
        }
    }
}

/* ----------------------------------------------------------------- replies */

static void count_lost(traffic *t, uint32_t key) {
    if (!t->keys[key].lost) {
        t->keys[key].lost = true;
        t->lost++;
    }
}

/* Is this value the key's own, not older than `least` and not newer than what was ever sent? */
static void check_value(traffic *t, uint32_t key, uint32_t least, const kw_reply *value) {
    char name[KEY_BYTES];
    size_t name_len = key_name(t, key, name);
    size_t len = 0;
    const char *data = kw_reply_string(value, &len);
    uint64_t version = 0;
    bool own = data && len > name_len && memcmp(data, name, name_len) == 0 &&
               slice_to_u64(slice_of(data + name_len + 1, len - name_len - 1), &version);
    if (!own || version < least || version > t->keys[key].sent) {
        count_lost(t, key);
    }
}

static void check_reply(traffic *t, const traffic_request *r, const kw_reply *reply) {
    switch (r->kind) {
    case KIND_GET:
        check_value(t, r->key, r->least[0], reply);
        break;
    case KIND_MGET:
        for (uint32_t side = 0; side < 2; side++) {
            const kw_reply *value = kw_reply_at(reply, side);
            if (value) {
                check_value(t, r->key / 2 * 2 + side, r->least[side], value);
            } else {
                count_lost(t, r->key);
            }
        }
        break;
    case KIND_EXISTS:
        if (kw_reply_integer(reply) != 1) {
            count_lost(t, r->key);
        }
        break;
    case KIND_SET:
        t->keys[r->key].acked = r->version;
        break;
    }
}

static void note_failure(traffic *t, const char *what, const char *text) {
    t->failed++;
    if (!t->first_failure[0]) {
        snprintf(t->first_failure, sizeof t->first_failure, "%s: %s", what, text);
    }
}

static void on_reply(kw_client *client, kw_reply *reply, const kw_error *err, void *arg) {
    (void)client;
    traffic_request *r = arg;
    traffic *t = r->traffic;
    uint64_t took_us = clock_us() - r->submitted_us;
    if (r->kind == KIND_SET) {
        t->keys[r->key].writing = false;
    }
    if (!reply) {
        char what[64];
        snprintf(what, sizeof what, "%s (%s)", kw_status_name(err->status),
                 kw_outcome_name(err->outcome));
        note_failure(t, what, err->message);
    } else if (kw_reply_is_error(reply)) {
        note_failure(t, "the server answered", kw_reply_string(reply, NULL));
    } else {
        check_reply(t, r, reply);
    }
    if (r->timed) {
        histogram_add(&t->latency, took_us);
    }
    t->tick_count++;
    t->tick_slowest_us = took_us > t->tick_slowest_us ? took_us : t->tick_slowest_us;
    t->open--;
    t->read_back += r->kind == KIND_GET && !r->timed && reply;
    r->next = t->unused;
    t->unused = r;
}

/* -------------------------------------------------------------- submitting */

/* False: the client takes no more now; or, having noted it, the command failed at once. */
static bool submit(traffic *t, kind k, uint32_t key) {
    char name[2][KEY_BYTES];
    char value[VALUE_BYTES];
    traffic_request *r = t->unused;
    traffic_key *state = &t->keys[key];
    traffic_key *pair = &t->keys[key / 2 * 2];
    kw_slice argv[3] = {SLICE_LITERAL("GET"), slice_of(name[0], key_name(t, key, name[0]))};
    size_t argc = 2;
    *r = (traffic_request){.traffic = t, .next = r->next, .key = key, .kind = k};
    r->least[0] = state->acked;
    if (k == KIND_SET) {
        r->version = state->sent + 1;
        argv[0] = SLICE_LITERAL("SET");
        argv[argc++] = slice_of(value, value_text(t, key, r->version, value));
    } else if (k == KIND_MGET) {
        argv[0] = SLICE_LITERAL("MGET");
        argv[1].len = key_name(t, key / 2 * 2, name[0]);
        argv[argc++] = slice_of(name[1], key_name(t, key / 2 * 2 + 1, name[1]));
        r->least[0] = pair[0].acked;
        r->least[1] = pair[1].acked;
    } else if (k == KIND_EXISTS) {
        argv[0] = SLICE_LITERAL("EXISTS");
    }
    r->submitted_us = clock_us();
    r->timed = t->mode == TRAFFIC_MIXED;
    kw_error err = {0};
    kw_status status =
        kw_submit(t->client, argv, argc, k == KIND_SET ? t->options : NULL, on_reply, r, &err);
    if (status == KW_ERR_LIMIT) {
        return false;
    }
    t->commands++;
    if (status != KW_OK) {
        note_failure(t, kw_status_name(status), err.message);
        return false;
    }
    t->unused = r->next;
    t->open++;
    if (k == KIND_SET) {
        state->sent = r->version;
        state->writing = true;
    }
    return true;
}

static void step_in_turn(traffic *t) {
    kind k = t->mode == TRAFFIC_FILL ? KIND_SET : KIND_GET;
    while (t->cursor < TRAFFIC_KEYS && t->open < TRAFFIC_BULK_OPEN && submit(t, k, t->cursor)) {
        t->cursor++;
    }
    if (t->cursor == TRAFFIC_KEYS) {
        t->mode = TRAFFIC_STOPPED;
    }
}

/* Of 20 commands 11 GET, 6 SET, 2 MGET, 1 EXISTS. */
static bool submit_mixed(traffic *t) {
    uint32_t key = (uint32_t)prng_below(&t->random, TRAFFIC_KEYS);
    if (t->hot_slot >= 0 && prng_below(&t->random, 100) < HOT_PERCENT) {
        key = (uint32_t)t->hot_slot * 2 + key % 2;
    }
    uint64_t dice = prng_below(&t->random, 20);
    kind k = dice < 11 ? KIND_GET : dice < 17 ? KIND_SET : dice < 19 ? KIND_MGET : KIND_EXISTS;
    if (k == KIND_SET && t->keys[key].writing) {
        k = KIND_GET; /* one write of a key at a time */
    }
    return submit(t, k, key);
}

static void step_mixed(traffic *t, uint64_t now_us) {
    double most = (double)t->rate * BURST_MS / 1000;
    t->due += (double)(now_us - t->stepped_us) * t->rate / 1e6;
    t->due = t->due > most ? most : t->due; /* after a stall it does not catch up */
    while (t->due >= 1 && t->open < TRAFFIC_OPEN_MAX && submit_mixed(t)) {
        t->due -= 1;
    }
}

void traffic_step(traffic *t, uint64_t now_us) {
    if (t->mode == TRAFFIC_MIXED) {
        step_mixed(t, now_us);
    } else if (t->mode != TRAFFIC_STOPPED) {
        step_in_turn(t);
    }
    t->stepped_us = now_us;
}

void traffic_start(traffic *t, traffic_mode mode) {
    t->mode = mode;
    t->cursor = 0;
    t->due = 0;
    t->read_back = 0;
    t->stepped_us = clock_us();
}

void traffic_tick(traffic *t, uint64_t *ret_count, uint64_t *ret_slowest_us) {
    *ret_count = t->tick_count;
    *ret_slowest_us = t->tick_slowest_us;
    t->tick_count = 0;
    t->tick_slowest_us = 0;
}

/* ------------------------------------------------------------ beginning, end */

void traffic_init(traffic *t, kw_client *client, uint32_t rate, uint64_t seed) {
    memset(t, 0, sizeof *t);
    t->client = client;
    t->rate = rate;
    t->hot_slot = -1;
    t->keys = mem_calloc(&mem_default, TRAFFIC_KEYS, sizeof *t->keys);
    t->requests = mem_calloc(&mem_default, TRAFFIC_OPEN_MAX, sizeof *t->requests);
    if (!t->keys || !t->requests || kw_call_options_new(&t->options) != KW_OK) {
        give_up("out of memory");
    }
    kw_call_options_set_idempotent(t->options, true);
    prng_init(&t->random, seed);
    histogram_init(&t->latency);
    for (size_t i = 0; i < TRAFFIC_OPEN_MAX; i++) {
        t->requests[i].next = t->unused;
        t->unused = &t->requests[i];
    }
    find_tags(t);
}

void traffic_done(traffic *t) {
    kw_call_options_free(t->options);
    mem_free(&mem_default, t->keys);
    mem_free(&mem_default, t->requests);
}
