"""The log in one SQLite file: the default engine, for a region on one small machine."""

from bus.sqlite.log import SqliteLog

__all__ = ["SqliteLog"]
