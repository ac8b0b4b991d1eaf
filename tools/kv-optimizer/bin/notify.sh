#!/usr/bin/env bash
# Sends the outcome of a check to a webhook of Slack, Discord or any other that takes {"text": …}.
#   KV_OPTIMIZER_WEBHOOK=https://… notify.sh outcome.json [link]
# outcome.json is what `check --format json` wrote. The address is a secret: it reaches
# curl on standard input, so that no list of processes shows it.
set -euo pipefail

outcome=$1
link=${2:-}
: "${KV_OPTIMIZER_WEBHOOK:?KV_OPTIMIZER_WEBHOOK holds no address}"

# Discord names the text "content" and takes 2,000 characters of it.
field=text
case $KV_OPTIMIZER_WEBHOOK in *discord*) field=content ;; esac

payload=$(jq --compact-output --arg field "$field" --arg link "$link" '
  # Names from a repository neither mention people nor carry control characters.
  def tame: gsub("\\p{C}"; "") | gsub("[<>&@]"; "_");
  def change($name; $key): "\($name) \(.before[$key]) → \(.after[$key])";
  [
    "KV use has grown against \(.against | tame): " + ([
      change("calls"; "calls"),
      change("puts"; "puts"),
      change("puts without TTL"; "putsWithoutTtl"),
      change("lists"; "lists")
    ] | join(", ")),
    (.regressions[:10][] | "• \(.file | tame):\(.line) \(.rules | join(", "))"),
    (if (.regressions | length) > 10 then "… and \((.regressions | length) - 10) more" else empty end),
    (if $link == "" then empty else $link end)
  ] | join("\n")[:1900] | {($field): .}
' "$outcome")

curl --silent --show-error --fail --max-time 20 --retry 3 --config - <<CONFIG
url = "$KV_OPTIMIZER_WEBHOOK"
header = "content-type: application/json"
data = "$(printf '%s' "$payload" | sed 's/[\\"]/\\&/g')"
CONFIG
