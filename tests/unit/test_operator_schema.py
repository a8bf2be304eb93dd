import subprocess
import sys

import pytest

from pytest_upskill.cases.operator_schema import Argument, Operator, parse_operator


def test_a_schema_becomes_plain_data():
    text = "rms_norm(Tensor x, Tensor(a!) weight, float eps, int n, bool causal) -> Tensor"
    assert parse_operator(text, ["rows"]) == Operator(
        "rms_norm",
        (
            Argument("x", "Tensor"),
            Argument("weight", "Tensor", mutable=True),
            Argument("eps", "float"),
            Argument("n", "int"),
            Argument("causal", "bool"),
        ),
        ("out",),
        text,
    )


@pytest.mark.parametrize(
    ("results", "names"),
    [
        ("Tensor", ("out",)),
        ("Tensor y", ("y",)),
        ("(Tensor, Tensor)", ("out0", "out1")),
        ("(Tensor y, Tensor)", ("y", "out1")),
        ("(Tensor values, Tensor indices)", ("values", "indices")),
    ],
)
def test_results_without_a_name_are_called_out(results, names):
    assert parse_operator(f"f(Tensor x) -> {results}", ()).results == names


def test_an_operator_in_place_needs_no_result():
    operator = parse_operator("f(Tensor(a!) x, Tensor(b!) y) -> ()", ())
    assert operator.results == ()
    assert all(argument.mutable for argument in operator.arguments)


@pytest.mark.parametrize("text", ["f(Tensor  x,Tensor y)->Tensor", "f( Tensor x, Tensor y ) -> Tensor"])
def test_blanks_are_free(text):
    assert parse_operator(text, ()).text == "f(Tensor x, Tensor y) -> Tensor"


@pytest.mark.parametrize(
    ("text", "piece"),
    [
        ("", "has no result: write '-> Tensor'"),
        ("f(Tensor x)", "has no result: write '-> Tensor'"),
        ("f(Tensor x) ->", "has no result"),
        ("f -> Tensor", "'f' is not a name and its arguments in parentheses"),
        ("f(Tensor x -> Tensor", "'f(Tensor x' is not a name and its arguments"),
        ("f(Tensor x) -> (Tensor)", "'-> Tensor', not '-> (Tensor)'"),
        ("f(Tensor x) -> Tensor, Tensor", "'-> (Tensor, Tensor)', not"),
        ("f(Tensor x) -> ()", "the operator computes nothing"),
        ("f(Tensor x) -> bool", "result 'bool' is not possible here"),
        ("f(Tensor x) -> (Tensor, float)", "result 'float' is not possible here"),
        ("f(Tensor x) -> Tensor[]", "result 'Tensor[]' is not possible here"),
        ("f(Tensor(a!) x) -> Tensor(a!)", "is not a result as well: write '-> ()'"),
        ("f(Tensor! x) -> ()", "is written 'Tensor(a!)', not 'Tensor!'"),
        ("f(Tensor(a) x) -> Tensor", "argument 'x' is marked '(a)'"),
        ("f(Tensor(a!) x, Tensor(a!) y) -> ()", "'x' and 'y' are both marked 'a!'"),
        ("f(Tensor? x) -> Tensor", "argument 'x' is of type 'Tensor?'"),
        ("f(int[] n) -> Tensor", "argument 'n' is of type 'int[]'"),
        ("f(Scalar n) -> Tensor", "argument 'n' is of type 'Scalar'"),
        ("f(SymInt n) -> Tensor", "argument 'n' is of type 'SymInt'"),
        (
            "f(tensor x) -> Tensor",
            "argument 'x' is of type 'tensor', which no kernel here takes; a case uses Tensor, Tensor(a!)",
        ),
        ("f(tensor x) -> Tensor", "did you mean 'Tensor'?"),
        ("f(double x) -> Tensor", "argument 'x' is of type 'double'"),
        ("f(Tensor) -> Tensor", "argument 'Tensor' needs a type and a name"),
        ("f(Tensor x,) -> Tensor", "a comma too many"),
        ("f(int n=3) -> Tensor", "argument 'n' has a default"),
        ("f(Tensor x, *, int n) -> Tensor", "'*' (arguments by keyword only)"),
        ("f.out(Tensor x) -> Tensor", "'f.out' has an overload or a namespace; write 'f'"),
        ("a::f(Tensor x) -> Tensor", "'a::f' has an overload or a namespace; write 'f'"),
        ("f_(Tensor(a!) self) -> Tensor(a!)", "the operator's name 'f_' begins or ends with an underscore"),
        ("_f(Tensor x) -> Tensor", "the operator's name '_f' begins or ends with an underscore"),
        ("f(Tensor x_) -> Tensor", "argument 'x_' begins or ends with an underscore"),
        ("f(Tensor x__y) -> Tensor", "or doubles one"),
        ("rms-norm(Tensor x) -> Tensor", "the operator's name 'rms-norm' is not a name"),
        ("f(Tensor 1x) -> Tensor", "argument '1x' is not a name"),
        ("f(Tensor ü) -> Tensor", "argument 'ü' is not a name"),
        ("f(Tensor int) -> Tensor", "argument 'int' is a C++ keyword"),
        ("f(Tensor lambda) -> Tensor", "argument 'lambda' is a Python keyword"),
        ("new(Tensor x) -> Tensor", "the operator's name 'new' is a C++ keyword"),
        ("main(Tensor x) -> Tensor", "the operator's name 'main' is taken"),
        ("f(Tensor stream) -> Tensor", "argument 'stream' is taken: it is the last parameter of the launcher"),
        ("f(Tensor scalar_t) -> Tensor", "argument 'scalar_t' is taken"),
        ("f(Tensor torch) -> Tensor", "argument 'torch' is taken"),
        ("f(Tensor blockIdx) -> Tensor", "argument 'blockIdx' is taken: the headers of CUDA or C define it"),
        ("f(Tensor int64_t) -> Tensor", "argument 'int64_t' is taken"),
        ("upskill_entry(Tensor x) -> Tensor", "is taken: names with this prefix"),
        ("cudaMalloc(Tensor x) -> Tensor", "is taken: names with this prefix"),
        ("f(Tensor x) -> Tensor delete", "result 'delete' is a C++ keyword"),
        ("f(Tensor x, Tensor x) -> Tensor", "'x' names two arguments"),
        ("f(Tensor x) -> (Tensor y, Tensor y)", "'y' names two results"),
        ("f(Tensor x) -> Tensor x", "'x' names an argument and a result"),
        ("f(Tensor f) -> Tensor", "'f' names the operator and an argument"),
        ("f(Tensor rows) -> Tensor", "'rows' names an argument and a dim"),
        ("f(Tensor x) -> Tensor rows", "'rows' names a result and a dim"),
        ("rows(Tensor x) -> Tensor", "'rows' names the operator and a dim"),
        ("f(Tensor out) -> Tensor", "the result has no name and is called 'out': name it"),
    ],
)
def test_what_a_case_cannot_have_is_refused_in_our_words(text, piece):
    with pytest.raises(ValueError) as caught:
        parse_operator(text, ["rows"])
    assert piece in str(caught.value)


@pytest.mark.parametrize(
    ("text", "piece"),
    [
        ("f(Tensor x y) -> Tensor", "argument 'Tensor x y' needs a type and a name"),
        ("f(Tensor(a!)? x) -> ()", "argument 'x' is of type 'Tensor(a!)?'"),
        ("f(Tensor(!) x) -> ()", "argument 'x' is marked '(!)'"),
        ("f(int(a!) n) -> Tensor", "argument 'n' is marked '(a!)'"),
        ("f(int n = 3) -> Tensor", "argument 'n' has a default"),
        ("f(Tensor x) -> (Tensor, Tensor", "'f(Tensor x) -> (Tensor, Tensor' has a '(' without its ')'"),
        ("f(Tensor x) -> (Tensor(a!), Tensor)", "is not a result as well"),
        ("f(Tensor x) -> Tensor y z", "result 'y z' is not a name"),
    ],
)
def test_what_is_not_a_schema_is_refused(text, piece):
    with pytest.raises(ValueError) as caught:
        parse_operator(text, ())
    assert piece in str(caught.value)


def test_names_that_only_begin_like_taken_ones_are_free():
    operator = parse_operator("cudnn_like(Tensor mainly, Tensor streams, Tensor scale) -> Tensor", ())
    assert [argument.name for argument in operator.arguments] == ["mainly", "streams", "scale"]


def test_parsing_does_not_import_torch():
    code = (
        "import sys; from pytest_upskill.cases.operator_schema import parse_operator;"
        "parse_operator('f(Tensor x) -> Tensor', ()); assert not {'torch', 'torchgen'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
