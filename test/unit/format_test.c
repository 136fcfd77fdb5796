#include "core/format.h"

#include "core/limits.h"
#include "unit/support/failing_mem.h"
#include "unit/support/unit.h"

#include <limits.h>
#include <math.h>
#include <sys/types.h>

static kw_status format(const mem *m, format_args *ret, const char **ret_error, const char *text,
                        ...) {
    va_list args;
    va_start(args, text);
    kw_status status = format_command(m, text, args, ret, ret_error);
    va_end(args);
    return status;
}

/* Joined by `|`, for one comparison a command. */
static void assert_command(kw_status status, format_args *f, const char *joined) {
    assert_int_equal(status, KW_OK);
    char text[512];
    size_t len = 0;
    for (size_t i = 0; i < f->argc; i++) {
        len += slice_copy(text + len, sizeof(text) - len, SLICE_LITERAL("|"));
        assert_non_null(f->argv[i].data);
        len += slice_copy(text + len, sizeof(text) - len, f->argv[i]);
    }
    assert_string_equal(text, joined);
    format_args_done(f);
}

static void format_is_split_at_spaces(void **state) {
    (void)state;
    static const struct {
        const char *text;
        const char *joined;
    } cases[] = {
        {"PING", "|PING"},
        {"  SET   a b  ", "|SET|a|b"},
        {"SET \"a b\"", "|SET|\"a|b\""},
        {"SET 100%% %%d%%", "|SET|100%|%d%"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        format_args f;
        const char *error = NULL;
        assert_command(format(&mem_default, &f, &error, cases[i].text), &f, cases[i].joined);
    }
}

static void values_never_split(void **state) {
    (void)state;
    format_args f;
    const char *error = NULL;
    assert_command(format(&mem_default, &f, &error, "SET %s %s", "a key", "%s and more"), &f,
                   "|SET|a key|%s and more");
    assert_command(format(&mem_default, &f, &error, "SET {%s}:%s:%d x%s", "u", "a b", 7, ""), &f,
                   "|SET|{u}:a b:7|x");
    assert_command(format(&mem_default, &f, &error, "SET %s %s%s", "", "", ""), &f, "|SET||");
}

static void bytes_are_taken_with_their_zeros(void **state) {
    (void)state;
    format_args f;
    const char *error = NULL;
    assert_int_equal(format(&mem_default, &f, &error, "SET %b k%b %b", "a\0b", (size_t)3, "\0",
                            (size_t)1, NULL, (size_t)0),
                     KW_OK);
    assert_int_equal(f.argc, 4);
    assert_true(slice_equal(f.argv[1], SLICE_LITERAL("a\0b")));
    assert_true(slice_equal(f.argv[2], SLICE_LITERAL("k\0")));
    assert_true(slice_equal(f.argv[3], SLICE_LITERAL("")));
    format_args_done(&f);
}

static void numbers_of_all_sizes_are_written(void **state) {
    (void)state;
    format_args f;
    const char *error = NULL;
    assert_command(format(&mem_default, &f, &error, "X %d %i %u %ld %lu", INT_MIN, -1, UINT_MAX,
                          LONG_MIN, ULONG_MAX),
                   &f, "|X|-2147483648|-1|4294967295|-9223372036854775808|18446744073709551615");
    assert_command(format(&mem_default, &f, &error, "X %lld %llu %zu %zd", LLONG_MIN, ULLONG_MAX,
                          SIZE_MAX, (ssize_t)-5),
                   &f, "|X|-9223372036854775808|18446744073709551615|18446744073709551615|-5");
    assert_command(
        format(&mem_default, &f, &error, "X %f %g (%g %g", 1.5, 0.25, -(double)INFINITY, 1e100), &f,
        "|X|1.500000|0.25|(-inf|1e+100");
}

static void single_value_is_not_copied(void **state) {
    (void)state;
    failing_mem m;
    format_args f;
    const char *error = NULL;
    const char *value = "value";
    failing_mem_init(&m);
    assert_int_equal(format(&m.mem, &f, &error, "SET key %s", value), KW_OK);
    assert_ptr_equal(f.argv[2].data, value);
    assert_int_equal(m.call_count, 1);
    format_args_done(&f);
    assert_int_equal(m.live_count, 0);
    format_args_done(&f);
    format_args_done(NULL);
}

static void wrong_formats_are_refused_with_a_reason(void **state) {
    (void)state;
    static const char *const cases[] = {"",        " ",      "SET %",   "SET %x",
                                        "SET % d", "SET %l", "SET %5d", "SET %.2f",
                                        "SET %S",  "SET %c", "SET a%q"};
    failing_mem m;
    failing_mem_init(&m);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        format_args f;
        const char *error = NULL;
        assert_int_equal(format(&m.mem, &f, &error, cases[i], 0), KW_ERR_INVALID);
        assert_non_null(error);
    }
    format_args f;
    const char *error = NULL;
    assert_int_equal(format(&m.mem, &f, &error, NULL), KW_ERR_INVALID);
    assert_int_equal(format(&m.mem, &f, &error, "SET k %s", (char *)NULL), KW_ERR_INVALID);
    assert_non_null(strstr(error, "NULL"));
    assert_int_equal(format(&m.mem, &f, &error, "SET k:%b", NULL, (size_t)3), KW_ERR_INVALID);
    assert_int_equal(m.live_count, 0);
}

static void command_over_its_limit_is_refused(void **state) {
    (void)state;
    failing_mem m;
    format_args f;
    const char *error = NULL;
    failing_mem_init(&m);
    /* The length alone is looked at: no byte of it is read. */
    assert_int_equal(format(&m.mem, &f, &error, "SET k %b", "", (size_t)LIMIT_COMMAND_BYTES),
                     KW_ERR_LIMIT);
    assert_int_equal(format(&m.mem, &f, &error, "SET k x%b", "", SIZE_MAX), KW_ERR_LIMIT);
    assert_non_null(strstr(error, "limit"));
    assert_int_equal(m.live_count, 0);
}

static void too_many_arguments_are_refused(void **state) {
    (void)state;
    static char text[2 * (LIMIT_ARGUMENTS + 1) + 1];
    for (size_t i = 0; i <= LIMIT_ARGUMENTS; i++) {
        memcpy(text + 2 * i, "a ", 2);
    }
    failing_mem m;
    format_args f;
    const char *error = NULL;
    failing_mem_init(&m);
    assert_int_equal(format(&m.mem, &f, &error, text), KW_ERR_LIMIT);
    assert_string_equal(error, "the command is over the limit on its arguments");
    assert_int_equal(m.live_count, 0);
    text[2 * LIMIT_ARGUMENTS] = '\0'; /* one less */
    assert_int_equal(format(&m.mem, &f, &error, text), KW_OK);
    assert_int_equal(f.argc, LIMIT_ARGUMENTS);
    format_args_done(&f);
    assert_int_equal(m.live_count, 0);
}

static void every_failed_allocation_is_reported(void **state) {
    (void)state;
    failing_mem m;
    char long_value[2000];
    memset(long_value, 'v', sizeof(long_value));
    failing_mem_init(&m);
    kw_status status = KW_ERR_NOMEM;
    size_t call = 0;
    while (status == KW_ERR_NOMEM) {
        format_args f;
        const char *error = NULL;
        failing_mem_fail_at(&m, ++call);
        status = format(&m.mem, &f, &error, "SET k:%d x%b x%b", 1, long_value, sizeof(long_value),
                        long_value, sizeof(long_value));
        if (status == KW_OK) {
            assert_int_equal(f.argc, 4);
            assert_slice_is(f.argv[1], "k:1");
            assert_int_equal(f.argv[3].len, 2001);
            assert_memory_equal(f.argv[3].data + 1, long_value, sizeof(long_value));
            format_args_done(&f);
        }
        assert_int_equal(m.live_count, 0);
    }
    assert_int_equal(status, KW_OK);
    assert_true(call >= 4);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(format_is_split_at_spaces),
        cmocka_unit_test(values_never_split),
        cmocka_unit_test(bytes_are_taken_with_their_zeros),
        cmocka_unit_test(numbers_of_all_sizes_are_written),
        cmocka_unit_test(single_value_is_not_copied),
        cmocka_unit_test(wrong_formats_are_refused_with_a_reason),
        cmocka_unit_test(command_over_its_limit_is_refused),
        cmocka_unit_test(too_many_arguments_are_refused),
        cmocka_unit_test(every_failed_allocation_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
