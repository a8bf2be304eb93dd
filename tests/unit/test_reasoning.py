"""Which part of a reply is its answer: the formats of reasoning that servers leave in the text of a reply.

Each format is tried with two kernels in both orders: the one in the answer counts, never the one in the draft.
"""

from __future__ import annotations

import time

import pytest

from pytest_upskill.documents.reasoning import FORMATS, answer_blocks, answer_text

BAR = "\uff5c"
ONE, TWO = "void one() {}\n", "void two() {}\n"


def block(source: str, fence: str = "```") -> str:
    return f"{fence}cuda\n{source}{fence}"


REPLIES = {
    # By format: replies in which DRAFT and ANSWER stand for blocks.
    "think": [
        "<think:opensource>\nDRAFT\n</think:opensource>\n<answer:opensource>\nANSWER\n</answer:opensource>",
        "<mm:think>\nDRAFT</mm:think>ANSWER",
        "DRAFT\n</longcat_think>\nANSWER",
        "<think_faster>DRAFT</think_faster>\nANSWER",
        "<antThinking>DRAFT</antThinking>ANSWER",
        "<inner-thoughts>\nDRAFT</inner-thoughts>ANSWER",
        "[REASONING]\nDRAFT\n[/REASONING]\nANSWER",
        "<think>\nDRAFT\n</think>\n\nANSWER",
        "<think>DRAFT</think>ANSWER\n",
        "I try this.\nDRAFT\nGood.</think>ANSWER",
        "DRAFT</think>\nANSWER",
        "[THINK]\nDRAFT[/THINK]ANSWER",
        "◁think▷DRAFT\n◁/think▷ANSWER",
        "<thought>\nDRAFT</thought>   ANSWER",
        "<think>\nDRAFT\nIt never ends, but it answers.\n<answer>ANSWER</answer>",
    ],
    "reasoning": ["<reasoning>\nDRAFT\n</reasoning>ANSWER"],
    "reflection": ["<reflection>\nDRAFT</reflection>\nANSWER"],
    "analysis": ["<analysis>\nDRAFT</analysis>\nANSWER"],
    "rationale": ["<rationale>\nDRAFT</rationale>\nANSWER"],
    "thinking_process": ["<thinking_process>DRAFT</thinking_process>ANSWER"],
    "scratchpad": ["<scratchpad>\nDRAFT</scratchpad>\nANSWER"],
    "seed:think": ["<seed:think>\nDRAFT</seed:think>ANSWER"],
    "Harmony": [
        "<|channel|>analysis<|message|>Hm.\nDRAFT\nSo.<|end|><|start|>assistant<|channel|>final<|message|>ANSWER<|return|>",
        "<|channel|>analysis<|message|>DRAFT<|end|><|start|>assistant<|channel|>final<|message|>Here:\n\nANSWER",
        "<|start|>assistant<|channel|>analysis<|message|>DRAFT\n<|end|>\n"
        "<|start|>assistant<|channel|>final <|constrain|>text<|message|>ANSWER",
        "DRAFT<|end|><|start|>assistant<|channel|>final<|message|>ANSWER",
        "<|channel|>analysis<|message|>DRAFT\n<|end|>ANSWER",  # as a server shows it that does not parse reasoning
        "<|channel|>commentary to=functions.write <|constrain|>json<|message|>DRAFT<|call|>"
        "<|start|>assistant<|channel|>final<|message|>ANSWER",
        "<|channel|>final<|message|>ANSWER<|end|><|start|>assistant<|channel|>analysis<|message|>DRAFT",
        "<|channel|>final<|message|>DRAFT<|end|><|start|>assistant<|channel|>final<|message|>ANSWER",
        "```cuda\nvoid cut_off() { x = 1<|end|><|start|>assistant<|channel|>final<|message|>ANSWER",
        "```cuda\nint x; // it's cut off<|end|><|start|>assistant<|channel|>final<|message|>ANSWER",
        "<|channel|>analysis\nDRAFT\n<|channel|>final\nANSWER",
    ],
    "Harmony without tokens": [
        "analysisWe need a kernel.\nDRAFT\nGood.assistantfinalANSWER",
        "assistantanalysisI see.\nDRAFT\nassistantfinalANSWER",
        "analysisLet me see.\nDRAFT\nassistantcommentary to=functions.x json{}\nassistantfinalHere:\nANSWER",
    ],
    "Gemma": [
        "<|channel>thought\nDRAFT\n<channel|><|channel>final\nANSWER\n<channel|>",
        "<|channel>thought\nDRAFT\n<channel|>ANSWER",
        "DRAFT<channel|>\nANSWER",
        "<|channel>DRAFT<channel|>ANSWER",
    ],
    "Gemma 3": ["<unused94>thought\nDRAFT\n<unused95>ANSWER"],
    "Solar": ["<|think|>DRAFT<|end|><|begin|>assistant<|content|>\nANSWER"],
    "Apertus": ["<|inner_prefix|>\nDRAFT\n<|inner_suffix|>ANSWER"],
    "Cohere": ["<|START_THINKING|>DRAFT<|END_THINKING|><|START_RESPONSE|>ANSWER<|END_RESPONSE|>"],
    "OpenThinker": [
        "<|begin_of_thought|>\nDRAFT\n<|end_of_thought|>\n<|begin_of_solution|>ANSWER<|end_of_solution|>",
    ],
    "Granite": ["Here is my thought process: hm.\nDRAFT\nHere is my response: this.\nANSWER"],
    "GLM": [
        "DRAFT\nSo:\n<|begin_of_box|>ANSWER<|end_of_box|>",
        "<|begin_of_box|>ANSWER<|end_of_box|>\nAn older version was\nDRAFT",
        "<think>DRAFT</think><|begin_of_box|>\nANSWER\n<|end_of_box|>",
    ],
    "answer": [
        "DRAFT\n<final_response>\nANSWER\n</final_response>",
        "DRAFT\n<answer>ANSWER</answer>",
        "<answer>\nANSWER\n</answer>\nNot like this:\nDRAFT",
        "DRAFT\nThe final answer: <final_answer>ANSWER</final_answer>\nDRAFT",
        "<think>DRAFT\n<answer>DRAFT</answer></think><answer>ANSWER</answer>",
        "<answer>DRAFT</answer>\nWait.\n<answer>ANSWER</answer>",
    ],
    "Hermes call": ["ANSWER\n<tool_call>\nDRAFT\n</tool_call>", "<tool_call>\nDRAFT\n</tool_call>ANSWER"],
    "Gemma call": ["<|tool_call>call:write{text:\nDRAFT}<tool_call|>ANSWER"],
    "Kimi call": ["ANSWER<|tool_calls_section_begin|>\nDRAFT<|tool_calls_section_end|>"],
    "DeepSeek call": [
        f"<{BAR}DSML{BAR}function_calls>\nDRAFT\n</{BAR}DSML{BAR}function_calls>ANSWER",
        f"ANSWER<{BAR}tool_calls_begin{BAR}>\nDRAFT\n<{BAR}tool_calls_end{BAR}>",
        f"ANSWER\n<{BAR}tool▁calls▁begin{BAR}>\nDRAFT\n<{BAR}tool▁calls▁end{BAR}>"],
    "MiniMax call": ["<minimax:tool_call>\nDRAFT\n</minimax:tool_call>\nANSWER"],
    "Llama call": ["<|python_tag|>\nDRAFT\n<|eom_id|>ANSWER"],
    "Cohere's call": ["ANSWER\n<|START_ACTION|>\nDRAFT\n<|END_ACTION|>"],
    "another turn": [
        "ANSWER</s>[INST] again [/INST]DRAFT",
        "ANSWER<|END_OF_TURN_TOKEN|><|START_OF_TURN_TOKEN|><|USER_TOKEN|>DRAFT",
        "ANSWER<|role_end|><role>HUMAN</role>DRAFT",
        "ANSWER<|eot|><|header_start|>user<|header_end|>\n\nDRAFT",
        "ANSWER<|end_of_text|>\n<|start_of_role|>user<|end_of_role|>DRAFT",
        "[|assistant|]ANSWER[|endofturn|]\n[|user|]DRAFT",
        "ANSWER<|im_end|><|im_user|>user<|im_middle|>DRAFT",
        "<extra_id_1>Assistant\nANSWER\n<extra_id_1>User\nDRAFT",
        "ANSWER<|im_end|>\n<|im_start|>user\nAnd now?\nDRAFT",
        "ANSWER<end_of_turn>\n<start_of_turn>user\nDRAFT<end_of_turn>\n<start_of_turn>model\nDRAFT",
        "ANSWER<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nDRAFT",
    ],
    "(?:\\w{1,20}[:_])?reasoning": [
        "<reasoning>\nDRAFT\n</reasoning>ANSWER",
        "<internal_reasoning>DRAFT</internal_reasoning>ANSWER",
    ],
    "cot": [
        "<cot>\nDRAFT\n</cot>ANSWER",
    ],
    "inner_monologue": [
        "<inner_monologue>DRAFT</inner_monologue>\nANSWER",
    ],
    "reason": [
        "<reason>\nDRAFT\n</reason>\nANSWER",
    ],
    "plan(?:ning)?": [
        "<planning>DRAFT</planning>ANSWER",
        "<plan>\nDRAFT\n</plan>\nANSWER",
    ],
    "draft": [
        "<draft>\nDRAFT\n</draft>\nANSWER",
    ],
    "Pangu": [
        "[unused16]\nDRAFT\n[unused17]\nANSWER[unused10]",
        "DRAFT[unused17]ANSWER",
    ],
    "tokens": [
        "<|startofthink|>\nDRAFT\n<|endofthink|>\nANSWER",
        "<|thought_start|>DRAFT<|thought_end|>ANSWER",
        "<|thinking|>DRAFT<|/thinking|>ANSWER",
        "DRAFT<|SYSTEM2_END|>\nANSWER",
    ],
    "s1": [
        "<|im_start|>think\nDRAFT\n<|im_start|>answer\nANSWER",
    ],
    "Apriel": [
        "Here are my reasoning steps:\nHm.\nDRAFT\n[BEGIN FINAL RESPONSE]\nANSWER\n[END FINAL RESPONSE]\n<|end|>",
        "DRAFT\n[BEGIN FINAL RESPONSE]ANSWER",
    ],
    "Open WebUI": [
        '<details type="reasoning" done="true">\n<summary>Thought for 3 s</summary>\nDRAFT\n</details>\nANSWER',
        "<details>\n<summary>Thinking</summary>\n\nDRAFT\n\n</details>\n\nANSWER",
    ],
    "Ollama": [
        "Thinking...\nDRAFT\n...done thinking.\n\nANSWER",
    ],
    "XML call": [
        "<function_calls>\n<invoke name='w'>\nDRAFT\n</invoke></function_calls>\nANSWER",
        "ANSWER\n<tool_use>\nDRAFT</tool_use>",
        "<longcat_tool_call>\nDRAFT\n</longcat_tool_call>ANSWER",
    ],
    "Llama's XML call": [
        "<function=write>{\nDRAFT\n}</function>ANSWER",
    ],
    "token call": [
        "<|tool_call_start|>[write(text='\nDRAFT\n')]<|tool_call_end|>ANSWER",
        "<|tool_call|>\nDRAFT\n<|/tool_call|>ANSWER",
    ],
    "action call": [
        "<|action_start|><|plugin|>\nDRAFT\n<|action_end|>ANSWER",
    ],
    "Mistral call": [
        'ANSWER\n[TOOL_CALLS][{"name": "write", "arguments": {"text": "\nDRAFT"}}]',
        '[TOOL_CALLS]write[ARGS]{"text": "\nDRAFT\n"}ANSWER',
        "[TOOL_CALLS][{'name': 'read'}]\nANSWER",
        "DRAFT\n[TOOL_CALLS]ANSWER",
        '[TOOL_CALLS]read[CALL_ID]a1b2[ARGS]{"path": "SKILL.md"}\r\nANSWER',
    ],
}  # fmt: skip


def test_every_format_has_a_reply() -> None:
    assert {row.name for row in FORMATS} <= REPLIES.keys()


@pytest.mark.parametrize("text", [text for texts in REPLIES.values() for text in texts])
@pytest.mark.parametrize(("answer", "draft"), [(ONE, TWO), (TWO, ONE)])
@pytest.mark.parametrize("fence", ["```", "~~~~"])
def test_the_answer_counts_and_never_the_draft(text: str, answer: str, draft: str, fence: str) -> None:
    reply = text.replace("DRAFT", block(draft, fence)).replace("ANSWER", block(answer, fence))
    assert answer_blocks(reply).answer[-1].source == answer
    if "[TOOL_CALLS]```" not in reply and "[TOOL_CALLS]~~~" not in reply:  # there, the last block counts
        assert {one.source for one in answer_blocks(reply).answer} == {answer}
        assert (answer in answer_text(reply), draft in answer_text(reply)) == (True, False)


@pytest.mark.parametrize("text", [text for texts in REPLIES.values() for text in texts])
def test_the_line_of_an_answer_is_that_of_the_reply(text: str) -> None:
    reply = text.replace("DRAFT", block(ONE)).replace("ANSWER", block(TWO))
    line = answer_blocks(reply).answer[-1].line
    assert reply.replace("\r\n", "\n").split("\n")[line - 1] == TWO.rstrip()


@pytest.mark.parametrize(
    "quoted",
    [
        "// a server may leave <|channel|>final<|message|> in the text",
        'const char* tag = "<|end|>";',
        "/* [TOOL_CALLS] */ int x;",
        "  // </answer>",
        "a = b; // <channel|>",
        'printf("<answer>");',
        "if (a <b|| c|>d) return;",
        "auto x = y[TOOL_CALLS + 1];",
        "auto x = y[unused16];",
        "[answer](int i) { return i; }(0);",
        "std::function<void(plan)> draft;",
        'log("[|user|]");',
    ],
)
def test_a_tag_that_code_quotes_is_code(quoted: str) -> None:
    source = f"{quoted}\n{ONE}"
    assert [one.source for one in answer_blocks(block(source)).answer] == [source]


@pytest.mark.parametrize(
    "prose",
    [
        "I put the kernel into `<answer>` and `</answer>` tags, without `<|channel|>analysis<|message|>`.",
        "The word assistantfinal is no tag here.",
        "Use the <response> element.",
        "[REASONING](notes.md) and [ANSWER]: see below.",
        "<details>\n<summary>How it works</summary>",
        "The element <role>admin</role> and the <plan>.",
        "analysis: the kernel is memory bound.",
    ],
)
def test_prose_about_tags_hides_no_block(prose: str) -> None:
    reply = f"{prose}\n{block(ONE)}\n{prose}\n"
    assert [one.source for one in answer_blocks(reply).answer] == [ONE]


def test_where_the_tags_of_an_answer_hold_no_block_the_others_count() -> None:
    reply = f"{block(ONE)}\n<answer>See the kernel above.</answer>"
    assert [one.source for one in answer_blocks(reply).answer] == [ONE]
    assert not answer_blocks(f"<|channel|>analysis<|message|>{block(ONE)}<|end|>").answer


def test_a_final_channel_without_a_block_is_an_answer_without_one() -> None:
    blocks = answer_blocks(f"{block(ONE)}<|end|><|start|>assistant<|channel|>final<|message|>Sorry.")
    assert (blocks.answer, blocks.in_reasoning) == ((), True)


def test_a_token_after_the_last_line_of_code_is_no_code() -> None:
    assert answer_blocks(f"```cuda\n{ONE}<|im_end|>").answer[0].source == ONE
    for token in ("<|return|>", "<|eot|>", "<end_of_turn>", "</s>", "</answer>"):
        assert answer_blocks(f"```cuda\n{ONE}```{token}\nThat is it.\n").answer[0].source == ONE


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        ("<think>\nNot 5.\n</think>\nIt is 4.\n", "It is 4.\n"),
        ("Not 5.</think>It is 4.", "It is 4."),
        ("<|channel|>analysis<|message|>5?<|end|><|channel|>final<|message|>It is 4.<|return|>", "It is 4."),
        ("5 or 4? <|begin_of_box|>4<|end_of_box|>", "4"),
        ("analysisNot 5.assistantfinal4", "4"),
        ("A turn ends with <|im_end|>, or <|eot_id|>.", "A turn ends with <|im_end|>, or <|eot_id|>."),
        ("It is 4.\n\nTruly `<think>`.  \r\n", "It is 4.\n\nTruly `<think>`.  \r\n"),
    ],
)
def test_the_text_of_an_answer_is_without_its_reasoning(reply: str, answer: str) -> None:
    assert answer_text(reply).strip(" \n") == answer.strip(" \n")
    if "`" in reply:
        assert answer_text(reply) == reply


@pytest.mark.parametrize(
    "piece",
    ["x <think> ", "<answer>", "</answer>\n", '[TOOL_CALLS][{"a":"', "[TOOL_CALLS][1,", "`<|start|>` ", "<|channel|>"],
)
def test_no_text_takes_long(piece: str) -> None:
    start = time.process_time()
    answer_blocks(piece * (200_000 // len(piece)))
    assert time.process_time() - start < 5
