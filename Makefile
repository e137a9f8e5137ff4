# Everything a newcomer needs. `make help` lists it; CI calls the same targets.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PHOTOS ?=
PEERS_OPTIONS ?=
POLICY ?= default
DATA ?= ../shared/data
RUN ?= runs/quality
# By default each network's own: the quickest on CPU within its accuracy budget.
PRECISION ?=
# Folder of photos for INT8 in place of the calibration that ships with the weights.
CALIBRATION ?=
ENGINES := tests/parity/test_tensorrt_graph.py
NETWORK := model_repository/quality_net/1/manifest.json
# The generator where it has been trained.
NETWORKS := $(NETWORK) $(patsubst %,model_repository/%_net/1/manifest.json,restore upscale_x2 upscale_x4 \
	$(patsubst weights/%.safetensors,%,$(wildcard weights/generator.safetensors)))

.DEFAULT_GOAL := help
.PHONY: help demo serve export test lint format bench bench-peers train train-enhancement lock clean cpu-image-steps

help: ## Show this list
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(NETWORK) ## Score photos end to end, write reports/demo/report.html (PHOTOS=folder for yours)
	$(BIN)/python -m packshot.serving.session -- $(BIN)/packshot demo --out reports/demo \
		--policy $(POLICY) $(if $(PHOTOS),--photos "$(PHOTOS)")

serve: $(NETWORKS) ## Run Triton in the foreground until Ctrl-C
	$(BIN)/packshot-serve --model-repository model_repository

export: $(NETWORKS) ## Build and prove the served versions of the shipped networks

test: $(VENV)/.dev ## Run lint and the whole test suite, real Triton included
	$(MAKE) --jobs=2 --output-sync=target lint export
	@# Side by side, with one thread each: those that ask no server. The others want it alone.
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses=2 --dist=worksteal \
		tests/packaging tests/unit $(ENGINES)
	$(BIN)/python -m pytest tests/integration tests/parity --deselect=$(ENGINES)

lint: $(VENV)/.dev ## ruff, mypy strict, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.dev ## Let ruff format and mend what it can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/.dev $(NETWORK) ## Served against in-process, side by side: reports/bench.json
	$(BIN)/packshot-bench --repository model_repository --json reports/bench.json
	$(BIN)/python -m packshot_loadtest.client_bench --json reports/client_bench.json
	$(BIN)/python -m packshot_loadtest.picture_bench --json reports/picture_bench.json

bench-peers: $(VENV)/.dev $(NETWORK) ## Against FastAPI, LitServe, BentoML, Ray Serve (hours; goes on where it stopped)
	test -e runs/peers/models/quality_net/1 || $(BIN)/packshot-export build quality \
	    --precision fp32 --repository runs/peers/models --version 1
	$(BIN)/packshot-loadtest peers --onnx runs/peers/models/quality_net/1/model.onnx $(PEERS_OPTIONS)

# The training loop frees and takes hundreds of MB a step; keeping them halves its time on CPU.
KEEP_MEMORY := MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=100000000000 MALLOC_TOP_PAD_=268435456 \
	THP_MEM_ALLOC_ENABLE=1
TRAIN := $(KEEP_MEMORY) $(BIN)/packshot-train

train: $(VENV)/.dev ## Train the quality network on DATA into RUN (again: resumes)
	$(TRAIN) quality --data $(DATA) --run $(RUN)

train-enhancement: $(VENV)/.dev ## Train restoration and upscaling on DATA, in their order (resumes)
	$(TRAIN) restore --data $(DATA) --recipe tone
	$(TRAIN) restore --data $(DATA) --init runs/restore-tone/restore.safetensors
	$(TRAIN) upscale --data $(DATA) --recipe bicubic-x2
	$(TRAIN) upscale --data $(DATA) --recipe bicubic-x4 --init runs/upscale-bicubic-x2/upscale.safetensors
	$(TRAIN) upscale --data $(DATA) --recipe photo-x2 --init runs/upscale-bicubic-x2/upscale.safetensors
	$(TRAIN) upscale --data $(DATA) --recipe photo-x4 --init runs/upscale-bicubic-x4/upscale.safetensors

lock: ## Resolve the newest allowed dependencies anew into constraints.txt
	rm -rf $(VENV)-lock
	$(PYTHON) -m venv $(VENV)-lock
	@# torch is moved on by hand: a new one must first export the same graphs.
	$(VENV)-lock/bin/pip install --quiet '.[dev]' torch==2.13.0
	@# `torch==2.13.0+cpu` exists on some indexes only; without the suffix it fits them all.
	$(VENV)-lock/bin/pip freeze --exclude packshot | sed 's/+cpu$$//' > constraints.txt
	rm -rf $(VENV)-lock

cpu-image-steps: ## The CPU image's steps without Docker, into build/cpu-image
	rm -rf build/cpu-image
	sh docker/scripts/install_server.sh . build/cpu-image $(PYTHON)

clean: ## Remove what was built; the environment stays
	rm -rf reports model_repository/*_net/[0-9]* .pytest_cache .mypy_cache .ruff_cache

$(BIN)/pip:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: pyproject.toml constraints.txt | $(BIN)/pip
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[demo]'
	touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(BIN)/pip
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@ $(VENV)/.demo

model_repository/%_net/1/manifest.json: weights/%.safetensors $(wildcard weights/*.int8.json) src/packshot/models/*.py | $(VENV)/.demo
	$(BIN)/packshot-export build $* --version 1 --replace $(if $(PRECISION), --precision $(PRECISION))$(if $(CALIBRATION), --calibration "$(CALIBRATION)")
