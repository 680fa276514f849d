#!/usr/bin/env bash
# Sets CARGO_OCI_REPOSITORY and CARGO_OCI_CACHE_DIR for the steps that follow, unless they are set.
# Reads REGISTRY, TO; writes repository to GITHUB_OUTPUT.
# shellcheck source=SCRIPTDIR/shell
source "$(dirname "${BASH_SOURCE[0]}")/shell"

# Prints a line if a Cargo.toml of the project has the key `repository` in a table of ours: the variable would replace it.
table_has_repository() {
  # shellcheck disable=SC2016 # for awk to fill in
  find . \( -name target -o -name .git -o -name node_modules -o -path ./.cargo-oci \) -prune -o -name Cargo.toml -print0 |
    xargs -0 awk '
      # Quotes and spaces in the names of keys mean nothing.
      { line = $0; sub(/\r$/, "", line); sub(/#.*/, "", line); gsub(/[ \t"'\'']/, "", line) }
      line ~ /^\[/ { table = line; gsub(/[\[\]]/, "", table); next }
      {
        key = line; sub(/=.*/, "", key); path = table (table == "" ? "" : ".") key
        if (path ~ /^(package|workspace)\.metadata\.oci(\.images\.[^.]+)?\.repository$/) found = 1
        # Tables on one line.
        if (path ~ /^(package|workspace)\.metadata\.oci(\.images(\.[^.]+)?)?$/ && line ~ /[{,]repository=/) found = 1
        if (found) { print "found"; exit }
      }' /dev/null
}

repository=$TO
if [[ -z $repository ]]; then
  repository=${CARGO_OCI_REPOSITORY-}
  if [[ $repository ]]; then
    say "CARGO_OCI_REPOSITORY is set: $repository"
  elif [[ $(table_has_repository) ]]; then
    say "Cargo.toml says where images are pushed to"
  else
    # Names of images are in lowercase. bash 3.2 has no operator for that.
    repository=$(printf '%s/%s' "${REGISTRY:-ghcr.io}" "$GITHUB_REPOSITORY" | tr '[:upper:]' '[:lower:]')
  fi
fi
if [[ $repository ]]; then
  say "CARGO_OCI_REPOSITORY=$repository"
  printf 'CARGO_OCI_REPOSITORY=%s\n' "$repository" >>"$GITHUB_ENV"
fi
output repository "$repository"
# Where it is anyway: a path that the next step can name.
printf 'CARGO_OCI_CACHE_DIR=%s\n' "$(cargo-oci cache path)" >>"$GITHUB_ENV"
