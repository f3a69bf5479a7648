/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/core/notification.h"

#include <fcntl.h>
#include <stdio.h>

#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/str.h"

#define NOTIFICATION_FILE_VERSION 1U

/* All that is known about one parameter. Sorted by name in the array. */
typedef struct Entry {
        char *name;
        int attribute; /* Notification, or -1 if the ACS set none */
        char **access_list;
        char *told;    /* value the ACS knows; NULL if it knows none */
        char *waiting; /* value for the next Inform; NULL if none */
        char *waiting_type;
        char *sent;    /* value in the Inform that is under way; NULL if none */
} Entry;

typedef struct Rule {
        char *pattern;
        bool forced, enabled, deniable;
} Rule;

struct Notifications {
        char *path;
        Entry *entries;
        size_t n_entries;
        Rule *rules;
        size_t n_rules;
        bool dirty;
};

static void entry_done(Entry *e) {
        free(e->name);
        strv_free(e->access_list);
        free(e->told);
        free(e->waiting);
        free(e->waiting_type);
        free(e->sent);
}

Notifications *notifications_free(Notifications *n) {
        if (!n)
                return NULL;

        for (size_t i = 0; i < n->n_entries; i++)
                entry_done(n->entries + i);
        for (size_t i = 0; i < n->n_rules; i++)
                free(n->rules[i].pattern);
        free(n->entries);
        free(n->rules);
        free(n->path);
        return mfree(n);
}

/* Where the name is, or where it belongs. */
static size_t entry_position(const Notifications *n, const char *name) {
        size_t low = 0, high = n->n_entries;

        while (low < high) {
                size_t middle = low + (high - low) / 2;
                if (strcmp(n->entries[middle].name, name) < 0)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

static Entry *entry_find(const Notifications *n, const char *name) {
        size_t i = entry_position(n, name);
        return i < n->n_entries && streq(n->entries[i].name, name) ? n->entries + i : NULL;
}

static Entry *entry_get(Notifications *n, const char *name) {
        Entry *e = entry_find(n, name);
        if (e)
                return e;

        _cleanup_free_ char *copy = strdup(name);
        Entry *entries = reallocarray(n->entries, n->n_entries + 1, sizeof(*entries));
        if (entries)
                n->entries = entries;
        if (!copy || !entries)
                return NULL;

        size_t i = entry_position(n, name);
        memmove(entries + i + 1, entries + i, (n->n_entries - i) * sizeof(*entries));
        entries[i] = (Entry) { .name = TAKE_PTR(copy), .attribute = -1 };
        n->n_entries++;
        return entries + i;
}

static int load(Notifications *n) {
        _cleanup_free_ char *data = NULL;
        size_t size;

        int r = read_file(AT_FDCWD, n->path, NOTIFICATION_FILE_MAX, &data, &size);
        if (r < 0)
                return r == -ENOENT ? 0 : r;

        WireReader reader = { .data = data, .size = size };
        if (wire_get_u32(&reader) != NOTIFICATION_FILE_VERSION)
                return -EBADMSG;
        for (size_t count = wire_get_count(&reader, 4 * sizeof(uint32_t)); count > 0; count--) {
                _cleanup_free_ char *name = wire_get_string(&reader);
                if (!name)
                        return reader.error < 0 ? reader.error : -EBADMSG;
                Entry *e = entry_get(n, name);
                if (!e)
                        return -ENOMEM;
                e->attribute = (int) wire_get_u32(&reader);
                e->access_list = strv_free(e->access_list);
                e->access_list = wire_get_strv(&reader);
                free(e->told);
                e->told = wire_get_string(&reader);
        }
        return wire_reader_end(&reader);
}

int notifications_new(Notifications **ret, const char *path) {
        _cleanup_(notifications_freep) Notifications *n = calloc(1, sizeof(*n));
        int r = 0;

        if (!n || (path && !(n->path = strdup(path))))
                return -ENOMEM;

        if (path)
                r = load(n);
        if (r == -EBADMSG) {
                _cleanup_free_ char *aside = strfmt("%s.corrupt", path);
                _cleanup_free_ char *copy = strdup(path);
                if (!aside || !copy)
                        return -ENOMEM;
                (void) rename(path, aside);
                n = notifications_free(n);
                n = calloc(1, sizeof(*n));
                if (!n)
                        return -ENOMEM;
                n->path = TAKE_PTR(copy);
        } else if (r < 0)
                return r;

        *ret = TAKE_PTR(n);
        return r;
}

int notifications_save(Notifications *n) {
        _cleanup_wire_writer_ WireWriter w = {};
        uint32_t count = 0;

        if (!n->dirty || !n->path)
                return 0;

        for (size_t i = 0; i < n->n_entries; i++)
                if (n->entries[i].told || n->entries[i].attribute >= 0 || n->entries[i].access_list)
                        count++;

        wire_put_u32(&w, NOTIFICATION_FILE_VERSION);
        wire_put_u32(&w, count);
        for (size_t i = 0; i < n->n_entries; i++) {
                const Entry *e = n->entries + i;
                if (!e->told && e->attribute < 0 && !e->access_list)
                        continue;
                wire_put_string(&w, e->name);
                wire_put_u32(&w, (uint32_t) e->attribute);
                wire_put_strv(&w, e->access_list);
                wire_put_string(&w, e->told);
        }

        int r = wire_finish(&w);
        if (r >= 0)
                r = write_file_atomic(AT_FDCWD, n->path, w.data, w.size, 0600);
        if (r >= 0)
                n->dirty = false;
        return r;
}

int notifications_set_rules(Notifications *n, const ParameterList *rules) {
        for (size_t i = 0; i < rules->n; i++) {
                const char *text = strempty(rules->items[i].value);
                Rule rule = {
                        .forced = streq(text, "forceEnabled"),
                        .deniable = streq(text, "canDeny"),
                        .enabled = streq(text, "forceEnabled") || streq(text, "forceDefaultEnabled"),
                };
                if (!rule.enabled && !rule.deniable && !streq(text, "normal"))
                        return -EINVAL;

                size_t at = 0;
                while (at < n->n_rules && !streq(n->rules[at].pattern, rules->items[i].name))
                        at++;
                if (at < n->n_rules) {
                        n->rules[at].forced = rule.forced;
                        n->rules[at].deniable = rule.deniable;
                        n->rules[at].enabled = rule.enabled;
                        continue;
                }

                rule.pattern = strdup(rules->items[i].name);
                Rule *p = reallocarray(n->rules, n->n_rules + 1, sizeof(*p));
                if (p)
                        n->rules = p;
                if (!p || !rule.pattern) {
                        free(rule.pattern);
                        return -ENOMEM;
                }
                n->rules[n->n_rules++] = rule;
        }
        return 0;
}

static const Rule *rule_find(const Notifications *n, const char *name) {
        for (size_t i = 0; i < n->n_rules; i++)
                if (parameter_name_matches(n->rules[i].pattern, name))
                        return n->rules + i;
        return NULL;
}

bool notifications_is_forced(const Notifications *n, const char *name) {
        const Rule *rule = rule_find(n, name);
        return rule && rule->forced;
}

bool notifications_is_denied(const Notifications *n, const char *name) {
        const Rule *rule = rule_find(n, name);
        return rule && rule->deniable;
}

Notification notifications_level(const Notifications *n, const char *name) {
        const Rule *rule = rule_find(n, name);
        if (rule && rule->forced)
                return NOTIFICATION_ACTIVE;

        const Entry *e = entry_find(n, name);
        if (e && e->attribute >= 0)
                return e->attribute;
        return rule && rule->enabled ? NOTIFICATION_ACTIVE : NOTIFICATION_OFF;
}

char *const *notifications_access_list(const Notifications *n, const char *name) {
        const Entry *e = entry_find(n, name);
        return e ? e->access_list : NULL;
}

int notifications_set_attributes(Notifications *n, const ParameterList *attributes) {
        for (size_t i = 0; i < attributes->n; i++)
                if (!entry_get(n, attributes->items[i].name))
                        return -ENOMEM;

        for (size_t i = 0; i < attributes->n; i++) {
                const Parameter *p = attributes->items + i;
                Entry *e = entry_find(n, p->name);

                if (p->access_list_set) {
                        _cleanup_strv_free_ char **l = NULL;
                        int r = strv_copy(p->access_list, &l);
                        if (r < 0)
                                return r;
                        strv_free(e->access_list);
                        e->access_list = TAKE_PTR(l);
                }
                if (p->notification >= 0) {
                        bool was_off = notifications_level(n, p->name) == NOTIFICATION_OFF;
                        e->attribute = p->notification;
                        if (was_off && p->value && free_and_strdup(&e->told, p->value) < 0)
                                return -ENOMEM;
                        if (p->notification == NOTIFICATION_OFF)
                                e->waiting = mfree(e->waiting);
                }
        }

        n->dirty = true;
        return notifications_save(n);
}

int notifications_observe(Notifications *n, const Parameter *p) {
        Notification level = notifications_level(n, p->name);
        if (level == NOTIFICATION_OFF)
                return NOTIFICATION_OFF;

        Entry *e = entry_get(n, p->name);
        if (!e)
                return -ENOMEM;

        /* What is under way counts as told here: if the Inform fails it is marked again. */
        const char *known = e->waiting ?: e->sent ?: e->told;
        if (streq_ptr(known, strempty(p->value)))
                return NOTIFICATION_OFF;

        bool news = !e->waiting;
        if (free_and_strdup(&e->waiting, strempty(p->value)) < 0 || free_and_strdup(&e->waiting_type, p->type) < 0)
                return -ENOMEM;
        return news ? (int) level : NOTIFICATION_OFF;
}

int notifications_set_told(Notifications *n, const Parameter *p) {
        if (notifications_level(n, p->name) == NOTIFICATION_OFF)
                return 0;

        Entry *e = entry_get(n, p->name);
        if (!e)
                return -ENOMEM;
        int r = free_and_strdup(&e->told, strempty(p->value));
        if (r < 0)
                return r;
        if (r > 0)
                n->dirty = true;
        e->waiting = mfree(e->waiting);
        return 0;
}

void notifications_forget(Notifications *n, const char *object) {
        size_t kept = 0;

        for (size_t i = 0; i < n->n_entries; i++)
                if (startswith(n->entries[i].name, object)) {
                        entry_done(n->entries + i);
                        n->dirty = true;
                } else
                        n->entries[kept++] = n->entries[i];
        n->n_entries = kept;
}

void notifications_reset(Notifications *n) {
        for (size_t i = 0; i < n->n_entries; i++) {
                Entry *e = n->entries + i;
                e->told = mfree(e->told);
                e->waiting = mfree(e->waiting);
                e->sent = mfree(e->sent);
        }
        n->dirty = true;
}

bool notifications_pending_active(const Notifications *n) {
        for (size_t i = 0; i < n->n_entries; i++)
                if (n->entries[i].waiting &&
                    notifications_level(n, n->entries[i].name) == NOTIFICATION_ACTIVE)
                        return true;
        return false;
}

bool notifications_pending(const Notifications *n) {
        for (size_t i = 0; i < n->n_entries; i++)
                if (n->entries[i].waiting)
                        return true;
        return false;
}

int notifications_collect(Notifications *n, ParameterList *inform) {
        for (size_t i = 0; i < n->n_entries; i++) {
                Entry *e = n->entries + i;

                e->sent = mfree(e->sent);
                if (!e->waiting)
                        continue;
                if (free_and_strdup(&e->sent, e->waiting) < 0 ||
                    !parameter_list_add(inform, e->name, e->waiting_type ?: "string", e->waiting))
                        return -ENOMEM;
        }
        return 0;
}

int notifications_acknowledge(Notifications *n) {
        for (size_t i = 0; i < n->n_entries; i++) {
                Entry *e = n->entries + i;
                if (!e->sent)
                        continue;

                if (streq_ptr(e->waiting, e->sent))
                        e->waiting = mfree(e->waiting);
                free(e->told);
                e->told = TAKE_PTR(e->sent);
                n->dirty = true;
        }
        return notifications_save(n);
}
