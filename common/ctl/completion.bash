# SPDX-License-Identifier: GPL-2.0-or-later
# Completion of ispstoragectl(1) for bash. Paths are completed as those of the present directory.

_ispstoragectl() {
        local word=$2 previous=$3 i command=
        local commands="status sync versions restore conflicts log share"
        local options="--json --instance= --limit= --version= --time= --to= --help"

        compopt +o default
        for ((i = 1; i < COMP_CWORD; i++)); do
                [[ " $commands " == *" ${COMP_WORDS[i]} "* ]] && command=${COMP_WORDS[i]}
        done
        if [[ $word == -* ]]; then
                mapfile -t COMPREPLY < <(compgen -W "$options" -- "$word")
                [[ ${COMPREPLY[0]-} == *= ]] && compopt -o nospace
        elif [[ $previous == = || $word == = ]]; then
                COMPREPLY=()
        elif [[ -z $command ]]; then
                mapfile -t COMPREPLY < <(compgen -W "$commands" -- "$word")
        elif [[ $command == share ]]; then
                mapfile -t COMPREPLY < <(compgen -W "shares users volumes media sessions end-session wipe" -- "$word")
        elif [[ $command == versions || $command == restore ]]; then
                compopt -o filenames
                mapfile -t COMPREPLY < <(compgen -f -- "$word")
        fi
        return 0
}
complete -F _ispstoragectl ispstoragectl
