#include "io/listener.h"
#include "io/stream.h"
#include "io/tls.h"
#include "unit/support/failing_mem.h"
#include "unit/support/test_net.h"
#include "unit/support/test_tls.h"
#include "unit/support/unit.h"

#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { HOUR_S = 3600 };

static char directory[] = "/tmp/keyway-tls-server-XXXXXX";
static char made_path[64], ca_path[64], other_ca_path[64], server_path[64], client_path[64],
    stranger_path[64];
static tls_context *made; /* a server's that was given no certificate */

static char *in_directory(char dst[64], const char *name) {
    snprintf(dst, 64, "%s/%s", directory, name);
    return dst;
}

static tls_context *server_of(const tls_server_config *config) {
    kw_error err = {0};
    tls_context *c = NULL;
    if (tls_server_context_new(&mem_default, config, &c, &err) != KW_OK) {
        fail_msg("%s", err.message);
    }
    return c;
}

static int make_files(void **state) {
    (void)state;
    assert_non_null(mkdtemp(directory));
    made = server_of(&(tls_server_config){0});
    FILE *file = fopen(in_directory(made_path, "made.pem"), "w");
    assert_non_null(file);
    fputs(tls_context_trust(made), file);
    fclose(file);
    test_ca ca = test_ca_make();
    test_ca other = test_ca_make();
    test_ca_write(&ca, in_directory(ca_path, "ca.pem"));
    test_ca_write(&other, in_directory(other_ca_path, "other.pem"));
    test_ca_issue(&ca, "DNS:node.test", -HOUR_S, HOUR_S, in_directory(server_path, "server.pem"));
    test_ca_issue(&ca, "DNS:client.test", -HOUR_S, HOUR_S, in_directory(client_path, "client.pem"));
    test_ca_issue(&other, "DNS:client.test", -HOUR_S, HOUR_S,
                  in_directory(stranger_path, "stranger.pem"));
    test_ca_done(&ca);
    test_ca_done(&other);
    return 0;
}

static int remove_files(void **state) {
    (void)state;
    const char *files[] = {made_path,   ca_path,     other_ca_path,
                           server_path, client_path, stranger_path};
    for (size_t i = 0; i < COUNT_OF(files); i++) {
        unlink(files[i]);
    }
    tls_context_free(made);
    return rmdir(directory);
}

/* ------------------------------------------- two sessions, no socket between */

typedef struct wire {
    tls_context *client_context;
    tls_session *client;
    tls_session *server;
    tls_result client_result;
    tls_result server_result;
} wire;

static void wire_open(wire *w, const tls_config *client, const char *host, tls_context *server) {
    kw_error err = {0};
    *w = (wire){0};
    assert_int_equal(tls_context_new(&mem_default, client, &w->client_context, &err), KW_OK);
    assert_int_equal(tls_session_new(w->client_context, host, &w->client), KW_OK);
    assert_int_equal(tls_session_new(server, NULL, &w->server), KW_OK);
}

static void wire_close(wire *w) {
    tls_session_free(w->client);
    tls_session_free(w->server);
    tls_context_free(w->client_context);
}

static void carry(tls_session *from, tls_session *to, size_t step) {
    kw_slice out = tls_pending(from);
    size_t len = out.len < step ? out.len : step;
    if (len > 0) {
        assert_int_equal(tls_feed(to, out.data, len), KW_OK);
        tls_sent(from, len);
    }
}

/* Shakes hands, `step` bytes at a time, until neither side has more to say. */
static void wire_shake(wire *w, size_t step) {
    w->client_result = tls_handshake(w->client);
    w->server_result = TLS_AGAIN;
    for (int i = 0; i < 20000; i++) {
        if (tls_pending(w->client).len == 0 && tls_pending(w->server).len == 0) {
            break;
        }
        carry(w->client, w->server, step);
        if (w->server_result == TLS_AGAIN) {
            w->server_result = tls_handshake(w->server);
        }
        carry(w->server, w->client, step);
        if (w->client_result == TLS_AGAIN) {
            w->client_result = tls_handshake(w->client);
        }
    }
}

static void made_certificate_is_for_the_loopback_names(void **state) {
    (void)state;
    const struct {
        const char *host, *ca, *error; /* NULL: it succeeds */
    } cases[] = {
        {"127.0.0.1", made_path, NULL},
        {"::1", made_path, NULL},
        {"localhost", made_path, NULL},
        {"node.test", made_path, "not for 'node.test'"},
        {"127.0.0.2", made_path, "not for '127.0.0.2'"},
        {"localhost", ca_path, "certificate verify failed"},
        {"localhost", NULL, "certificate verify failed"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        wire w;
        tls_config config = {.ca_file = cases[i].ca, .verify = true};
        wire_open(&w, &config, cases[i].host, made);
        wire_shake(&w, 16384);
        if (cases[i].error) {
            assert_int_equal(w.client_result, TLS_FAILED);
            assert_non_null(strstr(tls_error(w.client), cases[i].error));
            assert_int_not_equal(w.server_result, TLS_OK);
        } else {
            assert_int_equal(w.client_result, TLS_OK);
            assert_int_equal(w.server_result, TLS_OK);
        }
        assert_true(ERR_peek_error() == 0);
        wire_close(&w);
    }
}

static void each_made_certificate_is_another(void **state) {
    (void)state;
    tls_context *other = server_of(&(tls_server_config){0});
    wire w;
    tls_config config = {.ca_file = made_path, .verify = true};
    wire_open(&w, &config, "localhost", other);
    wire_shake(&w, 16384);
    assert_int_equal(w.client_result, TLS_FAILED);
    wire_close(&w);
    tls_context_free(other);
}

static void data_passes_however_it_is_cut(void **state) {
    (void)state;
    const size_t steps[] = {1, 7, 16384};
    for (size_t i = 0; i < COUNT_OF(steps); i++) {
        wire w;
        char text[32] = {0};
        size_t len = 0;
        tls_config config = {.ca_file = made_path, .verify = true};
        wire_open(&w, &config, "localhost", made);
        wire_shake(&w, steps[i]);
        assert_int_equal(w.server_result, TLS_OK);
        assert_int_equal(tls_write(w.client, "question", 8, &len), TLS_OK);
        while (tls_pending(w.client).len > 0) {
            assert_int_equal(tls_read(w.server, text, sizeof text, &len), TLS_AGAIN);
            carry(w.client, w.server, steps[i]);
        }
        assert_int_equal(tls_read(w.server, text, sizeof text, &len), TLS_OK);
        assert_int_equal(len, 8);
        assert_string_equal(text, "question");
        tls_close(w.client);
        carry(w.client, w.server, 16384);
        assert_int_equal(tls_read(w.server, text, sizeof text, &len), TLS_CLOSED);
        wire_close(&w);
    }
}

static void clients_certificate_is_asked_for_as_configured(void **state) {
    (void)state;
    const struct {
        tls_clients clients;
        const char *shown;
        const char *error; /* of the server; NULL: it succeeds */
    } cases[] = {
        {TLS_CLIENTS_ANY, NULL, NULL},
        {TLS_CLIENTS_ANY, stranger_path, NULL},
        {TLS_CLIENTS_CHECKED, NULL, NULL},
        {TLS_CLIENTS_CHECKED, client_path, NULL},
        {TLS_CLIENTS_CHECKED, stranger_path, "certificate verify failed"},
        {TLS_CLIENTS_REQUIRED, client_path, NULL},
        {TLS_CLIENTS_REQUIRED, NULL, "peer did not return a certificate"},
        {TLS_CLIENTS_REQUIRED, stranger_path, "certificate verify failed"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        wire w;
        tls_context *server = server_of(&(tls_server_config){
            .cert_file = server_path, .ca_file = ca_path, .clients = cases[i].clients});
        tls_config config = {.ca_file = ca_path, .cert_file = cases[i].shown, .verify = true};
        wire_open(&w, &config, "node.test", server);
        wire_shake(&w, 16384);
        if (cases[i].error) {
            assert_int_equal(w.server_result, TLS_FAILED);
            assert_non_null(strstr(tls_error(w.server), cases[i].error));
        } else {
            assert_int_equal(w.server_result, TLS_OK);
            assert_int_equal(w.client_result, TLS_OK);
        }
        wire_close(&w);
        tls_context_free(server);
    }
}

static void given_certificate_is_told_as_what_to_trust(void **state) {
    (void)state;
    tls_context *server = server_of(&(tls_server_config){.cert_file = server_path});
    FILE *file = fopen(server_path, "r");
    char text[4096] = {0};
    assert_non_null(file);
    assert_true(fread(text, 1, sizeof text - 1, file) > 0);
    fclose(file);
    assert_non_null(strstr(text, tls_context_trust(server)));
    tls_context_free(server);
}

static void unusable_files_are_named(void **state) {
    (void)state;
    const struct {
        tls_server_config config;
        const char *name;
    } cases[] = {
        {{.cert_file = "/nonexistent/cert.pem"}, "/nonexistent/cert.pem"},
        {{.cert_file = ca_path}, ca_path},
        {{.key_file = server_path}, server_path},
        {{.cert_file = server_path, .key_file = client_path}, client_path},
        {{.ca_file = "/nonexistent/ca.pem", .clients = TLS_CLIENTS_REQUIRED},
         "/nonexistent/ca.pem"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        kw_error err = {0};
        tls_context *server = NULL;
        assert_int_equal(tls_server_context_new(&mem_default, &cases[i].config, &server, &err),
                         KW_ERR_TLS);
        assert_null(server);
        assert_non_null(strstr(err.message, cases[i].name));
        assert_true(ERR_peek_error() == 0);
    }
}

static void failing_allocator_is_reported(void **state) {
    (void)state;
    for (size_t budget = 0; budget < 3; budget++) {
        failing_mem t;
        kw_error err = {0};
        tls_context *context = NULL;
        tls_session *session = NULL;
        tls_server_config config = {0};
        failing_mem_init(&t);
        failing_mem_fail_after(&t, budget);
        kw_status status = tls_server_context_new(&t.mem, &config, &context, &err);
        if (status == KW_OK) {
            status = tls_session_new(context, NULL, &session);
        }
        assert_int_equal(status, KW_ERR_NOMEM);
        tls_context_free(context);
        assert_int_equal(t.live_count, 0);
    }
}

/* ---------------------------------------------------------- streams over a socket */

typedef struct peers {
    loop *loop;
    listener *listener;
    tls_context *client_context;
    stream *client;
    stream *server;
} peers;

static void turn(peers *p) {
    loop_event events[8];
    size_t count = loop_wait(p->loop, events, COUNT_OF(events), TEST_ROUND_MS);
    for (size_t i = 0; i < count; i++) {
        stream **owner = events[i].owner;
        if (owner && *owner && loop_alive(p->loop, events[i].token)) {
            stream_handle(*owner, events[i].ready);
        }
    }
    if (!p->server) {
        int fd = test_accept(p->listener);
        stream_options options = {.tls = made};
        if (fd >= 0) {
            assert_int_equal(
                stream_adopt(p->loop, &mem_default, fd, &options, &p->server, &p->server), KW_OK);
            assert_int_equal(stream_get_state(p->server), STREAM_CONNECTING);
        }
    }
}

/* The client speaks TLS, or does not know that it should. */
static void peers_open(peers *p, bool client_tls) {
    kw_error err = {0};
    tls_config config = {.ca_file = made_path, .verify = true};
    net_address address = test_ipv4(0);
    *p = (peers){0};
    assert_int_equal(loop_new(&mem_default, &p->loop), KW_OK);
    assert_int_equal(listener_new(p->loop, &mem_default, &address, NULL, &p->listener, &err),
                     KW_OK);
    assert_int_equal(tls_context_new(&mem_default, &config, &p->client_context, &err), KW_OK);
    stream_options options = {.tls = client_tls ? p->client_context : NULL,
                              .tls_host = "127.0.0.1"};
    address.port = listener_port(p->listener);
    assert_int_equal(
        stream_connect(p->loop, &mem_default, &address, &options, &p->client, &p->client, &err),
        KW_OK);
    for (int i = 0; i < TEST_ROUNDS && !p->server; i++) {
        turn(p);
    }
    assert_non_null(p->server);
}

static void peers_close(peers *p) {
    stream_free(p->client);
    stream_free(p->server);
    tls_context_free(p->client_context);
    listener_free(p->listener);
    loop_free(p->loop);
}

/* Moves bytes[0..total) from one end to the other. */
static void move(peers *p, stream *from, stream *to, const char *bytes, char *back, size_t total) {
    size_t sent = 0;
    size_t received = 0;
    for (int i = 0; i < TEST_ROUNDS * 10 && received < total; i++) {
        kw_slice rest = slice_of(bytes + sent, total - sent);
        sent += stream_write(from, &rest, 1);
        stream_want_write(from, sent < total);
        turn(p);
        size_t len = 0;
        while (received < total && (len = stream_read(to, back + received, total - received)) > 0) {
            received += len;
        }
    }
    assert_int_equal(received, total);
    assert_memory_equal(back, bytes, total);
}

static void accepted_stream_moves_much_both_ways(void **state) {
    enum { TOTAL = 2 * 1024 * 1024 };
    (void)state;
    peers p;
    peers_open(&p, true);
    char *bytes = malloc(TOTAL);
    char *back = malloc(TOTAL);
    assert_true(bytes && back);
    for (size_t i = 0; i < TOTAL; i++) {
        bytes[i] = (char)(i % 251);
    }
    for (int i = 0; i < TEST_ROUNDS && stream_get_state(p.server) == STREAM_CONNECTING; i++) {
        turn(&p);
    }
    assert_int_equal(stream_get_state(p.server), STREAM_OPEN);
    move(&p, p.client, p.server, bytes, back, TOTAL);
    memset(back, 0, TOTAL);
    move(&p, p.server, p.client, bytes, back, TOTAL);
    free(bytes);
    free(back);
    peers_close(&p);
}

static void accepted_stream_sees_the_end(void **state) {
    (void)state;
    peers p;
    char byte;
    peers_open(&p, true);
    for (int i = 0; i < TEST_ROUNDS && stream_get_state(p.client) == STREAM_CONNECTING; i++) {
        turn(&p);
    }
    stream_free(p.client);
    p.client = NULL;
    for (int i = 0; i < TEST_ROUNDS && stream_get_state(p.server) != STREAM_ENDED; i++) {
        turn(&p);
        assert_int_equal(stream_read(p.server, &byte, 1), 0);
    }
    assert_int_equal(stream_get_state(p.server), STREAM_ENDED);
    peers_close(&p);
}

static void plain_text_ends_the_handshake(void **state) {
    (void)state;
    peers p;
    const char *message = NULL;
    peers_open(&p, false);
    kw_slice text = SLICE_LITERAL("*1\r\n$4\r\nPING\r\n");
    for (int i = 0; i < TEST_ROUNDS && stream_get_state(p.server) != STREAM_ENDED; i++) {
        text.len -= stream_write(p.client, &text, text.len > 0 ? 1 : 0);
        turn(&p);
    }
    assert_int_equal(stream_get_state(p.server), STREAM_ENDED);
    assert_int_equal(stream_error(p.server, &message), KW_ERR_TLS);
    assert_non_null(strstr(message, "TLS handshake"));
    peers_close(&p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(made_certificate_is_for_the_loopback_names),
        cmocka_unit_test(each_made_certificate_is_another),
        cmocka_unit_test(data_passes_however_it_is_cut),
        cmocka_unit_test(clients_certificate_is_asked_for_as_configured),
        cmocka_unit_test(given_certificate_is_told_as_what_to_trust),
        cmocka_unit_test(unusable_files_are_named),
        cmocka_unit_test(failing_allocator_is_reported),
        cmocka_unit_test(accepted_stream_moves_much_both_ways),
        cmocka_unit_test(accepted_stream_sees_the_end),
        cmocka_unit_test(plain_text_ends_the_handshake),
    };
    return cmocka_run_group_tests_name("tls server", tests, make_files, remove_files);
}
