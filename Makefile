.PHONY: setup
setup:
	python3 -m venv .venv
