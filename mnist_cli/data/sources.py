"""The sources of data: one entry for each data set that can be trained on.

Nothing here imports numpy until something is read, so that ``--help`` can list the data sets.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mnist_cli.errors import SettingsError

if TYPE_CHECKING:
    from mnist_cli.data.dataset import Split

STEMS = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}
"""The names of each part's two files, images and labels, without ``.gz``."""

Sums = dict[str, tuple[int, str]]


@dataclass(frozen=True)
class Published:
    """A data set's files as they were published, and where they can be had.

    Attributes
    ----------
    title : str
        What a person calls it.
    mirrors : sequence of str
        The URLs of folders that serve the files, tried in this order; or of zip archives with the
        files in them, which end in ``.zip``.
    sums : dict
        The size in bytes and the SHA-256 of each file, packed and unpacked; 0 and ``""`` where that
        was published nowhere.
    stems : dict
        The names of the images and labels of each part, without ``.gz``.
    folders : sequence of str
        Where other programs put the files, seen from the data folder.
    archive : str
        The name of the ``.npz`` file that Keras has of it.
    tables : dict
        The names of CSV files for each part.
    is_transposed : bool
        Whether rows and columns of the images are exchanged.
    """

    title: str
    mirrors: Sequence[str]
    sums: Sums
    stems: Mapping[str, tuple[str, str]] = field(default_factory=lambda: STEMS)
    folders: Sequence[str] = ()
    archive: str = ""
    tables: Mapping[str, Sequence[str]] = field(default_factory=dict)
    is_transposed: bool = False

    def has(self, sums: Mapping[str, str]) -> bool:
        """Return whether what has these SHA-256, by their names, is what was published."""
        own = self._digests
        found = self._identity(sums)
        return bool(found) and all(
            digests & {own.get(name), own.get(f"{name}.gz")} for name, digests in found.items()
        )

    def is_same(self, sums: Mapping[str, str], other: Mapping[str, str]) -> bool:
        """Return whether two records of SHA-256, by names, are of the same data in any packing."""
        one, two = self._identity(sums), self._identity(other)
        if not one or not two:
            return dict(sums) == dict(other)
        return one.keys() == two.keys() and all(one[name] & two[name] for name in one)

    @property
    def _digests(self) -> dict[str, str]:
        return {name: digest for name, (_, digest) in self.sums.items() if digest}

    def _identity(self, sums: Mapping[str, str]) -> dict[str, set[str]]:
        """Return the sums by which each file is known, as it is packed and as it is plain."""
        own = self._digests
        identity = {}
        for name in self.names:
            packed, plain = own.get(f"{name}.gz"), own.get(name)
            keys = (name, f"{name}.gz", dotted(name), f"{dotted(name)}.gz")
            if digests := {sums[key] for key in keys if key in sums}:
                is_known = packed in digests and plain
                identity[name] = digests | ({plain} if is_known and plain else set())
        return identity

    @property
    def names(self) -> list[str]:
        """The names of all files, without ``.gz``."""
        return [stem for stems in self.stems.values() for stem in stems]

    def largest(self, stem: str) -> int:
        """Return how many bytes a file has at most, in whichever packing; 0 if not known."""
        sizes = [self.sums.get(name, (0, ""))[0] for name in (stem, f"{stem}.gz")]
        return max(sizes) + max(sizes) // 1000 + 1024 if max(sizes) else 0


def dotted(stem: str) -> str:
    """Return the name that 7-Zip and Kaggle give a file: ``train-images.idx3-ubyte``."""
    return stem.replace("-idx", ".idx")


@dataclass(frozen=True)
class Source:
    """Where a data set comes from: it was published, or is drawn.

    Attributes
    ----------
    help : str
        What it is, in a few words.
    published : Published, optional
        What is downloaded if it is not there.
    draw : callable, optional
        Is given a part, ``"train"`` or ``"test"``; returns a `Split`.
    caveat : str
        What must be said where its name is, beginning with a comma.
    """

    help: str
    published: Published | None = None
    draw: Callable[[str], Split] | None = None
    caveat: str = ""


def _draw_synthetic(split: str) -> Split:
    from mnist_cli.data.synthetic import draw_part

    return draw_part(split)


def _sizes(train: int, test: int, stems: Mapping[str, tuple[str, str]], label: int = 1) -> Sums:
    """Return the sizes of files, unpacked, with so many bytes a label; their sums are not known."""
    sums: Sums = {}
    for part, count in (("train", train), ("test", test)):
        images, labels = stems[part]
        sums[images] = (16 + 784 * count, "")
        sums[labels] = ((8 if label == 1 else 12) + label * count, "")
    return sums


MNIST = Published(
    title="MNIST",
    mirrors=(
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    ),
    sums={
        "train-images-idx3-ubyte.gz": (
            9_912_422,
            "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        ),
        "train-labels-idx1-ubyte.gz": (
            28_881,
            "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        ),
        "t10k-images-idx3-ubyte.gz": (
            1_648_877,
            "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        ),
        "t10k-labels-idx1-ubyte.gz": (
            4_542,
            "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        ),
        "train-images-idx3-ubyte": (
            47_040_016,
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        ),
        "train-labels-idx1-ubyte": (
            60_008,
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        ),
        "t10k-images-idx3-ubyte": (
            7_840_016,
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        ),
        "t10k-labels-idx1-ubyte": (
            10_008,
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        ),
    },
    folders=("MNIST/raw",),
    archive="mnist.npz",
    tables={"train": ("mnist_train.csv", "train.csv"), "test": ("mnist_test.csv", "test.csv")},
)
"""MNIST (LeCun, Cortes and Burges 1998)."""

FASHION = Published(
    title="Fashion-MNIST",
    mirrors=(
        "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    ),
    sums=_sizes(60_000, 10_000, STEMS)
    | {
        "train-images-idx3-ubyte.gz": (
            26_421_880,
            "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        ),
        "train-labels-idx1-ubyte.gz": (
            29_515,
            "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        ),
        "t10k-images-idx3-ubyte.gz": (
            4_422_102,
            "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        ),
        "t10k-labels-idx1-ubyte.gz": (
            5_148,
            "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        ),
        "train-labels-idx1-ubyte": (
            60_008,
            "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        ),
        "t10k-labels-idx1-ubyte": (
            10_008,
            "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        ),
    },
    folders=("FashionMNIST/raw",),
    tables={"train": ("fashion-mnist_train.csv",), "test": ("fashion-mnist_test.csv",)},
)
"""Fashion-MNIST (Xiao, Rasul and Vollgraf 2017)."""

KMNIST = Published(
    title="KMNIST",
    mirrors=(
        "https://codh.rois.ac.jp/kmnist/dataset/kmnist/",
        "http://codh.rois.ac.jp/kmnist/dataset/kmnist/",
    ),
    sums=_sizes(60_000, 10_000, STEMS)
    | {
        "train-images-idx3-ubyte.gz": (
            18_165_135,
            "51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4",
        ),
        "train-labels-idx1-ubyte.gz": (
            29_497,
            "e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17",
        ),
        "t10k-images-idx3-ubyte.gz": (
            3_041_136,
            "edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5",
        ),
        "t10k-labels-idx1-ubyte.gz": (
            5_120,
            "20bb9a0ef54c7db3efc55a92eef5582c109615df22683c380526788f98e42a1c",
        ),
    },
    folders=("KMNIST/raw",),
)
"""Kuzushiji-MNIST (Clanuwat et al. 2018)."""

QMNIST_STEMS = {
    part: (f"qmnist-{part}-images-idx3-ubyte", f"qmnist-{part}-labels-idx2-int")
    for part in ("train", "test")
}

QMNIST = Published(
    title="QMNIST",
    mirrors=(
        "https://raw.githubusercontent.com/facebookresearch/qmnist/master/",
        "https://github.com/facebookresearch/qmnist/raw/master/",
    ),
    sums=_sizes(60_000, 60_000, QMNIST_STEMS, label=32)
    | {
        "qmnist-train-images-idx3-ubyte.gz": (
            9_704_059,
            "9e26a7bf1683614e065d7b76460ccd52807165b3f22561fb782bd9f38c52b51d",
        ),
        "qmnist-train-labels-idx2-int.gz": (
            463_024,
            "2c05dc77f6b916b38e455e97ab129a42a444f3dbef09b278a366f82904e0dd9f",
        ),
        "qmnist-test-images-idx3-ubyte.gz": (
            9_742_279,
            "43fc22bf7498b8fc98de98369d72f752d0deabc280a43a7bcc364ab19e57b375",
        ),
        "qmnist-test-labels-idx2-int.gz": (
            526_800,
            "9fbcbe594c3766fdf4f0b15c5165dc0d1e57ac604e01422608bb72c906030d06",
        ),
        "qmnist-train-labels-idx2-int": (
            1_920_012,
            "bb1b6e1ec7b04fd5696f1ed50b5f58f8ef195118edd5c93c81783df9740b8ac5",
        ),
        "qmnist-test-labels-idx2-int": (
            1_920_012,
            "92d0ccb8c25f9c6534270fb4be7e1d24a1c6d315edfc8a638bfbd31c70f362dd",
        ),
    },
    stems=QMNIST_STEMS,
    folders=("QMNIST/raw",),
)
"""QMNIST (Yadav and Bottou 2019), whose test images are 60,000."""

EMNIST_STEMS = {
    part: (f"emnist-digits-{part}-images-idx3-ubyte", f"emnist-digits-{part}-labels-idx1-ubyte")
    for part in ("train", "test")
}

EMNIST = Published(
    title="EMNIST's digits",
    mirrors=(
        "https://biometrics.nist.gov/cs_links/EMNIST/gzip.zip",
        "https://www.itl.nist.gov/iaui/vip/cs_links/EMNIST/gzip.zip",
    ),
    sums=_sizes(240_000, 40_000, EMNIST_STEMS)
    | {
        "gzip.zip": (
            561_753_746,
            "fb9bb67e33772a9cc0b895e4ecf36d2cf35be8b709693c3564cea2a019fcda8e",
        ),
        "emnist-digits-train-images-idx3-ubyte.gz": (
            0,
            "f7c95004d14d81af89522e67d8f0c781dfb3bd544181c81bfe1eb6b41c35b726",
        ),
        "emnist-digits-train-labels-idx1-ubyte.gz": (
            0,
            "6638a6ff5fe2eefd9cca2471995b46c82986b8e4b2a70d2f5ce8e05d7edb319e",
        ),
        "emnist-digits-test-images-idx3-ubyte.gz": (
            0,
            "20ebe43509264f7639d37c835a3f0b009e90b29e00a099a03101abe1644a3f63",
        ),
        "emnist-digits-test-labels-idx1-ubyte.gz": (
            0,
            "bad1834c45d5988e270b99d43b13edc3fd898f658ffbc2caf2846ef27f7b05b0",
        ),
    },
    stems=EMNIST_STEMS,
    folders=("EMNIST/raw", "gzip"),
    tables={"train": ("emnist-digits-train.csv",), "test": ("emnist-digits-test.csv",)},
    is_transposed=True,
)
"""The digits of EMNIST (Cohen et al. 2017), in one archive with its letters."""


SOURCES = {
    "mnist": Source("MNIST", MNIST),
    "synthetic": Source(
        "digits drawn by the program itself",
        draw=_draw_synthetic,
        caveat=", drawn by the program, which are not MNIST's",
    ),
    "fashion-mnist": Source("ten kinds of clothes", FASHION),
    "kmnist": Source("ten characters of cursive Japanese", KMNIST),
    "emnist-digits": Source("EMNIST's 280,000 digits", EMNIST),
    "qmnist": Source("MNIST with 60,000 test images", QMNIST),
}
"""Every data set by its name; ``mnist`` stands for any in MNIST's format that a folder holds."""


def in_folders() -> list[str]:
    """Return the names of the data sets that are read from a folder."""
    return [name for name, source in SOURCES.items() if not source.draw]


def is_same_data(name: str, sums: object, other: object) -> bool:
    """Return whether two records that models keep of a data set are of the same data.

    Each has SHA-256 by names. Files that are packed in one and plain in the other are the same.
    """
    published = SOURCES[name].published if name in SOURCES else None
    if published and isinstance(sums, dict) and isinstance(other, dict):
        return published.is_same(sums, other)
    return sums == other


def name_of(published: Published) -> str:
    """Return the name that a published data set is known by."""
    titles = {source.published.title: name for name, source in SOURCES.items() if source.published}
    return titles.get(published.title, "mnist")


def find_source(name: str) -> Source:
    """Return the source of that name.

    Raises
    ------
    SettingsError
        If there is none.
    """
    if name not in SOURCES:
        raise SettingsError(f"`dataset` is {name!r}, but must be one of {', '.join(SOURCES)}.")
    return SOURCES[name]
