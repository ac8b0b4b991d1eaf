#!/usr/bin/env bash
# The audit of the GitHub Action: shows it in the log, and writes JSON and SARIF beside it.
# Reads ROOT, BASELINE, BASELINE_COMMIT, FAIL_ON, ALLOW and FORMAT.
set -uo pipefail

# Outside of the workspace: a report is no part of what is audited or committed.
folder=$(mktemp -d "${RUNNER_TEMP:-/tmp}/kv-optimizer.XXXXXX")
program=(node "$(dirname "$0")/kv-optimizer.js")

arguments=(scan)
if [ -n "$BASELINE$BASELINE_COMMIT" ]; then
  arguments=(check
    "--allow-total-increase=$ALLOW" "--allow-puts-increase=$ALLOW"
    "--allow-puts-without-ttl-increase=$ALLOW" "--allow-lists-increase=$ALLOW")
  [ -z "$BASELINE" ] || arguments+=("--baseline=$BASELINE")
  [ -z "$BASELINE_COMMIT" ] || arguments+=("--baseline-commit=$BASELINE_COMMIT")
  [ -z "$FAIL_ON" ] || arguments+=("--fail-on=$FAIL_ON")
fi
arguments+=("--root=$ROOT")

"${program[@]}" "${arguments[@]}" "--format=$FORMAT" "--json=$folder/report.json"
code=$?
# Anything else is a fault of the arguments or of the scan: there is nothing to write down.
[ "$code" -eq 0 ] || [ "$code" -eq 2 ] || exit "$code"

"${program[@]}" "${arguments[@]}" --format=sarif "--out=$folder/report.sarif"
"${program[@]}" "${arguments[@]}" --format=json "--out=$folder/outcome.json"

{
  echo "json=$folder/report.json"
  echo "sarif=$folder/report.sarif"
  echo "outcome=$folder/outcome.json"
  if [ "$code" -eq 0 ]; then echo "regression=false"; else echo "regression=true"; fi
} >>"$GITHUB_OUTPUT"
exit "$code"
