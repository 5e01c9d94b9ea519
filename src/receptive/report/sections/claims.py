"""The papers' claims as measured rows: a summary, then each claim with its verdict, figure and numbers."""

from collections.abc import Mapping, Sequence
from types import ModuleType

import pandas as pd
from matplotlib.figure import Figure

from receptive.artifacts.claims import read_claims
from receptive.claims.registry import claims, rows_of, table
from receptive.claims.row import Row, overall, speaks_of
from receptive.claims.smallest_effects import of_claim
from receptive.claims.study import Study
from receptive.claims.verdicts import SETTINGS, Needed, flips, steadiness, what_would_decide
from receptive.params.schema import Params
from receptive.report.claim_figures.drawing import draw
from receptive.report.page import Part, Passage, Section
from receptive.report.writer import Writer

_FORMATS = dict.fromkeys(("value", "control", "published", "threshold", "smallest effect"), ".3g")
_FORMATS |= dict.fromkeys(("p different", "p equivalent", "p"), ".2g")


def section(params: Params, write: Writer) -> Section:
    """The table of verdicts, and every claim of ``receptive.claims``."""
    study, frame, modules = Study(params), read_claims(), claims()
    rows = {claim.NUMBER: rows_of(frame, claim.NUMBER) for claim in modules}
    verdicts = write.table(
        "claims_summary", summary(modules, rows), "The claims and their verdicts; all rows of all claims:"
    )
    verdicts.files += write.table("claims", listed(modules, rows), "").files  # too wide for a page
    steady = write.table("claims_steadiness", settings(modules, rows), "The verdicts under other settings of the rule")
    lacking = what_would_decide(rows)
    parts: list[Part] = [verdicts, steady]
    for claim in modules:
        figure = draw(claim, study, rows[claim.NUMBER])
        parts += claim_parts(claim, rows[claim.NUMBER], figure, write, lacking[claim.NUMBER])
    return Section(
        "claims", "Claims", text({network: len(study.trainings(network)) for network in study.networks}), parts
    )


def claim_parts(
    claim: ModuleType, rows: list[Row], figure: Figure, write: Writer, lacking: Sequence[Needed] = ()
) -> list[Part]:
    """What the page shows of one claim: its statement and verdict, its figure, and its rows.

    Args:
        lacking: what would decide its undecided rows.
    """
    name = f"claim_{claim.NUMBER:02d}"
    facts = {
        "Claim": f"{claim.STATEMENT} ({claim.SOURCE})",
        "Statistic": claim.STATISTIC,
        "Control": claim.CONTROL,
        "Rule": claim.RULE,
    }
    if smallest := of_claim(claim):
        facts["Smallest effect of interest"] = "; ".join(
            f"{quantity}: {size:g} ({reason})" for quantity, (size, reason) in smallest.items()
        )
    if lacking:
        facts["Would be decided by"] = "; ".join(map(str, lacking))
    return [
        Passage(name.replace("_", "-"), f"{claim.NUMBER}. {claim.TITLE}: {overall(rows)}", facts),
        write.picture(name, figure, f"Claim {claim.NUMBER}: {claim.TITLE}", f"{claim.TITLE}: {claim.STATISTIC}"),
        write.table(name, numbers(rows), f"The rows of claim {claim.NUMBER}", _FORMATS, folded=True),
    ]


def text(trainings: Mapping[str, int]) -> str:
    """The words at the head of the section.

    Args:
        trainings: network to how often it was trained.
    """
    if max(trainings.values(), default=1) > 1:
        counted = ", ".join(f"{network} {count}" for network, count in trainings.items())
        scope = (
            f"Networks were trained several times ({counted}). Intervals of rows that say so are over these trainings "
            "as well as over images or units, and such verdicts speak about networks trained like this."
        )
    else:
        scope = (
            "Every network was trained once. Intervals are over images, units or filters, and do not say what another "
            "training of the same network would give."
        )
    return (
        "What the papers state in words, as numbers. A statistic has its claim's sign. A row that decides is "
        "equivalent where it lies nearer to its threshold than its smallest effect of interest, else supported where "
        "it lies above the threshold and contradicted where below, and undecided where the data do not tell. Tests "
        "allow for the number of all rows that decide (Holm): the chance of any wrong supported or contradicted among "
        "them is at most 5%, and so is that of any wrong equivalent. Intervals are shown as they are, 95% each. A "
        "claim has the verdict that all its deciding rows share; it is mixed where all are decided, but not alike, and "
        "undecided where one is or could not be measured. What an undecided row would need is worked out from its "
        "spread and its smallest effect: so many find an effect of that size, or show that there is none, in 80% of "
        "such studies.\n\n"
        "A verdict here is about these networks on these data, small as they are. The papers' own numbers, where "
        f"they print one, are of their networks and data. {scope}"
    )


def summary(modules: Sequence[ModuleType], rows: Mapping[int, list[Row]]) -> pd.DataFrame:
    """The verdict of each claim, and how many of the rows that decide say what: one row per claim.

    Args:
        rows: by number of the claim.
    """
    lines, lacking = [], what_would_decide(rows)
    for claim in modules:
        deciding = [row for row in rows[claim.NUMBER] if row.decides]
        verdicts = [row.verdict for row in deciding]
        counts = [f"{verdicts.count(word)} {word}" for word in dict.fromkeys(verdicts)]
        lines.append(
            {
                "claim": claim.NUMBER,
                "title": claim.TITLE,
                "source": claim.SOURCE,
                "verdict": overall(rows[claim.NUMBER]),
                "speaks of": speaks_of(rows[claim.NUMBER]),
                "rows that decide": ", ".join(counts),
                "intervals over": "; ".join(dict.fromkeys(row.over for row in deciding if row.over)),
                "would be decided by": "; ".join(_at_most(lacking[claim.NUMBER])),
            }
        )
    columns = ["claim", "title", "source", "verdict", "speaks of", "rows that decide", "intervals over"]
    columns.append("would be decided by")
    return pd.DataFrame(lines, columns=columns)


def _at_most(lacking: Sequence[Needed]) -> list[str]:
    """By what is counted, how many would decide the row that needs most of it: "2,300 images"."""
    most: dict[str, int] = {}
    for each in lacking:
        most[each.counted] = max(most.get(each.counted, 0), each.number)
    return [f"{number:,} {counted}" for counted, number in most.items()]


def settings(modules: Sequence[ModuleType], rows: Mapping[int, list[Row]]) -> pd.DataFrame:
    """The verdict of each claim, and under every other setting of the rule: one row per claim, flips counted.

    Args:
        rows: by number of the claim.
    """
    tried, flipped = steadiness(rows), flips(rows)
    lines = [
        {"claim": claim.NUMBER, "title": claim.TITLE, "verdict": overall(rows[claim.NUMBER])}
        | tried[claim.NUMBER]
        | {"flips": flipped[claim.NUMBER]}
        for claim in modules
    ]
    columns = ["claim", "title", "verdict", *(setting.name for setting in SETTINGS), "flips"]
    return pd.DataFrame(lines, columns=columns)


def numbers(rows: Sequence[Row]) -> pd.DataFrame:
    """The rows of one claim with their intervals in brackets; those that decide come first."""
    deciding_first = sorted(rows, key=lambda row: not row.decides)
    columns = {
        "network": [row.network for row in deciding_first],
        "what": [row.what for row in deciding_first],
        "value": [row.value for row in deciding_first],
        "95%": [_interval(row.low, row.high) for row in deciding_first],
        "control": [row.control for row in deciding_first],
        "95% of control": [_interval(row.control_low, row.control_high) for row in deciding_first],
        "threshold": [row.threshold for row in deciding_first],
        "smallest effect": [row.smallest for row in deciding_first],
        "verdict": [row.verdict if row.decides else "shown beside" for row in deciding_first],
        "p different": [row.p_different for row in deciding_first],
        "p equivalent": [row.p_equivalent for row in deciding_first],
        "p": [row.p_value for row in deciding_first],
        "published": [row.published for row in deciding_first],
        "images": [row.images for row in deciding_first],
        "units": [row.units for row in deciding_first],
        "trainings": [row.repeats for row in deciding_first],
        "interval over": [row.over for row in deciding_first],
        "remark": [row.reason for row in deciding_first],
    }
    floats = ("value", "control", "smallest effect", "p different", "p equivalent", "p", "published")
    kinds = dict.fromkeys(floats, "Float64") | dict.fromkeys(("images", "units"), "Int64")
    return pd.DataFrame(columns).astype(kinds)


def listed(modules: Sequence[ModuleType], rows: Mapping[int, list[Row]]) -> pd.DataFrame:
    """All rows of all claims with the words of each claim: the table for reuse.

    Args:
        rows: by number of the claim.
    """
    heads = pd.DataFrame(
        [
            (
                *(claim.NUMBER, claim.TITLE, claim.STATEMENT, claim.SOURCE, overall(rows[claim.NUMBER])),
                *(speaks_of(rows[claim.NUMBER]), claim.STATISTIC, claim.CONTROL, claim.RULE),
            )
            for claim in modules
        ],
        columns=[
            *("claim", "title", "statement", "source", "claim verdict"),
            *("speaks of", "statistic", "control is", "rule"),
        ],
    ).astype({"claim": "int64"})
    frame = table(dict(rows))
    frame["networks"] = frame["networks"].map(" - ".join)
    frame["trainings"] = frame["trainings"].map(", ".join)
    return heads.merge(frame, on="claim", how="right")


def _interval(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f"[{low:.3g}, {high:.3g}]"
