"""What travels into the kernel under test.

Contract: the standard library and itself only, Python >= 3.6. Nothing here decides a verdict.
"""
