"""The functions that a template may call: sprig and Go's own, less whatever depends on anything but the arguments.

No environment, files, network, clock or chance, nothing that makes keys or salted hashes, and no `call`. Each is wrapped:
arguments have the types that Go demands, null is one value, results are bounded before they are made.
"""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from gotpl.funcs.sprig.registry import hermetic_text_func_map
from gotpl.funcs.sprig.semver import Version
from gotpl.runtime.results import FunctionResult
from gotpl.runtime.values import INVALID, UNTYPED_NIL

from . import builtins, limits
from .budget import Budget
from .errors import TemplateError
from .values import ABSENT, Int64, described, kind

LOGIC = frozenset({"and", "or"})

FORBIDDEN = frozenset(
    {
        "ago",
        "date",
        "dateInZone",
        "dateModify",
        "date_in_zone",
        "date_modify",
        "htmlDate",
        "htmlDateInZone",
        "mustDateModify",
        "must_date_modify",
        "mustToDate",
        "now",
        "toDate",
        "unixEpoch",
        "env",
        "expandenv",
        "getHostByName",
        "randAlpha",
        "randAlphaNum",
        "randAscii",
        "randBytes",
        "randInt",
        "randNumeric",
        "shuffle",
        "uuidv4",
        "bcrypt",
        "buildCustomCert",
        "decryptAES",
        "derivePassword",
        "encryptAES",
        "genCA",
        "genCAWithKey",
        "genPrivateKey",
        "genSelfSignedCert",
        "genSelfSignedCertWithKey",
        "genSignedCert",
        "genSignedCertWithKey",
        "htpasswd",
    }
)

# sprig computes these in int64, which `typeOf`, `kindOf` and functions that demand an `int` keep apart from int.
INT64_RESULTS = frozenset({"add", "add1", "biggest", "div", "int64", "max", "min", "mod", "mul", "sub", "toDecimal"})

# Getters that touch one item or nothing of a value: their price does not grow with their arguments.
CHEAP = frozenset(
    {
        "and",
        "default",
        "dig",
        "empty",
        "eq",
        "fail",
        "first",
        "ge",
        "get",
        "gt",
        "has",
        "hasKey",
        "hello",
        "index",
        "int",
        "int64",
        "float64",
        "kindIs",
        "kindOf",
        "last",
        "le",
        "len",
        "lt",
        "ne",
        "not",
        "or",
        "set",
        "slice",
        "ternary",
        "typeIs",
        "typeIsLike",
        "typeOf",
        "unset",
        "atoi",
        "toDecimal",
        "coalesce",
        "all",
        "any",
        "dict",
        "list",
        "tuple",
        "plural",
    }
)

# All that a template may read from a version that `semver` made.
VERSION_FIELDS = frozenset({"Major", "Minor", "Patch", "Prerelease", "Metadata", "Original"})


@dataclass(frozen=True, slots=True)
class Function:
    """One callable with the types of its parameters, in order; `rest` is the type of all further ones."""

    name: str
    call: Callable[..., object]
    types: tuple[str, ...]
    required: int
    rest: str | None

    def type_at(self, index: int) -> str:
        return self.types[index] if index < len(self.types) else self.rest or "any"


def _wrapped(name: str, call: Callable[..., object]) -> Function:
    types: list[str] = []
    required, rest = 0, None
    for parameter in inspect.signature(call).parameters.values():
        annotation = parameter.annotation if isinstance(parameter.annotation, str) else getattr(parameter.annotation, "__name__", "")
        wanted = {"str": "string", "int": "int", "float": "float64", "bool": "bool", "dict[str, object]": "map"}.get(annotation, "any")
        if parameter.kind is parameter.VAR_POSITIONAL:
            rest = wanted
        elif parameter.kind is not parameter.KEYWORD_ONLY:
            types.append(wanted)
            required += parameter.default is parameter.empty
    return Function(name, call, tuple(types), required, rest)


def _function_map() -> dict[str, Function]:
    sprig = {name: call for name, call in hermetic_text_func_map().items() if name not in FORBIDDEN}
    return {name: _wrapped(name, call) for name, call in (builtins.GO | sprig | builtins.MENDED).items()}


FUNCTIONS = _function_map()
NAMES = frozenset(FUNCTIONS) | LOGIC


def invoke(name: str, arguments: Sequence[Any], budget: Budget) -> Any:
    """Call a function for a template and return its value. Errors come without a place; the caller knows it."""
    function = FUNCTIONS[name]
    values = [None if value is ABSENT else value for value in arguments]
    count = len(values)
    if count < function.required or (function.rest is None and count > len(function.types)):
        wanted = f"{function.required}" if count < function.required else f"at most {len(function.types)}"
        raise TemplateError(f"{name} takes {wanted}{' or more' if function.rest else ''} arguments, not {count}")
    for index, value in enumerate(values):
        _demand(name, index, function.type_at(index), value)
    depth = 0
    if name not in CHEAP:
        for value in values:
            characters, nested = budget.weigh(value)
            budget.expect(characters)
            depth = max(depth, nested)
    limits.check(name, values, depth, budget)
    try:
        result = function.call(*values)
        if isinstance(result, FunctionResult):
            if result.error is not None:
                raise result.error
            result = result.value
    except TemplateError:
        raise
    except RecursionError:
        raise TemplateError(f"{name}: the value is nested too deeply, or holds itself") from None
    except Exception as error:
        raise TemplateError(f"{name}: {_in_words(error)}") from None
    if result is INVALID or result is UNTYPED_NIL:
        return None
    if name in INT64_RESULTS:
        return Int64(result)  # type: ignore[call-overload]
    if isinstance(result, str):
        budget.expect(len(result))
    return result


def _demand(name: str, index: int, wanted: str, value: object) -> None:
    if wanted == "any" or kind(value) == wanted:
        return
    raise TemplateError(f"{name} needs {_NAMED[wanted]} as argument {index + 1}, not {described(value)} ({kind(value)})")


_NAMED = {"string": "text", "int": "an int", "float64": "a float64", "bool": "true or false", "map": "a map"}


def _in_words(error: Exception) -> str:
    text = str(error) or type(error).__name__
    return text if len(text) <= 300 else text[:300] + "…"


def version_field(version: object, name: str) -> object:
    """Return an allowed field of a `semver` value."""
    if not isinstance(version, Version) or name not in VERSION_FIELDS:
        raise TemplateError(f"there is no {name} in {described(version)}")
    held = getattr(version, name)
    return held() if callable(held) else held
