/* The end of a lab's TLS connections, seen by a client that takes its time. */
#include "io/stream.h"
#include "unit/support/lab_peer.h"
#include "unit/support/test_net.h"
#include "unit/support/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { VALUE = 4 * 1024 * 1024 };

typedef struct client {
    loop *loop;
    tls_context *context;
    stream *stream;
} client;

static void turn(client *c) {
    loop_event events[4];
    size_t count = loop_wait(c->loop, events, COUNT_OF(events), TEST_ROUND_MS);
    for (size_t i = 0; i < count; i++) {
        stream_handle(c->stream, events[i].ready);
    }
}

static void open_client(client *c, uint16_t port) {
    kw_error err;
    const tls_config config = {.verify = false};
    net_address address = test_ipv4(port);
    *c = (client){0};
    assert_int_equal(loop_new(&mem_default, &c->loop), KW_OK);
    assert_int_equal(tls_context_new(&mem_default, &config, &c->context, &err), KW_OK);
    const stream_options options = {.tls = c->context, .tls_host = "127.0.0.1"};
    assert_int_equal(stream_connect(c->loop, &mem_default, &address, &options, c, &c->stream, &err),
                     KW_OK);
    for (int i = 0; i < TEST_ROUNDS && stream_get_state(c->stream) == STREAM_CONNECTING; i++) {
        turn(c);
    }
    assert_int_equal(stream_get_state(c->stream), STREAM_OPEN);
}

static void close_client(client *c) {
    stream_free(c->stream);
    tls_context_free(c->context);
    loop_free(c->loop);
}

static void all_that_was_said_before_the_end_arrives(void **state) {
    (void)state;
    kw_lab_options *options = lab_peer_options(1, 0);
    assert_int_equal(kw_lab_options_set_tls(options, KW_LAB_TLS_ONLY), KW_OK);
    kw_lab *lab = lab_peer_start(options);
    client c;
    open_client(&c, lab_peer_port(lab, 0));
    char command[64];
    snprintf(command, sizeof command, "SETRANGE k %d x\r\nGET k\r\nQUIT\r\n", VALUE - 1);
    kw_slice bytes = slice_text(command);
    assert_int_equal(stream_write(c.stream, &bytes, 1), bytes.len);
    usleep(200000); /* the node has filled what there is room for */
    const size_t expected = strlen(":4194304\r\n$4194304\r\n") + VALUE + strlen("\r\n+OK\r\n");
    static char got[64 * 1024];
    size_t total = 0;
    for (int i = 0; i < TEST_ROUNDS * 10 && stream_get_state(c.stream) == STREAM_OPEN; i++) {
        size_t len;
        while ((len = stream_read(c.stream, got, sizeof got)) > 0) {
            total += len;
        }
        turn(&c);
    }
    assert_int_equal(stream_get_state(c.stream), STREAM_ENDED);
    assert_int_equal(total, expected);
    close_client(&c);
    kw_lab_stop(lab);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_that_was_said_before_the_end_arrives),
    };
    return cmocka_run_group_tests_name("lab tls", tests, NULL, NULL);
}
