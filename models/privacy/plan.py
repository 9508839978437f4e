"""From a budget to releases: what a private fit will cost, by account, before a row is read.

Nothing here depends on the table, nor on sizes that are found under privacy: a release of tables is one Gaussian event,
and models/dp/release.py gives each table the noise with which all of them cost that event.
"""

from __future__ import annotations

from models.accounting import Event, History, calibrate, compose, gaussian
from models.privacy import domain, sgd
from models.privacy.options import ACCOUNTS, DOMAIN, EVALUATION, FIT, PrivacyOptions, Shares
from models.schema import Schema

__all__ = ["ACCOUNTS", "REPORT", "TABLES", "PrivacyOptions", "plan", "tables_within", "usual_shares"]

TABLES = "tables of counts"
REPORT = "tables of counts for the report"
"""Labels of events."""


def usual_shares(schema: Schema) -> Shares:
    """Of a job that names none: a tenth for the figures of its public report; and where labels and bounds are public,
    but the bins of numbers are not, a fifth for finding these."""
    wanted = domain.needs(schema)
    found = 0.2 if wanted.edges and not wanted.labels and not wanted.bounds else 0.0
    return Shares(found, 1 - found - 0.1, 0.1)


def plan(options: PrivacyOptions, schema: Schema) -> dict[str, History]:
    """account -> releases, for the accounts that have any. Equal arguments give equal releases.

    The domain is calibrated to its share of epsilon, domain and fit together to both shares, all to epsilon: composed
    by the accountant, not added, and what one account leaves is the next one's. Raises InvalidPrivacy where the domain
    of a column is neither public nor paid for, InvalidInput where no noise is enough.
    """
    shares, delta = options.shares, options.delta
    found = {DOMAIN: _domain(options, schema)}
    found[FIT] = _fit(options, shares.domain + shares.fit, found[DOMAIN])
    if shares.evaluation > 0:
        spent = compose(found[DOMAIN], found[FIT])
        found[EVALUATION] = (tables_within(options.epsilon, delta, spent, label=REPORT),)
    return {account: found[account] for account in ACCOUNTS if found.get(account)}


def tables_within(epsilon: float, delta: float, spent: History = (), label: str = TABLES) -> Event:
    """The Gaussian release that brings `spent` to epsilon. Raises InvalidInput where no noise is enough."""
    sigma = calibrate(lambda scale: (gaussian(scale),), epsilon, delta, spent=spent)
    return gaussian(sigma, label=label)


def _domain(options: PrivacyOptions, schema: Schema) -> History:
    share = options.shares.domain
    domain.check_domain(schema, discover=share > 0)
    if not share > 0:
        return ()
    k = options.rows_per_unit
    return domain.discovery(schema, share * options.epsilon, options.delta, spent=(), rows_per_unit=k)


def _fit(options: PrivacyOptions, share: float, spent: History) -> History:
    if options.mechanism != "marginals":
        settings = sgd.settings_of(options.mechanism, options.options)
        return sgd.events(settings, share * options.epsilon, options.delta, spent=spent, label=TABLES)
    return (tables_within(share * options.epsilon, options.delta, spent),)
