/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>

#include "operator/frontend/metrics.h"

/* Each query gives a value, and the value of the label if there is one. */
static const struct {
        const char *name, *help, *label, *query;
} gauges[] = {
        { "ispstorage_subscriptions",
          "Subscriptions by state.",
          "state",
          "SELECT count(*), CASE WHEN removing THEN 'removing' WHEN suspended THEN 'suspended' ELSE "
          "'active' END AS s"
          " FROM subscriptions GROUP BY s" },
        { "ispstorage_devices",
          "Devices by the Status that they last reported.",
          "status",
          "SELECT count(*), iif(status = '', 'none', status) AS s FROM devices GROUP BY s" },
        { "ispstorage_devices_behind",
          "Subscribed devices that do not have main's tip yet.",
          NULL,
          "SELECT count(*) FROM devices d JOIN subscriptions s ON s.name = d.subscription"
          " WHERE d.status = 'Subscribed' AND NOT s.suspended"
          " AND (d.revision < s.revision OR d.revision = s.revision AND d.commit_id <> s.tip)" },
        { "ispstorage_devices_failing",
          "Devices whose last steps failed.",
          NULL,
          "SELECT count(*) FROM devices WHERE failures > 0" },
        { "ispstorage_operations",
          "Operations of the last weeks by state.",
          "state",
          "SELECT count(*), state FROM operations GROUP BY state" },
        { "ispstorage_commands_pending",
          "Commands to devices without a result.",
          NULL,
          "SELECT count(*) FROM commands WHERE finished IS NULL" },
        { "ispstorage_commands_oldest_seconds",
          "Age of the oldest command without a result.",
          NULL,
          "SELECT coalesce(unixepoch() - min(created), 0) FROM commands WHERE finished IS NULL" },
        { "ispstorage_tasks",
          "Work on repositories by state.",
          "state",
          "SELECT count(*), state FROM tasks GROUP BY state" },
        { "ispstorage_revisions",
          "Revisions of all subscriptions.",
          NULL,
          "SELECT coalesce(sum(revision), 0) FROM subscriptions" },
};

static int write_gauge(Manager *m, FILE *f, size_t i) {
        _cleanup_sqlite_finalize_ sqlite3_stmt *q = NULL;
        int r;

        (void) fprintf(f, "# HELP %s %s\n# TYPE %s gauge\n", gauges[i].name, gauges[i].help, gauges[i].name);
        r = sqlite_prepare(m->db, &q, gauges[i].query, "");
        while (r >= 0 && (r = sqlite_step(q)) > 0) {
                long long value = (long long) sqlite3_column_int64(q, 0);

                /* The labels are words of ours. */
                if (gauges[i].label)
                        (void) fprintf(f,
                                       "%s{%s=\"%s\"} %lld\n",
                                       gauges[i].name,
                                       gauges[i].label,
                                       strempty(sqlite_column_str(q, 1)),
                                       value);
                else
                        (void) fprintf(f, "%s %lld\n", gauges[i].name, value);
        }
        return r;
}

static void write_counter(FILE *f, const char *name, const char *help, uint64_t value) {
        (void) fprintf(f,
                       "# HELP %s %s\n# TYPE %s counter\n%s %llu\n",
                       name,
                       help,
                       name,
                       name,
                       (unsigned long long) value);
}

int metrics_describe(Manager *m, char **ret) {
        _cleanup_free_ char *text = NULL;
        size_t size;
        FILE *f = open_memstream(&text, &size);
        int r = 0;

        if (!f)
                return -ENOMEM;
        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(gauges); i++)
                r = write_gauge(m, f, i);
        write_counter(f, "ispstorage_informs_total", "Informs taken over.", m->counters.informs);
        write_counter(f, "ispstorage_results_total", "Results of commands taken over.", m->counters.results);
        write_counter(f,
                      "ispstorage_commands_published_total",
                      "Commands published, repetitions included.",
                      m->counters.commands);
        write_counter(f, "ispstorage_pushes_total", "Pushes told by the repositories.", m->counters.pushes);
        (void) fprintf(f,
                       "# HELP ispstorage_broker_connected Whether the queue is connected.\n"
                       "# TYPE ispstorage_broker_connected gauge\nispstorage_broker_connected %i\n",
                       m->mqtt && mqtt_client_is_connected(m->mqtt));
        (void) fprintf(f,
                       "# HELP ispstorage_repository_jobs Repositories that are being looked at, or wait for it.\n"
                       "# TYPE ispstorage_repository_jobs gauge\nispstorage_repository_jobs %u\n",
                       manager_n_jobs(m));
        if (fclose(f) != 0)
                return -ENOMEM;
        if (r < 0)
                return r;
        *ret = TAKE_PTR(text);
        return 0;
}

bool frontend_is_healthy(Manager *m) {
        int64_t one;

        return m->mqtt && mqtt_client_is_connected(m->mqtt) &&
               sqlite_get_int(m->db, &one, "SELECT 1 FROM sqlite_schema", "") >= 0;
}
