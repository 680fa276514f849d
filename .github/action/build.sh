#!/usr/bin/env bash
# Builds the image for one platform. Reads PLATFORM, ARGS, TAGS.
# shellcheck source=SCRIPTDIR/shell
source "$(dirname "${BASH_SOURCE[0]}")/shell"
words "${ARGS-}"
args=(${words[@]+"${words[@]}"} --platform "$PLATFORM")
[[ -z $TAGS ]] || args+=(--tag "$TAGS")
say "cargo oci build ${args[*]}"
cargo oci build "${args[@]}"
