"""Writes a GGUF model that answers every chat with one fixed text, or with another where the prompt holds a marker.

Nothing is trained: the weights are a lookup table that llama.cpp runs as it would any Llama model.

- The vocabulary is the 256 bytes, a few control tokens, the marker, and the two answers, cut into pieces.
- An embedding is one-hot, and the output matrix says of each piece which one comes next: the answer is a chain.
- Queries and keys are zero, so attention is the mean over the prompt: one number, the share of markers in it.
- The feed-forward layer multiplies that number with "this is the token before an answer", and lights a direction of
  its own, so strongly that it drowns the start of the first answer. That direction starts the second.

Chains have a margin of some 50 logits or more, so sampling at any usual temperature makes no difference.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import gguf
import numpy as np

CHAT_TEMPLATE = (
    "{%- for message in messages -%}<|{{ message.role }}|>{{ message.content }}{%- endfor -%}"
    "{%- if add_generation_prompt -%}<|assistant|>{%- endif -%}"
)
ROLES = ("<|system|>", "<|user|>", "<|assistant|>")
END = "<|end|>"
PIECE = 32
"""Characters of one piece of an answer; longer where a piece would occur twice."""
HEAD = 32
"""Size of the only attention head."""
HIDDEN = 32
"""Width of the feed-forward layer, of which one unit is used."""
CHAIN_GAIN = 10.0
MARKER_GAIN = 4.0
"""The share of markers is at most 1, so this bounds how much it can dim everything else."""
SWITCH_GAIN = 1000.0
"""Lets one marker among 30,000 tokens win."""


@dataclass(frozen=True)
class Script:
    """What a made model says: ``answer``, or ``answer_with_marker`` where ``marker`` is anywhere in the prompt."""

    answer: str
    answer_with_marker: str = ""
    marker: str = ""


def write_model(path: Path, script: Script, context: int = 32768) -> Path:
    """Writes the model (a few MB) and returns its path. ``context`` is the longest prompt and answer, in tokens."""
    vocabulary = Vocabulary(script)
    writer = gguf.GGUFWriter(path, "llama")
    _write_shape(writer, vocabulary, context)
    _write_tokenizer(writer, vocabulary)
    for name, weights in _tensors(vocabulary).items():
        writer.add_tensor(name, weights)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


class Vocabulary:
    """The tokens, and which of them make up the answers. A token's text occurs once: llama.cpp insists."""

    def __init__(self, script: Script) -> None:
        self.texts: list[str] = []
        self.types: list[int] = []
        for byte in range(256):
            self._add(_BYTE_TEXT[byte], gguf.TokenType.NORMAL)
        self._add("he", gguf.TokenType.NORMAL)  # the loader wants at least one merge
        self.end = self._add(END, gguf.TokenType.CONTROL)
        roles = [self._add(role, gguf.TokenType.CONTROL) for role in ROLES]
        self.start = roles[-1]
        # User-defined tokens are found in the text of a prompt before anything else is.
        self.marker = self._add(script.marker, gguf.TokenType.USER_DEFINED) if script.marker else None
        self.answer = self._pieces(script.answer)
        self.answer_with_marker = self._pieces(script.answer_with_marker) if script.marker else []

    def _add(self, text: str, kind: int) -> int:
        self.texts.append(text)
        self.types.append(kind)
        return len(self.texts) - 1

    def _pieces(self, text: str) -> list[int]:
        taken = set(self.texts)
        return [self._add(_encoded(piece), gguf.TokenType.NORMAL) for piece in _cut(text, taken)]


def _cut(text: str, taken: set[str]) -> list[str]:
    """``text`` in pieces that are all different, and different from what is ``taken``."""
    pieces: list[str] = []
    rest = text
    while rest:
        size = PIECE
        while size < len(rest) and _encoded(rest[:size]) in taken:
            size += 1
        piece, rest = rest[:size], rest[size:]
        while _encoded(piece) in taken:  # only the last piece cannot grow to the right
            if not pieces:
                raise ValueError(f"the answer {text!r} is itself a token already; make it longer")
            taken.discard(_encoded(pieces[-1]))
            piece = pieces.pop() + piece
        taken.add(_encoded(piece))
        pieces.append(piece)
    return pieces


# --------------------------------------------------------------------------------------------- weights


def _width(vocabulary: Vocabulary) -> int:
    """One direction for each token and two more, rounded up to what llama.cpp's kernels like."""
    return math.ceil((len(vocabulary.texts) + 2) / 64) * 64


def _tensors(vocabulary: Vocabulary) -> dict[str, np.ndarray]:
    width, tokens = _width(vocabulary), len(vocabulary.texts)
    share, switch = width - 1, width - 2  # the two directions that belong to no token
    tensors = {
        "token_embd.weight": np.eye(tokens, width, dtype=np.float32),
        "blk.0.attn_norm.weight": np.ones(width, np.float32),
        "blk.0.attn_q.weight": np.zeros((HEAD, width), np.float32),
        "blk.0.attn_k.weight": np.zeros((HEAD, width), np.float32),
        "blk.0.attn_v.weight": np.zeros((HEAD, width), np.float32),
        "blk.0.attn_output.weight": np.zeros((width, HEAD), np.float32),
        "blk.0.ffn_norm.weight": np.ones(width, np.float32),
        "blk.0.ffn_gate.weight": np.zeros((HIDDEN, width), np.float32),
        "blk.0.ffn_up.weight": np.zeros((HIDDEN, width), np.float32),
        "blk.0.ffn_down.weight": np.zeros((width, HIDDEN), np.float32),
        "output_norm.weight": np.ones(width, np.float32),
        "output.weight": np.zeros((tokens, width), np.float32),
    }
    if vocabulary.marker is not None:
        # The norm makes the 1 of a one-hot vector sqrt(width): divide it out again.
        tensors["blk.0.attn_v.weight"][0, vocabulary.marker] = 1 / math.sqrt(width)
        tensors["blk.0.attn_output.weight"][share, 0] = MARKER_GAIN
        tensors["blk.0.ffn_gate.weight"][0, vocabulary.start] = 1
        tensors["blk.0.ffn_up.weight"][0, share] = 1
        tensors["blk.0.ffn_down.weight"][switch, 0] = SWITCH_GAIN
    output = tensors["output.weight"]
    for first, pieces in ((vocabulary.start, vocabulary.answer), (switch, vocabulary.answer_with_marker)):
        for before, after in _links(first, pieces, vocabulary.end):
            output[after, before] = CHAIN_GAIN
    return tensors


def _links(first: int, pieces: list[int], end: int) -> Iterator[tuple[int, int]]:
    yield from itertools.pairwise([first, *pieces, end])


# --------------------------------------------------------------------------------------------- file


def _write_shape(writer: gguf.GGUFWriter, vocabulary: Vocabulary, context: int) -> None:
    writer.add_name("scripted")
    writer.add_context_length(context)
    writer.add_embedding_length(_width(vocabulary))
    writer.add_block_count(1)
    writer.add_feed_forward_length(HIDDEN)
    writer.add_head_count(1)
    writer.add_head_count_kv(1)
    writer.add_key_length(HEAD)
    writer.add_value_length(HEAD)
    writer.add_rope_dimension_count(HEAD)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(len(vocabulary.texts))
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)


def _write_tokenizer(writer: gguf.GGUFWriter, vocabulary: Vocabulary) -> None:
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(vocabulary.texts)
    writer.add_token_types(vocabulary.types)
    writer.add_token_merges(["h e"])
    writer.add_bos_token_id(vocabulary.end)
    writer.add_eos_token_id(vocabulary.end)
    writer.add_add_bos_token(False)
    writer.add_chat_template(CHAT_TEMPLATE)


def _byte_texts() -> list[str]:
    """How byte-level BPE spells each byte: itself where it is printable, else a character from 256 on (GPT-2)."""
    printable = {*range(33, 127), *range(161, 173), *range(174, 256)}
    spare = iter(range(256, 512))
    return [chr(byte) if byte in printable else chr(next(spare)) for byte in range(256)]


_BYTE_TEXT = _byte_texts()


def _encoded(text: str) -> str:
    return "".join(_BYTE_TEXT[byte] for byte in text.encode("utf-8"))
