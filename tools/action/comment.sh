#!/usr/bin/env bash
# Writes REPORT as a comment on the pull request NUMBER, or updates the comment of an earlier run with the same NAME.
# A run from a fork may not comment: that is a warning, since the job's summary shows the same.
set -uo pipefail

if [[ ! -s $REPORT ]]; then
  echo "::warning title=pytest-upskill::there is no report to comment with: $REPORT"
  exit 0
fi
marker="<!-- pytest-upskill: ${NAME//[^A-Za-z0-9._ -]/-} -->"
body=$(mktemp)
trap 'rm -f "$body"' EXIT
{ echo "$marker" && cat "$REPORT"; } >"$body"
comments="repos/$GITHUB_REPOSITORY/issues/$NUMBER/comments"
api=(gh api -H "Accept: application/vnd.github+json")

# The first line decides, and only in comments of bots: anybody may quote it.
found=$(MARKER=$marker "${api[@]}" --paginate "$comments?per_page=100" \
  --jq '.[] | select(.user.type == "Bot" and (.body | startswith(env.MARKER))) | .id') || found=""
found=${found%%$'\n'*}
if [[ -n $found ]]; then
  "${api[@]}" -X PATCH "repos/$GITHUB_REPOSITORY/issues/comments/$found" -F "body=@$body" >/dev/null
else
  "${api[@]}" -X POST "$comments" -F "body=@$body" >/dev/null
fi || echo "::warning title=pytest-upskill::the pull request was not commented on; give the job 'pull-requests: write'"
