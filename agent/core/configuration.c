/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/core/configuration.h"

#include <ctype.h>
#include <fcntl.h>

#include "common/base/file.h"
#include "common/base/str.h"

#define HEADER "ISPStorage configuration 1"

struct ConfigurationJob {
        const RpcContext *context;
        Rpc *rpc;
        char *path;
        ParameterList names;  /* of the device */
        ParameterList rows;   /* of the file; value: the name that the row has here */
        ParameterList values; /* of the file */
        ParameterList added;  /* rows, in order */
        size_t next_row;
        uint32_t fault;
        char *text;
        ConfigurationHandler handler;
        void *userdata;
};

ConfigurationJob *configuration_job_free(ConfigurationJob *job) {
        if (!job)
                return NULL;
        rpc_cancel(job->rpc);
        parameter_list_done(&job->names);
        parameter_list_done(&job->rows);
        parameter_list_done(&job->values);
        parameter_list_done(&job->added);
        free(job->path);
        free(job->text);
        return mfree(job);
}

static ConfigurationJob *job_new(
                const RpcContext *context,
                const char *path,
                ConfigurationHandler handler,
                void *userdata) {
        _cleanup_(configuration_job_freep) ConfigurationJob *job = calloc(1, sizeof(*job));

        if (!job || !(job->path = strdup(path)))
                return NULL;
        job->context = context;
        job->handler = handler;
        job->userdata = userdata;
        return TAKE_PTR(job);
}

static void finish(ConfigurationJob *job, uint32_t fault, const char *text) {
        job->handler(fault, text, job->userdata);
}

/* Without a key the ACS's ParameterKey stays. */
static void call(ConfigurationJob *job, CwmpMessageType type, const char *path, RpcHandler handler) {
        CwmpMessage *m = cwmp_message_new(type);

        if (m)
                m->path = strdup(path);
        if (!m || !m->path) {
                cwmp_message_free(m);
                finish(job, FAULT_TRANSFER_FAILURE, "Out of memory");
                return;
        }
        rpc_start(&job->rpc, job->context, m, handler, job);
}

/* --- Export --- */

static void write_escaped(FILE *f, const char *value) {
        static const char special[] = "\\\n\r\t", letters[] = "\\nrt";

        for (const char *p = value; *p; p++) {
                const char *s = strchr(special, *p);
                if (s)
                        fprintf(f, "\\%c", letters[s - special]);
                else
                        fputc(*p, f);
        }
}

static bool is_row(const char *name) {
        const char *p = endswith(name, ".");
        const char *end = p;

        while (p && p > name && isdigit((unsigned char) p[-1]))
                p--;
        return p && p < end && p > name && p[-1] == '.';
}

static int by_name(const void *a, const void *b) {
        return strcmp(((const Parameter *) a)->name, ((const Parameter *) b)->name);
}

static const Parameter *find_sorted(const ParameterList *l, const char *name) {
        const Parameter key = { .name = (char *) (uintptr_t) name };
        return l->n > 0 ? bsearch(&key, l->items, l->n, sizeof(Parameter), by_name) : NULL;
}

static char *format_file(const ConfigurationJob *job, const ParameterList *values, size_t *ret_size) {
        const ProviderTable *t = job->context->providers;
        char *data = NULL;
        FILE *f = open_memstream(&data, ret_size);

        if (!f)
                return NULL;
        fputs(HEADER "\n", f);
        for (size_t i = 0; i < job->names.n; i++) {
                const Parameter *n = job->names.items + i;
                if (n->writable && is_row(n->name))
                        fprintf(f, "%s\n", n->name);
        }
        for (size_t i = 0; i < values->n; i++) {
                const Parameter *v = values->items + i, *n = find_sorted(&job->names, v->name);
                if (!n || !n->writable || isempty(v->value) ||
                    !provider_table_is_exported(t, provider_table_strip_root(t, v->name)))
                        continue;
                fprintf(f, "%s\t%s\t", v->name, strempty(v->type));
                write_escaped(f, v->value);
                fputc('\n', f);
        }
        if (fclose(f) != 0)
                return mfree(data);
        return data;
}

static void export_values(CwmpMessage *response, void *userdata) {
        _cleanup_(cwmp_message_freep) CwmpMessage *m = response;
        ConfigurationJob *job = userdata;
        size_t size = 0;

        if (!m || m->type == CWMP_FAULT) {
                finish(job, FAULT_UPLOAD_FAILURE, "The values are not there");
                return;
        }
        _cleanup_free_ char *data = format_file(job, &m->parameters, &size);
        if (!data || write_file_atomic(AT_FDCWD, job->path, data, size, 0600) < 0)
                finish(job, FAULT_UPLOAD_FAILURE, "Cannot write the configuration file");
        else
                finish(job, 0, NULL);
}

static bool take_names(ConfigurationJob *job, CwmpMessage *m) {
        if (!m || m->type == CWMP_FAULT)
                return false;
        job->names = m->parameters;
        m->parameters = (ParameterList) {};
        if (job->names.n > 0)
                qsort(job->names.items, job->names.n, sizeof(Parameter), by_name);
        return true;
}

static void export_names(CwmpMessage *response, void *userdata) {
        _cleanup_(cwmp_message_freep) CwmpMessage *m = response;
        ConfigurationJob *job = userdata;
        CwmpMessage *get = cwmp_message_new(CWMP_GET_PARAMETER_VALUES);

        if (!take_names(job, m) || !get || !parameter_list_add(&get->parameters, "", NULL, NULL)) {
                cwmp_message_free(get);
                finish(job, FAULT_UPLOAD_FAILURE, "The names are not there");
                return;
        }
        rpc_start(&job->rpc, job->context, get, export_values, job);
}

int configuration_export(ConfigurationJob **ret, const RpcContext *context, const char *path,
                         ConfigurationHandler handler, void *userdata) {
        ConfigurationJob *job = job_new(context, path, handler, userdata);
        if (!job)
                return -ENOMEM;

        *ret = job;
        call(job, CWMP_GET_PARAMETER_NAMES, "", export_names);
        return 0;
}

/* --- Import --- */

static bool unescape(char *s) {
        char *to = s;

        for (; *s; s++) {
                if (*s != '\\') {
                        *to++ = *s;
                        continue;
                }
                s++;
                if (!*s || !strchr("\\nrt", *s))
                        return false;
                *to++ = *s == 'n' ? '\n' : *s == 'r' ? '\r' : *s == 't' ? '\t' : '\\';
        }
        *to = 0;
        return true;
}

static int parse_line(ConfigurationJob *job, char *line) {
        char *type = strchr(line, '\t');
        char *value = type ? strchr(type + 1, '\t') : NULL;

        if (!line[0])
                return 0;
        if (!type)
                return !is_row(line) ? -EBADMSG : parameter_list_add(&job->rows, line, NULL, line) ? 0 : -ENOMEM;
        if (!value || !unescape(value + 1))
                return -EBADMSG;
        *type++ = 0;
        *value++ = 0;
        return parameter_list_add(&job->values, line, type, value) ? 0 : -ENOMEM;
}

static int read_configuration(ConfigurationJob *job) {
        _cleanup_free_ char *data = NULL;
        char *line, *rest;

        int r = read_file(AT_FDCWD, job->path, CONFIGURATION_FILE_MAX, &data, NULL);
        if (r < 0)
                return r == -EFBIG ? -EBADMSG : r;
        if (!utf8_is_valid(data))
                return -EBADMSG;
        rest = data;
        line = strsep(&rest, "\n");
        if (!line || !streq(line, HEADER))
                return -EBADMSG;
        while (r >= 0 && (line = strsep(&rest, "\n")))
                r = parse_line(job, line);
        return r;
}

/* The name (of a row, of what is in one, or a reference, which has no dot at its end) with the numbers that the rows
 * have here; NULL if memory ran out. */
static char *translate(const ConfigurationJob *job, const char *name, size_t n_rows) {
        _cleanup_free_ char *dotted = endswith(name, ".") ? strdup(name) : strfmt("%s.", name);
        const Parameter *best = NULL;

        if (!dotted)
                return NULL;
        for (size_t i = 0; i < n_rows; i++)
                if (startswith(dotted, job->rows.items[i].name) &&
                    (!best || strlen(job->rows.items[i].name) > strlen(best->name)))
                        best = job->rows.items + i;
        if (!best)
                return strdup(name);

        char *here = strfmt("%s%s", best->value, dotted + strlen(best->name));
        if (here && !endswith(name, "."))
                here[strlen(here) - 1] = 0;
        return here;
}

static void undo(ConfigurationJob *job);

static void undone(CwmpMessage *response, void *userdata) {
        cwmp_message_free(response);
        undo(userdata);
}

static void undo(ConfigurationJob *job) {
        if (job->added.n == 0) {
                finish(job, job->fault, job->text);
                return;
        }
        _cleanup_free_ char *row = strdup(job->added.items[job->added.n - 1].name);
        parameter_list_remove(&job->added, job->added.n - 1);
        call(job, CWMP_DELETE_OBJECT, strempty(row), undone);
}

/* Takes back the rows that were added, then reports. */
static void fail(ConfigurationJob *job, const char *text, const char *name) {
        job->fault = FAULT_FILE_CORRUPTED;
        free(job->text);
        job->text = strfmt("%s: %s", text, name);
        undo(job);
}

static void values_set(CwmpMessage *response, void *userdata) {
        _cleanup_(cwmp_message_freep) CwmpMessage *m = response;
        ConfigurationJob *job = userdata;

        if (m && m->type != CWMP_FAULT)
                finish(job, 0, NULL);
        else if (m && m->parameters.n > 0)
                fail(job, strempty(m->parameters.items[0].value), m->parameters.items[0].name);
        else
                fail(job, "Cannot set the values", m ? cwmp_fault_text(m->fault_code) : "out of memory");
}

/* A value that names a row of the file names it as it is here. A list of such has them all. */
static char *translate_value(const ConfigurationJob *job, const char *value) {
        _cleanup_strv_free_ char **items = NULL, **here = NULL;

        if (!startswith(value, job->context->providers->root))
                return strdup(value);
        if (strv_split(value, ",", &items) < 0)
                return NULL;
        STRV_FOREACH(s, items)
                if (strv_consume(&here, translate(job, *s, job->rows.n)) < 0)
                        return NULL;
        return strv_join(here, ",");
}

static void set_values(ConfigurationJob *job) {
        _cleanup_(cwmp_message_freep) CwmpMessage *set = cwmp_message_new(CWMP_SET_PARAMETER_VALUES);

        for (size_t i = 0; set && i < job->values.n; i++) {
                const Parameter *v = job->values.items + i;
                _cleanup_free_ char *name = translate(job, v->name, job->rows.n);
                _cleanup_free_ char *value = translate_value(job, v->value);
                if (!name || !value || !parameter_list_add(&set->parameters, name, v->type, value))
                        set = cwmp_message_free(set);
        }
        if (!set) {
                fail(job, "Cannot set the values", "out of memory");
                return;
        }
        rpc_start(&job->rpc, job->context, TAKE_PTR(set), values_set, job);
}

static void next_row(ConfigurationJob *job);

static void row_added(CwmpMessage *response, void *userdata) {
        _cleanup_(cwmp_message_freep) CwmpMessage *m = response;
        ConfigurationJob *job = userdata;
        Parameter *row = job->rows.items + job->next_row;

        if (!m || m->type == CWMP_FAULT) {
                fail(job, "Cannot add the row", row->name);
                return;
        }
        /* row->value is the table, up to its dot. */
        char *here = strfmt("%s%u.", row->value, m->number);
        if (!here || !parameter_list_add(&job->added, here, NULL, NULL)) {
                free(here);
                fail(job, "Out of memory", row->name);
                return;
        }
        free(row->value);
        row->value = here;
        job->next_row++;
        next_row(job);
}

static void next_row(ConfigurationJob *job) {
        for (; job->next_row < job->rows.n; job->next_row++) {
                Parameter *row = job->rows.items + job->next_row;
                char *here = translate(job, row->name, job->next_row);

                if (!here) {
                        fail(job, "Out of memory", row->name);
                        return;
                }
                free(row->value);
                row->value = here;
                if (find_sorted(&job->names, here))
                        continue;

                /* The table: without the number and its dot. */
                char *end = here + strlen(here) - 1;
                while (end > here && isdigit((unsigned char) end[-1]))
                        end--;
                *end = 0;
                call(job, CWMP_ADD_OBJECT, here, row_added);
                return;
        }
        set_values(job);
}

static void import_names(CwmpMessage *response, void *userdata) {
        _cleanup_(cwmp_message_freep) CwmpMessage *m = response;
        ConfigurationJob *job = userdata;

        if (take_names(job, m))
                next_row(job);
        else
                finish(job, FAULT_TRANSFER_FAILURE, "The names are not there");
}

int configuration_import(ConfigurationJob **ret, const RpcContext *context, const char *path,
                         ConfigurationHandler handler, void *userdata) {
        _cleanup_(configuration_job_freep) ConfigurationJob *job = job_new(context, path, handler, userdata);
        if (!job)
                return -ENOMEM;

        int r = read_configuration(job);
        if (r < 0)
                return r;
        *ret = job;
        call(TAKE_PTR(job), CWMP_GET_PARAMETER_NAMES, "", import_names);
        return 0;
}
