/* Where a command's keys are. The input is a command, its words apart by newlines: the table's
 * reading is held against a second, plain one of the same specifications, and against the node's,
 * which has a table of its own. The slot is worked out again bit by bit. After a byte of 255 come a
 * name and a reply to COMMAND INFO, which is learned first. */
#include "core/command.h"
#include "core/limits.h"
#include "core/reply.h"
#include "core/resp.h"
#include "core/slot.h"
#include "fuzz/fuzz.h"
#include "node/node_command.h"

enum { ARGV_MAX = 64, BYTES_MAX = 4096 };

typedef struct key_list {
    bool wrong; /* the arguments contradict the specification */
    size_t count;
    size_t at[ARGV_MAX * 4];
} key_list;

static const resp_limits limits = {.value_bytes = BYTES_MAX,
                                   .bulk_bytes = 1 << 10,
                                   .elements = 256,
                                   .values = 1 << 10,
                                   .depth = 8};

/* ------------------------------------------------------------------ a second reading */

static void add(key_list *keys, size_t at) {
    fuzz_check(keys->count < ARGV_MAX * 4);
    keys->at[keys->count++] = at;
}

static bool number(kw_slice s, long long *ret) {
    char digits[BYTES_MAX];
    char *end;
    if (s.len == 0 || s.len >= sizeof digits) {
        return false;
    }
    memcpy(digits, s.data, s.len);
    digits[s.len] = '\0';
    *ret = strtoll(digits, &end, 10);
    return strspn(digits, "-0123456789") == s.len && *end == '\0';
}

/* Where the search of a specification ends; 0: nowhere. */
static size_t begin_of(const key_spec *spec, const kw_slice *argv, size_t argc) {
    size_t found = 0;
    if (spec->begin == KEY_BEGIN_INDEX) {
        return (size_t)spec->index;
    }
    if (spec->begin == KEY_BEGIN_OPTION) {
        for (size_t i = (size_t)spec->index; i + 1 < argc; i++) {
            if (slice_is_nocase(argv[i], spec->keyword)) {
                found = found && spec->last < 0 ? found : i + 1;
                continue;
            }
            size_t skipped = 0;
            for (size_t k = 0; k < spec->skip_count && skipped == 0; k++) {
                skipped = slice_is_nocase(argv[i], spec->skips[k].option)
                              ? spec->skips[k].value_count
                              : 0;
            }
            i += skipped;
        }
        return found;
    }
    bool forward = spec->index >= 0;
    for (size_t n = 0; n < argc && found == 0; n++) {
        size_t i = forward ? n : argc - 1 - n;
        bool in_reach = forward ? n >= (size_t)spec->index : n + 1 >= (size_t)-spec->index && i > 0;
        if (in_reach && slice_is_nocase(argv[i], spec->keyword)) {
            found = i + 1;
        }
    }
    return found;
}

static void read_spec(const command_info *info, const key_spec *spec, const kw_slice *argv,
                      size_t argc, key_list *keys) {
    size_t begin = begin_of(spec, argv, argc);
    size_t step = spec->step > 0 ? (size_t)spec->step : 1;
    if (begin == 0 || begin >= argc) {
        int least = info->arity < 0 ? -info->arity : info->arity;
        bool fits = (int)argc == least || ((int)argc > least && info->arity < 0);
        keys->wrong = spec->begin == KEY_BEGIN_INDEX && !fits;
        return;
    }
    if (spec->not_if_empty && argv[begin].len == 0) {
        return;
    }
    if (spec->find == KEY_FIND_KEYNUM) {
        size_t at = begin + (size_t)spec->keynum_index;
        size_t first = begin + (size_t)spec->first_key;
        long long count = 0;
        keys->wrong = at >= argc || !number(argv[at], &count) || count < 0 || count > BYTES_MAX ||
                      (count > 0 && first + (size_t)(count - 1) * step >= argc);
        for (size_t i = 0; !keys->wrong && i < (size_t)count; i++) {
            add(keys, first + i * step);
        }
        return;
    }
    long last = spec->last >= 0 ? (long)begin + spec->last
                : spec->limit > 1
                    ? (long)(begin + (argc - begin) / (size_t)spec->limit) + spec->last
                    : (long)argc + spec->last;
    keys->wrong = last < (long)begin || last >= (long)argc;
    for (size_t i = begin; !keys->wrong && (long)i <= last; i += step) {
        add(keys, i);
    }
}

static void read_keys(const command_info *info, const kw_slice *argv, size_t argc, key_list *keys) {
    *keys = (key_list){.count = 0};
    for (size_t i = 0; i < info->spec_count && !keys->wrong; i++) {
        read_spec(info, &info->specs[i], argv, argc, keys);
    }
}

/* CRC16-XMODEM of the key, or of what stands in its first braces unless that is empty. */
static int slot_of(kw_slice key) {
    const char *open = memchr(key.data, '{', key.len);
    const char *end = key.data + key.len;
    const char *close = open ? memchr(open, '}', (size_t)(end - open)) : NULL;
    if (close && close > open + 1) {
        key = slice_of(open + 1, (size_t)(close - open - 1));
    }
    unsigned crc = 0;
    for (size_t i = 0; i < key.len * 8; i++) {
        unsigned bit = (unsigned char)key.data[i / 8] >> (7 - i % 8) & 1;
        crc = (crc << 1) ^ (((crc >> 15 & 1) ^ bit) ? 0x1021 : 0);
    }
    return (int)(crc & 16383);
}

/* ---------------------------------------------------------------------------- checks */

static bool collect(void *arg, size_t position) {
    add(arg, position);
    return true;
}

static void check_same(const key_list *a, const key_list *b) {
    fuzz_check(a->count == b->count);
    for (size_t i = 0; i < a->count; i++) {
        fuzz_check(a->at[i] == b->at[i]);
    }
}

static void check_route(const command_book *book, const kw_slice *argv, size_t argc,
                        const key_list *keys) {
    command_route route;
    int slot = SLOT_NONE;
    int other = SLOT_NONE;
    kw_status status = command_book_route(book, argv, argc, &route);
    for (size_t i = 0; i < keys->count && other == SLOT_NONE; i++) {
        int next = slot_of(argv[keys->at[i]]);
        other = slot != SLOT_NONE && next != slot ? next : SLOT_NONE;
        slot = slot == SLOT_NONE ? next : slot;
    }
    if (status == KW_ERR_CROSSSLOT) { /* found before what is wrong behind it */
        fuzz_check(other != SLOT_NONE && route.slot == slot && route.other_slot == other);
    } else {
        fuzz_check(status == KW_OK);
        fuzz_check(route.slot == (keys->wrong ? SLOT_NONE : slot));
        fuzz_check(keys->wrong || other == SLOT_NONE);
    }
}

/* MIGRATE host port "" ... without the word KEYS: a server takes the empty argument for the key,
 * the client sends the command anywhere and is redirected. */
static bool is_left_out(const command_info *info, const kw_slice *argv, size_t at) {
    for (size_t i = 0; i < info->spec_count; i++) {
        const key_spec *spec = &info->specs[i];
        if (spec->not_if_empty && (size_t)spec->index == at && argv[at].len == 0) {
            return true;
        }
    }
    return false;
}

/* The node looks at commands of the right number of arguments only, and says of those whose keys
 * are counted wrongly that they have none. */
static void check_node(const command_info *info, const kw_slice *argv, size_t argc,
                       const key_list *keys) {
    const node_command *container = NULL;
    const node_command *command = node_command_find(argv, argc, &container);
    node_key_range range;
    key_list theirs = {.count = 0};
    if (!command || !node_command_arity_fits(command, argc)) {
        return;
    }
    if (node_command_keys(command, argv, argc, &range)) {
        for (size_t i = 0; i < node_key_count(&range); i++) {
            size_t at = node_key_at(&range, i);
            fuzz_check(at > 0 && at < argc);
            if (!is_left_out(info, argv, at)) {
                add(&theirs, at);
            }
        }
    } else if (command->flags & NODE_MIGRATE) {
        return; /* a key and the word KEYS: it will be refused */
    } else if (command->flags & NODE_COUNTED_KEYS) {
        long long count = 0;
        fuzz_check(keys->wrong || (number(argv[command->first_key - 1], &count) && count == 0));
        return;
    }
    if (keys->wrong) {
        return;
    }
    fuzz_check(theirs.count == keys->count);
    for (size_t i = 0; i < keys->count; i++) { /* in whatever order */
        size_t same = 0;
        for (size_t k = 0; k < theirs.count; k++) {
            same += theirs.at[k] == keys->at[i];
        }
        fuzz_check(same == 1);
    }
}

static void check_command(const command_book *book, const kw_slice *argv, size_t argc) {
    command_route route;
    key_list naive;
    key_list ours = {.count = 0};
    fuzz_check(command_book_route(book, argv, argc, &route) != KW_ERR_NOMEM);
    if (!route.info) {
        return;
    }
    read_keys(route.info, argv, argc, &naive);
    kw_status status = command_keys(route.info, argv, argc, collect, &ours);
    fuzz_check((status == KW_ERR_INVALID) == naive.wrong);
    for (size_t i = 0; i < ours.count; i++) {
        fuzz_check(ours.at[i] > 0 && ours.at[i] < argc);
    }
    check_same(&ours, &naive);
    check_route(book, argv, argc, &naive);
    if (command_find(argv, argc) && !(route.info->flags & COMMAND_KEYS_UNKNOWN)) {
        check_node(route.info, argv, argc, &naive);
    }
}

/* ----------------------------------------------------------------------------- input */

static size_t split(kw_slice rest, kw_slice argv[ARGV_MAX]) {
    size_t argc = 0;
    while (argc < ARGV_MAX && slice_split(&rest, '\n', &argv[argc])) {
        argc++;
    }
    return argc;
}

/* A name, a line feed, and a reply; what is left is the command. */
static kw_slice learn(command_book *book, kw_slice rest) {
    kw_slice name;
    resp_scanner scanner;
    (void)slice_split(&rest, '\n', &name); /* one part is there always */
    resp_scanner_init(&scanner, &limits);
    if (!rest.data || resp_scan(&scanner, rest.data, rest.len) != RESP_DONE) {
        return slice_of("", 0);
    }
    size_t len = (size_t)scanner.offset;
    kw_reply *reply = reply_build(&mem_default, rest.data, len, scanner.node_count);
    fuzz_check(reply != NULL);
    fuzz_check(command_book_learn(book, name, reply) == KW_OK);
    command_route route = {.slot = SLOT_NONE};
    kw_status status = command_route_keys(reply, &route);
    fuzz_check((status == KW_ERR_CROSSSLOT) == (route.other_slot != SLOT_NONE));
    reply_free(reply);
    return slice_of(rest.data + len, rest.len - len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    command_book book;
    kw_slice argv[ARGV_MAX];
    if (size < 2 || size > BYTES_MAX) {
        return 0;
    }
    char *copy = fuzz_copy(data, size);
    kw_slice rest = slice_of(copy, size);
    command_book_init(&book, &mem_default, 1);
    if (data[0] == 255) {
        rest = learn(&book, slice_of(copy + 1, size - 1));
    }
    size_t argc = split(rest, argv);
    check_command(&book, argv, argc);
    command_book_done(&book);
    free(copy);
    return 0;
}
