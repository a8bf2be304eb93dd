"""Writes a GGUF file that answers chats with fixed texts, depending on the prompt. Needs numpy and gguf.

Nothing is trained. The weights are a lookup table that llama.cpp runs like any Llama model:

- The vocabulary is the 256 bytes, a few control tokens, the markers to find in a prompt, and the answers, cut into
  pieces. Embeddings are one-hot. The output matrix leads from each piece to the next, so an answer is a chain.
- Queries and keys are zero, so attention returns the mean over the prompt. For each marker, this mean is the marker's
  share of the prompt's tokens.
- The first feed-forward layer acts at the token before an answer. If the prompt holds an informing marker, the layer
  sets one direction, *informed*, to a value so large that it outweighs the token's own direction.
- The second feed-forward layer multiplies "before an answer", or "informed", with the share of each topic. The product
  starts one of the two answers of the topic. If the prompt holds no topic, "before an answer" and "informed" start the
  two default answers.

The next piece of a chain leads by some 50 logits or more, so the usual temperatures make no difference.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import gguf
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

CHAT_TEMPLATE = (
    "{%- for message in messages -%}<|{{ message.role }}|>{{ message.content }}{%- endfor -%}"
    "{%- if add_generation_prompt -%}<|assistant|>{%- endif -%}"
)
ROLES = ("<|system|>", "<|user|>", "<|assistant|>")
END = "<|end|>"
PIECE = 32
"""The length (in characters) of one piece of an answer. A piece is longer if it would otherwise occur twice."""
HEAD = 32
"""The size of an attention head. It is also the number of markers that fit into one head."""
CHAIN_GAIN = 10.0
MARKER_GAIN = 4.0
"""Bounds how much a marker can reduce all other values, because the share of a marker is at most 1."""
INFORMED_GAIN = 1e3
"""Large enough to detect one marker among 30,000 tokens."""
TOPIC_GAIN = 1e10
"""Lets a topic outweigh *informed*, which can be a million times larger than the share of a topic."""


@dataclass(frozen=True)
class Topic:
    """Two answers to a prompt that contains ``marker``. With an empty marker, they answer prompts without a topic."""

    marker: str
    answer: str
    informed_answer: str = ""


@dataclass(frozen=True)
class Script:
    """The answers of a model. If the prompt contains any text of ``informing``, a topic's informed answer is given.

    Each text of ``frequent`` becomes one token without a meaning, so that long prompts are cheap.
    """

    topics: tuple[Topic, ...]
    informing: tuple[str, ...] = ()
    frequent: tuple[str, ...] = ()
    piece: int = PIECE
    chat_template: str = CHAT_TEMPLATE


def write_model(path: Path, script: Script, context: int = 32768) -> Path:
    """Write the model (a few MB) and return its path. ``context`` limits the tokens of prompt and answer together."""
    vocabulary = Vocabulary(script)
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("scripted")
    writer.add_context_length(context)
    writer.add_embedding_length(vocabulary.width)
    writer.add_block_count(2)
    writer.add_feed_forward_length(vocabulary.hidden)
    writer.add_head_count(vocabulary.heads)
    writer.add_head_count_kv(vocabulary.heads)
    writer.add_key_length(HEAD)
    writer.add_value_length(HEAD)
    writer.add_rope_dimension_count(HEAD)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(len(vocabulary.texts))
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(vocabulary.texts)
    writer.add_token_types(vocabulary.types)
    writer.add_token_merges(["h e"])
    writer.add_bos_token_id(vocabulary.end)
    writer.add_eos_token_id(vocabulary.end)
    writer.add_add_bos_token(False)
    writer.add_chat_template(script.chat_template)
    for name, weights in _tensors(vocabulary).items():
        writer.add_tensor(name, weights)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


class Vocabulary:
    """The tokens, and the chains of the answers. Each token has a different text, as llama.cpp requires."""

    def __init__(self, script: Script) -> None:
        self.texts: list[str] = []
        self.types: list[int] = []
        self._piece = script.piece
        for byte in range(256):
            self._add(_BYTE_TEXT[byte], gguf.TokenType.NORMAL)
        self._add("he", gguf.TokenType.NORMAL)  # the loader requires at least one merge
        self.end = self._add(END, gguf.TokenType.CONTROL)
        self.start = [self._add(role, gguf.TokenType.CONTROL) for role in ROLES][-1]
        # User-defined tokens are found in a prompt before all others, long ones first.
        self.informing = [self._add(text, gguf.TokenType.USER_DEFINED) for text in script.informing]
        self._taken: set[str] = {*self.texts, *(topic.marker for topic in script.topics)}
        for text in dict.fromkeys(script.frequent):
            if text not in self._taken:
                self._add(text, gguf.TokenType.USER_DEFINED)
        self._taken.update(self.texts)
        self.topics = [self._chains(topic) for topic in script.topics]
        """For each topic, the token of its marker (None for the default topic), and the pieces of both answers."""

    @property
    def markers(self) -> list[int]:
        """Return the tokens to find in a prompt."""
        return [*self.informing, *(marker for marker, *_ in self.topics if marker is not None)]

    @property
    def width(self) -> int:
        """Return the width: one direction for each token, *informed*, one for each marker, two for each topic; rounded
        up.
        """
        return math.ceil((len(self.texts) + 1 + len(self.markers) + 2 * len(self.topics)) / 64) * 64

    @property
    def heads(self) -> int:
        return max(1, math.ceil(len(self.markers) / HEAD))

    @property
    def hidden(self) -> int:
        """Return the width of the feed-forward layers: two units for each topic, rounded up."""
        return math.ceil((2 * len(self.topics) + 1) / 32) * 32

    def _chains(self, topic: Topic) -> tuple[int | None, list[int], list[int]]:
        marker = self._add(topic.marker, gguf.TokenType.USER_DEFINED) if topic.marker else None
        return marker, self._pieces(topic.answer), self._pieces(topic.informed_answer)

    def _add(self, text: str, kind: int) -> int:
        self.texts.append(text)
        self.types.append(kind)
        return len(self.texts) - 1

    def _pieces(self, text: str) -> list[int]:
        return [self._add(_encoded(piece), gguf.TokenType.NORMAL) for piece in _cut(text, self._taken, self._piece)]


def _cut(text: str, taken: set[str], length: int) -> list[str]:
    """Cut ``text`` into pieces that differ from each other and from those in ``taken``, and add the pieces to
    ``taken``.
    """
    pieces: list[str] = []
    rest = text
    while rest:
        size = length
        while size < len(rest) and _encoded(rest[:size]) in taken:
            size += 1
        piece, rest = rest[:size], rest[size:]
        while _encoded(piece) in taken:  # the last piece grows to the left, because nothing follows it
            if not pieces:
                raise ValueError(f"the answer {text!r} is itself a token already; make it longer")
            taken.discard(_encoded(pieces[-1]))
            piece = pieces.pop() + piece
        taken.add(_encoded(piece))
        pieces.append(piece)
    return pieces


def _tensors(vocabulary: Vocabulary) -> dict[str, NDArray[np.float32]]:
    width, tokens, hidden = vocabulary.width, len(vocabulary.texts), vocabulary.hidden
    rows = HEAD * vocabulary.heads
    tensors = {
        "token_embd.weight": np.eye(tokens, width, dtype=np.float32),
        "output_norm.weight": np.ones(width, np.float32),
        "output.weight": np.zeros((tokens, width), np.float32),
    }
    for block in ("blk.0", "blk.1"):
        tensors |= {f"{block}.{name}_norm.weight": np.ones(width, np.float32) for name in ("attn", "ffn")}
        for name, shape in (
            *((f"attn_{part}", (rows, width)) for part in "qkv"), ("attn_output", (width, rows)),
            ("ffn_gate", (hidden, width)), ("ffn_up", (hidden, width)), ("ffn_down", (width, hidden)),
        ):  # fmt: skip
            tensors[f"{block}.{name}.weight"] = np.zeros(shape, np.float32)
    informed = tokens
    shares = {marker: tokens + 1 + place for place, marker in enumerate(vocabulary.markers)}
    for place, (marker, share) in enumerate(shares.items()):
        # The norm turns the 1 of a one-hot vector into sqrt(width), so divide by that again.
        tensors["blk.0.attn_v.weight"][place, marker] = 1 / math.sqrt(width)
        tensors["blk.0.attn_output.weight"][share, place] = MARKER_GAIN
    if vocabulary.informing:
        tensors["blk.0.ffn_gate.weight"][0, vocabulary.start] = 1
        tensors["blk.0.ffn_up.weight"][0, [shares[marker] for marker in vocabulary.informing]] = 1
        tensors["blk.0.ffn_down.weight"][informed, 0] = INFORMED_GAIN
    _write_topics(tensors, vocabulary, shares, informed)
    return tensors


def _write_topics(
    tensors: dict[str, NDArray[np.float32]], vocabulary: Vocabulary, shares: dict[int, int], informed: int
) -> None:
    """Set the weights for the direction that starts each answer, and for the chain of the answer."""
    free = itertools.count(informed + 1 + len(shares))
    unit = itertools.count()
    for marker, answer, informed_answer in vocabulary.topics:
        for state, pieces in ((vocabulary.start, answer), (informed, informed_answer)):
            first = state
            if marker is not None:
                first, row = next(free), next(unit)
                tensors["blk.1.ffn_gate.weight"][row, state] = 1
                tensors["blk.1.ffn_up.weight"][row, shares[marker]] = 1
                tensors["blk.1.ffn_down.weight"][first, row] = TOPIC_GAIN
            for before, after in itertools.pairwise([first, *pieces, vocabulary.end]):
                tensors["output.weight"][after, before] = CHAIN_GAIN


_PRINTABLE = {*range(33, 127), *range(161, 173), *range(174, 256)}
_SPARE = iter(range(256, 512))
_BYTE_TEXT = [chr(byte) if byte in _PRINTABLE else chr(next(_SPARE)) for byte in range(256)]
"""The text of each byte in byte-level BPE (GPT-2): the byte itself if it is printable, else a character from 256 on."""


def _encoded(text: str) -> str:
    return "".join(_BYTE_TEXT[byte] for byte in text.encode("utf-8"))
