#include "core/command.h"

#include "core/slot.h"

#include <assert.h>

#include "core/command_table.inc"

#define TABLE_COUNT (sizeof commands / sizeof commands[0])
#define BUCKET_COUNT (sizeof displacements / sizeof displacements[0])
#define POSITION_COUNT (sizeof positions / sizeof positions[0])

static_assert((BUCKET_COUNT & (BUCKET_COUNT - 1)) == 0, "buckets are picked by a mask");
static_assert((POSITION_COUNT & (POSITION_COUNT - 1)) == 0, "positions are picked by a mask");

static uint8_t upper(char c) {
    return (uint8_t)(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
}

static uint64_t hash_word(uint64_t hash, uint64_t word) {
    hash = (hash ^ word) * WORD_MULTIPLIER;
    return hash ^ (hash >> 32);
}

/* As make_command_table.py's name_hash(), going on from `hash`. */
static uint64_t hash_name(uint64_t hash, kw_slice name) {
    for (size_t at = 0; at < name.len; at += WORD_BYTES) {
        size_t left = name.len - at;
        size_t len = left < WORD_BYTES ? left : WORD_BYTES;
        hash = hash_word(hash, word_upper(word_load_short(name.data + at, len)));
    }
    return hash;
}

/* The same place as make_command_table.py's place(). */
static size_t table_place(uint64_t hash) {
    uint64_t displacement = displacements[hash & (BUCKET_COUNT - 1)];
    return ((hash >> 32) + displacement * ((hash >> 16) | 1)) & (POSITION_COUNT - 1);
}

/* True if `text`, a table's upper-case name, goes on with these bytes; *ret_rest: what comes after.
 */
static bool name_continues(const char *text, kw_slice part, const char **ret_rest) {
    for (size_t i = 0; i < part.len; i++) {
        if (text[i] == '\0' || (uint8_t)text[i] != upper(part.data[i])) {
            return false;
        }
    }
    *ret_rest = text + part.len;
    return true;
}

static const command_info *table_at_hash(uint64_t hash) {
    uint16_t position = positions[table_place(hash)];
    return position < TABLE_COUNT ? &commands[position] : NULL;
}

static const command_info *find_subcommand(uint64_t hash, kw_slice name, kw_slice subcommand) {
    const command_info *info = table_at_hash(hash_name(hash, subcommand));
    const char *rest;
    if (info && name_continues(info->name, name, &rest) && *rest == ' ' &&
        name_continues(rest + 1, subcommand, &rest) && *rest == '\0') {
        return info;
    }
    return NULL;
}

/* A subcommand's entry is no command's: it has a space. */
static bool is_named(const command_info *info, kw_slice name) {
    const char *rest;
    return name_continues(info->name, name, &rest) && *rest == '\0' && !strchr(info->name, ' ');
}

const command_info *command_find(const kw_slice *argv, size_t argc) {
    kw_slice name = argc > 0 ? argv[0] : slice_of("", 0);
    if (name.len == 0 || name.data[name.len - 1] == '\0') { /* no name ends so: it fills a word */
        return NULL;
    }
    bool is_short = name.len <= WORD_BYTES;
    uint64_t word = is_short ? word_upper(word_load_short(name.data, name.len)) : 0;
    uint64_t hash = is_short ? hash_word(0, word) : hash_name(0, name);
    const command_info *info = table_at_hash(hash);
    if (!info || (is_short ? info->short_name != word : !is_named(info, name))) {
        return NULL;
    }
    if ((info->flags & COMMAND_CONTAINER) == 0 || argc == 1) {
        return info;
    }
    return find_subcommand(hash, name, argv[1]);
}

static bool is_plain(const command_info *info) {
    return info && info->sole_key > 0 &&
           (info->flags & (COMMAND_DELICATE | COMMAND_CONTAINER)) == 0;
}

void command_look_up(command_seen *seen, uint64_t word, const kw_slice *argv, size_t argc) {
    const command_info *info = command_find(argv, argc);
    *seen = (command_seen){.word = word,
                           .info = is_plain(info) ? info : NULL,
                           .name = resp_short_name_of(argv[0]),
                           .len = (uint32_t)argv[0].len};
}

size_t command_count(void) {
    return TABLE_COUNT;
}

const command_info *command_at(size_t index) {
    return index < TABLE_COUNT ? &commands[index] : NULL;
}

/* ---------------------------------------------------------------------- keys */

/* The position after the keyword, or 0. */
static size_t after_keyword(const key_spec *spec, const kw_slice *argv, size_t argc) {
    if (spec->index >= 0) {
        for (size_t i = (size_t)spec->index; i < argc; i++) {
            if (slice_is_nocase(argv[i], spec->keyword)) {
                return i + 1;
            }
        }
        return 0;
    }
    size_t back = (size_t)-spec->index;
    for (size_t i = argc > back ? argc - back : 0; i > 0; i--) {
        if (slice_is_nocase(argv[i], spec->keyword)) {
            return i + 1;
        }
    }
    return 0;
}

static size_t values_to_skip(const key_spec *spec, kw_slice argument) {
    for (size_t i = 0; i < spec->skip_count; i++) {
        if (slice_is_nocase(argument, spec->skips[i].option)) {
            return spec->skips[i].value_count;
        }
    }
    return 0;
}

/* The position after the last such option, or 0; the first one if its values run to the end. */
static size_t after_option(const key_spec *spec, const kw_slice *argv, size_t argc) {
    size_t found = 0;
    for (size_t i = (size_t)spec->index; i + 1 < argc; i++) {
        if (slice_is_nocase(argv[i], spec->keyword)) {
            found = i + 1;
            if (spec->last < 0) {
                break;
            }
        } else {
            i += values_to_skip(spec, argv[i]);
        }
    }
    return found;
}

typedef struct key_range {
    size_t first;
    size_t last; /* the range is empty if it is before first */
    size_t step;
} key_range;

static kw_status find_range(const key_spec *spec, size_t begin, size_t argc, key_range *ret) {
    int64_t last;
    if (spec->last >= 0) {
        last = (int64_t)begin + spec->last;
    } else if (spec->limit > 1) {
        last = (int64_t)begin + (int64_t)((argc - begin) / (size_t)spec->limit) + spec->last;
    } else {
        last = (int64_t)argc + spec->last;
    }
    if (last < (int64_t)begin || last >= (int64_t)argc) {
        return KW_ERR_INVALID;
    }
    ret->first = begin;
    ret->last = (size_t)last;
    return KW_OK;
}

static kw_status find_keynum(const key_spec *spec, size_t begin, const kw_slice *argv, size_t argc,
                             key_range *ret) {
    size_t number_at = begin + (size_t)spec->keynum_index;
    size_t first = begin + (size_t)spec->first_key;
    int64_t count;
    if (number_at >= argc || !slice_to_i64(argv[number_at], &count) || count < 0) {
        return KW_ERR_INVALID;
    }
    if (count == 0) {
        ret->first = 1;
        ret->last = 0;
        return KW_OK;
    }
    if (first >= argc || (uint64_t)count - 1 > (argc - 1 - first) / ret->step) {
        return KW_ERR_INVALID;
    }
    ret->first = first;
    ret->last = first + (size_t)(count - 1) * ret->step;
    return KW_OK;
}

static bool arity_fits(const command_info *info, size_t argc) {
    return info->arity >= 0 ? argc == (size_t)info->arity : argc >= (size_t)-info->arity;
}

static kw_status spec_range(const command_info *info, const key_spec *spec, const kw_slice *argv,
                            size_t argc, key_range *ret) {
    ret->first = 1;
    ret->last = 0;
    ret->step = spec->step > 0 ? (size_t)spec->step : 1;
    size_t begin = (size_t)spec->index;
    if (spec->begin == KEY_BEGIN_INDEX) {
        if (begin >= argc) { /* SUNSUBSCRIBE alone has no keys, GET alone is wrong */
            return arity_fits(info, argc) ? KW_OK : KW_ERR_INVALID;
        }
    } else {
        begin = spec->begin == KEY_BEGIN_KEYWORD ? after_keyword(spec, argv, argc)
                                                 : after_option(spec, argv, argc);
        if (begin == 0 || begin >= argc) { /* not there, or without a value */
            return KW_OK;
        }
    }
    if (spec->not_if_empty && argv[begin].len == 0) {
        return KW_OK;
    }
    return spec->find == KEY_FIND_RANGE ? find_range(spec, begin, argc, ret)
                                        : find_keynum(spec, begin, argv, argc, ret);
}

kw_status command_keys(const command_info *info, const kw_slice *argv, size_t argc,
                       command_key_fn *visit, void *arg) {
    for (size_t i = 0; i < info->spec_count; i++) {
        key_range range;
        kw_status status = spec_range(info, &info->specs[i], argv, argc, &range);
        if (status != KW_OK) {
            return status;
        }
        for (size_t position = range.first; position <= range.last; position += range.step) {
            if (!visit(arg, position)) {
                return KW_OK;
            }
        }
    }
    return KW_OK;
}
