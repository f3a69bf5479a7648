/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <jansson.h>

#include "common/base/str.h"
#include "sharemgr/smart.h"

static uint32_t limited(json_int_t n) {
        return n < 0 ? 0 : (uint32_t) MIN(n, (json_int_t) UINT32_MAX);
}

static uint32_t number(const json_t *o, const char *key) {
        return limited(json_integer_value(json_object_get(o, key)));
}

/* Attributes of ATA disks by their numbers, which all makers use alike. Several pack other numbers into the
 * upper bytes of a raw value. */
static void read_ata(const json_t *table, SmartData *d) {
        const struct {
                unsigned id;
                uint32_t *value;
        } attributes[] = {
                { 5, &d->reallocated_sectors },     { 10, &d->spin_retries },
                { 196, &d->reallocation_events },   { 197, &d->pending_sectors },
                { 198, &d->uncorrectable_sectors }, { 201, &d->soft_read_errors },
                { 187, &d->read_errors },           { 200, &d->write_errors },
        };
        const json_t *row;
        size_t i;

        json_array_foreach(table, i, row) for (size_t k = 0; k < ELEMENTSOF(attributes);
                                               k++) if (number(row, "id") == attributes[k].id) *
                        attributes[k].value =
                        limited(json_integer_value(json_object_get(json_object_get(row, "raw"), "value")) &
                                UINT32_MAX);
}

/* Bits of smartctl's exit status (smartctl(8)): the disk could not be opened, or sleeps. */
#define EXIT_NOT_ASKED 2

int smart_from_json(const char *text, SmartData *ret) {
        json_auto_t *o = json_loads(text, 0, NULL);
        const json_t *health = json_object_get(o, "smart_status"), *nvme;
        SmartData d = {};

        if (!json_is_object(o))
                return -EBADMSG;
        if (json_integer_value(json_object_get(json_object_get(o, "smartctl"), "exit_status")) & EXIT_NOT_ASKED)
                return -ENODATA;
        nvme = json_object_get(o, "nvme_smart_health_information_log");
        /* Before 7.3 nothing but the answer says that there is one. */
        d.capable = nvme || health || json_is_true(json_object_get(json_object_get(o, "smart_support"), "available"));
        d.failing = json_is_false(json_object_get(health, "passed"));
        d.power_on_hours = number(json_object_get(o, "power_on_time"), "hours");
        d.power_cycles = number(o, "power_cycle_count");
        d.temperature = number(json_object_get(o, "temperature"), "current");
        read_ata(json_object_get(json_object_get(o, "ata_smart_attributes"), "table"), &d);
        if (nvme) {
                d.spares_remaining = MIN(number(nvme, "available_spare"), 100U);
                d.uncorrectable_sectors = number(nvme, "media_errors");
        }
        *ret = d;
        return 0;
}
