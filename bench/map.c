/* The slot of a key, and what it takes to apply a CLUSTER SLOTS reply: the brain is fed with it as
 * a connection would. */
#include "base/buffer.h"
#include "core/cluster.h"
#include "core/slot.h"
#include "speed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_BYTES_MAX = 1024, HASHED_BYTES = 64 * 1024 * 1024 };

void speed_slot(int argc, char **argv) {
    static const size_t lens[] = {16, 64, KEY_BYTES_MAX};
    static char key[KEY_BYTES_MAX];
    int sum = 0;
    (void)argc;
    (void)argv;
    memset(key, 'k', sizeof key);
    for (size_t i = 0; i < sizeof lens / sizeof *lens; i++) {
        size_t rounds = HASHED_BYTES / lens[i];
        uint64_t begin = speed_cpu_ns();
        for (size_t n = 0; n < rounds; n++) {
            key[n % lens[i]]++;
            sum += slot_of_key((kw_slice){key, lens[i]});
        }
        printf("key_%zu_ns_a_byte %.3f\n", lens[i],
               (double)(speed_cpu_ns() - begin) / (double)(rounds * lens[i]));
    }
    if (sum == 0) {
        speed_die("no slot but 0");
    }
}

/* --------------------------------------------------------- CLUSTER SLOTS */

static void append(buffer *b, const char *text) {
    if (!buffer_append_text(b, text)) {
        speed_die("out of memory");
    }
}

/* So many primaries, each with a replica, share the slots evenly in so many rows. */
static void make_slots(buffer *b, unsigned primaries, unsigned rows) {
    char text[512];
    (void)snprintf(text, sizeof text, "*%u\r\n", rows);
    append(b, text);
    for (unsigned i = 0; i < rows; i++) {
        unsigned first = i * SLOT_COUNT / rows;
        unsigned last = (i + 1) * SLOT_COUNT / rows - 1;
        (void)snprintf(text, sizeof text, "*4\r\n:%u\r\n:%u\r\n", first, last);
        append(b, text);
        for (unsigned role = 0; role < 2; role++) {
            unsigned id = i % primaries * 2 + role;
            (void)snprintf(text, sizeof text,
                           "*4\r\n$9\r\n127.0.0.1\r\n:%u\r\n$40\r\n%040x\r\n*0\r\n", 10000 + id,
                           id);
            append(b, text);
        }
    }
}

static void feed(cluster *c, const char *data, size_t len) {
    while (len > 0) {
        size_t room = 0;
        char *at = cluster_link_input(c, 0, &room);
        if (!at) {
            speed_die("the connection was closed");
        }
        size_t piece = len < room ? len : room;
        memcpy(at, data, piece);
        cluster_link_received(c, 0, piece, 2000);
        data += piece;
        len -= piece;
    }
}

static void write_all(cluster *c) {
    kw_slice slices[16];
    size_t count;
    while ((count = cluster_link_output(c, 0, slices, 16)) > 0) {
        for (size_t i = 0; i < count; i++) {
            cluster_link_written(c, 0, slices[i].len, 2000);
        }
    }
}

static void take_effects(cluster *c) {
    cluster_effect effect;
    while (cluster_next_effect(c, &effect)) {
        if (effect.kind == EFFECT_OPEN && effect.link == 0) {
            cluster_link_connected(c, 0, 2000);
        } else if (effect.kind == EFFECT_WRITE && effect.link == 0) {
            write_all(c);
        }
    }
}

static double apply(unsigned primaries, unsigned rows) {
    static const char info[] = "$25\r\ncluster_current_epoch:3\r\n\r\n";
    cluster_config config;
    cluster *c = NULL;
    kw_error err;
    buffer slots;
    endpoint seed = {.port = 10000};
    (void)snprintf(seed.host, sizeof seed.host, "127.0.0.1");
    cluster_config_init(&config);
    config.seeds = &seed;
    config.seed_count = 1;
    config.timeout_us = 60000000;
    buffer_init(&slots, &mem_default, 0);
    make_slots(&slots, primaries, rows);
    speed_check(cluster_new(&mem_default, &config, 1, 1000, &c, &err), &err);
    (void)cluster_refresh(c, 1500);
    cluster_tick(c, 2000);
    take_effects(c);
    feed(c, "%0\r\n", 4); /* HELLO's */
    take_effects(c);
    feed(c, "+PONG\r\n", 7);
    uint64_t begin = speed_cpu_ns();
    feed(c, slots.data, buffer_len(&slots));
    feed(c, info, sizeof info - 1);
    double ms = (double)(speed_cpu_ns() - begin) / 1e6;
    if (cluster_refresh_accepted_count(c) != 1) {
        speed_die("the view was not accepted");
    }
    cluster_free(c);
    buffer_done(&slots);
    return ms;
}

void speed_map(int argc, char **argv) {
    (void)argc;
    (void)argv;
    printf("nodes_1000_ms %.3f\n", apply(500, 500));
    printf("rows_16384_ms %.3f\n", apply(500, SLOT_COUNT));
}
