"""What runs inside the sandbox for ``unit_test``: the tests, the candidate, and what passes between.

The tests run in a process of their own, which the candidate can neither read nor write to. Plain data
is copied between the two and kept in step; everything else is used by reference through a *mirror*.
Nothing here needs this project or anything else beyond Python 3.9's standard library.
"""
