#include "tool/json.h"

#include "unit/support/unit.h"

#define CASE(text, json)                                                                           \
    { text, sizeof(text) - 1, json }

static void text_is_a_string_and_other_bytes_are_base64(void **state) {
    (void)state;
    static const struct {
        const char *data;
        size_t len;
        const char *json;
    } cases[] = {
        CASE("", "\"\""),
        CASE("a\"b\\c/", "\"a\\\"b\\\\c/\""),
        CASE("\n\r\t\b\f", "\"\\n\\r\\t\\b\\f\""),
        CASE("\0\x1f\x7f", "\"\\u0000\\u001f\\u007f\""),
        CASE("h\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80",
             "\"h\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80\""),
        CASE("\xff", "{\"base64\":\"/w==\"}"),
        CASE("\xff\xfe", "{\"base64\":\"//4=\"}"),
        CASE("\xff\xfe\xfd", "{\"base64\":\"//79\"}"),
        CASE("abc\x80", "{\"base64\":\"YWJjgA==\"}"),
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        out o;
        out_init(&o, -1);
        json_bytes(&o, slice_of(cases[i].data, cases[i].len));
        assert_slice_is(out_slice(&o), cases[i].json);
        out_done(&o);
    }
}

static void utf8_is_checked_strictly(void **state) {
    (void)state;
    static const struct {
        const char *text;
        bool good;
    } cases[] = {
        {"\xc2\x80", true},
        {"\xdf\xbf", true},
        {"\xe0\xa0\x80", true},
        {"\xed\x9f\xbf", true},
        {"\xee\x80\x80", true},
        {"\xf0\x90\x80\x80", true},
        {"\xf4\x8f\xbf\xbf", true},
        {"\x80", false},
        {"\xc0\x80", false},
        {"\xc1\xbf", false},
        {"\xc3", false},
        {"\xc3(", false},
        {"\xe0\x9f\xbf", false},
        {"\xed\xa0\x80", false},
        {"\xe2\x82", false},
        {"\xf0\x8f\xbf\xbf", false},
        {"\xf4\x90\x80\x80", false},
        {"\xf5\x80\x80\x80", false},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_int_equal(json_is_utf8(slice_text(cases[i].text)), cases[i].good);
    }
}

static void own_text_is_always_a_string(void **state) {
    (void)state;
    out o;
    out_init(&o, -1);
    json_text(&o, "node \xff!");
    assert_slice_is(out_slice(&o), "\"node \\ufffd!\"");
    out_done(&o);
}

static void failure_names_status_and_outcome(void **state) {
    (void)state;
    kw_error err = {.status = KW_ERR_TIMEOUT,
                    .outcome = KW_MAYBE_EXECUTED,
                    .slot = 12,
                    .node = "127.0.0.1:7000",
                    .message = "the deadline passed"};
    out o;
    out_init(&o, -1);
    json_failure(&o, &err);
    assert_slice_is(out_slice(&o), "{\"status\":\"TIMEOUT\",\"outcome\":\"MAYBE_EXECUTED\","
                                   "\"message\":\"the deadline passed\",\"slot\":12,"
                                   "\"node\":\"127.0.0.1:7000\"}");
    out_done(&o);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_a_string_and_other_bytes_are_base64),
        cmocka_unit_test(utf8_is_checked_strictly),
        cmocka_unit_test(own_text_is_always_a_string),
        cmocka_unit_test(failure_names_status_and_outcome),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
