"""In which language a text is, as far as scripts and frequent words tell."""

from __future__ import annotations

import pytest

from pytest_upskill.generator.prose import problem

EN = "Divide each row by its largest value, and then multiply it by the weight of that column in the same order. "
DE = "Teile jede Zeile durch den größten Wert und multipliziere sie dann mit dem Gewicht, das für die Spalte gilt. "
JA = "各行を最大の絶対値で割り、列ごとの重みを掛けてください。"
ZH = "将每一行除以其最大绝对值,然后逐列乘以权重。"
KO = "각 행을 가장 큰 절댓값으로 나눈 다음 열마다 가중치를 곱하세요."
RU = "Разделите каждую строку на её наибольшее значение и умножьте на вес столбца."
CODE = "\n```cuda\n__global__ void kernel(float* out, const float* in) { out[0] = in[0]; }\n```\n" * 5


@pytest.mark.parametrize(
    ("text", "language"),
    [(EN, "en"), (EN * 4, "en"), (DE * 4, "de"), (JA, "ja"), (ZH, "zh-Hans"), (KO, "ko"), (RU, "ru"), ("", "ja"),
     (JA + CODE, "ja"), (f"`blockIdx.x` {CODE}", "ja"), (JA + " CUDA kernel softmax, `x.amax(-1)`", "ja"),
     (DE * 4, "sv")],
)  # fmt: skip
def test_a_text_in_its_language_passes(text: str, language: str) -> None:
    assert problem(text, language) is None


@pytest.mark.parametrize(
    ("text", "language"),
    [(EN, "ja"), (EN, "ko"), (EN, "zh"), (EN, "ru"), (JA, "en"), (JA, "zh"), (ZH, "ja"), (KO, "ja"), (RU, "en"),
     (DE * 4, "en"), (EN * 4, "de"), (CODE + EN, "ja")],
)  # fmt: skip
def test_a_text_in_another_language_is_named(text: str, language: str) -> None:
    said = problem(text, language)
    assert said is not None
    assert f"(--language {language})" in said
