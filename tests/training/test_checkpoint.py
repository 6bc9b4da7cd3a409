"""Training that is interrupted, in whatever way, and goes on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Cli, copy_packed

from mnist_cli.data.dataset import Split
from mnist_cli.data.idx import read_idx, write_idx
from mnist_cli.data.loading import load_split
from mnist_cli.errors import ModelError, SettingsError, TrainingStoppedError
from mnist_cli.recipe import Recipe
from mnist_cli.training import descent
from mnist_cli.training.checkpoint import Checkpoint
from mnist_cli.training.loop import train

resource = pytest.importorskip("resource", reason="POSIX limits and signals")

PROGRAM = [sys.executable, "-m", "mnist_cli", "train"]
ORIGIN = {"dataset": "mnist", "data": {"images.gz": "0123"}}
KILLS = int(os.environ.get("MNIST_CLI_TEST_KILLS", "8"))
"""How often training is killed; a longer run was of 250."""


@pytest.fixture
def data(small_dir: Path) -> Split:
    return load_split("mnist", "train", small_dir)


def checkpoints(recipe: Recipe, data: Split) -> list[Checkpoint]:
    kept: list[Checkpoint] = []
    train(recipe, data, origin=ORIGIN, keep=kept.append)
    return kept


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"hidden": 160},
        {"hidden": 160, "optimizer": "adam", "augment": "elastic", "dropout": 0.3},
        {"augment": "affine", "schedule": "constant", "label_smoothing": 0.1},
        {"validation": 300, "patience": 2, "learning_rate": 2.0},
        {"dtype": "float64", "deskew": True},
        {"hidden": 160, "optimizer": "muon"},
        {"hidden": 160, "coarse_epochs": 2},
        {"coarse_epochs": 4, "optimizer": "muon", "validation": 300, "patience": 2},
        {"coarse_epochs": 1, "optimizer": "adam", "augment": "elastic", "dropout": 0.3},
        {"sampling": "loss", "augment": "affine", "validation": 300},
        {"sampling": "loss", "hidden": 160, "optimizer": "muon", "coarse_epochs": 2},
    ],
    ids=str,
)
def test_from_any_checkpoint_training_ends_with_the_same_bits(
    settings: dict[str, Any], data: Split, tmp_path: Path
) -> None:
    recipe = Recipe(**{"hidden": 12, "epochs": 4, "seed": 5} | settings)
    whole = train(recipe, data)
    kept = checkpoints(recipe, data)
    assert [len(checkpoint.history) for checkpoint in kept] == list(range(len(whole.history) + 1))
    for checkpoint in kept:
        checkpoint.save(tmp_path / "c")
        loaded = Checkpoint.load(tmp_path / "c")
        assert loaded.origin == ORIGIN
        resumed = train(recipe, data, resume=loaded)
        assert (
            resumed.model.network.parameters.tobytes() == whole.model.network.parameters.tobytes()
        )
        alike = [replace(epoch, seconds=0.0) for epoch in resumed.history]
        assert alike == [replace(epoch, seconds=0.0) for epoch in whole.history]


def test_a_checkpoint_does_not_change_when_training_goes_on(data: Split) -> None:
    first = checkpoints(Recipe(hidden=160, epochs=2), data)[1]
    again = checkpoints(Recipe(hidden=160, epochs=2), data)[1]
    np.testing.assert_array_equal(first.state.parameters, again.state.parameters)
    np.testing.assert_array_equal(first.state.memory["v"], again.state.memory["v"])
    assert first.state.generators == again.state.generators


def test_whoever_wants_training_to_stop_is_heard_in_each_step(data: Split) -> None:
    calls = iter(range(100))
    with pytest.raises(TrainingStoppedError, match="in epoch 2 of 3"):
        train(
            Recipe(hidden=4, epochs=3, batch_size=500), data, should_stop=lambda: next(calls) == 3
        )


def test_a_training_goes_on_in_as_many_parts_as_it_began_with(data: Split) -> None:
    """Another version may cut the network otherwise, which is other bits."""
    recipe = Recipe(hidden=160, epochs=3, dropout=0.2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(descent, "count_parts", lambda recipe: 4)
        kept = checkpoints(recipe, data)
        whole = train(recipe, data, origin=ORIGIN).model
    assert len(kept[1].state.generators) == 1 + 4
    resumed = train(recipe, data, resume=kept[1], origin=ORIGIN).model
    assert resumed.network.parameters.tobytes() == whole.network.parameters.tobytes()
    otherwise = train(recipe, data, origin=ORIGIN).model
    assert otherwise.network.parameters.tobytes() != whole.network.parameters.tobytes()


def options(folder: Path, *more: object, epochs: int = 30) -> list[str]:
    common = ["--data-dir", folder, "--hidden", 160, "--epochs", epochs, "-q", *more]
    return list(map(str, common))


def model_after(folder: Path, out: Path, *how: object, epochs: int = 30) -> bytes:
    command = [*PROGRAM, *options(folder, *how, epochs=epochs), "--out", str(out)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return out.read_bytes()


@pytest.mark.long
def test_killed_at_any_moment_it_goes_on_from_a_whole_checkpoint(
    small_dir: Path, tmp_path: Path
) -> None:
    """SIGKILL at random moments: what is on disk is a checkpoint, and the end is the same model."""
    expected = model_after(small_dir, tmp_path / "whole.npz")
    rng = np.random.default_rng(0)
    file = tmp_path / "run.checkpoint"
    out = tmp_path / "model.npz"
    killed = finished = 0
    while killed < KILLS:
        how = ["--resume", file] if file.exists() else ["--checkpoint", file]
        command = [*PROGRAM, *options(small_dir, *how, "--out", out)]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            process.wait(rng.uniform(0.1, 0.8))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            killed += 1
        if file.exists():
            Checkpoint.load(file)
        if out.exists():
            assert out.read_bytes() == expected
            finished += 1
            out.unlink()
            file.unlink()
    print(f"{killed} kills survived, {finished} trainings finished")
    how = ["--resume", file] if file.exists() else ["--checkpoint", file]
    assert model_after(small_dir, out, *how) == expected
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"whole.npz", "run.checkpoint", "model.npz"}


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_signal_ends_with_a_checkpoint_and_says_how_to_go_on(
    number: int, status: int, small_dir: Path, tmp_path: Path
) -> None:
    file, out = tmp_path / "run.checkpoint", tmp_path / "model.npz"
    how = ("--checkpoint", file, "--checkpoint-every", 1000, "--out", out, "--json")
    command = [*PROGRAM, *options(small_dir, *how, epochs=2000)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen(command, text=True, **pipes)  # type: ignore[call-overload]
    while not file.exists():
        time.sleep(0.05)
    time.sleep(0.5)
    process.send_signal(number)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == status
    assert stderr.startswith("Error: Interrupted in epoch ")
    assert f"resume it with: mnist-cli train --resume {file}" in stderr
    assert stderr == f"Error: {json.loads(stdout)['error']}\n"
    assert Checkpoint.load(file).history
    assert not out.exists()


@pytest.mark.skipif(
    sys.platform != "linux" or os.uname().machine != "x86_64",
    reason="members are processes on Linux and x86-64 alone",
)
def test_a_training_whose_second_process_is_killed_ends_at_once_and_can_be_resumed(
    cli: Cli, small_dir: Path, tmp_path: Path
) -> None:
    how = ("--checkpoint", "c", "--checkpoint-every", 1000, "--json")
    command = [*PROGRAM, *options(small_dir, *how, epochs=30)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path
    ) as process:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        while not (tmp_path / "c").exists() or not children.read_text():
            time.sleep(0.001)
        time.sleep(0.2)
        while process.poll() is None:  # who is killed may have done its epoch already
            with suppress(FileNotFoundError, IndexError, ProcessLookupError):
                os.kill(int(children.read_text().split()[0]), signal.SIGKILL)
            time.sleep(0.01)
        stdout, stderr = process.communicate()
    assert process.returncode == 2
    assert stderr.startswith(
        "Error: A process of this training was ended by signal 9; "
        "resume it with: mnist-cli train --resume c "
    )
    assert stderr == f"Error: {json.loads(stdout)['error']}\n"
    reached = len(Checkpoint.load(tmp_path / "c").history)
    assert reached < 30
    out = tmp_path / "resumed.npz"
    data = ("--data-dir", small_dir, "--quiet")
    assert cli("train", *data, "--resume", tmp_path / "c", "--out", out).exit_code == 0
    assert out.read_bytes() == model_after(small_dir, tmp_path / "whole.npz", epochs=30)


def test_a_resumed_training_takes_its_settings_from_the_checkpoint(
    cli: Cli, small_dir: Path
) -> None:
    data = ("--data-dir", small_dir)
    how = ("--hidden", 9, "--epochs", 2, "--seed", 3, "--lr", 0.1)
    assert cli("train", *data, *how, "--checkpoint", "c", "--log", "l").exit_code == 0
    model, log = Path("model.npz").read_bytes(), Path("l").read_text()
    Path("model.npz").unlink()
    assert cli("train", *data, "--resume", "c", "--log", "l").exit_code == 0
    assert Path("model.npz").read_bytes() == model
    assert Path("l").read_text() == log
    same = cli("train", *data, "--resume", "c", "--hidden", 9)
    assert same.exit_code == 0, same.stderr


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        (["--hidden", "8"], "--hidden is 9 there and not 8"),
        (["--lr", "1", "--epochs", "1"], "--epochs is 2 there and not 1, and --lr is 0.3"),
        (["--dataset", "synthetic"], "--dataset is mnist there and not synthetic"),
        (["--config", "default"], "leave --config out"),
    ],
)
def test_other_settings_than_the_checkpoint_has_are_refused_by_name(
    changed: list[str], sentence: str, cli: Cli, small_dir: Path
) -> None:
    data = ("--data-dir", small_dir)
    assert cli("train", *data, "--hidden", 9, "--epochs", 2, "--checkpoint", "c").exit_code == 0
    before = Path("c").read_bytes()
    result = cli("train", "--resume", "c", *(() if "synthetic" in changed else data), *changed)
    assert result.exit_code == 2
    assert sentence in result.stderr
    assert Path("c").read_bytes() == before


def test_other_data_than_the_checkpoint_had_are_refused(
    cli: Cli, small_dir: Path, tmp_path: Path
) -> None:
    data = ("--data-dir", small_dir)
    assert cli("train", *data, "--hidden", 9, "--epochs", 1, "--checkpoint", "c").exit_code == 0
    moved = copy_packed(small_dir, tmp_path / "moved")
    assert cli("train", "--data-dir", moved, "--resume", "c").exit_code == 0
    other = copy_packed(small_dir, tmp_path / "other")
    labels = other / "train-labels-idx1-ubyte.gz"
    write_idx(labels, (read_idx(labels) + 1) % 10)
    result = cli("train", "--data-dir", other, "--resume", "c")
    assert result.exit_code == 2
    assert "The data are not those that c was trained on: name their --data-dir" in result.stderr


def test_a_full_disk_keeps_the_old_checkpoint_and_says_so(small_dir: Path, tmp_path: Path) -> None:
    """The system lets no file grow beyond a limit, as a full disk would not."""
    file = tmp_path / "c"
    model_after(small_dir, tmp_path / "m", "--checkpoint", file, epochs=1)
    before = file.read_bytes()
    limit = len(before) // 2
    result = subprocess.run(
        [*PROGRAM, *options(small_dir, "--resume", file, "--out", tmp_path / "n", epochs=1)],
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    assert result.returncode == 2
    assert result.stderr == f"Error: {file} cannot be written: File too large.\n"
    assert file.read_bytes() == before
    assert {path.name for path in tmp_path.iterdir()} == {"c", "m"}


def test_what_diverges_leaves_the_last_good_checkpoint_and_no_model(
    cli: Cli, small_dir: Path
) -> None:
    how = ("--hidden", 9, "--lr", 1e4, "--checkpoint", "c")
    result = cli("train", "--data-dir", small_dir, *how)
    assert result.exit_code == 1
    assert "at the learning rate" in result.stderr
    assert np.isfinite(Checkpoint.load(Path("c")).state.parameters).all()
    assert not Path("model.npz").exists()


def test_no_checkpoint_is_named(cli: Cli) -> None:
    result = cli("train", "--resume", "nowhere")
    assert result.exit_code == 2
    assert "There is no checkpoint nowhere" in result.stderr


def test_the_losses_that_are_remembered_belong_to_the_images(data: Split) -> None:
    recipe = Recipe(hidden=4, epochs=2, sampling="loss")
    checkpoint = checkpoints(recipe, data)[1]
    fewer = Split(data.images[:-1], data.labels[:-1])
    with pytest.raises(SettingsError, match=r"of 1,000 training images, but there are 999"):
        train(recipe, fewer, resume=checkpoint)


def read_apart(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the document and the vectors of a checkpoint."""
    with np.load(path) as arrays:
        vectors = dict(arrays)
    return json.loads(str(vectors.pop("checkpoint"))), vectors


@pytest.fixture
def document_and_vectors(data: Split, tmp_path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    checkpoints(Recipe(hidden=3, epochs=2), data)[1].save(tmp_path / "c")
    return read_apart(tmp_path / "c")


@pytest.mark.parametrize(
    "damage",
    [
        lambda v: v.pop("losses"),
        lambda v: v.update(losses=-v["losses"]),
        lambda v: v.update(losses=v["losses"] * np.nan),
        lambda v: v.update(losses=v["losses"].astype("f8")),
        lambda v: v.update(losses=v["losses"].reshape(2, -1)),
    ],
)
def test_a_checkpoint_whose_losses_are_none_is_refused(
    damage: Any, data: Split, tmp_path: Path
) -> None:
    checkpoints(Recipe(hidden=3, epochs=2, sampling="loss"), data)[1].save(tmp_path / "c")
    document, vectors = read_apart(tmp_path / "c")
    damage(vectors)
    np.savez(tmp_path / "odd.npz", checkpoint=np.array(json.dumps(document)), **vectors)
    with pytest.raises(ModelError, match=r"odd\.npz"):
        Checkpoint.load(tmp_path / "odd.npz")


@pytest.mark.parametrize(
    "damage",
    [
        lambda d, v: d["recipe"].update(hidden=4),
        lambda d, v: d["recipe"].update(hidden=10**15),
        lambda d, v: d["recipe"].update(hidden="3"),
        lambda d, v: d["recipe"].update(optimizer="newton"),
        lambda d, v: d["recipe"].update(optimizer="adam"),
        lambda d, v: d["recipe"].update(size=1),
        lambda d, v: d["history"][0].update(epoch=7),
        lambda d, v: d["history"][0].update(train_loss="low"),
        lambda d, v: d["history"].append({"epoch": 2}),
        lambda d, v: d["generators"].pop(),
        lambda d, v: d["generators"].extend(d["generators"] * 8),
        lambda d, v: d["generators"][0].update(state={"state": -1, "inc": 1}),
        lambda d, v: d["generators"][0].update(bit_generator="MT19937"),
        lambda d, v: d.update(origin=3),
        lambda d, v: d["origin"].pop("dataset"),
        lambda d, v: d["origin"].update(dataset=None),
        lambda d, v: d["origin"].update(data={"images.gz": 3}),
        lambda d, v: d["origin"].update(start=3),
        lambda d, v: d["origin"].update(raised_from=["ten"]),
        lambda d, v: d["origin"].update(wings=2),
        lambda d, v: d["history"][0].update(validation_accuracy=0.5),
        lambda d, v: d["recipe"].update(validation=5),
        lambda d, v: d["recipe"].update(epochs=0),
        lambda d, v: d.update(recipe=None),
        lambda d, v: d.update(checkpoint_version=9),
        lambda d, v: d.pop("generators"),
        lambda d, v: v.pop("v"),
        lambda d, v: v.update(w=v["v"]),
        lambda d, v: v.update(losses=np.ones(1000, "f4")),
        lambda d, v: v.update(v=v["v"][1:]),
        lambda d, v: v.update(v=v["v"].astype("f8")),
        lambda d, v: v.update(parameters=v["parameters"] * np.nan),
        lambda d, v: v.update(best_parameters=np.array([{}], object)),
    ],
)
def test_a_checkpoint_that_is_none_is_refused(
    damage: Any, document_and_vectors: tuple[dict[str, Any], dict[str, Any]], tmp_path: Path
) -> None:
    document, vectors = document_and_vectors
    damage(document, vectors)
    np.savez(tmp_path / "odd.npz", checkpoint=np.array(json.dumps(document)), **vectors)
    with pytest.raises(ModelError, match=r"odd\.npz"):
        Checkpoint.load(tmp_path / "odd.npz")


EARLIER = Path(__file__).parents[1] / "earlier"


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("checkpoint-1", {}),
        (
            "checkpoint-1-adam",
            {"optimizer": "adam", "augment": "elastic", "dropout": 0.1, "validation": 100}
            | {"patience": 3, "seed": 7},
        ),
    ],
)
def test_checkpoints_of_earlier_versions_are_resumed(
    name: str, settings: dict[str, Any], data: Split
) -> None:
    """To the end of a whole training; but for the last digits, as another machine wrote them."""
    found = Checkpoint.load(EARLIER / name)
    recipe = Recipe(**{"hidden": 2, "epochs": 4} | settings)
    assert found.recipe == recipe
    assert [epoch.epoch for epoch in found.history] == [1, 2]
    assert {epoch.learning_rate for epoch in found.history} == {None}
    resumed, whole = train(recipe, data, resume=found), train(recipe, data)
    np.testing.assert_allclose(
        resumed.model.network.parameters, whole.model.network.parameters, atol=1e-3
    )
    assert resumed.history[3].learning_rate == whole.history[3].learning_rate


def test_a_setting_that_a_checkpoint_lacks_takes_its_default(
    document_and_vectors: tuple[dict[str, Any], dict[str, Any]], tmp_path: Path
) -> None:
    document, vectors = document_and_vectors
    del document["recipe"]["seed"]
    np.savez(tmp_path / "c.npz", checkpoint=np.array(json.dumps(document)), **vectors)
    assert Checkpoint.load(tmp_path / "c.npz").recipe.seed == Recipe.seed
    document["recipe"]["wings"] = 2
    np.savez(tmp_path / "c.npz", checkpoint=np.array(json.dumps(document)), **vectors)
    with pytest.raises(ModelError, match=r"c\.npz .*no setting 'wings'"):
        Checkpoint.load(tmp_path / "c.npz")
