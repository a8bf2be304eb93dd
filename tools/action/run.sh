#!/usr/bin/env bash
# Runs the skills and writes all reports to REPORTS. The step itself passes, so that the comment and the upload follow;
# the output "status" is pytest's.
set -uo pipefail

mkdir -p "$REPORTS"
echo "reports=$REPORTS" >>"$GITHUB_OUTPUT"
echo "badge=$REPORTS/badge.json" >>"$GITHUB_OUTPUT"

read -r -a words <<<"$SKILLS"
words+=(--upskill "--junit-xml=$REPORTS/junit.xml" "--upskill-report=badge:$REPORTS/badge.json")
for suffix in html json md csv; do
  words+=("--upskill-report=$REPORTS/report.$suffix")
done
[[ -z $STUDENT ]] || words+=("--upskill-student=$STUDENT")
[[ -z $REPLIES ]] || words+=("--upskill-replies=$REPLIES")
while IFS= read -r argument; do
  [[ -z $argument ]] || words+=("$argument")
done <<<"$ARGUMENTS"

python -m pytest "${words[@]}"
status=$?
echo "status=$status" >>"$GITHUB_OUTPUT"
[[ $status == 0 ]] || echo "::warning title=pytest-upskill::pytest ended with status $status"
