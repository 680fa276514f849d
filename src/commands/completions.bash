
# `cargo oci …` is completed as `cargo-oci …`, and all else of cargo as before.
_cargo_oci_within_cargo() {
    if [[ ${COMP_CWORD} -gt 1 && ${COMP_WORDS[1]} == oci ]]; then
        local COMP_WORDS=(cargo-oci "${COMP_WORDS[@]:2}") COMP_CWORD=$((COMP_CWORD - 1))
        _cargo_oci cargo-oci "$2" "$3"
        return
    fi
    if ! declare -F _cargo >/dev/null; then
        # Cargo's own is read when it is first wanted, and takes the place of this one.
        if declare -F _comp_load >/dev/null; then
            _comp_load cargo
        elif declare -F _completion_loader >/dev/null; then
            _completion_loader cargo
        fi
        complete -F _cargo_oci_within_cargo -o bashdefault -o default cargo
    fi
    if declare -F _cargo >/dev/null; then
        _cargo "$@"
    fi
    if [[ ${COMP_CWORD} -eq 1 && oci == "$2"* ]]; then
        COMPREPLY+=(oci)
    fi
}
complete -F _cargo_oci_within_cargo -o bashdefault -o default cargo
