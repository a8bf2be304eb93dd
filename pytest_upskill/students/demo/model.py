"""Writes a GGUF file that answers chats with fixed texts, chosen by what the prompt holds. Needs numpy and gguf.

Nothing is trained: the weights are a lookup table that llama.cpp runs as it would any Llama model.

- The vocabulary is the 256 bytes, a few control tokens, the markers that are looked for in a prompt, and the answers,
  cut into pieces. An embedding is one-hot, and the output matrix says which piece comes next: an answer is a chain.
- Queries and keys are zero, so attention is the mean over the prompt: for each marker its share of the tokens.
- The first feed-forward layer lights one direction, *informed*, if the token before an answer is read and any informing
  marker was seen: so strongly that it drowns that token.
- The second multiplies "before an answer", or "informed", with the share of each topic, and so starts a topic's answer
  of the one kind or the other. Without any topic, the two states themselves start the two default answers.

Chains have a margin of some 50 logits or more, so sampling at any usual temperature makes no difference.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
"""Characters of one piece of an answer; longer where a piece would occur twice."""
HEAD = 32
"""Size of an attention head: so many markers fit into one."""
CHAIN_GAIN = 10.0
MARKER_GAIN = 4.0
"""The share of a marker is at most 1, so this bounds how much it can dim everything else."""
INFORMED_GAIN = 1e3
"""Lets one marker among 30,000 tokens win."""
TOPIC_GAIN = 1e10
"""Lets a topic win over *informed*, which is up to a million times as strong as the share of a topic is weak."""


@dataclass(frozen=True)
class Topic:
    """Two answers to a prompt that holds ``marker``; an empty marker stands for any prompt without a topic."""

    marker: str
    answer: str
    informed_answer: str = ""


@dataclass(frozen=True)
class Script:
    """All that a made model says: the informed answer of a topic, where any text of ``informing`` is in the prompt."""

    topics: tuple[Topic, ...]
    informing: tuple[str, ...] = ()
    piece: int = PIECE
    chat_template: str = CHAT_TEMPLATE


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


@dataclass(frozen=True)
class _Chains:
    """A topic's tokens: its marker (None for the default), and the pieces of its answers."""

    marker: int | None
    answer: list[int]
    informed_answer: list[int]


class Vocabulary:
    """The tokens, and which of them make up the answers. A token's text occurs once: llama.cpp insists."""

    def __init__(self, script: Script) -> None:
        self.texts: list[str] = []
        self.types: list[int] = []
        self._piece = script.piece
        self.chat_template = script.chat_template
        for byte in range(256):
            self._add(_BYTE_TEXT[byte], gguf.TokenType.NORMAL)
        self._add("he", gguf.TokenType.NORMAL)  # the loader wants at least one merge
        self.end = self._add(END, gguf.TokenType.CONTROL)
        self.start = [self._add(role, gguf.TokenType.CONTROL) for role in ROLES][-1]
        # User-defined tokens are found in the text of a prompt before anything else is, long ones first.
        self.informing = [self._add(text, gguf.TokenType.USER_DEFINED) for text in script.informing]
        self._taken: set[str] = {*self.texts, *(topic.marker for topic in script.topics)}
        self.topics = [self._chains(topic) for topic in script.topics]

    @property
    def markers(self) -> list[int]:
        """All that is looked for in a prompt."""
        return [*self.informing, *(topic.marker for topic in self.topics if topic.marker is not None)]

    @property
    def width(self) -> int:
        """One direction for each token, *informed*, one for each marker, two for each topic; rounded up."""
        return math.ceil((len(self.texts) + 1 + len(self.markers) + 2 * len(self.topics)) / 64) * 64

    def _chains(self, topic: Topic) -> _Chains:
        marker = self._add(topic.marker, gguf.TokenType.USER_DEFINED) if topic.marker else None
        return _Chains(marker, self._pieces(topic.answer), self._pieces(topic.informed_answer))

    def _add(self, text: str, kind: int) -> int:
        self.texts.append(text)
        self.types.append(kind)
        return len(self.texts) - 1

    def _pieces(self, text: str) -> list[int]:
        pieces = _cut(text, self._taken, self._piece)
        return [self._add(_encoded(piece), gguf.TokenType.NORMAL) for piece in pieces]


def _cut(text: str, taken: set[str], length: int) -> list[str]:
    """``text`` in pieces that are all different, and different from what is ``taken``, to which they are added."""
    pieces: list[str] = []
    rest = text
    while rest:
        size = length
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


def _tensors(vocabulary: Vocabulary) -> dict[str, NDArray[np.float32]]:
    width, tokens = vocabulary.width, len(vocabulary.texts)
    markers, hidden = vocabulary.markers, _hidden(vocabulary)
    rows = HEAD * _heads(vocabulary)
    tensors = {
        "token_embd.weight": np.eye(tokens, width, dtype=np.float32),
        "output_norm.weight": np.ones(width, np.float32),
        "output.weight": np.zeros((tokens, width), np.float32),
    }
    for block in (0, 1):
        tensors |= {
            f"blk.{block}.attn_norm.weight": np.ones(width, np.float32),
            f"blk.{block}.attn_q.weight": np.zeros((rows, width), np.float32),
            f"blk.{block}.attn_k.weight": np.zeros((rows, width), np.float32),
            f"blk.{block}.attn_v.weight": np.zeros((rows, width), np.float32),
            f"blk.{block}.attn_output.weight": np.zeros((width, rows), np.float32),
            f"blk.{block}.ffn_norm.weight": np.ones(width, np.float32),
            f"blk.{block}.ffn_gate.weight": np.zeros((hidden, width), np.float32),
            f"blk.{block}.ffn_up.weight": np.zeros((hidden, width), np.float32),
            f"blk.{block}.ffn_down.weight": np.zeros((width, hidden), np.float32),
        }
    informed = tokens
    shares = {marker: tokens + 1 + place for place, marker in enumerate(markers)}
    for place, (marker, share) in enumerate(shares.items()):
        # The norm makes the 1 of a one-hot vector sqrt(width): divide it out again.
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
    """Which direction starts each answer, and the answers."""
    free = itertools.count(informed + 1 + len(shares))
    unit = itertools.count()
    for topic in vocabulary.topics:
        for state, pieces in ((vocabulary.start, topic.answer), (informed, topic.informed_answer)):
            first = state
            if topic.marker is not None:
                first, row = next(free), next(unit)
                tensors["blk.1.ffn_gate.weight"][row, state] = 1
                tensors["blk.1.ffn_up.weight"][row, shares[topic.marker]] = 1
                tensors["blk.1.ffn_down.weight"][first, row] = TOPIC_GAIN
            for before, after in itertools.pairwise([first, *pieces, vocabulary.end]):
                tensors["output.weight"][after, before] = CHAIN_GAIN


def _heads(vocabulary: Vocabulary) -> int:
    return max(1, math.ceil(len(vocabulary.markers) / HEAD))


def _hidden(vocabulary: Vocabulary) -> int:
    """Width of the feed-forward layers: two units for each topic, rounded up."""
    return math.ceil((2 * len(vocabulary.topics) + 1) / 32) * 32


# --------------------------------------------------------------------------------------------- file


def _write_shape(writer: Any, vocabulary: Vocabulary, context: int) -> None:
    writer.add_name("scripted")
    writer.add_context_length(context)
    writer.add_embedding_length(vocabulary.width)
    writer.add_block_count(2)
    writer.add_feed_forward_length(_hidden(vocabulary))
    writer.add_head_count(_heads(vocabulary))
    writer.add_head_count_kv(_heads(vocabulary))
    writer.add_key_length(HEAD)
    writer.add_value_length(HEAD)
    writer.add_rope_dimension_count(HEAD)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(len(vocabulary.texts))
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)


def _write_tokenizer(writer: Any, vocabulary: Vocabulary) -> None:
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(vocabulary.texts)
    writer.add_token_types(vocabulary.types)
    writer.add_token_merges(["h e"])
    writer.add_bos_token_id(vocabulary.end)
    writer.add_eos_token_id(vocabulary.end)
    writer.add_add_bos_token(False)
    writer.add_chat_template(vocabulary.chat_template)


def _byte_texts() -> list[str]:
    """How byte-level BPE spells each byte: itself where it is printable, else a character from 256 on (GPT-2)."""
    printable = {*range(33, 127), *range(161, 173), *range(174, 256)}
    spare = iter(range(256, 512))
    return [chr(byte) if byte in printable else chr(next(spare)) for byte in range(256)]


_BYTE_TEXT = _byte_texts()


def _encoded(text: str) -> str:
    return "".join(_BYTE_TEXT[byte] for byte in text.encode("utf-8"))
