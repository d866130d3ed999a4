"""What all unit tests share: hypothesis without a clock, chance or memory, so that a run says the same every time."""

from __future__ import annotations

import hypothesis

hypothesis.settings.register_profile("ksem", database=None, deadline=None, derandomize=True, max_examples=40)
hypothesis.settings.load_profile("ksem")
