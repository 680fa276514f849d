#!/usr/bin/env bash
# Pushes the image for one platform by its digest; PART is the file that says so to index.sh.
# Reads PLATFORM, ARGS, TAGS, SIGN, SIGNING_CONFIG, PART.
# shellcheck source=SCRIPTDIR/shell
source "$(dirname "${BASH_SOURCE[0]}")/shell"
words "${ARGS-}"
args=(${words[@]+"${words[@]}"} --platform "$PLATFORM" --by-digest --metadata-file "$PART")
[[ -z $TAGS ]] || args+=(--tag "$TAGS")
signing
args+=(${signing[@]+"${signing[@]}"})
mkdir -p "$(dirname "$PART")"
say "cargo oci push ${args[*]}"
cargo oci push "${args[@]}"
