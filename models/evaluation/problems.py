"""What can be wrong with a sample, in words: how far beyond its bar a figure is grave, and what to try.

Severity is one scale for all: 0 at the bar, 1 where a sample is unsafe, or of little use for what the figure is about.
"""

from __future__ import annotations

from dataclasses import dataclass

from models.evaluation.result import Metric

BANDS = ("slight", "clear", "grave")
CLEAR, GRAVE = 0.25, 1.0
"""Severities from which on a problem is clear, and grave."""
WORST = 3.0
"""No problem counts as graver."""

INVENTED, DOMAIN, LOST, GONE, BROKEN, GROUP, SHAPE, INSIDE, WEIGHED, COPIED, RISK, EFFECT = range(12)
RELATION = GROUP
"""What a problem is about, the most telling first: it explains those after it that concern the same columns. COPIED
explains RISK, and neither anything else; EFFECT comes of the others. WEIGHED: what counts of rows do not show."""

Advice = tuple[str, str, str]
COLUMN: Advice = (
    "Draw a larger sample, or train longer.",
    "Check the column's kind, bounds and missing codes in the schema; train longer.",
    "The column was not learnt: check its kind and bounds in the schema, merge its rare categories, and train again.",
)
CATEGORIES: Advice = (
    "Draw a larger sample: rare categories come with more rows.",
    "Merge rare categories, or balance the sample by this column.",
    "Check that the category is declared in the schema and occurs in the training rows; train again.",
)
MISSING: Advice = (
    "Train longer.",
    "Declare its missing codes in the schema; train longer.",
    "Declare its missing codes in the schema, and the rule that says for whom it is missing.",
)
RELATIONS: Advice = (
    "Train longer.",
    "Train longer or with a larger network; merge rare categories.",
    "Declare a derived column as such; check the columns' kinds, then train longer with a larger network.",
)
RULES: Advice = (
    "Declare the rule in the schema: samples then keep it.",
    "Declare the rule in the schema: samples then keep it.",
    "Declare the rule, or the derived column, in the schema: samples then keep it.",
)
GROUPS: Advice = (
    "Draw a larger sample.",
    "Balance the sample by these columns, or train longer.",
    "Balance the sample by these columns; if the group is small, merge it with a neighbour.",
)
WEIGHTS: Advice = (
    "Draw a larger sample, or rake its weights to known totals.",
    "Check the pairs that hold the weight, and train longer; rake the sample's weights to known totals.",
    "Do not publish weighted tables of this sample: check the weight's kind and bounds and its pairs, train again.",
)
MEMORY: Advice = (
    "Stop training earlier, or add dropout.",
    "Stop training earlier, add dropout, or train with differential privacy.",
    "Do not release this sample: train with differential privacy, or much shorter.",
)
DETECTED: Advice = (
    "See which columns betray it in the detection section.",
    "See which columns betray it in the detection section; train longer, or search options.",
    "See which columns betray it in the detection section and mend those first; search options.",
)
PREDICTED: Advice = (
    "Draw a larger sample, or train longer.",
    "Name the target when training, train longer, and check the pairs that hold it.",
    "The target was hardly learnt: check its kind and the pairs that hold it, then train again with it as the target.",
)
ANALYSED: Advice = (
    "Draw several samples and combine their estimates (docs/evaluation/utility.md).",
    "Train longer; check the pairs of the analysis's columns.",
    "Do not run this analysis on the sample; check the pairs of its columns, then train again.",
)
POOLED: Advice = (
    "Train longer: more samples narrow the intervals, but do not move them.",
    "Train longer; check the pairs of the analysis's columns.",
    "Do not run this analysis on samples of this synthesizer; check the pairs of its columns, then train again.",
)


@dataclass(frozen=True)
class Kind:
    """about: what it concerns; grave: how far beyond the bar severity is 1; title: {subject} is filled in."""

    about: int
    grave: float
    title: str
    advice: Advice


KINDS = {
    "invented": Kind(INVENTED, 0.2, "An association was invented: {subject}", RELATIONS),
    "invalid": Kind(DOMAIN, 0.05, "Values that the real table does not know: {subject}", CATEGORIES),
    "coverage": Kind(DOMAIN, 0.02, "Categories are absent: {subject}", CATEGORIES),
    "range": Kind(DOMAIN, 0.05, "Values outside the real range: {subject}", COLUMN),
    "missing": Kind(GONE, 0.1, "The share of missing values is off: {subject}", MISSING),
    "missing_patterns": Kind(GONE, 0.2, "Values are missing together that are not so in the real table", MISSING),
    "missing_dependence": Kind(GONE, 0.2, "Values are missing for the wrong rows: {subject}", MISSING),
    "rules": Kind(BROKEN, 0.05, "A rule is broken: {subject}", RULES),
    "functions": Kind(BROKEN, 0.1, "A fixed relation is broken: {subject}", RULES),
    "impossible": Kind(BROKEN, 0.05, "Combinations that no real row has: {subject}", RULES),
    "subgroup_size": Kind(GROUP, 0.5, "A subgroup has the wrong size: {subject}", GROUPS),
    "crossing_size": Kind(GROUP, 0.5, "A crossing of two groups has the wrong size: {subject}", GROUPS),
    "trend": Kind(RELATION, 0.3, "The relation of {subject} is off", RELATIONS),
    "vanished": Kind(RELATION, 0.2, "An association has vanished: {subject}", RELATIONS),
    "shape": Kind(SHAPE, 0.15, "The distribution of {subject} is off", COLUMN),
    "dates": Kind(SHAPE, 0.15, "The dates of {subject} are off", COLUMN),
    "text_missing": Kind(GONE, 0.2, "Texts are missing too often or too rarely: {subject}", MISSING),
    "identifier_repeats": Kind(DOMAIN, 0.05, "Identifiers repeat: {subject}", COLUMN),
    "text_length": Kind(SHAPE, 0.15, "The lengths of the texts of {subject} are off", COLUMN),
    "weighted_total": Kind(WEIGHED, 0.2, "The weights sum up to another population", WEIGHTS),
    "weighted_group": Kind(WEIGHED, 0.5, "A group's share of the population is off: {subject}", WEIGHTS),
    "weighted_shape": Kind(WEIGHED, 0.15, "The weighted distribution of {subject} is off", WEIGHTS),
    "weighted_trend": Kind(WEIGHED, 0.3, "The weighted table of {subject} is off", WEIGHTS),
    "weighted_mean": Kind(WEIGHED, 0.3, "The weighted mean of {subject} is off", WEIGHTS),
    "subgroup_error": Kind(INSIDE, 0.3, "Within a subgroup the columns are off: {subject}", GROUPS),
    "copies": Kind(COPIED, 0.02, "Rows of the training data are repeated", MEMORY),
    "near_copies": Kind(COPIED, 0.05, "Rows of the training data are nearly repeated", MEMORY),
    "dcr_share": Kind(RISK, 0.1, "The sample huddles around training rows", MEMORY),
    "dcr_ratio": Kind(RISK, 0.5, "The sample is too near to training rows", MEMORY),
    "membership_auc": Kind(RISK, 0.2, "Membership in the training data can be inferred by {subject}", MEMORY),
    "membership_tpr_1": Kind(RISK, 0.2, "Membership in the training data can be inferred by {subject}", MEMORY),
    "membership_tpr_01": Kind(RISK, 0.2, "Membership in the training data can be inferred by {subject}", MEMORY),
    "inference_neighbour": Kind(RISK, 0.2, "A sensitive column can be inferred: {subject}", MEMORY),
    "inference_model": Kind(RISK, 0.2, "A sensitive column can be inferred: {subject}", MEMORY),
    "cap": Kind(RISK, 0.2, "A sensitive column can be inferred: {subject}", MEMORY),
    "singling_out_univariate": Kind(RISK, 0.2, "Single training rows can be picked out by one column", MEMORY),
    "singling_out_multivariate": Kind(RISK, 0.2, "Single training rows can be picked out", MEMORY),
    "linkability": Kind(RISK, 0.2, "Two halves of a training row can be linked", MEMORY),
    "replicated_uniques": Kind(RISK, 0.2, "Unique training rows recur in the sample", MEMORY),
    "c2st": Kind(EFFECT, 0.8, "The sample can be told from real rows", DETECTED),
    "detection_auc": Kind(EFFECT, 0.4, "The sample can be told from real rows", DETECTED),
    "k_marginal_subsample": Kind(EFFECT, 0.5, "Tables of several columns are off (k-marginal)", RELATIONS),
    "k_marginal": Kind(EFFECT, 300.0, "Tables of several columns are off (k-marginal)", RELATIONS),
    "k_marginal_area": Kind(EFFECT, 300.0, "Tables of several columns are off where {subject} (k-marginal)", GROUPS),
    "analysis_worst": Kind(EFFECT, 20.0, "An analysis comes out differently: {subject}", ANALYSED),
    "pooled_cover": Kind(EFFECT, 1.0, "Combined intervals miss the real estimates: {subject}", POOLED),
    "pooled_overlap": Kind(EFFECT, 1.0, "Combined intervals share little with the real ones: {subject}", POOLED),
    "pooled_worst": Kind(EFFECT, 20.0, "A combined estimate is off: {subject}", POOLED),
    "spmse": Kind(EFFECT, 20.0, "A regression tells the sample from real rows (S_pMSE)", DETECTED),
    "spmse_pairs": Kind(EFFECT, 20.0, "Pairs of columns tell the sample from real rows (S_pMSE)", RELATIONS),
    "sdmetrics_diagnostic": Kind(DOMAIN, 0.1, "Values outside the real domain", CATEGORIES),
    "sdmetrics_quality": Kind(EFFECT, 0.2, "SDMetrics' quality report is low", RELATIONS),
}
"""By name of the metric. Others are judged by their section."""
BY_SECTION = {
    "columns": Kind(SHAPE, 0.15, "{name} is off: {subject}", COLUMN),
    "pairs": Kind(EFFECT, 0.3, "{name} is off: {subject}", RELATIONS),
    "coverage": Kind(DOMAIN, 0.05, "{name} is off: {subject}", CATEGORIES),
    "missingness": Kind(GONE, 0.2, "{name} is off: {subject}", MISSING),
    "subgroups": Kind(INSIDE, 0.3, "{name} is off: {subject}", GROUPS),
    "associations": Kind(RELATION, 0.3, "{name} is off: {subject}", RELATIONS),
    "relations": Kind(RELATION, 0.3, "{name} is off: {subject}", RELATIONS),
    "rules": Kind(BROKEN, 0.05, "{name} is off: {subject}", RULES),
    "utility": Kind(EFFECT, 0.0, "Predicting the target suffers ({subject})", PREDICTED),
    "analyses": Kind(EFFECT, 20.0, "An analysis comes out differently: {subject}", ANALYSED),
    "pooled": Kind(EFFECT, 1.0, "Combined estimates come out differently: {subject}", POOLED),
    "detection": Kind(EFFECT, 0.4, "{name} is off: {subject}", DETECTED),
    "disclosure": Kind(RISK, 0.1, "{name} shows a risk: {subject}", MEMORY),
}
OTHER = Kind(EFFECT, 0.3, "{name} is off: {subject}", COLUMN)
PRIVATE: Advice = (
    "Spend a larger epsilon, or merge rare categories.",
    "Spend a larger epsilon, leave out columns, or declare coarser bins and merged categories.",
    "Spend a larger epsilon on fewer columns, with coarser bins and merged categories; compare the mechanisms.",
)
"""Under differential privacy longer training costs budget, and memory is bounded by it already."""
PRIVATE_DOMAIN: Advice = (
    "Declare the categories that are public, or spend more on finding them.",
    "Declare the categories, if they are public, or spend more on finding them; merge rare ones before.",
    "Declare the categories, if they are public; else merge rare ones before, or spend more on the domain: what few "
    "rows have cannot be found privately.",
)
PRIVATE_RISK: Advice = (
    "Compare with the control; the privacy statement bounds what can be learnt of one unit.",
    "Check that the unit of privacy is the person, and that columns declared public are public.",
    "Do not release this sample: check the unit of privacy and what was declared public, and run the audit.",
)
MEANS = {
    "shape": "columns",
    "missing": "missing shares",
    "trend": "pairs",
    "tvd2": "pairs",
    "tvd3": "triples",
    "weighted_shape": "weighted columns",
    "weighted_trend": "weighted tables of pairs",
    "weighted_tvd2": "weighted tables of pairs",
    "weighted_tvd3": "weighted tables of triples",
}
"""Figures of the whole table that only sum up those of its parts."""


def kind_of(m: Metric) -> Kind:
    known = KINDS.get(m.name) or BY_SECTION.get(m.section, OTHER)
    if not m.subject and m.name in MEANS:
        return Kind(EFFECT, 0.3, f"The {MEANS[m.name]} are off on average", known.advice)
    return known


def severity_of(m: Metric) -> float:
    """0 for a figure that does not fail; else how far it is beyond its bar, as a share of what is grave."""
    if m.status != "fail" or m.value is None or m.bar is None:
        return 0.0
    kind = kind_of(m)
    grave = kind.grave
    if m.section == "utility" and m.floor is not None:
        grave = max(abs(m.bar - m.floor), 0.05)
    return min(abs(m.value - m.bar) / (grave or 0.3), WORST)


def title_of(m: Metric, subject: str = "") -> str:
    title = kind_of(m).title.format(name=m.name, subject=subject or m.subject)
    return title.removesuffix(": ").removesuffix(" ()") if not (subject or m.subject) else title


def text_of(m: Metric) -> str:
    """Value, bar and what fresh real rows read."""
    known = f"; fresh real rows read {shown(m.expected, m.unit)} on average" if m.expected is not None else ""
    if not known and m.holdout is not None:
        known = f"; the holdout reads {shown(m.holdout, m.unit)}"
    return f"It reads {shown(m.value, m.unit)} where {shown(m.bar, m.unit)} passes{known}."


def shown(value: float | None, unit: str) -> str:
    if value is None:
        return "nothing"
    if unit == "share":
        return f"{100 * value:.1f}%" if abs(value) >= 0.01 else f"{100 * value:.2f}%"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3f}"


def band_of(severity: float) -> int:
    return 0 if severity < CLEAR else 1 if severity < GRAVE else 2
