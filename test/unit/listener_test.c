#include "io/listener.h"

#include "io/sockaddr.h"
#include "unit/support/failing_mem.h"
#include "unit/support/test_net.h"
#include "unit/support/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static int connect_to(uint16_t port) {
    net_address address = test_ipv4(port);
    struct sockaddr_storage storage;
    socklen_t len = sockaddr_from(&address, &storage);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&storage, len), 0);
    return fd;
}

static void accepts_each_connection_once(void **state) {
    (void)state;
    loop *l = NULL;
    listener *s = NULL;
    kw_error err;
    int owner = 0;
    net_address address = test_ipv4(0);
    assert_int_equal(loop_new(&mem_default, &l), KW_OK);
    assert_int_equal(listener_new(l, &mem_default, &address, &owner, &s, &err), KW_OK);
    assert_int_not_equal(listener_port(s), 0);
    assert_int_equal(test_accept(s), -1);

    int peers[2] = {connect_to(listener_port(s)), connect_to(listener_port(s))};
    loop_event event;
    assert_int_equal(loop_wait(l, &event, 1, 2000), 1);
    assert_ptr_equal(event.owner, &owner);
    for (int i = 0; i < 2; i++) {
        int fd = test_accept(s);
        assert_true(fd >= 0);
        assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
        assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
        close(fd);
        close(peers[i]);
    }
    assert_int_equal(test_accept(s), -1);
    listener_free(s);
    loop_free(l);
}

static void port_in_use_is_an_error_that_names_it(void **state) {
    (void)state;
    loop *l = NULL;
    listener *s = NULL;
    listener *second = NULL;
    kw_error err;
    char port[16];
    net_address address = test_ipv4(0);
    assert_int_equal(loop_new(&mem_default, &l), KW_OK);
    assert_int_equal(listener_new(l, &mem_default, &address, NULL, &s, &err), KW_OK);
    address.port = listener_port(s);
    assert_int_equal(listener_new(l, &mem_default, &address, NULL, &second, &err),
                     KW_ERR_CONNECTION);
    assert_null(second);
    snprintf(port, sizeof port, ":%u", (unsigned)address.port);
    assert_non_null(strstr(err.message, port));
    assert_non_null(strstr(err.message, "in use"));
    listener_free(s);

    /* and the port is free again */
    assert_int_equal(listener_new(l, &mem_default, &address, NULL, &s, &err), KW_OK);
    listener_free(s);
    loop_free(l);
}

static void failing_allocator_is_reported(void **state) {
    (void)state;
    net_address address = test_ipv4(0);
    for (size_t budget = 0; budget < 2; budget++) {
        failing_mem t;
        loop *l = NULL;
        listener *s = NULL;
        kw_error err;
        failing_mem_init(&t);
        assert_int_equal(loop_new(&t.mem, &l), KW_OK);
        failing_mem_fail_after(&t, budget);
        assert_int_equal(listener_new(l, &t.mem, &address, NULL, &s, &err), KW_ERR_NOMEM);
        loop_free(l);
        assert_int_equal(t.live_count, 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts_each_connection_once),
        cmocka_unit_test(port_in_use_is_an_error_that_names_it),
        cmocka_unit_test(failing_allocator_is_reported),
    };
    return cmocka_run_group_tests_name("listener", tests, NULL, NULL);
}
