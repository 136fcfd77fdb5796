#include "unit/support/node_driver.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/resp.h"
#include "unit/support/words.h"

#include <stdlib.h>
#include <string.h>

enum { ARGUMENTS_MAX = 64 };

/* The clock of the lab, which may stand still. */
static uint64_t now_of(node_driver *d) {
    return node_clock_read(&fleet_lab(d->fleet)->clock, d->now_us);
}

/* LAB KILL and the like: the driver's sessions are the connections. */
static kw_status act(void *arg, const fleet_act *a, uint64_t now_us) {
    node_driver *d = arg;
    if (fleet_node(d->fleet, a->node) &&
        (a->kind == ACT_KILL || a->kind == ACT_STOP || a->kind == ACT_RESTART)) {
        driver_hang_up(d, a->node);
    }
    return fleet_act_alone(d->fleet, a, now_us);
}

static void start(node_driver *d, uint16_t primaries, uint16_t replicas, const char *user,
                  const char *password) {
    uint16_t ports[64];
    uint16_t count = (uint16_t)(primaries * (1 + replicas));
    for (uint16_t i = 0; i < count; i++) {
        ports[i] = (uint16_t)(7000 + i);
    }
    const fleet_config config = {
        .mem = &mem_default,
        .seed = 42,
        .primary_count = primaries,
        .replica_count = replicas,
        .host = "10.0.0.1",
        .ports = ports,
        .failover_ms = 500,
        .full_coverage_required = true,
        .user = user,
        .password = password,
        .log_capacity = 64,
        .control = true,
    };
    memset(d, 0, sizeof *d);
    d->now_us = DRIVER_START_US;
    buffer_init(&d->in, &mem_default, 0);
    assert_int_equal(fleet_new(&config, d->now_us, &d->fleet), KW_OK);
    const fleet_owner owner = {d, act};
    fleet_set_owner(d->fleet, &owner);
}

void driver_start(node_driver *d, uint16_t primaries, uint16_t replicas) {
    start(d, primaries, replicas, NULL, NULL);
}

void driver_start_locked(node_driver *d, const char *user, const char *password) {
    start(d, 1, 0, user, password);
}

void driver_stop(node_driver *d) {
    for (uint16_t i = 0; i < fleet_count(d->fleet); i++) {
        driver_hang_up(d, i);
    }
    fleet_free(d->fleet);
    buffer_done(&d->in);
}

void driver_hang_up(node_driver *d, uint16_t index) {
    if (d->sessions[index]) {
        node_session_free(fleet_node(d->fleet, index), d->sessions[index]);
        d->sessions[index] = NULL;
    }
}

const char *driver_ask_on(node_driver *d, uint16_t index, node_session *s, const char *line) {
    kw_slice argv[ARGUMENTS_MAX];
    char bytes[16384];
    assert_true(strlen(line) < sizeof bytes);
    size_t argc = words_read(line, argv, ARGUMENTS_MAX, bytes);
    size_t size = (size_t)resp_command_size(argv, argc);
    char *to = buffer_reserve(&d->in, size);
    assert_non_null(to);
    resp_command_encode(to, argv, argc);
    buffer_commit(&d->in, size);
    node_receive(fleet_node(d->fleet, index), s, &d->in, now_of(d), SIZE_MAX);
    assert_int_equal(buffer_len(&d->in), 0);
    slice_copy(d->text, sizeof d->text, buffer_slice(&s->out));
    buffer_clear(&s->out, SIZE_MAX);
    fleet_run_deferred(d->fleet, now_of(d));
    return d->text;
}

const char *driver_ask(node_driver *d, uint16_t index, const char *line) {
    if (!d->sessions[index]) {
        d->sessions[index] =
            node_session_new(fleet_node(d->fleet, index), "10.0.0.9:1234", d->now_us);
        assert_non_null(d->sessions[index]);
    }
    return driver_ask_on(d, index, d->sessions[index], line);
}

void driver_expect(node_driver *d, uint16_t index, const char *line, const char *reply) {
    const char *got = driver_ask(d, index, line);
    if (strcmp(got, reply) != 0) {
        fail_msg("%s\n  answered: %s\n  expected: %s", line, got, reply);
    }
}

node_session *driver_open(node_driver *d, uint16_t index) {
    node_session *s = node_session_new(fleet_node(d->fleet, index), "10.0.0.9:4321", d->now_us);
    assert_non_null(s);
    return s;
}

void driver_close(node_driver *d, uint16_t index, node_session *s) {
    node_session_free(fleet_node(d->fleet, index), s);
}

void driver_expect_on(node_driver *d, uint16_t index, node_session *s, const char *line,
                      const char *reply) {
    const char *got = driver_ask_on(d, index, s, line);
    if (strcmp(got, reply) != 0) {
        fail_msg("%s\n  answered: %s\n  expected: %s", line, got, reply);
    }
}

void driver_expect_pushed(node_driver *d, uint16_t index, node_session *s, const char *bytes) {
    node_receive(fleet_node(d->fleet, index), s, &d->in, now_of(d), SIZE_MAX);
    slice_copy(d->text, sizeof d->text, buffer_slice(&s->out));
    buffer_clear(&s->out, SIZE_MAX);
    if (strcmp(d->text, bytes) != 0) {
        fail_msg("was sent: %s\n  expected: %s", d->text, bytes);
    }
}

void driver_expect_rows(node_driver *d, uint16_t index, const driver_row *rows, size_t count) {
    for (size_t i = 0; i < count; i++) {
        driver_expect(d, index, rows[i].line, rows[i].reply);
    }
}

void driver_wait_ms(node_driver *d, uint64_t ms) {
    const node_clock *clock = &fleet_lab(d->fleet)->clock;
    uint64_t until_us = d->now_us + ms * 1000;
    while (d->now_us < until_us) {
        (void)now_of(d);
        uint64_t wait_us = node_clock_until(clock, fleet_deadline_us(d->fleet));
        d->now_us = wait_us < until_us - d->now_us ? d->now_us + wait_us : until_us;
        fleet_tick(d->fleet, now_of(d));
    }
}
