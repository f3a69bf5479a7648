# SPDX-License-Identifier: GPL-2.0-or-later
# bash completion for ispstorage-admin(8). Options are those that the program has; names are asked of the frontend.

_ispstorage_admin_names() {
        ispstorage-admin --json "$1" list 2>/dev/null | sed -n "s/^ *\"$2\": \"\(.*\)\",\{0,1\}$/\1/p"
}

_ispstorage_admin() {
        local word=${COMP_WORDS[COMP_CWORD]} i words=() choices

        for ((i = 1; i < COMP_CWORD; i++)); do
                [[ ${COMP_WORDS[i]} == -* || ${COMP_WORDS[i]} == = || ${COMP_WORDS[i - 1]} == = ]] || words+=("${COMP_WORDS[i]}")
        done
        case $word in
        -*) choices=$(ispstorage-admin --help | grep -oE -- '--[a-z][a-z-]*' | sort -u) ;;
        *)
                case "${#words[@]} ${words[*]}" in
                "0 ") choices='subscription device operation task audit token export publish backup restore' ;;
                "1 subscription") choices='create set list show suspend resume check maintain retain remove' ;;
                "1 device") choices='allow list show remove get set add delete names attributes' ;;
                "1 task") choices='list show' ;;
                "1 operation" | "1 audit") choices=list ;;
                "1 token") choices='list create remove' ;;
                "2 device list" | "2 subscription list" | "2 subscription create") ;;
                "2 subscription "* | "1 export") choices=$(_ispstorage_admin_names subscription name) ;;
                "2 device "*) choices=$(_ispstorage_admin_names device device) ;;
                *" publish"*) choices=$(_ispstorage_admin_names subscription name) ;;
                "2 token remove") choices=$(_ispstorage_admin_names token name) ;;
                esac
                ;;
        esac
        mapfile -t COMPREPLY < <(compgen -W "$choices" -- "$word")
}

complete -o default -F _ispstorage_admin ispstorage-admin
