"""Jobs: order work, watch it, wait for it, stop it."""

from __future__ import annotations

import secrets
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from populace.errors import ApiError
from populace.events import parse_events
from populace.records import Event, Job
from populace.resources.base import Resource, given
from populace.transport import Transport

SEEDS = 2**32
REFRESH_SECONDS = 0.5
SILENCE_SECONDS = 90.0
"""An event stream that says nothing for so long, not even a heartbeat, is given up for polling."""


class Jobs(Resource[Job]):
    path = "/v1/jobs"

    def __init__(self, transport: Transport) -> None:
        super().__init__(transport, Job)

    def synthesize(
        self,
        dataset_id: str,
        *,
        rows: int | None = None,
        target: str | None = None,
        where: Sequence[str] = (),
        balance: str | Mapping[str, Any] | None = None,
        mode: str | None = None,
        seed: int | None = None,
        holdout: float | None = None,
        options: Mapping[str, Any] | None = None,
        options_from: str | None = None,
        evaluation: Mapping[str, Any] | None = None,
        privacy: Mapping[str, Any] | None = None,
        name: str | None = None,
        idempotency_key: str | None = None,
    ) -> Job:
        """Train on a dataset, draw a sample, evaluate it.

        rows: of the sample; by default as many as the dataset has. target: column that utility is measured on.
        where: conditions on the sample, e.g. "age>=65". balance: shares of one column's values in it, e.g. "income"
        (equal ones) or {"column": "income", "shares": {"<=50K": 0.3, ">50K": 0.7}}. mode: "full" (None), or
        "fast": drawn by a small network distilled from the generator, at a loss. holdout: share of rows kept from
        training, for the evaluation.
        options: training options (see docs/training.md). options_from: id of a tune job, whose best options are taken
        with its seed and holdout. evaluation: options of the evaluation (see docs/evaluation.md). privacy: fit under
        differential privacy, e.g. {"epsilon": 1, "delta": 1e-9}, for which the dataset has a budget
        (`client.budgets.set`). idempotency_key: the same key again answers the same job.
        Raises ApiError (`dataset_pending`, `invalid_condition`, ...).
        """
        return self.create(
            given(
                kind="synthesize",
                dataset_id=dataset_id,
                rows=rows,
                target=target,
                where=list(where) or None,
                balance=balance,
                mode=mode,
                seed=seed,
                holdout=holdout,
                options=dict(options) if options else None,
                options_from=options_from,
                evaluation=dict(evaluation) if evaluation else None,
                privacy=dict(privacy) if privacy else None,
                name=name,
            ),
            idempotency_key=idempotency_key,
        )

    def sample(
        self,
        synthesizer_id: str,
        rows: int,
        *,
        where: Sequence[str] = (),
        balance: str | Mapping[str, Any] | None = None,
        mode: str | None = None,
        seed: int | None = None,
        idempotency_key: str | None = None,
    ) -> Job:
        """More rows from a trained synthesizer, without training again. where, balance, mode: as in
        `synthesize`."""
        spec = given(
            kind="sample",
            synthesizer_id=synthesizer_id,
            rows=rows,
            where=list(where) or None,
            balance=balance,
            mode=mode,
            seed=seed,
        )
        return self.create(spec, idempotency_key=idempotency_key)

    def samples(
        self,
        synthesizer_id: str,
        rows: int,
        count: int,
        *,
        where: Sequence[str] = (),
        balance: str | Mapping[str, Any] | None = None,
        mode: str | None = None,
        seed: int | None = None,
    ) -> list[Job]:
        """`count` samples drawn alike, each by a job of its own: with `seed` (None: a chance one), seed + 1, ...

        `evaluate` combines what analyses say of them. Other arguments: as in `sample`.
        """
        first = secrets.randbelow(SEEDS) if seed is None else seed
        how: dict[str, Any] = {"where": where, "balance": balance, "mode": mode}
        return [self.sample(synthesizer_id, rows, **how, seed=(first + i) % SEEDS) for i in range(count)]

    def impute(
        self,
        synthesizer_id: str,
        dataset_id: str | None = None,
        *,
        columns: Sequence[str] | None = None,
        codes: Sequence[str] | None = None,
        seed: int | None = None,
        idempotency_key: str | None = None,
    ) -> Job:
        """Fill missing cells of a dataset (None: the one trained on) by draws given the rest of their rows.

        columns: those to fill, by default all. codes: missing codes to fill, by default every one ("" is a blank cell).
        The job's sample holds REAL records and is confidential. Another seed is another draw: several of them make a
        multiple imputation.
        """
        impute = given(
            dataset_id=dataset_id,
            columns=None if columns is None else list(columns),
            codes=None if codes is None else list(codes),
        )
        spec = given(kind="sample", synthesizer_id=synthesizer_id, impute=impute, seed=seed)
        return self.create(spec, idempotency_key=idempotency_key)

    def evaluate(
        self,
        sample_id: str | None = None,
        *,
        real: str | None = None,
        synthetic: str | None = None,
        holdout: str | None = None,
        replicates: Sequence[str] = (),
        combining: str | None = None,
        target: str | None = None,
        evaluation: Mapping[str, Any] | None = None,
        seed: int | None = None,
        idempotency_key: str | None = None,
    ) -> Job:
        """A report on a sample, or on a table that was made elsewhere.

        real, synthetic: ids of datasets, in place of a sample's; holdout: of one with real rows that the synthetic ones
        were not made from, the control group. replicates: ids of further samples of the same synthesizer (or datasets),
        whose analyses are combined with the first one's by the rule `combining`: "simple" (None), "posterior",
        "partial" or "full" (see docs/evaluation/utility.md). target: column that utility is measured on. evaluation:
        options of the evaluation, e.g. {"sensitive": ["income"], "analyses": [...]} (see docs/evaluation.md). The job's
        result has the `report_id`. Raises ApiError (`no_common_columns`, `too_few_rows`, `invalid_target`, ...); what
        only the rows can tell, such as `other_types`, fails the job.
        """
        spec = given(
            kind="evaluate",
            sample_id=sample_id,
            real=real,
            synthetic=synthetic,
            holdout=holdout,
            replicates=list(replicates) or None,
            combining=combining,
            target=target,
            evaluation=dict(evaluation) if evaluation else None,
            seed=seed,
        )
        return self.create(spec, idempotency_key=idempotency_key)

    def compare(
        self,
        dataset_id: str | None = None,
        *,
        targets: Sequence[str | Sequence[str]],
        sample_id: str | None = None,
        test: str | None = None,
        methods: Sequence[str] | None = None,
        folds: int | None = None,
        groups: str | None = None,
        options: Mapping[str, Any] | None = None,
        seed: int | None = None,
        name: str | None = None,
        idempotency_key: str | None = None,
    ) -> Job:
        """Compare methods of classification and regression by cross-validation on a dataset or a sample.

        targets: columns to predict, each by itself; those in a list are predicted together. test: id of a dataset to
        test on besides. methods: e.g. ["mlp", "linear", "forest"], by default all. groups: column whose rows of one
        value are never divided. options: further ones (see docs/classification.md). The job's result has the
        `report_id` of a report of kind `comparison`.
        """
        spec = given(
            kind="compare",
            dataset_id=dataset_id,
            sample_id=sample_id,
            test=test,
            targets=[t if isinstance(t, str) else list(t) for t in targets],
            methods=None if methods is None else list(methods),
            folds=folds,
            groups=groups,
            options=dict(options) if options else None,
            seed=seed,
            name=name,
        )
        return self.create(spec, idempotency_key=idempotency_key)

    def tune(
        self,
        dataset_id: str,
        *,
        trials: int | None = None,
        max_time: float | None = None,
        objective: str | None = None,
        target: str | None = None,
        method: str | None = None,
        search: str | None = None,
        space: Mapping[str, Any] | None = None,
        validation: float | None = None,
        options: Mapping[str, Any] | None = None,
        seed: int | None = None,
        holdout: float | None = None,
        name: str | None = None,
        idempotency_key: str | None = None,
    ) -> Job:
        """Search training options on rows held out inside the training part.

        trials, max_time (seconds): the budget. objective: detection, utility (needs a target) or likelihood. space: by
        option a list of values or {"low", "high", "log"}. validation: share of the training rows to judge by. options:
        what all trials share. The job's result holds `options` (the best) and `trials`. method: search the options of
        this method of classification or regression instead (target is then needed, objective and holdout are not
        taken), by search "bayes" (None), "random" or "grid"; the result then has a `report_id`, too.
        """
        spec = given(
            kind="tune",
            dataset_id=dataset_id,
            trials=trials,
            max_time=max_time,
            objective=objective,
            target=target,
            method=method,
            search=search,
            space=None if space is None else dict(space),
            validation=validation,
            options=dict(options) if options else None,
            seed=seed,
            holdout=holdout,
            name=name,
        )
        return self.create(spec, idempotency_key=idempotency_key)

    def trials(self, job: Job) -> list[dict[str, Any]]:
        """What a search has tried so far, in order: number, parameters, state, score, seconds, reason."""
        if job.result:
            return [dict(t) for t in job.result["trials"]]
        found: dict[int, dict[str, Any]] = {}
        after: str | None = "0"
        while after is not None:
            page = self._transport.json("GET", self._url(job.id, "events"), params={"after": after, "limit": 1000})
            found |= {e["data"]["number"]: e["data"] for e in page["items"] if e["type"] == "trial"}
            after = page["next_cursor"]
        return [found[n] for n in sorted(found)]

    def create(self, spec: Mapping[str, Any], *, idempotency_key: str | None = None) -> Job:
        """POST a job as the API takes it. A key of its own makes it safe to send again after a lost answer."""
        headers = {"Idempotency-Key": idempotency_key or uuid.uuid4().hex}
        return Job.from_json(self._transport.json("POST", self.path, json=dict(spec), headers=headers, repeatable=True))

    def dry_run(self, spec: Mapping[str, Any]) -> dict[str, Any]:
        """The resolved configuration and the estimates of what `create(spec)` would start; nothing is stored."""
        raw = self._transport.json("POST", self.path, json=dict(spec), params={"dry_run": "true"}, repeatable=True)
        return dict(raw)

    def cancel(self, id: str) -> Job:
        """Ask it to stop; the job ends as `cancelled` within seconds. Raises ApiError `conflict` when it has ended."""
        return Job.from_json(self._transport.json("POST", self._url(id, "cancel")))

    def events(self, id: str, *, after: int = 0) -> Iterator[Event]:
        """The job's log as it is written (server-sent events), until its last event. after: id to go on from."""
        headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": str(after)} if after else {})
        url = self._url(id, "events")
        with self._transport.stream(url, headers=headers, read_timeout=SILENCE_SECONDS) as response:
            yield from parse_events(response.iter_lines())

    def watch(self, id: str, *, deadline: float | None = None) -> Iterator[Job]:
        """The job each time that something happened to it; the last one has ended.

        Events wake it up, at most twice a second; when they cannot be had (a proxy that buffers), it polls.
        deadline: on time.monotonic(); the iterator stops there, ended or not.
        """
        job = self.get(id)
        yield job
        after, streaming, seen = 0, True, time.monotonic()
        while not job.ended:
            try:
                for event in self.events(id, after=after) if streaming else ():
                    after = event.id
                    if time.monotonic() - seen >= REFRESH_SECONDS:
                        seen = time.monotonic()
                        job = self.get(id)
                        yield job
                        if job.ended:
                            return
                    if deadline is not None and time.monotonic() > deadline:
                        return
            except ApiError as error:
                streaming = error.code == "unreachable"  # a lost connection may come back; anything else polls
                time.sleep(REFRESH_SECONDS)
            if deadline is not None and time.monotonic() > deadline:
                return
            job = self.get(id)
            yield job
            if not job.ended:
                time.sleep(REFRESH_SECONDS)

    def wait(
        self,
        id: str,
        *,
        timeout: float | None = None,
        progress: bool | Callable[[Job], None] = False,
        check: bool = True,
    ) -> Job:
        """Wait until the job has ended.

        timeout: seconds; then ApiError `timeout` is raised and the job goes on. progress: True for a bar on standard
        error, or a function that is called with the job as it changes. check: raise ApiError with the job's own
        problem unless it succeeded.
        """
        from populace.progress import shown

        deadline = None if timeout is None else time.monotonic() + timeout
        job: Job | None = None
        with shown(progress) as show:
            for job in self.watch(id, deadline=deadline):
                show(job)
        if job is None or not job.ended:
            raise ApiError("timeout", f"Job {id} has not ended after {timeout:g} s.", hint="It goes on; wait again.")
        if check and job.state != "succeeded":
            raise failure(job)
        return job


def failure(job: Job) -> ApiError:
    """Why a job did not succeed."""
    if job.problem:
        return ApiError.from_problem(job.problem)
    return ApiError(job.state, f"Job {job.id} was {job.state}.")
