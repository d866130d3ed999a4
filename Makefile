# `make matrix` and `make test` set up what they need: on a fresh machine nothing else is to be done first.

VENV := .venv
READY := $(VENV)/.ready
# Debian's own interpreter first: it is small, and it travels into every kernel under test.
PYTHONS := $(PYTHON) /usr/bin/python3 python3
FITS := import ensurepip, sys, venv; assert sys.version_info >= (3, 11)
PACKAGES := qemu-system-x86 python3-venv debian-archive-keyring

.PHONY: matrix test machine clean

# The markdown is written even when a cell is not as expected; the exit status says so all the same.
matrix: machine $(READY)
	@$(VENV)/bin/ksem run; status=$$?; \
	[ $$status -gt 1 ] || $(VENV)/bin/ksem matrix --format markdown --column 'debian-*' --output results/MATRIX.md || exit $$?; \
	exit $$status

test: machine $(READY)
	$(VENV)/bin/ruff check
	$(VENV)/bin/mypy
	$(VENV)/bin/pytest tests

machine:
	@missing=; \
	for program in qemu-system-x86_64 apt-get dpkg-deb setpriv; do \
		command -v $$program >/dev/null || missing="$$missing $$program"; done; \
	[ -e /usr/share/keyrings/debian-archive-keyring.gpg ] || missing="$$missing debian-archive-keyring"; \
	found=; for python in $(PYTHONS); do $$python -c '$(FITS)' 2>/dev/null && found=$$python && break; done; \
	[ -n "$$found" ] || missing="$$missing python3-venv"; \
	[ -z "$$missing" ] && exit 0; \
	if [ "$$(id -u)" = 0 ]; then \
		apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends $(PACKAGES); \
	else \
		echo "ksem: missing:$$missing: ask root for: apt-get install $(PACKAGES)" >&2; exit 2; \
	fi

$(READY): pyproject.toml | machine
	@for python in $(PYTHONS); do $$python -c '$(FITS)' 2>/dev/null && break; done; \
	echo "setting up $(VENV) with $$python"; \
	$$python -m venv --clear $(VENV)
	@$(VENV)/bin/pip install -q --disable-pip-version-check -e '.[test]'
	@touch $@

clean:
	rm -rf $(VENV)
