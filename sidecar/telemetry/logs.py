"""Logging: events with fields, on stderr, as a tree or as JSON.

`structlog.get_logger(name)` and the standard library's loggers share one handler, so that a
library's warning has the same format. The handler formats in the caller's thread, since fields may
change later, and writes in another, since a slow log reader must not block the caller.
"""

from __future__ import annotations

import logging
import sys
from dataclasses import dataclass
from typing import Literal, TextIO

from sidecar.process.imports import without
from sidecar.telemetry.render import Event, render_json, render_tree
from sidecar.telemetry.writer import QueuedWriter, sink_of

# structlog imports rich if installed, for developers' consoles: 3 MiB that a sidecar does not need.
with without("rich"):
    import structlog

from structlog.typing import EventDict, FilteringBoundLogger, WrappedLogger

Format = Literal["tree", "json"]
Level = Literal["debug", "info", "warning", "error"]

QUEUE_BYTES = 1 << 20
CLOSE_SECONDS = 1.0
"""How long closing waits for a stalled reader."""


def get_logger(name: str) -> FilteringBoundLogger:
    """The logger of that name: `log.info("Something happened", field=value)`."""
    logger: FilteringBoundLogger = structlog.get_logger(name)
    return logger


@dataclass(slots=True)
class Logging:
    """Configured logging, until `close`."""

    _handler: _Handler
    _previous_level: int

    def close(self) -> None:
        """Write queued events within CLOSE_SECONDS, and restore the previous logging setup."""
        root = logging.getLogger()
        root.removeHandler(self._handler)
        root.setLevel(self._previous_level)
        logging.captureWarnings(capture=False)
        structlog.reset_defaults()
        self._handler.close()


def configure(log_format: Format, level: Level, stream: TextIO | None = None) -> Logging:
    """Send every event of that level and above to the stream, by default stderr."""
    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[
            structlog.processors.StackInfoRenderer(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.stdlib.LoggerFactory(),
    )
    root = logging.getLogger()
    handle = Logging(_Handler(stream or sys.stderr, _formatter(log_format)), root.level)
    root.addHandler(handle._handler)
    root.setLevel(number)
    logging.captureWarnings(capture=True)
    return handle


def _formatter(log_format: Format) -> logging.Formatter:
    """One formatter for structlog's events and for the standard library's."""
    render = {"tree": render_tree, "json": render_json}[log_format]

    def rendered(_logger: WrappedLogger, _name: str, fields: EventDict) -> str:
        record: logging.LogRecord = fields.pop("_record")
        del fields["_from_structlog"]
        text = str(fields.pop("event", ""))
        level = record.levelname.lower()
        return render(Event(record.created, level, record.name, text, fields))

    return structlog.stdlib.ProcessorFormatter(
        processors=[structlog.processors.format_exc_info, rendered],
        foreign_pre_chain=[structlog.stdlib.ExtraAdder(), _drop_formatted],
    )


def _drop_formatted(_logger: WrappedLogger, _name: str, fields: EventDict) -> EventDict:
    """Remove attributes that another handler's formatter added to the record."""
    return {key: value for key, value in fields.items() if key not in {"message", "asctime"}}


class _Handler(logging.Handler):
    """Formats in the caller's thread, and writes in another."""

    def __init__(self, stream: TextIO, formatter: logging.Formatter) -> None:
        super().__init__()
        self.setFormatter(formatter)
        self.addFilter(_is_of_interest)
        self._writer = QueuedWriter(
            sink_of(stream), self._report_dropped, capacity_bytes=QUEUE_BYTES
        )

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._writer.put(self._encoded(record))
        except Exception:  # noqa: BLE001  (a log line is no reason to fail)
            self.handleError(record)

    def flush(self) -> None:
        """Called by `logging` when the interpreter exits, if it was not closed before."""
        self._writer.flush(CLOSE_SECONDS)

    def close(self) -> None:
        self._writer.close(CLOSE_SECONDS)
        super().close()

    def _encoded(self, record: logging.LogRecord) -> bytes:
        # In JSON a lone surrogate that is escaped this way is valid, and in a tree there is none.
        return (self.format(record) + "\n").encode(errors="backslashreplace")

    def _report_dropped(self, count: int) -> bytes:
        record = logging.makeLogRecord(
            {"name": __name__, "levelno": logging.WARNING, "levelname": "WARNING"}
            | {"msg": "Log events dropped because the reader is too slow", "count": count}
        )
        return self._encoded(record)


def _is_of_interest(record: logging.LogRecord) -> bool:
    """watchfiles logs every change at level info; the sidecar logs the result."""
    return record.levelno >= logging.WARNING or not record.name.startswith("watchfiles")
