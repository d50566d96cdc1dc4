"""Statements about localist attention, their derivations, and their numeric functions.

Importing this package imports nothing heavy: `theory.numbers.bounds` needs numpy and scipy only, and sympy is
loaded by the modules that hold statements.
"""
