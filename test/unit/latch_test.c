#include "io/latch.h"

#include "unit/support/unit.h"

#include <pthread.h>

static void open_latch_is_not_waited_for(void **state) {
    (void)state;
    latch l;
    for (unsigned looks = 0; looks < 3; looks++) {
        latch_init(&l);
        latch_open(&l);
        assert_true(latch_wait(&l, looks));
    }
}

enum { ROUNDS = 2000 };

/* Two threads that wait for each other in turn; what one writes before it opens, the other reads.
 */
typedef struct pair {
    latch there[ROUNDS];
    latch back[ROUNDS];
    int number; /* no atomic: the latches order it */
} pair;

static pair both;

static void *answer(void *arg) {
    (void)arg;
    for (int i = 0; i < ROUNDS; i++) {
        (void)latch_wait(&both.there[i], (unsigned)i % 8 * 20);
        both.number++;
        latch_open(&both.back[i]);
    }
    return NULL;
}

static void waiting_ends_when_it_opens_and_sees_all_before(void **state) {
    (void)state;
    pthread_t thread;
    for (int i = 0; i < ROUNDS; i++) {
        latch_init(&both.there[i]);
        latch_init(&both.back[i]);
    }
    assert_int_equal(pthread_create(&thread, NULL, answer, NULL), 0);
    for (int i = 0; i < ROUNDS; i++) {
        both.number++;
        latch_open(&both.there[i]);
        (void)latch_wait(&both.back[i], (unsigned)i % 5 * 30);
        assert_int_equal(both.number, 2 * (i + 1));
    }
    pthread_join(thread, NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(open_latch_is_not_waited_for),
        cmocka_unit_test(waiting_ends_when_it_opens_and_sees_all_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
