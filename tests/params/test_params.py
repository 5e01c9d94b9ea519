"""params.yaml: composed from conf/, and refused in one line wherever it cannot be meant."""

import copy
import importlib.util
import shutil
import typing
from pathlib import Path

import pytest
import yaml

from receptive import networks
from receptive.errors import ReceptiveError
from receptive.methods import maximization
from receptive.networks.parts import normalisation
from receptive.params import recipe, schema, sections
from receptive.params.reading import compose, load_params

PROJECT = Path(__file__).parents[2]
STUDIED = ["resnet34", "plainnet34", "alexcnn", "vggcnn", "digitcnn", "fivecnn"]
GROUPS = {
    **{name: [name] for name in STUDIED},
    "paper": STUDIED,
    "residual": ["resnet34", "plainnet34"],
    "depth": ["alexcnn", "vggcnn"],
    **{f"torchvision_{name}": [f"torchvision-{name}"] for name in ("alexnet", "vgg16", "resnet34")},
    "pretrained": ["torchvision-resnet34", "torchvision-alexnet", "torchvision-vgg16"],
    "large": ["resnet34", "plainnet34", "alexcnn", "vggcnn"],
}
PROFILES = ["laptop", "smoke", "paper", "gpu"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with the project's conf/."""
    folder = tmp_path_factory.mktemp("project")
    shutil.copytree(PROJECT / "conf", folder / "conf")
    return folder


@pytest.fixture(scope="module")
def default(folder):
    """The composed parameters as plain values."""
    return yaml.safe_load(compose(folder).read_text())


# Composing


def test_committed_params_are_those_of_conf(folder):
    written = compose(folder)
    assert written == folder / "params.yaml"
    assert written.read_bytes() == (PROJECT / "params.yaml").read_bytes(), "run 'receptive compose'"


def test_every_group_is_tried():
    groups = {path.stem for path in (PROJECT / "conf" / "model").glob("*.yaml")}
    assert groups == set(GROUPS)
    assert {path.stem for path in (PROJECT / "conf" / "profile").glob("*.yaml")} == set(PROFILES)


@pytest.mark.slow
@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("model", GROUPS)
def test_every_group_composes_and_is_possible(folder, model, profile):
    params = load_params(compose(folder, (f"model={model}", f"profile={profile}")))
    assert params.model == model
    assert params.models == GROUPS[model]
    assert params.profile == profile
    for name in params.models:
        assert params.recipe(name).epochs >= 1
        assert params.training(name).images in params.datasets


DATASETS = {
    "collages": ["collages", "digits"],
    "folder": ["folder", "digits"],
    "imagenet": ["imagenet", "digits"],
    "mnist": ["collages", "mnist"],
    "papers": ["imagenet", "mnist"],
}


def test_every_choice_of_data_is_tried():
    assert {path.stem for path in (PROJECT / "conf" / "dataset").glob("*.yaml")} == set(DATASETS)


@pytest.mark.slow
@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("dataset", DATASETS)
def test_every_choice_of_data_composes_and_is_possible(folder, dataset, profile):
    model = "residual" if dataset == "folder" else "paper"
    params = load_params(compose(folder, (f"dataset={dataset}", f"model={model}", f"profile={profile}")))
    assert params.dataset == dataset
    assert [params.data.natural, params.data.digits] == params.datasets == DATASETS[dataset]
    for name in params.datasets:
        assert params.preparation(name)
    for name in params.models:
        assert params.training(name).images in params.datasets
    wordnet = ["n01443537", "n02110185", "n07749582", "n01518878", "n01729977"]
    embedded = ["astronaut", "cat", "coffee", "dahlia", "rocket"]
    assert params.data.five == {"collages": embedded, "imagenet": wordnet, "folder": None}[params.data.natural]


@pytest.mark.parametrize("dataset", ["folder", "imagenet", "papers"])
def test_photographs_are_seen_as_the_papers_saw_them(folder, dataset):
    """KS 3.1: 224 px. TG 4.1: the five classes of spec and paper, by WordNet id."""
    params = load_params(compose(folder, (f"dataset={dataset}", "model=residual", "profile=paper")))
    section = params.preparation(params.data.natural)
    assert (section["size"], section["stored_size"]) == (224, 256)
    assert (section["path"], section["classes"]) == (None, None)
    if dataset != "folder":
        assert params.data.five == ["n01443537", "n02110185", "n07749582", "n01518878", "n01729977"]


@pytest.mark.parametrize("dataset", ["collages", "folder", "imagenet", "mnist"])
def test_only_imagenet_is_stored_as_jpegs_unless_the_user_says_so(folder, dataset):
    params = load_params(compose(folder, (f"dataset={dataset}", "model=residual")))
    for name in params.datasets:
        assert params.preparation(name)["store"] == ("jpeg" if name == "imagenet" else "raw")


def test_five_classes_of_a_folder_are_the_users_choice(folder):
    with pytest.raises(ReceptiveError, match=r"data.five: 'fivecnn' learns five classes of folder: name them, or cho"):
        load_params(compose(folder, ("dataset=folder",)))
    named = load_params(compose(folder, ("dataset=folder", "data.five=[a,b,c,d,e]")))
    assert named.training("fivecnn").classes == ["a", "b", "c", "d", "e"]
    others = load_params(compose(folder, ("dataset=folder", "model=residual")))
    assert {training.classes for training in others.trainings.values()} == {None}


@pytest.mark.parametrize(
    ("override", "cause"),
    [
        ("prepare.folder.stored_size=222", r"stored_size must be size \(224\) or an even number more, not 222"),
        ("prepare.folder.stored_size=225", r"stored_size must be size \(224\) or an even number more, not 225"),
        ("prepare.folder.damaged=ignore", "prepare.folder.damaged"),
        ("prepare.folder.validation_share=1.0", "prepare.folder.validation_share"),
        ("prepare.folder.classes=[one]", "prepare.folder.classes"),
        ("prepare.folder.store=png", r"prepare.folder.store: input should be 'raw' or 'jpeg', not 'png'"),
        ("prepare.folder.quality=0", "prepare.folder.quality: input should be greater than or equal to 1, not 0"),
        ("prepare.digits.store=jpeg", "prepare.digits.store: input should be 'raw', not 'jpeg'"),
    ],
)
def test_impossible_preparations_are_refused(folder, override, cause):
    with pytest.raises(ReceptiveError, match=cause):
        load_params(compose(folder, ("dataset=folder", "model=residual", override)))


def test_single_values_are_overridden(folder, default):
    params = load_params(compose(folder, ("seed=7", "train.vggcnn.width=0.125", "data.five=[a,b,c,d,e]")))
    assert params.seed == 7
    assert params.recipe("vggcnn").width == 0.125
    assert params.data.five == ["a", "b", "c", "d", "e"]
    assert params.recipe("alexcnn").width == default["train"]["alexcnn"]["width"]


@pytest.mark.parametrize(("each", "numbers"), [("2", [1, 2]), ("[1,5]", [1, 5]), ("[4,1]", [4, 1]), ("1", [1])])
def test_every_network_is_trained_as_often_as_trainings_each_says(folder, each, numbers):
    params = load_params(compose(folder, ("model=residual", f"trainings_each={each}")))
    names = [name if k == 1 else f"{name}-{k}" for k in numbers for name in ("resnet34", "plainnet34")]
    assert list(params.trainings) == names
    assert params.trainings_of("plainnet34") == names[1::2]
    for name, network in zip(names, ["resnet34", "plainnet34"] * len(numbers), strict=True):
        assert params.training(name).network == network
        assert params.recipe(name) is params.train[network]


@pytest.mark.parametrize("each", ["0", "-1", "[]", "[2,3]", "[1,0]", "x", "1.5", "null"])
def test_impossible_numbers_of_trainings_do_not_compose(folder, each):
    with pytest.raises(ReceptiveError, match=r"trainings_each=.*a number from 1 on, or a list with 1"):
        compose(folder, (f"trainings_each={each}",))


def test_a_training_names_what_dvc_follows_for_it(folder):
    """The network, the file of its family, its prepared set and its classes."""
    params = load_params(compose(folder, ("dataset=mnist", "models=[resnet34,digitcnn,fivecnn,timm:resnet18.a1_in1k]")))
    five = ["astronaut", "cat", "coffee", "dahlia", "rocket"]
    assert {name: tuple(training.model_dump().values()) for name, training in params.trainings.items()} == {
        "resnet34": ("resnet34", "resnet", "collages", None),
        "digitcnn": ("digitcnn", "smallnets", "mnist", None),
        "fivecnn": ("fivecnn", "smallnets", "collages", five),
        "timm-resnet18-a1_in1k": ("timm-resnet18-a1_in1k", "foreign", "collages", None),
    }


def test_conf_knows_the_families_of_networks(folder):
    """conf/ must compose without the project's code, so it repeats which file builds which network."""
    spec = importlib.util.spec_from_file_location("trainings", PROJECT / "conf" / "hydra_plugins" / "trainings.py")
    plugin = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(plugin)
    assert plugin.FAMILIES == networks.FAMILIES
    files = {path.stem for path in (PROJECT / "src/receptive/networks/families").glob("*.py")} - {"__init__"}
    assert set(networks.FAMILIES) == files
    assert {networks.family_of(name) for name in networks.names()} == files - {"foreign"}


def test_the_paper_profile_is_the_papers(folder):
    """KS 3.1; TG 2.1 and 4.1 (cross-entropy, Adam, dropout 0.3, five epochs, pixels in [0, 1])."""
    params = load_params(compose(folder, ("profile=paper",)))
    for name in ("resnet34", "plainnet34"):
        ks = params.recipe(name)
        assert (ks.optimiser, ks.learning_rate, ks.momentum, ks.weight_decay) == ("sgd", 0.01, 0.9, 1e-4)
        assert (ks.schedule, ks.step_epochs, ks.step_factor, ks.warmup_epochs) == ("step", 30, 0.1, 0)
        assert (ks.epochs, ks.batch_size) == (90, 256)
        assert ks.crop_area == [0.08, 1.0]
        assert ks.crop_aspect == [3 / 4, pytest.approx(4 / 3, rel=1e-15)]
        assert ks.flip
        assert ks.normalisation == "standardise"
    for name in ("alexcnn", "vggcnn"):
        assert params.recipe(name).normalisation == "subtract_mean_image"
        assert not params.recipe(name).batch_norm
    assert params.recipe("fivecnn").epochs == 5
    for name in ("digitcnn", "fivecnn"):
        tg = params.recipe(name)
        assert (tg.optimiser, tg.dropout, tg.normalisation) == ("adam", 0.3, "scale")
        assert tg.clip_norm is None
    for name in STUDIED:
        assert params.recipe(name).width == 1
        assert params.recipe(name).first_scale == 1
    assert params.prepare.collages.size == 224
    assert params.extract.top == 16
    assert params.extract.hits_per_image == 1


@pytest.mark.parametrize(
    ("override", "cause"),
    [("model=resnet", "model/resnet"), ("surprise=1", "surprise"), ("train.vggcnn.wdth=1", "wdth"), ("=", "")],
)
def test_impossible_overrides_are_refused(folder, override, cause):
    with pytest.raises(ReceptiveError, match=rf"^conf/ cannot be composed: .*{cause}") as caught:
        compose(folder, (override,))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("overrides", "reason"),
    [
        (("train.resnet34.epochs=-1",), "train.resnet34.epochs: input should be greater than or equal to 1, not -1"),
        (("dataset=folder",), "data.five: 'fivecnn' learns five classes of folder: name them, or choose other netw"),
        (("+surprise=1",), "surprise is not a parameter: remove it"),
        (("model=resnet",), "conf/ cannot be composed: "),
    ],
)
def test_what_is_impossible_is_not_written(tmp_path, overrides, reason):
    shutil.copytree(PROJECT / "conf", tmp_path / "conf")
    for before in (None, b"kept: 1\n"):
        if before:
            (tmp_path / "params.yaml").write_bytes(before)
        with pytest.raises(ReceptiveError) as caught:
            compose(tmp_path, overrides)
        line_shown = str(caught.value)
        assert line_shown.removeprefix(f"{tmp_path / 'params.yaml'} is not written: ").startswith(reason)
        assert "\n" not in line_shown
        assert {path.name for path in tmp_path.iterdir()} - {"conf"} == ({"params.yaml"} if before else set())
    assert (tmp_path / "params.yaml").read_bytes() == before


def test_composing_needs_conf(tmp_path):
    with pytest.raises(ReceptiveError, match=r"conf/config.yaml is missing: run this in the project's folder"):
        compose(tmp_path)
    assert list(tmp_path.iterdir()) == []


# Reading


def write(folder, values):
    path = folder / "params.yaml"
    path.write_text(yaml.safe_dump(values))
    return path


def assert_holds(read, written):
    """Everything written is read again; where a parameter was absent, None is read."""
    if isinstance(written, dict):
        for key, value in written.items():
            assert_holds(read[key], value)
    elif isinstance(written, list):
        for one, other in zip(read, written, strict=True):
            assert_holds(one, other)
    else:
        assert read == written
        assert type(read) is type(written)


def test_what_is_read_is_what_was_written(tmp_path, default):
    params = load_params(write(tmp_path, default))
    assert_holds(params.model_dump(), default)
    for name in default["datasets"]:
        assert params.preparation(name) == default["prepare"][name]
    images = {name: params.training(name).images for name in STUDIED}
    assert images == dict.fromkeys(STUDIED, "collages") | {"digitcnn": "digits"}
    classes = {name: params.training(name).classes for name in STUDIED}
    assert classes == dict.fromkeys(STUDIED) | {"fivecnn": default["data"]["five"]}


def parts(part=schema.Params):
    """Every class of sections, from the whole down."""
    yield part
    for field in part.model_fields.values():
        for kind in _classes(field.annotation):
            yield from parts(kind)


def _classes(annotation):
    if isinstance(annotation, type) and issubclass(annotation, recipe.Section):
        return [annotation]
    return [kind for argument in typing.get_args(annotation) for kind in _classes(argument)]


def test_the_schema_says_no_values():
    """A default here would be a value that DVC does not see: only None, for what is absent, is one."""
    seen = set(parts())
    assert {schema.Params, recipe.Recipe, sections.MaximizeGroup, sections.Decoded} <= seen
    for part in seen:
        for name, field in part.model_fields.items():
            assert field.is_required() or field.default is None, f"{part.__name__}.{name}"


def choices(part, name):
    """The words that a parameter may be."""

    def words(annotation):
        arguments = typing.get_args(annotation)
        if typing.get_origin(annotation) is typing.Literal:
            return {argument for argument in arguments if isinstance(argument, str)}
        return set().union(*(words(argument) for argument in arguments)) if arguments else set()

    return words(part.model_fields[name].annotation)


def test_the_schema_knows_what_the_methods_know():
    """The schema loads no torch, so it repeats what may be chosen."""
    assert choices(sections.MaximizeGroup, "preset") == set(maximization.PRESETS)
    assert choices(sections.Maximize, "iterations") == set(maximization.PRESETS)
    assert choices(sections.MaximizeGroup, "objective") == set(maximization.OBJECTIVES)
    assert choices(sections.MaximizeGroup, "initialisation") == set(maximization.INITIALISATIONS)
    assert choices(recipe.Recipe, "normalisation") == set(normalisation.MODES)


@pytest.mark.parametrize("name", ["resnet18", "torchvision:vgg16", "torchvision-vgg16", "timm:resnet18.a1_in1k"])
def test_sections_by_network_take_every_spelling_of_a_known_one(tmp_path, default, name):
    values = at(at(default, "embed.layers", {name: ["x"]}), "channels", {name: 3})
    params = load_params(write(tmp_path, at(values, "feature_maps.classes", {name: "cat"})))
    assert list(params.embed.layers) == list(params.feature_maps.classes) == list(params.channels)
    assert list(params.channels) == [networks.slug(name)]


def test_the_channel_of_a_layer_is_its_last_where_it_has_fewer(folder):
    params = load_params(compose(folder, ("trainings_each=2", "channels={resnet34:18}")))
    for name in ("resnet34", "resnet34-2"):
        assert [params.channel_of(name, units) for units in (64, 19, 18, 16)] == [18, 18, 17, 15]
    assert params.channel_of("vggcnn-2", 64) == 0
    with pytest.raises(ReceptiveError, match=r"params.yaml has no training 'resnet34-3': choose one of resnet34, "):
        params.channel_of("resnet34-3", 64)


def test_parameters_cannot_be_changed(tmp_path, default):
    params = load_params(write(tmp_path, default))
    with pytest.raises(ValueError, match="frozen"):
        params.seed = 3


def at(values, where, value=None, remove=False):
    """A copy of ``values`` with the entry at "a.b.c" changed, or removed."""
    values = copy.deepcopy(values)
    *path, last = where.split(".")
    section = values
    for part in path:
        section = section[part]
    if remove:
        del section[last]
    else:
        section[last] = value
    return values


CHANGES = [  # (parameter, value, what the line says of it)
    # unknown
    ("epochs", 3, "epochs is not a parameter: remove it"),
    ("train.resnet34.learn_rate", 0.1, "train.resnet34.learn_rate is not a parameter: remove it"),
    ("prepare.cifar", {"size": 32}, "prepare.cifar is not a parameter: remove it"),
    # another type
    ("seed", "0", "seed: input should be a valid integer, not '0'"),
    ("seed", 1.5, "seed: input should be a valid integer, not 1.5"),
    ("seed", True, "seed: input should be a valid integer, not True"),
    ("models", "resnet34", "models: input should be a valid list, not 'resnet34'"),
    ("train.vggcnn.flip", 1, "train.vggcnn.flip: input should be a valid boolean, not 1"),
    ("train.vggcnn.batch_norm", "yes", "train.vggcnn.batch_norm: input should be a valid boolean, not 'yes'"),
    ("train.vggcnn.width", "1", "train.vggcnn.width: input should be a valid number, not '1'"),
    ("train.vggcnn.epochs", 4.0, "train.vggcnn.epochs: input should be a valid integer, not 4.0"),
    ("train.vggcnn", None, "train.vggcnn: input should be a valid dictionary"),
    ("extract", [1], "extract: input should be a valid dictionary"),
    # impossible
    ("seed", -1, "seed: input should be greater than or equal to 0, not -1"),
    ("device", "", "device: string should have at least 1 character, not ''"),
    ("train.alexcnn.epochs", -3, "train.alexcnn.epochs: input should be greater than or equal to 1, not -3"),
    ("train.alexcnn.epochs", 0, "train.alexcnn.epochs: input should be greater than or equal to 1, not 0"),
    ("train.alexcnn.batch_size", 1, "train.alexcnn.batch_size: input should be greater than or equal to 2, not 1"),
    ("train.alexcnn.learning_rate", 0.0, "train.alexcnn.learning_rate: input should be greater than 0, not 0.0"),
    ("train.alexcnn.learning_rate", float("inf"), "learning_rate: input should be a finite number, not inf"),
    ("train.alexcnn.width", float("inf"), "train.alexcnn.width: input should be a finite number, not inf"),
    ("train.alexcnn.width", -0.5, "train.alexcnn.width: input should be greater than 0, not -0.5"),
    ("train.alexcnn.weight_decay", float("nan"), "train.alexcnn.weight_decay: input should be"),
    ("train.alexcnn.momentum", 1.0, "train.alexcnn.momentum: input should be less than 1, not 1.0"),
    ("train.alexcnn.dropout", 1.0, "train.alexcnn.dropout: input should be less than 1, not 1.0"),
    ("train.alexcnn.conv_stride", 3, "train.alexcnn.conv_stride: input should be 1 or 2, not 3"),
    ("train.alexcnn.optimiser", "lamb", "train.alexcnn.optimiser: input should be 'sgd' or 'adam', not 'lamb'"),
    ("train.alexcnn.normalisation", "zca", "train.alexcnn.normalisation: input should be 'standardise', 'whiten'"),
    ("train.alexcnn.crop_area", [0.9, 0.5], r"train.alexcnn: crop_area must rise and not pass 1, not [0.9, 0.5]"),
    ("train.alexcnn.crop_area", [0.5, 1.1], r"train.alexcnn: crop_area must rise and not pass 1, not [0.5, 1.1]"),
    ("train.alexcnn.crop_area", [0.5], "train.alexcnn.crop_area: list should have at least 2 items"),
    ("train.alexcnn.crop_aspect", [1.2, 0.8], "train.alexcnn: crop_aspect must rise, not [1.2, 0.8]"),
    ("prepare.collages.size", 300, "prepare.collages.size: input should be less than or equal to 256, not 300"),
    ("prepare.collages.size", 16, "prepare.collages.size: input should be greater than or equal to 32, not 16"),
    ("prepare.collages.train_images", 0, "prepare.collages.train_images: input should be greater than or equal to 1"),
    ("prepare.digits.validation_images", 5000, "prepare.digits.validation_images: input should be less than"),
    ("extract.top", 0, "extract.top: input should be greater than or equal to 1, not 0"),
    ("extract.hits_per_image", -1, "extract.hits_per_image: input should be greater than or equal to 0, not -1"),
    ("extract.shards", 0, "extract.shards: input should be greater than or equal to 1, not 0"),
    ("stimuli.largest_field", 0.0, "stimuli.largest_field: input should be greater than 0, not 0.0"),
    ("workers.devices", 0, "workers.devices: input should be greater than or equal to 1, not 0"),
    ("scale.compile", "yes", "scale.compile: input should be 'auto', True or False, not 'yes'"),
    ("data.five", ["a", "b", "c", "d"], "data.five: list should have at least 5 items"),
    # what does not fit together
    ("models", [], "models: list should have at least 1 item"),
    ("models", ["resnet35"], "unknown network 'resnet35': did you mean"),
    ("models", ["alexcnn", "alexcnn"], "models: a network is listed twice"),
    ("models", ["resnet18"], "train: network 'resnet18' of models has no section train.resnet18"),
    ("models", ["resnet34"], "trainings: they are not those of models and trainings_each: run 'receptive compose'"),
    ("trainings_each", 2, "trainings: they are not those of models and trainings_each: run 'receptive compose'"),
    ("trainings.vggcnn.family", "resnet", "trainings: they are not those of models and trainings_each: run 'recept"),
    ("trainings.digitcnn.images", "collages", "trainings: they are not those of models and trainings_each: run"),
    ("data.five", ["a", "b", "c", "d", "e"], "trainings: they are not those of models and trainings_each: run"),
    ("datasets", ["collages", "cifar"], "unknown data set 'cifar': choose one of collages, digits"),
    ("datasets", ["collages"], "data.digits: 'digits' is not one of datasets"),
    ("data.natural", "imagenet", "data.natural: 'imagenet' is not one of datasets"),
    ("prepare.digits", None, "prepare: data set 'digits' of datasets has no section prepare.digits"),
    ("channels", {"resnt34": 3}, "channels.resnt34: unknown network 'resnt34': did you mean resnet34"),
    ("report.filter_units", {"resnt34": [3]}, "report.filter_units.resnt34: unknown network 'resnt34': did you mean"),
    ("embed.layers", {"vggcn": ["c1_1"]}, "embed.layers.vggcn: unknown network 'vggcn': did you mean vggcnn"),
    ("embed.regions", {"vggcn": {}}, "embed.regions.vggcn: unknown network 'vggcn': did you mean vggcnn"),
    ("feature_maps.classes", {"digitcn": "7"}, "feature_maps.classes.digitcn: unknown network 'digitcn': did you"),
    ("feature_maps.classes", {"digitcnn-2": "7"}, "'digitcnn-2' is one training of digitcnn: name the network"),
    (
        "maximize.groups",
        [{"networks": ["vgg"], "layers": ["overview"], "objective": "neuron", "preset": "ks"}],
        "maximize.groups.0.networks.0: unknown network 'vgg'",
    ),
    ("channels", {"resnet34": -1}, "channels.resnet34: input should be greater than or equal to 0"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("where", "value", "line"), CHANGES)
def test_impossible_parameters_are_refused(tmp_path, default, where, value, line):
    path = write(tmp_path, at(default, where, value))
    with pytest.raises(ReceptiveError) as caught:
        load_params(path)
    line_shown = str(caught.value)
    assert line_shown.startswith(f"{path}: ")
    assert line in line_shown
    assert "\n" not in line_shown


@pytest.mark.parametrize("where", ["seed", "train", "train.fivecnn.epochs", "data.five", "extract.top", "track.live"])
def test_missing_parameters_are_refused(tmp_path, default, where):
    path = write(tmp_path, at(default, where, remove=True))
    with pytest.raises(ReceptiveError) as caught:
        load_params(path)
    assert str(caught.value) == f"{path}: {where} is missing: add it, or run 'receptive compose'"


def test_all_mistakes_are_named_at_once(tmp_path, default):
    wrong = at(at(default, "seed", -1), "train.resnet34.epochs", 0)
    with pytest.raises(ReceptiveError, match=r"params.yaml: seed: .*; train\.resnet34\.epochs: "):
        load_params(write(tmp_path, wrong))


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        (b"seed: [1, 2", "is no valid YAML"),
        (b"seed: 1\nseed: 2\n", "is no valid YAML .*duplicate key"),
        (b"a: b: c", "is no valid YAML"),
        (b"\xff\xfe\x00", "is no valid YAML"),
        (b"", "it holds no parameters: run 'receptive compose'"),
        (b"- 1\n- 2\n", "it holds no parameters"),
        (b"!!python/object/apply:os.getcwd []", "params.yaml"),
    ],
)
def test_files_that_hold_no_parameters_are_refused(tmp_path, text, cause):
    path = tmp_path / "params.yaml"
    path.write_bytes(text)
    with pytest.raises(ReceptiveError, match=cause) as caught:
        load_params(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(ReceptiveError, match=r"params.yaml is missing: run this in the project's folder, or 'recep"):
        load_params(tmp_path / "params.yaml")


def test_sections_are_looked_up_by_name(tmp_path, default):
    params = load_params(write(tmp_path, default))
    assert params.recipe("alexcnn").normalisation == default["train"]["alexcnn"]["normalisation"]
    with pytest.raises(ReceptiveError, match="unknown network 'alexnet': did you mean"):
        params.recipe("alexnet")
    with pytest.raises(ReceptiveError, match=r"params.yaml has no training 'resnet18': choose one of alexcnn, .*"):
        params.recipe("resnet18")
    with pytest.raises(ReceptiveError, match="unknown data set 'cifar'"):
        params.preparation("cifar")
    only = at(at(default, "prepare.digits", remove=True), "datasets", ["collages"])
    only = at(at(only, "data.digits", "collages"), "trainings.digitcnn.images", "collages")
    params = load_params(write(tmp_path, only))
    with pytest.raises(ReceptiveError, match=r"params.yaml has no section prepare.digits: add one"):
        params.preparation("digits")
