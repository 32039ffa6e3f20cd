# How `sam build` fills a layer; the Makefile of each layer is this one line. SAM copies the layer's folder and runs make in the
# copy, with this file's own path and ARTIFACTS_DIR. Needs a python3.13 with pip first on PATH, as `make build` gives it; the
# processor is OUTCRY_ARCHITECTURE, x86_64 if nothing is said, and has to be the one that the stack is deployed for.
OUTCRY_ARCHITECTURE ?= x86_64
LAYER_PROGRAM := $(dir $(lastword $(MAKEFILE_LIST)))../tools/build_layer.py

build-%Layer:
	python3.13 -I "$(LAYER_PROGRAM)" --architecture "$(OUTCRY_ARCHITECTURE)" --into "$(ARTIFACTS_DIR)"
