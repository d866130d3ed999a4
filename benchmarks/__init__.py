"""What ksem takes: time, memory, disk, beside what was wanted, the bare floor and virtme-ng. Nothing fails by a clock.

`python -m benchmarks` measures all (`--help` says what); `benchmarks/page.py` the page in a browser.
"""
