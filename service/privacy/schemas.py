"""Requests and answers about privacy budgets. Bounds of epsilon and delta are checked where the remedy can be told."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictInt

Epsilon = Annotated[float, Field(allow_inf_nan=False, json_schema_extra={"exclusiveMinimum": 0})]
Delta = Annotated[float, Field(allow_inf_nan=False, json_schema_extra={"exclusiveMinimum": 0, "exclusiveMaximum": 1})]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Unit(_Strict):
    """Who is protected: all rows with the same value of `column`, of which at most `rows` are used."""

    column: str = Field(min_length=1, max_length=1_000, examples=["household"])
    rows: StrictInt = Field(ge=1, le=1_000_000, description="Rows of one unit at most; more are left out at random.")


class BudgetIn(_Strict):
    """What may be learnt about any one unit, in all, from now on and counting what was spent before."""

    epsilon: Epsilon
    delta: Delta = Field(description="Below 1 / rows_at_most.")
    rows_at_most: StrictInt = Field(
        ge=1, le=2**53, description="How many rows the table has at most. Made public; an upper bound will do."
    )
    unit: Unit | None = Field(None, description="Default: each row is a unit.")


class Shares(_Strict):
    """Parts of epsilon; they add up to 1."""

    domain: Share | None = Field(
        None,
        description="For finding bounds, categories and bins that no public schema gives. Default: a fifth where only "
        "bins of public numbers have to be found, else nothing.",
    )
    fit: Share | None = Field(None, description="Default: what the others leave.")
    evaluation: Share | None = Field(None, description="For figures of the public report. Default: a tenth.")

    def filled(self, domain: float, evaluation: float) -> Shares:
        """With these parts where it names none; where it names the fit's, the others have what that leaves."""
        if self.fit is not None:
            left = max(0.0, 1 - self.fit - (self.domain or 0.0) - (self.evaluation or 0.0))
            if self.domain is None:
                evaluation = min(evaluation, left) if self.evaluation is None else self.evaluation
                domain = left - (evaluation if self.evaluation is None else 0.0)
            else:
                evaluation = left
        domain = domain if self.domain is None else self.domain
        evaluation = evaluation if self.evaluation is None else self.evaluation
        fit = max(0.0, 1 - domain - evaluation) if self.fit is None else self.fit
        return Shares(domain=domain, fit=fit, evaluation=evaluation)


class PrivacyRequest(_Strict):
    """Differential privacy of a synthesize job."""

    epsilon: Epsilon
    delta: Delta | None = Field(None, description="Default: that of the dataset's budget.")
    mechanism: Literal["marginals", "dpsgd", "hybrid"] = "marginals"
    shares: Shares = Shares()
    unit: Unit | None = Field(None, description="That of the dataset's budget, named again; none: each row is a unit.")
    rows: StrictInt | None = Field(
        None, ge=1, description="How many rows the table has, where that is public. Default: a part of epsilon tells."
    )
    options: dict[str, Any] = Field(
        {},
        description="By name: bins (of numbers without edges), triples, selection, one_way; of steps tables, rate, "
        "steps, clip.",
    )


class AccountOut(BaseModel):
    """Epsilons at the budget's delta. They do not add up: what is composed costs less than its parts."""

    reserved: float = Field(description="By jobs that have not drawn noise yet.")
    settled: float


class BudgetOut(BaseModel):
    dataset_id: str
    epsilon: float
    delta: float
    rows_at_most: int
    unit: Unit | None
    spent: float = Field(description="Epsilon of all that is reserved or settled, composed.")
    settled: float = Field(description="Of what is settled alone.")
    remaining: float = Field(description="Largest epsilon of one more Gaussian release that would fit.")
    accounts: dict[str, AccountOut]
    entries: int = Field(description="Lines of the ledger.")
    set_by: str | None = Field(description="Id of the key that set the budget.")
    set_at: str
    closed_at: str | None = Field(description="When the dataset was deleted; the ledger outlives it.")


class LedgerLine(BaseModel):
    """One line: a change of the budget, or an entry."""

    seq: int = Field(description="1, 2, 3, ... in each dataset.")
    kind: Literal["budget", "reserve", "settle", "release", "close"]
    account: str | None
    job_id: str | None
    ends: int | None = Field(description="Of settle and release: the seq of the reservation.")
    epsilon_after: float = Field(description="Of all that is reserved or settled after this line.")
    epsilon: float | None = Field(description="Of budget: what may be spent from here on.")
    delta: float
    unit: Unit | None = Field(description="Of budget.")
    rows_at_most: int | None = Field(description="Of budget.")
    history: list[dict[str, Any]] = Field(description="The releases that the entry stands for.")
    key_id: str | None = Field(description="Who asked for it; none: the job's end or its worker's word.")
    attempt: int | None = Field(description="Of the job, then.")
    created_at: str
