# The report, from nothing: `make report` runs the study and builds the book; `make test` runs the checks.
# `make` alone lists everything.

SHELL   := bash
PROFILE ?= quick
ON      ?= local
CORES   ?= 2
GPUS    ?=
MINUTES ?=
SEED    ?=
SEEDS   ?= 0 1 2
FRESH   ?=
REAL    ?=
FLAGS   ?=
FETCH   ?=

VENV    := .venv
BIN     := $(VENV)/bin
STAMP   := $(VENV)/.complete

BUILD   := $(patsubst ~/%,$(HOME)/%,$(or $(CGN_BUILD),build))

PROFILES := $(notdir $(basename $(wildcard params/*.yaml)))
ifeq ($(filter $(PROFILE),$(PROFILES)),)
  $(error unknown PROFILE=$(PROFILE); choose one of: $(PROFILES))
endif

ifneq ($(shell n='(0|[1-9][0-9]*)'; [[ "$(SEED)" =~ ^$$n?$$ && "$(SEEDS)" =~ ^$$n(\ $$n)*$$ ]] || echo wrong),)
  $(error SEED=$(SEED) SEEDS=$(SEEDS): a seed is a whole number of 0 or more, without a leading zero)
endif
ifneq ($(shell [[ "$(CORES)" =~ ^[1-9][0-9]*$$ ]] || echo wrong)$(filter-out 1,$(FRESH) $(SHIP)),)
  $(error CORES=$(CORES) FRESH=$(FRESH) SHIP=$(SHIP): CORES is a number from 1 on, FRESH and SHIP are 1 or left out)
endif
ifneq ($(shell [ -w . ] || echo wrong),)
  $(error $(CURDIR) cannot be written, and Snakemake and the environment keep their state there: copy the checkout)
endif

ifneq ($(filter-out none authors all,$(REAL)),)
  $(error REAL=$(REAL): of ImageNet itself compute none, authors (what their CGN gives without a training) or all)
endif

MACHINES := $(patsubst profiles/%/,%,$(wildcard profiles/*/))
ifeq ($(filter $(ON),$(MACHINES)),)
  $(error unknown ON=$(ON); choose one of: $(MACHINES))
endif

ifneq ($(shell [ -w "$(HOME)" ] || echo none),)  # as in a container for a user whom the system does not know: HOME=/
  export HOME := $(shell h=$$(cd ~ 2>/dev/null && pwd) && [ -w "$$h" ] && echo "$$h" || echo "$(CURDIR)/build/home")
endif
ifeq ($(shell id -un >/dev/null 2>&1 && echo known)$(LOGNAME)$(USER),)  # Snakemake, PyTorch and others want a name, too
  export LOGNAME := user-$(shell id -u)
endif

.DEFAULT_GOAL := help
.PHONY: help env report study sweep book pdf archive lab verify test test-slow lint assets bench bench-report pretrain publish readme clean distclean
.DELETE_ON_ERROR:

# Memory: see MALLOC in cgnreport/build/run.py, which sets the same for every notebook that it runs.
lab bench pretrain: export GLIBC_TUNABLES ?= glibc.malloc.hugetlb=1:glibc.malloc.mmap_max=0:glibc.malloc.trim_threshold=2147483647

# Not `all`, which hides errors, too. On a cluster nothing: its log is read the morning after.
QUIET     = --quiet host progress reason rules
SNAKEMAKE = $(BIN)/snakemake --workflow-profile profiles/$(ON) --cores $(CORES) $(if $(filter local,$(ON)),$(QUIET)) $(FLAGS) \
            --config $(if $(FRESH),reuse_rows=false) $(if $(REAL),real=$(REAL)) $(if $(GPUS),gpus=$(GPUS)) $(if $(MINUTES),minutes=$(MINUTES)) profile=$(PROFILE)

help:  ## this list
	@echo "make TARGET [PROFILE=smoke|quick|paper] [ON=local|slurm|kubernetes] [CORES=2] [SEED=n] [REAL=none|authors|all: ImageNet itself] [FRESH=1: compute rows that are there, too]"
	@sed -nE 's/^([a-z-]+):.*## (.*)/\1|\2/p' Makefile | awk -F '|' '{ printf "  %-10s %s\n", $$1, $$2 }'

env: $(STAMP)  ## the environment in .venv, versions from constraints.txt; continues where it was interrupted (TORCH=cpu: no CUDA)

$(STAMP): pyproject.toml constraints.txt
	@bash .ci/environment $(VENV) "$(PYTHON)"
	@touch $@

report: study  ## run the study and build the book: the whole report (PROFILE=quick unless named)
	@$(BIN)/python -m cgnreport.build book --profile $(PROFILE)

study: $(STAMP)  ## run the notebooks in their order; what is up to date is not run again
	@$(SNAKEMAKE) $(if $(SEED),seed=$(SEED)) -- study

sweep: $(STAMP)  ## the training notebooks for several seeds: SEEDS="0 1 2"; their rows join the results
	@$(SNAKEMAKE) seeds="$(SEEDS)" -- sweep

book: $(STAMP)  ## build the book from the notebooks executed last
	@$(BIN)/python -m cgnreport.build book --profile $(PROFILE)

pdf: $(STAMP)  ## the book built last as one PDF; needs Chromium
	@$(BIN)/python -m cgnreport.build pdf --profile $(PROFILE)

archive: $(STAMP)  ## the last commit as one RO-Crate, build/cgn-report.zip, for a repository such as Zenodo
	@$(BIN)/python -m cgnreport.build archive

lab: $(STAMP)  ## JupyterLab on the notebooks
	@$(BIN)/jupyter lab notebooks

verify: $(STAMP)  ## the shipped classifiers, measured anew on rebuilt test sets: pixels, weights, published rows and accuracy as recorded?
	@$(BIN)/python -m cgnreport.build verify

test: lint  ## the checks: ruff, pyright, imports, notebooks in git, pytest (all notebooks at scale smoke)
	@$(BIN)/python -m pytest -n $(CORES) --dist loadfile --no-loadscope-reorder -m "not slow"

test-slow: $(STAMP)  ## the tests that `test` leaves out: networks at full size
	@$(BIN)/python -m pytest -m slow

lint: $(STAMP)
	@$(BIN)/ruff check .
	@$(BIN)/pyright
	@$(BIN)/lint-imports --no-cache --no-logo
	@$(BIN)/python -m cgnreport.build check

assets: $(STAMP)  ## which data and weights are here, and how to get the rest; FETCH="u2net biggan" or all: download
	@$(BIN)/python -m cgnlib.data $(if $(FETCH),--fetch $(FETCH))

bench: $(STAMP)  ## speed of the parts, measured beside a plain reference in the same run
	@$(BIN)/python -m benchmarks

bench-report: $(STAMP)  ## the whole report from bare clones of two commits in turns: BEFORE=commit
	@$(BIN)/python -m benchmarks.report --profile $(PROFILE) $(or $(BEFORE),$(error name the commit to compare with: BEFORE=commit)) HEAD

pretrain: $(STAMP)  ## train the toy world's BigGAN, U2-Net and readers, and say how good they are (SHIP=1: into weights/)
	@$(BIN)/python -m cgnlib.imagenet.toy $(if $(SHIP),--ship)

publish: $(STAMP)  ## join build/results/PROFILE to results/PROFILE, which git keeps, and fill the README's table
	@$(BIN)/python -m cgnreport.build publish --profile $(PROFILE)

readme: $(STAMP)  ## fill the README's table and picture from results/ and weights/, the book's table of bad inputs from tests
	@$(BIN)/python -m cgnreport.build readme
	@$(BIN)/python -m tests.inputs.cases

clean:  ## remove executed notebooks, books and results; trained models (build/artefacts) and .venv stay
	rm -rf $(foreach name,notebooks book book-src results logs ipython matplotlib,"$(BUILD)/$(name)") .snakemake
	find cgnlib cgnreport benchmarks tests -name __pycache__ -prune -exec rm -rf {} +
	rm -rf .pytest_cache .ruff_cache .hypothesis

distclean: clean  ## remove everything that was made, trained models and .venv too
	rm -rf "$(BUILD)/artefacts" "$(BUILD)/durations" $(VENV) *.egg-info
	@rmdir "$(BUILD)" 2>/dev/null || true
