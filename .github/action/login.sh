#!/usr/bin/env bash
# Logs in to a registry, as `cargo oci login` does: the token is on no command line.
# Reads REGISTRY, REGISTRY_USER, REGISTRY_TOKEN.
# shellcheck source=SCRIPTDIR/shell
source "$(dirname "${BASH_SOURCE[0]}")/shell"

# A job that only builds needs no login, and one that pushes fails there, with the reason.
if [[ -z $REGISTRY_TOKEN ]]; then
  warn "not logged in to $REGISTRY: the input \`token\` is empty"
elif ! cargo-oci login "$REGISTRY" --username "$REGISTRY_USER" --password-stdin <<<"$REGISTRY_TOKEN"; then
  warn "not logged in to $REGISTRY: a push needs the permission \`packages: write\`, or another \`username\` and \`token\`"
fi
