#include "core/command.h"

#include "core/limits.h"
#include "core/slot.h"
#include "unit/support/notation.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define ARGUMENTS_MAX 64

/* Splits at spaces; '' stands for an empty argument. */
static size_t split(const char *line, kw_slice argv[ARGUMENTS_MAX]) {
    size_t argc = 0;
    kw_slice rest = slice_text(line);
    kw_slice part;
    while (slice_split(&rest, ' ', &part)) {
        assert_true(argc < ARGUMENTS_MAX);
        argv[argc++] = slice_is(part, "''") ? slice_of("", 0) : part;
    }
    return argc;
}

static const command_info *find(const char *line) {
    kw_slice argv[ARGUMENTS_MAX];
    size_t argc = split(line, argv);
    return command_find(argv, argc);
}

/* --------------------------------------------------------------------- lookup */

static void every_name_finds_its_own_entry(void **state) {
    (void)state;
    assert_true(command_count() > 400);
    for (size_t i = 0; i < command_count(); i++) {
        const command_info *info = command_at(i);
        char lower[64];
        size_t len = strlen(info->name);
        assert_true(len < sizeof lower);
        for (size_t c = 0; c <= len; c++) {
            lower[c] = (char)tolower((unsigned char)info->name[c]);
        }
        assert_ptr_equal(find(info->name), info);
        assert_ptr_equal(find(lower), info);
    }
    assert_null(command_at(command_count()));
}

static void names_are_in_order(void **state) {
    (void)state;
    for (size_t i = 1; i < command_count(); i++) {
        assert_true(strcmp(command_at(i - 1)->name, command_at(i)->name) < 0);
    }
}

static void case_does_not_matter(void **state) {
    (void)state;
    assert_ptr_equal(find("gEt"), find("GET"));
    assert_ptr_equal(find("XGroup creatE k g"), find("XGROUP CREATE"));
    assert_string_equal(find("client no-touch on")->name, "CLIENT NO-TOUCH");
}

static void container_needs_a_known_subcommand(void **state) {
    (void)state;
    assert_string_equal(find("XGROUP")->name, "XGROUP");
    assert_true(find("XGROUP")->flags & COMMAND_CONTAINER);
    assert_null(find("XGROUP NOSUCH k"));
    assert_null(find("XGROUP CREATEX k"));
    assert_null(find("XGROUP CREAT k"));
}

static void assert_encoded_the_same(const command_seen *seen, const kw_slice *argv, size_t argc) {
    char wire[512];
    char expected[512];
    size_t len = (size_t)(resp_command_encode(expected, argv, argc) - expected);
    char *end = resp_short_encode(wire, argv, argc, &seen->name);
    assert_non_null(end);
    assert_int_equal(end - wire, len);
    assert_memory_equal(wire, expected, len);
}

static void plain_command_has_one_key_at_a_known_place(void **state) {
    (void)state;
    static const struct {
        const char *name;
        size_t argc;
        bool plain;
    } rows[] = {
        {"GET", 2, true},    {"get", 2, true},      {"GET", 1, false},    {"SET", 3, true},
        {"APPEND", 3, true}, {"EXPIREAT", 3, true}, {"MGET", 2, false},   {"PING", 2, false},
        {"BLPOP", 3, false}, {"XGROUP", 3, false},  {"NOSUCH", 3, false}, {"INCRBYFLOAT", 3, false},
        {"WATCH", 2, false}, {"", 2, false},        {"GET", 2, true},     {"GET", 0, false},
    };
    command_recent recent = {0};
    for (int round = 0; round < 2; round++) { /* looked up, and found again */
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
            const kw_slice argv[] = {slice_text(rows[i].name), SLICE_LITERAL("k"),
                                     SLICE_LITERAL("v")};
            const command_seen *seen = command_find_plain(&recent, argv, rows[i].argc);
            assert_true((seen != NULL) == rows[i].plain);
            if (seen) {
                assert_ptr_equal(seen->info, command_find(argv, rows[i].argc));
                assert_encoded_the_same(seen, argv, rows[i].argc);
            }
        }
    }
    const kw_slice padded[] = {SLICE_LITERAL("GET\0"), SLICE_LITERAL("k")};
    assert_null(command_find_plain(&recent, padded, 2));
}

static void unknown_names_are_not_found(void **state) {
    (void)state;
    const char *names[] = {"NOSUCH", "GETT", "GE", "''", "GETX", "\xff\xfe", "GET\n"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        assert_null(find(names[i]));
    }
    assert_null(command_find(NULL, 0));
}

static void two_words_in_one_argument_are_no_subcommand(void **state) {
    (void)state;
    kw_slice one = slice_text("XGROUP CREATE");
    assert_null(command_find(&one, 1));
    kw_slice with_zero = slice_of("GET\0", 4);
    assert_null(command_find(&with_zero, 1));
}

static void flags_are_the_servers(void **state) {
    (void)state;
    static const struct {
        const char *line;
        uint32_t flags;
    } rows[] = {
        {"GET", COMMAND_READONLY},
        {"SET", COMMAND_WRITE},
        {"SORT", COMMAND_WRITE},
        {"SORT_RO", COMMAND_READONLY},
        {"BITFIELD", COMMAND_WRITE},
        {"BITFIELD_RO", COMMAND_READONLY},
        {"EVAL", COMMAND_WRITE},
        {"EVALSHA", COMMAND_WRITE},
        {"FCALL", COMMAND_WRITE},
        {"EVAL_RO", COMMAND_READONLY},
        {"FCALL_RO", COMMAND_READONLY},
        {"PING", COMMAND_READONLY},
        {"TIME", COMMAND_READONLY},
        {"DBSIZE", COMMAND_READONLY},
        {"CLUSTER SLOTS", COMMAND_READONLY},
        {"SCRIPT LOAD", COMMAND_READONLY},
        {"CONFIG GET", COMMAND_READONLY | COMMAND_ADMIN},
        {"CONFIG SET", COMMAND_ADMIN},
        {"CONFIG RESETSTAT", COMMAND_ADMIN},
        {"FLUSHALL", COMMAND_WRITE},
        {"PUBLISH", COMMAND_PUBSUB},
        {"SPUBLISH", COMMAND_PUBSUB},
        {"BLPOP", COMMAND_WRITE | COMMAND_BLOCKING},
        {"XREAD", COMMAND_READONLY | COMMAND_BLOCKING},
        {"WAIT", COMMAND_BLOCKING},
        {"WAITAOF", COMMAND_BLOCKING},
        {"MULTI", COMMAND_STATEFUL},
        {"WATCH", COMMAND_STATEFUL},
        {"SELECT", COMMAND_STATEFUL},
        {"CLIENT TRACKING", COMMAND_STATEFUL},
        {"CLIENT REPLY", COMMAND_STATEFUL | COMMAND_NO_REPLY},
        {"MONITOR", COMMAND_STATEFUL | COMMAND_ADMIN | COMMAND_NO_REPLY},
        {"SSUBSCRIBE", COMMAND_STATEFUL | COMMAND_PUBSUB | COMMAND_NO_REPLY},
        {"HEXPIRE", COMMAND_WRITE},
        {"HTTL", COMMAND_READONLY},
        {"JSON.GET", COMMAND_READONLY},
        {"FT.SEARCH", COMMAND_READONLY},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const command_info *info = find(rows[i].line);
        assert_non_null(info);
        if (info->flags != rows[i].flags) {
            fail_msg("%s: flags %#x, not %#x", rows[i].line, info->flags, rows[i].flags);
        }
    }
}

static void no_table_command_needs_a_server_for_its_keys(void **state) {
    (void)state;
    for (size_t i = 0; i < command_count(); i++) {
        assert_int_equal(command_at(i)->flags & (COMMAND_KEYS_UNKNOWN | COMMAND_LEARNED), 0);
    }
}

/* ----------------------------------------------------------------------- keys */

typedef struct key_list {
    const kw_slice *argv;
    char text[512];
    size_t count;
} key_list;

static bool list_key(void *arg, size_t position) {
    key_list *list = arg;
    size_t at = strlen(list->text);
    kw_slice key = list->argv[position];
    (void)snprintf(list->text + at, sizeof list->text - at, "%s%.*s", list->count++ ? " " : "",
                   (int)key.len, key.data);
    return true;
}

#define INVALID "(invalid)"

/* A command line, and its keys. */
static const struct {
    const char *line;
    const char *keys;
} key_rows[] = {
    {"GET k", "k"},
    {"GET", INVALID},
    {"SET k v NX GET", "k"},
    {"PING", ""},
    {"PING hello", ""},
    {"MGET a b c", "a b c"},
    {"MSET a 1 b 2 c 3", "a b c"},
    {"MSETNX a 1 b 2", "a b"},
    {"MSETEX 2 a 1 b 2 EX 10", "a b"},
    {"MSETEX 3 a 1 b 2", INVALID},
    {"DEL a b", "a b"},
    {"RENAME a b", "a b"},
    {"COPY a b REPLACE", "a b"},
    {"SMOVE a b m", "a b"},
    {"LMOVE a b LEFT RIGHT", "a b"},
    {"BLMOVE a b LEFT RIGHT 0", "a b"},
    {"BLPOP a b 0", "a b"},
    {"BLPOP a", INVALID},
    {"BZPOPMIN a b c 1", "a b c"},
    {"BITOP AND d a b", "d a b"},
    {"LCS a b LEN", "a b"},
    {"PFMERGE d a b", "d a b"},
    {"SDIFFSTORE d a b", "d a b"},
    {"OBJECT ENCODING k", "k"},
    {"OBJECT HELP", ""},
    {"MEMORY USAGE k SAMPLES 5", "k"},
    {"MEMORY DOCTOR", ""},
    {"XGROUP CREATE k g $ MKSTREAM", "k"},
    {"XINFO STREAM k FULL", "k"},
    {"XADD k * f v", "k"},
    {"XREAD COUNT 2 BLOCK 0 STREAMS a b 0 0", "a b"},
    {"XREAD STREAMS streams 0", "streams"},
    {"XREAD STREAMS", ""},
    {"XREAD STREAMS a", INVALID},
    {"GEORADIUS k 1 2 3 km STORE", "k"},
    {"XREAD COUNT 2", ""},
    {"XREADGROUP GROUP streams c COUNT 1 STREAMS a b > >", "a b"},
    {"EVAL return 0", ""},
    {"EVAL return 2 a b c", "a b"},
    {"EVAL return 3 a b", INVALID},
    {"EVAL return x a b", INVALID},
    {"EVAL return -1 a", INVALID},
    {"EVAL return 9223372036854775807 a", INVALID},
    {"EVAL return 99999999999999999999 a", INVALID},
    {"EVAL return", INVALID},
    {"EVALSHA_RO sha 1 a x", "a"},
    {"FCALL f 1 a x", "a"},
    {"ZUNION 2 a b WEIGHTS 1 2", "a b"},
    {"ZUNIONSTORE d 2 a b", "d a b"},
    {"ZUNIONSTORE d 3 a b", INVALID},
    {"ZINTERCARD 2 a b LIMIT 1", "a b"},
    {"ZDIFFSTORE d 1 a", "d a"},
    {"ZRANGESTORE d s 0 -1", "d s"},
    {"SINTERCARD 2 a b", "a b"},
    {"LMPOP 2 a b LEFT", "a b"},
    {"BLMPOP 0 2 a b LEFT COUNT 3", "a b"},
    {"ZMPOP 1 a MIN", "a"},
    {"BZMPOP 1 2 a b MAX", "a b"},
    {"SORT k", "k"},
    {"SORT k STORE d", "k d"},
    {"sort k by w_* get # limit 0 5 store d", "k d"},
    {"SORT k BY store GET x", "k"},
    {"SORT k GET STORE STORE d", "k d"},
    {"SORT k STORE d STORE e", "k e"},
    {"SORT k STORE", "k"},
    {"SORT_RO k BY x GET y", "k"},
    {"GEORADIUS k 1 2 3 km", "k"},
    {"GEORADIUS k 1 2 3 km STORE d", "k d"},
    {"GEORADIUS k 1 2 3 km COUNT 1 STOREDIST d", "k d"},
    {"GEORADIUSBYMEMBER k m 3 km STORE d", "k d"},
    {"GEORADIUSBYMEMBER STORE m 3 km", "STORE"},
    {"GEOSEARCHSTORE d s FROMMEMBER m BYRADIUS 1 km", "d s"},
    {"MIGRATE h 1 k 0 100", "k"},
    {"MIGRATE h 1 '' 0 100 KEYS a b", "a b"},
    {"MIGRATE h 1 '' 0 100 COPY REPLACE AUTH keys KEYS a", "a"},
    {"MIGRATE h 1 '' 0 100 AUTH2 u keys KEYS keys b", "keys b"},
    {"MIGRATE h 1 '' 0 100", ""},
    {"RESTORE-ASKING k 0 p", "k"},
    {"SPUBLISH ch m", "ch"},
    {"SSUBSCRIBE a b", "a b"},
    {"SUNSUBSCRIBE", ""},
    {"SUNSUBSCRIBE a", "a"},
    {"PUBLISH ch m", ""},
    {"SUBSCRIBE a b", ""},
    {"WATCH a b", "a b"},
    {"TOUCH a b", "a b"},
    {"CLUSTER KEYSLOT k", ""},
    {"SCAN 0 MATCH x", ""},
    {"HEXPIRE k 10 FIELDS 1 f", "k"},
    {"HGETEX k FIELDS 1 f", "k"},
    {"DELIFEQ k v", "k"},
    {"DELEX k IFEQ v", "k"},
    {"VSIM k ELE e", "k"},
    {"XACKDEL k g IDS 1 1-1", "k"},
    {"JSON.SET k $ 1", "k"},
    {"JSON.MGET a b c $", "a b c"},
    {"JSON.MSET a $ 1 b $ 2", "a b"},
    {"JSON.DEBUG MEMORY k", "k"},
    {"JSON.DEBUG HELP", ""},
    {"CMS.MERGE d 2 a b WEIGHTS 1 1", "d a b"},
    {"TDIGEST.MERGE d 1 a", "d a"},
    {"TS.MADD a 1 2 b 3 4", "a b"},
    {"TS.CREATERULE a b AGGREGATION avg 1", "a b"},
    {"TS.MRANGE 0 1 FILTER a=b", ""},
    {"BF.ADD k x", "k"},
    {"FT.SEARCH idx q", ""},
    {"FT.SUGADD k s 1", "k"},
};

static void keys_are_found(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof key_rows / sizeof key_rows[0]; i++) {
        kw_slice argv[ARGUMENTS_MAX];
        size_t argc = split(key_rows[i].line, argv);
        const command_info *info = command_find(argv, argc);
        if (!info) {
            fail_msg("%s: not in the table", key_rows[i].line);
            return;
        }
        key_list list = {.argv = argv};
        kw_status status = command_keys(info, argv, argc, list_key, &list);
        const char *got = status == KW_OK ? list.text : INVALID;
        if (strcmp(got, key_rows[i].keys) != 0) {
            fail_msg("%s: keys \"%s\", not \"%s\"", key_rows[i].line, got, key_rows[i].keys);
        }
    }
}

static bool stop_at_once(void *arg, size_t position) {
    *(size_t *)arg = position;
    return false;
}

static void visiting_stops_when_told(void **state) {
    (void)state;
    kw_slice argv[ARGUMENTS_MAX];
    size_t argc = split("MGET a b c", argv);
    size_t position = 0;
    assert_int_equal(command_keys(command_find(argv, argc), argv, argc, stop_at_once, &position),
                     KW_OK);
    assert_int_equal(position, 1);
}

/* --------------------------------------------------------------------- routes */

static const struct {
    const char *line;
    const char *key; /* whose slot it is; NULL: none */
    bool crossed;
    bool reads_only;
    bool blocks;
} route_rows[] = {
    {"GET foo", "foo", false, true, false},
    {"get {foo}.1", "foo", false, true, false},
    {"SET foo v", "foo", false, false, false},
    {"MSET {a}1 x {a}2 y", "a", false, false, false},
    {"MSET a x b y", "a", true, false, false},
    {"MGET a a", "a", false, true, false},
    {"RENAME a b", "a", true, false, false},
    {"EVAL x 2 {k}a {k}b other", "k", false, false, false},
    {"EVAL x 2 a b", "a", true, false, false},
    {"EVAL_RO x 1 a", "a", false, true, false},
    {"EVAL x nonsense a", NULL, false, false, false},
    {"ZUNIONSTORE {d} 9 a", NULL, false, false, false},
    {"GET", NULL, false, true, false},
    {"PING", NULL, false, true, false},
    {"INFO", NULL, false, true, false},
    {"FLUSHALL", NULL, false, false, false},
    {"CONFIG SET a b", NULL, false, false, false},
    {"PUBLISH a b", NULL, false, false, false},
    {"SPUBLISH foo b", "foo", false, false, false},
    {"SSUBSCRIBE a b", "a", true, false, false},
    {"BLPOP foo 0", "foo", false, false, true},
    {"XREAD STREAMS foo 0", "foo", false, true, false},
    {"XREAD COUNT 1 block 5 STREAMS foo 0", "foo", false, true, true},
    {"XREAD STREAMS BLOCK 0", "BLOCK", false, true, false},
    {"XREADGROUP GROUP g c BLOCK 5 STREAMS foo >", "foo", false, false, true},
    {"XREADGROUP GROUP g c STREAMS foo >", "foo", false, false, false},
    {"WAIT 1 0", NULL, false, false, true},
};

static void commands_are_routed_by_their_keys(void **state) {
    (void)state;
    command_book book;
    command_book_init(&book, &mem_default, 1);
    for (size_t i = 0; i < sizeof route_rows / sizeof route_rows[0]; i++) {
        kw_slice argv[ARGUMENTS_MAX];
        size_t argc = split(route_rows[i].line, argv);
        const char *key = route_rows[i].key;
        int slot = key ? slot_of_key(slice_text(key)) : SLOT_NONE;
        command_route route;
        kw_status status = command_book_route(&book, argv, argc, &route);
        if (status != (route_rows[i].crossed ? KW_ERR_CROSSSLOT : KW_OK) || route.slot != slot ||
            route.reads_only != route_rows[i].reads_only || route.blocks != route_rows[i].blocks) {
            fail_msg("%s: status %d slot %d reads_only %d blocks %d", route_rows[i].line,
                     (int)status, route.slot, route.reads_only, route.blocks);
        }
        assert_int_equal(route.other_slot != SLOT_NONE, route_rows[i].crossed);
        assert_int_equal(route.key.len > 0, key != NULL);
    }
    command_book_done(&book);
}

static void crossslot_names_both_slots(void **state) {
    (void)state;
    command_book book;
    command_book_init(&book, &mem_default, 1);
    kw_slice argv[ARGUMENTS_MAX];
    size_t argc = split("DEL {a}x {a}y {b}z {c}", argv);
    command_route route;
    assert_int_equal(command_book_route(&book, argv, argc, &route), KW_ERR_CROSSSLOT);
    assert_int_equal(route.slot, slot_of_key(slice_text("a")));
    assert_int_equal(route.other_slot, slot_of_key(slice_text("b")));
    assert_ptr_equal(route.key.data, argv[1].data);
    command_book_done(&book);
}

static void command_without_arguments_is_invalid(void **state) {
    (void)state;
    command_book book;
    command_book_init(&book, &mem_default, 1);
    command_route route;
    assert_int_equal(command_book_route(&book, NULL, 0, &route), KW_ERR_INVALID);
    command_book_done(&book);
}

/* ------------------------------------------------------------------- learning */

static kw_status learn(command_book *book, const char *name, const char *text) {
    kw_reply *reply = notation_reply(text);
    kw_status status = command_book_learn(book, slice_text(name), reply);
    kw_reply_free(reply);
    return status;
}

static kw_status route_line(const command_book *book, const char *line, command_route *ret) {
    kw_slice argv[ARGUMENTS_MAX];
    size_t argc = split(line, argv);
    return command_book_route(book, argv, argc, ret);
}

#define SPEC3(begin, find) "{'flags' <+RW> 'begin_search' " begin " 'find_keys' " find "}"
#define INDEX3(i) "{'type' 'index' 'spec' {'index' " i "}}"
#define RANGE3(last, step, limit)                                                                  \
    "{'type' 'range' 'spec' {'lastkey' " last " 'keystep' " step " 'limit' " limit "}}"

#define ONE_SPEC SPEC3(INDEX3("1"), RANGE3("0", "1", "0")) " "
#define FOUR_SPECS ONE_SPEC ONE_SPEC ONE_SPEC ONE_SPEC
#define SEVENTEEN_SPECS FOUR_SPECS FOUR_SPECS FOUR_SPECS FOUR_SPECS ONE_SPEC

static void unknown_command_is_learned_once(void **state) {
    (void)state;
    command_book book;
    command_book_init(&book, &mem_default, 1);
    command_route route;
    assert_int_equal(route_line(&book, "MY.CMD x foo", &route), KW_OK);
    assert_null(route.info);
    assert_int_equal(learn(&book, "my.cmd",
                           "[['my.cmd' -3 <+readonly> 0 0 0 <> <> [" SPEC3(
                               INDEX3("2"), RANGE3("0", "1", "0")) "] []]]"),
                     KW_OK);
    assert_int_equal(route_line(&book, "My.Cmd x foo", &route), KW_OK);
    assert_non_null(route.info);
    assert_string_equal(route.info->name, "MY.CMD");
    assert_true(route.info->flags & COMMAND_LEARNED);
    assert_true(route.reads_only);
    assert_int_equal(route.slot, slot_of_key(slice_text("foo")));
    const command_info *before = route.info;
    assert_int_equal(learn(&book, "MY.CMD", "[~]"), KW_OK);
    assert_int_equal(route_line(&book, "MY.CMD x foo", &route), KW_OK);
    assert_ptr_equal(route.info, before);
    command_book_done(&book);
}

/* A reply of COMMAND INFO, and the keys of a line that it then gives; NULL: to be asked. */
static const struct {
    const char *reply;
    const char *line;
    const char *keys;
} learn_rows[] = {
    /* RESP2: flat arrays for maps */
    {"[['x' -2 [+write] 1 1 1 [] [] [['flags' [+RW] 'begin_search' ['type' 'index' 'spec' "
     "['index' 1]] 'find_keys' ['type' 'range' 'spec' ['lastkey' -1 'keystep' 2 'limit' 0]]]] []]]",
     "X a 1 b 2", "a b"},
    {"[['x' -2 <+write> 0 0 0 <> <> [" SPEC3(
         INDEX3("1"), "{'type' 'keynum' 'spec' {'keynumidx' 0 'firstkey' 1 'keystep' 1}}") "] []]]",
     "X 2 a b c", "a b"},
    {"[['x' -2 <+write> 0 0 0 <> <> [" SPEC3(
         "{'type' 'keyword' 'spec' {'keyword' 'KEYS' 'startfrom' 1}}",
         RANGE3("-1", "1", "0")) "] []]]",
     "X y keys a b", "a b"},
    {"[['x' -2 <+write> 0 0 0 <> <> [" SPEC3(
         "{'type' 'keyword' 'spec' {'keyword' 'KEYS' 'startfrom' -2}}",
         RANGE3("-1", "1", "0")) "] []]]",
     "X KEYS y keys a b", "a b"},
    {"[['x' -2 <+write> 0 0 0 <> <> [" SPEC3(
         "{'type' 'keyword' 'spec' {'keyword' 'KEYS' 'startfrom' -9}}",
         RANGE3("-1", "1", "0")) "] []]]",
     "X a keys b", ""}, /* before the first word there is nothing */
    {"[['x' -2 <+write> 0 0 0 <> <> [" SPEC3(
         "{'type' 'keyword' 'spec' {'keyword' 'KEYS' 'startfrom' -1}}",
         RANGE3("-1", "1", "0")) "] []]]",
     "X a b", ""},
    {"[['x' -2 <+write> 0 0 0 <> <> [] []]]", "X a b", ""},
    {"[['x' -2 <+pubsub> 1 1 1 <> <> [{'flags' <+not_key> 'begin_search' " INDEX3(
         "1") " 'find_keys' " RANGE3("0", "1", "0") "}] []]]",
     "X a b", ""},
    /* before Redis 7: first, last, step */
    {"[['x' -2 [+write] 1 1 1]]", "X a b", "a"},
    {"[['x' -2 [+write] 2 -1 2]]", "X y a 1 b 2", "a b"},
    {"[['x' -2 [+write] 0 0 0]]", "X a b", ""},
    {"[['x' -2 [+write +movablekeys] 1 1 1]]", "X a b", NULL},
    {"[['x' -2 [+write] 1 1 0]]", "X a b", NULL},
    {"[['x' -2 [+write] 5 2 1]]", "X a b", NULL},
    {"[['x' -2 [+write] 100000 100000 1]]", "X a b", NULL},
    {"[['x' -2 [+write] -1 -1 1]]", "X a b", NULL},
    {"[['x' -2 [+write] 1 40000 1]]", "X a b", NULL},
    {"[['x' -2 [+write] 1 -40000 1]]", "X a b", NULL},
    {"[['x' -2 [+write] 1 -1 40000]]", "X a b", NULL},
    {"[['x' 40000 [+write] 1 1 1]]", "X a b", "a"}, /* the arity does not matter for the keys */
    {"[['x' -40000 [+write] 1 1 1]]", "X a b", "a"},
    /* what specifications cannot say */
    {"[['x' -2 <+write> 0 0 0 <> <> [" SPEC3("{'type' 'unknown' 'spec' {}}",
                                             "{'type' 'unknown' 'spec' {}}") "] []]]",
     "X a b", NULL},
    {"[['x' -2 <+write> 0 0 0 <> <> [{'flags' <+incomplete> 'begin_search' " INDEX3(
         "1") " 'find_keys' " RANGE3("0", "1", "0") "}] []]]",
     "X a b", NULL},
    {"[['x' -2 <+write> 0 0 0 <> <> [" SPEC3(INDEX3("0"), RANGE3("0", "1", "0")) "] []]]", "X a b",
     NULL},
    {"[['x' -2 <+write> 0 0 0 <> <> [" SPEC3(INDEX3("70000"), RANGE3("0", "1", "0")) "] []]]",
     "X a b", NULL},
    {"[['x' -2 <+write> 0 0 0 <> <> [" SPEC3(INDEX3("1"), RANGE3("0", "0", "0")) "] []]]", "X a b",
     NULL},
    {"[['x' -2 <+write> 0 0 0 <> <> [" SPEC3("{'type' 'index' 'spec' {'index' 'one'}}",
                                             RANGE3("0", "1", "0")) "] []]]",
     "X a b", NULL},
    {"[['x' -2 <+write> 0 0 0 <> <> [" SPEC3("{'type' 'index'}", RANGE3("0", "1", "0")) "] []]]",
     "X a b", NULL},
    {"[['x' -2 <+write> 0 0 0 <> <> [" SPEC3(
         "{'type' 'keyword' 'spec' {'keyword' 'KEYS' 'startfrom' 100}}",
         RANGE3("0", "1", "0")) "] []]]",
     "X a b", NULL},
    {"[['x' -2 <+write> 0 0 0 <> <> [" SPEC3("{'type' 'keyword' 'spec' {'startfrom' 1}}",
                                             RANGE3("0", "1", "0")) "] []]]",
     "X a b", NULL},
    {"[['x' -2 <+write> 0 0 0 <> <> [" SPEC3(
         "{'type' 'keyword' 'spec' {'keyword' '' 'startfrom' 1}}", RANGE3("0", "1", "0")) "] []]]",
     "X a b", NULL},
    {"[['x' -2 <+write> 0 0 0 <> <> [" SPEC3(
         "{'type' 'keyword' 'spec' {'keyword' 'SIXTEEN-LETTERS-' 'startfrom' 1}}",
         RANGE3("0", "1", "0")) "] []]]",
     "X a b", NULL},
    {"[['x' -2 <+write> 0 0 0 <> <> [{'flags' <+RW> 'begin_search' " INDEX3("1") "}] []]]", "X a b",
     NULL},
    {"[['x' -2 <+write> 0 0 0 <> <> [" SPEC3(
         INDEX3("1"), "{'type' 'range' 'spec' {'keystep' 1 'limit' 0}}") "] []]]",
     "X a b", NULL},
    {"[['x' -2 <+write> 0 0 0 <> <> [" SPEC3(
         INDEX3("1"), "{'type' 'range' 'spec' {'lastkey' 0 'keystep' 1}}") "] []]]",
     "X a b", NULL},
    {"[['x' -2 <+write> 0 0 0 <> <> [" SPEC3(
         INDEX3("1"), "{'type' 'keynum' 'spec' {'firstkey' 1 'keystep' 1}}") "] []]]",
     "X 1 b", NULL},
    {"[['x' -2 <+write> 0 0 0 <> <> [" SPEC3(
         INDEX3("1"), "{'type' 'keynum' 'spec' {'keynumidx' 0 'keystep' 1}}") "] []]]",
     "X 1 b", NULL},
    {"[['x' -2 <+write> 0 0 0 <> <> [" SPEC3(INDEX3("1"),
                                             "{'type' 'other' 'spec' {'keystep' 1}}") "] []]]",
     "X 1 b", NULL},
    {"[['x' -2 <+write> 0 0 0 <> <> [" SEVENTEEN_SPECS "] []]]", "X a b", NULL},
    {"[['x' -2 <+write> 0 0 0 <> <> [7] []]]", "X a b", NULL},
    {"[['x' -2 <+write> 0 0 0 <> <> [{}] []]]", "X a b", NULL},
    /* what the server does not know, or nonsense: keyless, not asked again */
    {"[~]", "X a b", ""},
    {"[_]", "X a b", ""},
    {"[]", "X a b", ""},
    {"[7]", "X a b", ""},
    {"[['x' -2]]", "X a b", ""},
    {"-NOPERM no permissions", "X a b", ""},
    {"'x'", "X a b", ""},
};

static void specifications_are_learned(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof learn_rows / sizeof learn_rows[0]; i++) {
        command_book book;
        command_book_init(&book, &mem_default, 1);
        assert_int_equal(learn(&book, "x", learn_rows[i].reply), KW_OK);
        kw_slice argv[ARGUMENTS_MAX];
        size_t argc = split(learn_rows[i].line, argv);
        command_route route;
        kw_status status = command_book_route(&book, argv, argc, &route);
        assert_true(status == KW_OK || status == KW_ERR_CROSSSLOT);
        assert_non_null(route.info);
        assert_false(route.reads_only);
        key_list list = {.argv = argv};
        assert_int_equal(command_keys(route.info, argv, argc, list_key, &list), KW_OK);
        bool asks = (route.info->flags & COMMAND_KEYS_UNKNOWN) != 0;
        const char *want = learn_rows[i].keys;
        if (asks != (want == NULL) || strcmp(list.text, want ? want : "") != 0) {
            fail_msg("%s: asks %d, keys \"%s\"", learn_rows[i].reply, asks, list.text);
        }
        command_book_done(&book);
    }
}

static void subcommands_are_learned_with_their_container(void **state) {
    (void)state;
    command_book book;
    command_book_init(&book, &mem_default, 1);
    command_route route;
    assert_int_equal(route_line(&book, "XGROUP NEWSUB foo", &route), KW_OK);
    assert_null(route.info);
    assert_int_equal(
        learn(&book, "xgroup",
              "[['xgroup' -2 <> 0 0 0 <> <> [] ["
              "['xgroup|newsub' -3 <+write> 2 2 1 <> <> [" SPEC3(
                  INDEX3("2"),
                  RANGE3("0", "1", "0")) "] []]"
                                         " ['other|sub' -3 <+write> 2 2 1 <> <> [] []] [] 7]]]"),
        KW_OK);
    assert_int_equal(route_line(&book, "xgroup newsub foo", &route), KW_OK);
    assert_string_equal(route.info->name, "XGROUP NEWSUB");
    assert_int_equal(route.slot, slot_of_key(slice_text("foo")));
    /* One that the server does not know either is not asked for again. */
    assert_int_equal(route_line(&book, "XGROUP NOSUCH foo", &route), KW_OK);
    assert_string_equal(route.info->name, "XGROUP");
    assert_int_equal(route.slot, SLOT_NONE);
    /* The table's own stay. */
    assert_int_equal(route_line(&book, "XGROUP CREATE foo g $", &route), KW_OK);
    assert_int_equal(route.info->flags & COMMAND_LEARNED, 0);
    command_book_done(&book);
}

static void names_that_are_too_long_are_left_out(void **state) {
    (void)state;
    command_book book;
    command_book_init(&book, &mem_default, 1);
    char name[256];
    char text[1024];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    assert_int_equal(learn(&book, name, "[~]"), KW_OK);
    assert_int_equal(map_count(&book.learned), 0);
    snprintf(text, sizeof text,
             "[['x' -2 <> 0 0 0 <> <> [] [['x|%s' -3 <+write> 1 1 1 <> <> [] []]"
             " ['x|fits' -3 <+write> 1 1 1 <> <> [] []]]]]",
             name);
    assert_int_equal(learn(&book, "x", text), KW_OK);
    assert_int_equal(map_count(&book.learned), 2);
    command_route route;
    assert_int_equal(route_line(&book, "X FITS", &route), KW_OK);
    assert_string_equal(route.info->name, "X FITS");
    assert_int_equal(route_line(&book, "X", &route), KW_OK);
    assert_string_equal(route.info->name, "X");
    snprintf(text, sizeof text, "X %s", name);
    assert_int_equal(route_line(&book, text, &route), KW_OK);
    assert_string_equal(route.info->name, "X");
    command_book_done(&book);
}

static void what_cannot_be_learned_is_not_asked_for(void **state) {
    (void)state;
    command_book book;
    command_book_init(&book, &mem_default, 1);
    char name[256];
    memset(name, 'N', sizeof name);
    kw_slice argv[] = {slice_of(name, sizeof name), slice_text("k")};
    command_route route;
    assert_int_equal(command_book_route(&book, argv, 2, &route), KW_OK);
    assert_non_null(route.info);
    assert_int_equal(route.slot, SLOT_NONE);
    for (unsigned i = 0; i < LIMIT_LEARNED_COMMANDS + 5; i++) {
        (void)snprintf(name, sizeof name, "CMD%u", i);
        assert_int_equal(learn(&book, name, "[~]"), KW_OK);
    }
    assert_int_equal(map_count(&book.learned), LIMIT_LEARNED_COMMANDS);
    assert_int_equal(route_line(&book, "ONEMORE k", &route), KW_OK);
    assert_non_null(route.info);
    assert_false(route.reads_only);
    command_book_done(&book);
}

static void *refuse_alloc(void *arg, size_t size) {
    int *left = arg;
    return (*left)-- > 0 ? malloc(size) : NULL;
}

static void *refuse_resize(void *arg, void *ptr, size_t size) {
    int *left = arg;
    return (*left)-- > 0 ? realloc(ptr, size) : NULL;
}

static void plain_release(void *arg, void *ptr) {
    (void)arg;
    free(ptr);
}

static void learning_survives_every_failed_allocation(void **state) {
    (void)state;
    bool done = false;
    int failures = 0;
    for (int allowed = 0; !done; allowed++) {
        assert_true(allowed < 100);
        int left = allowed;
        mem m = {refuse_alloc, refuse_resize, plain_release, &left};
        command_book book;
        command_book_init(&book, &m, 1);
        const char *text = "[['x' -2 <+write> 0 0 0 <> <> [] ["
                           "['x|a' -2 <+write> 0 0 0 <> <> [] []]]]]";
        kw_status status = learn(&book, "X", text);
        done = status == KW_OK;
        failures += status == KW_ERR_NOMEM;
        assert_int_equal(map_get(&book.learned, SLICE_LITERAL("X")) != NULL, done);
        command_book_done(&book);
    }
    assert_true(failures >= 2);
}

static void slot_comes_from_getkeys(void **state) {
    (void)state;
    static const struct {
        const char *reply;
        const char *key;
        const char *other;
    } rows[] = {
        {"['foo']", "foo", NULL},
        {"['{a}1' '{a}2']", "a", NULL},
        {"['a' 'a' 'b' 'c']", "a", "b"},
        {"[]", NULL, NULL},
        {"-ERR The command has no key arguments", NULL, NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        kw_reply *reply = notation_reply(rows[i].reply);
        command_route route = {.slot = 77};
        kw_status status = command_route_keys(reply, &route);
        assert_int_equal(status, rows[i].other ? KW_ERR_CROSSSLOT : KW_OK);
        assert_int_equal(route.slot,
                         rows[i].key ? slot_of_key(slice_text(rows[i].key)) : SLOT_NONE);
        assert_int_equal(route.other_slot,
                         rows[i].other ? slot_of_key(slice_text(rows[i].other)) : SLOT_NONE);
        kw_reply_free(reply);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_name_finds_its_own_entry),
        cmocka_unit_test(names_are_in_order),
        cmocka_unit_test(case_does_not_matter),
        cmocka_unit_test(container_needs_a_known_subcommand),
        cmocka_unit_test(plain_command_has_one_key_at_a_known_place),
        cmocka_unit_test(unknown_names_are_not_found),
        cmocka_unit_test(two_words_in_one_argument_are_no_subcommand),
        cmocka_unit_test(flags_are_the_servers),
        cmocka_unit_test(no_table_command_needs_a_server_for_its_keys),
        cmocka_unit_test(keys_are_found),
        cmocka_unit_test(visiting_stops_when_told),
        cmocka_unit_test(commands_are_routed_by_their_keys),
        cmocka_unit_test(crossslot_names_both_slots),
        cmocka_unit_test(command_without_arguments_is_invalid),
        cmocka_unit_test(unknown_command_is_learned_once),
        cmocka_unit_test(specifications_are_learned),
        cmocka_unit_test(subcommands_are_learned_with_their_container),
        cmocka_unit_test(names_that_are_too_long_are_left_out),
        cmocka_unit_test(what_cannot_be_learned_is_not_asked_for),
        cmocka_unit_test(learning_survives_every_failed_allocation),
        cmocka_unit_test(slot_comes_from_getkeys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
