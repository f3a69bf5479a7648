/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A provider with as many parameters as its argument says, for measurements: X_000000_Many.Value1 and so on, all
 * read-only. */
#include <stdlib.h>
#include <systemd/sd-bus.h>

#include "common/base/cleanup.h"
#include "common/base/parse.h"

#define NAME_FORMAT "X_000000_Many.Value%u"
#define NAME_MAX_SIZE 40U

static int get_names(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const uint32_t *n = userdata;

        int r = sd_bus_message_new_method_return(m, &reply);
        if (r < 0 || (r = sd_bus_message_open_container(reply, 'a', "(sb)")) < 0)
                return r;
        for (uint32_t i = 1; i <= *n; i++) {
                char name[NAME_MAX_SIZE];
                (void) snprintf(name, sizeof(name), NAME_FORMAT, i);
                r = sd_bus_message_append(reply, "(sb)", name, false);
                if (r < 0)
                        return r;
        }
        r = sd_bus_message_close_container(reply);
        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

static int get_values(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const uint32_t *n = userdata;

        int r = sd_bus_message_new_method_return(m, &reply);
        if (r < 0 || (r = sd_bus_message_open_container(reply, 'a', "(sss)")) < 0)
                return r;
        for (uint32_t i = 1; i <= *n; i++) {
                char name[NAME_MAX_SIZE];
                (void) snprintf(name, sizeof(name), NAME_FORMAT, i);
                r = sd_bus_message_append(reply, "(sss)", name, "string", "a value of some length");
                if (r < 0)
                        return r;
        }
        r = sd_bus_message_close_container(reply);
        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

static int get_notify_rules(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        return sd_bus_reply_method_return(m, "a(ss)", 0);
}

static const sd_bus_vtable vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD("GetNames", "sb", "a(sb)", get_names, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("GetValues", "as", "a(sss)", get_values, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("GetNotifyRules", NULL, "a(ss)", get_notify_rules, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};

int main(int argc, char *argv[]) {
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        uint32_t n = 0;

        if (argc != 2 || parse_uint32(argv[1], &n) < 0)
                return EXIT_FAILURE;
        int r = sd_bus_open_system(&bus);
        if (r >= 0)
                r = sd_bus_add_object_vtable(bus, NULL, "/com/example/Many1", "org.ispstorage.DataModel1", vtable, &n);
        if (r >= 0)
                r = sd_bus_request_name(bus, "com.example.Many1", 0);
        while (r >= 0) {
                r = sd_bus_process(bus, NULL);
                if (r == 0)
                        r = sd_bus_wait(bus, UINT64_MAX);
        }
        return EXIT_FAILURE;
}
