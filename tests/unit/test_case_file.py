import textwrap
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_upskill.cases.case import Choices, Dim, Expectation, Named, Range, ScalarSpec, TensorSpec, Tolerance
from pytest_upskill.cases.case_file import load_case
from pytest_upskill.documents.expression import parse
from pytest_upskill.errors import CaseError

RMS_NORM = """\
---
op: rms_norm(Tensor x, Tensor weight, float eps) -> Tensor
dims:
  rows: 1..512
  cols: 1..4096
args:
  x: [rows, cols]
  weight: [cols]
  eps: {values: 1.0e-6..1.0e-3}
dtypes: [float32, float16, bfloat16]
speed: {rows: 8192, cols: 4096}
---
Normalise each row of `x` by its root mean square, then scale it by `weight`.

## Reference

```python
def rms_norm(x, weight, eps):
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + eps) * weight
```

## Solution

```cuda
// a kernel
```
"""

BODY = """\
Copy.

## Reference

```python
def f(x):
    return x.clone()
```
"""


def load(tmp_path, text, name="case.md"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return load_case(path, "skill")


def kernel_case(tmp_path, frontmatter, body=BODY):
    """A case with these lines of frontmatter, after a plain ``op``, ``dims`` and ``args`` unless it has its own."""
    given = textwrap.dedent(frontmatter).strip("\n")
    keys = {line.partition(":")[0] for line in given.split("\n")}
    defaults = {"op": "op: f(Tensor x) -> Tensor", "dims": "dims: {n: 1..9}", "args": "args: {x: [n]}"}
    lines = [line for key, line in defaults.items() if key not in keys]
    return load(tmp_path, "\n".join(["---", *filter(None, [given]), *lines, "---", body]))


def refusal(tmp_path, frontmatter, body=BODY):
    with pytest.raises(CaseError) as caught:
        kernel_case(tmp_path, frontmatter, body)
    assert caught.value.path == tmp_path / "case.md"
    return caught.value


def argument(tmp_path, args, op="f(Tensor x) -> Tensor", parameters="x", extra=""):
    body = f"Copy.\n\n## Reference\n\n```python\ndef f({parameters}):\n    return x\n```\n"
    case = kernel_case(tmp_path, f"op: {op}\nargs: {args}\n{extra}".rstrip(), body)
    return case.arguments[-1]


# ------------------------------------------------------------------------------------------------------- a good case


def test_a_case_is_read_with_all_that_it_says(tmp_path):
    case = load(tmp_path, RMS_NORM, "rms_norm.md")
    assert (case.name, case.skill, case.kind, case.contract, case.language) == (
        "rms_norm", "skill", "kernel", "launcher", "cuda",
    )  # fmt: skip
    assert case.task == "Normalise each row of `x` by its root mean square, then scale it by `weight`."
    assert case.dims == (Dim("rows", Range(parse(1), parse(512))), Dim("cols", Range(parse(1), parse(4096))))
    assert case.arguments == (
        TensorSpec("x", (parse("rows"), parse("cols"))),
        TensorSpec("weight", (parse("cols"),)),
        ScalarSpec("eps", "float", Range(parse("1.0e-6"), parse("1.0e-3"))),
    )
    assert case.dtypes == ("float32", "float16", "bfloat16")
    assert case.speed == {"rows": 8192, "cols": 4096}
    assert (case.examples, case.at_least, case.atomics, case.zero, case.tags) == (None, None, False, False, ())


def test_snippets_know_where_they_stand_in_the_file(tmp_path):
    case = load(tmp_path, RMS_NORM)
    lines = RMS_NORM.split("\n")
    assert lines[case.reference.line - 1] == case.reference.source.split("\n")[0] == "def rms_norm(x, weight, eps):"
    assert lines[case.solution.line - 1] == case.solution.source.strip() == "// a kernel"


def test_what_a_case_leaves_out_has_a_default(tmp_path):
    case = kernel_case(tmp_path, "")
    assert (case.dtypes, case.solution, case.inputs, case.tolerance, case.where) == (("float32",), None, None, {}, ())


def test_the_hash_follows_the_content(tmp_path):
    first, second = load(tmp_path, RMS_NORM), load(tmp_path, RMS_NORM + "\n")
    assert first.text_hash == load(tmp_path, RMS_NORM).text_hash != second.text_hash


def test_optional_keys_are_read(tmp_path):
    case = kernel_case(
        tmp_path,
        """
        op: f(Tensor x) -> (Tensor y, Tensor mean)
        dims: {n: 1..9, heads: [1, 2], width: 64}
        where: [n % heads == 0]
        returns: {mean: float32}
        tolerance: {rtol: 1e-3, atol: 0}
        examples: 12
        contract: launcher
        language: cuda
        speed: {n: 4096, heads: 2}
        at_least: 1.5
        tags: [reduction, rows]
        atomics: true
        zero: true
        """,
    )
    assert case.dims[1:] == (Dim("heads", Choices((1, 2))), Dim("width", Choices((64,))))
    assert case.where == (parse("n % heads == 0"),)
    assert case.returns == {"mean": "float32"}
    assert case.tolerance == {"*": Tolerance(1e-3, 0.0)}
    assert case.speed == {"n": 4096, "heads": 2, "width": 64}
    assert (case.examples, case.at_least, case.tags) == (12, 1.5, ("reduction", "rows"))
    assert case.atomics
    assert case.zero


def test_a_tolerance_may_be_given_for_each_dtype(tmp_path):
    case = kernel_case(tmp_path, "tolerance: {float16: {rtol: 1e-2, atol: 1e-3}, float32: {rtol: 0, atol: 1e-6}}")
    assert case.tolerance == {"float16": Tolerance(1e-2, 1e-3), "float32": Tolerance(0.0, 1e-6)}


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("-1..1", Range(parse("-1"), parse("1"))),
        ("0.5 .. n", Range(parse("0.5"), parse("n"))),
        ("[-.inf, 0, 1.5]", Choices((float("-inf"), 0.0, 1.5))),
        ("normal", Named("normal")),
        ("bool", Named("bool")),
    ],
)
def test_values_of_a_floating_tensor(tmp_path, text, values):
    assert argument(tmp_path, f"{{x: {{shape: [n], values: {text}}}}}").values == values


@pytest.mark.parametrize(
    ("dtype", "text", "values"),
    [
        ("int64", "0..n-1", Range(parse("0"), parse("n-1"))),
        ("int8", "[-128, 127]", Choices((-128, 127))),
        ("int32", "permutation", Named("permutation")),
        ("bool", "[true, false]", Choices((True, False))),
        ("bool", "bool", Named("bool")),
    ],
)
def test_values_of_a_tensor_with_a_dtype_of_its_own(tmp_path, dtype, text, values):
    found = argument(tmp_path, f"{{x: {{shape: [n], dtype: {dtype}, values: {text}}}}}")
    assert (found.dtype, found.values) == (dtype, values)


@pytest.mark.parametrize(
    ("kind", "text", "values"),
    [
        ("float", "0..1", Range(parse("0"), parse("1"))),
        ("float", "1e-5", Choices((1e-5,))),
        ("float", "[0, 0.5]", Choices((0.0, 0.5))),
        ("int", "1..n", Range(parse("1"), parse("n"))),
        ("int", "3", Choices((3,))),
        ("bool", "true", Choices((True,))),
        ("bool", "[true, false]", Choices((True, False))),
    ],
)
def test_values_of_a_scalar(tmp_path, kind, text, values):
    found = argument(
        tmp_path, f"{{x: [n], s: {{values: {text}}}}}", f"f(Tensor x, {kind} s) -> Tensor", parameters="x, s"
    )
    assert found == ScalarSpec("s", kind, values)


@pytest.mark.parametrize(
    ("shape", "sizes"),
    [
        ("[]", []),
        ("[n + 1, 2 * n]", ["n + 1", "2 * n"]),
        ("[3, 'max(n, 4)']", ["3", "max(n, 4)"]),
        ("[n // 2]", ["n // 2"]),
    ],
)
def test_shapes_are_lists_of_expressions(tmp_path, shape, sizes):
    assert [str(size) for size in argument(tmp_path, f"{{x: {shape}}}").shape] == sizes


def test_bounds_may_name_earlier_dims(tmp_path):
    case = kernel_case(tmp_path, "dims: {n: 1..9, k: 1..n * 2}")
    assert case.dims[1].sizes == Range(parse("1"), parse("n * 2"))


def test_the_reference_may_ask_for_dims_and_have_helpers(tmp_path):
    body = "Copy.\n\n## Reference\n\n```py\ndef g(x):\n    return x\n\n\ndef f(x, *, n=1):\n    return g(x)\n```\n"
    assert kernel_case(tmp_path, "", body).reference.source.startswith("def g(x):")


def test_inputs_may_be_drawn_by_code(tmp_path):
    body = BODY + "\n## Inputs\n\n```python\ndef inputs(generator, dtype, **dims):\n    return {}\n```\n"
    case = kernel_case(tmp_path, "", body)
    assert case.inputs.source.startswith("def inputs(")


def test_headings_inside_fences_are_none_and_notes_are_free(tmp_path):
    body = "Copy.\n\n```\n## Solution\n```\n" + BODY.removeprefix("Copy.\n") + "\n## Notes\n\nFor people.\n"
    assert "## Solution" in kernel_case(tmp_path, "", body).task


def test_a_project_solution_is_kept_as_it_stands(tmp_path):
    body = BODY + "\n## Solution\n\n```toml build.toml\n[general]\n```\n\n```cuda f_cuda/f.cu\nint x;\n```\n"
    case = kernel_case(tmp_path, "contract: kernel-builder", body)
    assert case.contract == "kernel-builder"
    assert case.solution.source.startswith("```toml build.toml\n")
    assert case.solution.source.endswith("int x;\n```\n")


def test_a_case_without_op_is_a_text_case(tmp_path):
    case = load(tmp_path, "---\nexpect: {contains: [warp], matches: ['sync(warp)?'], rubric: [is short]}\n---\nWhy?\n")
    assert (case.kind, case.op, case.task) == ("text", None, "Why?")
    assert case.expect == Expectation(("warp",), ("sync(warp)?",), ("is short",))


def test_windows_line_ends_and_a_byte_order_mark_change_nothing(tmp_path):
    plain = load(tmp_path, RMS_NORM)
    path = tmp_path / "case.md"
    path.write_bytes(b"\xef\xbb\xbf" + RMS_NORM.replace("\n", "\r\n").encode())
    other = load_case(path, "skill")
    assert (other.task, other.reference, other.arguments) == (plain.task, plain.reference, plain.arguments)


# ------------------------------------------------------------------------------------------------------- broken cases


@pytest.mark.parametrize(
    ("frontmatter", "line", "piece"),
    [
        ("opp: f(Tensor x) -> Tensor", 2, "unknown key 'opp'; did you mean 'op'?"),
        ("speeds: {n: 1}", 2, "unknown key 'speeds'; did you mean 'speed'?"),
        ("expect: {contains: [x]}", 2, "a case has 'op' (a kernel) or 'expect' (a text), not both"),
        ("op: [f]", 2, "'op' is '[f]'; it must be an operator schema"),
        ("op: f(Tensor? x) -> Tensor", 2, "'op': argument 'x' is of type 'Tensor?'"),
        ("op: f(Tensor n) -> Tensor", 2, "'op': 'n' names an argument and a dim"),
        ("dims: [n]", 2, "'dims' is '[n]'; it must be a mapping such as {rows: 1..512"),
        ("dims: {n: 1..9, int: 3}", 2, "dim 'int' is a C++ keyword"),
        ("dims: {n: 1..9, stream: 3}", 2, "dim 'stream' is taken"),
        ("dims: {n: 1..9, max: 3}", 2, "dim 'max' has the name of a function that expressions may call"),
        ("dims: {n: 1..9, n_: 3}", 2, "dim 'n_' begins or ends with an underscore"),
        ("dims:\n  n: 1..9\n  m: 9..1", 4, "dim 'm' is '9..1', whose lower end is above the upper one"),
        ("dims:\n  n: 1..9\n  m: 1..", 4, "a range is written 'low..high'"),
        ("dims: {n: ..9}", 2, "a range is written 'low..high'"),
        ("dims: {n: 1...9}", 2, "a range is written 'low..high'"),
        ("dims: {n: -1..9}", 2, "dim 'n' reaches -1"),
        ("dims: {n: 1.5..9}", 2, "the lower end of dim 'n' is '1.5'; numbers there must be integers"),
        ("dims: {n: 1..1e3}", 2, "the upper end of dim 'n' is '1e3'; numbers there must be integers"),
        ("dims: {n: 1..9999999999999}", 2, "from 0 to 2^40"),
        ("dims: {n: 1..m, m: 9}", 2, "the upper end of dim 'n' names 'm', which 'dims' does not define"),
        ("dims: {n: 1..n}", 2, "names 'n', which 'dims' does not define"),
        ("dims: {rows: 1..9, n: 1..row}", 2, "names 'row', which 'dims' does not define; did you mean 'rows'?"),
        ("dims: {m: 2..3, n: 1..m<2}", 2, "'m<2' is a condition, not a number"),
        ("dims: {n: many}", 2, "dim 'n' is 'many'; a size is a range (1..512), a list ([32, 64]) or one number"),
        ("dims: {n: 1.5}", 2, "dim 'n' is '1.5'; a size is"),
        ("dims: {n: -3}", 2, "dim 'n' is '-3'; a size is"),
        ("dims: {n: true}", 2, "dim 'n' is 'true'; a size is"),
        ("dims: {n: []}", 2, "dim 'n' is an empty list"),
        ("dims: {n: [1, 1]}", 2, "dim 'n' lists 1 twice"),
        ("dims: {n: }", 2, "dim 'n' is ''; a size is"),
        ("where: n > 1", 2, "it must be a list such as [cols % heads == 0]; write [n > 1]"),
        ("where: [n % 2]", 2, "'n % 2' in 'where' is a number; a condition compares, as in 'n % 2 == 0'"),
        ("where: [1 < 2]", 2, "names no dim and no scalar"),
        ("where: [m > 1]", 2, "'where' names 'm', which 'dims' does not define"),
        ("where: [x > 1]", 2, "'where' names 'x', which is a tensor; conditions are on dims and integer scalars"),
        ("where: [n > 1.5]", 2, "numbers there must be integers"),
        ("where: [n / 2 > 1]", 2, "divide with //"),
        ("args: [x]", 2, "'args' is '[x]'; it must be a mapping"),
        ("args: {y: [n]}", 2, "'args' describes 'y', which 'op' does not have"),
        ("args: {x: [n], n: [n]}", 2, "'args' describes 'n', which is a dim"),
        ("args: {x: [n], out: [n]}", 2, "'args' describes 'out', a result"),
        ("args: {}", 2, "'args' does not describe 'x' of 'op': add 'x: [rows, cols]'"),
        ("args:\n  x: [n, m]", 3, "shape of 'x' names 'm', which 'dims' does not define"),
        ("dims: {cols: 3}\nargs:\n  x: [col]", 4, "names 'col', which 'dims' does not define; did you mean 'cols'?"),
        ("args: {x: n}", 2, "'x' is 'n'; a tensor is described as"),
        ("args: {x: {values: normal}}", 2, "'x' has no shape"),
        ("args: {x: {shape: n}}", 2, "shape of 'x' is 'n'; it must be a list such as [rows, cols]"),
        ("args: {x: {shape: [n], type: int64}}", 2, "'x' has an unknown key 'type'; did you mean 'dtype'?"),
        ("args: {x: {shape: [n], dtype: int46}}", 2, "dtype of 'x' 'int46' is not supported; did you"),
        ("args: {x: {shape: [n], dtype: torch.int64}}", 2, "is written without 'torch.'"),
        ("args: {x: [1.5]}", 2, "shape of 'x' is '1.5'; numbers there must be integers"),
        ("args: {x: [-1]}", 2, "shape of 'x' holds '-1'; a size is an integer from 0"),
        ("args: {x: [n < 3]}", 2, "shape of 'x' holds 'n < 3', a condition"),
        ("args: {x: [[n]]}", 2, "shape of 'x' is '[n]', which is not an expression"),
        ("dtypes: float16", 2, "'dtypes' is 'float16'; it must be a list such as [float32, float16]; write [float16]"),
        ("dtypes: [float16, half]", 2, "dtype 'half' is not supported"),
        ("dtypes: [float61]", 2, "did you mean 'float64'?"),
        ("dtypes: [float16, float16]", 2, "'dtypes' holds 'float16' twice"),
        ("dtypes: []", 2, "'dtypes' is an empty list"),
        ("returns: {y: float32}", 2, "'returns' has an unknown key 'y'; known: out"),
        ("returns: {out: float}", 2, "dtype of result 'out' 'float' is not supported"),
        ("tolerance: 1e-3", 2, "'tolerance' is '1e-3'; it must be a mapping such as {rtol: 1e-3, atol: 1e-5}"),
        ("tolerance: {}", 2, "'tolerance' is empty"),
        ("tolerance: {rtol: 1e-3}", 2, "'tolerance' has no 'atol'; give both"),
        ("args: {x: [1 // 0]}", 2, "shape of 'x': '1 // 0' divides by zero"),
        ("dims: {n: 1..1 // 0}", 2, "the upper end of dim 'n': '1 // 0' divides by zero"),
        ("tolerance: {rtol: -1, atol: 0}", 2, "'rtol' of 'tolerance' is '-1'; it must be a number, zero or more"),
        ("tolerance: {rtol: .nan, atol: 0}", 2, "it must be a number, zero or more"),
        (
            "tolerance: {rtol: 1, atol: 0, float16: {}}",
            2,
            "'tolerance' has an unknown key 'float16'; known: rtol, atol",
        ),
        ("tolerance: {flaot16: {rtol: 1, atol: 0}}", 2, "unknown key 'flaot16'; did you mean 'float16'?"),
        ("tolerance: {float16: {rtol: 1}}", 2, "'tolerance' of float16 has no 'atol'"),
        ("examples: 0", 2, "'examples' is '0'; it must be an integer, 1 or more"),
        ("examples: 1.5", 2, "it must be an integer, 1 or more"),
        ("examples: true", 2, "it must be an integer, 1 or more"),
        ("contract: 7", 2, "contract is '7'; it must be a name such as 'launcher'"),
        ("language: [cuda]", 2, "it must be a name such as 'cuda'"),
        (
            "forbid: softmax",
            2,
            "'forbid' is 'softmax'; it must be a list such as [softmax, log_softmax]; write [softmax]",
        ),
        ("forbid: []", 2, "'forbid' is an empty list"),
        ("forbid: ['aten::softmax.int']", 2, "without a namespace, an overload or a call; write 'softmax'"),
        ("forbid: [torch.softmax]", 2, "'forbid' holds 'torch.softmax'; an operator is named without a namespace"),
        ("forbid: [F.softmax]", 2, "write 'softmax'"),
        ("forbid: [softmax, softmax]", 2, "'forbid' holds 'softmax' twice; keep one"),
        ("forbid: [softmax()]", 2, "'forbid' holds 'softmax()'"),
        ("vectorised: maybe", 2, "'vectorised' is 'maybe'; it must be true or false"),
        ("vectorized: true", 2, "unknown key 'vectorized'; did you mean 'vectorised'?"),
        ("speed: {m: 1}", 2, "'speed' has an unknown key 'm'"),
        ("speed: {}", 2, "'speed' gives no size for dim 'n': add 'n: 4096'"),
        ("speed: {n: 0}", 2, "'speed' of dim 'n' is '0'; it must be an integer, 1 or more"),
        ("dims: {n: 64}\nspeed: {n: 32}", 3, "'speed' gives dim 'n' the size 32, but 'dims' fixes it at 64"),
        ("where: [n % 2 == 0]\nspeed: {n: 31}", 3, "the sizes in 'speed' break the condition 'n % 2 == 0'"),
        ("at_least: 1.5", 2, "'at_least' needs 'speed'"),
        ("at_least: 0\nspeed: {n: 9}", 2, "'at_least' is '0'; it must be a number, above zero"),
        ("tags: [1]", 2, "'tags' holds '1', which is not a text"),
        ("tags: [a, a]", 2, "'tags' holds 'a' twice"),
        ("tags: [warp shuffle]", 2, "'tags' holds 'warp shuffle'; -m selects words of letters"),
        ("tags: [fine, 'area:sort']", 2, "write 'area-sort'"),
        ("tags: [_hidden]", 2, "write 'hidden'"),
        ("tags: [slow, skip]", 2, "'tags' holds 'skip', which has a meaning in pytest already"),
        ("tags: [not]", 2, "'tags' holds 'not', which has a meaning in pytest already"),
        ("atomics: yes", 2, "'atomics' is 'yes'; it must be true or false (in YAML 1.2, 'yes' is a word)"),
        ("zero: 1", 2, "'zero' is '1'; it must be true or false"),
    ],
)
def test_a_broken_field_is_reported_with_its_line_its_value_and_the_rule(tmp_path, frontmatter, line, piece):
    error = refusal(tmp_path, frontmatter)
    assert piece in error.message
    assert error.line == line


@pytest.mark.parametrize(
    ("tensor", "piece"),
    [
        ("{shape: [n], values: 3}", "'values' of 'x' are '3'; write a range (0..9), a list ([3]) or a name"),
        ("{shape: [n], values: norml}", "'values' of 'x' 'norml' is unknown; did you mean 'normal'?"),
        ("{shape: [n], values: []}", "'values' of 'x' is an empty list"),
        ("{shape: [n], values: 2..1}", "lower end is above the upper one"),
        ("{shape: [n], values: 0..m}", "the upper end of 'values' of 'x' names 'm'"),
        ("{shape: [n], values: [a]}", "'values' of 'x' hold 'a'; for float32 each must be a number"),
        ("{shape: [n], values: permutation}", "'permutation', which is for integer tensors, but the tensor is float32"),
        ("{shape: [n], dtype: int64, values: 0.5..2}", "numbers there must be integers"),
        ("{shape: [n], dtype: int64, values: [0.5]}", "hold '0.5'; for int64 each must be an integer"),
        ("{shape: [n], dtype: int64, values: normal}", "'normal', which is for floating tensors"),
        ("{shape: [n], dtype: uint8, values: 0..256}", "reach 256, which uint8 cannot hold (0 to 255)"),
        ("{shape: [n], dtype: int8, values: [128]}", "hold '128'; for int8 each must be an integer from -128 to 127"),
        ("{shape: [n], dtype: bool, values: 0..1}", "the tensor is bool: remove them, or write [true, false]"),
        ("{shape: [n], dtype: bool, values: [0, 1]}", "for bool each must be true or false"),
        ("{shape: [n], dtype: bool, values: sorted}", "'sorted', which is for tensors of numbers"),
    ],
)
def test_values_must_suit_the_tensor(tmp_path, tensor, piece):
    assert piece in refusal(tmp_path, f"args: {{x: {tensor}}}").message


def test_values_must_suit_every_dtype_that_is_tried(tmp_path):
    error = refusal(tmp_path, "dtypes: [float32, int8]\nargs: {x: {shape: [n], values: [0.5]}}")
    assert "for int8 each must be an integer" in error.message


@pytest.mark.parametrize(
    ("kind", "scalar", "piece"),
    [
        ("float", "1e-5", "'s' is '1e-5'; a scalar is described as 's: {values: 1e-5}'"),
        ("float", "[1, 2]", "'s' is '[1, 2]'; a scalar is described as 's: {values: [1, 2]}'"),
        ("float", "{}", "'s' has no 'values'"),
        ("float", "{shape: [n], values: 1}", "'s' has a shape, but it is a scalar of type 'float'"),
        ("float", "{value: 1}", "'s' has an unknown key 'value'; did you mean 'values'?"),
        ("float", "{values: normal}", "hold 'normal'; for float32 each must be a number"),
        ("float", "{values: true}", "for float32 each must be a number"),
        ("int", "{values: 0.5}", "hold '0.5'; for int64 each must be an integer"),
        ("int", "{values: 0.5..2}", "numbers there must be integers"),
        ("int", "{values: 0..9223372036854775808}", "which int64_t cannot hold"),
        ("int", "{values: []}", "is an empty list"),
        ("bool", "{values: 1}", "for bool each must be true or false"),
        ("bool", "{values: 0..1}", "those of a bool are true, false or [true, false]"),
    ],
)
def test_values_must_suit_the_scalar(tmp_path, kind, scalar, piece):
    error = refusal(tmp_path, f"op: f(Tensor x, {kind} s) -> Tensor\nargs: {{x: [n], s: {scalar}}}")
    assert piece in error.message


@pytest.mark.parametrize("kind", ["float", "bool"])
def test_conditions_are_on_integers_only(tmp_path, kind):
    values = "true" if kind == "bool" else "0..1"
    frontmatter = f"op: f(Tensor x, {kind} s) -> Tensor\nargs: {{x: [n], s: {{values: {values}}}}}\nwhere: [s > 0]"
    assert f"'where' names 's', which is a {kind}" in refusal(tmp_path, frontmatter).message


REFERENCE = "Copy.\n\n## Reference\n\n```python\n{}\n```\n"


@pytest.mark.parametrize(
    ("body", "line", "piece"),
    [
        ("\n## Reference\n", 6, "the task is empty"),
        ("Copy.\n", 6, "the case has no '## Reference'"),
        ("Copy.\n\n## Refrence\n", 8, "unknown heading '## Refrence'; did you mean 'Reference'?"),
        ("Copy.\n\n## reference\n", 8, "unknown heading '## reference'; did you mean 'Reference'?"),
        ("Copy.\n\n## Background\n", 8, "unknown heading '## Background'; known: Reference, Solution, Inputs, Notes"),
        (BODY + "\n## Reference\n", 15, "'## Reference' is repeated, first in line 8"),
        ("Copy.\n\n## Reference\n\nIn words.\n", 8, "'## Reference' has no fenced block"),
        (BODY + "\n```python\n```\n", 15, "'## Reference' has 2 fenced blocks; keep one"),
        ("Copy.\n\n## Reference\n\n```cuda\nx\n```\n", 10, "names 'cuda'; write ```python"),
        ("Copy.\n\n## Reference\n\n```\nx\n```\n", 10, "names no language; write ```python"),
        ("Copy.\n\n## Reference\n\n```python\n```\n", 10, "the block under '## Reference' is empty"),
        ("Copy.\n\n## Reference\n\n```python\ndef f(x):\n", 10, "this fenced block is never closed"),
        ("Copy.\n\n```\nopen\n\n## Reference\n", 8, "this fenced block is never closed"),
        (REFERENCE.format("def f(x):\n    return x +"), 12, "the Python here cannot be parsed: invalid syntax"),
        (REFERENCE.format("x = 1"), 11, "no function 'f' is defined here: write 'def f(x):'"),
        (REFERENCE.format("import torch\n\ndef ff(x):\n    return x"), 13, "did you mean 'ff'?"),
        (
            REFERENCE.format("def f(x, y):\n    return x"),
            11,
            "'f' has a parameter 'y', which is neither an argument of 'op' nor a dim",
        ),
        (REFERENCE.format("\n\ndef f():\n    return 1"), 13, "'f' has no parameter 'x', an argument of 'op'"),
        (REFERENCE.format("def f(x, /):\n    return x"), 11, "is called with arguments by name"),
        (REFERENCE.format("def f(*args):\n    return x"), 11, "is called with arguments by name"),
        (REFERENCE.format("def f(x, **dims):\n    return x"), 11, "is called with arguments by name"),
        (BODY + "\n## Solution\n", 15, "'## Solution' has no fenced block"),
        (BODY + "\n## Solution\n\n```python\nx\n```\n", 17, "names 'python'; write ```cuda"),
        (BODY + "\n## Inputs\n\n```python\nx = 1\n```\n", 18, "no function 'inputs' is defined here"),
        (
            BODY + "\n## Inputs\n\n```python\ndef inputs(generator, **dims):\n    return {}\n```\n",
            18,
            "'inputs' has no parameter 'dtype'; write 'def inputs(generator, dtype, **dims):'",
        ),
        (
            BODY + "\n## Inputs\n\n```python\ndef inputs(generator, dtype):\n    return {}\n```\n",
            18,
            "'inputs' has no parameter 'n'",
        ),
        (
            BODY + "\n## Inputs\n\n```python\ndef inputs(generator, dtype, n, m):\n    return {}\n```\n",
            18,
            "'inputs' has a parameter 'm'",
        ),
    ],
)
def test_a_broken_body_is_reported_with_its_line(tmp_path, body, line, piece):
    error = refusal(tmp_path, "", body)
    assert piece in error.message
    assert error.line == line


@pytest.mark.parametrize(
    ("text", "line", "piece"),
    [
        ("---\ntags: [x]\n---\nWhy?\n", 1, "neither 'op' (it asks for a kernel) nor 'expect'"),
        ("---\nexpect: {contains: [x]}\ndims: {n: 1}\n---\nWhy?\n", 3, "'dims' has no meaning in a case without 'op'"),
        ("---\nexpect: {}\n---\nWhy?\n", 2, "'expect' is empty"),
        ("---\nexpect: {contain: [x]}\n---\nWhy?\n", 2, "unknown key 'contain'; did you mean 'contains'?"),
        ("---\nexpect: {contains: x}\n---\nWhy?\n", 2, "'contains' of 'expect' is 'x'; it must be a list"),
        (
            "---\nexpect:\n  matches:\n    - a\n    - '('\n---\nWhy?\n",
            5,
            "'(' in 'matches' is not a regular expression",
        ),
        ("---\nexpect: {contains: [x]}\n---\nWhy?\n\n## Reference\n", 6, "a case without 'op' has no reference"),
        ("---\nexpect: {contains: [x]}\n---\n\n", 4, "the task is empty"),
    ],
)
def test_a_broken_text_case_is_reported_with_its_line(tmp_path, text, line, piece):
    with pytest.raises(CaseError) as caught:
        load(tmp_path, text)
    assert piece in caught.value.message
    assert caught.value.line == line


@pytest.mark.parametrize("name", ["a b.md", "a.b.md", "a[1].md", "_.md"])
def test_a_case_is_named_so_that_ids_can_hold_it(tmp_path, name):
    with pytest.raises(CaseError, match="cannot be the name of a case"):
        load(tmp_path, RMS_NORM, name)


def test_an_error_names_the_file_and_the_line_first(tmp_path):
    assert str(refusal(tmp_path, "zero: 1")).startswith(f"{tmp_path / 'case.md'}:2: 'zero' is '1'; ")


def test_a_missing_file_is_a_case_error(tmp_path):
    with pytest.raises(CaseError, match="cannot be read"):
        load_case(Path(tmp_path / "none.md"), "skill")


def test_a_dtype_that_is_not_a_text_is_an_error(tmp_path):
    assert "is not supported" in refusal(tmp_path, "returns: {out: {a: 1}}").message


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_case_with_a_slip_is_read_or_refused_but_never_breaks_us(tmp_path_factory, data):
    lines = RMS_NORM.split("\n")
    index = data.draw(st.integers(0, len(lines) - 1))
    piece = data.draw(
        st.sampled_from(["", "---", "## X", "```", "[", "a: ..", "x: {}", "  rows: -1..2", "\t", "'", "\0"])
    )
    column = data.draw(st.integers(0, len(lines[index])))
    if data.draw(st.booleans()):
        lines[index] = lines[index][:column] + piece + lines[index][column + data.draw(st.integers(0, 9)) :]
    else:
        lines[index : index + data.draw(st.integers(0, 2))] = [piece]
    try:
        load(tmp_path_factory.mktemp("slip"), "\n".join(lines))
    except CaseError as error:
        assert error.line is None or 1 <= error.line <= len(lines) + 1
