#include "client/url.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static kw_options *new_options(void) {
    kw_options *options = NULL;
    assert_int_equal(kw_options_new(&options), KW_OK);
    return options;
}

/* The seeds as "host:port host:port". */
static void format_seeds(const url_seeds *seeds, char *dst, size_t size) {
    dst[0] = '\0';
    for (size_t i = 0; i < seeds->count; i++) {
        char text[ENDPOINT_TEXT_BYTES];
        size_t len = strlen(dst);
        (void)snprintf(dst + len, size - len, "%s%s", i ? " " : "",
                       endpoint_format(&seeds->seeds[i], text));
    }
}

static void assert_text(const char *url, const char *got, const char *want) {
    if ((got == NULL) != (want == NULL) || (got && strcmp(got, want) != 0)) {
        fail_msg("%s: \"%s\", not \"%s\"", url, got ? got : "(none)", want ? want : "(none)");
    }
}

static void good_urls_are_read(void **state) {
    (void)state;
    static const struct {
        const char *url;
        const char *seeds;
        const char *user;
        const char *password;
        bool tls;
    } rows[] = {
        {"redis://127.0.0.1:7000", "127.0.0.1:7000", NULL, NULL, false},
        {"redis://127.0.0.1", "127.0.0.1:6379", NULL, NULL, false},
        {"redis://a:1,b,c:3", "a:1 b:6379 c:3", NULL, NULL, false},
        {"REDIS://a:1", "a:1", NULL, NULL, false},
        {"valkey://a:1", "a:1", NULL, NULL, false},
        {"rediss://a:1", "a:1", NULL, NULL, true},
        {"valkeys://a:1", "a:1", NULL, NULL, true},
        {"redis://a:1/", "a:1", NULL, NULL, false},
        {"redis://a:1/0", "a:1", NULL, NULL, false},
        {"redis://a:1?", "a:1", NULL, NULL, false},
        {"redis://a:1/0?eager=yes", "a:1", NULL, NULL, false},
        {"redis://[::1]:7000", "[::1]:7000", NULL, NULL, false},
        {"redis://[2001:db8::7],[::1]:2,c", "[2001:db8::7]:6379 [::1]:2 c:6379", NULL, NULL, false},
        {"redis://ann:pw@a:1", "a:1", "ann", "pw", false},
        {"redis://:pw@a:1", "a:1", NULL, "pw", false},
        {"redis://pw@a:1", "a:1", NULL, "pw", false},
        {"redis://ann:p:w@a:1", "a:1", "ann", "p:w", false},
        {"redis://ann:p,w@a:1,b:2", "a:1 b:2", "ann", "p,w", false},
        {"redis://a%6en:%40%2f%3F%23%25%3A@a:1", "a:1", "ann", "@/?#%:", false},
        {"redis://%61:1", "a:1", NULL, NULL, false},
        {"redis://a:1?user=ann&password=p%26w", "a:1", "ann", "p&w", false},
        {"redis://bob:x@a:1?user=ann&password=pw", "a:1", "ann", "pw", false},
        {"redis://a:1?tls=yes", "a:1", NULL, NULL, true},
        {"rediss://a:1?tls=yes", "a:1", NULL, NULL, true},
        {"redis://a:65535", "a:65535", NULL, NULL, false},
        {"unix:///run/redis.sock", "/run/redis.sock", NULL, NULL, false},
        {"unix:///run/my%20redis.sock?eager=yes", "/run/my redis.sock", NULL, NULL, false},
        {"unix://ann:pw@/run/redis.sock", "/run/redis.sock", "ann", "pw", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        kw_options *options = new_options();
        url_seeds seeds;
        kw_error err;
        if (url_parse(rows[i].url, options, &seeds, &err) != KW_OK) {
            fail_msg("%s: %s", rows[i].url, err.message);
        }
        char text[256];
        format_seeds(&seeds, text, sizeof text);
        assert_text(rows[i].url, text, rows[i].seeds);
        assert_text(rows[i].url, options->user, rows[i].user);
        assert_text(rows[i].url, options->password, rows[i].password);
        assert_int_equal(options->tls, rows[i].tls);
        kw_options_free(options);
    }
}

static void query_sets_options_over_those_given(void **state) {
    (void)state;
    kw_options *options = new_options();
    assert_int_equal(kw_options_set(options, "timeout_ms", "1", NULL), KW_OK);
    assert_int_equal(kw_options_set(options, "retry_min_ms", "2", NULL), KW_OK);
    assert_int_equal(kw_options_set(options, "tls", "yes", NULL), KW_OK);
    url_seeds seeds;
    kw_error err;
    assert_int_equal(url_parse("redis://a?timeout_ms=500&uncovered=fail&client_name=x%2by&"
                               "timeout_ms=600",
                               options, &seeds, &err),
                     KW_OK);
    assert_int_equal(options->config.timeout_us, 600000);
    assert_int_equal(options->config.retry_min_us, 2000);
    assert_int_equal(options->config.uncovered, UNCOVERED_FAIL);
    assert_string_equal(options->client_name, "x+y");
    assert_true(options->tls);
    kw_options_free(options);
}

static void bad_urls_are_refused_with_a_reason(void **state) {
    (void)state;
    static const struct {
        const char *url;
        const char *message;
    } rows[] = {
        {"", "must begin with"},
        {"127.0.0.1:7000", "must begin with"},
        {"http://a:1", "must begin with"},
        {"redis:/a:1", "must begin with"},
        {"redis://", "no host"},
        {"redis:///0", "no host"},
        {"redis://?eager=yes", "no host"},
        {"redis://:pw@", "no host"},
        {"redis://@a:1", "no password"},
        {"redis://ann:@a:1", "no password"},
        {"redis://a:1,", "a host is empty"},
        {"redis://,a:1", "a host is empty"},
        {"redis://:7000", "a host is empty"},
        {"redis://a:0", "the port of host \"a\" is not 1..65535"},
        {"redis://a:65536", "the port of host \"a\""},
        {"redis://a:", "the port of host \"a\""},
        {"redis://a:x", "the port of host \"a\""},
        {"redis://a:-1", "the port of host \"a\""},
        {"redis://b:1,a:99999999999999999999", "the port of host \"a\""},
        {"redis://::1", "stands in brackets"},
        {"redis://[::1", "a [ has no ]"},
        {"redis://[::1]7000", "only :port"},
        {"redis://[]:7000", "no IPv6 address"},
        {"redis://[a]:7000", "no IPv6 address"},
        {"redis://[:::]:7000", "no IPv6 address"},
        {"redis://a b:1", "no host name has"},
        {"redis://a%0a:1", "no host name has"},
        {"redis://a%2fb:1", "no host name has"},
        {"redis://a%:1", "in a host a %"},
        {"redis://a%4:1", "in a host a %"},
        {"redis://a%zz:1", "in a host a %"},
        {"redis://a%00:1", "in a host a %"},
        {"redis://ann:%x@a:1", "in the password a %"},
        {"redis://%x:pw@a:1", "in the user a %"},
        {"redis://a%20b:pw@a:1", "one word"},
        {"redis://a:1/1", "only /0"},
        {"redis://a:1/00", "only /0"},
        {"redis://a:1/0/", "only /0"},
        {"redis://a:1#x", "%23"},
        {"redis://a:1?eager", "option 1 is not of the form name=value"},
        {"redis://a:1?eager=yes&", "option 2 is not of the form"},
        {"redis://a:1?eager=yes&&", "option 2 is not of the form"},
        {"redis://a:1?nosuch=1", "there is no option \"nosuch\""},
        {"redis://a:1?=1", "there is no option"},
        {"redis://a:1?timeout_ms=0", "option timeout_ms: \"0\" is not a number from 1"},
        {"redis://a:1?timeout_ms=%x", "in option 1 a %"},
        {"redis://a:1?%x=1", "in option 1 a %"},
        {"rediss://a:1?tls=no", "asks for TLS"},
        {"unix://", "absolute path"},
        {"unix:///", "absolute path"},
        {"unix://a:1/x", "no host"},
        {"unix://relative", "no host"},
        {"unix:///01234567890123456789012345678901234567890123456789012345678901234567890123456789"
         "01234567890123456789012345678901",
         "too long"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        kw_options *options = new_options();
        url_seeds seeds = {.count = 77};
        kw_error err = {0};
        kw_status status = url_parse(rows[i].url, options, &seeds, &err);
        if (status != KW_ERR_INVALID || !strstr(err.message, rows[i].message)) {
            fail_msg("%s: status %d, %s", rows[i].url, (int)status, err.message);
        }
        assert_int_equal(err.status, KW_ERR_INVALID);
        assert_int_equal(seeds.count, 77);
        kw_options_free(options);
    }
}

static void no_url_is_refused(void **state) {
    (void)state;
    kw_options *options = new_options();
    url_seeds seeds;
    kw_error err;
    assert_int_equal(url_parse(NULL, options, &seeds, &err), KW_ERR_INVALID);
    assert_int_equal(url_parse(NULL, options, &seeds, NULL), KW_ERR_INVALID);
    kw_options_free(options);
}

/* Each holds S3CRET somewhere in what was meant as a password, mostly not encoded as it should be.
 */
static void password_is_never_shown(void **state) {
    (void)state;
    static const char *const urls[] = {
        "redis://:S3CRET@",
        "redis://:S3CRET@a:x",
        "redis://S3CRET@a:x",
        "redis://:S3CRET%x@a:1",
        "redis://:a/S3CRET@a:1",
        "redis://:S3CRET/a@a:1",
        "redis://:a?S3CRET@a:1",
        "redis://:S3CRET?a=b@a:1",
        "redis://:a#S3CRET@a:1",
        "redis://:S3CRET#a@a:1",
        "redis://:a@S3CRET@a:1",
        "redis://:S3CRET@b@a:1",
        "redis://:a@S3CRET/b@a:1",
        "redis://ann:S3CRET@a:1/7",
        "redis://a:1?password=S3CRET%x",
        "redis://a:1?password=a&S3CRET",
        "redis://a:1?password=a&S3CRET=b",
        "redis://a:1?password=a#S3CRET",
        "redis://a:1?password=a@S3CRET",
        "unix://:S3CRET@relative",
        "unix://:S3CRET@",
        "S3CRET@a:1",
        "redis:/:S3CRET@a:1",
    };
    for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++) {
        kw_options *options = new_options();
        url_seeds seeds;
        kw_error err = {0};
        assert_int_equal(url_parse(urls[i], options, &seeds, &err), KW_ERR_INVALID);
        assert_true(strlen(err.message) > 10);
        if (strstr(err.message, "S3CRET")) {
            fail_msg("%s: %s", urls[i], err.message);
        }
        kw_options_free(options);
    }
}

static void limits_are_held(void **state) {
    (void)state;
    char text[URL_BYTES_MAX + 64];
    for (size_t count = LIMIT_SEEDS; count <= LIMIT_SEEDS + 1; count++) {
        size_t len = (size_t)snprintf(text, sizeof text, "redis://h");
        for (size_t i = 1; i < count; i++) {
            len += (size_t)snprintf(text + len, sizeof text - len, ",h%zu", i);
        }
        kw_options *options = new_options();
        url_seeds seeds;
        assert_int_equal(url_parse(text, options, &seeds, NULL),
                         count <= LIMIT_SEEDS ? KW_OK : KW_ERR_INVALID);
        kw_options_free(options);
    }
    for (size_t len = LIMIT_HOST_BYTES; len <= LIMIT_HOST_BYTES + 1; len++) {
        (void)snprintf(text, sizeof text, "redis://%0*d:1", (int)len, 7);
        kw_options *options = new_options();
        url_seeds seeds;
        assert_int_equal(url_parse(text, options, &seeds, NULL),
                         len <= LIMIT_HOST_BYTES ? KW_OK : KW_ERR_INVALID);
        kw_options_free(options);
    }
    memset(text, 'a', sizeof text);
    memcpy(text, "redis://", 8);
    text[sizeof text - 1] = '\0';
    kw_options *options = new_options();
    url_seeds seeds;
    kw_error err;
    assert_int_equal(url_parse(text, options, &seeds, &err), KW_ERR_INVALID);
    assert_non_null(strstr(err.message, "longer than"));
    kw_options_free(options);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_urls_are_read),
        cmocka_unit_test(query_sets_options_over_those_given),
        cmocka_unit_test(bad_urls_are_refused_with_a_reason),
        cmocka_unit_test(no_url_is_refused),
        cmocka_unit_test(password_is_never_shown),
        cmocka_unit_test(limits_are_held),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
