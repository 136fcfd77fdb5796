/* What the differential tests take out of replies before they compare them. */
#include "integration/support/diff_neutral.h"
#include "integration/support/diff_value.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#define ID_0 "0000000000000000000000000000000000000abc"
#define ID_1 "1111111111111111111111111111111111111abc"

static void make_side(diff_side *s) {
    *s = (diff_side){.name = "test"};
    for (int i = 0; i < DIFF_NODES; i++) {
        s->ports[i] = (uint16_t)(17000 + i);
        snprintf(s->ids[i], sizeof s->ids[i], "%d%s", i, &ID_0[1]);
    }
    memcpy(s->ids[1], ID_1, sizeof ID_1);
}

static void expect_neutral(const char *reply, const char *text) {
    diff_side side;
    buffer neutral;
    buffer shown;
    make_side(&side);
    buffer_init(&neutral, &mem_default, 0);
    buffer_init(&shown, &mem_default, 0);
    diff_neutral(&side, slice_text(reply), &neutral);
    diff_write_reply(&shown, buffer_slice(&neutral));
    assert_true(buffer_append(&shown, "", 1));
    assert_string_equal(shown.data + shown.begin, text);
    buffer_done(&neutral);
    buffer_done(&shown);
}

static void ports_are_known_by_their_place(void **state) {
    (void)state;
    expect_neutral("-MOVED 12182 127.0.0.1:17001\r\n", "-MOVED 12182 127.0.0.1:@P1");
    expect_neutral("-ASK 12182 :17001\r\n", "-ASK 12182 :@P1");
    expect_neutral("-MOVED 12182 ?:17005\r\n", "-MOVED 12182 ?:@P5");
    expect_neutral("-MOVED 12182 node.example:17005\r\n", "-MOVED 12182 node.example:@P5");
    expect_neutral("*4\r\n$9\r\n127.0.0.1\r\n:17001\r\n$40\r\n" ID_1 "\r\n*0\r\n",
                   "*4 $\"127.0.0.1\" :@P1 $\"@ID1\" *0");
    expect_neutral("*3\r\n$-1\r\n:17001\r\n$40\r\n" ID_1 "\r\n", "*3 _-1 :@P1 $\"@ID1\"");
    expect_neutral("*4\r\n$4\r\nport\r\n:17000\r\n$8\r\ntls-port\r\n:17002\r\n",
                   "*4 $\"port\" :@P0 $\"tls-port\" :@P2");
    expect_neutral("*2\r\n$4\r\nport\r\n$5\r\n17000\r\n", "*2 $\"port\" $\"@P0\"");
    expect_neutral("$69\r\n" ID_1 " 127.0.0.1:17001@27001 master\r\n",
                   "$\"@ID1 127.0.0.1:@P1@27001 master\"");
    expect_neutral("$42\r\nmaster_port:17000\r\nip=127.0.0.1,port=17001\r\n",
                   "$\"master_port:@P0\\r\\nip=127.0.0.1,port=@P1\"");
}

static void other_numbers_that_are_the_same_stay(void **state) {
    (void)state;
    expect_neutral(":17000\r\n", ":17000");
    expect_neutral("$5\r\n17000\r\n", "$\"17000\"");
    expect_neutral("*2\r\n:17000\r\n$5\r\n17001\r\n", "*2 :17000 $\"17001\"");
    expect_neutral("*3\r\n$6\r\nmaster\r\n:17000\r\n*1\r\n*3\r\n$9\r\n127.0.0.1\r\n$5\r\n17003\r\n"
                   "$5\r\n17000\r\n",
                   "*3 $\"master\" :17000 *1 *3 $\"127.0.0.1\" $\"@P3\" $\"17000\"");
    expect_neutral(
        "*5\r\n$5\r\nslave\r\n$9\r\n127.0.0.1\r\n:17000\r\n$9\r\nconnected\r\n:17000\r\n",
        "*5 $\"slave\" $\"127.0.0.1\" :@P0 $\"connected\" :17000");
    expect_neutral("*2\r\n$18\r\nreplication-offset\r\n:17000\r\n",
                   "*2 $\"replication-offset\" :17000");
    expect_neutral("$24\r\nmaster_repl_offset:17000\r\n", "$\"master_repl_offset:17000\"");
    expect_neutral("$23\r\nport=17001,offset=17001\r\n", "$\"port=@P1,offset=17001\"");
    expect_neutral("-ERR 17000 is no slot\r\n", "-ERR 17000 is no slot");
    expect_neutral("$15\r\n127.0.0.1:17099\r\n", "$\"127.0.0.1:17099\"");
    expect_neutral("$16\r\n127.0.0.1:170001\r\n", "$\"127.0.0.1:170001\"");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ports_are_known_by_their_place),
        cmocka_unit_test(other_numbers_that_are_the_same_stay),
    };
    return cmocka_run_group_tests_name("diff neutral", tests, NULL, NULL);
}
