#include "base/wheel.h"

#include "base/prng.h"
#include "unit/support/unit.h"

#define TIMERS 200
#define HOUR_US (3600ull * 1000 * 1000)

static void timer_never_fires_before_its_time(void **state) {
    (void)state;
    static const uint64_t times[] = {1, 1023, 1024, 1025, 65536, 70000, 5000000, HOUR_US};
    for (size_t i = 0; i < COUNT_OF(times); i++) {
        wheel w;
        wheel_timer t;
        wheel_init(&w, 0);
        wheel_timer_init(&t);
        wheel_start(&w, &t, times[i]);
        wheel_advance(&w, times[i] - 1);
        assert_null(wheel_expired(&w));
        assert_true(wheel_running(&t));
        wheel_advance(&w, times[i] + WHEEL_TICK_US);
        assert_ptr_equal(wheel_expired(&w), &t);
        assert_false(wheel_running(&t));
        assert_null(wheel_expired(&w));
        assert_true(wheel_deadline_us(&w) == WHEEL_NEVER);
    }
}

static void time_in_the_past_fires_without_advance(void **state) {
    (void)state;
    wheel w;
    wheel_timer t;
    wheel_init(&w, HOUR_US);
    wheel_timer_init(&t);
    wheel_start(&w, &t, 5);
    assert_true(wheel_deadline_us(&w) <= HOUR_US);
    assert_ptr_equal(wheel_expired(&w), &t);
}

static void stopped_timer_never_fires(void **state) {
    (void)state;
    wheel w;
    wheel_timer a;
    wheel_timer b;
    wheel_init(&w, 0);
    wheel_timer_init(&a);
    wheel_timer_init(&b);
    wheel_start(&w, &a, 5000);
    wheel_start(&w, &b, 5000);
    wheel_stop(&w, &a);
    wheel_advance(&w, 10000);
    wheel_stop(&w, &b); /* expired, not yet fetched */
    assert_null(wheel_expired(&w));
    wheel_stop(&w, &b);
    assert_true(wheel_deadline_us(&w) == WHEEL_NEVER);
}

static void never_only_stops(void **state) {
    (void)state;
    wheel w;
    wheel_timer t;
    wheel_init(&w, 0);
    wheel_timer_init(&t);
    wheel_start(&w, &t, 5000);
    wheel_start(&w, &t, WHEEL_NEVER);
    assert_false(wheel_running(&t));
    assert_true(wheel_deadline_us(&w) == WHEEL_NEVER);
}

static void timers_fire_in_order_of_their_ticks(void **state) {
    (void)state;
    wheel w;
    wheel_timer timers[60];
    wheel_init(&w, 0);
    for (size_t i = 0; i < 60; i++) {
        wheel_timer_init(&timers[i]);
        wheel_start(&w, &timers[i], (60 - i) * WHEEL_TICK_US);
    }
    wheel_advance(&w, HOUR_US);
    for (size_t i = 60; i-- > 0;) {
        assert_ptr_equal(wheel_expired(&w), &timers[i]);
    }
}

static void timer_restarted_while_fetching_goes_to_its_new_time(void **state) {
    (void)state;
    wheel w;
    wheel_timer t;
    wheel_init(&w, 0);
    wheel_timer_init(&t);
    wheel_start(&w, &t, 2048);
    for (uint64_t now = 2048; now < 2048 * 100; now += 2048) {
        wheel_advance(&w, now);
        assert_ptr_equal(wheel_expired(&w), &t);
        wheel_start(&w, &t, now + 2048);
        assert_null(wheel_expired(&w));
        assert_true(wheel_deadline_us(&w) == now + 2048);
    }
}

static void far_times_have_their_place(void **state) {
    (void)state;
    wheel w;
    wheel_timer t;
    wheel_init(&w, 12345);
    wheel_timer_init(&t);
    wheel_start(&w, &t, WHEEL_NEVER - 1);
    assert_true(wheel_deadline_us(&w) <= WHEEL_NEVER - 1);
    wheel_advance(&w, UINT64_MAX / 2);
    assert_null(wheel_expired(&w));
    wheel_advance(&w, UINT64_MAX);
    assert_ptr_equal(wheel_expired(&w), &t);
}

/* Following the deadlines leads to the timer in a few steps, however far it is. */
static void deadlines_lead_to_the_timer(void **state) {
    (void)state;
    wheel w;
    wheel_timer t;
    uint64_t now = 987654321;
    uint64_t at = now + 1000 * HOUR_US + 17;
    wheel_init(&w, now);
    wheel_timer_init(&t);
    wheel_start(&w, &t, at);
    unsigned step_count = 0;
    while (wheel_running(&t)) {
        uint64_t deadline = wheel_deadline_us(&w);
        assert_true(deadline > now);
        assert_true(deadline < at + WHEEL_TICK_US);
        now = deadline;
        wheel_advance(&w, now);
        step_count++;
        if (wheel_expired(&w)) {
            assert_true(now >= at);
        }
        assert_true(step_count <= WHEEL_LEVELS);
    }
}

static uint64_t random_delay(prng *random) {
    uint64_t bits = prng_range(random, 0, 45);
    return prng_below(random, UINT64_C(1) << bits);
}

typedef struct model {
    wheel wheel;
    wheel_timer timers[TIMERS];
    uint64_t at[TIMERS]; /* as asked for; WHEEL_NEVER: not running */
    uint64_t now;
} model;

static uint64_t earliest(const model *m) {
    uint64_t at = WHEEL_NEVER;
    for (size_t i = 0; i < TIMERS; i++) {
        at = m->at[i] < at ? m->at[i] : at;
    }
    return at;
}

static void fetch_and_compare(model *m) {
    for (wheel_timer *t = wheel_expired(&m->wheel); t; t = wheel_expired(&m->wheel)) {
        size_t i = (size_t)(t - m->timers);
        assert_true(m->at[i] <= m->now);
        m->at[i] = WHEEL_NEVER;
    }
    for (size_t i = 0; i < TIMERS; i++) {
        assert_int_equal(wheel_running(&m->timers[i]), m->at[i] != WHEEL_NEVER);
        if (m->at[i] != WHEEL_NEVER) {
            assert_true(m->at[i] + WHEEL_TICK_US > m->now);
        }
    }
    uint64_t first = earliest(m);
    uint64_t deadline = wheel_deadline_us(&m->wheel);
    if (first == WHEEL_NEVER) {
        assert_true(deadline == WHEEL_NEVER);
    } else {
        assert_true(deadline <= first + WHEEL_TICK_US);
    }
}

static void random_timers_agree_with_a_naive_model(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        model m = {.now = seed * 999983};
        prng random;
        prng_init(&random, seed);
        wheel_init(&m.wheel, m.now);
        for (size_t i = 0; i < TIMERS; i++) {
            wheel_timer_init(&m.timers[i]);
            m.at[i] = WHEEL_NEVER;
        }
        for (int step = 0; step < 2000; step++) {
            size_t i = prng_below(&random, TIMERS);
            if (prng_below(&random, 4) == 0) {
                wheel_stop(&m.wheel, &m.timers[i]);
                m.at[i] = WHEEL_NEVER;
            } else {
                m.at[i] = m.now + random_delay(&random);
                wheel_start(&m.wheel, &m.timers[i], m.at[i]);
            }
            if (prng_below(&random, 8) == 0) {
                uint64_t deadline = wheel_deadline_us(&m.wheel);
                bool follow = prng_below(&random, 2) == 0 && deadline != WHEEL_NEVER;
                uint64_t next = follow ? deadline : m.now + random_delay(&random) / 64;
                m.now = next > m.now ? next : m.now;
                wheel_advance(&m.wheel, m.now);
                fetch_and_compare(&m);
            }
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(timer_never_fires_before_its_time),
        cmocka_unit_test(time_in_the_past_fires_without_advance),
        cmocka_unit_test(stopped_timer_never_fires),
        cmocka_unit_test(never_only_stops),
        cmocka_unit_test(timers_fire_in_order_of_their_ticks),
        cmocka_unit_test(timer_restarted_while_fetching_goes_to_its_new_time),
        cmocka_unit_test(far_times_have_their_place),
        cmocka_unit_test(deadlines_lead_to_the_timer),
        cmocka_unit_test(random_timers_agree_with_a_naive_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
