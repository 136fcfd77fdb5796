/* The lab and a real cluster get thousands of generated commands while slots move between their
 * nodes; all they answer must be the same bytes, but for the differences listed with their reasons.
 *
 * A difference is cut down to the fewest steps that still show it, and printed as lines for
 * lab_differential.txt. To run that episode again: KEYWAY_DIFF_SEED as printed, and
 * KEYWAY_DIFF_COMMANDS=1. With a seed of one's own, and more commands, the test looks further. */
#include "integration/support/diff_rows.h"
#include "integration/support/diff_run.h"

#include "integration/support/diff_value.h"
#include "node/node_command.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    COMMANDS = 24000,
    EPISODE_STEPS = 160,
    FINDINGS_MAX = 8, /* then it is enough */
    SHRINK_MS_MAX = 15000,
    LAST_STEPS = 12,
    REPLY_SHOWN_MAX = 1500
};

static unsigned long long number_from(const char *variable, unsigned long long otherwise) {
    const char *text = getenv(variable);
    return text ? strtoull(text, NULL, 10) : otherwise;
}

static void path_of(char path[512], const char *name) {
    const char *source = getenv("KEYWAY_SOURCE");
    snprintf(path, 512, "%s/test/integration/%s", source ? source : ".", name);
}

/* -------------------------------------------------------------------------------- findings */

/* Runs what is left of the plan; true if its last step still differs. */
static bool still_differs(diff_run *r, const diff_plan *plan, const bool *left_out, size_t step) {
    diff_mismatch m;
    if (diff_run_plan(r, plan, left_out, &m)) {
        return false;
    }
    diff_mismatch_done(&m);
    return m.step == step;
}

/* Leaves out as many steps as it can. */
static void shrink(diff_run *r, const diff_plan *plan, bool *left_out, size_t step) {
    uint64_t end_us = now_us() + SHRINK_MS_MAX * 1000ull;
    for (size_t i = step + 1; i < plan->count; i++) {
        left_out[i] = true;
    }
    for (size_t width = step / 2; width > 0; width /= 2) {
        for (size_t first = 0; first < step && now_us() < end_us; first += width) {
            size_t end = first + width < step ? first + width : step;
            bool kept[2 * EPISODE_STEPS];
            memcpy(kept, left_out, plan->count * sizeof *kept);
            memset(left_out + first, true, (end - first) * sizeof *left_out);
            if (memcmp(kept, left_out, plan->count * sizeof *kept) != 0) {
                if (!still_differs(r, plan, left_out, step)) {
                    memcpy(left_out, kept, plan->count * sizeof *kept);
                }
            }
        }
    }
}

static void print_steps(const diff_plan *plan, const bool *left_out, size_t first, size_t last) {
    for (size_t i = first; i <= last; i++) {
        if (!left_out || !left_out[i]) {
            buffer line;
            buffer_init(&line, &mem_default, 0);
            diff_step_write(&line, &plan->steps[i]);
            printf("    %.*s\n", (int)buffer_len(&line), line.data + line.begin);
            buffer_done(&line);
        }
    }
}

static void print_reply(const char *name, const buffer *text) {
    size_t len = buffer_len(text);
    printf("  %-7s %.*s%s\n", name, (int)(len < REPLY_SHOWN_MAX ? len : REPLY_SHOWN_MAX),
           text->data + text->begin, len < REPLY_SHOWN_MAX ? "" : " ...");
}

static void report(diff_run *r, const diff_plan *plan, uint64_t seed, diff_mismatch *m) {
    bool left_out[2 * EPISODE_STEPS] = {false};
    printf("KEYWAY_DIFF_SEED=%llu, step %zu of %zu\n", (unsigned long long)seed, m->step,
           plan->count);
    print_steps(plan, NULL, m->step, m->step);
    print_reply("server:", &m->server);
    print_reply("lab:", &m->lab);
    if (still_differs(r, plan, NULL, m->step)) {
        shrink(r, plan, left_out, m->step);
        printf("  the fewest steps that show it:\n");
        print_steps(plan, left_out, 0, m->step);
    } else {
        printf("  a second run does not show it; the last steps:\n");
        print_steps(plan, NULL, m->step > LAST_STEPS ? m->step - LAST_STEPS : 0, m->step);
    }
    fflush(stdout);
    diff_mismatch_done(m);
}

/* True if an earlier finding was about the same command. */
static bool is_known(const diff_step *step) {
    static char seen[FINDINGS_MAX][64];
    static size_t count;
    char name[64];
    size_t len = slice_copy(name, sizeof name, step->argv[0]);
    if (len < 32 && step->argc > 1 && (len == 6 || len == 7)) { /* CLIENT, CLUSTER, COMMAND */
        slice_copy(name + len, sizeof name - len, step->argv[1]);
    }
    for (size_t i = 0; i < count; i++) {
        if (strcasecmp(seen[i], name) == 0) {
            return true;
        }
    }
    assert_true(count < FINDINGS_MAX);
    memcpy(seen[count++], name, sizeof name);
    return false;
}

/* ---------------------------------------------------------------------------------- the test */

static size_t run_episodes(diff_run *r, const diff_grammar *grammar, const diff_tag *tags,
                           uint64_t seed, size_t commands) {
    size_t findings = 0;
    size_t repeated = 0;
    prng seeds;
    prng_init(&seeds, seed);
    for (size_t planned = 0; planned < commands && findings < FINDINGS_MAX;) {
        diff_plan plan = {0};
        diff_mismatch m = {0};
        diff_plan_make(&plan, grammar, tags, seed, EPISODE_STEPS);
        assert_true(plan.count <= 2 * EPISODE_STEPS);
        planned += plan.count;
        if (!diff_run_plan(r, &plan, NULL, &m)) {
            if (is_known(&plan.steps[m.step])) {
                diff_mismatch_done(&m);
                repeated++;
            } else {
                findings++;
                report(r, &plan, seed, &m);
            }
        }
        diff_plan_done(&plan);
        seed = prng_next(&seeds);
    }
    if (repeated > 0) {
        printf("%zu more about the same commands\n", repeated);
    }
    return findings;
}

/* Each command of the node has a form in the grammar, or a line there that says why not. */
static void every_command_is_in_the_grammar(void **state) {
    (void)state;
    char path[512];
    path_of(path, "lab_grammar.txt");
    diff_grammar *grammar = diff_grammar_read(path);
    size_t missing = 0;
    for (size_t i = 0; i < node_command_count(); i++) {
        const node_command *command = node_command_at(i);
        for (size_t k = 0; k < command->subcommand_count; k++) {
            const char *name = command->subcommands[k].name;
            if (!diff_grammar_has(grammar, name)) {
                printf("no form of %s\n", name);
                missing++;
            }
        }
        if (!diff_grammar_has(grammar, command->name)) {
            printf("no form of %s\n", command->name);
            missing++;
        }
    }
    diff_grammar_free(grammar);
    assert_int_equal(missing, 0);
}

static void the_lab_answers_generated_commands_as_redis_server_does(void **state) {
    (void)state;
    char path[512];
    diff_tag tags[DIFF_TAGS];
    const redis_cluster_options options = {.primaries = 3, .replicas = 3, .node_timeout_ms = 3000};
    redis_cluster *cluster = redis_cluster_start(&options);
    diff_wait_for_replicas(cluster);
    path_of(path, "lab_grammar.txt");
    diff_grammar *grammar = diff_grammar_read(path);
    path_of(path, "lab_differences.txt");
    diff_list *differences = diff_list_read(path);
    diff_tags_choose(cluster, tags);
    diff_run *r = diff_run_new(cluster, differences, tags);

    uint64_t seed = number_from("KEYWAY_DIFF_SEED", 1);
    size_t commands = number_from("KEYWAY_DIFF_COMMANDS", COMMANDS);
    uint64_t start_us = now_us();
    size_t findings = run_episodes(r, grammar, tags, seed, commands);
    printf("%zu commands in %llu ms\n", diff_run_count(r),
           (unsigned long long)(now_us() - start_us) / 1000);
    diff_run_report(r);
    size_t never_met = diff_rows_report();
    size_t unused = diff_list_report(differences);

    diff_run_free(r);
    diff_list_free(differences);
    diff_grammar_free(grammar);
    redis_cluster_stop(cluster);
    assert_int_equal(findings, 0);
    if (commands >= COMMANDS) {
        assert_int_equal(unused, 0);
        assert_int_equal(never_met, 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_command_is_in_the_grammar),
        cmocka_unit_test(the_lab_answers_generated_commands_as_redis_server_does),
    };
    return cmocka_run_group_tests_name("lab_generated", tests, NULL, NULL);
}
