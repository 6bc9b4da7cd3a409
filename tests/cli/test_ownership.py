"""What commands write over: their own earlier results, and nothing else of the user's."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from conftest import Cli, copy_packed

from mnist_cli.data.download import download
from mnist_cli.data.folder import default_data_dir, homeless_data_dir
from mnist_cli.data.loading import load_split
from mnist_cli.data.mnist import STEMS
from mnist_cli.data.sources import Published
from mnist_cli.errors import DataError
from mnist_cli.files.targets import is_same

pytestmark = pytest.mark.skipif(os.name != "posix", reason="POSIX links, pipes and permissions")

NAMES = [f"{stem}.gz" for stems in STEMS.values() for stem in stems]


@pytest.fixture
def thesis(tmp_path: Path) -> Iterator[Path]:
    """Yield somebody's file, which in the end is as it was."""
    path = tmp_path / "thesis.txt"
    path.write_text("years of work")
    yield path
    assert path.read_text() == "years of work"
    assert not path.is_symlink()


def published(folder: Path) -> Published:
    """Return a data set in a folder as if it had been published."""
    contents = {name: (folder / name).read_bytes() for name in NAMES}
    sums = {name: (len(c), hashlib.sha256(c).hexdigest()) for name, c in contents.items()}
    return Published("small", (), sums | {name.removesuffix(".gz"): (1, "") for name in NAMES})


class TestLinksInADataFolder:
    @pytest.mark.parametrize("force", [False, True])
    @pytest.mark.parametrize("target", ["thesis.txt", "missing", "."])
    def test_a_download_replaces_them_and_what_they_point_to_stays(
        self, target: str, force: bool, thesis: Path, small_dir: Path, tmp_path: Path
    ) -> None:
        folder = tmp_path / "data"
        folder.mkdir()
        for name in NAMES:
            (folder / name).symlink_to(Path("..", target))
        download(folder, folder=small_dir, published=published(small_dir), force=force)
        assert not any((folder / name).is_symlink() for name in NAMES)
        assert all((folder / name).is_file() for name in NAMES)
        assert not (tmp_path / "missing").exists()

    def test_hard_links_are_broken_up(self, thesis: Path, small_dir: Path, tmp_path: Path) -> None:
        folder = tmp_path / "data"
        folder.mkdir()
        os.link(thesis, folder / NAMES[0])
        download(folder, folder=small_dir, published=published(small_dir))
        assert not is_same(thesis, folder / NAMES[0])

    @pytest.mark.parametrize("target", ["thesis.txt", "missing"])
    def test_what_is_unpacked_is_not_written_through_them(
        self, target: str, thesis: Path, small_dir: Path, tmp_path: Path
    ) -> None:
        folder = copy_packed(small_dir, tmp_path / "data")
        for name in NAMES:
            (folder / name.removesuffix(".gz")).symlink_to(Path("..", target))
        assert len(load_split("mnist", "train", folder)) == 1000
        assert not (tmp_path / "missing").exists()

    def test_pack_replaces_them_when_it_is_forced(
        self, cli: Cli, thesis: Path, tmp_path: Path
    ) -> None:
        for digit in range(10):
            folder = tmp_path / "pictures" / str(digit)
            folder.mkdir(parents=True)
            for number in range(2):
                np.save(folder / f"{number}.npy", np.full((28, 28), digit, np.uint8))
        out = tmp_path / "set"
        out.mkdir()
        for name in NAMES:
            (out / name).symlink_to(thesis)
        how = ("pack", "pictures", out, "--as-is", "--test", 0.5)
        assert cli(*how).exit_code == 2
        assert cli(*how, "--force").exit_code == 0
        assert not any((out / name).is_symlink() for name in NAMES)


class TestAUserWithoutAHome:
    @pytest.fixture(autouse=True)
    def _homeless(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        for name in ("MNIST_CLI_DATA_DIR", "XDG_CACHE_HOME"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("HOME", "")
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    def test_has_a_folder_of_his_own_which_nobody_else_can_enter(
        self, small_dir: Path, tmp_path: Path
    ) -> None:
        folder = default_data_dir()
        assert folder == tmp_path / f"mnist-cli-{os.getuid()}"
        download(folder, folder=small_dir, published=published(small_dir))
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert len(load_split("mnist", "test")) == 200

    @pytest.mark.parametrize("prepared", ["link", "open", "another's", "file"])
    def test_uses_no_folder_that_another_user_may_have_prepared(
        self, prepared: str, small_dir: Path, tmp_path: Path
    ) -> None:
        folder = homeless_data_dir()
        if prepared == "link":
            folder.symlink_to(small_dir)
        elif prepared == "file":
            folder.touch(0o600)
        else:
            copy_packed(small_dir, folder).chmod(0o700 if prepared == "another's" else 0o777)
        if prepared == "another's":
            if os.getuid() != 0:
                pytest.skip("only root can give a folder to another user")
            os.chown(folder, 65534, 65534)
        for use in (
            lambda: load_split("mnist", "test"),
            lambda: download(folder, folder=small_dir, published=published(small_dir)),
        ):
            with pytest.raises(DataError, match=r"may be anybody's: remove it, or name"):
                use()


class TestWhatIsReadIsNotWrittenOver:
    """By whatever name: another spelling, a link, or a hard link."""

    @pytest.mark.parametrize("option", ["--out", "--log", "--checkpoint"])
    @pytest.mark.parametrize("name", ["path", "link", "hard link", "spelling"])
    @pytest.mark.parametrize("file", [NAMES[0], NAMES[3], NAMES[2].removesuffix(".gz")])
    def test_a_file_of_the_data_set(
        self, file: str, name: str, option: str, cli: Cli, small_dir: Path, tmp_path: Path
    ) -> None:
        data = copy_packed(small_dir, tmp_path / "data")
        load_split("mnist", "test", data)  # which unpacks it
        before = {path: path.read_bytes() for path in data.iterdir()}
        path = data / file
        other = tmp_path / "other"
        if name == "link":
            other.symlink_to(path)
        elif name == "hard link":
            os.link(path, other)
        else:
            other = path if name == "path" else data / ".." / "data" / file
        how = ("--hidden", 4, "--epochs", 1, "--force")
        result = cli("train", "--data-dir", data, *how, option, other)
        assert result.exit_code == 2
        assert result.stderr.endswith("is a file of the data set: name another file.\n")
        assert option in result.stderr
        assert {path: path.read_bytes() for path in before} == before

    def test_a_file_of_the_data_set_that_will_be_there_soon(
        self, cli: Cli, small_dir: Path, tmp_path: Path
    ) -> None:
        data = copy_packed(small_dir, tmp_path / "data")
        plain = data / "train-images-idx3-ubyte"
        for option in ("--out", "--log", "--checkpoint"):
            result = cli("train", "--data-dir", data, "--epochs", 1, option, plain)
            assert result.exit_code == 2
            assert "is a file of the data set" in result.stderr
        assert not plain.exists()

    @pytest.mark.parametrize(
        ("first", "second"),
        [
            *[(first, "--log") for first in ("--checkpoint", "--out", "--resume", "--from")],
            *[("--config", second) for second in ("--log", "--checkpoint")],
            *[("--resume", "--out"), ("--from", "--checkpoint"), ("--checkpoint", "--out")],
        ],
    )
    @pytest.mark.parametrize("link", [os.link, os.symlink])
    def test_one_file_of_two_options(
        self, link: object, first: str, second: str, cli: Cli, small_dir: Path, tmp_path: Path
    ) -> None:
        how = ("--data-dir", small_dir, "--hidden", 4, "--epochs", 1, "-q")
        file = tmp_path / "file"
        if first == "--config":
            file.write_text("[train]\nhidden = 4\n")
        else:
            made = {"--resume": "--checkpoint", "--from": "--out"}.get(first, first)
            assert cli("train", *how, made, file, "--out", "m" if made != "--out" else file)
        link(file, tmp_path / "other")  # type: ignore[operator]
        before = file.read_bytes()
        other = ("--checkpoint", "d") if first == "--resume" and second != "--checkpoint" else ()
        result = cli("train", *how, first, file, *other, second, "other", "--force")
        assert result.exit_code == 2
        assert "are one file" in result.stderr
        assert "give them different names" in result.stderr
        assert file.read_bytes() == before

    @pytest.mark.parametrize("link", [os.link, os.symlink])
    def test_a_list_of_errors_replaces_neither_the_model_nor_the_data(
        self, link: object, cli: Cli, small_dir: Path, tmp_path: Path
    ) -> None:
        data = copy_packed(small_dir, tmp_path / "data")
        how = ("--data-dir", data, "--hidden", 4, "--epochs", 1, "-q")
        assert cli("train", *how).exit_code == 0
        for number, file in enumerate([Path("model.npz"), data / NAMES[2], data / NAMES[3]]):
            before = file.read_bytes()
            link(file.resolve(), f"other{number}")  # type: ignore[operator]
            for name in (file, f"other{number}"):
                result = cli("evaluate", "--data-dir", data, "--errors", name)
                assert result.exit_code == 2
                assert "--errors" in result.stderr
            assert file.read_bytes() == before

    @pytest.mark.parametrize("link", [os.link, os.symlink])
    @pytest.mark.parametrize(
        "command",
        ["report", "plot errors", "plot confusion", "plot distortions", "plot weights", "draw"],
    )
    def test_a_page_or_a_plot_replaces_neither_the_model_nor_the_data(
        self, command: str, link: object, cli: Cli, small_dir: Path, tmp_path: Path
    ) -> None:
        pytest.importorskip("matplotlib")
        data = copy_packed(small_dir, tmp_path / "data")
        how = ("--data-dir", data, "--hidden", 4, "--epochs", 1, "-q")
        assert cli("train", *how).exit_code == 0
        reads_data = command not in ("draw", "plot weights")
        for number, file in enumerate([*[data / name for name in NAMES], Path("model.npz")]):
            if (file.name in NAMES and not reads_data) or (
                file.name == "model.npz" and command == "plot distortions"
            ):
                continue
            before = file.read_bytes()
            link(file.resolve(), f"other{number}.svg")  # type: ignore[operator]
            where = ("--data-dir", data) if reads_data else ()
            out = f"other{number}.svg"
            result = cli(*command.split(), *where, "--out", out, "--force")
            assert result.exit_code == 2
            assert f"--out {out} is a file " in result.stderr
            assert file.read_bytes() == before

    def test_the_log_of_a_sweep_and_the_data(
        self, cli: Cli, small_dir: Path, tmp_path: Path
    ) -> None:
        data = copy_packed(small_dir, tmp_path / "data")
        file = data / NAMES[1]
        before = file.read_bytes()
        os.link(file, "log")
        how = ("--vary", "seed=0,1", "--hidden", 4, "--epochs", 1)
        result = cli("sweep", *how, "--data-dir", data, "--log", "log", "--force")
        assert result.exit_code == 2
        assert "--log log is a file of the data set" in result.stderr
        assert file.read_bytes() == before

    def test_the_pictures_and_labels_that_are_packed(self, cli: Cli, tmp_path: Path) -> None:
        (tmp_path / "set").mkdir()
        rows = []
        for number in range(20):
            path = tmp_path / "set" / (NAMES[0] if number == 7 else f"{number}.npy")
            with path.open("wb") as file:
                np.save(file, np.full((28, 28), number, np.uint8))
            rows.append(f"{path.name},{number % 10}\n")
        (tmp_path / "set" / NAMES[1]).write_text("".join(rows))
        how = ("pack", "set", "set", "--as-is", "--test", 0.5, "--force")
        before = {path: path.read_bytes() for path in (tmp_path / "set").iterdir()}
        for labels in (f"set/{NAMES[1]}", "labels.csv"):
            if labels == "labels.csv":
                Path(labels).write_text("".join(rows))
            result = cli(*how, "--labels", labels)
            assert result.exit_code == 2
            assert "is read, and would be written over: name another folder" in result.stderr
        assert {path: path.read_bytes() for path in (tmp_path / "set").iterdir()} == before


OTHERS = {
    "blank first line": "\nyears of work\n",
    "blank first line of Windows": "\r\nyears of work\r\n",
    "a table of people": "index,name,phone\n1,Ann,5\n",
    "a table of labels": "index,label\n1,5\n",
    "a log of Keras": "epoch,accuracy,loss\n0,0.5,1\n",
    "another log": '{"_step": 1, "epoch": 1}\n',
    "other models": "model,path\n1,a\n",
    "a list": "[1, 2]\n",
    "no text": "\udcff\n",
}
"""Files that are neither a log nor a list of errors, though they may begin with the same word."""


class TestWhatIsSomethingElseIsKept:
    @pytest.mark.parametrize("content", OTHERS.values(), ids=OTHERS)
    def test_what_begins_like_a_log_or_a_list_of_errors_is_none(
        self, content: str, cli: Cli, small_dir: Path
    ) -> None:
        Path("mine").write_text(content, errors="surrogateescape")
        before = Path("mine").read_bytes()
        how = ("--data-dir", small_dir, "--hidden", 4, "--epochs", 1, "-q")
        assert cli("train", *how).exit_code == 0
        for command in (
            ("train", *how, "--log"),
            ("sweep", *how, "--vary", "seed=0", "--jobs", 1, "--log"),
            ("evaluate", "--data-dir", small_dir, "--errors"),
        ):
            result = cli(*command, "mine")
            assert result.exit_code == 2, command
            assert "mine is there already, and is not a l" in result.stderr
            assert Path("mine").read_bytes() == before

    @pytest.mark.parametrize("name", ["l.jsonl", "l.csv"])
    def test_a_log_of_a_sweep_replaces_only_such_a_log(
        self, name: str, cli: Cli, small_dir: Path
    ) -> None:
        how = ("--data-dir", small_dir, "--hidden", 4, "--epochs", 1, "-q", "--log", name)
        for seeds in ("seed=0", "seed=0,1"):
            result = cli("sweep", *how, "--jobs", 1, "--vary", seeds)
            assert result.exit_code == 0, result.stderr
        assert cli("train", *how).exit_code == 2

    def test_a_checkpoint_replaces_only_a_checkpoint(
        self, cli: Cli, thesis: Path, small_dir: Path
    ) -> None:
        how = ("train", "--data-dir", small_dir, "--hidden", 4, "--epochs", 1, "-q")
        result = cli(*how, "--checkpoint", thesis)
        assert result.exit_code == 2
        assert "exists and is not a checkpoint: name another --checkpoint" in result.stderr
        assert cli(*how, "--out", "m.npz").exit_code == 0
        assert "not a checkpoint" in cli(*how, "--out", "n.npz", "--checkpoint", "m.npz").stderr
        Path("empty").touch()
        Path("other").write_text("no work at all")
        assert cli(*how, "--checkpoint", "empty").exit_code == 0
        assert cli(*how, "--checkpoint", "other", "--force").exit_code == 0

    def test_a_training_that_goes_on_elsewhere_keeps_the_checkpoint_of_another(
        self, cli: Cli, small_dir: Path
    ) -> None:
        how = ("train", "--data-dir", small_dir, "--hidden", 4, "-q")
        assert cli(*how, "--epochs", 1, "--checkpoint", "c").exit_code == 0
        Path("d").write_text("thesis")
        result = cli("train", "--data-dir", small_dir, "-q", "--resume", "c", "--checkpoint", "d")
        assert result.exit_code == 2
        assert Path("d").read_text() == "thesis"

    @pytest.mark.parametrize("name", ["l.jsonl", "l.csv"])
    def test_a_log_replaces_only_a_log(
        self, name: str, cli: Cli, thesis: Path, small_dir: Path
    ) -> None:
        how = ("train", "--data-dir", small_dir, "--hidden", 4, "--epochs", 1, "-q")
        result = cli(*how, "--log", thesis)
        assert result.exit_code == 2
        assert "is there already, and is not a log: name another file" in result.stderr
        for _ in range(2):
            assert cli(*how, "--log", name).exit_code == 0
        Path("other").write_text("no work at all")
        assert cli(*how, "--log", "other", "--force").exit_code == 0
        assert json.loads(Path("other").read_text())["epoch"] == 1

    def test_a_list_of_errors_replaces_only_such_a_list(
        self, cli: Cli, thesis: Path, small_dir: Path
    ) -> None:
        how = ("--data-dir", small_dir, "--hidden", 4, "--epochs", 1, "-q")
        assert cli("train", *how).exit_code == 0
        result = cli("evaluate", "--data-dir", small_dir, "--errors", thesis)
        assert result.exit_code == 2
        assert "is there already, and is not a list of errors: name another file" in result.stderr
        for name in ("e.csv", "e.csv", "e.jsonl", "e.jsonl"):
            done = cli("evaluate", "--data-dir", small_dir, "--errors", name)
            assert done.exit_code == 0, done.stderr

    def test_a_log_that_was_not_begun_is_as_before(self, cli: Cli, small_dir: Path) -> None:
        """As the training was refused after the log had been opened."""
        how = ("train", "--data-dir", small_dir, "--hidden", 4, "--epochs", 1, "-q")
        assert cli(*how, "--log", "l").exit_code == 0
        before = Path("l").read_bytes()
        for log in ("l", "new"):
            assert cli(*how, "--seed", 1, "--log", log).exit_code == 2
        assert Path("l").read_bytes() == before
        assert not Path("new").exists()


class TestWhatOutDoes:
    """As docs/reliability.md says it."""

    HOW = ("train", "--hidden", 4, "--epochs", 1, "-q")

    def test_with_a_link_and_a_hard_link(self, cli: Cli, small_dir: Path) -> None:
        how = (*self.HOW, "--data-dir", small_dir)
        assert cli(*how, "--out", "m.npz").exit_code == 0
        before = Path("m.npz").read_bytes()
        Path("link").symlink_to("m.npz")
        os.link("m.npz", "hard")
        assert cli(*how, "--seed", 1, "--out", "link", "--force").exit_code == 0
        assert Path("link").is_symlink()
        assert Path("m.npz").read_bytes() != before
        assert Path("hard").read_bytes() == before

    @pytest.mark.parametrize("command", ["draw", "report", "plot weights"])
    def test_with_a_link_at_a_page_or_a_plot(self, command: str, cli: Cli, small_dir: Path) -> None:
        pytest.importorskip("matplotlib")
        data = ("--data-dir", small_dir)
        assert cli(*self.HOW, *data).exit_code == 0
        Path("link.svg").symlink_to("page.svg")
        how = (*command.split(), *(data if command == "report" else ()), "--out", "link.svg")
        for _ in range(2):
            assert cli(*how).exit_code == 0
            assert Path("link.svg").is_symlink()
            assert Path("page.svg").stat().st_size > 1000

    @pytest.mark.parametrize("option", ["--out", "--checkpoint"])
    @pytest.mark.parametrize("kind", ["/dev/null", "/dev/full", "pipe", "/dev/stdout"])
    def test_with_a_device_and_a_pipe(
        self, kind: str, option: str, cli: Cli, small_dir: Path, tmp_path: Path
    ) -> None:
        os.mkfifo(tmp_path / "pipe")
        result = cli(*self.HOW, "--data-dir", small_dir, option, kind, "--force")
        assert result.exit_code == 2
        assert ": name a file." in result.stderr
        assert stat.S_IFMT(os.stat(kind).st_mode) != stat.S_IFREG or kind == "/dev/stdout"

    def test_a_log_goes_to_a_device_and_a_pipe(
        self, cli: Cli, small_dir: Path, tmp_path: Path
    ) -> None:
        how = (*self.HOW, "--data-dir", small_dir, "--log")
        assert cli(*how, "/dev/null").exit_code == 0
        os.mkfifo("pipe")
        with subprocess.Popen(["cat", "pipe"], stdout=subprocess.PIPE) as reader:
            assert cli(*how, "pipe").exit_code == 0
            assert json.loads(reader.communicate()[0])["epoch"] == 1
        assert stat.S_ISFIFO(os.stat("pipe").st_mode)

    @pytest.mark.skipif(os.name == "posix" and os.getuid() == 0, reason="root may write anything")
    def test_with_a_file_that_is_write_protected(self, cli: Cli, small_dir: Path) -> None:
        how = (*self.HOW, "--data-dir", small_dir)
        assert cli(*how).exit_code == 0
        Path("model.npz").chmod(0o444)
        result = cli(*how)
        assert result.exit_code == 2
        assert "model.npz is write-protected" in result.stderr
