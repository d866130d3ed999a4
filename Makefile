# `make matrix` and `make test` set up what they need: on a fresh machine nothing else is to be done first.

VENV := .venv
READY := $(VENV)/.ready
# Debian's own interpreter first: it is small, and it travels into every kernel under test.
PYTHONS := $(PYTHON) /usr/bin/python3 python3
FITS := import ensurepip, sys, venv; assert sys.version_info >= (3, 11)
PACKAGES := qemu-system-x86 python3-venv debian-archive-keyring e2fsprogs xfsprogs btrfs-progs
TEST_PACKAGES := chromium chromium-driver fonts-dejavu-core gcc git jq libc6-dev
# Only root can make the hosts that some tests run workers on.
HOST_PROGRAMS := $(if $(filter 0,$(shell id -u)),ip ssh sshd)
HOST_PACKAGES := $(if $(filter 0,$(shell id -u)),iproute2 openssh-client openssh-server)
BENCHMARK_PACKAGES := busybox-static gcc kmod udev
VAGRANT_PACKAGES := vagrant vagrant-libvirt libvirt-daemon-system libvirt-clients dnsmasq-base iptables iproute2 \
	openssh-client mmdebstrap qemu-utils e2fsprogs grub-common grub-pc-bin
VAGRANT_PROGRAMS := vagrant libvirtd virsh dnsmasq iptables ip ssh mmdebstrap qemu-img mkfs.ext4 grub-mkimage
MACHINES := debian-11-vagrant debian-12-vagrant debian-13-vagrant debian-13-backports-vagrant debian-12-vagrant-on-6.12

# $(1): the packages to install; $$missing: what was found missing
INSTALL = [ -z "$$missing" ] && exit 0; \
	if [ "$$(id -u)" = 0 ]; then \
		apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends $(1); \
	else \
		echo "ksem: missing:$$missing: ask root for: apt-get install --no-install-recommends $(1)" >&2; exit 2; \
	fi

.PHONY: matrix test fuzz reproducers vagrant test-vagrant benchmarks machine machine-test machine-vagrant machine-benchmarks clean

# The markdown is written even when a cell is not as expected; the exit status says so all the same.
matrix: machine $(READY)
	@$(VENV)/bin/ksem run; status=$$?; \
	[ $$status -gt 1 ] || $(VENV)/bin/ksem matrix --format markdown --output results/MATRIX.md || exit $$?; \
	exit $$status

# The kernels are fetched first: beside its guests a libvirt of its own has no network.
vagrant: machine-vagrant $(READY)
	@$(VENV)/bin/python vms/boxes/build.py
	@$(VENV)/bin/ksem fetch $(MACHINES)
	@vms/with-libvirt $(VENV)/bin/ksem run $(MACHINES); status=$$?; \
	[ $$status -gt 1 ] || $(VENV)/bin/ksem matrix --format markdown --output results/MATRIX.md || exit $$?; \
	exit $$status

test: machine-test $(READY)
	$(VENV)/bin/ruff check
	$(VENV)/bin/mypy
	$(VENV)/bin/pytest tests --ignore tests/vagrant --ignore tests/reproducers

# Each test of what may be hostile for five minutes (KSEM_FUZZ: seconds), with chance, and its memory watched: two hours.
fuzz: machine-test $(READY)
	KSEM_FUZZ=$${KSEM_FUZZ:-300} $(VENV)/bin/pytest -s tests/fuzz

reproducers: machine-test $(READY)
	$(VENV)/bin/pytest tests/reproducers

# What of it, and how often: make benchmarks BENCHMARKS='--only virtme --rounds 5'
benchmarks: machine-benchmarks $(READY)
	@$(VENV)/bin/python -m benchmarks $(BENCHMARKS)

test-vagrant: machine-vagrant $(READY)
	$(VENV)/bin/python vms/boxes/build.py debian-12
	$(VENV)/bin/ksem fetch debian-6.12
	vms/with-libvirt $(VENV)/bin/pytest tests/vagrant

machine:
	@missing=; \
	for program in qemu-system-x86_64 apt-get dpkg-deb setpriv; do \
		command -v $$program >/dev/null || missing="$$missing $$program"; done; \
	for program in mkfs.ext4 mkfs.xfs mkfs.btrfs; do \
		PATH=$$PATH:/usr/sbin:/sbin command -v $$program >/dev/null || missing="$$missing $$program"; done; \
	[ -e /usr/share/keyrings/debian-archive-keyring.gpg ] || missing="$$missing debian-archive-keyring"; \
	found=; for python in $(PYTHONS); do $$python -c '$(FITS)' 2>/dev/null && found=$$python && break; done; \
	[ -n "$$found" ] || missing="$$missing python3-venv"; \
	$(call INSTALL,$(PACKAGES))

# The page is tested in a real browser, what `ksem bisect` prints in a repository, and workers on hosts in namespaces, with an sshd
# each; the tests compile programs, statically too (gcc names a library's path only where it is). Debian starts an sshd that is
# installed: not one that came for the tests alone.
machine-test: machine
	@missing=; \
	for program in chromium chromedriver gcc git jq $(HOST_PROGRAMS); do \
		PATH=$$PATH:/usr/sbin:/sbin command -v $$program >/dev/null || missing="$$missing $$program"; done; \
	[ -e /usr/share/fonts/truetype/dejavu/DejaVuSans.ttf ] || missing="$$missing fonts-dejavu-core"; \
	[ -e "$$(gcc -print-file-name=libc.a 2>/dev/null)" ] || missing="$$missing libc6-dev"; \
	fresh=; [ -z "$(HOST_PROGRAMS)" ] || [ -e /usr/sbin/sshd ] || fresh=1; \
	( $(call INSTALL,$(TEST_PACKAGES) $(HOST_PACKAGES)) ) || exit $$?; \
	[ -z "$$fresh" ] || systemctl disable -q --now ssh 2>/dev/null || true

machine-vagrant: machine
	@missing=; \
	for program in $(VAGRANT_PROGRAMS); do \
		PATH=$$PATH:/usr/sbin:/sbin command -v $$program >/dev/null || missing="$$missing $$program"; done; \
	[ -e /usr/lib/grub/i386-pc/boot.img ] || missing="$$missing grub-pc-bin"; \
	$(call INSTALL,$(VAGRANT_PACKAGES))

# gcc is for the bare floor, all else for virtme-ng.
machine-benchmarks: machine
	@missing=; \
	for program in busybox gcc depmod udevadm; do \
		PATH=$$PATH:/usr/sbin:/sbin command -v $$program >/dev/null || missing="$$missing $$program"; done; \
	$(call INSTALL,$(BENCHMARK_PACKAGES))

$(READY): pyproject.toml | machine
	@for python in $(PYTHONS); do $$python -c '$(FITS)' 2>/dev/null && break; done; \
	echo "setting up $(VENV) with $$python"; \
	$$python -m venv --clear $(VENV)
	@$(VENV)/bin/pip install -q --disable-pip-version-check -e '.[test]'
	@touch $@

clean:
	rm -rf $(VENV)
