"""What the parts of the masked generator add: one change at a time against a base, on the bench's tables.

    python -m bench.ablation --data DIR [--tables adult magic] [--variants base no-basis] [--doc docs/generator.md]

The base: `adversarial=never`, at most --rows training rows, all of them trained on, --steps steps, the target named,
one thread. A variant changes one thing (bench.variants); those that leave the training alone start from the base's
checkpoint. As many rows are drawn as trained on and scored as bench.score does: c2st, mle and shape. Every result is a
line of OUT/results.jsonl; what is there is not run again, whichever commit made it. A run that fails is a result that
says why.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from bench import data
from bench.downstream import downstream
from bench.matrices import Reader, read
from bench.score import C2ST_ROWS, c2st, some
from bench.summary import Result, cell_text, results
from bench.variants import BASE, BY_NAME, VARIANTS, Variant, part
from models import synthesize
from models.evaluation.marginals import column_errors
from models.ingest import Limits, infer_schema, read_upload
from models.options import FitOptions
from models.progress import SILENT
from models.streaming import stream_csv
from models.synthesize import Synthesizer, fit, sample
from models.table import Table

BEGIN, END = "<!-- ablation:begin -->", "<!-- ablation:end -->"
KEY = ("table", "variant", "settings")
"""What tells one result from another."""
TABLES = ("adult", "magic", "default", "beijing", "national2019")
FIGURES = {"c2st": 3, "mle": 3, "shape": 2}
NOISE = {"c2st": 0.01, "mle": 0.003}
"""Differences below these are chance."""
Scores = dict[str, float]


def key(result: Result) -> str:
    return json.dumps([result[k] for k in KEY], sort_keys=True)


class Bench:
    """Runs variants on one table. folder: for its files and the base's weights."""

    def __init__(self, split: data.Split, folder: Path, settings: Mapping[str, int]) -> None:
        self.split, self.folder, self.settings = split, folder, settings
        self.paths = data.write(split, folder)
        upload = read_upload(self.paths[0], filename="train.csv", limits=Limits(), progress=SILENT)
        self.table = Table(infer_schema(*upload), upload.data)
        self.frames = [read(path, split.code) for path in self.paths]
        self.reader = Reader.fit(self.frames[0])
        self.base: Synthesizer | None = None

    def run(self, variant: Variant, base: Result | None) -> Result:
        """Scores, processor seconds and facts. base: its result."""
        if base is not None and "failed" in base:
            return {"failed": "the base failed"}
        why = variant.same(base["facts"]) if base is not None and "facts" in base else ""
        if why:
            return {"same": why}
        if variant is BASE:  # never from a checkpoint: another commit may have left it
            shutil.rmtree(self.folder / BASE.name, ignore_errors=True)
        ready = self.weights() if variant.starts == "weights" else None
        with variant.patch():
            began = time.process_time()
            made = ready or self.fitted(variant)
            fitted = time.process_time()
            table = sample(made, len(self.table), seed=self.settings["seed"])
            drawn = time.process_time()
        if variant is BASE:
            self.base = made
        path = self.folder / f"{variant.name}.csv"
        with path.open("wb") as out:
            out.writelines(stream_csv(iter(table.data.to_batches()), made.schema))
        found: Result = {"scores": self.score(path), "facts": facts(made, self.split)}
        times = {"fit_cpu_s": fitted - began, "sample_cpu_s": drawn - fitted}
        if variant.starts != "nothing":
            times.pop("fit_cpu_s")
        return (
            found | {k: round(v, 1) for k, v in times.items()} | {"score_cpu_s": round(time.process_time() - drawn, 1)}
        )

    def fitted(self, variant: Variant) -> Synthesizer:
        own: dict[str, Any] = {"target": self.split.target, "seed": self.settings["seed"], **variant.options}
        fixed = {"holdout": 0.0, "steps": self.settings["steps"], "threads": 1, "adversarial": "never", "device": "cpu"}
        options = FitOptions.from_json({**fixed, **own})
        shares = variant is BASE or variant.starts == "training"
        folder = self.folder / BASE.name if shares else None
        # What such a variant changes comes after the training, so its checkpoint is that of the base.
        with part(synthesize, "_fingerprint", lambda *a: key_of(self.settings))() if shares else nullcontext():
            return fit(self.table, options=options, checkpoint=folder)

    def weights(self) -> Synthesizer:
        """The base, from its checkpoint where an earlier process has trained it."""
        if self.base is None:
            self.base = self.fitted(BASE)
        return self.base

    def score(self, path: Path) -> Scores:
        """c2st, mle and shape, as bench.score."""
        real, held, other = self.reader.matrices(*self.frames, read(path, self.split.code))
        return {
            "c2st": round(c2st(self.reader, some(real, C2ST_ROWS), some(other, C2ST_ROWS)), 4),
            "mle": round(downstream(self.reader, other, held, self.split.target, self.split.task), 4),
            "shape": round(100 * float(column_errors([real, other]).mean(0)), 4),
        }


def key_of(settings: Mapping[str, int]) -> str:
    return "ablation " + json.dumps(dict(settings), sort_keys=True)


def facts(made: Synthesizer, split: data.Split) -> Result:
    """What tells whether a variant has anything to change."""
    return {
        "links": len(made.encoding.links),
        "derived": len(made.encoding.derived),
        "pairs": len(made.pairs),
        "two_stage": sum(p >= 0 for p in made.encoding.layout.parents),
        "target_moved": split.target != split.train.columns[-1],
        "last_kept": made.manifest["plan"]["select"] == "last",
        "slots": len(made.encoding.layout.sizes),
        "width": made.encoding.layout.width,
        "adversarial": made.manifest.get("adversarial"),
        "train_rows": len(split.train),
    }


def orders(given: Any) -> Iterator[tuple[str, Variant]]:
    """Each variant on all tables before the next; the base of each table first."""
    for table in given.tables:
        yield table, BASE
    for variant in VARIANTS:
        if variant is not BASE and variant.name in given.variants:
            for table in given.tables:
                yield table, variant


def report(everything: Sequence[Result], settings: Mapping[str, int]) -> str:
    """The base's figures, then a table for each block of variants: differences to the base."""
    latest = {(r["table"], r["variant"]): r for r in everything if r["settings"] == settings}
    tables = [t for t in data.TABLES if (t, BASE.name) in latest]
    lines = [
        f"At most {settings['rows']:,} training rows, {settings['steps']:,} steps, seed {settings['seed']}, one "
        "thread. Each cell: c2st / mle / shape in percent; below the base, differences to it. **Bold**: c2st moved by "
        f"{NOISE['c2st']:g} or mle by {NOISE['mle']:g} at least; less is noise at one seed. time: processor seconds "
        "of the fit against the base's, median over tables; empty where the base's training was taken over.\n",
        "| | time | " + " | ".join(tables) + " |",
        "| --- |" + " --- |" * (len(tables) + 1),
    ]
    base = {t: latest[t, BASE.name] for t in tables}
    lines.append("| base | 1 | " + " | ".join(absolute(base[t]) for t in tables) + " |")
    block = ""
    for variant in sorted(VARIANTS[1:], key=lambda v: [w.block for w in VARIANTS].index(v.block)):
        found = {t: latest[t, variant.name] for t in tables if (t, variant.name) in latest}
        if not found:
            continue
        if variant.block not in (block, BASE.block):
            lines.append(f"| *{variant.block}* |" + " |" * (len(tables) + 1))
        block = variant.block
        ratios = [
            r["fit_cpu_s"] / base[t]["fit_cpu_s"]
            for t, r in found.items()
            if r.get("fit_cpu_s") and base[t].get("fit_cpu_s")
        ]
        cells = [difference(found[t], base[t]) if t in found else "not run" for t in tables]
        time_ = f"{statistics.median(ratios):.2f}" if ratios else ""
        lines.append(f"| {variant.what} | {time_} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def absolute(result: Result) -> str:
    if "scores" not in result:
        return cell_text(f"failed: {result['failed']}")
    return " / ".join(f"{result['scores'][k]:.{d}f}" for k, d in FIGURES.items())


def difference(result: Result, base: Result) -> str:
    if "same" in result:
        return cell_text(result["same"])
    if "failed" in result or "failed" in base:
        return cell_text(f"failed: {result.get('failed', 'the base')}")
    by = {k: result["scores"][k] - base["scores"][k] for k in FIGURES}
    text = " / ".join(f"{by[k]:+.{d}f}" for k, d in FIGURES.items())
    return f"**{text}**" if any(abs(by[k]) >= least for k, least in NOISE.items()) else text


def write(file: Path, text: str) -> None:
    """Puts `text` between the markers; what stands outside them stays. Raises ValueError where they are missing."""
    whole = file.read_text(encoding="utf-8")
    if whole.count(BEGIN) != 1 or whole.count(END) != 1 or whole.index(BEGIN) > whole.index(END):
        raise ValueError(f"{file} must hold the lines {BEGIN} and {END}, once and in this order.")
    before, after = whole.split(BEGIN)[0], whole.split(END)[1]
    file.write_text(f"{before}{BEGIN}\n{text.strip()}\n{END}{after}", encoding="utf-8")


def parse(arguments: list[str] | None) -> Any:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    folder = os.environ.get("POPULACE_BENCH_DATA")
    parser.add_argument("--data", type=Path, default=Path(folder) if folder else None)
    parser.add_argument("--tables", nargs="+", choices=list(data.TABLES))
    parser.add_argument("--variants", nargs="+", choices=list(BY_NAME), default=list(BY_NAME))
    parser.add_argument("--rows", type=int, default=12_000, help="training rows at most")
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("build/bench/ablation"))
    parser.add_argument("--doc", type=Path, help="write the tables between this file's markers")
    parser.add_argument("--retry", action="store_true", help="run again what failed")
    parser.add_argument("--report", action="store_true", help="run nothing")
    given = parser.parse_args(arguments)
    given.tables = given.tables or (list(TABLES) if given.data else ["census"])
    return given


def main(arguments: list[str] | None = None) -> int:
    """1 if a base failed, else 0."""
    given = parse(arguments)
    settings = {"rows": given.rows, "steps": given.steps, "seed": given.seed}
    given.out.mkdir(parents=True, exist_ok=True)
    file, bad = given.out / "results.jsonl", 0
    done = {key(r): r for r in results(file)}
    benches: dict[str, Bench] = {}
    for table, variant in orders(given) if not given.report else ():
        asked = {"table": table, "variant": variant.name, "settings": settings}
        known = done.get(key(asked))
        if known is None or ("failed" in known and given.retry):
            base = done.get(key({**asked, "variant": BASE.name}))
            try:
                if table not in benches:
                    name = f"{table}-{given.rows}-{given.steps}-{given.seed}"
                    benches[table] = Bench(data.load(table, given.data, given.rows), given.out / name, settings)
                known = asked | benches[table].run(variant, base)
            except data.NoData as error:
                raise SystemExit(str(error)) from None
            except Exception as error:  # whatever it is, it is this run's result
                known = asked | {"failed": f"{type(error).__name__}: {error}"[:200]}
            done[key(asked)] = known
            with file.open("a", encoding="utf-8") as lines:
                lines.write(json.dumps(known) + "\n")
            print(json.dumps(known), flush=True)
        bad += variant is BASE and "failed" in known
    text = report(results(file), settings)
    (given.out / "tables.md").write_text(text, encoding="utf-8")
    if given.doc:
        write(given.doc, text)
    return 1 if bad else 0


if __name__ == "__main__":
    raise SystemExit(main())
