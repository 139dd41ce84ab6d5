"""The code of ``unit_test`` inside the sandbox: the tests, the candidate, and the link between
them.

The tests run in a process of their own, which the candidate can neither read nor write to. Plain
data is copied between the two and kept in step; everything else is used by reference through a
*mirror*. Nothing here needs this project or anything else beyond Python 3.9's standard library.
"""
