"""What it costs to prepare a network whose structure is known."""

from benchmarks import arrays
from benchmarks.measure import Options, Spread, ask, folder
from benchmarks.report import Finding, Result

METHOD = """{networks} networks drawn at random from the space of the section on typical spaces
(California Housing: layers 0-3, 1-100 neurons, three optimizers, learning rate; made-up data) are
built, given their weights and traced one after another, as a study does it, in one process with an
empty cache. Processor time of the process. A structure (number of layers and optimizer) is known
after {known} networks."""


def run(options: Options) -> Result:
    networks, known = (30, 1) if options.quick else (200, 6)
    with folder() as directory:
        data = arrays.write_made_up(directory / "data.npz", (8,), 640, classes=None)
        request = {
            "space": "typical california",
            "data": str(data),
            "networks": networks,
            "known": known,
            "epochs": 10,
            "batch_size": 32,
        }
        answers = [
            ask("paceline", "benchmarks.ours.preparing", {**request, "seed": repeat + 1})
            for repeat in range(options.repeats)
        ]
    of_known, of_first = (
        Spread(tuple(Spread(tuple(answer[name])).median / 1000 for answer in answers))
        for name in ("known", "first")
    )
    return Result(
        title="Preparing a network",
        method=METHOD.format(networks=networks, known=known),
        findings=[Finding("of a known structure", of_known.median, 0.05, 0.02, "s", "lower")],
        headings=["network", "processor seconds, median"],
        rows=[["first of its structure", str(of_first)], ["of a known structure", str(of_known)]],
    )
