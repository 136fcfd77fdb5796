/* The checker of histories: each of its complaints is made to appear, and stays away else. A scene
 * has one key, so each write and each read is of it; texts are written as the tokens' numbers. */
#include "tool/bench_verify.h"

#include "base/buffer.h"
#include "unit/support/notation.h"
#include "unit/support/unit.h"

#include <stdlib.h>

enum { NODE = 0, OTHER_NODE = 1, TOKENS_MAX = 80, TOKEN_BYTES = 16, STEP_US = 1000 };

static const uint64_t LATER_US = 10 * 1000 * 1000;

typedef struct scene {
    bench_plan plan;
    bench_owners owners;
    bench_verify *v;
    prng random;
    uint64_t now_us;
    char tokens[TOKENS_MAX][TOKEN_BYTES + 1];
    unsigned token_count;
} scene;

static void own_all(scene *s, int16_t node) {
    for (int slot = 0; slot < KW_SLOT_COUNT; slot++) {
        s->owners.node[slot] = node;
    }
}

static int start(void **state) {
    scene *s = calloc(1, sizeof *s);
    assert_non_null(s);
    s->plan = (bench_plan){.keys = 1, .threads = 1, .prefix = "p:"};
    s->now_us = LATER_US;
    bench_owners_init(&s->owners);
    own_all(s, NODE);
    prng_init(&s->random, 1);
    s->v = bench_verify_new(&s->plan, &s->owners, 0, 7);
    *state = s;
    return 0;
}

static int stop(void **state) {
    scene *s = *state;
    bench_verify_free(s->v);
    free(s);
    return 0;
}

static const bench_verdict *verdict(const scene *s) {
    return bench_verify_verdict(s->v);
}

/* ------------------------------------------------------------- commands and replies */

static bench_check begin(scene *s, bool write, uint32_t client) {
    bench_check check;
    kw_slice argv[BENCH_CHECK_ARGUMENTS];
    s->now_us += STEP_US;
    assert_true(bench_verify_next(s->v, &s->random, write, client, s->now_us, &check));
    size_t argc = bench_verify_command(s->v, &check, argv);
    if (write) {
        assert_int_equal(argc, 3);
        assert_slice_is(argv[0], "APPEND");
        assert_int_equal(argv[2].len, TOKEN_BYTES);
        assert_int_equal(check.write, s->token_count);
        memcpy(s->tokens[s->token_count++], argv[2].data, TOKEN_BYTES);
    } else {
        assert_slice_is(argv[0], "GETRANGE");
    }
    return check;
}

/* In the notation of replies. */
static void end(scene *s, const bench_check *check, const char *text) {
    kw_reply *reply = notation_reply(text);
    s->now_us += STEP_US;
    bench_verify_end(s->v, check, reply, NULL, s->now_us);
    kw_reply_free(reply);
}

static void end_without_reply(scene *s, const bench_check *check, kw_outcome outcome) {
    const kw_error err = {.status = KW_ERR_CONNECTION, .outcome = outcome};
    s->now_us += STEP_US;
    bench_verify_end(s->v, check, NULL, &err, s->now_us);
}

/* A write whose reply says that the key is then so many tokens long. */
static void end_write(scene *s, const bench_check *check, int tokens) {
    char text[32];
    snprintf(text, sizeof text, "%d", tokens * TOKEN_BYTES);
    end(s, check, text);
}

static void write_acknowledged(scene *s, uint32_t client, int tokens) {
    bench_check check = begin(s, true, client);
    end_write(s, &check, tokens);
}

static void write_of_outcome(scene *s, kw_outcome outcome) {
    bench_check check = begin(s, true, 0);
    end_without_reply(s, &check, outcome);
}

/* The key as digits: each the number of a token; anything else stands for itself. */
static const char *spelled(const scene *s, const char *digits) {
    static char text[TOKENS_MAX * TOKEN_BYTES];
    char *at = text;
    *at++ = '\'';
    for (; *digits; digits++) {
        if (*digits >= '0' && *digits <= '9') {
            memcpy(at, s->tokens[*digits - '0'], TOKEN_BYTES);
            at += TOKEN_BYTES;
        } else {
            *at++ = *digits;
        }
    }
    *at++ = '\'';
    *at = '\0';
    return text;
}

static void read_shows(scene *s, const char *digits) {
    bench_check check = begin(s, false, 0);
    end(s, &check, spelled(s, digits));
}

static bench_check extra(scene *s, check_kind kind) {
    bench_check check;
    assert_true(bench_verify_extra(s->v, &check));
    assert_int_equal(check.kind, kind);
    return check;
}

static void remove_key(scene *s) {
    bench_check check = extra(s, CHECK_REMOVE);
    end(s, &check, "1");
}

/* The end: the key is read back as that, and judged. */
static void read_back_text(scene *s, const char *text) {
    bench_verify_finish(s->v);
    bench_check check = extra(s, CHECK_READ_BACK);
    end(s, &check, text);
    remove_key(s);
    assert_true(bench_verify_is_done(s->v));
    assert_int_equal(verdict(s)->histories, 1);
}

static void read_back(scene *s, const char *digits) {
    read_back_text(s, spelled(s, digits));
}

/* ------------------------------------------------------------------ what was found */

/* All that can be counted beside histories, writes and reads. */
typedef struct findings {
    uint64_t lost, stale, doubled, misplaced, ghosts, foreign;
    uint64_t lost_by_failover, stale_by_failover, ambiguous_done, ambiguous_gone, unread;
} findings;

/* These and no others; the first remark, if there is to be one, has this in it. */
static void expect(const scene *s, findings want, const char *remark) {
    const bench_verdict *v = verdict(s);
    const findings got = {v->lost,
                          v->stale,
                          v->doubled,
                          v->misplaced,
                          v->ghosts,
                          v->foreign,
                          v->lost_by_failover,
                          v->stale_by_failover,
                          v->ambiguous_done,
                          v->ambiguous_gone,
                          v->unread};
    if (memcmp(&got, &want, sizeof got) != 0) {
        fail_msg("lost %d stale %d doubled %d misplaced %d ghosts %d foreign %d", (int)v->lost,
                 (int)v->stale, (int)v->doubled, (int)v->misplaced, (int)v->ghosts,
                 (int)v->foreign);
    }
    assert_int_equal(bench_verdict_wrong(v), want.lost + want.stale + want.doubled +
                                                 want.misplaced + want.ghosts + want.foreign);
    if (!remark) {
        assert_int_equal(v->remark_count, 0);
    } else {
        assert_true(v->remark_count > 0);
        if (!strstr(v->remarks[0], remark)) {
            fail_msg("%s", v->remarks[0]);
        }
        assert_non_null(strstr(v->remarks[0], "p:verify:")); /* and which key it is */
    }
}

static void a_true_history_has_no_finding(void **state) {
    scene *s = *state;
    write_acknowledged(s, 0, 1);
    read_shows(s, "0");
    bench_check first = begin(s, true, 1);
    bench_check second = begin(s, true, 2);
    end_write(s, &second, 2); /* they were executed the other way round */
    end_write(s, &first, 3);
    read_shows(s, "21"); /* it asks for the last ones again */
    read_back(s, "021");
    expect(s, (findings){0}, NULL);
    assert_int_equal(verdict(s)->writes, 3);
    assert_int_equal(verdict(s)->reads, 2);
}

static void a_write_that_is_gone_is_lost(void **state) {
    scene *s = *state;
    write_acknowledged(s, 0, 1);
    write_acknowledged(s, 0, 2);
    read_back(s, "0");
    expect(s, (findings){.lost = 1},
           "write 1 was acknowledged, the key then 2 tokens long, and is gone");
}

static void a_key_that_is_gone_has_lost_all(void **state) {
    scene *s = *state;
    write_acknowledged(s, 0, 1);
    write_acknowledged(s, 0, 2);
    read_back_text(s, "~");
    expect(s, (findings){.lost = 2}, "write 0 was acknowledged");
}

static void a_read_that_shows_less_than_was_acknowledged_is_stale(void **state) {
    scene *s = *state;
    write_acknowledged(s, 0, 1);
    read_shows(s, "");
    read_back(s, "0");
    expect(s, (findings){.stale = 1}, "1 replies showed less than had been seen before");
}

static void a_read_that_began_before_the_write_ended_may_show_less(void **state) {
    scene *s = *state;
    bench_check read = begin(s, false, 0);
    write_acknowledged(s, 1, 1);
    end(s, &read, "''");
    read_back(s, "0");
    expect(s, (findings){0}, NULL);
}

static void a_token_twice_is_doubled(void **state) {
    scene *s = *state;
    write_acknowledged(s, 0, 1);
    read_back(s, "00");
    expect(s, (findings){.doubled = 1}, "write 0 is there twice, as tokens 0 and 1");
}

static void a_write_elsewhere_than_its_reply_said_is_misplaced(void **state) {
    scene *s = *state;
    bench_check first = begin(s, true, 1);
    bench_check second = begin(s, true, 2);
    end_write(s, &first, 1);
    end_write(s, &second, 2);
    read_back(s, "10");
    expect(s, (findings){.misplaced = 2}, "write 0 was told to be token 0, and is token 1");
}

static void a_write_before_an_older_one_of_its_client_is_misplaced(void **state) {
    scene *s = *state;
    bench_check first = begin(s, true, 1);
    bench_check second = begin(s, true, 1);
    end_write(s, &first, 2);
    end_write(s, &second, 1);
    read_back(s, "10");
    expect(s, (findings){.misplaced = 1}, "write 1 overtook write 0 of the same client");
}

static void a_write_not_executed_and_yet_there_is_a_ghost(void **state) {
    scene *s = *state;
    static const kw_outcome outcomes[] = {KW_NOT_SENT, KW_REJECTED, KW_NO_EFFECT};
    for (size_t i = 0; i < COUNT_OF(outcomes); i++) {
        write_of_outcome(s, outcomes[i]);
    }
    bench_check answered = begin(s, true, 0);
    end(s, &answered, "-ERR no");
    read_back(s, "0123");
    expect(s, (findings){.ghosts = 4}, "write 0 ended as not executed, and is token 0");
}

static void a_withdrawn_write_counts_as_not_executed(void **state) {
    scene *s = *state;
    bench_check check = begin(s, true, 0);
    bench_verify_withdraw(s->v, &check);
    write_acknowledged(s, 0, 1);
    read_back(s, "10");
    expect(s, (findings){.ghosts = 1}, "write 0 ended as not executed");
}

static void what_nobody_wrote_is_foreign(void **state) {
    scene *s = *state;
    write_acknowledged(s, 0, 1);
    read_back(s, "0abcdefghijklmno;");
    expect(s, (findings){.foreign = 1}, "token 1 is none that was written");
}

static void bytes_behind_the_tokens_are_foreign(void **state) {
    scene *s = *state;
    write_acknowledged(s, 0, 1);
    read_back(s, "0abc");
    expect(s, (findings){.foreign = 1}, "its 19 bytes are no whole tokens");
}

/* ------------------------------------------------------------------- what can be */

static void a_node_that_failed_takes_writes_with_it(void **state) {
    scene *s = *state;
    write_acknowledged(s, 0, 1);
    write_acknowledged(s, 0, 2);
    bench_owners_fail(&s->owners, NODE, false, s->now_us + 3000);
    bench_owners_fail(&s->owners, NODE, true, s->now_us + 4000);
    own_all(s, OTHER_NODE);
    s->now_us += 5000;
    write_acknowledged(s, 0, 2);
    read_back(s, "02");
    expect(s, (findings){.lost_by_failover = 1}, NULL);
    assert_int_equal(verdict(s)->oldest_lost_us, 3000);
}

static void a_failure_long_before_the_write_explains_nothing(void **state) {
    scene *s = *state;
    bench_owners_fail(&s->owners, NODE, true, s->now_us);
    s->now_us += 2 * LATER_US;
    write_acknowledged(s, 0, 1);
    read_back(s, "");
    expect(s, (findings){.lost = 1}, "is gone");
}

static void another_nodes_failure_explains_nothing(void **state) {
    scene *s = *state;
    write_acknowledged(s, 0, 1);
    bench_owners_fail(&s->owners, OTHER_NODE, true, s->now_us);
    read_back(s, "");
    expect(s, (findings){.lost = 1}, "is gone");
}

static void a_node_that_was_replaced_may_show_what_is_old(void **state) {
    scene *s = *state;
    bench_check early = begin(s, true, 0);
    own_all(s, OTHER_NODE);
    end_write(s, &early, 1);
    read_shows(s, "");
    bench_owners_fail(&s->owners, NODE, true, s->now_us);
    read_back(s, "0");
    expect(s, (findings){.stale_by_failover = 1}, NULL);
}

static void an_unknown_write_that_was_read_and_is_gone_was_lost_by_failover(void **state) {
    scene *s = *state;
    write_of_outcome(s, KW_MAYBE_EXECUTED);
    read_shows(s, "0");
    bench_owners_fail(&s->owners, NODE, true, s->now_us + STEP_US);
    read_shows(s, "");
    read_back(s, "");
    expect(s, (findings){.lost_by_failover = 1, .ambiguous_gone = 1}, NULL);
}

static void writes_of_unknown_outcome_are_counted_apart(void **state) {
    scene *s = *state;
    write_of_outcome(s, KW_MAYBE_EXECUTED);
    write_of_outcome(s, KW_MAYBE_EXECUTED);
    write_acknowledged(s, 0, 2);
    read_back(s, "12");
    expect(s, (findings){.ambiguous_done = 1, .ambiguous_gone = 1}, NULL);
}

static void a_key_that_nobody_answers_for_is_not_read_back(void **state) {
    scene *s = *state;
    write_acknowledged(s, 0, 1);
    bench_verify_finish(s->v);
    for (int tries = 0; tries < 4; tries++) {
        bench_check check = extra(s, CHECK_READ_BACK);
        end_without_reply(s, &check, KW_NO_EFFECT);
    }
    remove_key(s);
    assert_true(bench_verify_is_done(s->v));
    assert_int_equal(verdict(s)->histories, 0);
    expect(s, (findings){.unread = 1}, NULL);
}

/* ------------------------------------------------------------------------- keys */

static void a_full_key_is_judged_and_begun_anew_by_another_name(void **state) {
    scene *s = *state;
    char first[BENCH_PREFIX_MAX + 64];
    char text[BENCH_WRITES_MAX * TOKEN_BYTES + 3] = "'";
    kw_slice argv[BENCH_CHECK_ARGUMENTS];
    for (int i = 0; i < BENCH_WRITES_MAX; i++) {
        write_acknowledged(s, 0, i + 1);
        strcat(text, s->tokens[i]);
    }
    strcat(text, "'");
    bench_check check;
    assert_false(bench_verify_next(s->v, &s->random, true, 0, s->now_us, &check));
    check = extra(s, CHECK_READ_BACK);
    assert_int_equal(bench_verify_command(s->v, &check, argv), 2);
    assert_slice_is(argv[0], "GET");
    snprintf(first, sizeof first, "%.*s", (int)argv[1].len, argv[1].data);
    end(s, &check, text);
    remove_key(s);
    assert_int_equal(verdict(s)->histories, 1);
    s->token_count = 0;
    check = begin(s, true, 0);
    (void)bench_verify_command(s->v, &check, argv);
    assert_false(argv[1].len == strlen(first) && memcmp(argv[1].data, first, argv[1].len) == 0);
    end_write(s, &check, 1);
    assert_false(bench_verify_is_done(s->v));
    expect(s, (findings){0}, NULL);
}

static void verdicts_of_threads_add_up(void **state) {
    scene *s = *state;
    bench_verdict sum = {.lost = 1, .oldest_lost_us = 5};
    write_acknowledged(s, 0, 1);
    read_back(s, "00x");
    for (int i = 0; i < 3; i++) {
        bench_verdict_merge(&sum, verdict(s));
    }
    assert_int_equal(sum.doubled, 3);
    assert_int_equal(sum.foreign, 3);
    assert_int_equal(sum.lost, 1);
    assert_int_equal(sum.histories, 3);
    assert_int_equal(sum.oldest_lost_us, 5);
    assert_int_equal(bench_verdict_wrong(&sum), 7);
    assert_int_equal(sum.remark_count, BENCH_REMARKS); /* of six */
}

#define SCENE(test) cmocka_unit_test_setup_teardown(test, start, stop)

int main(void) {
    const struct CMUnitTest tests[] = {
        SCENE(a_true_history_has_no_finding),
        SCENE(a_write_that_is_gone_is_lost),
        SCENE(a_key_that_is_gone_has_lost_all),
        SCENE(a_read_that_shows_less_than_was_acknowledged_is_stale),
        SCENE(a_read_that_began_before_the_write_ended_may_show_less),
        SCENE(a_token_twice_is_doubled),
        SCENE(a_write_elsewhere_than_its_reply_said_is_misplaced),
        SCENE(a_write_before_an_older_one_of_its_client_is_misplaced),
        SCENE(a_write_not_executed_and_yet_there_is_a_ghost),
        SCENE(a_withdrawn_write_counts_as_not_executed),
        SCENE(what_nobody_wrote_is_foreign),
        SCENE(bytes_behind_the_tokens_are_foreign),
        SCENE(a_node_that_failed_takes_writes_with_it),
        SCENE(a_failure_long_before_the_write_explains_nothing),
        SCENE(another_nodes_failure_explains_nothing),
        SCENE(a_node_that_was_replaced_may_show_what_is_old),
        SCENE(an_unknown_write_that_was_read_and_is_gone_was_lost_by_failover),
        SCENE(writes_of_unknown_outcome_are_counted_apart),
        SCENE(a_key_that_nobody_answers_for_is_not_read_back),
        SCENE(a_full_key_is_judged_and_begun_anew_by_another_name),
        SCENE(verdicts_of_threads_add_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
