# Needs Python 3.11 or later and make; everything else goes into an environment of its own.
#
#   make demo        the main job: examples/plot_quickstart.py, its tables and pictures in demo/
#   make test        all checks and tests; continuous integration also builds the documentation
#   make coverage    the tests with the branches that they run; at least 90 %
#   make quick       the checks of the editing loop, about a minute
#   make fuzz        random tables, targets, weights and parameters for SECONDS=3600; lists the faults
#   make bench       nnkit beside its peers, timed; writes docs/benchmarks.md
#   make bench-tabular  nnkit beside its peers on real tables, in hours; writes docs/benchmarks_tables.md, or with
#                    DATA=FOLDER (NAME.csv and datasets.json, see benchmarks/tables.py) PAGE=FILE.md
#   make bench-explanations  explain() beside shap's explainers; writes docs/benchmarks_explanations.md
#   make docs        the documentation, in docs/_build/html
#   make test-floors the tests against the oldest versions of the dependencies that are allowed

PYTHON ?= python3.11
VENV ?= .venv
BIN := $(CURDIR)/$(VENV)/bin
ROOT := $(CURDIR)
SOURCES := nnkit tests examples docs benchmarks
# TensorFlow's and matplotlib's words of greeting are no news.
export TF_CPP_MIN_LOG_LEVEL ?= 3
export MPLBACKEND ?= agg

.PHONY: demo test coverage quick fuzz lint docs bench bench-tabular bench-explanations test-floors clean

# The environment, made anew when the dependencies change.
$(VENV)/installed: setup.cfg pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip setuptools wheel
	$(BIN)/python -m pip install --quiet ".[test]"
	touch $@

demo: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --force-reinstall .
	mkdir -p demo
	cd demo && $(BIN)/python $(ROOT)/examples/plot_quickstart.py
	@echo "The pictures: demo/quickstart_history.png, demo/quickstart_explanation.png"

lint: $(VENV)/installed
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m numpydoc.hooks.validate_docstrings nnkit/*/*.py nnkit/*/*/*.py

# The wheel is what is tested: no path leads to the source tree. Each of the two processes has about
# one core: threads of BLAS that wait for each other would take it for nothing.
PYTEST := OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 $(BIN)/pytest -c $(ROOT)/pyproject.toml \
	--rootdir $(ROOT) --numprocesses 2 --dist loadfile
test: lint
	rm -rf build dist
	$(BIN)/python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir dist .
	$(BIN)/python -m pip install --quiet --no-deps --force-reinstall dist/nnkit-*.whl
	$(BIN)/python -m pip check
	cd tests && $(PYTEST) .
	cd tests && $(PYTEST) --doctest-glob "*.md" --doctest-glob "*.rst" $(ROOT)/README.md \
		$(ROOT)/docs --doctest-modules --pyargs nnkit

quick: $(VENV)/installed
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/mypy
	PYTHONPATH=$(ROOT) $(BIN)/pytest -q -m "not slow" -x tests/encoding tests/builders \
		tests/training tests/estimators/parameters tests/estimators/test_classifier.py

# Apart from `make test`, because measuring takes long: 47 s in place of 27 s for test_stages.py.
coverage: $(VENV)/installed
	rm -f tests/.coverage*
	cd tests && PYTHONPATH=$(ROOT) $(PYTEST) --cov --cov-config $(ROOT)/pyproject.toml .

SECONDS ?= 3600
fuzz: $(VENV)/installed
	PYTHONPATH=$(ROOT) $(BIN)/python tests/fuzz/long_run.py $(SECONDS)

docs: $(VENV)/installed
	$(BIN)/python -m pip install --quiet ".[docs]"
	$(BIN)/sphinx-build -W -b html docs docs/_build/html

bench: $(VENV)/installed
	PYTHONPATH=$(ROOT) $(BIN)/python -m benchmarks docs/benchmarks.md

# An interrupted run goes on where it stopped; to measure all anew, delete the results.
PAGE ?= $(if $(DATA),$(error DATA needs PAGE=FILE.md: docs/benchmarks_tables.md has the shipped tables),docs/benchmarks_tables.md)
bench-tabular: $(VENV)/installed
	PYTHONPATH=$(ROOT) $(BIN)/python -m benchmarks.tabular $(PAGE) $(if $(DATA),--data $(DATA)) \
		--json docs/_build/$(basename $(notdir $(PAGE))).json

bench-explanations: $(VENV)/installed
	PYTHONPATH=$(ROOT) $(BIN)/python -m benchmarks.explanations docs/benchmarks_explanations.md

test-floors:
	$(PYTHON) -m venv .venv-floors
	.venv-floors/bin/python -m pip install --quiet uv
	.venv-floors/bin/uv pip install --quiet --python .venv-floors/bin/python \
		--resolution lowest-direct ".[test]"
	cd tests && ../.venv-floors/bin/pytest -W default -c $(ROOT)/pyproject.toml --rootdir $(ROOT) $(ROOT)/tests

clean:
	rm -rf $(VENV) .venv-floors build dist demo *.egg-info
