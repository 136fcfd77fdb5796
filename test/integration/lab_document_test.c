/* What docs/lab.md shows is what happens. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "integration/support/shell.h"

static void snippets_print_what_is_shown(void **state) {
    (void)state;
    const char *source = getenv("KEYWAY_SOURCE");
    shell_result libraries = shell("ls \"$(dirname \"$KEYWAY\")\"/libkeyway-lab.a");
    bool built = libraries.status == 0;
    shell_result_done(&libraries);
    if (!built) {
        skip(); /* a build with sanitizers has no libraries for the C snippets */
    }
    shell_result r = shell("cd %s && test/integration/support/run_document --keyway \"$KEYWAY\" "
                           "docs/lab.md",
                           source ? source : ".");
    if (r.status != 0) {
        print_error("%s%s", r.out, r.err);
    }
    assert_int_equal(r.status, 0);
    shell_result_done(&r);
}

static void what_is_not_so_is_told(void **state) {
    (void)state;
    const char *source = getenv("KEYWAY_SOURCE");
    shell_result r = shell("cd $(mktemp -d) && trap 'rm -rf \"$PWD\"' EXIT && "
                           "printf '```console\\n$ echo one two\\none three\\n```\\n' >wrong.md && "
                           "%s/test/integration/support/run_document --keyway \"$KEYWAY\" wrong.md",
                           source ? source : "\"$OLDPWD\"");
    assert_int_equal(r.status, 1);
    assert_string_equal(r.err, "wrong.md: line 2: $ echo one two\nprints\none two\n\nnot\none "
                               "three\n");
    shell_result_done(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(snippets_print_what_is_shown),
        cmocka_unit_test(what_is_not_so_is_told),
    };
    return cmocka_run_group_tests_name("lab_document", tests, NULL, NULL);
}
