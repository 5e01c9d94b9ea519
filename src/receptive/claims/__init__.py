"""The claims of the papers, one file per claim: a new file here is a new claim, and no other file changes.

A claim is a module of this package with the constants

- ``NUMBER`` (its place in the table), ``TITLE`` (a few words), ``STATEMENT`` (the papers' sentence in our words),
  ``SOURCE`` (paper and place), ``STATISTIC``, ``CONTROL`` and ``RULE`` (plain words),

and the function

- ``measure(study) -> list[Row]``: the numbers. A claim asks ``study`` for its data and reads no files itself.

Its figure is ``report.claim_figures.<the same name>``. ``docs/claims.md`` shows a claim in ten lines. Every statistic
has the sign of its claim: the more positive, the more it supports the claim. Verdicts come from intervals alone
(``row.decide``, ``row.overall``). The modules ``row``, ``study`` and ``registry`` are what all claims share.
"""
