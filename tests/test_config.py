"""The config: what a YAML may say, what it becomes, and the whole sentence for each thing that is wrong."""

from __future__ import annotations

import json
import pickle
import shlex
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image
from pydantic import BaseModel, ValidationError

from pipeline import config as config_module
from pipeline.config import (
    KEYS,
    Config,
    StyleImage,
    Transfer,
    check_files,
    json_schema,
    load_config,
    plain,
    starter_yaml,
)
from pipeline.errors import ConfigError
from pipeline.recipes import recipe_names, recipe_text
from pipeline.settings.errors import nearest

JOB = "input: clips\noutput: out\nstyle: swirl.png\n"  # what follows it begins at line 4


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current folder with a style image and a folder of clips."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "clips").mkdir()
    Image.new("RGB", (8, 6), "teal").save(tmp_path / "swirl.png")
    return tmp_path


def load(text: str | bytes, *overrides: str) -> Config:
    path = Path("video.yaml")
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return load_config(path, overrides)


def complaint(text: str | bytes, *overrides: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load(text, *overrides)
    return str(caught.value)


# --- what a config becomes ---


def test_the_three_required_keys_are_enough(folder: Path) -> None:
    config = load(JOB)
    assert config.input == (str(folder / "clips"),)
    assert config.output == folder / "out"
    assert config.style == (StyleImage(image=folder / "swirl.png", weight=1.0),)
    assert config.rate == Fraction(25)
    assert (config.transfer.size, config.video.cuts, config.weights) == (512, "auto", "packaged")


def test_a_config_is_frozen_and_pickles(folder: Path) -> None:
    config = load(JOB)
    with pytest.raises(ValidationError, match="frozen"):
        config.transfer.size = 64  # type: ignore[misc]
    assert pickle.loads(pickle.dumps(config)) == config


def test_relative_paths_are_counted_from_the_folder_of_the_yaml(folder: Path) -> None:
    (folder / "jobs").mkdir()
    text = "input: [../clips, '../*.mp4']\noutput: out\nstyle: ../swirl.png\nweights: ../vgg.pth\n"
    (folder / "jobs" / "video.yaml").write_text(text)
    (folder / "vgg.pth").touch()
    config = load_config(Path("jobs/video.yaml"))
    assert config.input == (str(folder / "clips"), str(folder / "*.mp4"))
    assert config.output == folder / "jobs" / "out"
    assert config.style[0].image == folder / "swirl.png"
    assert config.weights == folder / "vgg.pth"


def test_relative_paths_of_overrides_are_counted_from_the_current_folder(folder: Path) -> None:
    (folder / "jobs").mkdir()
    (folder / "jobs" / "video.yaml").write_text(JOB)
    config = load_config(Path("jobs/video.yaml"), ["style=swirl.png", "output=there"])
    assert config.style[0].image == folder / "swirl.png"
    assert config.output == folder / "there"
    assert config.input == (str(folder / "jobs" / "clips"),)


def test_dots_after_a_link_are_kept_because_they_lead_elsewhere(folder: Path) -> None:
    (folder / "far" / "deep").mkdir(parents=True)
    (folder / "link").symlink_to(folder / "far" / "deep")
    assert load(JOB, "output=link/../out").output == folder / "link" / ".." / "out"


def test_brackets_in_the_name_of_the_folder_are_no_pattern(folder: Path) -> None:
    (folder / "[2024]").mkdir()
    text = "input: ['*.mp4', a.mp4]\noutput: out\nstyle: ../swirl.png\n"
    (folder / "[2024]" / "video.yaml").write_text(text)
    config = load_config(folder / "[2024]" / "video.yaml")
    assert config.input == (f"{folder}/[[]2024]/*.mp4", f"{folder}/[2024]/a.mp4")


def test_a_file_with_brackets_in_its_name_is_no_pattern_if_it_exists(folder: Path) -> None:
    (folder / "a[1].mp4").touch()
    assert load(JOB, "input='a[1].mp4'").input == (str(folder / "a[1].mp4"),)


def test_the_home_folder_may_be_a_tilde(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(folder))
    assert load(JOB, "style=~/swirl.png", "input=~/a*").input == (f"{folder}/a*",)


def test_a_style_may_be_a_list_with_weights(folder: Path) -> None:
    config = load("input: a\noutput: b\nstyle:\n  - {image: swirl.png, weight: 2}\n  - image: swirl.png\n")
    assert [one.weight for one in config.style] == [2.0, 1.0]


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("25", Fraction(25)),
        ("24000/1001", Fraction(24000, 1001)),
        ("23.976023976", Fraction(24000, 1001)),
        ("29.97", Fraction(2997, 100)),
        ("'12.5'", Fraction(25, 2)),
        ("1/30", Fraction(1, 30)),
    ],
)
def test_a_rate_is_exact(folder: Path, text: str, rate: Fraction) -> None:
    assert load(f"{JOB}rate: {text}\n").rate == rate


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("transfer.scales=1", 1),
        ("transfer.scales=[128, 512]", (128, 512)),
        ("transfer.size=null", None),
        ("transfer.learning_rate=1", 1.0),
        ("video.frames=[0, 12]", (0, 12)),
        ("video.cuts=[]", ()),
        ("video.cuts=none", "none"),
        ("execution.workers=4", 4),
        ("execution.gpus_per_worker=0.25", 0.25),
        ("execution.gpus_per_worker=2", 2.0),
        ("execution.address=10.0.0.5:6379", "10.0.0.5:6379"),
        ("execution.address=ray://[::1]:10001", "ray://[::1]:10001"),
        ("folders=archive", "archive"),
        ("execution.memory_per_worker=2", 2.0),
        ("disk.budget_gib=20", 20.0),
        ("disk.budget_gib=0.001", 0.001),
        ("disk.pack=always", "always"),
        ("disk.keep=none", "none"),
        ("transfer.adam_betas=[0, 0.5]", (0.0, 0.5)),
        ("transfer.clamp=false", False),
        ("transfer.tile=null", None),
        ("transfer.tile=64", 64),
    ],
)
def test_what_is_allowed_is_taken(folder: Path, override: str, expected: Any) -> None:
    value: Any = load(JOB, override)
    for name in override.partition("=")[0].split("."):
        value = getattr(value, name)
    assert value == expected
    assert type(value) is type(expected)


def test_plain_values_are_json_and_load_to_the_same_config(folder: Path) -> None:
    config = load(JOB, "rate=24000/1001", "video.frames=[0, 9]")
    values = plain(config)
    assert values["rate"] == "24000/1001"
    image = str(folder / "swirl.png")
    assert values["style"] == [{"image": image, "weight": 1.0, "mask": None, "part": None}]
    assert load(json.dumps(values)) == config


# --- layers of settings ---


def test_the_yaml_overrides_the_recipe_and_overrides_override_the_yaml(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = "iterations: 7\nseed: 7\npooling: l2\nstyle_layers: {conv1_1: 7, conv2_1: 7}\n"
    monkeypatch.setattr(config_module, "recipe_text", lambda name: recipe)
    text = JOB + "transfer: {seed: 8, pooling: average}\n"
    transfer = load(text, "transfer.pooling=max", "transfer.style_layers.conv1_1=0.5").transfer
    assert (transfer.iterations, transfer.seed, transfer.pooling) == (7, 8, "max")
    assert transfer.style_layers == {"conv1_1": 0.5, "conv2_1": 7.0}
    assert transfer.content_layers == {"conv4_2": 1.0}  # in no layer: the default


def test_layers_replace_those_of_the_recipe_as_a_whole(folder: Path) -> None:
    assert load(JOB + "transfer: {style_layers: {conv1_2: 3}}").transfer.style_layers == {"conv1_2": 3.0}


def test_a_section_as_an_override_is_laid_over_key_by_key(folder: Path) -> None:
    transfer = load(JOB + "transfer: {seed: 8}\n", "transfer={size: 64, iterations: 3}").transfer
    assert (transfer.seed, transfer.size, transfer.iterations) == (8, 64, 3)


def test_the_last_of_two_overrides_counts(folder: Path) -> None:
    assert load(JOB, "transfer.seed=1", "transfer.seed=2").transfer.seed == 2


def test_an_override_may_mend_what_is_wrong_in_the_yaml(folder: Path) -> None:
    assert load(JOB + "transfer: {scales: [3, 2, 1]}", "transfer.scales=auto").transfer.scales == "auto"


def test_an_override_may_be_a_pattern_that_begins_with_a_star(folder: Path) -> None:
    assert load(JOB, "input=*.mp4").input == (str(folder / "*.mp4"),)


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_loads_and_names_only_settings_of_transfer(folder: Path, name: str) -> None:
    transfer = load(JOB, f"recipe={name}").transfer
    written = yaml.safe_load(recipe_text(name))
    assert plain(transfer) == plain(Transfer()) | written


# --- what is wrong, in whole sentences ---

RECIPES = ", ".join(recipe_names())

WRONG = {  # the YAML from line 4 on (the first three are JOB): the sentence
    "transfer: {size: 8}": "transfer.size must be at least 32, got 8 (video.yaml:4)",
    "transfer:\n  size: 20000": "transfer.size must be at most 16384, got 20000 (video.yaml:5)",
    "transfer:\n\n  # px\n  size: big": "transfer.size must be a whole number, got 'big' (video.yaml:7)",
    "transfer: {size: 512.0}": "transfer.size must be a whole number, got 512.0 (video.yaml:4)",
    "transfer: {iterations: true}": "transfer.iterations must be a whole number, got true (video.yaml:4)",
    "transfer: {iterations: 0}": "transfer.iterations must be at least 1, got 0 (video.yaml:4)",
    "transfer: {iterations: null}": "transfer.iterations must be a whole number, got null (video.yaml:4)",
    "transfer: {iterations: 1e999}": "transfer.iterations must be a whole number, got inf (video.yaml:4)",
    "transfer: {warm_iterations: -1}": "transfer.warm_iterations must be at least 0, got -1 (video.yaml:4)",
    "transfer: {optimizer: lbgfs}": (
        "transfer.optimizer must be one of lbfgs, adam, got 'lbgfs' (video.yaml:4); did you mean lbfgs?"
    ),
    "transfer: {pooling: 2}": "transfer.pooling must be one of max, average, l2, got 2 (video.yaml:4)",
    "transfer: {learning_rate: 0}": "transfer.learning_rate must be above 0, got 0 (video.yaml:4)",
    "transfer: {content_weight: .inf}": (
        "transfer.content_weight must be a finite number, got inf (video.yaml:4)"
    ),
    "transfer: {style_weight: .nan}": "transfer.style_weight must be a finite number, got nan (video.yaml:4)",
    "transfer: {style_weight: -1.5}": "transfer.style_weight must be at least 0, got -1.5 (video.yaml:4)",
    "transfer:\n  style_weight: 0\n  content_weight: 0": (
        "transfer.content_weight and transfer.style_weight cannot both be 0 (video.yaml:6, video.yaml:5)"
    ),
    "transfer:\n  style_layers:\n    conv2_1: 1\n    conv9_1: 1": (
        "transfer.style_layers.conv9_1 is not a layer of VGG19 (video.yaml:7); did you mean conv1_1?"
    ),
    "transfer: {style_layers: {relu: 1}}": (
        "transfer.style_layers.relu is not a layer of VGG19 (video.yaml:4)"
    ),
    "transfer: {style_layers: {conv1_1: -1}}": (
        "transfer.style_layers.conv1_1 must be at least 0, got -1 (video.yaml:4)"
    ),
    "transfer:\n  style_layers: {conv1_1: 0}\n  style_weight: 3": (
        "transfer.style_layers must have a weight above 0 because transfer.style_weight is 3, "
        "got {conv1_1: 0.0} (video.yaml:5, video.yaml:6)"
    ),
    "transfer: {content_layers: conv4_2}": (
        "transfer.content_layers must be a mapping of layers to weights, such as {conv4_2: 1.0}, "
        "got 'conv4_2' (video.yaml:4)"
    ),
    "transfer: {scales: [128, 64]}": (
        "transfer.scales must be auto, 1, or a list of increasing sizes in px from 16 to 16384, "
        "got [128, 64] (video.yaml:4)"
    ),
    "transfer: {scales: true}": (
        "transfer.scales must be auto, 1, or a list of increasing sizes in px from 16 to 16384, "
        "got true (video.yaml:4)"
    ),
    "transfer:\n  size: 256\n  scales: [64, 128]": (
        "transfer.scales must end with transfer.size, 256, got [64, 128] (video.yaml:6, video.yaml:5)"
    ),
    "transfer:\n  network: raw\n  precision: float16": (
        "transfer.precision float16 cannot hold the activations of transfer.network raw; take bfloat16 "
        "(video.yaml:6, video.yaml:5)"
    ),
    "transfer:\n  style_size: 64\n  style_aspect: stretch": (
        "transfer.style_size must be null because transfer.style_aspect is stretch, got 64 "
        "(video.yaml:5, video.yaml:6)"
    ),
    "transfer:\n  style_aspect: stretch\n  style_scale: 2": (
        "transfer.style_scale must be 1.0 because transfer.style_aspect is stretch, got 2.0 "
        "(video.yaml:6, video.yaml:5)"
    ),
    "transfer: {style_size: 16}": "transfer.style_size must be at least 32, got 16 (video.yaml:4)",
    "transfer: {tolerance: 1}": "transfer.tolerance must be below 1, got 1 (video.yaml:4)",
    "transfer:": "transfer must be a mapping, lines of `key: value`, got null (video.yaml:4)",
    "transfer:\n  stlye_weight: 1": (
        "transfer.stlye_weight is not a setting (video.yaml:5); did you mean transfer.style_weight?"
    ),
    "style_weight: 1": "style_weight is not a setting (video.yaml:4); did you mean transfer.style_weight?",
    "tranfer: {size: 64}": "tranfer is not a setting (video.yaml:4); did you mean transfer?",
    "transfer: {zzz: 64}": "transfer.zzz is not a setting (video.yaml:4)",
    '"a\\nb": 1': "'a\\nb' is not a setting (video.yaml:4)",
    "recipe: gatis": f"recipe must be one of {RECIPES}, got 'gatis' (video.yaml:4); did you mean gatys?",
    "recipe: [gatys]": f"recipe must be one of {RECIPES}, got ['gatys'] (video.yaml:4)",
    "transfer: {adam_betas: [0.9, 1]}": (
        "transfer.adam_betas must be a list of two numbers from 0 to below 1, got [0.9, 1] (video.yaml:4)"
    ),
    "transfer: {clamp: 1}": "transfer.clamp must be true or false, got 1 (video.yaml:4)",
    "transfer: {tile: 63}": (
        "transfer.tile must be auto, null, or a whole number of px from 64 up, got 63 (video.yaml:4)"
    ),
    "transfer: {gram: paperr}": (
        "transfer.gram must be one of per_position, paper, per_element, undivided, got 'paperr' (video.yaml:4); "
        "did you mean paper?"
    ),
    "transfer: {style_scale: 17}": "transfer.style_scale must be at most 16, got 17 (video.yaml:4)",
    "execution: {memory_per_worker: 0}": (
        "execution.memory_per_worker must be auto, or a number of GiB above 0, got 0 (video.yaml:4)"
    ),
    "disk: {budget_gib: 0}": (
        "disk.budget_gib must be null, or a number of GiB above 0, for example 20, got 0 (video.yaml:4)"
    ),
    "disk: {pack: alwais}": (
        "disk.pack must be one of auto, always, never, got 'alwais' (video.yaml:4); did you mean always?"
    ),
    "disk: {keep: some}": "disk.keep must be one of auto, all, none, got 'some' (video.yaml:4)",
    "content_mask: 3": (
        "content_mask must be a path, got 3 (video.yaml:4); put a name that looks like a number in quotes"
    ),
    "video: {frames: [5, 5]}": (
        "video.frames must be null, or [first, stop] with 0 <= first < stop, got [5, 5] (video.yaml:4)"
    ),
    "video: {frames: 12}": (
        "video.frames must be null, or [first, stop] with 0 <= first < stop, got 12 (video.yaml:4)"
    ),
    "video: {cuts: [0, 4]}": (
        "video.cuts must be auto, none, or a list of increasing frame indices, each at least 1, "
        "got [0, 4] (video.yaml:4)"
    ),
    "video: {cuts: atuo}": (
        "video.cuts must be auto, none, or a list of increasing frame indices, each at least 1, "
        "got 'atuo' (video.yaml:4); did you mean auto?"
    ),
    "encoding: {codec: h246}": (
        "encoding.codec must be one of auto, h264, h265, vp9, av1, ffv1, got 'h246' (video.yaml:4); "
        "did you mean h264?"
    ),
    "encoding: {bits: 12}": "encoding.bits must be auto, 8 or 10, got 12 (video.yaml:4)",
    "encoding: {bits: 8.0}": "encoding.bits must be auto, 8 or 10, got 8.0 (video.yaml:4)",
    "encoding:\n  codec: vp9\n  container: mov": (
        "encoding.codec must be one of auto, h264, h265 because encoding.container is mov, got 'vp9' "
        "(video.yaml:5, video.yaml:6)"
    ),
    "encoding:\n  container: webm\n  codec: h264": (
        "encoding.codec must be one of auto, vp9, av1 because encoding.container is webm, got 'h264' "
        "(video.yaml:6, video.yaml:5)"
    ),
    "encoding:\n  codec: h264\n  container: gif": (
        "encoding.codec must be auto because encoding.container is gif, got 'h264' (video.yaml:5, video.yaml:6)"
    ),
    "encoding:\n  bits: 10\n  codec: vp9": (
        "encoding.bits must be 8 because encoding.codec is vp9, got 10 (video.yaml:5, video.yaml:6)"
    ),
    "encoding:\n  bits: 10\n  container: png": (
        "encoding.bits must be 8 because encoding.container is png, got 10 (video.yaml:5, video.yaml:6)"
    ),
    "encoding:\n  quality: 80\n  codec: ffv1": (
        "encoding.quality must be null because encoding.codec is ffv1, got 80 (video.yaml:5, video.yaml:6)"
    ),
    "encoding:\n  quality: 80\n  container: gif": (
        "encoding.quality must be null because encoding.container is gif, got 80 (video.yaml:5, video.yaml:6)"
    ),
    "video: {hdr: keep}\nencoding: {container: webp}": (
        "video.hdr must be tonemap or fail because encoding.container is webp, which has no room for it, "
        "got 'keep' (video.yaml:4, video.yaml:5)"
    ),
    "video: {hdr: keep}\nencoding: {codec: vp9}": (
        "video.hdr must be tonemap or fail because encoding.codec is vp9, which has no room for it, "
        "got 'keep' (video.yaml:4, video.yaml:5)"
    ),
    "encoding: {bits: 8}\nvideo: {hdr: keep}": (
        "video.hdr must be tonemap or fail because encoding.bits is 8, which has no room for it, "
        "got 'keep' (video.yaml:5, video.yaml:4)"
    ),
    "video: {hdr: tonmap}": (
        "video.hdr must be one of tonemap, keep, fail, got 'tonmap' (video.yaml:4); did you mean tonemap?"
    ),
    "video: {deinterlace: true}": ("video.deinterlace must be one of auto, none, got true (video.yaml:4)"),
    "execution: {workers: 5000}": (
        "execution.workers must be auto, or a whole number from 1 to 4096, got 5000 (video.yaml:4)"
    ),
    "execution: {threads_per_worker: 0}": (
        "execution.threads_per_worker must be auto, or a whole number from 1 up, got 0 (video.yaml:4)"
    ),
    "execution: {gpus_per_worker: 1.5}": (
        "execution.gpus_per_worker must be auto, a number from 0 to 1, or a whole number, "
        "got 1.5 (video.yaml:4)"
    ),
    "execution: {address: http://x:1}": (
        "execution.address must be null, auto, host:port or ray://host:port, "
        "for example ray://10.0.0.5:10001, got 'http://x:1' (video.yaml:4)"
    ),
    "weights: packged": (
        "weights must be packaged, torchvision, or a path to a .pth or .pt file, "
        "got 'packged' (video.yaml:4); did you mean packaged?"
    ),
    "rate: 24/0": (
        "rate must be a number above 0, or a fraction such as \"24000/1001\", got '24/0' (video.yaml:4)"
    ),
    "rate: -5": 'rate must be a number above 0, or a fraction such as "24000/1001", got -5 (video.yaml:4)',
    "folders: videos": "folders must be one of auto, archive, sequence, got 'videos' (video.yaml:4)",
    "output: o": "output is set twice (video.yaml:2 and video.yaml:4); keep one of them",
    "transfer:\n  seed: 1\n  seed: 1": (
        "transfer.seed is set twice (video.yaml:5 and video.yaml:6); keep one of them"
    ),
    "transfer:\n\tseed: 1": "a tab cannot indent or separate in YAML; use spaces (video.yaml:5)",
    "transfer: {seed: 1": "a mapping that is opened with { is not closed with } (video.yaml:4)",
    "video: {cuts: [1, 2}": "a list that is opened with [ is not closed with ] (video.yaml:4)",
    "weights: 'a": "a quote is opened and never closed (video.yaml:4)",
    "weights: @a": "text cannot begin with @ in YAML; put it in quotes (video.yaml:4)",
    "weights: *.pth": "text that begins with * must be in quotes, for example '*.mp4' (video.yaml:4)",
    "weights: *a": "*a refers to an anchor, but there is no &a above it (video.yaml:4)",
    "weights: a: b": (
        "a colon where none can be; check the indentation, and put text with ': ' in quotes (video.yaml:4)"
    ),
    "weights": "a key without its colon, or text that needs quotes (video.yaml:4)",
    'weights: "C:\\models"': (
        "a backslash in double quotes is an escape; use single quotes for a path (video.yaml:4)"
    ),
    "weights: !!python/name:os.system x": (
        "the tag !!python/name:os.system is not allowed here; remove it (video.yaml:4)"
    ),
    "rate: !!int x": "the tag !!int is not allowed here; remove it (video.yaml:4)",
    "2: 3": "a key must be text, got 2 (video.yaml:4); put it in quotes if it is a name",
    "weights: a\x07": "the character U+0007 is not allowed in YAML (video.yaml:4)",
    "---\na: 1": "a job is one YAML document; remove what follows the second --- (video.yaml:4)",
}


@pytest.mark.parametrize(("text", "sentence"), WRONG.items(), ids=list(WRONG))
def test_what_is_wrong_is_said_in_one_sentence(folder: Path, text: str, sentence: str) -> None:
    assert complaint(JOB + text + "\n") == sentence


JUST_OUTSIDE = (
    "transfer.size=31", "transfer.size=16385", "transfer.iterations=0", "transfer.warm_iterations=-1",
    "transfer.coarse_iterations=0", "transfer.learning_rate=0", "transfer.adam_betas=[1, 0]",
    "transfer.adam_betas=[0, 1]", "transfer.adam_betas=[-0.001, 0]", "transfer.averaging=1",
    "transfer.averaging=-0.001", "transfer.content_weight=-0.001", "transfer.style_weight=-0.001",
    "transfer.tv_weight=-0.001", "transfer.content_layers={conv4_2: -0.001}", "transfer.scales=[15, 512]",
    "transfer.scales=[512, 512]", "transfer.style_size=31", "transfer.style_scale=0", "transfer.style_scale=16.001",
    "transfer.tolerance=1", "transfer.tolerance=-0.001", "transfer.tile=63", "transfer.seed=-1",
    "transfer.seed=9223372036854775808", "video.frames=[-1, 5]", "video.frames=[5, 5]", "video.cuts=[0]",
    "video.cuts=[4, 4]", "encoding.quality=0", "encoding.quality=101",
    "execution.workers=0", "execution.workers=4097", "execution.threads_per_worker=0",
    "execution.gpus_per_worker=-0.001", "execution.gpus_per_worker=1.001", "execution.memory_per_worker=0",
    "disk.budget_gib=0",
    "execution.address=host:0", "execution.address=host:65536", "rate=0", "style=[{image: swirl.png, weight: 0}]",
)  # fmt: skip


@pytest.mark.parametrize("override", JUST_OUTSIDE)
def test_a_value_just_outside_its_limits_is_refused_alone(folder: Path, override: str) -> None:
    (sentence,) = complaint(JOB, override).splitlines()
    key = override.partition("=")[0]
    assert sentence.startswith((f"{key} must ", f"{key}."))
    assert f"(--set {override})" in sentence


WRONG_WHOLE = {  # a whole YAML: the sentence
    "": "video.yaml is empty; `stylize init` writes a file to start from",
    "# nothing\n": "video.yaml is empty; `stylize init` writes a file to start from",
    "- 3": "the top level must be a mapping, lines of `key: value`, got [3] (video.yaml:1)",
    b"# caf\xc3\xa9\nstyle: caf\xe9.png": (
        "the file must be UTF-8 text, got the byte 0xe9 (video.yaml:2); save it as UTF-8"
    ),
    "  a: 1\n b: 2": "the indentation does not fit the lines above (video.yaml:2)",
    "a: &a [*a]": "the YAML is nested too deeply, or an alias contains itself (video.yaml)",
    "[" * 5000: "the YAML is nested too deeply, or an alias contains itself (video.yaml)",
    "output: out\nstyle: swirl.png": (
        "input is missing (video.yaml); it is what to paint, for example input: clips/"
    ),
    "input: clips\noutput: out": (
        "style is missing (video.yaml); it is the painting to learn from, "
        "for example style: paintings/swirl.png"
    ),
    "input: clips\nstyle: swirl.png": (
        "output is missing (video.yaml); it is the folder for the results, for example output: out/"
    ),
    "input: 2024\noutput: out\nstyle: swirl.png": (
        "input must be a path, a pattern, or a list of these that is not empty, got 2024 (video.yaml:1); "
        "put a name that looks like a number in quotes"
    ),
    "input: []\noutput: out\nstyle: swirl.png": (
        "input must be a path, a pattern, or a list of these that is not empty, got [] (video.yaml:1)"
    ),
    "input: clips\noutput:\nstyle: swirl.png": "output must be a path, got null (video.yaml:2)",
    "input: clips\noutput: out\nstyle: []": (
        "style must be a path, or a list of {image: path, weight: number}, got [] (video.yaml:3)"
    ),
    "input: clips\noutput: out\nstyle: ''": "style must be a path, got '' (video.yaml:3)",
    "input: clips\noutput: out\nstyle:\n- image: swirl.png\n  weight: 0": (
        "style.0.weight must be above 0, got 0 (video.yaml:5)"
    ),
    "input: clips\noutput: out\nstyle:\n- image: swirl.png\n  maks: swirl.png": (
        "style.0.maks is not a setting (video.yaml:5); did you mean style.0.mask?"
    ),
    "input: clips\noutput: out\nstyle:\n- imgae: swirl.png": (
        "style.0.image is missing (video.yaml:4)\n"
        "style.0.imgae is not a setting (video.yaml:4); did you mean style.0.image?"
    ),
}


@pytest.mark.parametrize(("text", "sentence"), WRONG_WHOLE.items(), ids=range(len(WRONG_WHOLE)))
def test_a_yaml_that_is_wrong_as_a_whole_is_said_to_be_so(
    folder: Path, text: str | bytes, sentence: str
) -> None:
    assert complaint(text) == sentence


WRONG_OVERRIDES = {  # one `--set`: the sentence
    "transfer.size=8": "transfer.size must be at least 32, got 8 (--set transfer.size=8)",
    "transfer.size": "--set transfer.size must be key=value, for example --set transfer.size=512",
    "transfer.size=": "--set transfer.size= must be key=value, for example --set transfer.size=512",
    "=8": "--set =8 must be key=value, for example --set transfer.size=512",
    "trasnfer.size=64": (
        "trasnfer.size is not a setting (--set trasnfer.size=64); did you mean transfer.size?"
    ),
    "transfer.size.x=1": (
        "transfer.size.x is not a setting (--set transfer.size.x=1); did you mean transfer.size?"
    ),
    "size=64": "size is not a setting (--set size=64); did you mean transfer.size?",
    "transfer.style_layers.conv1_7=1": (
        "transfer.style_layers.conv1_7 is not a layer of VGG19 (--set transfer.style_layers.conv1_7=1); "
        "did you mean conv1_1?"
    ),
    "transfer.scales=[64": "a list that is opened with [ is not closed with ] (--set transfer.scales=[64)",
    "recipe=x": f"recipe must be one of {RECIPES}, got 'x' (--set recipe=x)",
    "style=[{image: swirl.png, weight: no}]": (
        "style.0.weight must be a number, got 'no' (--set style=[{image: swirl.png, weight: no}])"
    ),
}


@pytest.mark.parametrize(("override", "sentence"), WRONG_OVERRIDES.items(), ids=list(WRONG_OVERRIDES))
def test_what_is_wrong_with_an_override_is_said_in_one_sentence(
    folder: Path, override: str, sentence: str
) -> None:
    assert complaint(JOB, override) == sentence


def test_every_problem_has_a_line(folder: Path) -> None:
    text = JOB + "transfer:\n  size: 8\n  seed: -1\nrates: 3\n"
    assert complaint(text, "foo", "video.cuts=7").splitlines() == [
        "--set foo must be key=value, for example --set transfer.size=512",
        "transfer.size must be at least 32, got 8 (video.yaml:5)",
        "transfer.seed must be at least 0, got -1 (video.yaml:6)",
        "video.cuts must be auto, none, or a list of increasing frame indices, each at least 1, got 7 "
        "(--set video.cuts=7)",
        "rates is not a setting (video.yaml:7); did you mean rate?",
    ]


def test_a_config_with_very_many_problems_is_cut_short(folder: Path) -> None:
    lines = complaint(JOB + "".join(f"x{n}: 1\n" for n in range(100))).splitlines()
    assert len(lines) == 21
    assert lines[-1] == "… and 80 more problems"


def test_a_config_that_does_not_exist_or_is_a_folder_is_said_to_be_so(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"^no.yaml does not exist; `stylize init no.yaml` writes a file"):
        load_config(Path("no.yaml"))
    with pytest.raises(ConfigError, match=r"^clips is a folder, not a YAML file$"):
        load_config(Path("clips"))


# --- files that the config names ---


def test_a_style_must_be_an_image_that_exists(folder: Path) -> None:
    (folder / "note.txt").write_text("no picture")
    (folder / "torn.png").write_bytes((folder / "swirl.png").read_bytes()[:40])
    text = (
        "input: a\noutput: b\nstyle:\n- image: note.txt\n- image: no.png\n- image: clips\n- image: torn.png\n"
    )
    assert complaint(text).splitlines() == [
        f"style must be an image; {folder}/note.txt cannot be read as one (video.yaml:4)",
        f"style must be an image; {folder}/no.png does not exist (video.yaml:5)",
        f"style must be an image; {folder}/clips is a folder (video.yaml:6)",
        f"style must be an image; {folder}/torn.png cannot be read as one (video.yaml:7)",
    ]


def test_masks_are_counted_from_where_they_are_written(folder: Path) -> None:
    (folder / "jobs").mkdir()
    text = "input: a\noutput: b\nstyle: [{image: ../swirl.png, mask: ../swirl.png, part: ../swirl.png}]\n"
    (folder / "jobs" / "video.yaml").write_text(text + "content_mask: ../swirl.png\n")
    config = load_config(Path("jobs/video.yaml"))
    (style,) = config.style
    assert {style.image, style.mask, style.part, config.content_mask} == {folder / "swirl.png"}
    config = load_config(Path("jobs/video.yaml"), ["content_mask=swirl.png"])
    assert config.content_mask == folder / "swirl.png"


def test_a_mask_must_be_an_image_that_leaves_something(folder: Path) -> None:
    Image.new("L", (8, 6)).save(folder / "black.png")
    (folder / "note.txt").write_text("no picture")
    text = (
        "input: a\noutput: b\nstyle:\n- image: swirl.png\n- image: swirl.png\n  mask: no.png\n"
        "  part: black.png\ncontent_mask: note.txt\n"
    )
    assert complaint(text).splitlines() == [
        f"style.1.mask must be an image; {folder}/no.png does not exist (video.yaml:6)",
        f"style.1.part must be an image; {folder}/black.png is black everywhere, which leaves nothing "
        "(video.yaml:7)",
        f"content_mask must be an image; {folder}/note.txt cannot be read as one (video.yaml:8)",
    ]


def test_a_large_scan_of_a_painting_is_not_warned_of(folder: Path, recwarn: pytest.WarningsRecorder) -> None:
    Image.new("1", (10_000, 10_000)).save("large.png")
    load(JOB, "style=large.png")
    assert not recwarn.list


def test_weights_must_be_a_file_that_exists(folder: Path) -> None:
    assert complaint(JOB + "weights: vgg.pth\n") == (
        f"weights must be a file; {folder}/vgg.pth does not exist (video.yaml:4)"
    )


def test_output_must_not_be_a_file(folder: Path) -> None:
    assert complaint(JOB, "output=swirl.png/out") == (
        f"output must be a folder, {folder}/swirl.png is a file (--set output=swirl.png/out)"
    )


@pytest.mark.parametrize("source", ["clips", "clips/a.mp4", "clips/*.mp4", "clips/**/*.mp4", "link"])
def test_output_must_not_be_the_folder_of_an_input(folder: Path, source: str) -> None:
    (folder / "clips" / "a.mp4").touch()
    (folder / "link").symlink_to("clips")
    assert complaint(f"input: {source}\noutput: clips/\nstyle: swirl.png\n") == (
        "output must not be the folder of an input, where results would replace sources, "
        f"got {folder}/clips (video.yaml:2)"
    )
    load(f"input: {source}\noutput: clips/out\nstyle: swirl.png\n")


def test_files_of_a_config_that_was_not_loaded_are_checked_without_places(folder: Path) -> None:
    config = Config(input=("a",), output=Path("out"), style=(StyleImage(image=Path("no.png")),))
    with pytest.raises(ConfigError, match=r"^style must be an image; no.png does not exist$"):
        check_files(config)


# --- traps of YAML ---


def test_numbers_and_words_are_those_of_yaml_1_2(folder: Path) -> None:
    config = load(
        "input: [on, 2024-01-01, 1:30]\noutput: no\nstyle: swirl.png\ntransfer: {tolerance: 1e-5, seed: 010}"
    )
    assert [Path(one).name for one in config.input] == ["on", "2024-01-01", "1:30"]
    assert (config.output.name, config.transfer.tolerance, config.transfer.seed) == ("no", 1e-5, 10)


def test_windows_line_ends_and_a_byte_order_mark_do_not_matter(folder: Path) -> None:
    text = b"\xef\xbb\xbf" + (JOB + "transfer: {size: 8}").replace("\n", "\r\n").encode()
    assert complaint(text) == "transfer.size must be at least 32, got 8 (video.yaml:4)"


def test_anchors_and_aliases_work_and_an_alias_is_a_copy(folder: Path) -> None:
    text = JOB + "transfer:\n  content_layers: &a {conv4_2: 2}\n  style_layers: *a\n"
    transfer = load(text, "transfer.style_layers.conv1_1=3").transfer
    assert transfer.content_layers == {"conv4_2": 2.0}
    assert transfer.style_layers == {"conv4_2": 2.0, "conv1_1": 3.0}


def test_a_billion_laughs_are_refused_at_once(folder: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)]
    start = time.monotonic()
    assert complaint("\n".join(lines)) == (
        "the YAML has more than 100000 values once its aliases are expanded (video.yaml); make it shorter"
    )
    assert time.monotonic() - start < 5


def test_a_huge_file_is_refused_unread(folder: Path) -> None:
    assert complaint("#" * (1 << 20) + "\n") == (
        "video.yaml must be at most 1048576 bytes; name folders or patterns, not each file"
    )


def test_a_huge_value_is_shown_cut_short(folder: Path) -> None:
    sentence = complaint(JOB + f"folders: {'x' * 9999}\nrate: {[[[[1]]]] * 99}\n")
    assert "got [[[…]], [[…]], [[…]], [[…]], [[…]], [[…]], …] (video.yaml:5)" in sentence
    assert len(sentence) < 500


# --- the starter, the schema, the names ---


def keys_of(values: dict[str, Any]) -> set[str]:
    names = ("transfer", "video", "encoding", "archive", "execution", "disk")
    sections = {name: part for name, part in values.items() if name in names}
    return set(values) | {f"{name}.{key}" for name, part in sections.items() for key in part}


def test_the_starter_loads_to_the_defaults_and_names_every_setting(folder: Path) -> None:
    (folder / "paintings").mkdir()
    (folder / "swirl.png").rename(folder / "paintings" / "swirl.png")
    required = "input: clips/\noutput: out/\nstyle: paintings/swirl.png\n"
    assert load(starter_yaml()) == load(required)
    written = yaml.safe_load(starter_yaml())
    assert keys_of(written) == set(KEYS)
    for name, field in Config.model_fields.items():
        default = field.get_default(call_default_factory=True)
        if isinstance(default, BaseModel):
            assert written[name] == plain(default), name
        elif not field.is_required():
            assert written[name] == default, name


def test_every_line_of_the_starter_with_a_setting_says_what_it_means() -> None:
    described = ("transfer:", "video:", "execution:", "disk:", "  content_layers:", "  style_layers:")
    settings = [line for line in starter_yaml().splitlines() if line and not line.lstrip().startswith("#")]
    assert [line for line in settings if "#" not in line and not line.startswith(described)] == []


def test_the_json_schema_describes_the_yaml_as_written(folder: Path) -> None:
    jsonschema = pytest.importorskip("jsonschema")  # comes with Ray
    schema = json_schema()
    jsonschema.Draft7Validator.check_schema(schema)
    valid = jsonschema.Draft7Validator(schema).is_valid
    written = yaml.safe_load(starter_yaml())
    assert valid(written)
    assert valid(written | {"input": ["a", "b"], "style": [{"image": "a"}], "rate": "24000/1001"})
    wrong = ({"x": 1}, {"style": [{"image": 1}]}, {"style": []}, {"rate": 0}, {"recipe": "x"}, {"input": 1})
    for change in (*wrong, {"transfer": {"size": 8}}, {"transfer": {"style_layers": {"conv9_9": 1}}}):
        assert not valid(written | change), change
    assert "$ref" not in json.dumps(schema)


def test_every_setting_has_a_line_of_description() -> None:
    schema = json_schema()
    for key in KEYS:
        section, _, name = key.rpartition(".")
        properties = schema["properties"][section]["properties"] if section else schema["properties"]
        assert properties[name]["description"].endswith("."), key


def test_the_nearest_name_may_be_in_another_section() -> None:
    assert nearest("video.size", KEYS) == "; did you mean transfer.size?"
    assert nearest("preserve_colour", KEYS) == "; did you mean transfer.preserve_color?"
    assert nearest("zzz", KEYS) == ""


def test_importing_the_config_imports_nothing_heavy() -> None:
    heavy = "{'torch', 'torchvision', 'ray', 'cv2', 'av', 'numpy', 'PIL'}"
    code = f"import sys, pipeline.config; print(sorted({heavy} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("text", "overrides"),
    [
        (f"{JOB}weights: {'x' * 5000}\n", ()),
        (f"input: in\noutput: out\nstyle: {'x' * 5000}\n", ()),
        (f'{JOB}"{"a" * 5000}": 1\n', ()),
        (f'{JOB}"a\\nb": {{c: 1}}\n', ()),
        (JOB, ("transfer.seed=" + "x" * 5000,)),
        (JOB, ("a\rb=1",)),
        (JOB, ("transfer.seed=" + "[" * 5000,)),
    ],
)
def test_a_complaint_is_short_and_on_one_line_whatever_it_quotes(
    folder: Path, text: str, overrides: tuple[str, ...]
) -> None:
    said = complaint(text, *overrides)
    assert len(said) < 1500
    assert said.isprintable()


def test_a_damaged_avif_is_no_style(folder: Path) -> None:
    Image.new("RGB", (24, 16), "teal").save("torn.avif")
    whole = Path("torn.avif").read_bytes()
    data = whole.index(b"mdat") + 4
    Path("torn.avif").write_bytes(whole[:data] + bytes(len(whole) - data))
    said = complaint("input: clips\noutput: out\nstyle: torn.avif\n")
    assert "torn.avif cannot be read as one" in said


@pytest.mark.parametrize("text", ['"\\UFFFFFFFF"', '"\\U00110000"', f"%YAML {'9' * 5000}.1\n---\na"])
def test_what_pyyaml_cannot_convert_is_told(folder: Path, text: str) -> None:
    assert "an escape that names no character" in complaint(text)


@pytest.mark.parametrize(("name", "what"), [("clip.mp4", "a video"), ("my cat.JPG", "a picture")])
def test_a_source_in_the_place_of_the_job_is_told_how_to_get_one(
    name: str, what: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(b"\x00\xb4")
    with pytest.raises(ConfigError) as caught:
        load_config(tmp_path / name)
    command = shlex.join(["stylize", "init", "job.yaml", "--input", str(tmp_path / name)])
    assert str(caught.value) == f"{tmp_path / name} is {what}, not a job; to write a job for it: {command}"
