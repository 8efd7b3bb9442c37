"""A saved model comes back as it was, and what cannot come back says so in one sentence."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

from latent_transfer import models
from latent_transfer.data import Batch, ImageSet
from latent_transfer.errors import CheckpointError
from latent_transfer.nets import (
    ConvEncoder,
    MLPDecoder,
    MLPEncoder,
    limit_norms,
    normalise_spectra,
    small_vgg_features,
)
from latent_transfer.nets.recipes import build, recipe_of
from latent_transfer.training import fit

SMALL = (1, 8, 8)


def _vae() -> models.VAE:
    return models.mlp_vae(SMALL, (6,), 3)


MAKERS: dict[str, Callable[[], nn.Module]] = {
    "mlp_vae": _vae,
    "conv_vae": lambda: models.conv_vae(SMALL, (4, 8), 3),
    "other activation": lambda: models.mlp_vae(
        SMALL, [6], 3, activation=nn.Tanh, likelihood=models.GaussianLikelihood(0.2, learned=False)
    ),
    "partial": lambda: models.mlp_vae(SMALL, (6,), 3, activation=partial(nn.LeakyReLU, 0.3)),
    "VAE from parts": lambda: models.VAE(
        nn.Sequential(nn.Flatten(), nn.Linear(64, 4)), MLPDecoder(2, (5,), SMALL), 2
    ),
    "mlp_gan": lambda: models.mlp_gan(SMALL, (6,), 3, output=nn.Identity()),
    "conv_gan": lambda: models.conv_gan(SMALL, (4, 8), 3, averaging=0.5),
    "NADE": lambda: models.NADE((1, 3, 3), 4),
    "VaDE": lambda: models.VaDE(_vae(), 4),
    "mlp_m2": lambda: models.mlp_m2(SMALL, 3, (5,), 2),
    "stack_m2": lambda: models.stack_m2(_vae(), torch.tensor([0, 2]), 3, (4,), 2),
    "mlp_autoencoder": lambda: models.mlp_autoencoder(SMALL, (6,), 3),
    "conv_autoencoder": lambda: models.conv_autoencoder(SMALL, (4, 8), 3),
    "unit features": lambda: models.sparse_autoencoder(
        SMALL, 7, code_activation=nn.ReLU(), unit_features=True
    ),
    "max norm": lambda: models.mlp_classifier(
        SMALL, 3, (6, 5), dropout=0.3, input_dropout=0.1, max_norm=0.5
    ),
    "mlp_multimodal_vae": lambda: models.mlp_multimodal_vae([SMALL, 3], (5,), 2),
    "feature_autoencoder": lambda: models.feature_autoencoder(
        small_vgg_features((4, 8)), SMALL, 4, channels=(4, 8)
    ),
    "LinearGaussian": lambda: models.LinearGaussian(torch.randn(5, 2), torch.randn(5), 0.3),
    "DiscreteMixture": lambda: models.DiscreteMixture(torch.randn(3), torch.randn(3, *SMALL)),
    "torch.nn alone": lambda: nn.Sequential(nn.Conv2d(1, 3, 3, bias=False), nn.BatchNorm2d(3)),
}


def _tensors(model: nn.Module) -> dict[str, torch.Tensor]:
    return {**dict(model.named_parameters()), **dict(model.named_buffers())}


def _assert_same(first: nn.Module, second: nn.Module) -> None:
    one, other = _tensors(first), _tensors(second)
    assert one.keys() == other.keys()
    for name, value in one.items():
        assert value.dtype == other[name].dtype
        assert torch.equal(value, other[name]), name
        assert value.requires_grad == other[name].requires_grad, name


@pytest.mark.parametrize("name", MAKERS)
def test_every_model_of_the_package_comes_back_by_itself(name: str, tmp_path: Path) -> None:
    model = MAKERS[name]()
    with torch.no_grad():
        for value in _tensors(model).values():  # nothing that another start could give
            if value.is_floating_point():
                value.copy_(torch.rand_like(value) + 0.1)
    models.save(model, tmp_path / "model.safetensors")
    torch.manual_seed(3)
    state = torch.get_rng_state()
    back = models.load(tmp_path / "model.safetensors")
    assert torch.equal(torch.get_rng_state(), state)  # the caller's noise is as it was
    assert type(back) is type(model)
    assert repr(back) == repr(model)
    _assert_same(model, back)
    assert not any(module.training for module in back.modules())


def test_images_of_a_loaded_vae_are_those_of_the_saved_one(tmp_path: Path) -> None:
    model, images = models.conv_vae(SMALL, (4, 8), 3), torch.rand(3, *SMALL)
    models.save(model, tmp_path / "vae")
    back = models.load(tmp_path / "vae")
    assert torch.equal(back(images), model(images))


def test_the_average_of_a_gan_is_kept(tmp_path: Path) -> None:
    gan = models.conv_gan(SMALL, (4, 8), 3)
    nn.init.zeros_(gan.generator.head[0].weight)
    gan.update_average()
    nn.init.ones_(gan.generator.head[0].weight)
    gan.update_average()
    models.save(gan, tmp_path / "gan")
    back = models.load(tmp_path / "gan")
    assert isinstance(back, models.GAN)
    noise = torch.randn(2, 3)
    assert torch.equal(back.decode(noise), gan.eval().decode(noise))
    assert int(back.average.n_averaged) == 2


def test_a_fitted_prior_over_codes_is_kept(tmp_path: Path) -> None:
    model = models.feature_autoencoder(small_vgg_features((4,)), SMALL, 2, channels=(4, 8)).eval()
    model.fit_prior(torch.rand(5, *SMALL))
    models.save(model, tmp_path / "model")
    back = models.load(tmp_path / "model")
    fresh = models.feature_autoencoder(small_vgg_features((4,)), SMALL, 2, channels=(4, 8))
    for loaded in (back, models.load(tmp_path / "model", into=fresh)):
        images = [m.generate(2, torch.Generator().manual_seed(0)) for m in (loaded, model)]
        assert torch.equal(*images)


def test_constraints_work_after_loading(tmp_path: Path) -> None:
    models.save(MAKERS["max norm"](), tmp_path / "classifier")
    classifier = models.load(tmp_path / "classifier")
    hidden = [m for m in classifier.get_submodule("encoder").modules() if isinstance(m, nn.Linear)]
    nn.init.constant_(hidden[0].weight, 9.0)
    classifier(torch.rand(2, *SMALL))
    assert hidden[0].weight.norm(dim=1).max() < 0.5 + 1e-6
    models.save(MAKERS["unit features"](), tmp_path / "sparse")
    dictionary = models.load(tmp_path / "sparse").get_submodule("decoder.layers.0")
    torch.testing.assert_close(dictionary.weight.norm(dim=0), torch.ones(7))


@pytest.mark.parametrize("change", [partial(limit_norms, limit=0.5), normalise_spectra])
def test_a_constraint_of_your_own_is_kept(
    change: Callable[[nn.Module], None], tmp_path: Path
) -> None:
    model = _vae()
    change(model)
    models.save(model, tmp_path / "vae")
    back = models.load(tmp_path / "vae")
    hooks = [len(part._forward_pre_hooks) for part in model.modules()]
    assert [len(part._forward_pre_hooks) for part in back.modules()] == hooks
    assert repr(back) == repr(model) != repr(_vae()) or sum(hooks)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_precision_and_frozen_parts_are_kept(dtype: torch.dtype, tmp_path: Path) -> None:
    model = _vae().to(dtype)
    model.encoder.requires_grad_(False)
    models.save(model, tmp_path / "vae")
    into = _vae()
    for back in (models.load(tmp_path / "vae"), models.load(tmp_path / "vae", into=into)):
        _assert_same(model, back)
    assert not any(value.requires_grad for value in into.encoder.parameters())
    assert all(value.requires_grad for value in into.decoder.parameters())


class Foreign(nn.Module):
    """A net that only its author can build."""

    def __init__(self, width: int = 5) -> None:
        super().__init__()
        self.shared = nn.Linear(width, width)
        self.again = self.shared  # tied

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.again(self.shared(images))


def test_a_model_with_parts_from_elsewhere_is_filled(tmp_path: Path) -> None:
    model = models.Autoencoder(Foreign(), nn.Linear(5, 5))
    models.save(model, tmp_path / "model")
    with pytest.raises(CheckpointError, match=r"class Autoencoder, but Foreign is no .*into"):
        models.load(tmp_path / "model")
    mine = models.Autoencoder(Foreign(), nn.Linear(5, 5)).train()
    back = models.load(tmp_path / "model", into=mine)
    assert back is mine
    assert not mine.training
    _assert_same(model, mine)
    assert mine.encoder.again.weight is mine.encoder.shared.weight  # still tied


def test_the_first_difference_is_named(tmp_path: Path) -> None:
    models.save(_vae(), tmp_path / "vae")
    with pytest.raises(
        CheckpointError,
        match=r"another VAE: decoder\.layers\.0\.bias is \[6\] there and \[7\] here",
    ):
        models.load(tmp_path / "vae", into=models.mlp_vae(SMALL, (7,), 3))
    with pytest.raises(CheckpointError, match="holds a model of class VAE, not NADE"):
        models.load(tmp_path / "vae", into=models.NADE())
    mine = models.mlp_vae(SMALL, (6,), 3, likelihood=models.GaussianLikelihood())
    with pytest.raises(CheckpointError, match=r"likelihood.log_variance is absent there and \[\]"):
        models.load(tmp_path / "vae", into=mine)


def test_a_refused_file_changes_nothing(tmp_path: Path) -> None:
    models.save(_vae(), tmp_path / "vae")
    mine = models.mlp_vae(SMALL, (7,), 3)
    before = {name: value.clone() for name, value in _tensors(mine).items()}
    with pytest.raises(CheckpointError):
        models.load(tmp_path / "vae", into=mine)
    assert all(torch.equal(value, before[name]) for name, value in _tensors(mine).items())


def _exchange(model: models.VAE) -> None:
    model.encoder = MLPEncoder(SMALL, (9,), 6)


def _other_activation(model: models.VAE) -> None:
    model.encoder.layers[1] = nn.Tanh()


def _other_setting(model: models.VAE) -> None:
    model.latent_size = 2


def _limit_a_part(model: models.VAE) -> None:
    limit_norms(model.encoder, 1.0)


@pytest.mark.parametrize("change", [_exchange, _other_activation, _other_setting, _limit_a_part])
def test_a_model_that_was_changed_after_it_was_made_is_not_made_otherwise(
    change: Callable[[models.VAE], None], tmp_path: Path
) -> None:
    model = _vae()
    change(model)
    models.save(model, tmp_path / "vae")
    with pytest.raises(CheckpointError, match=r"class VAE that was changed.*into=model"):
        models.load(tmp_path / "vae")
    mine = _vae()
    change(mine)
    _assert_same(model, models.load(tmp_path / "vae", into=mine))


def test_a_subclass_of_yours_is_not_taken_for_its_parent(tmp_path: Path) -> None:
    class Mine(models.VAE):
        pass

    models.save(Mine(MLPEncoder(SMALL, (), 4), MLPDecoder(2, (), SMALL), 2), tmp_path / "mine")
    with pytest.raises(CheckpointError, match="class Mine, but Mine is no part of"):
        models.load(tmp_path / "mine")


def _rewrite(path: Path, recipe: object) -> None:
    """The same file with another recipe in its header."""
    with safe_open(path, framework="pt") as file:
        header = json.loads(file.metadata()["latent_transfer_model"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    header["recipe"] = recipe
    save_file(tensors, path, {"latent_transfer_model": json.dumps(header)})


HOSTILE = [
    "os.system",
    "torch.nn.modules.module.warnings.warn",
    "torch.nn.utils",
    "torch.load",
    "latent_transfer.fit",
    "latent_transfer.models.saving.load",
    "builtins.eval",
    "torch.nn.Parameter",
    "ReLU",
    7,
]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_header_calls_nothing_but_models(name: object, tmp_path: Path) -> None:
    path, victim = tmp_path / "vae", tmp_path / "victim"
    models.save(_vae(), path)
    inner = {"call": name, "args": [f"touch {victim}"], "kwargs": {}, "then": []}
    as_class = {"class": name}
    for hostile in (inner, as_class, {"partial": as_class, "args": [], "kwargs": {}}):
        recipe = {"call": "torch.nn.Sequential", "args": [hostile], "kwargs": {}, "then": []}
        for given in (recipe, hostile, {**recipe, "args": [], "then": [inner]}):
            _rewrite(path, given)
            with pytest.raises(CheckpointError):
                models.load(path)
    _rewrite(path, inner)
    with pytest.raises(CheckpointError, match=f"but {name} is no part of latent_transfer or torch"):
        models.load(path)
    assert not victim.exists()


@pytest.mark.parametrize("recipe", [None, 3, {}, {"call": "torch.nn.Linear"}, [{"tuple": 1}]])
def test_a_header_without_sense_is_refused(recipe: object, tmp_path: Path) -> None:
    models.save(_vae(), tmp_path / "vae")
    _rewrite(tmp_path / "vae", recipe)
    with pytest.raises(CheckpointError):
        models.load(tmp_path / "vae")


def test_a_recipe_of_other_shapes_is_refused(tmp_path: Path) -> None:
    models.save(_vae(), tmp_path / "vae")
    _rewrite(tmp_path / "vae", recipe_of(models.mlp_vae(SMALL, (7,), 3)))
    with pytest.raises(CheckpointError, match=r"is \[6\] there and \[7\] here"):
        models.load(tmp_path / "vae")


def test_files_that_are_no_saved_model_get_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="does not exist; name a file"):
        models.load(tmp_path / "nowhere" / "vae")
    with pytest.raises(CheckpointError, match="is a folder; name a file"):
        models.load(tmp_path)
    (tmp_path / "text").write_text("no tensors", encoding="utf-8")
    with pytest.raises(CheckpointError, match="is damaged or no saved model"):
        models.load(tmp_path / "text")
    save_file({"weight": torch.zeros(2)}, tmp_path / "bare")
    with pytest.raises(CheckpointError, match="holds tensors but no saved model"):
        models.load(tmp_path / "bare")
    save_file({}, tmp_path / "old", {"latent_transfer_model": '{"format": 0}'})
    with pytest.raises(CheckpointError, match="written in model format 0, and this version"):
        models.load(tmp_path / "old")
    for rest in (
        "",
        ', "class": "VAE", "recipe": 1, "frozen": 7',
        ', "class": "VAE", "frozen": []',
    ):
        save_file({}, tmp_path / "cut", {"latent_transfer_model": f'{{"format": 1{rest}}}'})
        with pytest.raises(CheckpointError, match="its header lacks what save writes"):
            models.load(tmp_path / "cut")


def test_a_training_checkpoint_is_told_from_a_model(tmp_path: Path) -> None:
    pixels = torch.zeros(4, *SMALL, dtype=torch.uint8)
    images = ImageSet(pixels, torch.zeros(4, dtype=torch.int64), ("any",))

    def loss(model: nn.Module, batch: Batch) -> dict[str, torch.Tensor]:
        return {"loss": model(batch.images).square().mean()}

    fit(_vae(), images, loss, epochs=1, batch_size=4, checkpoint=tmp_path / "run", progress=False)
    with pytest.raises(CheckpointError, match=r"checkpoint of a training run.*checkpoint="):
        models.load(tmp_path / "run")


def test_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    model = _vae()
    models.save(model, "~/new/folder/vae.safetensors")
    _assert_same(model, models.load("~/new/folder/vae.safetensors"))
    assert sorted(path.name for path in (tmp_path / "new/folder").iterdir()) == ["vae.safetensors"]
    with pytest.raises(CheckpointError, match="cannot be written"):
        models.save(model, tmp_path)
    with pytest.raises(CheckpointError, match="cannot be written"):
        models.save(model, tmp_path / "new/folder/vae.safetensors/vae")
    with pytest.raises(TypeError, match="takes a model and then a path, not a str"):
        models.save("vae", model)  # type: ignore[arg-type]


def test_wrappers_are_taken_off(tmp_path: Path) -> None:
    model = _vae()
    models.save(torch.compile(model), tmp_path / "compiled")
    models.save(nn.DataParallel(model), tmp_path / "parallel")
    for name in ("compiled", "parallel"):
        back = models.load(tmp_path / name)
        assert isinstance(back, models.VAE)
        _assert_same(model, back)


def test_a_recipe_makes_the_same_structure() -> None:
    net = ConvEncoder(SMALL, (4, 8), 3, partial(nn.LeakyReLU, 0.2))
    assert repr(build(recipe_of(net))) == repr(net)
    assert json.loads(json.dumps(recipe_of(net))) == recipe_of(net)
