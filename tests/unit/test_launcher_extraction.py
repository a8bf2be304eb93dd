import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_upskill.contracts.launcher.contract import extract_kernel
from pytest_upskill.contracts.launcher.signature import Parameter, Signature, declaration
from pytest_upskill.documents.reasoning import answer_blocks

SIGNATURE = Signature(
    "rms_norm",
    ("float32", "float16"),
    True,
    (
        Parameter("out", "scalar_t", "output"),
        Parameter("x", "scalar_t", "input"),
        Parameter("index", "int64_t", "input"),
        Parameter("eps", "float", "scalar"),
        Parameter("rows", "int64_t", "dim"),
        Parameter("stream", "cudaStream_t", "stream"),
    ),
)
PLAIN = Signature(
    "copy",
    ("bfloat16",),
    False,
    (
        Parameter("out", "__nv_bfloat16", "output"),
        Parameter("state", "uint8_t", "inplace"),
        Parameter("causal", "bool", "scalar"),
        Parameter("stream", "cudaStream_t", "stream"),
    ),
)

PARAMETERS = "scalar_t* out, const scalar_t* x, const int64_t* index, float eps, int64_t rows, cudaStream_t stream"
HEAD = "template <typename scalar_t>\nvoid rms_norm"
KERNEL = "template <typename T> __global__ void kernel(const T* x) { __shared__ float s[32]; }\n"
GOOD = f"#include <cuda_runtime.h>\n{KERNEL}{HEAD}({PARAMETERS}) {{\n  kernel<scalar_t><<<1, 2, 0, stream>>>(x);\n}}\n"
OTHER = "int main() { rms_norm<float>(a, b, c, 1e-5f, 3, stream); }\n"


def block(source=GOOD, language="cuda"):
    return f"```{language}\n{source}```\n"


def with_parameters(parameters, head=HEAD):
    return f"{KERNEL}{head}({parameters}) {{\n}}\n"


def changed(old, new):
    assert old in PARAMETERS
    return with_parameters(PARAMETERS.replace(old, new))


def found(reply, signature=SIGNATURE):
    extraction = extract_kernel(reply, signature)
    assert extraction.problem == ""
    assert extraction.block_found
    return extraction.kernel


def problem(reply, signature=SIGNATURE, block_found=True):
    extraction = extract_kernel(reply, signature)
    assert extraction.kernel is None
    assert extraction.block_found is block_found
    return extraction.problem


# --------------------------------------------------------------------------------------------------- which block counts


def test_the_kernel_is_the_block_as_written_with_its_line():
    kernel = found("Here it is:\n\n" + block() + "\nDone.\n")
    assert (kernel.source, kernel.line) == (GOOD, 4)


def test_the_last_block_that_defines_the_function_counts():
    reply = block("// old\n" + GOOD) + "Better:\n" + block("// new\n" + GOOD) + "Use it so:\n" + block(OTHER, "cpp")
    assert found(reply).source.startswith("// new")


def test_blocks_are_not_joined():
    first, second = GOOD.split("template <typename scalar_t>")
    assert "none of the 2 fenced blocks defines 'rms_norm'" in problem(
        block(first) + block("template <int N>" + second[:9])
    )


def test_an_unclosed_block_counts_only_where_no_closed_one_does():
    unclosed = "```cuda\n// cut off\n" + GOOD
    assert found(block() + unclosed).source == GOOD
    assert found("text\n" + unclosed).source.startswith("// cut off")


@pytest.mark.parametrize("language", ["", "cuda", "cpp", "c++", "python", "text"])
def test_the_language_of_a_block_does_not_matter(language):
    assert found(block(language=language)).source == GOOD


@pytest.mark.parametrize(
    ("reply", "line"),
    [
        ("~~~cu\n" + GOOD + "~~~~\n", 2),
        ("````\n```\n````\n" + block(), 5),
        ("1. First:\n\n   ```cuda\n   " + GOOD.replace("\n", "\n   ") + "```\n", 4),
        ("````markdown\nHere:\n" + block() + "````\n", 4),
        ("```markdown\nHere:\n" + block(), 4),
        (block().replace("\n", "\r\n"), 2),
    ],
)
def test_fences_are_read_as_commonmark_has_them(reply, line):
    kernel = found(reply)
    assert (kernel.source, kernel.line) == (GOOD, line)


def test_a_zero_byte_does_not_hide_the_kernel():
    assert found(block("// \0\n" + GOOD)).source == "// \0\n" + GOOD


@pytest.mark.parametrize(
    "reply", ["", "I cannot do that.", GOOD, "inline `code`", "    " + GOOD.replace("\n", "\n    ")]
)
def test_a_reply_without_a_block_says_so(reply):
    message = problem(reply, block_found=False)
    assert message == "the reply holds no fenced block; one ```cuda block that defines 'rms_norm' was asked for"


# ------------------------------------------------------------------------------------------------------------ reasoning


@pytest.mark.parametrize(
    "reasoning",
    [
        "<think>\n" + block() + "</think>\n",
        "<think>" + "\n" + block() + "so be it.</think>",
        "<THINK>\n" + block() + "</Think>\n",
        "<thinking>\n" + block() + "</thinking>\n",
        "<reasoning>\n" + block() + "</reasoning>\n",
        "[THINK]\n" + block() + "[/THINK]\n",
        "<think>\n```cuda\nnever closed\n</think>\n",
        block() + "a template opened it.</think>\n",
        "```cuda\nnever closed\n</think>\n",
        "<think>a</think><think>\n" + block() + "</think>\n",
    ],
)
def test_blocks_in_the_reasoning_do_not_count(reasoning):
    answer = block("// answer\n" + GOOD)
    assert found(reasoning + answer).source.startswith("// answer")
    assert "one ```cuda block" in problem(reasoning + "Sorry.\n", block_found=False)


def test_reasoning_that_never_ends_holds_no_answer():
    message = problem("<think>\n" + block() + block(), block_found=False)
    assert message.startswith("only its reasoning holds fenced blocks; ")


def test_reasoning_does_not_hide_where_the_answer_stands():
    assert found("<think>\na\nb\n</think>\n" + block()).line == 6
    assert found("<think>a</think>" + block()).line == 2


@pytest.mark.parametrize(
    "line",
    ["// <think>", 'const char* s = "</think>";', "// see </think> and <reasoning>", "  // [THINK]", "// ◁/think▷"],
)
def test_tags_in_code_are_code(line):
    assert found(block(line + "\n" + GOOD)).source == line + "\n" + GOOD


def test_tags_that_prose_quotes_are_prose():
    assert found(block() + "I did not use `<think>` or `</think>` here.\n").source == GOOD


def test_when_only_the_reasoning_defines_the_function_the_message_says_so():
    assert "blocks in the reasoning do not count" in problem("<think>\n" + block() + "</think>\n" + block(OTHER))


# ------------------------------------------------------------------------------------------------- what is a definition


@pytest.mark.parametrize(
    "source",
    [
        'extern "C++" {\n' + GOOD + "}\n",
        "namespace {\n" + GOOD + "}\n",
        "#ifdef X\nint y;\n#else\n" + GOOD + "#endif\n",
        "#if 1\n" + GOOD + "#endif\n",
        "int broken = (;\n" + GOOD,
        "void open() { if (true) {\n" + GOOD,
        GOOD.replace("kernel<scalar_t>", "nonsense((("),
        GOOD.replace("void rms_norm", "static inline void rms_norm"),
        GOOD.replace("void rms_norm", "__host__ __attribute__((noinline)) void rms_norm"),
        GOOD.replace("void rms_norm", "[[maybe_unused]] auto rms_norm").replace(") {\n  k", ") -> void {\n  k"),
        GOOD.replace("typename scalar_t>", "class scalar_t>"),
        GOOD.replace("typename scalar_t>", "typename scalar_t, int BLOCK = 256>"),
        f"template <typename T> void rms_norm(T*, int);\n{GOOD}",
        GOOD + "template void rms_norm<float>(float*, const float*, const int64_t*, float, int64_t, cudaStream_t);\n",
        f"{HEAD}({PARAMETERS});\ntemplate <>\nvoid rms_norm<float>({PARAMETERS.replace('scalar_t', 'float')}) {{}}\n",
        "#define DEFINE(name) template <typename T> \\\n  void name(T* out) { }\nDEFINE(rms_norm)\n",
        "#define DEFINE(T) \\\n  template <typename U> void rms_norm(U* out) { }\nDEFINE(float)\n",
        "/* void rms_norm(int) {} */\n" + GOOD,
        'const char* s = "}}}}";\n' + GOOD,
    ],
)
def test_a_definition_at_global_scope_is_found(source):
    assert found(block(source)).source == source


@pytest.mark.parametrize(
    ("source", "piece"),
    [
        (OTHER, "the only fenced block does not define 'rms_norm'"),
        (f"{HEAD}({PARAMETERS});\n", "only declares it"),
        (f"// {HEAD}({PARAMETERS}) {{}}\n".replace("\n", " ", 1), "does not define 'rms_norm'"),
        (f"/*\n{GOOD}*/\n", "does not define 'rms_norm'"),
        (f"#if 0\n{GOOD}#endif\n", "does not define 'rms_norm'"),
        ('const char* s = "void rms_norm() {}";\n', "does not define 'rms_norm'"),
        (f"namespace mine {{\n{GOOD}}}\n", "defines it in namespace 'mine', and it must stand at global scope"),
        (f"namespace mine {{\nint x = (;\n{GOOD}}}\n", "in namespace 'mine', and it must stand at global scope"),
        (f"struct Mine {{\n{GOOD}}};\n", "defines it in struct 'Mine', and it must stand at global scope"),
        (GOOD.replace("rms_norm", "rms_norm_launcher"), "does not define 'rms_norm'"),
        (GOOD.replace("rms_norm", "my_rms_norm"), "does not define 'rms_norm'"),
        ("def rms_norm(x):\n    return x\n", "does not define 'rms_norm'"),
    ],
)
def test_what_is_no_definition_at_global_scope_is_told_apart(source, piece):
    message = problem(block(source))
    assert piece in message
    assert message.endswith("; asked for:\n" + declaration(SIGNATURE))


# ------------------------------------------------------------------------------------------------------- the signature


@pytest.mark.parametrize(
    "source",
    [
        with_parameters(PARAMETERS.replace("scalar_t*", "T*"), HEAD.replace("scalar_t", "T")),
        changed("scalar_t* out, const scalar_t* x", "scalar_t *__restrict__ o, scalar_t const * __restrict__ in"),
        changed("const scalar_t* x", "const scalar_t x[]"),
        changed("const scalar_t* x", "const scalar_t* const x"),
        changed("const int64_t* index", "const std::int64_t* index"),
        changed("const int64_t* index", "const long* index"),
        changed("const int64_t* index", "long int const *index"),
        "using index_t = int64_t;\n" + changed("const int64_t* index", "const index_t* index"),
        "typedef long index_t;\n" + changed("const int64_t* index", "const index_t* index"),
        "#define INDEX const int64_t*\n" + changed("const int64_t* index", "INDEX index"),
        changed("const int64_t* index", "const something_else* index"),
        changed("float eps", "double eps"),
        changed("float eps", "const float& eps"),
        changed("float eps", "float /* small */ eps = 1e-5f"),
        changed("float eps", "float"),
        changed("int64_t rows", "unsigned long long rows"),
        changed("int64_t rows", "const int rows"),
        changed("int64_t rows", "size_t"),
        changed("cudaStream_t stream", "cudaStream_t s = nullptr"),
        changed("cudaStream_t stream", "CUstream_st* stream"),
        changed("float eps, ", "\n    // the rest, with a comma\n    float eps,\n"),
    ],
)
def test_spelling_is_free(source):
    assert found(block(source)).source == source


@pytest.mark.parametrize(
    ("source", "piece"),
    [
        (
            changed("const scalar_t* x", "scalar_t* x"),
            "has 'scalar_t* x' as parameter 2, where 'const scalar_t* x' was",
        ),
        (
            changed("scalar_t* out", "const scalar_t* out"),
            "'const scalar_t* out' as parameter 1, where 'scalar_t* out'",
        ),
        (changed("scalar_t* out", "float* out"), "has 'float* out' as parameter 1"),
        (changed("scalar_t* out", "scalar_t out"), "has 'scalar_t out' as parameter 1"),
        (changed("scalar_t* out", "scalar_t** out"), "has 'scalar_t** out' as parameter 1"),
        (changed("scalar_t* out", "scalar_t*& out"), "has 'scalar_t*& out' as parameter 1"),
        (changed("scalar_t* out", "void* out"), "has 'void* out' as parameter 1"),
        (changed("scalar_t* out", "float4* out"), "has 'float4* out' as parameter 1"),
        (changed("const int64_t* index", "const int* index"), "has 'const int* index' as parameter 3"),
        (changed("const int64_t* index", "const long long* index"), "(long long is another type than int64_t)"),
        ("using I = int;\n" + changed("const int64_t* index", "const I* index"), "has 'const I* index' as parameter 3"),
        (changed("float eps", "float* eps"), "has 'float* eps' as parameter 4, where 'float eps' was asked for"),
        (changed("float eps", "float& eps"), "has 'float& eps' as parameter 4"),
        (changed("float eps", "float4 eps"), "has 'float4 eps' as parameter 4"),
        (changed("cudaStream_t stream", "int stream"), "has 'int stream' as parameter 6"),
        (changed("float eps, int64_t rows", "int64_t rows, float* eps"), "has 'float* eps' as parameter 5"),
        (changed(", cudaStream_t stream", ""), "has 5 parameters, not 6: (scalar_t* out, const scalar_t* x"),
        (changed("int64_t rows", "int64_t rows, int64_t cols"), "has 7 parameters, not 6"),
        (with_parameters(PARAMETERS.replace("scalar_t*", "float*"), "void rms_norm"), "is not a template"),
        (GOOD.replace("typename scalar_t>", "int N>"), "whose first parameter is not a type"),
        (GOOD.replace("typename scalar_t>", "typename scalar_t, int N>"), "a template parameter 'int N' without a"),
        (GOOD.replace("void rms_norm", "cudaError_t rms_norm"), "returns 'cudaError_t', not void"),
        (GOOD.replace("void rms_norm", "int* rms_norm"), "returns 'int *', not void"),
        (GOOD.replace("void rms_norm", "__global__ void rms_norm"), "is a kernel (__global__); a host function"),
        (GOOD.replace("void rms_norm", "__device__ void rms_norm"), "is a device function (__device__)"),
        (f"template <>\nvoid rms_norm<float>({PARAMETERS}) {{}}\n", "has specialisations, but no template"),
    ],
)
def test_another_signature_is_told_with_what_was_expected_and_found(source, piece):
    message = problem(block(source))
    assert message.startswith("'rms_norm' ")
    assert piece in message
    assert message.endswith("; asked for:\n" + declaration(SIGNATURE))


def test_the_block_with_the_wrong_signature_is_kept_for_people():
    extraction = extract_kernel("text\n" + block(OTHER) + block(changed(", int64_t rows", "")), SIGNATURE)
    assert extraction.kernel is None
    assert extraction.found.line == 6


def test_one_overload_with_the_right_signature_is_enough():
    assert found(block(with_parameters("int n") + GOOD))


@pytest.mark.parametrize(
    "source",
    [
        "void copy(__nv_bfloat16* out, uint8_t* state, bool causal, cudaStream_t stream) {}\n",
        'extern "C" void copy(nv_bfloat16 *o, unsigned char *s, int causal, cudaStream_t st) {}\n',
    ],
)
def test_a_plain_function_may_be_spelled_freely_too(source):
    assert found(block(source), PLAIN).source == source


@pytest.mark.parametrize(
    ("source", "piece"),
    [
        ("template <typename T>\nvoid copy(T* o, uint8_t* s, bool c, cudaStream_t t) {}\n", "is a template; a plain"),
        ("void copy(__half* o, uint8_t* s, bool c, cudaStream_t t) {}\n", "has '__half* o' as parameter 1"),
        ("void copy(nv_bfloat16* o, char* s, bool c, cudaStream_t t) {}\n", "has 'char* s' as parameter 2"),
        ("void copy(nv_bfloat16* o, const uint8_t* s, bool c, cudaStream_t t) {}\n", "where 'uint8_t* state' was"),
    ],
)
def test_a_plain_function_is_held_to_its_types(source, piece):
    assert piece in problem(block(source), PLAIN)


# ---------------------------------------------------------------------------------------------------- large and strange


LARGE = 700_000


@pytest.mark.parametrize(
    "text",
    [
        "```cuda\n" * (LARGE // 8),
        "\n" * LARGE,
        "- " * (LARGE // 2),
        "`" * LARGE,
        "<think>" * (LARGE // 7),
        "</think>\n" * (LARGE // 9),
        block("rms_norm(\n") * (LARGE // 20),
        "```cuda\nrms_norm " + "/*" * (LARGE // 2),
        "```cuda\nrms_norm(" + "(" * LARGE,
        "```cuda\n" + "x rms_norm(a, " * (LARGE // 14),
        "```cuda\nrms_norm " + "namespace a { " * (LARGE // 14),
        "```cuda\nrms_norm " + '"' * LARGE,
        block("void f(rms_norm* a) {}\n" + "x;\n" * 60_000) * (LARGE // 180_000),
    ],
)
def test_no_text_takes_long(text):
    start = time.process_time()
    assert extract_kernel(text, SIGNATURE).kernel is None
    assert time.process_time() - start < 5


def test_a_kernel_after_megabytes_of_prose_is_found():
    start = time.process_time()
    assert found("Let me think. " * 300_000 + "\n" + block()).line == 3
    assert time.process_time() - start < 5


_PIECES = st.sampled_from(
    ["```", "```cuda\n", "~~~\n", "\n", "<think>", "</think>", GOOD, "rms_norm(", "{", "}", "/*", '"']
)


@settings(max_examples=100, deadline=None)
@given(st.lists(_PIECES, max_size=12).map("".join))
def test_no_reply_is_an_error_and_every_refusal_has_a_reason(reply):
    extraction = extract_kernel(reply, SIGNATURE)
    assert (extraction.kernel is None) == bool(extraction.problem)
    if extraction.kernel is not None:
        lines = reply.split("\n")
        assert lines[extraction.kernel.line - 1 :][:1] == extraction.kernel.source.split("\n")[:1]


def test_blocks_of_a_reply_are_given_in_order():
    assert [fence.source for fence in answer_blocks(block("a\n") + block("b\n")).answer] == ["a\n", "b\n"]
