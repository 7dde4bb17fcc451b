"""Every example of the guide to templates gives what the guide says."""

import json
import re
from pathlib import Path

import pytest

from exclave.config import template
from exclave.config.template import budget, functions, limits, tree

GUIDE = (Path(__file__).parents[2] / "docs/guides/templates.md").read_text()
STATE = json.loads(re.search(r'```json title="state"\n(.*?)```', GUIDE, re.DOTALL)[1])
EXAMPLES = re.findall(r'^```go-template\n(.*?)\n```\n```text( title="refused")?\n(.*?)\n```$', GUIDE, re.DOTALL | re.MULTILINE)


def test_every_template_of_the_guide_has_a_result():
    assert len(EXAMPLES) == GUIDE.count("```go-template") >= 15


@pytest.mark.parametrize(("text", "refused", "wanted"), EXAMPLES, ids=[text.splitlines()[0] for text, _, _ in EXAMPLES])
def test_an_example_of_the_guide_is_true(text, refused, wanted):
    if refused:
        with pytest.raises(template.TemplateError) as caught:
            template.render(text, STATE)
        assert str(caught.value) == wanted
    else:
        assert template.render(text, STATE) == wanted


@pytest.mark.parametrize(("title", "names"), [("go", set(functions.builtins.GO) | functions.LOGIC), ("sprig", functions.ALLOWED)])
def test_the_guide_lists_every_function(title, names):
    listed = re.search(rf'```text title="{title}"\n(.*?)```', GUIDE, re.DOTALL)[1].split()
    assert sorted(listed) == sorted(names | {"slice"} if title == "go" else names)


def test_the_guide_knows_the_limits():
    table = GUIDE[GUIDE.index("| what | limit |") :].split("\n\n")[0]
    for number in (
        budget.STEPS,
        budget.VALUE_CHARACTERS,
        budget.VALUE_DEPTH,
        budget.TEMPLATE_DEPTH,
        tree.LIMITS.max_nesting,
        tree.LIMITS.max_tokens,
        tree.SOURCE_CHARACTERS,
        limits.PATTERN_CHARACTERS,
        limits.PATTERN_REPEATS,
        limits.PRINTF_WIDTH,
    ):
        assert f"{number:,}" in table
    assert budget.OUTPUT_BYTES == 1 << 20
