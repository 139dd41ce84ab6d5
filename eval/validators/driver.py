"""Runs *inside* the sandbox: loads the candidate, makes the calls, and sends back plain values.

The expected values never enter the sandbox: the driver turns the candidate's results into plain
data and the judge compares outside. Candidate code shares this process and may break anything here;
all it can gain is to return other values. Runs on Python >= 3.9 without this project; outside, only
``encode``, ``decode`` and ``Opaque`` are imported.

Channel: ``{"load": error}`` or ``{"ready": true}``, then ``{"case": n, "value": encoded}`` or
``{"case": n, "error": {"type", "message"}}`` in the order of the calls.
"""

from __future__ import annotations

import functools
import json
import os
import signal
import sys
import types

TYPE_CHECKING = False
if TYPE_CHECKING:  # Importing these would cost 15 ms of each launch.
    import typing

MAX_DEPTH = 100
MAX_BITS = 10_000
"""Bits above which integers are sent as hexadecimal, because decimal conversion is refused above
4,300 digits."""
MAX_RECORD = 4 * 1024 * 1024
"""Most characters of one record; a larger value is reported as too large."""
MAX_RECORDS = 15 * 1024 * 1024
"""Most characters of all records, within the sandbox's limit for the result channel."""
MAX_TEXT = 300
MAX_HASHED = 20_000
"""Most elements of a set or dictionary, because colliding hashes must not delay the judge."""
BARE = frozenset([bool, float, int, str, type(None)])
"""Types that JSON has; integers may be too long for it."""
FEW = 8
"""Number of elements up to which they are encoded one by one, whatever their types."""
FOLDER = "/run/files/"


class Opaque:
    """A value that is not plain data: only its text is known, and it equals nothing."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text if self.text[:1] == "<" else f"<object {self.text}>"


class Uncarried(ValueError):
    """A value that could not be sent; ``str`` says which kind of value."""


class CallTimeout(BaseException):
    """The call exceeded its time limit; not an ``Exception``, so that candidates do not catch
    it."""


def all_bare(values: typing.Any) -> bool:
    """Whether all values have JSON types, with integers of at most ``MAX_BITS`` bits."""
    kinds = frozenset(map(type, values))
    if not kinds <= BARE:
        return False
    if int in kinds:
        numbers = values if len(kinds) == 1 else [v for v in values if type(v) is int]
        return max(max(numbers), -min(numbers)).bit_length() <= MAX_BITS
    return True


def encode(value: object, depth: int = 0) -> object:
    """``value`` as JSON data, with tags for types that JSON lacks; objects are reduced to their
    text."""
    if depth > MAX_DEPTH:
        return {"limit": "a value nested too deeply"}
    if value is None or value is True or value is False:
        return value
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        number = int.__index__(value)
        return {"int": hex(number)} if number.bit_length() > MAX_BITS else number
    if isinstance(value, float):
        return float.__float__(value)
    if isinstance(value, (bytes, bytearray)):
        return {"bytes": bytes(value).hex()}
    if isinstance(value, complex):
        return {"complex": [value.real, value.imag]}
    if type(value).__name__ in ("Decimal", "Fraction"):
        return {"number": float(value)}  # type: ignore[arg-type]
    kinds: tuple[typing.Any, ...] = (list, tuple, set, frozenset)
    if isinstance(value, (set, frozenset, dict)) and len(value) > MAX_HASHED:
        return {"limit": "a value that is too large"}
    for kind in kinds:
        if isinstance(value, kind):
            bare = list(kind.__iter__(value))
            plain = len(bare) > FEW and depth < MAX_DEPTH and all_bare(bare)
            items = bare if plain else [encode(item, depth + 1) for item in bare]
            return items if kind is list else {kind.__name__: items}
    if isinstance(value, dict):
        pairs = dict.items(value)
        return {"dict": [[encode(k, depth + 1), encode(v, depth + 1)] for k, v in pairs]}
    return {"opaque": repr(value)[:MAX_TEXT]}


def decode(data: object, depth: int = 0) -> object:
    """The value that ``encode`` received. Raises ValueError for data that it did not write."""
    if depth > 2 * MAX_DEPTH:
        raise ValueError("nested too deeply")
    if data is None or isinstance(data, (bool, int, float, str)):
        return data
    if isinstance(data, list):
        if depth < 2 * MAX_DEPTH and BARE.issuperset(map(type, data)):
            return list(data)
        return [decode(item, depth + 1) for item in data]
    if not isinstance(data, dict) or len(data) != 1:
        raise ValueError("not an encoded value")
    ((tag, body),) = data.items()
    try:
        if tag in ("dict", "set", "frozenset") and len(body) > MAX_HASHED:
            raise ValueError("too many elements")
        if tag in ("dict", "tuple", "set", "frozenset"):
            kinds = {"dict": dict, "tuple": tuple, "set": set, "frozenset": frozenset}
            if tag == "dict":
                items: list[typing.Any] = [
                    (decode(k, depth + 1), decode(v, depth + 1)) for k, v in body
                ]
            else:
                items = [decode(item, depth + 1) for item in body]
            value: typing.Any = kinds[tag](items)
            merged = len(value) < len(items)  # Decimal("0.1") and 0.1 are two keys.
            return (
                Opaque(f"<{tag} with elements that are the same as plain data>")
                if merged
                else value
            )
        if tag == "int":
            return int(body, 16)
        if tag == "number":
            return float(body)
        if tag == "complex":
            return complex(*body)
        if tag == "bytes":
            return bytes.fromhex(body)
        if tag == "limit":
            raise Uncarried(str(body)[:MAX_TEXT])
        if tag == "opaque" and isinstance(body, str):
            return Opaque(body[:MAX_TEXT])
    except (TypeError, OverflowError) as error:
        raise ValueError("malformed encoded value") from error
    raise ValueError("unknown tag")


def describe(error: BaseException) -> dict[str, str]:
    """Type and message of an exception, even if its ``__str__`` fails."""
    if isinstance(error, CallTimeout):
        return {"type": "timeout", "message": ""}
    name = type(error).__name__
    try:
        message = str(error)[:MAX_TEXT]
    except BaseException:  # noqa: BLE001 - the candidate's __str__ may do anything
        message = ""
    told = {"type": name, "message": message}
    if isinstance(error, ModuleNotFoundError) and isinstance(error.name, str):
        told["module"] = error.name[:MAX_TEXT]
    return told


class MissingEntryPoint(Exception):
    """The candidate does not define what the calls need."""


class Channel:
    """The result channel: one JSON line for each record."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.left = MAX_RECORDS

    def send(self, record: dict[str, object]) -> None:
        """Write ``record``, or a record which says that its value is too large."""
        text = json.dumps(record)
        if len(text) > min(MAX_RECORD, self.left):
            record = {"case": record["case"], "value": {"limit": "a value that is too large"}}
            text = json.dumps(record)
        self.left -= len(text)
        line = text.encode("ascii") + b"\n"
        while line:
            line = line[os.write(self.descriptor, line) :]


def load(source: str, name: str) -> dict[str, object]:
    """Run the candidate's top level as module ``name``; returns its namespace."""
    module = types.ModuleType(name)
    module.__file__ = "candidate.py"
    sys.modules[name] = module
    exec(compile(source, "candidate.py", "exec", dont_inherit=True), module.__dict__)
    return module.__dict__


def find(scope: dict[str, object], name: str) -> object:
    """The candidate's object called ``name``: a global, or a method of its class ``Solution``."""
    if name in scope:
        return scope[name]
    solution = scope.get("Solution")
    if isinstance(solution, type) and hasattr(solution, name):
        return getattr(solution(), name)
    defined = [key for key, value in scope.items() if callable(value) and key[:1] != "_"]
    known = ", ".join(defined[:5]) or "nothing"
    raise MissingEntryPoint(f"no {name} is defined; the code defines {known}")


def steps(job: dict[str, typing.Any], scope: dict[str, object]) -> list[typing.Any]:
    """The job's calls: functions that prepare everything and return the call itself, without
    arguments."""
    target: typing.Any = find(scope, job.get("entry_point") or job["class_name"])
    if job["mode"] == "value":
        value: typing.Any = target if callable(target) else lambda: target
        return [lambda: value]
    if job["mode"] == "calls":
        return [functools.partial(ready, call, lambda: target) for call in job["calls"]]
    made: list[typing.Any] = []
    _, *operations = job["calls"]

    def make(*args: object, **kwargs: object) -> None:
        made.append(target(*args, **kwargs))

    def method(name: str) -> typing.Any:
        return getattr(made[0], name)

    finds: list[typing.Any] = [
        lambda: make,
        *(functools.partial(method, op["name"]) for op in operations),
    ]
    return [functools.partial(ready, op, found) for op, found in zip(job["calls"], finds)]  # noqa: B905 - Python 3.9


def ready(call: dict[str, typing.Any], find: typing.Callable[[], typing.Any]) -> typing.Any:
    """A call with its own fresh arguments; the called function is looked up during the call."""
    args: typing.Any = decode(call["args"])
    kwargs: typing.Any = decode(call.get("kwargs", {"dict": []}))
    return lambda: find()(*args, **kwargs)


def ring(signum: int, frame: object) -> None:
    """Alarm handler."""
    raise CallTimeout


def perform(channel: Channel, job: dict[str, typing.Any]) -> None:
    """Load, call and send; the end of the process closes the channel."""
    with open(FOLDER + "candidate.py", encoding="utf-8", errors="surrogatepass") as handle:
        source = handle.read()
    try:
        scope = load(source, "__main__" if job["mode"] == "value" else "candidate")
        calls = steps(job, scope)
    except BaseException as error:  # noqa: BLE001 - reported, whatever it is
        channel.send({"load": describe(error)})
        return
    channel.send({"ready": True})
    signal.signal(signal.SIGALRM, ring)
    for number, prepare in enumerate(calls):
        try:
            call = prepare()  # Decoding the arguments does not count towards the candidate's time.
            signal.setitimer(signal.ITIMER_REAL, job.get("timeout") or 0)
            try:
                value = call()
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
            record = {"case": number, "value": encode(value)}
        except BaseException as error:  # noqa: BLE001 - reported, whatever it is
            record = {"case": number, "error": describe(error)}
        channel.send(record)


def main() -> None:
    """Entry point inside the sandbox; exits without the candidate's exit handlers and threads."""
    with open(FOLDER + "job.json", encoding="utf-8") as handle:
        job = json.load(handle)
    if job["mode"] != "value":  # Printed output is discarded.
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.dup2(null, 2)
    try:
        perform(Channel(int(os.environ["RESULT_FD"])), job)
        sys.stdout.flush()
    finally:
        os._exit(0)


if __name__ == "__main__":
    main()
