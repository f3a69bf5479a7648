/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/bus/bus-error.h"

#include "common/base/str.h"

/* The errnos are different, so that each can be told from the others. */
static const sd_bus_error_map map[] = {
        SD_BUS_ERROR_MAP(BUS_ERROR_REQUEST_DENIED, EPERM),
        SD_BUS_ERROR_MAP(BUS_ERROR_INTERNAL_ERROR, EBADMSG),
        SD_BUS_ERROR_MAP(BUS_ERROR_INVALID_ARGUMENTS, EINVAL),
        SD_BUS_ERROR_MAP(BUS_ERROR_RESOURCES_EXCEEDED, ENOSPC),
        SD_BUS_ERROR_MAP(BUS_ERROR_INVALID_NAME, ENOENT),
        SD_BUS_ERROR_MAP(BUS_ERROR_INVALID_TYPE, EPROTOTYPE),
        SD_BUS_ERROR_MAP(BUS_ERROR_INVALID_VALUE, EDOM),
        SD_BUS_ERROR_MAP(BUS_ERROR_NON_WRITABLE, EROFS),
        SD_BUS_ERROR_MAP(BUS_ERROR_BUSY, EBUSY),
        SD_BUS_ERROR_MAP(BUS_ERROR_NO_SUCH_TOKEN, ENOLCK),
        SD_BUS_ERROR_MAP(BUS_ERROR_STORAGE_FAILED, EIO),
        SD_BUS_ERROR_MAP(BUS_ERROR_NO_SUCH_VERSION, ESRCH),
        SD_BUS_ERROR_MAP(BUS_ERROR_ALREADY_EXISTS, EEXIST),
        SD_BUS_ERROR_MAP(BUS_ERROR_UNREACHABLE, EHOSTUNREACH),
        SD_BUS_ERROR_MAP(BUS_ERROR_CANCELED, ECANCELED),
        SD_BUS_ERROR_MAP_END,
};

/* What an ACS is told; of all others, that there is an internal error. */
static const struct {
        const char *name;
        DmFault fault;
} faults[] = {
        { BUS_ERROR_REQUEST_DENIED, DM_FAULT_REQUEST_DENIED },
        { BUS_ERROR_INTERNAL_ERROR, DM_FAULT_INTERNAL_ERROR },
        { BUS_ERROR_INVALID_ARGUMENTS, DM_FAULT_INVALID_ARGUMENTS },
        { BUS_ERROR_RESOURCES_EXCEEDED, DM_FAULT_RESOURCES_EXCEEDED },
        { BUS_ERROR_INVALID_NAME, DM_FAULT_INVALID_NAME },
        { BUS_ERROR_INVALID_TYPE, DM_FAULT_INVALID_TYPE },
        { BUS_ERROR_INVALID_VALUE, DM_FAULT_INVALID_VALUE },
        { BUS_ERROR_NON_WRITABLE, DM_FAULT_NON_WRITABLE },
};

int bus_error_register(void) {
        int r = sd_bus_error_add_map(map);

        return r < 0 ? r : 0;
}

/* A name of the table, which gives its errno. */
static int set(sd_bus_error *e, const char *name, const char *text) {
        (void) sd_bus_error_set(e, name, text);
        for (size_t i = 0; i < ELEMENTSOF(map) - 1; i++)
                if (streq(map[i].name, name))
                        return -map[i].code;
        return -EIO;
}

int bus_error_set_fault(sd_bus_error *e, DmFault fault, const char *text) {
        for (size_t i = 0; i < ELEMENTSOF(faults); i++)
                if (faults[i].fault == fault)
                        return set(e, faults[i].name, text ?: dm_fault_to_string(fault));
        return set(e, BUS_ERROR_INTERNAL_ERROR, text);
}

int bus_error_set_errno(sd_bus_error *e, int error) {
        _cleanup_free_ char *text = NULL;

        error = error < 0 ? -error : error;
        switch (error) {
        case EBUSY:
                return set(e, BUS_ERROR_BUSY, "Another request is being served");
        case ENOLCK:
                return set(e, BUS_ERROR_NO_SUCH_TOKEN, "Unknown or expired token");
        case ENOMEM:
                return set(e, BUS_ERROR_INTERNAL_ERROR, "Out of memory");
        default:
                text = strfmt("The state could not be stored: %s", strerror(error));
                return set(e, BUS_ERROR_STORAGE_FAILED, text);
        }
}

int bus_error_set_named(sd_bus_error *e, int error, const char *text) {
        error = error < 0 ? -error : error;
        for (size_t i = 0; i < ELEMENTSOF(map) - 1; i++)
                if (map[i].code == error)
                        return set(e, map[i].name, text);
        return set(e, BUS_ERROR_STORAGE_FAILED, text);
}

DmFault bus_error_to_fault(const sd_bus_error *e) {
        for (size_t i = 0; i < ELEMENTSOF(faults); i++)
                if (sd_bus_error_has_name(e, faults[i].name))
                        return faults[i].fault;
        return DM_FAULT_INTERNAL_ERROR;
}
