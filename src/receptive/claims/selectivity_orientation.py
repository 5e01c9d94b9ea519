"""Claim 1: ResNet has orientation-selective neurons."""

from receptive.claims import Row, Study, measured, not_measured
from receptive.io import artifacts
from receptive.methods.inference import difference_of_shares, share

NUMBER = 1
TITLE = "Orientation-selective units"
STATEMENT = "ResNet has neurons that are selective for orientation."
SOURCE = "KS, abstract and section 4 (conclusion)"
STATISTIC = (
    "The share of orientation-selective units (1 - circular variance of the answers to gratings of at least probe.osi; "
    "Ringach et al. 2002) of the trained network, less that of a control, with Newcombe's 95% interval over units. Low "
    "layers are those whose receptive field fits in the image, high layers all others; silent units, and units that "
    "luminance hardly moves (probe.weakest), are left out. The interval takes units for independent."
)
CONTROL = (
    "The same network before training, and the trained network with the places of every kernel permuted; both with "
    "batch-norm statistics measured on training images."
)
RULE = (
    "Decided by the low layers of resnet34, where KS show them, against both controls: supported if both intervals lie "
    "above 0, contradicted if one lies below 0 and none above, undecided otherwise. Single layers, high layers and "
    "other networks are shown beside."
)

STUDIED = "resnet34"
CONTROLS = ("untrained", "shuffled")


def measure(study: Study) -> list[Row]:
    """Shares of selective units against both controls."""
    return share_rows(study, "selective")


def figure(study: Study, rows: list[Row]):
    """Shares by layer, and their differences with what they decide."""
    return share_figure(study, rows, "selective")


def share_rows(study: Study, verdict: str) -> list[Row]:
    """Rows of a share of units, of every network and both controls; claims 1 and 2 differ in ``verdict`` alone.

    Args:
        verdict: a column of units.parquet of ``probe``.
    """
    rows = []
    if STUDIED not in study.networks:
        reason = study.missing(STUDIED)
        rows += [not_measured(STUDIED, f"low layers, trained - {control}", reason) for control in CONTROLS]
    for network in study.networks:
        rows += study.across(_training_rows, network, given=(network, verdict))
    return rows


def _training_rows(study: Study, name: str, network: str, verdict: str) -> list[Row]:
    """The rows of one training, in an order that is the same for all trainings of a network."""
    units = artifacts.read_probe(name)
    size = artifacts.read_description(name)["image_size"]
    fits = {layer.name: _fits(layer, size) for layer in artifacts.read_layers(name)}
    low = units["layer"].map(fits)
    groups = {"low layers": units[low], "high layers": units[~low]}
    if network == STUDIED:
        groups |= dict(list(units[low].groupby("alias", sort=False)))
    return [
        _row(name, what, its, verdict, control, decides=network == STUDIED and what == "low layers")
        for what, its in groups.items()
        if len(its)
        for control in CONTROLS
    ]


def _row(name: str, what: str, units, verdict: str, control: str, decides: bool) -> Row:
    words = f"{what}, trained - {control}"
    if units["colour_index"].isna().all() and verdict != "selective":
        return not_measured(name, words, "its images have no colour", decides=decides)
    counts = []
    for state in ("trained", control):
        judged = units.loc[units["state"] == state, verdict].dropna()
        counts += [int(judged.sum()), len(judged)]
    if not (counts[1] and counts[3]):
        return not_measured(name, words, "no unit answers a grating", decides=decides)
    reason = f"{counts[0]} of {counts[1]} units ({_interval(*counts[:2])}); "
    reason += f"{control} {counts[2]} of {counts[3]} ({_interval(*counts[2:])})"
    return measured(
        name, words, difference_of_shares(*counts), "units", units=counts[1], reason=reason, decides=decides
    )


def _interval(successes: int, trials: int) -> str:
    found = share(successes, trials)
    return f"{found.low:.1%} to {found.high:.1%}"


def _fits(layer, size: int) -> bool:
    return not layer.field.whole_image and max(layer.field.y.size, layer.field.x.size) <= size


def share_figure(study: Study, rows: list[Row], verdict: str):
    """Above, shares by layer of every network beside both controls; below, the differences that the rows hold."""
    from receptive.figures.claims import draw_estimates
    from receptive.figures.selectivity import VERDICTS, draw_shares, state_handles
    from receptive.figures.style import figure as empty

    present = study.networks
    drawn = [row for row in rows if " layers," in row.what]  # single layers are in the panels above
    columns = 3
    above = max(1, -(-len(present) // columns))
    heights = [2.5 * above, 1.2 + 0.3 * len(drawn)]
    fig = empty(11.5, sum(heights))
    upper, lower = fig.subfigures(2, 1, height_ratios=heights)
    if present:
        grid = upper.subplots(above, columns, squeeze=False).ravel()
        for axes in grid[len(present) :]:
            axes.axis("off")
        for axes, name in zip(grid, present, strict=False):
            draw_shares(axes, artifacts.read_probe(name), name, verdict)
        upper.legend(handles=state_handles(), frameon=False, fontsize=8.5, ncols=3, loc="outside upper center")
    quantity = f"share of {VERDICTS[verdict]} units, less the control's"
    draw_estimates(lower.subplots(), drawn, quantity)
    return fig
