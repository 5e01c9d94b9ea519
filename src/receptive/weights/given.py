"""The weights that a network takes instead of a training: a user's file, or the maker's own."""

from dataclasses import replace

from receptive.artifacts.given_weights import read_state
from receptive.datasets.prepared import Prepared
from receptive.networks.parts.normalisation import Normalisation
from receptive.parallel.workers import ALONE, Workers
from receptive.params.recipe import Recipe
from receptive.training.start import Given, Start
from receptive.weights import pretrained as makers
from receptive.weights.fitting import check_finite, fitted
from receptive.weights.imagenet import head_names, imagenet_rows, select_rows


def with_given_weights(
    start: Start, network: str, recipe: Recipe, prepared: Prepared, workers: Workers = ALONE
) -> Start:
    """``start`` with the weights that ``recipe.weights`` names, and with the normalisation that they expect.

    The maker's weights were trained on ImageNet; of them the scores of the data set's classes are kept. What cannot
    fit is refused before anything is fetched.

    Args:
        start: The network with fresh weights.
        network: Its name.
        recipe: Of the network; ``weights`` is not "ours".
        prepared: The images that it sees.
        workers: The processes that do this together; process 0 fetches weights before the others.

    Raises:
        ReceptiveError: The weights cannot be had, do not fit the network, or are not finite; or a class is none of
            ImageNet's.
    """
    what = f"the weights of train.{network}.weights"
    if recipe.weights != "pretrained":
        state, digest = read_state(recipe.weights)
        check_finite(state, f"the weights of '{recipe.weights}'")
        origin = {"from": "file", "sha256": digest}
        return replace(start, given=Given(fitted(start.network, state, what), origin))
    size, channels = prepared.images.shape[1], prepared.images.shape[3]
    with workers.first_before_others():  # the others find the fetched file in the makers' cache
        rows = imagenet_rows(prepared.classes, makers.imagenet_categories(), network)
        heads = head_names(network, size, channels, recipe.options())
        made = makers.pretrained(network)
    state = fitted(start.network, select_rows(made.state, heads, rows), what)
    given = Given(state, {"from": made.origin, "scores": rows})
    return replace(start, normalisation=Normalisation.of_channels(made.mean, made.std), given=given)
