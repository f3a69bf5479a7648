/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The faults that every part of the engine is tried with, as tests. Who includes it tries them in fail_each(), each
 * at every call that it may hit, and has FAULT_TESTS in its list. */
#pragma once

#include <cmocka.h>

#include "tests/unit/fault.h"

static void fail_each(FaultKind kind, bool lasting);

static void a_full_disk_loses_nothing(void **state) {
        fail_each(FAULT_NO_SPACE, false);
        fail_each(FAULT_NO_SPACE, true);
}

static void a_quota_loses_nothing(void **state) {
        fail_each(FAULT_QUOTA, true);
}

static void an_error_of_the_disk_loses_nothing(void **state) {
        fail_each(FAULT_IO, false);
        fail_each(FAULT_IO, true);
}

static void a_lack_of_descriptors_loses_nothing(void **state) {
        fail_each(FAULT_DESCRIPTORS, false);
        fail_each(FAULT_DESCRIPTORS, true);
}

static void signals_and_short_transfers_do_not_matter(void **state) {
        fail_each(FAULT_INTERRUPTED, false);
        fail_each(FAULT_SHORT, false);
}

#define FAULT_TESTS                                                                                                  \
        cmocka_unit_test(a_full_disk_loses_nothing), cmocka_unit_test(a_quota_loses_nothing),                        \
                        cmocka_unit_test(an_error_of_the_disk_loses_nothing),                                        \
                        cmocka_unit_test(a_lack_of_descriptors_loses_nothing),                                       \
                        cmocka_unit_test(signals_and_short_transfers_do_not_matter)
