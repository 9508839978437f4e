"""An invented census, so that everything can be tried without anybody's data. `truth` documents how it comes about."""

from populace.demo.census import COLUMNS, make_census, write_csv

__all__ = ["COLUMNS", "make_census", "write_csv"]
