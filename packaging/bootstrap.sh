# SPDX-License-Identifier: GPL-2.0-or-later
# Sourced by demo, check and install-packages: from a bare Debian 12 machine to built software.
# shellcheck shell=bash

project=$(dirname "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")")

say() { printf '== %s\n' "$*" >&2; }
die() { printf '%s: %s\n' "$(basename "$0")" "$*" >&2; exit 1; }

# Ends with a clear word where nothing that follows could work.
require_machine() {
        [ "$(id -u)" = 0 ] || die 'needs root, to install packages and to build the testbed (containers, network namespaces)'
        # shellcheck disable=SC1091
        [ "$(. /etc/os-release 2>/dev/null && echo "${ID:-} ${VERSION_ID:-}")" = 'debian 12' ] ||
                die 'needs Debian 12: the project is built for the versions of its packages'
}

# install_packages ROLE...
install_packages() { "$project/packaging/install-packages" "$@"; }

# build_software DIRECTORY [MESON OPTION...]: configures unless that is done, then compiles.
build_software() {
        local directory=$1
        shift
        if [ ! -e "$directory/build.ninja" ]; then
                say "configuring $(basename "$directory")"
                /usr/bin/meson setup "$directory" "$project" "$@" >"$directory.log" 2>&1 ||
                        { tail -n 30 "$directory.log" >&2; die 'meson setup failed (see above)'; }
                rm -f "$directory.log"
        fi
        say "compiling $(basename "$directory")"
        /usr/bin/ninja -C "$directory" >"$directory/compile.log" 2>&1 ||
                { tail -n 60 "$directory/compile.log" >&2; die 'the software does not compile (see above)'; }
}

# testbed ARGUMENT...
testbed() { "$project/tests/testbed/testbed" "$@"; }
