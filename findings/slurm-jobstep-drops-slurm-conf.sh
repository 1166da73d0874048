#!/usr/bin/env bash
# snakemake-executor-plugin-slurm-jobstep 0.6.1 takes SLURM_CONF away from the srun that starts each job.
#
# Expected: on a cluster whose slurm.conf does not lie at the place built into the commands, users (or a module) set
# SLURM_CONF; sbatch, squeue and a plain `srun` in the job find it, so the job step that Snakemake starts does, too.
# Seen: of all variables that begin with SLURM_, the plugin keeps ten for srun, and this one is not among them. On SLURM
# 22.05.8 every job then failed within a second, whatever it was to do, with
#   srun: error: resolve_ctls_from_dns_srv: res_nsearch error: Unknown host
#   srun: fatal: Could not establish a configuration source
# Way round: commands on the PATH that set it themselves.
#
# Needs no SLURM: a stand-in for srun says what it was given. Output seen:
#   given to Snakemake: SLURM_CONF=/opt/cluster/slurm.conf
#   given to srun: SLURM_CONF is not set, SLURM_JOB_ID=1
#
# Needs Python 3.11 or newer with venv. Exits with 1 if this behaviour has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check snakemake==9.27.1 \
    snakemake-executor-plugin-slurm-jobstep==0.6.1
cd "$folder"
mkdir bin
cat > bin/srun <<'END'
#!/bin/sh
echo "SLURM_CONF${SLURM_CONF+=}${SLURM_CONF- is not set}, SLURM_JOB_ID=$SLURM_JOB_ID" > srun-was-given.txt
END
chmod +x bin/srun
printf 'rule all:\n    output: "out.txt"\n    shell: "touch {output}"\n' > Snakefile

export PATH="$folder/bin:$PATH" SLURM_JOB_ID=1 SLURM_CONF=/opt/cluster/slurm.conf
echo "given to Snakemake: SLURM_CONF=$SLURM_CONF"
venv/bin/snakemake --executor slurm-jobstep --mode remote --jobs 1 --cores 1 all > log.txt 2>&1 || true
[ -f srun-was-given.txt ] || { cat log.txt; exit 1; }
echo "given to srun: $(cat srun-was-given.txt)"
[ "$(cat srun-was-given.txt)" = "SLURM_CONF is not set, SLURM_JOB_ID=1" ]
