"""Read TOML 1.0 and remember where every key and value stands.

The standard library's reader forgets positions, and an error message without a line is no error message. This reader gives
the same values (a test compares the two) plus, for every path in the document, the offsets of its key and of its value.
Offsets become lines and columns only when a report needs them, so a clean file pays almost nothing.
"""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta, timezone
from typing import Any

from exclave.config.documents import Document, Mark, Path, TomlError

MAX_DEPTH = 64
MAX_KEYS = 20_000


def parse(text: str) -> Document:
    """Read a document; raises `TomlError` at the first character that cannot be."""
    reader = _Reader(text)
    reader.read()
    return Document(text, reader.root, reader.marks)


_CONTROL = r"\x00-\x08\x0b\x0c\x0e-\x1f\x7f"
_SIMPLE = re.compile(
    r"[ \t]*([A-Za-z0-9_-]+)([ \t]*=[ \t]*)"
    rf"(?:\"([^\"\\\n\r{_CONTROL}]*)\"|'([^'\n\r{_CONTROL}]*)'|(true|false)|(0|[1-9][0-9]{{0,17}}))"
    rf"[ \t]*(?:#[^\n\r{_CONTROL}]*)?(?:\r?\n|\Z)"
)
_BLANK = re.compile(rf"(?:[ \t]*(?:#[^\n\r{_CONTROL}]*)?\r?\n)+")
_TAIL = re.compile(rf"[ \t]*(?:#[^\n\r{_CONTROL}]*)?(?:\r?\n|\Z)")
_SPACE = re.compile(r"[ \t]*")
_FILLER = re.compile(rf"(?:[ \t]|\r?\n|#[^\n\r{_CONTROL}]*(?=\r?\n|\Z))*")
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_BASIC = re.compile(rf"[^\"\\\n\r{_CONTROL}]*")
_MULTI = re.compile(rf"(?:[^\"\\\r{_CONTROL}]|\r\n)*")
_LITERAL = re.compile(rf"[^'\n\r{_CONTROL}]*")
_MULTI_LITERAL = re.compile(rf"(?:[^'\r{_CONTROL}]|\r\n)*")
_TRIM = re.compile(r"\\[ \t]*\r?\n(?:[ \t]|\r?\n)*")
_WORD = re.compile(r"[A-Za-z0-9_+\-.:]+(?: (?=[0-9]{2}:)[0-9:.Zz+\-]+)?")
_HEADER = re.compile(r"\[\[?[A-Za-z_][A-Za-z0-9_.-]*\]\]?[ \t]*(?:#.*)?$", re.MULTILINE)
_INT = re.compile(r"[+-]?(?:0|[1-9](?:_?[0-9])*)")
_BASED = re.compile(r"0x[0-9A-Fa-f](?:_?[0-9A-Fa-f])*|0o[0-7](?:_?[0-7])*|0b[01](?:_?[01])*")
_FLOAT = re.compile(
    r"[+-]?(?:0|[1-9](?:_?[0-9])*)(?:\.[0-9](?:_?[0-9])*(?:[eE][+-]?[0-9](?:_?[0-9])*)?|[eE][+-]?[0-9](?:_?[0-9])*)|[+-]?(?:inf|nan)"
)
_TIME = r"([01][0-9]|2[0-3]):([0-5][0-9]):([0-5][0-9])(?:\.([0-9]{1,6})[0-9]*)?"
_DATETIME = re.compile(rf"([0-9]{{4}})-([0-9]{{2}})-([0-9]{{2}})(?:[Tt ]{_TIME}(?:([Zz])|([+-])([01][0-9]|2[0-3]):([0-5][0-9]))?)?")
_LOCAL_TIME = re.compile(_TIME)
_ESCAPES = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r", '"': '"', "\\": "\\"}


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 1 if text.startswith("\ufeff") else 0
        self.root: dict[str, Any] = {}
        self.marks: dict[Path, Mark] = {}
        # How a table came to be decides who may add to it: explicit, implicit, dotted, inline, tables (array of), static (array).
        self.kinds: dict[Path, str] = {}
        self.table = self.root
        self.path: Path = ()
        self.keys = 0

    def read(self) -> None:
        text, simple, blank = self.text, _SIMPLE.match, _BLANK.match
        size = len(text)
        while self.at < size:
            found = simple(text, self.at)
            if found:
                self._simple(found)
                continue
            skipped = blank(text, self.at)
            if skipped:
                self.at = skipped.end()
                continue
            self.at = _SPACE.match(text, self.at).end()  # type: ignore[union-attr]
            if self.at >= size:
                return
            char = text[self.at]
            if char == "[":
                self._header()
            elif char == "#":
                self._end_of_line("after a comment")
            else:
                self._pair(self.table, self.path)
                self._end_of_line("after a value")

    def _simple(self, found: re.Match[str]) -> None:
        key = found[1]
        start = found.start(1)
        kind = found.lastindex or 0
        if key in self.table:
            raise self._twice(key, self.path, start)
        self._count(start)
        if kind == 3:
            value: Any = found[3]
            mark = Mark(start, found.start(3) - 1, found.end(3) + 1)
        elif kind == 4:
            value = found[4]
            mark = Mark(start, found.start(4) - 1, found.end(4) + 1)
        else:
            value = found[5] == "true" if kind == 5 else int(found[6])
            mark = Mark(start, found.start(kind), found.end(kind))
        self.table[key] = value
        self.marks[(*self.path, key)] = mark
        self.at = found.end()

    def _count(self, offset: int) -> None:
        self.keys += 1
        if self.keys > MAX_KEYS:
            raise TomlError(f"more than {MAX_KEYS:,} keys in one file", offset, "split the file", kind="limit")

    def _twice(self, key: str, path: Path, offset: int) -> TomlError:
        first = self.marks.get((*path, key))
        line = self.text.count("\n", 0, first.key) + 1 if first else 0
        hint = f"it is already set in line {line}; remove one of the two" if line else "remove one of the two"
        return TomlError(f'the key "{key}" is set twice', offset, hint, kind="duplicate")

    def _end_of_line(self, after: str) -> None:
        found = _TAIL.match(self.text, self.at)
        if found:
            self.at = found.end()
            return
        self.at = _SPACE.match(self.text, self.at).end()  # type: ignore[union-attr]
        if self.text[self.at] == "#":
            bad = re.compile(rf"[{_CONTROL}\r]").search(self.text, self.at)
            raise TomlError("a control character in a comment", bad.start() if bad else self.at, "remove it")
        hint = "write one `key = value` in a line"
        if self.text[self.at] in "\"'":
            hint = "a quote inside a text must be written as \\\" or the text put between '...'"
        raise TomlError(f"unexpected {_show(self.text, self.at)} {after}", self.at, hint)

    # Tables

    def _header(self) -> None:
        start = self.at
        array = self.text.startswith("[[", start)
        self.at += 2 if array else 1
        keys = self._keys()
        close = "]]" if array else "]"
        if not self.text.startswith(close, self.at):
            raise TomlError(
                f"expected `{close}` to close the table name", self.at, f"write {'[[' if array else '['}{'.'.join(keys)}{close}"
            )
        self.at += len(close)
        mark = Mark(start, start, self.at)
        self._count(start)
        node, path = self.root, ()  # type: tuple[dict[str, Any], Path]
        for key in keys[:-1]:
            node, path = self._enter(node, path, key, start, mark, "implicit")
        last = keys[-1]
        here = (*path, last)
        known = self.kinds.get(here)
        if array:
            if last not in node:
                node[last] = []
                self.kinds[here] = "tables"
                self.marks[here] = mark
            elif known != "tables":
                raise self._twice(last, path, start)
            fresh: dict[str, Any] = {}
            self.table, self.path = fresh, (*here, len(node[last]))
            node[last].append(fresh)
            self.marks[self.path] = mark
        else:
            if last not in node:
                node[last] = {}
            elif known != "implicit":
                raise self._twice(last, path, start)
            self.kinds[here] = "explicit"
            self.marks[here] = mark
            self.table, self.path = node[last], here
        self._end_of_line("after a table name")

    def _enter(self, node: dict[str, Any], path: Path, key: str, start: int, mark: Mark, kind: str) -> tuple[dict[str, Any], Path]:
        here: Path = (*path, key)
        if key not in node:
            node[key] = {}
            self.kinds[here] = kind
            self.marks[here] = mark
            return node[key], here
        known = self.kinds.get(here)
        value = node[key]
        if known == "tables" and kind == "implicit":
            return value[-1], (*here, len(value) - 1)
        if not isinstance(value, dict) or known == "inline" or (kind == "dotted" and known == "explicit"):
            first = self.marks.get(here)
            line = self.text.count("\n", 0, first.key) + 1 if first else 0
            raise TomlError(
                f'"{key}" is already complete and cannot be added to',
                start,
                f"it is set in line {line}" if line else "",
                kind="duplicate",
            )
        if kind == "dotted":
            self.kinds[here] = "dotted"
        return value, here

    # Keys and values

    def _keys(self) -> list[str]:
        keys = []
        while True:
            self.at = _SPACE.match(self.text, self.at).end()  # type: ignore[union-attr]
            keys.append(self._key())
            self.at = _SPACE.match(self.text, self.at).end()  # type: ignore[union-attr]
            if not self.text.startswith(".", self.at):
                return keys
            self.at += 1
            if len(keys) >= MAX_DEPTH:
                raise TomlError(f"more than {MAX_DEPTH} levels", self.at, kind="limit")

    def _key(self) -> str:
        found = _BARE.match(self.text, self.at)
        if found:
            self.at = found.end()
            return found[0]
        if self.text.startswith('"', self.at) and not self.text.startswith('"""', self.at):
            return self._basic()
        if self.text.startswith("'", self.at) and not self.text.startswith("'''", self.at):
            return self._literal()
        hint = "a key has letters, digits, `_` and `-`; put any other between quotes"
        raise TomlError(f"expected a key, found {_show(self.text, self.at)}", self.at, hint)

    def _pair(self, table: dict[str, Any], path: Path, depth: int = 0) -> None:
        start = self.at
        keys = self._keys()
        if not self.text.startswith("=", self.at):
            hint = f"write `{keys[-1]} = ...`"
            if self.text.startswith(":", self.at):
                hint = f"TOML has `=` where YAML has `:`; {hint}"
            raise TomlError(f"expected `=` after the key, found {_show(self.text, self.at)}", self.at, hint)
        self.at = _SPACE.match(self.text, self.at + 1).end()  # type: ignore[union-attr]
        for key in keys[:-1]:
            table, path = self._enter(table, path, key, start, Mark(start, start, self.at), "dotted")
        last = keys[-1]
        if last in table:
            raise self._twice(last, path, start)
        self._count(start)
        value_at = self.at
        here = (*path, last)
        table[last] = self._value(here, depth)
        self.marks[here] = Mark(start, value_at, self.at)

    def _value(self, path: Path, depth: int) -> Any:
        if depth > MAX_DEPTH:
            raise TomlError(f"nested deeper than {MAX_DEPTH} levels", self.at, kind="limit")
        text, at = self.text, self.at
        char = text[at : at + 1]
        if char == '"':
            return self._multi_basic() if text.startswith('"""', at) else self._basic()
        if char == "'":
            return self._multi_literal() if text.startswith("'''", at) else self._literal()
        if char == "[":
            return self._array(path, depth)
        if char == "{":
            return self._inline(path, depth)
        return self._word()

    def _array(self, path: Path, depth: int) -> list[Any]:
        self.kinds[path] = "static"
        opened = self.at
        self.at += 1
        items: list[Any] = []
        while True:
            self.at = _FILLER.match(self.text, self.at).end()  # type: ignore[union-attr]
            if self.text.startswith("]", self.at):
                self.at += 1
                return items
            if self.at >= len(self.text):
                raise TomlError("this list is not closed", opened, "add `]`")
            start = self.at
            if _HEADER.match(self.text, start) and self.text[start - 1] == "\n":
                raise TomlError("this list is not closed", opened, "add `]`")
            here = (*path, len(items))
            self._count(start)
            items.append(self._value(here, depth + 1))
            self.marks[here] = Mark(start, start, self.at)
            self.at = _FILLER.match(self.text, self.at).end()  # type: ignore[union-attr]
            if self.text.startswith(",", self.at):
                self.at += 1
            elif not self.text.startswith("]", self.at):
                if self.at >= len(self.text):
                    raise TomlError("this list is not closed", opened, "add `]`")
                raise TomlError(f"expected `,` or `]` in a list, found {_show(self.text, self.at)}", self.at, "separate the items with `,`")

    def _inline(self, path: Path, depth: int) -> dict[str, Any]:
        self.kinds[path] = "inline"
        opened = self.at
        table: dict[str, Any] = {}
        self.at = _SPACE.match(self.text, self.at + 1).end()  # type: ignore[union-attr]
        if self.text.startswith("}", self.at):
            self.at += 1
            return table
        while True:
            self.at = _SPACE.match(self.text, self.at).end()  # type: ignore[union-attr]
            if self.text[self.at : self.at + 1] in ("\n", "\r", ""):
                raise TomlError("an inline table must be in one line", opened, "write it as a [table] of its own")
            if self.text.startswith("}", self.at):
                raise TomlError("a `,` before the end of an inline table", self.at, "remove the `,`")
            self._pair(table, path, depth + 1)
            self.at = _SPACE.match(self.text, self.at).end()  # type: ignore[union-attr]
            if self.text.startswith("}", self.at):
                self.at += 1
                return table
            if not self.text.startswith(",", self.at):
                hint = "separate the entries with `,` and close with `}`, all in one line"
                raise TomlError(f"expected `,` or `}}`, found {_show(self.text, self.at)}", self.at, hint)
            self.at += 1

    # Texts

    def _basic(self) -> str:
        opened = self.at
        self.at += 1
        parts = []
        while True:
            found = _BASIC.match(self.text, self.at)
            assert found
            parts.append(found[0])
            self.at = found.end()
            char = self.text[self.at : self.at + 1]
            if char == '"':
                self.at += 1
                return "".join(parts)
            if char == "\\":
                parts.append(self._escape())
            elif char in ("\n", "\r", ""):
                raise TomlError("this text is not closed", opened, 'add `"`, or use """ for a text of several lines')
            else:
                raise TomlError(f"a control character (U+{ord(char):04X}) in a text", self.at, f"write \\u{ord(char):04x}")

    def _multi_basic(self) -> str:
        opened = self.at
        self.at += 3
        self._first_newline()
        parts = []
        while True:
            found = _MULTI.match(self.text, self.at)
            assert found
            parts.append(found[0])
            self.at = found.end()
            char = self.text[self.at : self.at + 1]
            if char == '"':
                run = len(re.compile('"+').match(self.text, self.at)[0])  # type: ignore[index]
                run = min(run, 5)
                self.at += run
                if run >= 3:
                    parts.append('"' * (run - 3))
                    return "".join(parts).replace("\r\n", "\n")
                parts.append('"' * run)
            elif char == "\\":
                trimmed = _TRIM.match(self.text, self.at)
                if trimmed:
                    self.at = trimmed.end()
                else:
                    parts.append(self._escape())
            elif not char:
                raise TomlError('this """ text is not closed', opened, 'add `"""` where the text ends')
            else:
                raise TomlError(f"a control character (U+{ord(char):04X}) in a text", self.at, f"write \\u{ord(char):04x}")

    def _literal(self) -> str:
        opened = self.at
        found = _LITERAL.match(self.text, self.at + 1)
        assert found
        self.at = found.end()
        char = self.text[self.at : self.at + 1]
        if char == "'":
            self.at += 1
            return found[0]
        if char in ("\n", "\r", ""):
            raise TomlError("this text is not closed", opened, "add `'`, or use ''' for a text of several lines")
        raise TomlError(f"a control character (U+{ord(char):04X}) in a text", self.at, 'use a "..." text and \\u escapes')

    def _multi_literal(self) -> str:
        opened = self.at
        self.at += 3
        self._first_newline()
        start = self.at
        while True:
            found = _MULTI_LITERAL.match(self.text, self.at)
            assert found
            self.at = found.end()
            char = self.text[self.at : self.at + 1]
            if not char:
                raise TomlError("this ''' text is not closed", opened, "add `'''` where the text ends")
            if char != "'":
                raise TomlError(f"a control character (U+{ord(char):04X}) in a text", self.at, 'use a """ text and \\u escapes')
            run = min(5, len(re.compile("'+").match(self.text, self.at)[0]))  # type: ignore[index]
            self.at += run
            if run >= 3:
                return self.text[start : self.at - 3].replace("\r\n", "\n")

    def _first_newline(self) -> None:
        if self.text.startswith("\n", self.at):
            self.at += 1
        elif self.text.startswith("\r\n", self.at):
            self.at += 2

    def _escape(self) -> str:
        start = self.at
        char = self.text[start + 1 : start + 2]
        if char in _ESCAPES:
            self.at += 2
            return _ESCAPES[char]
        if char in ("u", "U"):
            size = 4 if char == "u" else 8
            digits = self.text[start + 2 : start + 2 + size]
            if len(digits) == size and re.fullmatch("[0-9A-Fa-f]+", digits):
                number = int(digits, 16)
                if number <= 0x10FFFF and not 0xD800 <= number <= 0xDFFF:
                    self.at += 2 + size
                    return chr(number)
            raise TomlError(f"\\{char} needs {size} hexadecimal digits of a character", start)
        hint = "a backslash is written as \\\\, or put the text between '...'"
        raise TomlError(f"unknown escape \\{char}" if char else "a lone backslash", start, hint)

    # Numbers, booleans, dates

    def _word(self) -> Any:
        start = self.at
        found = _WORD.match(self.text, start)
        if not found:
            char = self.text[start : start + 1]
            if char in ("\n", "\r", "", "#"):
                raise TomlError("expected a value after `=`", start, 'an empty text is written as ""')
            hint = 'put texts between "..."'
            if char in "“”„‘’«»":
                hint = 'these are typographic quotes; TOML needs "'
            raise TomlError(f"expected a value, found {_show(self.text, start)}", start, hint)
        word = found[0]
        self.at = found.end()
        if word in ("true", "false"):
            return word == "true"
        if _INT.fullmatch(word):
            if len(word) > 100:
                raise TomlError("a number of more than 100 digits", start, kind="limit")
            return int(word.replace("_", ""))
        if _FLOAT.fullmatch(word):
            return float(word.replace("_", ""))
        if _BASED.fullmatch(word) and len(word) <= 100:
            return int(word.replace("_", ""), 0)
        moment = self._moment(word, start)
        if moment is not None:
            return moment
        self.at = start
        hint = f'put texts between quotes: "{word}"'
        if word.lower() in ("true", "false", "yes", "no", "on", "off"):
            hint = "write true or false, in lower case"
        elif re.fullmatch(r"[+-]?0[0-9]+", word):
            hint = f'a number does not begin with 0; as text it is "{word}"'
        raise TomlError(f"`{word}` is not a value", start, hint)

    def _moment(self, word: str, start: int) -> Any:
        try:
            found = _DATETIME.fullmatch(word)
            if found:
                day = (int(found[1]), int(found[2]), int(found[3]))
                if found[4] is None:
                    return date(*day)
                zone = None
                if found[8]:
                    zone = timezone.utc  # noqa: UP017 - the same object as tomllib's
                elif found[9]:
                    shift = timedelta(hours=int(found[10]), minutes=int(found[11]))
                    zone = timezone(shift if found[9] == "+" else -shift)
                return datetime(*day, int(found[4]), int(found[5]), int(found[6]), int((found[7] or "0").ljust(6, "0")), zone)
            found = _LOCAL_TIME.fullmatch(word)
            if found:
                return time(int(found[1]), int(found[2]), int(found[3]), int((found[4] or "0").ljust(6, "0")))
        except ValueError:
            raise TomlError(f"`{word}` is not a date", start) from None
        return None


def _show(text: str, at: int) -> str:
    char = text[at : at + 1]
    if not char:
        return "the end of the file"
    if char in "\r\n":
        return "the end of the line"
    return f"`{char}`" if char.isprintable() else f"U+{ord(char):04X}"
