"""dlx completion"""

from __future__ import annotations

import argparse

from dlx.cli.arguments import command_parser

DESCRIPTION = """Print the script that lets a shell complete commands, options, groups, keys and run folders.

bash, in ~/.bashrc:                     eval "$(dlx completion bash)"
zsh, in ~/.zshrc:                       eval "$(dlx completion zsh)"
fish, in ~/.config/fish/config.fish:    dlx completion fish | source

zsh reads [ ] ( ) itself, so quote there: dlx train 'regularizer=[dropout,l2]'"""

BASH = r"""# Completion of dlx for bash: eval "$(dlx completion bash)"
_dlx() {
    # Bash cuts words at the characters of COMP_WORDBREAKS, "=" among them. Put together again what no space parts.
    local line=${COMP_LINE:0:COMP_POINT} rest word index last=-1
    local -a words=()
    for ((index = 0; index <= COMP_CWORD; index++)); do
        rest=${line#"${line%%[![:space:]]*}"}
        word=${COMP_WORDS[index]}
        ((index == COMP_CWORD)) && word=$rest
        if [[ $rest != "$line" || $index == 0 ]]; then
            words[++last]=$word
        else
            words[last]+=$word
        fi
        line=${rest#"$word"}
    done
    # Bash replaces only what follows the last such character, or the quote that is open; spaces are escaped for it.
    local typed=${words[last]} breaks=${COMP_WORDBREAKS//[[:space:]]/} kept candidate quote=%q
    case $typed in
        *[\"\']*) kept=${typed%%[\"\']*} quote=%s ;;
        *) kept=${typed%"${typed##*["$breaks"]}"} ;;
    esac
    COMPREPLY=()
    while IFS= read -r candidate; do
        [[ $candidate == *" "* ]] && printf -v candidate "$quote" "$candidate"
        COMPREPLY+=("${candidate#"$kept"}")
    done < <(command dlx complete "${words[@]:1}" 2>/dev/null)
    case ${#COMPREPLY[@]}:${candidate:=${COMPREPLY[0]}} in
        0:*) [[ $typed != *=* || $typed == *[-_]dir=* ]] && compopt -o default 2>/dev/null ;;
        1:*[=/] | 1:*\[*) compopt -o nospace 2>/dev/null ;;
    esac
}
complete -F _dlx dlx
"""

ZSH = r"""#compdef dlx
# Completion of dlx for zsh: eval "$(dlx completion zsh)", or this text as a file _dlx in a folder of fpath
_dlx() {
    local -a found
    found=(${(f)"$(command dlx complete "${(@)words[2,CURRENT-1]}" "$PREFIX" 2>/dev/null)"})
    if (( $#found )); then
        # More may follow a key, a folder or an item of a list: no space.
        compadd -S '' -- ${(M)found:#(*[=/]|*=\[*)}
        compadd -- ${found:#(*[=/]|*=\[*)}
    elif [[ $PREFIX != *=* || $PREFIX == *[-_]dir=* ]]; then
        compset -P '*='
        _files
    fi
}
(( $+functions[compdef] )) || { autoload -Uz compinit && compinit }
if [[ $funcstack[1] == _dlx ]]; then _dlx "$@"; else compdef _dlx dlx; fi
"""

FISH = r"""# Completion of dlx for fish: dlx completion fish | source
function __dlx_complete
    set -l words (commandline -opc)
    set -l typed (commandline -ct)
    set -l found (command dlx complete $words[2..-1] "$typed" 2>/dev/null)
    if test (count $found) -gt 0
        printf '%s\n' $found
    else if string match -qr '[-_]dir=' -- $typed
        set -l parts (string split -m 1 = -- $typed)
        printf '%s\n' $parts[1]=(__fish_complete_path $parts[2])
    else if not string match -q '*=*' -- $typed
        __fish_complete_path $typed
    end
end
complete -c dlx -f -a '(__dlx_complete)'
"""

SCRIPTS = {"bash": BASH, "zsh": ZSH, "fish": FISH}


def parser() -> argparse.ArgumentParser:
    """Return the parser."""
    result = command_parser("completion", DESCRIPTION, overrides=False)
    result.add_argument("shell", choices=SCRIPTS, help="the shell to complete in")
    return result


def run(args: argparse.Namespace) -> int:
    """Print the script."""
    print(SCRIPTS[args.shell], end="")
    return 0
