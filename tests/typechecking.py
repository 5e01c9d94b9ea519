"""How the tests check the annotations of the methods (``conftest``)."""

from beartype import BeartypeConf, beartype

check = beartype(conf=BeartypeConf(is_pep484_tower=True))
"""As PEP 484 reads annotations: where a float is asked for an int will do."""
