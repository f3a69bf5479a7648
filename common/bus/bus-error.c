/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/bus/bus-error.h"

#include "common/base/str.h"

/* The table: name, errno, and what an ACS is told. The errnos are different, so that each can be told from
 * the others. */
static const struct {
        const char *name;
        int error;
        DmFault fault;
} table[] = {
        { BUS_ERROR_REQUEST_DENIED, EPERM, DM_FAULT_REQUEST_DENIED },
        { BUS_ERROR_INTERNAL_ERROR, EBADMSG, DM_FAULT_INTERNAL_ERROR },
        { BUS_ERROR_INVALID_ARGUMENTS, EINVAL, DM_FAULT_INVALID_ARGUMENTS },
        { BUS_ERROR_RESOURCES_EXCEEDED, ENOSPC, DM_FAULT_RESOURCES_EXCEEDED },
        { BUS_ERROR_INVALID_NAME, ENOENT, DM_FAULT_INVALID_NAME },
        { BUS_ERROR_INVALID_TYPE, EPROTOTYPE, DM_FAULT_INVALID_TYPE },
        { BUS_ERROR_INVALID_VALUE, EDOM, DM_FAULT_INVALID_VALUE },
        { BUS_ERROR_NON_WRITABLE, EROFS, DM_FAULT_NON_WRITABLE },
        { BUS_ERROR_BUSY, EBUSY, DM_FAULT_INTERNAL_ERROR },
        { BUS_ERROR_NO_SUCH_TOKEN, ENOLCK, DM_FAULT_INTERNAL_ERROR },
        { BUS_ERROR_STORAGE_FAILED, EIO, DM_FAULT_INTERNAL_ERROR },
        { BUS_ERROR_NO_SUCH_VERSION, ESRCH, DM_FAULT_INTERNAL_ERROR },
        { BUS_ERROR_ALREADY_EXISTS, EEXIST, DM_FAULT_INTERNAL_ERROR },
        { BUS_ERROR_UNREACHABLE, EHOSTUNREACH, DM_FAULT_INTERNAL_ERROR },
        { BUS_ERROR_CANCELED, ECANCELED, DM_FAULT_INTERNAL_ERROR },
};

int bus_error_register(void) {
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
        int r = sd_bus_error_add_map(map);

        return r < 0 ? r : 0;
}

int bus_error_set_fault(sd_bus_error *e, DmFault fault, const char *text) {
        for (size_t i = 0; i < ELEMENTSOF(table); i++)
                if (table[i].fault == fault) {
                        (void) sd_bus_error_set(e, table[i].name, text ?: dm_fault_to_string(fault));
                        return -table[i].error;
                }
        (void) sd_bus_error_set(e, BUS_ERROR_INTERNAL_ERROR, text);
        return -EBADMSG;
}

int bus_error_set_errno(sd_bus_error *e, int error) {
        error = error < 0 ? -error : error;
        switch (error) {
        case EBUSY:
                (void) sd_bus_error_set(e, BUS_ERROR_BUSY, "Another request holds the lock");
                return -EBUSY;
        case ENOLCK:
                (void) sd_bus_error_set(e, BUS_ERROR_NO_SUCH_TOKEN, "Unknown or expired token");
                return -ENOLCK;
        case ENOMEM:
                (void) sd_bus_error_set(e, BUS_ERROR_INTERNAL_ERROR, "Out of memory");
                return -EBADMSG;
        default:
                (void) sd_bus_error_setf(
                                e,
                                BUS_ERROR_STORAGE_FAILED,
                                "The state could not be stored: %s",
                                strerror(error));
                return -EIO;
        }
}

int bus_error_set_named(sd_bus_error *e, int error, const char *text) {
        error = error < 0 ? -error : error;
        for (size_t i = 0; i < ELEMENTSOF(table); i++)
                if (table[i].error == error) {
                        (void) sd_bus_error_set(e, table[i].name, text);
                        return -error;
                }
        (void) sd_bus_error_set(e, BUS_ERROR_STORAGE_FAILED, text);
        return -EIO;
}

DmFault bus_error_to_fault(const sd_bus_error *e) {
        for (size_t i = 0; i < ELEMENTSOF(table); i++)
                if (sd_bus_error_has_name(e, table[i].name))
                        return table[i].fault;
        return DM_FAULT_INTERNAL_ERROR;
}
