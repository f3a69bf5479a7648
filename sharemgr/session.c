/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <jansson.h>

#include "common/base/parse.h"
#include "common/base/str.h"
#include "sharemgr/session.h"

void session_done(Session *s) {
        free(s->id);
        free(s->protocol);
        free(s->user);
        free(s->address);
        strv_free(s->shares);
        strv_free(s->files);
        *s = (Session){};
}

void sessions_done(Sessions *s) {
        for (size_t i = 0; i < s->n; i++)
                session_done(s->items + i);
        s->items = mfree(s->items);
        s->n = 0;
}

int sessions_append(Sessions *sessions, Session *s) {
        Session *grown;

        if (sessions->n >= SESSIONS_MAX)
                return -ENOSPC;
        grown = reallocarray(sessions->items, sessions->n + 1, sizeof(Session));
        if (!grown)
                return -ENOMEM;
        sessions->items = grown;
        sessions->items[sessions->n++] = *s;
        *s = (Session){};
        return 0;
}

/* --- Samba --- */

static const char *text_at(const json_t *o, const char *key) {
        return strempty(json_string_value(json_object_get(o, key)));
}

static const char *process_of(const json_t *o) {
        return text_at(json_object_get(o, "server_id"), "pid");
}

static int add_item(char ***items, const char *item) {
        return strv_length(*items) >= SESSION_ITEMS_MAX || strv_contains(*items, item)
                               ? 0
                               : strv_extend(items, item);
}

static Session *find_smb(Sessions *sessions, const char *process) {
        for (size_t i = 0; i < sessions->n; i++)
                if (streq(sessions->items[i].id + strlen("smb:"), process))
                        return sessions->items + i;
        return NULL;
}

static int read_sessions(const json_t *objects, Sessions *sessions) {
        const char *key;
        json_t *o;
        int r;

        json_object_foreach((json_t *) objects, key, o) {
                Session s = {};

                if (find_smb(sessions, process_of(o)))
                        continue;
                s.id = strfmt("smb:%s", process_of(o));
                s.protocol = strdup(text_at(o, "session_dialect"));
                s.user = strdup("");
                s.address = strdup(text_at(o, "remote_machine"));
                r = s.id && s.protocol && s.user && s.address ? sessions_append(sessions, &s) : -ENOMEM;
                session_done(&s);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int read_shares(const json_t *objects, Sessions *sessions) {
        const char *key;
        json_t *o;

        json_object_foreach((json_t *) objects, key, o) {
                Session *s = find_smb(sessions, process_of(o));
                int r = s ? add_item(&s->shares, text_at(o, "service")) : 0;

                if (r < 0)
                        return r;
        }
        return 0;
}

static int read_files(const json_t *objects, Sessions *sessions) {
        const char *key, *opener;
        json_t *o, *open;

        json_object_foreach((json_t *) objects, key, o)
                        json_object_foreach(json_object_get(o, "opens"), opener, open) {
                Session *s = find_smb(sessions, process_of(open));
                _cleanup_free_ char *path =
                                strfmt("%s/%s", text_at(o, "service_path"), text_at(o, "filename"));
                int r = !path ? -ENOMEM : s ? add_item(&s->files, path) : 0;

                if (r < 0)
                        return r;
        }
        return 0;
}

int sessions_from_smbstatus(const char *text, Sessions *ret) {
        _cleanup_sessions_ Sessions sessions = {};
        json_auto_t *o = json_loads(text, 0, NULL);
        int r;

        if (!json_is_object(o))
                return -EBADMSG;
        if ((r = read_sessions(json_object_get(o, "sessions"), &sessions)) < 0 ||
            (r = read_shares(json_object_get(o, "tcons"), &sessions)) < 0 ||
            (r = read_files(json_object_get(o, "open_files"), &sessions)) < 0)
                return r;
        *ret = sessions;
        sessions = (Sessions){};
        return 0;
}

uint32_t session_smb_process(const char *id) {
        const char *number = startswith(id, "smb:");
        uint32_t process;

        return number && parse_uint32(number, &process) >= 0 ? process : 0;
}

char *session_user_from_audit(const char *line) {
        json_auto_t *o = json_loads(line, 0, NULL);
        const char *account = text_at(json_object_get(o, "Authorization"), "account");

        return streq(text_at(o, "type"), "Authorization") && *account ? strdup(account) : NULL;
}

/* --- FTP --- */

int session_from_ftp_process(const char *cgroup, const char *command_line, Session *ret) {
        const char *title = strstr(command_line, "vsftpd: "), *unit = strrchr(cgroup, '/'), *slash, *colon;
        _cleanup_(session_done) Session s = {};

        if (!title || !unit)
                return 0;
        title += strlen("vsftpd: ");
        slash = strchr(title, '/');
        colon = slash ? strstr(slash, ": ") : NULL;
        if (!colon)
                return 0;
        s.id = strfmt("ftp:%s", unit + 1);
        s.protocol = strdup("FTP");
        s.address = strndup(title, (size_t) (slash - title));
        s.user = strndup(slash + 1, (size_t) (colon - slash - 1));
        if (!s.id || !s.protocol || !s.address || !s.user)
                return -ENOMEM;
        colon += 2;
        if (!startswith(colon, "IDLE") && strv_consume(&s.files, strndup(colon, strcspn(colon, "\""))) < 0)
                return -ENOMEM;
        *ret = s;
        s = (Session){};
        return 1;
}

/* --- Texts --- */

static json_t *list_to_json(char *const *l) {
        json_t *array = json_array();

        STRV_FOREACH (s, l)
                if (json_array_append_new(array, json_string_nocheck(*s)) < 0) {
                        json_decref(array);
                        return NULL;
                }
        return array;
}

int session_to_text(const Session *s, char **ret) {
        json_t *o =
                        json_pack("{s:s, s:s, s:s, s:s, s:o, s:o}",
                                  "id",
                                  s->id,
                                  "protocol",
                                  s->protocol,
                                  "user",
                                  s->user,
                                  "address",
                                  s->address,
                                  "shares",
                                  list_to_json(s->shares),
                                  "files",
                                  list_to_json(s->files));
        char *text = o ? json_dumps(o, JSON_COMPACT) : NULL;

        json_decref(o);
        if (!text)
                return -ENOMEM;
        *ret = text;
        return 0;
}

static int list_from_json(const json_t *array, char ***ret) {
        const json_t *item;
        size_t i;
        int r;

        json_array_foreach(array, i, item) {
                r = add_item(ret, strempty(json_string_value(item)));
                if (r < 0)
                        return r;
        }
        return 0;
}

int session_from_text(const char *text, Session *ret) {
        _cleanup_(session_done) Session s = {};
        json_auto_t *o = json_loads(text, 0, NULL);
        int r;

        if (!json_is_object(o))
                return -EBADMSG;
        s.id = strdup(text_at(o, "id"));
        s.protocol = strdup(text_at(o, "protocol"));
        s.user = strdup(text_at(o, "user"));
        s.address = strdup(text_at(o, "address"));
        if (!s.id || !s.protocol || !s.user || !s.address)
                return -ENOMEM;
        if ((r = list_from_json(json_object_get(o, "shares"), &s.shares)) < 0 ||
            (r = list_from_json(json_object_get(o, "files"), &s.files)) < 0)
                return r;
        *ret = s;
        s = (Session){};
        return 0;
}
