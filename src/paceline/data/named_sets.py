"""The named data sets: descriptions, authors, files with checksums, and addresses.

Checksums are SHA-256 of the official files. Those of MNIST and Fashion-MNIST were computed from
files with the published MD5 sums; those of Kuzushiji-MNIST are published beside the MD5 sums in
torchvision; California Housing's is scikit-learn's.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from paceline.data.records import Task


@dataclass(frozen=True, slots=True)
class NamedSet:
    """A named data set.

    Attributes:
        name, title, licence, source, rows, test_rows, shape, task, num_classes: as in
        `DatasetInfo`.
        form: ``"idx"`` (four files of images and labels), ``"california"`` or ``"bundled"`` (comes
            with scikit-learn).
        files: SHA-256 of each file to download, by name.
        addresses: where files are published, first choice first; ``{file}`` is replaced by the
            file's name.
        class_names: names of the classes, in order; empty for plain numbers.
    """

    name: str
    title: str
    form: Literal["idx", "california", "bundled"]
    rows: int
    test_rows: int
    shape: tuple[int, ...]
    task: Task
    num_classes: int | None
    licence: str
    source: str
    files: Mapping[str, str] = field(default_factory=dict)
    addresses: tuple[str, ...] = ()
    class_names: tuple[str, ...] = ()


def _idx(images: str, labels: str, test_images: str, test_labels: str) -> dict[str, str]:
    return {
        "train-images-idx3-ubyte.gz": images,
        "train-labels-idx1-ubyte.gz": labels,
        "t10k-images-idx3-ubyte.gz": test_images,
        "t10k-labels-idx1-ubyte.gz": test_labels,
    }


_NAMED_SETS = (
    NamedSet(
        name="digits",
        title="handwritten digits, 8×8 grey pixels",
        form="bundled",
        rows=1438,
        test_rows=359,
        shape=(8, 8),
        task="classification",
        num_classes=10,
        licence="CC BY 4.0",
        source="E. Alpaydin, C. Kaynak, UCI Machine Learning Repository 1998; comes with "
        "scikit-learn",
    ),
    NamedSet(
        name="mnist",
        title="handwritten digits, 28×28 grey pixels",
        form="idx",
        rows=60_000,
        test_rows=10_000,
        shape=(28, 28),
        task="classification",
        num_classes=10,
        licence="CC BY-SA 3.0, as commonly given",
        source="Y. LeCun, C. Cortes, C. Burges",
        files=_idx(
            "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        ),
        addresses=(
            "https://ossci-datasets.s3.amazonaws.com/mnist/{file}",
            "https://storage.googleapis.com/cvdf-datasets/mnist/{file}",
        ),
    ),
    NamedSet(
        name="fashion_mnist",
        title="pictures of clothes, 28×28 grey pixels",
        form="idx",
        rows=60_000,
        test_rows=10_000,
        shape=(28, 28),
        task="classification",
        num_classes=10,
        licence="MIT",
        source="H. Xiao, K. Rasul, R. Vollgraf, Zalando Research 2017, "
        "https://github.com/zalandoresearch/fashion-mnist",
        files=_idx(
            "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
            "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
            "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        ),
        addresses=("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/{file}",),
        class_names=(
            "T-shirt/top",
            "Trouser",
            "Pullover",
            "Dress",
            "Coat",
            "Sandal",
            "Shirt",
            "Sneaker",
            "Bag",
            "Ankle boot",
        ),
    ),
    NamedSet(
        name="kmnist",
        title="cursive Japanese characters, 28×28 grey pixels",
        form="idx",
        rows=60_000,
        test_rows=10_000,
        shape=(28, 28),
        task="classification",
        num_classes=10,
        licence="CC BY-SA 4.0",
        source="ROIS-DS Center for Open Data in the Humanities, doi:10.20676/00000341",
        files=_idx(
            "51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4",
            "e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17",
            "edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5",
            "20bb9a0ef54c7db3efc55a92eef5582c109615df22683c380526788f98e42a1c",
        ),
        addresses=("http://codh.rois.ac.jp/kmnist/dataset/kmnist/{file}",),
        class_names=("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"),
    ),
    NamedSet(
        name="california_housing",
        title="median house values of Californian districts, in 100,000 dollars of 1990",
        form="california",
        rows=16_512,
        test_rows=4_128,
        shape=(8,),
        task="regression",
        num_classes=None,
        licence="CC BY 4.0 as deposited; US census data",
        source="R. K. Pace, R. Barry, Sparse Spatial Autoregressions, 1997 (StatLib)",
        files={
            "cal_housing.tgz": "aaa5c9a6afe2225cc2aed2723682ae403280c4a3695a2ddda4ffb5d8215ea681"
        },
        addresses=("https://ndownloader.figshare.com/files/5976036",),
    ),
)

NAMED_SETS: Mapping[str, NamedSet] = {source.name: source for source in _NAMED_SETS}
"""The named data sets by name."""
