"""Audits of the privacy that is claimed: attacks on the production code, by someone who knows everything but one coin.

A proof is about what the code should do; an audit is about what it does. It cannot show that a claim holds, only that
it does not, and how near to the claim an attack comes. `populace audit` runs all of it; docs/privacy.md, "Audits", says
what each shows.
"""
