"""Behaviours of the Estimator contract, written once and run against two implementations.

A check does something with the implementation it is given and returns what it observed as plain data. Nothing
is asserted: what matters is whether both implementations are observed to do the same. The modules import
TensorFlow, NumPy and the standard library alone, and run under TensorFlow 2.15 and today's.
"""
