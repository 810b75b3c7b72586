from __future__ import annotations

from cryptosource_crd import generate


def test_the_charts_template_is_what_the_models_say():
    assert generate.render_template() == generate.TEMPLATE.read_text("utf-8"), "run make generate"


def test_generate_writes_both_files(tmp_path, monkeypatch):
    monkeypatch.setattr(generate, "OUTPUT", tmp_path / "crd.yaml")
    monkeypatch.setattr(generate, "TEMPLATE", tmp_path / "template.yaml")

    assert generate.main([]) == 0
    assert (tmp_path / "crd.yaml").read_text("utf-8") == generate.render()
    assert (tmp_path / "template.yaml").read_text("utf-8") == generate.render_template()


def test_braces_in_a_description_are_no_template(monkeypatch):
    name = "cryptosources.cryptosource.io"
    text = f"metadata:\n  name: {name}\nspec:\n  description: write {{{{ this }}}}\n"
    monkeypatch.setattr(generate, "render", lambda: text)

    assert 'write {{ "{{" }} this }}' in generate.render_template()
