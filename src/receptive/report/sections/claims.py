"""The papers' claims as measured rows: a summary, then each claim with its numbers, figure and verdict."""

import pandas as pd

from receptive import claims
from receptive.io import artifacts
from receptive.params.schema import Params
from receptive.report.page import Passage, Section
from receptive.report.writer import Writer

_FORMATS = dict.fromkeys(("value", "control", "published", "threshold"), ".3g") | {"p": ".2g"}


def section(params: Params, write: Writer) -> Section:
    """The table of verdicts, and every claim of ``receptive.claims``."""
    study, frame, known = claims.Study(params), artifacts.read_claims(), claims.claims()
    rows = {claim.NUMBER: claims.rows_of(frame, claim.NUMBER) for claim in known}
    parts = [
        write.table("claims_summary", summary(known, rows), "The claims and their verdicts; all rows of all claims:")
    ]
    parts[0].files += write.table("claims", listed(known, rows), "").files  # too wide for a page
    for claim in known:
        its, name = rows[claim.NUMBER], f"claim_{claim.NUMBER:02d}"
        parts += [
            Passage(
                name.replace("_", "-"),
                f"{claim.NUMBER}. {claim.TITLE}: {claims.overall(its)}",
                {
                    "Claim": f"{claim.STATEMENT} ({claim.SOURCE})",
                    "Statistic": claim.STATISTIC,
                    "Control": claim.CONTROL,
                    "Rule": claim.RULE,
                },
            ),
            write.picture(
                name,
                claim.figure(study, its),
                f"Claim {claim.NUMBER}: {claim.TITLE}",
                f"{claim.TITLE}: {claim.STATISTIC}",
            ),
            write.table(name, numbers(its), f"The rows of claim {claim.NUMBER}", _FORMATS, folded=True),
        ]
    return Section("claims", "Claims", _text(study), parts)


def _text(study: claims.Study) -> str:
    several = {network: len(study.replicas(network)) for network in study.networks}
    if max(several.values(), default=1) > 1:
        counted = ", ".join(f"{network} {count}" for network, count in several.items())
        seeds = (
            f"Networks were trained several times ({counted}); intervals of rows that say so are over these trainings "
            "as well as over images or units, and such verdicts speak about networks trained like this."
        )
    else:
        seeds = (
            "Every network was trained once: intervals are over images, units or filters, and say nothing of what "
            "another training of the same network would give."
        )
    return (
        "What the papers state in words, as numbers. A statistic has its claim's sign; a row is supported where "
        "its 95% interval lies above the threshold, contradicted where below, and undecided otherwise. A claim is "
        "supported where all rows that decide are, contradicted where at least one is contradicted and none supported, "
        "and undecided where rows disagree, say too little, or one could not be measured.\n\n"
        "A verdict here is one about these networks on these data, small as they are; the papers' own numbers, where "
        f"they print one, are of theirs. {seeds}"
    )


def summary(known: list, rows: dict[int, list[claims.Row]]) -> pd.DataFrame:
    """One row a claim: its verdict, and how many of the rows that decide say what."""
    lines = []
    for claim in known:
        verdicts = [row.verdict for row in rows[claim.NUMBER] if row.decides]
        counts = [f"{verdicts.count(word)} {word}" for word in dict.fromkeys(verdicts)]
        over = dict.fromkeys(row.over for row in rows[claim.NUMBER] if row.decides and row.over)
        lines.append(
            {
                "claim": claim.NUMBER,
                "title": claim.TITLE,
                "source": claim.SOURCE,
                "verdict": claims.overall(rows[claim.NUMBER]),
                "speaks of": claims.speaks_of(rows[claim.NUMBER]),
                "rows that decide": ", ".join(counts),
                "intervals over": "; ".join(over),
            }
        )
    columns = ["claim", "title", "source", "verdict", "speaks of", "rows that decide", "intervals over"]
    return pd.DataFrame(lines, columns=columns)


def numbers(rows: list[claims.Row]) -> pd.DataFrame:
    """The rows of one claim, those that decide first, with their intervals in brackets."""
    deciding_first = sorted(rows, key=lambda row: not row.decides)
    columns = {
        "network": [row.network for row in deciding_first],
        "what": [row.what for row in deciding_first],
        "value": [row.value for row in deciding_first],
        "95%": [_interval(row.low, row.high) for row in deciding_first],
        "control": [row.control for row in deciding_first],
        "95% of control": [_interval(row.control_low, row.control_high) for row in deciding_first],
        "threshold": [row.threshold for row in deciding_first],
        "verdict": [row.verdict if row.decides else "shown beside" for row in deciding_first],
        "p": [row.p_value for row in deciding_first],
        "published": [row.published for row in deciding_first],
        "images": [row.images for row in deciding_first],
        "units": [row.units for row in deciding_first],
        "seeds": [row.seeds for row in deciding_first],
        "interval over": [row.over for row in deciding_first],
        "remark": [row.reason for row in deciding_first],
    }
    kinds = dict.fromkeys(("value", "control", "p", "published"), "Float64") | dict.fromkeys(
        ("images", "units"), "Int64"
    )
    return pd.DataFrame(columns).astype(kinds)


def listed(known: list, rows: dict[int, list[claims.Row]]) -> pd.DataFrame:
    """All rows of all claims with what each claim says: the table for reuse."""
    heads = {
        claim.NUMBER: {
            "claim": claim.NUMBER,
            "title": claim.TITLE,
            "statement": claim.STATEMENT,
            "source": claim.SOURCE,
            "claim verdict": claims.overall(rows[claim.NUMBER]),
            "speaks of": claims.speaks_of(rows[claim.NUMBER]),
            "statistic": claim.STATISTIC,
            "control is": claim.CONTROL,
            "rule": claim.RULE,
        }
        for claim in known
    }
    frame = claims.table(rows)
    head = pd.DataFrame(
        [heads[number] for number in frame["claim"]], columns=list(next(iter(heads.values()), {"claim": 0}))
    )
    return pd.concat([head, frame.drop(columns="claim")], axis=1)


def _interval(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f"[{low:.3g}, {high:.3g}]"
