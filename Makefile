# Every target prints the real commands it runs. `make help` lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# kind or minikube
export CLUSTER ?= kind
# auto, local (built from package registries) or registry (pulled)
export IMAGES ?= auto
# where the agent answers on this machine (kind)
export PORT ?= 8080
# where bytecode may not be kept, every pytest compiles 300 modules anew: 5 s each, and the tests start dozens
unexport PYTHONDONTWRITEBYTECODE

PYTHON ?= python3
VENV := .venv
UV_VERSION := $(shell sed -n 's/^uv==\([^ ]*\).*/\1/p' requirements-dev.lock)
CONTEXT := $(if $(filter kind,$(CLUSTER)),kind-)fastapi-dapr-agent
KUBECTL := kubectl --context $(CONTEXT)
AGENT := $(KUBECTL) exec --namespace fastapi-app deployment/fastapi-dapr-agent --container fastapi -- python -m app
SHELL_SCRIPTS := .ci/run $(wildcard images/*/*.sh)

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## (.*)/  \1\t\2/' | expand -t 24

.PHONY: up
up: ## from nothing to a running agent, and one event that went all the way
	@$(PYTHON) -m cluster up

.PHONY: deploy
deploy: ## build the agent's image, apply the overlay, roll out what changed
	@$(PYTHON) -m cluster deploy

.PHONY: down
down: ## remove the cluster, its network and its context
	@$(PYTHON) -m cluster down

.PHONY: clean
clean: ## down, and remove links, .venv and everything that was built
	@$(PYTHON) -m cluster clean

.PHONY: doctor
doctor: ## say what stands in the way of `make up`
	@$(PYTHON) -m cluster doctor

.PHONY: images
images: ## build every image from package registries
	@$(PYTHON) -m images

.PHONY: test
test: unit lint up ## unit tests, static checks, the cluster, quick negative controls, the suite with every fault, other shapes
	$(VENV)/bin/python -m acceptance.controls --quick
	$(VENV)/bin/pytest acceptance --faults
	$(VENV)/bin/python -m tests.shape
	$(VENV)/bin/python -m tests.example

.PHONY: faults
faults: $(VENV)/installed ## the acceptance suite with every further fault
	$(VENV)/bin/pytest acceptance --faults

.PHONY: unit
unit: $(VENV)/installed ## what needs no cluster
	@$(PYTHON) -m cluster prerequisites
	$(VENV)/bin/pytest tests --timeout=120 --numprocesses=8 --dist=worksteal

.PHONY: acceptance
acceptance: $(VENV)/installed ## nine criteria and four scenarios on the cluster that is up
	$(VENV)/bin/pytest acceptance

.PHONY: shape
shape: $(VENV)/installed ## the same on two replicas under a quota, through a useless proxy, with credentials from a program; and under other names
	$(VENV)/bin/python -m tests.shape

.PHONY: acceptance-controls
acceptance-controls: $(VENV)/installed ## break the system in every declared way, and see the suite turn red
	$(VENV)/bin/python -m acceptance.controls

.PHONY: benchmark
benchmark: $(VENV)/installed ## the agent beside services without it, on the cluster that is up; writes docs/benchmarks.md
	$(VENV)/bin/python -m benchmarks --write

.PHONY: example
example: $(VENV)/installed ## a service of another kind, tried with the plugin installed in an empty folder
	$(VENV)/bin/python -m tests.example

.PHONY: toolbox
toolbox: ## build the image of the suite's own pod, to be pushed where a cluster of yours pulls from
	@$(PYTHON) -m cluster toolbox

.PHONY: fuzz
fuzz: $(VENV)/installed ## 19,000 requests of bad input in process, and 5,000 connections byte by byte
	FUZZ_REQUESTS=19000 FUZZ_BYTES=5000 $(VENV)/bin/pytest tests/app/fuzz

.PHONY: lint
lint: $(VENV)/installed build/checkov/installed render ## ruff, mypy, yamllint, shellcheck, checkov
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy app cluster images tests acceptance benchmarks examples/counter conftest.py
	$(VENV)/bin/yamllint --strict .
	$(VENV)/bin/shellcheck $(SHELL_SCRIPTS)
	for rendered in build/overlays/*.yaml; do build/checkov/bin/checkov --file "$$rendered" || exit 1; done

.PHONY: render
render: ## render every overlay into build/overlays
	@mkdir -p build/overlays
	set -e; for overlay in overlays/*/; do kubectl kustomize "$$overlay" >"build/overlays/$$(basename "$$overlay").yaml"; done

.PHONY: secret
secret: ## existing-backends: copy the password from the Secret in namespace postgres, make a token for the app
	$(KUBECTL) apply --kustomize base/dapr
	@echo "kubectl get secret --namespace postgres postgres-postgresql | kubectl apply --namespace fastapi-app"
	@password=$$($(KUBECTL) get secret --namespace postgres postgres-postgresql \
	  --output go-template='{{index .data "postgres-password" | base64decode}}') || exit; \
	if [[ $$password == *[[:space:]\\]* || $$password == \'* ]]; then \
	  echo "error: Dapr takes no password that begins with ' or holds white space or a backslash" >&2; exit 1; fi; \
	printf %s "$$password" \
	| $(KUBECTL) create secret generic postgres-credentials --namespace fastapi-app \
	  --from-file=password=/dev/stdin --dry-run=client --output yaml \
	| $(KUBECTL) label --local --filename - app.kubernetes.io/part-of=fastapi-dapr-agent --output yaml \
	| $(KUBECTL) apply --filename -
	@echo "a random token | kubectl create secret generic dapr-app-token --namespace fastapi-app, unless it is there"
	@there=$$($(KUBECTL) get secret dapr-app-token --namespace fastapi-app --ignore-not-found --output name) || exit; \
	if [[ $$there ]]; then echo "$$there is there already"; exit; fi; \
	token=$$($(PYTHON) -c 'import secrets; print(secrets.token_urlsafe(32))') || exit; \
	printf %s "$$token" \
	| $(KUBECTL) create secret generic dapr-app-token --namespace fastapi-app \
	  --from-file=token=/dev/stdin --dry-run=client --output yaml \
	| $(KUBECTL) label --local --filename - app.kubernetes.io/part-of=fastapi-dapr-agent --output yaml \
	| $(KUBECTL) create --filename -

.PHONY: topics
topics: ## existing-backends: make the topics that are missing, with copies on up to three brokers
	$(KUBECTL) delete --kustomize base/kafka/topics --ignore-not-found
	$(KUBECTL) apply --kustomize base/kafka/topics
	$(KUBECTL) wait --namespace kafka --for=condition=complete job/kafka-topics --timeout=300s

.PHONY: logs
logs: ## follow the agent's log and its sidecar's
	$(KUBECTL) logs --namespace fastapi-app --selector app=fastapi-dapr-agent --all-containers --prefix --follow --tail=50

# of a dead letter; only what is said on the command line: what happens to be in the environment chooses nothing
said = $(findstring command,$(origin $(1)))
option = $(if $(call said,$(1)),--$(2)="$$$(1)")
LETTERS = $(strip $(call option,SOURCE,source) $(call option,KEY,key) $(call option,REASON,reason) \
  $(call option,SINCE,since) $(call option,UNTIL,until) $(call option,PARTITION,partition) $(call option,OFFSET,offset) \
  $(call option,REPLAYED,replayed) $(call option,LIMIT,limit) $(1) $(if $(call said,ID),-- $$ID))

.PHONY: dead-letters
dead-letters: ## list the events that were given up, and why; SOURCE KEY REASON SINCE UNTIL PARTITION ... say which, see docs/events.md
	set -f; $(AGENT) dead-letters $(call LETTERS,$(call option,BEFORE,before) $(if $(JSON),--json))

.PHONY: replay
replay: ## send dead letters again: make replay ID="..." (SOURCE=...), or all of REASON=... SINCE=..., first with DRY_RUN=1
	set -f; $(AGENT) replay $(call LETTERS,$(and $(call said,ALL),$(ALL),--all) $(if $(DRY_RUN),--dry-run))

.PHONY: import-state
import-state: ## bring what the playbook's agent saved in dapr_state into agent_state; again: what is new there
	$(AGENT) import-state

.PHONY: skip
skip: ## pass over a batch that the sidecar cannot take, as /ready names it: make skip PARTITION=agent-events/3 OFFSET=17
	@if [[ -z $$PARTITION || -z $$OFFSET ]]; then echo "error: which one? make skip PARTITION=... OFFSET=..., see /ready" >&2; exit 1; fi
	$(AGENT) skip "$$PARTITION" "$$OFFSET"

$(VENV)/installed: requirements-dev.lock
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet uv==$(UV_VERSION)
	$(VENV)/bin/uv pip install --quiet --python $(VENV)/bin/python --require-hashes --requirement requirements-dev.lock
	touch $@

# checkov pins old versions of what the project uses itself, so it lives in its own environment
build/checkov/installed: requirements-checkov.lock | $(VENV)/installed
	$(PYTHON) -m venv --clear build/checkov
	$(VENV)/bin/uv pip install --quiet --python build/checkov/bin/python --require-hashes --requirement requirements-checkov.lock
	touch $@
