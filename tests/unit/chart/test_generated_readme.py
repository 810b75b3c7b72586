from __future__ import annotations

from hack import chart_readme
from hack.chart_readme import Value


def test_the_readme_is_what_the_values_say():
    assert chart_readme.render() == chart_readme.OUTPUT.read_text("utf-8"), "run make generate"


def test_every_value_has_a_row_with_its_default_and_comment():
    text = """\
# Who reads it.
api:
  # How many.
  # Ignored at times.
  replicas: 2

  resources:
    limits: {memory: 1Gi}
names: [a, "b"]
"""

    assert list(chart_readme.values(text)) == [
        Value("api", "", "Who reads it."),
        Value("api.replicas", "2", "How many. Ignored at times."),
        Value("api.resources", '{"limits": {"memory": "1Gi"}}', ""),
        Value("names", '["a", "b"]', ""),
    ]
