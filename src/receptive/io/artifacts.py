"""For the move only: everything of ``receptive.artifacts`` under its old name."""

from receptive.artifacts.ablation import (
    FOLDER as ABLATION,  # noqa: F401
)
from receptive.artifacts.ablation import (
    read_ablation,  # noqa: F401
    write_ablation,  # noqa: F401
)
from receptive.artifacts.activations import (
    FOLDER as ACTIVATIONS,  # noqa: F401
)
from receptive.artifacts.activations import (
    read_histograms,  # noqa: F401
    read_preferred,  # noqa: F401
    read_units,  # noqa: F401
    read_zeros,  # noqa: F401
    write_activations,  # noqa: F401
)
from receptive.artifacts.checkpoints import (
    keep,  # noqa: F401
    read_kept,  # noqa: F401
    scratch,  # noqa: F401
)
from receptive.artifacts.claims import (
    FOLDER as CLAIMS,  # noqa: F401
    read_claims,  # noqa: F401
    write_claims,  # noqa: F401
)
from receptive.artifacts.deconvolution import FOLDER as DECONVOLUTION  # noqa: F401
from receptive.artifacts.deconvolution import (
    read_deconvolution,  # noqa: F401
    read_energy,  # noqa: F401
    read_representations,  # noqa: F401
    read_unit_patches,  # noqa: F401
    write_deconvolution,  # noqa: F401
)
from receptive.artifacts.embedding import FOLDER as EMBEDDING  # noqa: F401
from receptive.artifacts.embedding import (
    read_embedding,  # noqa: F401
    read_grids,  # noqa: F401
    read_region_patches,  # noqa: F401
    write_embedding,  # noqa: F401
)
from receptive.artifacts.feature_maps import (
    FOLDER as FEATURE_MAPS,  # noqa: F401
)
from receptive.artifacts.feature_maps import (
    read_feature_maps,  # noqa: F401
    write_feature_maps,  # noqa: F401
)
from receptive.artifacts.files import check_has as _check_has  # noqa: F401
from receptive.artifacts.files import digest_files as _digest_files  # noqa: F401
from receptive.artifacts.files import (
    read_json,  # noqa: F401
    read_table,  # noqa: F401
    write_json,  # noqa: F401
    write_table,  # noqa: F401
    writing,  # noqa: F401
)
from receptive.artifacts.files import read_arrays as _read_arrays  # noqa: F401
from receptive.artifacts.files import reading as _reading  # noqa: F401
from receptive.artifacts.files import reading_weights as _reading_weights  # noqa: F401
from receptive.artifacts.filters import (
    FOLDER as FILTERS,  # noqa: F401
)
from receptive.artifacts.filters import (
    read_filters,  # noqa: F401
    write_filters,  # noqa: F401
)
from receptive.artifacts.given_weights import read_state  # noqa: F401
from receptive.artifacts.identity import FOLDER as IDENTITY  # noqa: F401
from receptive.artifacts.identity import (
    identity_pair,  # noqa: F401
    read_identity,  # noqa: F401
    read_similarities,  # noqa: F401
    write_identity,  # noqa: F401
)
from receptive.artifacts.maximization import (
    FOLDER as MAXIMIZATION,  # noqa: F401
)
from receptive.artifacts.maximization import (
    maximization_group,  # noqa: F401
    read_maximization,  # noqa: F401
    write_maximization,  # noqa: F401
)
from receptive.artifacts.layers import read_layers  # noqa: F401
from receptive.artifacts.networks import FOLDER as NETWORKS  # noqa: F401
from receptive.artifacts.networks import (
    network_digest,  # noqa: F401
    read_description,  # noqa: F401
    read_first_filters,  # noqa: F401
    read_history,  # noqa: F401
    read_network_metrics,  # noqa: F401
    read_weights,  # noqa: F401
    weight_shapes,  # noqa: F401
)
from receptive.artifacts.prepared import FOLDER as PREPARED  # noqa: F401
from receptive.artifacts.prepared import (
    prepared_digest,  # noqa: F401
    prepared_sources,  # noqa: F401
    raw_folder,  # noqa: F401
    read_prepared,  # noqa: F401
    write_prepared,  # noqa: F401
)
from receptive.artifacts.prepared import (
    read_images as _read_images,
)
from receptive.artifacts.report import (
    FOLDER as REPORTS,  # noqa: F401
    move_report,  # noqa: F401
)
from receptive.artifacts.selectivity import FOLDER as PROBE  # noqa: F401
from receptive.artifacts.selectivity import (
    read_tuning,  # noqa: F401
)
from receptive.artifacts.selectivity import read_selectivity as read_probe  # noqa: F401
from receptive.artifacts.selectivity import write_selectivity as write_probe  # noqa: F401
from receptive.artifacts.sparsity import (
    FOLDER as SPARSITY,  # noqa: F401
)
from receptive.artifacts.sparsity import (
    read_sparsity,  # noqa: F401
)
from receptive.artifacts.stimuli import (
    FOLDER as STIMULI,  # noqa: F401
)
from receptive.artifacts.stimuli import (
    has_stimuli as is_mined,  # noqa: F401
)
from receptive.artifacts.stimuli import (
    read_stimuli,  # noqa: F401
    write_stimuli,  # noqa: F401
)
from receptive.artifacts.root import project_root  # noqa: F401
from receptive.artifacts.trained import (
    _contiguous,  # noqa: F401
    read_network,  # noqa: F401
    read_normalisation,  # noqa: F401
    write_network,  # noqa: F401
)


def read_images(params, network):
    """As before the move."""
    training = params.training(network)
    return _read_images(training.images, training.classes)
