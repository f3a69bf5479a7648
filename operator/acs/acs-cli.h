/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the program does besides being the service. These work while it runs; they log what fails. */
#pragma once

#include "operator/acs/acs-config.h"

/* A password on standard input, without the line's end. */
#define PASSWORD_LENGTH_MAX 256U

/* Become the owner of the database's directory if root runs them, so that the files that SQLite makes are
 * the service's. */

/* Reads a password from standard input and makes it the device's. */
int acs_cli_set_password(const AcsConfig *config, const char *device);

/* Prints the devices as a table or as a JSON list. */
int acs_cli_list_devices(const AcsConfig *config, bool json);
