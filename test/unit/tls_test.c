#include "io/tls.h"

#include "io/listener.h"
#include "io/stream.h"
#include "unit/support/failing_mem.h"
#include "unit/support/test_net.h"
#include "unit/support/test_tls.h"
#include "unit/support/unit.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { HOUR_S = 3600 };

static char directory[] = "/tmp/keyway-tls-XXXXXX";
static char ca_path[64], other_ca_path[64], name_path[64], address_path[64], expired_path[64],
    early_path[64], client_path[64], wildcard_path[64], path[64];

static char *in_directory(char dst[64], const char *name) {
    snprintf(dst, 64, "%s/%s", directory, name);
    return dst;
}

static int make_files(void **state) {
    (void)state;
    assert_non_null(mkdtemp(directory));
    test_ca ca = test_ca_make();
    test_ca other = test_ca_make();
    test_ca_write(&ca, in_directory(ca_path, "ca.pem"));
    test_ca_write(&other, in_directory(other_ca_path, "other.pem"));
    test_ca_issue(&ca, "DNS:node.test", -HOUR_S, HOUR_S, in_directory(name_path, "name.pem"));
    test_ca_issue(&ca, "IP:127.0.0.1", -HOUR_S, HOUR_S, in_directory(address_path, "ip.pem"));
    test_ca_issue(&ca, "DNS:node.test", -2 * HOUR_S, -HOUR_S,
                  in_directory(expired_path, "expired.pem"));
    test_ca_issue(&ca, "DNS:node.test", HOUR_S, 2 * HOUR_S, in_directory(early_path, "early.pem"));
    test_ca_issue(&ca, "DNS:client.test", -HOUR_S, HOUR_S, in_directory(client_path, "client.pem"));
    test_ca_issue(&ca, "DNS:*.node.test", -HOUR_S, HOUR_S,
                  in_directory(wildcard_path, "wildcard.pem"));
    in_directory(path, "scratch.pem");
    test_ca_done(&ca);
    test_ca_done(&other);
    return 0;
}

static int remove_files(void **state) {
    (void)state;
    const char *files[] = {ca_path,    other_ca_path, name_path,     address_path, expired_path,
                           early_path, client_path,   wildcard_path, path};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        unlink(files[i]);
    }
    return rmdir(directory);
}

/* ------------------------------------------- two sessions, no socket between */

typedef struct wire {
    tls_context *context;
    tls_session *client;
    SSL_CTX *server_context;
    SSL *server;
    tls_result result; /* of the client's last step */
} wire;

static void wire_open(wire *w, const tls_config *config, const char *host, const char *server_pem,
                      const char *client_ca) {
    kw_error err = {0};
    *w = (wire){.server_context = test_server_context(server_pem, client_ca)};
    assert_int_equal(tls_context_new(&mem_default, config, &w->context, &err), KW_OK);
    assert_int_equal(tls_session_new(w->context, host, &w->client), KW_OK);
    w->server = SSL_new(w->server_context);
    SSL_set_bio(w->server, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_accept_state(w->server);
}

static void wire_close(wire *w) {
    SSL_free(w->server);
    SSL_CTX_free(w->server_context);
    tls_session_free(w->client);
    tls_context_free(w->context);
}

/* Carries what each side has to send, `step` bytes at a time. */
static void wire_carry(wire *w, size_t step) {
    char bytes[16384];
    for (kw_slice out = tls_pending(w->client); out.len > 0; out = tls_pending(w->client)) {
        size_t len = out.len < step ? out.len : step;
        assert_int_equal(BIO_write(SSL_get_rbio(w->server), out.data, (int)len), (int)len);
        tls_sent(w->client, len);
    }
    int len = 0;
    while ((len = BIO_read(SSL_get_wbio(w->server), bytes,
                           (int)(step < sizeof bytes ? step : sizeof bytes))) > 0) {
        assert_int_equal(tls_feed(w->client, bytes, (size_t)len), KW_OK);
        if (w->result == TLS_AGAIN && !SSL_is_init_finished(w->server)) {
            w->result = tls_handshake(w->client);
        }
    }
}

/* Shakes hands to the end; the result is the client's. */
static tls_result wire_shake(wire *w, size_t step) {
    w->result = tls_handshake(w->client);
    for (int i = 0; i < 20; i++) {
        wire_carry(w, step);
        (void)SSL_do_handshake(w->server); /* the client's side is what is looked at */
        if (w->result == TLS_AGAIN) {
            w->result = tls_handshake(w->client);
        }
        ERR_clear_error();
    }
    return w->result;
}

static void certificate_decides_over_the_handshake(void **state) {
    (void)state;
    const struct {
        const char *server_pem, *host, *server_name, *ca, *error; /* NULL: it succeeds */
        bool verify;
    } cases[] = {
        {name_path, "node.test", NULL, ca_path, NULL, true},
        {address_path, "127.0.0.1", NULL, ca_path, NULL, true},
        {wildcard_path, "a.node.test", NULL, ca_path, NULL, true},
        {name_path, "10.0.0.1", "node.test", ca_path, NULL, true},
        {name_path, "other.test", NULL, ca_path, "not for 'other.test'", true},
        {name_path, "127.0.0.1", NULL, ca_path, "not for '127.0.0.1'", true},
        {address_path, "127.0.0.2", NULL, ca_path, "not for '127.0.0.2'", true},
        {address_path, "node.test", NULL, ca_path, "not for 'node.test'", true},
        {wildcard_path, "node.test", NULL, ca_path, "not for 'node.test'", true},
        {expired_path, "node.test", NULL, ca_path, "expired", true},
        {early_path, "node.test", NULL, ca_path, "not yet valid", true},
        {name_path, "node.test", NULL, other_ca_path, "certificate verify failed", true},
        {name_path, "node.test", NULL, NULL, "unable to get local issuer", true},
        {expired_path, "other.test", NULL, NULL, NULL, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        wire w;
        tls_config config = {
            .ca_file = cases[i].ca, .server_name = cases[i].server_name, .verify = cases[i].verify};
        wire_open(&w, &config, cases[i].host, cases[i].server_pem, NULL);
        tls_result result = wire_shake(&w, 16384);
        if (cases[i].error) {
            assert_int_equal(result, TLS_FAILED);
            assert_non_null(strstr(tls_error(w.client), cases[i].error));
        } else {
            assert_int_equal(result, TLS_OK);
        }
        assert_true(ERR_peek_error() == 0);
        wire_close(&w);
    }
}

static void names_are_sent_as_sni_and_addresses_are_not(void **state) {
    (void)state;
    const struct {
        const char *host, *server_name, *sni;
    } cases[] = {{"node.test", NULL, "node.test"},
                 {"127.0.0.1", NULL, NULL},
                 {"::1", NULL, NULL},
                 {"127.0.0.1", "node.test", "node.test"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        wire w;
        tls_config config = {.server_name = cases[i].server_name};
        wire_open(&w, &config, cases[i].host, name_path, NULL);
        assert_int_equal(wire_shake(&w, 16384), TLS_OK);
        const char *sni = SSL_get_servername(w.server, TLSEXT_NAMETYPE_host_name);
        if (cases[i].sni) {
            assert_string_equal(sni, cases[i].sni);
        } else {
            assert_null(sni);
        }
        wire_close(&w);
    }
}

static void handshake_and_data_survive_any_cut(void **state) {
    (void)state;
    const size_t steps[] = {1, 7, 1000};
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        wire w;
        char text[32] = {0};
        size_t len = 0;
        tls_config config = {.ca_file = ca_path, .verify = true};
        wire_open(&w, &config, "node.test", name_path, NULL);
        assert_int_equal(wire_shake(&w, steps[i]), TLS_OK);

        assert_int_equal(tls_write(w.client, "question", 8, &len), TLS_OK);
        assert_int_equal(len, 8);
        wire_carry(&w, steps[i]);
        assert_int_equal(SSL_read(w.server, text, sizeof text), 8);
        assert_string_equal(text, "question");

        assert_int_equal(SSL_write(w.server, "answer", 6), 6);
        wire_carry(&w, steps[i]);
        assert_int_equal(tls_read(w.client, text, 2, &len), TLS_OK);
        assert_int_equal(len, 2); /* the rest is decrypted, and waits */
        assert_int_equal(tls_read(w.client, text + 2, sizeof text - 2, &len), TLS_OK);
        assert_int_equal(len, 4);
        assert_memory_equal(text, "answer", 6);
        assert_int_equal(tls_read(w.client, text, sizeof text, &len), TLS_AGAIN);
        wire_close(&w);
    }
}

static void close_notify_goes_both_ways(void **state) {
    (void)state;
    wire w;
    char byte;
    size_t len = 0;
    tls_config config = {.ca_file = ca_path, .verify = true};
    wire_open(&w, &config, "node.test", name_path, NULL);
    assert_int_equal(wire_shake(&w, 16384), TLS_OK);
    (void)SSL_shutdown(w.server); /* 0: our answer is not there yet */
    wire_carry(&w, 16384);
    assert_int_equal(tls_read(w.client, &byte, 1, &len), TLS_CLOSED);
    tls_close(w.client);
    wire_carry(&w, 16384);
    assert_true(SSL_shutdown(w.server) == 1);
    wire_close(&w);
}

static void outgoing_bytes_are_bounded(void **state) {
    (void)state;
    wire w;
    static char piece[16384];
    size_t taken = 1;
    size_t total = 0;
    tls_config config = {.ca_file = ca_path, .verify = true};
    wire_open(&w, &config, "node.test", name_path, NULL);
    assert_int_equal(wire_shake(&w, 16384), TLS_OK);
    for (int i = 0; i < 1000 && taken > 0; i++) {
        assert_int_equal(tls_write(w.client, piece, sizeof piece, &taken), TLS_OK);
        total += taken;
    }
    assert_int_equal(taken, 0);
    assert_true(total >= TLS_PENDING_MAX / 2);
    assert_true(tls_pending(w.client).len < TLS_PENDING_MAX + 2 * sizeof piece);
    wire_carry(&w, 16384);
    assert_int_equal(tls_write(w.client, piece, sizeof piece, &taken), TLS_OK);
    assert_true(taken > 0);
    wire_close(&w);
}

static void client_certificate_is_shown_when_configured(void **state) {
    (void)state;
    const char *certificates[] = {client_path, NULL};
    for (size_t i = 0; i < 2; i++) {
        wire w;
        char byte;
        size_t len = 0;
        tls_config config = {.ca_file = ca_path, .cert_file = certificates[i], .verify = true};
        wire_open(&w, &config, "node.test", name_path, ca_path);
        assert_int_equal(wire_shake(&w, 16384), TLS_OK);
        tls_result result = tls_read(w.client, &byte, 1, &len);
        if (certificates[i]) {
            assert_int_equal(result, TLS_AGAIN);
        } else { /* TLS 1.3: the refusal comes after the client's handshake is done */
            assert_int_equal(result, TLS_FAILED);
            assert_non_null(strstr(tls_error(w.client), "certificate required"));
        }
        wire_close(&w);
    }
}

static void old_protocols_are_refused(void **state) {
    (void)state;
    wire w;
    tls_config config = {.ca_file = ca_path, .verify = true};
    wire_open(&w, &config, "node.test", name_path, NULL);
    SSL_set_security_level(w.server, 0);
    SSL_set_min_proto_version(w.server, TLS1_VERSION);
    SSL_set_max_proto_version(w.server, TLS1_1_VERSION);
    assert_int_equal(wire_shake(&w, 16384), TLS_FAILED);
    assert_non_null(strstr(tls_error(w.client), "version"));
    wire_close(&w);
}

static void write_text_file(const char *text) {
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void unusable_files_are_named(void **state) {
    (void)state;
    write_text_file("no certificate\n");
    const tls_config cases[] = {
        {.verify = true, .ca_file = "/nonexistent/ca.pem"},
        {.verify = true, .ca_file = path},
        {.verify = true, .ca_file = ca_path, .cert_file = "/nonexistent/cert.pem"},
        {.verify = true, .ca_file = ca_path, .cert_file = path},
        {.verify = true, .ca_file = ca_path, .cert_file = client_path, .key_file = path},
        {.verify = true, .ca_file = ca_path, .cert_file = client_path, .key_file = name_path},
        {.verify = true, .ca_file = ca_path, .key_file = name_path},
    };
    const char *names[] = {
        "/nonexistent/ca.pem", path, "/nonexistent/cert.pem", path, path, name_path, name_path};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        kw_error err = {0};
        tls_context *context = NULL;
        assert_int_equal(tls_context_new(&mem_default, &cases[i], &context, &err), KW_ERR_TLS);
        assert_null(context);
        assert_non_null(strstr(err.message, names[i]));
        assert_null(strstr(err.message, "unknown reason"));
        assert_true(ERR_peek_error() == 0);
    }
}

/* A key with a password must not make OpenSSL ask on the terminal. */
static void key_with_password_is_an_error(void **state) {
    (void)state;
    kw_error err = {0};
    tls_context *context = NULL;
    FILE *file = fopen(path, "w");
    EVP_PKEY *key = EVP_EC_gen("P-256");
    assert_non_null(file);
    assert_int_equal(PEM_write_PrivateKey(file, key, EVP_aes_128_cbc(),
                                          (const unsigned char *)"secret", 6, NULL, NULL),
                     1);
    fclose(file);
    EVP_PKEY_free(key);
    tls_config config = {.cert_file = client_path, .key_file = path};
    assert_int_equal(tls_context_new(&mem_default, &config, &context, &err), KW_ERR_TLS);
    assert_non_null(strstr(err.message, path));
}

static void failing_allocator_is_reported(void **state) {
    (void)state;
    tls_config config = {.ca_file = ca_path, .server_name = "node.test", .verify = true};
    for (size_t budget = 0; budget < 3; budget++) {
        failing_mem t;
        kw_error err = {0};
        tls_context *context = NULL;
        tls_session *session = NULL;
        failing_mem_init(&t);
        failing_mem_fail_after(&t, budget);
        kw_status status = tls_context_new(&t.mem, &config, &context, &err);
        if (status == KW_OK) {
            status = tls_session_new(context, "node.test", &session);
        }
        assert_int_equal(status, KW_ERR_NOMEM);
        tls_context_free(context);
        assert_int_equal(t.live_count, 0);
    }
}

/* ------------------------------------------------------ a stream over a socket */

typedef struct peers {
    loop *loop;
    listener *listener;
    tls_context *context;
    stream *client;
    SSL_CTX *server_context;
    SSL *server;
    int server_fd;
} peers;

static void peers_open(peers *p, const char *server_pem, const char *client_ca) {
    kw_error err = {0};
    tls_config config = {.ca_file = ca_path, .verify = true};
    net_address address = test_ipv4(0);
    *p = (peers){.server_fd = -1, .server_context = test_server_context(server_pem, client_ca)};
    assert_int_equal(loop_new(&mem_default, &p->loop), KW_OK);
    assert_int_equal(listener_new(p->loop, &mem_default, &address, NULL, &p->listener, &err),
                     KW_OK);
    assert_int_equal(tls_context_new(&mem_default, &config, &p->context, &err), KW_OK);
    stream_options options = {.tls = p->context, .tls_host = "node.test"};
    address.port = listener_port(p->listener);
    assert_int_equal(
        stream_connect(p->loop, &mem_default, &address, &options, &p->client, &p->client, &err),
        KW_OK);
    SSL_CTX_set_mode(p->server_context,
                     SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    p->server = SSL_new(p->server_context);
    SSL_set_accept_state(p->server);
}

static void peers_close(peers *p) {
    stream_free(p->client);
    SSL_free(p->server);
    SSL_CTX_free(p->server_context);
    if (p->server_fd >= 0) {
        close(p->server_fd);
    }
    tls_context_free(p->context);
    listener_free(p->listener);
    loop_free(p->loop);
}

static void peers_turn(peers *p) {
    loop_event events[8];
    size_t count = loop_wait(p->loop, events, 8, TEST_ROUND_MS);
    for (size_t i = 0; i < count; i++) {
        if (events[i].owner) {
            stream_handle(p->client, events[i].ready);
        }
    }
    if (p->server_fd < 0) {
        p->server_fd = test_accept(p->listener);
        if (p->server_fd >= 0) {
            SSL_set_fd(p->server, p->server_fd);
        }
    }
    if (p->server_fd >= 0 && !SSL_is_init_finished(p->server)) {
        (void)SSL_do_handshake(p->server);
        ERR_clear_error();
    }
}

static stream_state peers_shake(peers *p) {
    for (int i = 0; i < TEST_ROUNDS && (stream_get_state(p->client) == STREAM_CONNECTING ||
                                        !SSL_is_init_finished(p->server));
         i++) {
        peers_turn(p);
        if (stream_get_state(p->client) == STREAM_ENDED) {
            break;
        }
    }
    return stream_get_state(p->client);
}

static void stream_moves_much_both_ways_over_tls(void **state) {
    enum { TOTAL = 2 * 1024 * 1024 };
    (void)state;
    peers p;
    peers_open(&p, name_path, NULL);
    assert_int_equal(peers_shake(&p), STREAM_OPEN);
    char *bytes = malloc(TOTAL);
    char *echo = malloc(TOTAL); /* the server's: what it got and gives back */
    char *back = malloc(TOTAL);
    assert_true(bytes && echo && back);
    for (size_t i = 0; i < TOTAL; i++) {
        bytes[i] = (char)(i % 251);
    }
    size_t sent = 0, heard = 0, echoed = 0, received = 0;
    for (int i = 0; i < TEST_ROUNDS * 10 && received < TOTAL; i++) {
        /* many small slices and one large */
        kw_slice parts[8];
        size_t at = sent;
        for (size_t part = 0; part < 8; part++) {
            size_t len = part < 7 ? 10 : TOTAL;
            parts[part] = slice_of(bytes + at, len < TOTAL - at ? len : TOTAL - at);
            at += parts[part].len;
        }
        sent += stream_write(p.client, parts, 8);
        stream_want_write(p.client, sent < TOTAL);
        peers_turn(&p);
        int got = 0;
        while (heard < TOTAL && (got = SSL_read(p.server, echo + heard, 16384)) > 0) {
            heard += (size_t)got;
        }
        while (echoed < heard &&
               (got = SSL_write(p.server, echo + echoed, (int)(heard - echoed))) > 0) {
            echoed += (size_t)got;
        }
        ERR_clear_error();
        size_t len = 0;
        while (received < TOTAL &&
               (len = stream_read(p.client, back + received, TOTAL - received)) > 0) {
            received += len;
        }
    }
    assert_int_equal(received, TOTAL);
    assert_memory_equal(back, bytes, TOTAL);
    free(bytes);
    free(echo);
    free(back);
    peers_close(&p);
}

static void stream_ends_with_the_tls_reason(void **state) {
    (void)state;
    peers p;
    const char *message = NULL;
    peers_open(&p, expired_path, NULL);
    assert_int_equal(peers_shake(&p), STREAM_ENDED);
    assert_int_equal(stream_error(p.client, &message), KW_ERR_TLS);
    assert_string_equal(message,
                        "TLS handshake: certificate verify failed: certificate has expired");
    peers_close(&p);
}

static void stream_ends_when_the_server_wants_a_certificate(void **state) {
    (void)state;
    peers p;
    char byte;
    const char *message = NULL;
    peers_open(&p, name_path, ca_path);
    for (int i = 0; i < TEST_ROUNDS && stream_get_state(p.client) != STREAM_ENDED; i++) {
        peers_turn(&p);
        assert_int_equal(stream_read(p.client, &byte, 1), 0);
    }
    assert_int_equal(stream_error(p.client, &message), KW_ERR_TLS);
    assert_non_null(strstr(message, "certificate required"));
    peers_close(&p);
}

static void stream_reads_the_last_bytes_before_close_notify(void **state) {
    (void)state;
    peers p;
    char text[16] = {0};
    size_t len = 0;
    peers_open(&p, name_path, NULL);
    assert_int_equal(peers_shake(&p), STREAM_OPEN);
    assert_int_equal(SSL_write(p.server, "last", 4), 4);
    (void)SSL_shutdown(p.server);
    for (int i = 0; i < TEST_ROUNDS && stream_get_state(p.client) == STREAM_OPEN; i++) {
        peers_turn(&p);
        len += stream_read(p.client, text + len, 2); /* less than is there */
    }
    assert_string_equal(text, "last");
    const char *message = NULL;
    assert_int_equal(stream_error(p.client, &message), KW_ERR_CONNECTION);
    peers_close(&p);
}

static void peer_that_speaks_no_tls_is_told_so(void **state) {
    (void)state;
    peers p;
    const char *message = NULL;
    peers_open(&p, name_path, NULL);
    int fd = -1;
    for (int i = 0; i < TEST_ROUNDS && fd < 0; i++) {
        loop_event events[8];
        size_t count = loop_wait(p.loop, events, 8, TEST_ROUND_MS);
        for (size_t e = 0; e < count; e++) {
            if (events[e].owner) {
                stream_handle(p.client, events[e].ready);
            }
        }
        fd = test_accept(p.listener);
    }
    assert_true(fd >= 0);
    p.server_fd = fd;
    assert_int_equal(write(fd, "-ERR unknown command\r\n", 22), 22);
    for (int i = 0; i < TEST_ROUNDS && stream_get_state(p.client) == STREAM_CONNECTING; i++) {
        loop_event events[8];
        size_t count = loop_wait(p.loop, events, 8, TEST_ROUND_MS);
        for (size_t e = 0; e < count; e++) {
            stream_handle(p.client, events[e].ready);
        }
    }
    assert_int_equal(stream_get_state(p.client), STREAM_ENDED);
    assert_int_equal(stream_error(p.client, &message), KW_ERR_TLS);
    assert_non_null(strstr(message, "wrong version number"));
    peers_close(&p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(certificate_decides_over_the_handshake),
        cmocka_unit_test(names_are_sent_as_sni_and_addresses_are_not),
        cmocka_unit_test(handshake_and_data_survive_any_cut),
        cmocka_unit_test(close_notify_goes_both_ways),
        cmocka_unit_test(outgoing_bytes_are_bounded),
        cmocka_unit_test(client_certificate_is_shown_when_configured),
        cmocka_unit_test(old_protocols_are_refused),
        cmocka_unit_test(unusable_files_are_named),
        cmocka_unit_test(key_with_password_is_an_error),
        cmocka_unit_test(failing_allocator_is_reported),
        cmocka_unit_test(stream_moves_much_both_ways_over_tls),
        cmocka_unit_test(stream_ends_with_the_tls_reason),
        cmocka_unit_test(stream_ends_when_the_server_wants_a_certificate),
        cmocka_unit_test(stream_reads_the_last_bytes_before_close_notify),
        cmocka_unit_test(peer_that_speaks_no_tls_is_told_so),
    };
    return cmocka_run_group_tests_name("tls", tests, make_files, remove_files);
}
