#include "core/command.h"

#include "core/limits.h"
#include "core/reply.h"
#include "core/slot.h"

#define NAME_BYTES_MAX 128 /* "CONTAINER SUBCOMMAND"; longer ones are not learned */
#define SPECS_MAX 16       /* of one learned command; past them a server is asked for the keys */

typedef struct learned_command {
    command_info info;
    key_spec specs[SPECS_MAX];
    char name[NAME_BYTES_MAX + 1];
    char keywords[SPECS_MAX][16];
} learned_command;

/* For what cannot be learned: sent anywhere; a redirect leads to the owner of its key. */
static const command_info unlearnable = {
    .name = "", .flags = COMMAND_WRITE | COMMAND_LEARNED, .arity = -1};

void command_book_init(command_book *book, const mem *m, uint64_t seed) {
    book->mem = m;
    map_init(&book->learned, m, seed);
}

void command_book_done(command_book *book) {
    size_t position = 0;
    kw_slice name;
    void *learned;
    while (map_next(&book->learned, &position, &name, &learned)) {
        mem_free(book->mem, learned);
    }
    map_done(&book->learned);
}

/* -------------------------------------------------------------------- routing */

typedef struct upper_name {
    char bytes[NAME_BYTES_MAX];
    size_t len;
} upper_name;

/* Appends in upper case; false if there is no room. */
static bool name_add(upper_name *name, kw_slice part) {
    if (part.len > sizeof name->bytes - name->len) {
        return false;
    }
    for (size_t i = 0; i < part.len; i++) {
        char c = part.data[i];
        if (c >= 'a' && c <= 'z') {
            c = (char)(c - 'a' + 'A');
        }
        name->bytes[name->len++] = c;
    }
    return true;
}

static const command_info *book_find_name(const command_book *book, const upper_name *name) {
    const learned_command *learned = map_get(&book->learned, slice_of(name->bytes, name->len));
    return learned ? &learned->info : NULL;
}

/* NULL: not known, and worth asking. */
static const command_info *book_find(const command_book *book, const kw_slice *argv, size_t argc) {
    upper_name name = {.len = 0};
    if (!name_add(&name, argv[0])) {
        return &unlearnable;
    }
    const command_info *container = book_find_name(book, &name);
    if (!container && map_count(&book->learned) >= LIMIT_LEARNED_COMMANDS) {
        return &unlearnable;
    }
    if (container && (container->flags & COMMAND_CONTAINER) && argc > 1 &&
        name_add(&name, SLICE_LITERAL(" ")) && name_add(&name, argv[1])) {
        const command_info *info = book_find_name(book, &name);
        return info ? info : container;
    }
    return container;
}

typedef struct slot_finder {
    const kw_slice *argv;
    command_route *route;
    bool crossed;
} slot_finder;

static bool add_key(void *arg, size_t position) {
    slot_finder *finder = arg;
    command_route *route = finder->route;
    kw_slice key = finder->argv[position];
    int slot = slot_of_key(key);
    if (route->slot == SLOT_NONE) {
        route->slot = slot;
        route->key = key;
    } else if (slot != route->slot) {
        route->other_slot = slot;
        finder->crossed = true;
        return false;
    }
    return true;
}

/* XREAD and XREADGROUP wait only with BLOCK; for the rest the flag says it all. */
static bool may_block(const command_info *info, const kw_slice *argv, size_t argc) {
    if ((info->flags & COMMAND_BLOCKING) == 0) {
        return false;
    }
    if (strcmp(info->name, "XREAD") != 0 && strcmp(info->name, "XREADGROUP") != 0) {
        return true;
    }
    for (size_t i = 1; i < argc && !slice_is_nocase(argv[i], "STREAMS"); i++) {
        if (slice_is_nocase(argv[i], "BLOCK")) {
            return true;
        }
    }
    return false;
}

kw_status command_book_route(const command_book *book, const kw_slice *argv, size_t argc,
                             command_route *ret) {
    if (argc == 0) {
        return KW_ERR_INVALID;
    }
    *ret = (command_route){.slot = SLOT_NONE, .other_slot = SLOT_NONE, .key = slice_of("", 0)};
    ret->info = command_find(argv, argc);
    if (!ret->info) {
        ret->info = book_find(book, argv, argc);
    }
    if (!ret->info) {
        return KW_OK;
    }
    ret->reads_only = command_only_reads(ret->info);
    size_t sole_key = ret->info->sole_key;
    if (sole_key > 0 && sole_key < argc && (ret->info->flags & COMMAND_BLOCKING) == 0) {
        ret->key = argv[sole_key];
        ret->slot = slot_of_key(ret->key);
        return KW_OK;
    }
    ret->blocks = may_block(ret->info, argv, argc);
    slot_finder finder = {.argv = argv, .route = ret};
    kw_status status = command_keys(ret->info, argv, argc, add_key, &finder);
    if (status == KW_ERR_INVALID) { /* the server's to refuse, whichever it is */
        ret->slot = SLOT_NONE;
        ret->key = slice_of("", 0);
        return KW_OK;
    }
    return finder.crossed ? KW_ERR_CROSSSLOT : status;
}

kw_status command_route_keys(const struct kw_reply *reply, command_route *route) {
    route->slot = SLOT_NONE;
    route->other_slot = SLOT_NONE;
    if (kw_reply_type(reply) != KW_TYPE_ARRAY) {
        return KW_OK;
    }
    for (size_t i = 0; i < kw_reply_count(reply); i++) {
        int slot = slot_of_key(reply_slice(kw_reply_at(reply, i)));
        if (route->slot == SLOT_NONE) {
            route->slot = slot;
        } else if (slot != route->slot) {
            route->other_slot = slot;
            return KW_ERR_CROSSSLOT;
        }
    }
    return KW_OK;
}

/* ------------------------------------------------------------------- learning */

/* Positions in COMMAND INFO's element. */
enum { INFO_ARITY = 1, INFO_FLAGS, INFO_FIRST, INFO_LAST, INFO_STEP, INFO_SPECS = 8, INFO_SUBS };

static bool list_has(const kw_reply *list, const char *word) {
    for (size_t i = 0; list && i < kw_reply_count(list); i++) {
        if (slice_is_nocase(reply_slice(kw_reply_at(list, i)), word)) {
            return true;
        }
    }
    return false;
}

static uint32_t read_flags(const kw_reply *list) {
    static const struct {
        const char *word;
        uint32_t flag;
    } words[] = {{"write", COMMAND_WRITE},
                 {"readonly", COMMAND_READONLY},
                 {"blocking", COMMAND_BLOCKING},
                 {"pubsub", COMMAND_PUBSUB},
                 {"admin", COMMAND_ADMIN}};
    uint32_t flags = COMMAND_LEARNED;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (list_has(list, words[i].word)) {
            flags |= words[i].flag;
        }
    }
    return flags;
}

/* An integer of a map, where it must be in low..high; false if it is not there or not in them. */
static bool read_number(const kw_reply *fields, const char *name, int64_t low, int64_t high,
                        int16_t *ret) {
    const kw_reply *field = fields ? kw_reply_get(fields, name) : NULL;
    if (!field || kw_reply_type(field) != KW_TYPE_INTEGER) {
        return false;
    }
    int64_t value = kw_reply_integer(field);
    if (value < low || value > high) {
        return false;
    }
    *ret = (int16_t)value;
    return true;
}

static bool type_is(const kw_reply *part, const char *type) {
    const kw_reply *field = part ? kw_reply_get(part, "type") : NULL;
    return field && slice_is(reply_slice(field), type);
}

static bool read_begin(const kw_reply *part, key_spec *spec, char keyword[16]) {
    const kw_reply *fields = part ? kw_reply_get(part, "spec") : NULL;
    if (type_is(part, "index")) {
        spec->begin = KEY_BEGIN_INDEX;
        return read_number(fields, "index", 1, INT16_MAX, &spec->index);
    }
    if (!type_is(part, "keyword") || !read_number(fields, "startfrom", -64, 64, &spec->index)) {
        return false;
    }
    const kw_reply *word = kw_reply_get(fields, "keyword");
    kw_slice text = word ? reply_slice(word) : slice_of("", 0);
    if (text.len == 0 || text.len >= 16) {
        return false;
    }
    (void)slice_copy(keyword, 16, text); /* it fits */
    spec->begin = KEY_BEGIN_KEYWORD;
    spec->keyword = keyword;
    return true;
}

static bool read_find(const kw_reply *part, key_spec *spec) {
    const kw_reply *fields = part ? kw_reply_get(part, "spec") : NULL;
    if (!read_number(fields, "keystep", 1, INT16_MAX, &spec->step)) {
        return false;
    }
    if (type_is(part, "range")) {
        spec->find = KEY_FIND_RANGE;
        return read_number(fields, "lastkey", INT16_MIN, INT16_MAX, &spec->last) &&
               read_number(fields, "limit", 0, INT16_MAX, &spec->limit);
    }
    spec->find = KEY_FIND_KEYNUM;
    return type_is(part, "keynum") &&
           read_number(fields, "keynumidx", 0, INT16_MAX, &spec->keynum_index) &&
           read_number(fields, "firstkey", 0, INT16_MAX, &spec->first_key);
}

/* False if the keys cannot be found by specifications alone. */
static bool read_specs(const kw_reply *list, learned_command *learned) {
    for (size_t i = 0; i < kw_reply_count(list); i++) {
        const kw_reply *entry = kw_reply_at(list, i);
        const kw_reply *flags = kw_reply_get(entry, "flags");
        if (list_has(flags, "not_key")) {
            continue;
        }
        size_t at = learned->info.spec_count;
        if (at == SPECS_MAX || list_has(flags, "incomplete") ||
            !read_begin(kw_reply_get(entry, "begin_search"), &learned->specs[at],
                        learned->keywords[at]) ||
            !read_find(kw_reply_get(entry, "find_keys"), &learned->specs[at])) {
            return false;
        }
        learned->info.spec_count++;
    }
    return true;
}

/* Before Redis 7: first, last and step, or a flag that says that they do not tell all. */
static bool read_positions(const kw_reply *entry, learned_command *learned) {
    int64_t first = kw_reply_integer(kw_reply_at(entry, INFO_FIRST));
    int64_t last = kw_reply_integer(kw_reply_at(entry, INFO_LAST));
    int64_t step = kw_reply_integer(kw_reply_at(entry, INFO_STEP));
    if (list_has(kw_reply_at(entry, INFO_FLAGS), "movablekeys")) {
        return false;
    }
    if (first == 0) {
        return true;
    }
    if (first < 1 || first > INT16_MAX || last < INT16_MIN || last > INT16_MAX ||
        (last >= 0 && last < first) || step < 1 || step > INT16_MAX) {
        return false;
    }
    learned->specs[0] = (key_spec){.begin = KEY_BEGIN_INDEX,
                                   .find = KEY_FIND_RANGE,
                                   .index = (int16_t)first,
                                   .last = (int16_t)(last >= 0 ? last - first : last),
                                   .step = (int16_t)step};
    learned->info.spec_count = 1;
    return true;
}

static void read_info(const kw_reply *entry, learned_command *learned) {
    int64_t arity = kw_reply_integer(kw_reply_at(entry, INFO_ARITY));
    learned->info.arity = (int16_t)(arity > -INT16_MAX && arity <= INT16_MAX ? arity : -1);
    learned->info.flags = read_flags(kw_reply_at(entry, INFO_FLAGS));
    const kw_reply *specs = kw_reply_at(entry, INFO_SPECS);
    bool complete = specs ? read_specs(specs, learned) : read_positions(entry, learned);
    if (!complete) {
        learned->info.flags |= COMMAND_KEYS_UNKNOWN;
        learned->info.spec_count = 0;
    }
    const kw_reply *subs = kw_reply_at(entry, INFO_SUBS);
    if (subs && kw_reply_count(subs) > 0) {
        learned->info.flags |= COMMAND_CONTAINER;
    }
}

/* `entry` NULL: nobody knows it. */
static kw_status remember(command_book *book, const upper_name *name, const kw_reply *entry) {
    kw_slice key = slice_of(name->bytes, name->len);
    if (map_get(&book->learned, key) || map_count(&book->learned) >= LIMIT_LEARNED_COMMANDS) {
        return KW_OK;
    }
    learned_command *learned = mem_calloc(book->mem, 1, sizeof *learned);
    if (!learned) {
        return KW_ERR_NOMEM;
    }
    learned->info = unlearnable;
    if (entry) {
        read_info(entry, learned);
    }
    (void)slice_copy(learned->name, sizeof learned->name, key); /* it fits */
    learned->info.name = learned->name;
    learned->info.specs = learned->specs;
    if (!map_set(&book->learned, key, learned, NULL)) {
        mem_free(book->mem, learned);
        return KW_ERR_NOMEM;
    }
    return KW_OK;
}

/* Subcommands are named "container|subcommand". */
static kw_status remember_subcommands(command_book *book, const upper_name *container,
                                      const kw_reply *subs) {
    for (size_t i = 0; i < kw_reply_count(subs); i++) {
        const kw_reply *entry = kw_reply_at(subs, i);
        const kw_reply *field = kw_reply_at(entry, 0);
        kw_slice full = field ? reply_slice(field) : slice_of("", 0);
        if (full.len <= container->len + 1 || full.data[container->len] != '|') {
            continue;
        }
        size_t skipped = container->len + 1;
        upper_name name = *container;
        if (!name_add(&name, SLICE_LITERAL(" ")) ||
            !name_add(&name, slice_of(full.data + skipped, full.len - skipped))) {
            continue;
        }
        kw_status status = remember(book, &name, entry);
        if (status != KW_OK) {
            return status;
        }
    }
    return KW_OK;
}

kw_status command_book_learn(command_book *book, kw_slice name, const struct kw_reply *reply) {
    upper_name upper = {.len = 0};
    if (!name_add(&upper, name)) {
        return KW_OK; /* book_find does not ask for it */
    }
    const kw_reply *entry = NULL;
    if (kw_reply_type(reply) == KW_TYPE_ARRAY) {
        entry = kw_reply_at(reply, 0);
    }
    if (entry && kw_reply_count(entry) <= INFO_STEP) {
        entry = NULL;
    }
    const kw_reply *subs = entry ? kw_reply_at(entry, INFO_SUBS) : NULL;
    kw_status status = subs ? remember_subcommands(book, &upper, subs) : KW_OK;
    /* The container last: once it is there, its subcommands are not asked for again. */
    return status == KW_OK ? remember(book, &upper, entry) : status;
}
