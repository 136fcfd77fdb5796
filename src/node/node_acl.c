#include "node/node_acl.h"

#include "node/node_acl_selector.h"

enum {
    USER_ON = 1u << 0,
    USER_NO_PASSWORD = 1u << 1,
    USER_SKIPS_SANITIZING = 1u << 2,
    USER_SANITIZES = 1u << 3
};

struct acl_user {
    const mem *mem;
    char name[ACL_NAME_SIZE];
    unsigned flags;
    size_t password_count;
    char (*passwords)[SHA256_HEX_SIZE];
    size_t selector_count; /* one at least: the user's own */
    acl_selector **selectors;
};

struct acl {
    const mem *mem;
    size_t user_count;
    acl_user **users;
};

/* ------------------------------------------------------------------------------------ users */

static void done_user(acl_user *u) {
    for (size_t i = 0; i < u->selector_count; i++) {
        acl_selector_free(u->selectors[i]);
    }
    mem_free(u->mem, u->selectors);
    mem_free(u->mem, u->passwords);
}

static void free_user(acl_user *u) {
    if (u) {
        done_user(u);
        mem_free(u->mem, u);
    }
}

static kw_status add_selector(acl_user *u, acl_selector *s) {
    if (!s) {
        return KW_ERR_NOMEM;
    }
    acl_selector **selectors = NULL;
    if (u->selector_count < ACL_RULES_MAX) {
        selectors = mem_resize(u->mem, u->selectors, u->selector_count + 1, sizeof(void *));
    }
    if (!selectors) {
        acl_selector_free(s);
        return KW_ERR_NOMEM;
    }
    u->selectors = selectors;
    u->selectors[u->selector_count++] = s;
    return KW_OK;
}

static kw_status init_user(acl_user *u, const mem *m, kw_slice name) {
    memset(u, 0, sizeof *u);
    u->mem = m;
    slice_copy(u->name, sizeof u->name, name);
    return add_selector(u, acl_selector_new(m));
}

static kw_status copy_user(acl_user *u, const acl_user *from) {
    memset(u, 0, sizeof *u);
    u->mem = from->mem;
    u->flags = from->flags;
    memcpy(u->name, from->name, sizeof u->name);
    if (from->password_count > 0) {
        u->passwords = mem_calloc(u->mem, from->password_count, sizeof *u->passwords);
        if (!u->passwords) {
            return KW_ERR_NOMEM;
        }
        memcpy(u->passwords, from->passwords, from->password_count * sizeof *u->passwords);
        u->password_count = from->password_count;
    }
    for (size_t i = 0; i < from->selector_count; i++) {
        kw_status status = add_selector(u, acl_selector_copy(from->selectors[i]));
        if (status != KW_OK) {
            return status;
        }
    }
    return KW_OK;
}

/* -------------------------------------------------------------------------------- passwords */

static size_t find_password(const acl_user *u, const char *hash) {
    size_t i = 0;
    while (i < u->password_count && strcmp(u->passwords[i], hash) != 0) {
        i++;
    }
    return i;
}

static kw_status add_password(acl_user *u, const char *hash) {
    u->flags &= ~(unsigned)USER_NO_PASSWORD;
    if (find_password(u, hash) < u->password_count) {
        return KW_OK;
    }
    if (u->password_count == ACL_RULES_MAX) {
        return KW_ERR_LIMIT;
    }
    char(*passwords)[SHA256_HEX_SIZE] =
        mem_resize(u->mem, u->passwords, u->password_count + 1, sizeof *passwords);
    if (!passwords) {
        return KW_ERR_NOMEM;
    }
    u->passwords = passwords;
    memcpy(u->passwords[u->password_count++], hash, SHA256_HEX_SIZE);
    return KW_OK;
}

static bool is_hash(kw_slice s) {
    for (size_t i = 0; i < s.len; i++) {
        char byte = s.data[i];
        if (!((byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'f'))) {
            return false;
        }
    }
    return s.len == SHA256_HEX_SIZE - 1;
}

/* ">password", "#hash", "<password", "!hash" */
static const char *apply_password(acl_user *u, kw_slice rule, kw_status *ret) {
    char hash[SHA256_HEX_SIZE];
    kw_slice text = slice_of(rule.data + 1, rule.len - 1);
    bool hashed = rule.data[0] == '#' || rule.data[0] == '!';
    if (hashed && !is_hash(text)) {
        *ret = KW_ERR_INVALID;
        return "The password hash must be exactly 64 characters and contain only lowercase "
               "hexadecimal characters";
    }
    if (hashed) {
        slice_copy(hash, sizeof hash, text);
    } else {
        sha256_hex(text, hash);
    }
    if (rule.data[0] == '>' || rule.data[0] == '#') {
        *ret = add_password(u, hash);
        return "";
    }
    size_t at = find_password(u, hash);
    if (at == u->password_count) {
        *ret = KW_ERR_INVALID;
        return "The password you are trying to remove from the user does not exist";
    }
    u->password_count--;
    memmove(u->passwords[at], u->passwords[at + 1],
            (u->password_count - at) * sizeof *u->passwords);
    return "";
}

/* ------------------------------------------------------------------------------------ rules */

static void clear_selectors(acl_user *u) {
    while (u->selector_count > 1) {
        acl_selector_free(u->selectors[--u->selector_count]);
    }
}

static void apply_own(acl_user *u, const char *rule) {
    kw_status status;
    (void)acl_selector_apply(u->selectors[0], slice_text(rule), &status); /* needs no memory */
}

static void reset(acl_user *u) {
    u->password_count = 0;
    u->flags = USER_SANITIZES;
    clear_selectors(u);
    apply_own(u, "resetkeys");
    apply_own(u, "resetchannels");
    apply_own(u, "-@all");
}

/* "(+get ~x)" */
static const char *apply_selector(acl_user *u, kw_slice rule, kw_status *ret) {
    acl_selector *s = acl_selector_new(u->mem);
    const char *reason = "";
    kw_slice rest = slice_of(rule.data + 1, rule.len - 2);
    kw_slice part;
    *ret = s ? KW_OK : KW_ERR_NOMEM;
    while (*ret == KW_OK && slice_split(&rest, ' ', &part)) {
        if (part.len > 0) {
            reason = acl_selector_apply(s, part, ret);
        }
    }
    if (*ret != KW_OK) {
        acl_selector_free(s);
        return reason;
    }
    *ret = add_selector(u, s);
    return "";
}

typedef struct plain_rule {
    const char *name;
    unsigned set;
    unsigned cleared;
    bool drops_passwords;
} plain_rule;

static const plain_rule plain_rules[] = {
    {"on", USER_ON, 0, false},
    {"off", 0, USER_ON, false},
    {"nopass", USER_NO_PASSWORD, 0, true},
    {"resetpass", 0, USER_NO_PASSWORD, true},
    {"skip-sanitize-payload", USER_SKIPS_SANITIZING, USER_SANITIZES, false},
    {"sanitize-payload", USER_SANITIZES, USER_SKIPS_SANITIZING, false},
};

static const char *apply(acl_user *u, kw_slice rule, kw_status *ret) {
    *ret = KW_OK;
    if (rule.len == 0) {
        return "";
    }
    for (size_t i = 0; i < sizeof plain_rules / sizeof *plain_rules; i++) {
        const plain_rule *r = &plain_rules[i];
        if (slice_is_nocase(rule, r->name)) {
            u->flags = (u->flags & ~r->cleared) | r->set;
            u->password_count = r->drops_passwords ? 0 : u->password_count;
            return "";
        }
    }
    if (slice_is_nocase(rule, "reset")) {
        reset(u);
        return "";
    }
    if (slice_is_nocase(rule, "clearselectors")) {
        clear_selectors(u);
        return "";
    }
    if (strchr("><#!", rule.data[0]) && rule.data[0] != '\0') {
        return apply_password(u, rule, ret);
    }
    if (rule.len > 1 && rule.data[0] == '(' && rule.data[rule.len - 1] == ')') {
        return apply_selector(u, rule, ret);
    }
    return acl_selector_apply(u->selectors[0], rule, ret);
}

/* Joins the arguments of a selector that was cut at its spaces; *at moves behind the last one. */
static kw_status merge(const kw_slice *rules, size_t count, size_t *at, buffer *joined,
                       acl_refusal *refusal) {
    size_t first = *at;
    for (size_t i = first; i < count; i++) {
        if (!(i == first || buffer_append_text(joined, " ")) ||
            !buffer_append_slice(joined, rules[i])) {
            return KW_ERR_NOMEM;
        }
        if (rules[i].len > 0 && rules[i].data[rules[i].len - 1] == ')') {
            *at = i + 1;
            return KW_OK;
        }
    }
    slice_copy(refusal->rule, sizeof refusal->rule, rules[first]);
    refusal->reason = NULL;
    return KW_ERR_INVALID;
}

static kw_status apply_all(acl_user *u, const kw_slice *rules, size_t count, acl_refusal *refusal) {
    kw_status status = KW_OK;
    buffer joined;
    buffer_init(&joined, u->mem, 0);
    for (size_t at = 0; status == KW_OK && at < count;) {
        kw_slice rule = rules[at];
        if (rule.len > 0 && rule.data[0] == '(') {
            buffer_clear(&joined, SIZE_MAX);
            status = merge(rules, count, &at, &joined, refusal);
            rule = buffer_slice(&joined);
        } else {
            at++;
        }
        if (status == KW_OK) {
            slice_copy(refusal->rule, sizeof refusal->rule, rule);
            refusal->reason = apply(u, rule, &status);
        }
    }
    buffer_done(&joined);
    return status;
}

/* ------------------------------------------------------------------------------ all of them */

static int compare(kw_slice a, kw_slice b) {
    size_t len = a.len < b.len ? a.len : b.len;
    int order = len ? memcmp(a.data, b.data, len) : 0;
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

/* Where the user of that name is, or would be. */
static size_t place_of(const acl *a, kw_slice name) {
    size_t i = 0;
    while (i < a->user_count && compare(slice_text(a->users[i]->name), name) < 0) {
        i++;
    }
    return i;
}

acl_user *acl_find(const acl *a, kw_slice name) {
    size_t place = place_of(a, name);
    bool found = place < a->user_count && slice_is(name, a->users[place]->name);
    return found ? a->users[place] : NULL;
}

static kw_status insert(acl *a, acl_user *u) {
    size_t place = place_of(a, slice_text(u->name));
    if (a->user_count == ACL_USERS_MAX) {
        return KW_ERR_LIMIT;
    }
    acl_user **users = mem_resize(a->mem, a->users, a->user_count + 1, sizeof(void *));
    if (!users) {
        return KW_ERR_NOMEM;
    }
    a->users = users;
    memmove(&users[place + 1], &users[place], (a->user_count - place) * sizeof(void *));
    users[place] = u;
    a->user_count++;
    return KW_OK;
}

kw_status acl_set_user(acl *a, kw_slice name, const kw_slice *rules, size_t count,
                       acl_refusal *ret_refusal) {
    acl_user *old = acl_find(a, name);
    acl_user made;
    if (name.len >= ACL_NAME_SIZE) {
        return KW_ERR_LIMIT;
    }
    kw_status status = old ? copy_user(&made, old) : init_user(&made, a->mem, name);
    status = status == KW_OK ? apply_all(&made, rules, count, ret_refusal) : status;
    acl_user *place = old;
    if (status == KW_OK && !old) {
        place = mem_calloc(a->mem, 1, sizeof *place);
        status = place ? KW_OK : KW_ERR_NOMEM;
        if (place) {
            memcpy(place->name, made.name, sizeof place->name);
            place->mem = a->mem;
            status = insert(a, place);
        }
    }
    if (status != KW_OK) {
        done_user(&made);
        if (!old) {
            mem_free(a->mem, place);
        }
        return status;
    }
    done_user(place);
    *place = made;
    return KW_OK;
}

void acl_remove_user(acl *a, acl_user *u) {
    size_t place = place_of(a, slice_text(u->name));
    a->user_count--;
    memmove(&a->users[place], &a->users[place + 1], (a->user_count - place) * sizeof(void *));
    free_user(u);
}

acl *acl_new(const mem *m) {
    const kw_slice rules[] = {SLICE_LITERAL("on"), SLICE_LITERAL("nopass"), SLICE_LITERAL("~*"),
                              SLICE_LITERAL("&*"), SLICE_LITERAL("+@all")};
    acl *a = mem_calloc(m, 1, sizeof *a);
    if (!a) {
        return NULL;
    }
    acl_refusal refusal;
    a->mem = m;
    if (acl_set_user(a, SLICE_LITERAL("default"), rules, 5, &refusal) != KW_OK) {
        acl_free(a);
        return NULL;
    }
    return a;
}

void acl_free(acl *a) {
    if (a) {
        for (size_t i = 0; i < a->user_count; i++) {
            free_user(a->users[i]);
        }
        mem_free(a->mem, a->users);
        mem_free(a->mem, a);
    }
}

size_t acl_user_count(const acl *a) {
    return a->user_count;
}

acl_user *acl_user_at(const acl *a, size_t index) {
    return a->users[index];
}

const char *acl_name(const acl_user *u) {
    return u->name;
}

bool acl_is_on(const acl_user *u) {
    return u->flags & USER_ON;
}

bool acl_needs_no_password(const acl_user *u) {
    return u->flags & USER_NO_PASSWORD;
}

bool acl_authenticate(const acl_user *u, kw_slice password) {
    char hash[SHA256_HEX_SIZE];
    if (!(u->flags & USER_ON)) {
        return false;
    }
    sha256_hex(password, hash);
    return (u->flags & USER_NO_PASSWORD) || find_password(u, hash) < u->password_count;
}

acl_verdict acl_check(const acl_user *u, const struct node_command *command, const kw_slice *argv,
                      size_t argc, size_t *ret_index) {
    acl_verdict worst = ACL_ALLOWED;
    *ret_index = 0;
    for (size_t i = 0; i < u->selector_count; i++) {
        size_t index;
        acl_verdict verdict = acl_selector_check(u->selectors[i], command, argv, argc, &index);
        if (verdict == ACL_ALLOWED) {
            return verdict;
        }
        if (verdict > worst || (verdict == worst && index > *ret_index)) {
            worst = verdict;
            *ret_index = index;
        }
    }
    return worst;
}

/* ---------------------------------------------------------------------------------- showing */

size_t acl_flags(const acl_user *u, const char *ret_flags[4]) {
    size_t count = 0;
    ret_flags[count++] = u->flags & USER_ON ? "on" : "off";
    if (u->flags & USER_NO_PASSWORD) {
        ret_flags[count++] = "nopass";
    }
    if (u->flags & USER_SKIPS_SANITIZING) {
        ret_flags[count++] = "skip-sanitize-payload";
    }
    if (u->flags & USER_SANITIZES) {
        ret_flags[count++] = "sanitize-payload";
    }
    return count;
}

size_t acl_password_count(const acl_user *u) {
    return u->password_count;
}

const char *acl_password(const acl_user *u, size_t index) {
    return u->passwords[index];
}

size_t acl_selector_count(const acl_user *u) {
    return u->selector_count;
}

bool acl_show_commands(const acl_user *u, size_t selector, buffer *out) {
    return acl_selector_show_commands(u->selectors[selector], out);
}

bool acl_show_keys(const acl_user *u, size_t selector, buffer *out) {
    return acl_selector_show_keys(u->selectors[selector], out);
}

bool acl_show_channels(const acl_user *u, size_t selector, buffer *out) {
    return acl_selector_show_channels(u->selectors[selector], out);
}

/* "~x resetchannels &c -@all +get" */
static bool show_selector(const acl_selector *s, buffer *out) {
    bool has_keys = s->keys.all || s->keys.count > 0;
    bool has_channels = s->channels.all || s->channels.count > 0;
    return acl_selector_show_keys(s, out) && (!has_keys || buffer_append_text(out, " ")) &&
           (s->channels.all || buffer_append_text(out, "resetchannels ")) &&
           acl_selector_show_channels(s, out) && (!has_channels || buffer_append_text(out, " ")) &&
           acl_selector_show_commands(s, out);
}

bool acl_show_user(const acl_user *u, buffer *out) {
    const char *flags[4];
    size_t count = acl_flags(u, flags);
    bool ok = buffer_printf(out, "user %s", u->name);
    for (size_t i = 0; ok && i < count; i++) {
        ok = buffer_printf(out, " %s", flags[i]);
    }
    for (size_t i = 0; ok && i < u->password_count; i++) {
        ok = buffer_printf(out, " #%s", u->passwords[i]);
    }
    ok = ok && buffer_append_text(out, " ") && show_selector(u->selectors[0], out);
    for (size_t i = 1; ok && i < u->selector_count; i++) {
        ok = buffer_append_text(out, " (") && show_selector(u->selectors[i], out) &&
             buffer_append_text(out, ")");
    }
    return ok;
}
