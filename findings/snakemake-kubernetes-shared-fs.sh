#!/usr/bin/env bash
# snakemake 9.27.1 with snakemake-executor-plugin-kubernetes 0.5.1: --shared-fs-usage is taken and put aside, silently.
#
# Expected: jobs that mount one volume (--kubernetes-persistent-volumes) share files; --shared-fs-usage says so, and
# no storage provider is needed, as with a SLURM cluster.
# Seen: whatever it says, Snakemake goes on as if nothing was shared, and stops with "If no shared filesystem is assumed
# for input and output files, a default storage provider has to be set". With the executor `slurm` the same options plan
# the jobs. Way round: the storage provider `fs`, with the shared folder itself as its prefix.
#
# Output seen:
#   slurm, input-output shared: status 0
#   kubernetes, input-output shared: status 1, asks for a storage provider
#
# Needs Python 3.11 or newer with venv, no cluster (dry runs). Exits with 1 if this behaviour has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check snakemake==9.27.1 \
    snakemake-executor-plugin-slurm==2.8.0 snakemake-executor-plugin-kubernetes==0.5.1
cd "$folder"
printf 'rule all:\n    output: "out.txt"\n    shell: "touch {output}"\n' > Snakefile
changed=0
for executor in slurm kubernetes; do
    status=0
    said=$(venv/bin/snakemake --executor "$executor" --jobs 1 --dry-run \
        --shared-fs-usage persistence input-output software-deployment sources source-cache 2>&1) || status=$?
    words=
    [[ $said == *"no shared filesystem is assumed"* ]] && words=", asks for a storage provider"
    echo "$executor, input-output shared: status $status$words"
    [ "$executor$status$words" = slurm0 ] || [ "$executor$status$words" = "kubernetes1, asks for a storage provider" ] || changed=1
done
exit $changed
