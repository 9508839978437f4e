"""Requests and answers of /v1/jobs."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictInt

from service.privacy.schemas import PrivacyRequest

MAX_SEED = 2**32 - 1

Rows = Annotated[StrictInt, Field(ge=1, description="Rows of the sample.")]
Seed = Annotated[StrictInt, Field(ge=0, le=MAX_SEED, description="Same seed, same result; chosen if not given.")]
Where = Annotated[
    list[Annotated[str, Field(min_length=1, max_length=10_000)]],
    Field(max_length=100, description='Conditions that every row meets, e.g. "age>=65", "sex=Female".'),
]
Balance = Annotated[
    str | dict[str, Any],
    Field(
        description='Shares of one column\'s values: "income" (equal shares), "income:<=50K=0.3,>50K=0.7", or '
        '{"column": "income", "shares": {"<=50K": 0.3, ">50K": 0.7}}.'
    ),
]
Mode = Annotated[
    Literal["full", "fast"],
    Field(description="fast: rows of a small network distilled from the generator, at a loss (docs/sampling.md)."),
]
Target = Annotated[str, Field(min_length=1, max_length=1_000, description="Column to predict in the utility section.")]
Evaluation = Annotated[
    dict[str, Any],
    Field(description="Options of the evaluation (docs/evaluation.md): subgroups, sensitive, known, analyses, rows..."),
]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid")


class SynthesizeRequest(_Request):
    """Train a synthesizer, draw a sample from it and evaluate the sample."""

    kind: Literal["synthesize"]
    dataset_id: str
    rows: Rows | None = Field(
        None, description="Default: as many as the dataset has; with `privacy` as many as its release estimates."
    )
    target: Target | None = None
    where: Where = []
    balance: Balance | None = None
    mode: Mode | None = None
    seed: Seed | None = None
    holdout: float = Field(0.1, ge=0.0, le=0.5, allow_inf_nan=False, description="Share of rows kept from training.")
    options: dict[str, Any] = Field({}, description="Of the generator, by name.")
    options_from: str | None = Field(None, description="Id of a tune job whose best options are taken.")
    evaluation: Evaluation = {}
    name: str | None = Field(None, max_length=200)
    privacy: PrivacyRequest | None = Field(None, description="Fit under differential privacy (docs/privacy.md).")


class ImputeRequest(_Request):
    """Fill missing cells of a table. The result holds real records."""

    dataset_id: str | None = Field(None, description="Default: the dataset that the synthesizer was trained on.")
    columns: list[str] | None = Field(None, max_length=10_000, description="Columns to fill. Default: all.")
    codes: list[str] | None = Field(
        None, max_length=1_000, description='Missing codes to fill ("" is a blank cell). Default: every one.'
    )


class SampleRequest(_Request):
    """Draw another sample from a trained synthesizer, or fill the missing cells of a table by it."""

    kind: Literal["sample"]
    synthesizer_id: str
    rows: Rows | None = Field(None, description="Needed, but for an imputation.")
    where: Where = []
    balance: Balance | None = None
    mode: Mode | None = None
    impute: ImputeRequest | None = None
    seed: Seed | None = None


class EvaluateRequest(_Request):
    """Evaluate a sample against the dataset that it comes from, or an upload against another one."""

    kind: Literal["evaluate"]
    sample_id: str | None = Field(None, description="A sample; or else `real` and `synthetic`.")
    real: str | None = Field(None, description="Id of the dataset that holds the real rows.")
    synthetic: str | None = Field(None, description="Id of the dataset that holds the synthetic rows.")
    holdout: str | None = Field(
        None, description="Id of a dataset of real rows that the synthetic ones were not made from: the control group."
    )
    replicates: list[str] | None = Field(
        None,
        min_length=1,
        max_length=19,
        description="Further samples of the same synthesizer (or datasets, beside `synthetic`), drawn alike with other "
        "seeds: the estimates of the analyses are combined over all.",
    )
    combining: Literal["simple", "posterior", "partial", "full"] | None = Field(
        None, description="How the replicates were made (docs/evaluation/utility.md). Default: simple."
    )
    target: Target | None = Field(None, description="Default, of a sample: the target of the training job.")
    evaluation: Evaluation | None = Field(None, description="Default, of a sample: that of the training job.")
    seed: Seed | None = None


class CompareRequest(_Request):
    """Compare classification and regression methods by cross-validation, on a dataset or on a sample."""

    kind: Literal["compare"]
    dataset_id: str | None = Field(None, description="The table to compare on; or else `sample_id`.")
    sample_id: str | None = None
    test: str | None = Field(
        None, description="Id of a dataset that the methods are tested on instead of held-out folds."
    )
    targets: list[str | list[str]] = Field(
        min_length=1,
        max_length=100,
        description="Columns to predict, each in a comparison of its own; a list of columns is predicted together.",
    )
    methods: list[str] | None = Field(None, description="Default: all that fit the task.")
    folds: StrictInt | None = Field(None, description="Of the cross-validation. Default: 5.")
    groups: str | None = Field(None, description="Column whose rows of one value are never divided between folds.")
    options: dict[str, Any] = Field({}, description="Further options (docs/classification.md), by name.")
    seed: Seed | None = None
    name: str | None = Field(None, max_length=200)


class TuneRequest(_Request):
    """Search training options; the trials are judged on rows held out inside the training part. With `method`, search
    the options of a method of classification or regression."""

    kind: Literal["tune"]
    dataset_id: str
    objective: Literal["detection", "utility", "likelihood"] = Field(
        "detection", description="What the trials are judged by; utility needs a target."
    )
    target: Target | None = None
    trials: StrictInt = Field(20, ge=2, le=500, description="At most so many; the first has the defaults.")
    max_time: float | None = Field(
        None, ge=1, le=10_000_000, allow_inf_nan=False, description="Seconds after which no more is tried."
    )
    validation: float = Field(
        0.2, ge=0.05, le=0.5, allow_inf_nan=False, description="Share of the training rows that trials are judged by."
    )
    space: dict[str, Any] | None = Field(
        None, description="By option: {low, high, log?} or a list of values. Default: around the defaults."
    )
    options: dict[str, Any] = Field({}, description="Training options that all trials share; of the comparison's.")
    method: str | None = Field(None, description="mlp, conv1d, linear, knn, tree, forest, boosting or svm.")
    search: Literal["bayes", "random", "grid"] | None = Field(None, description="With `method`. Default: bayes.")
    seed: Seed | None = None
    holdout: float = Field(0.1, ge=0.0, le=0.5, allow_inf_nan=False, description="Share of rows left out altogether.")
    name: str | None = Field(None, max_length=200)


JobRequest = Annotated[
    SynthesizeRequest | SampleRequest | EvaluateRequest | CompareRequest | TuneRequest, Field(discriminator="kind")
]


class Step(BaseModel):
    name: str
    state: Literal["pending", "running", "succeeded", "failed", "cancelled"]
    fraction: float
    message: str
    started_at: str | None
    ended_at: str | None


class JobOut(BaseModel):
    id: str
    kind: str
    state: Literal["queued", "running", "cancelling", "succeeded", "failed", "cancelled"]
    attempt: int
    max_attempts: int
    fraction: float = Field(description="Of the whole job, 0 to 1.")
    steps: list[Step]
    spec: dict[str, Any]
    dataset_id: str | None
    synthesizer_id: str | None
    sample_id: str | None
    problem: dict[str, Any] | None
    result: dict[str, Any] | None
    created_at: str
    started_at: str | None
    ended_at: str | None


class EventOut(BaseModel):
    id: int
    attempt: int
    type: str
    data: dict[str, Any]
    created_at: str


class Estimates(BaseModel):
    seconds: float = Field(description="Rough wall clock time on two cores.")
    seconds_low: float = Field(description="It hardly takes less than this,")
    seconds_high: float = Field(description="nor more than this, on two idle cores.")
    memory_bytes: int = Field(description="Rough peak of the job's process.")
    sample_bytes: int = Field(description="Rough size of the sample as CSV.")


class Spending(BaseModel):
    """Epsilons of the dataset's ledger, at the delta of its budget."""

    spent: float = Field(description="Reserved or settled so far.")
    spent_after: float = Field(description="With this job.")
    epsilon: float = Field(description="What may be spent.")
    delta: float
    accounts: dict[str, float] = Field(
        description="Of this job's releases by account. They do not add up: what is composed costs less."
    )


class DryRun(BaseModel):
    kind: str
    queue: str
    spec: dict[str, Any]
    estimates: Estimates
    privacy: Spending | None = Field(None, description="What a private job would spend.")
