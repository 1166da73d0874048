#!/usr/bin/env bash
# snakemake 9.27.1: `--quiet all` hides errors, too, and not progress alone.
#
# Expected: what `--quiet rules` or `--quiet progress` do, hide what is going on; a missing input is still named.
# Seen: with a rule whose input nobody makes, and with a Snakefile that raises WorkflowError("..."), not one byte is
# printed, neither to stdout nor to stderr; the exit status 1 is all there is. A profile with `quiet: all`, as clusters
# have it, turns "Missing input files for rule" into silence. With `--quiet progress` the same input is named.
#
# Output seen:
#   missing input, --quiet all: status 1, 0 bytes
#   WorkflowError, --quiet all: status 1, 0 bytes
#   missing input, --quiet progress: status 1, names the file
#
# Needs Python 3.11 or newer with venv. Exits with 1 if this behaviour has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check snakemake==9.27.1
cd "$folder"
changed=0

missing='rule all:
    input: "nobody-makes-this.txt"
    output: "out.txt"
    shell: "cp {input} {output}"'
raises='raise WorkflowError("unknown profile: choose smoke, quick or paper")'

run() {  # run WORDS SNAKEFILE QUIET: sets status and output
    printf '%s\n' "$2" > Snakefile
    status=0
    output=$("$folder/venv/bin/snakemake" --cores 1 --quiet "$3" 2>&1) || status=$?
}

for case in missing raises; do
    [ $case = missing ] && words="missing input" || words="WorkflowError"
    run "$words" "${!case}" all
    echo "$words, --quiet all: status $status, ${#output} bytes"
    { [ "$status" = 1 ] && [ -z "$output" ]; } || changed=1
done

run "missing input" "$missing" progress
if [[ $output == *nobody-makes-this.txt* ]]; then
    echo "missing input, --quiet progress: status $status, names the file"
else
    echo "missing input, --quiet progress: status $status, does not name the file"
    changed=1
fi
exit $changed
