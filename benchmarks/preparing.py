"""What it costs to prepare a network whose structure is known."""

from benchmarks import arrays
from benchmarks.measure import Options, Spread, ask, folder
from benchmarks.report import Finding, Result

SPACES = {
    "typical california": "California Housing: layers 0-3, 1-100 neurons, three optimizers",
    "california": "California Housing: layers 1-3, four widths, dropout, L2, Adam",
    "mnist": "MNIST: layers 1-3, three widths, dropout, Adam",
}
METHOD = """{networks} networks drawn at random from each of three spaces (learning rate in all;
made-up data) are built, given their weights, traced where that is needed and assigned to a program
one after another, as a study does it, in one process with an empty cache. Milliseconds of each
network, median of each process. A structure (number of layers and optimizer) is known after {known}
networks; every sixteenth of a known structure is traced all the same, and counts."""


def run(options: Options) -> Result:
    networks, known = (30, 1) if options.quick else (200, 6)
    rows: list[list[str]] = []
    with folder() as directory:
        for space, what in SPACES.items():
            shape, classes = ((784,), 10) if space == "mnist" else ((8,), None)
            data = arrays.write_made_up(directory / "data.npz", shape, 640, classes=classes)
            request = {
                "space": space,
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
            medians = {
                name: Spread(tuple(Spread(tuple(answer[name])).median for answer in answers))
                for name in ("first", "known", "known_wall")
            }
            if not rows:
                of_known = medians["known"].median / 1000
            count = str(sum(len(answer["known"]) for answer in answers))
            rows.append([what, *map(str, medians.values()), count])
    return Result(
        title="Preparing a network",
        method=METHOD.format(networks=networks, known=known),
        findings=[Finding("of a known structure, processor", of_known, 0.05, 0.02, "s", "lower")],
        headings=[
            "space",
            "first of its structure, processor ms",
            "of a known structure, processor ms",
            "of a known structure, wall ms",
            "networks of a known structure",
        ],
        rows=rows,
    )
