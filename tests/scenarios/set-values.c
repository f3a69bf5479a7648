/* SPDX-License-Identifier: GPL-2.0-or-later */
/* set-values SERVICE OBJECT: sets parameters in one transaction, as an ACS does: lines "name<TAB>value" on standard
 * input. What busctl cannot do, as a prepared request ends with its caller's connection. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-bus.h>

#define INTERFACE "org.ispstorage.DataModel1"

static int append_values(sd_bus_message *call) {
        char line[1024];
        int r = sd_bus_message_open_container(call, 'a', "(sss)");

        while (r >= 0 && fgets(line, sizeof(line), stdin)) {
                char *tab = strchr(line, '\t');

                if (!tab)
                        return -EINVAL;
                *tab = 0;
                tab[1 + strcspn(tab + 1, "\n")] = 0;
                r = sd_bus_message_append(call, "(sss)", line, "", tab + 1);
        }
        return r < 0 ? r : sd_bus_message_close_container(call);
}

static int set_values(sd_bus *bus, const char *service, const char *object, sd_bus_error *error) {
        sd_bus_message *call, *reply;
        const char *name, *text;
        uint64_t token;
        uint32_t code;
        int r;

        if ((r = sd_bus_message_new_method_call(bus, &call, service, object, INTERFACE, "Prepare")) < 0 ||
            (r = append_values(call)) < 0 || (r = sd_bus_call(bus, call, 0, error, &reply)) < 0 ||
            (r = sd_bus_message_read(reply, "t", &token)) < 0 ||
            (r = sd_bus_message_enter_container(reply, 'a', "(sus)")) < 0)
                return r;
        while ((r = sd_bus_message_read(reply, "(sus)", &name, &code, &text)) > 0)
                fprintf(stderr, "%s: %u: %s\n", name, code, text);
        return r < 0 ? r : sd_bus_call_method(bus, service, object, INTERFACE, "Commit", error, NULL, "t", token);
}

int main(int argc, char *argv[]) {
        sd_bus_error error = SD_BUS_ERROR_NULL;
        sd_bus *bus;
        int r;

        if (argc != 3)
                return EXIT_FAILURE;
        r = sd_bus_open_system(&bus);
        if (r >= 0)
                r = set_values(bus, argv[1], argv[2], &error);
        if (r < 0)
                fprintf(stderr, "%s\n", error.message ? error.message : strerror(-r));
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
