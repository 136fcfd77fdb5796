#include "tool/options.h"

#include "base/suggest.h"
#include "tool/out.h"

#include <getopt.h>
#include <stdio.h>
#include <unistd.h>

enum { ROWS_MAX = 32 };

static size_t row_count(const option_set *set) {
    size_t count = 0;
    while (set->rows[count].id != 0) {
        count++;
    }
    return count;
}

static void see_help(const option_set *set, const char *what) {
    bool asks = what[0] && what[strlen(what) - 1] == '?';
    complain("%s%s see `keyway%s%s --help`", what, asks ? "" : ";", set->command[0] ? " " : "",
             set->command);
}

exit_status option_usage_error(const option_set *set, const char *what) {
    see_help(set, what);
    return STATUS_USAGE;
}

/* Says what is wrong with the argument that getopt_long stumbled over. */
static void complain_option(const option_set *set, int found, char **argv) {
    const char *text = argv[optind - 1];
    char what[160];
    if (found == ':') {
        snprintf(what, sizeof what, "option %s needs a value", text);
    } else if (optopt > 0 && optopt < 256 && strncmp(text, "--", 2) != 0) {
        snprintf(what, sizeof what, "no option -%c", optopt);
    } else if (optopt != 0) {
        snprintf(what, sizeof what, "option %.60s takes no value", text);
    } else {
        const char *names[ROWS_MAX + 1];
        size_t count = row_count(set);
        for (size_t i = 0; i < count; i++) {
            names[i] = set->rows[i].name;
        }
        names[count] = NULL;
        const char *near = suggest(text + 2, names);
        snprintf(what, sizeof what, "no option %.60s%s%s%s", text, near ? " (did you mean --" : "",
                 near ? near : "", near ? "?)" : "");
    }
    see_help(set, what);
}

int option_next(const option_set *set, int argc, char **argv, const char **ret_value) {
    struct option longs[ROWS_MAX + 2] = {{"help", no_argument, NULL, OPTION_HELP}};
    char shorts[2 * ROWS_MAX + 8] = "+:h"; /* +: stop at the first argument that is no option */
    size_t at = strlen(shorts);
    for (size_t i = 0; set->rows[i].id != 0 && i < ROWS_MAX; i++) {
        const option_row *row = &set->rows[i];
        longs[i + 1] =
            (struct option){row->name, row->value ? required_argument : no_argument, NULL, row->id};
        if (row->id < 256) {
            shorts[at++] = (char)row->id;
            if (row->value) {
                shorts[at++] = ':';
            }
        }
    }
    shorts[at] = '\0';
    int found = getopt_long(argc, argv, shorts, longs, NULL);
    if (found == '?' || found == ':') {
        complain_option(set, found, argv);
        return OPTION_WRONG;
    }
    *ret_value = optarg;
    return found == -1 ? OPTION_END : found;
}

/* `-u, --url URL`, as the help has it on its left; its length. */
static int help_left(const option_row *row, char *ret, size_t size) {
    char letter[5] = "    ";
    if (row->id < 256) {
        snprintf(letter, sizeof letter, "-%c, ", row->id);
    }
    return snprintf(ret, size, "%s--%s%s%s", letter, row->name, row->value ? " " : "",
                    row->value ? row->value : "");
}

static void help_row(out *o, const option_row *row, int width) {
    char left[64];
    help_left(row, left, sizeof left);
    out_printf(o, "  %-*s %s\n", width, left, row->help);
}

void option_help(const option_set *set) {
    out o;
    int width = 22;
    char left[64];
    out_init(&o, STDOUT_FILENO);
    out_printf(&o, "usage: keyway%s%s%s%s\n\n%s\n\noptions:\n", set->command[0] ? " " : "",
               set->command, set->usage[0] ? " " : "", set->usage, set->about);
    for (const option_row *row = set->rows; row->id != 0; row++) {
        int len = help_left(row, left, sizeof left);
        width = len > width ? len : width;
    }
    for (const option_row *row = set->rows; row->id != 0; row++) {
        help_row(&o, row, width);
    }
    help_row(&o, &(option_row){OPTION_HELP, "help", NULL, "this text"}, width);
    if (set->after) {
        out_printf(&o, "\n%s\n", set->after);
    }
    out_done(&o);
}

bool option_number(const option_set *set, const char *name, const char *value, uint64_t min,
                   uint64_t max, uint64_t *ret) {
    uint64_t number = 0;
    if (!slice_to_u64(slice_text(value), &number) || number < min || number > max) {
        char what[160];
        snprintf(what, sizeof what, "option --%s takes a number from %llu to %llu, not `%.40s`",
                 name, (unsigned long long)min, (unsigned long long)max, value);
        see_help(set, what);
        return false;
    }
    *ret = number;
    return true;
}
