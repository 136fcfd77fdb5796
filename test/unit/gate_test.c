#include "io/gate.h"

#include "unit/support/unit.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

static void shut_gate_lets_nobody_in(void **state) {
    (void)state;
    gate g;
    gate_init(&g);
    assert_false(gate_is_shut(&g));
    assert_true(gate_enter(&g));
    assert_true(gate_shut(&g));
    assert_false(gate_shut(&g)); /* who shuts it first, shuts it alone */
    assert_true(gate_is_shut(&g));
    assert_false(gate_enter(&g));
    gate_leave(&g);
    assert_false(gate_enter(&g));
    gate_wait_empty(&g);
}

enum { THREADS = 8, ROUNDS = 50 };

typedef struct house {
    gate gate;
    char *rooms[THREADS]; /* freed when the last is out */
    atomic_int inside;
} house;

typedef struct visitor {
    house *house;
    int index;
} visitor;

static void *visit(void *arg) {
    const visitor *v = arg;
    house *h = v->house;
    while (gate_enter(&h->gate)) {
        atomic_fetch_add(&h->inside, 1);
        for (int i = 0; i < 100; i++) {
            h->rooms[v->index][i]++; /* the sanitizers see it if it is gone */
        }
        atomic_fetch_sub(&h->inside, 1);
        gate_leave(&h->gate);
        sched_yield();
    }
    return NULL;
}

static void last_one_out_lets_the_house_be_emptied(void **state) {
    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        pthread_t threads[THREADS];
        visitor visitors[THREADS];
        house h;
        gate_init(&h.gate);
        atomic_init(&h.inside, 0);
        for (int i = 0; i < THREADS; i++) {
            h.rooms[i] = calloc(1, 100);
            assert_non_null(h.rooms[i]);
            visitors[i] = (visitor){&h, i};
            assert_int_equal(pthread_create(&threads[i], NULL, visit, &visitors[i]), 0);
        }
        assert_true(gate_shut(&h.gate));
        gate_wait_empty(&h.gate);
        assert_int_equal(atomic_load(&h.inside), 0);
        for (int i = 0; i < THREADS; i++) {
            free(h.rooms[i]);
        }
        for (int i = 0; i < THREADS; i++) {
            pthread_join(threads[i], NULL);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shut_gate_lets_nobody_in),
        cmocka_unit_test(last_one_out_lets_the_house_be_emptied),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
