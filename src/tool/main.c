#include "base/suggest.h"
#include "tool/out.h"
#include "tool/tool.h"

#include <locale.h>
#include <unistd.h>

const tool_command tool_commands[] = {
    {"exec", "runs one command, or those on standard input, and prints the replies", cmd_exec},
    {"slot", "shows the slot of each key", cmd_slot},
    {"map", "draws the cluster's slot map", cmd_map},
    {"bench", "puts a cluster under load, measures it, and checks what it did", cmd_bench},
    {"lab", "runs a cluster in this process for any client, and makes it misbehave", cmd_lab},
    {"demo", "shows the client at work while an embedded cluster changes under it", cmd_demo},
    {NULL, NULL, NULL},
};

static exit_status show_help(void) {
    out o;
    out_init(&o, STDOUT_FILENO);
    out_text(&o,
             "usage: keyway [-u URL]                a prompt\n"
             "       keyway COMMAND [ARGUMENT...]\n\n"
             "Talks to a Redis or Valkey Cluster: each command goes to the node that owns its\n"
             "key's slot, and keeps going there while slots move and nodes die.\n\ncommands:\n");
    for (const tool_command *command = tool_commands; command->name; command++) {
        out_printf(&o, "  %-6s %s\n", command->name, command->summary);
    }
    out_text(&o, "\noptions:\n"
                 "  -u, --url URL          the cluster, such as redis://127.0.0.1:7000\n"
                 "      --timeout MS       deadline of each command, in milliseconds\n"
                 "  -2, --resp2            speak RESP2, whose maps and sets are arrays\n"
                 "  -h, --help             this text; after a command, that command's\n"
                 "  -V, --version          the version\n\n"
                 "Without -u the cluster is that of KEYWAY_URL; with neither, an embedded one is\n"
                 "started. NO_COLOR switches colours off.\n");
    out_done(&o);
    return STATUS_OK;
}

static exit_status show_version(void) {
    out o;
    out_init(&o, STDOUT_FILENO);
    out_printf(&o, "keyway %s\n", kw_version());
    out_done(&o);
    return STATUS_OK;
}

static exit_status unknown_command(const char *word) {
    const char *names[sizeof tool_commands / sizeof tool_commands[0]];
    size_t count = 0;
    for (; tool_commands[count].name; count++) {
        names[count] = tool_commands[count].name;
    }
    names[count] = NULL;
    const char *near = suggest(word, names);
    if (near) {
        complain("no command `%s`; did you mean `keyway %s`?", word, near);
    } else {
        complain("no command `%s`; a server's command runs as `keyway exec %s ...`", word, word);
    }
    return STATUS_USAGE;
}

static const tool_command *find_command(const char *name) {
    for (const tool_command *command = tool_commands; command->name; command++) {
        if (slice_is(slice_text(name), command->name)) {
            return command;
        }
    }
    return NULL;
}

/* `keyway help lab` is `keyway lab --help`. */
static exit_status run_help(int argc, char **argv) {
    if (argc < 3) {
        return show_help();
    }
    const tool_command *command = find_command(argv[2]);
    char *help[] = {argv[2], (char[]){"--help"}, NULL};
    return command ? command->run(2, help) : unknown_command(argv[2]);
}

static exit_status run(int argc, char **argv) {
    setlocale(LC_CTYPE, ""); /* numbers stay as C writes them */
    if (argc > 1 && slice_is(slice_text(argv[1]), "help")) {
        return run_help(argc, argv);
    }
    if (argc > 1 &&
        (slice_is(slice_text(argv[1]), "--help") || slice_is(slice_text(argv[1]), "-h"))) {
        return show_help();
    }
    if (argc > 1 &&
        (slice_is(slice_text(argv[1]), "--version") || slice_is(slice_text(argv[1]), "-V"))) {
        return show_version();
    }
    if (argc < 2 || argv[1][0] == '-') {
        return cmd_prompt(argc, argv);
    }
    const tool_command *command = find_command(argv[1]);
    return command ? command->run(argc - 1, argv + 1) : unknown_command(argv[1]);
}

int main(int argc, char **argv) {
    return (int)run(argc, argv);
}
