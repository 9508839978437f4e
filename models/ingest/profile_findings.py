"""What a data scientist should know before modelling: findings, worst first, each with what to do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from models.schema import Kind, Schema

_ORDER = {"error": 0, "warning": 1, "info": 2}


@dataclass(frozen=True)
class Finding:
    """severity: error (modelling will suffer), warning (look at it), info. code: stable name of the rule."""

    severity: str
    column: str | None
    code: str
    message: str
    hint: str


def all_findings(
    schema: Schema,
    columns: Sequence[dict[str, Any]],
    repeated: dict[str, int],
    rows: int,
    target: dict[str, Any] | None,
    rules: Sequence[dict[str, Any]] = (),
) -> list[dict[str, Any]]:
    """Findings as JSON, sorted by severity, then in order of the columns."""
    found = list(_about_table(schema, columns, repeated, rows))
    for column in columns:
        found += _about_column(column)
    if target:
        found += _about_target(target)
    for rule in rules:
        if broken := rule["broken_rows"]:
            message = f"{broken:,} row(s) ({broken / rows:.2%}) break the rule: {rule['rule']}."
            hint = "Samples keep the rule in every row. Correct the data, or the rule if it says too much."
            found.append(Finding("warning", None, "broken_rule", message, hint))
    return [asdict(f) for f in sorted(found, key=lambda f: _ORDER[f.severity])]


def _about_table(
    schema: Schema, columns: Sequence[dict[str, Any]], repeated: dict[str, int], rows: int
) -> Iterator[Finding]:
    if rows < 200:
        hint = "Expect only simple patterns to be learnt, and a high risk of disclosure: use more rows."
        yield Finding("warning", None, "few_rows", f"The table has only {rows} rows.", hint)
    again = repeated["rows_apart_from_identifiers"]
    if again > 0.01 * rows:
        message = f"{again:,} rows ({again / rows:.1%}) repeat an earlier row apart from identifiers."
        hint = "Normal where columns are few and coarse; else remove duplicates, or one person may count twice."
        yield Finding("warning" if repeated["rows"] else "info", None, "duplicate_rows", message, hint)
    elif repeated["rows"]:
        message = f"{repeated['rows']:,} rows repeat an earlier row in all columns."
        yield Finding("info", None, "duplicate_rows", message, "Remove them if they are the same unit counted twice.")
    for name, earlier in schema.duplicates:
        hint = "One of the two is enough; the copy is reproduced from the other."
        yield Finding("warning", name, "duplicate_column", f"It repeats the column {earlier!r} in every row.", hint)
    for d in schema.dependencies:
        message = f"Its value follows from {' and '.join(map(repr, d.determinants))} in every row."
        yield Finding("info", d.dependent, "dependency", message, "Nothing to do: the relation is kept.")
    if not any(c.modelled for c in schema.columns):
        hint = "Change the kind of some columns in the schema."
        yield Finding("error", None, "nothing_to_model", "No column would be modelled.", hint)
    gappy = sum(c["missing"]["share"] > 0.5 for c in columns)
    if gappy > len(columns) / 2:
        message = f"{gappy} of {len(columns)} columns are missing in more than half of the rows."
        yield Finding("warning", None, "sparse", message, "Check that blanks mean missing, and not zero or no.")


def _about_column(column: dict[str, Any]) -> Iterator[Finding]:
    name, evidence, missing = column["name"], column["evidence"], column["missing"]["share"]
    rule = evidence.get("rule", "")
    if rule == "all_missing" or (missing == 1.0 and column["kind"] not in (Kind.TEXT, Kind.IDENTIFIER)):
        yield Finding("warning", name, "all_missing", "Every cell is missing.", "Drop the column, or check the export.")
        return
    if rule == "constant":
        yield Finding("info", name, "constant", "It never varies.", "Nothing to do; it carries no information.")
    if column["kind"] == Kind.IDENTIFIER:
        hint = "Fresh values stand in its place. If it is a quantity or a label, change its kind."
        yield Finding("info", name, "identifier", f"It identifies rows ({evidence.get('reason', 'declared')}).", hint)
    if column["kind"] == Kind.TEXT:
        hint = "Numbered stand-ins take its place. If its values are labels, set the kind to categorical."
        yield Finding(
            "warning", name, "text", f"It is not modelled: {evidence.get('reason', 'declared as text')}.", hint
        )
    if missing > 0.5:
        hint = "Check that a blank means missing, and not zero or no."
        yield Finding("warning", name, "mostly_missing", f"It is missing in {missing:.0%} of the rows.", hint)
    elif missing > 0.05:
        hint = "Its share is reproduced; a model trained on the data needs a plan for it."
        yield Finding("info", name, "missing", f"It is missing in {missing:.1%} of the rows.", hint)
    for code, why in dict(evidence.get("proposed", {})).items():
        if why.startswith(("stray", "shared", "sentinel")) and column["kind"] != Kind.TEXT:
            hint = "If it is a value, take it out of `missing_codes` in the schema."
            yield Finding("info", name, "missing_code", f"{code!r} is read as missing: {why.split(': ', 1)[1]}.", hint)
    for warning in evidence.get("warnings", ()):
        if not warning.startswith(("it never varies", "every cell", "it repeats")):
            hint = "Look at the column; override its kind or missing codes in the schema if need be."
            yield Finding("warning", name, "check_type", warning[:1].upper() + warning[1:] + ".", hint)
    yield from _about_values(column)


def _about_values(column: dict[str, Any]) -> Iterator[Finding]:
    name = column["name"]
    if odd := column.get("implausible"):
        message = f"{odd['rows']:,} value(s) are outside {odd['low']:g} to {odd['high']:g}, where {odd['what']} belong."
        hint = "Correct them or name their code for missing."
        yield Finding("warning", name, "implausible_range", message, hint)
    if rare := column.get("rare_labels"):
        message = f"{rare} label(s) occur in fewer than 10 rows."
        hint = "Rare labels may disclose a person and cannot be learnt well: consider merging them."
        yield Finding("info", name, "rare_labels", message, hint)
    outliers = column.get("outliers") or {}
    rows = sum((column.get("histogram") or {}).get("rows", [])) or 1
    far = outliers.get("far_fence") or 0
    if 0 < far <= 0.05 * rows:
        message = f"{far:,} value(s) lie more than 3 quartile ranges outside the quartiles."
        hint = "Check that they are real; a maximum that is an error stretches the whole column."
        yield Finding("info", name, "outliers", message, hint)
    commonest = column.get("commonest")
    if commonest and commonest["share"] > 0.95 and column.get("unique", 0) > 2:
        message = f"One value fills {commonest['share']:.1%} of its cells."
        yield Finding("info", name, "nearly_constant", message, "The rest is rare and will be learnt less well.")


def _about_target(target: dict[str, Any]) -> Iterator[Finding]:
    name = target["column"]
    smallest, classes = target.get("smallest_share"), len(target.get("classes", ()))
    if smallest is not None and smallest * classes < 0.4:  # 1 where all classes are alike
        severity = "error" if smallest * classes < 0.01 else "warning" if smallest * classes < 0.2 else "info"
        message = f"The target is imbalanced: its rarest class has {smallest:.2%} of the rows."
        hint = "Judge models by AUC or F1, not accuracy; draw balanced samples with a condition on it."
        yield Finding(severity, name, "imbalanced_target", message, hint)
    if target["missing_share"] > 0:
        message = f"The target is missing in {target['missing_share']:.1%} of the rows."
        yield Finding("warning", name, "target_missing", message, "Those rows cannot train or test a model of it.")
    for item in target["columns"]:
        if item["leak"]:
            message = f"It nearly determines the target {name!r} on its own ({target['measure']} {item['score']:.3f})."
            hint = "If it is only known after the target, leave it out of models: it leaks the answer."
            yield Finding("warning", item["column"], "leak", message, hint)
