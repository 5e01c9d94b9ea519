"""The figures of the claims: ``figure(study, rows)`` in the module that is named as the claim.

A claim without a module here is shown by its rows alone (``drawing.draw``).
"""
