"""The training section of a report: curve, what was kept, why it ended, and the discriminator in words."""

from typing import Any

from service.reports.html import render
from service.reports.html.charts import curves
from service.reports.html.training import training

CURVE = [
    {"step": 100, "loss": 30.0, "validation": 31.0, "seconds": 1.0},
    {"step": 200, "loss": 25.0, "validation": 27.5, "seconds": 2.0},
    {"step": 300, "loss": 22.0, "validation": 29.0, "seconds": 3.0},
]
PLAN = {"steps": 900, "patience": 1, "select": "validation"}
PHASE = {
    "played": True,
    "kept": True,
    "auc_before": 0.57,
    "auc_after": 0.521,
    "reason": "the held-out AUC fell",
    "trees": 120,
}


def manifest(**more: Any) -> dict[str, Any]:
    return {"curve": CURVE, "plan": PLAN, "steps": 300, "seconds": 3.2, "options": {"max_time": None}, **more}


def found(**more: Any) -> dict[str, Any]:
    out = training(manifest(**more))
    assert out is not None
    return out


def test_early_stopping_and_the_kept_weights_are_marked() -> None:
    out = found()
    assert out["marks"] == [(200, 27.5, "kept", "kept"), (300, None, "ended", "ended early")]
    assert out["kept"] == 200
    assert out["told"] == [
        "Training ended after 300 of 900 planned steps and 3 s: the validation loss had not fallen for 1 check.",
        "Kept were the averaged weights of step 200, whose validation loss was lowest.",
    ]
    drawn = curves(out["lines"], "Training curve", "step", "loss", False, True, 200, out["marks"])
    assert drawn.count('class="line mark kept"') == 1
    assert drawn.count('class="line mark ended"') == 1
    assert "<title>kept: 27.5</title>" in drawn


def test_the_last_weights_of_a_training_that_took_all_its_steps() -> None:
    out = found(plan={**PLAN, "steps": 300, "select": "last"})
    assert out["marks"] == [(300, 29.0, "kept", "kept")]
    assert out["told"][0] == "Training ended after all 300 planned steps and 3 s."
    assert "step 300, the last ones" in out["told"][1]


def test_a_training_that_ran_out_of_time() -> None:
    out = found(plan={**PLAN, "select": "last"}, options={"max_time": 3})
    assert out["told"][0].endswith("300 of 900 planned steps and 3 s: its time of 3 s was over.")
    assert out["marks"] == [(300, 29.0, "kept", "kept; ended early")]
    said = found(seconds=2.9, ended="max_time", options={"max_time": 3})["told"][0]
    assert said.endswith("its time of 3 s was over."), "the manifest's word counts"
    assert "had not fallen" in found(ended="patience", options={"max_time": 3})["told"][0]


def test_the_kept_step_is_in_a_long_table() -> None:
    curve = [{"step": s, "loss": 9.0, "validation": abs(s - 1370) + 1.0} for s in range(10, 3_000, 10)]
    out = found(curve=curve)
    assert out["kept"] == 1370
    assert 1370 in [p["step"] for p in out["rows"]]
    assert len(out["rows"]) <= 22


def test_the_discriminator_is_told() -> None:
    words = found(adversarial=PHASE)["told"][-1]
    assert words.startswith("A discriminator of 120 trees chooses among the drawn rows: the held-out AUC fell.")
    assert "0.570 without and 0.521 with" in words
    refused = found(adversarial={**PHASE, "kept": False, "auc_after": 0.57, "reason": "it did not fall"})["told"][-1]
    assert "left out: it did not fall." in refused
    assert "with it" not in refused
    skipped = found(adversarial={"played": False, "kept": False, "reason": "not asked for"})["told"][-1]
    assert skipped == "No discriminator chooses among the drawn rows: not asked for."


def test_foreign_and_bare_manifests_are_drawn_as_far_as_they_go() -> None:
    assert training({}) is None
    assert training({"curve": []}) is None
    bare = training({"curve": [{"step": 1, "loss": 3.0}]})
    assert bare is not None
    assert (bare["marks"], bare["told"], bare["kept"]) == ([], [], None)
    unknown = found(plan={"select": "two-sample"})
    assert unknown["kept"] is None
    unjudged = found(curve=[{"step": 5, "loss": 2.0}])
    assert unjudged["marks"][0] == (5, None, "kept", "kept; ended early")


def page_of(manifest: dict[str, Any]) -> str:
    report = {
        "id": "rep_1", "dataset_id": "ds_1", "sample_id": "smp_1", "created_at": "2026-01-02T03:04:05Z",
        "dataset": {"name": "a.csv", "sha256": "0", "rows": 900, "columns": 2},
        "sample": {"row_count": 12, "where": [], "seed": 7, "warnings": []},
        "synthesizer": {"manifest": manifest},
        "metrics": [], "sections": {}, "meta": {},
    }  # fmt: skip
    page = render(report)
    return page[page.index('<section id="training">') : page.index('<section id="provenance">')]


def test_the_page_shows_all_of_it() -> None:
    section = page_of(manifest(adversarial={**PHASE, "reason": "<b>"}))
    for words in ("weights kept", "ended early", "300 of 900", "120 trees", "0.521", "&lt;b&gt;", "27.500"):
        assert words in section, words
    assert section.count("<td>kept</td>") == 1


def test_the_critic_of_a_classic_gan_has_a_line_of_its_own() -> None:
    curve = [{"step": s, "loss": -0.1 * s, "critic": 0.2 * s, "seconds": 1.0} for s in (10, 20)]
    section = page_of({"curve": curve, "steps": 20, "plan": {"steps": 20}, "seconds": 1.0})
    for words in (">Generator<", ">Critic<", "play against each other", "after all 20 planned steps", "-2.000"):
        assert words in section, words
    assert "nats" not in section
    assert "kept" not in section
