"""Random programs: operations in one or two transactions, the same on every store.

`program.py` has the shapes of programs, `runner.py` runs one against a store and gives all that was
answered, `identity.py` and `range_units.py` draw those of their areas. No program asks what the
ports leave open; where that takes something, a comment says what.
"""
