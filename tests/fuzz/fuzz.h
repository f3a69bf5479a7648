/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a fuzz target gives to libFuzzer and to the plain driver (driver.c). */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Works on one input of size bytes, which it must not keep. A defect shows as a crash, as a sanitizer's report or as a
 * failed assertion. Returns 0. (llvm.org/docs/LibFuzzer.html) */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
