#include "unit/support/threaded.h"

#include "unit/support/unit.h"

#include <unistd.h>

kw_lab *lab;

int start_lab(void **state) {
    kw_error err;
    (void)state;
    return kw_lab_start(NULL, &lab, &err) == KW_OK ? 0 : -1;
}

int stop_lab(void **state) {
    (void)state;
    kw_lab_stop(lab);
    return 0;
}

int reset_lab(void **state) {
    (void)state;
    return kw_lab_reset(lab) == KW_OK ? 0 : -1;
}

kw_options *threaded_options(const char *name, const char *value) {
    kw_options *options = NULL;
    assert_int_equal(kw_options_new(&options), KW_OK);
    kw_options_set_io_thread(options, true);
    if (name) {
        assert_int_equal(kw_options_set(options, name, value, NULL), KW_OK);
    }
    return options;
}

kw_client *threaded_open(const char *name, const char *value) {
    kw_options *options = threaded_options(name, value);
    kw_client *c = NULL;
    kw_error err = {0};
    if (kw_open(kw_lab_url(lab), options, &c, &err) != KW_OK) {
        fail_msg("%s", err.message);
    }
    kw_options_free(options);
    return c;
}

void pause_owner(const char *key, bool paused) {
    int owner = kw_lab_owner(lab, kw_key_slot(key, strlen(key)));
    assert_true(owner >= 0);
    assert_int_equal(kw_lab_pause(lab, owner, paused), KW_OK);
}

void wait_for(const atomic_int *count, int want) {
    for (int i = 0; i < WAIT_ROUNDS && atomic_load(count) < want; i++) {
        usleep(WAIT_US);
    }
    assert_int_equal(atomic_load(count), want);
}

void wait_until_done(const kw_client *c) {
    for (int i = 0; i < WAIT_ROUNDS && kw_pending(c) > 0; i++) {
        usleep(WAIT_US);
    }
    assert_int_equal(kw_pending(c), 0);
}
