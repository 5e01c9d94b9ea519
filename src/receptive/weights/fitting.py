"""Whether weights fit a network, and are finite."""

from torch import Tensor, nn

from receptive.errors import ReceptiveError

_SHOWN = 3  # entries named of each kind of misfit


def fitted(network: nn.Module, state: dict[str, Tensor], what: str) -> dict[str, Tensor]:
    """The state dict as ``network`` takes it: every weight, of the right shape.

    Two things may differ. Weights that the network has for training alone (``unused_weights``) may be present, and
    batch norms' counts of batches, which old files do not hold, may be missing.

    Args:
        network: The network that takes the weights; it is not changed.
        state: The weights.
        what: The weights in words, for the message: "the weights of /data/resnet34.pth".

    Raises:
        ReceptiveError: The weights do not fit; the line names the first entries that are missing, unexpected or of
            another shape. Or they are not finite.
    """
    expected = network.state_dict()
    unused = set(getattr(network, "unused_weights", ()))
    state = {name: value for name, value in state.items() if name in expected or name not in unused}
    counts = {name: value for name, value in expected.items() if name.endswith(".num_batches_tracked")}
    state = counts | state
    misfits = {
        "missing": [name for name in expected if name not in state],
        "unexpected": [name for name in state if name not in expected],
        "of another shape": [
            f"{name} ({_shape(state[name])}, not {_shape(value)})"
            for name, value in expected.items()
            if name in state and state[name].shape != value.shape
        ],
    }
    causes = [f"{kind} {_few(names)}" for kind, names in misfits.items() if names]
    if causes:
        raise ReceptiveError(
            f"{what} do not fit the network: {'; '.join(causes)}; give weights of this very network, width and classes"
        )
    check_finite(state, what)
    return state


def check_finite(state: dict[str, Tensor], what: str) -> None:
    """Refuses weights with values that are infinite or no number, as float32.

    Raises:
        ReceptiveError: There are such values; the line names the first tensor that has any.
    """
    for name, value in state.items():
        if value.is_floating_point() and not value.float().isfinite().all():
            raise ReceptiveError(
                f"{what} are not finite, first in {name}: the training that they are of diverged, or the file is "
                "damaged; give others"
            )


def _shape(value: Tensor) -> str:
    return "x".join(map(str, value.shape)) or "one number"


def _few(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
