#!/usr/bin/env bash
# Makes one index of the images that were pushed for single platforms, and says how it is verified.
# Reads REQUIRED, SIGN, SIGNING_CONFIG, WORKFLOW_REF, WORKFLOW_REPOSITORY; writes image, digest, cosign and gh to GITHUB_OUTPUT.
# shellcheck source=SCRIPTDIR/shell
source "$(dirname "${BASH_SOURCE[0]}")/shell"
signing
say "cargo oci index parts/ --require $REQUIRED ${signing[*]-}"
images=$(cargo oci index parts/ --require "$REQUIRED" ${signing[@]+"${signing[@]}"})

# lines NAME TEXT: an output of several lines. No digest is `END`.
lines() { printf '%s<<END\n%s\nEND\n' "$1" "$2" >>"$GITHUB_OUTPUT"; }
first=${images%%$'\n'*}
lines image "$images"
output digest "${first##*@}"
cosign='' gh=''
if [[ $SIGN == true ]]; then
  # The identity in the certificate is this workflow, not the one that calls it.
  while IFS= read -r image; do
    cosign+="cosign verify $image --certificate-identity $GITHUB_SERVER_URL/$WORKFLOW_REF"
    cosign+=" --certificate-oidc-issuer https://token.actions.githubusercontent.com"$'\n'
    gh+="gh attestation verify oci://$image --repo $GITHUB_REPOSITORY --signer-repo $WORKFLOW_REPOSITORY --bundle-from-oci"$'\n'
  done <<<"$images"
fi
lines cosign "${cosign%$'\n'}"
lines gh "${gh%$'\n'}"

# Shown on the page of the run.
# shellcheck disable=SC2016 # Markdown
{
  printf '### Image\n\n```console\n%s\n```\n' "$images"
  [[ -z $cosign ]] || printf '\nVerify it:\n\n```console\n%s%s```\n' "$cosign" "$gh"
} >>"$GITHUB_STEP_SUMMARY"
