"""Nouns to YAML and JSON, and back, strictly.

YAML is read by the 1.2 core schema: `2e6` is a number, `no` and `12:30` are words. Duplicate keys, NaN,
infinity and unknown keys are refused, with the path of the error and the nearest known key. Quantities
of the goal file are text with a unit in every format, so that `0.02` cannot be mistaken for milliseconds.
"""

from __future__ import annotations

import functools
import json
import math
import re
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec

from tradewind.domain import units
from tradewind.domain.errors import CodecError, UnitError, nearest

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["decode", "encode", "from_plain", "json_schema", "parse", "parse_json", "parse_yaml", "to_plain"]

T = TypeVar("T")

MAX_BYTES: Final = 64 * 2**20
"""A noun is never larger; what is larger is not read."""
MAX_NODES: Final = 2_000_000
"""Values in one document, aliases expanded: stops a "billion laughs" file."""


def decode(text: bytes | str, type_: type[T], *, source: str) -> T:
    """The noun that a JSON or YAML document holds (JSON if it starts with a brace).

    `source` names the document in errors. Errors: CodecError.
    """
    return from_plain(parse(text, source=source), type_, source=source)


def parse(text: bytes | str, *, source: str) -> Any:
    """The dicts, lists and scalars of a JSON or YAML document (JSON if it starts with a brace). Errors: CodecError."""
    raw = text.encode() if isinstance(text, str) else text
    if len(raw) > MAX_BYTES:
        raise CodecError(f"{source}: {len(raw)} bytes is over the limit of {MAX_BYTES}")
    try:
        decoded = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CodecError(f"{source}: not UTF-8 text at byte {error.start}") from None
    if (half := _HALF.search(decoded)) and not _HALF_PAIR.search(decoded):
        raise CodecError(f"{source}: {half.group()} is half of a surrogate pair; write the character itself")
    chosen = parse_json if decoded.lstrip().startswith("{") else parse_yaml
    return chosen(decoded, source=source)


def encode(noun: object) -> bytes:
    """The noun as indented JSON that `decode` turns back into an equal noun."""
    return json.dumps(to_plain(noun), indent=1, ensure_ascii=False, allow_nan=False).encode() + b"\n"


_HALF: Final = re.compile(r"\\u[dD][89a-fA-F][0-9a-fA-F]{2}")
_HALF_PAIR: Final = re.compile(r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}")


def to_plain(noun: object) -> Any:
    """The noun as dicts, lists and scalars, under the names that the files use."""
    if isinstance(noun, msgspec.Struct):
        config = type(noun).__struct_config__
        # One of several structs that a field may hold says which one it is.
        plain: dict[str, Any] = {config.tag_field: config.tag} if config.tag_field else {}
        for name, encode_name, dimension in _fields(type(noun)):
            value = getattr(noun, name)
            if dimension is not None and value is not None:
                plain[encode_name] = units.write(value, dimension)
            else:
                plain[encode_name] = to_plain(value)
        return plain
    if isinstance(noun, dict):
        return {str(key): to_plain(value) for key, value in noun.items()}
    if isinstance(noun, list | tuple):
        return [to_plain(value) for value in noun]
    return noun


@functools.cache
def _fields(type_: type[msgspec.Struct]) -> tuple[tuple[str, str, units.Dimension | None], ...]:
    """Name, name in files, and dimension of each field of a struct."""
    return tuple(
        (field.name, field.encode_name, _dimension(msgspec.inspect.type_info(field.type)))
        for field in msgspec.structs.fields(type_)
    )


@functools.cache
def _type_info(type_: Any) -> msgspec.inspect.Type:
    return msgspec.inspect.type_info(type_)


def from_plain(plain: object, type_: type[T], *, source: str) -> T:
    """The noun that dicts, lists and scalars describe. Errors: CodecError with the path."""
    try:
        kind: Any = type_
        ready = _read(plain, _type_info(kind), "", source)
        return msgspec.convert(ready, type_)
    except msgspec.ValidationError as error:
        raise CodecError(_sentence(str(error), plain, source)) from None
    except RecursionError:
        raise CodecError(f"{source}: nested too deeply") from None


def _read(plain: object, type_info: msgspec.inspect.Type, path: str, source: str) -> object:
    """`plain` with quantities read and shorthands expanded; refuses unknown and missing keys."""
    dimension = _dimension(type_info)
    if isinstance(type_info, msgspec.inspect.Metadata):
        type_info = type_info.type
    if dimension is not None:
        if plain is None and isinstance(type_info, msgspec.inspect.UnionType):
            return None
        try:
            return units.read(plain, dimension)
        except UnitError as error:
            raise CodecError(f"{source}: {path}: {error}") from None
    if isinstance(type_info, msgspec.inspect.UnionType):
        if plain is None:
            return None
        others = [t for t in type_info.types if not isinstance(t, msgspec.inspect.NoneType)]
        return _read(plain, others[0], path, source) if len(others) == 1 else plain
    if isinstance(type_info, msgspec.inspect.LiteralType) and plain not in type_info.values:
        known = [str(value) for value in type_info.values]
        guess = nearest(str(plain), known)
        hint = f"did you mean {guess}? " if guess else ""
        raise CodecError(f"{source}: {path}: {plain!r} is not known; {hint}known: {', '.join(known)}")
    if isinstance(type_info, msgspec.inspect.StructType):
        return _read_struct(plain, type_info, path, source)
    if isinstance(plain, list) and isinstance(
        type_info, msgspec.inspect.VarTupleType | msgspec.inspect.ListType
    ):
        return [_read(v, type_info.item_type, f"{path}[{i}]", source) for i, v in enumerate(plain)]
    if isinstance(plain, dict) and isinstance(type_info, msgspec.inspect.DictType):
        return {k: _read(v, type_info.value_type, _join(path, k), source) for k, v in plain.items()}
    return plain


def _read_struct(
    plain: object, type_info: msgspec.inspect.StructType, path: str, source: str
) -> dict[str, object]:
    shorthand = getattr(type_info.cls, "shorthand", None)
    if shorthand is not None and not isinstance(plain, dict):
        field = next(f for f in type_info.fields if f.name == shorthand or f.encode_name == shorthand)
        return {field.encode_name: _read(plain, field.type, path, source)}
    where = path or "the document"
    if not isinstance(plain, dict):
        raise CodecError(f"{source}: {where}: expected keys and values, got {_kind(plain)}")
    fields = {field.encode_name: field for field in type_info.fields}
    for key in plain:
        if key not in fields:
            guess = nearest(str(key), list(fields))
            hint = f"did you mean {guess}?" if guess else f"known: {', '.join(fields)}"
            raise CodecError(f"{source}: {_join(path, key)}: unknown key; {hint}")
    missing = [name for name, field in fields.items() if field.required and name not in plain]
    if missing:
        raise CodecError(f"{source}: {_join(path, missing[0])}: missing; add this key")
    return {key: _read(value, fields[key].type, _join(path, key), source) for key, value in plain.items()}


def _dimension(type_info: msgspec.inspect.Type) -> units.Dimension | None:
    if isinstance(type_info, msgspec.inspect.Metadata):
        extra = type_info.extra or {}
        return extra.get("dimension")
    if isinstance(type_info, msgspec.inspect.UnionType):
        found = [_dimension(inner) for inner in type_info.types]
        return next((dimension for dimension in found if dimension is not None), None)
    return None


def _join(path: str, key: object) -> str:
    return f"{path}.{key}" if path else str(key)


def _kind(plain: object) -> str:
    if plain is None:
        return "nothing"
    if isinstance(plain, list):
        return "a list"
    return f"the text {plain!r}" if isinstance(plain, str) else repr(plain)


def _sentence(message: str, plain: object, source: str) -> str:
    """A validation message with path and value: "goal.yaml: quality.max_drop: expected ..., got -1"."""
    text, _, where = message.partition(" - at `")
    path = where.rstrip("`").removeprefix("$").removeprefix(".")
    text = text[:1].lower() + text[1:].replace("`", "")
    for technical, plain_word in _WORDS.items():
        text = text.replace(technical, plain_word)
    value = _at(plain, path)
    if path and "write " not in text and isinstance(value, str | int | float):
        text = f"{text.partition(', got ')[0]}, got {value!r}"
    return f"{source}: {path}: {text}" if path else f"{source}: {text}"


_WORDS: Final = {
    "expected array of length": "expected a list of length",
    "expected array": "expected a list in [brackets]",
    "expected object": "expected keys and values",
    "expected str": "expected text",
    "expected float": "expected a number",
    "expected int": "expected a whole number",
}
"""What msgspec calls the kinds of values, in words that a reader of YAML knows."""


def _at(plain: object, path: str) -> object:
    """The value at a path such as quality.slices[1], or None."""
    value: Any = plain
    for key, index in re.findall(r"([^.\[\]]+)|\[(\d+)\]", path):
        try:
            value = value[int(index)] if index else value[key]
        except (KeyError, IndexError, TypeError):
            return value if isinstance(value, str | int | float) else None
    return value


def parse_json(text: str, *, source: str) -> object:
    """Dicts, lists and scalars from JSON. Errors: CodecError."""
    try:
        return json.loads(
            text, object_pairs_hook=_unique_pairs(source), parse_constant=_refuse_constant(source)
        )
    except json.JSONDecodeError as error:
        raise CodecError(f"{source}: line {error.lineno}: {error.msg}") from None
    except RecursionError:
        raise CodecError(f"{source}: nested too deeply") from None
    except ValueError as error:
        raise CodecError(f"{source}: {error}") from None


def _unique_pairs(source: str) -> Callable[[list[tuple[str, object]]], dict[str, object]]:
    def build(pairs: list[tuple[str, object]]) -> dict[str, object]:
        result: dict[str, object] = {}
        for key, value in pairs:
            if key in result:
                raise CodecError(f"{source}: {key}: this key stands twice; keep one")
            if isinstance(value, float) and not math.isfinite(value):
                raise CodecError(f"{source}: {key}: not a finite number")
            result[key] = value
        return result

    return build


def _refuse_constant(source: str) -> Callable[[str], float]:
    def refuse(constant: str) -> float:
        raise CodecError(f"{source}: {constant} is not a number that can be used; write a finite one")

    return refuse


_CORE_SCHEMA: Final = (
    ("tag:yaml.org,2002:null", r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    ("tag:yaml.org,2002:bool", r"^(?:true|True|TRUE|false|False|FALSE)$", list("tTfF")),
    ("tag:yaml.org,2002:int", r"^(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)$", list("-+0123456789")),
    (
        "tag:yaml.org,2002:float",
        r"^(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
        r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$",
        list("-+.0123456789"),
    ),
)
"""Section 10.3.2 of YAML 1.2: tag, pattern, first characters."""


def parse_yaml(text: str, *, source: str) -> object:
    r"""Dicts, lists and scalars from YAML 1.2 (core schema). Errors: CodecError.

    >>> parse_yaml("a: 2e6\nb: no\nc: 12:30", source="example")
    {'a': 2000000.0, 'b': 'no', 'c': '12:30'}
    """
    import yaml

    try:
        plain = yaml.load(text, Loader=_core_loader())  # noqa: S506 - a SafeLoader with fewer types
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f"line {mark.line + 1}: " if mark else ""
        raise CodecError(f"{source}: {line}{error.problem or error.context}") from None
    except yaml.YAMLError as error:
        raise CodecError(f"{source}: {str(error).splitlines()[0]}") from None
    except RecursionError:
        raise CodecError(f"{source}: nested too deeply") from None
    _refuse_too_many(plain, source)
    return plain


def _core_loader() -> type:
    import yaml

    class CoreLoader(yaml.SafeLoader):
        pass

    # The base class has the resolvers of YAML 1.1; start without any.
    CoreLoader.yaml_implicit_resolvers = {}

    for tag, pattern, first in _CORE_SCHEMA:
        CoreLoader.add_implicit_resolver(tag, re.compile(pattern), first)

    def construct_int(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> int:
        return int(node.value, 0) if node.value[:2] in ("0o", "0x") else int(node.value)

    def construct_float(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> float:
        word = node.value.lower().lstrip("+-")
        value = math.inf if word in (".inf", ".nan") else float(node.value)
        if not math.isfinite(value):
            raise yaml.constructor.ConstructorError(
                None,
                None,
                f"{node.value} is not a number that can be used; write a finite one",
                node.start_mark,
            )
        return value

    def construct_mapping(loader: yaml.SafeLoader, node: yaml.MappingNode) -> dict[object, object]:
        seen: set[object] = set()
        for key_node, _ in node.value:
            key = loader.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} is not text; write it in quotes", key_node.start_mark
                )
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"{key}: this key stands twice; keep one", key_node.start_mark
                )
            seen.add(key)
        return {
            loader.construct_object(key, deep=True): loader.construct_object(value, deep=True)
            for key, value in node.value
        }

    CoreLoader.add_constructor("tag:yaml.org,2002:int", construct_int)
    CoreLoader.add_constructor("tag:yaml.org,2002:float", construct_float)
    CoreLoader.add_constructor("tag:yaml.org,2002:map", construct_mapping)
    return CoreLoader


def _refuse_too_many(plain: object, source: str) -> None:
    pending, seen = [plain], 0
    while pending:
        seen += 1
        if seen > MAX_NODES:
            raise CodecError(f"{source}: more than {MAX_NODES} values; aliases may expand into each other")
        value = pending.pop()
        if isinstance(value, dict):
            pending.extend(value.values())
        elif isinstance(value, list):
            pending.extend(value)


def json_schema(type_: type[msgspec.Struct]) -> dict[str, Any]:
    """The JSON Schema (2020-12) of a noun's file, for editors that complete and check it."""
    schema = msgspec.json.schema(type_)
    definitions: dict[str, Any] = schema["$defs"]
    for definition in definitions.values():
        for described in definition.get("properties", {}).values():
            # A quantity is a float inside but text with a unit in the file.
            for option in described.get("anyOf", [described]):
                if "pattern" in option:
                    option["type"] = "string"
    for name, cls in _structs(type_).items():
        shorthand = getattr(cls, "shorthand", None)
        if shorthand is not None:
            full = definitions[name]
            definitions[name] = {"anyOf": [full["properties"][shorthand], full]}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": type_.__name__,
        **schema,
    }


def _structs(type_: type[msgspec.Struct]) -> dict[str, type]:
    """Every struct below a type, by name."""
    found: dict[str, type] = {}

    def visit(info: msgspec.inspect.Type) -> None:
        if isinstance(info, msgspec.inspect.Metadata):
            visit(info.type)
        elif isinstance(info, msgspec.inspect.UnionType):
            for inner in info.types:
                visit(inner)
        elif isinstance(info, msgspec.inspect.VarTupleType | msgspec.inspect.ListType):
            visit(info.item_type)
        elif isinstance(info, msgspec.inspect.StructType) and info.cls.__name__ not in found:
            found[info.cls.__name__] = info.cls
            for field in info.fields:
                visit(field.type)

    visit(msgspec.inspect.type_info(type_))
    return found
