# Sourced after a script has given its options their defaults as variables:  . ./parse_options.sh
#
#   --some-name value   --some-name=value   --some_name value     set the variable some_name
#   --config FILE       is sourced first, so that flags win
#   --help              prints $help_message
#
# An unknown name is an error (exit 2). A variable that is true or false accepts only these words; alone, --name is true.

_name() { echo "${1//-/_}"; }

_fail() { echo "$0: $1" >&2; exit 2; }

_set() {
    local name; name="$(_name "$1")"
    [[ "$name" =~ ^[a-z][a-z0-9_]*$ && -n "${!name+x}" ]] || _fail "no option --$1 (try --help)"
    if [[ "${!name}" =~ ^(true|false)$ && ! "$2" =~ ^(true|false)$ ]]; then _fail "--$1 is true or false, not '$2'"; fi
    printf -v "$name" '%s' "$2"
}

_arguments=("$@")
for ((_i = 0; _i < ${#_arguments[@]}; _i++)); do
    case "${_arguments[_i]}" in
        --config) _config="${_arguments[_i + 1]:-}" ;;
        --config=*) _config="${_arguments[_i]#*=}" ;;
        *) continue ;;
    esac
    [[ -r "$_config" ]] || _fail "--config: cannot read '$_config'"
    . "$_config"
done

while [[ $# -gt 0 ]]; do
    case "$1" in
        --help | -h) printf '%s\n' "$help_message"; exit 0 ;;
        --config) shift 2 ;;
        --config=*) shift ;;
        --*=*) _set "$(_n="${1%%=*}"; echo "${_n#--}")" "${1#*=}"; shift ;;
        --*)
            _n="$(_name "${1#--}")"
            if [[ "$_n" =~ ^[a-z][a-z0-9_]*$ && "${!_n:-}" =~ ^(true|false)$ && ! "${2:-}" =~ ^(true|false)$ ]]; then
                _set "$_n" true; shift; continue
            fi
            [[ $# -ge 2 ]] || _fail "$1 needs a value"; _set "${1#--}" "$2"; shift 2
            ;;
        *) break ;;
    esac
done
