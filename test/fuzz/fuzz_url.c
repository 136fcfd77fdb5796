/* A URL of kw_open: refused with a message that ends and never shows the password, or read into
 * seeds that are there. */
#include "client/url.h"
#include "fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char secret[] = "hunter2";
    url_seeds seeds = {.count = 0};
    kw_options *options = NULL;
    kw_error err = {.status = KW_OK};
    if (size > 4096) {
        return 0;
    }
    char *text = malloc(size + 1);
    fuzz_check(text && options_copy(&mem_default, NULL, &options) == KW_OK);
    if (size > 0) {
        memcpy(text, data, size);
    }
    text[size] = '\0';
    if (url_parse(text, options, &seeds, &err) == KW_OK) {
        fuzz_check(seeds.count > 0 && seeds.count <= LIMIT_SEEDS);
        for (size_t i = 0; i < seeds.count; i++) {
            fuzz_check(seeds.seeds[i].host[0] != '\0');
        }
    } else {
        fuzz_check(err.status != KW_OK && memchr(err.message, '\0', sizeof err.message));
        const char *at = strchr(text, '@');
        const char *found = strstr(text, secret);
        if (at && found && found < at && found > text && found[-1] == ':' &&
            !strstr(found + 1, secret)) {
            fuzz_check(strstr(err.message, secret) == NULL);
        }
    }
    kw_options_free(options);
    free(text);
    return 0;
}
